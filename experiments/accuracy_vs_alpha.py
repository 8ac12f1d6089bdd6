"""Accuracy against α for three alignments β: α*, ᾱ, α = 1 and the level of α = 0, signed and folded."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, predict, simulate

from .lab import Lab, parameters

BETAS = (0.2, 0.5, 0.9)


def run(lab: Lab) -> None:
    alpha, points = np.linspace(-10, 10, 401), np.linspace(-10, 10, 17)
    curves, sims = [], []
    for beta in BETAS:
        problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=beta, gamma_source=5, gamma_target=0.1)
        known, best = parameters(problem), optimal_alpha(problem)
        marks = {"optimal_alpha": best.alpha, "optimal_accuracy": best.accuracy, "zero_alpha": best.zero}
        curves.append(pd.DataFrame(known | {"alpha": alpha, "accuracy": predict(problem, alpha).accuracy} | marks))
        sim = simulate(problem, points, n_trials=lab.trials(1024), seed=lab.seed)
        sims.append(pd.DataFrame(known | {"alpha": points, "accuracy": sim.accuracy, "accuracy_se": sim.accuracy_se}))
        lab.check_at(64, problem, points, lab.trials(512))
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark("Points at the published size; z at 64 times it.")


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=2.9)
    for ax, fold in zip(axes[0], (False, True), strict=True):
        show = (lambda a: np.maximum(a, 1 - a)) if fold else (lambda a: a)
        for i, (beta, curve) in enumerate(curves.groupby("beta")):
            sim, mark = sims[sims.beta == beta], curve.iloc[0]
            plotting.theory_line(ax, curve.alpha, show(curve.accuracy), i, label=rf"$\beta={beta:g}$")
            plotting.simulation_points(ax, sim.alpha, show(sim.accuracy), sim.accuracy_se, i)
            ax.plot(mark.optimal_alpha, show(mark.optimal_accuracy), "*", color="black", markersize=7, zorder=5)
            ax.plot(mark.zero_alpha, 0.5, "x", color="black", markersize=5, zorder=5)
        none = curve.accuracy[curve.alpha == 0].item()
        ax.axhline(none, color="grey", linewidth=0.7, linestyle=":")
        ax.axvline(1, color="grey", linewidth=0.7, linestyle="--")
        ax.annotate(r"$\alpha=1$", (1, ax.get_ylim()[0]), xytext=(3, 3), textcoords="offset points")
        ax.annotate(r"$\alpha=0$", (-10, none), xytext=(0, 2), textcoords="offset points")
        ax.set(xlabel=r"$\alpha$", ylabel="folded accuracy" if fold else "accuracy (signed)")
    for marker, label in (("*", r"$\alpha^*$"), ("x", r"$\bar\alpha$ (accuracy $\frac{1}{2}$)")):
        axes[0, 0].plot([], [], marker, color="black", label=label)
    plotting.legend(axes[0, 0], fig)
    fig.suptitle(r"$N=5000,\ n=40,\ p=1000,\ \mu=\mu_\perp=0.8,\ \tilde\gamma=5,\ \gamma=0.1$")
    lab.picture(fig)
