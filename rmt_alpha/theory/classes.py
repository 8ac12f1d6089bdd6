r"""Ridge stages for classes that differ: flipped labels, unequal priors, a covariance for each component.

**Setting.** Component k has prior π_k, mean μ_k, covariance C_k, class y_k and flip rate ε_k; ℓ_k = y_k(1−2ε_k) is the mean of
the label t that training sees (t² = 1). A stage fits w = argmin (1/2n) Σ (tᵢ − xᵢᵀw)² + (γ/2)‖w − a‖² with an anchor a of mean
ā and covariance Ω, independent of the data.

**Derivation.** Stationarity reads γ(w − a) = (1/n) Σ xᵢrᵢ with residuals rᵢ = tᵢ − xᵢᵀw. Taking sample i out (Sherman–Morrison)
gives rᵢ = (tᵢ − xᵢᵀw₍₋ᵢ₎)/(1 + xᵢᵀQ₍₋ᵢ₎xᵢ/n), where xᵢ is independent of w₍₋ᵢ₎ and the quadratic form concentrates on one
number δ_k a component. With χ_k = π_k/(1+δ_k),

.. math::
    R &= \Big(Σ_k χ_k C_k + γ\Big)^{-1}, \qquad δ_k = \mathrm{tr}(C_k R)/n                                       && (1) \\
    \bar w &= \Big(Σ_k χ_k (C_k + μ_kμ_k^T) + γ\Big)^{-1} \Big(Σ_k χ_k ℓ_k μ_k + γ\bar a\Big)                      && (2) \\
    m_k &= μ_k^T\bar w, \qquad V_k = E\,w^TC_kw, \qquad s_k = V_k + m_k^2 - 2ℓ_km_k + 1                           && (3) \\
    Ω' &= γ^2 RΩR + Σ_k \frac{π_k s_k}{n(1+δ_k)^2} R C_k R                                                        && (4)

s_k = E(t − xᵀw)² is the risk against the noisy label. (2) is the mean of QXt/n + γQa under the deterministic equivalent of Q =
(XXᵀ/n + γ)⁻¹. (4) is the second order: the n leave-one-out residuals act on the weights like independent noises of variance
s_k/(1+δ_k)² and covariance C_k. V_k = w̄ᵀC_kw̄ + tr(C_kΩ') then closes as a linear system, one row a component,

.. math::
    (1 - T) V = \bar w^TC_k\bar w + γ^2\mathrm{tr}(C_kRΩR) + T(m^2 - 2ℓm + 1), \qquad
    T_{kl} = \frac{π_l \mathrm{tr}(C_kRC_lR)}{n(1+δ_l)^2}                                                          && (5)

and T is also the Jacobian of the right side of (1), which gives Newton's method for δ. (w̄, Ω') is the next stage's anchor.
Under α(ā, Ω) the mean (2) is affine and the right side of (5) quadratic in α, so that one computation serves every α.

All C_k = 1, π = ½, ε = 0, μ_k = y_kμ: κ = γ(1+δ), every T_kl = (1−h)/2, and `theory.stage` comes back.

Nothing asks for two components. Several in a class, cut by the sample's norm say, describe data whose norms vary
(`norm_strata`). Sources: Couillet & Liao, *Random Matrix Methods for Machine Learning* (deterministic equivalents); Loureiro et
al., arXiv 2106.03791 (a covariance for each class, any convex loss); Firdoussi & Seddik, arXiv 2405.14088 (flipped labels, C = I).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ..class_moments import ClassForm, ClassOptimum, class_optimum
from ..classes import ClassProblem, Mixture, matrices
from ..geometry import Covariance
from ..moments import Moments

NEWTON_STEPS = 200
SETTLED = 1e-12


def predict_classes(problem: ClassProblem, alpha: Any, threshold: str = "zero") -> Moments:
    """Asymptotic mean and variance (K, *α.shape) of each component's signed score, accuracy and risk (*α.shape).

    `threshold` on the score: "zero" or "optimal". Exact as n, N, p → ∞ at fixed ratios; `simulate_classes` is its witness.

    >>> mean = np.eye(1, 100)[0]
    >>> noisy = Mixture.two_classes(mean, -mean, prior=0.7, flips=0.2)
    >>> problem = ClassProblem(mean, noisy, n_target=50, gamma_target=0.5)  # the source is the vector itself
    >>> predict_classes(problem, [0, 1]).accuracy.round(3)
    array([0.61 , 0.765])
    """
    return class_form(problem).moments(alpha, threshold)


def optimal_alpha_classes(problem: ClassProblem, threshold: str = "zero") -> ClassOptimum:
    """The α of largest accuracy and the α of least risk."""
    return class_optimum(class_form(problem), threshold)


def class_form(problem: ClassProblem) -> ClassForm:
    """The score's law in every component, for every α at once: a target stage anchored at α times the source."""
    if problem.has_trained_source:
        anchor = _weights(problem.source, problem.n_source, problem.gamma_source)
    else:
        anchor = WeightLaw(problem.source, None)
    return _solve(problem.target, problem.n_target, problem.gamma_target, anchor).form


class WeightLaw(NamedTuple):
    """A stage's weights, as far as linear and quadratic forms see them: mean (p,) and covariance (p, p), or None for 0."""

    mean: np.ndarray
    cov: np.ndarray | None


class _Solved(NamedTuple):
    """A stage's scores, and what (4) needs: δ (K,), R (p, p), and w̄ at α⁰ and α¹ as columns (p, 2)."""

    form: ClassForm
    delta: np.ndarray
    R: np.ndarray
    w: np.ndarray


def _weights(mixture: Mixture, n: Any, gamma: Any) -> WeightLaw:
    """The law of an unanchored stage's weights: (2), (4) with ā = Ω = 0."""
    form, delta, R, w = _solve(mixture, n, gamma, WeightLaw(np.zeros(mixture.dim), None))
    m = mixture.labels * form.c[0]
    risk = form.M[0, 0] + m**2 - 2 * mixture.fitted_labels * m + 1
    noise = np.tensordot(mixture.priors * risk / (n * (1 + delta) ** 2), mixture.matrices, axes=1)
    return WeightLaw(w[:, 0], R @ noise @ R)


def _solve(mixture: Mixture, n: Any, gamma: Any, anchor: WeightLaw) -> _Solved:
    """One stage anchored at α times the given law, for every α: (1)–(3), (5)."""
    C, means, fitted = mixture.matrices, mixture.means, mixture.fitted_labels
    delta, R, T = equivalent(mixture, n, gamma)
    chi = mixture.priors / (1 + delta)
    # (R⁻¹ + UᵀU)⁻¹ by Woodbury, with rows U = √χ μ.
    U = np.sqrt(chi)[:, None] * means
    rhs = np.column_stack([(chi * fitted) @ means, gamma * anchor.mean])
    RU, Rr = R @ U.T, R @ rhs
    w = Rr - RU @ np.linalg.solve(np.eye(len(chi)) + U @ RU, U @ Rr)
    m = means @ w
    own = np.einsum("ia,kij,jb->kab", w, C, w, optimize=True)
    if anchor.cov is not None:
        own[:, 1, 1] += gamma**2 * np.einsum("kij,ji->k", C, R @ anchor.cov @ R)
    # m² − 2ℓm + 1 as a quadratic form in (1, α).
    square = m[:, :, None] * m[:, None, :]
    square[:, 0, 0] += 1 - 2 * fitted * m[:, 0]
    square[:, 0, 1] -= fitted * m[:, 1]
    square[:, 1, 0] = square[:, 0, 1]
    M = np.linalg.solve(np.eye(len(chi)) - T, (own + np.tensordot(T, square, axes=1)).reshape(len(chi), 4))
    return _Solved(ClassForm((mixture.labels[:, None] * m).T, M.T.reshape(2, 2, -1), mixture), delta, R, w)


def equivalent(mixture: Mixture, n: Any, gamma: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """δ (K,), R (p, p) and T (K, K): (1) and (5), read-only.

    The means do not enter: problems that differ in means, labels or source only share the last few of these. Raises
    ArithmeticError if Newton's method has not settled.
    """
    return _equivalent(mixture.covariances, tuple(mixture.priors), n, gamma)


@lru_cache(maxsize=4)
def _equivalent(
    covariances: tuple[Covariance, ...], priors: tuple[float, ...], n: Any, gamma: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R is a parallel sum, hence the right side of (1) increasing and concave in δ: Newton's steps fall from tr C_k/(nγ) to the
    root without safeguards."""
    C, pi, K = matrices(covariances), np.array(priors), len(priors)
    delta = np.trace(C, axis1=1, axis2=2) / (n * gamma)
    for _ in range(NEWTON_STEPS):
        chi = pi / (1 + delta)
        inverse = np.tensordot(chi, C, axes=1)
        inverse[np.diag_indices_from(inverse)] += gamma
        R = cho_solve(cho_factor(inverse), np.eye(len(inverse)))
        CR = C @ R
        traces = CR.reshape(K, -1) @ CR.transpose(0, 2, 1).reshape(K, -1).T
        T = traces * (chi / (n * (1 + delta)))
        gap = np.trace(CR, axis1=1, axis2=2) / n - delta
        if np.max(np.abs(gap) / (1 + delta)) < SETTLED:
            for shared in (delta, R, T):
                shared.flags.writeable = False
            return delta, R, T
        delta = np.maximum(delta + np.linalg.solve(np.eye(K) - T, gap), 0.0)
    raise ArithmeticError(
        f"delta did not settle in {NEWTON_STEPS} steps (last residual {np.max(np.abs(gap)):.3g}). Choose a larger gamma."
    )
