"""Do the interval of α and the bands of the accuracy curve cover? Gaussian problems, text, images and sentences, from n rows each.

A source is kept, n target rows are drawn again and again at a fixed penalty, and the other rows say what is true: the mean accuracy at
every α of the classifiers trained on such samples, and the α where it is largest. Accuracy hardly changes around its maximum, so that
place is known up to an error. Three numbers are given: how often the interval holds it, how often it holds an α that cannot be told from
it (one standard error), and how often it holds the α at which the scores' mean over deviation is largest, which is what the rule estimates
and which few rows locate better; the two places are one where scores are Gaussian.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.estimate import AlphaRidgeClassifier, scaling_rows
from rmt_alpha.estimate.calibration import calibrate
from rmt_alpha.estimate.curve import curve_of
from rmt_alpha.estimate.rules import margins, separation

from .alpha_rules import PROBLEMS
from .lab import Lab
from .transfers import JUDGING, TUNING, Transfer, gaussian

SIZES = (40, 100, 400)
GAMMA = 1.0
TEST = 1000  # at most, and half of the rows
ANGLES = np.linspace(-1.54, 1.54, 155)
UNIT = 2.0
WINDOW = 0.2  # of angles, over which the measured accuracy is smoothed by a parabola
BAND = np.array([0.0, 0.5, 2.0, 3.0])  # where bands are looked at, beside α = 1
SETS: dict[str, dict[str, Callable[[], Transfer]]] = {
    "Gaussian": {f"Gaussian {k}": partial(gaussian, k) for k in (100, 101, 102)},
    "text": {
        name: f for name, f in (JUDGING | TUNING).items() if name in ("Amazon books → elec", "Amazon books → dvd")
    },
    "image": {name: f for name, f in (JUDGING | TUNING).items() if name in ("MNIST 3v5 → 8v5", "MNIST 3v8 → 5v8")},
    "UCI": {name: f for name, f in (JUDGING | TUNING).items() if name in ("UCI imdb → amazon", "UCI amazon → yelp")},
}


class Cell(NamedTuple):
    """A fixed source w (p,), target rows X (N, p) with labels y (N,) of ±1, training rows n, penalty γ."""

    kind: str
    name: str
    w: np.ndarray
    X: np.ndarray
    y: np.ndarray
    n: int
    gamma: float


def run(lab: Lab) -> None:
    draws = lab.trials(120)
    data = lab.table(pd.DataFrame([covered(cell, draws, lab.seed) for cell in cells(lab.seed)]))
    draw(lab, data)
    for kind, part in data.groupby("kind", sort=False):
        means = part[["interval", "interval_as_good", "interval_separation", "level", "difference"]].mean()
        missed = part[(part.interval_separation < 0.9) | (part.level < 0.85) | (part.difference < 0.85)]
        lab.remark(
            f"{kind}, {len(part)} cells: interval of α (nominal .95) {means.interval:.3f}, counting what is as good "
            f"{means.interval_as_good:.3f}, of the best mean over deviation {means.interval_separation:.3f}; bands (nominal .90) "
            f"of the level {means.level:.3f}, of the difference {means.difference:.3f}."
            + "".join(
                f" {r.cell}, n = {r.n_target}: {r.interval_separation:.2f}, {r.level:.2f}, {r.difference:.2f}."
                for r in missed.itertuples()
            )
        )
    lab.remark("Cells named have an interval below .90 or a band below .85. Real sets: samples of the same few rows.")


def cells(seed: int) -> Iterator[Cell]:
    for number, problem in enumerate(PROBLEMS, start=1):
        source = np.zeros((2, problem.dim))
        source[:, :2] = problem.fit.starts[0].population.means[0], problem.fit.population.means[0]
        rng = np.random.default_rng([seed, number])
        (X_source, y_source), (X, y) = (
            opposite(rng, count, mean) for count, mean in zip((problem.n_source, 3000), source, strict=True)
        )
        w = AlphaRidgeClassifier(gamma=problem.gamma_source, fit_intercept=False).fit(X_source, y_source).coef_[0]
        yield Cell("six problems", f"problem {number}", w, X, y, problem.n_target, problem.gamma_target)
    for kind, sets in SETS.items():
        for name, load in sets.items():
            for n in SIZES:
                yield Cell(kind, name, *prepared(load()), n, GAMMA)


def opposite(rng: np.random.Generator, count: int, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two classes with opposite means and unit noise."""
    y = rng.choice([-1.0, 1.0], count)
    return y[:, None] * mean + rng.standard_normal((count, len(mean))), y


def prepared(transfer: Transfer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The source's weights, and the target's rows in units of their own deviations."""
    source_X, source_y, X, y = transfer
    w = AlphaRidgeClassifier(threshold="balanced").fit(scaling_rows(source_X)(source_X), source_y).coef_[0]
    return w, scaling_rows(X)(X), y


def covered(cell: Cell, draws: int, seed: int) -> dict:
    """How often the interval and the bands of `draws` samples hold the truth."""
    alpha = np.concatenate([UNIT * np.tan(ANGLES), BAND, [1.0]])
    ends, curves, measured, separations = [], [], [], []
    for trial in range(draws):
        rng = np.random.default_rng([seed, trial, cell.n])
        test, pool = np.split(rng.permutation(len(cell.y)), [min(TEST, len(cell.y) // 2)])
        rows = pool[: cell.n]
        model = AlphaRidgeClassifier(cell.w, gamma=cell.gamma).fit(cell.X[rows], cell.y[rows])
        ends.append(model.alpha_interval_)
        curves.append(curve_of(model, BAND))
        accuracy, separated = on_test_rows(model, cell, rows, test, alpha)
        measured.append(accuracy)
        separations.append(separated)
    accuracy = np.array(measured)
    target = alpha[np.mean(separations, axis=0)[: len(ANGLES)].argmax()]
    best, as_good = best_alpha(accuracy[:, : len(ANGLES)])
    low, high = np.array(ends).T[..., None]
    inside = (low <= UNIT * np.tan(ANGLES)) & (UNIT * np.tan(ANGLES) <= high)
    truth = accuracy[:, len(ANGLES) :].mean(axis=0)
    level, gain = truth[:-1], truth[:-1] - truth[-1]
    return {
        "kind": cell.kind,
        "cell": cell.name,
        "n_target": cell.n,
        "gamma_target": cell.gamma,
        "draws": draws,
        "best_alpha": UNIT * np.tan(best),
        "best_separation_alpha": target,
        "interval": np.mean((low[:, 0] <= UNIT * np.tan(best)) & (UNIT * np.tan(best) <= high[:, 0])),
        "interval_as_good": np.mean((inside & as_good).any(axis=1)),
        "interval_separation": np.mean((low[:, 0] <= target) & (target <= high[:, 0])),
        "unbounded": np.mean(~np.isfinite(low + high)),
        "width_of_angle": np.median(np.arctan(high / UNIT) - np.arctan(low / UNIT)),
        "level": np.mean([(c.accuracy_low <= level) & (level <= c.accuracy_high) for c in curves]),
        "difference": np.mean([(c.difference_low <= gain) & (gain <= c.difference_high) for c in curves]),
    }


def on_test_rows(
    model: AlphaRidgeClassifier, cell: Cell, rows: np.ndarray, test: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and mean over deviation, on the test rows, of the classifier with each α (A,), whose score is affine in α."""
    base, one = (
        AlphaRidgeClassifier(cell.w, alpha=a, gamma=cell.gamma, threshold="balanced")
        .fit(cell.X[rows], cell.y[rows])
        .decision_function(cell.X[test])
        for a in (0.0, 1.0)
    )
    left_out = model.left_out_.scores[:, 0]
    F = left_out[0] + alpha[:, None] * left_out[1]
    law = calibrate(np.stack([-F, F], axis=1), model.left_out_.codes, model.left_out_.omega)
    lift = (law.log_prior[1] - law.log_prior[0]) / (2 * law.slope)
    scores = base + alpha[:, None] * (one - base) + lift[:, None]
    positive = cell.y[test] > 0
    moments = margins(np.stack([base, one - base]), positive, np.ones(len(test)))
    return np.mean((scores > 0) == positive, axis=1), separation(moments, alpha[:, None])


def best_alpha(accuracy: np.ndarray) -> tuple[float, np.ndarray]:
    """The angle of largest mean accuracy, smoothed, from draws (D, A); and which angles (A,) are within one standard error of it."""
    mean = accuracy.mean(axis=0)
    smooth = []
    for angle in ANGLES:
        near = abs(ANGLES - angle) < WINDOW
        smooth.append(np.polynomial.polynomial.polyfit(ANGLES[near] - angle, mean[near], 2)[0])
    best = int(np.argmax(smooth))
    error = (accuracy - accuracy[:, [best]]).std(axis=0, ddof=1) / np.sqrt(len(accuracy))
    return float(ANGLES[best]), np.array(smooth) >= smooth[best] - error


def draw(lab: Lab, data: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=2.8, sharey=True)
    kinds = list(dict.fromkeys(data.kind))
    for ax, (column, title, (low, high)) in zip(
        axes[0],
        (("interval_separation", r"interval of $\alpha$", (0.9, 0.98)), ("level", "band of the level", (0.85, 0.95)),
         ("difference", r"band of the gain", (0.85, 0.95))),
        strict=True,
    ):  # fmt: skip
        ax.axhspan(low, high, color="0.9", lw=0)
        for i, kind in enumerate(kinds):
            part = data[data.kind == kind]
            shift = np.exp(0.08 * (i - (len(kinds) - 1) / 2))
            if column == "interval_separation":
                ax.plot(
                    part.n_target * shift,
                    part.interval,
                    plotting.MARKERS[i],
                    color=plotting.COLORS[i],
                    ms=4,
                    fillstyle="none",
                )
            ax.plot(
                part.n_target * shift, part[column], plotting.MARKERS[i], color=plotting.COLORS[i], ms=4, label=kind
            )
        ax.set(xscale="log", xlabel="$n$ target rows", title=title)
        ax.set_xticks(SIZES, [str(n) for n in SIZES])
        ax.minorticks_off()
    axes[0, 0].set_ylabel("share of samples covered")
    hollow = {"marker": "o", "linestyle": "none", "color": "0.3", "markersize": 4, "fillstyle": "none"}
    axes[0, 0].plot([], [], **hollow, label="of the best accuracy")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lab.picture(fig)
