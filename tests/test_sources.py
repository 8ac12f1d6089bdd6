"""Several sources, chains of fine-tunings and pooled data: theory against identities, brute force and both engines."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy import optimize

import rmt_alpha as ra
from rmt_alpha import Covariance, Pool, Source, TransferProblem, compare, optimal_alpha, predict, simulate
from rmt_alpha.simulation import frames

ALPHAS = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, -1.0, 2.0], [2.0, 0.3, -0.4]])
LARGEST_Z = 4.5


def mixed(p: int) -> TransferProblem:
    """A trained source, a chain of two fine-tunings, and a fixed vector, isotropic."""
    e = np.eye(p, 5).T
    target = 1.2 * e[0]
    chain = Source(0.5 * target + 0.7 * e[3], p * 7 // 6, 0.2)
    sources = [
        Source(0.8 * target + 0.5 * e[1], p * 4 // 3, 0.5),
        Source(-0.4 * target + 0.6 * e[1] + e[2], p * 3 // 4, 0.3, start=chain, alpha=0.8),
        Source.fixed(0.3 * target + 0.9 * e[4] + 0.3 * e[1]),
    ]
    return TransferProblem.from_sources(sources, target, n_target=p * 5 // 6, gamma_target=0.3)


def anisotropic(p: int, rotation=None) -> TransferProblem:
    """Covariances that do not commute; everything rotated if asked."""
    rng = np.random.default_rng(3)
    O = np.eye(p) if rotation is None else rotation
    A, B = (Z @ Z.T / (2 * p) for Z in rng.standard_normal((2, p, 2 * p)))
    vectors = rng.standard_normal((4, p)) / np.sqrt(p) @ O.T
    target = 1.2 * vectors[0]
    first = 0.8 * target + 0.5 * vectors[1]
    start = Source(vectors[2] - 0.4 * target, p * 5 // 4, 0.2, O @ B @ O.T)
    spectrum = O @ np.diag(np.linspace(0.3, 2, p)) @ O.T
    sources = [Source(first, p, 0.4, O @ A @ O.T), Source(start.mean + vectors[3], p, 0.3, spectrum, start=start)]
    return TransferProblem.from_sources(sources, target, n_target=p, gamma_target=0.3, cov_target=O @ B @ O.T)


def numbers(form) -> np.ndarray:
    """Every entry of c and M, (entries, trials)."""
    return np.concatenate([form.c, form.M[np.triu_indices(len(form.c))]])


@pytest.mark.parametrize("covariances", ["identity", "spectra", "matrices"])
def test_one_source_is_from_means(covariances):
    p, rng = 30, np.random.default_rng(0)
    Z = rng.standard_normal((2, p, 2 * p))
    pairs = {
        "identity": (None, None),
        "spectra": (np.linspace(0.5, 2, p), np.linspace(2, 0.1, p)),
        "matrices": (Z[0] @ Z[0].T / p, Z[1] @ Z[1].T / p),
    }
    source, target = pairs[covariances]
    mean_source, mean_target = rng.standard_normal((2, p)) / 5
    alpha = np.linspace(-2, 3, 7)
    old = TransferProblem.from_means(
        mean_source,
        mean_target,
        n_source=40,
        n_target=25,
        gamma_source=0.4,
        gamma_target=0.2,
        cov_source=source,
        cov_target=target,
    )
    new = TransferProblem.from_sources(
        [Source(mean_source, 40, 0.4, source)], mean_target, n_target=25, gamma_target=0.2, cov_target=target
    )
    np.testing.assert_allclose(predict(new, alpha).accuracy, predict(old, alpha).accuracy, rtol=1e-12)
    np.testing.assert_allclose(optimal_alpha(new).best, optimal_alpha(old).best, rtol=1e-10)


def test_a_fixed_source_is_from_source():
    w, mean = np.random.default_rng(0).standard_normal((2, 20))
    old = TransferProblem.from_source(w, mean, n_target=30, gamma_target=0.5)
    new = TransferProblem.from_sources([Source.fixed(w)], mean, n_target=30, gamma_target=0.5)
    np.testing.assert_allclose(predict(new, [0.0, 2.0]).variance, predict(old, [0.0, 2.0]).variance, rtol=1e-12)


def test_invariants():
    problem = mixed(60)
    without = dataclasses.replace(problem, sources=problem.sources[:2])
    assert predict(problem, [0.7, -0.2, 0.0]).risk == pytest.approx(predict(without, [0.7, -0.2]).risk, rel=1e-12)
    swapped = dataclasses.replace(problem, sources=problem.sources[::-1])
    np.testing.assert_allclose(optimal_alpha(swapped).best, optimal_alpha(problem).best[::-1], rtol=1e-10)
    fixed = problem.sources[2]
    doubled = dataclasses.replace(problem, sources=(*problem.sources[:2], Source.fixed(-2 * fixed.w)))
    np.testing.assert_allclose(optimal_alpha(doubled).best * [1, 1, -2], optimal_alpha(problem).best, rtol=1e-10)
    middle = problem.sources[1]
    scratch = [dataclasses.replace(middle, alpha=0.0), dataclasses.replace(middle, start=None)]
    a, b = (predict(dataclasses.replace(problem, sources=(s,)), 1.3).variance for s in scratch)
    assert a == pytest.approx(b, rel=1e-12)


def test_rotating_everything_changes_nothing():
    p = 24
    O = np.linalg.qr(np.random.default_rng(1).standard_normal((p, p)))[0]
    plain, rotated = (predict(anisotropic(p, r), [[1.0, 1.0], [2.0, -1.0]]) for r in (None, O))
    np.testing.assert_allclose(plain.variance, rotated.variance, rtol=1e-10)


def test_the_optimum_is_one():
    problem = mixed(60)
    best = optimal_alpha(problem)
    assert not best.at_infinity
    search = optimize.minimize(lambda a: -predict(problem, a).accuracy, np.zeros(3), options={"gtol": 1e-9})
    np.testing.assert_allclose(search.x, best.best, atol=1e-4)
    assert predict(problem, best.best).accuracy == pytest.approx(best.accuracy, abs=1e-12)
    assert predict(problem, best.worst).accuracy == pytest.approx(0.5, abs=1e-12)
    low = optimize.minimize(lambda a: predict(problem, a).risk, np.zeros(3), options={"gtol": 1e-9})
    np.testing.assert_allclose(low.x, best.min_risk, atol=1e-5)
    assert best.risk == pytest.approx(low.fun, abs=1e-12)
    one_less = optimal_alpha(dataclasses.replace(problem, sources=problem.sources[:2]))
    assert best.accuracy > one_less.accuracy


def test_the_optimum_at_infinity_is_reported():
    # The data say c₀ > 0, but M ties a₀ so closely to the sources that only a₀ < 0 would be best.
    c = np.array([0.1, 1.0, 0.5])
    M = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    form = ra.ScoreForm(c, M)
    best = ra.optimum(form)
    assert best.at_infinity and np.all(np.isinf(best.best))
    np.testing.assert_allclose(best.direction, np.array([1.0, 0.5]) / np.sqrt(1.25))
    far = form.moments(1e8 * best.direction).accuracy
    assert far == pytest.approx(best.accuracy, abs=1e-7)
    tried = form.moments(np.random.default_rng(0).standard_normal((2000, 2)) * 10).accuracy
    assert tried.max() <= best.accuracy


def test_a_source_listed_twice_or_zero_leaves_the_optimum():
    mean, w = np.eye(2, 12)[0], np.full(12, 0.2)
    make = lambda ws: TransferProblem.from_sources(map(Source.fixed, ws), mean, n_target=20, gamma_target=0.5)  # noqa: E731
    one = optimal_alpha(make([w]))
    twice, with_zero = optimal_alpha(make([w, w])), optimal_alpha(make([w, 0 * w]))
    np.testing.assert_allclose(twice.best, np.full(2, one.best / 2), rtol=1e-6)
    np.testing.assert_allclose(with_zero.best, [one.best, 0.0], rtol=1e-6, atol=1e-12)
    assert twice.accuracy == pytest.approx(one.accuracy, rel=1e-10) == with_zero.accuracy


@pytest.mark.parametrize("p", [12, 60])
def test_the_chain_has_the_law_of_dense_simulation(p):
    problem = mixed(p)
    assert frames.directions(problem) == 8
    dense, chain = (
        numbers(ra.draw(problem, n_trials=t, seed=5, method=m)) for t, m in ((2000, "dense"), (8192, "chain"))
    )
    for power in (1, 2):  # means, then spreads and correlations
        a, b = (moment(x, power) for x in (dense, chain))
        z = (a.mean(-1) - b.mean(-1)) / np.sqrt(a.var(-1) / a.shape[-1] + b.var(-1) / b.shape[-1])
        assert np.abs(z).max() < LARGEST_Z


def moment(x: np.ndarray, power: int) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return x if power == 1 else (centred[:, None] * centred[None])[np.triu_indices(len(x))]


def test_more_levels_change_nothing():
    forms = [frames.draw(mixed(600), 1, 0, depth_factor=f) for f in (1.0, 1.5)]
    np.testing.assert_allclose(numbers(forms[0]), numbers(forms[1]), rtol=1e-10, atol=1e-12)


def test_chain_against_theory_at_large_dimension():
    problem = mixed(24_000)
    z = compare(predict(problem, ALPHAS), simulate(problem, ALPHAS, n_trials=768, seed=2))
    assert z.max_abs < LARGEST_Z


def test_dense_against_theory_with_covariances_that_do_not_commute():
    problem = anisotropic(160)
    alpha = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, -1.0]])
    z = compare(predict(problem, alpha), simulate(problem, alpha, n_trials=400, seed=2))
    assert z.max_abs < LARGEST_Z


def pooled(p: int, second: float) -> TransferProblem:
    cov = Covariance(np.linspace(0.4, 1.8, p), p)
    e = np.eye(3, p)
    target = e[0] + 0.8 * e[1]
    parts = [Source(target, p, 9.0, cov), Source(target + second * (e[2] - 2 * e[1]), p // 2, 9.0, cov)]
    return TransferProblem.from_sources([Pool(parts, 0.2)], target, n_target=p, gamma_target=0.3)


def test_pooling_equal_tasks_is_one_source():
    problem = pooled(40, 0.0)
    first = problem.sources[0].parts[0]
    one = dataclasses.replace(problem, sources=(Source(first.mean, 60, 0.2, first.cov),))
    assert predict(problem, 1.0).variance == pytest.approx(predict(one, 1.0).variance, rel=1e-12)


def test_pooling_against_simulation():
    problem, alpha = pooled(160, 1.0), [0.0, 1.0, 3.0]
    z = compare(predict(problem, alpha), simulate(problem, alpha, n_trials=400, seed=1))
    assert z.max_abs < LARGEST_Z


def test_broadcasting_inside_sources():
    e = np.eye(3, 20)
    means = np.stack([e[0], e[0] + e[1]])
    problem = TransferProblem.from_sources(
        [Source(means, 30, 0.5), Source(e[2] + e[0], np.array([[20], [40], [80]]), 0.5)],
        e[0],
        n_target=25,
        gamma_target=0.3,
    )
    alpha = [1.0, 0.5]
    assert problem.shape == (3, 2) and optimal_alpha(problem).best.shape == (3, 2, 2)
    cells = [predict(cell, alpha).accuracy for cell in problem.cells()]
    np.testing.assert_allclose(predict(problem, alpha).accuracy.ravel(), cells, rtol=1e-12)
    sim = simulate(problem, alpha, n_trials=300)
    assert sim.accuracy.shape == (3, 2) and sim.method == "chain"


def test_broadcasting_through_chains_and_pools():
    problem = anisotropic(20)
    first, second = problem.sources
    gammas = np.array([0.1, 1.0, 10.0])
    start = dataclasses.replace(second.start, gamma=gammas)
    chains = dataclasses.replace(problem, sources=(first, dataclasses.replace(second, start=start)))
    pools = pooled(20, 1.0)
    pool = pools.sources[0]
    parts = (dataclasses.replace(pool.parts[0], n=np.array([5, 10, 20])), pool.parts[1])
    pools = dataclasses.replace(pools, sources=(Pool(parts, gammas[:, None]),))
    for many, alpha in ((chains, [1.0, 0.5]), (pools, 2.0)):
        cells = [predict(cell, alpha).variance for cell in many.cells()]
        np.testing.assert_allclose(np.ravel(predict(many, alpha).variance), cells, rtol=1e-10)


def test_the_optimum_is_where_the_simulated_accuracy_is_flat():
    """The slope of each draw's accuracy in each entry of α, at the predicted α*: mean 0 within its error."""
    problem = mixed(24_000)
    best, form, step = optimal_alpha(problem).best, ra.draw(problem, n_trials=1024, seed=3), 1e-4
    shifts = step * np.eye(3)[:, None]
    slope = form.moments(best + shifts).accuracy - form.moments(best - shifts).accuracy
    z = slope.mean(-1) / slope.std(-1) * np.sqrt(1024)
    assert slope.shape == (3, 1024) and np.abs(z).max() < LARGEST_Z
    away = form.moments(1.2 * best + shifts).accuracy - form.moments(1.2 * best - shifts).accuracy
    assert np.abs(away.mean(-1) / away.std(-1) * np.sqrt(1024)).max() > 2 * LARGEST_Z  # it would be seen


def test_differentiable_in_the_sources():
    e = np.eye(2, 20)

    def accuracy(gamma):
        sources = [Source(e[0] + e[1], 30, gamma), Source.fixed(e[0])]
        problem = TransferProblem.from_sources(sources, e[0], n_target=25, gamma_target=0.3)
        return predict(problem, [1.0, 0.2]).accuracy

    slope = jax.jit(jax.grad(accuracy))(0.5)
    step = 1e-5
    assert float(slope) == pytest.approx(
        (accuracy(0.5 + step) - accuracy(0.5 - step)) / (2 * step), rel=1e-3
    )  # single precision


MEAN = np.ones(4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Source(MEAN, 0, 1.0), r"n must lie in \[1"),
        (lambda: Source(MEAN, 4, 0.0), "gamma_source must be positive where n_source equals dim"),
        (lambda: Source(MEAN, 5, 1.0, np.ones(3)), r"cov must have shape \(4,\)"),
        (lambda: Source(MEAN, 5, 0.0, np.array([1.0, 1, 1, 0])), "gamma must be positive where cov is singular"),
        (
            lambda: Source(MEAN, 5, 1.0, start=Source.fixed(np.ones(3))),
            "start must have the dimension of mean, 4, got 3",
        ),
        (
            lambda: problem([Source(np.ones(3), 5, 1.0)]),
            r"sources\[0\] must have the dimension of mean_target, 4, got 3",
        ),
        (lambda: problem([]), "sources must be a non-empty list of Source"),
        (lambda: Pool([Source.fixed(MEAN)], 1.0), "parts must be trained Sources"),
        (lambda: Pool([Source(MEAN, 5, 1.0), Source(MEAN, 5, 1.0, MEAN / 2)], 1.0), "parts must share"),
        (
            lambda: predict(problem([Source(MEAN, 5, 1.0)] * 2), 1.0),
            r"alpha must have one entry a source, shape \(..., 2\)",
        ),
        (
            lambda: simulate(problem([Source(MEAN, 5, 1.0)] * 2), [1.0] * 3),
            r"alpha must have one entry a source, shape \(..., 2\)",
        ),
        (lambda: simulate(problem([Source(MEAN, 5, 1.0)] * 2), [1.0] * 2, method="chain"), "needs dim ≥ 5"),
    ],
)
def test_errors_name_what_is_wrong(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def problem(sources) -> TransferProblem:
    return TransferProblem.from_sources(sources, MEAN, n_target=7, gamma_target=1.0)
