r"""Ridge around frozen starts with an unpenalised intercept: every α, every γ and exact leave-one-out from one factorisation.

.. math:: (a, b) = \arg\min \frac{1}{2n}\sum_i ω_i\,(t_i - b - Σ_j α_j (b_j + x_i^T w_j) - x_i^T a)^2 + \frac γ2 ‖a‖^2,
          \qquad f_α(x) = b + Σ_j α_j (b_j + x^T w_j) + x^T a

f_α is affine in α: that of the targets t alone, plus α_j times that of the start's own scores. With B the matrix that takes
targets to residuals, B = I − 11ᵀ/n − X̃QX̃ᵀ/n for centred rows X̃, the residual of row i under the fit without it is
(Bt)_i / B_ii, with the same n and γ, the intercept refitted. (arXiv 2510.21345, section 3, with an intercept.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .factor import Factor, factorise


@dataclass(frozen=True)
class LeaveOneOut:
    """Scores of the rows by fits that have not seen them; J starts, d outputs, n rows. Several γ (g,) lead every shape.

    scores (1+J, d, n): at α = 0, and the slope in each α_j.  leverage (n,): 1 − B_ii, next to that of an intercept alone.
    noise: mean square over i of the weights −B_ij/B_ii by which row i's score hangs on other targets, their mean taken off.
    alignment (d, J, 1+J): w_jᵀv for v = w_0, u_1 … u_J (the weights' base and slopes).
    dim: p.  starts (J, d, m): what makes the sources differ, their weights, and without an intercept theirs, too.
    """

    gamma: np.ndarray
    scores: np.ndarray
    leverage: np.ndarray
    noise: np.ndarray
    alignment: np.ndarray
    dim: int
    starts: np.ndarray

    def __getitem__(self, g: int) -> LeaveOneOut:
        """At one of several γ."""
        several = ("gamma", "scores", "leverage", "noise", "alignment")
        return replace(self, **{name: getattr(self, name)[g] for name in several})

    def at(self, alpha: np.ndarray) -> np.ndarray:
        """Scores (d, n) at alpha (J, d)."""
        return self.scores[..., 0, :, :] + np.einsum("...jd,...jdn->...dn", alpha, self.scores[..., 1:, :, :])


class RidgePath:
    """The fits to targets (n, d) around starts W (J, d, p) with intercepts (J, d), for γ from `least_gamma` on.

    >>> rng = np.random.default_rng(0)
    >>> X, t, W = rng.standard_normal((20, 50)), rng.standard_normal((20, 1)), rng.standard_normal((1, 1, 50))
    >>> path = RidgePath(X, t, W)
    >>> loo = path.leave_one_out(0.5)
    >>> refitted = RidgePath(X[1:], t[1:], W)  # without the first row; its penalty per row is larger
    >>> coef, intercept = refitted.fit(0.5 * 20 / 19, np.array([[2.0]]))
    >>> bool(np.isclose(loo.at(np.array([[2.0]]))[0, 0], X[0] @ coef[0] + intercept[0]))
    True
    """

    def __init__(
        self,
        X: Any,
        targets: np.ndarray,
        starts: np.ndarray,
        start_intercepts: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        intercept: bool = True,
        least_gamma: float = 0.0,
    ):
        n = X.shape[0]
        self.X, self.starts, self.intercept, self.least_gamma = X, starts, intercept, least_gamma
        J, d, p = starts.shape
        self.start_intercepts = np.zeros((J, d)) if start_intercepts is None else start_intercepts
        self.omega = np.ones(n) if weights is None else weights * (n / weights.sum())
        own = np.asarray(X @ starts.reshape(J * d, p).T).T.reshape(J, d, n) + self.start_intercepts[..., None]
        self.targets = np.concatenate([targets.T[None], own])  # (1+J, d, n)

    @cached_property
    def factor(self) -> Factor:
        return factorise(self.X, self.omega, self.intercept, self.least_gamma)

    @cached_property
    def _weighted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | float]:
        """Weighted, centred targets (1+J, d, n), their coordinates (1+J, d, r), and what U does not span."""
        J1, d, n = self.targets.shape
        flat = (self.factor.root * (self.targets - self._means[..., None])).reshape(J1 * d, n)
        coordinates = self.factor.coordinates(flat)
        spanned = self.factor.s.size == n - self.intercept  # then the rest is rounding, which would swamp a tiny γ
        outside = 0.0 if spanned else (flat - self.factor.rows(coordinates)).reshape(J1, d, n)
        return flat.reshape(J1, d, n), coordinates.reshape(J1, d, -1), outside

    @cached_property
    def _means(self) -> np.ndarray:
        return self.targets @ self.omega / self.omega.size * self.intercept

    def leave_one_out(self, gamma: Any, centred: bool = False) -> LeaveOneOut:
        """At a positive γ or several (g,); `centred` scores lack the mean of the other rows' targets.

        That mean leans against the row left out, by 1/n: a classifier, which has a threshold of its own, is better judged without.
        """
        gammas = np.atleast_1d(np.asarray(gamma, dtype=float))
        s2, s, n, g = self.factor.s**2, self.factor.s, self.omega.size, gammas.size
        _, coordinates, outside = self._weighted
        keep = gammas[:, None] / (s2 + gammas[:, None])  # (g, r)
        mean_part = self.omega / n * self.intercept
        spanned = s.size == n - self.intercept
        energy = self.factor.energy(np.vstack([np.ones_like(s2), keep, keep**2]).T).T  # (1+2g, n)
        rest = np.zeros(n) if spanned else np.maximum(1 - mean_part - energy[0], 0.0)
        diagonal = energy[1 : 1 + g] + rest
        J1, d, r = coordinates.shape
        inside = self.factor.rows((coordinates * keep[:, None, None]).reshape(g * J1 * d, r)).reshape(g, J1, d, n)
        scores = (inside + outside) / (diagonal * self.factor.root)[:, None, None]
        scores[:, 0] = self.targets[0] - scores[:, 0]
        if centred and self.intercept:
            scores[:, 0] -= (self.targets[0] @ self.omega[:, None] - self.targets[0] * self.omega) / (n - self.omega)
        along = coordinates[1:] / (s * np.sqrt(n))  # Vᵀw_j
        fitted = coordinates * ((s / np.sqrt(n)) / (s2 + gammas[:, None]))[:, None, None]
        alignment = np.einsum("jdr,gkdr->gdjk", along, fitted)
        alignment[..., 1:] = np.einsum("jdp,kdp->djk", self.starts, self.starts) - alignment[..., 1:]
        found = LeaveOneOut(
            gamma=gammas,
            scores=scores,
            leverage=np.maximum(1 - diagonal / (1 - mean_part), 0.0),
            noise=np.mean((energy[1 + g :] + rest) / diagonal**2 - 1 / (1 - mean_part), axis=1),
            alignment=alignment,
            dim=self.X.shape[1],
            starts=self.starts
            if self.intercept
            else np.concatenate([self.starts, self.start_intercepts[..., None]], 2),
        )
        return found if np.ndim(gamma) else found[0]

    def fit(self, gamma: float, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (d, p) and intercepts (d,) at alpha (J, d), on all rows."""
        s, n = self.factor.s, self.omega.size
        _, coordinates, _ = self._weighted
        mixed = coordinates[0] - np.einsum("jd,jdr->dr", alpha, coordinates[1:])
        a = self.factor.weights(mixed * (s / (s**2 + gamma) / np.sqrt(n)))
        coef = a + np.einsum("jd,jdp->dp", alpha, self.starts)
        constant = self._means[0] - np.einsum("jd,jd->d", alpha, self._means[1:] - self.start_intercepts)
        return coef, constant - a @ self.factor.centre
