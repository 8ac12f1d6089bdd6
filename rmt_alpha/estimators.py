"""A scikit-learn classifier: ridge around a rescaled source classifier, its scale chosen from the target sample alone."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .alpha_rules import RULES, leave_one_out


class AlphaRidgeClassifier(ClassifierMixin, BaseEstimator):
    """Binary ridge classifier around alpha times a frozen source classifier.

    >>> model = AlphaRidgeClassifier(w_source=w).fit(X, y)        # alpha from the data
    >>> model.alpha_, model.alpha_se_, model.reliable_

    Parameters
    ----------
    alpha : "auto", "loo", "plugin", a number or K numbers. Not peft's `lora_alpha`.
    gamma : positive number, or "loo" for the value in `gammas` with the best leave-one-out mean/deviation of margins.
        Not "loo" on features that the same rows centred, where n <= p: their sum of 0 tells the label of the row left out.
    w_source : (p,) or (K, p) frozen weights, positive towards classes_[1]; None is plain ridge. `fit` may override it.
    base_estimator : fitted linear classifier to take `coef_` from where w_source is None (its intercept is ignored).
        `clone` strips a fit, so in GridSearchCV wrap it: sklearn.frozen.FrozenEstimator(fitted).
    gammas : grid for gamma="loo"; None takes 25 values around the features' mean square.

    Attributes
    ----------
    coef_ (1, p); intercept_ (1,), always 0: the model has none, so centre the features first; classes_ (2,);
    alpha_ and alpha_se_ (float for one source, (K,) for several; a given alpha has standard error 0);
    reliable_ : False where alpha_se_ should not be believed; gamma_; n_features_in_.
    """

    def __init__(self, alpha="auto", gamma=1.0, w_source=None, base_estimator=None, gammas=None):
        self.alpha = alpha
        self.gamma = gamma
        self.w_source = w_source
        self.base_estimator = base_estimator
        self.gammas = gammas

    def fit(self, X, y, w_source=None):
        """Fit on the target sample: X (n, p), y (n,) with two distinct values."""
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.size != 2:
            got = f"{self.classes_.size} class" + "es" * (self.classes_.size > 1)
            raise ValueError(
                f"Only binary classification is supported: y holds {got}, exactly 2 are needed. "
                "Check the sample, or wrap the estimator in sklearn.multiclass.OneVsRestClassifier."
            )
        sources, several = self._sources(w_source, X.shape[1])
        candidates = [
            (loo, *self._choose(loo)) for loo in leave_one_out(X, 2.0 * codes - 1, sources, self._gamma_grid(X))
        ]
        loo, alpha, se, self.reliable_ = max(candidates, key=_separation) if len(candidates) > 1 else candidates[0]
        self.coef_ = (loo.weights[0] + alpha @ loo.weights[1:])[None]
        self.intercept_ = np.zeros(1)
        self.alpha_: Any = alpha if several else float(alpha.sum())
        self.alpha_se_: Any = se if several else float(se.sum())
        self.gamma_ = float(loo.gamma)
        return self

    def decision_function(self, X):
        """Scores (n,), positive for classes_[1]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X @ self.coef_[0] + self.intercept_[0]

    def predict(self, X):
        """Labels (n,)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _sources(self, w_source, p):
        """Frozen weights (K, p), K = 0 without a source, and whether alpha_ is to be an array."""
        name, w = ("w_source", w_source if w_source is not None else self.w_source)
        if w is None and self.base_estimator is not None:
            name, w = "base_estimator.coef_", getattr(self.base_estimator, "coef_", None)
            if w is None:
                raise ValueError(
                    f"base_estimator={self.base_estimator!r} has no coef_: it must be a fitted linear classifier. "
                    "Fit it first; where it gets cloned, wrap it in sklearn.frozen.FrozenEstimator."
                )
            classes = np.asarray(getattr(self.base_estimator, "classes_", self.classes_))
            if not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"base_estimator.classes_={classes} differ from the target's {self.classes_}, so the sign of its "
                    "coef_ is unknown: they must be equal. Relabel, or pass the weights as w_source."
                )
            w = np.ravel(w) if len(np.atleast_2d(w)) == 1 else w
        if w is None:
            return np.zeros((0, p)), False
        w = np.asarray(w, dtype=np.float64)
        if w.ndim not in (1, 2) or w.shape[-1] != p or w.size == 0:
            raise ValueError(
                f"{name} has shape {w.shape}; it must be ({p},) or (K, {p}), one weight for each feature of X. "
                "Train the source on the same features."
            )
        if not np.isfinite(w).all() or not np.any(w, axis=-1).all():
            raise ValueError(f"{name} must be finite and not all 0, in every row. Drop the empty or failed source.")
        return np.atleast_2d(w), w.ndim == 2

    def _choose(self, loo):
        """(alpha (K,), standard errors (K,), reliable) at one gamma."""
        K = len(loo.sources)
        if isinstance(self.alpha, str):
            if self.alpha not in RULES:
                raise ValueError(f"alpha={self.alpha!r} is unknown; use one of {sorted(RULES)} or a finite number.")
            return RULES[self.alpha](loo) if K else (np.zeros(0), np.zeros(0), True)
        alpha = np.asarray(self.alpha, dtype=np.float64)
        if alpha.ndim > 1 or alpha.size not in (1, K) or not np.isfinite(alpha).all():
            raise ValueError(
                f"alpha={self.alpha!r} must be one finite number, or {K} of them (one a source), or one of "
                f"{sorted(RULES)}."
            )
        return np.broadcast_to(alpha, K).copy() if K else np.zeros(0), np.zeros(K), True

    def _gamma_grid(self, X):
        if isinstance(self.gamma, str) and self.gamma == "loo":
            n, p = X.shape
            scale = max(np.mean(X**2), 1e-300)  # the features' mean square, so that units do not matter
            default = scale * np.geomspace(1e-3, 30 * max(1, p / n), 25)
            grid, name = np.atleast_1d(default if self.gammas is None else self.gammas).astype(float), "gammas"
        else:
            if not isinstance(self.gamma, Real) or isinstance(self.gamma, bool):
                raise ValueError(f"gamma={self.gamma!r} must be a positive number or 'loo'.")
            grid, name = np.array([self.gamma], dtype=float), "gamma"
        if grid.size == 0 or not np.all((grid > 0) & np.isfinite(grid)):
            value = getattr(self, name)
            raise ValueError(f"{name}={value!r} must be positive and finite; for a ridgeless fit take e.g. 1e-8.")
        return grid


def _separation(candidate):
    """Mean over deviation of the leave-one-out margins: what accuracy depends on, whatever the scale of the scores."""
    loo, alpha = candidate[:2]
    margins = loo.margins[0] + alpha @ loo.margins[1:]
    return margins.mean() / max(margins.std(), 1e-300)
