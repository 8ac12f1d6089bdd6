"""What a sweep returns: names, values, parameters; and what it says to bad input."""

import dataclasses
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray
from threadpoolctl import threadpool_limits

from rmt_alpha import Fit, Group, Population, TransferProblem, optimal_alpha, predict, simulate, sweep
from rmt_alpha.results import QUANTITIES
from rmt_alpha.simulation.dense import Conditions
from rmt_alpha.simulation.simulate import Setting
from rmt_alpha.simulation.streams import NUMERICS_VERSION
from rmt_alpha.sweep import chunks as chunks_module
from rmt_alpha.sweep.chunks import Chunk
from rmt_alpha.sweep.store import Store

from .sweep_executors import ALPHA, BASE, Inline, Shuffled, files, problems


def test_theory_and_simulation_side_by_side(tmp_path):
    data = sweep(
        {**BASE, "n_target": [20, 30], "beta": [0.1, 0.9, 0.5]}, ALPHA, n_trials=300, store=tmp_path, executor=Inline()
    )
    assert data.sizes == {"n_target": 2, "beta": 3, "alpha": 4}
    cell = TransferProblem(**BASE, n_target=30, beta=0.9)
    here = data.sel(n_target=30, beta=0.9)
    theory, simulated = predict(cell, ALPHA), simulate(cell, ALPHA, n_trials=300)
    for q in QUANTITIES:
        np.testing.assert_allclose(here[f"theory_{q}"], getattr(theory, q), rtol=1e-13)
        np.testing.assert_allclose(here[f"sim_{q}"], getattr(simulated, q), rtol=1e-12)
        np.testing.assert_allclose(here[f"sim_{q}_se"], getattr(simulated, f"{q}_se"), rtol=1e-9)
        assert data[f"sim_{q}"].attrs["units"] == "1"
    assert np.all(data.trials == 300)
    assert data.n_target.attrs["units"] == "samples"
    assert data.attrs["dim"] == 40 and data.attrs["gamma_source"] == 1.0 and data.attrs["seed"] == 0
    assert data.attrs["engines"] == "chain" and data.attrs["numerics_version"] == NUMERICS_VERSION
    with xarray.open_dataset(data.encoding["source"]) as read:
        xarray.testing.assert_identical(read, data)


def test_mapping_and_problem_agree(tmp_path):
    axes = {"n_target": [20, 30], "beta": [0.1, 0.9, 0.5]}
    problem = TransferProblem(**BASE, n_target=np.array([[20], [30]]), beta=np.array(axes["beta"]))
    named = sweep({**BASE, **axes}, ALPHA, n_trials=20, store=tmp_path, executor=Inline())
    again = Inline()
    xarray.testing.assert_identical(sweep(problem, ALPHA, n_trials=20, store=tmp_path, executor=again), named)
    assert again.count == 0


def test_parameters_that_vary_together(tmp_path):
    linked = {**BASE, "dim": [20, 40], "n_target": xarray.DataArray([10, 20], dims="dim"), "beta": 0.5}
    data = sweep(linked, 1.0, n_trials=20, store=tmp_path, executor=Inline())
    assert data.sizes == {"dim": 2} and data.n_target.dims == ("dim",) and data.attrs["alpha"] == 1.0
    same = sweep(
        TransferProblem(**{**BASE, "dim": np.array([20, 40])}, n_target=np.array([10, 20]), beta=0.5),
        1.0, n_trials=20, store=tmp_path, executor=Inline(),
    )  # fmt: skip
    assert same.sizes == {"n_target": 2} and same.dim.dims == ("n_target",)
    np.testing.assert_array_equal(same.sim_risk.values, data.sim_risk.values)


def test_alpha_may_vary_with_the_problem(tmp_path):
    beta = np.array([0.1, 0.5, 0.9])
    best = optimal_alpha(TransferProblem(**BASE, n_target=30, beta=beta))
    alpha = xarray.DataArray(
        np.stack([best.alpha, best.least_risk]), dims=["target", "beta"], coords={"target": [0, 1]}
    )
    data = sweep({**BASE, "n_target": 30, "beta": beta}, alpha, n_trials=20, store=tmp_path, executor=Inline())
    assert data.theory_accuracy.dims == ("beta", "target") and data.alpha.dims == ("target", "beta")
    np.testing.assert_allclose(data.theory_accuracy.sel(target=0), best.accuracy, rtol=1e-13)
    np.testing.assert_allclose(data.theory_risk.sel(target=1), best.risk, rtol=1e-13)
    cell = TransferProblem(**BASE, n_target=30, beta=0.9)
    np.testing.assert_allclose(
        data.sim_risk.sel(beta=0.9, target=1), simulate(cell, best.least_risk[2], n_trials=20).risk, rtol=1e-12
    )


def test_axes_without_a_parameter_of_their_own(tmp_path):
    problem = TransferProblem(**BASE, n_target=30, beta=np.array([[0.1, 0.5], [0.7, 0.9]]))
    data = sweep(problem, ALPHA[:2], n_trials=4, store=tmp_path, executor=Inline())
    assert data.sizes == {"axis_0": 2, "axis_1": 2, "alpha": 2} and data.beta.dims == ("axis_0", "axis_1")


def test_covariances_and_fixed_sources(tmp_path, rng):
    mean, spectrum = rng.standard_normal(12) / 3, np.linspace(0.5, 2, 12)
    fit = TransferProblem.from_means(
        mean, mean, n_source=30, n_target=np.array([10, 20]), gamma_source=1.0, gamma_target=0.5, cov_target=spectrum
    )
    data = sweep(fit, ALPHA, n_trials=40, store=tmp_path, executor=Inline())
    assert (
        data.attrs["engines"] == "dense"
        and data.attrs["dim"] == 12
        and data.attrs["problem_sha256"] == fit.digest.hex()
    )
    assert data.sizes == {"n": 2, "alpha": 4} and data.attrs["source_n"] == 30 and data.attrs["gamma"] == 0.5
    np.testing.assert_allclose(data.sim_risk, np.stack([simulate(c, ALPHA, n_trials=40).risk for c in fit.cells()]))
    fixed = TransferProblem.from_source(rng.standard_normal(12), mean, n_target=20, gamma_target=[0.5, 1.0])
    data = sweep(fixed, ALPHA, n_trials=4, store=tmp_path, executor=Inline())
    assert data.sizes == {"gamma": 2, "alpha": 4}
    np.testing.assert_allclose(data.theory_risk, [predict(c, ALPHA).risk for c in fixed.cells()])


E = np.eye(4, 30)


def same(data, fit, alpha, n_trials):
    """Every cell of a sweep of a fit against `predict` and `simulate` of that cell."""
    shape = fit.shape
    for index, cell in zip(np.ndindex(shape), fit.cells(), strict=True):
        here = data.isel(dict(zip(data.trials.dims, index, strict=True)))
        theory, simulated = predict(cell, alpha), simulate(cell, alpha, n_trials=n_trials)
        for q in QUANTITIES:
            if getattr(theory, q) is None:
                assert f"theory_{q}" not in data and f"sim_{q}" not in data
                continue
            np.testing.assert_allclose(here[f"theory_{q}"], getattr(theory, q), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(here[f"sim_{q}"], getattr(simulated, q), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(here[f"sim_{q}_se"], getattr(simulated, f"{q}_se"), rtol=1e-6, atol=1e-12)


def test_classes_with_arrays_in_them(tmp_path):
    source = Fit(Population.classes(1.5 * E[:3]), n=np.array([50, 200]), gamma=1.0)
    fit = Fit(Population.classes(1.5 * E[1:]), n=20, gamma=np.array([[0.1], [1.0], [2.0]]), starts=[source])
    data = sweep(fit, [0.5, 1.0], n_trials=20, store=tmp_path, executor=Inline())
    assert data.theory_mean.dims == ("component", "output", "gamma", "source_n", "alpha")
    assert data.sim_variance.dims == ("component", "output", "output_2", "gamma", "source_n", "alpha")
    assert data.trials.dims == ("gamma", "source_n") and data.source_n.attrs["units"] == "samples"
    np.testing.assert_array_equal(data.source_n, [50, 200])
    same(data, fit, np.array([0.5, 1.0]), 20)
    with xarray.open_dataset(data.encoding["source"]) as read:
        xarray.testing.assert_identical(read, data)


def test_regression_has_no_accuracy(tmp_path):
    fit = Fit(
        Population.linear(np.ones((30, 2)) / 5, 0.5), n=np.array([20, 60]), gamma=0.3, starts=[np.ones((30, 2)) / 4]
    )
    data = sweep(fit, 0.5, n_trials=20, store=tmp_path, executor=Inline())
    assert data.attrs["alpha"] == 0.5 and data.theory_risk.dims == ("n",)
    same(data, fit, 0.5, 20)


def test_several_alphas(tmp_path):
    opposite = lambda mean: Population.two_classes(mean, -mean)  # noqa: E731
    first = Fit(opposite(E[0]), n=100, gamma=np.array([0.5, 2.0]), starts=[E[2]], alpha=0.3)
    fit = Fit(opposite(E[0] + E[1]), n=20, gamma=0.1, starts=[first, Fit(opposite(E[1]), n=50, gamma=1.0), E[3]])
    points = [[0.0, 1.0, 0.5], [1.0, 1.0, -1.0]]
    data = sweep(fit, points, n_trials=20, store=tmp_path, executor=Inline())
    assert data.sim_risk.dims == ("source_0_gamma", "point") and data.alpha.dims == ("point", "start")
    assert data.attrs["source_1_n"] == 50 and data.attrs["source_0_alpha"] == 0.3
    same(data, fit, np.array(points), 20)
    one = sweep(fit, points[1], n_trials=20, store=tmp_path, executor=Inline())
    np.testing.assert_array_equal(one.sim_risk, data.sim_risk.isel(point=1))
    assert one.sim_risk.dims == ("source_0_gamma",) and one.alpha.dims == ("start",)
    named = xarray.DataArray(np.array(points).T[None], dims=["setting", "start", "point"])
    again = Inline()
    assert sweep(fit, named, n_trials=20, store=tmp_path, executor=again).sim_risk.dims == (
        "source_0_gamma",
        "setting",
        "point",
    )


def test_a_fit_without_starts(tmp_path):
    fit = Fit(Population.two_classes(E[0], -E[0], prior=0.7), n=np.array([30, 60]), gamma=1.0, intercept=True)
    data = sweep(fit, n_trials=20, store=tmp_path, executor=Inline())
    assert data.sizes["n"] == 2 and "alpha" not in data.coords and "alpha" not in data.attrs
    same(data, fit, None, 20)


def test_the_scale_of_a_fit_that_is_no_start_means_nothing(tmp_path):
    fit = Fit(Population.two_classes(E[0], -E[0]), n=20, gamma=0.3, starts=[E[1]])
    first = sweep(fit, 0.5, n_trials=4, store=tmp_path, executor=Inline())
    again = Inline()
    scaled = dataclasses.replace(fit, alpha=np.array([0.3, 0.7]))
    xarray.testing.assert_identical(sweep(scaled, 0.5, n_trials=4, store=tmp_path, executor=again), first)
    assert again.count == 0


def test_groups_stay_parts_of_one_training(tmp_path):
    source = Fit(Population.two_classes(E[0] + E[1], -E[0] - E[1]), n=np.array([40, 80]), gamma=1.0)
    fit = Fit(Population.two_classes(E[0], -E[0]), n=20, gamma=0.3, starts=Group.split(source, np.arange(30) % 2))
    data = sweep(fit, [1.0, 0.5], n_trials=20, store=tmp_path, executor=Inline())
    assert data.sizes == {"source_n": 2, "start": 2}
    same(data, fit, np.array([1.0, 0.5]), 20)


def test_losses(tmp_path):
    numbers = {**BASE, "n_target": 30, "beta": [0.1, 0.9], "loss": "logistic"}
    data = sweep(numbers, [0.0, 1.0], n_trials=8, store=tmp_path, executor=Inline())
    assert data.attrs["loss"] == "logistic"
    problem = TransferProblem(**{**numbers, "beta": 0.9})
    np.testing.assert_allclose(
        data.sim_accuracy.sel(beta=0.9), simulate(problem, [0.0, 1.0], n_trials=8).accuracy, rtol=1e-12
    )
    np.testing.assert_allclose(data.theory_accuracy.sel(beta=0.9), predict(problem, [0.0, 1.0]).accuracy, rtol=1e-12)
    plain = sweep({**numbers, "loss": "squared"}, [0.0, 1.0], n_trials=8, store=tmp_path, executor=Inline())
    assert not np.any(plain.sim_accuracy.values == data.sim_accuracy.values)


def test_sizes_beyond_the_integers_of_netcdf(tmp_path):
    huge = {**BASE, "n_source": [5, 10**10], "dim": 10**11, "n_target": 5, "beta": 0.5}
    data = sweep(huge, 1.0, n_trials=4, seed=2**40, store=tmp_path, executor=Inline())
    with xarray.open_dataset(data.encoding["source"]) as read:
        xarray.testing.assert_identical(read, data)
    assert data.attrs["dim"] == 10**11 and data.attrs["seed"] == 2**40 and data.n_source[1] == 10**10


@pytest.mark.parametrize(("method", "first", "then"), [("chain", 500, 2500), ("dense", 5, 39)])
def test_trials_are_added_not_repeated(tmp_path, monkeypatch, method, first, then):
    drawn = []
    piece = chunks_module.piece

    def recorded(problem, alpha, setting, trials):
        drawn.append(trials)
        return piece(problem, alpha, setting, trials)

    monkeypatch.setattr(chunks_module, "piece", recorded)
    arguments = {"method": method, "executor": Inline()}
    for n_trials in (first, then):
        added = sweep(problems(2), ALPHA, n_trials=n_trials, store=tmp_path / "added", **arguments)
    assert sum(map(len, drawn)) == 2 * then
    straight = sweep(problems(2), ALPHA, n_trials=then, store=tmp_path / "straight", **arguments)
    xarray.testing.assert_identical(added, straight)
    drawn.clear()
    sweep(problems(2), ALPHA, n_trials=first, store=tmp_path / "added", **arguments)
    assert not drawn


def test_common_random_numbers(tmp_path):
    problem = TransferProblem(60, 20, 40, 1.0, 1.0, np.array([0.8, 0.81]), 0.5, 0.5)
    options = dict(n_trials=8, store=tmp_path, executor=Inline())
    alone, shared = sweep(problem, ALPHA, **options), sweep(problem, ALPHA, **options, common_random_numbers=True)
    for data, common in ((alone, False), (shared, True)):
        drawn = simulate(problem, np.asarray(ALPHA)[:, None], n_trials=8, common_random_numbers=common)
        np.testing.assert_allclose(data.sim_risk.transpose("alpha", "beta"), drawn.risk, rtol=1e-12)
    assert shared.attrs["common_random_numbers"] == 1 and "common_random_numbers" not in alone.attrs


@pytest.mark.parametrize("value", [0, None, "", [], np.array([True, False])])
def test_common_random_numbers_are_said_yes_or_no_to(tmp_path, value):
    with pytest.raises(TypeError, match="common_random_numbers must be True or False, got "):
        sweep(problems(2), ALPHA, n_trials=8, store=tmp_path / "store", common_random_numbers=value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("value", [np.timedelta64(3, "D"), np.datetime64("2020-01-01")])
def test_a_time_is_no_number(tmp_path, value):
    with pytest.raises(TypeError, match="mu must be a real number"):
        sweep({**problems(2), "mu": value}, ALPHA, n_trials=8, store=tmp_path)


def test_order_and_workers_change_no_bit(tmp_path):
    both = {**problems(2), "gamma_target": [0.0, 1.0]}  # a dense cell and a chain cell for each β

    def run(name, **options):
        return sweep(both, ALPHA, n_trials=40, store=tmp_path / name, **options)

    with_pool = run("pool")
    assert with_pool.attrs["engines"] == "chain, dense"
    run("inline", executor=Inline())
    run("shuffled", executor=Shuffled(8, seed=1))
    with ThreadPoolExecutor(3) as threads:
        run("threads", executor=threads)
    for i in (2, 0, 1):
        sharded = run("shards", executor=Inline(), shard=(i, 3))
    for name in ("pool", "shuffled", "threads", "shards"):
        assert files(tmp_path / name) == files(tmp_path / "inline")
    xarray.testing.assert_identical(sharded, with_pool)


def test_a_shard_shows_what_there_is(tmp_path, caplog):
    one = Inline()
    data = sweep(problems(3), ALPHA, n_trials=20, store=tmp_path, executor=one, shard=(1, 3))
    assert one.count == 1 and "shard 1/3 is done" in caplog.text and "source" not in data.encoding
    np.testing.assert_array_equal(data.trials, [0, 20, 0])
    np.testing.assert_array_equal(np.isnan(data.sim_risk).all("alpha"), [True, False, True])
    assert not np.isnan(data.theory_risk).any()


def test_equal_cells_are_computed_once(tmp_path):
    executor = Inline()
    data = sweep(
        {**BASE, "n_target": 30, "beta": [0.0, -0.0, 0.0]}, ALPHA, n_trials=20, store=tmp_path, executor=executor
    )
    assert executor.count == 1 and np.ptp(data.sim_risk.values, axis=0).max() == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:100],
        lambda b: b[:-1],
        lambda b: b"",
        lambda b: b[:-60] + bytes([b[-60] ^ 1]) + b[-59:],
        lambda b: b + b"x",
    ],
    ids=["cut", "one byte short", "empty", "one bit", "longer"],
)
def test_damaged_chunk_is_named_and_computed_again(tmp_path, caplog, damage):
    sweep(problems(3), ALPHA, n_trials=20, store=tmp_path, executor=Inline())
    before = files(tmp_path)
    victim = sorted((tmp_path / "chunks").iterdir())[1]
    victim.write_bytes(damage(victim.read_bytes()))
    executor = Inline()
    with caplog.at_level(logging.WARNING, "rmt_alpha"):
        sweep(problems(3), ALPHA, n_trials=20, store=tmp_path, executor=executor)
    assert victim.name in caplog.text and executor.count == 1
    assert files(tmp_path) == before


def test_a_chunk_under_another_name_is_damaged(tmp_path, caplog):
    sweep(problems(3), ALPHA, n_trials=20, store=tmp_path, executor=Inline())
    before = files(tmp_path)
    one, other, _ = sorted((tmp_path / "chunks").iterdir())
    other.write_bytes(one.read_bytes())
    sweep(problems(3), ALPHA, n_trials=20, store=tmp_path, executor=Inline())
    assert other.name in caplog.text and one.name not in caplog.text
    assert files(tmp_path) == before


SETTING = Setting(0, "dense", ("gaussian",), Conditions("gaussian", "auto"))
LEADING = {"mean": (), "variance": (), "accuracy": (), "risk": ()}


def problem(beta):
    return TransferProblem(**BASE, n_target=30, beta=beta)


def test_the_address_knows_everything_that_matters():
    def name(setting=None, **changes):
        given = {"problem": problem(0.5), "alpha": ALPHA, "leading": LEADING, "start": 0, "count": 16}
        return Chunk(**{**given, "setting": dataclasses.replace(SETTING, **(setting or {})), **changes}).name

    others = [
        name(problem=problem(0.6)),
        name(problem=dataclasses.replace(problem(0.5), loss="logistic")),
        name(alpha=ALPHA[:2]),
        name(alpha=ALPHA + 1e-9),
        name({"seed": 1}),
        name({"method": "chain"}),
        name({"name": ("student",)}),
        name({"conditions": Conditions("gaussian", "random")}),
        name(start=16),
        name(count=8),
        name(numerics=0),
    ]
    assert len({name(), *others}) == 12
    # Rounding is no meaning: what another processor makes of the same numbers.
    assert name() == name(alpha=ALPHA * (1 + 1e-15)) == name(problem=problem(np.nextafter(0.5, 1)))


def test_rounding_of_another_machine_recomputes_nothing(tmp_path, caplog):
    """The grid is made once: what differs from it by rounding is it."""
    gammas = np.geomspace(0.1, 10, 7)
    numbers = {**BASE, "n_target": 30, "beta": np.linspace(-1, 1, 3) * 0.9, "gamma_target": gammas}
    first = sweep(numbers, ALPHA, n_trials=20, store=tmp_path, executor=Inline())
    before, again = files(tmp_path), Inline()
    off = np.array([1e-17, 1e-16, 2e-16, 0, -2e-16, 2e-16, -1e-16])
    other = {**numbers, "gamma_target": gammas * (1 + off), "beta": numbers["beta"] + [0, 3e-17, 0]}
    xarray.testing.assert_identical(
        sweep(other, ALPHA * (1 + 2e-16), n_trials=20, store=tmp_path, executor=again), first
    )
    assert again.count == 0 and files(tmp_path) == before and not caplog.text
    # Two shards, each with a grid of its own rounding, make a whole.
    halves = tmp_path / "halves"
    sweep(numbers, ALPHA, n_trials=20, store=halves, executor=Inline(), shard=(0, 2))
    whole = sweep(other, ALPHA, n_trials=20, store=halves, executor=Inline(), shard=(1, 2))
    xarray.testing.assert_identical(whole, first)


def test_another_number_of_blas_threads_recomputes_nothing(tmp_path, rng):
    """A covariance is the product of matrices, which other threads add up in another order."""
    A, mean = rng.standard_normal((400, 500)), rng.standard_normal(400) / 20
    first = None
    for threads, off in ((1, 0.0), (2, 2e-16), (1, -2e-16)):
        with threadpool_limits(threads):
            C = A @ A.T / 500 * (1 + off * rng.standard_normal((400, 400)))
            fit = TransferProblem.from_source(
                C @ mean, mean, n_target=[20, 30], gamma_target=0.5, cov_target=(C + C.T) / 2
            )
            executor = Inline()
            data = sweep(fit, ALPHA[:2], n_trials=2, store=tmp_path, executor=executor)
        assert executor.count == (2 if first is None else 0)
        first = data if first is None else first
        for q in QUANTITIES:
            np.testing.assert_array_equal(data[f"sim_{q}"], first[f"sim_{q}"])
            np.testing.assert_allclose(data[f"theory_{q}"], first[f"theory_{q}"], rtol=1e-9)
    assert len(list(tmp_path.glob("grid-*"))) == 1


@pytest.mark.parametrize(("off", "reported"), [(1e-9, True), (1e-3, False)])
def test_a_grid_that_is_nearly_another_is_reported(tmp_path, caplog, off, reported):
    numbers = {**BASE, "n_target": 30, "beta": [0.1, 0.5]}
    sweep(numbers, ALPHA, n_trials=20, store=tmp_path, executor=Inline())
    again = Inline()
    data = sweep({**numbers, "beta": [0.1, 0.5 + off]}, ALPHA, n_trials=20, store=tmp_path, executor=again)
    assert again.count == 1 and data.beta[1] == 0.5 + off
    assert ("differs from" in caplog.text and "computed apart" in caplog.text) == reported
    assert len(list(tmp_path.glob("grid-*"))) == 2


def test_small_numbers_are_not_rounding(tmp_path):
    """Penalties of 1e-20 and 2e-20 are two grids, whatever else is in them."""
    for gamma in (1e-20, 2e-20):
        data = sweep(
            {**BASE, "n_target": 30, "beta": 0.5, "gamma_target": [gamma, 1.0]},
            1.0,
            n_trials=4,
            store=tmp_path,
            executor=Inline(),
        )
        assert data.gamma_target[0] == gamma


def test_a_damaged_grid_is_made_again(tmp_path, caplog):
    sweep(problems(2), 1.0, n_trials=20, store=tmp_path, executor=Inline())
    before = files(tmp_path)
    (grid,) = tmp_path.glob("grid-*")
    grid.write_bytes(grid.read_bytes()[:-3])
    sweep(problems(2), 1.0, n_trials=20, store=tmp_path, executor=Inline())
    assert grid.name in caplog.text and files(tmp_path) == before


def test_noise_of_your_own_is_known_by_its_name(tmp_path):
    data = sweep(problems(2), 1.0, n_trials=4, noise=uniform, store=tmp_path, executor=Inline())
    assert "uniform" in data.attrs["noise"] and data.attrs["engines"] == "dense"
    cell = TransferProblem(**{**problems(2), "beta": 0.9})
    np.testing.assert_allclose(data.sim_risk[1], simulate(cell, 1.0, n_trials=4, noise=uniform).risk, rtol=1e-12)


def uniform(rng, shape):
    return rng.uniform(-np.sqrt(3), np.sqrt(3), shape)


def test_numerics_version_of_another_store(tmp_path):
    sweep(problems(2), 1.0, n_trials=20, store=tmp_path, executor=Inline())
    label = tmp_path / "store.json"
    label.write_text(json.dumps({**json.loads(label.read_text()), "numerics_version": 0}))
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"store must be of numerics version \d+, got version 0 .*install the release"):
        sweep(problems(2), 1.0, n_trials=20, store=tmp_path)
    assert files(tmp_path) == before


def test_worker_of_another_version(tmp_path):
    chunk = Chunk(problem(0.5), ALPHA, LEADING, SETTING, 0, 8, -1)
    with pytest.raises(ValueError, match=r"worker must run numerics version -1, got \d+"):
        chunks_module.compute(chunk)


def test_stores_that_are_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"store must be a directory that can be written, got .*file"):
        Store(tmp_path / "file" / "store")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"store must be a new or an empty directory.*thesis.tex.*Choose another path"):
        Store(tmp_path / "full")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "store.json").write_text("[")
    with pytest.raises(ValueError, match="store must carry the label"):
        Store(tmp_path / "odd")


class Nameless:
    def __call__(self, rng, shape):
        return rng.standard_normal(shape)


GOOD = {**BASE, "n_target": 30, "beta": 0.5}
TWO = Fit(Population.two_classes([1, 0], [-1, 0]), 20, 1.0, starts=[np.ones(2), np.eye(2)[0]])


@pytest.mark.parametrize(
    ("problem", "alpha", "options", "error", "text"),
    [
        ({**GOOD, "gamma": 1}, 1.0, {}, ValueError, "got 'gamma'. Did you mean 'gamma_"),
        (BASE, 1.0, {}, ValueError, "got no n_target, beta"),
        ({**GOOD, "beta": [[0.5]]}, 1.0, {}, ValueError, "beta must be a number or a vector, got shape"),
        ({**GOOD, "beta": [0.5, 2]}, 1.0, {}, ValueError, r"beta must lie in \[-1, 1\], got 2"),
        ({**GOOD, "beta": []}, 1.0, {}, ValueError, r"beta must not be empty, got shape \(0,\)"),
        (
            {**GOOD, "beta": [0.5, np.nan]},
            1.0,
            {},
            ValueError,
            r"beta must lie in \[-1, 1\], got nan \(at index \(1,\)\)",
        ),
        (
            {**GOOD, "beta": xarray.DataArray([], dims="k")},
            1.0,
            {},
            ValueError,
            r"beta must not be empty, got shape \(0,\)",
        ),
        (GOOD, xarray.DataArray([], dims="k"), {}, ValueError, r"alpha must not be empty, got shape \(0,\)"),
        ({**GOOD, "beta": "much"}, 1.0, {}, TypeError, "beta must be a real number"),
        ([GOOD], 1.0, {}, TypeError, "problems must be a TransferProblem, a Fit or a mapping"),
        (GOOD, None, {}, ValueError, "alpha must be given"),
        (Fit(Population.two_classes([1, 0], [-1, 0]), 20, 1.0), 1.0, {}, ValueError, "alpha must be None"),
        (TWO, 1.0, {}, ValueError, "alpha must have 2 entries"),
        (TWO, [[[1.0, 2.0]]], {}, ValueError, "alpha must have 2 entries"),
        (GOOD, 1e100, {}, FloatingPointError, "alpha must be smaller: the scatter of the variance"),
        (GOOD, 1.0, {"workers": 0}, ValueError, "workers must lie in"),
        (GOOD, 1.0, {"workers": 10**9}, ValueError, r"workers must lie in \[1, 1000\], got 1e\+09"),
        (GOOD, 1.0, {"workers": 2, "executor": Inline()}, ValueError, "workers must be left out with an executor"),
        (GOOD, 1.0, {"n_trials": 1e12}, ValueError, "n_trials must leave at most"),
        (GOOD, [], {}, ValueError, "alpha must not be empty"),
        (GOOD, [1.0, np.nan], {}, ValueError, "alpha must lie in"),
        (GOOD, [[1.0]], {}, ValueError, "alpha must be a number or a vector, got shape"),
        (
            {**GOOD, "beta": [0, 1]},
            xarray.DataArray([1, 2, 3], dims="beta"),
            {},
            ValueError,
            "alpha must have 2 values along 'beta', got 3",
        ),
        (
            {**GOOD, "beta": [0, 1], "mu": xarray.DataArray([1, 2, 3], dims="beta")},
            1.0,
            {},
            ValueError,
            "others have [23]",
        ),
        (GOOD, 1.0, {"n_trials": 1}, ValueError, "n_trials must lie in"),
        (GOOD, 1.0, {"n_trials": [5, 6]}, ValueError, "n_trials must be one number"),
        (GOOD, 1.0, {"seed": -1}, ValueError, "seed must lie in"),
        (GOOD, 1.0, {"shard": (2, 2)}, ValueError, r"shard must be \(i, k\)"),
        (GOOD, 1.0, {"shard": 3}, ValueError, r"shard must be \(i, k\)"),
        (GOOD, 1.0, {"noise": Nameless()}, TypeError, "noise must be a word, a function"),
        (GOOD, 1.0, {"noise": "pink"}, ValueError, "noise must be one of"),
        (GOOD, 1.0, {"executor": object()}, TypeError, r"client.get_executor\(\)"),
        ({**GOOD, "gamma_target": 0}, 1.0, {"method": "chain"}, ValueError, "Use method='dense'"),
    ],
)
def test_bad_input(tmp_path, problem, alpha, options, error, text):
    with pytest.raises(error, match=text):
        sweep(problem, alpha, **{"store": tmp_path / "s", **options})
    assert not (tmp_path / "s").exists()


NANOSECONDS = np.array(["2026-01-01T00:00:00.123456789", "2026-01-02"], "M8[ns]")


@pytest.mark.parametrize(
    ("beta", "text"),
    [
        (xarray.DataArray([0.1, 0.5], dims="β"), "'β' must be a name"),
        (xarray.DataArray([0.1, 0.5], dims="my/beta"), "'my/beta' must be a name"),
        (xarray.DataArray([0.1, 0.5], dims="k", coords={"k": [0, 2**60 + 1]}), "'k' must have labels"),
        (xarray.DataArray([0.1, 0.5], dims="t", coords={"t": NANOSECONDS}), "'t' must "),
        (xarray.DataArray([0.1, 0.5], dims="trials"), "'trials' must have another name"),
        (xarray.DataArray([0.1, 0.5], dims="sim_risk", coords={"sim_risk": [1, 2]}), "'sim_risk' must have another name"),
        (xarray.DataArray([0.1, 0.5], dims="k", coords={"k": np.array([(1, 2), {}], dtype=object)}), "'k' must"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_hold_is_refused_before_the_work(tmp_path, beta, text):
    executor = Inline()
    with pytest.raises(ValueError, match=text):
        sweep({**GOOD, "beta": beta}, 1.0, n_trials=4, store=tmp_path / "s", executor=executor)
    assert not (tmp_path / "s").exists() and executor.count == 0


@pytest.mark.parametrize("labels", [["a", "é"], [2**40, 3], [1.5, 2.5], [True, False]])
def test_what_a_file_can_hold_comes_back(tmp_path, labels):
    beta = xarray.DataArray([0.1, 0.5], dims="task name", coords={"task name": labels})
    data = sweep({**GOOD, "beta": beta}, 1.0, n_trials=4, store=tmp_path, executor=Inline())
    with xarray.open_dataset(data.encoding["source"]) as read:
        xarray.testing.assert_identical(read, data)
    assert data["task name"].values.tolist() == labels


def test_store_must_be_a_path():
    with pytest.raises(TypeError, match="store must be a path, got 3"):
        sweep(GOOD, 1.0, store=3)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
