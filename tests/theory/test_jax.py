"""The same functions under JAX: gradients against finite differences, transformations, and whose precision it is."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rmt_alpha import TransferProblem, optimal_alpha, predict

BASE = dict(n_source=2000, n_target=200, dim=400, mu=1.2, mu_orth=0.9, beta=0.6, gamma_source=1.0, gamma_target=0.3)
PARAMETERS = ("beta", "gamma_target", "gamma_source", "mu", "mu_orth")


def accuracy(name):
    return lambda x: predict(TransferProblem(**(BASE | {name: x})), 1.7).accuracy


def best(name):
    return lambda x: optimal_alpha(TransferProblem(**(BASE | {name: x}))).best


def difference(f, x, step=1e-5):
    return (f(x + step) - f(x - step)) / (2 * step)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("quantity", [accuracy, best])
def test_gradients(name, quantity):
    f, x = quantity(name), BASE[name]
    with jax.enable_x64(True):
        assert jax.grad(f)(x) == pytest.approx(difference(f, x), rel=1e-6)


def test_gradient_by_alpha():
    def f(alpha):
        return predict(TransferProblem(**BASE), alpha).accuracy

    with jax.enable_x64(True):
        assert jax.grad(f)(1.7) == pytest.approx(difference(f, 1.7), rel=1e-6)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("quantity", ["accuracy", "best"])
def test_gradients_with_covariances(index, quantity):
    p = 40
    lam = np.linspace(0.2, 2, p)

    def f(gamma_target, gamma_source):
        made = TransferProblem.from_means(np.full(p, 0.2), np.full(p, 0.15), n_source=80, n_target=30, gamma_source=gamma_source,
                                          gamma_target=gamma_target, cov_source=lam, cov_target=lam[::-1].copy())  # fmt: skip
        return predict(made, 1.3).accuracy if quantity == "accuracy" else optimal_alpha(made).best

    at = [0.3, 0.2]
    with jax.enable_x64(True):
        found = jax.jit(jax.grad(f, index))(*at)
    along = lambda x: f(*(x if i == index else v for i, v in enumerate(at)))  # noqa: E731
    assert found == pytest.approx(difference(along, at[index]), rel=1e-6)


def test_jit_of_a_problem_and_vmap():
    with jax.enable_x64(True):
        compiled = jax.jit(predict)(TransferProblem(**BASE), 1.7)
        assert compiled.accuracy == pytest.approx(predict(TransferProblem(**BASE), 1.7).accuracy, rel=1e-12)
        beta = np.linspace(-1, 1, 5)
        np.testing.assert_allclose(
            jax.vmap(best("beta"))(jnp.asarray(beta)), best("beta")(beta), rtol=1e-10, atol=1e-14
        )


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


def test_import_is_quick():
    code = "import time; t = time.perf_counter(); import rmt_alpha; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(runs) < 1.0


def test_a_problem_made_before_jax_is_imported_is_a_pytree():
    code = (
        "import rmt_alpha; p = rmt_alpha.TransferProblem(200, 20, 40, 1, 1, .5, 1, 1); import sys; assert 'jax' not in sys.modules;"
        "import jax; print(float(jax.jit(rmt_alpha.predict)(p, 1.0).accuracy) - rmt_alpha.predict(p, 1.0).accuracy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert abs(float(done.stdout)) < 1e-6
