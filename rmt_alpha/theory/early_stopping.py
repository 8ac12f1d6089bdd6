r"""Training that stops at time t: gradient flow is a filter of the sample's spectrum.

From w(0) = αw̃ the flow on (1/2n)Σ(1 − wᵀy_ix_i)² + (γ/2)‖w − αw̃‖², with S = XXᵀ/n and b the mean of y·x, is at time t

.. math:: w_t = αf(S)\tilde w + g(S) b, \qquad g(x) = \frac{1-e^{-t(x+γ)}}{x+γ}, \qquad f(x) = 1 - x\,g(x).

Score mean μ_βᵀw_t and variance ‖w_t‖² are functions of one resolvent, which `isotropic` has at each ridge −z:

.. math:: u^Tφ(S)v = -\frac1{2πi}\oint φ(z)\, u^T(S-z)^{-1}v\, dz, \\
    μ_β^TQb = \frac{b^2}{D}, \quad \tilde w^TQb = \frac sD, \quad b^TQb = 1 + \frac zκ\frac{1+κ}{D}, \quad
    μ_β^TQ\tilde w = -\frac κz\frac{s}{D}, \quad \tilde w^TQ\tilde w = -\frac κz\frac{q - s^2/D}{1+κ},

with D = b² + 1 + κ, b² = ‖μ_β‖², and s, q the source's. The integrand is entire but for the spectrum; the trapezoidal rule on an
ellipse around it converges geometrically. t → ∞ is ridge regression.

With a covariance C, V = w_tᵀCw_t meets two resolvents, at ridges −z and −z′, hence a double contour integral. With
R, κ at each, the columns of Qb and Qw̃ and what they miss of their targets 1 and 0,

.. math:: Qb = RμE, \quad Q\tilde w = -\frac κz R\Big(\tilde w - μ\,μ^TR\tilde w\,E\Big), \quad E = \frac1{1+μ^TRμ}, \quad
    E_{\tilde w} = \frac κz μ^TR\tilde w\,E, \\
    u(z)^TCv(z') = \frac{\bar u^TC\bar v' + \frac{κκ'}{zz'}\mathrm{tr}\,R C R' Ω + (1-h)E_uE_v'}{h}, \qquad
    1 - h = \frac1n \mathrm{tr}\, CRCR',

the stage of section 2 with one factor at each ridge; Ω, the start's noise, stands where both columns are of w̃.
(Ali, Kolter & Tibshirani 2019 for the flow; theory.md, sections 2 and 3, for the resolvent.)
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .. import _checks as check
from ..problem import Fit, TransferProblem
from ..results import ScoreForm
from .isotropic import source_moments
from .mixture_spectrum import MixtureBulk
from .resolvent import Spectral, pick
from .spectrum import spectrum
from .stage import anchors

DIGITS = 36.0  # −log of the rule's error
FULL = 2_000_000  # nodes that fit into memory
MOST_NODES = 4000  # of a double integral
GROWTH = 2.0  # e^{GROWTH} is the largest value of e^{−tz} on the contour


def stopped_form(problem: TransferProblem | Fit, t: Any) -> ScoreForm:
    """The score's law for every α of a target training stopped at time t (gradient flow; steps × step size), from αw̃.

    | parameter | meaning |
    |---|---|
    | `problem` | a scalar `TransferProblem` with squared losses, or a `Fit` of two opposite classes from one start; γ = 0 is welcome |
    | `t` | ≥ 0, one number or an array, along which the form's trailing axis goes |

    `.moments(alpha)` gives accuracy and risk, `theory.optimum.optimum` the best α.
    Cost grows as √t (of a `Fit`, as t) until training has settled.
    Raises ValueError or TypeError, naming the parameter.

    >>> problem = TransferProblem(5000, 200, 400, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=0)
    >>> stopped_form(problem, [0.0, 1.0, 10.0, 1000.0]).moments(1.0).accuracy.round(3)
    array([0.777, 0.746, 0.694, 0.691])
    """
    if not isinstance(problem, TransferProblem | Fit):
        raise TypeError(f"problem must be a TransferProblem or a Fit, got {type(problem).__name__}.")
    if problem.shape or not problem.is_squared:
        raise ValueError(f"problem must be scalar with squared losses, got {problem!r}. Iterate over cells().")
    t = np.asarray(check.real("t", check.concrete("t", t), low=0, high=1e10, remedy="Time is steps times step size."))
    one = partial(_form, problem) if isinstance(problem, TransferProblem) else _Filter(problem).form
    forms = [one(float(time)) for time in t.ravel()]
    c = np.stack([f[0] for f in forms], -1).reshape(2, *t.shape)
    return ScoreForm(c, np.stack([f[1] for f in forms], -1).reshape(2, 2, *t.shape))


class _Filter:
    """A fit with a covariance, in its eigenbasis."""

    def __init__(self, fit: Fit):
        plain = fit.population.is_opposite and float(fit.population.codes[0, 0]) == 1.0  # no flipped labels
        if not plain or fit.intercept or len(fit.starts) != 1:
            raise ValueError(
                f"problem must have two opposite classes without flips, one start and no intercept, got {fit!r}. "
                f"No formula is known beyond."
            )
        population = fit.population.signed
        R = pick(population, fit.n, 1.0, anchors(fit))  # for its eigenbasis
        if not isinstance(R, Spectral):
            raise ValueError(f"problem must start from all coordinates, got {fit!r}. No formula is known for groups.")
        full = lambda v: np.pad(v, (0, fit.dim - len(v)))  # noqa: E731
        self.mu, self.start = full(R.into(population.means)[0]), full(R.into(R.anchors[0].law.mean)[0])
        noise = R.noise(0, 0)
        self.omega = np.broadcast_to(0.0 if noise is None else noise[0, 0], fit.dim)
        self.lam, self.n = np.broadcast_to(np.asarray(R.lam, dtype=float), fit.dim), float(fit.n)
        self.gamma, found = float(fit.gamma), spectrum(fit)
        places = [*found.edges.ravel(), *(s.eigenvalue for s in found.spikes if s.eigenvalue is not None)]
        self.bottom, self.top = min(places), max(places)

    def form(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        t = min(t, settled(self.bottom + self.gamma))
        z, dz = _ellipse(self.top, min(GROWTH / t if t > 0 else 1.0, 1.0) * min(self.top, 1.0))
        if len(z) > MOST_NODES:
            raise ValueError(f"t must be smaller for a Fit, got {t:g}: by then it is ridge regression; see predict.")
        g = -np.expm1(-t * (z + self.gamma)) / (z + self.gamma)
        weights = np.stack([-g * dz, -(1 - z * g) * dz])  # of Qb and Qw̃
        kappa = self._kappa(z)
        R = 1 / (self.lam + kappa[:, None])
        E = 1 / (1 + R @ self.mu**2)
        scale = -kappa / z
        pulled = R @ (self.mu * self.start) * E  # μᵀRw̃ E
        columns = np.stack([R * self.mu * E[:, None], scale[:, None] * R * (self.start - self.mu * pulled[:, None])])
        missed = np.stack([E, -scale * pulled])
        c = np.sum(weights * (columns @ self.mu), -1).real
        one_minus_h = (R * self.lam) @ (R * self.lam).T / self.n
        noise = np.outer(scale, scale) * ((R * (self.lam * self.omega)) @ R.T)
        M = np.empty((2, 2))
        for i in range(2):
            for j in range(2):
                within = (columns[i] * self.lam) @ columns[j].T + one_minus_h * np.outer(missed[i], missed[j])
                V = (within + noise * (i == j == 1)) / (1 - one_minus_h)
                M[i, j] = (weights[i] @ V @ weights[j]).real
        return c, M

    def _kappa(self, z: np.ndarray) -> np.ndarray:
        """κ at the ridges −z, on a contour that is its own mirror image."""
        bulk = MixtureBulk(self.lam[None], np.ones(1), self.n)
        kappa, g = np.empty(len(z), dtype=complex), None
        for i in np.flatnonzero(z.imag > 0):
            g = bulk.at(complex(z[i]), g)
            kappa[i] = -z[i] / g[0]
        lower = np.flatnonzero(z.imag < 0)
        kappa[lower] = kappa[::-1][lower].conj()
        return kappa


def _form(problem: TransferProblem, t: float) -> tuple[np.ndarray, np.ndarray]:
    eta, gamma = problem.aspect_target, problem.gamma_target
    b2 = problem.mean_products[2]
    s, q = (float(x) for x in source_moments(problem))
    low, high = (1 - np.sqrt(eta)) ** 2, (1 + np.sqrt(eta)) ** 2
    top = max(high, (1 + b2) * (1 + eta / b2) if b2 > np.sqrt(eta) else 0.0)
    t = min(t, settled(low + gamma))
    z, dz = _ellipse(top, min(GROWTH / t if t > 0 else 1.0, 1.0))
    # The branch that decays: √(z − z₋)√(z − z₊) ~ z.
    kappa = -((1 - eta + z) + np.sqrt(z - low) * np.sqrt(z - high)) / 2
    D = b2 + 1 + kappa
    scale = -kappa / z
    mean_b, source_b, b_b = b2 / D, s / D, 1 + z / kappa * (1 + kappa) / D
    mean_source, source_source = scale * s / D, scale * (q - s * s / D) / (1 + kappa)
    g = -np.expm1(-t * (z + gamma)) / (z + gamma)
    f = 1 - z * g
    integral = lambda values: float(np.sum(-values * dz).real)  # noqa: E731
    c = np.array([integral(g * mean_b), integral(f * mean_source)])
    crossed = integral(f * g * source_b)
    return c, np.array([[integral(g * g * b_b), crossed], [crossed, integral(f * f * source_source)]])


def settled(rate: float) -> float:
    """By when the slowest rate of the flow has done its work, to rounding: later is ridge regression, and costs no more.

    An eigenvalue 0 of the sample has no part in b and keeps its part of the start at any t.
    """
    return DIGITS / rate if rate > 0 else np.inf


def _ellipse(top: float, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes on the ellipse with foci 0 and `top` that passes −`margin`, and dz/(2πi) at each."""
    half = top / 2
    wide = half + margin
    tall = np.sqrt(wide**2 - half**2)
    nodes = int(np.ceil(2 * DIGITS / np.log((wide + tall) / half))) + 16
    if nodes > FULL:
        raise ValueError(
            f"t must be smaller where the sample's largest eigenvalue is {top:.3g}: the flow has too many rates at once. "
            f"Rescale the problem, or see predict for training to the end."
        )
    angle = (np.arange(nodes) + 0.5) * 2 * np.pi / nodes
    return half + wide * np.cos(angle) + 1j * tall * np.sin(angle), (
        tall * np.cos(angle) + 1j * wide * np.sin(angle)
    ) / nodes
