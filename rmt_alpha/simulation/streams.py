"""Random streams: a function of (seed, cell, engine, index), never of order, batch size or workers."""

import hashlib
import struct

import numpy as np

from ..problem import NUMBERS, TransferProblem

# Raise it with every change that alters a bit of what any trial returns: stored results of another version are not
# mixed with new ones.
NUMERICS_VERSION = 1


def cell_key(problem: TransferProblem, *words: str) -> tuple[int, ...]:
    """Eight 32-bit words that identify a scalar problem and the way it is simulated."""
    digest = hashlib.sha256()
    for name in NUMBERS:
        value = getattr(problem, name)
        # + 0.0 turns −0.0 into 0.0: equal problems share a stream.
        digest.update(b"-" if value is None else struct.pack("<d", float(value) + 0.0))
    digest.update(b"-" if problem.geometry is None else problem.geometry.fingerprint)
    for source in problem.sources:
        digest.update(source.fingerprint())
    digest.update("/".join(words).encode())
    return struct.unpack("<8I", digest.digest())


def generator(seed: int, key: tuple[int, ...], *index: int) -> np.random.Generator:
    """An independent generator for each (seed, key, index)."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(*key, *index))))
