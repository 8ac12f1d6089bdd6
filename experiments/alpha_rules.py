"""α from the target sample alone: eight rules on the six problems of reference, shortfall from the oracle α*.

The rules compared with `rmt_alpha.alpha_rules` live here; docs/alpha_from_data.md says how the one behind "auto" works.
"""

import dataclasses

import numpy as np
import pandas as pd
from scipy import special

from rmt_alpha import TransferProblem, optimal_alpha, plotting, ridge_path
from rmt_alpha.alpha_rules import LeaveOneOut, alpha_auto, alpha_loo, alpha_plugin, leave_one_out
from rmt_alpha.simulation.dense import bartlett, vectors

from .lab import Lab

PROBLEMS = [
    TransferProblem(2000, 40, 400, 1, 1, 0.8, 1, 1),
    TransferProblem(5000, 40, 1000, 0.8, 0.8, 0.9, 5, 0.1),
    TransferProblem(2000, 200, 400, 1, 1, 0.5, 1, 1),
    TransferProblem(2000, 100, 300, 1.5, 1, 0.8, 10, 1),
    TransferProblem(300, 150, 300, 1, 1, -0.5, 0.1, 0.1),
    TransferProblem(2000, 40, 400, 1, 1, 0, 1, 1),
]


def plugin_shrunk(loo: LeaveOneOut) -> tuple:
    """Bounded plug-in with s shrunk by its standard error, positive-part James–Stein: s (1 − se²/s²)₊."""
    scores = loo.labels * loo.source_scores[0]
    z2 = scores.mean() ** 2 / (scores.var(ddof=1) / scores.size)
    # The plug-in sees s only through these scores: moving their mean moves s and nothing else.
    moved = loo.source_scores - loo.labels * scores.mean() * min(1, 1 / z2)
    return alpha_plugin(dataclasses.replace(loo, source_scores=moved))


def blend(loo: LeaveOneOut) -> tuple:
    """Angles of leave-one-out and of the bounded plug-in, mixed by how well the target's own signal is resolved."""
    n, p = loo.labels.size, loo.sources.shape[1]
    s = (loo.labels * loo.source_scores).mean()
    size = np.sqrt((loo.sources**2).sum())
    b2 = (n * loo.mean_norm - loo.row_norms.mean()) / (n - 1)
    weight = special.ndtr((b2 - (s / size) ** 2) / np.sqrt(2 * p / n**2 + 4 * max(b2, 0) / n) - 2)
    angle = [np.arctan(rule(loo)[0][0] * size) for rule in (alpha_loo, alpha_plugin)]
    return np.array([np.tan(weight * angle[0] + (1 - weight) * angle[1])]) / size, np.zeros(1), weight > 0.5


RULES = {
    "α = 1": lambda loo: (np.ones(1), np.zeros(1), True),
    "α = 0": lambda loo: (np.zeros(1), np.zeros(1), True),
    "leave-one-out": alpha_loo,
    "bounded plug-in": alpha_plugin,
    "bounded, s shrunk": plugin_shrunk,
    "blend": blend,
    "auto, s not shrunk": lambda loo: alpha_auto(loo, shrink=False),
    "auto": alpha_auto,
}


def trial(problem: TransferProblem, rng: np.random.Generator) -> tuple[LeaveOneOut, np.ndarray, np.ndarray]:
    """One draw: what the target sample tells, and the exact mean c (2,) and covariance M (2, 2) of the margin."""
    source, target, identity, _ = vectors(problem)
    if problem.n_source > problem.dim:
        # The p+1 rows have the Gram matrix of all N: the penalty is per sample, so it counts them.
        X, y = bartlett(rng, problem.n_source, source, identity)
        w = ridge_path(X, y, problem.gamma_source * problem.n_source / len(y))[:, 0]
    else:
        y = rng.choice([-1.0, 1.0], problem.n_source)
        w = ridge_path(y[:, None] * source + rng.standard_normal((len(y), problem.dim)), y, problem.gamma_source)[:, 0]
    y = rng.choice([-1.0, 1.0], problem.n_target)
    X = y[:, None] * target + rng.standard_normal((len(y), problem.dim))
    loo = next(leave_one_out(X, y, w[None], [problem.gamma_target]))
    return loo, loo.weights @ target, loo.weights @ loo.weights.T


def accuracy(c: np.ndarray, M: np.ndarray, alpha: float) -> float:
    """Φ(m/√V)."""
    a = np.array([1.0, alpha])
    return float(special.ndtr(a @ c / np.sqrt(a @ M @ a)))


def run(lab: Lab) -> None:
    rows = []
    for number, problem in enumerate(PROBLEMS, start=1):
        star = optimal_alpha(problem).best
        draws = [trial(problem, np.random.default_rng([lab.seed, number, t])) for t in range(lab.trials(1000))]
        oracle = np.array([accuracy(c, M, star) for _, c, M in draws])
        for name, rule in RULES.items():
            chosen = [rule(loo) for loo, *_ in draws]
            gap = oracle - [accuracy(c, M, float(a[0])) for (_, c, M), (a, *_) in zip(draws, chosen, strict=True)]
            trusted = np.array([bool(reliable) for *_, reliable in chosen])
            hit = np.array([abs(a[0] - star) < 1.96 * se[0] for a, se, _ in chosen])
            rows.append({"problem": number, "rule": name, "oracle": oracle.mean(), "shortfall": gap.mean(),
                         "shortfall_se": gap.std(ddof=1) / np.sqrt(len(gap)), "reliable": trusted.mean(),
                         "coverage": hit.mean(), "coverage_reliable": hit[trusted].mean() if trusted.any() else np.nan})  # fmt: skip
    data = lab.table(pd.DataFrame(rows))
    draw(lab, data)
    auto = data[data.rule == "auto"]
    lab.remark("Shortfall of auto, problems 1–6: " + ", ".join(f"{v:.4f}" for v in auto.shortfall) + ".")
    cover = ", ".join(f"{r.coverage_reliable:.2f} ({r.reliable:.0%})" for r in auto.itertuples())
    lab.remark(f"Coverage of ±1.96 alpha_se_ where reliable (share of reliable draws): {cover}.")


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=5.6, height=3.2)
    ax = axes[0, 0]
    for i, name in enumerate(list(RULES)[2:]):
        part = data[data.rule == name]
        x = part.problem + 0.11 * (i - 2.5)
        plotting.simulation_points(ax, x, part.shortfall, part.shortfall_se, i, label=name)
    bars = data[data.rule == "auto"].problem
    ax.hlines(np.where(bars == 6, 0.01, 0.005), bars - 0.45, bars + 0.45, color="black", lw=0.8, label="the bar")
    ax.set(xlabel="problem", ylabel="accuracy below the oracle α*", xticks=range(1, 7))
    ax.legend(ncols=2)
    lab.picture(fig)
