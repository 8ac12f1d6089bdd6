"""Named axes: from numbers and arrays to a grid of problems and α whose every dimension has a name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import in_numpy
from ..problem import NUMBERS, Fit, TransferProblem
from ..problem.identity import digest
from ..results import LARGEST_ALPHA
from .fields import Problem, check_names, numbers_of, shapes_of, structure, with_numbers

START = "start"  # the dimension of a vector α's entries
POINT = "point"  # of several such vectors
LOSSES = ("loss", "source_loss")
SAME, NEAR = 1e-12, 1e-6  # differences, relative: of rounding; of what was perhaps meant to be the same

Coords = dict[str, tuple[tuple[str, ...], np.ndarray]]


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
    """`problem` has one axis for each of `dims`; `alpha` is (*problem axes, *`alpha_dims`), and a last axis where α is a vector.

    `coords` has the varying parameters and other labels, as name → (dims, values). A fit without starts has no α: None.
    """

    problem: Problem
    dims: tuple[str, ...]
    alpha: np.ndarray | None
    alpha_dims: tuple[str, ...]
    coords: Coords

    @property
    def n_alpha(self) -> int:
        return self.problem.n_alpha

    @property
    def entries(self) -> tuple[int, ...]:
        """The last axis of a vector α."""
        return (self.n_alpha,) if self.n_alpha > 1 else ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(*problem axes, *α's own axes): of every result."""
        rank = len(self.dims)
        own = () if self.alpha is None else self.alpha.shape[rank : rank + len(self.alpha_dims)]
        return (*self.problem.shape, *own)

    def cells(self) -> Iterator[tuple[Problem, np.ndarray | None]]:
        """Each scalar problem with its α, (count,) or (count, n_alpha), in C order."""
        shape = self.problem.shape
        alphas = None if self.alpha is None else np.broadcast_to(self.alpha, (*self.shape, *self.entries))
        scalars: Iterator[Any] = self.problem.cells()
        for index, cell in zip(np.ndindex(shape), scalars, strict=True):
            yield cell, None if alphas is None else alphas[index].reshape(-1, *self.entries)

    def to_json(self) -> bytes:
        """Its numbers to the last bit; the rest of the problem is not in it."""
        content = {
            "dims": self.dims,
            "alpha_dims": self.alpha_dims,
            "numbers": {name: np.asarray(v).tolist() for name, v in numbers_of(self.problem).items()},
            "alpha": None if self.alpha is None else self.alpha.tolist(),
            "coords": {name: [dims, values.tolist()] for name, (dims, values) in self.coords.items()},
        }
        return json.dumps(content).encode()

    def with_json(self, content: bytes) -> Grid:
        """This grid with the numbers that another one of its shape has stored."""
        stored = json.loads(content)
        kept = {
            n: np.asarray(v).astype(np.asarray(w).dtype)
            for (n, w), v in zip(numbers_of(self.problem).items(), stored["numbers"].values(), strict=True)
        }
        problem = with_numbers(self.problem, {name: v if v.ndim else v.item() for name, v in kept.items()})
        alpha = None if self.alpha is None else np.array(stored["alpha"])
        coords = {n: (dims, np.array(stored["coords"][n][1], dtype=v.dtype)) for n, (dims, v) in self.coords.items()}
        return dataclasses.replace(self, problem=problem, alpha=alpha, coords=coords)

    @property
    def kind(self) -> str:
        """What grids have in common that differ in their numbers alone."""
        numbers = [(name, str(np.shape(v))) for name, v in numbers_of(self.problem).items()]
        labels = [(name, *dims, str(v.shape), v.dtype.kind) for name, (dims, v) in self.coords.items()]
        shape = str(None if self.alpha is None else self.alpha.shape)
        return digest(structure(self.problem), self.dims, self.alpha_dims, shape, *numbers, *labels).hex()[:12]

    @property
    def address(self) -> str:
        """Equal for grids that are equal to 12 digits."""
        numbers = [
            tuple(np.ravel(v).tolist())
            for v in (*numbers_of(self.problem).values(), *(() if self.alpha is None else (self.alpha,)))
        ]
        labels = [(name, *map(_label, values.ravel().tolist())) for name, (_, values) in self.coords.items()]
        return digest(self.kind, *numbers, *labels).hex()[:12]

    def distance(self, content: bytes) -> float:
        """The largest difference from a stored grid of this kind, relative to the numbers; ∞ where labels differ."""
        ours, theirs = json.loads(self.to_json()), json.loads(content)
        pairs = [(ours["alpha"], theirs["alpha"]), *((v, theirs["numbers"].get(n)) for n, v in ours["numbers"].items())]
        pairs += [(v[1], theirs["coords"].get(n, [0, None])[1]) for n, v in ours["coords"].items()]
        return max((_distance(a, b) for a, b in pairs), default=0.0)


def grid(problems: Problem | Mapping[str, Any], alpha: Any) -> Grid:
    """The grid that `sweep` computes; its docstring says how axes get their names."""
    if isinstance(problems, TransferProblem | Fit):
        problem, dims, coords = _from_problem(in_numpy(problems))
    elif isinstance(problems, Mapping):
        problem, dims, coords = _from_mapping(problems)
    else:
        raise TypeError(
            f"problems must be a TransferProblem, a Fit or a mapping of numbers, got {type(problems).__name__}. "
            f"Several problems are one with arrays in it, or {{'beta': [0.2, 0.5], …}}."
        )
    if problem.n_alpha == 0:
        if alpha is not None:
            raise ValueError("alpha must be None for a fit without starts, got a value. There is nothing to scale.")
        return Grid(problem, dims, None, (), coords)
    if alpha is None:
        raise ValueError("alpha must be given for a problem with starts, got None. Give a number or several.")
    n_alpha = problem.n_alpha
    named = _named("alpha", alpha) if n_alpha == 1 else _vectors(alpha, n_alpha)
    values = np.asarray(check.real("alpha", named.values, -LARGEST_ALPHA, LARGEST_ALPHA))
    named = Named(named.dims, values, named.labels)
    last = () if n_alpha == 1 else (START,)
    own = tuple(d for d in named.dims if d not in (*dims, *last))
    _collect(coords, "alpha", named)
    sizes = dict(zip(dims, problem.shape, strict=True))
    for dim, extent in zip(named.dims, values.shape, strict=True):
        if extent != sizes.get(dim, extent):
            raise ValueError(f"alpha must have {sizes[dim]} values along {dim!r}, got {extent}. Make them match.")
    return Grid(problem, dims, named.along((*dims, *own, *last)), own, coords)


def _from_mapping(given: Mapping[str, Any]) -> tuple[TransferProblem, tuple[str, ...], Coords]:
    check_names("problems", given, (*NUMBERS, *LOSSES), NUMBERS)
    named = {name: _named(name, given[name]) for name in given if name in NUMBERS}
    coords: Coords = {}
    extents: dict[str, int] = {}
    for name, array in named.items():
        _collect(coords, name, array)
        for dim, extent in zip(array.dims, array.values.shape, strict=True):
            if dim == "alpha" or (dim in extents and extents[dim] != extent):
                raise ValueError(
                    f"{name} must have a matching number of values along {dim!r}, got {extent} "
                    f"where others have {extents.get(dim, 'none')}. "
                    f"Parameters along one dimension vary together; 'alpha' is α's own."
                )
            extents[dim] = extent
    dims = tuple(extents)
    plain: dict[str, Any] = {
        name: array.along(dims) if array.dims else array.values[()] for name, array in named.items()
    }
    return TransferProblem(**plain, **{name: given[name] for name in LOSSES if name in given}), dims, coords


def _from_problem(problem: Problem) -> tuple[Problem, tuple[str, ...], Coords]:
    """Each axis is named after the first number that varies along it alone, `axis_0` … where there is none."""
    if isinstance(problem, Fit) and problem.alpha is not None:
        problem = dataclasses.replace(problem, alpha=None)  # of a fit that is no start it says nothing
    shape = problem.shape
    axes = {name: _own_axes(own, shape) for name, own in shapes_of(problem).items()}
    dims = tuple(
        next((name for name, own in axes.items() if own == (axis,)), f"axis_{axis}") for axis in range(len(shape))
    )
    coords: Coords = {}
    for name, value in numbers_of(problem).items():
        array, leading = np.asarray(value), shapes_of(problem)[name]
        entries = array.shape[len(leading) :]
        values = array.reshape([*(shape[axis] for axis in axes[name]), *entries])
        inner = (f"{name}_of",) if entries else ()
        _collect(coords, name, Named((*(dims[axis] for axis in axes[name]), *inner), values, {}))
    return problem, dims, coords


def _own_axes(own: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of the common shape along which a value extends; an axis of length one counts where all have one."""
    missing = len(shape) - len(own)
    return tuple(missing + i for i, extent in enumerate(own) if extent == shape[missing + i])


def _named(name: str, value: Any) -> Named:
    """A number, a vector along the dimension of its own name, or anything with `dims` of its own."""
    if hasattr(value, "dims") and hasattr(value, "coords"):
        labels = {str(d): np.asarray(value.coords[d].values) for d in value.dims if d in value.coords}
        return Named(tuple(map(str, value.dims)), _some(name, np.asarray(value.values)), labels)
    try:
        array = np.asarray(check.unmasked(name, value))
    except ValueError:
        raise TypeError(f"{name} must be a number or a vector, got {value!r}. Give equal kinds of values.") from None
    if array.ndim > 1:
        raise ValueError(
            f"{name} must be a number or a vector, got shape {array.shape}. "
            f"Name the axes: xarray.DataArray(values, dims=[…])."
        )
    return Named((name,) * array.ndim, _some(name, array), {})


def _some(name: str, array: np.ndarray) -> np.ndarray:
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}. Give a number, or several.")
    return array


def _vectors(value: Any, n_alpha: int) -> Named:
    """One vector α, several as rows, or a DataArray with a dimension `start`."""
    if hasattr(value, "dims"):
        named = _named("alpha", value)
    else:
        array = np.asarray(check.unmasked("alpha", value))
        named = Named(((), (START,), (POINT, START))[array.ndim] if array.ndim < 3 else ("?",) * array.ndim, array, {})
    if START not in named.dims or "?" in named.dims or named.values.shape[named.dims.index(START)] != n_alpha:
        raise ValueError(
            f"alpha must have {n_alpha} entries per problem, shape ({n_alpha},) or (points, {n_alpha}), or a dimension {START!r} "
            f"of that length, got shape {named.values.shape}. Name other axes: xarray.DataArray(values, dims=[…, {START!r}])."
        )
    return named


def _collect(coords: Coords, name: str, array: Named) -> None:
    """Enter a varying parameter, and the labels of its axes, among the coordinates."""
    if name in array.dims and array.dims != (name,):
        raise ValueError(f"{name} must not vary along {name!r} and another dimension, got {array.dims}. Rename one.")
    entries: Coords = {d: ((d,), values) for d, values in array.labels.items() if d != name}
    if array.dims:
        entries[name] = (array.dims, array.values)
    for key, (dims, values) in entries.items():
        known = coords.setdefault(key, (dims, values))
        if known[0] != dims or not _equal(known[1], values):
            raise ValueError(
                f"{name} must agree with the others on the labels of {key!r}, got other labels. Align them."
            )


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """NaN equals itself: whoever checks the values says what is wrong with it."""
    both = a.dtype.kind in "fc" and b.dtype.kind in "fc"
    return np.array_equal(a, b, equal_nan=both)


def _label(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float) else str(value)


def _distance(a: Any, b: Any) -> float:
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape or x.dtype.kind not in "iuf" or y.dtype.kind not in "iuf":
        return 0.0 if np.array_equal(x, y) else np.inf
    size = np.maximum(np.abs(x), np.abs(y))
    # Where a range crosses zero, its zero may be what rounding left.
    crosses = x.size and x.min() < 0 < x.max()
    difference = np.where(np.abs(x - y) <= (4e-16 * size.max() if crosses else 0), 0, np.abs(x - y))
    return float(np.max(difference / np.where(size == 0, 1, size), initial=0.0))
