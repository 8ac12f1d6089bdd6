r"""`Moments`: the law of the score at some α and what it says; the common result of theory and simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from .. import _checks as check
from .._arrays import is_tracer, jax, namespace, normal_cdf, plain, pytree
from ..problem import Fit, Population, TransferProblem
from .orthant import nearest_code_accuracy
from .tables import START, axes, frame

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

QUANTITIES = ("mean", "variance", "accuracy", "risk")
THRESHOLDS = ("zero", "best")
STATIC = {"static": True}
FAR = 40.0  # deviations beyond which no point lies, in double precision


@pytree
@dataclass(frozen=True, eq=False)
class Moments:
    r"""The law of the score at some α, and what it says: the common result of `predict` and `simulate`.

    | field | shape | meaning |
    |---|---|---|
    | `mean`, `variance` | shaped like α and the problem's arrays | of y·xᵀw, for two opposite classes |
    | | (K, q, …) and (K, q, q, …) | else: of Wᵀx, one row per component, one column per output (regression: of the error Wᵀx − W_tᵀx) |
    | `accuracy` | like α | of a test point; signed: below ½ two classes are inverted. None for regression |
    | `risk` | like α | E‖Wᵀx − y‖² against the true label |
    | `mean_se`, … | like the quantity | standard errors of simulated means, else None |
    | `mean_sd`, … | like the quantity | standard deviations over draws of the training sets, where they are known |
    | `n_trials`, `method` | | of a simulation, else None |
    | `alpha`, `problem`, `threshold`, `noise` | | what was asked, `noise` being that of the test points |
    """

    mean: Annotated[Any, "*scores *shape"]
    variance: Annotated[Any, "*products *shape"]
    accuracy: Annotated[Any, "*shape"]
    risk: Annotated[Any, "*shape"]
    mean_se: Annotated[Any, "*scores *shape"] = None
    variance_se: Annotated[Any, "*products *shape"] = None
    accuracy_se: Annotated[Any, "*shape"] = None
    risk_se: Annotated[Any, "*shape"] = None
    mean_sd: Annotated[Any, "*scores *shape"] = None
    variance_sd: Annotated[Any, "*products *shape"] = None
    accuracy_sd: Annotated[Any, "*shape"] = None
    risk_sd: Annotated[Any, "*shape"] = None
    alpha: Any = None
    problem: Fit | TransferProblem | None = None
    threshold: str | None = field(default=None, metadata=STATIC)
    noise: str | None = field(default=None, metadata=STATIC)
    n_trials: int | None = field(default=None, metadata=STATIC)
    method: str | None = field(default=None, metadata=STATIC)

    @property
    def folded_accuracy(self) -> Any:
        """max(accuracy, 1 − accuracy): what the published figures show."""
        return namespace(self.accuracy).maximum(self.accuracy, 1 - self.accuracy)

    @property
    def spread_se(self) -> dict[str, Any]:
        """Standard errors of the simulated deviations `…_sd`, by quantity: sd/√(2(T−1)), since moments over draws are
        asymptotically normal.
        """
        if self.n_trials is None:
            raise ValueError("spread_se must be asked of a simulation, got a theory. Theory has no sampling error.")
        factor = 1 / np.sqrt(2 * (self.n_trials - 1))
        return {q: getattr(self, f"{q}_sd") * factor for q in QUANTITIES if getattr(self, f"{q}_sd") is not None}

    def to_xarray(self) -> xr.Dataset:
        """The quantities as a dataset, with dimensions `component` and `output` where there are such, then `axis_0` ….

        α is a coordinate: of the last axis, then called `alpha`, where it is a vector of single numbers along it; else along all
        axes that it has, and `start` where it is several numbers.
        """
        import xarray

        leading = {"mean": ("component", "output"), "variance": ("component", "output", "output_2")}
        shape = np.shape(self.risk)
        own = axes(shape)
        coords: dict[str, Any] = {}
        if self.alpha is not None:
            alpha = np.asarray(self.alpha)
            along = alpha.shape if self.problem is None else self.problem.leading_axes(alpha)
            entries = alpha.shape[len(along) :]
            if along == shape[-1:] and along and not entries:
                own[-1] = "alpha"
                coords["alpha"] = alpha
            else:
                dims = (*(own if along else ()), *([START] if entries else ()))
                coords["alpha"] = dims, np.broadcast_to(alpha, (*(shape if along else ()), *entries))
        variables = {}
        for quantity in QUANTITIES:
            for suffix in ("", "_se", "_sd"):
                value = getattr(self, quantity + suffix)
                if value is not None:
                    extra = leading.get(quantity, ())[: max(np.ndim(value) - len(shape), 0)]
                    variables[quantity + suffix] = ((*extra, *own), np.asarray(value))
        named = {name: getattr(self, name) for name in ("threshold", "noise", "n_trials", "method")}
        attributes = {k: v for k, v in (*named.items(), ("problem", repr(self.problem))) if v is not None}
        return xarray.Dataset(variables, coords, attributes)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per α (and per component and output where there are such); several numbers α are `alpha_0`, `alpha_1` …."""
        return frame(self.to_xarray())

    def __repr__(self) -> str:
        shape = np.shape(self.risk)
        kind = "theory" if self.n_trials is None else f"{self.n_trials} trials, {self.method}"
        if shape:
            return f"Moments({kind}, shape={shape})"
        values = ", ".join(f"{q}={getattr(self, q):.4f}" for q in ("accuracy", "risk") if getattr(self, q) is not None)
        return f"Moments({kind}, {values})"


def moments(mean: Any, variance: Any, prior: Any = None) -> Moments:
    r"""Moments of a signed score N(m, V): accuracy Φ(m/√V) and risk V + (1−m)²; FloatingPointError if they are not finite.

    With the prior π of class +1 the score is cut at the best threshold instead of zero.
    """
    xp = namespace(mean, variance)
    with np.errstate(divide="ignore", invalid="ignore"):  # V = 0: certainly right, or certainly wrong
        if prior is None:
            accuracy = normal_cdf(mean / xp.sqrt(variance))
        else:
            t, sd = optimal_threshold(mean, -mean, variance, variance, prior), xp.sqrt(variance)
            accuracy = prior * normal_cdf((mean - t) / sd) + (1 - prior) * normal_cdf((mean + t) / sd)
    if xp is np and not np.isfinite(np.sum(accuracy)):
        accuracy = np.where((mean == 0) & (variance == 0), 0.5, accuracy)  # no weights at all decide by a coin
    if xp is np and not np.isfinite(np.sum(accuracy)):
        raise FloatingPointError(
            "the score's law left the range of double precision (variance "
            f"{np.min(variance):g} … {np.max(variance):g}). Rescale the problem: norms, penalties and α nearer to one."
        )
    return Moments(*map(plain, (mean, variance, accuracy, variance + (1 - mean) ** 2)))


def describe(population: Population, mean: Any, variance: Any, threshold: Any = "zero", seen: Any = None) -> Moments:
    r"""Moments of scores N(m_k, V_k) in every component: m (K, q, …), V (K, q, q, …).

    .. math:: \mathrm{risk} = \sum_k π_k (‖m_k - t_k‖^2 + \mathrm{tr} V_k)

    with t_k the true label (regression: the error's mean and variance, and the noise added). Two classes are told apart by a threshold
    on the score, "zero" or "best"; more by the nearest code. That may be given other scores, `seen` = (m, V, s), and codes s times
    as long: see `ScoreForm.along`. Raises FloatingPointError if a number is not finite.
    """
    check.choice("threshold", threshold, THRESHOLDS)
    xp = namespace(mean, variance, population.priors)
    priors = xp.asarray(population.priors)
    total = xp.einsum("kii...->k...", variance)
    if population.is_regression:
        if threshold != "zero":
            raise ValueError(
                f"threshold must be 'zero' for regression, got {threshold!r}: there is no class to decide for."
            )
        risk = xp.tensordot(priors, total + xp.sum(mean * mean, axis=1), axes=1) + xp.sum(
            xp.diagonal(population.noise[0])
        )
        return Moments(plain(mean), plain(variance), None, plain(_finite(xp, risk)))
    assert population.targets is not None and population.classes_of is not None
    of = np.array(population.classes_of)
    targets = np.asarray(population.targets)
    batch = (1,) * (mean.ndim - 2)
    true = targets[of].reshape(*targets[of].shape, *batch)
    risk = xp.tensordot(priors, total + xp.sum((mean - true) ** 2, axis=1), axes=1)
    if population.is_binary:
        t = _threshold(population, mean, variance, threshold)
        side = true[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = side * (mean[:, 0] - t)
            # Weights of 0 decide nothing: a coin's accuracy.
            right = normal_cdf(xp.where(beyond == 0, 0.0, beyond / xp.sqrt(variance[:, 0, 0])))
    else:
        if threshold != "zero":
            raise ValueError(
                f"threshold must be 'zero' for {len(targets)} classes, got {threshold!r}: the nearest code decides."
            )
        right = nearest_code_accuracy(targets, of, *(seen or (mean, variance)))
    return Moments(
        plain(mean), plain(variance), plain(_finite(xp, xp.tensordot(priors, right, axes=1))), plain(_finite(xp, risk))
    )


def checked(found: Moments) -> Moments:
    """A result, unless one of its numbers left double precision; tracers go unread."""
    for name in QUANTITIES:
        value = getattr(found, name, None)
        if value is not None and not is_tracer(value) and not np.all(np.isfinite(value)):
            raise FloatingPointError(
                f"the {name} of the score left the range of double precision. "
                f"Rescale the problem: norms, penalties and α must be nearer to one."
            )
    return found


def _finite(xp: Any, x: Any) -> Any:
    if xp is np and not np.isfinite(np.sum(x)):
        raise FloatingPointError(
            "the score's law left the range of double precision. "
            "Rescale the problem: norms, penalties and α nearer to one."
        )
    return x


def _threshold(population: Population, mean: Any, variance: Any, threshold: Any) -> Any:
    if threshold == "zero":
        return 0.0
    if population.classes_of not in ((0, 1), (1, 0)):
        raise ValueError(
            f"threshold 'best' needs one component in each class, got {population.components} components. Use threshold='zero'."
        )
    plus, minus = population.classes_of.index(0), population.classes_of.index(1)
    prior = population.priors[plus]
    return optimal_threshold(mean[plus, 0], mean[minus, 0], variance[plus, 0, 0], variance[minus, 0, 0], prior)


def optimal_threshold(m_plus: Any, m_minus: Any, V_plus: Any, V_minus: Any, prior: Any) -> Any:
    r"""The t with the largest π₊Φ((m₊−t)/√V₊) + π₋Φ((t−m₋)/√V₋).

    Where the weighted densities cross, at² + bt + c = 0 with

    .. math:: a = \tfrac12(V_-^{-1} - V_+^{-1}), \quad b = \frac{m_+}{V_+} - \frac{m_-}{V_-}, \quad
              c = \tfrac12\Big(\frac{m_-^2}{V_-} - \frac{m_+^2}{V_+} + \log\frac{V_-}{V_+}\Big) + \log\frac{π_+}{π_-},

    or ±∞ where no crossing beats calling everything one class (under JAX so far out that all points are of one class: an
    infinite t has no derivative).
    """
    middle = (m_plus + m_minus) / 2  # squares of means counted from elsewhere would hide all else where V is small
    law = (m_plus - middle, m_minus - middle, V_plus, V_minus, prior)
    xp = namespace(*law)
    if xp is np:
        return middle + _highest(np, *law)
    # Found on constants; a step of Newton's method at the crossing then carries its derivatives.
    still = [jax.lax.stop_gradient(x) for x in law]
    t = _highest(xp, *still)
    far = xp.isinf(t)
    inner = xp.where(far, 0.0, t)
    a, b, c = _crossing(xp, *law)
    slope = 2 * a * inner + b
    stays = far | (slope == 0)
    step = xp.where(stays, 0.0, (a * inner + b) * inner + c) / xp.where(stays, 1.0, slope)
    beyond = xp.abs(still[0]) + xp.abs(still[1]) + FAR * xp.sqrt(still[2] + still[3])
    return middle + xp.where(far, xp.sign(t) * beyond, inner - step)


def _crossing(xp: Any, m_plus: Any, m_minus: Any, V_plus: Any, V_minus: Any, prior: Any) -> tuple[Any, Any, Any]:
    """a, b and c."""
    a, b = (1 / V_minus - 1 / V_plus) / 2, m_plus / V_plus - m_minus / V_minus
    c = (m_minus**2 / V_minus - m_plus**2 / V_plus + xp.log(V_minus / V_plus)) / 2 + xp.log(prior / (1 - prior))
    return a, b, c


def _highest(xp: Any, m_plus: Any, m_minus: Any, V_plus: Any, V_minus: Any, prior: Any) -> Any:
    """The best of the crossings and ±∞."""
    a, b, c = _crossing(xp, m_plus, m_minus, V_plus, V_minus, prior)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        q = -(b + xp.copysign(xp.sqrt(b**2 - 4 * a * c), b)) / 2  # no cancellation where a is small or zero
        candidates = xp.stack([q / a, c / q, xp.full_like(q, -xp.inf), xp.full_like(q, xp.inf)])
    plus, minus = (
        normal_cdf((m_plus - candidates) / xp.sqrt(V_plus)),
        normal_cdf((candidates - m_minus) / xp.sqrt(V_minus)),
    )
    gain = prior * plus + (1 - prior) * minus
    # Complex roots and 0/0 are no candidates.
    best = xp.argmax(xp.where(xp.isnan(gain), -1.0, gain), axis=0)
    return xp.take_along_axis(candidates, best[None], axis=0)[0]
