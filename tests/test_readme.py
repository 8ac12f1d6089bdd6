"""The README's ten lines print what is promised, its links lead somewhere, and versions agree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[:1]
    exec(compile(code, "README.md", "exec"), {})
    assert re.fullmatch(
        r"α\* = 7\.47: accuracy 0\.7311; α = 1: 0\.6678\nlargest \|z\| = \d\.\d\n", capsys.readouterr().out
    )


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/paper_map.md"])
def test_every_picture_and_link_exists(page):
    path = ROOT / page
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_one_version_everywhere():
    def first(pattern, file):
        return re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)[1]

    version = first(r'^version = "(.+)"', "pyproject.toml")
    assert version == first(r"^version: (.+)", "CITATION.cff") == first(r"^## ([\d.]+)", "CHANGELOG.md")
