r"""α for two classes from the target's rows: leave-one-out where it is precise, random-matrix structure where it is not.

A score w_α is affine in α, so the margin of a new row, taken from the classes' middle, has mean cᵀa and variance aᵀMa with
a = (1, α). Its mean over its deviation, hence the accuracy, is largest at α = (M⁻¹c)_{1:}/(M⁻¹c)_0. Two rules estimate (c, M) from n rows:

- `by_leave_one_out`: sample moments of the left-out margins. No model, and all its noise.
- `by_structure`: the source's part is known to √(v/n), so it is measured; what the target adds is not, so its mean ν enters as a
  posterior mean on ν > 0 and its variance is blended with the deterministic equivalent. docs/alpha_from_data.md derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag
from scipy.special import expit, logit

from .combinations import combinations, determined, inverse, root
from .ridge import LeaveOneOut

ODDS = 4.0  # prior odds that a source helps rather than hurts
LOG_VARIANCE_SPREAD = 0.03  # prior variance of log(true variance of a score / its deterministic equivalent)
NU_POWER = 3  # the prior of ν is flat in ν^(1/3)
S_POWER = 4  # that of s in |s|^(1/4): many sources say nothing
CORRELATED, CORRELATION_SPREAD = (
    0.1,
    0.1,
)  # prior probability that the two parts are correlated at all, and ρ's variance then
FAR = 1e6  # an α at infinity is given as this many of the α at which source and target weigh the same


SIZES = (np.arange(1, 201) / 200) ** S_POWER  # equal steps of the prior of |s|


@dataclass(frozen=True)
class Margins:
    """Class-balanced moments of left-out margins: mean (1+J,), covariance (1+J, 1+J), and what the sample is worth.

    Several γ (g,) lead every shape, here and below.

    balance: 4π(1 − π).  count: the rows of a balanced sample with the same precision, 4/(1/n₊ + 1/n₋).
    """

    mean: np.ndarray
    covariance: np.ndarray
    balance: float
    count: float


def margins(scores: np.ndarray, positive: np.ndarray, omega: np.ndarray, centred: bool = True) -> Margins:
    """Moments of the margins ±(score − middle) of scores (1+J, n), each row clipped at three robust deviations.

    Accuracy is bounded in an outlier, moments are not. `centred` False is a classifier without intercept: the middle is 0.
    """
    signs = np.where(positive, 1.0, -1.0)
    share = np.array([omega[~positive].sum(), omega[positive].sum()])
    weight = omega / share[positive.astype(int)] / 2
    middle = scores @ weight if centred else np.zeros(scores.shape[:-1])
    rows = _winsorised(signs * (scores - middle[..., None]))
    mean = rows @ weight
    within = rows - mean[..., None]
    counts = [omega[c].sum() ** 2 / np.sum(omega[c] ** 2) for c in (positive, ~positive)]
    pi = share[1] / share.sum()
    return Margins(
        mean=mean,
        covariance=(within * weight) @ within.swapaxes(-1, -2),
        balance=float(4 * pi * (1 - pi)) if centred else 1.0,
        count=float(4 / (1 / counts[0] + 1 / counts[1])),
    )


def by_leave_one_out(loo: LeaveOneOut, m: Margins) -> np.ndarray:
    """α (J,) = (M⁻¹c)_{1:}/(M⁻¹c)_0 with the sample's moments."""
    beta = _times(inverse(m.covariance, block_diag(1.0, combinations(loo.starts[:, 0]))), m.mean)
    deviation = np.sqrt(_diagonal(m.covariance))
    far = (
        np.abs(beta[..., 1:] * deviation[..., 1:]).max(axis=-1, initial=0.0)
        / np.maximum(deviation[..., 0], 1e-300)
        / FAR
    )
    base = np.maximum(beta[..., 0], np.maximum(far, 1e-300))  # β_0 ≤ 0: the supremum is at infinity
    return beta[..., 1:] / base[..., None]


@dataclass(frozen=True)
class Structure:
    """The score in two parts: along the sources (J of them), and what the target adds.

    s (J,), v (J, J): mean and covariance along the sources.  raw, tau: estimate of the target's own mean ν and its error.
    V: the target's own variance is `own_data` by the data and noise + ratio·ν by theory, blended with `trust_V` on theory;
    `trust_v` likewise.
    r (J,): covariance of the two parts as measured; the share `believed` of it is its posterior mean.
    theta (J,): what w_0 already holds of the sources.  q_s: sᵀq⁻¹s/κ.
    span (J, r): the sources' `combinations`.
    """

    s: np.ndarray
    v: np.ndarray
    raw: np.ndarray
    tau: np.ndarray
    own_data: np.ndarray
    noise: np.ndarray
    ratio: np.ndarray
    trust_v: np.ndarray
    trust_V: np.ndarray
    r: np.ndarray
    believed: np.ndarray
    theta: np.ndarray
    q_s: np.ndarray
    span: np.ndarray
    balance: float
    count: float


def structure(loo: LeaveOneOut, m: Margins, output: int = 0) -> Structure:
    """Split what was measured of one output."""
    alignment, dim, span = loo.alignment[..., output, :, :], loo.dim, combinations(loo.starts[:, output])
    S, n, phi, c, M = loo.leverage, loo.leverage.shape[-1], m.balance, m.mean, m.covariance
    c_0, M_00 = c[..., 0], M[..., 0, 0]
    scale = phi * np.maximum(1 - c_0, 1 / n)  # w_0 = scale·R(μ + noise): 1 − c_0 is what its own penalty leaves
    s = c[..., 1:] / (scale / phi)[..., None]
    along = M[..., 1:, 0] + s * M_00[..., None]  # covariance of P_k = u_k + s_k w_0 with w_0
    mixed = _outer(s, M[..., 0, 1:])
    v = M[..., 1:, 1:] + mixed + mixed.swapaxes(-1, -2) + _outer(s, s) * M_00[..., None, None]
    q = alignment[..., 1:] + _outer(alignment[..., 0], s)
    q = (q + q.swapaxes(-1, -2)) / 2

    df1, noise = np.maximum(S.sum(axis=-1), 1e-300), np.maximum(loo.noise, 1e-14)
    # rows of unequal norm: κ from their mean leverage, not from 1/mean(B_ii), which heavy tails bias
    kappa = loo.gamma * np.mean(S / (1 - S), axis=-1) * n / df1
    h = 1 / (1 + noise)
    df2 = n * (1 - h)
    ratio_source = np.maximum(df1 - df2, 1e-9 * df1) / np.maximum(
        dim - df1, 1e-9 * dim
    )  # tr RCR / tr R: a generic direction
    predicted = (kappa * ratio_source / h)[..., None, None] * q
    measured = v
    trust_v = _trust(_trace(measured), _trace(predicted), m.count)
    v = (1 - trust_v)[..., None, None] * measured + trust_v[..., None, None] * predicted
    q_inverse = inverse(q, span)
    theta = _times(q_inverse, s) / kappa[..., None]
    raw = c_0 / scale - (_dot(s, theta) - np.einsum("...jk,...kj->...", q_inverse, v) / m.count / kappa)
    noise, ratio = noise / phi, df2 / df1 / h
    own = M_00 / scale**2 - 2 * _dot(theta, along) / scale + _dot(theta, _times(measured, theta))
    trust_V = _trust(own, noise + ratio * np.maximum(raw, 0), m.count)
    r = along / scale[..., None] - _times(measured, theta)
    squared = _dot(r, _times(inverse(measured, span), r)) / np.maximum(own, 1e-300)
    believed = _believed(np.minimum(squared, 1.0), m.count, span.shape[1])
    return Structure(
        s=s,
        v=v,
        raw=raw,
        tau=np.sqrt(2 * noise / m.count + 4 * ratio * np.maximum(raw, 0) / m.count),
        own_data=own,
        noise=noise,
        ratio=ratio,
        trust_v=trust_v,
        trust_V=trust_V,
        r=r,
        believed=believed,
        theta=theta,
        q_s=_dot(s, theta),
        span=span,
        balance=phi,
        count=m.count,
    )


def by_structure(x: Structure) -> np.ndarray:
    """α (J,): the best combination at the posterior means of s and ν."""
    return by_structure_at(x, _helpful_mean(x.s, np.sqrt(_diagonal(x.v) / x.count)))


def by_structure_at(x: Structure, s: np.ndarray) -> np.ndarray:
    """α (J,) at a given mean s (J,) along the sources."""
    nu = _positive_mean(x.raw, x.tau)
    t = _combination(s, x.v, nu, _own_variance(x, nu), x.believed[..., None] * x.r, x.span) - x.theta
    return t / np.maximum(1 / x.balance + nu + x.q_s + _dot(t, x.s), 1 / x.count)[..., None]


def interval(x: Structure, level: float = 0.95, draws: int = 4000, seed: int = 0) -> np.ndarray:
    """Posterior interval (2, J) of α: draws of s, ν, the log variances and r; infinite where α may pass infinity, and where the source
    is a mixture of others.

    s and r are drawn around what was measured: the odds of a helpful source and of r = 0 make a better guess on average, but would
    move the interval of every source and sample that they do not fit. Ends are quantiles of the angle arctan2(t, 1/m + tᵀs), in
    which α runs through infinity without a jump.
    """
    rng = np.random.default_rng(seed)
    J = x.s.size
    s = x.s + rng.standard_normal((draws, x.span.shape[1])) @ root(x.v, x.span).T / np.sqrt(x.count)
    grid, density = _positive_posterior(x.raw, x.tau, 2001)
    nu = np.interp(rng.random(draws), np.cumsum(density), grid ** (1 / NU_POWER)) ** NU_POWER
    lv, lV = np.sqrt(2 * (1 - np.array([[x.trust_v], [x.trust_V]])) / x.count) * rng.standard_normal((2, draws))
    v, V = x.v * np.exp(lv)[:, None, None], _own_variance(x, nu) * np.exp(lV)
    r = x.r + rng.standard_normal((draws, J)) * np.sqrt(
        (np.diag(x.v) * _own_variance(x, nu)[:, None] + x.r**2) / x.count
    )
    t = _combination(s, v, nu, V, r, x.span) - x.theta
    denominator = 1 / x.balance + nu + x.q_s + np.einsum("bj,bj->b", t, s)
    ends, known = [], determined(x.span)
    for j in range(J):
        unit = np.sqrt(max(x.v[j, j], 1e-300))
        low, high = np.quantile(np.arctan2(t[:, j] * unit, denominator), [(1 - level) / 2, (1 + level) / 2])
        ends.append(
            [
                np.tan(low) / unit if known[j] and low > -np.pi / 2 else -np.inf,
                np.tan(high) / unit if known[j] and high < np.pi / 2 else np.inf,
            ]
        )
    return np.array(ends).reshape(J, 2).T


def _own_variance(x: Structure, nu: np.ndarray) -> np.ndarray:
    """V of the target's own part, at ν (B,)."""
    theory = x.noise + x.ratio * nu
    return (1 - x.trust_V) * np.maximum(x.own_data, x.noise) + x.trust_V * theory


def _combination(
    s: np.ndarray, v: np.ndarray, nu: np.ndarray, V: np.ndarray, r: np.ndarray, span: np.ndarray
) -> np.ndarray:
    """Coefficients (B, J) of the sources, where the target's own part has 1: [v r; rᵀ V]⁻¹(s, ν), the last scaled to 1."""
    v_inverse = inverse(v, span)
    v_s, v_r = _times(v_inverse, s), _times(v_inverse, r)
    r_v_r = _dot(r, v_r)
    v_r = v_r * np.sqrt(np.minimum(1, 0.81 * V / np.maximum(r_v_r, 1e-300)))[..., None]  # a correlation of .9 at most
    r_v_r = np.minimum(r_v_r, 0.81 * V)
    own = nu - _dot(v_r, s)  # of the target's part, in units of V − rᵀv⁻¹r
    rest = V - r_v_r
    floor = np.sqrt(np.maximum(_dot(v_s, s) * rest, 0.0)) / FAR  # 0 where the sources say nothing: s = 0
    size = np.divide(rest, np.maximum(own, floor), out=np.zeros_like(rest), where=floor > 0)
    return v_s * size[..., None] - v_r


def _trust(measured: Any, predicted: Any, count: float) -> Any:
    """Weight of a predicted variance beside a measured one: its error, in logarithms, is what is known of it or what is seen, if more."""
    noise = 2 / count
    seen = np.log(np.maximum(measured, 1e-300) / np.maximum(predicted, 1e-300)) ** 2 - noise
    return noise / (noise + np.maximum(LOG_VARIANCE_SPREAD, seen))


def _believed(squared: Any, count: float, J: int) -> Any:
    """Share of a measured correlation ρ (its square, over J sources) that the posterior mean keeps: ρ is 0, or ~ N(0, spread)."""
    gain = count * CORRELATION_SPREAD
    keep = gain / (1 + gain)
    evidence = (count * squared * keep - J * np.log1p(gain)) / 2
    return keep * expit(logit(CORRELATED) + evidence)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...j,...j->...", a, b)


def _times(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...jk,...k->...j", A, b)


def _outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., :, None] * b[..., None, :]


def _trace(A: np.ndarray) -> np.ndarray:
    return np.einsum("...jj->...", A)


def _diagonal(A: np.ndarray) -> np.ndarray:
    return np.einsum("...jj->...j", A)


def _winsorised(G: np.ndarray, width: float = 3.0) -> np.ndarray:
    """Rows of G clipped at `width` robust deviations."""
    centre = _median(G)
    reach = width * 1.4826 * _median(abs(G - centre))
    reach = np.where(reach > 0, reach, np.inf)
    return np.clip(G, centre - reach, centre + reach)


def _median(G: np.ndarray) -> np.ndarray:
    """Of each row, (…, 1)."""
    n = G.shape[-1]
    G = np.partition(G, [(n - 1) // 2, n // 2], axis=-1)
    return (G[..., (n - 1) // 2] + G[..., n // 2])[..., None] / 2


def _positive_posterior(estimate: Any, se: Any, points: int = 201) -> tuple[np.ndarray, np.ndarray]:
    """ν on a grid (…, points − 1) and its posterior there, from estimate ~ N(ν, se²) and a prior flat in ν^(1/3) on ν > 0."""
    estimate, se = np.asarray(estimate)[..., None], np.asarray(se)[..., None]
    nu = (np.maximum(estimate, 0) + 6 * se) * (np.arange(1, points) / (points - 1)) ** NU_POWER
    exponent = -(((nu - estimate) / se) ** 2) / 2
    density = np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return nu, density / density.sum(axis=-1, keepdims=True)


def _positive_mean(estimate: Any, se: Any) -> np.ndarray:
    nu, density = _positive_posterior(estimate, se)
    return _dot(density, nu)


def _helpful_mean(estimate: Any, se: Any) -> np.ndarray:
    """Posterior mean of s ~ N(estimate, se²) with prior odds `ODDS` for s > 0, on either side flat in |s|^(1/4)."""
    known = np.asarray(se) <= 0
    centre, width = np.asarray(estimate)[..., None], np.where(known, 1.0, se)[..., None]
    size = (abs(centre) + 6 * width) * SIZES
    up, down = ODDS * np.exp(-(((size - centre) / width) ** 2) / 2), np.exp(-(((size + centre) / width) ** 2) / 2)
    return np.where(known, estimate, _dot(up - down, size) / (up + down).sum(axis=-1))


def law_of_margin(m: Margins, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the margins at alpha (…, J)."""
    a = np.concatenate([np.ones((*alpha.shape[:-1], 1)), alpha], axis=-1)
    return _dot(a, m.mean), np.sqrt(np.maximum(_dot(a, _times(m.covariance, a)), 1e-300))


def separation(m: Margins, alpha: np.ndarray) -> np.ndarray:
    """Mean over deviation of the margins at alpha (…, J)."""
    mean, deviation = law_of_margin(m, alpha)
    return mean / deviation
