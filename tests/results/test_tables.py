"""Results as tables: every row has its own α."""

import numpy as np
import pytest

from rmt_alpha import (
    Fit,
    Optimum,
    Population,
    TransferProblem,
    optimal_alpha,
    predict,
    simulate,
    simulate_optimal_alpha,
)

PROBLEM = TransferProblem(
    n_source=50, n_target=20, dim=30, mu=1.0, mu_orth=1.0, beta=0.5, gamma_source=1.0, gamma_target=1.0
)
MEANS = np.random.default_rng(0).standard_normal((3, 12)) / 2
CLASSES = Population.classes(MEANS)
MU, NU = MEANS[:2]
SIZES = np.array([40, 50])


def two(**options):
    return Fit(Population.two_classes(MU, -MU), n=options.pop("n", 40), gamma=0.3, **options)


def test_results_as_frames_and_datasets():
    theory = predict(PROBLEM, [0.0, 1.0, 2.0])
    frame = theory.to_dataframe()
    assert list(frame.alpha) == [0.0, 1.0, 2.0] and np.array_equal(frame.accuracy, theory.accuracy)
    classes = predict(Fit(CLASSES, n=9, gamma=1.0, starts=[MEANS.T]), [0.0, 1.0]).to_xarray()
    assert classes["variance"].dims == ("component", "output", "output_2", "alpha")
    assert len(predict(PROBLEM, 1.0).to_dataframe()) == 1


ONE_START, TWO_STARTS = dict(starts=[MU]), dict(starts=[MU, NU])
PER_OUTPUT = Fit(CLASSES, n=SIZES, gamma=1.0, starts=[MEANS.T], per="output")
ASKED = {
    "one number": (two(**ONE_START), 0.5),
    "along α": (two(**ONE_START), [0.5, 1.0, 2.0]),
    "one number of sizes": (two(n=SIZES, **ONE_START), 0.5),
    "along sizes": (two(n=SIZES, **ONE_START), [0.5, 1.0]),
    "beside sizes": (two(n=SIZES, **ONE_START), [[0.5], [1.0], [2.0]]),
    "one α for all sizes": (two(n=SIZES, **ONE_START), [0.5]),
    "a vector": (two(**TWO_STARTS), [0.5, 1.0]),
    "a vector of as many entries as there are sizes": (two(n=SIZES, **TWO_STARTS), [1.0, 0.5]),
    "vectors": (two(**TWO_STARTS), [[0.5, 1.0], [2.0, 3.0]]),
    "a vector per size": (two(n=SIZES, **TWO_STARTS), [[0.5, 1.0], [2.0, 3.0]]),
    "vectors beside sizes": (two(n=SIZES, **TWO_STARTS), [[[0.5, 1.0]], [[2.0, 3.0]], [[0.0, 1.0]]]),
    "per output": (PER_OUTPUT, [0.5, 1.0, 2.0]),
    "eight numbers": (TransferProblem(50, SIZES, 30, 1.0, 1.0, 0.5, 1.0, 1.0), [1.0, 2.0]),
}


@pytest.mark.parametrize("kind", ASKED)
def test_every_row_has_its_own_alpha(kind):
    problem, alpha = ASKED[kind]
    found = predict(problem, alpha)
    frame = found.to_dataframe()
    many = problem.n_alpha > 1
    columns = [f"alpha_{k}" for k in range(problem.n_alpha)] if many else ["alpha"]
    asked = np.broadcast_to(alpha, (*np.shape(found.risk), *((problem.n_alpha,) if many else ())))
    rows = (
        frame.drop_duplicates([c for c in frame if c.startswith("axis") or c == "alpha"])
        if "component" in frame
        else frame
    )
    np.testing.assert_array_equal(rows[columns].to_numpy().reshape(asked.shape), asked)
    np.testing.assert_array_equal(rows.risk, np.ravel(found.risk))
    assert ("alpha" in found.to_xarray().dims) == (kind in ("along α", "along sizes", "eight numbers"))


def test_a_simulation_has_the_same_table():
    problem, alpha = ASKED["a vector of as many entries as there are sizes"]
    theory, simulated = predict(problem, alpha).to_dataframe(), simulate(problem, alpha, n_trials=3).to_dataframe()
    assert set(theory) < set(simulated) and list(simulated.alpha_0) == [1.0, 1.0]


def test_a_fit_without_starts_has_no_alpha():
    problem = two(n=SIZES)
    for found in (predict(problem), simulate(problem, n_trials=3)):
        assert found.alpha is None and "alpha" not in found.to_dataframe() and len(found.to_dataframe()) == 2


def test_optima_as_tables():
    several, sizes = two(**TWO_STARTS), two(n=SIZES, **TWO_STARTS)
    for problem in (several, sizes):
        best = optimal_alpha(problem)
        frame = best.to_dataframe()
        assert len(frame) == np.size(best.risk)
        np.testing.assert_array_equal(
            frame[["alpha_0", "alpha_1"]].to_numpy().reshape(np.shape(best.alpha)), best.alpha
        )
        np.testing.assert_array_equal(frame.accuracy, np.ravel(best.accuracy))
        assert best.to_xarray().least_risk.dims == (*[f"axis_{i}" for i in range(len(problem.shape))], "start")
    simulated = simulate_optimal_alpha(two(**ONE_START), n_trials=20)
    assert simulated.to_xarray().attrs == {"n_trials": 20}
    row = simulated.to_dataframe().iloc[0]
    assert (row.alpha, row.alpha_se) == (simulated.alpha, simulated.alpha_se) and "zero" not in row


def test_an_optimum_is_shown_to_significant_digits():
    tiny = Optimum(1.234567e-8, 0.9, None, False, -3.2e-9, 0.1, 0.0)
    assert repr(tiny) == "Optimum(alpha=1.2346e-08, accuracy=0.9000, least_risk=-3.2e-09)"
    several = Optimum(np.array([1.5, 2e-7]), None, None, False, None, 0.1, np.zeros(2), alpha_se=np.array([0.1, 1e-8]))
    assert repr(several) == "Optimum(alpha=[1.5 2e-07] ± [0.1 1e-08])"
