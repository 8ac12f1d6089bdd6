"""The spectrum against two libraries of spectral laws, where they are installed: scikit-rmt and freealg."""

import sys
import types

import numpy as np
import pytest

from rmt_alpha import Fit, Population, spectrum


def found(lam, n):
    return spectrum(Fit(Population.linear(np.ones(len(lam)), covariance=lam), n=n, gamma=1.0))


@pytest.mark.parametrize("eta", [0.2, 0.5, 2.0])
def test_scikit_rmt_on_marchenko_pastur(eta, monkeypatch):
    # It imports a function for its Tracy–Widom laws that SciPy no longer has; nothing here calls it.
    monkeypatch.setitem(sys.modules, "scipy.misc", types.ModuleType("scipy.misc"))
    monkeypatch.setattr(sys.modules["scipy.misc"], "derivative", None, raising=False)
    laws = pytest.importorskip("skrmt.ensemble.spectral_law")
    p = 200
    x, f = found(np.ones(p), int(p / eta)).curve(200)
    np.testing.assert_allclose(f, laws.MarchenkoPasturDistribution(ratio=eta).pdf(x), rtol=1e-6)


@pytest.mark.parametrize("eta", [0.2, 0.5, 2.0])
def test_freealg_on_marchenko_pastur(eta):
    laws = pytest.importorskip("freealg.distributions")
    p = 200
    x, f = found(np.ones(p), int(p / eta)).curve(200)
    np.testing.assert_allclose(f, laws.MarchenkoPastur(eta).density(x), rtol=1e-6)


@pytest.mark.filterwarnings("ignore")  # its iterations overflow on their way; at n = 6000 they take a wrong root
@pytest.mark.parametrize("n", [900, 300])
def test_freealg_on_two_atoms(n):
    laws = pytest.importorskip("freealg.distributions")
    p, lam = 600, np.r_[np.ones(360), np.full(240, 8.0)]
    here = found(lam, n)
    peer = laws.DeformedMarchenkoPastur([1.0, 8.0], [0.6, 0.4], p / n)
    x, f = here.curve(100)
    inside = slice(5, -5)
    np.testing.assert_allclose(f[inside], peer.density(x, eta=1e-9)[inside], rtol=1e-4, atol=1e-5)
    # Its own support is read off a coarse grid: its density must end where this one does.
    outside = np.concatenate([here.edges[:, 0] * 0.999, here.edges[:, 1] * 1.001])
    np.testing.assert_allclose(peer.density(outside, eta=1e-9), 0, atol=1e-5)
    within = np.concatenate([here.edges[:, 0] * 1.001, here.edges[:, 1] * 0.999])
    assert np.all(peer.density(within, eta=1e-9) > 1e-3 * f.max())
