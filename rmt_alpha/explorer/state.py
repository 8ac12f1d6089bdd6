"""What the page is set to: one frozen object, which a link carries and a preset fills."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np

from .. import _checks as check
from ..commands.options import ProblemOptions
from ..grid import check_names
from ..problem import NUMBERS

MAPS = ("gain_over_1", "gain_over_0", "best", "accuracy")


@dataclass(frozen=True)
class State(ProblemOptions):
    """The problem's eight numbers, and what to show of it. Values are kept as they were typed; using them checks them."""

    alpha: Any = 3.0
    """Your own α, beside α*, 1 and 0."""
    alpha_low: Any = -10.0
    """Where the curve begins."""
    alpha_high: Any = 15.0
    """Where it ends."""
    published: Any = False
    """Lay the published code's form over the curve."""
    simulate: Any = False
    """Show simulated points."""
    trials: Any = 1000
    """Independent trainings behind each point."""
    map_x: Any = "beta"
    """The map's horizontal parameter."""
    map_y: Any = "n_target"
    """The map's vertical parameter."""
    map_shows: Any = "gain_over_1"
    """What the map's colour means."""

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> State:
        """The state that a link carries; what it leaves out is as in `State()`. ValueError for keys that mean nothing."""
        check_names("the link", query, tuple(f.name for f in dataclasses.fields(cls)), ())
        return cls(**{name: _read(value) for name, value in query.items()})

    def query(self) -> str:
        """The link's part after the question mark."""
        return urlencode({name: _write(value) for name, value in dataclasses.asdict(self).items()})

    def numbers(self) -> dict[str, Any]:
        """The eight numbers by name, as `TransferProblem` has checked them."""
        made = self.problem()
        return {name: getattr(made, name) for name in NUMBERS}

    def problem(self, **changed: Any) -> Any:
        """The `TransferProblem`, with some numbers replaced (by arrays, say)."""
        return ProblemOptions(**{name: getattr(self, name) for name in NUMBERS}).problem(**changed)

    def alphas(self, count: int) -> np.ndarray:
        """`count` values of α over the range shown."""
        low, high = check.real("alpha_low", self.alpha_low), check.real("alpha_high", self.alpha_high)
        if not low < high:
            raise ValueError(f"alpha_high must be larger than alpha_low, {low:g}, got {high:g}. Widen the range of α.")
        return np.linspace(low, high, count)


def _read(text: Any) -> Any:
    """A number or truth value where the text is one; else the text, for the check that will name it."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except (TypeError, ValueError):
        return text


def _write(value: Any) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else f"{value:.15g}" if isinstance(value, float) else str(value)
    )


def _figure(
    n_source: float,
    n_target: float,
    dim: float,
    mu: float,
    mu_orth: float,
    beta: float,
    gamma_source: float,
    gamma_target: float,
    **shown: Any,
) -> State:
    return State(n_source, n_target, dim, mu, mu_orth, beta, gamma_source, gamma_target, **shown)


_PENALTIES = {"map_x": "gamma_target", "map_y": "gamma_source"}
_MOMENTS = ((1000, 200, 100, 0.5, 0.3, 1, 1.5), (1000, 100, 200, 0.5, 0.3, 2, 1.5), (5000, 500, 100, 10, 0.8, 1.5, 1))

# Figure → setting → state; the figures of the two-class problem, as `experiments` has them (real data and regression are not
# this page's problem). A fixed source of unit norm is the limit of many source samples and no penalty: w̃ = μ/2 at ‖μ‖ = 1, so
# α is twice that figure's.
PRESETS: dict[str, dict[str, State]] = {
    "Accuracy against α": {
        f"β = {beta}": _figure(5000, 40, 1000, 0.8, 0.8, beta, 5, 0.1, alpha_low=-10, alpha_high=10, alpha=5)
        for beta in (0.2, 0.5, 0.9)
    },
    "α* against β": {
        f"p = {dim}, β = 0.8": _figure(
            2000,
            200,
            dim,
            1,
            1,
            0.8,
            1,
            1,
            alpha_low=-3,
            alpha_high=5,
            alpha=2,
            published=True,
            map_x="beta",
            map_y="dim",
            map_shows="best",
        )
        for dim in (2, 20, 200, 2000)
    },
    "α* given the source (α is twice the figure's)": {
        f"p = {dim}, ⟨w̃, μ_β⟩ = 0.7": _figure(
            1e12,
            200,
            dim,
            1,
            1,
            0.7,
            1e-6,
            1,
            alpha_low=-4,
            alpha_high=6,
            alpha=2,
            map_x="beta",
            map_y="gamma_target",
            map_shows="best",
        )
        for dim in (2, 20, 200, 2000)
    },
    "Maps over the penalties": {
        f"β = {beta}": _figure(2000, 40, 400, 1, 1, beta, 1, 1, alpha_low=-5, alpha_high=10, **_PENALTIES)
        for beta in (0.2, 0.5, 0.8)
    },
    "Score densities": {
        f"β = {beta}, α = {alpha:g}": _figure(
            5000, 200, 400, 1.5, 1, beta, 1, 1, alpha=alpha, alpha_low=-5, alpha_high=12
        )
        for beta in (0.3, 0.8)
        for alpha in (0.1, 1.0, 10.0)
    },
    "Moments against γ": {
        f"N = {N}, n = {n}, p = {p}, α = {alpha:g}": _figure(
            N, n, p, mu, mu_orth, beta, 1, 1, alpha=alpha, alpha_low=-5, alpha_high=12, **_PENALTIES
        )
        for N, n, p, alpha, beta, mu, mu_orth in _MOMENTS
    },
    "Phase maps": {
        "over β and n": _figure(800, 200, 400, 1, 1, 0.5, 0.5, 0.5, alpha_low=-4, alpha_high=5, alpha=2),
        "over the penalties": _figure(
            800, 200, 400, 1, 1, 0.5, 0.5, 0.5, alpha_low=-4, alpha_high=5, alpha=2, **_PENALTIES
        ),
    },
}
