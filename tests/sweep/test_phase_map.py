"""Maps over two numbers of any problem, and the names of a problem's numbers."""

import dataclasses

import numpy as np
import pytest

from rmt_alpha import Fit, Group, Population, TransferProblem, optimal_alpha, predict
from rmt_alpha.sweep import phase_map
from rmt_alpha.sweep.fields import numbers_of, structure, with_numbers

E = np.eye(4, 30)
PROBLEM = TransferProblem(500, 40, 100, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)


def opposite(mean):
    return Population.two_classes(mean, -mean)


SOURCE = Fit(opposite(E[0]), n=100, gamma=0.5)
SEVERAL = Fit(
    opposite(E[0] + E[1]),
    n=20,
    gamma=0.1,
    starts=[dataclasses.replace(SOURCE, starts=[SOURCE], alpha=0.3), E[2], SOURCE],
)
CLASSES = Fit(Population.classes(E[1:]), n=20, gamma=0.1, starts=[Fit(Population.classes(E[:3]), n=200, gamma=1.0)])
GROUPS = Fit(opposite(E[0]), n=20, gamma=0.3, starts=Group.split(SOURCE, np.arange(30) % 2))
REGRESSION = Fit(
    Population.linear(E[:2].T, 0.5), n=20, gamma=0.3, starts=[Fit(Population.linear(E[1:3].T, 0.1), n=50, gamma=0.1)]
)


@pytest.mark.parametrize(
    ("problem", "axes"),
    [
        (PROBLEM, {"n_target": [40, 400], "beta": [0.0, 0.5, 0.9]}),
        (SEVERAL, {"gamma": [0.1, 1.0], "source_0_source_gamma": [0.2, 2.0, 20.0]}),
        (CLASSES, {"source_n": [50, 500], "gamma": [0.1, 1.0]}),
        (GROUPS, {"source_n": [50, 500], "n": [10, 20]}),
        (REGRESSION, {"n": [10, 50], "source_gamma": [0.1, 1.0]}),
    ],
    ids=["numbers", "several", "classes", "groups", "regression"],
)
def test_every_cell_is_that_of_its_problem(problem, axes):
    found = phase_map(problem, **axes)
    (x, at_x), (y, at_y) = axes.items()
    assert found.gain_over_1.dims == (y, x)
    for i, j in np.ndindex(len(at_y), len(at_x)):
        cell = with_numbers(problem, {x: at_x[j], y: at_y[i]})
        here = found.isel({x: j, y: i})
        best = optimal_alpha(cell)
        quantity, sign = ("risk", -1) if best.accuracy is None else ("accuracy", 1)
        at_best = getattr(best, quantity)
        ones = np.ones(cell.n_alpha) if isinstance(cell, Fit) and cell.n_alpha > 1 else 1.0
        one, zero = (getattr(predict(cell, a * ones), quantity) for a in (1.0, 0.0))
        np.testing.assert_allclose(here.alpha, best.alpha, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(
            [here[quantity], here[f"{quantity}_at_1"], here[f"{quantity}_at_0"]], [at_best, one, zero], rtol=1e-9
        )
        np.testing.assert_allclose(
            [here.gain_over_1, here.gain_over_0], sign * (at_best - np.array([one, zero])), atol=1e-9
        )


def test_names():
    assert list(numbers_of(SEVERAL)) == [
        "n", "gamma", "source_0_n", "source_0_gamma", "source_0_source_n", "source_0_source_gamma",
        "source_1_n", "source_1_gamma", "source_0_alpha",
    ]  # fmt: skip
    changed = with_numbers(SEVERAL, {"source_0_source_gamma": 7.0, "source_1_n": 9})
    assert changed.starts[0].starts[0].gamma == 7.0 and changed.starts[2].n == 9 and changed.starts[2].gamma == 0.5
    assert changed.starts[0].n == 100 and changed != SEVERAL and structure(changed) == structure(SEVERAL)
    assert structure(GROUPS) != structure(dataclasses.replace(GROUPS, loss="logistic"))


def test_groups_stay_parts_of_one_training():
    changed = with_numbers(GROUPS, {"source_n": 7})
    assert changed.starts[0].start is changed.starts[1].start and changed.starts[0].start.n == 7


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ({"n_target": [1, 2]}, "two numbers of the problem must vary, got n_target"),
        ({"n_target": [1, 2], "bata": [0.1]}, "got 'bata'. Did you mean 'beta'"),
        ({"n_target": [1, 2], "beta": 0.1}, "beta must be a vector"),
        ({"n_target": [1, 2], "beta": [3.0]}, r"beta must lie in \[-1, 1\]"),
    ],
)
def test_bad_maps(axes, text):
    with pytest.raises(ValueError, match=text):
        phase_map(PROBLEM, **axes)
