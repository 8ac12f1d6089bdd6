"""How far from the limit are finite problems? The distance of theory to the simulated mean, and the spread of one draw, against p."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, plotting, predict, simulate

from .lab import Lab, parameters

DIMS = (100, 200, 400, 1000, 2000, 10_000, 100_000, 1_000_000)
ALPHA = 1.0


def run(lab: Lab) -> None:
    rows = []
    for dim in DIMS:
        problem = TransferProblem(5 * dim, dim, dim, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=0.1)
        trials = lab.trials(122_880 if dim <= 1000 else 40_960 if dim <= 10_000 else 4096)
        sim = simulate(problem, ALPHA, n_trials=trials, seed=lab.seed)
        difference = sim.accuracy - predict(problem, ALPHA).accuracy
        values = {"difference": difference, "difference_se": sim.accuracy_se, "accuracy_sd": sim.accuracy_sd}
        rows.append(parameters(problem) | {"alpha": ALPHA, "trials": trials} | values)
    data = lab.table(pd.DataFrame(rows))
    large = data[data.dim >= 100_000]
    lab.check(large.difference / large.difference_se)
    resolved = data[np.abs(data.difference) > 3 * data.difference_se]
    slopes = {
        "difference": slope(resolved.dim, np.abs(resolved.difference), resolved.difference_se),
        "accuracy_sd": slope(data.dim, data.accuracy_sd, data.accuracy_sd),
    }
    draw(lab, data, slopes)
    lab.remark(
        f"Fitted slopes: {slopes['difference']:.2f} for the distance ({len(resolved)} sizes where it exceeds 3 s.e.), "
        f"{slopes['accuracy_sd']:.2f} for the spread of one draw. z at dim ≥ 100 000, where the largest distance is "
        f"{np.abs(large.difference).max():.1e}."
    )


def slope(x, y, se) -> float:
    """The weighted least-squares slope in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1, w=y / se)[0]) if len(x) > 1 else float("nan")


def draw(lab: Lab, data: pd.DataFrame, slopes: dict[str, float]) -> None:
    fig, axes = plotting.figure(width=4.2, height=3.0)
    ax = axes[0, 0]
    distance = np.abs(data.difference)
    plotting.simulation_points(ax, data.dim, distance, data.difference_se, 0, label="|simulation, mean − theory|")
    plotting.simulation_points(ax, data.dim, data.accuracy_sd, None, 1, label="simulation, s.d. of one draw")
    for i, (name, power) in enumerate((("difference", -1), ("accuracy_sd", -0.5))):
        guide = np.abs(data[name].iloc[0]) * (data.dim / data.dim.iloc[0]) ** power
        plotting.theory_line(
            ax, data.dim, guide, i, label=f"slope {power:g} (fitted: {slopes[name]:.2f})".replace("-", "−")
        )
    ax.set(xscale="log", yscale="log", xlabel="dimension $p$", ylabel="accuracy")
    ax.set_title(r"$N=5p,\ n=p,\ \beta=0.8,\ \mu=\mu_\perp=\tilde\gamma=1,\ \gamma=0.1,\ \alpha=1$")
    ax.set_ylim(bottom=distance.min() / 300)
    ax.legend(loc="lower left")
    lab.picture(fig)
