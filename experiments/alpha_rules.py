"""α from the target sample alone: the rules on six problems whose truth is known, shortfall from the oracle α* and coverage."""

import numpy as np
import pandas as pd
from scipy import special

from rmt_alpha import TransferProblem, optimal_alpha, plotting
from rmt_alpha.estimate.ridge import LeaveOneOut, RidgePath
from rmt_alpha.estimate.rules import (
    Margins,
    Structure,
    by_leave_one_out,
    by_structure,
    by_structure_at,
    interval,
    margins,
    structure,
)  # fmt: skip
from rmt_alpha.simulation.samples import triangle
from rmt_alpha.training import ridge_path

from .lab import Lab, parameters

PROBLEMS = [
    TransferProblem(2000, 40, 400, 1, 1, 0.8, 1, 1),
    TransferProblem(5000, 40, 1000, 0.8, 0.8, 0.9, 5, 0.1),
    TransferProblem(2000, 200, 400, 1, 1, 0.5, 1, 1),
    TransferProblem(2000, 100, 300, 1.5, 1, 0.8, 10, 1),
    TransferProblem(300, 150, 300, 1, 1, -0.5, 0.1, 0.1),
    TransferProblem(2000, 40, 400, 1, 1, 0, 1, 1),
]
RULES = {
    "α = 1": lambda loo, m: 1.0,
    "α = 0": lambda loo, m: 0.0,
    "leave-one-out": lambda loo, m: float(by_leave_one_out(loo, m)[0]),
    "auto": lambda loo, m: float(by_structure(structure(loo, m))[0]),
}
FACTORS = np.linspace(0, 1.4, 15)  # of the measured s
BINS = [-np.inf, -3, -2, -1, 0, 1, 1.5, 2, 2.5, 3, 4, 5, np.inf]  # of s over its standard error
WEIGHTS = (0.25, 0.5, 1, 2, 4)  # of the sixth problem beside one of each other


def trial(problem: TransferProblem, rng: np.random.Generator) -> tuple[LeaveOneOut, Margins, np.ndarray, np.ndarray]:
    """One draw: what the target sample tells, and the exact mean c (2,) and covariance M (2, 2) of the margin.

    The classifier has an intercept, which is worth one row; the truth knows the middle of the classes.
    """
    source, target = np.zeros((2, problem.dim))
    source[:2], target[:2] = problem.fit.starts[0].population.means[0], problem.fit.population.means[0]
    n, p = problem.n_source, problem.dim
    if n > p:
        # p+1 rows with the Gram matrix of all n: the penalty is per sample, so it counts them.
        X = np.vstack([np.sqrt(n) * source + rng.standard_normal(p), triangle(rng, n - 1, p)])
        w = ridge_path(X, np.sqrt(n) * np.eye(1, p + 1)[0], problem.gamma_source * n / (p + 1))[:, 0]
    else:
        y = rng.choice([-1.0, 1.0], n)
        w = ridge_path(y[:, None] * source + rng.standard_normal((n, p)), y, problem.gamma_source)[:, 0]
    y = rng.choice([-1.0, 1.0], problem.n_target)
    X = y[:, None] * target + rng.standard_normal((len(y), problem.dim))
    path = RidgePath(X, y[:, None], w[None, None])
    loo = path.leave_one_out(problem.gamma_target, centred=True)
    base, one = (path.fit(problem.gamma_target, np.array([[a]]))[0][0] for a in (0.0, 1.0))
    W = np.stack([base, one - base])
    return loo, margins(loo.scores[:, 0], y > 0, path.omega), W @ target, W @ W.T


def accuracy(c: np.ndarray, M: np.ndarray, alpha: float) -> float:
    """Φ(m/√V)."""
    a = np.array([1.0, alpha])
    return float(special.ndtr(a @ c / np.sqrt(a @ M @ a)))


def run(lab: Lab) -> None:
    rows, seen = [], []
    for number, problem in enumerate(PROBLEMS, start=1):
        star = float(optimal_alpha(problem).alpha)
        draws = [trial(problem, np.random.default_rng([lab.seed, number, t])) for t in range(lab.trials(1000))]
        oracle = np.array([accuracy(c, M, star) for *_, c, M in draws])
        ends = np.array([interval(structure(loo, m))[:, 0] for loo, m, *_ in draws])
        covered = np.mean((ends[:, 0] <= star) & (star <= ends[:, 1]))
        for name, rule in RULES.items():
            gap = oracle - [accuracy(c, M, rule(loo, m)) for loo, m, c, M in draws]
            rows.append({"problem": number, **parameters(problem), "rule": name, "best": star, "oracle": oracle.mean(),
                         "shortfall": gap.mean(), "shortfall_se": gap.std(ddof=1) / np.sqrt(len(gap)),
                         "coverage": covered if name == "auto" else np.nan})  # fmt: skip
        seen.append(
            [factors(structure(loo, m), c, M, best) for (loo, m, c, M), best in zip(draws, oracle, strict=True)]
        )
    data = lab.table(pd.DataFrame(rows))
    hindsight = lab.table(frontier(seen), "hindsight")
    draw(lab, data)
    auto = data[data.rule == "auto"]
    lab.remark("Shortfall of auto, problems 1–6: " + ", ".join(f"{v:.4f}" for v in auto.shortfall) + ".")
    lab.remark("Coverage of its 95 % interval: " + ", ".join(f"{v:.3f}" for v in auto.coverage) + ".")
    for weight, part in hindsight.groupby("weight"):
        lab.remark(
            f"s times a factor chosen in hindsight, the sixth problem counting {weight:g} times: "
            + ", ".join(f"{v:.4f}" for v in part.shortfall)
            + "."
        )


def factors(x: Structure, c: np.ndarray, M: np.ndarray, best: float) -> tuple[float, list[float]]:
    """s over its standard error, and the shortfall if s is multiplied by each factor."""
    z = float(x.s[0] / np.sqrt(x.v[0, 0] / x.count))
    return z, [best - accuracy(c, M, float(by_structure_at(x, f * x.s)[0])) for f in FACTORS]


def frontier(seen: list[list[tuple[float, list[float]]]]) -> pd.DataFrame:
    """The least shortfall of any rule that shrinks s by its z, chosen per bin of z on these very draws: no rule of data gets there."""
    z = [np.array([one for one, _ in draws]) for draws in seen]
    losses = [np.array([loss for _, loss in draws]) for draws in seen]
    inside = [np.searchsorted(BINS, values, side="right") - 1 for values in z]
    rows = []
    for weight in WEIGHTS:
        shortfall = np.zeros(len(seen))
        for k in range(len(BINS) - 1):
            # of each problem (6, F): what this bin adds to its mean shortfall
            adds = np.array(
                [loss[bin_ == k].sum(axis=0) / len(loss) for loss, bin_ in zip(losses, inside, strict=True)]
            )
            shortfall += adds[:, (np.array([1.0] * (len(seen) - 1) + [weight]) @ adds).argmin()]
        rows += [{"weight": weight, "problem": i, "shortfall": v} for i, v in enumerate(shortfall, start=1)]
    return pd.DataFrame(rows)


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(height=3.0)
    ax = axes[0, 0]
    for i, name in enumerate(RULES):
        part = data[data.rule == name]
        label = name.replace("α = ", r"$\alpha=$")
        plotting.simulation_points(
            ax, part.problem + 0.15 * (i - 1.5), part.shortfall, part.shortfall_se, i, label=label
        )
    names = [f"{r.problem}\n$n={r.n_target}$\n$p={r.dim}$\n" rf"$\beta={r.beta:g}$" for r in part.itertuples()]
    ax.set_xticks(part.problem, names)
    ax.set(xlabel="problem", ylabel=r"accuracy below that of $\alpha^*$", ylim=(-0.002, 0.3))
    ax.set_title(r"simulation: mean $\pm$ s.e. over draws")
    ax.set_yscale("symlog", linthresh=0.01)
    fig.legend(loc="outside lower center", ncols=4)
    lab.picture(fig)
