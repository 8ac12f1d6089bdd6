r"""The exact sampler: one trial of any dimension in O(depth) random numbers, for C = C̃ = I and Gaussian noise.

The law of the noise Z (p × n) is invariant under rotations on both sides, and the trained weights matter only through a
few inner products. So run block Golub–Kahan bidiagonalisation on paper: start the left basis with the k special directions
(source: μ; target: μ_β and w̃) and the right basis with y/√n. Row by row, what a rotation has not yet fixed of Z is a χ variable
(its length) or an independent normal, and everything further away is exactly 0.

Level l of that basis has an *a side* of k directions and a *b side* of one. On even levels a is left (features, p-dimensional)
and b right (samples, n-dimensional); on odd levels the other way round. With X̂ = X/√n and the residual r = y/√n − X̂ᵀw the normal
equations read

.. math:: \begin{pmatrix} γ & -X̂ \\ -X̂^T & -1 \end{pmatrix} \begin{pmatrix} w \\ r \end{pmatrix}
          = \begin{pmatrix} αγ \tilde w \\ -y/\sqrt n \end{pmatrix},

block tridiagonal over the levels, with a right-hand side that lives on level 0. Its Schur complement T onto level 0,

.. math:: T_l = A_l - B_l T_{l+1}^{-1} B_l^T,

taken from the deepest level upwards, gives w there; carrying T' = dT/dγ along gives ‖w‖² = xᵀT'x. (theory.md, section 7.)
"""

from __future__ import annotations

import math

import numpy as np

from ..moments import ScoreForm
from ..problem import TransferProblem
from .streams import cell_key, generator

TRIALS = 256  # trials that share a stream
LEVELS = 8  # levels that share a stream
TOLERANCE = 1e-13  # what truncation may change, relative
DEVIATION = 8.0  # singular values leave their bulk by this many standard deviations with probability e⁻³²


def draw(problem: TransferProblem, seed: int, chunk: int, depth_factor: float = 1.0) -> ScoreForm:
    """Trials [256·chunk, 256·(chunk+1)) of a scalar isotropic problem: c (2, 256) and M (2, 2, 256).

    `depth_factor` scales the number of levels; it is there to test that more of them change nothing.
    """
    key = cell_key(problem, "chain")
    p, n, gamma = problem.dim, problem.n_target, problem.gamma_target
    uu, uv, vv = (float(x) for x in problem.mean_products)
    b = math.sqrt(vv)
    if problem.has_trained_source:
        along, total = _source(problem, seed, key, chunk, depth_factor)
        cosine = uv / (math.sqrt(uu) * b) if uu * vv > 0 else 1.0
        sine = math.sqrt(max(1 - cosine * cosine, 0.0))
        rest = generator(seed, key, chunk, 0)
        g = rest.standard_normal(TRIALS)
        length = np.sqrt(g * g + 2 * rest.standard_gamma((p - 2) / 2, TRIALS))
        # What is orthogonal to μ in w̃ is uniform on a sphere of p−1 dimensions.
        orthogonal = np.sqrt(np.maximum(total - along * along, 0.0)) * g / length
        s = along * cosine + orthogonal * sine
    else:
        s = np.full(TRIALS, uv / b if b > 0 else 0.0)
        total = np.full(TRIALS, uu)
    off = np.sqrt(np.maximum(total - s * s, 0.0))
    depth = math.ceil(depth_factor * levels_needed(p, n, gamma, b, 2))
    T, dT = _schur_complement(p, n, gamma, b, 2, depth, seed, (*key, chunk, 2))
    # The two right-hand sides, at α⁰ and α¹, in the basis (μ_β/b, the rest of w̃, y/√n).
    zero = np.zeros(TRIALS)
    rhs = np.array([[zero, gamma * s], [zero, gamma * off], [np.full(TRIALS, -1.0), zero]])
    x = np.einsum("ijt,jkt->ikt", _inverse(T), rhs)
    M = np.einsum("ijt,ikt,klt->jlt", x, dT, x, optimize=True)
    return ScoreForm(b * x[0], M)


def _source(
    problem: TransferProblem, seed: int, key: tuple[int, ...], chunk: int, depth_factor: float
) -> tuple[np.ndarray, np.ndarray]:
    """⟨w̃, μ⟩/‖μ‖ and ‖w̃‖² of the trained source."""
    p, n, gamma = problem.dim, problem.n_source, problem.gamma_source
    mu = math.sqrt(float(problem.mean_products[0]))
    depth = math.ceil(depth_factor * levels_needed(p, n, gamma, mu, 1))
    T, dT = _schur_complement(p, n, gamma, mu, 1, depth, seed, (*key, chunk, 1))
    x = -_inverse(T)[:, 1]
    return x[0], np.einsum("it,ijt,jt->t", x, dT, x)


def levels_needed(p: int, n: int, gamma: float, b: float, k: int) -> int:
    r"""Levels after which truncation changes nothing beyond `TOLERANCE`; never more than there are.

    Truncation is the Galerkin approximation on a block Krylov space. Two levels are one multiplication by X̂X̂ᵀ, so quadratic forms err by

    .. math:: 4c\,ρ^{depth}, \qquad ρ = \frac{\sqrt c - 1}{\sqrt c + 1}, \quad c = \mathrm{cond}(X̂X̂^T + γ) \text{ on the smaller side},

    with singular values bounded as in Davidson & Szarek, plus b for the rank-one mean.
    """
    full = 2 * math.ceil(min(p, n) / (k + 1)) + 3
    top = ((math.sqrt(p) + math.sqrt(n) + DEVIATION) / math.sqrt(n) + b) ** 2
    bottom = max(abs(math.sqrt(p) - math.sqrt(n)) - DEVIATION, 0.0) ** 2 / n
    root = math.sqrt((top + gamma) / (bottom + gamma))
    # log((√c+1)/(√c−1)), without the cancellation at c ≈ 1.
    rate = math.log1p(2 / max(root - 1, 1e-300))
    needed = math.log(4 * root * root / TOLERANCE) / rate
    return min(full, math.ceil(needed) + 2 * LEVELS)


def _schur_complement(
    p: int, n: int, gamma: float, b: float, k: int, depth: int, seed: int, key: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """T and dT/dγ on level 0, each (k+1, k+1, trials): k special directions, then y/√n."""
    diagonal = np.array([[gamma] * k + [-1.0], [-1.0] * k + [gamma]])
    is_feature = np.array([[1.0] * k + [0.0], [0.0] * k + [1.0]])
    on_diagonal, below = np.diag_indices(k + 1), np.tril_indices(k, -1)
    T = np.zeros((k + 1, k + 1, TRIALS))
    dT = np.zeros_like(T)
    T[on_diagonal] = diagonal[depth % 2, :, None]
    dT[on_diagonal] = is_feature[depth % 2, :, None]
    B = np.zeros_like(T)
    for block in reversed(range(math.ceil(depth / LEVELS))):
        within, normals, chis = _level_block(p, n, k, block * LEVELS, generator(seed, key, block))
        for i in reversed(range(min(LEVELS, depth - block * LEVELS))):
            level = block * LEVELS + i
            # B couples level l to l+1: lower triangular from a to a, one number from b to b.
            B[on_diagonal] = chis[i]
            B[below] = normals[i]
            P = _product(_inverse(T), B.transpose(1, 0, 2))
            T = -_product(B, P)
            dT = _product(P.transpose(1, 0, 2), _product(dT, P))
            T[:k, k] -= within[i]
            if level == 0:
                T[0, k] -= b  # the mean adds √n‖μ‖ to one entry of Z
            T[k, :k] = T[:k, k]
            T[on_diagonal] += diagonal[level % 2, :, None]
            dT[on_diagonal] += is_feature[level % 2, :, None]
    return T, dT


def _freedom(p: int, n: int, k: int, level: np.ndarray) -> np.ndarray:
    """Directions left for (a₁ … a_k, b) of level+1 when their turn comes, (levels, k+1): the χ's degrees of freedom."""
    pairs, odd = np.divmod(level, 2)
    used = (pairs + 1) * (k + 1)
    a = np.where(odd, p - used, n - (used - k))
    b = np.where(odd, n - used, p - (used - 1))
    return np.column_stack([a[:, None] - np.arange(k), b])


def _level_block(
    p: int, n: int, k: int, first: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The random entries of X̂ on `LEVELS` levels: a–b within a level (levels, k, trials), and from a level to the next the strict
    lower triangle (levels, k(k−1)/2, trials) and the diagonal (levels, k+1, trials). Entries of directions that Z has no room for are 0.
    """
    level = np.arange(first, first + LEVELS)
    freedom = _freedom(p, n, k, level)
    before = np.minimum(_freedom(p, n, k, level - 1), _freedom(p, n, k, level - 2))
    # Both sides must have room: a direction that would follow from a missing one is missing too.
    exists = before > 0 if first else np.vstack([np.ones((1, k + 1), bool), before[1:] > 0])
    follows = exists & (freedom > 0)
    row, column = np.tril_indices(k, -1)
    normals = rng.standard_normal((LEVELS, k + len(row), TRIALS)) / math.sqrt(n)
    shapes = np.where(follows, freedom, 0) / 2
    chis = np.sqrt(rng.standard_gamma(shapes[:, :, None], (LEVELS, k + 1, TRIALS)) * (2 / n))
    within = normals[:, :k] * (exists[:, :k] & exists[:, k:])[:, :, None]
    below = normals[:, k:] * (exists[:, row] & follows[:, column])[:, :, None]
    return within, below, chis


def _product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Matrix products, one a trial: (i, j, trials) × (j, k, trials)."""
    total = A[:, 0, None] * B[None, 0]
    for j in range(1, len(B)):
        total += A[:, j, None] * B[None, j]
    return total


def _inverse(T: np.ndarray) -> np.ndarray:
    """T⁻¹ by symmetric sweeps; T is quasi-definite, so every pivot is nonzero in any order."""
    A = T.copy()
    for j in range(len(A)):
        pivot = 1 / A[j, j]
        row = A[j] * pivot
        A -= A[:, j, None] * row
        A[j] = A[:, j] = row
        A[j, j] = -pivot
    return -A
