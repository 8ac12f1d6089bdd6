"""The page's pictures in Vega-Lite, each a spec and the tables that fill it, as `Picture.draw` takes them; and its table in HTML."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..problem.numbers import PARAMETERS, SYMBOLS, is_log_axis
from .results import CURVE, Curve, number, plane, rank_table
from .state import FIELDS, MANY, MAPS, State, meaning

COLORS = ["#2b83c6", "#e0701a", "#0a9b76", "#c26aa0", "#8a8f98", "#b8860b"]  # for colour-blind readers, light and dark
ORANGE, GREY = COLORS[1], COLORS[4]
GAIN = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
LEVELS = {
    "gain_over_1": GAIN,
    "gain_over_0": GAIN,
    "alpha": [-10, -5, -2, -1, 0, 0.5, 1, 1.5, 2, 5, 10],
    "accuracy": [50, 55, 60, 65, 70, 75, 80, 85, 90, 95],
}
INK = "currentColor"  # the page's own, light or dark; black in a file
INKS = {f"{part}Color": INK for part in ("label", "title", "domain", "tick", "grid")}
PLAIN = {"labelFontSize": 12, "titleFontWeight": "normal"}
CONFIG = {
    "background": None, "aria": False, "font": "system-ui, sans-serif", "view": {"stroke": None},
    "axis": {**INKS, **PLAIN, "gridOpacity": 0.13, "titleFontSize": 13},
    "legend": {**INKS, **PLAIN, "labelLimit": 400, "orient": "bottom", "symbolOpacity": 1, "columns": {"expr": "width < 310 ? 2 : 5"}},
    "text": {"color": INK, "fontSize": 12.5}, "point": {"opacity": 1, "filled": True, "color": INK}, "rule": {"color": INK},
}  # fmt: skip
FRAME = {"width": "container", "autosize": {"type": "fit", "contains": "padding", "resize": True}, "config": CONFIG}
NOTHING: dict[str, Any] = {"spec": {}, "tables": {}, "label": "nothing yet"}


def _spec(height: int, layers: list[Any], **params: Any) -> dict[str, Any]:
    named = [{"name": name, "value": value} for name, value in params.items()]
    return {**FRAME, "height": height, "layer": layers, "params": named}


def _layer(table: str, mark: str, encoding: dict[str, Any], *transform: Any, **look: Any) -> dict[str, Any]:
    return {"data": {"name": table}, "mark": {"type": mark, **look}, "encoding": encoding, "transform": list(transform)}


def _q(field: str, title: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _n(field: str, values: list[str], **legend: Any) -> dict[str, Any]:
    """A name by colour or shape, in the table's own order."""
    named = {"field": field, "type": "nominal", "title": None, "sort": None}
    return {**named, "scale": {"range": values}, "legend": legend}


def curve_spec(shown: Curve) -> dict[str, Any]:
    """Accuracy against α: lines, band, simulation, marks, the α to drag, and what the pointer is over."""
    low, high = float(shown.alpha[0]), float(shown.alpha[-1])
    x = _q("alpha", "α", scale={"domain": [low, high], "nice": False})
    scale, axis = {"zero": False, "nice": False, "padding": 14}, {"format": ".0%", "tickCount": 6}
    xy = {"x": x, "y": _q("accuracy", "accuracy", scale=scale, axis=axis)}
    color = {"color": _n("series", COLORS, symbolType="stroke", symbolStrokeWidth=3)}
    between = {"x": x, "y": {**xy["y"], "field": "low"}, "y2": {"field": "high"}}
    shape = {**_n("said", ["diamond", "square", "circle", "cross"]), "sort": {"field": "order"}}

    simulation = {"datum": "simulation", "type": "nominal", "title": None, "scale": {"range": [INK]}}

    def pointer(at: str, ink: str, words: str, dy: Any) -> list[dict[str, Any]]:
        """A rule at the parameter `at`, a point on each line, and its values in words."""
        here = {"filter": f"{at} != null && abs(datum.alpha - {at}) <= {(high - low) / (CURVE - 1) / 2 * 1.0001}"}
        said = {"window": [{"op": "row_number", "as": "row"}]}, {"calculate": words, "as": "said"}
        text = {"x": {"value": "width"}, "y": {"value": "height"}, "text": {"field": "said"}}
        halo = {"stroke": "var(--card, white)", "strokeWidth": 4, "strokeJoin": "round"}
        return [
            _layer("curve", "rule", {"x": x}, here, color=ink, cursor="ew-resize"),
            _layer("curve", "point", {**xy, **color}, here, size=70),
            *(_layer("curve", "text", text, here, *said, align="right", dx=-8, dy=dy, **way) for way in (halo, {})),
        ]

    value = "format(datum.accuracy, '.2%')"
    layers = [
        _layer("band", "area", between, color=GREY, opacity=0.25),
        _layer("curve", "line", {**xy, **color, "strokeDash": {"field": "series", "sort": None, "legend": None}}, strokeWidth=2.5),
        _layer("points", "rule", between),
        _layer("points", "point", {**xy, **({} if shown.points.empty else {"fill": simulation})}, size=30),
        _layer("marks", "point", {**xy, "shape": shape}, size=110),
        *pointer("alpha", ORANGE, f"datum.row > 1 ? '' : 'your α = ' + format(alpha, '.4~g') + ': ' + {value}", -14),
        *pointer("hover", GREY, f"'α = ' + format(datum.alpha, '.3~f') + ', ' + datum.series + ': ' + {value}",
                 {"expr": "-14 - 17 * datum.row"}),
    ]  # fmt: skip
    return _spec(340, layers, alpha=0, hover=None)


def curve_tables(shown: Curve, pinned: dict[str, Curve]) -> dict[str, pd.DataFrame]:
    """The rows of the curve's picture; a mark outside the range stands at its edge, with an arrow."""
    main, *_ = shown.lines.values()
    pins = {name: np.interp(shown.alpha, other.alpha, other.lines["theory"]) for name, other in pinned.items()}
    lines = pd.DataFrame({"alpha": shown.alpha} | shown.lines | pins).melt("alpha", None, "series", "accuracy")
    low, high = shown.alpha[[0, -1]]
    rows = []
    for mark in (m for m in shown.marks if m.key != "own"):
        at, left, right = mark.alpha, "← " * int(mark.alpha < low), " →" * int(mark.alpha > high)
        accuracy = main[0] if left else main[-1] if right else mark.accuracy
        rows.append((np.clip(at, low, high), accuracy, f"{left}{mark.said}{right}"))
    marks = pd.DataFrame(rows, columns=["alpha", "accuracy", "said"]).rename_axis("order").reset_index()
    return {"curve": lines, "marks": marks, "points": shown.points, "band": shown.band}


def curve(shown: Curve, pinned: dict[str, Curve], state: State) -> dict[str, Any]:
    """All of the curve's picture."""
    signals, tables = {"alpha": float(state.alpha)}, curve_tables(shown, pinned)
    return {"spec": curve_spec(shown), "signals": signals, "tables": tables, "label": shown.words[0]}


def ranks(state: State, shown: Curve) -> dict[str, Any]:
    """Accuracy against the rank of the correction; a click takes the rank."""
    x = {"field": "rank", "type": "ordinal", "title": "rank of the correction (0: none)", "axis": {"labelAngle": 0}}
    y = _q("accuracy", "accuracy", scale={"zero": False}, axis={"format": ".1%", "tickCount": 5})
    tip = [{"field": "series", "title": "at"}, {"field": "rank"}, _q("accuracy", "accuracy", format=".2%")]
    encoding = {"x": x, "y": y, "color": _n("series", COLORS, symbolType="circle"), "tooltip": tip}
    spec = _spec(300, [_layer("ranks", "line", encoding, point={"size": 90, "cursor": "pointer"})])
    return {"spec": spec, "tables": {"ranks": rank_table(state, shown)}, "label": "Accuracy against the rank"}


def phase_map(state: State) -> dict[str, Any]:
    """A map over two parameters, with the problem on it; a click moves the problem."""
    what, (x, y, z) = MAPS[state.map_shows], plane(state)
    rows: dict[str, Any] = {"z": z}
    here: dict[str, list[float]] = {}
    at: dict[str, Any] = {}
    cell: dict[str, Any] = {}
    across, up = np.indices(z.shape)[::-1]
    for key, name, values, place in (("x", state.map_x, x, across), ("y", state.map_y, y, up)):
        log = is_log_axis(name)
        between = np.sqrt(values[1:] * values[:-1]) if log else (values[1:] + values[:-1]) / 2
        edges = np.r_[values[0], between, values[-1]]  # a cell ends half-way to its neighbour
        rows |= {name: values[place], f"{key}0": edges[place], f"{key}1": edges[place + 1]}
        here[name] = [float(np.clip(getattr(state, name), values[0], values[-1]))]
        scale = {"nice": False, **({"type": "log"} if log else {"zero": False})}
        axis = {"grid": False, "tickCount": 5, "format": "~s" if PARAMETERS[name].is_size else "~g"}
        at[key] = _q(name, f"{SYMBOLS[name]} ({meaning(name)})", scale=scale, axis=axis)
        cell |= {key: {**at[key], "field": f"{key}0"}, f"{key}2": {"field": f"{key}1"}}
    scheme = "purpleorange" if state.map_shows == "alpha" else "cividis"
    scale = {"type": "threshold", "domain": LEVELS[state.map_shows], "scheme": scheme}
    cell["color"] = _q("z", what, scale=scale, legend={"type": "symbol", "symbolType": "square"})
    cell["stroke"] = cell["color"]
    cell["tooltip"] = [*(_q(name, SYMBOLS[name], format=".4~g") for name in here), _q("z", what, format=".3~f")]
    rings = [("white", 5), ("#c62828", 2.5)]
    layers = [
        _layer("map", "rect", cell, cursor="pointer", strokeWidth=0.6),
        *(_layer("here", "point", at, size=160, filled=False, color=ink, strokeWidth=wide) for ink, wide in rings),
    ]
    cells = pd.DataFrame({name: np.ravel(column) for name, column in rows.items()})
    return {"spec": _spec(300, layers), "tables": {"map": cells, "here": pd.DataFrame(here)}, "label": f"Map: {what}"}


def table(shown: Curve, pinned: dict[str, Curve]) -> str:
    """The distinguished α and the accuracy there, then the best of each pinned curve, in HTML."""
    rows = [(m.key, m.name, m.remark, m) for m in shown.marks]
    rows += [(f"pin-{i}", "α*", name, other.mark("best")) for i, (name, other) in enumerate(pinned.items())]
    lines = [
        f'<tr id="row-{key}" data-alpha="{m.alpha!r}"><th scope="row">{escape(name)} <small>{escape(remark)}</small></th>'
        f"<td>{number(m.alpha, 5)}</td><td>{100 * m.accuracy:.2f} %</td></tr>"
        for key, name, remark, m in rows
    ]
    header = "".join(f'<th scope="col">{h}</th>' for h in ("at", "α", "accuracy"))
    return f"<table><thead><tr>{header}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def pin_name(state: State, count: int) -> str:
    """A pinned curve's name: its number, and what is not as in the example."""
    many = ("classes",) if state.tab == MANY else ()  # its curves have another chance level
    names = [n for n in (*SYMBOLS, "classes", "rank") if n in many or getattr(state, n) != getattr(State(), n)]
    other = ", ".join(f"{FIELDS[name].symbol} = {number(getattr(state, name))}" for name in names)
    return f"pin {count + 1}: {other or 'the example'}"
