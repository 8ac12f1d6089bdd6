"""The intercept of a convex loss where the penalty leaves little besides it, and where the labels leave nothing else."""

import dataclasses

import numpy as np
import pytest
from scipy import special

from rmt_alpha import Fit, Population, compare, optimal_alpha, optimal_penalty, predict, simulate
from rmt_alpha.problem.losses import Logistic
from rmt_alpha.theory import convex
from rmt_alpha.theory.convex_equations import Labels, labels_alone
from rmt_alpha.theory.convex_quadrature import expectations
from tests.theory.test_convex import Hinge, SmoothMargin

P, N = 80, 41
E = np.eye(4, P)


def uneven(prior, **options):
    return Population.two_classes(E[0], -E[0], prior=prior, **options)


def strong(prior, gamma, loss="logistic", **options):
    return Fit(uneven(prior), n=N, gamma=gamma, loss=loss, intercept=True, **options)


UNLIKE = Fit(
    uneven(0.1, covariances=[np.ones(P), np.linspace(0.5, 2, P)]), n=N, gamma=41.6, loss="logistic", intercept=True,
    starts=[E[0] + 0.3 * E[1]],
)  # fmt: skip


@pytest.mark.parametrize("prior", [0.3, 0.1, 0.03, 1e-3])
def test_an_infinite_penalty_leaves_the_log_odds_and_the_average(prior):
    """There each sample pulls by its class's share of errors: w = Σ yᵢ P(−yᵢ) (xᵢ − x̄)/nγ."""
    pull, gamma = prior * (1 - prior), 1e7
    found = predict(strong(prior, gamma))
    odds = special.logit(prior)
    np.testing.assert_allclose(found.mean, odds, rtol=1e-6)
    assert found.mean[0, 0] - found.mean[1, 0] == pytest.approx(4 * pull / gamma, rel=1e-6, abs=4e-15)
    np.testing.assert_allclose(gamma**2 * found.variance, 4 * pull**2 + pull * P / (N - 1), rtol=1e-6)
    assert found.accuracy == pytest.approx(1 - prior, abs=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "huber", SmoothMargin(), Hinge()], ids=str)
def test_the_law_settles_down_as_the_penalty_grows(loss):
    """Without gaps from ordinary penalties to huge ones, and by the best threshold as well as by zero."""
    gamma = np.logspace(0, 9, 28)
    fit = strong(0.1, gamma, loss)
    found = predict(fit)
    size = gamma * np.sqrt(found.variance[0, 0, 0])
    steps = np.abs(np.diff(np.log(size)))
    assert np.all(steps[1:] <= 0.8 * steps[:-1] + 1e-5) and steps[-1] < 1e-5
    best = predict(fit, threshold="best").accuracy
    np.testing.assert_allclose(best[12:], best[-1], atol=1e-6)
    assert best[-1] > 0.90005 and found.accuracy[-1] == pytest.approx(0.9, abs=1e-12)


@pytest.mark.parametrize("gamma", [1e4, 1e8])
def test_a_kink_is_seen_at_the_scale_of_the_scores(gamma):
    """Samples of the commoner class lie at the hinge's kink, so b has to be right on the scale of √V."""
    training = convex.Training.of(strong(0.1, gamma, Hinge()))
    means, sds = [], []
    for last_step in (convex.LAST_STEP, 1e-7):
        x = training.solve(np.zeros((1, 0)), last_step=last_step)[1]
        m, V = training.scores(x)
        means.append((m[0] + 1) / np.sqrt(V[0]))
        sds.append(np.sqrt(V[0]))
    np.testing.assert_allclose(means[0], means[1], atol=1e-5)
    np.testing.assert_allclose(sds[0], sds[1], rtol=1e-7)


@pytest.mark.parametrize(
    "fit, alpha",
    [
        (strong(0.3, 1e4), None),
        (strong(0.1, 1e3), None),
        (strong(0.1, 1e3, starts=[E[0] + 0.3 * E[1]]), 1.8),
        (UNLIKE, 0.0),
    ],
)
def test_the_simulation_agrees(fit, alpha):
    """With enough samples that b, which varies between draws, takes hardly anything off the mean accuracy."""
    fit = dataclasses.replace(fit, n=200)
    theory, trained = predict(fit, alpha), simulate(fit, alpha, n_trials=100, seed=3)
    z = compare(theory, trained)
    assert max(np.abs(z.mean).max(), np.abs(z.variance).max()) < 4
    assert theory.accuracy == pytest.approx(trained.accuracy, abs=1e-3)


def test_unlike_covariances_have_a_best_alpha_under_a_strong_penalty():
    best = optimal_alpha(UNLIKE)
    grid = predict(UNLIKE, np.linspace(-2, 6, 161)).accuracy
    assert grid.max() - 1e-9 <= best.accuracy < grid.max() + 1e-4


def test_the_best_penalty_at_the_default_bounds():
    e = np.eye(4, 60)
    population = Population.two_classes(e[0], -e[0], prior=0.3)
    fit = Fit(population, n=60, gamma=1.0, starts=[e[0] + e[1]], intercept=True, loss="logistic")
    found = optimal_penalty(fit, over="target")
    gamma = np.concatenate([np.logspace(-4, 4, 9), found.problem.gamma * np.geomspace(1 / 1.1, 1.1, 5)])
    grid = optimal_alpha(dataclasses.replace(fit, gamma=gamma)).accuracy
    assert found.at_bound is None and found.accuracy >= grid.max() - 1e-9
    assert found.accuracy == pytest.approx(grid[-3], abs=1e-9)


@pytest.mark.parametrize("m", [0.7, -2.2])
def test_expectations_of_nearly_constant_margins(m):
    """Nodes nearly as close to each other as rounding is to m change how much probability there is, and nothing else."""
    loss, sd = Logistic(), 1e-9
    (values,), _, found = expectations(loss, np.array([m]), np.array([sd**2]), np.array([sd]))
    g, curve = -loss.slope(np.array([m]))[0], loss.curvature(np.array([m]))[0]
    np.testing.assert_allclose(values / found, [g, g**2, curve], rtol=4e-9)


@pytest.mark.parametrize("share", [0.5, 0.1, 1e-30, 1e-300])
def test_the_intercept_of_labels_alone_is_the_log_odds(share):
    labels = Labels.of(uneven(share), True)
    assert labels_alone(labels, Logistic()) == pytest.approx(special.logit(share), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("loss", ["squared", "logistic", "squared_hinge"])
@pytest.mark.parametrize("gamma", [1e10, 1e12])
def test_scores_lost_beside_the_intercept_are_told(loss, gamma):
    """At 1e10 what is left of the scores is lost to some losses only."""
    if gamma == 1e10 and loss != "logistic":
        assert predict(strong(0.1, gamma, loss)).accuracy == pytest.approx(0.9)
        return
    with pytest.raises(FloatingPointError, match=rf"gamma = 1e\+{np.log10(gamma):.0f} leaves so .* Take a smaller one"):
        predict(strong(0.1, gamma, loss))


ONE_KIND = Fit(uneven(0.3, flips=[1.0, 0.0]), n=40, gamma=1.0, intercept=True)


def test_labels_of_one_kind_teach_the_squared_loss_that_label():
    found = predict(ONE_KIND)
    np.testing.assert_allclose(found.mean, -1)
    np.testing.assert_array_equal(found.variance < 1e-30, True)
    assert found.accuracy == pytest.approx(0.7, abs=1e-12)
    assert found.accuracy == pytest.approx(simulate(ONE_KIND, n_trials=3).accuracy, abs=1e-12)
    assert predict(ONE_KIND, threshold="best").accuracy == pytest.approx(0.7, abs=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "huber", SmoothMargin(), Hinge()], ids=str)
@pytest.mark.parametrize("flips", [[1.0, 0.0], [0.0, 1.0]])
def test_labels_of_one_kind_have_no_single_intercept(loss, flips):
    """It runs away, or all large ones are as good."""
    fit = dataclasses.replace(ONE_KIND, loss=loss, population=uneven(0.3, flips=flips))
    with pytest.raises(
        ValueError, match=r"population must have labels of two kinds for .* share of [01] with \+1 and [01] "
    ):
        predict(fit)


@pytest.mark.parametrize("loss", ["squared", "logistic", "squared_hinge"])
def test_labels_nearly_of_one_kind_are_told(loss):
    fit = dataclasses.replace(ONE_KIND, loss=loss, population=uneven(1e-300))
    with pytest.raises(FloatingPointError, match=r"labels of more than one kind.* alike but for 2e-150 .* Take priors"):
        predict(fit)
