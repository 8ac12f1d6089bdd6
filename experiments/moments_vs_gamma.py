"""Mean, risk and accuracy against the target penalty, from nearly ridgeless to nothing learned."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, plotting, predict, simulate

from .lab import Lab

SETTINGS = ((1000, 200, 100, 0.5, 0.3, 1, 1.5), (1000, 100, 200, 0.5, 0.3, 2, 1.5), (5000, 500, 100, 10, 0.8, 1.5, 1))
QUANTITIES = ("mean", "risk", "accuracy")


def run(lab: Lab) -> None:
    line, points = np.logspace(-6, 3, 181), np.logspace(-6, 3, 10)
    curves, sims = [], []
    for setting, (N, n, p, alpha, beta, mu, mu_orth) in enumerate(SETTINGS):

        def problem(gamma, N=N, n=n, p=p, mu=mu, mu_orth=mu_orth, beta=beta):
            return TransferProblem(N, n, p, mu, mu_orth, beta, gamma_source=1, gamma_target=gamma)

        theory = predict(problem(line), alpha)
        sim = simulate(problem(points), alpha, n_trials=lab.trials(512), seed=lab.seed)
        curves.append(pd.DataFrame({"setting": setting, "gamma": line} | {q: getattr(theory, q) for q in QUANTITIES}))
        measured = {q: getattr(sim, q) for q in (*QUANTITIES, *(f"{q}_se" for q in QUANTITIES))}
        sims.append(pd.DataFrame({"setting": setting, "gamma": points} | measured))
        lab.check_at(16, problem(points), alpha, lab.trials(256))
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark("Points at the published size; z at 16 times it.")


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, width=2.9, height=2.5)
    for ax, quantity in zip(axes[0], QUANTITIES, strict=True):
        for i, (N, n, p, alpha, beta, *_) in enumerate(SETTINGS):
            line, point = curves[curves.setting == i], sims[sims.setting == i]
            plotting.theory_line(
                ax, line.gamma, line[quantity], i, label=f"N={N}, n={n}, p={p}, α={alpha:g}, β={beta:g}"
            )
            plotting.simulation_points(ax, point.gamma, point[quantity], point[f"{quantity}_se"], i)
        ax.set(xlabel="γ", xscale="log", ylabel=quantity, yscale="log" if quantity == "risk" else "linear")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lab.picture(fig)
