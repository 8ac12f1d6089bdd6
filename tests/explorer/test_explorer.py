"""The explorer without a browser: its state, its numbers, its pictures, what it exports, who may talk to it."""

import asyncio
import dataclasses
import io
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("marimo", reason="the explorer needs the extra 'explore'")
pytest.importorskip("vl_convert", reason="the explorer needs the extra 'explore'")

from rmt_alpha import compare, optimal_alpha, predict
from rmt_alpha.explorer import picture, pictures, results, serve
from rmt_alpha.explorer.state import MAPS, PRESETS, State, read, settle
from rmt_alpha.problem.numbers import EXAMPLE, NUMBERS
from rmt_alpha.simulation.simulate import simulate
from rmt_alpha.theory.published import optimal_alpha_published

FULL = State(published=True, simulate=True, alpha_low=-3.0, alpha_high=8.0)
STATES = [State(), FULL, *PRESETS.values()]


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
        ({"trials": 1}, "trials must lie in"),
        ({"trials": 1e8}, "trials must lie in"),
        ({"map_x": "gamma"}, "map_x must be one of"),
        ({"map_y": "beta"}, "map_y must be another parameter"),
        ({"map_shows": "height"}, "map_shows must be one of"),
        ({"simulate": 1.0}, "simulate must be true or false"),
        ({"gamma_target": 0.0, "n_target": 1000.0}, "gamma_target must be positive where"),
    ],
)
def test_an_impossible_value_is_named_and_the_last_good_one_kept(changed, message):
    good = State(beta=0.5, mu=1.5)
    state, errors = settle(dataclasses.replace(good, **changed), good)
    name = message.split()[0]
    assert name in errors and pd.Series([errors[name]]).str.contains(message, regex=True).all()
    results.curve(state), results.plane(state)  # the page stands
    assert getattr(state, name) == getattr(good, name)


def test_every_impossible_value_is_named():
    state, errors = settle(State(beta=3.0, mu=-1.0, dim="x", alpha=2.0), State())
    assert set(errors) == {"beta", "mu", "dim"} and state == State(alpha=2.0)


def test_the_curve_is_the_library_s():
    shown, problem = results.curve(FULL), FULL.problem()
    best = optimal_alpha(problem)
    np.testing.assert_array_equal(shown.theory.accuracy, predict(problem, np.linspace(-3, 8, results.CURVE)).accuracy)
    assert {mark.key: mark.alpha for mark in shown.marks} == {
        "best": best.alpha, "one": 1, "zero": 0, "own": 3, "worst": best.zero, "least_risk": best.least_risk,
        "published": optimal_alpha_published(problem),
    }  # fmt: skip
    # What the published α* is worth is said by the corrected form.
    assert shown.mark("published").at.accuracy == predict(problem, shown.mark("published").alpha).accuracy


def test_simulated_points_and_how_far_they_are():
    shown, alpha = results.simulated(FULL), np.linspace(-3, 8, results.POINTS)
    drawn, theory = simulate(FULL.problem(), alpha, n_trials=1000, method="chain"), predict(FULL.problem(), alpha)
    np.testing.assert_array_equal(shown.moments.accuracy, drawn.accuracy)
    assert shown.max_abs_z == compare(theory, drawn).max_abs
    assert shown.distance == 100 * np.abs(drawn.accuracy - theory.accuracy).max()
    words = pictures.comparison(shown, 1000)
    assert f"{shown.max_abs_z:.1f}" in words and "1/p = 0.1 points" in words


def test_simulations_that_cannot_be(monkeypatch):
    with pytest.raises(ValueError, match="positive"):
        results.simulated(State(gamma_source=0.0))
    monkeypatch.setattr(results, "LONGEST", 0.0)
    with pytest.raises(ValueError, match="trials must be few enough"):
        results.simulated(State())


@pytest.mark.parametrize("x", NUMBERS)
@pytest.mark.parametrize("state", STATES)
def test_the_map_is_the_library_s_and_holds_the_problem(state, x):
    state = dataclasses.replace(state, map_x=x, map_y="beta" if x != "beta" else "mu")
    shown = results.plane(state)
    assert shown.x[0] <= getattr(state, x) <= shown.x[-1]
    i, j = 7 % len(shown.y), 3 % len(shown.x)
    cell = state.problem(**{state.map_x: shown.x[j], state.map_y: shown.y[i]})
    best = optimal_alpha(cell)
    wanted = {
        "alpha": np.clip(best.alpha, -1e6, 1e6),
        "accuracy": 100 * best.accuracy,
        "gain_over_1": 100 * (best.accuracy - predict(cell, 1).accuracy),
        "gain_over_0": 100 * (best.accuracy - predict(cell, 0).accuracy),
    }
    assert list(wanted) == [name for name in shown.columns] and set(wanted) == set(MAPS)
    for name, value in wanted.items():
        assert shown.columns[name][i, j] == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_a_map_s_cells_cover_it():
    state = State(map_x="gamma_target", map_y="mu")
    tables = pictures.map_tables(state, results.plane(state))
    cells = pd.DataFrame(tables["map"])
    row = cells[cells["mu"] == cells["mu"].iloc[0]]
    np.testing.assert_array_equal(row["x0"].iloc[1:], row["x1"].iloc[:-1])
    assert np.all((row["x0"] <= row["gamma_target"]) & (row["gamma_target"] <= row["x1"]))
    assert tables["here"] == {"gamma_target": [0.1], "mu": [0.8]}


def test_the_curve_s_rows():
    shown = results.curve(FULL)
    other = results.curve(State(beta=0.2))
    tables = pictures.curve_tables(shown, results.simulated(FULL), {"pin 1": other})
    lines = pd.DataFrame(tables["curve"]).groupby("series", sort=False)["accuracy"].apply(np.array)
    assert list(lines.index) == ["theory", "published code", "pin 1"]
    np.testing.assert_array_equal(lines["theory"], shown.theory.accuracy)
    inside = predict(State(beta=0.2).problem(), shown.alpha).accuracy
    np.testing.assert_allclose(lines["pin 1"], inside, atol=2e-3)  # between its own points
    points = pd.DataFrame(tables["simulation"])
    drawn = results.simulated(FULL).moments
    np.testing.assert_allclose((points["high"] - points["low"]) / 2, drawn.accuracy_se)
    marks = pd.DataFrame(tables["marks"]).set_index("said")
    assert marks.loc[f"α* = {pictures.number(shown.best.alpha)}", "alpha"] == shown.best.alpha


def test_a_mark_outside_the_range_stands_at_its_edge():
    shown = results.curve(State(alpha_low=2.0, alpha_high=5.0))
    marks = pd.DataFrame(pictures.curve_tables(shown, None, {})["marks"])
    assert list(marks["said"]) == ["α* = 7.47 →", "← α = 1", "← α = 0", "← ᾱ = −0.314"]
    assert list(marks["alpha"]) == [5.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("state", STATES)
def test_no_label_lies_over_another(state):
    marks = pd.DataFrame(pictures.curve_tables(results.curve(state), None, {})["marks"])
    shown = results.curve(state)
    x = 700 * (marks["alpha"] - shown.alpha[0]) / np.ptp(shown.alpha)
    y = (
        280 * (1 - (marks["accuracy"] - shown.theory.accuracy.min()) / max(np.ptp(shown.theory.accuracy), 0.01))
        + marks["dy"]
    )
    wide = 7 * marks["said"].str.len()
    left = np.where(marks["align"] == "left", x + marks["dx"], x + marks["dx"] - wide)
    for i in range(len(marks)):
        for j in range(i):
            apart = left[i] >= left[j] + wide[j] or left[j] >= left[i] + wide[i] or abs(y[i] - y[j]) >= 14
            assert apart, (marks["said"][i], marks["said"][j])


def test_densities_are_normal_and_shaded_where_wrong():
    shown = results.curve(State())
    tables = pictures.scores_tables(shown)
    rows = pd.DataFrame(tables["scores"])
    own = rows[(rows["row"] == "own") & (rows["class"] == "y = +1")]
    at = shown.mark("own").at
    assert own["x"].iloc[own["y"].argmax()] == pytest.approx(at.mean / np.sqrt(at.variance), abs=0.1)
    height = own["y"] - own["base"]
    assert height[own["wrong"]].sum() / height.sum() == pytest.approx(1 - at.accuracy, abs=0.02)
    assert f"α* = 7.47: {100 * shown.best.accuracy:.1f} %" in tables["laws"]["said"]


def test_infinite_alpha_is_drawn_and_said(monkeypatch):
    best = optimal_alpha(EXAMPLE.problem())
    monkeypatch.setattr(
        results, "optimal_alpha", lambda problem: dataclasses.replace(best, alpha=np.inf, at_infinity=True)
    )
    shown = results.curve(State())
    assert "approached" in pictures.headline(shown) and "+∞" in pictures.table({"": shown})
    assert "α* = +∞ →" in pictures.curve_tables(shown, None, {})["marks"]["said"]
    assert not any("α*" in said for said in pictures.scores_tables(shown)["laws"]["said"])


def test_the_table_compares_pins():
    text = pictures.table({"": results.curve(State()), "pin 1: β = 0.2": results.curve(State(beta=0.2))})
    assert 'id="row-pin-0"' in text and "pin 1: β = 0.2" in text and "nan" not in text
    assert pictures.pin_name(State(beta=0.2), 0) == "pin 1: β = 0.2"


def made(state):
    shown = results.curve(state)
    points = results.simulated(state) if state.simulate else None
    curve = picture.Picture(
        spec=pictures.curve_spec(state.alpha_low, state.alpha_high),
        tables=pictures.curve_tables(shown, points, {}), signals={"alpha": float(state.alpha)},
    )  # fmt: skip
    scores = picture.Picture(spec=pictures.scores_spec(), tables=pictures.scores_tables(shown))
    return (
        curve,
        scores,
        picture.Picture(spec=pictures.map_spec(state), tables=pictures.map_tables(state, results.plane(state))),
    )


@pytest.mark.parametrize(
    "state", [State(), FULL, dataclasses.replace(FULL, map_shows="alpha", map_x="dim"), State(map_shows="accuracy")]
)
def test_files_are_the_pictures_on_the_screen(plain, state):
    curve, scores, plane = (p.file("svg").decode() for p in made(state))
    assert f"your α = {state.alpha:g}: " in curve and ("published code" in curve) == state.published
    assert "α* = 7.47" in curve and "shaded: wrong" in scores and MAPS[state.map_shows] in plane
    assert all("NaN" not in text and "Infinity" not in text for text in (curve, scores, plane))


def test_files_are_of_their_kind(plain):
    curve, *_ = made(State())
    assert curve.file("pdf").startswith(b"%PDF") and curve.file("png").startswith(b"\x89PNG")


def test_exported_data():
    curve = pd.read_csv(io.BytesIO(results.curve_csv(FULL)))
    np.testing.assert_allclose(curve[curve["form"] == "theory"]["accuracy"], results.curve(FULL).theory.accuracy)
    np.testing.assert_allclose(
        curve[curve["form"] == "simulation"]["accuracy_se"], results.simulated(FULL).moments.accuracy_se
    )
    assert {"published", "α*", "ᾱ", "α = 1", "α = 0"} <= set(curve["form"])
    cells = pd.read_csv(io.BytesIO(results.map_csv(FULL)))
    one = cells.iloc[99]
    assert one["alpha"] == pytest.approx(optimal_alpha(FULL.problem(beta=one["beta"], n_target=one["n_target"])).alpha)


def test_the_library_s_lines_run(capsys):
    names = {}
    exec(pictures.python_lines(FULL), names)
    assert names["problem"] == FULL.problem() and repr(names["best"]) in capsys.readouterr().out
    np.testing.assert_array_equal(names["accuracy"], results.curve(FULL).theory.accuracy)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.4706, "7.47"),
        (-0.31380, "−0.314"),
        (0.0, "0"),
        (5000.4, "5000"),
        (1e12, "10¹²"),
        (2.5e-6, "2.5·10⁻⁶"),
        (-np.inf, "−∞"),
    ],
)
def test_numbers_are_written_as_people_do(value, text):
    assert pictures.number(value) == text


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
        assert sent[0] == {"type": "websocket.close", "code": 1008} if kind == "websocket" else sent[0]["status"] == 403


def test_answers_are_not_shared_with_other_origins():
    _, sent = asked("http", host="127.0.0.1:8000")
    names = [name.lower() for name, _ in sent[0]["headers"]]
    assert b"x-own" in names and not any(name.startswith(b"access-control") for name in names)


@pytest.mark.parametrize("port", [70000, -1, 80.5, "http"])
def test_ports_that_cannot_be(port):
    with pytest.raises((ValueError, TypeError), match="port must"):
        serve.serve(port)


def test_a_taken_port_is_named():
    with serve._listen(0) as other, pytest.raises(OSError, match="port must be free on 127.0.0.1"):
        serve._listen(other.getsockname()[1])


def test_a_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(ImportError, match=r"vl_convert. Run: pip install -e '\.\[explore\]'"):
        serve.serve()


def test_the_page_is_found():
    assert serve.notebook().name == "explore.py" and serve.notebook().with_suffix(".css").is_file()


def test_the_command_line_is_not_needed():
    import subprocess
    import sys

    code = "import sys; from rmt_alpha.explorer import controls, serve; print([m for m in sys.modules if m in ('rmt_alpha.cli', 'tyro')])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
