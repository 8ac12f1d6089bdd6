"""marimo's own controls, one per part of the state: each shows the state and says what it was changed to."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import marimo as mo
import numpy as np

from ..problem.numbers import NUMBERS
from .pictures import meaning
from .state import DATA, FIELDS, MANY, MAPS, TWO, WHOLE, State, write

Change = Callable[[str], Callable[[Any], None]]  # name → what takes its new value
WORDS = {
    "map_x": "map across",
    "map_y": "map up",
    "map_shows": "map shows",
    "simulate": "simulation",
    "label": "label column",
}


def form(elements: dict[str, Any], kind: str = "") -> Any:
    """A row per control; the page's script names each by its row, and marks it where its value is impossible.

    The caller keeps the elements: one that is gone is no longer heard.
    """
    rows = []
    for name, element in elements.items():
        symbol, words = (FIELDS[name].symbol, meaning(name)) if name in FIELDS else ("", WORDS.get(name, name))
        label = escape(f"{words} ({symbol}){kind}" if symbol else words + kind)
        text = "" if kind else f"<span><i>{symbol.replace('_⊥', '<sub>⊥</sub>')}</i> {words}</span>"
        rows.append(f'<div class="row" data-field="{name}" data-label="{label}">{text}{element}</div>')
    return mo.Html("".join(rows))


def _shown(state: State) -> list[str]:
    names = [*NUMBERS, "alpha", "alpha_low", "alpha_high", *(("classes", "rank") if state.tab == MANY else ())]
    return [] if state.tab == DATA else names


def fields(state: State, change: Change) -> dict[str, Any]:
    """A field per number, for any number to any digit. Not debounced: one that waits says its old value after a new one."""
    given: dict[str, Any] = {"debounce": False, "full_width": True}
    return {name: mo.ui.text(write(getattr(state, name)), on_change=change(name), **given) for name in _shown(state)}


def sliders(state: State, change: Change) -> dict[str, Any]:
    """A slider per number, over the range worth looking at; it stands at its step nearest to the state's value."""
    made = {}
    for name in _shown(state):
        p, value = FIELDS[name], getattr(state, name)
        low, high = (0.0, 4.0) if name in ("mu", "mu_orth") else p.span or (max(p.low, 1), 1e6)
        if p.is_log:
            low, high = (low, high) if p.is_size else (low / 100, 10 * high)
            steps = sorted({float(f"{round(x) if p.is_size else x:.3g}") for x in np.geomspace(low, high, 241)})
        else:
            count = high - low if name in WHOLE else 100 * min(high - low, 5)
            steps = np.linspace(low, high, int(count) + 1).round(2).tolist()
        nearest = min(steps, key=lambda x: abs(x - value) if isinstance(value, int | float) else x)
        made[name] = mo.ui.slider(steps=steps, value=nearest, on_change=change(name), full_width=True)
    return made


def options(state: State, change: Change) -> dict[str, Any]:
    """What to show."""
    numbers = {f"{FIELDS[name].symbol} {meaning(name)}": name for name in NUMBERS}
    choices = {"map_x": numbers, "map_y": numbers, "map_shows": {label: name for name, label in MAPS.items()}}
    made: dict[str, Any] = {}
    if state.tab != DATA:
        made["simulate"] = mo.ui.switch(state.simulate is True, on_change=change("simulate"))
    for name, values in choices.items() if state.tab == TWO else ():
        label = next((label for label, value in values.items() if value == getattr(state, name)), None)
        made[name] = mo.ui.dropdown(values, label, label is None, on_change=change(name), full_width=True)
    return made
