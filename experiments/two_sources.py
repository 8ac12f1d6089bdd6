"""Two sources of different size and alignment: who gets weight, against the better one alone and against pooled data."""

import numpy as np
import pandas as pd

from rmt_alpha import Pool, Source, TransferProblem, compare, optimal_alpha, plotting, predict, simulate
from rmt_alpha.theory.weights import source_law

from .lab import Lab

CELLS = 61
BETAS, LOG_RATIO = np.linspace(-1, 1, CELLS), np.linspace(-1, 1.5, CELLS)
FIRST = 0.7  # alignment of the first source, which has as many samples as there are dimensions
PANELS = {
    "share": ((0.1, 0.25, 0.5, 0.75, 0.9), "share of source 2 in |α₁|‖w̃₁‖ + |α₂|‖w̃₂‖", "share"),
    "over_better": ((0, 0.25, 0.5, 1, 1.5, 2), "gain over the better source alone", "points"),
    "over_pool": ((0, 0.5, 1, 2, 4, 6), "gain over pooling the sources", "points"),
}


def run(lab: Lab) -> None:
    sources = pair(400, BETAS, 10 ** LOG_RATIO[:, None])
    best = optimal_alpha(onto(*sources))
    weight = np.abs(best.best) * np.stack([length(s, best.accuracy.shape) for s in sources], -1)
    alone = [optimal_alpha(onto(s)).accuracy for s in sources]
    pooled = optimal_alpha(onto(Pool(tuple(sources), 0.5))).accuracy
    values = {
        "share": weight[..., 1] / weight.sum(-1),
        "over_better": 100 * (best.accuracy - np.maximum(*np.broadcast_arrays(*alone))),
        "over_pool": 100 * (best.accuracy - pooled),
    }
    grid = np.broadcast_arrays(BETAS, LOG_RATIO[:, None], best.best[..., 0], best.best[..., 1], *values.values())
    names = ("beta", "log_ratio", "alpha_1", "alpha_2", *values)
    data = lab.table(pd.DataFrame({k: v.ravel() for k, v in zip(names, grid, strict=True)}))
    check(lab)
    draw(lab, data)
    lab.remark(
        f"Two α gain up to {data.over_better.max():.1f} points over the better source alone and up to "
        f"{data.over_pool.max():.1f} over one classifier from both data sets (also with its own α*); pooling is ahead on "
        f"{100 * np.mean(data.over_pool < 0):.0f} % of the map, by at most {-data.over_pool.min():.2f}. "
        "z at 12 points: the chain at p = 24 000, pooled data densely at p = 240."
    )


def pair(p: int, beta, ratio) -> list[Source]:
    """The two sources, the second with `ratio` times p samples."""
    e = np.eye(3, p)
    beta = np.asarray(beta)[..., None]
    return [
        Source(FIRST * e[0] + np.sqrt(1 - FIRST**2) * e[1], p, 0.5),
        Source(beta * e[0] + np.sqrt(1 - beta**2) * e[2], np.maximum(np.round(ratio * p), 1), 0.5),
    ]


def onto(*sources: Source | Pool) -> TransferProblem:
    """The target, which has p/4 samples, with these sources."""
    p = sources[0].dim
    return TransferProblem.from_sources(sources, np.eye(1, p)[0], n_target=p // 4, gamma_target=0.5)


def length(source: Source, shape) -> np.ndarray:
    """‖w̃‖."""
    law = source_law(source)
    return np.broadcast_to(np.sqrt(np.sum(law.mean**2, -1) + np.sum(law.noise, -1)), shape)


def check(lab: Lab) -> None:
    for beta, ratio in ((0.9, 0.2), (0.9, 5.0), (-0.6, 1.0)):
        large = onto(*pair(24_000, beta, ratio))
        alpha = np.array([optimal_alpha(large).best, [1.0, 1.0], [0.0, 2.0]])
        lab.check(compare(predict(large, alpha), simulate(large, alpha, n_trials=lab.trials(512), seed=lab.seed)))
        pool = onto(Pool(tuple(pair(240, beta, ratio)), 0.5))
        at = optimal_alpha(pool).best
        lab.check(compare(predict(pool, at), simulate(pool, at, n_trials=min(lab.trials(100), 100), seed=lab.seed)))


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, width=3.2, height=2.9, sharey=True)
    for ax, (value, (levels, title, label)) in zip(axes[0], PANELS.items(), strict=True):
        z = data.pivot(index="log_ratio", columns="beta", values=value)
        plotting.contour_map(ax, z.columns, z.index, z, levels, label)
        ax.plot(FIRST, 0, "k*", markersize=9, markerfacecolor="white")
        ax.set_title(title)
        ax.set_xlabel("alignment β₂ of source 2")
    axes[0, 0].set_ylabel("log₁₀ N₂/p")
    fig.suptitle(f"n = p/4; source 1 (star): N₁ = p, β₁ = {FIRST}; unit means, γ̃ = γ = 0.5", fontsize=9)
    lab.picture(fig)
