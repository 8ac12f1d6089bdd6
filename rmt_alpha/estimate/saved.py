"""A linear classifier as a line of JSON that carries its own hash: readable, and nothing in it is code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from .. import _checks as check
from ..files import DamagedFileError, read_record, write_record
from .scaling import Scaling

FORMAT = "rmt_alpha linear classifier 3"
REMEDY = "Choose the file again, or save the classifier again."

TOGETHER = "There is one intercept per row of coef, one offset per class, one deviation per feature."


@dataclass(frozen=True)
class SavedClassifier:
    """coef (d, p), intercept (d,) on the features as they come; classes (K,), d = 1 for two; `features` their names, if known.

    Probabilities are softmax(slope·score + offset). `deviation` (p,): in units of which the features were penalised; as a source it
    meets the target's in the same units. `about` holds what was chosen, for readers.
    """

    coef: np.ndarray
    intercept: np.ndarray
    classes: np.ndarray
    slope: float
    offset: np.ndarray
    features: list[str] | None
    deviation: np.ndarray
    about: dict[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "coef", check.matrix("coef", self.coef))
        lengths = {"intercept": len(self.coef), "offset": len(self.classes), "deviation": self.coef.shape[1]}
        for name, length in lengths.items():
            object.__setattr__(self, name, check.vector(name, getattr(self, name), length, TOGETHER))

    @property
    def coef_(self) -> np.ndarray:
        """As a source for `AlphaRidgeClassifier`."""
        return self.coef

    @property
    def feature_names_in_(self) -> np.ndarray | None:
        """As scikit-learn has them: a source is held against the target's columns."""
        return None if self.features is None else np.asarray(self.features, dtype=object)

    def in_units(self, scaling: Scaling) -> SavedClassifier:
        """The same scores on scaled features, which have no names."""
        coef, intercept = self.coef * scaling.deviation, self.intercept + self.coef @ scaling.mean
        return replace(self, coef=coef, intercept=intercept, features=None, deviation=np.ones(coef.shape[1]))

    @property
    def intercept_(self) -> np.ndarray:
        return self.intercept

    @property
    def classes_(self) -> np.ndarray:
        return self.classes

    def selected(self, name: str, X: Any) -> Any:
        """The columns of a table that the classifier was fitted on, in their order; what is no table as it is."""
        if self.features is None or not hasattr(X, "columns"):
            return X
        columns = {str(column): column for column in X.columns}
        missing = [feature for feature in self.features if feature not in columns]
        if missing:
            raise ValueError(
                f"{name} lacks {len(missing)} of the {len(self.features)} columns that the classifier was fitted on: "
                f"{', '.join(missing[:5])}. Add them, under these names."
            )
        return X[[columns[feature] for feature in self.features]]

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores (n,), or (n, K). Of a DataFrame the columns in `features` are taken, in that order."""
        X = self.selected("X", X)
        scores = check.matrix("X", X, columns=self.coef.shape[1]) @ self.coef.T + self.intercept
        return scores[:, 0] if len(self.coef) == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n,)."""
        scores = self.decision_function(X)
        return self.classes[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, K)."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.column_stack([np.zeros_like(scores), scores])
        return softmax(self.slope * scores + self.offset, axis=1)

    def save(self, path: str | Path) -> None:
        """Write it, whole or not at all."""
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}
        write_record(check.path("path", path), {"format": FORMAT, **plain})


def load_classifier(path: str | Path) -> SavedClassifier:
    """What `SavedClassifier.save` wrote. DamagedFileError, a ValueError, where a byte of it differs or it holds something else."""
    path = check.path("path", path)
    data = read_record(path, REMEDY)
    if data.pop("format", None) != FORMAT:
        raise DamagedFileError(f"{path} is not a classifier that this version of rmt_alpha saved. {REMEDY}")
    arrays: dict[str, Any] = {
        k: np.asarray(data.pop(k)) for k in ("coef", "intercept", "classes", "offset", "deviation")
    }
    return SavedClassifier(**arrays, **data)
