"""Strata of the norm, of two classes and of many, and the noise in their means."""

import numpy as np
import pytest

from rmt_alpha.estimate import norm_strata, remove_mean_noise


def rows(K, count=3000, dim=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.resize(np.arange(K), count)
    return np.eye(K, dim)[labels] + rng.standard_normal((count, dim)) * (1 + labels[:, None]), labels


def test_many_classes_are_two_where_there_are_two():
    X, labels = rows(2)
    signs = np.where(labels == 0, 1.0, -1.0)
    assert norm_strata(X, signs, 3) == norm_strata(X, labels, 3, [[1.0], [-1.0]])


@pytest.mark.parametrize("n_strata", [1, 2])
def test_strata_put_together_are_the_class(n_strata):
    X, labels = rows(3)
    codes = np.eye(3) - 1 / 3
    population = norm_strata(X[:2990], labels[:2990], n_strata, codes)  # classes of unequal counts
    assert population.classes_of == tuple(np.repeat(range(3), n_strata)) and population.outputs == 3
    np.testing.assert_array_equal(population.targets, codes)
    for k in range(3):
        own = np.array(population.classes_of) == k
        share, means = population.priors[own], population.means[own]
        part = X[:2990][labels[:2990] == k]
        assert share.sum() == pytest.approx(len(part) / 2990)
        share = share / share.sum()
        np.testing.assert_allclose(share @ means, part.mean(axis=0))
        covariances = np.array([population.covariance_of(j).matrix for j in np.flatnonzero(own)])
        second = np.einsum("j,jab->ab", share, covariances + means[:, :, None] * means[:, None, :])
        np.testing.assert_allclose(second, part.T @ part / len(part), rtol=1e-10)
        assert np.all(np.diff(np.trace(covariances, axis1=1, axis2=2)) > 0)  # the inner stratum comes first


def test_labels_that_are_none_are_refused():
    X, labels = rows(3, 60)
    with pytest.raises(ValueError, match=r"y must hold the labels 1, -1, got 0, 1, 2. Give codes"):
        norm_strata(X, labels, 1)
    with pytest.raises(ValueError, match=r"y must hold the labels 0, 1, got 0, 1, 2"):
        norm_strata(X, labels, 1, np.eye(2))
    with pytest.raises(ValueError, match="at most half the rows of each class, got 11 with 20 rows labelled 0"):
        norm_strata(X, labels, 11, np.eye(3))


@pytest.mark.parametrize("K", [2, 4])
def test_the_means_lose_their_noise_but_not_along_the_source(K):
    """‖μ̂_k‖² is too long by tr C_k/N_k; without it, it is right on average, and w̃ᵀμ̂_k stays what it was."""
    codes, w = np.eye(K), np.eye(12)[:, :2] + 0.3
    found, raw = [], []
    for seed in range(60):
        X, labels = rows(K, 100 * K, seed=seed)
        population = norm_strata(X, labels, 1, codes)
        clean = remove_mean_noise(population, len(labels), w)
        np.testing.assert_allclose(clean.means @ w, population.means @ w, atol=1e-12)
        found.append(np.sum(clean.means**2, axis=1))
        raw.append(np.sum(population.means**2, axis=1))
    se = np.std(found, axis=0, ddof=1) / np.sqrt(60)
    small = slice(0, 2)  # of the others the noise is longer than what it hides, and negative parts are cut
    assert np.all(np.abs(np.mean(found, axis=0) - 1)[small] < 4 * se[small])
    excess = 12 * np.array([1.0, 4.0]) / 100
    assert np.all(np.abs(np.mean(raw, axis=0)[small] - 1 - excess) < 4 * se[small]) and np.all(excess > 3 * se[small])


def test_one_source_is_a_column():
    X, labels = rows(3)
    population, w = norm_strata(X, labels, 1, np.eye(3)), np.arange(12.0)
    one, column = (remove_mean_noise(population, 3000, v) for v in (w, w[:, None]))
    np.testing.assert_allclose(one.means, column.means)
    none = remove_mean_noise(population, 3000, 0 * w)  # nothing to keep
    assert np.all(np.sum(none.means**2, axis=1) < np.sum(population.means**2, axis=1))


def test_labels_are_blamed_for_what_is_wrong_with_labels():
    X = np.random.default_rng(0).standard_normal((60, 4))
    with pytest.raises(
        ValueError, match=r"y must be a vector of shape \(60,\), got shape \(5,\)\. Give one label per row of X\."
    ):
        norm_strata(X, np.ones(5), 2)
    with pytest.raises(TypeError, match=r"y must be a real number .*, got 'a' in an array of shape \(60,\)"):
        norm_strata(X, np.array(["a", "b"] * 30), 2)
