"""One α for each group of coordinates against one α: what the best vector gains, and what estimating it costs at small n."""

import numpy as np
import pandas as pd
from scipy.linalg import block_diag
from scipy.special import ndtr

from rmt_alpha import Fit, Group, Population, compare, optimal_alpha, plotting, predict, simulate
from rmt_alpha.training import ridge_path

from .lab import Lab

DIM, NORM, GAMMA = 192, 1.5, 1.0
GROUPS = (1, 2, 4, 8, 16, 32, 64)
SIZES = (40, 120, 360)
ALIGNMENTS = np.linspace(-1, 1, 31)  # of the second half of the coordinates; the first half is aligned fully


def run(lab: Lab) -> None:
    oracle = lab.table(two_halves(lab), "oracle")
    cost = lab.table(many_groups(lab))
    draw(lab, oracle, cost)
    told = []
    for n, part in cost.groupby("n_target"):
        one, best = part[part.groups == 1].iloc[0], part.loc[part.accuracy_estimated.idxmax()]
        gain = 100 * (best.accuracy_estimated - one.accuracy_estimated)
        told.append(
            f"n = {n}: {best.groups:g} groups, {gain:+.1f} of {100 * (part.accuracy_oracle.max() - one.accuracy_oracle):.1f} points"
        )
    lab.remark(
        f"Best number of groups when α is estimated by leave-one-out, its gain over one α, and what the oracle has: {'; '.join(told)}."
    )


def means(alignment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Target and source means that agree by a different amount (p,) in each coordinate."""
    target, other = NORM / np.sqrt(DIM) * np.random.default_rng(1).choice([-1.0, 1.0], (2, DIM))
    return target, alignment * target + np.sqrt(1 - alignment**2) * other


def make(n: int, alignment: np.ndarray, n_groups: int) -> Fit:
    """Groups are equal runs of coordinates."""
    target, source = (Population.two_classes(mean, -mean) for mean in means(alignment))
    groups = Group.split(Fit(source, 2 * DIM, GAMMA), np.arange(DIM) * n_groups // DIM)
    return Fit(target, n, GAMMA, starts=groups)


def two_halves(lab: Lab) -> pd.DataFrame:
    """The best vector of two against the best number."""
    rows = []
    halves = lambda n, second, groups: make(n, np.repeat([1.0, second], DIM // 2), groups)  # noqa: E731
    for n in SIZES:
        for second in ALIGNMENTS:
            vector, number = optimal_alpha(halves(n, second, 2)), optimal_alpha(halves(n, second, 1))
            row = known(n) | {"alignment_2": second, "alpha_1": vector.alpha[0], "alpha_2": vector.alpha[1]}
            rows.append(row | {"gain": vector.accuracy - number.accuracy})
        fit, at = halves(n, 0.0, 2), np.array([optimal_alpha(halves(n, b, 2)).alpha for b in (-1, 0)])
        lab.check(compare(predict(fit, at), simulate(fit, at, n_trials=min(lab.trials(100), 100), seed=lab.seed)))
    return pd.DataFrame(rows)


def known(n: int) -> dict[str, float]:
    return {"n_source": 2 * DIM, "n_target": n, "dim": DIM, "norm": NORM, "gamma": GAMMA}


def many_groups(lab: Lab) -> pd.DataFrame:
    """Alignment falls from 1 to −½ along the coordinates: the more groups the better, if only α were known."""
    rows = []
    alignment = np.linspace(1, -0.5, DIM)
    target, source = means(alignment)
    for n in SIZES:
        chosen: dict[int, list[float]] = {G: [] for G in GROUPS}
        for trial in range(min(lab.trials(60), 60)):
            rng = np.random.default_rng([lab.seed, n, trial])
            w = ridge_path(*samples(source, 2 * DIM, rng), GAMMA)[:, 0]
            for G, accuracy in estimated(w, *samples(target, n, rng), target).items():
                chosen[G].append(accuracy)
        for G, accuracies in chosen.items():
            row = known(n) | {"groups": G, "accuracy_oracle": optimal_alpha(make(n, alignment, G)).accuracy}
            estimate = {"accuracy_estimated": np.mean(accuracies)}
            estimate["accuracy_estimated_se"] = np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
            rows.append(row | estimate)
    return pd.DataFrame(rows)


def samples(mean, n, rng) -> tuple[np.ndarray, np.ndarray]:
    y = rng.choice([-1.0, 1.0], n)
    return y[:, None] * mean + rng.standard_normal((n, DIM)), y


def estimated(w, X, y, mean) -> dict[int, float]:
    """The accuracy of w_α̂ for each number of groups.

    Leave-one-out scores are affine in α, and regressing y on their coefficients gives a multiple of (1, α̂). The slopes of wider
    groups are sums of those of the narrowest ones.
    """
    n, finest = len(y), max(GROUPS)
    W = ridge_path(X, y, GAMMA, w[:, None] * np.kron(np.eye(finest), np.ones((DIM // finest, 1))))
    gram = X @ X.T
    leverage = np.diag(np.linalg.solve(gram + n * GAMMA * np.eye(n), gram))[:, None]
    scores = (X @ W - leverage * np.column_stack([y, np.zeros((n, finest))])) / (1 - leverage)
    found = {}
    for G in GROUPS:
        merge = block_diag(1, np.kron(np.eye(G), np.ones((finest // G, 1))))
        v = W @ merge @ np.linalg.lstsq(scores @ merge, y, rcond=None)[0]
        found[G] = float(ndtr(mean @ v / np.linalg.norm(v)))
    return found


def draw(lab: Lab, oracle: pd.DataFrame, cost: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=4, height=2.5)
    for i, n in enumerate(SIZES):
        line = oracle[oracle.n_target == n]
        plotting.theory_line(axes[0, 0], line.alignment_2, 100 * line.gain, i, label=f"$n={n}$")
        part, ax = cost[cost.n_target == n], axes[0, i + 1]
        plotting.theory_line(ax, part.groups, part.accuracy_oracle, 0, label=r"theory, best $\alpha$ known")
        estimate = part.accuracy_estimated, part.accuracy_estimated_se
        plotting.simulation_points(ax, part.groups, *estimate, 1, label=r"simulation, $\alpha$ from leave-one-out")
        ax.set(xscale="log", xticks=GROUPS[::2], xticklabels=GROUPS[::2], xlabel="groups", title=f"$n={n}$")
        ax.minorticks_off()
    axes[0, 0].set(xlabel="alignment of half 2", ylabel="gain (points)")
    axes[0, 1].set_ylabel("accuracy")
    axes[0, 0].set_title(r"gain of two $\alpha$")
    plotting.legend(axes[0, 0], simulation=None, loc="upper right", handlelength=1.6, borderaxespad=0)
    axes[0, 0].set_ylim(top=1.6 * 100 * oracle.gain.max())
    fig.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    fig.suptitle(r"$N=2p,\ p=192,\ \|\mu\|=1.5,\ \tilde\gamma=\gamma=1$")
    lab.picture(fig)
