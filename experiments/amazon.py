"""What the Amazon experiments share: splits without leakage, and the moments that the predictions need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

from rmt_alpha import Fit, TransferProblem
from rmt_alpha.data import DOMAINS, load_amazon
from rmt_alpha.training import ridge_path

TEST = 400
TRANSFERS = [(source, target) for source in DOMAINS for target in DOMAINS if source != target]


class Split(NamedTuple):
    """A target domain, shuffled: standardised by its training pool (about 1600 rows), which shares no row with the test set."""

    pool: np.ndarray
    pool_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    mean: np.ndarray
    cov: np.ndarray


def source_classifier(domain: str, gamma: float) -> np.ndarray:
    """w̃: ridge on every row of the standardised source domain."""
    X, y = load_amazon(domain)
    return ridge_path(StandardScaler().fit_transform(X), y, gamma)[:, 0]


def split(domain: str, rng: np.random.Generator) -> Split:
    """One split of an Amazon domain."""
    return split_rows(*load_amazon(domain), rng)


def split_rows(X: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Split:
    """One split of rows X (n, p) with labels ±1 (n,), with the class mean and the within-class covariance of its pool."""
    order = rng.permutation(len(y))
    test, pool = order[:TEST], order[TEST:]
    scaler = StandardScaler().fit(X[pool])
    pooled, labels = scaler.transform(X[pool]), y[pool]
    signed = pooled * labels[:, None]
    mean = signed.mean(axis=0)
    cov = (signed - mean).T @ (signed - mean) / len(labels)
    return Split(pooled, labels, scaler.transform(X[test]), y[test], mean, cov)


def fine_tune(part: Split, w: np.ndarray, n: int, gamma: float, rng: np.random.Generator) -> np.ndarray:
    """Scores yxᵀw_α of the test rows at α⁰ and α¹, (test, 2), after training on n rows of the pool."""
    rows = rng.choice(len(part.pool_labels), n, replace=False)
    W = ridge_path(part.pool[rows], part.pool_labels[rows], gamma, w[:, None])
    return part.test_labels[:, None] * (part.test @ W)


def accuracies(scores: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The share of test rows on the right side, for each α."""
    return np.mean(scores[:, :1] + scores[:, 1:] * alpha > 0, axis=0)


def views(part: Split, w: np.ndarray, n: int, gamma: float) -> dict[str, Fit]:
    """The fine-tuning as the isotropic theory and as the covariance-aware theory see it."""
    return {
        "isotropic": TransferProblem.from_source(w, part.mean, n_target=n, gamma_target=gamma),
        "covariance": TransferProblem.from_source(w, part.mean, n_target=n, gamma_target=gamma, cov_target=part.cov),
    }
