"""The engines against their floors (random numbers, BLAS and LAPACK) and against the published way of simulating."""

import time
from functools import cache, partial

import jax
import numpy as np
import pytest
from scipy import linalg
from threadpoolctl import threadpool_limits

from rmt_alpha import TransferProblem, simulate
from rmt_alpha.simulation import chain, dense, frames
from rmt_alpha.simulation.dense import Conditions
from rmt_alpha.simulation.streams import generator

from .conftest import peak, seconds

ALPHAS = np.linspace(-2, 2, 1000)
PUBLISHED = TransferProblem(5000, 40, 1000, 0.8, 0.8, 0.8, 5.0, 0.1)


def unit(n_source, n_target, dim, gamma=1.0):
    return TransferProblem(n_source, n_target, dim, 1.0, 1.0, 0.8, gamma, gamma)


@cache
def published_seconds() -> float:
    """One α of one trial: fresh data, both p×p inverses, a fresh test set of 20 n points.

    (The published code also draws a source test set of 20 N points that it never uses; not counted.)
    """
    p, rng = PUBLISHED.dim, np.random.default_rng(0)
    source, target = np.zeros((2, p))
    source[0], target[:2] = 0.8, (0.64, 0.48)

    def mixture(n, mean):
        y = np.where(np.arange(n) < n // 2, -1.0, 1.0)
        return np.outer(mean, y) + rng.standard_normal((p, n)), y

    def weights(X, y, gamma, anchor):
        n = len(y)
        Q = np.linalg.solve(X @ X.T / n + gamma * np.eye(p), np.eye(p))
        return anchor + Q @ (X @ y - X @ (X.T @ anchor)) / n

    def one():
        w = weights(*mixture(PUBLISHED.n_source, source), PUBLISHED.gamma_source, np.zeros(p))
        w = weights(*mixture(PUBLISHED.n_target, target), PUBLISHED.gamma_target, 1.5 * w)
        X, y = mixture(20 * PUBLISHED.n_target, target)
        return np.mean(y * (X.T @ w) > 0)

    with threadpool_limits(1):
        return seconds(one, repeat=3)[0]


def random_numbers(problem: TransferProblem) -> None:
    """What the trials of one chunk of the chain need, drawn and thrown away."""
    rng, buffer = np.random.Generator(np.random.SFC64(0)), np.empty(chain.TRIALS)
    for n, gamma, k in ((problem.n_source, problem.gamma_source, 1), (problem.n_target, problem.gamma_target, 2)):
        for _ in range(chain.levels_needed(problem.dim, n, gamma, k)):
            for _ in range(k * (k + 1) // 2):
                rng.standard_normal(out=buffer)
            for _ in range(k + 1):
                rng.standard_gamma(n / 2, out=buffer)


@pytest.mark.parametrize("dim", [1000, 1_000_000])
def test_chain(row, dim):
    problem = unit(5 * dim, dim // 10, dim)
    one = partial(frames.draw, problem.fit, 0, (), 0)
    taken, floor = seconds(one, partial(random_numbers, problem), repeat=20)
    row(f"chain, p = {dim}, one core", f"{chain.TRIALS / taken:.0f} trials/s", taken / floor, memory=peak(one))


@pytest.mark.parametrize("workers", [1, 2])
def test_simulate_end_to_end(row, workers):
    trials = 400 * chain.TRIALS
    run = partial(simulate, unit(5_000_000, 100_000, 1_000_000), 1.0, n_trials=trials, workers=workers)
    (taken,) = seconds(run, repeat=2, clock=time.perf_counter)
    row(f"simulate(), p = 1000000, workers = {workers}, wall clock, start included", f"{trials / taken:.0f} trials/s")


def test_chain_at_small_penalty(row):
    run = partial(simulate, unit(100_000, 100_000, 100_000, 1e-4), 1.0, n_trials=16)
    row("chain, p = n = N = 100000, γ = 1e-4, 16 trials", f"{seconds(run, repeat=2)[0]:.2f} s", memory=peak(run))


@pytest.mark.parametrize(("method", "trials"), [("chain", chain.TRIALS), ("dense", 4)])
def test_against_the_published_way(row, method, trials):
    run = partial(simulate, PUBLISHED, ALPHAS, n_trials=trials, method=method)
    taken = seconds(run, repeat=3)[0] / trials
    gain = len(ALPHAS) * published_seconds() / taken
    row(f"{method}, N = 5000, n = 40, p = 1000, 1000 α", f"{1 / taken:.0f} trials/s", published=gain)


def test_published_way(row):
    row("published way, the same", f"{1 / (len(ALPHAS) * published_seconds()):.1e} trials/s", published=1.0)


def trial(problem: TransferProblem, noise: object = "gaussian", backend: str = "numpy"):
    """One trial of the dense engine."""
    return dense.draw(problem.fit, [generator(0, ())], Conditions(noise, "balanced", backend))


def bare(shapes, rng):
    """Gram product, Cholesky factorisation and triangular solves on given matrices, and the drawing of their entries."""
    matrices = [rng.standard_normal((min(n, p + 1), p)) for n, p in shapes]

    def algebra():
        for columns, X in enumerate(matrices, start=1):
            gram = X.T @ X if len(X) >= X.shape[1] else X @ X.T
            gram[np.diag_indices_from(gram)] += 1.0
            factor = linalg.cho_factor(gram.T, lower=True, overwrite_a=True, check_finite=False)
            linalg.cho_solve(factor, np.ones((len(gram), columns)), check_finite=False)

    def numbers():
        for n, p in shapes:
            rng.standard_normal(p * (p - 1) // 2 if n > p else n * p)

    return algebra, numbers


@pytest.mark.parametrize("p", [400, 1000, 2000])
@pytest.mark.parametrize("aspect", [0.5, 2])
def test_dense(row, p, aspect):
    problem = unit(4 * p, int(p / aspect), p)
    run = partial(trial, problem)
    with threadpool_limits(1):
        functions = run, *bare([(problem.n_source, p), (problem.n_target, p)], np.random.default_rng(0))
        taken, algebra, numbers = seconds(*functions, repeat=2 + 4000 // p)
    case = f"dense, p = {p}, n = {problem.n_target}, N = {problem.n_source} (floor: {numbers / algebra:.0%} random numbers)"
    row(case, f"{1 / taken:.1f} trials/s", taken / (algebra + numbers), memory=peak(run))


def plain(rng, shape):
    return rng.standard_normal(shape)


@pytest.mark.parametrize("noise", ["gaussian", plain])
def test_dense_with_many_samples(row, noise):
    run = partial(trial, unit(1_000_000, 100, 500), noise)
    start = time.process_time()
    memory = peak(run)
    way = "Bartlett" if noise == "gaussian" else "data drawn"
    row(f"dense, N = 1000000, p = 500, {way}", f"{time.process_time() - start:.2g} s a trial", memory=memory)


@pytest.mark.parametrize("double", [True, False])
def test_dense_on_jax(row, double):
    with jax.enable_x64(double):
        problem, device = unit(8000, 4000, 2000), jax.devices()[0].device_kind
        taken = seconds(partial(trial, problem, backend="jax"), repeat=2, clock=time.perf_counter)[0]
    row(f"dense, p = 2000, n = 4000, JAX on {device}, float{64 if double else 32}", f"{1 / taken:.1f} trials/s")
