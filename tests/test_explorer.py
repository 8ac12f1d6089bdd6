"""The explorer without a browser: its state, its numbers, its pictures, what it exports, and the command's bad input."""

import csv
import dataclasses
import io
import socket
import sys
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments import (
    accuracy_vs_alpha,
    moments_vs_gamma,
    optimal_alpha_map,
    optimal_alpha_vs_beta,
    score_distribution,
)
from experiments import optimal_alpha_given_source as given_source
from rmt_alpha import TransferProblem, compare, optimal_alpha, predict, simulate
from rmt_alpha.cli import main
from rmt_alpha.commands import explore
from rmt_alpha.commands.options import EXAMPLE
from rmt_alpha.explorer import export, pictures, results
from rmt_alpha.explorer.state import MAPS, PRESETS, State
from rmt_alpha.explorer.svg import number
from rmt_alpha.problem import NUMBERS
from rmt_alpha.theory.published import optimal_alpha_published

SETTINGS = [state for settings in PRESETS.values() for state in settings.values()]
FULL = State(published=True, simulate=True, alpha_low=-3.0, alpha_high=8.0)


def test_the_page_starts_with_the_shell_s_example():
    assert {name: getattr(State(), name) for name in NUMBERS} == dataclasses.asdict(EXAMPLE)


@pytest.mark.parametrize("state", [State(), FULL, *SETTINGS])
def test_a_link_carries_the_state(state):
    assert State.from_query(dict(parse_qsl(state.query()))) == state


def test_a_link_may_leave_out_what_is_usual():
    assert State.from_query({"beta": "-0.5"}) == State(beta=-0.5)


def test_links_are_checked():
    with pytest.raises(ValueError, match="got 'betta'. Did you mean 'beta'?"):
        State.from_query({"betta": "1"})
    with pytest.raises(TypeError, match="beta must be a real number.* got 'half'"):
        results.curve(State.from_query({"beta": "half"}))


@pytest.mark.parametrize(
    ("figure", "experiment"),
    [
        ("Accuracy against α", [(5000, 40, 1000, 0.8, 0.8, beta, 5, 0.1) for beta in accuracy_vs_alpha.BETAS]),
        ("α* against β", [(2000, 200, dim, 1, 1, 0.8, 1, 1) for dim in optimal_alpha_vs_beta.DIMS]),
        ("Maps over the penalties", [(2000, 40, 400, 1, 1, beta, 1, 1) for beta in optimal_alpha_map.BETAS]),
        (
            "Score densities",
            [(5000, 200, 400, 1.5, 1, beta, 1, 1) for beta in score_distribution.BETAS for _ in range(3)],
        ),
        (
            "Moments against γ",
            [(N, n, p, mu, mu_orth, beta, 1, 1) for N, n, p, _, beta, mu, mu_orth in moments_vs_gamma.SETTINGS],
        ),
    ],
)
def test_presets_are_the_experiments_problems(figure, experiment):
    presets = PRESETS[figure].values()
    assert [tuple(getattr(state, name) for name in NUMBERS) for state in presets] == experiment


def test_a_fixed_source_is_a_limit_of_trained_ones():
    """w̃ = μ/2 there, so α is twice that of the unit vector."""
    for dim, state in zip(
        given_source.DIMS, PRESETS["α* given the source (α is twice the figure's)"].values(), strict=True
    ):
        fixed = optimal_alpha(given_source.problem(0.7, dim, 200, 1.0))
        assert optimal_alpha(state.problem()).best == pytest.approx(2 * fixed.best, rel=1e-4)


def test_the_curve_is_the_library_s():
    shown = results.curve(FULL)
    problem = FULL.problem()
    best = optimal_alpha(problem)
    np.testing.assert_array_equal(shown.theory.accuracy, predict(problem, np.linspace(-3, 8, 401)).accuracy)
    places = {key: mark.alpha for key, mark in shown.marks.items()}
    assert places == {
        "best": best.best, "one": 1, "zero": 0, "own": 3, "worst": best.worst, "least_risk": best.min_risk,
        "published": optimal_alpha_published(problem).best,
    }  # fmt: skip
    # What the published α* is worth is said by the corrected form.
    assert shown.marks["published"].at.accuracy == predict(problem, places["published"]).accuracy


def test_simulated_points_are_the_chain_s():
    points = results.simulated(FULL)
    alpha = np.linspace(-3, 8, 25)
    drawn = simulate(FULL.problem(), alpha, n_trials=1000, method="chain")
    np.testing.assert_array_equal(points.moments.accuracy_se, drawn.accuracy_se)
    assert points.max_abs_z == compare(predict(FULL.problem(), alpha), drawn).max_abs


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"trials": 1}, "trials must lie in"),
        ({"trials": 1e8}, "trials must be few enough for 2 s"),
        ({"gamma_source": 0.0}, "positive penalties"),
    ],
)
def test_simulations_that_cannot_be(changed, message):
    with pytest.raises(ValueError, match=message):
        results.simulated(State(**changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"beta": 1.5}, r"beta must lie in \[-1, 1\], got 1.5"),
        ({"n_target": 2.5}, "n_target must be a whole number"),
        ({"alpha_low": 9.0, "alpha_high": 2.0}, "alpha_high must be larger than alpha_low, 9, got 2"),
        ({"alpha": 1e9}, "alpha must lie in"),
        ({"gamma_target": 0, "n_target": 1000}, "gamma_target must be positive where n_target equals dim"),
    ],
)
def test_impossible_values_are_explained(changed, message):
    with pytest.raises(ValueError, match=message):
        results.curve(State(**changed))


def test_impossible_maps_are_explained():
    with pytest.raises(ValueError, match="map_y must be another parameter"):
        results.plane(State(map_x="beta", map_y="beta"))
    with pytest.raises(ValueError, match="map_shows must be one of"):
        results.plane(State(map_shows="height"))


@pytest.mark.parametrize("shows", MAPS)
def test_the_map_is_the_library_s(shows):
    state = State(map_x="dim", map_y="gamma_target", map_shows=shows)
    shown = results.plane(state)
    cell = state.problem(dim=shown.x[7], gamma_target=shown.y[50])
    best = optimal_alpha(cell)
    wanted = {
        "best": best.best,
        "accuracy": 100 * best.accuracy,
        "gain_over_1": 100 * (best.accuracy - predict(cell, 1).accuracy),
        "gain_over_0": 100 * (best.accuracy - predict(cell, 0).accuracy),
    }
    assert shown.values[50, 7] == pytest.approx(wanted[shows], rel=1e-12)


@pytest.mark.parametrize("x", NUMBERS)
def test_the_current_problem_is_on_every_map(x):
    y = "beta" if x != "beta" else "mu"
    for state in SETTINGS:
        shown = results.plane(dataclasses.replace(state, map_x=x, map_y=y))
        assert shown.x[0] <= state.numbers()[x] <= shown.x[-1]


@pytest.mark.parametrize("state", [State(), FULL, *SETTINGS])
def test_pictures_are_sound(state):
    shown = results.curve(state)
    points = results.simulated(state) if state.simulate else None
    drawn = [pictures.draw_curve(shown, points, narrow) for narrow in (False, True)]
    drawn += [pictures.draw_densities(shown), pictures.draw_map(state, results.plane(state)), pictures.table(shown)]
    for text in drawn:
        ElementTree.fromstring(text)
        assert "nan" not in text.lower()


def test_the_picture_s_line_is_theory():
    state = State()
    root = ElementTree.fromstring(pictures.draw_curve(results.curve(state), None, False))
    points = root.find("polyline[@id='theory']").get("points")
    x, y = np.array([pair.split(",") for pair in points.split()], float).T
    assert len(x) == 401 and np.all(np.diff(x) > 0)
    # Pixels are affine in the accuracy.
    accuracy = predict(state.problem(), state.alphas(401)).accuracy
    slope, start = np.polyfit(accuracy, y, 1)
    assert slope < 0 and np.max(np.abs(start + slope * accuracy - y)) < 0.1


def test_infinite_alpha_is_drawn_and_said(monkeypatch):
    best = optimal_alpha(EXAMPLE.problem())
    monkeypatch.setattr(
        results, "optimal_alpha", lambda problem: dataclasses.replace(best, best=np.inf, at_infinity=True)
    )
    shown = results.curve(State())
    assert "α* = +∞ →" in pictures.draw_curve(shown, None, False) and "approached" in pictures.headline(shown)
    assert "+∞" in pictures.table(shown) and "α*" not in pictures.draw_densities(shown)


@pytest.mark.parametrize(
    "state",
    [
        State(gamma_target=0.0, map_y="mu"),
        dataclasses.replace(FULL, map_shows="gain_over_0", map_y="mu_orth"),
        dataclasses.replace(SETTINGS[5], map_shows="accuracy"),
        dataclasses.replace(SETTINGS[10], map_shows="best"),
    ],
)
def test_the_python_lines_run(state, tmp_path, monkeypatch):
    names = {}
    monkeypatch.chdir(tmp_path)
    exec(export.python_lines(state), names)
    assert names["best"].best == optimal_alpha(state.problem()).best
    np.testing.assert_array_equal(names["shown"], results.plane(state).values)
    assert (tmp_path / "explorer.pdf").read_bytes() == export.figure(state, "pdf")
    names["plotting"].plt.close(names["fig"])


def test_exported_figures_are_files_of_their_kind():
    assert export.figure(State(), "pdf").startswith(b"%PDF") and export.figure(FULL, "png").startswith(b"\x89PNG")


def test_exported_data():
    rows = list(csv.DictReader(io.StringIO(results.curve_csv(FULL).decode())))
    drawn = results.simulated(FULL).moments
    theory = [float(row["accuracy"]) for row in rows if row["form"] == "theory"]
    np.testing.assert_array_equal(theory, results.curve(FULL).theory.accuracy)
    errors = [float(row["accuracy_se"]) for row in rows if row["form"] == "simulation"]
    np.testing.assert_array_equal(errors, drawn.accuracy_se)
    assert {row["form"] for row in rows} >= {"published", "α*", "ᾱ", "α = 1", "α = 0"}
    assert all(row["accuracy_se"] == "" for row in rows if row["form"] != "simulation")
    cells = list(csv.DictReader(io.StringIO(results.map_csv(FULL).decode())))
    one = TransferProblem(
        **{**FULL.numbers(), "beta": float(cells[99]["beta"]), "n_target": float(cells[99]["n_target"])}
    )
    assert len(cells) == results.plane(FULL).values.size and float(cells[99]["best"]) == optimal_alpha(one).best


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
    assert number(value) == text


def said(capsys, *arguments):
    assert main(["explore", "--no-browser", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rmt-alpha: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize("port", ["70000", "-1", "80.5", "http"])
def test_ports_that_cannot_be(capsys, port):
    assert "port" in said(capsys, "--port", port)


def test_a_missing_extra_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "marimo", None)
    assert "pip install 'rmt_alpha[explore]'" in said(capsys)


def test_a_taken_port_is_named(capsys):
    pytest.importorskip("marimo", reason="the explorer needs the extra 'explore'")
    pytest.importorskip("anywidget", reason="the explorer needs the extra 'explore'")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port must be free on 127.0.0.1, got {port}" in said(capsys, "--port", str(port))


def test_the_page_is_found():
    assert explore.notebook().name == "explore.py" and explore.notebook().with_suffix(".css").is_file()
