r"""Low rank, LoRA's own constraint, in closed form: rank(A) ≤ r with the same penalty.

At any finite size, with S = XXᵀ/n + γ, Â the unrestricted correction and G = ÂᵀSÂ (q × q), the minimiser is
(Eckart–Young in the metric S)

.. math:: A_r = \hat A\, U_r U_r^T, \qquad U_r \text{ the } r \text{ leading eigenvectors of } G.

With q fixed as n, p → ∞, G is deterministic,

.. math:: G = E[y'y'^T] - (γ/κ)^2 \sum_k \frac{χ_k^2}{π_k} S_k - γ E[\hat A^T \hat A], \qquad y' = y - a^T x,

(the residual of the start, less the training residual, less the penalty), and W_r = a + (W − a)P with P = U_rU_rᵀ is
a linear image of the weights of `stage`. Everything is a form in α: one solve serves every α and every rank. Where
two eigenvalues of G meet the leading space is not defined, at any size; results at such a rank come with a
`TieWarning`. Where they nearly meet, within fluctuations of G of relative order 1/√n, the limit is reached late.
(theory.md, section 10.)
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _checks as check
from ..problem import Fit, Population, is_squared
from ..results import Moments, Optimum, checked_alpha, describe
from ..results.moments import checked
from .resolvent import Law, Spectral
from .stage import Stage, _blocks, own_scales, train

TIE = 1e-7  # of the largest eigenvalue
LOST = 1e-13  # of the residuals' second moments: where G is smaller, what is left of the difference is rounding
# Between crossings of eigenvalues accuracy and risk have peaks of their own. Where many classes make a point of the search
# dear (an integral over orthants), it looks for broad ones only.
FINE, COARSE = 0.02, 0.25
EXACT = 3  # classes, up to which the orthants are in closed form


class TieWarning(UserWarning):
    """Two eigenvalues of G meet at the rank asked for: which of their directions training keeps is left to chance."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """A stage with what its restriction to any rank needs; `a` is (…, A, q), results have leading axes …"""

    stage: Stage

    @property
    def q(self) -> int:
        return self.stage.outputs

    @cached_property
    def traces(self) -> tuple[Any, ...]:
        """Of the anchors' noise, as forms: tr(C_kΩ), tr(C_kκRΩ), tr(C_kκRΩκR), and tr((1−κR)Ω(1−κR))."""
        R, q = self.stage.R, self.q
        one, shrink = R.one, R.kappa_R
        rest = one - shrink
        return (
            _blocks(R, q, lambda omega: R.trace(omega, one, one)),
            _blocks(R, q, lambda omega: R.trace(omega, shrink, one)),
            _blocks(R, q, lambda omega: R.trace(omega, shrink, shrink)),
            _blocks(R, q, lambda omega: R.trace(omega, rest, rest, weighted=False)),
        )

    @property
    def unshrunk(self) -> Any:
        """γ/κ = 1 − df₁/n, and its limit where both are 0."""
        R = self.stage.R
        if R.kappa > 0:
            return self.stage.fit.gamma / R.kappa
        assert isinstance(R, Spectral)
        return 1 - np.count_nonzero(R.lam) * R.cov.multiplicity / R.n

    @cached_property
    def gram_form(self) -> Any:
        """G as a form in the columns (m, m)."""
        s, R = self.stage, self.stage.R
        codes = np.zeros((s.population.components, s.start.shape[0]))
        codes[:, : self.q] = s.fit.population.codes
        E = codes - self._means(s.fit.population) @ s.start.T
        if s.fit.intercept:
            E = E - s.fit.population.priors @ E
        label = s.missed - s.E[:, :, None] * s.E[:, None, :]
        score = R.quadratic(s.start) + self.traces[0]  # (Kc, m, m)
        before = np.tensordot(s.population.priors, E[:, :, None] * E[:, None, :] + label + score, axes=1)
        pulled = R.pull(s.S)
        after = self.unshrunk**2 * pulled.sum(0)
        moved = s.W - s.start
        fresh = np.tensordot(np.reshape(R.fresh_trace(R.one, R.one, weighted=False), -1), pulled, axes=1)
        G = before - after - s.fit.gamma * (moved @ moved.T + self.traces[3][0] + fresh)
        if np.trace(G) < LOST * np.trace(before):
            raise FloatingPointError(
                f"gamma = {s.fit.gamma:g} leaves so little of the correction that the directions which a rank keeps are lost in "
                f"rounding. Take a smaller one, or full rank."
            )
        return G

    def gram(self, a: Any) -> np.ndarray:
        """G (…, q, q) at a."""
        columns = self.stage.columns(a)
        G = np.swapaxes(columns, -1, -2) @ self.gram_form @ columns
        return (G + np.swapaxes(G, -1, -2)) / 2

    def correction_spectrum(self, alpha: Any) -> np.ndarray:
        """The eigenvalues of G (…, q) at α, largest first."""
        return np.linalg.eigvalsh(self.gram(_weights(self.stage.fit, alpha)))[..., ::-1]

    def projection(self, a: Any, rank: int) -> np.ndarray:
        """P = U_rU_rᵀ (…, q, q)."""
        values, vectors = np.linalg.eigh(self.gram(a))
        if 0 < rank < self.q:
            gap = values[..., -rank] - values[..., -rank - 1]
            if np.any(gap <= TIE * np.abs(values[..., -1])):
                warnings.warn(
                    f"rank {rank}: eigenvalues {rank} and {rank + 1} of G coincide, so that the kept direction is left to chance. "
                    f"Take another rank or alpha.",
                    TieWarning,
                    stacklevel=2,
                )
        U = vectors[..., self.q - rank :]
        return U @ np.swapaxes(U, -1, -2)

    def scores(self, a: Any, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean (…, K, q) and covariance (…, K, q, q) of the scores of W_r."""
        s, R, q = self.stage, self.stage.R, self.q
        columns = s.columns(a)
        turned = np.swapaxes(columns, -1, -2)
        P = self.projection(a, rank)
        Q = np.eye(q) - P
        before, after = self._means(s.fit.population) @ s.start.T @ columns, self._means(s.population) @ s.W.T @ columns
        if s.fit.intercept and not s.population.is_regression:
            # The start's own bias makes its residuals vanish on average; training's is `stage`'s.
            priors, codes = np.asarray(s.fit.population.priors), np.asarray(s.fit.population.codes)
            before = before - (priors @ before)[..., None, :] + priors @ codes
            after = after + R.chi @ codes
        mean = before @ Q + after @ P
        both = R.quadratic(np.concatenate([s.start, s.W]))
        m = len(s.start)
        into = lambda form: turned[..., None, :, :] @ form @ columns[..., None, :, :]  # noqa: E731
        old, mixed, new = (into(both[:, i : i + m, j : j + m]) for i, j in ((0, 0), (m, 0), (m, m)))
        old, mixed, new = old + into(self.traces[0]), mixed + into(self.traces[1]), new + into(self.traces[2])
        fresh = np.einsum("kl,lij->kij", np.atleast_2d(R.fresh_trace(R.one, R.one)), R.pull(s.S))
        new = new + into(fresh)
        P, Q = P[..., None, :, :], Q[..., None, :, :]
        crossed = P @ mixed @ Q
        V = Q @ old @ Q + crossed + np.swapaxes(crossed, -1, -2) + P @ new @ P
        return mean, np.broadcast_to(V, (*V.shape[:-3], mean.shape[-2], q, q))

    def moments(self, alpha: Any, rank: int, threshold: str = "zero") -> Moments:
        """The moments at rank r, shaped like α."""
        a = _weights(self.stage.fit, alpha)
        mean, variance = self.scores(a, rank)
        mean, variance = np.moveaxis(mean, (-2, -1), (0, 1)), np.moveaxis(variance, (-3, -2, -1), (0, 1, 2))
        return describe(self.stage.fit.population, mean, variance, threshold)

    def _means(self, population: Population) -> np.ndarray:
        """μ (K, d) in the eigenbasis."""
        mu = self.stage.R.into(np.asarray(population.means))
        return np.pad(mu, ((0, 0), (0, self.stage.start.shape[-1] - mu.shape[-1])))


def solved(fit: Fit) -> LowRank:
    """The low-rank theory of a scalar fit."""
    if fit.uses_jax:
        raise TypeError(
            "fit must hold NumPy numbers for low ranks and the spectrum of G, got JAX arrays: its leading eigenvectors are found in "
            "NumPy. Pass NumPy numbers, or leave rank out."
        )
    # Both classes, mirror images or not: the start's residuals are counted in each.
    return LowRank(train(dataclasses.replace(fit, population=dataclasses.replace(fit.population, is_opposite=False))))


def _weights(fit: Fit, alpha: Any) -> np.ndarray:
    """a (…, A, q) for an α of any leading shape."""
    alpha = np.asarray(check.concrete("alpha", alpha), dtype=float)
    q, J = fit.population.outputs, len(fit.starts)
    leading = fit.leading_axes(alpha)
    if J == 0:
        return np.ones((*leading, 1, q))
    rows = alpha.reshape(*leading, J, q if fit.per == "output" else 1)
    return np.concatenate([np.ones((*leading, 1, q)), np.broadcast_to(rows, (*leading, J, q))], axis=-2)


def law(fit: Fit) -> Law:
    """The law of W_r at the fit's own scales: of a low-rank fit as a start."""
    low = solved(fit)
    a = own_scales(fit, np)
    s, dim = low.stage, fit.dim
    P = low.projection(a, fit.rank or 0)
    Q = np.eye(low.q) - P
    columns = s.columns(a)
    basis = s.R.cov.basis if isinstance(s.R, Spectral) and s.R.cov.basis is not None else None
    center = Q @ columns.T @ s.start + P @ columns.T @ s.W
    center = center if basis is None else center @ basis.T
    if fit.population.is_regression:
        center = center + np.asarray(fit.population.weights).T
    U = np.eye(dim) if basis is None else basis
    shrink = s.R.kappa_R if np.ndim(s.R.kappa_R) == 2 else (U * np.broadcast_to(s.R.kappa_R, dim)) @ U.T
    full = s.law(a).matrix(dim)
    noise = np.einsum("ki,lj,klab->ijab", P, P, full)
    for i in range(len(s.R.anchors)):
        for j in range(len(s.R.anchors)):
            left, right = s.R.anchors[i], s.R.anchors[j]
            if left.law is not right.law or left.law.noise is None:
                continue
            omega = left.law.matrix(dim)
            omega = omega if left.mask is None else omega * left.mask[:, None]
            omega = (omega if right.mask is None else omega * right.mask) * (a[i + 1, :, None] * a[j + 1, None, :])[
                ..., None, None
            ]
            noise = noise + np.einsum("ki,lj,klab->ijab", Q, Q, omega)
            noise = (
                noise
                + np.einsum("ki,lj,klab->ijab", P, Q, shrink @ omega)
                + np.einsum("ki,lj,klab->ijab", Q, P, omega @ shrink)
            )
    return Law(center, noise, None)


def moments(fit: Fit, alpha: Any, threshold: str = "zero") -> Moments:
    """The moments of a fit of rank below q at α."""
    if not fit.shape:
        return solved(fit).moments(alpha, fit.rank or 0, threshold)
    from .predict import of_cells

    return of_cells(fit, alpha, lambda cell, part: moments(cell, part, threshold))


@np.errstate(all="ignore")
def rank_path(fit: Fit, alpha: Any = None, *, threshold: str = "zero") -> Moments:
    """The moments at every rank r = 0 … q of the correction, from one solve.

    | parameter | meaning |
    |---|---|
    | `fit` | a scalar `Fit` with squared loss |
    | `alpha`, `threshold` | as for `predict` |

    Returns `Moments` whose risk and accuracy are (q + 1, …): the rank first, then the shape of α. Warns with
    `TieWarning` where two directions tie at a rank. Raises ValueError or TypeError, naming the parameter. (theory.md,
    section 10.)

    >>> W = np.vstack([np.diag([3.0, 2.0, 1.0]), np.zeros((57, 3))])
    >>> fit = Fit(Population.linear(1.5 * W, 0.5), n=90, gamma=0.1, starts=[W])
    >>> rank_path(fit, 1.0).risk.round(2)
    array([4.25, 2.34, 1.6 , 1.56])
    >>> rank_path(fit, 1.4).risk.round(2)
    array([0.89, 1.01, 1.17, 1.37])
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"fit must be a Fit, got {type(fit).__name__}. Take problem.fit.")
    alpha = checked_alpha(fit, alpha)
    if fit.shape:
        raise ValueError(f"fit must be scalar, got shape {fit.shape}. Iterate over fit.cells().")
    if not is_squared(fit.loss):
        raise ValueError(f"loss must be 'squared' for low ranks, got {fit.loss.name!r}.")
    low = solved(fit)
    path = [low.moments(alpha, r, threshold) for r in range(low.q + 1)]
    accuracy = None if path[0].accuracy is None else np.stack([np.asarray(m.accuracy) for m in path])
    mean, variance = np.stack([m.mean for m in path], 2), np.stack([m.variance for m in path], 3)
    return checked(Moments(mean, variance, accuracy, np.stack([np.asarray(m.risk) for m in path]), problem=fit))


def optimum(fit: Fit, threshold: str) -> Optimum:
    """The best α at the fit's rank."""
    return optimum_at(solved(fit), fit.rank or 0, threshold)


def optimum_at(low: LowRank, rank: int, threshold: str) -> Optimum:
    """The best α at a rank, by a search whose objective is exact."""
    from .optimum import optimum_by_search

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TieWarning)  # crossings of eigenvalues lie on the way of any search
        spacing = (
            FINE if low.stage.fit.population.outputs <= EXACT or low.stage.fit.population.is_regression else COARSE
        )
        return optimum_by_search(lambda alpha: low.moments(alpha, rank, threshold), low.stage.form, spacing)
