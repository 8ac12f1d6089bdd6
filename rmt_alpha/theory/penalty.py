"""The best penalties, with the best α inside: closed form over α, numerical over log γ and log γ̃."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from .. import _checks as check
from ..moments import ScoreForm, optimum
from ..problem import TransferProblem
from .transfer import transfer_form

BOUNDS = (1e-4, 1e4)
COARSE = 9  # points of the starting grid, for the target and for the sources together
OVER = ("target", "source", "both")


@dataclass(frozen=True)
class PenaltyOptimum:
    """The best penalties within the bounds.

    | field | meaning |
    |---|---|
    | `problem` | the problem with the best penalties |
    | `alpha` | the α that goes with them |
    | `accuracy` | the accuracy there |
    | `at_bound` | does a penalty lie at its bound? Then more of it would be better still |
    """

    problem: TransferProblem
    alpha: Any
    accuracy: float
    at_bound: bool


def optimal_penalty(
    problem: TransferProblem, over: str = "both", *, alpha: Any = None, bounds: tuple[float, float] = BOUNDS
) -> PenaltyOptimum:
    r"""Maximise the accuracy over penalties, and over α unless one is given.

    .. math:: \max_{γ,\,\tildeγ} \max_α \frac{m}{\sqrt V} = \max_{γ,\,\tildeγ} \sqrt{c^T M^{-1} c}

    `over` is "target" (γ), "source" (γ̃ of the last stage of each trained source) or "both"; the problem is scalar and its other
    penalties stay. Starts from the best point of a coarse grid, so that local maxima do little harm.
    Raises ValueError or TypeError, naming the parameter.

    >>> mean = np.r_[np.zeros(150), np.full(50, 0.2)]
    >>> problem = TransferProblem.from_means(
    ...     mean, mean, n_source=300, n_target=100, gamma_source=1.0, gamma_target=1.0, cov_target=np.geomspace(20, 0.2, 200)
    ... )
    >>> best = optimal_penalty(problem, over="target")
    >>> print(f"γ = {best.problem.gamma_target:.2f}, α = {best.alpha:.2f}, accuracy {best.accuracy:.4f}")
    γ = 1.75, α = 1.73, accuracy 0.8970
    """
    from scipy import optimize  # slow to import, and only this function needs it

    check.choice("over", over, OVER)
    if problem.shape:
        raise ValueError(f"problem must be scalar, got shape {problem.shape}. Iterate over problem.cells().")
    low, high = (float(check.real("bounds", b, low=1e-12)) for b in bounds)
    if not low < high:
        raise ValueError(f"bounds must be (low, high) with low < high, got {bounds}. Exchange them.")
    n_source = _trained(problem) if over != "target" else 0
    if over == "source" and not n_source:
        raise ValueError("problem must have a trained source to choose its penalty, got fixed ones. Use over='target'.")
    n_target = int(over != "source")
    box = (float(np.log(low)), float(np.log(high)))

    def cost(x: np.ndarray) -> float:
        return -_signal(transfer_form(_with_penalties(problem, n_target, np.exp(x))), alpha)[0]

    grid = np.linspace(*box, COARSE)
    starts = [np.repeat(x, [1] * n_target + [n_source] * (n_source > 0)) for x in _product(grid, n_target, n_source)]
    start = min(starts, key=cost)
    found = optimize.minimize(cost, start, bounds=[box] * len(start), method="L-BFGS-B", options={"gtol": 1e-9})
    x = found.x if found.fun < cost(start) else start
    best = _with_penalties(problem, n_target, np.exp(x))
    signal, at = _signal(transfer_form(best), alpha)
    at_bound = bool(np.any(np.minimum(x - box[0], box[1] - x) < 1e-3 * (box[1] - box[0])))
    return PenaltyOptimum(best, at, float(special.ndtr(signal)), at_bound)


def _product(grid: np.ndarray, n_target: int, n_source: int) -> Any:
    """Every pair of a target penalty and one that all sources share, of those that are free."""
    return itertools.product(grid, repeat=n_target + (n_source > 0))


def _trained(problem: TransferProblem) -> int:
    """How many source penalties there are to choose."""
    if problem.sources:
        return sum(s.is_trained for s in problem.sources)
    return int(problem.has_trained_source)


def _with_penalties(problem: TransferProblem, n_target: int, gammas: np.ndarray) -> TransferProblem:
    """The problem with the target's penalty (if n_target is 1) and then the trained sources' (if there are more) replaced."""
    target: dict[str, Any] = {"gamma_target": float(gammas[0])} if n_target else {}
    rest = iter(map(float, gammas[n_target:]))
    if len(gammas) == n_target:
        return dataclasses.replace(problem, **target)
    if not problem.sources:
        return dataclasses.replace(problem, **target, gamma_source=next(rest))
    sources = tuple(dataclasses.replace(s, gamma=next(rest)) if s.is_trained else s for s in problem.sources)
    return dataclasses.replace(problem, **target, sources=sources)


def _signal(form: ScoreForm, alpha: Any) -> tuple[float, Any]:
    """m/√V at α, or at the best one, and that α."""
    far = None
    if alpha is None:
        best = optimum(form)
        alpha, far = best.best, best.direction if best.at_infinity else None
    a = np.array([1.0, *np.atleast_1d(alpha)] if far is None else [0.0, *np.atleast_1d(far)])
    return float(a @ form.c / np.sqrt(a @ form.M @ a)), alpha
