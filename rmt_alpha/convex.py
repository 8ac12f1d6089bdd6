"""The estimator of any convex loss, on data: the counterpart of `ridge_path`."""

import numpy as np
from scipy import linalg

from .losses import Loss, as_loss

GRADIENT = 1e-10
NEWTON_STEPS = 100
HALVINGS = 50


def convex_path(
    X: np.ndarray, y: np.ndarray, gamma: float, loss: str | Loss, anchor: np.ndarray, alphas: np.ndarray
) -> np.ndarray:
    r"""The weights of w = αw̃ + a for each α.

    .. math:: a = \arg\min_a \frac{1}{n} \sum_i ℓ(y_i x_i^T (α \tilde w + a)) + \frac{γ}{2}\|a\|^2

    Parameters: X (n, p), y (n,) of ±1, γ > 0, a loss, the anchor w̃ (p,), alphas (A,). Returns W (p, A). Newton's method with
    step halving, in min(n, p) dimensions, each α started from the answer to the one before, to a gradient of 1e-10
    (relative to one or to the largest term). Raises ArithmeticError, naming the gradient, if it gets stuck.

    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((40, 100)), np.repeat([-1, 1], 20)
    >>> convex_path(X, y, 0.5, Logistic(), np.ones(100), np.array([0.0, 1.0])).shape
    (100, 2)
    """
    loss = as_loss("loss", loss)
    if not gamma > 0:
        raise ValueError(
            f"gamma must be positive under the {loss.name} loss, got {gamma:g}: without a penalty the weights may run off."
        )
    signed = y[:, None] * X
    offset = signed @ anchor
    n, p = X.shape
    basis = None
    if n < p:
        # a is a combination of the samples: with Xᵀ = QR, a = Qb and the margins are Rᵀb.
        basis, triangle = linalg.qr(signed.T, mode="economic", check_finite=False)
        signed = np.ascontiguousarray(triangle.T)
    b = np.zeros(signed.shape[1])
    W = np.empty((p, len(alphas)))
    for k, alpha in enumerate(alphas):
        b = _newton(signed, alpha * offset, gamma, loss, b)
        W[:, k] = alpha * anchor + (b if basis is None else basis @ b)
    return W


def _newton(A: np.ndarray, offset: np.ndarray, gamma: float, loss: Loss, b: np.ndarray) -> np.ndarray:
    """argmin (1/n) Σ ℓ(offset + A b) + γ‖b‖²/2."""
    n, k = A.shape
    margins = offset + A @ b
    value = np.mean(loss.value(margins)) + gamma * (b @ b) / 2
    for _ in range(NEWTON_STEPS):
        pull = A.T @ loss.slope(margins) / n
        gradient = pull + gamma * b
        size = np.linalg.norm(gradient)
        if size <= GRADIENT * max(1.0, float(np.linalg.norm(pull))):
            return b
        weights = np.sqrt(loss.curvature(margins) / n)
        curved = weights > 0  # most margins of a hinge have none
        half = A[curved] * weights[curved, None]
        hessian = half.T @ half
        hessian[np.diag_indices(k)] += gamma
        step = -linalg.cho_solve(linalg.cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False), gradient)
        move, slope, s = A @ step, gradient @ step, 1.0
        for _ in range(HALVINGS):
            new_b, new_margins = b + s * step, margins + s * move
            new_value = np.mean(loss.value(new_margins)) + gamma * (new_b @ new_b) / 2
            # The last term is rounding: near the minimum no decrease can be seen.
            if new_value <= value + 1e-4 * s * slope + 1e-13 * abs(value):
                break
            s /= 2
        b, margins, value = new_b, new_margins, new_value
    raise ArithmeticError(
        f"Newton's method for {loss.name} stopped after {NEWTON_STEPS} steps at a gradient of {size:.3g} "
        f"(n = {n}, penalty {gamma:g}). Choose a larger penalty, or check that the loss is convex."
    )
