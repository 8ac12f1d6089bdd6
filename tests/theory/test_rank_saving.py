"""The rank that a free α saves: against its definition, where it is known, where eigenvalues meet, and where α* is infinite."""

import dataclasses
import warnings

import numpy as np
import pytest

from rmt_alpha import Fit, Population, TransferProblem, optimal_alpha, predict, rank_path, rank_saving
from rmt_alpha.theory.low_rank import TieWarning, solved
from rmt_alpha.theory.rank_saving import RankSaving

DIM, Q = 60, 4
RNG = np.random.default_rng(4)
W = RNG.standard_normal((DIM, Q)) / np.sqrt(DIM) * np.array([2.0, 3.0, 4.0, 5.0])
NEW = np.outer(RNG.standard_normal(DIM), RNG.standard_normal(Q)) / np.sqrt(DIM)


def regression(scale, new=NEW, **options):
    return Fit(Population.linear(W * scale + new, 0.3), n=90, gamma=0.1, starts=[W], **options)


def classes(**options):
    means = np.random.default_rng(6).standard_normal((3, DIM)) / 3
    start = Fit(Population.classes(means + np.eye(3, DIM) / 2), n=200, gamma=0.5)
    return Fit(Population.classes(means, **options), n=80, gamma=0.3, starts=[start])


@pytest.mark.parametrize("fit", [regression(0.6), classes()], ids=["regression", "classes"])
def test_each_rank_is_what_a_fit_of_that_rank_has(fit):
    saving = rank_saving(dataclasses.replace(fit, rank=1))  # the fit's own rank does not matter
    q = fit.population.outputs
    assert saving.by == ("risk" if fit.population.is_regression else "accuracy")
    for rank in range(1, q + 1):
        of_rank = dataclasses.replace(fit, rank=rank)
        best = optimal_alpha(of_rank)
        assert saving.best[rank] == pytest.approx(getattr(best, saving.by), rel=1e-8)
        assert saving.alpha[rank] == pytest.approx(best.alpha, rel=1e-3)
        assert saving.at_one[rank] == pytest.approx(getattr(predict(of_rank, 1.0), saving.by), rel=1e-12)
    for rank in range(1, q):
        size = np.linalg.eigvalsh(solved(fit).gram(np.stack([np.ones(q), np.full(q, saving.alpha[rank])])))[::-1]
        assert saving.gap[rank - 1] == pytest.approx((size[rank - 1] - size[rank]) / size[0], rel=1e-6)
    sign = 1 if saving.by == "risk" else -1
    goal = sign * saving.at_one[-1] + 1e-9
    assert all(sign * saving.best[r] > goal for r in range(saving.rank)) and sign * saving.best[saving.rank] <= goal
    assert saving.rank <= saving.rank_at_one and sign * saving.at_one[saving.rank_at_one] <= goal


def test_a_rescaled_source_plus_rank_one_needs_rank_one():
    saving = rank_saving(regression(0.6))
    assert (saving.rank, saving.rank_at_one) == (1, 4) and saving.closed == ()
    assert saving.alpha[1] == pytest.approx(0.6, abs=0.1)


def test_a_source_that_is_right_needs_none():
    with pytest.warns(TieWarning):
        saving = rank_saving(regression(1.0, new=0))
    assert (saving.rank, saving.rank_at_one) == (0, 0)
    assert saving.closed == (1, 2, 3) and "closed gaps at [1, 2, 3]" in repr(saving)  # nothing but noise is left


def test_one_alpha_per_output():
    scales, two = np.array([0.2, 1.4]), W[:, :2]
    one, each = (
        rank_saving(Fit(Population.linear(two * scales, 0.3), n=90, gamma=0.1, starts=[two], per=per))
        for per in ("start", "output")
    )
    assert each.alpha.shape == (3, 2) and (each.rank, one.rank) == (0, 2)
    np.testing.assert_allclose(each.alpha, np.tile(scales, (3, 1)), atol=1e-3)
    np.testing.assert_allclose(each.at_one, one.at_one, rtol=1e-12)


def test_an_infinite_alpha():
    fit = classes(confusion=np.full((3, 3), 1 / 3))  # labels say nothing: the source alone
    saving = rank_saving(fit)
    assert np.isinf(saving.alpha[1:]).any()
    for r in np.flatnonzero(np.isinf(saving.alpha[1:3])):
        size = np.linalg.eigvalsh(solved(fit).gram(np.stack([np.ones(3), np.full(3, 1e6)])))[::-1]
        assert saving.gap[r] == pytest.approx((size[r] - size[r + 1]) / size[0], rel=1e-4)
    assert np.isinf(saving.alpha[-1]) and np.isfinite(saving.best).all() and np.isfinite(saving.gap).all()
    assert np.all((saving.gap >= 0) & (saving.gap <= 1)) and saving.rank == 0


def test_bad_input():
    with pytest.raises(TypeError, match="fit must be a Fit, got TransferProblem"):
        rank_saving(TransferProblem(10, 10, 10, mu=1, mu_orth=1, beta=0.5, gamma_source=1, gamma_target=1))
    with pytest.raises(ValueError, match="fit must have a start"):
        rank_saving(Fit(Population.linear(W, 0.3), n=90, gamma=0.1))
    with pytest.raises(ValueError, match="fit must be scalar"):
        rank_saving(dataclasses.replace(regression(0.6), gamma=np.array([0.1, 0.2])))


@pytest.mark.parametrize(("by", "sign"), [("risk", 1), ("accuracy", -1)])
def test_the_first_rank_that_is_as_good(by, sign):
    best, at_one = sign * np.array([5.0, 3.0, 2.0, 2.5]), sign * np.array([6.0, 4.0, 2.9, 3.0])
    saving = RankSaving(np.ones(4), best, at_one, np.array([0.5, 1e-9]), by)
    assert (saving.rank, saving.rank_at_one, saving.closed) == (1, 2, (2,))


@pytest.mark.parametrize("seed", [3, 10, 37])  # of forty, those whose peaks steps of .25 or .04 pass over
def test_narrow_peaks_between_crossings_are_found(seed):
    """Where eigenvalues cross, risk has peaks of their own, which a coarse search misses: against a fine grid."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((60, 6)) / np.sqrt(60) * rng.uniform(0.5, 2, 6)
    new = rng.standard_normal((60, 2)) / np.sqrt(60) @ rng.standard_normal((2, 6))
    fit = Fit(Population.linear(W * rng.uniform(-0.5, 1.5, 6) + new, 0.5), 90, 0.05, starts=[W])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TieWarning)
        grid = rank_path(fit, np.linspace(-3, 4, 7001)).risk.min(-1)
        best = rank_saving(fit).best
    assert np.all(best <= grid * (1 + 1e-9))
    np.testing.assert_allclose(best, grid, rtol=1e-4)
