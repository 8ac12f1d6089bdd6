"""`Optimum`: where α is best, the common result of `optimal_alpha` and of its simulated witness; `PenaltyOptimum`: where penalties are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from .._arrays import STATIC, pytree
from ..problem import Fit, TransferProblem
from .tables import START, axes, frame

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DIGITS = 5


@pytree
@dataclass(frozen=True, eq=False)
class Optimum:
    """The distinguished values of α, each with the problem's shape.

    | field | meaning |
    |---|---|
    | `alpha` | α*: the largest accuracy (regression: the least risk); ±inf where it is approached only there |
    | `accuracy` | at α* (the supremum where α* is infinite); None for regression |
    | `zero` | ᾱ: the score of two opposite classes has mean 0, their accuracy is ½; infinite where no α gives that, see below |
    | `at_infinity` | is α* infinite? |
    | `least_risk` | the α of least risk |
    | `risk` | the risk there |
    | `direction` | the unit vector along which α* goes to infinity, where it does, else 0 |
    | `alpha_se`, `n_trials` | of a simulated optimum: the standard error of α*, and the number of trials |

    With several numbers α, the fields `alpha`, `zero`, `least_risk` and `direction` are (…, n_alpha), and `zero` is
    the shortest α of mean 0.

    Where no α has mean 0, `zero` is ±inf, on the side where the mean is nearer to 0; -inf where both sides are alike, as
    they are where the mean does not depend on α, and in every entry of several numbers. It is None for other classes than
    two opposite ones, with an intercept and for regression, and where it is not computed: by a simulation, under another
    loss with the best threshold, and at low rank.
    """

    alpha: Annotated[Any, "*shape *entries"]
    accuracy: Annotated[Any, "*shape"]
    zero: Annotated[Any, "*shape *entries"]
    at_infinity: Annotated[Any, "*shape"]
    least_risk: Annotated[Any, "*shape *entries"]
    risk: Annotated[Any, "*shape"]
    direction: Annotated[Any, "*shape *entries"]
    alpha_se: Annotated[Any, "*shape *entries"] = None
    n_trials: int | None = field(default=None, metadata=STATIC)

    def to_xarray(self) -> xr.Dataset:
        """The fields as a dataset, with dimensions `axis_0` …, and `start` where α is several numbers."""
        import xarray

        own = axes(np.shape(self.risk))
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "n_trials"}
        variables = {
            name: ((*own, *[START] * (np.ndim(value) - len(own))), np.asarray(value))
            for name, value in values.items()
            if value is not None
        }
        return xarray.Dataset(variables, attrs={} if self.n_trials is None else {"n_trials": self.n_trials})

    def to_dataframe(self) -> pd.DataFrame:
        """One row per problem; several numbers α are `alpha_0`, `alpha_1` …."""
        return frame(self.to_xarray())

    def __repr__(self) -> str:
        if np.ndim(self.risk):
            return f"Optimum(shape={np.shape(self.risk)})"
        error = "" if self.alpha_se is None else f" ± {_shown(self.alpha_se)}"
        accuracy = "" if self.accuracy is None else f", accuracy={self.accuracy:.4f}"
        least = "" if self.least_risk is None else f", least_risk={_shown(self.least_risk)}"
        return f"Optimum(alpha={_shown(self.alpha)}{error}{accuracy}{least})"


@dataclass(frozen=True, eq=False)
class PenaltyOptimum:
    """The best penalties within the bounds: the result of `optimal_penalty`.

    | field | meaning |
    |---|---|
    | `problem` | the problem with the best penalties |
    | `alpha` | the α that goes with them |
    | `accuracy`, `risk` | there (no accuracy for regression) |
    | `at_bound` | "lower" or "upper" where a penalty lies at its bound, so that less or more of it may be better still; else None |
    """

    problem: Fit | TransferProblem
    alpha: Any
    accuracy: float | None
    risk: float
    at_bound: str | None


def _shown(x: Any) -> str:
    """A number, or several, to a few significant digits."""
    return f"{x:.{DIGITS}g}" if np.ndim(x) == 0 else f"[{' '.join(map(_shown, x))}]"
