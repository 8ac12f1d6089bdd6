r"""Low rank where the outputs grow with the dimension: LoRA on a d × d matrix, and the spikes that rank r can't see.

Regression y = W_tᵀx + σ·noise on q outputs with q/n and p/n of order one, C = I, and a correction A of rank r from αW_s, where
Δ = W_t − αW_s = Σ_k s_k u_k v_kᵀ has few singular values. Training keeps the r leading eigenvectors of G = ÂᵀSÂ (`low_rank`).
With ⟨·⟩ the average over the Marchenko–Pastur eigenvalues λ of XXᵀ/n, τ = λ/(λ+γ), H = 1/(λ+γ),
η = p/n and c = q/n, everything is explicit in one number y > max d. d = τ(σ² + ωλ) is the noise of G in the direction of
λ; ω = b²/η is there where Δ also has a Gaussian part whose columns have length b:

.. math::
    z(y) = y\,\tilde c, \quad \tilde c = c + η\Big⟨\frac{d}{y-d}\Big⟩; \quad \text{spike: } s^2 = c \Big/ \Big⟨\frac{λτ}{y-d}\Big⟩;
    \quad \text{edge: } η\Big⟨\frac{d^2}{(y-d)^2}\Big⟩ = c,

with the outlier z of G, and the bulk's edge where z′ = 0. A spike below s at the edge makes no outlier: no rank finds it. Above it

.. math::
    a^2 = ⟨\hat u, v⟩^2 = \Big(1 - \frac ηc \Big⟨\frac{d^2}{(y-d)^2}\Big⟩\Big) \frac{⟨λτ/(y-d)⟩}{y\,⟨λτ/(y-d)^2⟩}, \qquad
    \text{risk}(1) = \text{risk}(0) + z\, \hat w^T\Big(H - \frac{2ω}{σ^2+ωλ}\Big)\hat w - 2 s^2 a^2 y\Big⟨\frac{σ^2τ^2/d}{y-d}\Big⟩,

where risk(0) = ‖Δ‖² + σ²q, ŵ is G's right singular vector, and for any function F of λ

.. math::
    \hat w^T F \hat w = a^2 \Big[ \frac{cηy}{\tilde c^2} \Big(\Big⟨\frac{dF}{(y-d)^2}\Big⟩ + y c_F \Big⟨\frac{d}{(y-d)^2}\Big⟩\Big)
    + \frac{s^2 z}{\tilde c^2} \Big⟨\frac{λτ(F + c_F d)}{(y-d)^2}\Big⟩\Big], \qquad
    c_F = \frac{η⟨dF/(y-d)^2⟩}{c-η⟨d^2/(y-d)^2⟩}.

(Given the data the Gaussian part of Δ has mean ω/(σ²+ωλ) times what the data show: the second term of the risk.) Each rank past
the outliers keeps an eigenvector of noise, for which ŵᵀFŵ = ⟨dF/(y−d)²⟩/⟨d/(y−d)²⟩ at the edge, and no third term.
(theory.md, section 12; Benaych-Georges & Nadakuditi 2012 for additive spikes.)

W_t = cW_s + low rank with a Gaussian W_s of full rank, at α ≠ c, is b = |c − α| times the length of W_s's columns.

Where it ends: the ranks are few beside q; the spikes differ; C = I; Δ's bulk, if it has one, is Gaussian and independent of the spikes.
`simulation.proportional` draws any Δ. With coloured noise the risk of a direction depends on where it lies, and this formula says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import optimize, special

from .. import _checks as check
from ..results.search import best

NODES = 1000  # of the average over eigenvalues: its error falls exponentially
MOST = 1e4  # outputs per dimension
WITHIN = 1e-9  # relative to the largest τ: x is never closer to it


@dataclass(frozen=True)
class ManyOutputs:
    """A training whose outputs are as many as its dimensions and samples.

    | field | symbol | permitted |
    |---|---|---|
    | `dim`, `n`, `outputs` | p, n, q | whole, ≥ 2 |
    | `gamma`, `sigma` | γ, σ: penalty; noise of each output | > 0 |
    | `bulk` | b: length of each column of a Gaussian part of Δ = W_t − αW_s, beside its spikes | ≥ 0 |

    >>> task = ManyOutputs(dim=400, n=600, outputs=300, gamma=0.1, sigma=0.5)
    >>> round(task.threshold, 3)  # smaller singular values of W_t − αW_s are out of every rank's reach
    0.355
    >>> task.risk_path([2.0, 1.0, 0.3]).round(2)
    array([80.09, 76.64, 76.05, 76.64, 77.23])
    """

    dim: int
    n: int
    outputs: int
    gamma: float
    sigma: float
    bulk: float = 0.0

    def __post_init__(self) -> None:
        for name in ("dim", "n", "outputs"):
            check.size(name, getattr(self, name), low=2)
        for name in ("gamma", "sigma"):
            check.number(name, getattr(self, name), low=1e-12, remedy="It must be positive.")
        check.number("bulk", self.bulk, low=0)
        if self.outputs > MOST * self.dim:
            raise ValueError(
                f"outputs must be at most {MOST:g} × dim, got {self.outputs} with dim = {self.dim}: beyond it the edge of the bulk "
                f"is not resolved. Fewer outputs have the same limit."
            )

    @property
    def eta(self) -> float:
        return self.dim / self.n

    @property
    def c(self) -> float:
        return self.outputs / self.n

    @cached_property
    def _eigenvalues(self) -> tuple[np.ndarray, np.ndarray]:
        """λ and weights: λ = (1−√η)² + 4√η sin²(φ/2) has density (2/π) sin²φ/λ in φ; the mass at 0 has τ = 0 and never counts.

        By Gauss and Legendre in log φ where φ is larger than the width of 1/(λ+γ): φ = width × sinh.
        """
        x, weights = special.roots_legendre(NODES)
        low, root = (1 - np.sqrt(self.eta)) ** 2, np.sqrt(self.eta)
        width = min(np.sqrt((self.gamma + low) / root), 1.0)
        half = np.arcsinh(np.pi / width) / 2
        phi = width * np.sinh(half * (x + 1))
        lam = low + 4 * root * np.sin(phi / 2) ** 2
        return lam, 2 / np.pi * np.sin(phi) ** 2 / lam * width * np.cosh(half * (x + 1)) * half * weights

    @cached_property
    def _tau(self) -> np.ndarray:
        lam = self._eigenvalues[0]
        return lam / (lam + self.gamma)

    @property
    def omega(self) -> float:
        """ω = b²/η: n times the variance of an entry of Δ's Gaussian part."""
        return self.bulk**2 / self.eta

    @cached_property
    def _noise(self) -> np.ndarray:
        """d."""
        return self._tau * (self.sigma**2 + self.omega * self._eigenvalues[0])

    @property
    def _largest(self) -> float:
        top = (1 + np.sqrt(self.eta)) ** 2
        return float(top / (top + self.gamma) * (self.sigma**2 + self.omega * top))

    def _mean(self, f: np.ndarray) -> float:
        return float(self._eigenvalues[1] @ f)

    def _width(self, y: float) -> float:
        """c̃(y)."""
        return self.c + self.eta * self._mean(self._noise / (y - self._noise))

    def _strength(self, y: float) -> float:
        """s(y)."""
        return float(np.sqrt(self.c / self._mean(self._eigenvalues[0] * self._tau / (y - self._noise))))

    @cached_property
    def _edge(self) -> float:
        """y at the bulk's upper edge."""
        top, d = self._largest, self._noise
        excess = lambda far: self.eta * self._mean(d**2 / (top * (1 + far) - d) ** 2) - self.c  # noqa: E731
        return top * (1 + optimize.brentq(excess, WITHIN, 2 + 2 * np.sqrt(self.eta / self.c), xtol=1e-15, rtol=1e-13))

    @property
    def edge(self) -> float:
        """The upper edge of the bulk of G."""
        return self._edge * self._width(self._edge)

    @property
    def threshold(self) -> float:
        """The smallest singular value of Δ that any rank can find."""
        return self._strength(self._edge)

    @property
    def _cost(self) -> np.ndarray:
        """H − 2ω/(σ² + ωλ): what keeping a direction costs, in the units of its part in G."""
        lam = self._eigenvalues[0]
        return 1 / (lam + self.gamma) - 2 * self.omega / (self.sigma**2 + self.omega * lam)

    def spike(self, s: float) -> tuple[float, float, float] | None:
        """Outlier z of G, overlap a², and how much keeping it changes the risk, of one spike; None below the threshold."""
        if abs(check.number("s", s)) <= self.threshold:
            return None
        s = abs(s)
        c, eta, mean = self.c, self.eta, self._mean
        lam, tau, d, F = self._eigenvalues[0], self._tau, self._noise, self._cost
        reach = self._largest + 1.01 * s**2 / c * mean(lam * tau)  # y − d is nowhere smaller than y less the largest d
        y = optimize.brentq(lambda y: self._strength(y) - s, self._edge, reach, xtol=1e-15 * reach, rtol=1e-13)
        one, two = 1 / (y - d), 1 / (y - d) ** 2
        wide, rest = self._width(y), c - eta * mean(d**2 * two)
        z = y * wide
        overlap = rest / c * mean(lam * tau * one) / (y * mean(lam * tau * two))
        slope = eta * mean(d * F * two) / rest
        noise = c * eta * y / wide**2 * (mean(d * F * two) + y * slope * mean(d * two))
        signal = s**2 * z / wide**2 * mean(lam * tau * (F + slope * d) * two)
        learned = s**2 * overlap * y * mean(self.sigma**2 * tau**2 / d * one)
        return z, overlap, z * overlap * (noise + signal) - 2 * learned

    @property
    def wasted(self) -> float:
        """What each rank beyond the outliers adds to the risk; where Δ has a bulk it may well be negative."""
        weight = self._noise / (self._edge - self._noise) ** 2
        return self.edge * self._mean(self._cost * weight) / self._mean(weight)

    def risk_path(self, spikes: Any, ranks: int | None = None) -> np.ndarray:
        """E‖y − Ŵ_rᵀx‖² at ranks r = 0 … `ranks` (None: one more than there are spikes), of a Δ with the given singular
        values beside its bulk.
        """
        spikes = np.sort(np.abs(check.vector("spikes", spikes)))[::-1]
        ranks = min(len(spikes) + 1, self.outputs) if ranks is None else self._ranks(ranks)
        found = [self.spike(float(s)) for s in spikes]
        steps = [self.wasted if f is None else f[2] for f in found] + [self.wasted] * max(ranks - len(found), 0)
        start = self.outputs * (self.sigma**2 + self.bulk**2) + np.sum(spikes**2)
        return start + np.concatenate([[0.0], np.cumsum(steps[:ranks])])

    def _ranks(self, ranks: Any) -> int:
        """A rank that q outputs can have."""
        return check.whole("ranks", ranks, 0, self.outputs, remedy="There are no more outputs.")

    def full_risk(self, spikes: Any) -> float:
        """The risk at full rank, r = q: κ²‖Δ‖²/((1+κ)² − η) + σ²q (1+κ)²/((1+κ)² − η)."""
        from .equivalents import isotropic

        kappa = float(isotropic(self.eta, self.gamma)[0])
        left = (1 + kappa) ** 2
        square = np.sum(np.square(check.vector("spikes", spikes))) + self.outputs * self.bulk**2
        return float((kappa**2 * square + self.sigma**2 * self.outputs * left) / (left - self.eta))

    def optimal_alpha(self, W_source: Any, W_target: Any, ranks: int) -> tuple[np.ndarray, np.ndarray]:
        """The best α at each rank 0 … `ranks` and the risk there, for W_t − αW_s of low rank.

        | parameter | meaning |
        |---|---|
        | `W_source`, `W_target` | (d, k): the matrices in any orthonormal frames of their few singular directions |

        The task's `bulk` is taken to be the same at every α. A search: the risk has a kink wherever a spike meets the threshold or another.
        """
        Ws, Wt = check.matrix("W_source", W_source), check.matrix("W_target", W_target)
        if Ws.shape != Wt.shape or not np.any(Ws):
            raise ValueError(f"W_source must have the shape {Wt.shape} of W_target and not be 0, got shape {Ws.shape}.")
        ranks = self._ranks(ranks)
        path = lambda alpha: self.risk_path(np.linalg.svd(Wt - alpha * Ws, compute_uv=False), ranks)  # noqa: E731
        unit = np.linalg.norm(Wt) / np.linalg.norm(Ws)  # beyond twice that αW_s alone is worse than no start
        end = np.arcsinh(2.0)
        goals: list[Any] = [lambda risks, r=r: -risks[:, r] for r in range(ranks + 1)]
        at = lambda y: np.stack([path(alpha) for alpha in unit * np.sinh(y[:, 0])])  # noqa: E731
        y, risks, _ = best(at, goals, np.array([end]), end / 80)
        return unit * np.sinh(y[:, 0]), np.diagonal(risks).copy()
