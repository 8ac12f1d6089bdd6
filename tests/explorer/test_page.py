"""The explorer in a browser: what is on the screen, what the pointer and the keyboard do, who may listen."""

import importlib.resources
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, quote_plus, urlsplit

import numpy as np
import pandas as pd
import pytest

REQUIRED = os.environ.get("RMT_ALPHA_BROWSER") == "required"
NEEDED = ("marimo", "vl_convert", "anywidget", "playwright", *(("axe_playwright_python",) if REQUIRED else ()))
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if MISSING or CHROMIUM is None:
    reason = f"missing: {', '.join(MISSING) or 'a Chromium (Debian: apt-get install chromium)'}"
    if REQUIRED:
        raise RuntimeError(reason)
    pytest.skip(reason, allow_module_level=True)

from playwright.sync_api import sync_playwright  # noqa: E402 (after what skips the file where it is missing)

from rmt_alpha import optimal_alpha, predict  # noqa: E402
from rmt_alpha.estimate import choose_alpha  # noqa: E402
from rmt_alpha.estimate.tables import read_rows  # noqa: E402
from rmt_alpha.explorer.state import DATA, MANY, TABS, State  # noqa: E402

ROOT = Path(__file__).parents[2]
FLAGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync".split()
SERVE = "from rmt_alpha.explorer.serve import serve; serve(open_browser=False, say=lambda a: print(a, flush=True))"


@pytest.fixture(scope="module")
def server():
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:") and "access_token=" in address
        yield address
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    finally:
        process.kill()  # where something above failed
    assert (process.returncode, error) == (0, "")  # Ctrl-C ends it without a word, also with open pages


@pytest.fixture(scope="module")
def chromium(server):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A page of the explorer, and everything that it complained of, asked other machines for, or was told."""

    def __init__(self, page, server):
        self.page, self.server = page, server
        self.complaints, self.elsewhere, self.frames = [], [], []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", self._socket)

    def _asked(self, url):
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != "127.0.0.1":
            self.elsewhere.append(url)

    def _socket(self, websocket):
        self._asked(websocket.url)
        websocket.on(
            "framereceived",
            lambda payload: self.frames.append(payload if isinstance(payload, str) else payload.decode()),
        )

    def open(self, query="", tab=None):
        self.page.goto(self.server + query + (f"&tab={quote_plus(tab)}" if tab else ""))
        if tab == DATA:
            self.page.wait_for_selector("[data-cell-name=files] input[type=file]", state="attached", timeout=60_000)
            return self
        self.page.wait_for_selector("#row-best", timeout=60_000)
        self.page.wait_for_selector("[data-cell-name=below_card] .picture[data-drawn] >> nth=-1", timeout=60_000)
        self.page.wait_for_selector("[data-cell-name=curve_card] .picture[data-drawn]")
        return self

    def field(self, name):
        return self.page.locator(f"[data-cell-name=fields] [data-field={name}] input").first

    def slider(self, name):
        return self.page.locator(f"[data-cell-name=sliders] [data-field={name}] [role=slider]")

    def shows(self, row, alpha, tolerance=1e-9):
        """Wait until the table has the library's number in a row."""
        test = f"([a, t]) => Math.abs(document.querySelector('#row-{row}')?.dataset.alpha - a) <= t * Math.abs(a)"
        self.page.wait_for_function(test, arg=[float(alpha), tolerance], timeout=8_000)

    def reads(self, field, value):
        """Wait until a number field shows a value."""
        host = f"document.querySelector('[data-cell-name=fields] [data-field={field}] marimo-text')"
        self.page.wait_for_function(
            f"a => Math.abs({host}.shadowRoot.querySelector('input').value - a) < 1e-9", arg=value, timeout=8_000
        )

    def picture(self, name):
        if name == "curve":
            return self.page.locator("[data-cell-name=curve_card] .picture svg")
        return self.page.locator("[data-cell-name=below_card] .picture svg").last  # map or ranks

    def state(self):
        self.page.wait_for_timeout(300)  # the address follows with a pause
        return State.from_query(dict(parse_qsl(urlsplit(self.page.url).query)))


@pytest.fixture
def visit(chromium, server):
    context = chromium.new_context(viewport={"width": 1360, "height": 1000})
    visit = Visit(context.new_page(), server)
    yield visit
    context.close()
    assert visit.complaints == [] and visit.elsewhere == []


def best(**numbers):
    return optimal_alpha(State(**numbers).problem()).alpha


def test_a_link_opens_the_state_it_carries(visit):
    page = visit.open("&beta=0.2&alpha=4").page
    visit.shows("best", best(beta=0.2))
    assert visit.state() == State(beta=0.2, alpha=4.0)
    assert "access_token" not in page.url
    again = page.context.new_page()  # in the same browser the address is a link
    again.goto(page.url)
    again.wait_for_selector(f"#row-best[data-alpha^='{best(beta=0.2):.6g}']")


def test_a_slider_moves_the_curve_its_field_and_the_link(visit):
    visit.open()
    before = visit.picture("curve").inner_html()
    visit.slider("beta").focus()
    visit.page.keyboard.press("ArrowLeft")
    visit.page.keyboard.press("ArrowLeft")
    visit.shows("best", best(beta=0.88))
    visit.reads("beta", 0.88)
    assert visit.state() == State(beta=0.88)
    assert visit.picture("curve").inner_html() != before
    for _ in range(10):  # as fast as a key that is held down; the slider has kept the keyboard
        visit.page.keyboard.press("ArrowLeft")
    visit.shows("best", best(beta=0.78))
    visit.reads("beta", 0.78)


# From a key on a slider to the frame in which the curve is another.
WATCH = """() => {
    const picture = document.querySelector('[data-cell-name=curve_card] marimo-anywidget').shadowRoot;
    const line = () => picture.querySelector('.mark-line path')?.getAttribute('d');
    let pressed = null, before = null;
    window.times = [];
    addEventListener('keydown', event => { pressed = event.timeStamp; before = line(); }, true);
    new MutationObserver(() => {
        if (pressed === null || line() === before) return;
        const start = pressed;
        pressed = null;
        requestAnimationFrame(() => times.push(performance.now() - start));
    }).observe(picture, {subtree: true, attributes: true, childList: true});
}"""


def test_slider_to_curve(visit, capsys):
    """Never asserts a time: `pytest -n 0 -s -k slider_to_curve tests/explorer` prints it, with the machine's load."""
    page = visit.open().page
    page.wait_for_timeout(2000)
    page.evaluate(WATCH)
    visit.slider("beta").focus()
    for count in range(1, 61):
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(f"times.length == {count}")
        page.wait_for_timeout(250)  # the map, too, is drawn
    times = page.evaluate("times")
    median, most = np.quantile(times[10:], [0.5, 0.95])  # the first few warm up
    load = os.getloadavg()[0]
    with capsys.disabled():
        print(f"\nslider to curve: median {median:.0f} ms, 95 % {most:.0f} ms; load {load:.1f}, {os.cpu_count()} cores")
    visit.shows("best", best(beta=0.3))


def test_a_field_takes_any_number_and_keeps_the_keyboard(visit):
    visit.open()
    visit.field("n_source").fill("1.2345e7")
    visit.shows("best", best(n_source=12345000))
    visit.page.keyboard.press("End")
    visit.page.keyboard.press("Backspace")
    visit.page.keyboard.type("6")
    visit.shows("best", best(n_source=1234500))


def test_an_impossible_value_marks_its_field_and_leaves_the_page_standing(visit):
    page = visit.open().page
    curve = visit.picture("curve").inner_html()
    visit.field("beta").fill("1.5")
    page.wait_for_selector("[role=alert]")
    assert "beta must lie in [-1, 1], got 1.5" in page.inner_text("[role=alert]")
    page.wait_for_selector("[data-cell-name=fields] [data-field=beta] input[aria-invalid=true]")
    assert page.locator("input[aria-invalid=true]").count() == 1
    assert visit.picture("curve").inner_html() == curve
    visit.field("mu").fill("2")  # the page goes on working
    visit.shows("best", best(mu=2.0))
    visit.field("beta").fill("0.5")
    page.wait_for_selector("[role=alert]", state="detached")
    visit.shows("best", best(beta=0.5, mu=2.0))
    page.wait_for_function("document.querySelectorAll('.row.invalid').length == 0")


IMPOSSIBLE = [
    "&beta=3&mu=abc",
    "&gamma_target=0&n_target=1000",
    "&alpha_low=9&alpha_high=2",
    "&betta=1",
    "&map_x=nothing",
    "&dim=4&tab=Classes+and+rank",
]


@pytest.mark.parametrize("query", IMPOSSIBLE)
def test_an_impossible_link_is_explained_on_a_standing_page(visit, query):
    page = visit.open(query).page
    assert page.locator("[role=alert]").count() >= 1
    assert visit.picture("curve").count() == 1


def centre(visit, alpha, low=-10.0, high=15.0):
    """The pixel of an α on the curve's picture, by its axis."""
    box = visit.page.evaluate(
        """() => { const host = document.querySelector('[data-cell-name=curve_card] marimo-anywidget');
        const r = host.shadowRoot.querySelector('svg .background').getBoundingClientRect(); return [r.left, r.width, r.top, r.height] }"""
    )
    return box[0] + box[1] * (alpha - low) / (high - low), box[2] + box[3] / 2


def test_dragging_on_the_curve_sets_alpha(visit):
    page = visit.open().page
    page.mouse.move(*centre(visit, 3.0))
    page.mouse.down()
    for alpha in (4.0, 5.0, 6.0):
        page.mouse.move(*centre(visit, alpha))
        page.wait_for_timeout(60)
    visit.shows("own", 6.0, tolerance=0.01)  # while the button is down
    page.mouse.move(*centre(visit, 8.0))
    page.mouse.up()
    visit.shows("own", 8.0, tolerance=0.01)
    page.mouse.move(*centre(visit, 2.0))
    page.wait_for_timeout(200)
    visit.shows("own", 8.0, tolerance=0.01)  # no longer
    alpha = visit.state().alpha
    assert alpha == pytest.approx(8.0, abs=0.06) and alpha == round(alpha, 2)
    assert f"{100 * predict(State().problem(), alpha).accuracy:.1f}" in visit.picture("curve").inner_html()
    visit.reads("alpha", alpha)


def test_pointing_at_the_curve_reads_values_out(visit):
    page = visit.open().page
    page.mouse.move(*centre(visit, 10.0))
    page.wait_for_timeout(300)
    text = visit.picture("curve").inner_html()
    assert "α = 10, theory: 73.08%" in text
    assert visit.state().alpha == 3.0
    page.mouse.move(5, 5)
    page.wait_for_timeout(300)
    assert "theory: 73" not in visit.picture("curve").inner_html()


def test_a_click_on_the_map_moves_the_problem(visit):
    page = visit.open().page
    box = visit.picture("map").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.3)
    page.wait_for_function("document.querySelector('#row-best').dataset.alpha < 6")
    state = visit.state()
    assert state.beta != 0.9 and state.n_target != 40
    visit.shows("best", best(beta=state.beta, n_target=state.n_target))


def test_a_pinned_curve_stays_for_comparison(visit):
    page = visit.open("&beta=0.5").page
    page.get_by_text("Pin this curve").click()
    visit.field("beta").fill("0.1")
    visit.shows("best", best(beta=0.1))
    visit.shows("pin-0", best(beta=0.5))
    assert "pin 1: β = 0.5" in visit.picture("curve").inner_html()
    page.get_by_text("Remove pins").click()
    page.wait_for_selector("#row-pin-0", state="detached")


def test_simulation_is_shown_with_its_distance(visit):
    page = visit.open().page
    page.locator("[data-field=simulate] [role=switch]").click()
    page.get_by_text("largest |z|").wait_for(timeout=30_000)
    said = page.inner_text("[data-cell-name=answer]")
    assert "largest |z|" in said and "1/p = 0.1 points" in said
    assert ">simulation<" in visit.picture("curve").inner_html()  # in the legend


def test_classes_and_their_ranks(visit):
    page = visit.open("&mu=2&dim=200", tab=MANY).page
    state = State(mu=2.0, dim=200.0, tab=MANY)
    visit.shows("best", optimal_alpha(state.fit()).alpha)
    assert page.locator("[data-cell-name=below_card] .picture").count() == 1
    visit.field("classes").fill("4")
    visit.shows("best", optimal_alpha(replace(state, classes=4.0).fit()).alpha)
    visit.picture("ranks").locator(".mark-symbol path").nth(1).click()
    visit.shows("best", optimal_alpha(replace(state, classes=4.0, rank=1.0).fit()).alpha, tolerance=1e-6)
    assert visit.state() == replace(state, classes=4.0, rank=1.0)
    visit.picture("ranks").locator(".mark-symbol path").nth(0).click(
        force=True
    )  # under others; no correction at all: nothing to take
    assert visit.state() == replace(state, classes=4.0, rank=1.0) and page.locator("[role=alert]").count() == 0


def test_a_map_that_crosses_n_equal_to_p_without_a_penalty_is_drawn(visit):
    page = visit.open().page
    visit.field("gamma_target").fill("0")
    visit.shows("best", best(gamma_target=0.0))
    assert page.locator("[role=alert]").count() == 0 and visit.picture("map").locator("path").count() > 100


def test_theory_does_not_wait_for_the_simulation(visit):
    page = visit.open("&mu=2&dim=200&simulate=true", tab=MANY).page  # open() waits for the curve
    state = State(mu=2.0, dim=200.0, tab=MANY)
    visit.shows("best", optimal_alpha(state.fit()).alpha)
    page.get_by_text("largest |z|").wait_for(timeout=60_000)
    points = visit.picture("curve").locator(".mark-symbol path")
    before = points.count()
    visit.field("beta").fill("0.8")  # the new curve is there before its simulation
    page.wait_for_function(
        f"document.querySelector('[data-cell-name=curve_card] marimo-anywidget').shadowRoot"
        f".querySelectorAll('.mark-symbol path').length < {before - 20}"
    )
    page.wait_for_function(
        f"document.querySelector('[data-cell-name=curve_card] marimo-anywidget').shadowRoot"
        f".querySelectorAll('.mark-symbol path').length >= {before}",
        timeout=60_000,
    )


def test_a_tab_is_part_of_the_link_and_keeps_the_numbers(visit):
    page = visit.open("&beta=0.3").page
    page.get_by_role("tab", name=MANY).click()
    visit.shows("best", optimal_alpha(State(beta=0.3, tab=MANY).fit()).alpha)
    assert visit.state() == State(beta=0.3, tab=MANY)
    page.get_by_role("tab", name="Two classes").click()
    visit.shows("best", best(beta=0.3))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Two files as a user has them: 60 rows of a target, 400 of its source."""
    folder, rng, e = tmp_path_factory.mktemp("tables"), np.random.default_rng(0), np.eye(2, 40)
    for name, n, mean in (("source", 400, e[0]), ("target", 60, 0.8 * e[0] + 0.6 * e[1])):
        y = rng.permutation(np.arange(n) % 2)
        frame = pd.DataFrame(np.outer(2 * y - 1, mean) + rng.standard_normal((n, 40))).add_prefix("x")
        frame.assign(group=y).to_csv(folder / f"{name}.csv", index=False)
    return folder


def upload(visit, tables):
    for name in ("source", "target"):
        visit.page.locator(f"[data-field={name}] input[type=file]").set_input_files(tables / f"{name}.csv")
        visit.page.locator(f"[data-field={name}]").get_by_text("1 file").wait_for()


def test_one_s_own_data(visit, tables):
    page = visit.open(tab=DATA).page
    page.get_by_text("Choose two CSV files with a header").wait_for()
    assert page.get_by_text("curve (CSV)").count() == 0  # nothing to take yet
    page.get_by_text("Choose α", exact=True).click()
    page.wait_for_selector("[role=alert]")
    assert "source must be a CSV file with a header, got none" in page.inner_text("[role=alert]")
    page.wait_for_selector("[data-field=source] input[aria-invalid=true]", state="attached")
    upload(visit, tables)
    page.get_by_text("Choose α", exact=True).click()
    page.wait_for_function("document.querySelector('[role=alert]')?.innerText.includes('source.csv has no column')")
    page.wait_for_selector("[data-field=label] input[aria-invalid=true]")
    page.locator("[data-field=label] input").fill("group")
    page.get_by_text("Choose α", exact=True).click()
    (X, y), (Z, t) = (read_rows(str(tables / f"{name}.csv"), "group")[:2] for name in ("source", "target"))
    wanted = choose_alpha((X, y), (Z, t))
    visit.shows("best", wanted.alpha)
    assert wanted.verdict in page.inner_text("[data-cell-name=answer]") and page.locator("[role=alert]").count() == 0
    visit.shows("zero", 0.0)
    assert wanted.accuracy["1"].percent() in page.inner_text("#row-one")
    assert "left-out rows" in visit.picture("curve").inner_html()
    with page.expect_download() as download:
        page.get_by_text("curve (CSV)").click()
    assert "left-out rows" in Path(download.value.path()).read_text()
    again = page.locator("[data-field=target] input[type=file]")
    again.set_input_files(tables / "source.csv")  # other rows: that answer was not theirs
    page.wait_for_selector("#row-best", state="detached")
    page.get_by_text("then press “Choose α”").wait_for()
    assert visit.picture("curve").count() == 0


# What is on the screen of each tab, once it is drawn; and what its controls are called.
SEEN = dict(zip(TABS, ("Around this problem", "Ranks of the correction", "α chosen"), strict=True))
NAMES = """() => [...document.querySelectorAll('[data-field]')].flatMap(row => [...row.querySelectorAll('*')].filter(e => e.shadowRoot)
    .flatMap(e => [...e.shadowRoot.querySelectorAll('input:not([type=hidden], [type=checkbox]), [role=slider], select, [role=switch]')])
    .map(c => c.getAttribute('aria-label')))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_axe_finds_nothing(chromium, server, tables, scheme, width):
    carrier = pytest.importorskip(
        "axe_playwright_python", reason="axe-core comes with: pip install axe-playwright-python"
    )
    axe = importlib.resources.files(carrier).joinpath("axe.min.js").read_text("utf-8")
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 1000})
    visit = Visit(context.new_page(), server).open("&beta=7")
    page, found = visit.page, []
    page.get_by_text("Help", exact=True).click()
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        if tab == DATA:
            upload(visit, tables)
            page.locator("[data-field=label] input").fill("group")
            page.get_by_text("Choose α", exact=True).click()
        page.get_by_text(SEEN[tab]).first.wait_for()
        page.wait_for_function(f"({NAMES})().every(Boolean)")
        page.wait_for_timeout(500)
        page.evaluate(axe)
        found += [
            (tab, v["id"], [n["html"][:120] for n in v["nodes"]]) for v in page.evaluate("axe.run()")["violations"]
        ]
    context.close()
    assert found == []


def test_a_file_is_the_picture_on_the_screen(visit, tmp_path):
    page = visit.open("&beta=0.3").page
    with page.expect_download() as download:
        page.get_by_text("curve (SVG)").click()
    text = Path(download.value.path()).read_text()
    said = f"α* = {best(beta=0.3):.3g}"
    assert said in text and said in visit.picture("curve").inner_html()


def test_the_dark_page(chromium, server):
    context = chromium.new_context(color_scheme="dark")
    visit = Visit(context.new_page(), server).open()
    style = "getComputedStyle(document.querySelector('[data-cell-name=answer]'))"
    colors = visit.page.evaluate(f"[{style}.backgroundColor, {style}.color]")
    darkness = [sum(map(int, color[4:-1].split(","))) for color in colors]
    assert darkness[0] < 150 and darkness[1] > 500
    context.close()


def test_a_narrow_page_needs_no_sideways_scrolling(chromium, server):
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = Visit(context.new_page(), server).open().page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (
        page.locator("[data-cell-name=curve_card]").bounding_box()["y"]
        < page.locator("[data-cell-name=fields]").bounding_box()["y"]
    )
    context.close()


def test_every_control_has_a_name(visit):
    page = visit.open().page
    page.wait_for_timeout(300)
    names = page.evaluate(NAMES)
    assert len(names) == len(set(names)) == 26 and all(names)


def test_the_help_links_to_the_paper(visit):
    page = visit.open().page
    page.get_by_text("Help", exact=True).click()
    assert "Drag on the curve" in page.inner_text(".help")
    links = [link.get_attribute("href") for link in page.locator(".help a").all()]
    assert "https://arxiv.org/abs/2510.21345" in links and not any("example.org" in link for link in links)


def test_two_windows_do_not_share_a_state(visit, chromium):
    visit.open()
    context = chromium.new_context()
    other = Visit(context.new_page(), visit.server).open("&beta=0.1")
    visit.field("beta").fill("0.7")
    visit.shows("best", best(beta=0.7))
    other.shows("best", best(beta=0.1))
    context.close()


def test_no_absolute_path_is_given_away(visit):
    page = visit.open().page
    assert visit.frames
    told = "".join(visit.frames) + page.content()
    for path in (
        "/",
        "/api/version",
        "/api/status",
        "/api/status/connections",
        "/health",
        "/og/thumbnail",
        "/manifest.json",
    ):
        told += page.request.get(visit.server.split("?")[0].rstrip("/") + path).text()
    assert str(ROOT) not in told and str(Path.home()) + "/" not in told


def test_without_the_token_nothing_is_served(chromium, server):
    context = chromium.new_context()
    answer = context.request.get(server.split("?")[0], max_redirects=0)
    assert answer.status == 303 and "login" in answer.headers["location"]
    context.close()


def first_line(server, *lines):
    """What the server says first to a request of these header lines."""
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    ("host", "origin", "status"), [(None, None, 303), (None, "http://evil.example", 403), ("evil.example", None, 403)]
)
def test_a_foreign_page_is_refused_even_with_the_token(server, host, origin, status):
    address = urlsplit(server)
    lines = [
        f"GET /?{address.query} HTTP/1.1",
        f"Host: {host or address.netloc}",
        *([f"Origin: {origin}"] if origin else []),
    ]
    assert first_line(server, *lines) == status


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", 403), (None, 101)])
def test_a_foreign_websocket_is_refused_even_with_the_token(server, origin, status):
    address = urlsplit(server)
    lines = [
        f"GET /ws?session_id=s_abcdef&{address.query} HTTP/1.1", f"Host: {address.netloc}", *([f"Origin: {origin}"] if origin else []),
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]  # fmt: skip
    assert first_line(server, *lines) == status


def test_only_this_machine_is_served(server):
    import psutil

    port = urlsplit(server).port
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port}
    assert listening == {"127.0.0.1"}
