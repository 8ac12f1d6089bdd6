"""The unit of a sweep: some trials of one cell, reduced to count, mean and M2.

Everything here is a pure function of the chunk, so that it may be computed anywhere, by anyone, in any order, and
comes out the same to the last bit on one kind of machine, and to rounding on another.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..problem import Fit, TransferProblem
from ..problem.identity import digest
from ..results import QUANTITIES, Moments
from ..simulation import chain
from ..simulation.pool import one_blas_thread
from ..simulation.simulate import Setting, piece
from ..simulation.streams import NUMERICS_VERSION

Leading = dict[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Trials `start` … `start + count − 1` of a scalar problem, at every α of `alpha`, (count,) or (count, n_alpha); None without starts.

    `leading` has the quantities that the problem has, each with its axes of components and outputs.
    """

    problem: TransferProblem | Fit
    alpha: np.ndarray | None
    leading: Leading
    setting: Setting
    start: int
    count: int
    numerics: int = NUMERICS_VERSION

    @cached_property
    def family(self) -> str:
        """What the chunk is, whatever its count: a longer chunk of the same family continues a shorter one.

        Numbers count to 12 digits: what another processor makes of the same grid is the same chunk.
        """
        alpha = None if self.alpha is None else (str(self.alpha.shape), tuple(self.alpha.ravel().tolist()))
        setting = self.setting
        words = (
            setting.method,
            setting.name,
            setting.conditions.labels,
            f"seed {setting.seed}",
            f"start {self.start}",
            f"v{self.numerics}",
            *(["common random numbers"] if setting.common else []),
        )
        return digest(self.problem, alpha, *words).hex()[:40]

    @property
    def name(self) -> str:
        """The content address: equal names, equal numbers."""
        return f"{self.family}-{self.count}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Mean and M2, for each number that a trial gives and each α."""
        return (2, sum(map(_size, self.leading.values())), 1 if self.alpha is None else len(self.alpha))


def leading_axes(theory: Moments) -> Leading:
    """The axes of components and outputs of each quantity that a problem has."""
    own = np.ndim(theory.risk)
    return {
        q: np.shape(getattr(theory, q))[: np.ndim(getattr(theory, q)) - own]
        for q in QUANTITIES
        if getattr(theory, q) is not None
    }


def compute(chunk: Chunk, count: int = 0, state: np.ndarray | None = None) -> np.ndarray:
    """Mean and M2 (2, numbers, alphas) of a chunk; `state` holds its first `count` trials, where they are known.

    Welford's update, trial by trial: to continue a shorter chunk gives the bits of one that never stopped.
    """
    if chunk.numerics != NUMERICS_VERSION:
        raise ValueError(
            f"worker must run numerics version {chunk.numerics}, got {NUMERICS_VERSION} in process {os.getpid()} on "
            f"{socket.gethostname()}. "
            f"Install the same release of rmt_alpha on every machine of the sweep."
        )
    mean, M2 = np.zeros(chunk.shape) if state is None else state.copy()
    trials = range(chunk.start + count, chunk.start + chunk.count)
    with one_blas_thread():
        for part in _within_streams(trials):
            moments = piece(chunk.problem, np.zeros(()) if chunk.alpha is None else chunk.alpha, chunk.setting, part)
            for value in _rows(moments, chunk, len(part)):
                count += 1
                shift = value - mean
                mean = mean + shift / count
                M2 = M2 + shift * (value - mean)
    return np.stack([mean, M2])


def unpack(values: np.ndarray, leading: Leading) -> dict[str, np.ndarray]:
    """(…, numbers, alphas) by quantity: (…, *leading, alphas)."""
    found, first = {}, 0
    for quantity, axes in leading.items():
        part = values[..., first : first + _size(axes), :]
        found[quantity] = part.reshape(*values.shape[:-2], *axes, values.shape[-1])
        first += _size(axes)
    return found


def _rows(moments: Moments, chunk: Chunk, trials: int) -> np.ndarray:
    """(trials, numbers, alphas)."""
    alphas = chunk.shape[-1]
    whole = lambda q, axes: np.broadcast_to(getattr(moments, q), (*axes, *np.shape(moments.risk)[:-1], trials))  # noqa: E731
    parts = [whole(q, axes).reshape(_size(axes), alphas, trials) for q, axes in chunk.leading.items()]
    return np.moveaxis(np.concatenate(parts), -1, 0)


def _size(axes: tuple[int, ...]) -> int:
    return int(np.prod(axes, dtype=int))


def _within_streams(trials: range) -> Iterator[range]:
    """Cut where the chain's streams end."""
    start = trials.start
    while start < trials.stop:
        stop = min((start // chain.TRIALS + 1) * chain.TRIALS, trials.stop)
        yield range(start, stop)
        start = stop


def merge(parts: list[tuple[int, np.ndarray]]) -> tuple[int, np.ndarray]:
    """Chunks (count, state) joined in the given order (Chan, Golub & LeVeque)."""
    count, (mean, M2) = parts[0]
    for size, (center, spread) in parts[1:]:
        shift = center - mean
        total = count + size
        mean = mean + shift * (size / total)
        M2 = M2 + spread + shift * shift * (count * size / total)
        count = total
    return count, np.stack([mean, M2])
