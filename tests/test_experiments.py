"""The runner of the experiments: what it writes, what it prints, and its exit status."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import experiments
from experiments import NAMES, ON_REQUEST, runner
from experiments.runner import main

ROOT = Path(__file__).parent.parent


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True,
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
    assert eta_ten.published_alpha > 1.2 * eta_ten.optimal_alpha
    name, comparisons, largest, bound, _ = done.stdout.splitlines()[1].split()
    assert name == "optimal_alpha_vs_beta" and int(comparisons) == 40 and float(largest) < float(bound)
    assert "agree: 40 comparisons" in done.stdout and all(len(line) <= 80 for line in done.stdout.splitlines()[:2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phase_mat"], "NAME must be an experiment, got phase_mat. Did you mean phase_map"),
        (["--trials", "1"], "--trials must be at least 2, got 1"),
        (["--workers", "0"], "--workers must be at least 1, got 0"),
        (["--seed", "-1"], "--seed must not be negative, got -1"),
        (["--out", "/dev/null/figures"], "--out must be a folder that can be written"),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """An empty folder, and a proxy that nobody listens on: neither a local copy nor a network."""
    empty = tmp_path / "empty"
    empty.mkdir()
    proxy = "http://127.0.0.1:9"
    for key, value in {"RMT_ALPHA_DATA": empty, "XDG_CACHE_HOME": empty, "https_proxy": proxy, "no_proxy": ""}.items():
        monkeypatch.setenv(key, str(value))


def test_data_asked_for_by_name_that_cannot_be_had_fail(tmp_path, capsys, nowhere):
    words = ["amazon_scores", "optimal_alpha_map", "--trials", "4", "--workers", "1", "--out", str(tmp_path)]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "amazon_scores: amazon_review/" in said and "set RMT_ALPHA_DATA" in " ".join(said.split())
    assert (tmp_path / "optimal_alpha_map.png").exists()


def test_data_that_nobody_named_are_skipped_with_a_reason(tmp_path, monkeypatch, capsys, nowhere):
    monkeypatch.setattr(runner, "NAMES", ("optimal_alpha_map", "amazon_scores", "amazon_table"))
    assert main(["--trials", "8", "--workers", "1", "--out", str(tmp_path)]) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "skip" in line.lower() and ":" in line]
    assert said.startswith("Skipped amazon_scores, amazon_table: amazon_review/") and "set RMT_ALPHA_DATA" in said
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "optimal_alpha_map.png" in page and "| amazon_table |  | skipped |" in page


def outcome(largest, comparisons=100, trials=1000):
    return runner.Outcome("one", "done", [], "", comparisons, largest, trials - 1, 0.0)


@pytest.mark.parametrize(("largest", "wrong"), [(4.0, []), (5.5, ["one"]), (float("nan"), ["one"])])
def test_theory_and_simulation_disagree_beyond_chance(largest, wrong):
    assert runner.disagreeing([outcome(largest)]) == wrong


def test_the_bound_is_bonferronis_by_students_law():
    assert outcome(0).bound(1) == pytest.approx(3.9065, abs=1e-3)  # two-sided, 1e-4, 999 degrees of freedom
    assert outcome(0, trials=8).bound(1) == pytest.approx(7.885, abs=1e-2)  # 7 degrees
    assert outcome(0).bound(1000) > outcome(0).bound(1)
    assert runner.disagreeing([outcome(4.5, comparisons=1)]) == ["one"]  # one look
    assert runner.disagreeing([outcome(4.5, comparisons=1), outcome(1.0, comparisons=2000)]) == []  # one of 2001


def test_a_wrong_theory_fails_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(tmp_path)])
    (tmp_path / "wrong.py").write_text(
        '"""Wrong."""\n\n\ndef run(lab):\n    lab.trials(8)\n    lab.trials(40)\n    lab.check([1.0, -99.0])\n',
        encoding="utf-8",
    )
    done = runner.run("wrong", tmp_path, None, 0)
    assert (done.comparisons, done.largest, done.freedom) == (2, 99.0, 7) and runner.disagreeing([done]) == ["wrong"]
    monkeypatch.setattr(runner, "run_all", lambda jobs, workers: [done])
    assert main(["spread", "--out", str(tmp_path)]) == 1
    assert "DISAGREE in wrong: 2 comparisons" in capsys.readouterr().out


def test_every_committed_page_knows_every_experiment():
    page = (ROOT / "figures/README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\w+) \|", page, re.MULTILINE)[1:] == list(NAMES)
    assert "seconds" not in page
    for target in re.findall(r"\]\(([^)]+)\)", page):
        assert (ROOT / "figures" / target).exists(), target
    assert page.endswith(f"\nBy name only:\n\n{runner.on_request(ROOT / 'figures')}")
    held = {p.name for p in (ROOT / "figures").iterdir() if p.suffix in (".csv", ".pdf", ".png")}
    assert held - set(re.findall(r"\]\(([^)]+)\)", page)) <= {"readme.png", "explorer.png"}


def test_those_by_name_have_their_files_on_the_page(tmp_path):
    for name in ("rank_and_alpha.md", "rank_and_alpha.csv", "rank_and_alpha_runs.csv", "rank_and_alpha.png", "spread.csv",
                 "domain_features.md", "domain_features_curves.pdf", "glue_full.csv"):  # fmt: skip
        (tmp_path / name).touch()
    page = runner.on_request(tmp_path).splitlines()
    assert len(page) == len(ON_REQUEST)
    assert (
        "- [rank_and_alpha](rank_and_alpha.md): [csv](rank_and_alpha.csv), [runs.csv](rank_and_alpha_runs.csv), "
        "[png](rank_and_alpha.png)"
    ) in page
    assert "- [domain_features](domain_features.md): [curves.pdf](domain_features_curves.pdf)" in page
    assert "- glue_full" in page  # nothing said how it was made
