"""`compare`: simulation against theory, in standard errors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import plain, pytree
from .moments import QUANTITIES, Moments

ROUNDING = 1e-12


@pytree
@dataclass(frozen=True, eq=False)
class ZScores:
    """(simulated − theoretical)/standard error of each quantity; None where there is no such quantity."""

    mean: Any
    variance: Any
    accuracy: Any
    risk: Any

    @property
    def all(self) -> np.ndarray:
        """All z-scores, one after the other."""
        values = [getattr(self, f.name) for f in dataclasses.fields(self)]
        return np.concatenate([np.ravel(v) for v in values if v is not None])

    @property
    def max_abs(self) -> float:
        """The largest |z| of all."""
        return float(np.abs(self.all).max())

    def __repr__(self) -> str:
        return f"ZScores({self.all.size} of them, largest {self.max_abs:.2f})"


def compare(theory: Moments, simulated: Moments, *, spread: bool = False) -> ZScores:
    """z-scores of simulated moments (or, with `spread`, of their standard deviations) against theory.

    Both must be of the same problem and α. Theory is exact in the limit only: at small dimension many trials resolve
    its O(1/p) distance. Rounding, 1e-12 of the value, counts as an error too, so that a saturated accuracy (no spread
    at all) compares as equal. Raises ValueError where the two were asked different things.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> z = compare(predict(problem, [0, 1]), simulate(problem, [0, 1], n_trials=1000))
    >>> z.accuracy.shape, z.max_abs < 4
    ((2,), True)
    """
    for name, value in (("theory", theory), ("simulated", simulated)):
        if not isinstance(value, Moments):
            raise TypeError(f"{name} must be Moments, got {type(value).__name__}. predict and simulate return them.")
    spread = check.flag("spread", spread)
    if simulated.n_trials is None:
        raise ValueError("simulated must be a simulation, got a theory. Pass the theory first.")
    if np.shape(theory.mean) != np.shape(simulated.mean):
        raise ValueError(
            f"theory and simulated must have one shape, got {np.shape(theory.mean)} and {np.shape(simulated.mean)}. "
            f"Ask both for the same α."
        )
    if theory.problem is not None and simulated.problem is not None and theory.problem != simulated.problem:
        first, second = map(repr, (theory.problem, simulated.problem))
        got = f"{first} and {second}" if first != second else f"two with different numbers in {first}"
        raise ValueError(f"theory and simulated must be of one problem, got {got}.")
    if theory.alpha is not None and simulated.alpha is not None and not np.array_equal(theory.alpha, simulated.alpha):
        raise ValueError("theory and simulated must be at the same α, got two different ones.")
    for name in ("threshold", "noise"):
        asked = getattr(theory, name), getattr(simulated, name)
        if None not in asked and asked[0] != asked[1]:
            kind = "threshold" if name == "threshold" else "noise of the test points"
            raise ValueError(
                f"theory and simulated must have one {kind}, got {asked[0]!r} and {asked[1]!r}. Ask both for it."
            )
    errors = simulated.spread_se if spread else {q: getattr(simulated, f"{q}_se") for q in QUANTITIES}
    suffix = "_sd" if spread else ""
    if spread and theory.variance_sd is None:
        raise ValueError("theory must come from predict(…, spread=True) to compare deviations.")
    return ZScores(
        *(_z(getattr(theory, q + suffix), getattr(simulated, q + suffix), errors.get(q)) for q in QUANTITIES)
    )


def _z(theory: Any, simulated: Any, se: Any) -> Any:
    if theory is None or simulated is None:
        return None
    theory, simulated, se = (np.asarray(x, dtype=float) for x in (theory, simulated, se))
    difference = simulated - theory
    error = np.hypot(se, ROUNDING * np.abs(theory))
    # No spread, no rounding: infinitely far, unless equal.
    far = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    return plain(np.where(error > 0, difference / np.where(error > 0, error, 1.0), far))
