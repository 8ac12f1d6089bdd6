"""The explorer's server: to this machine alone, and to its own page alone."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import _checks as check

HOST = "127.0.0.1"
REMEDY = "Leave it out to get a free one."
REFUSED = "The explorer answers its own page only: open the address that it printed.\n"


def serve(port: Any = 0, *, open_browser: bool = True, say: Callable[[str], None] = print) -> None:
    """Serve the page until Ctrl-C; `say` gets its address, which holds the token that the server asks for.

    The port is a free one by default. Raises ValueError or OSError for a port that cannot be had, ImportError without
    the extra `explore`.
    """
    wanted = check.whole("port", port, 0, 65535, REMEDY)
    try:
        import marimo
        import uvicorn

        from .picture import script  # with what else the page needs: better said here than there
    except ImportError as error:
        raise ImportError(f"explore needs the module {error.name}. Run: pip install -e '.[explore]'") from None

    with _listen(wanted) as listener, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        own, token = listener.getsockname()[1], secrets.token_urlsafe(16)
        os.chdir(folder)  # marimo tells its page where it lies and where it was started: so neither says anything
        for file in Path(__file__).parent.glob("page.*"):
            shutil.copy(file, folder)
        app = marimo.create_asgi_app(quiet=True, token=token).with_app(path="/", root="page.py").build()
        address = f"http://{HOST}:{own}/?access_token={token}"
        say(address)
        threading.Thread(target=script, daemon=True).start()  # some seconds, while the browser starts
        if open_browser:  # the socket already listens, so that the browser waits until the server answers
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        # An open page holds its connection: do not wait for it at the end.
        server = uvicorn.Server(uvicorn.Config(Guard(app, own), log_level="error", timeout_graceful_shutdown=1))
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            pass  # the way to end it
    # An interpreter that ends waits for its threads, and each open page has left one of marimo's waiting for messages.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class Guard:
    """Refuses requests and websockets of any host or origin but the page's own."""

    def __init__(self, app: Any, port: int):
        self.app = app
        self.hosts = f"{HOST}:{port}".encode(), f"localhost:{port}".encode()  # not of another name that points here

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse
        from starlette.websockets import WebSocketClose

        answer = self.app
        if scope["type"] in ("http", "websocket"):
            host, *more = [value for name, value in scope["headers"] if name == b"host"] or [b""]
            origins = {value for name, value in scope["headers"] if name == b"origin"}
            if more or host not in self.hosts or origins - {b"http://" + host}:
                answer = WebSocketClose(1008) if scope["type"] == "websocket" else PlainTextResponse(REFUSED, 403)
        await answer(scope, receive, send)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))  # on POSIX also a port that was just given up
    except OSError as error:
        raise OSError(f"port must be free on {HOST}, got {port}: {error.strerror}. {REMEDY}") from None
