"""Where the features' mean and deviation should come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check

PRIOR_ROWS = 50  # what the source's deviations count for beside the target's own rows
NULL = 1e-9  # a deviation below this share of the largest is a constant feature


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
        return Scaling(rows.mean(axis=0), _positive(rows.var(axis=0)), "unlabelled rows of the target")
    mean, variance, n = target.mean(axis=0), target.var(axis=0), len(target)
    if source is None:
        return Scaling(mean, _positive(variance), "the target's own rows")
    other = check.matrix("source", source, columns=target.shape[1]).var(axis=0)
    return Scaling(mean, _positive((n * variance + PRIOR_ROWS * other) / (n + PRIOR_ROWS)), "the target and the source")


def _positive(variance: np.ndarray) -> np.ndarray:
    """Deviations; a constant feature is left as it is."""
    deviation = np.sqrt(variance)
    return np.where(deviation > NULL * deviation.max(initial=0.0), deviation, 1.0)
