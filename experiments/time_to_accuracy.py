"""How long full fine-tuning, LoRA and α-LoRA train until they are equally good, on SST-2, in seconds of one core.

The steps alone are counted: looks at the validation rows, and the checkpoints written there, are the experiment's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import plotting

from .finetuning import LARGE, job, rates, runs
from .lab import Lab

TASK = "sst2"
LOOKS: dict[str, Any] = {**LARGE, "evaluations": 15, "n_dev": 1}  # on the validation rows
# At the rate that ends best full fine-tuning begins slowly: so the faster of two stands for it.
COMPARED = {"full": ("full", 1), "full, 3 × rate": ("full", 3), "lora": ("lora", 1), "alpha-lora": ("alpha-lora", 1)}
BELOW = 0.02  # the plateau: on it noise decides who is there first
RESAMPLED = 999


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    tables = []
    for name, (method, factor) in COMPARED.items():
        records = runs(job(TASK, method, s, LOOKS, lr=factor * rate[method]) for s in seeds)
        tables += [
            {"method": name, "n_train": r.n_train, "lr": r.lr, "seed": r.seed, "step": look["step"], "accuracy": look["judged_accuracy"],
             "seconds": r.train_seconds * look["step"] / r.steps}
            for r in records.itertuples() for look in r.curve
        ]  # fmt: skip
    curves = lab.table(pd.DataFrame(tables))
    target, times = times_to(curves)
    found = lab.table(intervals(curves, target, times), "ratios")
    draw(lab, curves, target)
    lab.remark(
        f"Validation accuracy of {100 * target:.1f} %, {100 * BELOW:.0f} points below the best that all reach on average over "
        f"{len(seeds)} seeds ({TASK}, MiniLM, n = {LOOKS['n_train']}), after "
        f"{', '.join(f'{times[name]:.0f} s ({name})' for name in COMPARED)} of steps on one core."
    )
    for r in found.itertuples():
        lab.remark(
            f"{r.method} takes {r.ratio:.2f} [{r.low:.2f}, {r.high:.2f}] times the time of the faster full fine-tuning (95 %, seeds "
            f"resampled)."
        )


def times_to(curves: pd.DataFrame, target: float | None = None) -> tuple[float, pd.Series]:
    """The target, unless it is given, and the seconds after which each method's mean curve is at it; what it never reaches is infinite.

    The target is BELOW the largest accuracy that every method's mean curve reaches; between two looks accuracy is taken as linear.
    """
    mean = curves.groupby(["method", "step"])[["accuracy", "seconds"]].mean()
    if target is None:
        target = float(mean.groupby("method").accuracy.max().min()) - BELOW
    times = {}
    for method, curve in mean.groupby("method"):
        accuracy, seconds = curve.accuracy.to_numpy(), curve.seconds.to_numpy()
        there = np.flatnonzero(accuracy >= target)
        if not len(there):
            times[method] = np.inf
        elif (k := there[0]) == 0:
            times[method] = seconds[0]
        else:
            times[method] = np.interp(target, accuracy[k - 1 : k + 1], seconds[k - 1 : k + 1])
    return target, pd.Series(times)


def intervals(curves: pd.DataFrame, target: float, times: pd.Series) -> pd.DataFrame:
    """The time of each adapter in units of full fine-tuning's, with percentiles over resampled seeds, at one target."""
    rng, seeds = np.random.default_rng(0), curves.seed.unique()
    by_seed = {seed: group for seed, group in curves.groupby("seed")}
    drawn = [
        times_to(pd.concat([by_seed[s] for s in rng.choice(seeds, len(seeds))]), target)[1] for _ in range(RESAMPLED)
    ]
    full = times[times.index.str.startswith("full")].idxmin()
    rows = []
    for method in ("lora", "alpha-lora"):
        with np.errstate(invalid="ignore"):
            ratios = np.array([t[method] / t[full] for t in drawn])
        ratios = np.where(np.isnan(ratios), 1.0, ratios)  # neither gets there
        low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
        rows.append({"method": method, "target": target, "seconds": times[method], "full_seconds": times[full],
                     "ratio": times[method] / times[full], "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows)


def draw(lab: Lab, curves: pd.DataFrame, target: float) -> None:
    fig, axes = plotting.figure(width=4.8, height=2.5)
    ax = axes[0, 0]
    for i, method in enumerate(COMPARED):
        at = curves[curves.method == method].groupby("step")
        mean, error = at[["seconds", "accuracy"]].mean(), at.accuracy.sem()
        ax.errorbar(mean.seconds, mean.accuracy, yerr=error, color=plotting.COLORS[i], marker=plotting.MARKERS[i],
                    markersize=3, label=method)  # fmt: skip
    ax.axhline(target, color="black", linestyle=":", linewidth=0.9, label="equal accuracy")
    ax.set(xlabel="seconds of training steps, one core", ylabel="validation accuracy",
           title=f"{TASK}, MiniLM, n = {LOOKS['n_train']}: mean ± s.e. over {curves.seed.nunique()} seeds")  # fmt: skip
    fig.legend(loc="outside lower center", ncols=5)
    lab.picture(fig)
