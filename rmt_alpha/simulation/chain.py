r"""One training of any dimension in O(depth) random numbers, exactly, for C = I and Gaussian noise.

The law of the noise Z (p × n) is invariant under rotations on both sides, and the trained weights matter only through
a few inner products. So run block Golub–Kahan bidiagonalisation on paper: start the left basis with the k special
directions (the mean, and what it starts from) and the right basis with y/√n. Row by row, what a rotation has not yet
fixed of Z is a χ variable (its length) or an independent normal, and everything further away is exactly 0.

Level l of that basis has an *a side* of k directions and a *b side* of one. On even levels a is left (features,
p-dimensional) and b right (samples, n-dimensional); on odd levels the other way round. With X̂ = X/√n and the
residual r = y/√n − X̂ᵀw the normal equations read

.. math:: \begin{pmatrix} γ & -X̂ \\ -X̂^T & -1 \end{pmatrix} \begin{pmatrix} w \\ r \end{pmatrix}
          = \begin{pmatrix} αγ \tilde w \\ -y/\sqrt n \end{pmatrix},

block tridiagonal over the levels, with a right-hand side that lives on level 0. Its Schur complement T onto level 0,

.. math:: T_l = A_l - B_l T_{l+1}^{-1} B_l^T,

taken from the deepest level upwards, gives w there; carrying T' = dT/dγ along gives ‖w‖² = xᵀT'x. (theory.md, section
7.)

Rounding: for p > n and γ → 0 the mixed entry of M keeps about 16 − log₁₀(1/γ) digits, the others all.

Measured at (N, n, p) = (5·10⁶, 10⁵, 10⁶) and γ = 1, microseconds a trial on one core, of which the random numbers alone
(the floor) cost 2.7:

| way | µs |
|---|---|
| block elimination with explicit inverses and products, T and T' apart, 256 trials at once, cautious depth | 54 |
| one variable at a time, complex γ, 256 trials at once | 11 |
| the same, 512 / 1024 / 2048 trials at once | 8.2 / 6.8 / 6.0 |

Of the 6.8 the elimination takes 2.8; as a jitted JAX scan in double precision it takes 1.6, which did not pay for
switching the user's precision. As a numba loop over trials it takes 3.3 where, in the same run, NumPy takes 2.4: no
gain for 200 MB of compiler. Two threads are no faster than one (the calls are short, the interpreter is the
bottleneck); two processes are.
"""

from __future__ import annotations

import math

import numpy as np

from .streams import generator

TRIALS = 1024  # trials that share a stream and a pass: many for few NumPy calls, few for the cache
LEVELS = 8  # levels that share a stream
SMALLEST_PENALTY = 1e-13  # at n = p a smaller one drowns in rounding
TOLERANCE = 1e-13  # what truncation may change, relative
DEVIATION = 6.0  # singular values leave their bulk by so many units of the Tracy–Widom scale with probability e⁻²⁷
HELD = 1e200  # a diagonal entry beside which every other is 0
STEP = 1e-100  # imaginary part of γ, so small that its square is nothing


def levels_needed(p: int, n: int, gamma: float, k: int) -> int:
    r"""Levels after which truncation changes nothing beyond `TOLERANCE`; never more than there are.

    Truncation is the Galerkin approximation on a block Krylov space. Two levels are one multiplication by X̂X̂ᵀ, so
    quadratic forms err by

    .. math:: 4c\,ρ^{depth}, \qquad ρ = \frac{\sqrt c - 1}{\sqrt c + 1}, \quad c = \mathrm{cond}(X̂X̂^T + γ) \text{ on the smaller side}.

    The bulk of the singular values ends at √p ± √n, give or take a Tracy–Widom fluctuation. The mean is of rank one
    and adds one eigenvalue above the bulk, which costs one multiplication more whatever its size.
    """
    full = 2 * math.ceil(min(p, n) / (k + 1)) + 3
    fluctuation = DEVIATION * (1 / math.sqrt(p) + 1 / math.sqrt(n)) ** (1 / 3)
    top = (math.sqrt(p) + math.sqrt(n) + fluctuation) ** 2 / n
    bottom = max(abs(math.sqrt(p) - math.sqrt(n)) - fluctuation, 0.0) ** 2 / n
    root = math.sqrt((top + gamma) / (bottom + gamma))
    # log((√c+1)/(√c−1)), without the cancellation at c ≈ 1.
    rate = math.log1p(2 / max(root - 1, 1e-300))
    needed = math.log(4 * root * root / TOLERANCE) / rate
    return min(full, math.ceil(needed) + 3)


def schur_complement(
    p: int, n: int, gamma: float, b: float, k: int, depth: int, seed: int, key: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """T and dT/dγ on level 0, each (k+1, k+1, trials): k special directions, then y/√n.

    One variable after another is eliminated, from the deepest upwards, and the one above it that Z's entries tie it
    to enters: T's window slides up the band. An imaginary step of γ carries the derivative along.
    """
    ridge = complex(gamma, STEP)
    diagonal = np.array([[ridge] * k + [-1.0], [-1.0] * k + [ridge]])
    # The smaller side is held at 0 on the deepest level: its part of the truncated Z then has no singular value below the bulk.
    held = (p < n) == np.array([depth % 2 == 0] * k + [depth % 2 == 1])
    T = np.zeros((k + 1, k + 1, TRIALS), complex)
    T[np.diag_indices(k + 1)] = np.where(held, HELD, diagonal[depth % 2])[:, None]
    entered, update, scaled = np.empty_like(T), np.empty((k, k, TRIALS), complex), np.empty((k, TRIALS), complex)
    for block in reversed(range(math.ceil(depth / LEVELS))):
        levels = np.arange(block * LEVELS, min((block + 1) * LEVELS, depth))
        squares, normals = _entries(p, n, k, levels, generator(seed, key, block))
        chis = np.sqrt(squares)
        for i in reversed(range(len(levels))):
            for s in reversed(range(k + 1)):
                last, pivot = T[k, :k], 1 / T[k, k]
                np.multiply(last, pivot, out=scaled)
                np.multiply(scaled[:, None], last, out=update)
                np.subtract(T[:k, :k], update, out=entered[1:, 1:])
                np.multiply(scaled, chis[i, s], out=entered[0, 1:])
                pivot *= squares[i, s]
                np.subtract(diagonal[levels[i] % 2, s], pivot, out=entered[0, 0])
                if s < k:
                    entered[0, k - s :].real += normals[i, s * (s + 1) // 2 : (s + 1) * (s + 2) // 2]
                entered[1:, 0] = entered[0, 1:]
                T, entered = entered, T
    T[0, k] -= b  # the mean adds √n‖μ‖ to one entry of Z
    T[k, 0] -= b
    return T.real, T.imag / STEP


def _freedom(p: int, n: int, k: int, level: np.ndarray) -> np.ndarray:
    """Directions left for (a₁ … a_k, b) of level+1 when their turn comes, (levels, k+1): the χ's degrees of freedom."""
    pairs, odd = np.divmod(level, 2)
    used = (pairs + 1) * (k + 1)
    a = np.where(odd, p - used, n - (used - k))
    b = np.where(odd, n - used, p - (used - 1))
    return np.column_stack([a[:, None] - np.arange(k), b])


def _entries(p: int, n: int, k: int, levels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The random entries of X̂ on some levels; those of directions that Z has no room for are 0.

    Squares of the χ's that tie each level to the next, (levels, k+1, trials), and for each a_s the normals that tie
    it to b on its own level and to a_1 … a_(s−1) on the next, (levels, k(k+1)/2, trials). Signs are dropped where
    both are as likely.
    """
    freedom = np.maximum(_freedom(p, n, k, levels), 0)
    squares, normals = np.empty((len(levels), k + 1, TRIALS)), np.empty((len(levels), k * (k + 1) // 2, TRIALS))
    for i, row in enumerate(freedom.tolist()):
        # Level after level, so that the depth changes no number above it.
        rng.standard_normal(out=normals[i])
        for j, degrees in enumerate(row):
            rng.standard_gamma(degrees / 2, out=squares[i, j])
    squares *= 2 / n
    normals *= 1 / math.sqrt(n)
    # Both sides must have room: a direction that would follow from a missing one is missing too.
    exists = np.minimum(_freedom(p, n, k, levels - 1), _freedom(p, n, k, levels - 2)) > 0
    exists |= (levels == 0)[:, None]
    follows = exists & (freedom > 0)
    tied = np.hstack([exists[:, [s]] & np.hstack([exists[:, k:], follows[:, :s]]) for s in range(k)])
    squares[~follows] = 0.0
    normals[~tied] = 0.0
    return squares, normals


def inverse(T: np.ndarray) -> np.ndarray:
    """T⁻¹ by symmetric sweeps; T is quasi-definite, so every pivot is nonzero in any order."""
    A = T.copy()
    for j in range(len(A)):
        pivot = 1 / A[j, j]
        row = A[j] * pivot
        A -= A[:, j, None] * row
        A[j] = A[:, j] = row
        A[j, j] = -pivot
    return -A
