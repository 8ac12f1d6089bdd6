"""What the page is set to: one frozen object, which a link carries, a preset fills and the controls change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np

from .. import _checks as check
from ..problem.numbers import NUMBERS, Numbers

MAPS = {
    "gain_over_1": "gain of α* over α = 1, points",
    "gain_over_0": "gain of α* over α = 0, points",
    "alpha": "α*",
    "accuracy": "accuracy at α*, %",
}
IMPOSSIBLE = (ValueError, TypeError, ArithmeticError)  # what the library raises on numbers that cannot be
MOST_TRIALS = 20_000  # a page answers in seconds; more belong to the command line


@dataclass(frozen=True)
class State(Numbers):
    """The problem's eight numbers, and what to show of it. Values are kept as they were typed; `settle` checks them."""

    alpha: Any = 3.0
    alpha_low: Any = -10.0
    alpha_high: Any = 15.0
    published: Any = False
    simulate: Any = False
    trials: Any = 1000
    map_x: Any = "beta"
    map_y: Any = "n_target"
    map_shows: Any = "gain_over_1"

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> State:
        """The state that a link carries; what it leaves out is as in `State()`. ValueError for keys that mean nothing."""
        for key in query:
            check.choice("key of the link", key, tuple(f.name for f in dataclasses.fields(cls)))
        return cls(**{name: read(value) for name, value in query.items()})

    def query(self) -> str:
        """The link's part after the question mark: what differs from the example."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value != getattr(State(), name)}
        return urlencode({name: write(value) for name, value in given.items()})

    def alphas(self, count: int) -> np.ndarray:
        """`count` values of α over the range shown."""
        return np.linspace(self.alpha_low, self.alpha_high, count)

    def check(self) -> None:
        """Raise what the library raises on the first value that cannot be."""
        self.problem()
        check.number("alpha", self.alpha, -1e6, 1e6)
        low, high = (
            check.number("alpha_low", self.alpha_low, -1e6, 1e6),
            check.number("alpha_high", self.alpha_high, -1e6, 1e6),
        )
        if not low < high:
            raise ValueError(f"alpha_high must be larger than alpha_low, {low:g}, got {high:g}. Widen the range of α.")
        for name in ("published", "simulate"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be true or false, got {getattr(self, name)!r}.")
        check.number(
            "trials",
            check.size("trials", self.trials, low=2),
            high=MOST_TRIALS,
            remedy="More are for rmt-alpha simulate.",
        )
        check.choice("map_x", self.map_x, NUMBERS)
        check.choice("map_y", self.map_y, NUMBERS)
        check.choice("map_shows", self.map_shows, tuple(MAPS))
        if self.map_x == self.map_y:
            raise ValueError(f"map_y must be another parameter than map_x, got {self.map_y!r} twice. Choose two.")


def settle(state: State, good: State) -> tuple[State, dict[str, str]]:
    """The state with each impossible value replaced by the last good one, and what is wrong with each."""
    errors: dict[str, str] = {}
    while True:
        try:
            state.check()
            return state, errors
        except IMPOSSIBLE as error:
            name = str(error).split()[0]
            if name in errors or not hasattr(good, name):
                return good, {**errors, name: str(error)}
            errors[name] = str(error)
            state = replace(state, **{name: getattr(good, name)})


def read(text: Any) -> Any:
    """A number or truth value where the text is one; else the text, for the check that will name it."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text.replace("−", "-"))
    except (AttributeError, TypeError, ValueError):
        return text


def write(value: Any) -> str:
    """As `read` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, int | float) else str(value)


def _presets() -> dict[str, State]:
    """Name → state: the figures of the two-class problem, as `experiments` has them."""
    penalties = {"map_x": "gamma_target", "map_y": "gamma_source"}
    made = {"the page's example": State()}

    def add(name: str, *numbers: float, **shown: Any) -> None:
        made[name] = State(*map(float, numbers), **shown)

    for beta in (0.2, 0.5, 0.9):
        add(
            f"accuracy against α: β = {beta}",
            5000,
            40,
            1000,
            0.8,
            0.8,
            beta,
            5,
            0.1,
            alpha_low=-10.0,
            alpha_high=10.0,
            alpha=5.0,
        )
    for dim in (2, 20, 200, 2000):
        shown = {
            "published": True,
            "map_y": "dim",
            "map_shows": "alpha",
            "alpha": 2.0,
            "alpha_low": -3.0,
            "alpha_high": 5.0,
        }
        add(f"α* against β: p = {dim}", 2000, 200, dim, 1, 1, 0.8, 1, 1, **shown)
    for beta in (0.2, 0.5, 0.8):
        add(
            f"maps over the penalties: β = {beta}",
            2000,
            40,
            400,
            1,
            1,
            beta,
            1,
            1,
            alpha_low=-5.0,
            alpha_high=10.0,
            **penalties,
        )
    for beta in (0.3, 0.8):
        add(
            f"score densities: β = {beta}",
            5000,
            200,
            400,
            1.5,
            1,
            beta,
            1,
            1,
            alpha=10.0,
            alpha_low=-5.0,
            alpha_high=12.0,
        )
    moments = (
        (1000, 200, 100, 0.5, 0.3, 1, 1.5),
        (1000, 100, 200, 0.5, 0.3, 2, 1.5),
        (5000, 500, 100, 10, 0.8, 1.5, 1),
    )
    for N, n, p, alpha, beta, mu, mu_orth in moments:
        shown = {"alpha": float(alpha), "alpha_low": -5.0, "alpha_high": 12.0, **penalties}
        add(f"moments against γ: N = {N}, n = {n}, p = {p}", N, n, p, mu, mu_orth, beta, 1, 1, **shown)
    add("phase map over β and n", 800, 200, 400, 1, 1, 0.5, 0.5, 0.5, alpha_low=-4.0, alpha_high=5.0, alpha=2.0)
    return made


PRESETS = _presets()
