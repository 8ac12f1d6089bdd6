"""What a language model is fine-tuned on: texts or pairs of texts with one of K labels, for training and for the last test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.glue import GLUE_LABELS, GLUE_TASKS, load_glue
from ..data.texts import TEXT_DOMAINS, load_texts

DOMAIN_DEV = 500


@dataclass(frozen=True)
class Examples:
    """texts: n tuples of one string, or two; labels: (n,) whole numbers 0 … K − 1."""

    texts: list[tuple[str, ...]]
    labels: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", np.asarray(self.labels))

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, rows: np.ndarray) -> Examples:
        return Examples([self.texts[i] for i in rows], self.labels[rows])


@dataclass(frozen=True)
class Task:
    """A task of one's own: Task("mine", ("no", "yes"), train=Examples(texts, labels), dev=Examples(…)); `labels` names the classes."""

    name: str
    labels: tuple[str, ...]
    train: Examples
    dev: Examples

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        shapes = set()
        for split in ("train", "dev"):
            examples = getattr(self, split)
            labels = examples.labels
            if len(labels) != len(examples.texts) or not len(labels):
                raise ValueError(
                    f"{split} of task {self.name!r} must hold as many labels as texts, and one at least, got {len(labels)} "
                    f"labels and {len(examples.texts)} texts."
                )
            if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(self.labels):
                raise ValueError(
                    f"The labels in {split} of task {self.name!r} must be whole numbers 0 … {len(self.labels) - 1}, one for each "
                    f"of {', '.join(self.labels)}, got {np.unique(labels)[:8]}."
                )
            for i, text in enumerate(examples.texts):
                shapes.add(len(text) if isinstance(text, tuple) and all(isinstance(t, str) for t in text) else 0)
                if shapes not in ({1}, {2}):
                    raise ValueError(
                        f"The texts of task {self.name!r} must be tuples of one string, or all of two, got {text!r} at index {i} of "
                        f"{split}. Write (text,)."
                    )


def task_names() -> tuple[str, ...]:
    """What `load_task` knows."""
    return (
        *GLUE_TASKS,
        *(f"{collection}:{domain}" for collection, domains in TEXT_DOMAINS.items() for domain in domains),
    )


def load_task(name: str, mismatched: bool = False) -> Task:
    """One of `task_names()`: a GLUE task, or the sentiment of one domain of texts ("blitzer_text:books"); or several ("mrpc+qqp").

    Several are one task with the labels of all, apart from each other, and as many rows of each as the smallest has.

    Development rows: GLUE's own (qqp: see `load_glue`; mnli: the matched ones, or, `mismatched`, those of other genres, on which the
    authors' code tests); of a domain 500, fixed once, each text once over both splits.
    Raises ValueError for another name, DataUnavailableError where there are no data.
    """
    if "+" in name:
        return _together(name, [load_task(part, mismatched) for part in name.split("+")])
    if name in GLUE_TASKS:
        dev = "dev_mismatched" if mismatched and name == "mnli" else "dev"
        return Task(name, GLUE_LABELS[name], Examples(*load_glue(name, "train")), Examples(*load_glue(name, dev)))
    if name not in task_names():
        raise ValueError(
            f"task must be one of {', '.join(task_names())}, or a Task of your own, got {name!r}. Check the spelling."
        )
    texts, y = load_texts(*name.split(":"))
    rows = np.random.default_rng(0).permutation(np.sort(np.unique(texts, return_index=True)[1]))
    reviews = Examples([(text,) for text in texts], (y > 0).astype(int))
    return Task(name, ("negative", "positive"), reviews[rows[DOMAIN_DEV:]], reviews[rows[:DOMAIN_DEV]])


def _together(name: str, parts: list[Task]) -> Task:
    if len({part.name for part in parts}) < len(parts):
        raise ValueError(f"task must name each of several tasks once, got {name!r}.")
    first = np.cumsum([0, *(len(part.labels) for part in parts)])

    def mixed(split: str) -> Examples:
        each = [getattr(part, split) for part in parts]
        rows = [np.random.default_rng(0).permutation(len(one))[: min(map(len, each))] for one in each]
        labels = [one.labels[r] + k for one, r, k in zip(each, rows, first, strict=False)]
        return Examples([one.texts[i] for one, r in zip(each, rows, strict=True) for i in r], np.concatenate(labels))

    labels = tuple(f"{part.name}: {label}" for part in parts for label in part.labels)
    return Task(name, labels, mixed("train"), mixed("dev"))
