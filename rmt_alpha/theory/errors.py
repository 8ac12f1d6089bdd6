r"""What a ridge training says of itself: degrees of freedom, training error, leave-one-out error, generalised
cross-validation.

All follow from the κ of the theory. A sample's residual is its residual as a test point, shrunk by what it pulled the
fit towards itself,

.. math:: y_i - \hat W^T x_i = \frac{r_i}{1+δ_k}, \quad \frac1{1+δ_k} = \frac{γ}{κ}\frac{χ_k}{π_k}, \quad
          1 - \frac{\mathrm{df}_1}n = \frac γκ,

.. math:: \text{training} = \sum_k \frac{π_k\,\mathrm{tr} S_k}{(1+δ_k)^2}, \quad \text{leave-one-out} = \sum_k π_k\,\mathrm{tr} S_k, \quad
          \text{GCV} = \frac{\text{training}}{(1-\mathrm{df}_1/n)^2}.

With one covariance all δ_k agree and GCV is the leave-one-out error; with several it is biased. S_k counts the noise
of the labels, flipped ones included: nobody who trains sees others. (Atanasov, Zavatone-Veth & Pehlevan, arXiv
2405.00592; Golub, Heath & Wahba 1979.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import plain
from ..problem import Fit, TransferProblem, as_fit
from ..results import checked_alpha
from .low_rank import _weights
from .resolvent import Spectral
from .stage import Stage, train


@dataclass(frozen=True, eq=False)
class Errors:
    """Mean squared residuals, summed over outputs: on the training sample, and as estimates of a fresh sample's.

    | field | meaning |
    |---|---|
    | `training` | (1/n) Σ‖y_i − Ŵᵀx_i‖² |
    | `leave_one_out` | the same, with each sample left out of its own fit |
    | `gcv` | training / (1 − df₁/n)² |
    """

    training: Any
    leave_one_out: Any
    gcv: Any


def degrees_of_freedom(fit: Fit | TransferProblem) -> tuple[float, float]:
    r"""df₁ = tr C(C+κ)⁻¹ and df₂ = tr C²(C+κ)⁻²; Σ χ_kC_k in place of C where components differ.

    >>> mu = np.full(100, 0.1)
    >>> degrees_of_freedom(Fit(Population.two_classes(mu, -mu), n=200, gamma=1.0))
    (43.84471871911697, 19.223593595584862)
    """
    return _degrees(_stage(fit))


def errors(fit: Fit | TransferProblem, alpha: Any = None) -> Errors:
    """Training, leave-one-out and GCV errors of a fit with squared loss at full rank, shaped like α.

    | parameter | meaning |
    |---|---|
    | `fit` | a scalar `Fit` or `TransferProblem` |
    | `alpha` | as for `predict` |

    Raises ValueError or TypeError, naming the parameter.
    """
    stage = _stage(fit)
    alpha = checked_alpha(stage.fit, alpha)
    columns = stage.columns(_weights(stage.fit, alpha))
    total = lambda form: np.einsum("...iq,ij,...jq->...", columns, np.asarray(form), columns)  # noqa: E731
    S = np.broadcast_to(stage.S, (stage.population.components, *stage.S.shape[-2:]))
    weights = np.asarray(stage.population.priors)
    kept = _kept(stage)
    pulled = np.asarray(stage.R.pull(stage.S)).sum(0)
    training = kept**2 * total(pulled)
    return Errors(plain(training), plain(total(np.tensordot(weights, S, axes=1))), plain(total(pulled)))


def _kept(stage: Stage) -> float:
    """γ/κ = 1 − df₁/n."""
    gamma, kappa = float(stage.fit.gamma), float(stage.R.kappa)
    return gamma / kappa if gamma > 0 else max(0.0, 1 - _degrees(stage)[0] / float(stage.R.n))


def _degrees(stage: Stage) -> tuple[float, float]:
    R = stage.R
    kappa = float(R.kappa)
    if isinstance(R, Spectral):
        lam, times = np.asarray(R.lam), R.cov.multiplicity
    else:
        lam, times = (
            np.linalg.eigvalsh(
                np.tensordot(np.asarray(R.chi) if not R.shared else np.ones(1), np.asarray(R.C), axes=1)
            ),
            1,
        )
    shrunk = np.divide(lam, lam + kappa, out=np.zeros(np.shape(lam)), where=lam > 0)
    return float(times * shrunk.sum()), float(times * np.sum(shrunk**2))


def _stage(fit: Fit | TransferProblem) -> Stage:
    fit = as_fit(fit)
    if fit.shape:
        raise ValueError(f"fit must be scalar, got shape {fit.shape}. Iterate over cells().")
    if not fit.is_squared or (fit.rank is not None and fit.rank < fit.population.outputs):
        raise ValueError(
            "fit must have squared loss and full rank: otherwise no shrinkage leaves a sample out. Drop loss= and rank=."
        )
    return train(fit)
