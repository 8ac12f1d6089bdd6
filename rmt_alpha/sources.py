"""`Source` and `Pool`: where one frozen classifier of a problem with several comes from."""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _checks as check
from ._arrays import is_jax, pytree
from .geometry import Covariance


@pytree
@dataclass(frozen=True, eq=False)
class Source:
    r"""A classifier trained on its own data, x = y·μ̃ + C̃^{1/2}z, or (`Source.fixed`) a given vector.

    .. math:: \tilde w = \arg\min_w \frac{1}{2N}\sum_i (y_i - x_i^T w)^2 + \frac{\tildeγ}{2}\|w - α_0 w_0\|^2

    | field | symbol | permitted |
    |---|---|---|
    | `mean` | μ̃ | (p,); leading axes broadcast with the problem's numbers |
    | `n` | N: sample size | whole, ≥ 1 |
    | `gamma` | γ̃: ridge penalty | ≥ 0 (0: ridgeless, not at N = p) |
    | `cov` | C̃ | None: identity; (p,): spectrum; (p, p): matrix; or a `Covariance`, decomposed once for all who share it |
    | `start`, `alpha` | w₀, α₀ | the source that this one was itself fine-tuned from (None: from nothing), and its scale |
    | `w` | w̃ | set by `Source.fixed` alone: (p,), leading axes broadcast |

    Every source is trained on data of its own, also where one object is listed twice.
    """

    mean: Any
    n: Any
    gamma: Any
    cov: Any = field(default=None, metadata={"static": True})
    start: Source | None = None
    alpha: Any = 1.0
    w: Any = None

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 (the way into a frozen dataclass)
        if self.w is not None:
            set_("w", _vectors("w", self.w))
            return
        set_("mean", _vectors("mean", self.mean))
        set_("n", check.size("n", self.n))
        set_("gamma", check.real("gamma", self.gamma, low=0))
        set_("alpha", check.real("alpha", self.alpha))
        if not isinstance(self.cov, Covariance):
            set_("cov", Covariance(self.cov, self.dim, "cov"))
        self._check_dimensions()
        check.ridgeless("source", self.gamma, self.n, self.dim)

    @classmethod
    def fixed(cls, w: Any) -> Source:
        """A given classifier w̃ (p,), whatever it came from."""
        return cls(None, None, None, w=w)

    @property
    def is_trained(self) -> bool:
        return self.w is None

    @property
    def dim(self) -> int:
        """p."""
        return int(np.shape(self.mean if self.is_trained else self.w)[-1])

    @property
    def lineage(self) -> tuple[Source, ...]:
        """This source and those it was fine-tuned from, the latest first."""
        return (self, *self.start.lineage) if self.start is not None else (self,)

    @property
    def is_isotropic(self) -> bool:
        """Is every covariance on the way the identity?"""
        return all(s.cov.is_identity for s in self.lineage if s.is_trained)

    def axes(self, name: str) -> dict[str, Any]:
        """Each parameter, with a stand-in for the vectors' leading axes, for broadcasting."""
        own = {"w": self.w[..., 0]} if not self.is_trained else {
            "mean": self.mean[..., 0], "n": self.n, "gamma": self.gamma, "alpha": self.alpha
        }  # fmt: skip
        start = {} if self.start is None else self.start.axes(f"{name}.start")
        return {f"{name}.{key}": value for key, value in own.items()} | start

    def at(self, index: tuple[int, ...], shape: tuple[int, ...]) -> Source:
        """The scalar source at one index of the problem's shape."""
        pick = lambda x: np.broadcast_to(x, shape)[index].item()  # noqa: E731
        row = lambda v: np.broadcast_to(v, (*shape, v.shape[-1]))[index]  # noqa: E731
        if not self.is_trained:
            return dataclasses.replace(self, w=row(self.w))
        start = None if self.start is None else self.start.at(index, shape)
        return dataclasses.replace(
            self, mean=row(self.mean), n=pick(self.n), gamma=pick(self.gamma), alpha=pick(self.alpha), start=start
        )

    def fingerprint(self) -> bytes:
        """Bytes that identify a scalar source, for content-addressed streams and stores."""
        if not self.is_trained:
            return b"fixed" + np.ascontiguousarray(self.w).tobytes()
        # + 0.0 turns −0.0 into 0.0: equal sources share a stream.
        numbers = struct.pack("<3d", *(float(x) + 0.0 for x in (self.n, self.gamma, self.alpha)))
        start = b"-" if self.start is None else self.start.fingerprint()
        return numbers + np.ascontiguousarray(self.mean).tobytes() + self.cov.fingerprint() + start

    def _check_dimensions(self) -> None:
        if self.cov.dim != self.dim:
            raise ValueError(
                f"cov must have the dimension of mean, {self.dim}, got {self.cov.dim}. Rebuild it for this mean."
            )
        _check_singular(self.cov, self.gamma)
        if self.start is None:
            return
        if not isinstance(self.start, Source):
            raise TypeError(
                f"start must be a Source or None, got {type(self.start).__name__}. Use Source.fixed(w) for a vector."
            )
        if self.start.dim != self.dim:
            raise ValueError(f"start must have the dimension of mean, {self.dim}, got {self.start.dim}.")


@pytree
@dataclass(frozen=True, eq=False)
class Pool:
    r"""One classifier trained on the union of several data sets, with equal weight for each sample.

    .. math:: \tilde w = \arg\min_w \frac{1}{2N} \sum_t \sum_{i ≤ N_t} (y_{ti} - x_{ti}^T w)^2
              + \frac{\tildeγ}{2}\|w\|^2, \qquad N = \sum_t N_t

    `parts` are Sources of one covariance (one `Covariance` object, or None) and without a start, whose own penalties
    do not count; `gamma` is the penalty γ̃ of the union.

    >>> e = np.eye(2, 100)
    >>> pool = Pool([Source(e[0], n=200, gamma=1.0), Source(0.6 * e[0] + 0.8 * e[1], n=500, gamma=1.0)], gamma=0.5)
    >>> problem = TransferProblem.from_sources([pool], e[0], n_target=50, gamma_target=1.0)
    >>> print(f"{optimal_alpha(problem).best:.2f}")
    1.47
    """

    parts: tuple[Source, ...]
    gamma: Any
    is_trained = True
    start = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        object.__setattr__(self, "gamma", check.real("gamma", self.gamma, low=0))
        if not self.parts or any(
            not isinstance(s, Source) or not s.is_trained or s.start is not None for s in self.parts
        ):
            raise TypeError("parts must be trained Sources without a start. Give each a mean, n, gamma and cov.")
        first = self.parts[0].cov
        if any(s.dim != self.dim or not (s.cov is first or (s.is_isotropic and first.is_identity)) for s in self.parts):
            raise ValueError("parts must share dimension and covariance. Pass one Covariance object to all of them.")
        _check_singular(first, self.gamma)
        check.ridgeless("source", self.gamma, sum(s.n for s in self.parts), self.dim)

    @property
    def dim(self) -> int:
        """p."""
        return self.parts[0].dim

    @property
    def lineage(self) -> tuple[Pool, ...]:
        return (self,)

    @property
    def is_isotropic(self) -> bool:
        return self.parts[0].is_isotropic

    def axes(self, name: str) -> dict[str, Any]:
        """Each parameter, for broadcasting."""
        parts = {k: v for t, s in enumerate(self.parts) for k, v in s.axes(f"{name}.parts[{t}]").items()}
        return {f"{name}.gamma": self.gamma} | parts

    def at(self, index: tuple[int, ...], shape: tuple[int, ...]) -> Pool:
        """The scalar pool at one index of the problem's shape."""
        gamma = np.broadcast_to(self.gamma, shape)[index].item()
        return Pool(tuple(s.at(index, shape) for s in self.parts), gamma)

    def fingerprint(self) -> bytes:
        """Bytes that identify a scalar pool, for content-addressed streams and stores."""
        return b"pool" + struct.pack("<d", float(self.gamma) + 0.0) + b"".join(s.fingerprint() for s in self.parts)


def _check_singular(cov: Covariance, gamma: Any) -> None:
    if cov.is_singular and not is_jax(gamma) and np.any(np.asarray(gamma) == 0):
        raise ValueError(
            "gamma must be positive where cov is singular, got 0. Choose gamma > 0, or drop directions without noise."
        )


def _vectors(name: str, value: Any) -> Any:
    """Vectors (..., p) of at least two dimensions."""
    array = check.real(name, value)
    if np.ndim(array) == 0 or np.shape(array)[-1] < 2:
        raise ValueError(f"{name} must have shape (p,) or (..., p) with p ≥ 2, got {np.shape(array)}. Give a vector.")
    return array
