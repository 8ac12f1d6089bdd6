"""The best and the worst α where no closed form exists: a scalar search along α = scale·tan θ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from .._arrays import plain
from ..losses import Loss, is_squared
from ..moments import Optimum, optimum
from ..problem import TransferProblem
from .losses import FixedPoint, Stage, fixed_point, need_penalty, target_stage
from .stage import score_form

# |α| up to 10⁴ times the scale at which w̃ alone gives scores of unit size.
FARTHEST = np.arctan(1e4)
ANGLES = np.linspace(-FARTHEST, FARTHEST, 41)
SHARPEST = 1e-9


class Curve:
    """The stage's states along θ, each started from the nearest one known."""

    def __init__(self, stage: Stage, loss: Loss):
        self.stage, self.loss = stage, loss
        size = float(np.sqrt(stage.w2 @ stage.eigenvalues))
        self.scale = 1 / size if size > 0 else 1.0
        self._known: dict[float, FixedPoint] = {}
        for angle in ANGLES[np.argsort(np.abs(ANGLES))]:
            self.at(angle)

    def alpha(self, angle: float) -> float:
        """α = scale·tan θ"""
        return float(self.scale * np.tan(angle))

    def at(self, angle: float) -> FixedPoint:
        """The state at θ."""
        angle = float(angle)
        if angle not in self._known:
            near = min(self._known, key=lambda known: abs(known - angle), default=None)
            start = None if near is None else self._known[near]
            self._known[angle] = fixed_point(self.stage, self.loss, self.alpha(angle), start)
        return self._known[angle]

    def minimise(self, f: Callable[[FixedPoint], float]) -> float:
        """The θ of the smallest f(state): a grid, then Brent's method between the neighbours of its best."""
        values = [f(self.at(angle)) for angle in ANGLES]
        i = int(np.argmin(values))
        bounds = ANGLES[max(i - 1, 0)], ANGLES[min(i + 1, len(ANGLES) - 1)]
        found = optimize.minimize_scalar(
            lambda angle: f(self.at(angle)), bounds=bounds, method="bounded", options={"xatol": SHARPEST}
        )
        return float(found.x) if found.fun <= values[i] else float(ANGLES[i])


def search_optimum(problem: TransferProblem, loss: Loss, source_loss: Loss) -> Optimum:
    r"""`Optimum` under any two losses, each field with the problem's shape.

    The signal-to-noise ratio m/√V is maximised, m's sign change and the least V + (1−m)² are found. α is good to about 1e-6
    relatively. Where the largest ratio lies at the end of the search, |α| = 10⁴ times the scale at which αw̃ has scores
    of unit size, α* is reported as ±inf and `at_infinity`, with the accuracy there. ᾱ is ±inf where no α makes m vanish (a
    squared hinge with a weak penalty can outweigh any source).
    """
    results = np.array([_search(cell, loss, source_loss) for cell in problem.cells()], dtype=float)
    best, worst, accuracy, at_infinity, min_risk, risk = np.moveaxis(results.reshape(*problem.shape, 6), -1, 0)
    direction = np.where(at_infinity, np.sign(best), 0.0)
    return Optimum(*map(plain, (best, worst, accuracy, at_infinity.astype(bool), min_risk, risk, direction)))


def _search(problem: TransferProblem, loss: Loss, source_loss: Loss) -> tuple[float, ...]:
    """(α*, ᾱ, accuracy, at infinity, α of least risk, risk) of a scalar problem."""
    stage = target_stage(problem, source_loss)
    if is_squared(loss):
        found = optimum(score_form(stage.functionals))
        return found.best, found.worst, found.accuracy, found.at_infinity, found.min_risk, found.risk
    need_penalty("target", stage.gamma, loss)
    curve = Curve(stage, loss)
    risky = curve.minimise(_risk)
    if not np.any(stage.w2):  # without any source every α is as good: 0, as in the closed form
        state = curve.at(0.0)
        return 0.0, -np.inf, float(special.ndtr(_snr(state))), False, 0.0, _risk(state)
    angle = curve.minimise(lambda state: -_snr(state))
    ends = {end: _snr(curve.at(end)) for end in (-FARTHEST, FARTHEST)}
    end = max(ends, key=ends.__getitem__)
    at_infinity = ends[end] >= _snr(curve.at(angle))
    best = np.copysign(np.inf, end) if at_infinity else curve.alpha(angle)
    accuracy = float(special.ndtr(max(ends[end], _snr(curve.at(angle)))))
    return best, _sign_change(curve), accuracy, at_infinity, curve.alpha(risky), _risk(curve.at(risky))


def _snr(state: FixedPoint) -> float:
    return state.m / np.sqrt(state.V)


def _risk(state: FixedPoint) -> float:
    return state.V + (1 - state.m) ** 2


def _sign_change(curve: Curve) -> float:
    """The α where m = 0; if m keeps its sign, the end where it is nearer to 0, as ±inf."""
    m = np.array([curve.at(angle).m for angle in ANGLES])
    if not m.any():
        return 0.0
    crossings = np.flatnonzero(m[1:] * m[:-1] <= 0)
    if not crossings.size:
        return float(np.copysign(np.inf, abs(m[0]) - abs(m[-1])))
    i = crossings[np.argmin(np.abs(ANGLES[crossings]))]
    return curve.alpha(optimize.brentq(lambda angle: curve.at(angle).m, ANGLES[i], ANGLES[i + 1], xtol=1e-13))
