"""What a problem *is*: a digest of its meaning, not of its bits.

Equal problems have equal digests, on any processor and with any number of threads: numbers count to 12 significant
digits, and an array by its shape and a few fixed projections (of the many entries of a matrix some would always fall
on the edge of a rounding; a projection hardly ever does). Problems compare, hash, name their random streams and
address their stores by it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from typing import Any

import numpy as np

DIGITS = 12
ARRAY_DIGITS = 9  # of a projection, whose rounding errors grow with the array
PROJECTIONS = 4
SMALL = 64  # arrays of so few entries count entry by entry


def digest(*parts: Any) -> bytes:
    """SHA-256 of numbers, words, arrays, None, and tuples, dataclasses and objects with a `digest` made of them."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(_bytes(part))
    return sha.digest()


def rounded(x: float, digits: int = DIGITS) -> str:
    """The number in a form that nearly equal ones share; −0 is 0."""
    return f"{x + 0.0:.{digits - 1}e}"


def _bytes(part: Any) -> bytes:
    if part is None or isinstance(part, str | bool):
        return f"{part!r};".encode()
    if isinstance(part, bytes):
        return part
    if hasattr(part, "digest"):
        return b"(" + part.digest + b")"
    if isinstance(part, tuple):
        return b"(" + b"".join(map(_bytes, part)) + b")"
    array = np.asarray(part, dtype=np.float64)
    if array.ndim == 0:
        return rounded(float(array)).encode()
    if array.size <= SMALL:
        return (repr(array.shape) + ",".join(rounded(x) for x in array.ravel().tolist())).encode()
    return (repr(array.shape) + ",".join(rounded(x, ARRAY_DIGITS) for x in _projections(array))).encode()


def _projections(array: np.ndarray) -> list[float]:
    """The norm, and projections on fixed directions, in units of the norm."""
    flat = array.ravel()
    norm = float(np.sqrt(math.fsum((flat * flat).tolist()))) if flat.size < 2**16 else float(np.linalg.norm(flat))
    if norm == 0:
        return [0.0]
    rng = np.random.default_rng(20250)
    # + 1: a projection near zero would lose its digits to rounding.
    return [norm, *(1 + float(flat @ rng.standard_normal(flat.size)) / norm / 8 for _ in range(PROJECTIONS))]


class Meaning:
    """Equality and hash by digest, for dataclasses whose fields are numbers, words, arrays and each other."""

    @property
    def meaning(self) -> tuple[Any, ...]:
        """Everything that counts."""
        return tuple(getattr(self, f.name) for f in dataclasses.fields(self))  # type: ignore[arg-type]

    @property
    def digest(self) -> bytes:
        known = self.__dict__.get("_digest")
        if known is None:
            known = digest(type(self).__name__, *self.meaning)
            object.__setattr__(self, "_digest", known)
        return known

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.digest == other.digest

    def __hash__(self) -> int:
        return int.from_bytes(self.digest[:8], "little")
