"""`phase_map`: α* and what it gains, over two numbers of a problem, by theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks as check
from ..theory.optimum import optimal_alpha
from ..theory.predict import predict
from .fields import Problem, check_names, numbers_of, with_numbers
from .grid import START

if TYPE_CHECKING:
    import xarray


def columns(problem: Problem, **axes: Any) -> dict[str, np.ndarray]:
    """The variables of `phase_map` as plain arrays (len(y), len(x)), without the second that xarray takes to import."""
    (x, at_x), (y, at_y) = _two(problem, axes)
    made = with_numbers(problem, {x: at_x, y: at_y[:, None]})
    best = optimal_alpha(made)
    entries = (made.n_alpha,) if made.n_alpha > 1 else ()
    zero, one = (predict(made, np.full(entries, a) if entries else a) for a in (0.0, 1.0))
    if best.accuracy is None:  # regression: the less, the better
        values = {"risk": best.risk, "risk_at_1": one.risk, "risk_at_0": zero.risk}
        gains = {"gain_over_1": one.risk - best.risk, "gain_over_0": zero.risk - best.risk}
    else:
        values = {"accuracy": best.accuracy, "accuracy_at_1": one.accuracy, "accuracy_at_0": zero.accuracy}
        gains = {"gain_over_1": best.accuracy - one.accuracy, "gain_over_0": best.accuracy - zero.accuracy}
    shape = (len(at_y), len(at_x))
    flat = {name: np.broadcast_to(value, shape) for name, value in {**values, **gains}.items()}
    return {"alpha": np.broadcast_to(best.alpha, (*shape, *entries)), **flat}


def phase_map(problem: Problem, **axes: Any) -> xarray.Dataset:
    """The best α, its accuracy, and what it gains over α = 1 and over no transfer, where two numbers of the problem vary.

    | parameter | meaning |
    |---|---|
    | `problem` | a scalar `TransferProblem` or `Fit` |
    | two numbers by name | the values along x, then those along y; of a fit `n`, `gamma`, `source_n`, `source_gamma`, … as in `sweep` |

    Returns `alpha`, `accuracy`, `accuracy_at_1`, `accuracy_at_0`, `gain_over_1` and `gain_over_0`, with the dimensions (y, x), and `start`
    where α is a vector. For regression it is the risk, and what it falls by. ValueError, naming the parameter.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> found = phase_map(problem, n_target=[40, 400], beta=[0.0, 0.5, 0.9])
    >>> found.alpha.sel(n_target=40).values.round(2)
    array([0.  , 4.1 , 7.47])
    """
    import xarray

    (x, at_x), (y, at_y) = _two(problem, axes)
    variables = {name: ((y, x, START)[: np.ndim(v)], v) for name, v in columns(problem, **axes).items()}
    return xarray.Dataset(variables, {x: at_x, y: at_y})


def _two(problem: Problem, axes: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    check_names("numbers", axes, tuple(numbers_of(problem)), ())
    if len(axes) != 2:
        raise ValueError(f"two numbers of the problem must vary, got {', '.join(axes) or 'none'}. Name x, then y.")
    if problem.shape:
        raise ValueError(
            f"problem must have no arrays in it, got shape {problem.shape}. Give its values along x and y by name."
        )
    values = [(name, np.asarray(check.unmasked(name, value))) for name, value in axes.items()]
    for name, value in values:
        if value.ndim != 1 or not value.size:
            raise ValueError(f"{name} must be a vector of values, got shape {value.shape}.")
    return values
