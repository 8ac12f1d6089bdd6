"""Does the scale of the frozen weights spare rank? Risk against the rank of the correction for W_t = W_s·c + low rank.

With α = 1 the correction must hold (c − 1)W_s, which has full rank; with α = c the low rank is all that is left to learn.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Moments, Population, optimal_alpha, plotting, rank_path, rank_saving, simulate

from .lab import Lab

DIM, N_TARGET, OUTPUTS, TRUE_RANK = 120, 180, 6, 2
GAMMA, SIGMA, LARGE = 0.05, 0.5, 6
SCALES = {"one scale": np.full(OUTPUTS, 0.6), "a scale per row": np.linspace(0.0, 1.2, OUTPUTS)}
TITLES = {"one scale": "$c=0.6$", "a scale per row": r"$c_j=0,\ 0.24,\ \ldots,\ 1.2$"}
# Beyond the true rank all directions left are noise of nearly one size: which is kept is settled at much larger sizes only.
WELL_SEPARATED = (1, TRUE_RANK, OUTPUTS)
LABELS = (r"$\alpha=1$", r"$\alpha^*$", r"one $\alpha^*$ per row")


def run(lab: Lab) -> None:
    curves, sims, savings, saved = [], [], [], []
    trials = lab.trials(60)
    for scales in SCALES:
        saving = rank_saving(make(scales, lab.seed))
        gap = {"gap": np.append(saving.gap, 1.0)}  # (λ_r − λ_{r+1})/λ_1 of G; nothing lies beyond the last
        best = {"optimal_alpha": saving.alpha[1:], "risk": saving.best[1:], "risk_at_one": saving.at_one[1:]}
        savings.append(pd.DataFrame({"scales": scales, "rank": np.arange(1, OUTPUTS + 1)} | best | gap))
        closed = f", with closed gaps at {saving.closed}" if saving.closed else ""
        saved.append(f"{scales} {saving.rank} (α = 1 itself {saving.rank_at_one}){closed}")
        for rule, (fit, alpha) in rules(make(scales, lab.seed)).items():
            known = {"scales": scales, "rule": rule, "n_target": N_TARGET, "dim": DIM, "outputs": OUTPUTS}
            known |= {
                "gamma_target": GAMMA,
                "sigma": SIGMA,
                "true_rank": TRUE_RANK,
                "alpha": np.round(alpha, 6).tolist(),
            }
            curves += [known | {"rank": r, "risk": risk} for r, risk in enumerate(rank_path(fit, alpha).risk)]
            found = at_ranks(fit, alpha, range(1, OUTPUTS + 1), trials, lab.seed)
            sims += [known | {"rank": r, "risk": m.risk, "risk_se": m.risk_se} for r, m in found]
            large, _ = rules(make(scales, lab.seed, LARGE))[rule]
            theory = rank_path(large, alpha).risk
            for r, sim in at_ranks(large, alpha, WELL_SEPARATED, min(trials, 12), lab.seed):
                lab.check((sim.risk - theory[r]) / sim.risk_se)
    data, points = lab.table(pd.DataFrame(curves)), lab.table(pd.DataFrame(sims), "simulation")
    lab.table(pd.concat(savings), "saving")
    draw(lab, data, points)
    told = []
    for scales in SCALES:
        at = data[(data.scales == scales) & (data["rank"] == TRUE_RANK)].set_index("rule").risk
        told.append(f"{scales}: {', '.join(f'{risk:.2f} with {rule}' for rule, risk in at.items())}")
    lab.remark(
        f"Risk at rank {TRUE_RANK}, that of the new part: {'; '.join(told)}. "
        f"Rank at which the best α for it does what α = 1 does at full rank: {'; '.join(saved)}. "
        f"z at {LARGE} times the size and ranks 1, {TRUE_RANK} and {OUTPUTS}."
    )


def make(scales: str, seed: int, size: int = 1) -> Fit:
    """W_s and the low rank are random; larger ones have the same norms."""
    rng, dim = np.random.default_rng([seed, OUTPUTS]), DIM * size
    W_s = rng.standard_normal((dim, OUTPUTS)) / np.sqrt(dim)
    new = (
        rng.standard_normal((dim, TRUE_RANK))
        / np.sqrt(dim)
        @ np.random.default_rng(seed).standard_normal((TRUE_RANK, OUTPUTS))
    )
    target = Population.linear(W_s * SCALES[scales] + new, SIGMA)
    return Fit(target, N_TARGET * size, GAMMA, starts=[W_s])


def rules(fit: Fit) -> dict[str, tuple[Fit, np.ndarray]]:
    """Each rule's α, the best of full rank, with the fit that it belongs to."""
    per_row = replace(fit, per="output")
    best = [(fit, np.ones(())), (fit, np.asarray(optimal_alpha(fit).alpha)), (per_row, optimal_alpha(per_row).alpha)]
    return dict(zip(("α = 1", "α*", "one α* per row"), best, strict=True))


def at_ranks(fit: Fit, alpha: np.ndarray, ranks: Iterable[int], trials: int, seed: int) -> list[tuple[int, Moments]]:
    return [(r, simulate(replace(fit, rank=r), alpha, n_trials=trials, seed=seed)) for r in ranks]


def draw(lab: Lab, data: pd.DataFrame, points: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=2.5, sharey=True)
    for ax, scales in zip(axes[0], SCALES, strict=True):
        for i, (rule, line) in enumerate(data[data.scales == scales].groupby("rule", sort=False)):
            point = points[(points.scales == scales) & (points.rule == rule)]
            plotting.theory_line(ax, line["rank"], line.risk, i, label=LABELS[i])
            plotting.simulation_points(ax, point["rank"], point.risk, point.risk_se, i)
        ax.axvline(TRUE_RANK, color="grey", linewidth=0.7, linestyle=":")
        ax.set(xlabel="rank of the correction", title=TITLES[scales])
    axes[0, 0].set_ylabel("risk")
    plotting.legend(axes[0, 0], fig, ncols=5)
    fig.suptitle(
        rf"$W_t=W_s\,\mathrm{{diag}}(c)+$ rank {TRUE_RANK} (dotted); $n={N_TARGET},\ p={DIM},\ q={OUTPUTS}$, "
        rf"$\gamma={GAMMA},\ \sigma={SIGMA}$"
    )
    lab.picture(fig)
