"""How accurate is every α, and how sure is that? From left-out scores, with bands; beside it theory's curve from the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import ndtr

from .. import _checks as check
from ..problem import Fit
from ..theory.predict import predict
from .bands import difference, share
from .classifier import AlphaRidgeClassifier, LeftOut
from .strata import norm_strata, remove_mean_noise

STRATA_ROWS = 25  # rows per class and stratum of norm that theory's curve asks for
LARGEST_DIM = 1500  # theory with a covariance per stratum costs p³


@dataclass(frozen=True)
class AccuracyCurve:
    """Accuracy over α (A,): level, and difference to α = `reference`; fields in `_low` and `_high` are the ends of bands of `level`.

    theory (A,) is the prediction from the class means and covariances of the same rows (strata of the norm, the means' noise removed),
    None where they are too few to say; `distance` is its root mean square distance from `accuracy`.
    """

    alpha: np.ndarray
    accuracy: np.ndarray
    accuracy_low: np.ndarray
    accuracy_high: np.ndarray
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray
    reference: float
    level: float
    gamma: float
    theory: np.ndarray | None

    @property
    def distance(self) -> float | None:
        return None if self.theory is None else float(np.sqrt(np.mean((self.theory - self.accuracy) ** 2)))


def accuracy_curve(
    X: Any, y: Any, source: Any, alpha: Any = None, *, reference: float = 1.0, level: float = 0.9, theory: bool = True,
    **options: Any,
) -> AccuracyCurve:  # fmt: skip
    """The accuracy at each α of a classifier trained on X (n, p), y (n,) around one source, judged by the same rows.

    Parameters: `alpha` (A,), None: 41 values around what the rows choose; `options` go to `AlphaRidgeClassifier`. The level is the share of
    left-out rows on the right side; the difference to α = `reference` a smoothed one, which has less noise. Raises ValueError.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([-1, 1], 50)
    >>> X = y[:, None] * np.eye(1, 20)[0] + rng.standard_normal((100, 20))
    >>> curve = accuracy_curve(X, y, source=0.5 * np.eye(1, 20)[0], alpha=[0, 1, 2])
    >>> print(curve.accuracy.round(2), curve.difference.round(2))
    [0.79 0.84 0.84] [-0.04  0.    0.  ]
    """
    theory = check.flag("theory", theory)
    model = AlphaRidgeClassifier(source, **options).fit(X, y)
    curve = curve_of(model, alpha, reference, level)
    if theory and model.classes_.size == 2:
        X, _ = model._rows(X, reset=False)
        signs = np.where(np.ravel(y) == model.classes_[1], 1.0, -1.0)
        curve = with_theory(curve, X, signs, _single_start(model, X.shape[1]))
    return curve


def curve_of(
    model: AlphaRidgeClassifier, alpha: Any = None, reference: float = 1.0, level: float = 0.9
) -> AccuracyCurve:
    """The curve of a fitted classifier with one source and one α."""
    level = check.share("level", level)
    reference = check.number("reference", reference)
    left_out = of_one_source(model)
    if alpha is None:
        chosen = float(np.mean(model.alpha_))
        reach = max(2.0, 1.5 * abs(chosen))
        alpha = np.unique(
            np.append(np.linspace(min(0.0, chosen) - 0.4 * reach, max(0.0, chosen) + reach, 40), reference)
        )
    alpha = check.vector("alpha", alpha)
    margin = _margins(left_out, np.append(alpha, reference))
    weight = left_out.omega / left_out.omega.sum()
    accuracy, low, high = share(margin[:-1], weight, level)
    gain, least, most = difference(margin[:-1], margin[-1], weight, level)
    return AccuracyCurve(
        alpha=alpha,
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        difference=gain,
        difference_low=least,
        difference_high=most,
        reference=reference,
        level=level,
        gamma=model.gamma_,
        theory=None,
    )


def of_one_source(model: AlphaRidgeClassifier) -> LeftOut:
    """What the rows say of the one source."""
    left_out = model.left_out_
    if len(left_out.scores) != 2:
        raise ValueError(
            f"source must be one source, got {len(left_out.scores) - 1}: a curve has one axis. Combine them first, or take each alone."
        )
    return left_out


def with_theory(curve: AccuracyCurve, X: Any, signs: np.ndarray, w: np.ndarray) -> AccuracyCurve:
    """The curve with theory's beside it, if the rows X (n, p) of classes ±1 suffice for their own moments."""
    n, p = X.shape
    strata = int(min(np.sum(signs > 0), np.sum(signs < 0)) // STRATA_ROWS)
    if strata < 1 or p > LARGEST_DIM or hasattr(X, "nnz"):
        return curve
    theory = theory_accuracy(X, signs, w, n, curve.gamma, curve.alpha, min(strata, 4))
    return AccuracyCurve(**{**vars(curve), "theory": theory})


def theory_accuracy(
    X: np.ndarray, signs: np.ndarray, w: np.ndarray, n: int, gamma: float, alpha: np.ndarray, n_strata: int = 1
) -> np.ndarray:
    """Predicted balanced accuracy (A,) of training with an intercept on n rows of the population that X (N, p), of classes ±1, came from.

    The score is cut half-way between the classes' mean scores, as `AlphaRidgeClassifier` does with threshold "balanced".
    """
    population = remove_mean_noise(norm_strata(X, signs, n_strata), len(X), w)
    law = predict(Fit(population, n=int(n), gamma=float(gamma), starts=[w], intercept=True), alpha)
    mean, deviation = np.asarray(law.mean)[:, 0], np.sqrt(np.asarray(law.variance)[:, 0, 0])  # (K, A)
    plus = np.array(population.classes_of) == 0
    shares = [np.where(own, population.priors, 0) / np.sum(np.asarray(population.priors)[own]) for own in (plus, ~plus)]
    middle = sum(share @ mean for share in shares) / 2
    right = [share @ ndtr(side * (mean - middle) / deviation) for share, side in zip(shares, (1, -1), strict=True)]
    return sum(right) / 2


def learning_curve(
    X: np.ndarray, y: Any, source: Any, sizes: Any, alpha: Any = None, gamma: Any = None, n_strata: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """What n = `sizes` (S,) rows would bring: (best α, accuracy there), each (S,), predicted from the moments of the rows at hand.

    X (N, p) should hold more rows than features, or theory sees a population that is smaller than the true one; γ is chosen by the rows
    at hand where it is None.
    """
    model = AlphaRidgeClassifier(source, gamma="loo" if gamma is None else gamma).fit(X, y)
    if model.classes_.size != 2:
        raise ValueError(
            f"y must hold two classes, got {model.classes_.size}. Take two of them, or one against the rest."
        )
    of_one_source(model)
    X, _ = model._rows(X, reset=False)
    if sparse.issparse(X):
        raise ValueError(
            "X must be dense, got a sparse matrix: theory takes moments of all its features. Take X.toarray()."
        )
    signs = np.where(np.ravel(y) == model.classes_[1], 1.0, -1.0)
    w = _single_start(model, X.shape[1])
    alpha = curve_of(model).alpha if alpha is None else np.atleast_1d(check.real("alpha", alpha))
    sizes = np.atleast_1d(check.size("sizes", sizes, low=2))
    curves = np.array([theory_accuracy(X, signs, w, n, model.gamma_, alpha, n_strata) for n in sizes])
    best = curves.argmax(axis=1)
    return alpha[best], curves.max(axis=1)


def _margins(left_out: LeftOut, alpha: np.ndarray) -> np.ndarray:
    """Logit of the row's own class over the best other one, (A, n)."""
    d = left_out.scores.shape[1]
    logits = left_out.logits(np.repeat(alpha[:, None, None], d, axis=2))
    own = np.take_along_axis(logits, left_out.codes[None, None, :], axis=1)[:, 0]
    others = np.where(np.arange(logits.shape[1])[:, None] == left_out.codes, -np.inf, logits)
    return own - others.max(axis=1)


def _single_start(model: AlphaRidgeClassifier, p: int) -> np.ndarray:
    from .source import read_starts

    return read_starts(model.source, 1, p, model.classes_, None, True).weights[0, 0]
