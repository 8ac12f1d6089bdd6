"""The support table, every cell of it."""

from pathlib import Path

import pytest

from . import support

PROBLEMS = support.problems()
LARGEST_Z = 5.0  # of some 250 cells, the formulas themselves O(1/p) away at p = 60
CELLS = [(row, column) for row in support.ROWS for column in PROBLEMS]


@pytest.mark.parametrize(("row", "column"), CELLS, ids=[f"{r}-{c}" for r, c in CELLS])
def test_cell(row, column):
    reason = support.REASONS.get((row, column))
    if reason is None:
        z = support.ROWS[row](PROBLEMS[column])
        assert z is None or z < LARGEST_Z
    else:
        with pytest.raises(ValueError, match=reason[1]):
            support.ROWS[row](PROBLEMS[column])


def test_the_page_is_the_table():
    page = Path(__file__).parents[1] / "docs" / "support.md"
    assert page.read_text(encoding="utf-8") == support.page(), "run: python -m tests.support > docs/support.md"
