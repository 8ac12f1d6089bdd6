"""The estimator itself, on data: what theory predicts and simulation draws."""

from typing import Any

import numpy as np
from scipy import linalg


def ridge_path(X: np.ndarray, y: np.ndarray, gamma: float, anchors: np.ndarray | None = None) -> np.ndarray:
    r"""The weights of w = Σ α_k w̃_k + a for every α at once, from one factorisation.

    .. math:: a = \arg\min_a \frac{1}{2n}\|y - X(Σ α_k \tilde w_k + a)\|^2 + \frac{γ}{2}\|a\|^2

    Parameters: X (n, p), y (n,) or (n, d), γ ≥ 0, anchors (p, K). Returns W (p, d + K): the first d columns are w at α = 0, the
    others its slopes in α. The system solved is n×n where n < p, else p×p, so γ = 0 gives the interpolating (n < p) or
    the least-squares (n > p) solution. Raises LinAlgError if that system is singular. (arXiv 2510.21345, section 3.)
    """
    n, p = X.shape
    anchors = np.empty((p, 0)) if anchors is None else anchors
    targets = np.column_stack([y, -(X @ anchors)])
    return _with_anchors(_solve(X, targets, n * gamma), anchors)


def ridge_from_gram(
    gram: np.ndarray, moment: np.ndarray, penalty: float, anchors: np.ndarray | None = None
) -> np.ndarray:
    """`ridge_path` from the sufficient statistics XᵀX (p, p) and Xᵀy (p,) or (p, d), with penalty nγ."""
    anchors = np.empty((len(gram), 0)) if anchors is None else anchors
    targets = np.column_stack([moment, -(gram @ anchors)])
    return _with_anchors(_spd_solve(gram, penalty, targets), anchors)


def _with_anchors(W: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    if anchors.shape[1]:
        W[:, -anchors.shape[1] :] += anchors
    return W


def _solve(X: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """(XᵀX + penalty)⁻¹Xᵀ targets on the smaller side."""
    if X.shape[0] < X.shape[1]:
        return X.T @ _spd_solve(X @ X.T, penalty, targets)
    return _spd_solve(X.T @ X, penalty, X.T @ targets)


def _spd_solve(gram: np.ndarray, penalty: float, targets: np.ndarray) -> Any:
    gram = gram.copy()
    gram[np.diag_indices_from(gram)] += penalty
    return linalg.cho_solve(linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False), targets)
