"""`data`: which real data sets there are, which are on this machine, and whether they are what they should be."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from .options import as_json, table


def data(
    action: tyro.conf.Positional[Literal["list", "fetch", "verify"]],
    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME ...]")] = (),
    /,
    json: bool = False,
) -> tuple[str, int]:
    """Real data sets: list them, fetch those with a public home, verify those on this machine by SHA-256.

    Looked for in $RMT_ALPHA_DATA, then in the cache that fetching fills. Exit status 1 where a file cannot be had, is wrong, or was
    named and is missing.

    Args:
        action: list, fetch or verify.
        names: Files or folders as `list` shows them. Default: all (fetch: all that have a public home).
        json: One line of JSON.
    """
    from ..data.catalogue import CATALOGUE  # here: it brings scipy.io

    chosen = [
        file for file in CATALOGUE.values() if not names or {file.relative, file.relative.split("/")[0]} & set(names)
    ]
    known = {*CATALOGUE, *(name.split("/")[0] for name in CATALOGUE)}
    if unknown := sorted(set(names) - known):
        raise ValueError(f"names must be files or folders that 'rmt-alpha data list' shows, got {unknown[0]!r}.")
    if action == "fetch" and not names:
        chosen = [file for file in chosen if file.url]
    step = {"list": _state, "fetch": _fetched, "verify": _verified}[action]
    rows = [(file, *step(file)) for file in chosen]
    bad = [state for _, state, _, _ in rows if state in ("wrong", "unavailable") or (state == "missing" and names)]
    status = int(bool(bad) and action != "list")
    if json:
        files = [
            {
                **dataclasses.asdict(file),
                "state": state,
                "path": None if path is None else str(path),
                "remark": remark or None,
            }
            for file, state, path, remark in rows
        ]
        return as_json(files=files), status
    shown = [[file.relative, state, remark or str(path or "")] for file, state, path, remark in rows]
    return table(["file", "state", "where"], shown, left=True), status


Step = tuple[str, Path | None, str]  # state, place, remark


def _state(file: Any) -> Step:
    from ..data.files import find

    path = find(file.relative)
    if path is not None:
        return "here", path, ""
    return "missing", None, f"to fetch from {file.url}" if file.url else f"needs a copy; packed from {file.packed_from}"


def _fetched(file: Any) -> Step:
    from ..data.files import DataUnavailableError, find, read_verified

    try:
        read_verified(file.relative, file.url, file.sha256, file.packed_from)
    except DataUnavailableError as error:
        return "unavailable", None, str(error)
    except ValueError as error:
        return "wrong", find(file.relative), str(error)
    return "right", find(file.relative), ""


def _verified(file: Any) -> Step:
    """Reads what is here, fetches nothing."""
    from ..data.files import find, verify

    path = find(file.relative)
    if path is None:
        return _state(file)
    try:
        verify(path, path.read_bytes(), file.sha256, file.url)
    except (ValueError, OSError) as error:
        return "wrong", path, str(error)
    return "right", path, ""
