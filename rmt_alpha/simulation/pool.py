"""Worker processes and BLAS threads: how many, and that they end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import cache
from multiprocessing import resource_tracker
from typing import Any

from threadpoolctl import OpenBLASController, ThreadpoolController

AHEAD = 4  # tasks waiting for each worker, beyond which none are handed out
ORPHANED = 1.0  # seconds between looks at the parent


def cores() -> int:
    """How many processes may run at once: the machine's, its container's, the scheduler's and the process's own limit
    count.
    """
    import loky

    allotted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(loky.cpu_count(), int(allotted) if allotted.isdigit() and int(allotted) > 0 else loky.cpu_count())


@contextmanager
def pool(workers: int) -> Iterator[Callable[[Callable[..., Any], Iterable[Any]], Iterator[Any]]]:
    """A lazy `map` in the order of the items, over so many processes; they end with the block, and with their parent."""
    if workers == 1:
        yield map
        return
    with executor(workers) as processes:

        def ordered(function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
            waiting: deque[Any] = deque()
            for item in items:
                waiting.append(processes.submit(function, item))
                if len(waiting) >= AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        yield ordered


@contextmanager
def executor(workers: int) -> Iterator[Executor]:
    """So many processes, which end with the block (at once where an exception leaves it), and with their parent."""
    import loky

    # loky starts fresh processes: a fork would copy locks that JAX's and BLAS's threads hold. It takes 300 MB more than after
    # the first task for a leak and starts the worker anew; big matrices and language models are no leak.
    # Whatever is started inherits the block: here the tracker of semaphores, with the first task all workers.
    with _blocked_signals():
        processes = loky.ProcessPoolExecutor(
            workers, initializer=_begin, initargs=(os.getpid(),), env={"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}
        )
    finished = False
    try:
        with _blocked_signals():
            processes.submit(int)
        yield processes
        finished = True
    finally:
        with _deaf_to_interrupts():
            processes.shutdown(kill_workers=not finished)


def _begin(parent: int) -> None:
    """What a worker does first: leave interrupts to its parent, and see to it that it does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHANED)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """The terminal sends Ctrl-C, and its end, to all processes; one answers, and the tracker lives on to clean up."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # with the first worker it would lift the block (before Python 3.12)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A second Ctrl-C must not hit the pool while it shuts down."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_controller = cache(ThreadpoolController)
_lock = threading.Lock()
_inside = 0
_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS thread while anyone is inside: their number would change bits, and workers fill the cores already.

    The limit is the process's own, hence the count of threads inside: the last one restores what it was.
    """
    global _inside, _limit
    with _lock:
        if _inside == 0:
            _take_control()
            _limit = _controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _take_control()
                _limit.restore_original_limits()
                _take_control()


def _take_control() -> None:
    """In threadpoolctl 3.8 only the thread that limits may restore, and others fail in silence; here the last one out
    does.
    """
    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
