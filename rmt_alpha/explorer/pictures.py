"""The page's three pictures and its table, drawn from `results`."""

from __future__ import annotations

import itertools
import math
from html import escape
from typing import Any

import numpy as np
from contourpy import FillType, contour_generator
from matplotlib import colormaps
from matplotlib.colors import to_hex

from ..commands.options import SYMBOLS
from ..commands.phase_map import ALPHAS, GAINS, has_log_axis
from ..plotting import COLORS, normal_density
from .results import Curve, Mark, Plane, Simulated
from .state import State
from .svg import FAINT, GREY, INK, Board, number, ticks

BLUE, ORANGE = COLORS[:2]
RED = "#c62828"
STAR = "M0,-8 L1.9,-2.6 7.6,-2.5 3.1,1 4.7,6.5 0,3.2 -4.7,6.5 -3.1,1 -7.6,-2.5 -1.9,-2.6 Z"
CROSS = "M-4,-4 L4,4 M-4,4 L4,-4"
LEVELS = {
    "gain_over_1": ("gain of α* over α = 1, points", GAINS[1:]),
    "gain_over_0": ("gain of α* over α = 0, points", GAINS[1:]),
    "best": ("α*", ALPHAS),
    "accuracy": ("accuracy at α*, %", (50, 55, 60, 65, 70, 75, 80, 85, 90, 95)),
}


def draw_curve(shown: Curve, points: Simulated | None, narrow: bool) -> str:
    """Accuracy against α with the distinguished values marked."""
    accuracy = shown.theory.accuracy
    marks = shown.marks
    inside = [m for m in marks.values() if m.at and shown.alpha[0] <= m.alpha <= shown.alpha[-1]]
    values = np.concatenate([accuracy, [m.at.accuracy for m in inside if m.at]])
    if shown.published is not None:
        values = np.concatenate([values, shown.published.accuracy])
    if points is not None:
        m = points.moments
        values = np.concatenate([values, m.accuracy - m.accuracy_se, m.accuracy + m.accuracy_se])
    low, high = float(values.min()), float(values.max())
    room = max(high - low, 0.01)
    size = (380, 250) if narrow else (880, 360)
    board = Board(size, (shown.alpha[0], shown.alpha[-1]), (max(low - 0.08 * room, 0.0), high + 0.16 * room))
    board.axes("α", "accuracy (signed)")
    for key, anchor, shift in (("zero", "end", -4), ("one", "start", 4)):
        mark = marks[key]
        if mark in inside:
            at = float(board.px(mark.alpha))
            dash = "2 3" if key == "zero" else "6 4"
            board.add("line", x1=at, x2=at, y1=board.top, y2=board.bottom, stroke=GREY, stroke_dasharray=dash)
            board.text(at + shift, board.bottom - 7, mark.name, text_anchor=anchor)
    if shown.published is not None:
        board.line(shown.alpha, shown.published.accuracy, stroke=ORANGE, stroke_width=2, stroke_dasharray="7 4")
    board.line(shown.alpha, accuracy, stroke=BLUE, stroke_width=2.5, id="theory")
    if points is not None:
        _error_bars(board, points)
    for key in ("worst", "own", "best"):
        _place(board, marks[key], key, inside)
    _legend(board, shown.published is not None, points is not None)
    best = marks["best"]
    title = (
        f"Accuracy against α from {number(shown.alpha[0])} to {number(shown.alpha[-1])}; "
        f"α* = {number(best.alpha, 4)}, ᾱ = {number(marks['worst'].alpha, 4)}."
    )
    return board.picture(title, "curve")


def _error_bars(board: Board, points: Simulated) -> None:
    m = points.moments
    for a, y, se in zip(points.alpha, m.accuracy, m.accuracy_se, strict=True):
        x, y0, y1 = float(board.px(a)), float(board.py(y - se)), float(board.py(y + se))
        board.add(
            "path",
            d=f"M{x:.1f},{y0:.1f}V{y1:.1f}M{x - 3:.1f},{y0:.1f}h6M{x - 3:.1f},{y1:.1f}h6",
            stroke=INK,
            class_="bar",
        )
        board.add("circle", cx=x, cy=float(board.py(y)), r=3, fill="white", stroke=INK, class_="point")


def _place(board: Board, mark: Mark, key: str, inside: list[Mark]) -> None:
    """A mark on the curve with its value, or an arrow at the edge that says how far away it is."""
    label = f"{mark.name} = {number(mark.alpha)}"
    if mark not in inside or mark.at is None:
        right = mark.alpha > board.x[1]
        row = board.top + {"best": 26, "own": 42, "worst": 58}[key]
        if right:
            board.text(board.right - 4, row, f"{label} →", text_anchor="end", fill=INK)
        else:
            board.text(board.left + 6, row, f"← {label}", fill=INK)
        return
    x, y = float(board.px(mark.alpha)), float(board.py(mark.at.accuracy))
    place = f"translate({x:.1f} {y:.1f})"
    if key == "best":
        board.add("path", d=STAR, transform=place, fill=INK, stroke="white")
    elif key == "own":
        board.add("circle", cx=x, cy=y, r=5, fill=ORANGE, stroke="white", stroke_width=1.5)
    else:
        board.add("path", d=CROSS, transform=place, stroke=INK, stroke_width=2)
    anchor = "start" if x < board.left + 60 else "end" if x > board.right - 60 else "middle"
    below = -13
    if key != "best":
        anchor, x, below = ("end", x - 9, 17) if x > board.right - 90 else ("start", x + 9, 17 if key == "own" else 4)
    board.add("text", label, x=x, y=min(y + below, board.bottom - 5), text_anchor=anchor, fill=INK, class_="halo")


def _legend(board: Board, published: bool, points: bool) -> None:
    """Where there is more than one curve: in the lower right corner, which a curve that has peaked leaves free."""
    if not published and not points:
        return
    x, y = board.right - 140, board.bottom - 28
    for name, color, dash in [("published code", ORANGE, "7 4")] * published + [("theory", BLUE, "none")]:
        board.add("line", x1=x, x2=x + 26, y1=y - 4, y2=y - 4, stroke=color, stroke_width=2.5, stroke_dasharray=dash)
        board.text(x + 32, y, name, fill=INK)
        y -= 18
    if points:
        board.add("circle", cx=x + 13, cy=y - 4, r=3, fill="white", stroke=INK)
        board.text(x + 32, y, "simulation ± s.e.", fill=INK)


def draw_densities(shown: Curve) -> str:
    """The two classes' score densities at four α, each in units of its own standard deviation, so that they compare."""
    rows = [(shown.marks[key], shown.marks[key].at) for key in ("best", "own", "one", "zero")]
    laws = [(mark, at, at.mean / math.sqrt(at.variance)) for mark, at in rows if at and at.variance > 0]
    reach = max((abs(snr) for *_, snr in laws), default=0.0) + 3.2
    board = Board((440, 82 * len(laws) + 72), (-reach, reach), (0, float(len(laws))), margins=(4, 8, 68, 8))
    for value in ticks(board.x, False, 7):
        at_value = float(board.px(value))
        board.add("line", x1=at_value, x2=at_value, y1=board.top, y2=board.bottom, stroke=GREY if value == 0 else FAINT)
        board.text(at_value, board.bottom + 17, number(value), text_anchor="middle")
    x = np.linspace(-reach, reach, 91)
    for i, (mark, at, snr) in enumerate(laws):
        base = len(laws) - 1 - i
        floor = float(board.py(base))
        board.add("line", x1=board.left, x2=board.right, y1=floor, y2=floor, stroke=GREY)
        for sign, color in ((-1, ORANGE), (1, BLUE)):
            y = base + 2.1 * normal_density(x, sign * snr, 1.0)
            board.line(x, y, stroke=color, stroke_width=2, stroke_dasharray="none" if sign > 0 else "6 3")
            wrong = x * sign <= 1e-9
            edge = np.column_stack([board.px(x[wrong]), board.py(y[wrong])]).tolist()
            path = f"M{edge[0][0]:.1f},{floor:.1f}" + "".join(f"L{a:.1f},{b:.1f}" for a, b in edge) + f"V{floor:.1f}Z"
            board.add("path", d=path, fill=color, fill_opacity=0.28)
        name = mark.name if "=" in mark.name else f"{mark.name} = {number(mark.alpha)}"
        y = floor - 56
        board.add("text", name, x=board.left, y=y, fill=INK, class_="halo")
        said = f"{100 * at.accuracy:.1f} % right"
        board.add("text", said, x=board.right, y=y, text_anchor="end", fill=INK, class_="halo")
    board.text(
        board.size[0] / 2, board.bottom + 36, "score, in its standard deviations", text_anchor="middle", fill=INK
    )
    y = board.bottom + 60
    for left, color, dash, said in ((92, ORANGE, "6 3", "y = −1"), (186, BLUE, "none", "y = +1")):
        board.add(
            "line", x1=left, x2=left + 24, y1=y - 4, y2=y - 4, stroke=color, stroke_width=2, stroke_dasharray=dash
        )
        board.text(left + 29, y, said)
    board.text(280, y, "shaded: wrong")
    means = (f"{m.name}: mean {number(at.mean)}, s.d. {number(math.sqrt(at.variance))}" for m, at, _ in laws)
    return board.picture(f"Score densities of both classes. {'; '.join(means)}.", "densities")


def draw_map(state: State, shown: Plane) -> str:
    """Filled contours, and the current problem as a point; beyond the edge it lies on the edge."""
    name, levels = LEVELS[shown.shown]
    log = has_log_axis(state.map_x), has_log_axis(state.map_y)
    board = Board((440, 400), _ends(shown.x), _ends(shown.y), log, margins=(10, 18, 104, 58))
    fields = contour_generator(board.px(shown.x), board.py(shown.y), shown.values, fill_type=FillType.OuterOffset)
    bounds = [-np.inf, *levels, np.inf]
    colors = [to_hex(colormaps["cividis"](i / (len(bounds) - 2))) for i in range(len(bounds) - 1)]
    for low, high, color in zip(bounds, bounds[1:], colors, strict=False):
        if d := "".join(_outline(*pair) for pair in zip(*fields.filled(low, high), strict=True)):
            # The stroke closes the hairline between neighbours.
            board.add("path", d=d, fill=color, stroke=color, stroke_width=0.7, fill_rule="evenodd")
    board.axes(_axis_name(state.map_x), _axis_name(state.map_y), grid=False)
    here = [state.numbers()[axis] for axis in (state.map_x, state.map_y)]
    with np.errstate(divide="ignore"):  # γ = 0 on a logarithmic axis: its edge
        x = float(np.clip(board.px(here[0]), board.left, board.right))
        y = float(np.clip(board.py(here[1]), board.top, board.bottom))
    board.add("circle", cx=x, cy=y, r=7, fill="none", stroke="white", stroke_width=4.5)
    board.add("circle", cx=x, cy=y, r=7, fill="none", stroke=RED, stroke_width=2.2, id="here")
    board.add("circle", cx=x, cy=y, r=2, fill=RED, stroke="white", stroke_width=0.7)
    _color_bar(board, name, levels, colors)
    place = ", ".join(f"{SYMBOLS[a]} = {number(v)}" for a, v in zip((state.map_x, state.map_y), here, strict=True))
    title = f"Map of {name} over {state.map_x} and {state.map_y}; the circle is the current problem, {place}."
    return board.picture(title, "map")


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[-1])


def _axis_name(parameter: str) -> str:
    return f"{SYMBOLS[parameter]} ({parameter})"


def _outline(points: np.ndarray, offsets: np.ndarray) -> str:
    """A polygon with its holes."""
    rings = (points[a:b].tolist() for a, b in itertools.pairwise(offsets.tolist()))
    return "".join("M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in ring) + "Z" for ring in rings)


def _color_bar(board: Board, name: str, levels: Any, colors: list[str]) -> None:
    width, y = (board.right - board.left) / len(colors), board.size[1] - 46
    for i, color in enumerate(colors):
        board.add("rect", x=board.left + i * width, y=y, width=width + 0.3, height=11, fill=color)
    for i, level in enumerate(levels):
        board.text(board.left + (i + 1) * width, y + 24, number(level), text_anchor="middle", class_="small")
    board.text((board.left + board.right) / 2, y + 42, name, text_anchor="middle", fill=INK)


def table(shown: Curve) -> str:
    """The distinguished α and what theory says there, as an HTML table."""
    best, rows = shown.best.accuracy, []
    for key, mark in shown.marks.items():
        at = mark.at
        accuracy = at.accuracy if at else best if key == "best" else math.nan
        cells = [
            number(mark.alpha, 5),
            *(["–"] * 4 if math.isnan(accuracy) else [f"{100 * accuracy:.2f} %", f"{100 * (best - accuracy):.2f}"]),
        ]
        if at:
            cells += [number(at.mean, 4), number(math.sqrt(at.variance), 4)]
        cells += ["–"] * (5 - len(cells))
        values = "".join(f"<td>{cell}</td>" for cell in cells)
        remark = f"<small>{escape(mark.remark)}</small>" if mark.remark else ""
        rows.append(
            f'<tr id="row-{key}" data-alpha="{mark.alpha!r}"><th scope="row">{escape(mark.name)}{remark}</th>{values}</tr>'
        )
    header = "".join(f'<th scope="col">{h}</th>' for h in ("", "α", "accuracy", "α* gains", "mean", "s.d."))
    caption = "Theory. Gains in points of accuracy; mean and standard deviation of the score."
    return f"<table><caption>{caption}</caption><thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def headline(shown: Curve) -> str:
    """The answer in one sentence, read aloud as it changes."""
    best, one = shown.marks["best"], shown.marks["one"].at
    assert one is not None
    gain = 100 * (shown.best.accuracy - one.accuracy)
    reach = "is approached as |α| grows" if shown.best.at_infinity else f"at <b>α* = {number(best.alpha, 4)}</b>"
    return (
        f'<p id="headline" aria-live="polite">Accuracy <b>{100 * shown.best.accuracy:.1f} %</b> {reach}; '
        f"α = 1 gives {100 * one.accuracy:.1f} %, {gain:.1f} points less.</p>"
    )


def comparison(points: Simulated) -> str:
    """How simulation and theory compare."""
    return f'<p id="simulated">Simulation: {points.moments.n_trials} trainings; largest |z| against theory {points.max_abs_z:.1f}</p>'


def alert(text: str) -> str:
    """What is wrong, read aloud at once."""
    return f'<p role="alert" class="alert">{escape(text)}</p>'


def card(name: str, title: str, content: str) -> str:
    """A titled part of the page."""
    return f'<section class="card {name}"><h2>{escape(title)}</h2>{content}</section>'


def folded(name: str, title: str, text: str) -> str:
    """Lines of text to unfold."""
    return (
        f'<details class="card {name}"><summary>{escape(title)}</summary>'
        f'<pre id="{name}" tabindex="0">{escape(text)}</pre></details>'
    )
