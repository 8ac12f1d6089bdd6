"""What the nearest code sees: the part that all outputs have in common decides nothing, however large."""

import dataclasses

import jax
import numpy as np
import pytest

from rmt_alpha import Fit, Population, draw, optimal_alpha, predict, simulate, simulate_optimal_alpha
from rmt_alpha.results import describe
from rmt_alpha.theory.predict import score_form

P = 20
RNG = np.random.default_rng(0)
MEANS, W = 0.3 * RNG.standard_normal((4, P)), 0.3 * RNG.standard_normal((P, 4))
FAR = [0.0, 1.0, -1e4, 1e8, 1e12]


def fit(starts, K=3, **options):
    starts = [s[:, :K] if isinstance(s, np.ndarray) else s for s in starts]
    return Fit(
        Population.classes(MEANS[:K], codes=options.pop("codes", "one-hot")), n=30, gamma=0.3, starts=starts, **options
    )


ALIKE = np.ones((P, 4))


@pytest.mark.parametrize(
    "options", [{}, {"intercept": True}, {"codes": "centred"}, {"K": 4}, {"per": "output"}], ids=str
)
def test_a_start_whose_outputs_are_all_alike_decides_nothing(options):
    problem, alone = fit([ALIKE], **options), fit([], **options | {"per": "start"})
    alpha = np.multiply.outer(FAR, np.ones(problem.n_alpha)) if problem.n_alpha > 1 else FAR
    np.testing.assert_allclose(predict(problem, alpha).accuracy, predict(alone).accuracy, rtol=1e-7)
    simulated = simulate(problem, alpha, n_trials=10)
    np.testing.assert_allclose(simulated.accuracy, simulated.accuracy[0], rtol=1e-7)
    if problem.n_alpha == 1:
        found, simulated = optimal_alpha(problem), simulate_optimal_alpha(problem, n_trials=10)
        assert found.alpha == simulated.alpha == 0.0 and not found.at_infinity
        assert found.accuracy == pytest.approx(predict(alone).accuracy, rel=1e-9)


def test_a_start_whose_outputs_are_nearly_alike_is_worth_what_they_differ_by():
    hidden, bare = fit([ALIKE + 1e-5 * W]), fit([W])
    for a in (-2.0, 0.5, 3.0):
        assert predict(hidden, 1e5 * a).accuracy == pytest.approx(predict(bare, a).accuracy, abs=1e-5)
    found, expected = optimal_alpha(hidden), optimal_alpha(bare)
    assert found.alpha == pytest.approx(1e5 * expected.alpha, rel=1e-3)
    assert found.accuracy == pytest.approx(expected.accuracy, abs=1e-6)
    both = optimal_alpha(fit([ALIKE, W]))
    assert both.alpha[0] == 0.0 and both.alpha[1] == pytest.approx(expected.alpha, rel=1e-4)


@pytest.mark.parametrize("per", ["start", "output"])
@pytest.mark.parametrize("codes", ["one-hot", "simplex", MEANS[:3, :2], MEANS[:3, :4]], ids=str)
def test_it_sees_the_accuracy(codes, per):
    population = Population.classes(MEANS[:3], codes=codes)
    q = population.outputs
    problem = Fit(population, n=30, gamma=0.3, starts=[W[:, :q], MEANS[:q].T], per=per)
    alpha = RNG.standard_normal((5, problem.n_alpha))
    for form in (score_form(problem), draw(problem, n_trials=5)):
        found = form.moments(alpha)
        np.testing.assert_allclose(
            found.accuracy, describe(population, found.mean, found.variance).accuracy, rtol=1e-10
        )


def test_a_large_mean_hides_no_variance():
    """Scores that are large, and nearly alike, in their means alone."""
    common = np.ones(P) / np.sqrt(P)
    other = W[:, :3] - W[:, :3].mean(0)
    means = MEANS[:3] + 1e7 * common
    problem = Fit(Population.classes(means), n=30, gamma=1e18, starts=[common[:, None] + other])
    found = predict(problem, [0.5, 1.0])
    expected = describe(problem.population, found.mean, found.variance).accuracy
    np.testing.assert_allclose(found.accuracy, expected, rtol=1e-5)


def test_it_sees_through_jax():
    problem = fit([ALIKE + 1e-3 * W])
    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(lambda a: predict(problem, a).accuracy))(700.0)
    at = lambda a: predict(problem, a).accuracy  # noqa: E731
    assert float(slope) == pytest.approx((at(701.0) - at(699.0)) / 2, rel=1e-4)
    assert predict(dataclasses.replace(problem, n=np.array([30, 40])), [1.0, 2.0]).accuracy.shape == (2,)


@pytest.mark.parametrize("intercept", [False, True])
def test_the_best_alpha_of_codes_of_unequal_length(intercept):
    """Codes stay where they are while the weights grow."""
    population = Population.classes(2 * MEANS[:3], codes=[[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    problem = Fit(population, n=30, gamma=0.3, starts=[W[:, :2]], intercept=intercept)
    found, alpha = optimal_alpha(problem), np.linspace(-4, 4, 801)
    accuracy = predict(problem, alpha).accuracy
    assert found.alpha == pytest.approx(alpha[accuracy.argmax()], abs=0.011)
    assert found.accuracy == pytest.approx(predict(problem, found.alpha).accuracy, rel=1e-9)
    assert found.accuracy >= accuracy.max()
    several = dataclasses.replace(problem, starts=[W[:, :2], W[:, 2:]])
    best = optimal_alpha(several)
    near = best.alpha + 0.02 * RNG.standard_normal((50, 2))
    assert best.accuracy >= predict(several, near).accuracy.max()


@pytest.mark.parametrize("per", ["start", "output"])
def test_the_least_risk_of_draws_is_that_of_their_average(per):
    population = Population.classes(MEANS[:3], priors=[0.2, 0.3, 0.5])
    problem = Fit(population, n=30, gamma=0.3, starts=[W[:, :3], MEANS[:3].T], per=per)
    two = Fit(Population.two_classes(MEANS[0], -MEANS[0]), n=30, gamma=0.3, starts=[MEANS[1], W[:, 0]])
    for fit_ in (problem, two):
        form = draw(fit_, n_trials=5)
        at = lambda alpha: np.mean(form.moments(np.reshape(alpha, (-1, 1, form.least_risk.size))).risk, -1)  # noqa: B023, E731
        best, steps = form.least_risk, 0.01 * np.eye(form.least_risk.size)
        np.testing.assert_allclose(at(best + steps), at(best - steps), rtol=1e-9)  # a quadratic form, at its vertex
        assert np.all(at(best + steps) > at(best))
