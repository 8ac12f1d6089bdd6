"""accuracy_curve, scaling_rows, choose_alpha, the saved classifier, and `rmt-alpha choose` on files."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from rmt_alpha.cli import main
from rmt_alpha.estimate import (
    AlphaRidgeClassifier,
    accuracy_curve,
    choose_alpha,
    load_classifier,
    scaling_rows,
)  # fmt: skip
from rmt_alpha.estimate.choose import Estimate, _verdict
from rmt_alpha.estimate.tables import read_rows

MU = np.full(60, 1.4 / np.sqrt(60))
NAMED = pd.DataFrame(np.eye(4, 2), columns=["a", "b"])


def sample(rng, n, mean=MU, scale=1.0, offset=0.0):
    y = rng.permutation(np.arange(n) % 2)
    return offset + scale * (np.outer(2 * y - 1, mean) + rng.standard_normal((n, len(mean)))), y


@pytest.mark.parametrize("n", [40, 200])
def test_bands_of_the_curve_cover(n):
    """Truth: the mean accuracy over training samples, for a fixed source and penalty."""
    rng, grid = np.random.default_rng(0), np.array([-1.0, 0, 0.5, 1, 2, 4])
    w = MU + rng.standard_normal(60) * 0.15
    fresh, labels = sample(rng, 8000)
    curves, truth = [], []
    for _ in range(40):
        X, y = sample(rng, n)
        curves.append(accuracy_curve(X, y, w, grid, gamma=1.0))
        truth.append([AlphaRidgeClassifier(w, alpha=a, gamma=1.0).fit(X, y).score(fresh, labels) for a in grid])
    mean = np.mean(truth, axis=0)
    level = np.mean([(c.accuracy_low <= mean) & (mean <= c.accuracy_high) for c in curves])
    gain = mean - mean[3]
    difference = np.mean([(c.difference_low <= gain) & (gain <= c.difference_high) for c in curves])
    assert level > 0.85 and difference > 0.8
    assert abs(np.mean([c.accuracy for c in curves], axis=0) - mean).max() < 0.02  # left-out counts have no lean
    assert all(c.difference[3] == 0 for c in curves)


@pytest.mark.parametrize(("n", "share"), [(40, 0.5), (200, 0.5), (200, 0.2)])
def test_theory_beside_the_curve_is_where_scores_lie(n, share):
    """More features than rows, also classes of unequal size: on Gaussian rows theory's curve is the measured one, with less noise."""
    mean, grid = np.full(300, 2.0 / np.sqrt(300)), np.array([0.0, 1.0, 3.0])
    found, truth = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        (X, y), (fresh, labels) = unequal(rng, n, mean, share), unequal(rng, 1000, mean, share)
        w = mean / 3
        curve = accuracy_curve(X, y, w, grid, gamma=1.0)
        found.append(np.concatenate([curve.theory, curve.accuracy]))
        fits = [AlphaRidgeClassifier(w, alpha=a, gamma=1.0).fit(X, y) for a in grid]
        truth.append([fit.score(fresh, labels) for fit in fits])
        assert curve.distance == pytest.approx(np.sqrt(np.mean((curve.theory - curve.accuracy) ** 2)), rel=1e-12)
    miss = np.array(found)[:, :3] - truth
    z = miss.mean(axis=0) / (miss.std(axis=0, ddof=1) / np.sqrt(len(miss)))
    assert abs(z).max() < 3.5 and abs(miss.mean(axis=0)).max() < 0.012
    theory, measured = np.std(found, axis=0).reshape(2, 3)
    assert (theory < measured).all()


def unequal(rng, n, mean, share):
    """Rows of which a given share is of class 1."""
    y = rng.permutation((np.arange(n) < share * n).astype(int))
    return np.outer(2 * y - 1, mean) + rng.standard_normal((n, len(mean))), y


def test_there_is_no_theory_of_one_margin_for_three_classes():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 6)), np.arange(60) % 3
    curve = accuracy_curve(X, y, np.ones((3, 6)), [0.0, 1.0])
    assert curve.theory is None and curve.distance is None


def test_scaling_takes_unlabelled_rows_else_the_source_beside_its_own():
    rng = np.random.default_rng(2)
    own, source, pool = (rng.standard_normal((n, 3)) * s for n, s in ((10, 1.0), (500, 2.0), (900, 3.0)))
    by_pool = scaling_rows(own, source, pool)
    np.testing.assert_allclose(by_pool.deviation, np.vstack([pool, own]).std(axis=0))
    both = scaling_rows(own, source)
    np.testing.assert_allclose(both.deviation**2, (10 * own.var(axis=0) + 50 * source.var(axis=0)) / 60)
    assert scaling_rows(own).origin == "the target's own rows" and "unlabelled" in by_pool.origin
    constant = scaling_rows(np.array([[1.0, 5.0], [2.0, 5.0]]))
    assert constant.deviation[1] == 1 and np.isfinite(constant(own[:, :2])).all()


def test_a_useful_source_is_said_to_help_and_an_opposite_one_is_turned():
    rng = np.random.default_rng(3)
    source = sample(rng, 1000)
    many = [choose_alpha(source, sample(rng, 20)) for _ in range(8)]
    assert any(d.verdict.startswith("The source helps") for d in many)
    assert not any("does not help" in d.verdict for d in many) and np.mean([d.gain["0"].value for d in many]) > 0.02
    helps = many[0]
    assert set(helps.accuracy) == {"chosen", "1", "0"} and helps.interval[0] < helps.alpha < helps.interval[1]
    against = choose_alpha(source, sample(rng, 200, -MU))
    assert against.alpha < 0 and against.interval[1] < 1
    other = np.where(np.arange(60) % 2, 1.0, -1.0) * MU
    cannot = choose_alpha(source, sample(rng, 200, other))
    assert "cannot be told" in cannot.verdict or "does not help" in cannot.verdict


def test_a_decision_prints_as_a_few_lines():
    rng = np.random.default_rng(5)
    said = repr(choose_alpha(sample(rng, 300), sample(rng, 40)))
    first, chosen, accuracies = said.splitlines()
    assert first.startswith("Decision from 40 rows. ") and max(map(len, said.splitlines())) < 200
    assert re.search(r"chosen: α = [−-]?[\d.]+ \[.+, .+\], γ = .+; to take: α = ", chosen)
    assert all(re.search(rf"{name}: [\d.]+ \[[\d.]+, [\d.]+\]", accuracies) for name in ("α chosen", "α = 1", "α = 0"))


def test_scaling_and_offsets_come_out_right_in_the_saved_classifier(tmp_path):
    rng = np.random.default_rng(4)
    source, (X, y) = sample(rng, 500, offset=50, scale=7), sample(rng, 40, offset=50, scale=7)
    decision = choose_alpha(source, (X, y))
    decision.saved().save(tmp_path / "m.json")
    again = load_classifier(tmp_path / "m.json")
    fresh, labels = sample(rng, 4000, offset=50, scale=7)
    scaled = decision.scaling(fresh)
    np.testing.assert_allclose(again.predict_proba(fresh), decision.model.predict_proba(scaled), atol=1e-9)
    np.testing.assert_array_equal(again.predict(fresh), decision.model.predict(scaled))
    assert np.mean(again.predict(fresh) == labels) > 0.85
    (tmp_path / "bad.json").write_text('{"format": "other"}')
    with pytest.raises(ValueError, match="is truncated, altered, or of another version. Choose the file again"):
        load_classifier(tmp_path / "bad.json")


@pytest.mark.parametrize(
    "source, target, message",
    [
        ((np.zeros((4, 2)), [0, 1, 0]), (np.zeros((4, 3)), [0, 1, 0, 1]), "source has 2 features, target 3"),
        ((np.full((4, 3), np.nan), [0, 1, 0, 1]), (np.zeros((4, 3)), [0, 1, 0, 1]), "source holds nan in row 0"),
        ((np.eye(4, 3), [0, 2, 0, 2]), (np.eye(4, 3), [0, 1, 0, 1]), "source has the labels .*must be equal"),
        ((np.eye(4, 3), [0, 1, 0, 1]), "t.csv", r"target must be a pair \(rows, labels\), got a str"),
        ((np.eye(4, 3),), (np.eye(4, 3), [0, 1, 0, 1]), "source must be a pair .*weights, got 1 items"),
        ((np.eye(4, 3), [0, 1, 0, 1]), (np.eye(4, 3), [0.1, 1.2, 0, 1]), "labels of target must be classes, got cont"),
        ((NAMED, [0, 1, 0, 1]), (NAMED[["a"]], [0, 1, 0, 1]), "same columns: target lacks b."),
        ((NAMED, [0, 1, 0, 1]), (NAMED.set_axis(["a", "a"], axis=1), [0, 1, 0, 1]), "target lacks b|twice: a"),
        ((NAMED, [0, 1, 0, 1]), (NAMED, ["u", None, "v", "v"]), "target has no label in row 1"),
        ((np.eye(4, 3), [0, 1, 0, 1]), (np.eye(4, 3), [0, 1, np.inf, 1]), "target has no label in row 2"),
        ((NAMED, [0, 1, 0, 1]), (NAMED, [0, 0, 0, 0]), "Label target rows of the others"),
        ((NAMED.mask(np.eye(4, 2, -1) > 0), [0, 1, 0, 1]), (NAMED, [0, 1, 0, 1]), "in row 1, column 'a'"),
    ],
)
def test_what_does_not_fit_together_is_said(source, target, message):
    with pytest.raises(ValueError, match=message):
        choose_alpha(source, target)


def test_a_list_of_rows_and_labels_is_a_pair_too():
    rng, e = np.random.default_rng(0), np.eye(20)[0]
    y = np.arange(300) % 2
    X = np.outer(2 * y - 1, e) + rng.standard_normal((300, 20))
    pair, target = (X[:240], y[:240]), (X[240:], y[240:])
    assert repr(choose_alpha(list(pair), list(target))) == repr(choose_alpha(pair, target))
    codes = np.arange(60) % 3
    # one source of three classes, in a list, stays a source
    two = choose_alpha([np.eye(3, 20)], (X[240:], codes))
    assert two.model.coef_.shape == (3, 20)


def test_the_order_of_columns_does_not_matter_nor_whether_rows_are_sparse():
    rng = np.random.default_rng(8)
    (S, s), (X, y), (U, _) = sample(rng, 200), sample(rng, 40), sample(rng, 30)
    S, U = S * np.linspace(1, 9, 60), U * np.linspace(2, 5, 60)
    names = [f"f{i}" for i in range(60)]
    plain = choose_alpha((S, s), (X, y), U)
    S, X, U = (pd.DataFrame(rows, columns=names) for rows in (S, X, U))
    for turned in (names[::-1], names[7:] + names[:7]):
        assert choose_alpha((S[turned], s), (X, y), U[turned]).alpha == pytest.approx(plain.alpha)
    assert choose_alpha((sparse.csr_array(S), s), (sparse.csr_array(X), y), U).alpha == pytest.approx(plain.alpha)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    for name, n in (("s", 300), ("t", 40)):
        X, y = sample(rng, n)
        frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(60)]).assign(label=np.where(y, "yes", "no"))
        frame.sort_values("label").reset_index(drop=True).to_csv(f"{name}.csv")
        np.savez(f"{name}.npz", X=X, y=y)
        np.save(f"{name}X.npy", X)
        np.save(f"{name}y.npy", y)
    return tmp_path


def test_the_command_writes_picture_and_classifier(files, capsys):
    assert main(["choose", "s.csv", "t.csv", "--out", "mine"]) == 0
    said = capsys.readouterr().out
    assert "Left out, since it only numbers the rows: Unnamed: 0." in said and "α chosen" in said
    assert (files / "mine.png").stat().st_size > 1000
    assert load_classifier("mine.json").features == [f"f{i}" for i in range(60)]
    assert main(["choose", "mine.json", "t.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["left_out"] == ["Unnamed: 0"] and found["take"] in (found["alpha"], 0, 1)


def test_rows_of_the_target_without_a_label_count_as_unlabelled(files, capsys):
    frame = pd.read_csv("t.csv").drop(columns="Unnamed: 0").assign(label=lambda t: (t.label == "yes").astype(int))
    pd.read_csv("s.csv").assign(label=lambda t: (t.label == "yes").astype(int)).to_csv("s01.csv", index=False)
    frame.iloc[::2].to_csv("labelled.csv", index=False)
    frame.iloc[1::2].drop(columns="label").to_csv("rest.csv", index=False)
    frame.assign(label=frame.label.where(frame.index % 2 == 0)).to_csv("both.csv", index=False)
    said = []
    for rows in (["both.csv"], ["labelled.csv", "--unlabelled", "rest.csv"]):
        assert main(["choose", "s01.csv", *rows, "--json"]) == 0
        said.append(json.loads(capsys.readouterr().out))
        assert load_classifier("alpha.json").classes.dtype.kind == "i"  # a gap makes real numbers of a column
    assert said[0] == said[1]
    assert main(["choose", "both.csv", "s01.csv"]) == 2
    assert "both.csv has no label in row 2 of column 'label'" in capsys.readouterr().err


def test_the_command_says_how_to_use_what_it_wrote(files, capsys):
    """The line that it prints runs, on a table with other columns in another order."""
    assert main(["choose", "s.csv", "t.csv"]) == 0
    said = capsys.readouterr().out
    assert "60 features: f0, f1, f2, f3, f4, …, f58, f59." in said
    assert f"alpha.json, the classifier at α = {load_classifier('alpha.json').about['alpha']:.3g}." in said
    load, call = re.search(r"^For new rows, in Python: (.+); (.+), X a DataFrame", said, re.MULTILINE).groups()
    table = pd.read_csv("t.csv")
    known = {"X": table[table.columns[::-1]]}
    exec(load, known)
    turned = eval(call, known)
    plain = load_classifier("alpha.json").predict(table.drop(columns=["Unnamed: 0", "label"]).to_numpy())
    np.testing.assert_array_equal(turned, plain)
    assert np.mean(turned == table.label) > 0.8
    with pytest.raises(ValueError, match="X lacks 2 of the 60 columns .*: f3, f4. Add them"):
        load_classifier("alpha.json").predict(table.drop(columns=["f3", "f4"]))


def test_all_kinds_of_files_say_the_same(files, capsys):
    found = []
    for source, target in (("s.npz", "t.npz"), ("sX.npy,sy.npy", "tX.npy,ty.npy")):
        assert main(["choose", source, target, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["alpha"])
    assert found[0] == found[1]
    assert main(["choose", "s.npz", "t.npz", "--unlabelled", "sX.npy"]) == 0
    assert "unlabelled rows of the target" in capsys.readouterr().out


def test_columns_that_number_the_rows_are_no_features(tmp_path):
    frame = pd.DataFrame(
        {"id": np.random.default_rng(0).permutation(20) + 100, "year": [2000, 2001] * 10, "a": np.arange(20) / 3}
    )
    frame["label"] = [0, 1] * 10
    frame.to_csv(tmp_path / "x.csv")
    X, y, left_out = read_rows(str(tmp_path / "x.csv"))
    assert list(X.columns) == ["year", "a"] and left_out == ["Unnamed: 0", "id"] and len(y) == 20


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["s.csv", "nowhere.csv"], "there is no file nowhere.csv"),
        (["s.csv", "t.csv", "--label", "y"], "has no column 'y'"),
        (["s.npz", "t.csv"], "must have the same columns"),
        (["s.csv", "t.txt"], "there is no file t.txt"),
        (["sX.npy,nothing.npy", "t.csv"], "there is no file nothing.npy"),
        (["s.csv", "t.csv", "--out", "t.csv/mine"], "--out must be a place that can be written to, got 't.csv/mine'"),
        (["bad.json", "t.csv"], "is truncated, altered, or of another version. Choose the file again"),
        (["s.csv", "t.csv", "--label", "y"], "f0, f1, f2, f3, …, f59, label. Name the labels' column"),
        (["s.csv", "words.csv"], "in row 3 of column 'f1': 'red'. Encode as numbers, or drop: f1."),
        (["s.csv", "gaps.csv"], "no value in row 2 of column 'f1'; 2 of 3 rows have gaps. Fill them"),
        (["s.csv", "gaps.csv"], "or the columns f1, f2."),
        (["s.csv", "semicolons.csv"], "It is separated by semicolons"),
        (["s.csv", "bare.csv"], "holds no names but numbers (1, 2.5, 1.1)"),
        (["s.csv", "amounts.csv"], "amounts.csv: column 'label' must hold classes, got real numbers such as 0.1"),
        (
            ["s.json", "fewer.csv"],
            "target lacks 2 of the 60 columns that the classifier was fitted on: f3, f4. Add them",
        ),
        (
            ["s.json", "t.csv", "--out", "s"],
            "--out must not be where SOURCE lies, got 's': s.json would be overwritten",
        ),
        (["s.csv", "t.csv", "--out", "."], "--out must be the beginning of two files' names, got the folder '.'"),
        (["s.csv", "unlabelled.csv"], "target has no labelled row"),
        (["one.csv", "t.csv"], "source must be rows and labels of at least two classes: y holds one class, 'no'"),
    ],
)
def test_bad_files_are_one_line_and_status_2(files, arguments, message, capsys):
    (files / "bad.json").write_text("[]")
    pd.DataFrame({"f1": [1, None, "red"], "f2": [None, 1, 2], "label": [0, 1, 0]}).to_csv("words.csv", index=False)
    gaps = pd.DataFrame({"f1": [1, None, 2], "f2": [1, 2, None], "f3": [0.5, 1, 2], "label": [0, 1, 0]})
    gaps.to_csv("gaps.csv", index=False)
    gaps.to_csv("semicolons.csv", index=False, sep=";")
    gaps.assign(f1=0.0, f2=0.0, label=[0.1, 0.2, 0.3]).to_csv("amounts.csv", index=False)
    (files / "bare.csv").write_text("1,2.5,1\n2,3.5,0\n")
    rows = pd.read_csv("t.csv", index_col=0)
    choose_alpha(np.ones(60), (rows.drop(columns="label"), rows.label)).saved().save("s.json")
    rows.drop(columns=["f3", "f4"]).to_csv("fewer.csv", index=False)
    rows.assign(label=None).to_csv("unlabelled.csv", index=False)
    rows.assign(label="no").to_csv("one.csv", index=False)
    assert main(["choose", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_words_for_small_numbers():
    """What prints as +0.0 points is no help, and an α of a source with huge weights is not 0.00."""
    none, gain = {"": Estimate(1e-5, 1e-6, 2e-5)}, {"1": Estimate(0.01, 0.001, 0.02)}
    said = _verdict(9e-5, -2e-4, 2e-4, 9e-5, none, gain, 40)
    assert (
        said.startswith("Whether the source helps cannot be told from 40 rows")
        and "α = 9e-05 [-0.0002, 0.0002]" in said
    )
    assert _verdict(1.5, 1.2, np.inf, 1.5, {"": Estimate(0.1, 0.05, 0.2)}, gain, 40).startswith(
        "The source helps: 10.0"
    )


def test_settings_of_a_decision_are_checked():
    X, y = sample(np.random.default_rng(0), 40)
    for change, message in (
        (dict(level=1.0), "level must lie between 0 and 1, got 1.0"),
        (dict(level="most"), "level must be a real number"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            choose_alpha(MU, (X, y), **change)
        with pytest.raises((ValueError, TypeError), match=message):
            accuracy_curve(X, y, MU, **change)
    with pytest.raises((ValueError, TypeError), match="reference must lie in"):
        accuracy_curve(X, y, MU, reference=np.nan)
