"""Direct simulation of multi-output fine-tuning."""

from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import plain
from ..moments import LARGEST_ALPHA
from ..regression import RegressionProblem, SimulatedRisk
from ..ridge import ridge_path
from .streams import generator


def simulate_regression(problem: RegressionProblem, alpha: Any, *, n_trials: int = 100, seed: int = 0) -> SimulatedRisk:
    """Average the exact conditional risk ‖W_α − W_t‖²_F + σ²d over independent training sets of a scalar problem.

    Every α shares the same draws. Raises ValueError or TypeError, naming the parameter.
    """
    alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
    n_trials = check.size("n_trials", n_trials, low=2)
    seed = check.size("seed", seed, low=0)
    for name in ("n_target", "gamma_target", "sigma"):
        if np.ndim(getattr(problem, name)):
            raise ValueError(
                f"{name} must be a number here, got shape {np.shape(getattr(problem, name))}. Loop over it."
            )
    d = problem.outputs
    risks = np.empty((n_trials, *alpha.shape))
    for trial in range(n_trials):
        rng = generator(seed, (), trial)
        X = rng.standard_normal((problem.n_target, problem.dim))
        Y = X @ problem.w_target.T + problem.sigma * rng.standard_normal((problem.n_target, d))
        W = ridge_path(X, Y, problem.gamma_target, problem.w_source.T)
        at_zero, slope = W[:, :d] - problem.w_target.T, W[:, d:]
        a, b, c = np.sum(at_zero**2), np.sum(at_zero * slope), np.sum(slope**2)
        risks[trial] = a + 2 * alpha * b + alpha**2 * c + problem.sigma**2 * d
    error = risks.std(axis=0, ddof=1) / np.sqrt(n_trials)
    return SimulatedRisk(plain(risks.mean(axis=0)), plain(error), n_trials)
