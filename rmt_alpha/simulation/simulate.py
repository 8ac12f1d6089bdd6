"""`simulate` and `draw`: pick the engine, hand out the random streams, gather the trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import in_numpy, plain
from ..problem import Fit, TransferProblem, as_fit, checked_problem
from ..results import QUANTITIES, Moments, ScoreForm, checked_alpha
from ..results.moments import THRESHOLDS
from . import chain, dense, frames, noise, samples
from .dense import Conditions
from .pool import pool
from .streams import generator, stream_key

LARGEST_DRAW = 2**31  # numbers that `draw` may return: 16 GB


@dataclass(frozen=True)
class Engine:
    """A way to draw trainings; `ENGINES` has those that `simulate` and sweeps know.

    `draw` (fit, key, seed, trials, conditions) gives the `ScoreForm` of these trials of a scalar fit, trials last.
    Trial i depends on key, seed and i alone. `at_once`: how many are computed, and handed to a worker, at once.
    """

    draw: Callable[[Fit, tuple[int, ...], int, range, Conditions], ScoreForm]
    at_once: int


def _chain(fit: Fit, key: tuple[int, ...], seed: int, trials: range, _: Conditions) -> ScoreForm:
    stream, first = divmod(trials.start, chain.TRIALS)
    form = frames.draw(fit, seed, key, stream)
    part = slice(first, first + len(trials))
    return dataclasses.replace(form, c=form.c[..., part], M=form.M[..., part])


def _dense(fit: Fit, key: tuple[int, ...], seed: int, trials: range, conditions: Conditions) -> ScoreForm:
    return dense.draw(fit, [generator(seed, key, trial) for trial in trials], conditions)


ENGINES = {"chain": Engine(_chain, chain.TRIALS), "dense": Engine(_dense, 16)}


@dataclass(frozen=True)
class Setting:
    """Everything that a simulation is besides its problem, α and number of trials; `method` as picked, `name` that of
    the noise.
    """

    seed: int
    method: str
    name: tuple[Any, ...]
    conditions: Conditions
    common: bool = False


def simulate(
    problem: Fit | TransferProblem,
    alpha: Any = None,
    *,
    n_trials: int = 100,
    seed: int = 0,
    method: str = "auto",
    noise: str | noise.Noise = "gaussian",
    labels: str = "auto",
    backend: str = "numpy",
    workers: int = 1,
    threshold: str = "zero",
    test_points: str = "gaussian",
    common_random_numbers: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Moments:
    """Average the exact conditional moments of the score over independent trainings.

    | parameter | meaning |
    |---|---|
    | `problem` | a `Fit` or a `TransferProblem`; arrays in it broadcast |
    | `alpha` | as for `predict`: broadcasts against the problem's arrays; (…, J) for J starts; None without. All α share their draws |
    | `n_trials` | trainings per problem, ≥ 2 |
    | `seed` | trial i of seed s is the same whatever else is computed |
    | `method` | "chain" (opposite classes, C = I, Gaussian, squared loss, γ > 0), "dense" (any), or "auto": chain where it applies |
    | `noise` | "gaussian", "rademacher", "student" (5 degrees of freedom), or a function (rng, shape) → array of mean 0 and variance 1 |
    | `labels` | "balanced" (exact shares of the components), "random", or "auto": balanced for two opposite classes, else random |
    | `backend` | what the dense engine solves with: "numpy", or "jax" on its default device in its default precision |
    | `workers` | processes; no bit of the result depends on them. They take a second to start |
    | `threshold` | "zero" or "best", as for `predict` |
    | `common_random_numbers` | every problem from the same random numbers, so that near ones err alike and their difference is sharp |
    | `progress` | called with the pieces done and their number after each |
    | `test_points` | "gaussian": the accuracy is Φ(m/√V), that on Gaussian points; "drawn": on 1000 fresh points per trial, of its law |

    The accuracy on Gaussian points is the limit of that on points of another law where weights and means spread over
    many coordinates, and not otherwise. The means of a `TransferProblem` point in random directions of all p
    coordinates; those of a `Fit` where they say. With drawn points the points' own error is part of the scatter over
    trials, and so of standard errors and deviations. With common random numbers the cells of an array are no independent
    draws: compare their differences, and no largest |z| over them.

    Returns `Moments` with standard errors and deviations. Raises ValueError or TypeError, naming the parameter.
    (theory.md, section 7.)

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> simulated = simulate(problem, [1, 7.5], n_trials=1000, seed=0)
    >>> simulated.accuracy.round(2), simulated.method
    (array([0.67, 0.73]), 'chain')
    """
    alpha = np.asarray(checked_alpha(problem, check.concrete("alpha", alpha)))
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function of (done, total) or None, got {progress!r:.60}.")
    conditions = Conditions(noise, labels, backend, threshold, test_points)
    n_trials, workers, setting = prepare(
        problem, n_trials, seed, method, conditions, workers, common=common_random_numbers
    )
    shape, cells = in_numpy(problem).cells_along(alpha)
    found: dict[str, np.ndarray] = {}
    places, tasks = [], []
    for place, cell, alphas in cells:
        places.append((place, len(np.shape(alphas)) - int(problem.n_alpha > 1)))
        tasks.append((cell, alphas))
    parts = -(-n_trials // ENGINES[setting.method].at_once)
    every = ((*task, setting, trials) for task in tasks for trials in pieces(n_trials, setting.method))
    with pool(workers) as map_:
        summaries = _told(map_(_summary_of, every), parts * len(tasks), progress)
        for place, rank in places:
            average, error = _merge(islice(summaries, parts))
            for quantity in average:
                lead = average[quantity].ndim - rank
                for suffix, values in (("", average), ("_se", error)):
                    name = quantity + suffix
                    if name not in found:
                        found[name] = np.empty((*values[quantity].shape[:lead], *shape))
                    found[name][(slice(None),) * lead + place] = values[quantity]
    found.update({f"{q}_sd": found[f"{q}_se"] * np.sqrt(n_trials) for q in QUANTITIES if q in found})
    found.setdefault("accuracy", None)  # type: ignore[arg-type]
    asked = None if problem.n_alpha == 0 else plain(alpha)
    return Moments(
        **{k: plain(v) for k, v in found.items()},
        alpha=asked,
        problem=problem,
        threshold=threshold,
        noise="gaussian" if test_points == "gaussian" else ".".join(map(str, setting.name)),
        n_trials=n_trials,
        method=setting.method,
    )


def draw(
    problem: Fit | TransferProblem,
    *,
    n_trials: int = 100,
    seed: int = 0,
    method: str = "auto",
    noise: str | noise.Noise = "gaussian",
    labels: str = "auto",
    backend: str = "numpy",
    workers: int = 1,
) -> ScoreForm:
    """The score forms of single trainings of a scalar problem, every α at once, trials last; options as for `simulate`.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> form = draw(problem, n_trials=1000)
    >>> form.c.shape, form.M.shape, form.moments(7.5).accuracy.shape
    ((2, 1000), (2, 2, 1000), (1000,))
    """
    n_trials, workers, setting = prepare(
        problem, n_trials, seed, method, Conditions(noise, labels, backend), workers, least=1
    )
    if problem.shape:
        raise ValueError(
            f"problem must be scalar to be drawn from, got shape {problem.shape}. Iterate over problem.cells()."
        )
    problem = in_numpy(problem)
    fit = as_fit(problem)
    if not dense.is_affine(fit):
        raise ValueError(
            "problem must have the squared loss and full rank to be drawn for every α at once. Use simulate, with the α you want."
        )
    need_memory(fit, n_trials)
    with pool(workers) as map_:
        parts = list(map_(partial(form_of, problem, setting), pieces(n_trials, setting.method)))
    return ScoreForm(
        np.concatenate([f.c for f in parts], -1),
        np.concatenate([f.M for f in parts], -1),
        parts[0].population,
        parts[0].per,
        parts[0].prior,
    )


def need_memory(fit: Fit, n_trials: int) -> None:
    """ValueError where the forms of so many trials are too many to hold."""
    A, K, q = (
        len(fit.starts) + 1,
        1 if fit.population.is_opposite else fit.population.components,
        fit.population.outputs,
    )
    if n_trials * A * A * K * q * q > LARGEST_DRAW:
        raise ValueError(
            f"n_trials must be at most {LARGEST_DRAW // (A * A * K * q * q)} here, got {n_trials}: every trial's law is held in memory. "
            f"simulate averages any number."
        )


@np.errstate(all="ignore")
def piece(problem: Fit | TransferProblem, alpha: np.ndarray, setting: Setting, trials: range) -> Moments:
    """The moments at α of the given trials, all of one piece, of a scalar problem: (…, *shape of α, trials)."""
    fit = as_fit(problem)
    entries = int(problem.n_alpha > 1)
    if dense.is_affine(fit) and setting.conditions.test_points == "gaussian":
        # The trials' axis is the last of those that broadcast, so before the entries of a vector α.
        at = alpha[..., None, :] if entries else alpha[..., None]
        return form_of(problem, setting, trials).moments(at, setting.conditions.threshold)
    shape = alpha.shape[: alpha.ndim - entries]
    flat = np.zeros((int(np.prod(shape)), 0)) if fit.n_alpha == 0 else alpha.reshape(-1, fit.n_alpha)
    key = _key(problem, setting)
    found = dense.draw_moments(fit, flat, [generator(setting.seed, key, t) for t in trials], setting.conditions)
    unflat = lambda x: None if x is None else x.reshape(*x.shape[:-2], *shape, len(trials))  # noqa: E731
    return Moments(*(unflat(getattr(found, q)) for q in QUANTITIES))


@np.errstate(all="ignore")
def form_of(problem: Fit | TransferProblem, setting: Setting, trials: range) -> ScoreForm:
    """The score forms of the given trials, all of one piece, of a scalar problem."""
    return ENGINES[setting.method].draw(
        as_fit(problem), _key(problem, setting), setting.seed, trials, setting.conditions
    )


def pieces(n_trials: int, method: str) -> Iterator[range]:
    """Trials 0 … n_trials−1 in the pieces that are computed at once."""
    size = ENGINES[method].at_once
    return (range(start, min(start + size, n_trials)) for start in range(0, n_trials, size))


def pick_method(problem: Fit | TransferProblem, method: str, conditions: Conditions) -> str:
    """The engine that "auto" stands for; ValueError where the chain was asked for and does not apply."""
    check.choice("method", method, ("auto", *ENGINES))
    if method not in ("auto", "chain"):
        return method
    reasons: list[str] = []
    for cell in problem.cells() if isinstance(problem, TransferProblem) else [problem]:
        reasons += [r for r in frames.obstacles(as_fit(cell)) if r not in reasons]
    if conditions.noise != "gaussian":
        reasons.append("Gaussian noise")
    if conditions.test_points != "gaussian":
        reasons.append("Gaussian test points")
    if method == "chain" and reasons:
        raise ValueError(f"method 'chain' needs {' and '.join(reasons)}, which this problem lacks. Use method='dense'.")
    return "dense" if reasons else "chain"


def prepare(
    problem: Any,
    n_trials: int,
    seed: int,
    method: str,
    conditions: Conditions,
    workers: int,
    least: int = 2,
    common: bool = False,
) -> tuple[int, int, Setting]:
    """Number of trials, workers and setting, checked."""
    check.concrete("problem", checked_problem(problem))
    n_trials, workers = check.whole("n_trials", n_trials, least), check.workers(workers)
    noise.law(conditions.noise)
    check.choice("labels", conditions.labels, samples.LABELS)
    check.choice("backend", conditions.backend, dense.BACKENDS)
    check.choice("threshold", conditions.threshold, THRESHOLDS)
    check.choice("test_points", conditions.test_points, dense.TEST_POINTS)
    seed = check.whole("seed", seed, 0)
    if conditions.backend == "jax" and not problem.is_squared:
        raise ValueError(
            "backend must be 'numpy' with other losses than the squared one, got 'jax'. Newton's method runs in NumPy."
        )
    if conditions.test_points == "drawn" and conditions.threshold != "zero":
        raise ValueError(
            "threshold must be 'zero' with test_points='drawn', got 'best': the best one is a property of a whole law."
        )
    common = check.flag("common_random_numbers", common)
    conditions = dataclasses.replace(conditions, rotated=isinstance(problem, TransferProblem))
    method, name = pick_method(problem, method, conditions), noise.name(conditions.noise, workers)
    noise.require_standard(conditions.noise)
    return n_trials, workers, Setting(seed, method, name, conditions, common)


def _key(problem: Fit | TransferProblem, setting: Setting) -> tuple[int, ...]:
    return stream_key(None if setting.common else problem, setting.method, setting.name, setting.conditions.labels)


Summary = tuple[int, dict[str, np.ndarray], dict[str, np.ndarray]]


@np.errstate(all="ignore")
def _summary(problem: Any, alpha: np.ndarray, setting: Setting, trials: range) -> Summary:
    """Count, mean and sum of squared deviations of each quantity over one piece."""
    m = piece(problem, alpha, setting, trials)
    mean, M2 = {}, {}
    for quantity in QUANTITIES:
        values = getattr(m, quantity)
        if values is not None:
            values = np.broadcast_to(values, (*np.shape(values)[:-1], len(trials)))
            mean[quantity] = values.mean(axis=-1)
            M2[quantity] = ((values - mean[quantity][..., None]) ** 2).sum(axis=-1)
            if not np.all(np.isfinite(M2[quantity])):
                raise FloatingPointError(
                    f"alpha must be smaller: the scatter of the {quantity} left double precision. Rescale α and the starts."
                )
    return len(trials), mean, M2


def _summary_of(task: tuple[Any, np.ndarray, Setting, range]) -> Summary:
    return _summary(*task)


def _told(summaries: Iterator[Summary], total: int, progress: Callable[[int, int], None] | None) -> Iterator[Summary]:
    for done, summary in enumerate(summaries, 1):
        if progress is not None:
            progress(done, total)
        yield summary


def _merge(summaries: Iterator[Summary]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Mean and standard error of each quantity, merged in the order of the trials (Chan, Golub & LeVeque)."""
    count, mean, M2 = next(summaries)
    for size, center, spread in summaries:
        for q in mean:
            shift = center[q] - mean[q]
            M2[q] = M2[q] + spread[q] + shift**2 * (count * size / (count + size))
            mean[q] = mean[q] + shift * (size / (count + size))
        count += size
    return mean, {q: np.sqrt(M2[q] / (count - 1) / count) for q in M2}
