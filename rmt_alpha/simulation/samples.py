r"""Samples of a population, or sufficient statistics of them.

Of more Gaussian samples than dimensions, with one covariance, only XᵀX, XᵀY and the sums are wanted. Rotate the
sample axis so that it begins with the few directions that labels and means know: one per component and label seen (or
the constant and the label noise, in regression). What is left is noise alone, whose Gram matrix is a Wishart matrix,
C^{1/2} A Aᵀ C^{1/2} with Bartlett's triangle A. That is p²/2 random numbers instead of np.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import optimize

from ..problem import Population
from .noise import NOISE, Noise

BLOCK = 2**20  # numbers drawn at once
LABELS = ("auto", "balanced", "random")
TOLERANCE = 1e-9  # what the label law may miss of its moments


class Rows(NamedTuple):
    """Samples, X (rows, p) and Y (rows, q), or rotated ones; `ones` (rows,) is what the vector of n ones becomes, so
    that onesᵀX = Σ x.
    """

    X: np.ndarray
    Y: np.ndarray
    ones: np.ndarray


class Group(NamedTuple):
    """`size` samples of one component that training sees with one label (None in regression)."""

    component: int
    label: np.ndarray | None
    size: int


def rows(
    rng: np.random.Generator,
    population: Population,
    n: int,
    noise: Noise,
    labels: str,
    means: np.ndarray,
    weights: np.ndarray | None,
) -> Iterator[Rows]:
    """n samples, block by block; means (K, p) and weights (p, q) are the population's in all its coordinates."""
    groups = draw_groups(rng, population, n, labels)
    return _drawn(rng, population, groups, noise, means, weights)


def statistics(
    rng: np.random.Generator,
    population: Population,
    n: int,
    noise: Noise,
    labels: str,
    means: np.ndarray,
    weights: np.ndarray | None,
) -> Iterator[Rows]:
    """Rows of any number with the joint law of XᵀX, XᵀY, Σx and Σy."""
    groups = draw_groups(rng, population, n, labels)
    special = len(groups) if weights is None else 1 + population.outputs
    if noise is NOISE["gaussian"] and population.has_one_covariance and n - special >= population.dim:
        return iter([_condensed(rng, population, groups, n, special, means, weights)])
    return _drawn(rng, population, groups, noise, means, weights)


def draw_groups(rng: np.random.Generator, population: Population, n: int, labels: str) -> list[Group]:
    """How many samples there are of each component and label: exact shares of the components if balanced; flips are
    always random.
    """
    priors = np.asarray(population.priors, float)
    if population.is_regression:
        return [Group(0, None, n)]
    if labels == "balanced" or (labels == "auto" and population.is_opposite):
        counts = np.floor(priors * n + 1e-9).astype(int)
        remainder = priors * n - counts
        counts[np.argsort(-remainder, kind="stable")[: n - counts.sum()]] += 1
    else:
        counts = rng.multinomial(n, priors / priors.sum())
    targets, seen = np.asarray(population.targets), label_law(population)
    groups = []
    for k, count in enumerate(counts):
        # Without flips the code itself: targets would do as well, to rounding.
        if not np.any(population.noise[k]):
            groups.append(Group(k, np.asarray(population.codes[k]), int(count)))
        else:
            split = rng.multinomial(count, seen[k])
            groups += [Group(k, target, int(m)) for target, m in zip(targets, split, strict=True)]
    return [g for g in groups if g.size]


def label_law(population: Population) -> np.ndarray:
    """The probabilities (K, L) with which training sees each label: those with the codes' means and covariances."""
    targets = np.asarray(population.targets)
    products = np.einsum("li,lj->lij", targets, targets).reshape(len(targets), -1)
    system = np.column_stack([np.ones(len(targets)), targets, products]).T
    law = []
    for code, noise in zip(np.asarray(population.codes), np.asarray(population.noise), strict=True):
        wanted = np.concatenate([[1.0], code, (noise + np.outer(code, code)).ravel()])
        p, missed = optimize.nnls(system, wanted)
        if missed > TOLERANCE * (1 + np.abs(wanted).max()):
            raise ValueError(
                f"population must have label noise that its targets explain, got codes {code.tolist()}. Build it with confusion=."
            )
        law.append(p / p.sum())
    return np.array(law)


def _drawn(
    rng: np.random.Generator,
    population: Population,
    groups: list[Group],
    noise: Noise,
    means: np.ndarray,
    weights: np.ndarray | None,
) -> Iterator[Rows]:
    p, q = population.dim, population.outputs
    at_once = max(BLOCK // p, 1)
    for component, label, count in groups:
        for start in range(0, count, at_once):
            size = min(at_once, count - start)
            X = population.covariance_of(component).square_root_times(noise(rng, (size, p)))
            X = X + means[component]
            if weights is None:
                Y = np.broadcast_to(np.asarray(label), (size, q))
            else:
                Y = X @ weights + rng.standard_normal((size, q)) @ _root(population.noise[0])
            yield Rows(X, Y, np.ones(size))


def _condensed(
    rng: np.random.Generator,
    population: Population,
    groups: list[Group],
    n: int,
    special: int,
    means: np.ndarray,
    weights: np.ndarray | None,
) -> Rows:
    p, q = population.dim, population.outputs
    X, Y, ones = np.zeros((special + p, p)), np.zeros((special + p, q)), np.zeros(special + p)
    rng.standard_normal(out=X[:special])
    X[special:] = triangle(rng, n - special, p)
    X = population.covariances[0].square_root_times(X)
    if weights is None:
        for i, (component, label, count) in enumerate(groups):
            root = np.sqrt(count)
            X[i] += root * means[component]
            Y[i], ones[i] = root * np.asarray(label), root
        return Rows(X, Y, ones)
    ones[0] = np.sqrt(n)
    Y[0] = rng.standard_normal(q)
    Y[1:special] = triangle(rng, n - 1, q)
    Y = X @ weights + Y @ _root(population.noise[0])
    return Rows(X, Y, ones)


def triangle(rng: np.random.Generator, n: int, p: int) -> np.ndarray:
    """Upper triangular (p, p) with the Gram matrix of n ≥ p standard normal vectors: χ_n, χ_{n−1}, … on the diagonal,
    normals above.
    """
    A = np.zeros((p, p))
    A[np.diag_indices(p)] = np.sqrt(2 * rng.standard_gamma((n - np.arange(p)) / 2))
    for i in range(p - 1):
        rng.standard_normal(out=A[i, i + 1 :])
    return A


def _root(E: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance (q, q)."""
    values, U = np.linalg.eigh(np.asarray(E))
    return (U * np.sqrt(np.maximum(values, 0.0))) @ U.T
