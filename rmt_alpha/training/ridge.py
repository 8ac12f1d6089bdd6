"""Ridge regression from anchors, on data, for every scale of the anchors at once."""

from typing import Any

import numpy as np
from scipy import linalg

from .. import _checks as check
from .._arrays import is_jax, namespace

ROUNDINGS = 10


def ridge_path(X: Any, y: Any, gamma: float, anchors: Any = None, *, intercept: bool = False) -> Any:
    r"""The weights of w = Σ α_k w̃_k + a for every α at once, from one factorisation.

    .. math:: a = \arg\min_a \frac{1}{2n}\|y - X(Σ α_k \tilde w_k + a)\|^2 + \frac{γ}{2}\|a\|^2

    | parameter | meaning |
    |---|---|
    | `X`, `y` | (n, p), and (n,) or (n, q): samples and labels |
    | `gamma` | γ ≥ 0; 0 gives the interpolating (n < p) or the least-squares (n > p) solution, of several the shortest correction |
    | `anchors` | (p, J): one per column; column j may be meant for any output |
    | `intercept` | an unpenalised bias: the result has one more row, which holds it |

    Returns W (p, q + J), or (p + 1, q + J) with intercept: the first q columns are the weights at α = 0, the others the slopes in each
    α of the output that its anchor is meant for. Raises LinAlgError where γ > 0 is lost to rounding beside a singular system. JAX
    arrays are solved by JAX, in their own precision (and a singular system then gives NaN). (arXiv 2510.21345, section 3.)

    >>> rng = np.random.default_rng(0)
    >>> X, y, w_source = rng.standard_normal((40, 100)), np.repeat([-1, 1], 20), np.ones(100)
    >>> W = ridge_path(X, y, 0.5, w_source[:, None])
    >>> W.shape, (W[:, 0] + 2.0 * W[:, 1]).shape  # all α, and the weights at α = 2
    ((100, 2), (100,))
    """
    X, y, gamma = check.matrix("X", X), check.real("y", y), check.number("gamma", gamma, low=0)
    n, p = X.shape
    if np.ndim(y) not in (1, 2) or np.shape(y)[0] != n:
        raise ValueError(f"y must have one entry or row per row of X, {n}, got shape {np.shape(y)}.")
    xp = namespace(X)
    y = y[:, None] if np.ndim(y) == 1 else y
    anchors = (
        xp.empty((p, 0))
        if anchors is None
        else check.matrix("anchors", anchors, rows=p)
        if np.size(anchors)
        else xp.empty((p, 0))
    )
    if not intercept:
        targets = xp.concatenate([y, -(X @ anchors)], 1)
        return add_anchors(_solve(X, targets, n * gamma), anchors)
    x_mean, y_mean = X.mean(0), y.mean(0)
    X, y = X - x_mean, y - y_mean
    targets = xp.concatenate([y, -(X @ anchors)], 1)
    return add_bias(add_anchors(_solve(X, targets, n * gamma, centred=True), anchors), x_mean, y_mean)


def ridge_from_gram(gram: Any, moment: Any, penalty: float, anchors: Any = None) -> Any:
    """`ridge_path` from the sufficient statistics XᵀX (p, p) and Xᵀy (p,) or (p, q), with penalty nγ."""
    xp = namespace(gram)
    moment = moment[:, None] if moment.ndim == 1 else moment
    anchors = xp.empty((len(gram), 0)) if anchors is None else anchors
    targets = xp.concatenate([moment, -(gram @ anchors)], 1)
    return add_anchors(_spd_solve(gram, penalty, targets), anchors)


def add_anchors(W: Any, anchors: Any) -> Any:
    """Corrections (p, q + J) to weights: each slope begins at its anchor."""
    q = W.shape[1] - anchors.shape[1]
    return namespace(W).concatenate([W[:, :q], W[:, q:] + anchors], 1)


def add_bias(W: Any, x_mean: Any, y_mean: Any) -> Any:
    """One more row, ȳ − Wᵀx̄: the bias of weights (p, q + J) that were trained on centred data, and its slopes."""
    xp = namespace(W)
    bias = xp.concatenate([y_mean, xp.zeros(W.shape[1] - len(y_mean))]) - x_mean @ W
    return xp.concatenate([W, bias[None]])


def _solve(X: Any, targets: Any, penalty: float, centred: bool = False) -> Any:
    """(XᵀX + penalty)⁻¹Xᵀ targets on the smaller side."""
    n, p = X.shape
    if n - centred >= p:
        return _spd_solve(X.T @ X, penalty, X.T @ targets)
    gram = X @ X.T
    if centred:
        # (1, …, 1) is in the kernel of centred data, and orthogonal to all targets: what it gets in place of 0 changes nothing.
        gram = gram + namespace(gram).trace(gram) / n**2
    return X.T @ _spd_solve(gram, penalty, targets)


def _spd_solve(gram: Any, penalty: float, targets: Any) -> Any:
    if is_jax(gram):
        import jax

        factor = jax.scipy.linalg.cho_factor(gram + penalty * jax.numpy.eye(len(gram), dtype=gram.dtype), lower=True)
        return jax.scipy.linalg.cho_solve(factor, targets)
    # Transposed, a symmetric matrix has the layout that LAPACK overwrites in place.
    shifted = gram.T.copy(order="F")
    shifted[np.diag_indices_from(shifted)] += penalty
    try:
        factor = linalg.cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
        if penalty == 0 and np.min(np.diagonal(factor[0])) ** 2 <= _rounding(gram):
            return _shortest(gram, targets)
    except np.linalg.LinAlgError:
        if penalty == 0:
            return _shortest(gram, targets)
        raise np.linalg.LinAlgError(
            f"gamma must be larger, got a penalty n·gamma of {penalty:g} beside {np.trace(gram):.3g}, the trace of a "
            f"singular matrix of size {len(gram)}: the solution is lost to rounding."
        ) from None
    return linalg.cho_solve(factor, targets)


def _shortest(gram: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The solution of least length of a singular system."""
    values, vectors = linalg.eigh(gram, check_finite=False)
    kept = values > _rounding(gram)
    return (vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ targets)


def _rounding(gram: np.ndarray) -> float:
    """What an eigenvalue of 0 may come out as."""
    return ROUNDINGS * len(gram) * float(np.finfo(gram.dtype).eps) * float(np.max(np.diagonal(gram)))
