"""Language-model features: ridge on sentence embeddings, every transfer between four review domains, with α from theory and from data.

Texts embedded by a frozen encoder (all-MiniLM-L6-v2, 384 dimensions) stand between Gaussian mixtures and fine-tuned transformers.
"""

from functools import cache
from itertools import permutations

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from rmt_alpha import TransferProblem, optimal_alpha, plotting, predict
from rmt_alpha.data import load_texts
from rmt_alpha.data.embed import embed
from rmt_alpha.estimate import AlphaRidgeClassifier
from rmt_alpha.training import ridge_path

from .amazon import accuracies, split_rows
from .lab import Lab

DOMAINS = ("books", "dvd", "electronics", "kitchen")
SIZES = (20, 100, 500)
GAMMA_SOURCE, GAMMA = 1.0, 1.0
GRID = np.linspace(-2, 5, 71)
RULES = ("alpha_0", "alpha_1", "auto", "predicted", "grid")
TOLD = ("α = 0", "α = 1", "auto", "predicted α*", "best on the grid")
LABELS = (r"$\alpha=0$", r"$\alpha=1$", "auto", r"predicted $\alpha^*$", "best on the grid")
KINDS = ("covariance", "isotropic")


def run(lab: Lab) -> None:
    curves, rows = [], []
    for source, target in permutations(DOMAINS, 2):
        reviews = transfer(source, target, lab.trials(30), lab.seed)
        twin = transfer(source, target, lab.trials(30), lab.seed, gaussian=True)
        for i, n in enumerate(SIZES):
            keys = {"source": source, "target": target, "n_target": n}
            m = {name: values[:, i] for name, values in reviews.items()}  # (trials, …)
            curve = {name: m[name].mean(axis=0) for name in ("empirical", *KINDS)}
            curve |= {f"gaussian_{name}": twin[name][:, i].mean(axis=0) for name in ("empirical", "covariance")}
            known = keys | {"gamma_source": GAMMA_SOURCE, "gamma_target": GAMMA, "alpha": GRID}
            columns = {f"accuracy_{name}": values for name, values in curve.items()}
            columns["accuracy_sd_of_a_split"] = m["empirical"].std(axis=0, ddof=1)
            curves.append(pd.DataFrame(known | columns))
            rows.append(keys | summary(m, curve))
    curve = lab.table(pd.concat(curves), "curves")
    table = lab.table(pd.DataFrame(rows))
    draw_curves(lab, curve, table)
    draw_table(lab, table)
    for n, part in table.groupby("n_target"):
        means = ", ".join(
            f"{label} {100 * part[f'accuracy_{rule}'].mean():.2f}" for rule, label in zip(RULES, TOLD, strict=True)
        )
        distances = ", ".join(f"{kind} {root_mean_square(part[f'rms_{kind}']):.4f}" for kind in (*KINDS, "gaussian"))
        lab.remark(f"n = {n}: {means}; RMS {distances}.")
    lab.remark(
        "Mean accuracy in % over 12 transfers; RMS distance of each theory to the empirical curves, and (gaussian) of the covariance-aware "
        "one to those of Gaussian rows with the domain's moments, same protocol: what estimating the moments costs by itself. "
        "The grid's α is chosen on the test rows and the predicted α* from some 1550 labelled rows: bounds, not rules."
    )


def transfer(source: str, target: str, trials: int, seed: int, gaussian: bool = False) -> dict[str, np.ndarray]:
    """What is measured on each split, leading axes (trials, sizes): curves over GRID, the α chosen, the accuracy of each rule."""
    X, y = features(source)
    w = ridge_path(StandardScaler().fit_transform(X), y, GAMMA_SOURCE)[:, 0]
    X, y = features(target)
    sizes = np.array(SIZES)[:, None]
    results = []
    for trial in range(trials):
        rng = np.random.default_rng([seed, trial])
        part = split_rows(gaussian_twin(X, y, rng) if gaussian else X, y, rng)
        covariances = {"covariance": part.cov, "isotropic": None}
        views = {
            kind: TransferProblem.from_source(w, part.mean, n_target=sizes, gamma_target=GAMMA, cov_target=cov)
            for kind, cov in covariances.items()
        }
        result = {kind: predict(problem, GRID).accuracy for kind, problem in views.items()}
        predicted = optimal_alpha(views["covariance"]).alpha[:, 0]
        tuned = [fine_tune(part, w, n, rng) for n in SIZES]
        result["alpha"] = np.column_stack([[auto for _, auto in tuned], predicted])
        result["empirical"] = np.array([accuracies(scores, GRID) for scores, _ in tuned])
        alphas = np.column_stack([np.zeros(len(SIZES)), np.ones(len(SIZES)), result["alpha"]])
        result["rules"] = np.array([accuracies(scores, a) for (scores, _), a in zip(tuned, alphas, strict=True)])
        results.append(result)
    return {name: np.array([result[name] for result in results]) for name in results[0]}


def summary(m: dict[str, np.ndarray], curve: dict[str, np.ndarray]) -> dict[str, float]:
    """One row of the table: the α of each rule, its accuracy with standard error, and the distances of the theories."""
    best = curve["empirical"].argmax()
    accuracy = np.column_stack([m["rules"], m["empirical"][:, best]])
    row = {"auto_alpha": np.median(m["alpha"][:, 0]), "auto_alpha_spread": m["alpha"][:, 0].std(ddof=1)}
    row |= {"predicted_alpha": np.median(m["alpha"][:, 1]), "grid_alpha": GRID[best]}
    for rule, values in zip(RULES, accuracy.T, strict=True):
        row |= {f"accuracy_{rule}": values.mean(), f"accuracy_{rule}_se": values.std(ddof=1) / np.sqrt(len(values))}
    row |= {f"rms_{kind}": root_mean_square(curve[kind] - curve["empirical"]) for kind in KINDS}
    return row | {"rms_gaussian": root_mean_square(curve["gaussian_covariance"] - curve["gaussian_empirical"])}


def root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


@cache
def features(domain: str) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, 384) and labels ±1 of a domain, each text once: a review that occurs twice could be trained and tested on."""
    texts, y = load_texts("blitzer_text", domain)
    rows = np.sort(np.unique(texts, return_index=True)[1])
    return embed([texts[i] for i in rows]), y[rows]


def gaussian_twin(X: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian rows with the mean of each class and the within-class covariance of X (n, p)."""
    means = np.stack([X[y < 0].mean(axis=0), X[y > 0].mean(axis=0)])[(y > 0).astype(int)]
    # Random combinations of the centred rows have exactly their covariance; no factorisation.
    return means + rng.standard_normal((len(y), len(y))) @ (X - means) / np.sqrt(len(y))


def fine_tune(part, w: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Scores yxᵀw_α of the test rows at α⁰ and α¹, (test, 2), after training on n rows of the pool, and the α that these rows choose."""
    rows = rng.choice(len(part.pool_labels), n, replace=False)
    X, y = part.pool[rows], part.pool_labels[rows]
    auto = AlphaRidgeClassifier(w, gamma=GAMMA, fit_intercept=False).fit(X, y).alpha_
    return part.test_labels[:, None] * (part.test @ ridge_path(X, y, GAMMA, w[:, None])), auto


def draw_curves(lab: Lab, curve: pd.DataFrame, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=4, rows=3, height=1.8, sharex=True, sharey=True)
    for ax, (source, target) in zip(axes.T.flat, permutations(DOMAINS, 2), strict=True):
        here = curve[(curve.source == source) & (curve.target == target)]
        for i, n in enumerate(SIZES):
            part = here[here.n_target == n]
            mean, sd, points, color = (
                part.accuracy_empirical,
                part.accuracy_sd_of_a_split,
                part[::5],
                plotting.COLORS[i],
            )
            look = {"color": color, "alpha": 0.15, "linewidth": 0}
            ax.fill_between(part.alpha, mean - sd, mean + sd, **look, label=rf"$\pm$ s.d. of a split, $n={n}$")
            label = f"experiment, $n={n}$"
            plotting.simulation_points(ax, points.alpha, points.accuracy_empirical, None, i, markersize=3, label=label)
            plotting.theory_line(ax, part.alpha, part.accuracy_covariance, i, label=f"theory, $n={n}$")
            row = table[(table.source == source) & (table.target == target) & (table.n_target == n)].iloc[0]
            star = {"marker": "*", "markersize": 7, "color": color, "markeredgecolor": "black", "markeredgewidth": 0.5}
            ax.plot(row.auto_alpha, row.accuracy_auto, linestyle="none", zorder=5, **star, label=f"auto, $n={n}$")
        ax.set_title(rf"{source} $\to$ {target}", fontsize=7)
    for ax in axes[-1]:
        ax.set_xlabel(r"$\alpha$")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    order = [j for i in range(len(SIZES)) for j in range(len(labels)) if labels[j].endswith(f"={SIZES[i]}$")]
    fig.legend(
        [handles[j] for j in order], [labels[j] for j in order], loc="outside lower center", ncols=3
    )  # a column per n
    lab.picture(fig, "curves")


def draw_table(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=3.2, sharey=True)
    for ax, n in zip(axes[0], SIZES, strict=True):
        part = table[table.n_target == n]
        place = np.arange(len(part))
        for i, (rule, label) in enumerate(zip(RULES, LABELS, strict=True)):
            accuracy, se = 100 * part[f"accuracy_{rule}"], 100 * part[f"accuracy_{rule}_se"]
            look = {"color": plotting.COLORS[i], "marker": plotting.MARKERS[i], "linestyle": "none", "markersize": 3}
            ax.errorbar(accuracy, place + 0.12 * (2 - i), xerr=se, elinewidth=0.8, label=label, **look)
        names = part.source + r" $\to$ " + part.target
        ax.set(yticks=place, yticklabels=names, xlabel="accuracy (%)", title=f"$n={n}$")
    axes[0, 0].invert_yaxis()
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    lab.picture(fig)
