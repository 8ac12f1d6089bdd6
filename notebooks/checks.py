"""What the notebooks say of a comparison: a line with its size, and an error where it is too large to be right."""

from typing import Any

import numpy as np
from scipy import special

FALSE_ALARM = 1e-4


def agrees(what: str, z: Any) -> None:
    """Print the largest |z| of some comparisons; AssertionError where chance reaches it less than once in 10 000 times.

    K standard normal numbers exceed Φ⁻¹(1 − 10⁻⁴/2K) in size with probability 10⁻⁴ at most (Bonferroni).
    """
    z = np.abs(np.ravel(z))
    allowed = -special.ndtri(FALSE_ALARM / (2 * z.size))
    _report(f"{what}: largest |z| = {z.max():.2f} of {z.size} (chance allows {allowed:.1f})", z.max() <= allowed)


def equals(what: str, found: Any, wanted: Any, tolerance: float) -> None:
    """Print the largest relative error of `found`; AssertionError where it exceeds the tolerance."""
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    error = np.max(np.abs(found - wanted)) / np.max(np.abs(wanted))
    _report(f"{what}: relative error {error:.1e} (allowed {tolerance:.0e})", error <= tolerance)


def _report(line: str, passed: Any) -> None:
    # `not passed` where the number is NaN, too.
    print(f"{'check' if passed else 'FAILED'} | {line}")
    if not passed:
        raise AssertionError(line)
