"""The rule and its interval on problems whose truth is known, and its parts against direct computation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from experiments.alpha_rules import PROBLEMS, accuracy, trial
from rmt_alpha import TransferProblem, optimal_alpha
from rmt_alpha.estimate.ridge import RidgePath
from rmt_alpha.estimate.rules import (
    _believed,
    _helpful_mean,
    _positive_mean,
    by_leave_one_out,
    by_structure,
    interval,
    margins,
    separation,
    structure,
)  # fmt: skip


def draws(index, count, seed=9):
    return [trial(PROBLEMS[index], np.random.default_rng([seed, index, r])) for r in range(count)]


@pytest.mark.parametrize(
    "index, count, bar",
    [(0, 60, 0.005), (1, 40, 0.0065), (2, 40, 0.004), (3, 40, 0.003), (4, 60, 0.007), (5, 80, 0.011)],
)
def test_accuracy_is_near_the_best_and_the_interval_covers(index, count, bar):
    """Bars as docs/alpha_from_data.md gives them, and two standard errors of fewer draws than the experiment's."""
    star = float(optimal_alpha(PROBLEMS[index]).alpha)
    gaps, ends = [], []
    for loo, m, c, M in draws(index, count):
        found = structure(loo, m)
        gaps.append(accuracy(c, M, star) - accuracy(c, M, float(by_structure(found)[0])))
        ends.append(interval(found, draws=1000)[:, 0])
    assert np.mean(gaps) < bar + 2 * np.std(gaps) / np.sqrt(count)
    hits = np.mean([low <= star <= high for low, high in ends])
    assert hits > 0.95 - 3 * np.sqrt(0.95 * 0.05 / count)
    assert np.mean([low <= 20 * star + 5 <= high for low, high in ends]) < 0.9  # and is no whole line


def test_it_beats_leave_one_out_at_small_n_and_rejects_a_useless_source():
    for index in (0, 5):
        mean = np.mean([[accuracy(c, M, float(a[0])) for a in (by_structure(structure(loo, m)), by_leave_one_out(loo, m))]
                        for loo, m, c, M in draws(index, 40, 10)], axis=0)  # fmt: skip
        assert mean[0] > mean[1]


def test_both_rules_are_consistent_and_the_interval_shrinks():
    problem = TransferProblem(2000, 20000, 50, 1, 1, 0.6, 1, 1)
    loo, m, *_ = trial(problem, np.random.default_rng(0))
    star = float(optimal_alpha(problem).alpha)
    low, high = interval(structure(loo, m))[:, 0]
    assert low < star < high and high - low < 0.5
    for alpha in (by_structure(structure(loo, m)), by_leave_one_out(loo, m)):
        assert abs(alpha[0] - star) < (high - low)


@pytest.mark.parametrize("noise", ["localised", "heavy"])
def test_consistent_off_the_gaussian_model(noise):
    """A source that points along a shared factor of the noise: its score and the target's are correlated."""
    rng, p, n = np.random.default_rng(1), 40, 4000
    factor, mean = np.eye(p)[0], np.r_[0.3, np.full(p - 1, 0.1)]
    y = np.resize([-1.0, 1.0], n)

    def rows(count, y):
        z = rng.standard_normal((count, p)) + 2.0 * np.sign(rng.standard_normal((count, 1))) * (
            np.eye(p)[0] + np.eye(p)[1]
        )
        if noise == "heavy":
            z *= np.sqrt(3 / rng.chisquare(5, (count, 1)))
        return y[:, None] * mean + z

    w = factor + 0.2 * mean
    path = RidgePath(rows(n, y), y[:, None], w[None, None])
    loo = path.leave_one_out(1.0, centred=True)
    m = margins(loo.scores[:, 0], y > 0, path.omega)
    chosen, sample = by_structure(structure(loo, m))[0], by_leave_one_out(loo, m)[0]
    labels = np.resize([-1.0, 1.0], 20000)
    fresh = rows(20000, labels)
    weights = [path.fit(1.0, np.array([[a]]))[0][0] for a in (chosen, sample)]
    hits = [np.mean(labels * (fresh @ v) > 0) for v in weights]
    assert abs(hits[0] - hits[1]) < 0.004  # at this n nothing is left for structure to say


def test_interval_covers_where_the_two_scores_are_correlated():
    """Eigenvalues 9 and 1 and a large penalty: the scores along the source and of the target's own part correlate by .5 to .7."""
    root, mean, w = np.repeat([3.0, 1.0], 20), np.repeat([0.25, -0.15], 20), np.full(40, 0.1)
    angles = np.tan(np.linspace(-1.5, 1.5, 301))
    ends, curves, y = [], [], np.resize([-1.0, 1.0], 50)
    for r in range(100):
        X = y[:, None] * mean + np.random.default_rng([4, r]).standard_normal((50, 40)) * root
        path = RidgePath(X, y[:, None], w[None, None])
        loo = path.leave_one_out(10.0, centred=True)
        ends.append(interval(structure(loo, margins(loo.scores[:, 0], y > 0, path.omega)), draws=1000)[:, 0])
        base, one = (path.fit(10.0, np.array([[a]]))[0][0] for a in (0.0, 1.0))
        W = np.stack([base, one - base])
        curves.append([accuracy(W @ mean, (W * root**2) @ W.T, a) for a in angles])
    star = angles[np.mean(curves, axis=0).argmax()]
    assert 0.92 < np.mean([low <= star <= high for low, high in ends]) < 1


def test_interval_is_around_the_measured_correlation_whatever_is_believed_of_it():
    loo, m, *_ = draws(2, 1)[0]
    found = structure(loo, m)
    shrunk = replace(found, believed=np.zeros_like(found.believed))
    np.testing.assert_array_equal(interval(shrunk), interval(found))
    moved = replace(found, r=found.r + 0.5 * np.sqrt(found.v[0] * found.own_data))
    assert abs(interval(moved) - interval(found)).min() > 0.1


def test_margins_are_class_balanced_and_weighted():
    rng = np.random.default_rng(2)
    scores, positive = rng.uniform(-1, 1, (2, 30)), np.arange(30) < 6
    counts = rng.integers(1, 4, 30)
    whole = margins(np.repeat(scores, counts, axis=1), np.repeat(positive, counts), np.ones(counts.sum()))
    weighted = margins(scores, positive, counts.astype(float))
    np.testing.assert_allclose(weighted.mean, whole.mean)
    mids = (
        scores[:, positive] @ counts[positive] / counts[positive].sum()
        + scores[:, ~positive] @ counts[~positive] / counts[~positive].sum()
    ) / 2
    direct = [scores[:, positive] - mids[:, None], -(scores[:, ~positive] - mids[:, None])]
    mean = sum(part @ counts[c] / counts[c].sum() / 2 for part, c in zip(direct, (positive, ~positive), strict=True))
    np.testing.assert_allclose(whole.mean, mean)
    pi = counts[positive].sum() / counts.sum()
    assert whole.balance == pytest.approx(4 * pi * (1 - pi))
    assert margins(scores, positive, np.ones(30)).count == pytest.approx(4 / (1 / 6 + 1 / 24))


def test_leave_one_out_maximises_the_separation():
    rng = np.random.default_rng(3)
    m = margins(
        rng.standard_normal((3, 50)) + np.array([[0.4], [0.3], [0.1]]) * np.resize([-1, 1], 50),
        np.arange(50) % 2 == 1,
        np.ones(50),
    )
    alpha = by_leave_one_out(SimpleNamespace(starts=np.eye(2)[:, None]), m)
    assert all(separation(m, alpha) >= separation(m, alpha + 0.05 * rng.standard_normal(2)) for _ in range(20))


@pytest.mark.parametrize("estimate, se", [(0.5, 0.1), (-0.3, 0.2), (0.0, 1.0)])
def test_posterior_means_by_quadrature(estimate, se):
    """A prior flat in x^(1/k) has the density x^(1/k − 1)."""

    def moments(k):
        x = np.linspace(0, (abs(estimate) + 8 * se) ** (1 / k), 40001)[1:] ** k
        weight = x ** (1 / k - 1) * np.gradient(x)
        up, down = (weight * np.exp(-(((x - side * estimate) / se) ** 2) / 2) for side in (1, -1))
        return up.sum(), up @ x, down.sum(), down @ x

    mass, first, _, _ = moments(3)
    assert _positive_mean(estimate, se) == pytest.approx(first / mass, rel=0.02)
    up, up_x, down, down_x = moments(4)
    assert _helpful_mean(estimate, se) == pytest.approx((4 * up_x - down_x) / (4 * up + down), rel=0.03, abs=2e-3)


def test_what_is_believed_of_a_correlation_is_its_posterior_mean():
    n, rho = 60, np.linspace(-3, 3, 60001)
    slab = norm.pdf(rho, scale=np.sqrt(0.1)) * (rho[1] - rho[0])
    for seen in (0.05, 0.3, 0.6):
        likelihood = norm.pdf(seen, loc=rho, scale=1 / np.sqrt(n))
        evidence = 0.9 * norm.pdf(seen, scale=1 / np.sqrt(n)) + 0.1 * slab @ likelihood
        assert _believed(seen**2, n, 1) * seen == pytest.approx(0.1 * (slab * likelihood) @ rho / evidence, rel=1e-6)
