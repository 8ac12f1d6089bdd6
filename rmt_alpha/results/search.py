r"""One search over α, for all that has no closed form, in theory and in simulation.

.. math:: α_s = u_s \sinh y_s

with the unit u_s at which a start and the rest of w weigh the same, or a fraction of it: along y what α does is smooth on
the scale of one, from where α matters first to where nothing else does. A maximum at the end of the search is one at
infinity.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

ROUNDS = ((7, 0.8), (6, 0.05))  # nodes of each interpolation, and half its width in units of the spacing
SMOOTH = 1e-7  # of the spread between nodes: by how much an interpolation may miss the value at its maximum
ROUNDING = 1e-9
PLACES = np.linspace(-1, 1, 129)  # of an interpolation, from the best of which Newton's method starts
NEWTON_STEPS = 3
DISTANCES = np.array([0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 11.0, 14.0, 17.0])
STARTS = np.concatenate([-DISTANCES[::-1], [0.0], DISTANCES])
CLIMBS = 2  # from the best of the starts
SCALES = np.outer([1, -1], 2.0 ** np.arange(-4, 5)).ravel()  # of another α: beside one of them lies a peak
FINE = 41  # points of a window with kinks
STEP = 1e-4  # of a difference quotient in y
NEARLY = 3.0  # as far from its end y is as good as there
BEYOND = 1e6  # times farther than the end of a search an accuracy is its limit, which it nears like 1/α

# at(y (Y, J)) says what there is to say there, and a goal what of it is to be large, (Y,).
At = Callable[[np.ndarray], Any]
Goal = Callable[[Any], np.ndarray]


def best(
    at: At,
    goals: list[Goal],
    ends: np.ndarray,
    spacing: float = 0.5,
    root: Goal | None = None,
    infinite: bool = False,
    rough: At | None = None,
    beside: np.ndarray | None = None,
) -> tuple[np.ndarray, Any, Any]:
    """The y (goals, J), |y_s| ≤ ends_s, with the largest value of each goal, at(y, …), and for one α the table at(grid).

    With `infinite` at(±inf) can be asked for, too. For one α the last y is the one nearest to 0 at which `root` changes its
    sign, if it does; and `rough` may be a cheaper `at`, for the table and wherever else it is only asked where to look.
    For several, each goal is also sought beside a known y (J,): that of least risk, `beside` or the first goal's.
    """
    if len(ends) > 1:
        known = climb(at, goals[0], ends, beside)
        every = np.array([known, *(climb(at, goal, ends, known) for goal in goals[1:])])
        return every, at(every), None
    half = int(np.ceil(ends[0] / spacing))
    grid = np.linspace(-ends[0], ends[0], 2 * half + 1)
    grid = np.r_[-np.inf, grid, np.inf] if infinite else grid
    along, first = ((lambda y, f=f: f(y[:, None])) for f in (at, rough or at))
    y, table, last = peaks(along, goals, grid, root, first)
    return y[:, None], last, table


def peaks(at: At, goals: list[Goal], grid: np.ndarray, root: Goal | None, rough: At) -> tuple[np.ndarray, Any, Any]:
    """`best` for one α: polynomials through Chebyshev nodes around the grid's best, those of all goals in one call."""
    table = rough(grid)
    finite = grid[np.isfinite(grid)]
    values = [goal(table) for goal in goals]
    flat = [is_flat(v) for v in values]
    middle = [float(np.clip(grid[np.argmax(v)], finite[0], finite[-1])) for v in values]
    crossing = None if root is None else sign_change(root(table), grid)
    functions = list(goals)
    if root is not None and crossing is not None:
        middle.append(float(np.mean(crossing)))
        functions.append(root)
    is_root = np.arange(len(functions)) >= len(goals)
    near = np.clip(np.searchsorted(finite, middle), 1, len(finite) - 2)
    half = np.maximum(finite[near] - finite[near - 1], finite[near + 1] - finite[near])
    y = np.array(middle)
    for evaluated, (count, width) in zip((rough, at), ROUNDS, strict=True):
        reach = np.minimum(half * width, (finite[-1] - finite[0]) / 2)
        centre = np.clip(y, finite[0] + reach, finite[-1] - reach)
        found = evaluated((centre[:, None] + reach[:, None] * _polynomials(count)[0]).ravel())
        parts = np.array([f(found).reshape(len(y), count)[k] for k, f in enumerate(functions)])
        place, expected = interpolated(parts, is_root)
        y = centre + reach * place
    spread, at_edge = np.ptp(parts, 1), (np.abs(place) >= 1) & (y > finite[0]) & (y < finite[-1])
    last = at(np.concatenate([y, grid[[0, -1]]]))
    again = False
    for k, goal in enumerate(goals):
        heights = goal(last)
        reached, ends = heights[k], heights[len(y) :]
        missed = abs(reached - expected[k]) > SMOOTH * spread[k] + ROUNDING * abs(reached)
        if flat[k]:
            y[k], again = 0.0, True
            continue
        # A maximum at the edge of the last window, but not of all, is none: the first window was too wide for its polynomial.
        if missed or at_edge[k]:
            y[k], reached, again = *_bisected(at, goal, middle[k], half[k]), True
        if ends.max() >= reached:
            y[k], again = grid[[0, -1]][np.argmax(ends)], True
    if root is not None and crossing is not None and abs(root(last)[len(y) - 1]) > SMOOTH * spread[-1]:
        y[-1], again = _crossed(at, root, grid, y[-1]), True
    return y, table, at(y) if again else last


def is_flat(values: np.ndarray) -> bool:
    """Is each y as good as any other? Then 0 is the one to take."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def sign_change(values: np.ndarray, grid: np.ndarray) -> tuple[float, float] | None:
    """Between which y values change their sign, the nearest to 0."""
    i = np.flatnonzero(values[1:] * values[:-1] <= 0)
    if not i.size or not np.any(values):
        return None
    i = i[np.argmin(np.abs(grid[i] + grid[i + 1]))]
    return float(grid[i]), float(grid[i + 1])


@lru_cache
def _polynomials(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Chebyshev's nodes, and what makes of values there coefficients, of these the derivative's, and values at PLACES."""
    C = np.polynomial.chebyshev
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    derivative = np.zeros((count, count))
    for k in range(1, count):
        derivative[k, :k] = C.chebder(np.eye(count)[k, : k + 1])
    coefficients = np.linalg.inv(C.chebvander(nodes, count - 1)).T
    return nodes, coefficients, derivative, C.chebvander(PLACES, count - 1).T


def interpolated(values: np.ndarray, is_root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of polynomials through values (F, count) at Chebyshev's nodes, the maxima, or the roots nearest to 0, and their heights."""
    _, coefficients, derivative, at_places = _polynomials(values.shape[1])
    c = values @ coefficients
    heights = c @ at_places
    crossed = np.diff(np.sign(heights), append=heights[:, -1:]) != 0
    rank = np.where(is_root[:, None], np.where(crossed, -np.abs(PLACES), -1 - np.abs(heights)), heights)
    start = PLACES[np.argmax(rank, 1)]
    wanted = np.where(is_root[:, None], c, c @ derivative)  # what has to vanish
    slope = wanted @ derivative
    degrees, gap = np.arange(c.shape[1]), PLACES[1] - PLACES[0]
    low, high = np.maximum(start - gap, -1), np.minimum(start + gap, 1)
    basis = lambda x: np.cos(np.arccos(x)[:, None] * degrees)  # noqa: E731
    place = start
    for _ in range(NEWTON_STEPS):
        at_place = basis(place)
        down = np.vecdot(slope, at_place)
        step = np.vecdot(wanted, at_place) / np.where(down == 0, 1.0, down)
        place = np.minimum(np.maximum(place - step, low), high)
    height = np.vecdot(c, basis(place))
    best = heights.max(1)
    improved = is_root | (height > best)
    return np.where(improved, place, start), np.where(improved, height, best)


def _bisected(at: At, goal: Goal, middle: float, half: float) -> tuple[float, float]:
    """The same where there are kinks, or several maxima: by a finer grid, then beside its best."""
    from scipy import optimize

    fine = np.linspace(middle - half, middle + half, FINE)
    heights = goal(at(fine))
    best = int(np.argmax(heights))
    run = optimize.minimize_scalar(
        lambda y: -float(goal(at(np.array([y])))[0]),
        bounds=(fine[max(best - 1, 0)], fine[min(best + 1, FINE - 1)]), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    return (float(run.x), -float(run.fun)) if -run.fun >= heights[best] else (float(fine[best]), float(heights[best]))


def _crossed(at: At, root: Goal, grid: np.ndarray, otherwise: float) -> float:
    """The same for a root; and `otherwise` where it was a rough value alone that changed its sign."""
    from scipy import optimize

    between = sign_change(root(at(grid)), grid)
    if between is None:
        return otherwise
    return float(optimize.brentq(lambda y: float(root(at(np.array([y])))[0]), *between, xtol=1e-12))


def climb(at: At, goal: Goal, ends: np.ndarray, beside: np.ndarray | None) -> np.ndarray:
    """`best` for several α: quasi-Newton steps from the best along each axis, all of them together, and 0.

    Where nearly all points go to one class accuracy is flat around 0, and its peak narrow and on no axis. It lies on
    the line through the α of least risk, under a loss on either side of 0: one climb is from the best on that of `beside`.
    """
    from scipy import optimize  # a tenth of a second to import, and only searches need it

    J = len(ends)
    rows = np.eye(J)[:, None] * np.minimum(np.abs(STARTS), ends[:, None])[..., None] * np.sign(STARTS)[:, None]
    line = np.zeros((0, J)) if beside is None else np.clip(np.arcsinh(SCALES[:, None] * np.sinh(beside)), -ends, ends)
    along, on_line = np.split(goal(at(np.concatenate([rows.reshape(-1, J), line]))), [J * len(STARTS)])
    along = along.reshape(J, -1)
    if is_flat(along):
        return np.zeros(J)
    flat = np.array([is_flat(v) for v in along])  # a start that decides nothing stays out
    singles = rows[np.arange(J), np.where(flat, len(DISTANCES), np.argmax(along, 1))]
    starts = np.array([*singles, singles.sum(0), np.zeros(J)])
    starts = starts[np.argsort(-goal(at(starts)), kind="stable")[:CLIMBS]]
    if beside is not None:
        starts[-1] = np.where(flat, 0.0, line[np.argmax(on_line)])

    def minus(y: np.ndarray) -> tuple[float, np.ndarray]:
        f = -goal(at(np.concatenate([y[None], y + STEP * np.eye(J), y - STEP * np.eye(J)])))
        return float(f[0]), (f[1 : J + 1] - f[J + 1 :]) / (2 * STEP)

    options = {"ftol": 1e-15, "gtol": 1e-9}
    bounds = list(zip(-ends, ends, strict=True))
    runs = [
        optimize.minimize(minus, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for start in starts
    ]
    return min(runs, key=lambda run: run.fun).x


def directions(y: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(1, α) at y (Y, J), each divided by its largest α in units: (1+J, Y), and finite at infinity too."""
    longest = np.cosh(np.abs(y).max(1))
    a = np.where(np.isinf(y), np.sign(y), np.sinh(y) / longest[:, None])
    return np.concatenate([[1 / longest], (a * units).T])


def at_the_end(y: np.ndarray, ends: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, bool, np.ndarray]:
    """α (J,), whether it is infinite, and the direction in which."""
    if not np.any((np.abs(y) >= ends * (1 - 1e-9)) & (ends > 0)):
        return units * np.sinh(y), False, np.zeros(len(y))
    far = (np.abs(y) >= ends - NEARLY) & (ends > 0)
    direction = np.where(far, units * np.sinh(np.clip(y, -ends, ends)), 0.0)
    direction = direction / np.linalg.norm(direction)
    return np.where(far, np.copysign(np.inf, y), 0.0), True, direction
