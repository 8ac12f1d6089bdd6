"""Scikit-learn classifier: ridge around a rescaled source, its scale, penalty and threshold chosen from the target's rows alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    column_or_1d,
)

from .. import _checks as check
from .base import NO_WEIGHT, AlphaRidgeBase, distinct_rows, unequal, warn_of_own_scaling
from .calibration import calibrate, left_out_logits, log_loss, luck
from .many_classes import by_likelihood
from .ridge import LeaveOneOut, RidgePath
from .rules import by_leave_one_out, by_structure, interval, margins, separation, structure
from .source import read_starts

THRESHOLDS = ("accuracy", "balanced")


@dataclass(frozen=True)
class LeftOut:
    """What the fitted rows say: scores (1+J, d, n) at α = 0 and per α_j, by fits without the row; class codes and weights (n,).

    lift (K,): what the threshold adds to the logits.
    """

    scores: np.ndarray
    codes: np.ndarray
    omega: np.ndarray
    centred: bool
    lift: np.ndarray

    def logits(self, alpha: np.ndarray) -> np.ndarray:
        """Left-out logits (A, K, n) at alpha (A, J, d), of which the largest is predicted."""
        F = self.scores[0] + np.einsum("ajd,jdn->adn", alpha, self.scores[1:])
        F = np.concatenate([-F, F], axis=1) if F.shape[1] == 1 else F
        return left_out_logits(F, self.codes, self.omega, self.centred) + self.lift[:, None]


class AlphaRidgeClassifier(ClassifierMixin, AlphaRidgeBase):
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
    | `alpha_`, `alpha_interval_` | α, its 95 % interval (±∞: no bound). Of length 0 if given; 1 ± ∞ if a class has one row |
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
        if (everyone := np.unique(y)).size < 2:
            raise ValueError(f"y holds one class, {everyone[0]!r}; at least 2 are needed. Label rows of another.")
        seen = omega > 0
        if not seen.all():
            X, y, omega = X[seen], y[seen], omega[seen]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.size < 2:
            raise ValueError(
                f"sample_weight must leave rows of at least 2 classes, got weights that are 0, or less than {NO_WEIGHT:g} of the "
                f"largest, on all rows but those labelled {self.classes_[0]!r}. Give rows of another class more weight."
            )
        omega = omega * self._class_weights(y, codes, omega)
        if self.source is not None:
            warn_of_own_scaling(X)
        X, codes, omega = distinct_rows(X, codes, omega)
        binary = self.classes_.size == 2
        d = 1 if binary else self.classes_.size
        threshold = self._threshold(binary)
        targets = 2.0 * codes[:, None] - 1 if binary else np.eye(d)[codes]
        starts = read_starts(
            self.source, d, X.shape[1], self.classes_, getattr(self, "feature_names_in_", None), transformed
        )
        given = self._given_alpha(len(starts.weights), d)
        # Without a class's only row no fit knows the class: left-out rows say nothing of α, which stays at 1.
        silent = given is None and np.bincount(codes).min() == 1
        given = np.ones((len(starts.weights), d)) if silent else given
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
        if silent:
            bounds = partial(np.stack, [np.full_like(alpha, -np.inf), np.full_like(alpha, np.inf)])
        self._keep(starts, alpha, bounds, float(loo.gamma) * unit**2)
        lift = self._finish(path, loo, alpha, codes, threshold, unit)
        self.left_out_ = LeftOut(loo.scores, codes, path.omega, self.fit_intercept, lift)
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
            alpha = by_leave_one_out(loo, m)
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
    ) -> np.ndarray:
        """Weights, intercepts with the threshold in them, and the law of probabilities; what the threshold adds to its logits, (K,)."""
        binary = alpha.shape[1] == 1
        scores = loo.at(alpha)
        law = calibrate(np.vstack([-scores, scores]) if binary else scores, codes, path.omega, self.fit_intercept)
        coef, intercept = path.fit(float(loo.gamma), alpha)
        if self.fit_intercept:  # left-out scores are centred by the other rows; so is this
            intercept = -coef @ path.factor.centre
        # Predicted is the largest slope·(score − middle) + wanted; the probabilities have log_prior in place of wanted.
        wanted = law.log_prior if threshold == "accuracy" else np.log(self._costs())
        slope, flatter = float(law.slope), 1.0
        # Only probabilities know that these scores are the best of many γ, prior included. A flatter law of scores alone would
        # move the threshold, and from few rows predict the larger class throughout.
        if isinstance(self.gamma, str):
            rows = np.bincount(codes, path.omega) ** 2 / np.bincount(codes, path.omega**2)
            flatter = luck(float(law.separation), float(2 / np.mean(1 / rows)))  # rows of two classes
        if binary:
            slope, prior = 2 * slope, law.log_prior[1] - law.log_prior[0]
            lift = wanted[1] - wanted[0] if isinstance(threshold, str) else prior - _logit(threshold) / flatter
            intercept = intercept - law.middle[1] + lift / slope
            self._offset = np.array([0.0, flatter * (prior - lift)])
            wanted = law.log_prior + np.array([0.0, lift - prior])
        else:
            self._offset = flatter * (law.log_prior - wanted)
            intercept = intercept - law.middle + wanted / slope
        self._slope = slope * flatter
        self.coef_, self.intercept_ = coef / unit, np.atleast_1d(intercept)
        return wanted - law.log_prior


def _bounds(
    loo: LeaveOneOut, given: np.ndarray | None, alpha: np.ndarray, codes: np.ndarray, omega: np.ndarray, centred: bool, per_output: bool,
) -> np.ndarray:  # fmt: skip
    """The ends (2, J, d) of the intervals of α at one γ."""
    if given is not None or not len(alpha):
        return np.stack([alpha, alpha])
    if alpha.shape[1] > 1:
        return by_likelihood(loo, codes, omega, per_output)[1]
    return interval(structure(loo, margins(loo.scores[:, 0], codes == 1, omega, centred)))[..., None]


def _labels(y: Any, n: int) -> np.ndarray:
    check.unmasked("y", y)
    with check.naming("y", "a label per row of X"):
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        elif (missing := pd.isna(y)).any():
            raise ValueError(f"y has no label in row {int(missing.argmax())}. Drop such rows.")
        check_classification_targets(y)
    if len(y) != n:
        raise unequal(n, len(y))
    return y


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
