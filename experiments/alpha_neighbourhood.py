"""Accuracy of a·α + b around the learned α on SST-2: is the learned vector a good place, and does its pattern matter?"""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import torch

from rmt_alpha import plotting
from rmt_alpha.adapters import finetune, row_deltas, row_scales
from rmt_alpha.adapters.batches import Tokens, scores
from rmt_alpha.adapters.tasks import load_task

from .finetuning import LARGE, job, rates, store
from .lab import Lab

FACTORS, SHIFTS = np.linspace(0, 2, 21), np.linspace(-1, 1, 21)
COARSE = 4  # of the map
ROWS = 300  # of development
LABELS = {"a α": r"$a\alpha$", "a α + 1 − a": r"$a\alpha+1-a$", "α + b": r"$\alpha+b$"}


def run(lab: Lab) -> None:
    rate = rates()["alpha-lora"]
    slices, maps = [], []
    for seed in range(lab.seed, lab.seed + lab.trials(5)):
        asked = job("sst2", "alpha-lora", seed, LARGE, lr=rate)
        done = finetune(**asked, folder=store() / f"neighbourhood-seed{seed}", progress=False)  # with its checkpoint
        rows = Tokens(done.tokenizer, LARGE["max_length"])(load_task("sst2").dev[np.arange(ROWS)])
        learned = {name: scale for name, scale in row_scales(done.model).items()}

        def accuracy(a: float, b: float, done=done, rows=rows, learned=learned) -> float:
            with torch.no_grad():
                for name, delta in row_deltas(done.model).items():
                    delta.copy_((a * learned[name] + b - 1).view_as(delta))
                return scores(done.model, rows, nullcontext)[1]

        known = {"n_train": LARGE["n_train"], "steps": LARGE["steps"], "lr": rate, "seed": seed}
        slices += [known | {"slice": "a α", "at": a, "accuracy": accuracy(a, 0)} for a in FACTORS]
        slices += [known | {"slice": "α + b", "at": b, "accuracy": accuracy(1, b)} for b in SHIFTS]
        slices += [known | {"slice": "a α + 1 − a", "at": a, "accuracy": accuracy(a, 1 - a)} for a in FACTORS]
        if seed == lab.seed:
            maps = [
                known | {"a": a, "b": b, "accuracy": accuracy(a, b)}
                for a in FACTORS[::COARSE]
                for b in SHIFTS[::COARSE]
            ]
    table, field = lab.table(pd.DataFrame(slices)), lab.table(pd.DataFrame(maps), "map")
    draw(lab, table, field)
    mean = table.groupby(["slice", "at"]).accuracy.mean()
    told = [
        f"{name}: best at {mean[name].idxmax():.1f} with {mean[name].max():.3f}"
        for name in ("a α", "α + b", "a α + 1 − a")
    ]
    lab.remark(
        f"SST-2, mean over {table.seed.nunique()} seeds; learned α {mean['a α', 1.0]:.3f}, α put back to 1 {mean['a α + 1 − a', 0.0]:.3f}; "
        + "; ".join(told) + "."
    )  # fmt: skip


def draw(lab: Lab, table: pd.DataFrame, field: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=2.6)
    for ax, (names, label) in zip(axes[0], ((("a α", "a α + 1 − a"), "$a$"), (("α + b",), "$b$")), strict=False):
        for i, name in enumerate(names):
            wide = table[table.slice == name].pivot(index="at", columns="seed", values="accuracy")
            plotting.theory_line(ax, wide.index, wide.mean(axis=1), i, label=LABELS[name])
            for seed in wide:
                ax.plot(wide.index, wide[seed], color=plotting.COLORS[i], linewidth=0.5, alpha=0.5)
        ax.axvline(1 if label == "$a$" else 0, color="grey", linewidth=0.7, linestyle=":")
        ax.set_xlabel(label)
        ax.legend(loc="lower center")
    axes[0, 0].set_ylabel("development accuracy")
    wide = field.pivot(index="b", columns="a", values="accuracy")
    low, high = wide.to_numpy().min(), wide.to_numpy().max()
    levels = np.arange(np.ceil(20 * low), np.floor(20 * high) + 1) / 20
    filled = plotting.contour_map(axes[0, 2], wide.columns, wide.index, wide.to_numpy(), levels)
    plotting.color_bar(fig, filled, axes[0, 2], r"accuracy of $a\alpha+b$", location="top")
    axes[0, 2].plot(1, 0, marker="*", color="white", markeredgecolor="black", markersize=9)
    axes[0, 2].set(xlabel="$a$", ylabel="$b$")
    fig.suptitle(
        rf"SST-2, MiniLM, $n={LARGE['n_train']}$, {LARGE['steps']} steps, {ROWS} development rows"
        f"\n{table.seed.nunique()} seeds (thin) and their mean; (c) one seed"
    )
    lab.picture(fig)
