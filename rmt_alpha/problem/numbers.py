"""The paper's eight numbers as people meet them: symbol, unit, range worth looking at, example.

Command line and explorer both show these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check
from .transfer import NUMBERS as NUMBERS
from .transfer import TransferProblem


@dataclass(frozen=True)
class Parameter:
    """One of the eight: `span` is the range worth looking at (None: in proportion to the value), `low` and `high`
    what is permitted.
    """

    name: str
    symbol: str
    meaning: str
    unit: str
    example: float
    low: float
    high: float
    span: tuple[float, float] | None
    is_log: bool

    @property
    def is_size(self) -> bool:
        """Is it a count?"""
        return self.span is None

    @property
    def flag(self) -> str:
        """How the command line spells it."""
        return "--" + self.name.replace("_", "-")

    def around(self, value: float) -> tuple[float, float]:
        """A range worth looking at that holds the value; of a size, it stays as it is while the value moves within a decade.

        >>> PARAMETERS["n_target"].around(40), PARAMETERS["gamma_target"].around(1e3)
        ((1.0, 1000.0), (0.01, 1000.0))
        """
        if self.span is None:
            decade = 10.0 ** math.floor(math.log10(value))
            return max(decade / 10, self.low), min(100 * decade, float(check.LARGEST_SIZE))
        return min(self.span[0], value or self.span[0]), max(self.span[1], value)


_DEVIATIONS, _VARIANCES = "noise standard deviations", "noise variances"
PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter("n_source", "N", "source sample size", "samples", 5000, 1, np.inf, None, True),
        Parameter("n_target", "n", "target sample size", "samples", 40, 1, np.inf, None, True),
        Parameter("dim", "p", "number of features", "features", 1000, 2, np.inf, None, True),
        Parameter("mu", "‖μ‖", "norm of the source mean", _DEVIATIONS, 0.8, 0, np.inf, (0.1, 3.0), False),
        Parameter("mu_orth", "‖μ_⊥‖", "norm of the target mean's orthogonal part", _DEVIATIONS, 0.8, 0, np.inf, (0.1, 3.0), False),
        Parameter("beta", "β", "alignment of the two tasks, a cosine", "1", 0.9, -1, 1, (-1.0, 1.0), False),
        Parameter("gamma_source", "γ̃", "ridge penalty of the source; 0 is ridgeless", _VARIANCES, 5.0, 0, np.inf, (1e-2, 1e2), True),
        Parameter("gamma_target", "γ", "ridge penalty of the target; 0 is ridgeless", _VARIANCES, 0.1, 0, np.inf, (1e-2, 1e2), True),
    )
}  # fmt: skip
SYMBOLS = {name: p.symbol for name, p in PARAMETERS.items()}
SIZES = tuple(name for name, p in PARAMETERS.items() if p.is_size)
SCALES = ("auto", "linear", "log")
# Levels of a map: gains in points, and α*.
GAINS = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
ALPHAS = (-10, -5, -2, -1, 0, 0.5, 1, 1.5, 2, 5, 10)


@dataclass(frozen=True)
class Numbers:
    """The eight numbers as they were typed; `problem` checks them."""

    n_source: Any = PARAMETERS["n_source"].example
    n_target: Any = PARAMETERS["n_target"].example
    dim: Any = PARAMETERS["dim"].example
    mu: Any = PARAMETERS["mu"].example
    mu_orth: Any = PARAMETERS["mu_orth"].example
    beta: Any = PARAMETERS["beta"].example
    gamma_source: Any = PARAMETERS["gamma_source"].example
    gamma_target: Any = PARAMETERS["gamma_target"].example

    def problem(self, **changed: Any) -> TransferProblem:
        """The problem, with some numbers replaced (by arrays, say) and losses added.

        >>> EXAMPLE.problem(n_target=[40, 400]).shape
        (2,)
        """
        return TransferProblem(**{**{name: getattr(self, name) for name in NUMBERS}, **changed})


EXAMPLE = Numbers()


def numbers(problem: TransferProblem) -> dict[str, Any]:
    """The problem's numbers by name."""
    return {name: getattr(problem, name) for name in NUMBERS}


def headline(problem: TransferProblem, leave_out: tuple[str, ...] = ()) -> str:
    """One line that says which problem it is.

    >>> headline(EXAMPLE.problem(), leave_out=("mu", "mu_orth"))
    'N = 5000, n = 40, p = 1000, β = 0.9, γ̃ = 5, γ = 0.1'
    """
    return ", ".join(f"{SYMBOLS[k]} = {v:.10g}" for k, v in numbers(problem).items() if k not in leave_out)


def written(value: float, digits: int = 3) -> str:
    """A number as people write it, with a true minus sign and ∞.

    >>> written(-0.3138), written(float("inf"))
    ('−0.314', '∞')
    """
    return f"{value:.{digits}g}".replace("inf", "∞").replace("-", "\N{MINUS SIGN}")


def is_log_axis(name: str, scale: str = "auto") -> bool:
    """Is the parameter spaced by ratios? By default sizes and penalties are."""
    check.choice("scale", scale, SCALES)
    return scale == "log" or (scale == "auto" and PARAMETERS[name].is_log)


def axis(
    name: str, value: float, limits: Any = None, scale: str = "auto", count: int = 81, which: str = ""
) -> np.ndarray:
    """Increasing values of a parameter over `limits`, by default what is worth looking at around `value`.

    Sizes are whole, so that there may be fewer than `count`. `which` is how an error calls the limits.

    >>> axis("beta", 0.9, count=5)
    array([-1. , -0.5,  0. ,  0.5,  1. ])
    """
    parameter, which = PARAMETERS[check.choice("name", name, NUMBERS)], which or f"limits of {name}"
    low, high = parameter.around(value) if limits is None else limits
    is_log = is_log_axis(name, scale)
    if not (np.isfinite(low) and np.isfinite(high) and low < high) or (is_log and low <= 0):
        needs = "0 < low < high on a logarithmic scale" if is_log else "low < high"
        raise ValueError(f"{which} must be two finite numbers with {needs}, got {low:g} {high:g}.")
    values = np.geomspace(low, high, count) if is_log else np.linspace(low, high, count)
    if parameter.is_size:
        values = np.unique(np.round(values))
        if len(values) < 2:
            raise ValueError(f"{which} must hold two whole numbers at least, got {low:g} {high:g}. Widen it.")
    return values
