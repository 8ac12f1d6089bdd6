"""The centred design matrix as U diag(s) Vᵀ, once, for every penalty; sparse rows stay sparse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

BLOCK = 2048  # rows of U that exist at one time, where U as a whole would be a dense copy of X
BLUR = 1e-5  # eigenvalues are wrong by rounding of the largest one: below this share of it, s² + γ has fewer than ten digits


@dataclass(frozen=True)
class Factor:
    r"""Ω^{1/2}(X − 1cᵀ)/√n = U diag(s) Vᵀ, with s > 0 only.

    Where the n × n Gram matrix is small and precise enough, and for sparse X with n > p its p × p sister, only U or Vᵀ is kept and the
    other applied, through X (rows, centred if dense). Eigenvalues carry the square of the condition number; dense rows fall
    back on singular values where that matters.
    """

    X: Any
    centre: np.ndarray
    root: np.ndarray
    s: np.ndarray
    U: np.ndarray | None
    Vt: np.ndarray | None

    def coordinates(self, T: np.ndarray) -> np.ndarray:
        """T U, (m, r), of rows T (m, n)."""
        if self.U is not None:
            return T @ self.U
        assert self.Vt is not None
        return self._times_X(T) @ self.Vt.T / (self.s * np.sqrt(self.root.size))

    def rows(self, A: np.ndarray) -> np.ndarray:
        """A Uᵀ, (m, n), of coordinates A (m, r)."""
        if self.U is not None:
            return A @ self.U.T
        W = (A / self.s) @ self.Vt / np.sqrt(self.root.size)
        return self.root * ((self.X @ W.T).T - (W @ self.centre)[:, None])

    def weights(self, A: np.ndarray) -> np.ndarray:
        """A Vᵀ, (m, p), of coordinates A (m, r)."""
        if self.Vt is not None:
            return A @ self.Vt
        return self._times_X(self.rows(A / self.s)) / np.sqrt(self.root.size)

    def energy(self, K: np.ndarray) -> np.ndarray:
        """Σ_r U_ir² K_rg, (n, g): the diagonals of U diag(K_g) Uᵀ."""
        if self.U is not None:
            return self.U**2 @ K
        assert self.Vt is not None
        to_U = self.Vt.T / (self.s * np.sqrt(self.root.size))
        blocks = [slice(i, i + BLOCK) for i in range(0, self.root.size, BLOCK)]
        return np.concatenate([(self.root[b, None] * (self.X[b] @ to_U - self.centre @ to_U)) ** 2 @ K for b in blocks])

    def _times_X(self, T: np.ndarray) -> np.ndarray:
        """T Ω^{1/2}(X − 1cᵀ), (m, p)."""
        T = T * self.root
        product = np.asarray((self.X.T @ T.T).T)
        return product - np.outer(T.sum(axis=1), self.centre) if sparse.issparse(self.X) else product


def factorise(X: Any, omega: np.ndarray, intercept: bool, least_gamma: float = 0.0) -> Factor:
    """The `Factor` of X (n, p), dense or CSR, with row weights ω (n,) of mean 1, to serve penalties from `least_gamma` on.

    The centre c is the rows' mean, or 0 without an intercept.
    """
    n, p = X.shape
    root = np.sqrt(omega)
    centre = np.asarray(X.T @ omega) / n if intercept else np.zeros(p)
    limit = min(n - intercept, p)  # centred rows add up to 0: the last singular value is rounding
    if not sparse.issparse(X):
        X = X - centre
        Z = root[:, None] * X
        if n <= p:
            values, vectors = _eigen(Z @ Z.T / n, limit)
            if values[-1] + least_gamma > BLUR * values[0]:
                return Factor(X, centre, root, np.sqrt(values), vectors, None)
        U, s, Vt = np.linalg.svd(Z / np.sqrt(n), full_matrices=False)
        rank = min(limit, int(np.sum(s > np.finfo(float).eps * max(n, p) * s[0])))
        return Factor(X, centre, root, s[:rank], U[:, :rank], Vt[:rank])
    if n <= p:
        product = X @ centre
        gram = (X @ X.T).toarray() - product[:, None] - product + centre @ centre
        values, vectors = _eigen(root[:, None] * gram * root / n, limit)
        return Factor(X, centre, root, np.sqrt(values), vectors, None)
    gram = (X.T @ X.multiply(omega[:, None]).tocsr()).toarray() / n - np.outer(centre, centre)
    values, vectors = _eigen(gram, limit)
    return Factor(X, centre, root, np.sqrt(values), None, vectors.T)


def mean_square(X: Any, omega: np.ndarray, intercept: bool) -> float:
    """Of the features, around their mean where there is an intercept."""
    n, p = X.shape
    centre = np.asarray(X.T @ omega) / n if intercept else np.zeros(p)
    if sparse.issparse(X):
        return float(X.multiply(X).sum(axis=1) @ omega / n - centre @ centre) / p
    Z = X - centre
    return float(np.einsum("ij,ij,i->", Z, Z, omega)) / n / p


def _eigen(gram: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues in decreasing order, those that rounding made left out, and their vectors."""
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    values, vectors = values[::-1][:limit], vectors[:, ::-1][:, :limit]
    rank = int(np.sum(values > 4 * np.finfo(float).eps * len(gram) * values[0]))
    return values[:rank], vectors[:, :rank]
