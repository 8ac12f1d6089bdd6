r"""Any convex loss: the law of a trained classifier as a fixed point.

A stage fits w = argmin (1/n) Σ ℓ(yᵢ(xᵢᵀw + b)) + (γ/2)‖w − a‖² on n samples of a mixture, from an anchor a = Σ α_s
w̃_s of known law. Its state, (m_k, V_k, v_k) in every component and the bias b, solves the equations of
`convex_equations`, by the method of `convex_newton`; here a fit becomes such equations and their solution its law.

The squared loss gives χ = 1/(1+v), κ = γ/χ, and with them the closed form of `stage`. Sources: Loureiro et al., arXiv
2106.03791 (Gaussian mixtures, any convex loss); Dhifallah & Lu, arXiv 2101.01918 (transfer, where the penalty pulls
to the source); theory.md, section 5.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import asarray, jax, namespace
from ..problem import Covariance, Fit, Population, TransferProblem, is_squared
from . import equivalents, stage
from .convex_equations import Diagonal, Labels, Matrix, System, intercept, labels_alone, residual
from .convex_newton import LAST_STEP, fixed_point
from .resolvent import Dense, Law, Spectral, pick


@dataclass(frozen=True, eq=False)
class Training:
    """A fit as the fixed point sees it, for any α.

    | field | meaning |
    |---|---|
    | `population` | signed, or centred where there is an intercept |
    | `vectors` | μ_k, then the starts' means, (..., K + J, d), in the eigenbasis where there is one |
    | `products` | of the vectors within each eigenspace, (..., K + J, K + J, r), the starts' noise included; None for a `Matrix` |
    """

    fit: Fit
    population: Population
    labels: Labels
    R: Any  # Spectral or Dense
    vectors: Any
    products: Any

    @classmethod
    def of(cls, fit: Fit) -> Training:
        own = fit.population
        signed = own.is_opposite and not fit.intercept
        population = own.centred(own.priors) if fit.intercept else own.signed if signed else own
        labels = Labels.of(own.signed if signed else own, fit.intercept)
        if labels.intercept and labels.see_one_kind:
            labels_alone(labels, fit.loss)  # raises where there is no minimum
        R = pick(population, fit.n - 1 if fit.intercept else fit.n, fit.gamma, stage.anchors(fit))
        xp = R.xp
        mu = asarray(xp, population.means)
        d = max([mu.shape[-1], *(a.mean.shape[-1] for a in R.anchors)])
        mu, starts = stage._padded(xp, R.into(mu), d), stage._anchor_means(xp, population, R, d)[..., 1:, :]
        vectors = xp.concatenate([xp.broadcast_to(mu, (*starts.shape[:-2], *mu.shape)), starts], -2)
        covariance = population.covariances[0]
        if not (population.has_one_covariance and covariance.has_eigenbasis):
            return cls(fit, population, labels, R, R.into(vectors), None)
        if isinstance(R, Dense):
            vectors = covariance.to_eigenbasis(R.into(vectors))
        if covariance.is_identity:
            products = (vectors @ xp.swapaxes(vectors, -1, -2))[..., None]
        else:
            products = vectors[..., :, None, :] * vectors[..., None, :, :]
        return cls(fit, population, labels, R, vectors, products + _noise_within(R, covariance, len(mu)))

    def system(self, alpha: Any) -> tuple[System, tuple[int, ...]]:
        """The fixed point's problems at α (..., J), and their shape."""
        R = self.R
        xp = R.xp if R.xp is not np else namespace(alpha)
        alpha = asarray(xp, alpha)
        shape = np.broadcast_shapes(alpha.shape[:-1], R.batch)

        def rows(x: Any, keep: int) -> Any:
            own = x.shape[x.ndim - keep :]
            return xp.reshape(xp.broadcast_to(x, (*shape, *own)), (math.prod(shape), *own))

        alpha, n, gamma = rows(alpha, 1), *(rows(asarray(xp, x), 0) for x in (R.n, R.gamma))
        if self.products is None:
            J, zero = len(R.anchors), xp.zeros((R.dim, R.dim))
            noise = [R.noise(i, j) for i in range(J) for j in range(J)]
            stacked = xp.stack([zero if x is None else x[0, 0] for x in noise] or [zero])[: J * J]
            return Matrix(R.C, self.vectors, xp.reshape(stacked, (J, J, *zero.shape)), alpha, n, gamma), shape
        covariance = self.population.covariances[0]
        products = self.products[None] if self.products.ndim == 3 else rows(self.products, 3)
        lam = asarray(xp, covariance.eigenvalues)
        return Diagonal.of(lam, covariance.multiplicity, products, alpha, n, gamma), shape

    def solve(self, alpha: Any, start: Any = None, last_step: float = LAST_STEP) -> tuple[System, Any, tuple[int, ...]]:
        """The problems at α, their states, and their shape."""
        system, shape = self.system(alpha)
        return system, fixed_point(system, self.labels, self.fit.loss, start, last_step), shape

    def scores(self, x: Any) -> tuple[Any, Any]:
        """Mean (B, K) and variance (B, K) of the score, intercept included, in states x."""
        xp, K = namespace(x), self.labels.components
        V = xp.exp(x[:, K : K + self.labels.covariances]) * np.ones(K)
        return x[:, :K] * xp.sqrt(V) + intercept(self.labels, x)[:, None], V


def _noise_within(R: Spectral | Dense, covariance: Covariance, K: int) -> Any:
    """The anchors' noise within each eigenspace, as products (..., K + J, K + J, r) whose rows of means are 0."""
    xp, J = R.xp, len(R.anchors)
    grid = [[xp.zeros(1)] * (K + J) for _ in range(K + J)]
    for i in range(J):
        for j in range(J):
            omega = R.noise(i, j)
            if omega is None:
                continue
            omega = omega[..., 0, 0, :] if isinstance(R, Spectral) else omega[0, 0]
            if isinstance(R, Dense):
                basis = np.eye(covariance.dim) if covariance.basis is None else covariance.basis
                omega = xp.sum((omega @ basis) * basis, 0)
            if covariance.is_identity:
                omega = xp.sum(omega, -1, keepdims=True) * (covariance.dim if omega.shape[-1] == 1 else 1)
            grid[K + i][K + j] = omega
    shape = np.broadcast_shapes(*(x.shape for row in grid for x in row))
    return xp.stack([xp.stack([xp.broadcast_to(x, shape) for x in row], -2) for row in grid], -3)


def moments(fit: Fit, alpha: Any) -> tuple[Any, Any]:
    """Mean and variance of the score at α: of α's shape, signed, for opposite classes without intercept; else (K, 1, …), (K, 1, 1, …)."""
    xp = namespace(alpha, *([jax.numpy.zeros(1)] if fit.uses_jax else []))
    alpha = asarray(xp, alpha)
    rows = alpha[..., None] if fit.n_alpha == 1 else xp.zeros((*alpha.shape, 0)) if fit.n_alpha == 0 else alpha
    if fit.shape and xp is np and not isinstance(Training.of(next(fit.cells())).R, Spectral):
        shape, pieces = fit.cells_along(alpha)
        found: list[tuple[Any, ...]] = [(place, *moments(cell, part)) for place, cell, part in pieces]
        lead = (0, 0) if fit.population.is_opposite and not fit.intercept else (2, 3)
        both = [np.empty((*found[0][i + 1].shape[: lead[i]], *shape)) for i in range(2)]
        for place, *values in found:
            for whole, part in zip(both, values, strict=True):
                whole[(..., *place)] = part
        return both[0], both[1]
    training = Training.of(fit)
    _, x, shape = training.solve(rows)
    m, V = training.scores(x)
    m, V = (xp.reshape(xp.swapaxes(a, 0, 1), (-1, *shape)) for a in (m, V))
    if fit.population.is_opposite and not fit.intercept:
        return m[0], V[0]
    return m[:, None], V[:, None, None]


def law(fit: Fit) -> Law:
    """The law of the trained weights at the fit's own scales: w̄ = S(Σ m̂_kμ_k + γā), covariance γ²SΩS + Σ q̂_k SC_kS."""
    training = Training.of(fit)
    labels = training.labels
    scales = stage.own_scales(fit, training.R.xp)[..., 1:, :]
    system, x, shape = training.solve(scales[..., 0])
    xp = namespace(x)
    m_hat, q_hat, chi = labels.split(xp.reshape(residual(system, labels, fit.loss, x)[2], (*shape, -1)))
    gamma, R = xp.reshape(system.gamma, shape), copy.copy(training.R)
    h = xp.concatenate([m_hat, gamma[..., None] * xp.broadcast_to(scales[..., 0], (*shape, len(fit.starts)))], -1)
    pull = xp.einsum("...i,...id->...d", h, training.vectors)
    R.n = xp.reshape(system.n, shape)
    if isinstance(R, Spectral):
        R.R = 1 / (chi * R.lam + gamma[..., None])
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
    sizes = problem.n_source, problem.n_target, problem.dim
    numbers = (alpha, *sizes, problem.gamma_source, problem.gamma_target, uu, uv, vv)
    xp = namespace(*numbers)
    shape = np.broadcast_shapes(*(np.shape(x) for x in numbers))
    alpha, N, n, p, gamma_source, gamma, uu, uv, vv = (
        xp.reshape(xp.broadcast_to(asarray(xp, x), shape), (-1,)) for x in numbers
    )
    labels, lam = Labels(np.array([[1.0, 0.0]]), True, False, absent=((0, 1),)), xp.ones(1)

    def system(rows: list[list[Any]], alpha: Any, n: Any, gamma: Any) -> Diagonal:
        grid = xp.stack([xp.stack(row, -1) for row in rows], -2)[..., None]
        return Diagonal.of(lam, p[:, None, None], grid, alpha, n, gamma)

    if is_squared(problem.source_loss):
        kappa, h, rest = equivalents.isotropic(p / N, gamma_source)
        R = 1 / (1 + kappa)
        missed = 1 / (1 + uu * R)
        V = ((missed * R) ** 2 * uu + rest * missed**2) / h
        along, noise = missed * R, (V + missed**2) * R**2 / N
    else:
        source = system([[uu]], xp.zeros((len(uu), 0)), N, gamma_source)
        _, _, hats = residual(source, labels, problem.source_loss, fixed_point(source, labels, problem.source_loss))
        S = 1 / (hats[:, 2] + gamma_source)
        along, noise = hats[:, 0] * S, hats[:, 1] * S**2
    grid = [[vv, along * uv], [along * uv, along**2 * uu + p * noise]]
    x = fixed_point(system(grid, alpha[:, None], n, gamma), labels, problem.loss)
    V = xp.exp(x[:, 1])
    return xp.reshape(x[:, 0] * xp.sqrt(V), shape), xp.reshape(V, shape)
