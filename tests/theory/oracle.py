"""A second derivation of the stage, by plain iteration and explicit inverses: slow, and sharing no line with the library.

x = μ_k + C_k^{1/2} z, label code T_k with covariance N_k; regression as a component at the origin with y = Wᵀx + noise.
"""

import numpy as np


def stage(priors, means, covs, codes, noise, n, gamma, start_mean, start_cov, W=None):
    """Mean (p, q) and covariance (q, q, p, p) of the trained weights; score means (K, q) and covariances (K, q, q)."""
    priors, means, covs, codes, noise = map(np.asarray, (priors, means, covs, codes, noise))
    K, p = means.shape
    q = codes.shape[1]
    delta = np.ones(K)
    for _ in range(20000):
        R = np.linalg.inv(sum(priors[k] / (1 + delta[k]) * covs[k] for k in range(K)) + gamma * np.eye(p))
        new = np.array([np.trace(covs[k] @ R) / n for k in range(K)])
        if np.max(np.abs(new - delta)) < 1e-14:
            break
        delta = new
    chi = priors / (1 + delta)
    cross = np.zeros((K, p, q)) if W is None else covs @ W
    power = [noise[k] + (0 if W is None else W.T @ covs[k] @ W) for k in range(K)]
    A = sum(chi[k] * (covs[k] + np.outer(means[k], means[k])) for k in range(K)) + gamma * np.eye(p)
    mean = np.linalg.solve(
        A, sum(chi[k] * (np.outer(means[k], codes[k]) + cross[k]) for k in range(K)) + gamma * start_mean
    )
    V = np.zeros((K, q, q))
    for _ in range(20000):
        S = []
        for k in range(K):
            miss = codes[k] - mean.T @ means[k]
            S.append(V[k] + np.outer(miss, miss) + power[k] - cross[k].T @ mean - mean.T @ cross[k])
        weight = [priors[k] / (n * (1 + delta[k]) ** 2) for k in range(K)]
        cov = np.empty((q, q, p, p))
        for i in range(q):
            for j in range(q):
                fresh = sum(weight[k] * S[k][i, j] * covs[k] for k in range(K))
                cov[i, j] = R @ (fresh + gamma**2 * start_cov[i, j]) @ R
        new = np.array(
            [
                [[mean[:, i] @ C @ mean[:, j] + np.trace(C @ cov[i, j]) for j in range(q)] for i in range(q)]
                for C in covs
            ]
        )
        if np.max(np.abs(new - V)) < 1e-14:
            break
        V = new
    return mean, cov, means @ mean, V
