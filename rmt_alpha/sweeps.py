"""`sweep`: theory and simulation side by side over a grid of problems, resumable, on any number of machines."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from concurrent.futures import Executor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks as check
from .grid import Grid, grid
from .problem import NUMBERS, TransferProblem
from .simulation import dense
from .simulation.chunks import Chunk, merge, split
from .simulation.execute import run
from .simulation.simulate import ENGINES, QUANTITIES, pick_method
from .simulation.store import Store
from .simulation.streams import NUMERICS_VERSION
from .theory.transfer import predict

if TYPE_CHECKING:
    import xarray

log = logging.getLogger("rmt_alpha")

SIZES = ("n_source", "n_target", "dim")
# Name → (what it is, units).
MEANING = {
    "n_source": ("source sample size N", "samples"),
    "n_target": ("target sample size n", "samples"),
    "dim": ("dimension p", "1"),
    "mu": ("norm of the source mean", "noise standard deviations"),
    "mu_orth": ("norm of the orthogonal part of the target mean", "noise standard deviations"),
    "beta": ("alignment of source and target means", "1"),
    "gamma_source": ("source ridge penalty", "1"),
    "gamma_target": ("target ridge penalty", "1"),
    "alpha": ("scale of the frozen source classifier", "1"),
    "mean": ("mean of the score", "1"),
    "variance": ("variance of the score", "1"),
    "accuracy": ("signed accuracy", "1"),
    "risk": ("expected squared error", "1"),
}
LARGEST_INT32 = 2**31 - 1  # netCDF 3 knows no longer integers


def sweep(
    problems: TransferProblem | Mapping[str, Any],
    alpha: Any,
    *,
    n_trials: int = 1000,
    seed: int = 0,
    store: str | os.PathLike,
    executor: Executor | None = None,
    shard: tuple[int, int] = (0, 1),
    method: str = "auto",
    noise: str = "gaussian",
    labels: str = "balanced",
) -> xarray.Dataset:
    """Predict and simulate every problem at every α.

    >>> problems = {"n_source": 5000, "n_target": [40, 400], "dim": 1000, "mu": 1, "mu_orth": 1, "beta": [0, 0.5, 1],
    ...             "gamma_source": 1, "gamma_target": 1}  # fmt: skip
    >>> sweep(problems, alpha=np.linspace(-2, 3, 51), n_trials=100, store="runs/first")
    <xarray.Dataset> ...
    Dimensions: (n_target: 2, beta: 3, alpha: 51)
    ...

    | parameter | meaning |
    |---|---|
    | `problems` | the parameters of `TransferProblem` by name, or such a problem with arrays in it |
    | `alpha` | a number, a vector (a dimension of its own), or a DataArray, which may vary with the problem |
    | `n_trials` | trainings per problem, ≥ 2; with a larger number only the new ones are computed |
    | `seed` | trial i of seed s is the same whatever else is computed |
    | `store` | a directory: what is finished is there, and computed never again |
    | `executor` | any `concurrent.futures.Executor` (dask: `client.get_executor()`); default: this machine's cores |
    | `shard` | (i, k): every k-th chunk only, i = 0 … k − 1, for job arrays; the last to finish has the whole |
    | `method`, `noise`, `labels` | as in `simulate`; noise by name |

    In a mapping, vectors span the grid: each is a dimension of its own name. Parameters that vary together are
    `xarray.DataArray`s on one dimension. The axes of a TransferProblem are named after the first parameter that varies
    along each alone (`axis_0`, … where there is none).

    Returns `theory_*`, `sim_*` and the standard errors `sim_*_se` of mean, variance, accuracy and risk, and the number
    of `trials`, with parameters in coordinates (varying) and attributes (fixed). A complete sweep is also written as
    netCDF into the store, at `dataset.encoding["source"]`; a shard's dataset is NaN where fewer than two trials are
    there yet.

    Interrupted, killed, with other workers or in another order: run it again, and not a bit will differ. Raises
    ValueError, TypeError or OSError, which says what is saved.
    """
    layout = grid(problems, alpha)
    settings = _settings(n_trials, seed, method, noise, labels)
    shard = _check_shard(shard)
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(
            f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}. "
            f"A dask Client gives one: client.get_executor()."
        )
    theory = _theory(layout)  # first: a problem beyond double precision shows here, before hours of simulation
    cells = _cells(layout, **settings)
    shelf = Store(store)
    distinct = {chunk.name: chunk for cell in cells for chunk in cell}  # equal cells share their chunks
    mine = list(distinct.values())[shard[0] :: shard[1]]
    missing = [chunk for chunk in mine if shelf.read(chunk.name, chunk.shape) is None]
    run(missing, shelf, executor, len(mine) - len(missing))
    counts, moments, complete = _gather(cells, shelf)
    dataset = _dataset(layout, theory, counts, moments, settings, sorted({cell[0].method for cell in cells}))
    if complete:
        _write(dataset, cells, shelf)
    elif shard[1] > 1:
        log.warning("shard %d/%d is done; other shards of this sweep are not in %s yet.", *shard, shelf.path)
    else:
        raise OSError(
            f"store must keep its chunks, but some of {str(shelf.path)!r} are gone. Check its disk, run again."
        )
    return dataset


def _settings(n_trials: Any, seed: Any, method: str, noise: Any, labels: str) -> dict[str, Any]:
    if not isinstance(noise, str):
        raise TypeError(
            f"noise must be one of {', '.join(map(repr, dense.NOISE))} in a sweep, got {noise!r}: "
            f"a function has no content that could be addressed. Use simulate for it."
        )
    check.choice("method", method, ("auto", *ENGINES))
    check.choice("noise", noise, tuple(dense.NOISE))
    check.choice("labels", labels, dense.LABELS)
    n_trials, seed = check.size("n_trials", n_trials, low=2), check.size("seed", seed, low=0)
    for name, value in (("n_trials", n_trials), ("seed", seed)):
        if np.ndim(value):
            raise TypeError(f"{name} must be one whole number, got an array of shape {np.shape(value)}. Give a number.")
    return {"n_trials": n_trials, "seed": seed, "method": method, "noise": noise, "labels": labels}


def _check_shard(shard: Any) -> tuple[int, int]:
    try:
        i, k = shard
        valid = int(i) == i and int(k) == k and 0 <= i < k
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            f"shard must be (i, k), whole numbers with 0 ≤ i < k, got {shard!r}. The first of four: (0, 4)."
        )
    return int(i), int(k)


def _theory(layout: Grid) -> dict[str, np.ndarray]:
    """Each quantity, (*problem axes, *alpha axes)."""
    rank = len(layout.dims)
    own = range(rank, layout.alpha.ndim)
    ends = range(len(own))
    # predict broadcasts α against the problem from the right: α's own axes go first, and come back.
    form = predict(layout.problem, np.moveaxis(layout.alpha, own, ends))
    return {q: np.moveaxis(np.asarray(getattr(form, q)), ends, own) for q in QUANTITIES}


def _cells(layout: Grid, n_trials: int, seed: int, method: str, noise: str, labels: str) -> list[list[Chunk]]:
    """The chunks of each cell. The engine is picked cell by cell: a cell does not depend on its neighbours."""
    cells = []
    for problem, alpha in layout.cells():
        engine = pick_method(problem, method, noise, labels)
        parts = split(n_trials, engine)
        cells.append([Chunk(problem, alpha, seed, engine, noise, labels, start, count) for start, count in parts])
    return cells


def _gather(cells: list[list[Chunk]], store: Store) -> tuple[np.ndarray, np.ndarray, bool]:
    """Trials (cells,), mean and M2 (cells, 2, quantities, alphas) from the store alone, so that it does not matter who
    computed what; and is everything there?"""
    counts = np.zeros(len(cells), dtype=np.int64)
    moments = np.full((len(cells), *cells[0][0].shape), np.nan)
    complete = True
    for i, cell in enumerate(cells):
        read = [(chunk.count, store.read(chunk.name, chunk.shape)) for chunk in cell]
        parts = [(count, state) for count, state in read if state is not None]
        complete &= len(parts) == len(cell)
        if parts:
            counts[i], moments[i] = merge(parts)
    return counts, moments, complete


def _dataset(
    layout: Grid,
    theory: dict[str, np.ndarray],
    counts: np.ndarray,
    moments: np.ndarray,
    settings: dict[str, Any],
    engines: list[str],
) -> xarray.Dataset:
    import xarray  # here: it brings pandas, half a second that only sweeps should pay

    dims = (*layout.dims, *layout.alpha_dims)
    shape = (*layout.problem.shape, *layout.alpha.shape[len(layout.dims) :])
    enough = np.where(counts > 1, counts, np.nan)[:, None, None]
    mean = np.where(enough > 1, moments[:, 0], np.nan)
    error = np.sqrt(moments[:, 1] / (enough - 1) / enough)
    variables: dict[str, Any] = {}
    for i, q in enumerate(QUANTITIES):
        text, units = MEANING[q]
        variables[f"theory_{q}"] = (dims, theory[q], {"long_name": f"{text}, theory", "units": units})
        variables[f"sim_{q}"] = (dims, mean[:, i].reshape(shape), {"long_name": f"{text}, simulation", "units": units})
        described = {"long_name": f"standard error of sim_{q}", "units": units}
        variables[f"sim_{q}_se"] = (dims, error[:, i].reshape(shape), described)
    described = {"long_name": "simulated trainings", "units": "1"}
    variables["trials"] = (layout.dims, _integers(counts.reshape(layout.problem.shape)), described)
    coords = {}
    for name, (along, values) in layout.coords.items():
        text, units = MEANING.get(name, ("", ""))
        attributes = {"long_name": text, "units": units} if text else {}
        coords[name] = (along, _integers(values) if name in SIZES else values, attributes)
    return xarray.Dataset(variables, coords, _attributes(layout, settings, engines))


def _attributes(layout: Grid, settings: dict[str, Any], engines: list[str]) -> dict[str, Any]:
    numbers = {n: getattr(layout.problem, n) for n in NUMBERS if n not in layout.coords}
    fixed = {n: np.asarray(value).item() for n, value in numbers.items() if value is not None}
    if "alpha" not in layout.coords:
        fixed["alpha"] = layout.alpha.item()
    geometry = layout.problem.geometry
    if geometry is not None:
        fixed["dim"] = len(geometry.mean_target)
        fixed["geometry_sha256"] = geometry.fingerprint.hex()
    return {
        "title": "w = alpha * w_source + a: theory and simulation",
        "references": "arXiv 2510.21345",
        "source": f"rmt_alpha {version('rmt_alpha')}",
        "numerics_version": NUMERICS_VERSION,
        **{name: _number(value) for name, value in settings.items()},
        "engines": ", ".join(engines),
        **{name: _number(value) for name, value in fixed.items()},
    }


def _number(value: Any) -> Any:
    """A whole number as a double where netCDF 3 has no room for it."""
    return float(value) if isinstance(value, int) and value > LARGEST_INT32 else value


def _integers(values: np.ndarray) -> np.ndarray:
    """Whole numbers as such where netCDF 3 has room for them, else as doubles."""
    return values.astype(np.int32) if np.max(values) <= LARGEST_INT32 else values.astype(np.float64)


def _write(dataset: xarray.Dataset, cells: list[list[Chunk]], store: Store) -> None:
    """One netCDF file a sweep; its name is the content's address, so that sweeps share a store."""
    digest = hashlib.sha256(repr((dataset.sizes, list(dataset.coords), dataset.attrs)).encode())
    for cell in cells:
        for chunk in cell:
            digest.update(chunk.name.encode())
    content = dataset.to_netcdf(None, engine="scipy", format="NETCDF3_64BIT")
    try:
        path = store.write_file(f"sweep-{digest.hexdigest()[:12]}.nc", bytes(content))
    except OSError as error:
        raise OSError(
            f"store could not take the result ({error.strerror or error}), but has all chunks: {str(store.path)!r}. "
            f"Make room and run the same sweep again: nothing is computed twice."
        ) from error
    dataset.encoding["source"] = str(path)
