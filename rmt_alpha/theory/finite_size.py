r"""Finite size: means over draws, off by O(1/p²) where the limit is off by O(1/p). For C = C̃ = 1 and Gaussian noise.

m and V fluctuate by O(p^{−1/2}) and are biased by O(1/p), both known from `spread`. With r = m/√V of the limit and the
second order of each,

.. math:: E\,m = m + δm, \qquad E\,V = V + δV, \qquad E\,\mathrm{risk} = V + δV + (1-m-δm)^2 + \mathrm{var}\,m, \\
    E\,\mathrm{accuracy} = Φ(r + e), \qquad e = \frac{δm}{\sqrt V} - \frac{r\,δV}{2V} - \frac{r\,\mathrm{var}\,m}{2V}
    + \frac{(r^2-1)\,\mathrm{cov}(m, V)}{2V^{3/2}} + \frac{r(3-r^2)\,\mathrm{var}\,V}{8V^2}.

Φ(r + e), not Φ(r) + φ(r)e, which may leave [0, 1]: the two differ by O(1/p²).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

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
    e = (
        bias_m / np.sqrt(V) - r * (bias_V + var_m) / (2 * V)
        + (r * r - 1) * cov_mV / (2 * V**1.5) + r * (3 - r * r) * var_V / (8 * V * V)
    )  # fmt: skip
    mean, variance = m + bias_m, V + bias_V
    return Moments(*map(plain, (mean, variance, normal_cdf(r + e), variance + (1 - mean) ** 2 + var_m)))


def moments(problem: Fit | TransferProblem, alpha: Any) -> Moments:
    """`expected` at α."""
    return expected(spread_form(problem, "finite"), 1.0, alpha)


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
    alpha, infinite, direction = search.at_the_end(y[0], ends, units)
    return dataclasses.replace(
        optimum(mean_form),
        alpha=float(alpha[0]),
        accuracy=float(last.accuracy[0]),
        at_infinity=infinite,
        direction=float(direction[0]),
    )
