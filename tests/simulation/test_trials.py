"""A trial is a function of problem, seed and index: not of how many are asked for, in what pieces, by whom."""

import functools
import importlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from rmt_alpha.problem import Fit, Group, Population, TransferProblem
from rmt_alpha.simulation import chain, draw, pool, simulate, simulate_optimal_alpha, streams
from rmt_alpha.simulation import noise as noise_module

PROBLEM = TransferProblem(60, 20, 40, 1.0, 1.0, 0.8, 0.5, 0.5)
MEANS = np.random.default_rng(0).standard_normal((4, 40)) / 4


def scaled(rng, shape, freedom):
    return rng.standard_t(freedom, shape) * np.sqrt(1 - 2 / freedom)


class Law:
    def __call__(self, rng, shape):
        return rng.standard_normal(shape)


@pytest.mark.parametrize(("method", "few", "many"), [("chain", 10, chain.TRIALS + 30), ("dense", 3, 20)])
def test_more_trials_begin_with_the_fewer(method, few, many):
    short, long = (draw(PROBLEM, n_trials=n, seed=3, method=method) for n in (few, many))
    assert long.c.shape == (2, many) and long.M.shape == (2, 2, many)
    np.testing.assert_array_equal(short.c, long.c[:, :few])
    np.testing.assert_array_equal(short.M, long.M[..., :few])
    assert len(np.unique(long.c[0])) == many


def test_seeds_problems_and_engines_have_their_own_trials():
    other = TransferProblem(60, 20, 40, 1.0, 1.0, 0.8, 0.5, 0.6)
    draws = [
        draw(p, n_trials=5, seed=s, method=m).c[0]
        for p, s in ((PROBLEM, 0), (PROBLEM, 1), (other, 0))
        for m in ("chain", "dense")
    ]
    assert len(np.unique(draws)) == 30


def test_equal_problems_have_equal_trials():
    again = TransferProblem(60, 20, 40, 1.0, 1.0, 0.8 + 1e-16, 0.5, 0.5)
    np.testing.assert_allclose(draw(again, n_trials=5).c, draw(PROBLEM, n_trials=5).c, rtol=1e-10)
    np.testing.assert_array_equal(
        draw(PROBLEM, n_trials=3, method="dense").c, draw(PROBLEM, n_trials=3, method="dense").c
    )


def correlation(problems, pick):
    values = [pick(draw(p, n_trials=400, method="dense")) for p in problems]
    return np.abs(np.corrcoef(values) - np.eye(len(values))).max()


@pytest.mark.parametrize("kind", ["regression", "later source", "given weights", "loss of a source", "covariance"])
def test_streams_of_different_problems_are_uncorrelated(kind):
    opposite = lambda mean, **k: Population.two_classes(mean, -mean, **k)  # noqa: E731
    W = MEANS[:2].T
    make = {
        "regression": lambda x: Fit(Population.linear(W, 0.5), n=20, gamma=0.5 + x, starts=[W]),
        "later source": lambda x: Fit(
            opposite(MEANS[0]), n=20, gamma=0.5,
            starts=[Fit(opposite(MEANS[1]), n=30, gamma=1.0), Fit(opposite(MEANS[2]), n=30, gamma=1.0 + x)],
        ),
        "given weights": lambda x: Fit(opposite(MEANS[0]), n=20, gamma=0.5, starts=[MEANS[1] + x / 10]),
        "loss of a source": lambda x: Fit(
            opposite(MEANS[0]), n=20, gamma=0.5, starts=[Fit(opposite(MEANS[1]), n=10, gamma=1.0, loss="logistic" if x else "squared")]
        ),
        "covariance": lambda x: Fit(opposite(MEANS[0], covariance=np.linspace(1, 2 + x / 10, 40)), n=20, gamma=0.5),
    }[kind]  # fmt: skip
    pick = (lambda f: f.M[0, 0, 0, 0, 0]) if kind == "regression" else lambda f: f.M[0, 0]
    assert correlation([make(x) for x in (0.0, 0.1)], pick) < 0.2


@pytest.mark.parametrize("method", ["chain", "dense"])
def test_common_random_numbers_sharpen_differences(method):
    """A difference of two near problems: its scatter over seeds falls, its mean is that of independent draws."""
    near = TransferProblem(60, 20, 40, 1.0, 1.0, np.array([0.8, 0.81]), 0.5, np.array([0.5, 0.52]))

    def differences(common):
        runs = [
            simulate(near, 1.0, n_trials=20, seed=s, method=method, common_random_numbers=common) for s in range(24)
        ]
        return np.array([np.diff(run.accuracy)[0] for run in runs])

    alone, shared = differences(False), differences(True)
    assert shared.std() < 0.2 * alone.std()
    assert abs(shared.mean() - alone.mean()) < 3.5 * np.hypot(shared.std(), alone.std()) / np.sqrt(24)


def test_common_random_numbers_are_said_yes_or_no_to():
    with pytest.raises(TypeError, match="common_random_numbers must be True or False, got 1"):
        simulate(PROBLEM, 1.0, common_random_numbers=1)
    simulate(PROBLEM, 1.0, n_trials=2, common_random_numbers=np.True_)


def test_progress_is_told_to_a_function(tmp_path):
    with pytest.raises(TypeError, match="progress must be a function of \\(done, total\\) or None, got 1"):
        simulate(PROBLEM, 1.0, progress=1)


@pytest.mark.parametrize(("method", "n_trials"), [("chain", 2 * chain.TRIALS + 5), ("dense", 40)])
def test_workers_change_no_bit(method, n_trials):
    problem = TransferProblem(60, np.array([[20], [30]]), 40, 1.0, 1.0, 0.8, 0.5, 0.5)
    alone, together = (simulate(problem, [0.0, 1.0, 2.0], n_trials=n_trials, method=method, workers=w) for w in (1, 2))
    for name in ("mean", "variance", "accuracy", "risk", "mean_se", "variance_se", "accuracy_se", "risk_se"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))


def test_blas_threads_change_no_bit():
    problem, found = TransferProblem(300, 250, 220, 1.0, 1.0, 0.5, 1.0, 1.0), []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(draw(problem, n_trials=2, method="dense").M)
    np.testing.assert_array_equal(*found)


def test_standard_errors_are_those_of_the_single_trials():
    n_trials = chain.TRIALS + 100
    sim, form = simulate(PROBLEM, 1.5, n_trials=n_trials), draw(PROBLEM, n_trials=n_trials)
    for quantity in ("mean", "variance", "accuracy", "risk"):
        values = getattr(form.moments(1.5), quantity)
        np.testing.assert_allclose(getattr(sim, quantity), values.mean(), rtol=1e-13)
        np.testing.assert_allclose(getattr(sim, f"{quantity}_sd"), values.std(ddof=1), rtol=1e-12)
        np.testing.assert_allclose(getattr(sim, f"{quantity}_se"), values.std(ddof=1) / np.sqrt(n_trials), rtol=1e-12)


def test_results_know_what_was_asked():
    result = simulate(PROBLEM, [0.0, 1.0], n_trials=3)
    assert result.problem is PROBLEM and result.n_trials == 3 and result.method == "chain"
    np.testing.assert_array_equal(result.alpha, [0.0, 1.0])


def test_shapes_follow_broadcasting():
    grid = TransferProblem(60, 20, 30, 1.0, 1.0, 0.8, np.array([[0.1], [1.0]]), np.array([0.1, 0.2, 0.3]))
    assert simulate(grid, 1.0, n_trials=4).accuracy.shape == (2, 3)
    assert simulate(grid, np.ones((4, 1, 1)), n_trials=4).accuracy.shape == (4, 2, 3)
    column = TransferProblem(60, 20, 30, 1.0, 1.0, 0.8, np.array([[0.1], [1.0]]), 0.1)
    result = simulate(column, [-2.0, 0.0, 1.0, 3.0], n_trials=4)
    assert result.accuracy.shape == (2, 4)
    scalar = simulate(TransferProblem(60, 20, 30, 1.0, 1.0, 0.8, 1.0, 0.1), 0.0, n_trials=4)
    np.testing.assert_allclose(result.accuracy[1, 1], scalar.accuracy, rtol=1e-14)


def test_shapes_of_fits():
    three = Population.classes(MEANS[:3])
    source = Fit(three, n=20, gamma=1.0)
    assert simulate(source, n_trials=2).mean.shape == (3, 3)
    fit = Fit(three, n=np.array([[20], [30]]), gamma=1.0, starts=[source, MEANS[:3].T])
    result = simulate(fit, np.ones((5, 2)), n_trials=2)
    assert (
        result.mean.shape == (3, 3, 2, 5)
        and result.variance.shape == (3, 3, 3, 2, 5)
        and result.accuracy.shape == (2, 5)
    )
    per = Fit(three, n=20, gamma=1.0, starts=[source], per="output", rank=1, intercept=True)
    assert simulate(per, np.ones((5, 3)), n_trials=2).mean_se.shape == (3, 3, 5)
    logistic = Fit(
        Population.two_classes(MEANS[0], MEANS[1]), n=np.array([20, 30]), gamma=1.0, loss="logistic", starts=[MEANS[2]]
    )
    assert simulate(logistic, 1.0, n_trials=2).variance.shape == (2, 1, 1, 2)
    line = Fit(Population.linear(MEANS[:2].T), n=20, gamma=1.0)
    assert simulate(line, n_trials=2).accuracy is None and np.shape(simulate(line, n_trials=2).risk) == ()


def test_groups_of_one_object_are_one_training():
    source = Fit(Population.two_classes(MEANS[0], -MEANS[0]), n=20, gamma=1.0)
    target = Population.two_classes(MEANS[1], -MEANS[1])
    halves = draw(Fit(target, n=2000, gamma=1e3, starts=Group.split(source, np.arange(40) % 2)), n_trials=50)
    # Nearly nothing is learned, so that both halves together are the source, which one scale of it all scores alike.
    together = halves.M[1, 1] + halves.M[2, 2]
    np.testing.assert_allclose(halves.M[1, 2] / together, 0, atol=0.05)
    other = Fit(Population.two_classes(MEANS[0], -MEANS[0]), n=20, gamma=1.0)
    masks = [g.mask for g in Group.split(source, np.arange(40) % 2)]
    apart = draw(Fit(target, n=2000, gamma=1e3, starts=[Group(source, masks[0]), Group(other, masks[0])]), n_trials=50)
    same = draw(Fit(target, n=2000, gamma=1e3, starts=[Group(source, masks[0]), Group(source, masks[0])]), n_trials=50)
    np.testing.assert_allclose(same.c[1], same.c[2], rtol=1e-10)
    assert np.abs(apart.c[1] - apart.c[2]).mean() > 0.01


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("workers", 0),
        ("workers", 1.5),
        ("backend", "torch"),
        ("n_trials", 1),
        ("seed", -1),
        ("noise", "cauchy"),
        ("labels", "even"),
    ],
)
def test_options_are_checked(option, value):
    with pytest.raises(ValueError, match=option):
        simulate(PROBLEM, 1.0, **{"n_trials": 2, option: value})


def test_misuse_is_named():
    source = Fit(Population.two_classes(MEANS[0], -MEANS[0]), n=20, gamma=1.0)
    with pytest.raises(TypeError, match="problem must be a Fit"):
        simulate(1.0, PROBLEM)
    with pytest.raises(ValueError, match="alpha must be None"):
        simulate(source, 1.0)
    with pytest.raises(ValueError, match="alpha must be given"):
        simulate(PROBLEM)
    with pytest.raises(ValueError, match="n_trials must be at most"):
        draw(PROBLEM, n_trials=1e12)
    with pytest.raises(ValueError, match=r"n_trials must be at most \d+ here, got 10{12}: .*simulate averages any"):
        simulate_optimal_alpha(PROBLEM, n_trials=1e12)
    with pytest.raises(ValueError, match="squared loss and full rank"):
        draw(Fit(source.population, n=9, gamma=1.0, loss="logistic"))
    with pytest.raises(ValueError, match="threshold must be 'zero'"):
        simulate(PROBLEM, 1.0, threshold="best", test_points="drawn")
    with pytest.raises(ValueError, match="backend must be 'numpy'"):
        simulate(Fit(source.population, n=9, gamma=1.0, loss="logistic"), backend="jax")


class Enough(Exception):
    """Nobody waits for 10¹² trials."""


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_trials_is_averaged_as_it_comes(workers):
    told = []

    def progress(done, total):
        told.append((done, total))
        if done == 3:
            raise Enough

    tracemalloc.start()
    try:
        with pytest.raises(Enough):
            simulate(PROBLEM, 1.0, n_trials=1e12, workers=workers, progress=progress)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert told == [(done, -(-(10**12) // chain.TRIALS)) for done in (1, 2, 3)]


def test_noise_is_known_by_its_name():
    first = functools.partial(scaled, freedom=7)
    again, other = functools.partial(scaled, freedom=7), functools.partial(scaled, freedom=9)
    assert noise_module.name(first) == noise_module.name(again) != noise_module.name(other)
    assert streams.stream_key(PROBLEM, noise_module.name(first)) != streams.stream_key(
        PROBLEM, noise_module.name(other)
    )
    alone, together = (simulate(PROBLEM, 1.0, n_trials=20, noise=first, workers=w) for w in (1, 2))
    assert alone.accuracy == together.accuracy
    assert simulate(PROBLEM, 1.0, n_trials=3, noise=Law()).method == "dense"
    inner = lambda rng, shape: rng.standard_normal(shape)  # noqa: E731
    for nameless in (Law(), inner, Law().__call__, functools.partial(scaled, freedom=Law()), functools.partial(inner)):
        with pytest.raises(TypeError, match="noise must be .* no name tells it from another"):
            simulate(PROBLEM, 1.0, n_trials=3, noise=nameless, workers=2)


@pytest.mark.parametrize(
    ("noise", "error", "message"),
    [
        (lambda rng: 1.0, TypeError, "which raised TypeError: .* positional argument"),
        (lambda rng, shape: 1 / 0, TypeError, "which raised ZeroDivisionError: division by zero"),
        (lambda rng, shape: None, TypeError, r"which for the shape \(256, 256\) returned object of shape \(\)"),
        (lambda rng, shape: rng.standard_normal(shape[0]), TypeError, r"returned float64 of shape \(256,\)"),
        (lambda rng, shape: np.full(shape, "a"), TypeError, "returned <U1 of shape"),
        (lambda rng, shape: rng.standard_normal(shape) * 1j, TypeError, "returned complex128 of shape"),
        (lambda rng, shape: np.full(shape, np.nan), ValueError, "which returned numbers that are not finite"),
        (lambda rng, shape: 5 * rng.standard_normal(shape), ValueError, r"whose mean is .* and variance 25"),
        (lambda rng, shape: 3 + rng.standard_normal(shape), ValueError, r"whose mean is 3 and variance"),
        (lambda rng, shape: 1.1 * rng.standard_normal(shape), ValueError, r"variance 1.21"),
        (lambda rng, shape: np.zeros(shape), ValueError, "variance 0. Subtract"),
    ],
)
def test_a_function_of_noise_is_tried(noise, error, message):
    with pytest.raises(error, match=f"noise must be a function of .rng, shape. .*{message}"):
        simulate(PROBLEM, 1.0, n_trials=2, noise=noise)


def test_noise_of_any_shape_is_let_through():
    """Two values, heavy tails, and what seldom differs from 0."""
    rare = lambda rng, shape: 30 * rng.choice([-1.0, 0.0, 1.0], shape, p=[1 / 1800, 899 / 900, 1 / 1800])  # noqa: E731
    signs = lambda rng, shape: rng.integers(0, 2, shape) * 2 - 1  # noqa: E731
    for law in (rare, signs, functools.partial(scaled, freedom=4.5), functools.partial(scaled, freedom=3)):
        for seed in range(20):
            noise_module.require_standard(lambda _, shape, law=law, seed=seed: law(np.random.default_rng(seed), shape))


def test_blas_threads_are_restored_by_the_last_one_out():
    count = lambda: [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]  # noqa: E731
    before = count()
    entered, leave = threading.Event(), threading.Event()

    def first():
        with pool.one_blas_thread():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with pool.one_blas_thread():
        leave.set()
        thread.join()
        assert set(count()) == {1}
    assert count() == before


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no signals that processes inherit")
def test_workers_hear_no_signal_of_the_terminal_even_while_they_start(tmp_path):
    """Neither Ctrl-C, which their parent answers, nor the terminal's end; the tracker that cleans up outlives that."""
    script = tmp_path / "script.py"
    script.write_text(
        """
import signal, sys, time
from rmt_alpha.simulation import pool
if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    with pool.executor(2) as processes:
        print(*sorted(map(int, processes.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result())), flush=True)
        time.sleep(600)
"""
    )
    semaphores = Path("/dev/shm")
    process = subprocess.Popen(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        inherited = process.stdout.readline().split()
        mine = lambda: list(semaphores.glob(f"sem.loky-{process.pid}-*"))  # noqa: E731
        assert mine() or not semaphores.is_dir()
        os.killpg(process.pid, signal.SIGHUP)
        try:
            process.wait(30)
        finally:
            process.kill()
    assert {str(int(signal.SIGINT)), str(int(signal.SIGHUP))} <= {word.decode() for word in inherited}
    for _ in range(200):
        if not mine():
            break
        time.sleep(0.1)
    assert not mine()


def test_cores_follow_the_scheduler(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert pool.cores() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "not a number")
    assert pool.cores() >= 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity of processes")
def test_cores_follow_what_the_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert pool.cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("250000 100000", 3), ("max 100000", 64)])
def test_cores_follow_the_container(monkeypatch, quota, cores):
    """A cgroup's share of 64 processors, in the words of the system's file."""
    context = importlib.import_module("loky.backend.context")
    said = lambda path: io.StringIO(quota) if path == "/sys/fs/cgroup/cpu.max" else open(path)  # noqa: E731
    monkeypatch.setattr(context, "open", said, raising=False)
    monkeypatch.setattr(context.os.path, "exists", lambda path: path == "/sys/fs/cgroup/cpu.max")
    monkeypatch.setattr(context.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(context.os, "sched_getaffinity", lambda _: range(64), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    assert pool.cores() == cores


SIMULATE = """
import signal
from rmt_alpha.problem import TransferProblem
from rmt_alpha.simulation import simulate
if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    print("begun", flush=True)
    simulate(TransferProblem(900, 900, 600, 1, 1, .5, 1, 1), 1.0, n_trials=10**7, method="dense", workers=2)
"""


FINETUNE = """
import sys, tempfile, time
from rmt_alpha.adapters import finetune_sweep
sys.modules["rmt_alpha.adapters.sweep"]._run = lambda job, folder: time.sleep(600)
if __name__ == "__main__":
    print("begun", flush=True)
    finetune_sweep([{"seed": 0}, {"seed": 1}], tempfile.mkdtemp(), workers=2, progress=False)
"""


def descendants(pid):
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    found, new = set(), {str(pid)}
    while new:
        new = {child for child, parent, state in rows if parent in new and not state.startswith("Z")} - found
        found |= new
    return found


def alive(pids):
    table = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    return {pid for pid, state in map(str.split, table.splitlines()) if not state.startswith("Z")} & pids


@pytest.mark.parametrize(
    ("long", "how"),
    [
        *((SIMULATE, how) for how in ("terminated", "killed", "hung up", "interrupted", "interrupted twice")),
        *((FINETUNE, how) for how in ("killed", "interrupted twice")),
    ],
)
def test_workers_do_not_outlive_their_parent(long, how, tmp_path):
    if long == FINETUNE:
        for module in ("torch", "transformers", "peft"):
            pytest.importorskip(module, reason="needs the extra: pip install -e '.[lm]'")
    script = tmp_path / "long.py"
    script.write_text(long)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        assert parent.stdout.readline()
        deadline = time.monotonic() + 60
        while len(descendants(parent.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        children = descendants(parent.pid)
        assert len(children) >= 2
        if how.startswith("interrupted"):
            os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
            if how.endswith("twice"):
                time.sleep(0.2)
                os.killpg(parent.pid, signal.SIGINT)
        elif how == "hung up":
            os.killpg(parent.pid, signal.SIGHUP)  # a terminal that is closed
        else:
            parent.send_signal({"terminated": signal.SIGTERM, "killed": signal.SIGKILL}[how])
        parent.wait(30)
        deadline = time.monotonic() + 30
        while alive(children) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not alive(children)
        said = parent.stderr.read().decode()
        assert long == SIMULATE or how == "killed" or "KeyboardInterrupt: interrupted: 0 of 2 runs are in" in said
    finally:
        parent.kill()
        parent.communicate()
