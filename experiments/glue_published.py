"""The published protocol: what choosing checkpoint and learning rate on the test set does to α-LoRA − LoRA."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.adapters import METHODS

from .finetuning import FACTORS, PUBLISHED, PUBLISHED_TASKS, interval, job, paired_p, rates, runs, tidy
from .lab import Lab

PAIR = ("lora", "alpha-lora")
LAST, CHECKPOINT = "last step", "checkpoint chosen on the test set"
BOTH, ONLY_ALPHA = "and each method's rate, task by task", "or α-LoRA's rate alone"
STAGES = (LAST, CHECKPOINT, BOTH, ONLY_ALPHA)


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    tried = {m: sorted({rate[m], *(METHODS[m].lr * f for f in FACTORS[1:3])}) for m in PAIR}
    jobs = [job(t, m, s, PUBLISHED, lr=lr) for s in seeds for t in PUBLISHED_TASKS for m in PAIR for lr in tried[m]]
    records = lab.table(tidy(runs(jobs)), "runs")
    table = lab.table(staged(records, rate))
    draw(lab, table)
    remark(lab, table)
    lab.remark(f"Rates tried: {', '.join(f'{lr:.2g}' for lr in sorted(records.lr.unique()))}.")


def staged(records: pd.DataFrame, rate: dict[str, float]) -> pd.DataFrame:
    """One row per stage, task and seed: accuracy of both methods, each stage choosing more on the test set than the one before."""
    rows = []
    for task, here in records.groupby("task"):
        searched, tuned, known = {}, {}, {name: here[name].iloc[0] for name in ("n_train", "steps")}
        for method, group in here.groupby("method"):
            wide = group.pivot(index="seed", columns="lr", values="dev_accuracy")
            nearest = wide.columns[np.abs(wide.columns / rate[method] - 1).argmin()]
            last = group[group.lr == nearest].set_index("seed").dev_accuracy_last
            searched[method], tuned[method] = (last, wide[nearest]), wide[wide.mean().idxmax()]
        alpha, plain = searched["alpha-lora"], searched["lora"]
        both = {LAST: (alpha[0], plain[0]), CHECKPOINT: (alpha[1], plain[1]),
                BOTH: (tuned["alpha-lora"], tuned["lora"]), ONLY_ALPHA: (tuned["alpha-lora"], plain[1])}  # fmt: skip
        for stage, (one, other) in both.items():
            rows += [
                {"stage": stage, "task": task, **known, "seed": seed, "alpha-lora": one[seed], "lora": other[seed]}
                for seed in one.index
            ]
    table = pd.DataFrame(rows)
    return table.assign(difference=table["alpha-lora"] - table["lora"])


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(height=3.0)
    ax, tasks = axes[0, 0], table.task.unique()
    for i, stage in enumerate(STAGES):
        here = table[table.stage == stage]
        groups = [here[here.task == task].difference for task in tasks] + [here.difference]
        for k, group in enumerate(groups):
            low, high = interval(group)
            ax.errorbar(k + 0.18 * (i - 1.5), 100 * group.mean(), yerr=[[100 * (group.mean() - low)], [100 * (high - group.mean())]],
                        color=plotting.COLORS[i], marker=plotting.MARKERS[i], linestyle="none", elinewidth=0.9,
                        label=stage if k == 0 else None)  # fmt: skip
    ax.axhline(0, color="grey", linewidth=0.7, linestyle=":")
    ax.axvline(len(tasks) - 0.5, color="black", linewidth=0.5)
    ax.set(xticks=range(len(tasks) + 1), xticklabels=[*tasks, "all"], ylabel=r"$\alpha$-LoRA $-$ LoRA (points)")
    first = table.iloc[0]
    ax.set_title(
        rf"MiniLM, $n={first.n_train}$, {first.steps} steps: mean over {table.seed.nunique()} seeds, 95 % interval"
    )
    fig.legend(loc="outside lower center", ncols=2)
    lab.picture(fig)


def remark(lab: Lab, table: pd.DataFrame) -> None:
    for stage in STAGES:
        here = table[table.stage == stage]
        low, high = interval(here.difference)
        lab.remark(
            f"n = {PUBLISHED['n_train']}, {stage}: LoRA {100 * here.lora.mean():.1f} %, α-LoRA {100 * here['alpha-lora'].mean():.1f} %, "
            f"difference {100 * here.difference.mean():+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}], "
            f"p = {paired_p(here.difference):.2g} over {len(here)} pairs."
        )
