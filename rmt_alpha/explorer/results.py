"""The page's numbers, all from the library, as tables for its pictures: the curve, simulated points, ranks, the map."""

from __future__ import annotations

import functools
import os
import tempfile
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from ..problem.numbers import axis, written
from ..results import compare
from ..sweep.phase_map import columns
from ..theory.low_rank import rank_path
from ..theory.optimum import optimal_alpha
from ..theory.predict import predict
from .state import IMPOSSIBLE, MANY, State

CURVE, COARSE, POINTS, CELLS = 301, 61, 25, 41
NEARLY_INFINITE, NEARLY_RIDGELESS = 1e12, 1e-9
LONGEST, TRIALS, LARGEST = 4.0, 1000, 2e7  # of a simulation: seconds, trainings, numbers in one training's rows
WANTED = "Choose two CSV files with a header, the same numeric columns and a column of labels, then press “Choose α”."


@dataclass(frozen=True)
class Shown:
    """Accuracy over α in words and tables: lines, the first the main one; distinguished α; points; a band."""

    words: tuple[str, ...]
    lines: pd.DataFrame = field(default_factory=pd.DataFrame)  # alpha, series, accuracy
    marks: pd.DataFrame = field(default_factory=pd.DataFrame)  # by key: name, remark, alpha, accuracy, said
    points: pd.DataFrame = field(default_factory=pd.DataFrame)  # alpha, series, accuracy, low, high
    band: pd.DataFrame = field(default_factory=pd.DataFrame)  # alpha, series, low, high


def _lines(alpha: np.ndarray, **accuracy: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"alpha": alpha, **accuracy}).melt("alpha", var_name="series", value_name="accuracy")


def _marks(**rows: tuple[str, str, float, float]) -> pd.DataFrame:
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["name", "remark", "alpha", "accuracy"])
    said = table["name"] + " = " + table["alpha"].map(written)
    return table.assign(said=said.where(~table["name"].str.contains("="), table["name"]))


@functools.lru_cache(maxsize=32)
def _theory(state: State) -> tuple[Any, pd.DataFrame, Any, list[str]]:
    """The problem, of two classes or of many; accuracy over α; its optimum; and what the library warned of."""
    problem: Any = state.fit() if state.tab == MANY else state.problem()
    alpha = np.linspace(state.alpha_low, state.alpha_high, CURVE)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        best = optimal_alpha(problem)
        if state.tab == MANY:  # each α costs an integral over K − 1 dimensions
            coarse = np.linspace(state.alpha_low, state.alpha_high, COARSE)
            accuracy = CubicSpline(coarse, predict(problem, coarse).accuracy)(alpha)
        else:
            accuracy = predict(problem, alpha).accuracy
    return problem, _lines(alpha, theory=accuracy), best, sorted({str(w.message) for w in told})


def curve(state: State) -> Shown:
    """Theory for a checked state. Dragged along the curve, α asks for no more than its own accuracy."""
    problem, lines, best, told = _theory(replace(state, alpha=0, simulate=False))
    own, one, zero = (float(predict(problem, a).accuracy) for a in (state.alpha, 1.0, 0.0))
    worst = {"worst": ("ᾱ", "no better than chance", best.zero, 0.5)} if state.tab != MANY else {}
    marks = _marks(
        best=("α*", "largest accuracy", float(best.alpha), best.accuracy),
        own=("your α", "", state.alpha, own),
        one=("α = 1", "plain fine-tuning", 1.0, one),
        zero=("α = 0", "no transfer", 0.0, zero),
        **worst,
    )
    where = "is approached as |α| grows" if best.at_infinity else f"at α* = {written(best.alpha, 4)}"
    less = f"α = 1 gives {100 * one:.1f} %, {100 * (best.accuracy - one):.1f} points less."
    return Shown((f"Accuracy {100 * best.accuracy:.1f} % {where}; {less}", *told), lines, marks)


def simulated(state: State) -> tuple[pd.DataFrame, str]:
    """As many trainings as time allows, and how far from theory: in standard errors, and in points beside O(1/p)."""
    from ..simulation.simulate import simulate  # here: the page draws its theory before it needs this

    problem, *_ = _theory(replace(state, alpha=0, simulate=False))
    method, probe = ("dense", 2) if state.tab == MANY else ("chain", 100)
    if method == "dense" and max(state.n_source, state.n_target) * state.dim > LARGEST:
        most = f"{LARGEST:g}/N to be simulated, got {state.dim:g}. Take fewer rows or features."
        raise ValueError(f"dim must be at most {most}")
    alpha = np.linspace(state.alpha_low, state.alpha_high, POINTS)
    start = time.perf_counter()
    simulate(problem, alpha, n_trials=probe, method=method)
    trials = int(min(max(LONGEST / (time.perf_counter() - start) * probe, 10), TRIALS))
    drawn, theory = simulate(problem, alpha, n_trials=trials, method=method), predict(problem, alpha)
    y, error, z = drawn.accuracy, drawn.accuracy_se, np.abs(compare(theory, drawn).accuracy).max()
    said = (
        f"Simulation, {trials} trainings: largest |z| of accuracy against theory {z:.1f}; largest distance "
        f"{100 * np.abs(y - theory.accuracy).max():.2f} points (theory is exact up to O(1/p), "
        f"here 1/p = {100 / state.dim:.2g} points)."
    )
    points = pd.DataFrame({"alpha": alpha, "accuracy": y, "low": y - error, "high": y + error})
    return points.assign(series="simulation"), said


def decide(files: dict[str, Any], label: str) -> tuple[Any, dict[str, str]]:
    """`choose_alpha` for two uploaded files, by name "source" and "target"; or what is wrong, by field."""
    from ..estimate import choose_alpha  # here: scikit-learn takes a second to import
    from ..estimate.tables import read_rows

    rows, name = {}, ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, file in files.items():
                if file is None:
                    raise ValueError(f"{name} must be a CSV file with a header, got none. Choose one.")
                path = Path(folder, Path(file.name).name)
                path.write_bytes(file.contents)
                rows[name] = read_rows(str(path), label)[:2]
            return choose_alpha(rows["source"], rows["target"]), {}
        except (OSError, *IMPOSSIBLE) as error:
            said = str(error).replace(folder + os.sep, "").replace("--label", "the field “label”")
    if (first := said.split()[0]) in files:
        return None, {first: said}
    where = "label" if f"column {label!r}" in said else name
    return None, {where: f"{where} cannot be used: {said}"}


def decided(decision: Any) -> Shown:
    """The curve of a decision: left-out rows with their band, theory from the rows' moments, and the verdict."""
    if decision is None:
        return Shown((WANTED,))
    of = decision.curve
    alpha = np.linspace(of.alpha[0], of.alpha[-1], CURVE)
    measured = {"left-out rows": of.accuracy} | ({} if of.theory is None else {"theory": of.theory})
    lines = _lines(alpha, **{name: np.interp(alpha, of.alpha, values) for name, values in measured.items()})

    def mark(name: str, at: str, alpha: float, remark: str = "") -> tuple[str, str, float, float]:
        found = decision.accuracy[at]
        return name, f"{remark}accuracy {found.percent()} % ({100 * decision.level:.0f} %)", alpha, found.value

    interval = "95 % interval {} to {}; ".format(*map(written, decision.interval))
    best = mark("α chosen", "chosen", decision.alpha, interval)
    marks = _marks(best=best, one=mark("α = 1", "1", 1.0), zero=mark("α = 0", "0", 0.0))
    band = pd.DataFrame({"alpha": of.alpha, "low": of.accuracy_low, "high": of.accuracy_high})
    return Shown((decision.verdict,), lines, marks, band=band.assign(series=f"{100 * of.level:.0f} % band"))


def rank_table(state: State, shown: Shown) -> pd.DataFrame:
    """Accuracy at every rank of the correction, at α*, at your α and at 1."""
    marks = shown.marks.loc[["best", "own", "one"]].replace({"name": {"α*": shown.marks.said.best}})
    marks = marks[marks["alpha"].abs() < NEARLY_INFINITE]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ties are said beside the curve
        path = rank_path(state.fit(), marks["alpha"].to_numpy()).accuracy
    at = pd.DataFrame(path, columns=list(marks["name"])).rename_axis("rank").reset_index()
    return at.melt("rank", var_name="series", value_name="accuracy").rename_axis("order").reset_index()


def plane(state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values across, values up, and what the map shows (up, across), shares in points."""
    x, y = (axis(name, float(getattr(state, name)), count=CELLS) for name in (state.map_x, state.map_y))
    # Nearly ridgeless for ridgeless: the map may cross n = p, where only the limit is defined.
    least = {name: max(getattr(state, name), NEARLY_RIDGELESS) for name in ("gamma_source", "gamma_target")}
    z = columns(state.problem(**least), **{state.map_x: x, state.map_y: y})[state.map_shows]
    return x, y, np.clip(z, -1e6, 1e6) if state.map_shows == "alpha" else 100 * z
