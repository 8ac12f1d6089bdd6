"""One α for each group of coordinates: identities with the scalar α, and simulation where groups share noise."""

import dataclasses

import numpy as np
import pytest

from rmt_alpha import Covariance, Source, TransferProblem, compare, optimal_alpha, predict, simulate
from rmt_alpha.theory import weights

LARGEST_Z = 4.5
ALPHAS = np.array([[4.0, 4.0], [5.0, 0.0], [8.0, -4.0]])


def grouped(kind: str, p: int = 60, n_sources: int = 1) -> TransferProblem:
    """Two groups of one and two thirds of the coordinates; "pairs" correlates coordinates of different groups.

    The penalties are large, so that RCR keeps the correlations (at κ = 0.6 the pairs' eigenvalues 1.8 and 0.2 give the same λ/(λ+κ)²).
    """
    rng = np.random.default_rng(4)
    groups = (np.arange(p) >= p // 3).astype(int)
    pairs = np.eye(p)
    for a in range(p // 3):
        pairs[a, p // 3 + a] = pairs[p // 3 + a, a] = 0.8
    mixed = 0.4 * np.eye(p) + np.outer(*2 * [rng.standard_normal(p)]) / p + 0.3 * pairs
    source, target = {
        "identity": (None, None),
        "spectra": (np.linspace(0.3, 2, p), np.linspace(2, 0.3, p)),
        "source pairs": (pairs, np.linspace(0.3, 2, p)),
        "target pairs": (None, pairs),
        "both pairs": 2 * (Covariance(pairs, p),),
        "chain": (pairs, mixed),
    }[kind]
    vectors = rng.standard_normal((3, p)) / np.sqrt(p)
    mean_target = 1.2 * vectors[0]
    mean_source = np.where(groups == 0, 1.0, -0.4) * mean_target + 0.5 * vectors[1]
    start = Source(mean_target + mean_source, p * 5 // 4, 0.2, target) if kind == "chain" else None
    first = Source(mean_source, p * 3 // 4, 3.0, source, start=start, alpha=0.7)
    second = Source(mean_target + vectors[2], p, 1.0, np.linspace(0.5, 1.5, p))
    return TransferProblem.from_sources(
        [first, second][:n_sources],
        mean_target,
        n_target=p * 5 // 6,
        gamma_target=2.0,
        cov_target=target,
        groups=groups,
    )


def ungrouped(problem: TransferProblem) -> TransferProblem:
    return dataclasses.replace(problem, geometry=dataclasses.replace(problem.geometry, groups=None))


KINDS = ("identity", "spectra", "source pairs", "target pairs", "both pairs", "chain")


@pytest.mark.parametrize("kind", KINDS)
def test_equal_entries_are_a_scalar(kind):
    problem = grouped(kind)
    scalar = predict(ungrouped(problem), [0.0, 1.7])
    vector = predict(problem, [[0.0, 0.0], [1.7, 1.7]])
    np.testing.assert_allclose(vector.mean, scalar.mean, rtol=1e-10)
    np.testing.assert_allclose(vector.variance, scalar.variance, rtol=1e-10)
    assert optimal_alpha(problem).accuracy >= optimal_alpha(ungrouped(problem)).accuracy


@pytest.mark.parametrize("kind", KINDS)
def test_groups_against_simulation(kind):
    problem = grouped(kind, p=150)
    z = compare(predict(problem, ALPHAS), simulate(problem, ALPHAS, n_trials=250, seed=6))
    assert z.max_abs < LARGEST_Z


def test_two_sources_in_two_groups():
    problem = grouped("both pairs", p=150, n_sources=2)
    assert problem.n_alpha == 4
    alpha = np.array([[4.0, 4, 1, 1], [4, 0, 0, 2], [5, -5, 2, -1]])
    z = compare(predict(problem, alpha), simulate(problem, alpha, n_trials=250, seed=6))
    assert z.max_abs < LARGEST_Z


def test_groups_share_the_noise_of_their_source(monkeypatch):
    """Without the off-diagonal blocks of the noise the formula is far from the simulation: the test above can see them."""
    problem = grouped("both pairs", p=150)
    sim = simulate(problem, ALPHAS, n_trials=250, seed=6)
    groups, whole = problem.geometry.groups, weights.full_noise
    apart = groups[:, None] == groups[None, :]
    monkeypatch.setattr(weights, "full_noise", lambda law, cov: whole(law, cov) * apart)
    assert np.abs(compare(predict(problem, ALPHAS), sim).variance).max() > 8


def test_renaming_groups_renames_alpha():
    problem = grouped("both pairs")
    renamed = dataclasses.replace(
        problem, geometry=dataclasses.replace(problem.geometry, groups=1 - problem.geometry.groups)
    )
    np.testing.assert_allclose(optimal_alpha(renamed).best[::-1], optimal_alpha(problem).best, rtol=1e-9)


def test_every_coordinate_its_own_group():
    w, mean = np.random.default_rng(0).standard_normal((2, 6))
    problem = TransferProblem.from_sources([Source.fixed(w)], mean, n_target=9, gamma_target=0.5, groups=np.arange(6))
    alpha = np.linspace(-1, 2, 6)
    direct = TransferProblem.from_source(w * alpha, mean, n_target=9, gamma_target=0.5)
    assert predict(problem, alpha).variance == pytest.approx(predict(direct, 1.0).variance, rel=1e-12)


def test_the_chain_engine_declines():
    with pytest.raises(ValueError, match="needs one group"):
        simulate(grouped("identity"), ALPHAS, method="chain")


@pytest.mark.parametrize("groups", [np.zeros(5, int), np.arange(6.0), np.full(6, 1), np.array([0, 0, 2, 2, 2, 0])])
def test_bad_labels(groups):
    with pytest.raises(ValueError, match="groups must"):
        TransferProblem.from_sources(
            [Source.fixed(np.ones(6))], np.ones(6), n_target=9, gamma_target=0.5, groups=groups
        )
