"""Three, five and eight classes: accuracy against α, and what α* gains over α = 1 and over no transfer."""

from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Population, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab

CLASSES = (3, 5, 8)
SIZES: dict[str, Any] = {"n_source": 600, "n_target": 100, "dim": 200, "gamma_source": 0.5, "gamma_target": 0.5}
NORM, ALIGNMENT, LARGE = 3.0, 0.8, 5
LINE, POINTS = np.linspace(-2, 5, 57), np.linspace(-2, 5, 8)


def run(lab: Lab) -> None:
    curves, sims, told = [], [], []
    for K in CLASSES:
        fit, known = make(K), {"classes": K} | SIZES | {"norm": NORM, "alignment": ALIGNMENT}
        best = optimal_alpha(fit)
        marks = {"optimal_alpha": best.alpha, "optimal_accuracy": best.accuracy}
        curves.append(pd.DataFrame(known | {"alpha": LINE, "accuracy": predict(fit, LINE).accuracy} | marks))
        sim = simulate(fit, POINTS, n_trials=lab.trials(60), seed=lab.seed)
        sims.append(pd.DataFrame(known | {"alpha": POINTS, "accuracy": sim.accuracy, "accuracy_se": sim.accuracy_se}))
        large = make(K, LARGE)
        sim = simulate(large, [0.0, 1.0, best.alpha], n_trials=min(lab.trials(16), 16), seed=lab.seed)
        lab.check(compare(predict(large, [0.0, 1.0, best.alpha]), sim).accuracy)
        none, one = 100 * predict(fit, [0.0, 1.0]).accuracy
        told.append(f"{K}: {none:.1f}, {one:.1f}, {100 * best.accuracy:.1f} (α* = {best.alpha:.2f})")
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark(
        f"Accuracy in % at α = 0, 1 and α*, by the number of classes: {'; '.join(told)}. Points at n = 100; z at {LARGE} times the size."
    )


def make(K: int, size: int = 1) -> Fit:
    """Equal classes with orthogonal means, each class aligned with its own at the source, one-hot labels."""
    source, other = NORM * np.eye(2 * K).reshape(2, K, 2 * K)
    target = ALIGNMENT * source + np.sqrt(1 - ALIGNMENT**2) * other
    dim = SIZES["dim"] * size
    start = Fit(Population.classes(source, dim=dim), SIZES["n_source"] * size, SIZES["gamma_source"])
    return Fit(Population.classes(target, dim=dim), SIZES["n_target"] * size, SIZES["gamma_target"], starts=[start])


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.2, height=2.8)
    ax = axes[0, 0]
    for i, K in enumerate(CLASSES):
        line, point = (t[t.classes == K] for t in (curves, sims))
        plotting.theory_line(ax, line.alpha, line.accuracy, i, label=f"$K={K}$")
        plotting.simulation_points(ax, point.alpha, point.accuracy, point.accuracy_se, i)
        ax.plot(line.optimal_alpha.iloc[0], line.optimal_accuracy.iloc[0], "*", color="black", markersize=7, zorder=5)
    ax.axvline(1, color="grey", linewidth=0.7, linestyle=":")
    ax.plot([], [], "*", color="black", label=r"$\alpha^*$")
    ax.set(xlabel=r"$\alpha$", ylabel="accuracy of $K$ classes")
    ax.set_title(rf"$N=600,\ n=100,\ p=200,\ \|\mu_k\|={NORM:g},\ \beta={ALIGNMENT},\ \gamma=\tilde\gamma=0.5$")
    plotting.legend(ax)
    lab.picture(fig)
