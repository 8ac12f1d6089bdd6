"""The spectrum: against Marchenko and Pastur's closed form, drawn eigenvalues, and their outliers."""

import numpy as np
import pytest

from rmt_alpha import Fit, Population, TransferProblem, spectrum
from rmt_alpha.theory.mixture_spectrum import MixtureBulk


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
    with pytest.raises(ValueError, match="alpha must be None unless fit is scalar with squared loss"):
        spectrum(Fit(Population.two_classes(mu, -mu), n=9, gamma=1.0, starts=[mu], loss="logistic"), 1.0)
    with pytest.raises(ValueError, match="alpha must have one entry per start"):
        spectrum(Fit(Population.two_classes(mu, -mu), n=9, gamma=1.0, starts=[mu, mu]), 1.0)
    with pytest.raises(ValueError, match=r"fit must have one number n, got shape \(2,\)"):
        spectrum(Fit(Population.two_classes(mu, -mu), n=np.array([9, 10]), gamma=1.0))
    with pytest.raises(TypeError, match="fit must be a Fit or a TransferProblem, got int"):
        spectrum(3)


def unlike(p):
    """Three covariances that do not commute with the sum's eigenvectors in common order."""
    return np.stack([np.linspace(0.2, 2, p), np.linspace(4, 0.1, p), np.linspace(0.5, 1, p)])


@pytest.mark.parametrize("n", [200, 300, 500, 3000])
def test_a_mixture_of_equal_covariances_is_the_one(n):
    p = 300
    lam = np.r_[np.ones(150), np.full(150, 8.0)]
    one, many = spectrum(noise(lam, n)), MixtureBulk(np.stack([lam, lam]), np.array([0.3, 0.7]), n)
    edges = many.edges(np.empty((0, 2)), min(n / p, 1.0))
    np.testing.assert_allclose(edges, one.edges, rtol=1e-5, atol=1e-9)
    x = np.linspace(1e-3, 30, 150)
    np.testing.assert_allclose(many.density(x), one.density(x), atol=1e-6)
    means = np.zeros((2, p))
    means[0, 10], means[1, 200] = 4, 6
    fit = Fit(Population.classes(means, priors=[0.3, 0.7], covariance=lam), n=n, gamma=1.0)
    shown = [s for s in spectrum(fit).spikes if s.eigenvalue is not None]
    found = sorted(many.outliers(means, edges, centred=False), key=lambda s: -s[0])
    assert len(found) == len(shown) >= 1
    for (population, place, overlap, direction), spike in zip(found, shown, strict=True):
        assert population == pytest.approx(spike.population, rel=1e-6)
        assert place == pytest.approx(spike.eigenvalue, rel=1e-6)
        assert overlap == pytest.approx(spike.overlap, rel=1e-4)
        assert abs(direction @ spike.direction) == pytest.approx(1, abs=1e-6)


def test_matrices_are_their_spectra_turned():
    C, priors, rng = unlike(16), np.array([0.4, 0.35, 0.25]), np.random.default_rng(4)
    O = np.linalg.qr(rng.standard_normal((16, 16)))[0]
    means = 2 * rng.standard_normal((3, 16))
    flat = Fit(Population.classes(means, priors=priors, covariances=list(C)), n=27, gamma=1.0)
    turned = Population.classes(means @ O.T, priors=priors, covariances=[(O * c) @ O.T for c in C])
    a, b = spectrum(flat), spectrum(Fit(turned, n=27, gamma=1.0))
    np.testing.assert_allclose(a.edges, b.edges, rtol=1e-6)
    x = np.linspace(0.1, 5, 20)
    np.testing.assert_allclose(a.density(x), b.density(x), rtol=1e-6, atol=1e-9)
    assert len(a.spikes) == len(b.spikes) > 0
    for s, t in zip(a.spikes, b.spikes, strict=True):
        assert (s.eigenvalue, s.overlap) == (pytest.approx(t.eigenvalue), pytest.approx(t.overlap))
        assert abs(O @ s.direction @ t.direction) == pytest.approx(1)


@pytest.mark.parametrize("n", [150, 900])
def test_mass_and_moments_of_a_mixture(n):
    p, priors = 300, np.array([0.4, 0.35, 0.25])
    C = unlike(p)
    found = spectrum(Fit(Population.classes(np.zeros((3, p)), priors=priors, covariances=list(C)), n=n, gamma=1.0))
    x, f = found.curve(1500)
    integral = lambda y: np.sum(np.diff(x) * ((y * f)[1:] + (y * f)[:-1]) / 2)  # noqa: E731
    total = priors @ C
    assert found.zero == max(0, 1 - n / p) and found.spikes == ()
    assert integral(np.ones_like(x)) + found.zero == pytest.approx(1, abs=1e-4)
    assert integral(x) == pytest.approx(total.mean(), rel=1e-4)
    assert integral(x * x) == pytest.approx((np.sum(total**2) + priors @ C.sum(1) ** 2 / n) / p, rel=1e-4)
    labels = np.repeat(np.arange(3), np.diff(np.r_[0, np.rint(np.cumsum(priors) * n)]).astype(int))
    X = np.random.default_rng(1).standard_normal((n, p)) * np.sqrt(C)[labels]
    drawn = np.sort(np.linalg.eigvalsh(X.T @ X / n))
    mass = found.zero + np.concatenate([[0], np.cumsum((f[1:] + f[:-1]) / 2 * np.diff(x))])
    assert np.abs(np.searchsorted(drawn, x) / p - mass)[30:].max() < 6 / p


@pytest.mark.parametrize("intercept", [False, True])
def test_outliers_of_a_mixture_are_those_of_drawn_data(intercept):
    p, n, trials = 400, 600, 24
    rng, priors, C = np.random.default_rng(2), np.array([0.4, 0.35, 0.25]), unlike(400)
    means = rng.standard_normal((3, p)) / np.sqrt(p) * np.array([[6.0], [6.0], [0.3]])
    fit = Fit(Population.classes(means, priors=priors, covariances=list(C)), n=n, gamma=1.0, intercept=intercept)
    spikes = spectrum(fit).spikes
    assert len(spikes) == 2
    labels = np.repeat(np.arange(3), (priors * n).astype(int))
    values, overlaps = [], []
    for _ in range(trials):
        X = rng.standard_normal((n, p)) * np.sqrt(C)[labels] + means[labels]
        X = X - intercept * X.mean(0)
        w, V = np.linalg.eigh(X.T @ X / (n - intercept))
        values.append(w[[-1, -2]])
        overlaps.append([(V[:, -j] @ s.direction) ** 2 for j, s in enumerate(spikes, 1)])
    for drawn, expected in ((values, [s.eigenvalue for s in spikes]), (overlaps, [s.overlap for s in spikes])):
        z = (np.mean(drawn, 0) - expected) / (np.std(drawn, 0, ddof=1) / np.sqrt(trials))
        assert np.abs(z).max() < 4


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_the_spectrum_of_the_correction(alpha):
    """G = ÂᵀSÂ of drawn data, S = XᵀX/n + γ."""
    p, n, gamma, noise_sd, trials = 300, 450, 0.3, 0.5, 30
    rng = np.random.default_rng(5)
    Ws = np.linalg.qr(rng.standard_normal((p, 3)))[0] * [3.0, 2.0, 1.0]
    Wt = 1.5 * Ws + np.linalg.qr(rng.standard_normal((p, 3)))[0] * [1.0, 0.5, 0.0]
    lam = np.linspace(0.5, 2, p)
    fit = Fit(Population.linear(Wt, noise_sd, covariance=lam), n=n, gamma=gamma, starts=[Ws])
    expected = spectrum(fit, alpha).correction
    drawn = []
    for _ in range(trials):
        X = rng.standard_normal((n, p)) * np.sqrt(lam)
        Y = X @ Wt + noise_sd * rng.standard_normal((n, 3))
        S, b = X.T @ X / n + gamma * np.eye(p), X.T @ (Y - alpha * X @ Ws) / n
        drawn.append(np.linalg.eigvalsh(b.T @ np.linalg.solve(S, b))[::-1])
    z = (np.mean(drawn, 0) - expected) / (np.std(drawn, 0, ddof=1) / np.sqrt(trials))
    assert np.abs(z).max() < 4
    assert spectrum(fit).correction is None
    assert spectrum(fit, [0.0, alpha]).correction.shape == (2, 3)


@pytest.mark.parametrize("n", [30, 60, 1000, 10**5, 10**7])
def test_no_band_of_a_mixture_is_lost(n):
    """Bands of relative width √(p/n), however narrow; the density's mass is what is left of 1."""
    c1, c2, mu = np.repeat([1.0, 7.3, 100.0], 20), np.repeat([1.0, 7.5, 90.0], 20), np.full(60, 1e-3)
    found = spectrum(Fit(Population.two_classes(mu, -mu, covariances=[c1, c2]), n=n, gamma=0.1))
    assert len(found.edges) == {30: 1, 60: 2}.get(n, 3)
    x, f = found.curve(2000)
    mass = sum(np.trapezoid(f[i : i + 2000], x[i : i + 2000]) for i in range(0, len(x), 2000))
    assert mass + found.zero == pytest.approx(1, abs=0.02 if n == 60 else 2e-3)  # n = p: f ~ 1/√x


def test_a_band_too_narrow_to_see_is_an_error():
    c1, c2, mu = np.linspace(1, 2, 60), np.full(60, 9.0), np.full(60, 0.3)
    with pytest.raises(ArithmeticError, match="too narrow to be found"):
        spectrum(Fit(Population.two_classes(mu, -mu, covariances=[c1, c2]), n=10**9, gamma=0.1))
