"""Run experiments and print what each claims: `python -m experiments [NAME …]`."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from rmt_alpha import plotting
from rmt_alpha.data import DataUnavailableError

from . import NAMES, WITH_LM
from .lab import Lab

HEADER = ("artefact", "files", "seconds", "comparisons", "largest abs z", "remark")
LEGEND = "z: simulation minus theory in standard errors, the largest of all comparisons in that row."


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 all done, 1 an experiment failed, 2 bad arguments, 3 only skips for want of data."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run (default: all that need no extra)")
    parser.add_argument("--list", action="store_true", help="list the experiments and stop")
    parser.add_argument(
        "--trials", type=int, help="trials per simulated point, instead of each experiment's own number"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random stream (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where to write (default: %(default)s)")
    options = parser.parse_args(argv)
    if options.list:
        for name in NAMES + WITH_LM:
            by_name = " [by name only: needs rmt_alpha[lm]]" if name in WITH_LM else ""
            print(f"{name:28s} {summary(name)}{by_name}")
        return 0
    unknown = sorted(set(options.names) - {*NAMES, *WITH_LM})
    if unknown:
        parser.error(f"NAME must be one of {', '.join(NAMES + WITH_LM)}, got {', '.join(unknown)}.")
    if options.trials is not None and options.trials < 2:
        parser.error(f"--trials must be at least 2, got {options.trials}: a standard error needs two.")
    if options.seed < 0:
        parser.error(f"--seed must not be negative, got {options.seed}.")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out must be a folder that can be written, got {options.out} ({error}).")

    matplotlib.use("Agg")
    rows, failed, skipped = [], [], []
    chosen = options.names or list(NAMES)
    bar = tqdm(chosen, file=sys.stderr, bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]")
    for name in bar:
        bar.set_description(name)
        lab = Lab(name, options.out, options.trials, options.seed)
        start = time.perf_counter()
        try:
            # One BLAS thread: most matrices here are small, and waiting threads cost more than they bring.
            with plotting.style(), threadpool_limits(1):
                importlib.import_module(f"experiments.{name}").run(lab)
        except DataUnavailableError as error:
            skipped.append(name)
            lab.remarks = [f"SKIPPED: {error}"]
        except Exception as error:  # the others still run; the failure is told in the table and by the exit status
            failed.append(name)
            lab.remarks = [f"FAILED: {type(error).__name__}: {error}"]
            traceback.print_exc()
        rows.append(claim(lab, time.perf_counter() - start))
    table = markdown(rows)
    print(table, end="")
    if not options.names:  # a run of some leaves the table of all alone
        trials = "" if options.trials is None else f" --trials {options.trials}"
        text = f"# Figures\n\nWritten by `python -m experiments{trials} --seed {options.seed}`. {LEGEND}\n\n{table}"
        text += f"\nBy name only, with the extra `lm`: {', '.join(WITH_LM)}.\n"
        (options.out / "README.md").write_text(text, encoding="utf-8")
    if skipped:
        print(f"skipped: {', '.join(skipped)}", file=sys.stderr)
    return 1 if failed else 3 if skipped else 0


def summary(name: str) -> str:
    """The first line of an experiment's docstring."""
    return (importlib.import_module(f"experiments.{name}").__doc__ or "").splitlines()[0]


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


if __name__ == "__main__":
    sys.exit(main())
