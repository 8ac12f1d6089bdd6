"""AlphaRidgeClassifier: exactness of leave-one-out, scikit-learn's conventions, accuracy against the oracle, errors."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from experiments.alpha_rules import PROBLEMS, accuracy, trial
from rmt_alpha import TransferProblem, optimal_alpha
from rmt_alpha.alpha_rules import alpha_auto, alpha_loo, alpha_plugin, leave_one_out
from rmt_alpha.estimators import AlphaRidgeClassifier

RULES = ("auto", "loo", "plugin")


def oracle(problem):
    return optimal_alpha(problem).best


def target(problem, seed):
    return trial(problem, np.random.default_rng(seed))


def data(n=60, p=90, seed=0, K=1):
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    mean = np.zeros(p)
    mean[:2] = 0.8
    X = rng.standard_normal((n, p)) + np.outer(y, mean)
    W = rng.standard_normal((K, p)) / np.sqrt(p) + np.eye(K, p)
    return X, y, W


@pytest.mark.parametrize("gamma", [1.0, "loo"])
def test_check_estimator(gamma):
    check_estimator(AlphaRidgeClassifier(gamma=gamma), on_skip=None)


@pytest.mark.parametrize("n, p", [(15, 40), (40, 15), (30, 30)])
@pytest.mark.parametrize("gamma", [1e-6, 0.3, 50.0])
def test_leave_one_out_equals_refitting(n, p, gamma):
    X, y, W = data(n, p, K=2)
    loo = next(leave_one_out(X, y, W, [gamma]))
    for i in range(n):
        keep = np.arange(n) != i
        H = X[keep].T @ X[keep] / n + gamma * np.eye(p)
        v = np.linalg.solve(H, np.column_stack([X[keep].T @ y[keep] / n, gamma * W.T]))
        np.testing.assert_allclose(loo.margins[:, i], y[i] * (X[i] @ v), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n, p", [(15, 40), (40, 15)])
def test_weights_minimise_the_objective(n, p):
    X, y, W = data(n, p)
    model = AlphaRidgeClassifier(alpha=0.7, gamma=0.2).fit(X, y, w_source=W[0])
    a = model.coef_[0] - 0.7 * W[0]
    gradient = -X.T @ (y - X @ model.coef_[0]) / n + 0.2 * a
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_gamma_grid_equals_separate_fits():
    X, y, W = data()
    grid = [0.01, 0.5, 7.0]
    for gamma, loo in zip(grid, leave_one_out(X, y, W, grid), strict=True):
        alone = next(leave_one_out(X, y, W, [gamma]))
        np.testing.assert_array_equal(loo.margins, alone.margins)
    model = AlphaRidgeClassifier(gamma="loo", gammas=grid, w_source=W[0]).fit(X, y)
    assert model.gamma_ in grid


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scale", [-1.0, 40.0])
def test_source_scale_cancels(rule, scale):
    X, y, W = data()
    plain = AlphaRidgeClassifier(rule, w_source=W[0]).fit(X, y)
    scaled = AlphaRidgeClassifier(rule, w_source=scale * W[0]).fit(X, y)
    np.testing.assert_allclose(scaled.alpha_ * scale, plain.alpha_, rtol=1e-6)
    np.testing.assert_allclose(scaled.coef_, plain.coef_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_label_swap_and_rotation_invariance(rule):
    X, y, W = data()
    R = np.linalg.qr(np.random.default_rng(3).standard_normal((90, 90)))[0]
    plain = AlphaRidgeClassifier(rule, w_source=W[0]).fit(X, y)
    swapped = AlphaRidgeClassifier(rule, w_source=-W[0]).fit(X, -y)
    turned = AlphaRidgeClassifier(rule, w_source=W[0] @ R).fit(X @ R, y)
    np.testing.assert_allclose([swapped.alpha_, turned.alpha_], plain.alpha_, rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_several_sources(rule):
    X, y, W = data(K=3)
    model = AlphaRidgeClassifier(rule).fit(X, y, w_source=W)
    assert model.alpha_.shape == model.alpha_se_.shape == (3,)
    assert np.isfinite(model.alpha_).all() and np.isfinite(model.alpha_se_).all()
    one = AlphaRidgeClassifier(rule).fit(X, y, w_source=W[:1])
    assert one.alpha_[0] == pytest.approx(AlphaRidgeClassifier(rule, w_source=W[0]).fit(X, y).alpha_)


def test_no_source_is_ridge():
    X, y, _ = data()
    n = len(y)
    model = AlphaRidgeClassifier(gamma=0.5).fit(X, y)
    ridge = RidgeClassifier(alpha=0.5 * n, fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(model.coef_.ravel(), np.ravel(ridge.coef_), rtol=1e-9, atol=1e-12)
    assert model.alpha_ == 0 and model.intercept_ == 0


def test_pipeline_grid_search_clone():
    X, y, W = data()
    labels = np.where(y > 0, "spam", "ham")
    model = clone(AlphaRidgeClassifier(w_source=W[0]))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model), {"alpharidgeclassifier__alpha": [*RULES, 0, 1.0]}, cv=3
    )
    search.fit(X, labels)
    assert set(search.predict(X)) == {"ham", "spam"}
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


def test_base_estimator_survives_cloning_when_frozen():
    X, y, _ = data()
    base = FrozenEstimator(RidgeClassifier(fit_intercept=False).fit(X, y))
    model = clone(AlphaRidgeClassifier(base_estimator=base)).fit(X, y)
    direct = AlphaRidgeClassifier(w_source=np.ravel(base.coef_)).fit(X, y)
    assert isinstance(model.alpha_, float) and model.alpha_ == direct.alpha_


@pytest.mark.parametrize("gamma", [1e-10, 1e8])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n, p", [(40, 15), (15, 40)])
def test_extreme_gamma_is_finite(gamma, rule, n, p):
    X, y, W = data(n, p)
    model = AlphaRidgeClassifier(rule, gamma, w_source=W[0]).fit(X, y)
    assert np.isfinite([model.alpha_, model.alpha_se_, *model.coef_[0]]).all()


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"alpha": "best"}, r"alpha='best'.*auto.*loo.*plugin"),
        ({"alpha": np.nan}, r"alpha=nan.*finite"),
        ({"alpha": [1.0, 2.0]}, r"alpha=\[1.0, 2.0\]"),
        ({"gamma": 0}, r"gamma=0 must be positive.*1e-8"),
        ({"gamma": -1.0}, r"gamma=-1.0 must be positive"),
        ({"gamma": "cv"}, r"gamma='cv'.*'loo'"),
        ({"gamma": "loo", "gammas": [1.0, -2.0]}, r"gammas=.*must be positive"),
        ({"w_source": np.ones(3)}, r"w_source has shape \(3,\).*\(90,\) or \(K, 90\)"),
        ({"w_source": np.zeros(90)}, r"w_source must be finite and not all 0"),
        ({"w_source": None, "base_estimator": RidgeClassifier()}, r"has no coef_.*FrozenEstimator"),
    ],
)
def test_bad_inputs_say_what_to_do(parameters, message):
    X, y, W = data()
    with pytest.raises(ValueError, match=message):
        AlphaRidgeClassifier(**{"w_source": W[0], **parameters}).fit(X, y)


def test_three_classes_and_foreign_labels():
    X, y, _ = data()
    with pytest.raises(ValueError, match="Only binary.*3 classes"):
        AlphaRidgeClassifier().fit(X, np.arange(60) % 3)
    with pytest.raises(ValueError, match="classes_.*differ"):
        AlphaRidgeClassifier(base_estimator=RidgeClassifier().fit(X, y > 0)).fit(X, y)


@pytest.mark.parametrize("index, n_draws", [(0, 60), (2, 40), (3, 40), (4, 60), (5, 300)])
def test_accuracy_near_the_oracle(index, n_draws):
    """Fewer draws than the experiment `alpha_rules`, so the bar (.005, .01 for the useless source) gets two standard errors."""
    star = oracle(PROBLEMS[index])
    gaps = []
    for r in range(n_draws):
        loo, c, M = target(PROBLEMS[index], [9, index, r])
        gaps.append(accuracy(c, M, star) - accuracy(c, M, alpha_auto(loo)[0][0]))
    bar = 0.01 if index == 5 else 0.005
    assert np.mean(gaps) < bar + 2 * np.std(gaps) / np.sqrt(n_draws)


def test_auto_beats_leave_one_out_at_small_n_and_rejects_a_useless_source():
    for index in (0, 5):
        draws = [target(PROBLEMS[index], [10, index, r]) for r in range(40)]
        mean = [np.mean([accuracy(c, M, rule(loo)[0][0]) for loo, c, M in draws]) for rule in (alpha_auto, alpha_loo)]
        assert mean[0] > mean[1]


def test_coverage_where_reliable():
    """Problem 3: reliable on most draws; the binomial range around .95 for the number kept, not a fitted tolerance."""
    star = oracle(PROBLEMS[2])
    results = [alpha_auto(target(PROBLEMS[2], [11, r])[0]) for r in range(80)]
    hits = np.array([abs(a[0] - star) < 1.96 * se[0] for a, se, reliable in results if reliable])
    assert hits.size > 40
    assert abs(hits.mean() - 0.95) < 3 * np.sqrt(0.95 * 0.05 / hits.size)


def test_plugin_is_consistent():
    problem = TransferProblem(2000, 20000, 50, 1, 1, 0.6, 1, 1)
    loo, *_ = target(problem, 0)
    for rule in (alpha_auto, alpha_loo, alpha_plugin):
        alpha, se, reliable = rule(loo)
        assert reliable and abs(alpha[0] - oracle(problem)) < 4 * se[0]
