"""The spread of the moments over simulated draws."""

from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import plain
from ..moments import LARGEST_ALPHA
from ..problem import TransferProblem
from ..spread import SimulatedSpread
from .simulate import QUANTITIES, draw


def simulate_spread(problem: TransferProblem, alpha: Any, *, n_trials: int = 1000, **options: Any) -> SimulatedSpread:
    r"""Standard deviations over independent trainings of a scalar problem, shaped like α; options as for `draw`.

    .. math:: \mathrm{se}(\hat σ) = \frac{1}{2\hat σ} \sqrt{\frac{\hat μ_4 - \hat σ^4}{T}}

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> print(f"{simulate_spread(problem, 7.5).accuracy:.4f}, theory {predict_spread(problem, 7.5).accuracy:.4f}")
    0.0027, theory 0.0026
    """
    problem.need_one_source("simulate_spread")
    alpha = np.asarray(check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
    n_trials = check.size("n_trials", n_trials, low=4)
    law = draw(problem, n_trials=n_trials, **options).moments(alpha[..., None])
    values, errors = {}, {}
    for quantity in QUANTITIES:
        drawn = getattr(law, quantity)
        centred = drawn - drawn.mean(axis=-1, keepdims=True)
        variance = (centred**2).sum(axis=-1) / (n_trials - 1)
        excess = np.maximum((centred**4).mean(axis=-1) - variance**2, 0.0)
        values[quantity] = plain(np.sqrt(variance))
        # Where nothing scatters (the mean at b = 0, say) there is no error either.
        errors[f"{quantity}_se"] = plain(
            np.sqrt(excess / n_trials) / (2 * np.sqrt(np.where(variance > 0, variance, 1.0)))
        )
    return SimulatedSpread(**values, **errors, n_trials=n_trials)
