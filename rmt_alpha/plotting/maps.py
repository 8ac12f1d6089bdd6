"""Maps over two numbers of a problem: `plot_phase_map`, and the panel that it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .. import _checks as check
from ..problem import TransferProblem
from ..problem.numbers import ALPHAS, numbers, written
from ..theory.optimum import optimal_alpha
from ..theory.predict import predict
from .look import contour_map, own_axes

SYMBOLS = {
    "n_source": "$N$",
    "n_target": "$n$",
    "dim": "$p$",
    "mu": r"$\|\mu\|$",
    "mu_orth": r"$\|\mu_\perp\|$",
    "beta": r"$\beta$",
    "gamma_source": r"$\tilde\gamma$",
    "gamma_target": r"$\gamma$",
}
POINTS: tuple[float, ...] = (-20, -10, -5, -2, -0.5, 0, 0.5, 2, 5, 10, 20)
SCALES: tuple[float, ...] = (0.1, 0.3, 0.5, 0.8, 1, 1.25, 2, 3, 10)
# Of a phase map: levels, which diverge from 0, and title.
LEVELS: dict[str, tuple[tuple[float, ...], str]] = {
    "transfer": (POINTS, r"$\alpha^*$ against $\alpha=0$"),
    "plain": (POINTS, r"$\alpha=1$ against $\alpha=0$"),
    "gain": (POINTS, r"$\alpha^*$ against $\alpha=1$"),
    "alpha": (ALPHAS, r"$\alpha^*$"),
}


def plot_phase_map(
    problem: TransferProblem, show: str = "transfer", *, ax: Axes | None = None, bar: bool = True
) -> Axes:
    """Where transfer helps, in points of accuracy, over the two numbers of a problem that vary.

    | parameter | meaning |
    |---|---|
    | `problem` | a `TransferProblem` with one number varying along its last axis (across the map), another along its first (up) |
    | `show` | "transfer" (α* against α = 0), "plain" (α = 1 against α = 0), "gain" (α* against α = 1) or "alpha" (α* itself) |
    | `bar` | also a colour bar |
    | `ax` | where to draw; None: on a figure of its own, whose title says the numbers that do not vary |

    Returns the axes. Raises ValueError or TypeError, naming the parameter.

    >>> beta, gamma = np.linspace(-1, 1, 41), np.logspace(-2, 2, 31)[:, None]
    >>> problem = TransferProblem(800, 200, 400, mu=1, mu_orth=1, beta=beta, gamma_source=1, gamma_target=gamma)
    >>> plot_phase_map(problem, "gain").get_ylabel()
    '$\\\\gamma$'
    """
    check.choice("show", show, tuple(LEVELS))
    x_name, y_name = varying(problem)
    at_x, at_y = np.ravel(getattr(problem, x_name)), np.ravel(getattr(problem, y_name))
    best = optimal_alpha(problem)
    if show == "alpha":
        z = best.alpha
    else:
        zero, one = predict(problem, 0.0).accuracy, predict(problem, 1.0).accuracy
        z = 100 * {"transfer": best.accuracy - zero, "plain": one - zero, "gain": best.accuracy - one}[show]
    fixed = f"\n{numbers_title(problem)}" if ax is None else ""
    with own_axes(ax) as ax:
        phase_panel(ax, x_name, at_x, y_name, at_y, z, show, bar=bar)
        if fixed:
            ax.set_title(ax.get_title() + fixed, fontsize=7)
    return ax


def phase_panel(
    ax: Axes, x: str, at_x: Any, y: str, at_y: Any, z: Any, show: str, *, bar: bool = True, log: Any = (None, None)
) -> None:
    """A map of theory's z (len(y), len(x)): what `show` says, in points of accuracy or as α*; `log`: which axes are, None: by range."""
    for name, values, is_log in (("x", at_x, log[0]), ("y", at_y, log[1])):
        if is_log or (is_log is None and values.min() > 0 and values.max() > 30 * values.min()):
            ax.set(**{f"{name}scale": "log"})  # before the contours, whose labels lie along them
    levels, title = LEVELS[show]
    label = f"{title if show == 'alpha' else 'points of accuracy'}, theory" if bar else ""
    z = np.clip(z, 2 * levels[0], 2 * levels[-1])  # α* may be infinite
    ax.mapped = contour_map(ax, at_x, at_y, z, levels, label)  # type: ignore[attr-defined]
    ax.set(xlabel=SYMBOLS[x], ylabel=SYMBOLS[y], title=title)


def varying(problem: TransferProblem) -> tuple[str, str]:
    """The names of the two numbers of a map: the one along the last axis, the one along the first."""
    if not isinstance(problem, TransferProblem):
        raise TypeError(
            f"problem must be a TransferProblem, got {type(problem).__name__}. A map is over two of its numbers."
        )
    arrays = {name: np.shape(getattr(problem, name)) for name in SYMBOLS if np.size(getattr(problem, name)) > 1}
    across = [name for name, shape in arrays.items() if shape[-1] > 1]
    up = [name for name, shape in arrays.items() if shape[-1] == 1]
    if len(problem.shape) != 2 or len(across) != 1 or len(up) != 1:
        found = ", ".join(f"{name} {shape}" for name, shape in arrays.items()) or "none"
        raise ValueError(
            f"problem must have one number of shape (k,) and one of shape (m, 1), got {found}. Write y[:, None] for the second."
        )
    return across[0], up[0]


def numbers_title(problem: TransferProblem) -> str:
    """The numbers that do not vary, in two lines."""
    told = [f"{SYMBOLS[k]} = {written(v, 6)}" for k, v in numbers(problem).items() if np.size(v) == 1]
    half = (len(told) + 1) // 2
    return ", ".join(told[:half]) + ",\n" + ", ".join(told[half:])
