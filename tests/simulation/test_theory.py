"""Dense engine and stage formula, each other's witness: z-scores at p/n of order one, for all that a fit can be."""

import numpy as np
import pytest

from rmt_alpha.problem import Fit, Group, Population, TransferProblem
from rmt_alpha.results import compare
from rmt_alpha.simulation import simulate
from rmt_alpha.theory.predict import predict
from rmt_alpha.theory.stage import train

P = 240
rng = np.random.default_rng(0)
MEANS = 1.5 * rng.standard_normal((4, P)) / np.sqrt(P)
NEARBY = MEANS + rng.standard_normal((4, P)) / np.sqrt(P)
A, B = rng.standard_normal((2, P, P))
MATRIX, OTHER = A @ A.T / P + 0.2 * np.eye(P), 2 * np.linalg.inv(B @ B.T / P + 0.3 * np.eye(P))
SPECTRUM = np.geomspace(0.2, 3, P)
W = rng.standard_normal((2, P, 2)) / np.sqrt(P)
LIMIT = 4.5  # of up to 70 z-scores; on O(1/p) of theory there is room for no more at these numbers of trials


def opposite(mean, **options):
    return Population.two_classes(mean, -mean, **options)


def assert_agree(fit, alpha, trials, threshold="zero", **options):
    theory = train(fit).form.moments(np.zeros(()) if alpha is None else np.asarray(alpha, float), threshold)
    simulated = simulate(fit, alpha, n_trials=trials, threshold=threshold, **options)
    z = compare(theory, simulated)
    assert z.max_abs < LIMIT, (z.mean, z.variance, z.accuracy, z.risk)
    return simulated


@pytest.mark.parametrize("n", [160, 400])
@pytest.mark.parametrize("labels", ["balanced", "random"])
def test_classes_with_intercept_confusion_and_one_alpha_per_output(n, labels):
    confusion = 0.7 * np.eye(4) + 0.05
    confusion[0] = [0.6, 0.4, 0.0, 0.0]
    confusion[1:] += 0.025
    source = Fit(Population.classes(MEANS, covariance=SPECTRUM), n=500, gamma=0.5, intercept=True)
    population = Population.classes(NEARBY, priors=[0.4, 0.3, 0.2, 0.1], confusion=confusion, covariance=SPECTRUM)
    fit = Fit(population, n=n, gamma=0.3, starts=[source], intercept=True, per="output")
    assert_agree(fit, [[1.0, 0.5, 2.0, 0.0], [0.0, 0.0, 0.0, -1.0]], 30, labels=labels)


@pytest.mark.parametrize("threshold", ["zero", "best"])
@pytest.mark.parametrize("n", [150, 400])
def test_unlike_covariances_with_flips_and_priors(threshold, n):
    population = Population.two_classes(
        MEANS[0], NEARBY[1], prior=0.7, flips=[0.1, 0.2], covariances=[MATRIX, SPECTRUM]
    )
    source = Fit(Population.two_classes(MEANS[0], MEANS[1], covariances=[OTHER, MATRIX]), n=200, gamma=1.0)
    assert_agree(Fit(population, n=n, gamma=0.3, starts=[source]), [0.0, 1.0, 2.0], 40, threshold)


@pytest.mark.parametrize("n", [150, 500])
@pytest.mark.parametrize("covariance", [None, SPECTRUM, MATRIX])
def test_two_sources_one_of_which_is_a_chain(n, covariance):
    first = Fit(opposite(MEANS[0]), n=200, gamma=1.0)
    second = Fit(opposite(MEANS[1]), n=300, gamma=0.4, starts=[first], alpha=1.5)
    other = Fit(opposite(MEANS[2]), n=100, gamma=0.2)
    fit = Fit(opposite(MEANS[3] + 0.5 * MEANS[0], covariance=covariance), n=n, gamma=0.4, starts=[second, other])
    assert_agree(fit, [[1.0, 0.5], [0.0, 1.0], [2.0, -1.0]], 40, method="dense")
    if covariance is None:
        assert_agree(fit, [[1.0, 0.5], [0.0, 1.0], [2.0, -1.0]], 1000, method="chain")


@pytest.mark.parametrize("covariance", [None, SPECTRUM])
def test_groups_of_one_training(covariance):
    source = Fit(opposite(MEANS[0]), n=200, gamma=0.5)
    fit = Fit(
        opposite(NEARBY[0], covariance=covariance), n=150, gamma=0.3, starts=Group.split(source, np.arange(P) % 3 // 2)
    )
    assert_agree(fit, [[1.0, 0.5], [0.0, 2.0], [1.0, 1.0]], 60)


@pytest.mark.parametrize(("n", "intercept"), [(160, False), (160, True), (700, False), (700, True)])
def test_regression_with_a_trained_source_and_coloured_covariance(n, intercept):
    source = Fit(Population.linear(W[0] + W[1] / 2, 0.5, covariance=SPECTRUM), n=400, gamma=0.3)
    fit = Fit(
        Population.linear(W[0], [0.5, 0.3], covariance=MATRIX),
        n=n,
        gamma=0.2,
        starts=[source],
        intercept=intercept,
        per="output",
    )
    assert_agree(fit, [[0.0, 0.0], [1.0, 0.5]], 40)


def test_a_pooled_source():
    pooled = Population.pooled([(opposite(MEANS[0]), 150), (opposite(MEANS[1], covariance=SPECTRUM), 100)])
    fit = Fit(opposite(MEANS[0] + MEANS[1] / 2), n=160, gamma=0.3, starts=[Fit(pooled, n=250, gamma=0.5)])
    assert_agree(fit, [0.0, 1.0, 2.0], 60)


def test_flipped_opposite_classes_and_a_fixed_source():
    fit = Fit(opposite(MEANS[0], flips=0.2, prior=0.3, covariance=MATRIX), n=160, gamma=0.3, starts=[MEANS[1]])
    assert_agree(fit, [0.0, 1.0, -2.0], 60)


def test_an_opposite_pair_with_intercept_and_no_start():
    assert_agree(Fit(opposite(MEANS[0], prior=0.3), n=160, gamma=0.3, intercept=True), None, 60)


@pytest.mark.parametrize("n", [150, 500])
def test_ridgeless(n):
    source = Fit(opposite(MEANS[0]), n=500, gamma=0.0)
    assert_agree(Fit(opposite(NEARBY[0]), n=n, gamma=0.0, starts=[source]), [0.0, 1.0, 2.0], 60)


@pytest.mark.parametrize("n", [150, 500])
def test_ridgeless_where_components_differ_in_covariance(n):
    population = Population.two_classes(MEANS[0], NEARBY[1], prior=0.4, covariances=[MATRIX, SPECTRUM])
    assert_agree(Fit(population, n=n, gamma=0.0, starts=[W[0, :, :1]], intercept=True), [0.0, 1.0], 30)


@pytest.mark.parametrize("n", [150, 500])
def test_ridgeless_where_groups_cut_eigenvectors(n):
    groups = Group.split(Fit(opposite(MEANS[0]), n=300, gamma=0.5), np.arange(P) % 2)
    assert_agree(Fit(opposite(NEARBY[0], covariance=MATRIX), n=n, gamma=0.0, starts=groups), [[1.0, 0.4]], 30)


@pytest.mark.parametrize("n", [120, 230, 400])
@pytest.mark.parametrize("is_matrix", [False, True])
def test_ridgeless_with_a_singular_covariance(n, is_matrix):
    """Rank 180 of 240: the shortest of many solutions."""
    lam = np.r_[np.zeros(60), np.linspace(0.5, 2, 180)]
    turn = np.linalg.qr(A)[0] if is_matrix else np.eye(P)
    mean, w = (turn @ np.r_[np.zeros(60), x[60:]] for x in (NEARBY[0], MEANS[0]))
    covariance = (turn * lam) @ turn.T if is_matrix else lam
    fit = Fit(opposite(mean, covariance=covariance), n=n, gamma=0.0, starts=[w + turn[:, 0] / 10])
    assert_agree(fit, [0.0, 1.0], 40)


def student(rng, shape):
    return rng.standard_t(9, shape) * np.sqrt(7 / 9)


@pytest.mark.parametrize("noise", ["rademacher", "student", student])
@pytest.mark.parametrize("test_points", ["gaussian", "drawn"])
def test_the_noise_law_does_not_matter_where_means_are_spread_out(noise, test_points):
    fit = Fit(opposite(NEARBY[0]), n=160, gamma=0.3, starts=[Fit(opposite(MEANS[0]), n=400, gamma=0.5)])
    assert_agree(fit, [0.0, 1.0, 2.0], 60, noise=noise, test_points=test_points)


def test_it_matters_where_they_are_not():
    # The eight numbers say no directions: they are drawn. A fit says the first two coordinates, and means it.
    problem = TransferProblem(2000, 600, 200, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=1.0, gamma_target=0.5)
    theory = train(problem.fit).form.moments(3.0)
    options = dict(n_trials=100, noise="rademacher", test_points="drawn")
    spread, localised = simulate(problem, 3.0, **options), simulate(problem.fit, 3.0, **options)
    assert abs(spread.accuracy - theory.accuracy) < 4 * spread.accuracy_se + 0.003
    assert localised.accuracy == pytest.approx(0.682, abs=0.006)  # independent measurement: .6815 ± .002
    assert simulate(problem.fit, 3.0, n_trials=50, noise="rademacher").accuracy == pytest.approx(
        theory.accuracy, abs=0.006
    )


def test_drawn_gaussian_points_are_gaussian_points():
    three = Fit(Population.classes(MEANS[:3], priors=[0.5, 0.3, 0.2]), n=150, gamma=0.5, intercept=True)
    exact, drawn = (simulate(three, n_trials=100, test_points=t, seed=2) for t in ("gaussian", "drawn"))
    assert abs(exact.accuracy - drawn.accuracy) < 4 * drawn.accuracy_se
    np.testing.assert_allclose(exact.risk, drawn.risk, rtol=1e-10)
    plain = Fit(opposite(MEANS[0]), n=150, gamma=0.5, starts=[MEANS[1]])
    exact, drawn = (
        simulate(plain, [0.0, 1.0], n_trials=100, test_points=t, method="dense") for t in ("gaussian", "drawn")
    )
    assert np.all(np.abs(exact.accuracy - drawn.accuracy) < 4 * drawn.accuracy_se)


@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_backends(n, backend):
    import jax

    fit = Fit(
        Population.classes(MEANS[:, :100]),
        n=n,
        gamma=0.5,
        starts=[Fit(Population.classes(MEANS[:, :100]), n=80, gamma=0.4)],
        intercept=True,
    )
    with jax.enable_x64(True):
        found, expected = (simulate(fit, [0.0, 1.0], n_trials=3, backend=b) for b in (backend, "numpy"))
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-10)
    np.testing.assert_allclose(found.variance, expected.variance, atol=1e-10)


@pytest.mark.parametrize("dim", [20_000])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_chain_in_high_dimension(dim, ratio):
    large = TransferProblem(dim, int(dim / ratio), dim, 1.2, 0.8, 0.6, 0.4, 0.2)
    theory = train(large.fit).form.moments(np.array([-2.0, 0.0, 1.0, 3.0]))
    assert compare(theory, simulate(large, [-2.0, 0.0, 1.0, 3.0], n_trials=500, seed=1)).max_abs < 4


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("method", ["auto", "dense"])
def test_the_best_threshold_knows_the_prior_of_opposite_classes(loss, method):
    rng = np.random.default_rng(0)
    mu = rng.standard_normal(200) / 14
    population = Population.two_classes(mu, -mu, prior=0.2)
    fit = Fit(population, n=150, gamma=0.3, starts=[mu + rng.standard_normal(200) / 20], loss=loss)
    theory = predict(fit, [0.0, 1.0], threshold="best")
    sim = simulate(fit, [0.0, 1.0], n_trials=60, threshold="best", method=method)
    assert np.abs((sim.accuracy - theory.accuracy) / sim.accuracy_se).max() < 4
    assert np.all(theory.accuracy > predict(fit, [0.0, 1.0]).accuracy + 0.02)
