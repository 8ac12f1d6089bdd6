"""α* and its gain over α = 1 as maps over the two penalties."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, predict, simulate_optimal_alpha

from .lab import Lab, parameters, scaled

BETAS = (0.2, 0.5, 0.8)
PANELS = {
    "optimal_alpha": (plotting.SCALES, r"$\alpha^*$"),
    "gain": ((0, 0.5, 1, 2, 3, 5, 8), r"gain over $\alpha=1$ (points)"),
}
GAMMA, COARSE = np.logspace(-2, 2, 81), np.array([0.05, 1.0, 20.0])


def run(lab: Lab) -> None:
    frames = []
    for beta in BETAS:
        problem = make(beta, GAMMA)
        best = optimal_alpha(problem)
        values = {"optimal_alpha": best.alpha, "gain": best.accuracy - predict(problem, 1.0).accuracy}
        grid = parameters(problem) | values
        frames.append(pd.DataFrame({k: np.broadcast_to(v, problem.shape).ravel() for k, v in grid.items()}))
        # The witness of the maps, on a coarse grid over them.
        large = scaled(make(beta, COARSE), 100)
        sim = simulate_optimal_alpha(large, n_trials=lab.trials(256), seed=lab.seed)
        lab.check((sim.alpha - optimal_alpha(large).alpha) / sim.alpha_se)
    draw(lab, lab.table(pd.concat(frames)))
    lab.remark("z of α* at 27 cells of the maps, at 100 times the size.")


def make(beta: float, gamma: np.ndarray) -> TransferProblem:
    return TransferProblem(2000, 40, 400, 1, 1, beta, gamma_source=gamma[:, None], gamma_target=gamma)


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, height=2.0, sharex=True, sharey=True)
    for column, (beta, cells) in zip(axes.T, data.groupby("beta"), strict=True):
        for ax, (value, (levels, _)) in zip(column, PANELS.items(), strict=True):
            z = cells.pivot(index="gamma_source", columns="gamma_target", values=value)
            ax.set(xscale="log", yscale="log")
            ax.mapped = plotting.contour_map(ax, z.columns, z.index, 100 * z if value == "gain" else z, levels)
        column[0].set_title(rf"$\beta={beta:g}$")
        column[1].set_xlabel(r"$\gamma$")
    for row, (_, label) in zip(axes, PANELS.values(), strict=True):
        row[0].set_ylabel(r"$\tilde\gamma$")
        plotting.color_bar(fig, row[-1].mapped, row, f"{label}, theory")
    fig.suptitle(r"$N=2000,\ n=40,\ p=400,\ \mu=\mu_\perp=1$")
    lab.picture(fig)
