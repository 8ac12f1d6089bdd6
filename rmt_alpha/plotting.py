"""One look for every figure: theory is a line, simulation a point with an error bar.

Colours are Okabe & Ito's (told apart by colour-blind readers); line styles and markers repeat the distinction, so that
pictures survive black-and-white print.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#E69F00")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (9, 3)), (0, (1, 1)), (0, (4, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.5,
    "lines.markersize": 4,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # TrueType: editors and arXiv can read the text
    "figure.constrained_layout.use": True,
    "mathtext.fontset": "dejavusans",
}


@contextmanager
def style() -> Iterator[None]:
    """The house style, for the figures made inside the block only."""
    with mpl.rc_context(STYLE):
        yield


def figure(columns: int = 1, rows: int = 1, width: float = 3.1, height: float = 2.6, **options: Any) -> tuple[Any, Any]:
    """A figure of `rows` × `columns` panels and its axes, always as an array (rows, columns); sizes in inches a panel."""
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **options)


def theory_line(ax: Any, x: Any, y: Any, index: int = 0, **options: Any) -> None:
    """A prediction."""
    ax.plot(x, y, **{"color": COLORS[index % 7], "linestyle": DASHES[index % 7], **options})


def simulation_points(ax: Any, x: Any, y: Any, se: Any, index: int = 0, **options: Any) -> None:
    """Simulated values with their standard errors."""
    defaults = {"color": COLORS[index % 7], "marker": MARKERS[index % 7], "markerfacecolor": "white"}
    ax.errorbar(x, y, yerr=se, **{**defaults, "linestyle": "none", "capsize": 2, "elinewidth": 0.9, **options})


def contour_map(ax: Any, x: Any, y: Any, z: Any, levels: Any, label: str = "", **options: Any) -> Any:
    """A filled map of z (len(y), len(x)) with labelled contours; luminance rises with z, so it prints in grey.

    Draws a colour bar if it has a label; else returns what `Figure.colorbar` needs to draw one for several maps.
    """
    filled = ax.contourf(x, y, z, levels=levels, cmap="cividis", extend="both", **options)
    # Dark fields get white lines, bright ones black.
    middle = (levels[0] + levels[-1]) / 2
    lines = ax.contour(
        x, y, z, levels=levels, colors=["white" if v < middle else "black" for v in levels], linewidths=0.6
    )
    ax.clabel(lines, fmt=lambda v: f"{v:.3g}", fontsize=6.5)
    if label:
        ax.figure.colorbar(filled, ax=ax, label=label)
    ax.grid(False)
    return filled


def normal_density(x: Any, mean: float, variance: float) -> Any:
    """The density of N(mean, variance)."""
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
