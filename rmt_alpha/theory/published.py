r"""The published code's form of the isotropic second moment: wrong, and kept to overlay it.

The public code of arXiv 2510.21345 (functions `test_expectation_2` and `optimal_alphas`, ridge source) amounts to

.. math:: q = E‖\tilde w‖^2 \;\to\; \tilde m^2/μ^2 + (1-\tilde h)(1-2\tilde m),

which lacks the factor 1/h̃ and the term (1−h̃)m̃². It is close where N ≫ p and far off where p/N is of order one. Its forms
for a fixed source and for regression are right.
"""

from typing import Any

from ..moments import Moments, Optimum, ScoreForm, optimum
from ..problem import TransferProblem
from . import equivalents
from .stage import score_form
from .transfer import isotropic_functionals


def published_form(problem: TransferProblem) -> ScoreForm:
    """The score's law with the published q. Raises ValueError unless the problem has an isotropic trained source."""
    if not (problem.has_trained_source and problem.is_isotropic):
        raise ValueError(
            "problem must have a trained source and identity covariances: only that published form is wrong."
        )
    uu = problem.mean_products[0]
    kappa_s, _, one_minus_h_s = equivalents.isotropic(problem.aspect_source, problem.gamma_source)
    m = uu / (uu + 1 + kappa_s)
    q = uu / (uu + 1 + kappa_s) ** 2 + one_minus_h_s * (1 - 2 * m)
    right = isotropic_functionals(problem)
    return score_form(right._replace(w_RCR_w=[[q / (1 + right.kappa) ** 2]]))


def predict_published(problem: TransferProblem, alpha: Any) -> Moments:
    """What the published code predicts."""
    return published_form(problem).moments(alpha)


def optimal_alpha_published(problem: TransferProblem) -> Optimum:
    """What the published code takes for the optimum."""
    return optimum(published_form(problem))
