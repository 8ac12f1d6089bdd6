"""The finished runs of the comparison as small files that are kept with the project: one for each run, known by what was asked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha.files import read_record, write_record

from .glue_design import Cell, Job, digest

FOLDER = Path(__file__).parent.parent / "figures" / "glue_comparison"
KEPT = ("task", "method", "seed", "n_train", "steps", "max_length", "lr", "row_scale_lr", "precision", "base", "data",
        "processor", "versions", "validation_accuracy", "chosen_step", "train_seconds", "cpu_seconds",
        "trainable_parameters", "diverged")  # fmt: skip
TESTED = ("dev_accuracy", "majority_accuracy", "dev_rows")
EMPTY = pd.DataFrame(columns=["cell", "job", *KEPT, *TESTED, "right", "row_scales"]).set_index("job")


def keep(folder: Path, cell: Cell, asked: Job, record: dict[str, Any], labels: np.ndarray) -> Path:
    """Write what counts of a run's record: which development rows it got right, and how α is spread in each layer.

    A run that diverged counts as one that gives every row the most frequent label.
    """
    kept = {"cell": cell.name, "job": digest(asked), **{name: record.get(name) for name in KEPT}}
    if "n_dev" not in asked:
        majority = np.bincount(labels).argmax()
        right = (majority if record["diverged"] else np.array(record["dev_predictions"])) == labels
        scales = {name: [float(np.mean(a)), float(np.std(a))] for name, a in record.get("row_scales", {}).items()}
        kept |= {"dev_accuracy": float(right.mean()), "majority_accuracy": float(np.mean(labels == majority))}
        kept |= {"dev_rows": len(labels), "right": np.packbits(right).tobytes().hex(), "row_scales": scales}
    machine = hashlib.sha256(record["processor"].encode()).hexdigest()[:6]
    file = folder / cell.name / f"{asked['method']}-seed{asked['seed']}-{kept['job']}-{machine}.json"
    write_record(file, kept)
    return file


def read(folder: Path = FOLDER) -> pd.DataFrame:
    """All kept records, a row each, by digest. ValueError where they were made from different base models."""
    rows = [read_record(file, "Delete it, and the sweep runs it again.") for file in sorted(folder.glob("*/*.json"))]
    if not rows:
        return EMPTY
    held = pd.DataFrame(rows, columns=["job", *EMPTY.columns]).set_index("job")
    if held.base.nunique() > 1:
        raise ValueError(f"The records in {folder} are of {held.base.nunique()} base models. Keep those of one.")
    return held


def right(record: Any) -> np.ndarray:
    """(rows,): which development rows the run got right."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(record.right), dtype=np.uint8))
    return bits[: int(record.dev_rows)].astype(bool)
