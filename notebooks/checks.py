"""What the notebooks say of a comparison: one line with its size, and an error where that is too large to be right."""

from typing import Any

import marimo as mo
import numpy as np
from scipy import special

FALSE_ALARM = 1e-4


def agrees(what: str, z: Any) -> mo.Html:
    """Print and return the largest |z|; AssertionError where chance comes so far less than once in 10 000 times.

    K standard normal numbers exceed −Φ⁻¹(10⁻⁴/2K) in size with probability 10⁻⁴ at most (Bonferroni).
    """
    z = np.abs(np.ravel(z))
    allowed = -special.ndtri(FALSE_ALARM / (2 * z.size))
    largest = f"largest |z| = {z.max():.2f} of {z.size}" if z.size > 1 else f"|z| = {z.max():.2f}"
    return _verdict(f"{what}: {largest} (chance allows {allowed:.1f})", z.max() <= allowed)


def equals(what: str, found: Any, wanted: Any, tolerance: float) -> mo.Html:
    """Print and return the largest error of `found`, relative to the largest entry; AssertionError beyond the tolerance."""
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    error = np.max(np.abs(found - wanted)) / np.max(np.abs(wanted))
    return _verdict(f"{what}: relative error {error:.1e} (allowed {tolerance:.0e})", error <= tolerance)


def _verdict(line: str, passed: Any) -> mo.Html:
    # A NaN passes no comparison.
    print(f"{'check passed' if passed else 'CHECK FAILED'} | {line}")
    if not passed:
        raise AssertionError(line)
    return mo.md(f"✓ {line}".replace("|", r"\|")).style({"color": "#00664b", "font-size": "0.9rem"})


def table(frame: Any, digits: int = 4) -> mo.Html:
    """A data frame as a plain table that fits the page."""
    page = frame.to_html(index=False, border=0, float_format=lambda x: f"{x:.{digits}f}")
    return mo.md(page.replace('halign="left"', 'style="text-align: center"'))  # headings over several columns
