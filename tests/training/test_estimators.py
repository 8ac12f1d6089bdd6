"""The estimators against the problems that they are said to solve."""

import jax
import numpy as np
import pytest
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from rmt_alpha import Loss
from rmt_alpha.problem import as_loss
from rmt_alpha.training import convex_path, leading, ridge_from_gram, ridge_path, truncate

SIZES = [(12, 30), (30, 12), (12, 12), (13, 12)]


def data(n, p, q=1, J=2, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, p)) + 0.5, rng.standard_normal((n, q)) + 1.0
    return X, Y, rng.standard_normal((p, J))


@pytest.mark.parametrize(("n", "p"), SIZES)
@pytest.mark.parametrize("intercept", [False, True])
def test_ridge_solves_its_normal_equations(n, p, intercept):
    X, Y, anchors = data(n, p, q=2, J=4)  # two starts, each with a column for either output
    gamma, alpha = 0.3, np.array([1.5, -0.5])
    W = ridge_path(X, Y, gamma, anchors, intercept=intercept)
    assert W.shape == (p + intercept, 6)
    for output in range(2):
        w = W[:, output] + sum(alpha[s] * W[:, 2 + 2 * s + output] for s in range(2))
        start = sum(alpha[s] * anchors[:, 2 * s + output] for s in range(2))
        residual = Y[:, output] - X @ w[:p] - (w[p] if intercept else 0.0)
        np.testing.assert_allclose(X.T @ residual / n, gamma * (w[:p] - start), atol=1e-12)
        if intercept:
            assert abs(residual.mean()) < 1e-12


@pytest.mark.parametrize(("n", "p"), [(12, 30), (30, 12), (12, 12)])
def test_ridgeless_with_intercept_interpolates_or_is_least_squares(n, p):
    X, Y, _ = data(n, p)
    W = ridge_path(X, Y, 0.0, intercept=True)
    expected = np.linalg.lstsq(X - X.mean(0), Y - Y.mean(0))[0]
    np.testing.assert_allclose(W[:p], expected, atol=1e-9)
    np.testing.assert_allclose(W[p], Y.mean(0) - X.mean(0) @ expected, atol=1e-9)


@pytest.mark.parametrize(("n", "p"), [(12, 30), (30, 12)])
@pytest.mark.parametrize("intercept", [False, True])
def test_ridgeless_on_singular_data_is_the_shortest(n, p, intercept):
    """Six dimensions among p, and the last two samples alike."""
    X, Y, anchors = data(n, p, J=1)
    X = X[:, :6] @ np.random.default_rng(1).standard_normal((6, p))
    X[-1], Y[-1] = X[-2], Y[-2]
    W = ridge_path(X, Y, 0.0, anchors, intercept=intercept)
    inverse, residual = np.linalg.pinv(X - intercept * X.mean(0), rtol=1e-10), Y - X @ anchors
    np.testing.assert_allclose(
        W[:p].sum(1), (anchors + inverse @ (residual - intercept * residual.mean()))[:, 0], atol=1e-9
    )


def test_gram_and_jax_give_the_same():
    X, Y, anchors = data(30, 12)
    W = ridge_path(X, Y, 0.3, anchors)
    np.testing.assert_allclose(ridge_from_gram(X.T @ X, X.T @ Y, 9.0, anchors), W, atol=1e-12)
    with jax.enable_x64(True):
        for intercept in (False, True):
            expected = ridge_path(X, Y, 0.3, anchors, intercept=intercept)
            np.testing.assert_allclose(
                ridge_path(*map(jax.numpy.asarray, (X, Y)), 0.3, anchors, intercept=intercept), expected, atol=1e-10
            )


@pytest.mark.parametrize("rank", [1, 2])
def test_the_low_rank_correction_beats_every_other(rank):
    n, p, q, gamma = 25, 8, 3, 0.2
    X, Y, anchors = data(n, p, q, q)
    W = ridge_path(X, Y, gamma, anchors)
    full = W[:, :q] + W[:, q:] - anchors
    A = truncate(full, X.T @ (Y - X @ anchors) / n, rank)
    assert np.linalg.matrix_rank(A, tol=1e-9) == rank

    def objective(A):
        return np.sum((Y - X @ (anchors + A)) ** 2) / n + gamma * np.sum(A**2)

    def factored(parts):
        return objective(parts[: p * rank].reshape(p, rank) @ parts[p * rank :].reshape(rank, q))

    rng = np.random.default_rng(1)
    found = [optimize.minimize(factored, rng.standard_normal((p + q) * rank)).fun for _ in range(6)]
    assert objective(A) == pytest.approx(min(found), rel=1e-8)
    assert objective(full) < objective(A)


def test_leading_projector():
    G = np.diag([3.0, 1.0, 2.0])
    np.testing.assert_allclose(leading(G, 2), np.diag([1.0, 0.0, 1.0]), atol=1e-15)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "huber"])
@pytest.mark.parametrize(("n", "p"), [(20, 30), (40, 10)])
@pytest.mark.parametrize("intercept", [False, True])
def test_convex_solves_its_normal_equations(loss, n, p, intercept):
    X, _, anchors = data(n, p)
    y = np.where(np.arange(n) % 3 == 0, 1.0, -1.0)
    alphas, gamma = np.array([[0.0, 0.0], [1.0, -2.0]]), 0.1
    W = convex_path(X, y, gamma, loss, anchors, alphas, intercept=intercept)
    for k, alpha in enumerate(alphas):
        margins = y * (X @ W[:p, k] + (W[p, k] if intercept else 0.0))
        slope = as_loss("loss", loss).slope(margins) * y / n
        np.testing.assert_allclose(X.T @ slope + gamma * (W[:p, k] - anchors @ alpha), 0, atol=1e-9)
        if intercept:
            assert abs(slope.sum()) < 1e-9


def test_straight_parts_and_little_penalty_take_many_steps():
    rng, loss, gamma = np.random.default_rng(0), as_loss("loss", "huber"), 2e-5
    y = rng.choice([-1.0, 1.0], 900)
    X = y[:, None] * np.r_[0.36, 7.36, np.zeros(98)] + rng.standard_normal((900, 100))
    w = np.r_[0.3, np.zeros(99)] + 0.03 * rng.standard_normal(100)
    found = convex_path(X, y, gamma, loss, w, np.array([10.0]))[:, 0]
    pull = X.T @ (y * loss.slope(y * (X @ found))) / 900
    np.testing.assert_allclose(pull, -gamma * (found - 10 * w), atol=1e-9)


def test_logistic_with_intercept_is_that_of_scikit_learn():
    X, _, _ = data(50, 6)
    y = np.where(np.random.default_rng(2).random(50) < 0.3, 1.0, -1.0)
    W = convex_path(X, y, 0.2, "logistic", None, np.zeros((1, 0)), intercept=True)[:, 0]
    theirs = LogisticRegression(C=1 / (50 * 0.2), tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(W, [*theirs.coef_[0], theirs.intercept_[0]], atol=1e-5)


def test_bad_input_is_named():
    X, Y, anchors = data(10, 5)
    with pytest.raises(ValueError, match="gamma"):
        ridge_path(X, Y, -1.0)
    with pytest.raises(ValueError, match="y must have one entry"):
        ridge_path(X, Y[:9], 1.0)
    with pytest.raises(ValueError, match="anchors"):
        ridge_path(X, Y, 1.0, anchors[:4])
    with pytest.raises(ValueError, match="labels −1 or \\+1"):
        convex_path(X, np.arange(10) % 2 * 1.0, 1.0, "logistic", None, np.zeros((1, 0)))
    with pytest.raises(ValueError, match="alphas"):
        convex_path(X, np.ones(10), 1.0, "logistic", anchors, np.zeros(3))


class Jumping(Loss):
    """A hinge at 1, and c times one at 0 and a logistic loss."""

    name, kinks = "jumping", (0.0, 1.0)

    def __init__(self, c):
        self.c = c

    def value(self, t):
        return np.maximum(1 - t, 0) + self.c * (np.maximum(-t, 0) + np.logaddexp(0, -t))

    def slope(self, t):
        return -1.0 * (t < 1) - self.c * ((t < 0) + special.expit(-t))

    def curvature(self, t):
        return self.c * special.expit(t) * special.expit(-t)


@pytest.mark.parametrize(("n", "p"), [(20, 10), (40, 30), (150, 300)])
@pytest.mark.parametrize("gamma", [1.0, 1e-3])
def test_a_hinge_is_the_support_vector_machine(n, p, gamma):
    rng = np.random.default_rng(0)
    y = np.repeat([-1.0, 1.0], n // 2)
    X = rng.standard_normal((n, p)) + 0.2 * y[:, None]
    machine = SVC(kernel="linear", C=1 / (n * gamma), tol=1e-8).fit(X, y)
    found = convex_path(X, y, gamma, Jumping(0.0), None, np.zeros((1, 0)), intercept=True)[:, 0]
    np.testing.assert_allclose(found, [*machine.coef_[0], *machine.intercept_], atol=3e-5)


@pytest.mark.parametrize("c", [0.0, 0.7])
def test_a_loss_whose_slope_jumps_is_least_where_its_subgradient_holds_zero(c):
    """Optimality, sample by sample: of slopes that make the weights some lie between both sides' at a kink."""
    rng, n, p, gamma, alpha = np.random.default_rng(0), 40, 60, 2.0, 0.5
    y = np.repeat([-1.0, 1.0], n // 2)
    X, start = rng.standard_normal((n, p)) + 0.2 * y[:, None], rng.standard_normal(p)
    loss = Jumping(c)
    w = convex_path(X, y, gamma, loss, start, np.array([alpha]))[:, 0]
    slopes = -n * gamma * np.linalg.lstsq((y[:, None] * X).T, w - alpha * start)[0]
    np.testing.assert_allclose(X.T @ (y * slopes) / n + gamma * (w - alpha * start), 0, atol=1e-10)
    t = y * (X @ w)
    assert np.any(np.abs(t - 1) < 1e-9) and np.any(t < 0.9)
    assert np.all(slopes >= loss.slope(t - 1e-8) - 1e-7) and np.all(slopes <= loss.slope(t + 1e-8) + 1e-7)
