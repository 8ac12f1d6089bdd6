"""`simulate`: picks the engine, hands out the random streams, gathers trials; `compare` sets it against theory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import plain, pytree
from ..losses import Loss, as_loss, is_squared
from ..moments import LARGEST_ALPHA, Moments, ScoreForm
from ..problem import TransferProblem
from ..sources import Pool
from ..spread import SimulatedSpread, Spread
from . import chain, dense, frames, losses

ROUNDING = 1e-12
QUANTITIES = ("mean", "variance", "accuracy", "risk")


@dataclass(frozen=True)
class Engine:
    """A way to draw trainings; `ENGINES` has those that `simulate` and sweeps know.

    `draw` (problem, seed, trials, noise, labels, backend) gives the `ScoreForm` of these trials of a scalar problem, c (K+1, trials) and
    M (K+1, K+1, trials). Trial i depends on problem, seed and i alone. `at_once`: how many are computed, and handed to a worker, at once.
    """

    draw: Callable[[TransferProblem, int, range, Any, str, str], ScoreForm]
    at_once: int


def _chain(problem: TransferProblem, seed: int, trials: range, *_: Any) -> ScoreForm:
    stream, first = divmod(trials.start, chain.TRIALS)
    form = (frames if problem.sources else chain).draw(problem, seed, stream)
    part = slice(first, first + len(trials))
    return ScoreForm(form.c[..., part], form.M[..., part])


ENGINES = {"chain": Engine(_chain, chain.TRIALS), "dense": Engine(dense.draw, 16)}


@pytree
@dataclass(frozen=True)
class SimulatedMoments(Moments):
    """Averages over `n_trials` draws of the exact conditional moments, with their standard errors."""

    mean_se: Any
    variance_se: Any
    accuracy_se: Any
    risk_se: Any
    n_trials: int = field(metadata={"static": True})
    method: str = field(metadata={"static": True})


@pytree
@dataclass(frozen=True)
class ZScores:
    """(simulated − theoretical)/standard error, for each quantity."""

    mean: Any
    variance: Any
    accuracy: Any
    risk: Any

    @property
    def max_abs(self) -> float:
        """The largest |z| of all."""
        return float(max(np.max(np.abs(getattr(self, f.name))) for f in fields(self)))


def simulate(
    problem: TransferProblem,
    alpha: Any,
    *,
    n_trials: int = 100,
    seed: int = 0,
    method: str = "auto",
    noise: str | dense.Noise = "gaussian",
    labels: str = "balanced",
    backend: str = "numpy",
    workers: int = 1,
    loss: str | Loss = "squared",
    source_loss: str | Loss = "squared",
) -> SimulatedMoments:
    """Average the exact conditional moments of w_α over independent trainings.

    | parameter | meaning |
    |---|---|
    | `alpha` | broadcasts against the problem's arrays (its leading axes, where α is a vector); every α shares the same draws |
    | `n_trials` | trainings per problem, ≥ 2 |
    | `seed` | trial i of seed s is the same whatever else is computed |
    | `method` | "chain" (exact; C = I, Gaussian, γ > 0), "dense" (draws data), "auto" (chain where it applies), or one added to `ENGINES` |
    | `noise` | "gaussian", "rademacher", "student" (5 degrees of freedom, unit variance), or a function (rng, shape) → array |
    | `labels` | "balanced" or "random" |
    | `backend` | what the dense engine solves with: "numpy", or "jax" on its default device in its default precision |
    | `workers` | processes; no bit of the result depends on them. They take a second to start |
    | `loss`, `source_loss` | as for `predict`; other than "squared" they are fitted by the dense engine, α by α |

    Raises ValueError or TypeError, naming the parameter. (theory.md, section 7.)

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> simulated = simulate(problem, [1, 7.5], n_trials=1000, seed=0)
    >>> simulated.accuracy.round(3), simulated.method
    (array([0.667, 0.731]), 'chain')
    """
    alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
    n_trials = check.size("n_trials", n_trials, low=2)
    seed = check.size("seed", seed, low=0)
    both = as_loss("loss", loss), as_loss("source_loss", source_loss)
    squared = all(map(is_squared, both))
    if not squared:
        problem.need_one_source("loss and source_loss other than 'squared'")
    method = pick_method(problem, method, noise, labels, squared)
    workers = check.size("workers", workers)
    check.choice("backend", backend, dense.BACKENDS if squared else ("numpy",))
    shape, cells = problem.cells_along(alpha)
    average, error = np.empty((2, len(QUANTITIES), *shape))
    pieces = _pieces(n_trials, method)
    with _mapper(workers) as map_:
        for place, cell, alphas in cells:
            if squared:
                engine = partial(_closed_form, cell, alphas, seed, method, noise, labels, backend)
            else:
                engine = partial(losses.draw, cell, alphas, seed, noise, labels, *both)
            average[:, *place], error[:, *place] = _merge(map_(partial(_summary, engine), pieces))
    values = dict(zip(QUANTITIES, map(plain, average), strict=True))
    errors = {f"{q}_se": plain(e) for q, e in zip(QUANTITIES, error, strict=True)}
    return SimulatedMoments(**values, **errors, n_trials=n_trials, method=method)


def draw(
    problem: TransferProblem,
    *,
    n_trials: int = 100,
    seed: int = 0,
    method: str = "auto",
    noise: str | dense.Noise = "gaussian",
    labels: str = "balanced",
    backend: str = "numpy",
    workers: int = 1,
) -> ScoreForm:
    """The score forms of single trainings of a scalar problem, c (K+1, n_trials) and M (K+1, K+1, n_trials): every α.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> form = draw(problem, n_trials=1000)
    >>> form.c.shape, form.M.shape, form.moments(7.5).accuracy.shape
    ((2, 1000), (2, 2, 1000), (1000,))
    """
    if problem.shape:
        raise ValueError(
            f"problem must be scalar to be drawn from, got shape {problem.shape}. Iterate over problem.cells()."
        )
    n_trials = check.size("n_trials", n_trials)
    seed = check.size("seed", seed, low=0)
    workers = check.size("workers", workers)
    check.choice("backend", backend, dense.BACKENDS)
    method = pick_method(problem, method, noise, labels)
    engine = partial(piece, seed=seed, method=method, noise=noise, labels=labels, backend=backend)
    with _mapper(workers) as map_:
        forms = list(map_(partial(engine, problem), _pieces(n_trials, method)))
    return ScoreForm(np.concatenate([f.c for f in forms], -1), np.concatenate([f.M for f in forms], -1))


def pick_method(problem: TransferProblem, method: str, noise: Any, labels: str, squared: bool = True) -> str:
    """The engine that "auto" stands for; ValueError where the chain was asked for and does not apply."""
    check.choice("method", method, ("auto", *(ENGINES if squared else ("chain", "dense"))))
    check.choice("labels", labels, dense.LABELS)
    if not callable(noise):
        check.choice("noise", noise, tuple(dense.NOISE))
    reasons = []
    if not problem.is_isotropic:
        reasons.append("identity covariances")
    if noise != "gaussian":
        reasons.append("Gaussian noise")
    lineage = [stage for source in problem.sources for stage in source.lineage if stage.is_trained]
    penalties = [problem.gamma_target, *([problem.gamma_source] if problem.has_trained_source else [])]
    penalties += [stage.gamma for stage in lineage]
    if any(np.any(np.asarray(gamma) < chain.SMALLEST_PENALTY) for gamma in penalties):
        reasons.append(f"positive penalties (≥ {chain.SMALLEST_PENALTY:g})")
    if problem.geometry is not None and problem.geometry.groups is not None:
        reasons.append("one group")
    if any(isinstance(source, Pool) for source in problem.sources):
        reasons.append("no pooled data")
    smallest = frames.directions(problem) if problem.sources else 2
    if np.any(np.asarray(problem.dim) < smallest):
        reasons.append(f"dim ≥ {smallest}")
    if not squared:
        reasons.append("squared losses")
    if method == "chain" and reasons:
        raise ValueError(f"method 'chain' needs {' and '.join(reasons)}, which this problem lacks. Use method='dense'.")
    return method if method not in ("auto", "chain") else "dense" if reasons else "chain"


def compare(theory: Moments | Spread, simulated: SimulatedMoments | SimulatedSpread) -> ZScores:
    """z-scores of simulated moments, or spreads, against theory: (simulated − theory)/standard error.

    Theory is exact in the limit only: at small dimension many trials resolve its O(1/p) distance. Rounding, 1e-12 of the
    value, counts as an error too, so that a saturated accuracy (no spread at all) compares as equal.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> z = compare(predict(problem, [0, 1]), simulate(problem, [0, 1], n_trials=1000))
    >>> z.accuracy.shape, z.max_abs < 4
    ((2,), True)
    """
    return ZScores(*(_z(getattr(theory, q), getattr(simulated, q), getattr(simulated, f"{q}_se")) for q in QUANTITIES))


def _z(theory: Any, simulated: Any, se: Any) -> Any:
    difference = np.asarray(simulated) - theory
    error = np.hypot(se, ROUNDING * np.abs(theory))
    # No spread, no rounding: infinitely far, unless equal.
    far = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    return plain(np.where(error > 0, difference / np.where(error > 0, error, 1.0), far))


def _pieces(n_trials: int, method: str) -> list[range]:
    """Trials 0 … n_trials−1 in the pieces that are computed at once."""
    size = ENGINES[method].at_once
    return [range(start, min(start + size, n_trials)) for start in range(0, n_trials, size)]


def piece(
    problem: TransferProblem, trials: range, seed: int, method: str, noise: Any, labels: str, backend: str = "numpy"
) -> ScoreForm:
    """The given trials, all of one piece, of a scalar problem; `method` as picked."""
    return ENGINES[method].draw(problem, seed, trials, noise, labels, backend)


def _closed_form(
    problem: TransferProblem,
    alpha: np.ndarray,
    seed: int,
    method: str,
    noise: Any,
    labels: str,
    backend: str,
    trials: range,
) -> Moments:
    """The moments at α of the given trials, (*shape of α, trials): every α from one solve a trial."""
    form = piece(problem, trials, seed, method, noise, labels, backend)
    # The trials' axis is the last of those that broadcast, so before the entries of a vector α.
    return form.moments(alpha[..., None] if problem.n_alpha == 1 else alpha[..., None, :])


Summary = tuple[int, np.ndarray, np.ndarray]


def _summary(engine: Callable[[range], Moments], trials: range) -> Summary:
    """Count, mean and sum of squared deviations of each quantity, (4, *shape of α), over one piece."""
    m = engine(trials)
    values = np.stack([getattr(m, q) for q in QUANTITIES])
    mean = values.mean(axis=-1)
    return len(trials), mean, ((values - mean[..., None]) ** 2).sum(axis=-1)


def _merge(summaries: Iterator[Summary]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of each quantity, merged in the order of the trials (Chan, Golub & LeVeque)."""
    count, mean, M2 = next(summaries)
    for size, center, spread in summaries:
        shift = center - mean
        M2 = M2 + spread + shift**2 * (count * size / (count + size))
        mean = mean + shift * (size / (count + size))
        count += size
    return mean, np.sqrt(M2 / (count - 1) / count)


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map`, over so many processes."""
    if workers == 1:
        yield map
        return
    # spawn: a fork would copy locks that JAX's and BLAS's threads hold.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool.map
