"""`map`: α* and what it gains, over two parameters, as a picture and the numbers behind it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from .. import _checks as check
from ..problem import NUMBERS
from ..theory.transfer import optimal_alpha, predict
from .options import EXAMPLE, SYMBOLS, Count, Number, Problem, ProblemOptions, as_json

SIZES = ("n_source", "n_target", "dim")
RANGES = {"mu": (0.1, 3.0), "mu_orth": (0.1, 3.0), "beta": (-1.0, 1.0), "gamma_source": (1e-2, 1e2)}
RANGES["gamma_target"] = RANGES["gamma_source"]
GAINS = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)  # points
ALPHAS = (-10, -5, -2, -1, 0, 0.5, 1, 1.5, 2, 5, 10)
COLUMNS = ("best", "accuracy", "accuracy_at_1", "accuracy_at_0", "gain_over_1", "gain_over_0")
SUFFIXES = (".csv", ".pdf", ".png")

Scale = Literal["auto", "linear", "log"]
Range = Annotated[tuple[Number, Number] | None, tyro.conf.arg(metavar="LOW HIGH")]


def phase_map(
    x: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="X")],
    y: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="Y")],
    /,
    problem: Problem = EXAMPLE,
    x_range: Range = None,
    y_range: Range = None,
    x_scale: Scale = "auto",
    y_scale: Scale = "auto",
    cells: Count = 81,
    out: Path = Path("phase_map"),
    json: bool = False,
) -> str:
    """Theory: α* and its gain over α = 1 over two parameters; writes OUT.csv, OUT.pdf and OUT.png.

    Args:
        x: Parameter along the horizontal axis: n-source, n-target, dim, mu, mu-orth, beta, gamma-source or gamma-target.
        y: Parameter along the vertical axis.
        x_range: From, to, in the parameter's unit. Default: a 30th to 30 times the size, penalties 0.01 … 100, means 0.1 … 3, β −1 … 1.
        y_range: The same for the vertical axis.
        x_scale: Spacing; auto: log for sizes and penalties, linear for the others.
        y_scale: The same for the vertical axis.
        cells: Values along each axis; a count, at least 2. Sizes are rounded to whole numbers.
        out: Where to write, without a suffix.
        json: The files' names and a summary as one line of JSON.
    """
    x, y = _name("x", x), _name("y", y)
    if x == y:
        raise ValueError(f"y must be another parameter than x, got {y!r} twice. Name two.")
    count = check.size("cells", cells, low=2)
    at_x = axis("x", x, getattr(problem, x), x_range, x_scale, count)
    at_y = axis("y", y, getattr(problem, y), y_range, y_scale, count)
    values = compute(problem, x, at_x, y, at_y)
    stem = str(out.with_suffix("") if out.suffix in SUFFIXES else out)
    paths = [f"{stem}{suffix}" for suffix in SUFFIXES]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with open(paths[0], "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow((x, y, *COLUMNS))
            grids = np.broadcast_arrays(at_x, at_y[:, None], *values.values())
            writer.writerows(np.column_stack([grid.ravel() for grid in grids]).tolist())
        is_log = has_log_axis(x, x_scale), has_log_axis(y, y_scale)
        draw(paths[1:], x, at_x, y, at_y, values, is_log, _caption(problem, x, y))
    except OSError as error:
        raise OSError(f"out must be a place that can be written to, got '{out}': {error}. Choose another.") from error
    hurts = float(np.mean(values["accuracy_at_1"] < values["accuracy_at_0"]))
    gain = float(np.max(values["gain_over_1"]))
    if json:
        return as_json(files=paths, x=x, y=y, shape=list(values["best"].shape), largest_gain=gain, share_1_hurts=hurts)
    summary = f"α* gains up to {100 * gain:.2f} points over α = 1, which is worse than α = 0 on {100 * hurts:.0f} % of the map"
    return "\n".join([*paths, summary])


def axis(which: str, name: str, value: float, limits: Any, scale: str, cells: int) -> np.ndarray:
    """The increasing values of a parameter."""
    if limits is None:
        limits = (max(value / 30, 2 if name == "dim" else 1), value * 30) if name in SIZES else RANGES[name]
    low, high = limits
    is_log = has_log_axis(name, scale)
    if not (np.isfinite(low) and np.isfinite(high) and low < high) or (is_log and low <= 0):
        needs = "0 < low < high (or --" + which + "-scale linear)" if is_log else "low < high"
        raise ValueError(f"{which}_range must be two finite numbers with {needs}, got {low:g} {high:g}.")
    values = np.geomspace(low, high, cells) if is_log else np.linspace(low, high, cells)
    if name in SIZES:
        values = np.unique(np.round(values))
        if len(values) < 2:
            raise ValueError(f"{which}_range must hold two whole numbers at least, got {low:g} {high:g}. Widen it.")
    return values


def compute(problem: ProblemOptions, x: str, at_x: np.ndarray, y: str, at_y: np.ndarray) -> dict[str, Any]:
    """The columns of the map, each (len(y), len(x))."""
    made = problem.problem(**{x: at_x, y: at_y[:, None]})
    best = optimal_alpha(made)
    zero, one = (predict(made, alpha).accuracy for alpha in (0.0, 1.0))
    columns = (best.best, best.accuracy, one, zero, best.accuracy - one, best.accuracy - zero)
    return dict(zip(COLUMNS, columns, strict=True))


def draw(
    paths: list[str], x: str, at_x: Any, y: str, at_y: Any, values: Any, is_log: tuple[bool, bool], caption: str
) -> None:
    """Two panels, gain and α*, in every format asked for."""
    from matplotlib import pyplot as plt  # here: a second that only pictures should pay
    from matplotlib.colors import BoundaryNorm

    from .. import plotting

    with plotting.style():
        fig, axes = plotting.figure(columns=2, width=3.6, height=3.0, sharey=True)
        panels = {
            "gain over α = 1 (points)": (100 * values["gain_over_1"], GAINS),
            "α*": (np.clip(values["best"], -1e6, 1e6), ALPHAS),
        }
        for ax, (title, (z, levels)) in zip(axes[0], panels.items(), strict=True):
            # As many shades for a small step as for a large one.
            norm = BoundaryNorm(levels, 256, extend="both")
            filled = plotting.contour_map(ax, at_x, at_y, z, levels, norm=norm)
            fig.colorbar(filled, ax=ax, ticks=levels)
            ax.set(title=title, xlabel=f"{SYMBOLS[x]} ({x})")
            ax.set_xscale("log" if is_log[0] else "linear")
            ax.set_yscale("log" if is_log[1] else "linear")
        axes[0][0].set_ylabel(f"{SYMBOLS[y]} ({y})")
        fig.suptitle(caption, fontsize=7.5)
        for path in paths:
            # No dates in the file: the same map gives the same bytes.
            fig.savefig(path, metadata={"CreationDate": None} if path.endswith("pdf") else None)
        plt.close(fig)


def _name(which: str, text: str) -> str:
    return check.choice(which, text.replace("-", "_"), NUMBERS)


def has_log_axis(name: str, scale: str = "auto") -> bool:
    """Is the parameter spaced by ratios? By default sizes and penalties are."""
    return scale == "log" or (scale == "auto" and (name in SIZES or name.startswith("gamma")))


def _caption(problem: ProblemOptions, x: str, y: str) -> str:
    return ", ".join(f"{SYMBOLS[k]} = {getattr(problem, k):.10g}" for k in NUMBERS if k not in (x, y))
