"""The store: a directory with one small file a chunk, each written at once or not at all.

A chunk file is one line of JSON, the numbers as little-endian doubles, and the SHA-256 of both. Any number of
processes, on any number of machines, may use one store: names are content addresses, so whoever writes a name writes
the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import time
from pathlib import Path

import numpy as np

from .streams import NUMERICS_VERSION

FORMAT = "rmt_alpha sweep store, 1"
LABEL = "store.json"
TEMPORARY = ".tmp-"
ABANDONED = 3600.0  # seconds after which a temporary file has lost its writer
DIGEST = hashlib.sha256().digest_size

log = logging.getLogger("rmt_alpha")


class Store:
    """Opens or creates the store at `path`; OSError where it can't be written, ValueError where it is another's."""

    def __init__(self, path: str | os.PathLike):
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"store must be a path, got {path!r}. Name a new or an empty directory.")
        self.path = Path(path)
        self.chunks = self.path / "chunks"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._claim()
            self.chunks.mkdir(exist_ok=True)
            # A probe now, rather than an error after the first chunk is computed.
            self._temporary(b"").unlink()
            self._tidy()
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
        path = self.chunks / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        body, digest = content[:-DIGEST], content[-DIGEST:]
        head, _, numbers = body.partition(b"\n")
        if hashlib.sha256(body).digest() != digest or head != _head(name, shape):
            log.warning("chunk %s in %s is truncated or altered; it will be computed again.", name, self.path)
            return None
        return np.frombuffer(numbers, dtype="<f8").reshape(shape).astype(np.float64)

    def write(self, name: str, array: np.ndarray) -> None:
        """Write a chunk, whole or not at all."""
        body = _head(name, array.shape) + b"\n" + np.ascontiguousarray(array, dtype="<f8").tobytes()
        self.write_file(f"chunks/{name}", body + hashlib.sha256(body).digest())

    def write_file(self, name: str, content: bytes) -> Path:
        """Write any file of the store, whole or not at all."""
        target = self.path / name
        os.replace(self._temporary(content), target)
        return target

    def _temporary(self, content: bytes) -> Path:
        """A file under a name of its own, safely on disk."""
        path = self.path / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with open(path, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _claim(self) -> None:
        """Read the label, or write it into an empty directory."""
        label = self.path / LABEL
        if not label.exists():
            # Another process may be claiming it too, or have just done so.
            strangers = [n for n in os.listdir(self.path) if not n.startswith(TEMPORARY) and n not in (LABEL, "chunks")]
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

    def _tidy(self) -> None:
        """Remove what killed processes left half-written."""
        for path in self.path.glob(f"{TEMPORARY}*"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()
            except FileNotFoundError:  # its writer has finished, or another process tidied
                continue


def _head(name: str, shape: tuple[int, ...]) -> bytes:
    """The first line of a chunk file: which chunk, and how to read it."""
    count = int(name.rpartition("-")[2])
    head = {"chunk": name, "count": count, "arrays": ["mean", "M2"], "shape": shape, "dtype": "<f8"}
    return json.dumps(head).encode()
