"""Early stopping: its ends, and gradient descent on drawn data."""

import dataclasses

import numpy as np
import pytest

from rmt_alpha import Fit, Group, Population, TransferProblem, optimal_alpha, predict
from rmt_alpha.theory.early_stopping import stopped_form
from rmt_alpha.theory.isotropic import source_moments
from rmt_alpha.theory.optimum import optimum

BASE = TransferProblem(700, 300, 200, mu=1.3, mu_orth=1.1, beta=0.7, gamma_source=0.5, gamma_target=0.2)
ALPHA = np.array([-1.0, 0.0, 0.8, 3.0])


@pytest.mark.parametrize("n", [60, 200, 300, 3000])
@pytest.mark.parametrize("gamma", [0.02, 0.2, 5.0])
def test_late_it_is_ridge_regression(n, gamma):
    problem = dataclasses.replace(BASE, n_target=n, gamma_target=gamma)
    late = stopped_form(problem, 60 / gamma).moments(ALPHA)
    for name in ("mean", "variance", "accuracy"):
        np.testing.assert_allclose(getattr(late, name), getattr(predict(problem, ALPHA), name), rtol=1e-9, atol=1e-12)
    best = optimum(stopped_form(problem, np.array([60 / gamma])))
    np.testing.assert_allclose(best.alpha, optimal_alpha(problem).alpha, rtol=1e-7)


@pytest.mark.parametrize("n", [60, 300])
def test_late_without_penalty_it_is_least_squares(n):
    problem = dataclasses.replace(BASE, n_target=n, gamma_target=0.0)
    np.testing.assert_allclose(
        stopped_form(problem, 2000.0).moments(ALPHA).accuracy, predict(problem, ALPHA).accuracy, atol=1e-9
    )


def test_at_the_start_it_is_the_source():
    form = stopped_form(BASE, 0.0)
    s, q = source_moments(BASE)
    np.testing.assert_allclose(form.c, [0, s], atol=1e-12)
    np.testing.assert_allclose(form.M, [[0, 0], [0, q]], atol=1e-12)
    early = stopped_form(BASE, 1e-5)
    b2 = BASE.mean_products[2]
    assert early.c[0] == pytest.approx(1e-5 * b2, rel=1e-4)  # the first step goes along the mean of y·x
    assert early.M[0, 0] == pytest.approx(1e-10 * (b2 + BASE.aspect_target), rel=1e-4)


@pytest.mark.parametrize(("n", "gamma"), [(300, 0.0), (150, 0.2)])
def test_gradient_descent_on_drawn_data(n, gamma):
    factor, trials, step, alpha = 2, 16, 0.005, np.array([0.0, 0.8, 2.0])
    problem = dataclasses.replace(
        BASE, n_source=700 * factor, n_target=n * factor, dim=200 * factor, gamma_target=gamma
    )
    p, N, n = problem.dim, problem.n_source, problem.n_target
    mu, mu_beta = np.zeros(p), np.zeros(p)
    mu[0] = problem.mu
    mu_beta[:2] = problem.beta * problem.mu, np.sqrt(1 - problem.beta**2) * problem.mu_orth
    times = {100: 0.5, 400: 2.0, 1600: 8.0}
    found = []
    for seed in range(trials):
        rng = np.random.default_rng([seed, 7])
        Z = rng.standard_normal((N, p)) + mu
        source = np.linalg.solve(Z.T @ Z / N + problem.gamma_source * np.eye(p), Z.mean(0))
        X = rng.standard_normal((n, p)) + mu_beta
        S, b = X.T @ X / n, X.mean(0)
        anchor = source[:, None] * alpha
        w, kept = anchor.copy(), []
        for k in range(1, 1601):
            w += step * (b[:, None] - S @ w - gamma * (w - anchor))
            if k in times:
                kept.append((mu_beta @ w, np.sum(w * w, 0)))
        found.append(kept)
    found = np.array(found)  # trials, times, (mean, variance), alpha
    expected = stopped_form(problem, np.array(list(times.values()))[:, None]).moments(alpha)
    z = (found.mean(0) - np.stack([expected.mean, expected.variance], 1)) / (found.std(0, ddof=1) / np.sqrt(trials))
    assert np.abs(z).max() < 4, z


def coloured(n=300, gamma=0.2, turned=False, factor=1):
    """A source of another covariance, with the same eigenvectors or not."""
    p, rng = 200 * factor, np.random.default_rng(1)
    mu, nu = rng.standard_normal((2, p)) * 1.3 / np.sqrt(p)
    lam = np.geomspace(0.2, 4, p)
    source = Population.two_classes(mu + nu, -mu - nu, covariance=lam[::-1])
    O = np.linalg.qr(rng.standard_normal((p, p)))[0] if turned else np.eye(p)
    target = Population.two_classes(nu, -nu, covariance=(O * lam) @ O.T if turned else lam)
    return Fit(target, n=n * factor, gamma=gamma, starts=[Fit(source, n=500 * factor, gamma=0.5)])


def test_both_ways_agree_where_both_apply():
    for t in (0.0, 0.5, 8.0, 100.0):
        one, other = stopped_form(BASE, t), stopped_form(BASE.fit, t)
        np.testing.assert_allclose(other.c, one.c, atol=1e-11)
        np.testing.assert_allclose(other.M, one.M, atol=1e-11)


@pytest.mark.parametrize(("n", "turned"), [(300, False), (120, True)])
def test_late_with_a_covariance_it_is_ridge_regression(n, turned):
    fit = coloured(n, turned=turned)
    late, ridge = stopped_form(fit, 300.0).moments(ALPHA), predict(fit, ALPHA)
    for name in ("mean", "variance", "accuracy"):
        np.testing.assert_allclose(getattr(late, name), getattr(ridge, name), rtol=1e-9)
    w = np.random.default_rng(2).standard_normal(200) / 14
    given = dataclasses.replace(fit, starts=[w])
    np.testing.assert_allclose(stopped_form(given, 300.0).moments(ALPHA).risk, predict(given, ALPHA).risk, rtol=1e-9)


@pytest.mark.parametrize(("n", "gamma"), [(300, 0.0), (120, 0.1)])
def test_the_flow_on_drawn_data_with_a_covariance(n, gamma):
    """Exactly: by the eigenvectors of each drawn S."""
    fit, trials, times = coloured(n, gamma, factor=2), 24, np.array([0.3, 2.0, 15.0])
    source, p = fit.starts[0], fit.dim
    lam = np.asarray(fit.population.covariances[0].eigenvalues)
    found = []
    for seed in range(trials):
        rng = np.random.default_rng([seed, 8])
        Z = rng.standard_normal((source.n, p)) * np.sqrt(lam[::-1]) + source.population.means[0]
        start = np.linalg.solve(Z.T @ Z / source.n + source.gamma * np.eye(p), Z.mean(0))
        X = rng.standard_normal((fit.n, p)) * np.sqrt(lam) + fit.population.means[0]
        x, U = np.linalg.eigh(X.T @ X / fit.n)
        kept = []
        for t in times:
            g = np.where(x + gamma > 1e-12, -np.expm1(-t * (x + gamma)) / np.maximum(x + gamma, 1e-12), t)
            w = U @ (ALPHA * ((1 - x * g) * (U.T @ start))[:, None] + (g * (U.T @ X.mean(0)))[:, None])
            kept.append((fit.population.means[0] @ w, lam @ w**2))
        found.append(kept)
    found = np.array(found)
    expected = stopped_form(fit, times[:, None]).moments(ALPHA)
    z = (found.mean(0) - np.stack([expected.mean, expected.variance], 1)) / (found.std(0, ddof=1) / np.sqrt(trials))
    assert np.abs(z).max() < 4, z


def test_stopping_can_stand_in_for_the_penalty():
    """Without a penalty just above n = p least squares is useless; stopped in time it is not."""
    problem = dataclasses.replace(BASE, n_target=210, gamma_target=0.0)
    path = stopped_form(problem, np.geomspace(0.1, 1e4, 40)).moments(0.8).accuracy
    assert path.max() > predict(problem, 0.8).accuracy + 0.05
    assert 0 < path.argmax() < 39


def test_bad_input():
    with pytest.raises(ValueError, match=r"t must lie in \[0, .*got -1"):
        stopped_form(BASE, -1.0)
    with pytest.raises(TypeError, match="problem must be a TransferProblem or a Fit, got int"):
        stopped_form(3, 1.0)
    with pytest.raises(ValueError, match="one start and no intercept"):
        stopped_form(dataclasses.replace(BASE.fit, intercept=True), 1.0)
    flipped = Population.two_classes(np.ones(20), -np.ones(20), flips=[0.1, 0.1])
    with pytest.raises(ValueError, match="without flips, one start"):
        stopped_form(Fit(flipped, n=30, gamma=1.0, starts=[np.ones(20)]), 1.0)
    matrix = np.eye(20) + 0.3 * np.diag(np.ones(19), 1) + 0.3 * np.diag(np.ones(19), -1)
    group = Group(np.ones(20), np.arange(20) < 5)
    fit = Fit(Population.two_classes(np.ones(20), -np.ones(20), covariance=matrix), n=30, gamma=1.0, starts=[group])
    with pytest.raises(ValueError, match="problem must start from all coordinates"):
        stopped_form(fit, 1.0)
    slow = dataclasses.replace(BASE.fit, gamma=1e-7, n=BASE.dim)
    with pytest.raises(ValueError, match="t must be smaller for a Fit, got 3.6e"):
        stopped_form(slow, 1e9)
    with pytest.raises(ValueError, match="t must be smaller where the sample's largest eigenvalue is"):
        stopped_form(dataclasses.replace(BASE, mu=1e6), 1.0)
    with pytest.raises(ValueError, match="problem must be scalar with squared losses"):
        stopped_form(dataclasses.replace(BASE, beta=np.array([0.1, 0.2])), 1.0)


@pytest.mark.parametrize("change", [{"gamma_target": 0}, {"gamma_target": 0.1}, {"dim": 10**6}])
def test_what_has_settled_is_ridge_regression_at_any_time(change):
    problem = TransferProblem(
        **{
            **dict(
                n_source=5000, n_target=40, dim=1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1
            ),
            **change,
        }
    )
    ridge = predict(problem, 2.0)
    for t in (1e3, 1e10):
        found = stopped_form(problem, t).moments(2.0)
        assert (found.mean, found.variance) == (pytest.approx(ridge.mean), pytest.approx(ridge.variance))
    assert stopped_form(BASE.fit, 1e9).moments(2.0).mean == pytest.approx(predict(BASE.fit, 2.0).mean)


def test_nothing_trained_and_nothing_started_from_is_a_coin():
    problem = TransferProblem(500, 200, 400, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=0.3)
    found = stopped_form(problem, [0.0, 1.0]).moments(0.0)
    assert found.accuracy[0] == 0.5 and found.risk[0] == 1 and found.accuracy[1] > 0.6
