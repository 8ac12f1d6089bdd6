"""The engines against each other (law), against theory (z-scores), and their random streams."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
from scipy import stats

from rmt_alpha import (
    TransferProblem,
    compare,
    draw,
    optimal_alpha,
    predict,
    simulate,
    simulate_optimal_alpha,
)
from rmt_alpha.simulation import chain
from rmt_alpha.theory.published import predict_published

ALPHA = np.array([-2.0, 0.0, 1.0, 3.0])
REGIMES = {
    "n<p<N": dict(n_source=600, n_target=150, dim=300, gamma_source=1.0, gamma_target=0.5),
    "p<n": dict(n_source=500, n_target=400, dim=300, gamma_source=0.3, gamma_target=0.1),
    "n=p, small penalties": dict(n_source=300, n_target=300, dim=300, gamma_source=1e-2, gamma_target=1e-3),
    "N<p": dict(n_source=100, n_target=200, dim=300, gamma_source=0.1, gamma_target=1e-2),
    "tiny": dict(n_source=4, n_target=3, dim=5, gamma_source=0.1, gamma_target=0.2),
    "two of each": dict(n_source=2, n_target=2, dim=2, gamma_source=0.5, gamma_target=0.3),
}


def problem(mu=1.2, mu_orth=0.8, beta=0.6, **sizes):
    return TransferProblem(mu=mu, mu_orth=mu_orth, beta=beta, **sizes)


@pytest.mark.parametrize("name", REGIMES)
def test_chain_and_dense_draw_from_one_law(name):
    scalar = problem(**REGIMES[name])
    trials = 300 if scalar.dim == 300 else 4000
    forms = [draw(scalar, n_trials=trials, seed=3, method=m) for m in ("chain", "dense")]
    for alpha in ALPHA:
        first, second = (f.moments(alpha) for f in forms)
        for quantity in ("mean", "variance"):
            a, b = getattr(first, quantity), getattr(second, quantity)
            # Mean, spread, and the whole distribution; 6 × 4 × 2 × 3 tests share a level of 1 %.
            assert stats.ttest_ind(a, b, equal_var=False).pvalue > 0.01 / 144
            assert stats.levene(a, b).pvalue > 0.01 / 144
            assert stats.ks_2samp(a, b).pvalue > 0.01 / 144


@pytest.mark.parametrize("gamma", [1e-4, 1e-6, 1e-9])
def test_the_recursion_is_stable_at_the_interpolation_threshold(gamma):
    threshold = problem(n_source=500, n_target=100, dim=100, gamma_source=1.0, gamma_target=gamma)
    first, second = (draw(threshold, n_trials=1024, method=m).moments(1.0) for m in ("chain", "dense"))
    for quantity in ("mean", "variance"):
        assert stats.ks_2samp(getattr(first, quantity), getattr(second, quantity)).pvalue > 0.01 / 6


def test_fixed_source_chain_and_dense_draw_from_one_law():
    rng = np.random.default_rng(0)
    w, mean = rng.standard_normal((2, 120)) / 10
    scalar = TransferProblem.from_source(w, mean, n_target=80, gamma_target=0.05)
    first, second = (draw(scalar, n_trials=600, method=m).moments(1.5) for m in ("chain", "dense"))
    for quantity in ("mean", "variance"):
        assert stats.ks_2samp(getattr(first, quantity), getattr(second, quantity)).pvalue > 0.005


@pytest.mark.parametrize("gamma", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("n_target", [500, 5000, 50_000])
def test_doubling_the_depth_changes_nothing(gamma, n_target):
    scalar = problem(n_source=20_000, n_target=n_target, dim=5000, gamma_source=0.5, gamma_target=gamma)
    plain, doubled = (chain.draw(scalar, 0, 0, depth_factor=f) for f in (1.0, 2.0))
    np.testing.assert_allclose(plain.c, doubled.c, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(plain.M, doubled.M, rtol=1e-10, atol=1e-13)


def test_a_trial_is_the_same_whatever_is_computed_beside_it():
    scalar = problem(**REGIMES["n<p<N"])
    for method, few, many in (("chain", 10, 700), ("dense", 5, 12)):
        short, long = (draw(scalar, n_trials=n, seed=4, method=method) for n in (few, many))
        np.testing.assert_array_equal(short.c, long.c[:, :few])
        np.testing.assert_array_equal(short.M, long.M[..., :few])
    others = dataclasses.replace(scalar, beta=np.array([0.1, 0.6, 0.9]))
    batch, single = simulate(others, 1.0, n_trials=50), simulate(scalar, 1.0, n_trials=50)
    assert batch.accuracy[1] == single.accuracy
    assert batch.accuracy[0] != single.accuracy


def test_streams_differ_between_seeds_trials_and_engines():
    scalar = problem(**REGIMES["tiny"])
    draws = [draw(scalar, n_trials=20, seed=s, method=m).c[0] for s in (0, 1) for m in ("chain", "dense")]
    values = np.concatenate(draws)
    assert len(np.unique(values)) == len(values)


# The sizes keep the O(1/p) distance of theory well below the standard error of the trials asked for.
@pytest.mark.parametrize("ratio_target", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("ratio_source", [0.3, 1.0, 2.0])
def test_theory_against_the_chain(ratio_target, ratio_source):
    dim = 20_000
    large = problem(
        n_source=int(dim / ratio_source), n_target=int(dim / ratio_target), dim=dim, gamma_source=0.4, gamma_target=0.2
    )
    assert compare(predict(large, ALPHA), simulate(large, ALPHA, n_trials=500, seed=1)).max_abs < 4


def test_theory_at_dimension_100_000():
    large = problem(n_source=200_000, n_target=50_000, dim=100_000, gamma_source=1.0, gamma_target=0.3)
    simulated = simulate(large, ALPHA, n_trials=256)
    assert simulated.method == "chain"
    assert np.max(np.abs(predict(large, ALPHA).accuracy - simulated.accuracy)) < 3e-4


def covariances(p, seed=0):
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((p, p)), rng.standard_normal((p, 2 * p))
    return A @ A.T / p + 0.2 * np.eye(p), 2 * np.linalg.inv(B @ B.T / p + 0.3 * np.eye(p))


def general(p, n_source, n_target, gamma_source=0.3, gamma_target=0.1, seed=0):
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((2, p)) / np.sqrt(p)
    source, target = covariances(p, seed)
    sizes = dict(n_source=n_source, n_target=n_target, gamma_source=gamma_source, gamma_target=gamma_target)
    return TransferProblem.from_means(
        1.2 * first, 0.8 * first + 0.8 * second, cov_source=source, cov_target=target, **sizes
    )


@pytest.mark.parametrize(("n_source", "n_target", "gamma"), [(800, 400, 0.1), (400, 1000, 0.3), (1000, 300, 0.0)])
def test_theory_with_noncommuting_covariances(n_source, n_target, gamma):
    correlated = general(500, n_source, n_target, gamma_target=gamma)
    simulated = simulate(correlated, ALPHA, n_trials=40, seed=2)
    assert simulated.method == "dense"
    assert compare(predict(correlated, ALPHA), simulated).max_abs < 4


def test_theory_with_a_fixed_source():
    base = general(500, 1000, 400)
    w = np.random.default_rng(8).standard_normal(500) / 20 + base.geometry.mean_source
    fixed = TransferProblem.from_source(
        w, base.geometry.mean_target, n_target=400, gamma_target=0.1, cov_target=covariances(500)[1]
    )
    assert compare(predict(fixed, ALPHA), simulate(fixed, ALPHA, n_trials=60)).max_abs < 4


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_ridgeless_theory_against_dense(gamma):
    for n_target in (200, 900):
        case = problem(n_source=900, n_target=n_target, dim=400, gamma_source=gamma, gamma_target=0.0)
        simulated = simulate(case, ALPHA, n_trials=60)
        assert simulated.method == "dense"
        assert compare(predict(case, ALPHA), simulated).max_abs < 4


def student(rng, shape):
    return rng.standard_t(9, shape) * np.sqrt(7 / 9)


@pytest.mark.parametrize("noise", ["gaussian", "rademacher", "student", student])
@pytest.mark.parametrize("labels", ["balanced", "random"])
def test_the_noise_law_does_not_matter(noise, labels):
    rng = np.random.default_rng(0)
    # Delocalised means: a mean on one coordinate would feel that coordinate's own law.
    first, second = rng.standard_normal((2, 400)) / 20
    spread = TransferProblem.from_means(
        first, first + second, n_source=600, n_target=200, gamma_source=0.5, gamma_target=0.3
    )
    simulated = simulate(spread, ALPHA, n_trials=60, noise=noise, labels=labels, method="dense")
    assert compare(predict(spread, ALPHA), simulated).max_abs < 4


def test_the_published_second_moment_departs_from_simulation():
    case = TransferProblem(50_000, 100_000, 30_000, mu=2, mu_orth=0.5, beta=0.9, gamma_source=0.1, gamma_target=0.1)
    simulated = simulate(case, -5.0, n_trials=256)
    assert abs(compare(predict(case, -5.0), simulated).accuracy) < 4
    assert compare(predict_published(case, -5.0), simulated).accuracy < -100


def test_simulated_optimum():
    large = problem(n_source=40_000, n_target=10_000, dim=20_000, gamma_source=1.0, gamma_target=0.5)
    found = simulate_optimal_alpha(large, n_trials=512, seed=1)
    assert abs(found.best - optimal_alpha(large).best) < 4 * found.best_se
    assert found.best_se < 0.01


def test_standard_errors_have_the_right_size():
    small = problem(n_source=60, n_target=20, dim=30, gamma_source=0.4, gamma_target=0.2)
    blocks = [simulate(small, 1.0, n_trials=100, seed=s) for s in range(200)]
    observed = np.std([b.accuracy for b in blocks], ddof=1)
    # The standard deviation of 200 values has a relative error of 1/√400.
    assert observed / np.mean([b.accuracy_se for b in blocks]) == pytest.approx(1, abs=0.2)


def test_shapes_follow_broadcasting():
    grid = problem(
        n_source=60, n_target=20, dim=30, gamma_source=np.array([[0.1], [1.0]]), gamma_target=np.array([0.1, 0.2, 0.3])
    )
    assert simulate(grid, 1.0, n_trials=4).accuracy.shape == (2, 3)
    assert simulate(grid, np.ones((4, 1, 1)), n_trials=4).accuracy.shape == (4, 2, 3)
    column = problem(n_source=60, n_target=20, dim=30, gamma_source=np.array([[0.1], [1.0]]), gamma_target=0.1)
    result = simulate(column, ALPHA, n_trials=4)
    assert result.accuracy.shape == (2, 4)
    scalar = simulate(problem(n_source=60, n_target=20, dim=30, gamma_source=1.0, gamma_target=0.1), 0.0, n_trials=4)
    np.testing.assert_allclose(result.accuracy[1, 1], scalar.accuracy, rtol=1e-14)


def test_full_depth_is_exact():
    # With no truncation left to do, asking for more levels cannot matter at all.
    scalar = problem(n_source=40, n_target=30, dim=50, gamma_source=1e-6, gamma_target=1e-6)
    with mock.patch.object(chain, "TOLERANCE", 1e-300):
        full = chain.draw(scalar, 0, 0)
    plain = chain.draw(scalar, 0, 0)
    np.testing.assert_array_equal(full.c, plain.c)


def test_a_saturated_accuracy_compares_as_equal():
    easy = problem(mu=100, mu_orth=100, n_source=60, n_target=20, dim=30, gamma_source=1.0, gamma_target=0.1)
    z = compare(predict(easy, 1.0), simulate(easy, 1.0, n_trials=50))
    assert z.accuracy == 0.0
    wrong = dataclasses.replace(predict(easy, 1.0), accuracy=0.9)
    assert abs(compare(wrong, simulate(easy, 1.0, n_trials=50)).accuracy) > 1e6
