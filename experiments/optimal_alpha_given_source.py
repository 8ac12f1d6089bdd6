"""α* for a fixed source classifier against ⟨w̃, μ_β⟩, unit norms, four dimensions and six penalties."""

from dataclasses import replace

import numpy as np
import pandas as pd

from rmt_alpha import Fit, TransferProblem, optimal_alpha, plotting, simulate_optimal_alpha

from .lab import Lab

DIMS = (2, 20, 200, 2000)
GAMMAS = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 5.0])
N_TARGET, LARGE = 200, 100


def run(lab: Lab) -> None:
    curves, sims = [], []
    for dim in DIMS:
        for inner in np.linspace(0, 0.98, 99):
            curves.append(pd.DataFrame(columns(dim, inner) | {"optimal_alpha": optimal_alpha(make(inner, dim)).alpha}))
        for inner in (0.2, 0.45, 0.7, 0.9):
            sim = simulate_optimal_alpha(make(inner, dim), n_trials=lab.trials(256), seed=lab.seed)
            sims.append(
                pd.DataFrame(columns(dim, inner) | {"optimal_alpha": sim.alpha, "optimal_alpha_se": sim.alpha_se})
            )
            big = make(inner, LARGE * dim, LARGE * N_TARGET)
            large = simulate_optimal_alpha(big, n_trials=lab.trials(256), seed=lab.seed)
            lab.check((large.alpha - optimal_alpha(big).alpha) / large.alpha_se)
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark(f"Points at the published size; z of α* at {LARGE} times it.")


def make(inner: float, dim: int, n_target: int = N_TARGET) -> Fit:
    """Unit w̃ at a given inner product with the unit mean, at every penalty."""
    problem = TransferProblem(1, n_target, dim, 1, 1, 1.0, gamma_source=1, gamma_target=GAMMAS)  # for its target
    return replace(problem.fit, starts=[np.array([inner, np.sqrt(1 - inner**2)])])


def columns(dim: int, inner: float) -> dict:
    return {"n_target": N_TARGET, "dim": dim, "gamma_target": GAMMAS, "inner_product": inner}


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=4, height=2.5)
    for ax, dim in zip(axes[0], DIMS, strict=True):
        for i, gamma in enumerate(GAMMAS):
            line, points = (t[(t.dim == dim) & (t.gamma_target == gamma)] for t in (curves, sims))
            plotting.theory_line(ax, line.inner_product, line.optimal_alpha, i, label=rf"$\gamma={gamma:g}$")
            plotting.simulation_points(ax, points.inner_product, points.optimal_alpha, points.optimal_alpha_se, i)
        ax.set(xlabel=r"$\langle \tilde w, \mu_\beta\rangle$", title=f"$p={dim}$")
    axes[0, 0].set_ylabel(r"$\alpha^*$")
    plotting.legend(axes[0, 0], fig)
    fig.suptitle(rf"$n={N_TARGET},\ \|\tilde w\|=\|\mu_\beta\|=1$")
    lab.picture(fig)
