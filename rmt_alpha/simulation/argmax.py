"""The best α as a simulation sees it, with a standard error: the witness of `optimal_alpha`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from ..moments import ScoreForm
from ..problem import TransferProblem
from .simulate import draw

ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 129)
STEP = 1e-3


@dataclass(frozen=True)
class SimulatedOptimum:
    """Where the simulated mean accuracy is largest: `best`, its standard error, and the number of trials."""

    best: float
    best_se: float
    n_trials: int


def simulate_optimal_alpha(problem: TransferProblem, **options: Any) -> SimulatedOptimum:
    r"""Maximise the accuracy averaged over draws; options as for `draw`.

    With α = tan θ the average F(θ) is smooth and periodic. The maximiser is an M-estimator, so

    .. math:: \mathrm{se}(θ) = \frac{\mathrm{sd}(f_i'(θ))}{\sqrt{T}\,|F''(θ)|}, \qquad \mathrm{se}(α) = (1+α^2)\,\mathrm{se}(θ).

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> found = simulate_optimal_alpha(problem, n_trials=1000)
    >>> print(f"{found.best:.1f} ± {found.best_se:.1f}, theory {optimal_alpha(problem).best:.1f}")
    7.6 ± 0.1, theory 7.5
    """
    if problem.n_alpha != 1:
        raise ValueError(
            f"problem must have a single α, got {problem.n_alpha} of them. Use `draw` and a search of your own."
        )
    form = draw(problem, **options)
    return maximise(lambda angle: _accuracies(form, angle))


def maximise(accuracies: Callable[[float], np.ndarray]) -> SimulatedOptimum:
    """The maximiser of the mean of `accuracies(θ)`, one number a draw, and its standard error."""
    from scipy import optimize  # a tenth of a second to import, and only this function needs it

    coarse = int(np.argmax([accuracies(angle).mean() for angle in ANGLES]))
    low, high = ANGLES[max(coarse - 1, 0)], ANGLES[min(coarse + 1, len(ANGLES) - 1)]
    found = optimize.minimize_scalar(
        lambda angle: -accuracies(angle).mean(), bounds=(low, high), method="bounded", options={"xatol": 1e-9}
    )
    below, at, above = (accuracies(found.x + shift) for shift in (-STEP, 0.0, STEP))
    slopes = (above - below) / (2 * STEP)
    curvature = (above - 2 * at + below).mean() / STEP**2
    best, n_trials = float(np.tan(found.x)), len(at)
    error = slopes.std(ddof=1) / np.sqrt(n_trials) / abs(curvature)
    return SimulatedOptimum(best, float(error * (1 + best**2)), n_trials)


def _accuracies(form: ScoreForm, angle: float) -> np.ndarray:
    """Φ(cᵀa/√(aᵀMa)) of each draw along a = (cos θ, sin θ)."""
    a = np.array([np.cos(angle), np.sin(angle)])
    return special.ndtr(a @ form.c / np.sqrt(np.einsum("i,ijt,j->t", a, form.M, a)))
