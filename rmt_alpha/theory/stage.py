r"""One anchored ridge stage: the whole asymptotic theory is this formula, applied once per training.

A stage fits w = argmin (1/n) Σ (yᵢ − xᵢᵀw)²/2 + γ‖w − α w̃‖²/2 on n samples x = yμ + C^{1/2}z. With R = (C+κ)⁻¹, the
trained weights behave in every linear and quadratic functional like a Gaussian vector with

.. math::
    w̄ = R(κ α \bar{\tilde w} + (1-m) μ), \qquad
    Ω = κ^2 α^2 R \tilde Ω R + \tfrac{σ^2}{n} R C R, \qquad σ^2 = V + (1-m)^2,

where (w̃ mean, Ω̃) is the law of the anchor. Stages compose: the source is a stage without anchor, the target a stage
anchored at α times what the source returned.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .._arrays import namespace
from ..moments import ScoreForm


class Functionals(NamedTuple):
    """The numbers through which a stage sees its mean μ and the law of its K anchors.

    | field | meaning |
    |---|---|
    | `kappa`, `h`, `one_minus_h` | deterministic equivalent of the stage |
    | `mu_R_mu` | μᵀRμ |
    | `mu_RCR_mu` | μᵀRCRμ |
    | `mu_R_w` | μᵀR E[w̃_k], K of them |
    | `mu_RCR_w` | μᵀRCR E[w̃_k], K of them |
    | `w_RCR_w` | E[w̃_jᵀRCRw̃_k], K rows of K |
    """

    kappa: Any
    h: Any
    one_minus_h: Any
    mu_R_mu: Any
    mu_RCR_mu: Any
    mu_R_w: Sequence[Any] = ()
    mu_RCR_w: Sequence[Any] = ()
    w_RCR_w: Sequence[Sequence[Any]] = ()


def score_form(f: Functionals) -> ScoreForm:
    r"""The score's law for every vector of scales α of the anchors.

    .. math::
        1 - m = \frac{1 - κ Σ_k α_k μ^T R \bar{\tilde w}_k}{1 + μ^T R μ} = e^T a, \qquad a = (1, α_1, …, α_K),

        V = \frac{\bar w^T C \bar w + κ^2 Σ_{jk} α_j α_k \mathrm{tr}(RCR\tilde Ω_{jk}) + (1-h)(1-m)^2}{h},
        \quad hM = (μ^T RCR μ + 1 - h)\, e e^T + e g^T + g e^T + W,

    with g_k = κ μᵀRCR E[w̃_k] and W_jk = κ² E[w̃_jᵀRCRw̃_k] (g₀ = W₀ⱼ = 0).
    (theory.md, sections 2 and 4; isotropic case with one source: arXiv 2510.21345, theorem of section 3.)
    """
    e0 = 1 / (1 + f.mu_R_mu)
    e = [e0, *(-f.kappa * x * e0 for x in f.mu_R_w)]
    g = [0.0, *(f.kappa * x for x in f.mu_RCR_w)]
    W = [[0.0] * len(e), *([0.0, *(f.kappa * f.kappa * x for x in row)] for row in f.w_RCR_w)]
    gain = f.mu_RCR_mu + f.one_minus_h
    M = [
        [(e[i] * gain * e[j] + e[i] * g[j] + g[i] * e[j] + W[i][j]) / f.h for j in range(len(e))] for i in range(len(e))
    ]
    c = [f.mu_R_mu * e0, *(-x for x in e[1:])]
    K = len(c)
    xp = namespace(*c, *M[-1])
    flat = xp.broadcast_arrays(*c, *(M[i][j] for i in range(K) for j in range(K)))
    return ScoreForm(xp.stack(flat[:K]), xp.stack([xp.stack(flat[K * i : K * (i + 1)]) for i in range(1, K + 1)]))


def unanchored(f: Functionals) -> tuple[Any, Any]:
    r"""1−m and the noise level σ² = V + (1−m)² of a stage without anchor.

    .. math:: 1 - m = \frac{1}{1 + μ^T R μ}, \qquad σ^2 = (1-m)^2 \frac{1 + μ^T RCR μ}{h}
    """
    e = 1 / (1 + f.mu_R_mu)
    return e, e * e * (1 + f.mu_RCR_mu) / f.h
