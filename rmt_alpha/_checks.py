"""Checks of what the user hands in; every message names parameter, value, permitted range and remedy."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ._arrays import has_tracers, is_jax, is_tracer

# Squares and products of four such numbers still fit into a double.
LARGEST = 1e30
LARGEST_SIZE = 2**53
MOST_WORKERS = 1000  # processes; beyond that a machine has no memory for their interpreters


def _show(value: Any) -> str:
    text = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) and value.ndim else repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def _show_entry(value: Any, array: np.ndarray) -> str:
    """What was given where `array`, made of it, has entries that are no numbers: an array by the first of these."""
    if not isinstance(value, np.ndarray) or array.ndim == 0 or array.size == 0:
        return _show(value)
    bad = (entry for entry in array.flat if not isinstance(entry, bool | int | float | np.bool_ | np.number))
    entry = next(bad, array.flat[0])
    return f"{_show(entry.item() if isinstance(entry, np.generic) else entry)} in an array of shape {array.shape}"


def _first(array: np.ndarray, bad: np.ndarray) -> str:
    """The first offending value, with its place if the parameter is an array."""
    where = np.argwhere(bad)[0]
    value = array[tuple(where)]
    return f"{value:g}" + (f" (at index {tuple(map(int, where))})" if array.size > 1 else "")


def unmasked(name: str, value: Any) -> Any:
    """The value, whatever it is, with nothing in it masked: NumPy and scikit-learn would take what lies under the mask."""
    if np.ma.is_masked(value):
        raise TypeError(
            f"{name} must not be masked, got {int(np.ma.count_masked(value))} masked entries. Fill or drop them."
        )
    return value


def concrete(name: str, value: Any) -> Any:
    """The value, a number, an array or a problem, which somebody can read: NumPy computes with it."""
    if has_tracers(value):
        raise TypeError(
            f"{name} must be known here, got a JAX tracer: this is computed in NumPy. Call it outside of jit, grad and vmap."
        )
    return value


def real(name: str, value: Any, low: float = -LARGEST, high: float = LARGEST, remedy: str = "") -> Any:
    """A real number or array within [low, high], as float64; JAX arrays stay what they are, and tracers pass unread."""
    if type(value) in (float, int, np.float64) and low <= value <= high:  # most are, and are many
        return float(value)
    if is_tracer(value):
        return value
    if is_jax(value):
        real(name, np.asarray(value), low, high, remedy)
        return value
    unmasked(name, value)
    if getattr(value, "dims", ()) and hasattr(value, "coords"):  # of xarray, whose names would be lost
        raise TypeError(
            f"{name} must be a number or a plain array, got a {type(value).__name__} with dimensions {tuple(value.dims)}: arrays meet "
            f"by the places of their axes here, not by names. Give its .values, with axes as x[:, None], or call sweep, which takes names."
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number or an array of them, got {_show(value)}.") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a real number or an array of them, got {_show_entry(value, array)}.")
    array = array.astype(np.float64)
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}. Leave it out, or give a number.")
    with np.errstate(invalid="ignore"):
        bad = ~((array >= low) & (array <= high))
    if bad.any():
        tail = f" {remedy}" if remedy else ""
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {_first(array, bad)}.{tail}")
    return float(array) if array.ndim == 0 else array


def size(name: str, value: Any, low: int = 1) -> Any:
    """A whole number of at least `low`, or an array of them (floats with integer values are welcome)."""
    if type(value) is int and low <= value <= LARGEST_SIZE:
        return value
    array = real(name, value, low=low, high=LARGEST_SIZE, remedy=f"Give a whole number of at least {low}.")
    if is_tracer(array):
        return array
    fractional = np.asarray(array) != np.floor(np.asarray(array))
    if fractional.any():
        got = _first(np.asarray(array), fractional)
        raise ValueError(f"{name} must be a whole number of at least {low}, got {got}. Round it first.")
    return int(array) if np.ndim(array) == 0 and not is_jax(array) else array


def number(name: str, value: Any, low: float = -LARGEST, high: float = LARGEST, remedy: str = "") -> Any:
    """A single real number within [low, high]."""
    checked = real(name, value, low, high, remedy)
    if np.ndim(checked):
        raise ValueError(f"{name} must be one number, got shape {np.shape(checked)}. Loop over it.")
    return checked


def whole(name: str, value: Any, low: int = 1, high: int = LARGEST_SIZE, remedy: str = "") -> int:
    """A single whole number within [low, high]."""
    return int(size(name, number(name, value, low, high, remedy or f"Give a whole number of at least {low}."), low))


def workers(value: Any) -> int:
    """A number of processes."""
    remedy = f"Give a whole number from 1 to {MOST_WORKERS}."
    return whole("workers", value, 1, MOST_WORKERS, remedy)


def share(name: str, value: Any) -> float:
    """A single number strictly between 0 and 1."""
    checked = number(name, value)
    if not 0 < checked < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}.")
    return checked


def matrix(name: str, value: Any, rows: int | None = None, columns: int | None = None) -> Any:
    """A finite matrix (rows, columns)."""
    array = real(name, value)
    shape = np.shape(array)
    if (
        len(shape) != 2
        or 0 in shape
        or (rows is not None and shape[0] != rows)
        or (columns is not None and shape[1] != columns)
    ):
        wanted = f"({'·' if rows is None else rows}, {'·' if columns is None else columns})"
        raise ValueError(f"{name} must be a matrix of shape {wanted}, got shape {shape}. Stack the vectors as rows.")
    return array


SHARED = "All means, classifiers and covariances of one problem share one dimension."


def vector(name: str, value: Any, length: int | None = None, remedy: str = "Give a list of numbers.") -> Any:
    """A finite vector (length,); `remedy` says what its length follows from."""
    array = real(name, value)
    if np.ndim(array) != 1 or (length is not None and np.shape(array)[-1] != length):
        wanted = "must be a vector" if length is None else f"must be a vector of shape ({length},)"
        raise ValueError(f"{name} {wanted}, got shape {np.shape(array)}. {remedy}")
    return array


def labels(name: str, value: Any, length: int | None, below: int | None = None) -> np.ndarray:
    """Whole numbers 0 … G−1, (length,), each of them used; `below` is G, where it is known."""
    try:
        array = np.asarray(unmasked(name, value))
    except ValueError:
        raise TypeError(f"{name} must be a vector of whole numbers, got {_show(value)}.") from None
    length = array.size if length is None else length
    if array.shape != (length,) or not length:
        raise ValueError(f"{name} must have shape ({length},), got {array.shape}.")
    G = below if below is not None else (int(array.max()) + 1 if array.dtype.kind in "iu" else 0)
    if array.dtype.kind not in "iu" or set(array.tolist()) != set(range(G)):
        raise ValueError(
            f"{name} must be the whole numbers 0 … G−1, each used at least once, got {_show(np.unique(array)[:9])}. "
            f"np.unique(labels, return_inverse=True)[1] makes such labels."
        )
    return array.astype(np.int64)


def broadcastable(**values: Any) -> tuple[int, ...]:
    """The common shape of the named parameters."""
    try:
        return np.broadcast_shapes(*(np.shape(v) for v in values.values()))
    except ValueError:
        shapes = ", ".join(f"{k}: {np.shape(v)}" for k, v in values.items() if np.ndim(v))
        raise ValueError(
            f"parameters must broadcast against each other, got shapes {shapes}. Add axes with x[:, None] so that they do."
        ) from None


def ridgeless(gamma_name: str, n_name: str, gamma: Any, n: Any, rank: Any) -> None:
    """γ = 0 has no limit where n is the rank of the covariance."""
    if any(map(is_tracer, (gamma, n, rank))):
        return
    if np.any((np.asarray(gamma) == 0) & (np.asarray(n) == np.asarray(rank))):
        raise ValueError(
            f"{gamma_name} must be positive where {n_name} equals the dimension of the noise, got 0: the ridgeless limit "
            f"diverges at the interpolation threshold. Choose {gamma_name} > 0 or another sample size."
        )


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    """One of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"{name} must be one of {words}, got {_show(value)}.{meant(value, allowed)}")
    return value


def meant(value: Any, allowed: Iterable[str]) -> str:
    """' Did you mean …?', where one of the allowed words is near."""
    close = difflib.get_close_matches(str(value), list(allowed), 1, 0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def flag(name: str, value: Any) -> bool:
    """True or False, NumPy's too; 1 and "no" are neither."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_show(value)}.")
    return bool(value)


@contextmanager
def naming(name: str, wanted: str) -> Iterator[None]:
    """Errors of other libraries' checks with the parameter's name, where they do not say it themselves."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        if re.search(rf"\b{name}\b", str(error)):
            raise
        raise (TypeError if isinstance(error, TypeError) else ValueError)(
            f"{name} must be {wanted}: {' '.join(str(error).split())}"
        ) from error


def path(name: str, value: Any) -> Path:
    """A path, `~` expanded."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise TypeError(f"{name} must be a path, got {_show(value)}.")
    return Path(value).expanduser()
