"""The same question put in two ways has one answer: what single formulas cannot be checked by, each other can."""

import numpy as np
import pytest

from rmt_alpha import Fit, Population, optimal_alpha, optimal_penalty, predict, rank_path
from rmt_alpha.theory.stage import trained

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
    return (
        Population.two_classes(mean, -mean, covariances=[C, C.copy()])
        if apart
        else Population.two_classes(mean, -mean, covariance=C)
    )


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


@pytest.mark.parametrize("matrices", [False, True], ids=["eigenvalues", "matrices"])
def test_the_law_of_low_rank_weights_has_the_scores_of_low_rank(matrices):
    """V = w̄ᵀCw̄ + tr CΩ from the law that later trainings start from, against the scores' own formula, entry by entry."""
    rng = np.random.default_rng(8)
    means = rng.standard_normal((2, 4, P)) / 5
    C = [matrix(3)] * 4 if not matrices else [matrix(3 + k) for k in range(4)]
    source = Fit(Population.classes(means[0], covariance=matrix(2)), n=60, gamma=0.4)
    target = Population.classes(means[1], covariances=C, priors=[0.1, 0.2, 0.3, 0.4], confusion=0.1 + 0.6 * np.eye(4))
    low = Fit(target, n=70, gamma=0.3, starts=[source], rank=2, alpha=1.3)
    law, V = trained(low), predict(low, 1.3).variance
    np.testing.assert_allclose(law.noise, np.transpose(law.noise, (1, 0, 3, 2)), rtol=1e-9, atol=1e-14)  # a covariance
    for k in range(4):
        expected = law.mean @ C[k] @ law.mean.T + np.einsum("ab,ijba->ij", C[k], law.noise)
        np.testing.assert_allclose(V[k], expected, rtol=1e-8, atol=1e-12)


def test_ranks_without_a_penalty_are_the_limit_of_a_small_one():
    W = RNG.standard_normal((P, 2)) / 4

    def path(gamma):
        return rank_path(Fit(Population.linear(W * [1, 2], [0.2, 1.5]), n=3 * P, gamma=gamma, starts=[W]), 0.6).risk

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
