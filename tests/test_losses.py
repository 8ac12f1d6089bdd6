"""Any convex loss: the fixed point against reference numbers, independent solutions, limits and simulation."""

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from rmt_alpha import (
    HuberHinge,
    Logistic,
    Loss,
    Squared,
    SquaredHinge,
    TransferProblem,
    compare,
    convex_path,
    optimal_alpha,
    predict,
    ridge_path,
    simulate,
)
from rmt_alpha.losses import LOSSES
from rmt_alpha.theory import losses as theory

OTHERS = ("logistic", "squared_hinge", "huber")
ALPHA = np.array([-2.0, 0.0, 1.0, 3.0])
QUANTITIES = ("mean", "variance", "accuracy", "risk")


class SmoothMargin(Loss):
    """ℓ(t) = √(1 + (1−t)²) + (1−t): a user's loss."""

    name = "smooth margin"

    def value(self, t):
        return np.hypot(1, 1 - t) + 1 - t

    def slope(self, t):
        return -(1 - t) / np.hypot(1, 1 - t) - 1

    def curvature(self, t):
        return np.hypot(1, 1 - t) ** -3


class Scaled(Loss):
    """c·ℓ"""

    def __init__(self, loss, factor):
        self.loss, self.factor, self.kinks = loss, factor, loss.kinks

    def value(self, t):
        return self.factor * self.loss.value(t)

    def slope(self, t):
        return self.factor * self.loss.slope(t)

    def curvature(self, t):
        return self.factor * self.loss.curvature(t)


class SlowSquared(Squared):
    """The squared loss, hidden from the closed form."""


def isotropic(p=120, **changes):
    numbers = dict(mu=1.2, mu_orth=1.0, beta=0.7, gamma_source=0.5, gamma_target=0.2)
    return TransferProblem(n_source=p * 3 // 2, n_target=p * 3 // 4, dim=p, **(numbers | changes))


def anisotropic(p=120, **changes):
    """Source and target covariances that do not commute."""
    rng = np.random.default_rng(1)
    C, C_source = (
        (U * spectrum) @ U.T
        for U, spectrum in zip(
            np.linalg.qr(rng.standard_normal((2, p, p)))[0],
            (np.linspace(0.3, 2, p), np.linspace(2.5, 0.2, p)),
            strict=True,
        )
    )
    first, second = rng.standard_normal((2, p)) / np.sqrt(p)
    numbers = dict(n_source=p * 3 // 2, n_target=p * 3 // 4, gamma_source=0.5, gamma_target=0.2)
    return TransferProblem.from_means(
        1.2 * first, 0.9 * first + 0.8 * second, cov_source=C_source, cov_target=C, **(numbers | changes)
    )


PROBLEMS = {"isotropic": isotropic, "anisotropic": anisotropic}


def test_theory_page_numbers():
    p = 400
    first, second = np.eye(p)[:2]
    problem = TransferProblem.from_means(
        1.2 * first,
        0.7 * 1.2 * first + np.sqrt(0.51) * second,
        n_source=800,
        n_target=600,
        gamma_source=0.5,
        gamma_target=0.05,
        cov_target=np.linspace(0.3, 2, p),
    )
    accuracy = predict(problem, ALPHA, loss="logistic").accuracy
    np.testing.assert_allclose(accuracy, [0.8680, 0.9071, 0.9169, 0.9205], atol=5.1e-5)


@pytest.mark.parametrize("make", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("n_target", [60, 400])
def test_squared_loss_gives_the_closed_form(make, n_target):
    problem = make(n_target=n_target) if make is anisotropic else isotropic(beta=-0.4, gamma_target=0.02)
    closed = predict(problem, ALPHA)
    for source_loss in (SlowSquared(), "squared"):
        for loss in (SlowSquared(), "squared"):
            found = predict(problem, ALPHA, loss=loss, source_loss=source_loss)
            for quantity in QUANTITIES:
                np.testing.assert_allclose(getattr(found, quantity), getattr(closed, quantity), rtol=1e-8)
    best, searched = optimal_alpha(problem), optimal_alpha(problem, loss=SlowSquared())
    for name in ("best", "worst", "min_risk", "accuracy", "risk"):
        assert getattr(searched, name) == pytest.approx(getattr(best, name), rel=1e-5, abs=1e-5)


def test_logistic_fixed_point_solved_independently():
    """Gauss–Hermite in ω, bisection for the proximal map, and a library's root finder."""
    p, n, gamma, alpha = 300.0, 200.0, 0.3, 0.7
    problem = TransferProblem.from_source(
        np.eye(300)[0] * 0.8 + np.eye(300)[1] * 0.5, 1.2 * np.eye(300)[0], n_target=200, gamma_target=gamma
    )
    x, weight = np.polynomial.hermite_e.hermegauss(120)
    weight /= weight.sum()

    def prox(omega, v):
        return optimize.brentq(lambda z: z - v * special.expit(-z) - omega, omega - 1, omega + v + 1, xtol=1e-14)

    def equations(state):
        m, V, v = state
        z = np.array([prox(m + np.sqrt(V) * xi, v) for xi in x])
        g, curvature = special.expit(-z), special.expit(z) * special.expit(-z)
        m_hat, q_hat, chi = weight @ g, weight @ g**2 / n, weight @ (curvature / (1 + v * curvature))
        mean = np.array([1.2 * m_hat + gamma * alpha * 0.8, gamma * alpha * 0.5]) / (chi + gamma)
        return [1.2 * mean[0] - m, mean @ mean + q_hat * p / (chi + gamma) ** 2 - V, p / n / (chi + gamma) - v]

    m, V, _ = optimize.root(equations, [1.0, 1.0, 2.0], tol=1e-13).x
    found = predict(problem, alpha, loss="logistic")
    assert (found.mean, found.variance) == (pytest.approx(m, rel=1e-8), pytest.approx(V, rel=1e-8))


@pytest.mark.parametrize("loss", [*OTHERS, SmoothMargin()], ids=str)
def test_strong_penalty_gives_the_averaging_classifier(loss):
    """γ → ∞ without a source: w ∝ Σ y x, whatever the loss (Mignacco et al., arXiv 2002.11544)."""
    problem = anisotropic(gamma_target=1e7)
    mu, C = problem.geometry.mean_target, problem.geometry.cov_target
    expected = special.ndtr(mu @ mu / np.sqrt(C.quadratic(mu, mu) + np.sum(C.eigenvalues**2) / problem.n_target))
    assert predict(problem, 0.0, loss=loss).accuracy == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", OTHERS)
def test_a_factor_on_loss_and_penalty_changes_nothing(loss):
    plain = predict(anisotropic(), ALPHA, loss=loss, source_loss=loss)
    scaled = Scaled(LOSSES[loss], 3.0)
    other = predict(anisotropic(gamma_source=1.5, gamma_target=0.6), ALPHA, loss=scaled, source_loss=scaled)
    np.testing.assert_allclose(other.mean, plain.mean, rtol=1e-8)
    np.testing.assert_allclose(other.variance, plain.variance, rtol=1e-8)


@pytest.mark.parametrize("loss", OTHERS)
def test_scale_and_sign_of_a_fixed_source(loss):
    w, mean = np.random.default_rng(0).standard_normal((2, 50)) / 7
    options = dict(n_target=40, gamma_target=0.3, cov_target=np.linspace(0.5, 2, 50))
    plain = predict(TransferProblem.from_source(w, mean, **options), ALPHA, loss=loss)
    for c in (-1.0, 3.0):
        other = predict(TransferProblem.from_source(c * w, mean, **options), ALPHA / c, loss=loss)
        np.testing.assert_allclose(other.accuracy, plain.accuracy, rtol=1e-9)


def test_identity_matrices_give_the_isotropic_form():
    problem, p = isotropic(), 120
    target = np.zeros(p)
    target[:2] = 0.7 * 1.2, np.sqrt(0.51)
    numbers = {k: getattr(problem, k) for k in ("n_source", "n_target", "gamma_source", "gamma_target")}
    tiny = np.ones(p)
    tiny[-1] += 1e-13  # not quite the identity: the general form is used
    vectors = TransferProblem.from_means(1.2 * np.eye(p)[0], target, cov_source=tiny, cov_target=tiny, **numbers)
    assert not vectors.is_isotropic
    one, two = (predict(x, ALPHA, loss="logistic", source_loss="huber") for x in (problem, vectors))
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-8)
    np.testing.assert_allclose(one.variance, two.variance, rtol=1e-8)


def test_wide_huber_is_the_squared_hinge():
    wide = predict(isotropic(), ALPHA, loss=HuberHinge(500))
    np.testing.assert_allclose(wide.accuracy, predict(isotropic(), ALPHA, loss="squared_hinge").accuracy, rtol=1e-9)


def test_arrays_broadcast_and_warm_starts_do_not_matter():
    beta = np.array([-0.5, 0.2, 0.9])[:, None]
    table = predict(isotropic(beta=beta), ALPHA, loss="logistic").accuracy
    assert table.shape == (3, 4)
    for i, j in np.ndindex(3, 4):
        single = predict(isotropic(beta=beta[i, 0]), ALPHA[j], loss="logistic").accuracy
        assert table[i, j] == pytest.approx(single, rel=1e-10)
    best = optimal_alpha(isotropic(beta=beta), loss="huber")
    assert best.best.shape == best.at_infinity.shape == (3, 1)
    assert simulate(isotropic(20, beta=beta), ALPHA, loss="logistic", n_trials=2).mean.shape == (3, 4)


@pytest.mark.parametrize("loss", [*LOSSES.values(), HuberHinge(0.3), SmoothMargin()], ids=str)
def test_proximal_map(loss):
    omega = np.concatenate([np.linspace(-8, 8, 81), [-1e4, 1e4]])
    for v in (1e-3, 0.5, 7.0, 1e4):
        z = loss.prox(omega, v)
        np.testing.assert_allclose(z + v * loss.slope(z), omega, atol=1e-11 * (1 + v))
        np.testing.assert_allclose(Loss.prox(loss, omega, v), z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("m, V, v", [(0.5, 1.0, 0.7), (-3.0, 40.0, 0.01), (2.0, 0.1, 30.0), (1.0, 1e6, 100.0)])
def test_expectations_across_kinks(m, V, v):
    s = np.sqrt(V)
    edge = (1 - m) / s  # ω = 1, where the squared hinge starts to pull
    Phi, phi = special.ndtr(edge), np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi)
    first = s * (edge * Phi + phi)  # E(1−ω)₊
    second = V * ((edge**2 + 1) * Phi + edge * phi)  # E(1−ω)₊²
    exact = np.array([first / (1 + v), second / (1 + v) ** 2, Phi / (1 + v)])
    np.testing.assert_allclose(theory.expectations(SquaredHinge(), [m], [V], [v])[:, 0], exact, rtol=1e-11)
    lower = (1 - 2 * (1 + v) - m) / s  # where huber's force is at its bound, 2
    linear = special.ndtr(lower)
    _, _, chi = theory.expectations(HuberHinge(2), [m], [V], [v])[:, 0]
    assert chi == pytest.approx((Phi - linear) / (1 + v), rel=1e-10)


@pytest.mark.parametrize("m, V, v", [(0.5, 1.0, 0.7), (-3.0, 40.0, 0.01), (2.0, 0.1, 300.0), (1.0, 1e4, 100.0)])
def test_expectations_of_the_logistic_loss(m, V, v):
    u = np.linspace(-9.5, 9.5, 200_001)
    z = Logistic().prox(m + np.sqrt(V) * u, v)
    density = np.exp(-u * u / 2) / np.sqrt(2 * np.pi)
    slope, curvature = Logistic().slope(z), Logistic().curvature(z)
    exact = [np.trapezoid(f * density, u) for f in (-slope, slope**2, curvature / (1 + v * curvature))]
    np.testing.assert_allclose(theory.expectations(Logistic(), [m], [V], [v])[:, 0], exact, rtol=1e-10)


@pytest.mark.parametrize("make", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("source_loss", ["squared", "logistic"])
@pytest.mark.parametrize("loss", ["squared", *OTHERS, SmoothMargin()], ids=str)
def test_theory_against_simulation(make, source_loss, loss):
    problem, losses = make(), dict(loss=loss, source_loss=source_loss)
    z = compare(predict(problem, ALPHA, **losses), simulate(problem, ALPHA, n_trials=60, method="dense", **losses))
    assert z.max_abs < 4


def test_fixed_source_against_simulation():
    rng = np.random.default_rng(3)
    w, mean = rng.standard_normal((2, 150)) / 12
    problem = TransferProblem.from_source(w, mean, n_target=100, gamma_target=0.1, cov_target=rng.uniform(0.3, 2, 150))
    z = compare(predict(problem, ALPHA, loss="logistic"), simulate(problem, ALPHA, n_trials=60, loss="logistic"))
    assert z.max_abs < 4


def test_finite_size_bias_shrinks_like_one_over_dimension():
    losses, bias, error = dict(loss="logistic", source_loss="logistic"), {}, {}
    for p, n_trials in ((16, 1500), (48, 1000)):
        simulated = simulate(isotropic(p), 0.0, n_trials=n_trials, **losses)
        bias[p] = p * (simulated.variance - predict(isotropic(p), 0.0, **losses).variance)
        error[p] = p * simulated.variance_se
    # p × bias is the same at both dimensions, and seen clearly at the smaller.
    assert abs(bias[48] - bias[16]) < 4 * np.hypot(error[48], error[16])
    assert abs(bias[16]) > 4 * error[16]


@pytest.mark.parametrize("loss", [*LOSSES.values(), SmoothMargin()], ids=str)
@pytest.mark.parametrize("n, p", [(60, 25), (25, 60)])
def test_newton_finds_the_stationary_point(loss, n, p):
    rng = np.random.default_rng(0)
    y = rng.choice([-1.0, 1.0], n)
    X, w = rng.standard_normal((n, p)) + 0.3 * y[:, None], rng.standard_normal(p)
    alphas = np.array([-30.0, 0.0, 1.0, 1000.0])
    W = convex_path(X, y, 0.03, loss, w, alphas)
    gradient = X.T @ (y[:, None] * loss.slope(y[:, None] * (X @ W))) / n + 0.03 * (W - alphas * w[:, None])
    scale = np.maximum(1, 0.03 * np.linalg.norm(W - alphas * w[:, None], axis=0))
    assert np.all(np.linalg.norm(gradient, axis=0) < 2e-10 * scale)
    if loss.name == "squared":
        base = ridge_path(X, y, 0.03, w[:, None])
        np.testing.assert_allclose(W, base[:, :1] + alphas * base[:, 1:], rtol=1e-7, atol=1e-7)


def test_newton_against_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.choice([-1.0, 1.0], 80)
    X, gamma = rng.standard_normal((80, 30)) + 0.3 * y[:, None], 0.05
    zero, options = np.zeros(30), dict(C=1 / (80 * gamma), fit_intercept=False, tol=1e-10, max_iter=100_000)
    logistic = LogisticRegression(**options).fit(X, y).coef_[0]
    np.testing.assert_allclose(convex_path(X, y, gamma, Logistic(), zero, np.zeros(1))[:, 0], logistic, atol=1e-5)
    # Its squared hinge has no ½.
    options["C"] /= 2
    hinge = LinearSVC(dual=False, **options).fit(X, y).coef_[0]
    np.testing.assert_allclose(convex_path(X, y, gamma, SquaredHinge(), zero, np.zeros(1))[:, 0], hinge, atol=1e-5)


@pytest.mark.parametrize("loss", [*OTHERS, SmoothMargin()], ids=str)
def test_optimum_beats_a_scan(loss):
    problem, scan = isotropic(beta=0.4), np.linspace(-6, 6, 201)
    best = optimal_alpha(problem, loss=loss)
    at = predict(problem, scan, loss=loss)
    assert best.accuracy == pytest.approx(predict(problem, best.best, loss=loss).accuracy, rel=1e-9)
    assert best.accuracy >= at.accuracy.max() - 1e-12
    assert scan[at.accuracy.argmax()] == pytest.approx(best.best, abs=0.07)
    assert best.risk <= at.risk.min() + 1e-12
    if np.isfinite(best.worst):
        assert predict(problem, best.worst, loss=loss).accuracy == pytest.approx(0.5, abs=1e-8)


def test_optimum_that_runs_off():
    """A source equal to the truth, and few target samples: the target's own data can only harm."""
    mean = np.eye(40)[0] * 1.5
    for sign in (1, -1):
        problem = TransferProblem.from_source(sign * mean, mean, n_target=20, gamma_target=0.5)
        best = optimal_alpha(problem, loss="logistic")
        assert best.at_infinity and best.best == sign * np.inf
        assert best.accuracy == pytest.approx(special.ndtr(1.5), abs=1e-3)


def test_optimum_without_a_source():
    problem = TransferProblem.from_source(np.zeros(30), np.eye(30)[0], n_target=20, gamma_target=0.5)
    best = optimal_alpha(problem, loss="logistic")
    assert (best.best, best.min_risk, best.at_infinity) == (0.0, 0.0, False)
    assert best.accuracy == pytest.approx(predict(problem, 0.0, loss="logistic").accuracy)


def test_closed_form_optimum_after_another_source_loss():
    problem = anisotropic()
    best = optimal_alpha(problem, source_loss="logistic")
    found = optimize.minimize_scalar(
        lambda a: -predict(problem, a, source_loss="logistic").accuracy, bounds=(-5, 5), method="bounded"
    )
    assert best.best == pytest.approx(found.x, abs=1e-4)


def broken(**parts):
    return type("Broken", (SmoothMargin,), parts)()


@pytest.mark.parametrize(
    "error, message, loss",
    [
        (ValueError, "loss must be one of 'squared', 'logistic', 'squared_hinge', 'huber', got 'hinge'", "hinge"),
        (TypeError, "instance of a subclass of rmt_alpha.Loss", np.square),
        (ValueError, "slope must be a derivative", broken(slope=lambda self, t: -2 + 0 * t)),
        (ValueError, "curvature must be a derivative", broken(curvature=lambda self, t: 1 + 0 * t)),
        (ValueError, "keep the shape", broken(value=lambda self, t: 1.0)),
        (ValueError, "negative slope at t = 0", Scaled(SmoothMargin(), -0.0)),
        (ValueError, "must be convex", Scaled(SmoothMargin(), -1.0)),
        (NotImplementedError, "Define value, slope and curvature", type("Empty", (Loss,), {})()),
    ],
)
def test_bad_losses(error, message, loss):
    with pytest.raises(error, match=message):
        predict(isotropic(), 1.0, loss=loss)
    with pytest.raises(error, match=message.replace("loss must be one", "source_loss must be one")):
        simulate(isotropic(), 1.0, source_loss=loss)


def test_bad_penalties_and_methods():
    free = isotropic(gamma_target=0.0)
    for act in (lambda: predict(free, 1.0, loss="huber"), lambda: optimal_alpha(free, loss="huber")):
        with pytest.raises(ValueError, match=r"gamma_target must be positive under the huber loss, got 0"):
            act()
    with pytest.raises(ValueError, match=r"gamma must be positive"):
        simulate(free, 1.0, loss="huber", n_trials=2)
    with pytest.raises(ValueError, match=r"gamma_source must be positive under the logistic loss"):
        predict(isotropic(gamma_source=0.0), 1.0, source_loss="logistic")
    with pytest.raises(ValueError, match=r"method 'chain' needs squared losses"):
        simulate(isotropic(), 1.0, loss="logistic", method="chain")
    with pytest.raises(ValueError, match=r"backend must be one of 'numpy', got 'jax'"):
        simulate(isotropic(), 1.0, loss="logistic", backend="jax")
    with pytest.raises(ValueError, match=r"delta must lie in"):
        HuberHinge(0)
    with pytest.raises(ValueError, match="alpha must lie in"):
        predict(isotropic(), np.nan, loss="logistic")


def test_jax_is_refused():
    import jax

    with pytest.raises(TypeError, match="solved in NumPy"):
        jax.grad(lambda a: predict(isotropic(), a, loss="logistic").accuracy)(1.0)
    with pytest.raises(TypeError, match="solved in NumPy"):
        jax.jit(lambda b: optimal_alpha(isotropic(beta=b), loss="logistic").best)(0.5)


def test_unsettled_fixed_point_names_its_residual(monkeypatch):
    monkeypatch.setattr(theory, "NEWTON_STEPS", 0)
    monkeypatch.setattr(theory, "PENALTY_PATHS", 1)
    with pytest.raises(ArithmeticError, match=r"logistic loss did not settle at alpha = 1 \(relative residual"):
        predict(isotropic(), 1.0, loss="logistic")


def test_a_loss_too_sharp_for_quadrature_is_refused():
    class Cliff(Loss):
        name = "cliff"

        def value(self, t):
            return np.logaddexp(0, -2000 * (t - 0.6)) / 100 + SmoothMargin().value(t)

        def slope(self, t):
            return -20 * special.expit(-2000 * (t - 0.6)) + SmoothMargin().slope(t)

        def curvature(self, t):
            s = special.expit(-2000 * (t - 0.6))
            return 40_000 * s * (1 - s) + SmoothMargin().curvature(t)

    with pytest.raises(ArithmeticError, match="List the places in its kinks"):
        predict(isotropic(), 1.0, loss=Cliff())
