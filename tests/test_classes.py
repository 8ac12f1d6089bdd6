"""Classes that differ: against direct simulation, against the core where it applies, and by brute force."""

import numpy as np
import pytest
from scipy.special import ndtr

import rmt_alpha as rmt
from rmt_alpha import ClassProblem, Mixture, class_form, predict_classes, simulate_classes
from rmt_alpha.class_moments import optimal_threshold
from rmt_alpha.theory.classes import equivalent
from rmt_alpha.theory.equivalents import isotropic as isotropic_equivalent

ALPHA = np.array([-2.0, 0.0, 1.0, 3.0])
LARGEST_Z = 4.0  # of a few dozen, at fixed seeds


def direction(rng, dim, norm):
    v = rng.standard_normal(dim)
    return norm * v / np.linalg.norm(v)


def covariance(rng, spectrum):
    basis = np.linalg.qr(rng.standard_normal((len(spectrum), len(spectrum))))[0]
    return (basis * spectrum) @ basis.T


def flips(rng, dim):
    mean, other = direction(rng, dim, 1.2), direction(rng, dim, 1.0)
    target = 0.7 * mean + 0.7 * other
    source = Mixture.two_classes(mean, -mean, flips=[0.3, 0.05])
    return ClassProblem(
        source, Mixture.two_classes(target, -target, flips=[0.1, 0.25]), int(0.8 * dim), 0.1, int(1.5 * dim), 0.3
    )


def priors(rng, dim):
    mean, other = direction(rng, dim, 1.2), direction(rng, dim, 1.0)
    target = 0.7 * mean + 0.7 * other
    spectrum = np.linspace(0.5, 1.5, dim)
    source = Mixture.two_classes(mean, -mean, prior=0.8, covariances=[0.4 * spectrum, 4 * spectrum])
    mixture = Mixture.two_classes(target, -target, prior=0.25, flips=[0.1, 0])
    return ClassProblem(source, mixture, int(1.3 * dim), 0.05, int(1.5 * dim), 0.3)


def everything(rng, dim):
    """Flips, priors, means that are not opposite, four covariances of which no two commute."""
    mean, other, middle = (direction(rng, dim, r) for r in (1.2, 1.0, 0.6))
    spectra = ((0.2, 1.8), (0.3, 2.5), (0.5, 3.0), (0.1, 1.0))
    C = [covariance(rng, np.linspace(*ends, dim)) for ends in spectra]
    target = 0.6 * mean + 0.7 * other
    source = Mixture.two_classes(mean + middle, 0.5 * middle - mean, prior=0.6, flips=[0.1, 0.2], covariances=C[:2])
    mixture = Mixture.two_classes(
        target + middle, middle - 0.5 * target, prior=0.35, flips=[0.15, 0.05], covariances=C[2:]
    )
    return ClassProblem(source, mixture, int(1.5 * dim), 0.02, int(0.8 * dim), 0.2)


def scales(rng, dim):
    """Two components a class, of different scale: an elliptical law."""
    mean, other = direction(rng, dim, 1.2), direction(rng, dim, 1.0)
    spectrum = np.linspace(0.3, 2, dim)

    def mixture(mu):
        C = [0.4 * spectrum, 2 * spectrum, 0.6 * spectrum, 1.5 * spectrum]
        return Mixture([0.3, 0.2, 0.3, 0.2], [mu, mu / 2, -mu, -mu / 2], [1, 1, -1, -1], C, [0.1, 0, 0, 0.1])

    return ClassProblem(mixture(mean), mixture(0.6 * mean + 0.9 * other), int(0.6 * dim), 0.2, dim, 0.3)


def isotropic(prior=0.5, flip=0.0):
    """The core's problem, as mixtures."""
    problem = rmt.TransferProblem(80, 40, 60, mu=1.3, mu_orth=0.7, beta=0.6, gamma_source=0.3, gamma_target=0.1)
    mean, target = np.zeros((2, 60))
    mean[0], target[0], target[1] = 1.3, 0.6 * 1.3, 0.8 * 0.7
    mixtures = [Mixture.two_classes(m, -m, prior=prior, flips=flip) for m in (mean, target)]
    return problem, ClassProblem(*mixtures, n_target=40, gamma_target=0.1, n_source=80, gamma_source=0.3)


@pytest.mark.parametrize("make", [flips, priors, everything, scales])
def test_theory_agrees_with_simulation(make):
    problem = make(np.random.default_rng(5), 300)
    theory, sim = predict_classes(problem, ALPHA), simulate_classes(problem, ALPHA, n_trials=100, seed=1)
    assert sim.mean.shape == (len(problem.target.priors), len(ALPHA))
    assert rmt.compare(theory, sim).max_abs < LARGEST_Z


@pytest.mark.parametrize("make", [priors, everything])
def test_optimal_threshold_agrees_with_simulation(make):
    problem = make(np.random.default_rng(5), 300)
    theory = predict_classes(problem, ALPHA, "optimal")
    sim = simulate_classes(problem, ALPHA, "optimal", n_trials=100, seed=2)
    assert np.abs(rmt.compare(theory, sim).accuracy).max() < LARGEST_Z
    assert np.all(theory.accuracy >= predict_classes(problem, ALPHA).accuracy)
    assert np.all(theory.accuracy >= problem.target.priors.max() - 1e-12)


def test_reduces_to_the_core():
    problem, classes = isotropic()
    ours, core = predict_classes(classes, ALPHA), rmt.predict(problem, ALPHA)
    for k in range(2):
        np.testing.assert_allclose(ours.mean[k], core.mean, rtol=1e-12)
        np.testing.assert_allclose(ours.variance[k], core.variance, rtol=1e-11)
    np.testing.assert_allclose(ours.accuracy, core.accuracy, rtol=1e-12)
    np.testing.assert_allclose(ours.risk, core.risk, rtol=1e-11)
    best, expected = rmt.optimal_alpha_classes(classes), rmt.optimal_alpha(problem)
    assert best.best == pytest.approx(expected.best, abs=1e-6)
    assert best.accuracy == pytest.approx(expected.accuracy, rel=1e-12)
    assert best.min_risk == pytest.approx(expected.min_risk, rel=1e-10)
    assert not best.at_infinity


def test_reduces_to_one_covariance_and_a_fixed_source():
    rng = np.random.default_rng(0)
    dim, n, gamma = 50, 40, 0.05
    w, mean, C = rng.standard_normal(dim) / 5, direction(rng, dim, 1), covariance(rng, np.linspace(0.3, 2, dim))
    core = rmt.TransferProblem.from_source(w, mean, n_target=n, gamma_target=gamma, cov_target=C)
    ours = predict_classes(ClassProblem(w, Mixture.two_classes(mean, -mean, covariances=[C, C]), n, gamma), ALPHA)
    np.testing.assert_allclose(ours.variance[0], rmt.predict(core, ALPHA).variance, rtol=1e-10)
    np.testing.assert_allclose(ours.accuracy, rmt.predict(core, ALPHA).accuracy, rtol=1e-11)


def test_reduces_to_trained_sources_with_covariances():
    rng = np.random.default_rng(1)
    dim, means = 40, (direction(np.random.default_rng(2), 40, 1), direction(np.random.default_rng(3), 40, 1.5))
    C = [covariance(rng, np.linspace(0.3, 2, dim)), covariance(rng, np.linspace(0.1, 3, dim))]
    sizes = {"n_source": 60, "n_target": 30, "gamma_source": 0.2, "gamma_target": 0.1}
    core = rmt.TransferProblem.from_means(*means, cov_source=C[0], cov_target=C[1], **sizes)
    mixtures = [Mixture.two_classes(m, -m, covariances=[c, c]) for m, c in zip(means, C, strict=True)]
    ours = predict_classes(ClassProblem(*mixtures, **sizes), ALPHA)
    np.testing.assert_allclose(ours.variance[1], rmt.predict(core, ALPHA).variance, rtol=1e-10)


def test_splitting_a_component_changes_nothing():
    problem = everything(np.random.default_rng(5), 60)
    t = problem.target
    pick = [0, 0, 1]
    split = Mixture([0.2, 0.15, 0.65], t.means[pick], t.labels[pick], [t.covariances[k] for k in pick], t.flips[pick])
    numbers = (problem.n_target, problem.gamma_target, problem.n_source, problem.gamma_source)
    np.testing.assert_allclose(
        predict_classes(ClassProblem(problem.source, split, *numbers), ALPHA).accuracy,
        predict_classes(problem, ALPHA).accuracy,
        rtol=1e-11,
    )


def test_invariances():
    """A rotation changes nothing; swapping the classes changes nothing; w̃ → 2w̃ halves α*."""
    rng = np.random.default_rng(4)
    dim, w, mean = 30, direction(rng, 30, 1), direction(rng, 30, 1.5)
    C = [covariance(rng, np.linspace(0.2, 2, dim)), covariance(rng, np.linspace(0.5, 1, dim))]
    O = np.linalg.qr(rng.standard_normal((dim, dim)))[0]

    def accuracy(w, plus, minus, C, flips, prior, alpha=ALPHA):
        mixture = Mixture.two_classes(plus, minus, prior=prior, flips=flips, covariances=C)
        return predict_classes(ClassProblem(w, mixture, 40, 0.1), alpha).accuracy

    base = accuracy(w, mean, -mean / 2, C, [0.1, 0.2], 0.3)
    rotated = accuracy(O @ w, O @ mean, -O @ mean / 2, [O @ c @ O.T for c in C], [0.1, 0.2], 0.3)
    swapped = accuracy(w, mean / 2, -mean, C[::-1], [0.2, 0.1], 0.7)
    np.testing.assert_allclose(rotated, base, rtol=1e-10)
    np.testing.assert_allclose(swapped, base, rtol=1e-12)
    np.testing.assert_allclose(accuracy(2 * w, mean, -mean / 2, C, [0.1, 0.2], 0.3, ALPHA / 2), base, rtol=1e-12)


def test_pure_label_noise_teaches_nothing():
    """Flip rates of ½ everywhere: labels carry nothing, α = 0 guesses. Rates of 1 invert the classifier."""
    assert predict_classes(isotropic(flip=0.5)[1], ALPHA).accuracy == pytest.approx(0.5)
    np.testing.assert_allclose(
        predict_classes(isotropic(flip=1.0)[1], ALPHA).accuracy, 1 - predict_classes(isotropic()[1], ALPHA).accuracy
    )


def test_symmetric_flips_only_shrink_the_mean():
    """With a rate ε everywhere and α = 0, m → (1−2ε)m: the direction stays and the noise grows."""
    clean, noisy = (predict_classes(isotropic(flip=e)[1], 0.0) for e in (0.0, 0.2))
    np.testing.assert_allclose(noisy.mean, 0.6 * clean.mean)
    assert noisy.accuracy < clean.accuracy


def test_noisy_labels_have_their_published_closed_form():
    """C = I, one training, rate ε on both classes: the noisy-label ridge classifier of arXiv 2405.14088."""
    p, n, gamma, flip = 60, 90, 0.3, 0.2
    mean = np.full(p, 1.3 / np.sqrt(p))
    mixture = Mixture.two_classes(mean, -mean, flips=flip)
    kappa, h, one_minus_h = isotropic_equivalent(p / n, gamma)
    seen = 1 - 2 * flip
    m = seen * 1.3**2 / (1.3**2 + 1 + kappa)
    V = (m**2 / 1.3**2 + one_minus_h * (1 - 2 * seen * m + m**2)) / h
    predicted = predict_classes(ClassProblem(mean, mixture, n, gamma), 0.0)
    np.testing.assert_allclose(predicted.mean, m)
    np.testing.assert_allclose(predicted.variance, V)
    assert predicted.accuracy == pytest.approx(ndtr(m / np.sqrt(V)))


def test_equivalent_solves_its_equation():
    mixture = everything(np.random.default_rng(5), 50).target
    for n, gamma in ((40, 1e-8), (100, 1e-8), (70, 0.1), (5, 10.0)):
        delta, R, T = equivalent(mixture, n, gamma)
        np.testing.assert_allclose(delta, [np.trace(C @ R) / n for C in mixture.matrices], rtol=1e-9)
        assert np.abs(np.linalg.eigvals(T)).max() < 1


def test_optimal_threshold_by_brute_force():
    rng = np.random.default_rng(6)
    t = np.linspace(-30, 30, 200_001)
    for _ in range(20):
        m, V, prior = rng.standard_normal(2), rng.uniform(0.2, 3, 2), rng.uniform(0.05, 0.95)
        found = float(optimal_threshold(m[0], m[1], V[0], V[1], prior))
        gain = lambda t: prior * ndtr((m[0] - t) / V[0] ** 0.5) + (1 - prior) * ndtr((t - m[1]) / V[1] ** 0.5)  # noqa: E731, B023
        best = max(gain(t).max(), prior, 1 - prior)
        assert gain(found) == pytest.approx(best, abs=1e-7)
    assert optimal_threshold(1.0, -1.0, 2.0, 2.0, 0.5) == pytest.approx(0)
    assert optimal_threshold(1.0, -1.0, 2.0, 2.0, 0.9) == pytest.approx(-np.log(9))  # (V/2m) log(π₋/π₊), m = 1, V = 2
    assert optimal_threshold(0.0, 0.0, 1.0, 1.0, 0.9) == -np.inf


@pytest.mark.parametrize("threshold", ["zero", "optimal"])
def test_optimum_is_the_best_of_a_grid(threshold):
    problem = everything(np.random.default_rng(5), 60)
    best = rmt.optimal_alpha_classes(problem, threshold)
    grid = predict_classes(problem, np.tan(np.linspace(-1.57, 1.57, 4001)), threshold)
    assert best.accuracy == pytest.approx(grid.accuracy.max(), abs=1e-6)
    assert best.accuracy >= grid.accuracy.max() - 1e-12
    assert best.accuracy == pytest.approx(predict_classes(problem, best.best, threshold).accuracy)
    assert best.risk <= grid.risk.min() + 1e-12
    sim = rmt.simulate_optimal_alpha_classes(problem, threshold, n_trials=400)
    assert abs(sim.best - best.best) / sim.best_se < LARGEST_Z


def test_optimum_at_infinity_and_without_a_source():
    rng = np.random.default_rng(7)
    mean = direction(rng, 30, 1.0)
    # Labels all wrong at the target: the more of a perfect source, the better.
    wrong = Mixture.two_classes(mean, -mean, flips=1.0)
    best = rmt.optimal_alpha_classes(ClassProblem(mean, wrong, 40, 0.1))
    assert best.at_infinity and best.best == np.inf
    assert best.accuracy == pytest.approx(predict_classes(ClassProblem(mean, wrong, 40, 0.1), 1e9).accuracy)
    nothing = rmt.optimal_alpha_classes(ClassProblem(np.zeros(30), Mixture.two_classes(mean, -mean), 40, 0.1))
    assert nothing.best == 0 and not nothing.at_infinity


def test_streams_follow_the_problem_not_the_order():
    problem = flips(np.random.default_rng(5), 40)
    a, b = rmt.draw_classes(problem, n_trials=5, seed=3), rmt.draw_classes(problem, n_trials=3, seed=3)
    np.testing.assert_array_equal(a.c[..., :3], b.c)
    assert not np.array_equal(rmt.draw_classes(problem, n_trials=3, seed=4).c, b.c)
    assert class_form(problem).c.shape == (2, 2)


def test_strata_reproduce_the_rows():
    rng = np.random.default_rng(8)
    X, y = rng.standard_t(3, (400, 20)), np.repeat([1.0, -1.0], [150, 250])
    mixture = rmt.norm_strata(X, y, 3)
    assert len(mixture.priors) == 6
    first = mixture.labels > 0
    np.testing.assert_allclose(mixture.priors[first].sum(), 150 / 400)
    np.testing.assert_allclose(
        mixture.priors[first] @ mixture.means[first] / (150 / 400), X[:150].mean(axis=0), atol=1e-12
    )
    second = mixture.matrices + mixture.means[:, :, None] * mixture.means[:, None, :]
    np.testing.assert_allclose(np.tensordot(mixture.priors, second, axes=1), X.T @ X / 400, atol=1e-10)
    traces = [c.eigenvalues.sum() for c in mixture.covariances]
    assert traces[0] < traces[1] < traces[2]


def test_mean_noise_is_removed_across_the_source_only():
    """On average over samples, ‖μ̂‖² falls to ‖μ‖² and ⟨w̃, μ̂⟩ does not change."""
    rng = np.random.default_rng(9)
    dim, rows, w = 50, 100, direction(rng, 50, 2.0)
    mean = direction(rng, dim, 2.0)
    y = np.repeat([1.0, -1.0], rows // 2)
    norms = []
    for _ in range(100):
        X = y[:, None] * mean + rng.standard_normal((rows, dim))
        raw = rmt.norm_strata(X, y, 1)
        clean = rmt.remove_mean_noise(raw, rows, w)
        np.testing.assert_allclose(clean.means @ w, raw.means @ w, atol=1e-12)
        norms.append([np.sum((m.means[0] - m.means[1]) ** 2) / 4 for m in (raw, clean)])
    raw_norm, clean_norm = np.mean(norms, axis=0)
    error = np.std(norms, axis=0)[1] / 10
    assert raw_norm > 4 + 5 * error
    # One direction of fifty is left alone: it keeps its noise, 1/rows.
    assert abs(clean_norm - 4 - 1 / rows) < 3 * error + 0.02


GOOD = {"priors": [0.5, 0.5], "means": np.eye(2), "labels": [1, -1]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"priors": [0.5, 0.6]}, "priors must be positive and sum to 1"),
        ({"priors": [1.0, 0.0]}, "Leave out components"),
        ({"means": np.zeros(3)}, "means must have shape"),
        ({"labels": [1, 0]}, "labels must be −1 or \\+1"),
        ({"flips": 1.5}, r"flips must lie in \[0, 1\], got 1.5"),
        ({"flips": [0.1, 0.1, 0.1]}, "flips must be a vector of shape"),
        ({"covariances": [None]}, "covariances must have 2 entries"),
        ({"covariances": [None, np.array([[1, 2], [0, 1.0]])]}, r"covariances\[1\] must be symmetric"),
        ({"covariances": [None, -np.eye(2)]}, "positive semi-definite"),
    ],
)
def test_bad_mixtures(change, words):
    with pytest.raises(ValueError, match=words):
        Mixture(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"target": np.ones(2)}, TypeError, "target must be a Mixture"),
        ({"gamma_target": 0.0}, ValueError, "gamma_target must lie in .*take 1e-8"),
        ({"n_target": 2.5}, ValueError, "n_target must be a whole number"),
        ({"n_target": [20, 30]}, ValueError, "n_target must be one number"),
        ({"n_source": None}, TypeError, "n_source must be a real number"),
        ({"source": np.ones(2)}, ValueError, "n_source and gamma_source must be None"),
        ({"source": np.ones(3), "n_source": None, "gamma_source": None}, ValueError, "source must be a vector"),
        ({"source": Mixture.two_classes(np.ones(3), -np.ones(3))}, ValueError, "target's dimension 2, got 3"),
    ],
)
def test_bad_problems(change, error, words):
    good = {"source": Mixture(**GOOD), "target": Mixture(**GOOD), "n_target": 20, "gamma_target": 0.1}
    with pytest.raises(error, match=words):
        ClassProblem(**{**good, "n_source": 30, "gamma_source": 0.1, **change})


def test_bad_requests():
    problem = scales(np.random.default_rng(5), 20)
    with pytest.raises(ValueError, match="threshold must be one of 'zero', 'optimal'"):
        predict_classes(problem, 1.0, "best")
    with pytest.raises(ValueError, match="one component in each class"):
        predict_classes(problem, 1.0, "optimal")
    with pytest.raises(ValueError, match="alpha"):
        predict_classes(problem, np.nan)
    with pytest.raises(ValueError, match="n_strata must be at most half"):
        rmt.norm_strata(np.eye(4), [1, 1, -1, -1], 2)
