"""Direct simulation of any two losses: Newton's method on drawn data, one fit a trial and an α."""

from __future__ import annotations

import numpy as np

from ..convex import convex_path
from ..losses import Loss, is_squared
from ..moments import Moments, moments
from ..problem import TransferProblem
from ..ridge import ridge_path
from .dense import NOISE, Noise, blas, samples, vectors
from .streams import cell_key, generator


def draw(
    problem: TransferProblem,
    alphas: np.ndarray,
    seed: int,
    noise: str | Noise,
    labels: str,
    loss: Loss,
    source_loss: Loss,
    trials: range,
) -> Moments:
    """The moments at alphas of the given trials of a scalar problem, (*alphas.shape, trials)."""
    law = NOISE[noise] if isinstance(noise, str) else noise
    name = noise if isinstance(noise, str) else getattr(noise, "__qualname__", repr(noise))
    key = cell_key(problem, "convex", name, labels)
    mean_source, mean_target, cov_source, cov_target = vectors(problem)
    means, variances = np.empty((2, *alphas.shape, len(trials)))
    # All samples of a stage are drawn at once: Newton's method wants them at every step.
    with blas().limit(limits=1, user_api="blas"):  # as in the dense engine
        for place, trial in enumerate(trials):
            rng = generator(seed, key, trial)
            if problem.has_trained_source:
                X, y = samples(rng, problem.n_source, 0, mean_source, cov_source, law, labels)
                w = _fit(X, y, problem.gamma_source, source_loss, np.zeros(len(mean_source)), np.zeros(1))[:, 0]
            else:
                assert problem.geometry is not None and problem.geometry.w_source is not None
                w = problem.geometry.w_source
            X, y = samples(rng, problem.n_target, 0, mean_target, cov_target, law, labels)
            W = _fit(X, y, problem.gamma_target, loss, w, alphas.ravel())
            means[..., place] = (W.T @ mean_target).reshape(alphas.shape)
            variances[..., place] = cov_target.quadratic(W.T, W.T).reshape(alphas.shape)
    return moments(means, variances)


def _fit(X: np.ndarray, y: np.ndarray, gamma: float, loss: Loss, w: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """W (p, A), in closed form under the squared loss."""
    if is_squared(loss):
        base = ridge_path(X, y, gamma, w[:, None])
        return base[:, :1] + base[:, 1:] * alphas
    # In order, so that each fit starts near its answer.
    order = np.argsort(alphas, kind="stable")
    W = np.empty((len(w), len(alphas)))
    W[:, order] = convex_path(X, y, gamma, loss, w, alphas[order])
    return W
