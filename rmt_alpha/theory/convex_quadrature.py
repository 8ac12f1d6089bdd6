r"""What a convex loss does to a Gaussian margin: the expectations of its fixed point, and their derivatives.

A sample that was left out has margin ω ~ N(m, V); trained on, it moves to z with z + vℓ'(z) = ω and pulls with the
force g(ω) = −ℓ'(z). A stage needs

.. math:: e_1 = E g, \quad e_2 = E g^2, \quad χ = -E g', \qquad g' = -\frac{ℓ''(z)}{1 + vℓ''(z)}

and, for Newton's method, their derivatives, which the same sums give: for any f, ∂_m E f = E f', ∂_V E f = E[f'
u]/2√V with u = (ω−m)/√V, and the force obeys Burgers' equation ∂_v g = g g'.

Quadrature is Gauss–Legendre on panels between which both the Gaussian and the loss are smooth. Where ℓ' is made of
straight lines (squared, hinges, Huber) so is g, and panels lie in ω. Else they lie in z, in which the loss is smooth
on its own scale whatever v and V, where a Gauss–Hermite rule in ω would meet kinks and crowded scales; ω = z + vℓ'(z)
is then explicit and no proximal map is ever solved for.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from .._arrays import jax, namespace
from ..problem import Loss, slopes_at_kinks

DEVIATIONS = np.linspace(-9.0, 9.0, 10)  # panel edges of the Gaussian
NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2
CLOSE = 0.3  # of a deviation: how near to them the panel edges have to be
BRACKET_STEPS, TRACED_STEPS = 60, 4

REACH = 60.0  # margins up to sinh 60 = 6·10²⁵
NEAR = 25.0  # up to where rounding in a panel's integrals hides nothing of a loss on the scale of one
RESOLVED = 1e-9  # relative error of a panel of the loss
ROUNDING = 1e-14  # of slopes, in units of that at 0
STEEP = 30.0  # ratio of ℓ'' within a panel
NEGLIGIBLE = 1e-16  # change of ℓ' over a panel, in units of ℓ'(0)
FINEST = 60  # halvings of a panel
STRAIGHT = 1e-12
DOUBLE = np.dtype(float)


@dataclass(frozen=True)
class Pieces:
    """Where a loss has to be cut: margins z, ascending, with ℓ' there; a kink at which ℓ' jumps is listed with both
    values.

    `lines` (pieces, 3) holds (z₀, ℓ'(z₀), ℓ'') of each piece where ℓ' is made of straight lines (a jump is one of
    infinite ℓ''), else None.
    """

    z: np.ndarray
    slope: np.ndarray
    lines: np.ndarray | None

    @cached_property
    def jumps(self) -> np.ndarray:
        """Which margins are followed by themselves."""
        return np.flatnonzero(np.diff(self.z) == 0)


@lru_cache(maxsize=256)
def pieces(loss: Loss, dtype: Any = DOUBLE) -> Pieces:
    """The pieces of a loss, found by halving panels until two halves agree with the whole. ArithmeticError if they
    never do.
    """
    if dtype != DOUBLE:
        z, slope, lines = dataclasses.astuple(pieces(loss))
        return Pieces(z.astype(dtype), slope.astype(dtype), None if lines is None else lines.astype(dtype))
    with np.errstate(all="ignore"):
        kinks, at, jump = slopes_at_kinks(loss)
        inner = np.concatenate([kinks, kinks[jump]])
        slopes = np.concatenate([at[0], at[1][jump]])
        order = np.lexsort((slopes, inner))
        inner, slopes = inner[order], slopes[order]
        ends = np.concatenate([[-REACH], np.arcsinh(kinks), [REACH]])
        lines = _lines(loss, ends, kinks, inner)
        if lines is not None:
            return Pieces(inner, slopes, lines)
        ends = np.union1d(ends, [-NEAR, 0.0, NEAR])
        cuts = [y for a, b in pairwise(ends) for y in _halved(loss, a, b, 0)]
        near, far = np.sinh([-NEAR, NEAR]), np.sinh([-REACH, REACH])
        bent = (loss.curvature(near) != 0) | (
            loss.slope(near) != loss.slope(far)
        )  # a straight end is part of its neighbour
        z = np.concatenate([far[:1], near[bent], np.sinh(cuts), far[1:]])
        z = z if 0.0 in kinks else np.append(z, 0.0)
        s, z = np.concatenate([loss.slope(z), slopes]), np.concatenate([z, inner])
        order = np.lexsort((s, z))
        return Pieces(z[order], s[order], None)


def _lines(loss: Loss, ends: np.ndarray, kinks: np.ndarray, inner: np.ndarray) -> np.ndarray | None:
    found = []
    for i, (a, b) in enumerate(pairwise(ends)):
        z = np.sinh(np.linspace(a, b, 41)[1:-1])
        slope, curvature = loss.slope(z), loss.curvature(z)
        z0 = z[np.argmin(np.abs(z))] if not len(kinks) else kinks[min(i, len(kinks) - 1)]
        nearest = np.argmin(np.abs(z - z0))
        s0, c = slope[nearest] + curvature[nearest] * (z0 - z[nearest]), curvature[nearest]
        if np.any(np.abs(curvature - c) > STRAIGHT * c):
            return None
        if np.any(np.abs(slope - (s0 + c * (z - z0))) > STRAIGHT * (np.abs(s0) + c * np.abs(z - z0) + STRAIGHT)):
            return None
        found.append((z0, s0, c))
        if i < len(kinks) and np.count_nonzero(inner == kinks[i]) == 2:
            found.append((kinks[i], 0.0, np.inf))
    return np.array(found)


def _halved(loss: Loss, a: float, b: float, depth: int) -> list[float]:
    """The inner edges, in asinh z, of panels between a and b."""
    middle = (a + b) / 2
    (whole, missed, steep), (left, *_), (right, *_) = (
        _panel(loss, *np.sinh(ends)) for ends in ((a, b), (a, middle), (middle, b))
    )
    if not np.all(np.isfinite(whole)):
        raise ArithmeticError(
            f"the {loss.name} loss grows too fast: its slope, squared, must be a number at margins up to {np.sinh(REACH):.0e} in size, "
            f"and is none between {np.sinh(a):.0e} and {np.sinh(b):.0e}. Take one that grows like a power; simulate(…) takes this one."
        )
    rounding = ROUNDING * (np.sinh(b) - np.sinh(a))
    agree = np.abs(whole - left - right) <= RESOLVED * (np.abs(left) + np.abs(right)) + rounding
    if not steep and np.all(agree) and missed <= RESOLVED * abs(whole[1]) + ROUNDING + rounding:
        return []
    if depth == FINEST:
        raise ArithmeticError(
            f"the {loss.name} loss is not smooth near the margin {np.sinh(middle):g}. "
            f"List the places where slope or curvature jump in its kinks."
        )
    return [*_halved(loss, a, middle, depth + 1), middle, *_halved(loss, middle, b, depth + 1)]


def _panel(loss: Loss, a: float, b: float) -> tuple[np.ndarray, float, bool]:
    """Integrals of ℓ', ℓ'', and their squares and product over a panel, in units of ℓ'(0); by how much ∫ℓ'' misses
    the difference of ℓ'; and whether ℓ'' falls steeply: vℓ' may then cross the whole Gaussian within the panel, for
    some v.
    """
    unit = -loss.slope(np.zeros(1))[0]
    z = np.concatenate(
        [
            a + (b - a) * NODES,
            [a + min(1e-12 * (b - a), 1e-9 * (1 + abs(a))), b - min(1e-12 * (b - a), 1e-9 * (1 + abs(b)))],
        ]
    )
    ends, s, c = loss.slope(z)[-2:] / unit, loss.slope(z)[:-2] / unit, loss.curvature(z)[:-2] / unit
    integrals = (b - a) * np.array([s @ WEIGHTS, c @ WEIGHTS, (s * s) @ WEIGHTS, (c * c) @ WEIGHTS, (s * c) @ WEIGHTS])
    steep = c.max() > STEEP * c.min() and c.max() * (b - a) > NEGLIGIBLE
    return integrals, abs(ends[1] - ends[0] - integrals[1]), bool(steep)


@lru_cache
def _rule(dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deviations, nodes and weights in a precision: traced in two, JAX would take a constant of the one for the other."""
    return DEVIATIONS.astype(dtype), NODES.astype(dtype), WEIGHTS.astype(dtype)


def expectations(loss: Loss, m: Any, V: Any, v: Any) -> tuple[Any, Any, Any]:
    """(e₁, e₂, χ) as (B, 3), their derivatives by (m, V, v) as (B, 3, 3), and the probability that quadrature found
    (B,), at states (B,). That misses 1 by the rounding of m in units of √V, too.
    """
    xp = namespace(m, V, v)
    s = xp.sqrt(V)
    parts = pieces(loss, s.dtype)
    g, u, *weights = (_straight if parts.lines is not None else _smooth)(xp, loss, parts, m, s, v)
    gauss, dot = u * u, xp.vecdot
    gauss *= -0.5
    gauss = xp.exp(gauss)
    weight, bend = (w * gauss for w in weights)
    bend_u, bend_g = bend * u, bend * g
    g1, g2 = dot(weight, g), dot(weight * g, g)
    d0, gd0, ggd = xp.sum(bend, 1), dot(bend, g), dot(bend_g, g)
    d1, gd1, d2 = dot(bend, u), dot(bend_u, g), dot(bend_u, u)
    by_V = d1 / (2 * s)
    slope = gd1 / s
    derivatives = [d0, by_V, gd0, 2 * gd0, slope, 2 * ggd, -2 * by_V, (d0 - d2) / (2 * V), -slope]
    values, derivatives = (xp.array(x).T for x in ([g1, g2, -d0], derivatives))
    return values, xp.reshape(derivatives, (-1, 3, 3)), xp.sum(weight, 1)


def _straight(xp: Any, loss: Loss, parts: Pieces, m: Any, s: Any, v: Any) -> tuple[Any, Any, Any, Any]:
    """Force g, u, and the weights of a mean and of g' (both but for e^{−u²/2}) at nodes in ω, all (B, nodes)."""
    assert parts.lines is not None
    z0, s0, c = parts.lines.T
    deviations, nodes, weights = _rule(s.dtype)
    m, s, v = (x[:, None] for x in (m, s, v))
    gaussian = m + s * deviations
    cuts = parts.z + v * parts.slope
    edges = xp.sort(xp.concatenate([gaussian, xp.minimum(xp.maximum(cuts, gaussian[:, :1]), gaussian[:, -1:])], 1), 1)
    a, width = edges[:, :-1], edges[:, 1:] - edges[:, :-1]
    piece = xp.sum((a + width / 2)[..., None] > cuts[:, None, :], -1)  # (B, panels)
    row = np.arange(len(m))[:, None]
    with np.errstate(divide="ignore"):
        slope = (-1 / (1 / c + v))[row, piece]
        level = (-s0 / (1 + v * c))[row, piece]
    first = level + slope * (a - xp.asarray(z0)[piece])  # the force where a panel begins
    each = lambda x, y: x[..., None] * y  # noqa: E731 (panels, nodes)
    weight = each(width / (s * np.sqrt(2 * np.pi)), weights)
    at_nodes = first[..., None] + each(slope * width, nodes), ((a - m) / s)[..., None] + each(width / s, nodes)
    return tuple(xp.reshape(x, (len(m), -1)) for x in (*at_nodes, weight, each(slope, 1.0) * weight))


def _smooth(xp: Any, loss: Loss, parts: Pieces, m: Any, s: Any, v: Any) -> tuple[Any, Any, Any, Any]:
    """The same at nodes in z; where ℓ' jumps, z stands still and ω goes on."""
    _, nodes, weights = _rule(s.dtype)
    if xp is not np:
        m0, s0, v0 = (jax.lax.stop_gradient(x) for x in (m, s, v))
        edges, jumps = _edges(xp, loss, parts, m0, s0, v0)
    else:
        edges, jumps = _edges(xp, loss, parts, m, s, v)
    m, s, v = (x[:, None] for x in (m, s, v))
    a, width = edges[:, :-1], edges[:, 1:] - edges[:, :-1]
    z = xp.reshape(a[:, None] + width[:, None] * nodes[:, None], (len(m), -1))
    slope, curvature = loss.slope(z), loss.curvature(z)
    u = v * slope
    u += z
    u -= m
    u /= s
    scale = 1 / (s * np.sqrt(2 * np.pi))
    weight = xp.reshape((width * scale)[:, None] * weights[:, None], z.shape)
    bend = -curvature * weight  # of g' times the stretch of ω against z, by which g' is divided
    weight -= v * bend
    g = -slope
    if jumps is None:
        return g, u, weight, bend
    k, low, high = (x[..., None] for x in jumps)  # a still z: ω from low to high, (B, plateaus)
    omega = low + (high - low) * nodes
    share, v = (high - low) * scale[..., None] * weights, v[..., None]
    still = (k - omega) / v, (omega - m[..., None]) / s[..., None], share, -share / v
    return tuple(
        xp.concatenate([x, xp.reshape(y, (len(m), -1))], 1) for x, y in zip((g, u, weight, bend), still, strict=True)
    )


def _edges(xp: Any, loss: Loss, parts: Pieces, m: Any, s: Any, v: Any) -> tuple[Any, Any]:
    """Panel edges in z (B, E), and the plateaus where ℓ' jumps."""
    omega = m[:, None] + s[:, None] * _rule(s.dtype)[0]
    cuts = parts.z + v[:, None] * parts.slope  # (B, Q), ascending
    below = xp.sum(cuts[:, None, :] < omega[..., None], -1)  # (B, D)
    Q = len(parts.z)
    lo, hi = xp.maximum(below - 1, 0), xp.minimum(below, Q - 1)
    knots = xp.asarray(parts.z)
    low, high = knots[lo], knots[hi]
    row = np.arange(len(m))[:, None]
    w_low, w_high = cuts[row, lo], cuts[row, hi]
    share = (omega - w_low) / xp.where(w_high > w_low, w_high - w_low, 1.0)
    z = xp.minimum(xp.maximum(low + (high - low) * share, low), high)

    def closer(_: Any, state: Any) -> Any:
        low, high, z, f = state
        low, high = xp.where(f < 0, z, low), xp.where(f > 0, z, high)
        newton = z - f / (1 + v[:, None] * loss.curvature(z))
        z = xp.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        return low, high, z, z + v[:, None] * loss.slope(z) - omega

    # Need not be exact: an edge at nearly 9 deviations is as good.
    bracket = (low, high, z, z + v[:, None] * loss.slope(z) - omega)
    if xp is np:
        for i in range(BRACKET_STEPS):
            if np.all(np.abs(bracket[-1]) <= CLOSE * s[:, None]):
                break
            bracket = closer(i, bracket)
    else:
        bracket = jax.lax.fori_loop(0, TRACED_STEPS, closer, bracket)
    z = xp.sort(bracket[2], 1)
    if xp is np:  # but for as many as lie within in any row
        first, last = np.searchsorted(knots, z[:, 0]), np.searchsorted(knots, z[:, -1])
        knots = knots[np.minimum(first[:, None] + np.arange((last - first).max()), Q - 1)]
    edges = xp.sort(xp.concatenate([z, xp.minimum(xp.maximum(knots, z[:, :1]), z[:, -1:])], 1), 1)
    if not len(parts.jumps):
        return edges, None
    bounds = omega[:, :1], omega[:, -1:]
    # Fine enough for the Gaussian: each plateau in as many parts as it has panels.
    ends = [
        xp.sort(xp.concatenate([xp.clip(omega, *(xp.clip(cuts[:, [j + e]], *bounds) for e in (0, 1)))], 1), 1)
        for j in parts.jumps
    ]
    low = xp.concatenate([e[:, :-1] for e in ends], 1)
    high = xp.concatenate([e[:, 1:] for e in ends], 1)
    k = xp.concatenate(
        [xp.broadcast_to(xp.asarray(parts.z[j]), e[:, 1:].shape) for j, e in zip(parts.jumps, ends, strict=True)], 1
    )
    return edges, (k, low, high)
