"""Groups of one fit are parts of one training wherever the fit goes, and of another one they are not."""

import dataclasses
import pickle

import jax
import numpy as np
import pytest

from rmt_alpha import (
    Fit,
    Group,
    Population,
    compare,
    load,
    optimal_alpha,
    optimal_penalty,
    predict,
    save,
    simulate,
    simulate_optimal_alpha,
)
from rmt_alpha._arrays import in_numpy
from rmt_alpha.sweep import sweep

from .sweep.sweep_executors import Inline

P = 200
PAIRS = np.kron(np.eye(P // 2), [[1, 0.95], [0.95, 1]])  # the two of a pair are in different groups
mean = np.random.default_rng(0).standard_normal(P)
mean *= 0.3 / np.linalg.norm(mean)
POPULATION = Population.two_classes(mean, -mean, covariance=PAIRS)
SOURCE = Fit(POPULATION, n=100, gamma=0.1)
ONE = Fit(POPULATION, n=50, gamma=1.0, starts=Group.split(SOURCE, np.arange(P) % 2))
TWO = dataclasses.replace(ONE, starts=[ONE.starts[0], Group(dataclasses.replace(SOURCE), ONE.starts[1].mask)])
ALPHA = np.ones(2)
ONE_RISK, TWO_RISK = 1.8379, 1.6393


def risk(fit):
    return float(predict(fit, ALPHA).risk)


def test_one_training_is_another_problem_than_two():
    for fit, expected in ((ONE, ONE_RISK), (TWO, TWO_RISK)):
        assert risk(fit) == pytest.approx(expected, abs=1e-4)
        assert compare(predict(fit, ALPHA), simulate(fit, ALPHA, n_trials=60)).max_abs < 4
    assert ONE != TWO and hash(ONE) != hash(TWO)
    again = dataclasses.replace(ONE, starts=Group.split(dataclasses.replace(SOURCE), np.arange(P) % 2))
    assert ONE == again and hash(ONE) == hash(again)


def saved(fit, tmp_path):
    save(tmp_path / "fit", fit)
    return load(tmp_path / "fit")


WAYS = {
    "a file": saved,
    "a worker": lambda fit, _: pickle.loads(pickle.dumps(fit)),
    "a map of its numbers": lambda fit, _: jax.tree_util.tree_map(lambda x: x, fit),
    "NumPy": lambda fit, _: in_numpy(fit),
    "a cell": lambda fit, _: next(dataclasses.replace(fit, n=np.array([50])).cells()),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_stays_so(way, tmp_path):
    for fit in (ONE, TWO):
        back = WAYS[way](fit, tmp_path)
        assert back == fit and back.parts == fit.parts
        assert risk(back) == pytest.approx(risk(fit), rel=1e-12)


def test_it_stays_so_under_jax():
    with jax.enable_x64(True):
        ask = jax.jit(lambda fit, alpha: predict(fit, alpha).risk)
        for fit in (ONE, TWO):
            assert float(ask(fit, ALPHA)) == pytest.approx(risk(fit), rel=1e-9)


def test_searches_ask_the_fit_that_they_were_given():
    for fit in (ONE, TWO):
        found = optimal_penalty(fit, "target", alpha=ALPHA, bounds=(0.1, 10.0))
        assert found.risk == pytest.approx(risk(found.problem), rel=1e-12)
        assert found.problem == dataclasses.replace(fit, gamma=found.problem.gamma)
        best, theory = simulate_optimal_alpha(fit, n_trials=100), optimal_alpha(fit)
        assert np.abs((best.alpha - theory.alpha) / best.alpha_se).max() < 4
        assert best.risk == pytest.approx(simulate(fit, best.alpha, n_trials=100).risk, rel=1e-9)


def test_a_store_keeps_them_apart(tmp_path):
    stored = [sweep(fit, ALPHA, n_trials=40, store=tmp_path, executor=Inline()) for fit in (ONE, TWO)]
    for data, fit in zip(stored, (ONE, TWO), strict=True):
        assert float(data.sim_risk) == pytest.approx(risk(fit), abs=4 * float(data.sim_risk_se))


def test_a_mask_is_the_group_s_own():
    mask = np.arange(P) % 2 == 0
    group = Group(mean, mask)
    mask[:] = True
    assert group == Group(mean, np.arange(P) % 2 == 0) and np.count_nonzero(group.mask) == P // 2


def short(dim, **options):
    """Two groups of a trained source, whose means are the first 3 of 40 coordinates; at `dim` 40 they are given in full."""
    e = np.pad([[1.0, 0.5, 0.0], [0.6, 0.9, 0.3], [0.0, 0.4, 1.0]], ((0, 0), (0, dim - 3)))
    if options.pop("kind", "two") == "two":
        of = lambda v: Population.two_classes(v, -v, dim=40)  # noqa: E731
        means = e[0], e[1]
    else:
        of = lambda M: Population.classes(M, dim=40)  # noqa: E731
        means = e, 1.2 * e
    source = Fit(of(means[0]), n=50, gamma=0.2)
    starts = {
        "groups": Group.split(source, np.arange(40) % 2),
        "one group": [Group(source, np.arange(40) % 2 == 1)],
        "weights": [Group(e[1], np.arange(40) % 2 == 0), e[2], source],
    }[options.pop("starts", "groups")]
    return Fit(of(means[1]), n=30, gamma=0.2, starts=starts, **options)


SHORT = {
    "groups": {},
    "one group": {"starts": "one group"},
    "a group of weights": {"starts": "weights"},
    "logistic": {"loss": "logistic"},
    "intercept": {"intercept": True},
    "classes": {"kind": "classes"},
    "rank": {"kind": "classes", "rank": 1},
}


@pytest.mark.parametrize("kind", SHORT)
def test_groups_of_means_in_fewer_coordinates(kind):
    fit, full = (short(dim, **SHORT[kind]) for dim in (3, 40))
    alpha = np.linspace(1.0, 0.5, fit.n_alpha) if fit.n_alpha > 1 else 0.7
    found, expected = predict(fit, alpha), predict(full, alpha)
    np.testing.assert_allclose([found.accuracy, found.risk], [expected.accuracy, expected.risk], rtol=1e-9)
    np.testing.assert_allclose(optimal_alpha(fit).alpha, optimal_alpha(full).alpha, rtol=1e-5)
    chain = [dataclasses.replace(f, starts=[dataclasses.replace(f, alpha=alpha)]) for f in (fit, full)]
    np.testing.assert_allclose(*(predict(f, 1.0).risk for f in chain), rtol=1e-9)
    simulated = simulate(fit, alpha, n_trials=60)
    assert np.abs((simulated.accuracy - expected.accuracy) / simulated.accuracy_se) < 4
