"""Does a free α make the choice of γ̃ irrelevant? Accuracy against γ̃ with α and γ fixed or free, for two noise spectra."""

import numpy as np
import pandas as pd

from rmt_alpha import Fit, TransferProblem, compare, optimal_alpha, optimal_penalty, plotting, predict, simulate

from .lab import Lab

DIM, RATIOS = 240, (0.5, 2.0, 10.0)  # N/p; the target has n = p/2
SPECTRA = {"isotropic": None, "two decades": np.logspace(-1, 1, DIM)}
GAMMA_SOURCE, POINTS = np.logspace(-3, 3, 19), np.logspace(-2, 2, 3)
RULES = {
    "plain": r"$\alpha=1,\ \gamma=0.1$",
    "alpha": r"$\alpha^*,\ \gamma=0.1$",
    "gamma": r"$\alpha=1$, best $\gamma$",
    "both": r"$\alpha^*$, best $\gamma$",
}
GAMMA = 0.1


def run(lab: Lab) -> None:
    rows, sims = [], []
    for noise, cov in SPECTRA.items():
        for ratio in RATIOS:
            for gamma_source in GAMMA_SOURCE:
                fit = make(cov, ratio, gamma_source)
                values = {
                    "plain": predict(fit, 1.0).accuracy,
                    "alpha": optimal_alpha(fit).accuracy,
                    "gamma": optimal_penalty(fit, "target", alpha=1.0).accuracy,
                    "both": optimal_penalty(fit, "target").accuracy,
                }
                accuracies = {f"accuracy_{name}": value for name, value in values.items()}
                rows.append(columns(noise, ratio, gamma_source) | accuracies)
            for gamma_source in POINTS:
                alpha = np.array([1.0, optimal_alpha(make(cov, ratio, gamma_source)).alpha])
                # The chain is cheap: a size where the limit holds.
                fit = make(cov, ratio, gamma_source, size=80 if cov is None else 1)
                trials = lab.trials(256) if cov is None else min(lab.trials(30), 30)
                sim = simulate(fit, alpha, n_trials=trials, seed=lab.seed)
                lab.check(compare(predict(fit, alpha), sim))
                for name, accuracy, se in zip(("plain", "alpha"), sim.accuracy, sim.accuracy_se, strict=True):
                    rule = {"rule": name, "accuracy": accuracy, "accuracy_se": se}
                    sims.append(columns(noise, ratio, gamma_source) | rule)
    data = lab.table(pd.DataFrame(rows))
    draw(lab, data, lab.table(pd.DataFrame(sims), "simulation"))
    spans = data.groupby(["noise", "source_ratio"])[[f"accuracy_{name}" for name in RULES]].agg(np.ptp)
    names = ("α = 1, γ = 0.1", "α*, γ = 0.1", "α = 1, best γ", "α*, best γ")
    told = (
        f"{label} {100 * spans[c].min():.1f}–{100 * spans[c].max():.1f}" for label, c in zip(names, spans, strict=True)
    )
    lab.remark(f"Accuracy best minus worst over γ̃ = 10⁻³ … 10³, in points, over the six panels: {', '.join(told)}.")


def columns(noise: str, ratio: float, gamma_source: float) -> dict:
    fixed = {"noise": noise, "source_ratio": ratio, "target_ratio": 0.5, "beta": 0.6, "gamma_target": GAMMA}
    return fixed | {"gamma_source": gamma_source}


def make(cov, ratio: float, gamma_source: float, size: int = 1) -> Fit:
    """At `size` times the size, in isotropic noise."""
    dim = DIM * size
    if cov is None:
        numbers = {"mu": 1, "mu_orth": 1, "beta": 0.6, "gamma_source": gamma_source, "gamma_target": GAMMA}
        return TransferProblem(int(ratio * dim), dim // 2, dim, **numbers).fit
    # Both directions spread over the whole spectrum.
    target, other = np.tile(np.eye(2), DIM // 2) / np.sqrt(DIM // 2)
    numbers = {"n_source": int(ratio * DIM), "n_target": DIM // 2, "gamma_source": gamma_source, "gamma_target": GAMMA}
    return TransferProblem.from_means(0.6 * target + 0.8 * other, target, cov_source=cov, cov_target=cov, **numbers)


def draw(lab: Lab, data: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, height=2.0, sharex=True, sharey="row")
    for row, noise in zip(axes, SPECTRA, strict=True):
        for ax, ratio in zip(row, RATIOS, strict=True):
            part, point = (t[(t.noise == noise) & (t.source_ratio == ratio)] for t in (data, sims))
            for i, (name, label) in enumerate(RULES.items()):
                plotting.theory_line(ax, part.gamma_source, part[f"accuracy_{name}"], i, label=label)
                sim = point[point.rule == name]
                plotting.simulation_points(ax, sim.gamma_source, sim.accuracy, sim.accuracy_se, i)
            ax.set(xscale="log", title=f"{noise}, $N/p={ratio:g}$")
        row[0].set_ylabel("accuracy")
    for ax in axes[1]:
        ax.set_xlabel(r"$\tilde\gamma$")
    fig.suptitle(r"$n=p/2,\ p=240$, unit means, $\beta=0.6$; eigenvalues of the noise: $1$, or over two decades")
    plotting.legend(axes[0, 0], fig, ncols=3)
    lab.picture(fig)
