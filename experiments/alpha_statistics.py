"""Learned α by layer and module, beside the authors' vectors; whether tasks agree on how layers are scaled, and on which rows are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from rmt_alpha import plotting

from .finetuning import LONG, TASKS, job, published, rates, runs
from .lab import Lab

AUTHORS = "alpha_vectors_published.npz"
SUMMARIES = ("mean", "sd", "quartile_1", "quartile_3")  # of the α of one module of one layer
PERMUTATIONS = 9999


def run(lab: Lab) -> None:
    rate = rates()["alpha-lora"]
    seeds = range(lab.seed, lab.seed + lab.trials(2))
    records = runs(job(t, "alpha-lora", s, LONG, lr=rate) for s in seeds for t in TASKS)
    vectors = {(r.task, int(r.seed)): stacked(r.row_scales) for r in records.itertuples()}  # (layers, 2, rows)
    mean = {task: np.mean([v for (t, _), v in vectors.items() if t == task], axis=0) for task in TASKS}
    known = {"n_train": LONG["n_train"], "steps": LONG["steps"], "lr": rate}
    rows = [described("MiniLM", task, v, s).assign(**known) for (task, s), v in vectors.items()]
    path = published(AUTHORS)
    theirs = {} if path is None else dict(np.load(path))
    rows += [described("RoBERTa, the authors'", task, v) for task, v in theirs.items()]
    table = lab.table(pd.concat(rows))
    correlations = lab.table(
        pd.DataFrame([*correlated("MiniLM", mean), *correlated("RoBERTa, the authors'", theirs)]), "correlation"
    )
    layers = lab.table(agreement(table), "layers")
    draw(lab, table)
    lab.remark(
        f"MiniLM: {LONG['n_train']} rows, {LONG['steps'] // LONG['every']} steps on α, {len(seeds)} seeds of each of {len(TASKS)} tasks."
    )
    for source, group in layers.groupby("model"):
        told = [f"{r.summary} {r.rank_correlation:+.2f} (p = {r.p:.2g}, {r.p_within:.2g})" for r in group.itertuples()]
        lab.remark(
            f"{source}: rank correlation between tasks by layer and module, mean over {group.pairs.iloc[0]} pairs of tasks: "
            f"{', '.join(told)}. p by permuting all modules of all layers of each task; and by permuting layers within query and value."
        )
    for source, group in table.groupby("model"):
        lab.remark(
            f"{source}: α = {group['mean'].mean():.3f} ± {np.sqrt((group['sd'] ** 2).mean()):.3f} over rows (mean ± s.d.), "
            f"from {group['minimum'].min():.2f} to {group['maximum'].max():.2f}."
        )
    for source, group in correlations.groupby("model"):
        low, high = group["rank_correlation"].min(), group["rank_correlation"].max()
        lab.remark(f"{source}: rank correlation of α by row between tasks {low:+.3f} to {high:+.3f}.")
    same = [
        stats.spearmanr(vectors[t, a].ravel(), vectors[t, b].ravel()).statistic
        for t in TASKS
        for a, b in combinations(seeds, 2)
    ]
    lab.remark(f"MiniLM, between two seeds of one task: {np.mean(same):+.3f} on average.")


def stacked(row_scales: dict[str, list[float]]) -> np.ndarray:
    """(layers, 2, rows): query and value of each layer, in order."""
    kinds = [[np.array(v) for name, v in row_scales.items() if f".{kind}." in name] for kind in ("query", "value")]
    return np.stack(kinds, axis=1)


def described(model: str, task: str, vectors: np.ndarray, seed: int | None = None) -> pd.DataFrame:
    """Mean, s.d. and quartiles of each vector."""
    table = []
    for layer, kinds in enumerate(vectors):
        for module, alpha in zip(("query", "value"), kinds, strict=True):
            low, median, high = np.quantile(alpha, [0.25, 0.5, 0.75])
            table.append({"model": model, "task": task, "seed": seed, "layer": layer, "module": module, "mean": alpha.mean(),
                          "sd": alpha.std(), "quartile_1": low, "median": median, "quartile_3": high,
                          "minimum": alpha.min(), "maximum": alpha.max()})  # fmt: skip
    return pd.DataFrame(table)


def correlated(model: str, vectors: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Spearman's rank correlation of α over all rows, for each pair of tasks."""
    found = []
    for one, other in combinations(vectors, 2):
        result = stats.spearmanr(vectors[one].ravel(), vectors[other].ravel())
        found.append(
            {"model": model, "task_1": one, "task_2": other, "rank_correlation": result.statistic, "p": result.pvalue}
        )
    return found


def agreement(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Do tasks agree on how the layers' modules are scaled? Of each model and summary: the mean over all pairs of tasks of Spearman's
    correlation over layer × module (of a task, the mean over its seeds), and two p-values (one-sided, of agreement).

    `p`: the modules of all layers of each task permuted. `p_within`: the layers permuted, of query and value apart, so that a difference
    between the two kinds of module is no agreement.
    """
    found = []
    for model, here in table.groupby("model", sort=False):
        cells = here.groupby(["task", "module", "layer"])[list(SUMMARIES)].mean()
        for k, summary in enumerate(SUMMARIES):
            wide = cells[summary].unstack("task").sort_index()  # modules, and in them layers, × tasks
            ranks = stats.rankdata(wide.to_numpy(), axis=0).T.reshape(len(wide.columns), 2, -1)  # task, module, layer
            rng = np.random.default_rng([seed, k])
            free = [alike(rng.permuted(ranks.reshape(len(ranks), -1), axis=1)) for _ in range(PERMUTATIONS)]
            within = [alike(rng.permuted(ranks, axis=2)) for _ in range(PERMUTATIONS)]
            seen = alike(ranks)
            p, p_within = ((1 + np.sum(np.array(null) >= seen)) / (1 + PERMUTATIONS) for null in (free, within))
            pairs = len(ranks) * (len(ranks) - 1) // 2
            found.append({"model": model, "summary": summary, "pairs": pairs, "cells": len(wide),
                          "rank_correlation": seen, "p": p, "p_within": p_within})  # fmt: skip
    return pd.DataFrame(found)


def alike(ranks: np.ndarray) -> float:
    """The mean correlation over pairs of tasks; ranks (tasks, …)."""
    correlations = np.corrcoef(ranks.reshape(len(ranks), -1))
    return correlations[np.triu_indices(len(ranks), 1)].mean()


def draw(lab: Lab, table: pd.DataFrame) -> None:
    panels = list(table.groupby(["model", "task"], sort=False))
    fig, axes = plotting.figure(columns=3, rows=-(-len(panels) // 3), height=1.8, sharey=True)
    for ax, ((model, task), here) in zip(axes.flat, panels, strict=False):
        for i, module in enumerate(("query", "value")):
            found = here[here.module == module].groupby("layer")[["quartile_1", "median", "quartile_3"]].mean()
            reach = [found["median"] - found.quartile_1, found.quartile_3 - found["median"]]
            ax.errorbar(found.index + 0.3 * i - 0.15, found["median"], yerr=reach, color=plotting.COLORS[i],
                        marker=plotting.MARKERS[i], markersize=3, linestyle="none", label=module)  # fmt: skip
        ax.axhline(1, color="grey", linewidth=0.7, linestyle=":")
        layers = range(0, here.layer.max() + 1, max(1, (here.layer.max() + 1) // 6))
        ax.set_xticks(layers, [str(k) for k in layers])
        ax.set_title(f"{task}, {model.partition(',')[0]}")
    for ax in axes.flat:
        ax.set_visible(ax.has_data())
    for ax in axes[-1]:
        ax.set_xlabel("layer")
    for ax in axes[:, 0]:
        ax.set_ylabel(r"learned $\alpha$")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    theirs = "; RoBERTa: the authors'" if table.model.nunique() > 1 else ""
    fig.suptitle(
        rf"median and quartiles of $\alpha$ over rows"
        "\n"
        rf"MiniLM: $n={table.n_train[0]:g}$, {table.steps[0]:g} steps, mean over {table.seed.nunique()} seeds{theirs}"
    )
    lab.picture(fig)
