"""`explore`: the explorer as a page in the browser, served to this machine alone."""

from __future__ import annotations

from .options import Count, as_json


def explore(port: Count = 0, no_browser: bool = False, json: bool = False) -> None:
    """Open the explorer in the browser: every parameter under a slider, more classes, ranks, and α for your own two CSV files.

    The page is served on 127.0.0.1 only, to whoever has the address that is printed, and asks nothing of any other machine. Ctrl-C ends it
    (exit status 0).

    Args:
        port: Where to serve it, 1 … 65535; 0 takes a free one.
        no_browser: Only print the address.
        json: The address as one line of JSON.
    """
    from ..explorer.serve import serve  # here: it brings pandas

    def say(address: str) -> None:
        print(as_json(url=address) if json else f"{address}  (Ctrl-C ends it)", flush=True)

    serve(port, open_browser=not no_browser, say=say)
