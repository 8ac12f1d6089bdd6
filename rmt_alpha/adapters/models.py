"""A pretrained transformer with a classification head, and its tokenizer: from the hub, a folder, a GGUF file, or a package."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from ..data.files import DataUnavailableError
from ..data.pretrained import PACKAGES, SPLIT, locate, prepare

DEFAULT_MODEL = "roberta-base"
UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError)


class MeanPooled(PreTrainedModel):
    """A linear head on the mean of the body's last hidden states over the tokens. `load_model` reads what `save_pretrained` wrote."""

    base_model_prefix = "body"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.body = AutoModel.from_config(config)
        self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.0))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None, **inputs: Any
    ) -> SequenceClassifierOutput:
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask, **inputs)[0]
        token = attention_mask.unsqueeze(-1).to(hidden.dtype)
        logits = self.classifier(self.dropout((hidden * token).sum(1) / token.sum(1)))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def load_model(
    name: str | Path, labels: Sequence[str], fast_half: bool = False, pooling: str = "own"
) -> tuple[Any, Any]:
    """(model, tokenizer): the encoder or decoder `name` with a head for `labels`; the head is kept if the model has one for them.

    `name`: a hub name, a folder written by save_pretrained, a .gguf file, or a package of PACKAGES or SPLIT. A new head draws from torch's
    generator. `fast_half`: attention written out, which in bfloat16 on a CPU is several times faster backwards than torch's own.
    `pooling`: what the head reads, as in `Recipe`. Raises DataUnavailableError where there is no such model, ValueError where its head is
    for other labels.
    """
    with _quiet():
        found = locate("model", name)
    folder, options = found.folder, found.options
    with _quiet(), _or_unavailable(name):
        config: Any = AutoConfig.from_pretrained(folder, **options)
    _check_head(str(name), config, labels)
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: k for k, label in enumerate(labels)}
    if fast_half:
        config._attn_implementation = "eager"
    kind: Any = AutoModelForSequenceClassification
    if pooling == "mean" or "MeanPooled" in (config.architectures or ()):
        kind = MeanPooled
    with _quiet(), _or_unavailable(name):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
        model: Any = kind.from_pretrained(folder, config=config, dtype=torch.float32, **options)
    prepare(tokenizer, config, f"model {str(name)!r}")
    model.config.pad_token_id = tokenizer.pad_token_id  # decoders read the last token that is not padding
    return model, tokenizer


def _check_head(name: str, config: Any, labels: Sequence[str]) -> None:
    """A head already trained is for certain labels; a body alone takes any."""
    if not any("SequenceClassification" in kind or kind == "MeanPooled" for kind in config.architectures or ()):
        return
    held = tuple(config.id2label[k] for k in sorted(config.id2label))
    anonymous = all(label == f"LABEL_{k}" for k, label in enumerate(held))
    if len(held) != len(labels) or (held != tuple(labels) and not anonymous):
        raise ValueError(
            f"The head of model {name!r} is for other labels than the task's: it has {', '.join(held)}, the task {', '.join(labels)}. "
            f"Take a model without a head, or a task with its labels in its order."
        )


@contextmanager
def _or_unavailable(name: str | Path) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:  # there is one for each way not to find a model, and for damaged files
        reason = str(error).splitlines()[0][:200] if str(error) else "no reason given"
        raise DataUnavailableError(
            f"model {str(name)!r} cannot be had ({type(error).__name__}: {reason}). Name a folder written by save_pretrained, a .gguf "
            f"file, one of the packages {', '.join([*PACKAGES, *SPLIT])}, or a hub name where there is a network."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of loading, and no notice that the head is new: it is meant to be."""
    level, hub = transformers.logging.get_verbosity(), huggingface_hub.logging.get_verbosity()
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    huggingface_hub.logging.set_verbosity_error()  # of a hub out of reach it tells each attempt
    transformers.utils.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gguf's reader overflows on purpose
            yield
    finally:
        transformers.logging.set_verbosity(level)
        huggingface_hub.logging.set_verbosity(hub)
        if bars:
            transformers.utils.logging.enable_progress_bar()
