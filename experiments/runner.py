"""Run experiments and say whether theory and simulation agree: `python -m experiments [NAME …]`."""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import shutil
import sys
import textwrap
import time
import traceback
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pooch
from scipy import stats
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from rmt_alpha import plotting
from rmt_alpha.data import DataUnavailableError
from rmt_alpha.files import write_whole
from rmt_alpha.simulation import pool

from . import NAMES, ON_REQUEST
from .lab import Lab

WORKERS = 4  # experiments at once, at most: each has its own memory
# A run fails by chance once in 10 000 times at most. A wrong formula is no near miss: the published second moment has |z| in the
# hundreds. Bonferroni's bound holds whatever the dependence, and one draw serves many comparisons here.
LEVEL = 1e-4
LEGEND = (
    "z: simulation minus theory in standard errors, the largest of all comparisons in that row. They agree below the bound, which "
    f"chance alone crosses anywhere in the table with probability {LEVEL:g} at most (Bonferroni over all comparisons of the run, "
    "Student's law for the number of trials)."
)

UNITS = (
    "In the data files accuracies and their differences are fractions (pictures show points or per cent), `…_se` is a standard "
    "error, `…_sd` a standard deviation. Parameters have their columns; one that never varies may stand in the picture's title only."
)


class Outcome(NamedTuple):
    """What came of one experiment."""

    name: str
    state: str  # "done", "skipped" or "failed"
    files: list[str]
    remark: str
    comparisons: int
    largest: float  # |z|, NaN where nothing was compared or where a z is
    freedom: float  # trials behind the worst-founded standard error, less one
    seconds: float

    def bound(self, comparisons: int) -> float:
        """What |z| must stay below, as one of so many comparisons in the run."""
        return float(stats.t.isf(LEVEL / (2 * comparisons), self.freedom))


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 all is well (data that cannot be had are skipped), 1 an experiment failed, theory and simulation disagree or
    an experiment asked for by name lacks its data, 2 bad arguments, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which to run (default: all but those marked in --list)"
    )
    parser.add_argument("--list", action="store_true", help="list the experiments and stop")
    parser.add_argument(
        "--trials", type=int, help="trials per simulated point, instead of each experiment's own number"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random stream (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, help=f"experiments at once (default: a core each, but at most {WORKERS})"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        help="where to write (default: %(default)s, which git ignores; 'figures' refreshes the committed ones)",
    )
    options = parser.parse_args(argv)
    options.out = options.out.expanduser()
    known = (*NAMES, *ON_REQUEST)
    if options.list:
        for name in known:
            by_name = f" [by name only: {ON_REQUEST[name]}]" if name in ON_REQUEST else ""
            print(f"{name:28s} {summary(name)}{by_name}")
        return 0
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, 1, 0.5)
        hint = f"Did you mean {close[0]}? " if close else ""
        parser.error(f"NAME must be an experiment, got {', '.join(unknown)}. {hint}--list names them all.")
    if options.trials is not None and options.trials < 2:
        parser.error(f"--trials must be at least 2, got {options.trials}: a standard error needs two.")
    if options.seed < 0:
        parser.error(f"--seed must not be negative, got {options.seed}.")
    if options.workers is not None and options.workers < 1:
        parser.error(f"--workers must be at least 1, got {options.workers}.")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out must be a folder that can be written, got {options.out} ({error}).")

    chosen = list(dict.fromkeys(options.names)) or list(NAMES)
    jobs = [(name, options.out, options.trials, options.seed) for name in chosen]
    try:
        outcomes = run_all(jobs, options.workers or min(pool.cores(), WORKERS))
    except KeyboardInterrupt:
        print(f"Interrupted: what is finished is in {options.out}/.", file=sys.stderr)
        return 130
    print(table(outcomes))
    if options.names:
        for outcome in outcomes:
            print(textwrap.fill(f"{outcome.name}: {outcome.remark}", width(), break_on_hyphens=False))
    else:  # a run of some leaves the page of all alone
        trials = "" if options.trials is None else f" --trials {options.trials}"
        text = f"# Figures\n\nWritten by `python -m experiments{trials} --seed {options.seed}`. {LEGEND} {UNITS}\n\n{markdown(outcomes)}"
        text += f"\nBy name only:\n\n{on_request(options.out)}"
        write_whole(options.out / "README.md", text.encode())
        if line := skipped(outcomes):
            print(line)
    print(
        f"Pictures and the data behind them: {options.out}/"
        + ("" if options.names else ", with a README.md that says what each shows.")
    )
    wrong = disagreeing(outcomes)
    if total := sum(o.comparisons for o in outcomes):
        verdict = f"DISAGREE in {', '.join(wrong)}" if wrong else "agree"
        print(f"Theory and simulation {verdict}: {total} comparisons.")
    if failed := [o.name for o in outcomes if o.state == "failed"]:
        print(f"FAILED: {', '.join(failed)}.")
    lacking = bool(options.names) and any(o.state == "skipped" for o in outcomes)
    return 1 if failed or wrong or lacking else 0


def run_all(jobs: list[tuple[str, Path, int | None, int]], workers: int) -> list[Outcome]:
    """The experiments in so many processes."""
    done: dict[str, Outcome] = {}
    bar = tqdm(total=len(jobs), file=sys.stderr, bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]")
    with bar, pool.executor(min(workers, len(jobs))) as processes:
        running = {processes.submit(run, *job): job[0] for job in jobs}
        for future in as_completed(running):
            name = running[future]
            done[name] = future.result()
            bar.set_description(name)
            bar.update()
    return [done[job[0]] for job in jobs]


def run(name: str, out: Path, trials: int | None, seed: int) -> Outcome:
    """One experiment."""
    pooch.get_logger().setLevel("WARNING")  # it would write across the progress bar
    lab = Lab(name, out, trials, seed)
    start, state = time.perf_counter(), "done"
    try:
        # One BLAS thread: the other cores have experiments of their own.
        with plotting.style(), threadpool_limits(1):
            importlib.import_module(f"experiments.{name}").run(lab)
        if name in ON_REQUEST:  # the table of all leaves it out; what it says is kept beside its data
            said = "".join(f"{remark}\n" if remark.startswith("|") else f"- {remark}\n" for remark in lab.remarks)
            flags = f"{'' if trials is None else f' --trials {trials}'} --seed {seed}"
            text = f"# {name}\n\nWritten by `python -m experiments {name}{flags}`.\n\n{said}"
            write_whole(out / f"{name}.md", text.encode())
    except DataUnavailableError as error:
        state, lab.remarks = "skipped", [str(error)]
    except Exception as error:  # the others still run; the failure is told in the table and by the exit status
        state, lab.remarks = "failed", [f"{type(error).__name__}: {error}"]
        traceback.print_exc()
    z = np.abs(np.concatenate(lab.z)) if lab.z else np.empty(0)
    largest = float(z.max()) if z.size else np.nan
    seconds = time.perf_counter() - start
    return Outcome(name, state, lab.files, " ".join(lab.remarks), z.size, largest, lab.fewest - 1, seconds)


def summary(name: str) -> str:
    """The first line of an experiment's docstring, unimported: some need an extra."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def disagreeing(outcomes: list[Outcome]) -> list[str]:
    """Experiments in which theory and simulation differ by more than chance allows; a z that is NaN agrees with nothing."""
    total = sum(o.comparisons for o in outcomes)
    return [o.name for o in outcomes if o.comparisons and not o.largest < o.bound(total)]


def skipped(outcomes: list[Outcome]) -> str:
    """One line: what was left out, and how to get it; the data of all have one folder."""
    left = [o for o in outcomes if o.state == "skipped"]
    return f"Skipped {', '.join(o.name for o in left)}: {left[0].remark}" if left else ""


def cells(outcome: Outcome, total: int) -> tuple[str, str, str]:
    """Comparisons, largest |z| and its bound, as they are printed."""
    if outcome.state != "done":
        return outcome.state, "", ""
    if not outcome.comparisons:
        return "0", "–", "–"
    return str(outcome.comparisons), f"{outcome.largest:.2f}", f"{outcome.bound(total):.2f}"


def table(outcomes: list[Outcome]) -> str:
    """The run on a terminal."""
    total = sum(o.comparisons for o in outcomes)
    lines = [("experiment", "comparisons", "largest |z|", "bound", "seconds")]
    lines += [(o.name, *cells(o, total), f"{o.seconds:.1f}") for o in outcomes]
    return "\n".join(f"{name:28s}{n:>12s}{z:>13s}{bound:>8s}{seconds:>9s}" for name, n, z, bound, seconds in lines)


def markdown(outcomes: list[Outcome]) -> str:
    """The run as a page shows it: no seconds, which are the machine's."""
    total = sum(o.comparisons for o in outcomes)
    rows: list[tuple[Any, ...]] = [
        ("experiment", "files", "comparisons", "largest abs z", "bound", "what it shows"),
        ("---",) * 6,
    ]
    for outcome in outcomes:
        remark = f"{summary(outcome.name)}<br>{outcome.remark}".replace("|", "\\|").replace("\n", " ")
        rows.append((outcome.name, links(outcome.name, outcome.files), *cells(outcome, total), remark))
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def on_request(out: Path) -> str:
    """The experiments that run by name only, with what lies in the folder of those that have run."""
    lines = []
    for name in ON_REQUEST:
        if not (out / f"{name}.md").exists():
            lines.append(f"- {name}\n")
            continue
        longer = tuple(other for other in (*NAMES, *ON_REQUEST) if other != name and other.startswith(name))
        kinds = [sorted(f.name for f in out.glob(f"{name}*.{kind}")) for kind in ("csv", "pdf", "png")]
        files = [f for kind in kinds for f in kind if not (longer and f.startswith(longer))]
        lines.append(f"- [{name}]({name}.md): {links(name, files)}\n")
    return "".join(lines)


def links(name: str, files: list[str]) -> str:
    """An experiment's files, each called by what is not the experiment's name."""
    return ", ".join(f"[{f.removeprefix(name).lstrip('_.')}]({f})" for f in files)


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns
