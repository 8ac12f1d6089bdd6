"""The command line: `rmt-alpha COMMAND …`.

A command is a function with type hints; tyro makes its options from them, and its help from the docstring. It raises
on bad input, and may return what goes to standard output. Add it to `COMMANDS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import tyro

from .spec import read_spec
from .sweeps import sweep

BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def sweep_command(
    spec: tyro.conf.Positional[Path],
    /,
    store: Path,
    scheduler: str | None = None,
    shard: Annotated[str, tyro.conf.arg(metavar="I/K")] = "0/1",
) -> str | None:
    """Theory and simulation over a grid of problems. Killed or interrupted: run the same command again.

    Args:
        spec: TOML file: what to compute.
        store: Directory of the results; what is finished there is not computed again.
        scheduler: Address of a dask scheduler (tcp://host:port). Default: the cores of this machine.
        shard: Only the I-th of K parts, I = 0 … K−1, for job arrays.
    """
    arguments = read_spec(spec)
    part = _shard(shard)
    with ExitStack() as stack:
        executor = None
        if scheduler is not None:
            executor = stack.enter_context(_dask_client(scheduler)).get_executor()
        dataset = sweep(**arguments, store=store, executor=executor, shard=part)
    return dataset.encoding.get("source")


COMMANDS: dict[str, Callable[..., str | None]] = {"sweep": sweep_command}


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 2 for whatever the user can put right, 130 after Ctrl-C."""
    try:
        output = tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="rmt-alpha", args=args)
    except KeyboardInterrupt as error:
        print(f"rmt-alpha: {error or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ArithmeticError, ImportError) as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        print(f"rmt-alpha: {error} {notes}".rstrip(), file=sys.stderr)
        return BAD_INPUT
    if output is not None:
        print(output)
    return 0


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
        raise ImportError("scheduler needs dask, got no such module. Run: pip install 'rmt_alpha[cluster]'") from None
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        raise OSError(
            f"scheduler must be the address of a running dask scheduler, got {address!r}: {error}. Check it."
        ) from error
