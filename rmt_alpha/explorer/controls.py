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
PARTS |= {
    "trials": ("", "simulated trainings"),
    "simulate": ("", "simulation"),
    "published": ("", "the published code's form"),
}
PARTS |= {
    "map_x": ("", "map across"),
    "map_y": ("", "map up"),
    "map_shows": ("", "map shows"),
    "preset": ("", "preset"),
}
SPANS = {
    "alpha": (-10.0, 20.0),
    "alpha_low": (-50.0, 0.0),
    "alpha_high": (1.0, 50.0),
    "mu": (0.0, 4.0),
    "mu_orth": (0.0, 4.0),
}
SLIDERS = (*NUMBERS, "alpha", "alpha_low", "alpha_high")


def form(elements: dict[str, Any], kind: str = "") -> str:
    """A row per control; the page's script names each by its row, and marks it where its value is impossible.

    The caller keeps the elements: one that is gone is no longer heard.
    """
    return "".join(_row(name, element, kind) for name, element in elements.items())


def _row(name: str, element: Any, kind: str) -> str:
    symbol, words = PARTS[name]
    label = f"{words} ({symbol}){kind}" if symbol else words
    shown = symbol.replace("_⊥", "<sub>⊥</sub>")
    text = "" if kind else f"<span><i>{shown}</i> {words}</span>"
    return f'<div class="row" data-field="{name}" data-label="{escape(label)}">{text}{element}</div>'


def field(state: State, name: str, change: Change) -> Any:
    """A field that takes any number, to any digit. Not debounced: one that waits says its old value after it was given a new one."""
    return mo.ui.text(
        write(getattr(state, name)), debounce=False, on_change=lambda text: change(name)(read(text)), full_width=True
    )


def fields(state: State, change: Change) -> dict[str, Any]:
    """A field per number."""
    return {name: field(state, name, change) for name in SLIDERS}


def sliders(state: State, change: Change) -> dict[str, Any]:
    """A slider per number, over the range worth looking at."""
    return {name: _slider(name, getattr(state, name), change(name)) for name in SLIDERS}


def _slider(name: str, value: Any, on_change: Callable[[Any], None]) -> Any:
    value = value if isinstance(value, int | float) else 0.0
    if name not in PARAMETERS or not PARAMETERS[name].is_log:
        low, high = SPANS.get(name) or PARAMETERS[name].span or (0.0, 1.0)
        step = 0.1 if high - low > 20 else 0.01
        return mo.ui.slider(
            low, high, step, value=float(min(max(value, low), high)), on_change=on_change, full_width=True
        )
    p = PARAMETERS[name]
    ends = (max(p.low, 1.0), 1e6) if p.is_size else (1e-4, 1e3)
    steps = sorted({float(f"{x:.3g}" if not p.is_size else f"{round(x):.3g}") for x in np.geomspace(*ends, 241)})
    nearest = min(steps, key=lambda x: abs(np.log(x / max(value, 1e-9))))
    return mo.ui.slider(steps=steps, value=nearest, on_change=on_change, full_width=True)


def options(state: State, change: Change) -> dict[str, Any]:
    """What to show."""
    names = {f"{p.symbol} {PARTS[name][1]}": name for name, p in PARAMETERS.items()}
    choices = {"map_x": names, "map_y": names, "map_shows": {label: name for name, label in MAPS.items()}}
    made: dict[str, Any] = {
        name: mo.ui.switch(getattr(state, name) is True, on_change=change(name)) for name in ("simulate", "published")
    }
    made["trials"] = field(state, "trials", change)
    for name, values in choices.items():
        label = next((label for label, value in values.items() if value == getattr(state, name)), None)
        made[name] = mo.ui.dropdown(
            values, value=label, allow_select_none=label is None, on_change=change(name), full_width=True
        )
    return made
