"""α* against the alignment β for four dimensions: correct form, published form, simulated argmax."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, simulate_optimal_alpha
from rmt_alpha.theory.published import optimal_alpha_published

from .lab import Lab, parameters, scaled

DIMS = (2, 20, 200, 2000)


def run(lab: Lab) -> None:
    beta, points = np.sin(np.linspace(0, np.pi / 2, 201)), np.linspace(0.1, 1, 10)  # dense near 1, where α* takes off
    curves, sims = [], []
    for dim in DIMS:
        line, at = make(dim, beta), make(dim, points)
        found = {"optimal_alpha": optimal_alpha(line).alpha, "published_alpha": optimal_alpha_published(line)}
        curves.append(pd.DataFrame(parameters(line) | found))
        sim = simulate_optimal_alpha(at, n_trials=lab.trials(1024), seed=lab.seed)
        sims.append(pd.DataFrame(parameters(at) | {"optimal_alpha": sim.alpha, "optimal_alpha_se": sim.alpha_se}))
        large = simulate_optimal_alpha(scaled(at, 100), n_trials=lab.trials(256), seed=lab.seed)
        lab.check((large.alpha - optimal_alpha(at).alpha) / large.alpha_se)
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark("Points at the published size; z of α* at 100 times it.")


def make(dim: int, beta) -> TransferProblem:
    return TransferProblem(2000, 200, dim, mu=1, mu_orth=1, beta=beta, gamma_source=1, gamma_target=1)


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.2, height=2.9)
    ax = axes[0, 0]
    for i, (dim, curve) in enumerate(curves.groupby("dim")):
        sim = sims[sims.dim == dim]
        plotting.theory_line(ax, curve.beta, curve.optimal_alpha, i, linestyle="-", label=f"$p={dim}$")
        plotting.theory_line(ax, curve.beta, curve.published_alpha, i, linestyle=(0, (4, 2)), linewidth=0.8)
        plotting.simulation_points(ax, sim.beta, sim.optimal_alpha, sim.optimal_alpha_se, i)
    ax.plot([], [], color="black", linestyle=(0, (4, 2)), linewidth=0.8, label="published code")
    ax.set(xlabel=r"$\beta$", ylabel=r"$\alpha^*$", title=r"$N=2000,\ n=200,\ \gamma=\tilde\gamma=\mu=\mu_\perp=1$")
    plotting.legend(ax)
    lab.picture(fig)
