"""The experiment on one α per class chosen from few rows, at small sizes and without data."""

import numpy as np
import pandas as pd
import pytest

from experiments import row_scales_chosen as experiment
from experiments.lab import Lab
from rmt_alpha.training import ridge_path


@pytest.fixture
def two_tasks(monkeypatch):
    monkeypatch.setattr(experiment, "SIZES", (20, 50))
    monkeypatch.setattr(experiment, "ORACLE", 300)
    scales = {"equal": np.ones(experiment.CLASSES), "unequal": np.array(experiment.SPREAD)}
    monkeypatch.setattr(experiment, "tasks", lambda seed: {k: experiment.gaussian(v, seed) for k, v in scales.items()})


def test_it_writes_what_it_says(two_tasks, tmp_path):
    lab = Lab("row_scales_chosen", tmp_path, 4, 0)
    experiment.run(lab)
    assert {p.name for p in tmp_path.iterdir()} == {f"row_scales_chosen.{kind}" for kind in ("csv", "pdf", "png")}
    table = pd.read_csv(tmp_path / "row_scales_chosen.csv")
    assert len(table) == 8 and not table.isna().any(axis=None)
    np.testing.assert_allclose(table.gain, table.accuracy_per_class - table.accuracy_one, atol=1e-7)
    at = table.set_index(["task", "n_target", "chosen_by"]).gain
    assert at["unequal", 20, "oracle"] > 0.01  # where the scales differ, knowing them pays
    assert (
        at["unequal", 20, "leave-one-out"] < 0 and at["equal", 20, "leave-one-out"] < 0
    )  # finding them from 20 rows does not
    assert "It costs as much here: equal at n = 20" in lab.remarks[-1]


def test_the_oracle_knows_the_scales():
    scales = np.array(experiment.SPREAD)
    task = experiment.gaussian(scales, 0)
    train, rest = experiment.balanced(task.labels, 20, np.random.default_rng(0))
    rest = rest[:1000]
    K = experiment.CLASSES
    path = ridge_path(
        task.X[train], np.eye(K)[task.labels[train]], 100.0, task.W, intercept=True
    )  # next to nothing learned
    scores = (task.X[rest] @ path[:-1] + path[-1]).T.reshape(2, K, -1)
    found = experiment.hindsight(scores, task.labels[rest], True)[0]
    product = found * scales  # one number, were it exact
    assert product.std() / product.mean() < 0.25 < scales.std() / scales.mean()
    one = experiment.hindsight(scores, task.labels[rest], False)[0]
    assert np.all(one == one[0])


def test_what_training_takes_leaves_no_trace_in_the_order_of_the_rest():
    labels = np.resize(np.arange(10), 3000)
    counts = np.zeros(10)
    for seed in range(40):
        train, rest = experiment.balanced(labels, 200, np.random.default_rng(seed))
        assert np.array_equal(np.bincount(labels[train]), np.full(10, 20)) and len(rest) == 2800
        assert not set(train) & set(rest)
        first = np.bincount(labels[rest[:100]], minlength=10)
        assert first.min() > 0
        counts += first
    assert np.abs(counts - 400).max() < 4.5 * np.sqrt(400)
