"""The user's environment: whatever it says, commands answer the same, byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).parents[1]
# Numbers, a file of the user's, a picture, a store, a picture through pyplot, a data set that is not there.
WORK = """
import contextlib, io, os, sys
from rmt_alpha.cli import main

out = io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
    for words in (["predict", "--json"], ["sweep", "spec.toml", "--store", "store é", "--workers", "1"],
                  ["map", "beta", "mu", "--cells", "3", "--out", "a map é"], ["data", "verify"]):
        print(main(words))
from rmt_alpha import TransferProblem, load, save
from rmt_alpha.plotting import plot_accuracy, to_bytes
problem = TransferProblem(60, 30, 40, 1.0, 1.0, 0.5, 1.0, 1.0)
save("β é.json", problem)
assert load("β é.json") == problem or sys.exit("another problem was read")
figure = plot_accuracy(problem, simulate=4).figure
figure.savefig("by hand.png", dpi=60)
with open("by us.png", "wb") as file:
    file.write(to_bytes(figure, "png"))
with open("said", "w", encoding="utf-8") as file:
    file.write(out.getvalue())
"""
SPEC = """alpha = [0.0, 1.0]
n_trials = 4
[problem]
n_source = 60
n_target = [20, 30]
dim = 40
mu = 1.0
mu_orth = 1.0
beta = 0.5
gamma_source = 1.0
gamma_target = 1.0
"""
RC = "text.usetex: True\nlines.marker: o\naxes.facecolor: red\nsavefig.dpi: 30\nbackend: gtk4agg\n"


def work(folder, *flags, **environment):
    """Every file that the work leaves in a folder, by name; `environment` on top of a plain one, None to take a variable away."""
    folder.mkdir(parents=True)
    (folder / "work.py").write_text(WORK, encoding="utf-8")
    (folder / "spec.toml").write_text(SPEC, encoding="utf-8")
    (folder / "matplotlibrc").write_text(RC if "MPLBACKEND" in environment else "", encoding="utf-8")
    plain = {k: os.environ[k] for k in ("PATH", "OMP_NUM_THREADS", "SYSTEMROOT") if k in os.environ}
    plain |= {
        "PYTHONPATH": str(ROOT),
        "MPLCONFIGDIR": matplotlib.get_cachedir(),
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [sys.executable, *flags, "work.py"],
        cwd=folder,
        env={k: v for k, v in (plain | environment).items() if v is not None},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    given = ("work.py", "spec.toml", "matplotlibrc")
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in given)
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return work(tmp_path_factory.mktemp("usual") / "plain")


MATRIX = {
    "a backend that is none, settings, empty variables": (
        [],
        {"MPLBACKEND": "nonsense", "RMT_ALPHA_DATA": "", "XDG_CACHE_HOME": "", "SLURM_CPUS_PER_TASK": "", "LC_ALL": ""},
    ),
    "a backend without its library, settings, the C locale, no HOME": (
        [],
        {"MPLBACKEND": "gtk4agg", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "HOME": None},
    ),
    "-OO, a HOME that is no folder": (["-OO"], {"HOME": "/dev/null"}),
}


@pytest.mark.parametrize("case", MATRIX)
def test_the_environment_changes_nothing(case, usual, tmp_path):
    flags, environment = MATRIX[case]
    found = work(tmp_path / "a folder with spaces, é", *flags, **environment)
    assert found.keys() == usual.keys()
    assert [name for name in usual if found[name] != usual[name]] == []


def test_the_usual_work_is_done(usual):
    said = usual["said"].decode().splitlines()
    assert [line for line in said if line in ("0", "1", "2")] == ["0", "0", "0", "0"]
    assert "a map é.csv" in said and any(line.startswith("store é/sweep-") for line in said)
    assert {"by hand.png", "by us.png", "a map é.pdf", "β é.json", "store é/store.json"} <= usual.keys()
