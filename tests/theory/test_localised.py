"""Noise that is not Gaussian on few coordinates: by enumeration, against drawn test points, and what becomes of it when spread."""

import itertools

import numpy as np
import pytest
from scipy.special import ndtr

from rmt_alpha import Fit, Population, TransferProblem, predict, simulate
from rmt_alpha.theory.stage import train

E = np.eye(2, 200)
SIZES = dict(n_source=2000, n_target=600, gamma_source=1.0, gamma_target=0.5)
FIRST, SECOND = 0.8 * E[0], 0.9 * 0.8 * E[0] + 0.19**0.5 * 0.8 * E[1]
FIT = TransferProblem.from_means(FIRST, SECOND, **SIZES)
ALPHA = np.array([0.0, 1.0, 3.0])


def test_the_example_that_the_gaussian_limit_misses():
    """Rademacher noise, means on two coordinates: drawn test points give .6815 ± .002, the Gaussian score .7487."""
    assert predict(FIT, 3.0).accuracy == pytest.approx(0.7487, abs=5e-5)
    assert predict(FIT, 3.0, noise="rademacher").accuracy == pytest.approx(0.6815, abs=2e-3)


@pytest.mark.parametrize("noise", ["rademacher", "student"])
def test_against_drawn_test_points(noise):
    theory, sim = (
        predict(FIT, ALPHA, noise=noise),
        simulate(FIT, ALPHA, n_trials=100, noise=noise, test_points="drawn", seed=1),
    )
    assert np.abs((sim.accuracy - theory.accuracy) / sim.accuracy_se).max() < 4
    # Means and variances are those of Gaussian noise.
    np.testing.assert_array_equal(theory.variance, predict(FIT, ALPHA).variance)


@pytest.mark.parametrize("n", [30, 600, 10**6])
def test_rademacher_by_enumeration(n):
    """E Φ((m + Σ ±s_j)/√rest) over all signs; with many samples hardly anything is Gaussian."""
    lam, p = np.linspace(0.5, 2, 8), 8
    rng = np.random.default_rng(0)
    mean = rng.standard_normal(p) / 2
    fit = Fit(Population.two_classes(mean, -mean, covariance=lam), n=n, gamma=0.3, starts=[rng.standard_normal(p)])
    w = np.array([1.0, 0.7]) @ train(fit).W
    s = np.sqrt(lam) * w
    at = predict(fit, 0.7)
    rest = np.sqrt(at.variance - s @ s)
    expected = np.mean([ndtr((at.mean + np.dot(signs, s)) / rest) for signs in itertools.product((-1, 1), repeat=p)])
    assert predict(fit, 0.7, noise="rademacher").accuracy == pytest.approx(expected, abs=1e-9 if n < 10**5 else 1e-4)


def test_gaussian_and_spread_out_change_nothing():
    rng = np.random.default_rng(1)
    Q = np.linalg.qr(rng.standard_normal((200, 200)))[0]
    spread = TransferProblem.from_means(Q @ FIRST, Q @ SECOND, **SIZES)
    np.testing.assert_allclose(
        predict(spread, ALPHA, noise="rademacher").accuracy, predict(spread, ALPHA).accuracy, atol=2e-3
    )
    from rmt_alpha.theory.localised import accuracy

    np.testing.assert_allclose(accuracy(FIT, ALPHA, "gaussian"), predict(FIT, ALPHA).accuracy, atol=1e-12)


def test_where_the_formula_ends_is_said():
    with pytest.raises(ValueError, match="noise must be 'gaussian' unless there are two opposite classes"):
        predict(Fit(Population.classes(np.eye(3, 9)), n=9, gamma=1.0), noise="student")
    with pytest.raises(ValueError, match="noise must be one of"):
        predict(FIT, 1.0, noise="cauchy")


@pytest.mark.parametrize("noise", ["student", "rademacher"])
def test_means_of_many_deviations_are_sure(noise):
    for size, sign in ((1e3, 1), (1e9, -1)):
        fit = TransferProblem.from_source(np.eye(6)[0], sign * size * np.eye(6)[0], n_target=7, gamma_target=1.0)
        assert predict(fit, 0.5, noise=noise).accuracy == pytest.approx(1.0, abs=1e-6)
