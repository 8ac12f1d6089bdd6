"""Tensors and plain values in a sealed file."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from ..files import DamagedFileError, read_sealed, write_sealed


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    write_sealed(path, lambda file: torch.save(content, file))


def read_tensors(path: Path, remedy: str = "Restore it, or begin the run anew.") -> dict[str, Any]:
    """Tensors and plain values only: nothing in the file is executed."""
    body = read_sealed(path, remedy)
    try:
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0][:160]
        raise DamagedFileError(f"{path} cannot be read ({reason}). {remedy}") from error
