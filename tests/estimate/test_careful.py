"""What a decision must not say: certainty that few, shared or badly scaled rows do not give."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from rmt_alpha.cli import main
from rmt_alpha.estimate import (
    AlphaRidge,
    AlphaRidgeClassifier,
    accuracy_curve,
    choose_alpha,
    load_classifier,
    scaling_rows,
)
from rmt_alpha.estimate.choose import Estimate, _take
from rmt_alpha.estimate.tables import read_rows

E = np.eye(20)


def rows(rng, n, mean, share=0.5, scale=1.0):
    y = (rng.permutation(n) < share * n).astype(int)
    return (np.outer(2 * y - 1, mean) + rng.standard_normal((n, len(mean)))) * scale, y


def test_a_pipeline_that_scales_is_in_the_saved_weights(monkeypatch):
    monkeypatch.setattr("rmt_alpha.estimate.source.BLOCK", 3)
    rng, units = np.random.default_rng(0), np.logspace(-2, 2, 10)
    X, y = rows(rng, 1000, np.full(10, 0.5), scale=units)
    X = pd.DataFrame(X + 7, columns=[f"f{i}" for i in range(10)])
    scaler = StandardScaler().set_output(transform="pandas")
    source = make_pipeline(scaler, LogisticRegression()).fit(X[:500], y[:500])
    decision = choose_alpha(source, (X[500:540], y[500:540]))
    saved, model = decision.saved(), decision.model
    np.testing.assert_allclose(saved.decision_function(X[540:]), model.decision_function(X[540:]), rtol=1e-8)
    logs = make_pipeline(FunctionTransformer(np.cbrt), LogisticRegression()).fit(X[:500], y[:500])
    with pytest.raises(ValueError, match="source holds a Pipeline whose transform .* is not affine"):
        choose_alpha(logs, (X[500:540], y[500:540])).saved()


def test_one_row_of_each_class_says_nothing_of_alpha():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    s, t = order[:800], order[800:]
    shot = np.array([t[y[t] == k][0] for k in range(10)])
    decision = choose_alpha((X[s], y[s]), (X[shot], y[shot]))
    assert decision.alpha == 1 and decision.interval == (-np.inf, np.inf) and decision.take == 1
    assert decision.verdict.startswith("Whether the source helps cannot be told: a class has 1 of the 10 rows")
    assert np.mean(decision.saved().predict(X[t]) == y[t]) > 0.85
    two = AlphaRidgeClassifier(X[s][:1].ravel()).fit(X[s][:30], np.arange(30) > 28)
    assert two.alpha_ == 1 and np.isinf(two.alpha_interval_).all()


@pytest.mark.parametrize("n", [2, 4, 5])
def test_a_few_rows_certify_nothing(n):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        said = choose_alpha(rows(rng, 300, E[0]), rows(rng, n, 0.8 * E[1])).verdict
        assert said.startswith(f"Whether the source helps cannot be told: a class has {n // 2} of the {n} rows")


def test_two_rows_bound_no_alpha_of_a_regression():
    rng = np.random.default_rng(0)
    model = AlphaRidge(E[0] + E[1]).fit(rng.standard_normal((2, 20)), [1.0, 2.0])
    assert np.isinf(model.alpha_interval_).all()


@pytest.mark.parametrize("n, p", [(40, 100), (20, 100), (60, 30)])
def test_the_interval_of_a_regression_covers(n, p):
    """Truth: the α of least risk for the rows at hand, at a given penalty."""
    rng, hits = np.random.default_rng(1), []
    for _ in range(200):
        w = rng.standard_normal(p) / 10
        truth, X = w + 0.07 * rng.standard_normal(p), rng.standard_normal((n, p))
        y = X @ truth + 0.5 * rng.standard_normal(n)
        low, high = AlphaRidge(w, gamma=0.5).fit(X, y).alpha_interval_
        base, one = (AlphaRidge(w, gamma=0.5, alpha=a).fit(X, y).coef_ for a in (0.0, 1.0))
        hits.append(low <= (one - base) @ (truth - base) / ((one - base) @ (one - base)) <= high)
    assert 0.9 < np.mean(hits) < 0.995


def test_values_beyond_squares_are_refused():
    X, y = np.random.default_rng(0).standard_normal((2, 30, 20))
    for size in (1e200, 1e-200):
        with pytest.raises(ValueError, match="y must have values of a size in"):
            AlphaRidge(E[0]).fit(X, size * y[:, 0])


@pytest.mark.parametrize("threshold", ["accuracy", "balanced", 0.02, 0.9])
def test_accuracies_are_those_of_the_threshold(threshold):
    rng, mean = np.random.default_rng(0), np.r_[np.ones(5), np.zeros(35)] * 0.4
    source, target, (fresh, labels) = rows(rng, 2000, mean), rows(rng, 300, mean, 0.1), rows(rng, 20000, mean, 0.1)
    decision = choose_alpha(source, target, threshold=threshold)
    said, true = decision.accuracy["1"], np.mean(decision.saved().predict(fresh) == labels)
    assert said.low - 0.01 < true < said.high + 0.01
    curve = accuracy_curve(*rows(rng, 1500, mean, 0.1), mean, [0.0, 1.0], threshold=threshold)
    assert abs(curve.theory - curve.accuracy).max() < 0.035  # three standard errors


def test_a_saved_source_meets_the_target_in_its_own_units():
    rng, units = np.random.default_rng(1), 10.0 ** np.r_[np.full(20, -2), np.full(10, 2)]
    mean = rng.standard_normal(30) * 0.25
    other = np.where(np.arange(30) < 20, 0.3 * mean + rng.standard_normal(30) * 0.25, 0.3 * mean)
    source, (X, y) = rows(rng, 1000, other, scale=units), rows(rng, 100, mean, scale=units)
    fresh, labels = rows(rng, 4000, mean, scale=units)
    direct = choose_alpha(source, (X, y))
    kept = choose_alpha(source, (source[0][:50], source[1][:50]), alpha=1.0).saved()
    scaling = scaling_rows(X)
    np.testing.assert_allclose(kept.in_units(scaling).decision_function(scaling(X)), kept.decision_function(X))
    through = choose_alpha(kept, (X, y))
    score = [np.mean(decision.saved().predict(fresh) == labels) for decision in (direct, through)]
    assert score[1] > score[0] - 0.02
    assert through.accuracy["0"].value == pytest.approx(direct.accuracy["0"].value, abs=0.03)
    assert choose_alpha(kept, (X, y), fresh).scaling.origin == "unlabelled rows of the target"


def test_units_of_columns_do_not_matter():
    rng, mean = np.random.default_rng(0), np.random.default_rng(0).standard_normal(20) * 0.5
    (S, s), (X, y) = rows(rng, 400, mean), rows(rng, 60, mean)
    units = np.r_[np.full(19, 2.0**-27), 2.0**10]
    plain, scaled = choose_alpha((S, s), (X, y)), choose_alpha((S * units, s), (X * units, y))
    assert scaled.verdict == plain.verdict
    assert scaling_rows([[1e15, 0.1, 0.1]] * 7).deviation == pytest.approx(1)  # constants stay as they are


def test_one_alpha_per_class_is_no_decision():
    X, y = load_digits(return_X_y=True)
    with pytest.raises(ValueError, match="per must be 'source' here, got 'output'"):
        choose_alpha((X[:500], y[:500]), (X[500:600], y[500:600]), per="output")


def test_rows_of_both_files_are_counted():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((150, 60)), rng.permutation(np.arange(150) % 2)
    decision = choose_alpha((X, y), (X[:60], y[:60]))
    assert decision.shared == 60 and decision.verdict.startswith("60 of the target's rows are rows of the source")


def test_no_alpha_is_taken_that_the_rows_speak_against():
    worse, better, unsure = Estimate(-0.006, -0.021, 0.009), Estimate(0.2, 0.1, 0.3), Estimate(0.01, -0.1, 0.1)
    assert _take(0.37, 0.06, 0.73, {"1": worse, "0": better}) == 1
    assert _take(0.37, 0.06, 0.73, {"1": worse, "0": Estimate(-0.1, -0.2, 0.1)}) == 0  # by more
    assert _take(0.37, 0.06, 1.5, {"1": unsure, "0": better}) == 1
    assert _take(0.37, -0.06, 0.73, {"1": unsure, "0": unsure}) == 0
    assert _take(0.37, 0.06, 0.73, {"1": unsure, "0": better}) == 0.37


def test_no_source_is_not_compared_with_itself():
    rng = np.random.default_rng(0)
    said = choose_alpha(rows(rng, 500, E[0]), rows(rng, 60, 0.5 * E[0]), alpha=0.0).verdict
    assert said.startswith(("The source helps", "Whether the source helps cannot be told"))
    said = choose_alpha(rows(rng, 500, 2 * E[0]), rows(rng, 60, -2 * E[0]), alpha=0.0, gamma=10.0).verdict
    assert said.startswith("The source does not help") and "next to the target alone at α = 1." in said


def test_probabilities_of_many_classes_know_that_scores_were_chosen():
    """Digits moved by a pixel as the source: of rows given 80 to 90 %, two in three are right without the correction, four in five with it."""
    X, y = load_digits(return_X_y=True)
    moved = np.roll(X.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)
    top, right = [], []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(y))
        s, t, fresh = order[:700], order[700:750], order[1000:]
        w = AlphaRidgeClassifier(threshold="balanced").fit(scaling_rows(moved[s])(moved[s]), y[s]).coef_
        scaling = scaling_rows(X[t], moved[s])
        p = AlphaRidgeClassifier(w).fit(scaling(X[t]), y[t]).predict_proba(scaling(X[fresh]))
        top.append(p.max(axis=1))
        right.append(p.argmax(axis=1) == y[fresh])
    top, right = np.concatenate(top), np.concatenate(right)
    assert top.mean() - right.mean() < 0.06
    middle = (top > 0.8) & (top < 0.9)
    assert abs(top[middle].mean() - right[middle].mean()) < 0.1


def test_columns_named_by_numbers():
    rng = np.random.default_rng(0)
    X, y = rows(rng, 100, 2 * E[0])
    table = pd.DataFrame(X)
    saved = choose_alpha((table[:60], y[:60]), (table[60:], y[60:])).saved()
    np.testing.assert_array_equal(saved.predict(table[table.columns[::-1]]), saved.predict(X))


def test_zeros_and_twins_of_sparse_rows():
    from scipy import sparse

    rng = np.random.default_rng(0)
    X, y = rows(rng, 40, E[0])
    X[np.abs(X) < 0.5] = 0.0
    X, y = np.r_[X, X[:5]], np.r_[y, y[:5]]
    negative = X.copy()
    negative[40:][X[40:] == 0] = -0.0  # the twins of the first five
    coordinates, values = np.argwhere(X != 0).T, X[X != 0]
    place = np.argwhere(X[40] == 0)[0, 0]
    explicit = sparse.coo_array((np.r_[values, 0.0], np.c_[coordinates, [40, place]]), X.shape).tocsr()
    assert explicit.nnz == values.size + 1
    alpha, *others = (AlphaRidgeClassifier(E[0], gamma=1.0).fit(Z, y).alpha_ for Z in (X, negative, explicit))
    assert others == pytest.approx([alpha, alpha])
    assert explicit.nnz == values.size + 1  # the user's rows stay as they were


def test_the_shell_counts_rows_and_keeps_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, n in (("s", 300), ("t", 60)):
        X, y = rows(rng, n, 1.5 * E[0])
        table = pd.DataFrame(X, columns=[f"f{i}" for i in range(20)])
        ids = np.arange(n) if name == "s" else rng.permutation(1000)[:n]
        labels = np.where(y, "None", "severe").astype(object)
        labels[:20] = "" if name == "t" else labels[:20]
        table.assign(id=ids, label=labels).to_csv(f"{name}.csv", index=False)
    assert main(["choose", "s.csv", "t.csv"]) == 0
    said = capsys.readouterr().out
    assert "40 different labelled rows of the target, 20 without a label." in said
    assert "it only numbers the rows: id." in said
    assert load_classifier("alpha.json").classes.tolist() == ["None", "severe"]
    table = pd.read_csv("t.csv", keep_default_na=False)
    table[table.columns[::-1]].to_csv("turned.csv", index=False)
    found = []
    for target in ("t.csv", "turned.csv"):
        assert main(["choose", "alpha.json", target, "--out", "again", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["verdict"] == found[1]["verdict"] and found[0]["alpha"] == pytest.approx(
        found[1]["alpha"], rel=1e-6
    )
    assert (found[0]["rows"], found[0]["unlabelled"]) == (40, 20)
    pd.DataFrame({"a": np.arange(20) / 3, "label": range(20)}).to_csv("ids.csv", index=False)
    X, y, _ = read_rows("ids.csv")
    with pytest.raises(ValueError, match="source has a label of its own for each of its 20 rows"):
        choose_alpha((X, y), (X, y))
