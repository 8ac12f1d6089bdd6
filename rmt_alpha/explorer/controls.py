"""marimo's own controls, one per part of the state: each shows the state and says what it was changed to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import marimo as mo
import numpy as np

from .picture import Picture
from .state import DATA, FIELDS, MANY, MAPS, NUMBERS, TWO, WHOLE, State, meaning, write

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
        text = "" if kind else f"<span><i>{symbol.replace('_⊥', '<sub>⊥</sub>')}</i> {words}</span>"
        label = escape(f"{words} ({symbol}){kind}" if symbol else words)
        rows.append(f'<div class="row" data-field="{name}" data-label="{label}">{text}{element}</div>')
    return mo.Html("".join(rows))


def said(texts: Iterable[str], role: str) -> str:
    """A paragraph each, as an "alert" or as "status"."""
    return "".join(f'<p role="{role}">{escape(text)}</p>' for text in texts)


def files(picture: Picture, name: str) -> list[Any]:
    """A button per kind of file, which is made from what is on the screen when it is pressed."""
    kinds = ("pdf", "png", "svg", "csv")
    return [mo.download(lambda k=k: picture.file(k), f"{name}.{k}", label=f"{name} ({k.upper()})") for k in kinds]


def _names(state: State) -> list[str]:
    return [] if state.tab == DATA else [name for name in FIELDS if name not in WHOLE or state.tab == MANY]


def fields(state: State, change: Change) -> dict[str, Any]:
    """A field per number, for any number to any digit, and what to show.

    Fields are not debounced: one that waits says its old value after a new one.
    """
    full: Any = {"full_width": True}
    made: dict[str, Any] = {
        name: mo.ui.text(write(getattr(state, name)), debounce=False, on_change=change(name), **full) for name in _names(state)
    }  # fmt: skip
    if made:
        made["simulate"] = mo.ui.switch(state.simulate is True, on_change=change("simulate"))
    numbers = {f"{FIELDS[name].symbol} {meaning(name)}": name for name in NUMBERS}
    choices = {"map_x": numbers, "map_y": numbers, "map_shows": {label: name for name, label in MAPS.items()}}
    for name, values in choices.items() if state.tab == TWO else ():
        label = next((label for label, value in values.items() if value == getattr(state, name)), None)
        made[name] = mo.ui.dropdown(values, label, label is None, on_change=change(name), **full)
    return made


def sliders(state: State, change: Change) -> dict[str, Any]:
    """A slider per number, over the range worth looking at; it stands at its step nearest to the state's value."""
    made = {}
    for name in _names(state):
        p, value = FIELDS[name], getattr(state, name)
        low, high = p.span or (max(p.low, 1), 1e6)
        if p.is_log:
            steps = sorted({float(f"{round(x) if p.is_size else x:.3g}") for x in np.geomspace(low, high, 241)})
        else:
            step = 1 if name in WHOLE else 0.1 if high - low > 5 else 0.01
            steps = np.arange(low, high + step / 2, step).round(2).tolist()
        nearest = min(steps, key=lambda x: abs(x - value) if isinstance(value, int | float) else x)
        made[name] = mo.ui.slider(steps=steps, value=nearest, on_change=change(name), full_width=True)
    return made
