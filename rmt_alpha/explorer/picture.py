"""A Vega-Lite picture as a widget, and the same picture as a file: vl-convert brings Vega for both, with no network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets
import vl_convert

VEGA_LITE = "6.4"


@functools.cache
def script() -> str:
    """The widget's script with Vega in it: some seconds, once per process."""
    return vl_convert.javascript_bundle(Path(__file__).with_suffix(".js").read_text("utf-8"), vl_version=VEGA_LITE)


class Picture(anywidget.AnyWidget):
    """What `draw` was given, on the screen; `picked` is the pointer's answer."""

    shown = traitlets.Dict({}).tag(sync=True)
    picked = traitlets.Dict().tag(sync=True)

    def __init__(self) -> None:
        self._esm = script()
        super().__init__()

    def draw(self, spec: Any, tables: dict[str, pd.DataFrame], label: str, **more: Any) -> None:
        """A spec, the rows of its named tables, what a screen reader says, `signals` for its parameters, a file's `title`.

        Nothing is sent that is as it was. The one picture with `query` and `errors` also keeps the page's address and
        marks the fields that are wrong.
        """
        self.tables = tables
        texts = {name: table.to_json(orient="records", double_precision=15) for name, table in tables.items()}
        self.shown = {"spec": spec, "tables": texts, "label": label, "signals": {}, **more}

    def file(self, kind: str) -> bytes:
        """What is on the screen, as "svg", "pdf" or "png", or its rows as "csv"."""
        if kind == "csv":
            return pd.concat(self.tables, names=["table"]).droplevel(1).to_csv().encode()
        values = {"paper": "white", **self.shown["signals"]}  # a file knows none of the page's colours
        rows = {name: table.to_dict("records") for name, table in self.tables.items()}
        params = [{**p, "value": values.get(p["name"])} for p in self.shown["spec"]["params"]]
        more = {"width": 640, "background": "white", "datasets": rows, "params": params, "title": self.shown["title"]}
        spec = {**self.shown["spec"], **more}
        made: Any = getattr(vl_convert, f"vegalite_to_{kind}")(spec, vl_version=VEGA_LITE)
        return made.encode() if isinstance(made, str) else made
