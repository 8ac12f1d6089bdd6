r"""What theory and simulation of differing classes both return: the score's law in every component, and what follows.

A test point of component k has the signed score y_k xᵀw ~ N(m_k, V_k) given w, and is classified rightly where xᵀw lies on
its side of a threshold t:

.. math:: \mathrm{accuracy} = Σ_k π_k Φ\Big(\frac{m_k - y_k t}{\sqrt{V_k}}\Big).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from . import _checks as check
from ._arrays import plain
from .classes import Mixture
from .moments import LARGEST_ALPHA, Moments

THRESHOLDS = ("zero", "optimal")
ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 257)


@dataclass(frozen=True, eq=False)
class ClassForm:
    """Every component's score for every α: m_k = cᵀa and V_k = aᵀMa with a = (1, α).

    `c` has shape (2, K, ...), `M` (2, 2, K, ...); the trailing axes are draws. `mixture` is the test population.
    """

    c: np.ndarray
    M: np.ndarray
    mixture: Mixture

    def moments(self, alpha: Any, threshold: str = "zero") -> Moments:
        """Mean and variance (K, *α.shape) of each component's signed score; accuracy and risk (*α.shape) over all of them.

        α broadcasts against the trailing axes. `threshold`: "zero", or "optimal", which is each w's own best one. The risk is
        Σ π_k (V_k + (1−m_k)²), against the true labels.
        """
        alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
        mean, variance = self.scores(1.0, alpha)
        t = self._threshold(mean, variance, threshold)
        risk = np.tensordot(self.mixture.priors, variance + (1 - mean) ** 2, axes=1)
        return Moments(*map(plain, (mean, variance, self._accuracy(mean, variance, t), risk)))

    def threshold(self, alpha: Any) -> Any:
        """The best threshold t on xᵀw_α, shaped like α; ±inf where it is best to call everything one class."""
        alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
        return plain(self._threshold(*self.scores(1.0, alpha), "optimal"))

    def accuracy_along(self, angle: Any, threshold: str) -> np.ndarray:
        """The accuracy of a = (cos θ, sin θ): that of α = tan θ, since thresholds zero and optimal don't feel the scale."""
        mean, variance = self.scores(np.cos(angle), np.sin(angle))
        return self._accuracy(mean, variance, self._threshold(mean, variance, threshold))

    def scores(self, a0: Any, a1: Any) -> tuple[np.ndarray, np.ndarray]:
        """m_k and V_k for a = (a0, a1), with the component axis first."""
        # New axes behind the component's, where those of a may be more than those of c.
        missing = (1,) * max(np.ndim(a1) - (self.c.ndim - 2), 0)
        c = self.c.reshape(*self.c.shape[:2], *missing, *self.c.shape[2:])
        M = self.M.reshape(*self.M.shape[:3], *missing, *self.M.shape[3:])
        return a0 * c[0] + a1 * c[1], a0 * a0 * M[0, 0] + 2 * a0 * a1 * M[0, 1] + a1 * a1 * M[1, 1]

    def _threshold(self, mean: np.ndarray, variance: np.ndarray, threshold: str) -> Any:
        check.choice("threshold", threshold, THRESHOLDS)
        if threshold == "zero":
            return 0.0
        if sorted(self.mixture.labels) != [-1.0, 1.0]:
            raise ValueError(
                "threshold 'optimal' needs one component in each class, got labels "
                f"{self.mixture.labels.tolist()}. Use threshold='zero'."
            )
        plus, minus = np.argmax(self.mixture.labels), np.argmin(self.mixture.labels)
        prior = self.mixture.priors[plus]
        return optimal_threshold(mean[plus], -mean[minus], variance[plus], variance[minus], prior)

    def _accuracy(self, mean: np.ndarray, variance: np.ndarray, threshold: Any) -> np.ndarray:
        sides = self.mixture.labels.reshape(-1, *(1,) * (mean.ndim - 1))
        return np.tensordot(self.mixture.priors, ndtr((mean - sides * threshold) / np.sqrt(variance)), axes=1)


def optimal_threshold(m_plus: Any, m_minus: Any, V_plus: Any, V_minus: Any, prior: float) -> np.ndarray:
    r"""The t with the largest π₊Φ((m₊−t)/√V₊) + π₋Φ((t−m₋)/√V₋); m₋ is the mean of the *unsigned* score of class −1.

    Where the weighted densities cross, at² + bt + c = 0 with

    .. math:: a = \tfrac12(V_-^{-1} - V_+^{-1}), \quad b = \frac{m_+}{V_+} - \frac{m_-}{V_-}, \quad
              c = \tfrac12\Big(\frac{m_-^2}{V_-} - \frac{m_+^2}{V_+} + \log\frac{V_-}{V_+}\Big) + \log\frac{π_+}{π_-},

    or ±∞ where no crossing beats calling everything one class.
    """
    a, b = (1 / V_minus - 1 / V_plus) / 2, m_plus / V_plus - m_minus / V_minus
    c = (m_minus**2 / V_minus - m_plus**2 / V_plus + np.log(V_minus / V_plus)) / 2 + np.log(prior / (1 - prior))
    with np.errstate(divide="ignore", invalid="ignore"):
        q = -(b + np.copysign(np.sqrt(b**2 - 4 * a * c), b)) / 2  # no cancellation where a is small or zero
        candidates = np.stack([q / a, c / q, np.full_like(q, -np.inf), np.full_like(q, np.inf)])
    plus, minus = ndtr((m_plus - candidates) / np.sqrt(V_plus)), ndtr((candidates - m_minus) / np.sqrt(V_minus))
    gain = prior * plus + (1 - prior) * minus
    # Complex roots and 0/0 are no candidates.
    best = np.argmax(np.where(np.isnan(gain), -1.0, gain), axis=0)
    return np.take_along_axis(candidates, best[None], axis=0)[0]


@dataclass(frozen=True)
class ClassOptimum:
    """α* of largest accuracy (±inf where it is approached only there), the accuracy there, and the α of least risk."""

    best: float
    accuracy: float
    at_infinity: bool
    min_risk: float
    risk: float


def class_optimum(form: ClassForm, threshold: str) -> ClassOptimum:
    r"""The best α of a form without draws, by a search over θ = arctan α; the least risk in closed form.

    .. math:: α_{risk} = \frac{Σ_k π_k (c_1(1-c_0) - M_{01})_k}{Σ_k π_k (M_{11} + c_1^2)_k}
    """
    from scipy import optimize  # a tenth of a second to import, and only this function needs it

    c, M, priors = form.c, form.M, form.mixture.priors
    if not M[1, 1].any():  # no source at all: every α is as good
        only = form.moments(0.0, threshold)
        return ClassOptimum(0.0, only.accuracy, False, 0.0, only.risk)
    # A grid first: with unequal classes the accuracy may have several maxima.
    coarse = int(np.argmax(form.accuracy_along(ANGLES, threshold)))
    low, high = ANGLES[max(coarse - 1, 0)], ANGLES[min(coarse + 1, len(ANGLES) - 1)]
    found = optimize.minimize_scalar(
        lambda angle: -form.accuracy_along(angle, threshold),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-10},
    )
    ends = form.accuracy_along(ANGLES[[0, -1]], threshold)
    at_infinity = bool(ends.max() >= -found.fun)
    best = np.copysign(np.inf, ends[1] - ends[0]) if at_infinity else np.tan(found.x)
    min_risk = priors @ (c[1] * (1 - c[0]) - M[0, 1]) / (priors @ (M[1, 1] + c[1] ** 2))
    accuracy = max(ends.max(), -found.fun)
    return ClassOptimum(float(best), float(accuracy), at_infinity, float(min_risk), form.moments(min_risk).risk)
