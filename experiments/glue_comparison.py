"""Six methods on four GLUE tasks with a base that learns: intervals over seeds and rows, and what they decide.

Draws from the records in figures/glue_comparison alone; `python -m experiments.glue_sweep` makes those that are missing. The design is
`glue_design`, the intervals are those of `crossed`. What is not complete decides nothing: with fifteen seeds planned, an interval of five
is a picture of where things stand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from rmt_alpha import plotting

from .crossed import Estimate, averaged, components, crossed, holm
from .glue_design import (
    CELLS,
    CONTRASTS,
    LENGTHS,
    METHODS,
    ORDER,
    SEEDS,
    STEPS,
    Cell,
    complete,
    first_of_each,
    rates_of,
    searched,
)
from .glue_records import read, right
from .lab import Lab

LEVEL = 0.05
# Tokens: of a training row, of the longest of 16, which the others are padded to, and of a development row. A run costs by them.
TOKENS = {"sst2": (13, 35, 25), "qnli": (50, 84, 52), "mnli": (41, 73, 40), "mrpc": (54, 77, 54)}
DEV_ROWS = {"sst2": 872, "qnli": 5463, "mnli": 9815, "mrpc": 408}
WEIGHT = {
    "full": 1.4,
    "head": 0.5,
    "alpha-lora": 1.5,
    "lora-extra": 1.5,
}  # a step's cost over LoRA's, where none is measured


def run(lab: Lab) -> None:
    held = read()
    methods, differences = accuracies(held), contrasts(held)
    if differences.empty:
        lab.remark(f"No block of {len(METHODS)} methods is complete yet.")
    else:
        lab.table(methods, "accuracy")
        draw(lab, lab.table(differences))
    for line in report(held).splitlines():
        lab.remark(line)


def tables(held: pd.DataFrame, cell: Cell) -> tuple[list[int], dict[str, np.ndarray], pd.DataFrame]:
    """The seeds that are complete, which rows each method got right (seeds, rows), and the records."""
    blocks = list(complete(held, cell))
    seeds = [seed for seed, _ in blocks]
    table = {m: np.array([right(records[records.method == m].iloc[0]) for _, records in blocks]) for m in METHODS}
    return seeds, table, pd.concat([records for _, records in blocks]) if blocks else held.iloc[:0]


def accuracies(held: pd.DataFrame) -> pd.DataFrame:
    """One row per cell and method: accuracy with an interval over seeds and rows; what a step costs is adapter_cost's matter."""
    rows: list[dict[str, Any]] = []
    for cell in CELLS:
        seeds, table, records = tables(held, cell)
        for method in METHODS if len(seeds) > 1 else ():
            mine, found = records[records.method == method], crossed(table[method])
            low, high = found.interval()
            rows.append({"task": cell.task, "n": cell.n, "method": method, "seeds": len(seeds), "lr": mine.lr.iloc[0],
                         "accuracy": found.mean, "low": low, "high": high, "majority": mine.majority_accuracy.iloc[0],
                         "trainable_parameters": mine.trainable_parameters.iloc[0]})  # fmt: skip
    return pd.DataFrame(rows)


def contrasts(held: pd.DataFrame) -> pd.DataFrame:
    """One row per contrast, number of rows and task, and one for the mean of the tasks: difference, interval, p-values, verdict.

    `p`: of no difference, below .05 where the interval leaves 0 out; `p_equivalent`: of one of at least the margin. `p_holm` and
    `p_equivalent_holm`, which decide, are adjusted over all tasks of the design: one that has no result yet counts as p = 1, so that what
    is decided stays so. `seeds_needed`: for an interval of ± margin, by this one's components of variance; none where the development
    rows alone are too few.
    """
    found: list[dict[str, Any]] = []
    cells = {cell: tables(held, cell) for cell in CELLS}
    for (one, other), margin in CONTRASTS.items():
        for n in STEPS:
            family = {c: t for c, t in cells.items() if c.n == n}
            differences = {c: t[one].astype(float) - t[other] for c, (seeds, t, _) in family.items() if len(seeds) > 1}
            estimates = {c: crossed(d) for c, d in differences.items()}
            unknown = [1.0] * (len(family) - len(estimates))
            p, p_equivalent = ([e.p for e in estimates.values()], [e.p_equivalent(margin) for e in estimates.values()])
            adjusted = zip(holm([*p, *unknown]), holm([*p_equivalent, *unknown]), strict=True)
            asked = {"method": one, "against": other, "n": n, "margin": margin}
            for (c, e), (p_holm, p_equivalent_holm) in zip(estimates.items(), adjusted, strict=False):
                needed = components(differences[c]).seeds_needed(margin, differences[c].shape[1])
                row = asked | {"task": c.task, "seeds": len(family[c][0])} | _numbers(e, margin)
                row |= {"p_holm": p_holm, "p_equivalent_holm": p_equivalent_holm, "seeds_needed": needed}
                found.append({**row, "verdict": verdict(row, margin)})
            if len(estimates) > 1:
                row = asked | {"task": f"mean of {len(estimates)}", "seeds": min(len(family[c][0]) for c in estimates)}
                row |= _numbers(averaged(estimates.values()), margin)
                row |= {"p_holm": row["p"], "p_equivalent_holm": row["p_equivalent"], "seeds_needed": None}
                said = f"open: {len(estimates)} of {len(family)} tasks" if unknown else verdict(row, margin)
                found.append({**row, "verdict": said})
    return pd.DataFrame(found)


def _numbers(e: Estimate, margin: float) -> dict[str, float]:
    low, high = e.interval()
    return {"difference": e.mean, "low": low, "high": high, "se": e.se, "freedom": e.freedom, "p": e.p,
            "p_equivalent": e.p_equivalent(margin)}  # fmt: skip


def verdict(row: dict[str, Any], margin: float) -> str:
    """What a contrast decides, once it has the seeds that were planned."""
    if row["seeds"] < SEEDS:
        return f"open: {row['seeds']} of {SEEDS} seeds"
    said = []
    if row["p_holm"] < LEVEL:
        said.append("ahead" if row["difference"] > 0 else "behind")
    if row["p_equivalent_holm"] < LEVEL:
        said.append(f"equal within {100 * margin:g} points")
    return ", ".join(said) or "not decided"


def report(held: pd.DataFrame) -> str:
    """What is decided, what is not, and what is missing."""
    lines = []
    for cell in CELLS:
        rates, done = rates_of(held, cell), len(list(complete(held, cell)))
        here = held[held.cell == cell.name]
        searches, diverged = here[here.dev_accuracy.isna()], here.diverged.notna().sum()
        if rates is None:
            lines.append(f"{cell.name}: search for rates under way, {len(searches)} runs done.")
        else:
            told = ", ".join(f"{m} {lr:g}" for m, lr in rates.lr.items())
            lines.append(f"{cell.name}: rates {told}; of α {rates.alpha:g}; {done} of {SEEDS} seeds complete.")
        if diverged:
            lines[-1] += f" {diverged} runs diverged."
    for r in contrasts(held).itertuples():
        lines.append(
            f"{r.method} − {r.against}, {r.task}, n = {r.n}: {100 * r.difference:+.2f} points [{100 * r.low:+.2f}, {100 * r.high:+.2f}], "
            f"p = {r.p:.2g} (Holm {r.p_holm:.2g}), of inequality by {100 * r.margin:g} points {r.p_equivalent:.2g} "
            f"(Holm {r.p_equivalent_holm:.2g}): {r.verdict}."
        )
    return "\n".join([*lines, missing(held)])


def missing(held: pd.DataFrame) -> str:
    """How many runs are left, in the least that is planned and in all, and the hours of one core that they need."""
    measured = (
        held.cpu_seconds.sum() / sum(work(r.cell, r.method, r.dev_accuracy > 0) for r in held.itertuples())
        if len(held)
        else None
    )
    told = []
    for name, wanted in (("the first stage", dict(ORDER[: len(CELLS)])), ("all", dict.fromkeys(CELLS, SEEDS))):
        left: list[tuple[str, str, bool]] = []
        for cell, seeds in wanted.items():
            done = {seed for seed, _ in complete(held, cell)}
            left += [(cell.name, m, True) for s in range(seeds) if s not in done for m in METHODS]
            if rates_of(held, cell) is None:  # a grid that need not grow
                left += [(cell.name, job["method"], False) for job in searched(first_of_each(held), cell)[0]]
        hours = "" if measured is None else f", {measured * sum(work(*one) for one in left) / 3600:.1f} core-hours"
        told.append(f"{name}: {len(left)} runs{hours}")
    return f"Left for {'; for '.join(told)}{'' if measured is None else ' (by what the finished runs took)'}."


def work(cell: str, method: str, tested: bool) -> float:
    """Tokens that go through the model, a training step's counted three times."""
    task, n = cell.rpartition("-")[0], int(cell.rpartition("-")[2])
    train, padded, dev = TOKENS[task]
    judged = DEV_ROWS[task] * dev + 5 * 0.2 * n * train if tested else 1000 * train
    return 3 * 16 * STEPS[n] * padded * WEIGHT.get(method, 1.0) + judged


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=len(CONTRASTS), height=2.3, sharey=True)
    tasks = list(dict.fromkeys([*LENGTHS, *table.task]))
    for ax, ((one, other), margin) in zip(axes.flat, CONTRASTS.items(), strict=True):
        here = table[(table.method == one) & (table.against == other)]
        for i, n in enumerate(STEPS):
            group = here[here.n == n]
            y = np.array([tasks.index(t) for t in group.task]) + 0.3 * (i - 0.5)
            ax.errorbar(100 * group.difference, y, xerr=100 * np.array([group.difference - group.low, group.high - group.difference]),
                        color=plotting.COLORS[i], marker=plotting.MARKERS[i], linestyle="none", elinewidth=0.9, markersize=4,
                        label=f"$n={n}$")  # fmt: skip
        ax.axvspan(-100 * margin, 100 * margin, color="0.9", label="margin")
        ax.axvline(0, color="black", linewidth=0.8, linestyle=":")
        ax.set(title=f"{one}\n− {other}", yticks=range(len(tasks)), yticklabels=tasks, ylim=(len(tasks) - 0.5, -0.5))
        ax.set_title(ax.get_title(), fontsize=7)
        ax.xaxis.set_major_locator(MaxNLocator(3))
    fig.suptitle(
        "difference of accuracies in points, 95 % intervals over seeds and rows\n"
        f"all-mpnet-base-v2; {table.seeds.min()} to {table.seeds.max()} of the {SEEDS} planned seeds, and those with all decide"
    )
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lab.picture(fig)
