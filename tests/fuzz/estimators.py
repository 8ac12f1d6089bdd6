"""The same for what chooses α from data: rows, labels and sources of every type, shape and unit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rmt_alpha.estimate import (
    AlphaRidge,
    AlphaRidgeClassifier,
    SavedClassifier,
    accuracy_curve,
    choose_alpha,
    learning_curve,
    load_classifier,
    norm_strata,
    remove_mean_noise,
    scaling_rows,
)

from .cases import ANY, ODD, P, call, mostly

N = 24
rng = np.random.default_rng(0)
SIGNS = np.where(np.arange(N) % 2, 1, -1)
W = np.eye(P)[0] + 0.3 * rng.standard_normal(P)
ROWS = rng.standard_normal((N, P)) + np.outer(SIGNS, W)
THREE = np.arange(N) % 3

UNITS = [1e-300, 1e-160, 1e-100, 1e-12, 1e-5, 1.0, 1e5, 1e12, 1e29, 1e100, 1e150, 1e300]


def blank(X: np.ndarray, value: Any) -> np.ndarray:
    X = X.copy()
    X[3, 2] = value
    return X


def masked(X: np.ndarray) -> Any:
    return np.ma.array(X, mask=np.arange(X.size).reshape(X.shape) == 5)


PLAIN = st.sampled_from([ROWS, ROWS, ROWS * 7 + 3, np.vstack([ROWS[:12], ROWS[:12]]), ROWS.astype(np.float32)])
SCALED = st.tuples(st.sampled_from(UNITS), st.sampled_from([0.0, 0.0, 1.0, 1e7])).map(lambda u: u[0] * (ROWS + u[1]))
SHORT = st.sampled_from([ROWS[:n] for n in (0, 1, 2, 3, 4, 5)])
FLAT = st.sampled_from(
    [
        np.zeros((N, P)),
        np.ones((N, P)),
        np.outer(SIGNS, W),
        ROWS * np.eye(P)[0],
        ROWS * np.geomspace(1e-200, 1, P),
        ROWS * np.geomspace(1, 1e200, P),
        np.tile(ROWS[:1], (N, 1)),
        blank(np.zeros((N, P)), 1e-300),
    ]
)
KINDS = st.sampled_from(
    [
        ROWS.tolist(),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS, columns=list("abcdef")),
        pd.DataFrame(ROWS, columns=[*"abcde", 6]),
        pd.DataFrame(ROWS).astype("Float64"),
        sparse.csr_array(ROWS),
        sparse.csc_matrix(ROWS * (ROWS > 0.5)),
        sparse.coo_array((N, P)),
        jnp.asarray(ROWS),
        jnp.asarray(blank(ROWS, np.nan)),
        np.ma.array(ROWS),
        masked(ROWS),
        blank(ROWS, np.nan),
        blank(ROWS, -np.inf),
        sparse.csr_array(blank(ROWS, np.nan)),
        blank(ROWS.astype(object), "x"),
        blank(ROWS.astype(object), None),
        ROWS.astype(complex),
        ROWS.astype(str),
        (ROWS > 0),
        (ROWS * 10).astype(np.int8),
        ROWS[0],
        ROWS[None],
        ROWS[:, :0],
        ROWS.T,
        pd.DataFrame({"a": SIGNS, "b": "word"}),
    ]
)
X = st.one_of(PLAIN, PLAIN, SCALED, SHORT, FLAT, KINDS, ODD)
USUAL_X = mostly(st.one_of(PLAIN, SCALED), st.one_of(SHORT, FLAT, KINDS))
Y = mostly(
    st.sampled_from([SIGNS, SIGNS, SIGNS > 0, np.where(SIGNS > 0, "yes", "no"), THREE, np.repeat([0, 1], N // 2)]),
    st.one_of(
        ODD,
        st.sampled_from(
            [
                np.ones(N),
                SIGNS[:5],
                np.arange(N),
                np.where(np.arange(N) == 3, 1, -1),
                SIGNS[:, None],
                np.stack([SIGNS, SIGNS], 1),
                SIGNS.tolist(),
                pd.Series(SIGNS),
                jnp.asarray(SIGNS),
                np.ma.array(SIGNS, mask=SIGNS > 0),
                blank(SIGNS.astype(float)[:, None] * np.ones(3), np.nan)[:, 2],
                np.where(SIGNS > 0, "yes", None),
                [1, "a"] * (N // 2),
                rng.standard_normal(N),
            ]
        ),
    ),
)
VALUES = mostly(
    st.sampled_from([ROWS @ W, ROWS[:, :2], SIGNS, 1e12 * ROWS @ W, 1e-300 * ROWS @ W, np.zeros(N)]), st.one_of(ODD, Y)
)


class Cuts:
    """A linear model of somebody else's."""

    def __init__(self, coef: Any, intercept: Any = 0.0):
        self.coef_, self.intercept_ = coef, intercept


def sources(fitted: Any) -> st.SearchStrategy[Any]:
    return mostly(
        st.sampled_from([None, W, W, 2 * W, fitted, FrozenEstimator(fitted), make_pipeline(StandardScaler(), fitted)]),
        st.one_of(
            ODD,
            st.sampled_from(
                [
                    *(W * unit for unit in UNITS),
                    [W, np.eye(P)[1]],
                    [W, W],
                    np.stack([W, -W]),
                    np.stack([W, W, -W]),
                    W[:3],
                    blank(np.outer(W, np.ones(3)), np.nan),
                    np.where(np.arange(P), W, np.nan),
                    jnp.asarray(W),
                    jnp.asarray(W * np.nan),
                    W.tolist(),
                    W.astype(object),
                    W.astype(str),
                    W.astype(complex),
                    pd.Series(W, index=list("abcdef")),
                    pd.Series(W, index=list("fedcba")),
                    np.ma.array(W, mask=W > 0),
                    sparse.csr_array(W[None]),
                    LogisticRegression(),
                    LogisticRegression,
                    StandardScaler(),
                    make_pipeline(StandardScaler(), LogisticRegression()),
                    Cuts(W),
                    Cuts(W[None], np.array([np.nan])),
                    Cuts(W, "x"),
                    Cuts("x"),
                    Cuts(None),
                    Cuts(np.ma.array(W, mask=W > 0)),
                    [fitted, W],
                    [None],
                    [[]],
                ]
            ),
        ),
    )


MODEL = LogisticRegression().fit(ROWS, SIGNS)
ALPHA = mostly(
    st.sampled_from(["auto", "auto", "loo", 1.0, 0, -1, 1e6, 1e-12, np.int64(2)]),
    st.one_of(ANY, st.sampled_from([[1.0, 2.0], np.ones((1, 3)), 1e300])),
)
GAMMA = mostly(st.sampled_from(["loo", "loo", 1.0, 1e-12, 1e12, np.float32(1), 1]), ANY)
SHARED = {
    "alpha": ALPHA,
    "gamma": GAMMA,
    "per": mostly(st.sampled_from(["source", "output"]), ODD),
    "fit_intercept": mostly(st.booleans(), ODD),
    "gammas": mostly(st.sampled_from([None, [1.0], [1e-3, 1e3]]), ANY),
}
OPTIONS = SHARED | {
    "threshold": mostly(st.sampled_from(["accuracy", "balanced", 0.3]), ANY),
    "class_weight": mostly(st.sampled_from([None, "balanced", {-1: 1.0, 1: 5.0}]), st.one_of(ODD, st.just({-1: -1.0}))),
}
WEIGHTS = mostly(
    st.sampled_from([None, np.ones(N), np.arange(N), np.geomspace(1e-300, 1e300, N)]),
    st.one_of(
        ANY,
        st.sampled_from([np.zeros(N), -np.ones(N), np.where(np.arange(N), 1.0, np.nan), SIGNS > 0, np.eye(N)[0]]),
    ),
)


def classified(X: Any, y: Any, sample_weight: Any = None, **options: Any) -> Any:
    model = AlphaRidgeClassifier(**options).fit(X, y, sample_weight)
    proba = model.predict_proba(X)
    assert np.allclose(proba.sum(axis=1), 1)
    assert set(model.predict(X)) <= set(model.classes_)
    assert np.isfinite(model.alpha_).all() and np.isfinite(model.gamma_)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    return [model.coef_, model.alpha_, model.alpha_interval_, model.decision_function(X), proba]


def regressed(X: Any, y: Any, sample_weight: Any = None, **options: Any) -> Any:
    model = AlphaRidge(**options).fit(X, y, sample_weight)
    assert np.isfinite(model.alpha_).all() and np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    return [model.coef_, model.alpha_, model.alpha_interval_, model.gamma_, model.predict(X)]


def predicted(X: Any, source: Any) -> Any:
    """Rows of every kind for a model that was fitted on plain ones."""
    model = AlphaRidgeClassifier(source).fit(ROWS, SIGNS)
    return [model.decision_function(X), model.predict_proba(X), model.predict(X).astype(float)]


def decided(source: Any, target: Any, unlabelled: Any, level: Any, **options: Any) -> Any:
    decision = choose_alpha(source, target, unlabelled, level, **options)
    assert np.isfinite(decision.take) and repr(decision)
    return [decision.alpha, decision.interval, decision.accuracy, decision.gain, decision.curve, decision.saved()]


def saved(coef: Any, intercept: Any, rows: Any) -> Any:
    made = SavedClassifier(
        coef, intercept, np.array([0, 1]), 1.0, np.zeros(2), None, np.ones(np.shape(coef)[-1:] or 1), {}
    )
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "model.json")
        found = load_classifier(Path(folder) / "model.json")
    return [found.decision_function(rows), found.predict_proba(rows)]


LEVEL = mostly(st.sampled_from([0.9, 0.5, 0.999]), ANY)
PAIRS = st.one_of(st.tuples(USUAL_X, Y), st.tuples(X, st.just(SIGNS)))

ESTIMATORS = {
    "AlphaRidgeClassifier": call(
        classified, {"X": X, "y": Y, "source": sources(MODEL)}, sample_weight=WEIGHTS, **OPTIONS
    ),
    "AlphaRidgeClassifier.predict": call(
        predicted, {"X": X, "source": mostly(st.sampled_from([W, MODEL]), st.just(W))}
    ),
    "AlphaRidge": call(
        regressed,
        {"X": X, "y": VALUES, "source": sources(Ridge().fit(ROWS, ROWS @ W))},
        sample_weight=WEIGHTS,
        **SHARED,
    ),
    "choose_alpha": call(
        decided,
        {
            "source": st.one_of(PAIRS, PAIRS, sources(MODEL)),
            "target": mostly(PAIRS),
            "unlabelled": mostly(st.none(), X),
            "level": LEVEL,
        },
        alpha=ALPHA,
        threshold=OPTIONS["threshold"],
    ),
    "accuracy_curve": call(
        accuracy_curve,
        {"X": X, "y": Y, "source": sources(MODEL)},
        alpha=mostly(st.sampled_from([None, [0.0, 1.0], [1e12], np.array([-1.0, 0.5])]), ANY),
        reference=mostly(st.sampled_from([1.0, 0, 2]), ANY),
        level=LEVEL,
    ),
    "learning_curve": call(
        learning_curve,
        {"X": USUAL_X, "y": Y, "source": sources(MODEL), "sizes": mostly(st.sampled_from([[10, 100], 40, [2]]), ANY)},
        alpha=mostly(st.sampled_from([None, [0.0, 1.0], 1.0]), ANY),
        gamma=mostly(st.sampled_from([None, 1.0]), ANY),
    ),
    "scaling_rows": call(
        scaling_rows, {"target": X}, source=mostly(st.one_of(st.none(), X)), unlabelled=mostly(st.one_of(st.none(), X))
    ),
    "norm_strata": call(
        norm_strata,
        {"X": X, "y": Y, "n_strata": mostly(st.sampled_from([1, 2, 6, np.int64(3)]), ANY)},
        codes=mostly(st.sampled_from([None, np.eye(3), [[1.0], [-1.0]]]), ANY),
    ),
    "remove_mean_noise": call(
        remove_mean_noise,
        {
            "population": mostly(st.just(norm_strata(ROWS, SIGNS, 2))),
            "n_rows": mostly(st.sampled_from([N, 1e6]), ANY),
            "w_source": mostly(st.sampled_from([W, np.stack([W, W], 1), *(W * unit for unit in UNITS)]), ANY),
        },
    ),
    "SavedClassifier": call(
        saved,
        {
            "coef": mostly(st.just(W[None])),
            "intercept": mostly(st.just(np.zeros(1))),
            "rows": X,
        },
    ),
}
