"""Where transfer helps, where α = 1 hurts, and what α* gains, over (β, n/p) and over the two penalties."""

import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm

from rmt_alpha import TransferProblem, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab, scaled

CELLS = 101
PLANES = {
    "beta and n": (np.linspace(-1, 1, CELLS), np.linspace(-1.5, 1.5, CELLS), "β", "log₁₀ n/p"),
    "penalties": (np.linspace(-2, 2, CELLS), np.linspace(-2, 2, CELLS), "log₁₀ γ", "log₁₀ γ̃"),
}
PANELS = {
    "worth": "α* against α = 0\n(dotted: α* = 0, dashed: 1)",
    "plain": "α = 1 against α = 0\n(hatched: it hurts)",
    "gain": "α* against α = 1\n= left − middle",
}
LEVELS = (-20, -10, -5, -2, -0.5, 0, 0.5, 2, 5, 10, 20)
STEPS = BoundaryNorm(LEVELS, 256, extend="both")  # as many shades for 0 to 2 points as for 5 to 20


def run(lab: Lab) -> None:
    frames = []
    for plane, (x, y, *_) in PLANES.items():
        problem = make(plane, x, y[:, None])
        best = optimal_alpha(problem)
        zero, one = (100 * predict(problem, a).accuracy for a in (0.0, 1.0))
        values = {"worth": 100 * best.accuracy - zero, "plain": one - zero, "gain": 100 * best.accuracy - one}
        grid = np.broadcast_arrays(x, y[:, None], best.best, *values.values())
        names = ("x", "y", "best", *values)
        frames.append(pd.DataFrame({"plane": plane} | {k: v.ravel() for k, v in zip(names, grid, strict=True)}))
        coarse = scaled(make(plane, x[10::20], y[10::20, None]), 1000)
        alpha = np.stack(np.broadcast_arrays(0.0, 1.0, optimal_alpha(coarse).best))
        lab.check(compare(predict(coarse, alpha), simulate(coarse, alpha, n_trials=lab.trials(256), seed=lab.seed)))
    data = lab.table(pd.concat(frames))
    draw(lab, data)
    hurts = ", ".join(f"{100 * np.mean(cells.plain < 0):.0f} % ({plane})" for plane, cells in data.groupby("plane"))
    lab.remark(
        f"α = 1 is worse than no transfer on {hurts} of the map; α* never is. z at 50 cells, at 1000 times the size."
    )


def make(plane: str, x, y) -> TransferProblem:
    if plane == "penalties":
        return TransferProblem(800, 200, 400, 1, 1, 0.5, gamma_source=10**y, gamma_target=10**x)
    n = np.maximum(np.round(400 * 10**y), 1)
    return TransferProblem(800, n, 400, 1, 1, x, gamma_source=0.5, gamma_target=0.5)


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, width=2.6, height=2.7, sharey="row")
    for row, (plane, (*_, xlabel, ylabel)) in zip(axes, PLANES.items(), strict=True):
        cells = data[data.plane == plane]
        best = cells.pivot(index="y", columns="x", values="best")
        for ax, (name, title) in zip(row, PANELS.items(), strict=True):
            z = cells.pivot(index="y", columns="x", values=name)
            filled = plotting.contour_map(ax, z.columns, z.index, z, LEVELS, norm=STEPS)
            if name == "worth":
                ax.contour(
                    z.columns, z.index, best, levels=[0, 1], colors="black", linestyles=[":", "--"], linewidths=1.6
                )
            if name == "plain":
                ax.contourf(z.columns, z.index, z, levels=[-100, 0], colors="none", hatches=["//"])
                ax.contour(z.columns, z.index, z, levels=[0], colors="black", linewidths=1.8)
            if plane == "beta and n":
                ax.set_title(title)
            ax.set(xlabel=xlabel)
        row[0].set(ylabel=ylabel)
    fig.colorbar(filled, ax=axes, label="difference of accuracies (points)", ticks=LEVELS, shrink=0.7)
    lab.picture(fig)
