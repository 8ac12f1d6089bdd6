"""The page's numbers, all from the library: the curve, the distinguished α, simulated points, the map."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check
from ..commands.options import ProblemOptions
from ..commands.phase_map import COLUMNS, SIZES, axis, compute
from ..moments import Moments, Optimum
from ..problem import NUMBERS, TransferProblem
from ..simulation.chain import TRIALS, levels_needed
from ..simulation.simulate import QUANTITIES, SimulatedMoments, compare, pick_method, simulate
from ..theory.published import optimal_alpha_published, predict_published
from ..theory.transfer import optimal_alpha, predict
from .state import MAPS, State

CURVE, POINTS, CELLS = 401, 25, 61
LONGEST = 2.0  # seconds that a simulation may hold the page up
IMPOSSIBLE = (ValueError, TypeError, ArithmeticError)  # what the library raises on numbers that cannot be
STEP = 6e-5  # seconds an eliminated variable takes for `TRIALS` trials, as measured on one core


@dataclass(frozen=True)
class Mark:
    """A distinguished α: its sign in the pictures, and what theory says there (None at infinity)."""

    name: str
    remark: str
    alpha: float
    at: Moments | None


@dataclass(frozen=True)
class Curve:
    """Theory over the range of α, and its distinguished values."""

    alpha: np.ndarray
    theory: Moments
    published: Moments | None
    best: Optimum
    marks: dict[str, Mark]


@dataclass(frozen=True)
class Simulated:
    """Simulated points over the range of α."""

    alpha: np.ndarray
    moments: SimulatedMoments
    max_abs_z: float


@dataclass(frozen=True)
class Plane:
    """A map: `values` (len(y), len(x)) over two parameters."""

    x: np.ndarray
    y: np.ndarray
    columns: dict[str, Any]
    shown: str

    @property
    def values(self) -> np.ndarray:
        """What the colour means: points of accuracy, α, or accuracy in per cent."""
        z = np.asarray(self.columns[self.shown])
        return np.clip(z, -1e6, 1e6) if self.shown == "best" else 100 * z


def curve(state: State) -> Curve:
    """Theory for the state's problem; raises what the library raises on impossible values."""
    problem, alpha = state.problem(), state.alphas(CURVE)
    own = check.real("alpha", state.alpha, -1e6, 1e6)
    best = optimal_alpha(problem)
    chosen = {
        "best": ("α*", "largest accuracy", best.best),
        "one": ("α = 1", "plain fine-tuning", 1.0),
        "zero": ("α = 0", "no transfer", 0.0),
        "own": ("your α", "", own),
        "worst": ("ᾱ", "no better than chance", best.worst),
        "least_risk": ("least risk", "smallest squared error", best.min_risk),
    }
    published = None
    if state.published:
        published = predict_published(problem, alpha)
        chosen["published"] = (
            "α* as published",
            "accuracy by the corrected form",
            optimal_alpha_published(problem).best,
        )
    marks = {key: Mark(name, remark, float(a), _at(problem, float(a))) for key, (name, remark, a) in chosen.items()}
    return Curve(alpha, predict(problem, alpha), published, best, marks)


def _at(problem: TransferProblem, alpha: float) -> Moments | None:
    return predict(problem, alpha) if abs(alpha) <= 1e12 else None


def simulated(state: State) -> Simulated:
    """Points from the chain sampler."""
    problem, alpha = state.problem(), state.alphas(POINTS)
    drawn = simulate(problem, alpha, n_trials=trials(state), method="chain")
    return Simulated(alpha, drawn, compare(predict(problem, alpha), drawn).max_abs)


def trials(state: State) -> int:
    """The number of trainings; ValueError where the chain does not apply, or they would take longer than `LONGEST`."""
    problem, count = state.problem(), check.size("trials", state.trials, low=2)
    pick_method(problem, "chain", "gaussian", "balanced", True)
    seconds = STEP * math.ceil(count / TRIALS) * _variables(problem)
    if seconds > LONGEST:
        raise ValueError(
            f"trials must be few enough for {LONGEST:g} s of simulation here, got {count} (about {seconds:.0f} s). "
            f"Take fewer, or larger penalties, or run rmt-alpha simulate."
        )
    return count


def _variables(problem: TransferProblem) -> int:
    """How many variables a trial eliminates."""
    target = 3 * levels_needed(problem.dim, problem.n_target, problem.gamma_target, 2)
    return target + 2 * levels_needed(problem.dim, problem.n_source, problem.gamma_source, 1)


def plane(state: State) -> Plane:
    """The map around the state's problem."""
    x, y = (check.choice(name, getattr(state, name), NUMBERS) for name in ("map_x", "map_y"))
    shown = check.choice("map_shows", state.map_shows, MAPS)
    if x == y:
        raise ValueError(f"map_y must be another parameter than map_x, got {y!r} twice. Choose two.")
    numbers = state.numbers()
    at = {name: axis(name, name, numbers[name], _limits(name, numbers[name]), "auto", CELLS) for name in (x, y)}
    return Plane(at[x], at[y], compute(ProblemOptions(**numbers), x, at[x], y, at[y]), shown)


def _limits(name: str, value: float) -> tuple[float, float]:
    """A range that stays put while the value moves within a decade, and holds it."""
    if name in SIZES:
        decade = 10.0 ** math.floor(math.log10(value))
        return max(decade / 10, 2 if name == "dim" else 1), 100 * decade
    if name == "beta":
        return -1.0, 1.0
    if name.startswith("gamma"):
        return (1e-2, 1e2) if value == 0 else (min(1e-2, value / 3), max(1e2, 3 * value))
    return (0.1, 3.0) if value <= 3 else (0.1, 1.5 * value)


def curve_csv(state: State) -> bytes:
    """Every curve and point of the picture, a row for each α; empty fields where a column means nothing."""
    shown = curve(state)
    parts: list[tuple[str, Any, Any]] = [("theory", shown.alpha, shown.theory)]
    if shown.published is not None:
        parts.append(("published", shown.alpha, shown.published))
    marks = [mark for mark in shown.marks.values() if mark.at is not None]
    parts += [(mark.name, np.array([mark.alpha]), mark.at) for mark in marks]
    if state.simulate:
        points = simulated(state)
        parts.append(("simulation", points.alpha, points.moments))
    columns = [*QUANTITIES, *(f"{q}_se" for q in QUANTITIES)]
    rows = []
    for form, alpha, law in parts:
        values = [np.broadcast_to(getattr(law, c, math.nan), alpha.shape) for c in columns]
        rows += [
            [form, *("" if math.isnan(v) else v for v in row)] for row in np.column_stack([alpha, *values]).tolist()
        ]
    return _csv(["form", "alpha", *columns], rows)


def map_csv(state: State) -> bytes:
    """The map, a row for each cell, with every column whatever is shown."""
    shown = plane(state)
    grids = np.broadcast_arrays(shown.x, shown.y[:, None], *shown.columns.values())
    return _csv([state.map_x, state.map_y, *COLUMNS], np.column_stack([g.ravel() for g in grids]).tolist())


def _csv(header: list[str], rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
