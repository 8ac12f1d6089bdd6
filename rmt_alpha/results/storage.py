"""Problems and results as files: one line of JSON that carries its own hash, and never a pickle."""

from __future__ import annotations

import base64
import dataclasses
import os
from typing import Any

import numpy as np

from .. import _checks as check
from ..files import DamagedFileError, read_record, write_record
from ..problem import Covariance, Fit, Group, Loss, Population, TransferProblem
from ..problem.fit import joined, listed
from ..problem.losses import LOSSES
from .compare import ZScores
from .form import ScoreForm
from .moments import Moments
from .optimum import Optimum, PenaltyOptimum

FORMAT = "rmt_alpha problem or result, 1"
PROBLEMS, RESULTS = (Fit, Group, Population, TransferProblem), (Moments, Optimum, PenaltyOptimum, ScoreForm, ZScores)
KINDS = {cls.__name__: cls for cls in (*PROBLEMS, *RESULTS)}
LOSS_KINDS = {type(loss).__name__: type(loss) for loss in LOSSES.values()}

Storable = Fit | Population | Covariance | TransferProblem | Moments | Optimum | PenaltyOptimum | ScoreForm | ZScores


def save(path: str | os.PathLike[str], thing: Storable) -> None:
    """Write a problem or a result, whole or not at all; `load` gives an equal one back, every number to the last bit.

    Losses of your own cannot be written: only what this library defines could be read again. Raises TypeError for
    other things, OSError naming the path where it cannot be written.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "problem.json"
    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> save(path, predict(problem, [0, 1]))
    >>> load(path).problem == problem
    True
    """
    if type(thing).__name__ not in KINDS and not isinstance(thing, Covariance):
        raise TypeError(f"thing must be a problem or a result of this library, got {type(thing).__name__}.")
    write_record(check.path("path", path), {"format": FORMAT, "content": _encoded(thing)})


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote. Raises DamagedFileError, naming the file, where a byte of it differs or it is of another
    kind.
    """
    path = check.path("path", path)
    record = read_record(path, "Write it again with save.")
    if record.get("format") != FORMAT:
        raise DamagedFileError(
            f"{path} is not a problem or result of this version, but {record.get('format')!r}. Write it again with save."
        )
    return _decoded(record["content"])


def _encoded(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"number": repr(value)}
    if isinstance(value, tuple | list):
        return {"tuple": [_encoded(v) for v in value]}
    if isinstance(value, Covariance):
        return {"covariance": _encoded(value.value), "dim": value.dim}
    if isinstance(value, Loss):
        if type(value) not in LOSS_KINDS.values():
            raise TypeError(
                f"loss must be one of this library's to be saved, got {value!r}. Save its result instead, or its numbers."
            )
        return {"loss": type(value).__name__, "settings": {k: v for k, v in vars(value).items() if k != "kinks"}}
    if dataclasses.is_dataclass(value):
        fields = {f.name: _encoded(getattr(value, f.name)) for f in dataclasses.fields(value)}
        if isinstance(value, Fit):
            fields["starts"] = {**_encoded(listed(value)), "parts": value.parts}
        return {"kind": type(value).__name__, "fields": fields}
    array = np.asarray(value, order="C")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"thing must hold numbers and arrays of them, got {value!r:.60}.")
    array = array.astype(array.dtype.newbyteorder("<"))
    return {"array": base64.b64encode(array.tobytes()).decode(), "dtype": array.dtype.str, "shape": array.shape}


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "number" in value:
        return float(value["number"])
    if "tuple" in value:
        decoded = tuple(_decoded(v) for v in value["tuple"])
        return joined(decoded, value["parts"]) if "parts" in value else decoded
    if "covariance" in value:
        return Covariance(_decoded(value["covariance"]), value["dim"])
    if "loss" in value:
        return LOSS_KINDS[value["loss"]](**value["settings"])
    if "array" in value:
        array = np.frombuffer(base64.b64decode(value["array"]), dtype=value["dtype"]).reshape(value["shape"])
        return array.astype(array.dtype.newbyteorder("="))
    cls = KINDS[value["kind"]]
    return cls(**{name: _decoded(v) for name, v in value["fields"].items()})
