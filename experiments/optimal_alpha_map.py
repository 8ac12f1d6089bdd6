"""α* and its gain over α = 1 as maps over the two penalties."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, predict, simulate_optimal_alpha

from .lab import Lab, scaled

BETAS = (0.2, 0.5, 0.8)
PANELS = (
    ("best", (-1, -0.5, 0, 0.5, 1, 1.5, 2), "log₁₀ α*"),
    ("gain", (0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08), "gain over α = 1"),
)
LOG_GAMMA = np.linspace(-2, 2, 200)


def run(lab: Lab) -> None:
    gamma = 10**LOG_GAMMA
    frames = []
    for beta in BETAS:
        problem = make(beta, gamma[None, :], gamma[:, None])
        best = optimal_alpha(problem)
        gain = best.accuracy - predict(problem, 1.0).accuracy
        grid = np.broadcast_arrays(beta, LOG_GAMMA[:, None], LOG_GAMMA[None, :], best.best, gain)
        names = ("beta", "log_gamma_source", "log_gamma_target", "best", "gain")
        frames.append(pd.DataFrame({k: v.ravel() for k, v in zip(names, grid, strict=True)}))
    check(lab)
    draw(lab, lab.table(pd.concat(frames)))
    lab.remark("z of α* at 27 cells of the maps, at 100 times the size.")


def make(beta, gamma_target, gamma_source) -> TransferProblem:
    return TransferProblem(2000, 40, 400, 1, 1, beta, gamma_source=gamma_source, gamma_target=gamma_target)


def check(lab: Lab) -> None:
    """The witness of the maps, on a coarse grid over them."""
    for beta in BETAS:
        for gamma in (0.05, 1.0, 20.0):
            for gamma_source in (0.05, 1.0, 20.0):
                large = scaled(make(beta, gamma, gamma_source), 100)
                sim = simulate_optimal_alpha(large, n_trials=lab.trials(256), seed=lab.seed)
                lab.check((sim.best - optimal_alpha(large).best) / sim.best_se)


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, width=3.2, height=2.7, sharex=True, sharey=True)
    for column, (beta, cells) in enumerate(data.groupby("beta")):
        tables = {
            v: cells.pivot(index="log_gamma_source", columns="log_gamma_target", values=v) for v in ("best", "gain")
        }
        for ax, (value, levels, label) in zip(axes[:, column], PANELS, strict=True):
            z = np.log10(tables[value]) if value == "best" else tables[value]
            plotting.contour_map(ax, z.columns, z.index, z, levels, label)
        axes[0, column].set_title(f"β = {beta:g}")
        axes[1, column].set_xlabel("log₁₀ γ")
    for ax in axes[:, 0]:
        ax.set_ylabel("log₁₀ γ̃")
    fig.suptitle("N = 2000, n = 40, p = 400, μ = μ⊥ = 1", fontsize=9)
    lab.picture(fig)
