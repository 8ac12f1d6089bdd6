"""Random streams: a function of (seed, problem, engine, index), never of order, batch size or workers."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ..problem.identity import digest

# Raise it with every change that alters a bit of what any trial returns: stored results of another version are not
# mixed with new ones.
NUMERICS_VERSION = 3


def stream_key(problem: Any, *words: Any) -> tuple[int, ...]:
    """Eight 32-bit words that identify a problem and the way it is simulated; equal problems have equal ones."""
    return struct.unpack("<8I", digest(problem, *words))


def generator(seed: int, key: tuple[int, ...], *index: int) -> np.random.Generator:
    """An independent generator for each (seed, key, index)."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(*key, *index))))
