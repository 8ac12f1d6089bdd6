"""Samples have the law that their population says, and sufficient statistics that of samples; memory."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from rmt_alpha.problem import Fit, Population, TransferProblem
from rmt_alpha.simulation import dense, samples, simulate
from rmt_alpha.simulation.noise import NOISE


def plain(rng, shape):
    return rng.standard_normal(shape)


P = 4
rng = np.random.default_rng(1)
MEANS, WEIGHTS, A = rng.standard_normal((3, P)), rng.standard_normal((P, 2)), rng.standard_normal((P, P))
CONFUSION = np.array([[0.8, 0.1, 0.1], [0.0, 1.0, 0.0], [0.3, 0.3, 0.4]])
POPULATIONS = {
    "opposite": Population.two_classes(MEANS[0], -MEANS[0]),
    "opposite, matrix": Population.two_classes(MEANS[0], -MEANS[0], covariance=A @ A.T + np.eye(P)),
    "flips": Population.two_classes(MEANS[0], MEANS[1], prior=0.7, flips=[0.1, 0.3], covariance=np.arange(1.0, P + 1)),
    "classes": Population.classes(MEANS, priors=[0.5, 0.3, 0.2], confusion=CONFUSION),
    "regression": Population.linear(WEIGHTS, [0.5, 2.0], covariance=A @ A.T + np.eye(P)),
}


def numbers(blocks, v):
    """Numbers that feel the mean, the covariance and their correlations, and the sums."""
    X, Y, ones = (np.concatenate(part) for part in zip(*blocks, strict=True))
    gram, moment = X.T @ X, X.T @ Y[:, -1]
    log_determinant = np.linalg.slogdet(gram)[1]
    own = [
        v @ moment,
        v @ gram @ v,
        gram[0, 1],
        np.trace(gram),
        log_determinant,
        moment @ np.linalg.solve(gram, moment),
    ]
    return [*own, ones @ X @ v, ones @ Y[:, 0], Y[:, 0] @ Y[:, -1], (ones @ X) @ np.linalg.solve(gram, moment)]


def task(population):
    weights = None if population.weights is None else population.weights
    return population.means, weights


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("labels", ["balanced", "random"])
@pytest.mark.parametrize("n", [14, 40])
def test_statistics_have_the_law_of_the_samples(name, labels, n):
    population, rng = POPULATIONS[name], np.random.default_rng(5)
    v = rng.standard_normal(P)
    gaussian = NOISE["gaussian"]
    short = [
        numbers(samples.statistics(rng, population, n, gaussian, labels, *task(population)), v) for _ in range(1500)
    ]
    direct = [numbers(samples.rows(rng, population, n, gaussian, labels, *task(population)), v) for _ in range(1500)]
    condensed = next(iter(samples.statistics(rng, population, n, gaussian, labels, *task(population))))
    assert len(condensed.X) < n or n == 14
    for a, b in zip(np.transpose(short), np.transpose(direct), strict=True):
        # What is the same in every draw may differ by rounding.
        assert stats.ks_2samp(np.round(a, 8), np.round(b, 8)).pvalue > 1e-5


@pytest.mark.parametrize("name", ["flips", "classes"])
def test_samples_have_the_moments_of_the_population(name):
    population, n = POPULATIONS[name], 200_000
    rng = np.random.default_rng(3)
    groups = samples.draw_groups(rng, population, n, "random")
    for k in range(population.components):
        own = [g for g in groups if g.component == k]
        share = np.array([g.size for g in own]) / sum(g.size for g in own)
        assert abs(sum(g.size for g in own) / n - population.priors[k]) < 0.005
        labels = np.array([g.label for g in own])
        mean = share @ labels
        np.testing.assert_allclose(mean, population.codes[k], atol=0.01)
        np.testing.assert_allclose(
            (labels - mean).T @ ((labels - mean) * share[:, None]), population.noise[k], atol=0.01
        )
    X, _, _ = next(iter(samples.rows(rng, population, 1000, plain, "balanced", *task(population))))
    assert X.shape[1] == P


@pytest.mark.parametrize("codes", ["one-hot", "centred", "simplex", np.array([[0.0], [1.0], [5.0]])])
def test_the_confusion_is_recovered_from_the_codes(codes):
    population = Population.classes(MEANS, confusion=CONFUSION, codes=codes)
    np.testing.assert_allclose(samples.label_law(population), CONFUSION, atol=1e-10)


def test_balanced_shares_are_exact_and_random_ones_are_not():
    population, rng = POPULATIONS["classes"], np.random.default_rng(0)
    count = lambda labels, n: np.bincount(  # noqa: E731
        [g.component for g in samples.draw_groups(rng, population, n, labels)],
        [g.size for g in samples.draw_groups(np.random.default_rng(0), population, n, labels)],
    )
    exact = samples.draw_groups(rng, Population.classes(MEANS, priors=[0.5, 0.3, 0.2]), 11, "balanced")
    assert [g.size for g in exact] == [6, 3, 2]
    assert count("balanced", 1000).sum() == 1000
    opposite = samples.draw_groups(rng, POPULATIONS["opposite"], 11, "auto")
    assert [g.size for g in opposite] == [6, 5]
    plain_classes = Population.classes(MEANS)
    drawn = {tuple(g.size for g in samples.draw_groups(rng, plain_classes, 30, "auto")) for _ in range(20)}
    assert len(drawn) > 5


@pytest.mark.parametrize(
    ("n", "noise", "allowed"),
    [(1_000_000, "gaussian", 30e6), (40_000, plain, 45e6)],  # the data of either: 4 GB, 160 MB
)
def test_memory_does_not_grow_with_the_samples(n, noise, allowed):
    problem = TransferProblem(n, n, 500, 1.0, 1.0, 0.8, 1.0, 1.0)
    tracemalloc.start()
    try:
        dense.draw(problem.fit, [np.random.default_rng(0)], dense.Conditions(noise))
        assert tracemalloc.get_traced_memory()[1] < allowed
    finally:
        tracemalloc.stop()


def test_regression_statistics_simulate_the_same():
    fit = Fit(POPULATIONS["regression"], n=30, gamma=0.2, starts=[WEIGHTS * 0.5], intercept=True)
    short, direct = (simulate(fit, [0.0, 1.0], n_trials=2000, noise=noise) for noise in ("gaussian", plain))
    for q in ("mean", "variance", "risk"):
        error = np.hypot(getattr(short, f"{q}_se"), getattr(direct, f"{q}_se"))
        assert np.max(np.abs(getattr(short, q) - getattr(direct, q)) / error) < 4.5
