"""Histograms of the scores xᵀw_α of fresh points against the predicted Gaussian densities."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, plotting, predict
from rmt_alpha.training import ridge_path

from .lab import Lab, parameters

ALPHAS = (0.1, 1.0, 10.0)
BETAS = (0.3, 0.8)
TEST = 20_000


def make(beta: float) -> TransferProblem:
    return TransferProblem(5000, 200, 400, mu=1.5, mu_orth=1, beta=beta, gamma_source=1, gamma_target=1)


def run(lab: Lab) -> None:
    bars = []
    for beta in BETAS:
        problem = make(beta)
        lab.check_at(64, problem, np.array(ALPHAS), lab.trials(512))
        scores, y = sample(problem, np.random.default_rng([lab.seed, int(10 * beta)]))
        for alpha in ALPHAS:
            s, theory = scores @ [1, alpha], predict(problem, alpha)
            edges = np.linspace(s.min(), s.max(), 61)
            for label in (-1, 1):
                law = {"predicted_mean": label * theory.mean, "predicted_variance": theory.variance}
                bar = {"left": edges[:-1], "right": edges[1:]}
                bar["density"] = np.histogram(s[y == label], edges, density=True)[0]
                bars.append(pd.DataFrame(parameters(problem) | {"alpha": alpha, "label": label} | bar | law))
    draw(lab, lab.table(pd.concat(bars)))
    lab.remark("Histograms of one training at the published size; z at 64 times it.")


def sample(problem: TransferProblem, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Train once; the scores of fresh points at α⁰ and α¹, (TEST, 2), and their labels."""
    target = problem.fit

    def data(n: int, population) -> tuple[np.ndarray, np.ndarray]:
        y, mean = rng.choice([-1.0, 1.0], n), np.pad(population.means[0], (0, problem.dim - 2))
        return y[:, None] * mean + rng.standard_normal((n, problem.dim)), y

    w = ridge_path(*data(problem.n_source, target.starts[0].population), problem.gamma_source)
    W = ridge_path(*data(problem.n_target, target.population), problem.gamma_target, w)
    X, y = data(TEST, target.population)
    return X @ W, y


def draw(lab: Lab, bars: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, height=1.9)
    for (beta, alpha), panel in bars.groupby(["beta", "alpha"]):
        ax = axes[BETAS.index(beta), ALPHAS.index(alpha)]
        plotting.plot_scores(make(beta), alpha, simulate=0, ax=ax, legend=False)
        for label, bar in panel.groupby("label"):
            color, edges = plotting.COLORS[label < 0], [*bar.left, bar.right.iloc[-1]]
            ax.stairs(bar.density, edges, fill=True, color=color, alpha=0.35, label=f"simulation, $y={label:+d}$")
        ax.set(title=rf"$\beta={beta:g},\ \alpha={alpha:g}$", ylabel="")
    for ax in axes[0]:
        ax.set_xlabel("")
    fig.supylabel("density")
    plotting.legend(axes[0, 0], fig, simulation=None, ncols=5)
    fig.suptitle(r"$N=5000,\ n=200,\ p=400,\ \mu=1.5,\ \mu_\perp=1,\ \gamma=\tilde\gamma=1$; one training")
    lab.picture(fig)
