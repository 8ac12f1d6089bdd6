"""Where transfer helps, where α = 1 hurts, and what α* gains, over (β, n/p) and over the two penalties."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab, parameters, scaled

CELLS, COARSE = 61, slice(6, None, 12)
PLANES = ("β and n", "penalties")
PANELS = ("transfer", "plain", "gain")


def make(plane: str, part: slice = slice(None)) -> TransferProblem:
    if plane == "penalties":
        gamma = np.logspace(-2, 2, CELLS)[part]
        return TransferProblem(800, 200, 400, 1, 1, 0.5, gamma_source=gamma[:, None], gamma_target=gamma)
    beta, n = np.linspace(-1, 1, CELLS)[part], np.round(400 * np.logspace(-1.5, 1.5, CELLS))[part]
    return TransferProblem(800, n[:, None], 400, 1, 1, beta, gamma_source=0.5, gamma_target=0.5)


def run(lab: Lab) -> None:
    frames = []
    for plane in PLANES:
        problem = make(plane)
        best = optimal_alpha(problem)
        accuracy = {f"accuracy_alpha_{a:g}": predict(problem, a).accuracy for a in (0.0, 1.0)}
        grid = (
            parameters(problem) | {"optimal_alpha": best.alpha} | accuracy | {"accuracy_optimal_alpha": best.accuracy}
        )
        columns = {k: np.broadcast_to(v, problem.shape).ravel() for k, v in grid.items()}
        frames.append(pd.DataFrame({"plane": plane} | columns))
        coarse = scaled(make(plane, COARSE), 1000)
        alpha = np.stack(np.broadcast_arrays(0.0, 1.0, optimal_alpha(coarse).alpha))
        lab.check(compare(predict(coarse, alpha), simulate(coarse, alpha, n_trials=lab.trials(256), seed=lab.seed)))
    data = lab.table(pd.concat(frames))
    draw(lab)
    worse = data.accuracy_alpha_1 < data.accuracy_alpha_0
    hurts = ", ".join(f"{100 * part.mean():.0f} % ({plane})" for plane, part in worse.groupby(data.plane))
    lab.remark(
        f"α = 1 is worse than no transfer on {hurts} of the map; α* never is. z at 50 cells, at 1000 times the size."
    )


def draw(lab: Lab) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, height=2.3, sharey="row")
    for row, plane in zip(axes, PLANES, strict=True):
        problem = make(plane)
        x, y = (np.ravel(getattr(problem, name)) for name in plotting.varying(problem))
        for ax, show in zip(row, PANELS, strict=True):
            plotting.plot_phase_map(problem, show, ax=ax, bar=False)
            ax.set_title(ax.get_title() if plane == PLANES[0] else "")
            if show == "transfer":
                best = optimal_alpha(problem).alpha
                ax.contour(x, y, best, levels=[0, 1], colors="black", linestyles=[":", "--"], linewidths=1.4)
            if show == "plain":
                gain = predict(problem, 1.0).accuracy - predict(problem, 0.0).accuracy
                ax.contourf(x, y, gain, levels=[-1, 0], colors="none", hatches=["///"])
            if show != "transfer":
                ax.set_ylabel("")
    plotting.color_bar(fig, ax.mapped, axes, "difference of accuracies (points), theory", shrink=0.8)
    fig.suptitle(
        r"$N=800,\ p=400,\ \mu=\mu_\perp=1$; above $\tilde\gamma=\gamma=0.5$, below $\beta=0.5,\ n=200$"
        "\n"
        r"dotted: $\alpha^*=0$; dashed: $\alpha^*=1$; hatched: $\alpha=1$ hurts"
    )
    lab.picture(fig)
