"""The experiments on several classes of real rows, run on made-up rows: no data and no encoder needed."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import class_transfer as experiment
from experiments import mnist_classes, nli_transfer
from experiments.class_transfer import Task, source_weights
from experiments.lab import Lab
from rmt_alpha.data import files
from rmt_alpha.training import ridge_path, truncate

DIM, K = 40, 4
ALPHA = np.linspace(-1, 2, 7)


def rows(count, seed, means):
    """Gaussian classes with unlike covariances."""
    rng = np.random.default_rng(seed)
    labels = np.resize(np.arange(K), count)
    spread = np.stack([np.roll(np.linspace(0.3, 1.5, DIM), 10 * k) * (0.4 + 0.5 * k) for k in range(K)])
    return means[labels] + rng.standard_normal((count, DIM)) * spread[labels], labels


@pytest.fixture(scope="module")
def task():
    means = np.random.default_rng(0).standard_normal((K, DIM)) / 2
    X, labels = rows(2000, 1, means)
    W = source_weights(*rows(500, 2, means + np.random.default_rng(3).standard_normal((K, DIM)) / 4), 1.0)
    return Task(X - X.mean(axis=0), labels, W, 0.5, np.arange(len(X)))


@pytest.fixture(scope="module")
def results(task, tmp_path_factory):
    lab = Lab("made_up", tmp_path_factory.mktemp("made_up"), None, 0)
    experiment.run(lab, task, (60, 240), ALPHA, 10, {"origin": "here"})
    return lab, pd.read_csv(lab.out / "made_up.csv"), pd.read_csv(lab.out / "made_up_ranks.csv")


def test_it_writes_what_it_says(results):
    lab, curves, ranks = results
    assert set(lab.files) == {f"made_up{part}" for part in (".csv", "_ranks.csv", ".pdf", ".png")}
    assert not curves.isna().any(axis=None) and not ranks.isna().any(axis=None)
    assert set(curves.origin) == {"here"} and len(curves) == 2 * len(ALPHA)
    assert ranks.groupby("rule")["rank"].unique().map(list).to_dict() == {
        "α = 0": [1, 2, 3], "α = 1": [0, 1, 2, 3], "α*": [0, 1, 2, 3],
    }  # fmt: skip
    assert len(lab.remarks) == 2 and "n = 240: RMS distance" in lab.remarks[1]


def test_theory_with_class_covariances_is_near_and_one_covariance_is_not(results):
    _, curves, ranks = results
    off = lambda name: experiment.rms(curves[name] - curves.accuracy_empirical)  # noqa: E731
    assert off("accuracy_class_covariances") < 0.01 < off("accuracy_one_covariance")
    assert off("accuracy_gaussian_scores") < 0.01 and off("accuracy_gaussian_rows") < 0.015
    assert experiment.rms(ranks.accuracy - ranks.accuracy_empirical) < 0.03
    full = experiment.at_full_rank(ranks).set_index(["n_target", "rule"]).accuracy_empirical
    at = curves.set_index(["n_target", "alpha"]).accuracy_empirical
    for n in (60, 240):  # full rank is the plain training
        assert full[n, "α = 0"] == at[n, 0.0] and full[n, "α = 1"] == at[n, 1.0]


def test_a_rank_is_the_truncated_correction(task):
    n, rank, a = 60, 2, 0.5
    measured = experiment.measure(task, n, ALPHA, np.full((1, K), a), 1, 7)
    order = np.random.default_rng([7, n, 0]).permutation(len(task.labels))
    train, test = order[:n], order[n : n + experiment.TEST]
    X, Y = task.X[train], task.codes[task.labels[train]]
    correction = ridge_path(X, Y - a * X @ task.W, task.gamma)  # from the start's residuals, another way to the same
    W = a * task.W + truncate(correction, X.T @ (Y - a * X @ task.W) / n, rank)
    assert measured.ranks[0, 0, rank] == np.mean((task.X[test] @ W).argmax(axis=1) == task.labels[test])
    start = np.mean((task.X[test] @ task.W).argmax(axis=1) == task.labels[test])
    assert measured.ranks[0, 0, 0] == start  # no correction, and the scale of the scores changes no argmax


def test_a_group_is_trained_on_or_judged(task, monkeypatch):
    seen = []
    monkeypatch.setattr(experiment, "hits", lambda scores, truth: seen.append(truth) or 0.0)
    pairs = dataclasses.replace(task, groups=np.arange(len(task.labels)) // 2)
    n = 100
    experiment.measure(pairs, n, ALPHA[:1], np.zeros((0, K)), 1, 7)
    order = np.random.default_rng([7, n, 0]).permutation(len(task.labels))
    partners = np.isin(order[n:] ^ 1, order[:n])
    assert 80 < partners.sum() < 101
    np.testing.assert_array_equal(seen[0], task.labels[order[n:][~partners]])


def test_gaussian_scores_of_gaussian_scores():
    rng = np.random.default_rng(0)
    truth = np.resize(np.arange(3), 12000)
    at_zero = np.eye(3)[truth] + rng.standard_normal((12000, 3)) * [0.5, 1.0, 1.5]
    slope = rng.standard_normal((12000, 3)) + at_zero
    found = experiment.gaussian_scores(at_zero, slope, truth, np.array([0.0, 0.8]), rng)
    direct = [experiment.hits(at_zero + a * slope, truth) for a in (0.0, 0.8)]
    np.testing.assert_allclose(found, direct, atol=0.02)
    skewed = at_zero + 6 * (rng.random((12000, 3)) < 0.03)  # rare jumps cost less than the same variance, evenly spread
    wide = experiment.gaussian_scores(skewed, 0 * slope, truth, np.array([0.0]), rng)
    assert experiment.hits(skewed, truth) > wide[0] + 0.02


def test_how_much_rank_alpha_saves():
    rank = pd.DataFrame(
        {
            "rule": ["α = 1"] * 3 + ["α*"] * 3,
            "rank": [0, 1, 2] * 2,
            "accuracy": [0.4, 0.5, 0.6, 0.5, 0.65, 0.7],
            "accuracy_empirical": [0.4, 0.5, 0.6, 0.5, 0.55, 0.59],
        }
    )
    assert experiment.saving(rank, "accuracy") == 1
    assert experiment.saving(rank, "accuracy_empirical") is None


def test_gaussian_rows_keep_the_moments(task):
    twin = experiment.gaussian_rows(task, 0)
    for k in range(K):
        a, b = (t.X[t.labels == k] for t in (task, twin))
        assert np.abs((a.mean(axis=0) - b.mean(axis=0)) / (b.std(axis=0) / np.sqrt(len(b)))).max() < 4.5
        np.testing.assert_allclose(b.std(axis=0), a.std(axis=0), rtol=0.15)


def test_features_of_pairs(monkeypatch):
    monkeypatch.setattr(nli_transfer, "embed", lambda texts: np.array([[len(t), t.count("a")] for t in texts], float))
    X = nli_transfer.features([("aa", "b"), ("b", "aaa"), ("cc", "aa")])
    raw = np.array([[1, 0, 1, 2], [3, 3, 2, 3], [2, 2, 0, 2]], float)
    raw = raw - raw.mean(axis=0)
    np.testing.assert_allclose(X, raw / np.sqrt(np.mean(raw**2)))


def test_digits(monkeypatch):
    if not (Path(os.environ.get(files.VARIABLE, "")) / "mnist").is_dir():
        pytest.skip(f"MNIST is not in ${files.VARIABLE}")
    monkeypatch.setattr(mnist_classes, "N_SOURCE", 2000)
    task = mnist_classes.task()
    assert task.X.shape == (10000, 196) and task.W.shape == (196, 10) and set(task.labels) == set(range(10))
    start = np.mean((task.X @ task.W).argmax(axis=1) == task.labels)
    assert 0.4 < start < 0.75  # digits turned by 25° know something of upright ones, not all
