"""Histograms of the scores w_αᵀx of fresh points against the predicted Gaussian densities."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, plotting, predict, ridge_path

from .lab import Lab

ALPHAS = (0.1, 1.0, 10.0)
BETAS = (0.3, 0.8)
TEST = 20_000


def run(lab: Lab) -> None:
    bars = []
    for beta in BETAS:
        problem = TransferProblem(5000, 200, 400, mu=1.5, mu_orth=1, beta=beta, gamma_source=1, gamma_target=1)
        lab.check_at(64, problem, np.array(ALPHAS), lab.trials(512))
        scores, y = sample(problem, np.random.default_rng([lab.seed, int(10 * beta)]))
        for alpha in ALPHAS:
            s = scores[:, 0] + alpha * scores[:, 1]
            theory = predict(problem, alpha)
            edges = np.linspace(s.min(), s.max(), 61)
            for label in (-1, 1):
                density, _ = np.histogram(s[y == label], edges, density=True)
                bars.append(pd.DataFrame({"beta": beta, "alpha": alpha, "label": label, "left": edges[:-1], "right": edges[1:],
                                          "density": density, "mean": label * theory.mean, "variance": theory.variance}))  # fmt: skip
    draw(lab, lab.table(pd.concat(bars)))
    lab.remark("Histograms of one draw at the published size; z at 64 times it.")


def sample(problem: TransferProblem, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Train once; the scores of fresh points at α⁰ and α¹, (TEST, 2), and their labels."""

    def data(n: int, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = rng.choice([-1.0, 1.0], n)
        return y[:, None] * mean + rng.standard_normal((n, problem.dim)), y

    source, target = np.zeros((2, problem.dim))
    source[0] = problem.mu
    target[:2] = problem.beta * problem.mu, np.sqrt(1 - problem.beta**2) * problem.mu_orth
    w = ridge_path(*data(problem.n_source, source), problem.gamma_source)
    W = ridge_path(*data(problem.n_target, target), problem.gamma_target, w)
    X, y = data(TEST, target)
    return X @ W, y


def draw(lab: Lab, bars: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, width=2.6, height=2.1)
    for (beta, alpha, label), bar in bars.groupby(["beta", "alpha", "label"]):
        ax = axes[BETAS.index(beta), ALPHAS.index(alpha)]
        color = plotting.COLORS[label > 0]
        ax.stairs(bar.density, [*bar.left, bar.right.iloc[-1]], fill=True, color=color, alpha=0.35)
        x = np.linspace(bar.left.min(), bar.right.max(), 300)
        density = plotting.normal_density(x, bar["mean"].iloc[0], bar.variance.iloc[0])
        plotting.theory_line(ax, x, density, int(label > 0), label=f"y = {label:+d}")
        ax.set_title(f"β = {beta:g}, α = {alpha:g}")
    axes[0, 0].legend()
    for ax in axes[-1]:
        ax.set_xlabel("score w_αᵀx")
    lab.picture(fig)
