r"""The paper's problem in closed form: isotropic noise, one trained source, eight numbers.

The same formula as `stage`, with R = 1/(1+κ), written out: nothing but arithmetic on numbers, so that millions of
problems take a second. (arXiv 2510.21345, theorem of section 3, with its source's second moment corrected; theory.md,
section 3.)
"""

from __future__ import annotations

from typing import Any

from .._arrays import asarray, namespace
from ..problem import NUMBERS, TransferProblem
from ..results import ScoreForm
from . import equivalents


def source_moments(problem: TransferProblem) -> tuple[Any, Any]:
    r"""s = ⟨E w̃, μ_β⟩ and q = E‖w̃‖².

    .. math:: \tilde m = \frac{μ^2}{μ^2+1+\tildeκ}, \quad s = \tilde m \frac{⟨μ,μ_β⟩}{μ^2}, \quad
              q = \frac{\tilde m^2/μ^2 + (1-\tilde h)(1-\tilde m)^2}{\tilde h}
    """
    uu, uv, _ = problem.mean_products
    x = _numbers(problem)
    kappa, h, one_minus_h = equivalents.isotropic(x["dim"] / x["n_source"], x["gamma_source"])
    total = uu + 1 + kappa
    missed = (1 + kappa) / total  # 1 − m̃
    return uv / total, (uu / total**2 + one_minus_h * missed**2) / h


def transfer_form(problem: TransferProblem) -> ScoreForm:
    r"""The score's law for every α at once: c (2, …), M (2, 2, …).

    .. math:: m(α) = \frac{b^2 + ακs}{D}, \qquad
              hV(α) = \frac{m(α)^2}{b^2} + α^2 \Big(\frac{κ}{1+κ}\Big)^2 \Big(q - \frac{s^2}{b^2}\Big) + (1-h)(1-m(α))^2

    with b² = ‖μ_β‖² and D = b² + 1 + κ; below with the two terms in 1/b² taken together.
    """
    x = _numbers(problem)
    b2 = problem.mean_products[2]
    s, q = source_moments(problem)
    kappa, h, one_minus_h = equivalents.isotropic(x["dim"] / x["n_target"], x["gamma_target"])
    xp = namespace(s, q, kappa, b2)
    R = 1 + kappa
    D = b2 + R
    c0, c1, missed = b2 / D, kappa * s / D, R / D  # missed = 1 − c₀
    M00 = (b2 / D**2 + one_minus_h * missed * missed) / h
    M01 = (c1 / D - one_minus_h * missed * c1) / h
    M11 = ((kappa / R) ** 2 * (q - s * s * (2 * R + b2) / D**2) + one_minus_h * c1 * c1) / h
    c0, c1, M00, M01, M11 = xp.broadcast_arrays(c0, c1, M00, M01, M11)
    return ScoreForm(xp.stack([c0, c1]), xp.stack([xp.stack([M00, M01]), xp.stack([M01, M11])]))


def _numbers(problem: TransferProblem) -> dict[str, Any]:
    """The problem's numbers as floating-point arrays of one namespace."""
    values = {name: getattr(problem, name) for name in NUMBERS}
    xp = namespace(*values.values())
    return {name: asarray(xp, value) for name, value in values.items()}
