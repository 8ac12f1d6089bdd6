"""Real data on any machine: digits and tumours that scikit-learn ships, accuracy against α over the theory's prediction.

Digits: the source tells one pair of handwritten digits apart by its 64 pixels, the target another pair. Tumours: the source has the
mean size, texture, … of a tumour's cells for one half of the patients, the target the worst of them for the other half. Features
are centred; pixels keep their common scale. Theory is given the means and covariances of all labelled target rows, seen three ways;
strata are cut by the sample's norm, with the sampling noise of the means taken out. The circle is what `AlphaRidgeClassifier`
makes of the training rows alone; like every score here it has no intercept, since the features are centred.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

from rmt_alpha import Fit, plotting, predict
from rmt_alpha.estimate import AlphaRidgeClassifier, norm_strata, remove_mean_noise
from rmt_alpha.training import ridge_path

from .amazon import accuracies
from .amazon_classes import views
from .lab import Lab

N_TARGET, GAMMA_SOURCE, GAMMA = 10, 1.0, 1.0
ALPHA = np.linspace(-4, 4, 33)
VIEWS = ("isotropic", "one covariance", "2 strata")
PAIRS = (((3, 8), (5, 8)), ((1, 7), (1, 9)), ((1, 7), (4, 9)))


class Transfer(NamedTuple):
    """Target rows X (n, p), their labels ±1, and the source's weights w̃ (p,)."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray


def run(lab: Lab) -> None:
    splits = lab.trials(400)
    curves, points = [], []
    for name, (X, y, w) in transfers(lab.seed).items():
        measured, chosen = experiment(X, y, w, splits, lab.seed)
        known = {"transfer": name, "n_target": N_TARGET, "gamma_source": GAMMA_SOURCE, "gamma_target": GAMMA}
        found = {"accuracy_empirical": measured.mean(axis=0)}
        found["accuracy_empirical_se"] = measured.std(axis=0, ddof=1) / np.sqrt(splits)
        predicted = {f"accuracy_{view}".replace(" ", "_"): curve for view, curve in predictions(X, y, w).items()}
        curves.append(pd.DataFrame(known | {"alpha": ALPHA} | found | predicted))
        alpha, accuracy = chosen.T
        error = accuracy.std(ddof=1) / np.sqrt(splits)
        points.append(known | {"median_alpha": np.median(alpha), "accuracy": accuracy.mean(), "accuracy_se": error})
    frame, rule = lab.table(pd.concat(curves)), lab.table(pd.DataFrame(points), "chosen")
    draw(lab, frame, rule)
    for (name, curve), point in zip(frame.groupby("transfer", sort=False), rule.itertuples(), strict=True):
        off = ", ".join(
            f"{view} {np.sqrt(np.mean((theory(curve, view) - curve.accuracy_empirical) ** 2)):.4f}" for view in VIEWS
        )
        at = curve.set_index("alpha").accuracy_empirical
        lab.remark(
            f"{name}: RMS distance of theory to experiment over α: {off} (s.e. {np.sqrt(np.mean(curve.accuracy_empirical_se**2)):.4f}); "
            f"accuracy at α = 0 {at[0]:.4f}, at 1 {at[1]:.4f}, α chosen from the {N_TARGET} rows {point.accuracy:.4f}, "
            f"best of the grid {at.max():.4f}."
        )
    lab.remark("Splits of the same rows: the s.e. is that of the splits, not of the data set.")


def transfers(seed: int) -> dict[str, Transfer]:
    """Every source classifier with its target."""
    pixels, digits = load_digits(return_X_y=True)
    found = {}
    for source, target in PAIRS:
        (X_source, y_source), (X, y) = (
            (common_scale(pixels[rows]), np.where(digits[rows] == pair[0], 1.0, -1.0))
            for pair in (source, target)
            for rows in [np.isin(digits, pair)]
        )
        name = f"digits {source[0]} or {source[1]} → {target[0]} or {target[1]}"
        found[name] = Transfer(X, y, ridge_path(X_source, y_source, GAMMA_SOURCE)[:, 0])
    features, benign = load_breast_cancer(return_X_y=True)
    y = np.where(benign == 0, 1.0, -1.0)
    first, second = np.array_split(np.random.default_rng(seed).permutation(len(y)), 2)
    mean, worst = standard(features[first, :10]), standard(features[second, 20:])
    found["tumours, mean → worst"] = Transfer(worst, y[second], ridge_path(mean, y[first], GAMMA_SOURCE)[:, 0])
    return found


def experiment(X: np.ndarray, y: np.ndarray, w: np.ndarray, splits: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy on all rows but the few trained on, (splits, A); and the α that these few choose with its accuracy, (splits, 2)."""
    measured, chosen = np.empty((splits, len(ALPHA))), np.empty((splits, 2))
    for trial in range(splits):
        train, test = draw_rows(y, np.random.default_rng([seed, trial]))
        scores = y[test, None] * (X[test] @ ridge_path(X[train], y[train], GAMMA, w[:, None]))
        measured[trial] = accuracies(scores, ALPHA)
        alpha = AlphaRidgeClassifier(w, gamma=GAMMA, fit_intercept=False).fit(X[train], y[train]).alpha_
        chosen[trial] = alpha, accuracies(scores, np.array([alpha]))[0]
    return measured, chosen


def draw_rows(y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Training rows, with both classes among them, and all the others."""
    while True:
        order = rng.permutation(len(y))
        train, test = order[:N_TARGET], order[N_TARGET:]
        if len(set(y[train])) == 2:
            return train, test


def predictions(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
    """The accuracy curves of theory, as each view of the target rows has it."""
    seen = views(X, y) | {"2 strata": remove_mean_noise(norm_strata(X, y, 2), len(y), w)}
    return {view: predict(Fit(seen[view], N_TARGET, GAMMA, starts=[w]), ALPHA).accuracy for view in VIEWS}


def theory(curve: pd.DataFrame, view: str) -> pd.Series:
    return curve[f"accuracy_{view}".replace(" ", "_")]


def common_scale(X: np.ndarray) -> np.ndarray:
    """Centred, with a mean variance of 1 over the features."""
    X = X - X.mean(axis=0)
    return X / np.sqrt(np.mean(X**2))


def standard(X: np.ndarray) -> np.ndarray:
    """Centred, each feature with variance 1: their units differ."""
    return (X - X.mean(axis=0)) / X.std(axis=0)


def draw(lab: Lab, frame: pd.DataFrame, rule: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, rows=2, height=2.1)
    for ax, (name, curve), point in zip(
        axes.flat, frame.groupby("transfer", sort=False), rule.itertuples(), strict=True
    ):
        shown = curve[::2]
        measured = shown.accuracy_empirical, shown.accuracy_empirical_se
        plotting.simulation_points(ax, shown.alpha, *measured, 5, label="experiment", markersize=3)
        for i, view in enumerate(VIEWS):
            plotting.theory_line(ax, curve.alpha, theory(curve, view), i, label=f"theory, {view}")
        chosen = {"marker": "o", "markersize": 6, "label": r"$\alpha$ from the rows"}
        plotting.simulation_points(ax, [point.median_alpha], [point.accuracy], [point.accuracy_se], 6, **chosen)
        ax.set(xlabel=r"$\alpha$", ylabel="accuracy", title=name.replace("→", r"$\to$"))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    fig.suptitle(rf"$n={N_TARGET},\ \tilde\gamma={GAMMA_SOURCE:g},\ \gamma={GAMMA:g}$")
    lab.picture(fig)
