"""Exact draws of low-rank training on many outputs: any start, any target, every rank at once. The witness of `theory.proportional`."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .. import _checks as check
from ..problem.identity import digest
from .streams import generator


class Task(Protocol):
    """The numbers of a task with many outputs; theory's own type has them, and neither side imports the other."""

    @property
    def dim(self) -> int: ...

    @property
    def n(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    @property
    def gamma(self) -> float: ...

    @property
    def sigma(self) -> float: ...


@dataclass(frozen=True, eq=False)
class ManyOutputDraws:
    """One row per trial.

    | field | shape | meaning |
    |---|---|---|
    | `gram` | (T, R + 1) | leading eigenvalues of G |
    | `overlap` | (T, min(R, rank of Δ)) | squared cosine of G's k-th eigenvector with the k-th right singular vector of Δ |
    | `risk` | (T, R + 1) | E‖y − Ŵ_rᵀx‖² on fresh samples, r = 0 … R |
    """

    gram: np.ndarray
    overlap: np.ndarray
    risk: np.ndarray


def draw_many_outputs(task: Task, delta: Any, ranks: int, *, n_trials: int = 16, seed: int = 0) -> ManyOutputDraws:
    """Train on drawn data towards Δ = W_t − αW_s (p, q), or its singular values in coordinate directions, at ranks 0 … `ranks`."""
    p, n, q = task.dim, task.n, task.outputs
    ranks = check.whole("ranks", ranks, 0, q, remedy="There are no more outputs.")
    delta = np.asarray(check.real("delta", check.concrete("delta", delta)))
    if delta.ndim == 1:
        if len(delta) > min(p, q):
            raise ValueError(f"delta must have at most {min(p, q)} singular values, got {len(delta)}. Drop some.")
        delta = np.pad(np.diag(delta), ((0, p - len(delta)), (0, q - len(delta))))
    check.matrix("delta", delta, p, q)
    right = np.linalg.svd(delta, full_matrices=False)[2][: min(ranks, np.linalg.matrix_rank(delta))]
    # A stream per task: draws of two of them must not move together.
    key = struct.unpack("<8I", digest("many outputs", p, n, q, task.gamma, task.sigma, delta))
    gram, overlap, risk = [], [], []
    for trial in range(check.size("n_trials", n_trials, low=2)):
        rng = generator(seed, key, trial)
        X = rng.standard_normal((p, n))
        Y = delta.T @ X + task.sigma * rng.standard_normal((q, n))
        A = np.linalg.solve(X @ X.T / n + task.gamma * np.eye(p), X @ Y.T / n)
        G = Y @ X.T @ A / n  # ÂᵀSÂ
        values, vectors = np.linalg.eigh((G + G.T) / 2)
        U = vectors[:, ::-1][:, : ranks + 1]
        kept = A @ U[:, :ranks]
        steps = np.sum(kept**2, 0) - 2 * np.sum(kept * (delta @ U[:, :ranks]), 0)
        gram.append(values[::-1][: ranks + 1])
        overlap.append(np.sum(right * U[:, : len(right)].T, 1) ** 2)
        risk.append(np.sum(delta**2) + task.sigma**2 * q + np.concatenate([[0.0], np.cumsum(steps)]))
    return ManyOutputDraws(np.array(gram), np.array(overlap), np.array(risk))
