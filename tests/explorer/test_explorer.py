"""The explorer without a browser: its state, its numbers, its pictures, what it exports, who may talk to it."""

import asyncio
import dataclasses
import io
import sys
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("marimo", reason="the explorer needs the extra 'explore'")
pytest.importorskip("vl_convert", reason="the explorer needs the extra 'explore'")

from rmt_alpha import compare, optimal_alpha, predict, rank_path
from rmt_alpha.estimate import choose_alpha
from rmt_alpha.explorer import picture, pictures, results, serve
from rmt_alpha.explorer.state import DATA, MANY, MAPS, State, read, settle
from rmt_alpha.problem.numbers import EXAMPLE, NUMBERS, written
from rmt_alpha.simulation.simulate import simulate

FULL = State(simulate=True, alpha_low=-3.0, alpha_high=8.0)
THREE = State(tab=MANY, mu=2.0, dim=200, n_target=100)
PENALTIES = State(
    2000.0, 40.0, 400.0, 1.0, 1.0, 0.2, 1.0, 1.0, map_x="gamma_target", map_y="gamma_source", map_shows="alpha"
)
STATES = [State(), FULL, THREE, PENALTIES, State(n_source=1e7, mu=5.0, gamma_target=1e4)]


@pytest.fixture(autouse=True)
def fresh():
    """Nothing kept from another test's numbers."""
    results._theory.cache_clear()


@pytest.fixture
def plain(monkeypatch):
    """Pictures without their script, which takes seconds to bundle and which files do not need."""
    monkeypatch.setattr(picture, "script", lambda: "export default {}")


def test_the_page_starts_with_the_example_problem():
    assert State().problem() == EXAMPLE.problem()


@pytest.mark.parametrize("state", STATES)
def test_a_link_carries_the_state(state):
    assert State.from_query(dict(parse_qsl(state.query()))) == state


def test_links_are_checked():
    with pytest.raises(ValueError, match="'betta'"):
        State.from_query({"betta": "1"})
    assert State.from_query({"beta": "-0.5"}) == State(beta=-0.5)


@pytest.mark.parametrize(
    ("text", "value"), [("1e6", 1e6), ("−2", -2.0), ("true", True), ("half", "half"), ("", ""), (3.0, 3.0)]
)
def test_what_is_typed_is_read(text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"beta": 1.5}, r"beta must lie in \[-1, 1\], got 1.5"),
        ({"beta": "half"}, "beta must be a real number"),
        ({"mu": ""}, "mu must be a real number"),
        ({"n_target": 2.5}, "n_target must be a whole number"),
        ({"n_target": np.inf}, "n_target must lie in"),
        ({"alpha_high": -20.0}, "alpha_high must be larger than alpha_low"),
        ({"alpha": 1e9}, "alpha must lie in"),
        ({"map_x": "gamma"}, "map_x must be one of"),
        ({"map_y": "beta"}, "map_y must be another parameter"),
        ({"map_shows": "height"}, "map_shows must be one of"),
        ({"simulate": 1.0}, "simulate must be True or False"),
        ({"tab": "Mine"}, "tab must be one of"),
        ({"classes": 7}, r"classes must lie in \[2, 6\]"),
        ({"classes": 2.5}, "classes must be a whole number"),
        ({"beta": "0,5"}, "beta must be a real number, such as 0.5 or 1e6, got '0,5'"),
        ({"rank": 0}, r"rank must lie in \[1, 6\], got 0"),
        ({"tab": MANY, "dim": 5.0}, "dim must be at least 2K = 6, got 5"),
        ({"gamma_target": 0.0, "n_target": 1000.0}, "gamma_target must be positive where"),
    ],
)
def test_an_impossible_value_is_named_and_the_last_good_one_kept(changed, message):
    good = State(beta=0.5, mu=1.5)
    state, errors = settle(dataclasses.replace(good, **changed), good)
    name = message.split()[0]
    assert name in errors and pd.Series([errors[name]]).str.contains(message, regex=True).all()
    assert results.curve(state) and results.plane(state)  # the page stands
    assert getattr(state, name) == getattr(good, name)


def test_every_impossible_value_is_named():
    state, errors = settle(State(beta=3.0, mu=-1.0, dim="x", alpha=2.0), State())
    assert set(errors) == {"beta", "mu", "dim"} and state == State(alpha=2.0)


def test_the_curve_is_the_library_s():
    shown, problem = results.curve(FULL), FULL.problem()
    best, alpha = optimal_alpha(problem), np.linspace(-3, 8, results.CURVE)
    np.testing.assert_array_equal(shown.lines["accuracy"], predict(problem, alpha).accuracy)
    assert dict(shown.marks["alpha"]) == {
        "best": best.alpha, "one": 1, "zero": 0, "own": 3, "worst": best.zero,
    }  # fmt: skip
    assert shown.marks.accuracy.best == best.accuracy


@pytest.mark.parametrize(
    "state", [THREE, dataclasses.replace(THREE, rank=1.0), dataclasses.replace(THREE, classes=4.0)]
)
def test_the_curve_of_many_classes_is_the_library_s(state):
    shown, fit = results.curve(state), state.fit()
    assert fit.population.components == state.classes and fit.rank == (1 if state.rank == 1 else None)
    some = shown.lines[::50]
    np.testing.assert_allclose(some["accuracy"], predict(fit, some["alpha"].to_numpy()).accuracy, atol=5e-4)
    assert shown.marks.alpha.best == pytest.approx(optimal_alpha(fit).alpha)
    assert shown.marks.accuracy.one == predict(fit, 1.0).accuracy and "worst" not in shown.marks.index


def test_the_classes_are_those_that_are_said():
    fit = dataclasses.replace(THREE, mu=2.0, mu_orth=1.0, beta=0.6, rank=3.0).fit()
    assert fit.rank is None  # nothing is restricted
    source, target = np.asarray(fit.starts[0].population.means), np.asarray(fit.population.means)
    np.testing.assert_allclose(np.linalg.norm(source, axis=1), 2 * np.array([4 / 3, 1, 2 / 3]))
    np.testing.assert_allclose(target[1] @ source[1], 0.6 * 4)
    np.testing.assert_allclose(np.linalg.norm(target[1]), np.hypot(0.6 * 2, 0.8 * 1))
    np.testing.assert_allclose(target @ target.T - np.diag(np.diag(target @ target.T)), 0, atol=1e-12)


def test_ranks_are_the_library_s():
    shown = results.curve(THREE)
    table = results.rank_table(THREE, shown)
    path = rank_path(THREE.fit(), [shown.marks.alpha.best, 3.0, 1.0]).accuracy
    for i, (_, part) in enumerate(table.groupby("series", sort=False)):
        np.testing.assert_array_equal(part["accuracy"], path[:, i])
    assert list(table["rank"][:4]) == [0, 1, 2, 3]


@pytest.mark.parametrize("state", [FULL, THREE])
def test_simulated_points_and_how_far_they_are(state, monkeypatch):
    monkeypatch.setattr(results, "TRIALS", 20)  # whatever the time allows, ten at least
    monkeypatch.setattr(results, "LONGEST", 60.0)
    points, said = results.simulated(state)
    alpha = np.linspace(state.alpha_low, state.alpha_high, results.POINTS)
    problem, method = (state.problem(), "chain") if state is FULL else (state.fit(), "dense")
    drawn, theory = simulate(problem, alpha, n_trials=20, method=method), predict(problem, alpha)
    np.testing.assert_array_equal(points["accuracy"], drawn.accuracy)
    np.testing.assert_allclose((points["high"] - points["low"]) / 2, drawn.accuracy_se)
    z, far = np.abs(compare(theory, drawn).accuracy).max(), 100 * np.abs(drawn.accuracy - theory.accuracy).max()
    assert f"20 trainings: largest |z| of accuracy against theory {z:.1f}; largest distance {far:.2f} points" in said
    assert ("1/p = 0.1 points" if state is FULL else "1/p = 0.5 points") in said


def test_simulations_that_cannot_be():
    with pytest.raises(ValueError, match="positive"):
        results.simulated(State(gamma_source=0.0))
    with pytest.raises(ValueError, match=r"dim must be at most 2e\+07/N to be simulated, got 1e\+06"):
        results.simulated(State(tab=MANY, dim=1e6))


def test_dragging_alpha_computes_nothing_but_its_own_accuracy(monkeypatch):
    first = results.curve(FULL)
    monkeypatch.setattr(results, "optimal_alpha", None)
    second = results.curve(dataclasses.replace(FULL, alpha=4.0))
    assert second.marks.accuracy.own == predict(FULL.problem(), 4.0).accuracy != first.marks.accuracy.own
    assert second.lines is first.lines


def test_a_simulation_takes_as_long_as_it_may(monkeypatch):
    monkeypatch.setattr(results, "LONGEST", 0.0)
    assert "Simulation, 10 trainings" in results.simulated(FULL)[1]


@pytest.mark.parametrize("x", NUMBERS)
@pytest.mark.parametrize("state", STATES)
def test_the_map_is_the_library_s_and_holds_the_problem(state, x):
    state = dataclasses.replace(state, map_x=x, map_y="beta" if x != "beta" else "mu")
    for shows in MAPS:
        x, y, z = results.plane(dataclasses.replace(state, map_shows=shows))
        assert x[0] <= getattr(state, state.map_x) <= x[-1]
        i, j = 7 % len(y), 3 % len(x)
        cell = state.problem(**{state.map_x: x[j], state.map_y: y[i]})
        best = optimal_alpha(cell)
        wanted = {
            "alpha": np.clip(best.alpha, -1e6, 1e6),
            "accuracy": 100 * best.accuracy,
            "gain_over_1": 100 * (best.accuracy - predict(cell, 1).accuracy),
            "gain_over_0": 100 * (best.accuracy - predict(cell, 0).accuracy),
        }
        assert z[i, j] == pytest.approx(wanted[shows], rel=1e-9, abs=1e-9)


def test_a_map_s_cells_cover_it():
    state = State(map_x="gamma_target", map_y="mu")
    tables = pictures.phase_map(state)["tables"]
    cells = pd.DataFrame(tables["map"])
    row = cells[cells["mu"] == cells["mu"].iloc[0]]
    np.testing.assert_array_equal(row["x0"].iloc[1:], row["x1"].iloc[:-1])
    x = row["gamma_target"].to_numpy()
    np.testing.assert_allclose(row["x1"].iloc[:-1], np.sqrt(x[1:] * x[:-1]))  # half-way, on a logarithmic axis
    assert row["x0"].iloc[0] == x[0] and row["x1"].iloc[-1] == x[-1]
    assert tables["here"].to_dict("list") == {"gamma_target": [0.1], "mu": [0.8]}


def test_the_curve_s_rows():
    shown = results.curve(FULL)
    tables = pictures.curve_tables(shown, {"pin 1": results.curve(State(beta=0.2))}, 3.0)
    lines = tables["curve"].groupby("series", sort=False)["accuracy"].apply(np.array)
    assert list(lines.index) == ["theory", "pin 1"]
    np.testing.assert_array_equal(lines["theory"], shown.lines["accuracy"])
    np.testing.assert_array_equal(lines["pin 1"], results.curve(State(beta=0.2)).lines["accuracy"])
    marks = tables["marks"].set_index("said")
    assert marks.loc[f"α* = {written(shown.marks.alpha.best)}", "alpha"] == shown.marks.alpha.best


def test_a_mark_outside_the_range_stands_at_its_edge():
    shown = results.curve(State(alpha_low=2.0, alpha_high=5.0))
    marks = pictures.curve_tables(shown, {}, 3.0)["marks"]
    assert list(marks["said"]) == ["α* = 7.47 →", "← α = 1", "← α = 0", "← ᾱ = −0.314"]
    assert list(marks["alpha"]) == [5.0, 2.0, 2.0, 2.0]
    assert list(marks["accuracy"]) == [shown.lines["accuracy"].iloc[-1], *[shown.lines["accuracy"][0]] * 3]


def test_your_alpha_is_in_the_picture_what_it_is_in_the_table(plain):
    state = State(alpha=2.5, alpha_low=-300.0, alpha_high=300.0)  # between two points of the curve
    shown = results.curve(state)
    own = pictures.curve_tables(shown, {}, state.alpha)["own"]
    assert own[["alpha", "accuracy"]].to_dict("list") == {"alpha": [2.5], "accuracy": [shown.marks.accuracy.own]}
    file = drawn(**pictures.curve(shown, {}, state)).file("svg").decode()
    assert f"your α = 2.5: {100 * shown.marks.accuracy.own:.2f} %" in file
    assert pictures.curve_tables(shown, {}, 400.0)["own"].empty  # outside, there is nothing to stand on


def test_infinite_alpha_is_drawn_and_said(monkeypatch):
    best = optimal_alpha(EXAMPLE.problem())
    monkeypatch.setattr(
        results, "optimal_alpha", lambda problem: dataclasses.replace(best, alpha=np.inf, at_infinity=True)
    )
    shown = results.curve(State())
    assert "approached" in shown.words[0] and "∞" in pictures.table(shown, {})
    assert "α* = ∞ →" in list(pictures.curve_tables(shown, {}, 3.0)["marks"]["said"])
    assert list(results.rank_table(THREE, dataclasses.replace(shown))["series"].unique()) == ["your α", "α = 1"]


def test_the_table_compares_pins():
    text = pictures.table(results.curve(State()), {"pin 1: β = 0.2": results.curve(State(beta=0.2))})
    assert 'id="row-pin-0"' in text and "pin 1: β = 0.2" in text and "nan" not in text
    assert pictures.pin_name(State(beta=0.2), 0) == "pin 1: β = 0.2"


def drawn(**how):
    shown = picture.Picture()
    shown.draw(**how)
    return shown


def made(state):
    shown = results.curve(state)
    if state.simulate:
        shown = dataclasses.replace(shown, points=results.simulated(state)[0])
    below = pictures.ranks(state, shown) if state.tab == MANY else pictures.phase_map(state)
    return drawn(**pictures.curve(shown, {}, state)), drawn(**below)


@pytest.mark.parametrize(
    "state", [State(), FULL, dataclasses.replace(FULL, map_shows="alpha", map_x="dim"), State(map_shows="accuracy")]
)
def test_files_are_the_pictures_on_the_screen(plain, state):
    curve, plane = (p.file("svg").decode() for p in made(state))
    assert f"your α = {state.alpha:g}: " in curve
    assert "α* = 7.47" in curve and MAPS[state.map_shows] in plane
    assert all(word not in text for text in (curve, plane) for word in ("NaN", "Infinity", "var("))
    assert "N = 5000, n = 40, p = 1000, ‖μ‖ = 0.8, ‖μ_⊥‖ = 0.8, β = 0.9, γ̃ = 5, γ = 0.1<" in curve
    assert (
        "‖μ_⊥‖ = 0.8, β = 0.9, γ̃ = 5" if state.map_x == "dim" else "p = 1000, ‖μ‖ = 0.8, ‖μ_⊥‖ = 0.8, γ̃ = 5"
    ) in plane


def test_files_of_many_classes_are_the_pictures_on_the_screen(plain):
    curve, ranks = (p.file("svg").decode() for p in made(THREE))
    assert "your α = 3: " in curve and "rank of the correction" in ranks and "α* = " in ranks
    assert all("β = 0.9, γ̃ = 5, γ = 0.1, K = 3, r = 6<" in text for text in (curve, ranks))


def test_files_are_of_their_kind(plain):
    curve, *_ = made(State())
    assert curve.file("pdf").startswith(b"%PDF") and curve.file("png").startswith(b"\x89PNG")


def test_exported_data_are_the_picture_s_rows(plain):
    curve, plane = (pd.read_csv(io.BytesIO(p.file("csv"))) for p in made(FULL))
    shown = results.curve(FULL)
    theory = curve[(curve["table"] == "curve") & (curve["series"] == "theory")]
    np.testing.assert_allclose(theory["accuracy"], shown.lines["accuracy"])
    points = curve[curve["table"] == "points"]
    assert len(points) == results.POINTS and np.all(points["low"] < points["accuracy"])
    one = plane[plane["table"] == "map"].iloc[99]
    problem = FULL.problem(beta=one["beta"], n_target=one["n_target"])
    assert one["z"] == pytest.approx(100 * (optimal_alpha(problem).accuracy - predict(problem, 1.0).accuracy))


@pytest.mark.parametrize(("value", "text"), [(7.4706, "7.47"), (-0.31380, "−0.314"), (0.0, "0"), (-np.inf, "−∞")])
def test_numbers_are_written_as_people_do(value, text):
    assert written(value) == text


class Upload:
    """A file as the page receives it."""

    def __init__(self, name, contents):
        self.name, self.contents = name, contents


@pytest.fixture(scope="module")
def frames():
    rng, e = np.random.default_rng(0), np.eye(2, 40)

    def rows(n, mean):
        y = rng.permutation(np.arange(n) % 2)
        frame = pd.DataFrame(
            np.outer(2 * y - 1, mean) + rng.standard_normal((n, 40)), columns=[f"x{i}" for i in range(40)]
        )
        return frame.assign(label=y)

    return {"source": rows(400, e[0]), "target": rows(60, 0.8 * e[0] + 0.6 * e[1])}


def uploads(frames, **changed):
    return {k: Upload(f"{k}.csv", v.to_csv(index=False).encode()) for k, v in frames.items()} | changed


def test_uploaded_files_go_through_choose_alpha(plain, frames):
    decision, errors = results.decide(uploads(frames), "label")
    (source, y_source), (target, y_target) = ((f.drop(columns="label"), f["label"].to_numpy()) for f in frames.values())
    wanted = choose_alpha((source, y_source), (target, y_target))
    assert errors == {} and decision.verdict == wanted.verdict and decision.alpha == pytest.approx(wanted.alpha)
    shown = results.decided(decision)
    assert shown.words == (wanted.verdict,) and list(shown.lines["series"].unique()) == ["left-out rows", "theory"]
    best = shown.marks.loc["best"]
    assert (best.alpha, best.accuracy) == pytest.approx((wanted.alpha, wanted.accuracy["chosen"].value))
    assert wanted.accuracy["1"].percent() in shown.marks.remark.one
    assert f"95 % interval {written(wanted.interval[0])} to {written(wanted.interval[1])}" in best.remark
    theory = shown.lines[shown.lines["series"] == "theory"]
    wanted_theory = np.interp(theory["alpha"], wanted.curve.alpha, wanted.curve.theory)
    np.testing.assert_allclose(theory["accuracy"], wanted_theory)
    np.testing.assert_array_equal(shown.band["low"], wanted.curve.accuracy_low)
    np.testing.assert_array_equal(shown.band["high"], wanted.curve.accuracy_high)
    tables = pictures.curve_tables(shown, {}, 3.0)
    file = drawn(**pictures.curve(shown, {}, State(tab=DATA))).file("svg").decode()
    assert "90 % band<" in file and list(tables["band"]["series"].unique()) == ["90 % band"]
    colors = next(layer for layer in pictures.curve_spec(shown)["layer"] if layer["mark"]["type"] == "line")["encoding"]
    assert colors["color"]["scale"]["range"][1] == pictures.COLORS[0]  # theory's own, in every tab


def test_uploaded_files_of_three_classes(frames):
    three = {k: f.assign(label=np.arange(len(f)) % 3) for k, f in frames.items()}
    decision, errors = results.decide(uploads(three), "label")
    assert errors == {} and list(results.decided(decision).lines["series"].unique()) == ["left-out rows"]


@pytest.mark.parametrize(
    ("changed", "label", "field", "message"),
    [
        ({"source": None}, "label", "source", "source must be a CSV file with a header, got none"),
        ({"target": None}, "label", "target", "target must be a CSV file"),
        ({}, "class", "label", "source.csv has no column 'class'"),
        ({"target": Upload("mine.csv", b"label,x\n1,a\n0,b\n")}, "label", "target", "mine.csv: not a finite number in row 1 of column 'x': 'a'"),
        ({}, "x0", "label", "source.csv: column 'x0' must hold classes, got real numbers"),
        ({"target": Upload("mine.csv", b"label,x\n1,1\n0,2\n1,3\n0,5\n")}, "label", "source", "must have the same columns"),
        ({"target": Upload("mine.csv", b"\xff\xfe\x00")}, "label", "target", "mine.csv cannot be read"),
        ({"target": Upload("mine.exe", b"label,x\n1,1\n")}, "label", "target", "mine.exe must end in"),
        ({"target": Upload("../../mine.csv", b"")}, "label", "target", "mine.csv cannot be read"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_named_with_their_field(frames, changed, label, field, message):
    decision, errors = results.decide(uploads(frames, **changed), label)
    assert decision is None and list(errors) == [field] and message in errors[field]
    assert "/tmp" not in errors[field] and "--label" not in errors[field]


def asked(kind, **headers):
    """What the guard answers, and whether the page was reached."""
    reached, sent = [], []

    async def app(scope, receive, send):
        reached.append(scope)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"Access-Control-Allow-Origin", b"*"), (b"x-own", b"1")],
            }
        )

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        sent.append(message)

    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(serve.Guard(app, 8000)({"type": kind, "headers": given}, receive, send))
    return bool(reached), sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("headers", "welcome"),
    [
        ({"host": "127.0.0.1:8000"}, True),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, True),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}, True),
        ({"host": "127.0.0.1:8000", "origin": "http://evil.example"}, False),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:9000"}, False),
        ({"host": "127.0.0.1:8000", "origin": "https://127.0.0.1:8000"}, False),
        ({"host": "127.0.0.1:8000", "origin": "null"}, False),
        ({"host": "127.0.0.1:8000", "origin": "http://localhost:8000"}, False),
        ({"host": "evil.example:8000"}, False),  # a name of another's that points here
        ({"host": "127.0.0.1"}, False),
        ({}, False),
    ],
)
def test_only_the_page_itself_is_answered(kind, headers, welcome):
    reached, sent = asked(kind, **headers)
    assert reached == welcome
    if not welcome:
        assert sent[0].get("code") == 1008 if kind == "websocket" else sent[0]["status"] == 403


@pytest.mark.parametrize("port", [70000, -1, 80.5, "http"])
def test_ports_that_cannot_be(port):
    with pytest.raises((ValueError, TypeError), match="port must"):
        serve.serve(port)


def test_a_taken_port_is_named():
    with serve._listen(0) as other, pytest.raises(OSError, match="port must be free on 127.0.0.1"):
        serve._listen(other.getsockname()[1])


def test_a_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.delitem(sys.modules, picture.__name__)  # which imports it
    with pytest.raises(ImportError, match=r"vl_convert. Run: pip install -e '\.\[explore\]'"):
        serve.serve()


def test_the_command_line_is_not_needed():
    import subprocess

    code = "import sys; from rmt_alpha.explorer import controls, serve; print([m for m in sys.modules if m in ('rmt_alpha.cli', 'tyro')])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_picture_that_is_as_it_was_is_not_sent(plain):
    shown, sent = picture.Picture(), []
    shown.observe(lambda event: sent.append(event["new"]["label"]), "shown")
    table = pd.DataFrame({"x": [1.0, 2.0]})
    for label, rows in (("a", table), ("a", table.copy()), ("b", table), ("b", table + 1)):
        shown.draw({}, {"map": rows}, label)
    assert sent == ["a", "b", "b"]


@pytest.mark.parametrize("dim", [1000.0, 999.5])
def test_a_map_that_crosses_the_ridgeless_singularity(dim):
    state = State(gamma_target=0.0, n_target=40.0, dim=np.floor(dim))
    _, n, z = results.plane(state)
    assert np.all(np.isfinite(z)) and n[0] < state.dim <= n[-1]
    problem = state.problem(n_target=n[20], beta=-1.0)
    assert z[20, 0] == pytest.approx(100 * (optimal_alpha(problem).accuracy - predict(problem, 1.0).accuracy), abs=1e-3)


def test_a_mark_keeps_its_shape_when_its_value_changes():
    spec = pictures.curve_spec(results.curve(State()))
    shape = next(layer for layer in spec["layer"] if layer["data"]["name"] == "marks")["encoding"]["shape"]
    assert shape["sort"] == {"field": "order"}  # not that of appearance, which a picture that stays remembers
    assert "circle" not in shape["scale"]["range"]  # that of simulated points
    for state in (State(), State(beta=0.2)):
        marks = pictures.curve_tables(results.curve(state), {}, 3.0)["marks"].sort_values("order")
        assert [said.split(" = ")[0].strip("← ") for said in marks["said"]] == ["α*", "α", "α", "ᾱ"]


def test_no_line_has_the_colour_of_your_alpha(plain):
    shown = results.curve(State())
    file = drawn(**pictures.curve(shown, {f"pin {i}": shown for i in range(1, 6)}, State())).file("svg").decode()
    assert file.count(f'stroke="{pictures.ORANGE}"') == 1


def test_a_pin_of_many_classes_says_how_many():
    assert pictures.pin_name(State(tab=MANY), 0) == "pin 1: K = 3"
    assert pictures.pin_name(State(), 0) == "pin 1: the example"
