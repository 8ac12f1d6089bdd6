"""Files that must last: written whole or not at all, known by their hash, in folders that one process at a time works in.

Written means: a temporary file beside the place, on disk (fsync), renamed, and the folder's entry on disk too. A process that is
killed leaves what was there before and at most a temporary file, which `tidy` removes an hour later.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ModuleNotFoundError:  # not on Windows: there folders are not locked
    fcntl = None  # type: ignore[assignment]

TEMPORARY = ".tmp-"
ABANDONED = 3600.0  # seconds after which a temporary file has lost its writer
DIGEST = hashlib.sha256().digest_size
LOCK = ".lock"

log = logging.getLogger("rmt_alpha")


class DamagedFileError(ValueError):
    """A file is truncated, altered, or not of this library; the message names it and says what to do."""


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Write or replace a file; the OSError of a full, read-only or missing disk names `path`."""
    _place(Path(path), lambda file: file.write(content))


def write_sealed(path: str | os.PathLike, write: Callable[[Any], Any]) -> None:
    """`write_whole` for what `write` writes into the file that it is given, sealed; it is never in memory as a whole."""

    def sealed(file: BinaryIO) -> None:
        hashing = _Hashing(file)
        try:
            write(hashing)
        except Exception:
            if hashing.error is None:
                raise
            raise hashing.error from None  # torch.save has another error for a full disk
        file.write(hashing.digest())

    _place(Path(path), sealed)


class _Hashing:
    """A file that passes on what is written, and knows its SHA-256."""

    def __init__(self, file: BinaryIO):
        self.flush, self._file, self._hash = file.flush, file, hashlib.sha256()
        self.digest = self._hash.digest
        self.error: OSError | None = None

    def write(self, part: Any) -> int:
        self._hash.update(part)
        try:
            return self._file.write(part)
        except OSError as error:
            self.error = error
            raise


def _place(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = temporary(path.parent, write)
        try:
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _to_disk(path.parent)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from error


def temporary(folder: Path, write: Callable[[BinaryIO], Any]) -> Path:
    """A file with what `write` puts in it, under a name of its own, on disk, with the rights that any new file would get."""
    path = folder / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(8)}"
    try:
        with open(path, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _to_disk(folder: Path) -> None:
    """The folder's entries: without this a power cut may undo a rename."""
    if os.name == "nt":  # cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # some network file systems cannot
        log.debug("%s cannot be synchronised: %s", folder, error)
    finally:
        os.close(handle)


def tidy(folder: str | os.PathLike) -> None:
    """Remove what killed processes left half-written."""
    for path in Path(folder).glob(f"{TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):  # its writer has finished, or another process tidied
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def seal(body: bytes) -> bytes:
    """The body and its SHA-256."""
    return body + hashlib.sha256(body).digest()


def unseal(content: bytes) -> bytes | None:
    """What was sealed; None where a bit of it differs."""
    body, digest = content[:-DIGEST], content[-DIGEST:]
    return body if len(content) >= DIGEST and hashlib.sha256(body).digest() == digest else None


def read_sealed(path: str | os.PathLike, remedy: str) -> bytes:
    """The body of a sealed file. DamagedFileError, with the remedy, where it is not what was written."""
    body = unseal(Path(path).read_bytes())
    if body is None:
        raise DamagedFileError(f"{path} is truncated, altered, or of another program. {remedy}")
    return body


def write_record(path: str | os.PathLike, record: dict[str, Any]) -> None:
    """A record as one line of JSON that carries the hash of the rest of the line."""
    body = json.dumps(record, allow_nan=False, ensure_ascii=False)
    if not record:
        raise ValueError("record must hold something, got an empty one.")
    write_whole(path, f'{body[:-1]}, "sha256": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n'.encode())


def read_record(path: str | os.PathLike, remedy: str) -> dict[str, Any]:
    """What `write_record` wrote. DamagedFileError, with the remedy, where a byte of it differs."""
    content = Path(path).read_bytes()
    body, mark, digest = content.rpartition(b', "sha256": "')
    body += b"}"
    if not mark or digest != f'{hashlib.sha256(body).hexdigest()}"}}\n'.encode():
        raise DamagedFileError(f"{path} is truncated, altered, or of another version. {remedy}")
    return json.loads(body)


@contextlib.contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """One process at a time in the folder; the next one says who is in there, and waits. The system frees it when a process dies."""
    folder = Path(folder)
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+b", buffering=0)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(folder)) from error
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().decode(errors="replace") or "another process"
                log.warning("%s is being worked in by %s: waiting until it is free (Ctrl-C gives up).", folder, holder)
                fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield


def folder_hash(folder: str | os.PathLike) -> str:
    """The hash of every file of a pretrained model that can be loaded: weights in any format, tokenizer, configuration, code.

    That is all but hidden files and Markdown, at the top and one folder down (pooling, chat templates).
    """
    folder = Path(folder)
    total = hashlib.sha256()
    for path in sorted(p for pattern in ("*", "*/*") for p in folder.glob(pattern)):
        relative = path.relative_to(folder)
        if path.is_file() and path.suffix != ".md" and not any(part.startswith(".") for part in relative.parts):
            total.update(f"{relative.as_posix()}\n{file_hash(path)}\n".encode())
    return total.hexdigest()


def file_hash(path: str | os.PathLike) -> str:
    """SHA-256 of a file, computed once as long as it is not replaced."""
    stat = os.stat(path)
    key = (str(Path(path).resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    if key not in _hashes:
        with open(path, "rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]


_hashes: dict[tuple[Any, ...], str] = {}
