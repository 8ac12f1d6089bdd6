"""Whose deviations should scale the features? Accuracy with α from data, by own rows, the source's, both, or unlabelled target rows."""

import warnings

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.estimate import AlphaRidgeClassifier, scaling_rows

from .alpha_judged import SIZES, samples
from .lab import Lab
from .transfers import TUNING, Transfer

SCALINGS = {
    "own rows": lambda own, source, pool: scaling_rows(own),
    "source": lambda own, source, pool: scaling_rows(source),
    "own and source": lambda own, source, pool: scaling_rows(own, source),
    "unlabelled rows": lambda own, source, pool: scaling_rows(own, unlabelled=pool),
}


def run(lab: Lab) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X is scaled by its own")  # what that costs is measured here
        rows = [
            {"transfer": name} | row
            for name, load in TUNING.items()
            for row in measured(load(), lab.trials(8), lab.seed)
        ]
    data = lab.table(pd.DataFrame(rows))
    means = data.groupby("n_target")[list(SCALINGS)].mean()
    draw(lab, data)
    for n, row in means.iterrows():
        lab.remark(f"n = {n}: " + ", ".join(f"{name} {100 * value:.1f}" for name, value in row.items()) + ".")


def measured(transfer: Transfer, trials: int, seed: int) -> list[dict]:
    """Mean accuracy under each scaling at each n, on test rows that nothing else sees; the same samples for all."""
    source_X, source_y, X, y = transfer
    w = AlphaRidgeClassifier(threshold="balanced").fit(scaling_rows(source_X)(source_X), source_y).coef_[0]
    rows = []
    for n in SIZES:
        hits = []
        for own, pool, test in samples(y, n, trials, seed):
            scaled = [scaling(X[own], source_X, X[pool])(X) for scaling in SCALINGS.values()]
            hits.append(
                [np.mean(AlphaRidgeClassifier(w).fit(Z[own], y[own]).predict(Z[test]) == y[test]) for Z in scaled]
            )
        if hits:
            rows.append({"n_target": n, "draws": len(hits)} | dict(zip(SCALINGS, np.mean(hits, axis=0), strict=True)))
    return rows


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=3.25, height=2.8)
    ax = axes[0, 0]
    for i, name in enumerate(list(SCALINGS)[1:]):
        gain = (100 * (data[name] - data["own rows"])).groupby(data.n_target).agg(["mean", "sem"])
        look = {"color": plotting.COLORS[i], "linestyle": plotting.DASHES[i], "marker": plotting.MARKERS[i]}
        ax.errorbar(gain.index * (0.96 + 0.04 * i), gain["mean"], yerr=gain["sem"], label=name, **look)
    ax.axhline(0, color="black", linewidth=0.7, linestyle=":")
    ax.set(xscale="log", xlabel="$n$ target rows", ylabel="gain over own rows (points)")
    ax.set(title=f"mean ± s.e. over {data.transfer.nunique()} transfers")
    ax.set_xticks(SIZES, [str(n) for n in SIZES])
    ax.minorticks_off()
    ax.legend()
    lab.picture(fig)
