"""The stage formula: against a second derivation, against itself by another solver, its special cases and its invariants."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from rmt_alpha import Covariance, Fit, Group, Population, TransferProblem, compare, optimal_alpha, predict, simulate
from rmt_alpha.theory.stage import train

from .oracle import stage

P = 24
RNG = np.random.default_rng(7)


def matrix(seed, p=P):
    A = np.random.default_rng(seed).standard_normal((p, 2 * p))
    return A @ A.T / (2 * p) + 0.1 * np.eye(p)


def opposite(mean, **options):
    return Population.two_classes(mean, -mean, **options)


MEANS = RNG.standard_normal((4, P)) / 3
CODES = {"one-hot": np.eye(3), "odd": RNG.standard_normal((3, 2))}
CONFUSION = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.0, 0.3, 0.7]])
PRIORS = np.array([0.5, 0.3, 0.2])


def seen(codes):
    """Codes and covariances of the labels that training sees."""
    T = CONFUSION @ codes
    return T, [sum(CONFUSION[k, j] * np.outer(codes[j] - T[k], codes[j] - T[k]) for j in range(3)) for k in range(3)]


@pytest.mark.parametrize("kind", ["one covariance", "a covariance per class"])
@pytest.mark.parametrize("codes", list(CODES))
def test_two_stages_of_classes_are_those_of_the_second_derivation(kind, codes):
    T = CODES[codes]
    q = T.shape[1]
    target = [matrix(1)] * 3 if kind == "one covariance" else [matrix(k) for k in (1, 2, 3)]
    source_cov = matrix(5)
    w = RNG.standard_normal((P, q)) / 5
    scales = np.array([[0.7, -0.4, 1.3][:q], [1.1, 0.5, -0.9][:q]])
    zero = np.zeros((P, q)), np.zeros((q, q, P, P))
    first = stage(PRIORS, MEANS[1:], [source_cov] * 3, T, np.zeros((3, q, q)), 50, 0.3, *zero)
    anchor = first[0] * scales[0] + w * scales[1]
    noise = first[1] * np.multiply.outer(scales[0], scales[0])[:, :, None, None]
    _, cov, m, V = stage(PRIORS, MEANS[:3], target, *seen(T), 30, 0.2, anchor, noise)
    source = Fit(Population.classes(MEANS[1:], priors=PRIORS, covariance=source_cov, codes=T), n=50, gamma=0.3)
    options = {"covariance": target[0]} if kind == "one covariance" else {"covariances": target}
    population = Population.classes(MEANS[:3], priors=PRIORS, confusion=CONFUSION, codes=T, **options)
    fit = Fit(population, n=30, gamma=0.2, starts=[source, w], per="output")
    found = predict(fit, scales.ravel())
    np.testing.assert_allclose(found.mean, m, atol=1e-11)
    np.testing.assert_allclose(found.variance, V, atol=1e-11)
    law = train(fit).law(np.vstack([np.ones(q), scales]))
    np.testing.assert_allclose(law.matrix(P), cov, atol=1e-11)
    true = T
    risk = sum(PRIORS[k] * (np.sum((m[k] - true[k]) ** 2) + np.trace(V[k])) for k in range(3))
    assert found.risk == pytest.approx(risk, rel=1e-10)


def test_an_intercept_is_the_centred_population_with_one_sample_less():
    T = np.eye(3)
    codes, noise = seen(T)
    zero = np.zeros((P, 3)), np.zeros((3, 3, P, P))
    _, _, m, V = stage(
        PRIORS, MEANS[:3] - PRIORS @ MEANS[:3], [matrix(1)] * 3, codes - PRIORS @ codes, noise, 39, 0.2, *zero
    )
    population = Population.classes(MEANS[:3], priors=PRIORS, covariance=matrix(1), confusion=CONFUSION)
    found = predict(Fit(population, n=40, gamma=0.2, intercept=True))
    np.testing.assert_allclose(found.mean, m + PRIORS @ codes, atol=1e-11)
    np.testing.assert_allclose(found.variance, V, atol=1e-11)


@pytest.mark.parametrize("rank", [None, 1])
def test_an_intercept_beside_unlike_covariances_agrees_with_drawn_data(rank):
    """There the bias balances the residuals that training leaves, not the population's: Σ χ_k E_k = 0."""
    p = 300
    rng = np.random.default_rng(3)
    lam = np.linspace(0.3, 2, p)
    means = rng.standard_normal((3, p)) / np.sqrt(p) * np.array([[0.7], [1.4], [2.1]])
    population = Population.classes(means, priors=[0.3, 0.5, 0.2], covariances=[0.3 * lam, 3 * lam[::-1], lam])
    fit = Fit(population, n=270, gamma=0.1, starts=[means.T[::-1]], intercept=True, rank=rank)
    z = compare(predict(fit, [0.0, 0.5]), simulate(fit, [0.0, 0.5], n_trials=40))
    assert np.abs(z.mean).max() < 4.5 and np.abs(z.risk).max() < 4 and np.abs(z.accuracy).max() < 4


def test_a_chain_of_regressions_is_that_of_the_second_derivation():
    W, W0 = RNG.standard_normal((2, P, 2)) / 5
    C, C0 = matrix(1), matrix(2)
    zero = np.zeros((P, 2)), np.zeros((2, 2, P, P))
    nothing = np.zeros((1, P)), np.zeros((1, 2))
    first = stage([1.0], nothing[0], [C0], nothing[1], [0.16 * np.eye(2)], 60, 0.2, *zero, W=W0)
    second = stage(
        [1.0], nothing[0], [C], nothing[1], [0.25 * np.eye(2)], 20, 0.3, 1.4 * first[0], 1.96 * first[1], W=W
    )
    third = stage([1.0], nothing[0], [C0], nothing[1], [np.eye(2)], 30, 0.1, 0.6 * second[0], 0.36 * second[1], W=W0)
    fits = Fit(Population.linear(W0, 0.4, covariance=C0), n=60, gamma=0.2)
    fits = Fit(Population.linear(W, 0.5, covariance=C), n=20, gamma=0.3, starts=[fits], alpha=1.4)
    fits = Fit(Population.linear(W0, 1.0, covariance=C0), n=30, gamma=0.1, starts=[fits])
    error = third[0] - W0
    expected = 2 * 1.0 + np.trace(error.T @ C0 @ error) + sum(np.trace(C0 @ third[1][i, i]) for i in range(2))
    assert predict(fits, 0.6).risk == pytest.approx(expected, rel=1e-10)
    assert predict(fits, 0.6).accuracy is None


def test_both_solvers_agree():
    C, C0 = matrix(1), matrix(2)
    for target, source in (((C, C.copy()), C0), ((C, C.copy()), None)):
        start = Fit(opposite(MEANS[1], covariance=source), n=50, gamma=0.3)
        spectral = Fit(opposite(MEANS[0], covariance=C, prior=0.3, flips=0.1), n=30, gamma=0.2, starts=[start])
        dense = Fit(opposite(MEANS[0], covariances=target, prior=0.3, flips=0.1), n=30, gamma=0.2, starts=[start])
        one, other = predict(spectral, [0.0, 1.5]), predict(dense, [0.0, 1.5])
        np.testing.assert_allclose(one.accuracy, other.accuracy, rtol=1e-10)
        np.testing.assert_allclose(one.variance, other.variance[1, 0, 0], rtol=1e-10)
        np.testing.assert_allclose(one.mean, -other.mean[1, 0], rtol=1e-10)


@pytest.mark.parametrize("target", [None, np.linspace(0.3, 2, P), matrix(3)])
@pytest.mark.parametrize("source", [None, np.linspace(2, 0.2, P), matrix(4)])
def test_groups_scaled_alike_are_the_source(target, source):
    start = Fit(opposite(MEANS[1], covariance=source), n=50, gamma=0.3)
    whole = Fit(opposite(MEANS[0], covariance=target), n=30, gamma=0.2, starts=[start])
    parts = dataclasses.replace(whole, starts=Group.split(start, np.arange(P) % 3))
    np.testing.assert_allclose(predict(parts, [1.3] * 3).variance, predict(whole, 1.3).variance, rtol=1e-10)
    assert optimal_alpha(parts).accuracy >= optimal_alpha(whole).accuracy - 1e-12


def test_groups_of_two_objects_are_two_trainings():
    start, other = (Fit(opposite(MEANS[1], covariance=matrix(2)), n=50, gamma=0.3) for _ in range(2))
    assert start == other
    mask = np.arange(P) < P // 2
    base = Fit(opposite(MEANS[0], covariance=matrix(3)), n=30, gamma=0.2)
    one = dataclasses.replace(base, starts=[Group(start, mask), Group(start, ~mask)])
    two = dataclasses.replace(base, starts=[Group(start, mask), Group(other, ~mask)])
    assert predict(one, [1.0, 1.0]).variance > predict(two, [1.0, 1.0]).variance * (1 + 1e-6) or predict(
        one, [1.0, 1.0]
    ).variance < predict(two, [1.0, 1.0]).variance * (1 - 1e-6)


def test_a_fit_listed_twice_is_two_trainings():
    start = Fit(opposite(MEANS[1], covariance=matrix(2)), n=50, gamma=0.3)
    base = Fit(opposite(MEANS[0], covariance=matrix(3)), n=30, gamma=0.2)
    twice, once = dataclasses.replace(base, starts=[start, start]), dataclasses.replace(base, starts=[start])
    # Averaging two independent trainings halves the noise of one.
    assert predict(twice, [0.5, 0.5]).variance < predict(once, 1.0).variance * (1 - 1e-6)
    assert predict(twice, [0.5, 0.5]).mean == pytest.approx(predict(once, 1.0).mean, rel=1e-12)


def test_a_fit_from_which_two_starts_descend_is_two_trainings():
    root = Fit(opposite(MEANS[2]), n=40, gamma=0.3)
    starts = [Fit(opposite(mean), n=30, gamma=0.5, starts=[root]) for mean in MEANS[:2]]
    fit = Fit(opposite(MEANS[3]), n=20, gamma=0.2, starts=starts)
    again = dataclasses.replace(starts[1], starts=[dataclasses.replace(root)])
    assert (
        predict(fit, [0.7, 0.5]).variance
        == predict(dataclasses.replace(fit, starts=[starts[0], again]), [0.7, 0.5]).variance
    )
    large = scaled(fit, 20)
    assert compare(predict(large, [0.7, 0.5]), simulate(large, [0.7, 0.5], n_trials=1000)).max_abs < 4


def scaled(fit, factor):
    """The same fit in so many times the dimensions and samples."""
    mean = np.zeros(factor * P)
    mean[:P] = fit.population.means[0]
    starts = [scaled(s, factor) for s in fit.starts]
    return dataclasses.replace(fit, population=opposite(mean), n=factor * fit.n, starts=starts)


def test_another_alpha_needs_no_other_training(monkeypatch):
    fit = Fit(opposite(MEANS[0], covariance=matrix(3)), n=30, gamma=0.2, starts=[MEANS[1]])
    first = predict(fit, 2.0)
    monkeypatch.setattr("rmt_alpha.theory.predict.train", None)
    assert predict(fit, 2.0).variance == first.variance and predict(fit, 3.0).variance != first.variance
    with pytest.raises(TypeError):
        predict(dataclasses.replace(fit, gamma=0.3), 2.0)


def test_means_in_their_plane_are_the_means_in_all_coordinates():
    problem = TransferProblem(80, 40, 60, mu=1.3, mu_orth=0.7, beta=0.6, gamma_source=0.3, gamma_target=0.1)
    source, target = np.zeros((2, 60))
    source[0], target[:2] = 1.3, (0.6 * 1.3, 0.8 * 0.7)
    full = TransferProblem.from_means(source, target, n_source=80, n_target=40, gamma_source=0.3, gamma_target=0.1)
    for fit in (problem.fit, full):
        np.testing.assert_allclose(predict(fit, [-1.0, 2.0]).risk, predict(problem, [-1.0, 2.0]).risk, rtol=1e-12)
    chain = Fit(full.population, n=30, gamma=0.2, starts=[full], alpha=None)
    short = Fit(problem.fit.population, n=30, gamma=0.2, starts=[problem.fit])
    assert predict(chain, 1.2).accuracy == pytest.approx(predict(short, 1.2).accuracy, rel=1e-12)


def test_a_pool_of_one_population_is_that_population():
    population = opposite(MEANS[0], covariance=matrix(1), prior=0.4)
    pooled = Population.pooled([(population, 10), (population, 30)])
    a, b = (predict(Fit(q, n=40, gamma=0.2)) for q in (population, pooled))
    assert a.accuracy == pytest.approx(b.accuracy, rel=1e-12)


@pytest.mark.parametrize("n", [30, 200])
def test_regression_with_identity_is_the_printed_form(n):
    r"""bias = κ²‖W_t − αW_s‖²/((1+κ)² − η), noise = σ²d(1+κ)²/((1+κ)² − η) (theory.md, section 6)."""
    W, W0 = RNG.standard_normal((2, 80, 3)) / 9
    fit = Fit(Population.linear(W, 0.5), n=n, gamma=0.3, starts=[W0])
    eta = 80 / n
    kappa = max(np.roots([1, 1 - eta - 0.3, -0.3]))
    for alpha in (-1.0, 0.0, 0.7):
        below = (1 + kappa) ** 2 - eta
        expected = (kappa**2 * np.sum((W - alpha * W0) ** 2) + 0.25 * 3 * (1 + kappa) ** 2) / below
        assert predict(fit, alpha).risk == pytest.approx(expected, rel=1e-10)
    assert optimal_alpha(fit).alpha == pytest.approx(np.sum(W * W0) / np.sum(W0**2), rel=1e-10)


def test_per_output_with_equal_scales_is_per_start():
    means = MEANS[:3]
    start = Fit(Population.classes(means + 0.1), n=40, gamma=0.2)
    fit = Fit(Population.classes(means, covariance=matrix(1)), n=30, gamma=0.3, starts=[start, means.T])
    rows = dataclasses.replace(fit, per="output")
    a, b = predict(fit, [[1.2, -0.3]]), predict(rows, [[1.2] * 3 + [-0.3] * 3])
    np.testing.assert_allclose(a.variance, b.variance, rtol=1e-12)
    assert optimal_alpha(rows).accuracy >= optimal_alpha(fit).accuracy - 1e-7


def test_arrays_in_a_fit_are_its_cells():
    start = Fit(opposite(MEANS[1], covariance=matrix(2)), n=np.array([40, 80])[:, None], gamma=0.3)
    fit = Fit(opposite(MEANS[0], covariance=matrix(1)), n=30, gamma=np.array([0.1, 0.2, 0.5]), starts=[start])
    classes = Fit(
        Population.classes(MEANS[:3], covariances=[matrix(k) for k in range(3)]),
        n=np.array([30, 40]),
        gamma=0.2,
        starts=[MEANS[:3].T],
    )
    ranked = dataclasses.replace(classes, rank=1)
    for array, alpha in ((fit, 1.3), (classes, np.array([[0.5], [1.0], [2.0]])), (ranked, np.array([[0.5], [2.0]]))):
        whole = predict(array, alpha)
        shape, pieces = array.cells_along(np.asarray(alpha))
        assert np.shape(whole.accuracy) == shape
        for place, cell, part in pieces:
            single = predict(cell, part)
            np.testing.assert_allclose(np.asarray(whole.accuracy)[place], single.accuracy, rtol=1e-11)
            np.testing.assert_allclose(np.asarray(whole.mean)[(..., *place)], single.mean, rtol=1e-10, atol=1e-13)
    best = optimal_alpha(fit)
    assert np.shape(best.alpha) == (2, 3)
    assert best.alpha[1, 2] == pytest.approx(optimal_alpha(fit.at((1, 2), (2, 3))).alpha, rel=1e-12)


@pytest.mark.parametrize("prior", [0.1, 0.5, 0.8])
def test_the_best_threshold_of_opposite_classes_is_that_of_two(prior):
    fit = Fit(opposite(MEANS[0], covariance=matrix(1), prior=prior), n=30, gamma=0.3, starts=[MEANS[1]])
    two = dataclasses.replace(fit, population=dataclasses.replace(fit.population, is_opposite=False))
    for threshold in ("zero", "best"):
        np.testing.assert_allclose(
            predict(fit, [0.0, 2.0], threshold=threshold).accuracy,
            predict(two, [0.0, 2.0], threshold=threshold).accuracy,
            rtol=1e-12,
        )
    assert predict(fit, 0.0, threshold="best").accuracy >= max(prior, 1 - prior, predict(fit, 0.0).accuracy) - 1e-12
    assert optimal_alpha(fit, threshold="best").accuracy == pytest.approx(
        optimal_alpha(two, threshold="best").accuracy, abs=1e-9
    )


def test_rotations_reflections_and_units():
    Q = np.linalg.qr(RNG.standard_normal((P, P)))[0]
    covs = [matrix(k) for k in (1, 2)]
    start = MEANS[2]

    def made(turn, scale=1.0):
        C = [turn @ c @ turn.T for c in covs]
        population = Population.two_classes(turn @ MEANS[0], turn @ MEANS[1], prior=0.4, covariances=C)
        return Fit(population, n=30, gamma=0.2, starts=[scale * (turn @ start)], intercept=True)

    one = predict(made(np.eye(P)), [0.5, 2.0]).accuracy
    np.testing.assert_allclose(predict(made(Q), [0.5, 2.0]).accuracy, one, rtol=1e-10)
    np.testing.assert_allclose(predict(made(-np.eye(P), 1e-9), [0.5e9, 2.0e9]).accuracy, one, rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-10, 1e-8, 1.0, 1e8])
def test_the_search_knows_no_units(scale):
    """A source in other units has its best α in theirs, and the same accuracy."""
    population = Population.two_classes(MEANS[0], -0.5 * MEANS[0], prior=0.3, flips=[0.1, 0.2])
    here = optimal_alpha(Fit(population, n=30, gamma=0.2, starts=[MEANS[1] + MEANS[0]]))
    there = optimal_alpha(Fit(population, n=30, gamma=0.2, starts=[scale * (MEANS[1] + MEANS[0])]))
    assert not here.at_infinity and not there.at_infinity
    assert there.accuracy == pytest.approx(here.accuracy, rel=1e-9)
    assert there.alpha * scale == pytest.approx(here.alpha, rel=1e-4)
    assert there.least_risk * scale == pytest.approx(here.least_risk, rel=1e-8)


def test_nothing_beats_the_searched_optimum():
    start = Fit(Population.classes(MEANS[1:] + 0.2), n=40, gamma=0.2)
    fit = Fit(
        Population.classes(MEANS[:3], priors=PRIORS, covariance=matrix(1)),
        n=25,
        gamma=0.05,
        starts=[start, MEANS[:3].T],
        intercept=True,
    )
    best = optimal_alpha(fit)
    around = best.alpha + RNG.standard_normal((400, 2)) * np.abs(best.alpha) * 0.5
    assert predict(fit, around).accuracy.max() <= best.accuracy + 1e-10
    assert predict(fit, best.alpha).accuracy == pytest.approx(best.accuracy, rel=1e-10)
    risky = best.least_risk + RNG.standard_normal((400, 2)) * 0.3
    assert predict(fit, risky).risk.min() >= best.risk
    assert predict(fit, best.least_risk).risk == pytest.approx(best.risk, rel=1e-12)


@pytest.mark.parametrize("n", [999, 1001])
def test_ridgeless_one_sample_from_the_threshold(n):
    """κ is small there, and not 0 where n < p."""
    lam = np.linspace(0.5, 2, 1000)
    mean = np.full(1000, 0.05)
    limit, near = (
        TransferProblem.from_source(mean, mean, n_target=n, gamma_target=g, cov_target=lam) for g in (0.0, 1e-14)
    )
    np.testing.assert_allclose(predict(limit, [0.0, 1.0]).variance, predict(near, [0.0, 1.0]).variance, rtol=1e-6)


@pytest.mark.parametrize("n", [10, 60])
def test_ridgeless_with_a_singular_covariance(n):
    """Its limit exists on either side of the rank; at it, it is refused."""
    lam = np.r_[np.zeros(10), np.linspace(0.5, 2, 20)]
    mean, w = np.r_[np.zeros(10), np.full(20, 0.3)], np.full(30, 0.2)
    limit, near = (
        TransferProblem.from_source(w, mean, n_target=n, gamma_target=g, cov_target=lam) for g in (0.0, 1e-11)
    )
    np.testing.assert_allclose(predict(limit, [0.0, 1.0]).accuracy, predict(near, [0.0, 1.0]).accuracy, rtol=1e-6)
    nothing = TransferProblem.from_source(w, mean, n_target=n, gamma_target=np.array([1e-50, 1e-300]), cov_target=lam)
    np.testing.assert_allclose(predict(nothing, 1.0).accuracy, predict(limit, 1.0).accuracy, rtol=1e-9)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((30, 30)))[0]
    for covariance in (lam, (turn * lam) @ turn.T):
        with pytest.raises(ValueError, match="gamma must be positive where n equals"):
            TransferProblem.from_source(w, mean, n_target=20, gamma_target=0.0, cov_target=covariance)


def test_ridgeless_where_components_differ_in_covariance():
    lam = np.r_[np.zeros(10), np.linspace(0.5, 2, 20)]
    mean = np.full(30, 0.3)
    unlike = lambda n, other, gamma: Fit(  # noqa: E731
        Population.two_classes(mean, -mean / 2, covariances=[lam, other]), n=n, gamma=gamma
    )
    for n, other in ((10, 2 * lam), (20, lam[::-1]), (60, lam[::-1])):
        assert predict(unlike(n, other, 0.0)).risk == pytest.approx(predict(unlike(n, other, 1e-10)).risk, rel=1e-7)
    for n, other, words in ((20, 2 * lam, "n equals"), (60, 2 * lam, "exceeds the rank of their noise, 20, got 0")):
        with pytest.raises(ValueError, match=f"gamma must be positive where .*{words}"):
            unlike(n, other, 0.0)


def test_shared_covariances_are_decomposed_once():
    C = Covariance(matrix(1), P)
    made = Fit(
        opposite(MEANS[0], covariance=C),
        n=20,
        gamma=0.1,
        starts=[Fit(opposite(MEANS[1], covariance=C), n=30, gamma=0.1)],
    )
    assert made.population.covariances[0] is C is made.starts[0].population.covariances[0]


SHARED = Path(os.environ.get("RMT_ALPHA_REFERENCE", Path(__file__).parents[3] / "shared" / "reference")) / "outputs.npz"


@pytest.mark.skipif(not SHARED.exists(), reason="the reference file outputs.npz is not here ($RMT_ALPHA_REFERENCE)")
@pytest.mark.parametrize("case", range(6))
def test_reference_problems_with_several_outputs(case):
    from rmt_alpha import rank_path

    with np.load(SHARED) as stored:
        at = {name.partition("_")[2]: stored[name] for name in stored.files if name.startswith(f"{case}_")}
    cov = Covariance(at["spectrum"], len(at["spectrum"]))

    def fit(name, **options):
        population = Population.classes(
            at[f"means_{name}"], priors=at["priors"], covariance=cov, confusion=at["confusion"]
        )
        return Fit(population, n=int(at[f"n_{name}"]), gamma=float(at[f"gamma_{name}"]), intercept=True, **options)

    target = fit("target", starts=[fit("source")], per="output")
    found = predict(target, at["alpha"])
    np.testing.assert_allclose(found.mean, at["score_means"], atol=1e-12)
    np.testing.assert_allclose(found.variance[0], at["score_cov"], atol=1e-12)
    np.testing.assert_allclose(rank_path(target, at["alpha"]).accuracy[at["ranks"]], at["accuracy"], atol=1e-3)


def test_a_huge_penalty_loses_no_digits():
    """γ → ∞: the weights are γ⁻¹ times those of the mean difference, whose accuracy does not depend on γ."""
    mu, M = np.full(60, 0.3), 0.3 * np.random.default_rng(2).standard_normal((3, 100))
    for population in (
        Population.two_classes(mu, -mu),
        Population.classes([mu, -mu]),
        Population.two_classes(mu, -mu, covariances=[np.ones(60), np.linspace(1, 2, 60)]),
        Population.classes(M),
    ):
        near, far = (predict(Fit(population, n=90, gamma=g)).accuracy for g in (1e8, 1e30))
        assert near == pytest.approx(far, abs=1e-7)
    with pytest.raises(FloatingPointError, match=r"gamma = 1e\+14 leaves so little .* rounding of the intercept"):
        predict(Fit(Population.classes(M), n=90, gamma=1e14, intercept=True))


def test_low_rank_says_when_a_penalty_leaves_nothing_to_order():
    M = 0.3 * np.random.default_rng(2).standard_normal((3, 100))
    with pytest.raises(FloatingPointError, match="gamma = 1e\\+15 leaves so little"):
        predict(Fit(Population.classes(M), n=90, gamma=1e15, rank=1))
