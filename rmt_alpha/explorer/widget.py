"""The page's controls: labelled sliders with number fields, choices, presets and the link, as one anywidget.

marimo's own sliders cannot share a value with a number field without being built anew, which takes the focus away from the keyboard.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..commands.options import SYMBOLS
from ..problem import NUMBERS
from .pictures import LEVELS
from .state import PRESETS, State

# name: label, lowest and highest of the slider (fields take any number), its kind
SLIDERS: dict[str, tuple[str, float, float, str]] = {
    "n_source": ("source examples", 10, 1e6, "size"),
    "n_target": ("target examples", 1, 1e6, "size"),
    "dim": ("features", 2, 1e6, "size"),
    "mu": ("norm of source mean", 0, 4, "linear"),
    "mu_orth": ("norm of new part", 0, 4, "linear"),
    "beta": ("alignment of tasks", -1, 1, "linear"),
    "gamma_source": ("source penalty", 1e-4, 1e3, "log"),
    "gamma_target": ("target penalty", 1e-4, 1e3, "log"),
    "alpha": ("your scale", -10, 20, "linear"),
    "alpha_low": ("curve from", -50, 0, "linear"),
    "alpha_high": ("curve to", 1, 50, "linear"),
}
GROUPS = {"Problem": NUMBERS, "Scale of the frozen classifier": ("alpha", "alpha_low", "alpha_high")}


def _choices() -> dict[str, Any]:
    parameters = [[name, f"{_symbol(name)}  {SLIDERS[name][0]}"] for name in NUMBERS]
    return {
        "map_x": ["Map across", parameters],
        "map_y": ["Map up", parameters],
        "map_shows": ["Map shows", [[name, label] for name, (label, _) in LEVELS.items()]],
    }


def _symbol(name: str) -> str:
    return SYMBOLS.get(name, "α").replace("_", "")


class Controls(anywidget.AnyWidget):
    """The controls; `state` is the `State` as a dictionary, `narrow` whether the window is."""

    _esm = Path(__file__).with_name("controls.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("controls.css").read_text(encoding="utf-8")
    state = traitlets.Dict().tag(sync=True)
    narrow = traitlets.Bool(False).tag(sync=True)
    layout_of = traitlets.Dict().tag(sync=True)

    def __init__(self, start: State):
        groups = [[title, [[name, _symbol(name), *SLIDERS[name]] for name in names]] for title, names in GROUPS.items()]
        presets = [
            [figure, [[setting, dataclasses.asdict(state)] for setting, state in settings.items()]]
            for figure, settings in PRESETS.items()
        ]
        layout = {"groups": groups, "choices": _choices(), "presets": presets, "start": dataclasses.asdict(State())}
        super().__init__(state=dataclasses.asdict(start), layout_of=layout)
