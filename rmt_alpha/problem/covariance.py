"""A noise covariance, decomposed once."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .. import _checks as check
from .._arrays import is_jax, is_tracer, jax, namespace
from .identity import digest

# Relative to the largest entry: what rounding in X @ X.T / n may leave.
ASYMMETRY = 1e-10
ROUNDINGS = 100  # the same in units of rounding, for arrays in single precision


class Axes:
    """Whose eigenbasis it is: equal covariances may have different ones."""


class Covariance:
    """A covariance C = U diag(λ) Uᵀ of the noise: the identity (`None`), a spectrum (p,) or a matrix (p, p).

    | parameter | meaning |
    |---|---|
    | `value` | None, eigenvalues (p,) of a diagonal matrix, or a symmetric positive semi-definite matrix (p, p) |
    | `dim` | p |
    | `name` | what errors call it |

    `eigenvalues` is (r,) and each counts `multiplicity` times: r = p and 1, but one eigenvalue counted p times for
    the identity, so that nothing of size p is ever made for it. The decomposition is the only expensive step of the
    theory: hand the same object to all problems that share it. Raises ValueError naming the parameter, unless
    symmetric and positive semi-definite.
    """

    value: Any
    dim: int

    def __init__(self, value: Any, dim: int, name: str = "covariance"):
        self.value, self.dim = None, check.whole("dim", dim)
        dim = self.dim
        if value is None:
            return
        array = check.real(name, value)
        if np.shape(array) not in {(dim,), (dim, dim)}:
            raise ValueError(
                f"{name} must have shape ({dim},) (a spectrum) or ({dim}, {dim}) (a matrix), got {np.shape(array)}. "
                f"Pass None for the identity."
            )
        self.value = array
        if is_tracer(array):
            return
        rounding = max(ASYMMETRY, ROUNDINGS * float(np.finfo(array.dtype).eps))
        array, basis = np.asarray(array, dtype=np.float64), None
        if array.ndim == 2:
            scale = np.abs(array).max(initial=0.0)
            asymmetry = np.abs(array - array.T).max(initial=0.0)
            if asymmetry > rounding * scale:
                raise ValueError(
                    f"{name} must be symmetric, got |C - C.T| up to {asymmetry:.3g}. Pass (C + C.T) / 2 if that is rounding."
                )
            array, basis = np.linalg.eigh((array + array.T) / 2)
        smallest, largest = array.min(), array.max()
        if smallest < -rounding * max(largest, 0.0) or largest <= 0:
            raise ValueError(
                f"{name} must be positive semi-definite and not zero, got eigenvalues from {smallest:.3g} to {largest:.3g}. "
                f"Clip the negative eigenvalues, or add a multiple of the identity."
            )
        if is_jax(self.value):
            return
        if basis is not None:
            self.__dict__["basis"] = basis
            array = np.where(array > dim * np.finfo(float).eps * largest, array, 0.0)  # less is the rounding of 0
        self.__dict__["eigenvalues"] = np.maximum(array, 0.0)
        if np.all(array == 1.0):
            self.value = None
            del self.__dict__["eigenvalues"]
            self.__dict__.pop("basis", None)

    @property
    def is_identity(self) -> bool:
        return self.value is None

    @property
    def is_matrix(self) -> bool:
        return self.value is not None and np.ndim(self.value) == 2

    @property
    def has_eigenbasis(self) -> bool:
        """Is the eigenbasis known? A JAX matrix is never decomposed: eigenvectors have no derivative where
        eigenvalues meet.
        """
        return not (self.is_matrix and is_jax(self.value))

    @cached_property
    def eigenvalues(self) -> Any:
        return np.ones(1) if self.value is None else self.value

    @cached_property
    def basis(self) -> np.ndarray | None:
        """U (p, p), or None where the eigenbasis is the standard one."""
        return None

    @cached_property
    def axes(self) -> Axes:
        return Axes()

    @property
    def multiplicity(self) -> int:
        return self.dim if self.is_identity else 1

    @property
    def matrix(self) -> Any:
        """C (p, p)."""
        if self.is_matrix:
            return self.value
        return np.eye(self.dim) if self.is_identity else namespace(self.value).diag(self.value)

    def to_eigenbasis(self, v: Any) -> Any:
        """Uᵀv for vectors (..., p)."""
        return v if self.basis is None else v @ self.basis

    def from_eigenbasis(self, v: Any) -> Any:
        """Uv for coordinates (..., p)."""
        return v if self.basis is None else v @ self.basis.T

    def overlap(self, other: Covariance) -> np.ndarray:
        """O_ij = ⟨u_i, ũ_j⟩², so that tr f(C) g(C̃) = f(λ)ᵀ O g(λ̃)."""
        known = _OVERLAPS.setdefault(self.axes, WeakKeyDictionary())
        if other.axes not in known:
            identity = np.eye(self.dim)
            T = (identity if self.basis is None else self.basis.T) @ (identity if other.basis is None else other.basis)
            known[other.axes] = np.square(T)
        return known[other.axes]

    def square_root_times(self, z: np.ndarray) -> np.ndarray:
        """Rows C^{1/2} z for rows z (..., p), with the square root U diag(√λ)."""
        if self.is_identity:
            return z
        scaled = z * np.sqrt(self.eigenvalues)
        return scaled if self.basis is None else scaled @ self.basis.T

    def times(self, v: Any) -> Any:
        """Cv for vectors (..., p)."""
        if self.is_identity:
            return v
        return v @ self.value if self.is_matrix else v * self.value

    def quadratic(self, u: Any, v: Any) -> Any:
        """uᵀCv for vectors (..., p)."""
        return namespace(u, v, self.value).sum(u * self.times(v), axis=-1)

    @cached_property
    def digest(self) -> bytes:
        return digest("covariance", self.dim, self.value)

    @property
    def kind(self) -> str:
        return "identity" if self.is_identity else "matrix" if self.is_matrix else "spectrum"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Covariance) and self.digest == other.digest

    def __hash__(self) -> int:
        return int.from_bytes(self.digest[:8], "little")

    def __repr__(self) -> str:
        return f"Covariance({self.kind}, dim={self.dim})"


# Made once for each pair that is met, and gone with either of the two.
_OVERLAPS: WeakKeyDictionary[Axes, WeakKeyDictionary[Axes, Any]] = WeakKeyDictionary()


def _flatten(cov: Covariance) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return (cov.value,), (cov.dim,)


def _unflatten(aux: tuple[Any, ...], children: tuple[Any, ...]) -> Covariance:
    cov = object.__new__(Covariance)
    cov.dim, cov.value = aux[0], children[0]
    if isinstance(cov.value, np.ndarray):  # back out of a transformation: as it was built
        cov = Covariance(cov.value, cov.dim)
    return cov


if jax is not None:
    jax.tree_util.register_pytree_node(Covariance, _flatten, _unflatten)
