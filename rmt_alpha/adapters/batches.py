"""Texts as batches of tokens. Which rows the i-th batch holds follows from the seed and i alone, so that a run can go on in its middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from .tasks import Examples

EVALUATED_AT_ONCE = 64


class Tokens:
    """Texts to lists of token numbers with labels, cut at `max_length`, not padded yet; ValueError where a model with a `vocabulary`
    of so many tokens could not read them."""

    def __init__(self, tokenizer: Any, max_length: int, vocabulary: int | None = None) -> None:
        self.tokenizer, self.vocabulary = tokenizer, vocabulary
        longest = min(max_length, tokenizer.model_max_length)
        self.options = dict(truncation=True, max_length=longest, padding=False, return_attention_mask=False)

    def __call__(self, examples: Examples) -> TokenRows:
        columns = [list(column) for column in zip(*examples.texts, strict=True)]
        special = self.tokenizer.num_special_tokens_to_add(pair=len(columns) == 2)
        if self.options["max_length"] <= special:
            raise ValueError(
                f"max_length must leave room for words beside the {special} tokens that mark where a text begins and ends, got "
                f"{self.options['max_length']}. The usual length is 128."
            )
        encoded = dict(self.tokenizer(*columns, **self.options)) if columns else {}
        for text, row in zip(examples.texts, encoded.get("input_ids", ()), strict=True):
            if not row:
                raise ValueError(f"Texts must hold a token each for this model, got {text!r}. Drop empty texts.")
            if self.vocabulary is not None and max(row) >= self.vocabulary:
                raise ValueError(
                    f"The tokenizer must be the model's own: it has a token of number {max(row)} in {text[0][:40]!r}, the model "
                    f"{self.vocabulary} tokens. Name a folder in which both were saved together."
                )
        return TokenRows(self.tokenizer, encoded, examples.labels)


class TokenRows:
    """n tokenised texts; `rows.batch(indices)` is what a model takes."""

    def __init__(self, tokenizer: Any, encoded: dict[str, list[list[int]]], labels: np.ndarray) -> None:
        self.tokenizer, self.encoded, self.labels = tokenizer, encoded, labels

    def __len__(self) -> int:
        return len(self.labels)

    def lengths(self) -> np.ndarray:
        return np.array([len(row) for row in self.encoded["input_ids"]])

    def batch(self, rows: np.ndarray) -> Any:
        padded = self.tokenizer.pad(
            {name: [column[i] for i in rows] for name, column in self.encoded.items()}, return_tensors="pt"
        )
        padded["labels"] = torch.as_tensor(self.labels[rows], dtype=torch.long)
        return padded


class Batches:
    """The i-th batch of a stream that goes through all rows, in a new random order each time; batches may lie across two passes."""

    def __init__(self, rows: TokenRows, size: int, stream: Sequence[int]) -> None:
        self.rows, self.size, self.stream = rows, min(size, len(rows)), list(stream)

    def __call__(self, i: int) -> Any:
        places = np.arange(i * self.size, (i + 1) * self.size)
        passes, inside = np.divmod(places, len(self.rows))
        orders = {
            k: np.random.default_rng([*self.stream, int(k)]).permutation(len(self.rows)) for k in np.unique(passes)
        }
        return self.rows.batch(np.array([orders[k][j] for k, j in zip(passes, inside, strict=True)]))


class InOrder:
    """The i-th batch of a loader that does not shuffle, as the authors' of α: rows 0–63, 64–127, …, the last one short, and again."""

    def __init__(self, rows: TokenRows, size: int) -> None:
        self.rows, self.size = rows, size

    def __call__(self, i: int) -> Any:
        start = i % -(-len(self.rows) // self.size) * self.size
        return self.rows.batch(np.arange(start, min(start + self.size, len(self.rows))))


def scores(model: Any, rows: TokenRows, autocast: Callable[[], Any]) -> tuple[float, float, np.ndarray]:
    """Mean cross-entropy, accuracy, and the label (n,) that the model gives each row."""
    model.eval()
    order = np.argsort(rows.lengths(), kind="stable")  # like lengths together: little padding
    loss, predicted = 0.0, np.empty(len(rows), dtype=int)
    with torch.inference_mode(), autocast():
        for start in range(0, len(rows), EVALUATED_AT_ONCE):
            here = order[start : start + EVALUATED_AT_ONCE]
            batch = rows.batch(here).to(model.device)
            labels = batch.pop("labels")
            logits = model(**batch).logits.float()
            loss += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            predicted[here] = logits.argmax(-1).cpu()
    return loss / len(rows), float(np.mean(predicted == rows.labels)), predicted
