"""Multi-output regression: risk against simulation, and the best α."""

import numpy as np
import pytest

from rmt_alpha import RegressionProblem, optimal_alpha_regression, predict_regression, ridge_path, simulate_regression

ALPHA = np.array([-2.0, 0.0, 0.5, 2.0])


def problem(n, p, beta=0.5, **changes):
    rng = np.random.default_rng(p)
    W_s, B = rng.standard_normal((2, 4, p)) / np.sqrt(p)
    return RegressionProblem(
        **(dict(w_source=W_s, w_target=beta * W_s + B, n_target=n, gamma_target=0.05, sigma=0.5) | changes)
    )


@pytest.mark.parametrize(("n", "p"), [(100, 400), (300, 300), (600, 300)])
def test_risk_against_simulation(n, p):
    case = problem(n, p)
    theory, simulated = predict_regression(case, ALPHA), simulate_regression(case, ALPHA, n_trials=60)
    assert np.max(np.abs((simulated.risk - theory.risk) / simulated.risk_se)) < 4
    np.testing.assert_allclose(theory.bias + theory.noise, theory.risk)


def test_ridgeless_risk_against_simulation():
    for n in (150, 700):
        case = problem(n, 300, gamma_target=0.0)
        simulated = simulate_regression(case, ALPHA, n_trials=60)
        assert np.max(np.abs((simulated.risk - predict_regression(case, ALPHA).risk) / simulated.risk_se)) < 4


@pytest.mark.parametrize(("n", "p", "gamma"), [(50, 100, 0.2), (200, 100, 0.05), (100, 100, 1.0)])
def test_risk_is_the_published_one_in_terms_of_the_stieltjes_transform(n, p, gamma):
    """One output, anchored ridge: the limit that angleTL (arXiv 2210.12759) takes from Dobriban & Wager (arXiv 1507.03003),

    γ²‖W_t − αW_s‖² s'(−γ) + σ²η (s(−γ) − γ s'(−γ)) + σ², with the Stieltjes transform s of the Marchenko–Pastur law.
    """
    eta = p / n

    def stieltjes(x):
        return (-(1 - eta + x) + np.sqrt((1 - eta + x) ** 2 + 4 * eta * x)) / (2 * eta * x)

    s, slope = stieltjes(gamma), -(stieltjes(gamma + 1e-5) - stieltjes(gamma - 1e-5)) / 2e-5  # d/dz at z = −γ
    case = problem(n, p, gamma_target=gamma)
    W_s, W_t = case.w_source[:1], case.w_target[:1]
    single = RegressionProblem(W_s, W_t, n, gamma, 0.5)
    expected = gamma**2 * np.sum((W_t - 0.7 * W_s) ** 2) * slope + 0.25 * eta * (s - gamma * slope) + 0.25
    assert predict_regression(single, 0.7).risk == pytest.approx(expected, rel=1e-7)


def test_the_estimator_is_angle_tl():
    """argmin ‖y − Xw‖² + λ‖w‖² − 2ηw̃ᵀw (arXiv 2210.12759) is ours with λ = nγ and η = αλ."""
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((20, 30)), rng.standard_normal(20), rng.standard_normal(30)
    gamma, alpha = 0.3, 1.7
    path = ridge_path(X, y, gamma, w[:, None])
    penalty = 20 * gamma
    theirs = np.linalg.solve(X.T @ X + penalty * np.eye(30), X.T @ y + alpha * penalty * w)
    np.testing.assert_allclose(path[:, 0] + alpha * path[:, 1], theirs)


def test_optimum_minimises_the_risk_whatever_the_penalty():
    case = problem(50, 100, gamma_target=np.array([[0.01], [1.0], [100.0]]))
    best = optimal_alpha_regression(case)
    around = predict_regression(case, best + np.array([-0.01, 0.0, 0.01])).risk
    assert np.all(around.argmin(axis=-1) == 1)


def test_bad_input():
    with pytest.raises(ValueError, match=r"w_source and w_target must be matrices .* \(4, 30\) and \(4, 31\)"):
        RegressionProblem(np.ones((4, 30)), np.ones((4, 31)), 10, 0.1, 0.5)
    with pytest.raises(ValueError, match="gamma_target must be positive where n_target equals dim"):
        problem(100, 100, gamma_target=0.0)
    with pytest.raises(ValueError, match="w_source must not be 0"):
        optimal_alpha_regression(problem(50, 100, w_source=np.zeros((4, 100)), w_target=np.ones((4, 100))))
    with pytest.raises(ValueError, match=r"sigma must lie in \[0"):
        problem(50, 100, sigma=-1)
    with pytest.raises(ValueError, match="gamma_target must be a number here"):
        simulate_regression(problem(50, 100, gamma_target=np.ones(3)), 1.0)
