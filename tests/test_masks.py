"""Masked arrays: wherever numbers go in, something masked is refused, for NumPy and scikit-learn would take what lies under the mask."""

import numpy as np
import pytest

from rmt_alpha import Fit, Group, Population, TransferProblem, predict, sweep
from rmt_alpha.estimate import (
    AlphaRidge,
    AlphaRidgeClassifier,
    SavedClassifier,
    accuracy_curve,
    choose_alpha,
    learning_curve,
    norm_strata,
    scaling_rows,
)
from rmt_alpha.sweep.phase_map import phase_map
from rmt_alpha.training import convex_path, ridge_path

from .sweep.sweep_executors import Inline

rng = np.random.default_rng(0)
W, MEANS = rng.standard_normal(6), np.eye(2, 6)
X = rng.standard_normal((40, 6))
Y = np.where(X @ W + rng.standard_normal(40) > 0, 1, -1)
ONES = np.ones(40)
NUMBERS = dict(n_source=50, n_target=20, dim=30, mu=1.0, mu_orth=1.0, beta=0.5, gamma_source=1.0, gamma_target=1.0)
TWO = Population.two_classes(MEANS[0], -MEANS[0])
FIT = Fit(TWO, n=20, gamma=1.0, starts=[MEANS[1]])
SAVED = SavedClassifier(W[None], np.zeros(1), np.array([-1, 1]), 1.0, np.zeros(2), None, np.ones(W.size), {})
SCALING = scaling_rows(X)
FITTED = AlphaRidgeClassifier(W).fit(X, Y)

# Parameter → what it may be, and a call with it.
CALLS = {
    "predict alpha": (np.array([0.0, 1.0]), lambda v, _: predict(FIT, v)),
    "problem beta": (np.array([0.0, 0.5]), lambda v, _: TransferProblem(**NUMBERS | {"beta": v})),
    "fit n": (np.array([20, 30]), lambda v, _: Fit(TWO, n=v, gamma=1.0)),
    "mean_plus": (MEANS[0], lambda v, _: Population.two_classes(v, -MEANS[0])),
    "covariance": (np.ones(6), lambda v, _: Population.two_classes(MEANS[0], -MEANS[0], covariance=v)),
    "classes": (np.array([0, 1]), lambda v, _: Population.mixture(MEANS, v, np.eye(2))),
    "mask": (np.arange(6) < 3, lambda v, _: Group(MEANS[1], v)),
    "labels": (np.arange(6) % 2, lambda v, _: Group.split(MEANS[1], v)),
    "sweep mu": (
        np.array([1.0, 2.0]),
        lambda v, tmp: sweep(NUMBERS | {"mu": v}, 1.0, n_trials=2, store=tmp, executor=Inline()),
    ),
    "sweep alpha": (np.array([0.0, 1.0]), lambda v, tmp: sweep(NUMBERS, v, n_trials=2, store=tmp, executor=Inline())),
    "sweep vector alpha": (
        np.array([0.0, 1.0]),
        lambda v, tmp: sweep(
            Fit(TWO, n=20, gamma=1.0, starts=list(MEANS)), v, n_trials=2, store=tmp, executor=Inline()
        ),
    ),
    "map beta": (np.array([0.1, 0.2]), lambda v, _: phase_map(TransferProblem(**NUMBERS), beta=v, mu=[1.0, 2.0])),
    "ridge_path X": (X, lambda v, _: ridge_path(v, Y, 1.0)),
    "ridge_path y": (Y, lambda v, _: ridge_path(X, v, 1.0)),
    "convex_path alphas": (np.array([0.0, 1.0]), lambda v, _: convex_path(X, Y, 1.0, "logistic", W, v)),
    "classifier X": (X, lambda v, _: AlphaRidgeClassifier(W).fit(v, Y)),
    "classifier y": (Y, lambda v, _: AlphaRidgeClassifier(W).fit(X, v)),
    "classifier sample_weight": (ONES, lambda v, _: AlphaRidgeClassifier(W).fit(X, Y, v)),
    "classifier source": (W, lambda v, _: AlphaRidgeClassifier(v).fit(X, Y)),
    "classifier second source": (W, lambda v, _: AlphaRidgeClassifier([W, v]).fit(X, Y)),
    "classifier sources source": (np.stack([W, X[0]]), lambda v, _: AlphaRidgeClassifier(v).fit(X, Y)),
    "classifier alpha": (np.array([1.0]), lambda v, _: AlphaRidgeClassifier(W, alpha=v).fit(X, Y)),
    "classifier gammas": (np.array([1.0, 2.0]), lambda v, _: AlphaRidgeClassifier(W, gammas=v).fit(X, Y)),
    "predict X": (X, lambda v, _: FITTED.predict(v)),
    "regressor X": (X, lambda v, _: AlphaRidge(W).fit(v, ONES * Y)),
    "regressor y": (ONES * Y, lambda v, _: AlphaRidge(W).fit(X, v)),
    "choose target": (X, lambda v, _: choose_alpha((X, Y), (v, Y))),
    "choose labels of the target": (Y, lambda v, _: choose_alpha((X, Y), (X, v))),
    "choose source": (X, lambda v, _: choose_alpha((v, Y), (X, Y))),
    "choose labels of the source": (Y, lambda v, _: choose_alpha((X, v), (X, Y))),
    "choose unlabelled": (X, lambda v, _: choose_alpha((X, Y), (X, Y), v)),
    "curve alpha": (np.array([0.0, 1.0]), lambda v, _: accuracy_curve(X, Y, W, v)),
    "learning_curve sizes": (np.array([20, 30]), lambda v, _: learning_curve(X, Y, W, v)),
    "learning_curve alpha": (np.array([0.0, 1.0]), lambda v, _: learning_curve(X, Y, W, [20], v)),
    "norm_strata X": (X, lambda v, _: norm_strata(v, Y, 2)),
    "norm_strata y": (Y, lambda v, _: norm_strata(X, v, 2)),
    "scaling_rows target": (X, lambda v, _: scaling_rows(v)),
    "scaling_rows source": (X, lambda v, _: scaling_rows(X, v)),
    "scaling_rows unlabelled": (X, lambda v, _: scaling_rows(X, unlabelled=v)),
    "scaling X": (X, lambda v, _: SCALING(v)),
    "saved X": (X, lambda v, _: SAVED.predict(v)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_what_is_masked_is_refused_and_an_empty_mask_is_none(name, tmp_path):
    value, call = CALLS[name]
    call(np.ma.array(value, mask=False), tmp_path / "open")
    mask = np.zeros(value.shape, bool)
    mask.flat[-1] = True
    with pytest.raises(TypeError, match=r"must not be masked, got 1 masked entries\. Fill or drop them") as refused:
        call(np.ma.array(value, mask=mask), tmp_path / "masked")
    said = str(refused.value).split()[0]
    assert said.removesuffix("[0]") in (*name.split(), *name.split("_"), "target", "source"), said


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "call",
    [SCALING, SAVED.predict, SAVED.predict_proba, scaling_rows, lambda v: scaling_rows(X, v), lambda v: scaling_rows(X, unlabelled=v)],
)  # fmt: skip
def test_rows_that_are_no_numbers_are_refused(call, bad):
    rows = X.copy()
    rows[3, 2] = bad
    with pytest.raises(
        ValueError, match=r"(X|target|source|unlabelled) must lie in .* got (nan|inf) \(at index \(3, 2\)\)"
    ):
        call(rows)
