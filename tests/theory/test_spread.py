"""The spread over draws: against the exact sampler at every dimension, against dense data, and by finite differences."""

import numpy as np
import pytest
from scipy import integrate

from rmt_alpha import TransferProblem, compare, draw, predict, simulate
from rmt_alpha.theory.optimum import optimum
from rmt_alpha.theory.predict import score_form
from rmt_alpha.theory.spread import _anchor_derivatives, inverse_moments, spread_form

ALPHA = np.array([-3.0, -1.0, 0.0, 0.5, 1.0, 3.0])
LARGEST_Z = 4.0  # of a few dozen, at fixed seeds
# p/N, p/n, μ, μ⊥, β, γ̃, γ
REGIMES = (
    (0.5, 0.25, 1.2, 1.0, 0.8, 0.5, 0.5),
    (2.0, 1.5, 1.0, 1.0, 0.5, 0.3, 0.1),
    (0.6, 0.5, 1.5, 0.7, 0.9, 0.01, 1e-3),
    (1.5, 3.0, 1.2, 0.8, -0.6, 0.05, 1e-3),
    (0.4, 5.0, 2.0, 0.5, 0.9, 0.1, 0.1),
    (1.0, 1.0, 0.8, 0.8, 0.5, 5.0, 2.0),
)


def make(regime, dim):
    eta_source, eta, mu, mu_orth, beta, gamma_source, gamma = regime
    return TransferProblem(int(dim / eta_source), int(dim / eta), dim, mu, mu_orth, beta, gamma_source, gamma)


@pytest.mark.parametrize("regime", REGIMES)
def test_agrees_with_the_chain(regime):
    problem = make(regime, 20_000)
    theory, sim = predict(problem, ALPHA, spread=True), simulate(problem, ALPHA, n_trials=2048)
    assert compare(theory, sim, spread=True).max_abs < LARGEST_Z


@pytest.mark.parametrize("dim", [1000, 10_000, 100_000, 1_000_000])
def test_agrees_at_every_dimension(dim):
    problem = make(REGIMES[1], dim)
    theory, sim = predict(problem, ALPHA, spread=True), simulate(problem, ALPHA, n_trials=2048, seed=1)
    assert compare(theory, sim, spread=True).max_abs < LARGEST_Z


def whitened(problem, drawn):
    """z of the covariance of (c₀, c₁, M₀₀, M₀₁, M₁₁), whitened by the formula: all its entries count alike."""
    five = np.stack([*drawn.c, drawn.M[0, 0], drawn.M[0, 1], drawn.M[1, 1]])
    white = np.linalg.solve(np.linalg.cholesky(spread_form(problem).cov), five - five.mean(axis=1, keepdims=True))
    trials = five.shape[1]
    return (white @ white.T / trials - np.eye(5)) * np.sqrt(trials) / (1 + np.eye(5)) ** 0.5


@pytest.mark.parametrize("regime", REGIMES[1:3])
def test_every_covariance_agrees(regime):
    problem = make(regime, 50_000)
    assert np.abs(whitened(problem, draw(problem, n_trials=16_384))).max() < LARGEST_Z


@pytest.mark.parametrize("noise", ["gaussian", "rademacher"])
def test_agrees_with_dense_data_and_generic_means(noise):
    """The means must not sit on a few coordinates: there the noise's fourth cumulant counts."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((200, 2)))[0].T
    means = 1.2 * basis[0], 0.7 * 1.2 * basis[0] + 0.5**0.5 * 0.9 * basis[1]
    problem = TransferProblem.from_means(*means, n_source=300, n_target=150, gamma_source=0.3, gamma_target=0.1)
    assert np.abs(whitened(problem, draw(problem, n_trials=600, method="dense", noise=noise))).max() < LARGEST_Z


def test_agrees_given_the_source():
    rng = np.random.default_rng(1)
    w, mean = rng.standard_normal((2, 300)) / 300**0.5
    problem = TransferProblem.from_source(w, mean, n_target=200, gamma_target=0.1)
    theory, sim = predict(problem, ALPHA, spread=True), simulate(problem, ALPHA, n_trials=2048)
    assert compare(theory, sim, spread=True).max_abs < LARGEST_Z


def test_usable_at_forty_samples():
    problem = TransferProblem(5000, 40, 1000, 0.8, 0.8, 0.8, 5, 0.1)
    sim = simulate(problem, ALPHA, n_trials=4096)
    np.testing.assert_allclose(predict(problem, ALPHA, spread=True).accuracy_sd, sim.accuracy_sd, rtol=0.05)


def test_limits_are_the_closed_form():
    for regime in REGIMES:
        form, closed = spread_form(make(regime, 1000)), score_form(make(regime, 1000))
        expected = [*closed.c, closed.M[0, 0], closed.M[0, 1], closed.M[1, 1]]
        np.testing.assert_allclose(form.limit, expected, rtol=1e-10)


def test_falls_like_one_over_the_root_of_the_dimension():
    small, large = (predict(make(REGIMES[0], p), ALPHA, spread=True) for p in (1000, 100_000))
    for name in ("mean_sd", "variance_sd", "accuracy_sd", "risk_sd"):
        np.testing.assert_allclose(getattr(small, name), 10 * getattr(large, name), rtol=1e-10)


def test_of_each_draws_own_best_alpha():
    problem = make(REGIMES[0], 20_000)
    drawn = optimum(draw(problem, n_trials=2048)).alpha
    assert spread_form(problem).best_alpha() == pytest.approx(drawn.std(ddof=1), rel=4 / np.sqrt(2 * 2048))


def test_invariances():
    """w̃ → 3w̃ with α → α/3; a rotation; the reflection of both tasks."""
    rng = np.random.default_rng(2)
    w, mean = rng.standard_normal((2, 50)) / 7
    O = np.linalg.qr(rng.standard_normal((50, 50)))[0]

    def accuracy(w, mean, alpha=ALPHA):
        fit = TransferProblem.from_source(w, mean, n_target=40, gamma_target=0.2)
        return predict(fit, alpha, spread=True).accuracy_sd

    np.testing.assert_allclose(accuracy(3 * w, mean, ALPHA / 3), accuracy(w, mean), rtol=1e-10)
    np.testing.assert_allclose(accuracy(O @ w, O @ mean), accuracy(w, mean), rtol=1e-10)
    np.testing.assert_allclose(accuracy(-w, -mean), accuracy(w, mean), rtol=1e-10)


def test_covariance_is_positive_and_risk_follows():
    for regime in REGIMES:
        form = spread_form(make(regime, 1000))
        assert np.linalg.eigvalsh(form.cov).min() > -1e-12 * np.linalg.eigvalsh(form.cov).max()
        at = form.deviations(1.0)
        assert at["risk_sd"] <= at["variance_sd"] + 2 * abs(1 - form.limit[:2].sum()) * at["mean_sd"] + 1e-15


@pytest.mark.parametrize("eta", [0.3, 1.0, 4.0])
def test_inverse_moments_by_quadrature(eta):
    """Against the Marchenko–Pastur density of the eigenvalues that are not 0."""
    gamma = 0.2
    low, high = (1 - eta**0.5) ** 2, (1 + eta**0.5) ** 2

    def integrand(angle, j):
        x = low + (high - low) * np.sin(angle) ** 2
        density = np.sqrt(np.maximum((high - x) * (x - low), 0)) / (2 * np.pi * min(eta, 1) * x)
        return density * (x + gamma) ** -j * 2 * (high - low) * np.sin(angle) * np.cos(angle)

    expected = [integrate.quad(integrand, 1e-12, np.pi / 2, args=(j,), epsabs=1e-12)[0] for j in range(5)]
    np.testing.assert_allclose(inverse_moments(eta, gamma), expected, rtol=1e-7)


def test_anchor_jacobian_by_differences():
    eta, gamma, b, s, q, step = 1.5, 0.1, 1.1, 0.3, 0.9, 1e-6

    def closed(s, q):
        # A fixed source of these products, in two dimensions' worth of coordinates.
        w, mean = np.zeros((2, 60))
        mean[0], w[0], w[1] = b, s / b, np.sqrt(q - s * s / b**2)
        f = score_form(TransferProblem.from_source(w, mean, n_target=40, gamma_target=gamma))
        return np.array([*f.c, f.M[0, 0], f.M[0, 1], f.M[1, 1]])

    numeric = np.stack(
        [
            (closed(s + step, q) - closed(s - step, q)) / (2 * step),
            (closed(s, q + step) - closed(s, q - step)) / (2 * step),
        ],
        axis=1,
    )
    np.testing.assert_allclose(_anchor_derivatives(eta, gamma, b, s, closed(s, q))[0], numeric, atol=1e-8)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (TransferProblem(50, [20, 30], 10, 1, 1, 0.5, 1, 1), "problem must be scalar"),
        (TransferProblem(50, 20, 10, 1, 1, 0.5, 1, 0), "gamma_target must be positive"),
        (TransferProblem(50, 20, 10, 1, 1, 0.5, 0, 1), "gamma_source must be positive"),
        (TransferProblem(50, 20, 10, 0, 1, 0.5, 1, 1), "mu must be positive"),
        (TransferProblem(50, 20, 10, 1, 0, 0, 1, 1), "norm of the target mean must be positive"),
        (
            TransferProblem.from_source(np.ones(4), np.ones(4), n_target=9, gamma_target=1, cov_target=[1, 1, 1, 2]),
            "identity covariances",
        ),
    ],
)
def test_bad_problems(problem, words):
    with pytest.raises(ValueError, match=words):
        predict(problem, 1.0, spread=True)


def test_bad_requests():
    problem = make(REGIMES[0], 1000)
    with pytest.raises(ValueError, match="alpha"):
        predict(problem, np.inf, spread=True)
    assert isinstance(predict(problem, 1.0, spread=True).accuracy_sd, float)
    with pytest.raises(ValueError, match="theory must come from predict"):
        compare(predict(problem, 1.0), simulate(problem, 1.0, n_trials=8), spread=True)
