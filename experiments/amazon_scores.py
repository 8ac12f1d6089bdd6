"""Real reviews: histograms of the scores of test rows against the covariance-aware densities."""

import numpy as np
import pandas as pd

from rmt_alpha import plotting, predict

from .amazon import fine_tune, source_classifier, split, views
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
            theory.append(predict(views(part, w, N_TARGET, GAMMA)["covariance"], np.array(ALPHAS)))
        pooled = np.concatenate(scores)
        for i, alpha in enumerate(ALPHAS):
            s = pooled[:, 0] + alpha * pooled[:, 1]
            low, high = np.quantile(s, (0.002, 0.998))  # a few rows score far outside
            edges = np.linspace(low, high, 51)
            density = np.histogram(s, edges)[0] / len(s) / np.diff(edges)
            law = {f"predicted_{name}": np.mean([getattr(t, name)[i] for t in theory]) for name in ("mean", "variance")}
            measured = {"density": density, "empirical_mean": s.mean(), "empirical_variance": s.var()}
            known = {
                "source": source,
                "target": target,
                "n_target": N_TARGET,
                "gamma_source": GAMMA,
                "gamma_target": GAMMA,
            }
            frames.append(
                pd.DataFrame(known | {"alpha": alpha, "left": edges[:-1], "right": edges[1:]} | measured | law)
            )
    data = lab.table(pd.concat(frames))
    draw(lab, data)
    ratio = np.sqrt(data.empirical_variance / data.predicted_variance)
    lab.remark(f"Score y·xᵀw_α; empirical over predicted standard deviation: {ratio.min():.3f} to {ratio.max():.3f}.")


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, height=1.9)
    for row, (source, target) in zip(axes, TRANSFERS, strict=True):
        for ax, alpha in zip(row, ALPHAS, strict=True):
            bar = data[(data.source == source) & (data.target == target) & (data.alpha == alpha)]
            edges, law = [*bar.left, bar.right.iloc[-1]], bar.iloc[0]
            look = {"fill": True, "color": plotting.COLORS[0], "alpha": 0.35}
            ax.stairs(bar.density, edges, **look, label="experiment (reviews)")
            x = np.linspace(edges[0], edges[-1], 300)
            density = plotting.normal_density(x, law.predicted_mean, law.predicted_variance)
            plotting.theory_line(ax, x, density, 1, label="theory, covariance-aware")
            ax.set_title(rf"{source} $\to$ {target}, $\alpha={alpha:g}$")
    for ax in axes[-1]:
        ax.set_xlabel(r"score $y\,x^\top w_\alpha$")
    fig.supylabel("density")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    fig.suptitle(rf"$n={N_TARGET},\ \gamma=\tilde\gamma={GAMMA:g}$")
    lab.picture(fig)
