"""Bad input: every message names the parameter, the value, what is permitted and what to do."""

import numpy as np
import pytest

from rmt_alpha import ScoreForm, TransferProblem, draw, optimal_alpha, predict, simulate

GOOD = dict(n_source=50, n_target=20, dim=30, mu=1.0, mu_orth=1.0, beta=0.5, gamma_source=1.0, gamma_target=1.0)

BAD_NUMBERS = [
    ("n_source", 0, r"n_source must lie in \[1, .*got 0"),
    ("n_target", -3, r"n_target must lie in \[1, .*got -3"),
    ("n_target", 2.5, "n_target must be a whole number of at least 1, got 2.5"),
    ("dim", 1, r"dim must lie in \[2, .*got 1"),
    ("dim", np.nan, r"dim must lie in .*got nan"),
    ("mu", -0.1, r"mu must lie in \[0, .*got -0.1.*norm"),
    ("mu_orth", np.inf, r"mu_orth must lie in \[0, .*got inf"),
    ("beta", 1.01, r"beta must lie in \[-1, 1\], got 1.01.*cosine"),
    ("beta", np.array([0.1, np.nan]), r"beta must lie in .*got nan \(at index \(1,\)\)"),
    ("gamma_source", -1e-9, r"gamma_source must lie in \[0, "),
    ("gamma_target", np.inf, r"gamma_target must lie in \[0, .*got inf"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD_NUMBERS)
def test_numbers_out_of_range(name, value, message):
    with pytest.raises(ValueError, match=message):
        TransferProblem(**(GOOD | {name: value}))


@pytest.mark.parametrize("value", ["1", None, 1j, object(), [[1], [1, 2]]])
def test_numbers_of_the_wrong_type(value):
    with pytest.raises(TypeError, match="gamma_target must be a real number"):
        TransferProblem(**(GOOD | {"gamma_target": value}))


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"must broadcast .*beta: \(3,\), gamma_target: \(2,\)"):
        TransferProblem(**(GOOD | {"beta": np.zeros(3), "gamma_target": np.ones(2)}))
    with pytest.raises(ValueError, match="must broadcast"):
        simulate(TransferProblem(**(GOOD | {"beta": np.zeros(3)})), np.zeros(2))


@pytest.mark.parametrize("stage", ["source", "target"])
def test_ridgeless_at_the_interpolation_threshold(stage):
    with pytest.raises(ValueError, match=f"gamma_{stage} must be positive where n_{stage} equals dim, got 0"):
        TransferProblem(**(GOOD | {f"gamma_{stage}": 0.0, f"n_{stage}": 30}))
    TransferProblem(**(GOOD | {f"gamma_{stage}": 0.0, f"n_{stage}": 31}))


def means(**changes):
    options = dict(n_source=50, n_target=20, gamma_source=1.0, gamma_target=1.0) | changes
    return TransferProblem.from_means(np.ones(4), np.ones(4), **options)


@pytest.mark.parametrize(
    ("cov", "message"),
    [
        (np.ones(3), r"cov_target must have shape \(4,\) .* or \(4, 4\) .*got \(3,\)"),
        (np.triu(np.ones((4, 4))), "cov_target must be symmetric"),
        (np.diag([1.0, 1, 1, -1]), "cov_target must be positive semi-definite"),
        (np.zeros(4), "cov_target must be positive semi-definite and not zero"),
        (np.array([1.0, 1, 1, np.nan]), r"cov_target must lie in .*got nan"),
    ],
)
def test_bad_covariances(cov, message):
    with pytest.raises(ValueError, match=message):
        means(cov_target=cov)


def test_singular_covariance_needs_a_penalty():
    singular = np.array([0.0, 1, 1, 1])
    assert np.isfinite(predict(means(cov_target=singular), 1.0).accuracy)
    with pytest.raises(ValueError, match="gamma_target must be positive where cov_target is singular"):
        means(cov_target=singular, gamma_target=0.0)


def test_vectors_that_do_not_fit():
    with pytest.raises(ValueError, match=r"mean_source must be a vector of shape \(4,\), got shape \(3,\)"):
        TransferProblem.from_means(np.ones(3), np.ones(4), n_source=5, n_target=5, gamma_source=1, gamma_target=1)
    with pytest.raises(ValueError, match=r"w_source must have shape \(4,\)"):
        TransferProblem.from_source(np.ones(3), np.ones(4), n_target=5, gamma_target=1)


@pytest.mark.parametrize("alpha", [np.nan, np.inf, -np.inf, 1e101])
def test_alpha_out_of_range(alpha):
    for call in (predict, simulate):
        with pytest.raises(ValueError, match="alpha must lie in"):
            call(TransferProblem(**GOOD), alpha)


def test_bad_options_of_simulate():
    problem = TransferProblem(**GOOD)
    for options, message in (
        ({"n_trials": 1}, r"n_trials must lie in \[2, .*got 1"),
        ({"method": "fast"}, "method must be one of 'auto', 'chain', 'dense', got 'fast'"),
        ({"noise": "cauchy"}, "noise must be one of 'gaussian', 'rademacher', 'student', got 'cauchy'"),
        ({"labels": "odd"}, "labels must be one of 'balanced', 'random', got 'odd'"),
        ({"method": "chain", "noise": "student"}, "method 'chain' needs Gaussian noise.*Use method='dense'"),
        ({"seed": -1}, "seed must lie in"),
    ):
        with pytest.raises(ValueError, match=message):
            simulate(problem, 1.0, **options)
    with pytest.raises(ValueError, match="method 'chain' needs positive penalties"):
        simulate(TransferProblem(**(GOOD | {"gamma_target": 0.0})), 1.0, method="chain")
    with pytest.raises(ValueError, match="method 'chain' needs identity covariances"):
        simulate(means(cov_target=np.arange(1.0, 5.0)), 1.0, method="chain")


def test_drawing_needs_one_problem():
    with pytest.raises(ValueError, match=r"problem must be scalar .*got shape \(2,\)"):
        draw(TransferProblem(**(GOOD | {"beta": np.array([0.1, 0.2])})))


def test_several_sources_need_as_many_alphas():
    form = ScoreForm(np.ones(3), np.eye(3))
    with pytest.raises(ValueError, match=r"alpha must have one entry a source, shape \(\.\.\., 2\)"):
        form.moments(np.ones(3))


def test_no_signal_is_no_error():
    best = optimal_alpha(TransferProblem(**(GOOD | {"mu": 0.0, "mu_orth": 0.0})))
    assert (best.best, best.accuracy) == (0.0, 0.5)
