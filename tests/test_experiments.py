"""The runner of the experiments: what it writes, what it prints, and its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments import NAMES, ON_REQUEST
from experiments.runner import main

ROOT = Path(__file__).parent.parent


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip


def test_list_names_every_experiment(capsys):
    assert main(["--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*NAMES, *ON_REQUEST]
    on_disk = {path.stem for path in (ROOT / "experiments").glob("*.py")}
    assert {*NAMES, *ON_REQUEST} <= on_disk


def test_one_experiment_writes_data_and_pictures(tmp_path):
    done = run("optimal_alpha_vs_beta", "--trials", 64, "--seed", 1, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {p.suffix for p in tmp_path.glob("optimal_alpha_vs_beta*")} == {".csv", ".pdf", ".png"}
    curve = pd.read_csv(tmp_path / "optimal_alpha_vs_beta.csv")
    eta_ten = curve[(curve.dim == 2000) & (abs(curve.beta - 0.8) < 0.01)].iloc[0]
    assert eta_ten.published > 1.2 * eta_ten.best
    row = [c.strip() for c in done.stdout.splitlines()[-1].split("|")]
    assert row[1] == "optimal_alpha_vs_beta" and int(row[4]) == 40 and float(row[5]) < 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "NAME must be one of .*got nothing"),
        (["--trials", "1"], "--trials must be at least 2, got 1"),
        (["--seed", "-1"], "--seed must not be negative, got -1"),
        (["--out", "/dev/null/figures"], "--out must be a folder that can be written"),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    import re

    assert re.search(message, capsys.readouterr().err)


def test_missing_data_is_a_skip_with_a_reason(tmp_path):
    # An empty folder, and a proxy that nobody listens on: neither a local copy nor a network.
    nowhere = {
        "RMT_ALPHA_DATA": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "",
    }
    done = run("amazon_scores", "optimal_alpha_map", "--trials", 4, "--out", tmp_path, **nowhere)
    assert done.returncode == 3
    assert "SKIPPED: amazon_review/" in done.stdout and "set RMT_ALPHA_DATA" in done.stdout
    assert (tmp_path / "optimal_alpha_map.png").exists()
