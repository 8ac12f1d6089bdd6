"""Real reviews: accuracy against α, empirical with its spread, isotropic and covariance-aware predictions."""

import numpy as np
import pandas as pd

from rmt_alpha import plotting, predict

from .amazon import accuracies, fine_tune, source_classifier, split, views
from .lab import Lab

TRANSFERS = (("dvd", "books"), ("books", "kitchen"), ("kitchen", "elec"))
N_TARGET, GAMMA_SOURCE, GAMMA = 40, 2.0, 0.1
KINDS = ("isotropic", "covariance")
LABELS = {"isotropic": "isotropic", "covariance": "covariance-aware"}


def run(lab: Lab) -> None:
    alpha = np.linspace(-4, 4, 41)
    frames = []
    for source, target in TRANSFERS:
        w = source_classifier(source, GAMMA_SOURCE)
        curves: dict[str, list] = {"empirical": [], "isotropic": [], "covariance": []}
        for trial in range(lab.trials(30)):
            rng = np.random.default_rng([lab.seed, trial])
            part = split(target, rng)
            curves["empirical"].append(accuracies(fine_tune(part, w, N_TARGET, GAMMA, rng), alpha))
            if trial < 5:  # the pool's moments hardly change from split to split
                for kind, fit in views(part, w, N_TARGET, GAMMA).items():
                    curves[kind].append(predict(fit, alpha).accuracy)
        mean = {f"accuracy_{k}": np.mean(v, axis=0) for k, v in curves.items()}
        spread = {"accuracy_sd_of_a_split": np.std(curves["empirical"], axis=0, ddof=1)}
        known = {"source": source, "target": target, "n_target": N_TARGET, "gamma_source": GAMMA_SOURCE}
        frames.append(pd.DataFrame(known | {"gamma_target": GAMMA, "alpha": alpha} | mean | spread))
    data = lab.table(pd.concat(frames))
    draw(lab, data)
    rms = {k: distance(data, k) for k in KINDS}
    lab.remark(
        f"RMS distance to the empirical curve: covariance-aware {rms['covariance']:.4f}, isotropic {rms['isotropic']:.4f}."
    )


def distance(data: pd.DataFrame, kind: str) -> float:
    """RMS over α between a theory and the experiment."""
    return float(np.sqrt(np.mean((data[f"accuracy_{kind}"] - data.accuracy_empirical) ** 2)))


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=2.7, sharey=True)
    for ax, (source, target) in zip(axes[0], TRANSFERS, strict=True):
        curve = data[(data.source == source) & (data.target == target)]
        mean, sd, shown = curve.accuracy_empirical, curve.accuracy_sd_of_a_split, curve[::2]
        ax.fill_between(curve.alpha, mean - sd, mean + sd, color="0.85", label=r"$\pm$ s.d. of a split")
        plotting.simulation_points(
            ax, shown.alpha, shown.accuracy_empirical, None, 5, label="experiment (reviews)", markersize=3
        )
        for i, kind in enumerate(KINDS):
            plotting.theory_line(ax, curve.alpha, curve[f"accuracy_{kind}"], 1 - i, label=f"theory, {LABELS[kind]}")
        off = ", ".join(f"{distance(curve, kind):.3f}" for kind in KINDS)
        ax.set(xlabel=r"$\alpha$", title=f"{source} $\\to$ {target}\n(RMS {off})")
    axes[0, 0].set_ylabel("accuracy")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    fig.suptitle(
        rf"$n={N_TARGET},\ \tilde\gamma={GAMMA_SOURCE:g},\ \gamma={GAMMA}$; RMS distance of isotropic, covariance-aware theory"
    )
    lab.picture(fig)
