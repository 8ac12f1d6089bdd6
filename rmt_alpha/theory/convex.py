r"""Any convex loss: the law of a trained classifier as a fixed point.

A stage fits w = argmin (1/n) Σ ℓ(yᵢ(xᵢᵀw + b)) + (γ/2)‖w − a‖² on n samples of a mixture, from an anchor a = Σ α_s
w̃_s of known law. With the margin's law in component k, N(m_k + b, V_k), its leverage v_k, and E over component and
label seen,

.. math::
    \hat m_k = π_k E_k[y\, g], \quad \hat q_k = π_k E_k[g^2]/n, \quad χ_k = -π_k E_k[g'] \qquad (g \text{ the force of } y(x^T w + b)) \\
    w = S\Big(\sum_k \hat m_k μ_k + γ a + \sum_k \sqrt{\hat q_k}\, C_k^{1/2} ξ_k\Big), \quad S = \Big(\sum_k χ_k C_k + γ\Big)^{-1} \\
    m_k = μ_k^T E w, \quad V_k = E\,w^TC_kw, \quad v_k = \mathrm{tr}(C_kS)/n, \quad \sum_k \hat m_k = 0 \text{ with an intercept}.

The squared loss gives χ = 1/(1+v), κ = γ/χ, and with them the closed form of `stage`. Sources: Loureiro et al., arXiv
2106.03791 (Gaussian mixtures, any convex loss); Dhifallah & Lu, arXiv 2101.01918 (transfer, where the penalty pulls
to the source); theory.md, section 5.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import asarray, jax, namespace
from ..problem import Covariance, Fit, Loss, Population, TransferProblem, is_squared
from . import equivalents, stage
from .convex_quadrature import expectations
from .resolvent import Dense, Law, Spectral, pick

TOLERANCE = 1e-10
STEPS = 80
LONGEST_STEP = 3.0
SHORTEST_STEP = 1e-3
LOST = 1e-7  # probability that quadrature may lose
# Paths in the penalty, from 10⁴ times its value: each finer than the one before.
FARTHEST_PENALTY = 4.0
PENALTY_PATHS = (8, 16, 32)


@dataclass(frozen=True, eq=False)
class Labels:
    """The label that training sees: y = ±1 with probability π_k (1 ± T_k)/2 in component k. `shared`: one covariance
    for all.
    """

    weight: Any  # (K, 2)
    shared: bool
    intercept: bool

    @classmethod
    def of(cls, population: Population, intercept: bool) -> Labels:
        xp = namespace(population.priors, population.codes)
        code = asarray(xp, population.codes)[:, 0]
        weight = asarray(xp, population.priors)[:, None] * xp.stack([1 + code, 1 - code], 1) / 2
        return cls(weight, population.has_one_covariance, intercept)

    @property
    def components(self) -> int:
        return len(self.weight)

    @cached_property
    def tables(self) -> tuple[Any, ...]:
        """Component and sign of each label that occurs (P,), and what sums over them and changes variables; see
        `residual`.
        """
        K, Kc = self.components, 1 if self.shared else self.components
        known = namespace(self.weight) is np
        pairs = [(k, y) for k in range(K) for y in (0, 1) if not known or self.weight[k, y] > 0]
        k, y = np.array([pair[0] for pair in pairs]), np.array([1.0 - 2.0 * pair[1] for pair in pairs])
        own = np.zeros(K, int) if self.shared else np.arange(K)  # which variance is whose
        by_component, by_variance = np.eye(K)[k], np.eye(Kc)[own[k]]
        spread = [by_component, by_variance, by_variance]  # of (m̂, q̂, χ), and of (m + b, V, v)
        size = [K, Kc, Kc]
        place = np.cumsum([0, *size])
        values = np.zeros((3, len(k), place[-1]))
        slopes = np.zeros((3, 3, len(k), place[-1], place[-1]))
        for i in range(3):
            sign = y if i == 0 else np.ones_like(y)
            values[i, :, place[i] : place[i + 1]] = sign[:, None] * spread[i]
            for j in range(3):
                both = sign * y if j == 0 else sign
                block = both[:, None, None] * spread[i][:, :, None] * spread[j][:, None, :]
                slopes[i, j, :, place[i] : place[i + 1], place[j] : place[j + 1]] = block
        D = place[-1] + self.intercept
        change = np.zeros((place[-1] + Kc + 1, place[-1], D))  # of (m/2, V, v, √V, b/2)
        for c in range(K):
            change[c, c, K + own[c]] = 1
            change[place[-1] + own[c], c, c] = 1
            if self.intercept:
                change[-1, c, K] += 1
                change[place[-1], c, -1] = 1
        for c in range(K, place[-1]):
            change[c, c, c] = 1
        weight = self.weight[k, np.array([pair[1] for pair in pairs])]
        values = values * weight[:, None]
        slopes = slopes * weight[:, None, None]
        return (
            k,
            y,
            own,
            values.reshape(-1, place[-1]),
            slopes.reshape(-1, place[-1] ** 2),
            change.reshape(len(change), -1),
        )


class Diagonal:
    """What a training sees of means and anchor where one covariance is shared: their products within each eigenspace, for B problems.

    | field | shape | meaning |
    |---|---|---|
    | `lam`, `count` | (r,), (B or 1, r) | eigenvalues λ and their multiplicities |
    | `mm` | (B or 1, K, K, r) | μ_k·μ_l within each |
    | `ma` | (B, K, r) | μ_k·E a |
    | `aa` | (B, r) | E‖a‖² |
    """

    fields = ("count", "mm", "ma", "aa", "n", "gamma")
    at_once = 256  # rows whose quadrature fits into a processor's cache

    def __init__(self, lam: Any, count: Any, mm: Any, ma: Any, aa: Any, n: Any, gamma: Any):
        self.lam, self.count, self.mm, self.ma, self.aa, self.n, self.gamma = lam, count, mm, ma, aa, n, gamma
        self.xp = namespace(lam, mm, ma, aa, n, gamma)

    def take(self, rows: Any) -> Diagonal:
        return Diagonal(self.lam, *(x if len(x) == 1 else x[rows] for x in (getattr(self, f) for f in self.fields)))

    def with_gamma(self, gamma: Any) -> Diagonal:
        return Diagonal(self.lam, self.count, self.mm, self.ma, self.aa, self.n, gamma)

    def update(self, m_hat: Any, q_hat: Any, chi: Any) -> tuple[Any, Any]:
        """(m, V, v), (B, K + 2), of (m̂, q̂, χ), and the Jacobian (B, K + 2, K + 2)."""
        xp, lam, gamma = self.xp, self.lam, self.gamma[:, None]
        S = 1 / (chi * lam + gamma)  # (B, r)
        SCS = S * lam * S
        third = 2 * SCS * lam * S
        on_pairs = lambda f: xp.sum(self.mm * f[:, None, None, :], -1)  # noqa: E731
        on_anchor = lambda f: xp.sum(self.ma * f[:, None, :], -1)  # noqa: E731
        on_square = lambda f: xp.sum(self.aa * f, -1)[:, None]  # noqa: E731
        times = lambda A, x: xp.sum(A * x[:, None, :], -1)  # noqa: E731
        on_noise = lambda f: xp.sum(self.count * f, -1)[:, None]  # noqa: E731
        mm, pulled = on_pairs(S), times(on_pairs(SCS), m_hat) + gamma * on_anchor(SCS)  # (B, K, K), (B, K)
        m = times(mm, m_hat) + gamma * on_anchor(S)
        inner = lambda f: (  # noqa: E731  (hᵀ f h with h = Σ m̂μ + γa)
            xp.sum(m_hat * (times(on_pairs(f), m_hat) + 2 * gamma * on_anchor(f)), -1, keepdims=True)
            + gamma**2 * on_square(f)
        )
        fresh = on_noise(lam * SCS)
        V = inner(SCS) + q_hat * fresh
        v = on_noise(lam * S) / self.n[:, None]
        dV = -inner(third) - q_hat * on_noise(lam * third)
        zero = xp.zeros_like(m)
        column = lambda x: x[:, :, None]  # noqa: E731
        row = lambda *x: xp.concatenate(x, 1)[:, None, :]  # noqa: E731
        jacobian = xp.concatenate([
            xp.concatenate([xp.broadcast_to(mm, (len(m), *mm.shape[1:])), column(zero), column(-pulled)], 2),
            row(2 * pulled, fresh, dV),
            row(zero, xp.zeros_like(v), -fresh / self.n[:, None]),
        ], 1)  # fmt: skip
        return xp.concatenate([m, V, v], 1), jacobian

    def squared(self, labels: Labels, unit: float) -> Any:
        """The state under the squared loss unit·(1−t)²/2: (m, V, v, b). The closed form of `stage`."""
        xp = self.xp
        gamma = self.gamma / unit
        if len(self.lam) == 1:
            lam = asarray(xp, self.lam)[0]
            kappa, h, rest = equivalents.isotropic(self.count[:, 0] / self.n, gamma / lam)
            kappa = kappa * lam
        else:
            kappa, h, rest = equivalents.general(self.lam, self.n, gamma)
        kappa = kappa[:, None]
        R = 1 / (self.lam + kappa)
        RCR = R * self.lam * R
        priors = xp.sum(labels.weight, 1)
        codes = (labels.weight[:, 0] - labels.weight[:, 1]) / priors
        b = xp.sum(priors * codes) if labels.intercept else 0.0
        gram, pull = (xp.sum(self.mm * f[:, None, None, :], -1) for f in (R, RCR))
        right = codes - b - kappa * xp.sum(self.ma * R[:, None, :], -1)
        E = xp.linalg.solve(xp.eye(len(codes)) + gram * priors, right[..., None])[..., 0]
        e = E * priors
        within = xp.sum(e * (xp.sum(pull * e[:, None, :], -1) + 2 * kappa * xp.sum(self.ma * RCR[:, None, :], -1)), -1)
        within = within + kappa[:, 0] ** 2 * xp.sum(self.aa * RCR, -1)
        missed = xp.sum(priors * (E**2 + 1 - codes**2), -1)
        V = (within + rest * missed) / h
        return codes - b - E, V[:, None], kappa / gamma[:, None] / unit - 1 / unit, b

    def untrained(self) -> Any:
        """The state where training changes nothing: (m, V, v)."""
        xp = self.xp
        v = xp.sum(self.count * self.lam, -1) / (self.n * self.gamma)
        return xp.sum(self.ma, -1), xp.sum(self.aa * self.lam, -1)[:, None], v[:, None]


def residual(system: Any, labels: Labels, loss: Loss, x: Any) -> tuple[Any, Any, Any]:
    """How far the update of states x (B, D) is from them, its Jacobian (B, D, D), and (m̂, q̂, χ), (B, K + 2Kc).

    x = (m_k/√V_k, log V_k, log v_k, b/√V_1).
    """
    xp, K = namespace(x), labels.components
    Kc = 1 if labels.shared else K
    D, B = K + 2 * Kc, len(x)
    k, y, own, values, slopes, change = labels.tables
    V, v = xp.exp(x[:, K : K + Kc]), xp.exp(x[:, K + Kc : D])
    s = xp.sqrt(V)
    b = x[:, D:] * s[:, :1] if labels.intercept else xp.zeros((B, 1))
    m = x[:, :K] * s[:, own]
    margin, which = y * (m + b)[:, k], own[k]
    e, de, lost = expectations(loss, *(xp.reshape(a, (-1,)) for a in (margin, V[:, which], v[:, which])))
    scale = xp.concatenate([xp.ones((B, K)), xp.broadcast_to(1 / system.n[:, None], (B, Kc)), xp.ones((B, Kc))], 1)
    hat = (xp.reshape(xp.moveaxis(xp.reshape(e, (3, B, -1)), 1, 0), (B, -1)) @ values) * scale  # (m̂, q̂, χ)
    by_state = (
        xp.reshape(xp.reshape(xp.moveaxis(xp.reshape(de, (9, B, -1)), 1, 0), (B, -1)) @ slopes, (B, D, D))
        * scale[:, :, None]
    )
    to_x = xp.reshape(xp.concatenate([m / 2, V, v, s, b / 2], 1) @ change, (B, D, -1))
    m_hat, q_hat, chi = hat[:, :K], hat[:, K : K + Kc], hat[:, K + Kc :]
    new, outer = system.update(m_hat, q_hat, chi)
    hats = by_state @ to_x
    jacobian = outer @ hats  # of (m', V', v') by x
    new_m, new_V, new_v = new[:, :K], new[:, K : K + Kc], new[:, K + Kc :]
    new_s = xp.sqrt(new_V)[:, own]
    dV = jacobian[:, K : K + Kc] / new_V[:, :, None]
    parts = [new_m / new_s - x[:, :K], xp.log(new_V) - x[:, K : K + Kc], xp.log(new_v) - x[:, K + Kc : D]]
    steps = [
        jacobian[:, :K] / new_s[:, :, None] - (new_m / new_s / 2)[:, :, None] * dV[:, own],
        dV,
        jacobian[:, K + Kc :] / new_v[:, :, None],
    ]
    J = xp.concatenate(steps, 1)
    J = J - np.eye(D, J.shape[2])
    if labels.intercept:  # Newton's step of b itself, in units of √V
        unit = 1 / (xp.sum(chi, 1) * s[:, 0])
        parts.append((xp.sum(m_hat, 1) * unit)[:, None])
        J = xp.concatenate([J, xp.sum(hats[:, :K], 1)[:, None, :] * unit[:, None, None]], 1)
    F = xp.concatenate(parts, 1)
    F = xp.where(xp.max(xp.reshape(lost, (B, -1)), 1)[:, None] < LOST, F, xp.nan)
    return F, J, hat


def _size(F: Any) -> Any:
    xp = namespace(F)
    size = xp.max(xp.abs(F), axis=1)
    return xp.where(xp.isfinite(size), size, xp.inf)


def _direction(xp: Any, F: Any, J: Any) -> Any:
    """Newton's step, no quantity by more than it has any business to jump; the plain update where there is none."""
    fine = xp.isfinite(xp.sum(J, (1, 2))) & xp.isfinite(xp.sum(F, 1))
    J, F = xp.where(fine[:, None, None], J, np.eye(J.shape[1])), xp.where(fine[:, None], F, 0.0)
    try:
        step = -xp.linalg.solve(J, F[..., None])[..., 0]
    except np.linalg.LinAlgError:
        step = -(np.linalg.pinv(J) @ F[..., None])[..., 0]
    step = xp.where(xp.isfinite(step), step, F)
    return step * xp.minimum(1.0, LONGEST_STEP / xp.maximum(xp.max(xp.abs(step), axis=1), 1e-300))[:, None]


def newton(system: Any, labels: Labels, loss: Loss, candidates: list[Any]) -> tuple[Any, Any]:
    """States (B, D) and the residuals that they end with, from the best of the candidates in each row.

    Where Newton's step does not bring the residual down it is halved, and after that replaced by the plain update. A candidate
    that cannot be evaluated loses.
    """
    xp = namespace(*candidates)
    if xp is not np:
        return _newton_jax(system, labels, loss, candidates)
    with np.errstate(all="ignore"):
        x, F, J = _best(system, labels, loss, candidates)
        size, scale = _size(F), np.ones(len(x))
        step = _direction(np, F, J)
        for _ in range(STEPS):
            rows = np.flatnonzero((size >= TOLERANCE) & np.isfinite(size))
            if not len(rows):
                break
            trial = x[rows] + scale[rows, None] * step[rows]
            part = system if len(rows) == len(x) else system.take(rows)
            new_F, new_J, _ = residual(part, labels, loss, trial)
            new_size = _size(new_F)
            # Past the shortest step anything is taken that can be evaluated: the plain update, which got its own trial.
            better = (new_size < size[rows]) | ((scale[rows] == -1) & np.isfinite(new_size))
            taken = rows[better]
            x[taken], F[taken], size[taken], scale[taken] = trial[better], new_F[better], new_size[better], 1.0
            step[taken] = _direction(np, new_F[better], new_J[better])
            stuck = rows[~better]
            scale[stuck] = np.where(scale[stuck] > 0, scale[stuck] / 2, scale[stuck])
            plain = stuck[np.abs(scale[stuck]) < SHORTEST_STEP]
            step[plain], scale[plain] = -F[plain] / 2, -1.0
            size[rows[~better & (new_size == np.inf) & (scale[rows] == -1) & ~np.isin(rows, plain)]] = np.inf
    return x, size


def _best(system: Any, labels: Labels, loss: Loss, candidates: list[Any]) -> tuple[Any, Any, Any]:
    found = [residual(system, labels, loss, x)[:2] for x in candidates]
    if len(found) == 1:
        return candidates[0], *found[0]
    xp = namespace(*candidates)
    best = xp.argmin(xp.stack([_size(F) for F, _ in found]), 0)
    choose = lambda arrays: xp.stack(arrays)[best, np.arange(len(best))]  # noqa: E731
    return choose(candidates), choose([F for F, _ in found]), choose([J for _, J in found])


def _newton_jax(system: Any, labels: Labels, loss: Loss, candidates: list[Any]) -> tuple[Any, Any]:
    """The same on constants; then two steps at the root carry the first and second derivatives (see `_arrays.root`)."""
    xp, stop = namespace(*candidates), jax.lax.stop_gradient
    frozen = copy.copy(system)
    for name in system.fields:
        setattr(frozen, name, stop(getattr(system, name)))
    frozen.lam = stop(system.lam)
    still = dataclasses.replace(labels, weight=stop(labels.weight))
    tolerance = max(TOLERANCE, 64 * float(xp.finfo(xp.result_type(float)).eps))

    def go_on(state: Any) -> Any:
        size, count = state[2], state[-1]
        return (count == 0) | (count < STEPS) & xp.any((size >= tolerance) & xp.isfinite(size))

    def turn(state: Any) -> Any:
        x, F, size, step, scale, count = state
        trial = x + xp.abs(scale)[:, None] * step
        new_F, new_J, _ = residual(frozen, still, loss, trial)
        new_size = _size(new_F)
        better = ((new_size < size) | ((scale < 0) & xp.isfinite(new_size))) & (size >= tolerance)
        keep = lambda new, old: xp.where(better[:, None] if new.ndim == 2 else better, new, old)  # noqa: E731
        shorter = scale / 2
        plain = (shorter < SHORTEST_STEP) & ~better
        next_step = xp.where(plain[:, None], F / 2, keep(_direction(xp, new_F, new_J), step))
        return (
            keep(trial, x),
            keep(new_F, F),
            keep(new_size, size),
            next_step,
            xp.where(plain, -1.0, keep(xp.ones_like(scale), shorter)),
            count + 1,
        )

    # Each piece of the computation is compiled once: the start in the loop's first turn, the two last steps as one scan.
    x = stop(candidates[0])
    size = xp.full(len(x), xp.inf)
    x, _, size, *_ = jax.lax.while_loop(
        go_on, turn, (x, xp.zeros_like(x), size, xp.zeros_like(x), xp.ones_like(size), 0)
    )

    def polish(x: Any, _: Any) -> Any:
        F, J, _ = residual(system, labels, loss, x)
        return x - xp.linalg.solve(J, F[..., None])[..., 0], None

    x, _ = jax.lax.scan(polish, stop(x), None, length=2)
    return xp.where((size < 1e3 * tolerance)[:, None], x, xp.nan), size


class Matrix:
    """The same where each component has a covariance of its own, or one that is known as a matrix only (JAX): O(K²p³) per row and step."""

    fields = ("C", "mu", "a", "omega", "n", "gamma")
    entries = 2e7  # of the matrices of all rows at once

    def __init__(self, C: Any, mu: Any, a: Any, omega: Any, n: Any, gamma: Any):
        self.C, self.mu, self.a, self.omega, self.n, self.gamma = C, mu, a, omega, n, gamma
        self.xp, self.lam = namespace(C, mu, a, omega, n, gamma), None

    @property
    def at_once(self) -> int:
        return max(1, int(self.entries / self.C.size))

    def take(self, rows: Any) -> Matrix:
        return Matrix(self.C, self.mu, self.a[rows], self.omega[rows], self.n[rows], self.gamma[rows])

    def with_gamma(self, gamma: Any) -> Matrix:
        return Matrix(self.C, self.mu, self.a, self.omega, self.n, gamma)

    def update(self, m_hat: Any, q_hat: Any, chi: Any) -> tuple[Any, Any]:
        xp, gamma = self.xp, self.gamma[:, None]
        p, C, mu = self.C.shape[-1], self.C, self.mu
        S = xp.linalg.inv(xp.tensordot(chi, C, axes=1) + gamma[..., None] * xp.eye(p))
        w = xp.einsum("bij,bj->bi", S, m_hat @ mu + gamma * self.a)
        S_mu, C_w = mu @ S, xp.swapaxes(w @ C, 0, 1)  # (B, K, p), (B, Kc, p)
        T = C @ S[:, None]  # C_kS
        G = S @ self.omega @ S
        turned = xp.swapaxes(T, -1, -2)
        P = xp.einsum("bkij,blij->bkl", T, turned)
        V = (
            xp.einsum("bki,bi->bk", C_w, w)
            + gamma**2 * xp.einsum("kij,bij->bk", C, G)
            + xp.einsum("bkl,bl->bk", P, q_hat)
        )
        v = xp.einsum("bkii->bk", T) / self.n[:, None]
        Q = xp.einsum("bl,blij->bij", q_hat, T)
        S_C_w = C_w @ S
        # ∂V_k/∂χ_j = −2 wᵀC_kSC_jw − 2γ² tr C_kSC_jG − 2 Σ q̂_l tr C_kSC_jSC_lS
        dV = S_C_w @ xp.swapaxes(C_w, 1, 2) + xp.einsum(
            "bkij,bjmi->bkm", T, xp.swapaxes(gamma[:, :, None, None] ** 2 * (C @ G[:, None]) + T @ Q[:, None], 1, 2)
        )
        by_m = S_mu @ xp.swapaxes(C_w, 1, 2)  # (B, K, Kc)
        zero = xp.zeros_like(by_m)
        jacobian = xp.concatenate([
            xp.concatenate([S_mu @ mu.T, zero, -by_m], 2),
            xp.concatenate([2 * xp.swapaxes(by_m, 1, 2), P, -2 * dV], 2),
            xp.concatenate([xp.swapaxes(zero, 1, 2), xp.zeros_like(P), -P / self.n[:, None, None]], 2),
        ], 1)  # fmt: skip
        return xp.concatenate([w @ mu.T, V, v], 1), jacobian


System = Diagonal | Matrix


def forces(labels: Labels, loss: Loss, n: Any) -> tuple[Any, Any, Any]:
    """(m̂, q̂, χ) of samples with margin 0."""
    xp = namespace(n, labels.weight)
    pull, curve = (-loss.slope(np.zeros(1))[0], loss.curvature(np.zeros(1))[0])
    weight, one = labels.weight, xp.ones_like(n)[:, None]
    prior = xp.sum(weight, 1)
    prior = xp.sum(prior, keepdims=True) if labels.shared else prior
    return one * (weight[:, 0] - weight[:, 1]) * pull, one * prior * pull**2 / n[:, None], one * prior * curve


def states(labels: Labels, x: Any, b: Any) -> Any:
    """x of (m, V, v), (B, K + 2Kc), and b."""
    xp, K = namespace(x), labels.components
    Kc = 1 if labels.shared else K
    V = x[:, K : K + Kc]
    with np.errstate(all="ignore"):
        m = x[:, :K] / xp.sqrt(V if labels.shared else V[:, :K])
        parts = [m, xp.log(V), xp.log(x[:, K + Kc :])]
        if labels.intercept:
            parts.append(xp.broadcast_to(b, (len(x),))[:, None] / xp.sqrt(V[:, :1]))
    return xp.concatenate(parts, 1)


def guesses(system: System, labels: Labels, loss: Loss) -> list[Any]:
    """Where to start from but for the squared loss: anchors unchanged by training, and samples of margin 0."""
    pulls = forces(labels, loss, system.n)
    still = [system.xp.zeros_like(x) for x in pulls]
    return [states(labels, system.update(*hats)[0], 0.0) for hats in (still, pulls)]


def squared_state(system: System, labels: Labels, loss: Loss) -> list[Any]:
    if isinstance(system, Matrix):
        return guesses(system, labels, loss)
    m, V, v, b = system.squared(labels, -float(loss.slope(np.zeros(1))[0]))
    return [states(labels, system.xp.concatenate([m, V, v], 1), b)]


def fixed_point(system: System, labels: Labels, loss: Loss, start: Any = None, alpha: Any = None) -> Any:
    """The states (B, D) of B trainings. A `start` is that of neighbouring problems.

    Where Newton's method gets stuck, the state is followed down from larger penalties, under which training changes little.
    Raises ArithmeticError, naming the residual, if that does not settle either.
    """
    if system.xp is np and len(system.n) > system.at_once:
        parts = np.array_split(np.arange(len(system.n)), -(-len(system.n) // system.at_once))
        pick_ = lambda values, rows: None if values is None else values[rows]  # noqa: E731
        return np.concatenate(
            [fixed_point(system.take(rows), labels, loss, pick_(start, rows), pick_(alpha, rows)) for rows in parts]
        )
    candidates = squared_state(system, labels, loss) if start is None else [start]
    x, size = newton(system, labels, loss, candidates)
    if system.xp is not np:
        return x
    failed = np.flatnonzero(~(size < TOLERANCE))
    with np.errstate(all="ignore"):
        if len(failed):
            part = system.take(failed)
            more = [*guesses(part, labels, loss), *(squared_state(part, labels, loss) if start is not None else [])]
            x[failed], size[failed] = newton(part, labels, loss, more)
        for steps in PENALTY_PATHS:
            failed = np.flatnonzero(~(size < TOLERANCE))
            if not len(failed):
                break
            part, known = system.take(failed), None
            for exponent in np.linspace(FARTHEST_PENALTY, 0, steps):
                larger = part.with_gamma(part.gamma * 10**exponent)
                first = guesses(larger, labels, loss) + squared_state(larger, labels, loss)
                known, size[failed] = newton(larger, labels, loss, first if known is None else [known])
            x[failed] = known
    failed = np.flatnonzero(~(size < TOLERANCE))
    if len(failed):
        at = "" if alpha is None else f" at alpha = {alpha[failed[0]]}"
        raise ArithmeticError(
            f"the fixed point for the {loss.name} loss did not settle{at} (relative residual {size[failed[0]]:.3g}, wanted {TOLERANCE:g}). "
            f"Choose a larger penalty or a smaller |alpha|."
        )
    return x


@dataclass(frozen=True, eq=False)
class Training:
    """A fit as the fixed point sees it, for any α.

    | field | meaning |
    |---|---|
    | `population` | signed, or centred where there is an intercept |
    | `mu`, `starts` | μ_k (K, d) and the anchors' means (..., J, d), in the eigenbasis where there is one |
    | `products` | of μ_k and starts within each eigenspace, (..., K + J, K + J, r); the anchors' noise included |
    """

    fit: Fit
    population: Population
    labels: Labels
    R: Any  # Spectral or Dense
    mu: Any
    starts: Any
    products: Any

    @classmethod
    def of(cls, fit: Fit) -> Training:
        own = fit.population
        signed = own.is_opposite and not fit.intercept
        population = own.centred(own.priors) if fit.intercept else own.signed if signed else own
        labels = Labels.of(own.signed if signed else own, fit.intercept)
        R = pick(population, fit.n - 1 if fit.intercept else fit.n, fit.gamma, stage.anchors(fit))
        xp = R.xp
        mu = asarray(xp, population.means)
        d = max([mu.shape[-1], *(a.law.mean.shape[-1] for a in R.anchors)])
        mu, starts = stage._padded(xp, R.into(mu), d), stage._anchor_means(xp, population, R, d)[..., 1:, :]
        covariance = population.covariances[0]
        if not (population.has_one_covariance and covariance.has_eigenbasis):
            return cls(fit, population, labels, R, R.into(mu), R.into(starts), None)
        if isinstance(R, Dense):
            mu, starts = covariance.to_eigenbasis(R.into(mu)), covariance.to_eigenbasis(R.into(starts))
        vectors = xp.concatenate([xp.broadcast_to(mu, (*starts.shape[:-2], *mu.shape)), starts], -2)
        if covariance.is_identity:
            products = (vectors @ xp.swapaxes(vectors, -1, -2))[..., None]
        else:
            products = vectors[..., :, None, :] * vectors[..., None, :, :]
        return cls(fit, population, labels, R, mu, starts, products + _noise_within(R, covariance, len(mu)))

    def system(self, alpha: Any) -> tuple[System, tuple[int, ...]]:
        """The fixed point's problems at α (..., J), and their shape."""
        xp, R = self.R.xp if self.R.xp is not np else namespace(alpha), self.R
        alpha = asarray(xp, alpha)
        shape = np.broadcast_shapes(alpha.shape[:-1], R.batch)

        def rows(x: Any, keep: int) -> Any:
            own = x.shape[x.ndim - keep :]
            return xp.reshape(xp.broadcast_to(x, (*shape, *own)), (-1, *own))

        n, gamma = (rows(asarray(xp, x), 0) for x in (R.n, R.gamma))
        if self.products is None:
            omega = xp.zeros((R.dim, R.dim))
            for i in range(len(R.anchors)):
                for j in range(len(R.anchors)):
                    pair = R.noise(i, j)
                    if pair is not None:
                        omega = omega + (alpha[..., i] * alpha[..., j])[..., None, None] * pair[0, 0]
            a = xp.einsum("...j,...jd->...d", alpha, self.starts)
            return Matrix(R.C, self.mu, rows(a, 1), rows(omega, 2), n, gamma), shape
        K = len(self.mu)
        covariance = self.population.covariances[0]
        ma = xp.einsum("...j,...kjr->...kr", alpha, self.products[..., :K, K:, :])
        aa = xp.einsum("...i,...j,...ijr->...r", alpha, alpha, self.products[..., K:, K:, :])
        mm = self.products[..., :K, :K, :]
        mm = mm[None] if mm.ndim == 3 else rows(mm, 3)
        lam = asarray(xp, covariance.eigenvalues)
        count = xp.ones((1, len(lam))) * covariance.multiplicity
        return Diagonal(lam, count, mm, rows(ma, 2), rows(aa, 1), n, gamma), shape

    def solve(self, alpha: Any, start: Any = None) -> tuple[System, Any, tuple[int, ...]]:
        """The problems at α, their states, and their shape."""
        system, shape = self.system(alpha)
        flat = (
            None
            if system.xp is not np
            else np.broadcast_to(alpha, (*shape, np.shape(alpha)[-1])).reshape(len(system.n), -1)
        )
        return system, fixed_point(system, self.labels, self.fit.loss, start, flat), shape

    def scores(self, x: Any) -> tuple[Any, Any]:
        """Mean (B, K) and variance (B, K) of the score, intercept included, in states x."""
        xp, K = namespace(x), self.labels.components
        V = xp.exp(x[:, K : K + 1] if self.labels.shared else x[:, K : 2 * K]) * np.ones(K)
        m = x[:, :K] * xp.sqrt(V)
        return m + (x[:, -1:] * xp.sqrt(V[:, :1]) if self.labels.intercept else 0.0), V


def _noise_within(R: Spectral | Dense, covariance: Covariance, K: int) -> Any:
    """The anchors' noise within each eigenspace, as products (..., K + J, K + J, r) whose rows of means are 0."""
    xp, J = R.xp, len(R.anchors)
    one = covariance.is_identity
    zero = xp.zeros(1)
    grid = [[zero] * (K + J) for _ in range(K + J)]
    for i in range(J):
        for j in range(J):
            omega = R.noise(i, j)
            if omega is None:
                continue
            omega = omega[..., 0, 0, :] if isinstance(R, Spectral) else omega[0, 0]
            if isinstance(R, Dense):
                basis = np.eye(covariance.dim) if covariance.basis is None else covariance.basis
                omega = xp.sum((omega @ basis) * basis, 0)
            if one:
                omega = xp.sum(omega, -1, keepdims=True) * (covariance.dim if omega.shape[-1] == 1 else 1)
            grid[K + i][K + j] = omega
    shape = np.broadcast_shapes(*(x.shape for row in grid for x in row))
    return xp.stack([xp.stack([xp.broadcast_to(x, shape) for x in row], -2) for row in grid], -3)


def moments(fit: Fit, alpha: Any) -> tuple[Any, Any]:
    """Mean and variance of the score at α: of α's shape, signed, for opposite classes without intercept; else (K, 1, …), (K, 1, 1, …)."""
    xp = namespace(alpha, *([jax.numpy.zeros(1)] if fit.uses_jax else []))
    alpha = asarray(xp, alpha)
    rows = alpha[..., None] if fit.n_alpha == 1 else xp.zeros((*alpha.shape, 0)) if fit.n_alpha == 0 else alpha
    if fit.shape and xp is np and not _is_diagonal(fit):
        return _by_cells(fit, alpha)
    training = Training.of(fit)
    _, x, shape = training.solve(rows)
    m, V = training.scores(x)
    m, V = (xp.reshape(xp.swapaxes(a, 0, 1), (-1, *shape)) for a in (m, V))
    if fit.population.is_opposite and not fit.intercept:
        return m[0], V[0]
    return m[:, None], V[:, None, None]


def _is_diagonal(fit: Fit) -> bool:
    """Can arrays of n and γ be treated at once?"""
    return isinstance(Training.of(next(fit.cells())).R, Spectral)


def _by_cells(fit: Fit, alpha: Any) -> tuple[Any, Any]:
    shape, pieces = fit.cells_along(alpha)
    mean = variance = None
    for place, cell, alphas in pieces:
        m, V = moments(cell, alphas)
        if mean is None or variance is None:
            lead_m, lead_V = (
                m.shape[: m.ndim - len(shape)] if m.ndim else (),
                V.shape[: V.ndim - len(shape)] if V.ndim else (),
            )
            lead_m, lead_V = (
                ((), ()) if fit.population.is_opposite and not fit.intercept else (m.shape[:2], V.shape[:3])
            )
            mean, variance = np.empty((*lead_m, *shape)), np.empty((*lead_V, *shape))
        mean[(*(slice(None),) * len(lead_m), *place)] = m
        variance[(*(slice(None),) * len(lead_V), *place)] = V
    assert mean is not None and variance is not None
    return mean, variance


def law(fit: Fit) -> Law:
    """The law of the trained weights at the fit's own scales: w̄ = S(Σ m̂_kμ_k + γā), covariance γ²SΩS + Σ q̂_k SC_kS."""
    training = Training.of(fit)
    xp, labels = training.R.xp, training.labels
    scales = stage.own_scales(fit, xp)[..., 1:, :]
    system, x, shape = training.solve(scales[..., 0])
    xp = namespace(x)
    _, _, hats = residual(system, labels, fit.loss, x)
    K = labels.components
    Kc = 1 if labels.shared else K
    m_hat, q_hat, chi = (xp.reshape(h, (*shape, -1)) for h in (hats[:, :K], hats[:, K : K + Kc], hats[:, K + Kc :]))
    gamma = xp.reshape(system.gamma, shape)
    R = copy.copy(training.R)
    pull = m_hat @ training.mu + gamma[..., None] * xp.einsum("...j,...jd->...d", scales[..., 0], training.starts)
    R.n = xp.reshape(system.n, shape)
    if isinstance(R, Spectral):
        R.R = 1 / (chi * system.lam + gamma[..., None])
        R.kappa_R = gamma[..., None] * R.R
        mean = R.R * pull
    else:
        R.R = xp.linalg.inv(xp.tensordot(chi, R.C, axes=1) + gamma * xp.eye(R.dim))
        R.kappa_R = gamma * R.R
        if training.products is not None:
            pull = training.population.covariances[0].from_eigenbasis(pull)
        mean = pull @ R.R
    return R.law(mean[..., None, :], scales, (q_hat * R.n[..., None])[..., None, None])


def transfer(problem: TransferProblem, alpha: Any) -> tuple[Any, Any]:
    """Mean and variance of the signed score of the paper's problem under any losses; α and all eight numbers broadcast."""
    uu, uv, vv = problem.mean_products
    numbers = (
        alpha,
        problem.n_source,
        problem.n_target,
        problem.dim,
        problem.gamma_source,
        problem.gamma_target,
        uu,
        uv,
        vv,
    )
    xp = namespace(*numbers)
    shape = np.broadcast_shapes(*(np.shape(x) for x in numbers))
    alpha, N, n, p, gamma_source, gamma, uu, uv, vv = (
        xp.reshape(xp.broadcast_to(asarray(xp, x), shape), (-1,)) for x in numbers
    )
    labels, lam = Labels(xp.ones((1, 1)) * np.array([[1.0, 0.0]]), True, False), xp.ones(1)
    one = lambda x: x[:, None, None, None]  # noqa: E731

    def system(mm: Any, ma: Any, aa: Any, n: Any, gamma: Any) -> Diagonal:
        return Diagonal(lam, p[:, None], one(mm), ma[:, None, None], aa[:, None], n, gamma)

    zero = xp.zeros_like(uu)
    if is_squared(problem.source_loss):
        kappa, h, rest = equivalents.isotropic(p / N, gamma_source)
        R = 1 / (1 + kappa)
        missed = 1 / (1 + uu * R)
        V = ((missed * R) ** 2 * uu + rest * missed**2) / h
        along, noise = missed * R, (V + missed**2) * R**2 / N
    else:
        source = system(uu, zero, zero, N, gamma_source)
        _, _, hats = residual(source, labels, problem.source_loss, fixed_point(source, labels, problem.source_loss))
        S = 1 / (hats[:, 2] + gamma_source)
        along, noise = hats[:, 0] * S, hats[:, 1] * S**2
    target = system(vv, alpha * along * uv, alpha**2 * (along**2 * uu + p * noise), n, gamma)
    x = fixed_point(target, labels, problem.loss, alpha=None if xp is not np else alpha)
    V = xp.exp(x[:, 1])
    return xp.reshape(x[:, 0] * xp.sqrt(V), shape), xp.reshape(V, shape)
