"""Mean, risk and accuracy against the target penalty, from nearly ridgeless to nothing learned."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, plotting, predict, simulate

from .lab import Lab, parameters

# N, n, p, α, β, ‖μ‖, ‖μ_⊥‖
SETTINGS = ((1000, 200, 100, 0.5, 0.3, 1, 1.5), (1000, 100, 200, 0.5, 0.3, 2, 1.5), (5000, 500, 100, 10, 0.8, 1.5, 1))
QUANTITIES = ("mean", "risk", "accuracy")


def run(lab: Lab) -> None:
    curves, sims = [], []
    for N, n, p, alpha, beta, mu, mu_orth in SETTINGS:
        line, points = (
            TransferProblem(N, n, p, mu, mu_orth, beta, gamma_source=1, gamma_target=np.logspace(-6, 3, count))
            for count in (181, 10)
        )
        theory, sim = predict(line, alpha), simulate(points, alpha, n_trials=lab.trials(512), seed=lab.seed)
        measured = {name: getattr(sim, name) for q in QUANTITIES for name in (q, f"{q}_se")}
        curves.append(pd.DataFrame(parameters(line) | {"alpha": alpha} | {q: getattr(theory, q) for q in QUANTITIES}))
        sims.append(pd.DataFrame(parameters(points) | {"alpha": alpha} | measured))
        lab.check_at(16, points, alpha, lab.trials(256))
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark("Points at the published size; z at 16 times it.")


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=2.7)
    for ax, quantity in zip(axes[0], QUANTITIES, strict=True):
        for i, (N, n, p, alpha, beta, *_) in enumerate(SETTINGS):
            line, point = (t[(t.n_source == N) & (t.n_target == n)] for t in (curves, sims))
            label = rf"$N={N},\ n={n},\ p={p},\ \alpha={alpha:g},\ \beta={beta:g}$"
            plotting.theory_line(ax, line.gamma_target, line[quantity], i, label=label)
            plotting.simulation_points(ax, point.gamma_target, point[quantity], point[f"{quantity}_se"], i)
        ax.set(xlabel=r"$\gamma$", xscale="log", ylabel=quantity, yscale="log" if quantity == "risk" else "linear")
    plotting.legend(axes[0, 0], fig, ncols=2)
    norms = ",\\ ".join(f"({mu}, {mu_orth})" for *_, mu, mu_orth in SETTINGS)
    fig.suptitle(rf"$\tilde\gamma=1$; $(\mu, \mu_\perp)={norms}$ in the order of the legend")
    lab.picture(fig)
