"""The estimator of any convex loss, on data: the counterpart of `ridge_path`."""

import numpy as np
from scipy import linalg

from .. import _checks as check
from ..problem.losses import Loss, as_loss, slopes_at_kinks
from ..results import LARGEST_ALPHA

GRADIENT = 1e-10
NEWTON_STEPS = 1000  # a loss with straight parts and little penalty takes more than a hundred
HALVINGS = 50
SMALLEST = 1e-10
ROUNDS = 60  # of ever narrower envelopes
NARROWER = 3.0
ON_THE_KINK = 1e-9  # of the largest margin: how near to each other margins and their proximal points have to come
PROXIMAL_STEPS = 100


@np.errstate(all="ignore")  # a step too long may overflow: it is halved
def convex_path(
    X: np.ndarray,
    y: np.ndarray,
    gamma: float,
    loss: str | Loss,
    anchors: np.ndarray | None,
    alphas: np.ndarray,
    *,
    intercept: bool = False,
) -> np.ndarray:
    r"""The weights of w = Σ α_k w̃_k + a for each α.

    .. math:: a = \arg\min_a \frac{1}{n} \sum_i ℓ(y_i (b + x_i^T (Σ α_k \tilde w_k + a))) + \frac{γ}{2}\|a\|^2

    | parameter | meaning |
    |---|---|
    | `X`, `y` | (n, p) and (n,): samples and labels ±1 |
    | `gamma` | γ > 0 |
    | `loss` | a word, or a `Loss` |
    | `anchors` | (p,) or (p, J); None for none |
    | `alphas` | (A,), or (A, J): one fit for each |
    | `intercept` | an unpenalised bias b, else b = 0: the result has one more row, which holds it |

    Returns W (p, A), or (p + 1, A). Newton's method with step halving, in min(n, p) dimensions, each α started from the answer to the one
    before, to a gradient of 1e-10 (relative to one or to the largest term); where the slope jumps (a hinge), on augmented Lagrangians.
    Raises ArithmeticError, naming the gradient, if it gets stuck.

    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((40, 100)), np.repeat([-1, 1], 20)
    >>> convex_path(X, y, 0.5, Logistic(), np.ones(100), np.array([0.0, 1.0])).shape
    (100, 2)
    """
    loss = as_loss("loss", loss)
    X, y = check.matrix("X", X), check.vector("y", y)
    n, p = X.shape
    if len(y) != n or not np.all(np.abs(y) == 1):
        raise ValueError(
            f"y must hold {n} labels −1 or +1, one per row of X, got shape {y.shape} and values {np.unique(y)[:5].tolist()}."
        )
    gamma = check.number("gamma", gamma)
    if not gamma > 0:
        raise ValueError(
            f"gamma must be positive under the {loss.name} loss, got {gamma:g}: without a penalty the weights may run off."
        )
    if anchors is None or np.shape(anchors) == (p, 0):
        anchors = np.zeros((p, 0))
    else:
        anchors = np.asarray(check.real("anchors", anchors))
        anchors = check.matrix("anchors", anchors[:, None] if anchors.ndim == 1 else anchors, rows=p)
    if anchors.shape[1] or np.ndim(alphas) != 2:
        alphas = np.asarray(check.real("alphas", alphas, -LARGEST_ALPHA, LARGEST_ALPHA))
    intercept = check.flag("intercept", intercept)
    alphas = alphas[:, None] if alphas.ndim == 1 and anchors.shape[1] == 1 else alphas
    if alphas.ndim != 2 or alphas.shape[1] != anchors.shape[1]:
        raise ValueError(f"alphas must have shape (A, {anchors.shape[1]}), one column per anchor, got {alphas.shape}.")
    signed = y[:, None] * X
    offsets = signed @ anchors @ alphas.T  # (n, A)
    basis = None
    if n < p:
        # a is a combination of the samples: with Xᵀ = QR, a = Qb and the margins are Rᵀb.
        basis, triangle = linalg.qr(signed.T, mode="economic", check_finite=False)
        signed = np.ascontiguousarray(triangle.T)
    penalties = np.full(signed.shape[1], float(gamma))
    if intercept:
        signed, penalties = np.column_stack([signed, y]), np.append(penalties, 0.0)
    b = np.zeros(signed.shape[1])
    W = np.empty((p + intercept, len(alphas)))
    solve = _over_jumps if slopes_at_kinks(loss)[2].any() else _newton
    for k, alpha in enumerate(alphas):
        b = solve(signed, offsets[:, k], penalties, loss, b)
        inner = b[: len(b) - intercept]
        W[:p, k] = anchors @ alpha + (inner if basis is None else basis @ inner)
        W[p:, k] = b[len(inner) :]
    return W


def _newton(A: np.ndarray, offset: np.ndarray, penalties: np.ndarray, loss: Loss, b: np.ndarray) -> np.ndarray:
    """argmin (1/n) Σ ℓ(offset + A b) + Σ penalties b²/2."""
    n, k = A.shape
    margins = offset + A @ b
    value = np.mean(loss.value(margins)) + penalties @ (b * b) / 2
    for _ in range(NEWTON_STEPS):
        pull = A.T @ loss.slope(margins) / n
        gradient = pull + penalties * b
        size = np.linalg.norm(gradient)
        if size <= GRADIENT * max(1.0, float(np.linalg.norm(pull))):
            return b
        weights = np.sqrt(loss.curvature(margins) / n)
        curved = weights > 0  # most margins of a hinge have none
        half = A[curved] * weights[curved, None]
        hessian = half.T @ half
        # A bias has no penalty, nor need it have curvature.
        hessian[np.diag_indices(k)] += np.maximum(penalties, SMALLEST * penalties.max())
        try:
            factor = linalg.cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            raise ArithmeticError(
                f"Newton's method for {loss.name} lost its curvature to rounding (n = {n}, penalty {penalties.max():g}). "
                f"gamma must be larger, or X smaller."
            ) from None
        step = -linalg.cho_solve(factor, gradient)
        move, slope, s = A @ step, gradient @ step, 1.0
        for _ in range(HALVINGS):
            new_b, new_margins = b + s * step, margins + s * move
            new_value = np.mean(loss.value(new_margins)) + penalties @ (new_b * new_b) / 2
            # The last term is rounding: near the minimum no decrease can be seen.
            if new_value <= value + 1e-4 * s * slope + 1e-13 * abs(value):
                break
            s /= 2
        b, margins, value = new_b, new_margins, new_value
    raise ArithmeticError(
        f"Newton's method for {loss.name} stopped after {NEWTON_STEPS} steps at a gradient of {size:.3g} "
        f"(n = {n}, penalty {penalties.max():g}). Choose a larger penalty, or check that the loss is convex and lists its kinks."
    )


class Envelope(Loss):
    r"""Moreau's: ℓ_ε(t) = min_z ℓ(z) + (t−z)²/2ε, which has a slope everywhere, ℓ'(z) of its z, or any between at a jump."""

    def __init__(self, loss: Loss, width: float):
        self.loss, self.width, self.name = loss, width, loss.name
        self.places, self.slopes, _ = slopes_at_kinks(loss)

    def proximal(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z, and whether it lies on a kink."""
        k, (left, right) = self.places, self.slopes
        first, last = k + self.width * left, k + self.width * right  # of the t whose z is k
        i = np.searchsorted(first, t, side="right")  # kinks up to z
        below, above = np.maximum(i - 1, 0), np.minimum(i, len(k) - 1)
        on = (i > 0) & (t <= last[below])
        # Slopes rise: between kinks they lie between those of the nearest.
        low = np.where(i > 0, k[below], t - self.width * left[above])
        high = np.where(i < len(k), k[above], t - self.width * right[below])
        z = np.where(on, k[below], np.clip(t, low, high))
        for _ in range(PROXIMAL_STEPS):
            missed = z + self.width * self.loss.slope(z) - t
            low, high = np.where(missed < 0, z, low), np.where(missed > 0, z, high)
            step = z - missed / (1 + self.width * self.loss.curvature(z))
            new = np.where(on, z, np.where((step >= low) & (step <= high), step, (low + high) / 2))
            if np.all(np.abs(new - z) <= 4e-16 * np.abs(z)):
                break
            z = new
        return z, on

    def value(self, t: np.ndarray) -> np.ndarray:
        z, _ = self.proximal(t)
        return self.loss.value(z) + (t - z) ** 2 / (2 * self.width)

    def slope(self, t: np.ndarray) -> np.ndarray:
        return (t - self.proximal(t)[0]) / self.width

    def curvature(self, t: np.ndarray) -> np.ndarray:
        z, on = self.proximal(t)
        curvature = self.loss.curvature(z)
        return np.where(on, 1 / self.width, curvature / (1 + self.width * curvature))


def _over_jumps(A: np.ndarray, offset: np.ndarray, penalties: np.ndarray, loss: Loss, b: np.ndarray) -> np.ndarray:
    """The same where ℓ' jumps: the margins' own slopes u are multipliers, to which those of an envelope at margins + εu lead."""
    width = 1 / -float(loss.slope(np.zeros(1))[0])
    u = loss.slope(offset + A @ b)
    for _ in range(ROUNDS):
        envelope = Envelope(loss, width)
        b = _newton(A, offset + width * u, penalties, envelope, b)
        margins = offset + A @ b
        z = envelope.proximal(margins + width * u)[0]
        u = (margins + width * u - z) / width
        if np.abs(margins - z).max() <= ON_THE_KINK * max(1.0, float(np.abs(margins).max())):
            return b
        width = max(width / NARROWER, 1e-4)
    raise ArithmeticError(
        f"the {loss.name} loss, whose slope jumps, left margins {np.abs(margins - z).max():.3g} away from their proximal points after "
        f"{ROUNDS} rounds (n = {len(A)}, penalty {penalties.max():g}). Choose a larger penalty."
    )
