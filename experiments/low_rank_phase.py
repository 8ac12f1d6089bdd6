"""When does low rank see the signal? The weakest singular value that LoRA on a d × d matrix can find, and what each rank costs."""

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.simulation.proportional import draw_many_outputs
from rmt_alpha.theory.proportional import ManyOutputs

from .lab import Lab

DIM, N, OUTPUTS, GAMMA, SIGMA = 400, 600, 300, 0.1, 0.5
STRENGTHS = np.array([0.15, 0.25, 0.5, 0.65, 0.8, 1.0, 1.3])
RATIOS = np.geomspace(0.1, 10, 31)
SPIKES, RANKS = (2.0, 1.2, 0.7, 0.2), 7


def run(lab: Lab) -> None:
    task, trials = ManyOutputs(DIM, N, OUTPUTS, GAMMA, SIGMA), lab.trials(16)
    known = {"dim": DIM, "n": N, "outputs": OUTPUTS, "gamma": GAMMA, "sigma": SIGMA}
    rows = []
    for s in np.linspace(0.05, 1.4, 136):
        found = task.spike(s)
        rows.append(
            known | {"s": s, "overlap": found[1] if found else 0.0, "risk_saved": -found[2] if found else -task.wasted}
        )
    curve = lab.table(pd.DataFrame(rows))
    sims = []
    for s in STRENGTHS:
        drawn = draw_many_outputs(task, [s], 1, n_trials=trials, seed=lab.seed)
        overlap, saved = drawn.overlap[:, 0], drawn.risk[:, 0] - drawn.risk[:, 1]
        values = {"overlap": overlap, "risk_saved": saved}
        sims.append(
            known
            | {"s": s}
            | {k: v.mean() for k, v in values.items()}
            | {f"{k}_se": v.std(ddof=1) / np.sqrt(trials) for k, v in values.items()}
        )
        found = task.spike(s)
        if found and s > 1.3 * task.threshold:  # at the threshold the limit is slow to come
            for drawn_values, expected in ((overlap, found[1]), (saved, -found[2])):
                lab.check((drawn_values.mean() - expected) / (drawn_values.std(ddof=1) / np.sqrt(trials)))
    points = lab.table(pd.DataFrame(sims), "simulation")
    size = 10**5
    thresholds = [
        {"p_over_n": x, "q_over_p": y, "gamma": GAMMA,
         "threshold": ManyOutputs(round(x * size), size, round(x * y * size), GAMMA, 1.0).threshold}
        for y in RATIOS for x in RATIOS
    ]  # fmt: skip
    phase = lab.table(pd.DataFrame(thresholds), "map")
    drawn = draw_many_outputs(task, SPIKES, RANKS, n_trials=trials, seed=lab.seed)
    risk = pd.DataFrame(
        known | {"rank": np.arange(RANKS + 1), "risk": task.risk_path(SPIKES, RANKS), "simulated": drawn.risk.mean(0)}
    )
    risk["se"] = drawn.risk.std(0, ddof=1) / np.sqrt(trials)
    path = lab.table(risk, "ranks")
    draw(lab, curve, points, phase, path, task.threshold)
    lab.remark(
        f"Below s = {task.threshold:.3f} no rank finds a singular value; the best rank for {', '.join(map(str, SPIKES))} is "
        f"{int(path.risk.argmin())}, of risk {path.risk.min():.2f} against {task.full_risk(SPIKES):.2f} at full rank. "
        f"z of overlap and risk saved at s > 1.3 thresholds."
    )


def draw(
    lab: Lab, curve: pd.DataFrame, points: pd.DataFrame, phase: pd.DataFrame, path: pd.DataFrame, threshold: float
) -> None:
    fig, axes = plotting.figure(columns=3, height=2.4)
    left, middle, right = axes[0]
    for i, (name, label) in enumerate(
        (("overlap", r"overlap $\langle\hat u,v\rangle^2$"), ("risk_saved", "risk saved by rank 1"))
    ):
        plotting.theory_line(left, curve.s, curve[name], i, label=label)
        plotting.simulation_points(left, points.s, points[name], points[f"{name}_se"], i)
    left.axvline(threshold, color="grey", linewidth=0.7, linestyle=":")
    left.set(xlabel="singular value $s$", ylabel="overlap; risk saved")
    plotting.legend(left, fig)
    plotting.theory_line(middle, path["rank"], path.risk, 0)
    plotting.simulation_points(middle, path["rank"], path.simulated, path.se, 0)
    middle.set(xlabel="rank of the correction", ylabel="risk")
    z = phase.threshold.to_numpy().reshape(len(RATIOS), -1)
    plotting.contour_map(right, RATIOS, RATIOS, z, (0.25, 0.5, 1, 2, 4, 8), "smallest $s/\\sigma$ found")
    right.set(xscale="log", yscale="log", xlabel="$p/n$", ylabel="$q/p$")
    sizes = rf"$p={DIM},\ n={N},\ q={OUTPUTS},\ \gamma={GAMMA},\ \sigma={SIGMA}$"
    fig.suptitle(f"{sizes}; (b) $s$ = {', '.join(map(str, SPIKES))}; dotted: the threshold")
    lab.picture(fig)
