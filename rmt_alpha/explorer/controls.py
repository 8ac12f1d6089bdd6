"""marimo's own controls, one per part of the state: each says what it was changed to, and is told what the others were."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import marimo as mo
import numpy as np

from .picture import Picture
from .state import CHOICES, DATA, FIELDS, MANY, TWO, WHOLE, State, meaning, read, write

Change = Callable[[str], Callable[[Any], None]]  # of a name, what takes its new value


def form(elements: dict[str, Any], kind: str = "") -> Any:
    """A row per control; the page's script names each by its row, and marks it where its value is impossible.

    The caller keeps the elements: one that is gone is no longer heard.
    """
    rows = []
    for name, element in elements.items():
        symbol = FIELDS[name].symbol if name in FIELDS else ""
        text = "" if kind else f"<span><i>{symbol.replace('_⊥', '<sub>⊥</sub>')}</i> {meaning(name)}</span>"
        label = escape(f"{meaning(name)} {symbol}{kind}")
        look = "row" if name in FIELDS else "row wide"
        rows.append(f'<div class="{look}" data-field="{name}" data-label="{label}">{text}{element}</div>')
    return mo.Html("".join(rows))


def said(texts: Iterable[str], role: str) -> str:
    """A paragraph each, as an "alert" or as "status"."""
    return "".join(f'<p role="{role}">{escape(text)}</p>' for text in texts)


def card(picture: Picture, name: str, buttons: Iterable[Any] = (), ready: bool = True) -> Any:
    """A picture; a button per kind of file, made of what is on the screen when it is pressed, if there is something."""
    files = [
        mo.download(lambda k=kind: picture.file(k), f"{name}.{kind}", label=f"{name} ({kind.upper()})")
        for kind in ("pdf", "png", "svg", "csv") * ready
    ]
    return mo.vstack([mo.ui.anywidget(picture), mo.hstack([*buttons, *files], justify="start", wrap=True)])


def _names(state: State) -> list[str]:
    return [] if state.tab == DATA else [name for name in FIELDS if name not in WHOLE or state.tab == MANY]


def fields(state: State, change: Change) -> dict[str, Any]:
    """A field per number, for any number to any digit, and what to show.

    Fields are not debounced: one that waits says its old value after a new one.
    """
    made: dict[str, Any] = {}
    for name in _names(state):
        text = write(getattr(state, name))
        made[name] = mo.ui.text(text, debounce=False, on_change=change(name), full_width=True)
    if made:
        made["simulate"] = mo.ui.switch(state.simulate is True, on_change=change("simulate"))
    for name in ("map_x", "map_y", "map_shows") if state.tab == TWO else ():
        options = {label: value for value, label in CHOICES[name].items()}
        label = CHOICES[name].get(getattr(state, name))
        made[name] = mo.ui.dropdown(options, label, on_change=change(name), full_width=True)
    return made


def sliders(state: State, change: Change) -> dict[str, Any]:
    """A slider per number, over the range worth looking at; it stands at its step nearest to the state's value."""
    made = {}
    for name in _names(state):
        p = FIELDS[name]
        low, high = p.span or (max(p.low, 1), 1e6)
        step = 1 if name in WHOLE else 0.1 if high - low > 5 else 0.01
        values = np.geomspace(low, high, 241) if p.is_log else np.arange(low, high + step / 2, step)
        steps = sorted({float(f"{x:.3g}") for x in np.round(values, 0 if p.is_size else 5) + 0.0})
        here = steps[_nearest(steps, getattr(state, name))]
        made[name] = mo.ui.slider(steps=steps, value=here, on_change=change(name), full_width=True)
    return made


def _nearest(steps: list[float], value: Any) -> int:
    return int(np.argmin(np.abs(np.subtract(steps, value)))) if isinstance(value, int | float) else 0


def follow(state: State, fields: dict[str, Any], sliders: dict[str, Any]) -> None:
    """Tell every control that says otherwise what the state is.

    Where they are drawn anew instead, marimo's page may keep the last but one of two values that come close together.
    """
    for name, slider in sliders.items():
        value = getattr(state, name)
        if read(fields[name]._value_frontend) != value:  # 0.80 may stay what was typed
            _tell(fields[name], write(value))
        _tell(slider, _nearest(slider.steps, value))


def _tell(element: Any, shown: Any) -> None:
    """As marimo itself sets a control's value (its set_ui_value); there is no public verb for it."""
    if element._value_frontend != shown:
        element._value_frontend = shown
        element._send_message({"type": "marimo-ui-value-update", "value": shown}, None)
