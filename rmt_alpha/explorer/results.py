"""The page's numbers, all from the library: the curve, the distinguished α, simulated points, the map."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..problem import TransferProblem
from ..problem.numbers import PARAMETERS, axis
from ..results import Moments, Optimum, compare
from ..theory.optimum import optimal_alpha
from ..theory.predict import predict
from ..theory.published import optimal_alpha_published, predict_published
from .state import State

CURVE, POINTS, CELLS = 301, 25, 41
NEARLY_INFINITE = 1e12
PROBE, LONGEST = 100, 5.0  # trials that say how long the others will take; seconds that they may


@dataclass(frozen=True)
class Mark:
    """A distinguished α, and what theory says there (None at infinity)."""

    key: str
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
    marks: tuple[Mark, ...]

    def mark(self, key: str) -> Mark:
        return next(mark for mark in self.marks if mark.key == key)


def curve(state: State) -> Curve:
    """Theory for a checked state."""
    problem, alpha = state.problem(), state.alphas(CURVE)
    best = optimal_alpha(problem)
    chosen = [
        ("best", "α*", "largest accuracy", best.alpha),
        ("own", "your α", "", state.alpha),
        ("one", "α = 1", "plain fine-tuning", 1.0),
        ("zero", "α = 0", "no transfer", 0.0),
        ("worst", "ᾱ", "no better than chance", best.zero),
        ("least_risk", "least risk", "smallest squared error", best.least_risk),
    ]
    if state.published:
        chosen.append(
            ("published", "α* as published", "judged by the corrected form", optimal_alpha_published(problem))
        )
    marks = tuple(Mark(key, name, remark, float(a), _at(problem, float(a))) for key, name, remark, a in chosen)
    return Curve(
        alpha, predict(problem, alpha), predict_published(problem, alpha) if state.published else None, best, marks
    )


def _at(problem: TransferProblem, alpha: float) -> Moments | None:
    return predict(problem, alpha) if abs(alpha) <= NEARLY_INFINITE else None


@dataclass(frozen=True)
class Simulated:
    """Simulated points over the range of α: how far from theory, in standard errors and in points of accuracy."""

    moments: Moments
    max_abs_z: float
    distance: float


def simulated(state: State) -> Simulated:
    """Points from the exact sampler; both penalties must be positive."""
    from ..simulation.simulate import simulate  # here: the page draws its theory before it needs this

    problem, alpha = state.problem(), state.alphas(POINTS)
    start = time.perf_counter()
    simulate(problem, alpha, n_trials=PROBE, method="chain")
    seconds = (time.perf_counter() - start) * int(state.trials) / PROBE
    if seconds > LONGEST:
        raise ValueError(
            f"trials must be few enough for {LONGEST:g} s, got {state.trials:g} (about {seconds:.0f} s). Take fewer, or larger penalties."
        )
    drawn = simulate(problem, alpha, n_trials=int(state.trials), method="chain")
    theory = predict(problem, alpha)
    distance = float(np.max(np.abs(drawn.accuracy - theory.accuracy)))
    return Simulated(drawn, compare(theory, drawn).max_abs, 100 * distance)


@dataclass(frozen=True)
class Plane:
    """A map over two parameters; each column is (len(y), len(x))."""

    x: np.ndarray
    y: np.ndarray
    columns: dict[str, np.ndarray]


def plane(state: State) -> Plane:
    """The map around the state's problem: α* and accuracies in points."""
    x, y = (
        axis(name, getattr(state, name), _limits(name, getattr(state, name)), count=CELLS)
        for name in (state.map_x, state.map_y)
    )
    cells = state.problem(**{state.map_x: x, state.map_y: y[:, None]})
    best = optimal_alpha(cells)
    one, zero = (predict(cells, alpha).accuracy for alpha in (1.0, 0.0))
    columns = {
        "alpha": np.clip(best.alpha, -1e6, 1e6),
        "accuracy": 100 * best.accuracy,
        "gain_over_1": 100 * (best.accuracy - one),
        "gain_over_0": 100 * (best.accuracy - zero),
    }
    return Plane(x, y, {name: np.broadcast_to(z, (len(y), len(x))) for name, z in columns.items()})


def _limits(name: str, value: float) -> tuple[float, float]:
    """A range that stays put while the value moves within a decade, and holds it."""
    parameter = PARAMETERS[name]
    if parameter.is_size:
        decade = 10.0 ** math.floor(math.log10(value))
        return max(decade / 10, parameter.low), 100 * decade
    low, high = parameter.span or (0.0, 1.0)
    if name == "beta":
        return low, high
    return (min(low, value / 2) or low) if value else low, max(high, 1.5 * value)


def curve_csv(state: State) -> bytes:
    """Every curve and point of the picture, one row per α."""
    shown = curve(state)
    parts: list[tuple[str, Any, Any]] = [("theory", shown.alpha, shown.theory)]
    if shown.published is not None:
        parts.append(("published", shown.alpha, shown.published))
    parts += [(mark.name, mark.alpha, mark.at) for mark in shown.marks if mark.at is not None]
    if state.simulate:
        parts.append(("simulation", state.alphas(POINTS), simulated(state).moments))
    names = [name + suffix for suffix in ("", "_se") for name in ("mean", "variance", "accuracy", "risk")]
    frames = []
    for form, alpha, at in parts:
        columns = {name: getattr(at, name) for name in names if getattr(at, name) is not None}
        frames.append(pd.DataFrame({"form": form, "alpha": np.atleast_1d(alpha), **columns}))
    return pd.concat(frames).to_csv(index=False).encode()


def map_csv(state: State) -> bytes:
    """The map, one row per cell, with every column whatever is shown."""
    shown = plane(state)
    x, y = np.meshgrid(shown.x, shown.y)
    data = {state.map_x: x, state.map_y: y, **shown.columns}
    return pd.DataFrame({name: np.ravel(z) for name, z in data.items()}).to_csv(index=False).encode()
