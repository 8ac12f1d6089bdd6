"""Low rank: against its closed form for regression, its ends, drawn data, and a direct search over corrections."""

import dataclasses
import warnings

import numpy as np
import pytest

from rmt_alpha import Fit, Population, TransferProblem, compare, optimal_alpha, predict, rank_path, simulate
from rmt_alpha.theory.low_rank import TieWarning, solved

RNG = np.random.default_rng(11)
P = 200


def task(p=P, c=1.7, q=6, n=300, gamma=0.1, sigma=0.5):
    """W_t = c W_s + rank 2."""
    rng = np.random.default_rng(1)
    W = rng.standard_normal((p, q)) / np.sqrt(p) * np.linspace(1, 2, q)
    extra = sum(
        s * np.outer(*(v / np.linalg.norm(v) for v in (rng.standard_normal(p), rng.standard_normal(q))))
        for s in (2.0, 1.4)
    )
    return Fit(Population.linear(c * W + extra, sigma), n=n, gamma=gamma, starts=[W]), W, c * W + extra


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.7])
def test_regression_with_identity_is_the_closed_form(alpha):
    r"""risk(r, α) = Σ_{k≤r} [κ²s_k² + σ²(1+κ)²]/((1+κ)²−η) + Σ_{k>r} (s_k² + σ²) over the singular values of W_t − αW_s."""
    fit, W, Wt = task()
    s = np.linalg.svd(Wt - alpha * W, compute_uv=False)
    eta, gamma, sigma = P / 300, 0.1, 0.5
    kappa = max(np.roots([1, 1 - eta - gamma, -gamma]))
    trained = (kappa**2 * s**2 + sigma**2 * (1 + kappa) ** 2) / ((1 + kappa) ** 2 - eta)
    expected = [trained[:r].sum() + np.sum(s[r:] ** 2 + sigma**2) for r in range(7)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TieWarning)
        np.testing.assert_allclose(rank_path(fit, alpha).risk, expected, rtol=1e-9)


def test_a_free_scale_saves_rank():
    """The target is a rescaled source plus something of rank two: at its own scale two ranks do what six don't at α = 1."""
    fit, *_ = task()
    at = lambda rank, alpha: predict(dataclasses.replace(fit, rank=rank), alpha).risk  # noqa: E731
    assert at(2, 1.7) < at(6, 1.0) < at(2, 1.0)
    best = optimal_alpha(dataclasses.replace(fit, rank=2))
    assert best.risk <= min(at(2, a) for a in np.linspace(0, 3, 61)) + 1e-9
    assert best.alpha == pytest.approx(1.7, abs=0.3)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["regression", "classes", "unlike"])
def test_against_drawn_data(kind, rank):
    if kind == "regression":
        fit = task(p=800, n=1000)[0]
    else:
        rng = np.random.default_rng(5)
        p, K = 600, 4
        means = rng.standard_normal((K, p)) / np.sqrt(p) * np.array([[1.0], [2.0], [3.0], [4.0]])
        lam = np.linspace(0.4, 2, p)
        options = {"covariance": lam} if kind == "classes" else {"covariances": [lam, lam[::-1], 2 * lam, np.ones(p)]}
        source = Fit(Population.classes(means + rng.standard_normal((K, p)) / np.sqrt(p)), n=p, gamma=0.3)
        target = Population.classes(means, priors=[0.4, 0.3, 0.2, 0.1], confusion=0.1 + 0.6 * np.eye(K), **options)
        fit = Fit(target, n=p // 2, gamma=0.2, starts=[source], intercept=True)
    fit = dataclasses.replace(fit, rank=rank)
    alpha = [0.5, 1.0]
    # Few trials of a large size: the formula's own distance is O(1/p), and no trial may resolve it.
    z = compare(predict(fit, alpha), simulate(fit, alpha, n_trials=16, seed=3))
    assert np.abs(z.risk).max() < 4
    assert z.accuracy is None or np.abs(z.accuracy).max() < 4


def test_the_ends_are_the_start_and_the_full_fit():
    means = RNG.standard_normal((3, 60)) / 4
    start = Fit(Population.classes(means + 0.1), n=50, gamma=0.3)
    fit = Fit(
        Population.classes(means, covariance=np.linspace(0.5, 2, 60)), n=40, gamma=0.2, starts=[start], intercept=True
    )
    path = rank_path(fit, [0.5, 1.5])
    full = predict(fit, [0.5, 1.5])
    np.testing.assert_allclose(path.risk[-1], full.risk, rtol=1e-11)
    np.testing.assert_allclose(path.variance[:, :, :, -1], full.variance, rtol=1e-10, atol=1e-13)
    # At rank 0 the weights are the start's own: on the target's population, at the same bias.
    heavy = predict(dataclasses.replace(fit, gamma=1e12), [0.5, 1.5])
    np.testing.assert_allclose(path.risk[0], heavy.risk, rtol=1e-6)
    np.testing.assert_array_equal(np.argsort(solved(fit).gram(np.ones((2, 3))).shape), [0, 1])


def test_g_is_what_drawn_data_have():
    rng = np.random.default_rng(2)
    p, n, gamma, q = 400, 500, 0.2, 3
    lam = np.linspace(0.4, 2, p)
    W, W0 = rng.standard_normal((2, p, q)) / np.sqrt(p)
    fit = Fit(Population.linear(W, 0.5, covariance=lam), n=n, gamma=gamma, starts=[W0])
    expected = solved(fit).gram(np.vstack([np.ones(q), 0.7 * np.ones(q)]))
    found = []
    for _ in range(20):
        X = rng.standard_normal((n, p)) * np.sqrt(lam)
        Y = X @ (W - 0.7 * W0) + 0.5 * rng.standard_normal((n, q))
        S = X.T @ X / n + gamma * np.eye(p)
        A = np.linalg.solve(S, X.T @ Y / n)
        found.append(A.T @ S @ A)
    z = (np.mean(found, 0) - expected) / (np.std(found, 0, ddof=1) / np.sqrt(20))
    assert np.abs(z).max() < 4


def test_a_low_rank_fit_can_be_a_start():
    p = 600
    means = RNG.standard_normal((3, p)) / 14
    first = Fit(Population.classes(means * np.array([[1], [2], [3]])), n=p // 2, gamma=0.3, rank=1)
    fit = Fit(Population.classes(means, covariance=np.linspace(0.5, 2, p)), n=p, gamma=0.2, starts=[first])
    z = compare(predict(fit, [0.5, 1.5]), simulate(fit, [0.5, 1.5], n_trials=16, seed=1))
    assert np.abs(z.risk).max() < 4 and np.abs(z.accuracy).max() < 4


def test_a_tie_is_said():
    W = np.eye(3, 60).T
    fit = Fit(Population.linear(W, 0.5), n=50, gamma=0.1, rank=1)
    with pytest.warns(TieWarning, match="rank 1: eigenvalues 1 and 2 of G coincide"):
        predict(fit)


def test_bad_ranks():
    with pytest.raises(ValueError, match=r"rank must lie in .*got 4"):
        Fit(Population.classes(np.eye(3, 10)), n=5, gamma=1.0, rank=4)
    with pytest.raises(ValueError, match=r"rank must lie in \[1"):
        Fit(Population.classes(np.eye(3, 10)), n=5, gamma=1.0, rank=0)


def test_means_that_swallow_the_noise_are_told():
    fit = TransferProblem.from_source(np.ones(6), np.full(6, 1e29), n_target=40, gamma_target=1.0)
    with pytest.raises(ArithmeticError, match="the means left the range of double precision"):
        rank_path(fit, 1.0)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 1e4, 1e12])
def test_least_risk_at_a_rank_is_that_of_a_grid(gamma):
    """Where a start is short beside the rest of w, or all of it, the search must look in more than one range."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((3, 40)) / np.sqrt(40) * 2
    source = Fit(Population.classes(means), n=100, gamma=0.5)
    target = Population.classes(means + 0.2 * rng.standard_normal((3, 40)) / np.sqrt(40))
    alpha = np.linspace(-1, 4, 501)
    for rank in (1, 2):
        fit = Fit(target, n=30, gamma=gamma, starts=[source], rank=rank)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TieWarning)
            risk = predict(fit, alpha).risk
        best = optimal_alpha(fit)
        assert best.risk <= risk.min() + 1e-9
        assert best.least_risk == pytest.approx(alpha[risk.argmin()], abs=0.011)


def test_where_nothing_can_be_told_the_best_alpha_is_zero():
    nothing = Population.classes(np.zeros((3, 20)))
    fit = Fit(nothing, n=30, gamma=0.5, starts=[Fit(nothing, n=30, gamma=0.5)])
    for case in (fit, dataclasses.replace(fit, per="output")):
        best = optimal_alpha(case)
        assert best.accuracy == pytest.approx(1 / 3) and not np.any(best.alpha) and not best.at_infinity


def test_a_correction_of_no_rank_from_nothing_is_right_one_time_in_k():
    means = np.random.default_rng(2).standard_normal((4, 30)) / 4
    path = rank_path(Fit(Population.classes(means), n=40, gamma=0.5))
    assert path.accuracy[0] == pytest.approx(0.25, abs=1e-4) and path.accuracy[-1] > 0.27


def test_jax_numbers_are_named():
    jnp = pytest.importorskip("jax.numpy")
    with pytest.raises(TypeError, match="fit must hold NumPy numbers"):
        rank_path(Fit(Population.classes(np.eye(3, 30)), n=40, gamma=jnp.array(0.5)))
