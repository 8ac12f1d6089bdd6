"""The pictures that one line asks for: `plot_accuracy`, `plot_scores`, `plot_rank`, `plot_spectrum`; maps are in `maps`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .. import _checks as check
from ..problem import Fit, TransferProblem, as_fit, checked_problem
from ..results import Moments
from ..simulation.eigenvalues import draw_eigenvalues
from ..theory.low_rank import rank_path
from ..theory.optimum import optimal_alpha
from ..theory.predict import Problem, predict
from ..theory.spectrum import spectrum
from . import look
from .look import normal_density, own_axes, simulation_points, theory_line
from .maps import numbers_title


def plot_accuracy(
    problem: Problem,
    alpha: Any = None,
    *,
    simulate: int | Moments = 1000,
    seed: int = 0,
    ax: Axes | None = None,
    index: int = 0,
    label: str | None = None,
    marks: bool = True,
    legend: bool = True,
) -> Axes:
    """Accuracy (regression: risk) against α: theory as a line, simulation as points with their standard errors.

    | parameter | meaning |
    |---|---|
    | `problem` | a scalar `Fit` or `TransferProblem`; several numbers α go along t·α* |
    | `alpha` | the range of α (of t), as (low, high) or all values; None: around 0, 1 and α* |
    | `simulate` | trials per point, 0 for none; or a result of `simulate` |
    | `index`, `label` | which colour, dashes and marker, and what the curve is called, where there are several on the axes |
    | `marks` | also a star at α* and a line at α = 1 |
    | `legend` | also a legend |
    | `seed` | of the simulation |
    | `ax` | where to draw; None: on a figure of its own, whose title says a `TransferProblem`'s numbers |

    Returns the axes. Raises ValueError or TypeError, naming the parameter.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> plot_accuracy(problem, simulate=100).get_ylabel()
    'accuracy'
    """
    _check_scalar(problem)
    index = check.whole("index", index, 0)
    best = optimal_alpha(problem)
    towards = None  # several α go along the line through 0 and α*
    if np.ndim(best.alpha):
        towards = np.asarray(best.direction if best.at_infinity else best.alpha)
    one = best.alpha if towards is None else np.inf if best.at_infinity else 1.0
    line = _line(alpha, one)
    theory = predict(problem, line if towards is None else line[:, None] * towards)
    quantity = "risk" if theory.accuracy is None else "accuracy"
    found = _simulated(problem, line, simulate, seed, towards)
    title = numbers_title(problem) if ax is None and isinstance(problem, TransferProblem) else ""
    with own_axes(ax) as ax:
        theory_line(ax, line, getattr(theory, quantity), index, label=label or "theory")
        if found is not None:
            own = {} if label else {"label": "simulation"}
            points = (
                np.asarray(found.alpha) if towards is None else np.asarray(found.alpha) @ towards / (towards @ towards)
            )
            simulation_points(ax, points, getattr(found, quantity), getattr(found, f"{quantity}_se"), index, **own)
        if marks:
            ax.axvline(
                1, color="grey", linewidth=0.7, linestyle=":", label=r"$\alpha=1$" if towards is None else "$t=1$"
            )
            if np.isfinite(one) and line.min() <= one <= line.max():
                ax.plot(one, getattr(best, quantity), "*", color="black", markersize=7, zorder=5, label=r"$\alpha^*$")
        along = r"$\alpha$" if towards is None else r"$t$, with $\alpha = t\,\alpha^*$"
        ax.set(xlabel=along, ylabel=quantity)
        if title:
            ax.set_title(title, fontsize=7)
        if legend:
            _legend(ax, found is not None)
    return ax


def plot_scores(
    problem: Problem,
    alpha: Any = None,
    *,
    simulate: int = 1000,
    seed: int = 0,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """The law of the score xᵀw_α of a fresh point, one curve per class: theory's normal density, and simulation's over trainings.

    | parameter | meaning |
    |---|---|
    | `problem` | a scalar `Fit` or `TransferProblem` of two classes |
    | `alpha` | the scale of the start, one number (several starts: one vector); None: 1 |
    | `simulate` | trainings, 0 for none: the density at a point is the average of theirs |
    | `seed` | of the simulation |
    | `ax` | where to draw; None: on a figure of its own |
    | `legend` | also a legend |

    Returns the axes. Raises ValueError or TypeError, naming the parameter.

    >>> problem = TransferProblem(5000, 200, 400, mu=1.5, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=1)
    >>> len(plot_scores(problem, 1.0, simulate=0).lines)
    2
    """
    _check_scalar(problem)
    alpha, simulate = _one_alpha(as_fit(problem), alpha), _trials(simulate)
    theory = _class_scores(problem, predict(problem, alpha))
    reach = max(abs(m) + 4 * np.sqrt(v) for m, v in theory)
    x, points = np.linspace(-reach, reach, 301), np.linspace(-0.9 * reach, 0.9 * reach, 19)
    trainings = None
    if simulate:
        from .. import draw

        form = draw(problem, n_trials=simulate, seed=seed)
        trainings = _class_scores(problem, form.moments(np.asarray(alpha)[..., None] if np.ndim(alpha) else alpha))
    with own_axes(ax) as ax:
        for i, (mean, variance) in enumerate(theory):
            theory_line(ax, x, normal_density(x, mean, variance), i, label=f"$y={(1, -1)[i]:+d}$")
            if trainings is not None:
                density = normal_density(points[:, None], *trainings[i])
                simulation_points(ax, points, density.mean(1), density.std(1, ddof=1) / np.sqrt(simulate), i)
        ax.set(xlabel=r"score $x^\top w_\alpha$", ylabel="density", title=_alpha_title(alpha))
        if legend:
            _legend(ax, trainings is not None)
    return ax


def plot_rank(
    fit: Fit,
    alpha: Any = None,
    *,
    simulate: int | Sequence[Moments] = 100,
    seed: int = 0,
    ax: Axes | None = None,
    index: int = 0,
    label: str | None = None,
    legend: bool = True,
) -> Axes:
    """Risk against the rank of the correction, r = 0 … q, at one α: theory as a line, simulation as points.

    | parameter | meaning |
    |---|---|
    | `fit` | a scalar `Fit` with several outputs and squared loss |
    | `alpha` | the scale of the start, one number (several: one vector); None: 1 |
    | `simulate` | trials per rank, 0 for none; or results of `simulate` at ranks 1 … q |
    | `seed` | of the simulation |
    | `ax` | where to draw; None: on a figure of its own |
    | `index`, `label`, `legend` | as for `plot_accuracy`; a curve with a label has no title |

    Returns the axes. Raises ValueError or TypeError, naming the parameter.

    >>> W = np.vstack([np.diag([3.0, 2.0, 1.0]), np.zeros((57, 3))])
    >>> fit = Fit(Population.linear(1.5 * W, 0.5), n=90, gamma=0.1, starts=[W])
    >>> plot_rank(fit, 1.0, simulate=20).get_xlabel()
    'rank of the correction'
    """
    if not isinstance(fit, Fit):
        raise TypeError(
            f"fit must be a Fit, got {type(fit).__name__}. A TransferProblem has one output, whose rank is 1."
        )
    alpha, index = _one_alpha(fit, alpha), check.whole("index", index, 0)
    risk = rank_path(fit, alpha).risk
    ranks = np.arange(len(risk))
    found: list[Moments] = []
    if isinstance(simulate, Sequence) and not isinstance(simulate, str):
        found = list(simulate)
        if len(found) != len(risk) - 1 or not all(isinstance(m, Moments) and np.ndim(m.risk) == 0 for m in found):
            raise ValueError(
                f"simulate must be a number of trials, or {len(risk) - 1} results of `simulate`, at ranks 1 to {len(risk) - 1} and "
                f"one alpha, got {len(found)} of {type(found[0]).__name__ if found else 'nothing'}. Give the number."
            )
    elif trials := _trials(simulate):
        from .. import simulate as run

        found = [run(replace(fit, rank=int(r)), alpha, n_trials=trials, seed=seed) for r in ranks[1:]]
    with own_axes(ax) as ax:
        theory_line(ax, ranks, risk, index, label=label or "theory")
        if found:
            own = {} if label else {"label": "simulation"}
            simulation_points(ax, ranks[1:], [m.risk for m in found], [m.risk_se for m in found], index, **own)
        ax.set(xlabel="rank of the correction", ylabel="risk", xticks=ranks[:: -(-len(ranks) // 9)])
        if label is None:
            ax.set_title(_alpha_title(alpha))
        if legend:
            _legend(ax, bool(found))
    return ax


def plot_spectrum(
    fit: Problem, *, simulate: int = 4, seed: int = 0, bins: int = 60, ax: Axes | None = None, legend: bool = True
) -> Axes:
    """The spectrum of a fit's sample covariance: theory's bulk as a line, its outliers as dashes, drawn eigenvalues as a histogram.

    | parameter | meaning |
    |---|---|
    | `fit` | a scalar `Fit` or `TransferProblem` |
    | `simulate` | sample covariances drawn, 0 for none; each costs O(p³). Their outliers are points on the axis, with standard errors |
    | `bins` | of the histogram, how many |
    | `seed` | of the draws |
    | `ax` | where to draw; None: on a figure of its own |
    | `legend` | also a legend |

    A mass at 0 is not drawn. Returns the axes. Raises ValueError or TypeError, naming the parameter.

    >>> mu = np.full(200, 0.15)
    >>> plot_spectrum(Fit(Population.two_classes(mu, -mu), n=400, gamma=1.0), simulate=2).get_xlabel()
    'eigenvalue of $XX^\\\\top/n$'
    """
    found, bins = spectrum(fit), check.whole("bins", bins)
    simulate = _trials(simulate, low=1)
    x, density = found.curve(200)
    places = [s.eigenvalue for s in found.spikes if s.eigenvalue is not None]
    drawn = draw_eigenvalues(fit, n_trials=simulate, seed=seed) if simulate else None
    with own_axes(ax) as ax:
        if drawn is not None:
            seen, rest = _outliers(drawn, places)
            count, ends = np.histogram(rest[rest > 1e-9 * rest.max()], bins)
            width = np.diff(ends)
            ax.bar(
                ends[:-1],
                count / (len(drawn) * found.dim * width),
                width,
                align="edge",
                color="0.8",
                label="simulation",
            )
        for low, high in found.edges:  # a line per band
            inside = (x >= low) & (x <= high)
            theory_line(ax, x[inside], density[inside], label="theory" if low == found.edges[0, 0] else None)
        for i, place in enumerate(places):
            ax.axvline(
                place,
                color=look.COLORS[1],
                linestyle=look.DASHES[1],
                linewidth=0.8,
                label=None if i else "theory, outliers",
            )
        if drawn is not None and places:
            points, scatter = seen.mean(0), seen.std(0, ddof=1) if len(seen) > 1 else None
            ax.errorbar(
                points,
                0 * points,
                xerr=None if scatter is None else scatter / np.sqrt(len(seen)),
                fmt="o",
                color=look.COLORS[1],
                clip_on=False,
                label="simulation, outliers",
            )
        ax.set(xlabel=r"eigenvalue of $XX^\top/n$", ylabel="density", ylim=(0, 1.3 * np.median(np.sort(density)[-20:])))
        if legend:
            ax.legend()
    return ax


def _outliers(drawn: np.ndarray, places: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Of each draw the eigenvalues nearest to the places, (trials, places), and all the others, (…,)."""
    seen, rest = [], []
    for values in drawn:
        left = values
        nearest = []
        for place in places:
            k = int(np.argmin(np.abs(left - place)))
            nearest.append(left[k])
            left = np.delete(left, k)
        seen.append(nearest)
        rest.append(left)
    return np.array(seen), np.concatenate(rest)


def _check_scalar(problem: Problem) -> None:
    if checked_problem(problem).shape:
        raise ValueError(f"problem must be scalar, got shape {problem.shape}. Draw its cells one by one.")


def _trials(simulate: Any, low: int = 2) -> int:
    """How many; 0 is none."""
    if np.ndim(simulate) == 0 and not simulate:
        return 0
    return check.whole("simulate", simulate, low, remedy=f"Give a whole number of at least {low}, or 0 for none.")


def _one_alpha(fit: Fit, alpha: Any) -> Any:
    """The scale of each start: a number, of several a vector; None only where there is none."""
    if alpha is None:
        return {0: None, 1: 1.0}.get(fit.n_alpha, np.ones(fit.n_alpha))
    if fit.n_alpha and np.ndim(check.real("alpha", alpha)) != (fit.n_alpha > 1):
        wanted = "one number" if fit.n_alpha == 1 else f"one vector of {fit.n_alpha} numbers"
        raise ValueError(f"alpha must be {wanted}, got shape {np.shape(alpha)}. Draw a picture for each.")
    return alpha


def _alpha_title(alpha: Any) -> str:
    if alpha is None:
        return "no start"
    told = ", ".join(f"{a:.3g}" for a in np.ravel(alpha))
    return rf"$\alpha={told}$" if np.ndim(alpha) == 0 else rf"$\alpha=({told})$"


def _line(alpha: Any, best: float) -> np.ndarray:
    """The values of α that are drawn."""
    if alpha is None:
        return np.linspace(*_range(best), 201)
    values = np.asarray(check.real("alpha", alpha))
    if values.ndim != 1:
        raise ValueError(f"alpha must be (low, high) or a list of values, got shape {values.shape}. Give a list.")
    return np.linspace(values.min(), values.max(), 201) if len(values) == 2 else values


def _range(best: float) -> tuple[float, float]:
    """From what to what α goes."""
    ends = [0.0, 1.0, best] if np.isfinite(best) else [-5.0, 5.0]
    margin = max(1.0, (max(ends) - min(ends)) / 2)
    return min(ends) - margin, max(ends) + margin


def _simulated(
    problem: Problem, ends: np.ndarray, trials: int | Moments, seed: int, towards: np.ndarray | None = None
) -> Moments | None:
    if isinstance(trials, Moments):
        return trials
    if not (trials := _trials(trials)):
        return None
    from .. import simulate

    points = np.linspace(ends[0], ends[-1], 11)
    return simulate(problem, points if towards is None else points[:, None] * towards, n_trials=trials, seed=seed)


def _class_scores(problem: Problem, moments: Moments) -> list[tuple[Any, Any]]:
    """Mean and variance of xᵀw in class +1 and in class −1."""
    mean, variance = np.asarray(moments.mean), np.asarray(moments.variance)
    if isinstance(problem, TransferProblem) or problem.population.is_opposite:
        return [(mean, variance), (-mean, variance)]
    population = problem.population
    if not population.is_binary or population.components != 2:
        raise ValueError(f"problem must have two classes of one component each, got {population!r}.")
    classes = population.classes_of or ()
    return [(mean[classes.index(c), 0], variance[classes.index(c), 0, 0]) for c in (0, 1)]


def _legend(ax: Axes, simulated: bool) -> None:
    look.legend(ax, simulation="simulation" if simulated else None)
