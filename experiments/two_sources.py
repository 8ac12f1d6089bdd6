"""Two sources of different size and alignment: who gets weight, against the better one alone and against pooled data."""

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Population, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab

DIM, GAMMA = 400, 0.5
BETAS, RATIOS = np.linspace(-1, 1, 41), np.logspace(-1, 1.5, 41)
FIRST = 0.7  # alignment of the first source, which has as many samples as there are dimensions
PANELS = {
    "share_source_2": (
        (0.1, 0.25, 0.5, 0.75, 0.9),
        1,
        "share of source 2",
        r"in $|\alpha_1|\|\tilde w_1\|+|\alpha_2|\|\tilde w_2\|$",
    ),
    "gain_over_better": ((0, 0.25, 0.5, 1, 1.5, 2), 100, "gain over the better", "points"),
    "gain_over_pool": ((-0.25, 0, 0.5, 1, 2, 4, 6), 100, "gain over pooling", "points"),
}


def run(lab: Lab) -> None:
    frames = []
    for beta in BETAS:
        sources = pair(DIM, beta, RATIOS)
        best = optimal_alpha(onto(*sources))
        # In isotropic noise the score's variance is ‖w̃‖².
        weight = np.abs(best.alpha) * np.stack(
            np.broadcast_arrays(*(np.sqrt(predict(s).variance) for s in sources)), -1
        )
        alone = np.maximum(*(optimal_alpha(onto(s)).accuracy for s in sources))
        pooled = np.array([optimal_alpha(onto(pool(*pair(DIM, beta, ratio)))).accuracy for ratio in RATIOS])
        known = {
            "dim": DIM,
            "n_target": DIM // 4,
            "n_source_1": DIM,
            "n_source_2": sources[1].n,
            "beta_1": FIRST,
            "beta_2": beta,
        }
        found = {
            "alpha_1": best.alpha[:, 0],
            "alpha_2": best.alpha[:, 1],
            "share_source_2": weight[:, 1] / weight.sum(-1),
        }
        gains = {"gain_over_better": best.accuracy - alone, "gain_over_pool": best.accuracy - pooled}
        frames.append(pd.DataFrame(known | {"gamma_source": GAMMA, "gamma_target": GAMMA} | found | gains))
    data = lab.table(pd.concat(frames))
    check(lab)
    draw(lab, data)
    lab.remark(
        f"Two α gain up to {100 * data.gain_over_better.max():.1f} points over the better source alone and up to "
        f"{100 * data.gain_over_pool.max():.1f} over one classifier from both data sets (also with its own α*); pooling is ahead on "
        f"{100 * np.mean(data.gain_over_pool < 0):.0f} % of the map, by at most {-100 * data.gain_over_pool.min():.2f}. "
        "z at 12 points: the chain at p = 24 000, pooled data densely at p = 240."
    )


def pair(p: int, beta: float, ratio) -> list[Fit]:
    """The two sources, the second with `ratio` times p samples."""
    first = np.array([FIRST, np.sqrt(1 - FIRST**2), 0])
    second = np.array([beta, 0, np.sqrt(1 - beta**2)])
    sizes = (p, np.maximum(np.round(ratio * p), 1))
    return [Fit(Population.two_classes(m, -m, dim=p), n, GAMMA) for m, n in zip((first, second), sizes, strict=True)]


def pool(*sources: Fit) -> Fit:
    """One training on the data of all."""
    return Fit(Population.pooled([(s.population, s.n) for s in sources]), sum(s.n for s in sources), GAMMA)


def onto(*sources: Fit) -> Fit:
    """The target, which has p/4 samples, with these sources."""
    mean = np.array([1.0, 0, 0])
    return Fit(Population.two_classes(mean, -mean, dim=sources[0].dim), sources[0].dim // 4, GAMMA, starts=sources)


def check(lab: Lab) -> None:
    for beta, ratio in ((0.9, 0.2), (0.9, 5.0), (-0.6, 1.0)):
        large = onto(*pair(24_000, beta, ratio))
        alpha = np.array([optimal_alpha(large).alpha, [1.0, 1.0], [0.0, 2.0]])
        lab.check(compare(predict(large, alpha), simulate(large, alpha, n_trials=lab.trials(512), seed=lab.seed)))
        pooled = onto(pool(*pair(240, beta, ratio)))
        at = optimal_alpha(pooled).alpha
        sim = simulate(pooled, at, n_trials=min(lab.trials(100), 100), seed=lab.seed)
        lab.check(compare(predict(pooled, at), sim))


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=2.5, sharey=True)
    for ax, (value, (levels, unit, title, label)) in zip(axes[0], PANELS.items(), strict=True):
        z = data.pivot(index="n_source_2", columns="beta_2", values=value)
        ax.set_yscale("log")
        filled = plotting.contour_map(ax, z.columns, z.index / DIM, unit * z, levels)
        plotting.color_bar(fig, filled, ax, label, location="bottom")
        ax.set_title(title)
        ax.plot(FIRST, 1, "*", color="black", markersize=8, markerfacecolor="white")
        ax.set_xlabel(r"alignment $\beta_2$ of source 2")
    axes[0, 0].set_ylabel("$N_2/p$")
    fig.suptitle(rf"$n=p/4$; source 1 (star): $N_1=p,\ \beta_1={FIRST}$; unit means, $\tilde\gamma=\gamma={GAMMA}$")
    lab.picture(fig)
