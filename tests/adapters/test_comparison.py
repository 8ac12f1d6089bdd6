"""The comparison of methods: its statistics, its equal budgets, and tables and pictures drawn from planted records."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

REASON = "needs the extra: pip install -e '.[lm]'"
pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)
pytest.importorskip("peft", reason=REASON)

from adapters_models import minilm_folder  # noqa: E402

from experiments import (  # noqa: E402
    adapter_cost,
    alpha_sensitivity,
    alpha_statistics,
    domain_transfer_lm,
    finetuning,
    glue_curves,
    glue_decoder,
    glue_full,
    glue_published,
    glue_table,
    rank_and_alpha,
    several_tasks,
    time_to_accuracy,
)
from experiments.lab import Lab  # noqa: E402
from rmt_alpha import plotting  # noqa: E402
from rmt_alpha.adapters import METHODS, Examples, Recipe, Task  # noqa: E402
from rmt_alpha.simulation import pool  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


def test_paired_p_counts_changes_of_sign():
    differences = np.array([0.3, -0.1, 0.2, 0.05, 0.4])
    means = [np.mean(differences * signs) for signs in itertools.product((1, -1), repeat=5)]
    expected = np.mean(np.abs(means) >= abs(differences.mean()) - 1e-12)
    assert finetuning.paired_p(differences) == pytest.approx(expected)
    assert finetuning.paired_p(np.ones(5)) == pytest.approx(2 / 32)  # the least that five pairs can give


def test_bootstrap_interval_covers():
    rng = np.random.default_rng(0)
    inside = [low <= 1 <= high for low, high in (finetuning.interval(rng.normal(1, 2, 30)) for _ in range(100))]
    assert 0.85 <= np.mean(inside) <= 0.99
    assert finetuning.interval([0.5, 0.5]) == (0.5, 0.5)


def planted(jobs):
    """Records with accuracies known beforehand: α-LoRA one point above LoRA, choosing on the test set two points above the last step."""
    rows = []
    for asked in jobs:
        rng = np.random.default_rng(asked["seed"])
        recipe = {name: asked.get(name, getattr(Recipe(), name)) for name in vars(Recipe())}
        accuracy = 0.7 + 0.01 * (asked["method"] == "alpha-lora") + 0.02 * rng.standard_normal()
        published = asked.get("protocol") == "published"
        looks = np.linspace(recipe["steps"] / recipe["evaluations"], recipe["steps"], recipe["evaluations"])
        scales = {
            f"layer.{k}.{kind}.default": list(1 + 0.1 * rng.standard_normal(8))
            for k in range(3)
            for kind in ("query", "value")
        }
        rows.append(
            recipe
            | {"protocol": "honest"}
            | asked
            | {
                "dev_accuracy": accuracy, "dev_accuracy_last": accuracy - 0.02 if published else None, "majority_accuracy": 0.5,
                "validation_accuracy": accuracy if not published else None, "dev_rows": 100, "chosen_step": 10,
                "trainable_parameters": 99, "train_seconds": 1.0, "cpu_seconds": 9.0, "peak_memory_mb": 1.0, "device": "none", "command": "none",
                "versions": {"python": "3"}, "row_scales": scales if asked["method"] == "alpha-lora" else {},
                "curve": [{"step": s, "loss": 0.5, "judged_loss": 0.5, "judged_accuracy": accuracy} for s in looks],
                "dev_predictions": [0, 1, 2, 3, 4, 4] if asked["method"] == "alpha-lora" else [0, 1, 4, 2, 4, 4],
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


OTHERS = (glue_published, glue_curves, glue_decoder, glue_full, alpha_statistics, alpha_sensitivity, rank_and_alpha,
          several_tasks, time_to_accuracy)  # fmt: skip


# Two development rows of each of three tasks.
ROWS = Examples([("one", "other")] * 6, np.arange(6))
SIX = Task("mrpc+qnli+qqp", tuple("abcdef"), ROWS, ROWS)


@pytest.fixture
def world(monkeypatch, tmp_path):
    """An experiment's lab, and all the jobs asked for instead of run."""
    asked = []

    def recorded(jobs):
        jobs = list(jobs)
        asked.extend(jobs)
        return planted(jobs)

    for module in (finetuning, glue_table, domain_transfer_lm, *OTHERS):
        monkeypatch.setattr(module, "runs", recorded)
    monkeypatch.setattr(several_tasks, "load_task", lambda name: SIX)

    def lab(module):
        made = Lab(module.__name__.rpartition(".")[2], tmp_path, 5, 0)
        with plotting.style():
            module.run(made)
        return made

    lab.asked, lab.out = asked, tmp_path
    return lab


def test_every_method_has_the_same_budget(world):
    finetuning.search()
    tries = (
        pd.DataFrame(world.asked).groupby("method").agg({"lr": ["nunique", "size"], "steps": "max", "n_train": "max"})
    )
    assert len(tries) == len(METHODS) and len(tries.drop_duplicates()) == 1
    assert not {j["task"] for j in world.asked} & set(finetuning.TASKS)  # found on tasks outside the comparison


def test_a_search_goes_on_where_the_best_rate_is_an_edge(monkeypatch):
    peaks = {"lora": 3e-3, "dora": 3e-3, "full": 1e-6, "head": 9 * METHODS["head"].lr, "ia3": 1.0}

    def judged(jobs):
        jobs = list(jobs)
        right = [0.9 - 0.05 * abs(np.log(one["lr"] / peaks[one["method"]])) for one in jobs]
        return pd.DataFrame(jobs).assign(validation_accuracy=right)

    monkeypatch.setattr(finetuning, "runs", judged)
    found = finetuning.search(tuple(peaks))
    tried = {m: np.sort(lr) / METHODS[m].lr for m, lr in found.groupby("method").lr.unique().items()}
    assert tried["lora"] == pytest.approx(finetuning.FACTORS) and tried["dora"] == pytest.approx(finetuning.FACTORS)
    assert tried["full"] == pytest.approx([1 / 81, 1 / 27, 1 / 9, *finetuning.FACTORS])  # as far as a grid goes
    assert tried["head"] == pytest.approx([*finetuning.FACTORS, 27]) and len(tried["ia3"]) == 7
    best = found.loc[found.groupby("method").validation_accuracy.idxmax()].set_index("method").lr
    assert best["head"] == pytest.approx(peaks["head"])
    assert all(found[found.method == m].lr.is_unique for m in peaks)


def test_lora_and_its_variants_share_a_rate():
    tried = [("lora", 1e-3, 0.80), ("lora", 3e-3, 0.90), ("alpha-lora", 1e-3, 0.86), ("alpha-lora", 3e-3, 0.85),
             ("full", 1e-4, 0.90), ("full", 3e-4, 0.70)]  # fmt: skip
    found = pd.DataFrame(tried, columns=["method", "lr", "validation_accuracy"])
    assert finetuning.best(found) == {"lora": 3e-3, "alpha-lora": 3e-3, "full": 1e-4}


def test_glue_table_reports_what_was_planted(world):
    lab = world(glue_table)
    tests = pd.read_csv(world.out / "glue_table_tests.csv")
    ahead = tests[(tests.method == "alpha-lora") & (tests.against == "lora")]
    assert ahead.difference.to_numpy() == pytest.approx(0.01)
    asked = pd.DataFrame(world.asked)
    for n, complete in ((200, finetuning.TASKS), (1000, glue_table.COMPLETE)):
        assert set(ahead[ahead.n_train == n].task) == {*finetuning.TASKS, "all"}
        here = asked[(asked.n_train == n) & asked.task.isin(complete)]
        assert (here.groupby(["task", "method"]).seed.nunique() == 5).all()
        assert here.groupby(["task", "method"]).ngroups == len(complete) * len(METHODS)
    told = " ".join(lab.remarks)
    assert told.count("alpha-lora − lora: +1.00 points") == 2
    assert "MiniLM's makers trained it on MNLI and Quora pairs" in told
    runs = pd.read_csv(world.out / "glue_table_runs.csv")
    assert {"seed", "versions", "command", "lr", "train_seconds"} <= set(runs) and not runs.isna().all(axis=1).any()


@pytest.mark.parametrize("module", OTHERS)
def test_the_others_draw(world, module):
    lab = world(module)
    assert {name.rpartition(".")[2] for name in lab.files} == {"csv", "pdf", "png"} and lab.remarks
    assert all((world.out / name).stat().st_size > 0 for name in lab.files)


def test_memory_is_measured_in_processes_of_a_worker():
    minilm_folder()
    with pool.executor(1) as processes:  # where `python -m experiments` runs it
        found = processes.submit(adapter_cost.peaks, ("lora", "full")).result(timeout=300)
    assert found["full"][0] > 1.7 * found["lora"][0]  # 1.3 with the libraries
    assert found["full"][1] > 100 * found["lora"][1]


def test_costs_are_ratios_to_lora_in_turns(tmp_path, monkeypatch):
    def timed(method, rounds):  # twice LoRA's step, and α-LoRA's own step in ten four times
        seconds = np.ones((rounds, 10, 2))
        seconds[..., 0] = 1 if method == "lora" else 2
        seconds[:, -1, 0] *= 4 if method == "alpha-lora" else 1
        return seconds * np.linspace(1, 3, rounds)[:, None, None]  # the machine's mood

    monkeypatch.setattr(adapter_cost, "timed", timed)
    monkeypatch.setattr(
        adapter_cost, "peaks", lambda methods: {m: (300.0 if m == "lora" else 450.0, 7) for m in methods}
    )
    lab = Lab("adapter_cost", tmp_path, trials=3, seed=0)
    adapter_cost.run(lab)
    table = pd.read_csv(tmp_path / "adapter_cost.csv").set_index("method")
    assert table.time_ratio[["lora", "full", "alpha-lora"]].tolist() == pytest.approx([1, 2, 2.6])
    assert table.step_ratio["alpha-lora"] == pytest.approx(2) and table.memory_ratio["full"] == pytest.approx(1.5)
    assert (table.low <= table.time_ratio).all() and (table.time_ratio <= table.high).all()
    assert (tmp_path / "adapter_cost.png").stat().st_size and "full 2.00, 1.50" in lab.remarks[0]


def test_time_to_accuracy_counts_the_steps_alone(world):
    world(time_to_accuracy)
    curves = pd.read_csv(world.out / "time_to_accuracy.csv")
    assert curves.groupby(["method", "seed"]).seconds.max().to_numpy() == pytest.approx(1.0)  # not what the looks take


def test_domains_pair_what_was_planted(world, monkeypatch):
    monkeypatch.setattr(domain_transfer_lm, "source_model", lambda domain, rate: f"fine-tuned on {domain}")

    def predicted(source, target, seed):
        return {"source": source, "target": target, "n_target": [50, 200, 1000], "best_alpha": [1.5, 1.0, 0.5]}

    monkeypatch.setattr(domain_transfer_lm, "predicted", predicted)
    told = " ".join(world(domain_transfer_lm).remarks)
    assert (
        told.count("difference +1.00 [+1.00, +1.00]") == 4
        and told.count("over 20 pairs") == 3
        and "over 16 pairs" in told
    )
    assert "α* of the linear theory 0.50 to 1.50" in told and "one α per layer, rate .05: mean learned α" in told
    runs = pd.read_csv(world.out / "domain_transfer_lm_runs.csv")
    free = runs[runs.row_scale == "layer"]
    assert (
        set(free.n_train) == set(domain_transfer_lm.FREE_SIZES) and free.seed.nunique() == domain_transfer_lm.FREE_SEEDS
    )


def test_each_stage_chooses_more_on_the_test_set():
    """Planted: choosing the checkpoint gives both methods .02; at another rate α-LoRA gains .03 more, LoRA .01."""
    jobs = [
        {"task": "sst2", "method": m, "seed": s, "lr": lr, "protocol": "published"}
        for m in ("lora", "alpha-lora") for lr in (1e-3, 3e-3) for s in range(5)
    ]  # fmt: skip
    records = planted(jobs)
    records.dev_accuracy += (records.lr == 1e-3) * np.where(records.method == "lora", 0.01, 0.03)
    table = glue_published.staged(records, {"lora": 3e-3, "alpha-lora": 3e-3})
    found = table.groupby("stage").difference.mean()
    assert found[list(glue_published.STAGES)].to_numpy() == pytest.approx([0.01, 0.01, 0.03, 0.04])
    lifted = table.groupby("stage").lora.mean()
    assert lifted[glue_published.CHECKPOINT] - lifted[glue_published.LAST] == pytest.approx(0.02)


def test_settings_are_compared_with_the_usual_ones(world):
    world(alpha_sensitivity)
    table = pd.read_csv(world.out / "alpha_sensitivity.csv")
    assert table.difference.to_numpy() == pytest.approx([0, -0.01] + [0] * (len(table) - 2))
    assert len(table) == 2 + sum(map(len, alpha_sensitivity.VARIED.values()))
    for name, value in alpha_sensitivity.USUAL.items():
        usual = table[(table.method == "alpha-lora") & (table.changed != name)]
        assert usual[name].isin([value]).all() and (table.n_train == 200).all()


def summaries(pattern, noise, seed=0, tasks=4):
    """A table as `described` makes it, of four tasks whose layers are spread as `pattern` (module, layer) says, and noise."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "model": "planted",
            "task": f"task{t}",
            "module": m,
            "layer": k,
            **dict.fromkeys(alpha_statistics.SUMMARIES, value),
        }
        for t in range(tasks)
        for i, m in enumerate(("query", "value"))
        for k, value in enumerate(pattern[i] + noise * rng.standard_normal(len(pattern[i])))
    )


def test_agreement_between_tasks_by_layer_and_module(monkeypatch):
    monkeypatch.setattr(alpha_statistics, "PERMUTATIONS", 999)
    rise = np.array([np.arange(6.0), np.arange(6.0)[::-1]])
    found = alpha_statistics.agreement(summaries(rise, 0.1))
    assert (found.rank_correlation > 0.9).all() and (found.p == 0.001).all() and (found.p_within == 0.001).all()
    apart = np.array([np.zeros(6), np.full(6, 5.0)])  # query and value differ, their layers do not
    found = alpha_statistics.agreement(summaries(apart, 0.1))
    assert (found.rank_correlation > 0.5).all() and (found.p == 0.001).all() and (found.p_within > 0.02).all()


def test_p_values_of_agreement_are_uniform_where_there_is_none(monkeypatch):
    monkeypatch.setattr(alpha_statistics, "PERMUTATIONS", 99)
    monkeypatch.setattr(alpha_statistics, "SUMMARIES", ("sd",))
    found = pd.concat(
        alpha_statistics.agreement(summaries(np.zeros((2, 6)), 1.0, seed), 7**9 + seed) for seed in range(200)
    )
    for p in (found.p, found.p_within):
        assert stats.kstest(p, "uniform").pvalue > 1e-3 and (p <= 0.05).mean() < 0.12


def test_the_authors_layers_agree():
    """The s.d. of the authors' α by layer and module: MNLI and QNLI .84 by Spearman."""
    path = finetuning.published(alpha_statistics.AUTHORS)
    if path is None:
        pytest.skip("the authors' vectors are not at hand")
    table = pd.concat(
        alpha_statistics.described("theirs", task, v) for task, v in np.load(path).items() if task != "rte"
    )
    found = alpha_statistics.agreement(table).set_index("summary")
    assert found.rank_correlation["sd"] == pytest.approx(0.8357, abs=1e-4) and found.p["sd"] < 0.001


def test_rows_of_tasks_that_have_nothing_in_common_do_not_correlate(world, monkeypatch):
    def apart(jobs):
        records = planted(jobs)
        draws = np.random.default_rng(0)
        records["row_scales"] = [
            {name: list(draws.normal(size=50)) for name in scales} for scales in records.row_scales
        ]
        return records

    monkeypatch.setattr(alpha_statistics, "runs", apart)
    monkeypatch.setattr(alpha_statistics, "PERMUTATIONS", 99)
    world(alpha_statistics)
    found = pd.read_csv(world.out / "alpha_statistics_correlation.csv")
    ours = found[found.model == "MiniLM"].rank_correlation
    assert len(ours) == 15 and ours.abs().max() < 0.25 and ours.abs().min() > 0


def test_one_adapter_for_several_tasks(world):
    """Planted: α-LoRA is right in 2, 2 and 1 of two rows of each task, LoRA in 2, 0 (2 and 4 for 2 and 3) and 1."""
    told = " ".join(world(several_tasks).remarks)
    found = pd.read_csv(world.out / "several_tasks.csv")
    together = found[found.trained == "together"].groupby(["method", "task"]).accuracy.agg(["mean", "count"])
    assert together["mean"]["alpha-lora"].to_dict() == {"mrpc": 1.0, "qnli": 1.0, "qqp": 0.5}
    assert together["mean"]["lora"].to_dict() == {"mrpc": 1.0, "qnli": 0.0, "qqp": 0.5}
    assert (together["count"] == 5).all()
    assert "One adapter for all, α-LoRA − LoRA: +33.33 points" in told
    asked = pd.DataFrame(world.asked)
    budget = asked.groupby("task")[["n_train", "steps"]].max()
    assert (budget.loc[several_tasks.TOGETHER] == budget.loc[list(several_tasks.PARTS)].sum()).all()


def looks(**rises):
    """Three seeds' curves: an accuracy that rises by so much a step, from .5 at 0, at a second a step, two for "full"."""
    return pd.DataFrame(
        {"method": m, "seed": s, "step": k, "accuracy": min(0.5 + rise * k, 0.9), "seconds": (1 + (m == "full")) * k}
        for m, rise in rises.items()
        for s in range(3)
        for k in (10, 20, 30, 40)
    )


def test_time_to_equal_accuracy():
    curves = looks(full=0.02, lora=0.0075, **{"alpha-lora": 0.01})
    target, times = time_to_accuracy.times_to(curves)
    assert target == pytest.approx(0.8 - time_to_accuracy.BELOW)  # below all that LoRA reaches
    target, times = time_to_accuracy.times_to(curves, 0.8)
    assert times.to_dict() == pytest.approx({"full": 30.0, "lora": 40.0, "alpha-lora": 30.0})
    assert time_to_accuracy.times_to(curves, 0.85)[1]["lora"] == np.inf
    assert time_to_accuracy.times_to(curves, 0.6)[1]["full"] == 20.0  # there at the first look
    slow = curves[curves.method == "full"].assign(method="full, slow", seconds=lambda t: 3 * t.seconds)
    curves = pd.concat([curves, slow])
    table = time_to_accuracy.intervals(curves, *time_to_accuracy.times_to(curves, 0.8)).set_index("method")
    assert table.ratio.to_dict() == pytest.approx({"lora": 4 / 3, "alpha-lora": 1.0})
    for bound in (table.low, table.high):  # seeds do not differ
        assert bound.to_dict() == pytest.approx(table.ratio.to_dict())
