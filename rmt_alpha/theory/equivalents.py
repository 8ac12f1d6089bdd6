r"""Deterministic equivalents of a ridge training: κ, h, and the shares χ of the components.

With n samples, component k with probability π_k, the resolvent Q = (XXᵀ/n + γ)⁻¹ of the noise behaves in every linear
functional like

.. math:: Q ≈ \frac κγ R, \qquad R = \Big(\sum_k χ_k C_k + κ\Big)^{-1}, \qquad \sum_k χ_k = 1,

with the renormalised ridge κ. With one covariance χ = π. References: Couillet & Liao, *Random Matrix Methods for
Machine Learning*; Atanasov, Zavatone-Veth, Pehlevan, arXiv 2405.00592 (κ, degrees of freedom).
"""

from typing import Any

import numpy as np

from .._arrays import asarray, namespace, root

NEWTON_STEPS = 200
SETTLED = 1e-10  # the last step of a quadratic iteration: what is left is of the order of its square
NO_RIDGE = 1e-12  # κ beside the smallest eigenvalue, where γ = 0 and some eigenvalues are 0


def isotropic(eta: Any, gamma: Any) -> tuple[Any, Any, Any]:
    r"""κ, h and 1−h for C = I, from the aspect ratio η = p/n and the penalty γ.

    .. math:: κ^2 + (1-η-γ) κ - γ = 0, \qquad 1 - h = η/(1+κ)^2

    γ = 0 is the ridgeless limit κ = max(η−1, 0).
    """
    xp = namespace(eta, gamma)
    t = 1 - eta - gamma
    # |t| as a choice: its derivative at t = 0 must be that of one side, not their mean.
    total = xp.where(t > 0, t, -t) + xp.sqrt(t * t + 4 * gamma)
    # The conjugate form where t > 0: −t + root cancels there.
    kappa = xp.where(t > 0, 2 * gamma / total, total / 2)
    square = (1 + kappa) ** 2
    # Not 1 − η/(1+κ)², which cancels near the interpolation threshold.
    h = ((1 - eta) + kappa * (2 + kappa)) / square
    return kappa, h, eta / square


def general(eigenvalues: Any, n: Any, gamma: Any) -> tuple[Any, Any, Any]:
    r"""κ, h and 1−h for a covariance with the given eigenvalues (p,); n and γ broadcast.

    .. math:: κ (1 - \mathrm{df}_1(κ)/n) = γ, \quad \mathrm{df}_1 = \sum_i \frac{λ_i}{λ_i+κ}, \qquad
              1 - h = \mathrm{df}_2(κ)/n, \quad \mathrm{df}_2 = \sum_i \frac{λ_i^2}{(λ_i+κ)^2}

    κ − κ df₁/n is convex in κ and γ + tr C/n lies right of its root, so Newton's steps from there fall monotonically.
    Raises ArithmeticError if they have not settled.
    """
    xp = namespace(n, gamma, eigenvalues)
    n, gamma, lam = asarray(xp, n), asarray(xp, gamma), asarray(xp, eigenvalues)
    n, gamma = xp.broadcast_arrays(n, gamma)

    try:
        kappa = root(xp, _kappa_step, gamma + xp.sum(lam) / n, lam, n, gamma, settled=SETTLED, steps=NEWTON_STEPS)
    except ArithmeticError as error:
        raise ArithmeticError(
            f"the fixed point for kappa did not settle in {NEWTON_STEPS} steps ({error}). Choose a larger gamma, or a sample size "
            f"farther from the rank of the covariance."
        ) from None
    total = lam + kappa[..., None]
    shrunk = lam / total
    positive = xp.where(kappa > 0, kappa, 1.0)
    rank = xp.sum(lam > 0)
    above = xp.where(
        (gamma > 0) & (kappa > 0), gamma / positive, xp.maximum(1 - rank / n, 0.0)
    )  # 1 − df₁/n, by the equation for κ
    # h = (1 − df₁/n) + (df₁ − df₂)/n: both terms positive, where 1 − df₂/n cancels.
    h = above + xp.sum(shrunk * (1 - shrunk), axis=-1) / n
    return kappa, h, xp.sum(shrunk * shrunk, axis=-1) / n


def _kappa_step(kappa: Any, lam: Any, n: Any, gamma: Any) -> Any:
    xp = namespace(kappa, lam, n, gamma)
    shrunk = lam / (lam + kappa[..., None])
    residual = kappa * (1 - xp.sum(shrunk, axis=-1) / n) - gamma
    # d/dκ [κ − κ df₁/n] = 1 − df₂/n.
    new = kappa - residual / (1 - xp.sum(shrunk * shrunk, axis=-1) / n)
    if xp is not np:
        return xp.maximum(new, 1e-30)
    # κ → 0 (ridgeless, n > rank): past this it no longer differs from 0 beside any eigenvalue.
    positive = lam[lam > 0].min()
    floor = 0.0 if positive == lam.min() else NO_RIDGE * positive
    vanishing = (gamma == 0) & (new < max(1e-18 * positive, floor))
    return np.where(vanishing, floor, np.maximum(new, gamma))  # κ ≥ γ


def mixture(C: Any, priors: Any, n: Any, gamma: Any) -> tuple[Any, Any, Any, Any]:
    r"""χ (K,), κ, R (p, p) and T (K, K) of components with covariances C (K, p, p); scalar n, γ > 0.

    .. math:: δ_k = \frac1n \mathrm{tr}\, C_k R_γ, \quad R_γ = \Big(\sum_k \frac{π_k}{1+δ_k} C_k + γ\Big)^{-1}; \qquad
              κ = γ s, \quad χ_k = \frac{s\, π_k}{1+δ_k}, \quad R = R_γ/s, \quad T_{kl} = \frac{χ_l^2}{π_l n} \mathrm{tr}\, C_k R C_l R

    with s such that Σ χ_k = 1. (Leave one sample out: its quadratic form xᵀQx/n concentrates on δ_k.) T is also the
    Jacobian of the right side: R_γ is a parallel sum, hence that side increasing and concave in δ, so that Newton's
    steps from tr C_k/(nγ) fall to the root without safeguards. Raises ArithmeticError if they have not settled.
    """
    xp = namespace(C, priors, n, gamma)
    C, priors, n, gamma = (asarray(xp, x) for x in (C, priors, n, gamma))
    start = xp.trace(C, axis1=1, axis2=2) / (n * gamma)
    try:
        delta = root(xp, _delta_step, start, C, priors, n, gamma, settled=SETTLED, steps=NEWTON_STEPS)
    except ArithmeticError as error:
        raise ArithmeticError(
            f"delta did not settle in {NEWTON_STEPS} steps ({error}). Choose a larger gamma."
        ) from None
    s = 1 / xp.sum(priors / (1 + delta))
    R = _resolvent(delta, C, priors, gamma) / s
    chi = s * priors / (1 + delta)
    return chi, gamma * s, R, _pairs(R, C) * chi * chi / (priors * n)


def _resolvent(delta: Any, C: Any, priors: Any, gamma: Any) -> Any:
    xp = namespace(delta, C, priors, gamma)
    return xp.linalg.inv(xp.tensordot(priors / (1 + delta), C, axes=1) + gamma * xp.eye(C.shape[-1]))


def _pairs(R: Any, C: Any) -> Any:
    """tr C_k R C_l R."""
    CR = C @ R
    return CR.reshape(len(C), -1) @ CR.swapaxes(1, 2).reshape(len(C), -1).T


def _delta_step(delta: Any, C: Any, priors: Any, n: Any, gamma: Any) -> Any:
    xp = namespace(delta, C, priors, n, gamma)
    R = _resolvent(delta, C, priors, gamma)
    T = _pairs(R, C) * priors / (1 + delta) ** 2 / n
    gap = xp.einsum("kij,ji->k", C, R) / n - delta
    return xp.maximum(delta + xp.linalg.solve(xp.eye(len(C)) - T, gap), 0.0)
