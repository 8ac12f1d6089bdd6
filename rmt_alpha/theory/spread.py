r"""Spread of one training set: leading-order covariance and bias of the score's moments over draws, for C = C̃ = 1
and Gaussian noise.

**What fluctuates.** In the coordinates yᵢxᵢ/√n a stage's data matrix is A = μuᵀ + G, with u the unit vector of n
equal entries and G (p × n) of independent N(0, 1/n); w_α = Q(Au + αγw̃), Q = (AAᵀ + γ)⁻¹, with an anchor of s = ⟨w̃,
μ⟩, q = ‖w̃‖². Let b = ‖μ‖, e₁ = μ/b, e₂ the direction of the rest of w̃, and Q₀, P₀ the resolvents of the noise
alone, (GGᵀ + γ)⁻¹ and (GᵀG + γ)⁻¹. Woodbury on AAᵀ − GGᵀ, of rank 2, gives

.. math::
    w = γQ_0(θ_1e_1 + θ_2e_2) + θ_3Q_0Gu, \qquad m = b(Nθ)_1, \qquad V = θ^TWθ,                                              && (1) \\
    θ = B\,(αs/b,\; α\sqrt{q - s^2/b^2},\; 1)^T, \qquad B = (1 + KN)^{-1}, \qquad K = b(e_1e_3^T + e_3e_1^T)

exactly, where the symmetric 3 × 3 matrices N and W hold bilinear forms of the resolvents in e₁, e₂ (i, j below) and
u. So m and V are smooth functions of N and W alone, and since NB is symmetric, d(NB) = Bᵀ dN B:

.. math:: dm = b(Be_1)^T dN θ, \qquad dV = θ^T dW θ + 2ζ^T dN θ, \qquad ζ = -KB^TWθ.                                          && (2)

**Law of dN, dW.** The singular vectors of G are uniform and independent of its spectrum, whose own fluctuations are
O(1/n). With ⟨⟩ the average over the Marchenko–Pastur law of GGᵀ (p eigenvalues x), ⟨⟩ₙ that of GᵀG (n of them), g =
γ/(x+γ), and (f, h) standing for the functions of an entry, the six entries are asymptotically Gaussian and
independent of each other:

| entry | in N | in W | covariance of (f, h) |
|---|---|---|---|
| 1,1 and 2,2 | γ eᵢᵀQ₀eᵢ: g | γ² eᵢᵀQ₀²eᵢ: g² | 2/p (⟨fh⟩ − ⟨f⟩⟨h⟩) |
| 1,2 | the same | the same | 1/p (⟨fh⟩ − ⟨f⟩⟨h⟩), mean 0 |
| 1,3 and 2,3 | eᵢᵀQ₀Gu: 1/(x+γ) | γ eᵢᵀQ₀²Gu: g/(x+γ) | 1/n ⟨xfh⟩, mean 0 |
| 3,3 | −uᵀP₀u: −1/(x+γ) | uᵀGᵀQ₀²Gu: x/(x+γ)² | 2/n (⟨fh⟩ₙ − ⟨f⟩ₙ⟨h⟩ₙ) |

(weighted sums of squares, or products, of coordinates of independent uniform unit vectors; the subtraction is their
normalisation). This in (2) is the covariance of (m, V) given the anchor. No entry cancels as γ → 0.

**Bias.** Means of the entries are exactly traces, tr Q₀ = pF + B + O(1/p) with Bai & Silverstein's B (real noise); so,
with a prime for d/dγ,

.. math:: B = \frac{η}{(1+κ)^3h^2}, \qquad δN = \mathrm{diag}\Big(\frac{γB}p, \frac{γB}p, -\frac Bn\Big), \qquad
          δW = \mathrm{diag}\Big(-\frac{γ^2B'}p, -\frac{γ^2B'}p, \frac{B+γB'}n\Big),                                && (3)

and the second order of (1), of which only E[dN X dN] and E[dN X dW] enter, is as large:

.. math:: δm = b(Be_1)^T D θ, \quad δV = θ^T\big(δW + E[dN\,KB^TWBK\,dN] - 2E[dN\,KB^T\,dW]\big)θ + 2ζ^T D θ, \quad
          D = δN - E[dN\,BK\,dN].                                                                                   && (4)

**Transfer.** The source, a stage without anchor, gives the covariance of (⟨w̃, μ⟩, ‖w̃‖²); the rest of w̃ is uniform
on a sphere orthogonal to μ, so its component along μ_⊥ is independent, of variance (q − m̃²/μ²)/p. That is the
covariance of (s, q), carried through ∂(c, M)/∂(s, q) of the closed form, as is its bias; only M₁₁ is curved in s.
Target and source draws are independent: add.

Everything is O(1/n), exact to leading order as p, n, N grow in proportion; the bias is below the spread by √n.
Non-Gaussian noise adds a fourth-cumulant term where μ or w̃ sit on a few coordinates: not included. Where
every first-order term vanishes the formula gives 0. (Bai & Silverstein 2004 for B.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check
from .._arrays import in_numpy, plain
from ..problem import Fit, TransferProblem
from ..results import LARGEST_ALPHA
from . import equivalents

LARGEST = 1e6  # a penalty, whose square multiplies rounding
ENTRIES = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))


def deviations(problem: Fit | TransferProblem, alpha: Any) -> dict[str, Any]:
    """Standard deviations over draws of mean, variance, accuracy and risk at α: the fields `…_sd` of `Moments`.

    For isotropic noise, two opposite classes, one start and squared losses, with γ > 0 and ‖μ_β‖ > 0 (a trained
    source: also γ̃, ‖μ‖ > 0); else ValueError: no formula is known, and `simulate` gives the deviations.
    `simulate(…).accuracy_sd` is its witness.

    >>> problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    >>> found = predict(problem, 7.5, spread=True)
    >>> print(f"{found.accuracy:.3f} ± {found.accuracy_sd:.3f}")
    0.731 ± 0.003
    """
    return spread_form(problem).deviations(in_numpy(check.concrete("alpha", alpha)))


@dataclass(frozen=True, eq=False)
class SpreadForm:
    """The limit, and the covariance and bias over draws, of (c₀, c₁, M₀₀, M₀₁, M₁₁): m = c₀ + c₁α, V = M₀₀ + 2M₀₁α +
    M₁₁α².

    `limit` (5,), `cov` (5, 5), `bias` (5,): enough for every α, for pairs of them, and for functions of the whole
    curve.
    """

    limit: np.ndarray
    cov: np.ndarray
    bias: np.ndarray

    def deviations(self, alpha: Any) -> dict[str, Any]:
        r"""The deviations at each α; with r = m/√V,

        .. math:: d\,\mathrm{accuracy} = φ(r) \Big(\frac{dm}{\sqrt V} - \frac{r\,dV}{2V}\Big), \qquad
                  d\,\mathrm{risk} = dV - 2(1-m)\,dm.
        """
        dm, dV = self.gradients(1.0, check.real("alpha", alpha, -LARGEST_ALPHA, LARGEST_ALPHA))
        m, V = (dm @ self.limit)[..., None], (dV @ self.limit)[..., None]
        r = m / np.sqrt(V)
        d_accuracy = np.exp(-r * r / 2) / math.sqrt(2 * math.pi) * (dm / np.sqrt(V) - r * dV / (2 * V))
        gradients = {"mean_sd": dm, "variance_sd": dV, "accuracy_sd": d_accuracy, "risk_sd": dV - 2 * (1 - m) * dm}
        found = {name: self._deviation(gradient) for name, gradient in gradients.items()}
        if not all(np.all(np.isfinite(v)) for v in found.values()):
            raise FloatingPointError("the spread left the range of double precision. Choose α nearer to one.")
        return found

    @staticmethod
    def gradients(a0: Any, a1: Any) -> tuple[np.ndarray, np.ndarray]:
        """m and V of a₀ × training + a₁ × start as linear functions (…, 5); α is a₁ at a₀ = 1."""
        a0, a1 = np.broadcast_arrays(np.asarray(a0, dtype=float), a1)
        zero = np.zeros_like(a0)
        return np.stack([a0, a1, zero, zero, zero], -1), np.stack([zero, zero, a0 * a0, 2 * a0 * a1, a1 * a1], -1)

    def best_alpha(self) -> float:
        r"""The deviation of each draw's own α* = (M₀₀c₁ − M₀₁c₀)/(M₁₁c₀ − M₀₁c₁)."""
        c0, c1, M00, M01, M11 = self.limit
        top, bottom = M00 * c1 - M01 * c0, M11 * c0 - M01 * c1
        d_top, d_bottom = np.array([-M01, M00, c1, -c0, 0.0]), np.array([M11, -M01, 0.0, -c1, c0])
        return float(self._deviation((d_top - top / bottom * d_bottom) / bottom))

    def _deviation(self, gradient: np.ndarray) -> Any:
        # Rounding may leave a variance of −1e-17 where it is 0.
        return plain(np.sqrt(np.maximum(np.einsum("...i,ij,...j->...", gradient, self.cov, gradient), 0.0)))


def spread_form(problem: Fit | TransferProblem, asked: str = "spread") -> SpreadForm:
    """The spread for every α at once, of a scalar problem; `asked` is what an error calls the question."""
    problem = in_numpy(check.concrete("problem", problem))
    if problem.shape:
        raise ValueError(f"problem must be scalar, got shape {problem.shape}. Iterate over problem.cells().")
    fit = problem if isinstance(problem, Fit) else problem.fit
    source = fit.starts[0] if len(fit.starts) == 1 else None
    trained = isinstance(source, Fit) and not source.starts
    if not (
        fit.is_isotropic and fit.is_squared and (trained or isinstance(source, np.ndarray))
        and all(f.population.is_opposite and not f.intercept for f in fit.lineage)
    ):  # fmt: skip
        raise ValueError(
            f"{asked} must be False unless there are identity covariances, opposite classes (of NumPy means: JAX's are not known to be) "
            f"without intercept, squared losses and one start: no formula is known beyond. simulate(…) answers it."
        )
    assert source is not None
    d = np.shape(fit.population.means)[1]
    first = np.asarray(source.population.means[0] if isinstance(source, Fit) else source[:, 0], dtype=float)
    width = max(d, len(first))
    first, second = (np.pad(v, (0, width - len(v))) for v in (first, np.asarray(fit.population.means[0], dtype=float)))
    flips = [float(f.population.codes[0, 0]) for f in fit.lineage]
    if any(code != 1.0 for code in flips):
        raise ValueError(
            f"{asked} must be False where labels are flipped: no formula is known. simulate(…) answers it."
        )
    # As the user typed them.
    names = (
        ("gamma_target", "gamma_source", "mu")
        if isinstance(problem, TransferProblem)
        else ("gamma", "starts[0].gamma", "the source mean's norm")
    )
    uu, uv, vv = float(first @ first), float(first @ second), float(second @ second)
    p, n, gamma, b = fit.dim, int(fit.n), float(fit.gamma), math.sqrt(vv)
    _require_positive(asked, names[0], gamma)
    _require_positive(asked, "the norm of the target mean", b)
    if not isinstance(source, Fit):
        return _stage(p, n, gamma, b, uv, uu)
    mu = math.sqrt(uu)
    _require_positive(asked, names[1], float(source.gamma))
    _require_positive(asked, names[2], mu)
    before = _stage(p, int(source.n), float(source.gamma), mu)
    m, q = before.limit[0], before.limit[2]
    s = m * uv / uu
    target = _stage(p, n, gamma, b, s, q)
    pick = np.array([[uv / uu, 0, 0, 0, 0], [0, 0, 1, 0, 0]])  # (s, q) from the source's m and V
    anchor = pick @ before.cov @ pick.T
    anchor[0, 0] += max(vv - uv * uv / uu, 0.0) * (q - m * m / uu) / p
    jacobian, curvature = _anchor_derivatives(p / n, gamma, b, s, target.limit)
    bias = target.bias + jacobian @ (pick @ before.bias)
    bias[4] += curvature * anchor[0, 0] / 2
    return SpreadForm(target.limit, target.cov + jacobian @ anchor @ jacobian.T, bias)


def _require_positive(asked: str, name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive for {asked}=True, got {value:g}. simulate(…) answers it.")
    if value > LARGEST:
        raise ValueError(
            f"{name} must be at most {LARGEST:g} for {asked}=True, got {value:g}: beyond it rounding outgrows the correction. "
            f"simulate(…) answers it."
        )


def _stage(p: int, n: int, gamma: float, b: float, s: float = 0.0, q: float = 0.0) -> SpreadForm:
    """One stage given its anchor's s and q: (1), (2), (4)."""
    N, W, law = _forms(p, n, gamma)
    K = np.zeros((3, 3))
    K[0, 2] = K[2, 0] = b
    B = np.linalg.inv(np.eye(3) + K @ N)
    theta = B @ np.array([[0.0, s / b], [0.0, math.sqrt(max(q - s * s / b**2, 0.0))], [1.0, 0.0]])  # at α⁰ and α¹
    zeta = -K @ B.T @ W @ theta
    c, M = b * (N @ theta)[0], theta.T @ W @ theta
    # The gradients of (c₀, c₁, M₀₀, M₀₁, M₁₁), as matrices contracted with dN and with dW.
    by_N = [b * np.outer(B[:, 0], theta[:, i]) for i in range(2)]
    by_W = [np.zeros((3, 3)) for _ in range(2)]
    for i, j in ((0, 0), (0, 1), (1, 1)):
        by_N.append(np.outer(zeta[:, i], theta[:, j]) + np.outer(zeta[:, j], theta[:, i]))
        by_W.append(np.outer(theta[:, i], theta[:, j]))
    cov = np.zeros((5, 5))
    for i, j in ENTRIES:
        # An off-diagonal entry of a symmetric matrix stands in two places.
        d = np.array([[x[i, j] + (x[j, i] if i != j else 0.0) for x in family] for family in (by_N, by_W)])
        cov += d.T @ law[i, j] @ d
    dN, dW = _trace_bias(p, n, gamma)
    NN, NW = law[..., 0, 0], law[..., 0, 1]
    D = dN - _between(NN, B @ K)
    curved = zeta.T @ D @ theta - theta.T @ _between(NW, K @ B.T) @ theta
    dc = b * (B[:, 0] @ D @ theta)
    dM = theta.T @ (dW + _between(NN, K @ B.T @ W @ B @ K)) @ theta + curved + curved.T
    return SpreadForm(_five(c, M), cov, _five(dc, dM))


def _five(c: np.ndarray, M: np.ndarray) -> np.ndarray:
    return np.array([*c, M[0, 0], M[0, 1], M[1, 1]])


def _between(law: np.ndarray, X: np.ndarray) -> np.ndarray:
    """E[dA X dB] for symmetric dA, dB whose entries (i, j) have covariance law_ij, different entries none."""
    return law * X.T + np.diag(law @ np.diag(X) - np.diag(law) * np.diag(X))


def _trace_bias(p: int, n: int, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """δN, δW (3, 3): (3); dκ/dγ = 1/h."""
    eta = p / n
    kappa, h, _ = equivalents.isotropic(eta, gamma)
    R = 1 / (1 + kappa)
    B = eta * R**3 / h**2
    slope = -B * (3 * R + 4 * eta * R**3 / h) / h
    left, right = -(gamma**2) * slope / p, (B + gamma * slope) / n
    return np.diag([gamma * B / p, gamma * B / p, -B / n]), np.diag([left, left, right])


def _forms(p: int, n: int, gamma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The limits of N, W (3, 3) and the covariances of the pairs (N_ij, W_ij), (3, 3, 2, 2): the table."""
    t = inverse_moments(p / n, gamma)

    def average(values: Any, at_zero: Any, size: int) -> Any:
        """Over `size` eigenvalues, of which min(p, n) carry `values` and the others sit at 0."""
        share = min(p, n) / size
        return share * values + (1 - share) * at_zero

    g = average(gamma ** np.arange(5.0) * t, 1.0, p)  # ⟨gʲ⟩
    x = average(t[:-1] - gamma * t[1:], 0.0, p)  # ⟨x/(x+γ)ʲ⟩, j = 1 …
    f, h = -average(t[1], 1 / gamma, n), average(t[1] - gamma * t[2], 0.0, n)
    ff, fh = average(t[2], gamma**-2.0, n), -average(t[2] - gamma * t[3], 0.0, n)
    hh = average(t[2] - 2 * gamma * t[3] + gamma**2 * t[4], 0.0, n)

    law = np.zeros((3, 3, 2, 2))
    law[0, 1] = (np.array([[g[2], g[3]], [g[3], g[4]]]) - np.outer(g[1:3], g[1:3])) / p
    law[0, 0] = law[1, 1] = 2 * law[0, 1]
    law[0, 2] = law[1, 2] = np.array([[x[1], gamma * x[2]], [gamma * x[2], gamma**2 * x[3]]]) / n
    law[1, 0], law[2, 0], law[2, 1] = law[0, 1], law[0, 2], law[1, 2]
    law[2, 2] = 2 / n * np.array([[ff - f * f, fh - f * h], [fh - f * h, hh - h * h]])
    return np.diag([g[1], g[1], f]), np.diag([g[2], g[2], h]), law


def inverse_moments(eta: float, gamma: float, order: int = 4) -> np.ndarray:
    r"""⟨(x+γ)^{−j}⟩, j = 0 … order, over the min(p, n) eigenvalues of GGᵀ that are not trivially 0.

    For η ≤ 1 the Stieltjes transform F(γ) = ⟨1/(x+γ)⟩ solves

    .. math:: ηγF^2 + (γ + 1 - η)F = 1, \qquad F^{(j)}/j! = (-1)^j ⟨(x+γ)^{-j-1}⟩,

    whose Taylor coefficients follow one from another. For η > 1, x = η x' with x' an eigenvalue at ratio 1/η.
    """
    if eta > 1:
        return inverse_moments(1 / eta, gamma / eta, order) / eta ** np.arange(order + 1)
    a, b = eta * gamma, gamma + 1 - eta
    F = [2 / (b + math.sqrt(b * b + 4 * a))]
    slope = 2 * a * F[0] + b
    for j in range(1, order):
        inner = sum(F[i] * F[j - i] for i in range(1, j))
        before = sum(F[i] * F[j - 1 - i] for i in range(j))
        F.append(-(a * inner + eta * before + F[j - 1]) / slope)
    return np.array([1.0, *((-1) ** j * value for j, value in enumerate(F))])


def _anchor_derivatives(eta: float, gamma: float, b: float, s: float, limit: np.ndarray) -> tuple[np.ndarray, float]:
    r"""∂(c₀, c₁, M₀₀, M₀₁, M₁₁)/∂(s, q), (5, 2), and ∂²M₁₁/∂s², the only second derivative, of the closed form

    .. math:: c = \frac{(b^2, κs)}{b^2+1+κ}, \qquad hM = \frac{cc^T}{b^2} + (1-h)\bar c\bar c^T
              + \begin{pmatrix} 0 & 0 \\ 0 & (\frac{κ}{1+κ})^2 (q - s^2/b^2) \end{pmatrix}, \qquad \bar c = (1-c_0, -c_1).
    """
    kappa, h, one_minus_h = equivalents.isotropic(eta, gamma)
    c0, c1 = limit[:2]
    dc1, shrunk = kappa / (b * b + 1 + kappa), (kappa / (1 + kappa)) ** 2
    dM01 = (c0 / b**2 - one_minus_h * (1 - c0)) * dc1 / h
    dM11 = (2 * c1 * dc1 * (1 / b**2 + one_minus_h) - 2 * shrunk * s / b**2) / h
    curvature = 2 * (dc1 * dc1 * (1 / b**2 + one_minus_h) - shrunk / b**2) / h
    return np.array([[0, 0], [dc1, 0], [0, 0], [dM01, 0], [dM11, shrunk / h]]), float(curvature)
