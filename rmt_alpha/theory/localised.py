r"""Noise that is not Gaussian, where the weights sit on few coordinates.

The weights' mean and covariance do not depend on the law of the noise beyond its variance, but the score of a test
point does: it is Gaussian only as far as no single coordinate carries a share of it. With x = yμ + U√Λz, z_j
independent of characteristic function φ, w̄ the mean weights and s = √Λ Uᵀw̄,

.. math:: P(y x^T w > 0) = \frac12 + \frac1π \int_0^∞ \frac{\sin(tm)}{t}\, e^{-t^2 (V - ‖s‖^2)/2} \prod_j φ(t s_j)\, dt

(Gil-Pelaez 1951, for symmetric laws; the weights' own noise is spread over all coordinates, hence Gaussian). Gaussian
φ gives Φ(m/√V) back. For squared losses only: other losses train different weights where single coordinates count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..problem import Fit
from .resolvent import Spectral
from .stage import train

NODES, WEIGHTS = np.polynomial.legendre.leggauss(96)
PANEL = 6.0  # of t, in units of the inverse deviation, per rule of nodes
CUT = 8.5  # standard deviations at which a Gaussian's characteristic function counts as 0
SUREST = 30.0  # deviations of the mean beyond which hardly a point is wrong: 10⁻⁷ of Student's, and the sine would be too fast
FARTHEST = 1e3  # of what is not localised it takes so little that the integral stops there


def _student(t: np.ndarray) -> np.ndarray:
    """Student's law with 5 degrees of freedom, scaled to variance one."""
    x = np.sqrt(3.0) * np.abs(t)
    return np.exp(-x) * (1 + x + x * x / 3)


CHARACTERISTIC: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gaussian": lambda t: np.exp(-t * t / 2),
    "rademacher": np.cos,
    "student": _student,
}


def accuracy(fit: Fit, alpha: Any, noise: str) -> np.ndarray:
    """The accuracy of a scalar fit of two opposite classes on test points with that noise, shaped like α."""
    stage = train(fit)
    if not (fit.population.is_opposite and not fit.intercept and fit.is_squared and isinstance(stage.R, Spectral)):
        raise ValueError(
            f"noise must be 'gaussian' unless there are two opposite classes (of NumPy means: JAX's are not known to be) of one "
            f"covariance and squared losses, got {noise!r}: the formula ends there. simulate(…, test_points='drawn') takes any noise."
        )
    alpha = np.asarray(alpha, float)
    a = np.moveaxis(stage.form.weights(alpha), 0, -1)  # (…, A)
    at = stage.form.moments(alpha)
    if not np.all(np.asarray(at.variance) > 0):
        raise FloatingPointError(
            "the score's variance left the range of double precision, or is 0. Rescale the problem: norms, penalties and α nearer to one."
        )
    s = np.sqrt(stage.R.lam) * (a @ stage.W)  # (…, d)
    rest = np.maximum(np.asarray(at.variance) - np.sum(s * s, axis=-1), 0.0)
    scale = np.sqrt(np.asarray(at.variance))[..., None]  # t below is in units of its inverse
    share = rest[..., None] / scale**2
    end = CUT / np.sqrt(max(float(share.min()), (CUT / FARTHEST) ** 2))
    panels = int(np.ceil(end / PANEL))
    edges = np.linspace(0, end, panels + 1)
    half = end / panels / 2
    t = (edges[:-1, None] + half * (NODES + 1)).ravel()
    weights = np.tile(half * WEIGHTS, panels)
    phi = CHARACTERISTIC[noise]
    product = np.exp(-(t**2) * share / 2)
    for j in range(s.shape[-1]):
        product = product * phi(t * s[..., j, None] / scale)
    sure = np.clip(np.asarray(at.mean)[..., None] / scale, -SUREST, SUREST)
    return 0.5 + np.sum(weights * np.sin(t * sure) / t * product, axis=-1) / np.pi
