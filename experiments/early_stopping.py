"""Is stopping early as good as a penalty, and does it change the best scale? Accuracy and α* against the time of gradient flow."""

import dataclasses

import numpy as np
import pandas as pd
from scipy.special import ndtr

from rmt_alpha import TransferProblem, optimal_alpha, plotting
from rmt_alpha.theory.early_stopping import stopped_form
from rmt_alpha.theory.optimum import optimum

from .lab import Lab, parameters

PROBLEM = TransferProblem(2000, 300, 400, mu=1, mu_orth=1, beta=0.7, gamma_source=1, gamma_target=0)
RULES, LARGE = ("α = 0", "α = 1", "α*"), 4
LABELS = (r"$\alpha=0$", r"$\alpha=1$", r"$\alpha^*(t)$")
TIMES, POINTS = np.geomspace(0.03, 1000, 91), np.geomspace(0.1, 300, 8)
PENALTIES = np.geomspace(1e-3, 30, 91)


def run(lab: Lab) -> None:
    curves = [along(TIMES), along(POINTS)]
    trials = lab.trials(200)
    drawn = simulate(PROBLEM, POINTS, curves[1], trials, lab.seed)
    large = dataclasses.replace(PROBLEM, n_source=2000 * LARGE, n_target=300 * LARGE, dim=400 * LARGE)
    big = simulate(large, POINTS, curves[1], min(trials, 10), lab.seed)
    for column, rule in enumerate(RULES):
        lab.check((big.mean(0)[:, column] - curves[1][rule]) / (big.std(0, ddof=1)[:, column] / np.sqrt(len(big))))
    data = lab.table(pd.DataFrame(parameters(PROBLEM) | {"time": TIMES} | curves[0]))
    se = {f"{rule}_se": drawn.std(0, ddof=1)[:, i] / np.sqrt(trials) for i, rule in enumerate(RULES)}
    points = lab.table(
        pd.DataFrame({"time": POINTS} | {r: drawn.mean(0)[:, i] for i, r in enumerate(RULES)} | se), "simulation"
    )
    best = optimal_alpha(dataclasses.replace(PROBLEM, gamma_target=PENALTIES))
    ridge = lab.table(pd.DataFrame({"gamma": PENALTIES, "accuracy": best.accuracy, "alpha": best.alpha}), "ridge")
    draw(lab, data, points, ridge)
    plain, last = data.loc[data["α = 1"].idxmax()], data.iloc[-1]
    lab.remark(
        f"α = 1 is best stopped at t = {plain.time:.2f}: {plain['α = 1']:.4f}, against {last['α = 1']:.4f} at the end. With a free α the "
        f"earlier the better ({data['α*'].iloc[0]:.4f} at t = {TIMES[0]:g}, {last['α*']:.4f} at the end), as a larger γ is "
        f"({ridge.accuracy.iloc[-1]:.4f} at γ = {PENALTIES[-1]:g}): white noise needs no whitening. z at {LARGE} times the size."
    )


def along(times: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy of each rule, and α*."""
    form = stopped_form(PROBLEM, times)
    best = optimum(form)
    return {
        "α = 0": form.moments(0.0).accuracy,
        "α = 1": form.moments(1.0).accuracy,
        "α*": best.accuracy,
        "alpha": best.alpha,
    }


def simulate(
    problem: TransferProblem, times: np.ndarray, theory: dict[str, np.ndarray], trials: int, seed: int
) -> np.ndarray:
    """Accuracy (trials, times, rules) of gradient flow on drawn data, by the eigenvectors of the sample covariance."""
    p, N, n = problem.dim, problem.n_source, problem.n_target
    mu, mu_beta = np.zeros(p), np.zeros(p)
    mu[0], mu_beta[0], mu_beta[1] = (
        problem.mu,
        problem.beta * problem.mu,
        np.sqrt(1 - problem.beta**2) * problem.mu_orth,
    )
    alphas = np.stack([np.zeros(len(times)), np.ones(len(times)), theory["alpha"]])
    out = []
    for trial in range(trials):
        rng = np.random.default_rng([seed, p, trial])
        Z = rng.standard_normal((N, p)) + mu
        source = np.linalg.solve(Z.T @ Z / N + problem.gamma_source * np.eye(p), Z.mean(0))
        X = rng.standard_normal((n, p)) + mu_beta
        lam, U = np.linalg.eigh(X.T @ X / n)
        lam = np.maximum(lam, 1e-12)  # without a sample in that direction nothing moves
        grown = -np.expm1(-np.multiply.outer(times, lam)) / lam
        w = grown * (X.mean(0) @ U) + alphas[..., None] * (1 - lam * grown) * (source @ U)
        out.append(ndtr(w @ (mu_beta @ U) / np.linalg.norm(w, axis=-1)).T)
    return np.array(out)


def draw(lab: Lab, data: pd.DataFrame, points: pd.DataFrame, ridge: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=2.5)
    left, right = axes[0]
    for i, rule in enumerate(RULES):
        plotting.theory_line(left, data.time, data[rule], i, label=LABELS[i])
        plotting.simulation_points(left, points.time, points[rule], points[f"{rule}_se"], i)
    plotting.theory_line(left, 1 / ridge.gamma, ridge.accuracy, 3, label=r"ridge, $t=1/\gamma$")
    plotting.theory_line(right, data.time, data.alpha, 2, label=r"$\alpha^*(t)$")
    plotting.theory_line(right, 1 / ridge.gamma, ridge.alpha, 3, label=r"ridge, $t=1/\gamma$")
    left.set(xscale="log", xlabel="time $t$", ylabel="accuracy", xlim=(TIMES[0], TIMES[-1]))
    right.set(xscale="log", yscale="log", xlabel="time $t$", ylabel=r"$\alpha^*$", xlim=(TIMES[0], TIMES[-1]))
    plotting.legend(left, fig, theory=None, ncols=5)
    fig.suptitle(r"$N=2000,\ n=300,\ p=400,\ \beta=0.7,\ \mu=\mu_\perp=\tilde\gamma=1,\ \gamma=0$")
    lab.picture(fig)
