"""marimo's own controls, one per part of the state: each shows the state and says what it was changed to."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import marimo as mo
import numpy as np

from ..problem.numbers import NUMBERS, PARAMETERS
from .state import MAPS, State, read, write

Change = Callable[[str], Callable[[Any], None]]  # name → what takes its new value
PARTS = {name: (p.symbol, p.meaning.split(",")[0].split(";")[0]) for name, p in PARAMETERS.items()}
PARTS |= {"alpha": ("α", "your scale"), "alpha_low": ("α", "curve from"), "alpha_high": ("α", "curve to")}
PARTS |= {"trials": ("", "simulated trainings"), "simulate": ("", "simulation"), "published": ("", "the published code's form")}
PARTS |= {"map_x": ("", "map across"), "map_y": ("", "map up"), "map_shows": ("", "map shows"), "preset": ("", "preset")}
PARTS |= {"classes": ("K", "classes"), "rank": ("r", "rank of the correction")}
SPANS = {"alpha": (-10.0, 20.0), "alpha_low": (-50.0, 0.0), "alpha_high": (1.0, 50.0), "mu": (0.0, 4.0), "mu_orth": (0.0, 4.0)}
SLIDERS = (*NUMBERS, "alpha", "alpha_low", "alpha_high")


def field(name: str, element: Any, kind: str = "") -> str:
    """A row of the form; the page's script names the control by it, and marks it where its value is impossible."""
    symbol, words = PARTS[name]
    label = f"{words} ({symbol}){kind}" if symbol else words
    shown = symbol.replace("_⊥", "<sub>⊥</sub>")
    text = "" if kind else f"<span><i>{shown}</i> {words}</span>"
    return f'<div class="row" data-field="{name}" data-label="{escape(label)}">{text}{element}</div>'


def fields(state: State, change: Change) -> str:
    """A number field per parameter: any number, to any digit."""
    def typed(name: str) -> Callable[[Any], None]:
        return lambda text: change(name)(read(text))

    return "".join(field(name, mo.ui.text(write(getattr(state, name)), debounce=150, on_change=typed(name), full_width=True)) for name in SLIDERS)


def sliders(state: State, change: Change) -> str:
    """A slider per parameter, over the range worth looking at."""
    return "".join(field(name, _slider(name, getattr(state, name), change(name)), ", slider") for name in SLIDERS)


def _slider(name: str, value: Any, on_change: Callable[[Any], None]) -> Any:
    value = value if isinstance(value, int | float) else 0.0
    if name not in PARAMETERS or not PARAMETERS[name].is_log:
        low, high = SPANS.get(name) or PARAMETERS[name].span or (0.0, 1.0)
        step = 0.1 if high - low > 20 else 0.01
        return mo.ui.slider(low, high, step, value=float(min(max(value, low), high)), on_change=on_change, full_width=True)
    p = PARAMETERS[name]
    ends = (max(p.low, 1.0), 1e6) if p.is_size else (1e-4, 1e3)
    steps = sorted({float(f"{x:.3g}" if not p.is_size else f"{round(x):.3g}") for x in np.geomspace(*ends, 241)})
    nearest = min(steps, key=lambda x: abs(np.log(x / max(value, 1e-9))))
    return mo.ui.slider(steps=steps, value=nearest, on_change=on_change, full_width=True)


def options(state: State, change: Change) -> str:
    """What to show."""
    names = {f"{p.symbol} {PARTS[name][1]}": name for name, p in PARAMETERS.items()}
    shows = {label: name for name, label in MAPS.items()}

    def dropdown(name: str, choices: dict[str, str]) -> str:
        label = next((label for label, value in choices.items() if value == getattr(state, name)), None)
        return field(name, mo.ui.dropdown(choices, value=label, allow_select_none=False, on_change=change(name), full_width=True))

    return "".join(
        [
            field("simulate", mo.ui.switch(state.simulate is True, on_change=change("simulate"))),
            field("trials", mo.ui.text(write(state.trials), debounce=150, on_change=lambda text: change("trials")(read(text)), full_width=True)),
            field("published", mo.ui.switch(state.published is True, on_change=change("published"))),
            *(dropdown(name, names) for name in ("map_x", "map_y")),
            dropdown("map_shows", shows),
        ]
    )
