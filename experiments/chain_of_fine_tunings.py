"""Source → middle → target against the scale at the middle: does a detour over a related task help?"""

import dataclasses

import numpy as np
import pandas as pd

from rmt_alpha import Covariance, Source, TransferProblem, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab

DIM = 240
MIDDLES = (0.3, 0.6, 0.9)  # alignment of the middle task with the target
ALPHAS = np.linspace(-1, 5, 61)
POINTS = np.linspace(-1, 5, 5)


def run(lab: Lab) -> None:
    curves, sims = [], []
    for beta in MIDDLES:
        chain, middle, source = make(beta, ALPHAS)
        best = optimal_alpha(chain)
        direct = optimal_alpha(dataclasses.replace(chain, sources=(source,))).accuracy
        alone = dataclasses.replace(middle, start=None)  # the middle task learned from nothing
        both = optimal_alpha(dataclasses.replace(chain, sources=(source, alone))).accuracy
        fixed = {"beta": beta, "direct": direct, "side_by_side": both}
        curves.append(pd.DataFrame(fixed | {"alpha": ALPHAS, "best": best.best, "accuracy": best.accuracy}))
        for alpha in POINTS:
            problem = make(beta, alpha)[0]
            at = optimal_alpha(problem).best
            sim = simulate(problem, at, n_trials=lab.trials(40), seed=lab.seed)
            lab.check(compare(predict(problem, at), sim))
            sims.append({"beta": beta, "alpha": alpha, "accuracy": sim.accuracy, "se": sim.accuracy_se})
    data = lab.table(pd.concat(curves))
    draw(lab, data, lab.table(pd.DataFrame(sims), "simulation"))
    top = data.loc[data.groupby("beta").accuracy.idxmax()]
    told = "; ".join(
        f"β = {r.beta:g}: {100 * (r.accuracy - r.direct):+.1f} points by way of the middle, "
        f"{100 * (r.side_by_side - r.direct):+.1f} with both side by side"
        for r in top.itertuples()
    )
    lab.remark(f"Against the source alone, each with its best α: {told}. Dense simulation at p = {DIM}.")


def make(beta: float, alpha) -> tuple[TransferProblem, Source, Source]:
    """The target by way of the middle, the middle, and the source; eigenvalues from 0.2 to 2."""
    cov = Covariance(np.linspace(0.2, 2, DIM), DIM)
    # Orthonormal, and each spread over the whole spectrum.
    target, other, far = np.tile(np.eye(3), DIM // 3) / np.sqrt(DIM // 3)
    source = Source(0.6 * target + 0.8 * other, 2 * DIM, 0.5, cov)
    mean = beta * target + np.sqrt(1 - beta**2) * far
    middle = Source(mean, DIM // 2, 0.5, cov, start=source, alpha=alpha)
    problem = TransferProblem.from_sources([middle], target, n_target=DIM // 6, gamma_target=0.5, cov_target=cov)
    return problem, middle, source


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, width=2.6, height=2.6, sharey=True)
    for ax, beta in zip(axes[0], MIDDLES, strict=True):
        line, point = curves[curves.beta == beta], sims[sims.beta == beta]
        plotting.theory_line(ax, line.alpha, line.accuracy, 0, label="source → middle → target")
        plotting.simulation_points(ax, point.alpha, point.accuracy, point.se, 0)
        plotting.theory_line(ax, line.alpha, line.direct, 1, label="source → target")
        plotting.theory_line(ax, line.alpha, line.side_by_side, 2, label="source and middle side by side")
        ax.set(xlabel="α at the middle", title=f"middle aligned by {beta:g}")
    axes[0, 0].set_ylabel("accuracy at α* of the target")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lab.picture(fig)
