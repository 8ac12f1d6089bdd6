r"""`ScoreForm`: the score's law for every α at once.

Trained weights are affine in α, so scores are Gaussian with a mean that is linear in a = (1, α₁, …, α_J) and a
variance that is quadratic in it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from .. import _checks as check
from .._arrays import STATIC, asarray, is_jax, namespace, pytree
from ..problem import Population, checked_problem
from .moments import THRESHOLDS, Moments, describe, moments

LARGEST_ALPHA = 1e100
ROUNDING = 1e3  # units in the last place, of a form's squares
SPANNED = 1e-12  # of the largest difference of codes: less is rounding


@pytree
@dataclass(frozen=True, eq=False)
class ScoreForm:
    r"""The score's law for every α: m = cᵀa and V = aᵀMa, with a = (1, α₁, …, α_J).

    | field | two opposite classes | else |
    |---|---|---|
    | `c` | (J+1, …) | (J+1, K, q, …) |
    | `M` | (J+1, J+1, …) | (J+1, J+1, K, q, q, …) |
    | `population` | None | the test population, which turns scores into accuracy and risk |
    | `per` | "start" | "start" or "output": does α scale starts, or each output of each? |
    | `prior` | π₊, which matters to the best threshold | |

    The trailing axes are problems or draws. (arXiv 2510.21345, section 3; theory.md, section 9.)
    """

    c: Annotated[Any, "A *scores *batch"]
    M: Annotated[Any, "A A *products *batch"]
    population: Population | None = None
    per: str = field(default="start", metadata=STATIC)
    prior: Any = 0.5

    @property
    def n_starts(self) -> int:
        return len(self.c) - 1

    def weights(self, alpha: Any) -> Any:
        """a for an α whose leading axes broadcast against the trailing ones: (J+1, …), or (J+1, q, …) in general."""
        xp = namespace(alpha, self.c)
        alpha = asarray(xp, check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
        J = self.n_starts
        per_output = self.population is not None and self.per == "output"
        return self.spread(self._entries(xp, alpha, J * self.c.shape[2] if per_output else J))

    @property
    def units(self) -> Any:
        """The α (n_alpha,) at which a start's scores are as large as those of the rest of w; draws are averaged."""
        xp = namespace(self.c, self.M)
        if self.population is None:
            size = xp.stack([self.M[i, i] + self.c[i] ** 2 for i in range(len(self.c))])[:, None]
        else:
            priors = xp.asarray(self.population.priors)
            size = xp.einsum("k,aki...->ai...", priors, xp.einsum("aakii...->aki...", self.M) + self.c**2)
            size = size if self.per == "output" else xp.sum(size, 1, keepdims=True)
        size = xp.mean(xp.reshape(size, (*size.shape[:2], -1)), -1)
        ratio = xp.ravel(xp.sqrt(size[:1] / xp.where(size[1:] > 0, size[1:], xp.inf)))
        return xp.where(ratio > 0, ratio, 1.0)

    @property
    def least_risk(self) -> Any:
        r"""The α (n_alpha,) of least risk, a linear system; draws are averaged.

        .. math:: \Big(\sum_k π_k \big(⟨c_s, c_t⟩ + \mathrm{tr} M_{st}\big)_k\Big) α = \sum_k π_k \big(⟨c_s, t - c_0⟩
                  - \mathrm{tr} M_{s0}\big)_k

        over the starts s, t; per output, one such system for each.
        """
        c, M, population = self.c, self.M, self.population
        xp = namespace(c, M)
        if population is None:
            H, g = (c[:, None] * c[None] + M)[:, :, None], c[:, None]
        else:
            priors = xp.asarray(population.priors)
            true = np.zeros((c.shape[1], c.shape[2]))
            if not population.is_regression:
                true = np.asarray(population.targets)[np.array(population.classes_of)]
            H = xp.einsum("k,abki...->abi...", priors, c[:, None] * c[None] + xp.einsum("abkii...->abki...", M))
            g = xp.einsum("k,aki...->ai...", priors, c * true.reshape(*true.shape, *(1,) * (c.ndim - 3)))
        H, g = (xp.mean(xp.reshape(x, (*x.shape[:lead], -1)), -1) for x, lead in ((H, 3), (g, 2)))
        right = g[1:] - H[1:, 0]
        if self.per == "output":
            columns = solve_semidefinite(xp, xp.moveaxis(H[1:, 1:], -1, 0), xp.moveaxis(right, -1, 0))
            return xp.ravel(xp.moveaxis(columns, 0, -1))
        return solve_semidefinite(xp, xp.sum(H[1:, 1:], -1), xp.sum(right, -1))

    def spread(self, rows: Any) -> Any:
        """Entries (1 + n_alpha, …) as the a of `scores`: each start's α for all its outputs, or one for each."""
        xp, J = namespace(rows), self.n_starts
        if self.population is None:
            return rows
        q, rest = self.c.shape[2], rows.shape[1:]
        starts = rows[1:].reshape(J, q if self.per == "output" else 1, *rest)
        return xp.concatenate([xp.broadcast_to(x, (len(x), q, *rest)) for x in (rows[:1, None], starts)])

    @staticmethod
    def _entries(xp: Any, alpha: Any, count: int) -> Any:
        if count == 0:
            return xp.ones((1, *alpha.shape))
        if count == 1:
            # A single α may still come with an axis of its own where it is a vector of one output.
            return xp.stack([xp.ones_like(alpha), alpha])
        if alpha.shape[-1:] != (count,):
            raise ValueError(
                f"alpha must have one entry per start (and output, where it is per output) in its last axis, shape (..., {count}), "
                f"got {alpha.shape}. Several vectors α go along the leading axes."
            )
        return xp.concatenate([xp.ones((1, *alpha.shape[:-1])), xp.moveaxis(alpha, -1, 0)])

    def scores(self, a: Any) -> tuple[Any, Any]:
        """m and V along a = (a₀, …, a_J), of the shape that `weights` gives; a₀ = 0 is the direction α → ∞."""
        xp = namespace(a, self.c)
        if self.population is None:
            J = len(self.c)
            mean = sum(a[i] * self.c[i] for i in range(J))
            variance = sum((1 if i == j else 2) * a[i] * a[j] * self.M[i, j] for i in range(J) for j in range(i, J))
            return mean, variance
        batch = max(self.c.ndim - 3, a.ndim - 2)
        pad = lambda x, lead: x.reshape(*x.shape[:lead], *(1,) * (batch - x.ndim + lead), *x.shape[lead:])  # noqa: E731
        c, M, a = pad(self.c, 3), pad(self.M, 5), pad(a, 2)
        mean = xp.sum(a[:, None] * c, axis=0)
        left = xp.sum(a[:, None, None, :, None] * M, axis=0)
        return mean, xp.sum(a[:, None, None] * left, axis=0)

    @property
    def seen(self) -> ScoreForm:
        """The form of what the codes see of each start: without what is orthogonal to all differences of codes.

        In it a large α of a start whose outputs are nearly alike does not drown, in double precision, what they differ by.
        """
        if self.population is None or self.population.is_regression:
            return self
        xp = namespace(self.c, self.M)
        P = self._visible(self.population)
        c, M = _times(xp, P, self.c, 2), _times(xp, P, _times(xp, P, self.M, 3), 4)
        squares = lambda c, M: (xp.sum(c**2, 2), xp.einsum("aakii...->ak...", M))  # noqa: E731
        (mean, variance), (whole_mean, whole_variance) = squares(c, M), squares(self.c, self.M)  # (A, K, …)
        rounding = ROUNDING * np.finfo(whole_mean.dtype).eps
        lost = (variance <= rounding * whole_variance) & (mean <= rounding * (whole_mean + whole_variance))
        c = xp.where(lost[:, :, None], 0.0, c)
        M = xp.where((lost[:, None] | lost[None])[:, :, :, None, None], 0.0, M)
        return dataclasses.replace(self, c=c, M=M)

    @staticmethod
    def _visible(population: Population) -> np.ndarray:
        """The projection (q, q) onto the differences of codes."""
        targets = np.asarray(population.targets)
        _, size, basis = np.linalg.svd(targets[1:] - targets[0], full_matrices=False)
        basis = basis[size > SPANNED * size[0]]
        return basis.T @ basis

    def _seen_scores(self, a: Any) -> tuple[Any, Any] | None:
        """What the codes see of the scores along a; None where it is all of them."""
        population = self.population
        assert population is not None
        if population.is_regression or np.allclose(P := self._visible(population), np.eye(len(P))):
            return None
        seen = self.seen
        if self.per == "start":
            return seen.scores(a)
        # What the α of one start have in common scales what is seen of it, and the rest each output.
        xp = namespace(a, self.c)
        common = xp.mean(a, 1, keepdims=True) * xp.ones((1, a.shape[1], *(1,) * (a.ndim - 2)))
        half = _times(xp, P, self.M, 3)
        blocks = [[seen.M, half], [xp.swapaxes(xp.swapaxes(half, 0, 1), 3, 4), self.M]]
        M = xp.concatenate([xp.concatenate(row, 1) for row in blocks])
        both = dataclasses.replace(self, c=xp.concatenate([seen.c, self.c]), M=M)
        mean, variance = both.scores(xp.concatenate([common, a - common]))
        return _times(xp, P, mean, 1), _times(xp, P, _times(xp, P, variance, 1), 2)

    def moments(self, alpha: Any, threshold: Any = "zero") -> Moments:
        """The moments at α, which broadcasts against the trailing axes; vectors α are (…, J), or (…, J·q) per output."""
        return self.along(self.weights(alpha), threshold)

    def along(self, a: Any, threshold: Any = "zero") -> Moments:
        """The moments along a, of which the accuracy is that of every multiple of a, and of α → ∞ where a₀ = 0; see `scores`."""
        mean, variance = self.scores(a)
        if self.population is None:
            return moments(
                mean, variance, self.prior if check.choice("threshold", threshold, THRESHOLDS) == "best" else None
            )
        seen = self._seen_scores(a) or (mean, variance)
        return describe(self.population, mean, variance, threshold, (*seen, a[0, 0]))


def checked_alpha(problem: Any, alpha: Any) -> Any:
    """α as an array that fits the problem; zeros of shape () stand for none."""
    checked_problem(problem)
    n_alpha = problem.n_alpha
    if n_alpha == 0:
        if alpha is not None:
            raise ValueError("alpha must be None for a fit without starts, got a value. There is nothing to scale.")
        return np.zeros(())
    if alpha is None:
        raise ValueError(
            f"alpha must be given for a fit with {n_alpha} scale{'s' * (n_alpha > 1)}, got None. optimal_alpha finds the best."
        )
    alpha = check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA)
    leading = problem.leading_axes(alpha)
    check.broadcastable(alpha=np.broadcast_to(0, leading), problem=np.broadcast_to(0, problem.shape))
    return alpha if is_jax(alpha) else np.asarray(alpha)


def _times(xp: Any, P: np.ndarray, x: Any, axis: int) -> Any:
    """A symmetric matrix times one axis of an array."""
    return xp.moveaxis(xp.tensordot(P, x, axes=(1, axis)), 0, axis)


def solve_semidefinite(xp: Any, A: Any, b: Any) -> Any:
    """A⁻¹b for symmetric positive semi-definite A (..., k, k) and b (..., k), of least length where starts repeat
    each other.
    """
    scale = xp.sqrt(xp.diagonal(A, axis1=-2, axis2=-1))
    scale = xp.where(scale == 0, 1.0, scale)  # a start that is zero
    inverse = xp.linalg.pinv(A / (scale[..., :, None] * scale[..., None, :]), hermitian=True)
    return (inverse @ (b / scale)[..., None])[..., 0] / scale
