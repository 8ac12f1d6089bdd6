"""`simulate`: picks the engine, hands out the random streams, gathers trials; `compare` sets it against theory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import plain, pytree
from ..losses import Loss, as_loss, is_squared
from ..moments import LARGEST_ALPHA, Moments, ScoreForm
from ..problem import TransferProblem
from . import chain, dense, losses

METHODS = ("auto", "chain", "dense")
ROUNDING = 1e-12
QUANTITIES = ("mean", "variance", "accuracy", "risk")


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
    loss: str | Loss = "squared",
    source_loss: str | Loss = "squared",
) -> SimulatedMoments:
    """Average the exact conditional moments of w_α over independent trainings.

    | parameter | meaning |
    |---|---|
    | `alpha` | broadcasts against the problem's arrays; every α shares the same draws |
    | `n_trials` | trainings per problem, ≥ 2 |
    | `seed` | trial i of seed s is the same whatever else is computed |
    | `method` | "chain" (exact in O(depth); C = I, Gaussian, γ > 0), "dense" (draws data), "auto" (chain where it applies) |
    | `noise` | "gaussian", "rademacher", "student" (5 degrees of freedom, unit variance), or a function (rng, shape) → array |
    | `labels` | "balanced" or "random" |
    | `loss`, `source_loss` | as for `predict`; other than "squared" they are fitted by the dense engine, α by α |

    Raises ValueError or TypeError, naming the parameter. (theory.md, section 7.)
    """
    alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
    n_trials = check.size("n_trials", n_trials, low=2)
    seed = check.size("seed", seed, low=0)
    both = as_loss("loss", loss), as_loss("source_loss", source_loss)
    squared = all(map(is_squared, both))
    method = pick_method(problem, method, noise, labels, squared)
    shape, pieces = problem.cells_along(alpha)
    average, error = np.empty((2, len(QUANTITIES), *shape))
    for place, cell, alphas in pieces:
        blocks: Iterator[Moments]
        if squared:
            forms = _chunks(cell, n_trials, seed, method, noise, labels)
            blocks = (form.moments(alphas[..., None]) for form in forms)
        else:
            blocks = losses.draws(cell, alphas, seed, n_trials, noise, labels, *both)
        average[:, *place], error[:, *place] = _average(blocks, alphas.shape)
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
) -> ScoreForm:
    """The score forms of single trainings of a scalar problem, c (2, n_trials) and M (2, 2, n_trials): every α at once."""
    if problem.shape:
        raise ValueError(
            f"problem must be scalar to be drawn from, got shape {problem.shape}. Iterate over problem.cells()."
        )
    n_trials = check.size("n_trials", n_trials)
    seed = check.size("seed", seed, low=0)
    method = pick_method(problem, method, noise, labels)
    chunks = list(_chunks(problem, n_trials, seed, method, noise, labels))
    return ScoreForm(np.concatenate([f.c for f in chunks], -1), np.concatenate([f.M for f in chunks], -1))


def pick_method(problem: TransferProblem, method: str, noise: Any, labels: str, squared: bool = True) -> str:
    """The engine that "auto" stands for; ValueError where the chain was asked for and does not apply."""
    check.choice("method", method, METHODS)
    check.choice("labels", labels, dense.LABELS)
    if not callable(noise):
        check.choice("noise", noise, tuple(dense.NOISE))
    reasons = []
    if not problem.is_isotropic:
        reasons.append("identity covariances")
    if noise != "gaussian":
        reasons.append("Gaussian noise")
    if np.any(np.asarray(problem.gamma_target) == 0) or (
        problem.has_trained_source and np.any(np.asarray(problem.gamma_source) == 0)
    ):
        reasons.append("positive penalties")
    if np.any(np.asarray(problem.dim) < 2):
        reasons.append("dim ≥ 2")
    if not squared:
        reasons.append("squared losses")
    if method == "chain" and reasons:
        raise ValueError(f"method 'chain' needs {' and '.join(reasons)}, which this problem lacks. Use method='dense'.")
    return "dense" if method == "dense" or reasons else "chain"


def compare(theory: Moments, simulated: SimulatedMoments) -> ZScores:
    """z-scores of a simulation against theory: (simulated − theory)/standard error.

    Theory is exact in the limit only: at small dimension many trials resolve its O(1/p) distance. Rounding, 1e-12 of the
    value, counts as an error too, so that a saturated accuracy (no spread at all) compares as equal.
    """
    return ZScores(*(_z(getattr(theory, q), getattr(simulated, q), getattr(simulated, f"{q}_se")) for q in QUANTITIES))


def _z(theory: Any, simulated: Any, se: Any) -> Any:
    difference = np.asarray(simulated) - theory
    error = np.hypot(se, ROUNDING * np.abs(theory))
    return plain(np.divide(difference, error, out=np.copysign(np.inf, difference), where=error > 0) * (difference != 0))


def _chunks(
    problem: TransferProblem, n_trials: int, seed: int, method: str, noise: Any, labels: str
) -> Iterator[ScoreForm]:
    """Trials 0 … n_trials−1 in chunks of `chain.TRIALS`."""
    for chunk in range(-(-n_trials // chain.TRIALS)):
        trials = range(chunk * chain.TRIALS, min((chunk + 1) * chain.TRIALS, n_trials))
        if method == "dense":
            yield dense.draw(problem, seed, trials, noise, labels)
        else:
            form = chain.draw(problem, seed, chunk)
            yield ScoreForm(form.c[..., : len(trials)], form.M[..., : len(trials)])


def _average(blocks: Iterator[Moments], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of each quantity, (4, *shape), over blocks (*shape, trials), merged (Chan, Golub & LeVeque)."""
    count, mean, M2 = 0, np.zeros((len(QUANTITIES), *shape)), 0.0
    for block in blocks:
        values = np.stack([getattr(block, q) for q in QUANTITIES])
        size = values.shape[-1]
        center = values.mean(axis=-1)
        shift = center - mean
        M2 = M2 + ((values - center[..., None]) ** 2).sum(-1) + shift**2 * (count * size / (count + size))
        mean = mean + shift * (size / (count + size))
        count += size
    return mean, np.sqrt(M2 / (count - 1) / count)
