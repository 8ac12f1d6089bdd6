"""Is ridge's closed-form α* a good proxy for logistic fine-tuning? With penalties matched, yes.

To second order around t = 0 the logistic loss is (t−2)²/8: ridge with labels ±2 and four times the penalty. So both stages'
logistic weights are about twice those of ridge at (4γ̃, 4γ), and α* is about the same. "Matched" means that; "as given"
puts the logistic problem's own penalties into the formula.
"""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab

RATIOS = (0.25, 1.0, 4.0)
BETA = np.linspace(0.125, 1, 8)
LOGISTIC: dict[str, Any] = dict(loss="logistic", source_loss="logistic")
PROXIES = {"matched": 4.0, "as given": 1.0}
LABELS = {"matched": "ridge's α* at (4γ̃, 4γ)", "as given": "ridge's α* at (γ̃, γ)", "one": "α = 1"}


def make(ratio, beta, p=200) -> TransferProblem:
    return TransferProblem(2 * p, int(ratio * p), p, 1.5, 1.0, beta, gamma_source=1.0, gamma_target=0.3)


def proxy(problem: TransferProblem, factor: float) -> TransferProblem:
    """The ridge problem whose closed form stands in for the logistic one."""
    return dataclasses.replace(
        problem, gamma_source=problem.gamma_source * factor, gamma_target=problem.gamma_target * factor
    )


def run(lab: Lab) -> None:
    problem, alpha, points = make(1.0, 0.5), np.linspace(-4, 6, 81), np.linspace(-4, 6, 6)
    curve = pd.DataFrame({"alpha": alpha, "logistic": predict(problem, alpha, **LOGISTIC).accuracy})
    for name, factor in PROXIES.items():
        curve[name] = predict(proxy(problem, factor), alpha).accuracy
    simulated = simulate(problem, points, n_trials=lab.trials(64), seed=lab.seed, **LOGISTIC)
    lab.check(compare(predict(problem, points, **LOGISTIC), simulated))
    sim = pd.DataFrame({"alpha": points, "accuracy": simulated.accuracy, "accuracy_se": simulated.accuracy_se})

    frames = []
    for ratio in RATIOS:
        problems = make(ratio, BETA)
        best = optimal_alpha(problems, **LOGISTIC)
        frame = {"ratio": ratio, "beta": BETA, "best": best.best, "accuracy": best.accuracy, "one": 1.0}
        frame |= {name: optimal_alpha(proxy(problems, factor)).best for name, factor in PROXIES.items()}
        for name in LABELS:
            frame[f"lost {name}"] = best.accuracy - predict(problems, frame[name], **LOGISTIC).accuracy
        frames.append(pd.DataFrame(frame))
    data = lab.table(pd.concat(frames))
    draw(lab, lab.table(curve, "curve"), lab.table(sim, "simulation"), data)
    worst = (f"{data[f'lost {name}'].max():.4f} with {label}" for name, label in LABELS.items())
    lab.remark(f"Most accuracy lost under the logistic loss: {', '.join(worst)}.")


def draw(lab: Lab, curve: pd.DataFrame, sim: pd.DataFrame, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, width=3.2, height=2.9)
    left, middle, right = axes[0]
    curves = {"logistic": "logistic", "matched": "ridge at (4γ̃, 4γ)", "as given": "ridge"}
    for i, (name, label) in enumerate(curves.items()):
        plotting.theory_line(left, curve.alpha, curve[name], i, label=label)
        top = curve[name].idxmax()
        left.plot(curve.alpha[top], curve[name][top], "*k", ms=8, zorder=5)
    plotting.simulation_points(left, sim.alpha, sim.accuracy, sim.accuracy_se, 0)
    left.set(xlabel="α", ylabel="accuracy", title="β = 0.5, n/p = 1 (stars: α*)")
    left.legend(loc="lower right")
    for i, (ratio, rows) in enumerate(data.groupby("ratio")):
        look = {"color": plotting.COLORS[i], "markerfacecolor": "white", "markevery": 3}
        marked = {"marker": plotting.MARKERS[i], **look}
        plotting.theory_line(middle, rows.beta, rows.best, 0, label=f"n/p = {ratio:g}", **marked)
        for j, name in enumerate(PROXIES, start=1):
            plotting.theory_line(middle, rows.beta, rows[name], j, **look)
            # Below this the search's own rounding shows.
            plotting.theory_line(right, rows.beta, rows[f"lost {name}"].clip(lower=1e-6), j, **marked)
    for j, name in enumerate(("logistic (search)", *list(LABELS.values())[:2])):
        plotting.theory_line(middle, [], [], j, color="black", label=name)
    middle.set(xlabel="β", ylabel="α*", yscale="log", ylim=(0.02, 10), title="α*")
    middle.legend(fontsize=6.5)
    right.set(xlabel="β", ylabel="accuracy lost", yscale="log", title="lost by taking ridge's α*")
    lab.picture(fig)
