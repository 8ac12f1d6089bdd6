"""What would two and five times as many rows bring? Predicted from the rows at hand, and measured with rows that were held back.

For each sample `learning_curve` sees n rows, and says which α is best at n, 2n and 5n rows and how accurate it is; then the
classifier is trained with that α on that many rows, and judged on others. Samples of which one answer is refused (5n rows would need
less regularisation than n rows ever have) are left out and counted.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.estimate import AlphaRidgeClassifier, learning_curve

from .interval_coverage import prepared
from .lab import Lab
from .transfers import JUDGING, Transfer, gaussian

TIMES = np.array([1, 2, 5])
TEST = 500  # at most: what 5n rows leave
SETS: dict[str, tuple[Callable[[], Transfer], int]] = {  # and n: five times as many rows leave some for tests
    "Amazon dvd → elec": (JUDGING["Amazon dvd → elec"], 280),
    "Amazon elec → kitchen": (JUDGING["Amazon elec → kitchen"], 280),
    "MNIST 3v5 → 8v5": (JUDGING["MNIST 3v5 → 8v5"], 200),
    "UCI imdb → amazon": (JUDGING["UCI imdb → amazon"], 150),
    "digits 3v8 → 3v9": (JUDGING["digits 3v8 → 3v9"], 50),
    "breast cancer": (JUDGING["breast cancer"], 40),
    "Gaussian 101": (partial(gaussian, 101), 200),
    "Gaussian 102": (partial(gaussian, 102), 200),
}


def run(lab: Lab) -> None:
    rows = []
    for name, (load, n) in SETS.items():
        w, X, y = prepared(load())
        drawn = [sample(w, X, y, n, [lab.seed, trial]) for trial in range(lab.trials(20))]
        samples = np.array([found for found in drawn if found is not None])  # (trials, 2, 3)
        if len(samples) < len(drawn):
            lab.remark(f"{name}: {len(drawn) - len(samples)} of {len(drawn)} samples refused.")
        for k, times in enumerate(TIMES):
            predicted, measured = samples[..., k].T
            gains = (samples[..., k] - samples[..., 0]).mean(axis=0)
            rows.append({"transfer": name, "dim": len(w), "n_at_hand": n, "n_target": n * times, "predicted": predicted.mean(),
                         "measured": measured.mean(), "measured_se": measured.std(ddof=1) / np.sqrt(len(samples)),
                         "gain_predicted": gains[0], "gain_measured": gains[1]})  # fmt: skip
    data = lab.table(pd.DataFrame(rows))
    draw(lab, data)
    more = data[data.n_target > data.n_at_hand]
    miss, level = 100 * (more.gain_predicted - more.gain_measured), 100 * (data.predicted - data.measured)
    lab.remark(
        f"Gain of more rows, predicted less measured: {miss.mean():.2f} points, root mean square {np.sqrt(np.mean(miss**2)):.2f}. "
        f"Level: {level.mean():.2f}, root mean square {np.sqrt(np.mean(level**2)):.2f}."
    )
    for name, part in data.groupby("transfer", sort=False):
        lab.remark(
            f"{name}, n = {', '.join(str(n) for n in part.n_target)}: predicted {', '.join(f'{100 * v:.1f}' for v in part.predicted)}, "
            f"measured {', '.join(f'{100 * v:.1f}' for v in part.measured)}."
        )


def sample(
    w: np.ndarray, X: np.ndarray, y: np.ndarray, n: int, seed: list[int]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Accuracy predicted from n rows and measured with more of them, each (3,); None where n rows cannot say."""
    order = np.random.default_rng(seed).permutation(len(y))
    rest, test = order[: TIMES[-1] * n], order[TIMES[-1] * n :][:TEST]
    known = rest[:n]
    gamma = AlphaRidgeClassifier(w).fit(X[known], y[known]).gamma_
    try:
        alpha, predicted = learning_curve(X[known], y[known], w, n * TIMES, gamma=gamma)
    except ValueError as error:
        if "sizes must be at most" not in str(error):
            raise
        return None
    measured = []
    for times, best in zip(TIMES, alpha, strict=True):
        rows = rest[: n * times]
        model = AlphaRidgeClassifier(w, alpha=float(best), gamma=gamma, threshold="balanced").fit(X[rows], y[rows])
        hits = model.predict(X[test]) == y[test]
        measured.append(np.mean([hits[y[test] == side].mean() for side in (-1, 1)]))
    return predicted, np.array(measured)


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=4, rows=2, height=2.0)
    for i, (ax, (name, part)) in enumerate(zip(axes.flat, data.groupby("transfer", sort=False), strict=True)):
        plotting.theory_line(ax, part.n_target, 100 * part.predicted, 0, label="predicted from the first $n$ rows")
        plotting.simulation_points(
            ax, part.n_target, 100 * part.measured, 100 * part.measured_se, 1, label="measured (test rows)"
        )
        ax.set(
            xscale="log",
            title=name.replace(" → ", "\n$\\to$ "),
            xlabel="$n$ target rows" if i > 3 else "",
        )
        ax.set_xticks(part.n_target, [str(n) for n in part.n_target])
        ax.minorticks_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("balanced accuracy (%)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    lab.picture(fig)
