"""Accuracy against α for three alignments β: α*, ᾱ, α = 1 and the level of α = 0, signed and folded."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, predict, simulate

from .lab import Lab

BETAS = (0.2, 0.5, 0.9)


def run(lab: Lab) -> None:
    alpha, points = np.linspace(-10, 10, 401), np.linspace(-10, 10, 17)
    curves, sims = [], []
    for beta in BETAS:
        problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=beta, gamma_source=5, gamma_target=0.1)
        theory, best = predict(problem, alpha), optimal_alpha(problem)
        curves.append(
            {"beta": beta, "alpha": alpha, "accuracy": theory.accuracy, "best": best.best, "worst": best.worst}
        )
        sim = simulate(problem, points, n_trials=lab.trials(1024), seed=lab.seed)
        sims.append({"beta": beta, "alpha": points, "accuracy": sim.accuracy, "accuracy_se": sim.accuracy_se})
        lab.check_at(64, problem, points, lab.trials(512))
    draw(lab, lab.table(rows(curves)), lab.table(rows(sims), "simulation"))
    lab.remark("Points at the published size; z at 64 times it.")


def rows(blocks: list[dict]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(block) for block in blocks])


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, width=3.5, height=2.9)
    for ax, fold in zip(axes[0], (False, True), strict=True):
        show = (lambda a: np.maximum(a, 1 - a)) if fold else (lambda a: a)
        for i, (beta, curve) in enumerate(curves.groupby("beta")):
            sim = sims[sims.beta == beta]
            plotting.theory_line(ax, curve.alpha, show(curve.accuracy), i, label=f"β = {beta:g}")
            plotting.simulation_points(ax, sim.alpha, show(sim.accuracy), sim.accuracy_se, i)
            best, worst = curve.best.iloc[0], curve.worst.iloc[0]
            ax.plot(best, show(np.interp(best, curve.alpha, curve.accuracy)), "*", color="black", ms=9, zorder=5)
            ax.plot(worst, 0.5, "x", color="black", ms=6, zorder=5)
        zero = np.interp(0, curve.alpha, curve.accuracy)
        ax.axhline(zero, color="grey", lw=0.8, ls=":")
        ax.axvline(1, color="grey", lw=0.8, ls="--")
        ax.annotate("α = 1", (1, ax.get_ylim()[0]), xytext=(3, 3), textcoords="offset points", fontsize=7)
        ax.annotate("α = 0", (-10, zero), xytext=(0, 2), textcoords="offset points", fontsize=7)
        ax.set(xlabel="α", ylabel="folded accuracy" if fold else "accuracy (signed)")
    axes[0, 0].plot([], [], "*k", label="α*")
    axes[0, 0].plot([], [], "xk", label="ᾱ (accuracy ½)")
    axes[0, 0].legend()
    lab.picture(fig)
