"""One table at the end: case, rate, ratio to the floor, ratio to the published way, peak memory."""

import time
import tracemalloc
from collections.abc import Callable

import pytest

ROWS: list[tuple[str, ...]] = []
HEADER = ("case", "rate", "time / floor", "gain on the published way", "peak memory")


def seconds(*functions: Callable, repeat: int = 5, clock: Callable[[], float] = time.process_time) -> list[float]:
    """The shortest time of each, taken in turns: so what else runs on the machine hits all of them alike.

    Processor time, which on a busy machine says what the clock on the wall would say on a quiet one; for more than one process pass that.
    """
    shortest = [float("inf")] * len(functions)
    for _ in range(repeat):
        for i, function in enumerate(functions):
            start = clock()
            function()
            shortest[i] = min(shortest[i], clock() - start)
    return shortest


def peak(function: Callable) -> float:
    """The most memory that Python and NumPy hold for it at once, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def row():
    """Adds a line to the table."""

    def add(
        case: str, rate: str, floor: float | None = None, published: float | None = None, memory: float | None = None
    ):
        ROWS.append(
            (
                case,
                rate,
                "" if floor is None else f"{floor:.2f}",
                "" if published is None else f"{published:.1e}",
                "" if memory is None else f"{memory / 1e6:.1f} MB",
            )
        )

    return add


def pytest_terminal_summary(terminalreporter):
    table = [HEADER, *ROWS]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADER))]
    terminalreporter.write_line("")
    for i, line in enumerate(table):
        terminalreporter.write_line("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |")
        if i == 0:
            terminalreporter.write_line("|" + "|".join("-" * (w + 2) for w in widths) + "|")
