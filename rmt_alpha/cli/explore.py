"""`explore`: the explorer as a page in the browser, served to this machine alone."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path

from .. import _checks as check
from .options import Count, as_json

HOST = "127.0.0.1"
LAST_PORT = 65535


def explore(port: Count = 0, no_browser: bool = False, json: bool = False) -> None:
    """Open the explorer in the browser: sliders for every parameter, accuracy against α, score densities, a phase map.

    The page is served on 127.0.0.1 only and asks nothing of any other machine. Ctrl-C ends it (exit status 0).

    Args:
        port: Where to serve it, 1 … 65535. Default: a free one.
        no_browser: Only print the address.
        json: The address as one line of JSON.
    """
    wanted: int = check.size("port", port, low=0)
    if wanted > LAST_PORT:
        raise ValueError(f"port must lie in [1, {LAST_PORT}], got {wanted}. Leave it out to get a free one.")
    try:
        import anywidget  # noqa: F401 (the page needs it; better said here than there)
        import marimo
        import uvicorn
    except ImportError as error:
        raise ImportError(
            f"explore needs marimo, got no module named {error.name}. Run: pip install 'rmt_alpha[explore]'"
        ) from None
    with _listen(wanted) as listener:
        app = marimo.create_asgi_app(quiet=True).with_app(path="/", root=str(notebook())).build()
        address = f"http://{HOST}:{listener.getsockname()[1]}/"
        print(as_json(url=address) if json else f"{address}  (Ctrl-C ends it)", flush=True)
        if not no_browser:
            # The socket already listens, so the browser waits until the server answers.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        # An open page holds its connection: do not wait for it at the end.
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            pass  # the way to end it
        # An interpreter that ends waits for its threads, and each page that was open has left one of marimo's waiting for messages.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def notebook() -> Path:
    """The marimo app: inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).parents[1]
    places = [root / "notebooks" / "explore.py" for root in (package, package.parent)]
    for place in places:
        if place.is_file():
            return place
    raise OSError(f"the explorer's page must lie at {places[0]}, got no such file. Install rmt_alpha again.")


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just given up is free
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise OSError(
            f"port must be free on {HOST}, got {port}: {error.strerror}. Choose another, or leave it out to get a free one."
        ) from None
    return listener
