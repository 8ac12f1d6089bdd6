r"""Low rank where the outputs grow with the dimension: LoRA on a d × d matrix, and the spikes that rank r can't see.

Regression y = W_tᵀx + σ·noise on q outputs with q/n and p/n of order one, C = I, and a correction A of rank r from αW_s, where
Δ = W_t − αW_s = Σ_k s_k u_k v_kᵀ has few singular values. Training keeps the r leading eigenvectors of G = ÂᵀSÂ (`low_rank`).
With ⟨·⟩ the average over the Marchenko–Pastur eigenvalues λ of XXᵀ/n, τ = λ/(λ+γ), H = 1/(λ+γ),
η = p/n and c = q/n, everything is explicit in one number x > max τ:

.. math::
    z(x) = σ^2 x\,\tilde c, \quad \tilde c = c + η\Big⟨\frac{τ}{x-τ}\Big⟩; \quad \text{spike: } s^2 = cσ^2 \Big/ \Big⟨\frac{λτ}{x-τ}\Big⟩;
    \quad \text{edge: } η\Big⟨\frac{τ^2}{(x-τ)^2}\Big⟩ = c,

with the outlier z of G, and the bulk's edge where z′ = 0. A spike below s at the edge makes no outlier: no rank finds it. Above it

.. math::
    a^2 = ⟨\hat u, v⟩^2 = \Big(1 - \frac ηc b_2\Big) \frac{⟨λτ/(x-τ)⟩}{x\,⟨λτ/(x-τ)^2⟩}, \qquad
    \text{risk}(1) = ‖\hat A\hat u‖^2 - 2 s^2 a^2 x\Big⟨\frac{τ}{x-τ}\Big⟩ + s^2 + σ^2q,

    ‖\hat A\hat u‖^2 = z a^2 \Big[ \frac{cσ^2ηx}{\tilde c^2} \Big(\frac{b_H}{σ^2} + x c' b_1\Big) + \frac{s^2 z}{σ^4\tilde c^2}
    \Big(\Big⟨\frac{λτH}{(x-τ)^2}\Big⟩ + σ^2c'\Big⟨\frac{λτ^2}{(x-τ)^2}\Big⟩\Big)\Big], \quad c' = \frac{ηb_H/σ^2}{c-ηb_2},

with b_H = ⟨τH/(x−τ)²⟩, b_1 = ⟨τ/(x−τ)²⟩, b_2 = ⟨τ²/(x−τ)²⟩. Each rank past the outliers keeps an eigenvector
of noise, which costs z⟨Hτ/(x−τ)²⟩/⟨τ/(x−τ)²⟩ at the edge.
(theory.md, section 12; Benaych-Georges & Nadakuditi 2012 for additive spikes.)

Where it ends: the ranks are few beside q; the spikes differ; C = I. If W_s is of full rank and α is not the scale at which W_t − αW_s
is of low rank, Δ has a bulk of its own: `simulation.proportional` draws that case too. With coloured noise the risk of a direction
depends on where it lies, and this formula says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import optimize

from .. import _checks as check

NODES = 2000  # of the average over eigenvalues: its error falls exponentially while γ > 0
WITHIN = 1e-9  # relative to the largest τ: x is never closer to it


@dataclass(frozen=True)
class ManyOutputs:
    """A training whose outputs are as many as its dimensions and samples.

    | field | symbol | permitted |
    |---|---|---|
    | `dim`, `n`, `outputs` | p, n, q | whole, ≥ 2 |
    | `gamma`, `sigma` | γ, σ: penalty; noise of each output | > 0 |

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

    def __post_init__(self) -> None:
        for name in ("dim", "n", "outputs"):
            check.size(name, getattr(self, name), low=2)
        for name in ("gamma", "sigma"):
            check.number(name, getattr(self, name), low=1e-12, remedy="It must be positive.")

    @property
    def eta(self) -> float:
        return self.dim / self.n

    @property
    def c(self) -> float:
        return self.outputs / self.n

    @cached_property
    def _eigenvalues(self) -> tuple[np.ndarray, np.ndarray]:
        """λ and weights: λ = 1 + η + 2√η cos φ has density (2/π) sin²φ/λ in φ; the mass at 0 has τ = 0 and never counts."""
        phi = (np.arange(NODES) + 0.5) * np.pi / NODES
        lam = 1 + self.eta + 2 * np.sqrt(self.eta) * np.cos(phi)
        return lam, 2 / NODES * np.sin(phi) ** 2 / lam

    @cached_property
    def _tau(self) -> np.ndarray:
        lam = self._eigenvalues[0]
        return lam / (lam + self.gamma)

    @property
    def _largest(self) -> float:
        top = (1 + np.sqrt(self.eta)) ** 2
        return float(top / (top + self.gamma))

    def _mean(self, f: np.ndarray) -> float:
        return float(self._eigenvalues[1] @ f)

    def _outlier(self, x: float) -> float:
        """z(x)."""
        return self.sigma**2 * x * (self.c + self.eta * self._mean(self._tau / (x - self._tau)))

    def _strength(self, x: float) -> float:
        """s(x)."""
        return self.sigma * np.sqrt(self.c / self._mean(self._eigenvalues[0] * self._tau / (x - self._tau)))

    @cached_property
    def _edge(self) -> float:
        """x at the bulk's upper edge."""
        top = self._largest
        excess = lambda d: self.eta * self._mean(self._tau**2 / (top + d - self._tau) ** 2) - self.c  # noqa: E731
        return top + optimize.brentq(excess, WITHIN * top, 2 + 2 * np.sqrt(self.eta / self.c), xtol=1e-15, rtol=1e-13)

    @property
    def edge(self) -> float:
        """The upper edge of the bulk of G."""
        return self._outlier(self._edge)

    @property
    def threshold(self) -> float:
        """The smallest singular value of Δ that any rank can find."""
        return float(self._strength(self._edge))

    def spike(self, s: float) -> tuple[float, float, float] | None:
        """Outlier z of G, overlap a², and how much keeping it changes the risk, of one spike; None below the threshold."""
        if s <= self.threshold:
            return None
        c, eta, var = self.c, self.eta, self.sigma**2
        lam, tau = self._eigenvalues[0], self._tau
        top = 2 + 4 * s**2 / (c * var)
        x = optimize.brentq(
            lambda x: self._strength(x) - s, self._edge, self._edge + top * (1 + eta) ** 2, xtol=1e-14, rtol=1e-13
        )
        one, two, H = 1 / (x - tau), 1 / (x - tau) ** 2, 1 / (lam + self.gamma)
        mean = self._mean
        b_H, b_1, b_2 = mean(tau * H * two), mean(tau * two), mean(tau**2 * two)
        wide = c + eta * mean(tau * one)
        z = var * x * wide
        overlap = (1 - eta / c * b_2) * mean(lam * tau * one) / (x * mean(lam * tau * two))
        slope = eta * b_H / var / (c - eta * b_2)
        noise = c * var * eta * x / wide**2 * (b_H / var + x * slope * b_1)
        signal = s**2 * z / (var * wide) ** 2 * (mean(lam * tau * H * two) + var * slope * mean(lam * tau**2 * two))
        return z, overlap, z * overlap * (noise + signal) - 2 * s**2 * overlap * x * mean(tau * one)

    @property
    def wasted(self) -> float:
        """What each rank beyond the outliers adds to the risk."""
        two = 1 / (self._edge - self._tau) ** 2
        H = 1 / (self._eigenvalues[0] + self.gamma)
        return self.edge * self._mean(H * self._tau * two) / self._mean(self._tau * two)

    def risk_path(self, spikes: Any, ranks: int | None = None) -> np.ndarray:
        """E‖y − Ŵ_rᵀx‖² at ranks r = 0 … `ranks` (None: one more than there are spikes), of a Δ with the given singular values."""
        spikes = np.sort(np.abs(check.vector("spikes", spikes)))[::-1]
        ranks = len(spikes) + 1 if ranks is None else check.size("ranks", ranks, low=0)
        found = [self.spike(float(s)) for s in spikes]
        steps = [self.wasted if f is None else f[2] for f in found] + [self.wasted] * max(ranks - len(found), 0)
        return self.sigma**2 * self.outputs + np.sum(spikes**2) + np.concatenate([[0.0], np.cumsum(steps[:ranks])])

    def full_risk(self, spikes: Any) -> float:
        """The risk at full rank, r = q: Σ κ²s²/((1+κ)² − η) + σ²q (1+κ)²/((1+κ)² − η)."""
        from .equivalents import isotropic

        kappa = float(isotropic(self.eta, self.gamma)[0])
        left = (1 + kappa) ** 2
        return float((kappa**2 * np.sum(np.square(spikes)) + self.sigma**2 * self.outputs * left) / (left - self.eta))

    def optimal_alpha(self, W_source: Any, W_target: Any, ranks: int) -> tuple[np.ndarray, np.ndarray]:
        """The best α at each rank 0 … `ranks` and the risk there, for W_t − αW_s of low rank.

        | parameter | meaning |
        |---|---|
        | `W_source`, `W_target` | (d, k): the matrices in any orthonormal frames of their few singular directions |

        A search: the risk has a kink wherever a spike meets the threshold or another.
        """
        Ws, Wt = check.matrix("W_source", W_source), check.matrix("W_target", W_target)
        if Ws.shape != Wt.shape or not np.any(Ws):
            raise ValueError(f"W_source must have the shape {Wt.shape} of W_target and not be 0, got shape {Ws.shape}.")
        path = lambda alpha: self.risk_path(np.linalg.svd(Wt - alpha * Ws, compute_uv=False), ranks)  # noqa: E731
        reach = 2 * np.linalg.norm(Wt) / np.linalg.norm(Ws)  # beyond it αW_s alone is worse than no start
        grid = np.linspace(-reach, reach, 161)
        seen = np.stack([path(a) for a in grid])
        best = np.empty((2, ranks + 1))
        for r, i in enumerate(seen.argmin(0)):
            low, high = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
            found = optimize.minimize_scalar(
                lambda a, r=r: path(a)[r], bounds=(low, high), method="bounded", options={"xatol": 1e-9}
            )
            best[:, r] = (found.x, found.fun) if found.fun <= seen[i, r] else (grid[i], seen[i, r])
        return best[0], best[1]
