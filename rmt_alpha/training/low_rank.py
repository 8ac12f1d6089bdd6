r"""The best correction of low rank: Eckart and Young in the metric of the ridge problem.

.. math:: A_r = \hat A\, U_r U_r^T, \qquad G = \hat A^T S \hat A, \quad S = X^TX/n + γ,

with the r leading eigenvectors U_r of G. Exact at any size, since the objective is ‖A − Â‖² in the metric S, up to a constant.
(theory.md, section 10.)
"""

from __future__ import annotations

import numpy as np


def leading(G: np.ndarray, rank: int) -> np.ndarray:
    """U_rU_rᵀ (..., q, q), the projector on the `rank` leading eigenvectors of G (..., q, q)."""
    U = np.linalg.eigh((G + np.swapaxes(G, -1, -2)) / 2)[1][..., G.shape[-1] - rank :]
    return U @ np.swapaxes(U, -1, -2)


def truncate(correction: np.ndarray, pull: np.ndarray, rank: int) -> np.ndarray:
    """A_r (p, q) from the unrestricted correction Â (p, q) and SÂ = Xᵀ(y − Xa)/n, the `pull` of what the anchor a leaves."""
    return correction @ leading(correction.T @ pull, rank)
