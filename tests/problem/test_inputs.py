"""Bad input: every message names the parameter, the value, what is permitted and what to do."""

import numpy as np
import pytest
import xarray

from rmt_alpha import (
    Covariance,
    Fit,
    Group,
    Population,
    ScoreForm,
    TransferProblem,
    compare,
    draw,
    optimal_alpha,
    predict,
    simulate,
    sweep,
)
from rmt_alpha.problem.numbers import axis

GOOD = dict(n_source=50, n_target=20, dim=30, mu=1.0, mu_orth=1.0, beta=0.5, gamma_source=1.0, gamma_target=1.0)

WORDS = np.array(["zero", "best"])
BAD_NUMBERS = [
    ("n_source", 0, r"n_source must lie in \[1, .*got 0"),
    ("n_target", -3, r"n_target must lie in \[1, .*got -3"),
    ("n_target", 2.5, "n_target must be a whole number of at least 1, got 2.5"),
    ("dim", 1, r"dim must lie in \[2, .*got 1"),
    ("dim", np.nan, r"dim must lie in .*got nan"),
    ("mu", -0.1, r"mu must lie in \[0, .*got -0.1.*norm"),
    ("mu_orth", np.inf, r"mu_orth must lie in \[0, .*got inf"),
    ("beta", 1.01, r"beta must lie in \[-1, 1\], got 1.01.*cosine"),
    ("beta", np.array([0.1, np.nan]), r"beta must lie in .*got nan \(at index \(1,\)\)"),
    ("gamma_source", -1e-9, r"gamma_source must lie in \[0, "),
    ("gamma_target", np.inf, r"gamma_target must lie in \[0, .*got inf"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD_NUMBERS)
def test_numbers_out_of_range(name, value, message):
    with pytest.raises(ValueError, match=message):
        TransferProblem(**(GOOD | {name: value}))


@pytest.mark.parametrize("value", ["1", None, 1j, object(), [[1], [1, 2]]])
def test_numbers_of_the_wrong_type(value):
    with pytest.raises(TypeError, match="gamma_target must be a real number"):
        TransferProblem(**(GOOD | {"gamma_target": value}))


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"must broadcast .*beta: \(3,\), gamma_target: \(2,\)"):
        TransferProblem(**(GOOD | {"beta": np.zeros(3), "gamma_target": np.ones(2)}))
    with pytest.raises(ValueError, match="must broadcast"):
        simulate(TransferProblem(**(GOOD | {"beta": np.zeros(3)})), np.zeros(2))


@pytest.mark.parametrize("stage", ["source", "target"])
def test_ridgeless_at_the_interpolation_threshold(stage):
    with pytest.raises(
        ValueError, match=f"gamma_{stage} must be positive where n_{stage} equals the dimension of the noise, got 0"
    ):
        TransferProblem(**(GOOD | {f"gamma_{stage}": 0.0, f"n_{stage}": 30}))
    TransferProblem(**(GOOD | {f"gamma_{stage}": 0.0, f"n_{stage}": 31}))


def means(**changes):
    options = dict(n_source=50, n_target=20, gamma_source=1.0, gamma_target=1.0) | changes
    return TransferProblem.from_means(np.ones(4), np.ones(4), **options)


@pytest.mark.parametrize(
    ("cov", "message"),
    [
        (np.ones(3), r"cov_target must have shape \(4,\) .* or \(4, 4\) .*got \(3,\)"),
        (np.triu(np.ones((4, 4))), "cov_target must be symmetric"),
        (np.diag([1.0, 1, 1, -1]), "cov_target must be positive semi-definite"),
        (np.zeros(4), "cov_target must be positive semi-definite and not zero"),
        (np.array([1.0, 1, 1, np.nan]), r"cov_target must lie in .*got nan"),
    ],
)
def test_bad_covariances(cov, message):
    with pytest.raises(ValueError, match=message):
        means(cov_target=cov)


def test_singular_covariance_needs_a_penalty_at_its_rank():
    singular = np.array([0.0, 1, 1, 1])
    assert np.isfinite(predict(means(cov_target=singular), 1.0).accuracy)
    with pytest.raises(ValueError, match="gamma must be positive where n equals the dimension of the noise"):
        means(cov_target=singular, gamma_target=0.0, n_target=3)


def test_vectors_that_do_not_fit():
    with pytest.raises(ValueError, match=r"mean_source must be a vector of shape \(4,\), got shape \(3,\)"):
        TransferProblem.from_means(np.ones(3), np.ones(4), n_source=5, n_target=5, gamma_source=1, gamma_target=1)
    with pytest.raises(ValueError, match=r"w_source must be a vector of shape \(4,\)"):
        TransferProblem.from_source(np.ones(3), np.ones(4), n_target=5, gamma_target=1)


@pytest.mark.parametrize("alpha", [np.nan, np.inf, -np.inf, 1e101])
def test_alpha_out_of_range(alpha):
    for call in (predict, simulate):
        with pytest.raises(ValueError, match="alpha must lie in"):
            call(TransferProblem(**GOOD), alpha)


def test_bad_options_of_simulate():
    problem = TransferProblem(**GOOD)
    for options, message in (
        ({"n_trials": 1}, r"n_trials must lie in \[2, .*got 1"),
        ({"method": "fast"}, "method must be one of 'auto', 'chain', 'dense', got 'fast'"),
        ({"noise": "cauchy"}, "noise must be one of 'gaussian', 'rademacher', 'student', got 'cauchy'"),
        ({"labels": "odd"}, "labels must be one of 'auto', 'balanced', 'random', got 'odd'"),
        ({"method": "chain", "noise": "student"}, "method 'chain' needs Gaussian noise.*Use method='dense'"),
        ({"seed": -1}, "seed must lie in"),
    ):
        with pytest.raises(ValueError, match=message):
            simulate(problem, 1.0, **options)
    with pytest.raises(ValueError, match="method 'chain' needs positive penalties"):
        simulate(TransferProblem(**(GOOD | {"gamma_target": 0.0})), 1.0, method="chain")
    with pytest.raises(ValueError, match="method 'chain' needs identity covariances"):
        simulate(means(cov_target=np.arange(1.0, 5.0)), 1.0, method="chain")


def test_drawing_needs_one_problem():
    with pytest.raises(ValueError, match=r"problem must be scalar .*got shape \(2,\)"):
        draw(TransferProblem(**(GOOD | {"beta": np.array([0.1, 0.2])})))


def test_several_sources_need_as_many_alphas():
    form = ScoreForm(np.ones(3), np.eye(3))
    with pytest.raises(ValueError, match=r"alpha must have one entry per start.* shape \(\.\.\., 2\)"):
        form.moments(np.ones(3))


def test_no_signal_is_no_error():
    best = optimal_alpha(TransferProblem(**(GOOD | {"mu": 0.0, "mu_orth": 0.0})))
    assert (best.alpha, best.accuracy) == (0.0, 0.5)


MEANS = np.eye(3, 12)
POPULATION = Population.classes(MEANS)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Population.two_classes(np.ones(4), np.ones(3)), ValueError, r"mean_minus must be a vector of shape \(4,\), got shape \(3,\)"),
        (lambda: Population.two_classes(np.ones(4), -np.ones(4), prior=1.5), ValueError, r"prior must lie in \[0, 1\], got 1.5"),
        (lambda: Population.two_classes(np.ones(4), -np.ones(4), prior=1.0), ValueError, "priors must be positive"),
        (lambda: Population.two_classes(np.ones(4), -np.ones(4), flips=[0.1, 1.2]), ValueError, r"flips must lie in .*got 1.2 \(at index \(1,\)\)"),
        (lambda: Population.two_classes(np.ones(4), -np.ones(4), covariances=[None]), ValueError, "covariances must have 2 entries, one per component"),
        (lambda: Population.two_classes(np.ones(4), -np.ones(4), covariance=np.ones(4), covariances=[None, None]), ValueError, "must not both be given"),
        (lambda: Population.classes(np.ones(4)), ValueError, "means must be a matrix"),
        (lambda: Population.two_classes(np.ones(4), -np.ones(3)), ValueError, "of one problem share one dimension"),
        (lambda: Population.two_classes(np.ones(4), -np.ones(4), flips=[0.1, 0.2, 0.3]), ValueError, r"flips must be a vector of shape \(2,\), got shape \(3,\)\. Give one share for both classes"),
        (lambda: Population.classes(MEANS, priors=[0.5, 0.5]), ValueError, r"priors must be a vector of shape \(3,\), got shape \(2,\)\. Give one share per mean\."),
        (lambda: Population.classes(MEANS, priors=["a", 0.5, 0.5]), TypeError, "priors must be a real number or an array of them, got \\['a', 0.5, 0.5\\]"),
        (lambda: Population.classes(MEANS, priors=np.array(["a", "b", "c"])), TypeError, r"priors must be a real number .*, got 'a' in an array of shape \(3,\)"),
        (lambda: Population.classes(MEANS, priors=np.array([0.5, 0.5, None])), TypeError, r"priors must be a real number .*, got None in an array of shape \(3,\)"),
        (lambda: Population.classes(MEANS, priors=[0.5, 0.5, 0.5]), ValueError, "priors must be positive and sum to 1"),
        (lambda: Population.classes(MEANS, confusion=np.ones((3, 3))), ValueError, "confusion must have rows that sum to 1"),
        (lambda: Population.classes(MEANS, confusion=np.eye(2)), ValueError, r"confusion must be a matrix of shape \(3, 3\)"),
        (lambda: Population.classes(MEANS, codes=np.eye(2)), ValueError, r"codes must be a matrix of shape \(3, ·\)"),
        (lambda: Population.classes(MEANS, codes="onehot"), ValueError, "codes must be one of 'one-hot', 'centred', 'simplex', got 'onehot'"),
        (lambda: Population.classes(MEANS, dim=5), ValueError, "dim must be at least the length 12 of the means"),
        (lambda: Population.classes(MEANS, dim=20, covariance=np.ones(20) * 2), ValueError, "dim must equal the length 12"),
        (lambda: Population.mixture(MEANS, [0, 1, 3], np.eye(3)), ValueError, "classes must be the whole numbers"),
        (lambda: Population.linear(np.ones((3, 2)), -1.0), ValueError, r"sigma must lie in \[0"),
        (lambda: Population.linear(np.ones((3, 2)), [1.0, 2, 3]), ValueError, r"sigma must be one number or have shape \(2,\)"),
        (lambda: Population.pooled([]), TypeError, "parts must be a list of pairs"),
        (lambda: Population.pooled([(POPULATION, 5), (Population.classes(np.eye(2, 12)), 5)]), ValueError, "parts must have classes with the same labels"),
        (lambda: Fit(MEANS, n=5, gamma=1.0), TypeError, "population must be a Population, got ndarray"),
        (lambda: Fit(POPULATION, n=0, gamma=1.0), ValueError, r"n must lie in \[1, "),
        (lambda: Fit(POPULATION, n=5, gamma=-1.0), ValueError, r"gamma must lie in \[0, "),
        (lambda: Fit(POPULATION, n=12, gamma=0.0), ValueError, "gamma must be positive where n equals the dimension of the noise"),
        (lambda: Fit(POPULATION, n=1, gamma=1.0, intercept=True), ValueError, "n must be at least 2 with an intercept"),
        (lambda: Fit(POPULATION, n=5, gamma=1.0, intercept=1), TypeError, "intercept must be True or False"),
        (lambda: Fit(POPULATION, n=5, gamma=1.0, loss="logistic"), ValueError, "loss must be 'squared' unless there are two classes"),
        (lambda: Fit(POPULATION, n=5, gamma=1.0, per="row"), ValueError, "per must be one of 'start', 'output', got 'row'"),
        (lambda: Fit(POPULATION, n=5, gamma=1.0, starts=MEANS.T), TypeError, "starts must be a list, got ndarray"),
        (lambda: Fit(POPULATION, n=5, gamma=1.0, starts=[MEANS]), ValueError, r"starts\[0\] must be a Fit, a Group, or weights of shape"),
        (lambda: Fit(POPULATION, n=5, gamma=1.0, starts=[Fit(Population.classes(np.eye(3, 9)), n=5, gamma=1.0)]), ValueError, r"starts\[0\] must have the dimension"),
        (lambda: Fit(POPULATION, n=5, gamma=1.0, starts=[Group(MEANS.T, np.ones(9, bool))]), ValueError, r"starts\[0\].mask must have one entry per coordinate, 12"),
        (lambda: Fit(POPULATION, n=np.ones(2), gamma=np.ones(3)), ValueError, r"must broadcast .*n: \(2,\), gamma: \(3,\)"),
        (lambda: Group(MEANS.T, np.zeros(12, bool)), ValueError, "mask must be a vector of booleans"),
        (lambda: Group(MEANS.T, [[1], [1, 2]]), ValueError, "mask must be a vector of booleans"),
        (lambda: predict(TransferProblem(**GOOD), 1.0, spread=WORDS), TypeError, "spread must be True or False, got an array"),
        (lambda: predict(TransferProblem(**GOOD), 1.0, spread="no"), TypeError, "spread must be True or False, got 'no'"),
        (lambda: predict(TransferProblem(**GOOD), 1.0, finite=WORDS), TypeError, "finite must be True or False, got an array"),
        (lambda: optimal_alpha(TransferProblem(**GOOD), finite=WORDS), TypeError, "finite must be True or False, got an array"),
        (lambda: compare(*[predict(TransferProblem(**GOOD), 1.0)] * 2, spread=WORDS), TypeError, "spread must be True or False, got an array"),
        (lambda: predict(Fit(POPULATION, n=5, gamma=1.0), threshold=WORDS), ValueError, "threshold must be one of 'zero', 'best', got an array"),
        (lambda: optimal_alpha(Fit(POPULATION, n=5, gamma=1.0, starts=[MEANS.T]), threshold=WORDS), ValueError, "threshold must be one of"),
        (lambda: draw(Fit(POPULATION, n=5, gamma=1.0), n_trials=2).moments(0.0, WORDS), ValueError, "threshold must be one of"),
        (lambda: simulate(Fit(POPULATION, n=5, gamma=1.0, starts=[MEANS.T])), ValueError, "alpha must be given for a fit with 1 scale, got None"),
        (lambda: simulate(Fit(POPULATION, n=5, gamma=1.0), 1.0), ValueError, "alpha must be None for a fit without starts"),
        (lambda: predict(1.0, POPULATION), TypeError, "problem must be a Fit or a TransferProblem, got float.*It comes first"),
        (lambda: predict(Fit(POPULATION, n=5, gamma=1.0), 1.0), ValueError, "alpha must be None for a fit without starts"),
        (lambda: predict(Fit(POPULATION, n=5, gamma=1.0, starts=[MEANS.T])), ValueError, "alpha must be given"),
        (lambda: predict(Fit(POPULATION, n=5, gamma=1.0, starts=[MEANS.T], per="output"), [1.0, 2.0]), ValueError, r"one entry per start and output .*\(\.\.\., 3\)"),
        (lambda: predict(TransferProblem(**(GOOD | {"beta": np.zeros(3)})), np.zeros(41)), ValueError, r"must broadcast .*alpha: \(41,\), problem: \(3,\)"),
        (lambda: predict(TransferProblem(**GOOD), np.ma.masked_array([1.0, 2.0], [True, False])), TypeError, "alpha must not be masked, got 1 masked"),
        (lambda: optimal_alpha(Fit(POPULATION, n=5, gamma=1.0)), ValueError, "problem must have a start"),
        (lambda: predict(Fit(POPULATION, n=5, gamma=1.0), threshold="best"), ValueError, "threshold must be 'zero' for 3 classes"),
        (lambda: predict(Fit(POPULATION, n=5, gamma=1.0, starts=[MEANS.T]), 1.0, spread=True), ValueError, "no formula is known beyond"),
    ],
)  # fmt: skip
def test_every_message_names_the_parameter(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_equal_problems_are_equal_and_hash_alike():
    """To 12 digits: what another number of threads or another processor does to a matrix is no other problem."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 80))
    C = A @ A.T / 80

    def made(C, gamma=0.1):
        source = Fit(Population.two_classes(A[:, 0], -A[:, 0], covariance=C), n=30, gamma=1.0)
        return Fit(
            Population.two_classes(A[:, 1], A[:, 2], covariances=[C, 2 * C], prior=0.3),
            n=20,
            gamma=gamma,
            starts=[source],
        )

    one, noisy = made(C), made(C * (1 + 1e-15 * rng.standard_normal(C.shape) + 0))
    assert one == noisy == made(C.copy()) and hash(one) == hash(noisy)
    assert len({one, noisy, made(1.001 * C), made(C, 0.1 + 1e-9)}) == 3
    assert TransferProblem(**GOOD) == TransferProblem(**(GOOD | {"beta": 0.5 + 1e-16}))
    assert TransferProblem(**GOOD) != TransferProblem(**(GOOD | {"beta": -0.5}))
    assert TransferProblem(**(GOOD | {"beta": 0.0})) == TransferProblem(**(GOOD | {"beta": -0.0}))


def test_reprs_are_short_and_say_what_they_are():
    source = Fit(POPULATION, n=np.array([5, 6]), gamma=1.0)
    fit = Fit(POPULATION, n=5, gamma=0.25, starts=[source, MEANS.T], rank=2, intercept=True)
    assert (
        repr(fit)
        == "Fit(Population(3 classes, dim=12, outputs=3), n=5, gamma=0.25, starts=[Fit, weights], rank=2, intercept=True)"
    )
    assert repr(source).endswith("n=array(2,), gamma=1)")
    assert repr(TransferProblem(**GOOD)).startswith("TransferProblem(n_source=50, n_target=20, dim=30")
    assert "accuracy=" in repr(predict(TransferProblem(**GOOD), 1.0))


def test_named_axes_are_refused_where_they_would_be_lost(tmp_path):
    named = lambda dim: xarray.DataArray([0.1, 0.5], dims=dim)  # noqa: E731
    for name, call in (
        ("beta", lambda: TransferProblem(**(GOOD | {"beta": named("b")}))),
        ("n_target", lambda: TransferProblem(**(GOOD | {"n_target": named("n") * 10}))),
        ("gamma", lambda: Fit(Population.two_classes(np.ones(4), -np.ones(4)), n=9, gamma=named("g"))),
        ("alpha", lambda: predict(TransferProblem(**GOOD), named("a"))),
        ("alpha", lambda: simulate(TransferProblem(**GOOD), named("a"))),
    ):
        with pytest.raises(
            TypeError, match=f"{name} must be .* a DataArray with dimensions .* Give its .values, .* or call sweep"
        ):
            call()
    problem, alpha = TransferProblem(**(GOOD | {"beta": named("b").values})), named("a")
    along = sweep({**GOOD, "beta": named("b")}, alpha, store=tmp_path, n_trials=2, workers=1)
    np.testing.assert_allclose(
        predict(problem, alpha.values[:, None]).accuracy, along.theory_accuracy.transpose("a", "b")
    )
    assert predict(TransferProblem(**GOOD), alpha[0]).accuracy == predict(TransferProblem(**GOOD), 0.1).accuracy


def test_results_as_frames_and_datasets():
    theory = predict(TransferProblem(**GOOD), [0.0, 1.0, 2.0])
    frame = theory.to_dataframe()
    assert list(frame.alpha) == [0.0, 1.0, 2.0] and np.array_equal(frame.accuracy, theory.accuracy)
    classes = predict(Fit(POPULATION, n=9, gamma=1.0, starts=[MEANS.T]), [0.0, 1.0]).to_xarray()
    assert classes["variance"].dims == ("component", "output", "output_2", "alpha")
    assert len(predict(TransferProblem(**GOOD), 1.0).to_dataframe()) == 1


def test_populations_say_flips_and_covariances():
    mean, C = np.full(4, 0.2), np.diag([1.0, 2.0, 3.0, 4.0])
    two = lambda **o: repr(Population.two_classes(mean, -mean, **o))  # noqa: E731
    start = "Population(two classes, dim=4, priors=[0.5, 0.5]"
    assert two() == start + ")"
    assert two(flips=0.1, covariance=C) == start + ", flips=[0.1, 0.1], covariance=matrix)"
    assert two(flips=[0.0, 1.0], covariances=[C, None]) == start + ", flips=[0.0, 1.0], covariances=[matrix, identity])"
    assert (
        repr(Population.linear(mean, covariance=np.arange(1.0, 5)))
        == "Population(regression, dim=4, outputs=1, covariance=spectrum)"
    )
    confused = Population.classes(np.eye(3, 4), confusion=np.full((3, 3), 1 / 3))
    assert repr(confused) == "Population(3 classes, dim=4, outputs=3, some labels flipped)"


def test_equal_covariances_are_equal():
    C = np.diag([1.0, 2.0])
    assert Covariance(C, 2) == Covariance(C.copy(), 2) and len({Covariance(C, 2), Covariance(C.copy(), 2)}) == 1
    assert Covariance(C, 2) != Covariance(2 * C, 2) and Covariance(None, 2) != Covariance(None, 3)
    assert Covariance(C, 2) != "matrix"


def test_equal_covariances_may_have_other_eigenvectors():
    """Where eigenvalues meet they are a choice, and overlaps are of the choice made."""
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    first, again, other = (Covariance(C, 3) for C in (3 * np.eye(3), 3 * np.eye(3), Q @ np.diag([1.0, 2, 3]) @ Q.T))
    again.basis = Q
    assert first == again
    for covariance in (first, again):
        np.testing.assert_allclose(covariance.overlap(other), (covariance.basis.T @ other.basis) ** 2)


def test_other_units_and_signs_of_codes():
    """Simplex codes have unit length and sum to zero; centred ones sum to zero."""
    simplex = Population.classes(np.eye(4, 9), codes="simplex")
    T = np.asarray(simplex.targets)
    np.testing.assert_allclose(T @ T.T, np.eye(4) * 4 / 3 - 1 / 3, atol=1e-12)
    assert simplex.outputs == 3
    np.testing.assert_allclose(
        np.asarray(Population.classes(np.eye(4, 9), codes="centred").targets).sum(1), 0, atol=1e-15
    )


def test_codes_tell_classes_apart():
    means = np.eye(3, 20)
    for codes in (np.ones((3, 2)), [[1.0], [1.0], [2.0]], np.zeros((3, 1))):
        with pytest.raises(ValueError, match="codes must differ from class to class"):
            Population.classes(means, codes=codes)
    with pytest.raises(ValueError, match="targets must differ from class to class"):
        Population.mixture(means, [0, 1, 1], [[1.0], [1.0]])
    with pytest.raises(ValueError, match="means must have a row for each of at least 2 classes"):
        Population.classes(means[:1])
    with pytest.raises(ValueError, match=r"rank must lie in \[1, 3\], got 4. Leave it out for full rank"):
        Fit(Population.classes(means), n=10, gamma=1.0, rank=4)


def test_probabilities_of_jax_sum_to_one_too():
    jnp = pytest.importorskip("jax.numpy")
    means = np.eye(3, 20)
    with pytest.raises(ValueError, match="confusion must have rows that sum to 1"):
        Population.classes(means, confusion=0.5 * jnp.eye(3))
    with pytest.raises(ValueError, match="priors must be positive and sum to 1"):
        Population.classes(means, priors=jnp.array([0.2, 0.3, 0.6]))
    Population.classes(means, priors=jnp.array([0.2, 0.3, 0.5]), confusion=jnp.full((3, 3), 1 / 3))


def test_a_default_range_stays_within_what_a_size_may_be():
    assert axis("dim", 9e15).max() <= 2**53 and axis("dim", 1000).max() == 1e5
