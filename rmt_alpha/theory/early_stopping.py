r"""Training that stops at time t: gradient flow is a filter of the sample's spectrum.

From w(0) = αw̃ the flow on (1/2n)Σ(1 − wᵀy_ix_i)² + (γ/2)‖w − αw̃‖², with S = XXᵀ/n and b the mean of y·x, is at time t

.. math:: w_t = αf(S)\tilde w + g(S) b, \qquad g(x) = \frac{1-e^{-t(x+γ)}}{x+γ}, \qquad f(x) = 1 - x\,g(x).

Score mean μ_βᵀw_t and variance ‖w_t‖² are functions of one resolvent, which `isotropic` has at each ridge −z:

.. math:: u^Tφ(S)v = -\frac1{2πi}\oint φ(z)\, u^T(S-z)^{-1}v\, dz, \\
    μ_β^TQb = \frac{b^2}{D}, \quad \tilde w^TQb = \frac sD, \quad b^TQb = 1 + \frac zκ\frac{1+κ}{D}, \quad
    μ_β^TQ\tilde w = -\frac κz\frac{s}{D}, \quad \tilde w^TQ\tilde w = -\frac κz\frac{q - s^2/D}{1+κ},

with D = b² + 1 + κ, b² = ‖μ_β‖², and s, q the source's. The integrand is entire but for the spectrum; the trapezoidal rule on an
ellipse around it converges geometrically. t → ∞ is ridge regression.
(Ali, Kolter & Tibshirani 2019 for the flow; theory.md, section 3, for the resolvent.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _checks as check
from ..problem import TransferProblem
from ..results import ScoreForm
from .isotropic import source_moments

DIGITS = 36.0  # −log of the rule's error
GROWTH = 2.0  # e^{GROWTH} is the largest value of e^{−tz} on the contour


def stopped_form(problem: TransferProblem, t: Any) -> ScoreForm:
    """The score's law for every α of a target training stopped at time t (gradient flow; steps × step size), from αw̃.

    | parameter | meaning |
    |---|---|
    | `problem` | a scalar `TransferProblem` with squared losses; γ = 0 is welcome |
    | `t` | ≥ 0, one number or an array, along which the form's trailing axis goes |

    `.moments(alpha)` gives accuracy and risk, `theory.optimum.optimum` the best α. Cost grows as √t.
    Raises ValueError or TypeError, naming the parameter.

    >>> problem = TransferProblem(5000, 200, 400, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=0)
    >>> stopped_form(problem, [0.0, 1.0, 10.0, 1000.0]).moments(1.0).accuracy.round(3)
    array([0.777, 0.746, 0.694, 0.691])
    """
    if not isinstance(problem, TransferProblem):
        raise TypeError(
            f"problem must be a TransferProblem, got {type(problem).__name__}. The formula is for isotropic noise."
        )
    if problem.shape or not problem.is_squared:
        raise ValueError(f"problem must be scalar with squared losses, got {problem!r}. Iterate over cells().")
    t = np.asarray(check.real("t", t, low=0, high=1e10, remedy="Time is steps times step size."))
    forms = [_form(problem, float(time)) for time in t.ravel()]
    c = np.stack([f[0] for f in forms], -1).reshape(2, *t.shape)
    return ScoreForm(c, np.stack([f[1] for f in forms], -1).reshape(2, 2, *t.shape))


def _form(problem: TransferProblem, t: float) -> tuple[np.ndarray, np.ndarray]:
    eta, gamma = problem.aspect_target, problem.gamma_target
    b2 = problem.mean_products[2]
    s, q = (float(x) for x in source_moments(problem))
    low, high = (1 - np.sqrt(eta)) ** 2, (1 + np.sqrt(eta)) ** 2
    top = max(high, (1 + b2) * (1 + eta / b2) if b2 > np.sqrt(eta) else 0.0)
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


def _ellipse(top: float, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes on the ellipse with foci 0 and `top` that passes −`margin`, and dz/(2πi) at each."""
    half = top / 2
    wide = half + margin
    tall = np.sqrt(wide**2 - half**2)
    nodes = int(np.ceil(2 * DIGITS / np.log((wide + tall) / half))) + 16
    angle = (np.arange(nodes) + 0.5) * 2 * np.pi / nodes
    return half + wide * np.cos(angle) + 1j * tall * np.sin(angle), (
        tall * np.cos(angle) + 1j * wide * np.sin(angle)
    ) / nodes
