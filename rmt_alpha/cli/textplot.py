"""A curve in text, drawn with Braille dots (2 × 4 to a character)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

WIDTH, HEIGHT = 64, 12
BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


def curve(x: Any, y: Any, marks: Mapping[str, float]) -> str:
    """y over increasing x; `marks` stand below the axis at their x, where that is in sight (the later of two in one place)."""
    low, high = float(np.min(y)), float(np.max(y))
    columns = np.linspace(x[0], x[-1], 2 * WIDTH)
    rows = np.rint((high - np.interp(columns, x, y)) / (high - low or 1.0) * (4 * HEIGHT - 1)).astype(int)
    dots = np.zeros((4 * HEIGHT, 2 * WIDTH), dtype=bool)
    for column, (here, before) in enumerate(zip(rows, [rows[0], *rows[:-1]], strict=True)):
        # Steep parts: down or up to where the column before ended.
        first, last = sorted((here, before + np.sign(here - before)))
        dots[first : last + 1, column] = True
    cells = (dots.reshape(HEIGHT, 4, WIDTH, 2) * BITS[:, None]).sum(axis=(1, 3))
    edge = [f"{high:.4f}", *[""] * (HEIGHT - 2), f"{low:.4f}"]
    lines = [f"{edge[i]:>8} ┤{''.join(chr(0x2800 + int(c)) for c in row)}" for i, row in enumerate(cells)]
    below = [" "] * WIDTH
    for sign, place in marks.items():
        if x[0] <= place <= x[-1]:
            below[round((place - x[0]) / (x[-1] - x[0]) * (WIDTH - 1))] = sign
    ends = f"{x[0]:.4g}", f"{x[-1]:.4g}"
    axis = f"{ends[0]}{ends[1]:>{WIDTH - len(ends[0])}}"
    return "\n".join([*lines, " " * 9 + "└" + "─" * WIDTH, " " * 10 + "".join(below).rstrip(), " " * 10 + axis])
