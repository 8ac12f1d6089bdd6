"""One adapter for several tasks at once, LoRA's and α-LoRA's, against one for each task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.adapters import load_task

from .finetuning import SMALL, interval, job, paired_p, rates, runs
from .lab import Lab

PARTS, PAIR, EACH = ("mrpc", "qnli", "qqp"), ("lora", "alpha-lora"), 500
TOGETHER = "+".join(PARTS)
ALONE: dict[str, Any] = {**SMALL, "n_train": EACH, "steps": 75, "n_dev": None}
# As many rows of each task, and as many steps on them.
JOINT: dict[str, Any] = {**ALONE, "n_train": EACH * len(PARTS), "steps": 75 * len(PARTS)}


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    joint = runs(job(TOGETHER, m, s, JOINT, lr=rate[m]) for s in seeds for m in PAIR)
    alone = runs(job(t, m, s, {**ALONE, "n_dev": 408}, lr=rate[m]) for s in seeds for t in PARTS for m in PAIR)
    own = alone[["task", "method", "seed"]].assign(trained="alone", accuracy=alone.dev_accuracy)
    table = lab.table(pd.concat([by_task(joint, load_task(TOGETHER).dev.labels), own]).reset_index(drop=True))
    draw(lab, table)
    means = table.groupby(["trained", "method"]).accuracy.mean() * 100
    lab.remark(
        f"MiniLM on {', '.join(PARTS)}, {EACH} rows of each, {len(seeds)} seeds, mean accuracy in %: one adapter for all "
        f"{', '.join(f'{m} {means[t, m]:.1f}' for t, m in means.index if t == 'together')}; one for each "
        f"{', '.join(f'{m} {means[t, m]:.1f}' for t, m in means.index if t == 'alone')}."
    )
    for name, (one, other) in contrasts(table).items():
        gap = (one - other).groupby("seed").mean()
        low, high = interval(gap)
        lab.remark(
            f"{name}: {100 * gap.mean():+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}] (mean over tasks, 95 % over seeds), "
            f"p = {paired_p(gap):.2g}."
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
        "LoRA, one for all − one for each": (at["together", "lora"], at["alone", "lora"]),
    }


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.8, height=2.5)
    ax = axes[0, 0]
    for i, ((trained, method), group) in enumerate(table.groupby(["trained", "method"], sort=False)):
        for k, task in enumerate(PARTS):
            values = group[group.task == task].accuracy
            low, high = interval(values)
            place, middle = k + 0.18 * (i - 1.5), values.mean()
            ax.errorbar(place, middle, yerr=[[middle - low], [high - middle]], color=plotting.COLORS[i], linestyle="none",
                        marker=plotting.MARKERS[i], label=f"{method}, {trained}" if k == 0 else None)  # fmt: skip
    ax.set(xticks=range(len(PARTS)), xticklabels=PARTS, ylabel="development accuracy",
           title=f"MiniLM, {EACH} rows of each task: mean, 95 % over {table.seed.nunique()} seeds")  # fmt: skip
    fig.legend(loc="outside lower center", ncols=2)
    lab.picture(fig)
