"""Flipped labels and unequal classes: accuracy and α*, with the threshold at zero or at its best."""

from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Population, compare, optimal_alpha, plotting, predict, simulate, simulate_optimal_alpha

from .lab import Lab

LINE, POINTS = np.linspace(-3, 6, 181), np.linspace(-3, 6, 10)
FLIPS, SOURCE_FLIPS = (0.0, 0.2, 0.4), (0.0, 0.3)
RATES, PRIORS = (0.0, 0.15, 0.3, 0.4), (0.5, 0.65, 0.8)
SMALL, LARGE = 10, 150  # for theory only the ratios matter, and the spectra at the means
THRESHOLDS = ("zero", "best")


def make(size: int, flip: float = 0.0, source_flip: float = 0.0, prior: float = 0.5) -> Fit:
    """N : n : p = 3 : 1 : 2, β = 0.8; centred target features; what is noisy (2) in one class is quiet (½) in the other."""
    mean, target = np.zeros((2, 2 * size))
    mean[0], target[0], target[1] = 1.2, 0.8 * 1.2, 0.6 * 1.2
    source = Fit(Population.two_classes(mean, -mean, flips=source_flip), n=3 * size, gamma=0.5)
    means, spectrum = (2 * (1 - prior) * target, -2 * prior * target), np.tile([0.5, 2.0], size)
    classes = Population.two_classes(*means, prior=prior, flips=flip, covariances=[spectrum, spectrum[::-1]])
    return Fit(classes, n=size, gamma=0.1, starts=[source])


def run(lab: Lab) -> None:
    curves, curve_points, optima, optimum_points = [], [], [], []
    trials = lab.trials(80)
    for flip in FLIPS:
        known = columns(flip)
        curves.append(pd.DataFrame(known | {"alpha": LINE, "accuracy": predict(make(SMALL, flip), LINE).accuracy}))
        sim = simulate(make(LARGE, flip), POINTS, n_trials=trials, seed=lab.seed)
        lab.check(compare(predict(make(LARGE, flip), POINTS), sim))
        found = {"alpha": POINTS, "accuracy": sim.accuracy, "accuracy_se": sim.accuracy_se}
        curve_points.append(pd.DataFrame(known | found))
    swept: list[tuple[Any, ...]] = [
        (rate, s, 0.5, "zero", rate in RATES) for s in SOURCE_FLIPS for rate in np.linspace(0, 0.45, 46).round(2)
    ]
    swept += [(0.0, 0.0, prior, t, prior in PRIORS) for t in THRESHOLDS for prior in np.linspace(0.5, 0.9, 41).round(2)]
    for *case, threshold, simulated in swept:
        flip, source_flip, prior = case
        known = columns(flip, source_flip, prior, threshold)
        best = optimal_alpha(make(SMALL, *case), threshold=threshold)
        optima.append(known | {"optimal_alpha": best.alpha, "accuracy": best.accuracy})
        if simulated:
            large = make(LARGE, *case)
            options: Any = {"n_trials": trials, "seed": lab.seed, "threshold": threshold}
            chosen, at_best = simulate_optimal_alpha(large, **options), simulate(large, best.alpha, **options)
            lab.check((chosen.alpha - best.alpha) / chosen.alpha_se)
            lab.check((at_best.accuracy - best.accuracy) / at_best.accuracy_se)
            values = {"optimal_alpha": chosen.alpha, "optimal_alpha_se": chosen.alpha_se}
            values |= {"accuracy": at_best.accuracy, "accuracy_se": at_best.accuracy_se}
            optimum_points.append(known | values)
    tables = {"curve": curves, "curve_simulation": curve_points}
    curve, points = (lab.table(pd.concat(frames), part) for part, frames in tables.items())
    optimum, found = lab.table(pd.DataFrame(optima)), lab.table(pd.DataFrame(optimum_points), "simulation")
    draw(lab, (curve, points), (optimum, found))
    flips = flipped(optimum)[lambda t: t.source_flips == 0].set_index("target_flips").optimal_alpha
    unequal = optimum[optimum.prior == 0.8].set_index("threshold")
    lab.remark(
        f"Flipping 30 % of the target's labels moves α* from {flips[0.0]:.2f} to {flips[0.3]:.2f}. Classes 4 : 1: accuracy "
        f"{unequal.accuracy['zero']:.3f} at α* = {unequal.optimal_alpha['zero']:.2f} with the threshold at zero, "
        f"{unequal.accuracy['best']:.3f} at α* = {unequal.optimal_alpha['best']:.2f} with the best one. "
        f"Points and z at p = {2 * LARGE}, where theory is off by about 0.1/p."
    )


def columns(flip: float, source_flip: float = 0.0, prior: float = 0.5, threshold: str = "zero") -> dict:
    fixed = {"source_ratio": 1.5, "target_ratio": 0.5, "gamma_source": 0.5, "gamma_target": 0.1, "beta": 0.8}
    return fixed | {"target_flips": flip, "source_flips": source_flip, "prior": prior, "threshold": threshold}


def flipped(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.prior == 0.5) & (table.threshold == "zero")].drop_duplicates(["target_flips", "source_flips"])


def draw(lab: Lab, curves: tuple[pd.DataFrame, ...], optima: tuple[pd.DataFrame, ...]) -> None:
    fig, axes = plotting.figure(columns=2, rows=2, height=2.2)
    flips = tuple(flipped(table) for table in optima)
    priors = tuple(
        t[(t.target_flips == 0) & (t.source_flips == 0)].drop_duplicates(["prior", "threshold"]) for t in optima
    )
    series(axes[0, 0], curves, "alpha", "accuracy", "target_flips", "target flips: {:g}")
    series(axes[0, 1], flips, "target_flips", "optimal_alpha", "source_flips", "source flips: {:g}")
    series(axes[1, 0], priors, "prior", "accuracy", "threshold", "threshold: {}")
    series(axes[1, 1], priors, "prior", "optimal_alpha", "threshold", "threshold: {}")
    larger = priors[0].prior
    axes[1, 0].plot(larger, larger, color="grey", linewidth=0.8, linestyle=":", label="the larger class")
    axes[0, 0].set(xlabel=r"$\alpha$", ylabel="accuracy (true labels)")
    axes[0, 1].set(xlabel="target's flip rate", ylabel=r"$\alpha^*$", yscale="log")
    axes[1, 0].set(xlabel="prior of the larger class", ylabel=r"accuracy at $\alpha^*$")
    axes[1, 1].set(xlabel="prior of the larger class", ylabel=r"$\alpha^*$")
    for ax, corner in zip(axes.flat, ("lower right", "upper left", "upper left", "upper left"), strict=True):
        ax.legend(loc=corner)
    plotting.legend(None, fig)
    fig.suptitle(r"$N:n:p=3:1:2,\ \beta=0.8,\ \tilde\gamma=0.5,\ \gamma=0.1$, a covariance per class")
    lab.picture(fig)


def series(ax, tables: tuple[pd.DataFrame, ...], x: str, y: str, by: str, label: str) -> None:
    """One curve per value of a column, with its points."""
    line, point = tables
    for i, (value, curve) in enumerate(line.groupby(by, sort=False)):
        sim = point[point[by] == value]
        plotting.theory_line(ax, curve[x], curve[y], i, label=label.format(value))
        plotting.simulation_points(ax, sim[x], sim[y], sim[f"{y}_se"], i)
