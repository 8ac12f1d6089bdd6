"""Direct simulation: draw the data, train, and take the exact conditional law of the score.

The independent witness of theory and chain, for any fit: covariances, noise laws, losses, intercepts, ranks. Under
the squared loss at full rank trained weights are affine in α, one factorisation per draw serves every α; else each α
is trained by itself. Φ(m/√V) replaces a test set, or points of the noise's own law are drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ..problem import Fit, Group, Population, is_squared
from ..results import Moments, ScoreForm, describe, moments
from ..training import convex_path, leading, ridge_path
from ..training.ridge import add_anchors, add_bias, ridge_from_gram
from . import samples
from .noise import NOISE, Noise, law
from .pool import one_blas_thread

BACKENDS = ("numpy", "jax")
TEST_POINTS = ("gaussian", "drawn")
POINTS = 1000  # test points drawn per trial, shared out evenly among the components


@dataclass(frozen=True)
class Conditions:
    """How data are drawn and solved for; see `simulate`. `rotated`: means point in directions drawn at random."""

    noise: str | Noise = "gaussian"
    labels: str = "auto"
    backend: str = "numpy"
    threshold: str = "zero"
    test_points: str = "gaussian"
    rotated: bool = False


@dataclass(frozen=True, eq=False)
class Trained:
    """Weights W(α) = columns · coefficients(α), one output per column, and the bias in a last row where there is one.

    | field | shape |
    |---|---|
    | `columns` | (p, m), or (p + 1, m) with intercept |
    | `coefficients` | (A, m, q): at each of A values of α |
    | `place` | maps a population's vectors to all p coordinates |
    """

    fit: Fit
    columns: Annotated[np.ndarray, "rows m"]
    coefficients: Annotated[np.ndarray, "A m q"]
    place: Callable[[Any], np.ndarray]

    @property
    def bias(self) -> np.ndarray | float:
        return self.columns[self.fit.dim] if self.fit.intercept else 0.0

    @property
    def weights(self) -> np.ndarray:
        """W (A, p, q)."""
        return self.columns[: self.fit.dim] @ self.coefficients


def is_affine(fit: Fit) -> bool:
    """Are trained weights affine in α, so that one training serves all?"""
    return is_squared(fit.loss) and (fit.rank is None or fit.rank >= fit.population.outputs)


def draw(fit: Fit, generators: list[np.random.Generator], conditions: Conditions) -> ScoreForm:
    """The score forms of single trainings of a scalar fit that is affine in α, trials last."""
    with one_blas_thread():
        forms = [
            _form(trained) for trained in (_one(fit, rng, conditions, np.zeros((1, fit.n_alpha))) for rng in generators)
        ]
    c, M = (np.stack([getattr(f, name) for f in forms], -1) for name in ("c", "M"))
    return ScoreForm(c, M, forms[0].population, forms[0].per, forms[0].prior)


def draw_moments(
    fit: Fit, alphas: np.ndarray, generators: list[np.random.Generator], conditions: Conditions
) -> Moments:
    """The moments of single trainings of a scalar fit at alphas (A, n_alpha): shaped (…, A, trials)."""
    with one_blas_thread():
        drawn = []
        for rng in generators:
            trained = _one(fit, rng, conditions, alphas)
            found = _moments(trained, conditions.threshold)
            if conditions.test_points == "drawn" and not fit.population.is_regression:
                found = dataclasses.replace(found, accuracy=_hits(trained, rng, law(conditions.noise)))
            drawn.append(found)
    stack = lambda name: None if getattr(drawn[0], name) is None else np.stack([getattr(m, name) for m in drawn], -1)  # noqa: E731
    return Moments(stack("mean"), stack("variance"), stack("accuracy"), stack("risk"))


def _one(fit: Fit, rng: np.random.Generator, conditions: Conditions, alphas: np.ndarray) -> Trained:
    """One trial."""
    directions = None
    # Of Gaussian noise every direction is alike.
    if conditions.rotated and law(conditions.noise) is not NOISE["gaussian"]:
        Q, R = np.linalg.qr(rng.standard_normal((fit.dim, 2)))
        directions = Q * np.sign(np.diagonal(R))

    def place(v: Any) -> np.ndarray:
        v = np.asarray(v, float)
        return np.pad(v, ((0, 0), (0, fit.dim - v.shape[1]))) if directions is None else v @ directions.T

    return train(fit, rng, conditions, alphas, place)


def train(
    fit: Fit, rng: np.random.Generator, conditions: Conditions, alphas: np.ndarray, place: Callable[[Any], np.ndarray]
) -> Trained:
    """Train what the fit starts from, then the fit, on fresh samples."""
    starts = _starts(fit, rng, conditions, place)  # (J, p, q)
    anchors = np.concatenate(list(starts), axis=1) if len(starts) else np.empty((fit.dim, 0))
    if not is_squared(fit.loss):
        data = _all(samples.rows(rng, *sampling(fit.population, fit.n, conditions, place)))
        order = (
            np.lexsort(alphas.T) if alphas.size else np.arange(len(alphas))
        )  # so that each fit starts near its answer
        W = np.empty((fit.dim + fit.intercept, len(alphas)))
        W[:, order] = convex_path(
            data.X, data.Y[:, 0], fit.gamma, fit.loss, anchors, alphas[order], intercept=fit.intercept
        )
        return Trained(fit, W, np.eye(len(alphas))[..., None], place)
    spread = _scales(fit, alphas)
    low = not is_affine(fit)
    columns, metric = _ridge(fit, rng, conditions, anchors, place, low)
    if not low:
        return Trained(fit, columns, spread, place)
    fixed = np.zeros_like(columns)
    fixed[: fit.dim, fit.population.outputs :] = anchors
    fixed[fit.dim :] = metric.bias  # b = ȳ − Wᵀx̄: a part of the anchors, and one of the correction
    assert fit.rank is not None and metric is not None
    G = np.swapaxes(spread, -1, -2) @ metric.G @ spread
    built = spread @ leading(G, fit.rank)
    return Trained(fit, np.concatenate([fixed, columns - fixed], 1), np.concatenate([spread, built], 1), place)


@dataclass(frozen=True, eq=False)
class Metric:
    """G (m, m) of the corrections, and the bias (m,) that the anchors alone would have."""

    G: np.ndarray
    bias: np.ndarray


def _ridge(
    fit: Fit,
    rng: np.random.Generator,
    conditions: Conditions,
    anchors: np.ndarray,
    place: Callable[[Any], np.ndarray],
    low: bool,
) -> tuple[np.ndarray, Any]:
    """Columns of the ridge fit, and its `Metric` if asked for. Memory: a block of samples, or a few min(n, p)²
    numbers.
    """
    put = _put(conditions.backend)
    n, p, task = fit.n, fit.dim, sampling(fit.population, fit.n, conditions, place)
    if n <= p:
        X, Y, ones = _all(samples.rows(rng, *task))
        columns = _back(ridge_path(put(X), put(Y), fit.gamma, put(anchors), intercept=fit.intercept))
        if not low:
            return columns, None
        gram, moment, x_sum, y_sum = None, X.T @ Y, ones @ X, ones @ Y
        gram_anchors = X.T @ (X @ anchors)
    else:
        gram, moment, x_sum, y_sum = (
            put(np.zeros(shape)) for shape in ((p, p), (p, fit.population.outputs), p, fit.population.outputs)
        )
        for X, Y, ones in samples.statistics(rng, *task):
            X, Y, ones = put(X), put(Y), put(ones)
            gram += X.T @ X
            moment += X.T @ Y
            x_sum += ones @ X
            y_sum += ones @ Y
        if fit.intercept:
            gram = gram - x_sum[:, None] * (x_sum / n)
            moment = moment - x_sum[:, None] * (y_sum / n)
        W = _back(ridge_from_gram(gram, moment, n * fit.gamma, put(anchors)))
        columns = add_bias(W, _back(x_sum) / n, _back(y_sum) / n) if fit.intercept else W
        if not low:
            return columns, None
        gram_anchors, moment, x_sum, y_sum = _back(gram) @ anchors, _back(moment), _back(x_sum), _back(y_sum)
    if fit.intercept and gram is None:
        moment, gram_anchors = moment - np.outer(x_sum, y_sum) / n, gram_anchors - np.outer(x_sum, x_sum @ anchors) / n
    pull = np.concatenate([moment, -gram_anchors], 1) / n
    correction = columns[:p] - add_anchors(np.zeros((p, columns.shape[1])), anchors)
    bias = np.concatenate([y_sum / n, -(x_sum / n) @ anchors])
    return columns, Metric(correction.T @ pull, bias)


def _starts(
    fit: Fit, rng: np.random.Generator, conditions: Conditions, place: Callable[[Any], np.ndarray]
) -> np.ndarray:
    """What the fit starts from, (J, p, q). Groups of one training are parts of it."""

    def weights(start: Any) -> np.ndarray:
        if not isinstance(start, Fit):
            return place(np.transpose(start)).T
        own = np.ones(start.n_alpha) if start.alpha is None else np.asarray(start.alpha, float)
        return train(start, rng, conditions, own.reshape(1, -1), place).weights[0]

    whole: list[np.ndarray] = []
    for k, (start, part) in enumerate(zip(fit.starts, fit.parts, strict=True)):
        inner = start.start if isinstance(start, Group) else start
        whole.append(weights(inner) if part == k else whole[part])
    return np.array(
        [w * s.mask[:, None] if isinstance(s, Group) else w for w, s in zip(whole, fit.starts, strict=True)]
    )


def _scales(fit: Fit, alphas: np.ndarray) -> np.ndarray:
    """alphas (A, n_alpha) as coefficients (A, m, q) of the columns (start, output), that of a₀ = 1 first."""
    A, J, q = len(alphas), len(fit.starts), fit.population.outputs
    a = np.ones((A, J + 1, q))
    a[:, 1:] = alphas.reshape(A, J, q) if fit.per == "output" else alphas.reshape(A, J, 1)
    return (a[..., None] * np.eye(q)).reshape(A, (J + 1) * q, q)


def sampling(
    population: Population, n: int, conditions: Conditions, place: Callable[[Any], np.ndarray]
) -> tuple[Any, ...]:
    """What `samples` wants to know."""
    weights = None if population.weights is None else place(np.transpose(population.weights)).T
    return population, n, law(conditions.noise), conditions.labels, place(population.means), weights


def _all(blocks: Any) -> samples.Rows:
    return samples.Rows(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _put(backend: str) -> Callable[[Any], Any]:
    """The way onto the backend's device."""
    if backend == "numpy":
        return np.asarray
    import jax  # only here: it takes half a second

    return jax.numpy.asarray


def _back(x: Any) -> np.ndarray:
    return np.asarray(x, dtype=float)


def _test(trained: Trained) -> tuple[np.ndarray, np.ndarray]:
    """Mean (K, m) and covariance (K, m, m) of the columns' scores in every component (of one that stands for two
    opposite classes).
    """
    fit, population = trained.fit, trained.fit.population
    columns = trained.columns[: fit.dim]
    if population.is_regression:  # of the error, then
        columns = columns.copy()
        columns[:, : population.outputs] -= trained.place(np.transpose(population.weights)).T
    if population.is_opposite and not fit.intercept:
        population = population.signed
    mean = trained.place(population.means) @ columns + trained.bias
    products = [cov.times(columns.T) @ columns for cov in population.covariances]
    return mean, np.stack([products[k if len(products) > 1 else 0] for k in range(population.components)])


def _form(trained: Trained) -> ScoreForm:
    fit = trained.fit
    mean, products = _test(trained)
    if fit.population.is_opposite and not fit.intercept:
        return ScoreForm(mean[0], products[0], prior=fit.population.priors[0])
    K, A, q = len(mean), len(fit.starts) + 1, fit.population.outputs
    c = np.moveaxis(mean.reshape(K, A, q), 1, 0)
    M = products.reshape(K, A, q, A, q).transpose(1, 3, 0, 2, 4)
    return ScoreForm(c, M, fit.population, fit.per)


def _moments(trained: Trained, threshold: str) -> Moments:
    """At each of the A values of α, which are the last axis."""
    fit, coefficients = trained.fit, trained.coefficients
    mean, products = _test(trained)
    m = np.moveaxis(mean @ coefficients, 0, -1)  # (K, q, A)
    V = np.swapaxes(coefficients, -1, -2) @ products[:, None] @ coefficients  # (K, A, q, q)
    V = np.moveaxis(V, 1, -1)
    if fit.population.is_opposite and not fit.intercept:
        return moments(m[0, 0], V[0, 0, 0], fit.population.priors[0] if threshold == "best" else None)
    return describe(fit.population, m, V, threshold)


def _hits(trained: Trained, rng: np.random.Generator, noise: Noise) -> np.ndarray:
    """The share of freshly drawn points that each α classifies right, (A,): the nearest code decides."""
    fit, population = trained.fit, trained.fit.population
    assert population.classes_of is not None
    targets, means = np.asarray(population.targets), trained.place(population.means)
    right = np.zeros(len(trained.coefficients))
    for k, prior in enumerate(np.asarray(population.priors)):
        z = noise(rng, (max(POINTS // population.components, 1), fit.dim))
        X = means[k] + population.covariance_of(k).square_root_times(z)
        scores = (X @ trained.columns[: fit.dim] + trained.bias) @ trained.coefficients  # (A, points, q)
        nearness = scores @ targets.T - np.sum(targets**2, axis=1) / 2
        right += prior * np.mean(np.argmax(nearness, axis=-1) == population.classes_of[k], axis=-1)
    return right
