r"""α for any number of classes: a posterior of its angle under the left-out rows' likelihood.

.. math:: p(θ) ∝ \mathrm{prior}(θ)\,e^{-n\,ℓ(α(θ))},\qquad α = u\tan θ

ℓ is the calibrated log-loss of left-out scores, u the α at which the start's scores spread as far as the target's own, and the
prior holds `ODDS` that the start helps (α > 0). The estimate is the mean angle: no accident of n rows sends it to infinity. Several
coordinates take turns until none moves, so that neither the order of the sources nor that of the classes matters.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .calibration import log_loss
from .ridge import LeaveOneOut
from .rules import ODDS

ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 122)[1:-1]
ROUNDS = 100  # over the coordinates of α, at most; a round mostly divides what is left by 2 to 5
SETTLED = 1e-7  # radians: a round that moves no angle by more is the last
UNSETTLED = (
    "α of several sources or classes has not settled in {rounds} rounds, and may depend on their order. Leave out sources that say "
    "nearly the same, or take per='source'."
)


def by_likelihood(
    loo: LeaveOneOut, codes: np.ndarray, omega: np.ndarray, per_output: bool, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, float]:
    """(α (J, d), interval (2, J, d), ℓ at α). With several coordinates an interval holds the others fixed.

    A ConvergenceWarning says where `ROUNDS` were not enough: α is then that of the last round.
    """
    J1, d, _ = loo.scores.shape
    J = J1 - 1
    alpha, bounds = np.zeros((J, d)), np.zeros((2, J, d))
    count = omega.sum() ** 2 / np.sum(omega**2)
    groups = [(j, [k]) for j in range(J) for k in range(d)] if per_output else [(j, list(range(d))) for j in range(J)]
    spread = loo.scores.std(axis=-1)
    angles = np.zeros(len(groups))
    for _ in range(ROUNDS):
        before = angles.copy()
        for i, (j, ks) in enumerate(groups):
            own, start = (float(np.linalg.norm(spread[k, ks])) for k in (0, 1 + j))
            unit = own / max(start, 1e-300)
            grid = unit * np.tan(ANGLES)
            scores = np.repeat(loo.at(_without(alpha, j, ks))[None], grid.size, axis=0)
            scores[:, ks] += grid[:, None, None] * loo.scores[1 + j, ks]
            logs = -count * log_loss(scores, codes, omega)
            density = np.exp(logs - logs.max()) * np.where(ANGLES > 0, ODDS, 1.0)
            density /= density.sum()
            angles[i] = density @ ANGLES
            alpha[j, ks] = unit * np.tan(angles[i])
            tail = (1 - level) / 2
            low, high = np.interp([tail, 1 - tail], np.cumsum(density), ANGLES)
            bounds[0, j, ks] = -np.inf if low <= ANGLES[0] else unit * np.tan(low)
            bounds[1, j, ks] = np.inf if high >= ANGLES[-1] else unit * np.tan(high)
        if len(groups) < 2 or np.abs(angles - before).max() <= SETTLED:
            break
    else:
        warnings.warn(UNSETTLED.format(rounds=ROUNDS), ConvergenceWarning, stacklevel=2)
    return alpha, bounds, float(log_loss(loo.at(alpha), codes, omega))


def _without(alpha: np.ndarray, j: int, ks: list[int]) -> np.ndarray:
    rest = alpha.copy()
    rest[j, ks] = 0.0
    return rest
