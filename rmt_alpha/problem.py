"""`TransferProblem`: the one object that theory and simulation both take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _checks as check
from ._arrays import is_jax, pytree
from .geometry import Covariance, Geometry
from .sources import Pool, Source

NUMBERS = ("n_source", "n_target", "dim", "mu", "mu_orth", "beta", "gamma_source", "gamma_target")


@pytree
@dataclass(frozen=True, eq=False)
class TransferProblem:
    r"""Ridge fine-tuning of w = α·w̃ + a, from a source task to a target task.

    Two balanced classes y = ±1 with x = y·μ + C̃^{1/2}z at the source and x = y·μ_β + C^{1/2}z at the target, where

    .. math:: μ_β = β μ + \sqrt{1-β^2}\, μ_⊥, \qquad μ_⊥ ⟂ μ.

    Every number may be an array; they broadcast, and so do the results.

    | field | symbol | permitted |
    |---|---|---|
    | `n_source`, `n_target` | N, n: sample sizes | whole, ≥ 1 |
    | `dim` | p | whole, ≥ 2 |
    | `mu`, `mu_orth` | ‖μ‖, ‖μ_⊥‖, in units of the noise | ≥ 0 |
    | `beta` | β: alignment of the two tasks | −1 … 1 |
    | `gamma_source`, `gamma_target` | γ̃, γ: ridge penalties | ≥ 0 (0: ridgeless, not at n = p) |

    `from_means`, `from_source` and `from_sources` build problems with arbitrary means and covariances, a fixed source
    classifier, or several sources.
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
    geometry: Geometry | None = field(default=None, metadata={"static": True})
    sources: tuple[Source | Pool, ...] = ()

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 (the way into a frozen dataclass)
        set_("n_target", check.size("n_target", self.n_target))
        set_("gamma_target", check.real("gamma_target", self.gamma_target, low=0))
        if self.has_trained_source:
            set_("n_source", check.size("n_source", self.n_source))
            set_("gamma_source", check.real("gamma_source", self.gamma_source, low=0))
        if self.geometry is None:
            set_("dim", check.size("dim", self.dim, low=2))
            set_("mu", check.real("mu", self.mu, low=0, remedy="It is the norm of the source mean."))
            set_("mu_orth", check.real("mu_orth", self.mu_orth, low=0, remedy="It is the norm of the orthogonal part."))
            set_("beta", check.real("beta", self.beta, low=-1, high=1, remedy="It is a cosine."))
        check.broadcastable(**self._numbers(), **self._source_axes())
        self._check_ridgeless("target")
        if self.has_trained_source:
            self._check_ridgeless("source")

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
    ) -> TransferProblem:
        """Arbitrary means (p,) and covariances: None is the identity, (p,) a spectrum, (p, p) a matrix.

        Sample sizes and penalties may be arrays. Source and target covariances need not commute. Pass the same array
        object for both covariances to have it decomposed once.

        >>> mean = np.full(50, 0.1)
        >>> problem = TransferProblem.from_means(
        ...     mean, -mean, n_source=500, n_target=25, gamma_source=1.0, gamma_target=1.0, cov_target=np.geomspace(0.1, 10, 50)
        ... )
        >>> print(f"{optimal_alpha(problem).best:.2f}")
        -6.34
        """
        mean_target = check.vector("mean_target", mean_target)
        dim = mean_target.shape[0]
        target = Covariance(cov_target, dim, "cov_target")
        source = target if cov_source is cov_target else Covariance(cov_source, dim, "cov_source")
        geometry = Geometry(mean_target, target, check.vector("mean_source", mean_source, dim), source)
        return cls(n_source, n_target, dim, None, None, None, gamma_source, gamma_target, geometry)

    @classmethod
    def from_source(
        cls, w_source: Any, mean_target: Any, *, n_target: Any, gamma_target: Any, cov_target: Any = None
    ) -> TransferProblem:
        """A fixed, arbitrary source classifier w̃ (p,); leading axes (..., p) broadcast with the numbers.

        >>> problem = TransferProblem.from_source(np.ones(50), np.full(50, 0.1), n_target=25, gamma_target=1.0)
        >>> print(f"{optimal_alpha(problem).best:.2f}")
        0.28
        """
        mean_target = check.vector("mean_target", mean_target)
        dim = mean_target.shape[0]
        w_source = np.asarray(check.real("w_source", w_source))
        if w_source.ndim == 0 or w_source.shape[-1] != dim:
            raise ValueError(
                f"w_source must have shape ({dim},) or (..., {dim}), like mean_target, got {w_source.shape}."
            )
        geometry = Geometry(mean_target, Covariance(cov_target, dim, "cov_target"), w_source=w_source)
        return cls(None, n_target, dim, None, None, None, None, gamma_target, geometry)

    @classmethod
    def from_sources(
        cls,
        sources: Iterable[Source | Pool],
        mean_target: Any,
        *,
        n_target: Any,
        gamma_target: Any,
        cov_target: Any = None,
        groups: Any = None,
    ) -> TransferProblem:
        r"""K independent sources, and one α for each (and for each group of coordinates).

        .. math:: w_α = \sum_k \sum_g α_{kg} P_g \tilde w_k + a

        α then is (..., K·G), the groups of the first source first; a plain number where K·G = 1. `groups` (p,) holds the group
        0 … G−1 of each coordinate, P_g projects on it; None is one group. Numbers inside the sources broadcast too.
        (With one source and one group, the linear estimator of angleTL, arXiv 2210.12759.)

        >>> e = np.eye(3, 300)
        >>> general = Source(e[0], n=5000, gamma=1.0)
        >>> related = Source(0.8 * e[0] + 0.6 * e[1], n=300, gamma=1.0, start=general, alpha=2.0)  # fine-tuned from the first
        >>> target = 0.8 * e[1] + 0.6 * e[2]
        >>> problem = TransferProblem.from_sources([related, Source.fixed(e[2])], target, n_target=40, gamma_target=1.0)
        >>> print(f"{predict(problem, [1.5, -0.3]).accuracy:.4f}")
        0.5265
        >>> optimal_alpha(problem).best.round(2)  # one number a source
        array([0.2 , 0.58])
        """
        sources = tuple(sources)
        if not sources or not all(isinstance(s, Source | Pool) for s in sources):
            raise TypeError(
                f"sources must be a non-empty list of Source, got {sources!r:.60}. Use Source.fixed(w) for a vector."
            )
        mean_target = check.vector("mean_target", mean_target)
        dim = mean_target.shape[0]
        for k, source in enumerate(sources):
            if source.dim != dim:
                raise ValueError(f"sources[{k}] must have the dimension of mean_target, {dim}, got {source.dim}.")
        target = cov_target if isinstance(cov_target, Covariance) else Covariance(cov_target, dim, "cov_target")
        geometry = Geometry(mean_target, target, groups=None if groups is None else check.labels("groups", groups, dim))
        return cls(None, n_target, dim, None, None, None, None, gamma_target, geometry, sources)

    @property
    def has_trained_source(self) -> bool:
        """Is w̃ the random outcome of the one source stage (rather than a given vector, or several sources)?"""
        return self.geometry is None or self.geometry.mean_source is not None

    @property
    def n_alpha(self) -> int:
        """How many numbers α is: sources times groups of coordinates."""
        return max(len(self.sources), 1) * (1 if self.geometry is None else self.geometry.n_groups)

    def need_one_source(self, what: str) -> None:
        """ValueError where sources are listed."""
        if self.sources:
            raise ValueError(f"{what} must not meet a problem made by from_sources. Use from_means or from_source.")

    @property
    def is_isotropic(self) -> bool:
        """Are all covariances the identity?"""
        return self.geometry is None or (self.geometry.is_isotropic and all(s.is_isotropic for s in self.sources))

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
        return check.broadcastable(**self._numbers(), **self._source_axes())

    @property
    def mean_products(self) -> tuple[Any, Any, Any]:
        """‖μ‖², ⟨μ, μ_β⟩ and ‖μ_β‖²: all that the isotropic problem knows of its means. A fixed source w̃ takes the place of μ."""
        if self.geometry is None:
            mu2 = self.mu * self.mu
            orthogonal = (1 - self.beta) * (1 + self.beta) * self.mu_orth * self.mu_orth
            return mu2, self.beta * mu2, self.beta * self.beta * mu2 + orthogonal
        geometry = self.geometry
        first = geometry.mean_source if self.has_trained_source else geometry.w_source
        second = geometry.mean_target
        assert first is not None
        return np.sum(first * first, axis=-1), np.sum(first * second, axis=-1), np.sum(second * second)

    def cells(self) -> Iterator[TransferProblem]:
        """The problem's scalar cells, in C order."""
        if not self.shape:
            yield self
            return
        numbers = {k: np.broadcast_to(v, self.shape) for k, v in self._numbers().items()}
        for index in np.ndindex(self.shape):
            sources = tuple(s.at(index, self.shape) for s in self.sources)
            scalars = {k: v[index].item() for k, v in numbers.items()}
            yield dataclasses.replace(self, geometry=self._geometry_at(index), sources=sources, **scalars)

    def cells_along(
        self, alpha: np.ndarray
    ) -> tuple[tuple[int, ...], Iterator[tuple[tuple, TransferProblem, np.ndarray]]]:
        """The common shape of α and the problem, and for each scalar cell (its place there, the cell, its part of α).

        The entries of a vector α are no part of the shape.
        """
        entries = (self.n_alpha,) if self.n_alpha > 1 else ()
        leading = alpha.shape[: alpha.ndim - len(entries)]
        if alpha.shape != (*leading, *entries):
            raise ValueError(
                f"alpha must have one entry a source, shape (..., {self.n_alpha}) (or for each source and group), "
                f"got {alpha.shape}."
            )
        shape = check.broadcastable(alpha=np.broadcast_to(0, leading), problem=np.broadcast_to(0, self.shape))
        alphas = np.broadcast_to(alpha, (*shape, *entries))
        padded = (1,) * (len(shape) - len(self.shape)) + self.shape

        def pieces() -> Iterator[tuple[tuple, TransferProblem, np.ndarray]]:
            for index, cell in zip(np.ndindex(padded), self.cells(), strict=True):
                # A problem's axis of length one meets a whole axis of α.
                place = tuple(slice(None) if extent == 1 else i for i, extent in zip(index, padded, strict=True))
                yield place, cell, np.asarray(alphas[place])

        return shape, pieces()

    def _geometry_at(self, index: tuple[int, ...]) -> Geometry | None:
        if self.geometry is None or self.geometry.w_source is None or self.geometry.w_source.ndim == 1:
            return self.geometry
        w = self.geometry.w_source
        return dataclasses.replace(self.geometry, w_source=np.broadcast_to(w, (*self.shape, w.shape[-1]))[index])

    def _numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in NUMBERS if getattr(self, name) is not None}

    def _source_axes(self) -> dict[str, Any]:
        """The sources' parameters, with a stand-in for the leading axes of vectors, for broadcasting."""
        if self.sources:
            return {k: v for i, s in enumerate(self.sources) for k, v in s.axes(f"sources[{i}]").items()}
        if self.geometry is None or self.geometry.w_source is None:
            return {}
        return {"w_source": self.geometry.w_source[..., 0]}

    def _check_ridgeless(self, stage: str) -> None:
        """γ = 0 has no limit at n = p, nor where the covariance is singular."""
        gamma, n = getattr(self, f"gamma_{stage}"), getattr(self, f"n_{stage}")
        check.ridgeless(stage, gamma, n, self.dim)
        cov = getattr(self.geometry, f"cov_{stage}", None)
        if cov is not None and cov.is_singular and not is_jax(gamma) and np.any(np.asarray(gamma) == 0):
            raise ValueError(
                f"gamma_{stage} must be positive where cov_{stage} is singular, got 0. "
                f"Choose gamma_{stage} > 0, or drop the directions without noise."
            )
