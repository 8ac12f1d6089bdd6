r"""Finite size: means over draws, off by O(1/p²) where the limit is off by O(1/p). For C = C̃ = 1 and Gaussian noise.

m and V fluctuate by O(p^{−1/2}) and are biased by O(1/p), both known from `spread`. With r = m/√V of the limit, to second
order,

.. math:: E\,m = m + δm, \qquad E\,V = V + δV, \qquad E\,\mathrm{risk} = V + δV + (1-m-δm)^2 + \mathrm{var}\,m, \\
    E\,\mathrm{accuracy} = Φ\Big(\frac{r + δr}{\sqrt{1 + \mathrm{var}\,r}}\Big), \qquad
    δr = \frac{δm}{\sqrt V} - \frac{r\,δV}{2V} - \frac{\mathrm{cov}(m, V)}{2V^{3/2}} + \frac{3r\,\mathrm{var}\,V}{8V^2}, \\
    \mathrm{var}\,r = \frac{\mathrm{var}\,m}{V} - \frac{r\,\mathrm{cov}(m, V)}{V^{3/2}} + \frac{r^2\,\mathrm{var}\,V}{4V^2}:

E Φ(m/√V) where m/√V is Gaussian, as it is to this order. An expansion in the fluctuations, which says nothing where V varies by
more than itself.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import normal_cdf, plain
from ..problem import Fit, TransferProblem
from ..results import Moments, Optimum, ScoreForm, search
from .spread import SpreadForm, spread_form


def expected(form: SpreadForm, a0: Any, a1: Any) -> Moments:
    """Means over draws of the moments of a₀ × training + a₁ × start."""
    dm, dV = form.gradients(a0, a1)
    m, V, bias_m, bias_V = dm @ form.limit, dV @ form.limit, dm @ form.bias, dV @ form.bias
    var_m, cov_mV, var_V = (np.einsum("...i,ij,...j", x, form.cov, y) for x, y in ((dm, dm), (dm, dV), (dV, dV)))
    r = m / np.sqrt(V)
    bias_r = bias_m / np.sqrt(V) - r * bias_V / (2 * V) - cov_mV / (2 * V**1.5) + 3 * r * var_V / (8 * V * V)
    var_r = var_m / V - r * cov_mV / V**1.5 + r * r * var_V / (4 * V * V)
    mean, variance = m + bias_m, V + bias_V
    accuracy = normal_cdf((r + bias_r) / np.sqrt(1 + np.maximum(var_r, 0.0)))
    return Moments(*map(plain, (mean, variance, accuracy, variance + (1 - mean) ** 2 + var_m)))


def require_small(form: SpreadForm, a0: Any, a1: Any) -> None:
    """ValueError where the deviation of V over draws is no smaller than V."""
    _, dV = form.gradients(a0, a1)
    share = dV / (dV @ form.limit)[..., None]
    varies = np.sqrt(max(np.max(np.einsum("...i,ij,...j", share, form.cov, share)), 0.0))
    if not varies < 1:
        raise ValueError(
            f"finite must be False here: from draw to draw the score's variance varies by {varies:.2g} of itself (below 1 is "
            f"permitted), which no expansion in 1/p follows. Take a larger penalty or dimension, or simulate(…)."
        )


def moments(problem: Fit | TransferProblem, alpha: Any) -> Moments:
    """`expected` at α."""
    form = spread_form(problem, "finite")
    require_small(form, 1.0, check.concrete("alpha", alpha))
    return expected(form, 1.0, alpha)


def best(problem: Fit | TransferProblem) -> Optimum:
    r"""The α of largest mean accuracy, by a search; ᾱ and least risk by the limit's formulas, as both are of a form.

    .. math:: E\,\mathrm{risk} = a^T\big(M + δM + \mathrm{Cov}(c)\big)a + (1 - (c + δc)^Ta)^2
    """
    from .optimum import FARTHEST, FORM_SPACING, optimum

    form = spread_form(problem, "finite")
    c0, c1, M00, M01, M11 = form.limit + form.bias
    mean_form = ScoreForm(np.array([c0, c1]), np.array([[M00, M01], [M01, M11]]) + form.cov[:2, :2])
    ends, units = np.array([FARTHEST]), np.array([np.sqrt(form.limit[2] / form.limit[4])])

    def at(y: np.ndarray) -> Moments:
        return expected(form, *search.directions(y, units))

    y, last, _ = search.best(at, [lambda m: m.accuracy], ends, FORM_SPACING, infinite=True)
    require_small(form, *search.directions(y, units))
    alpha, infinite, direction = search.at_the_end(y[0], ends, units)
    return dataclasses.replace(
        optimum(mean_form),
        alpha=float(alpha[0]),
        accuracy=float(last.accuracy[0]),
        at_infinity=infinite,
        direction=float(direction[0]),
    )
