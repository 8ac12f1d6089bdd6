"""The spectrum: against Marchenko and Pastur's closed form, drawn eigenvalues, and their outliers."""

import numpy as np
import pytest

from rmt_alpha import Fit, Population, TransferProblem, spectrum


def noise(lam, n):
    return Fit(Population.linear(np.ones(len(lam)), covariance=lam), n=n, gamma=1.0)


@pytest.mark.parametrize("eta", [0.2, 0.5, 2.0])
def test_identity_is_marchenko_pastur(eta):
    p = 200
    found = spectrum(Fit(Population.linear(np.ones(p)), n=int(p / eta), gamma=1.0))
    low, high = (1 - eta**0.5) ** 2, (1 + eta**0.5) ** 2
    np.testing.assert_allclose(found.edges, [[low, high]], rtol=1e-12)
    assert found.zero == max(0, 1 - 1 / eta) and found.spikes == ()
    x = np.linspace(low + 1e-3, high - 1e-3, 50)
    np.testing.assert_allclose(found.density(x), np.sqrt((x - low) * (high - x)) / (2 * np.pi * eta * x), rtol=1e-9)
    np.testing.assert_array_equal(found.density([low - 1e-9, high + 1e-9, -1.0]), 0)


@pytest.mark.parametrize(("n", "bands"), [(6000, 2), (900, 2), (300, 1)])
def test_two_atoms_solve_their_cubic(n, bands):
    r"""m̃ of the density solves x = −1/m̃ + Σ_k η_k λ_k/(1 + m̃λ_k), a polynomial of degree three."""
    p, lam = 600, np.r_[np.ones(360), np.full(240, 8.0)]
    found = spectrum(noise(lam, n))
    assert len(found.edges) == bands
    x, f = found.curve(60)
    for xi, fi in zip(x, f, strict=True):
        a, b = 360 / n, 240 / n
        # (x m + 1)(1 + m)(1 + 8m) = a m (1 + 8m) + 8 b m (1 + m)
        left = np.polymul(np.polymul([xi, 1], [1, 1]), [8, 1])
        m = np.roots(np.polysub(left, np.polyadd(a * np.array([8, 1, 0]), 8 * b * np.array([1, 1, 0]))))
        assert fi == pytest.approx(n / p * m.imag.max() / np.pi, rel=1e-5, abs=1e-7)
    np.testing.assert_allclose(found.density(x[5:-5]), f[5:-5], rtol=1e-9)


@pytest.mark.parametrize("n", [450, 900, 3600])
def test_density_is_that_of_drawn_eigenvalues(n):
    """Distribution functions: their distance is O(1/p), no noise to speak of (eigenvalues are rigid)."""
    p = 900
    lam = np.r_[np.geomspace(0.2, 1, p // 2), np.full(p // 2, 6.0)]
    found = spectrum(noise(lam, n))
    X = np.random.default_rng(1).standard_normal((p, n)) * np.sqrt(lam)[:, None]
    drawn = np.sort(np.linalg.eigvalsh(X @ X.T / n))
    x, f = found.curve(4000)
    mass = found.zero + np.concatenate([[0], np.cumsum((f[1:] + f[:-1]) / 2 * np.diff(x))])
    assert mass[-1] == pytest.approx(1, abs=2e-3)
    below = np.searchsorted(drawn, x) / p
    assert np.abs(below - mass)[100:].max() < 5 / p
    assert drawn[-1] == pytest.approx(found.edges[-1, 1], rel=0.03)


def test_mass_is_one_and_moments_are_known():
    lam = np.linspace(0.3, 4, 50)
    for n in (20, 50, 400):
        found = spectrum(noise(lam, n))
        x, f = found.curve(20_000)
        integral = lambda y, x=x, f=f: np.sum(np.diff(x) * ((y * f)[1:] + (y * f)[:-1]) / 2)  # noqa: E731
        assert integral(x) == pytest.approx(lam.mean(), rel=1e-5)
        assert integral(x * x) == pytest.approx(np.mean(lam**2) + lam.mean() * lam.sum() / n, rel=1e-5)
        assert found.zero == max(0, 1 - n / 50)


def outlier_draws(fit, trials, p, labels, means, lam):
    """Top eigenvalues of drawn sample covariances, and their eigenvectors."""
    rng, n, out = np.random.default_rng(3), fit.n, []
    for _ in range(trials):
        X = rng.standard_normal((n, p)) * np.sqrt(lam) + means[rng.choice(len(means), n, p=labels)]
        X = X - fit.intercept * X.mean(0)
        out.append(np.linalg.eigh(X.T @ X / (n - fit.intercept)))
    return out


@pytest.mark.parametrize("intercept", [False, True])
def test_outliers_and_overlaps_are_those_of_drawn_data(intercept):
    p, n, trials = 500, 700, 24
    rng = np.random.default_rng(2)
    lam = np.linspace(0.5, 2, p)
    means = rng.standard_normal((3, p)) / np.sqrt(p) * np.array([[5.0], [4.5], [0.3]])
    priors = np.array([0.5, 0.3, 0.2])
    fit = Fit(Population.classes(means, priors=priors, covariance=lam), n=n, gamma=1.0, intercept=intercept)
    found = spectrum(fit)
    seen = [s for s in found.spikes if s.eigenvalue is not None]
    hidden = [s for s in found.spikes if s.eigenvalue is None]
    assert len(seen) == 2 and all(s.overlap == 0 for s in hidden)
    draws = outlier_draws(fit, trials, p, priors, means, lam)
    for j, spike in enumerate(seen, 1):
        value = np.array([w[-j] for w, _ in draws])
        overlap = np.array([(V[:, -j] @ spike.direction) ** 2 for _, V in draws])
        for drawn, expected in ((value, spike.eigenvalue), (overlap, spike.overlap)):
            z = (drawn.mean() - expected) / (drawn.std(ddof=1) / np.sqrt(trials))
            assert abs(z) < 4, (j, z)
    third = np.mean([w[-3] for w, _ in draws])
    assert third == pytest.approx(found.edges[-1, 1], rel=0.03)


def test_an_outlier_between_two_bands():
    p, n = 600, 6000
    lam = np.r_[np.ones(360), np.full(240, 8.0)]
    mean = np.zeros(p)
    mean[0] = np.sqrt(2.5)
    fit = Fit(Population.two_classes(mean, -mean, covariance=lam), n=n, gamma=1.0)
    (spike,) = spectrum(fit).spikes
    assert spike.population == pytest.approx(3.5)
    draws = outlier_draws(fit, 12, p, [0.5, 0.5], np.stack([mean, -mean]), lam)
    value = np.array([w[359] for w, _ in draws])
    overlap = np.array([V[0, 359] ** 2 for _, V in draws])
    for drawn, expected in ((value, spike.eigenvalue), (overlap, spike.overlap)):
        assert abs(drawn.mean() - expected) < 4 * drawn.std(ddof=1) / np.sqrt(12)


def test_the_transition_is_where_baik_ben_arous_and_peche_say():
    p, n = 100, 400  # √η = ½
    for square, shows in ((0.49, False), (0.51, True)):
        (spike,) = spectrum(
            TransferProblem(50, n, p, mu=1, mu_orth=square**0.5, beta=0, gamma_source=1, gamma_target=1)
        ).spikes
        assert (spike.eigenvalue is not None) is shows
        assert spike.population == pytest.approx(1 + square)
    assert spike.eigenvalue == pytest.approx(1.51 * (1 + 0.25 / 0.51))
    assert spike.overlap == pytest.approx((1 - 0.25 / 0.51**2) / (1 + 0.25 / 0.51))


def test_an_intercept_costs_a_sample():
    mu = np.full(20, 0.2)
    free, bare = (spectrum(Fit(Population.two_classes(mu, -mu), n=n, gamma=1.0, intercept=n == 31)) for n in (31, 30))
    np.testing.assert_array_equal(free.edges, bare.edges)


def test_what_is_not_a_spectrum():
    mu = np.full(20, 0.2)
    with pytest.raises(ValueError, match="fit must have one covariance for all components, got 2"):
        spectrum(Fit(Population.two_classes(mu, -mu, covariances=[None, np.linspace(1, 2, 20)]), n=9, gamma=1.0))
    with pytest.raises(ValueError, match=r"fit must have one number n, got shape \(2,\)"):
        spectrum(Fit(Population.two_classes(mu, -mu), n=np.array([9, 10]), gamma=1.0))
    with pytest.raises(TypeError, match="fit must be a Fit or a TransferProblem, got int"):
        spectrum(3)
