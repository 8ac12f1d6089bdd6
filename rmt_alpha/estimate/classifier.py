"""Scikit-learn estimators: ridge around a rescaled source, its scale, penalty and threshold chosen from the target's rows alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import softmax
from scipy.stats import t as student
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_array,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .. import _checks as check
from .calibration import calibrate, left_out_logits, log_loss, luck
from .factor import mean_square
from .many_classes import by_likelihood
from .ridge import LeaveOneOut, RidgePath
from .rules import by_leave_one_out, by_structure, interval, margins, separation, structure
from .source import REMEDY, Starts, read_starts, split_pipeline

RULES = ("auto", "loo")
PENALTIES = 25  # values of γ that "loo" looks at
LARGEST = 2**24  # left-out scores that exist at one time, where there are several γ
THRESHOLDS = ("accuracy", "balanced")
NO_WEIGHT = 1e-12  # of the largest: to rounding such a row has no say, and the others would have none beside it
EXTREME = 1e100  # features and scores of a source beyond this, or below its inverse, have squares that no double holds


@dataclass(frozen=True)
class LeftOut:
    """What the fitted rows say: scores (1+J, d, n) at α = 0 and per α_j, by fits without the row; class codes and weights (n,)."""

    scores: np.ndarray
    codes: np.ndarray
    omega: np.ndarray
    centred: bool

    def logits(self, alpha: np.ndarray) -> np.ndarray:
        """Left-out logits (A, K, n) at alpha (A, J, d)."""
        F = self.scores[0] + np.einsum("ajd,jdn->adn", alpha, self.scores[1:])
        return left_out_logits(
            np.concatenate([-F, F], axis=1) if F.shape[1] == 1 else F, self.codes, self.omega, self.centred
        )


class _AlphaRidge(BaseEstimator):
    """What the classifier and the regressor share: rows, source, penalty, weights."""

    def _rows(self, X: Any, reset: bool) -> tuple[Any, bool]:
        """X as float64 (CSR if sparse), through the source Pipeline's transform if there is one; and whether there is."""
        check.unmasked("X", X)
        transform, _ = split_pipeline(self.source)
        with check.naming("X", "rows of finite numbers"):
            if transform is None:
                least = 2 if reset else 1
                return validate_data(
                    self, X, dtype=np.float64, accept_sparse="csr", reset=reset, ensure_min_samples=least
                ), False
            if hasattr(X, "shape"):
                validate_data(self, X, reset=reset, skip_check_array=True)
            try:
                rows = transform.transform(X)
            except NotFittedError as error:
                raise ValueError(
                    f"source={self.source!r} is a Pipeline that is not fitted, and X goes through it. {REMEDY}"
                ) from error
            return check_array(rows, dtype=np.float64, accept_sparse="csr", input_name="X"), True

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
        _moderate("X", spread, "features")
        unit = float(2.0 ** np.round(np.log2(spread if intercept else _size(X))))
        X = X / unit
        grid = self._gamma_grid(X.shape, mean_square(X, omega / omega.mean(), intercept), unit)
        with np.errstate(over="ignore"):
            weights = starts.weights * unit
        for w, b in zip(weights, starts.intercepts, strict=True):
            _moderate("source", max(np.abs(w).max(), np.abs(b).max()), "scores")
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


class AlphaRidgeClassifier(ClassifierMixin, _AlphaRidge):
    r"""Ridge classifier around α times a frozen source classifier; α, γ and the threshold from the target's rows.

    .. math:: f_α(x) = b + α\,(\tilde b + x^T\tilde w) + x^T a,\qquad
              (a, b) = \arg\min \frac{1}{2n}\sum_i ω_i\,(y_i - f_α(x_i))^2 + \frac{γ}{2}\|a\|^2

    with y = ±1 for two classes, one indicator per class for more. Everything is chosen by exact leave-one-out, in which the
    intercept is refitted too (docs/alpha_from_data.md).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> mean = np.eye(1, 200)[0]  # of the class +1; that of −1 is opposite
    >>> y = rng.permutation(np.repeat([-1, 1], 20))
    >>> X = y[:, None] * mean + rng.standard_normal((40, 200))
    >>> model = AlphaRidgeClassifier(source=0.5 * mean, gamma=1.0).fit(X, y)
    >>> print(f"{model.alpha_:.2f}")
    1.17

    | parameter | permitted |
    |---|---|
    | `source` | weights (p,), (K, p) for K > 2 classes; a fitted linear classifier or Pipeline; a list of these; None: ridge |
    | `alpha` | "auto", "loo" (left-out moments alone), a number, or one per source. Not peft's `lora_alpha` |
    | `gamma` | "loo", or a positive number in squared units of the features |
    | `threshold` | "accuracy" (the shares of classes count), "balanced" (not), or the probability that `classes_[1]` asks for |
    | `per` | "source": one α per source; "output": one per source and class, for more than two |
    | `fit_intercept` | False: b = 0, and the middle of the classes is taken to be there |
    | `class_weight` | None, "balanced", or a dict, as in scikit-learn |
    | `gammas` | the grid for gamma="loo"; None takes 25 values around the features' mean square |

    | fitted attribute | meaning |
    |---|---|
    | `coef_`, `intercept_` | (1, p), (1,) for two classes, else (K, p), (K,); of the transformed features if the source is a Pipeline |
    | `alpha_`, `alpha_interval_` | α and the ends of its 95 % interval, ±∞ where α may be infinite; a given α has an interval of length 0 |
    | `gamma_`, `classes_`, `n_features_in_` | the penalty, the labels, p |
    | `left_out_` | scores of the rows at every α, by fits that have not seen them; `accuracy_curve` is made of these |

    Equal rows are one row of more weight, so that leave-one-out never sees the twin of what it left out. Do not scale the features
    by the target's own few rows: `scaling_rows` says from where. A search or pipeline clones a fitted source: wrap it in
    sklearn.frozen.FrozenEstimator. Raises ValueError, naming the parameter. (arXiv 2510.21345; theory.md, section 8.)
    """

    def __init__(
        self, source=None, *, alpha="auto", gamma="loo", threshold="accuracy", per="source", fit_intercept=True,
        class_weight=None, gammas=None,
    ):  # fmt: skip
        self.source = source
        self.alpha = alpha
        self.gamma = gamma
        self.threshold = threshold
        self.per = per
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.gammas = gammas

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AlphaRidgeClassifier:
        """Fit on the target's rows: X (n, p), dense or sparse, y (n,) of at least two labels, sample_weight (n,)."""
        X, transformed = self._rows(X, reset=True)
        y = _labels(y, X.shape[0])
        omega = self._weights(sample_weight, X)
        seen = omega > 0
        if not seen.all():
            X, y, omega = X[seen], y[seen], omega[seen]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.size < 2:
            raise ValueError(f"y holds one class, {self.classes_[0]!r}; at least 2 are needed. Label rows of another.")
        omega = omega * self._class_weights(y, codes, omega)
        X, codes, omega = _distinct(X, codes, omega)
        binary = self.classes_.size == 2
        d = 1 if binary else self.classes_.size
        threshold = self._threshold(binary)
        targets = 2.0 * codes[:, None] - 1 if binary else np.eye(d)[codes]
        starts = read_starts(
            self.source, d, X.shape[1], self.classes_, getattr(self, "feature_names_in_", None), transformed
        )
        given = self._given_alpha(len(starts.weights), d)
        path, grid, unit = self._scaled(X, targets, starts, omega)
        best: tuple[float, LeaveOneOut, np.ndarray] | None = None
        for block in self._blocks(path, grid):
            several = path.leave_one_out(block, centred=True)
            alphas, merit = self._choose(several, given, codes, path.omega)
            g = int(merit.argmax())
            if best is None or merit[g] > best[0]:
                best = merit[g], several[g], alphas[g]
        assert best is not None
        _, loo, alpha = best
        bounds = partial(_bounds, loo, given, alpha, codes, path.omega, self.fit_intercept, self.per == "output")
        self._keep(starts, alpha, bounds, float(loo.gamma) * unit**2)
        self._finish(path, loo, alpha, codes, threshold, unit)
        self.left_out_ = LeftOut(loo.scores, codes, path.omega, self.fit_intercept)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores (n,), positive for classes_[1]; for K > 2 classes (n, K), the largest of which is predicted."""
        scores = self._scores(X)
        return scores[:, 0] if self.classes_.size == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n,)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, K), by the law of the left-out scores."""
        scores = self._scores(X)
        if self.classes_.size == 2:
            scores = np.hstack([np.zeros_like(scores), scores])
        return softmax(self._slope * scores + self._offset, axis=1)

    def _class_weights(self, y: np.ndarray, codes: np.ndarray, omega: np.ndarray) -> np.ndarray:
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            return (omega.sum() / np.bincount(codes, omega))[codes]  # scikit-learn's forgets the rows' own weights
        with check.naming("class_weight", "None, 'balanced', or a dict of a number per class"):
            weights = compute_sample_weight(self.class_weight, y)
            if not (np.isfinite(weights) & (weights > 0)).all():
                raise ValueError("every weight must be positive and finite.")
        return weights

    def _costs(self) -> np.ndarray:
        """What an error on each class costs by the user's own class_weight, (K,)."""
        if isinstance(self.class_weight, dict):
            return compute_sample_weight(self.class_weight, self.classes_)
        return np.ones(self.classes_.size)

    def _threshold(self, binary: bool) -> float | str:
        value = self.threshold
        if isinstance(value, str):
            if value in THRESHOLDS:
                return value
        elif binary and isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < 1:
            return float(value)
        more = ", or a probability between 0 and 1" if binary else "; with more than two classes there is no one number"
        raise ValueError(f"threshold={value!r} must be 'accuracy' or 'balanced'{more}.")

    def _choose(
        self, loo: LeaveOneOut, given: np.ndarray | None, codes: np.ndarray, omega: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """At every γ, α (g, J, d) and what its choice maximises (g,): separation for two classes, likelihood for more."""
        size, J1, d, _ = loo.scores.shape
        if d > 1:
            if given is None:
                found = [by_likelihood(loo[g], codes, omega, self.per == "output") for g in range(size)]
                return np.stack([alpha for alpha, _, _ in found]), -np.array([loss for _, _, loss in found])
            return np.broadcast_to(given, (size, *given.shape)), -log_loss(loo.at(given), codes, omega)
        m = margins(loo.scores[:, :, 0], codes == 1, omega, self.fit_intercept)
        if given is not None:
            alpha = np.broadcast_to(given[:, 0], (size, J1 - 1))
        elif J1 == 1:
            alpha = np.zeros((size, 0))
        elif self.alpha == "loo":
            alpha = by_leave_one_out(m)
        else:
            alpha = by_structure(structure(loo, m))
        return alpha[..., None], separation(m, alpha)

    def _finish(
        self,
        path: RidgePath,
        loo: LeaveOneOut,
        alpha: np.ndarray,
        codes: np.ndarray,
        threshold: float | str,
        unit: float,
    ) -> None:
        """Weights, intercepts with the threshold in them, and the law of probabilities."""
        binary = alpha.shape[1] == 1
        scores = loo.at(alpha)
        law = calibrate(np.vstack([-scores, scores]) if binary else scores, codes, path.omega, self.fit_intercept)
        coef, intercept = path.fit(float(loo.gamma), alpha)
        if self.fit_intercept:  # left-out scores are centred by the other rows; so is this
            intercept = -coef @ path.factor.centre
        # Predicted is the largest slope·(score − middle) + wanted; the probabilities have log_prior in place of wanted.
        wanted = law.log_prior if threshold == "accuracy" else np.log(self._costs())
        slope = float(law.slope)
        if binary:
            # Only probabilities know that these scores are the best of many γ, prior included. A flatter law of scores alone would
            # move the threshold, and from few rows predict the larger class throughout.
            flatter, slope, prior = 1.0, 2 * slope, law.log_prior[1] - law.log_prior[0]
            if isinstance(self.gamma, str):
                m = margins(scores, codes == 1, path.omega, self.fit_intercept)
                flatter = luck(float(separation(m, np.zeros(0))), m.count)
            lift = wanted[1] - wanted[0] if isinstance(threshold, str) else prior - _logit(threshold) / flatter
            intercept = intercept - law.middle[1] + lift / slope
            slope *= flatter
            self._offset = np.array([0.0, flatter * (prior - lift)])
        else:
            self._offset = law.log_prior - wanted
            intercept = intercept - law.middle + wanted / slope
        self._slope = slope
        self.coef_, self.intercept_ = coef / unit, np.atleast_1d(intercept)


class AlphaRidge(RegressorMixin, _AlphaRidge):
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
    interval is Student's with a sandwich variance.
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
        if len(y) != X.shape[0]:
            raise _unequal(X.shape[0], len(y))
        omega = self._weights(sample_weight, X)
        seen = omega > 0
        if not seen.all():
            X, y, omega = X[seen], y[seen], omega[seen]
        targets = y.reshape(len(y), -1)
        X, targets, omega = _distinct(X, targets, omega)
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
        bounds = partial(_least_squares_bounds, loo, given, targets, path.omega, self.per == "output")
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


def _bounds(
    loo: LeaveOneOut, given: np.ndarray | None, alpha: np.ndarray, codes: np.ndarray, omega: np.ndarray, centred: bool, per_output: bool,
) -> np.ndarray:  # fmt: skip
    """The ends (2, J, d) of the intervals of α at one γ."""
    if given is not None or not len(alpha):
        return np.stack([alpha, alpha])
    if alpha.shape[1] > 1:
        return by_likelihood(loo, codes, omega, per_output)[1]
    return interval(structure(loo, margins(loo.scores[:, 0], codes == 1, omega, centred)))[..., None]


def _least_squares(
    loo: LeaveOneOut, targets: np.ndarray, omega: np.ndarray, per_output: bool
) -> tuple[np.ndarray, np.ndarray]:
    """α (J, d) of least left-out squared error, and the ends (2, J, d) of its intervals."""
    J, d, n = loo.scores[1:].shape
    alpha, bounds = np.zeros((J, d)), np.zeros((2, J, d))
    for ks in [[k] for k in range(d)] if per_output else [list(range(d))]:
        left = targets.T[ks] - loo.scores[0, ks]  # (k, n)
        slopes = loo.scores[1:, ks]
        gram = np.linalg.pinv(np.einsum("jkn,ikn,n->ji", slopes, slopes, omega), hermitian=True)
        best = gram @ np.einsum("jkn,kn,n->j", slopes, left, omega)
        influence = gram @ (omega * np.einsum("jkn,kn->jn", slopes, left - np.einsum("j,jkn->kn", best, slopes)))
        reach = student.ppf(0.975, max(n - J, 1)) * np.sqrt((influence**2).sum(axis=1) * n / max(n - J, 1))
        alpha[:, ks] = best[:, None]
        bounds[:, :, ks] = np.stack([best - reach, best + reach])[..., None]
    return alpha, bounds


def _least_squares_bounds(
    loo: LeaveOneOut, given: np.ndarray | None, targets: np.ndarray, omega: np.ndarray, per_output: bool
) -> np.ndarray:
    return np.stack([given, given]) if given is not None else _least_squares(loo, targets, omega, per_output)[1]


def _unequal(rows: int, values: int) -> ValueError:
    return ValueError(f"y must have one entry per row of X, got inconsistent numbers of samples: {[rows, values]}")


def _labels(y: Any, n: int) -> np.ndarray:
    check.unmasked("y", y)
    with check.naming("y", "a label per row of X"):
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        check_classification_targets(y)
    if len(y) != n:
        raise _unequal(n, len(y))
    return y


def _distinct(X: Any, labels: np.ndarray, omega: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Equal rows with equal labels as one, its weight their sum."""
    if sparse.issparse(X):
        X = sparse.csr_array(X)
        X.sum_duplicates()
        cuts = X.indptr
        keys = [X.indices[a:b].tobytes() + X.data[a:b].tobytes() for a, b in pairwise(cuts)]
    else:
        X = np.ascontiguousarray(X)
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


def _moderate(name: str, size: float, what: str) -> None:
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


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
