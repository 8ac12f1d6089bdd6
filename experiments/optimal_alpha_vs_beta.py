"""α* against the alignment β for four dimensions: correct form, published form, simulated argmax."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, simulate_optimal_alpha
from rmt_alpha.theory.published import optimal_alpha_published

from .lab import Lab, scaled

DIMS = (2, 20, 200, 2000)


def run(lab: Lab) -> None:
    beta = np.sin(np.linspace(0, np.pi / 2, 201))  # dense near 1, where α* takes off
    curves, sims = [], []
    for dim in DIMS:

        def problem(beta, dim=dim):
            return TransferProblem(2000, 200, dim, mu=1, mu_orth=1, beta=beta, gamma_source=1, gamma_target=1)

        best, published = optimal_alpha(problem(beta)).best, optimal_alpha_published(problem(beta)).best
        curves.append(pd.DataFrame({"dim": dim, "beta": beta, "best": best, "published": published}))
        for b in np.linspace(0.1, 1, 10):
            sim = simulate_optimal_alpha(problem(b), n_trials=lab.trials(1024), seed=lab.seed)
            sims.append({"dim": dim, "beta": b, "best": sim.best, "best_se": sim.best_se})
            large = simulate_optimal_alpha(scaled(problem(b), 100), n_trials=lab.trials(256), seed=lab.seed)
            lab.check((large.best - optimal_alpha(problem(b)).best) / large.best_se)
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.DataFrame(sims), "simulation"))
    lab.remark("Points at the published size; z of α* at 100 times it.")


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.4, height=3.2)
    ax = axes[0, 0]
    for i, (dim, curve) in enumerate(curves.groupby("dim")):
        sim = sims[sims.dim == dim]
        plotting.theory_line(ax, curve.beta, curve.best, i, linestyle="-", label=f"p = {dim}")
        plotting.theory_line(ax, curve.beta, curve.published, i, linestyle=(0, (4, 2)), linewidth=0.9)
        plotting.simulation_points(ax, sim.beta, sim.best, sim.best_se, i)
    ax.plot([], [], color="black", ls=(0, (4, 2)), lw=0.9, label="published code")
    ax.set(xlabel="β", ylabel="α*", title=r"$N=2000,\ n=200,\ \gamma=\tilde\gamma=\mu=\mu_\perp=1$")
    ax.legend()
    lab.picture(fig)
