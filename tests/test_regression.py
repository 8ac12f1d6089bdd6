"""Multi-output regression: risk against simulation, and the best α."""

import numpy as np
import pytest

from rmt_alpha import RegressionProblem, optimal_alpha_regression, predict_regression, simulate_regression

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
