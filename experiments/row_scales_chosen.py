"""What do K scales, one per class, cost at few rows? Chosen by leave-one-out or with hindsight, their gain over one scale for all.

Ridge around α times a source, one output per class. `AlphaRidgeClassifier` chooses one α, or one per class, from the n training
rows; the oracle makes the same choice from `ORACLE` other labelled rows (two thirds of the rest where there are fewer). Gaussian
classes have a source whose rows are right up to one factor, or up to a factor each; digits (scikit-learn's, MNIST) one of digits
turned by 25°.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn.datasets import load_digits

from rmt_alpha import plotting
from rmt_alpha.estimate import AlphaRidgeClassifier
from rmt_alpha.estimate.many_classes import by_likelihood
from rmt_alpha.estimate.ridge import LeaveOneOut
from rmt_alpha.training import ridge_path

from . import mnist_classes
from .class_transfer import source_weights
from .lab import Lab
from .real_digits import common_scale

SIZES = (20, 50, 100, 200, 400)
GAMMA, ORACLE, TEST = 1.0, 1000, 1500
CLASSES, DIM, NORM, SPREAD = 5, 100, 2.0, (0.2, 0.6, 1.0, 1.4, 1.8)
RULES = ("one", "per_class")


class Task(NamedTuple):
    """Rows X (N, p), their classes (N,), and the source's weights W (p, K)."""

    X: np.ndarray
    labels: np.ndarray
    W: np.ndarray


def run(lab: Lab) -> None:
    rows, trials = [], lab.trials(10)
    for name, task in tasks(lab.seed).items():
        for n in SIZES:
            found = np.array([trial(task, n, np.random.default_rng([lab.seed, n, i])) for i in range(trials)])
            known = {
                "task": name,
                "n_target": n,
                "dim": task.X.shape[1],
                "classes": task.W.shape[1],
                "gamma_target": GAMMA,
            }
            rows += [known | row for row in summaries(found)]
    table = lab.table(pd.DataFrame(rows))
    draw(lab, table)
    for name, part in table.groupby("task", sort=False):
        told = []
        for n in (SIZES[0], SIZES[-1]):
            at = part[part.n_target == n].set_index("chosen_by")
            told.append(f"n = {n} {' and '.join(gain(at.loc[by]) for by in at.index)}")
        lab.remark(
            f"{name}: points of accuracy that α per class gains over one α, by leave-one-out and by the oracle: {'; '.join(told)}."
        )
    lab.remark(verdict(table))


def gain(row: pd.Series) -> str:
    return f"{100 * row.gain:+.1f} ± {100 * row.gain_se:.1f}"


def verdict(table: pd.DataFrame) -> str:
    """Where it pays to choose one α per class from the rows, by more than two standard errors, and where it costs as much."""
    chosen = table[table.chosen_by == "leave-one-out"]
    pays, costs = chosen[chosen.gain > 2 * chosen.gain_se], chosen[chosen.gain < -2 * chosen.gain_se]
    return (
        f"One α per class, chosen from the rows, pays by more than two s.e. here: {places(pays) or 'nowhere'}. "
        f"It costs as much here: {places(costs) or 'nowhere'}."
    )


def places(part: pd.DataFrame) -> str:
    return "; ".join(
        f"{task} at n = {', '.join(map(str, at.n_target))}" for task, at in part.groupby("task", sort=False)
    )


def tasks(seed: int) -> dict[str, Task]:
    found = {
        "Gaussian, equal scales": gaussian(np.ones(CLASSES), seed),
        "Gaussian, unequal scales": gaussian(np.array(SPREAD), seed),
    }
    images, digits = load_digits(return_X_y=True)
    source, target = np.array_split(np.random.default_rng(seed).permutation(len(digits)), 2)
    turned = ndimage.rotate(images[source].reshape(-1, 8, 8), mnist_classes.ANGLE, axes=(1, 2), reshape=False, order=1)
    W = source_weights(common_scale(turned.reshape(len(source), -1)), digits[source], GAMMA)
    found["digits"] = Task(common_scale(images[target]), digits[target], W)
    mnist = mnist_classes.task()
    return found | {"MNIST": Task(mnist.X, mnist.labels, mnist.W)}


def gaussian(scales: np.ndarray, seed: int) -> Task:
    """Classes of one covariance; each row of the source is the target's own best, times its scale, and some noise."""
    rng = np.random.default_rng([seed, CLASSES])
    means = NORM * np.linalg.qr(rng.standard_normal((DIM, CLASSES)))[0].T
    labels = np.resize(np.arange(CLASSES), 4000)
    X = means[labels] + rng.standard_normal((len(labels), DIM))
    right = source_weights(X - X.mean(axis=0), labels, GAMMA)
    noise = rng.standard_normal(right.shape) * np.linalg.norm(right) / np.sqrt(right.size)
    return Task(X, labels, (right + noise) * scales)


def trial(task: Task, n: int, rng: np.random.Generator) -> np.ndarray:
    """Accuracy (2, 2): chosen by leave-one-out and by the oracle, with one α and one per class."""
    K = task.W.shape[1]
    train, rest = balanced(task.labels, n, rng)
    judge, test = np.split(rest[: ORACLE + TEST], [min(ORACLE, 2 * len(rest) // 3)])
    X, y = task.X[train], task.labels[train]
    path = ridge_path(X, np.eye(K)[y], GAMMA, task.W, intercept=True)
    scores = (task.X[judge] @ path[:-1] + path[-1]).T.reshape(2, K, -1)
    result = np.empty((2, 2))
    for j, per in enumerate(("source", "output")):
        known = hindsight(scores, task.labels[judge], per == "output")
        for i, alpha in enumerate(("auto", known)):
            model = AlphaRidgeClassifier(task.W.T, gamma=GAMMA, per=per, alpha=alpha).fit(X, y)
            result[i, j] = model.score(task.X[test], task.labels[test])
    return result


def hindsight(scores: np.ndarray, labels: np.ndarray, per_output: bool) -> np.ndarray:
    """α (1, K) as the classifier would choose it, by scores (2, K, n) of rows that training has not seen."""
    n = len(labels)
    unseen = LeaveOneOut(
        np.array(GAMMA), scores, np.zeros(n), np.zeros(()), np.zeros(0), dim=0, starts=np.zeros((1, *scores.shape[1:]))
    )
    return by_likelihood(unseen, labels, np.ones(n), per_output)[0]


def balanced(labels: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """n rows, as many of each class, and all others, shuffled again: those early in `order` lack what training took."""
    order = rng.permutation(len(labels))
    each = n // (labels.max() + 1)
    train = np.concatenate([order[labels[order] == k][:each] for k in range(labels.max() + 1)])
    return train, rng.permutation(order[~np.isin(order, train)])


def summaries(found: np.ndarray) -> list[dict]:
    """From accuracies (trials, 2, 2), one row for each way of choosing."""
    rows, root = [], np.sqrt(len(found))
    for by, values in zip(("leave-one-out", "oracle"), np.moveaxis(found, 1, 0), strict=True):
        gains = values[:, 1] - values[:, 0]
        row = {"chosen_by": by, "gain": gains.mean(), "gain_se": gains.std(ddof=1) / root}
        for rule, accuracy in zip(RULES, values.T, strict=True):
            row |= {f"accuracy_{rule}": accuracy.mean(), f"accuracy_{rule}_se": accuracy.std(ddof=1) / root}
        rows.append(row)
    return rows


def draw(lab: Lab, table: pd.DataFrame) -> None:
    names = table.task.unique()
    fig, axes = plotting.figure(columns=len(names), height=2.2)
    for ax, name in zip(axes[0], names, strict=True):
        for i, (by, part) in enumerate(table[table.task == name].groupby("chosen_by", sort=False)):
            plotting.simulation_points(
                ax,
                part.n_target,
                100 * part.gain,
                100 * part.gain_se,
                i,
                label=f"chosen by {'the ' * (by == 'oracle')}{by}",
            )
            ax.plot(part.n_target, 100 * part.gain, color=plotting.COLORS[i], linewidth=0.7)
        ax.axhline(0, color="grey", linewidth=0.7, linestyle=":")
        ax.set(xscale="log", xlabel="$n$", title=name.replace(", ", ",\n"))
        ax.set_xticks([SIZES[0], 100, SIZES[-1]], [str(SIZES[0]), "100", str(SIZES[-1])])
        ax.minorticks_off()
    axes[0, 0].set_ylabel("gain (points)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    lab.picture(fig)
