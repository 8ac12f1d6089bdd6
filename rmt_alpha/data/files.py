"""Find or fetch a data file, and hand out its bytes only if their hash is right."""

import hashlib
import os
from pathlib import Path

VARIABLE = "RMT_ALPHA_DATA"


class DataUnavailableError(LookupError):
    """A data set is neither on this machine nor to be had from its public home; the message says what to do."""


def read_verified(relative: str, url: str | None, sha256: str, packed_from: str = "") -> bytes:
    """The bytes of a data file.

    Looks in $RMT_ALPHA_DATA/`relative`, then fetches `url` into pooch's cache; url None: a file that is nowhere public, because this
    project packed it (from `packed_from`). Raises DataUnavailableError where neither is to be had, ValueError where the hash
    is wrong: such a file is never read.
    """
    root = _root()
    if root and (Path(root) / relative).is_file():
        path = Path(root) / relative
    elif url is None:
        raise DataUnavailableError(
            f"{relative} cannot be had: {_looked(root)}, and it cannot be fetched, being this project's own packing of "
            f"{packed_from}. Get the project's data folder and set {VARIABLE} to it."
        )
    else:
        path = _fetch(relative, url, sha256, root)
    content = path.read_bytes()
    verify(path, content, sha256, url)
    return content


def verify(path: Path, content: bytes, sha256: str, url: str | None) -> None:
    """ValueError where the content of a file has another hash."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} has SHA-256 {found}, expected {sha256}: it is truncated or altered. Delete it and "
            f"{f'fetch it again from {url}' if url else 'copy it again from the data folder it came from'}."
        )


def find(relative: str) -> Path | None:
    """Where a data file lies on this machine: in $RMT_ALPHA_DATA, else in the cache."""
    root = _root()
    places = [*([Path(root) / relative] if root else []), _cached(relative)]
    return next((path for path in places if path.is_file()), None)


def _root() -> str:
    """$RMT_ALPHA_DATA; set to nothing, it counts as not set."""
    return os.path.expanduser(os.environ.get(VARIABLE, ""))


def _cached(relative: str) -> Path:
    import pooch  # imported here: nobody with local data needs it

    return Path(pooch.os_cache("rmt_alpha")) / relative.replace("/", "-")


def _fetch(relative: str, url: str, sha256: str, root: str) -> Path:
    import pooch  # imported here: it brings `requests`, which nobody with local data needs

    try:
        return Path(
            pooch.retrieve(
                url,
                known_hash=f"sha256:{sha256}",
                fname=_cached(relative).name,
                path=_cached(relative).parent,
                downloader=pooch.HTTPDownloader(timeout=20),
            )
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; ValueError: the hash of what was fetched
        raise DataUnavailableError(
            f"{relative} cannot be had: {_looked(root)}, and fetching it from its public home failed ({type(error).__name__}). "
            f"Connect to a network, or set {VARIABLE} to a folder that holds {Path(relative).parent}/ (rmt-alpha data list)."
        ) from error


def _looked(root: str) -> str:
    return f"not in ${VARIABLE}={root}" if root else f"${VARIABLE} is not set"
