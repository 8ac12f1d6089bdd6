r"""Risk of multi-output fine-tuning, and the α that minimises it."""

from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import plain
from ..moments import LARGEST_ALPHA
from ..regression import RegressionProblem, RegressionRisk
from . import equivalents


def predict_regression(problem: RegressionProblem, alpha: Any) -> RegressionRisk:
    r"""Asymptotic risk E‖W_α x − y‖² of W_α, at a fresh noisy point.

    .. math:: \mathrm{bias} = \frac{κ^2 ‖W_t - αW_s‖_F^2}{(1+κ)^2 - η}, \qquad
              \mathrm{noise} = \frac{σ^2 d (1+κ)^2}{(1+κ)^2 - η}

    α broadcasts against the problem's numbers. (arXiv 2510.21345, appendix; theory.md, section 6.)
    """
    alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
    kappa, h, _ = equivalents.isotropic(problem.dim / np.asarray(problem.n_target), np.asarray(problem.gamma_target))
    tt, ts, ss = (np.sum(a * b) for a, b in _pairs(problem))
    distance = np.maximum(tt - 2 * alpha * ts + alpha**2 * ss, 0.0)
    bias = (kappa / (1 + kappa)) ** 2 * distance / h
    noise = np.asarray(problem.sigma) ** 2 * problem.outputs / h
    return RegressionRisk(*map(plain, (*np.broadcast_arrays(bias, noise), bias + noise)))


def optimal_alpha_regression(problem: RegressionProblem) -> float:
    r"""The α of least risk, whatever n and γ: ⟨W_t, W_s⟩/‖W_s‖². Raises ValueError for W_s = 0, where every α is as good."""
    _, ts, ss = (np.sum(a * b) for a, b in _pairs(problem))
    if ss == 0:
        raise ValueError("w_source must not be 0: then the risk does not depend on alpha. Pass a trained source.")
    return float(ts / ss)


def _pairs(problem: RegressionProblem) -> tuple[tuple[Any, Any], ...]:
    W_s, W_t = problem.w_source, problem.w_target
    return (W_t, W_t), (W_t, W_s), (W_s, W_s)
