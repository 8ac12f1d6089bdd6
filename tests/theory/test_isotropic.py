"""The closed forms against reference numbers, each other, brute force and their invariants."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from rmt_alpha import TransferProblem, optimal_alpha, predict
from rmt_alpha.theory import equivalents
from rmt_alpha.theory.published import optimal_alpha_published, predict_published

REFERENCE = json.loads((Path(__file__).parent / "reference_isotropic.json").read_text())
BASE = dict(n_source=2000, n_target=200, dim=400, mu=1.2, mu_orth=0.9, beta=0.6, gamma_source=1.0, gamma_target=0.3)
ALPHA = np.array([-5.0, -1.0, 0.0, 0.5, 1.0, 3.0])
QUANTITIES = ("mean", "variance", "accuracy", "risk")


def problem(**changes):
    return TransferProblem(**(BASE | changes))


def vectors(p=60, seed=0):
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((2, p)) / np.sqrt(p)
    return 1.2 * first, 0.7 * first + 0.8 * second


def covariance(p=60, seed=1):
    A = np.random.default_rng(seed).standard_normal((p, 2 * p))
    return A @ A.T / (2 * p) + 0.1 * np.eye(p)


def assert_same(a, b, rtol=1e-9):
    for quantity in QUANTITIES:
        np.testing.assert_allclose(getattr(a, quantity), getattr(b, quantity), rtol=rtol)


@pytest.mark.parametrize("case", REFERENCE, ids=range(len(REFERENCE)))
def test_reference_numbers(case):
    reference, alpha = TransferProblem(**case["problem"]), np.array(case["alpha"])
    theory, best = predict(reference, alpha), optimal_alpha(reference)
    for quantity in ("mean", "variance", "accuracy"):
        np.testing.assert_allclose(getattr(theory, quantity), case[quantity], rtol=1e-9)
    np.testing.assert_allclose([best.alpha, best.zero], [case["best_alpha"], case["worst_alpha"]], rtol=1e-9)


def test_theory_page_numbers():
    erratum = TransferProblem(2000, 200, 2000, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=1)
    assert optimal_alpha(erratum).alpha == pytest.approx(1.1787, abs=5e-5)
    assert optimal_alpha_published(erratum) == pytest.approx(1.508, abs=5e-4)
    other = TransferProblem(500, 1000, 300, mu=2, mu_orth=0.5, beta=0.9, gamma_source=0.1, gamma_target=0.1)
    assert predict_published(other, -5.0).accuracy == pytest.approx(0.980, abs=5e-4)
    assert predict(other, -5.0).accuracy == pytest.approx(0.8904, abs=5e-5)
    # The published ratio, though its variance is not positive there.
    assert optimal_alpha_published(other) == pytest.approx(-0.562, abs=5e-4)


def test_general_covariance_with_identities_is_the_isotropic_form():
    p = 80
    mean_source, mean_target = np.zeros((2, p))
    mean_source[0] = BASE["mu"]
    mean_target[:2] = 0.6 * BASE["mu"], 0.8 * BASE["mu_orth"]
    sizes = dict(n_source=100, n_target=50, gamma_source=0.7, gamma_target=0.2)
    expected = predict(problem(dim=p, **sizes), ALPHA)
    # A spectrum of ones is recognised as the identity, so perturb it beyond recognition and below the tolerance.
    for cov in (np.full(p, 1 + 1e-13), np.eye(p) * (1 + 1e-13)):
        assert_same(
            predict(
                TransferProblem.from_means(mean_source, mean_target, cov_source=cov, cov_target=cov, **sizes), ALPHA
            ),
            expected,
        )
    assert_same(predict(TransferProblem.from_means(mean_source, mean_target, **sizes), ALPHA), expected)


def test_fixed_source_is_the_two_stage_form_fed_the_same_numbers():
    from rmt_alpha.theory.isotropic import source_moments

    two_stage = problem()
    s, q = map(float, source_moments(two_stage))
    b = np.sqrt(two_stage.mean_products[2])
    w = np.zeros(400)
    w[0], w[1] = s / b, np.sqrt(q - (s / b) ** 2)
    fixed = TransferProblem.from_source(w, b * np.eye(400)[0], n_target=200, gamma_target=0.3)
    assert_same(predict(fixed, ALPHA), predict(two_stage, ALPHA))
    spectral = TransferProblem.from_source(
        w, b * np.eye(400)[0], n_target=200, gamma_target=0.3, cov_target=np.full(400, 1 + 1e-13)
    )
    assert_same(predict(spectral, ALPHA), predict(two_stage, ALPHA))


def test_rotating_everything_changes_nothing():
    p = 60
    mean_source, mean_target = vectors(p)
    Q, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((p, p)))
    first, second = covariance(p, 1), covariance(p, 2)
    sizes = dict(n_source=90, n_target=40, gamma_source=0.5, gamma_target=0.1)
    plain = TransferProblem.from_means(mean_source, mean_target, cov_source=first, cov_target=second, **sizes)
    turned = TransferProblem.from_means(
        Q @ mean_source, Q @ mean_target, cov_source=Q @ first @ Q.T, cov_target=Q @ second @ Q.T, **sizes
    )
    assert_same(predict(plain, ALPHA), predict(turned, ALPHA), rtol=1e-8)


def test_rescaling_the_source_rescales_alpha():
    mean_source, mean_target = vectors()
    cov = covariance()
    one = TransferProblem.from_source(mean_source, mean_target, n_target=40, gamma_target=0.1, cov_target=cov)
    tenfold = TransferProblem.from_source(10 * mean_source, mean_target, n_target=40, gamma_target=0.1, cov_target=cov)
    assert_same(predict(one, ALPHA), predict(tenfold, ALPHA / 10))
    assert optimal_alpha(one).alpha == pytest.approx(10 * optimal_alpha(tenfold).alpha, rel=1e-9)


def test_flipping_the_alignment_flips_alpha():
    assert_same(predict(problem(beta=-0.6), -ALPHA), predict(problem(), ALPHA))


numbers = st.fixed_dictionaries(
    {
        "n_source": st.integers(1, 10**6),
        "n_target": st.integers(1, 10**6),
        "dim": st.integers(2, 10**6),
        "mu": st.floats(0.01, 20),
        "mu_orth": st.floats(0, 20),
        "beta": st.floats(-1, 1),
        "gamma_source": st.floats(1e-6, 1e6),
        "gamma_target": st.floats(1e-6, 1e6),
    }
)


@settings(max_examples=300, deadline=None)
@given(numbers, st.floats(-1e6, 1e6))
def test_nothing_beats_the_optimum_and_the_variance_is_positive(values, alpha):
    random = TransferProblem(**values)
    at, best = predict(random, alpha), optimal_alpha(random)
    assert at.variance > 0
    assert at.accuracy <= best.accuracy + 1e-12
    assert at.risk >= best.risk * (1 - 1e-9)


@pytest.mark.parametrize("beta", [-0.9, 0.2, 0.95])
def test_optima_agree_with_a_search(beta):
    aligned = problem(beta=beta)
    best = optimal_alpha(aligned)
    found = optimize.minimize_scalar(
        lambda a: -predict(aligned, a).accuracy, bracket=(best.alpha - 1, best.alpha + 1.1)
    )
    assert best.alpha == pytest.approx(found.x, abs=1e-5)
    assert predict(aligned, best.alpha).accuracy == pytest.approx(best.accuracy, rel=1e-12)
    assert predict(aligned, best.zero).accuracy == pytest.approx(0.5, abs=1e-12)
    found = optimize.minimize_scalar(lambda a: predict(aligned, a).risk, bracket=(-1, 2))
    assert best.least_risk == pytest.approx(found.x, abs=1e-5)
    assert best.risk == pytest.approx(found.fun, rel=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_optimum_at_infinity_is_said_to_be_there(sign):
    # What training leaves of this source, κR w̃, is the ideal classifier plus some of the target's own: too much of that.
    p = 40
    lam, mean = np.geomspace(0.1, 5, p), np.full(p, 0.2)
    kappa = equivalents.general(lam, np.array(40_000), np.array(1.0))[0]
    w = (10 * (1 + mean @ (mean / lam)) + 1 + kappa / lam) * mean
    far = TransferProblem.from_source(sign * w, mean, n_target=40_000, gamma_target=1.0, cov_target=lam)
    best = optimal_alpha(far)
    assert best.at_infinity and best.alpha == sign * np.inf
    grid = predict(far, np.concatenate([-np.logspace(6, -3, 400), np.logspace(-3, 6, 400)])).accuracy
    assert grid.max() <= best.accuracy + 1e-12
    assert predict(far, sign * 1e9).accuracy == pytest.approx(best.accuracy, abs=1e-9)


def test_infinite_optimum_by_construction():
    from rmt_alpha import ScoreForm
    from rmt_alpha.theory.optimum import optimum

    # M⁻¹c has a negative first component; c₁ > 0, so the supremum c₁/√M₁₁ lies at +∞.
    best = optimum(ScoreForm(np.array([0.1, 1.0]), np.array([[1.0, 0.9], [0.9, 1.0]])))
    assert best.alpha == np.inf and best.at_infinity
    assert best.accuracy == pytest.approx(0.8413447460685429)
    flipped = optimum(ScoreForm(np.array([0.1, -1.0]), np.array([[1.0, -0.9], [-0.9, 1.0]])))
    assert flipped.alpha == -np.inf


def test_useless_source_wants_no_weight():
    assert optimal_alpha(problem(beta=0.0)).alpha == 0.0
    assert optimal_alpha(problem(mu=0.0)).alpha == 0.0
    assert optimal_alpha(problem(mu=0.0, mu_orth=0.0)).accuracy == 0.5


def test_ridgeless_limits():
    for n_target in (100, 800):
        ridgeless, tiny = problem(n_target=n_target, gamma_target=0.0), problem(n_target=n_target, gamma_target=1e-12)
        assert_same(predict(ridgeless, ALPHA), predict(tiny, ALPHA), rtol=1e-8)
    mean_source, mean_target = vectors()
    for n_target in (30, 90):
        made = [
            TransferProblem.from_means(mean_source, mean_target, n_source=200, n_target=n_target, gamma_source=0.0,
                                       gamma_target=gamma, cov_source=covariance(), cov_target=covariance(seed=7))
            for gamma in (0.0, 1e-11)
        ]  # fmt: skip
        assert_same(predict(made[0], ALPHA), predict(made[1], ALPHA), rtol=1e-7)


def test_infinite_penalty_returns_the_source():
    heavy = problem(gamma_target=1e15)
    source_only = predict(heavy, np.array([1.0, 5.0])).accuracy
    assert source_only[0] == pytest.approx(source_only[1], abs=1e-12)


@pytest.mark.parametrize("eta", [1e-3, 0.5, 1.0, 2.0, 1e3])
@pytest.mark.parametrize("gamma", [1e-9, 1e-3, 1.0, 1e6])
def test_renormalised_ridge_solves_its_equation(eta, gamma):
    p = 50
    kappa, h, one_minus_h = equivalents.isotropic(eta, gamma)
    assert kappa * (1 - eta / (1 + kappa)) == pytest.approx(gamma, rel=1e-6)
    assert h + one_minus_h == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(equivalents.general(np.ones(p), p / eta, gamma), (kappa, h, one_minus_h), rtol=1e-7)


def test_everything_broadcasts():
    gamma = np.logspace(-3, 2, 20)
    grid = problem(gamma_source=gamma[:, None], gamma_target=gamma)
    best = optimal_alpha(grid)
    assert best.alpha.shape == (20, 20)
    assert predict(grid, best.alpha).accuracy == pytest.approx(best.accuracy)
    cell = problem(gamma_source=gamma[3], gamma_target=gamma[7])
    assert best.alpha[3, 7] == pytest.approx(optimal_alpha(cell).alpha, rel=1e-12)
    mean_source, mean_target = vectors()
    general = TransferProblem.from_means(
        mean_source, mean_target, n_source=100, n_target=np.array([20, 40, 80])[:, None], gamma_source=0.1,
        gamma_target=gamma, cov_source=covariance(), cov_target=covariance(seed=3),
    )  # fmt: skip
    assert predict(general, 0.5).accuracy.shape == (3, 20)


def test_extreme_problems_stay_finite():
    for changes in (
        dict(dim=2, n_target=2, n_source=2),
        dict(n_target=400_000),
        dict(dim=400_000, n_target=400),
        dict(gamma_target=1e-30, n_target=400),
        dict(gamma_target=1e30, gamma_source=1e30),
        dict(beta=1.0, mu_orth=0.0),
        dict(beta=-1.0),
        dict(dim=10**12),
    ):
        result = predict(problem(**changes), np.array([-1e6, 0.0, 1e6]))
        assert np.all((result.accuracy >= 0) & (result.accuracy <= 1)), changes
        assert np.all(np.isfinite(result.risk)), changes


def test_accuracy_is_signed_and_can_be_folded():
    inverted = predict(problem(), -5.0)
    assert inverted.accuracy < 0.5
    assert inverted.folded_accuracy == pytest.approx(1 - inverted.accuracy)
