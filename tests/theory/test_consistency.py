"""The same question put in two ways has one answer: what single formulas cannot be checked by, each other can."""

import numpy as np
import pytest

from rmt_alpha import Fit, Population, compare, optimal_alpha, optimal_penalty, predict, rank_path, simulate

P = 40
RNG = np.random.default_rng(31)
MU, NU, OTHER = RNG.standard_normal((3, P)) / np.sqrt(P) * 1.4
SPECTRUM = np.linspace(0.3, 2.0, P)


def matrix(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((P, P)))[0]
    return (Q * np.linspace(0.2, 2.5, P)) @ Q.T


def opposite(mean, C, apart):
    """Two opposite classes; `apart` gives each a covariance object of its own, so that R is held as a matrix."""
    return Population.two_classes(mean, -mean, covariances=[C, C.copy()]) if apart else Population.two_classes(mean, -mean, covariance=C)


@pytest.mark.parametrize("C", [SPECTRUM, matrix(1)], ids=["spectrum", "matrix"])
def test_a_chain_by_eigenvalues_is_that_by_matrices(C):
    def chain(apart):
        first = Fit(opposite(MU, C, apart), n=50, gamma=0.5)
        second = Fit(opposite(NU, C, apart), n=30, gamma=0.8, starts=[first], alpha=1.6)
        return predict(Fit(opposite(OTHER + NU, C, apart), n=25, gamma=0.4, starts=[second]), [0.0, 0.7, 2.0])

    one, other = chain(False), chain(True)
    np.testing.assert_allclose(one.accuracy, other.accuracy, rtol=1e-9)
    np.testing.assert_allclose(one.risk, other.risk, rtol=1e-9)


def test_low_rank_by_eigenvalues_is_that_by_matrices():
    means = RNG.standard_normal((3, P)) / 4

    def fit(apart):
        shared = {"covariances": [SPECTRUM.copy() for _ in range(3)]} if apart else {"covariance": SPECTRUM}
        source = Fit(Population.classes(means, **shared), n=50, gamma=0.5)
        return Fit(Population.classes(means[::-1] + 0.2 * means, **shared), n=30, gamma=0.3, starts=[source])

    one, other = rank_path(fit(False), 0.9), rank_path(fit(True), 0.9)
    np.testing.assert_allclose(one.variance, other.variance, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(one.accuracy, other.accuracy, rtol=1e-8)


def test_variances_of_low_rank_and_of_what_starts_from_it():
    """The covariances between kept and dropped outputs, which no risk depends on; matrices that do not commute, a start that is no multiple."""
    rng = np.random.default_rng(8)
    W0, W1, W2 = rng.standard_normal((3, P, 2)) / np.sqrt(P) * np.array([1.0, 2.0])
    W1 = W1 @ np.array([[1.0, 0.8], [-0.5, 1.0]])
    source = Fit(Population.linear(W0, 0.5, covariance=matrix(2)), n=60, gamma=0.4)
    low = Fit(Population.linear(W0 + W1, 0.5, covariance=matrix(3)), n=70, gamma=0.3, starts=[source], rank=1, alpha=1.3)
    after = Fit(Population.linear(W2, 0.5, covariance=matrix(4)), n=60, gamma=2.0, starts=[low])
    for fit, alpha in ((low, 1.3), (after, 1.0)):
        theory, drawn = predict(fit, alpha), simulate(fit, alpha, n_trials=400, seed=3)
        size = np.abs(theory.variance).max()
        assert np.abs(theory.variance - drawn.variance).max() < 0.06 * size  # O(1/p)
        assert abs(compare(theory, drawn).risk) < 8


def test_ranks_without_a_penalty_are_the_limit_of_a_small_one():
    W = RNG.standard_normal((P, 2)) / 4
    path = lambda gamma: rank_path(Fit(Population.linear(W * [1, 2], 0.4), n=3 * P, gamma=gamma, starts=[W]), 0.6).risk  # noqa: E731
    np.testing.assert_allclose(path(0.0), path(1e-10), rtol=1e-7)


def test_ranks_of_two_opposite_classes_end_at_the_whole():
    fit = Fit(Population.two_classes(MU, -MU, covariance=SPECTRUM), n=30, gamma=0.3, starts=[NU])
    path = rank_path(fit, 0.8)
    assert path.accuracy[1] == pytest.approx(predict(fit, 0.8).accuracy, rel=1e-12)
    score = 0.8 * NU @ MU, 0.64 * NU @ (SPECTRUM * NU)
    assert path.risk[0] == pytest.approx((1 - score[0]) ** 2 + score[1], rel=1e-12)


def test_weights_of_zero_decide_like_a_coin():
    fit = Fit(Population.two_classes(MU, NU, prior=0.3), n=30, gamma=0.3)
    assert rank_path(fit).accuracy[0] == 0.5


def test_zero_of_several_starts_is_the_shortest_without_a_mean():
    fit = Fit(Population.two_classes(MU, -MU), n=30, gamma=0.3, starts=[NU, 3 * MU])
    zero = optimal_alpha(fit).zero
    assert predict(fit, zero).mean == pytest.approx(0, abs=1e-12)
    slope = np.array([predict(fit, e).mean - predict(fit, [0, 0]).mean for e in np.eye(2)])
    assert np.linalg.norm(zero) == pytest.approx(abs(zero @ slope) / np.linalg.norm(slope), rel=1e-9)


@pytest.mark.parametrize(("bounds", "where"), [((1e-3, 1e-2), "upper"), ((1e4, 1e5), "lower"), ((1e-3, 1e4), None)])
def test_a_penalty_at_its_bound_says_which(bounds, where):
    fit = Fit(Population.two_classes(MU, -MU, covariance=np.geomspace(20, 0.2, P)), n=20, gamma=1.0)
    assert optimal_penalty(fit, "target", bounds=bounds).at_bound == where
