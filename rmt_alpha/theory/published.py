r"""The published code's form of the isotropic second moment: wrong, and kept to overlay it.

The public code of arXiv 2510.21345 (functions `test_expectation_2` and `optimal_alphas`, ridge source) amounts to

.. math:: q = E‖\tilde w‖^2 \;\to\; \tilde m^2/μ^2 + (1-\tilde h)(1-2\tilde m),

which lacks the factor 1/h̃ and the term (1−h̃)m̃². It is close where N ≫ p and far off where p/N is of order one. Its
forms for a fixed source and for regression are right.
"""

import dataclasses
from typing import Any

from .._arrays import namespace, plain
from ..problem import TransferProblem
from ..results import Moments, ScoreForm
from . import equivalents
from .isotropic import source_moments, transfer_form


def published_form(problem: TransferProblem) -> ScoreForm:
    """The score's law with the published q in place of the right one."""
    uu = problem.mean_products[0]
    kappa_s, _, one_minus_h_s = equivalents.isotropic(problem.aspect_source, problem.gamma_source)
    m = uu / (uu + 1 + kappa_s)
    q = uu / (uu + 1 + kappa_s) ** 2 + one_minus_h_s * (1 - 2 * m)
    kappa, h, _ = equivalents.isotropic(problem.aspect_target, problem.gamma_target)
    form = transfer_form(problem)
    # V depends on q through M₁₁ alone, linearly.
    change = (kappa / (1 + kappa)) ** 2 * (q - source_moments(problem)[1]) / h
    xp = namespace(form.M, change)
    M11 = form.M[1, 1] + change
    M = xp.stack([xp.stack([form.M[0, 0], form.M[0, 1]]), xp.stack([form.M[1, 0], M11])])
    return dataclasses.replace(form, M=M)


def predict_published(problem: TransferProblem, alpha: Any) -> Moments:
    """What the published code predicts; FloatingPointError where its variance is negative."""
    return published_form(problem).moments(alpha)


def optimal_alpha_published(problem: TransferProblem) -> Any:
    """What the published code takes for the best α: the ratio (M⁻¹c)₁/(M⁻¹c)₀, whatever its signs."""
    c, M = published_form(problem).c, published_form(problem).M
    return plain((M[0, 0] * c[1] - M[0, 1] * c[0]) / (M[1, 1] * c[0] - M[0, 1] * c[1]))
