"""Compute chunks on any executor and store each as soon as it is done.

Only this process writes. So workers need no access to the store, and whatever ends a run (Ctrl-C, a full disk, a lost
cluster, SIGKILL) costs the chunks in flight and nothing else.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from tqdm import tqdm

from ..problem import Fit, TransferProblem
from ..simulation import pool
from .chunks import Chunk, compute
from .store import Store

IN_FLIGHT = 1024  # chunks handed out at a time: enough for a large cluster,
IN_FLIGHT_BYTES = 2**28  # and fewer where each carries big matrices
SILENCE = 120.0  # seconds without a chunk, after which it is said that one waits

log = logging.getLogger("rmt_alpha")


class ExecutorLost(OSError):
    """The executor, not the computation, has failed."""


def run(chunks: Sequence[Chunk], store: Store, executor: Executor | None, workers: int, already: int) -> None:
    """Compute and store the given chunks on the executor, or on so many processes of our own; `already` is the number of chunks
    stored before, for messages and progress.

    However it ends, what was computed is stored, and the message of the exception says how to resume.
    """
    if not chunks:
        return
    total = len(chunks) + already
    with _progress(total, already) as bar, _hands(executor, min(workers, len(chunks))) as hands:
        session = _Session(store, hands, bar)
        try:
            # Processes that share a store start at different places, so that they share the work too.
            turn = os.getpid() % len(chunks)
            session.work_through([*chunks[turn:], *chunks[:turn]])
        except (Exception, KeyboardInterrupt) as error:
            session.rescue(cancel=executor is not None)
            stored = already + sum(store.has(chunk.name) for chunk in chunks)  # whatever was interrupted
            advice = (
                f"{stored} of {total} chunks are stored in {str(store.path)!r}; "
                f"run the same sweep again to compute the rest."
            )
            explained = _explained(error, hands, executor is None, advice)
            if explained is None:
                error.add_note(advice)
                raise
            raise explained from error


class _Session:
    """Chunks on their way through one executor."""

    def __init__(self, store: Store, executor: Executor, bar: tqdm):
        self.store, self.executor, self.bar = store, executor, bar
        self.done: SimpleQueue[Future] = SimpleQueue()
        self.waiting: dict[Future, Chunk] = {}

    def work_through(self, chunks: Sequence[Chunk]) -> None:
        counts = self.store.counts()
        for chunk in chunks:
            if self.store.has(chunk.name) and chunk.count not in counts.get(chunk.family, ()):
                self.bar.update()  # another process has just stored it
                continue
            self._submit(chunk, [c for c in counts.get(chunk.family, ()) if c < chunk.count])
            while not self.done.empty() or len(self.waiting) >= _most_in_flight(chunk.problem):
                self._take()
        while self.waiting:
            self._take()

    def rescue(self, cancel: bool) -> None:
        """Store what is finished, and cancel the rest on an executor that lives on."""
        for future, chunk in self.waiting.items():
            if cancel and future.cancel():
                continue
            if future.done() and future.exception() is None:
                self._save(chunk, future.result(), complain=False)

    def _submit(self, chunk: Chunk, shorter: list[int]) -> None:
        """Hand out a chunk, to be continued from the longest sound one of its family."""
        count, state = 0, None
        while shorter and state is None:
            count = shorter.pop()
            state = self.store.read(f"{chunk.family}-{count}", chunk.shape)
        try:
            # The token: dask takes tasks with equal arguments for one, and would give back the failure of an earlier attempt.
            future = self.executor.submit(_task, chunk, count if state is not None else 0, state, secrets.token_hex(8))
        except Exception as error:
            raise ExecutorLost(f"{type(error).__name__}: {error}".rstrip(": .")) from error
        self.waiting[future] = chunk
        future.add_done_callback(self.done.put)

    def _take(self) -> None:
        """Wait for one chunk and store it."""
        try:
            future = self.done.get(timeout=SILENCE)
        except Empty:  # big chunks, or a cluster that has no workers left and hopes for others
            log.warning(
                "%s has given back nothing for %g s, and %d chunks wait. If it has no workers left, start some; Ctrl-C loses nothing that "
                "is stored.", type(self.executor).__name__, SILENCE, len(self.waiting),
            )  # fmt: skip
            future = self.done.get()
        chunk = self.waiting[future]
        try:
            outcome = future.result()
        except Exception as error:
            raise ExecutorLost(f"{type(error).__name__}: {error}".rstrip(": .")) from error
        self._save(chunk, outcome)
        del self.waiting[future]

    def _save(self, chunk: Chunk, outcome: np.ndarray | Exception, complain: bool = True) -> None:
        try:
            if isinstance(outcome, Exception):
                raise outcome
            self.store.write(chunk.name, outcome)
            self.bar.update()
        except Exception:
            if complain:
                raise


def _task(chunk: Chunk, count: int, state: np.ndarray | None, token: str) -> np.ndarray | Exception:
    """`compute`, with its errors as values: whatever is *raised* by a future is the executor's."""
    try:
        return compute(chunk, count, state)
    except Exception as error:
        return error


def _explained(error: BaseException, executor: Executor, ours: bool, advice: str) -> BaseException | None:
    """The exception to raise instead: what happened, what is saved, how to go on. None: the computation's own."""
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt(f"interrupted: {advice}")
    if isinstance(error, ExecutorLost):
        name = "the process pool" if ours else type(executor).__name__
        hint = " In a script, call sweep under `if __name__ == '__main__':`." if ours else ""
        if isinstance(error.__cause__, ImportError | AttributeError):
            hint = " Its workers seem to run another release of rmt_alpha: install this one on every machine."
        return ExecutorLost(
            f"executor must stay alive during the sweep, but {name} failed ({error.args[0]}): {advice} "
            f"If it fails again, look at its workers' memory and logs, or give another executor.{hint}"
        )
    if isinstance(error, OSError):
        return OSError(f"store could not be written: {error.strerror or error}. Make room there, then go on: {advice}")
    return None


def _most_in_flight(problem: TransferProblem | Fit) -> int:
    """So many chunks that big matrices in them fit into memory."""
    if isinstance(problem, TransferProblem):
        return IN_FLIGHT
    arrays = [a for f in problem.lineage for a in (f.population.means, *(c.value for c in f.population.covariances))]
    size = sum(np.asarray(a).nbytes for a in arrays if a is not None)
    return max(2 * pool.cores(), min(IN_FLIGHT, IN_FLIGHT_BYTES // max(size, 1)))


def _progress(total: int, already: int) -> tqdm:
    # disable=None: silent where stderr is no terminal.
    return tqdm(total=total, initial=already, desc="sweep", unit="chunk", disable=None, dynamic_ncols=True)


@contextmanager
def _hands(executor: Executor | None, workers: int) -> Iterator[Executor]:
    """The user's executor, left as it is, or processes of our own, gone afterwards."""
    if executor is not None or workers == 1:
        yield executor or _Here()
        return
    with pool.executor(workers) as processes:
        yield processes


class _Here(Executor):
    """This process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future
