"""Executors, worker functions and processes for the tests of sweeps; importable by other processes."""

import contextlib
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import psutil

BASE = {"n_source": 60, "dim": 40, "mu": 1.0, "mu_orth": 1.0, "gamma_source": 1.0, "gamma_target": 1.0}
ALPHA = np.linspace(-1, 2, 4)
SPEC = Path(__file__).with_name("sweep.toml")
COMMAND = "import sys; from rmt_alpha.cli import main; sys.exit(main())"
SLOW_CHUNKS = 80


def problems(cells: int = 3) -> dict[str, Any]:
    return {**BASE, "n_target": 30, "beta": np.linspace(-0.5, 0.9, cells)}


class Inline(Executor):
    """Computes in `submit`, after writing the chunk's name down where that is asked for."""

    def __init__(self, record: Path | None = None, delay: Callable[[], None] = lambda: None):
        self.record, self.delay, self.count = record, delay, 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        self.count += 1
        if self.record is not None:
            with open(self.record, "a") as file:
                file.write(args[0].name + "\n")
        self.delay()
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Shuffled(Executor):
    """Waits for `n` tasks, then computes them in random order."""

    def __init__(self, n: int, seed: int):
        self.n, self.random = n, random.Random(seed)
        self.tasks: list[tuple] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        self.tasks.append((future, fn, args, kwargs))
        if len(self.tasks) == self.n:
            self.random.shuffle(self.tasks)
            for waiting, function, positional, named in self.tasks:
                waiting.set_result(function(*positional, **named))
        return future


def fork_server() -> Any:
    """Processes that start in milliseconds: forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rmt_alpha.sweep", "xarray"])
    return context


def sweep_inline(store: Path, record: Path, cells: int, n_trials: int, largest_file: int | None = None) -> None:
    """Run a sweep chunk after chunk in this process; its end goes to `record`."""
    from rmt_alpha import sweep

    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    try:
        sweep(problems(cells), ALPHA, n_trials=n_trials, store=store, executor=Inline(record))
        end = "done"
    except OSError as error:
        end = f"OSError: {error}"
    os.write(os.open(record.with_suffix(".end"), os.O_WRONLY | os.O_CREAT), end.encode()[:180])


def files(store):
    """Everything in a store, by name, less what killed writers left."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and not path.name.startswith(".tmp-")
    }


@contextlib.contextmanager
def running(*arguments, **options):
    """`rmt-alpha` in a process group of its own, which ends here at the latest, with its pipes."""
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, start_new_session=True, text=True, **options) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def pool_of(process):
    """The workers of a command that runs; a short-lived child that has ended meanwhile is none of them."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie, which cannot be asked, is one of these
            if "popen_loky" in " ".join(child.cmdline()):
                found.append(child)
    return found


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def stored(store):
    return len(list((store / "chunks").glob("[!.]*"))) if (store / "chunks").exists() else 0


def slow_spec(tmp_path):
    """A spec of so many chunks that there is time to do harm, on a busy machine too."""
    text = SPEC.read_text().replace(
        "beta = [-0.5, 0.5, 0.9]", f"beta = {{ linspace = [-0.9, 0.9, {SLOW_CHUNKS // 4}] }}"
    )
    path = tmp_path / "slow.toml"
    path.write_text(text)
    return path
