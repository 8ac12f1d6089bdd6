"""Sweeps that are killed, interrupted, crowded and starved, and come out the same to the last bit."""

import contextlib
import errno
import functools
import logging
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
from collections import Counter
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import psutil
import pytest
import xarray

from rmt_alpha import sweep
from rmt_alpha.cli import main
from rmt_alpha.sweep import chunks as chunks_module
from rmt_alpha.sweep import execute, read_spec
from rmt_alpha.sweep.store import Store

from .sweep_executors import (
    ALPHA,
    SLOW_CHUNKS,
    SPEC,
    Inline,
    files,
    fork_server,
    problems,
    running,
    slow_spec,
    stored,
    sweep_inline,
    wait_for,
)


def test_sigkill_at_twenty_random_moments(tmp_path):
    cells, n_trials, chunks = 40, 1100, 80
    sweep(problems(cells), ALPHA, n_trials=n_trials, store=tmp_path / "whole", executor=Inline())
    moments = random.Random()
    context = fork_server()
    killed = 0
    sessions = []
    store = tmp_path / "killed"
    while killed < 20:
        record = tmp_path / f"session{len(sessions)}"
        process = context.Process(target=sweep_inline, args=(store, record, cells, n_trials))
        process.start()
        # Half of them while it computes, half at any moment from its start.
        if killed % 2:
            wait_for(lambda p=process, r=record: r.exists() or p.exitcode is not None)
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        process.join()
        if process.exitcode == 0:  # finished before its moment came: start anew
            shutil.rmtree(store)
            record.unlink(missing_ok=True)
            sessions.clear()
            continue
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        sessions.append(record.read_text().split() if record.exists() else [])
        record.unlink(missing_ok=True)
    last = Inline(tmp_path / "last")
    sweep(problems(cells), ALPHA, n_trials=n_trials, store=store, executor=last)
    sessions.append((tmp_path / "last").read_text().split() if last.count else [])
    assert files(store) == files(tmp_path / "whole")
    # Nothing was computed twice but the chunk in flight: the last of its session.
    computed = Counter(name for session in sessions for name in session)
    assert len(computed) == chunks
    in_flight = Counter(session[-1] for session in sessions[:-1] if session)
    assert all(count - 1 <= in_flight[name] for name, count in computed.items())


def test_killed_with_its_workers(tmp_path):
    """SIGKILL of the command: its pool ends too, and what was stored is used."""
    spec, store = slow_spec(tmp_path), tmp_path / "store"
    with running("sweep", spec, "--store", store) as process:
        wait_for(lambda: stored(store) >= 5)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert len(children) >= 2
        assert not psutil.wait_procs(children, timeout=20)[1]
    there = stored(store)

    rest = Inline()
    sweep(**read_spec(spec), store=store, executor=rest)
    assert rest.count == SLOW_CHUNKS - there


def test_ctrl_c(tmp_path):
    """The terminal sends SIGINT to the whole group; one process answers, in one line."""
    spec, store = slow_spec(tmp_path), tmp_path / "store"
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with running("sweep", spec, "--store", store, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = bytearray()

        def read():
            try:
                while piece := os.read(ours, 4096):
                    shown.extend(piece)
            except OSError:  # the terminal is closed
                pass

        reader = threading.Thread(target=read)
        reader.start()
        wait_for(lambda: stored(store) >= 5)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 130
        reader.join(20)
        os.close(ours)
    text = shown.decode()
    # Progress with rate and time left, on a terminal.
    assert "chunk/s" in text and f"/{SLOW_CHUNKS} [" in text
    assert "Traceback" not in text
    assert f"rmt-alpha: interrupted: {stored(store)} of {SLOW_CHUNKS} chunks are stored in" in text.replace("\r\n", "")
    assert "run the same sweep again" in text


def test_two_kinds_of_processor(tmp_path):
    """Other instructions round otherwise: two shards make a whole all the same, as one processor would but for rounding."""
    for shard, features in (("0/2", ""), ("1/2", "X86_V4")):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": features}
        spec = tmp_path / "spec.toml"
        spec.write_text(SPEC.read_text().replace("gamma_target = 1.0", "gamma_target = { geomspace = [0.01, 100, 7] }"))
        words = ("sweep", spec, "--store", tmp_path / "s", "--shard", shard, "--workers", 1)
        with running(*words, env=environment) as process:
            assert process.wait(60) == 0
    (result,) = (tmp_path / "s").glob("*.nc")
    here = sweep(**read_spec(spec), store=tmp_path / "here", executor=Inline())
    with xarray.open_dataset(result) as both:
        xarray.testing.assert_allclose(both, here, rtol=1e-9)


def test_two_processes_on_one_store(tmp_path):
    sweep(problems(20), ALPHA, n_trials=300, store=tmp_path / "one", executor=Inline())
    context = fork_server()
    both = [
        context.Process(target=sweep_inline, args=(tmp_path / "both", tmp_path / f"r{i}", 20, 300)) for i in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [p.exitcode for p in both] == [0, 0]
    assert {(tmp_path / f"r{i}.end").read_text() for i in range(2)} == {"done"}
    assert files(tmp_path / "both") == files(tmp_path / "one")


@pytest.mark.parametrize(
    ("largest", "stored_chunks", "message"),
    [(100, 0, "store could not take the grid"), (1500, 5, "could not take the result")],
)
def test_no_room(tmp_path, largest, stored_chunks, message):
    """A file that may not grow, as on a full disk: of the grid, then of the result."""
    process = fork_server().Process(target=sweep_inline, args=(tmp_path / "s", tmp_path / "r", 5, 20, largest))
    process.start()
    process.join()
    end = (tmp_path / "r.end").read_text()
    assert end.startswith("OSError") and message in end and "File too large" in end
    assert stored(tmp_path / "s") == stored_chunks
    assert not list((tmp_path / "s").rglob(".tmp-*"))
    rest = Inline()
    sweep(problems(5), ALPHA, n_trials=20, store=tmp_path / "s", executor=rest)
    assert rest.count == 5 - stored_chunks


def test_a_quota_names_the_file_and_the_machine_is_at_fault(tmp_path, monkeypatch, capsys):
    """A stand-in for a quota, which few kernels let a test have: the system refuses when the file is to be on the disk."""

    def over_quota(_):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fsync", over_quota)
    words = ["map", "beta", "n-target", "--cells", "3", "--out", str(tmp_path / "picture")]
    assert main(words) == 4
    said = capsys.readouterr().err
    assert os.strerror(errno.EDQUOT) in said and f"{tmp_path}/picture.csv" in said
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    assert main(words) == 0


def test_disk_full_on_the_way(tmp_path, monkeypatch):
    write, room = Store.write, iter([True, True, True])

    def until_full(self, name, array):
        if not next(room, False):
            raise OSError(28, "No space left on device")
        write(self, name, array)

    monkeypatch.setattr(Store, "write", until_full)
    with pytest.raises(
        OSError, match=r"No space left on device. Make room .*3 of 5 chunks are stored .*run the same sweep"
    ):
        sweep(problems(5), ALPHA, n_trials=20, store=tmp_path, executor=Inline())


def test_lost_executor(tmp_path):
    """A pool whose worker is killed: what is saved and how to resume; the sweep goes on with another executor."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        worker = pool.submit(os.getpid).result()

        def kill():
            wait_for(lambda: stored(tmp_path / "store") >= 3)
            os.kill(worker, signal.SIGKILL)

        threading.Thread(target=kill).start()
        text = r"executor must stay alive .*ProcessPoolExecutor failed .BrokenProcessPool.* of 80 chunks are stored"
        with pytest.raises(OSError, match=text) as raised:
            sweep(problems(40), ALPHA, n_trials=1100, store=tmp_path / "store", executor=pool)
    there = stored(tmp_path / "store")
    assert 3 <= there < 80 and f"{there} of 80 chunks are stored" in str(raised.value)
    rest = Inline()
    sweep(problems(40), ALPHA, n_trials=1100, store=tmp_path / "store", executor=rest)
    assert rest.count == 80 - there


def test_closed_executor(tmp_path):
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(OSError, match=r"ThreadPoolExecutor failed .RuntimeError.* 0 of 5 chunks are stored"):
        sweep(problems(5), ALPHA, n_trials=20, store=tmp_path, executor=pool)


def test_error_of_the_computation_says_what_is_saved(tmp_path, monkeypatch):

    compute, good = execute.compute, iter([True, True])

    def sometimes(*arguments):
        if not next(good, False):
            raise FloatingPointError("left the range")
        return compute(*arguments)

    monkeypatch.setattr(execute, "compute", sometimes)
    with pytest.raises(FloatingPointError, match="left the range") as raised:
        sweep(problems(5), ALPHA, n_trials=20, store=tmp_path, executor=Inline())
    assert "2 of 5 chunks are stored" in raised.value.__notes__[0]


class Broken(Executor):
    """Its workers fail to read what they are sent."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(AttributeError("module 'rmt_alpha.sweep.chunks' has no attribute 'Chunk'"))
        return future


def test_a_worker_of_another_release_is_suspected(tmp_path):
    with pytest.raises(
        OSError, match=r"Broken failed .AttributeError: module .* seem to run another release of rmt_alpha"
    ):
        sweep(problems(3), ALPHA, n_trials=20, store=tmp_path, executor=Broken())


def test_an_executor_that_is_silent_is_named(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(execute, "SILENCE", 0.05)
    begin = threading.Event()
    with ThreadPoolExecutor(1, initializer=begin.wait) as pool:
        threading.Timer(0.5, begin.set).start()
        sweep(problems(3), ALPHA, n_trials=20, store=tmp_path, executor=pool)
    assert "ThreadPoolExecutor has given back nothing for 0.05 s, and 3 chunks wait" in caplog.text


@pytest.fixture
def local_cluster():
    """A dask cluster of this machine, by its arguments; the test is left out where there is no dask."""
    distributed = pytest.importorskip("distributed", reason="needs the extra: pip install -e '.[cluster]'")
    with contextlib.ExitStack() as stack:

        def started(n, processes):
            options = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
            cluster = stack.enter_context(distributed.LocalCluster(n, processes=processes, **options))
            return cluster, stack.enter_context(distributed.Client(cluster))

        yield started


@pytest.mark.filterwarnings("default")
def test_dask_loses_all_workers_at_once(tmp_path, local_cluster):
    """Others take their place, and compute what was lost."""
    sweep(problems(30), ALPHA, n_trials=1100, store=tmp_path / "here", executor=Inline())
    store = tmp_path / "dask"
    _, client = local_cluster(2, processes=True)
    victims = set(client.run(os.getpid).values())

    def kill():
        wait_for(lambda: stored(store) >= 10)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    sweep(problems(30), ALPHA, n_trials=1100, store=store, executor=client.get_executor())
    killer.join()
    assert len(victims) == 2 and not victims & set(client.run(os.getpid).values())
    assert files(store) == files(tmp_path / "here")


@pytest.mark.filterwarnings("default")
def test_dask_begins_without_workers_and_adapts(tmp_path, local_cluster):
    cluster, client = local_cluster(0, processes=False)
    cluster.adapt(minimum=0, maximum=2, interval="50ms")
    data = sweep(problems(10), ALPHA, n_trials=4, store=tmp_path / "store", executor=client.get_executor())
    assert data.trials.values.tolist() == [4] * 10 and len(cluster.scheduler.workers) <= 2


@pytest.mark.filterwarnings("default")
def test_dask_tries_again_what_has_failed(tmp_path, local_cluster, monkeypatch):
    """`get_executor()` as people write it: once the cause of a failure is gone, the same sweep goes on."""
    broken = tmp_path / "broken"
    broken.touch()
    _, client = local_cluster(1, processes=False)
    noise = functools.partial(fragile, marker=str(broken))
    arguments = {"n_trials": 4, "noise": noise, "store": tmp_path / "store", "executor": client.get_executor()}
    with pytest.raises(ZeroDivisionError):
        sweep(problems(3), ALPHA, **arguments)
    broken.unlink()
    with monkeypatch.context() as other_release:
        other_release.setattr(chunks_module, "NUMERICS_VERSION", -1)  # of what computes; the chunk asks for ours
        here = rf"got -1 in process {os.getpid()} on {socket.gethostname()}\. Install the same release"
        with pytest.raises(ValueError, match=r"worker must run numerics version \d+, " + here):
            sweep(problems(3), ALPHA, **arguments)
    assert sweep(problems(3), ALPHA, **arguments).trials.values.tolist() == [4, 4, 4]


def fragile(rng, shape, marker):
    """Broken on a worker, a thread here; it is tried before on the machine that asks."""
    if os.path.exists(marker) and threading.current_thread() is not threading.main_thread():
        raise ZeroDivisionError(marker)
    return rng.standard_normal(shape)
