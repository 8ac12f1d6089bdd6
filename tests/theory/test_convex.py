"""Any convex loss: the fixed point against the closed form, reference numbers, independent solutions, limits and simulation."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from rmt_alpha.problem import Fit, Group, Loss, Population, TransferProblem
from rmt_alpha.problem.losses import LOSSES, HuberHinge, Logistic, Squared, SquaredHinge
from rmt_alpha.results import compare, moments
from rmt_alpha.simulation.simulate import simulate
from rmt_alpha.theory import convex, convex_newton, stage
from rmt_alpha.theory.convex_equations import residual
from rmt_alpha.theory.convex_quadrature import expectations, pieces
from rmt_alpha.theory.convex_search import optimum
from rmt_alpha.theory.optimum import optimal_alpha
from rmt_alpha.theory.predict import predict

OTHERS = ("logistic", "squared_hinge", "huber")
ALPHA = np.array([-2.0, 0.0, 1.0, 3.0])


class SmoothMargin(Loss):
    """ℓ(t) = √(1 + (1−t)²) + (1−t): a user's loss."""

    name = "smooth margin"

    def value(self, t):
        return np.hypot(1, 1 - t) + 1 - t

    def slope(self, t):
        return -(1 - t) / np.hypot(1, 1 - t) - 1

    def curvature(self, t):
        return np.hypot(1, 1 - t) ** -3


class Hinge(Loss):
    """ℓ(t) = max(0, 1−t): a support vector machine, its slope jumping at a kink."""

    name = "hinge"
    kinks = (1.0,)

    def value(self, t):
        return np.maximum(1 - t, 0)

    def slope(self, t):
        return np.where(t < 1, -1.0, 0.0)

    def curvature(self, t):
        return np.zeros_like(t)


class Sharp(Loss):
    """ℓ(t) = log(1 + e^{−bt})/b"""

    def __init__(self, b):
        self.b, self.name = b, "sharp"

    def value(self, t):
        return np.logaddexp(0, -self.b * t) / self.b

    def slope(self, t):
        return -special.expit(-self.b * t)

    def curvature(self, t):
        return self.b * special.expit(self.b * t) * special.expit(-self.b * t)


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


def opposite(mean, **options):
    return Population.two_classes(mean, -mean, **options)


def slow(fit):
    """The same fit with every squared loss hidden."""
    known = {}

    def inside(start):
        if isinstance(start, Group):
            return Group(inside(start.start), start.mask)
        if not isinstance(start, Fit):
            return start
        if id(start) not in known:
            loss = SlowSquared() if start.loss.name == "squared" else start.loss
            known[id(start)] = dataclasses.replace(start, loss=loss, starts=[inside(s) for s in start.starts])
        return known[id(start)]

    return inside(fit)


def isotropic(p=120, **changes):
    numbers = dict(mu=1.2, mu_orth=1.0, beta=0.7, gamma_source=0.5, gamma_target=0.2)
    return TransferProblem(n_source=p * 3 // 2, n_target=p * 3 // 4, dim=p, **(numbers | changes)).fit


def covariances(p):
    bases = np.linalg.qr(np.random.default_rng(1).standard_normal((2, p, p)))[0]
    spectra = np.linspace(0.3, 2, p), np.linspace(2.5, 0.2, p)
    return [(U * spectrum) @ U.T for U, spectrum in zip(bases, spectra, strict=True)]


def anisotropic(p=120, **changes):
    """Source and target covariances that do not commute."""
    C, C_source = covariances(p)
    first, second = np.random.default_rng(2).standard_normal((2, p)) / np.sqrt(p)
    numbers = dict(n_source=p * 3 // 2, n_target=p * 3 // 4, gamma_source=0.5, gamma_target=0.2)
    return TransferProblem.from_means(
        1.2 * first, 0.9 * first + 0.8 * second, cov_source=C_source, cov_target=C, **(numbers | changes)
    )


def accuracy(fit, alpha):
    return moments(*convex.moments(fit, alpha)).accuracy


def test_theory_page_numbers():
    p = 400
    first, second = np.eye(p)[:2]
    mean = 0.7 * 1.2 * first + np.sqrt(0.51) * second
    numbers = dict(n_source=800, n_target=600, gamma_source=0.5, gamma_target=0.05)
    fit = TransferProblem.from_means(1.2 * first, mean, cov_target=np.linspace(0.3, 2, p), loss="logistic", **numbers)
    np.testing.assert_allclose(accuracy(fit, ALPHA), [0.8680, 0.9071, 0.9169, 0.9205], atol=5.1e-5)


def cases():
    p = 40
    rng = np.random.default_rng(0)
    C, other = covariances(p)

    def mean():
        return rng.standard_normal(p) / np.sqrt(p)

    source, coloured = Fit(opposite(1.2 * mean()), 60, 0.5), Fit(opposite(1.2 * mean(), covariance=other), 60, 0.5)
    uneven = dict(prior=0.3, flips=[0.1, 0.2])
    mixture = dict(classes=[0, 0, 1, 1], targets=[[1.0], [-1.0]], priors=[0.1, 0.2, 0.3, 0.4], covariance=C)
    yield "isotropic", Fit(opposite(mean()), 30, 0.2, starts=[source])
    yield "coloured", Fit(opposite(mean(), covariance=C), 30, 0.2, starts=[coloured])
    yield "two sources", Fit(opposite(mean(), covariance=np.linspace(0.3, 2, p)), 30, 0.2, starts=[source, coloured])
    yield "given", Fit(opposite(mean(), covariance=C), 30, 0.2, starts=[mean()])
    yield "none", Fit(opposite(mean()), 30, 0.2)
    yield "flips", Fit(opposite(mean(), flips=0.1, prior=0.3), 30, 0.2, starts=[source])
    yield "uneven", Fit(Population.two_classes(mean(), mean(), **uneven), 30, 0.2, starts=[source])
    yield "intercept", Fit(Population.two_classes(mean(), mean(), **uneven), 30, 0.2, starts=[source], intercept=True)
    yield (
        "opposite with intercept",
        Fit(opposite(mean(), prior=0.3, covariance=C), 30, 0.2, starts=[coloured], intercept=True),
    )
    yield "mixture", Fit(Population.mixture(rng.standard_normal((4, p)) / 4, **mixture), 50, 0.2, starts=[coloured])
    yield (
        "chain",
        Fit(opposite(mean()), 30, 0.2, starts=[Fit(opposite(mean()), 50, 0.3, starts=[source], alpha=1.7), mean()]),
    )
    yield "groups", Fit(opposite(mean()), 30, 0.2, starts=Group.split(source, np.arange(p) % 3))
    yield (
        "groups across axes",
        Fit(opposite(mean(), covariance=C), 30, 0.2, starts=Group.split(coloured, np.arange(p) % 3)),
    )
    unlike = Population.two_classes(mean(), mean(), covariances=[C, other], prior=0.4, flips=0.1)
    yield "unlike", Fit(unlike, 30, 0.2, starts=[coloured, source])
    n, gamma = np.array([30, 60])[:, None], np.array([0.1, 0.2, 0.5])
    yield (
        "arrays",
        Fit(
            opposite(mean(), covariance=np.linspace(0.3, 2, p)),
            n,
            gamma,
            starts=[Fit(source.population, [40, 50, 60], 0.4)],
        ),
    )


CASES = dict(cases())


@pytest.mark.parametrize("fit", CASES.values(), ids=CASES)
def test_squared_loss_is_the_closed_form(fit):
    J = fit.n_alpha
    alpha = np.array([-2, 0, 1e-7, 1, 3.0])
    alpha = np.random.default_rng(0).standard_normal((5, J)) * 2 if J > 1 else alpha.reshape(-1, *(1,) * len(fit.shape))
    form = stage.train(fit).form
    mean, variance = form.scores(form.weights(alpha))
    found = convex.moments(slow(fit), alpha)
    for one, other in zip(found, (mean, variance), strict=True):
        assert one.shape == other.shape or J == 0
        np.testing.assert_allclose(one, np.broadcast_to(other, one.shape), rtol=1e-9, atol=1e-11)
    own = dataclasses.replace(fit, alpha=None if J == 0 else 0.7 if J == 1 else np.linspace(0.5, 1, J))
    law, expected = convex.law(slow(own)), stage.trained(own)
    np.testing.assert_allclose(law.mean, expected.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(law.noise, expected.noise, rtol=1e-8, atol=1e-12)


def train(fit, alpha, rng, known):
    """One draw of everything that a fit comes from: weights and bias, by Newton's method."""
    population, loss, p = fit.population, fit.loss, fit.dim
    anchor = np.zeros(p)
    for a, start in zip(np.atleast_1d(alpha), fit.starts, strict=False):
        inner, mask = (start.start, start.mask) if isinstance(start, Group) else (start, 1.0)
        if isinstance(inner, Fit):
            if id(inner) not in known:
                known[id(inner)] = train(inner, 1.0 if inner.alpha is None else inner.alpha, rng, known)[0]
            anchor += a * mask * known[id(inner)]
        else:
            anchor += a * mask * inner[:, 0]
    count = np.diff(np.round(np.cumsum([0, *population.priors]) * fit.n).astype(int))
    k = np.repeat(np.arange(len(count)), count)
    X = population.means[k] + np.concatenate(
        [population.covariance_of(i).square_root_times(rng.standard_normal((c, p))) for i, c in enumerate(count)]
    )
    y = np.where(rng.random(fit.n) < (1 + population.codes[k, 0]) / 2, 1.0, -1.0)
    A = y[:, None] * np.column_stack([X, np.ones(fit.n)])
    penalty = np.append(np.full(p, fit.gamma), 0.0 if fit.intercept else 1e9)
    centre = np.append(anchor, 0.0)
    w = centre.copy()

    def value(w):
        return np.mean(loss.value(A @ w)) + penalty @ (w - centre) ** 2 / 2

    for _ in range(100):
        t = A @ w
        gradient = A.T @ loss.slope(t) / fit.n + penalty * (w - centre)
        if np.linalg.norm(gradient[: p + fit.intercept]) < 1e-9:
            break
        step = -np.linalg.solve((A.T * (loss.curvature(t) / fit.n)) @ A + np.diag(penalty + 1e-12), gradient)
        size = 1.0
        while value(w + size * step) > value(w) + 1e-4 * size * (gradient @ step) + 1e-13 and size > 1e-9:
            size /= 2
        w = w + size * step
    return w[:-1], w[-1]


def simulated():
    p = 160
    rng = np.random.default_rng(5)

    def mean():
        return 1.3 * rng.standard_normal(p) / np.sqrt(p)

    spectrum, logistic = np.linspace(0.3, 2, p), dict(loss="logistic")
    source = Fit(opposite(1.2 * mean()), 200, 0.3, **logistic)
    huber = Fit(opposite(1.2 * mean(), covariance=spectrum), 200, 0.3, loss="huber")
    small, large = covariances(p)[0] * 0.3, np.linspace(3.5, 0.4, p)

    def unlike():
        return Population.two_classes(mean(), mean(), covariances=[small, large], prior=0.3, flips=[0.05, 0.1])

    uneven = Population.two_classes(mean(), 2 * mean(), prior=0.3, flips=[0.1, 0.2], covariance=spectrum)
    yield (
        "two sources",
        Fit(opposite(mean(), covariance=spectrum), 120, 0.1, starts=[source, huber], **logistic),
        [1.0, -0.7],
    )
    chain = Fit(opposite(mean()), 130, 0.2, starts=[huber], alpha=1.4, **logistic)
    yield "logistic, then squared", slow(Fit(opposite(mean()), 120, 0.1, starts=[chain])), 0.8
    yield (
        "squared, then logistic",
        Fit(opposite(mean()), 120, 0.1, starts=[dataclasses.replace(chain, loss="squared")], **logistic),
        0.8,
    )
    yield (
        "groups",
        Fit(opposite(mean()), 120, 0.1, starts=Group.split(source, np.arange(p) % 3), loss="huber"),
        [1.0, 2.0, -0.5],
    )
    yield "flips, priors, intercept", Fit(uneven, 200, 0.1, starts=[source], intercept=True, **logistic), 1.2
    yield "flips", Fit(opposite(mean(), prior=0.3, flips=0.15), 120, 0.1, starts=[source], **logistic), 1.2
    yield "unlike, intercept", Fit(unlike(), 240, 0.05, starts=[source], intercept=True, **logistic), 1.3
    yield "unlike", Fit(unlike(), 240, 0.1, starts=[source], loss="squared_hinge"), 1.3
    yield "unlike, squared, intercept", slow(Fit(unlike(), 240, 0.1, starts=[source], intercept=True)), 0.5


SIMULATED = {name: rest for name, *rest in simulated()}


@pytest.mark.parametrize("fit, alpha", SIMULATED.values(), ids=SIMULATED)
def test_theory_against_simulation(fit, alpha):
    population, rng = fit.population, np.random.default_rng(11)
    draws = []
    for _ in range(60):
        w, b = train(fit, alpha, rng, {})
        variances = [population.covariance_of(k).quadratic(w, w) for k in range(population.components)]
        draws.append(np.concatenate([population.means @ w + b, variances]))
    mean, variance = (np.ravel(x) for x in convex.moments(fit, alpha))
    if len(mean) == 1:
        mean, variance = np.array([mean[0], -mean[0]]), np.repeat(variance, 2)
    z = (np.mean(draws, 0) - np.concatenate([mean, variance])) / (np.std(draws, 0, ddof=1) / np.sqrt(len(draws)))
    assert np.abs(z).max() < 4


def test_logistic_fixed_point_solved_independently():
    """Gauss–Hermite in ω, bisection for the proximal map, and a library's root finder."""
    p, n, gamma, alpha = 300.0, 200.0, 0.3, 0.7
    start = np.eye(300)[0] * 0.8 + np.eye(300)[1] * 0.5
    fit = TransferProblem.from_source(start, 1.2 * np.eye(300)[0], n_target=200, gamma_target=gamma, loss="logistic")
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
    np.testing.assert_allclose(convex.moments(fit, alpha), (m, V), rtol=1e-8)


@pytest.mark.parametrize("loss", [*OTHERS, SmoothMargin(), Hinge()], ids=str)
def test_strong_penalty_gives_the_averaging_classifier(loss):
    """γ → ∞ without a source: w ∝ Σ y x, whatever the loss (Mignacco et al., arXiv 2002.11544)."""
    fit = anisotropic(gamma_target=1e7, loss=loss)
    mu, C = fit.population.means[0], fit.population.covariances[0]
    expected = special.ndtr(mu @ mu / np.sqrt(C.quadratic(mu, mu) + np.sum(C.eigenvalues**2) / fit.n))
    assert accuracy(fit, 0.0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", OTHERS)
def test_a_factor_on_loss_and_penalty_changes_nothing(loss):
    plain = convex.moments(anisotropic(loss=loss, source_loss=loss), ALPHA)
    scaled = Scaled(LOSSES[loss], 3.0)
    other = convex.moments(anisotropic(gamma_source=1.5, gamma_target=0.6, loss=scaled, source_loss=scaled), ALPHA)
    np.testing.assert_allclose(other, plain, rtol=1e-8)


@pytest.mark.parametrize("loss", OTHERS)
def test_scale_and_sign_of_a_fixed_source(loss):
    w, mean = np.random.default_rng(0).standard_normal((2, 50)) / 7
    options = dict(n_target=40, gamma_target=0.3, cov_target=np.linspace(0.5, 2, 50), loss=loss)
    plain = accuracy(TransferProblem.from_source(w, mean, **options), ALPHA)
    for c in (-1.0, 3.0):
        np.testing.assert_allclose(
            accuracy(TransferProblem.from_source(c * w, mean, **options), ALPHA / c), plain, rtol=1e-9
        )


def test_nearly_the_identity_gives_the_isotropic_form():
    p, fit = 120, isotropic(loss="logistic", source_loss="huber")
    tiny = np.ones(p)
    tiny[-1] += 1e-13  # not quite the identity: the general form is used
    source, target = np.pad(fit.starts[0].population.means[0], (0, p - 2)), np.pad(fit.population.means[0], (0, p - 2))
    numbers = dict(n_source=180, n_target=90, gamma_source=0.5, gamma_target=0.2, loss="logistic", source_loss="huber")
    vectors = TransferProblem.from_means(source, target, cov_source=tiny, cov_target=tiny, **numbers)
    assert not vectors.is_isotropic
    np.testing.assert_allclose(convex.moments(vectors, ALPHA), convex.moments(fit, ALPHA), rtol=1e-8)


def test_unlike_form_of_like_covariances():
    p = 30
    C = np.linspace(0.5, 2, p)
    plus, minus = np.random.default_rng(0).standard_normal((2, p)) / 4
    start, rest = np.ones(p) / 6, dict(prior=0.3, flips=[0.1, 0.2])
    almost = C * (1 + 1e-13)
    for intercept in (False, True):
        fits = [
            Fit(
                Population.two_classes(plus, minus, **rest, **kind),
                40,
                0.1,
                starts=[start],
                loss="logistic",
                intercept=intercept,
            )
            for kind in (dict(covariance=C), dict(covariances=[C, almost]))
        ]
        one, two = (convex.moments(fit, ALPHA) for fit in fits)
        np.testing.assert_allclose(one[0], two[0], rtol=1e-8)
        np.testing.assert_allclose(one[1], two[1], rtol=1e-8)


def test_wide_huber_is_the_squared_hinge():
    np.testing.assert_allclose(
        accuracy(isotropic(loss=HuberHinge(500)), ALPHA), accuracy(isotropic(loss="squared_hinge"), ALPHA), rtol=1e-9
    )


def test_hinge_is_the_limit_of_narrow_hubers():
    """ℓ_δ/δ → hinge for δ → 0, shifted by nothing but δ/2."""
    narrow = Scaled(HuberHinge(1e-3), 1e3)
    np.testing.assert_allclose(
        accuracy(isotropic(loss=narrow), ALPHA), accuracy(isotropic(loss=Hinge()), ALPHA), atol=1e-4
    )


@pytest.mark.parametrize(
    "m, V, v", [(0.5, 1.0, 0.7), (-3.0, 40.0, 0.01), (2.0, 0.1, 30.0), (1.0, 1e6, 100.0), (2.0, 3.0, 1e10)]
)
def test_expectations_across_kinks(m, V, v):
    s = np.sqrt(V)
    edge = (1 - m) / s  # ω = 1, where the squared hinge starts to pull
    Phi, phi = special.ndtr(edge), np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi)
    first = s * (edge * Phi + phi)  # E(1−ω)₊
    second = V * ((edge**2 + 1) * Phi + edge * phi)  # E(1−ω)₊²
    exact = np.array([first / (1 + v), second / (1 + v) ** 2, Phi / (1 + v)])
    state = np.array([[m], [V], [v]])
    np.testing.assert_allclose(expectations(SquaredHinge(), *state)[0][0], exact, rtol=1e-11)
    linear = special.ndtr((1 - 2 * (1 + v) - m) / s)  # where huber's force is at its bound, 2
    assert expectations(HuberHinge(2), *state)[0][0, 2] == pytest.approx((Phi - linear) / (1 + v), rel=1e-10)
    plateau = Phi - special.ndtr((1 - v - m) / s)  # of the hinge: z = 1
    assert expectations(Hinge(), *state)[0][0, 2] == pytest.approx(plateau / v, rel=1e-10)


def force(loss, omega, v):
    """−ℓ'(prox_{vℓ}(ω)), by bisection."""
    other = omega - v * loss.slope(omega)
    low, high = np.minimum(omega, other), np.maximum(omega, other)
    for _ in range(200):
        z = (low + high) / 2
        below = z + v * loss.slope(z) < omega
        low, high = np.where(below, z, low), np.where(below, high, z)
    return -loss.slope(z), z


STATES = [(0.5, 1.0, 0.7), (-3.0, 40.0, 0.01), (2.0, 0.1, 300.0), (1.0, 1e4, 100.0), (60.0, 1100.0, 1e4)]


@pytest.mark.parametrize("m, V, v", STATES)
@pytest.mark.parametrize("loss", [Logistic(), SmoothMargin(), Sharp(30.0)], ids=lambda loss: loss.name)
def test_expectations_of_smooth_losses(loss, m, V, v):
    u = np.linspace(-9.5, 9.5, 100_001)
    g, z = force(loss, m + np.sqrt(V) * u, v)
    density = np.exp(-u * u / 2) / np.sqrt(2 * np.pi)
    curvature = loss.curvature(z)
    exact = [np.trapezoid(f * density, u) for f in (g, g * g, curvature / (1 + v * curvature))]
    np.testing.assert_allclose(expectations(loss, *np.array([[m], [V], [v]]))[0][0], exact, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("m, V, v", [(0.5, 1.0, 0.7), (-1.0, 4.0, 3.0)])
@pytest.mark.parametrize("loss", [*LOSSES.values(), SmoothMargin(), Hinge()], ids=lambda loss: loss.name)
def test_derivatives_of_expectations(loss, m, V, v):
    state, h = np.array([m, V, v]), 1e-5
    slopes = expectations(loss, *state[:, None])[1][0]
    for j, e in enumerate(np.eye(3) * h):
        up, down = (expectations(loss, *(state + sign * e)[:, None])[0][0] for sign in (1, -1))
        np.testing.assert_allclose(slopes[:, j], (up - down) / (2 * h), rtol=1e-6, atol=1e-9)


def test_pieces():
    assert pieces(SquaredHinge()).lines is not None and pieces(Hinge()).lines is not None
    assert pieces(Logistic()).lines is None
    unlisted = type("Unlisted", (Hinge,), {"kinks": ()})()
    with pytest.raises(ArithmeticError, match="not smooth near the margin 1. List the places"):
        pieces(unlisted)
    exponential = type("Exponential", (Sharp,), {m: lambda _, t: -np.exp(-t) for m in ("value", "slope", "curvature")})
    with pytest.raises(ArithmeticError, match="the sharp loss grows too fast"):
        pieces(exponential(1.0))


class Parabola(Loss):
    """ℓ(t) = 0.7 (2.5 − t)²/2"""

    name = "parabola"

    def value(self, t):
        return 0.35 * (2.5 - t) ** 2

    def slope(self, t):
        return 0.7 * (t - 2.5)

    def curvature(self, t):
        return np.full_like(t, 0.7)


SPECTRUM = np.linspace(0.3, 2, 12)
KINDS = {
    "signed": lambda: opposite(MEAN, covariance=SPECTRUM),
    "intercept": lambda: Population.two_classes(MEAN, -0.4 * MEAN, prior=0.3, flips=0.1, covariance=SPECTRUM),
    "unlike": lambda: Population.two_classes(MEAN, -MEAN, prior=0.4, covariances=covariances(12)),
}
MEAN = np.random.default_rng(2).standard_normal(12) / 2


def problem_of(kind, loss):
    """A training's equations at two α, as what solves them sees them."""
    fit = Fit(KINDS[kind](), 17, 0.3, starts=[np.roll(MEAN, 1)], loss=loss, intercept=kind == "intercept")
    training = convex.Training.of(fit)
    return training.system(np.array([[0.4], [1.7]]))[0], training.labels


@pytest.mark.parametrize("kind", KINDS)
def test_jacobian_of_the_equations(kind):
    system, labels = problem_of(kind, "logistic")
    (x, *_) = convex_newton.extremes(system, labels, Logistic())
    x = x + np.random.default_rng(0).uniform(-0.3, 0.3, x.shape)
    _, J, _ = residual(system, labels, Logistic(), x)
    if kind == "intercept":  # its last row is Newton's step, and b's unit is not differentiated
        J = J[:, :-1]
    for i, e in enumerate(1e-5 * np.eye(x.shape[1])):
        up, down = (residual(system, labels, Logistic(), x + sign * e)[0][:, : J.shape[1]] for sign in (1, -1))
        np.testing.assert_allclose(J[:, :, i], (up - down) / 2e-5, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["signed", "intercept"])
def test_a_parabola_is_solved_by_its_start(kind):
    """Any parabola is the squared loss in other units: there the start is the answer."""
    system, labels = problem_of(kind, Parabola())
    (start,) = convex_newton.near_squared(system, labels, Parabola())
    np.testing.assert_allclose(residual(system, labels, Parabola(), start)[0], 0, atol=1e-11)


@pytest.mark.parametrize("loss", [*OTHERS, SmoothMargin(), Hinge(), Sharp(30.0), Sharp(1000.0)], ids=str)
@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_every_scale_of_alpha_settles(loss, beta):
    fit = isotropic(beta=beta, loss=loss)
    at_zero = np.array(convex.moments(fit, 0.0))
    np.testing.assert_allclose(convex.moments(fit, 1e-10), at_zero, rtol=1e-6)
    mean, variance = convex.moments(fit, np.concatenate([np.linspace(-1, 1, 21), [1e-300, 1e6]]))
    assert np.all(np.isfinite(mean)) and np.all(variance > 0)
    found = optimum(fit)
    assert (found.alpha == pytest.approx(0.0, abs=1e-4)) == (beta == 0.0)


@pytest.mark.parametrize("loss", ["squared_hinge", "huber"])
def test_a_vanishing_penalty(loss):
    """γ → 0 and n < p: the limit exists, and 10⁻¹² is as good as 10⁻⁹."""
    one, two = (accuracy(isotropic(gamma_target=gamma, loss=loss), ALPHA) for gamma in (1e-9, 1e-12))
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("n, gamma, best", [(400, 1e-5, 0.6580), (100, 1e-4, 0.6564), (1000, 1e-5, 0.6609)])
def test_the_best_alpha_lies_where_both_parts_weigh_the_same(n, gamma, best):
    numbers = dict(
        n_source=2000, n_target=n, dim=200, mu=0.5, mu_orth=1.0, beta=0.999, gamma_source=0.01, gamma_target=gamma
    )
    found = optimum(TransferProblem(**numbers, loss="logistic").fit)
    assert found.accuracy == pytest.approx(best, abs=2e-4) and not found.at_infinity


@pytest.mark.parametrize("loss", [*OTHERS, SmoothMargin()], ids=str)
def test_optimum_beats_a_scan(loss):
    fit, scan = isotropic(beta=0.4, loss=loss), np.linspace(-6, 6, 201)
    best, at = optimum(fit), moments(*convex.moments(fit, scan))
    assert best.accuracy == pytest.approx(accuracy(fit, best.alpha), rel=1e-9)
    assert best.accuracy >= at.accuracy.max() - 1e-12
    fine = optimize.minimize_scalar(
        lambda a: -accuracy(fit, a), bounds=(best.alpha - 0.5, best.alpha + 0.5), options={"xatol": 1e-8}
    )
    assert best.alpha == pytest.approx(fine.x, abs=1e-4)
    assert best.risk <= at.risk.min() + 1e-12
    assert moments(*convex.moments(fit, best.least_risk)).risk == pytest.approx(best.risk, rel=1e-9)
    if np.isfinite(best.zero):
        assert accuracy(fit, best.zero) == pytest.approx(0.5, abs=1e-8)


FAR_OUT = dict(n_source=200, n_target=200, dim=10, mu=0.3, mu_orth=6, beta=1, gamma_source=0.004, gamma_target=8e-6)
FAR_IN = dict(n_source=400, n_target=400, dim=100, mu=1, mu_orth=2, beta=1, gamma_source=1, gamma_target=2e-4)


@pytest.mark.parametrize(
    "name, numbers, scan",
    [("accuracy", FAR_OUT, np.linspace(1.5e4, 3e4, 301)), ("risk", FAR_IN, np.linspace(-2600, -2300, 301))],
)
def test_a_maximum_outside_the_window_where_it_was_expected(name, numbers, scan):
    """Flat ones, which the first interpolation places too far off for the second: against a fine scan."""
    fit = TransferProblem(**numbers, loss="logistic", source_loss="logistic").fit
    sign = 1 if name == "accuracy" else -1
    values, best = sign * getattr(moments(*convex.moments(fit, scan)), name), sign * getattr(optimum(fit), name)
    assert 0 < values.argmax() < 300
    assert best >= values.max() - 1e-10


@pytest.mark.parametrize("beta", [0.7, -0.7])
def test_a_mean_that_vanishes_nowhere_is_least_on_one_side(beta):
    """A squared hinge with a weak penalty outweighs the worst source: simulation says on which side it has more to do."""
    numbers = dict(n_source=100, n_target=200, dim=100, mu=2, mu_orth=1, gamma_source=0.1, gamma_target=1e-4)
    problem = TransferProblem(**numbers, beta=beta, loss="squared_hinge")
    drawn = simulate(problem, [-30.0, 30.0], n_trials=20)
    assert np.all(drawn.mean > 5 * drawn.mean_se)
    assert optimal_alpha(problem).zero == (-np.inf if drawn.mean[0] < drawn.mean[1] else np.inf)


def test_steps_that_must_be_halved():
    """Newton's own steps, whole, settle from no start and along no path here."""
    numbers = dict(n_source=60, n_target=300, dim=400, mu=8, mu_orth=1, beta=0.9, gamma_source=0.002, gamma_target=2e-5)
    problem = TransferProblem(**numbers, loss="squared_hinge")
    theory, drawn = predict(problem, -10.0), simulate(problem, -10.0, n_trials=30)
    for name in ("mean", "variance", "accuracy"):
        assert abs(getattr(drawn, name) - getattr(theory, name)) < 4 * getattr(drawn, f"{name}_se")


@pytest.mark.parametrize("n, gamma", [(100, 0.3), (300, 0.1), (300, 1e-4)])
def test_a_slope_that_jumps(n, gamma):
    numbers = dict(n_source=400, n_target=n, dim=200, mu=1, mu_orth=1, beta=0.7, gamma_source=0.5, gamma_target=gamma)
    problem = TransferProblem(**numbers, loss=Hinge())
    z = compare(predict(problem, [0.0, 1.0]), simulate(problem, [0.0, 1.0], n_trials=30))
    assert z.max_abs < 4


def test_states_that_paths_of_many_steps_lead_to():
    """A strong source turned round, under almost no penalty: a step along the path goes as far on as the last one went."""
    problem = TransferProblem(
        70, 423, 64, mu=4.664178085206198, mu_orth=0.10104861690235413, beta=0.999, gamma_source=0.00012142685691135417,
        gamma_target=6.321011607162644e-07, loss="logistic", source_loss="logistic",
    )  # fmt: skip
    alpha = np.array([-1500.0, -4000.0, -4216.0])
    larger = dataclasses.replace(problem, n_source=210, n_target=1269, dim=192)  # of one limit, and nearer to it
    theory, drawn = predict(problem, alpha), simulate(larger, alpha, n_trials=10)
    assert np.all(np.abs(drawn.accuracy - theory.accuracy) < 4 * drawn.accuracy_se)
    assert optimal_alpha(problem).accuracy > theory.accuracy.max()


@pytest.mark.parametrize(
    "numbers, alpha",
    [
        ((12, 307, 25, 7.675332703179346, 6.326627384115608, 1.0, 13.15738096383671, 0.00030841688680113214), -9093.7),
        ((131, 222, 5, 3.9185616993690737, 0.0685628650277735, 0.999, 4.264268712162807e-09, 1.072e-10), -0.8034),
    ],
)
def test_states_that_only_the_finest_path_leads_to(numbers, alpha):
    """Between neighbours, which settle by paths of their own."""
    problem = TransferProblem(*numbers, loss="squared_hinge", source_loss="logistic" if alpha < -1 else "squared")
    low, middle, high = predict(problem, alpha * np.array([0.9, 1.0, 1.1])).variance
    assert min(low, high) < middle < max(low, high)


@pytest.mark.parametrize("beta", [0.6, 0.95])
def test_optimum_under_almost_no_penalty(beta):
    """Where both parts weigh the same at an α that grows as 1/γ, margins are of that order, too."""
    numbers = dict(n_source=200, n_target=1000, dim=300, mu=1.2, mu_orth=0.8, beta=beta, gamma_source=0.5)
    one, other = (TransferProblem(**numbers, gamma_target=gamma, loss="logistic") for gamma in (1e-8, 1e-10))
    best, farther = optimal_alpha(one), optimal_alpha(other)
    assert best.accuracy >= predict(one, best.alpha * np.linspace(0.5, 2, 31)).accuracy.max()
    assert best.accuracy >= predict(one, np.r_[-np.geomspace(1, 1e12, 60), np.geomspace(1, 1e12, 60)]).accuracy.max()
    assert farther.alpha == pytest.approx(100 * best.alpha, rel=1e-3)
    assert farther.accuracy == pytest.approx(best.accuracy, abs=1e-6)


def test_optimum_of_the_squared_loss():
    fit = isotropic(beta=-0.4)
    form = stage.train(fit).form
    found = optimum(slow(fit))
    d = np.linalg.solve(form.M, form.c)
    assert found.alpha == pytest.approx(d[1] / d[0], rel=1e-6)
    assert found.zero == pytest.approx(-form.c[0] / form.c[1], rel=1e-7)


def test_optimum_does_not_depend_on_the_scale_of_the_source():
    w, mean = np.random.default_rng(0).standard_normal((2, 50)) / 7
    plain, *others = (
        optimum(TransferProblem.from_source(c * w, mean, n_target=40, gamma_target=0.3, loss="logistic"))
        for c in (1.0, 1e-8, -1e6)
    )
    for c, other in zip((1e-8, -1e6), others, strict=True):
        for name in ("alpha", "zero", "least_risk"):
            assert getattr(other, name) * c == pytest.approx(getattr(plain, name), rel=1e-6)


def test_optimum_that_runs_off():
    """A source equal to the truth, and few target samples: the target's own data can only harm."""
    mean = np.eye(40)[0] * 1.5
    for sign in (1, -1):
        best = optimum(TransferProblem.from_source(sign * mean, mean, n_target=20, gamma_target=0.5, loss="logistic"))
        assert best.at_infinity and best.alpha == sign * np.inf and best.direction == sign
        assert best.accuracy == pytest.approx(special.ndtr(1.5), abs=1e-3)


def test_optimum_without_a_source():
    fit = TransferProblem.from_source(np.zeros(30), np.eye(30)[0], n_target=20, gamma_target=0.5, loss="logistic")
    best = optimum(fit)
    assert (best.alpha, best.least_risk, best.at_infinity) == (0.0, 0.0, False)
    assert best.accuracy == pytest.approx(accuracy(fit, 0.0))


@pytest.mark.parametrize("beta, mu_orth", [(0.0, 0.0), (1e-30, 0.0)])
def test_optimum_where_every_alpha_gives_chance(beta, mu_orth):
    """The target's classes have one mean: what a score's mean then is, is rounding, and 0 the α to take."""
    problem = TransferProblem(
        400, 9000, 1000, mu=2.5, mu_orth=mu_orth, beta=beta, gamma_source=1.0, gamma_target=1e-6, loss="squared_hinge"
    )
    found = optimal_alpha(problem)
    assert (found.alpha, found.accuracy, found.at_infinity) == (0.0, 0.5, False)


def test_optimum_of_two_sources_and_of_a_mixture():
    rng = np.random.default_rng(0)

    def mean():
        return rng.standard_normal(60) / 8

    first, second = (Fit(opposite(1.2 * mean()), 90, 0.5) for _ in range(2))
    fit = Fit(
        opposite(mean() + 0.7 * first.population.means[0] - 0.4 * second.population.means[0]),
        45,
        0.2,
        starts=[first, second],
    )
    hidden = optimum(slow(fit))
    form = stage.train(fit).form
    d = np.linalg.solve(form.M, form.c)
    np.testing.assert_allclose(hidden.alpha, d[1:] / d[0], rtol=1e-4)
    np.testing.assert_allclose(hidden.zero, -form.c[0] * form.c[1:] / (form.c[1:] @ form.c[1:]), rtol=1e-6)
    logistic = dataclasses.replace(fit, loss="logistic")
    best = optimum(logistic)
    around = best.alpha + 0.1 * rng.standard_normal((50, 2))
    assert best.accuracy >= accuracy(logistic, around).max()
    population = Population.two_classes(mean(), 2 * mean(), prior=0.3, flips=0.1)
    arrays = Fit(population, np.array([40, 80]), 0.2, starts=[first], loss="huber", intercept=True)
    found = optimal_alpha(arrays)
    assert found.alpha.shape == (2,) and found.zero is None


def test_arrays_broadcast_and_warm_starts_do_not_matter():
    mean = np.random.default_rng(0).standard_normal(30) / 4
    source = Fit(opposite(mean), [40, 80], 0.5, loss="huber")
    fit = Fit(opposite(mean[::-1]), 25, np.array([0.1, 1.0, 3.0])[:, None], starts=[source], loss="logistic")
    table = convex.moments(fit, ALPHA[:, None, None])
    assert table[0].shape == (4, 3, 2)
    for index in np.ndindex(3, 2):
        single = convex.moments(fit.at(index, (3, 2)), ALPHA)
        np.testing.assert_allclose([x[(slice(None), *index)] for x in table], single, rtol=1e-9)


def test_unsettled_fixed_point_names_its_residual(monkeypatch):
    monkeypatch.setattr(convex_newton, "STEPS", 0)
    monkeypatch.setattr(convex_newton, "PENALTY_PATHS", ())
    with pytest.raises(
        ArithmeticError, match=r"logistic loss did not settle at gamma = .*, alpha = \[1.0\] \(relative residual"
    ):
        convex.moments(isotropic(loss="logistic"), 1.0)
    with pytest.raises(
        ArithmeticError, match=r"did not settle at gamma = 0.1 \(relative .* Choose a larger penalty\.$"
    ):
        convex.moments(Fit(opposite(np.ones(9)), 30, 0.1, loss="logistic"), 0.0)


@pytest.fixture
def double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("loss, spectrum", [("logistic", None), ("huber", np.linspace(0.3, 2, 12))])
def test_jax_differentiates(double, loss, spectrum):
    mean, w, other = np.random.default_rng(0).standard_normal((3, 12)) / 3
    source = Fit(opposite(other), 20, 0.5)

    def ratio(alpha, gamma, mean, w):
        population = Population.two_classes(mean, -mean, covariance=spectrum)
        fit = Fit(dataclasses.replace(population, is_opposite=True), 15, gamma, starts=[w, source], loss=loss)
        m, V = convex.moments(fit, alpha)
        return m / V**0.5

    point = (np.array([1.2, -0.4]), 0.2, mean, w)
    value, slopes = jax.jit(jax.value_and_grad(ratio, argnums=(0, 1, 2, 3)))(*map(jnp.asarray, point))
    assert value == pytest.approx(ratio(*point), rel=1e-8)
    rng = np.random.default_rng(1)
    for i, slope in enumerate(slopes):
        e = 1e-5 * rng.standard_normal(np.shape(point[i]))
        up, down = (ratio(*(x + sign * e if i == j else x for j, x in enumerate(point))) for sign in (1, -1))
        assert float(np.sum(np.asarray(slope) * e)) == pytest.approx((up - down) / 2, rel=1e-5)
    alphas = np.array([[0.0, 1.0], [2.0, -1.0]])
    mapped = jax.jit(jax.vmap(lambda a: ratio(a, *point[1:])))(jnp.asarray(alphas))
    np.testing.assert_allclose(mapped, ratio(alphas, *point[1:]), rtol=1e-8)


@pytest.mark.parametrize("n, dim", [(3, 2), (40, 100)])
def test_arrays_of_jax_in_single_precision(n, dim):
    numbers = dict(
        n_source=2 * n, n_target=n, dim=dim, mu=1.0, mu_orth=1.0, beta=np.array([0.0, 1.0]), gamma_source=1.0
    )
    losses = dict(loss="logistic", source_loss="huber")
    one, other = (TransferProblem(**numbers, **losses, gamma_target=gamma) for gamma in (0.5, jnp.array(0.5)))
    accuracy = jax.jit(lambda problem, alpha: predict(problem, alpha).accuracy)
    np.testing.assert_allclose(accuracy(other, jnp.array(0.5)), predict(one, 0.5).accuracy, rtol=1e-4)


@pytest.mark.parametrize("loss, source_loss", [("logistic", "squared"), ("huber", "logistic")])
def test_transfer_problems_of_arrays(loss, source_loss):
    """All eight numbers at once, against one fit at a time."""
    rng = np.random.default_rng(0)
    sizes = dict(n_source=rng.integers(50, 300, 6), n_target=rng.integers(20, 300, 6), dim=rng.integers(50, 200, 6))
    means = dict(mu=rng.uniform(0.1, 2, 6), mu_orth=rng.uniform(0, 2, 6), beta=rng.uniform(-1, 1, 6))
    penalties = dict(gamma_source=10.0 ** rng.uniform(-2, 1, 6), gamma_target=10.0 ** rng.uniform(-2, 1, 6))
    problem = TransferProblem(**sizes, **means, **penalties, loss=loss, source_loss=source_loss)
    table = convex.transfer(problem, ALPHA[:, None])
    for i, cell in enumerate(problem.cells()):
        np.testing.assert_allclose([x[:, i] for x in table], convex.moments(cell.fit, ALPHA), rtol=1e-8)


def test_scales_beyond_double_precision_are_told():
    covariances = {"cov_source": np.full(6, 1e-300), "cov_target": np.geomspace(1e-12, 1, 6)}
    problem = TransferProblem.from_means(
        np.arange(6.0), np.arange(6.0), n_source=5, n_target=5, gamma_source=0, gamma_target=1e12,
        loss="squared_hinge", source_loss="squared", **covariances,
    )  # fmt: skip
    with pytest.raises(ArithmeticError, match="weigh the same left the range of double precision"):
        optimal_alpha(problem)


def test_a_risk_that_hardly_changes_has_its_least_where_a_fine_grid_has_it():
    problem = TransferProblem(220, 2, 20, 0.1, 14.0, 0.23, 0.1, 3.6e-5, loss="logistic", source_loss="squared")
    alpha = np.linspace(-0.2, 0.2, 401)
    least = alpha[np.argmin(predict(problem, alpha).risk)]
    assert optimal_alpha(problem).least_risk == pytest.approx(least, abs=1e-3)


def test_two_sources_are_best_far_out():
    e, of = np.eye(4, 20), lambda m: Population.two_classes(m, -m)
    sizes = ((43, 8.35), (88, 6.61))
    starts = [Fit(of(0.956 * (e[0] + 0.5 * e[i + 1])), n, gamma) for i, (n, gamma) in enumerate(sizes)]
    fit = Fit(of(0.956 * e[0]), 132, 0.0186, starts=starts, loss="huber")
    along = np.geomspace(1, 1e4, 60)[:, None] * [1.0, 1.25]
    assert optimal_alpha(fit).accuracy > predict(fit, along).accuracy.max() - 1e-4
