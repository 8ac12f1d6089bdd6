"""The table of claims: it is made from the tables that stand, and a verdict turns where its numbers do."""

import shutil

import pandas as pd
import pytest

from experiments import seed_claims
from experiments.glue_records import EMPTY
from experiments.lab import Lab
from experiments.seed_claims import FIGURES, NOT_SUPPORTED, SUPPORTED, UNDECIDED

USED = ("glue_table_rates", "glue_table_runs", "glue_table_tests", "glue_table", "adapter_cost", "alpha_statistics_layers",
        "alpha_statistics_correlation", "alpha_sensitivity", "domain_transfer_lm_runs", "several_tasks",
        "time_to_accuracy_ratios")  # fmt: skip


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The committed tables, one of which is changed by `tables(name, function)`."""
    for name in USED:
        shutil.copy(FIGURES / f"{name}.csv", tmp_path)
    monkeypatch.setattr(seed_claims, "FIGURES", tmp_path)
    monkeypatch.setattr(seed_claims, "read", lambda: EMPTY)

    def change(name, function):
        table = pd.read_csv(tmp_path / f"{name}.csv")
        function(table)
        table.to_csv(tmp_path / f"{name}.csv", index=False)

    return change


def test_what_is_committed_is_what_the_tables_say(tmp_path):
    lab = Lab("seed_claims", tmp_path, None, 0)
    seed_claims.run(lab)
    committed = (FIGURES / "seed_claims.md").read_text(encoding="utf-8")
    assert committed.partition("\n\n| ")[2] == "\n".join(lab.remarks)[2:] + "\n"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "seed_claims.csv"), pd.read_csv(FIGURES / "seed_claims.csv"))
    for row in pd.read_csv(FIGURES / "seed_claims.csv").itertuples():
        assert row.verdict in (SUPPORTED, NOT_SUPPORTED, UNDECIDED)
        assert row.source == "none" or (FIGURES / row.source).exists()


def full_by(shift, edge=False):
    def change(runs):
        alpha = runs[runs.method == "alpha-lora"].set_index(["task", "seed", "n_train"]).dev_accuracy
        mine = runs.method == "full"
        keys = list(runs.loc[mine, ["task", "seed", "n_train"]].itertuples(index=False, name=None))
        runs.loc[mine, "dev_accuracy"] = [alpha[key] + shift for key in keys]

    return change


def interior(rates):
    rates.loc[(rates.method == "full") & (rates.lr > 9e-5) & (rates.lr < 2e-4), "validation_accuracy"] = 0.99


@pytest.mark.parametrize(("shift", "verdict"), [(0.001, SUPPORTED), (0.03, NOT_SUPPORTED), (-0.03, SUPPORTED)])
def test_competitive_with_full(tables, shift, verdict):
    tables("glue_table_runs", full_by(shift))
    assert seed_claims.with_full().verdict == UNDECIDED  # full's rate is the edge of its grid
    tables("glue_table_rates", interior)
    found = seed_claims.with_full()
    assert found.verdict == verdict and "edge" not in found.number and f"{-100 * shift:+.2f} points" in found.number


def test_the_final_comparison_speaks_where_it_has_decided(tables, monkeypatch):
    def final(verdict):
        row = dict(method="alpha-lora", against="full", task="sst2", n=500, verdict=verdict)
        monkeypatch.setattr(seed_claims, "contrasts", lambda held: pd.DataFrame([row]))
        return seed_claims.with_full()

    assert final("equal within 1 points").verdict == SUPPORTED
    assert final("behind").verdict == NOT_SUPPORTED
    assert final("behind").source == "glue_comparison.csv"
    for undecided in ("open: 5 of 15 seeds", "not decided"):
        assert final(undecided).source == "glue_table_runs.csv"


def test_cost(tables):
    def until(low, high):
        def change(ratios):
            ratios["low"], ratios["high"] = low, high

        return change

    for bounds, verdict in (((0.3, 0.9), SUPPORTED), ((0.3, 1.1), UNDECIDED), ((1.1, 2.0), NOT_SUPPORTED)):
        tables("time_to_accuracy_ratios", until(*bounds))
        assert seed_claims.resources().verdict == verdict
    tables("time_to_accuracy_ratios", until(0.3, 0.9))

    def slow(cost):
        cost.loc[cost.method == "alpha-lora", "time_ratio"] = 3.0

    tables("adapter_cost", slow)
    assert seed_claims.resources().verdict == NOT_SUPPORTED


def test_patterns(tables):
    assert (seed_claims.by_layer().verdict, seed_claims.by_row().verdict) == (SUPPORTED, NOT_SUPPORTED)

    def chance(layers):
        layers.loc[layers.summary == "sd", "p_within"] = 0.5

    def alike(rows):
        rows["rank_correlation"] = 0.8

    tables("alpha_statistics_layers", chance)
    tables("alpha_statistics_correlation", alike)
    assert (seed_claims.by_layer().verdict, seed_claims.by_row().verdict) == (NOT_SUPPORTED, SUPPORTED)


def test_better_than_lora(tables):
    assert seed_claims.robust().verdict == UNDECIDED

    def ahead(sign):
        def change(tests):
            tests["p_holm"], tests["difference"] = 0.001, sign * 0.05

        return change

    for sign, verdict in ((1, SUPPORTED), (-1, NOT_SUPPORTED)):
        tables("glue_table_tests", ahead(sign))
        assert seed_claims.robust().verdict == verdict


def test_domains(tables):
    assert seed_claims.domains().verdict == NOT_SUPPORTED

    def ahead(runs):
        runs.loc[(runs.method == "alpha-lora") & (runs.row_scale == "row"), "dev_accuracy"] += 0.1

    tables("domain_transfer_lm_runs", ahead)
    assert seed_claims.domains().verdict == SUPPORTED


def test_steadiness(tables):
    assert seed_claims.sensitivity().verdict == UNDECIDED

    def steady(table):
        table["difference"] = 0.001

    tables("alpha_sensitivity", steady)
    assert seed_claims.sensitivity().verdict == SUPPORTED


def test_several_tasks(tables):
    def ahead(by):
        def change(table):
            mine = (table.trained == "together") & (table.method == "alpha-lora")
            other = table[(table.trained == "together") & (table.method == "lora")].set_index(["task", "seed"]).accuracy
            keys = list(table.loc[mine, ["task", "seed"]].itertuples(index=False, name=None))
            table.loc[mine, "accuracy"] = [other[key] + by + 0.001 * key[1] for key in keys]

        return change

    for by, verdict in ((0.05, SUPPORTED), (-0.05, NOT_SUPPORTED), (-0.002, UNDECIDED)):
        tables("several_tasks", ahead(by))
        assert seed_claims.several_tasks().verdict == verdict
