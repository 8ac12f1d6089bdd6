r"""How much rank a free α saves: the smallest r at which the best α does what α = 1 does at full rank.

.. math:: r^* = \min\{r : \min_α \mathrm{risk}(r, α) ≤ \mathrm{risk}(q, 1)\}

(classes: the largest accuracy in place of the least risk). Where the target is a rescaled source plus something of
low rank, α = 1 leaves a rescaled source to the correction, of full rank. (theory.md, section 10.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..problem import Fit
from ..results import Optimum
from .low_rank import TIE, LowRank, _weights, optimum_at, rank_path, solved
from .optimum import optimal_alpha

ROUNDING = 1e-9  # relative: as good as


@dataclass(frozen=True, eq=False)
class RankSaving:
    """The best α at every rank r = 0 … q beside α = 1.

    | field | shape | meaning |
    |---|---|---|
    | `alpha` | (q+1,), or (q+1, n_alpha) | α* at each rank; ±inf where it is approached only there |
    | `best` | (q+1,) | what α* has: `by` |
    | `at_one` | (q+1,) | what α = 1 has |
    | `gap` | (q−1,) | (λ_r − λ_{r+1})/λ_1 of G at α*, r = 1 … q − 1 |
    | `by` | | "risk" (regression) or "accuracy" |
    """

    alpha: np.ndarray
    best: np.ndarray
    at_one: np.ndarray
    gap: np.ndarray
    by: str

    @property
    def rank(self) -> int:
        """The smallest rank at which α* does what α = 1 does at full rank."""
        return self._first(self.best)

    @property
    def rank_at_one(self) -> int:
        """The smallest rank at which α = 1 itself does."""
        return self._first(self.at_one)

    @property
    def closed(self) -> tuple[int, ...]:
        """Ranks at which two eigenvalues of G meet at α*: which direction training keeps there is left to chance."""
        return tuple(int(r) + 1 for r in np.flatnonzero(self.gap <= TIE))

    def _first(self, values: np.ndarray) -> int:
        sign = 1 if self.by == "risk" else -1
        return int(np.argmax(sign * values <= sign * self.at_one[-1] + ROUNDING * abs(self.at_one[-1])))

    def __repr__(self) -> str:
        closed = f", closed gaps at {list(self.closed)}" if self.closed else ""
        return f"RankSaving(rank {self.rank} with α*, {self.rank_at_one} with α = 1, by {self.by}{closed})"


def rank_saving(fit: Fit) -> RankSaving:
    """The best α at every rank, and from which rank on it does what α = 1 does at full rank.

    `fit` is scalar, with starts, squared loss and any `per`; its own rank does not matter. One solve, one search for each rank.
    Raises ValueError or TypeError, naming the parameter.

    >>> W = np.vstack([np.diag([3.0, 2.5, 2.0]), np.zeros((57, 3))])
    >>> target = 1.5 * W + np.outer(np.eye(1, 60), [1.0, 1.0, 1.0])
    >>> saving = rank_saving(Fit(Population.linear(target, 0.2), n=90, gamma=0.1, starts=[W]))
    >>> saving
    RankSaving(rank 1 with α*, 3 with α = 1, by risk)
    >>> saving.best.round(2), saving.at_one.round(2)
    (array([2.65, 0.33, 0.35, 0.37]), array([10.93,  2.87,  1.59,  0.86]))
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"fit must be a Fit, got {type(fit).__name__}. Take problem.fit.")
    if fit.n_alpha == 0:
        raise ValueError("fit must have a start whose scale can be chosen, got one without. Give it starts=[…].")
    path = rank_path(fit, np.ones(() if fit.n_alpha == 1 else fit.n_alpha))
    full = replace(fit, rank=None)
    low = solved(full)
    best = [optimum_at(low, r, "zero") for r in range(low.q)] + [optimal_alpha(full)]
    by = "risk" if best[0].accuracy is None else "accuracy"
    return RankSaving(
        alpha=np.array([o.alpha for o in best]),
        best=np.array([getattr(o, by) for o in best]),
        at_one=np.asarray(getattr(path, by)),
        gap=np.array([_gap(low, best[r], r) for r in range(1, low.q)]),
        by=by,
    )


def _gap(low: LowRank, best: Optimum, rank: int) -> float:
    """(λ_r − λ_{r+1})/λ_1 of G at the best α."""
    a = _weights(low.stage.fit, best.direction if best.at_infinity else best.alpha)
    if best.at_infinity:
        a[..., 0, :] = 0.0
    values = np.linalg.eigvalsh(low.gram(a))[::-1]
    return float((values[rank - 1] - values[rank]) / values[0])
