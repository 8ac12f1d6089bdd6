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

from .. import _checks as check
from ..problem import Fit, is_squared
from ..problem.numbers import PARAMETERS, SIZES
from ..results import QUANTITIES, Moments
from ..simulation import noise as noises
from ..simulation import pool
from ..simulation.dense import Conditions
from ..simulation.simulate import ENGINES, pieces, prepare
from ..simulation.streams import NUMERICS_VERSION
from ..theory.predict import predict
from . import netcdf
from .chunks import Chunk, Leading, leading_axes, merge, unpack
from .execute import run
from .fields import Problem, numbers_of
from .grid import START, Grid, grid
from .store import Store

if TYPE_CHECKING:
    import xarray

log = logging.getLogger("rmt_alpha")

MOST_CHUNKS = 10_000_000
LARGEST = 1e150  # of a variance or risk, whose deviations are squared
COMPONENTS = {"mean": ("component", "output"), "variance": ("component", "output", "output_2")}
# Quantity → (what it is, units).
MEANING = {
    "mean": ("mean of the score", "1"),
    "variance": ("variance of the score", "1"),
    "accuracy": ("signed accuracy", "1"),
    "risk": ("expected squared error", "1"),
}
TAKEN = (
    "trials",
    START,
    *COMPONENTS["variance"],
    *(f"{a}_{q}{b}" for q in QUANTITIES for a, b in (("theory", ""), ("sim", ""), ("sim", "_se"))),
)


def sweep(
    problems: Problem | Mapping[str, Any],
    alpha: Any = None,
    *,
    n_trials: int = 1000,
    seed: int = 0,
    store: str | os.PathLike,
    executor: Executor | None = None,
    workers: int | None = None,
    shard: tuple[int, int] = (0, 1),
    method: str = "auto",
    noise: Any = "gaussian",
    labels: str = "auto",
    common_random_numbers: bool = False,
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
    | `problems` | a `TransferProblem` or `Fit` with arrays in it, or the numbers of a `TransferProblem` by name (and its losses) |
    | `alpha` | a number, a vector (a dimension of its own), or a DataArray, which may vary with the problem; None without starts |
    | `n_trials` | trainings per problem, ≥ 2; with a larger number only the new ones are computed |
    | `seed` | trial i of seed s is the same whatever else is computed |
    | `store` | a directory: what is finished is there, and computed never again |
    | `executor` | any `concurrent.futures.Executor` (dask: `client.get_executor()`); default: processes of this machine |
    | `workers` | so many of them; default: all cores that this process may use |
    | `shard` | (i, k): every k-th chunk only, i = 0 … k − 1, for job arrays; the last to finish has the whole |
    | `method`, `noise`, `labels`, `common_random_numbers` | as in `simulate`; a function as noise by its name and bound arguments |

    In a mapping, vectors span the grid: each is a dimension of its own name. Parameters that vary together are
    `xarray.DataArray`s on one dimension. The axes of a problem are named after the first number that varies along each alone
    (`axis_0`, … where there is none): of a fit `n`, `gamma`, `source_n`, `source_gamma`, `source_0_n` where there are several
    sources, `source_source_n`, …. Several α are a vector along the dimension `start`, or rows of them, along `point`.

    Returns `theory_*`, `sim_*` and the standard errors `sim_*_se` of mean, variance, accuracy (classes only) and risk, and the number
    of `trials`, with numbers in coordinates (varying) and attributes (fixed); where mean and variance are per component and output, these
    are their first dimensions. A complete sweep is also written as netCDF into the store, at `dataset.encoding["source"]`; a shard's
    dataset is NaN where fewer than two trials are there yet.

    Interrupted, killed, with other workers or in another order: run it again, and not a bit will differ (on machines of another kind:
    nothing but rounding). Raises ValueError, TypeError or OSError, which says what is saved.
    """
    layout = grid(problems, alpha)
    settings = _settings(n_trials, seed, method, noise, labels, common_random_numbers)
    shard = _check_shard(shard)
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(
            f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}. "
            f"A dask Client gives one: client.get_executor()."
        )
    if executor is not None and workers is not None:
        raise ValueError(
            f"workers must be left out with an executor, which has its own, got {workers!r}. Keep one of the two."
        )
    hands = pool.cores() if workers is None else check.workers(workers)
    netcdf.check_names(layout, TAKEN)
    theory = _theory(layout)  # first: a problem beyond double precision shows here, before hours of simulation
    leading = leading_axes(theory)
    cells = _cells(layout, leading, **settings)  # and a method that does not apply
    shelf = Store(store)
    made_once = shelf.settled(layout)
    if made_once is not layout:
        layout, theory = made_once, _theory(made_once)
        cells = _cells(layout, leading, **settings)
    distinct = {chunk.name: chunk for cell in cells for chunk in cell}  # equal cells share their chunks
    mine = list(distinct.values())[shard[0] :: shard[1]]
    missing = [chunk for chunk in mine if shelf.read(chunk.name, chunk.shape) is None]
    run(missing, shelf, executor, hands, len(mine) - len(missing))
    counts, moments, complete = _gather(cells, shelf)
    dataset = _dataset(
        layout, theory, leading, counts, moments, settings, sorted({cell[0].setting.method for cell in cells})
    )
    if complete:
        _write(dataset, cells, shelf)
    elif shard[1] > 1:
        log.warning("shard %d/%d is done; other shards of this sweep are not in %s yet.", *shard, shelf.path)
    else:
        raise OSError(
            f"store must keep its chunks, but some of {str(shelf.path)!r} are gone. Check its disk, run again."
        )
    return dataset


def _settings(n_trials: Any, seed: Any, method: Any, noise: Any, labels: Any, common: Any) -> dict[str, Any]:
    n_trials, seed = check.whole("n_trials", n_trials, 2), check.whole("seed", seed, 0)
    shared = {"common_random_numbers": True} if check.flag("common_random_numbers", common) else {}
    return {"n_trials": n_trials, "seed": seed, "method": method, "noise": noise, "labels": labels, **shared}


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


def _theory(layout: Grid) -> Moments:
    """Each quantity, (*components and outputs, *problem axes, *alpha axes)."""
    own = len(layout.alpha_dims)
    alpha = layout.alpha
    if alpha is not None:
        # predict broadcasts α against the problem from the right: α's own axes go first, and come back.
        first = len(layout.dims)
        alpha = np.moveaxis(alpha, range(first, first + own), range(own))
    found = predict(layout.problem, alpha)
    rank = np.ndim(found.risk)
    for quantity in ("variance", "risk"):
        if np.max(getattr(found, quantity)) > LARGEST:
            raise FloatingPointError(
                f"alpha must be smaller: the scatter of the {quantity} would leave double precision. Rescale α and the starts."
            )

    def back(value: Any) -> Any:
        if value is None:
            return None
        extra = np.ndim(value) - rank
        moved = np.moveaxis(np.asarray(value), range(extra, extra + own), range(-own, 0))
        return np.broadcast_to(moved, (*np.shape(value)[:extra], *layout.shape))

    return Moments(*(back(getattr(found, q)) for q in QUANTITIES))


def _cells(
    layout: Grid,
    leading: Leading,
    n_trials: int,
    seed: int,
    method: str,
    noise: Any,
    labels: str,
    common_random_numbers: bool = False,
) -> list[list[Chunk]]:
    """The chunks of each cell. The engine is picked cell by cell: a cell does not depend on its neighbours."""
    smallest = min(engine.at_once for engine in ENGINES.values())
    number = int(np.prod(layout.problem.shape, dtype=float)) * -(
        -n_trials // max(engine.at_once for engine in ENGINES.values())
    )
    if number > MOST_CHUNKS:
        raise ValueError(
            f"n_trials must leave at most {MOST_CHUNKS} files of some {smallest} trials or more, got {n_trials} for each of "
            f"{np.prod(layout.problem.shape, dtype=int)} problems, {number:.3g} files. Ask for fewer: errors shrink like 1/√n_trials."
        )
    cells = []
    for problem, alpha in layout.cells():
        # With two workers it refuses a noise without a name.
        conditions, common = Conditions(noise, labels), common_random_numbers
        _, _, setting = prepare(problem, n_trials, seed, method, conditions, workers=2, common=common)
        cells.append(
            [Chunk(problem, alpha, leading, setting, t.start, len(t)) for t in pieces(n_trials, setting.method)]
        )
    return cells


def _gather(cells: list[list[Chunk]], store: Store) -> tuple[np.ndarray, np.ndarray, bool]:
    """Trials (cells,), mean and M2 (cells, 2, numbers, alphas) from the store alone, so that it does not matter who
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
    theory: Moments,
    leading: Leading,
    counts: np.ndarray,
    moments: np.ndarray,
    settings: dict[str, Any],
    engines: list[str],
) -> xarray.Dataset:
    import xarray  # here: it brings pandas, half a second that only sweeps should pay

    dims = (*layout.dims, *layout.alpha_dims)
    enough = np.where(counts > 1, counts, np.nan)[:, None, None]
    means = unpack(np.where(enough > 1, moments[:, 0], np.nan), leading)
    errors = unpack(np.sqrt(moments[:, 1] / (enough - 1) / enough), leading)
    variables: dict[str, Any] = {}
    for q, axes in leading.items():
        text, units = MEANING[q]
        inner = COMPONENTS.get(q, ())[: len(axes)]
        shape = (*axes, *layout.shape)
        entries = {
            f"theory_{q}": (getattr(theory, q), f"{text}, theory"),
            f"sim_{q}": (np.moveaxis(means[q], 0, len(axes)).reshape(shape), f"{text}, simulation"),
            f"sim_{q}_se": (np.moveaxis(errors[q], 0, len(axes)).reshape(shape), f"standard error of sim_{q}"),
        }
        for name, (value, said) in entries.items():
            variables[name] = ((*inner, *dims), value, {"long_name": said, "units": units})
    described = {"long_name": "simulated trainings", "units": "1"}
    variables["trials"] = (layout.dims, netcdf.integers(counts.reshape(layout.problem.shape)), described)
    sizes = {name for name in numbers_of(layout.problem) if name in SIZES or name == "n" or name.endswith("_n")}
    coords = {
        name: (along, netcdf.fitting(_whole(name, values, sizes)), _described(name))
        for name, (along, values) in layout.coords.items()
    }
    return xarray.Dataset(variables, coords, _attributes(layout, settings, engines))


def _whole(name: str, values: np.ndarray, sizes: set[str]) -> np.ndarray:
    """Sizes as whole numbers."""
    return values.astype(np.int64) if name in sizes else values


def _described(name: str) -> dict[str, str]:
    if name in PARAMETERS:
        return {"long_name": PARAMETERS[name].meaning, "units": PARAMETERS[name].unit}
    for ending, text, units in (
        ("n", "sample size", "samples"),
        ("gamma", "ridge penalty", "1"),
        ("alpha", "scale of a start", "1"),
    ):
        if name == ending or name.endswith(f"_{ending}"):
            return {"long_name": text, "units": units}
    return {}


def _attributes(layout: Grid, settings: dict[str, Any], engines: list[str]) -> dict[str, Any]:
    fixed: dict[str, Any] = {
        n: np.asarray(v).ravel().tolist() for n, v in numbers_of(layout.problem).items() if n not in layout.coords
    }
    if layout.alpha is not None and "alpha" not in layout.coords:
        fixed["alpha"] = layout.alpha.ravel().tolist()
    fixed = {name: value[0] if len(value) == 1 else value for name, value in fixed.items()}
    problem = layout.problem
    losses = {n: getattr(problem, n) for n in ("loss", "source_loss") if hasattr(problem, n)}
    if isinstance(problem, Fit):
        fixed |= {"dim": problem.dim, "problem": ascii(problem), "problem_sha256": problem.digest.hex()}
    return {
        "title": "w = alpha * w_source + a: theory and simulation",
        "references": "arXiv 2510.21345",
        "source": f"rmt_alpha {version('rmt_alpha')}",
        "numerics_version": NUMERICS_VERSION,
        **{name: netcdf.number(value) if isinstance(value, int) else _word(value) for name, value in settings.items()},
        "engines": ", ".join(engines),
        **{name: loss.name for name, loss in losses.items() if not is_squared(loss)},
        **{name: netcdf.number(value) for name, value in fixed.items()},
    }


def _word(value: Any) -> str:
    """A setting as text; a function as what it is known by."""
    return value if isinstance(value, str) else ascii(noises.name(value))


def _write(dataset: xarray.Dataset, cells: list[list[Chunk]], store: Store) -> None:
    """One netCDF file per sweep; its name is the content's address, so that sweeps share a store."""
    digest = hashlib.sha256(repr((dataset.sizes, list(dataset.coords), dataset.attrs)).encode())
    for cell in cells:
        for chunk in cell:
            digest.update(chunk.name.encode())
    try:
        path = store.write_file(f"sweep-{digest.hexdigest()[:12]}.nc", netcdf.to_bytes(dataset))
    except OSError as error:
        raise OSError(
            f"store could not take the result ({error.strerror or error}), but has all chunks: {str(store.path)!r}. "
            f"Make room and run the same sweep again: nothing is computed twice."
        ) from error
    dataset.encoding["source"] = str(path)
