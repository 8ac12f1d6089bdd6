"""Data that come with scikit-learn: one sample's curve of accuracy over α with its choice, and the choice against other methods."""

import numpy as np
import pandas as pd

from rmt_alpha import plotting
from rmt_alpha.estimate import AlphaRidgeClassifier, scaling_rows
from rmt_alpha.estimate.curve import curve_of
from rmt_alpha.estimate.more_rows import theory_accuracy

from .alpha_judged import TEST
from .lab import Lab
from .peers import METHODS
from .transfers import Transfer, breast_cancer, digits

SETS = {
    "digits 3v8 → 5v8": lambda: digits(3, 8, 5, 8),
    "digits 1v8 → 2v8": lambda: digits(1, 8, 2, 8),
    "breast cancer, 15 % malignant": lambda: unequal(breast_cancer(), 0.15),
}
SIZES = (20, 40, 100)
CURVE_SIZE, GAMMA = 40, 1.0
ALPHA = np.linspace(-1, 4, 26)


def unequal(transfer: Transfer, share: float) -> Transfer:
    """The target with fewer rows of −1, so that they are `share` of all."""
    source_X, source_y, X, y = transfer
    few = np.flatnonzero(y < 0)[: int(share / (1 - share) * np.sum(y > 0))]
    kept = np.sort(np.concatenate([few, np.flatnonzero(y > 0)]))
    return source_X, source_y, X[kept], y[kept]


def run(lab: Lab) -> None:
    curves, rows = [], []
    for name, load in SETS.items():
        source_X, source_y, X, y = load()
        w = AlphaRidgeClassifier(threshold="balanced").fit(scaling_rows(source_X)(source_X), source_y).coef_[0]
        curves.append(pd.DataFrame({"transfer": name} | one_curve(source_X, X, y, w, lab.trials(20), lab.seed)))
        rows += [{"transfer": name} | row for row in compared(source_X, X, y, w, lab.trials(20), lab.seed)]
    curve, table = lab.table(pd.concat(curves), "curves"), lab.table(pd.DataFrame(rows))
    draw(lab, curve, table)
    for n, part in table.groupby("n_target"):
        means = part.groupby("method", sort=False).accuracy.mean()
        lab.remark(f"n = {n}: " + ", ".join(f"{name} {100 * mean:.1f}" for name, mean in means.items()) + ".")


def drawn(y: np.ndarray, n: int, trial: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n training rows, two of each class at least, and the test rows."""
    rng = np.random.default_rng([seed, trial, n])
    while True:
        test, pool = np.split(rng.permutation(len(y)), [min(TEST, len(y) // 3)])
        if abs(y[pool[:n]].sum()) <= n - 4:
            return pool[:n], test


def one_curve(source_X: np.ndarray, X: np.ndarray, y: np.ndarray, w: np.ndarray, trials: int, seed: int) -> dict:
    """Test accuracy over α, mean of `trials` samples; the first sample's own curve, band and choice; theory from all rows."""
    accuracy = []
    for trial in range(trials):
        rows, test = drawn(y, CURVE_SIZE, trial, seed)
        scale = scaling_rows(X[rows], source_X)
        train, held = scale(X[rows]), scale(X[test])
        fits = [AlphaRidgeClassifier(w, alpha=a, gamma=GAMMA, threshold="balanced").fit(train, y[rows]) for a in ALPHA]
        hits = np.array([fit.predict(held) == y[test] for fit in fits])
        accuracy.append(np.mean([hits[:, y[test] == s].mean(axis=1) for s in (-1, 1)], axis=0))
        if trial == 0:
            first = AlphaRidgeClassifier(w, gamma=GAMMA).fit(train, y[rows])
            curve = curve_of(first, ALPHA)
            theory = theory_accuracy(scale(X), y, w, CURVE_SIZE, GAMMA, ALPHA)
    return {
        "alpha": ALPHA, "test": np.mean(accuracy, axis=0), "test_se": np.std(accuracy, axis=0, ddof=1) / np.sqrt(trials),
        "left_out": curve.accuracy, "low": curve.accuracy_low, "high": curve.accuracy_high, "theory": theory,
        "chosen": first.alpha_, "chosen_low": first.alpha_interval_[0], "chosen_high": first.alpha_interval_[1],
    }  # fmt: skip


def compared(source_X: np.ndarray, X: np.ndarray, y: np.ndarray, w: np.ndarray, trials: int, seed: int) -> list[dict]:
    """Accuracy of each method at each n: mean over `trials` samples, and its standard error."""
    rows = []
    for n in SIZES:
        hits = []
        for trial in range(trials):
            train, test = drawn(y, n, trial, seed)
            scale = scaling_rows(X[train], source_X)
            task = (scale(X[train]), y[train], w, scale(X[test]))
            hits.append([np.mean(method(*task) == y[test]) for method in METHODS.values()])
        mean, se = np.mean(hits, axis=0), np.std(hits, axis=0, ddof=1) / np.sqrt(trials)
        rows += [
            {"n_target": n, "method": name, "accuracy": m, "accuracy_se": e}
            for name, m, e in zip(METHODS, mean, se, strict=True)
        ]
    return rows


def draw(lab: Lab, curves: pd.DataFrame, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, rows=2, height=2.3, sharey="row")
    for column, (name, part) in enumerate(curves.groupby("transfer", sort=False)):
        ax = axes[0, column]
        ax.fill_between(part.alpha, 100 * part.low, 100 * part.high, color="0.88", lw=0, label="one sample, 90 % band")
        plotting.theory_line(ax, part.alpha, 100 * part.theory, 0, label="theory")
        few = part[::3]
        plotting.simulation_points(
            ax, few.alpha, 100 * few.test, 100 * few.test_se, 1, markersize=3, label="experiment (test rows)"
        )
        low, high = (np.clip(part[c].iloc[0], ALPHA[0], ALPHA[-1]) for c in ("chosen_low", "chosen_high"))
        ax.axvspan(low, high, color=plotting.COLORS[2], alpha=0.15, lw=0, label=r"95 % interval of $\alpha$")
        ax.axvline(part.chosen.iloc[0], color=plotting.COLORS[2], lw=1, label=r"chosen $\alpha$")
        ax.set(title=name.replace("→", r"$\to$").replace(", ", "\n"), xlabel=r"$\alpha$")
        ax = axes[1, column]
        for i, (method, of) in enumerate(table[table.transfer == name].groupby("method", sort=False)):
            ax.errorbar(of.n_target * (1 + 0.03 * (i - 3)), 100 * of.accuracy, 100 * of.accuracy_se, color=plotting.COLORS[i],
                        marker=plotting.MARKERS[i], ls=plotting.DASHES[i], ms=3, lw=1, elinewidth=0.7,
                        label=method.replace("α", r"$\alpha$"))  # fmt: skip
        ax.set(xlabel="$n$ target rows", xscale="log")
        ax.set_xticks(SIZES, [str(n) for n in SIZES])
        ax.minorticks_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("balanced accuracy (%)" if ax is axes[0, 0] else "accuracy (%)")
    for row in (0, 1):
        handles, labels = axes[row, 0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center" if row else "outside upper center", ncols=3)
    lab.picture(fig)
