r"""Convex losses of the margin t = y·xᵀw, for either training.

Theory needs of a loss its value, slope, curvature and proximal map; simulation its value, slope and curvature. A loss of
your own is those three formulas; the proximal map comes with the base class:

>>> class SmoothMargin(Loss):
...     "ℓ(t) = √(1 + (1−t)²) + (1−t): a hyperbola instead of the hinge."
...     name = "smooth margin"
...
...     def value(self, t):
...         return np.hypot(1, 1 - t) + 1 - t
...
...     def slope(self, t):
...         return -(1 - t) / np.hypot(1, 1 - t) - 1
...
...     def curvature(self, t):
...         return np.hypot(1, 1 - t) ** -3
>>> problem = TransferProblem(
...     400, 80, 120, mu=1, mu_orth=1, beta=0.7, gamma_source=0.5, gamma_target=0.3, loss=SmoothMargin()
... )
>>> predict(problem, [0, 1]).accuracy.round(3)
array([0.715, 0.735])

Losses are defined up to a factor: c·ℓ with penalty c·γ trains the same weights. So a penalty means different things to
different losses (the logistic curvature is ≤ ¼, the squared one 1).
"""

from typing import Any

import numpy as np
from scipy import special

from .. import _checks as check
from .identity import digest

PROX_STEPS = 200


class Loss:
    r"""A convex, once differentiable ℓ(t) with ℓ'(0) < 0; its curvature may jump at `kinks`.

    Methods take and return arrays of any one shape. Lengths of the margin are understood to be of order one: where a loss
    changes on a shorter scale, list those places among the kinks, and quadrature will break there.
    """

    name: str = "loss"
    kinks: tuple[float, ...] = ()

    def value(self, t: np.ndarray) -> np.ndarray:
        """ℓ(t)"""
        raise NotImplementedError(f"{type(self).__name__}.value is missing. Define value, slope and curvature.")

    def slope(self, t: np.ndarray) -> np.ndarray:
        """ℓ'(t)"""
        raise NotImplementedError(f"{type(self).__name__}.slope is missing. Define value, slope and curvature.")

    def curvature(self, t: np.ndarray) -> np.ndarray:
        """ℓ''(t), from either side at a kink."""
        raise NotImplementedError(f"{type(self).__name__}.curvature is missing. Define value, slope and curvature.")

    def prox(self, omega: Any, v: Any) -> np.ndarray:
        r"""The proximal map: the z with z + vℓ'(z) = ω.

        .. math:: \mathrm{prox}_{vℓ}(ω) = \arg\min_z ℓ(z) + (z-ω)^2/2v

        Newton's steps within a bracket: convexity puts z between ω and ω − vℓ'(ω).
        """
        omega, v = np.broadcast_arrays(np.asarray(omega, float), np.asarray(v, float))
        other = omega - v * self.slope(omega)
        low, high = np.minimum(omega, other), np.maximum(omega, other)
        z, before = omega, np.inf
        for _ in range(PROX_STEPS):
            step = v * self.slope(z)
            f = z - omega + step
            newton = z - f / (1 + v * self.curvature(z))
            # The last term: slopes of order one cannot be told from 0 below rounding.
            settled = np.abs(f) <= 1e-13 * (np.abs(z) + np.abs(omega) + np.abs(step)) + 1e-15 * v
            settled |= np.abs(newton - z) <= 4e-15 * np.abs(z)
            if settled.all():
                return newton
            low, high = np.where(f < 0, z, low), np.where(f > 0, z, high)
            # Halve where Newton leaves the bracket or stalls (the curvature of a loss need not be monotone).
            bisect = ~settled & ((newton < low) | (newton > high) | (np.abs(f) > before / 2))
            z, before = np.where(bisect, (low + high) / 2, newton), np.abs(f)
        raise ArithmeticError(
            f"the proximal map of {self.name} did not settle in {PROX_STEPS} steps (residual {np.max(np.abs(f)):.3g}). "
            f"Check that slope and curvature are the derivatives of a convex value."
        )

    @property
    def digest(self) -> bytes:
        """Which loss it is: its class and what is set on it."""
        settings = tuple((k, v) for k, v in sorted(vars(self).items()))
        return digest(type(self).__module__, type(self).__qualname__, self.name, settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loss) and self.digest == other.digest

    def __hash__(self) -> int:
        return int.from_bytes(self.digest[:8], "little")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Squared(Loss):
    """ℓ(t) = (1−t)²/2: ridge regression on the labels, since y² = 1."""

    name = "squared"

    def value(self, t: np.ndarray) -> np.ndarray:
        return (1 - t) ** 2 / 2

    def slope(self, t: np.ndarray) -> np.ndarray:
        return t - 1

    def curvature(self, t: np.ndarray) -> np.ndarray:
        return np.ones_like(t)

    def prox(self, omega: Any, v: Any) -> np.ndarray:
        return (omega + v) / (1 + v)


class Logistic(Loss):
    """ℓ(t) = log(1 + e⁻ᵗ): logistic regression."""

    name = "logistic"

    def value(self, t: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, -t)

    def slope(self, t: np.ndarray) -> np.ndarray:
        return -special.expit(-t)

    def curvature(self, t: np.ndarray) -> np.ndarray:
        return special.expit(t) * special.expit(-t)


class SquaredHinge(Loss):
    """ℓ(t) = max(0, 1−t)²/2: the squared loss that forgives a margin above one (the L2 support vector machine)."""

    name = "squared_hinge"
    kinks = (1.0,)

    def value(self, t: np.ndarray) -> np.ndarray:
        return np.maximum(1 - t, 0) ** 2 / 2

    def slope(self, t: np.ndarray) -> np.ndarray:
        return -np.maximum(1 - t, 0)

    def curvature(self, t: np.ndarray) -> np.ndarray:
        return np.where(t < 1, 1.0, 0.0)

    def prox(self, omega: Any, v: Any) -> np.ndarray:
        return np.where(omega < 1, (omega + v) / (1 + v), omega)


class HuberHinge(Loss):
    r"""The squared hinge, growing only linearly where the margin is below 1 − δ: wrong labels pull with bounded force.

    .. math:: ℓ(t) = 0 \;(t ≥ 1), \quad (1-t)^2/2 \;(1-δ ≤ t ≤ 1), \quad δ(1-t) - δ^2/2 \;(t ≤ 1-δ)

    At δ = 2 it is half of scikit-learn's "modified_huber".
    """

    name = "huber"

    def __init__(self, delta: float = 2.0):
        self.delta = check.real("delta", delta, low=1e-3, high=1e3, remedy="It is the width of the quadratic part.")
        self.kinks = (1 - self.delta, 1.0)

    def _pull(self, t: np.ndarray) -> np.ndarray:
        return np.clip(1 - t, 0, self.delta)

    def value(self, t: np.ndarray) -> np.ndarray:
        pull = self._pull(t)
        return pull * (np.maximum(1 - t, 0) - pull / 2)

    def slope(self, t: np.ndarray) -> np.ndarray:
        return -self._pull(t)

    def curvature(self, t: np.ndarray) -> np.ndarray:
        return np.where((t < 1) & (t > 1 - self.delta), 1.0, 0.0)

    def prox(self, omega: Any, v: Any) -> np.ndarray:
        # The quadratic piece's answer, but a step v·|ℓ'| of at most vδ; z is the same on either side of a kink.
        return omega + np.minimum(v * np.maximum(1 - omega, 0) / (1 + v), v * self.delta)

    def __repr__(self) -> str:
        return f"HuberHinge({self.delta:g})"


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (Squared(), Logistic(), SquaredHinge(), HuberHinge())}


def as_loss(name: str, loss: Any) -> Loss:
    """The loss that a word or an object stands for; an object of the user's own is probed at a few margins.

    Raises TypeError for anything else, ValueError for an unknown word or a loss whose formulas contradict each other.
    """
    if isinstance(loss, str):
        return LOSSES[check.choice(name, loss, tuple(LOSSES))]
    if not isinstance(loss, Loss):
        words = ", ".join(repr(word) for word in LOSSES)
        raise TypeError(f"{name} must be one of {words}, or an instance of a subclass of rmt_alpha.Loss, got {loss!r}.")
    if type(loss).__module__ != __name__:
        _probe(name, loss)
    return loss


def is_squared(loss: Loss) -> bool:
    """Does the closed form apply?"""
    return type(loss) is Squared


def _probe(name: str, loss: Loss) -> None:
    t = np.linspace(-4.1, 4.1, 42)
    h = 1e-4
    t = t[np.all(np.abs(t[:, None] - np.array(loss.kinks)) > 2 * h, axis=1)]
    with np.errstate(all="ignore"):
        value, slope, curvature = loss.value(t), loss.slope(t), loss.curvature(t)
        slope_of_value = (loss.value(t + h) - loss.value(t - h)) / (2 * h)
        slope_of_slope = (loss.slope(t + h) - loss.slope(t - h)) / (2 * h)
    for part, array in (("value", value), ("slope", slope), ("curvature", curvature)):
        if np.shape(array) != t.shape or not np.all(np.isfinite(array)):
            raise ValueError(
                f"{name} must be finite and keep the shape of its argument, but {loss!r}.{part} does not at "
                f"t = {t[0]:g} … {t[-1]:g} (shape {t.shape} → {np.shape(array)}). Write it with NumPy functions."
            )
    for part, array, wanted in (("slope", slope, slope_of_value), ("curvature", curvature, slope_of_slope)):
        off = np.abs(array - wanted) > 1e-4 * (1 + np.abs(wanted))
        if off.any():
            raise ValueError(
                f"{name}: {loss!r}.{part} must be a derivative of the function before it, but at t = {t[off][0]:g} it is "
                f"{array[off][0]:g}, and a difference quotient {wanted[off][0]:g}. Correct it, or list that place in kinks."
            )
    if curvature.min() < 0:
        raise ValueError(f"{name} must be convex, got curvature {curvature.min():g} at t = {t[curvature.argmin()]:g}.")
    if loss.slope(np.zeros(1))[0] >= 0:
        raise ValueError(
            f"{name} must have a negative slope at t = 0, got {loss.slope(np.zeros(1))[0]:g}. Flip the sign of t."
        )
