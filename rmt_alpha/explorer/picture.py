"""A Vega-Lite picture as a widget, and the same picture as a file: vl-convert brings Vega for both; no other machine is asked."""

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
    """`spec` with named, empty tables; `tables` fills them, `signals` sets its parameters, `picked` is the pointer's answer.

    The one picture whose `query` is not None also keeps the page's address and marks fields with `errors`.
    """

    spec = traitlets.Dict().tag(sync=True)
    tables = traitlets.Dict().tag(sync=True, to_json=lambda of, _: {k: v.to_dict("list") for k, v in of.items()})
    signals = traitlets.Dict().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    picked = traitlets.Dict().tag(sync=True)
    errors = traitlets.Dict().tag(sync=True)
    query = traitlets.Unicode(None, allow_none=True).tag(sync=True)

    def __init__(self, **traits: Any):
        self._esm = script()
        super().__init__(**traits)

    def draw(self, **traits: Any) -> None:
        """All of it at once: one message, without tables that are as they were (a map while only α moves)."""
        with self.hold_sync():
            for name, value in traits.items():
                if name != "tables" or not _equal(value, self.tables):
                    setattr(self, name, value)

    def file(self, kind: str) -> bytes:
        """What is on the screen, as "svg", "pdf", "png", or its rows as "csv"."""
        if kind == "csv":
            return pd.concat(self.tables, names=["table"]).droplevel(1).to_csv().encode()
        rows = {name: table.to_dict("records") for name, table in self.tables.items()}
        params = [{**p, "value": self.signals.get(p["name"], p["value"])} for p in self.spec["params"]]
        spec = {**self.spec, "width": 640, "background": "white", "datasets": rows, "params": params}
        more = {"scale": 2} if kind == "png" else {}
        made: Any = getattr(vl_convert, f"vegalite_to_{kind}")(spec, vl_version=VEGA_LITE, **more)
        return made.encode() if isinstance(made, str) else made


def _equal(tables: dict[str, pd.DataFrame], others: dict[str, pd.DataFrame]) -> bool:
    return tables.keys() == others.keys() and all(table.equals(others[name]) for name, table in tables.items())
