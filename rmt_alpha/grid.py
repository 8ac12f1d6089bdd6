"""Named axes: from numbers and arrays to a grid of problems and α whose every dimension has a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks as check
from .moments import LARGEST_ALPHA
from .problem import NUMBERS, TransferProblem


@dataclass(frozen=True, eq=False)
class Named:
    """An array with a name for each axis, and the labels of some axes (a small `xarray.DataArray`)."""

    dims: tuple[str, ...]
    values: np.ndarray
    labels: dict[str, np.ndarray]

    def along(self, dims: tuple[str, ...]) -> np.ndarray:
        """Transposed and padded with axes of length one, so that it broadcasts over `dims`."""
        order = [self.dims.index(d) for d in dims if d in self.dims]
        index = tuple(slice(None) if d in self.dims else None for d in dims)
        return self.values.transpose(order)[index]


@dataclass(frozen=True, eq=False)
class Grid:
    """`problem` has one axis for each of `dims`; `alpha` is (*problem axes, *`alpha_dims`).

    `coords` has the varying parameters and other labels, as name → (dims, values).
    """

    problem: TransferProblem
    dims: tuple[str, ...]
    alpha: np.ndarray
    alpha_dims: tuple[str, ...]
    coords: dict[str, tuple[tuple[str, ...], np.ndarray]]

    def cells(self) -> Iterator[tuple[TransferProblem, np.ndarray]]:
        """Each scalar problem with its vector of α, in C order."""
        shape = self.problem.shape
        alphas = np.broadcast_to(self.alpha, (*shape, *self.alpha.shape[len(shape) :]))
        for index, cell in zip(np.ndindex(shape), self.problem.cells(), strict=True):
            yield cell, np.ravel(alphas[index])


def grid(problems: TransferProblem | Mapping[str, Any], alpha: Any) -> Grid:
    """The grid that `sweep` computes; its docstring says how axes get their names."""
    if isinstance(problems, TransferProblem):
        problem, dims, coords = _from_problem(problems)
    elif isinstance(problems, Mapping):
        problem, dims, coords = _from_mapping(problems)
    else:
        raise TypeError(
            f"problems must be a TransferProblem or a mapping of its parameters, got {type(problems).__name__}. "
            f"Several problems are one TransferProblem with arrays in it, or {{'beta': [0.2, 0.5], …}}."
        )
    named = _named("alpha", alpha)
    values = np.asarray(check.real("alpha", named.values, -LARGEST_ALPHA, LARGEST_ALPHA))
    named = Named(named.dims, values, named.labels)
    own = tuple(d for d in named.dims if d not in dims)
    _collect(coords, "alpha", named)
    sizes = dict(zip(dims, problem.shape, strict=True))
    for dim, extent in zip(named.dims, values.shape, strict=True):
        if extent != sizes.get(dim, extent) or extent == 0:
            raise ValueError(
                f"alpha must have {sizes.get(dim, 'some')} values along {dim!r}, got {extent}. Make them match."
            )
    return Grid(problem, dims, named.along((*dims, *own)), own, coords)


def check_names(where: str, given: Mapping[str, Any], permitted: tuple[str, ...], required: tuple[str, ...]) -> None:
    """Unknown and missing keys, each with what was probably meant."""
    for name in given:
        if name not in permitted:
            close = difflib.get_close_matches(str(name), permitted, 1, 0.5)
            hint = f"Did you mean {close[0]!r}?" if close else "Remove it."
            raise ValueError(f"{where} must have keys among {', '.join(permitted)}, got {name!r}. {hint}")
    missing = [name for name in required if name not in given]
    if missing:
        raise ValueError(
            f"{where} must have all of {', '.join(required)}, got no {', '.join(missing)}. Add what is missing."
        )


def _from_mapping(numbers: Mapping[str, Any]) -> tuple[TransferProblem, tuple[str, ...], dict]:
    check_names("problems", numbers, NUMBERS, NUMBERS)
    named = {name: _named(name, value) for name, value in numbers.items()}
    coords: dict = {}
    extents: dict[str, int] = {}
    for name, array in named.items():
        _collect(coords, name, array)
        for dim, extent in zip(array.dims, array.values.shape, strict=True):
            if dim == "alpha" or (dim in extents and extents[dim] != extent) or extent == 0:
                raise ValueError(
                    f"{name} must have a matching number of values along {dim!r}, got {extent} "
                    f"where others have {extents.get(dim, 'none')}. "
                    f"Parameters along one dimension vary together; 'alpha' is α's own."
                )
            extents[dim] = extent
    dims = tuple(extents)
    plain: dict[str, Any] = {
        name: array.along(dims) if array.dims else array.values.item() for name, array in named.items()
    }
    return TransferProblem(**plain), dims, coords


def _from_problem(problem: TransferProblem) -> tuple[TransferProblem, tuple[str, ...], dict]:
    """Each axis is named after the first parameter that varies along it alone, `axis_0` … where there is none."""
    if problem.n_alpha != 1:
        raise ValueError(
            f"problems must have a single α to be swept, got {problem.n_alpha} sources and groups. "
            f"Use `simulate`, which takes vectors α."
        )
    shape = problem.shape
    numbers = {name: np.asarray(getattr(problem, name)) for name in NUMBERS if getattr(problem, name) is not None}
    axes = {name: _own_axes(value, shape) for name, value in numbers.items()}
    dims = tuple(
        next((name for name, own in axes.items() if own == (axis,)), f"axis_{axis}") for axis in range(len(shape))
    )
    coords: dict = {}
    for name, value in numbers.items():
        values = value.reshape([shape[axis] for axis in axes[name]])
        _collect(coords, name, Named(tuple(dims[axis] for axis in axes[name]), values, {}))
    return problem, dims, coords


def _own_axes(value: np.ndarray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of the common shape along which a value extends; an axis of length one counts where all have one."""
    missing = len(shape) - value.ndim
    return tuple(missing + i for i, extent in enumerate(value.shape) if extent == shape[missing + i])


def _named(name: str, value: Any) -> Named:
    """A number, a vector along the dimension of its own name, or anything with `dims` of its own."""
    if hasattr(value, "dims") and hasattr(value, "coords"):
        labels = {str(d): np.asarray(value.coords[d].values) for d in value.dims if d in value.coords}
        return Named(tuple(map(str, value.dims)), np.asarray(value.values), labels)
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(f"{name} must be a number or a vector, got {value!r}. Give equal kinds of values.") from None
    if array.ndim > 1:
        raise ValueError(
            f"{name} must be a number or a vector, got shape {array.shape}. "
            f"Name the axes: xarray.DataArray(values, dims=[…])."
        )
    return Named((name,) * array.ndim, array, {})


def _collect(coords: dict, name: str, array: Named) -> None:
    """Enter a varying parameter, and the labels of its axes, among the coordinates."""
    if name in array.dims and array.dims != (name,):
        raise ValueError(f"{name} must not vary along {name!r} and another dimension, got {array.dims}. Rename one.")
    entries: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        d: ((d,), values) for d, values in array.labels.items() if d != name
    }
    if array.dims:
        entries[name] = (array.dims, array.values)
    for key, (dims, values) in entries.items():
        known = coords.setdefault(key, (dims, values))
        if known[0] != dims or not np.array_equal(known[1], values):
            raise ValueError(
                f"{name} must agree with the others on the labels of {key!r}, got other labels. Align them."
            )
