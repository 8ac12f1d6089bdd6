"""The explorer's server: to this machine alone, and to its own page alone."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import _checks as check

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")  # of the loopback: a page of another name that points here is refused
LAST_PORT = 65535


def serve(port: Any = 0, *, open_browser: bool = True, say: Callable[[str], None] = print) -> None:
    """Serve the page until Ctrl-C; `say` gets its address, which holds the token that the server asks for.

    The port is a free one by default. Raises ValueError or OSError for a port that cannot be had, ImportError without the extra `explore`.
    """
    remedy = "Leave it out to get a free one."
    wanted = check.number("port", check.size("port", port, low=0), 0, LAST_PORT, remedy)
    try:
        import anywidget  # noqa: F401 (the page needs these two; better said here than there)
        import marimo
        import uvicorn
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise ImportError(f"explore needs the module {error.name}. Run: pip install -e '.[explore]'") from None
    from .picture import script

    with _listen(int(wanted)) as listener:
        own, token = listener.getsockname()[1], secrets.token_urlsafe(16)
        app = marimo.create_asgi_app(quiet=True, token=token).with_app(path="/", root=str(notebook())).build()
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
        # An interpreter that ends waits for its threads, and each page that was open has left one of marimo's waiting for messages.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class Guard:
    """Refuses requests and websockets of any host or origin but the page's own; gives away no answer to others, and no path."""

    def __init__(self, app: Any, port: int):
        self.app, self.hosts = app, {f"{name}:{port}".encode() for name in NAMES}
        folder = notebook().parent  # marimo tells its page where it lies, and where it was started
        places = [str(path) for path in (folder, folder.parent, Path.cwd()) if path.name]
        self.paths = [path.encode() for path in (f"{folder}{os.sep}", *places)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        host, *more = [value for name, value in scope["headers"] if name == b"host"] or [b""]
        origins = {value for name, value in scope["headers"] if name == b"origin"}
        if more or host not in self.hosts or origins - {b"http://" + host}:
            return await self._refuse(scope, receive, send)

        async def unshared(message: Any) -> None:
            if message["type"] == "http.response.start":
                dropped = (b"access-control-", b"content-length")  # paths left out below shorten the answer
                kept = [(k, v) for k, v in message.get("headers", ()) if not k.lower().startswith(dropped)]
                added = [(b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY")]
                message = {**message, "headers": [*kept, *added]}
            elif message["type"] == "http.response.body":
                body = message.get("body", b"")
                for path in self.paths:
                    body = body.replace(path, b"")
                message = {**message, "body": body}
            await send(message)

        await self.app(scope, receive, unshared)

    async def _refuse(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        said = b"The explorer answers its own page only: open the address that it printed.\n"
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": said})


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
        remedy = "Choose another, or leave it out to get a free one."
        raise OSError(f"port must be free on {HOST}, got {port}: {error.strerror}. {remedy}") from None
    return listener
