r"""Log-loss and calibration of the scores: what they are worth as probabilities.

With logits scale × u_l, u_l = ⟨t_l, s⟩ − ‖t_l‖²/2 for the codes t_l of the classes, of which the largest is the nearest code's
(two of codes ±1: 2 × scale × s for +1 against −1),

.. math:: \text{log-loss} = E\Big[\log \sum_l e^{\text{scale}\,u_l} - \text{scale}\,u_y\Big],

an expectation over the Gaussian scores of each component: by Gauss–Hermite quadrature, or over a Sobol sequence where
there are several outputs. The scale of least log-loss is the inverse temperature that calibrates; for two opposite classes
it is m/V, with which σ(2 · scale · s) is the true probability.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import optimize, special

from .. import _checks as check
from .._arrays import plain
from ..problem import Fit
from .moments import Moments
from .orthant import uniform_points

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
NOTHING = 1e-10  # a slope of the log-loss, in units of the scores, that rounding may leave


def log_loss(moments: Moments, scale: float = 1.0) -> Any:
    """The expected log-loss of test points, shaped like the accuracy, in nats; `moments` from `predict` or a draw.

    Raises ValueError or TypeError, naming the parameter; there are no classes in regression.

    >>> mu = np.full(100, 0.1)
    >>> found = predict(Fit(Population.two_classes(mu, -mu), n=200, gamma=1.0))
    >>> print(f"{log_loss(found):.3f}, at best {log_loss(found, calibrating_scale(found)):.3f}")
    0.501, at best 0.460
    """
    _checked(moments)
    scale = check.number("scale", scale)
    mean, variance = np.asarray(moments.mean), np.asarray(moments.variance)
    if mean.shape == np.shape(moments.accuracy):  # signed
        z = mean[..., None] + np.sqrt(variance)[..., None] * NODES
        return plain(np.logaddexp(0, -2 * scale * z) @ WEIGHTS / WEIGHTS.sum())
    total = np.zeros(np.shape(moments.accuracy))
    for prior, own, scores in _scores(moments):
        logits = scale * scores
        total = total + prior * np.mean(special.logsumexp(logits, -1) - logits[..., own], -1)
    return plain(total)


def calibrating_scale(moments: Moments) -> float:
    """The scale of least log-loss, of scalar moments: below 1 the scores are overconfident as logits, below 0 worse than chance.

    Raises FloatingPointError where the classes are told apart with certainty: then no scale is large enough.
    """
    _checked(moments)
    if np.ndim(moments.accuracy):
        raise ValueError(f"moments must be at one α, got shape {np.shape(moments.accuracy)}. Take one at a time.")
    if np.ndim(moments.mean) == 0:
        return float(moments.mean / moments.variance)
    scores = list(_scores(moments))

    def slope(scale: float) -> float:
        """Of the log-loss, a convex function."""
        return float(
            sum(p * np.mean(np.sum(special.softmax(scale * s, -1) * s, -1) - s[..., own]) for p, own, s in scores)
        )

    size = np.sqrt(sum(p * np.mean(s * s) for p, _, s in scores))
    downhill = -np.sign(slope(0.0))
    if size == 0 or abs(slope(0.0)) <= NOTHING * size:
        return 0.0
    reach = next((r for r in downhill / size * 2.0 ** np.arange(20) if slope(r) * downhill > 0), None)
    if reach is None:
        raise FloatingPointError(
            f"moments must leave a doubt, got an accuracy of {float(moments.accuracy):g}: no scale is large enough. Take any large one."
        )
    return float(optimize.brentq(slope, 0.0, reach, xtol=1e-12 / size))


def _checked(moments: Moments) -> None:
    if not isinstance(moments, Moments):
        raise TypeError(f"moments must be a Moments, got {type(moments).__name__}. It is what predict returns.")
    check.concrete("moments", moments.mean)
    if moments.accuracy is None:
        raise ValueError("moments must be those of classes, got a regression. Its loss is the risk.")


def _scores(moments: Moments) -> Iterator[tuple[float, int, np.ndarray]]:
    """Of each component its probability, its class and u_l (…, points, L) at points of its law."""
    if not isinstance(moments.problem, Fit):
        raise ValueError(
            "moments must come from predict or simulate, got some without their problem. Its codes are needed."
        )
    population = moments.problem.population
    assert population.classes_of is not None
    mean, variance = np.asarray(moments.mean), np.asarray(moments.variance)
    targets, normal = np.asarray(population.targets), _normal_points(mean.shape[1])
    for k, own in enumerate(population.classes_of):
        center, V = np.moveaxis(mean[k], 0, -1), np.moveaxis(variance[k], (0, 1), (-2, -1))
        values, U = np.linalg.eigh(V)
        root = U * np.sqrt(np.maximum(values, 0.0))[..., None, :]
        scores = center[..., None, :] + normal @ np.swapaxes(root, -1, -2)
        yield float(population.priors[k]), own, scores @ targets.T - np.sum(targets * targets, 1) / 2


def _normal_points(q: int) -> np.ndarray:
    """Standard normal points (…, q) and as many mirror images: a log-loss is within 1e-4 of the truth, see tests/results."""
    z = special.ndtri(uniform_points(q))
    return np.concatenate([z, -z])
