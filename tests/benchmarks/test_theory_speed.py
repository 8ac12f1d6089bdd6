"""Theory, batched."""

import dataclasses
import time
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from rmt_alpha import TransferProblem, optimal_alpha, predict

from .conftest import peak, seconds

PROBLEMS = 200_000


def test_isotropic(row):
    rng = np.random.default_rng(0)
    sizes = {name: rng.integers(50, 5000, PROBLEMS) for name in ("n_source", "n_target", "dim")}
    numbers = {
        name: rng.uniform(0.1, 1, PROBLEMS) for name in ("mu", "mu_orth", "beta", "gamma_source", "gamma_target")
    }
    problem, alpha = TransferProblem(**sizes, **numbers), rng.uniform(-2, 2, PROBLEMS)
    whole = lambda: (predict(TransferProblem(**sizes, **numbers), alpha), optimal_alpha(problem))  # noqa: E731
    cases = {
        "predict": partial(predict, problem, alpha),
        "optimal_alpha": partial(optimal_alpha, problem),
        "problems made, predicted and optimised": whole,
    }
    for (name, run), taken in zip(cases.items(), seconds(*cases.values()), strict=True):
        row(f"theory, isotropic: {name}", f"{PROBLEMS / taken:.1e} problems/s", memory=peak(run))


def test_general_covariance(row):
    p, rng = 2000, np.random.default_rng(0)
    matrices = rng.standard_normal((2, p, p))
    source, target = (A @ A.T / p + 0.1 * np.eye(p) for A in matrices)
    means = rng.standard_normal((2, p)) / np.sqrt(p)
    options = dict(n_source=3000, n_target=500, gamma_source=0.1, gamma_target=0.2)
    with threadpool_limits(1):
        start = time.process_time()
        problem = TransferProblem.from_means(*means, **options, cov_source=source, cov_target=target)
        predict(problem, 1.0)
        taken = time.process_time() - start
        (decomposition,) = seconds(partial(np.linalg.eigh, source), repeat=1)
    case = "theory, two covariances of p = 2000, one core: first (floor: two eigendecompositions)"
    row(case, f"{taken:.2f} s", taken / (2 * decomposition))
    for name, change in {"α": {}, "γ": {"gamma": 0.3}, "n": {"n": 700}}.items():
        with threadpool_limits(1):
            (taken,) = seconds(lambda change=change: predict(dataclasses.replace(problem, **change), 1.5))
        row(f"theory, two covariances of p = 2000: another {name}", f"{1e3 * taken:.1f} ms")
