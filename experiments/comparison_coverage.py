"""How often the intervals of glue_comparison hold the truth, on planted data of its sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rmt_alpha import plotting

from .crossed import Planted, crossed
from .lab import Lab

SIZES = [(seeds, rows) for seeds in (5, 15) for rows in (408, 872, 5463)]
# Accuracies of two methods, and what their difference varies by; the first like SST-2.
PLANTED = {
    "seeds and rows": Planted((0.885, 0.885), row=0.75, own_row=0.02, seed=0.005, own_seed=0.01),
    "seeds and rows, apart": Planted((0.80, 0.74), row=0.5, own_row=0.1, seed=0.02, own_seed=0.02),
    "mostly seeds": Planted((0.79, 0.77), row=0.6, own_row=0.0, seed=0.0, own_seed=0.06),
    "rows": Planted((0.79, 0.77), row=0.4, own_row=0.2, seed=0.0, own_seed=0.0),
    "neither": Planted((0.60, 0.60), row=0.0, own_row=0.0, seed=0.0, own_seed=0.0),
}
LEVEL = 0.95


def run(lab: Lab) -> None:
    replicates = lab.trials(1000)
    rows = []
    for (seeds, size), (name, planted) in ((s, p) for s in SIZES for p in PLANTED.items()):
        held = [
            crossed(planted.table(seeds, size, np.random.default_rng([lab.seed, seeds, size, k])))
            for k in range(replicates)
        ]
        inside = np.mean([low <= planted.difference <= high for low, high in (e.interval(LEVEL) for e in held)])
        truth = np.std([e.mean for e in held])
        rows.append({"seeds": seeds, "rows": size, "varies_by": name, "difference": planted.difference, "replicates": replicates,
                     "coverage": inside, "coverage_se": np.sqrt(LEVEL * (1 - LEVEL) / replicates), "error": truth,
                     "stated_error": np.sqrt(np.mean([e.se**2 for e in held])),
                     "half_width": np.mean([e.interval(LEVEL)[1] - e.mean for e in held])})  # fmt: skip
    table = lab.table(pd.DataFrame(rows))
    draw(lab, table)
    for seeds, here in table.groupby("seeds"):
        both = here[here.varies_by != "neither"]
        lab.remark(
            f"{seeds} seeds: the 95 % intervals hold the truth in {100 * both.coverage.min():.1f} to {100 * both.coverage.max():.1f} % "
            f"(standard error {100 * here.coverage_se.iloc[0]:.1f}); in up to {100 * here.coverage.max():.1f} % where neither seeds nor "
            f"rows matter and the interval is longer than it need be."
        )


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=2.8, sharey=True)
    for ax, (seeds, here) in zip(axes[0], table.groupby("seeds"), strict=True):
        for i, name in enumerate(PLANTED):
            group = here[here.varies_by == name]
            ax.errorbar(np.arange(len(group)) + 0.1 * (i - 2), group.coverage, yerr=2 * group.coverage_se, color=plotting.COLORS[i],
                        marker=plotting.MARKERS[i], linestyle="none", markersize=4, elinewidth=0.9, label=name)  # fmt: skip
        ax.axhspan(0.93, 0.97, color="0.9")
        ax.axhline(LEVEL, color="black", linewidth=0.8, linestyle=":")
        ax.set(title=f"{seeds} seeds", xticks=range(len(group)), xticklabels=group.rows, xlabel="development rows")
    axes[0, 0].set_ylabel("coverage of 95 % intervals")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lab.picture(fig)
