"""The estimator itself, on data: what theory predicts and simulation draws."""

from typing import Any

import numpy as np
from scipy import linalg

from ._arrays import is_jax, namespace


def ridge_path(X: Any, y: Any, gamma: float, anchors: Any = None) -> Any:
    r"""The weights of w = Σ α_k w̃_k + a for every α at once, from one factorisation.

    .. math:: a = \arg\min_a \frac{1}{2n}\|y - X(Σ α_k \tilde w_k + a)\|^2 + \frac{γ}{2}\|a\|^2

    Parameters: X (n, p), y (n,) or (n, d), γ ≥ 0, anchors (p, K). Returns W (p, d + K): the first d columns are w at α = 0, the
    others its slopes in α. The system solved is n×n where n < p, else p×p, so γ = 0 gives the interpolating (n < p) or
    the least-squares (n > p) solution. Raises LinAlgError if that system is singular. JAX arrays are
    solved by JAX, in their own precision (and a singular system then gives NaN). (arXiv 2510.21345, section 3.)

    >>> rng = np.random.default_rng(0)
    >>> X, y, w_source = rng.standard_normal((40, 100)), np.repeat([-1, 1], 20), np.ones(100)
    >>> W = ridge_path(X, y, 0.5, w_source[:, None])
    >>> W.shape, (W[:, 0] + 2.0 * W[:, 1]).shape  # all α, and the weights at α = 2
    ((100, 2), (100,))
    """
    n, p = X.shape
    xp = namespace(X)
    anchors = xp.empty((p, 0)) if anchors is None else anchors
    targets = xp.column_stack([y, -(X @ anchors)])
    return _with_anchors(_solve(X, targets, n * gamma), anchors)


def ridge_from_gram(gram: Any, moment: Any, penalty: float, anchors: Any = None) -> Any:
    """`ridge_path` from the sufficient statistics XᵀX (p, p) and Xᵀy (p,) or (p, d), with penalty nγ."""
    xp = namespace(gram)
    anchors = xp.empty((len(gram), 0)) if anchors is None else anchors
    targets = xp.column_stack([moment, -(gram @ anchors)])
    return _with_anchors(_spd_solve(gram, penalty, targets), anchors)


def _with_anchors(W: Any, anchors: Any) -> Any:
    d = W.shape[1] - anchors.shape[1]
    return namespace(W).column_stack([W[:, :d], W[:, d:] + anchors])


def _solve(X: Any, targets: Any, penalty: float) -> Any:
    """(XᵀX + penalty)⁻¹Xᵀ targets on the smaller side."""
    if X.shape[0] < X.shape[1]:
        return X.T @ _spd_solve(X @ X.T, penalty, targets)
    return _spd_solve(X.T @ X, penalty, X.T @ targets)


def _spd_solve(gram: Any, penalty: float, targets: Any) -> Any:
    if is_jax(gram):
        import jax

        factor = jax.scipy.linalg.cho_factor(gram + penalty * jax.numpy.eye(len(gram), dtype=gram.dtype), lower=True)
        return jax.scipy.linalg.cho_solve(factor, targets)
    # Transposed, a symmetric matrix has the layout that LAPACK overwrites in place.
    shifted = gram.T.copy(order="F")
    shifted[np.diag_indices_from(shifted)] += penalty
    factor = linalg.cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
    return linalg.cho_solve(factor, targets)
