"""One dense trial against the same done by hand on the same data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rmt_alpha.problem import Fit, Group, Loss, Population
from rmt_alpha.results import describe
from rmt_alpha.simulation import dense, draw, samples, simulate
from rmt_alpha.simulation.eigenvalues import draw_eigenvalues
from rmt_alpha.sweep import sweep
from rmt_alpha.training import ridge_path
from tests.sweep.sweep_executors import Inline

P = 20
rng = np.random.default_rng(0)
MEANS, OFFSET = rng.standard_normal((3, P)) / 2, np.linspace(0.5, 1.0, P)
START = rng.standard_normal((P, 3))


def plain(rng, shape):
    return rng.standard_normal(shape)


CONDITIONS = dense.Conditions(noise=plain)


class Quadratic(Loss):
    """The squared loss, but not known as such."""

    name = "quadratic"

    def value(self, t):
        return (1 - t) ** 2 / 2

    def slope(self, t):
        return t - 1

    def curvature(self, t):
        return np.ones_like(t)


def trained(fit, alphas):
    return dense.train(
        fit, np.random.default_rng(7), CONDITIONS, np.asarray(alphas, float), lambda v: np.asarray(v, float)
    )


def own_data(fit):
    blocks = samples.rows(
        np.random.default_rng(7), fit.population, fit.n, plain, "auto", fit.population.means, fit.population.weights
    )
    return [np.concatenate(part) for part in zip(*blocks, strict=True)]


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("n", [12, 50])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("kind", ["classes", "regression"])
def test_low_rank(rank, n, intercept, kind):
    population = Population.classes(MEANS + OFFSET) if kind == "classes" else Population.linear(START + 1, 0.5)
    fit = Fit(population, n=n, gamma=0.3, starts=[START], rank=rank, intercept=intercept, per="output")
    alpha = np.array([0.5, -1.0, 2.0])
    found = trained(fit, [alpha])
    X, Y, _ = own_data(fit)
    x_mean, y_mean = (X.mean(0), Y.mean(0)) if intercept else (np.zeros(P), np.zeros(3))
    Xc, Yc, a = X - x_mean, Y - y_mean, START * alpha
    S = Xc.T @ Xc / n + 0.3 * np.eye(P)
    full = np.linalg.solve(S, Xc.T @ (Yc - Xc @ a) / n)
    U = np.linalg.eigh(full.T @ S @ full)[1][:, -rank:]
    W = a + full @ U @ U.T
    np.testing.assert_allclose(found.weights[0], W, atol=1e-9)
    b = y_mean - x_mean @ W
    moments = dense._moments(found, "zero")
    if kind == "classes":
        expected = describe(population, population.means @ W + b, np.repeat((W.T @ W)[None], 3, 0))
        np.testing.assert_allclose(moments.accuracy[0], expected.accuracy, atol=1e-6)
    else:
        error = W - START - 1
        expected = describe(population, b[None], (error.T @ error)[None])
    np.testing.assert_allclose(moments.mean[..., 0], expected.mean, atol=1e-9)
    np.testing.assert_allclose(moments.variance[..., 0], expected.variance, atol=1e-9)
    np.testing.assert_allclose(moments.risk[0], expected.risk, atol=1e-9)


@pytest.mark.parametrize("n", [12, 50])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("unlike", [False, True])
def test_the_way_of_losses_is_that_of_ridge_where_they_meet(n, intercept, unlike):
    covariances = [np.linspace(1, 2, P), np.linspace(2, 1, P)] if unlike else None
    population = Population.two_classes(MEANS[0], MEANS[1] if unlike else -MEANS[0], covariances=covariances)
    alphas = np.array([[0.0, 0.0], [2.0, -1.0], [0.5, 0.5]])
    starts = [START[:, 0], Group(START[:, 1], np.arange(P) < 7)]
    fits = [
        Fit(population, n=n, gamma=0.3, starts=starts, intercept=intercept, loss=loss)
        for loss in ("squared", Quadratic())
    ]
    closed, newton = (dense.draw_moments(f, alphas, [np.random.default_rng(3)], CONDITIONS) for f in fits)
    form = dense.draw(fits[0], [np.random.default_rng(3)], CONDITIONS).moments(alphas[:, None])
    for quantity in ("mean", "variance", "accuracy", "risk"):
        np.testing.assert_allclose(getattr(newton, quantity), getattr(closed, quantity), atol=1e-8)
        np.testing.assert_allclose(getattr(form, quantity), getattr(closed, quantity), atol=1e-10)


def test_a_source_is_trained_at_its_own_scale_and_its_bias_is_left_behind():
    population = Population.classes(MEANS + OFFSET)
    source = Fit(population, n=15, gamma=0.3, starts=[START], alpha=1.5, intercept=True)
    fit = Fit(population, n=10, gamma=1e9, starts=[source])  # learns nothing
    X, Y, _ = own_data(source)
    W = ridge_path(X, Y, 0.3, START, intercept=True)[:P]
    np.testing.assert_allclose(trained(fit, [[2.0]]).weights[0], 2 * (W[:, :3] + 1.5 * W[:, 3:]), atol=1e-6)


def test_the_last_loss_alone_decides_whether_weights_are_affine():
    population = Population.two_classes(MEANS[0], -MEANS[0])
    source = Fit(population, n=15, gamma=0.3, loss="logistic")
    assert dense.is_affine(Fit(population, n=15, gamma=0.3, starts=[source]))
    assert not dense.is_affine(source)
    assert dense.is_affine(Fit(Population.classes(MEANS), n=15, gamma=0.3, rank=3))
    assert not dense.is_affine(Fit(Population.classes(MEANS), n=15, gamma=0.3, rank=2))


def of_arrays(x, kind):
    """A fit whose arrays are made by x; source and target have a covariance that needs its eigenvectors."""
    C = START @ START.T + np.diag(OFFSET)
    options = {"covariances": [x(C), x(np.diag(OFFSET))]} if kind == "per class" else {"covariance": x(C)}
    target = Population.classes(MEANS[:2], **options)
    source = Fit(Population.classes(MEANS[:2], covariance=x(2 * np.eye(P))), n=x(np.array(30)), gamma=x(np.array(0.5)))
    return Fit(target, n=15, gamma=0.3, starts=[source, x(START[:, :2])], rank=1 if kind == "rank" else None)


@pytest.mark.parametrize("kind", ["shared", "per class", "rank"])
def test_arrays_of_jax_are_simulated_as_those_of_numpy(kind, tmp_path):
    alpha = [0.5, 1.0]
    with jax.enable_x64(True):
        problem, same = of_arrays(jnp.asarray, kind), of_arrays(np.asarray, kind)
        for options in ({}, {"noise": "student", "test_points": "drawn"}):
            found, expected = (simulate(f, alpha, n_trials=4, **options) for f in (problem, same))
            np.testing.assert_allclose([found.accuracy, found.risk], [expected.accuracy, expected.risk], rtol=1e-10)
        if kind != "rank":
            np.testing.assert_allclose(*(draw(f, n_trials=2).M for f in (problem, same)), rtol=1e-9, atol=1e-12)
        if kind != "per class":
            np.testing.assert_allclose(*(draw_eigenvalues(f, n_trials=1) for f in (problem, same)), atol=1e-10)
        swept = sweep(problem, alpha, n_trials=4, store=tmp_path, executor=Inline())
        assert float(swept.sim_risk) == pytest.approx(simulate(same, alpha, n_trials=4).risk)
    assert isinstance(simulate(problem, alpha, n_trials=2).risk, float)
