"""What an experiment is given: where to write, how many trials, and a ledger of comparisons."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, ZScores, compare, plotting, predict, simulate
from rmt_alpha.files import write_whole


class Lab:
    """One experiment's place: data files, pictures, and the z-scores of theory against simulation."""

    def __init__(self, name: str, out: Path, trials: int | None, seed: int):
        self.name, self.out, self.seed = name, out, seed
        self._trials = trials
        self.fewest = math.inf  # trials behind any standard error in the ledger
        self.files: list[str] = []
        self.z: list[np.ndarray] = []
        self.remarks: list[str] = []

    def trials(self, default: int) -> int:
        """How many trials to run: `--trials`, or the experiment's own number."""
        trials = self._trials or default
        self.fewest = min(self.fewest, trials)
        return trials

    def check(self, z: Any) -> None:
        """Enter z-scores into the ledger."""
        self.z.append(z.all if isinstance(z, ZScores) else np.ravel(z))

    def check_at(self, factor: int, problem: TransferProblem, alpha: Any, trials: int) -> None:
        """Compare theory with simulation at `factor` times the size, where the limit has to hold: the ratios stay."""
        large = scaled(problem, factor)
        self.check(compare(predict(large, alpha), simulate(large, alpha, n_trials=trials, seed=self.seed)))

    def table(self, frame: pd.DataFrame, part: str = "") -> pd.DataFrame:
        """Write the data behind a picture as CSV and read it back: pictures are drawn from the file."""
        path = self._path(part, "csv")
        write_whole(path, frame.to_csv(index=False, float_format="%.8g").encode())
        return pd.read_csv(path)

    def picture(self, figure: Any, part: str = "") -> None:
        """Write a figure as PDF and PNG."""
        for kind in ("pdf", "png"):
            write_whole(self._path(part, kind), plotting.to_bytes(figure, kind))

    def remark(self, text: str) -> None:
        """A sentence for the claims table."""
        self.remarks.append(text)

    def _path(self, part: str, kind: str) -> Path:
        path = self.out / f"{self.name}{'_' + part if part else ''}.{kind}"
        self.files.append(path.name)
        return path


def parameters(problem: TransferProblem) -> dict[str, Any]:
    """The problem's numbers as columns of a table; arrays must have the table's length."""
    return {
        field.name: getattr(problem, field.name) for field in dataclasses.fields(problem) if "loss" not in field.name
    }


def scaled(problem: TransferProblem, factor: int) -> TransferProblem:
    """The same ratios at `factor` times the size."""
    sizes = {k: getattr(problem, k) * factor for k in ("n_source", "n_target", "dim")}
    return dataclasses.replace(problem, **sizes)
