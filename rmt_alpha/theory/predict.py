"""`predict`: the law of the score, by whichever solver the problem admits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import in_numpy, plain
from ..problem import Fit, TransferProblem, is_squared
from ..results import Moments, ScoreForm, checked_alpha, describe, moments
from ..results.moments import THRESHOLDS, checked
from . import convex, finite_size, localised, low_rank
from . import spread as spreads
from .isotropic import transfer_form
from .stage import train

Problem = Fit | TransferProblem


@np.errstate(all="ignore")  # what leaves double precision is an error, at the end
def predict(
    problem: Problem,
    alpha: Any = None,
    *,
    threshold: str = "zero",
    noise: str = "gaussian",
    spread: bool = False,
    finite: bool = False,
) -> Moments:
    """Asymptotic mean, variance, accuracy and risk of a fit at α.

    | parameter | meaning |
    |---|---|
    | `problem` | a `Fit` or a `TransferProblem`; arrays in it broadcast against α |
    | `alpha` | the scales of the starts: any shape for one, (…, J) for several, (…, J·q) per output; None for a fit without starts |
    | `threshold` | where two classes are told apart: "zero" or "best", which is the limit's own best |
    | `noise` | of the test points, "gaussian", "rademacher" or "student": it matters where the means or starts sit on few coordinates |
    | `spread` | also the standard deviations over draws of the training sets, `accuracy_sd` … (isotropic noise and one source only) |
    | `finite` | means over draws at the problem's own sizes, off by O(1/p²) instead of O(1/p) (as for `spread`) |

    Exact as all sample sizes and p → ∞ at fixed ratios; `simulate` is its witness. Returns `Moments`. Raises
    ValueError or TypeError, naming the parameter, FloatingPointError where the result leaves double precision,
    ArithmeticError where a fixed point does not settle. (arXiv 2510.21345, section 3; theory.md, sections 2, 5 and
    9.)

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> predict(problem, [0, 1, 7.5]).accuracy.round(4)
    array([0.5493, 0.6678, 0.7311])
    >>> mu = np.full(100, 0.1)
    >>> print(f"{predict(Fit(Population.two_classes(mu, -mu), n=200, gamma=1.0)).accuracy:.4f}")
    0.7812
    """
    alpha = checked_alpha(problem, alpha)
    check.choice("threshold", threshold, THRESHOLDS)
    check.choice("noise", noise, tuple(localised.CHARACTERISTIC))
    spread, finite = check.flag("spread", spread), check.flag("finite", finite)
    if finite:
        _require_plain(noise, threshold)
        found = checked(finite_size.moments(problem, alpha))
    else:
        found = checked(_moments(problem, alpha, threshold))
    if noise != "gaussian" and isinstance(problem, Fit):  # a TransferProblem's means lie in no particular direction
        found = dataclasses.replace(found, accuracy=plain(_localised(problem, alpha, noise, threshold)))
    if spread:
        found = dataclasses.replace(found, **spreads.deviations(problem, alpha))
    asked = plain(alpha) if problem.n_alpha else None
    return dataclasses.replace(found, alpha=asked, problem=problem, threshold=threshold, noise=noise)


def _require_plain(noise: str, threshold: str) -> None:
    if noise != "gaussian" or threshold != "zero":
        raise ValueError(
            f"finite must be False unless noise is 'gaussian' and threshold 'zero', got {noise!r} and {threshold!r}: "
            f"no formula is known beyond. simulate(…) answers it."
        )


def _localised(fit: Fit, alpha: Any, noise: str, threshold: str) -> Any:
    if threshold != "zero":
        raise ValueError(
            f"threshold must be 'zero' with noise {noise!r}, got {threshold!r}: the best one is known for Gaussian scores only."
        )
    fit, alpha = in_numpy(check.concrete("problem", fit)), in_numpy(check.concrete("alpha", alpha))
    if not fit.shape:
        return localised.accuracy(fit, alpha, noise)
    shape, pieces = fit.cells_along(np.asarray(alpha))
    out = np.empty(shape)
    for place, cell, part in pieces:
        out[place] = localised.accuracy(cell, part, noise)
    return out


def _moments(problem: Problem, alpha: Any, threshold: str) -> Moments:
    if isinstance(problem, TransferProblem):
        if problem.is_squared:
            return transfer_form(problem).moments(alpha, threshold)
        mean, variance = convex.transfer(problem, alpha)
        return _signed(mean, variance, threshold)
    if not is_squared(problem.loss):
        mean, variance = convex.moments(problem, alpha)
        if problem.population.is_opposite and not problem.intercept:
            return _signed(mean, variance, threshold, problem.population.priors[0])
        return describe(problem.population, mean, variance, threshold)
    if problem.rank is not None and problem.rank < problem.population.outputs:
        return low_rank.moments(problem, alpha, threshold)
    if problem.shape and not batched(problem):
        return of_cells(problem, alpha, lambda cell, part: score_form(cell).moments(part, threshold))
    return score_form(problem).moments(alpha, threshold)


def _signed(mean: Any, variance: Any, threshold: str, prior: Any = 0.5) -> Moments:
    return moments(mean, variance, prior if threshold == "best" else None)


def score_form(problem: Problem) -> ScoreForm:
    """The score's law for every α at once, of squared losses at full rank; trailing axes are the problem's arrays."""
    if isinstance(problem, TransferProblem):
        return transfer_form(problem)
    known = problem.__dict__.get("_form")
    if known is None:
        known = train(problem).form
        if not problem.uses_jax:  # kept with the fit, as its digest is: another α is a few products
            object.__setattr__(problem, "_form", known)
    return known


def batched(fit: Fit) -> bool:
    """Are arrays in the fit solved at once? The dense resolvent, other losses and low ranks are taken cell by cell."""
    simple = all(f.population.has_one_covariance and f.population.covariances[0].has_eigenbasis for f in fit.lineage)
    full = all(f.rank is None or f.rank == f.population.outputs for f in fit.lineage)
    return simple and full and fit.is_squared and _diagonal_all_the_way(fit)


def _diagonal_all_the_way(fit: Fit) -> bool:
    """Is no law on the way a full matrix? Then every stage is spectral."""
    if all(f.population.covariances[0].basis is None for f in fit.lineage):
        return True
    return all(not f.starts or all(isinstance(s, Fit) and not s.starts for s in f.starts) for f in fit.lineage)


def of_cells(fit: Fit, alpha: Any, one: Callable[[Fit, Any], Moments]) -> Moments:
    """The moments of an array of fits, one after the other."""
    shape, pieces = fit.cells_along(alpha)
    out: dict[str, Any] = {}
    for place, cell, alphas in pieces:
        part = one(cell, alphas)
        for name in ("mean", "variance", "accuracy", "risk"):
            value = getattr(part, name)
            if value is None:
                continue
            lead = np.shape(value)[: np.ndim(value) - np.ndim(part.risk)]
            out.setdefault(name, np.empty((*lead, *shape)))[(..., *place)] = value
    return Moments(out["mean"], out["variance"], out.get("accuracy"), out["risk"])
