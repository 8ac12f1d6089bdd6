"""From labelled rows of two tasks to a decision: which α, how sure, and what it is worth, in words."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.multiclass import type_of_target

from .. import _checks as check
from .bands import difference, share
from .classifier import AlphaRidgeClassifier
from .curve import AccuracyCurve, curve_of, margins_of
from .saved import SavedClassifier
from .scaling import Scaling, scaling_rows
from .source import before, split_pipeline
from .tables import some

FEWEST = 3  # rows of each class from which their spread says how sure they are
LEAST_GAIN = 0.0005  # what is printed as +0.0 points is no help


@dataclass(frozen=True)
class Estimate:
    """A share or a difference of shares, with the ends of its interval."""

    value: float
    low: float
    high: float

    def percent(self, signed: bool = False) -> str:
        sign = "+" if signed else ""
        value, low, high = (f"{100 * x:{sign}z.1f}" for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


@dataclass(frozen=True, repr=False)
class Decision:
    """What `choose_alpha` found.

    alpha, interval: chosen, and its 95 % interval (an infinite end says that the rows do not bound it there).  take: the α to use.
    accuracy: at "chosen", "1" and "0", each at its own penalty, by left-out rows.  gain: of the chosen over "1" and "0".
    gamma: at α = chosen.  n: rows.  shared: how many of them the source has, too.  verdict: in words.  curve: accuracy over α.
    model: the classifier at `take`.  scaling: what its features went through.
    """

    alpha: float
    interval: tuple[float, float]
    gamma: float
    take: float
    accuracy: dict[str, Estimate]
    gain: dict[str, Estimate]
    n: int
    shared: int
    level: float
    verdict: str
    curve: AccuracyCurve
    model: AlphaRidgeClassifier
    scaling: Scaling | None
    features: list[str] | None

    def __repr__(self) -> str:
        """The verdict and the numbers behind it."""
        low, high, alpha, take = map(_number, (*self.interval, self.alpha, self.take))
        accuracies = ", ".join(
            f"{'α chosen' if k == 'chosen' else f'α = {k}'}: {e.percent()}" for k, e in self.accuracy.items()
        )
        return (
            f"Decision from {self.n} rows. {self.verdict}\n"
            f"  chosen: α = {alpha} [{low}, {high}], γ = {self.gamma:.3g}; to take: α = {take}\n"
            f"  accuracy (%), {100 * self.level:.0f} % intervals: {accuracies}"
        )

    def saved(self) -> SavedClassifier:
        """The classifier on features as they come, to save as JSON. ValueError where a Pipeline before it is not affine."""
        coef, intercept = self.model.coef_, self.model.intercept_
        deviation = np.ones(coef.shape[1])
        if self.scaling is not None:
            deviation = self.scaling.deviation
            coef = coef / deviation
            intercept = intercept - coef @ self.scaling.mean
        transform, _ = split_pipeline(self.model.source)
        if transform is not None:
            coef, intercept = before(transform, coef, intercept, self.model.n_features_in_, self.features)
            deviation = np.ones(coef.shape[1])
        about = {
            "alpha": self.take,
            "chosen": self.alpha,
            "interval": [v if np.isfinite(v) else None for v in self.interval],
            "gamma": self.model.gamma_,
            "target_rows": self.n,
            "verdict": self.verdict,
        }
        return SavedClassifier(
            coef, intercept, self.model.classes_, self.model._slope, self.model._offset, self.features, deviation, about
        )


def choose_alpha(
    source: Any,
    target: tuple[Any, Any],
    unlabelled: Any = None,
    level: float = 0.9,
    **options: Any,
) -> Decision:
    """α for a target from its few labelled rows, and whether the source is worth having.

    Parameters: `source`, rows and labels (X (N, p), y (N,)) to train a ridge classifier on, or a fitted linear classifier, or weights (p,);
    `target`, (X (n, p), y (n,)) with the same features and labels; `unlabelled` (M, p), more rows of the target task, from which the
    features are then scaled. Tables need the same columns, in any order. `level` of the intervals of accuracies and gains, those of α
    have .95; `options` go to `AlphaRidgeClassifier`. Rows of a source are scaled by themselves and the target's by `scaling_rows`. Of
    trained sources a `SavedClassifier` has its own units or those of `unlabelled`, another gets features as they are. Raises ValueError.

    >>> rng, e = np.random.default_rng(0), np.eye(2, 300)
    >>> def rows(n, mean):
    ...     y = rng.permutation(np.arange(n) % 2)
    ...     return np.outer(2 * y - 1, mean) + rng.standard_normal((n, 300)), y
    >>> decision = choose_alpha(rows(2000, e[0]), rows(40, 0.8 * e[0] + 0.6 * e[1]))
    >>> decision.take
    1.0
    >>> print(decision.verdict.partition(". ")[0])
    The source helps: 19.5 [4.6, 34.5] points over the target alone at α = 1
    """
    level = check.share("level", level)
    if options.get("per", "source") != "source":
        raise ValueError(
            f"per must be 'source' here, got {options['per']!r}: one α is chosen. Fit AlphaRidgeClassifier."
        )
    X, y = _pair("target", target)
    names = _columns(X)
    scaling, shared = None, 0
    if _has_rows(source):
        rows, source_y = _pair("source", source)
        source_X, source_y, y = _numbers("source", rows, names), np.asarray(source_y), np.asarray(y)
        X = _numbers("target", X)
        if X.shape[1] != source_X.shape[1]:
            raise ValueError(
                f"source has {source_X.shape[1]} features, target {X.shape[1]}: they must be the same ones."
            )
        shared = len(set(_keys(source_X)) & set(_keys(X)))
        more = None if unlabelled is None else _numbers("unlabelled", unlabelled, names)
        scaling = scaling_rows(X, source_X, more)
        with check.naming("source", "rows and labels of at least two classes"):
            trained = AlphaRidgeClassifier(threshold="balanced").fit(scaling_rows(source_X)(source_X), source_y)
        if not np.array_equal(trained.classes_, classes := np.unique(y)):
            fewer = np.isin(classes, trained.classes_).all()
            remedy = "Label target rows of the others, or drop those of the source" if fewer else "Relabel"
            raise ValueError(
                f"source has the labels {trained.classes_}, target {classes}: they must be equal. {remedy}."
            )
        source, X = trained.coef_ if len(trained.coef_) > 1 else trained.coef_[0], scaling(X)
    elif isinstance(source, SavedClassifier):
        X, names = _numbers("target", source.selected("target", X)), source.features or names
        if unlabelled is not None:
            scaling = scaling_rows(X, unlabelled=_numbers("unlabelled", source.selected("unlabelled", unlabelled)))
        else:
            scaling = Scaling(X.mean(axis=0), source.deviation, "the source's file")
        source, X = source.in_units(scaling), scaling(X)
    elif unlabelled is not None:
        raise ValueError(
            "unlabelled rows scale the features, and a source that is trained already fixes their scale. Leave them out."
        )
    with warnings.catch_warnings():
        if scaling is not None:  # chosen with care, even where it comes out as that by the target's own rows
            warnings.filterwarnings("ignore", "X is scaled by its own")
        models = {k: AlphaRidgeClassifier(source, alpha=a, **options).fit(X, y) for k, a in
                  (("chosen", options.pop("alpha", "auto")), ("1", 1.0), ("0", 0.0))}  # fmt: skip
    chosen = models["chosen"]
    alpha = float(np.mean(chosen.alpha_))
    curve = curve_of(chosen, level=level)
    margins = {k: margins_of(m.left_out_, np.array([np.mean(m.alpha_)]))[0] for k, m in models.items()}
    weight = chosen.left_out_.omega / chosen.left_out_.omega.sum()
    accuracy = {k: Estimate(*map(float, share(m, weight, level))) for k, m in margins.items()}

    def over(a: str, b: str) -> Estimate:
        return Estimate(*map(float, difference(margins[a], margins[b], weight, level)))

    gain = {k: over("chosen", k) for k in ("1", "0")}
    low, high = (float(v) for v in np.ravel(chosen.alpha_interval_))
    n = len(chosen.left_out_.codes)
    take = _take(alpha, low, high, gain)
    model = chosen if take == alpha else models[f"{take:g}"]
    few = int(np.bincount(chosen.left_out_.codes).min())
    if few < FEWEST:
        verdict = f"Whether the source helps cannot be told: a class has {few} of the {n} rows, and it takes {FEWEST}. Take {take:g}."
    else:
        helps = {"": gain["0"], " at α = 1": over("1", "0")}
        if alpha in (0.0, 1.0):
            del helps[""]
        verdict = _verdict(alpha, low, high, take, helps, gain, n)
    if shared:
        verdict = (
            f"{shared} of the target's rows are rows of the source, which makes it look better than it is. {verdict}"
        )
    return Decision(
        alpha, (low, high), chosen.gamma_, take, accuracy, gain, n, shared, level, verdict, curve, model, scaling, names
    )


def _take(alpha: float, low: float, high: float, gain: dict[str, Estimate]) -> float:
    """0 or 1 where left-out rows are no better predicted at the chosen α, or where it cannot be told from them; else the chosen."""
    plain = {1.0: gain["1"], 0.0: gain["0"]}
    if worse := [a for a, over in plain.items() if over.value <= 0]:
        return min(worse, key=lambda a: plain[a].value)
    return next((a for a, over in plain.items() if low <= a <= high and over.low <= 0), alpha)


def _verdict(
    alpha: float, low: float, high: float, take: float, helps: dict[str, Estimate], gain: dict[str, Estimate], n: int
) -> str:
    """`helps`: by how much the source's use, at the chosen α and at 1, is better than none."""
    surest, best = max(helps, key=lambda k: helps[k].low), max(helps, key=lambda k: helps[k].value)
    if helps[surest].low > 0 and helps[surest].value >= LEAST_GAIN:
        worth = f"The source helps: {helps[surest].percent()} points over the target alone{surest}."
    elif max(e.high for e in helps.values()) <= 0:
        worth = f"The source does not help: {helps[best].percent(signed=True)} points next to the target alone{best}."
    else:
        points = helps[best].percent(signed=True)
        worth = f"Whether the source helps cannot be told from {n} rows: {points} points over the target alone{best}."
    band = f"α = {_number(alpha)} [{_number(low)}, {_number(high)}]"
    if take == alpha:
        return f"{worth} Take {band}: {gain['1'].percent(signed=True)} points over α = 1."
    over = gain[f"{take:g}"]
    if low <= take <= high and over.high >= 0:
        return f"{worth} {band} cannot be told from {take:g} with {n} rows: take {take:g}."
    return f"{worth} {band}, but the {n} rows are no worse predicted at α = {take:g}: take {take:g}."


def _number(value: float) -> str:
    """Two decimals, or two digits where there would be none."""
    if not np.isfinite(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.01 else f"{value:.2g}"


def _pair(name: str, given: Any) -> tuple[Any, Any]:
    if not isinstance(given, tuple | list) or len(given) != 2:
        what = f"{len(given)} items" if isinstance(given, tuple | list) else f"a {type(given).__name__}"
        also = ", a fitted classifier or weights" if name == "source" else ""
        raise ValueError(
            f"{name} must be a pair (rows, labels){also}, got {what}. Write choose_alpha((X_source, y_source), (X, y))."
        )
    check.unmasked(name, given[1])
    with check.naming(name, "a pair (rows, labels)"):
        labels = np.asarray(given[1])
        if labels.size == 0:
            raise ValueError(f"{name} has no labelled row. Label some of each class.")
        gaps = ~np.isfinite(labels) if labels.dtype.kind == "f" else pd.isna(labels)
        if labels.ndim == 1 and gaps.any():
            raise ValueError(
                f"{name} has no label in row {int(gaps.argmax())}. Drop such rows; those of the target may be given as unlabelled."
            )
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "The number of unique classes"
            )  # one row of each of many classes is a case
            kind = type_of_target(given[1], input_name=f"the labels of {name}")
        if name == "source" and 2 < len(labels) == len(np.unique(labels)):
            raise ValueError(
                f"source has a label of its own for each of its {len(labels)} rows. Is that the column of classes?"
            )
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"the labels of {name} must be classes, got {kind} values. Cut them into classes; for regression use AlphaRidge."
        )
    return given[0], given[1]


def _has_rows(source: Any) -> bool:
    """Rows and labels, rather than sources: no list of these has a matrix and a vector."""
    if not isinstance(source, list):
        return isinstance(source, tuple)
    try:
        return [np.ndim(part) for part in source] == [2, 1]
    except ValueError:  # ragged
        return False


def _order(name: str, columns: list[str], wanted: list[str]) -> list[int]:
    """Where the target's columns stand among another table's, which must have the same ones, in any order."""
    lacks = [
        f"{one} lacks {some(sorted(set(theirs) - set(own)))}"
        for one, own, theirs in ((name, columns, wanted), ("target", wanted, columns))
        if set(theirs) - set(own)
    ]
    if lacks:
        raise ValueError(f"{name} and target must have the same columns: {'; '.join(lacks)}.")
    if twice := sorted({c for c in [*columns, *wanted] if max(columns.count(c), wanted.count(c)) > 1}):
        raise ValueError(f"{name} and target must have distinct columns, got some twice: {some(twice)}. Rename them.")
    return [columns.index(c) for c in wanted]


def _keys(X: np.ndarray) -> list[bytes]:
    """What tells rows apart."""
    return [row.tobytes() for row in np.ascontiguousarray(X) + 0.0]


def _columns(rows: Any) -> list[str] | None:
    return [str(c) for c in rows.columns] if hasattr(rows, "columns") else None


def _numbers(name: str, rows: Any, wanted: list[str] | None = None) -> np.ndarray:
    """Rows as a matrix of finite numbers, the columns of a table in the order `wanted`, the target's."""
    check.unmasked(name, rows)
    columns = _columns(rows)
    try:
        if np.iscomplexobj(rows):
            raise TypeError("they are complex")
        X = rows.toarray() if sparse.issparse(rows) else np.asarray(rows, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{name} must hold numbers, one column per feature: {error}. Encode words as numbers."
        ) from error
    if X.ndim != 2:
        raise ValueError(f"{name} must have shape (rows, features), got {X.shape}.")
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        place = column if columns is None else repr(columns[column])
        raise ValueError(f"{name} holds {X[row, column]} in row {row}, column {place}. Fill or drop missing values.")
    if columns is None or wanted is None or columns == wanted:
        return X
    return X[:, _order(name, columns, wanted)]
