"""What the commands share: a problem from options, ranges of α, progress, and answers as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from ..problem.numbers import PARAMETERS, Numbers

Count = Annotated[float, tyro.conf.arg(metavar="COUNT")]  # a float, so that 1e6 is a count too
Number = Annotated[float, tyro.conf.arg(metavar="NUMBER")]
LossName = Literal["squared", "logistic", "squared_hinge", "huber"]
QUIET = 2.0  # seconds before a progress bar appears


def _option(name: str) -> tuple[str, Any, Any]:
    p = PARAMETERS[name]
    unit = "a count" if p.is_size else f"in {p.unit}" if p.unit != "1" else f"from {p.low:g} to {p.high:g}"
    text = f"{p.symbol}: {p.meaning}; {unit}."
    return name, Annotated[float, tyro.conf.arg(metavar="COUNT" if p.is_size else "NUMBER", help=text)], p.example


def _loss_option(name: str, stage: str) -> tuple[str, Any, Any]:
    text = f"What the {stage}'s training minimises, a function of the margin."
    return name, Annotated[LossName, tyro.conf.arg(help=text)], "squared"


ProblemOptions: Any = dataclasses.make_dataclass(
    "ProblemOptions",
    [*map(_option, PARAMETERS), _loss_option("loss", "target"), _loss_option("source_loss", "source")],
    bases=(Numbers,),
    namespace={"problem": lambda self, **changed: Numbers.problem(self, **{"loss": self.loss, "source_loss": self.source_loss, **changed})},
    frozen=True,
)  # fmt: skip
EXAMPLE = ProblemOptions()
Problem = Annotated[ProblemOptions, tyro.conf.arg(name="")]  # its options without a prefix
Alphas = Annotated[tuple[str, ...], tyro.conf.arg(metavar="ALPHA|FROM:TO:COUNT ...")]
MOST = 10_000  # values of α in one answer


def alphas(words: tuple[str, ...]) -> np.ndarray:
    """The values of α: numbers, and ranges with both ends, such as -2:3:51.

    >>> alphas(("0.5", "1:2:3"))
    array([0.5, 1. , 1.5, 2. ])
    """
    if not words:
        raise ValueError("alpha must be one number or more, got none. Write --alpha 0 1, or --alpha -2:3:51.")
    return np.concatenate([_range(word) for word in words])


def _range(word: str) -> np.ndarray:
    try:
        parts = [float(part) for part in word.split(":")]
    except ValueError:
        parts = []
    if len(parts) == 1:
        return np.array(parts)
    if len(parts) != 3 or not all(map(np.isfinite, parts)):
        raise ValueError(f"alpha must be a number or FROM:TO:COUNT, got {word.strip()!r}. Write 1.5, or -2:3:51.")
    if not (parts[2] == int(parts[2]) and 2 <= parts[2] <= MOST):
        raise ValueError(f"alpha must have a whole COUNT in [2, {MOST}], got {word.strip()!r}. Write -2:3:51, say.")
    return np.linspace(parts[0], parts[1], int(parts[2]))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function of (done, total) that draws a bar on a terminal, if it takes longer than two seconds."""
    from tqdm import tqdm

    with tqdm(desc=what, unit="piece", disable=None, delay=QUIET, dynamic_ncols=True, leave=False) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield told


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Errors of what is written to `out`, in the words of the command line."""
    try:
        yield
    except OSError as error:
        raise OSError(f"out must be a place that can be written to, got '{out}': {error}. Choose another.") from error


def as_json(**values: Any) -> str:
    """One line of JSON at full precision; JSON knows no infinity, so that is null."""
    return json.dumps({key: _plain(value) for key, value in values.items()}, allow_nan=False)


def table(header: list[str], rows: list[list[Any]], left: bool = False) -> str:
    """Aligned columns, to the right unless `left`; on a terminal no wider than that: text is wrapped, numbers go on below."""
    cells = [header, *([v if isinstance(v, str) else f"{v:.6g}" for v in row] for row in rows)]
    space = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    if left:
        return "\n".join(line for row in cells for line in _wrapped(row, widths, space))
    blocks: list[list[int]] = [[0]]
    for column in range(1, len(widths)):
        if sum(widths[c] + 2 for c in [*blocks[-1], column]) - 2 > space and len(blocks[-1]) > 1:
            blocks.append([0])  # the first column says which row it is
        blocks[-1].append(column)
    line = lambda row, block: "  ".join(_padded(row[c], widths[c]) for c in block).rstrip()  # noqa: E731
    return "\n\n".join("\n".join(line(row, block) for row in cells) for block in blocks)


def _padded(text: str, width: int, left: bool = False) -> str:
    fill = " " * (width - _width(text))
    return text + fill if left else fill + text


def _wrapped(row: list[str], widths: list[int], space: int) -> list[str]:
    """A row of text, its last column broken into lines where the terminal ends."""
    before = "".join(_padded(text, width, left=True) + "  " for text, width in zip(row[:-1], widths, strict=False))
    room = max(space - _width(before), 20)
    lines = textwrap.wrap(row[-1], room) if _width(row[-1]) > room else [row[-1]]
    return [
        (before if i == 0 else " " * _width(before)) + line if line else before.rstrip() for i, line in enumerate(lines)
    ]


def _width(text: str) -> int:
    """Columns on a terminal: the tilde of γ̃ takes none."""
    return sum(not unicodedata.combining(c) for c in text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
