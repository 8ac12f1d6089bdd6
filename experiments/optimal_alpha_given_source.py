"""α* for a fixed source classifier against ⟨w̃, μ_β⟩, unit norms, four dimensions and six penalties."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, simulate_optimal_alpha

from .lab import Lab

DIMS = (2, 20, 200, 2000)
GAMMAS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LARGE = 100


def run(lab: Lab) -> None:
    inner = np.linspace(0, 0.98, 99)
    curves, sims = [], []
    for dim in DIMS:
        for gamma in GAMMAS:
            best = optimal_alpha(problem(inner, dim, 200, gamma)).best
            curves.append(pd.DataFrame({"dim": dim, "gamma": gamma, "inner": inner, "best": best}))
            for s in (0.2, 0.45, 0.7, 0.9):
                sim = simulate_optimal_alpha(problem(s, dim, 200, gamma), n_trials=lab.trials(256), seed=lab.seed)
                sims.append({"dim": dim, "gamma": gamma, "inner": s, "best": sim.best, "best_se": sim.best_se})
                big = problem(s, LARGE * dim, LARGE * 200, gamma)
                large = simulate_optimal_alpha(big, n_trials=lab.trials(256), seed=lab.seed)
                lab.check((large.best - optimal_alpha(big).best) / large.best_se)
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.DataFrame(sims), "simulation"))
    lab.remark(f"Points at the published size; z of α* at {LARGE} times it.")


def problem(inner, dim: int, n: int, gamma: float) -> TransferProblem:
    """Unit w̃ at a given inner product with the unit mean."""
    w = np.zeros((*np.shape(inner), dim))
    w[..., 0], w[..., 1] = inner, np.sqrt(1 - np.square(inner))
    return TransferProblem.from_source(w, np.eye(1, dim)[0], n_target=n, gamma_target=gamma)


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=4, width=2.4, height=2.6)
    for ax, dim in zip(axes[0], DIMS, strict=True):
        for i, gamma in enumerate(GAMMAS):
            line = curves[(curves.dim == dim) & (curves.gamma == gamma)]
            points = sims[(sims.dim == dim) & (sims.gamma == gamma)]
            plotting.theory_line(ax, line.inner, line.best, i, label=f"γ = {gamma:g}")
            plotting.simulation_points(ax, points.inner, points.best, points.best_se, i)
        ax.set(xlabel=r"$\langle \tilde w, \mu_\beta\rangle$", title=f"p = {dim}, n = 200")
    axes[0, 0].set_ylabel("α*")
    axes[0, 0].legend()
    lab.picture(fig)
