"""How tests meet the explorer: its server as a process, a Chromium, and a page that remembers its complaints."""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

from rmt_alpha.explorer.state import State

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def missing():
    if CHROMIUM is None:
        return "no Chromium on this machine (Debian: apt-get install chromium)"
    for module in ("marimo", "anywidget", "playwright"):
        try:
            __import__(module)
        except ImportError:
            return f"no module named {module} (pip install 'rmt_alpha[explore]' playwright)"
    return None


@contextmanager
def served():
    command = [sys.executable, "-c", "from rmt_alpha.cli import main; raise SystemExit(main())", "explore"]
    process = subprocess.Popen(
        [*command, "--no-browser", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = json.loads(process.stdout.readline())["url"]
        assert address.startswith("http://127.0.0.1:")
        yield address
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    finally:
        process.kill()  # where something above failed
    assert (process.returncode, error) == (0, "")  # Ctrl-C ends it without a word


class Visit:
    """A page of the explorer, and everything that it complained of or asked other machines for."""

    def __init__(self, page, server):
        self.page, self.server = page, server
        self.complaints, self.elsewhere = [], []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _asked(self, url):
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != "127.0.0.1":
            self.elsewhere.append(url)

    def open(self, query=""):
        self.page.goto(self.server + query)
        self.page.wait_for_selector("#headline, [role=alert]", timeout=60_000)
        self.page.wait_for_selector("#beta")
        return self

    def alpha(self, row):
        return float(self.page.get_attribute(f"#row-{row}", "data-alpha"))

    def shows(self, row, alpha, **within):
        """Wait until the table has the library's number in a row."""
        target = f"a => Math.abs(document.querySelector('#row-{row}')?.dataset.alpha - a) <= 1e-9 * Math.abs(a)"
        self.page.wait_for_function(target, arg=float(alpha), **within)

    def state(self):
        self.page.wait_for_timeout(200)  # the address follows a moving slider with a pause
        return State.from_query(dict(parse_qsl(urlsplit(self.page.url).query)))
