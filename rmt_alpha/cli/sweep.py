"""`sweep`: a grid of problems from a file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..sweep import read_spec
from ..sweep import sweep as run
from .options import as_json


def sweep(
    spec: tyro.conf.Positional[Path],
    /,
    store: Path,
    workers: Annotated[float | None, tyro.conf.arg(metavar="COUNT")] = None,
    scheduler: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS")] = None,
    shard: Annotated[str, tyro.conf.arg(metavar="I/K")] = "0/1",
    json: bool = False,
) -> str | None:
    """Theory and simulation over a grid of problems. If killed or interrupted, run the same command again.

    Args:
        spec: TOML file: what to compute.
        store: Directory of the results; what is finished there is not computed again.
        workers: Processes; a count. Default: all cores that this process may use.
        scheduler: Address of a dask scheduler (tcp://host:port), whose workers compute instead.
        shard: Only the I-th of K parts, I = 0 … K−1, for job arrays.
        json: The result's path as one line of JSON; null while other shards are unfinished.
    """
    if workers is not None and scheduler is not None:
        raise ValueError("workers must be left out with a scheduler, which has its own, got both. Keep one of the two.")
    arguments: dict[str, Any] = {**read_spec(spec), "store": store, "workers": workers, "shard": _shard(shard)}
    with ExitStack() as stack:
        if scheduler is not None:
            arguments["executor"] = stack.enter_context(_dask_client(scheduler)).get_executor()
        dataset = run(**arguments)
    path = dataset.encoding.get("source")
    return as_json(result=path) if json else path


def _shard(text: str) -> tuple[int, int]:
    try:
        i, k = map(int, text.split("/"))
    except ValueError:
        raise ValueError(
            f"shard must be I/K, two whole numbers with 0 ≤ I < K, got {text!r}. The first of four is 0/4."
        ) from None
    return i, k


def _dask_client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ImportError("scheduler needs dask, got no such module. Run: pip install -e '.[cluster]'") from None
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        raise OSError(
            f"scheduler must be the address of a running dask scheduler, got {address!r}: {error}. Check it."
        ) from error
