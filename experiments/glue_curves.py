"""Accuracy by step of LoRA and α-LoRA in the published protocol, with bands over seeds; the authors' RoBERTa curves beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rmt_alpha import plotting

from .finetuning import PUBLISHED, PUBLISHED_TASKS, job, published, rates, runs
from .lab import Lab

PAIR = ("lora", "alpha-lora")
AUTHORS = {"rte": "rte_roberta_seed_123_published.csv", "mnli": "mnli_roberta_seed_5_published.csv"}


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    records = runs(job(t, m, s, PUBLISHED, lr=rate[m]) for s in seeds for t in PUBLISHED_TASKS for m in PAIR)
    looks = [
        {
            "task": r.task,
            "method": r.method,
            "n_train": r.n_train,
            "lr": r.lr,
            "seed": r.seed,
            "step": look["step"],
            "accuracy": look["judged_accuracy"],
            "loss": look["loss"],
        }
        for r in records.itertuples()
        for look in r.curve
    ]
    curves = lab.table(pd.DataFrame(looks))
    draw(lab, curves)
    wide = curves.pivot(index=["task", "seed", "step"], columns="method", values="accuracy")
    ahead = (wide["alpha-lora"] > wide["lora"]).mean(), (wide["alpha-lora"] < wide["lora"]).mean()
    last = wide[wide.index.get_level_values("step") == curves.step.max()]
    gap = 100 * (last["alpha-lora"] - last["lora"])
    lab.remark(
        f"Development accuracy at {curves.step.nunique()} steps of each run: α-LoRA is ahead at {100 * ahead[0]:.0f} %, behind at "
        f"{100 * ahead[1]:.0f} %; at the last step by {gap.mean():+.2f} ± {gap.std(ddof=1) / np.sqrt(len(gap)):.2f} points (mean ± s.e.)."
    )
    if not any(map(published, AUTHORS.values())):
        lab.remark("The authors' curves are not on this machine.")


def draw(lab: Lab, curves: pd.DataFrame) -> None:
    held = {task: path for task, name in AUTHORS.items() if (path := published(name)) is not None}
    tasks = curves.task.unique()
    fig, axes = plotting.figure(columns=max(len(tasks), len(held)), rows=2 if held else 1, height=2.1)
    for ax, task in zip(axes[0], tasks, strict=False):
        for i, method in enumerate(PAIR):
            table = curves[(curves.task == task) & (curves.method == method)].pivot(
                index="step", columns="seed", values="accuracy"
            )
            middle, spread = table.mean(axis=1), table.std(axis=1, ddof=1)
            ax.fill_between(
                table.index, middle - spread, middle + spread, color=plotting.COLORS[i], alpha=0.2, linewidth=0
            )
            plotting.theory_line(ax, table.index, middle, i, label=method)
        ax.set_title(f"{task}, MiniLM")
    for ax, (task, path) in zip(axes[-1], held.items(), strict=False):
        theirs = pd.read_csv(path)
        for i, column in enumerate(("acc_lora", "acc_alpha_lora")):
            plotting.theory_line(ax, theirs.step, theirs[column], i)
        ax.set_title(f"{task}, RoBERTa")
    for ax in axes.flat:
        ax.set_visible(ax.has_data())
        ax.set_xlabel("step")
    for ax in axes[:, 0]:
        ax.set_ylabel("development accuracy")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    theirs = "; RoBERTa: the authors', one run each" if held else ""
    fig.suptitle(rf"MiniLM: $n={curves.n_train[0]}$, mean $\pm$ s.d. over {curves.seed.nunique()} seeds{theirs}")
    lab.picture(fig)
