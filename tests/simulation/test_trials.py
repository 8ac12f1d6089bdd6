"""A trial is a function of problem, seed and index: not of how many are asked for, in what pieces, by whom."""

import numpy as np
import pytest

from rmt_alpha import TransferProblem, draw, simulate
from rmt_alpha.simulation import chain

PROBLEM = TransferProblem(60, 20, 40, 1.0, 1.0, 0.8, 0.5, 0.5)


@pytest.mark.parametrize(("method", "few", "many"), [("chain", 10, chain.TRIALS + 30), ("dense", 3, 20)])
def test_more_trials_begin_with_the_fewer(method, few, many):
    short, long = (draw(PROBLEM, n_trials=n, seed=3, method=method) for n in (few, many))
    assert long.c.shape == (2, many) and long.M.shape == (2, 2, many)
    np.testing.assert_array_equal(short.c, long.c[:, :few])
    np.testing.assert_array_equal(short.M, long.M[..., :few])
    assert len(np.unique(long.c[0])) == many


def test_seeds_and_problems_have_their_own_trials():
    other = TransferProblem(60, 20, 40, 1.0, 1.0, 0.8, 0.5, 0.6)
    draws = [draw(*a, n_trials=5, seed=s).c[0] for *a, s in ((PROBLEM, 0), (PROBLEM, 1), (other, 0))]
    assert len(np.unique(draws)) == 15


@pytest.mark.parametrize(("method", "n_trials"), [("chain", 2 * chain.TRIALS + 5), ("dense", 40)])
def test_workers_change_no_bit(method, n_trials):
    problem = TransferProblem(60, np.array([[20], [30]]), 40, 1.0, 1.0, 0.8, 0.5, 0.5)
    alone, together = (
        simulate(problem, [0.0, 1.0, 2.0], n_trials=n_trials, method=method, workers=workers) for workers in (1, 2)
    )
    for name in ("mean", "variance", "accuracy", "risk", "mean_se", "variance_se", "accuracy_se", "risk_se"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))
    form, same = (draw(PROBLEM, n_trials=n_trials, method=method, workers=workers) for workers in (1, 2))
    np.testing.assert_array_equal(form.M, same.M)


def test_standard_errors_are_those_of_the_single_trials():
    n_trials = chain.TRIALS + 100
    sim, form = simulate(PROBLEM, 1.5, n_trials=n_trials), draw(PROBLEM, n_trials=n_trials)
    values = form.moments(1.5).variance
    np.testing.assert_allclose(sim.variance, values.mean(), rtol=1e-13)
    np.testing.assert_allclose(sim.variance_se, values.std(ddof=1) / np.sqrt(n_trials), rtol=1e-12)


@pytest.mark.parametrize(("option", "value"), [("workers", 0), ("workers", 1.5), ("backend", "torch")])
def test_options_are_checked(option, value):
    with pytest.raises(ValueError, match=option):
        simulate(PROBLEM, 1.0, n_trials=2, **{option: value})


def test_penalties_that_drown_in_rounding_are_left_to_the_dense_engine():
    tiny = TransferProblem(60, 30, 40, 1.0, 1.0, 0.8, 0.5, 1e-20)
    assert simulate(tiny, 1.0, n_trials=2).method == "dense"
    with pytest.raises(ValueError, match="≥ 1e-13"):
        draw(tiny, method="chain")
