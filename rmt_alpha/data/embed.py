"""Texts as vectors: a frozen pretrained encoder, mean pooling, unit length; each list of texts is embedded once and kept.

Needs the extra `lm`: pip install -e '.[lm]'.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..files import seal, tidy, unseal, write_whole
from .files import DataUnavailableError
from .pretrained import BUNDLED, Pretrained, locate, positions, prepare, without_extra

log = logging.getLogger("rmt_alpha")

BATCH = 32
USUAL = 512  # tokens, for an encoder that takes any number
_RECIPE = b"mean over tokens, L2, float32, 2"  # part of the cache key: count up where `_compute` changes its result


def embed(texts: Sequence[str], encoder: str | Path | None = None, cache: str | Path | None = None) -> np.ndarray:
    """Unit vectors (n, dim), one per text: the mean of the encoder's last hidden states over the tokens, divided by its length.

    This is how the authors of all-MiniLM-L6-v2 use it (Reimers & Gurevych, arXiv 1908.10084). Longer texts are cut at the length
    that the encoder was made for. The order of the texts does not change their vectors (beyond rounding, 1e-6).

    Parameters: `encoder`, a folder or hub name that transformers' AutoModel reads, None: the bundled all-MiniLM-L6-v2;
    `cache`, the folder of the results, None: the user's cache folder. A result is found again by the hash of the model's
    files and of the texts, and used only if it is whole. Raises ModuleNotFoundError without the extra, TypeError or ValueError for
    texts that are none, DataUnavailableError where there is no such encoder.
    """
    texts = _checked(texts)
    model = locate("encoder", BUNDLED if encoder is None else encoder)
    file = _cache_folder(cache) / f"{_key(model, texts)}.npy"
    vectors = _read(file)
    if vectors is None:
        vectors = _compute(texts, model)
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


def _key(model: Pretrained, texts: list[str]) -> str:
    """The hash of everything that the vectors depend on."""
    total = hashlib.sha256(_RECIPE + model.sha256().encode())
    for text in texts:
        # Hashes of equal length: ["ab", "c"] and ["a", "bc"] differ. Lone surrogates may occur in scraped text.
        total.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return total.hexdigest()


def _compute(texts: list[str], found: Pretrained) -> np.ndarray:
    """Vectors (n, dim), float32."""
    try:
        import torch
        import transformers
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        raise without_extra(str(error.name)) from error
    folder, options = found.folder, found.options
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()  # of loading weights: what takes time here has a bar of its own
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
        model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32, **options).eval()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise DataUnavailableError(
            f"{found.path} holds no encoder that transformers can read ({reason}). Name a folder written by save_pretrained."
        ) from error
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()
    if model.config.is_encoder_decoder:
        raise ValueError(
            f"encoder must be an encoder or a decoder, got {found.path} with both ({type(model).__name__}). "
            f"Take an encoder, such as the bundled one."
        )
    prepare(tokenizer, model.config, f"encoder {str(found.path)!r}")
    length = _longest(folder, tokenizer, model)
    order = np.argsort([-len(t) for t in texts], kind="stable")  # like lengths together: little padding
    vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), tqdm(total=len(texts), desc="embedding", unit="text", file=sys.stderr) as bar:
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            tokens = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=length, return_tensors="pt"
            )
            if not (some := tokens["attention_mask"].any(1)).all():
                i = int(rows[int((~some).nonzero()[0])])
                raise ValueError(
                    f"texts must hold a token each for this encoder, got {texts[i]!r} at index {i}. Drop empty texts."
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
    return min(tokenizer.model_max_length, positions(model.config) or USUAL)


def _cache_folder(cache: str | Path | None) -> Path:
    if cache is not None:
        return Path(cache).expanduser()
    import pooch  # imported here: it brings `requests`

    return Path(pooch.os_cache("rmt_alpha")) / "embeddings"


def _write(file: Path, vectors: np.ndarray) -> None:
    """np.load reads the file as usual, the hash of its content follows the array. Where it cannot be kept, that is all that is lost."""
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    try:
        write_whole(file, seal(buffer.getvalue()))
        tidy(file.parent)
    except OSError as error:
        log.warning("embeddings are not kept, and will be computed again: %s. Name another folder as cache.", error)


def _read(file: Path) -> np.ndarray | None:
    """What `_write` left, None where there is nothing or it is not whole, which is reported."""
    if not file.is_file():
        return None
    if (body := unseal(file.read_bytes())) is None:
        log.warning("%s is truncated or altered; it will be computed again.", file)
        return None
    return np.load(io.BytesIO(body), allow_pickle=False)
