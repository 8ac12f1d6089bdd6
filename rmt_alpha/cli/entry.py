"""The command line: `rmt-alpha COMMAND …`.

A command is a function with type hints; tyro makes its options from them, and its help from the docstring. It raises
on bad input, naming the parameter, and may return what goes to standard output, alone or with the exit status. Add it to `COMMANDS`.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from itertools import groupby
from typing import Any, get_type_hints

import tyro

from .. import __version__
from .. import _checks as check
from .choose import choose
from .data import data
from .explore import explore
from .finetune import finetune
from .one_problem import optimal_alpha, predict, simulate
from .phase_map import phase_map
from .sweep import sweep
from .validate import validate

NO = 1  # what was asked for cannot be had
BAD_INPUT = 2
NO_RESOURCES = 4  # memory, disk, workers: the same command may succeed elsewhere
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
BROKEN_PIPE = 141
HELP = " See rmt-alpha --help, or --help after the command."
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE}

Outcome = str | None | tuple[str, int]
COMMANDS: dict[str, Callable[..., Outcome]] = {
    "predict": predict,
    "optimal-alpha": optimal_alpha,
    "simulate": simulate,
    "validate": validate,
    "map": phase_map,
    "sweep": sweep,
    "choose": choose,
    "finetune": finetune,
    "data": data,
    "explore": explore,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 where the answer is no, 2 for what the user can put right, 4 for want of memory, disk
    or workers, 130 after Ctrl-C, 141 where nobody reads the answer."""
    try:
        return while_read(functools.partial(_run, args))
    except OSError as error:  # such as a full disk that the answer goes to
        return _complain(
            f"standard output cannot be written: {error}", NO_RESOURCES if _is_resource(error) else BAD_INPUT
        )


def while_read(run: Callable[[], int]) -> int:
    """What `run` returns; 141, and no word, where the reader of its output has seen enough, as in `… | head`."""
    try:
        try:
            return run()
        finally:
            print(end="", flush=True)
    except OSError as error:
        # The interpreter would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise
        return BROKEN_PIPE


def _run(args: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if args is None else args)
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # closed by the shell: `>&-`
            setattr(sys, stream, open(os.devnull, "w"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Greek letters, on a terminal that has none
    if words == ["--version"]:
        return _say(f"rmt-alpha {__version__}", 0)
    try:
        output = _parse(words)()
    except KeyboardInterrupt as error:
        return _complain(str(error) or "interrupted.", INTERRUPTED)
    except BrokenPipeError:
        raise
    except MemoryError as error:
        return _complain(f"out of memory: {error}. Ask for less at once, or use a larger machine.", NO_RESOURCES)
    except (ValueError, TypeError, OSError, ArithmeticError, ImportError) as error:
        return _complain(in_flags(_text(error), words), NO_RESOURCES if _is_resource(error) else BAD_INPUT)
    except LookupError as error:
        from ..data.files import DataUnavailableError  # here: it brings scipy.io

        if not isinstance(error, DataUnavailableError):
            raise
        return _complain(str(error), NO)
    text, status = output if isinstance(output, tuple) else (output, 0)
    return status if text is None else _say(text, status)


def _say(text: str, status: int) -> int:
    print(text)
    return status


def _complain(text: str, status: int) -> int:
    print(f"rmt-alpha: {' '.join(text.split())}", file=sys.stderr)
    return status


def _text(error: BaseException) -> str:
    return " ".join([str(error), *getattr(error, "__notes__", ())])


def _is_resource(error: BaseException | None) -> bool:
    """Is the machine at fault, here or in what this error explains?"""
    from ..sweep.execute import ExecutorLost

    while error is not None:
        if isinstance(error, MemoryError | ExecutorLost) or (isinstance(error, OSError) and error.errno in FULL):
            return True
        error = error.__cause__
    return False


def in_flags(text: str, words: Sequence[str]) -> str:
    """A message of the library in the words of the command line: `--n-source` where it says n_source.

    >>> in_flags("n_target must be whole, got 4.5. Use method='dense'.", ["simulate"])
    '--n-target must be whole, got 4.5. Use --method dense.'
    """
    if not words or words[0] not in COMMANDS:
        return text
    for name in _options(COMMANDS[words[0]]):
        flag = "--" + name.replace("_", "-")
        text = re.sub(rf"(?<![\w-]){name}=(['\"]?)([\w.-]+)\1", rf"{flag} \2", text)
        # Names of one word are also words of the language: only where they begin the message.
        text = re.sub(rf"(?<![\w'-]){name}(?![\w'=-])" if "_" in name else rf"^{name}(?![\w'=-])", flag, text)
    return text


def _options(command: Callable[..., Outcome]) -> Iterator[str]:
    """The options of a command, as Python spells them."""
    hints = get_type_hints(command)
    for name, parameter in inspect.signature(command).parameters.items():
        if dataclasses.is_dataclass(hints.get(name)):
            yield from (f.name for f in dataclasses.fields(hints[name]))
        elif parameter.kind is not parameter.POSITIONAL_ONLY:
            yield name


def _parse(words: list[str]) -> Callable[[], Outcome]:
    """The command with its arguments, not run yet; ValueError, in one line, where they cannot be read."""
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        hint = check.meant(words[0], COMMANDS) or " See rmt-alpha --help."
        raise ValueError(f"command must be one of {', '.join(COMMANDS)}, got {words[0]!r}.{hint}")
    deferred = {name: _deferred(command) for name, command in COMMANDS.items()}
    # A range may begin with a minus sign, and is no option for that.
    words = [f" {word}" if re.match(r"-[\d.].*:", word) else word for word in words]
    said, helped, plain = io.StringIO(), io.StringIO(), bool(os.environ.get("NO_COLOR"))
    try:
        with redirect_stderr(said), redirect_stdout(helped) if plain else nullcontext():
            return tyro.extras.subcommand_cli_from_dict(
                deferred, prog="rmt-alpha", description=f"The command line of rmt_alpha {__version__} (--version).",
                args=words, config=(tyro.conf.FlagCreatePairsOff,),
            )  # fmt: skip
    except SystemExit as stop:
        if not stop.code:  # --help
            print(re.sub(r"\x1b\[[0-9;]*m", "", helped.getvalue()), end="")
            raise
        raise ValueError(_explained(said.getvalue(), words)) from None


def _explained(drawn: str, words: Sequence[str]) -> str:
    """What tyro says, in one line."""
    # It draws a box: a title, then the message and advice, with rules between them.
    lines = [line.strip("│ ") for line in drawn.splitlines()[1:]]
    parts = [" ".join(part) for is_rule, part in groupby(lines, lambda line: set(line) <= set("─-╰╯")) if not is_rule]
    message = (parts[0] if parts else "the arguments cannot be read").rstrip(" .")
    command = COMMANDS.get(words[0]) if words else None
    if unknown := re.match(r"Unrecognized options: (--?[\w-]+)", message):
        flags = ["--version", "--help"] if command is None else ["--" + n.replace("_", "-") for n in _options(command)]
        begin = [f for f in flags if f.startswith(unknown[1])]
        hint = f" Did you mean {' or '.join(begin)}?" if begin else check.meant(unknown[1], flags).replace("'", "")
        return f"no option {unknown[1]}.{hint or HELP}"
    if chosen := re.match(r"invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*)\)$", message):
        value, name, allowed = chosen.groups()
        hint = check.meant(value, re.findall("'(.*?)'", allowed))
        return f"{name} must be one of {allowed}, got {value!r}.{hint or HELP}"
    if number := re.match(r"Error parsing (\S+): could not convert string to float: '(.*)'$", message):
        return f"{number[1]} must be a number, got {number[2]!r}.{HELP}"
    if re.match("Missing from ", message):  # each with its help text
        names = re.findall(r"(?:^|\(required\)\s+)(--[\w-]+|[A-Z]+)", message.partition(": ")[2])
        return f"{', '.join(names)} must be given, got nothing.{HELP}"
    return f"{message.replace('Expected 1 values', 'Expected a value')}.{HELP}"


def _deferred(command: Callable[..., Outcome]) -> Callable[..., Any]:
    @functools.wraps(command)
    def bound(*args: Any, **kwargs: Any) -> Any:
        return functools.partial(command, *args, **kwargs)

    return bound
