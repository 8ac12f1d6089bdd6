"""Intervals for a mean over seeds × rows: they cover, agree with their p-values, and know each of the three sources of error."""

import itertools

import numpy as np
import pytest
from scipy import stats

from experiments.crossed import Components, Estimate, Planted, averaged, components, crossed, holm

LIKE_SST2 = Planted((0.885, 0.885), row=0.75, own_row=0.02, seed=0.005, own_seed=0.01)


def covered(planted, seeds, rows, replicates, level=0.95, seed=0):
    inside = 0
    for k in range(replicates):
        estimate = crossed(planted.table(seeds, rows, np.random.default_rng([seed, k])))
        low, high = estimate.interval(level)
        inside += low <= planted.difference <= high
    return inside / replicates


@pytest.mark.parametrize(
    ("planted", "seeds", "rows"),
    [
        (LIKE_SST2, 15, 872),
        (LIKE_SST2, 5, 872),
        (Planted((0.79, 0.77), 0.6, 0.0, 0.0, 0.06), 15, 408),  # seeds alone
        (Planted((0.79, 0.77), 0.4, 0.2, 0.0, 0.0), 15, 408),  # rows alone
        (Planted((0.6, 0.6), 0.0, 0.0, 0.0, 0.0), 15, 408),  # neither
    ],
)
def test_intervals_cover(planted, seeds, rows):
    """Within three standard errors of .93 … .97 at least."""
    found = covered(planted, seeds, rows, 600)
    assert 0.93 - 3 * 0.0104 < found < 0.97 + 3 * 0.007


def test_forgetting_the_rows_or_the_seeds_does_not_cover():
    """What the interval is for: with either source left out it is too short."""
    planted = Planted((0.79, 0.77), 0.1, 0.5, 0.0, 0.02)
    by_seeds = by_rows = both = 0
    for k in range(300):
        d = planted.table(15, 408, np.random.default_rng(k))
        for margin, name in ((d.mean(1), "seeds"), (d.mean(0), "rows")):
            reach = stats.t.isf(0.025, len(margin) - 1) * margin.std(ddof=1) / np.sqrt(len(margin))
            inside = abs(margin.mean() - planted.difference) <= reach
            by_seeds += inside * (name == "seeds")
            by_rows += inside * (name == "rows")
        low, high = crossed(d).interval()
        both += low <= planted.difference <= high
    assert both / 300 > 0.92 and by_seeds / 300 < 0.9 and by_rows / 300 < 0.9


def test_false_alarms_and_equivalence_at_the_margin():
    """p < .05 in one of twenty where there is nothing; equivalence said at most as often where the truth lies on the margin."""
    nothing = [crossed(LIKE_SST2.table(15, 872, np.random.default_rng([1, k]))).p for k in range(600)]
    assert 0.025 < np.mean(np.array(nothing) < 0.05) < 0.08
    on_it = Planted((0.89, 0.88), row=0.75, own_row=0.02, seed=0.005, own_seed=0.01)
    said = [crossed(on_it.table(15, 872, np.random.default_rng([2, k]))).p_equivalent(0.01) for k in range(600)]
    assert np.mean(np.array(said) < 0.05) < 0.08


def test_equivalence_and_difference_are_found_where_they_are():
    alike = Planted((0.885, 0.885), row=0.9, own_row=0.0, seed=0.0, own_seed=0.0)
    assert crossed(alike.table(15, 9815, np.random.default_rng(0))).p_equivalent(0.005) < 0.001
    apart = Planted((0.90, 0.86), row=0.7, own_row=0.01, seed=0.0, own_seed=0.01)
    found = crossed(apart.table(15, 5463, np.random.default_rng(0)))
    assert found.p < 0.001 and found.p_equivalent(0.005) > 0.9


def test_the_variance_is_right_on_average():
    planted = Planted((0.8, 0.75), 0.3, 0.2, 0.02, 0.05)
    held = [crossed(planted.table(6, 50, np.random.default_rng([3, k]))) for k in range(3000)]
    assert np.mean([e.se**2 for e in held]) == pytest.approx(np.var([e.mean for e in held]), rel=0.08)
    assert np.mean([e.mean for e in held]) == pytest.approx(planted.difference, abs=0.004)


def test_components_by_brute_force():
    """Against the definition: half the mean squared difference of cells that share a row, a seed, or nothing."""
    d = np.random.default_rng(0).normal(size=(4, 5)) + np.arange(4)[:, None] + 2 * np.arange(5)
    same_row, same_seed, apart = [], [], []
    cells = list(itertools.product(range(4), range(5)))
    for (s, r), (t, q) in itertools.combinations(cells, 2):
        where = same_row if r == q else same_seed if s == t else apart
        where.append((d[s, r] - d[t, q]) ** 2 / 2)
    of_row, of_seed, of_both = np.mean(same_row), np.mean(same_seed), np.mean(apart)  # σa²+σe², σb²+σe², all three
    found = components(d)
    assert found.seed == pytest.approx(of_both - of_seed)
    assert found.row == pytest.approx(of_both - of_row)
    assert found.rest == pytest.approx(of_row + of_seed - of_both)


def test_the_bootstrap_over_seeds_and_rows_agrees():
    """Where what both leave is little: it counts that three times (Owen, Annals of Applied Statistics 1, 2007)."""
    rng = np.random.default_rng(0)
    d = rng.normal(0.3, 1, (20, 1)) + rng.normal(0, 1.5, 40) + rng.normal(0, 0.2, (20, 40))
    again = [d[np.ix_(rng.integers(0, 20, 20), rng.integers(0, 40, 40))].mean() for _ in range(4000)]
    assert np.std(again) == pytest.approx(crossed(d).se, rel=0.06)


def test_limits():
    """One seed-like source alone: Student's interval over the seeds; rows alone: over the rows."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=8)
    only_seeds = crossed(np.repeat(a[:, None], 30, axis=1))
    t = stats.ttest_1samp(a, 0)
    assert only_seeds.p == pytest.approx(t.pvalue) and only_seeds.freedom == pytest.approx(7)
    assert only_seeds.interval() == pytest.approx(tuple(t.confidence_interval()))
    only_rows = crossed(np.repeat(rng.normal(size=30)[None], 8, axis=0))
    assert only_rows.freedom == pytest.approx(29)


def test_interval_p_and_equivalence_agree():
    rng = np.random.default_rng(0)
    for _ in range(200):
        e = Estimate(rng.normal(0, 2), rng.uniform(0.3, 2), rng.uniform(2, 40))
        low, high = e.interval()
        assert (e.p < 0.05) == (low > 0 or high < 0)
        low, high = e.interval(0.9)
        assert (e.p_equivalent(1.5) < 0.05) == (-1.5 < low and high < 1.5)
    at_the_edge = Estimate(1.0, 1 / stats.t.isf(0.025, 9), 9)
    assert at_the_edge.p == pytest.approx(0.05) and at_the_edge.interval()[0] == pytest.approx(0, abs=1e-12)


def test_tables_without_variance():
    same = crossed(np.zeros((3, 4)))
    assert (same.mean, same.se, same.p, same.p_equivalent(0.01)) == (0, 0, 1, 0) and same.interval() == (0, 0)
    one = crossed(np.ones((3, 4)))
    assert one.p == 0 and one.p_equivalent(0.5) == 1 and one.interval() == (1, 1)


@pytest.mark.parametrize("table", [np.zeros((1, 5)), np.zeros((5, 1)), np.zeros(5), np.full((3, 3), np.nan)])
def test_tables_that_give_no_error_are_refused(table):
    with pytest.raises(ValueError, match="two seeds and two rows at least"):
        crossed(table)


def test_a_margin_must_be_positive():
    with pytest.raises(ValueError, match=r"margin must be a positive number, got 0"):
        Estimate(0, 1, 5).p_equivalent(0)


def test_averages_of_tasks():
    parts = [Estimate(1.0, 0.3, 14), Estimate(3.0, 0.4, 14)]
    both = averaged(parts)
    assert (both.mean, both.se) == (2.0, pytest.approx(0.25))
    assert 14 < both.freedom < 28 and averaged([Estimate(1.0, 0.3, 14)] * 2).freedom == pytest.approx(28)
    assert averaged(parts[:1]) == Estimate(1.0, pytest.approx(0.3), pytest.approx(14))


def test_seeds_needed():
    held = Components(seed=1e-4, row=0.01, rest=0.05)
    needed = held.seeds_needed(0.01, 872)
    assert held.estimate(0, needed, 872).interval()[1] <= 0.01 < held.estimate(0, needed - 1, 872).interval()[1]
    assert held.seeds_needed(0.005, 872) is None  # the rows alone: 1.96 √(.01/872) = .0066
    assert held.seeds_needed(0.005, 9815) is not None


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])


def test_planted_accuracies_are_those_planted():
    planted = Planted((0.9, 0.7), 0.3, 0.1, 0.1, 0.1)
    tables = [planted.table(20, 200, np.random.default_rng(k)) for k in range(200)]
    assert np.mean(tables) == pytest.approx(0.2, abs=0.02)
    with pytest.raises(ValueError, match="must sum to 1 at most"):
        Planted((0.9, 0.7), 0.9, 0.1, 0.1, 0.1).table(2, 2, np.random.default_rng(0))
