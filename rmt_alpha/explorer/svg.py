"""A drawing board fast enough to redraw under a moving slider: axes, lines, points and text, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

INK, GREY, FAINT = "#1a1a1a", "#5f6368", "#e6e8eb"
MINUS = "\N{MINUS SIGN}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """As people write it: a real minus sign, ∞, powers of ten."""
    if math.isinf(value):
        return "+∞" if value > 0 else f"{MINUS}∞"
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        factor, power = f"{value:.{digits - 1}e}".split("e")
        factor = f"{float(factor):g}"
        text = f"10{str(int(power)).translate(RAISED)}"
        return text if factor == "1" else f"{factor}·{text}".replace("-", MINUS)
    whole = max(len(str(int(abs(value)))), digits)
    return f"{value:.{whole}g}".replace("-", MINUS)


class Board:
    """One pair of axes. `x` and `y` are (low, high) in data units; sizes and margins (top, right, bottom, left) are pixels."""

    def __init__(
        self,
        size: tuple[int, int],
        x: tuple[float, float],
        y: tuple[float, float],
        log: tuple[bool, bool] = (False, False),
        margins: tuple[int, int, int, int] = (14, 14, 44, 54),
    ):
        self.size, self.log = size, log
        self.top, self.left = margins[0], margins[3]
        self.right, self.bottom = size[0] - margins[1], size[1] - margins[2]
        self.x, self.y = x, y
        self.items: list[str] = []

    def px(self, x: Any) -> Any:
        """Horizontal pixels of data."""
        return self.left + self._fraction(x, self.x, self.log[0]) * (self.right - self.left)

    def py(self, y: Any) -> Any:
        """Vertical pixels of data."""
        return self.bottom + self._fraction(y, self.y, self.log[1]) * (self.top - self.bottom)

    @staticmethod
    def _fraction(value: Any, limits: tuple[float, float], is_log: bool) -> Any:
        low, high = limits
        if is_log:
            return np.log(np.asarray(value) / low) / math.log(high / low)
        return (np.asarray(value) - low) / (high - low)

    def add(self, tag: str, content: str | None = None, **attributes: Any) -> None:
        """An element in pixels; underscores in attribute names are hyphens."""
        said = " ".join(f'{k.rstrip("_").replace("_", "-")}="{_plain(v)}"' for k, v in attributes.items())
        self.items.append(f"<{tag} {said}/>" if content is None else f"<{tag} {said}>{escape(content)}</{tag}>")

    def line(self, x: Any, y: Any, **attributes: Any) -> None:
        """A line through data."""
        points = np.column_stack(np.broadcast_arrays(self.px(x), np.clip(self.py(y), -1e4, 1e4))).tolist()
        self.add("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in points), fill="none", **attributes)

    def text(self, x: float, y: float, content: str, **attributes: Any) -> None:
        """Words at a place in pixels."""
        self.add("text", content, x=x, y=y, **{"fill": GREY, **attributes})

    def axes(self, xlabel: str, ylabel: str, grid: bool = True) -> None:
        """Ticks, grid lines and labels; drawn first, so that data lie above them."""
        for value in ticks(self.x, self.log[0], max((self.right - self.left) // 70, 3)):
            at = float(self.px(value))
            if grid:
                self.add("line", x1=at, x2=at, y1=self.top, y2=self.bottom, stroke=FAINT)
            self.add("line", x1=at, x2=at, y1=self.bottom, y2=self.bottom + 4, stroke=GREY)
            self.text(at, self.bottom + 17, number(value), text_anchor="middle")
        for value in ticks(self.y, self.log[1], max((self.bottom - self.top) // 40, 3)):
            at = float(self.py(value))
            if grid:
                self.add("line", x1=self.left, x2=self.right, y1=at, y2=at, stroke=FAINT)
            self.add("line", x1=self.left - 4, x2=self.left, y1=at, y2=at, stroke=GREY)
            self.text(self.left - 7, at + 4, number(value), text_anchor="end")
        self.add("line", x1=self.left, x2=self.right, y1=self.bottom, y2=self.bottom, stroke=GREY)
        self.add("line", x1=self.left, x2=self.left, y1=self.top, y2=self.bottom, stroke=GREY)
        self.text((self.left + self.right) / 2, self.bottom + 36, xlabel, text_anchor="middle", fill=INK)
        middle = (self.top + self.bottom) / 2
        turn = f"rotate(-90 13 {middle:.1f})"
        self.text(13, middle, ylabel, text_anchor="middle", transform=turn, fill=INK)

    def picture(self, title: str, name: str) -> str:
        """The whole, with `title` as its text alternative; `name` becomes its id."""
        width, height = self.size
        return f'<svg id="{name}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{"".join(self.items)}</svg>'


def ticks(limits: tuple[float, float], is_log: bool, count: int) -> Iterable[float]:
    """At most about `count` round values within the limits."""
    low, high = limits
    if not is_log:
        values = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        margin = 1e-9 * (high - low)
        return [float(v) if abs(v) > margin else 0.0 for v in values if low - margin <= v <= high + margin]
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / count))
    return [10.0**power for power in range(first, last + 1, stride)]


def _plain(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float | np.floating) else escape(str(value))
