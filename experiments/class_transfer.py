"""What the experiments on several classes of real rows share: accuracy over α and over the rank, measured and predicted.

Splits of the target's rows: n to train on, up to `TEST` others to judge. The prediction knows the means and the covariances of the
classes among all those rows, with the sampling noise of the means taken out; it never sees a split. Two measurements say where a miss
comes from:

- Gaussian rows with the same means and covariances, through the same splits. Their distance to theory with the moments that they have is
  what n and p of this size cost; to theory with moments estimated again from them, what estimating costs: means and covariances
  fitted to N rows tell those rows' classes apart better than new rows.
- Gaussian scores: the accuracy that the test rows' scores would have if they were normal in each class, with the mean and the covariance
  that they have. What lies between these and theory is a wrong law of the weights, what is beyond them is the shape of the scores.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Population, plotting, predict, rank_path
from rmt_alpha.estimate import norm_strata, remove_mean_noise
from rmt_alpha.theory.low_rank import TieWarning
from rmt_alpha.training import leading, ridge_path

from .lab import Lab

TEST = 3000
DRAWS = 2000  # Gaussian scores per class and split
VIEWS = ("one covariance", "class covariances", "2 strata")
SHOWN = "class covariances"  # the view that ranks and α* are predicted with
RULES = ("α = 0", "α = 1", "α*")
LABELS = (r"$\alpha=0$", r"$\alpha=1$", r"$\alpha^*$ of theory at this rank")


@dataclass(frozen=True)
class Task:
    """Target rows X (N, p), centred, their classes (N,), the source's weights W (p, K), the target's penalty, and groups (N,).

    No row is judged by a training that has seen one of its group.
    """

    X: np.ndarray
    labels: np.ndarray
    W: np.ndarray
    gamma: float
    groups: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """One-hot, centred: (K, K)."""
        return centred_codes(self.W.shape[1])


def centred_codes(K: int) -> np.ndarray:
    return np.eye(K) - 1 / K


def source_weights(X: np.ndarray, labels: np.ndarray, gamma: float) -> np.ndarray:
    """W̃ (p, K): ridge on all rows of the source."""
    codes = centred_codes(labels.max() + 1)[labels]
    return ridge_path(X, codes, gamma)


def run(lab: Lab, task: Task, sizes: tuple[int, ...], alpha: np.ndarray, trials: int, known: dict) -> None:
    """Tables, picture and remarks of one task."""
    twin = gaussian_rows(task, lab.seed)
    seen, plain, estimated = populations(task), populations(task, clean=False)[SHOWN], populations(twin)[SHOWN]
    curves, ranks = [], []
    for n in sizes:
        keys = known | {"n_target": n, "dim": task.X.shape[1], "classes": task.W.shape[1], "gamma_target": task.gamma}
        fits = {view: Fit(population, n, task.gamma, starts=[task.W]) for view, population in seen.items()}
        theory = {view: predict(fit, alpha).accuracy for view, fit in fits.items() if view != SHOWN}
        path, twin_path = (by_rank(fit, alpha) for fit in (fits[SHOWN], Fit(plain, n, task.gamma, starts=[task.W])))
        theory[SHOWN] = path[-1]
        best = path.argmax(axis=1)  # per rank
        rules = np.stack([np.full(len(path), np.flatnonzero(alpha == fixed)[0]) for fixed in (0.0, 1.0)] + [best])
        real, gauss = (measure(t, n, alpha, alpha[rules], trials, lab.seed) for t in (task, twin))
        columns = {f"accuracy_{view}".replace(" ", "_"): theory[view] for view in VIEWS}
        columns |= summary("empirical", real.curve) | summary("gaussian_scores", real.normal)
        columns |= summary("gaussian_rows", gauss.curve) | {"accuracy_theory_of_gaussian_rows": twin_path[-1]}
        estimate = predict(Fit(estimated, n, task.gamma, starts=[task.W]), alpha)
        columns["accuracy_theory_of_gaussian_rows_estimated"] = estimate.accuracy
        curves.append(pd.DataFrame(keys | {"alpha": alpha, "optimal_alpha": alpha[best[-1]]} | columns))
        for k, rule in enumerate(RULES):
            r = np.arange(1 if rule == "α = 0" else 0, len(path))  # no weights have no accuracy
            named = {"rule": rule, "rank": r, "alpha": alpha[rules[k, r]], "accuracy": path[r, rules[k, r]]}
            named |= summary("empirical", real.ranks[:, k, r]) | summary("gaussian_rows", gauss.ranks[:, k, r])
            named["accuracy_theory_of_gaussian_rows"] = twin_path[r, rules[k, r]]
            ranks.append(pd.DataFrame(keys | named))
    curve, rank = lab.table(pd.concat(curves)), lab.table(pd.concat(ranks), "ranks")
    draw(lab, curve, rank)
    for n in sizes:
        lab.remark(told(curve[curve.n_target == n], rank[rank.n_target == n]))


def by_rank(fit: Fit, alpha: np.ndarray) -> np.ndarray:
    """Theory's accuracy at every rank and α, (K, A): centred codes have rank K − 1, the last direction of G holds nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TieWarning)
        return rank_path(fit, alpha).accuracy[:-1]


def told(curve: pd.DataFrame, rank: pd.DataFrame) -> str:
    """Distances and accuracies at one n."""
    off = ", ".join(f"{view} {rms(column(curve, view) - curve.accuracy_empirical):.4f}" for view in VIEWS)
    at = curve.set_index("alpha").accuracy_empirical
    best = curve.optimal_alpha.iloc[0]
    full = at_full_rank(rank).set_index("rule").accuracy_empirical
    ranks = [saving(rank, name) for name in ("accuracy_empirical", "accuracy")]
    reached, expected = ("none" if r is None else f"rank {r}" for r in ranks)
    return (
        f"n = {curve.n_target.iloc[0]}: RMS distance over α of theory to experiment: {off} (s.e. {rms(curve.accuracy_empirical_se):.4f}); "
        f"of theory with class covariances to Gaussian scores {rms(column(curve, SHOWN) - curve.accuracy_gaussian_scores):.4f}, "
        f"of theory to Gaussian rows {rms(curve.accuracy_theory_of_gaussian_rows - curve.accuracy_gaussian_rows):.4f}, "
        f"with estimated moments {rms(curve.accuracy_theory_of_gaussian_rows_estimated - curve.accuracy_gaussian_rows):.4f}; "
        f"over ranks {rms(rank.accuracy - rank.accuracy_empirical):.4f}, Gaussian rows "
        f"{rms(rank.accuracy_theory_of_gaussian_rows - rank.accuracy_gaussian_rows):.4f}. "
        f"Accuracy at α = 0 {at[0.0]:.4f}, at 1 {at[1.0]:.4f}, at theory's α* = {best:g} {at[best]:.4f}, best of the grid {at.max():.4f}. "
        f"What α = 1 does at full rank, {full['α = 1']:.4f}, α* of each rank does from {reached} on (theory: {expected})."
    )


def at_full_rank(rank: pd.DataFrame) -> pd.DataFrame:
    return rank[rank["rank"] == rank["rank"].max()]


def saving(rank: pd.DataFrame, name: str) -> int | None:
    """The smallest rank at which the column `name` has with α* what it has at full rank with α = 1; None where no rank does."""
    full = at_full_rank(rank[rank.rule == "α = 1"])[name].iloc[0]
    enough = rank[(rank.rule == "α*") & (rank[name] >= full)]["rank"]
    return int(enough.min()) if len(enough) else None


def populations(task: Task, clean: bool = True) -> dict[str, Population]:
    """The same rows as three theories see them; `clean`: without the noise of the means."""
    classes = norm_strata(task.X, task.labels, 1, task.codes)
    shared = sum(prior * cov.matrix for prior, cov in zip(classes.priors, classes.covariances, strict=True))
    one = Population.classes(classes.means, priors=classes.priors, covariance=shared, codes=task.codes)
    seen = zip(VIEWS, (one, classes, norm_strata(task.X, task.labels, 2, task.codes)), strict=True)
    return {view: remove_mean_noise(law, len(task.labels), task.W) if clean else law for view, law in seen}


def gaussian_rows(task: Task, seed: int) -> Task:
    """As many rows of each class, Gaussian with its mean and covariance."""
    rng, X = np.random.default_rng([seed, 1]), np.empty_like(task.X)
    for k in range(task.W.shape[1]):
        rows = task.labels == k
        X[rows] = normal_like(task.X[rows], rows.sum(), rng)
    return replace(task, X=X)


class Measured(NamedTuple):
    """Accuracies of each split: over α at full rank, of Gaussian scores over α, and at each rule's α over ranks 0 … K − 1."""

    curve: np.ndarray  # (trials, A)
    normal: np.ndarray  # (trials, A)
    ranks: np.ndarray  # (trials, rules, K)


def measure(task: Task, n: int, alpha: np.ndarray, rules: np.ndarray, trials: int, seed: int) -> Measured:
    """Train on n rows, judge on others; `rules` (rules, K) holds an α for each rank."""
    K = task.W.shape[1]
    found = Measured(np.empty((trials, len(alpha))), np.empty((trials, len(alpha))), np.empty((trials, len(rules), K)))
    for trial in range(trials):
        rng = np.random.default_rng([seed, n, trial])
        order = rng.permutation(len(task.labels))
        train, others = order[:n], order[n:]
        test = others[~np.isin(task.groups[others], task.groups[train])][:TEST]
        X, Y, truth = task.X[train], task.codes[task.labels[train]], task.labels[test]
        path = ridge_path(X, Y, task.gamma, task.W)
        base, slope = path[:, :K], path[:, K:] - task.W  # of the correction
        start, at_zero, along = (task.X[test] @ M for M in (task.W, base, slope))
        found.curve[trial] = [hits(at_zero + a * (start + along), truth) for a in alpha]
        found.normal[trial] = gaussian_scores(at_zero, start + along, truth, alpha, rng)
        for k, of_ranks in enumerate(rules):
            for r, a in enumerate(of_ranks):
                P = leading((base + a * slope).T @ X.T @ (Y - a * X @ task.W) / n, r)
                found.ranks[trial, k, r] = hits(a * start + (at_zero + a * along) @ P, truth)
    return found


def hits(scores: np.ndarray, truth: np.ndarray) -> float:
    """The share of rows whose own class has the largest score."""
    return float(np.mean(scores.argmax(axis=1) == truth))


def gaussian_scores(
    at_zero: np.ndarray, slope: np.ndarray, truth: np.ndarray, alpha: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The accuracy (A,) of normal scores with each class's mean and covariance of at_zero + α·slope."""
    right = np.zeros(len(alpha))
    for k, share in enumerate(np.bincount(truth, minlength=at_zero.shape[1]) / len(truth)):
        both = np.hstack([at_zero, slope])[truth == k]
        first, second = np.split(normal_like(both, DRAWS, rng), 2, axis=1)
        right += [share * np.mean((first + a * second).argmax(axis=1) == k) for a in alpha]
    return right


def normal_like(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Normal rows (count, p) with the mean and the covariance of `rows` (n, p), which may be singular."""
    cov = np.cov(rows.T, bias=True)
    return rng.multivariate_normal(rows.mean(axis=0), cov, count, method="eigh", check_valid="ignore")


def summary(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and standard error over the trials, (trials, …)."""
    return {
        f"accuracy_{name}": values.mean(axis=0),
        f"accuracy_{name}_se": values.std(axis=0, ddof=1) / np.sqrt(len(values)),
    }


def rms(values: pd.Series) -> float:
    return float(np.sqrt(np.mean(values**2)))


def column(curve: pd.DataFrame, view: str) -> pd.Series:
    return curve[f"accuracy_{view}".replace(" ", "_")]


def draw(lab: Lab, curves: pd.DataFrame, ranks: pd.DataFrame) -> None:
    sizes = curves.n_target.unique()
    fig, axes = plotting.figure(columns=len(sizes), rows=2, height=2.2, sharey="row")
    for (above, below), n in zip(axes.T, sizes, strict=True):
        curve, rank = curves[curves.n_target == n], ranks[ranks.n_target == n]
        shown = curve[::2]
        for i, view in enumerate(VIEWS):
            plotting.theory_line(above, curve.alpha, column(curve, view), i, label=f"theory, {view}")
        normal = shown.accuracy_gaussian_scores, shown.accuracy_gaussian_scores_se
        plotting.simulation_points(above, shown.alpha, *normal, 4, markersize=3, label="Gaussian scores")
        above.axvline(curve.optimal_alpha.iloc[0], color="grey", linewidth=0.7, linestyle=":")
        plotting.simulation_points(
            above,
            shown.alpha,
            shown.accuracy_empirical,
            shown.accuracy_empirical_se,
            5,
            markersize=3,
            label="experiment",
        )
        above.set(xlabel=r"$\alpha$", title=f"$n={n}$")
        for i, (rule, label) in enumerate(zip(RULES, LABELS, strict=True)):
            line = rank[rank.rule == rule]
            plotting.theory_line(below, line["rank"], line.accuracy, i, label=label)
            plotting.simulation_points(below, line["rank"], line.accuracy_empirical, line.accuracy_empirical_se, i)
        below.set(xlabel="rank of the correction", xticks=range(rank["rank"].max() + 1))
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    fig.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lab.picture(fig)
