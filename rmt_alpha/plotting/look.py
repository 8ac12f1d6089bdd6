"""One look for every picture.

Theory is a line, simulation a point with an error bar. Colours are Okabe & Ito's (told apart by colour-blind readers); dashes and
markers repeat the distinction, so that pictures survive black-and-white print. Sizes are those of a page: what is 7 points here is 7
points in print. The look starts from matplotlib's own defaults, so that nobody's settings change a picture.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

if "matplotlib" in sys.modules:
    import matplotlib as mpl
else:  # it refuses to be imported where MPLBACKEND names no backend that there is, and pictures for files need none
    wished = os.environ.pop("MPLBACKEND", "")
    import matplotlib as mpl

    if wished:
        os.environ["MPLBACKEND"] = wished
        with contextlib.suppress(ValueError):
            mpl.rcParams["backend"] = wished
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..problem.numbers import written

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#E69F00")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (9, 3)), (0, (1, 1)), (0, (4, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDE, NARROW = 5.5, 3.25  # inches: a page's text, a column of two
EDGE = 0.06  # of an axis: no contour is labelled nearer to its end
SEQUENTIAL, DIVERGING = "cividis", "RdBu_r"
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "figure.titlesize": 8,
    "figure.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.4,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.8,
    "errorbar.capsize": 1.5,
    "figure.dpi": 150,
    "savefig.dpi": 250,
    "pdf.fonttype": 42,  # TrueType: editors and arXiv can read the text
    "figure.constrained_layout.use": True,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The house style, for what is drawn inside the block."""
    settings: Any = {
        k: v
        for k, v in mpl.rcParamsDefault.items()
        if not k.startswith(("backend", "interactive", "toolbar", "webagg"))
    }
    with mpl.rc_context({**settings, **STYLE}):
        yield


def figure(
    columns: int = 1, rows: int = 1, *, width: float = WIDE, height: float = 2.2, **options: Any
) -> tuple[Figure, Any]:
    """A figure of `rows` × `columns` panels, lettered if there are several, and its axes, always as an array (rows, columns).

    `width` is that of the figure, `height` that of one row, in inches. It needs no window, whatever backend the user has.
    """
    fig = Figure(figsize=(width, height * rows))
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, squeeze=False, **options)
    if axes.size > 1:
        for letter, ax in zip("abcdefghijklmnopqrstuvwxyz", axes.flat, strict=False):
            place = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right", "va": "bottom"}
            ax.annotate(f"({letter})", (0, 1), xytext=(-3, 3), fontsize=8, **place)
    return fig, axes


def to_bytes(figure: Figure, kind: str) -> bytes:
    """A figure as a file of this kind, without a date: the same picture gives the same bytes."""
    drawn = io.BytesIO()
    with style():
        figure.savefig(drawn, format=kind, metadata={"CreationDate": None} if kind == "pdf" else None)
    return drawn.getvalue()


def theory_line(ax: Axes, x: Any, y: Any, index: int = 0, **options: Any) -> None:
    """A prediction."""
    ax.plot(x, y, **{"color": COLORS[index % 7], "linestyle": DASHES[index % 7], **options})


def simulation_points(ax: Axes, x: Any, y: Any, se: Any, index: int = 0, **options: Any) -> None:
    """Simulated values with their standard errors."""
    look = {
        "color": COLORS[index % 7],
        "marker": MARKERS[index % 7],
        "markerfacecolor": "white",
        "linestyle": "none",
        "elinewidth": 0.8,
    }
    ax.errorbar(x, y, yerr=se, **{**look, **options})


def legend(
    ax: Axes | None,
    below: Figure | None = None,
    *,
    theory: str | None = "theory",
    simulation: str | None = "simulation",
    **options: Any,
) -> None:
    """A legend that also says what a line and what a point is, if no entry does; below a figure's panels, or on the axes.

    What has the same label is said once.
    """
    named = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True)) if ax is not None else {}
    handles, labels = list(named.values()), list(named)
    if theory is not None and theory not in labels:
        handles, labels = [*handles, Line2D([], [], color="black")], [*labels, theory]
    if simulation is not None and simulation not in labels:
        point = Line2D([], [], color="black", marker="o", markerfacecolor="white", linestyle="none")
        handles, labels = [*handles, point], [*labels, simulation]
    if below is not None:
        below.legend(handles, labels, **{"loc": "outside lower center", "ncols": 4, **options})
    elif ax is not None:
        ax.legend(handles, labels, **options)


def color_bar(fig: Any, filled: Any, axes: Any, label: str, **options: Any) -> None:
    """A colour bar for one map, or for several of the same levels."""
    fig.colorbar(filled, ax=axes, label=label, ticks=filled.levels, format=lambda v, _: written(v), **options)


def contour_map(ax: Axes, x: Any, y: Any, z: Any, levels: Any, label: str = "", **options: Any) -> Any:
    """A filled map of z (len(y), len(x)), one colour between two levels, with labelled contours.

    Levels on both sides of 0 get colours that diverge from there, others colours whose luminance rises with z. Draws a colour bar if
    it has a label; else returns what `color_bar` needs to draw one for several maps.
    """
    colors = _colors(levels)
    filled = ax.contourf(x, y, z, levels=levels, colors=colors, extend="both", **options)
    # Dark fields get white lines, bright ones black.
    between = np.array([(colors[i][:3] + colors[i + 1][:3]) / 2 for i in range(len(levels))]) @ (0.3, 0.6, 0.1)
    lines = ax.contour(
        x, y, z, levels=levels, colors=["white" if v < 0.5 else "black" for v in between], linewidths=0.5
    )
    # matplotlib puts labels at the very edge, too, where they are cut off.
    proposed = ax.clabel(lines, inline=False)
    fraction = (ax.transData + ax.transAxes.inverted()).transform
    places = [t.get_position() for t in proposed if np.all(np.abs(fraction(t.get_position()) - 0.5) < 0.5 - EDGE)]
    for text in proposed:
        text.remove()
    if places:
        ax.clabel(lines, fmt=written, fontsize=7, manual=places)
    if label:
        color_bar(ax.figure, filled, ax, label)
    ax.grid(False)
    return filled


def _colors(levels: Any) -> np.ndarray:
    """One colour per field between, below and above the levels: (len(levels) + 1, 4)."""
    field = np.arange(len(levels) + 1)
    if not levels[0] < 0 < levels[-1]:
        return mpl.colormaps[SEQUENTIAL](field / field[-1])
    side = field - np.searchsorted(levels, 0) - (0.5 if 0 in levels else 0)
    return mpl.colormaps[DIVERGING](0.5 + 0.5 * side / np.abs(side).max())


def normal_density(x: Any, mean: Any, variance: Any) -> Any:
    """The density of N(mean, variance)."""
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


@contextlib.contextmanager
def own_axes(ax: Any) -> Iterator[Axes]:
    """The axes given, or those of a new figure of pyplot, which notebooks show and `ax.figure.savefig` writes."""
    if not isinstance(ax, Axes | None):
        raise TypeError(
            f"ax must be one of matplotlib's Axes or None, got {ax!r}. Leave it out for a figure of its own."
        )
    with style():
        if ax is not None:
            yield ax
            return
        try:
            from matplotlib import pyplot as plt

            ax = plt.subplots(figsize=(NARROW, 2.6))[1]
        except ImportError:  # a backend that is not there, named in MPLBACKEND: it can still be saved
            ax = figure(width=NARROW, height=2.6)[1][0, 0]
        yield ax
        ax.figure.draw_without_rendering()  # ticks are made when they are first drawn: here, in this style
