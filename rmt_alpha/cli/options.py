"""What the commands share: a problem from options, and answers as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from ..problem import NUMBERS, TransferProblem

Count = Annotated[float, tyro.conf.arg(metavar="COUNT")]  # a float, so that 1e6 is a count too
Number = Annotated[float, tyro.conf.arg(metavar="NUMBER")]
LossName = Literal["squared", "logistic", "squared_hinge", "huber"]
SYMBOLS = dict(zip(NUMBERS, ("N", "n", "p", "‖μ‖", "‖μ_⊥‖", "β", "γ̃", "γ"), strict=True))


@dataclass(frozen=True)
class ProblemOptions:
    """The numbers of a `TransferProblem`, which checks them."""

    n_source: Count = 5000
    """N: source examples; a count."""
    n_target: Count = 40
    """n: target examples; a count."""
    dim: Count = 1000
    """p: features; a count."""
    mu: Number = 0.8
    """‖μ‖: norm of the source mean, in standard deviations of the noise."""
    mu_orth: Number = 0.8
    """‖μ_⊥‖: norm of the target mean's orthogonal part, in standard deviations of the noise."""
    beta: Number = 0.9
    """β: alignment of the two tasks, a cosine from −1 to 1."""
    gamma_source: Number = 5.0
    """γ̃: ridge penalty of the source, in units of the noise's variance; 0 is ridgeless."""
    gamma_target: Number = 0.1
    """γ: ridge penalty of the target, in units of the noise's variance; 0 is ridgeless."""

    def problem(self, **changed: Any) -> TransferProblem:
        """The problem, with some numbers replaced (by arrays, say)."""
        return TransferProblem(**{**dataclasses.asdict(self), **changed})


EXAMPLE = ProblemOptions()
Problem = Annotated[ProblemOptions, tyro.conf.arg(name="")]  # its options without a prefix
Alphas = Annotated[tuple[float, ...], tyro.conf.arg(metavar="ALPHA [ALPHA ...]")]


def numbers(problem: TransferProblem) -> dict[str, Any]:
    """The problem's numbers by name."""
    return {name: getattr(problem, name) for name in NUMBERS}


def headline(problem: TransferProblem) -> str:
    """One line that says which problem was computed, defaults included."""
    return ", ".join(f"{SYMBOLS[name]} = {value:.10g}" for name, value in numbers(problem).items())


def as_json(**values: Any) -> str:
    """One line of JSON at full precision; JSON knows no infinity, so that is null."""
    return json.dumps({key: _plain(value) for key, value in values.items()}, allow_nan=False)


def table(header: list[str], rows: list[list[Any]], left: bool = False) -> str:
    """Aligned columns, to the right unless `left`."""
    cells = [header, *([v if isinstance(v, str) else f"{v:.6g}" for v in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]

    def padded(text: str, width: int) -> str:
        space = " " * (width - _width(text))
        return text + space if left else space + text

    return "\n".join("  ".join(map(padded, row, widths)).rstrip() for row in cells)


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
