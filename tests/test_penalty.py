"""The best penalties, against a fine grid, the limit of infinite penalties, and simulation."""

import dataclasses

import numpy as np
import pytest
from scipy import special

from rmt_alpha import Source, TransferProblem, optimal_alpha, optimal_penalty, predict, simulate

ISOTROPIC = TransferProblem(400, 300, 400, mu=1, mu_orth=1, beta=0.5, gamma_source=0.1, gamma_target=0.1)


def spread_out() -> TransferProblem:
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


def test_isotropic_noise_wants_infinite_penalties():
    r"""Then both classifiers are averages: w = Xy/n + α X̃ỹ/N, with c = (b², s), M₀₀ = b² + p/n, M₁₁ = μ² + p/N, M₀₁ = s."""
    found = optimal_penalty(ISOTROPIC, bounds=(1e-4, 1e7))
    assert found.at_bound
    uu, uv, vv = ISOTROPIC.mean_products
    c, M = np.array([vv, uv]), np.array([[vv + 400 / 300, uv], [uv, uu + 1.0]])
    assert found.accuracy == pytest.approx(special.ndtr(np.sqrt(c @ np.linalg.solve(M, c))), abs=1e-6)


@pytest.mark.parametrize("over", ["target", "source", "both"])
def test_nothing_on_a_fine_grid_is_better(over):
    problem = spread_out()
    found = optimal_penalty(problem, over)
    assert not found.at_bound
    gamma = np.logspace(-4, 4, 200)
    axes = {
        "target": {"gamma_target": gamma},
        "source": {"gamma_source": gamma},
        "both": {"gamma_target": gamma[:, None], "gamma_source": gamma},
    }[over]
    grid = optimal_alpha(dataclasses.replace(problem, **axes)).accuracy.max()
    assert grid - 1e-9 <= found.accuracy < grid + 1e-4
    assert predict(found.problem, found.alpha).accuracy == pytest.approx(found.accuracy, abs=1e-12)


def test_a_given_alpha_is_kept():
    problem = spread_out()
    found = optimal_penalty(problem, "target", alpha=1.0)
    grid = predict(dataclasses.replace(problem, gamma_target=np.logspace(-4, 4, 400)), 1.0).accuracy.max()
    assert found.alpha == 1.0 and grid - 1e-9 <= found.accuracy <= optimal_penalty(problem, "target").accuracy


def test_each_source_has_its_own_penalty():
    problem = spread_out()
    geometry = problem.geometry
    sources = [Source(geometry.mean_source, 150, 0.5, geometry.cov_source), Source.fixed(geometry.mean_target)]
    several = TransferProblem.from_sources(
        [*sources, Source(geometry.mean_target + 0.1, 40, 0.5)],
        geometry.mean_target,
        n_target=60,
        gamma_target=0.3,
        cov_target=geometry.cov_target,
    )
    found = optimal_penalty(several)
    gammas = [s.gamma for s in found.problem.sources]
    assert gammas[1] is None and gammas[0] != gammas[2]
    assert found.accuracy > optimal_alpha(several).accuracy


def test_the_simulation_agrees_that_it_is_better():
    problem = spread_out()
    found = optimal_penalty(problem)
    before = simulate(problem, optimal_alpha(problem).best, n_trials=300)
    after = simulate(found.problem, found.alpha, n_trials=300)
    assert after.accuracy - before.accuracy > 5 * np.hypot(after.accuracy_se, before.accuracy_se)


@pytest.mark.parametrize(
    ("problem", "options", "message"),
    [
        (ISOTROPIC, {"over": "all"}, "over must be one of"),
        (ISOTROPIC, {"bounds": (1.0, 0.1)}, r"bounds must be \(low, high\)"),
        (dataclasses.replace(ISOTROPIC, gamma_target=np.ones(3)), {}, r"problem must be scalar, got shape \(3,\)"),
        (
            TransferProblem.from_source(np.ones(3), np.ones(3), n_target=9, gamma_target=1),
            {"over": "source"},
            "problem must have a trained source",
        ),
    ],
)
def test_errors(problem, options, message):
    with pytest.raises(ValueError, match=message):
        optimal_penalty(problem, **options)
