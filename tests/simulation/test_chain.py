"""The chain against the dense engine (one law), and its depth against more of it."""

from unittest import mock

import numpy as np
import pytest
from scipy import stats

from rmt_alpha.problem import Fit, Population, TransferProblem
from rmt_alpha.results import compare
from rmt_alpha.simulation import chain, draw, frames, simulate, simulate_optimal_alpha
from rmt_alpha.theory.optimum import optimal_alpha
from rmt_alpha.theory.predict import predict

REGIMES = {
    "n<p<N": dict(n_source=600, n_target=150, dim=300, gamma_source=1.0, gamma_target=0.5),
    "p<n": dict(n_source=500, n_target=400, dim=300, gamma_source=0.3, gamma_target=0.1),
    "n=p, small penalties": dict(n_source=300, n_target=300, dim=300, gamma_source=1e-2, gamma_target=1e-3),
    "N<p": dict(n_source=100, n_target=200, dim=300, gamma_source=0.1, gamma_target=1e-2),
    "tiny": dict(n_source=4, n_target=3, dim=5, gamma_source=0.1, gamma_target=0.2),
    "two of each": dict(n_source=2, n_target=2, dim=2, gamma_source=0.5, gamma_target=0.3),
}
# At β = 0 what is orthogonal to μ in w̃ is everything.
ORTHOGONAL = {"p = 3": (4, 3, 3), "p = 5": (4, 3, 5), "p = 12": (20, 10, 12)}


def problem(mu=1.2, mu_orth=0.8, beta=0.6, **sizes):
    return TransferProblem(mu=mu, mu_orth=mu_orth, beta=beta, **sizes)


def opposite(mean):
    return Population.two_classes(mean, -mean)


def assert_one_law(problem, alphas, trials, level=1e-4):
    forms = [draw(problem, n_trials=trials, seed=3, method=m) for m in ("chain", "dense")]
    for alpha in alphas:
        first, second = (f.moments(alpha) for f in forms)
        for quantity in ("mean", "variance"):
            a, b = getattr(first, quantity), getattr(second, quantity)
            assert stats.ttest_ind(a, b, equal_var=False).pvalue > level
            assert stats.levene(a, b).pvalue > level
            assert stats.ks_2samp(a, b).pvalue > level


@pytest.mark.parametrize("name", REGIMES)
def test_chain_and_dense_draw_from_one_law(name):
    scalar = problem(**REGIMES[name])
    assert_one_law(scalar, [-2.0, 0.0, 1.0, 3.0], 300 if scalar.dim == 300 else 4000)


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_chain_and_dense_agree_on_orthogonal_tasks(name):
    N, n, p = ORTHOGONAL[name]
    chain_, dense_ = (
        draw(TransferProblem(N, n, p, 0.3, 1.2, 0.0, 0.5, 0.3), n_trials=3000, method=m) for m in ("chain", "dense")
    )
    for a, b in ((chain_.c[1], dense_.c[1]), (chain_.M[0, 1], dense_.M[0, 1]), (chain_.M[1, 1], dense_.M[1, 1])):
        assert stats.ks_2samp(a, b).pvalue > 1e-4
        assert stats.levene(a, b).pvalue > 1e-4


@pytest.mark.parametrize("p", [4, 5, 7, 60])
def test_several_sources_and_chains_of_fits(p):
    means = np.random.default_rng(0).standard_normal((4, p)) / np.sqrt(p)
    first = Fit(opposite(means[0]), n=6, gamma=0.5)
    second = Fit(opposite(means[1]), n=5, gamma=0.3, starts=[first], alpha=1.5)
    two = Fit(opposite(means[2]), n=7, gamma=0.4, starts=[second, means[3]])
    if p == 4:
        assert frames.obstacles(two) == ["dim ≥ 4"] * (p < 4)
    assert_one_law(two, [[1.0, 0.5], [-1.0, 2.0]], 3000)


def test_a_fit_that_is_listed_twice_is_trained_twice():
    means = np.random.default_rng(0).standard_normal((2, 20)) / np.sqrt(20)
    source = Fit(opposite(means[0]), n=10, gamma=0.5)
    twice = Fit(opposite(means[1]), n=8, gamma=0.3, starts=[source, source])
    assert_one_law(twice, [[1.0, 1.0], [1.0, -1.0]], 2000)
    assert np.std(draw(twice, n_trials=200).c[1] - draw(twice, n_trials=200).c[2]) > 0.01


def test_means_in_fewer_coordinates_and_given_weights():
    w = np.array([0.3, -1.0])
    assert_one_law(
        Fit(Population.two_classes([0.5, 0.5], [-0.5, -0.5], dim=30), n=12, gamma=0.2, starts=[w, 2 * w[::-1]]),
        [[1.0, 0.5]],
        2000,
    )


@pytest.mark.parametrize("gamma", [1e-4, 1e-6, 1e-9])
def test_the_recursion_is_stable_at_the_interpolation_threshold(gamma):
    threshold = problem(n_source=500, n_target=100, dim=100, gamma_source=1.0, gamma_target=gamma)
    first, second = (draw(threshold, n_trials=1024, method=m).moments(1.0) for m in ("chain", "dense"))
    for quantity in ("mean", "variance"):
        assert stats.ks_2samp(getattr(first, quantity), getattr(second, quantity)).pvalue > 0.01 / 6


@pytest.mark.parametrize(
    ("n_source", "n_target", "dim", "mu", "gamma"),
    [
        (5_000_000, 100_000, 1_000_000, 1.0, 1.0),
        (5000, 100, 1000, 1.0, 1.0),
        (1000, 1000, 1000, 1.0, 0.1),
        (300, 1000, 300, 3.0, 0.01),
        (40_000, 20_000, 10_000, 1.0, 1e-6),
        (10_000, 1000, 5000, 1.0, 1e-3),
        (1_000_000, 1_000_000, 1_000_000, 100.0, 1.0),
        (7, 5, 6, 2.0, 0.2),
    ],
)
def test_twice_the_depth_changes_nothing(n_source, n_target, dim, mu, gamma):
    fit = TransferProblem(n_source, n_target, dim, mu, mu, 0.8, gamma, gamma).fit
    form, deeper = frames.draw(fit, 0, (1,), 0), frames.draw(fit, 0, (1,), 0, depth_factor=2)
    for a, b in ((form.c, deeper.c), (form.M, deeper.M)):
        assert np.max(np.abs(a - b) / np.abs(b).mean(axis=-1, keepdims=True)) < 1e-10


def test_full_depth_is_exact():
    # With no truncation left to do, asking for more levels cannot matter at all.
    fit = problem(n_source=40, n_target=30, dim=50, gamma_source=1e-6, gamma_target=1e-6).fit
    with mock.patch.object(chain, "TOLERANCE", 1e-300):
        full = frames.draw(fit, 0, (1,), 0)
    np.testing.assert_array_equal(full.c, frames.draw(fit, 0, (1,), 0).c)


def test_labels_that_are_all_flipped_are_no_task_of_the_chain():
    rng = np.random.default_rng(0)
    mu, nu = 1.5 * rng.standard_normal((2, 150)) / np.sqrt(150)
    flipped = Population.two_classes(mu, -mu, flips=1.0)
    wrong = Fit(flipped, n=200, gamma=0.3)
    tuned = Fit(opposite(mu + nu), n=100, gamma=0.3, starts=[wrong])
    both = Fit(flipped, n=100, gamma=0.3, starts=[Fit(opposite(nu), n=200, gamma=0.3)])
    for fit, alpha in ((wrong, None), (tuned, [0.5, 1.0]), (both, [0.5, 1.0])):
        assert compare(predict(fit, alpha), simulate(fit, alpha, n_trials=100)).max_abs < 4
        with pytest.raises(ValueError, match="without flips"):
            draw(fit, method="chain")
    best = simulate_optimal_alpha(tuned, n_trials=100)
    assert abs(best.alpha - optimal_alpha(tuned).alpha) < 4 * best.alpha_se and best.alpha < 0


def test_what_the_chain_needs_is_said():
    mean = np.ones(6) / 3
    needs = {
        "identity covariances": Fit(Population.two_classes(mean, -mean, covariance=np.arange(1.0, 7)), n=5, gamma=1.0),
        "without flips": Fit(Population.two_classes(mean, -mean, flips=0.1), n=5, gamma=1.0),
        "squared losses": Fit(
            opposite(mean), n=5, gamma=1.0, starts=[Fit(opposite(mean), n=9, gamma=1.0, loss="logistic")]
        ),
        "no intercepts": Fit(opposite(mean), n=5, gamma=1.0, intercept=True),
        "≥ 1e-13": Fit(opposite(mean), n=5, gamma=0.0),
    }
    for message, fit in needs.items():
        with pytest.raises(ValueError, match=message):
            draw(fit, method="chain")
