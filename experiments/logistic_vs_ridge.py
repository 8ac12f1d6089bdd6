"""Is ridge's closed-form α* a good proxy for logistic fine-tuning? With penalties matched, yes.

To second order around t = 0 the logistic loss is (t−2)²/8: ridge with labels ±2 and four times the penalty. So both stages'
logistic weights are about twice those of ridge at (4γ̃, 4γ), and α* is about the same. "Matched" means that; "as given"
puts the logistic problem's own penalties into the formula.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab, parameters

RATIOS = (0.25, 1.0, 4.0)
BETA = np.linspace(0.125, 1, 8)
PROXIES = {"matched": 4.0, "as_given": 1.0}
LABELS = {
    "matched": r"ridge's $\alpha^*$ at $(4\tilde\gamma, 4\gamma)$",
    "as_given": r"ridge's $\alpha^*$ at $(\tilde\gamma, \gamma)$",
    "one": r"$\alpha=1$",
}


def make(ratio, beta, p=200) -> TransferProblem:
    losses = {"loss": "logistic", "source_loss": "logistic"}
    return TransferProblem(2 * p, int(ratio * p), p, 1.5, 1.0, beta, gamma_source=1.0, gamma_target=0.3, **losses)


def proxy(problem: TransferProblem, factor: float) -> TransferProblem:
    """The ridge problem whose closed form stands in for the logistic one."""
    penalties = {name: getattr(problem, name) * factor for name in ("gamma_source", "gamma_target")}
    return replace(problem, **penalties, loss="squared", source_loss="squared")


def run(lab: Lab) -> None:
    problem, alpha, points = make(1.0, 0.5), np.linspace(-4, 6, 81), np.linspace(-4, 6, 6)
    curve = parameters(problem) | {"alpha": alpha, "accuracy_logistic": predict(problem, alpha).accuracy}
    for name, factor in PROXIES.items():
        curve[f"accuracy_ridge_{name}"] = predict(proxy(problem, factor), alpha).accuracy
    found = simulate(problem, points, n_trials=lab.trials(64), seed=lab.seed)
    lab.check(compare(predict(problem, points), found))
    sim = parameters(problem) | {"alpha": points, "accuracy": found.accuracy, "accuracy_se": found.accuracy_se}

    frames = []
    for ratio in RATIOS:
        problems = make(ratio, BETA)
        best = optimal_alpha(problems)
        alphas = {name: optimal_alpha(proxy(problems, factor)).alpha for name, factor in PROXIES.items()}
        alphas["one"] = np.ones_like(BETA)
        frame = parameters(problems) | {"optimal_alpha": best.alpha, "accuracy": best.accuracy}
        for name, at in alphas.items():
            frame[f"alpha_{name}"], frame[f"lost_{name}"] = at, best.accuracy - predict(problems, at).accuracy
        frames.append(pd.DataFrame(frame))
    data = lab.table(pd.concat(frames))
    draw(lab, lab.table(pd.DataFrame(curve), "curve"), lab.table(pd.DataFrame(sim), "simulation"), data)
    told = {"matched": "ridge's α* at (4γ̃, 4γ)", "as_given": "ridge's α* at (γ̃, γ)", "one": "α = 1"}
    worst = (f"{data[f'lost_{name}'].max():.4f} with {label}" for name, label in told.items())
    lab.remark(f"Most accuracy lost under the logistic loss: {', '.join(worst)}.")


def draw(lab: Lab, curve: pd.DataFrame, sim: pd.DataFrame, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=3.3)
    left, middle, right = axes[0]
    curves = {"logistic": "logistic", "ridge_matched": r"ridge, $4\gamma$", "ridge_as_given": r"ridge, $\gamma$"}
    for i, (name, label) in enumerate(curves.items()):
        accuracy = curve[f"accuracy_{name}"]
        plotting.theory_line(left, curve.alpha, accuracy, i, label=label)
        top = accuracy.idxmax()
        left.plot(curve.alpha[top], accuracy[top], "*", color="black", markersize=6, zorder=5)
    plotting.simulation_points(left, sim.alpha, sim.accuracy, sim.accuracy_se, 0)
    left.set(xlabel=r"$\alpha$", ylabel="accuracy", title=r"$\beta=0.5,\ n=200$")
    plotting.legend(left, loc="lower right", handlelength=1.6)
    for i, (n, rows) in enumerate(data.groupby("n_target")):
        look = {"color": plotting.COLORS[i], "markerfacecolor": "white", "markevery": 3, "marker": plotting.MARKERS[i]}
        plotting.theory_line(middle, rows.beta, rows.optimal_alpha, 0, label=f"$n={n}$", **look)
        for j, name in enumerate(PROXIES, start=1):
            plotting.theory_line(middle, rows.beta, rows[f"alpha_{name}"], j, **look)
            # Below this the search's own rounding shows.
            plotting.theory_line(right, rows.beta, 100 * rows[f"lost_{name}"].clip(lower=1e-6), j, **look)
    for j, label in enumerate(("logistic (search)", LABELS["matched"], LABELS["as_given"])):
        plotting.theory_line(middle, [], [], j, color="black", label=label)
    middle.set(xlabel=r"$\beta$", yscale="log", title=r"$\alpha^*$, theory")
    right.set(xlabel=r"$\beta$", yscale="log", title="points of accuracy lost")
    fig.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    fig.suptitle(r"$N=2p,\ p=200,\ \mu=1.5,\ \mu_\perp=1,\ \tilde\gamma=1,\ \gamma=0.3$; stars: $\alpha^*$")
    lab.picture(fig)
