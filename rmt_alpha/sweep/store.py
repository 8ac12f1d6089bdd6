"""The store: a directory with one small file per chunk, each written at once or not at all.

A chunk file is one line of JSON, the numbers as little-endian doubles, and the SHA-256 of both. Any number of
processes, on any number of machines, may use one store: names are content addresses, so whoever writes a name writes
the same numbers. Beside the chunks lie the grids, made once: what later comes out the same but for rounding uses their numbers.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np

from .. import files
from ..simulation.streams import NUMERICS_VERSION
from .grid import NEAR, SAME, Grid

FORMAT = "rmt_alpha sweep store, 2"
LABEL = "store.json"

log = logging.getLogger("rmt_alpha")


class Store:
    """Opens or creates the store at `path`; OSError where it can't be written, ValueError where it is another's."""

    def __init__(self, path: str | os.PathLike):
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise TypeError(f"store must be a path, got {path!r}. Name a new or an empty directory.")
        self.path = Path(path).expanduser()
        self.chunks = self.path / "chunks"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._claim()
            self.chunks.mkdir(exist_ok=True)
            # A probe now, rather than an error after the first chunk is computed.
            files.temporary(self.chunks, lambda file: None).unlink()
            for folder in (self.path, self.chunks):
                files.tidy(folder)
        except OSError as error:
            raise OSError(
                f"store must be a directory that can be written, got {str(self.path)!r}: {error.strerror or error}. "
                f"Choose another path, or correct its permissions or its disk."
            ) from error

    def counts(self) -> dict[str, list[int]]:
        """The stored counts of each family of chunks, ascending."""
        found: dict[str, list[int]] = {}
        for name in os.listdir(self.chunks):
            family, _, count = name.partition("-")
            if count.isdigit():
                found.setdefault(family, []).append(int(count))
        return {family: sorted(counts) for family, counts in found.items()}

    def has(self, name: str) -> bool:
        """Is there such a file? Its content is not looked at."""
        return (self.chunks / name).exists()

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """The chunk's array; None where there is none, or only a damaged one, which is reported."""
        try:
            body = files.unseal((self.chunks / name).read_bytes())
        except FileNotFoundError:
            return None
        head, _, numbers = (body or b"").partition(b"\n")
        if head != _head(name, shape):
            log.warning("chunk %s in %s is truncated or altered; it will be computed again.", name, self.path)
            return None
        return np.frombuffer(numbers, dtype="<f8").reshape(shape).astype(np.float64)

    def write(self, name: str, array: np.ndarray) -> None:
        """Write a chunk, whole or not at all."""
        body = _head(name, array.shape) + b"\n" + np.ascontiguousarray(array, dtype="<f8").tobytes()
        files.write_whole(self.chunks / name, files.seal(body))

    def write_file(self, name: str, content: bytes) -> Path:
        """Write any file of the store, whole or not at all."""
        files.write_whole(self.path / name, content)
        return self.path / name

    def settled(self, grid: Grid) -> Grid:
        """The grid with the numbers that are stored for it; stored now, if it is new. One that is nearly the same is reported."""
        nearest, distance = None, np.inf
        for path in sorted(self.path.glob(f"grid-{grid.kind}-*")):
            content = files.unseal(path.read_bytes())
            if content is None:
                log.warning("%s is truncated or altered; it is written again.", path)
                path.unlink(missing_ok=True)
                continue
            if (far := grid.distance(content)) < distance:
                nearest, distance = (path, content), far
        if nearest is not None and distance <= SAME:
            return grid.with_json(nearest[1])
        if nearest is not None and distance <= NEAR:
            log.warning(
                "the grid of this sweep differs from %s by %.1g of its numbers, and is computed apart. If it was meant to be "
                "the same, give it the same numbers.", nearest[0], distance,
            )  # fmt: skip
        try:
            self.write_file(f"grid-{grid.kind}-{grid.address}", files.seal(grid.to_json()))
        except OSError as error:
            raise OSError(
                f"store could not take the grid of this sweep ({error.strerror or error}): {str(self.path)!r}. "
                f"Make room and run the same sweep again."
            ) from error
        return grid

    def _claim(self) -> None:
        """Read the label, or write it into an empty directory."""
        label = self.path / LABEL
        if not label.exists():
            # Another process may be claiming it too, or have just done so.
            ours = (LABEL, "chunks")
            strangers = [n for n in os.listdir(self.path) if not n.startswith(files.TEMPORARY) and n not in ours]
            if strangers:
                raise ValueError(
                    f"store must be a new or an empty directory, or an earlier store, got {str(self.path)!r} "
                    f"with {min(strangers)!r} in it and no {LABEL}. Choose another path."
                )
            self.write_file(LABEL, json.dumps({"format": FORMAT, "numerics_version": NUMERICS_VERSION}).encode())
        try:
            content = json.loads(label.read_bytes())
            form, version = content["format"], content["numerics_version"]
        except (ValueError, KeyError, TypeError):
            form, version = None, None
        if form != FORMAT:
            raise ValueError(
                f"store must carry the label {FORMAT!r}, got an unreadable or another {LABEL} in {str(self.path)!r}. "
                f"Choose another path, or restore that file."
            )
        if version != NUMERICS_VERSION:
            raise ValueError(
                f"store must be of numerics version {NUMERICS_VERSION}, got version {version} in {str(self.path)!r}: "
                f"its numbers come from other code. Choose another path, or install the release that wrote it."
            )


def _head(name: str, shape: tuple[int, ...]) -> bytes:
    """The first line of a chunk file: which chunk, and how to read it."""
    count = int(name.rpartition("-")[2])
    head = {"chunk": name, "count": count, "arrays": ["mean", "M2"], "shape": shape, "dtype": "<f8"}
    return json.dumps(head).encode()
