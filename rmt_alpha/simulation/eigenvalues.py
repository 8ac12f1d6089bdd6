"""Eigenvalues of drawn sample covariances: the witness of `spectrum`."""

from __future__ import annotations

import numpy as np

from .. import _checks as check
from .._arrays import in_numpy
from ..problem import Fit, TransferProblem, as_fit
from . import dense, samples
from .streams import generator, stream_key


def draw_eigenvalues(fit: Fit | TransferProblem, *, n_trials: int = 16, seed: int = 0) -> np.ndarray:
    """All eigenvalues of XᵀX/n (with an intercept, of the centred one over n − 1) of drawn Gaussian samples: (trials, p), rising.

    O(p³) a trial. Raises ValueError or TypeError, naming the parameter.

    >>> draw_eigenvalues(Fit(Population.linear(np.ones(50)), n=100, gamma=1.0), n_trials=2).shape
    (2, 50)
    """
    fit = as_fit(in_numpy(check.concrete("fit", fit)))
    if np.ndim(fit.n):
        raise ValueError(f"fit must have one number n, got shape {np.shape(fit.n)}. Iterate over cells().")
    n, p = int(fit.n), fit.dim

    def place(v: np.ndarray) -> np.ndarray:
        v = np.asarray(v, dtype=float)
        return np.pad(v, ((0, 0), (0, p - v.shape[1])))

    task, key = (
        dense.sampling(fit.population, n, dense.Conditions(), place),
        stream_key(fit.population, "eigenvalues", n),
    )
    found = []
    for trial in range(check.size("n_trials", n_trials)):
        gram, total = np.zeros((p, p)), np.zeros(p)
        for X, _, ones in samples.statistics(generator(seed, key, trial), *task):
            gram += X.T @ X
            total += ones @ X
        centred = np.outer(total, total) / n if fit.intercept else 0.0
        found.append(np.linalg.eigvalsh((gram - centred) / (n - fit.intercept)))
    return np.array(found)
