"""The experiment on language-model features, run on made-up features: no encoder needed."""

import numpy as np
import pandas as pd
import pytest

from experiments import domain_features as experiment
from experiments.amazon import split_rows
from experiments.lab import Lab
from rmt_alpha.estimate import AlphaRidgeClassifier
from rmt_alpha.training import ridge_path

DIM = 30


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    """Four domains of Gaussian rows with different means and unequal variances."""

    def features(domain):
        rng = np.random.default_rng(experiment.DOMAINS.index(domain))
        y = np.resize([-1.0, 1.0], 1000)
        mean = np.ones(DIM) / 6 + rng.standard_normal(DIM) / 8
        return y[:, None] * mean + rng.standard_normal((1000, DIM)) * np.linspace(0.3, 2, DIM) + 5, y

    monkeypatch.setattr(experiment, "features", features)


def test_it_writes_what_it_says(tmp_path):
    lab = Lab("domain_features", tmp_path, 4, 0)
    experiment.run(lab)
    assert {p.name for p in tmp_path.iterdir()} == {
        f"domain_features{part}.{kind}" for part in ("", "_curves") for kind in ("csv", "pdf", "png")
    }
    table = pd.read_csv(tmp_path / "domain_features.csv")
    assert len(table) == 36 and not table.isna().any(axis=None)
    assert (
        table.accuracy_grid >= table[["accuracy_alpha_0", "accuracy_alpha_1"]].max(axis=1) - 1e-9
    ).all()  # both are on the grid
    few, many = (table[table.n_target == n] for n in (20, 500))
    none = few.accuracy_alpha_0.mean()
    assert few.accuracy_alpha_1.mean() > none and few.accuracy_auto.mean() > none
    assert many.rms_covariance.max() < 0.04


def test_the_twin_keeps_the_moments():
    X, y = experiment.features("books")
    X = X**2  # far from Gaussian
    rng = np.random.default_rng(0)
    twins = [experiment.gaussian_twin(X, y, rng) for _ in range(20)]
    for label in (-1, 1):
        se = X[y == label].std(axis=0) / np.sqrt(20 * (y == label).sum())
        gap = np.mean([t[y == label].mean(axis=0) for t in twins], axis=0) - X[y == label].mean(axis=0)
        assert np.abs(gap / se).max() < 4.5
    within = [(M - np.stack([M[y == s].mean(axis=0) for s in y])).T for M in (X, np.vstack(twins)[: len(X)])]
    np.testing.assert_allclose(np.var(within[1], axis=1), np.var(within[0], axis=1), rtol=0.25)


def test_the_rule_called_auto_is_the_classifier():
    X, y = experiment.features("dvd")
    part = split_rows(*experiment.features("books"), np.random.default_rng(1))
    w = ridge_path(X - X.mean(axis=0), y, 1.0)[:, 0]
    scores, auto = experiment.fine_tune(part, w, 50, np.random.default_rng(2))
    rows = np.random.default_rng(2).choice(len(part.pool_labels), 50, replace=False)
    model = AlphaRidgeClassifier(w, gamma=experiment.GAMMA, fit_intercept=False).fit(
        part.pool[rows], part.pool_labels[rows]
    )
    signed = part.test_labels * (part.test @ np.ravel(model.coef_))
    np.testing.assert_allclose(scores @ [1, auto], signed, rtol=1e-9, atol=1e-12)
