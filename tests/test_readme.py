"""The README is short and draws what it shows; links lead somewhere; versions and the map of the house agree with the code."""

import re
import runpy
from pathlib import Path

import pytest
from matplotlib.image import imread

from experiments import NAMES, ON_REQUEST

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if p.parent.name != "gallery")


def test_the_snippet_prints_and_draws(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (promised,) = re.findall(r"^It prints `(.*)`\.", README, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == promised + "\n"
    drawn = imread(tmp_path / "accuracy.png")
    assert drawn.shape[0] > 200 and len({tuple(pixel) for row in drawn[::5] for pixel in row}) > 10


def test_it_stays_a_shop_window():
    assert len(README.split()) <= 700


def test_it_counts_the_figures():
    assert f"draws {len(NAMES)} figures, {len(ON_REQUEST)} more run by name" in README
    assert f"Draw {len(NAMES)} figures" in README


def test_both_commands_stand_as_ci_looks_for_them():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    wanted = re.findall(r'command_with "(.+)"\)', script)
    assert len(wanted) == 2
    for words in wanted:
        line = next(line for line in README.splitlines() if words in line)
        assert line.startswith("python3 -m venv .venv && ") and line.count("&&") == 2


def anchors(path):
    """What links to a page's headings end in, on a forge and in the built pages alike."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_and_link_exists(page):
    text = page.read_text(encoding="utf-8")
    assert "[](" not in text  # a forge shows no title of its own
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", text):
        path = page.parent / target if target else page
        assert path.exists() and "gallery" not in target, target  # which only a build of the pages makes
        assert not anchor or anchor in anchors(path), anchor


def test_one_version_everywhere():
    def first(pattern, file):
        return re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)[1]

    version = first(r'^version = "(.+)"', "pyproject.toml")
    assert version == first(r"^version: (.+)", "CITATION.cff") == first(r"^## ([\d.]+)", "CHANGELOG.md")


def test_the_map_of_the_house_is_that_of_the_code():
    house = runpy.run_path(str(ROOT / "docs/house.py"))
    svg, guide = house["drawn"]()
    again = "run: python docs/house.py"
    assert (ROOT / "docs/house.svg").read_text(encoding="utf-8") == svg, again
    assert (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8") == guide, again
