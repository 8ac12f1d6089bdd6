"""learning_curve: what N rows say of n, against the exact law of their population."""

import re

import numpy as np
import pytest
from scipy import sparse
from scipy.special import ndtr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rmt_alpha import Fit, Population, predict
from rmt_alpha.estimate import AlphaRidgeClassifier, learning_curve
from rmt_alpha.estimate.more_rows import theory_accuracy


class Problem:
    """Two Gaussian classes with one covariance, far from a multiple of the identity, in no special basis; a source."""

    def __init__(self, dim, share):
        rng = np.random.default_rng(dim)
        eigenvalues = np.exp(rng.normal(0, 1.0, dim))
        basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        self.root = basis * np.sqrt(eigenvalues / eigenvalues.mean())
        self.mu, other = rng.standard_normal((2, dim)) / np.sqrt(dim)
        self.mu *= 1.3
        self.w, self.share = self.mu + 0.8 * other, share

    def rows(self, n, seed):
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.where(np.arange(n) < self.share * n, 1.0, -1.0))
        return y[:, None] * self.mu + rng.standard_normal((n, len(self.mu))) @ self.root.T, y

    def accuracy(self, n, alpha, gamma):
        """Balanced, by theory with the true population."""
        means, priors = np.stack([self.mu, -self.mu]), [self.share, 1 - self.share]
        population = Population.mixture(
            means, [0, 1], [[1.0], [-1.0]], priors=priors, covariance=self.root @ self.root.T
        )
        law = predict(Fit(population, n=n, gamma=gamma, starts=[self.w], intercept=True), alpha)
        mean, deviation = law.mean[:, 0], np.sqrt(law.variance[:, 0, 0])
        return ndtr((mean[0] - mean[1]) / 2 / deviation).mean()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize(("dim", "share"), [(100, 0.5), (300, 0.5), (300, 0.3)])
def test_fewer_and_more_rows_of_a_gaussian_population(dim, share, alpha):
    """200 rows at hand, p/N of 1/2 and 3/2, covariance unknown; the means' plug-in was up to 10 points off here."""
    problem, gamma, sizes = Problem(dim, share), 1.0, [60, 200, 400, 1000]
    found = np.array(
        [learning_curve(*problem.rows(200, [dim, seed]), problem.w, sizes, alpha, gamma)[1] for seed in range(60)]
    )
    truth = np.array([problem.accuracy(n, alpha, gamma) for n in sizes])
    miss = found.mean(axis=0) - truth
    z = miss / (found.std(axis=0, ddof=1) / np.sqrt(len(found)))
    assert abs(z).max() < 3.5, z
    gain = found - found[:, [1]]
    z = (gain.mean(axis=0) - truth + truth[1])[[0, 2, 3]] / (gain.std(axis=0, ddof=1)[[0, 2, 3]] / np.sqrt(len(gain)))
    assert abs(z).max() < 4, z
    assert abs(miss).max() < 0.012


def test_many_rows_at_hand_are_the_limit():
    """One sample of N = 100 p: nothing is left to chance, and as few rows as features are forecast from far."""
    problem = Problem(40, 0.5)
    alphas = np.linspace(-1, 5, 61)
    alpha, accuracy = learning_curve(*problem.rows(8000, 0), problem.w, [40, 200], alphas, gamma=0.5)
    for n, a, value in zip([40, 200], alpha, accuracy, strict=True):
        curve = [problem.accuracy(n, b, 0.5) for b in alphas]
        assert value == pytest.approx(max(curve), abs=0.012) and curve[list(alphas).index(a)] > max(curve) - 1e-3
        theory = theory_accuracy(*problem.rows(8000, 0), problem.w, n, 0.5, alphas)
        np.testing.assert_allclose(theory, curve, atol=0.01)
    assert alpha[0] > alpha[1]  # the fewer rows, the more the source is worth


def test_few_rows_do_not_promise_certainty():
    """What 40 rows in 1000 dimensions show of the variance is mostly noise; without its least value forecasts jump to 0 and 1."""
    problem = Problem(1000, 0.5)
    found = [learning_curve(*problem.rows(40, seed), problem.w, [400], 0.0, gamma=30.0)[1][0] for seed in range(30)]
    assert 0.1 < min(found) and max(found) < 0.99


def test_the_rows_themselves_are_forecast_as_they_were_left_out():
    problem = Problem(80, 0.5)
    X, y = problem.rows(60, 1)
    _, accuracy = learning_curve(X, y, problem.w, 60, 0.7, gamma=2.0)
    right = []
    for i in range(60):
        rest = np.arange(60) != i
        model = AlphaRidgeClassifier(problem.w, alpha=0.7, gamma=2.0 * 60 / 59, threshold="balanced").fit(
            X[rest], y[rest]
        )
        right.append(model.predict(X[[i]])[0] == y[i])
    right = np.array(right)
    assert accuracy[0] == pytest.approx(
        np.mean([right[y > 0].mean(), right[y < 0].mean()]), abs=1.5 / 60
    )  # the cut's own noise


def test_what_these_rows_cannot_know_is_refused_and_the_limit_named():
    problem = Problem(300, 0.5)
    X, y = problem.rows(100, 0)
    with pytest.raises(
        ValueError, match=r"sizes must be at most \d+ with 100 distinct rows at hand and gamma = 0.05, got 1000:"
    ) as told:
        learning_curve(X, y, problem.w, [100, 1000], 1.0, gamma=0.05)
    most = int(re.search(r"at most (\d+)", str(told.value))[1])
    assert most > 100
    learning_curve(X, y, problem.w, most, 1.0, gamma=0.05)
    with pytest.raises(ValueError, match=f"got {most + 1}:"):
        learning_curve(X, y, problem.w, most + 1, 1.0, gamma=0.05)
    # At no penalty the λ of the Gram matrix are all there is: κ = 1/mean(1/λ), and n at the limit has γ = κ(1 − (N − 1)/(n − 1)).
    Z = X - X.mean(axis=0)
    s2 = np.linalg.eigvalsh(Z @ Z.T / 100)[1:]
    assert most == int(99 / (1 - 0.05 * np.mean(1 / s2))) + 1


def test_it_does_not_matter_how_the_same_problem_is_given():
    problem = Problem(30, 0.5)
    X, y = problem.rows(50, 3)
    ask = dict(sizes=[30, 50, 200], alpha=np.linspace(-1, 3, 9), gamma=0.7)
    alpha, accuracy = learning_curve(X, y, problem.w, **ask)

    def same(X, y, w, scale=1.0, **change):
        found = learning_curve(X, y, w, **(ask | change))
        np.testing.assert_allclose(found[0], alpha * scale)
        np.testing.assert_allclose(found[1], accuracy, atol=1e-12)

    same(sparse.csr_array(X), y, problem.w)
    same(X, np.where(y > 0, "yes", "no"), problem.w)
    same(X[::-1], y[::-1], problem.w)
    same(5 * X, y, problem.w / 5, gamma=0.7 * 25)
    same(X, y, problem.w / 2, scale=2, alpha=2 * ask["alpha"])
    same(X + 7, y, problem.w)
    same(-X, y, -problem.w)
    with pytest.warns(UserWarning, match="column-vector y"):
        same(X, y[:, None], problem.w)
    fitted = LogisticRegression().fit(X, y)
    plain = learning_curve(X, y, fitted.coef_[0], **ask)
    np.testing.assert_array_equal(learning_curve(X, y, fitted, **ask), plain)
    pipe = make_pipeline(StandardScaler().fit(X * 2), fitted)
    scaled = X / 2 / X.std(axis=0)
    np.testing.assert_allclose(
        learning_curve(X, y, pipe, **ask), learning_curve(scaled, y, fitted.coef_[0], **ask), atol=1e-12
    )


def test_equal_rows_are_one_row_of_more_weight():
    """Were a twin left in, its label would be known: chance labels must look like chance."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 60)), np.arange(40) % 2
    _, accuracy = learning_curve(np.vstack([X, X]), np.r_[y, y], rng.standard_normal(60), [80, 200], 0.0, gamma=1.0)
    assert (abs(accuracy - 0.5) < 0.25).all()


def test_alpha_and_gamma_are_chosen_where_none_are_given():
    problem = Problem(60, 0.5)
    X, y = problem.rows(80, 5)
    model = AlphaRidgeClassifier(problem.w).fit(X, y)
    alpha, accuracy = learning_curve(X, y, problem.w, [80, 300])
    assert (abs(alpha - model.alpha_) < 0.1).all()
    given = learning_curve(X, y, problem.w, [80, 300], alpha, model.gamma_)
    np.testing.assert_array_equal(given, [alpha, accuracy])


def test_a_learning_curve_asks_for_what_it_needs():
    X, y = Problem(6, 0.5).rows(200, 0)
    with pytest.raises(ValueError, match="source must be one source, got 0"):
        learning_curve(X, y, None, [10])
    with pytest.raises(ValueError, match="y must hold two classes, got 3"):
        learning_curve(X, np.arange(200) % 3, np.ones((3, 6)), [10])
    with pytest.raises(ValueError, match="sizes must"):
        learning_curve(X, y, np.ones(6), [1])
    with pytest.raises(TypeError, match="alpha must be a real number or an array of them, got 'x'"):
        learning_curve(X, y, np.ones(6), [10], alpha="x")


def test_few_rows_more_than_features_and_hardly_a_penalty():
    """Where n − 1 = p the share of the variance that is noise is nearly all; measured, it may be more, and promised certainty."""
    rng, mu, sizes = np.random.default_rng(1), np.eye(1, 40)[0], [38, 40, 41, 42, 45]
    y = np.repeat([-1, 1], 40)
    X = y[:, None] * mu + rng.standard_normal((80, 40))
    _, accuracy = learning_curve(X, y, mu, sizes, alpha=[0.0], gamma=1e-4)
    fits = (Fit(Population.two_classes(mu, -mu), n=n, gamma=1e-4, intercept=True) for n in sizes)
    np.testing.assert_allclose(accuracy, [predict(fit).accuracy for fit in fits], atol=0.1)


@pytest.mark.parametrize("name", ["sizes", "alpha"])
def test_lists_of_lists_are_named(name):
    X, y = np.random.default_rng(0).standard_normal((20, 3)), np.repeat([-1, 1], 10)
    with pytest.raises(ValueError, match=rf"{name} must be a vector, got shape \(1, 2\). Give a list of numbers."):
        learning_curve(X, y, np.ones(3), **{"sizes": [20], name: [[20, 30]]})
