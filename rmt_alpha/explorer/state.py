"""What the page is set to: one frozen object, which a link carries and the controls change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np

from .. import _checks as check
from ..problem import Fit, Population
from ..problem.numbers import PARAMETERS, Numbers, Parameter

TABS = TWO, MANY, DATA = "Two classes", "Classes and rank", "Your data"
MAPS = {
    "gain_over_1": "gain of α* over α = 1, points",
    "gain_over_0": "gain of α* over α = 0, points",
    "alpha": "α*",
    "accuracy": "accuracy at α*, %",
}
WHOLE = ("classes", "rank")
FIELDS = PARAMETERS | {
    p.name: p
    for p in (
        Parameter("alpha", "α", "your scale", "1", 3, -1e6, 1e6, (-10, 20), False),
        Parameter("alpha_low", "α", "curve from", "1", -10, -1e6, 1e6, (-50, 0), False),
        Parameter("alpha_high", "α", "curve to", "1", 15, -1e6, 1e6, (1, 50), False),
        Parameter("classes", "K", "classes", "1", 3, 2, 6, (2, 6), False),  # more take a page too long
        Parameter("rank", "r", "largest rank of the correction", "1", 6, 1, 6, (1, 6), False),
    )
}
IMPOSSIBLE = (ValueError, TypeError, ArithmeticError)  # what the library raises on numbers that cannot be


def meaning(name: str) -> str:
    """A control in few words."""
    return FIELDS[name].meaning.split(",")[0].split(";")[0] if name in FIELDS else name.replace("_", " ")


_NUMBERS = {name: f"{p.symbol} {meaning(name)}" for name, p in PARAMETERS.items()}
CHOICES = {"map_x": _NUMBERS, "map_y": _NUMBERS, "map_shows": MAPS, "tab": dict.fromkeys(TABS, "")}


@dataclass(frozen=True)
class State(Numbers):
    """The problem's numbers, and what to show of it. Values are kept as they were typed; `settle` checks them."""

    alpha: Any = 3
    alpha_low: Any = -10
    alpha_high: Any = 15
    classes: Any = 3
    rank: Any = 6
    simulate: Any = False
    map_x: Any = "beta"
    map_y: Any = "n_target"
    map_shows: Any = "gain_over_1"
    tab: Any = TWO

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> State:
        """The state that a link carries; the rest is as in `State()`. ValueError for keys that mean nothing."""
        for key in query:
            check.choice("link", key, tuple(f.name for f in dataclasses.fields(cls)))
        return cls(**{name: read(value) for name, value in query.items()})

    def query(self) -> str:
        """The link's part after the question mark: what differs from the example."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value != getattr(State(), name)}
        return urlencode({name: write(value) for name, value in given.items()})

    def fit(self) -> Fit:
        """K classes at a right angle to each other, their means from 4/3 to 2/3 of ‖μ‖ long: equal ones tie in rank."""
        K, dim = int(self.classes), int(self.dim)
        along, across = np.linspace(4 / 3, 2 / 3, K)[:, None] * np.eye(2 * K).reshape(2, K, 2 * K)
        target = self.beta * self.mu * along + np.sqrt(1 - self.beta**2) * self.mu_orth * across
        source = Fit(Population.classes(self.mu * along, dim=dim), self.n_source, self.gamma_source)
        rank = int(self.rank) if self.rank < K else None
        return Fit(Population.classes(target, dim=dim), self.n_target, self.gamma_target, starts=[source], rank=rank)

    def check(self) -> None:
        """Raise what the library raises on the first value that cannot be."""
        for name, p in FIELDS.items():
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} must be a real number, such as 0.5 or 1e6, got {value!r}.")
            if name in WHOLE:
                check.whole(name, value, int(p.low), int(p.high), "Python takes more.")
            elif name not in PARAMETERS:
                check.number(name, value, p.low, p.high)
        self.problem()
        for name, allowed in CHOICES.items():
            check.choice(name, getattr(self, name), tuple(allowed))
        check.flag("simulate", self.simulate)
        if not self.alpha_low < self.alpha_high:
            raise ValueError(f"alpha_high must be larger than alpha_low, {self.alpha_low:g}, got {self.alpha_high:g}.")
        if self.map_x == self.map_y:
            raise ValueError(f"map_y must be another parameter than map_x, got {self.map_y!r} twice. Choose two.")
        if self.tab == MANY and self.dim < 2 * self.classes:
            raise ValueError(f"dim must be at least 2K = {2 * self.classes:g}, got {self.dim:g}. Take fewer classes.")


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
