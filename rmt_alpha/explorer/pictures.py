"""The page's pictures in Vega-Lite, each a spec and the tables that fill it, for `Picture.draw`; a table in HTML."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..problem.numbers import ALPHAS, GAINS, PARAMETERS, SYMBOLS, headline, is_log_axis, written
from .results import CURVE, Shown, plane, rank_table
from .state import DATA, FIELDS, MANY, MAPS, WHOLE, State, meaning

COLORS = ["#2b83c6", "#0a9b76", "#c26aa0", "#b8860b", "#8a8f98"]  # for colour-blind readers, light and dark
ORANGE, GREY = "#e0701a", COLORS[-1]  # your α, which no line has; a band, and where the pointer is
LEVELS = {"alpha": ALPHAS, "accuracy": range(50, 100, 5)}  # of a map; else those of a gain, which is never negative
INK = "currentColor"  # the page's own, light or dark; black in a file
NAMES = {"fill": INK, "fontSize": 12, "fontWeight": "normal"}
CONFIG = {
    "background": None, "aria": False, "font": "system-ui, sans-serif", "view": {"stroke": None},
    "style": {"guide-label": NAMES, "guide-title": {**NAMES, "fontSize": 13}},
    "axis": {"domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.13},
    "legend": {"orient": "bottom", "labelLimit": 400, "titleLimit": 400, "symbolOpacity": 1,
               "columns": {"expr": "width < 310 ? 2 : 5"}},
    "text": {"color": INK, "fontSize": 12.5}, "point": {"opacity": 1, "filled": True, "color": INK},
    "rule": {"color": INK},
}  # fmt: skip
FRAME = {"width": "container", "autosize": {"type": "fit", "contains": "padding", "resize": True}, "config": CONFIG}


def _spec(height: int, layers: list[Any], **params: Any) -> dict[str, Any]:
    named = [{"name": name, "value": value} for name, value in params.items()]
    return {**FRAME, "height": height, "layer": layers, "params": named}


def _layer(table: str, mark: str, encoding: dict[str, Any], *transform: Any, **look: Any) -> dict[str, Any]:
    return {"data": {"name": table}, "mark": {"type": mark, **look}, "encoding": encoding, "transform": list(transform)}


def _q(field: str, title: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _n(field: str, values: list[str], sort: Any = None, **legend: Any) -> dict[str, Any]:
    """A name by colour or shape; where the names change, `sort` has their order, for a picture that stays remembers."""
    named = {"field": field, "type": "nominal", "title": None, "sort": sort}
    return {**named, "scale": {"range": values}, "legend": legend}


def _title(state: State, *leave_out: str) -> str:
    """What a file says of the problem; on the screen the fields say it."""
    classes = [f"{FIELDS[name].symbol} = {getattr(state, name):g}" for name in WHOLE if state.tab == MANY]
    return "" if state.tab == DATA else ", ".join([headline(state.problem(), leave_out), *classes])


def curve_spec(shown: Shown) -> dict[str, Any]:
    """Accuracy against α: lines, band, simulation, marks, the α to drag, and what the pointer is over."""
    low, high = shown.lines["alpha"].iloc[[0, -1]]
    x = _q("alpha", "α", scale={"domain": [low, high], "nice": False})
    scale, axis = {"zero": False, "nice": False, "padding": 14}, {"format": ".0%", "tickCount": 6}
    xy = {"x": x, "y": _q("accuracy", "accuracy", scale=scale, axis=axis)}
    colors = COLORS if shown.band.empty else [INK, COLORS[0]]  # theory is blue, what is measured is not
    color = {"color": _n("series", colors, symbolType="stroke", symbolStrokeWidth=3)}
    dash = {"strokeDash": {"field": "series", "sort": None, "legend": None}}
    between = {"x": x, "y": {**xy["y"], "field": "low"}, "y2": {"field": "high"}}
    shape = {"shape": _n("said", ["diamond", "square", "triangle-up", "cross"], {"field": "order"})}
    fill = {} if shown.points.empty else {"fill": _n("series", [INK])}
    wide = {} if shown.band.empty else {"fill": _n("series", [GREY], symbolType="square", symbolOpacity=0.25)}

    def pointer(table: str, dy: Any, *here: Any) -> list[dict[str, Any]]:
        """A point on each line, and its values in words, for the rows of `table` that are `here`."""
        text = {"x": {"value": "width"}, "y": {"value": "height"}, "text": {"field": "said"}}
        halo = {"stroke": {"expr": "paper"}, "strokeWidth": 4, "strokeJoin": "round"}
        return [
            _layer(table, "point", {**xy, **color}, *here, size=70),
            *(_layer(table, "text", text, *here, align="right", dx=-8, dy=dy, **way) for way in (halo, {})),
        ]

    near = {"filter": f"hover != null && abs(datum.alpha - hover) <= {(high - low) / (CURVE - 1) / 2 * 1.0001}"}
    words = "'α = ' + format(datum.alpha, '.3~f') + ', ' + datum.series + ': ' + format(datum.accuracy, '.2%')"
    said = {"window": [{"op": "row_number", "as": "row"}]}, {"calculate": words, "as": "said"}
    layers = [
        _layer("band", "area", {**between, **wide}, opacity=0.25),
        _layer("curve", "line", {**xy, **color, **dash}, strokeWidth=2.5),
        _layer("points", "rule", between),
        _layer("points", "point", {**xy, **fill}, size=30),
        _layer("marks", "point", {**xy, **shape}, size=110),
        _layer("own", "rule", {"x": x}, {"calculate": "alpha", "as": "alpha"}, color=ORANGE, cursor="ew-resize"),
        *pointer("own", -14),
        _layer("curve", "rule", {"x": x}, near, color=GREY, cursor="ew-resize"),
        *pointer("curve", {"expr": "-14 - 17 * datum.row"}, near, *said),
    ]
    return _spec(340, layers, alpha=0, hover=None, paper="var(--card)")


def curve_tables(shown: Shown, pinned: dict[str, Shown], alpha: float) -> dict[str, pd.DataFrame]:
    """The rows of the curve's picture, your α among them; a mark outside the range stands at its edge, with an arrow."""
    main, marks = shown.lines.iloc[:CURVE], shown.marks.drop("own", errors="ignore")
    at, ends = marks["alpha"], main["alpha"].iloc[[0, -1]]
    said = np.where(at < ends.iloc[0], "← ", "") + marks["said"] + np.where(at > ends.iloc[1], " →", "")
    inside = at.clip(*ends)
    accuracy = marks["accuracy"].where(inside == at, np.interp(inside, main["alpha"], main["accuracy"]))
    rows = pd.DataFrame({"order": range(len(at)), "alpha": inside, "accuracy": accuracy, "said": said})
    lines = pd.concat([shown.lines, *(other.lines.assign(series=name) for name, other in pinned.items())])
    own = shown.marks["accuracy"].get("own", np.interp(alpha, main["alpha"], main["accuracy"]))
    here = main[:1].assign(alpha=alpha, accuracy=own, said=f"your α = {written(alpha, 5)}: {100 * own:.2f} %")
    here = here[here["alpha"].between(*ends)]
    return {"curve": lines, "marks": rows, "points": shown.points, "band": shown.band, "own": here}


def curve(shown: Shown, pinned: dict[str, Shown], state: State) -> dict[str, Any]:
    """All of the curve's picture."""
    if shown.lines.empty:
        return {"spec": {}, "tables": {}, "label": "nothing yet"}
    tables, said = curve_tables(shown, pinned, state.alpha), {"label": shown.words[0], "title": _title(state)}
    return {"spec": curve_spec(shown), "tables": tables, "signals": {"alpha": float(state.alpha)}, **said}


def ranks(state: State, shown: Shown) -> dict[str, Any]:
    """Accuracy against the rank of the correction; a click takes the rank."""
    x = {"field": "rank", "type": "ordinal", "title": "rank of the correction (0: none)", "axis": {"labelAngle": 0}}
    y = _q("accuracy", "accuracy", scale={"zero": False}, axis={"format": ".1%", "tickCount": 5})
    color = _n("series", [COLORS[0], ORANGE, COLORS[1]], {"field": "order"}, symbolType="circle")
    tip = [{"field": "series", "title": "at"}, {"field": "rank"}, _q("accuracy", "accuracy", format=".2%")]
    encoding = {"x": x, "y": y, "color": color, "tooltip": tip}
    spec = _spec(300, [_layer("ranks", "line", encoding, point={"size": 90, "cursor": "pointer"})])
    said = {"label": "Accuracy against the rank", "title": _title(state)}
    return {"spec": spec, "tables": {"ranks": rank_table(state, shown)}, **said}


def phase_map(state: State) -> dict[str, Any]:
    """A map over two parameters, with the problem on it; a click moves the problem."""
    what, (x, y, z) = MAPS[state.map_shows], plane(state)
    at: dict[str, Any] = {}
    cell: dict[str, Any] = {}
    sides, here = [], pd.DataFrame(index=[0])
    for key, name, values in (("x", state.map_x, x), ("y", state.map_y, y)):
        log = is_log_axis(name)
        between = np.sqrt(values[1:] * values[:-1]) if log else (values[1:] + values[:-1]) / 2
        edges = np.r_[values[0], between, values[-1]]  # a cell ends half-way to its neighbour
        sides.append(pd.DataFrame({name: values, f"{key}0": edges[:-1], f"{key}1": edges[1:]}))
        here[name] = np.clip(float(getattr(state, name)), values[0], values[-1])
        scale = {"nice": False, **({"type": "log"} if log else {"zero": False})}
        axis = {"grid": False, "tickCount": 5, "format": "~s" if PARAMETERS[name].is_size else "~g"}
        at[key] = _q(name, f"{SYMBOLS[name]} ({meaning(name)})", scale=scale, axis=axis)
        cell |= {key: {**at[key], "field": f"{key}0"}, f"{key}2": {"field": f"{key}1"}}
    scheme = "purpleorange" if state.map_shows == "alpha" else "cividis"
    scale = {"type": "threshold", "domain": list(LEVELS.get(state.map_shows, GAINS[1:])), "scheme": scheme}
    cell["color"] = cell["stroke"] = _q("z", what, scale=scale, legend={"type": "symbol", "symbolType": "square"})
    cell["tooltip"] = [*(_q(name, SYMBOLS[name], format=".4~g") for name in here), _q("z", what, format=".3~f")]
    layers = [
        _layer("map", "rect", cell, cursor="pointer", strokeWidth=0.6),
        *(_layer("here", "point", at, size=160, filled=False, color=ink, strokeWidth=wide)
          for ink, wide in (("white", 5), ("#c62828", 2.5))),
    ]  # fmt: skip
    cells = sides[1].merge(sides[0], how="cross").assign(z=z.ravel())
    said = {"label": f"Map: {what}", "title": _title(state, state.map_x, state.map_y)}
    return {"spec": _spec(300, layers), "tables": {"map": cells, "here": here}, **said}


def table(shown: Shown, pinned: dict[str, Shown]) -> str:
    """The distinguished α and the accuracy there, then the best of each pinned curve, in HTML."""
    pins = [
        other.marks.loc[["best"]].assign(remark=name).rename({"best": f"pin-{i}"})
        for i, (name, other) in enumerate(pinned.items())
    ]
    rows = "".join(
        f'<tr id="row-{m.Index}" data-alpha="{m.alpha!r}"><th scope="row">{m.name} <small>{escape(m.remark)}</small>'
        f"</th><td>{written(m.alpha, 5)}</td><td>{100 * m.accuracy:.2f} %</td></tr>"
        for m in pd.concat([shown.marks, *pins]).itertuples()
    )
    header = "".join(f'<th scope="col">{h}</th>' for h in ("at", "α", "accuracy"))
    return f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"


def pin_name(state: State, count: int) -> str:
    """A pinned curve's name: its number, and what is not as in the example."""
    many = ("classes",) if state.tab == MANY else ()  # its curves have another chance level
    names = [n for n in (*SYMBOLS, "classes", "rank") if n in many or getattr(state, n) != getattr(State(), n)]
    other = ", ".join(f"{FIELDS[name].symbol} = {written(getattr(state, name))}" for name in names)
    return f"pin {count + 1}: {other or 'the example'}"
