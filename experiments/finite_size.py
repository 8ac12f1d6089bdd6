"""How far from the limit are finite problems? The distance of theory to the simulated mean, with and without its 1/p term."""

import numpy as np
import pandas as pd

from rmt_alpha import TransferProblem, optimal_alpha, plotting, predict, simulate, simulate_optimal_alpha

from .lab import Lab, parameters

DIMS = (100, 200, 400, 1000, 2000, 10_000, 100_000, 1_000_000)
SMALL = (20, 30, 45, 70, 100, 150, 300)
ALPHA = 1.0


def run(lab: Lab) -> None:
    rows = []
    for dim in DIMS:
        trials = lab.trials(122_880 if dim <= 1000 else 40_960 if dim <= 10_000 else 4096)
        rows.append(distances(lab, easy(dim), trials))
    data = lab.table(pd.DataFrame(rows))
    large = data[data.dim >= 100_000]
    lab.check(large.difference / large.difference_se)
    lab.check(data.rest / data.difference_se)
    small = lab.table(pd.DataFrame(distances(lab, hard(dim), lab.trials(1_000_000)) for dim in SMALL), "small")
    best = lab.table(pd.DataFrame(best_alphas(lab, dim) for dim in SMALL), "alpha")
    lab.check(((best.simulated - best.corrected) / best.simulated_se)[best.dim >= 45])
    slopes = {
        "difference": slope(small, "difference"),
        "rest": slope(small, "rest"),
        "accuracy_sd": slope(data, "accuracy_sd", data.accuracy_sd),
    }
    draw(lab, data, small, best, slopes)
    lab.remark(
        f"Fitted slopes: {slopes['difference']:.2f} for the limit's distance, {slopes['rest']:.2f} with the 1/p term "
        f"(hard problem, sizes that exceed 3 s.e.), {slopes['accuracy_sd']:.2f} for the spread of one draw. "
        f"z of the limit at dim ≥ 100 000, where the largest distance is {np.abs(large.difference).max():.1e}, of the "
        f"1/p term everywhere in the easy problem, and of its α* from p = 45."
    )


def easy(dim: int) -> TransferProblem:
    return TransferProblem(5 * dim, dim, dim, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=0.1)


def hard(dim: int) -> TransferProblem:
    """Nearly ridgeless where n = p: there the term in 1/p² can be seen."""
    return TransferProblem(dim, dim, dim, mu=1.5, mu_orth=1, beta=0.8, gamma_source=0.05, gamma_target=0.02)


def distances(lab: Lab, problem: TransferProblem, trials: int) -> dict:
    """Simulated mean accuracy minus the limit, and minus the prediction at this size."""
    sim = simulate(problem, ALPHA, n_trials=trials, seed=lab.seed)
    values = {
        "difference": sim.accuracy - predict(problem, ALPHA).accuracy,
        "rest": sim.accuracy - predict(problem, ALPHA, finite=True).accuracy,
        "difference_se": sim.accuracy_se,
        "accuracy_sd": sim.accuracy_sd,
    }
    return parameters(problem) | {"alpha": ALPHA, "trials": trials} | values


def best_alphas(lab: Lab, dim: int) -> dict:
    problem = TransferProblem(5 * dim, dim, dim, mu=1, mu_orth=0.7, beta=0.8, gamma_source=1, gamma_target=0.1)
    sim = simulate_optimal_alpha(problem, n_trials=lab.trials(100_000), seed=lab.seed)
    limit, corrected = (optimal_alpha(problem, finite=finite).alpha for finite in (False, True))
    values = {"limit": limit, "corrected": corrected, "simulated": sim.alpha, "simulated_se": sim.alpha_se}
    return parameters(problem) | values


def slope(data: pd.DataFrame, name: str, se=None) -> float:
    """The weighted least-squares slope in logarithms, of what exceeds three standard errors."""
    se = data.difference_se if se is None else se
    value = np.abs(data[name])
    seen = value > (3 * se if name != "accuracy_sd" else 0)
    if seen.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(data.dim[seen]), np.log(value[seen]), 1, w=(value / se)[seen])[0])


def draw(lab: Lab, data: pd.DataFrame, small: pd.DataFrame, best: pd.DataFrame, slopes: dict[str, float]) -> None:
    fig, axes = plotting.figure(columns=3, height=2.5)
    left, middle, right = axes[0]
    ticks = {"xticks": (20, 50, 100, 300), "xticklabels": (20, 50, 100, 300)}
    distance = np.abs(data.difference)
    plotting.simulation_points(left, data.dim, distance, data.difference_se, 0, label="|mean − limit|")
    plotting.simulation_points(left, data.dim, data.accuracy_sd, None, 1, label="s.d. of one draw")
    term = np.abs(predict_term(easy, data.dim))
    plotting.theory_line(left, data.dim, term, 0)
    guide(left, data.dim, data.accuracy_sd, -0.5, 1)
    left.set(ylim=(distance.min() / 30, 3), title=r"$N=5p,\ n=p,\ \gamma=0.1$", ylabel="distance or s.d. of accuracy")
    for i, (name, power, label) in enumerate((("difference", -1, "|mean − limit|"), ("rest", -2, "with 1/p term"))):
        value = np.abs(small[name])
        plotting.simulation_points(middle, small.dim, value, small.difference_se, i, label=label)
        guide(middle, small.dim, value, power, i)
    middle.set(ylim=(small.difference_se.min() / 30, 3), title=r"$N=n=p,\ \gamma=0.02$")
    for i, (name, label) in enumerate((("limit", "limit"), ("corrected", "with 1/p term"))):
        plotting.theory_line(right, best.dim, best[name], i, label=label)
    plotting.simulation_points(right, best.dim, best.simulated, best.simulated_se, 2, label="simulation")
    right.set(xscale="log", xlabel="dimension $p$", title=r"$N=5p,\ n=p,\ \mu_\perp=0.7$", ylabel=r"$\alpha^*$")
    for ax in (left, middle):
        ax.set(xscale="log", yscale="log", xlabel="dimension $p$")
    for ax in (middle, right):
        ax.minorticks_off()
        ax.set(**ticks)
    left.legend(loc="upper right")  # above, where no error bar goes
    middle.legend(loc="upper right", title=f"slopes {slopes['difference']:.2f}, {slopes['rest']:.2f}".replace("-", "−"))
    right.legend()
    lab.picture(fig)


def predict_term(make, dims) -> np.ndarray:
    """What the 1/p term adds to the limit."""
    return np.array([predict(make(d), ALPHA, finite=True).accuracy - predict(make(d), ALPHA).accuracy for d in dims])


def guide(ax, x, y, power: float, index: int) -> None:
    """A straight line through the first point."""
    plotting.theory_line(ax, x, y.iloc[0] * (x / x.iloc[0]) ** power, index)
