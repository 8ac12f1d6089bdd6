"""What α-LoRA's own settings change on SST-2: T, α's learning rate, start, optimiser, and how many rows share one α."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rmt_alpha import plotting

from .finetuning import SMALL, interval, job, paired_p, rates, runs, tidy
from .lab import Lab

VARIED: dict[str, tuple[Any, ...]] = {
    "every": (1, 5, 10, 20, 50),
    "row_scale_lr": (5e-4, 5e-2),
    "init_row_scale": (0.5, 1.5),
    "row_scale_optimizer": ("adamw", "sgd"),
    "row_scale": ("layer", "shared"),
}
LABELS = {
    "every": "T",
    "row_scale_lr": "rate of α",
    "init_row_scale": "first α",
    "row_scale_optimizer": "optimiser of α",
    "row_scale": "sharing of α:",
}
USUAL = {
    "every": SMALL["every"],
    "row_scale_lr": 5e-3,
    "init_row_scale": 1.0,
    "row_scale_optimizer": "adam",
    "row_scale": "row",
}


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    changes = [{}, *({name: value} for name, values in VARIED.items() for value in values)]
    jobs = [job("sst2", "alpha-lora", s, lr=rate["alpha-lora"], **change) for s in seeds for change in changes]
    jobs += [job("sst2", "lora", s, lr=rate["lora"]) for s in seeds]
    records = lab.table(tidy(runs(jobs), list(VARIED)), "runs")
    usual = (
        records[(records.method == "alpha-lora") & (records[list(USUAL)] == pd.Series(USUAL)).all(axis=1)]
        .set_index("seed")
        .dev_accuracy
    )
    rows = [
        row("α-LoRA", "as usual", usual, usual),
        row("LoRA", "", records[records.method == "lora"].set_index("seed").dev_accuracy, usual),
    ]
    for name, values in VARIED.items():
        for value in values:
            changed = (
                records[(records.method == "alpha-lora") & (records[name] == value)].set_index("seed").dev_accuracy
            )
            rows.append(row(LABELS[name], value, changed, usual))
    table = lab.table(pd.DataFrame(rows)).fillna({"value": ""})
    draw(lab, table)
    worst, best = table.loc[table.difference.idxmin()], table.loc[table.difference.idxmax()]
    lab.remark(
        f"SST-2, n = {SMALL['n_train']}, {len(usual)} seeds; usual: T = {USUAL['every']}, rate .005, start 1, Adam, one α per row: "
        f"accuracy {usual.mean():.3f}. Largest changes: {worst.setting} {worst.value} {100 * worst.difference:+.1f} points, "
        f"{best.setting} {best.value} {100 * best.difference:+.1f}."
    )


def row(setting: str, value: Any, changed: pd.Series, usual: pd.Series) -> dict[str, Any]:
    low, high = interval(changed)
    difference = (changed - usual).to_numpy()
    p = paired_p(difference) if difference.any() else 1.0
    return {"setting": setting, "value": value, "seeds": len(changed), "accuracy": changed.mean(), "low": low, "high": high,
            "difference": difference.mean(), "p": p}  # fmt: skip


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.2, height=3.6)
    ax, place = axes[0, 0], range(len(table))
    ax.errorbar(table.accuracy, place, xerr=[table.accuracy - table.low, table.high - table.accuracy], color=plotting.COLORS[0],
                marker="o", linestyle="none", elinewidth=0.9, label="mean over seeds, 95 % interval")  # fmt: skip
    ax.axvline(table.accuracy[0], color="black", linewidth=0.8, linestyle=":", label="α-LoRA as usual")
    ax.set(yticks=place, yticklabels=table.setting + " " + table.value.astype(str),
           xlabel="development accuracy, SST-2")  # fmt: skip
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=2)
    lab.picture(fig)
