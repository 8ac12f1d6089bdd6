"""The page's numbers, all from the library: the curve, the distinguished α, simulated points, ranks, the map."""

from __future__ import annotations

import functools
import math
import os
import tempfile
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from ..problem.numbers import PARAMETERS, axis
from ..results import compare
from ..theory.low_rank import rank_path
from ..theory.optimum import optimal_alpha
from ..theory.predict import predict
from .state import IMPOSSIBLE, MANY, State

CURVE, COARSE, POINTS, CELLS = 301, 61, 25, 41
NEARLY_INFINITE, NEARLY_RIDGELESS = 1e12, 1e-9
LONGEST, TRIALS, LARGEST = 4.0, 1000, 2e7  # of a simulation: seconds, trainings, numbers in one training's rows


class Mark(NamedTuple):
    """A distinguished α, and the accuracy there."""

    key: str
    name: str
    remark: str
    alpha: float
    accuracy: float

    @property
    def said(self) -> str:
        return self.name if "=" in self.name else f"{self.name} = {number(self.alpha)}"


@dataclass(frozen=True)
class Curve:
    """Accuracy over α: lines by name, the first of them the main one; distinguished α; points and a band with errors."""

    alpha: np.ndarray
    lines: dict[str, np.ndarray]
    marks: tuple[Mark, ...]
    words: tuple[str, ...]
    points: pd.DataFrame = field(default_factory=pd.DataFrame)
    band: pd.DataFrame = field(default_factory=pd.DataFrame)

    def mark(self, key: str) -> Mark:
        return next(mark for mark in self.marks if mark.key == key)


@functools.lru_cache(maxsize=32)
def _theory(state: State) -> tuple[Any, np.ndarray, np.ndarray, Any, list[str]]:
    """The problem, of two classes or of many; accuracy over α; its optimum; and what the library warned of."""
    problem: Any = state.fit() if state.tab == MANY else state.problem()
    alpha = np.linspace(state.alpha_low, state.alpha_high, CURVE)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        best = optimal_alpha(problem)
        if state.tab == MANY:  # each α costs an integral over K − 1 dimensions
            accuracy = CubicSpline(
                coarse := np.linspace(alpha[0], alpha[-1], COARSE), predict(problem, coarse).accuracy
            )(alpha)
        else:
            accuracy = predict(problem, alpha).accuracy
    return problem, alpha, accuracy, best, sorted({str(w.message) for w in told})


def curve(state: State) -> Curve:
    """Theory for a checked state. Dragged along the curve, α asks for no more than its own accuracy."""
    problem, alpha, accuracy, best, told = _theory(replace(state, alpha=0, simulate=False))
    own, one, zero = (float(predict(problem, a).accuracy) for a in (state.alpha, 1.0, 0.0))
    marks = [
        Mark("best", "α*", "largest accuracy", float(best.alpha), float(best.accuracy)),
        Mark("own", "your α", "", float(state.alpha), own),
        Mark("one", "α = 1", "plain fine-tuning", 1.0, one),
        Mark("zero", "α = 0", "no transfer", 0.0, zero),
    ]
    if state.tab != MANY:
        marks.append(Mark("worst", "ᾱ", "no better than chance", float(best.zero), 0.5))
    where = "is approached as |α| grows" if best.at_infinity else f"at α* = {number(best.alpha, 4)}"
    less = f"α = 1 gives {100 * one:.1f} %, {100 * (best.accuracy - one):.1f} points less."
    return Curve(
        alpha, {"theory": accuracy}, tuple(marks), (f"Accuracy {100 * best.accuracy:.1f} % {where}; {less}", *told)
    )


def simulated(state: State) -> tuple[pd.DataFrame, str]:
    """As many trainings as the time allows, and how far from theory: in standard errors, and in points beside O(1/p)."""
    from ..simulation.simulate import simulate  # here: the page draws its theory before it needs this

    many = state.tab == MANY
    if many and max(state.n_source, state.n_target) * state.dim > LARGEST:
        raise ValueError(
            f"dim must be at most {LARGEST:g}/N to be simulated, got {state.dim:g}. Take fewer rows or features."
        )
    problem: Any = state.fit() if many else state.problem()
    alpha = np.linspace(state.alpha_low, state.alpha_high, POINTS)
    method, probe = ("dense", 2) if many else ("chain", 100)
    start = time.perf_counter()
    simulate(problem, alpha, n_trials=probe, method=method)
    trials = int(min(max(LONGEST / (time.perf_counter() - start) * probe, 10), TRIALS))
    drawn, theory = simulate(problem, alpha, n_trials=trials, method=method), predict(problem, alpha)
    y, error, z = drawn.accuracy, drawn.accuracy_se, np.abs(compare(theory, drawn).accuracy).max()
    said = (
        f"Simulation, {drawn.n_trials} trainings: largest |z| of accuracy against theory {z:.1f}; largest distance "
        f"{100 * np.abs(y - theory.accuracy).max():.2f} points (theory is exact up to O(1/p), here 1/p = {100 / state.dim:.2g} points)."
    )
    return pd.DataFrame({"alpha": alpha, "accuracy": y, "low": y - error, "high": y + error}), said


def decide(files: dict[str, Any], label: str) -> tuple[Any, dict[str, str]]:
    """`choose_alpha` for two uploaded files, "source" and "target", each with `name` and `contents`; or what is wrong, by field."""
    from ..estimate import choose_alpha  # here: scikit-learn takes a second to import
    from ..estimate.tables import read_rows

    rows: dict[str, Any] = {}
    for name, file in files.items():
        if file is None:
            return None, {name: f"{name} must be a CSV file with a header, got none. Choose one."}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(file.name).name)
            path.write_bytes(file.contents)
            try:
                rows[name] = read_rows(str(path), label)[:2]
            except (OSError, *IMPOSSIBLE) as error:
                said = str(error).replace(folder + os.sep, "").replace("--label", "the field “label column”")
                where = "label" if f"column {label!r}" in said else name
                return None, {where: f"{where} cannot be used: {said}"}
    try:
        return choose_alpha(rows["source"], rows["target"]), {}
    except IMPOSSIBLE as error:
        where = str(error).split()[0]
        return None, {where if where in rows else "target": str(error)}


def decided(decision: Any) -> Curve:
    """The curve of a decision: left-out rows with their band, theory from the rows' moments, and the verdict."""
    of, alpha = decision.curve, np.linspace(decision.curve.alpha[0], decision.curve.alpha[-1], CURVE)
    lines = {"left-out rows": np.interp(alpha, of.alpha, of.accuracy)}
    if of.theory is not None:
        lines["theory"] = np.interp(alpha, of.alpha, of.theory)

    def mark(key: str, name: str, at: str, alpha: float, remark: str = "") -> Mark:
        found = decision.accuracy[at]
        return Mark(
            key, name, f"{remark}accuracy {found.percent()} % ({100 * decision.level:.0f} %)", alpha, found.value
        )

    interval = "95 % interval {} to {}; ".format(*map(number, decision.interval))
    marks = (
        mark("best", "α chosen", "chosen", decision.alpha, interval),
        mark("one", "α = 1", "1", 1.0),
        mark("zero", "α = 0", "0", 0.0),
    )
    band = pd.DataFrame({"alpha": of.alpha, "low": of.accuracy_low, "high": of.accuracy_high})
    return Curve(alpha, lines, marks, (decision.verdict,), band=band)


def rank_table(state: State, shown: Curve) -> pd.DataFrame:
    """Accuracy at every rank of the correction, at α*, at your α and at 1."""
    marks = [mark for mark in shown.marks[:3] if abs(mark.alpha) < NEARLY_INFINITE]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ties are said beside the curve
        path = rank_path(state.fit(), [mark.alpha for mark in marks]).accuracy
    names = [mark.said if mark.key == "best" else mark.name for mark in marks]
    at = pd.DataFrame(path, columns=names).rename_axis("rank").reset_index()
    return at.melt("rank", var_name="series", value_name="accuracy")


def plane(state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values across, values up, and what the map shows (up, across)."""
    x, y = (axis(name, value, _limits(name, value), count=CELLS)
            for name in (state.map_x, state.map_y) for value in [float(getattr(state, name))])  # fmt: skip
    # Nearly ridgeless for ridgeless: the map may cross n = p, where only the limit is defined.
    least = {name: max(getattr(state, name), NEARLY_RIDGELESS) for name in ("gamma_source", "gamma_target")}
    cells = state.problem(**least | {state.map_x: x, state.map_y: y[:, None]})
    best = optimal_alpha(cells)
    if state.map_shows == "alpha":
        z = np.clip(best.alpha, -1e6, 1e6)
    else:
        base = {"accuracy": None, "gain_over_1": 1.0, "gain_over_0": 0.0}[state.map_shows]
        z = 100 * (best.accuracy - (0 if base is None else predict(cells, base).accuracy))
    return x, y, np.broadcast_to(z, (len(y), len(x)))


def _limits(name: str, value: float) -> tuple[float, float]:
    """A range that stays put while the value moves within a decade, and holds it."""
    if (span := PARAMETERS[name].span) is None:
        decade = 10.0 ** math.floor(math.log10(value))
        return max(decade / 10, PARAMETERS[name].low), 100 * decade
    return min(span[0], value or span[0]), max(span[1], value)


def number(value: float, digits: int = 3) -> str:
    """As people write it, with a real minus sign and ∞."""
    return f"{value:.{digits}g}".replace("inf", "∞").replace("-", "\N{MINUS SIGN}")
