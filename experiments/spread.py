"""One training set: the accuracy curve with its band, and the predicted spread against the exact one from p = 10³ to 10⁶."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, compare, plotting, predict, predict_spread, simulate_spread
from rmt_alpha import draw as draw_trials

from .lab import Lab, scaled

PROBLEM = TransferProblem(200, 40, 100, mu=1.2, mu_orth=1.2, beta=0.5, gamma_source=1, gamma_target=0.1)
RATIOS = TransferProblem(1000, 500, 1000, mu=1.2, mu_orth=1, beta=0.6, gamma_source=0.3, gamma_target=0.1)
QUANTITIES = ("mean", "variance", "accuracy")
QUANTILES = (0.025, 0.16, 0.84, 0.975)
ALPHAS = np.array([-1.0, 0.0, 1.0, 3.0])


def run(lab: Lab) -> None:
    alpha, points = np.linspace(-4, 6, 141), np.linspace(-4, 6, 11)
    theory, band = predict(PROBLEM, alpha), predict_spread(PROBLEM, alpha)
    curve = {"alpha": alpha, "accuracy": theory.accuracy, "sd": band.accuracy}
    drawn = draw_trials(PROBLEM, n_trials=lab.trials(8192), seed=lab.seed).moments(points[:, None]).accuracy
    quantiles = dict(zip((f"q{q:g}" for q in QUANTILES), np.quantile(drawn, QUANTILES, axis=1), strict=True))
    sample = {"alpha": points, "median": np.median(drawn, axis=1)} | quantiles
    # By the curve's own band at these points: how much of the simulated mass lies inside.
    spread = predict_spread(PROBLEM, points).accuracy[:, None]
    inside = np.mean(np.abs(drawn - predict(PROBLEM, points).accuracy[:, None]) < spread)
    rows = []
    trials = max(lab.trials(32768), 64)  # the error of a standard deviation needs some
    for factor in (1, 10, 100, 1000):
        large = scaled(RATIOS, factor)
        predicted = predict_spread(large, ALPHAS)
        sim = simulate_spread(large, ALPHAS, n_trials=trials, seed=lab.seed)
        lab.check(compare(predicted, sim))
        for quantity in QUANTITIES:
            sd, se = getattr(predicted, quantity), getattr(sim, f"{quantity}_se")
            block = {"ratio": getattr(sim, quantity) / sd, "se": se / sd, "sd": sd}
            rows.append(pd.DataFrame({"dim": large.dim, "quantity": quantity, "alpha": ALPHAS} | block))
    ratios = lab.table(pd.concat(rows), "ratio")
    draw(lab, lab.table(pd.DataFrame(curve)), lab.table(pd.DataFrame(sample), "quantiles"), ratios)
    lab.remark(
        f"One training set of n = 40 rows: {100 * inside:.1f} % of draws lie within one predicted standard deviation (68.3 % "
        f"of a Gaussian). Simulated over predicted standard deviation: {ratios.ratio.min():.3f} to {ratios.ratio.max():.3f} "
        f"over p = 10³ … 10⁶ and four α."
    )


def draw(lab: Lab, curve: pd.DataFrame, sample: pd.DataFrame, ratios: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, width=3.5, height=2.9)
    ax = axes[0, 0]
    for width, shade in ((2, "0.88"), (1, "0.76")):
        low, high = curve.accuracy - width * curve.sd, curve.accuracy + width * curve.sd
        ax.fill_between(curve.alpha, low, high, color=shade, lw=0, label=f"theory ± {width} s.d.")
    plotting.theory_line(ax, curve.alpha, curve.accuracy, 0, label="theory")
    for i, (low, high) in enumerate((("q0.16", "q0.84"), ("q0.025", "q0.975"))):
        for name in (low, high):
            label = {"q0.16": "16 %, 84 % of draws", "q0.025": "2.5 %, 97.5 %"}.get(name)
            plotting.simulation_points(ax, sample.alpha, sample[name], None, 1 + i, label=label, markersize=3)
    ax.set(xlabel="α", ylabel="accuracy of one training", title="N = 200, n = 40, p = 100, β = 0.5")
    ax.legend()
    ax = axes[0, 1]
    ax.axhline(1, color="grey", lw=0.8)
    for i, (quantity, part) in enumerate(ratios.groupby("quantity", sort=False)):
        # Side by side: each quantity a little to the right of the last, each α within it.
        place = np.exp(0.5 * (i - 1)) * np.exp(0.1 * (part.alpha.rank(method="dense") - 2.5))
        plotting.simulation_points(ax, part.dim * place, part.ratio, part.se, i, label=quantity)
    ax.set(xscale="log", xlabel="dimension p  (N = p, n = p/2)", ylabel="s.d. simulated / predicted")
    ax.set_title(f"α = {', '.join(f'{a:g}' for a in ALPHAS)}".replace("-", "−"))
    ax.legend(ncols=3, loc="upper center")
    ax.set_ylim(top=1.018)
    lab.picture(fig)
