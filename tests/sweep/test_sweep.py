"""What a sweep returns: names, values, parameters; and what it says to bad input."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray
from sweep_executors import ALPHA, BASE, Inline, Shuffled, problems

import rmt_alpha
from rmt_alpha import TransferProblem, optimal_alpha, predict, simulate, sweep
from rmt_alpha.simulation import chunks as chunks_module
from rmt_alpha.simulation.chunks import Chunk
from rmt_alpha.simulation.store import Store

QUANTITIES = ("mean", "variance", "accuracy", "risk")


def files(store):
    """Everything in a store, by name, less what killed writers left."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file() and not path.name.startswith(".tmp-")
    }


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
    assert (
        data.attrs["engines"] == "chain"
        and data.attrs["numerics_version"] == rmt_alpha.simulation.streams.NUMERICS_VERSION
    )
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
    alpha = xarray.DataArray(np.stack([best.best, best.min_risk]), dims=["target", "beta"], coords={"target": [0, 1]})
    data = sweep({**BASE, "n_target": 30, "beta": beta}, alpha, n_trials=20, store=tmp_path, executor=Inline())
    assert data.theory_accuracy.dims == ("beta", "target") and data.alpha.dims == ("target", "beta")
    np.testing.assert_allclose(data.theory_accuracy.sel(target=0), best.accuracy, rtol=1e-13)
    np.testing.assert_allclose(data.theory_risk.sel(target=1), best.risk, rtol=1e-13)
    cell = TransferProblem(**BASE, n_target=30, beta=0.9)
    np.testing.assert_allclose(
        data.sim_risk.sel(beta=0.9, target=1), simulate(cell, best.min_risk[2], n_trials=20).risk, rtol=1e-12
    )


def test_axes_without_a_parameter_of_their_own(tmp_path):
    problem = TransferProblem(**BASE, n_target=30, beta=np.array([[0.1, 0.5], [0.7, 0.9]]))
    data = sweep(problem, ALPHA[:2], n_trials=4, store=tmp_path, executor=Inline())
    assert data.sizes == {"axis_0": 2, "axis_1": 2, "alpha": 2} and data.beta.dims == ("axis_0", "axis_1")


def test_covariances_and_fixed_sources(tmp_path, rng):
    mean, spectrum = rng.standard_normal(12) / 3, np.linspace(0.5, 2, 12)
    problem = TransferProblem.from_means(
        mean, mean, n_source=30, n_target=np.array([10, 20]), gamma_source=1.0, gamma_target=0.5, cov_target=spectrum
    )
    data = sweep(problem, ALPHA, n_trials=40, store=tmp_path, executor=Inline())
    assert data.attrs["engines"] == "dense" and data.attrs["dim"] == 12 and len(data.attrs["geometry_sha256"]) == 64
    np.testing.assert_allclose(data.sim_risk, np.stack([simulate(c, ALPHA, n_trials=40).risk for c in problem.cells()]))
    fixed = TransferProblem.from_source(rng.standard_normal((3, 12)), mean, n_target=20, gamma_target=0.5)
    data = sweep(fixed, ALPHA, n_trials=4, store=tmp_path, executor=Inline())
    assert data.sizes == {"axis_0": 3, "alpha": 4}
    np.testing.assert_allclose(data.theory_risk, [predict(c, ALPHA).risk for c in fixed.cells()])


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

    def recorded(problem, trials, *rest):
        drawn.append(trials)
        return piece(problem, trials, *rest)

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


def test_the_address_knows_everything_that_matters():
    def problem(beta):
        return TransferProblem(**BASE, n_target=30, beta=beta)

    def name(**changes):
        arguments = {"problem": problem(0.5), "alpha": ALPHA, "seed": 0, "method": "dense", "noise": "gaussian"}
        return Chunk(**{**arguments, "labels": "balanced", "start": 0, "count": 16, **changes}).name

    others = [
        name(problem=problem(0.6)),
        name(alpha=ALPHA[:2]),
        name(seed=1),
        name(method="chain"),
        name(noise="student"),
        name(labels="random"),
        name(start=16),
        name(count=8),
        name(numerics=0),
    ]
    assert len({name(), *others}) == 10
    assert name() == name(alpha=ALPHA.copy())


def test_numerics_version_of_another_store(tmp_path):
    sweep(problems(2), 1.0, n_trials=20, store=tmp_path, executor=Inline())
    label = tmp_path / "store.json"
    label.write_text(json.dumps({**json.loads(label.read_text()), "numerics_version": 0}))
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"store must be of numerics version \d+, got version 0 .*install the release"):
        sweep(problems(2), 1.0, n_trials=20, store=tmp_path)
    assert files(tmp_path) == before


def test_worker_of_another_version(tmp_path):
    chunk = Chunk(TransferProblem(**BASE, n_target=30, beta=0.5), ALPHA, 0, "chain", "gaussian", "balanced", 0, 8, -1)
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


GOOD = {**BASE, "n_target": 30, "beta": 0.5}


@pytest.mark.parametrize(
    ("problem", "alpha", "options", "error", "text"),
    [
        ({**GOOD, "gamma": 1}, 1.0, {}, ValueError, "got 'gamma'. Did you mean 'gamma_"),
        (BASE, 1.0, {}, ValueError, "got no n_target, beta"),
        ({**GOOD, "beta": [[0.5]]}, 1.0, {}, ValueError, "beta must be a number or a vector, got shape"),
        ({**GOOD, "beta": [0.5, 2]}, 1.0, {}, ValueError, r"beta must lie in \[-1, 1\], got 2"),
        ({**GOOD, "beta": []}, 1.0, {}, ValueError, "got 0"),
        ({**GOOD, "beta": "much"}, 1.0, {}, TypeError, "beta must be a real number"),
        ([GOOD], 1.0, {}, TypeError, "problems must be a TransferProblem or a mapping"),
        (GOOD, [], {}, ValueError, "alpha must have some values"),
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
        (GOOD, 1.0, {"n_trials": [5, 6]}, TypeError, "n_trials must be one whole number"),
        (GOOD, 1.0, {"seed": -1}, ValueError, "seed must lie in"),
        (GOOD, 1.0, {"shard": (2, 2)}, ValueError, r"shard must be \(i, k\)"),
        (GOOD, 1.0, {"shard": 3}, ValueError, r"shard must be \(i, k\)"),
        (GOOD, 1.0, {"noise": np.random.Generator.standard_normal}, TypeError, "Use simulate for it"),
        (GOOD, 1.0, {"noise": "pink"}, ValueError, "noise must be one of"),
        (GOOD, 1.0, {"executor": object()}, TypeError, r"client.get_executor\(\)"),
        ({**GOOD, "gamma_target": 0}, 1.0, {"method": "chain"}, ValueError, "Use method='dense'"),
    ],
)
def test_bad_input(tmp_path, problem, alpha, options, error, text):
    with pytest.raises(error, match=text):
        sweep(problem, alpha, **{"store": tmp_path / "s", **options})
    assert not (tmp_path / "s").exists()


def test_store_must_be_a_path():
    with pytest.raises(TypeError, match="store must be a path, got 3"):
        sweep(GOOD, 1.0, store=3)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
