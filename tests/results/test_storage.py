"""Files of problems and results: equal when read, refused when damaged, never a pickle."""

import jax.numpy as jnp
import numpy as np
import pytest

import rmt_alpha as rmt
from rmt_alpha import Fit, Group, Population, TransferProblem, load, optimal_alpha, predict, save, simulate
from rmt_alpha.estimate import load_classifier
from rmt_alpha.problem.losses import HuberHinge

A = np.random.default_rng(0).standard_normal((20, 60))
C = A @ A.T / 60


def problems():
    source = Fit(Population.two_classes(A[:, 0], -A[:, 0], covariance=C), n=np.array([30, 40]), gamma=1.0)
    yield TransferProblem(50, 20, 30, 1.0, 1.0, np.array([0.1, 0.2]), 1.0, 1.0, loss=HuberHinge(1.5))
    yield Fit(
        Population.two_classes(A[:, 1], A[:, 2], covariances=[C, None], prior=0.3, flips=0.1),
        n=20,
        gamma=0.1,
        starts=[source, A[:, 3]],
    )
    yield Fit(
        Population.linear(A[:, :2], 0.5, covariance=np.linspace(1, 2, 20)),
        n=9,
        gamma=1.0,
        starts=[Group(A[:, 2:4], np.arange(20) < 9)],
    )
    yield Fit(
        Population.classes(A[:, :3].T),
        n=9,
        gamma=1.0,
        starts=[A[:, 4:7]],
        rank=2,
        intercept=True,
        per="output",
        alpha=[1.0, 2.0, 3.0],
    )


@pytest.mark.parametrize("problem", list(problems()), ids=range(4))
def test_problems_come_back_equal(problem, tmp_path):
    save(tmp_path / "p.json", problem)
    back = load(tmp_path / "p.json")
    assert back == problem and hash(back) == hash(problem)
    if not isinstance(problem, TransferProblem):
        alpha = np.ones(problem.n_alpha) if problem.n_alpha > 1 else 1.0
        np.testing.assert_allclose(predict(back, alpha).risk, predict(problem, alpha).risk, rtol=1e-13)


def test_a_covariance_comes_back_equal(tmp_path):
    for covariance in (rmt.Covariance(C, 20), rmt.Covariance(None, 20)):
        save(tmp_path / "c", covariance)
        assert load(tmp_path / "c") == covariance


def test_results_come_back_to_the_bit(tmp_path):
    problem = TransferProblem(50, 20, 30, 1.0, 1.0, 0.5, 1.0, 1.0)
    for made in (
        predict(problem, [0.0, 1.0]),
        simulate(problem, [0.0, 1.0], n_trials=8),
        optimal_alpha(problem),
        rmt.optimal_penalty(problem, "target", alpha=1.0),
        rmt.draw(problem, n_trials=4),
    ):
        save(tmp_path / "r.json", made)
        back = load(tmp_path / "r.json")
        assert type(back) is type(made)
        for name, value in vars(made).items():
            if isinstance(value, np.ndarray | float):
                np.testing.assert_array_equal(getattr(back, name), value)
    far = rmt.Optimum(np.inf, 0.9, 0.1, True, 1.0, 0.5, 1.0)
    save(tmp_path / "far.json", far)
    assert load(tmp_path / "far.json").alpha == np.inf


def test_what_cannot_be_written_is_refused(tmp_path):
    class Own(rmt.Loss):
        name = "own"

        def value(self, t):
            return (1 - t) ** 2 / 2

        def slope(self, t):
            return t - 1

        def curvature(self, t):
            return np.ones_like(t)

    with pytest.raises(TypeError, match="loss must be one of this library's"):
        save(tmp_path / "p.json", TransferProblem(50, 20, 30, 1.0, 1.0, 0.5, 1.0, 1.0, loss=Own()))
    with pytest.raises(TypeError, match="thing must be a problem or a result"):
        save(tmp_path / "p.json", {"a": 1})
    with pytest.raises(OSError, match="nowhere"):
        save("/dev/null/nowhere", TransferProblem(50, 20, 30, 1.0, 1.0, 0.5, 1.0, 1.0))


def test_numbers_of_jax_stay_numbers(tmp_path):
    fit = Fit(Population.two_classes(np.ones(3), -np.ones(3)), n=5, gamma=jnp.array(0.5))
    save(tmp_path / "fit", fit)
    assert load(tmp_path / "fit") == fit and load(tmp_path / "fit").shape == ()


@pytest.mark.parametrize("path", [None, 5, b"a.json", ""])
@pytest.mark.parametrize("call", [load, load_classifier, lambda path: save(path, Population.classes(np.eye(3)))])
def test_a_path_that_is_none_is_named(call, path):
    with pytest.raises(TypeError, match="path must be a path, got "):
        call(path)
