"""The page's pictures as Vega-Lite, each a spec and the tables that fill it; and its words."""

from __future__ import annotations

import itertools
import math
from html import escape
from typing import Any

import numpy as np

from ..problem.numbers import PARAMETERS, SYMBOLS, is_log_axis
from .results import CURVE, Curve, Plane, Simulated
from .state import MAPS, State

COLORS = [
    "#2b83c6",
    "#e0701a",
    "#0a9b76",
    "#c26aa0",
    "#8a8f98",
    "#b8860b",
]  # told apart by colour-blind readers, in light and in dark
BLUE, ORANGE = COLORS[:2]
LEVELS = {
    "gain_over_1": [0.1, 0.2, 0.5, 1, 2, 5, 10, 20],
    "gain_over_0": [0.1, 0.2, 0.5, 1, 2, 5, 10, 20],
    "alpha": [-10, -5, -2, -1, 0, 0.5, 1, 1.5, 2, 5, 10],
    "accuracy": [50, 55, 60, 65, 70, 75, 80, 85, 90, 95],
}
LEGEND = {"orient": "bottom", "symbolStrokeWidth": 3, "symbolOpacity": 1}
INK = "currentColor"  # the page's own, light or dark; black in a file
CONFIG = {
    "background": None,
    "aria": False,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.13,
        "labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal",
    },
    "legend": {"labelColor": INK, "titleColor": INK, "labelLimit": 400, "titleFontWeight": "normal"},
    "text": {"color": INK, "fontSize": 12.5},
}  # fmt: skip
MINUS = "\N{MINUS SIGN}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Tables = dict[str, dict[str, list[Any]]]


def number(value: float, digits: int = 3) -> str:
    """As people write it: a real minus sign, ∞, powers of ten."""
    if math.isinf(value):
        return "+∞" if value > 0 else f"{MINUS}∞"
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        factor, power = f"{value:.{digits - 1}e}".split("e")
        factor = f"{float(factor):g}"
        text = f"10{str(int(power)).translate(RAISED)}"
        return text if factor == "1" else f"{factor}·{text}".replace("-", MINUS)
    return f"{value:.{max(len(str(int(abs(value)))), digits)}g}".replace("-", MINUS)


def _spec(
    height: int, *layers: dict[str, Any], tables: tuple[str, ...], params: dict[str, Any] | None = None
) -> dict[str, Any]:
    given = [{"name": name, "value": value} for name, value in (params or {}).items()]
    return {
        "width": "container", "height": height, "config": CONFIG, "params": given, "layer": list(layers),
        "autosize": {"type": "fit", "contains": "padding", "resize": True}, "datasets": {name: [] for name in tables},
    }  # fmt: skip


def _q(field: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **more}


def curve_spec(low: float, high: float) -> dict[str, Any]:
    """Accuracy against α: theory, simulation, the marks, what was pinned, the α to drag, and what the pointer is over."""
    x = _q("alpha", "α", scale={"domain": [low, high], "nice": False})
    y = _q(
        "accuracy",
        "accuracy",
        scale={"zero": False, "nice": False, "padding": 26},
        axis={"format": ".0%", "tickCount": 6},
    )
    legend = {**LEGEND, "symbolType": "stroke"}
    color = {
        "field": "series",
        "type": "nominal",
        "sort": None,
        "title": None,
        "scale": {"range": COLORS},
        "legend": legend,
    }
    on_curve = f"<= {(high - low) / (CURVE - 1) / 2 * 1.0001}"
    own = [{"filter": f"datum.series == 'theory' && abs(datum.alpha - alpha) {on_curve}"}]
    under = [{"filter": f"hover != null && abs(datum.alpha - hover) {on_curve}"}]
    said = "format(datum.accuracy, '.2%')"
    halo = {"stroke": "var(--card, white)", "strokeWidth": 4, "strokeJoin": "round"}

    def text(**mark: Any) -> list[dict[str, Any]]:
        return [{"type": "text", **mark, **halo}, {"type": "text", **mark}]

    def layer(table: str, mark: Any, transform: Any = (), **encoding: Any) -> dict[str, Any]:
        return {
            "data": {"name": table},
            "transform": list(transform),
            "mark": mark,
            "encoding": {"x": x, "y": y, **encoding},
        }

    place = {"align": {"expr": "datum.align"}, "dx": {"expr": "datum.dx"}, "dy": {"expr": "datum.dy"}}
    at_own = [*own, {"calculate": f"'your α = ' + format(alpha, '.4~g') + ': ' + {said}", "as": "said"}]
    at_hover = [
        *under,
        {"window": [{"op": "row_number", "as": "row"}]},
        {"calculate": f"'α = ' + format(datum.alpha, '.3~f') + ', ' + datum.series + ': ' + {said}", "as": "said"},
    ]
    words = {"text": {"field": "said"}}
    return _spec(
        340,
        layer("curve", {"type": "line", "strokeWidth": 2.5}, color=color, strokeDash={"field": "series", "sort": None, "legend": None}),
        layer("simulation", {"type": "rule", "strokeWidth": 1.2, "color": INK}, y={**y, "field": "low"}, y2={"field": "high"}),
        layer("simulation", {"type": "point", "color": INK, "size": 30, "opacity": 1}),
        layer("curve", {"type": "rule", "color": ORANGE, "strokeWidth": 1.5, "cursor": "ew-resize"}, own, y=None),
        layer("marks", {"type": "point", "color": INK, "filled": True, "size": 110, "opacity": 1}, shape={"field": "shape", "scale": None}),
        *(layer("marks", mark, **words) for mark in text(**place)),
        layer("curve", {"type": "point", "color": ORANGE, "filled": True, "size": 100, "opacity": 1}, own),
        *(layer("curve", {**mark, "align": {"expr": f"alpha > {(low + high) / 2} ? 'right' : 'left'"}}, at_own, y={"value": 8}, **words)
          for mark in text(dx={"expr": f"alpha > {(low + high) / 2} ? -6 : 6"})),
        layer("curve", {"type": "rule", "color": INK, "opacity": 0.35}, under, y=None),
        layer("curve", {"type": "point", "filled": True, "size": 70, "opacity": 1}, under, color=color),
        *(layer("curve", mark, at_hover, x={"value": "width"}, y={"value": "height"}, **words)
          for mark in text(align="right", dx=-8, dy={"expr": "-4 - 17 * datum.row"})),
        tables=("curve", "simulation", "marks"), params={"alpha": 0, "hover": None},
    )  # fmt: skip


def curve_tables(shown: Curve, points: Simulated | None, pinned: dict[str, Curve]) -> Tables:
    """The rows of the curve's picture."""
    lines = {"theory": shown.theory.accuracy}
    if shown.published is not None:
        lines["published code"] = shown.published.accuracy
    lines |= {name: np.interp(shown.alpha, other.alpha, other.theory.accuracy) for name, other in pinned.items()}
    drawn = points.moments if points else None
    simulation = {} if drawn is None else {
        "alpha": drawn.alpha.tolist(), "accuracy": drawn.accuracy.tolist(),
        "low": (drawn.accuracy - drawn.accuracy_se).tolist(), "high": (drawn.accuracy + drawn.accuracy_se).tolist(),
    }  # fmt: skip
    return {
        "curve": {
            "alpha": shown.alpha.tolist() * len(lines),
            "accuracy": np.concatenate(list(lines.values())).tolist(),
            "series": [name for name in lines for _ in shown.alpha],
        },
        "simulation": simulation,
        "marks": _labels(shown),
    }


def _labels(shown: Curve) -> dict[str, list[Any]]:
    """The marks inside the range, those outside at its edge with an arrow; no label over another (on a plot of 700 × 280)."""
    low, high = shown.alpha[0], shown.alpha[-1]
    floor, room = shown.theory.accuracy.min(), max(np.ptp(shown.theory.accuracy), 0.01)
    boxes: list[tuple[float, float, float, float]] = []
    line = np.linspace(0, 700, len(shown.alpha)), 280 * (1 - (shown.theory.accuracy - floor) / room)
    rows = []
    for key, shape in (("best", "diamond"), ("one", "square"), ("zero", "circle"), ("worst", "cross")):
        mark = shown.mark(key)
        a = min(max(mark.alpha, low), high)
        inside = a == mark.alpha
        name = mark.name if "=" in mark.name else f"{mark.name} = {number(mark.alpha)}"
        said = name if inside else f"{name} →" if a == high else f"← {name}"
        y = float(np.interp(a, shown.alpha, shown.theory.accuracy))
        px, py, wide = 700 * (a - low) / (high - low), 280 * (1 - (y - floor) / room), 7.5 * len(said)
        for dx, dy in itertools.product((11, -11), (0, -18, 18, -32, 32, -48, 48)):
            box = (px + (dx if dx > 0 else dx - wide), px + (dx + wide if dx > 0 else dx), py + dy - 8, py + dy + 8)
            over = any(box[0] < b[1] and b[0] < box[1] and box[2] < b[3] and b[2] < box[3] for b in boxes)
            over |= bool(np.any((line[0] > box[0]) & (line[0] < box[1]) & (line[1] > box[2]) & (line[1] < box[3])))
            if box[0] > 0 and box[1] < 700 and box[2] > -12 and not over:
                break
        boxes += [box, (px - 8, px + 8, py - 8, py + 8)]
        rows.append((a, y, said, shape if inside else "stroke", dx, dy, "left" if dx > 0 else "right"))
    names = ("alpha", "accuracy", "said", "shape", "dx", "dy", "align")
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def scores_spec() -> dict[str, Any]:
    """The two classes' score densities at four α, each in its standard deviations, so that they compare."""
    scale = {"domain": ["y = −1", "y = +1"], "range": [ORANGE, BLUE]}
    color = {"field": "class", "type": "nominal", "title": "shaded: wrong", "scale": scale}
    x = _q("x", "score, in its standard deviations", scale={"nice": False})
    y = {**_q("y"), "axis": None}
    curve = {"x": x, "y": y, "color": {**color, "legend": LEGEND}, "detail": {"field": "row"}}
    area = {**curve, "y2": {"field": "base"}}
    words = {"x": {"value": 0}, "y": y, "text": {"field": "said"}}
    return _spec(
        300,
        {"data": {"name": "scores"}, "transform": [{"filter": "datum.wrong"}], "mark": {"type": "area", "opacity": 0.3}, "encoding": area},
        {"data": {"name": "scores"}, "mark": {"type": "line", "strokeWidth": 1.8}, "encoding": curve},
        {"data": {"name": "laws"}, "mark": {"type": "text", "align": "left", "baseline": "bottom", "dy": -30}, "encoding": words},
        tables=("scores", "laws"),
    )  # fmt: skip


def scores_tables(shown: Curve) -> Tables:
    """The rows of the score densities; an infinite α has none."""
    marks = [m for m in (shown.mark(key) for key in ("best", "own", "one", "zero")) if m.at and m.at.variance > 0]
    snr = [m.at.mean / math.sqrt(m.at.variance) for m in marks if m.at]
    reach = max(map(abs, snr), default=0) + 3.2
    x = np.linspace(-reach, reach, 81)
    parts = []
    for row, (mark, ratio) in enumerate(zip(marks, snr, strict=True)):
        base = len(marks) - 1 - row
        for sign, name in ((-1, "y = −1"), (1, "y = +1")):
            density = 0.85 * np.exp(-((x - sign * ratio) ** 2) / 2)
            parts.append((x, base + density, np.full(81, base), sign * x <= 1e-9, [name] * 81, [mark.key] * 81))
    columns = zip(*parts, strict=True) if parts else [[[]]] * 6
    said = [
        f"{m.name if '=' in m.name else f'{m.name} = {number(m.alpha)}'}: {100 * m.at.accuracy:.1f} %"
        for m in marks
        if m.at
    ]
    names = ("x", "y", "base", "wrong", "class", "row")
    return {
        "scores": {name: np.concatenate(column).tolist() for name, column in zip(names, columns, strict=True)},
        "laws": {"y": [float(len(marks) - 1 - i) for i in range(len(marks))], "said": said},
    }


def map_spec(state: State) -> dict[str, Any]:
    """A map over two parameters, with the problem on it; a click moves the problem."""
    levels = LEVELS[state.map_shows]
    scheme = "purpleorange" if state.map_shows == "alpha" else "cividis"
    color = _q("z", MAPS[state.map_shows], scale={"type": "threshold", "domain": levels, "scheme": scheme},
               legend={**LEGEND, "type": "symbol", "symbolType": "square", "columns": 5})  # fmt: skip

    def at(name: str, field: str) -> dict[str, Any]:
        scale = {
            "type": "log" if is_log_axis(name) else "linear",
            "nice": False,
            **({} if is_log_axis(name) else {"zero": False}),
        }
        axis = {"grid": False, "tickCount": 5, "format": "~s" if PARAMETERS[name].is_size else "~g"}
        return _q(
            field, f"{SYMBOLS[name]} ({PARAMETERS[name].meaning.split(',')[0].split(';')[0]})", scale=scale, axis=axis
        )

    tip = [_q(name, SYMBOLS[name], format=".4~g") for name in (state.map_x, state.map_y)] + [
        _q("z", MAPS[state.map_shows], format=".3~f")
    ]
    x, y = at(state.map_x, state.map_x), at(state.map_y, state.map_y)
    cell: dict[str, Any] = {
        "x": {**x, "field": "x0"},
        "x2": {"field": "x1"},
        "y": {**y, "field": "y0"},
        "y2": {"field": "y1"},
    }
    cell |= {"tooltip": tip, "color": color, "stroke": color}  # closes the hairline between neighbours
    here = {"data": {"name": "here"}, "encoding": {"x": x, "y": y}}
    ring = {"type": "point", "size": 160, "opacity": 1, "tooltip": None}
    return _spec(
        300,
        {"data": {"name": "map"}, "mark": {"type": "rect", "cursor": "pointer", "strokeWidth": 0.6}, "encoding": cell},
        {**here, "mark": {**ring, "stroke": "white", "strokeWidth": 5}},
        {**here, "mark": {**ring, "stroke": "#c62828", "strokeWidth": 2.5}},
        tables=("map", "here"),
    )  # fmt: skip


def map_tables(state: State, shown: Plane) -> Tables:
    """One row per cell, with its corners."""
    (x0, x, x1), (y0, y, y1) = _cells(shown.x, is_log_axis(state.map_x)), _cells(shown.y, is_log_axis(state.map_y))
    nx, ny = len(x), len(y)
    columns = {"x0": np.tile(x0, ny), state.map_x: np.tile(x, ny), "x1": np.tile(x1, ny)}
    columns |= {"y0": np.repeat(y0, nx), state.map_y: np.repeat(y, nx), "y1": np.repeat(y1, nx)}
    columns["z"] = shown.columns[state.map_shows].ravel()
    here = {
        name: [float(np.clip(getattr(state, name), *at[[0, -1]]))] for name, at in ((state.map_x, x), (state.map_y, y))
    }
    return {"map": {name: column.tolist() for name, column in columns.items()}, "here": here}


def _cells(values: np.ndarray, is_log: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low ends, middles and high ends; the outermost cells are half as wide."""
    between = np.sqrt(values[1:] * values[:-1]) if is_log else (values[1:] + values[:-1]) / 2
    return np.r_[values[0], between], values, np.r_[between, values[-1]]


def table(curves: dict[str, Curve]) -> str:
    """The distinguished α and what theory says there, then the best of each pinned curve, as an HTML table."""
    (_, shown), *pinned = curves.items()
    rows = [(mark.key, mark.name, mark.remark, mark, shown) for mark in shown.marks]
    rows += [(f"pin-{i}", "α*", name, other.mark("best"), other) for i, (name, other) in enumerate(pinned)]
    lines = []
    for key, name, remark, mark, of in rows:
        accuracy = mark.at.accuracy if mark.at else of.best.accuracy if name == "α*" else None
        cells = [number(mark.alpha, 5)]
        cells += (
            ["–", "–"]
            if accuracy is None
            else [f"{100 * accuracy:.2f} %", f"{100 * (of.best.accuracy - accuracy):.2f}"]
        )
        cells += [number(mark.at.mean, 4), number(math.sqrt(mark.at.variance), 4)] if mark.at else ["–", "–"]
        small = f" <small>{escape(remark)}</small>" if remark else ""
        values = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(
            f'<tr id="row-{key}" data-alpha="{mark.alpha!r}"><th scope="row">{escape(name)}{small}</th>{values}</tr>'
        )
    header = "".join(f'<th scope="col">{h}</th>' for h in ("at", "α", "accuracy", "α* gains", "mean", "s.d."))
    caption = "Theory. Gains in points of accuracy; mean and standard deviation of the score."
    return f"<table><caption>{caption}</caption><thead><tr>{header}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def headline(shown: Curve) -> str:
    """The answer in one sentence, read aloud as it changes."""
    best, one = shown.mark("best"), shown.mark("one").at
    assert one is not None
    reach = "is approached as |α| grows" if shown.best.at_infinity else f"at <b>α* = {number(best.alpha, 4)}</b>"
    gain = 100 * (shown.best.accuracy - one.accuracy)
    return (
        f'<p id="headline" aria-live="polite">Accuracy <b>{100 * shown.best.accuracy:.1f} %</b> {reach}; '
        f"α = 1 gives {100 * one.accuracy:.1f} %, {gain:.1f} points less.</p>"
    )


def comparison(points: Simulated, dim: float) -> str:
    """How simulation and theory compare: in standard errors, and in points beside the order 1/p to which theory is exact."""
    return (
        f'<p id="simulated">Simulation, {points.moments.n_trials} trainings: largest |z| against theory {points.max_abs_z:.1f}; '
        f"largest distance {points.distance:.2f} points of accuracy (theory is exact up to O(1/p), here 1/p = {100 / dim:.2g} points).</p>"
    )


def alert(text: str) -> str:
    """What is wrong, read aloud at once."""
    return f'<p role="alert" class="alert">{escape(text)}</p>'


def python_lines(state: State) -> str:
    """The library's lines for this problem."""
    given = "".join(f"    {name}={getattr(state, name)!r},\n" for name in PARAMETERS)
    return (
        "import numpy as np\nfrom rmt_alpha import TransferProblem, optimal_alpha, predict\n\n"
        f"problem = TransferProblem(\n{given})\nbest = optimal_alpha(problem)\n"
        f"alpha = np.linspace({state.alpha_low!r}, {state.alpha_high!r}, {CURVE})\naccuracy = predict(problem, alpha).accuracy\n"
        f"print(best)\nprint(predict(problem, {state.alpha!r}))\n"
    )


def folded(title: str, text: str) -> str:
    """Lines of text to unfold."""
    return f'<details><summary>{escape(title)}</summary><pre id="lines" tabindex="0">{escape(text)}</pre></details>'


def curve_words(shown: Curve) -> str:
    """The curve for those who do not see it."""
    ends = f"from {number(shown.alpha[0])} to {number(shown.alpha[-1])}"
    return f"Accuracy against α {ends}; α* = {number(shown.mark('best').alpha, 4)}, ᾱ = {number(shown.mark('worst').alpha, 4)}."


def pin_name(state: State, count: int) -> str:
    """A pinned curve's name: its number, and what is not as in the example."""
    other = [
        f"{SYMBOLS[name]} = {number(getattr(state, name))}"
        for name in PARAMETERS
        if getattr(state, name) != getattr(State(), name)
    ]
    return f"pin {count + 1}: {', '.join(other) or 'the example'}"
