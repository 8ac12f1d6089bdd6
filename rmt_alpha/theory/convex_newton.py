"""Newton's method on the fixed points of convex losses, many at once, with ways out where it gets stuck."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .._arrays import compiled, jax, namespace
from ..problem import Loss
from .convex_equations import Labels, Matrix, System, intercept, labels_alone, residual, same_score, states
from .stage import LOST, lost_scores

TOLERANCE = 1e-10
NEARLY_LOST = 1e-9  # of the intercept: scores whose fixed point may be lost in its rounding
LAST_STEP = 2e-5  # in logarithms and ratios: what such a step leaves is of the order of its square
STEPS = 80
LONGEST_STEP = 3.0
SHORTEST_STEP = 1e-3
# Paths in the penalty, from 10⁴ times its value: each finer than the one before.
FARTHEST_PENALTY = 4.0
PENALTY_PATHS = (8, 16, 32, 128)


def fixed_point(system: System, labels: Labels, loss: Loss, start: Any = None, last_step: float = LAST_STEP) -> Any:
    """The states (B, D) of B trainings. A `start` is that of neighbouring problems.

    Where Newton's method gets stuck, the state is followed down from larger penalties, under which training changes little.
    Raises ArithmeticError, naming the residual, if that does not settle either.
    """
    if system.xp is np and len(system.n) > system.at_once:
        parts = np.array_split(np.arange(len(system.n)), -(-len(system.n) // system.at_once))
        known = [None if start is None else start[rows] for rows in parts]
        return np.concatenate(
            [fixed_point(system.take(rows), labels, loss, x, last_step) for rows, x in zip(parts, known, strict=True)]
        )
    first = near_squared(system, labels, loss) if start is None else [start]
    x, size = newton(system, labels, loss, first, last_step)
    if system.xp is not np:
        return x
    failed = np.flatnonzero(~(size < TOLERANCE))
    with np.errstate(all="ignore"):
        if len(failed):
            part = system.take(failed)
            ends = extremes(part, labels, loss)
            _require_scores(labels, ends[-1], part.gamma)
            more = [*ends, *(near_squared(part, labels, loss) if start is not None else [])]
            x[failed], size[failed] = newton(part, labels, loss, more)
        for steps in PENALTY_PATHS:
            failed = np.flatnonzero(~(size < TOLERANCE))
            if not len(failed):
                break
            part, path = system.take(failed), list[Any]()
            for exponent in np.linspace(FARTHEST_PENALTY, 0, steps):
                larger = dataclasses.replace(part, gamma=part.gamma * 10**exponent)
                if not path:
                    first = extremes(larger, labels, loss) + near_squared(larger, labels, loss)
                else:  # where it stands, or as far on as it came
                    first = [path[-1], 2 * path[-1] - path[-2]] if len(path) > 1 else path
                followed, size[failed] = newton(larger, labels, loss, first)
                path.append(followed)
            x[failed] = path[-1]
    settled = size < TOLERANCE
    _require_scores(labels, x[settled], system.gamma[settled])
    failed = np.flatnonzero(~settled)
    if len(failed):
        part = system.take(failed)
        _require_scores(labels, extremes(part, labels, loss)[-1], part.gamma, NEARLY_LOST)
        alpha = system.alpha[failed[0]]
        at, smaller = (f", alpha = {alpha.tolist()}", " or a smaller |alpha|") if len(alpha) else ("", "")
        raise ArithmeticError(
            f"the fixed point for the {loss.name} loss did not settle at gamma = {system.gamma[failed[0]]:g}{at} (relative residual "
            f"{size[failed[0]]:.3g}, wanted {TOLERANCE:g}). Choose a larger penalty{smaller}."
        )
    return x


def _require_scores(labels: Labels, x: Any, gamma: Any, least: float = LOST) -> None:
    """FloatingPointError where the scores are less than so much of the intercept."""
    K = labels.components
    ratio, V = x[:, :K], np.exp(x[:, K : K + labels.covariances])
    scores = (np.sqrt(V) * np.fmax(1, np.abs(ratio))).max(1)  # 0/0 where there are no weights at all
    lost = np.flatnonzero(scores < least * np.abs(intercept(labels, x)))
    if len(lost):
        rarest = labels.weight.sum(0).min()
        raise lost_scores(gamma[lost[0]], 2 * np.sqrt(rarest * (1 - rarest)))


def extremes(system: System, labels: Labels, loss: Loss) -> list[Any]:
    """States to start from: anchors unchanged by training, and samples that pull as under an infinite penalty."""
    known = labels.intercept and namespace(system.n, labels.weight) is np
    b = labels_alone(labels, loss) if known else 0.0
    pulls = same_score(labels, loss, system.n, b)
    still = [system.xp.zeros_like(x) for x in pulls]
    return [states(labels, system.update(*hats)[0], b) for hats in (still, pulls)]


def near_squared(system: System, labels: Labels, loss: Loss) -> list[Any]:
    """That of the squared loss of the same slope and curvature at 0, where it has a closed form."""
    if isinstance(system, Matrix):
        return extremes(system, labels, loss)
    zero = np.zeros(1)
    pull, curvature = -float(loss.slope(zero)[0]), float(loss.curvature(zero)[0])
    target = pull / curvature if curvature > 0 else 1.0
    return [states(labels, *system.squared(labels, pull / target, target))]


def newton(
    system: System, labels: Labels, loss: Loss, candidates: list[Any], last_step: float = LAST_STEP
) -> tuple[Any, Any]:
    """States (B, D) and the residuals that they end with, from the best of the candidates in each row.

    Where Newton's step does not bring the residual down it is halved, and a row in which that does not help is given up, with
    an infinite residual. A candidate that cannot be evaluated loses.
    """
    if system.xp is not np:
        return _newton_jax(system, labels, loss, candidates[0])
    with np.errstate(all="ignore"):
        x, F, J = _best(system, labels, loss, candidates)
        size, scale = _size(F), np.ones(len(x))
        step = _direction(np, F, J)
        for _ in range(STEPS):
            near = (size > 0) & np.isfinite(size) & (scale == 1) & (_length(labels, x, step) <= last_step)
            x[near] += step[near]
            size[near | (size < TOLERANCE)] = 0.0
            rows = np.flatnonzero((size > 0) & np.isfinite(size))
            if not len(rows):
                break
            trial = x[rows] + scale[rows, None] * step[rows]
            part = system if len(rows) == len(x) else system.take(rows)
            new_F, new_J, _ = residual(part, labels, loss, trial)
            new_size = _size(new_F)
            better = new_size < size[rows]
            taken, stuck = rows[better], rows[~better]
            x[taken], size[taken], scale[taken] = trial[better], new_size[better], 1.0
            step[taken] = _direction(np, new_F[better], new_J[better])
            scale[stuck] /= 2
            size[stuck[scale[stuck] < SHORTEST_STEP]] = np.inf
    return x, size


def _length(labels: Labels, x: Any, step: Any) -> Any:
    """The longest part of a step, b's in units of √V_1: that is how finely a loss with a kink sees it."""
    if labels.intercept:
        step = np.concatenate([step[:, :-1], step[:, -1:] * np.sqrt(1 + np.exp(-x[:, [labels.components]]))], 1)
    return np.abs(step).max(1)


def _size(F: Any) -> Any:
    xp = namespace(F)
    size = xp.abs(F).max(1)
    return xp.where(xp.isfinite(size), size, xp.inf)


def _direction(xp: Any, F: Any, J: Any) -> Any:
    """Newton's step, no quantity by more than it has any business to jump; the plain update where there is none."""
    try:
        step = -xp.linalg.solve(J, F[..., None])[..., 0]
    except np.linalg.LinAlgError:
        J = np.where(np.isfinite(J).all((1, 2), keepdims=True), J, np.eye(J.shape[1]))
        step = -(np.linalg.pinv(J) @ F[..., None])[..., 0]
    step = xp.where(xp.isfinite(step), step, F)
    return step * xp.minimum(1.0, LONGEST_STEP / xp.maximum(xp.abs(step).max(1), 1e-300))[:, None]


def _best(system: System, labels: Labels, loss: Loss, candidates: list[Any]) -> tuple[Any, Any, Any]:
    """Of each row the candidate with the smallest residual, its residual, and the Jacobian there."""
    found = [(x.copy(), *residual(system, labels, loss, x)[:2]) for x in candidates]
    if len(found) == 1:
        return found[0]
    best = np.argmin([_size(F) for _, F, _ in found], 0)
    return tuple(np.stack(part)[best, np.arange(len(best))] for part in zip(*found, strict=True))


@compiled("loss")
def _newton_jax(system: System, labels: Labels, loss: Loss, start: Any) -> tuple[Any, Any]:
    """The same on constants; then two steps at the root carry the first and second derivatives (see `_arrays.root`)."""
    xp, stop = jax.numpy, jax.lax.stop_gradient
    frozen, still = jax.tree.map(stop, (system, labels))
    labels.tables, still.tables  # noqa: B018 (made out here: inside a loop they would hold its tracers)
    tolerance = max(TOLERANCE, 64 * float(xp.finfo(xp.result_type(float)).eps))

    def go_on(state: Any) -> Any:
        size, count = state[2], state[-1]
        return (count == 0) | (count < STEPS) & xp.any((size >= tolerance) & xp.isfinite(size))

    def turn(state: Any) -> Any:
        x, F, size, step, scale, count = state
        trial = x + xp.abs(scale)[:, None] * step
        new_F, new_J, _ = residual(frozen, still, loss, trial)
        new_size = _size(new_F)
        better = ((new_size < size) | ((scale < 0) & xp.isfinite(new_size))) & (size >= tolerance)
        keep = lambda new, old: xp.where(better[:, None] if new.ndim == 2 else better, new, old)  # noqa: E731
        shorter = scale / 2
        plain = (shorter < SHORTEST_STEP) & ~better
        next_step = xp.where(plain[:, None], F / 2, keep(_direction(xp, new_F, new_J), step))
        next_scale = xp.where(plain, -1.0, keep(xp.ones_like(scale), shorter))
        return keep(trial, x), keep(new_F, F), keep(new_size, size), next_step, next_scale, count + 1

    # Each piece of the computation is compiled once: the start in the loop's first turn, the two last steps as one scan.
    x = stop(start)
    size = xp.full(len(x), xp.inf)
    x, _, size, *_ = jax.lax.while_loop(
        go_on, turn, (x, xp.zeros_like(x), size, xp.zeros_like(x), xp.ones_like(size), 0)
    )

    def polish(x: Any, _: Any) -> Any:
        F, J, _ = residual(system, labels, loss, x)
        return x - xp.linalg.solve(J, F[..., None])[..., 0], None

    x, _ = jax.lax.scan(polish, stop(x), None, length=2)
    return xp.where((size < 1e3 * tolerance)[:, None], x, xp.nan), size
