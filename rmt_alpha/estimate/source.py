"""What a user may hand in as a source, read into weights, intercepts and a transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from .. import _checks as check

BLOCK = 1024  # unit vectors that go through a transform at once
REMEDY = "Fit it first; where it gets cloned (a search, a pipeline), wrap it in sklearn.frozen.FrozenEstimator."


@dataclass(frozen=True)
class Starts:
    """weights (J, d, p), intercepts (J, d); `several`: whether the user gave a list, so that α is to be an array."""

    weights: np.ndarray
    intercepts: np.ndarray
    several: bool


def split_pipeline(source: Any) -> tuple[Any, Any]:
    """(transform or None, the linear model or the weights) of a source."""
    if isinstance(source, FrozenEstimator):
        source = source.estimator
    if isinstance(source, Pipeline):
        if len(source) > 1:
            return source[:-1], source[-1]
        return None, source[-1]
    return None, source


def before(
    transform: Any, coef: np.ndarray, intercept: np.ndarray, p: int, names: list[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """coef (d, p), intercept (d,) on the features before an affine transform; ValueError where it is not affine."""

    def scores(rows: np.ndarray) -> np.ndarray:
        through = transform.transform(rows if names is None else pd.DataFrame(rows, columns=names))
        return (np.asarray(through) if hasattr(through, "columns") else through) @ coef.T + intercept

    try:
        constant = scores(np.zeros((1, p)))[0]
        parts = [scores(np.eye(min(BLOCK, p - i), p, i)) - constant for i in range(0, p, BLOCK)]
        weights, probe = np.concatenate(parts).T, np.random.default_rng(0).standard_normal((3, p))
        expected, found = probe @ weights.T + constant, scores(probe)
        affine = np.allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected - constant).max())
    except (TypeError, ValueError, AttributeError):  # it wants texts, say
        affine = False
    if not affine:
        raise ValueError(
            f"source holds a Pipeline whose transform ({', '.join(transform.named_steps)}) is not affine: weights on the features "
            "cannot say it. Keep decision.model itself, or transform the rows yourself and give the Pipeline's last step."
        )
    return weights, constant


def read_starts(
    source: Any, outputs: int, p: int, classes: np.ndarray | None, names: np.ndarray | None, transformed: bool
) -> Starts:
    """The starts of a source: None, weights, a fitted linear model, or a list of these.

    `outputs` d is 1 for two classes, else the number of classes (or of regression targets); `classes` the target's, None in
    regression. Raises ValueError that names the source and the remedy.
    """
    if source is None:
        return Starts(np.zeros((0, outputs, p)), np.zeros((0, outputs)), False)
    if isinstance(source, list | tuple) and len(source) and not np.isscalar(source[0]):
        parts = [_one(split_pipeline(one), outputs, p, classes, names, transformed) for one in source]
        return Starts(np.stack([w for w, _ in parts]), np.stack([b for _, b in parts]), True)
    array = (
        None if hasattr(source, "coef_") or hasattr(source, "predict") else np.asarray(check.unmasked("source", source))
    )
    if array is not None and array.ndim == (2 if outputs == 1 else 3):
        parts = [_one((None, one), outputs, p, classes, names, transformed) for one in array]
        if not parts:
            raise ValueError("source holds no weights. Give None for plain ridge.")
        return Starts(np.stack([w for w, _ in parts]), np.stack([b for _, b in parts]), True)
    w, b = _one(split_pipeline(source), outputs, p, classes, names, transformed)
    return Starts(w[None], b[None], False)


def _one(
    pair: tuple[Any, Any], d: int, p: int, classes: np.ndarray | None, names: np.ndarray | None, transformed: bool
) -> tuple[np.ndarray, np.ndarray]:
    transform, model = pair
    if transform is not None and not transformed:
        raise ValueError(
            "source holds a Pipeline among several sources: their features differ. Transform X yourself, and give the final steps."
        )
    if hasattr(model, "coef_"):
        check.unmasked("source.coef_", model.coef_)
        with check.naming("source", "a fitted linear model with numbers in coef_ and intercept_"):
            w, b, what = np.asarray(model.coef_, float), np.asarray(model.intercept_, float), "source.coef_"
        _same_classes(model, classes)
        theirs = getattr(model, "feature_names_in_", None)
    elif hasattr(model, "predict") or hasattr(model, "fit"):
        raise ValueError(f"source={model!r} has no coef_: it must be a fitted linear model. {REMEDY}")
    else:
        theirs = np.asarray(model.index) if hasattr(model, "index") and hasattr(model, "to_numpy") else None
        theirs = theirs if theirs is not None and all(isinstance(name, str) for name in theirs) else None
        check.unmasked("source", model)
        with check.naming("source", "weights, a fitted linear model, or a list of these"):
            if np.iscomplexobj(model):
                raise TypeError("these are complex")
            w, b, what = np.asarray(model, dtype=np.float64), np.zeros(d), "source"
    if names is not None and theirs is not None and not transformed and not np.array_equal(names, theirs):
        first = next((i for i, (a, c) in enumerate(zip(names, theirs, strict=False)) if a != c), len(theirs))
        mine, other = (x[first] if first < len(x) else "nothing" for x in (names, theirs))
        raise ValueError(
            f"{what} was made for other features than X: at place {first} X has {mine!r}, the source {other!r}. "
            "Select X's columns in the source's order: X[list(source's names)]."
        )
    wanted = f"({p},)" if d == 1 else f"({d}, {p})"
    if w.ndim not in (1, 2) or w.size != d * p or w.shape[-1] != p:
        raise ValueError(
            f"{what} has shape {w.shape}; it must be {wanted}, one weight per feature of X. Train the source on the same features."
        )
    if not np.isfinite(w).all() or not np.any(w) or not np.isfinite(b).all():
        raise ValueError(f"{what} must be finite and not all 0. Drop the empty or failed source.")
    return w.reshape(d, p), np.broadcast_to(np.ravel(b), d) if np.size(b) in (1, d) else np.zeros(d)


def _same_classes(model: Any, classes: np.ndarray | None) -> None:
    theirs = getattr(model, "classes_", None)
    if classes is not None and theirs is not None and not np.array_equal(theirs, classes):
        raise ValueError(
            f"source.classes_={theirs} differ from the target's {classes}, so the meaning of its coef_ is unknown: they must "
            "be equal. Relabel, or pass the weights themselves."
        )
