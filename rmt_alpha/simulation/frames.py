r"""The chain sampler: fits of opposite classes from any starts, C = I, exact at any dimension.

Only inner products of the means, the given weights and the trained ones matter. So hold each of them by its
coordinates in one orthonormal frame of ℝᵖ, which starts as a basis of everything given and grows by one direction
with each training.

Weights trained from a mean μ and starts w₀ … have a part in S = span(μ, w₀, …) and a length, and both come from the
chain. The noise is invariant under the rotations that fix S, so the rest is uniform on a sphere in S^⊥. That is a
Gaussian vector of S^⊥, scaled:

.. math:: w = w_S + r\, \frac{g}{‖g‖}, \qquad g = P_{S^⊥}(g_1, …, g_D) + χ_{p-D}\, e_{D+1}, \qquad g_i \text{ standard normal},

with D directions in the frame so far. What g has outside of them is itself uniformly directed, and independent of all
before, so its direction may be called the next one of the frame.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..problem import Fit, Group, is_squared
from ..results import ScoreForm
from .chain import SMALLEST_PENALTY, TRIALS, inverse, levels_needed, schur_complement
from .streams import generator

DEPENDENT = 1e-10  # relative length of what is left of a vector beside those before it


def obstacles(fit: Fit) -> list[str]:
    """What a fit would need for the chain to apply; empty where it does."""
    lineage = fit.lineage
    needs = {
        "identity covariances": fit.is_isotropic,
        "two opposite classes without flips": all(
            f.population.is_opposite and np.array_equal(f.population.codes, [[1.0], [-1.0]]) for f in lineage
        ),
        "squared losses": all(is_squared(f.loss) for f in lineage),
        "no intercepts": not any(f.intercept for f in lineage),
        "starts that are no groups": not any(isinstance(s, Group) for f in lineage for s in f.starts),
        f"positive penalties (≥ {SMALLEST_PENALTY:g})": all(
            np.all(np.asarray(f.gamma) >= SMALLEST_PENALTY) for f in lineage
        ),
        f"dim ≥ {_given(fit)}": fit.dim >= _given(fit),
    }
    return [need for need, met in needs.items() if not met]


def _given(fit: Fit) -> int:
    """How many directions the frame may start with."""
    return sum(1 + sum(not isinstance(s, Fit) for s in f.starts) for f in fit.lineage)


def draw(fit: Fit, seed: int, key: tuple[int, ...], chunk: int, depth_factor: float = 1.0) -> ScoreForm:
    """Trials [1024·chunk, 1024·(chunk+1)) of a scalar fit with J starts: c (J+1, 1024) and M (J+1, J+1, 1024).

    `depth_factor` scales the number of levels; it is there to test that more of them change nothing.
    """
    frame = _Frame(fit, seed, (*key, chunk), depth_factor)
    return frame.stage(fit)[0]


class _Frame:
    """Coordinates of the given vectors, and of weights as they get trained, (directions, trials) each."""

    def __init__(self, fit: Fit, seed: int, key: tuple[int, ...], depth_factor: float):
        vectors: list[np.ndarray] = []
        self.place: dict[int, int] = {}
        for f in fit.lineage:
            for owner, vector in [
                (f, f.population.means[0]),
                *((s, s[:, 0]) for s in f.starts if not isinstance(s, Fit)),
            ]:
                if id(owner) not in self.place:
                    self.place[id(owner)] = len(vectors)
                    vectors.append(np.asarray(vector))
        self.dim, self.seed, self.key, self.depth_factor = fit.dim, seed, key, depth_factor
        d = max(map(len, vectors))
        stacked = np.column_stack([np.pad(v, (0, d - len(v))) for v in vectors])
        self.size = len(vectors)
        self.given = np.zeros((self.size, self.size))  # column i: the coordinates of vector i
        upper = np.asarray(np.linalg.qr(stacked, mode="r"))
        self.given[: len(upper)] = upper
        self.trainings = 0

    def start(self, start: Any) -> np.ndarray:
        """The coordinates of what a fit starts from, trained if it is to be."""
        if not isinstance(start, Fit):
            return np.repeat(self.given[:, self.place[id(start)], None], TRIALS, axis=1)
        form, basis, x = self.stage(start)
        a = np.append(1.0, np.ones(len(start.starts)) if start.alpha is None else start.alpha)
        within = np.einsum("dkt,kt->dt", basis, np.einsum("kjt,j->kt", x, a))
        square = np.einsum("i,ijt,j->t", a, form.M, a)
        return self._complete(within, square, basis)

    def stage(self, fit: Fit) -> tuple[ScoreForm, np.ndarray, np.ndarray]:
        """One training: its score form on its own task, an orthonormal basis (directions, k, trials) of its mean and
        anchors, and there its weights (k, 1+anchors, trials), at α = 0 and then their slope in each α.
        """
        anchors = [self.start(s) for s in fit.starts]
        k = 1 + len(anchors)
        S = np.zeros((self.size, k, TRIALS))
        S[: len(self.given), 0] = self.given[:, self.place[id(fit)], None]
        for j, w in enumerate(anchors, start=1):
            S[: len(w), j] = w
        basis, coordinates = orthonormal(S)
        b = float(coordinates[0, 0, 0])  # ±‖μ‖, the same in every trial
        depth = math.ceil(self.depth_factor * levels_needed(self.dim, fit.n, fit.gamma, k))
        self.trainings += 1
        T, dT = schur_complement(self.dim, fit.n, fit.gamma, b, k, depth, self.seed, (*self.key, self.trainings))
        rhs = np.zeros((k + 1, k, TRIALS))
        rhs[k, 0] = -1.0
        rhs[:k, 1:] = fit.gamma * coordinates[:, 1:]
        x = np.einsum("ijt,jkt->ikt", inverse(T), rhs)
        M = np.einsum("ijt,ilt->jlt", x, np.einsum("ijt,jlt->ilt", dT, x))
        return ScoreForm(b * x[0], M, prior=fit.population.priors[0]), basis, x[:k]

    def _complete(self, within: np.ndarray, square: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Weights of squared length `square` with the part `within` the basis, uniform on the sphere that leaves."""
        if basis.shape[1] == self.dim:
            return within
        rng = generator(self.seed, self.key, 0, self.trainings)
        g = rng.standard_normal((self.size, TRIALS))
        g -= np.einsum("dkt,kt->dt", basis, np.einsum("dkt,dt->kt", basis, g))
        if self.size < self.dim:
            outside = np.sqrt(2 * rng.standard_gamma((self.dim - self.size) / 2, (1, TRIALS)))
            g, within = np.concatenate([g, outside]), np.concatenate([within, np.zeros((1, TRIALS))])
            self.size += 1
        r = np.sqrt(np.maximum(square - np.sum(within**2, axis=0), 0.0) / np.sum(g**2, axis=0))
        return within + r * g


def orthonormal(S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S = QR trial by trial, for S (d, k, trials): Q (d, k, trials) and R (k, k, trials)."""
    k = S.shape[1]
    Q, R = np.empty_like(S), np.zeros((k, k, S.shape[2]))
    for j in range(k):
        v, size = S[:, j], np.sqrt(np.sum(S[:, j] ** 2, axis=0))
        for _ in range(2 if j else 0):  # twice: rounding of the first time is not orthogonal
            along = np.einsum("dit,dt->it", Q[:, :j], v)
            R[:j, j] += along
            v = v - np.einsum("dit,it->dt", Q[:, :j], along)
        R[j, j] = np.sqrt(np.sum(v * v, axis=0))
        if np.any(R[j, j] <= DEPENDENT * size):
            # Vectors that depend on each other, or vanish, leave the choice of a direction to LAPACK.
            q, r = np.linalg.qr(S.transpose(2, 0, 1))
            return q.transpose(1, 2, 0), r.transpose(1, 2, 0)
        Q[:, j] = v / R[j, j]
    return Q, R
