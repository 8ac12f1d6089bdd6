"""Log-loss: against test points, the probability that a Gaussian law has, and the limits of the scale."""

import dataclasses

import numpy as np
import pytest
from scipy import optimize, special

from rmt_alpha import Fit, Population, TransferProblem, predict
from rmt_alpha.results.log_loss import calibrating_scale, log_loss

PROBLEM = TransferProblem(500, 60, 100, mu=1.3, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=0.3)


def many(**options):
    means = np.random.default_rng(0).standard_normal((4, 120)) / np.sqrt(120) * np.array([[1.0], [2.0], [3.0], [3.5]])
    priors = [0.1, 0.2, 0.3, 0.4]
    return Fit(
        Population.classes(means, priors=priors, covariance=np.linspace(0.5, 2, 120), **options), n=200, gamma=0.3
    )


def test_the_best_scale_of_two_classes_is_the_bayes_rule():
    found = predict(PROBLEM, 1.2)
    search = optimize.minimize_scalar(lambda s: log_loss(found, s), bounds=(0.01, 20), options={"xatol": 1e-9})
    assert calibrating_scale(found) == pytest.approx(search.x, rel=1e-5)
    s = np.linspace(-3, 3, 7)
    density = lambda m: np.exp(-((s - m) ** 2) / (2 * found.variance))  # noqa: E731
    true = density(found.mean) / (density(found.mean) + density(-found.mean))
    np.testing.assert_allclose(special.expit(2 * calibrating_scale(found) * s), true, rtol=1e-12)


def test_limits_of_the_scale():
    two, four = predict(PROBLEM, [0.0, 1.0]), predict(many())
    np.testing.assert_allclose(log_loss(two, 0.0), np.log(2), rtol=1e-12)
    assert log_loss(four, 0.0) == pytest.approx(np.log(4))
    # Large scales: the mean of what is wrong, E[(−2z)₊].
    m, sd = two.mean, np.sqrt(two.variance)
    wrong = sd * np.exp(-((m / sd) ** 2) / 2) / np.sqrt(2 * np.pi) - m * special.ndtr(-m / sd)
    np.testing.assert_allclose(log_loss(two, 3000.0), 2 * 3000 * wrong, rtol=2e-2)


def test_two_unlike_classes_are_a_case_of_many():
    mu = np.full(50, 0.2)
    same = Fit(Population.two_classes(mu, -mu), n=100, gamma=0.5)
    one = predict(same)
    other = predict(dataclasses.replace(same, population=dataclasses.replace(same.population, is_opposite=False)))
    assert np.ndim(other.mean) == 2
    assert log_loss(other, 1.7) == pytest.approx(log_loss(one, 1.7), abs=1e-4)


def test_against_drawn_scores():
    found, rng = predict(many()), np.random.default_rng(1)
    scale, values = calibrating_scale(found), []
    for k, prior in enumerate((0.1, 0.2, 0.3, 0.4)):
        s = scale * rng.multivariate_normal(found.mean[k], found.variance[k], 100_000)
        values.append(prior * (special.logsumexp(s, 1) - s[:, k]))
    values = np.array(values)
    error = np.sqrt(np.sum(values.var(1) / values.shape[1]))
    assert abs(values.mean(1).sum() - log_loss(found, scale)) < 4 * error + 1e-4
    assert log_loss(found, scale) < min(log_loss(found, 0.9 * scale), log_loss(found, 1.1 * scale))


def test_against_trained_weights_and_fresh_points():
    """One-hot ridge regression on drawn data, its log-loss on its own Gaussian test scores, exactly to 10⁻³ or so."""
    fit = many()
    means, lam, priors = fit.population.means, np.linspace(0.5, 2, 120), fit.population.priors
    expected, found = log_loss(predict(fit), 3.0), []
    for seed in range(40):
        rng = np.random.default_rng([seed, 4])
        labels, fresh = rng.choice(4, fit.n, p=priors), rng.choice(4, 4000, p=priors)
        X, T = (rng.standard_normal((len(y), 120)) * np.sqrt(lam) + means[y] for y in (labels, fresh))
        W = np.linalg.solve(X.T @ X / fit.n + fit.gamma * np.eye(120), X.T @ np.eye(4)[labels] / fit.n)
        s = 3.0 * T @ W
        found.append(np.mean(special.logsumexp(s, 1) - s[np.arange(4000), fresh]))
    z = (np.mean(found) - expected) / (np.std(found, ddof=1) / np.sqrt(40))
    assert abs(z) < 4


def test_shapes_follow_alpha():
    alpha = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    two = predict(PROBLEM, alpha)
    assert log_loss(two).shape == (2, 3)
    source = dataclasses.replace(many(), n=500)
    four = predict(dataclasses.replace(many(), starts=[source]), alpha)
    whole = log_loss(four, 2.0)
    assert whole.shape == (2, 3)
    one = predict(dataclasses.replace(many(), starts=[source]), 4.0)
    assert whole[1, 1] == pytest.approx(log_loss(one, 2.0), rel=1e-12)


def test_bad_input():
    with pytest.raises(TypeError, match="moments must be a Moments, got float"):
        log_loss(0.5)
    with pytest.raises(ValueError, match="moments must be those of classes"):
        log_loss(predict(Fit(Population.linear(np.ones(9)), n=20, gamma=1.0)))
    with pytest.raises(ValueError, match=r"moments must be at one α, got shape \(2,\)"):
        calibrating_scale(predict(PROBLEM, [0.0, 1.0]))
    with pytest.raises(ValueError, match="without their problem"):
        log_loss(dataclasses.replace(predict(many()), problem=None))


@pytest.mark.parametrize("alpha", [-1e6, -3.0, 0.0, 1.0, 1e6])
def test_the_calibrating_scale_is_the_least_of_a_convex_loss_at_any_size_of_the_scores(alpha):
    means = np.random.default_rng(3).standard_normal((3, 40)) / np.sqrt(40) * 2
    fit = Fit(Population.classes(means), n=30, gamma=0.5, starts=[Fit(Population.classes(means), n=100, gamma=0.5)])
    found = predict(fit, alpha)
    scale = calibrating_scale(found)
    least = log_loss(found, scale)
    assert np.sign(scale) == (1 if alpha >= 0 else -1)
    assert least < np.log(3) and all(log_loss(found, scale * x) > least for x in (0.9, 1.1))


def test_two_classes_worse_than_chance_have_a_negative_scale_however_they_are_coded():
    mu = np.full((1, 50), 0.2) * np.array([[1.0], [-1.0]])
    two, simplex = Population.two_classes(*mu), Population.classes(mu, codes="simplex")
    a, b = (predict(Fit(x, n=40, gamma=0.5, starts=[Fit(x, n=90, gamma=0.5)]), -20.0) for x in (two, simplex))
    assert calibrating_scale(a) == pytest.approx(calibrating_scale(b), rel=1e-3) and calibrating_scale(a) < 0


def test_a_scale_that_is_none():
    with pytest.raises(TypeError, match="moments must be a Moments, got int"):
        calibrating_scale(3)
    with pytest.raises(ValueError, match="moments must be those of classes"):
        calibrating_scale(predict(Fit(Population.linear(np.ones(9)), n=20, gamma=1.0)))
    nothing = predict(Fit(Population.classes(np.zeros((3, 9))), n=20, gamma=1.0))
    assert abs(calibrating_scale(nothing)) < 0.1
    with pytest.raises(FloatingPointError, match="no scale is large enough"):
        calibrating_scale(predict(Fit(Population.classes(1e12 * np.eye(3, 9)), n=20, gamma=1.0)))


def test_codes_of_unequal_length_are_those_that_decide():
    """Three classes along a line: shifted codes are the same problem, with an intercept, and have the same log-loss."""
    mu = np.outer([-2.0, 0.0, 2.0], np.eye(1, 40)[0])
    found = [
        predict(Fit(Population.classes(mu, codes=codes), n=1000, gamma=0.1, intercept=True))
        for codes in (np.array([[0.0], [1.0], [2.0]]), np.array([[-1.0], [0.0], [1.0]]))
    ]
    assert found[0].accuracy == pytest.approx(found[1].accuracy, abs=1e-9)
    assert calibrating_scale(found[0]) == pytest.approx(calibrating_scale(found[1]), rel=1e-6)
    at_best = [log_loss(m, calibrating_scale(m)) for m in found]
    assert at_best[0] == pytest.approx(at_best[1], rel=1e-6)
    assert at_best[0] < -np.log(found[0].accuracy) + 0.5 and at_best[0] < np.log(3) / 2
