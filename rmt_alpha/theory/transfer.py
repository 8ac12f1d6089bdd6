"""`predict` and `optimal_alpha`: source stages (or fixed sources), then a target stage."""

from __future__ import annotations

from typing import Any

from .._arrays import asarray, is_jax, namespace
from ..losses import Loss, as_loss, is_squared
from ..moments import Moments, Optimum, ScoreForm, optimum
from ..problem import NUMBERS, TransferProblem
from . import equivalents
from .losses import loss_moments
from .search import search_optimum
from .stage import Functionals, score_form, unanchored
from .weights import fixed_law, functionals, source_law, trained_law


def predict(
    problem: TransferProblem, alpha: Any, *, loss: str | Loss = "squared", source_loss: str | Loss = "squared"
) -> Moments:
    """Asymptotic mean, variance, accuracy and risk of w_α.

    Parameters: the problem, and α, which broadcasts against the problem's arrays (its leading axes, where several sources or
    groups make it a vector (..., K)); the losses of the target's and the source's training: "squared" (a closed form),
    "logistic", "squared_hinge", "huber", or a `Loss` of your own. Returns `Moments` of that common shape; the risk is the
    squared one, V + (1−m)², whatever the loss.
    Exact as n, N, p → ∞ at fixed ratios; `rmt_alpha.simulate` is its witness. Raises ValueError on a non-finite α.
    (arXiv 2510.21345, section 3; general covariances: theory.md, section 2.)

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> predict(problem, [0, 1, 7.5]).accuracy.round(4)
    array([0.5493, 0.6678, 0.7311])
    >>> print(f"{predict(problem, 1.0, loss='logistic').accuracy:.4f}")
    0.5867
    """
    both = as_loss("loss", loss), as_loss("source_loss", source_loss)
    if all(map(is_squared, both)):
        return transfer_form(problem).moments(alpha)
    problem.need_one_source("loss and source_loss other than 'squared'")
    _not_traced(problem, alpha)
    return loss_moments(problem, alpha, *both)


def optimal_alpha(
    problem: TransferProblem, *, loss: str | Loss = "squared", source_loss: str | Loss = "squared"
) -> Optimum:
    """The best and the worst α, the accuracy there, and the α of least risk, each with the problem's shape.

    A closed form under the squared loss on the target; otherwise a search (`rmt_alpha.theory.search` tells its accuracy).

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> best = optimal_alpha(problem)
    >>> print(f"α* = {best.best:.2f}: {best.accuracy:.4f}; ᾱ = {best.worst:.2f}; least risk at {best.min_risk:.2f}")
    α* = 7.47: 0.7311; ᾱ = -0.31; least risk at 3.29
    """
    both = as_loss("loss", loss), as_loss("source_loss", source_loss)
    if all(map(is_squared, both)):
        return optimum(transfer_form(problem))
    problem.need_one_source("loss and source_loss other than 'squared'")
    _not_traced(problem)
    return search_optimum(problem, *both)


def _not_traced(problem: TransferProblem, *values: Any) -> None:
    if is_jax(*(getattr(problem, name) for name in NUMBERS), *values):
        raise TypeError(
            "loss and source_loss must be 'squared' where JAX arrays are given: the fixed point of other losses is solved in "
            "NumPy, outside of jit, grad and vmap. Pass NumPy numbers."
        )


def transfer_form(problem: TransferProblem) -> ScoreForm:
    """The score's law for every α at once."""
    one_isotropic = problem.is_isotropic and not problem.sources
    return score_form(isotropic_functionals(problem) if one_isotropic else general_functionals(problem))


def _numbers(problem: TransferProblem) -> dict[str, Any]:
    """The problem's numbers as floating-point arrays of one namespace."""
    values = {name: getattr(problem, name) for name in NUMBERS if getattr(problem, name) is not None}
    xp = namespace(*values.values())
    return {name: asarray(xp, value) for name, value in values.items()}


def source_moments(problem: TransferProblem) -> tuple[Any, Any]:
    r"""s = ⟨E w̃, μ_β⟩ and q = E‖w̃‖² of an isotropic problem's source.

    .. math:: \tilde m = \frac{μ^2}{μ^2+1+\tildeκ}, \quad s = \tilde m \frac{⟨μ,μ_β⟩}{μ^2}, \quad
              q = \frac{\tilde m^2/μ^2 + (1-\tilde h)(1-\tilde m)^2}{\tilde h}
    """
    uu, uv, _ = problem.mean_products
    if not problem.has_trained_source:
        return uv, uu
    x = _numbers(problem)
    kappa, h, one_minus_h = equivalents.isotropic(x["dim"] / x["n_source"], x["gamma_source"])
    e, sigma2 = unanchored(Functionals(kappa, h, one_minus_h, uu / (1 + kappa), uu / (1 + kappa) ** 2))
    scale = e / (1 + kappa)
    return uv * scale, uu * scale * scale + sigma2 * one_minus_h


def isotropic_functionals(problem: TransferProblem) -> Functionals:
    """C = C̃ = I, where R is the number 1/(1+κ)."""
    x = _numbers(problem)
    vv = problem.mean_products[2]
    s, q = source_moments(problem)
    kappa, h, one_minus_h = equivalents.isotropic(x["dim"] / x["n_target"], x["gamma_target"])
    R = 1 / (1 + kappa)
    return Functionals(kappa, h, one_minus_h, vv * R, vv * R * R, [s * R], [s * R * R], [[q * R * R]])


def general_functionals(problem: TransferProblem) -> Functionals:
    """Any covariances, and any number of sources."""
    geometry = problem.geometry
    assert geometry is not None
    x = _numbers(problem)
    mu, mu_source = geometry.mean_coordinates
    if problem.sources:
        laws = [source_law(source) for source in problem.sources]
    elif geometry.w_source is not None:
        laws = [fixed_law(geometry.w_source)]
    else:
        assert geometry.cov_source is not None
        laws = [trained_law(mu_source, geometry.cov_source, x["n_source"], x["gamma_source"])]
    return functionals(mu, geometry.cov_target, x["n_target"], x["gamma_target"], laws, geometry.groups)
