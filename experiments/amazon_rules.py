"""Real reviews: the rules that choose α from n target rows, on all 12 transfers at four sizes."""

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.alpha_rules import leave_one_out

from .alpha_rules import RULES
from .amazon import TRANSFERS, accuracies, source_classifier, split
from .lab import Lab

SIZES = (20, 40, 100, 400)
GAMMA_SOURCE, GAMMA = 1.0, 1.0


def run(lab: Lab) -> None:
    rows = []
    for source, target in TRANSFERS:
        w = source_classifier(source, GAMMA_SOURCE)
        measured: dict[int, list] = {n: [] for n in SIZES}
        for trial in range(lab.trials(120)):
            rng = np.random.default_rng([lab.seed, trial])
            part = split(target, rng)
            for n in SIZES:
                chosen = rng.choice(len(part.pool_labels), n, replace=False)
                loo = next(leave_one_out(part.pool[chosen], part.pool_labels[chosen], w[None], [GAMMA]))
                alpha = np.array([float(rule(loo)[0][0]) for rule in RULES.values()])
                measured[n].append(accuracies(part.test_labels[:, None] * (part.test @ loo.weights.T), alpha))
        for n, values in measured.items():
            mean = dict(zip(RULES, np.mean(values, axis=0), strict=True))
            rows.append({"source": source, "target": target, "n_target": n} | mean)
    data = lab.table(pd.DataFrame(rows))
    better = data[["α = 1", "α = 0"]].max(axis=1)
    draw(lab, data, better)
    for n, part in data.groupby("n_target"):
        short = (better[part.index] - part["auto"]).max()
        means = ", ".join(
            f"{name} {100 * part[name].mean():.2f}" for name in ("α = 0", "α = 1", "leave-one-out", "auto")
        )
        lab.remark(f"n = {n}: {means}; auto's largest shortfall from the better of α = 0 and 1: {short:.4f}.")
    lab.remark("Standardised by the unlabelled training pool; no test row enters anything.")


def draw(lab: Lab, data: pd.DataFrame, better: pd.Series) -> None:
    fig, axes = plotting.figure(columns=len(SIZES), width=2.1, height=2.9, sharey=True)
    names = list(RULES)[2:]
    for ax, (n, part) in zip(axes[0], data.groupby("n_target"), strict=True):
        for i, name in enumerate(names):
            gain = 100 * (part[name] - better[part.index])
            ax.plot(gain, i + np.linspace(-0.25, 0.25, len(gain)), plotting.MARKERS[i], color=plotting.COLORS[i], ms=3)
            ax.plot([gain.mean()] * 2, [i - 0.4, i + 0.4], color="black", lw=1.2)
        ax.axvline(-0.5, color="grey", lw=0.8, ls="--")
        ax.axvline(0, color="black", lw=0.6)
        ax.set(title=f"n = {n}", yticks=range(len(names)), yticklabels=names, xlabel="gain (points)")
        ax.locator_params(axis="x", nbins=4)
    axes[0, 0].invert_yaxis()
    fig.suptitle(
        "Accuracy over the better of α = 0 and α = 1: each transfer, and their mean (dashed: −½ point)", fontsize=9
    )
    lab.picture(fig)
