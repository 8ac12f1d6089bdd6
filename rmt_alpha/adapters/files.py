"""Files of a run: written whole or not at all."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def write_whole(path: Path, write: Callable[[Any], Any]) -> None:
    """`write` gets a binary file; a kill or a full disk leaves what was there before, and the OSError of a full one names `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as part:
        try:
            write(part)
            part.close()
            os.replace(part.name, path)
        except BaseException as error:
            os.unlink(part.name)
            if isinstance(error, OSError):
                error.filename = str(path)
            raise


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Tensors and plain values only: nothing in the file is executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError) as error:
        reason = str(error).splitlines()[0][:160]
        raise ValueError(
            f"{path} is no checkpoint that can be read ({reason}). Delete it to begin the run anew."
        ) from error
