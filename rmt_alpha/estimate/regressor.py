"""Scikit-learn regressor: ridge around a rescaled source, its scale and penalty of least left-out squared error."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.base import RegressorMixin
from sklearn.utils.validation import (
    check_array,
)

from .. import _checks as check
from .bands import INFLATION
from .base import AlphaRidgeBase, distinct_rows, moderate, unequal, warn_of_own_scaling
from .combinations import combinations, determined, inverse
from .ridge import LeaveOneOut
from .source import read_starts


class AlphaRidge(RegressorMixin, AlphaRidgeBase):
    r"""Ridge regression around α times a frozen source; α and γ of least left-out squared error.

    .. math:: f_α(x) = b + α\,(\tilde b + x^T\tilde w) + x^T a

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> w, X = rng.standard_normal(100), rng.standard_normal((40, 100))
    >>> model = AlphaRidge(source=0.5 * w).fit(X, X @ w + rng.standard_normal(40))
    >>> print(f"{model.alpha_:.2f}")
    1.96

    Parameters as for `AlphaRidgeClassifier`; `source` weights are (p,), or (q, p) where y has q columns. The left-out error is quadratic
    in α, so the best is a regression of what the target alone leaves on the source's part; "auto" and "loo" are the same. The
    interval is Student's with a sandwich variance, wider by a fifth: left-out errors share their training rows. It has no ends where
    there are no more rows than numbers to find.
    """

    def __init__(self, source=None, *, alpha="auto", gamma="loo", per="source", fit_intercept=True, gammas=None):
        self.source = source
        self.alpha = alpha
        self.gamma = gamma
        self.per = per
        self.fit_intercept = fit_intercept
        self.gammas = gammas

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AlphaRidge:
        """Fit on the target's rows: X (n, p), dense or sparse, y (n,) or (n, q), sample_weight (n,)."""
        X, transformed = self._rows(X, reset=True)
        if y is None:
            raise ValueError("AlphaRidge requires y to be passed, but the target y is None.")
        check.unmasked("y", y)
        with check.naming("y", "finite numbers, one or more per row of X"):
            y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        moderate("y", np.abs(y).max(initial=0.0) or 1.0, "values")
        if len(y) != X.shape[0]:
            raise unequal(X.shape[0], len(y))
        omega = self._weights(sample_weight, X)
        seen = omega > 0
        if not seen.all():
            X, y, omega = X[seen], y[seen], omega[seen]
        targets = y.reshape(len(y), -1)
        if self.source is not None:
            warn_of_own_scaling(X)
        X, targets, omega = distinct_rows(X, targets, omega)
        d = targets.shape[1]
        starts = read_starts(self.source, d, X.shape[1], None, getattr(self, "feature_names_in_", None), transformed)
        given = self._given_alpha(len(starts.weights), d)
        path, grid, unit = self._scaled(X, targets, starts, omega)
        best = None
        for block in self._blocks(path, grid):
            several = path.leave_one_out(block)
            for g in range(block.size):
                loo = several[g]
                alpha = (
                    given if given is not None else _least_squares(loo, targets, path.omega, self.per == "output")[0]
                )
                loss = float(np.sum((targets.T - loo.at(alpha)) ** 2 @ path.omega))
                if best is None or loss < best[0]:
                    best = loss, loo, alpha
        assert best is not None
        _, loo, alpha = best
        bounds = partial(
            _least_squares_bounds, loo, given, targets, path.omega, self.per == "output", self.fit_intercept
        )
        self._keep(starts, alpha, bounds, float(loo.gamma) * unit**2)
        coef, intercept = path.fit(float(loo.gamma), alpha)
        several = y.ndim == 2
        self.coef_: np.ndarray = coef / unit if several else coef[0] / unit
        self.intercept_: Any = intercept if several else float(intercept[0])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Values (n,), or (n, q)."""
        values = self._scores(X)
        return values if np.ndim(self.coef_) == 2 else values[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _least_squares(
    loo: LeaveOneOut, targets: np.ndarray, omega: np.ndarray, per_output: bool, intercept: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """α (J, d) of least left-out squared error, and the ends (2, J, d) of its intervals."""
    J, d, n = loo.scores[1:].shape
    alpha, bounds = np.zeros((J, d)), np.zeros((2, J, d))
    for ks in [[k] for k in range(d)] if per_output else [list(range(d))]:
        left = targets.T[ks] - loo.scores[0, ks]  # (k, n)
        slopes = loo.scores[1:, ks]
        span = combinations(loo.starts[:, ks].reshape(J, len(ks) * loo.starts.shape[2]))
        gram = inverse(np.einsum("jkn,ikn,n->ji", slopes, slopes, omega), span)
        best = gram @ np.einsum("jkn,kn,n->j", slopes, left, omega)
        influence = gram @ (omega * np.einsum("jkn,kn->jn", slopes, left - np.einsum("j,jkn->kn", best, slopes)))
        freedom = n - J - intercept
        reach = np.full(J, np.inf)
        if freedom > 0:
            reach = INFLATION * student.ppf(0.975, freedom) * np.sqrt((influence**2).sum(axis=1) * n / freedom)
            reach[~determined(span)] = np.inf
        alpha[:, ks] = best[:, None]
        bounds[:, :, ks] = np.stack([best - reach, best + reach])[..., None]
    return alpha, bounds


def _least_squares_bounds(
    loo: LeaveOneOut,
    given: np.ndarray | None,
    targets: np.ndarray,
    omega: np.ndarray,
    per_output: bool,
    intercept: bool,
) -> np.ndarray:
    return (
        np.stack([given, given]) if given is not None else _least_squares(loo, targets, omega, per_output, intercept)[1]
    )
