"""One adapter for several tasks at once, α-LoRA's against LoRA's, and against one of α-LoRA for each task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rmt_alpha import plotting
from rmt_alpha.adapters import load_task

from .finetuning import SMALL, job, rates, runs
from .lab import Lab

PARTS, OURS, PAIR, EACH = ("mrpc", "qnli", "qqp"), "alpha-lora", ("lora", "alpha-lora"), 500
TOGETHER = "+".join(PARTS)
ALONE: dict[str, Any] = {**SMALL, "n_train": EACH, "steps": 75, "n_dev": None}
# As many rows of each task, and as many steps on them.
JOINT: dict[str, Any] = {**ALONE, "n_train": EACH * len(PARTS), "steps": 75 * len(PARTS)}


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(3))
    joint = runs(job(TOGETHER, m, s, JOINT, lr=rate[m]) for s in seeds for m in PAIR)
    alone = runs(job(t, OURS, s, {**ALONE, "n_dev": 408}, lr=rate[OURS]) for s in seeds for t in PARTS)
    own = alone[["task", "method", "n_train", "steps", "lr", "seed"]].assign(
        trained="alone", accuracy=alone.dev_accuracy
    )
    table = lab.table(pd.concat([by_task(joint, load_task(TOGETHER).dev.labels), own]).reset_index(drop=True))
    draw(lab, table)
    means = table.groupby(["trained", "method"]).accuracy.mean() * 100
    lab.remark(
        f"MiniLM on {', '.join(PARTS)}, {EACH} rows of each, {len(seeds)} seeds, mean accuracy in %: one adapter for all "
        f"{', '.join(f'{m} {means[t, m]:.1f}' for t, m in means.index if t == 'together')}; one for each "
        f"{', '.join(f'{m} {means[t, m]:.1f}' for t, m in means.index if t == 'alone')}."
    )
    for name, (one, other) in contrasts(table).items():
        found = stats.ttest_1samp((one - other).groupby("seed").mean(), 0)
        low, high = found.confidence_interval()
        lab.remark(
            f"{name}: {50 * (low + high):+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}] (mean over tasks, 95 % over seeds by "
            f"Student's law), p = {found.pvalue:.2g}."
        )


def by_task(joint: pd.DataFrame, labels: np.ndarray) -> pd.DataFrame:
    """The accuracy on each task's own development rows: right is its own right label, among those of all tasks."""
    part = np.repeat(np.arange(len(PARTS)), len(labels) // len(PARTS))
    rows = []
    for r in joint.itertuples():
        right = np.asarray(r.dev_predictions) == labels
        rows += [
            {
                "task": task,
                "method": r.method,
                "n_train": r.n_train,
                "steps": r.steps,
                "lr": r.lr,
                "seed": r.seed,
                "trained": "together",
                "accuracy": right[part == k].mean(),
            }
            for k, task in enumerate(PARTS)
        ]
    return pd.DataFrame(rows)


def contrasts(table: pd.DataFrame) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Pairs of accuracies by task and seed."""
    at = {key: group.set_index(["task", "seed"]).accuracy for key, group in table.groupby(["trained", "method"])}
    return {
        "One adapter for all, α-LoRA − LoRA": (at["together", "alpha-lora"], at["together", "lora"]),
        "α-LoRA, one for all − one for each": (at["together", "alpha-lora"], at["alone", "alpha-lora"]),
    }


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.8, height=2.5)
    ax = axes[0, 0]
    for i, ((trained, method), group) in enumerate(table.groupby(["trained", "method"], sort=False)):
        found = group.groupby("task").accuracy.agg(["min", "mean", "max"]).loc[list(PARTS)]
        reach = [found["mean"] - found["min"], found["max"] - found["mean"]]
        ax.errorbar(np.arange(len(PARTS)) + 0.2 * (i - 1), found["mean"], yerr=reach, color=plotting.COLORS[i], linestyle="none",
                    marker=plotting.MARKERS[i], label=f"{method}, {trained}")  # fmt: skip
    ax.set(xticks=range(len(PARTS)), xticklabels=PARTS, ylabel="development accuracy",
           title=f"MiniLM, {EACH} rows of each task: mean and range of {table.seed.nunique()} seeds")  # fmt: skip
    fig.legend(loc="outside lower center", ncols=3)
    lab.picture(fig)
