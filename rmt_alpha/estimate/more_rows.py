r"""What would n rows bring? Said by the N rows at hand, without an estimate of their population's covariance.

The mean of a score, and the part of its variance that is no sampling noise, depend on n and γ through κ alone (theory.md, section 2).
N rows meet the same κ at another penalty γ', and there their left-out scores measure both, whatever the ratio of N to p:

.. math:: κ_N(γ') = κ_n(γ) \;⟹\; c_n = c_N, \qquad h_n\,σ_n^2 = h_N\,σ_N^2, \qquad σ^2 = V + φ\,(1 - c)^2

with c and V the mean and variance of a margin, σ² its mean square distance from the label, and φ = 4π(1 − π) for classes of shares π and
1 − π. (It is h V = w̄ᵀCw̄ + (1 − h) φ (1 − c)², and w̄ depends on κ alone.) κ is read off the rows' spectrum, h = 1 − df₂/N off the
weights by which a left-out score hangs on the other rows' labels. Exact as N, n and p → ∞ for Gaussian rows of one covariance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from .. import _checks as check
from .base import distinct_rows
from .classifier import AlphaRidgeClassifier, LeftOut
from .curve import curve_of, margins_of, of_one_source
from .ridge import RidgePath
from .rules import law_of_margin, margins
from .source import read_starts

LEAST = 1e-12  # of the rows' largest eigenvalue: less of a penalty is none


def renormalised(eigenvalues: np.ndarray, rows: int, gamma: float) -> tuple[float, float]:
    """κ and df₁ of the ridge with penalty γ on `rows` whose covariance has these positive eigenvalues (r,): κ(1 − df₁/rows) = γ, and
    1 − df₁/rows is the mean over all of γ/(λ + γ).
    """
    left = (np.sum(gamma / (eigenvalues + gamma)) + rows - eigenvalues.size) / rows
    return gamma / left, rows * (1 - left)


def equal_penalty(eigenvalues: np.ndarray, rows: int, n: int, gamma: float) -> float:
    """γ' at which these rows have the κ that `n` have at γ. ValueError where that κ is below all they can have."""

    def excess(log_penalty: float) -> float:
        kappa, df1 = renormalised(eigenvalues, rows, np.exp(log_penalty))
        return kappa * (1 - df1 / n) - gamma

    low, high = np.log(LEAST * eigenvalues.max()), np.log(gamma + eigenvalues.sum())
    if excess(low) > 0:
        kappa, df1 = renormalised(eigenvalues, rows, np.exp(low))
        most = int(df1 / (1 - gamma / kappa)) + 1
        raise ValueError(
            f"sizes must be at most {most} with {rows + 1} distinct rows at hand and gamma = {gamma:.3g}, got {n + 1}: with less "
            f"regularisation than these rows ever have, nothing that they show is the same. Ask for fewer, or take a larger gamma."
        )
    while excess(high) < 0:
        high += 1
    return float(np.exp(brentq(excess, low, high, xtol=1e-12)))


class Forecast(NamedTuple):
    """After n rows, at every α, a new row's margin has this mean and deviation (A,); `known` (A,) is what `left_out` rows deviate by."""

    mean: np.ndarray
    deviation: np.ndarray
    known: np.ndarray
    left_out: LeftOut


def forecast(path: RidgePath, positive: np.ndarray, n: int, gamma: float, alpha: np.ndarray) -> Forecast:
    """The law at n rows and γ, by the rows of `path`, of which some are `positive` (N,)."""
    rows = len(positive) - 1  # the intercept takes one
    eigenvalues = path.factor.s**2
    penalty = equal_penalty(eigenvalues, rows, n - 1, gamma)
    loo = path.leave_one_out(penalty, centred=True)
    h_N = 1 / (1 + loo.noise)
    h_n = 1 - (1 - h_N) * rows / (n - 1)  # 1 − df₂/n
    h_n = np.maximum(h_n, gamma / renormalised(eigenvalues, rows, penalty)[0])  # 1 − df₁/n, as df₂ ≤ df₁
    m = margins(loo.scores[:, 0], positive, path.omega)
    mean, known = law_of_margin(m, alpha[:, None])
    missed = m.balance * (1 - mean) ** 2
    noise = (1 / h_n - 1) * missed  # what w̄ᵀCw̄ ≥ 0 leaves at least; less is an error of the measurement
    variance = np.maximum(h_N / h_n * (known**2 + missed) - missed, noise)
    balanced = path.omega / np.where(positive, path.omega[positive].sum(), path.omega[~positive].sum()) / 2
    left_out = LeftOut(loo.scores, positive.astype(int), balanced, True, np.zeros(2))
    return Forecast(mean, np.sqrt(np.maximum(variance, 1e-300)), known, left_out)


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
    >>> source = np.eye(1, 300)[0] + 0.1 * rng.standard_normal(300)
    >>> alpha, accuracy = learning_curve(X, y, source, [50, 200, 1000], gamma=1.0)
    >>> print(alpha.round(2), accuracy.round(2))
    [0.3  0.3  0.14] [0.7  0.72 0.8 ]
    """
    model = AlphaRidgeClassifier(source, gamma="loo" if gamma is None else gamma).fit(X, y)
    if model.classes_.size != 2:
        raise ValueError(
            f"y must hold two classes, got {model.classes_.size}. Take two of them, or one against the rest."
        )
    of_one_source(model)
    alpha = curve_of(model).alpha if alpha is None else check.vector("alpha", np.atleast_1d(check.real("alpha", alpha)))
    sizes = check.vector("sizes", np.atleast_1d(check.size("sizes", sizes, low=2)))
    X, transformed = model._rows(X, reset=False)
    X, positive, omega = distinct_rows(X, np.ravel(y) == model.classes_[1], np.ones(X.shape[0]))
    starts = read_starts(source, 1, X.shape[1], model.classes_, None, transformed)
    path = RidgePath(X, np.where(positive, 1.0, -1.0)[:, None], starts.weights, starts.intercepts, omega)
    best, accuracy = [], []
    for n in sizes:
        law = forecast(path, positive, int(n), model.gamma_, alpha)
        i = int(np.argmax(law.mean / law.deviation))
        weight, margin = law.left_out.omega, margins_of(law.left_out, alpha[[i]])[0]
        middle = margin @ weight
        best.append(alpha[i])
        accuracy.append((middle + (margin - middle) * law.deviation[i] / law.known[i] > 0) @ weight)
    return np.array(best), np.array(accuracy)
