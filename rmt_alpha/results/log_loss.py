r"""Log-loss and calibration of the scores: what they are worth as probabilities.

With logits scale × ⟨t_l, s⟩ for the codes t_l of the classes (two of codes ±1: 2 × scale × s for +1 against −1),

.. math:: \text{log-loss} = E\Big[\log \sum_l e^{\text{scale}\,⟨t_l, s⟩} - \text{scale}\,⟨t_y, s⟩\Big],

an expectation over the Gaussian scores of each component: by Gauss–Hermite quadrature, or over a lattice where there
are several outputs. The scale of least log-loss is the inverse temperature that calibrates; for two opposite classes
it is m/V, with which σ(2 · scale · s) is the true probability.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize, special

from .. import _checks as check
from .._arrays import plain
from ..problem import Fit
from .moments import Moments

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
POINTS = 2**13  # of the lattice: its error is below 1e-4, see tests/results
WIDEST = 10.0  # log scale that a search looks at


def log_loss(moments: Moments, scale: float = 1.0) -> Any:
    """The expected log-loss of test points, shaped like the accuracy, in nats; `moments` from `predict` or a draw.

    Raises ValueError or TypeError, naming the parameter; there are no classes in regression.

    >>> mu = np.full(100, 0.1)
    >>> found = predict(Fit(Population.two_classes(mu, -mu), n=200, gamma=1.0))
    >>> print(f"{log_loss(found):.3f}, at best {log_loss(found, calibrating_scale(found)):.3f}")
    0.501, at best 0.460
    """
    if not isinstance(moments, Moments):
        raise TypeError(f"moments must be a Moments, got {type(moments).__name__}. It is what predict returns.")
    if moments.accuracy is None:
        raise ValueError("moments must be those of classes, got a regression. Its loss is the risk.")
    scale = check.number("scale", scale)
    mean, variance = np.asarray(moments.mean), np.asarray(moments.variance)
    if mean.shape == np.shape(moments.accuracy):  # signed
        z = mean[..., None] + np.sqrt(variance)[..., None] * NODES
        return plain(np.logaddexp(0, -2 * scale * z) @ WEIGHTS / WEIGHTS.sum())
    if not isinstance(moments.problem, Fit):
        raise ValueError(
            "moments must come from predict or simulate, got some without their problem. Its codes are needed."
        )
    population = moments.problem.population
    assert population.classes_of is not None
    targets, normal = np.asarray(population.targets), _normal_points(mean.shape[1])
    total = np.zeros(np.shape(moments.accuracy))
    for k, own in enumerate(population.classes_of):
        center, V = np.moveaxis(mean[k], 0, -1), np.moveaxis(variance[k], (0, 1), (-2, -1))
        values, U = np.linalg.eigh(V)
        root = U * np.sqrt(np.maximum(values, 0.0))[..., None, :]
        logits = scale * (center[..., None, :] + normal @ np.swapaxes(root, -1, -2)) @ targets.T  # (…, points, classes)
        total = total + population.priors[k] * np.mean(special.logsumexp(logits, -1) - logits[..., own], -1)
    return plain(total)


def calibrating_scale(moments: Moments) -> float:
    """The scale of least log-loss, of scalar moments: below 1 the scores are overconfident as logits."""
    if np.ndim(moments.accuracy):
        raise ValueError(f"moments must be at one α, got shape {np.shape(moments.accuracy)}. Take one at a time.")
    if np.ndim(moments.mean) == 0:
        return float(moments.mean / moments.variance)
    found = optimize.minimize_scalar(lambda x: log_loss(moments, float(np.exp(x))), bounds=(-WIDEST, WIDEST))
    return float(np.exp(found.x))


def _normal_points(q: int) -> np.ndarray:
    """Standard normal points (POINTS, q) on Korobov's lattice by the golden sequence of dimension q, and their mirror
    images.
    """
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / (q + 1))
    steps = root ** -np.arange(1.0, q + 1)
    uniform = (0.5 + (np.arange(POINTS // 2)[:, None] + 0.5) * steps) % 1.0
    z = special.ndtri(np.clip(uniform, 1e-15, 1 - 1e-15))
    return np.concatenate([z, -z])
