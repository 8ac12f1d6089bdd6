"""Risk of multi-output regression against α, for two shapes and three alignments."""

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Population, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab

SHAPES = ((20, 200, 4), (20, 40, 10))  # n, p, d
BETAS = (-2.0, 0.5, 2.0)
GAMMA, SIGMA, LARGE = 0.01, 0.5, 10


def run(lab: Lab) -> None:
    alpha, points = np.linspace(-4, 4, 161), np.linspace(-4, 4, 11)
    curves, sims = [], []
    for n, p, d in SHAPES:
        for beta in BETAS:
            fit = make(n, p, d, beta, lab.seed, 1)
            known = {"n_target": n, "dim": p, "outputs": d, "gamma_target": GAMMA, "sigma": SIGMA, "beta": beta}
            risk, best = predict(fit, alpha).risk, optimal_alpha(fit)
            marks = {"optimal_alpha": best.alpha, "optimal_risk": best.risk}
            curves.append(pd.DataFrame(known | {"alpha": alpha, "risk": risk} | marks))
            sim = simulate(fit, points, n_trials=lab.trials(400), seed=lab.seed)
            sims.append(pd.DataFrame(known | {"alpha": points, "risk": sim.risk, "risk_se": sim.risk_se}))
            large = make(n, p, d, beta, lab.seed, LARGE)
            sim = simulate(large, points, n_trials=lab.trials(40), seed=lab.seed)
            lab.check(compare(predict(large, points), sim).risk)
    draw(lab, lab.table(pd.concat(curves)), lab.table(pd.concat(sims), "simulation"))
    lab.remark(f"Points at the published size; z at {LARGE} times it.")


def make(n: int, p: int, d: int, beta: float, seed: int, factor: int) -> Fit:
    """W_t = β W_s + a part orthogonal to W_s, standard normal at the published size; `factor` times it keeps their norms."""
    W_s, B = np.random.default_rng([seed, p, d]).standard_normal((2, d, factor * p)) / np.sqrt(factor)
    B -= W_s * np.sum(B * W_s) / np.sum(W_s * W_s)
    return Fit(Population.linear((beta * W_s + B).T, SIGMA), factor * n, GAMMA, starts=[W_s.T])


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=2.6, sharey=True)
    for ax, (n, p, d) in zip(axes[0], SHAPES, strict=True):
        for i, beta in enumerate(BETAS):
            line, point = (t[(t.dim == p) & (t.beta == beta)] for t in (curves, sims))
            plotting.theory_line(ax, line.alpha, line.risk, i, label=rf"$\beta={beta:g}$")
            plotting.simulation_points(ax, point.alpha, point.risk, point.risk_se, i)
            ax.plot(line.optimal_alpha.iloc[0], line.optimal_risk.iloc[0], "*", color="black", markersize=7, zorder=5)
        ax.set(xlabel=r"$\alpha$", title=rf"$n={n},\ p={p},\ d={d}$", yscale="log")
    axes[0, 0].set_ylabel(r"risk $E\,\|W_\alpha^\top x-y\|^2$")
    axes[0, 0].plot([], [], "*", color="black", label=r"$\alpha^*$")
    plotting.legend(axes[0, 0], fig, ncols=6)
    fig.suptitle(rf"$\gamma={GAMMA},\ \sigma={SIGMA}$")
    lab.picture(fig)
