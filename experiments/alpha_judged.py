"""α chosen from data against other methods, on sixteen real transfers and twenty Gaussian problems that chose none of its constants."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.estimate import AlphaRidgeClassifier, scaling_rows

from .lab import Lab
from .peers import METHODS
from .transfers import JUDGING, JUDGING_GAUSSIAN, Transfer, gaussian

SIZES = (10, 20, 50, 100, 400)
TEST = 1000  # at most, and a third of the rows
FEWEST = 2  # rows per class


def run(lab: Lab) -> None:
    rows = []
    sets = [(name, "real", load) for name, load in JUDGING.items()]
    sets += [(f"Gaussian {k}", "Gaussian", partial(gaussian, k)) for k in JUDGING_GAUSSIAN]
    for name, kind, load in sets:
        rows += [{"transfer": name, "kind": kind} | row for row in judged(load(), lab.trials(40), lab.seed)]
    data = lab.table(pd.DataFrame(rows))
    draw(lab, data)
    for kind, part in data.groupby("kind", sort=False):
        for n, cell in part.groupby("n_target"):
            means = ", ".join(f"{name} {100 * cell[name].mean():.2f}" for name in METHODS)
            lab.remark(f"{kind}, n = {n}: {means}.")


def judged(transfer: Transfer, trials: int, seed: int, sizes: tuple[int, ...] = SIZES) -> list[dict]:
    """Mean accuracy of each method at each n; features scaled by the target's unlabelled pool, which shares no row with the test."""
    source_X, source_y, X, y = transfer
    w = AlphaRidgeClassifier(threshold="balanced").fit(scaling_rows(source_X)(source_X), source_y).coef_[0]
    rows = []
    for n in sizes:
        hits = []
        for chosen, pool, test in samples(y, n, trials, seed):
            Z = scaling_rows(X[pool])(X)
            hits.append([np.mean(method(Z[chosen], y[chosen], w, Z[test]) == y[test]) for method in METHODS.values()])
        if hits:
            rows.append({"n_target": n, "draws": len(hits)} | dict(zip(METHODS, np.mean(hits, axis=0), strict=True)))
    return rows


def samples(y: np.ndarray, n: int, trials: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(n rows to learn from, the pool that they are of, test rows) of each trial that draws enough rows of both classes."""
    for trial in range(trials):
        order = np.random.default_rng([seed, trial, n]).permutation(len(y))
        test, pool = np.split(order, [min(TEST, len(y) // 3)])
        chosen = pool[:n]
        if n <= len(pool) and min(np.sum(y[chosen] > 0), np.sum(y[chosen] < 0)) >= FEWEST:
            yield chosen, pool, test


def draw(lab: Lab, data: pd.DataFrame) -> None:
    kinds = list(dict.fromkeys(data.kind))
    fig, axes = plotting.figure(columns=len(kinds), height=2.8)
    for ax, kind in zip(axes[0], kinds, strict=True):
        part = data[data.kind == kind]
        for i, name in enumerate(list(METHODS)[1:]):
            gain = (100 * (part["auto"] - part[name])).groupby(part.n_target).agg(["mean", "sem"])
            ax.errorbar(
                gain.index * (1 + 0.03 * (i - 2.5)),  # side by side, so that no bar hides another
                gain["mean"],
                gain["sem"],
                color=plotting.COLORS[i],
                marker=plotting.MARKERS[i],
                ls=plotting.DASHES[i],
                label=name.replace("α", r"$\alpha$"),
            )
        ax.axhline(0, color="black", lw=0.6)
        ax.set(
            xscale="log",
            xlabel="$n$ target rows",
            title=f"{kind}, ± s.e. over transfers",
            ylabel="gain of auto (points)",
        )
        ax.set_yscale("symlog", linthresh=1)
        ax.set_yticks([-0.5, 0, 0.5, 1, 2, 5, 10], ["−.5", "0", ".5", "1", "2", "5", "10"])
        ax.set_xticks(SIZES, [str(n) for n in SIZES])
        ax.minorticks_off()
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lab.picture(fig)
