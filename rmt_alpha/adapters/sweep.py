"""Many fine-tunings, resumable: one folder per run, one file per finished run."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from .. import _checks as check
from ..simulation import pool
from .finetune import finetune, run_of


def finetune_sweep(
    jobs: Sequence[dict[str, Any]], store: str | Path, workers: int | None = None, progress: bool = True
) -> list[dict[str, Any]]:
    """The records of all jobs, in their order; a job is the keyword arguments of `finetune`, with plain values.

    What `store` holds is not computed again, if it is the same run (base model and data by what their files hold); what was killed goes
    on from its last checkpoint. `workers`: processes, one core each; None: all cores that this process may use. Models are not kept,
    only records. A run whose loss is not finite has one, too: `diverged` says how it ended (None for all others), its accuracies are None.
    If some runs fail otherwise the others still finish; then RuntimeError says which failed. Ctrl-C ends all at once.
    """
    hands = pool.cores() if workers is None else check.workers(workers)
    store = Path(store).expanduser()
    folders = [store / _name(job) for job in jobs]
    records = [_record(job, folder) for job, folder in zip(jobs, folders, strict=True)]
    missing = [i for i, record in enumerate(records) if record is None]
    if not missing:
        return records  # type: ignore[return-value]
    errors: dict[str, Exception] = {}
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(missing), unit="run", file=sys.stderr, disable=not progress)
    try:
        with bar, pool.executor(min(hands, len(missing))) as processes:
            running = {processes.submit(_run, jobs[i], folders[i]): i for i in missing}
            for future in as_completed(running):
                i = running[future]
                try:
                    records[i] = future.result()
                except Exception as error:  # the others go on
                    errors[folders[i].name] = error
                bar.set_postfix_str(folders[i].name)
                bar.update()
    except KeyboardInterrupt:
        done = sum(record is not None for record in records)
        raise KeyboardInterrupt(
            f"interrupted: {done} of {len(jobs)} runs are in {store}, and the others' checkpoints; call it again to go on."
        ) from None
    if errors:
        name, first = next(iter(errors.items()))
        raise RuntimeError(
            f"{len(errors)} of {len(jobs)} runs failed; the others are in {store}. First: {name}: {type(first).__name__}: {first}"
        ) from first
    return records  # type: ignore[return-value]


def _name(job: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()[:10]
    words = (job.get("task", ""), job.get("method", ""), f"seed{job.get('seed', 0)}", digest)
    return "-".join(re.sub(r"[^\w]", "_", str(word)) for word in words)


def _record(job: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """Of a finished run; what is wrong with a job or a folder, its own run tells."""
    if not (folder / "result.json").is_file():
        return None
    try:
        return run_of(**job).finished(folder)
    except (ValueError, TypeError, LookupError):
        return None


def _run(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)  # the other cores have runs of their own
    start = time.process_time()
    try:
        record = finetune(**job, folder=folder, progress=False).record
    except ArithmeticError as error:
        record = run_of(**job).diverged(folder, str(error), time.process_time() - start)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return record
