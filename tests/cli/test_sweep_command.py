"""`rmt-alpha sweep`, run in this process; with real signals in tests/sweep/test_survival.py."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray

from rmt_alpha import sweep
from rmt_alpha.cli import main
from rmt_alpha.cli import sweep as command
from rmt_alpha.sweep import read_spec
from tests.sweep.sweep_executors import BASE, SLOW_CHUNKS, SPEC, Inline, pool_of, running, slow_spec, stored, wait_for


def test_the_same_from_the_shell(tmp_path, capfd):
    assert main(["sweep", str(SPEC), "--store", str(tmp_path / "shell")]) == 0
    shown = capfd.readouterr()
    assert shown.err == ""  # no terminal, no progress
    path = Path(shown.out.strip())
    here = sweep(
        {
            **BASE, "beta": [-0.5, 0.5, 0.9], "dim": xarray.DataArray([50, 400], dims="size"),
            "n_source": xarray.DataArray([100, 800], dims="size"), "n_target": xarray.DataArray([25, 200], dims="size"),
        }, np.linspace(-1, 2, 7), n_trials=1100, seed=1, store=tmp_path / "here", executor=Inline(),
    )  # fmt: skip
    with xarray.open_dataset(path) as data:
        xarray.testing.assert_identical(data.transpose(*here.dims), here)


def test_shards_and_then_the_whole(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(command, "run", lambda **arguments: sweep(**{**arguments, "executor": Inline()}))
    for i in range(2):
        assert main(["sweep", str(SPEC), "--store", str(tmp_path), "--shard", f"{i}/2"]) == 0
        assert stored(tmp_path) == 6 * (i + 1)
    (result,) = tmp_path.glob("*.nc")
    before = result.read_bytes()
    capfd.readouterr()
    assert main(["sweep", str(SPEC), "--store", str(tmp_path)]) == 0
    assert result.read_bytes() == before and capfd.readouterr().out.strip() == str(result)


@pytest.mark.filterwarnings("default")
def test_scheduler(tmp_path, capfd):
    from distributed import LocalCluster

    with LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp") as cluster:
        address = cluster.scheduler_address
        assert main(["sweep", str(SPEC), "--store", str(tmp_path), "--scheduler", address]) == 0
    assert stored(tmp_path) == 12


def test_ranges(tmp_path):
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC.read_text().replace("gamma_target = 1.0", "gamma_target = { geomspace = [0.1, 10, 3] }"))
    read = read_spec(spec)
    np.testing.assert_allclose(read["problems"]["gamma_target"], [0.1, 1, 10])
    np.testing.assert_allclose(read["alpha"], np.linspace(-1, 2, 7))
    spec.write_text(spec.read_text().replace("dim = [50, 400]", "dim = { geomspace = [50, 500, 2] }"))
    assert list(read_spec(spec)["problems"]["dim"].values) == [50, 500]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_trials", "trials", "got 'trials'. Did you mean 'n_trials'?"),
        ("mu_orth", "mu_perp", "[problem] in {spec} must have keys among"),
        ("gamma_source = 1.0", "", "got no gamma_source"),
        ("alpha = ", "[alpha", "spec must be TOML, got '{spec}'"),
        ("linspace", "logspace", "alpha must have keys among linspace, geomspace, got 'logspace'"),
        ("[-1, 2, 7]", "[-1, 2]", "alpha must be a number, a list or one range"),
        ("[problem]", "problem = 3\n[rest]", "got 'rest'"),
        ("mu = 1.0", "mu = 1.0\ndim = 3", "[together.size] in {spec} must not repeat parameters, got dim again"),
        ("n_source = [100, 800]", "n_source = 100", "must hold lists of numbers, got none for n_source"),
        ("n_source = [100, 800]", "n_source = [100, 800, 900]", "matching number of values along 'size', got 3"),
        ("0.9]", "1.9]", "beta must lie in [-1, 1], got 1.9"),
        ("seed = 1", "seed = 'one'", "seed must be a real number"),
        ("seed = 1", "method = 'magic'", "method must be one of"),
    ],
)  # fmt: skip
def test_bad_specs(tmp_path, capsys, old, new, message):
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC.read_text().replace(old, new, 1))
    assert main(["sweep", str(spec), "--store", str(tmp_path / "store")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rmt-alpha: ") and message.format(spec=spec) in error and error.count("\n") == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none.toml", "--store", "{tmp}/s"], "spec must be a readable file"),
        ([str(SPEC), "--store", "{tmp}/file/s"], "--store must be a directory that can be written"),
        ([str(SPEC), "--store", "{tmp}/s", "--shard", "2"], "--shard must be I/K"),
        ([str(SPEC), "--store", "{tmp}/s", "--shard", "4/4"], "--shard must be (i, k)"),
        ([str(SPEC), "--store", "{tmp}/s", "--scheduler", "nowhere"], "--scheduler must be the address"),
        ([str(SPEC), "--store", "{tmp}/s", "--workers", "0"], "--workers must lie in [1,"),
        ([str(SPEC), "--store", "{tmp}/s", "--workers", "2", "--scheduler", "tcp://x"], "--workers must be left out"),
    ],
)  # fmt: skip
def test_bad_arguments(tmp_path, capsys, arguments, message):
    (tmp_path / "file").write_text("")
    assert main(["sweep", *(a.format(tmp=tmp_path) for a in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_unknown_option_has_status_2(tmp_path, capsys):
    assert main(["sweep", str(SPEC), "--store", str(tmp_path), "--sharp", "1/2"]) == 2
    assert "--sharp" in capsys.readouterr().err


def test_workers_change_no_bit(tmp_path, capfd):
    for workers in (1, 2):
        assert main(["sweep", str(SPEC), "--store", str(tmp_path / str(workers)), "--workers", str(workers)]) == 0
    (one,), (two,) = ((tmp_path / k).glob("*.nc") for k in "12")
    assert one.name == two.name and one.read_bytes() == two.read_bytes()


def test_losses_in_a_spec(tmp_path, capfd):
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC.read_text().replace("mu = 1.0", 'mu = 1.0\nloss = "logistic"'))
    assert read_spec(spec)["problems"]["loss"] == "logistic"
    spec.write_text(spec.read_text().replace("logistic", "logistik"))
    assert main(["sweep", str(spec), "--store", str(tmp_path / "s")]) == 2
    assert "loss must be one of 'squared'" in capfd.readouterr().err


def test_lost_worker_of_our_own_pool(tmp_path):
    """Status 4 from a real process, one line, and the rest is computed later."""
    words = ("sweep", slow_spec(tmp_path), "--store", tmp_path / "s", "--workers", 2)
    with running(*words, stderr=subprocess.PIPE) as process:
        wait_for(lambda: stored(tmp_path / "s") >= 3)
        pool_of(process)[0].kill()
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 4 and "executor must stay alive" in error and "Traceback" not in error
    assert f"{stored(tmp_path / 's')} of {SLOW_CHUNKS} chunks are stored" in error
