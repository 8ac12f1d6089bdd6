r"""The best α as a simulation sees it, with a standard error: the witness of `optimal_alpha`.

Each α is searched for as its scale times tan θ, where at α = scale both parts of w weigh the same: θ then is of order
one, whatever the units of the starts. The average F over draws is smooth, and its maximiser an M-estimator:

.. math:: \mathrm{Cov}(θ) = \frac1T H^{-1} \mathrm{Cov}(∇f_i)\, H^{-1}, \qquad H = ∇^2 F, \\
          \mathrm{se}(α) = \mathrm{scale}\,\frac{\mathrm{se}(θ)}{\cos^2 θ}.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from .._arrays import plain
from ..problem import Fit, TransferProblem, as_loss
from ..results import Moments, Optimum
from . import dense
from .pool import pool
from .simulate import Setting, as_fit, form_of, need_memory, piece, pieces, prepare

ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 65)[1:-1]
STEP = 1e-3  # of a difference quotient, in θ
EDGE = np.pi / 2 - 2e-3  # as far as θ goes
NEWTON_STEPS = 20
SETTLED = 1e-7
PILOTS = 16  # trials that set the scale

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

    Returns an `Optimum` with `alpha`, its standard error `alpha_se`, `accuracy`, `risk` and `n_trials`, shaped
    like the problem.
    Raises ValueError or TypeError, naming the parameter.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> found = simulate_optimal_alpha(problem, n_trials=1000)
    >>> print(f"{found.alpha:.1f} ± {found.alpha_se:.1f}, theory {optimal_alpha(problem).alpha:.1f}")
    7.5 ± 0.1, theory 7.5
    """
    n_trials, workers, setting = prepare(
        problem, n_trials, seed, method, dense.Conditions(noise, labels, backend, threshold), workers
    )
    count = problem.n_alpha if isinstance(problem, Fit) else 1
    if count == 0:
        raise ValueError("problem must have starts, got none: there is nothing to scale.")
    found = []
    with pool(workers) as map_:
        for cell in problem.cells():
            found.append(_one(cell, n_trials, setting, map_, count))
    gather = lambda values, extra=(): plain(np.reshape(np.array(values, float), (*problem.shape, *extra)))  # noqa: E731
    extra = () if count == 1 else (count,)
    alpha, error, accuracy, risk = zip(*found, strict=True)
    return Optimum(
        gather(alpha, extra), None if accuracy[0] is None else gather(accuracy), None, None, None, gather(risk), None,
        gather(error, extra), n_trials,
    )  # fmt: skip


def _one(cell: Any, n_trials: int, setting: Setting, map_: Any, count: int) -> tuple[Any, Any, Any, Any]:
    """α*, its standard error, and accuracy and risk there, of a scalar problem."""
    is_regression = as_fit(cell).population.is_regression
    scale = scales(cell, setting)
    drawn = _drawn(cell, n_trials, setting, map_)
    values = lambda theta: (-m.risk if is_regression else m.accuracy for m in drawn(scale * np.tan(theta)))  # noqa: E731
    theta, error = maximise(values, count)
    alpha = scale * np.tan(theta)
    best = list(drawn(alpha[None]))
    accuracy = None if is_regression else np.concatenate([m.accuracy[0] for m in best]).mean()
    return alpha, error * scale / np.cos(theta) ** 2, accuracy, np.concatenate([m.risk[0] for m in best]).mean()


def _drawn(cell: Any, n_trials: int, setting: Setting, map_: Any) -> Callable[[np.ndarray], Iterable[Moments]]:
    """The moments (A, trials) of each piece of the trials, as a function of alphas (A, n_alpha)."""
    fit = as_fit(cell)
    own = (lambda alphas: alphas) if fit.n_alpha > 1 else (lambda alphas: alphas[:, 0])
    if not dense.is_affine(fit):
        return lambda alphas: map_(partial(piece, cell, own(alphas), setting), pieces(n_trials, setting.method))
    need_memory(fit, n_trials)
    forms = list(map_(partial(form_of, cell, setting), pieces(n_trials, setting.method)))
    return lambda alphas: (form.moments(own(alphas)[:, None], setting.conditions.threshold) for form in forms)


def scales(cell: Any, setting: Setting) -> np.ndarray:
    """The α (n_alpha,) at which the scores' variances from a start and from the rest of w are equal, under the
    squared loss.
    """
    fit = as_fit(cell)
    fit = dataclasses.replace(fit, loss=as_loss("loss", "squared"), rank=None)
    method = setting.method if dense.is_affine(as_fit(cell)) else "dense"
    M = form_of(fit, dataclasses.replace(setting, method=method), range(PILOTS)).M.mean(-1)
    if M.ndim == 2:
        diagonal = np.diagonal(M)[:, None]
    else:
        diagonal = np.einsum("aakii,k->ai", M, np.asarray(fit.population.priors))
    if fit.per == "start":
        diagonal = diagonal.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(diagonal[0] / diagonal[1:]).ravel()
    return np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)


def maximise(values: Values, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The θ (count,) in (−π/2, π/2) with the largest mean of `values`, and its error.

    `values` gives (A, trials), piece by piece, at thetas (A, count).
    """

    def means(thetas: np.ndarray) -> np.ndarray:
        total, trials = 0.0, 0
        for v in values(thetas):
            total, trials = total + v.sum(-1), trials + v.shape[-1]
        return np.asarray(total) / trials

    theta = np.zeros(count)
    for _ in range(1 if count == 1 else 2):
        for j in range(count):  # each in turn, on a grid
            grid = np.repeat(theta[None], len(ANGLES), 0)
            grid[:, j] = ANGLES
            theta[j] = ANGLES[np.argmax(means(grid))]
    for _ in range(NEWTON_STEPS):
        slope, H, noise = differences(values, theta)
        curvature, U = np.linalg.eigh(H)
        step = U @ (U.T @ slope / np.maximum(np.abs(curvature), 1e-12))
        # Down from a whole step, no longer than two of the grid's; the last is to stay.
        sizes = np.append(0.5 ** np.arange(12), 0.0) * min(
            1.0, 2 * (ANGLES[1] - ANGLES[0]) / max(np.abs(step).max(), 1e-300)
        )
        tries = np.clip(theta + sizes[:, None] * step, -EDGE, EDGE)
        found = tries[np.argmax(means(tries))]
        moved, theta = np.abs(found - theta).max(), found
        if moved < SETTLED:
            break
    slope, H, noise = differences(values, theta)
    inverse = np.linalg.pinv(H)
    return theta, np.sqrt(np.maximum(np.diagonal(inverse @ noise @ inverse), 0.0))


def differences(values: Values, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope (J,) and curvature (J, J) of the mean of `values` at θ, and the covariance (J, J) of that slope, by
    differences.
    """
    J = len(theta)
    steps = STEP * np.eye(J)
    pairs = [(i, j) for i in range(J) for j in range(i)]
    at = [np.zeros(J), *steps, *-steps, *(sign * (steps[i] + steps[j]) for sign in (1, -1) for i, j in pairs)]
    trials, slopes, second, H = 0, np.zeros(J), np.zeros((J, J)), np.zeros((J, J))
    for v in values(theta + np.array(at)):
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
