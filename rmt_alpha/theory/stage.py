r"""One anchored ridge stage: the whole asymptotic theory is this formula, applied once per training.

A stage fits w = argmin (1/n) Σ (yᵢ − xᵢᵀw)²/2 + γ‖w − α w̃‖²/2 on n samples x = yμ + C^{1/2}z. With R = (C+κ)⁻¹, the
trained weights behave in every linear and quadratic functional like a Gaussian vector with

.. math::
    w̄ = R(κ α \bar{\tilde w} + (1-m) μ), \qquad
    Ω = κ^2 α^2 R \tilde Ω R + \tfrac{σ^2}{n} R C R, \qquad σ^2 = V + (1-m)^2,

where (w̃ mean, Ω̃) is the law of the anchor. Stages compose: the source is a stage without anchor, the target a stage
anchored at α times what the source returned.
"""

from typing import Any, NamedTuple

from .._arrays import namespace
from ..moments import ScoreForm


class Functionals(NamedTuple):
    """The numbers through which a stage sees its mean μ and its anchor's law.

    | field | meaning |
    |---|---|
    | `kappa`, `h`, `one_minus_h` | deterministic equivalent of the stage |
    | `mu_R_mu` | μᵀRμ |
    | `mu_RCR_mu` | μᵀRCRμ |
    | `mu_R_w` | μᵀR E[w̃] |
    | `mu_RCR_w` | μᵀRCR E[w̃] |
    | `w_RCR_w` | E[w̃ᵀRCRw̃] |
    """

    kappa: Any
    h: Any
    one_minus_h: Any
    mu_R_mu: Any
    mu_RCR_mu: Any
    mu_R_w: Any = 0.0
    mu_RCR_w: Any = 0.0
    w_RCR_w: Any = 0.0


def score_form(f: Functionals) -> ScoreForm:
    r"""The score's law for every scale α of the anchor.

    .. math::
        1 - m = \frac{1 - ακ μ^T R \bar{\tilde w}}{1 + μ^T R μ}, \qquad
        V = \frac{\bar w^T C \bar w + κ^2 α^2 \mathrm{tr}(RCR\tilde Ω) + (1-h)(1-m)^2}{h}

    written out as polynomials in α. (theory.md, section 2; isotropic case: arXiv 2510.21345, theorem of section 3.)
    """
    e0 = 1 / (1 + f.mu_R_mu)  # 1 − m = e0 + e1 α
    e1 = -f.kappa * f.mu_R_w * e0
    gain = f.mu_RCR_mu + f.one_minus_h
    M00 = e0 * e0 * gain / f.h
    M01 = e0 * (f.kappa * f.mu_RCR_w + e1 * gain) / f.h
    M11 = (f.kappa * f.kappa * f.w_RCR_w + e1 * (2 * f.kappa * f.mu_RCR_w + e1 * gain)) / f.h
    xp = namespace(M00, M11)
    c0, c1, M00, M01, M11 = xp.broadcast_arrays(f.mu_R_mu * e0, -e1, M00, M01, M11)
    return ScoreForm(xp.stack([c0, c1]), xp.stack([xp.stack([M00, M01]), xp.stack([M01, M11])]))


def unanchored(f: Functionals) -> tuple[Any, Any]:
    r"""1−m and the noise level σ² = V + (1−m)² of a stage without anchor.

    .. math:: 1 - m = \frac{1}{1 + μ^T R μ}, \qquad σ^2 = (1-m)^2 \frac{1 + μ^T RCR μ}{h}
    """
    e = 1 / (1 + f.mu_R_mu)
    return e, e * e * (1 + f.mu_RCR_mu) / f.h
