"""Computes what glue_comparison lacks, from wherever it stands: `python -m experiments.glue_sweep [--hours H] [--workers N] [--status]`."""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Iterable
from pathlib import Path

from rmt_alpha.adapters import finetune_sweep, load_task
from rmt_alpha.adapters.measure import processor

from .finetuning import PRECISION, store
from .glue_comparison import report, work
from .glue_design import METHODS, Cell, Job, pending
from .glue_records import FOLDER, keep, read


def sweep(folder: Path, hours: float, workers: int) -> int:
    """Run what is pending, a block or two runs a worker at a time, until all is done or the time is over; how many runs were kept.

    Killed, what was finished lies in the store of runs or in `folder`, and the next call goes on from there.
    """
    kept, end, here = 0, time.monotonic() + 3600 * hours, processor()
    while time.monotonic() < end and (step := _next(folder, here, max(len(METHODS), 2 * workers))):
        asked = [one | {"precision": PRECISION} for _, one in step]
        labels = {task: load_task(task).dev.labels for task in {cell.task for cell, _ in step}}
        for (cell, one), record in zip(step, finetune_sweep(asked, store(), workers), strict=True):
            file = keep(folder, cell, one, record, labels[cell.task])
            print(f"{file.relative_to(folder)}: {record['cpu_seconds']:.0f} s", flush=True)
            kept += 1
    return kept


def _next(folder: Path, here: str, most: int) -> list[tuple[Cell, Job]]:
    """The first cell's runs and, where they are few, the next cells': the longest together, so that no core waits."""
    found = (
        pair for cell, jobs in pending(read(folder), here) for pair in _longest_first([(cell, one) for one in jobs])
    )
    return _longest_first(itertools.islice(found, most))


def _longest_first(pairs: Iterable[tuple[Cell, Job]]) -> list[tuple[Cell, Job]]:
    return sorted(pairs, key=lambda pair: -work(pair[0].name, pair[1]["method"], "n_dev" not in pair[1]))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.glue_sweep", description=__doc__)
    parser.add_argument("--status", action="store_true", help="say what is decided, what is not, and what is missing")
    parser.add_argument("--hours", type=float, default=float("inf"), help="begin nothing new after so many hours")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="runs at once, a core each")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where finished runs are kept (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    if not options.status:
        print(f"{sweep(options.folder, options.hours, options.workers)} runs kept in {options.folder}.")
    print(report(read(options.folder)))


if __name__ == "__main__":
    main()
