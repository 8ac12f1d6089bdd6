"""What the paper says of α-LoRA on language models, claim by claim, against what stands in figures/.

Every number is read from a table of another experiment; nothing is trained. Where glue_comparison is complete, it speaks; until then the
smaller comparisons say what they can, and what spoils them is said beside.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .crossed import Estimate, holm
from .glue_comparison import contrasts
from .glue_design import CELLS, MARGIN, MARGIN_FULL, SEEDS
from .glue_records import read
from .lab import Lab

FIGURES = Path(__file__).parent.parent / "figures"
SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "not decidable here"
PAPERS = ("mnli", "qnli", "mrpc", "rte", "sst2")  # the tasks of the claim
ALPHA_STEPS = 300  # on MiniLM, in alpha_statistics: LONG of finetuning.py, which needs the extra lm


class Claim(NamedTuple):
    """One line of the table."""

    claim: str
    verdict: str
    number: str
    source: str


def run(lab: Lab) -> None:
    found = [with_full(), resources(), robust(), by_layer(), by_row(), sensitivity(), domains(), several_tasks()]
    table = lab.table(pd.DataFrame(found))
    lab.remark("| claim | verdict | number | from |")
    lab.remark("|---|---|---|---|")
    for row in table.itertuples():
        source = ", ".join(f"[{name}]({name})" for name in row.source.split(", "))
        lab.remark(f"| {row.claim} | {row.verdict} | {row.number} | {source} |")


def stored(name: str) -> pd.DataFrame:
    return pd.read_csv(FIGURES / name)


def student(values: Any) -> Estimate:
    """The mean of independent values."""
    d = np.asarray(values, dtype=float)
    return Estimate(d.mean(), d.std(ddof=1) / np.sqrt(len(d)), len(d) - 1)


def points(e: Estimate, level: float = 0.95) -> str:
    low, high = e.interval(level)
    return f"{100 * e.mean:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}]"


def pairs(records: pd.DataFrame, one: str, other: str, index: list[str]) -> pd.Series:
    wide = records.pivot(index=index, columns="method", values="dev_accuracy")
    return (wide[one] - wide[other]).dropna()


def completed(one: str, other: str) -> pd.DataFrame:
    """The contrasts of glue_comparison that have all their seeds, a row per task and number of rows, with their `estimate`."""
    found = contrasts(read())
    if found.empty:
        return found
    here = found[(found.method == one) & (found.against == other) & ~found.task.str.startswith("mean")]
    here = here[here.seeds == SEEDS]
    return here.assign(estimate=[Estimate(r.difference, r.se, r.freedom) for r in here.itertuples()])


def told_of(rows: pd.DataFrame) -> str:
    return "; ".join(f"{r.task}, n = {r.n}: {points(r.estimate)}, {r.verdict}" for r in rows.itertuples())


def better(estimates: list[Estimate]) -> str:
    """Supported: ahead in each; not supported: in one a gain of half a point is excluded; by Holm's p-values."""
    p, p_gain = holm([e.p for e in estimates]), holm([e.p_at_least(MARGIN) for e in estimates])
    if all(q < 0.05 and e.mean > 0 for q, e in zip(p, estimates, strict=True)):
        return SUPPORTED
    return NOT_SUPPORTED if min(p_gain) < 0.05 else UNDECIDED


def competitive(estimates: list[Estimate]) -> str:
    """Supported: within one point in each, or ahead; not supported: in one more than a point behind; by Holm's p-values."""
    p, p_equivalent = holm([e.p for e in estimates]), holm([e.p_equivalent(MARGIN_FULL) for e in estimates])
    behind = holm([e.p_at_least(-MARGIN_FULL) for e in estimates])
    if all(b < 0.05 or (a < 0.05 and e.mean > 0) for a, b, e in zip(p, p_equivalent, estimates, strict=True)):
        return SUPPORTED
    return NOT_SUPPORTED if min(behind) < 0.05 else UNDECIDED


def with_full() -> Claim:
    claim, final = "competitive with full fine-tuning (within one point)", completed("alpha-lora", "full")
    if len(final):
        verdict = competitive(list(final.estimate))
        verdict = UNDECIDED if verdict == SUPPORTED and len(final) < len(CELLS) else verdict
        return Claim(claim, verdict, told_of(final), "glue_comparison.csv")
    rates, runs = stored("glue_table_rates.csv"), stored("glue_table_runs.csv")
    tried = rates[rates.method == "full"].set_index("lr").validation_accuracy
    edge = tried.idxmax() in (tried.index.min(), tried.index.max())
    e = student(pairs(runs[runs.n_train == 200], "alpha-lora", "full", ["task", "seed"]))
    verdict = UNDECIDED if edge else competitive([e])
    why = f"; but full's rate, {tried.idxmax():.2g}, is the edge of its grid" if edge else ""
    told = (
        f"α-LoRA − full {points(e, 0.9)} (90 %), p = {e.p:.2g}, two one-sided tests p = {e.p_equivalent(MARGIN_FULL):.2g}, MiniLM, "
        f"n = 200{why}"
    )
    return Claim(claim, verdict, told, "glue_table_runs.csv")


def resources() -> Claim:
    cost = stored("adapter_cost.csv").set_index("method")
    time, memory = (cost[c]["alpha-lora"] / cost[c]["full"] for c in ("time_ratio", "memory_ratio"))
    until = stored("time_to_accuracy_ratios.csv").set_index("method").loc["alpha-lora"]
    told = (
        f"a step takes {time:.2f} times full fine-tuning's time and {memory:.2f} times its memory, and {cost.time_ratio['alpha-lora']:.2f} "
        f"times LoRA's time, with a step on α in ten; SST-2 at {100 * until.target:.0f} %, with one after every second, takes "
        f"{until.ratio:.2f} times full fine-tuning's time [{until.low:.2f}, {until.high:.2f}] (CPU, MiniLM; on a GPU not measured)"
    )
    claim = "less training time and memory than full fine-tuning"
    source = "adapter_cost.csv, time_to_accuracy_ratios.csv"
    if max(time, memory) >= 1 or until.low > 1:
        return Claim(claim, NOT_SUPPORTED, told, source)
    return Claim(claim, SUPPORTED if until.high < 1 else UNDECIDED, told, source)


def robust() -> Claim:
    claim, final = "better than LoRA on MNLI, QNLI, MRPC, RTE and SST-2", completed("alpha-lora", "lora")
    runs, table = stored("glue_table_runs.csv"), stored("glue_table.csv")
    here = runs[runs.task.isin(PAPERS)].groupby(["n_train", "task"])
    found = [student(pairs(group, "alpha-lora", "lora", ["seed"])) for _, group in here]
    lora = table[(table.method == "lora") & table.task.isin(PAPERS)]
    below = (lora.accuracy <= lora.majority).sum()
    told = (
        f"MiniLM: α-LoRA − LoRA {100 * min(e.mean for e in found):+.2f} to {100 * max(e.mean for e in found):+.2f} points over "
        f"{len(found)} tasks and sizes, smallest p (Holm) {min(holm([e.p for e in found])):.2g}, five pairs each; but LoRA itself is not "
        f"above the majority class in {below} of {len(lora)}"
    )
    if final.empty:
        return Claim(claim, better(found), told, "glue_table_runs.csv")
    verdict = better(list(final.estimate))
    verdict = UNDECIDED if verdict == SUPPORTED and len(final) < len(CELLS) else verdict
    return Claim(
        claim, verdict, f"all-mpnet-base-v2: {told_of(final)}. {told}", "glue_comparison.csv, glue_table_runs.csv"
    )


def by_layer() -> Claim:
    sd = stored("alpha_statistics_layers.csv").set_index(["summary", "model"]).loc["sd"]
    told = "; ".join(
        f"{model}: {r.rank_correlation:+.2f}, p = {r.p_within:.2g} (query and value apart)"
        for model, r in sd.iterrows()
    )
    good = (sd.p_within < 0.05).all() and (sd.rank_correlation > 0).all()
    return Claim(
        "consistent patterns of α across layers: how widely it is spread in a layer, between tasks",
        SUPPORTED if good else NOT_SUPPORTED,
        f"rank correlation of its s.d. over layer × module {told}; MiniLM's after {ALPHA_STEPS} steps on α",
        "alpha_statistics_layers.csv",
    )


def by_row() -> Claim:
    found = stored("alpha_statistics_correlation.csv").rank_correlation
    return Claim(
        "consistent patterns of α: which rows are scaled, between tasks",
        SUPPORTED if found.mean() > 0.3 else NOT_SUPPORTED,
        f"rank correlation by row {found.min():+.2f} to {found.max():+.2f} over {len(found)} pairs of tasks",
        "alpha_statistics_correlation.csv",
    )


def sensitivity() -> Claim:
    table = stored("alpha_sensitivity.csv")
    changed = table[table.changed.notna()]
    start, others = changed[changed.changed == "init_row_scale"], changed[changed.changed != "init_row_scale"]
    told = (
        f"T, rate, optimiser and sharing change SST-2 by {100 * others.difference.min():+.1f} to "
        f"{100 * others.difference.max():+.1f} points (smallest p {others.p.min():.2g}, {table.seeds.iloc[0]} pairs); a first "
        f"α of .5 or 1.5 by {100 * start.difference.max():+.1f} and {100 * start.difference.min():+.1f}"
    )
    steady = np.abs(others.difference).max() < 0.01
    return Claim(
        "not sensitive to T, rate and optimiser of α", SUPPORTED if steady else UNDECIDED, told, "alpha_sensitivity.csv"
    )


def domains() -> Claim:
    runs = stored("domain_transfer_lm_runs.csv")
    rows = runs[(runs.method == "lora") | (runs.row_scale == "row")]
    found = {
        n: student(pairs(here, "alpha-lora", "lora", ["task", "source", "seed"])) for n, here in rows.groupby("n_train")
    }
    told = "; ".join(f"n = {n}: {points(e)}" for n, e in found.items())
    claim = "better than LoRA beyond GLUE: review domains"
    return Claim(claim, better(list(found.values())), f"α-LoRA − LoRA {told}", "domain_transfer_lm_runs.csv")


def several_tasks() -> Claim:
    table = stored("several_tasks.csv")
    wide = table.pivot(index=["task", "seed"], columns=["trained", "method"], values="accuracy")
    ours = wide["together", "alpha-lora"]
    lora, alone = (
        student((ours - other).groupby("seed").mean())
        for other in (wide["together", "lora"], wide["alone", "alpha-lora"])
    )
    told = (
        f"one adapter for {', '.join(table.task.unique())}: α-LoRA − LoRA {points(lora)}; α-LoRA, one for all − one for each "
        f"{points(alone)}"
    )
    return Claim("better than LoRA for several tasks at once", better([lora]), told, "several_tasks.csv")
