"""Where the features' mean and deviation should come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check

PRIOR_ROWS = 50  # what the source's deviations count for beside the target's own rows
NULL = 4e-15  # a deviation below this share of the feature's largest value is rounding of a constant


@dataclass(frozen=True)
class Scaling:
    """mean (p,), deviation (p,) of the features, and in words whose they are."""

    mean: np.ndarray
    deviation: np.ndarray
    origin: str

    def __call__(self, X: Any) -> np.ndarray:
        return (check.matrix("X", X, columns=len(self.mean)) - self.mean) / self.deviation


def scaling_rows(target: Any, source: Any = None, unlabelled: Any = None) -> Scaling:
    r"""The scaling of the target's rows (n, p): by `unlabelled` rows of the target task, else by own and source rows together.

    .. math:: σ_j^2 = \frac{n\,σ_{j,\mathrm{own}}^2 + m\,σ_{j,\mathrm{source}}^2}{n + m}

    Few rows say little of a deviation, and nothing of a feature that is 0 in all of them, so the source's counts for m = 50 rows.
    The mean is the target's: with an intercept it cancels. (Own rows alone cost points at small n: docs/alpha_from_data.md.)

    >>> scaling_rows([[0.0, 1.0], [2.0, 1.0]], source=[[0.0, 3.0], [2.0, 5.0]]).origin
    'the target and the source'
    """
    target = check.matrix("target", target)
    if unlabelled is not None:
        rows = np.vstack([check.matrix("unlabelled", unlabelled, columns=target.shape[1]), target])
        return Scaling(
            rows.mean(axis=0), _positive(rows.var(axis=0), np.abs(rows).max(axis=0)), "unlabelled rows of the target"
        )
    mean, variance, n, size = target.mean(axis=0), target.var(axis=0), len(target), np.abs(target).max(axis=0)
    if source is None:
        return Scaling(mean, _positive(variance, size), "the target's own rows")
    rows = check.matrix("source", source, columns=target.shape[1])
    pooled = (n * variance + PRIOR_ROWS * rows.var(axis=0)) / (n + PRIOR_ROWS)
    return Scaling(mean, _positive(pooled, np.maximum(size, np.abs(rows).max(axis=0))), "the target and the source")


def _positive(variance: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Deviations; a feature is left as it is where it is constant but for rounding of its `size`."""
    deviation = np.sqrt(variance)
    return np.where(deviation > NULL * size, deviation, 1.0)
