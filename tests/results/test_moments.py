"""Small formulas of the results, each against its definition."""

import numpy as np
import pytest
from scipy.stats import norm

from rmt_alpha import Fit, Moments, Population, compare, load, predict, save, simulate
from rmt_alpha.results.moments import optimal_threshold
from rmt_alpha.simulation.noise import NOISE
from rmt_alpha.simulation.samples import statistics


@pytest.mark.parametrize("law", [(1.0, -0.5, 0.4, 2.5, 0.3), (0.2, -0.1, 3.0, 0.5, 0.6), (1.0, -1.0, 0.7, 0.7, 0.8)])
def test_the_best_threshold_beats_a_scan(law):
    m_plus, m_minus, V_plus, V_minus, prior = law

    def accuracy(t):
        return prior * norm.cdf((m_plus - t) / V_plus**0.5) + (1 - prior) * norm.cdf((t - m_minus) / V_minus**0.5)

    t = optimal_threshold(*map(np.asarray, law[:4]), prior)
    assert accuracy(t) >= accuracy(np.linspace(-8, 8, 20001)).max() - 1e-12


def test_errors_of_deviations_and_of_comparison():
    """sd(sd) = sd/√(2(T−1)); rounding counts relatively to the value."""
    at = lambda value: Moments(value, value, value, value, *[0.0] * 4, *[3.0] * 4, n_trials=51, method="dense")  # noqa: E731
    assert at(1.0).spread_se["risk"] == pytest.approx(0.3)
    assert compare(Moments(1e6, 1e6, 1e6, 1e6), at(1e6 + 1e-6)).risk == pytest.approx(1.0, rel=1e-3)


def plain(rng, shape):
    return rng.standard_normal(shape)


def test_different_questions_are_not_compared(tmp_path):
    fit = Fit(Population.two_classes(np.full(12, 0.2), np.full(12, -0.2), prior=0.9), n=200, gamma=0.3)
    drawn = {"noise": "rademacher", "test_points": "drawn", "n_trials": 20}
    for name, theory, simulated, values in (
        ("threshold", {}, {"threshold": "best", "n_trials": 20}, "'zero' and 'best'"),
        ("threshold", {"threshold": "best"}, {"n_trials": 20}, "'best' and 'zero'"),
        ("noise of the test points", {}, drawn, "'gaussian' and 'rademacher'"),
        ("noise of the test points", {"noise": "student"}, drawn, "'student' and 'rademacher'"),
        (
            "noise of the test points",
            {"noise": "rademacher"},
            drawn | {"test_points": "gaussian"},
            "'rademacher' and 'gaussian'",
        ),
        ("noise of the test points", {}, drawn | {"noise": plain}, "'gaussian' and '.*test_moments.plain'"),
    ):
        theory, simulated = predict(fit, **theory), simulate(fit, **simulated)
        save(tmp_path / "theory", theory)
        for known in (theory, load(tmp_path / "theory")):
            with pytest.raises(ValueError, match=f"theory and simulated must have one {name}, got {values}"):
                compare(known, simulated)
    for asked in ({"threshold": "best"}, {"noise": "rademacher"}):
        more = {"test_points": "drawn"} if "noise" in asked else {}
        assert abs(compare(predict(fit, **asked), simulate(fit, n_trials=50, **asked, **more)).accuracy) < 5
    assert abs(compare(predict(fit), simulate(fit, n_trials=50, noise="student")).accuracy) < 5


def test_a_comparison_of_two_problems_says_which():
    two = lambda **o: Population.two_classes(np.full(4, 0.2), np.full(4, -0.2), **o)  # noqa: E731
    theory = predict(Fit(two(), n=9, gamma=1.0))
    for other, got in (
        (Fit(two(flips=0.1), n=9, gamma=1.0), "priors=.0.5, 0.5..*and .*flips=.0.1, 0.1."),
        (Fit(Population.two_classes(np.ones(4), -np.ones(4)), n=9, gamma=1.0), "two with different numbers in Fit"),
    ):
        with pytest.raises(ValueError, match=f"must be of one problem, got .*{got}"):
            compare(theory, simulate(other, n_trials=2))


def test_a_pool_weighs_its_parts_by_their_sizes():
    e = np.eye(2, 9)
    pool = Population.pooled([(Population.two_classes(m, -m), n) for m, n in zip(e, (100, 300), strict=True)])
    np.testing.assert_allclose(pool.priors, [0.125, 0.125, 0.375, 0.375])


def test_the_prior_is_that_of_the_class_that_comes_first():
    population = Population.two_classes(np.ones(3), -np.ones(3), prior=0.7)
    assert population.priors.tolist() == pytest.approx([0.7, 0.3]) and population.targets[0] == (1.0,)


def test_condensed_labels_have_the_squares_of_all_samples():
    rng, n = np.random.default_rng(0), 4
    population = Population.linear(np.zeros(2), 1.0)
    args = (population, n, NOISE["gaussian"], "auto", np.zeros((1, 2)), np.zeros((2, 1)))
    squares = [sum(float(np.sum(rows.Y**2)) for rows in statistics(rng, *args)) for _ in range(4000)]
    assert np.mean(squares) == pytest.approx(n, abs=5 * np.sqrt(2 * n / 4000))
