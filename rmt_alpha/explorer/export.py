"""The figure for paper: the Python lines that make it, and the file that these very lines make."""

from __future__ import annotations

import io
from typing import Any

from ..commands.options import SYMBOLS
from ..commands.phase_map import SIZES, has_log_axis
from ..problem import NUMBERS
from . import results
from .pictures import LEVELS
from .state import State

CURVE = """
alpha = np.linspace({low!r}, {high!r}, {count})
theory, best = predict(problem, alpha), optimal_alpha(problem)
with plotting.style():
    fig, axes = plotting.figure(columns=3, width=3.4, height=2.9)
    curve, scores, plane = axes[0]
    plotting.theory_line(curve, alpha, theory.accuracy, label="theory")
"""
PUBLISHED = """\
    plotting.theory_line(curve, alpha, predict_published(problem, alpha).accuracy, 1, label="published code")
"""
SIMULATION = """\
    points = np.linspace({low!r}, {high!r}, {count})
    drawn = simulate(problem, points, n_trials={trials}, method="chain")
    plotting.simulation_points(curve, points, drawn.accuracy, drawn.accuracy_se, 5, label="simulation")
"""
MARKS = """\
    for name, a, sign in (("α*", best.best, "*"), ("ᾱ", best.worst, "x"), ("α = 1", 1, "s"), ("α = 0", 0, "o")):
        if alpha[0] <= a <= alpha[-1]:
            curve.plot(a, predict(problem, a).accuracy, sign, color="black", label=name if "=" in name else f"{{name}} = {{a:.3g}}")
    curve.set(xlabel="α", ylabel="accuracy (signed)")
    curve.legend()

    x = np.linspace(-6, 6, 241)
    for i, a in enumerate((best.best, {own!r}, 1.0, 0.0)):
        if np.isfinite(a):
            at = predict(problem, a)
            snr = at.mean / np.sqrt(at.variance)
            plotting.theory_line(scores, x, plotting.normal_density(x, snr, 1), i, label=f"α = {{a:.3g}}")
            plotting.theory_line(scores, x, plotting.normal_density(x, -snr, 1), i, alpha=0.4)
    scores.set(xlabel="score of y = ±1 (faint: −1), in its s.d.", ylabel="density")
    scores.legend()
"""
PLANE = """
    x, y = {x}, {y}
    cells = replace(problem, {map_x}=x, {map_y}=y[:, None])
    shown = {formula}
    levels = {levels}
    filled = plotting.contour_map(plane, x, y, shown, levels, norm=BoundaryNorm(levels, 256, extend="both"))
    plane.plot(problem.{map_x}, problem.{map_y}, "o", color="tab:red", markeredgecolor="white", markersize=7)
    plane.set(xlabel="{xlabel}", ylabel="{ylabel}", xscale="{xscale}", yscale="{yscale}")
    fig.colorbar(filled, ax=plane, ticks=levels, label="{label}")
    fig.suptitle("{title}", fontsize=7.5)
"""
SAVE = """\
    fig.savefig("explorer.pdf", metadata={"CreationDate": None})  # no date: the same lines give the same bytes
"""
FORMULAS = {
    "gain_over_1": "100 * (optimal_alpha(cells).accuracy - predict(cells, 1.0).accuracy)",
    "gain_over_0": "100 * (optimal_alpha(cells).accuracy - predict(cells, 0.0).accuracy)",
    "best": "np.clip(optimal_alpha(cells).best, -1e6, 1e6)",
    "accuracy": "100 * optimal_alpha(cells).accuracy",
}


def python_lines(state: State) -> str:
    """A script that draws the page's figure with the library alone and saves it; raises on impossible values."""
    numbers, alpha = state.numbers(), state.alphas(results.CURVE).tolist()
    names = ["TransferProblem", "optimal_alpha", "plotting", "predict"] + (["simulate"] if state.simulate else [])
    head = [
        "from dataclasses import replace",
        "",
        "import numpy as np",
        "from matplotlib.colors import BoundaryNorm",
        "",
    ]
    head.append(f"from rmt_alpha import {', '.join(names)}")
    if state.published:
        head.append("from rmt_alpha.theory.published import predict_published")
    given = [f"    {name}={numbers[name]!r}," for name in NUMBERS]
    ends = {"low": alpha[0], "high": alpha[-1]}
    body = CURVE.format(**ends, count=results.CURVE)
    if state.published:
        body += PUBLISHED
    if state.simulate:
        body += SIMULATION.format(**ends, count=results.POINTS, trials=results.trials(state))
    body += MARKS.format(own=float(state.alpha)) + _plane(state, numbers)
    return "\n".join([*head, "", "problem = TransferProblem(", *given, ")"]) + body + SAVE


def _plane(state: State, numbers: dict[str, Any]) -> str:
    shown = results.plane(state)
    label, levels = LEVELS[shown.shown]
    x, y = state.map_x, state.map_y
    return PLANE.format(
        map_x=x,
        map_y=y,
        x=_values(x, shown.x),
        y=_values(y, shown.y),
        formula=FORMULAS[shown.shown],
        levels=levels,
        label=label,
        xlabel=f"{SYMBOLS[x]} ({x})",
        ylabel=f"{SYMBOLS[y]} ({y})",
        xscale="log" if has_log_axis(x) else "linear",
        yscale="log" if has_log_axis(y) else "linear",
        title=", ".join(f"{SYMBOLS[name]} = {value:.6g}" for name, value in numbers.items()),
    )


def _values(name: str, at: Any) -> str:
    """The expression for a map's axis."""
    spaced = "geomspace" if has_log_axis(name) else "linspace"
    values = f"np.{spaced}({float(at[0])!r}, {float(at[-1])!r}, {results.CELLS})"
    return f"np.unique(np.round({values}))" if name in SIZES else values


def figure(state: State, kind: str) -> bytes:
    """The figure as "pdf" or "png": the lines but the last are run, so that what is exported is what they make."""
    names: dict[str, Any] = {}
    exec(compile(python_lines(state).removesuffix(SAVE), "<explorer>", "exec"), names)
    file = io.BytesIO()
    with names["plotting"].style():
        names["fig"].savefig(file, format=kind, metadata={"CreationDate": None} if kind == "pdf" else None)
    names["plotting"].plt.close(names["fig"])
    return file.getvalue()
