"""A Vega-Lite picture as a widget, and the same picture as a file: vl-convert brings Vega for both, so that no other machine is asked."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import anywidget
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
    tables = traitlets.Dict().tag(sync=True)
    signals = traitlets.Dict().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    picked = traitlets.Dict().tag(sync=True)
    errors = traitlets.Dict().tag(sync=True)
    query = traitlets.Unicode(None, allow_none=True).tag(sync=True)

    def __init__(self, **traits: Any):
        self._esm = script()
        super().__init__(**traits)

    def file(self, kind: str) -> bytes:
        """What is on the screen, as "svg", "pdf" or "png"."""
        spec = {
            **self.spec,
            "width": 640,
            "background": "white",
            "datasets": {k: _rows(v) for k, v in self.tables.items()},
        }
        spec["params"] = [{**p, "value": self.signals.get(p["name"], p["value"])} for p in spec.get("params", [])]
        write = getattr(vl_convert, f"vegalite_to_{kind}")
        made: Any = write(spec, vl_version=VEGA_LITE, **({"scale": 2} if kind == "png" else {}))
        return made.encode() if isinstance(made, str) else made


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
