"""Where a fine-tuning stands: its weights, the best checkpoint so far, and its curve."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor


@dataclasses.dataclass
class Best:
    """The checkpoint chosen so far."""

    step: int
    accuracy: float
    loss: float
    weights: dict[str, Tensor]


@dataclasses.dataclass
class State:
    """Where a run stands, beside its optimisers."""

    trainable: dict[str, Tensor]
    best: Best | None = None
    since: int = 0  # evaluations since the best one
    curve: list[dict[str, float]] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def look(self, step: int, train_loss: float, loss: float, accuracy: float) -> None:
        """Enter an evaluation, and keep the weights if they are the best: higher accuracy, then lower loss."""
        self.curve.append({"step": step, "loss": train_loss, "judged_loss": loss, "judged_accuracy": accuracy})
        self.since += 1
        if self.best is None or (accuracy, -loss) > (self.best.accuracy, -self.best.loss):
            self.best, self.since = Best(step, accuracy, loss, copied(self.trainable)), 0

    def chosen(self) -> Best:
        """Back to the best weights."""
        assert self.best is not None  # the last step is always looked at
        restore(self.trainable, self.best.weights)
        return self.best

    def shown(self) -> str:
        return "–" if self.best is None else f"{self.best.accuracy:.3f}"

    def saved(self) -> dict[str, Any]:
        """To be written at once: the weights are the ones that go on training."""
        return {**vars(self), "trainable": {n: p.detach() for n, p in self.trainable.items()}, "best": vars(self.best)}

    def load(self, held: dict[str, Any]) -> None:
        restore(self.trainable, held["trainable"])
        self.best, self.since = Best(**held["best"]), held["since"]
        self.curve, self.seconds = held["curve"], held["seconds"]


def trainable(model: Any) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def restore(trainable: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, p in trainable.items():
            p.copy_(state[name])


def copied(trainable: dict[str, Any]) -> dict[str, Tensor]:
    return {name: p.detach().cpu().clone() for name, p in trainable.items()}
