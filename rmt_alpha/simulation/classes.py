"""Direct simulation of classes that differ: draw both training sets, solve, take the exact conditional scores."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import plain
from ..class_moments import ClassForm
from ..classes import ClassProblem, Mixture
from ..moments import LARGEST_ALPHA
from ..ridge import ridge_path
from .argmax import SimulatedOptimum, maximise
from .simulate import QUANTITIES, SimulatedMoments
from .streams import generator


def simulate_classes(
    problem: ClassProblem, alpha: Any, threshold: str = "zero", *, n_trials: int = 100, seed: int = 0
) -> SimulatedMoments:
    """Averages over independent trainings, with standard errors; shapes as from `predict_classes`.

    Every α shares the same draws; no test set is involved. The threshold "optimal" is each draw's own best one, which only
    the population tells: being the best of its draw, it lies above the limit by O(1/p).
    """
    alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
    n_trials = check.size("n_trials", n_trials, low=2)
    law = draw_classes(problem, n_trials=n_trials, seed=seed).moments(alpha[..., None], threshold)
    draws = {q: np.asarray(getattr(law, q)) for q in QUANTITIES}
    values = {q: plain(d.mean(axis=-1)) for q, d in draws.items()}
    errors = {f"{q}_se": plain(d.std(axis=-1, ddof=1) / np.sqrt(n_trials)) for q, d in draws.items()}
    return SimulatedMoments(**values, **errors, n_trials=n_trials, method="dense")


def simulate_optimal_alpha_classes(
    problem: ClassProblem, threshold: str = "zero", *, n_trials: int = 100, seed: int = 0
) -> SimulatedOptimum:
    """The α that maximises the accuracy averaged over draws, with its standard error."""
    form = draw_classes(problem, n_trials=n_trials, seed=seed)
    return maximise(lambda angle: form.accuracy_along(angle, threshold))


def draw_classes(problem: ClassProblem, *, n_trials: int = 100, seed: int = 0) -> ClassForm:
    """The scores of single trainings, c (2, K, n_trials) and M (2, 2, K, n_trials): every α at once."""
    n_trials = check.size("n_trials", n_trials)
    key = struct.unpack("<8I", problem.fingerprint)
    trials = [_trial(problem, generator(seed, key, trial)) for trial in range(n_trials)]
    return ClassForm(np.stack([c for c, _ in trials], -1), np.stack([M for _, M in trials], -1), problem.target)


def _trial(problem: ClassProblem, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """c (2, K) and M (2, 2, K) of one training."""
    if problem.has_trained_source:
        X, t = _samples(rng, problem.source, problem.n_source)
        anchor = ridge_path(X, t, float(problem.gamma_source or 0))
    else:
        anchor = problem.source[:, None]
    X, t = _samples(rng, problem.target, problem.n_target)
    W = ridge_path(X, t, problem.gamma_target, anchor).T
    target = problem.target
    c = target.labels * (W @ target.means.T)
    return c, np.stack([cov.quadratic(W[:, None], W[None]) for cov in target.covariances], -1)


def _samples(rng: np.random.Generator, mixture: Mixture, n: Any) -> tuple[np.ndarray, np.ndarray]:
    """n independent rows and the labels that training sees, some of them flipped."""
    component = rng.choice(len(mixture.priors), size=n, p=mixture.priors)
    X = rng.standard_normal((n, mixture.dim))
    for k, cov in enumerate(mixture.covariances):
        rows = component == k
        X[rows] = mixture.means[k] + cov.square_root_times(X[rows])
    flipped = rng.random(n) < mixture.flips[component]
    return X, mixture.labels[component] * np.where(flipped, -1.0, 1.0)
