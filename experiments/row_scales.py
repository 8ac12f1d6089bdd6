"""One α per row of the weights, or one for all? Risk against the spread of the rows' true scales.

The α are those of theory; what it costs to choose as many from few rows is in `row_scales_chosen`.
"""

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Population, compare, optimal_alpha, plotting, predict, simulate, simulate_optimal_alpha

from .lab import Lab

DIM, N_TARGET, OUTPUTS = 120, 90, 8
GAMMA, SIGMA, LARGE = 0.3, 0.5, 4
LINE, POINTS, SHOWN = np.linspace(0, 1.5, 31), np.linspace(0, 1.5, 6), 1.2
RULES = {"one": r"$\alpha=1$", "best": r"one $\alpha^*$", "per_row": r"one $\alpha^*$ per row"}


def run(lab: Lab) -> None:
    rows, sims = [], []
    for spread in LINE:
        rows += [
            columns(spread) | {"rule": rule, "risk": predict(fit, a).risk} for rule, fit, a in rules(spread, lab.seed)
        ]
    for spread in POINTS:
        larger = {rule: fit for rule, fit, _ in rules(spread, lab.seed, LARGE)}
        for rule, fit, alpha in rules(spread, lab.seed):
            sim = simulate(fit, alpha, n_trials=lab.trials(100), seed=lab.seed)
            sims.append(columns(spread) | {"rule": rule, "risk": sim.risk, "risk_se": sim.risk_se})
            large = larger[rule]
            sim = simulate(large, alpha, n_trials=min(lab.trials(30), 30), seed=lab.seed)
            lab.check(compare(predict(large, alpha), sim).risk)
    fit = make(SHOWN, lab.seed, per="output")
    best, found = optimal_alpha(fit), simulate_optimal_alpha(fit, n_trials=lab.trials(100), seed=lab.seed)
    alphas = {"row": np.arange(OUTPUTS) + 1, "true_scale": scales(SHOWN), "optimal_alpha": best.alpha}
    alphas |= {"simulated_alpha": found.alpha, "simulated_alpha_se": found.alpha_se}
    one = {"optimal_alpha_for_all": optimal_alpha(make(SHOWN, lab.seed)).alpha}
    tables = lab.table(pd.DataFrame(rows)), lab.table(pd.DataFrame(sims), "simulation")
    draw(lab, *tables, lab.table(pd.DataFrame(columns(SHOWN) | alphas | one), "alpha"))
    at = tables[0][tables[0].spread == LINE[-1]].set_index("rule").risk
    lab.remark(
        f"Scales 0.7 ± {LINE[-1]:g}: risk {at.one:.2f} at α = 1, {at.best:.2f} at the best α for all, {at.per_row:.2f} with one per row; "
        f"with equal scales one per row gains nothing. z at {LARGE} times the size."
    )


def scales(spread: float) -> np.ndarray:
    return 0.7 + spread * np.linspace(-1, 1, OUTPUTS)


def columns(spread: float) -> dict:
    return {
        "n_target": N_TARGET,
        "dim": DIM,
        "outputs": OUTPUTS,
        "gamma_target": GAMMA,
        "sigma": SIGMA,
        "spread": spread,
    }


def make(spread: float, seed: int, size: int = 1, per: str = "start") -> Fit:
    """Each row of the target's weights is the source's, times its scale, and something new; larger ones have the same norms."""
    W_s, new = np.random.default_rng([seed, OUTPUTS]).standard_normal((2, DIM * size, OUTPUTS)) / np.sqrt(DIM * size)
    new -= W_s * np.sum(new * W_s, axis=0) / np.sum(W_s**2, axis=0)
    target = Population.linear(W_s * scales(spread) + 0.3 * new, SIGMA)
    return Fit(target, N_TARGET * size, GAMMA, starts=[W_s], per=per)


def rules(spread: float, seed: int, size: int = 1) -> list[tuple[str, Fit, np.ndarray]]:
    fit, per_row = (make(spread, seed, size, per) for per in ("start", "output"))
    alphas = (np.ones(()), np.asarray(optimal_alpha(fit).alpha), optimal_alpha(per_row).alpha)
    return list(zip(RULES, (fit, fit, per_row), alphas, strict=True))


def draw(lab: Lab, data: pd.DataFrame, points: pd.DataFrame, alphas: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=2.5)
    left, right = axes[0]
    for i, (rule, label) in enumerate(RULES.items()):
        line, point = (t[t.rule == rule] for t in (data, points))
        plotting.theory_line(left, line.spread, line.risk, i, label=label)
        plotting.simulation_points(left, point.spread, point.risk, point.risk_se, i)
    left.set(xlabel="spread $s$ of the scales", ylabel="risk", title=r"$c_j = 0.7 \pm s$")
    ends = alphas.true_scale.iloc[[0, -1]]
    right.plot(ends, ends, color="grey", linewidth=0.7, linestyle=":")
    plotting.theory_line(right, alphas.true_scale, alphas.optimal_alpha, 2)
    plotting.simulation_points(right, alphas.true_scale, alphas.simulated_alpha, alphas.simulated_alpha_se, 2)
    right.axhline(
        alphas.optimal_alpha_for_all.iloc[0], color=plotting.COLORS[1], linestyle=plotting.DASHES[1], linewidth=1.2
    )
    right.set(xlabel=r"true scale $c_j$ of the row", ylabel=r"$\alpha^*$", title=rf"$s={SHOWN}$")
    plotting.legend(left, fig, ncols=5)
    fig.suptitle(rf"$n={N_TARGET},\ p={DIM},\ q={OUTPUTS},\ \gamma={GAMMA},\ \sigma={SIGMA}$")
    lab.picture(fig)
