"""How accurate is every α, and how sure is that? From left-out scores, with bands; beside it the curve that scores have in theory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from .. import _checks as check
from .bands import difference, share
from .calibration import calibrate
from .classifier import AlphaRidgeClassifier, LeftOut
from .rules import law_of_margin, margins


@dataclass(frozen=True)
class AccuracyCurve:
    """Accuracy over α (A,): level, and difference to α = `reference`; fields in `_low` and `_high` are the ends of bands of `level`.

    theory (A,) is the accuracy of Gaussian scores, as they are in theory, of the mean and variance that left-out rows show; None for more
    than two classes. `distance` is its root mean square distance from `accuracy`.
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
    X: Any, y: Any, source: Any, alpha: Any = None, *, reference: float = 1.0, level: float = 0.9, **options: Any
) -> AccuracyCurve:
    """The accuracy at each α of a classifier trained on X (n, p), y (n,) around one source, judged by the same rows.

    Parameters: `alpha` (A,), None: 41 values around what the rows choose; `options` go to `AlphaRidgeClassifier`. The level is the share of
    left-out rows on the right side of the threshold, each with its own weight times its class's; the difference to α = `reference` is
    smoothed, and so has less noise. Raises ValueError.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([-1, 1], 50)
    >>> X = y[:, None] * np.eye(1, 20)[0] + rng.standard_normal((100, 20))
    >>> curve = accuracy_curve(X, y, source=0.5 * np.eye(1, 20)[0], alpha=[0, 1, 2])
    >>> print(curve.accuracy.round(2), curve.difference.round(2))
    [0.79 0.84 0.84] [-0.04  0.    0.  ]
    """
    return curve_of(AlphaRidgeClassifier(source, **options).fit(X, y), alpha, reference, level)


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
    margin = margins_of(left_out, np.append(alpha, reference))
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
        theory=in_theory(left_out, alpha) if model.classes_.size == 2 else None,
    )


def of_one_source(model: AlphaRidgeClassifier) -> LeftOut:
    """What the rows say of the one source."""
    left_out = model.left_out_
    if len(left_out.scores) != 2:
        raise ValueError(
            f"source must be one source, got {len(left_out.scores) - 1}: a curve has one axis. Combine them first, or take each alone."
        )
    return left_out


def in_theory(left_out: LeftOut, alpha: np.ndarray) -> np.ndarray:
    """π Φ((c + t)/√V) + (1 − π) Φ((c − t)/√V) at each α (A,): margins are Gaussian, t is how far shares and threshold move the cut."""
    positive, omega = left_out.codes == 1, left_out.omega
    mean, deviation = law_of_margin(margins(left_out.scores[:, 0], positive, omega, left_out.centred), alpha[:, None])
    F = left_out.scores[0, 0] + alpha[:, None] * left_out.scores[1, 0]
    law = calibrate(np.stack([-F, F], axis=1), left_out.codes, omega, left_out.centred)
    prior = law.log_prior + left_out.lift
    shift = (prior[1] - prior[0]) / (2 * law.slope)
    pi = omega[positive].sum() / omega.sum()
    return pi * ndtr((mean + shift) / deviation) + (1 - pi) * ndtr((mean - shift) / deviation)


def margins_of(left_out: LeftOut, alpha: np.ndarray) -> np.ndarray:
    """Logit of the row's own class over the best other one, (A, n)."""
    d = left_out.scores.shape[1]
    logits = left_out.logits(np.repeat(alpha[:, None, None], d, axis=2))
    own = np.take_along_axis(logits, left_out.codes[None, None, :], axis=1)[:, 0]
    others = np.where(np.arange(logits.shape[1])[:, None] == left_out.codes, -np.inf, logits)
    return own - others.max(axis=1)
