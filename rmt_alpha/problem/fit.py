r"""`Fit`: one training. A population, a number of samples, a penalty, and the fits that it starts from.

.. math:: W = \sum_s \tilde W_s D_s + A, \qquad
          A = \arg\min_A \frac1n \sum_i ℓ(y_i, W^T x_i) + \fracγ2 ‖A‖^2, \qquad \mathrm{rank}(A) ≤ r

Everything that the library can be asked is asked of a fit: a source is a fit without starts, a fine-tuning one with
them, a chain a fit that starts from fits that have starts.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from .. import _checks as check
from .._arrays import STATIC, is_jax, is_tracer, jax, pytree
from .identity import Meaning
from .losses import Loss, as_loss, is_squared
from .population import Population

PER = ("start", "output")


class Cells(Meaning):
    """What problems of arrays share: to be taken apart into scalar ones, beside arrays of α.

    They have a `shape`, `cells()` in its C order, `n_alpha` numbers in an α, and the `leading_axes` of an array of them.
    """

    shape: Any
    cells: Callable[[], Iterator[Any]]
    n_alpha: Any
    leading_axes: Callable[[Any], tuple[int, ...]]

    def cells_along(self, alpha: Any) -> tuple[tuple[int, ...], Iterator[tuple[tuple[Any, ...], Any, np.ndarray]]]:
        """The common shape of α and the problem, and for each scalar cell its place there, the cell, and its part of α."""
        leading = self.leading_axes(alpha)
        entries = np.shape(alpha)[len(leading) :]
        own = self.shape
        shape = check.broadcastable(alpha=np.broadcast_to(0, leading), problem=np.broadcast_to(0, own))
        alphas = np.broadcast_to(alpha, (*shape, *entries))
        padded = (1,) * (len(shape) - len(own)) + own

        def pieces() -> Iterator[tuple[tuple[Any, ...], Any, np.ndarray]]:
            for index, cell in zip(np.ndindex(padded), self.cells(), strict=True):
                # A problem's axis of length one meets a whole axis of α.
                place = tuple(slice(None) if extent == 1 else i for i, extent in zip(index, padded, strict=True))
                yield place, cell, np.asarray(alphas[place])

        return shape, pieces()


@pytree
@dataclass(frozen=True, eq=False)
class Group(Meaning):
    """A start that reaches only some coordinates: P_g w̃, with a scale of its own.

    | field | meaning |
    |---|---|
    | `start` | a `Fit`, or weights (p,) or (p, q) |
    | `mask` | (p,) of booleans: the coordinates of the group |

    Groups of one and the same `Fit` object are parts of one training. A group must hold many coordinates, as p is large: the weights of a
    trained source on a single one scatter from training to training, and theory knows their average alone (theory.md, section 11).

    >>> source = Fit(Population.two_classes(np.eye(1, 40)[0], -np.eye(1, 40)[0]), n=100, gamma=1.0)
    >>> len(Group.split(source, np.arange(40) % 4))
    4
    """

    start: Any
    mask: Annotated[Any, "p"]

    def __post_init__(self) -> None:
        if isinstance(self.start, Group):
            raise TypeError("start of a Group must be a Fit or weights, got a Group. Intersect the masks.")
        with check.naming("mask", "a vector of booleans, one per coordinate"):
            mask = np.array(check.unmasked("mask", self.mask))  # a copy: the given one may change
        if mask.dtype != bool or mask.ndim != 1 or not mask.any():
            raise ValueError(
                f"mask must be a vector of booleans, one per coordinate, not all False, got {self.mask!r:.60}."
            )
        object.__setattr__(self, "mask", mask)

    @classmethod
    def split(cls, start: Any, labels: Any) -> tuple[Group, ...]:
        """One group per label 0 … G − 1 of the coordinates, labels (p,)."""
        labels = check.labels("labels", labels, None)
        return tuple(cls(start, labels == g) for g in range(labels.max() + 1))


@dataclass(frozen=True, eq=False)
class Fit(Cells):
    """A training on `n` samples of a population, with ridge penalty `gamma`, from the starts given.

    | parameter | symbol | permitted |
    |---|---|---|
    | `population` | | a `Population` |
    | `n` | n: sample size | whole, ≥ 1; may be an array |
    | `gamma` | γ: penalty on what training adds | ≥ 0 (0: ridgeless, not at n = p; > 0 with a loss); may be an array |
    | `starts` | w̃_s: what training starts from | a list of `Fit`, weights (p,) or (p, q), or `Group` of either; () for none |
    | `alpha` | the scales of its own starts where this fit is itself a start | None (1 each), or as α of `predict` |
    | `loss` | ℓ | "squared", "logistic", "squared_hinge", "huber" or a `Loss`: other than squared for two classes |
    | `rank` | r: largest rank of the correction A | None (full), or 1 … q |
    | `intercept` | an unpenalised bias | False or True |
    | `per` | does α scale starts, or each output of each? | "start": α is (…, J); "output": (…, J·q), the first start's outputs first |

    The class labels of training samples are balanced, or drawn at random: that makes no difference to the limit
    without an intercept. Arrays in a fit and its starts broadcast; so do results. Fits are equal if everything in
    them is, to 12 digits. Every listing of a fit is a training of its own, on data of its own: of one that is listed
    twice, and of one from which two starts descend. Only groups (`Group`) of one object are parts of one training, and
    fits that differ in this are not equal.
    Raises ValueError or TypeError, naming the parameter.

    >>> e = np.eye(3, 300)
    >>> opposite = lambda mean: Population.two_classes(mean, -mean)
    >>> general = Fit(opposite(e[0]), n=5000, gamma=1.0)
    >>> related = Fit(opposite(0.8 * e[0] + 0.6 * e[1]), n=300, gamma=1.0, starts=[general], alpha=2.0)  # fine-tuned from the first
    >>> target = Fit(opposite(0.8 * e[1] + 0.6 * e[2]), n=40, gamma=1.0, starts=[related, e[2]])
    >>> print(f"{predict(target, [1.5, -0.3]).accuracy:.4f}")
    0.5265
    >>> optimal_alpha(target).alpha.round(2)  # one number per start
    array([0.2 , 0.58])
    """

    population: Population
    n: Any
    gamma: Any
    starts: Any = ()
    alpha: Any = None
    loss: Any = dataclasses.field(default="squared", metadata=STATIC)
    rank: int | None = dataclasses.field(default=None, metadata=STATIC)
    intercept: bool = dataclasses.field(default=False, metadata=STATIC)
    per: str = dataclasses.field(default="start", metadata=STATIC)

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 (the way into a frozen dataclass)
        if not isinstance(self.population, Population):
            raise TypeError(
                f"population must be a Population, got {type(self.population).__name__}. See Population.two_classes."
            )
        set_("n", check.size("n", self.n))
        set_("gamma", check.real("gamma", self.gamma, low=0))
        set_("loss", as_loss("loss", self.loss))
        check.choice("per", self.per, PER)
        set_("intercept", check.flag("intercept", self.intercept))
        if self.rank is not None:
            most = self.population.outputs
            set_("rank", check.whole("rank", self.rank, high=most, remedy="Leave it out for full rank."))
        self._check_loss()
        set_("starts", self._checked_starts())
        if self.alpha is not None:
            alpha = check.real("alpha", self.alpha)
            self.leading_axes(alpha)
            set_("alpha", alpha)
        if self.intercept and not is_tracer(self.n) and np.any(np.asarray(self.n) < 2):
            raise ValueError(f"n must be at least 2 with an intercept, got {np.min(np.asarray(self.n))}.")
        self.shape  # noqa: B018 (raises where arrays do not broadcast)
        if not any(map(is_tracer, (self.gamma, self.n))) and np.any(np.asarray(self.gamma) == 0):
            n, rank = np.asarray(self.n) - (1 if self.intercept else 0), _rank(self.population)
            check.ridgeless("gamma", "n", self.gamma, n, rank)
            singular = 0 <= rank < self.population.dim and not self.population.has_one_covariance
            if singular and np.any((np.asarray(self.gamma) == 0) & (n > rank)):
                raise ValueError(
                    f"gamma must be positive where components differ in covariance and n exceeds the rank of their noise, {rank}, "
                    f"got 0. Choose a small one, or leave out the {self.population.dim - rank} dimensions without noise."
                )

    def _check_loss(self) -> None:
        if is_squared(self.loss):
            return
        name = self.loss.name
        if not self.population.is_binary:
            raise ValueError(
                f"loss must be 'squared' unless there are two classes, got {name!r}: it is a function of the margin y·xᵀw."
            )
        if self.rank is not None:
            raise ValueError(
                f"rank must be None under the {name} loss, got {self.rank}: there is one output, whose rank is 1."
            )
        if not is_tracer(self.gamma) and np.any(np.asarray(self.gamma) <= 0):
            raise ValueError(
                f"gamma must be positive under the {name} loss, got {float(np.min(np.asarray(self.gamma))):g}: "
                f"without a penalty the weights may be "
                f"undetermined or infinite. Choose gamma > 0."
            )

    def _checked_starts(self) -> tuple[Any, ...]:
        given = self.starts
        if not isinstance(given, list | tuple):
            raise TypeError(f"starts must be a list, got {type(given).__name__}. Write starts=[…] around it.")
        return tuple(self._checked_start(f"starts[{k}]", s) for k, s in enumerate(given))

    def _checked_start(self, name: str, start: Any) -> Any:
        dim, q, d = self.population.dim, self.population.outputs, np.shape(self.population.means)[1]
        if isinstance(start, Group):
            if len(start.mask) != dim:
                raise ValueError(f"{name}.mask must have one entry per coordinate, {dim}, got {len(start.mask)}.")
            inner = self._checked_start(f"{name}.start", start.start)
            return start if inner is start.start else Group(inner, start.mask)
        if isinstance(start, Fit):
            if start.population.dim != dim or start.population.outputs != q:
                raise ValueError(
                    f"{name} must have the dimension and outputs of the population, {dim} and {q}, got "
                    f"{start.population.dim} and {start.population.outputs}."
                )
            return start
        if hasattr(start, "fit"):  # a front such as TransferProblem
            return self._checked_start(name, start.fit)
        w = check.real(name, start)
        w = w[:, None] if np.ndim(w) == 1 else w
        if (
            np.ndim(w) != 2
            or np.shape(w)[1] != q
            or not (np.shape(w)[0] == dim or (np.shape(w)[0] == d and self.population.is_isotropic))
        ):
            raise ValueError(
                f"{name} must be a Fit, a Group, or weights of shape ({dim},) or ({dim}, {q}), got shape {np.shape(start)}."
            )
        return w

    @property
    def parts(self) -> tuple[int, ...]:
        """Of each start the first of the same training: groups of one fit are its parts, all else is a training of its own."""
        return self._first_groups(id)

    def _first_groups(self, key: Callable[[Fit], Any]) -> tuple[int, ...]:
        first: dict[Any, int] = {}
        return tuple(
            first.setdefault(key(s.start), k) if isinstance(s, Group) and isinstance(s.start, Fit) else k
            for k, s in enumerate(self.starts)
        )

    @property
    def meaning(self) -> tuple[Any, ...]:
        # Groups of equal fits are most often parts of one training, and it counts where they are not.
        parts = self.parts
        return super().meaning if parts == self._first_groups(lambda f: f.digest) else (*super().meaning, parts)

    @property
    def n_alpha(self) -> int:
        """How many numbers α is."""
        return len(self.starts) * (self.population.outputs if self.per == "output" else 1)

    @property
    def dim(self) -> int:
        """p."""
        return self.population.dim

    @property
    def shape(self) -> tuple[int, ...]:
        """The common shape of all arrays in the fit and its starts."""
        return check.broadcastable(**dict(self._axes("")))

    def _axes(self, prefix: str) -> Iterator[tuple[str, Any]]:
        yield f"{prefix}n", np.broadcast_to(0, np.shape(self.n))
        yield f"{prefix}gamma", np.broadcast_to(0, np.shape(self.gamma))
        if self.alpha is not None:
            yield f"{prefix}alpha", np.broadcast_to(0, self.leading_axes(self.alpha))
        for k, start in enumerate(self.starts):
            inner = start.start if isinstance(start, Group) else start
            if isinstance(inner, Fit):
                yield from inner._axes(f"{prefix}starts[{k}].")

    def leading_axes(self, alpha: Any) -> tuple[int, ...]:
        """The shape of α without the axis of its entries, which is there where α is more than one number."""
        shape, entries = np.shape(alpha), () if self.n_alpha == 1 else (self.n_alpha,)
        if self.n_alpha == 0:
            return shape
        if shape[len(shape) - len(entries) :] != entries:
            wanted = "start" if self.per == "start" else "start and output"
            raise ValueError(
                f"alpha must have one entry per {wanted} in its last axis, shape (..., {self.n_alpha}), got {shape}. "
                f"Several vectors α go along the leading axes."
            )
        return shape[: len(shape) - len(entries)]

    @property
    def lineage(self) -> tuple[Fit, ...]:
        """This fit and all that it comes from, each before its starts."""
        inner = (s.start if isinstance(s, Group) else s for s in self.starts)
        return (self, *itertools.chain.from_iterable(s.lineage for s in inner if isinstance(s, Fit)))

    @property
    def is_squared(self) -> bool:
        """Is every loss on the way the squared one?"""
        return all(isinstance(f.loss, Loss) and is_squared(f.loss) for f in self.lineage)

    @property
    def is_isotropic(self) -> bool:
        """Is every covariance on the way the identity?"""
        return all(f.population.is_isotropic for f in self.lineage)

    @property
    def uses_jax(self) -> bool:
        """Is any number in it a JAX array?"""
        populations = [f.population for f in self.lineage]
        values = [x for f in self.lineage for x in (f.n, f.gamma, f.alpha)]
        values += [
            x
            for q in populations
            for x in (q.means, q.codes, q.priors, q.weights, q.noise, *(c.value for c in q.covariances))
        ]
        weights = [s.start if isinstance(s, Group) else s for f in self.lineage for s in f.starts]
        return is_jax(*values, *(w for w in weights if not isinstance(w, Fit)))

    def at(self, index: tuple[int, ...], shape: tuple[int, ...]) -> Fit:
        """The scalar fit at one index of a shape that the fit's own broadcasts to."""
        memo: dict[int, Fit] = {}

        def scalar(fit: Fit) -> Fit:
            if id(fit) in memo:  # groups of one object stay parts of one training
                return memo[id(fit)]
            pick = lambda x: np.broadcast_to(x, shape)[index].item() if np.ndim(x) else x  # noqa: E731
            alpha = fit.alpha
            if alpha is not None and fit.leading_axes(alpha):
                entries = np.shape(alpha)[len(fit.leading_axes(alpha)) :]
                alpha = np.broadcast_to(alpha, (*shape, *entries))[index]
            starts = tuple(inside(s) for s in fit.starts)
            memo[id(fit)] = dataclasses.replace(fit, n=pick(fit.n), gamma=pick(fit.gamma), alpha=alpha, starts=starts)
            return memo[id(fit)]

        def inside(start: Any) -> Any:
            if isinstance(start, Group):
                return Group(inside(start.start), start.mask)
            return scalar(start) if isinstance(start, Fit) else start

        return scalar(self)

    def cells(self) -> Iterator[Fit]:
        """The scalar fits, in C order."""
        shape = self.shape
        return (self.at(index, shape) for index in np.ndindex(shape)) if shape else iter((self,))

    def __repr__(self) -> str:
        starts = ", ".join("weights" if not isinstance(s, Fit | Group) else type(s).__name__ for s in self.starts)
        extras = [f"starts=[{starts}]"] if self.starts else []
        extras += [f"loss={self.loss.name!r}"] if isinstance(self.loss, Loss) and not is_squared(self.loss) else []
        extras += [
            f"{k}={getattr(self, k)!r}"
            for k, default in (("rank", None), ("intercept", False), ("per", "start"))
            if getattr(self, k) != default
        ]
        number = lambda x: f"{x:g}" if isinstance(x, int | float) else f"array{np.shape(x)}" if np.ndim(x) else str(x)  # noqa: E731
        return (
            ", ".join([f"Fit({self.population!r}", f"n={number(self.n)}", f"gamma={number(self.gamma)}", *extras]) + ")"
        )


def _rank(population: Population) -> int:
    """Of the noise of all components; −1 where nobody can read it."""
    covariances = population.covariances
    if any(is_tracer(c.value) for c in covariances):
        return -1
    if population.has_one_covariance and covariances[0].has_eigenbasis:
        return covariances[0].multiplicity * int(np.count_nonzero(np.asarray(covariances[0].eigenvalues)))
    return int(np.linalg.matrix_rank(sum(np.asarray(c.matrix) for c in covariances), hermitian=True))


def listed(fit: Fit) -> tuple[Any, ...]:
    """The starts with every training once: None in place of the fit in further groups of it."""
    pairs = zip(fit.starts, fit.parts, strict=True)
    return tuple(s if k == part else _group(None, s.mask) for k, (s, part) in enumerate(pairs))


def joined(starts: tuple[Any, ...], parts: tuple[int, ...]) -> tuple[Any, ...]:
    """The starts that `listed` has taken apart."""
    pairs = zip(starts, parts, strict=True)
    return tuple(s if k == part else _group(starts[part].start, s.mask) for k, (s, part) in enumerate(pairs))


def _group(start: Any, mask: Any) -> Group:
    """Not through __init__: see `pytree`."""
    group = object.__new__(Group)
    group.__dict__.update(start=start, mask=mask)
    return group


def _flatten(fit: Fit) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    children = fit.population, fit.n, fit.gamma, listed(fit), fit.alpha
    return children, (fit.parts, fit.loss, fit.rank, fit.intercept, fit.per)


def _unflatten(aux: tuple[Any, ...], children: tuple[Any, ...]) -> Fit:
    population, n, gamma, starts, alpha = children
    parts, loss, rank, intercept, per = aux
    fit = object.__new__(Fit)
    fit.__dict__.update(population=population, n=n, gamma=gamma, starts=joined(starts, parts), alpha=alpha)
    fit.__dict__.update(loss=loss, rank=rank, intercept=intercept, per=per)
    return fit


if jax is not None:
    jax.tree_util.register_pytree_node(Fit, _flatten, _unflatten)
