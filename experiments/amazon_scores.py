"""Real reviews: histograms of the scores of test rows against the covariance-aware densities."""

import numpy as np
import pandas as pd

from rmt_alpha import plotting, predict

from .amazon import fine_tune, problems, source_classifier, split
from .lab import Lab

TRANSFERS = (("books", "dvd"), ("elec", "kitchen"))
ALPHAS = (0.1, 1.0, 10.0)
N_TARGET, GAMMA = 100, 1.0


def run(lab: Lab) -> None:
    frames = []
    for source, target in TRANSFERS:
        w = source_classifier(source, GAMMA)
        scores, theory = [], []
        for trial in range(lab.trials(10)):
            rng = np.random.default_rng([lab.seed, trial])
            part = split(target, rng)
            scores.append(fine_tune(part, w, N_TARGET, GAMMA, rng))
            theory.append(predict(problems(part, w, N_TARGET, GAMMA)["covariance"], np.array(ALPHAS)))
        pooled = np.concatenate(scores)
        for i, alpha in enumerate(ALPHAS):
            s = pooled[:, 0] + alpha * pooled[:, 1]
            low, high = np.quantile(s, (0.002, 0.998))  # a few rows score far outside
            edges = np.linspace(low, high, 51)
            density = np.histogram(s, edges)[0] / len(s) / np.diff(edges)
            law = {"mean": np.mean([t.mean[i] for t in theory]), "variance": np.mean([t.variance[i] for t in theory])}
            bars = {"source": source, "target": target, "alpha": alpha} | {"left": edges[:-1], "right": edges[1:]}
            measured = {"density": density, "empirical_mean": s.mean(), "empirical_variance": s.var()}
            frames.append(pd.DataFrame(bars | measured | law))
    data = lab.table(pd.concat(frames))
    draw(lab, data)
    ratio = np.sqrt(data.empirical_variance / data.variance)
    lab.remark(f"Score y·w_αᵀx; empirical over predicted standard deviation: {ratio.min():.3f} to {ratio.max():.3f}.")


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, width=2.6, height=2.1)
    for row, (source, target) in enumerate(TRANSFERS):
        for ax, alpha in zip(axes[row], ALPHAS, strict=True):
            bar = data[(data.source == source) & (data.target == target) & (data.alpha == alpha)]
            ax.stairs(
                bar.density,
                [*bar.left, bar.right.iloc[-1]],
                fill=True,
                color=plotting.COLORS[0],
                alpha=0.35,
                label="reviews",
            )
            x = np.linspace(bar.left.min(), bar.right.max(), 300)
            plotting.theory_line(
                ax, x, plotting.normal_density(x, bar["mean"].iloc[0], bar.variance.iloc[0]), 1, label="theory"
            )
            ax.set_title(f"{source} → {target}, α = {alpha:g}")
    axes[0, 0].legend()
    for ax in axes[-1]:
        ax.set_xlabel("score y·w_αᵀx")
    lab.picture(fig)
