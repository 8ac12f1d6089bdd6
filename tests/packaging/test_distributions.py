"""The wheel and the sdist, as a user gets them. Run by name: it builds both, and installs the wheel from the registry's packages."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST = 200_000  # bytes of one file, in either


def run(*command, cwd):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, the wheel built from it, and a wheel built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, ROOT, cwd=out)  # the wheel by way of the sdist
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out / "direct", ROOT, cwd=out)
    (sdist,), (wheel,), (direct,) = out.glob("*.tar.gz"), out.glob("*.whl"), (out / "direct").glob("*.whl")
    return sdist, wheel, direct


def test_the_sdist_builds_the_same_wheel(built):
    _, wheel, direct = built
    assert wheel.read_bytes() == direct.read_bytes()


def test_neither_holds_more_than_the_library(built):
    sdist, wheel, _ = built
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    code = {"rmt_alpha", "rmt_alpha_command.py"}
    assert {name.split("/")[0] for name in sizes} == {*code, wheel.name.split("-py3")[0] + ".dist-info"}
    with tarfile.open(sdist) as archive:
        within = {m.name.split("/", 1)[1]: m.size for m in archive.getmembers() if m.isfile()}
    texts = {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert {name.split("/")[0] for name in within} <= {*code, *texts}
    for name, size in (sizes | within).items():
        assert not name.endswith((".pyc", ".csv", ".npz", ".nc", ".pdf", ".png")) and size < LARGEST, name


def test_the_wheel_names_its_licence(built):
    with zipfile.ZipFile(built[1]) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert "License-Expression: MIT" in text and "Requires-Python: >=3.11" in text


def test_it_works_outside_the_checkout(built, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    run(programs / "pip", "install", "-q", built[1], cwd=tmp_path)
    where = run(programs / "python", "-c", "import rmt_alpha; print(rmt_alpha.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path)
    version = run(programs / "python", "-c", "import rmt_alpha; print(rmt_alpha.__version__)", cwd=tmp_path)
    assert built[1].name.startswith(f"rmt_alpha-{version.strip()}-")
    assert "agree" in run(programs / "rmt-alpha", "validate", cwd=tmp_path)
