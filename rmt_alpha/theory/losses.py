r"""Any convex loss: the law of a trained classifier as the fixed point of three numbers.

A stage fits w = argmin (1/n) Σ ℓ(yᵢxᵢᵀw) + (γ/2)‖w − αw̃‖² on n samples x = yμ + C^{1/2}z. Its limit is known through the
score's mean m and variance V and the leverage v:

.. math::
    ω \sim N(m, V), \quad z = \mathrm{prox}_{vℓ}(ω), \quad
    \hat m = E[-ℓ'(z)], \quad \hat q = E[ℓ'(z)^2]/n, \quad χ = E\left[\frac{ℓ''(z)}{1 + vℓ''(z)}\right] \\
    w = S(\hat m μ + γα\tilde w + \sqrt{\hat q}\, C^{1/2}ξ), \quad S = (χC + γ)^{-1} \\
    m = μ^T E w, \quad V = E\,w^TCw, \quad v = \mathrm{tr}(CS)/n.

The squared loss gives χ = 1/(1+v), κ = γ/χ, and with them the closed form. Sources: Loureiro et al., arXiv 2106.03791
(Gaussian mixtures, any convex loss); Dhifallah & Lu, arXiv 2101.01918 (transfer, where the penalty pulls to the source).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .. import _checks as check
from ..losses import Loss, is_squared
from ..moments import LARGEST_ALPHA, Moments, moments
from ..problem import TransferProblem
from . import equivalents
from .stage import Functionals, score_form, unanchored

TOLERANCE = 1e-10
NEWTON_STEPS = 60
HALVINGS = 12
LONGEST_STEP = 3.0
DIFFERENCE = 1e-6
# Paths in the penalty, from 10⁴ times its value: how many are tried, each finer than the one before.
FARTHEST_PENALTY = 4.0
PENALTY_STEPS = 7
PENALTY_PATHS = 4

# Quadrature panels: a Gaussian's standard deviations, and the margins between which a loss of unit scale is smooth.
DEVIATIONS = np.linspace(-9.0, 9.0, 13)
TAIL = np.concatenate([[10, 12, 14, 17, 20, 24, 28], 32 * 4.0 ** np.arange(10)])
MARGINS = np.concatenate([-TAIL, np.arange(-8.0, 9.0), TAIL])
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)


def expectations(loss: Loss, m: Any, V: Any, v: Any) -> np.ndarray:
    r"""E[−ℓ'(z)], E[ℓ'(z)²] and χ, stacked to (3, S), at states (S,) of the fixed point.

    .. math:: E f(\mathrm{prox}(ω)) = ∫ f(z)\, φ\!\left(\frac{z + vℓ'(z) - m}{\sqrt V}\right) \frac{1 + vℓ''(z)}{\sqrt V} dz

    In z the loss is smooth between its kinks, whatever v and V, where a Gauss–Hermite rule in ω would meet kinks and
    crowded scales. Raises ArithmeticError if the density does not integrate to one.
    """
    m, s, v = (np.asarray(x, float)[:, None] for x in (m, np.sqrt(V), v))
    gaussian = loss.prox(m + s * DEVIATIONS, v)
    knots = np.concatenate([MARGINS, np.asarray(loss.kinks, float)])
    knots = knots[(knots > gaussian.min()) & (knots < gaussian.max())]
    edges = np.sort(np.concatenate([gaussian, np.clip(knots, gaussian[:, :1], gaussian[:, -1:])], axis=1), axis=1)
    half = np.diff(edges, axis=1)[..., None] / 2
    z = ((edges[:, 1:] + edges[:, :-1])[..., None] / 2 + half * NODES).reshape(len(m), -1)
    slope, curvature = loss.slope(z), loss.curvature(z)
    stretch = 1 + v * curvature
    u = (z + v * slope - m) / s
    weight = (half * WEIGHTS).reshape(z.shape) * stretch / s * np.exp(-u * u / 2) / np.sqrt(2 * np.pi)
    lost = np.max(np.abs(weight.sum(axis=1) - 1))
    if not lost < 1e-7:
        raise ArithmeticError(
            f"quadrature for the {loss.name} loss misses {lost:.3g} of the probability: it changes on a shorter scale than one. "
            f"List the places in its kinks, or rescale the margin."
        )
    return np.stack([-(weight * slope).sum(1), (weight * slope**2).sum(1), (weight * curvature / stretch).sum(1)])


@dataclass(frozen=True)
class Anchor:
    """The law of a trained source as the target's stage sees it: mean f∘μ̃ and covariance diag(g), in the eigenbasis of C̃."""

    mean: Any
    noise: Any


@dataclass(frozen=True)
class Stage:
    """What one training sees, resolved over the eigenvalues of its covariance; all arrays (r,).

    | field | meaning |
    |---|---|
    | `eigenvalues`, `count` | λ and its multiplicity (r = 1 where C = I) |
    | `mu2` | squared norm of μ within each eigenspace |
    | `mu_w` | ⟨μ, E w̃⟩ within each |
    | `w2` | E‖w̃‖² within each |
    """

    eigenvalues: np.ndarray
    count: Any
    mu2: np.ndarray
    mu_w: np.ndarray
    w2: np.ndarray
    n: float
    gamma: float

    @cached_property
    def functionals(self) -> Functionals:
        """The stage's numbers under the squared loss."""
        if np.all(self.eigenvalues == 1):
            numbers = equivalents.isotropic(float(self.count.sum()) / self.n, self.gamma)
        else:
            numbers = equivalents.general(self.eigenvalues, self.n, self.gamma)
        R = 1 / (self.eigenvalues + numbers[0])
        RCR = self.eigenvalues * R * R
        anchor = [self.mu_w @ R], [self.mu_w @ RCR], [[self.w2 @ RCR]]
        return Functionals(*numbers, self.mu2 @ R, self.mu2 @ RCR, *anchor)


@dataclass(frozen=True)
class FixedPoint:
    """The state of a trained stage; `m_hat`, `q_hat` and `chi` give the law of its weights."""

    m: float
    V: float
    v: float
    m_hat: float
    q_hat: float
    chi: float


def update(stage: Stage, loss: Loss, alpha: float, m: np.ndarray, V: np.ndarray, v: np.ndarray) -> tuple[Any, ...]:
    """One turn of the fixed point at states (S,): the new (m, V, v) and the (m̂, q̂, χ) between."""
    m_hat, Eg2, chi = expectations(loss, m, V, v)
    q_hat = Eg2 / stage.n
    lam = stage.eigenvalues
    S = 1 / (chi[:, None] * lam + stage.gamma)
    SCS = S * lam * S
    pull = stage.gamma * alpha
    new_m = m_hat * (S @ stage.mu2) + pull * (S @ stage.mu_w)
    signal = m_hat**2 * (SCS @ stage.mu2) + 2 * m_hat * pull * (SCS @ stage.mu_w) + pull**2 * (SCS @ stage.w2)
    new_V = signal + q_hat * ((SCS * lam) @ stage.count)
    return new_m, new_V, ((lam * S) @ stage.count) / stage.n, m_hat, q_hat, chi


def fixed_point(stage: Stage, loss: Loss, alpha: float, start: FixedPoint | None = None) -> FixedPoint:
    """The stage's state at one α, by Newton's method, warm from `start` (that of a neighbouring α).

    Where Newton's method gets stuck, the state is followed down from larger penalties, under which training changes little.
    Raises ArithmeticError, naming the residual, if that does not bring it below 1e-10.
    """
    state, residual = _newton(stage, loss, alpha, start)
    for path in range(1, PENALTY_PATHS):
        if residual < TOLERANCE:
            return state
        known: FixedPoint | None = None
        for exponent in np.linspace(FARTHEST_PENALTY, 0, path * PENALTY_STEPS):
            known, residual = _newton(replace(stage, gamma=stage.gamma * 10**exponent), loss, alpha, known)
        assert known is not None
        state = known
    if not residual < TOLERANCE:
        raise ArithmeticError(
            f"the fixed point for the {loss.name} loss did not settle at alpha = {alpha:g} (relative residual {residual:.3g}, "
            f"wanted {TOLERANCE:g}). Choose a larger penalty or a smaller |alpha|."
        )
    return state


def _newton(stage: Stage, loss: Loss, alpha: float, start: FixedPoint | None) -> tuple[FixedPoint, float]:
    """Newton's method in x = (m/√V, log V, log v), and the residual it ends with.

    Where its step does not bring the residual down, it is halved, and after that replaced by the plain update.
    """
    x = _candidates(stage, alpha, start)
    F, state = _residual(stage, loss, alpha, x)
    best = int(np.argmin(_size(F)))
    x, F, state = x[:, best], F[:, best], state[:, best]
    for _ in range(NEWTON_STEPS):
        size = _size(F)
        if size < TOLERANCE or not np.isfinite(size):
            break
        shifted, _ = _residual(stage, loss, alpha, x[:, None] + DIFFERENCE * np.eye(3))
        try:
            step = np.linalg.solve((shifted - F[:, None]) / DIFFERENCE, -F)
        except np.linalg.LinAlgError:
            step = F
        # No quantity has any business jumping further than this in one step.
        step *= min(1.0, LONGEST_STEP / float(np.abs(step).max()))
        trials = x[:, None] + step[:, None] * 0.5 ** np.arange(HALVINGS)
        for trial in (*trials.T, x + F):
            F_trial, state_trial = _residual(stage, loss, alpha, trial[:, None])
            if _size(F_trial)[0] < size:
                break
        x, F, state = trial, F_trial[:, 0], state_trial[:, 0]
    return FixedPoint(*map(float, state)), float(_size(F))


def _residual(stage: Stage, loss: Loss, alpha: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the updates of states x (3, S) are from them, and those states themselves, (6, S)."""
    V, v = np.exp(x[1]), np.exp(x[2])
    m = x[0] * np.sqrt(V)
    new = update(stage, loss, alpha, m, V, v)
    with np.errstate(divide="ignore", invalid="ignore"):  # a hinge may leave no force at all: V = 0
        return np.stack([new[0] / np.sqrt(new[1]), np.log(new[1]), np.log(new[2])]) - x, np.stack(new)


def _size(F: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.abs(F), nan=np.inf).max(axis=0)


def _candidates(stage: Stage, alpha: float, start: FixedPoint | None) -> np.ndarray:
    """Where to start from, (3, S): the squared loss' state, αw̃ unchanged by training, and the state at a neighbouring α."""
    f = stage.functionals
    score = score_form(f).moments(alpha)
    # κ = γ(1 + v) there.
    rows = [(score.mean, score.variance, f.kappa / stage.gamma - 1)]
    untrained = alpha * alpha * (stage.w2 @ stage.eigenvalues)
    if untrained > 0:
        rows.append((alpha * stage.mu_w.sum(), untrained, stage.eigenvalues @ stage.count / (stage.n * stage.gamma)))
    if start is not None:
        rows.append((start.m, start.V, start.v))
    m, V, v = np.array(rows).T
    return np.stack([m / np.sqrt(V), np.log(V), np.log(v)])


def along(stage: Stage, loss: Loss, alphas: np.ndarray) -> list[FixedPoint]:
    """The states at alphas (A,), each started from the nearest smaller |α|."""
    states: list[FixedPoint | None] = [None] * len(alphas)
    order = np.argsort(np.abs(alphas), kind="stable")
    previous: dict[bool, FixedPoint] = {}
    for i in order:
        side = bool(alphas[i] < 0)
        state = fixed_point(stage, loss, float(alphas[i]), previous.get(side, previous.get(not side)))
        states[i] = previous[side] = state
    return states  # type: ignore[return-value]


def source_anchor(problem: TransferProblem, loss: Loss) -> Anchor:
    r"""The law of a trained source: f and g of w̄ = f∘μ̃, Ω̃ = diag(g).

    .. math:: \bar{\tilde w} = \hat m S μ̃, \quad Ω̃ = \hat q\, SCS; \qquad
              \text{squared: } \bar{\tilde w} = (1-m) R μ̃, \quad Ω̃ = \tfrac{σ^2}{N} RCR
    """
    if problem.is_isotropic:
        lam, count, mu2 = np.ones(1), np.array([float(problem.dim)]), np.array([float(problem.mean_products[0])])
    else:
        geometry = problem.geometry
        assert geometry is not None and geometry.cov_source is not None and geometry.mean_source is not None
        lam = geometry.cov_source.eigenvalues
        count, mu2 = np.ones(len(lam)), geometry.cov_source.to_eigenbasis(geometry.mean_source) ** 2
    n, gamma = float(problem.n_source), float(problem.gamma_source)
    zero = np.zeros_like(lam)
    stage = Stage(lam, count, mu2, zero, zero, n, gamma)
    if is_squared(loss):
        f = stage.functionals
        e, sigma2 = unanchored(f)
        R = 1 / (lam + f.kappa)
        return Anchor(e * R, sigma2 / n * lam * R * R)
    need_penalty("source", gamma, loss)
    state = fixed_point(stage, loss, 0.0)
    S = 1 / (state.chi * lam + gamma)
    return Anchor(state.m_hat * S, state.q_hat * lam * S * S)


def target_stage(problem: TransferProblem, source_loss: Loss) -> Stage:
    """The target's stage of a scalar problem, its anchor trained with the source's loss (or given)."""
    n, gamma = float(problem.n_target), float(problem.gamma_target)
    anchor = source_anchor(problem, source_loss) if problem.has_trained_source else None
    geometry = problem.geometry
    if problem.is_isotropic:
        uu, uv, vv = (np.array([float(product)]) for product in problem.mean_products)
        count = np.array([float(problem.dim)])
        if anchor is not None:
            uv, uu = uv * anchor.mean, uu * anchor.mean**2 + count * anchor.noise
        return Stage(np.ones(1), count, vv, uv, uu, n, gamma)
    assert geometry is not None
    target = geometry.cov_target
    mu, mu_source = geometry.mean_coordinates
    if anchor is None:
        assert geometry.w_source is not None
        w, noise = target.to_eigenbasis(geometry.w_source), 0.0
    else:
        source = geometry.cov_source
        assert source is not None
        T, O = target.transition(source), target.overlap(source)
        trained = anchor.mean * mu_source
        w, noise = (trained, anchor.noise) if T is None or O is None else (T @ trained, O @ anchor.noise)
    return Stage(target.eigenvalues, np.ones(len(mu)), mu * mu, mu * w, w * w + noise, n, gamma)


def loss_moments(problem: TransferProblem, alpha: Any, loss: Loss, source_loss: Loss) -> Moments:
    """The moments at α (broadcasts against the problem's arrays) under any two losses."""
    alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
    shape, pieces = problem.cells_along(alpha)
    mean, variance = np.empty(shape), np.empty(shape)
    for place, cell, alphas in pieces:
        stage = target_stage(cell, source_loss)
        if is_squared(loss):
            score = score_form(stage.functionals).moments(alphas)
            mean[place], variance[place] = score.mean, score.variance
            continue
        need_penalty("target", stage.gamma, loss)
        states = along(stage, loss, alphas.ravel())
        mean[place] = np.reshape([s.m for s in states], alphas.shape)
        variance[place] = np.reshape([s.V for s in states], alphas.shape)
    return moments(mean, variance)


def need_penalty(stage: str, gamma: float, loss: Loss) -> None:
    if gamma <= 0:
        raise ValueError(
            f"gamma_{stage} must be positive under the {loss.name} loss, got {gamma:g}: without a penalty the weights may be "
            f"undetermined or infinite. Choose gamma_{stage} > 0."
        )
