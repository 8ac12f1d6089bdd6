"""One training set: the accuracy curve with its band, and the predicted spread against the exact one from p = 10³ to 10⁶."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, compare, plotting, predict, simulate
from rmt_alpha import draw as draw_trials

from .lab import Lab, parameters, scaled

PROBLEM = TransferProblem(200, 40, 100, mu=1.2, mu_orth=1.2, beta=0.5, gamma_source=1, gamma_target=0.1)
RATIOS = TransferProblem(1000, 500, 1000, mu=1.2, mu_orth=1, beta=0.6, gamma_source=0.3, gamma_target=0.1)
QUANTITIES = ("mean", "variance", "accuracy")
QUANTILES = (0.025, 0.16, 0.84, 0.975)
ALPHAS = np.array([-1.0, 0.0, 1.0, 3.0])


def run(lab: Lab) -> None:
    alpha, points = np.linspace(-4, 6, 141), np.linspace(-4, 6, 11)
    theory, at_points = (predict(PROBLEM, a, spread=True) for a in (alpha, points))
    curve = parameters(PROBLEM) | {"alpha": alpha, "accuracy": theory.accuracy, "accuracy_sd": theory.accuracy_sd}
    drawn = draw_trials(PROBLEM, n_trials=lab.trials(8192), seed=lab.seed).moments(points[:, None]).accuracy
    quantiles = dict(zip((f"quantile_{q:g}" for q in QUANTILES), np.quantile(drawn, QUANTILES, axis=1), strict=True))
    sample = parameters(PROBLEM) | {"alpha": points, "median": np.median(drawn, axis=1)} | quantiles
    # By the curve's own band at these points: how much of the simulated mass lies inside.
    inside = np.mean(np.abs(drawn - at_points.accuracy[:, None]) < at_points.accuracy_sd[:, None])
    rows = []
    for factor in (1, 10, 100, 1000):
        large = scaled(RATIOS, factor)
        predicted = predict(large, ALPHAS, spread=True)
        # The error of a standard deviation needs some trials.
        sim = simulate(large, ALPHAS, n_trials=max(lab.trials(32768), 64), seed=lab.seed)
        lab.check(compare(predicted, sim, spread=True))
        for quantity in QUANTITIES:
            sd = getattr(predicted, f"{quantity}_sd")
            ratio = {"ratio": getattr(sim, f"{quantity}_sd") / sd, "ratio_se": sim.spread_se[quantity] / sd}
            block = {"alpha": ALPHAS, "quantity": quantity, "predicted_sd": sd} | ratio
            rows.append(pd.DataFrame(parameters(large) | block))
    ratios = lab.table(pd.concat(rows), "ratio")
    draw(lab, lab.table(pd.DataFrame(curve)), lab.table(pd.DataFrame(sample), "quantiles"), ratios)
    lab.remark(
        f"One training set of n = 40 rows: {100 * inside:.1f} % of draws lie within one predicted standard deviation (68.3 % "
        f"of a Gaussian). Simulated over predicted standard deviation: {ratios.ratio.min():.3f} to {ratios.ratio.max():.3f} "
        f"over p = 10³ … 10⁶ and four α."
    )


def draw(lab: Lab, curve: pd.DataFrame, sample: pd.DataFrame, ratios: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=3.3)
    ax = axes[0, 0]
    for width, shade in ((2, "0.88"), (1, "0.76")):
        low, high = (curve.accuracy + sign * width * curve.accuracy_sd for sign in (-1, 1))
        ax.fill_between(curve.alpha, low, high, color=shade, linewidth=0, label=rf"theory $\pm$ {width} s.d.")
    plotting.theory_line(ax, curve.alpha, curve.accuracy, 0, label="theory")
    bands = {"16 %, 84 %": ("0.16", "0.84"), "2.5 %, 97.5 %": ("0.025", "0.975")}
    for i, (label, (low, high)) in enumerate(bands.items(), start=1):
        for name, own in ((low, {"label": f"simulation, {label}"}), (high, {})):
            plotting.simulation_points(ax, sample.alpha, sample[f"quantile_{name}"], None, i, markersize=3, **own)
    ax.set(xlabel=r"$\alpha$", ylabel="accuracy of one training", title=r"$N=200,\ n=40,\ p=100,\ \beta=0.5$")
    ax = axes[0, 1]
    ax.axhline(1, color="grey", linewidth=0.7, label="theory")
    for i, (quantity, part) in enumerate(ratios.groupby("quantity", sort=False)):
        # Side by side: each quantity a little to the right of the last, each α within it.
        place = np.exp(0.5 * (i - 1)) * np.exp(0.1 * (part.alpha.rank(method="dense") - 2.5))
        plotting.simulation_points(ax, part.dim * place, part.ratio, part.ratio_se, i, label=f"simulation, {quantity}")
    ax.set(xscale="log", xlabel="dimension $p$", ylabel="s.d., simulated / predicted")
    ax.set_title(r"$N=p,\ n=p/2,\ \beta=0.6$")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower right")
    fig.suptitle(
        r"(a) $\mu=\mu_\perp=1.2,\ \tilde\gamma=1,\ \gamma=0.1$; "
        r"(b) $\mu=1.2,\ \mu_\perp=1,\ \tilde\gamma=0.3,\ \gamma=0.1$, from left $\alpha=-1,0,1,3$"
    )
    lab.picture(fig)
