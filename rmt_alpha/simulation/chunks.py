"""The unit of a sweep: some trials of one cell, reduced to count, mean and M2.

Everything here is a pure function of the chunk, so that it may be computed anywhere, by anyone, in any order, and
comes out the same to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..problem import TransferProblem
from . import chain
from .pool import one_blas_thread
from .simulate import ENGINES, QUANTITIES, piece
from .streams import NUMERICS_VERSION, cell_key


@dataclass(frozen=True, eq=False)
class Chunk:
    """Trials `start` … `start + count − 1` of a scalar problem, at every α of the vector `alpha`."""

    problem: TransferProblem
    alpha: np.ndarray
    seed: int
    method: str
    noise: str
    labels: str
    start: int
    count: int
    numerics: int = NUMERICS_VERSION

    @cached_property
    def family(self) -> str:
        """What the chunk is, whatever its count: a longer chunk of the same family continues a shorter one."""
        words = (self.method, self.noise, self.labels, f"seed {self.seed}", f"start {self.start}", f"v{self.numerics}")
        digest = hashlib.sha256(np.array(cell_key(self.problem, *words), dtype="<u4").tobytes())
        digest.update((self.alpha + 0.0).astype("<f8").tobytes())
        return digest.hexdigest()[:40]

    @property
    def name(self) -> str:
        """The content address: equal names, equal bits."""
        return f"{self.family}-{self.count}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Mean and M2, for each quantity and α."""
        return (2, len(QUANTITIES), len(self.alpha))


def split(n_trials: int, method: str) -> Iterator[tuple[int, int]]:
    """Start and count of each chunk of trials 0 … n_trials−1; merging depends on the size."""
    size = ENGINES[method].at_once
    for start in range(0, n_trials, size):
        yield start, min(size, n_trials - start)


def compute(chunk: Chunk, count: int = 0, state: np.ndarray | None = None) -> np.ndarray:
    """Mean and M2 (2, quantities, alphas) of a chunk; `state` holds its first `count` trials, where they are known.

    Welford's update, trial by trial: to continue a shorter chunk gives the bits of one that never stopped.
    """
    if chunk.numerics != NUMERICS_VERSION:
        raise ValueError(
            f"worker must run numerics version {chunk.numerics}, got {NUMERICS_VERSION}. "
            f"Install the same release of rmt_alpha on every machine of the sweep."
        )
    mean, M2 = np.zeros(chunk.shape) if state is None else state.copy()
    trials = range(chunk.start + count, chunk.start + chunk.count)
    with one_blas_thread():
        for part in _within_streams(trials):
            form = piece(chunk.problem, part, chunk.seed, chunk.method, chunk.noise, chunk.labels)
            moments = form.moments(chunk.alpha[:, None])
            for value in np.stack([getattr(moments, q).T for q in QUANTITIES], 1):
                count += 1
                shift = value - mean
                mean = mean + shift / count
                M2 = M2 + shift * (value - mean)
    return np.stack([mean, M2])


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
