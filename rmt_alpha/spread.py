"""How much one training set's moments scatter: standard deviations over draws, as theory and simulation both return them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Standard deviations over draws of both training sets, of the quantities that `Moments` holds, shaped like α."""

    mean: Any
    variance: Any
    accuracy: Any
    risk: Any


@dataclass(frozen=True)
class SimulatedSpread(Spread):
    """Standard deviations over `n_trials` draws, with their standard errors."""

    mean_se: Any
    variance_se: Any
    accuracy_se: Any
    risk_se: Any
    n_trials: int
