r"""The best α as a simulation sees it, with a standard error: the witness of `optimal_alpha`.

The average F over draws is smooth, and its maximiser in y (α = unit · sinh y, see `results.search`) an M-estimator:

.. math:: \mathrm{Cov}(y) = \frac1T H^{-1} \mathrm{Cov}(∇f_i)\, H^{-1}, \qquad H = ∇^2 F, \\
          \mathrm{se}(α) = \mathrm{unit}\,\cosh(y)\, \mathrm{se}(y).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from .._arrays import in_numpy, plain
from ..problem import Fit, TransferProblem, as_fit, as_loss
from ..results import Moments, Optimum
from ..results.search import at_the_end, best
from . import dense
from .pool import pool
from .simulate import Setting, form_of, need_memory, piece, pieces, prepare

END = float(np.arcsinh(1e4))  # of y: further out no accuracy changes by what a simulation could see
STEP = 1e-3  # of a difference quotient, in y
PILOTS = 16  # trials that set the units and say where to look

Values = Callable[[np.ndarray], Iterable[np.ndarray]]


def simulate_optimal_alpha(
    problem: Fit | TransferProblem,
    *,
    n_trials: int = 100,
    seed: int = 0,
    method: str = "auto",
    noise: Any = "gaussian",
    labels: str = "auto",
    backend: str = "numpy",
    workers: int = 1,
    threshold: str = "zero",
) -> Optimum:
    """The α with the largest accuracy (regression: the least risk) averaged over draws; options as for `simulate`.

    Returns an `Optimum` with `alpha`, its standard error `alpha_se` (infinite where `alpha` is), `accuracy`, `risk`,
    `at_infinity`, `direction` and `n_trials`, shaped like the problem. Where α is infinite, accuracy and risk are those at
    10⁴ times the α at which a start and the rest of w weigh the same, off the limit by about 10⁻⁴.
    Raises ValueError or TypeError, naming the parameter.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> found = simulate_optimal_alpha(problem, n_trials=1000)
    >>> print(f"{found.alpha:.1f} ± {found.alpha_se:.1f}, theory {optimal_alpha(problem).alpha:.1f}")
    7.5 ± 0.1, theory 7.5
    """
    n_trials, workers, setting = prepare(
        problem, n_trials, seed, method, dense.Conditions(noise, labels, backend, threshold), workers
    )
    count = problem.n_alpha
    if count == 0:
        raise ValueError("problem must have starts, got none: there is nothing to scale.")
    problem = in_numpy(problem)
    with pool(workers) as map_:
        found = [_one(cell, n_trials, setting, map_, count) for cell in problem.cells()]

    def gather(values: Any) -> Any:
        return None if values[0] is None else plain(np.reshape(values, (*problem.shape, *np.shape(values[0]))))

    alpha, error, accuracy, risk, infinite, direction = (gather(values) for values in zip(*found, strict=True))
    return Optimum(alpha, accuracy, None, infinite, None, risk, direction, error, n_trials)


def _one(cell: Any, n_trials: int, setting: Setting, map_: Any, count: int) -> tuple[Any, ...]:
    """α*, its standard error, accuracy and risk there, whether α* is infinite and in which direction, of a scalar problem."""
    is_regression = as_fit(cell).population.is_regression
    (units, risky), drawn = _scales(cell, setting), _drawn(cell, n_trials, setting, map_)
    gain = lambda m: -m.risk if is_regression else m.accuracy  # noqa: E731

    def at(y: np.ndarray) -> tuple[Any, Any]:
        """Averages of accuracy and risk at y (Y, J)."""
        total: list[Any] = [0.0, 0.0]
        for m in drawn(units * np.sinh(y)):
            total = [t + q.sum(-1) for t, q in zip(total, (gain(m), m.risk), strict=True)]
        return total[0] / n_trials, total[1] / n_trials

    ends = np.full(len(units), END)
    beside = np.clip(np.arcsinh(risky / units), -ends, ends)
    y, last, _ = best(at, [lambda found: found[0]], ends, beside=beside)
    alpha, infinite, direction = at_the_end(y[0], ends, units)
    error = np.full(len(units), np.inf)
    if not infinite:
        error = standard_error(lambda y: map(gain, drawn(units * np.sinh(y))), y[0]) * units * np.cosh(y[0])
    pick = (lambda v: v[0]) if count == 1 else (lambda v: v)
    accuracy, risk = (float(values[0]) for values in last)
    return pick(alpha), pick(error), None if is_regression else accuracy, risk, infinite, pick(direction)


def _drawn(cell: Any, n_trials: int, setting: Setting, map_: Any) -> Callable[[np.ndarray], Iterable[Moments]]:
    """The moments (A, trials) of each piece of the trials, as a function of alphas (A, n_alpha)."""
    fit = as_fit(cell)
    own = (lambda alphas: alphas) if fit.n_alpha > 1 else (lambda alphas: alphas[:, 0])
    if not dense.is_affine(fit):
        return lambda alphas: map_(partial(piece, cell, own(alphas), setting), pieces(n_trials, setting.method))
    need_memory(fit, n_trials)
    forms = list(map_(partial(form_of, cell, setting), pieces(n_trials, setting.method)))
    return lambda alphas: (form.moments(own(alphas)[:, None], setting.conditions.threshold) for form in forms)


def _scales(cell: Any, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """The α (n_alpha,) at which a start and the rest of w weigh the same, and that of least risk, under the squared loss."""
    fit = dataclasses.replace(as_fit(cell), loss=as_loss("loss", "squared"), rank=None)
    method = setting.method if dense.is_affine(as_fit(cell)) else "dense"
    form = form_of(fit, dataclasses.replace(setting, method=method), range(PILOTS))
    return form.units, form.least_risk


def standard_error(values: Values, y: np.ndarray) -> np.ndarray:
    """That of the maximiser y (J,) of the mean of `values`, which gives (Y, trials), piece by piece, at rows y (Y, J)."""
    _, H, noise = differences(values, y)
    inverse = np.linalg.pinv(H)
    return np.sqrt(np.maximum(np.diagonal(inverse @ noise @ inverse), 0.0))


def differences(values: Values, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope (J,) and curvature (J, J) of the mean of `values` at y, and the covariance (J, J) of that slope, by
    differences.
    """
    J = len(y)
    steps = STEP * np.eye(J)
    pairs = [(i, j) for i in range(J) for j in range(i)]
    at = [np.zeros(J), *steps, *-steps, *(sign * (steps[i] + steps[j]) for sign in (1, -1) for i, j in pairs)]
    trials, slopes, second, H = 0, np.zeros(J), np.zeros((J, J)), np.zeros((J, J))
    for v in values(y + np.array(at)):
        centre, up, down, (above, below) = v[0], v[1 : J + 1], v[J + 1 : 2 * J + 1], np.split(v[2 * J + 1 :], 2)
        s = (up - down) / (2 * STEP)
        trials, slopes, second = trials + v.shape[-1], slopes + s.sum(-1), second + s @ s.T
        bend = up - 2 * centre + down
        H += np.diag(bend.sum(-1))
        for (i, j), plus, minus in zip(pairs, above, below, strict=True):
            cross = (plus - 2 * centre + minus - bend[i] - bend[j]).sum() / 2
            H[i, j] += cross
            H[j, i] += cross
    slopes /= trials
    noise = (second / trials - np.outer(slopes, slopes)) / (trials - 1)
    return slopes, H / trials / STEP**2, noise
