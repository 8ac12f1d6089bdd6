"""How long full fine-tuning, LoRA and α-LoRA train until they are equally good, on SST-2 and one machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import plotting

from .finetuning import LARGE, job, rates, runs
from .lab import Lab

TASK, COMPARED = "sst2", ("full", "lora", "alpha-lora")
LOOKS: dict[str, Any] = {**LARGE, "evaluations": 15, "n_dev": 1}  # on the validation rows
RESAMPLED = 999


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    records = runs(job(TASK, m, s, LOOKS, lr=rate[m]) for s in seeds for m in COMPARED)
    looks = [
        {"method": r.method, "seed": r.seed, "step": look["step"], "accuracy": look["judged_accuracy"],
         "seconds": r.train_seconds * look["step"] / r.steps}
        for r in records.itertuples() for look in r.curve
    ]  # fmt: skip
    curves = lab.table(pd.DataFrame(looks))
    target, times = times_to(curves)
    found = lab.table(intervals(curves, target, times), "ratios")
    draw(lab, curves, target)
    lab.remark(
        f"Validation accuracy of {100 * target:.1f} %, the best that all methods reach on average over {len(seeds)} seeds "
        f"({TASK}, MiniLM, n = {LOOKS['n_train']}), after {', '.join(f'{times[m]:.0f} s of {m}' for m in COMPARED)}."
    )
    for r in found.itertuples():
        lab.remark(
            f"{r.method} takes {r.ratio:.2f} [{r.low:.2f}, {r.high:.2f}] times full's time (95 %, seeds resampled)."
        )


def times_to(curves: pd.DataFrame, target: float | None = None) -> tuple[float, pd.Series]:
    """The target, unless it is given, and the seconds after which each method's mean curve is at it; what it never reaches is infinite.

    The target is the largest accuracy that every method's mean curve reaches; between two looks accuracy is taken as linear.
    """
    mean = curves.groupby(["method", "step"])[["accuracy", "seconds"]].mean()
    if target is None:
        target = float(mean.groupby("method").accuracy.max().min())
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
    rows = []
    for method in COMPARED[1:]:
        with np.errstate(invalid="ignore"):
            ratios = np.array([t[method] / t["full"] for t in drawn])
        ratios = np.where(np.isnan(ratios), 1.0, ratios)  # neither gets there
        low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
        rows.append({"method": method, "target": target, "seconds": times[method], "full_seconds": times["full"],
                     "ratio": times[method] / times["full"], "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows)


def draw(lab: Lab, curves: pd.DataFrame, target: float) -> None:
    fig, axes = plotting.figure(width=4.8, height=2.5)
    ax = axes[0, 0]
    for i, method in enumerate(COMPARED):
        at = curves[curves.method == method].groupby("step")
        mean, error = at[["seconds", "accuracy"]].mean(), at.accuracy.sem()
        ax.errorbar(mean.seconds, mean.accuracy, yerr=error, color=plotting.COLORS[i], marker=plotting.MARKERS[i],
                    markersize=3, label=method)  # fmt: skip
    ax.axhline(target, color="black", linestyle=":", linewidth=0.9, label="reached by all")
    ax.set(xlabel="seconds of training", ylabel="validation accuracy",
           title=f"{TASK}, MiniLM, n = {LOOKS['n_train']}: mean ± s.e. over {curves.seed.nunique()} seeds")  # fmt: skip
    fig.legend(loc="outside lower center", ncols=4)
    lab.picture(fig)
