"""Training, leave-one-out and GCV errors and degrees of freedom, against drawn data."""

import numpy as np
import pytest

from rmt_alpha import Fit, Population, TransferProblem, predict
from rmt_alpha.theory.errors import degrees_of_freedom, errors

P, TRIALS = 400, 24


def drawn(fit, alpha, labels, draw):
    """(training, leave-one-out, GCV, df₁) of each trial."""
    out = []
    for seed in range(TRIALS):
        X, Y = draw(np.random.default_rng([seed, 5]))
        n = len(X)
        start = alpha * np.asarray(fit.starts[0])
        if fit.intercept:
            X, Y = X - X.mean(0), Y - Y.mean(0)
        H = X @ np.linalg.solve(X.T @ X / n + fit.gamma * np.eye(P), X.T) / n
        residual = (Y - X @ start) - H @ (Y - X @ start)
        left = residual / (1 - np.diag(H) - fit.intercept / n)[:, None]
        training = np.mean(np.sum(residual**2, 1))
        out.append((training, np.mean(np.sum(left**2, 1)), training / (1 - np.trace(H) / n) ** 2, np.trace(H)))
    return np.array(out)


@pytest.mark.parametrize("kind", ["regression", "classes", "unlike"])
def test_against_drawn_data(kind):
    rng = np.random.default_rng(4)
    lam, n, alpha = np.linspace(0.4, 2, P), 600, 0.6
    W, W0 = rng.standard_normal((2, P, 3)) / np.sqrt(P)
    if kind == "regression":
        fit = Fit(Population.linear(W, 0.5, covariance=lam), n=n, gamma=0.2, starts=[W0])

        def draw(r):
            X = r.standard_normal((n, P)) * np.sqrt(lam)
            return X, X @ W + 0.5 * r.standard_normal((n, 3))
    else:
        means = 2 * W.T
        spectra = [lam] * 3 if kind == "classes" else [lam, 3 * lam[::-1], np.full(P, 0.3)]
        options = {"covariance": lam} if kind == "classes" else {"covariances": spectra}
        priors = np.array([0.5, 0.3, 0.2])
        confusion = 0.1 + 0.7 * np.eye(3)
        population = Population.classes(means, priors=priors, confusion=confusion, **options)
        fit = Fit(population, n=n, gamma=0.2, starts=[W0 / 2], intercept=kind == "classes")

        def draw(r):
            k = np.repeat([0, 1, 2], (priors * n).astype(int))
            X = r.standard_normal((n, P)) * np.sqrt(np.stack(spectra))[k] + means[k]
            seen = [r.choice(3, p=confusion[i]) for i in k]
            return X, np.eye(3)[seen]

    found = drawn(fit, alpha, None, draw)
    theory = errors(fit, alpha)
    # GCV's own bias with unlike classes is part of what is predicted.
    expected = [theory.training, theory.leave_one_out, theory.gcv, degrees_of_freedom(fit)[0]]
    z = (found.mean(0) - expected) / (found.std(0, ddof=1) / np.sqrt(TRIALS))
    # df₁ is a trace, which hardly varies: to within its O(1) correction.
    assert abs(found[:, 3].mean() - expected[3]) < 3
    assert np.abs(z[:3]).max() < 4, z
    if kind == "unlike":
        assert abs(theory.gcv / theory.leave_one_out - 1) > 0.01
    else:
        assert theory.gcv == pytest.approx(theory.leave_one_out)


def test_leave_one_out_is_the_risk_where_labels_are_true():
    problem = TransferProblem(500, 300, 200, mu=1.2, mu_orth=1, beta=0.6, gamma_source=1, gamma_target=0.3)
    alpha = np.array([0.0, 0.7, 2.0])
    found = errors(problem, alpha)
    np.testing.assert_allclose(found.leave_one_out, predict(problem, alpha).risk, rtol=1e-12)
    assert np.all(found.training < found.leave_one_out)


def test_degrees_of_freedom_at_their_ends():
    mu = np.full(100, 0.1)
    fit = lambda gamma, n=300: Fit(Population.two_classes(mu, -mu), n=n, gamma=gamma)  # noqa: E731
    np.testing.assert_allclose(degrees_of_freedom(fit(0.0)), [100, 100])
    assert errors(fit(0.0)).training == pytest.approx((1 - 1 / 3) * (1 - 1 / 3) * errors(fit(0.0)).gcv)
    assert degrees_of_freedom(fit(1e6))[0] < 1e-3
    # dκ/dγ = 1/(1 − df₂/n)
    step = 1e-5
    kappa = [100 / degrees_of_freedom(fit(g))[0] - 1 for g in (0.5 - step, 0.5 + step)]  # df₁ = p/(1 + κ)
    assert (kappa[1] - kappa[0]) / (2 * step) == pytest.approx(
        1 / (1 - degrees_of_freedom(fit(0.5))[1] / 300), rel=1e-6
    )
    assert errors(fit(0.0, n=50)).training == pytest.approx(0, abs=1e-20)


def test_what_has_no_such_errors():
    mu = np.full(20, 0.2)
    population = Population.two_classes(mu, -mu)
    with pytest.raises(ValueError, match="fit must have squared loss and full rank"):
        errors(Fit(population, n=9, gamma=1.0, loss="logistic"))
    with pytest.raises(ValueError, match=r"fit must be scalar, got shape \(2,\)"):
        degrees_of_freedom(Fit(population, n=9, gamma=np.array([1.0, 2.0])))
