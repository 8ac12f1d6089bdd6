"""The page's help, and where its documentation is."""

from __future__ import annotations

from html import escape
from importlib.metadata import metadata

LINKS = dict(line.split(", ", 1) for line in metadata("rmt_alpha").get_all("Project-URL") or ())
HELP = (
    "<details class='help'><summary>Help</summary><ul>"
    "<li>Drag on the curve, or move the slider, to set your α; point at it to read values.</li>"
    "<li>Click on the map to move the problem there; the ring is where it is.</li>"
    "<li>Number fields take any number (also 1e6). What is impossible is said at the top and marked; the picture keeps the last possible value.</li>"
    "<li>Pin a curve to compare it with what you change next.</li>"
    "<li>The address always is the link to what you see.</li>"
    "<li>α* has the largest accuracy, ᾱ is no better than chance. Sizes N, n, p; norms in standard deviations of the noise.</li></ul>"
    + " · ".join(
        f"<a href='{escape(LINKS[name])}' target='_blank' rel='noreferrer'>{text}</a>"
        for name, text in (("Documentation", "Documentation"), ("Paper", "The paper"))
        if name in LINKS
    )
    + "</details>"
)
