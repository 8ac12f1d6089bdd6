"""Flipped labels and unequal classes: accuracy and α*, with the threshold at zero or at its best."""

import numpy as np
import pandas as pd

from rmt_alpha import (
    ClassProblem,
    Mixture,
    class_form,
    compare,
    optimal_alpha_classes,
    plotting,
    simulate_classes,
    simulate_optimal_alpha_classes,
)

from .lab import Lab

ALPHA = np.linspace(-3, 6, 10)
FLIPS, SOURCE_FLIPS = (0.0, 0.2, 0.4), (0.0, 0.3)
RATES, PRIORS = (0.0, 0.15, 0.3, 0.4), (0.5, 0.65, 0.8)
SMALL, LARGE = 10, 150  # for theory only the ratios matter, and the spectra at the means
THRESHOLDS = ("zero", "optimal")
PARTS = ("alpha", "flips", "priors")


def make(size: int, flip: float = 0.0, source_flip: float = 0.0, prior: float = 0.5) -> ClassProblem:
    """N : n : p = 3 : 1 : 2, β = 0.8; centred target features; what is noisy (2) in one class is quiet (½) in the other."""
    mean, target = np.zeros((2, 2 * size))
    mean[0], target[0], target[1] = 1.2, 0.8 * 1.2, 0.6 * 1.2
    source = Mixture.two_classes(mean, -mean, flips=source_flip)
    means, spectrum = (2 * (1 - prior) * target, -2 * prior * target), np.tile([0.5, 2.0], size)
    mixture = Mixture.two_classes(*means, prior=prior, flips=flip, covariances=[spectrum, spectrum[::-1]])
    return ClassProblem(source, mixture, n_target=size, gamma_target=0.1, n_source=3 * size, gamma_source=0.5)


def run(lab: Lab) -> None:
    lines: dict[str, list] = {part: [] for part in PARTS}
    points: dict[str, list] = {part: [] for part in PARTS}
    trials = lab.trials(80)
    for flip in FLIPS:
        form, alpha = class_form(make(SMALL, flip)), np.linspace(-3, 6, 181)
        lines["alpha"].append({"key": flip, "x": alpha, "accuracy": form.moments(alpha).accuracy})
        sim = simulate_classes(make(LARGE, flip), ALPHA, n_trials=trials, seed=lab.seed)
        lab.check(compare(form.moments(ALPHA), sim))
        points["alpha"].append({"key": flip, "x": ALPHA, "accuracy": sim.accuracy, "accuracy_se": sim.accuracy_se})
    for source_flip in SOURCE_FLIPS:
        for rate in np.round(np.linspace(0, 0.45, 46), 2):
            best = optimal_alpha_classes(make(SMALL, rate, source_flip))
            lines["flips"].append({"key": source_flip, "x": [rate], "best": best.best, "accuracy": best.accuracy})
            if rate in RATES:
                found = simulate_optimal_alpha_classes(make(LARGE, rate, source_flip), n_trials=trials, seed=lab.seed)
                lab.check((found.best - best.best) / found.best_se)
                points["flips"].append({"key": source_flip, "x": [rate], "best": found.best, "best_se": found.best_se})
    for threshold in THRESHOLDS:
        for prior in np.round(np.linspace(0.5, 0.9, 41), 2):
            best = optimal_alpha_classes(make(SMALL, prior=prior), threshold)
            lines["priors"].append({"key": threshold, "x": [prior], "best": best.best, "accuracy": best.accuracy})
            if prior in PRIORS:
                large = make(LARGE, prior=prior)
                at_best = simulate_classes(large, best.best, threshold, n_trials=trials, seed=lab.seed)
                lab.check((at_best.accuracy - best.accuracy) / at_best.accuracy_se)
                found = simulate_optimal_alpha_classes(large, threshold, n_trials=trials, seed=lab.seed)
                lab.check((found.best - best.best) / found.best_se)
                values = {"accuracy": at_best.accuracy, "accuracy_se": at_best.accuracy_se, "best": found.best}
                points["priors"].append({"key": threshold, "x": [prior], **values, "best_se": found.best_se})
    data = {part: (table(lab, lines, part), table(lab, points, part, "_simulation")) for part in PARTS}
    draw(lab, data)
    flips, priors = data["flips"][0], data["priors"][0]
    clean, last = flips[flips.key == 0].set_index("x").best, priors[priors.x == 0.8].set_index("key")
    lab.remark(
        f"Flipping 30 % of the target's labels moves α* from {clean[0.0]:.2f} to {clean[0.3]:.2f}. Classes 4 : 1: accuracy "
        f"{last.accuracy['zero']:.3f} at α* = {last.best['zero']:.2f} with the threshold at zero, {last.accuracy['optimal']:.3f} "
        f"at α* = {last.best['optimal']:.2f} with the best one. Points and z at p = {2 * LARGE}, where theory is off by about 0.1/p."
    )


def table(lab: Lab, blocks: dict[str, list], part: str, suffix: str = "") -> pd.DataFrame:
    return lab.table(pd.concat([pd.DataFrame(block) for block in blocks[part]]), part + suffix)


def draw(lab: Lab, data: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    fig, axes = plotting.figure(columns=2, rows=2, width=3.3, height=2.6)
    panels = (("alpha", "accuracy"), ("flips", "best"), ("priors", "accuracy"), ("priors", "best"))
    names = {"alpha": "target flips: {:g}", "flips": "source flips: {:g}", "priors": "threshold: {}"}
    for ax, (part, value) in zip(axes.flat, panels, strict=True):
        line, point = data[part]
        for i, (key, curve) in enumerate(line.groupby("key", sort=False)):
            sim = point[point.key == key]
            plotting.theory_line(ax, curve.x, curve[value], i, label=names[part].format(key))
            plotting.simulation_points(ax, sim.x, sim[value], sim[f"{value}_se"], i)
        ax.legend()
    axes[0, 0].set(xlabel="α", ylabel="accuracy (true labels)")
    axes[0, 1].set(xlabel="target's flip rate", ylabel="α*", yscale="log")
    priors = data["priors"][0].x
    axes[1, 0].plot(priors, priors, color="grey", lw=0.8, ls=":", label="always the larger class")
    axes[1, 0].legend()
    axes[1, 0].set(xlabel="prior of the larger class", ylabel="accuracy at α*")
    axes[1, 1].set(xlabel="prior of the larger class", ylabel="α*")
    lab.picture(fig)
