r"""Sources that are mixtures of each other: α moves along as many directions as there are linearly independent sources.

.. math:: W = T B, \qquad S^T T = 1, \qquad A^{-1} := S\,(S^T A\, S)^{-1} S^T \quad\text{for } A = T A_B T^T

W (J, m) has the sources as rows, B (r, m) is a basis of what they span. A classifier depends on Wᵀα alone. Where r < J, this inverse
picks from all α of one classifier the smallest, each source in units of its own norm: twins share alike.
"""

from __future__ import annotations

import numpy as np

ALIKE = 1e-6  # what one source adds to the others, of its norm: less is single precision's rounding
ROUNDING = 1e-13  # of a matrix's largest eigenvalue: what is less, has no digit


def combinations(W: np.ndarray) -> np.ndarray:
    """S (J, r): the combinations of the sources W (J, m) that determine all of them; diagonal where these are independent."""
    if not len(W):
        return np.eye(0)
    norms = np.linalg.norm(W, axis=1)
    norms = np.where(norms > 0, norms, 1.0)
    U, s, _ = np.linalg.svd(W / norms[:, None], full_matrices=False)
    keep = s > ALIKE * s.max(initial=0.0)
    return np.diag(1 / norms) if keep.sum() == len(W) else U[:, keep] / norms[:, None]


def determined(S: np.ndarray) -> np.ndarray:
    """Does the classifier determine the source's α? (J,)"""
    return np.einsum("jr,rj->j", S, np.linalg.pinv(S)) > 1 - ALIKE


def inverse(A: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Inverse of symmetric A (…, J, J) along S; most often J = 1, where LAPACK is all overhead."""
    if A.shape[-1] == 1:
        return np.divide(1.0, A, out=np.zeros_like(A), where=A != 0)
    return S @ np.linalg.pinv(S.T @ A @ S, rcond=ROUNDING, hermitian=True) @ S.T


def root(A: np.ndarray, S: np.ndarray) -> np.ndarray:
    """R (J, r) with R Rᵀ = A (J, J), positive but for rounding."""
    values, vectors = np.linalg.eigh(S.T @ A @ S)
    return np.linalg.pinv(S).T @ vectors * np.sqrt(np.maximum(values, 0.0))
