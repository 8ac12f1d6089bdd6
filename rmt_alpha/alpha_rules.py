"""Choosing alpha from the target sample alone: exact leave-one-out, and three rules that use it.

With labels y in {-1, +1} and K frozen linear classifiers W (K, p) (El Firdoussi et al., arXiv 2510.21345; the same linear
estimator as angleTL, arXiv 2210.12759),

    w_alpha = sum_k alpha_k W_k + a,   a = argmin (1/n) |y - X w_alpha|^2 / 2 + gamma |a|^2 / 2
            = w_0 + sum_k alpha_k u_k,     Q = (X'X/n + gamma I)^-1,  w_0 = Q X'y/n,  u_k = gamma Q W_k.

w_alpha is affine in alpha, so the margin of a new point has mean c'a and variance a'Ma with a = (1, alpha); accuracy is largest
at alpha = (M^-1 c)_{1:} / (M^-1 c)_0. The rules differ in how they estimate (c, M). Each takes a `LeaveOneOut` and returns
(alpha (K,), its standard errors (K,), whether those are reliable). docs/alpha_from_data.md derives the one behind "auto".
"""

from dataclasses import dataclass

import numpy as np

from .theory.equivalents import isotropic

RELIABLE = 3.0  # standard errors above zero that the target's own signal needs for alpha_se_ to mean anything
LOG_VARIANCE_SPREAD = 0.03  # prior variance of log(true / isotropic-source prediction) of a score variance
SHRINK_HALF = 2.0  # z^4 at which the estimated source alignment is halved


@dataclass(frozen=True)
class LeaveOneOut:
    """Sufficient statistics of one (X, y, W, gamma); n samples, p features, K sources.

    margins (K+1, n): y_i x_i'v with v = w_0, u_1, ..., u_K refitted without sample i (at the same 1/n).
    self_influence (n,): S_i = x_i'Qx_i/n.  noise: mean_i sum_{j != i} (B_ij/B_ii)^2, B = I - X Q X'/n.
    weights (K+1, p): w_0 and u_k fitted on all samples.  labels (n,), sources (K, p), source_scores (K, n) = W X'.
    row_norms (n,): |x_i|^2.  mean_norm: |X'y/n|^2.
    """

    gamma: float
    margins: np.ndarray
    self_influence: np.ndarray
    noise: float
    weights: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    source_scores: np.ndarray
    row_norms: np.ndarray
    mean_norm: float


def leave_one_out(X, y, sources, gammas):
    """One `LeaveOneOut` for each gamma, from a single thin SVD X/sqrt(n) = U diag(s) V'.

    With B = I - XQX'/n the residual maker, the score of v fitted without i is exact: for w_0 it is
    y_i - (By)_i/B_ii, for u_k (B X W_k)_i/B_ii (theory.md, section 8). X (n, p), y (n,) in {-1, 1}, sources (K, p).
    """
    n, p = X.shape
    U, s, Vt = np.linalg.svd(X / np.sqrt(n), full_matrices=False)
    targets = np.vstack([y, sources @ X.T])  # (K+1, n)
    in_basis, source_basis = targets @ U, sources @ Vt.T
    # n > p leaves a complement on which B is 1; for n <= p that complement is rounding and would swamp a tiny gamma
    outside = (targets - in_basis @ U.T, 1 - (U**2).sum(1)) if n > p else (0.0, 0.0)
    row_norms, mean_norm = (X**2).sum(1), ((X.T @ y / n) ** 2).sum()
    for gamma in gammas:
        keep = gamma / (s**2 + gamma)
        diagonal = U**2 @ keep + outside[1]
        residuals = ((in_basis * keep) @ U.T + outside[0]) / diagonal
        margins = y * residuals
        margins[0] = 1 - margins[0]
        w_0 = (in_basis[0] * s / (s**2 + gamma)) @ Vt / np.sqrt(n)
        u = sources - (source_basis * (1 - keep)) @ Vt
        yield LeaveOneOut(
            gamma=gamma,
            margins=margins,
            self_influence=U**2 @ (1 - keep),
            noise=np.mean((U**2 @ keep**2 + outside[1]) / diagonal**2) - 1,
            weights=np.vstack([w_0, u]),
            labels=y,
            sources=sources,
            source_scores=targets[1:],
            row_norms=row_norms,
            mean_norm=mean_norm,
        )


def alpha_loo(loo):
    """Section 4's alpha with the leave-one-out moments: regress 1 on the margins, alpha = beta_{1:} / beta_0.

    No model is assumed, but all K+1 directions are estimated from n points. Standard error: sandwich, delta method.
    """
    G = loo.margins
    inverse = np.linalg.pinv(G @ G.T, hermitian=True)
    beta = inverse @ G.sum(1)
    # beta_0 <= 0 puts the supremum at infinity: keep its direction, finite, and say that it is not to be trusted
    base = max(beta[0], 1e-6 * np.abs(beta[1:]).max(initial=1e-300))
    alpha = beta[1:] / base
    influence = inverse @ (G * (1 - beta @ G))  # (K+1, n)
    ratio = (influence[1:] - alpha[:, None] * influence[0]) / base
    se = np.sqrt((ratio**2).sum(1))
    return alpha, se, bool(beta[0] > RELIABLE * np.sqrt((influence[0] ** 2).sum()))


def alpha_plugin(loo):
    """Bounded plug-in of theory.md, section 8 (C = I): s = <W, mu>, q = WW', b2 = |mu|^2 >= s'q^-1 s.

    alpha = (1+kappa) eta g / (kappa (nu (1 + kappa + b2) + eta s'g)),   g = q^-1 s,  nu = b2 - s'g,  eta = p/n.
    """
    n, p = loo.labels.size, loo.sources.shape[1]
    eta, gram = p / n, np.linalg.pinv(loo.sources @ loo.sources.T, hermitian=True)
    kappa = float(isotropic(eta, loo.gamma)[0])

    def alpha_of(parameters):
        s, b2 = parameters[:-1], parameters[-1]
        g = gram @ s
        nu = max(b2 - s @ g, 0.0)
        total = kappa * (nu * (1 + kappa + s @ g + nu) + eta * s @ g)
        return (1 + kappa) * eta * g / max(total, 1e-300)

    s = (loo.labels * loo.source_scores).mean(1)
    b2 = (n * loo.mean_norm - loo.row_norms.mean()) / (n - 1)
    variance = np.cov(loo.labels * loo.source_scores).reshape(s.size, -1) / n
    noise = 2 * p / n**2 + 4 * max(b2, 0) / n
    x, covariance = np.append(s, b2), np.zeros((s.size + 1, s.size + 1))
    covariance[:-1, :-1], covariance[-1, -1] = variance, noise
    reliable = b2 - s @ gram @ s > RELIABLE * np.sqrt(noise)
    return alpha_of(x), _delta_se(alpha_of, x, covariance), bool(reliable)


def alpha_auto(loo, shrink=True):
    """Covariance-aware plug-in: leave-one-out moments where they are precise, random-matrix structure where not.

    Split the target mean as mu = W'theta + mu_perp. Along P_k = kappa R W_k (R = (C+kappa)^-1) the margin has mean
    s (K,) and covariance v (K, K); what the target adds has mean nu and variance V. The best combination is
    T = v^-1 s V / nu, of which w_0 already holds theta/kappa, so with m = 1 - E[margin of w_0]

        t = f T - theta/kappa,   alpha = t / (1/m + t's),   f = z^4/(z^4 + 2),  z^2 = n s'v^-1 s / K.

    s is precise to sqrt(v/n) and f removes it where that is all there is; nu is not (s.e. tau ~ sqrt(2 df_2)/n), and
    enters as its posterior mean on nu > 0. Standard error: delta method on (s, nu, log v, log V) with f = 1.
    """
    G, S, n = _winsorised(loo.margins), loo.self_influence, loo.labels.size
    K, p = loo.sources.shape
    M, c = np.cov(G, bias=True), G.mean(1)
    m = max(1 - c[0], 1 / n)  # c_0 >= 1 (the target alone is perfect) has no finite answer
    s = c[1:] / m
    v = M[1:, 1:] + np.outer(s, M[0, 1:]) + np.outer(M[0, 1:], s) + np.outer(s, s) * M[0, 0]
    P = loo.weights[1:] + np.outer(s, loo.weights[0])
    q = loo.sources @ P.T
    q = (q + q.T) / 2

    df1, noise = max(S.sum(), 1e-300), max(loo.noise, 1e-14)
    # rows of unequal norm: kappa from their mean leverage, not from 1/mean(B_ii), which real data's heavy tails bias
    kappa = loo.gamma * np.mean(S / (1 - S)) * n / df1
    h = 1 / (1 + noise)
    df2 = n * (1 - h)
    ratio_source = max(df1 - df2, 1e-9 * df1) / max(p - df1, 1e-9 * p)  # tr RCR / tr R: a generic direction
    ratio_target = df2 / df1  # tr CRCR / tr CR: class means of real data lean to the high-variance directions
    weight = (2 / n) / (2 / n + LOG_VARIANCE_SPREAD)
    v = (1 - weight) * v + weight * kappa * ratio_source / h * q
    v_inv, q_inv = np.linalg.pinv(v, hermitian=True), np.linalg.pinv(q, hermitian=True)

    raw = c[0] / m - (s @ q_inv @ s - np.trace(q_inv @ v) / n) / kappa
    tau = np.sqrt(2 * noise / n + 4 * ratio_target * max(raw, 0) / (n * h))
    own = M[0, 0] / m**2 - s @ q_inv @ v @ q_inv @ s / kappa**2

    def alpha_of(parameters, f=1.0):
        s, raw, (log_v, log_V) = parameters[:K], parameters[K], parameters[K + 1 :]
        nu = _positive_mean(raw, tau)
        V = (1 - weight) * max(own, noise) + weight * (noise + ratio_target * nu / h)
        t = f * (v_inv @ s) * V / nu * np.exp(log_V - log_v) - q_inv @ s / kappa
        return t / max(1 + nu + s @ q_inv @ s / kappa + t @ s, 1 / n)

    z2 = n * s @ v_inv @ s / K
    f = z2**2 / (z2**2 + SHRINK_HALF) if shrink else 1.0
    x, covariance = np.r_[s, raw, 0.0, 0.0], np.zeros((K + 3, K + 3))
    covariance[:K, :K] = v / n
    covariance[range(K, K + 3), range(K, K + 3)] = tau**2, 2 * (1 - weight) / n, 2 * (1 - weight) / n
    return alpha_of(x, f), _delta_se(alpha_of, x, covariance), bool(raw > RELIABLE * tau)


def _winsorised(G, width=3.0):
    """Rows of G clipped at `width` robust deviations: accuracy is bounded in an outlier, sample moments are not."""
    centre = np.median(G, axis=1, keepdims=True)
    reach = width * 1.4826 * np.median(abs(G - centre), axis=1, keepdims=True)
    return np.where(reach > 0, np.clip(G, centre - reach, centre + reach), G)


def _positive_mean(estimate, se):
    """Posterior mean of nu >= 0 from estimate ~ N(nu, se^2), prior flat in nu^(1/3); quadrature in that variable."""
    root = np.linspace(0, np.cbrt(max(estimate, 0) + 6 * se), 201)[1:]
    exponent = -(((root**3 - estimate) / se) ** 2) / 2
    density = np.exp(exponent - exponent.max())
    return density @ root**3 / density.sum()


def _delta_se(function, x, covariance):
    """Standard errors of function(x) (K,), first order; steps of half a standard error see the curvature's scale."""
    steps = np.sqrt(np.diag(covariance)) / 2 + 1e-12
    shifts = np.diag(steps)
    jacobian = np.stack([(function(x + d) - function(x - d)) / (2 * h) for d, h in zip(shifts, steps, strict=True)], 1)
    return np.sqrt(np.einsum("ki,ij,kj->k", jacobian, covariance, jacobian))


RULES = {"auto": alpha_auto, "loo": alpha_loo, "plugin": alpha_plugin}
