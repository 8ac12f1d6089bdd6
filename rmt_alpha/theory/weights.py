r"""The law of trained weights, and how stages compose: a source, a chain of fine-tunings, several sources, groups.

In every linear and quadratic functional trained weights behave like a Gaussian vector (theory.md, section 2). So a stage is a
function from its anchor's law to its own, and a problem with several sources asks only for the numbers

.. math:: μ^T R\, E\tilde w_j, \quad μ^T RCR\, E\tilde w_j, \quad
          E[\tilde w_j^T RCR \tilde w_k] = E\tilde w_j^T RCR\, E\tilde w_k + \mathrm{tr}(RCR\,\tildeΩ_{kj}),

where independent sources have Ω̃_jk = 0 for j ≠ k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import asarray, namespace
from ..geometry import Covariance
from ..sources import Pool, Source
from . import equivalents
from .stage import Functionals, score_form, unanchored


@dataclass(frozen=True)
class WeightLaw:
    """Mean and noise of trained weights, in the eigenbasis of the covariance `axes`.

    | field | shape |
    |---|---|
    | `mean` | (..., p) |
    | `noise` | Ω: (..., p) where diagonal in that basis, (..., p, p) where `is_full`; a single 0.0 for a given vector |
    """

    mean: Any
    noise: Any
    axes: Covariance
    is_full: bool = False


def source_law(source: Source | Pool) -> WeightLaw:
    """The law of a source's classifier, through all the stages that it came from."""
    if isinstance(source, Pool):
        return pooled_law(source)
    if not source.is_trained:
        return fixed_law(source.w)
    xp = namespace(source.n, source.gamma, source.alpha)
    n, gamma, alpha = (asarray(xp, x) for x in (source.n, source.gamma, source.alpha))
    start = None if source.start is None else source_law(source.start)
    return trained_law(source.cov.to_eigenbasis(source.mean), source.cov, n, gamma, start, alpha)


def fixed_law(w: Any) -> WeightLaw:
    """A given classifier: no noise."""
    return WeightLaw(w, 0.0, Covariance(None, w.shape[-1]))


def trained_law(
    mu: Any, cov: Covariance, n: Any, gamma: Any, start: WeightLaw | None = None, alpha: Any = 1.0
) -> WeightLaw:
    r"""The law of weights trained on n samples from α times weights of a given law (None: from zero).

    .. math:: \bar w = R\,((1-m) μ + κ α \bar w_0),
              \qquad Ω = κ^2 α^2 R Ω_0 R + \tfrac{σ^2}{n} RCR, \qquad σ^2 = V + (1-m)^2
    """
    kappa, _, _ = equivalent(cov, n, gamma)
    R = 1 / (cov.eigenvalues + kappa[..., None])
    f = functionals(mu, cov, n, gamma, [] if start is None else [start])
    if start is None:
        e, sigma2 = unanchored(f)
        return WeightLaw(R * mu * e[..., None], (sigma2 / n)[..., None] * cov.eigenvalues * R * R, cov)
    moments = score_form(f).moments(alpha)
    e, sigma2 = (asarray(namespace(kappa), x)[..., None] for x in (1 - moments.mean, moments.risk))
    shrink = kappa[..., None] * asarray(namespace(kappa), alpha)[..., None] * R
    center = R * mu * e + shrink * in_axes(start, cov)
    fresh = sigma2 / n[..., None] * cov.eigenvalues * R * R
    if np.ndim(start.noise) == 0 or (not start.is_full and cov.transition(start.axes) is None):
        return WeightLaw(center, shrink * shrink * start.noise + fresh, cov)
    inherited = shrink[..., :, None] * shrink[..., None, :] * full_noise(start, cov)
    return WeightLaw(center, inherited + fresh[..., None] * np.eye(cov.dim), cov, is_full=True)


def pooled_law(pool: Pool) -> WeightLaw:
    r"""The law of weights trained on the union of data sets with means μ_t and shares ρ_t of the N samples.

    .. math:: e_t = 1 - μ_t^T \bar w, \quad \bar w = R \sum_t ρ_t e_t μ_t
              \;⟹\; e_t + \sum_s μ_t^T R μ_s\, ρ_s e_s = 1,

    .. math:: σ^2 = V + \sum_t ρ_t e_t^2, \quad hV = \bar w^T C \bar w + (1-h) \sum_t ρ_t e_t^2, \quad Ω = \tfrac{σ^2}{N} RCR.

    The margins y x^T w have mean m_t on data set t, so its residuals pull towards μ_t with weight e_t = 1 − m_t.
    """
    cov = pool.parts[0].cov
    xp = namespace(pool.gamma, *(s.n for s in pool.parts))
    sizes = xp.stack(xp.broadcast_arrays(*(asarray(xp, s.n) for s in pool.parts)), -1)
    n = xp.sum(sizes, -1)
    share = sizes / n[..., None]
    kappa, h, one_minus_h = equivalent(cov, n, asarray(xp, pool.gamma))
    R = 1 / (cov.eigenvalues + kappa[..., None])
    mu = xp.stack(xp.broadcast_arrays(*(cov.to_eigenbasis(s.mean) for s in pool.parts)), -2)  # (..., T, p)
    G = (mu * R[..., None, :]) @ xp.moveaxis(mu, -1, -2)
    system = xp.eye(len(pool.parts)) + G * share[..., None, :]
    e = xp.linalg.solve(system, xp.ones((*system.shape[:-1], 1)))[..., 0]
    center = R * ((share * e)[..., None, :] @ mu)[..., 0, :]
    missed = xp.sum(share * e * e, -1)
    V = (xp.sum(cov.eigenvalues * center * center, -1) + one_minus_h * missed) / h
    return WeightLaw(center, ((V + missed) / n)[..., None] * cov.eigenvalues * R * R, cov)


def equivalent(cov: Covariance, n: Any, gamma: Any) -> tuple[Any, Any, Any]:
    """κ, h and 1−h of a stage."""
    if cov.is_identity:
        return equivalents.isotropic(cov.dim / n, gamma)
    return equivalents.general(cov.eigenvalues, n, gamma)


def in_axes(law: WeightLaw, cov: Covariance) -> Any:
    """The law's mean, in the eigenbasis of another covariance."""
    T = cov.transition(law.axes)
    return law.mean if T is None else law.mean @ T.T


def diagonal_noise(law: WeightLaw, cov: Covariance) -> Any:
    """The diagonal of Ω in the eigenbasis of another covariance, (..., p): Σ_j ⟨u_i, ũ_j⟩² Ω_jj if it is diagonal in its own."""
    T = cov.transition(law.axes)
    if np.ndim(law.noise) == 0:
        return law.noise
    if T is None:
        return namespace(law.noise).diagonal(law.noise, axis1=-2, axis2=-1) if law.is_full else law.noise
    if law.is_full:
        return namespace(law.noise).sum((T @ law.noise) * T, -1)
    O = cov.overlap(law.axes)
    assert O is not None
    return law.noise @ O.T


def full_noise(law: WeightLaw, cov: Covariance) -> Any:
    """Ω in the eigenbasis of another covariance, (..., p, p), or a single 0.0."""
    if np.ndim(law.noise) == 0:
        return law.noise
    T = cov.transition(law.axes)
    if law.is_full:
        return law.noise if T is None else T @ law.noise @ T.T
    U = np.eye(cov.dim) if T is None else T
    return (law.noise[..., None, :] * U) @ U.T


def functionals(
    mu: Any, cov: Covariance, n: Any, gamma: Any, laws: Sequence[WeightLaw], groups: np.ndarray | None = None
) -> Functionals:
    """What a stage with mean μ, in the eigenbasis of C, sees of anchors of the given laws, split by groups of coordinates."""
    kappa, h, one_minus_h = equivalent(cov, n, gamma)
    R = 1 / (cov.eigenvalues + kappa[..., None])
    RCR = cov.eigenvalues * R * R
    total = lambda x: namespace(x).sum(x, -1)  # noqa: E731
    own = (kappa, h, one_minus_h, total(mu * mu * R), total(mu * mu * RCR))
    if groups is not None:
        return Functionals(*own, *_grouped(cov, R * mu, RCR * mu, RCR, laws, groups))
    w = [in_axes(law, cov) for law in laws]
    W = [[total(RCR * a * b) for b in w] for a in w]
    for k, law in enumerate(laws):
        W[k][k] = W[k][k] + total(RCR * diagonal_noise(law, cov))
    return Functionals(*own, [total(mu * R * v) for v in w], [total(mu * RCR * v) for v in w], W)


def _grouped(
    cov: Covariance, R_mu: Any, RCR_mu: Any, RCR: Any, laws: Sequence[WeightLaw], groups: np.ndarray
) -> tuple[list[Any], list[Any], list[list[Any]]]:
    r"""The anchors P_g w̃_k, one for each source and group (source by source), which share their source's noise.

    .. math:: E[\tilde w_j^T P_g\, A\, P_h \tilde w_k] = \sum_{a∈g,\, b∈h} A_{ab}\,(E\tilde w_j\, E\tilde w_k^T + δ_{jk} \tildeΩ_k)_{ab},
              \qquad A = RCR

    in the standard basis. Where A is diagonal there, groups meet nowhere: only g = h remains.
    """
    standard = Covariance(None, cov.dim)
    G = np.eye(groups.max() + 1)[groups]  # (p, groups): which coordinate is in which group
    w = [in_axes(law, standard) for law in laws]
    R_mu, RCR_mu = cov.from_eigenbasis(R_mu), cov.from_eigenbasis(RCR_mu)

    def block(j: int, k: int) -> Any:
        """(..., G, G)"""
        if cov.basis is None:
            noise = diagonal_noise(laws[k], standard) if j == k else 0.0
            within = (RCR * (w[j] * w[k] + noise)) @ G
            return within[..., None] * np.eye(G.shape[1])
        A = (RCR[..., None, :] * cov.basis) @ cov.basis.T
        noise = full_noise(laws[k], standard) if j == k else 0.0
        return G.T @ (A * (w[j][..., :, None] * w[k][..., None, :] + noise)) @ G

    pairs = [(k, g) for k in range(len(laws)) for g in range(G.shape[1])]
    blocks = [[block(j, k) for k in range(len(laws))] for j in range(len(laws))]
    mu_R_w = [(R_mu * v) @ G for v in w]
    mu_RCR_w = [(RCR_mu * v) @ G for v in w]
    return (
        [mu_R_w[k][..., g] for k, g in pairs],
        [mu_RCR_w[k][..., g] for k, g in pairs],
        [[blocks[j][k][..., g, h] for k, h in pairs] for j, g in pairs],
    )
