"""The explorer as its user meets it: served by the command, driven in headless Chromium.

Skipped where marimo, playwright or a Chromium is missing; with RMT_ALPHA_BROWSER=required that is an error instead.
"""

import csv
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from explorer_visit import CHROMIUM, FLAGS, Visit, missing, served

from rmt_alpha import optimal_alpha, predict
from rmt_alpha.explorer.state import PRESETS, State
from rmt_alpha.theory.published import optimal_alpha_published

if (reason := missing()) is not None:
    if os.environ.get("RMT_ALPHA_BROWSER") == "required":
        raise RuntimeError(reason)
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="module")
def server():
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)  # in a new, empty profile
        yield browser
        browser.close()


@pytest.fixture
def visit(server, chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    visit = Visit(context.new_page(), server)
    yield visit
    context.close()
    assert visit.elsewhere == [] and visit.complaints == []


def line(page):
    return page.get_attribute("#theory", "points")


def test_the_first_page_answers_the_question(visit):
    page = visit.open().page
    best = optimal_alpha(State().problem())
    assert visit.alpha("best") == best.best and visit.alpha("worst") == best.worst
    assert page.inner_text("#headline") == "Accuracy 73.1 % at α* = 7.471; α = 1 gives 66.8 %, 6.3 points less."
    assert [page.inner_text(f"#row-{row} td >> nth=1") for row in ("one", "zero")] == ["66.78 %", "54.93 %"]
    assert page.get_by_role("img", name=re.compile("Accuracy against α from −10 to 15; α\\* = 7.471")).count() == 1
    marks = page.text_content("#curve")
    assert all(mark in marks for mark in ("α* = 7.47", "ᾱ = −0.314", "α = 1", "α = 0", "your α = 3"))
    assert page.locator("svg[role=img]").count() == 3


def test_the_first_screen(visit):
    """What a visitor sees before scrolling; kept as a picture where RMT_ALPHA_SCREENSHOT names a file (the README's is one)."""
    page = visit.open("?simulate=true").page
    page.wait_for_selector("#map")
    sight = [
        page.locator(name).bounding_box()
        for name in ("#headline", "#curve", "#densities", "#map", "#gamma_target-slider")
    ]
    assert all(box["y"] >= 0 and box["y"] < 900 for box in sight)
    if path := os.environ.get("RMT_ALPHA_SCREENSHOT"):
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.wait_for_timeout(500)
        page.screenshot(path=path)


def test_moving_a_slider_moves_the_curve(visit):
    page = visit.open().page
    before = line(page)
    page.locator("#beta-slider").fill("0.5")
    visit.shows("best", optimal_alpha(State(beta=0.5).problem()).best)
    assert line(page) != before and page.input_value("#beta") == "0.5"


def test_the_keyboard_moves_sliders_and_fields(visit):
    """Focus stays where it is while the page redraws."""
    page = visit.open().page
    page.focus("#beta-slider")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(80)
    visit.shows("best", optimal_alpha(State(beta=0.85).problem()).best)
    page.keyboard.press("Tab")  # to the next field
    assert page.evaluate("document.querySelector('marimo-anywidget').shadowRoot.activeElement.id") == "gamma_source"
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(200)
    gamma = float(page.input_value("#gamma_source"))
    assert gamma > 5
    visit.shows("best", optimal_alpha(State(beta=0.85, gamma_source=gamma).problem()).best)


def test_a_logarithmic_slider(visit):
    page = visit.open().page
    page.locator("#n_target-slider").fill("3")
    visit.shows("best", optimal_alpha(State(n_target=1000).problem()).best)
    assert page.input_value("#n_target") == "1000"


def test_a_number_field_takes_what_no_slider_reaches(visit):
    page = visit.open().page
    page.get_by_label("p features", exact=True).fill("123456789")
    visit.shows("best", optimal_alpha(State(dim=123456789).problem()).best)


def test_every_control_has_a_label(visit):
    page = visit.open().page
    assert page.get_by_role("slider").count() == page.get_by_role("spinbutton").count() - 1 == 11  # and the trainings
    assert page.get_by_role("combobox").count() == 4 and page.get_by_role("checkbox").count() == 2
    unnamed = page.evaluate(
        """() => { const all = root => [...root.querySelectorAll('*')].flatMap(e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
        return all(document).filter(e => e.matches('input, select, button') && e.offsetParent
          && !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).map(e => e.outerHTML) }"""
    )
    assert unnamed == []


def test_impossible_values_are_explained(visit):
    page = visit.open().page
    for field, value, message in (
        ("beta", "1.9", "beta must lie in [-1, 1], got 1.9. It is a cosine."),
        ("beta", "", "beta must be a real number or an array of them, got ''."),
        ("n_target", "2.5", "n_target must be a whole number of at least 1, got 2.5."),
        ("alpha_low", "99", "alpha_high must be larger than alpha_low, 99, got 15."),
    ):
        page.fill(f"#{field}", value)
        page.get_by_role("alert").filter(has_text=message).wait_for()
        assert page.locator("#headline").count() == 0 and not page.get_by_text("Figure (PDF)").is_visible()
        page.fill(f"#{field}", f"{getattr(State(), field):g}")
        page.wait_for_selector("#headline")
        assert page.get_by_role("alert").count() == 0


def test_simulation_on_demand(visit):
    page = visit.open().page
    assert page.locator("#curve .point").count() == 0
    page.check("#simulate")
    page.wait_for_selector("#curve .point")
    assert page.locator("#curve .point").count() == page.locator("#curve .bar").count() == 25
    assert re.fullmatch(
        r"Simulation: 1000 trainings; largest \|z\| against theory \d+\.\d", page.inner_text("#simulated")
    )
    page.fill("#gamma_target", "0")
    page.get_by_role("alert").filter(has_text="positive penalties").wait_for()
    assert page.locator("#headline").count() == 1  # theory has no such limit
    page.uncheck("#simulate")
    page.get_by_role("alert").filter(has_text="positive penalties").wait_for(state="detached")


def test_the_published_form(visit):
    preset = PRESETS["α* against β"]["p = 2000, β = 0.8"]
    page = visit.open().page
    page.check("#published")
    page.select_option("#preset", "α* against β, p = 2000, β = 0.8")
    visit.shows("published", optimal_alpha_published(preset.problem()).best)
    assert round(visit.alpha("published"), 2) == 1.51 and round(visit.alpha("best"), 2) == 1.18
    assert "published code" in page.text_content("#curve")
    page.uncheck("#published")
    page.wait_for_selector("#row-published", state="detached")


@pytest.mark.parametrize("figure", PRESETS)
def test_presets(visit, figure):
    setting, preset = list(PRESETS[figure].items())[-1]
    visit.open().page.select_option("#preset", f"{figure}, {setting}")
    visit.shows("best", optimal_alpha(preset.problem()).best)
    assert visit.state() == preset


def test_a_link_reproduces_the_state(visit, chromium):
    page = visit.open(
        "?n_target=200&dim=400&beta=-0.3&alpha=-2&map_x=gamma_target&map_y=mu&simulate=true&trials=200"
    ).page
    state = State(
        n_target=200, dim=400, beta=-0.3, alpha=-2, map_x="gamma_target", map_y="mu", simulate=True, trials=200
    )
    visit.shows("best", optimal_alpha(state.problem()).best)
    page.fill("#mu", "1.5")
    visit.shows("best", optimal_alpha(State(n_target=200, dim=400, beta=-0.3, mu=1.5).problem()).best)
    assert visit.state().mu == 1.5
    address, drawn = page.url, line(page)
    other = Visit(chromium.new_context(viewport={"width": 1280, "height": 900}).new_page(), "").open(address)
    assert line(other.page) == drawn and other.state() == visit.state()
    assert other.page.locator("#curve .point").count() == 25 and other.page.input_value("#map_y") == "mu"
    assert "200 trainings" in other.page.inner_text("#simulated")
    other.page.context.close()


def test_a_bad_link_is_explained(visit):
    page = visit.open("?beta=nonsense").page
    page.get_by_role("alert").filter(has_text="beta must be a real number").wait_for()
    visit.open("?betta=0.5").page.get_by_role("alert").filter(has_text="Did you mean 'beta'?").wait_for()
    assert page.locator("#headline").count() == 1


def test_exports(visit, tmp_path):
    page = visit.open("?beta=0.5&published=true").page
    kinds = {
        "Figure (PDF)": b"%PDF-",
        "Figure (PNG)": b"\x89PNG\r\n",
        "Curve (CSV)": b"form,alpha,",
        "Map (CSV)": b"beta,n_target,",
    }
    files = {}
    for label, start in kinds.items():
        with page.expect_download(timeout=30_000) as download:
            page.get_by_text(label, exact=True).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        files[label] = path
        assert path.read_bytes().startswith(start), label
    rows = list(csv.DictReader(files["Curve (CSV)"].read_text(encoding="utf-8").splitlines()))
    problem = State(beta=0.5).problem()
    theory = [float(row["accuracy"]) for row in rows if row["form"] == "theory"]
    np.testing.assert_array_equal(theory, predict(problem, np.linspace(-10, 15, 401)).accuracy)


def test_the_python_lines_run_as_they_stand(visit, tmp_path):
    page = visit.open("?dim=300&beta=0.5").page
    page.get_by_text("The Python lines that make this figure").click()
    lines = page.inner_text("#lines")
    subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / "explorer.pdf").read_bytes().startswith(b"%PDF")
    # They follow the sliders, and stay unfolded.
    page.locator("#beta-slider").fill("0.25")
    page.wait_for_function("() => document.querySelector('#lines').textContent.includes('beta=0.25')")
    assert page.locator("#lines").is_visible()


def test_the_map_s_choices(visit):
    page = visit.open().page
    page.select_option("#map_x", "dim")
    page.select_option("#map_shows", "best")
    page.get_by_role(
        "img", name="Map of α* over dim and n_target; the circle is the current problem, p = 1000, n = 40."
    ).wait_for()
    page.select_option("#map_y", "dim")
    page.get_by_role("alert").filter(has_text="map_y must be another parameter than map_x").wait_for()
    assert page.locator("#headline").count() == 1


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_overflows(visit, width):
    page = visit.page
    page.set_viewport_size({"width": width, "height": 844})
    visit.open("?published=true&simulate=true")
    page.wait_for_selector("#map")
    wider = page.evaluate(
        """() => [...document.querySelectorAll('.marimo-cell, .marimo-cell *')].filter(e => !e.closest('pre') && e.getClientRects().length
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert wider == [] and page.evaluate("document.querySelector('#App').scrollWidth") <= width
    # Legible: no text of the pictures below 10 pixels as shown.
    smallest = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('svg[role=img]')].flatMap(s => [...s.querySelectorAll('text')].map(t =>
        parseFloat(getComputedStyle(t).fontSize) * s.getBoundingClientRect().width / s.viewBox.baseVal.width)))"""
    )
    assert smallest >= 9


def test_the_curve_stays_in_sight_on_a_narrow_screen(visit):
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    visit.open()
    page.locator("#gamma_target-slider").scroll_into_view_if_needed()
    box = page.locator("#curve").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] < page.locator("#gamma_target").bounding_box()["y"]


def test_a_change_redraws_curve_and_map(visit):
    """From the slider's event to the new curve on the screen, and to the new map: the way to the server and back included."""
    page = visit.open().page
    page.wait_for_selector("#map")
    times = page.evaluate(
        """async () => { const slider = document.querySelector('marimo-anywidget').shadowRoot.querySelector('#beta-slider');
        const curve = () => document.querySelector('#theory').getAttribute('points');
        const map = () => document.querySelector('#map').getAttribute('aria-label');
        const times = [];
        for (let k = 0; k < 30; k++) {
          const [oldCurve, oldMap, start] = [curve(), map(), performance.now()];
          slider.value = 0.2 + 0.02 * k;
          slider.dispatchEvent(new Event('input'));
          while (curve() === oldCurve) await new Promise(requestAnimationFrame);
          const first = performance.now() - start;
          while (map() === oldMap) await new Promise(requestAnimationFrame);
          times.push([first, performance.now() - start]);
          await new Promise(done => setTimeout(done, 120));
        }
        return times }"""
    )
    curve, everything = np.median(times, axis=0)
    print(f"redraw, medians of {len(times)}: curve {curve:.0f} ms, whole page {everything:.0f} ms")


def test_a_fast_hand_leaves_no_queue(visit):
    """A slider moved at every frame: the last value is on the screen soon after it stops."""
    page = visit.open().page
    page.evaluate(
        """async () => { const slider = document.querySelector('marimo-anywidget').shadowRoot.querySelector('#beta-slider');
        for (let k = 0; k < 120; k++) {
          slider.value = -0.6 + 0.01 * k;
          slider.dispatchEvent(new Event('input'));
          await new Promise(requestAnimationFrame);
        } }"""
    )
    visit.shows("best", optimal_alpha(State(beta=0.59).problem()).best)


def test_two_windows_do_not_share_a_state(visit, chromium):
    page = visit.open().page
    other = Visit(chromium.new_context().new_page(), visit.server).open("?beta=0.1")
    page.locator("#beta-slider").fill("0.7")
    visit.shows("best", optimal_alpha(State(beta=0.7).problem()).best)
    assert other.alpha("best") == optimal_alpha(State(beta=0.1).problem()).best
    other.page.context.close()


def test_ctrl_c_with_an_open_page(chromium):
    page = chromium.new_context().new_page()
    with served() as address:
        Visit(page, address).open()
    page.context.close()


def test_only_this_machine_is_served(server):
    import psutil

    port = urlsplit(server).port
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port}
    assert listening == {"127.0.0.1"}
