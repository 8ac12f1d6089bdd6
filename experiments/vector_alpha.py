"""One α for each group of coordinates against one α: what the best vector gains, and what estimating it costs at small n."""

import numpy as np
import pandas as pd
from scipy.linalg import block_diag
from scipy.special import ndtr

from rmt_alpha import Source, TransferProblem, compare, optimal_alpha, plotting, predict, simulate
from rmt_alpha.ridge import ridge_path

from .lab import Lab

DIM, NORM, GAMMA = 192, 1.5, 1.0
GROUPS = (1, 2, 4, 8, 16, 32, 64)
SIZES = (40, 120, 360)
ALIGNMENTS = np.linspace(-1, 1, 31)  # of the second half of the coordinates; the first half is aligned fully


def run(lab: Lab) -> None:
    oracle = lab.table(two_halves(lab), "oracle")
    cost = lab.table(many_groups(lab))
    draw(lab, oracle, cost)
    best = cost.loc[cost.groupby("n").estimated.idxmax()]
    told = "; ".join(
        f"n = {r.n}: {r.groups} groups, {100 * (r.estimated - cost[(cost.n == r.n) & (cost.groups == 1)].estimated.item()):+.1f} "
        f"of {100 * (cost[cost.n == r.n].oracle.max() - cost[(cost.n == r.n) & (cost.groups == 1)].oracle.item()):.1f} points"
        for r in best.itertuples()
    )
    lab.remark(
        f"Best number of groups when α is estimated by leave-one-out, its gain over one α, and what the oracle has: {told}."
    )


def means(alignment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Target and source means that agree by a different amount (p,) in each coordinate."""
    target, other = NORM / np.sqrt(DIM) * np.random.default_rng(1).choice([-1.0, 1.0], (2, DIM))
    return target, alignment * target + np.sqrt(1 - alignment**2) * other


def make(n: int, alignment: np.ndarray, n_groups: int) -> TransferProblem:
    """Groups are equal runs of coordinates."""
    target, source = means(alignment)
    sources, groups = [Source(source, 2 * DIM, GAMMA)], np.arange(DIM) * n_groups // DIM
    return TransferProblem.from_sources(sources, target, n_target=n, gamma_target=GAMMA, groups=groups)


def two_halves(lab: Lab) -> pd.DataFrame:
    """The best vector of two against the best number."""
    rows = []
    for n in SIZES:
        for second in ALIGNMENTS:
            problem = make(n, np.repeat([1.0, second], DIM // 2), 2)
            vector = optimal_alpha(problem)
            number = optimal_alpha(make(n, np.repeat([1.0, second], DIM // 2), 1)).accuracy
            row = {"n": n, "alignment": second, "alpha_1": vector.best[0], "alpha_2": vector.best[1]}
            rows.append(row | {"gain": 100 * (vector.accuracy - number)})
        at = np.array([optimal_alpha(make(n, np.repeat([1.0, b], DIM // 2), 2)).best for b in (-1, 0)])
        problem = make(n, np.repeat([1.0, 0.0], DIM // 2), 2)
        lab.check(
            compare(predict(problem, at), simulate(problem, at, n_trials=min(lab.trials(100), 100), seed=lab.seed))
        )
    return pd.DataFrame(rows)


def many_groups(lab: Lab) -> pd.DataFrame:
    """Alignment falls from 1 to −½ along the coordinates: the more groups the better, if only α were known."""
    rows = []
    alignment = np.linspace(1, -0.5, DIM)
    for n in SIZES:
        problems = {G: make(n, alignment, G) for G in GROUPS}
        target, source = means(alignment)
        chosen: dict[int, list[float]] = {G: [] for G in GROUPS}
        for trial in range(min(lab.trials(60), 60)):
            rng = np.random.default_rng([lab.seed, n, trial])
            X, y = samples(source, 2 * DIM, rng)
            w = ridge_path(X, y, GAMMA)[:, 0]
            for G, accuracy in estimated(w, *samples(target, n, rng), target).items():
                chosen[G].append(accuracy)
        for G, problem in problems.items():
            se = np.std(chosen[G], ddof=1) / np.sqrt(len(chosen[G]))
            row = {"n": n, "groups": G, "oracle": optimal_alpha(problem).accuracy}
            rows.append(row | {"estimated": np.mean(chosen[G]), "estimated_se": se})
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
    fig, axes = plotting.figure(columns=4, width=2.5, height=2.7)
    for i, n in enumerate(SIZES):
        line = oracle[oracle.n == n]
        plotting.theory_line(axes[0, 0], line.alignment, line.gain, i, label=f"n = {n}")
        part, ax = cost[cost.n == n], axes[0, i + 1]
        plotting.theory_line(ax, part.groups, part.oracle, 0, label="best α, known")
        plotting.simulation_points(ax, part.groups, part.estimated, part.estimated_se, 1, label="α from leave-one-out")
        ax.set(xscale="log", xticks=GROUPS, xticklabels=GROUPS, xlabel="groups", title=f"n = {n}, p = {DIM}")
        ax.minorticks_off()
    axes[0, 0].set(xlabel="alignment of the second half", ylabel="gain of two α over one (points)", title="two halves")
    axes[0, 0].legend()
    axes[0, 1].set_ylabel("accuracy")
    axes[0, 2].legend(loc="lower left")
    lab.picture(fig)
