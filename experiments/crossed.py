"""The mean of a table of seeds × rows, both of them samples: interval, p-value and equivalence from one standard error.

A difference d_sr between two methods, trained on seed s and tested on row r, is μ + a_s + b_r + e_sr: a seed stands for one training set,
head and order of the data, a row for one text; both are drawn, and what is asked for is μ. With the mean squares of the table's two
margins and of what they leave,

    Var(mean) = σ_a²/S + σ_b²/R + σ_e²/(S R),   estimated by (MS_s + MS_r − MS_e)/(S R),

Student's law with Satterthwaite's degrees of freedom gives interval, p-value and the two one-sided tests, so that they always agree.
`comparison_coverage` checks that the intervals cover. (Searle, Casella and McCulloch, Variance Components, 1992, section 4.5.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and the degrees of freedom of that."""

    mean: float
    se: float
    freedom: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        reach = stats.t.isf((1 - level) / 2, self.freedom) * self.se
        return self.mean - reach, self.mean + reach

    @property
    def p(self) -> float:
        """Two-sided, of a mean of zero: below .05 where the interval leaves zero out."""
        return min(1.0, 2 * self._beyond(abs(self.mean)))

    def p_equivalent(self, margin: float) -> float:
        """Of a mean at least `margin` from zero (two one-sided tests): below .05 where the 90 % interval lies within ± margin."""
        if not margin > 0:
            raise ValueError(f"margin must be a positive number, got {margin!r}.")
        return self._beyond(margin - abs(self.mean))

    def p_at_least(self, bound: float) -> float:
        """One-sided, of a mean of `bound` or more."""
        return self._beyond(bound - self.mean)

    def _beyond(self, distance: float) -> float:
        """The chance of an error of at least `distance`, on one side."""
        if self.se == 0:
            return 0.5 if distance == 0 else float(distance < 0)
        return float(stats.t.sf(distance / self.se, self.freedom))


@dataclass(frozen=True)
class Components:
    """What a table's variance is made of: `seed`, `row` and `rest` are σ_a², σ_b², σ_e²."""

    seed: float
    row: float
    rest: float

    def estimate(self, mean: float, seeds: float, rows: float) -> Estimate:
        """For a table of this size; its variance is a sum of mean squares, hence Satterthwaite's degrees of freedom."""
        squares = np.array([rows * self.seed + self.rest, seeds * self.row + self.rest, -self.rest])
        freedom = np.array([seeds - 1, rows - 1, (seeds - 1) * (rows - 1)])
        total, spread = squares.sum(), np.sum(squares**2 / freedom)
        return Estimate(
            mean, float(np.sqrt(total / (seeds * rows))), float(total**2 / spread) if spread else seeds - 1.0
        )

    def seeds_needed(self, reach: float, rows: int, most: int = 1000) -> int | None:
        """The fewest seeds with a 95 % interval of ± reach; None where `most` are too few, as when the rows alone are."""
        for seeds in range(2, most + 1):
            if self.estimate(0.0, seeds, rows).interval()[1] <= reach:
                return seeds
        return None


def components(table: Any) -> Components:
    """By the analysis of variance; a component that comes out negative is zero."""
    d = np.asarray(table, dtype=float)
    if d.ndim != 2 or min(d.shape) < 2 or not np.isfinite(d).all():
        raise ValueError(f"table must hold finite numbers of two seeds and two rows at least, got shape {d.shape}.")
    seeds, rows = d.shape
    of_seeds, of_rows = d.mean(axis=1), d.mean(axis=0)
    left = d - of_seeds[:, None] - of_rows + d.mean()
    rest = np.sum(left**2) / ((seeds - 1) * (rows - 1))
    seed, row = of_seeds.var(ddof=1) - rest / rows, of_rows.var(ddof=1) - rest / seeds
    return Components(max(0.0, seed), max(0.0, row), rest)


def crossed(table: Any) -> Estimate:
    """The mean of a table (seeds, rows)."""
    return components(table).estimate(float(np.mean(table)), *np.shape(table))


def averaged(estimates: Iterable[Estimate]) -> Estimate:
    """The mean of independent ones: of these tasks, not of all tasks that there might be."""
    held = list(estimates)
    variances = np.array([one.se**2 for one in held])
    spread = np.sum(variances**2 / [one.freedom for one in held])
    freedom = float(variances.sum() ** 2 / spread) if spread else min(one.freedom for one in held)
    return Estimate(float(np.mean([one.mean for one in held])), float(np.sqrt(variances.sum())) / len(held), freedom)


def holm(p: Any) -> np.ndarray:
    """p-values (k,) adjusted for k tests by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979)."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


@dataclass(frozen=True)
class Planted:
    """Two methods on seeds × rows with known accuracies, to hold the intervals against.

    A method is right where a normal number is positive: a part of the row (`row`), a part of the row that the method alone has
    (`own_row`), likewise of the seed, and the rest; the parts are variances, and `rest` makes their sum 1.
    """

    accuracy: tuple[float, float]
    row: float
    own_row: float
    seed: float
    own_seed: float

    @property
    def difference(self) -> float:
        return self.accuracy[0] - self.accuracy[1]

    def table(self, seeds: int, rows: int, rng: np.random.Generator) -> np.ndarray:
        """Differences (seeds, rows) in {−1, 0, 1}."""
        rest = 1 - self.row - self.own_row - self.seed - self.own_seed
        if rest < 0:
            raise ValueError(f"The variances of a planted table must sum to 1 at most, got {1 - rest}.")

        def part(variance: float, *shape: int) -> np.ndarray:
            return np.sqrt(variance) * rng.standard_normal(shape, dtype=np.float32)

        both = part(self.row, 1, rows) + part(self.seed, seeds, 1)
        right = [
            stats.norm.ppf(accuracy) + both + part(self.own_row, 1, rows) + part(self.own_seed, seeds, 1)
            + part(rest, seeds, rows) > 0 for accuracy in self.accuracy
        ]  # fmt: skip
        return right[0].astype(np.int8) - right[1]
