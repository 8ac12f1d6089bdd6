"""Leave-one-out with an intercept: equal to refitting, on both sides, weighted, sparse, several starts and outputs."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from rmt_alpha.estimate.ridge import RidgePath

CASES = list(
    itertools.product(
        [(15, 40), (40, 15), (20, 20), (21, 20)], [True, False], [0.3, 50.0], [False, True], [False, True]
    )
)


def refit(X, t, starts, intercepts, alpha, gamma, omega, n, intercept):
    """The definition, by the normal equations of (w − Σ αw̃, b)."""
    offset = sum(a * (X @ w + b) for a, w, b in zip(alpha, starts, intercepts, strict=True))
    A = np.hstack([X, np.ones((len(X), 1))]) if intercept else X
    penalty = np.full(A.shape[1], gamma)
    penalty[X.shape[1] :] = 0
    solution = np.linalg.solve(A.T @ (omega[:, None] * A) / n + np.diag(penalty), A.T @ (omega * (t - offset)) / n)
    w = solution[: X.shape[1]] + sum(a * w for a, w in zip(alpha, starts, strict=True))
    return w, (solution[-1] if intercept else 0) + sum(a * b for a, b in zip(alpha, intercepts, strict=True))


@pytest.mark.parametrize("shape, intercept, gamma, weighted, is_sparse", CASES)
def test_fit_and_leave_one_out_equal_refitting(shape, intercept, gamma, weighted, is_sparse):
    (n, p), rng = shape, np.random.default_rng(0)
    X, t = rng.standard_normal((n, p)) + 3, rng.standard_normal((n, 2))
    W, b, alpha = rng.standard_normal((2, 2, p)), rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    omega = rng.uniform(0.2, 3, n) if weighted else np.ones(n)
    omega *= n / omega.sum()
    path = RidgePath(sparse.csr_array(X) if is_sparse else X, t, W, b, omega, intercept)
    coef, constant = path.fit(gamma, alpha)
    scores = path.leave_one_out(gamma).at(alpha)
    for d in range(2):
        w, c = refit(X, t[:, d], W[:, d], b[:, d], alpha[:, d], gamma, omega, n, intercept)
        np.testing.assert_allclose(coef[d], w, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(constant[d], c, rtol=1e-10, atol=1e-10)
        for i in range(n):
            k = np.arange(n) != i
            w, c = refit(X[k], t[k, d], W[:, d], b[:, d], alpha[:, d], gamma, omega[k], n, intercept)
            np.testing.assert_allclose(scores[d, i], X[i] @ w + c, rtol=1e-9, atol=1e-10)


def test_to_the_last_digits_where_the_oracle_is_well_conditioned():
    rng = np.random.default_rng(1)
    X, t, W = rng.standard_normal((30, 12)), rng.standard_normal((30, 1)), rng.standard_normal((1, 1, 12))
    loo = RidgePath(X, t, W).leave_one_out(0.7)
    for i in range(30):
        k = np.arange(30) != i
        w, c = refit(X[k], t[k, 0], W[:, 0], [0.0], [1.3], 0.7, np.ones(29), 30, True)
        assert abs(loo.at(np.array([[1.3]]))[0, i] - X[i] @ w - c) < 1e-12


def test_one_factorisation_serves_every_gamma():
    rng = np.random.default_rng(2)
    path = RidgePath(rng.standard_normal((20, 30)), rng.standard_normal((20, 1)), rng.standard_normal((1, 1, 30)))
    several = path.leave_one_out([0.01, 0.5, 7.0])
    for g, gamma in enumerate(several.gamma):
        loo = several[g]
        alone = path.leave_one_out(gamma)
        np.testing.assert_allclose(loo.scores, alone.scores, rtol=1e-12)
        for field in ("noise", "leverage", "alignment"):
            np.testing.assert_allclose(getattr(loo, field), getattr(alone, field), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n, p", [(15, 40), (40, 15)])
def test_alignment_noise_and_leverage_by_brute_force(n, p):
    rng = np.random.default_rng(3)
    X, t, W, gamma = rng.standard_normal((n, p)), rng.standard_normal((n, 1)), rng.standard_normal((2, 1, p)), 0.4
    path = RidgePath(X, t, W)
    loo = path.leave_one_out(gamma)
    weights = [path.fit(gamma, np.array(a)[:, None])[0][0] for a in ([0.0, 0], [1, 0], [0, 1])]
    parts = np.stack([weights[0], weights[1] - weights[0], weights[2] - weights[0]])
    np.testing.assert_allclose(loo.alignment[0], W[:, 0] @ parts.T, atol=1e-11)
    Z = X - X.mean(axis=0)
    B = np.eye(n) - 1 / n - Z @ np.linalg.solve(Z.T @ Z / n + gamma * np.eye(p), Z.T) / n
    np.testing.assert_allclose(loo.leverage, 1 - np.diag(B) / (1 - 1 / n), atol=1e-12)
    weight = -B / np.diag(B)[:, None]  # of the other targets in row i's left-out score
    off = weight[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    assert loo.noise == pytest.approx(np.mean(np.sum((off - off.mean(axis=1, keepdims=True)) ** 2, axis=1)))


def test_centred_scores_do_not_lean_against_the_row_left_out():
    """Pure noise: with the mean of the other targets in it, a score is anticorrelated with its own row's label."""
    rng, y = np.random.default_rng(4), np.resize([-1.0, 1.0], 12)
    plain, centred = [], []
    for _ in range(400):
        path = RidgePath(rng.standard_normal((12, 60)), y[:, None], np.zeros((0, 1, 60)))
        plain.append(np.mean(y * path.leave_one_out(60.0).scores[0, 0]))
        centred.append(np.mean(y * path.leave_one_out(60.0, centred=True).scores[0, 0]))
    assert np.mean(plain) < -0.05
    assert abs(np.mean(centred)) < 3.5 * np.std(centred) / 20


def test_sparse_rows_far_from_zero_never_become_dense():
    X = sparse.random_array((60, 20_000), density=1e-3, format="csr", random_state=0)
    t = np.random.default_rng(5).standard_normal((60, 1))
    coef, _ = RidgePath(X, t, np.zeros((0, 1, 20_000))).fit(0.1, np.zeros((0, 1)))
    dense, _ = RidgePath(X.toarray(), t, np.zeros((0, 1, 20_000))).fit(0.1, np.zeros((0, 1)))
    np.testing.assert_allclose(coef, dense, atol=1e-10)


@pytest.mark.parametrize("gamma", [1e-11, 1e-3])
def test_rows_of_very_different_size_keep_their_digits(gamma):
    """The Gram matrix blurs small singular values, so where γ is small, too, it must not be what is used."""
    rng = np.random.default_rng(6)
    U, V = (np.linalg.qr(rng.standard_normal((k, 12)))[0] for k in (12, 40))
    X = (U * np.geomspace(1, 1e-5, 12)) @ V.T
    t, W = rng.standard_normal((12, 1)), rng.standard_normal((1, 1, 40))
    loo = RidgePath(X, t, W, intercept=False, least_gamma=gamma).leave_one_out(gamma)
    K, alpha = np.linalg.svd(X, full_matrices=False), np.array([[1.3]])
    left = t[:, 0] - 1.3 * X @ W[0, 0]
    B = (K[0] * (gamma / (K[1] ** 2 / 12 + gamma))) @ K[0].T
    np.testing.assert_allclose(loo.at(alpha)[0], t[:, 0] - B @ left / np.diag(B), rtol=1e-7)
