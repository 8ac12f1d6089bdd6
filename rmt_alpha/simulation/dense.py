"""Direct simulation: draw the data, solve, and take the exact conditional law of the score.

The independent reference of the chain sampler, and the engine for what rotation invariance does not cover: any
covariance, any noise law. One factorisation a draw serves every α, and Φ(m/√V) replaces a test set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..geometry import Covariance
from ..moments import ScoreForm
from ..problem import TransferProblem
from ..ridge import ridge_from_gram, ridge_path
from .streams import cell_key, generator

BLOCK = 2**22  # numbers drawn at once
STUDENT_FREEDOM = 5

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _rademacher(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2, shape) * 2.0 - 1.0


def _student(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(STUDENT_FREEDOM, shape) * np.sqrt(1 - 2 / STUDENT_FREEDOM)


NOISE: dict[str, Noise] = {
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
    "rademacher": _rademacher,
    "student": _student,
}
LABELS = ("balanced", "random")


def draw(problem: TransferProblem, seed: int, trials: range, noise: str | Noise, labels: str) -> ScoreForm:
    """The given trials of a scalar problem: c (2, trials) and M (2, 2, trials).

    With non-Gaussian noise Φ(m/√V) is the accuracy on Gaussian test points, the limit of the exact one.
    """
    law = NOISE[noise] if isinstance(noise, str) else noise
    name = noise if isinstance(noise, str) else getattr(noise, "__qualname__", repr(noise))
    key = cell_key(problem, "dense", name, labels)
    forms = [_trial(problem, generator(seed, key, trial), law, labels) for trial in trials]
    return ScoreForm(np.stack([c for c, _ in forms], -1), np.stack([M for _, M in forms], -1))


def _trial(
    problem: TransferProblem, rng: np.random.Generator, law: Noise, labels: str
) -> tuple[np.ndarray, np.ndarray]:
    mean_source, mean_target, cov_source, cov_target = vectors(problem)
    if problem.has_trained_source:
        w = _stage(rng, problem.n_source, mean_source, cov_source, problem.gamma_source, law, labels)
    else:
        assert problem.geometry is not None and problem.geometry.w_source is not None
        w = problem.geometry.w_source[:, None]
    W = _stage(rng, problem.n_target, mean_target, cov_target, problem.gamma_target, law, labels, w)
    return W.T @ mean_target, cov_target.quadratic(W.T[:, None], W.T[None])


def vectors(problem: TransferProblem) -> tuple[Any, np.ndarray, Any, Covariance]:
    """Source mean, target mean and both covariances of a scalar problem, as vectors in its dimension."""
    geometry = problem.geometry
    if geometry is not None:
        return geometry.mean_source, geometry.mean_target, geometry.cov_source, geometry.cov_target
    source, target = np.zeros((2, problem.dim))
    source[0] = problem.mu
    target[0] = problem.beta * problem.mu
    target[1] = np.sqrt((1 - problem.beta) * (1 + problem.beta)) * problem.mu_orth
    identity = Covariance(None, problem.dim)
    return source, target, identity, identity


def _stage(
    rng: np.random.Generator,
    n: int,
    mean: np.ndarray,
    cov: Covariance,
    gamma: float,
    law: Noise,
    labels: str,
    anchors: np.ndarray | None = None,
) -> np.ndarray:
    """Train on n fresh samples; never more than one block of them, or min(n, p)² numbers, in memory."""
    p = len(mean)
    rows = max(BLOCK // p, 1)
    if n <= p or n <= rows:
        X, y = samples(rng, n, 0, n, mean, cov, law, labels)
        return ridge_path(X, y, gamma, anchors)
    gram, moment = np.zeros((p, p)), np.zeros(p)
    for start in range(0, n, rows):
        X, y = samples(rng, min(rows, n - start), start, n, mean, cov, law, labels)
        gram += X.T @ X
        moment += X.T @ y
    return ridge_from_gram(gram, moment, n * gamma, anchors)


def samples(
    rng: np.random.Generator, rows: int, start: int, n: int, mean: np.ndarray, cov: Covariance, law: Noise, labels: str
) -> tuple[np.ndarray, np.ndarray]:
    """Rows x = yμ + C^{1/2}z. Balanced labels alternate; the noise is symmetric, so their order means nothing."""
    y = rng.integers(0, 2, rows) * 2.0 - 1.0 if labels == "random" else 1.0 - 2.0 * (np.arange(start, start + rows) % 2)
    z = law(rng, (rows, len(mean)))
    return y[:, None] * mean + cov.square_root_times(z), y
