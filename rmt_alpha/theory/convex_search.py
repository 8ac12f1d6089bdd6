r"""The best α where no closed form exists: on a grid that knows its scales, then by Chebyshev interpolation.

Along α = ε sinh y the law of the score is smooth on the scale of one in y, from where α matters first to where nothing else does:

.. math:: ε = 10^{-2} \min(1, \sqrt{V_0})/σ, \qquad |α| ≤ 10^3 \max(1, \sqrt{V_0}, \sqrt{V_1})/σ

with σ² the variance of w̃'s score, V₀ that of what training makes without w̃,
and V₁ of what it makes where every sample pulls as one of margin 0
does, without relenting. Where the penalty is small √V₁ ~ 1/γ, and it takes an α of that order until both parts of w weigh the same.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

from ..problem import Fit
from ..results import Moments, Optimum, describe, moments
from .convex import Training, forces

NEAREST, FARTHEST = 1e-2, 1e3
SPACING = 1.0  # of the grid in y
ROUNDS = ((9, SPACING), (5, 0.04))  # nodes, and half width in y, of the interpolations
SETTLED = 1e-9


class Curve:
    """The score's law along y, each state started from the nearest one known."""

    def __init__(self, training: Training):
        self.training, self.fit = training, training.fit
        self.y, self.x = np.empty(0), np.empty((0, 0))
        self.epsilon, self.reach = self._scales()

    def _scales(self) -> tuple[float, float]:
        """ε, and the largest y; (0, 0) where the start is 0."""
        unit, zero = np.ones((1, 1)), np.zeros((1, 1))
        start = self.training.system(unit)[0]
        still = [np.zeros((1, k)) for k in _hat_sizes(self.training)]
        V_start = start.update(*still)[0][:, self.training.labels.components :]
        sigma = float(np.sqrt(V_start[0, 0]))
        if not sigma > 0:
            return 0.0, 0.0
        system, x, _ = self.training.solve(zero)
        K = self.training.labels.components
        own = float(np.sqrt(self.training.scores(x)[1].max()))
        m_hat, q_hat, chi = forces(self.training.labels, self.fit.loss, system.n)
        pulled = float(np.sqrt(system.update(m_hat, q_hat, 0 * chi)[0][0, K]))
        epsilon = NEAREST * min(1.0, own) / sigma
        return epsilon, float(np.arcsinh(FARTHEST * max(1.0, own, pulled) / sigma / epsilon))

    def alpha(self, y: Any) -> Any:
        """α = ε sinh y"""
        return self.epsilon * np.sinh(y)

    def at(self, y: np.ndarray) -> Moments:
        """The moments at y (Y,)."""
        start = None
        if len(self.y):
            start = self.x[np.argmin(np.abs(y[:, None] - self.y), 1)]
        _, x, _ = self.training.solve(self.alpha(y)[:, None], start)
        self.y, self.x = np.append(self.y, y), x if start is None else np.concatenate([self.x, x])
        return judged(self.training, x)


def _hat_sizes(training: Training) -> tuple[int, int, int]:
    K = training.labels.components
    Kc = 1 if training.labels.shared else K
    return K, Kc, Kc


def judged(training: Training, x: Any) -> Moments:
    """The moments in states x (B, D)."""
    m, V = (a.T for a in training.scores(x))
    if training.fit.population.is_opposite and not training.fit.intercept:
        return moments(m[0], V[0])
    return describe(training.fit.population, m[:, None], V[:, None, None])


def _gain(training: Training) -> Callable[[Moments], Any]:
    """What is to be maximised: m/√V where it says it all (it has no plateau), else the accuracy."""
    if training.fit.population.is_opposite and not training.fit.intercept:
        return lambda found: found.mean / np.sqrt(found.variance)
    return lambda found: found.accuracy


def optimum(fit: Fit) -> Optimum:
    r"""Where α is best under any losses, each field with the fit's shape.

    α* is good to about 1e-6 relatively. Where the largest accuracy lies at the end of the search, α* is reported as ±inf
    and
    `at_infinity`, with the accuracy there. ᾱ is ±inf where no α makes the mean vanish (a squared hinge with a weak
    penalty can outweigh any source), and None
    unless the classes are opposite.
    """
    cells = [_one(cell) if cell.n_alpha == 1 else _several(cell) for cell in fit.cells()]
    if not fit.shape:
        return cells[0]

    def gather(name: str) -> Any:
        values = [getattr(cell, name) for cell in cells]
        if values[0] is None:
            return None
        return np.reshape(values, (*fit.shape, *np.shape(values[0])))

    names = ("alpha", "accuracy", "zero", "at_infinity", "least_risk", "risk", "direction")
    return Optimum(**{name: gather(name) for name in names})


def _one(fit: Fit) -> Optimum:
    training = Training.of(fit)
    curve = Curve(training)
    gain = _gain(training)
    signed = fit.population.is_opposite and not fit.intercept
    if curve.reach == 0:  # without any start every α is as good: 0, as in the closed form
        found = judged(training, training.solve(np.zeros((1, 1)))[1])
        return Optimum(
            0.0, float(found.accuracy[0]), -np.inf if signed else None, False, 0.0, float(found.risk[0]), 0.0
        )
    half = int(np.ceil(curve.reach / SPACING))
    grid = np.linspace(-curve.reach, curve.reach, 2 * half + 1)
    table = curve.at(grid)
    gains = gain(table)
    goals: list[tuple[Callable[[Moments], Any], bool, float]] = []
    best = int(np.argmax(gains))
    at_infinity = best in (0, len(grid) - 1)
    goals.append((gain, False, grid[best]))
    goals.append((lambda found: -found.risk, False, grid[int(np.argmin(table.risk))]))
    crossing = _crossing(table.mean, grid) if signed else None
    if crossing is not None and np.isfinite(crossing):
        goals.append((lambda found: found.mean, True, crossing))
    y = np.array([goal[2] for goal in goals])
    for count, width in ROUNDS:
        nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
        inside = np.clip(y, width - curve.reach, curve.reach - width)
        places = inside[:, None] + width * nodes
        found = curve.at(places.ravel())
        parts = [_part(found, slice(i * count, (i + 1) * count)) for i in range(len(goals))]
        y = np.array([_interpolated(places[i], goal[0](parts[i]), goal[1]) for i, goal in enumerate(goals)])
    last, alpha = curve.at(y), curve.alpha(y)
    ends = gains[[0, -1]]
    at_infinity = at_infinity or bool(ends.max() >= gain(last)[0])
    sign = float(np.sign(ends[1] - ends[0])) or 1.0
    accuracy = table.accuracy[-1 if sign > 0 else 0] if at_infinity else last.accuracy[0]
    zero = None if not signed else float(alpha[2]) if len(goals) == 3 else crossing
    return Optimum(
        sign * np.inf if at_infinity else float(alpha[0]), float(accuracy), zero, at_infinity, float(alpha[1]), float(last.risk[1]),
        sign if at_infinity else 0.0,
    )  # fmt: skip


def _part(found: Moments, rows: slice) -> Moments:
    return Moments(found.mean[..., rows], found.variance[..., rows], found.accuracy[rows], found.risk[rows])


def _crossing(mean: np.ndarray, grid: np.ndarray) -> float:
    """Near which y the mean changes its sign, the nearest to 0; if it keeps it, the end where it is nearer to 0, as ±inf."""
    if not mean.any():
        return 0.0
    crossings = np.flatnonzero(mean[1:] * mean[:-1] <= 0)
    if not crossings.size:
        return float(np.copysign(np.inf, abs(mean[0]) - abs(mean[-1])))
    i = crossings[np.argmin(np.abs(grid[crossings] + grid[crossings + 1]))]
    return float((grid[i] + grid[i + 1]) / 2)


def _interpolated(y: np.ndarray, values: np.ndarray, is_root: bool) -> float:
    """The maximum of the polynomial through the values at Chebyshev nodes y, or its root nearest to the middle."""
    low, high = y.min(), y.max()
    if not high > low:
        return float(low)
    p = np.polynomial.Chebyshev.fit(y, values / np.abs(values).max(), len(y) - 1, domain=[low, high])
    roots = (p if is_root else p.deriv()).roots()
    inside = roots.real[(np.abs(roots.imag) < 1e-6 * (high - low)) & (roots.real >= low) & (roots.real <= high)]
    if is_root:
        return float(
            inside[np.argmin(np.abs(inside - (low + high) / 2))] if inside.size else y[np.argmin(np.abs(values))]
        )
    places = np.concatenate([inside, [low, high]])
    return float(places[np.argmax(p(places))])


def _several(fit: Fit) -> Optimum:
    """The same for a vector α, by quasi-Newton steps in y (α_s = ε_s sinh y_s), from the best α of each start alone and all together."""
    training = Training.of(fit)
    J = fit.n_alpha
    signed = fit.population.is_opposite and not fit.intercept
    if J == 0:
        found = judged(training, training.solve(np.zeros((1, 0)))[1])
        return Optimum(
            np.zeros(0), float(found.accuracy[0]), None, False, np.zeros(0), float(found.risk[0]), np.zeros(0)
        )
    alone = [Curve(_restricted(training, s)) for s in range(J)]
    epsilon = np.array([c.epsilon for c in alone])
    reach = np.array([c.reach for c in alone])
    gain = _gain(training)
    state: list[Any] = [None]

    def at(y: np.ndarray) -> Moments:
        """The moments at rows y (B, J)."""
        start = None if state[0] is None else np.repeat(state[0], len(y), 0)
        _, x, _ = training.solve(epsilon * np.sinh(np.clip(y, -reach, reach)), start)
        state[0] = x[:1]
        return judged(training, x)

    def maximise(value: Callable[[Moments], Any]) -> tuple[np.ndarray, float]:
        def minus(y: np.ndarray) -> tuple[float, np.ndarray]:
            h = 1e-4
            f = -value(at(np.concatenate([y[None], y + h * np.eye(J), y - h * np.eye(J)])))
            return float(f[0]), (f[1 : J + 1] - f[J + 1 :]) / (2 * h)

        singles = []
        for s, curve in enumerate(alone):
            y = np.zeros(J)
            if curve.reach > 0:
                grid = np.linspace(-curve.reach, curve.reach, 2 * int(np.ceil(curve.reach / SPACING)) + 1)
                y[s] = grid[int(np.argmax(value(curve.at(grid))))]
            singles.append(y)
        starts = [*singles, np.sum(singles, 0), np.zeros(J)]
        state[0] = None
        values = value(at(np.array(starts)))
        runs = []
        for i in np.argsort(-values)[:2]:
            state[0] = None
            bounds = list(zip(-reach, reach, strict=True))
            runs.append(
                optimize.minimize(
                    minus,
                    starts[i],
                    jac=True,
                    method="L-BFGS-B",
                    bounds=bounds,
                    options={"ftol": 1e-15, "gtol": SETTLED},
                )
            )
        best = min(runs, key=lambda run: run.fun)
        return best.x, -float(best.fun)

    y_best, _ = maximise(gain)
    y_risk, risk = maximise(lambda found: -found.risk)
    accuracy = float(at(y_best[None]).accuracy[0])
    at_infinity = bool(np.any((np.abs(y_best) >= reach - 1e-6) & (reach > 0)))
    alpha = epsilon * np.sinh(y_best)
    direction = alpha / np.linalg.norm(alpha) if at_infinity else np.zeros(J)
    if at_infinity:
        far = np.abs(direction) > SETTLED
        alpha = np.where(far, np.copysign(np.inf, direction), alpha)
    return Optimum(
        alpha,
        accuracy,
        _shortest_zero(training, alone) if signed else None,
        at_infinity,
        epsilon * np.sinh(y_risk),
        -risk,
        direction,
    )


def _restricted(training: Training, s: int) -> Training:
    """The training with one start only."""
    K, keep = len(training.mu), [s]
    if training.products is None:
        R = copy.copy(training.R)
        R.anchors = [training.R.anchors[s]]
        return dataclasses.replace(training, R=R, starts=training.starts[..., keep, :])
    rows = [*range(K), K + s]
    products = training.products[..., rows, :, :][..., rows, :]
    return dataclasses.replace(training, starts=training.starts[..., keep, :], products=products)


def _shortest_zero(training: Training, alone: list[Curve]) -> Any:
    """The shortest α of mean 0, by steps to the shortest zero of the mean's linear approximation; None where that does not settle."""
    J = len(alone)
    scale = np.array([c.epsilon for c in alone])
    h = np.where(scale > 0, scale / NEAREST, 1.0) * 1e-3
    alpha, start = np.zeros(J), None
    for turn in range(60):
        rows = np.concatenate([alpha[None], alpha + np.diag(h), alpha - np.diag(h)])
        try:
            _, x, _ = training.solve(rows, start)
        except ArithmeticError:
            return None
        start = np.repeat(x[:1], 2 * J + 1, 0)
        m = training.scores(x)[0][:, 0]
        slope = (m[1 : J + 1] - m[J + 1 :]) / (2 * h)
        if not slope @ slope > 0:
            return None
        new = slope * (slope @ alpha - m[0]) / (slope @ slope)
        if np.all(np.abs(new - alpha) <= 1e-9 * np.abs(new).max()):
            return new
        alpha = (new + alpha) / 2 if turn > 5 else new
    return None
