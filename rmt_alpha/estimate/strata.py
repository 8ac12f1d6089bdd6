"""A mixture read off labelled rows: strata of the sample's norm within each class.

Counts and embeddings have samples of very different norm, and one Gaussian per class misses that: xᵢᵀQxᵢ/n does not concentrate
on one number per class, and a score is a mixture of scales. Cut each class into J strata of ‖x − μ_class‖ and every stratum is a
component, with its own mean and covariance, which the theory takes as it is. The strata describe the rows they were
cut from; they are no forecast from a few labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import _checks as check
from ..problem import Population

NULL = 1e-9  # eigenvalues of a Gram matrix below this share of the largest are 0


def norm_strata(X: Any, y: Any, n_strata: int, codes: Any = None) -> Population:
    """KJ components from rows X (N, p) of K classes: J per class, of equal counts, cut by the distance to the class mean.

    `y` (N,) holds ±1, or with `codes` (K, q) numbers 0 … K − 1 of its rows. J = 1 is a mean and a covariance for each class.
    Raises ValueError where a stratum would have fewer than two rows.

    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_t(4, (400, 20)), np.repeat([-1, 1], 200)
    >>> population = norm_strata(X, y, 2)
    >>> population.priors, population.classes_of
    (array([0.25, 0.25, 0.25, 0.25]), (0, 0, 1, 1))
    """
    X = np.asarray(check.real("X", X))
    if X.ndim != 2:
        raise ValueError(f"X must have shape (rows, dim), got {X.shape}. One sample per row.")
    if codes is None:
        labels, targets = np.array([1.0, -1.0]), np.array([[1.0], [-1.0]])
    else:
        targets = np.asarray(check.matrix("codes", codes))
        labels = np.arange(float(len(targets)))
    y = check.vector("y", y, len(X), "Give one label per row of X.")
    if not np.isin(y, labels).all():
        raise ValueError(
            f"y must hold the labels {_listed(labels)}, got {_listed(np.unique(y)[:12])}. Give codes for others."
        )
    n_strata = check.whole("n_strata", n_strata)
    priors, means, covariances, classes = [], [], [], []
    for k, label in enumerate(labels):
        rows = X[y == label]
        if len(rows) < 2 * n_strata:
            raise ValueError(
                f"n_strata must be at most half the rows of each class, got {n_strata} with {len(rows)} rows labelled "
                f"{label:g}. Use fewer strata, or more rows."
            )
        order = np.argsort(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1), kind="stable")
        for block in np.array_split(order, n_strata):
            priors.append(len(block) / len(y))
            means.append(rows[block].mean(axis=0))
            covariances.append(np.cov(rows[block].T, bias=True))
            classes.append(k)
    return Population.mixture(np.array(means), classes, targets, priors=priors, covariances=covariances)


def _listed(labels: Any) -> str:
    return ", ".join(f"{label:g}" for label in labels)


def remove_mean_noise(population: Population, n_rows: int, w_source: Any) -> Population:
    r"""The population with the sampling noise taken out of its estimated means, for training sets drawn from the same rows.

    .. math:: E\,\hat μ_k^T\hat μ_k = ‖μ_k‖^2 + \mathrm{tr}\,C_k/N_k

    A training row and a test row never coincide, so a train/test split sees the U-statistic, without that excess. It is taken
    off the Gram matrix of the means (N_k = π_k `n_rows`, negative parts cut), except along w̃ (p,) or (p, q): w̃ᵀμ̂_k has no bias.
    """
    if not isinstance(population, Population):
        raise TypeError(f"population must be a Population, got {type(population).__name__}. norm_strata makes one.")
    w = check.real("w_source", w_source)
    w = (
        check.vector("w_source", w, population.dim, check.SHARED)[:, None]
        if np.ndim(w) == 1
        else check.matrix("w_source", w, rows=population.dim)
    )
    n_rows = check.whole("n_rows", n_rows, len(population.priors))
    U, sizes, _ = np.linalg.svd(w, full_matrices=False)
    U = U[:, sizes > NULL * sizes.max(initial=0.0)]
    along = population.means @ U @ U.T
    across = population.means - along
    gram = across @ across.T
    traces = np.array(
        [
            cov.eigenvalues.sum() * cov.multiplicity
            for cov in map(population.covariance_of, range(population.components))
        ]
    )
    clean = gram - np.diag(traces / (n_rows * population.priors))
    return replace(population, means=along + _power(clean, 0.5) @ _power(gram, -0.5) @ across)


def _power(A: np.ndarray, exponent: float) -> np.ndarray:
    """A power of the positive part of a symmetric matrix; null directions stay null."""
    values, vectors = np.linalg.eigh(A)
    keep = values > NULL * max(values.max(), 0.0)
    return (vectors[:, keep] * values[keep] ** exponent) @ vectors[:, keep].T
