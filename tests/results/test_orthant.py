"""The probability of the nearest code: against SciPy's integrators, symmetric cases, degenerate laws."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rmt_alpha.results.orthant import bivariate_cdf, nearest_code_accuracy, positive_orthant

RNG = np.random.default_rng(0)


def covariance(d, rng=RNG):
    A = rng.standard_normal((d, d + 1))
    return A @ A.T / d + 0.05 * np.eye(d)


@pytest.mark.parametrize("d", [1, 2])
def test_one_and_two_dimensions_are_exact(d):
    for _ in range(20):
        mean, cov = RNG.standard_normal(d), covariance(d)
        exact = stats.multivariate_normal.cdf(mean, np.zeros(d), cov, abseps=1e-13, releps=1e-13, maxpts=10**6)
        assert positive_orthant(mean, cov) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("d", [3, 4, 6, 9])
def test_more_are_within_the_stated_error(d):
    for _ in range(6):
        mean, cov = 0.5 + RNG.standard_normal(d), covariance(d)
        exact = stats.multivariate_normal.cdf(mean, np.zeros(d), cov, abseps=1e-6, releps=1e-6, maxpts=10**6)
        assert positive_orthant(mean, cov) == pytest.approx(exact, abs=1e-4)


def test_many_laws_at_once_are_each_their_own():
    mean, cov = RNG.standard_normal((5, 8, 4)), np.array([covariance(4) for _ in range(40)]).reshape(5, 8, 4, 4)
    one_by_one = [[positive_orthant(m, C) for m, C in zip(*row, strict=True)] for row in zip(mean, cov, strict=True)]
    np.testing.assert_allclose(positive_orthant(mean, cov), one_by_one, rtol=1e-12)


@pytest.mark.parametrize("K", [2, 3, 4, 7])
def test_scores_that_say_nothing_are_right_one_time_in_k(K):
    accuracy = nearest_code_accuracy(np.eye(K), np.arange(K), np.zeros((K, K)), np.broadcast_to(np.eye(K), (K, K, K)))
    np.testing.assert_allclose(accuracy, 1 / K, atol=1e-4)


@pytest.mark.parametrize(
    ("h", "k"), [(0.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.5, -0.7), (0.5, 0.5), (40.0, -1.0), (0.3, 0.2)]
)
@pytest.mark.parametrize("rho", [-1.0, -0.999999, -0.3, 0.0, 0.5, 1.0])
def test_bivariate_at_its_edges(h, k, rho):
    if abs(rho) == 1:
        expected = stats.norm.cdf(min(h, k)) if rho > 0 else max(stats.norm.cdf(h) + stats.norm.cdf(k) - 1, 0)
    else:
        # P(X < h, Y < k) = ∫ φ(x) Φ((k − ρx)/√(1−ρ²)) dx over x < h, split where the second factor turns.
        from scipy.integrate import quad

        turn = k / rho if rho else 0.0
        points = sorted(
            {max(min(turn, h), -12.0), *(max(min(turn + s, h), -12.0) for s in (-0.01, 0.01)), 0.0 if h > 0 else -12.0}
        )
        edges = sorted({-12.0, *points, min(h, 12.0)})
        f = lambda x: stats.norm.pdf(x) * stats.norm.cdf((k - rho * x) / np.sqrt((1 - rho) * (1 + rho)))  # noqa: E731
        expected = sum(quad(f, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(edges))
    assert bivariate_cdf(h, k, np.float64(rho)) == pytest.approx(expected, abs=1e-6)


def test_a_degenerate_law_is_its_limit():
    """All scores along one line, as after a correction of rank one from nothing."""
    mean, v = np.array([0.4, 0.1, 0.7, 0.2]), np.array([1.0, -0.5, 0.3, 0.8])
    draws = mean + RNG.standard_normal((400_000, 1)) * v
    expected = np.mean(np.all(draws > 0, axis=1))
    assert positive_orthant(mean, np.outer(v, v)) == pytest.approx(expected, abs=4e-3)


def test_jax_gives_the_same():
    with jax.enable_x64(True):
        for d in (1, 2, 4):
            mean, cov = 0.3 + RNG.standard_normal(d), covariance(d)
            assert float(jax.jit(positive_orthant)(jnp.asarray(mean), jnp.asarray(cov))) == pytest.approx(
                positive_orthant(mean, cov), abs=1e-9
            )


def test_codes_of_unequal_length_meet_at_their_bisector():
    targets = np.array([[1.0], [3.0]])
    accuracy = nearest_code_accuracy(targets, np.array([0, 1]), np.array([[1.5], [2.5]]), np.array([[[1.0]], [[4.0]]]))
    np.testing.assert_allclose(accuracy, stats.norm.cdf([0.5, 0.25]), rtol=1e-12)


@pytest.mark.parametrize("K", [2, 3, 4, 7])
def test_equal_scores_are_told_apart_by_a_fair_die(K):
    accuracy = nearest_code_accuracy(np.eye(K), np.arange(K), np.full((K, K), 0.3), np.zeros((K, K, K)))
    np.testing.assert_allclose(accuracy, 1 / K, atol=1e-4)


@pytest.mark.parametrize(("K", "error"), [(10, 1e-4), (30, 3e-4), (100, 5e-4)])
def test_many_classes_of_independent_scores(K, error):
    grid, step = np.linspace(-8, 12, 4001, retstep=True)
    expected = np.sum(stats.norm.pdf(grid - 3) * stats.norm.cdf(grid) ** (K - 1)) * step
    assert positive_orthant(np.full(K - 1, 3.0), np.eye(K - 1) + 1) == pytest.approx(expected, abs=error)
