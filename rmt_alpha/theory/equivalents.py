r"""Deterministic equivalents of one ridge stage: κ, h and degrees of freedom.

The resolvent Q = (XXᵀ/n + γ)⁻¹ of n noise samples with covariance C behaves, in every linear functional, like
(κ/γ)(C+κ)⁻¹, with the renormalised ridge κ. References: Couillet & Liao, *Random Matrix Methods for Machine
Learning*; Atanasov, Zavatone-Veth, Pehlevan, arXiv 2405.00592.
"""

from typing import Any

import numpy as np

from .._arrays import asarray, namespace

NEWTON_STEPS = 200
SETTLED = 1e-10  # the last step of a quadratic iteration: what is left is of the order of its square


def isotropic(eta: Any, gamma: Any) -> tuple[Any, Any, Any]:
    r"""κ, h and 1−h for C = I, from the aspect ratio η = p/n and the penalty γ.

    .. math:: κ^2 + (1-η-γ) κ - γ = 0, \qquad 1 - h = η/(1+κ)^2

    γ = 0 is the ridgeless limit κ = max(η−1, 0).
    """
    xp = namespace(eta, gamma)
    t = 1 - eta - gamma
    root = xp.sqrt(t * t + 4 * gamma)
    # The conjugate form where t > 0: −t + root cancels there.
    total = xp.abs(t) + root
    kappa = xp.where(t > 0, 2 * gamma / total, total / 2)
    square = (1 + kappa) ** 2
    # Not 1 − η/(1+κ)², which cancels near the interpolation threshold.
    h = ((1 - eta) + kappa * (2 + kappa)) / square
    return kappa, h, eta / square


def general(eigenvalues: np.ndarray, n: Any, gamma: Any) -> tuple[Any, Any, Any]:
    r"""κ, h and 1−h for a covariance with the given eigenvalues (p,); n and γ broadcast.

    .. math:: κ (1 - \mathrm{df}_1(κ)/n) = γ, \quad \mathrm{df}_1 = \sum_i \frac{λ_i}{λ_i+κ}, \qquad
              1 - h = \mathrm{df}_2(κ)/n, \quad \mathrm{df}_2 = \sum_i \frac{λ_i^2}{(λ_i+κ)^2}

    κ − κ df₁/n is convex in κ and γ + tr C/n lies right of its root, so Newton's steps from there fall monotonically.
    Raises ArithmeticError if they have not settled.
    """
    xp = namespace(n, gamma)
    n, gamma = xp.broadcast_arrays(asarray(xp, n), asarray(xp, gamma))
    lam = eigenvalues.astype(n.dtype)
    kappa = _newton(xp, lam, n, gamma)
    shrunk = lam / (lam + kappa[..., None])
    positive = xp.where(kappa > 0, kappa, 1.0)
    above = xp.where(kappa > 0, gamma / positive, 1 - lam.size / n)  # 1 − df₁/n, by the equation for κ
    # h = (1 − df₁/n) + (df₁ − df₂)/n: both terms positive, where 1 − df₂/n cancels.
    h = above + xp.sum(shrunk * (1 - shrunk), axis=-1) / n
    return kappa, h, xp.sum(shrunk * shrunk, axis=-1) / n


def _newton_step(xp: Any, lam: np.ndarray, n: Any, gamma: Any, kappa: Any) -> Any:
    shrunk = lam / (lam + kappa[..., None])
    residual = kappa * (1 - xp.sum(shrunk, axis=-1) / n) - gamma
    # d/dκ [κ − κ df₁/n] = 1 − df₂/n.
    return kappa - residual / (1 - xp.sum(shrunk * shrunk, axis=-1) / n)


def _newton(xp: Any, lam: np.ndarray, n: Any, gamma: Any) -> Any:
    start = gamma + lam.sum() / n
    if xp is np:
        kappa = start
        for _ in range(NEWTON_STEPS):
            previous, kappa = kappa, np.maximum(_newton_step(np, lam, n, gamma, kappa), 0.0)
            if np.all(np.abs(kappa - previous) <= SETTLED * previous):
                return kappa
            # κ → 0 (ridgeless, n > p): past this it no longer differs from 0 beside any eigenvalue.
            kappa = np.where((gamma == 0) & (kappa < 1e-18 * lam.min()), 0.0, kappa)
        raise ArithmeticError(
            f"the fixed point for kappa did not settle in {NEWTON_STEPS} steps (last change "
            f"{np.max(np.abs(kappa - previous)):.3g}): n lies at the rank of the covariance and gamma at 0. "
            f"Choose a larger gamma."
        )
    from jax import lax

    fixed = [lax.stop_gradient(x) for x in (n, gamma, start)]
    kappa = lax.fori_loop(
        0, NEWTON_STEPS, lambda _, k: xp.maximum(_newton_step(xp, lam, fixed[0], fixed[1], k), 0.0), fixed[2]
    )
    # Two differentiable steps at the root carry exact first and second derivatives (implicit function theorem).
    for _ in range(2):
        kappa = _newton_step(xp, lam, n, gamma, kappa)
    return kappa
