"""`TransferProblem`: the eight numbers of the paper, as a front that builds a `Fit`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import STATIC, namespace, pytree
from .fit import Cells, Fit
from .losses import as_loss, is_squared
from .population import Population

NUMBERS = ("n_source", "n_target", "dim", "mu", "mu_orth", "beta", "gamma_source", "gamma_target")


@pytree
@dataclass(frozen=True, eq=False)
class TransferProblem(Cells):
    r"""Fine-tuning of w = α·w̃ + a, from a source task to a target task, with isotropic noise.

    Two balanced classes y = ±1 with x = y·μ + z at the source and x = y·μ_β + z at the target, where

    .. math:: μ_β = β μ + \sqrt{1-β^2}\, μ_⊥, \qquad μ_⊥ ⟂ μ.

    Every number may be an array; they broadcast, and so do the results.

    | field | symbol | permitted |
    |---|---|---|
    | `n_source`, `n_target` | N, n: sample sizes | whole, ≥ 1 |
    | `dim` | p | whole, ≥ 2 |
    | `mu`, `mu_orth` | ‖μ‖, ‖μ_⊥‖, in units of the noise | ≥ 0 |
    | `beta` | β: alignment of the two tasks | −1 … 1 |
    | `gamma_source`, `gamma_target` | γ̃, γ: ridge penalties | ≥ 0 (0: ridgeless, not at n = p; > 0 with a loss) |
    | `loss`, `source_loss` | of the target's and of the source's training | "squared", "logistic", "squared_hinge", "huber" or a `Loss` |

    `from_means` and `from_source` build the `Fit` of arbitrary means and covariances, or of a fixed source classifier.
    Notation: arXiv 2510.21345, section 3. Raises ValueError or TypeError, naming the parameter.

    >>> problem = TransferProblem(
    ...     n_source=5000, n_target=40, dim=1000, mu=0.8, mu_orth=0.8, beta=[0.0, 0.9], gamma_source=5.0, gamma_target=0.1
    ... )
    >>> problem.aspect_target, problem.shape
    (25.0, (2,))
    """

    n_source: Any
    n_target: Any
    dim: Any
    mu: Any
    mu_orth: Any
    beta: Any
    gamma_source: Any
    gamma_target: Any
    loss: Any = dataclasses.field(default="squared", metadata=STATIC)
    source_loss: Any = dataclasses.field(default="squared", metadata=STATIC)

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 (the way into a frozen dataclass)
        set_("n_source", check.size("n_source", self.n_source))
        set_("n_target", check.size("n_target", self.n_target))
        set_("dim", check.size("dim", self.dim, low=2))
        set_("mu", check.real("mu", self.mu, low=0, remedy="It is the norm of the source mean."))
        set_("mu_orth", check.real("mu_orth", self.mu_orth, low=0, remedy="It is the norm of the orthogonal part."))
        set_("beta", check.real("beta", self.beta, low=-1, high=1, remedy="It is a cosine."))
        set_("gamma_source", check.real("gamma_source", self.gamma_source, low=0))
        set_("gamma_target", check.real("gamma_target", self.gamma_target, low=0))
        set_("loss", as_loss("loss", self.loss))
        set_("source_loss", as_loss("source_loss", self.source_loss))
        self.shape  # noqa: B018 (raises where arrays do not broadcast)
        for stage in ("source", "target"):
            n, gamma = getattr(self, f"n_{stage}"), getattr(self, f"gamma_{stage}")
            check.ridgeless(f"gamma_{stage}", f"n_{stage}", gamma, n, self.dim)
            loss = self.loss if stage == "target" else self.source_loss
            if not is_squared(loss):
                check.real(
                    f"gamma_{stage}", gamma, low=np.finfo(float).tiny, remedy=f"The {loss.name} loss needs a penalty."
                )

    @classmethod
    def from_means(
        cls,
        mean_source: Any,
        mean_target: Any,
        *,
        n_source: Any,
        n_target: Any,
        gamma_source: Any,
        gamma_target: Any,
        cov_source: Any = None,
        cov_target: Any = None,
        loss: Any = "squared",
        source_loss: Any = "squared",
    ) -> Fit:
        """The fit of arbitrary means (p,) and covariances: None is the identity, (p,) a spectrum, (p, p) a matrix.

        Sample sizes and penalties may be arrays. Source and target covariances need not commute. Pass the same array
        object for both covariances to have it decomposed once.

        >>> mean = np.full(50, 0.1)
        >>> fit = TransferProblem.from_means(
        ...     mean, -mean, n_source=500, n_target=25, gamma_source=1.0, gamma_target=1.0, cov_target=np.geomspace(0.1, 10, 50)
        ... )
        >>> print(f"{optimal_alpha(fit).alpha:.2f}")
        -6.34
        """
        mean_target = check.vector("mean_target", mean_target)
        mean_source = check.vector("mean_source", mean_source, len(mean_target), check.SHARED)
        target = _opposite(mean_target, cov_target, "cov_target")
        shared = target.covariances[0] if cov_source is cov_target else cov_source
        source = _opposite(mean_source, shared, "cov_source")
        _check_stages(n_source=n_source, n_target=n_target, gamma_source=gamma_source, gamma_target=gamma_target)
        start = Fit(source, n_source, gamma_source, loss=as_loss("source_loss", source_loss))
        return Fit(target, n_target, gamma_target, starts=[start], loss=as_loss("loss", loss))

    @classmethod
    def from_source(
        cls,
        w_source: Any,
        mean_target: Any,
        *,
        n_target: Any,
        gamma_target: Any,
        cov_target: Any = None,
        loss: Any = "squared",
    ) -> Fit:
        """The fit that starts from a fixed, arbitrary source classifier w̃ (p,).

        >>> fit = TransferProblem.from_source(np.ones(50), np.full(50, 0.1), n_target=25, gamma_target=1.0)
        >>> print(f"{optimal_alpha(fit).alpha:.2f}")
        0.28
        """
        mean_target = check.vector("mean_target", mean_target)
        w_source = check.vector("w_source", w_source, len(mean_target), check.SHARED)
        _check_stages(n_target=n_target, gamma_target=gamma_target)
        return Fit(
            _opposite(mean_target, cov_target, "cov_target"), n_target, gamma_target, starts=[w_source], loss=loss
        )

    @property
    def aspect_source(self) -> Any:
        """η̃ = p/N."""
        return self.dim / self.n_source

    @property
    def aspect_target(self) -> Any:
        """η = p/n."""
        return self.dim / self.n_target

    @property
    def shape(self) -> tuple[int, ...]:
        """The common shape of all parameters."""
        return check.broadcastable(**{name: getattr(self, name) for name in NUMBERS})

    @property
    def is_squared(self) -> bool:
        return is_squared(self.loss) and is_squared(self.source_loss)

    @property
    def mean_products(self) -> tuple[Any, Any, Any]:
        """‖μ‖², ⟨μ, μ_β⟩ and ‖μ_β‖²: all that the isotropic problem knows of its means."""
        mu2 = self.mu * self.mu
        orthogonal = (1 - self.beta) * (1 + self.beta) * self.mu_orth * self.mu_orth
        return mu2, self.beta * mu2, self.beta * self.beta * mu2 + orthogonal

    @cached_property
    def fit(self) -> Fit:
        """The same problem as a `Fit`, its means in the plane that they span; for scalar β, norms and p (any n and
        γ).
        """
        for name in ("dim", "mu", "mu_orth", "beta"):
            if np.ndim(getattr(self, name)):
                raise ValueError(
                    f"{name} must be one number to make a Fit of, got shape {np.shape(getattr(self, name))}. Iterate over cells()."
                )
        xp = namespace(self.mu, self.mu_orth, self.beta)
        mean_source = xp.stack([xp.asarray(self.mu, dtype=float), xp.zeros(())])
        along, across = self.beta * self.mu, xp.sqrt((1 - self.beta) * (1 + self.beta)) * self.mu_orth
        mean_target = xp.stack([xp.asarray(along, dtype=float), xp.asarray(across, dtype=float)])
        dim = int(self.dim)
        source = Fit(_opposite(mean_source, None, "", dim), self.n_source, self.gamma_source, loss=self.source_loss)
        return Fit(
            _opposite(mean_target, None, "", dim), self.n_target, self.gamma_target, starts=[source], loss=self.loss
        )

    @property
    def n_alpha(self) -> int:
        """How many numbers α is."""
        return 1

    def leading_axes(self, alpha: Any) -> tuple[int, ...]:
        """The shape of α, whose axes are all those of problems."""
        return np.shape(alpha)

    def cells(self) -> Iterator[TransferProblem]:
        """The problem's scalar cells, in C order."""
        shape = self.shape
        if not shape:
            yield self
            return
        numbers = {name: np.broadcast_to(getattr(self, name), shape) for name in NUMBERS}
        for index in np.ndindex(shape):
            yield dataclasses.replace(self, **{k: v[index].item() for k, v in numbers.items()})

    def __repr__(self) -> str:
        show = lambda x: repr(x) if not np.ndim(x) else f"array{np.shape(x)}"  # noqa: E731
        losses = [f"{n}={getattr(self, n).name!r}" for n in ("loss", "source_loss") if not is_squared(getattr(self, n))]
        return f"TransferProblem({', '.join([*(f'{n}={show(getattr(self, n))}' for n in NUMBERS), *losses])})"


def checked_problem(problem: Any) -> Fit | TransferProblem:
    """The problem, if it is one; else TypeError."""
    if not isinstance(problem, Fit | TransferProblem):
        raise TypeError(
            f"problem must be a Fit or a TransferProblem, got {type(problem).__name__}. It comes first: predict(problem, alpha)."
        )
    return problem


def as_fit(fit: Any) -> Fit:
    """The fit of a problem; TypeError for what is none."""
    fit = fit.fit if isinstance(fit, TransferProblem) else fit
    if not isinstance(fit, Fit):
        raise TypeError(f"fit must be a Fit or a TransferProblem, got {type(fit).__name__}.")
    return fit


def _opposite(mean: Any, covariance: Any, name: str, dim: int | None = None) -> Population:
    from .covariance import Covariance

    if name and not isinstance(covariance, Covariance):
        covariance = Covariance(covariance, len(mean), name)  # so that errors say the name that was typed
    population = Population.two_classes(mean, -mean, covariance=covariance, dim=dim)
    return dataclasses.replace(population, is_opposite=True)


def _check_stages(**numbers: Any) -> None:
    for name, value in numbers.items():
        check.size(name, value) if name.startswith("n_") else check.real(name, value, low=0)
