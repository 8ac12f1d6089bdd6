"""Source → middle → target against the scale at the middle: does a detour over a related task help?"""

from dataclasses import replace

import numpy as np
import pandas as pd

from rmt_alpha import Covariance, Fit, Population, compare, optimal_alpha, plotting, predict, simulate

from .lab import Lab

DIM, GAMMA = 240, 0.5
MIDDLES = (0.3, 0.6, 0.9)  # alignment of the middle task with the target
ALPHAS, POINTS = np.linspace(-1, 5, 61), np.linspace(-1, 5, 5)
SIZES = {"dim": DIM, "n_source": 2 * DIM, "n_middle": DIM // 2, "n_target": DIM // 6, "gamma": GAMMA}


def run(lab: Lab) -> None:
    curves, sims = [], []
    for beta in MIDDLES:
        chain = make(beta, ALPHAS)
        (middle,) = chain.starts
        (source,) = middle.starts
        alone = replace(middle, starts=(), alpha=None)  # the middle task learned from nothing
        rivals = {"direct": [source], "side_by_side": [source, alone]}
        fixed = {f"accuracy_{k}": optimal_alpha(replace(chain, starts=s)).accuracy for k, s in rivals.items()}
        best, known = optimal_alpha(chain), SIZES | {"beta_middle": beta}
        found = {"alpha_middle": ALPHAS, "optimal_alpha": best.alpha, "accuracy": best.accuracy}
        curves.append(pd.DataFrame(known | found | fixed))
        for alpha in POINTS:
            fit = make(beta, alpha)
            at = optimal_alpha(fit).alpha
            sim = simulate(fit, at, n_trials=lab.trials(40), seed=lab.seed)
            lab.check(compare(predict(fit, at), sim))
            found = {"alpha_middle": alpha, "alpha": at, "accuracy": sim.accuracy, "accuracy_se": sim.accuracy_se}
            sims.append(known | found)
    data = lab.table(pd.concat(curves))
    draw(lab, data, lab.table(pd.DataFrame(sims), "simulation"))
    top = data.loc[data.groupby("beta_middle").accuracy.idxmax().to_numpy()].drop_duplicates("beta_middle")
    told = "; ".join(
        f"β = {r.beta_middle:g}: {100 * (r.accuracy - r.accuracy_direct):+.1f} points by way of the middle, "
        f"{100 * (r.accuracy_side_by_side - r.accuracy_direct):+.1f} with both side by side"
        for r in top.itertuples()
    )
    lab.remark(f"Against the source alone, each with its best α: {told}. Dense simulation at p = {DIM}.")


def make(beta: float, alpha) -> Fit:
    """The target by way of the middle; eigenvalues from 0.2 to 2."""
    cov = Covariance(np.linspace(0.2, 2, DIM), DIM)
    # Orthonormal, and each spread over the whole spectrum.
    target, other, far = np.tile(np.eye(3), DIM // 3) / np.sqrt(DIM // 3)
    task = lambda mean: Population.two_classes(mean, -mean, covariance=cov)  # noqa: E731
    source = Fit(task(0.6 * target + 0.8 * other), SIZES["n_source"], GAMMA)
    mean = beta * target + np.sqrt(1 - beta**2) * far
    middle = Fit(task(mean), SIZES["n_middle"], GAMMA, starts=[source], alpha=alpha)
    return Fit(task(target), SIZES["n_target"], GAMMA, starts=[middle])


def draw(lab: Lab, curves: pd.DataFrame, sims: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=2.5, sharey=True)
    lines = {
        "accuracy": r"source $\to$ middle $\to$ target",
        "accuracy_direct": r"source $\to$ target",
        "accuracy_side_by_side": "source and middle side by side",
    }
    for ax, beta in zip(axes[0], MIDDLES, strict=True):
        line, point = (t[t.beta_middle == beta] for t in (curves, sims))
        for i, (name, label) in enumerate(lines.items()):
            plotting.theory_line(ax, line.alpha_middle, line[name], i, label=label)
        plotting.simulation_points(ax, point.alpha_middle, point.accuracy, point.accuracy_se, 0)
        ax.set(xlabel=r"$\alpha$ at the middle", title=rf"middle aligned by {beta:g}")
    axes[0, 0].set_ylabel(r"accuracy at $\alpha^*$ of the target")
    plotting.legend(axes[0, 0], fig, ncols=3)
    fig.suptitle(r"$p=240,\ N=2p$, middle $p/2,\ n=p/6,\ \gamma=0.5$, eigenvalues $0.2$ to $2$")
    lab.picture(fig)
