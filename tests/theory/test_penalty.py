"""The best penalties, against a fine grid, the limit of infinite penalties, and simulation."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from rmt_alpha import Fit, Population, TransferProblem, optimal_alpha, optimal_penalty, predict, simulate

ISOTROPIC = TransferProblem(400, 300, 400, mu=1, mu_orth=1, beta=0.5, gamma_source=0.1, gamma_target=0.1)


def spread_out() -> Fit:
    """Eigenvalues over two decades: there a finite penalty is best."""
    rng = np.random.default_rng(0)
    cov = np.logspace(-1, 1, 80)
    target, other = rng.standard_normal((2, 80)) / 9
    return TransferProblem.from_means(
        0.8 * target + other,
        target,
        n_source=150,
        n_target=60,
        gamma_source=0.5,
        gamma_target=0.3,
        cov_source=cov,
        cov_target=cov,
    )


@pytest.mark.parametrize("over", ["target", "both"])
def test_jax_numbers_are_searched_in_double_precision(over):
    """Each step of the search would compile anew, and end where single precision ends."""
    fit = spread_out()
    jax_fit = dataclasses.replace(
        fit, gamma=jnp.asarray(0.3), starts=[dataclasses.replace(fit.starts[0], gamma=jnp.asarray(0.5))]
    )
    found, wanted = optimal_penalty(jax_fit, over=over), optimal_penalty(fit, over=over)
    assert found.accuracy == pytest.approx(wanted.accuracy, rel=1e-9) and isinstance(found.accuracy, float)
    assert found.problem.gamma == pytest.approx(wanted.problem.gamma, rel=1e-4)


def test_isotropic_noise_wants_infinite_penalties():
    r"""Then both classifiers are averages: w = Xy/n + α X̃ỹ/N, with c = (b², s), M₀₀ = b² + p/n, M₁₁ = μ² + p/N, M₀₁ = s."""
    found = optimal_penalty(ISOTROPIC, bounds=(1e-4, 1e7))
    assert found.at_bound == "upper"
    uu, uv, vv = ISOTROPIC.mean_products
    c, M = np.array([vv, uv]), np.array([[vv + 400 / 300, uv], [uv, uu + 1.0]])
    assert found.accuracy == pytest.approx(special.ndtr(np.sqrt(c @ np.linalg.solve(M, c))), abs=1e-6)


@pytest.mark.parametrize("over", ["target", "source", "both"])
def test_nothing_on_a_fine_grid_is_better(over):
    problem = spread_out()
    found = optimal_penalty(problem, over)
    assert found.at_bound is None
    gamma = np.logspace(-4, 4, 200)
    target = problem.gamma if over == "source" else gamma[:, None] if over == "both" else gamma
    source = problem.starts[0] if over == "target" else dataclasses.replace(problem.starts[0], gamma=gamma)
    grid = optimal_alpha(dataclasses.replace(problem, gamma=target, starts=[source])).accuracy.max()
    assert grid - 1e-9 <= found.accuracy < grid + 1e-4
    assert predict(found.problem, found.alpha).accuracy == pytest.approx(found.accuracy, abs=1e-12)


@pytest.mark.parametrize("bounds", [(1e-4, 1e4), (1e-3, 0.7), (3.0, 49.0), (1e-12, 5e-12)])
def test_penalties_keep_within_the_bounds(bounds):
    """To the last bit, which a logarithm and its exponential may change."""
    found = optimal_penalty(ISOTROPIC, bounds=bounds).problem
    for gamma in (found.gamma_source, found.gamma_target):
        assert bounds[0] <= gamma <= bounds[1]


def test_a_given_alpha_is_kept():
    problem = spread_out()
    found = optimal_penalty(problem, "target", alpha=1.0)
    grid = predict(dataclasses.replace(problem, gamma=np.logspace(-4, 4, 400)), 1.0).accuracy.max()
    assert found.alpha == 1.0 and grid - 1e-9 <= found.accuracy <= optimal_penalty(problem, "target").accuracy


def test_each_source_has_its_own_penalty():
    problem = spread_out()
    target = problem.population.means[0]
    other = Fit(Population.two_classes(target + 0.1, -target - 0.1), n=40, gamma=0.5)
    several = dataclasses.replace(problem, starts=[problem.starts[0], target, other])
    found = optimal_penalty(several)
    first, weights, last = found.problem.starts
    assert first.gamma != last.gamma and np.array_equal(weights[:, 0], target)
    assert found.accuracy > optimal_alpha(several).accuracy


@pytest.mark.parametrize("seed", range(8))
def test_the_optimum_is_not_the_coarse_grid(seed):
    rng = np.random.default_rng(seed)
    lam = np.geomspace(0.05, 20, 40)
    mean = rng.standard_normal(40) / 4
    fit = TransferProblem.from_source(
        mean + rng.standard_normal(40) / 4, mean, n_target=30, gamma_target=1.0, cov_target=lam
    )
    found = optimal_penalty(fit, "target", alpha=1.0)
    near = predict(dataclasses.replace(fit, gamma=found.problem.gamma * np.geomspace(0.8, 1.25, 201)), 1.0).accuracy
    assert found.accuracy >= near.max() - 1e-12


def test_for_classes_and_regression():
    rng = np.random.default_rng(3)
    means = rng.standard_normal((3, 60)) / 5
    fit = Fit(Population.classes(means), n=40, gamma=1.0, starts=[means.T], intercept=True)
    found = optimal_penalty(fit, "target", alpha=1.0)
    grid = predict(dataclasses.replace(fit, gamma=np.logspace(-4, 4, 60)), 1.0).accuracy.max()
    assert found.accuracy >= grid - 1e-6
    W = rng.standard_normal((60, 2)) / 8
    line = Fit(Population.linear(W, 0.7), n=50, gamma=1.0, starts=[0.5 * W + 0.05])
    found = optimal_penalty(line)
    grid = optimal_alpha(dataclasses.replace(line, gamma=np.logspace(-4, 4, 200))).risk.min()
    assert found.accuracy is None and found.risk <= grid + 1e-9


def test_the_simulation_agrees_that_it_is_better():
    problem = spread_out()
    found = optimal_penalty(problem)
    before = simulate(problem, optimal_alpha(problem).alpha, n_trials=300)
    after = simulate(found.problem, found.alpha, n_trials=300)
    assert after.accuracy - before.accuracy > 5 * np.hypot(after.accuracy_se, before.accuracy_se)


@pytest.mark.parametrize(
    ("problem", "options", "message"),
    [
        (ISOTROPIC, {"over": "all"}, "over must be one of"),
        (ISOTROPIC, {"alpha": [0.0, 1.0]}, r"alpha must be one value for the problem, got shape \(2,\)"),
        (ISOTROPIC, {"bounds": (1.0, 0.1)}, r"bounds must be \(low, high\)"),
        (ISOTROPIC, {"bounds": 5}, r"bounds must be \(low, high\) with low < high, got 5"),
        (ISOTROPIC, {"bounds": []}, "bounds must not be empty"),
        (ISOTROPIC, {"bounds": [1.0, 2.0, 3.0]}, r"bounds must be \(low, high\)"),
        (ISOTROPIC, {"bounds": (0.0, 1.0)}, r"bounds must lie in \[1e-12, "),
        (dataclasses.replace(ISOTROPIC, gamma_target=np.ones(3)), {}, r"problem must be scalar, got shape \(3,\)"),
        (
            TransferProblem.from_source(np.ones(3), np.ones(3), n_target=9, gamma_target=1),
            {"over": "source"},
            "problem must have a trained start",
        ),
    ],
)
def test_errors(problem, options, message):
    with pytest.raises(ValueError, match=message):
        optimal_penalty(problem, **options)
