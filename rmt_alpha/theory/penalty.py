"""The best penalties, with the best α inside."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import in_numpy
from ..problem import Fit, Group, TransferProblem, checked_problem
from ..results import PenaltyOptimum, checked_alpha
from .optimum import optimal_alpha
from .predict import Problem, predict

BOUNDS = (1e-4, 1e4)
COARSE = 13  # points per penalty of the starting grid
OVER = ("target", "source", "both")
SHARPEST = 1e-7  # of log γ


def optimal_penalty(
    problem: Problem,
    over: str = "both",
    *,
    alpha: Any = None,
    bounds: tuple[float, float] = BOUNDS,
    threshold: str = "zero",
) -> PenaltyOptimum:
    r"""Maximise the accuracy (regression: minimise the risk) over penalties, and over α unless one is given.

    .. math:: \max_{γ,\,\tildeγ} \max_α \mathrm{accuracy}

    `over` is "target" (γ), "source" (γ of every start that is a fit) or "both"; the problem is scalar, its other
    penalties stay. Starts from the best point of a coarse grid in log γ, so that local maxima do little harm. Raises
    ValueError or TypeError, naming the parameter.

    >>> mean = np.r_[np.zeros(150), np.full(50, 0.2)]
    >>> fit = TransferProblem.from_means(
    ...     mean, mean, n_source=300, n_target=100, gamma_source=1.0, gamma_target=1.0, cov_target=np.geomspace(20, 0.2, 200)
    ... )
    >>> best = optimal_penalty(fit, over="target")
    >>> print(f"γ = {best.problem.gamma:.2f}, α = {best.alpha:.2f}, accuracy {best.accuracy:.4f}")
    γ = 1.75, α = 1.73, accuracy 0.8970
    """
    from scipy import optimize  # slow to import, and only this function needs it

    check.choice("over", over, OVER)
    if checked_problem(problem).shape:
        raise ValueError(f"problem must be scalar, got shape {problem.shape}. Iterate over problem.cells().")
    if alpha is not None and problem.leading_axes(checked_alpha(problem, alpha)):
        raise ValueError(f"alpha must be one value for the problem, got shape {np.shape(alpha)}. Ask for each of them.")
    ends = np.ravel(check.real("bounds", bounds, low=1e-12)).tolist()
    if np.shape(bounds) != (2,) or not ends[0] < ends[1]:
        raise ValueError(f"bounds must be (low, high) with low < high, got {bounds!r:.60}.")
    low, high = ends
    problem, alpha = in_numpy(problem), in_numpy(alpha)
    n_source = _trained(problem) if over != "target" else 0
    if over == "source" and not n_source:
        raise ValueError("problem must have a trained start to choose its penalty, got none. Use over='target'.")
    n_target = int(over != "source")
    box = (float(np.log(low)), float(np.log(high)))

    def at(x: np.ndarray) -> Problem:  # clipped again, for exp(log(high)) may be more than high
        return _with_penalties(problem, n_target, np.clip(np.exp(np.clip(x, *box)), low, high))

    def ask(x: np.ndarray) -> tuple[Any, float | None, float]:
        return _best(at(x), alpha, threshold)

    def cost(x: np.ndarray) -> float:
        _, accuracy, risk = ask(x)
        return risk if accuracy is None else -accuracy

    grid = np.linspace(*box, COARSE)
    shared = n_target + (n_source > 0)  # all sources start from one penalty
    spread_out = lambda x: np.repeat(x, [1] * n_target + [n_source] * (n_source > 0))  # noqa: E731
    start = spread_out(min(itertools.product(grid, repeat=shared), key=lambda x: cost(spread_out(np.array(x)))))
    step = grid[1] - grid[0]
    if len(start) == 1:
        bounds_1d = max(start[0] - step, box[0]), min(start[0] + step, box[1])
        run = optimize.minimize_scalar(
            lambda x: cost(np.array([x])), bounds=bounds_1d, method="bounded", options={"xatol": SHARPEST}
        )
        x = np.array([run.x])
    else:
        simplex = np.vstack([start, start + np.diag(np.where(start + step <= box[1], step, -step)) / 2])
        options = {"initial_simplex": simplex, "xatol": SHARPEST, "fatol": 1e-15, "maxiter": 2000}
        x = optimize.minimize(cost, start, method="Nelder-Mead", bounds=[box] * len(start), options=options).x
    x = min(
        [
            x,
            start,
            np.clip(np.where(np.abs(x - box[0]) < 1e-3, box[0], np.where(np.abs(x - box[1]) < 1e-3, box[1], x)), *box),
        ],
        key=cost,
    )
    best_alpha, accuracy, risk = ask(x)
    at_bound = "lower" if np.any(x - box[0] < 1e-3) else "upper" if np.any(box[1] - x < 1e-3) else None
    return PenaltyOptimum(at(x), best_alpha, accuracy, risk, at_bound)


def _trained(problem: Problem) -> int:
    """How many source penalties there are to choose."""
    return 1 if isinstance(problem, TransferProblem) else sum(isinstance(s, Fit) for s in _sources(problem))


def _sources(fit: Fit) -> list[Any]:
    return list({id(s): s for s in (s.start if isinstance(s, Group) else s for s in fit.starts)}.values())


def _with_penalties(problem: Problem, n_target: int, gammas: np.ndarray) -> Problem:
    """The problem with the target's penalty (if n_target is 1) and then the trained starts' (if there are more)
    replaced.
    """
    target = float(gammas[0]) if n_target else None
    rest = list(map(float, gammas[n_target:]))
    if isinstance(problem, TransferProblem):
        changes = {"gamma_target": target} if target is not None else {}
        return dataclasses.replace(problem, **changes, **({"gamma_source": rest[0]} if rest else {}))
    changed = {}
    for source in _sources(problem):
        changed[id(source)] = (
            dataclasses.replace(source, gamma=rest.pop(0)) if rest and isinstance(source, Fit) else source
        )
    starts = [Group(changed[id(s.start)], s.mask) if isinstance(s, Group) else changed[id(s)] for s in problem.starts]
    return dataclasses.replace(problem, starts=starts, gamma=problem.gamma if target is None else target)


def _best(problem: Problem, alpha: Any, threshold: str) -> tuple[Any, float | None, float]:
    """α, given or the best, and accuracy and risk there."""
    if alpha is not None or not problem.n_alpha:
        found = predict(problem, alpha, threshold=threshold)
        return alpha, found.accuracy, found.risk
    best = optimal_alpha(problem, threshold=threshold)
    return best.alpha, best.accuracy, best.risk
