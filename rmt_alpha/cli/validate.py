"""`validate`: theory against the chain sampler on random problems, with an honest verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check
from ..problem import TransferProblem
from ..problem.numbers import SIZES, SYMBOLS, numbers
from ..results import QUANTITIES, compare
from ..simulation.simulate import simulate
from ..theory.predict import predict
from .options import Count, Number, as_json, progress, table

RATIOS = (0.05, 20.0)  # p/N and p/n
PENALTIES = (1e-3, 1e2)
NORMS = (0.2, 3.0)
LARGEST_ALPHA = 5.0
SIZE_PER_TRIAL = 500  # theory is off by O(1/p), the standard error is O(1/√(p·trials)): so their ratio is of the order of √(trials/p)


@dataclass(frozen=True)
class Validation:
    """z-scores (4 quantities, problems) and what they say; the verdict holds at `level` for all tests together.

    `p_largest` is Bonferroni's bound for the largest |z|, right for any dependence between the quantities; `p_law` the same for
    the four Kolmogorov-Smirnov distances between z-scores and their law.
    """

    problem: TransferProblem
    alpha: np.ndarray
    z: np.ndarray
    level: float
    largest: float
    p_largest: float
    ks: tuple[float, ...]
    p_law: float
    beyond_2: float
    beyond_3: float

    @property
    def passed(self) -> bool:
        """Is neither test's p-value below its half of the level?"""
        return min(self.p_largest, self.p_law) >= self.level / 2


def validate(
    n_problems: Count = 200,
    n_trials: Count = 1024,
    dim: Count = 1_000_000,
    seed: Count = 0,
    level: Number = 0.01,
    workers: Count = 1,
    verbose: bool = False,
    json: bool = False,
) -> tuple[str, int]:
    """Theory against exact simulation on random problems over the whole range of ratios and penalties.

    p/N and p/n from 0.05 to 20, penalties from 0.001 to 100, ‖μ‖ and ‖μ_⊥‖ from 0.2 to 3 (all uniform in the logarithm), β from −1 to 1,
    α from −5 to 5 (uniform). Exit status 1 if theory and simulation disagree.

    Args:
        n_problems: Random problems; a count, at least 10.
        n_trials: Trainings per problem; a count, at least 100.
        dim: p: features per problem; a count, at least 500 times n_trials, for theory is exact in the limit only.
        seed: Seed of problems and trainings; the same seed gives the same answer.
        level: Probability of rejecting a right theory, over all tests together; above 0, below 1.
        workers: Processes; a count. No digit of the answer depends on them.
        verbose: Every problem and its z-scores too, below the verdict.
        json: One line of JSON, at full precision.
    """
    result = run(n_problems, n_trials, dim, seed, level, workers)
    status = 0 if result.passed else 1
    if json:
        z = dict(zip(QUANTITIES, result.z, strict=True))
        ks = dict(zip(QUANTITIES, result.ks, strict=True))
        words = ("level", "largest", "p_largest", "p_law", "beyond_2", "beyond_3", "passed")
        answer = {word: getattr(result, word) for word in words}
        settings = {"n_problems": result.z.shape[1], "n_trials": int(n_trials), "seed": int(seed)}
        return as_json(problem=numbers(result.problem), alpha=result.alpha, z=z, **settings, ks=ks, **answer), status
    return _report(result, int(n_trials), verbose), status


def run(n_problems: Any, n_trials: Any, dim: Any, seed: Any, level: float, workers: Any = 1) -> Validation:
    """Draw, compare, test."""
    from scipy import stats  # a third of a second that only this command should pay

    n_problems = check.size("n_problems", n_problems, low=10)
    n_trials = check.size("n_trials", n_trials, low=100)
    dim = check.size("dim", dim, low=2)
    seed = check.size("seed", seed, low=0)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level:g}. It is the probability of a false alarm.")
    if dim < SIZE_PER_TRIAL * n_trials:
        raise ValueError(
            f"dim must be at least {SIZE_PER_TRIAL} times n_trials, {SIZE_PER_TRIAL * n_trials}, got {dim}: so many trials would "
            f"resolve how far theory is from a finite size. Raise --dim (it costs nothing) or lower --n-trials."
        )
    rng = np.random.default_rng(seed)
    problem, alpha = random_problems(rng, n_problems, dim), rng.uniform(-LARGEST_ALPHA, LARGEST_ALPHA, n_problems)
    workers = check.workers(workers)
    with progress("validate") as told:
        drawn = simulate(problem, alpha, n_trials=n_trials, seed=seed, method="chain", workers=workers, progress=told)
    scores = compare(predict(problem, alpha), drawn)
    z = np.stack([getattr(scores, q) for q in QUANTITIES])
    # The standard errors are estimates: z follows Student's law, which is the normal one but far out.
    law = stats.t(n_trials - 1)
    size, ks = np.abs(z), tuple(float(stats.kstest(row, law.cdf).pvalue) for row in z)
    return Validation(
        problem,
        alpha,
        z,
        level,
        largest=float(size.max()),
        p_largest=min(1.0, float(2 * law.sf(size.max())) * z.size),
        ks=ks,
        p_law=min(1.0, min(ks) * len(ks)),
        beyond_2=float(np.mean(size > 2)),
        beyond_3=float(np.mean(size > 3)),
    )


def random_problems(rng: np.random.Generator, count: int, dim: int) -> TransferProblem:
    """So many problems of one dimension, along one axis."""
    log_uniform = lambda low, high: np.exp(rng.uniform(np.log(low), np.log(high), count))  # noqa: E731
    return TransferProblem(
        n_source=np.maximum(np.round(dim / log_uniform(*RATIOS)), 1),
        n_target=np.maximum(np.round(dim / log_uniform(*RATIOS)), 1),
        dim=np.full(count, dim),
        mu=log_uniform(*NORMS),
        mu_orth=log_uniform(*NORMS),
        beta=rng.uniform(-1, 1, count),
        gamma_source=log_uniform(*PENALTIES),
        gamma_target=log_uniform(*PENALTIES),
    )


def _report(result: Validation, n_trials: int, verbose: bool) -> str:
    count = result.z.shape[1]
    laws = ", ".join(f"{q} {p:.2g}" for q, p in zip(QUANTITIES, result.ks, strict=True))
    verdict = "agree" if result.passed else "DISAGREE"
    lines = [
        f"verdict: theory and simulation {verdict} (each p below against {result.level / 2:g})",
        f"{count} problems, {n_trials} trials each, {result.z.size} z-scores",
        f"|z| > 2: {100 * result.beyond_2:.2f} % (normal law: 4.55 %); |z| > 3: {100 * result.beyond_3:.2f} % (0.27 %)",
        f"largest |z|: {result.largest:.2f}; p = {result.p_largest:.2g}, allowing for {result.z.size} tests (Bonferroni)",
        f"Kolmogorov-Smirnov against the normal law: {laws}; p = {result.p_law:.2g}, allowing for {len(result.ks)}",
    ]
    return "\n".join([*lines, "", _rows(result)] if verbose else lines)


def _rows(result: Validation) -> str:
    columns = {
        name: [f"{v:.0f}" if name in SIZES else f"{v:.3g}" for v in values]
        for name, values in numbers(result.problem).items()
    }
    z = [[f"{v:.2f}" for v in row] for row in result.z]
    rows = zip(
        map(str, range(1, result.z.shape[1] + 1)),
        *columns.values(),
        [f"{a:.2f}" for a in result.alpha],
        *z,
        strict=True,
    )
    return table(["", *SYMBOLS.values(), "α", *(f"z {q}" for q in QUANTITIES)], [list(row) for row in rows])
