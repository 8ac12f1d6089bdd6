r"""The two ways to hold R = (Σ χ_k C_k + κ)⁻¹: by the eigenvalues of one covariance, or as a matrix.

A training needs of it the products Rv, quadratic forms uᵀC_k v, and traces with the noise Ω of what it starts from.
`Spectral` does all that in O(p) in the eigenbasis of the one covariance (O(1) where it is the identity), for arrays
of n and γ at once; `Dense` in O(p³) for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from .._arrays import asarray, is_tracer, namespace
from ..problem import Covariance, Population
from . import equivalents

NO_PENALTY = 1e-12  # beside the average eigenvalue: stands for the limit γ → 0


@dataclass(frozen=True, eq=False)
class Law:
    """Trained weights, as far as linear and quadratic forms see them: Gaussian.

    | field | shape |
    |---|---|
    | `mean` | (..., q, d) in the standard basis; d = p, or fewer where the other coordinates have mean 0 and C = I |
    | `noise` | covariance of output i's weights with output j's: (..., q, q, r), diagonal in the eigenbasis of `axes` |
    | | (q, q, p, p) in the standard basis where `axes` is None; None for given weights |
    """

    mean: Annotated[Any, "*batch q d"]
    noise: Annotated[Any, "*batch q q *spectrum"] = None
    axes: Covariance | None = None

    @property
    def is_full(self) -> bool:
        return self.noise is not None and self.axes is None

    def matrix(self, dim: int) -> Any:
        """The noise as matrices (q, q, p, p)."""
        if self.axes is None:
            return self.noise
        xp = namespace(self.noise, self.axes.value)
        spectrum = xp.broadcast_to(self.noise, (*self.noise.shape[:-1], dim))
        U = np.eye(dim) if self.axes.basis is None else self.axes.basis
        return (U * spectrum[..., None, :]) @ U.T


@dataclass(frozen=True, eq=False)
class Anchor:
    """One start as a training sees it: a law, restricted to the coordinates of `mask` (None: all). Anchors of one
    `law` share its noise.
    """

    law: Law
    mask: np.ndarray | None = None

    @property
    def mean(self) -> Any:
        """Its mean in the standard basis, (..., q, d)."""
        if self.mask is None:
            return self.law.mean
        mean, short = self.law.mean, len(self.mask) - self.law.mean.shape[-1]
        return namespace(mean).pad(mean, [(0, 0)] * (mean.ndim - 1) + [(0, short)]) * self.mask


def _numbers(population: Population, anchors: Sequence[Anchor]) -> list[Any]:
    own = [population.means, population.codes, population.priors, population.weights, population.noise]
    return [*own, *(x for a in anchors for x in (a.law.mean, a.law.noise))]


def pick(population: Population, n: Any, gamma: Any, anchors: Sequence[Anchor]) -> Spectral | Dense:
    """The cheapest way that is exact."""
    covariance = population.covariances[0]
    if not (population.has_one_covariance and covariance.has_eigenbasis):
        return Dense(population, n, gamma, anchors)
    # Groups cut through the eigenvectors of a matrix; through coordinates they don't.
    cut = any(a.mask is not None for a in anchors)
    along_axes = covariance.basis is None and all(a.law.axes is None or a.law.axes.basis is None for a in anchors)
    if cut and not (along_axes and not any(a.law.is_full for a in anchors)):
        return Dense(population, n, gamma, anchors)
    if any(a.law.axes is not None and not a.law.axes.has_eigenbasis for a in anchors):
        return Dense(population, n, gamma, anchors)
    return Spectral(population, n, gamma, anchors)


class Spectral:
    """R by eigenvalues. Vectors are (..., p) in the eigenbasis; n and γ may have leading axes, which come first in
    all results.
    """

    def __init__(self, population: Population, n: Any, gamma: Any, anchors: Sequence[Anchor]):
        self.cov, self.anchors, self.n = population.covariances[0], anchors, n
        xp = namespace(n, gamma, self.cov.value, *_numbers(population, anchors))
        n, gamma = (asarray(xp, x) for x in (n, gamma))
        # What an array of scales in a source's own starts adds to the axes.
        self.batch = np.broadcast_shapes(np.shape(n), np.shape(gamma), *(np.shape(a.law.mean)[:-2] for a in anchors))
        n, gamma = xp.broadcast_to(n, self.batch), xp.broadcast_to(gamma, self.batch)
        if self.cov.is_identity:
            self.kappa, self.h, self.one_minus_h = equivalents.isotropic(self.cov.dim / n, gamma)
        else:
            self.kappa, self.h, self.one_minus_h = equivalents.general(self.cov.eigenvalues, n, gamma)
        self.gamma, self.n = gamma, n
        self.chi = xp.asarray(population.priors)
        lam, kappa = asarray(xp, self.cov.eigenvalues), self.kappa[..., None]
        total = lam + kappa
        self.R = 1 / xp.where(total > 0, total, 1.0)  # 0/0: no noise and no penalty, met by no mean
        self.kappa_R = xp.where(total > 0, kappa * self.R, 1.0)
        self.lam, self.xp = lam, xp

    def into(self, v: Any) -> Any:
        """Vectors (..., d) from the standard basis."""
        return self.cov.to_eigenbasis(v)

    def resolve(self, v: Any) -> Any:
        """Rv for vectors (*batch, m, d)."""
        return self.R[..., None, :] * v

    def quadratic(self, u: Any) -> Any:
        """uᵢᵀC_k uⱼ for vectors u (*batch, m, d): (*batch, 1, m, m)."""
        return ((u * self.lam) @ self.xp.swapaxes(u, -1, -2))[..., None, :, :]

    def per_component(self, within: Any, missed: Any) -> Any:
        """V from its equation V = within + T (V + missed), (*batch, 1, m, m); `missed` (*batch, K, m, m)."""
        total = self.pull(missed)
        scale = lambda x: x[..., None, None, None]  # noqa: E731
        return (within + scale(self.one_minus_h) * total) / scale(self.h)

    def pull(self, S: Any) -> Any:
        """Σ_k χ_k² S_k/π_k by distinct covariance, (*batch, 1, m, m), of residual covariances S (*batch, K, m, m):
        what makes noise in the weights.
        """
        return self.xp.sum(self.chi[:, None, None] * S, -3)[..., None, :, :]

    def noise(self, i: int, j: int) -> Any:
        """The diagonal of Ω between anchors i and j in the eigenbasis, (*batch, q, q, r); None for 0."""
        a, b = self.anchors[i], self.anchors[j]
        if a.law is not b.law or a.law.noise is None:
            return None
        law, cov = a.law, self.cov
        if law.axes is None:
            basis = np.eye(cov.dim) if cov.basis is None else cov.basis
            omega = self.xp.sum((law.noise @ basis) * basis, -2)
        elif law.noise.shape[-1] == 1 or law.axes is cov or (law.axes.basis is None and cov.basis is None):
            omega = law.noise
        elif cov.is_identity:
            omega = self.xp.mean(law.noise, -1, keepdims=True)  # only traces of it are asked for
        else:
            omega = law.noise @ cov.overlap(law.axes).T
        for mask in (a.mask, b.mask):
            omega = omega if mask is None else omega * mask
        return omega

    def trace(self, omega: Any, left: Any, right: Any, weighted: bool = True) -> Any:
        """tr(C_k f(R) Ω g(R)), or without C_k, for functions given by their eigenvalues (*batch, r): (*batch, 1, q,
        q).
        """
        spectrum = left * right * (self.lam if weighted else 1.0)
        r = max(spectrum.shape[-1], np.shape(omega)[-1])
        times = self.cov.dim // r if r == 1 else 1
        return self.xp.sum(spectrum[..., None, None, :] * omega, -1)[..., None, :, :] * times

    @property
    def one(self) -> Any:
        return self.xp.ones_like(self.kappa_R)

    def fresh_trace(self, left: Any, right: Any, weighted: bool = True) -> Any:
        """tr(C_k f R C R g)/n, or without C_k: (*batch, 1)."""
        spectrum = left * right * self.lam * self.R**2 * (self.lam if weighted else 1.0)
        return (self.xp.sum(spectrum, -1) * self.cov.multiplicity / self.n)[..., None]

    def law(self, mean: Any, scales: Any, pulled: Any) -> Law:
        """The law of weights with mean (*batch, q, d) in the eigenbasis, anchors scaled by (*batch, J, q), and noise
        `pull`ed in.
        """
        xp, mean = namespace(mean, scales, self.R), self.cov.from_eigenbasis(mean)
        fresh = pulled[..., 0, :, :, None] * (self.lam * self.R**2 / self.n[..., None])[..., None, None, :]
        noisy = [
            (i, j) for i in range(len(self.anchors)) for j in range(len(self.anchors)) if self.noise(i, j) is not None
        ]
        laws = [self.anchors[i].law for i, _ in noisy]
        pair = lambda i, j: scales[..., i, :, None] * scales[..., j, None, :]  # noqa: E731
        if all(
            not law.is_full
            and law.axes is not None
            and (law.axes is self.cov or (law.axes.basis is None and self.cov.basis is None))
            for law in laws
        ):
            for i, j in noisy:
                fresh = fresh + pair(i, j)[..., None] * (self.kappa_R**2)[..., None, None, :] * self.noise(i, j)
            return Law(mean, fresh, self.cov)
        U = np.eye(self.cov.dim) if self.cov.basis is None else self.cov.basis
        spectrum = lambda s: (U * xp.broadcast_to(s, (*s.shape[:-1], self.cov.dim))[..., None, :]) @ U.T  # noqa: E731
        full, shrink = spectrum(fresh), spectrum(self.kappa_R)[..., None, None, :, :]
        for i, j in noisy:
            inherited = shrink @ self.anchors[i].law.matrix(self.cov.dim) @ shrink
            full = full + pair(i, j)[..., None, None] * inherited
        return Law(mean, full, None)


class Dense:
    """R as a matrix, for components whose covariances differ, groups that cut through eigenvectors, and JAX matrices. Scalar n and γ."""

    def __init__(self, population: Population, n: Any, gamma: Any, anchors: Sequence[Anchor]):
        self.anchors, self.n, self.gamma = anchors, n, gamma
        self.batch: tuple[int, ...] = ()
        self.dim = population.dim
        covariances = [c.matrix for c in population.covariances]
        if not is_tracer(gamma) and gamma == 0:
            gamma = NO_PENALTY * max(float(np.trace(c)) for c in covariances) / self.dim
            self.gamma = gamma
        xp = namespace(n, gamma, *covariances, *_numbers(population, anchors))
        C = xp.stack([xp.asarray(c) for c in covariances])
        self.priors, self.shared = xp.asarray(population.priors), population.has_one_covariance
        self.chi, self.kappa, self.R, self.T = equivalents.mixture(
            C, xp.ones(1) if self.shared else self.priors, n, gamma
        )
        if self.shared:
            self.chi = self.priors
        self.C, self.xp = C, xp
        self.kappa_R = self.kappa * self.R

    def into(self, v: Any) -> Any:
        short = self.dim - v.shape[-1]
        return self.xp.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, short)]) if short else v

    def resolve(self, v: Any) -> Any:
        return v @ self.R

    def quadratic(self, u: Any) -> Any:
        """(Kc, m, m)"""
        return u @ self.C @ u.T

    def per_component(self, within: Any, missed: Any) -> Any:
        xp = self.xp
        if self.shared:
            missed = self.pull(missed)
        K, shape = len(self.T), within.shape
        rhs = within + xp.tensordot(self.T, missed, axes=1)
        return xp.reshape(xp.linalg.solve(xp.eye(K) - self.T, xp.reshape(rhs, (K, -1))), shape)

    def pull(self, S: Any) -> Any:
        if self.shared:
            return self.xp.tensordot(self.priors, S, axes=1)[None]
        return (self.chi**2 / self.priors)[:, None, None] * S

    def noise(self, i: int, j: int) -> Any:
        """Ω between anchors i and j, (q, q, p, p); None for 0."""
        a, b = self.anchors[i], self.anchors[j]
        if a.law is not b.law or a.law.noise is None:
            return None
        omega = a.law.matrix(self.dim)
        omega = omega if a.mask is None else omega * a.mask[:, None]
        return omega if b.mask is None else omega * b.mask

    def trace(self, omega: Any, left: Any, right: Any, weighted: bool = True) -> Any:
        """(Kc, q, q)"""
        C = self.C if weighted else self.xp.eye(self.dim)[None]
        inner = right @ C @ left  # tr(C f Ω g) = tr(g C f Ω)
        return self.xp.einsum("kab,ijba->kij", inner, omega)

    @property
    def one(self) -> Any:
        return self.xp.eye(self.dim)

    def fresh_trace(self, left: Any, right: Any, weighted: bool = True) -> Any:
        """Per component l of the sample: (Kc, Kc) with C_k, else (1, Kc)."""
        C = self.C if weighted else self.xp.eye(self.dim)[None]
        inner = right @ C @ left
        return self.xp.einsum("kab,lba->kl", inner, self.R @ self.C @ self.R) / self.n

    def law(self, mean: Any, scales: Any, pulled: Any) -> Law:
        xp = namespace(mean, scales, self.R)
        RCR = self.R @ self.C @ self.R / self.n
        full = xp.einsum("kij,kab->ijab", pulled, RCR)
        for i in range(len(self.anchors)):
            for j in range(len(self.anchors)):
                omega = self.noise(i, j)
                if omega is not None:
                    pair = scales[i, :, None] * scales[j, None, :]
                    full = full + pair[..., None, None] * (self.kappa_R @ omega @ self.kappa_R)
        return Law(mean, full, None)
