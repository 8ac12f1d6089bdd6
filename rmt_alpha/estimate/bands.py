"""Shares of rows on the right side, and differences of two such shares, with the ends of their intervals, from left-out margins."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

INFLATION = 1.2  # left-out margins of one sample share their training rows, so they vary more than independent ones


def share(margin: np.ndarray, weight: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted share of margins (…, n) above 0, and the ends of its interval. `weight` (n,) adds up to 1."""
    count = 1 / np.sum(weight**2)
    value = np.minimum((margin > 0) @ weight, 1.0)
    middle = (value * count + 1) / (count + 2)  # no certainty from n of n
    reach = _normal(level) * np.sqrt(middle * (1 - middle) / (count + 2))
    return value, np.clip(middle - reach, 0, 1), np.clip(middle + reach, 0, 1)


def difference(
    margin: np.ndarray, other: np.ndarray, weight: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of `margin` (…, n) above 0 less that of `other`, of the same rows, both smoothed, and the ends of its interval."""
    count = 1 / np.sum(weight**2)
    each = _smooth(margin, count) - _smooth(other, count)
    value = each @ weight
    variance = ((each - value[..., None]) ** 2) @ weight / max(count - 1, 1)
    reach = _normal(level) * np.sqrt(variance)
    return value, value - reach, value + reach


def _smooth(margin: np.ndarray, count: float) -> np.ndarray:
    """Φ(margin/width) in place of a step, which hangs on the few rows that change sides.

    The width, count^(−1/3) root mean squares, is narrow enough for its bias (∝ width²) to vanish next to the deviation (∝ count^(−1/2)).
    """
    width = np.sqrt(np.mean(margin**2, axis=-1, keepdims=True)) * count ** (-1 / 3)
    return ndtr(margin / (width + 1e-300))


def _normal(level: float) -> float:
    return float(ndtri(0.5 + level / 2)) * INFLATION
