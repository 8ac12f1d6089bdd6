r"""The chain sampler for several sources and for chains of fine-tunings, C = I: exact at any dimension.

Only inner products of the means, the fixed classifiers and the trained ones matter. So hold each of them by its coordinates
in one orthonormal frame of ℝᵖ, which starts as a basis of everything given and grows by one direction with each training.

Weights trained from a mean μ and starts w₀ … have a part in S = span(μ, w₀, …) and a length, and both come from the chain. The noise is
invariant under the rotations that fix S, so the rest is uniform on a sphere in S^⊥. That is a Gaussian vector of S^⊥, scaled:

.. math:: w = w_S + r\, \frac{g}{‖g‖}, \qquad g = P_{S^⊥}(g_1, …, g_D) + χ_{p-D}\, e_{D+1}, \qquad g_i \text{ standard normal},

with D directions in the frame so far. What g has outside of them is itself uniformly directed, and independent of all
before, so its direction may be called the next one of the frame.
"""

from __future__ import annotations

import math

import numpy as np

from ..moments import ScoreForm
from ..problem import TransferProblem
from ..sources import Source
from .chain import TRIALS, inverse, levels_needed, schur_complement
from .streams import cell_key, generator


def directions(problem: TransferProblem) -> int:
    """How many directions the frame ends with: the given vectors, and one for each training."""
    lineage = [s for source in problem.sources for s in source.lineage]
    return 1 + len(lineage) + sum(s.is_trained for s in lineage)


def draw(problem: TransferProblem, seed: int, chunk: int, depth_factor: float = 1.0) -> ScoreForm:
    """Trials [1024·chunk, 1024·(chunk+1)) of a scalar isotropic problem with K sources: c (K+1, 1024) and M (K+1, K+1, 1024).

    `depth_factor` scales the number of levels; it is there to test that more of them change nothing.
    """
    assert problem.geometry is not None
    lineage = [s for source in problem.sources if isinstance(source, Source) for s in source.lineage]
    given = [problem.geometry.mean_target, *(s.mean if s.is_trained else s.w for s in lineage)]
    frame = _Frame(given, seed, (*cell_key(problem, "chain"), chunk), depth_factor)
    index = {id(s): i for i, s in enumerate(lineage, start=1)}
    anchors = [frame.train(source, index) for source in problem.sources if isinstance(source, Source)]
    return frame.stage(0, anchors, problem.n_target, problem.gamma_target)[0]


class _Frame:
    """Coordinates of the given vectors, and of weights as they get trained, (directions, trials) each."""

    def __init__(self, given: list[np.ndarray], seed: int, key: tuple[int, ...], depth_factor: float):
        self.dim = len(given[0])
        self.given = np.asarray(np.linalg.qr(np.column_stack(given), mode="r"))  # column i: the coordinates of vector i
        self.size = len(self.given)
        self.seed, self.key, self.depth_factor = seed, key, depth_factor
        self.trainings = 0

    def train(self, source: Source, index: dict[int, int]) -> np.ndarray:
        """The coordinates of a source's classifier, trained after those it was fine-tuned from."""
        if not source.is_trained:
            return np.repeat(self.given[:, index[id(source)], None], TRIALS, axis=1)
        starts = [] if source.start is None else [self.train(source.start, index)]
        form, basis, x = self.stage(index[id(source)], starts, source.n, source.gamma)
        a = np.array([1.0, source.alpha][: len(form.c)])
        within = np.einsum("tdk,kjt,j->dt", basis, x, a)
        square = np.einsum("i,ijt,j->t", a, form.M, a)
        return self._complete(within, square, basis)

    def stage(
        self, mean: int, anchors: list[np.ndarray], n: int, gamma: float
    ) -> tuple[ScoreForm, np.ndarray, np.ndarray]:
        """One training: its score form on its own task, an orthonormal basis (trials, directions, k) of its mean and anchors,
        and there its weights (k, 1+anchors, trials), at α = 0 and then their slope in each α.
        """
        k = 1 + len(anchors)
        S = np.zeros((TRIALS, self.size, k))
        S[:, : len(self.given), 0] = self.given[:, mean]
        for j, w in enumerate(anchors, start=1):
            S[:, : len(w), j] = w.T
        basis, coordinates = np.linalg.qr(S)
        b = float(coordinates[0, 0, 0])  # ±‖μ‖, the same in every trial
        depth = math.ceil(self.depth_factor * levels_needed(self.dim, n, gamma, k))
        self.trainings += 1
        T, dT = schur_complement(self.dim, n, gamma, b, k, depth, self.seed, (*self.key, self.trainings))
        rhs = np.zeros((k + 1, k, TRIALS))
        rhs[k, 0] = -1.0
        rhs[:k, 1:] = gamma * coordinates[:, :, 1:].transpose(1, 2, 0)
        x = np.einsum("ijt,jkt->ikt", inverse(T), rhs)
        M = np.einsum("ijt,ilt->jlt", x, np.einsum("ijt,jlt->ilt", dT, x))
        return ScoreForm(b * x[0], M), basis, x[:k]

    def _complete(self, within: np.ndarray, square: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Weights of squared length `square` with the part `within` the basis, uniform on the sphere that leaves."""
        rng = generator(self.seed, self.key, 0, self.trainings)
        inside = rng.standard_normal((self.size, TRIALS))
        inside -= np.einsum("tdk,tek,et->dt", basis, basis, inside, optimize=True)
        outside = np.sqrt(2 * rng.standard_gamma((self.dim - self.size) / 2, (1, TRIALS)))
        g = np.concatenate([inside, outside])
        r = np.sqrt(np.maximum(square - np.sum(within**2, axis=0), 0.0) / np.sum(g**2, axis=0))
        self.size += 1
        return np.concatenate([within, np.zeros((1, TRIALS))]) + r * g
