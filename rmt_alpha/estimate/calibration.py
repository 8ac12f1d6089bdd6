r"""Scores of rows that a fit has not seen → probabilities, for any number of classes.

.. math:: P(k|x) ∝ π_k\,e^{β(f_k(x) - \mathrm{mid}_k)},\qquad
          β = \frac{\text{mean distance of two classes in } f_k - f_l}{\text{its variance within a class}}

the logistic law that equal Gaussian classes have; for two classes with f_1 = −f_0 it is Fisher's, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

EQUAL = 5.0  # rows of each class that shares start from: of ten rows seven may be of one class by accident
CHANCE = 0.05  # the least separation (in deviations) a calibration assumes: scores no better than chance say the prior


@dataclass(frozen=True)
class Calibration:
    """middle (…, K), slope β (…), log_prior (K,); separation (…): of two classes from half-way between them, in deviations."""

    middle: np.ndarray
    slope: np.ndarray
    log_prior: np.ndarray
    separation: np.ndarray

    def logits(self, F: np.ndarray) -> np.ndarray:
        """Logits (…, K, n) of scores F (…, K, n)."""
        return self.slope[..., None, None] * (F - self.middle[..., None]) + self.log_prior[:, None]


def left_out_logits(F: np.ndarray, codes: np.ndarray, omega: np.ndarray, centred: bool = True) -> np.ndarray:
    """Logits (…, K, n) of left-out scores, each row's by middles of the classes that leave that row out, too."""
    law = calibrate(F, codes, omega, centred)
    logits = law.logits(F)
    if not centred:
        return logits
    K = F.shape[-2]
    member = np.eye(K)[codes] * omega[:, None]
    share = member.sum(axis=0)
    means = F @ (member / share)
    rest = share[codes] - omega
    away = (F - means[..., codes]) * np.where(
        rest > 0, omega / np.where(rest > 0, rest, 1.0), 0.0
    )  # a mean's move, reversed
    own = np.eye(K)[:, codes]  # a class's own score moves its `own` mean, another's one of K − 1 others
    return logits + law.slope[..., None, None] * away / 2 * (own + (1 - own) / (K - 1))


def calibrate(F: np.ndarray, codes: np.ndarray, omega: np.ndarray, centred: bool = True) -> Calibration:
    """From left-out scores F (…, K, n) of rows of class codes (n,) in 0 … K−1 with weights ω."""
    K = F.shape[-2]
    member = np.eye(K)[codes] * omega[:, None]  # (n, K)
    share = member.sum(axis=0)
    means = F @ (member / share)  # (…, K scores, K classes)
    own = np.einsum("...kk->...k", means)
    other = (means.sum(axis=-1) - own) / (K - 1)
    distance = 2 * (own - other).mean(axis=-1)
    within = F - means[..., codes]
    squares = 2 * K * np.sum(within**2, axis=-2) - 2 * np.sum(within, axis=-2) ** 2
    rows = omega.sum() ** 2 / np.sum(omega**2)
    variance = squares @ omega / omega.sum() / (K * (K - 1)) * rows / max(rows - K, 1)
    variance = np.maximum(variance, 1e-12 * distance**2 + 1e-300)
    slope = np.maximum(distance, CHANCE * np.sqrt(variance)) / variance
    middle = (own + other) / 2 if centred else np.zeros_like(own)
    shares = (share / share.sum() * rows + EQUAL) / (rows + K * EQUAL)
    return Calibration(middle, slope, np.log(shares), distance / (2 * np.sqrt(variance)))


def luck(separation: float, count: float) -> float:
    """What the slope of scores that were the best of many penalties is multiplied by: they look separated by a standard error more."""
    error = np.hypot(1, separation / np.sqrt(2)) / np.sqrt(count)
    return max(1 - error / separation, CHANCE) if separation > 1e-100 else CHANCE


def log_loss(F: np.ndarray, codes: np.ndarray, omega: np.ndarray, centred: bool = True) -> np.ndarray:
    """Mean −log P(own class) of left-out scores F (…, K, n), calibrated by themselves, classes of equal weight."""
    calibration = calibrate(F, codes, omega, centred)
    logits = calibration.logits(F) - calibration.log_prior[:, None]
    share = np.bincount(codes, omega)
    weight = omega / share[codes] / len(share)
    return (
        logsumexp(logits, axis=-2)
        - np.take_along_axis(logits, np.broadcast_to(codes, (*logits.shape[:-2], 1, codes.size)), axis=-2)[..., 0, :]
    ) @ weight
