"""Classes that differ: flipped labels, unequal priors, a covariance for each class. The population and the problem."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import _checks as check
from .geometry import Covariance

SMALLEST_GAMMA = 1e-10
PRIOR_SUM = 1e-8  # what rounding may leave of Σ π − 1


@dataclass(frozen=True, eq=False)
class Mixture:
    """A population of K Gaussian components: x = μ_k + C_k^{1/2} z with probability π_k.

    | field | symbol | permitted |
    |---|---|---|
    | `priors` | π_k (K,) | > 0, sum 1 |
    | `means` | μ_k (K, p) | finite; not signed by the class, not necessarily opposite |
    | `labels` | y_k (K,): the true class | −1 or +1; a class may have several components |
    | `covariances` | C_k: K entries as in `TransferProblem.from_means` | None: all identity; they need not commute |
    | `flips` | ε_k: the rate at which *training* labels are flipped | 0 … 1; one number or (K,) |

    The usual case, one component a class, is `Mixture.two_classes`. Raises ValueError or TypeError, naming the parameter.
    """

    priors: Any
    means: Any
    labels: Any
    covariances: Any = None
    flips: Any = 0.0

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 (the way into a frozen dataclass)
        means = np.asarray(check.real("means", self.means))
        if means.ndim != 2 or means.size == 0:
            raise ValueError(f"means must have shape (components, dim), got {means.shape}. Stack the means as rows.")
        components, dim = means.shape
        set_("means", means)
        priors = check.vector("priors", self.priors, components)
        if priors.min() <= 0 or abs(priors.sum() - 1) > PRIOR_SUM:
            raise ValueError(
                f"priors must be positive and sum to 1, got {priors.tolist()} (sum {priors.sum():g}). "
                f"Leave out components that do not occur and divide by the sum."
            )
        set_("priors", priors)
        labels = check.vector("labels", self.labels, components)
        if not np.isin(labels, (-1.0, 1.0)).all():
            raise ValueError(f"labels must be −1 or +1, got {labels.tolist()}. Recode the classes.")
        set_("labels", labels)
        flips = check.real("flips", self.flips, low=0, high=1, remedy="It is a rate.")
        set_("flips", check.vector("flips", np.full(components, flips) if np.ndim(flips) == 0 else flips, components))
        if not (self.covariances is None or np.iterable(self.covariances)):
            raise TypeError(
                f"covariances must be a list with one entry a component, got {self.covariances!r}. None: all identity."
            )
        given = [None] * components if self.covariances is None else list(self.covariances)
        if len(given) != components:
            raise ValueError(f"covariances must have {components} entries, one a component, got {len(given)}.")
        named = [
            c if isinstance(c, Covariance) else Covariance(c, dim, f"covariances[{k}]") for k, c in enumerate(given)
        ]
        if any(c.dim != dim for c in named):
            raise ValueError(f"covariances must have the means' dimension {dim}, got {[c.dim for c in named]}.")
        set_("covariances", tuple(named))

    @classmethod
    def two_classes(
        cls,
        mean_plus: Any,
        mean_minus: Any,
        *,
        prior: float = 0.5,
        flips: Any = 0.0,
        covariances: Sequence[Any] | None = None,
    ) -> Mixture:
        """Classes +1 and −1, in this order, in every pair; `prior` is that of +1."""
        prior = check.real("prior", prior, low=0, high=1, remedy="It is the probability of the class +1.")
        plus = check.vector("mean_plus", mean_plus)
        minus = check.vector("mean_minus", mean_minus, len(plus))
        return cls([prior, 1 - prior], np.stack([plus, minus]), [1.0, -1.0], covariances, flips)

    @property
    def dim(self) -> int:
        """p."""
        return self.means.shape[1]

    @property
    def fitted_labels(self) -> np.ndarray:
        """ℓ_k = y_k (1 − 2ε_k): the mean of the label that training sees, (K,)."""
        return self.labels * (1 - 2 * self.flips)

    @cached_property
    def matrices(self) -> np.ndarray:
        """The covariances as matrices, (K, p, p)."""
        return matrices(self.covariances)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 over every array, for content-addressed streams."""
        arrays = b"".join(a.tobytes() for a in (self.priors, self.means, self.labels, self.flips))
        return hashlib.sha256(arrays + b"".join(c.fingerprint() for c in self.covariances)).digest()


def matrices(covariances: Sequence[Covariance]) -> np.ndarray:
    """Covariances as matrices, (K, p, p)."""
    roots = [c.square_root_times(np.eye(c.dim)) for c in covariances]
    return np.stack([root.T @ root for root in roots])


@dataclass(frozen=True, eq=False)
class ClassProblem:
    """Ridge fine-tuning of w = α·w̃ + a between two mixtures; training samples are drawn independently from them.

    | field | symbol | permitted |
    |---|---|---|
    | `source` | the source's population, or w̃ (p,) itself | `Mixture`, or a vector |
    | `target` | the target's population | `Mixture` |
    | `n_target`, `gamma_target` | n, γ | whole ≥ 1, ≥ 1e-10 (that is as good as ridgeless) |
    | `n_source`, `gamma_source` | N, γ̃ | the same; None for a fixed w̃ |

    With C = I, π = ½, ε = 0 and opposite means it is `TransferProblem`. Raises ValueError or TypeError, naming the parameter.

    >>> mean = np.eye(2, 100)
    >>> clean = Mixture.two_classes(mean[0], -mean[0])
    >>> noisy = Mixture.two_classes(0.8 * mean[0], -0.8 * mean[0], prior=0.7, flips=0.2)
    >>> problem = ClassProblem(clean, noisy, n_target=50, gamma_target=0.5, n_source=400, gamma_source=0.5)
    >>> best = optimal_alpha_classes(problem)
    >>> simulated = simulate_classes(problem, best.best)
    >>> print(f"α* = {best.best:.2f}, accuracy {best.accuracy:.3f}; simulated {simulated.accuracy:.2f}")
    α* = 5.83, accuracy 0.707; simulated 0.71
    """

    source: Any
    target: Mixture
    n_target: int
    gamma_target: float
    n_source: int | None = None
    gamma_source: float | None = None

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 (the way into a frozen dataclass)
        if not isinstance(self.target, Mixture):
            raise TypeError(f"target must be a Mixture, got {type(self.target).__name__}. See Mixture.two_classes.")
        dim = self.target.dim
        if not self.has_trained_source:
            set_("source", check.vector("source", self.source, dim))
            if self.n_source is not None or self.gamma_source is not None:
                raise ValueError(
                    "n_source and gamma_source must be None where source is a fixed classifier, got "
                    f"{self.n_source!r} and {self.gamma_source!r}. Leave them out, or pass a Mixture."
                )
        elif self.source.dim != dim:
            raise ValueError(f"source must have the target's dimension {dim}, got {self.source.dim}.")
        for stage in ("source", "target") if self.has_trained_source else ("target",):
            n, gamma = getattr(self, f"n_{stage}"), getattr(self, f"gamma_{stage}")
            for name, value in ((f"n_{stage}", n), (f"gamma_{stage}", gamma)):
                if np.ndim(value):
                    raise ValueError(f"{name} must be one number, got shape {np.shape(value)}. Loop over it.")
            set_(f"n_{stage}", check.size(f"n_{stage}", n))
            remedy = "For the ridgeless limit take 1e-8."
            set_(f"gamma_{stage}", check.real(f"gamma_{stage}", gamma, low=SMALLEST_GAMMA, remedy=remedy))

    @property
    def has_trained_source(self) -> bool:
        """Is w̃ the random outcome of a source stage (rather than a given vector)?"""
        return isinstance(self.source, Mixture)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 over everything, for content-addressed streams."""
        source = self.source.fingerprint if self.has_trained_source else self.source.tobytes()
        sizes = (self.n_target, self.gamma_target, self.n_source or 0, self.gamma_source or 0.0)
        return hashlib.sha256(source + self.target.fingerprint + struct.pack("<4d", *sizes)).digest()
