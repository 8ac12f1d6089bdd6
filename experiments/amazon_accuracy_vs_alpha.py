"""Real reviews: accuracy against α, empirical with its spread, isotropic and covariance-aware predictions."""

import numpy as np
import pandas as pd

from rmt_alpha import plotting, predict

from .amazon import accuracies, fine_tune, problems, source_classifier, split
from .lab import Lab

TRANSFERS = (("dvd", "books"), ("books", "kitchen"), ("kitchen", "elec"))
N_TARGET, GAMMA_SOURCE, GAMMA = 40, 2.0, 0.1
KINDS = ("isotropic", "covariance")


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
                for kind, problem in problems(part, w, N_TARGET, GAMMA).items():
                    curves[kind].append(predict(problem, alpha).accuracy)
        mean = {k: np.mean(v, axis=0) for k, v in curves.items()}
        spread = np.std(curves["empirical"], axis=0, ddof=1)
        frames.append(pd.DataFrame({"source": source, "target": target, "alpha": alpha, **mean, "spread": spread}))
    data = lab.table(pd.concat(frames))
    rms = {k: np.sqrt(np.mean((data[k] - data.empirical) ** 2)) for k in KINDS}
    draw(lab, data)
    lab.remark(
        f"RMS distance to the empirical curve: covariance-aware {rms['covariance']:.4f}, isotropic {rms['isotropic']:.4f}."
    )


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, width=2.7, height=2.5, sharey=True)
    for ax, transfer in zip(axes[0], TRANSFERS, strict=True):
        curve = data[(data.source == transfer[0]) & (data.target == transfer[1])]
        ax.fill_between(
            curve.alpha,
            curve.empirical - curve.spread,
            curve.empirical + curve.spread,
            color="0.85",
            label="± s.d. of a split",
        )
        plotting.simulation_points(ax, curve.alpha[::2], curve.empirical[::2], None, 5, label="reviews", markersize=3)
        for i, kind in enumerate(KINDS):
            rms = np.sqrt(np.mean((curve[kind] - curve.empirical) ** 2))
            plotting.theory_line(ax, curve.alpha, curve[kind], 1 - i, label=f"{kind} theory ({rms:.3f})")
        ax.set(xlabel="α", title=f"{transfer[0]} → {transfer[1]}")
        ax.legend(fontsize=6.5, loc="lower right", title="(RMS distance)", title_fontsize=6)
    axes[0, 0].set_ylabel("accuracy")
    lab.picture(fig)
