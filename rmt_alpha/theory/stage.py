r"""One training: the whole asymptotic theory of ridge fits is this formula, applied once per training.

A stage fits W = ā-anchored ridge regression on n samples of a population (see `Population`), with R and χ from
`equivalents`. Its weights behave in every linear and quadratic functional like a Gaussian matrix,

.. math::
    \bar W = R\Big(\sum_k χ_k μ_k E_k^T + κ \bar a\Big), \qquad E_k = T_k - \bar W^Tμ_k
       \;⟹\; E_k + \sum_l (μ_k^T R μ_l)\, χ_l E_l = T_k - κ\, \bar a^T R μ_k, \\
    V_k = \bar W^T C_k \bar W + κ^2 \mathrm{tr}(C_k RΩR) + \sum_l T_{kl}\, S_l, \qquad S_k = V_k + E_kE_k^T + \mathrm{Cov}_k(y), \\
    Ω' = κ^2 RΩR + \frac1n \sum_k \frac{χ_k^2}{π_k} R C_k R \otimes S_k,

where (ā, Ω) is the law of the anchor Σ_s w̃_s D_s. Column i of W̄ is affine in the scales of its own output, so
everything is held as forms in a = (1, α₁, …, α_J) per output, and one solve serves every α. (Ω', W̄) is the anchor of
the next stage. Regression counts weights from W_t: then every T and E is 0. An intercept centres means and codes by χ
and costs one sample. (theory.md, section 9; one output and covariance: theory.md, section 2; arXiv 2510.21345,
section 3.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np

from .._arrays import asarray, namespace
from ..problem import Fit, Group, Population
from ..results import ScoreForm
from .resolvent import Anchor, Dense, Law, Spectral, pick

LOST = 1e-11  # of the mean code: scores that differ by less are its rounding


@dataclass(frozen=True, eq=False)
class Stage:
    """A training's scores and weights for every α. A = J + 1 counts the entries of a; m = A·q the columns (a, output)
    of its forms.

    | field | shape |
    |---|---|
    | `fit`, `population` | as asked; as the formula sees it: signed, or centred by χ |
    | `R` | `Spectral` or `Dense` |
    | `start` | ā as a form: (..., m, d) in the eigenbasis |
    | `E`, `mean` | mean residual and mean score per component: (..., K, m) |
    | `W` | W̄: (..., m, d) in the eigenbasis |
    | `V` | score covariance: (..., Kc, m, m), Kc = 1 where one covariance is shared |
    | `missed` | E_kE_kᵀ + Cov_k(y): (..., K, m, m) |
    """

    fit: Fit
    population: Population
    R: Spectral | Dense
    start: Annotated[Any, "*shared m d"]
    E: Annotated[Any, "*batch K m"]
    mean: Annotated[Any, "*batch K m"]
    W: Annotated[Any, "*batch m d"]
    V: Annotated[Any, "*batch Kc m m"]
    missed: Annotated[Any, "*batch K m m"]

    @property
    def outputs(self) -> int:
        return self.population.outputs

    @property
    def S(self) -> Any:
        """Residual covariance at a test point, (..., K, m, m)."""
        return self.V + self.missed

    def columns(self, a: Any) -> Any:
        """a (..., A, q) as weights (..., m, q) of the columns: block diagonal in the outputs."""
        xp = namespace(a)
        A, q = a.shape[-2:]
        spread = a[..., None] * xp.eye(q)  # (..., A, q, q)
        return xp.reshape(spread, (*a.shape[:-2], A * q, q))

    def law(self, a: Any) -> Law:
        """The law of the trained weights at a (A, q), or with leading axes."""
        xp = namespace(a, self.W)  # the scales may be JAX's where nothing else is
        columns = self.columns(a)
        turned = xp.swapaxes(columns, -1, -2)
        mean = turned @ self.W
        pulled = turned[..., None, :, :] @ self.R.pull(self.S) @ columns[..., None, :, :]
        law = self.R.law(mean, a[..., 1:, :], pulled)
        if not self.population.is_regression:
            return law
        return Law(law.mean + xp.swapaxes(xp.asarray(self.population.weights), 0, 1), law.noise, law.axes)

    @cached_property
    def form(self) -> ScoreForm:
        """The score's law for every α, batch axes last."""
        xp, population = self.R.xp, self.population
        A, q = len(self.fit.starts) + 1, self.outputs
        K = population.components
        c = xp.reshape(self.mean, (*self.mean.shape[:-1], A, q))  # (..., K, A, q)
        V = xp.broadcast_to(self.V, (*self.V.shape[:-3], K, *self.V.shape[-2:]))
        M = xp.reshape(V, (*V.shape[:-2], A, q, A, q))
        c = xp.moveaxis(c, (-2, -3, -1), (0, 1, 2))
        M = xp.moveaxis(M, (-4, -2, -5, -3, -1), (0, 1, 2, 3, 4))
        if self.fit.population.is_opposite and not self.fit.intercept:
            return ScoreForm(c[:, 0, 0], M[:, :, 0, 0, 0], prior=self.fit.population.priors[0])
        if self.fit.intercept and not population.is_regression:
            # b = ΣχT − W̄ᵀΣχμ: the test point is centred too, so only the mean code is to be added.
            shift = self.R.chi @ xp.asarray(self.fit.population.codes)
            if xp is np and max(np.abs(self.mean).max(), np.sqrt(np.abs(self.V).max())) < LOST * np.abs(shift).max():
                spread = _label_spread(self.fit.population)
                if spread > 0:  # else the intercept alone is the exact answer
                    raise lost_scores(np.max(self.fit.gamma), spread / np.abs(shift).max())
            first = xp.asarray(np.arange(A) == 0, dtype=float)
            c = c + (first[:, None, None] * shift[None, None]).reshape(A, 1, q, *(1,) * (c.ndim - 3))
        return ScoreForm(c, M, self.fit.population, self.fit.per)


def _label_spread(population: Population) -> float:
    """How far the labels that training sees are from the commonest one, root mean square; exactly 0 where they all are that one."""
    away = population.codes - population.codes[np.argmax(population.priors)]
    return float(np.sqrt(population.priors @ (np.sum(away**2, 1) + np.einsum("kii->k", population.noise))))


def lost_scores(gamma: Any, label_spread: float) -> FloatingPointError:
    """What to raise where the scores are less than rounding beside an intercept, by whichever made them small."""
    if label_spread < LOST:
        return FloatingPointError(
            f"population must have labels of more than one kind, but those that training sees are all alike but for {label_spread:.2g} "
            f"of their size (root mean square): the scores are lost in the rounding of the intercept. Take priors and flips farther "
            f"from 0 and 1, or intercept=False."
        )
    return FloatingPointError(
        f"gamma = {gamma:g} leaves so little of the weights that the scores are lost in the rounding of "
        f"the intercept. Take a smaller one, or intercept=False."
    )


def train(fit: Fit) -> Stage:
    """The stage of a fit with squared loss, anchored at what its starts return."""
    if not fit.intercept:
        population = fit.population.signed if fit.population.is_opposite else fit.population
        return solve(fit, population, pick(population, fit.n, fit.gamma, anchors(fit)))
    R = pick(fit.population, fit.n - 1, fit.gamma, anchors(fit))
    # The bias makes the training residuals E_k/(1+δ_k) vanish on average: Σ χ_k E_k = 0.
    return solve(fit, fit.population.centred(R.chi), R)


def solve(fit: Fit, population: Population, R: Spectral | Dense) -> Stage:
    """The formula above."""
    xp = R.xp
    q, A = population.outputs, len(R.anchors) + 1
    mu = R.into(asarray(xp, population.means))
    d = max([mu.shape[-1], *(a.mean.shape[-1] for a in R.anchors)])
    mu = _padded(xp, mu, d)
    start = _anchor_means(xp, population, R, d)  # (..., m, d)
    chi = R.chi
    K = len(chi)
    R_mu = R.resolve(mu)
    gram = R_mu @ mu.T  # (..., K, K)
    codes = xp.concatenate([asarray(xp, population.codes), xp.zeros((K, (A - 1) * q))], 1)
    scale = asarray(xp, R.kappa)[..., None, None]
    before = scale * (R_mu @ xp.swapaxes(start, -1, -2))  # (..., K, m)
    E = _solve_small(xp, xp.eye(K) + gram * chi, codes - before)
    mean = (gram * chi) @ E + before  # T − E, but without the loss of digits where a large γ leaves little of it
    W = R.resolve(xp.swapaxes(E, -1, -2) @ (chi[:, None] * mu) + scale * start)
    missed = E[..., :, None] * E[..., None, :]
    label = xp.zeros((K, A * q, A * q))
    noise = asarray(xp, population.noise)
    label = np.pad(noise, ((0, 0), (0, (A - 1) * q), (0, (A - 1) * q))) if xp is np else label.at[:, :q, :q].set(noise)
    missed = missed + label
    within = R.quadratic(W) + _blocks(R, q, lambda omega: R.trace(omega, R.kappa_R, R.kappa_R))
    return Stage(fit, population, R, start, E, mean, W, R.per_component(within, missed), missed)


def anchors(fit: Fit) -> list[Anchor]:
    """The laws of the starts; groups of one training share one."""
    made: list[Anchor] = []
    for k, (start, part) in enumerate(zip(fit.starts, fit.parts, strict=True)):
        inner, mask = (start.start, start.mask) if isinstance(start, Group) else (start, None)
        made.append(Anchor(_law(inner) if part == k else made[part].law, mask))
    return made


def _law(start: Any) -> Law:
    return trained(start) if isinstance(start, Fit) else Law(namespace(start).swapaxes(start, 0, 1))


def trained(fit: Fit) -> Law:
    """The law of a fit's weights at its own scales."""
    from ..problem import is_squared
    from . import convex, low_rank

    if not is_squared(fit.loss):
        return convex.law(fit)
    if fit.rank is not None and fit.rank < fit.population.outputs:
        return low_rank.law(fit)
    stage = train(fit)
    return stage.law(own_scales(fit, stage.R.xp))


def own_scales(fit: Fit, xp: Any) -> Any:
    """a (A, q) of a fit as a start, or (..., A, q)."""
    q, J = fit.population.outputs, len(fit.starts)
    if fit.alpha is None:
        return xp.ones((J + 1, q))
    xp = namespace(fit.alpha) if xp is np else xp
    alpha = asarray(xp, fit.alpha)
    alpha = alpha[..., None] if fit.n_alpha == 1 else alpha
    leading = alpha.shape[:-1]
    rows = (
        xp.reshape(alpha, (*leading, J, q))
        if fit.per == "output"
        else xp.broadcast_to(alpha[..., None], (*leading, J, q))
    )
    return xp.concatenate([xp.ones((*leading, 1, q)), rows], -2)


def _anchor_means(xp: Any, population: Population, R: Spectral | Dense, d: int) -> Any:
    """ā as a form (..., m, d): 0 at a₀ and each start's mean at its own entry; from W_t in regression."""
    q = population.outputs
    first = xp.zeros((q, d))
    if population.is_regression:
        first = -_padded(xp, R.into(xp.swapaxes(asarray(xp, population.weights), 0, 1)), d)
    rows = [first, *(_padded(xp, R.into(asarray(xp, anchor.mean)), d) for anchor in R.anchors)]
    leading = np.broadcast_shapes(*(r.shape[:-2] for r in rows))
    return xp.concatenate([xp.broadcast_to(r, (*leading, *r.shape[-2:])) for r in rows], -2)


def _padded(xp: Any, v: Any, d: int) -> Any:
    short = d - v.shape[-1]
    return xp.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, short)]) if short > 0 else v


def _blocks(R: Spectral | Dense, q: int, trace: Any) -> Any:
    """A quadratic functional of the anchors' noise as a form (..., Kc, m, m)."""
    xp, J = R.xp, len(R.anchors)
    zero = xp.zeros((q, q))
    grid = [[zero] * (J + 1) for _ in range(J + 1)]
    for i in range(J):
        for j in range(J):
            omega = R.noise(i, j)
            if omega is not None:
                grid[i + 1][j + 1] = trace(omega)
    leading = np.broadcast_shapes(*(b.shape[:-2] for row in grid for b in row))
    rows = [xp.concatenate([xp.broadcast_to(b, (*leading, q, q)) for b in row], -1) for row in grid]
    return xp.concatenate(rows, -2) if leading else xp.concatenate(rows, -2)[None]


def _solve_small(xp: Any, A: Any, b: Any) -> Any:
    """A⁻¹b for A (..., K, K), b (..., K, m)."""
    if A.shape[-1] == 1:
        return b / A
    try:
        return xp.linalg.solve(A, b)
    except np.linalg.LinAlgError as error:  # A = I + something so large that double precision loses the I
        raise ArithmeticError(
            "the means left the range of double precision beside the noise. Rescale the problem: norms nearer to one."
        ) from error
