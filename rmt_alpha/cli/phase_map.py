"""`map`: α* and what it gains, over two parameters, as a picture and the numbers behind it."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from .. import _checks as check
from ..files import write_whole
from ..problem import NUMBERS
from ..problem.numbers import axis, is_log_axis
from ..sweep.phase_map import columns
from .options import EXAMPLE, Count, Number, Problem, as_json, progress, writing

SUFFIXES = (".csv", ".pdf", ".png")
MOST_CELLS = 2000  # along an axis

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
        x_range: From, to. Default: sizes 0.1 … 100 times their power of ten, penalties 0.01 … 100, means 0.1 … 3, β −1 … 1, or wider.
        y_range: The same for the vertical axis.
        x_scale: Spacing; auto: log for sizes and penalties, linear for the others.
        y_scale: The same for the vertical axis.
        cells: Values along each axis; a count, 2 … 2000. Sizes are rounded to whole numbers.
        out: Where to write, without a suffix.
        json: The files' names and a summary as one line of JSON.
    """
    x, y = _name("X", x), _name("Y", y)
    if x == y:
        raise ValueError(f"Y must be another parameter than X, got {x!r} twice. Name two.")
    count = check.whole("cells", cells, 2, MOST_CELLS, "A picture shows no more.")
    made = problem.problem()
    at_x = axis(x, getattr(problem, x), x_range, x_scale, count, which="x_range")
    at_y = axis(y, getattr(problem, y), y_range, y_scale, count, which="y_range")
    rows = []
    with progress("map") as told:
        for done, value in enumerate(at_y, start=1):
            rows.append(columns(made, **{x: at_x, y: np.array([value])}))
            told(done, count)
    values = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    stem = str(out.expanduser().with_suffix("") if out.suffix in SUFFIXES else out.expanduser())
    paths = [f"{stem}{suffix}" for suffix in SUFFIXES]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow((x, y, *values))
    grids = np.broadcast_arrays(at_x, at_y[:, None], *values.values())
    writer.writerows(np.column_stack([grid.ravel() for grid in grids]).tolist())
    with writing(out):
        write_whole(paths[0], text.getvalue().encode())
        is_log = is_log_axis(x, x_scale), is_log_axis(y, y_scale)
        draw(paths[1:], made, x, at_x, y, at_y, values, is_log)
    hurts = float(np.mean(values["accuracy_at_1"] < values["accuracy_at_0"]))
    gain = float(np.max(values["gain_over_1"]))
    if json:
        return as_json(files=paths, x=x, y=y, shape=list(values["alpha"].shape), largest_gain=gain, share_1_hurts=hurts)
    summary = f"α* gains up to {100 * gain:.2f} points over α = 1, which is worse than α = 0 on {100 * hurts:.0f} % of the map"
    return "\n".join([*paths, summary])


def draw(paths: list[str], made: Any, x: str, at_x: Any, y: str, at_y: Any, values: Any, log: Any) -> None:
    """Two panels, gain and α*, in every format asked for."""
    from .. import plotting  # here: a second that only pictures should pay

    with plotting.style():
        fig, axes = plotting.figure(columns=2, height=2.8, sharey=True)
        for ax, show, z in zip(axes[0], ("gain", "alpha"), (100 * values["gain_over_1"], values["alpha"]), strict=True):
            plotting.phase_panel(ax, x, at_x, y, at_y, z, show, log=log)
            ax.label_outer()
        fig.suptitle(plotting.numbers_title(dataclasses.replace(made, **{x: at_x, y: at_y[:, None]})), fontsize=7.5)
        for path in paths:
            write_whole(path, plotting.to_bytes(fig, path.rpartition(".")[2]))


def _name(which: str, text: str) -> str:
    """A number of the problem, as options are spelled."""
    return check.choice(which, text.replace("_", "-"), tuple(name.replace("_", "-") for name in NUMBERS)).replace(
        "-", "_"
    )
