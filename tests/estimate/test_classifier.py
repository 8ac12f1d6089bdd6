"""AlphaRidgeClassifier and AlphaRidge: scikit-learn's conventions, invariances, sources, thresholds, errors."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from rmt_alpha.estimate import AlphaRidge, AlphaRidgeClassifier, base
from rmt_alpha.estimate.calibration import calibrate, luck

SETTINGS = [
    {}, {"gamma": 1.0}, {"alpha": "loo"}, {"alpha": 1.0}, {"threshold": "balanced"}, {"fit_intercept": False},
    {"per": "output"}, {"class_weight": "balanced"},
]  # fmt: skip


def data(n=60, p=90, seed=0, K=1, offset=0.0, share=0.5):
    rng = np.random.default_rng(seed)
    y = np.where(rng.permutation(n) < share * n, 1.0, -1.0)
    mean = np.zeros(p)
    mean[:2] = 0.8
    X = rng.standard_normal((n, p)) + np.outer(y, mean) + offset
    W = rng.standard_normal((K, p)) / np.sqrt(p) + np.eye(K, p)
    return X, y, W


def digits(n=120, classes=(0, 1, 2, 3), seed=0):
    X, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(np.isin(y, classes)))
    return X[rows[:n]], y[rows[:n]], X[rows[n:]], y[rows[n:]]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_check_estimator_of_the_classifier(setting):
    check_estimator(AlphaRidgeClassifier(**setting), on_skip=None)


@pytest.mark.parametrize("setting", [s for s in SETTINGS if not {"threshold", "class_weight"} & set(s)], ids=str)
def test_check_estimator_of_the_regressor(setting):
    check_estimator(AlphaRidge(**setting), on_skip=None)


@pytest.mark.parametrize("alpha", ["auto", "loo", 0.7])
@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e8, 1e12])
def test_units_of_the_features_do_not_matter(alpha, unit):
    X, y, W = data()
    plain = AlphaRidgeClassifier(W[0], alpha=alpha).fit(X, y)
    scaled = AlphaRidgeClassifier(W[0] / unit, alpha=alpha).fit(X * unit, y)
    assert scaled.alpha_ == pytest.approx(plain.alpha_, rel=1e-6)
    np.testing.assert_allclose(scaled.alpha_interval_, plain.alpha_interval_, rtol=1e-6)
    np.testing.assert_allclose(scaled.decision_function(X * unit), plain.decision_function(X), rtol=1e-6, atol=1e-9)
    assert scaled.gamma_ == pytest.approx(plain.gamma_ * unit**2, rel=1e-6)


@pytest.mark.parametrize("alpha", ["auto", "loo"])
@pytest.mark.parametrize("factor", [-1.0, 40.0, 1e-8])
def test_the_sources_scale_cancels_but_for_what_the_prior_expects(alpha, factor):
    X, y, W = data(n=200, p=20)
    plain = AlphaRidgeClassifier(W[0], alpha=alpha).fit(X, y)
    scaled = AlphaRidgeClassifier(factor * W[0], alpha=alpha).fit(X, y)
    tolerance = 1e-6 if factor > 0 or alpha == "loo" else 1e-2  # a source that looks helpful all but decides its sign
    assert scaled.alpha_ * factor == pytest.approx(plain.alpha_, rel=tolerance)


@pytest.mark.parametrize("alpha", ["auto", "loo", 1.0])
def test_label_swap_rotation_and_shift(alpha):
    X, y, W = data()
    Q = np.linalg.qr(np.random.default_rng(3).standard_normal((90, 90)))[0]
    plain = AlphaRidgeClassifier(W[0], alpha=alpha).fit(X, y)
    swapped = AlphaRidgeClassifier(-W[0], alpha=alpha).fit(X, -y)
    turned = AlphaRidgeClassifier(W[0] @ Q, alpha=alpha).fit(X @ Q, y)
    moved = AlphaRidgeClassifier(W[0], alpha=alpha).fit(X + 10, y)
    for other in (swapped, turned, moved):
        assert other.alpha_ == pytest.approx(plain.alpha_, rel=1e-6)
    np.testing.assert_allclose(moved.decision_function(X + 10), plain.decision_function(X), atol=1e-8)
    np.testing.assert_allclose(swapped.decision_function(X), -plain.decision_function(X), atol=1e-8)


def test_without_source_it_is_ridge_up_to_the_threshold():
    X, y, _ = data()
    model = AlphaRidgeClassifier(gamma=0.5).fit(X, y)
    ridge = Ridge(alpha=0.5 * len(y)).fit(X, y)
    np.testing.assert_allclose(model.coef_[0], ridge.coef_, rtol=1e-9, atol=1e-12)
    assert model.alpha_ == 0
    regressor = AlphaRidge(gamma=0.5).fit(X, y)
    np.testing.assert_allclose(regressor.predict(X), ridge.predict(X), atol=1e-10)


def test_unequal_classes_are_no_loss_and_the_threshold_obeys():
    X, y, W = data(n=2200, p=60, share=0.1, seed=1)
    train, test = slice(0, 200), slice(200, None)
    fit = {
        t: AlphaRidgeClassifier(W[0], threshold=t).fit(X[train], y[train]) for t in ("accuracy", "balanced", 0.1, 0.9)
    }
    accuracy = fit["accuracy"].score(X[test], y[test])
    assert accuracy > np.mean(y[test] < 0) + 0.005  # above the majority class
    caught = {t: np.mean(m.predict(X[test])[y[test] > 0] == 1) for t, m in fit.items()}
    assert caught[0.1] > caught["accuracy"] > caught[0.9] and caught["balanced"] > caught["accuracy"] + 0.1
    for t in (0.1, 0.9):
        p = fit[t].predict_proba(X[test])[:, 1]
        np.testing.assert_array_equal(fit[t].predict(X[test]) == 1, p > t)
        np.testing.assert_allclose(p, fit["accuracy"].predict_proba(X[test])[:, 1])


def test_ten_rows_that_happen_to_be_unequal_do_not_make_everything_one_class():
    """Classes of equal size, of which the sample holds seven and three rows."""
    share, hits = [], []
    for seed in range(25):
        X, y, W = data(n=1010, p=90, seed=seed)
        rows = np.concatenate([np.flatnonzero(y > 0)[:7], np.flatnonzero(y < 0)[:3]])
        rest = np.delete(np.arange(len(y)), rows)
        found = AlphaRidgeClassifier(W[0]).fit(X[rows], y[rows]).predict(X[rest])
        share.append(np.mean(found > 0))
        hits.append(np.mean(found == y[rest]))
    assert 0.5 < np.mean(share) < 0.72 and np.mean(hits) > 0.65


def test_shares_start_from_five_rows_of_each_class_and_luck_is_a_standard_error():
    F, codes = np.random.default_rng(0).standard_normal((3, 10)), np.repeat([0, 1, 2], [7, 2, 1])
    np.testing.assert_allclose(np.exp(calibrate(F, codes, np.ones(10)).log_prior), np.array([12, 7, 6]) / 25)
    assert luck(2.0, 50) == pytest.approx(1 - np.sqrt(1 / 50 + 4 / 100) / 2)
    assert luck(-1.0, 50) == luck(0.01, 50) == 0.05


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_probabilities_are_calibrated(share):
    gap, loss, base = [], [], []
    for seed in range(20):
        X, y, W = data(n=2060, p=90, seed=seed, share=share)
        model = AlphaRidgeClassifier(W[0]).fit(X[:60], y[:60])
        p = model.predict_proba(X[60:])[:, 1]
        gap.append(np.mean(p) - np.mean(y[60:] > 0))
        loss.append(log_loss(y[60:] > 0, p))
        # Multiplying the logits by .5 or 2 should make it worse, if they are right.
        logit = np.log(p / (1 - p))
        base.append([log_loss(y[60:] > 0, 1 / (1 + np.exp(-c * logit))) for c in (0.5, 2.0)])
    assert np.mean(loss) < np.mean(base, axis=0).min()
    assert abs(np.mean(gap)) < 0.04


def test_several_sources():
    X, y, W = data(K=3)
    model = AlphaRidgeClassifier(W).fit(X, y)
    assert model.alpha_.shape == (3,) and model.alpha_interval_.shape == (2, 3)
    one = AlphaRidgeClassifier(W[:1]).fit(X, y)
    assert one.alpha_[0] == pytest.approx(AlphaRidgeClassifier(W[0]).fit(X, y).alpha_)
    given = AlphaRidgeClassifier(list(W), alpha=[1.0, 0.0, -2.0], gamma=1.0).fit(X, y)
    mixed = AlphaRidgeClassifier(W[0] - 2 * W[2], alpha=1.0, gamma=1.0).fit(X, y)
    np.testing.assert_allclose(given.coef_, mixed.coef_, atol=1e-10)


@pytest.mark.parametrize("J", [21, 40])
@pytest.mark.parametrize(
    "options", [{}, {"gamma": 1e-6}, {"gamma": 1.0, "alpha": "loo"}, {"gamma": 1.0, "fit_intercept": False}]
)
def test_more_sources_than_features_bound_no_alpha(J, options):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([-1, 1], 30))
    X = rng.standard_normal((60, 20)) + np.outer(y, np.eye(20)[0])
    model = AlphaRidgeClassifier(rng.standard_normal((J, 20)), **options).fit(X, y)
    assert np.isfinite(model.alpha_).all() and np.isfinite(model.coef_).all() and model.score(X, y) > 0.75
    if model.fit_intercept:  # without, 21 sources with intercepts of 0 are no more than 20 either
        np.testing.assert_array_equal(model.alpha_interval_, np.repeat([[-np.inf], [np.inf]], J, axis=1))
    regression = AlphaRidge(model.source, gamma=1.0).fit(X, y)
    assert np.isfinite(regression.coef_).all() and np.isinf(regression.alpha_interval_).all()


@pytest.mark.parametrize("alpha", ["auto", "loo"])
def test_twins_share_alike_and_their_kin_is_as_it_was(alpha):
    X, y, W = data(K=2)
    twins = AlphaRidgeClassifier([W[0], 3 * W[0], W[1]], alpha=alpha, gamma=1.0).fit(X, y)
    one, three, other = twins.alpha_
    assert one == pytest.approx(3 * three, rel=1e-9)
    low, high = twins.alpha_interval_
    assert np.isinf(low[:2]).all() and np.isinf(high[:2]).all() and low[2] < other < high[2]
    alone = AlphaRidgeClassifier(W, alpha=alpha, gamma=1.0).fit(X, y)
    np.testing.assert_allclose([2 * one, other], alone.alpha_, rtol=1e-9 if alpha == "loo" else 0.05)


def test_units_of_one_source_among_several_do_not_matter():
    X, y, W = data(K=2)
    alpha = AlphaRidgeClassifier(W, gamma=1.0).fit(X, y).alpha_
    tiny = AlphaRidgeClassifier([W[0], 1e-9 * W[1]], gamma=1.0).fit(X, y).alpha_
    np.testing.assert_allclose(
        tiny, [alpha[0], 1e9 * alpha[1]], rtol=0.05
    )  # the share of theory in variances looks at their sum


@pytest.mark.parametrize("per", ["source", "output"])
def test_the_order_of_classes_and_sources_does_not_matter(per):
    rng = np.random.default_rng(1)
    means = 0.4 * rng.standard_normal((3, 40))
    y = np.arange(60) % 3
    X = means[y] + rng.standard_normal((60, 40))
    W = 0.5 * means + 0.1 * rng.standard_normal((3, 3, 40))
    model = AlphaRidgeClassifier(W, per=per, gamma=0.5).fit(X, y)
    turned, order = np.array([2, 0, 1]), np.array([2, 1, 0])  # class k is called turned[k]
    back = np.argsort(turned)
    other = AlphaRidgeClassifier(W[order][:, back], per=per, gamma=0.5).fit(X, turned[y])
    same = other.alpha_[order] if per == "source" else other.alpha_[order][:, turned]
    np.testing.assert_allclose(same, model.alpha_, atol=1e-6)
    np.testing.assert_allclose(other.predict_proba(X)[:, turned], model.predict_proba(X), atol=1e-6)


def test_what_does_not_settle_is_said(monkeypatch):
    monkeypatch.setattr("rmt_alpha.estimate.many_classes.ROUNDS", 2)
    X, _, W = data(K=6)
    with pytest.warns(ConvergenceWarning, match="has not settled in 2 rounds.*Leave out sources"):
        AlphaRidgeClassifier(W.reshape(2, 3, 90), gamma=1.0).fit(X, np.arange(60) % 3)


@pytest.mark.parametrize("per", ["source", "output"])
def test_many_classes_with_one_alpha_or_one_each(per):
    X, y, X_test, y_test = digits()
    turned = X.reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 64)  # a related task: the digits transposed
    source = RidgeClassifier(alpha=100).fit(turned, y)
    right = RidgeClassifier(alpha=100).fit(X_test[:300], y_test[:300])
    for given in (source, right, right.coef_):
        model = AlphaRidgeClassifier(given, per=per).fit(X[:30], y[:30])
        assert model.coef_.shape == (4, 64) and np.shape(model.alpha_) == (() if per == "source" else (4,))
        probabilities = model.predict_proba(X_test)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X_test))
    helped = AlphaRidgeClassifier(right, per=per).fit(X[:30], y[:30])
    alone = AlphaRidgeClassifier().fit(X[:30], y[:30])
    assert helped.score(X_test[300:], y_test[300:]) >= alone.score(X_test[300:], y_test[300:])
    assert np.mean(helped.alpha_) > 0.3


def test_sparse_rows_give_the_same_classifier():
    for n, p in ((40, 90), (120, 30)):
        X, y, W = data(n, p)
        X[np.abs(X) < 1] = 0
        dense = AlphaRidgeClassifier(W[0]).fit(X, y)
        thin = AlphaRidgeClassifier(W[0]).fit(sparse.csr_array(X), y)
        assert thin.alpha_ == pytest.approx(dense.alpha_, rel=1e-6)
        np.testing.assert_allclose(thin.decision_function(sparse.csr_array(X)), dense.decision_function(X), atol=1e-7)


def test_equal_rows_are_one_row_of_more_weight():
    X, y, W = data()
    counts = np.random.default_rng(1).integers(0, 4, len(y))
    repeated = AlphaRidgeClassifier(W[0]).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    weighted = AlphaRidgeClassifier(W[0]).fit(X, y, sample_weight=counts)
    assert repeated.alpha_ == pytest.approx(weighted.alpha_)
    np.testing.assert_allclose(repeated.coef_, weighted.coef_, atol=1e-10)
    noise = np.random.default_rng(0)
    Z, labels = noise.standard_normal((30, 60)), np.resize([-1, 1], 30)
    twice = AlphaRidgeClassifier().fit(np.vstack([Z, Z]), np.r_[labels, labels])
    margins = np.where(labels > 0, 1, -1) * twice.left_out_.scores[0, 0]
    assert len(margins) == 30 and np.mean(margins > 0) < 0.75  # a twin would have told the label


def test_a_classifier_as_source_in_a_search():
    X, y, _ = data()
    labels = np.where(y > 0, "spam", "ham")
    base = FrozenEstimator(RidgeClassifier().fit(X + 1, labels))
    search = GridSearchCV(AlphaRidgeClassifier(base), {"alpha": ["auto", "loo", 0, 1.0]}, cv=3).fit(X, labels)
    assert set(search.predict(X)) == {"ham", "spam"} and not np.isnan(search.cv_results_["mean_test_score"]).any()
    direct = AlphaRidgeClassifier(np.ravel(base.coef_)).fit(X, labels)
    assert AlphaRidgeClassifier(base).fit(X, labels).alpha_ == pytest.approx(direct.alpha_)


def test_weights_as_long_as_the_sample_survive_cross_validation():
    X, y, W = data(60, 60)
    search = GridSearchCV(AlphaRidgeClassifier(W[0]), {"gamma": [0.1, 1.0]}, cv=3).fit(X, y)
    assert search.best_estimator_.coef_.shape == (1, 60)


def test_a_pipeline_as_source_brings_its_transform_and_its_intercept():
    X, y, _ = data(offset=5.0)
    other, labels, _ = data(seed=1, n=200, offset=5.0)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(other, labels)
    model = AlphaRidgeClassifier(pipeline, alpha=1.0, gamma=1e12, fit_intercept=False, threshold="balanced").fit(X, y)
    np.testing.assert_allclose(
        model.decision_function(X), pipeline.decision_function(X), atol=1e-5
    )  # a = 0: the source itself
    chosen = AlphaRidgeClassifier(pipeline).fit(X, y)
    inside = AlphaRidgeClassifier(pipeline[-1].coef_[0]).fit(pipeline[0].transform(X), y)
    assert chosen.alpha_ == pytest.approx(inside.alpha_) and chosen.n_features_in_ == 90


def test_names_of_features_are_compared():
    X, y, W = data(p=4)
    frame = pd.DataFrame(X, columns=list("abcd"))
    source = RidgeClassifier().fit(frame, y)
    AlphaRidgeClassifier(source).fit(frame, y)
    AlphaRidgeClassifier(pd.Series(W[0], index=list("abcd"))).fit(frame, y)
    for wrong in (source, pd.Series(W[0], index=list("abcd"))):
        with pytest.raises(ValueError, match="at place 0 X has 'd', the source 'a'"):
            AlphaRidgeClassifier(wrong).fit(frame[list("dcba")], y)


def test_regression_finds_the_scale_and_covers_it():
    rng, hits, found = np.random.default_rng(0), 0, []
    for _ in range(60):
        w, X = rng.standard_normal(100) / 10, rng.standard_normal((80, 100))
        model = AlphaRidge(w / 2, gamma=1.0).fit(X, X @ w + 0.5 * rng.standard_normal(80) + 7)
        hits += model.alpha_interval_[0] <= 2 <= model.alpha_interval_[1]
        found.append(model.alpha_)
    assert abs(np.mean(found) - 2) < 0.1 and hits >= 50
    Y = X @ rng.standard_normal((100, 3))
    assert AlphaRidge(rng.standard_normal((3, 100)), per="output").fit(X, Y).alpha_.shape == (3,)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"alpha": "best"}, r"alpha='best'.*auto.*loo"),
        ({"alpha": np.nan}, r"alpha=nan.*finite"),
        ({"alpha": [1.0, 2.0]}, r"alpha=\[1.0, 2.0\]"),
        ({"gamma": 0}, r"gamma=0 must be positive.*1e-8"),
        ({"gamma": "cv"}, r"gamma='cv'.*'loo'"),
        ({"gammas": [1.0, -2.0]}, r"gammas=.*must be positive"),
        ({"per": "class"}, r"per='class'.*'source'.*'output'"),
        ({"threshold": "best"}, r"threshold='best'.*probability"),
        ({"threshold": 1.5}, r"threshold=1.5"),
        ({"source": np.ones(3)}, r"source has shape \(3,\).*\(90,\)"),
        ({"source": np.zeros(90)}, r"source must be finite and not all 0"),
        ({"source": np.full(90, np.inf)}, r"source must be finite"),
        ({"source": 1e-102 * np.ones(90)}, r"source must have scores of a size in \[1e-100, 1e\+100\], got 1e-102"),
        ({"source": np.ones(90) + 0j}, r"source must be weights, .*complex"),
        ({"source": 10**400}, r"source must be weights, .*too large"),
        ({"fit_intercept": "no"}, r"fit_intercept must be True or False, got 'no'"),
        ({"class_weight": {-1: 0.0}}, r"class_weight must be None, .*positive and finite"),
        ({"source": RidgeClassifier()}, r"has no coef_.*FrozenEstimator"),
        (
            {"source": make_pipeline(StandardScaler(), RidgeClassifier())},
            "a Pipeline that is not fitted.*FrozenEstimator",
        ),
    ],
)
def test_bad_inputs_say_what_to_do(parameters, message):
    X, y, W = data()
    with pytest.raises((ValueError, TypeError), match=message):
        AlphaRidgeClassifier(**{"source": W[0], **parameters}).fit(X, y)


def test_degenerate_samples_are_refused_by_name():
    X, y, W = data()
    with pytest.raises(ValueError, match="X has the same row everywhere"):
        AlphaRidgeClassifier(W[0]).fit(np.zeros_like(X), y)
    with pytest.raises(ValueError, match="y holds one class"):
        AlphaRidgeClassifier(W[0]).fit(X, np.ones(60))
    huge = np.where(np.arange(60) == 0, 1e300, 1.0)
    for weights in (y > 0, huge):
        with pytest.raises(ValueError, match="^sample_weight must leave rows of at least 2 classes.*more weight"):
            AlphaRidgeClassifier(W[0]).fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match="at least one non-zero"):
        AlphaRidgeClassifier(W[0]).fit(X, y, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match="classes_.*differ"):
        AlphaRidgeClassifier(RidgeClassifier().fit(X, y > 0)).fit(X, y)


@pytest.mark.parametrize("kind", [AlphaRidgeClassifier, AlphaRidge])
def test_what_squares_cannot_hold_is_refused_by_name(kind):
    X, y, W = data(n=30, p=6)
    for unit in (1e-99, 1e99):
        assert np.isfinite(kind(W[0] / unit).fit(X * unit, y).coef_).all()
    for unit in (1e-102, 1e-300, 1e102, 1e300):
        with pytest.raises(ValueError, match=r"X must have features of a size in \[1e-100, 1e\+100\]"):
            kind(W[0]).fit(X * unit, y)
    with pytest.raises(ValueError, match="X must be rows of finite numbers: could not convert string"):
        kind(W[0]).fit(np.where(X > 2, "word", X.astype(str)), y)
    with pytest.raises(ValueError, match="sample_weight must be 30 non-negative numbers, one per row: .*convert"):
        kind(W[0]).fit(X, y, ["heavy"] * 30)


@pytest.mark.parametrize("kind", [AlphaRidgeClassifier, AlphaRidge])
def test_a_weight_that_is_nothing_beside_the_largest_is_none(kind):
    X, y, W = data(n=30, p=6)
    omega = np.where(np.arange(30) < 20, 1.0, 1e-200)
    model, rest = kind(W[0]).fit(X, y, omega), kind(W[0]).fit(X[:20], y[:20])
    np.testing.assert_allclose(model.coef_, rest.coef_, rtol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("alpha", ["auto", "loo"])
def test_a_handful_of_rows_gives_finite_numbers(n, alpha):
    X, _, W = data()
    model = AlphaRidgeClassifier(W[0], alpha=alpha).fit(X[:n], np.arange(n) % 2)
    assert np.isfinite([model.alpha_, *model.coef_[0], *model.intercept_, *model.predict_proba(X).ravel()]).all()
    assert not np.isnan(model.alpha_interval_).any()


@pytest.mark.parametrize("gamma", [1e-10, 1e8, 1e17])
@pytest.mark.parametrize("n, p", [(40, 15), (15, 40)])
def test_extreme_penalties_are_finite(gamma, n, p):
    X, y, W = data(n, p)
    model = AlphaRidgeClassifier(W[0], gamma=gamma).fit(X, y)
    assert np.isfinite([model.alpha_, *model.coef_[0], *model.predict_proba(X).ravel()]).all()


@pytest.mark.parametrize("kind", [AlphaRidgeClassifier, AlphaRidge])
def test_penalties_looked_at_in_blocks_are_the_same_penalties(kind, monkeypatch):
    X, y, W = data()
    whole = kind(W[0]).fit(X, y)
    monkeypatch.setattr(base, "LARGEST", 300)
    blocks = kind(W[0]).fit(X, y)
    assert blocks.gamma_ == pytest.approx(whole.gamma_) and blocks.alpha_ == pytest.approx(whole.alpha_)
    np.testing.assert_allclose(blocks.alpha_interval_, whole.alpha_interval_)
    np.testing.assert_allclose(blocks.coef_, whole.coef_, rtol=1e-6, atol=1e-9)


def test_a_missing_label_is_refused():
    with pytest.raises(ValueError, match="y has no label in row 1"):
        AlphaRidgeClassifier().fit(np.eye(4, 3), np.array(["u", np.nan, "v", "v"], dtype=object))


@pytest.mark.parametrize("kind", [AlphaRidgeClassifier, AlphaRidge])
def test_scaling_by_the_rows_themselves_warns(kind):
    X, y, W = data()
    own = StandardScaler().fit_transform(X)
    twins = np.r_[X, X[:1]]
    for Z, labels in (
        (own, y),
        (StandardScaler().fit_transform(X.astype("f4")), y),
        ((X - X.mean(0)) / X.std(0, ddof=1), y),
        (StandardScaler(with_mean=False).fit_transform(X), y),
        (np.c_[own[:, :-1], X[:, -1]], y),
        (StandardScaler().fit_transform(twins), np.r_[y, y[:1]]),
    ):
        with pytest.warns(UserWarning, match=f"X is scaled by its own {len(Z)} rows.*scaling_rows"):
            kind(W[0]).fit(Z, labels)
    other = StandardScaler().fit(2 * X + 1)
    kind(W[0]).fit(other.transform(X), y)  # no warning, which would be an error here: others' rows, or no source
    kind().fit(StandardScaler().fit_transform(X), y)


@pytest.mark.parametrize("size", [1e101, 1e307, 1.7e308])
def test_features_whose_sums_overflow_are_refused_by_name(size):
    X = size * np.sign(np.random.default_rng(0).standard_normal((24, 6)))
    model = AlphaRidgeClassifier(np.ones(6)).fit(X / size, np.arange(24) % 2)
    for call in (lambda: AlphaRidgeClassifier(np.ones(6)).fit(X, np.arange(24) % 2), lambda: model.predict(X)):
        with pytest.raises(ValueError, match=r"X must have features of a size in .*got 1.*e\+"):
            call()
