"""How fast theory becomes exact: |theory − simulation| of the accuracy against the dimension, at fixed ratios."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, plotting, predict
from rmt_alpha import draw as draw_trials

from .lab import Lab

DIMS = (100, 200, 400, 1000, 2000, 10_000, 100_000, 1_000_000)
ALPHA = 1.0


def run(lab: Lab) -> None:
    rows = []
    for dim in DIMS:
        problem = TransferProblem(5 * dim, dim, dim, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=0.1)
        trials = lab.trials(122_880 if dim <= 1000 else 40_960 if dim <= 10_000 else 4096)
        accuracy = draw_trials(problem, n_trials=trials, seed=lab.seed).moments(ALPHA).accuracy
        difference, spread = accuracy.mean() - predict(problem, ALPHA).accuracy, accuracy.std(ddof=1)
        rows.append({"dim": dim, "difference": difference, "se": spread / np.sqrt(trials), "spread": spread})
    data = lab.table(pd.DataFrame(rows))
    large = data[data.dim >= 100_000]
    lab.check(large.difference / large.se)
    resolved = data[np.abs(data.difference) > 3 * data.se]
    slopes = {
        "difference": slope(resolved.dim, np.abs(resolved.difference), resolved.se),
        "spread": slope(data.dim, data.spread, data.spread),
    }
    draw(lab, data, slopes)
    lab.remark(
        f"Fitted slopes: {slopes['difference']:.2f} for the distance ({len(resolved)} sizes where it exceeds 3 s.e.), "
        f"{slopes['spread']:.2f} for the spread of one draw. z at dim ≥ 100 000, where the largest distance is "
        f"{np.abs(large.difference).max():.1e}."
    )


def slope(x, y, se) -> float:
    """The weighted least-squares slope in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1, w=y / se)[0]) if len(x) > 1 else float("nan")


def draw(lab: Lab, data: pd.DataFrame, slopes: dict[str, float]) -> None:
    fig, axes = plotting.figure(width=4.2, height=3.1)
    ax = axes[0, 0]
    plotting.simulation_points(ax, data.dim, np.abs(data.difference), data.se, 0, label="|theory − simulated mean|")
    plotting.simulation_points(ax, data.dim, data.spread, None, 1, label="standard deviation of one draw")
    for i, (name, power) in enumerate((("difference", -1), ("spread", -0.5))):
        guide = np.abs(data[name].iloc[0]) * (data.dim / data.dim.iloc[0]) ** power
        plotting.theory_line(ax, data.dim, guide, i, label=f"slope {power:g} (fitted: {slopes[name]:.2f})")
    ax.set(xscale="log", yscale="log", xlabel="dimension p  (N = 5p, n = p)", ylabel="accuracy")
    ax.set_ylim(bottom=np.abs(data.difference).min() / 300)
    ax.legend()
    lab.picture(fig)
