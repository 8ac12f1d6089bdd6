r"""The best α under any losses: the search of `results.search` with ends of its own, each state started from its neighbours.

With α = ε sinh y,

.. math:: ε = 10^{-3} \min(1, \sqrt{V_1})/σ, \qquad |α| ≤ 10^3 \max(1, \sqrt{V_1})/σ

where σ² is the variance of w̃'s score and V₁ that of what training makes where every sample pulls as one of margin 0
does, without relenting. Where the penalty is small √V₁ ~ 1/γ, and it takes an α of that order until both parts of w
weigh the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problem import Fit
from ..results import Moments, Optimum, describe, moments
from ..results.search import BEYOND, at_the_end, best, is_flat
from .convex import Training
from .convex_equations import same_score
from .convex_newton import LAST_STEP

NEAREST, FARTHEST = 1e-3, 1e3
ROUGH_STEP = 2e-3  # Newton's last, where moments only say where to look: it leaves the order of its square
NEIGHBOURS = 8  # known states that a new one is extrapolated from
CLOSEST = 1e-9  # as near to each other as these may be
NOWHERE = -np.inf  # the α of mean 0, where no side is nearer to it
NOTHING = 1e-18  # of m/√V: a mean below it is rounding of 0


class Curve:
    """The score's law along y (…, J), each state started from those known nearby."""

    def __init__(self, training: Training):
        self.training = training
        self.y, self.x = np.empty((0, 0)), np.empty((0, 0))
        self.epsilon, self.ends = self._scales()

    def _scales(self) -> tuple[np.ndarray, np.ndarray]:
        """ε and the largest y of each start, (J,); (1, 0) where a start is 0."""
        labels, J = self.training.labels, self.training.fit.n_alpha
        system = self.training.system(np.concatenate([np.eye(J), np.zeros((1, J))]))[0]
        m_hat, q_hat, chi = same_score(labels, self.training.fit.loss, system.n)
        on = np.array([0.0] * J + [1.0])[:, None]
        V = labels.split(system.update(m_hat * on, q_hat * on, 0 * chi)[0])[1][:, 0]
        sigma, pulled = np.sqrt(V[:-1]), np.sqrt(V[-1])
        known = sigma > 0
        epsilon = NEAREST * min(1.0, pulled) / np.where(known, sigma, 1.0)
        reach = np.arcsinh(FARTHEST * max(1.0, pulled) / np.where(known, sigma, 1.0) / epsilon)
        return np.where(known, epsilon, 1.0), np.where(known, reach, 0.0)

    def at(self, y: np.ndarray, last_step: float = LAST_STEP) -> Moments:
        """The moments at y (Y, J)."""
        start = self._nearby(y) if len(self.y) else None
        _, x, _ = self.training.solve(self.epsilon * np.sinh(y), start, last_step)
        self.y, self.x = (y, x) if start is None else (np.concatenate([self.y, y]), np.concatenate([self.x, x]))
        if y.shape[1] == 1:  # polynomials go through distinct nodes
            order = np.argsort(self.y[:, 0])
            distinct = order[np.diff(self.y[order, 0], prepend=-np.inf) > CLOSEST]
            self.y, self.x = self.y[distinct], self.x[distinct]
        return self.law(x)

    def limit(self, y: np.ndarray) -> Moments:
        """The moments at α so much larger than at y (Y, J), an end of the search, that the accuracy is its limit."""
        return self.law(self.training.solve(BEYOND * self.epsilon * np.sinh(y))[1])

    def law(self, x: np.ndarray) -> Moments:
        """The moments in states x."""
        m, V = (a.T for a in self.training.scores(x))
        if self.signed:
            return moments(m[0], V[0])
        return describe(self.training.fit.population, m[:, None], V[:, None, None])

    def _nearby(self, y: np.ndarray) -> np.ndarray:
        """States at y from known ones: along a line the polynomial through the nearest, else the nearest itself."""
        distance = np.sum((y[:, None] - self.y) ** 2, -1)
        if y.shape[1] > 1 or len(self.y) < NEIGHBOURS:
            return self.x[np.argmin(distance, 1)]
        near = np.argpartition(distance, NEIGHBOURS - 1, 1)[:, :NEIGHBOURS]
        nodes = self.y[near, 0]  # (Y, neighbours)
        one = np.eye(NEIGHBOURS)
        ratios = ((y - nodes)[:, None] * (1 - one) + one) / (nodes[:, :, None] - nodes[:, None] + one)
        weights = np.prod(ratios, 2)  # Lagrange's
        return (weights[:, None] @ self.x[near])[:, 0]

    @property
    def signed(self) -> bool:
        return self.training.fit.population.is_opposite and not self.training.fit.intercept


def optimum(fit: Fit) -> Optimum:
    r"""Where α is best under any losses, of a scalar fit.

    α* is good to about 1e-6 relatively. Where the largest accuracy lies at the end of the search, α* is reported as
    ±inf and `at_infinity`, with the limit of the accuracy. ᾱ is ±inf where no α makes the mean vanish (a squared hinge
    with a weak penalty can outweigh any source), or of several where none was found.
    """
    curve = Curve(Training.of(fit))
    one, signed = fit.n_alpha == 1, curve.signed
    pick = (lambda v: float(v[0])) if one else (lambda v: v)
    if not np.isfinite(curve.ends).all():
        raise ArithmeticError(
            "the scale of α at which a start and the rest of w weigh the same left the range of double precision. "
            "Rescale the problem: norms, covariances and penalties nearer to one."
        )
    if not curve.ends.any():  # without any start every α is as good: 0, as in the closed form
        nothing, found = np.zeros(fit.n_alpha), curve.at(np.zeros((1, fit.n_alpha)))
        zero = pick(np.where(found.mean == 0, 0.0, NOWHERE + nothing)) if signed else None
        return Optimum(
            pick(nothing), float(found.accuracy[0]), zero, False, pick(nothing), float(found.risk[0]), pick(nothing)
        )
    # m/√V where it says it all (it has no plateau), else the accuracy.
    gain = _signal if signed else (lambda m: m.accuracy)
    root = (lambda m: m.mean) if signed else None
    rough = lambda y: curve.at(y, ROUGH_STEP)  # noqa: E731
    y, last, table = best(curve.at, [lambda m: -m.risk, gain], curve.ends, 1.0, root, rough=rough)
    alpha, infinite, direction = at_the_end(y[1], curve.ends, curve.epsilon)
    accuracy = curve.limit(y[1:2]).accuracy[0] if infinite else last.accuracy[1]
    zero = None
    if signed and one:
        zero = float(curve.epsilon[0] * np.sinh(y[2, 0])) if len(y) == 3 else _nearer_side(curve)
        zero = zero if table.mean.any() else 0.0
    elif signed:
        zero = _shortest_zero(curve)
    return Optimum(
        pick(alpha), float(accuracy), zero, infinite, pick(curve.epsilon * np.sinh(y[0])), float(last.risk[0]),
        pick(direction),
    )  # fmt: skip


def _signal(m: Moments) -> Any:
    ratio = m.mean / np.sqrt(m.variance)
    return np.where(np.abs(ratio) > NOTHING, ratio, 0.0)


def _nearer_side(curve: Curve) -> float:
    """±∞, on the side where a mean that vanishes nowhere is nearer to 0."""
    left, right = np.abs(curve.at(np.array([-curve.ends, curve.ends])).mean)
    return np.inf if right < left and not is_flat(np.array([left, right])) else NOWHERE


def _shortest_zero(curve: Curve) -> np.ndarray:
    """The shortest α of mean 0, by steps to the shortest zero of the mean's linear approximation; −∞ where that
    does not settle.
    """
    training, J = curve.training, len(curve.ends)
    h = np.where(curve.ends > 0, curve.epsilon / NEAREST, 1.0) * 1e-3
    alpha, start = np.zeros(J), None
    for turn in range(60):
        rows = np.concatenate([alpha[None], alpha + np.diag(h), alpha - np.diag(h)])
        try:
            _, x, _ = training.solve(rows, start)
        except ArithmeticError:
            break
        start = np.repeat(x[:1], 2 * J + 1, 0)
        m = training.scores(x)[0][:, 0]
        slope = (m[1 : J + 1] - m[J + 1 :]) / (2 * h)
        if not slope @ slope > 0:
            break
        new = slope * (slope @ alpha - m[0]) / (slope @ slope)
        if np.all(np.abs(new - alpha) <= 1e-9 * np.abs(new).max()):
            return new
        alpha = (new + alpha) / 2 if turn > 5 else new
    return np.full(J, NOWHERE)
