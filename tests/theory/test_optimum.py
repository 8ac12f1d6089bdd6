"""The best α where a search may miss it: beside a plateau, and at infinity; and where no α has mean 0."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from rmt_alpha import (
    Fit,
    Population,
    TransferProblem,
    optimal_alpha,
    optimal_penalty,
    predict,
    simulate,
    simulate_optimal_alpha,
)

E = np.eye(9, 60)
UNEQUAL = Fit(
    Population.two_classes(E[0], -E[0], prior=0.1),
    n=60,
    gamma=4.0,
    starts=[0.6 * E[0] + E[1], 0.6 * E[0] + E[2]],
    intercept=True,
)


def beside_a_plateau(seed):
    """With few points in one class almost any α decides for the other throughout."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0.6, 1.5) * E[0]
    starts = [rng.uniform(0.1, 0.9) * E[0] + rng.uniform(0.5, 2) * E[j + 1] for j in range(rng.choice([2, 3, 5, 8]))]
    population = Population.two_classes(mean, -mean, prior=rng.choice([0.05, 0.1, 0.15]))
    n, gamma = rng.choice([20, 60, 100]), 10 ** rng.uniform(-1, 1.5)
    return Fit(population, n, gamma, starts=starts, intercept=True)


def around(alpha, count=2000):
    """Random α (…, J), near one and far from it."""
    rng = np.random.default_rng(0)
    scale, turn = np.exp(rng.normal(0, 1, (count, 1))), rng.normal(0, 1, (count, len(alpha)))
    return scale * (np.abs(alpha) * turn * rng.choice([0.1, 1, 3], (count, 1)) + alpha)


def test_a_peak_that_lies_on_no_axis():
    best = optimal_alpha(UNEQUAL)
    assert best.accuracy > 0.908 and predict(UNEQUAL, best.alpha).accuracy == pytest.approx(best.accuracy, rel=1e-12)
    np.testing.assert_allclose(best.alpha, best.alpha[::-1], rtol=1e-4)  # the starts are alike
    assert optimal_penalty(UNEQUAL, over="target", bounds=(3.9, 4.1)).accuracy >= best.accuracy


@pytest.mark.parametrize("seed", range(24))
def test_no_random_alpha_is_better(seed):
    problem = beside_a_plateau(seed)
    best = optimal_alpha(problem)
    assert predict(problem, around(best.least_risk)).accuracy.max() <= best.accuracy + 1e-9


@pytest.mark.parametrize("seed, loss", [(152, "logistic"), (167, "logistic"), (177, "squared_hinge")])
def test_nor_under_a_loss(seed, loss):
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0.6, 1.4) * E[0]
    population = Population.two_classes(mean, -mean, prior=rng.choice([0.03, 0.06, 0.1, 0.15]))
    n, gamma = rng.choice([30, 60, 120]), 10 ** rng.uniform(-0.5, 1.5)
    starts = [rng.uniform(0.2, 0.9) * E[0] + rng.uniform(0.3, 1.5) * E[j + 1] for j in range(2)]
    problem = Fit(population, n, gamma, starts=starts, intercept=True, loss=loss)
    best = optimal_alpha(problem)
    assert predict(problem, around(best.least_risk, 100)).accuracy.max() <= best.accuracy + 1e-9
    assert best.accuracy > max(population.priors) + 1e-5  # beside the plateau there is a peak


@pytest.mark.parametrize("seed", [22, 70])
def test_a_simulation_finds_what_theory_knows(seed):
    rng = np.random.default_rng(seed)
    p, count = rng.choice([20, 40, 60]), rng.choice([2, 2, 3, 4])
    vector = lambda: rng.standard_normal(p) / np.sqrt(p)  # noqa: E731
    mean = vector() * rng.uniform(0.5, 2.5)
    other = -mean if rng.random() < 0.5 else vector() * rng.uniform(0.5, 2)
    prior = rng.choice([0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
    starts = [mean * rng.uniform(-0.2, 1.2) + vector() * rng.uniform(0, 2) for _ in range(count)]
    population = Population.two_classes(mean, other, prior=prior, flips=rng.choice([0, 0, 0.1, 0.3]))
    n, gamma = rng.choice([15, 40, 60, 150]), 10 ** rng.uniform(-2, 1.2)
    problem = Fit(population, n, gamma, starts=starts, intercept=True)
    found, known = simulate_optimal_alpha(problem, n_trials=10), optimal_alpha(problem)
    assert simulate(problem, known.alpha, n_trials=10).accuracy <= found.accuracy + 1e-9
    assert found.accuracy > max(population.priors) + 1e-5


WRONG = Population.two_classes(E[0], -E[0], flips=0.6)


@pytest.mark.parametrize("options, threshold", [({"intercept": True}, "zero"), ({"loss": "logistic"}, "best")], ids=str)
def test_of_several_at_infinity_the_accuracy_is_the_limit(options, threshold):
    fit = Fit(WRONG, n=40, gamma=0.3, starts=[E[0] + E[1], E[0] + 1.5 * E[2]], **options)
    best = optimal_alpha(fit, threshold=threshold)
    assert best.at_infinity
    far = predict(fit, 1e12 * best.direction, threshold=threshold).accuracy
    assert best.accuracy == pytest.approx(far, abs=1e-11)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "huber"])
def test_under_a_loss_the_accuracy_at_infinity_is_the_limit(loss):
    population = Population.two_classes(0.6 * E[0], 0.4 * E[1], prior=0.7, flips=[0.3, 0.2])
    fit = Fit(population, n=47, gamma=3.0, starts=[E[0] - 0.5 * E[1]], loss=loss)
    best, opposite = optimal_alpha(fit), optimal_alpha(Fit(WRONG, n=40, gamma=0.3, starts=[E[0] + E[1]], loss=loss))
    assert best.at_infinity and opposite.at_infinity
    assert best.accuracy == pytest.approx(predict(fit, 1e12).accuracy, abs=1e-11)


BLIND = TransferProblem(5000, 40, 1000, 0.8, 0.8, 0.0, 5.0, 0.1)  # a source that says nothing about the target


@pytest.mark.parametrize("loss", ["squared", "logistic", "squared_hinge"])
@pytest.mark.parametrize("flips", [0.0, 0.7])
def test_where_no_alpha_has_mean_0(loss, flips):
    """Both sides are alike: the mean is even in α."""
    assert optimal_alpha(dataclasses.replace(BLIND, loss=loss)).zero == -np.inf
    population = Population.two_classes(E[0], -E[0], flips=flips)  # with flips = 0.7 the mean is negative
    for starts in ([E[1]], [E[1], E[2]], [0 * E[1]], [0 * E[1], 0 * E[1]]):
        zero = optimal_alpha(Fit(population, n=40, gamma=0.3, starts=starts, loss=loss)).zero
        assert np.shape(zero) == (() if len(starts) == 1 else (2,)) and np.all(zero == -np.inf)


def test_where_no_alpha_has_mean_0_is_the_same_under_jax_and_in_arrays():
    assert optimal_alpha(dataclasses.replace(BLIND, beta=jnp.asarray(0.0))).zero == -np.inf
    several = optimal_alpha(dataclasses.replace(BLIND, beta=np.array([0.0, 0.8])))
    assert several.zero[0] == -np.inf and np.isfinite(several.zero[1])


def test_where_every_alpha_has_mean_0():
    population = Population.two_classes(0 * E[0], 0 * E[0])
    for starts in ([E[1]], [E[1], E[2]]):
        assert np.all(optimal_alpha(Fit(population, n=40, gamma=0.3, starts=starts)).zero == 0)
