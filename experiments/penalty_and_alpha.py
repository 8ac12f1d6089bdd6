"""Does a free α make the choice of γ̃ irrelevant? Accuracy against γ̃ with α and γ fixed or free, for two noise spectra."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, compare, optimal_alpha, optimal_penalty, plotting, predict, simulate

from .lab import Lab

DIM, RATIOS = 240, (0.5, 2.0, 10.0)  # N/p; the target has n = p/2
SPECTRA = {"isotropic noise": None, "eigenvalues over two decades": np.logspace(-1, 1, DIM)}
GAMMA_SOURCE, POINTS = np.logspace(-3, 3, 19), np.logspace(-2, 2, 3)
CURVES = {"plain": "α = 1, γ = 0.1", "alpha": "α*, γ = 0.1", "gamma": "α = 1, best γ", "both": "α*, best γ"}
GAMMA = 0.1


def run(lab: Lab) -> None:
    rows, sims = [], []
    for noise, cov in SPECTRA.items():
        for ratio in RATIOS:
            for gamma_source in GAMMA_SOURCE:
                problem = make(cov, ratio, gamma_source)
                values = {
                    "plain": predict(problem, 1.0).accuracy,
                    "alpha": optimal_alpha(problem).accuracy,
                    "gamma": optimal_penalty(problem, "target", alpha=1.0).accuracy,
                    "both": optimal_penalty(problem, "target").accuracy,
                }
                rows.append({"noise": noise, "ratio": ratio, "gamma_source": gamma_source} | values)
            for gamma_source in POINTS:
                problem = make(cov, ratio, gamma_source)
                alpha = np.array([1.0, optimal_alpha(problem).best])
                if cov is None:  # the chain is cheap: a size where the limit holds
                    problem = dataclasses.replace(
                        problem, n_source=int(ratio * DIM * 80), n_target=DIM * 40, dim=DIM * 80
                    )
                trials = lab.trials(256) if cov is None else min(lab.trials(30), 30)
                sim = simulate(problem, alpha, n_trials=trials, seed=lab.seed)
                lab.check(compare(predict(problem, alpha), sim))
                point = dict(
                    zip(("plain", "alpha", "plain_se", "alpha_se"), (*sim.accuracy, *sim.accuracy_se), strict=True)
                )
                sims.append({"noise": noise, "ratio": ratio, "gamma_source": gamma_source} | point)
    data = lab.table(pd.DataFrame(rows))
    draw(lab, data, lab.table(pd.DataFrame(sims), "simulation"))
    spans = data.groupby(["noise", "ratio"])[list(CURVES)].agg(lambda a: 100 * (a.max() - a.min()))
    told = ", ".join(f"{label} {spans[name].min():.1f}–{spans[name].max():.1f}" for name, label in CURVES.items())
    lab.remark(f"Accuracy best minus worst over γ̃ = 10⁻³ … 10³, in points, over the six panels: {told}.")


def make(cov, ratio: float, gamma_source: float) -> TransferProblem:
    sizes: dict[str, Any] = {
        "n_source": int(ratio * DIM),
        "n_target": DIM // 2,
        "gamma_source": gamma_source,
        "gamma_target": GAMMA,
    }
    if cov is None:
        return TransferProblem(dim=DIM, mu=1, mu_orth=1, beta=0.6, **sizes)
    # Both directions spread over the whole spectrum.
    target, other = np.tile(np.eye(2), DIM // 2) / np.sqrt(DIM // 2)
    return TransferProblem.from_means(0.6 * target + 0.8 * other, target, cov_source=cov, cov_target=cov, **sizes)


def draw(lab: Lab, data: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, width=2.6, height=2.3, sharex=True, sharey="row")
    for row, noise in zip(axes, SPECTRA, strict=True):
        for ax, ratio in zip(row, RATIOS, strict=True):
            part = data[(data.noise == noise) & (data.ratio == ratio)]
            point = sims[(sims.noise == noise) & (sims.ratio == ratio)]
            for i, (name, label) in enumerate(CURVES.items()):
                plotting.theory_line(ax, part.gamma_source, part[name], i, label=label)
                if name in point:
                    plotting.simulation_points(ax, point.gamma_source, point[name], point[f"{name}_se"], i)
            ax.set(xscale="log", title=f"{noise}\nN/p = {ratio:g}")
    fig.supylabel("accuracy", fontsize=9)
    fig.suptitle("n = p/2, unit means, β = 0.6", fontsize=9)
    for ax in axes[1]:
        ax.set_xlabel("γ̃")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    lab.picture(fig)
