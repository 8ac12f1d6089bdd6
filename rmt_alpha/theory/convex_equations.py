r"""The fixed point of a training with any convex loss, as equations for Newton's method.

With the margin's law in component k, N(m_k + b, V_k), its leverage v_k, and E over component and label seen,

.. math::
    \hat m_k = π_k E_k[y\, g], \quad \hat q_k = π_k E_k[g^2]/n, \quad χ_k = -π_k E_k[g'] \qquad (g \text{ the force of } y(x^T w + b)) \\
    w = S\Big(\sum_k \hat m_k μ_k + γ a + \sum_k \sqrt{\hat q_k}\, C_k^{1/2} ξ_k\Big), \quad S = \Big(\sum_k χ_k C_k + γ\Big)^{-1} \\
    m_k = μ_k^T E w, \quad V_k = E\,w^TC_kw, \quad v_k = \mathrm{tr}(C_kS)/n, \quad \sum_k \hat m_k = 0 \text{ with an intercept}.

The anchor a = Σ α_s w̃_s enters as the means do: w is S times a combination h = (m̂, γα) of vectors (μ, w̃).
Everything is for B trainings at once, B being the first axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import STATIC, asarray, namespace, pytree
from ..problem import Loss, Population
from . import equivalents
from .convex_quadrature import expectations

LOST, LOST_ROUNDINGS = 1e-7, 64  # probability that quadrature may lose, and in units of rounding
FARTHEST_INTERCEPT = 1e25


@pytree
@dataclass(frozen=True, eq=False)
class Labels:
    """The label that training sees: y = ±1 with probability π_k (1 ± T_k)/2 in component k. `shared`: one covariance for all.

    `absent` lists the labels (k, 0 for + and 1 for −) that are known not to occur.
    """

    weight: Any  # (K, 2)
    shared: bool = field(metadata=STATIC)
    intercept: bool = field(metadata=STATIC)
    absent: tuple[tuple[int, int], ...] = field(default=(), metadata=STATIC)

    @classmethod
    def of(cls, population: Population, intercept: bool) -> Labels:
        xp = namespace(population.priors, population.codes)
        code = asarray(xp, population.codes)[:, 0]
        weight = asarray(xp, population.priors)[:, None] * xp.stack([1 + code, 1 - code], 1) / 2
        absent = np.argwhere(weight == 0).tolist() if xp is np else []
        return cls(weight, population.has_one_covariance, intercept, tuple((k, j) for k, j in absent))

    @property
    def components(self) -> int:
        return len(self.weight)

    @property
    def see_one_kind(self) -> bool:
        return any(set(self.absent) >= {(k, j) for k in range(self.components)} for j in (0, 1))

    @property
    def covariances(self) -> int:
        return 1 if self.shared else self.components

    @cached_property
    def tables(self) -> tuple[Any, ...]:
        """Of each label that occurs (P,): y, its component (P, K) and its covariance (P, Kc) as one-hot rows.

        Then what sums its expectations to (m̂, n q̂, χ), (P·3, K + 2Kc), their derivatives by margin, variance and leverage to those of
        these by x, (P·3·3, (K + 2Kc)D), or (P·5·3, …) with an intercept, and which of (m̂, n q̂, χ) are n q̂; see `residual`.
        """
        K, Kc = self.components, self.covariances
        k, j = np.array([(k, j) for k in range(K) for j in (0, 1) if (k, j) not in self.absent]).T
        y, of, own = 1.0 - 2.0 * j, np.eye(K)[k], np.eye(Kc)[k * (not self.shared)]
        m, V, v, b = np.split(np.eye(K + 2 * Kc + self.intercept), [K, K + Kc, K + 2 * Kc])
        by = np.stack([of @ m, own @ V, own @ v, *([0 * of @ m + V[0], 0 * of @ m + b] if self.intercept else [])], 1)
        hats = m.T[: K + 2 * Kc].T, V[:, : K + 2 * Kc], v[:, : K + 2 * Kc]
        to = np.stack([of * y[:, None] @ hats[0], own @ hats[1], own @ hats[2]], 1) * self.weight[k, j][:, None, None]
        slopes = to[:, None, :, :, None] * by[:, :, None, None, :]
        is_square = np.repeat([False, True, False], [K, Kc, Kc])
        return y, of, own, to.reshape(-1, K + 2 * Kc), slopes.reshape(slopes[..., 0, 0].size, -1), is_square

    def split(self, hats: Any) -> tuple[Any, Any, Any]:
        """m̂ (..., K), q̂ and χ (..., Kc) of all of them."""
        K, Kc = self.components, self.covariances
        return hats[..., :K], hats[..., K : K + Kc], hats[..., K + Kc :]


@pytree
@dataclass(eq=False)
class Diagonal:
    """Means and starts where one covariance is shared: all that matters are their products within each eigenspace.

    | field | shape | meaning |
    |---|---|---|
    | `lam` | (r,) | eigenvalues λ |
    | `products` | (B or 1, (K + J)² + 1, r) | of μ_k and w̃_s, noise included; last λ times its multiplicity |
    | `alpha`, `n`, `gamma` | (B, J), (B,), (B,) | |
    """

    lam: Any
    products: Any
    alpha: Any
    n: Any
    gamma: Any

    at_once = 256  # rows whose quadrature fits into a processor's cache

    @cached_property
    def xp(self) -> Any:
        return namespace(self.lam, self.products, self.alpha, self.n, self.gamma)

    @classmethod
    def of(cls, lam: Any, multiplicity: Any, grid: Any, alpha: Any, n: Any, gamma: Any) -> Diagonal:
        """From the products as a matrix (B or 1, K + J, K + J, r)."""
        xp = namespace(grid, lam, multiplicity)
        flat = xp.reshape(grid, (len(grid), -1, grid.shape[-1]))
        size = xp.broadcast_to(lam * multiplicity, (len(grid), 1, grid.shape[-1]))
        return cls(lam, xp.concatenate([flat, size], 1), alpha, n, gamma)

    def take(self, rows: Any) -> Diagonal:
        products = self.products if len(self.products) == 1 else self.products[rows]
        return Diagonal(self.lam, products, self.alpha[rows], self.n[rows], self.gamma[rows])

    def traces(self, *spectra: Any) -> list[tuple[Any, Any]]:
        """For functions f (B, r) of C: the vectors' products through f(C), (B, K + J, K + J), and tr C f(C), (B, 1)."""
        xp, B = self.xp, len(self.n)
        f = xp.concatenate([x[:, None] for x in spectra], 1)  # (B, spectra, r)
        if len(self.products) == 1:
            found = xp.reshape(xp.reshape(f, (-1, len(self.lam))) @ self.products[0].T, (B, len(spectra), -1))
        else:
            found = f @ xp.swapaxes(self.products, 1, 2)
        size = round((found.shape[-1] - 1) ** 0.5)
        grids = xp.reshape(found[..., :-1], (B, len(spectra), size, size))
        return [(grids[:, i], found[:, i, -1:]) for i in range(len(spectra))]

    def update(self, m_hat: Any, q_hat: Any, chi: Any) -> tuple[Any, Any]:
        """(m, V, v), (B, K + 2), of (m̂, q̂, χ), and the Jacobian (B, K + 2, K + 2)."""
        xp, K, n = self.xp, m_hat.shape[1], self.n[:, None]
        S = 1 / (chi * self.lam + self.gamma[:, None])  # (B, r)
        SCS = S * self.lam * S
        (by_S, tr_S), (by_SCS, tr_SCS), (by_third, tr_third) = self.traces(S, SCS, SCS * self.lam * S)
        h = xp.concatenate([m_hat, self.gamma[:, None] * self.alpha], 1)
        times = lambda A: (A @ h[..., None])[..., 0]  # noqa: E731
        m, by_h = times(by_S[:, :K]), times(by_SCS)
        pulled = by_h[:, :K]
        V = xp.vecdot(h, by_h)[:, None] + q_hat * tr_SCS
        dV = -2 * (xp.vecdot(h, times(by_third))[:, None] + q_hat * tr_third)
        zero = xp.zeros_like(m_hat)
        others = [2 * pulled, tr_SCS, dV, zero, xp.zeros_like(V), -tr_SCS / n]
        jacobian = xp.concatenate([
            xp.concatenate([by_S[:, :K, :K], zero[..., None], -pulled[..., None]], 2),
            xp.reshape(xp.concatenate(others, 1), (-1, 2, K + 2)),
        ], 1)  # fmt: skip
        return xp.concatenate([m, V, tr_S / n], 1), jacobian

    def squared(self, labels: Labels, unit: float, target: float) -> tuple[Any, Any]:
        """(m, V, v) and b under the squared loss unit·(target−t)²/2. The closed form of `stage`."""
        xp, K, gamma = self.xp, labels.components, self.gamma / unit
        if len(self.lam) == 1:
            lam = asarray(xp, self.lam)[0]
            kappa, h, rest = equivalents.isotropic(self.products[:, -1, 0] / lam / self.n, gamma / lam)
            kappa = kappa * lam
        else:
            kappa, h, rest = equivalents.general(self.lam, self.n, gamma)
        R = 1 / (self.lam + kappa[:, None])
        (by_R, _), (by_RCR, _) = self.traces(R, R * self.lam * R)
        priors = xp.sum(labels.weight, 1)
        codes = (labels.weight[:, 0] - labels.weight[:, 1]) / priors
        b = xp.sum(priors * codes) if labels.intercept else 0.0
        pull = kappa[:, None] * self.alpha / target
        right = codes - b - xp.sum(by_R[:, :K, K:] * pull[:, None, :], -1)
        E = xp.linalg.solve(xp.eye(K) + by_R[:, :K, :K] * priors, right[..., None])[..., 0]
        g = xp.concatenate([E * priors, pull], 1)
        within = xp.sum(g * xp.sum(by_RCR * g[:, None, :], -1), -1)
        V = (within + rest * xp.sum(priors * (E**2 + 1 - codes**2), -1)) / h
        return xp.concatenate(
            [target * (codes - b - E), target**2 * V[:, None], (kappa / gamma - 1)[:, None] / unit], 1
        ), target * b


@pytree
@dataclass(eq=False)
class Matrix:
    """The same where each component has a covariance of its own, or one that is known as a matrix only (JAX): O(K²p³) per row and step.

    `vectors` (K + J, p) are the means and starts, `noise` (J, J, p, p) the covariance of the starts.
    """

    C: Any
    vectors: Any
    noise: Any
    alpha: Any
    n: Any
    gamma: Any

    entries = 2e7  # of the matrices of all rows at once

    @cached_property
    def xp(self) -> Any:
        return namespace(self.C, self.vectors, self.noise, self.alpha, self.n, self.gamma)

    @property
    def at_once(self) -> int:
        return max(1, int(self.entries / self.C.size))

    def take(self, rows: Any) -> Matrix:
        return Matrix(self.C, self.vectors, self.noise, self.alpha[rows], self.n[rows], self.gamma[rows])

    def update(self, m_hat: Any, q_hat: Any, chi: Any) -> tuple[Any, Any]:
        xp, gamma = self.xp, self.gamma[:, None]
        p, C, mu, pull = self.C.shape[-1], self.C, self.vectors[: m_hat.shape[1]], gamma * self.alpha
        S = xp.linalg.inv(xp.tensordot(chi, C, axes=1) + gamma[..., None] * xp.eye(p))
        w = xp.einsum("bij,bj->bi", S, xp.concatenate([m_hat, pull], 1) @ self.vectors)
        S_mu, C_w = mu @ S, xp.swapaxes(w @ C, 0, 1)  # (B, K, p), (B, Kc, p)
        T = C @ S[:, None]  # C_kS
        G = S @ xp.einsum("bi,bj,ijkl->bkl", pull, pull, self.noise) @ S
        P = xp.einsum("bkij,blij->bkl", T, xp.swapaxes(T, -1, -2))
        V = (
            xp.einsum("bki,bi->bk", C_w, w)
            + xp.einsum("kij,bij->bk", C, G)
            + xp.einsum("bkl,bl->bk", P, q_hat)
        )  # fmt: skip
        v = xp.einsum("bkii->bk", T) / self.n[:, None]
        Q = xp.einsum("bl,blij->bij", q_hat, T)
        # ∂V_k/∂χ_j = −2 wᵀC_kSC_jw − 2 tr C_kSC_jG − 2 Σ q̂_l tr C_kSC_jSC_lS
        dV = (C_w @ S) @ xp.swapaxes(C_w, 1, 2) + xp.einsum(
            "bkij,bjmi->bkm", T, xp.swapaxes(C @ G[:, None] + T @ Q[:, None], 1, 2)
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


def residual(system: System, labels: Labels, loss: Loss, x: Any) -> tuple[Any, Any, Any]:
    """How far the update of states x (B, D) is from them, its Jacobian (B, D, D), and (m̂, q̂, χ), (B, K + 2Kc).

    x = (m_k/√V_k, log V_k, log v_k, b/√(1 + V_1)), and b's residual is in units of √V_1.
    """
    xp, K, Kc = namespace(x), labels.components, labels.covariances
    B, D = x.shape
    y, of, own, sums, slopes, is_square = labels.tables
    over = (lambda k: k) if Kc == K else (lambda k: xp.broadcast_to(k, (*k.shape[:1], K, *k.shape[2:])))
    V, v = xp.exp(x[:, K : K + Kc]), xp.exp(x[:, K + Kc : K + 2 * Kc])
    s = xp.sqrt(V)
    b = intercept(labels, x)[:, None]
    m = x[:, :K] * over(s)
    at_m, at_V, at_v = m @ of.T, V @ own.T, v @ own.T  # (B, P)
    e, de, found = expectations(loss, *(xp.reshape(a, (-1,)) for a in ((at_m + b) * y, at_V, at_v)))
    if labels.intercept:  # their difference is to vanish, however small √V is beside b
        e, de = e / found[:, None], de / found[:, None, None]
    de, each = xp.reshape(de, (B, -1, 3, 3)), lambda x: x[..., None]
    by_margin = de[..., 0] * y[:, None]
    by_x = [
        by_margin * each(xp.sqrt(at_V)),
        by_margin * each(at_m / 2) + de[..., 1] * each(at_V),
        de[..., 2] * each(at_v),
    ]
    if labels.intercept:
        by_x += [by_margin * each(b * V[:, :1] / (1 + V[:, :1]) / 2), by_margin * each(xp.sqrt(1 + V[:, :1]))]
    scale = 1 / xp.where(is_square, system.n[:, None], 1.0)
    hats = (xp.reshape(e, (B, -1)) @ sums) * scale
    by_x = xp.concatenate([k[:, :, None] for k in by_x], 2)  # (B, P, 3 or 5, 3)
    d_hats = xp.reshape(xp.reshape(by_x, (B, -1)) @ slopes, (B, -1, D)) * each(scale)
    m_hat, q_hat, chi = labels.split(hats)
    new, outer = system.update(m_hat, q_hat, chi)
    root, variances = over(xp.sqrt(new[:, K : K + Kc])), new[:, K:]
    ratio = new[:, :K] / root
    parts = [xp.concatenate([ratio, xp.log(variances)], 1) - x[:, : K + 2 * Kc]]
    J = outer @ d_hats / each(xp.concatenate([root, variances], 1))
    J_m = J[:, :K] - each(ratio / 2) * over(J[:, K : K + Kc])
    jacobian = [xp.concatenate([J_m, J[:, K:]], 1) - np.eye(K + 2 * Kc, D)]
    if labels.intercept:  # Newton's step of b itself, in units of √V
        unit = 1 / (xp.sum(chi, 1) * s[:, 0])
        parts.append((xp.sum(m_hat, 1) * unit)[:, None])
        jacobian.append(xp.sum(d_hats[:, :K], 1)[:, None, :] * unit[:, None, None])
    allowed = max(LOST, LOST_ROUNDINGS * float(np.finfo(x.dtype).eps))
    F = xp.where((xp.abs(xp.reshape(found, (B, -1)) - 1) < allowed).all(1)[:, None], xp.concatenate(parts, 1), xp.nan)
    return F, xp.concatenate(jacobian, 1), hats


def states(labels: Labels, found: Any, b: Any = 0.0) -> Any:
    """x (B, D) of (m, V, v), (B, K + 2Kc), and b."""
    xp = namespace(found)
    m, V, v = labels.split(found)
    with np.errstate(all="ignore"):
        parts = [m / xp.sqrt(V), xp.log(V), xp.log(v)]
        if labels.intercept:
            parts.append(xp.broadcast_to(b, (len(found),))[:, None] / xp.sqrt(1 + V[:, :1]))
    return xp.concatenate(parts, 1)


def intercept(labels: Labels, x: Any) -> Any:
    """b (B,) in states x, 0 where there is none. Its unit is that of the loss where V is small: b stays while √V vanishes."""
    xp, K = namespace(x), labels.components
    return x[:, -1] * xp.sqrt(1 + xp.exp(x[:, K])) if labels.intercept else xp.zeros(len(x))


def same_score(labels: Labels, loss: Loss, n: Any, b: float = 0.0) -> tuple[Any, Any, Any]:
    """(m̂, q̂, χ) of samples that all have the score b."""
    xp = namespace(n, labels.weight)
    margins = np.array([b, -b])
    pull, curve = -loss.slope(margins), loss.curvature(margins)
    weight, one = labels.weight, xp.ones_like(n)[:, None]
    gathered = (lambda k: xp.sum(k, keepdims=True)) if labels.shared else (lambda k: k)
    m_hat, square, chi = weight @ (pull * [1, -1]), gathered(weight @ pull**2), gathered(weight @ curve)
    return one * m_hat, one * square / n[:, None], one * chi


def labels_alone(labels: Labels, loss: Loss) -> float:
    """The intercept of least loss where the features say nothing, as under an infinite penalty: for logistic loss the log odds.

    Raises ValueError where there is no such number, or where many are as good.
    """
    from scipy import optimize  # slow to import, and seldom needed

    plus, minus = np.sum(labels.weight, 0)

    def slope(b: float) -> float:
        towards, away = loss.slope(np.array([b, -b]))
        return float(plus * towards - minus * away)

    reach = 1.0
    while not slope(-reach) < 0 < slope(reach):
        reach *= 2
        if reach > FARTHEST_INTERCEPT:
            raise ValueError(
                f"population must have labels of two kinds for {loss.name} loss with an intercept, got a share of {plus:g} with +1 and "
                f"{minus:g} with -1: no single intercept is best. Change prior or flips, or take loss='squared' or intercept=False."
            )
    return float(optimize.brentq(slope, -reach, reach))
