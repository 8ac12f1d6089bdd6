r"""`optimal_alpha`: the best α of a score form, in closed form where the accuracy is Φ(m/√V), else by a search over
directions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import has_tracers, in_numpy, is_tracer, namespace, normal_cdf, plain
from ..problem import Fit, TransferProblem, as_fit, checked_problem, is_squared
from ..results import Moments, Optimum, ScoreForm
from ..results.form import solve_semidefinite
from ..results.moments import THRESHOLDS
from ..results.search import BEYOND, at_the_end, best, directions
from . import convex_search, finite_size, low_rank
from .predict import Problem, batched, predict, score_form

SEARCHED = (
    "problem must be known where the best α is found by a search, got a JAX tracer in it. Optimise predict instead, or call "
    "optimal_alpha outside of jit, grad and vmap."
)
FARTHEST, FORM_SPACING = 20.0, 0.25  # of y, where forms can be evaluated at infinity too
FAR = 10.0  # of y, where they can't: 10⁴ units


@np.errstate(all="ignore")
def optimal_alpha(problem: Problem, *, threshold: str = "zero", finite: bool = False) -> Optimum:
    """The best α, the accuracy there, and the other distinguished values of α, each with the problem's shape.

    A closed form for two opposite classes and for regression; otherwise a search. `threshold` and `finite` as for
    `predict`: with `finite` the α of largest mean accuracy at the problem's own sizes, by a search. For regression
    the best α is that of least risk. Raises ValueError where there is nothing to scale.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> best = optimal_alpha(problem)
    >>> print(f"α* = {best.alpha:.2f}: {best.accuracy:.4f}; ᾱ = {best.zero:.2f}; least risk at {best.least_risk:.2f}")
    α* = 7.47: 0.7311; ᾱ = -0.31; least risk at 3.29
    """
    checked_problem(problem)
    check.choice("threshold", threshold, THRESHOLDS)
    if check.flag("finite", finite):
        if threshold != "zero":
            raise ValueError(
                f"threshold must be 'zero' with finite=True, got {threshold!r}: no formula is known beyond."
            )
        found = finite_size.best(problem)
    else:
        found = _optimal(problem, threshold)
    for name in ("alpha", "accuracy", "zero", "least_risk", "risk"):
        value = getattr(found, name)
        if value is not None and not is_tracer(value) and np.any(np.isnan(value)):
            raise FloatingPointError(
                f"{name} left the range of double precision. Rescale the problem: norms and penalties must be nearer to one."
            )
    return found


def _optimal(problem: Problem, threshold: str) -> Optimum:
    if problem.n_alpha == 0:
        raise ValueError(
            "problem must have a start whose scale can be chosen, got a fit without starts. Give it starts=[…]."
        )
    if isinstance(problem, TransferProblem):
        return optimum(score_form(problem)) if problem.is_squared else _of_cells(_known(problem), threshold)
    closed = is_squared(problem.loss) and (problem.rank is None or problem.rank == problem.population.outputs)
    if closed and (not problem.shape or batched(problem)):
        form = score_form(problem)
        if form.population is None:
            return _at_threshold(optimum(form), form, threshold)
        if problem.population.is_regression and not problem.shape:
            return search(form, threshold)
    fit: Fit = _known(problem)
    if fit.shape:
        return _of_cells(fit, threshold)
    if not is_squared(fit.loss) and threshold == "zero":
        return convex_search.optimum(fit)
    if not is_squared(fit.loss):
        form = score_form(dataclasses.replace(fit, loss="squared"))
        return optimum_by_search(lambda alpha: predict(fit, alpha, threshold=threshold), form)
    if not closed:
        return low_rank.optimum(fit, threshold)
    return search(score_form(fit), threshold)


def _known(problem: Any) -> Any:
    """The problem in NumPy, as searches need it."""
    if has_tracers(problem):
        raise TypeError(SEARCHED)
    return in_numpy(problem)


def _at_threshold(found: Optimum, form: ScoreForm, threshold: str) -> Optimum:
    """The same α with its accuracy at that threshold: for opposite classes accuracy grows with m/√V at either."""
    if threshold == "zero":
        return found
    xp = namespace(form.c)
    several = form.n_starts > 1
    alpha, direction = (
        xp.moveaxis(x, -1, 0) if several else xp.asarray(x)[None] for x in (found.alpha, found.direction)
    )
    far = xp.asarray(found.at_infinity)
    a = xp.concatenate([xp.where(far, 0.0, 1.0)[None], xp.where(far, direction, alpha)])
    return dataclasses.replace(found, accuracy=form.along(a, threshold).accuracy)


def _of_cells(problem: Problem, threshold: str) -> Optimum:
    """Cell by cell, stacked to the problem's shape."""
    found = [optimal_alpha(as_fit(c), threshold=threshold) for c in problem.cells()]
    if not problem.shape:
        return found[0]

    def stacked(name: str) -> Any:
        values = [getattr(o, name) for o in found]
        if any(v is None for v in values):
            return None
        return np.reshape(np.array(values), (*problem.shape, *np.shape(values[0])))

    names = ("alpha", "accuracy", "zero", "at_infinity", "least_risk", "risk", "direction")
    return Optimum(**{name: stacked(name) for name in names})


def optimum(form: ScoreForm) -> Optimum:
    r"""The best α of a signed form; the formulas here are for one number α.

    .. math:: α^* = \frac{(M^{-1}c)_1}{(M^{-1}c)_0}, \qquad ᾱ = -\frac{c_0}{c_1}, \qquad
              α_{risk} = \frac{c_1(1-c_0) - M_{01}}{M_{11} + c_1^2}.

    (cᵀa)/√(aᵀMa) is largest along a ∝ M⁻¹c. Where that direction has (M⁻¹c)₀ ≤ 0, no finite α reaches it: the supremum
    |c₁|/√M₁₁ lies at α → sign(c₁)·∞. (theory.md, section 4.)
    """
    c, M = form.c, form.M
    if len(c) != 2:
        return _optimum_of_several(form)
    xp = namespace(c)
    d0 = M[1, 1] * c[0] - M[0, 1] * c[1]
    d1 = M[0, 0] * c[1] - M[0, 1] * c[0]
    # Without any source (M11 = 0 = c1) or any signal (c = 0) every α is as good: 0.
    at_infinity = (d0 < 0) | ((d0 == 0) & (c[1] != 0))
    with np.errstate(over="ignore"):  # beyond the largest double: ±inf
        best = xp.where(at_infinity, xp.copysign(xp.inf, c[1]), d1 / xp.where(d0 > 0, d0, 1.0))
    # The score at α* along (d₀, d₁), which does not overflow where α* is large.
    size = xp.abs(d0) + xp.abs(d1)
    nothing = size <= 1e-300  # nor can its inverse be had
    inverse = 1 / xp.where(nothing, 1.0, size)
    a0, a1 = xp.where(nothing, 1.0, d0 * inverse), d1 * inverse
    variance = (M[0, 0] * a0 + 2 * M[0, 1] * a1) * a0 + M[1, 1] * (a1 * a1)
    snr = (c[0] * a0 + c[1] * a1) / xp.sqrt(xp.where(variance > 0, variance, 1.0))
    far = xp.where(at_infinity, M[1, 1], 1.0)
    if xp is np and np.any(far <= 0):
        raise FloatingPointError(
            "starts must be larger: the square of one is below the range of double precision. Scale it up, and α down."
        )
    limit = xp.abs(c[1]) / xp.sqrt(far)
    square = M[1, 1] + c[1] * c[1]
    least_risk = (c[1] * (1 - c[0]) - M[0, 1]) / xp.where(square > 0, square, 1.0)  # 0/1 without a source
    risk = M[0, 0] + least_risk * (2 * M[0, 1] + least_risk * M[1, 1]) + (1 - c[0] - least_risk * c[1]) ** 2
    accuracy = normal_cdf(xp.where(at_infinity, limit, snr))
    direction = xp.where(at_infinity, xp.sign(c[1]), 0.0)
    nowhere = xp.where(c[0] == 0, 0.0, -xp.inf)  # where the mean does not depend on α: every α has mean 0, or none
    with np.errstate(over="ignore"):  # beyond the largest double: ±inf
        zero = xp.where(c[1] == 0, nowhere, -c[0] / xp.where(c[1] == 0, 1.0, c[1]))
    return Optimum(*map(plain, (best, accuracy, zero, at_infinity, least_risk, risk, direction)))


def _optimum_of_several(form: ScoreForm) -> Optimum:
    r"""The distinguished vectors α of several starts.

    .. math:: α^* = \frac{(M^{-1}c)_{1:}}{(M^{-1}c)_0}, \qquad
              α_{risk} = (M_{11} + c_1 c_1^T)^{-1} (c_1 (1 - c_0) - M_{10}), \qquad ᾱ = -\frac{c_0}{‖c_1‖^2} c_1

    with c = (c₀, c₁) and M in blocks. The half-space a₀ > 0 does not hold M⁻¹c where (M⁻¹c)₀ ≤ 0. Superlevel sets of
    (cᵀa)/√(aᵀMa) are convex, so the supremum then lies on its boundary a₀ = 0: α → ∞ along M₁₁⁻¹c₁. (theory.md,
    section 4; for several sources in ridge regression, compare arXiv 2210.12759.)
    """
    xp = namespace(form.c)
    c = xp.moveaxis(form.c, 0, -1)
    M = xp.moveaxis(form.M, (0, 1), (-2, -1))
    c0, c1, M10, M11 = c[..., :1], c[..., 1:], M[..., 1:, 0], M[..., 1:, 1:]
    d = solve_semidefinite(xp, M, c)
    at_infinity = (d[..., 0] <= 0) & xp.any(c1 != 0, -1)
    best = d[..., 1:] / xp.where(at_infinity, 1.0, xp.where(d[..., 0] == 0, 1.0, d[..., 0]))[..., None]
    far = solve_semidefinite(xp, M11, c1)
    length = xp.sqrt(xp.sum(far * far, -1, keepdims=True))
    direction = xp.where(at_infinity[..., None], far / xp.where(length == 0, 1.0, length), 0.0)
    snr2 = xp.where(at_infinity, xp.sum(c1 * far, -1), xp.sum(c * d, -1))
    infinite = xp.where(direction == 0, 0.0, xp.copysign(xp.inf, direction))
    best = xp.where(at_infinity[..., None], infinite, best)
    square = xp.sum(c1 * c1, -1, keepdims=True)
    nowhere = xp.where(c0 == 0, 0.0, -xp.inf)
    zero = xp.where(square == 0, nowhere, -c0 * c1 / xp.where(square == 0, 1.0, square))
    least_risk = solve_semidefinite(xp, M11 + c1[..., :, None] * c1[..., None, :], c1 * (1 - c0) - M10)
    # At its minimum a quadratic form is its constant plus half its linear term.
    risk = M[..., 0, 0] + (1 - c[..., 0]) ** 2 + xp.sum(least_risk * (M10 - c1 * (1 - c0)), -1)
    accuracy = normal_cdf(xp.sqrt(xp.maximum(snr2, 0.0)))
    return Optimum(*map(plain, (best, accuracy, zero, at_infinity, least_risk, risk, direction)))


def search(form: ScoreForm, threshold: str) -> Optimum:
    """`Optimum` of a general form without batch: least risk in closed form, the largest accuracy by a search."""
    risky = form.least_risk
    pick = (lambda v: plain(v[0])) if len(risky) == 1 else (lambda v: v)
    risk = form.moments(risky[0] if len(risky) == 1 else risky, threshold).risk
    if form.population is not None and form.population.is_regression:
        return Optimum(pick(risky), None, None, False, pick(risky), risk, pick(0 * risky))
    units = form.units

    def at(y: np.ndarray) -> Moments:
        return form.along(form.spread(directions(y, units)), threshold)

    ends = np.full(len(units), FARTHEST)
    # A start that no code sees decides nothing at infinity, either.
    infinite = len(units) == 1 and bool(np.any(form.seen.M[1, 1]))
    beside = np.clip(np.arcsinh(risky / units), -ends, ends)
    y, last, _ = best(at, [lambda m: m.accuracy], ends, FORM_SPACING, infinite=infinite, beside=beside)
    alpha, infinite, direction = at_the_end(y[0], ends, units)
    if infinite:
        a = directions(y, units)
        a[0] = 0.0
        last = form.along(form.spread(a), threshold)
    return Optimum(pick(alpha), float(last.accuracy[0]), None, infinite, pick(risky), risk, pick(direction))


def optimum_by_search(moments: Callable[[Any], Moments], form: ScoreForm, spacing: float = 0.5) -> Optimum:
    """`Optimum` where nothing is a form in α.

    `form`, one near it, says in which range to look; `spacing`, of the grid in y, is at most the width of a peak.
    """
    units = form.units
    pick = (lambda v: float(v[0])) if len(units) == 1 else (lambda v: v)
    # Least risk lies far beyond the units where training adds next to nothing to a start.
    ends = np.maximum(FAR, np.arcsinh(10 * np.abs(form.least_risk) / units))

    def at(y: np.ndarray, farther: float = 1.0) -> Moments:
        alpha = farther * units * np.sinh(y)
        return moments(alpha[:, 0] if len(units) == 1 else alpha)

    goals: list[Any] = [lambda m: -m.risk, lambda m: m.accuracy]
    is_regression = at(np.zeros((1, len(units)))).accuracy is None
    y, last, _ = best(at, goals[: 1 if is_regression else 2], ends, spacing)
    risky, risk = pick(units * np.sinh(y[0])), float(last.risk[0])
    if is_regression:
        return Optimum(risky, None, None, False, risky, risk, pick(0 * units))
    alpha, infinite, direction = at_the_end(y[1], ends, units)
    last = at(y, BEYOND) if infinite else last
    return Optimum(pick(alpha), float(last.accuracy[1]), None, infinite, risky, risk, pick(direction))
