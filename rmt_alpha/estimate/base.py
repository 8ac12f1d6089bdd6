"""What the classifier and the regressor around frozen sources share: rows, source, penalty, weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    validate_data,
)

from .. import _checks as check
from .factor import mean_square
from .ridge import RidgePath
from .source import REMEDY, Starts, split_pipeline

RULES = ("auto", "loo")
PENALTIES = 25  # values of γ that "loo" looks at
LARGEST = 2**24  # left-out scores that exist at one time, where there are several γ
NO_WEIGHT = 1e-12  # of the largest: to rounding such a row has no say, and the others would have none beside it
EXTREME = 1e100  # features and scores of a source beyond this, or below its inverse, have squares that no double holds

SINGLE = 1e-5  # what single precision may leave of a deviation of 1
OWN_ROWS = (
    "X is scaled by its own {n} rows. Few rows say little about deviations, which costs accuracy: scale by unlabelled rows of "
    "the target, or by both tasks, as rmt_alpha.estimate.scaling_rows does."
)


class AlphaRidgeBase(BaseEstimator):
    """What the classifier and the regressor share: rows, source, penalty, weights."""

    def _rows(self, X: Any, reset: bool) -> tuple[Any, bool]:
        """X as float64 (CSR if sparse), through the source Pipeline's transform if there is one; and whether there is."""
        check.unmasked("X", X)
        transform, _ = split_pipeline(self.source)
        # scikit-learn looks for NaN in sums, in which numbers that are too large overflow before they are told.
        with check.naming("X", "rows of finite numbers"), np.errstate(over="ignore", invalid="ignore"):
            if transform is None:
                least = 2 if reset else 1
                rows = validate_data(
                    self, X, dtype=np.float64, accept_sparse="csr", reset=reset, ensure_min_samples=least
                )
            else:
                if hasattr(X, "shape"):
                    validate_data(self, X, reset=reset, skip_check_array=True)
                try:
                    rows = transform.transform(X)
                except NotFittedError as error:
                    raise ValueError(
                        f"source={self.source!r} is a Pipeline that is not fitted, and X goes through it. {REMEDY}"
                    ) from error
                rows = check_array(rows, dtype=np.float64, accept_sparse="csr", input_name="X")
        values = rows.data if sparse.issparse(rows) else rows
        moderate("X", max(values.max(initial=0.0), -values.min(initial=0.0), 1 / EXTREME), "features")
        return rows, transform is not None

    def _weights(self, sample_weight: Any, X: Any) -> np.ndarray:
        check.unmasked("sample_weight", sample_weight)
        with check.naming("sample_weight", f"{X.shape[0]} non-negative numbers, one per row"):
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weights.min() < 0 or not weights.any():
            raise ValueError("sample_weight must be non-negative and contain at least one non-zero number.")
        weights = weights / weights.max()
        return np.where(weights > NO_WEIGHT, weights, 0.0)

    def _scaled(
        self, X: Any, targets: np.ndarray, starts: Starts, omega: np.ndarray
    ) -> tuple[RidgePath, np.ndarray, float]:
        """The path of X in units of its own spread, the penalties there, and that unit: a power of 2, so that units change no digit."""
        intercept = check.flag("fit_intercept", self.fit_intercept)
        spread = _spread(X)  # refuses rows that do not differ
        moderate("X", spread, "features")
        unit = float(2.0 ** np.round(np.log2(spread if intercept else _size(X))))
        X = X / unit
        grid = self._gamma_grid(X.shape, mean_square(X, omega / omega.mean(), intercept), unit)
        with np.errstate(over="ignore"):
            weights = starts.weights * unit
        for w, b in zip(weights, starts.intercepts, strict=True):
            moderate("source", max(np.abs(w).max(), np.abs(b).max()), "scores")
        return RidgePath(X, targets, weights, starts.intercepts, omega, intercept, grid.min()), grid, unit

    def _blocks(self, path: RidgePath, grid: np.ndarray) -> list[np.ndarray]:
        """Penalties that are looked at together: all, where their scores fit."""
        blocks = min(grid.size, 1 + grid.size * path.targets.size // LARGEST)
        return np.array_split(grid, blocks)

    def _gamma_grid(self, shape: tuple[int, int], mean_square: float, unit: float) -> np.ndarray:
        """Penalties for features in `unit`s, of which `mean_square` is the mean square."""
        if isinstance(self.gamma, str) and self.gamma == "loo":
            n, p = shape
            if self.gammas is None:
                return mean_square * np.geomspace(1e-3, 30 * max(1, p / n), PENALTIES)
            check.unmasked("gammas", self.gammas)
            with check.naming("gammas", "a list of positive numbers"):
                grid, name = np.atleast_1d(np.asarray(self.gammas, dtype=float)), "gammas"
        elif not isinstance(self.gamma, Real) or isinstance(self.gamma, bool):
            raise ValueError(f"gamma={self.gamma!r} must be a positive number or 'loo'.")
        else:
            with check.naming("gamma", "a positive number or 'loo'"):
                grid, name = np.array([float(self.gamma)]), "gamma"
        if grid.ndim != 1 or grid.size == 0 or not np.all((grid > 0) & np.isfinite(grid)):
            value = getattr(self, name)
            raise ValueError(f"{name}={value!r} must be positive and finite; for a ridgeless fit take e.g. 1e-8.")
        # beyond these a penalty is 0 or infinite to rounding
        return np.clip(grid / unit / unit, 1e-14 * mean_square, 1e14 * mean_square)

    def _given_alpha(self, J: int, d: int) -> np.ndarray | None:
        """alpha (J, d) as the user gave it; None where it is to be chosen."""
        if not isinstance(self.per, str) or self.per not in ("source", "output"):
            raise ValueError(
                f"per={self.per!r} must be 'source' (one α per source) or 'output' (one per class or output)."
            )
        if isinstance(self.alpha, str):
            if self.alpha not in RULES:
                raise ValueError(f"alpha={self.alpha!r} is unknown; use one of {sorted(RULES)} or a finite number.")
            return None
        check.unmasked("alpha", self.alpha)
        with check.naming("alpha", f"a finite number or one of {sorted(RULES)}"):
            alpha = np.asarray(self.alpha, dtype=np.float64)
        shapes = {(), (1,), (J,), (J, d)} | ({(d,)} if J == 1 else set())
        if J == 0 and alpha.size == 1 and np.isfinite(alpha).all():
            return np.zeros((0, d))
        if alpha.shape not in shapes or not np.isfinite(alpha).all():
            raise ValueError(
                f"alpha={self.alpha!r} must be one finite number, {J} of them (one per source), an array ({J}, {d}) (per source "
                f"and output), or one of {sorted(RULES)}."
            )
        if alpha.shape == (J,) and alpha.shape != (1,):
            alpha = alpha[:, None]
        return np.broadcast_to(alpha, (J, d)).copy()

    def _keep(self, starts: Starts, alpha: np.ndarray, bounds: Callable[[], np.ndarray], gamma: float) -> None:
        """What was chosen; `bounds` () gives the ends (2, J, d) of the intervals, when somebody asks for them."""
        each = self.per == "output" and alpha.shape[1] > 1
        if not each and not (alpha == alpha[:, :1]).all():
            each = True  # the user's own numbers differ per output
        self._axes = each, len(starts.weights) > 0, starts.several
        self._bounds = bounds
        alpha = self._squeezed(alpha)
        self.alpha_: Any = float(alpha) if np.ndim(alpha) == 0 else alpha
        self.gamma_ = gamma

    def _squeezed(self, values: np.ndarray) -> np.ndarray:
        """Values (…, J, d) per source without the axis of outputs; of one source without that of sources."""
        each, some, several = self._axes
        if not each:
            values = values[..., 0]
        if not some:
            values = np.zeros((*values.shape[:-1], 1))
        if not several:
            values = values[..., 0, :] if each and some else values[..., 0]
        return values

    @property
    def alpha_interval_(self) -> np.ndarray:
        check_is_fitted(self)
        return self._squeezed(self._bounds())

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X, _ = self._rows(X, reset=False)
        return X @ np.atleast_2d(self.coef_).T + self.intercept_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def warn_of_own_scaling(X: Any) -> None:
    """A UserWarning where most features have deviation 1, with either divisor, to single precision's rounding."""
    if sparse.issparse(X):
        return
    deviation, n = X.std(axis=0), len(X)
    varies = deviation > 0
    own = (np.abs(deviation - 1) < SINGLE) | (np.abs(deviation * np.sqrt(n / max(n - 1, 1)) - 1) < SINGLE)
    if np.sum(own & varies) > np.sum(varies) / 2:
        warnings.warn(OWN_ROWS.format(n=n), UserWarning, stacklevel=3)


def distinct_rows(X: Any, labels: np.ndarray, omega: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Equal rows with equal labels as one, its weight their sum."""
    if sparse.issparse(X):
        X = sparse.csr_array(X, copy=True)
        X.sum_duplicates()
        X.eliminate_zeros()
        cuts = X.indptr
        keys = [X.indices[a:b].tobytes() + X.data[a:b].tobytes() for a, b in pairwise(cuts)]
    else:
        X = np.ascontiguousarray(X) + 0.0  # −0 is 0
        if np.unique(X.sum(axis=1)).size == len(X):  # equal rows have equal sums: no need to look closer
            return X, labels, omega
        keys = [row.tobytes() for row in X]
    place: dict[tuple[bytes, bytes], int] = {}
    group = np.array(
        [place.setdefault((key, label.tobytes()), len(place)) for key, label in zip(keys, labels, strict=True)]
    )
    if len(place) == len(group):
        return X, labels, omega
    first = np.unique(group, return_index=True)[1]
    return X[first], labels[first], np.bincount(group, omega)


def unequal(rows: int, values: int) -> ValueError:
    return ValueError(f"y must have one entry per row of X, got inconsistent numbers of samples: {[rows, values]}")


def moderate(name: str, size: float, what: str) -> None:
    """Is a size one that can be squared?"""
    if not 1 / EXTREME <= size <= EXTREME:
        raise ValueError(
            f"{name} must have {what} of a size in [{1 / EXTREME:g}, {EXTREME:g}], got {size:.3g}. Express them in another unit."
        )


def _spread(X: Any) -> float:
    """Root mean square of the features around their means; ValueError where the rows do not differ."""
    size = (
        np.abs(X.data if sparse.issparse(X) else X).max() if X.shape[0] and (not sparse.issparse(X) or X.nnz) else 0.0
    )
    if size > 0:
        Z = X / size
        mean = np.asarray(Z.mean(axis=0)).ravel()
        squares = Z.multiply(Z).sum() if sparse.issparse(Z) else np.sum((Z - mean) ** 2)
        if sparse.issparse(Z):
            squares = squares - X.shape[0] * mean @ mean
        spread = np.sqrt(max(squares, 0.0) / (X.shape[0] * X.shape[1]))
        if spread > 1e-15:
            return float(spread * size)
    raise ValueError(
        "X has the same row everywhere: no feature varies over the target's rows, so nothing can be learned. Check the features."
    )


def _size(X: Any) -> float:
    """Root mean square of the features."""
    data = X.data if sparse.issparse(X) else X
    size = np.abs(data).max(initial=0.0)
    return float(size * np.sqrt(np.sum((data / size) ** 2) / (X.shape[0] * X.shape[1])))
