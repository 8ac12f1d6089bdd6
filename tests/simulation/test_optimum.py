"""The simulated best α against theory, in any units, and its standard error against repetition."""

import numpy as np
import pytest
from scipy import optimize

from rmt_alpha.problem import Fit, Population, TransferProblem
from rmt_alpha.simulation import simulate, simulate_optimal_alpha
from rmt_alpha.theory.optimum import optimal_alpha
from rmt_alpha.theory.stage import train

P = 200
MEANS = 1.5 * np.random.default_rng(0).standard_normal((4, P)) / np.sqrt(P)


def opposite(mean):
    return Population.two_classes(mean, -mean)


def theory(fit):
    form = train(fit).form

    def value(a):
        m = form.moments(a if fit.n_alpha > 1 else a[0])
        return m.risk if m.accuracy is None else -m.accuracy

    return optimize.minimize(
        value, np.ones(fit.n_alpha), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-14}
    ).x


def test_one_alpha():
    large = TransferProblem(40_000, 10_000, 20_000, 1.2, 0.8, 0.6, 1.0, 0.5)
    found = simulate_optimal_alpha(large, n_trials=512, seed=1)
    assert abs(found.alpha - theory(large.fit)[0]) < 4 * found.alpha_se < 0.04
    assert found.n_trials == 512 and found.accuracy == simulate(large, found.alpha, n_trials=512, seed=1).accuracy
    assert "±" in repr(found)


def test_several():
    starts = [Fit(opposite(MEANS[0]), n=2000, gamma=1.0), Fit(opposite(MEANS[3]), n=1000, gamma=0.2)]
    fit = Fit(opposite(MEANS[2] + 0.5 * MEANS[0] + 0.5 * MEANS[3]), n=150, gamma=0.4, starts=starts)
    found = simulate_optimal_alpha(fit, n_trials=2000)
    assert np.all(np.abs(found.alpha - theory(fit)) < 4 * found.alpha_se + 0.01)
    shifts = found.alpha + 0.01 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    assert np.all(simulate(fit, shifts, n_trials=2000).accuracy < found.accuracy)


def test_per_output_and_regression():
    W = np.random.default_rng(1).standard_normal((P, 2)) / np.sqrt(P)
    source = Fit(Population.linear(W * [0.5, 2.0], 0.3), n=600, gamma=0.1)
    fit = Fit(Population.linear(W, 0.5), n=100, gamma=0.5, starts=[source], per="output")
    found = simulate_optimal_alpha(fit, n_trials=100)
    assert found.accuracy is None and np.all(np.abs(found.alpha - theory(fit)) < 4 * found.alpha_se + 0.01)


@pytest.mark.parametrize("units", [1e-10, 1e-5, 1e4, 1e8])
def test_units_of_the_source_do_not_matter(units):
    w = np.random.default_rng(2).standard_normal(P) / 20 + MEANS[2]

    def at(s):
        fit = Fit(opposite(MEANS[2] + 0.5 * MEANS[0]), n=100, gamma=0.4, starts=[w * s])
        return simulate_optimal_alpha(fit, n_trials=300)

    plain, scaled = at(1.0), at(units)
    # Other trials: equal to their errors, and so are these.
    assert abs(scaled.alpha * units - plain.alpha) < 4 * np.hypot(plain.alpha_se, scaled.alpha_se * units)
    assert scaled.alpha_se * units == pytest.approx(plain.alpha_se, rel=0.3)


# The second has its optimum far beyond the scale, where an angle's error and an α's differ most.
@pytest.mark.parametrize("problem", [(60, 20, 30, 1.5, 0.8, 0.6, 0.4, 0.2), (200, 8, 40, 1.5, 1.5, 0.9, 0.4, 0.2)])
def test_standard_errors_have_the_right_size(problem):
    small = TransferProblem(*problem)
    found = [simulate_optimal_alpha(small, n_trials=300, seed=s, method="chain") for s in range(60)]
    observed = np.std([f.alpha for f in found], ddof=1)
    assert observed / np.mean([f.alpha_se for f in found]) == pytest.approx(1, abs=0.3)


def test_other_losses_and_ranks():
    logistic = Fit(opposite(MEANS[2]), n=60, gamma=0.1, starts=[MEANS[2] + MEANS[1]], loss="logistic")
    found = simulate_optimal_alpha(logistic, n_trials=4)
    around = simulate(logistic, found.alpha * np.array([0.9, 1.0, 1.1]), n_trials=4).accuracy
    assert around[1] == pytest.approx(found.accuracy) and np.argmax(around) == 1
    low = Fit(Population.classes(MEANS[:3, :60]), n=60, gamma=0.4, starts=[MEANS[:3, :60].T], rank=1)
    found = simulate_optimal_alpha(low, n_trials=4)
    around = simulate(low, found.alpha * np.array([0.9, 1.0, 1.1]), n_trials=4).accuracy
    assert np.argmax(around) == 1


def test_arrays_and_refusals():
    grid = TransferProblem(60, 20, 30, 1.5, 0.8, np.array([0.3, 0.9]), 0.4, 0.2)
    found = simulate_optimal_alpha(grid, n_trials=50)
    assert found.alpha.shape == found.alpha_se.shape == found.accuracy.shape == (2,)
    with pytest.raises(ValueError, match="starts"):
        simulate_optimal_alpha(Fit(opposite(MEANS[0]), n=9, gamma=1.0))
    with pytest.raises(ValueError, match="n_trials must be at most"):
        simulate_optimal_alpha(grid, n_trials=1e12)


def test_a_best_alpha_at_infinity():
    """Labels that are wrong more often than not: the target's own data can only harm."""
    mean = 0.1 * np.ones(P)
    wrong = Population.two_classes(mean, -mean, flips=0.6)
    for sign, loss, trials in ((1, "squared", 100), (-1, "squared", 100), (1, "logistic", 4)):
        fit = Fit(wrong, n=60, gamma=0.5, starts=[sign * mean], loss=loss)
        expected, found = optimal_alpha(fit), simulate_optimal_alpha(fit, n_trials=trials)
        assert expected.at_infinity and found.at_infinity
        assert (found.alpha, found.direction, found.alpha_se) == (sign * np.inf, sign, np.inf)
        assert found.accuracy == pytest.approx(expected.accuracy, abs=5e-3)
    nothing = MEANS[1] - (MEANS[1] @ mean) / (mean @ mean) * mean
    fit = Fit(wrong, n=60, gamma=0.5, starts=[mean, nothing])
    found = simulate_optimal_alpha(fit, n_trials=100)
    assert found.at_infinity and found.alpha[0] == np.inf
    np.testing.assert_allclose(found.direction, optimal_alpha(fit).direction, atol=2e-2)


def test_numbers_of_jax_are_searched_as_numpys():
    jnp = pytest.importorskip("jax.numpy")

    def of(array):
        means = np.arange(6.0), array([1.0] * 6)
        return TransferProblem.from_means(
            *means, n_source=array([5, 9]), n_target=6, gamma_source=0.5, gamma_target=0.5
        )

    one, other = (simulate_optimal_alpha(of(a), n_trials=50, threshold="best") for a in (np.array, jnp.array))
    np.testing.assert_allclose(one.alpha, other.alpha, rtol=1e-12)
