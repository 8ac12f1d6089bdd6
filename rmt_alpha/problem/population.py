r"""`Population`: what samples of a task look like. Everything is a mixture; classes, regression and pools are
constructors of it.

With probability π_k a sample is of component k, and then

.. math:: x = μ_k + C_k^{1/2} z, \qquad y = T_k + W^T (x - μ_k) + ε ∈ ℝ^q, \qquad E ε = 0,\; \mathrm{Cov}\,ε = E_k,

where y is the label that training sees and z is standard normal. Classes have W = 0 and codes T_k ≠ 0; regression has
one component at the origin and T = 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np

from .. import _checks as check
from .._arrays import STATIC, is_jax, is_tracer, namespace, pytree
from .covariance import Covariance
from .identity import Meaning

SUM_TO_ONE = 1e-8  # what rounding may leave of Σ π − 1
CODES = ("one-hot", "centred", "simplex")


@pytree
@dataclass(frozen=True, eq=False)
class Population(Meaning):
    """A mixture of K components in p dimensions with labels in q. Build it by one of the constructors:

    | constructor | population |
    |---|---|
    | `two_classes(plus, minus, …)` | classes +1 and −1: priors, flipped labels, a covariance per class |
    | `classes(means, …)` | K classes, one code per class |
    | `linear(W, sigma, …)` | regression y = Wᵀx + σ·noise |
    | `pooled([(population, n), …])` | the union of data sets |
    | `mixture(…)` | several components per class |

    | field | shape | meaning |
    |---|---|---|
    | `priors` | (K,) | π_k |
    | `means` | (K, d) | μ_k; d = p, or fewer where all other coordinates vanish and C = I |
    | `covariances` | 1 or K | C_k; one that all components share, or one per component |
    | `codes` | (K, q) | T_k: the mean of the label that training sees |
    | `noise` | (K, q, q) | E_k: its covariance |
    | `weights` | (d, q) or None | W, for regression |
    | `targets` | L rows of q, or None | the true label of each class |
    | `classes_of` | (K,) or None | which class each component belongs to |
    | `dim` | | p |
    | `is_opposite` | | two classes, mirror images but for their priors: the score y·xᵀw then has one law for both |

    JAX means are never `is_opposite`, known or traced, since jit could not compare them: mean and variance then keep their axes
    of components and outputs. Two populations are equal if all of these are, to 12 digits.
    """

    priors: Annotated[Any, "K"]
    means: Annotated[Any, "K d"]
    covariances: tuple[Covariance, ...]
    codes: Annotated[Any, "K q"]
    noise: Annotated[Any, "K q q"]
    weights: Annotated[Any, "d q"]
    targets: tuple[tuple[float, ...], ...] | None = dataclasses.field(metadata=STATIC)
    classes_of: tuple[int, ...] | None = dataclasses.field(metadata=STATIC)
    dim: int = dataclasses.field(metadata=STATIC)
    is_opposite: bool = dataclasses.field(default=False, metadata=STATIC)

    @classmethod
    def two_classes(
        cls,
        mean_plus: Any,
        mean_minus: Any,
        *,
        prior: Any = 0.5,
        flips: Any = 0.0,
        covariance: Any = None,
        covariances: Sequence[Any] | None = None,
        dim: int | None = None,
    ) -> Population:
        """Classes +1 and −1, in this order in every pair.

        | parameter | meaning |
        |---|---|
        | `mean_plus`, `mean_minus` | (p,): the classes' means |
        | `prior` | π₊, the probability of class +1: 0 < π₊ < 1 |
        | `flips` | the rate at which *training* labels are flipped, 0 … 1; one number, or one per class |
        | `covariance` | of both classes: None (identity), a spectrum (p,), a matrix (p, p) or a `Covariance` |
        | `covariances` | instead, one such entry per class; they need not commute |
        | `dim` | p, where it exceeds the length of the means: the other coordinates are noise (identity covariance only) |

        Raises ValueError or TypeError, naming the parameter.

        >>> mu = np.full(50, 0.2)
        >>> Population.two_classes(mu, -mu, prior=0.7, flips=0.1)
        Population(two classes, dim=50, priors=[0.7, 0.3], flips=[0.1, 0.1])
        """
        prior = check.number("prior", prior, low=0, high=1, remedy="It is the probability of class +1.")
        plus = check.vector("mean_plus", mean_plus)
        minus = check.vector("mean_minus", mean_minus, np.shape(plus)[0], check.SHARED)
        xp = namespace(plus, minus, prior, flips)
        flips = check.real("flips", flips, low=0, high=1, remedy="It is a rate.")
        remedy = "Give one share for both classes, or that of +1 and that of −1."
        flips = (
            xp.broadcast_to(xp.asarray(flips), (2,)) if np.ndim(flips) == 0 else check.vector("flips", flips, 2, remedy)
        )
        confusion = xp.stack([xp.stack([1 - flips[0], flips[0]]), xp.stack([flips[1], 1 - flips[1]])])
        priors = xp.stack([xp.asarray(prior, dtype=float), 1 - prior])
        return cls.mixture(
            xp.stack([plus, minus]), [0, 1], np.array([[1.0], [-1.0]]),
            priors=priors, confusion=confusion, covariance=covariance, covariances=covariances, dim=dim,
        )  # fmt: skip

    @classmethod
    def classes(
        cls,
        means: Any,
        *,
        priors: Any = None,
        covariance: Any = None,
        covariances: Sequence[Any] | None = None,
        confusion: Any = None,
        codes: Any = "one-hot",
        dim: int | None = None,
    ) -> Population:
        """K classes with means (K, p).

        | parameter | meaning |
        |---|---|
        | `priors` | (K,), sum 1; None: equal |
        | `confusion` | (K, K), rows sum to 1: the probability that true class k is seen as class l in training; None: the identity |
        | `codes` | "one-hot", "centred" (one-hot less 1/K), "simplex" (K − 1 outputs), or (K, q): the label of each class |
        | `covariance`, `covariances`, `dim` | as for `two_classes` |

        >>> Population.classes(np.eye(3, 40))
        Population(3 classes, dim=40, outputs=3)
        """
        means = check.matrix("means", means)
        K = np.shape(means)[0]
        if K < 2:
            raise ValueError(f"means must have a row for each of at least 2 classes, got shape {np.shape(means)}.")
        if isinstance(codes, str):
            targets = _codes(check.choice("codes", codes, CODES), K)
        else:
            targets = _distinct("codes", check.matrix("codes", codes, rows=K))
        return cls.mixture(
            means, list(range(K)), targets,
            priors=priors, confusion=confusion, covariance=covariance, covariances=covariances, dim=dim,
        )  # fmt: skip

    @classmethod
    def mixture(
        cls,
        means: Any,
        classes: Sequence[int],
        targets: Any,
        *,
        priors: Any = None,
        confusion: Any = None,
        covariance: Any = None,
        covariances: Sequence[Any] | None = None,
        dim: int | None = None,
    ) -> Population:
        """Components with means (K, p), several of which may belong to one class: `classes` (K,) in 0 … L − 1.

        `targets` (L, q) is the label of each class, `confusion` (L, L) as for `classes`; cut by the sample's norm, say,
        components describe data whose norms vary (`norm_strata`).
        """
        means = check.matrix("means", means)
        K, d = np.shape(means)
        targets = _distinct("targets", check.matrix("targets", targets))
        L = len(targets)
        of = tuple(int(c) for c in check.labels("classes", classes, K, below=L))
        priors = np.full(K, 1 / K) if priors is None else check.vector("priors", priors, K, "Give one share per mean.")
        if not is_tracer(priors) and (priors.min() <= 0 or abs(priors.sum() - 1) > _rounding(priors)):
            raise ValueError(
                f"priors must be positive and sum to 1, got {priors.tolist()} (sum {priors.sum():g}). "
                f"Leave out components that do not occur and divide by the sum."
            )
        F = np.eye(L) if confusion is None else check.matrix("confusion", confusion, rows=L, columns=L)
        if not is_tracer(F):
            F = check.real("confusion", F, low=0, high=1, remedy="It is a table of probabilities.")
            if abs(F.sum(1) - 1).max() > _rounding(F):
                raise ValueError(
                    f"confusion must have rows that sum to 1, got sums {F.sum(1).tolist()}. Divide each by its sum."
                )
        xp = namespace(F)
        rows = F[np.array(of)]
        codes = rows @ targets
        deviation = targets[None] - codes[:, None]  # (K, L, q)
        noise = xp.einsum("kl,kli,klj->kij", rows, deviation, deviation)
        size, shared = _dimension(d, dim), _covariances(covariance, covariances, K, _dimension(d, dim))
        _need_identity(d, size, shared)
        opposite = (
            of == (0, 1) and np.array_equal(targets, [[1.0], [-1.0]]) and len(shared) == 1 and not is_jax(means, codes)
        )
        opposite = opposite and bool(np.all(means[0] == -means[1]) and np.all(codes[0] == -codes[1]))
        return cls(priors, means, shared, codes, noise, None, tuple(map(tuple, targets.tolist())), of, size, opposite)

    @classmethod
    def linear(cls, W: Any, sigma: Any = 1.0, *, covariance: Any = None, dim: int | None = None) -> Population:
        """Regression: y = Wᵀx + σ·noise with x ~ N(0, C).

        | parameter | meaning |
        |---|---|
        | `W` | (p,) or (p, q): the true weights |
        | `sigma` | standard deviation of the label noise, ≥ 0; one number, or one per output (q,) |
        | `covariance`, `dim` | as for `two_classes` |

        >>> Population.linear(np.ones((30, 2)) / 5, sigma=0.5)
        Population(regression, dim=30, outputs=2)
        """
        W = check.real("W", W)
        W = W[:, None] if np.ndim(W) == 1 else check.matrix("W", W)
        d, q = np.shape(W)
        sigma = check.real("sigma", sigma, low=0, remedy="It is a standard deviation.")
        xp = namespace(W, sigma)
        if np.ndim(sigma) and np.shape(sigma) != (q,):
            raise ValueError(f"sigma must be one number or have shape ({q},), one per output, got {np.shape(sigma)}.")
        noise = xp.eye(q) * xp.asarray(sigma) ** 2
        size, shared = _dimension(d, dim), _covariances(covariance, None, 1, _dimension(d, dim))
        _need_identity(d, size, shared)
        return cls(np.ones(1), np.zeros((1, d)), shared, np.zeros((1, q)), noise[None], W, None, None, size)

    @classmethod
    def pooled(cls, parts: Sequence[tuple[Population, Any]]) -> Population:
        """The union of data sets: (population, number of samples) each; a fit on it has n = the sum of these.

        The parts are of one dimension, and of one kind: the same classes.

        >>> e = np.eye(2, 100)
        >>> opposite = lambda mean: Population.two_classes(mean, -mean)
        >>> Population.pooled([(opposite(e[0]), 200), (opposite(e[1]), 500)])
        Population(2 classes in 4 components, dim=100, outputs=1)
        """
        pairs = isinstance(parts, list | tuple) and all(
            isinstance(pair, list | tuple) and len(pair) == 2 for pair in parts
        )
        if not pairs or not parts or not all(isinstance(q, Population) for q, _ in parts):
            raise TypeError(f"parts must be a list of pairs (Population, n), with at least one, got {parts!r:.60}.")
        populations = [q for q, _ in parts]
        first = populations[0]
        if any(q.targets is None or q.dim != first.dim or q.targets != first.targets for q in populations):
            raise ValueError(
                "parts must have classes with the same labels, and one dimension. Pool samples of one task."
            )
        sizes = np.array([check.whole(f"parts[{i}]", n) for i, (_, n) in enumerate(parts)], dtype=float)
        d = max(np.shape(q.means)[1] for q in populations)
        means = np.concatenate([np.pad(q.means, ((0, 0), (0, d - q.means.shape[1]))) for q in populations])
        of = tuple(c for q in populations for c in (q.classes_of or ()))
        priors = np.concatenate(
            [w * np.asarray(q.priors) for w, q in zip(sizes / sizes.sum(), populations, strict=True)]
        )
        one = all(
            len(q.covariances) == 1 and q.covariances[0].digest == first.covariances[0].digest for q in populations
        )
        covs = first.covariances if one else tuple(q.covariance_of(k) for q in populations for k in range(q.components))
        codes, noise = (np.concatenate([getattr(q, f) for q in populations]) for f in ("codes", "noise"))
        return cls(priors, means, covs, codes, noise, None, first.targets, of, first.dim)

    @property
    def components(self) -> int:
        """K."""
        return int(np.shape(self.means)[0])

    @property
    def outputs(self) -> int:
        """q."""
        return int(np.shape(self.codes)[1])

    @property
    def is_regression(self) -> bool:
        return self.classes_of is None

    @property
    def is_binary(self) -> bool:
        """Are there two classes, coded by one output of ±1?"""
        return self.targets == ((1.0,), (-1.0,))

    @property
    def is_isotropic(self) -> bool:
        return all(c.is_identity for c in self.covariances)

    @property
    def has_one_covariance(self) -> bool:
        return len(self.covariances) == 1

    def covariance_of(self, k: int) -> Covariance:
        """C_k."""
        return self.covariances[0] if self.has_one_covariance else self.covariances[k]

    @cached_property
    def signed(self) -> Population:
        """One component in place of two opposite ones: that of y·x, whose label is 1."""
        one = lambda a: a[:1]  # noqa: E731
        return dataclasses.replace(
            self, priors=np.ones(1), means=one(self.means), codes=one(self.codes), noise=one(self.noise),
            targets=(self.targets or ())[:1], classes_of=(0,),
        )  # fmt: skip

    def centred(self, weights: Any) -> Population:
        """The population with means and codes counted from their average under the weights (K,)."""
        if self.is_regression:
            return self
        means, codes = self.means - weights @ self.means, self.codes - weights @ self.codes
        return dataclasses.replace(self, means=means, codes=codes, is_opposite=False)

    def __repr__(self) -> str:
        kinds = [c.kind for c in self.covariances]
        given = f", covariance={kinds[0]}" if len(kinds) == 1 else f", covariances=[{', '.join(kinds)}]"
        more = "" if self.is_isotropic else given
        if self.is_regression:
            return f"Population(regression, dim={self.dim}, outputs={self.outputs}{more})"
        true = np.asarray(self.targets)[list(self.classes_of or ())]
        is_flipped = isinstance(self.codes, np.ndarray) and not np.array_equal(self.codes, true)
        L = len(self.targets or ())
        shown = lambda x: np.round(x, 6).tolist()  # noqa: E731
        if self.is_binary and self.components == 2 and not is_jax(self.priors):
            flips = f", flips={shown((1 - self.codes * true)[:, 0] / 2)}" if is_flipped else ""
            return f"Population(two classes, dim={self.dim}, priors={shown(self.priors)}{flips}{more})"
        inside = "" if self.components == L else f" in {self.components} components"
        flips = ", some labels flipped" if is_flipped else ""
        return f"Population({L} classes{inside}, dim={self.dim}, outputs={self.outputs}{flips}{more})"


def _distinct(name: str, targets: Any) -> np.ndarray:
    """The labels of classes, if they tell them apart."""
    targets = np.asarray(targets)
    L = len(set(map(tuple, targets.tolist())))
    if L < len(targets) or L < 2:
        raise ValueError(
            f"{name} must differ from class to class, at least 2 of them, got {L} different of {len(targets)}. "
            f"Give classes with one code as components of one class: Population.mixture."
        )
    return targets


def _rounding(x: Any) -> float:
    """What rounding may leave of a sum of probabilities, in their precision."""
    return SUM_TO_ONE if x.dtype == np.float64 else 4 * float(np.finfo(x.dtype).eps) * np.shape(x)[-1]


def _codes(kind: str, K: int) -> np.ndarray:
    """One code per class: (K, q)."""
    one_hot = np.eye(K)
    if kind == "one-hot":
        return one_hot
    centred = one_hot - 1 / K
    if kind == "centred":
        return centred
    # An orthonormal basis of what is orthogonal to (1, …, 1): K vertices of a regular simplex of unit vectors.
    basis = np.linalg.svd(centred)[0][:, : K - 1]
    return centred @ basis / np.sqrt(1 - 1 / K)


def _dimension(d: int, dim: int | None) -> int:
    if dim is None:
        if d < 2:
            raise ValueError(
                f"means must have at least 2 dimensions, got {d}. Give dim= where the other coordinates vanish."
            )
        return d
    dim = check.size("dim", dim, low=2)
    if dim < d:
        raise ValueError(f"dim must be at least the length {d} of the means, got {dim}. Leave it out.")
    return int(dim)


def _covariances(shared: Any, each: Sequence[Any] | None, K: int, dim: int) -> tuple[Covariance, ...]:
    if each is None:
        return (_covariance("covariance", shared, dim),)
    if shared is not None:
        raise ValueError("covariance and covariances must not both be given. Use covariances for one per component.")
    if not np.iterable(each) or (isinstance(each, np.ndarray) and each.ndim < 2):
        raise TypeError(
            f"covariances must be a list with one entry per component, got {each!r:.60}. Use covariance for one."
        )
    if len(each) != K:
        raise ValueError(f"covariances must have {K} entries, one per component, got {len(each)}.")
    seen: dict[int, Covariance] = {}
    for k, c in enumerate(each):
        seen.setdefault(id(c), _covariance(f"covariances[{k}]", c, dim))
    made = [seen[id(c)] for c in each]
    return (made[0],) if all(c is made[0] or (c.is_identity and made[0].is_identity) for c in made) else tuple(made)


def _covariance(name: str, value: Any, dim: int) -> Covariance:
    if not isinstance(value, Covariance):
        return Covariance(value, dim, name)
    if value.dim != dim:
        raise ValueError(f"{name} must have the dimension {dim} of the means, got {value.dim}.")
    return value


def _need_identity(d: int, dim: int, covariances: tuple[Covariance, ...]) -> None:
    if d < dim and not all(c.is_identity for c in covariances):
        raise ValueError(
            f"dim must equal the length {d} of the means where a covariance is given, got {dim}. Pad the means."
        )
