"""Rank of B A with and without α on SST-2: does a free scale stand in for rank?"""

from __future__ import annotations

from typing import Any

import pandas as pd

from rmt_alpha import plotting

from .finetuning import SMALL, interval, job, paired, paired_p, rates, runs, tidy
from .lab import Lab

RANKS = (1, 2, 4, 8, 16)
PAIR = ("lora", "alpha-lora")


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    # lora_alpha / rank, the scale of B A, stays what it is at rank 8.
    jobs = [job("sst2", m, s, lr=rate[m], **at(rank)) for s in seeds for rank in RANKS for m in PAIR]
    records = lab.table(tidy(runs(jobs), ["rank"]), "runs")
    rows = []
    for (rank, method), group in records.groupby(["rank", "method"]):
        low, high = interval(group.dev_accuracy)
        known = {name: group[name].iloc[0] for name in ("n_train", "steps", "lr")}
        rows.append({"rank": rank, "method": method, **known, "seeds": len(group),
                     "accuracy": group.dev_accuracy.mean(), "low": low, "high": high,
                     "trainable_parameters": group.trainable_parameters.iloc[0]})  # fmt: skip
    table = lab.table(pd.DataFrame(rows))
    draw(lab, table)
    gaps = {rank: paired(group, "alpha-lora", "lora").difference for rank, group in records.groupby("rank")}
    told = ", ".join(f"{100 * gap.mean():+.1f} (p = {paired_p(gap):.2g})" for gap in gaps.values())
    lab.remark(f"SST-2, n = {SMALL['n_train']}: α-LoRA − LoRA at rank {', '.join(map(str, gaps))}: {told} points.")


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.2, height=2.8)
    ax, first = axes[0, 0], table.iloc[0]
    for i, method in enumerate(PAIR):
        part = table[table.method == method]
        x = part["rank"] * (1.03 if i else 0.97)
        ax.errorbar(x, part.accuracy, yerr=[part.accuracy - part.low, part.high - part.accuracy], color=plotting.COLORS[i],
                    marker=plotting.MARKERS[i], linestyle=plotting.DASHES[i], label=method)  # fmt: skip
    ax.set(xscale="log", xticks=RANKS, xticklabels=RANKS, xlabel="rank of $BA$", ylabel="development accuracy, sst2",
           title=rf"MiniLM, $n={first.n_train}$, {first.steps} steps: mean over {first.seeds} seeds, 95 % interval")  # fmt: skip
    ax.minorticks_off()
    ax.legend(loc="lower right")
    lab.picture(fig)


def at(rank: int) -> dict[str, Any]:
    return {} if rank == 8 else {"rank": rank, "lora_alpha": 2.0 * rank}
