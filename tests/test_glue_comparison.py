"""The comparison with a base that learns: its design, its search, its pairs and its verdicts, on planted records."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import glue_comparison, glue_design, glue_records
from experiments.glue_comparison import accuracies, contrasts, missing, report, verdict
from experiments.glue_design import CELLS, LENGTHS, METHODS, ORDER, SEEDS, Cell, block, complete, digest, pending, rate
from experiments.glue_records import EMPTY, keep, read, right
from experiments.lab import Lab
from rmt_alpha import plotting

HERE, THERE = "one processor", "another processor"
SST2 = Cell("sst2", 500)
BEST = {"full": 3.16e-5, "head": 3.16e-3}  # inside the grids as they start; of the others 1e-3


def accuracy(job, peak=None, alpha_peak=5e-3):
    """Of a search's run: highest at the best rate, a tenth of a point lower per factor of e."""
    best = (peak or {}).get(job["method"], BEST.get(job["method"], 1e-3))
    away = abs(np.log(job["lr"] / best)) + abs(np.log(job.get("row_scale_lr", alpha_peak) / alpha_peak))
    return 0.9 - 0.001 * away


def planted(cell, job, processor=HERE, rows=400, shift=None, diverges=None, **search):
    """A record as `finetune_sweep` gives it; `shift`: how much likelier than the others a method is to be right."""
    right = np.random.default_rng([job["seed"], METHODS.index(job["method"])]).random(rows) < 0.8 + (shift or {}).get(
        job["method"], 0.0
    )
    record = dict.fromkeys(glue_records.KEPT, 1) | {k: v for k, v in job.items() if k in glue_records.KEPT}
    if diverges is not None and diverges(job):
        held = {"base": "b", "processor": processor, "cpu_seconds": 50.0, "dev_rows": rows, "diverged": "at step 3"}
        return {k: v for k, v in record.items() if k in job} | held | {"validation_accuracy": None}
    scales = {"layer.0.q": [0.9, 1.1], "layer.0.v": [1.0, 1.2]} if job["method"].startswith("alpha") else {}
    return record | {
        "precision": "float32", "base": "b", "data": "d", "processor": processor, "versions": {}, "cpu_seconds": 50.0,
        "validation_accuracy": accuracy(job, **search), "dev_accuracy": right.mean(), "majority_accuracy": 0.5,
        "dev_rows": rows, "diverged": None, "dev_predictions": right.astype(int).tolist(), "row_scales": scales,
    }  # fmt: skip


@pytest.fixture
def world(tmp_path):
    """Runs what is pending with planted records, until a cell has so many seeds; returns what lies there."""

    def go(until, processor=HERE, **planting):
        for _ in range(4000):
            held = read(tmp_path)
            step = next(pending(held, processor), None)
            if step is None or until(held):
                return held
            cell, jobs = step
            for job in jobs:
                record = planted(cell, job, processor, **planting)
                keep(tmp_path, cell, job, record, np.ones(record["dev_rows"], dtype=int))
        raise AssertionError("the sweep does not end")

    go.folder = tmp_path
    return go


def seeds_done(held, cell=SST2):
    return len(list(complete(held, cell)))


def tried(held, method, **fixed):
    here = held[(held.method == method) & held.dev_accuracy.isna() & (held.cell == SST2.name)]
    return sorted(set(here.lr)), here


def searched_cell(world, **planting):
    return world(lambda held: glue_design.rates_of(held, SST2) is not None, **planting)


def test_a_search_whose_best_lies_inside(world):
    held = searched_cell(world)
    rates = glue_design.rates_of(held, SST2)
    assert rates.lr == {
        "lora": 1e-3, "alpha-lora": 1e-3, "lora-extra": 1e-3, "alpha-joint": 1e-3, "full": 3.16e-5, "head": 3.16e-3,
    }  # fmt: skip
    assert rates.alpha == 5e-3
    assert tried(held, "lora")[0] == tried(held, "alpha-lora")[0] == [3.16e-4, 1e-3, 3.16e-3]
    assert set(held.seed) == {1000, 1001, 1002}
    assert len(held) == 3 * (4 * 3 + 2)  # two methods and two more; and α's two further rates


@pytest.mark.parametrize(
    ("peak", "method", "best", "grid"),
    [
        ({"full": 1e-6}, "full", 1e-6, (-13, -7)),  # downwards, to one beyond
        ({"full": 1e-3}, "full", 1e-3, (-10, -4)),
        ({"lora": 1e-2, "alpha-lora": 1e-2}, "lora", 1e-2, (-7, -2)),
        ({"full": 1.0}, "full", 1e-2, (-10, -3)),  # seven rates and no more
    ],
)
def test_a_grid_grows_until_the_best_lies_inside(world, peak, method, best, grid):
    held = searched_cell(world, peak=peak)
    found = tried(held, method)[0]
    assert found == [rate(k) for k in range(*grid)][: glue_design.MOST]
    chosen = glue_design.rates_of(held, SST2).lr[method]
    assert chosen == pytest.approx(min(best, found[-1]))
    assert len(found) == glue_design.MOST or found[0] < chosen < found[-1]


@pytest.mark.parametrize(
    ("diverges", "tried_rates", "chosen"),
    [
        (lambda job: job["lr"] > 1e-3, [3.16e-4, 1e-3, 3.16e-3], 1e-3),  # the upper rate alone
        (lambda job: job["lr"] > 2e-4, [3.16e-5, 1e-4, 3.16e-4, 1e-3, 3.16e-3], 1e-4),  # all there are: downwards
        (lambda job: job["lr"] > 1e-3 and job["seed"] == 1001, [3.16e-4, 1e-3, 3.16e-3], 1e-3),  # one seed is enough
    ],
)
def test_a_rate_that_diverges_is_bad(world, diverges, tried_rates, chosen):
    peak = {"lora": 3.16e-3, "alpha-lora": 3.16e-3} if chosen == 1e-3 else {"lora": 1e-3, "alpha-lora": 1e-3}
    held = searched_cell(world, peak=peak, diverges=lambda job: "lora" in job["method"] and diverges(job))
    assert tried(held, "lora")[0] == tried(held, "alpha-lora")[0] == tried_rates
    assert glue_design.rates_of(held, SST2).lr["lora"] == chosen
    assert "runs diverged." in report(held).splitlines()[0] and held.diverged.notna().sum() > 0


def test_a_run_of_the_comparison_that_diverges_counts_as_the_majority_class(tmp_path):
    job, labels = block(SST2, 0, glue_design.Rates(dict.fromkeys(METHODS, 1e-3), 5e-3))[0], np.array([0, 1, 1, 0, 1])
    record = planted(SST2, job, rows=5, diverges=lambda job: True)
    keep(tmp_path, SST2, job, record, labels)
    held = read(tmp_path).iloc[0]
    assert held.dev_accuracy == held.majority_accuracy == 0.6 and held.diverged == "at step 3"
    assert right(held).tolist() == [False, True, True, False, True] and held.row_scales == {}


def test_each_of_the_two_has_its_best_inside_and_both_have_as_many_tries(world):
    """α-LoRA's own best at the edge lengthens LoRA's grid too; the rate is that which is best for both together."""
    held = searched_cell(world, peak={"lora": 1e-3, "alpha-lora": 3.16e-3})
    assert tried(held, "lora")[0] == tried(held, "alpha-lora")[0] == [3.16e-4, 1e-3, 3.16e-3, 1e-2]
    lora, alpha = (tried(held, m)[1] for m in ("lora", "alpha-lora"))
    assert len(lora) == 12 and len(alpha) == 12 + 6  # and α's rate
    rates = glue_design.rates_of(held, SST2).lr
    assert len({rates[m] for m in ("lora", "alpha-lora", "lora-extra", "alpha-joint")}) == 1


def test_the_rate_of_alpha_is_searched_for_upwards(world):
    held = searched_cell(world, alpha_peak=0.135)
    assert glue_design.rates_of(held, SST2).alpha == pytest.approx(0.135)
    assert sorted(set(held[held.method == "alpha-lora"].row_scale_lr)) == pytest.approx([5e-3 * 3**j for j in range(5)])
    found = block(SST2, 3, glue_design.rates_of(held, SST2))
    assert {j["method"]: j.get("row_scale_lr") for j in found if "row_scale_lr" in j} == pytest.approx(
        {"alpha-lora": 0.135, "alpha-joint": 0.135}
    )


def test_a_search_reads_training_rows_only():
    job = glue_design.search_job(Cell("mnli", 2000), "full", 1000, 1e-5)
    assert job["n_dev"] == 1 and job["n_train"] == 2600 and round(job["validation"] * 2600) == 1000
    assert job["steps"] == 150 and job["evaluations"] == 1 and job["max_length"] == 80
    assert not set(glue_design.SEARCH_SEEDS) & set(range(SEEDS))


def test_a_blocks_runs_differ_in_the_method_alone(world):
    rates = glue_design.rates_of(searched_cell(world), SST2)
    jobs = block(SST2, 7, rates)
    assert [j["method"] for j in jobs] == list(METHODS)
    common = [{k: v for k, v in j.items() if k not in ("method", "lr", "row_scale_lr")} for j in jobs]
    assert all(c == common[0] for c in common)
    assert common[0]["seed"] == 7 and common[0]["n_train"] == 500 and "n_dev" not in common[0]  # all of them


def test_the_order_is_sst2_then_five_seeds_of_each_then_all():
    assert ORDER[:2] == ((Cell("sst2", 500), 15), (Cell("sst2", 2000), 15))
    assert [seeds for _, seeds in ORDER[2:]] == [5] * 6 + [15] * 6
    assert (
        {cell for cell, _ in ORDER[2:8]} == {cell for cell, _ in ORDER[8:]} == set(CELLS) - {ORDER[0][0], ORDER[1][0]}
    )
    assert {cell.task for cell in CELLS} == set(LENGTHS) == {"sst2", "qnli", "mnli", "mrpc"}


def test_a_sweep_goes_on_from_wherever_it_stands(world):
    held = world(lambda held: seeds_done(held) == 2)
    file = sorted(world.folder.glob("sst2-500/lora-extra-seed1-*.json"))[0]
    file.unlink()
    cell, jobs = next(pending(read(world.folder), HERE))
    assert cell == SST2 and [(j["method"], j["seed"]) for j in jobs] == [("lora-extra", 1)]
    assert seeds_done(read(world.folder)) == 1
    again = world(lambda held: seeds_done(held) == 2)
    assert set(again.index) == set(held.index)


def test_sst2_ends_and_the_next_cell_begins(world):
    held = world(lambda held: seeds_done(held) == SEEDS)
    cell, jobs = next(pending(held, HERE))
    assert cell == Cell("sst2", 2000) and {j["n_train"] for j in jobs} == {2600}
    assert (held[held.cell == SST2.name].dev_accuracy.notna()).sum() == SEEDS * len(METHODS)


def test_the_cells_that_lack_runs_come_once_each_in_their_order(world):
    held = world(lambda held: seeds_done(held) == 2)
    found = list(pending(held, HERE))
    assert [cell for cell, _ in found] == list(dict.fromkeys(cell for cell, _ in ORDER))
    assert [(j["method"], j["seed"]) for j in found[0][1]] == [(m, 2) for m in METHODS]
    assert all({j["seed"] for j in jobs} == set(glue_design.SEARCH_SEEDS) for _, jobs in found[1:])


def test_everything_ends(world, monkeypatch):
    for module in (glue_design, glue_comparison):
        monkeypatch.setattr(module, "ORDER", ((SST2, 1), (Cell("mrpc", 500), 1)))
    held = world(lambda held: False)
    assert not list(pending(held, HERE)) and set(held.cell) == {"sst2-500", "mrpc-500"}


def test_pairs_never_mix_processors(world):
    held = world(lambda held: seeds_done(held) == 1)
    rates = glue_design.rates_of(held, SST2)
    for job in block(SST2, 1, rates)[:3]:  # half of the next block here, half there
        keep(world.folder, SST2, job, planted(SST2, job, HERE), np.ones(400, dtype=int))
    for job in block(SST2, 1, rates)[3:]:
        keep(world.folder, SST2, job, planted(SST2, job, THERE), np.ones(400, dtype=int))
    held = read(world.folder)
    assert [seed for seed, _ in complete(held, SST2)] == [0]
    for processor, lacking in ((HERE, METHODS[3:]), (THERE, METHODS[:3])):
        _, jobs = next(pending(held, processor))
        assert [(j["seed"], j["method"]) for j in jobs] == [(1, m) for m in lacking]
    held = world(lambda held: seeds_done(held) == 2, THERE)
    for seed, records in complete(held, SST2):
        assert records.processor.nunique() == 1 and records.processor.iloc[0] == (THERE if seed else HERE)
    assert next(pending(held, THERE))[1][0]["seed"] == 2  # what is complete elsewhere is not run again


def test_a_search_takes_runs_of_any_processor_once(world):
    held = searched_cell(world)
    rates, one = glue_design.rates_of(held, SST2), held.index[0]
    (file,) = world.folder.glob(f"*/*{one}*")
    file.unlink()
    assert glue_design.rates_of(read(world.folder), SST2) is None
    for processor in (HERE, THERE):
        _, jobs = next(pending(read(world.folder), processor))
        assert [digest(j) for j in jobs] == [one]
    keep(world.folder, SST2, jobs[0], planted(SST2, jobs[0], THERE), np.ones(400, dtype=int))
    assert glue_design.rates_of(read(world.folder), SST2) == rates
    keep(world.folder, SST2, jobs[0], planted(SST2, jobs[0], HERE), np.ones(400, dtype=int))
    twice = read(world.folder)
    assert len(twice) == len(held) + 1 and len(glue_design.first_of_each(twice)) == len(held)
    assert glue_design.rates_of(read(world.folder), SST2) == rates


def complete_cells(world, monkeypatch, cells, seeds, **planting):
    for module in (glue_design, glue_comparison):
        monkeypatch.setattr(module, "ORDER", tuple((cell, seeds) for cell in cells))
    return world(lambda held: False, **planting)


def test_a_planted_difference_is_found_when_all_seeds_are_there(world, monkeypatch):
    held = complete_cells(world, monkeypatch, [SST2], SEEDS, shift={"alpha-lora": 0.08, "full": 0.08})
    table = contrasts(held).set_index(["method", "against"])
    row = table.loc[("alpha-lora", "lora")]
    assert row.difference == pytest.approx(0.08, abs=0.02) and row.low > 0.05 and row.verdict == "ahead"
    assert row.seeds == SEEDS and row.task == "sst2" and row.n == 500
    assert table.loc[("lora", "full")].verdict == "behind"
    assert table.loc[("alpha-joint", "lora")].verdict == "not decided"
    found = accuracies(held).set_index("method")
    assert found.accuracy["alpha-lora"] == pytest.approx(0.88, abs=0.02)
    assert (found.low < found.accuracy).all() and (found.accuracy < found.high).all()


def test_nothing_is_decided_before_all_seeds_are_there(world, monkeypatch):
    held = complete_cells(world, monkeypatch, [SST2], 4, shift={"alpha-lora": 0.15})
    row = contrasts(held).iloc[0]
    assert row.p < 0.01 and row.verdict == "open: 4 of 15 seeds"
    assert "4 of 15 seeds complete" in report(held)


def test_differences_are_of_the_same_rows_and_seeds(world, monkeypatch):
    held = complete_cells(world, monkeypatch, [SST2], 3)
    _, table, _ = glue_comparison.tables(held, SST2)
    row = contrasts(held).set_index(["method", "against"]).loc[("alpha-lora", "lora")]
    assert row.difference == pytest.approx(table["alpha-lora"].mean() - table["lora"].mean())
    assert table["lora"].shape == (3, 400)
    mine = held[(held.method == "lora") & (held.seed == 2) & held.dev_accuracy.notna()].iloc[0]
    np.testing.assert_array_equal(table["lora"][2], right(mine))
    assert table["lora"][2].mean() == mine.dev_accuracy


def test_holm_is_over_all_tasks_of_the_design(world, monkeypatch):
    """A task without results counts as p = 1: what is decided stays so as the others come."""
    held = complete_cells(world, monkeypatch, [SST2, Cell("mrpc", 500)], 3, shift={"alpha-lora": 0.03})
    table = contrasts(held)
    here = table[(table.method == "alpha-lora") & (table.against == "lora")].set_index("task")
    alone = contrasts(held[held.cell == SST2.name]).iloc[0]
    assert set(here.index) == {"sst2", "mrpc", "mean of 2"}
    for name in ("p", "p_equivalent"):
        own = here[name]["sst2"]
        assert own == alone[name] and 0 < own < 1
        assert here[f"{name}_holm"]["sst2"] == alone[f"{name}_holm"] == pytest.approx(min(1, 4 * own))
        assert here[f"{name}_holm"]["mean of 2"] == here[name]["mean of 2"]
    assert (here.low["sst2"] > 0) == (here.p["sst2"] < 0.05)
    assert here.difference["mean of 2"] == pytest.approx(here.difference[["sst2", "mrpc"]].mean())
    assert here.se["mean of 2"] == pytest.approx(here.se["sst2"] / np.sqrt(2))


def test_the_mean_of_the_tasks_is_open_until_all_are_there(world, monkeypatch):
    held = complete_cells(world, monkeypatch, [SST2, Cell("mrpc", 500)], SEEDS, shift={"alpha-lora": 0.1})
    table = contrasts(held).set_index("task")
    assert table.verdict["sst2"].iloc[0] == "ahead" and table.verdict["mean of 2"].iloc[0] == "open: 2 of 4 tasks"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (dict(seeds=14, p_holm=1e-9, p_equivalent_holm=1.0, difference=0.1), "open: 14 of 15 seeds"),
        (dict(seeds=15, p_holm=0.04, p_equivalent_holm=0.9, difference=0.1), "ahead"),
        (dict(seeds=15, p_holm=0.04, p_equivalent_holm=0.9, difference=-0.1), "behind"),
        (dict(seeds=15, p_holm=0.06, p_equivalent_holm=0.04, difference=0.001), "equal within 0.5 points"),
        (dict(seeds=15, p_holm=0.04, p_equivalent_holm=0.04, difference=0.001), "ahead, equal within 0.5 points"),
        (dict(seeds=15, p_holm=0.06, p_equivalent_holm=0.06, difference=0.001), "not decided"),
    ],
)
def test_verdicts(row, said):
    assert verdict(row, 0.005) == said


def test_equal_methods_are_equal_where_there_are_rows_enough(world, monkeypatch):
    held = complete_cells(world, monkeypatch, [SST2], SEEDS, rows=30_000)
    found = contrasts(held)
    assert (found.p_equivalent_holm < 0.05).all() and found.verdict.str.contains("equal within").all()
    assert (found.seeds_needed <= SEEDS).all()


def test_hours_that_are_missing(world, monkeypatch):
    assert missing(EMPTY).startswith("Left for the first stage: 648 runs; for all: 1008 runs")
    held = world(lambda held: seeds_done(held) == 1)
    told = missing(held)
    # 2 · 15 · 6 + 6 · 5 · 6 runs and 8 searches of 36, less what is done; α's rate is not foreseen
    assert f"first stage: {360 + 288 - 6 - 36} runs, " in told and "core-hours" in told
    full = glue_comparison.work("mnli-2000", "full", True)
    assert full > glue_comparison.work("mnli-2000", "lora", True) > glue_comparison.work("sst2-500", "lora", True)


def test_records_are_read_as_they_were_kept(tmp_path):
    job = glue_design.job(SST2, "alpha-lora", 3, 1e-3)
    record = planted(SST2, job, rows=13)
    labels = np.array([1, 0] * 6 + [1])
    file = keep(tmp_path, SST2, job, record, labels)
    held = read(tmp_path).iloc[0]
    assert held.name == digest(job) and file.parent.name == "sst2-500"
    np.testing.assert_array_equal(right(held), np.array(record["dev_predictions"]) == labels)
    assert held.row_scales["layer.0.q"] == pytest.approx([1.0, 0.1]) and file.stat().st_size < 3000


def test_records_of_two_base_models_are_refused(tmp_path):
    for base, seed in (("b", 0), ("c", 1)):
        job = glue_design.job(SST2, "lora", seed, 1e-3)
        keep(tmp_path, SST2, job, planted(SST2, job) | {"base": base}, np.ones(400, dtype=int))
    with pytest.raises(ValueError, match="are of 2 base models"):
        read(tmp_path)


def test_an_altered_record_is_named(tmp_path):
    job = glue_design.job(SST2, "lora", 0, 1e-3)
    file = keep(tmp_path, SST2, job, planted(SST2, job), np.ones(400, dtype=int))
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ValueError, match=f"{file.name} is truncated, altered.*Delete it, and the sweep runs it again"):
        read(tmp_path)


def test_another_design_is_another_run():
    one = glue_design.job(SST2, "lora", 0, 1e-3)
    assert digest(one) != digest(one | {"steps": 61}) and digest(one) == digest(dict(reversed(one.items())))
    assert "precision" not in one  # it is the processor's, and pairs have one processor


def test_the_picture_and_the_remarks(world, monkeypatch, tmp_path):
    held = complete_cells(world, monkeypatch, [SST2, Cell("mrpc", 500)], 3)
    monkeypatch.setattr(glue_comparison, "read", lambda: held)
    lab = Lab("glue_comparison", tmp_path, None, 0)
    with plotting.style():
        glue_comparison.run(lab)
    assert set(lab.files) == {f"glue_comparison{end}" for end in (".csv", "_accuracy.csv", ".pdf", ".png")}
    assert any("alpha-lora − lora, mean of 2, n = 500" in line for line in lab.remarks)
    monkeypatch.setattr(glue_comparison, "read", lambda: EMPTY)
    empty = Lab("glue_comparison", tmp_path, None, 0)
    glue_comparison.run(empty)
    assert empty.remarks[0].startswith("No block of 6 methods is complete yet") and not empty.files


def test_the_kept_records_are_those_of_the_design():
    """Whatever lies in figures/ was asked for by this design, and by no other."""
    held = read()
    known = {cell.name for cell in CELLS}
    assert set(held.cell) <= known
    for cell in CELLS:
        rates = glue_design.rates_of(held, cell)
        tested = held[(held.cell == cell.name) & held.dev_accuracy.notna()]
        if len(tested):
            assert rates is not None
            wanted = {digest(job) for seed in range(SEEDS) for job in block(cell, seed, rates)}
            assert set(tested.index) <= wanted


def test_the_page_on_language_models_gives_the_numbers_of_the_table():
    root = Path(glue_records.FOLDER).parent
    page = (root.parent / "docs/language_models.md").read_text(encoding="utf-8").splitlines()
    named = {"lora": "LoRA", "alpha-lora": "α-LoRA", "full": "full fine-tuning"}

    def points(x):
        return f"{100 * x:+.2f}".replace("-", "−").replace("+0.", "+.").replace("−0.", "−.")

    table = pd.read_csv(root / "glue_comparison.csv")
    singly = table[table.task.isin(list(LENGTHS))]
    assert len(singly) >= 20
    for row in singly.itertuples():
        first, second = (named.get(name, f"`{name}`") for name in (row.method, row.against))
        (line,) = (line for line in page if line.startswith(f"| {first} − {second} |"))
        p = f"{row.p:.2f}".removeprefix("0")
        assert f"{points(row.difference)} [{points(row.low)}, {points(row.high)}], p = {p}" in line
    (line,) = (
        line
        for line in page
        if line.startswith("| accuracy of LoRA, α-LoRA, `lora-extra`, `alpha-joint`, full, the head")
    )
    for _, rows in pd.read_csv(root / "glue_comparison_accuracy.csv").groupby(["task", "n"]):
        accuracy = rows.set_index("method").accuracy
        order = ("lora", "alpha-lora", "lora-extra", "alpha-joint", "full", "head")
        assert ", ".join(f"{100 * accuracy[name]:.1f}" for name in order) in line
