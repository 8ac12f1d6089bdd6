"""A sweep as a TOML file: the arguments of `sweep`, less those that belong to the machine.

alpha = { linspace = [-2, 3, 51] }
n_trials = 1000

[problem]                 # the eight numbers, and if need be loss and source_loss
n_source = 5000
n_target = [40, 400]
…
[together.size]          # parameters that vary together, along a dimension called "size"
dim = [100, 1000]
n_source = [500, 5000]
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..problem import NUMBERS
from ..problem.numbers import SIZES
from .fields import check_names
from .grid import LOSSES

SETTINGS = ("n_trials", "seed", "method", "noise", "labels", "common_random_numbers")
RANGES: dict[str, Callable[..., np.ndarray]] = {"linspace": np.linspace, "geomspace": np.geomspace}


def read_spec(path: str | os.PathLike) -> dict[str, Any]:
    """The keyword arguments of `sweep` in a TOML file. Raises OSError or ValueError, naming the file and the key."""
    path = Path(path).expanduser()
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OSError(f"spec must be a readable file, got {str(path)!r}: {error.strerror}. Check the path.") from error
    except ValueError as error:
        raise ValueError(f"spec must be TOML, got {str(path)!r} with an error: {error}. Correct it there.") from error
    check_names(str(path), spec, ("problem", "together", "alpha", *SETTINGS), ("problem", "alpha"))
    tables = {"problem": spec.pop("problem"), "together": spec.pop("together", {})}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise TypeError(f"{name} in {path} must be a table, got {table!r}. Write [{name}] above its keys.")
    check_names(f"[problem] in {path}", tables["problem"], (*NUMBERS, *LOSSES), ())
    problems = {name: _values(name, value) for name, value in tables["problem"].items()}
    for dim, together in tables["together"].items():
        problems |= _linked(f"[together.{dim}] in {path}", dim, together, problems)
    check_names(f"[problem] in {path}", problems, (*NUMBERS, *LOSSES), NUMBERS)
    return {**spec, "problems": problems, "alpha": _values("alpha", spec["alpha"])}


def _linked(where: str, dim: str, together: Any, others: dict[str, Any]) -> dict[str, Any]:
    import xarray

    if not isinstance(together, dict):
        raise TypeError(f"{where} must be a table of parameters, got {together!r}. Write {dim} as a table.")
    check_names(where, together, NUMBERS, ())
    twice = sorted(set(together) & set(others))
    if twice:
        raise ValueError(f"{where} must not repeat parameters, got {', '.join(twice)} again. Keep one of the two.")
    arrays = {name: np.asarray(_values(name, value)) for name, value in together.items()}
    flat = [name for name, array in arrays.items() if array.ndim != 1]
    if flat:
        raise ValueError(f"{where} must hold lists of numbers, got none for {', '.join(flat)}. Move it to [problem].")
    return {name: xarray.DataArray(array, dims=[dim]) for name, array in arrays.items()}


def _values(name: str, value: Any) -> Any:
    """A number, a list, or a range such as { linspace = [first, last, count] }."""
    if not isinstance(value, dict):
        return value
    check_names(name, value, tuple(RANGES), ())
    try:
        ((kind, (first, last, count)),) = value.items()
        values = RANGES[kind](first, last, count)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name} must be a number, a list or one range such as {{ linspace = [first, last, count] }}, "
            f"got {value!r} ({error}). Correct it in the spec."
        ) from None
    return np.round(values) if name in SIZES else values
