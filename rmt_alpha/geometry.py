"""Covariances and means as vectors: what a problem needs beyond a few numbers.

Eigendecompositions are the only expensive step of the theory. They are made once, here, and travel with
the geometry: problems that differ only in sample sizes or penalties share them.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import _checks as check

# Relative to the largest entry: what rounding in X @ X.T / n may leave.
ASYMMETRY = 1e-10


class Covariance:
    """A noise covariance C = U diag(λ) Uᵀ: identity (`None`), spectrum (p,) or matrix (p, p).

    Raises ValueError unless symmetric and positive semi-definite.
    """

    def __init__(self, value: Any, dim: int, name: str = "covariance"):
        self.dim = dim
        self.is_identity = value is None
        self.basis: np.ndarray | None = None
        if value is None:
            self.eigenvalues = np.ones(dim)
            return
        array = np.asarray(check.real(name, value))
        if array.shape not in {(dim,), (dim, dim)}:
            raise ValueError(
                f"{name} must have shape ({dim},) (a spectrum) or ({dim}, {dim}) (a matrix), got {array.shape}. "
                f"Pass None for the identity."
            )
        if array.ndim == 2:
            scale = np.abs(array).max(initial=0.0)
            asymmetry = np.abs(array - array.T).max(initial=0.0)
            if asymmetry > ASYMMETRY * scale:
                raise ValueError(
                    f"{name} must be symmetric, got |C - C.T| up to {asymmetry:.3g}. Pass (C + C.T) / 2 if that is rounding."
                )
            array, self.basis = np.linalg.eigh((array + array.T) / 2)
        smallest, largest = array.min(), array.max()
        if smallest < -ASYMMETRY * max(largest, 0.0) or largest <= 0:
            raise ValueError(
                f"{name} must be positive semi-definite and not zero, got eigenvalues from {smallest:.3g} to {largest:.3g}. "
                f"Clip the negative eigenvalues, or add a multiple of the identity."
            )
        self.eigenvalues = np.maximum(array, 0.0)
        self.is_identity = bool(np.all(self.eigenvalues == 1.0))

    @property
    def is_singular(self) -> bool:
        return bool(self.eigenvalues.min() == 0.0)

    def to_eigenbasis(self, v: np.ndarray) -> np.ndarray:
        """Uᵀv for vectors (..., p)."""
        return v if self.basis is None else v @ self.basis

    def square_root_times(self, z: np.ndarray) -> np.ndarray:
        """Rows C^{1/2} z for rows z (..., p), with the square root U diag(√λ)."""
        if self.is_identity:
            return z
        scaled = z * np.sqrt(self.eigenvalues)
        return scaled if self.basis is None else scaled @ self.basis.T

    def quadratic(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """uᵀCv for vectors (..., p)."""
        return np.sum(self.to_eigenbasis(u) * self.eigenvalues * self.to_eigenbasis(v), axis=-1)

    def fingerprint(self) -> bytes:
        """Bytes that identify the matrix, for content-addressed streams and stores."""
        if self.is_identity:
            return b"identity"
        basis = b"" if self.basis is None else self.basis.tobytes()
        return self.eigenvalues.tobytes() + basis


@dataclass(frozen=True, eq=False)
class Geometry:
    """Means, covariances and (perhaps) a fixed source classifier, as vectors and matrices of one dimension.

    Exactly one of `mean_source` (the source is trained) and `w_source` (it is given; leading axes broadcast with
    the problem's numbers) is set. Compared by identity, so that it can be a static part of a JAX pytree.
    """

    mean_target: np.ndarray
    cov_target: Covariance
    mean_source: np.ndarray | None = None
    cov_source: Covariance | None = None
    w_source: np.ndarray | None = None

    @property
    def is_isotropic(self) -> bool:
        return self.cov_target.is_identity and (self.cov_source is None or self.cov_source.is_identity)

    @cached_property
    def mean_coordinates(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Target and source mean, each in the eigenbasis of its own covariance."""
        target = self.cov_target.to_eigenbasis(self.mean_target)
        if self.cov_source is None or self.mean_source is None:
            return target, None
        return target, self.cov_source.to_eigenbasis(self.mean_source)

    @cached_property
    def transition(self) -> np.ndarray | None:
        """UᵀŨ, from coordinates in the source's eigenbasis to coordinates in the target's; None where both share one."""
        assert self.cov_source is not None
        target, source = self.cov_target.basis, self.cov_source.basis
        if self.cov_target is self.cov_source or (target is None and source is None):
            return None
        identity = np.eye(self.cov_target.dim)
        return (identity if target is None else target.T) @ (identity if source is None else source)

    @cached_property
    def overlap(self) -> np.ndarray | None:
        """O_ij = ⟨u_i, ũ_j⟩² between the eigenvectors of C and C̃, so that tr f(C) g(C̃) = f(λ)ᵀ O g(λ̃).

        None where both share one basis.
        """
        return None if self.transition is None else np.square(self.transition)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 over every array, for content-addressed streams and stores."""
        digest = hashlib.sha256()
        for part in (self.mean_target, self.mean_source, self.w_source):
            digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
        for cov in (self.cov_target, self.cov_source):
            digest.update(b"-" if cov is None else cov.fingerprint())
        return digest.digest()
