"""What theory and simulation both return: the law of the score, and what follows from it.

The score yxᵀw of a test point is Gaussian given w, N(m, V). Because w_α is affine in α, one `ScoreForm` holds
m and V for *every* α: in theory one per problem, in simulation one per draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks as check
from ._arrays import asarray, namespace, normal_cdf, plain, pytree

LARGEST_ALPHA = 1e100


@pytree
@dataclass(frozen=True)
class Moments:
    """Mean m, variance V, accuracy Φ(m/√V) and risk V + (1−m)² of the score, each with the common shape of α and problem.

    The accuracy is signed: below ½ the classifier is inverted.
    """

    mean: Any
    variance: Any
    accuracy: Any
    risk: Any

    @property
    def folded_accuracy(self) -> Any:
        """max(accuracy, 1 − accuracy): what the published figures show."""
        return namespace(self.accuracy).maximum(self.accuracy, 1 - self.accuracy)


def moments(mean: Any, variance: Any) -> Moments:
    """Moments of a score N(m, V); raises FloatingPointError if they are not finite."""
    xp = namespace(mean, variance)
    accuracy = normal_cdf(mean / xp.sqrt(variance))
    if xp is np and not np.isfinite(np.sum(accuracy)):
        raise FloatingPointError(
            "the score's law left the range of double precision (variance "
            f"{np.min(variance):g} … {np.max(variance):g}). Rescale the problem: norms, penalties and α nearer to one."
        )
    return Moments(*map(plain, (mean, variance, accuracy, variance + (1 - mean) ** 2)))


@pytree
@dataclass(frozen=True)
class ScoreForm:
    """The score's law for every α at once: m = cᵀa and V = aᵀMa, with a = (1, α₁, …, α_K).

    `c` has shape (K+1, ...), `M` (K+1, K+1, ...); the trailing axes are problems or draws. (theory: arXiv 2510.21345, section 3.)
    """

    c: Any
    M: Any

    def moments(self, alpha: Any) -> Moments:
        """The moments at α, which broadcasts against the trailing axes; with K sources α is (..., K)."""
        xp = namespace(alpha, self.c)
        alpha = asarray(xp, check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
        K = len(self.c)
        if K != 2 and alpha.shape[-1:] != (K - 1,):
            raise ValueError(
                f"alpha must have one entry a source, shape (..., {K - 1}) (or for each source and group), got {alpha.shape}. "
                f"Several vectors α go along the leading axes."
            )
        a = (1.0, alpha) if K == 2 else (1.0, *xp.moveaxis(alpha, -1, 0))
        mean = sum(a[i] * self.c[i] for i in range(K))
        variance = sum((1 if i == j else 2) * a[i] * a[j] * self.M[i, j] for i in range(K) for j in range(i, K))
        return moments(mean, variance)


@pytree
@dataclass(frozen=True)
class Optimum:
    """The distinguished values of α.

    | field | meaning |
    |---|---|
    | `best` | α*: the largest signed accuracy; ±inf where it is approached only there |
    | `worst` | ᾱ: the score has mean 0, the accuracy is ½ |
    | `accuracy` | at α* (the supremum where α* is infinite) |
    | `at_infinity` | is α* infinite? |
    | `min_risk` | α with the smallest risk |
    | `risk` | the risk there |
    | `direction` | the unit vector along which α* goes to infinity, where it does, else 0 |

    With K > 1 sources or groups `best`, `worst`, `min_risk` and `direction` are (..., K), and `worst` is the shortest α of
    accuracy ½ (they fill a hyperplane).
    """

    best: Any
    worst: Any
    accuracy: Any
    at_infinity: Any
    min_risk: Any
    risk: Any
    direction: Any


def _ratio(xp: Any, numerator: Any, denominator: Any) -> Any:
    """numerator/denominator; ±inf over zero, and 0 for 0/0 (every α is as good: take the smallest)."""
    safe = xp.where(denominator == 0, 1.0, denominator)
    at_zero = xp.where(numerator == 0, 0.0, xp.copysign(xp.inf, numerator))
    with np.errstate(over="ignore"):  # beyond the largest double: ±inf
        return xp.where(denominator == 0, at_zero, numerator / safe)


def optimum(form: ScoreForm) -> Optimum:
    r"""The best and the worst α of a form; the formulas here are for one source.

    .. math:: α^* = \frac{(M^{-1}c)_1}{(M^{-1}c)_0}, \qquad ᾱ = -\frac{c_0}{c_1}, \qquad
              α_{risk} = \frac{c_1(1-c_0) - M_{01}}{M_{11} + c_1^2}.

    (cᵀa)/√(aᵀMa) is largest along a ∝ M⁻¹c. Where that direction has (M⁻¹c)₀ ≤ 0, no finite α reaches it: the supremum
    |c₁|/√M₁₁ lies at α → sign(c₁)·∞. (theory.md, section 4.)
    """
    c, M = form.c, form.M
    if len(c) != 2:
        return _optimum_of_several(form)
    xp = namespace(c)
    d0 = M[1, 1] * c[0] - M[0, 1] * c[1]
    d1 = M[0, 0] * c[1] - M[0, 1] * c[0]
    # Without any source (M11 = 0 = c1) or any signal (c = 0) every α is as good: 0.
    at_infinity = (d0 < 0) | ((d0 == 0) & (c[1] != 0))
    finite = _ratio(xp, xp.where(at_infinity, 0.0, d1), xp.where(at_infinity, 1.0, d0))
    best = xp.where(at_infinity, xp.copysign(xp.inf, c[1]), finite)
    snr = (c[0] + finite * c[1]) / xp.sqrt(M[0, 0] + 2 * finite * M[0, 1] + finite * finite * M[1, 1])
    limit = xp.abs(c[1]) / xp.sqrt(xp.where(at_infinity, M[1, 1], 1.0))
    min_risk = _ratio(xp, c[1] * (1 - c[0]) - M[0, 1], M[1, 1] + c[1] * c[1])
    at_min = M[0, 0] + 2 * min_risk * M[0, 1] + min_risk * min_risk * M[1, 1]
    risk = at_min + (1 - c[0] - min_risk * c[1]) ** 2
    accuracy = normal_cdf(xp.where(at_infinity, limit, snr))
    direction = xp.where(at_infinity, xp.sign(c[1]), 0.0)
    return Optimum(*map(plain, (best, -_ratio(xp, c[0], c[1]), accuracy, at_infinity, min_risk, risk, direction)))


def _optimum_of_several(form: ScoreForm) -> Optimum:
    r"""The distinguished vectors α of K sources, or groups of coordinates.

    .. math:: α^* = \frac{(M^{-1}c)_{1:}}{(M^{-1}c)_0}, \qquad
              α_{risk} = (M_{11} + c_1 c_1^T)^{-1} (c_1 (1 - c_0) - M_{10}), \qquad ᾱ = -\frac{c_0}{‖c_1‖^2} c_1

    with c = (c₀, c₁) and M in blocks. The half-space a₀ > 0 does not hold M⁻¹c where (M⁻¹c)₀ ≤ 0. Superlevel sets of (cᵀa)/√(aᵀMa) are
    convex, so the supremum then lies on its boundary a₀ = 0: α → ∞ along M₁₁⁻¹c₁. (theory.md, section 4; for several sources
    in ridge regression, compare arXiv 2210.12759.)
    """
    xp = namespace(form.c)
    c = xp.moveaxis(form.c, 0, -1)
    M = xp.moveaxis(form.M, (0, 1), (-2, -1))
    c0, c1, M10, M11 = c[..., :1], c[..., 1:], M[..., 1:, 0], M[..., 1:, 1:]
    d = _solve(xp, M, c)
    at_infinity = (d[..., 0] <= 0) & xp.any(c1 != 0, -1)
    best = d[..., 1:] / xp.where(at_infinity, 1.0, xp.where(d[..., 0] == 0, 1.0, d[..., 0]))[..., None]
    far = _solve(xp, M11, c1)
    length = xp.sqrt(xp.sum(far * far, -1, keepdims=True))
    direction = xp.where(at_infinity[..., None], far / xp.where(length == 0, 1.0, length), 0.0)
    snr2 = xp.where(at_infinity, xp.sum(c1 * far, -1), xp.sum(c * d, -1))
    infinite = xp.where(direction == 0, 0.0, xp.copysign(xp.inf, direction))
    best = xp.where(at_infinity[..., None], infinite, best)
    square = xp.sum(c1 * c1, -1, keepdims=True)
    worst = xp.where(square == 0, -xp.inf, -c0 * c1 / xp.where(square == 0, 1.0, square))
    min_risk = _solve(xp, M11 + c1[..., :, None] * c1[..., None, :], c1 * (1 - c0) - M10)
    # At its minimum a quadratic form is its constant plus half its linear term.
    risk = M[..., 0, 0] + (1 - c[..., 0]) ** 2 + xp.sum(min_risk * (M10 - c1 * (1 - c0)), -1)
    accuracy = normal_cdf(xp.sqrt(xp.maximum(snr2, 0.0)))
    return Optimum(*map(plain, (best, worst, accuracy, at_infinity, min_risk, risk, direction)))


def _solve(xp: Any, A: Any, b: Any) -> Any:
    """A⁻¹b for symmetric positive semi-definite A (..., k, k) and b (..., k), of least length where sources repeat each other."""
    scale = xp.sqrt(xp.diagonal(A, axis1=-2, axis2=-1))
    scale = xp.where(scale == 0, 1.0, scale)  # a source that is zero
    inverse = xp.linalg.pinv(A / (scale[..., :, None] * scale[..., None, :]), hermitian=True)
    return (inverse @ (b / scale)[..., None])[..., 0] / scale
