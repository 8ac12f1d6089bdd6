"""The command line: `rmt-alpha COMMAND …`.

A command is a function with type hints; tyro makes its options from them, and its help from the docstring. It raises
on bad input, and may return what goes to standard output, alone or with the exit status. Add it to `COMMANDS`.
"""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stderr
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import tyro

from .commands.choose import choose
from .commands.data import data
from .commands.explore import explore
from .commands.finetune import finetune
from .commands.one_problem import optimal_alpha, predict, simulate
from .commands.options import as_json
from .commands.phase_map import phase_map
from .commands.validate import validate
from .spec import read_spec
from .sweeps import sweep

BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
BROKEN_PIPE = 141


def sweep_command(
    spec: tyro.conf.Positional[Path],
    /,
    store: Path,
    scheduler: str | None = None,
    shard: Annotated[str, tyro.conf.arg(metavar="I/K")] = "0/1",
    json: bool = False,
) -> str | None:
    """Theory and simulation over a grid of problems. Killed or interrupted: run the same command again.

    Args:
        spec: TOML file: what to compute.
        store: Directory of the results; what is finished there is not computed again.
        scheduler: Address of a dask scheduler (tcp://host:port). Default: the cores of this machine.
        shard: Only the I-th of K parts, I = 0 … K−1, for job arrays.
        json: The result's path as one line of JSON; null while other shards are unfinished.
    """
    arguments = read_spec(spec)
    part = _shard(shard)
    with ExitStack() as stack:
        executor = None
        if scheduler is not None:
            executor = stack.enter_context(_dask_client(scheduler)).get_executor()
        dataset = sweep(**arguments, store=store, executor=executor, shard=part)
    path = dataset.encoding.get("source")
    return as_json(result=path) if json else path


Outcome = str | None | tuple[str, int]
COMMANDS: dict[str, Callable[..., Outcome]] = {
    "predict": predict,
    "optimal-alpha": optimal_alpha,
    "simulate": simulate,
    "validate": validate,
    "map": phase_map,
    "sweep": sweep_command,
    "choose": choose,
    "finetune": finetune,
    "data": data,
    "explore": explore,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 where the answer is no, 2 for what the user can put right, 130 after Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Greek letters, on a terminal that has none
    try:
        output = _parse(args)()
    except KeyboardInterrupt as error:
        print(f"rmt-alpha: {error or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except LookupError as error:
        from .data.files import DataUnavailableError  # here: it brings scipy.io

        if not isinstance(error, DataUnavailableError):
            raise
        print(f"rmt-alpha: {error}", file=sys.stderr)
        return BAD_INPUT
    except (ValueError, TypeError, OSError, ArithmeticError, ImportError) as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        print(f"rmt-alpha: {error} {notes}".rstrip(), file=sys.stderr)
        return BAD_INPUT
    text, status = output if isinstance(output, tuple) else (output, 0)
    if text is not None:
        try:
            print(text, flush=True)
        except (
            BrokenPipeError
        ):  # `| head` has seen enough; the interpreter would complain once more when it closes stdout
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
    return status


def _parse(args: Sequence[str] | None) -> Callable[[], Outcome]:
    """The command with its arguments, not run yet; ValueError, in one line, where they cannot be read."""
    deferred = {name: _deferred(command) for name, command in COMMANDS.items()}
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.extras.subcommand_cli_from_dict(
                deferred, prog="rmt-alpha", args=args, config=(tyro.conf.FlagCreatePairsOff,)
            )
    except SystemExit as stop:
        if not stop.code:
            raise  # --help
        # tyro draws a box: a title, then the message and advice, with rules between them.
        lines = [line.strip("│ ") for line in said.getvalue().splitlines()[1:]]
        parts = [
            " ".join(part) for is_rule, part in groupby(lines, lambda line: set(line) <= set("─-╰╯")) if not is_rule
        ]
        message = parts[0] if parts else "the arguments cannot be read"
        raise ValueError(f"{message.rstrip(' .')}. See rmt-alpha --help, or --help after the command.") from None


def _deferred(command: Callable[..., Outcome]) -> Callable[..., Any]:
    @functools.wraps(command)
    def bound(*args: Any, **kwargs: Any) -> Any:
        return functools.partial(command, *args, **kwargs)

    return bound


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
