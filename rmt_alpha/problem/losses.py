r"""Convex losses of the margin t = y·xᵀw, for either training.

Theory and simulation need of a loss its value, slope and curvature, and a loss of your own is those three formulas
(written with `jax.numpy` where JAX shall see it):

>>> class SmoothMargin(Loss):
...     "ℓ(t) = √(1 + (1−t)²) + (1−t): a hyperbola instead of the hinge."
...     name = "smooth_margin"
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

from .. import _checks as check
from .._arrays import namespace
from .identity import digest


class Loss:
    r"""A convex ℓ(t) with ℓ'(0) < 0; its slope (a hinge) or its curvature may jump at `kinks`.

    Methods take and return arrays of any one shape; at a kink either side's value will do. For theory the slope must not grow
    faster than a power of t.
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


def slopes_at_kinks(loss: Loss) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kinks (k,), ascending, the slopes (2, k) on their left and right, and at which of them the slope jumps, (k,)."""
    kinks = np.unique(np.asarray(loss.kinks, float))
    sides = kinks + np.array([[-1e-9], [1e-9]]) * (1 + np.abs(kinks))
    slopes = loss.slope(sides) - loss.curvature(sides) * (sides - kinks)
    return kinks, slopes, slopes[1] - slopes[0] > 1e-6 * (np.abs(slopes[0]) + np.abs(slopes[1]))


class Squared(Loss):
    """ℓ(t) = (1−t)²/2: ridge regression on the labels, since y² = 1."""

    name = "squared"

    def value(self, t: Any) -> Any:
        return (1 - t) ** 2 / 2

    def slope(self, t: Any) -> Any:
        return t - 1

    def curvature(self, t: Any) -> Any:
        return namespace(t).ones_like(t)


class Logistic(Loss):
    """ℓ(t) = log(1 + e⁻ᵗ): logistic regression."""

    name = "logistic"

    def value(self, t: Any) -> Any:
        return namespace(t).logaddexp(0, -t)

    def slope(self, t: Any) -> Any:
        xp = namespace(t)  # no exponent can overflow, and either tail keeps its digits
        return -xp.exp(-xp.maximum(t, 0)) / (1 + xp.exp(-xp.abs(t)))

    def curvature(self, t: Any) -> Any:
        xp = namespace(t)
        small = xp.exp(-xp.abs(t))
        return small / (1 + small) ** 2


class SquaredHinge(Loss):
    """ℓ(t) = max(0, 1−t)²/2: the squared loss that forgives a margin above one (the L2 support vector machine)."""

    name = "squared_hinge"
    kinks = (1.0,)

    def value(self, t: Any) -> Any:
        return namespace(t).maximum(1 - t, 0) ** 2 / 2

    def slope(self, t: Any) -> Any:
        return -namespace(t).maximum(1 - t, 0)

    def curvature(self, t: Any) -> Any:
        return namespace(t).where(t < 1, 1.0, 0.0)


class HuberHinge(Loss):
    r"""The squared hinge, growing only linearly where the margin is below 1 − δ: wrong labels pull with bounded force.

    .. math:: ℓ(t) = 0 \;(t ≥ 1), \quad (1-t)^2/2 \;(1-δ ≤ t ≤ 1), \quad δ(1-t) - δ^2/2 \;(t ≤ 1-δ)

    At δ = 2 it is half of scikit-learn's "modified_huber".
    """

    name = "huber"

    def __init__(self, delta: float = 2.0):
        self.delta = check.real("delta", delta, low=1e-3, high=1e3, remedy="It is the width of the quadratic part.")
        self.kinks = (1 - self.delta, 1.0)

    def _pull(self, t: Any) -> Any:
        return namespace(t).clip(1 - t, 0, self.delta)

    def value(self, t: Any) -> Any:
        pull = self._pull(t)
        return pull * (namespace(t).maximum(1 - t, 0) - pull / 2)

    def slope(self, t: Any) -> Any:
        return -self._pull(t)

    def curvature(self, t: Any) -> Any:
        return namespace(t).where((t < 1) & (t > 1 - self.delta), 1.0, 0.0)

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
