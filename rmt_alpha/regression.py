"""Fine-tuning with several outputs and squared error: the problem, and its risk."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks as check


@dataclass(frozen=True, eq=False)
class RegressionProblem:
    """Y = W_t X + σ·noise with isotropic inputs, fitted by W_α = α W_s + ridge correction.

    | field | symbol | permitted |
    |---|---|---|
    | `w_source`, `w_target` | W_s, W_t: maps (d, p) | finite, equal shapes |
    | `n_target` | n: sample size | whole, ≥ 1; may be an array |
    | `gamma_target` | γ: ridge penalty | ≥ 0 (0: not at n = p); may be an array |
    | `sigma` | σ: standard deviation of the noise on each output | ≥ 0; may be an array |

    (arXiv 2510.21345, appendix on regression.)

    >>> w = np.ones((2, 50)) / 10
    >>> problem = RegressionProblem(w_source=2 * w, w_target=w, n_target=25, gamma_target=1.0, sigma=0.5)
    >>> print(f"α* = {optimal_alpha_regression(problem):.2f}, risk {predict_regression(problem, 0.5).risk:.3f}")
    α* = 0.50, risk 0.604
    """

    w_source: Any
    w_target: Any
    n_target: Any
    gamma_target: Any
    sigma: Any

    def __post_init__(self) -> None:
        for name, value in (
            ("w_source", np.asarray(check.real("w_source", self.w_source))),
            ("w_target", np.asarray(check.real("w_target", self.w_target))),
            ("n_target", check.size("n_target", self.n_target)),
            ("gamma_target", check.real("gamma_target", self.gamma_target, low=0)),
            ("sigma", check.real("sigma", self.sigma, low=0)),
        ):
            object.__setattr__(self, name, value)
        if self.w_source.ndim != 2 or self.w_source.shape != self.w_target.shape:
            raise ValueError(
                f"w_source and w_target must be matrices (outputs, dim) of one shape, got {self.w_source.shape} and "
                f"{self.w_target.shape}. Reshape a single output to (1, dim)."
            )
        check.broadcastable(n_target=self.n_target, gamma_target=self.gamma_target, sigma=self.sigma)
        check.ridgeless("target", self.gamma_target, self.n_target, self.dim)

    @property
    def outputs(self) -> int:
        return self.w_source.shape[0]

    @property
    def dim(self) -> int:
        return self.w_source.shape[1]


@dataclass(frozen=True)
class RegressionRisk:
    """E‖W_α x − y‖² and its two parts: risk = bias + noise."""

    bias: Any
    noise: Any
    risk: Any


@dataclass(frozen=True)
class SimulatedRisk:
    """The average over `n_trials` draws of the exact conditional risk, with its standard error."""

    risk: Any
    risk_se: Any
    n_trials: int
