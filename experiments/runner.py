"""Run experiments and print what each claims: `python -m experiments [NAME …]`."""

from __future__ import annotations

import argparse
import ast
import importlib
import multiprocessing
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from rmt_alpha import plotting
from rmt_alpha.data import DataUnavailableError

from . import NAMES, ON_REQUEST
from .lab import Lab

WORKERS = 4  # experiments at once, at most: each has its own memory
HEADER = ("artefact", "files", "seconds", "comparisons", "largest abs z", "remark")
LEGEND = "z: simulation minus theory in standard errors, the largest of all comparisons in that row."


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 all done, 1 an experiment failed, 2 bad arguments, 3 only skips for want of data."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which to run (default: all but those marked in --list)"
    )
    parser.add_argument("--list", action="store_true", help="list the experiments and stop")
    parser.add_argument(
        "--trials", type=int, help="trials per simulated point, instead of each experiment's own number"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random stream (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where to write (default: %(default)s)")
    options = parser.parse_args(argv)
    known = (*NAMES, *ON_REQUEST)
    if options.list:
        for name in known:
            by_name = f" [by name only: {ON_REQUEST[name]}]" if name in ON_REQUEST else ""
            print(f"{name:28s} {summary(name)}{by_name}")
        return 0
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"NAME must be one of {', '.join(known)}, got {', '.join(unknown)}.")
    if options.trials is not None and options.trials < 2:
        parser.error(f"--trials must be at least 2, got {options.trials}: a standard error needs two.")
    if options.seed < 0:
        parser.error(f"--seed must not be negative, got {options.seed}.")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out must be a folder that can be written, got {options.out} ({error}).")

    chosen = options.names or list(NAMES)
    jobs = [(name, options.out, options.trials, options.seed) for name in chosen]
    workers = min(len(jobs), os.cpu_count() or 1, WORKERS)
    done: dict[str, tuple[tuple[Any, ...], str]] = {}
    bar = tqdm(total=len(jobs), file=sys.stderr, bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]")
    # spawn: a fork would copy locks that JAX's and BLAS's threads hold.
    with bar, ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(run, *job): job[0] for job in jobs}
        for future in as_completed(running):
            name = running[future]
            done[name] = future.result()
            bar.set_description(name)
            bar.update()
    table = markdown([done[name][0] for name in chosen])
    print(table, end="")
    if not options.names:  # a run of some leaves the table of all alone
        trials = "" if options.trials is None else f" --trials {options.trials}"
        text = f"# Figures\n\nWritten by `python -m experiments{trials} --seed {options.seed}`. {LEGEND}\n\n{table}"
        linked = [f"[{name}]({name}.md)" if (options.out / f"{name}.md").exists() else name for name in ON_REQUEST]
        text += f"\nBy name only: {', '.join(linked)}.\n"
        (options.out / "README.md").write_text(text, encoding="utf-8")
    states = [state for _, state in done.values()]
    return 1 if "failed" in states else 3 if "skipped" in states else 0


def run(name: str, out: Path, trials: int | None, seed: int) -> tuple[tuple[Any, ...], str]:
    """One experiment, in a process of its own: its row of the claims table, and whether it was done, skipped or failed."""
    matplotlib.use("Agg")
    lab = Lab(name, out, trials, seed)
    start, state = time.perf_counter(), "done"
    try:
        # One BLAS thread: the other cores have experiments of their own.
        with plotting.style(), threadpool_limits(1):
            importlib.import_module(f"experiments.{name}").run(lab)
        if name in ON_REQUEST:  # the table of all leaves it out; what it says is kept beside its data
            said = "".join(f"- {remark}\n" for remark in lab.remarks)
            flags = f"{'' if trials is None else f' --trials {trials}'} --seed {seed}"
            text = f"# {name}\n\nWritten by `python -m experiments {name}{flags}`.\n\n{said}"
            (out / f"{name}.md").write_text(text, encoding="utf-8")
    except DataUnavailableError as error:
        state, lab.remarks = "skipped", [f"SKIPPED: {error}"]
    except Exception as error:  # the others still run; the failure is told in the table and by the exit status
        state, lab.remarks = "failed", [f"FAILED: {type(error).__name__}: {error}"]
        traceback.print_exc()
    return claim(lab, time.perf_counter() - start), state


def summary(name: str) -> str:
    """The first line of an experiment's docstring, unimported: some need an extra."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def claim(lab: Lab, seconds: float) -> tuple[Any, ...]:
    """One row of the claims table."""
    z = np.concatenate(lab.z) if lab.z else np.empty(0)
    largest = f"{np.abs(z).max():.2f}" if z.size else "–"
    files = ", ".join(f"[{Path(f).suffix[1:]}]({f})" for f in lab.files)
    return (
        lab.name,
        files,
        f"{seconds:.1f}",
        z.size,
        largest,
        " ".join(lab.remarks).replace("|", "\\|").replace("\n", " "),
    )


def markdown(rows: list[tuple[Any, ...]]) -> str:
    """A Markdown table."""
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
