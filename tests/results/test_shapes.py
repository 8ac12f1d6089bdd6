"""Shapes are what the annotations of public and inner types say, for every kind of problem."""

import dataclasses

import numpy as np
import pytest

from rmt_alpha import (
    Fit,
    Group,
    Population,
    TransferProblem,
    draw,
    optimal_alpha,
    predict,
    simulate,
    simulate_optimal_alpha,
)
from rmt_alpha.results import Optimum
from rmt_alpha.simulation import dense
from rmt_alpha.theory import stage
from tests.shapes import check

P = 12
MEANS = np.random.default_rng(0).standard_normal((3, P)) / 2
MU, NU = MEANS[:2]
SOURCE = Fit(Population.two_classes(MU, -MU), n=20, gamma=1.0)
CLASSES = Population.classes(MEANS)
LINE = Population.linear(MEANS.T, 0.5)
PROBLEMS = {
    "eight numbers": TransferProblem(20, 8, P, 1.0, 1.0, [0.0, 0.5, 0.9], 1.0, 0.5),
    "opposite": Fit(Population.two_classes(NU, -NU), n=8, gamma=0.5, starts=[SOURCE]),
    "arrays": Fit(Population.two_classes(NU, -NU), n=[8, 9], gamma=0.5, starts=[SOURCE]),
    "several": Fit(Population.two_classes(NU, -NU), n=8, gamma=0.5, starts=[SOURCE, MU]),
    "groups": Fit(Population.two_classes(NU, -NU), n=8, gamma=0.5, starts=Group.split(SOURCE, np.arange(P) % 2)),
    "logistic": Fit(Population.two_classes(NU, -NU), n=8, gamma=0.5, starts=[SOURCE], loss="logistic"),
    "unlike": Fit(
        Population.two_classes(MU, NU, covariances=[np.arange(1.0, P + 1), None]), n=8, gamma=0.5, starts=[SOURCE]
    ),
    "classes": Fit(CLASSES, n=15, gamma=0.5, starts=[Fit(CLASSES, n=20, gamma=1.0)], intercept=True),
    "per output": Fit(LINE, n=15, gamma=0.5, starts=[Fit(LINE, n=20, gamma=1.0)], per="output"),
}


def asked(problem, points=4):
    """An array of α, (points, …), and its own entries."""
    entries = (problem.n_alpha,) if problem.n_alpha > 1 else ()
    return np.ones((points, *(1 for _ in problem.shape), *entries)), entries


@pytest.mark.parametrize("kind", PROBLEMS)
def test_problems_and_results(kind):
    problem = PROBLEMS[kind]
    alpha, entries = asked(problem)
    shape = {"*shape": (4, *problem.shape)}
    check(predict(problem, alpha), **shape)
    check(simulate(problem, alpha, n_trials=3), **shape)
    one = {"*shape": problem.shape, "*entries": entries}
    check(optimal_alpha(problem), **one)
    check(simulate_optimal_alpha(problem, n_trials=3), **one)
    if isinstance(problem, Fit):
        q = check(problem.population)["q"]
        for start in problem.starts:
            if isinstance(start, Group):
                assert check(start)["p"] == P
        if problem.is_squared:
            trained = stage.train(problem)
            batch = {"*batch": problem.shape}
            assert check(trained, **batch)["m"] == (len(problem.starts) + 1) * q
            check(trained.law(np.ones((len(problem.starts) + 1, q))), **batch)
            if not problem.shape:
                scores = {"*scores": (), "*products": ()} if q == 1 and problem.population.is_opposite else {}
                form = check(draw(problem, n_trials=3), **(scores or {"*batch": (3,)}))
                assert form["A"] == len(problem.starts) + 1 and form["*batch"] == (3,)


def test_a_trained_fit():
    fit = PROBLEMS["classes"]
    conditions = dense.Conditions()
    trained = dense.train(fit, np.random.default_rng(0), conditions, np.ones((5, 1)), np.asarray)
    found = check(trained)
    assert (found["A"], found["rows"], found["q"]) == (5, P + 1, 3)


def test_the_check_sees_faults():
    found = optimal_alpha(PROBLEMS["several"])
    assert isinstance(found, Optimum)
    with pytest.raises(AssertionError, match=r"Optimum.direction"):
        check(dataclasses.replace(found, direction=np.zeros(3)), **{"*shape": ()})
    with pytest.raises(AssertionError, match=r"Optimum.risk"):
        check(dataclasses.replace(found, risk=np.zeros(3)), **{"*shape": ()})
