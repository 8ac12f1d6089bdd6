r"""α for any number of classes: a posterior of its angle under the left-out rows' likelihood.

.. math:: p(θ) ∝ \mathrm{prior}(θ)\,e^{-n\,ℓ(α(θ))},\qquad α = u\tan θ

ℓ is the calibrated log-loss of left-out scores, u the α at which the start's scores spread as far as the target's own, and the
prior holds `ODDS` that the start helps (α > 0). The estimate is the mean angle: no accident of n rows sends it to infinity.
"""

from __future__ import annotations

import numpy as np

from .calibration import log_loss
from .ridge import LeaveOneOut
from .rules import ODDS

ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 122)[1:-1]
SWEEPS = 3  # rounds over the coordinates of α, where there are several


def by_likelihood(
    loo: LeaveOneOut, codes: np.ndarray, omega: np.ndarray, per_output: bool, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, float]:
    """(α (J, d), interval (2, J, d), ℓ at α). With several coordinates an interval holds the others fixed."""
    J1, d, _ = loo.scores.shape
    J = J1 - 1
    alpha, bounds = np.zeros((J, d)), np.zeros((2, J, d))
    count = omega.sum() ** 2 / np.sum(omega**2)
    groups = [(j, [k]) for j in range(J) for k in range(d)] if per_output else [(j, list(range(d))) for j in range(J)]
    spread = loo.scores.std(axis=-1)
    for _ in range(1 if len(groups) == 1 else SWEEPS if groups else 0):
        for j, ks in groups:
            unit = np.linalg.norm(spread[0, ks]) / max(np.linalg.norm(spread[1 + j, ks]), 1e-300)
            grid = unit * np.tan(ANGLES)
            scores = np.repeat(loo.at(_without(alpha, j, ks))[None], grid.size, axis=0)
            scores[:, ks] += grid[:, None, None] * loo.scores[1 + j, ks]
            logs = -count * log_loss(scores, codes, omega)
            density = np.exp(logs - logs.max()) * np.where(ANGLES > 0, ODDS, 1.0)
            density /= density.sum()
            alpha[j, ks] = unit * np.tan(density @ ANGLES)
            tail = (1 - level) / 2
            low, high = np.interp([tail, 1 - tail], np.cumsum(density), ANGLES)
            bounds[0, j, ks] = -np.inf if low <= ANGLES[0] else unit * np.tan(low)
            bounds[1, j, ks] = np.inf if high >= ANGLES[-1] else unit * np.tan(high)
    return alpha, bounds, float(log_loss(loo.at(alpha), codes, omega))


def _without(alpha: np.ndarray, j: int, ks: list[int]) -> np.ndarray:
    rest = alpha.copy()
    rest[j, ks] = 0.0
    return rest
