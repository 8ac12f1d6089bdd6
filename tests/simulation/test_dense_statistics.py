"""XᵀX and Xᵀy from their own law against data drawn sample by sample; memory; the JAX backend."""

import tracemalloc

import jax
import numpy as np
import pytest
from scipy import stats

from rmt_alpha import TransferProblem, simulate
from rmt_alpha.geometry import Covariance
from rmt_alpha.simulation import dense


def plain(rng, shape):
    return rng.standard_normal(shape)


def functionals(X, y, v):
    """Numbers that feel the mean, the covariance and their correlations."""
    gram, moment = X.T @ X, X.T @ y
    log_determinant = np.linalg.slogdet(gram)[1]
    return v @ moment, v @ gram @ v, gram[0, 1], np.trace(gram), log_determinant, moment @ np.linalg.solve(gram, moment)


@pytest.mark.parametrize("labels", dense.LABELS)
@pytest.mark.parametrize("covariance", ["identity", "spectrum", "matrix"])
@pytest.mark.parametrize("n", [5, 12])
def test_bartlett_has_the_law_of_the_data(n, covariance, labels):
    p, draws = 4, 1500
    rng = np.random.default_rng(1)
    mean, v = rng.standard_normal((2, p))
    A = rng.standard_normal((p, p))
    cov = Covariance(
        {"identity": None, "spectrum": np.arange(1.0, p + 1), "matrix": A @ A.T + np.eye(p)}[covariance], p
    )
    direct = [functionals(*dense.samples(rng, n, 0, mean, cov, plain, labels), v) for _ in range(draws)]
    short = [functionals(*dense.bartlett(rng, n, mean, cov), v) for _ in range(draws)]
    p_values = [stats.ks_2samp(a, b).pvalue for a, b in zip(np.transpose(direct), np.transpose(short), strict=True)]
    assert min(p_values) > 1e-4, p_values


def test_bartlett_and_data_simulate_the_same():
    problem = TransferProblem(60, 45, 30, 1.2, 1.0, 0.7, 0.1, 0.1)
    short = simulate(problem, [0.0, 1.0], n_trials=2000, method="dense")
    direct = simulate(problem, [0.0, 1.0], n_trials=2000, method="dense", noise=plain)
    for q in ("mean", "variance", "accuracy", "risk"):
        error = np.hypot(getattr(short, f"{q}_se"), getattr(direct, f"{q}_se"))
        assert np.max(np.abs(getattr(short, q) - getattr(direct, q)) / error) < 4.5


@pytest.mark.parametrize(
    ("n", "noise", "allowed"),
    [(1_000_000, "gaussian", 20e6), (40_000, plain, 40e6)],  # the data of either: 4 GB, 160 MB
)
def test_memory_does_not_grow_with_the_samples(n, noise, allowed):
    problem = TransferProblem(n, n, 500, 1.0, 1.0, 0.8, 1.0, 1.0)
    tracemalloc.start()
    try:
        dense.draw(problem, 0, range(1), noise, "balanced")
        assert tracemalloc.get_traced_memory()[1] < allowed
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("double", "tolerance"), [(True, 1e-11), (False, 1e-4)])
@pytest.mark.parametrize(("n_source", "n_target"), [(80, 30), (30, 80)])
def test_jax_gives_what_numpy_gives(double, tolerance, n_source, n_target):
    problem = TransferProblem(n_source, n_target, 50, 1.0, 1.0, 0.8, 0.5, 0.5)
    expected = dense.draw(problem, 0, range(3), "gaussian", "balanced")
    with jax.enable_x64(double):
        form = dense.draw(problem, 0, range(3), "gaussian", "balanced", "jax")
    np.testing.assert_allclose(form.c, expected.c, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(form.M, expected.M, rtol=tolerance, atol=tolerance)
