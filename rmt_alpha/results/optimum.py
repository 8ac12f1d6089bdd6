"""`Optimum`: where α is best; the common result of `optimal_alpha` and of its simulated witness."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from .._arrays import STATIC, pytree


@pytree
@dataclass(frozen=True, eq=False)
class Optimum:
    """The distinguished values of α, each with the problem's shape.

    | field | meaning |
    |---|---|
    | `alpha` | α*: the largest accuracy (regression: the least risk); ±inf where it is approached only there |
    | `accuracy` | at α* (the supremum where α* is infinite); None for regression |
    | `zero` | ᾱ: the score has mean 0, the accuracy of two opposite classes is ½; None where there is no such α |
    | `at_infinity` | is α* infinite? |
    | `least_risk` | the α of least risk |
    | `risk` | the risk there |
    | `direction` | the unit vector along which α* goes to infinity, where it does, else 0 |
    | `alpha_se`, `n_trials` | of a simulated optimum: the standard error of α*, and the number of trials |

    With several numbers α, the fields `alpha`, `zero`, `least_risk` and `direction` are (…, n_alpha), and `zero` is
    the shortest α of mean 0.
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

    def __repr__(self) -> str:
        if np.ndim(self.risk):
            return f"Optimum(shape={np.shape(self.risk)})"
        error = "" if self.alpha_se is None else f" ± {np.round(self.alpha_se, 4)}"
        accuracy = "" if self.accuracy is None else f", accuracy={self.accuracy:.4f}"
        least = "" if self.least_risk is None else f", least_risk={np.round(self.least_risk, 4)}"
        return f"Optimum(alpha={np.round(self.alpha, 4)}{error}{accuracy}{least})"
