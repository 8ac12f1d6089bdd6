"""Risk of multi-output regression against α, for two shapes and three alignments."""

import numpy as np
import pandas as pd

from rmt_alpha import RegressionProblem, optimal_alpha_regression, plotting, predict_regression, simulate_regression

from .lab import Lab

SHAPES = ((20, 200, 4), (20, 40, 10))
BETAS = (-2.0, 0.5, 2.0)
LARGE = 10


def run(lab: Lab) -> None:
    alpha, points = np.linspace(-4, 4, 161), np.linspace(-4, 4, 11)
    curves, sims = [], []
    for shape, (n, p, d) in enumerate(SHAPES):
        for beta in BETAS:
            key = {"shape": shape, "beta": beta}
            problem = make(n, p, d, beta, lab.seed, 1)
            sim = simulate_regression(problem, points, n_trials=lab.trials(400), seed=lab.seed)
            risk, best = predict_regression(problem, alpha).risk, optimal_alpha_regression(problem)
            curves.append(pd.DataFrame({**key, "alpha": alpha, "risk": risk, "best": best}))
            sims.append(pd.DataFrame({**key, "alpha": points, "risk": sim.risk, "risk_se": sim.risk_se}))
            large = make(n, p, d, beta, lab.seed, LARGE)
            sim = simulate_regression(large, points, n_trials=lab.trials(40), seed=lab.seed)
            lab.check((sim.risk - predict_regression(large, points).risk) / sim.risk_se)
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark(f"Points at the published size; z at {LARGE} times it.")


def make(n: int, p: int, d: int, beta: float, seed: int, factor: int) -> RegressionProblem:
    """W_t = β W_s + a part orthogonal to W_s, standard normal at the published size; `factor` times it keeps their norms."""
    W_s, B = np.random.default_rng([seed, p, d]).standard_normal((2, d, factor * p)) / np.sqrt(factor)
    B -= W_s * np.sum(B * W_s) / np.sum(W_s * W_s)
    return RegressionProblem(W_s, beta * W_s + B, factor * n, gamma_target=0.01, sigma=0.5)


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, width=3.3, height=2.7)
    for ax, (shape, (n, p, d)) in zip(axes[0], enumerate(SHAPES), strict=True):
        for i, beta in enumerate(BETAS):
            line = curves[(curves["shape"] == shape) & (curves.beta == beta)]
            point = sims[(sims["shape"] == shape) & (sims.beta == beta)]
            plotting.theory_line(ax, line.alpha, line.risk, i, label=f"β = {beta:g}")
            plotting.simulation_points(ax, point.alpha, point.risk, point.risk_se, i)
            best = line.best.iloc[0]
            ax.plot(best, np.interp(best, line.alpha, line.risk), "*k", ms=9, zorder=5)
        ax.set(xlabel="α", title=f"n = {n}, p = {p}, d = {d}", yscale="log")
    axes[0, 0].set_ylabel("risk E‖W_α x − y‖²")
    axes[0, 0].plot([], [], "*k", label="α*")
    axes[0, 0].legend()
    lab.picture(fig)
