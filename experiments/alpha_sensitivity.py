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
    "every": "T =",
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
    ours = records[records.method == "alpha-lora"]
    as_usual = ours[(ours[list(USUAL)] == pd.Series(USUAL)).all(axis=1)]
    usual = as_usual.set_index("seed").dev_accuracy
    rows = [row("", as_usual, usual), row("", records[records.method == "lora"], usual)]
    rows += [row(name, ours[ours[name] == value], usual) for name, values in VARIED.items() for value in values]
    table = lab.table(pd.DataFrame(rows)).fillna({"changed": ""})
    draw(lab, table)
    worst, best = table.loc[table.difference.idxmin()], table.loc[table.difference.idxmax()]
    lab.remark(
        f"SST-2, n = {SMALL['n_train']}, {len(usual)} seeds; usual: T = {USUAL['every']}, rate .005, start 1, Adam, one α per row: "
        f"accuracy {usual.mean():.3f}. Largest changes: {label(worst)} {100 * worst.difference:+.1f} points, "
        f"{label(best)} {100 * best.difference:+.1f}."
    )


def row(changed: str, group: pd.DataFrame, usual: pd.Series) -> dict[str, Any]:
    """One setting (LoRA has none of α's), with the one of them that is not as usual, and what it changes."""
    low, high = interval(group.dev_accuracy)
    difference = (group.set_index("seed").dev_accuracy - usual).to_numpy()
    p, first = paired_p(difference) if difference.any() else 1.0, group.iloc[0]
    known = {"method": first.method, "changed": changed}
    known |= {name: first[name] if first.method == "alpha-lora" else None for name in VARIED}
    known |= {name: first[name] for name in ("n_train", "steps", "lr")}
    return known | {"seeds": len(group), "accuracy": group.dev_accuracy.mean(), "low": low, "high": high,
                    "difference": difference.mean(), "p": p}  # fmt: skip


def label(row: Any) -> str:
    if not row.changed:
        return {"alpha-lora": "α-LoRA as usual", "lora": "LoRA"}[row.method]
    value = row[row.changed]
    return f"{LABELS[row.changed]} {value if isinstance(value, str) else f'{value:g}'}"


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.5, height=3.6)
    ax, place, first = axes[0, 0], range(len(table)), table.iloc[0]
    ax.errorbar(table.accuracy, place, xerr=[table.accuracy - table.low, table.high - table.accuracy], color=plotting.COLORS[0],
                marker="o", linestyle="none", elinewidth=0.9, label="mean over seeds, 95 % interval")  # fmt: skip
    ax.axvline(first.accuracy, color="grey", linewidth=0.7, linestyle=":", label=r"$\alpha$-LoRA as usual")
    names = [label(row).replace("α", r"$\alpha$").replace("T =", "$T=$") for _, row in table.iterrows()]
    ax.set(yticks=place, yticklabels=names, xlabel="development accuracy, sst2",
           title=rf"MiniLM, $n={first.n_train}$, {first.steps} steps, {first.seeds} seeds")  # fmt: skip
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=2)
    lab.picture(fig)
