"""The page's pictures as Vega-Lite, each a spec and the tables that fill it; and its table in HTML."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..problem.numbers import PARAMETERS, SYMBOLS, is_log_axis
from ..theory.predict import predict
from .results import CURVE, NEARLY_INFINITE, Curve, number, plane, rank_table
from .state import FIELDS, MANY, MAPS, State

Tables = dict[str, pd.DataFrame]
COLORS = ["#2b83c6", "#e0701a", "#0a9b76", "#c26aa0", "#8a8f98", "#b8860b"]  # for colour-blind readers, light and dark
BLUE, ORANGE = COLORS[:2]
GAIN = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
LEVELS = {
    "gain_over_1": GAIN,
    "gain_over_0": GAIN,
    "alpha": [-10, -5, -2, -1, 0, 0.5, 1, 1.5, 2, 5, 10],
    "accuracy": [50, 55, 60, 65, 70, 75, 80, 85, 90, 95],
}
LEGEND = {"orient": "bottom", "symbolOpacity": 1, "title": None, "columns": {"expr": "width < 310 ? 2 : 5"}}
SHAPES = ["diamond", "square", "circle", "cross"]
INK = "currentColor"  # the page's own, light or dark; black in a file
INKS = {f"{part}Color": INK for part in ("label", "title", "domain", "tick", "grid")}
CONFIG = {
    "background": None, "aria": False, "font": "system-ui, sans-serif", "view": {"stroke": None},
    "axis": {**INKS, "gridOpacity": 0.13, "labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"},
    "legend": {"labelColor": INK, "titleColor": INK, "labelLimit": 400, "labelFontSize": 12, "titleFontWeight": "normal"},
    "text": {"color": INK, "fontSize": 12.5}, "point": {"opacity": 1, "filled": True},
}  # fmt: skip


def _spec(height: int, *layers: Any, tables: tuple[str, ...], **params: Any) -> dict[str, Any]:
    return {
        "width": "container", "height": height, "config": CONFIG, "layer": list(layers), "datasets": {key: [] for key in tables},
        "autosize": {"type": "fit", "contains": "padding", "resize": True},
        "params": [{"name": name, "value": value} for name, value in params.items()],
    }  # fmt: skip


def _layer(table: str, mark: dict[str, Any], encoding: dict[str, Any], transform: Any = ()) -> dict[str, Any]:
    return {"data": {"name": table}, "mark": mark, "encoding": encoding, "transform": list(transform)}


def _q(field: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _n(field: str, values: list[str], **legend: Any) -> dict[str, Any]:
    """A name by colour or shape, in the table's own order."""
    return {"field": field, "type": "nominal", "sort": None, "scale": {"range": values}, "legend": {**LEGEND, **legend}}


def curve_spec(shown: Curve) -> dict[str, Any]:
    """Accuracy against α: lines, band, simulation, marks, the α to drag, and what the pointer is over."""
    low, high = float(shown.alpha[0]), float(shown.alpha[-1])
    x = _q("alpha", "α", scale={"domain": [low, high], "nice": False})
    scale, axis = {"zero": False, "nice": False, "padding": 14}, {"format": ".0%", "tickCount": 6}
    y = _q("accuracy", "accuracy", scale=scale, axis=axis)
    dash = {"field": "series", "sort": None, "legend": None}
    color, xy = _n("series", COLORS, symbolType="stroke", symbolStrokeWidth=3), {"x": x, "y": y}
    between = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    near = f"<= {(high - low) / (CURVE - 1) / 2 * 1.0001}"

    def pointer(at: str, ink: str, words: str, **place: Any) -> list[dict[str, Any]]:
        """A rule at the parameter `at`, a point on each line, and its values in words."""
        here = [{"filter": f"{at} != null && abs(datum.alpha - {at}) {near}"}]
        said = [*here, {"window": [{"op": "row_number", "as": "row"}]}, {"calculate": words, "as": "said"}]
        text = {"x": {"value": "width"}, "y": {"value": "height"}, "text": {"field": "said"}}
        halo = {"stroke": "var(--card, white)", "strokeWidth": 4, "strokeJoin": "round"}
        place |= {"type": "text", "align": "right", "dx": -8}
        return [
            _layer("curve", {"type": "rule", "color": ink, "cursor": "ew-resize"}, {"x": x}, here),
            _layer("curve", {"type": "point", "size": 70}, {**xy, "color": color}, here),
            *(_layer("curve", {**place, **outline}, text, said) for outline in (halo, {})),
        ]

    value = "format(datum.accuracy, '.2%')"
    return _spec(
        340,
        _layer("band", {"type": "area", "color": "#8a8f98", "opacity": 0.25}, between),
        _layer("curve", {"type": "line", "strokeWidth": 2.5}, {**xy, "color": color, "strokeDash": dash}),
        _layer("points", {"type": "rule", "color": INK}, between),
        _layer("points", {"type": "point", "color": INK, "size": 30}, xy),
        _layer("marks", {"type": "point", "color": INK, "size": 110}, {**xy, "shape": {**_n("said", SHAPES), "sort": {"field": "order"}}}),
        *pointer("alpha", ORANGE, f"datum.row > 1 ? '' : 'your α = ' + format(alpha, '.4~g') + ': ' + {value}", dy=-14),
        *pointer("hover", "#8a8f98", f"'α = ' + format(datum.alpha, '.3~f') + ', ' + datum.series + ': ' + {value}",
                 dy={"expr": "-14 - 17 * datum.row"}),
        tables=("curve", "band", "points", "marks"), alpha=0, hover=None,
    )  # fmt: skip


def curve_tables(shown: Curve, pinned: dict[str, Curve]) -> Tables:
    """The rows of the curve's picture; a mark outside the range stands at its edge, with an arrow."""
    lines = shown.lines | {
        name: np.interp(shown.alpha, other.alpha, next(iter(other.lines.values()))) for name, other in pinned.items()
    }
    curves = [pd.DataFrame({"alpha": shown.alpha, "accuracy": y, "series": name}) for name, y in lines.items()]
    low, high, main = shown.alpha[0], shown.alpha[-1], next(iter(shown.lines.values()))
    rows: list[tuple[Any, ...]] = []
    for mark in (m for m in shown.marks if m.key in ("best", "one", "zero", "worst")):
        said = mark.name if "=" in mark.name else f"{mark.name} = {number(mark.alpha)}"
        a = min(max(mark.alpha, low), high)
        at = mark.accuracy if a == mark.alpha else main[-1 if a == high else 0]
        rows.append((a, at, said if a == mark.alpha else f"{said} →" if a == high else f"← {said}", len(rows)))
    marks = pd.DataFrame(rows, columns=["alpha", "accuracy", "said", "order"])
    return {"curve": pd.concat(curves), "marks": marks, "points": shown.points, "band": shown.band}


def curve(shown: Curve, pinned: dict[str, Curve], state: State) -> dict[str, Any]:
    """All of the curve's picture, as `Picture.draw` takes it."""
    signals, tables = {"alpha": float(state.alpha)}, curve_tables(shown, pinned)
    return {"spec": curve_spec(shown), "signals": signals, "tables": tables, "label": shown.words[0]}


def scores(state: State, shown: Curve) -> dict[str, Any]:
    """The two classes' score densities at four α, each in its standard deviations, so that they compare; an infinite α has none."""
    marks = [m for m in map(shown.mark, ("best", "own", "one", "zero")) if abs(m.alpha) < NEARLY_INFINITE]
    laws = [predict(state.problem(), mark.alpha) for mark in marks]
    snr = [float(law.mean / math.sqrt(law.variance)) if law.variance > 0 else 0.0 for law in laws]
    reach = max(map(abs, snr)) + 3.2
    x, parts = np.linspace(-reach, reach, 81), []
    for base, (mark, ratio) in enumerate(zip(marks[::-1], snr[::-1], strict=True)):
        said = mark.name if "=" in mark.name else f"{mark.name} = {number(mark.alpha)}"
        for sign, name in ((-1, "y = −1"), (1, "y = +1")):
            density = base + 0.85 * np.exp(-((x - sign * ratio) ** 2) / 2)
            part = {"x": x, "y": density, "base": base, "wrong": sign * x <= 1e-9, "class": name}
            parts.append(pd.DataFrame(part | {"said": f"{said}: {100 * mark.accuracy:.1f} %"}))
    y = {**_q("y"), "axis": None}
    line = {"x": _q("x", "score, in its standard deviations"), "y": y, "detail": {"field": "said"}}
    line["color"] = _n("class", [ORANGE, BLUE], title="shaded: wrong")
    words = {"x": {"value": 0}, "y": {**y, "field": "base"}, "text": {"field": "said"}}
    spec = _spec(
        300,
        _layer("scores", {"type": "area", "opacity": 0.3}, {**line, "y2": {"field": "base"}}, [{"filter": "datum.wrong"}]),
        _layer("scores", {"type": "line", "strokeWidth": 1.8}, line),
        _layer("scores", {"type": "text", "align": "left", "dy": -36}, words, [{"aggregate": [], "groupby": ["said", "base"]}]),
        tables=("scores",),
    )  # fmt: skip
    return {"spec": spec, "tables": {"scores": pd.concat(parts)}, "label": "Densities of the two classes' scores"}


def ranks(state: State, shown: Curve) -> dict[str, Any]:
    """Accuracy against the rank of the correction; a click takes the rank."""
    x = {"field": "rank", "type": "ordinal", "title": "rank of the correction (0: none)", "axis": {"labelAngle": 0}}
    y = _q("accuracy", "accuracy", scale={"zero": False}, axis={"format": ".1%", "tickCount": 5})
    tip = [{"field": "series", "title": "at"}, {"field": "rank"}, _q("accuracy", "accuracy", format=".2%")]
    encoding = {"x": x, "y": y, "color": _n("series", COLORS, symbolType="circle"), "tooltip": tip}
    mark = {"type": "line", "point": {"size": 90, "cursor": "pointer"}}
    spec = _spec(300, _layer("ranks", mark, encoding), tables=("ranks",))
    return {
        "spec": spec,
        "tables": {"ranks": rank_table(state, shown)},
        "label": "Accuracy against the correction's rank",
    }


def phase_map(state: State) -> dict[str, Any]:
    """A map over two parameters, with the problem on it; a click moves the problem."""
    names, what = (state.map_x, state.map_y), MAPS[state.map_shows]
    scheme = "purpleorange" if state.map_shows == "alpha" else "cividis"
    scale = {"type": "threshold", "domain": LEVELS[state.map_shows], "scheme": scheme}
    color = _q("z", what, scale=scale, legend={**LEGEND, "title": what, "type": "symbol", "symbolType": "square"})
    axes: list[Any] = []
    corners: dict[str, Any] = {}
    rows: dict[str, Any] = {}
    here: dict[str, Any] = {}
    x, y, z = plane(state)
    for name, values, place in zip(names, (x, y), np.meshgrid(np.arange(len(x)), np.arange(len(y))), strict=True):
        scale = {"nice": False, **({"type": "log"} if is_log_axis(name) else {"type": "linear", "zero": False})}
        axis = {"grid": False, "tickCount": 5, "format": "~s" if PARAMETERS[name].is_size else "~g"}
        axes.append(_q(name, f"{SYMBOLS[name]} ({meaning(name)})", scale=scale, axis=axis))
        between = np.sqrt(values[1:] * values[:-1]) if is_log_axis(name) else (values[1:] + values[:-1]) / 2
        key = "xy"[len(axes) - 1]  # a cell ends half-way to its neighbour
        rows |= {
            f"{key}0": np.r_[values[0], between][place],
            f"{key}1": np.r_[between, values[-1]][place],
            name: values[place],
        }
        corners |= {key: {**axes[-1], "field": f"{key}0"}, f"{key}2": {"field": f"{key}1"}}
        here[name] = [float(np.clip(getattr(state, name), values[0], values[-1]))]
    tip = [*(_q(name, SYMBOLS[name], format=".4~g") for name in names), _q("z", what, format=".3~f")]
    ring, at = {"type": "point", "size": 160, "filled": False, "tooltip": None}, {"x": axes[0], "y": axes[1]}
    cell = {**corners, "tooltip": tip, "color": color, "stroke": color}
    spec = _spec(
        300,
        _layer("map", {"type": "rect", "cursor": "pointer", "strokeWidth": 0.6}, cell),
        *(_layer("here", {**ring, "stroke": ink, "strokeWidth": wide}, at) for ink, wide in (("white", 5), ("#c62828", 2.5))),
        tables=("map", "here"),
    )  # fmt: skip
    cells = pd.DataFrame({name: np.ravel(column) for name, column in (rows | {"z": z}).items()})
    return {"spec": spec, "tables": {"map": cells, "here": pd.DataFrame(here)}, "label": f"Map: {what}"}


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


def meaning(name: str) -> str:
    """A parameter in few words."""
    return FIELDS[name].meaning.split(",")[0].split(";")[0]


def pin_name(state: State, count: int) -> str:
    """A pinned curve's name: its number, and what is not as in the example."""
    many = ("classes",) if state.tab == MANY else ()  # its curves have another chance level
    names = [n for n in (*SYMBOLS, "classes", "rank") if n in many or getattr(state, n) != getattr(State(), n)]
    other = ", ".join(f"{FIELDS[name].symbol} = {number(getattr(state, name))}" for name in names)
    return f"pin {count + 1}: {other or 'the example'}"
