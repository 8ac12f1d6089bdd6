"""The same functions under JAX: gradients against finite differences, transformations, checks, and whose precision it is."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rmt_alpha import (
    Fit,
    Group,
    Population,
    TransferProblem,
    draw,
    optimal_alpha,
    optimal_penalty,
    predict,
    rank_path,
    simulate,
    simulate_optimal_alpha,
)
from rmt_alpha._arrays import namespace
from rmt_alpha.results.log_loss import log_loss
from rmt_alpha.results.moments import describe, moments
from rmt_alpha.simulation.eigenvalues import draw_eigenvalues
from rmt_alpha.simulation.proportional import draw_many_outputs
from rmt_alpha.theory.early_stopping import stopped_form
from rmt_alpha.theory.errors import errors
from rmt_alpha.theory.proportional import ManyOutputs

BASE = dict(n_source=2000, n_target=200, dim=400, mu=1.2, mu_orth=0.9, beta=0.6, gamma_source=1.0, gamma_target=0.3)
PARAMETERS = ("beta", "gamma_target", "gamma_source", "mu", "mu_orth")
# Where branches of the formulas meet: p/n + γ = 1 at the target and at the source, n = p ± 1, β = 0.
EDGES = {
    "random": {},
    "p/n + gamma = 1": {"dim": 100, "gamma_target": 0.5},
    "p/N + gamma = 1": {"dim": 1000, "gamma_source": 0.5},
    "n = p - 1": {"dim": 201},
    "n = p + 1": {"dim": 199},
    "beta = 0": {"beta": 0.0},
}
P = 12
RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def difference(f, x, step=1e-5):
    return (f(x + step) - f(x - step)) / (2 * step)


def four(x, values):
    """Accuracy and risk at an α, and the best α with its accuracy, as functions of five of the numbers."""
    problem = TransferProblem(**(values | dict(zip(PARAMETERS, x, strict=True))))
    at, best = predict(problem, 1.7), optimal_alpha(problem)
    return at.accuracy, at.risk, best.alpha, best.accuracy


@pytest.mark.parametrize("edge", EDGES)
def test_gradients_of_the_eight_numbers(edge):
    values = BASE | EDGES[edge]
    x = np.array([float(values[name]) for name in PARAMETERS])
    found = jax.jit(jax.jacrev(lambda x: jnp.stack(four(x, values))))(x)
    for i, direction in enumerate(np.eye(len(x))):
        expected = difference(lambda t, d=direction: np.array(four(x + t * d, values)), 0.0)
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-6, atol=1e-9)


def test_the_value_that_was_wrong():
    """p/n + γ = 1: by finite differences, computed once and for all."""
    f = lambda gamma: predict(TransferProblem(5000, 200, 100, 1.0, 1.0, 0.8, 1.0, gamma), 1.0).accuracy  # noqa: E731
    assert jax.grad(jax.jit(f))(0.5) == pytest.approx(difference(f, 0.5), rel=1e-7)


def test_gradient_by_alpha():
    f = lambda alpha: predict(TransferProblem(**BASE), alpha).accuracy  # noqa: E731
    assert jax.grad(f)(1.7) == pytest.approx(difference(f, 1.7), rel=1e-6)


MEANS = RNG.standard_normal((3, P)) / 2
SPECTRUM = np.linspace(0.3, 2, P)
MATRIX = (lambda A: A @ A.T / (2 * P) + 0.2 * np.eye(P))(RNG.standard_normal((P, 2 * P)))


def chain(means, spectrum, w, gamma):
    first = Fit(Population.two_classes(means[0], -means[0], covariance=spectrum), n=40, gamma=gamma)
    second = Fit(Population.two_classes(means[1], -means[1]), n=20, gamma=0.2, starts=[first], alpha=1.2)
    target = Population.two_classes(means[2], -means[2], covariance=spectrum[::-1], prior=0.4, flips=0.1)
    return predict(Fit(target, n=15, gamma=gamma, starts=[second, w]), [1.3, 0.5]).accuracy


def classes(means, matrix, gamma):
    source = Fit(Population.classes(means + 0.1, covariance=matrix), n=40, gamma=0.3)
    target = Population.classes(means, covariances=[matrix, matrix + np.eye(P), np.eye(P)], priors=[0.5, 0.3, 0.2])
    return predict(Fit(target, n=20, gamma=gamma, starts=[source], intercept=True), 0.8).accuracy


def regression(W, spectrum, sigma):
    source = Fit(Population.linear(W[:, ::-1], 0.3, covariance=spectrum), n=30, gamma=0.2)
    return predict(Fit(Population.linear(W, sigma, covariance=spectrum), n=14, gamma=0.1, starts=[source]), 0.6).risk


def grouped(mean, matrix):
    source = Fit(Population.two_classes(mean, -mean, covariance=matrix), n=30, gamma=0.4)
    groups = Group.split(source, np.arange(P) % 2)
    return predict(
        Fit(Population.two_classes(mean + 0.1, -mean - 0.1, covariance=matrix), n=15, gamma=0.2, starts=groups),
        [1.0, 0.4],
    ).accuracy


def with_only_this(name, x):
    """The risk of a fit in which nothing but weights, their noise or a chain's own scale is JAX's."""
    W, gamma = MEANS[:2].T, 0.3
    W, sigma, alpha = (W * x if name == "W" else W), (x if name == "sigma" else 0.4), (x if name == "alpha" else 0.7)
    chain = Fit(Population.linear(MEANS[1:].T, 0.3), n=30, gamma=gamma, starts=[W[::-1]], alpha=alpha)
    return predict(Fit(Population.linear(W, sigma), n=20, gamma=gamma, starts=[chain]), 0.5).risk


@pytest.mark.parametrize("name", ["W", "sigma", "alpha"])
def test_gradients_where_one_number_alone_is_jaxs(name):
    f = lambda x: with_only_this(name, x)  # noqa: E731
    assert jax.jit(jax.grad(f))(0.6) == pytest.approx(difference(f, 0.6), rel=1e-7)


def test_the_best_scale_of_a_regression_under_jit():
    best = lambda g: optimal_alpha(Fit(Population.linear(MEANS[0], 0.3), n=20, gamma=g, starts=[MEANS[1]])).alpha  # noqa: E731
    assert jax.jit(best)(0.3) == pytest.approx(best(0.3), rel=1e-9)


CASES = {
    "chain": (chain, (MEANS, SPECTRUM, RNG.standard_normal(P), 0.3)),
    "classes": (classes, (MEANS, MATRIX, 0.2)),
    "regression": (regression, (MEANS[:2].T, SPECTRUM, 0.5)),
    "groups": (grouped, (MEANS[0], MATRIX)),
}


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_by_means_spectra_matrices_and_weights(case):
    f, arguments = CASES[case]
    every = tuple(range(len(arguments)))
    value, gradients = jax.jit(jax.value_and_grad(f, every))(*map(jnp.asarray, arguments))
    assert float(value) == pytest.approx(float(f(*arguments)), rel=1e-9)
    for i, (argument, gradient) in enumerate(zip(arguments, gradients, strict=True)):
        direction = RNG.standard_normal(np.shape(argument))
        if np.shape(argument) == (P, P):
            direction = direction + direction.T
        along = lambda t, i=i, d=direction: f(*arguments[:i], arguments[i] + t * d, *arguments[i + 1 :])  # noqa: E731
        # By differences in NumPy: another code path, and no compilation.
        assert float(np.vdot(gradient, direction)) == pytest.approx(float(difference(along, 0.0)), rel=2e-6, abs=1e-9)


def at_best_thresholds(x):
    """Accuracies of laws that move with x: of opposite classes, of unlike ones, and where the threshold is infinite."""
    unlike = Population.two_classes(MEANS[0], MEANS[1], prior=x)
    xp = namespace(x)
    mean, variance = xp.stack([x + 0.5, x * x - 0.7])[:, None], xp.stack([1 + x * x, 0.6 - x / 4])[:, None, None]
    return xp.stack([
        moments(1 + x, 0.5 + x**2, 0.3 + x / 10).accuracy,
        describe(unlike, mean, variance, "best").accuracy,
        describe(unlike, mean / 100, variance * np.array([2.0, 1.9])[:, None, None], "best").accuracy,
    ])  # fmt: skip


def test_derivatives_at_the_best_threshold():
    f, expected = at_best_thresholds, lambda x: difference(at_best_thresholds, x, 1e-4)
    slopes, curvatures = jax.jit(lambda x: jax.jvp(jax.jacfwd(f), (x,), (1.0,)))(0.4)
    np.testing.assert_allclose(slopes, expected(0.4), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(curvatures, difference(expected, 0.4, 1e-4), rtol=1e-5, atol=1e-6)


def test_vmap_gives_numpys_numbers():
    f, arguments = CASES["groups"]
    stacked = tuple(jnp.stack([jnp.asarray(a)] * 2) for a in arguments)
    np.testing.assert_allclose(jax.jit(jax.vmap(f))(*stacked), [float(f(*arguments))] * 2, rtol=1e-9)


def test_problems_pass_through_jit_as_arguments():
    problem = TransferProblem(**BASE)
    fit = TransferProblem.from_means(
        MEANS[0], MEANS[1], n_source=40, n_target=20, gamma_source=0.3, gamma_target=0.2, cov_target=MATRIX
    )
    for made in (problem, fit):
        compiled = jax.jit(predict)(made, 1.7)
        assert float(compiled.accuracy) == pytest.approx(predict(made, 1.7).accuracy, rel=1e-10)
        assert np.shape(compiled.mean) == np.shape(predict(made, 1.7).mean)
    beta = np.linspace(-1, 1, 5)
    best = lambda b: optimal_alpha(TransferProblem(**(BASE | {"beta": b}))).alpha  # noqa: E731
    np.testing.assert_allclose(jax.jit(jax.vmap(best))(jnp.asarray(beta)), best(beta), rtol=1e-10, atol=1e-14)


def test_a_zero_source_has_a_finite_gradient():
    f = lambda w: optimal_alpha(TransferProblem.from_source(w, MEANS[0], n_target=20, gamma_target=0.3)).accuracy  # noqa: E731
    assert np.all(np.isfinite(jax.jit(jax.grad(f))(jnp.zeros(P))))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("beta", 1.5, "beta must lie in"),
        ("gamma_target", -0.05, "gamma_target must lie in"),
        ("mu", np.nan, "mu must lie in"),
    ],
)
def test_concrete_arrays_are_checked_like_numpys(name, value, words):
    with pytest.raises(ValueError, match=words):
        TransferProblem(**(BASE | {name: jnp.asarray(value)}))
    with pytest.raises(ValueError, match="interpolation threshold"):
        TransferProblem(**(BASE | {"gamma_target": jnp.asarray(0.0), "n_target": 400}))


@pytest.mark.parametrize(
    ("covariance", "words"),
    [
        (np.triu(np.ones((P, P))) + np.eye(P), "covariance must be symmetric"),
        (np.r_[-0.5, np.ones(P - 1)], "covariance must be positive semi-definite"),
        (np.eye(P) - 0.2, "covariance must be positive semi-definite"),
        (np.zeros(P), "covariance must be positive semi-definite and not zero"),
    ],
)
def test_concrete_covariances_are_checked_like_numpys(covariance, words):
    for given in (covariance, jnp.asarray(covariance), jnp.asarray(covariance, dtype=np.float32)):
        with pytest.raises(ValueError, match=words):
            Population.two_classes(MEANS[0], -MEANS[0], covariance=given)
    single = jnp.asarray(RNG.standard_normal((P, 2 * P)), dtype=np.float32)
    Population.two_classes(MEANS[0], -MEANS[0], covariance=single @ single.T)  # symmetric in single precision


def test_plain_calls_are_double_whatever_the_settings():
    expected = predict(TransferProblem(**BASE), 1.7).accuracy
    for x64 in (False, True):
        with jax.enable_x64(x64):
            result = predict(TransferProblem(**BASE), np.array([1.7]))
            assert result.accuracy.dtype == np.float64
            assert result.accuracy[0] == pytest.approx(expected, rel=1e-14)
            assert jax.config.jax_enable_x64 == x64


def test_single_precision_under_jax_is_the_users_choice():
    with jax.enable_x64(False):
        result = jax.jit(predict)(TransferProblem(**BASE), 1.7)
    assert result.accuracy.dtype == np.float32
    assert float(result.accuracy) == pytest.approx(predict(TransferProblem(**BASE), 1.7).accuracy, rel=1e-5)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import importlib.util; importlib.util.find_spec('jax');",
        "import jax;",
        "import rmt_alpha, importlib.util; importlib.util.find_spec('jax');",
    ],
)
def test_problems_are_pytrees_in_whatever_order_modules_are_imported(before):
    code = before + (
        "import rmt_alpha; p = rmt_alpha.TransferProblem(200, 20, 40, 1, 1, .5, 1, 1); import jax;"
        "print(float(jax.jit(rmt_alpha.predict)(p, 1.0).accuracy) - rmt_alpha.predict(p, 1.0).accuracy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert abs(float(done.stdout)) < 1e-6


def test_without_jax_all_else_works(tmp_path):
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("raise RuntimeError('this JAX cannot load')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import rmt_alpha; print(rmt_alpha.predict(rmt_alpha.TransferProblem(200, 20, 40, 1, 1, .5, 1, 1), 1.0).accuracy)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.5 < float(done.stdout) < 1


def searched(gamma):
    numbers = {"n_source": 60, "n_target": 20, "dim": 40, "mu": 1.0, "mu_orth": 1.0, "beta": 0.8, "gamma_source": 0.5}
    return (
        TransferProblem(**numbers, gamma_target=gamma, loss="logistic"),
        Fit(Population.classes(MEANS), n=20, gamma=gamma, starts=[MEANS.T]),
        Fit(Population.classes(MEANS), n=20, gamma=gamma, starts=[MEANS.T], rank=1),
    )


@pytest.mark.parametrize("case", range(3))
def test_a_search_for_the_best_alpha_takes_what_is_known_and_refuses_tracers_by_name(case):
    found, expected = (optimal_alpha(searched(gamma)[case]) for gamma in (jnp.asarray(0.5), 0.5))
    assert (found.alpha, found.accuracy) == pytest.approx((expected.alpha, expected.accuracy), rel=1e-9)
    with pytest.raises(TypeError, match="must be known where the best α is found by a search"):
        jax.jit(lambda gamma: optimal_alpha(searched(gamma)[case]).alpha)(0.5)


def test_groups_stay_parts_of_one_training_where_a_search_converts_them():
    def fit(gamma):
        groups = Group.split(Fit(opposite(MATRIX), n=30, gamma=gamma), np.arange(P) % 2)
        return Fit(Population.two_classes(MEANS[1], MEANS[2], covariance=MATRIX), n=15, gamma=0.2, starts=groups)

    for gamma in (0.5, jnp.asarray(0.5)):
        best = optimal_alpha(fit(gamma))
        assert best.accuracy == pytest.approx(predict(fit(0.5), best.alpha).accuracy, rel=1e-9)
        found = optimal_penalty(fit(gamma), "target", alpha=[1.0, 0.5])
        same = dataclasses.replace(fit(0.5), gamma=found.problem.gamma)
        assert found.accuracy == pytest.approx(predict(same, [1.0, 0.5]).accuracy, rel=1e-9)


def test_what_numpy_computes_refuses_tracers_by_name():
    mu = np.full(30, 0.2)
    fit = Fit(Population.classes(np.eye(3, 30)), n=60, gamma=1.0, starts=[np.eye(30, 3)])
    two = Fit(Population.two_classes(mu, -mu), n=60, gamma=1.0, starts=[mu])
    for call in (
        lambda a: predict(dataclasses.replace(fit, rank=1), a).accuracy,
        lambda a: rank_path(fit, a).risk,
        lambda a: errors(two, a).training,
        lambda a: predict(two, a, finite=True).accuracy,
        lambda a: predict(two, a, spread=True).accuracy_sd,
        lambda a: predict(two, a, noise="rademacher").accuracy,
        lambda a: simulate(two, a, n_trials=2).accuracy,
    ):
        with pytest.raises(TypeError, match="alpha must be known here, got a JAX tracer"):
            jax.jit(call)(1.0)
    for options in ({"finite": True}, {"spread": True}, {"noise": "rademacher"}):
        call = lambda g, options=options: predict(dataclasses.replace(two, gamma=g), 1.0, **options).accuracy  # noqa: E731
        with pytest.raises(TypeError, match="problem must be known here, got a JAX tracer"):
            jax.grad(call)(1.0)
        assert call(jnp.asarray(1.0)) == pytest.approx(call(1.0), rel=1e-12)
    for simulated in (
        lambda f: simulate(f, 1.0, n_trials=2).risk,
        lambda f: draw(f, n_trials=2).c,
        lambda f: simulate_optimal_alpha(f).risk,
    ):
        with pytest.raises(TypeError, match="problem must be known here, got a JAX tracer"):
            jax.grad(lambda g, of=simulated: of(dataclasses.replace(two, gamma=g)))(1.0)
    with pytest.raises(TypeError, match="fit must be known here, got a JAX tracer"):
        jax.jit(lambda n: draw_eigenvalues(dataclasses.replace(two, n=n)))(60)
    with pytest.raises(TypeError, match="delta must be known here, got a JAX tracer"):
        jax.jit(lambda d: draw_many_outputs(ManyOutputs(30, 60, 3, 1.0, 1.0), d, 1).risk)(np.eye(30, 3))
    unknown = Fit(Population.two_classes(jnp.asarray(mu), -mu), n=60, gamma=1.0, starts=[mu])
    for options in ({"spread": True}, {"noise": "rademacher"}):
        with pytest.raises(ValueError, match=r"opposite classes \(of NumPy means: JAX's are not known to be\)"):
            predict(unknown, 1.0, **options)
    with pytest.raises(TypeError, match="moments must be known here"):
        jax.jit(lambda a: log_loss(predict(fit, a)))(1.0)
    with pytest.raises(TypeError, match="t must be known here"):
        jax.jit(lambda t: stopped_form(two, t).moments(1.0).accuracy)(1.0)


def test_gradient_by_the_priors_of_many_classes():
    means = 2 * np.eye(3, 30)

    @jax.jit
    def risk(x):
        priors = jnp.stack([x, 0.3 + 0 * x, 0.7 - x])
        return predict(Fit(Population.classes(means, priors=priors), n=60, gamma=1.0)).risk

    with jax.enable_x64(True):
        slope = (risk(jnp.asarray(0.2 + 1e-5)) - risk(jnp.asarray(0.2 - 1e-5))) / 2e-5
        assert float(jax.grad(risk)(0.2)) == pytest.approx(float(slope), rel=1e-6)


COMPILED: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: COMPILED.append(event) if "backend_compile" in event else None
)


@pytest.mark.parametrize(
    "f",
    [
        lambda gamma: predict(TransferProblem(**(BASE | {"gamma_target": gamma}), loss="logistic"), 0.7),
        lambda gamma: predict(Fit(opposite(SPECTRUM), 15, gamma, starts=[MEANS[1]], loss="huber"), 0.7),
        lambda gamma: predict(Fit(opposite(MATRIX), 15, gamma, starts=[Fit(opposite(MATRIX), 30, 0.4)]), 0.7),
        lambda gamma: predict(Fit(opposite(jnp.asarray(MATRIX)), 15, gamma, starts=[MEANS[1]]), 0.7),
    ],
    ids=["loss", "loss and spectrum", "matrix", "JAX matrix"],
)
def test_arrays_are_compiled_for_once(f):
    f(jnp.array(0.3))
    COMPILED.clear()
    f(jnp.array(0.5))
    assert not COMPILED
    jax.jit(lambda x: x + 1.5)(1.0)
    assert COMPILED  # it does see what is compiled


def opposite(covariance):
    return Population.two_classes(MEANS[0], -MEANS[0], covariance=covariance)
