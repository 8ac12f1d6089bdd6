r"""What would n rows bring? Said by the N rows at hand, without an estimate of their population's covariance.

The mean of a score, and the part of its variance that is no sampling noise, depend on n and γ through κ alone (theory.md, section 2).
N rows meet the same κ at another penalty γ', and there their left-out scores measure both, whatever the ratio of N to p:

.. math:: κ_N(γ') = κ_n(γ) \;⟹\; c_n = c_N, \qquad h_n\,σ_n^2 = h_N\,σ_N^2, \qquad σ^2 = V + φ\,(1 - c)^2

with c and V the mean and variance of a margin, σ² its mean square distance from the label, and φ = 4π(1 − π) for classes of shares π and
1 − π. (It is h V = w̄ᵀCw̄ + (1 − h) φ (1 − c)², and w̄ depends on κ alone.) κ and the degrees of freedom are read off the rows' spectrum.
Exact as N, n and p → ∞ for Gaussian rows of one covariance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from .. import _checks as check
from .base import distinct_rows
from .classifier import AlphaRidgeClassifier
from .curve import curve_of, of_one_source
from .ridge import RidgePath
from .rules import law_of_margin, margins
from .source import read_starts

LEAST = 1e-12  # of the rows' largest eigenvalue: less of a penalty is none


class Equivalent(NamedTuple):
    """κ, and the degrees of freedom df₁ and df₂ at it: properties of the population, that any number of rows shares."""

    kappa: float
    df1: float
    df2: float

    def penalty(self, rows: float) -> float:
        """γ = κ(1 − df₁/n), of n = `rows` beside those that an intercept takes; 0 or less where no penalty has this κ."""
        return self.kappa * (1 - self.df1 / rows)

    def h(self, rows: float) -> float:
        return 1 - self.df2 / rows


def equivalent(eigenvalues: np.ndarray, rows: int, gamma: float) -> Equivalent:
    """Of the ridge with penalty γ on `rows` whose covariance has these positive eigenvalues (r,): 1 − df₁/n is the mean over all n of
    k = γ/(λ + γ), and h = 1 − df₂/n its square over the mean of k².
    """
    k = np.append(gamma / (eigenvalues + gamma), np.ones(rows - eigenvalues.size))
    first, second = k.mean(), np.mean(k**2)
    return Equivalent(gamma / first, rows * (1 - first), rows * (1 - first**2 / second))


def equal_penalty(eigenvalues: np.ndarray, rows: int, n: int, gamma: float) -> float:
    """γ' at which these rows have the κ that `n` have at γ. ValueError where that κ is below all they can have."""

    def excess(log_penalty: float) -> float:
        return equivalent(eigenvalues, rows, np.exp(log_penalty)).penalty(n) - gamma

    low, high = np.log(LEAST * eigenvalues.max()), np.log(gamma + eigenvalues.sum())
    if excess(low) > 0:
        least = equivalent(eigenvalues, rows, np.exp(low))
        most = int(least.df1 / (1 - gamma / least.kappa)) + 1
        raise ValueError(
            f"sizes must be at most {most} with {rows + 1} distinct rows at hand and gamma = {gamma:.3g}, got {n + 1}: with less "
            f"regularisation than these rows ever have, nothing that they show is the same. Ask for fewer, or take a larger gamma."
        )
    while excess(high) < 0:
        high += 1
    return float(np.exp(brentq(excess, low, high, xtol=1e-12)))


class Forecast(NamedTuple):
    """Of a new row's margin at every α after n rows: mean (A,), deviation (A,), and left-out margins (A, N) that have both."""

    mean: np.ndarray
    deviation: np.ndarray
    margins: np.ndarray


def forecast(path: RidgePath, positive: np.ndarray, n: int, gamma: float, alpha: np.ndarray) -> Forecast:
    """The law at n rows and γ, by the rows of `path`, of which some are `positive` (N,)."""
    rows, eigenvalues = len(positive) - 1, path.factor.s**2
    penalty = equal_penalty(eigenvalues, rows, n - 1, gamma)
    known = equivalent(eigenvalues, rows, penalty)
    scores = path.leave_one_out(penalty, centred=True).scores[:, 0]
    m = margins(scores, positive, path.omega)
    mean, deviation = law_of_margin(m, alpha[:, None])
    missed = m.balance * (1 - mean) ** 2
    noise = (1 / known.h(n - 1) - 1) * missed  # what w̄ᵀCw̄ ≥ 0 leaves at least; less is an error of the measurement
    moved = np.maximum(known.h(rows) / known.h(n - 1) * (deviation**2 + missed) - missed, noise)
    F = scores[0] + alpha[:, None] * scores[1]
    middle = F @ _balanced(positive, path.omega)
    each = np.where(positive, 1, -1) * (F - middle[:, None])
    after = np.sqrt(np.maximum(moved, 1e-300))
    return Forecast(mean, after, mean[:, None] + (each - mean[:, None]) * (after / deviation)[:, None])


def theory_accuracy(
    X: np.ndarray, signs: np.ndarray, w: np.ndarray, n: int, gamma: float, alpha: np.ndarray
) -> np.ndarray:
    """Balanced accuracy (A,) of training with an intercept on n rows of the population that X (N, p), of classes ±1, came from, by the
    Gaussian law that a score has in theory; cut half-way between the classes' means.
    """
    law = forecast(RidgePath(X, signs[:, None], w[None, None]), signs > 0, n, gamma, alpha)
    return ndtr(law.mean / law.deviation)


def learning_curve(
    X: Any, y: Any, source: Any, sizes: Any, alpha: Any = None, gamma: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """What n = `sizes` (S,) rows would bring: (best α, balanced accuracy there), each (S,), said by the rows at hand, X (N, p), y (N,).

    `alpha` (A,) are those to choose from, None: 41 around what the rows choose; γ is chosen by the rows where it is None, and then
    kept. The accuracy is the share of left-out rows on the right side, with the spread their scores would have after n rows; at n = N it is
    that of the rows as they are. Raises ValueError, also for sizes at which so little regularisation is left that these rows cannot know.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([-1, 1], 100)
    >>> X = y[:, None] * np.eye(1, 300)[0] + rng.standard_normal((200, 300))
    >>> alpha, accuracy = learning_curve(X, y, 0.2 * np.eye(1, 300)[0], [200, 1000], gamma=1.0)
    >>> print(accuracy.round(2))
    [0.78 0.82]
    """
    model = AlphaRidgeClassifier(source, gamma="loo" if gamma is None else gamma).fit(X, y)
    if model.classes_.size != 2:
        raise ValueError(
            f"y must hold two classes, got {model.classes_.size}. Take two of them, or one against the rest."
        )
    of_one_source(model)
    alpha = curve_of(model).alpha if alpha is None else np.atleast_1d(check.real("alpha", alpha))
    sizes = np.atleast_1d(check.size("sizes", sizes, low=2))
    X, transformed = model._rows(X, reset=False)
    X, positive, omega = distinct_rows(X, np.ravel(y) == model.classes_[1], np.ones(X.shape[0]))
    starts = read_starts(source, 1, X.shape[1], model.classes_, None, transformed)
    path = RidgePath(X, np.where(positive, 1.0, -1.0)[:, None], starts.weights, starts.intercepts, omega)
    best, accuracy = [], []
    for n in sizes:
        law = forecast(path, positive, int(n), model.gamma_, alpha)
        i = int(np.argmax(law.mean / law.deviation))
        best.append(alpha[i])
        accuracy.append((law.margins[i] > 0) @ _balanced(positive, path.omega))
    return np.array(best), np.array(accuracy)


def _balanced(positive: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """Weights (N,) of rows that give both classes a half."""
    return omega / np.where(positive, omega[positive].sum(), omega[~positive].sum()) / 2
