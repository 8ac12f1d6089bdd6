"""Direct simulation: draw the data, solve, and take the exact conditional law of the score.

The independent reference of the chain sampler, and the engine for what rotation invariance does not cover: any
covariance, any noise law. One factorisation a draw serves every α, and Φ(m/√V) replaces a test set.

Of more samples than dimensions only XᵀX and Xᵀy are wanted. With Gaussian noise they are drawn from their own law, p²/2 numbers
instead of Np; with any other law, or with a function given as one, the data are drawn, a block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from ..geometry import Covariance
from ..moments import ScoreForm
from ..problem import TransferProblem
from ..ridge import ridge_from_gram, ridge_path
from ..sources import Pool, Source
from .streams import cell_key, generator

BLOCK = 2**20  # numbers drawn at once
STUDENT_FREEDOM = 5

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _rademacher(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2, shape) * 2.0 - 1.0


def _student(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(STUDENT_FREEDOM, shape) * np.sqrt(1 - 2 / STUDENT_FREEDOM)


NOISE: dict[str, Noise] = {
    "gaussian": _gaussian,
    "rademacher": _rademacher,
    "student": _student,
}
LABELS = ("balanced", "random")
BACKENDS = ("numpy", "jax")

blas = cache(ThreadpoolController)


def draw(
    problem: TransferProblem, seed: int, trials: range, noise: str | Noise, labels: str, backend: str = "numpy"
) -> ScoreForm:
    """The given trials of a scalar problem: c (K+1, trials) and M (K+1, K+1, trials), with K numbers α.

    With non-Gaussian noise Φ(m/√V) is the accuracy on Gaussian test points, the limit of the exact one. The backend "jax" gets the same
    random numbers and solves on JAX's default device, in its default precision.
    """
    law = NOISE[noise] if isinstance(noise, str) else noise
    name = noise if isinstance(noise, str) else getattr(noise, "__qualname__", repr(noise))
    key = cell_key(problem, "dense", name, labels)
    # One BLAS thread: their number would change the last bits, and what runs in parallel are trials.
    with blas().limit(limits=1, user_api="blas"):
        forms = [_trial(problem, generator(seed, key, trial), law, labels, backend) for trial in trials]
    return ScoreForm(np.stack([c for c, _ in forms], -1), np.stack([M for _, M in forms], -1))


def _trial(
    problem: TransferProblem, rng: np.random.Generator, law: Noise, labels: str, backend: str
) -> tuple[np.ndarray, np.ndarray]:
    mean_source, mean_target, cov_source, cov_target = vectors(problem)
    if problem.sources:
        assert problem.geometry is not None
        W = np.column_stack([_train(source, rng, law, labels, backend) for source in problem.sources])
        w = _split(W, problem.geometry.groups)
    elif problem.has_trained_source:
        w = _stage(rng, problem.n_source, mean_source, cov_source, problem.gamma_source, law, labels, backend)
    else:
        assert problem.geometry is not None and problem.geometry.w_source is not None
        w = problem.geometry.w_source[:, None]
    W = _stage(rng, problem.n_target, mean_target, cov_target, problem.gamma_target, law, labels, backend, w)
    return W.T @ mean_target, cov_target.quadratic(W.T[:, None], W.T[None])


def _train(source: Source | Pool, rng: np.random.Generator, law: Noise, labels: str, backend: str) -> np.ndarray:
    """The classifier (p,) of a source, trained after those it was fine-tuned from."""
    if isinstance(source, Pool):
        sets = [samples(rng, s.n, 0, s.mean, s.cov, law, labels) for s in source.parts]
        X, y = (np.concatenate(part) for part in zip(*sets, strict=True))
        return ridge_path(X, y, source.gamma)[:, 0]
    if not source.is_trained:
        return source.w
    start = None if source.start is None else _train(source.start, rng, law, labels, backend)[:, None]
    W = _stage(rng, source.n, source.mean, source.cov, source.gamma, law, labels, backend, start)
    return W[:, 0] if start is None else W[:, 0] + source.alpha * W[:, 1]


def _split(w: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The anchors P_g w̃_k (p, K·G) of weights (p, K), source by source."""
    if groups is None:
        return w
    indicator = np.eye(groups.max() + 1)[groups]
    return (w[:, :, None] * indicator[:, None, :]).reshape(len(w), -1)


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
    backend: str,
    anchors: np.ndarray | None = None,
) -> np.ndarray:
    """Train on n fresh samples; never more than one block of them, or a few min(n, p)² numbers, in memory."""
    p = len(mean)
    put = _put(backend)
    anchors = None if anchors is None else put(anchors)
    if n <= p:
        X, y = samples(rng, n, 0, mean, cov, law, labels)
        return np.asarray(ridge_path(put(X), put(y), gamma, anchors), dtype=float)
    gram, moment = put(np.zeros((p, p))), put(np.zeros(p))
    for X, y in [bartlett(rng, n, mean, cov)] if law is NOISE["gaussian"] else _blocks(rng, n, mean, cov, law, labels):
        X = put(X)
        gram += X.T @ X
        moment += X.T @ put(y)
    return np.asarray(ridge_from_gram(gram, moment, n * gamma, anchors), dtype=float)


def _put(backend: str) -> Callable[[np.ndarray], Any]:
    """The way onto the backend's device."""
    if backend == "numpy":
        return np.asarray
    import jax  # only here: it takes half a second

    return jax.numpy.asarray


def bartlett(rng: np.random.Generator, n: int, mean: np.ndarray, cov: Covariance) -> tuple[np.ndarray, np.ndarray]:
    r"""p+1 rows X and their y with the joint law of XᵀX and Xᵀy of n > p Gaussian samples.

    Rotate the sample axis so that its first direction is y/√n. There the row is √n μ + C^{1/2}z, and y is √n; the other n−1 rows
    are noise alone, and their Gram matrix is a Wishart matrix, C^{1/2} A Aᵀ C^{1/2} with Bartlett's triangle A: χ_{n−1}, χ_{n−2}, … on
    the diagonal, standard normals below.
    """
    p = len(mean)
    X, y = np.zeros((p + 1, p)), np.zeros(p + 1)
    rng.standard_normal(out=X[0])
    X[1:][np.diag_indices(p)] = np.sqrt(2 * rng.standard_gamma((n - 1 - np.arange(p)) / 2))
    for i in range(p - 1):
        rng.standard_normal(out=X[i + 1, i + 1 :])
    X = cov.square_root_times(X)
    X[0] += np.sqrt(n) * mean
    y[0] = np.sqrt(n)
    return X, y


def _blocks(
    rng: np.random.Generator, n: int, mean: np.ndarray, cov: Covariance, law: Noise, labels: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """n samples, block by block."""
    rows = max(BLOCK // len(mean), 1)
    for start in range(0, n, rows):
        yield samples(rng, min(rows, n - start), start, mean, cov, law, labels)


def samples(
    rng: np.random.Generator, rows: int, start: int, mean: np.ndarray, cov: Covariance, law: Noise, labels: str
) -> tuple[np.ndarray, np.ndarray]:
    """Rows x = yμ + C^{1/2}z. Balanced labels alternate; the noise is symmetric, so their order means nothing."""
    y = rng.integers(0, 2, rows) * 2.0 - 1.0 if labels == "random" else 1.0 - 2.0 * (np.arange(start, start + rows) % 2)
    X = y[:, None] * mean
    X += cov.square_root_times(law(rng, (rows, len(mean))))
    return X, y
