"""The published training algorithm: one optimiser for A, B and the head, a second one for α on data that the first does not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from .alpha_lora import row_scales

Batch = Mapping[str, Any]
OPTIMIZERS: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class TwoOptimizers:
    """AdamW on A, B and the head every step, its rate falling linearly to 0; every `every` steps, one step of the second on α.

        data, held_out = split_held_out(len(train), 0.2, seed=0)
        trainer = TwoOptimizers(model, n_steps=1000, lr=2e-4)
        for i in range(1000):
            loss = trainer.step(batch_of(data, i), lambda k: batch_of(held_out, k))

    `step` gives `held_out` the number of the α step, 0, 1, …, and wants a fresh batch back, so that a run resumed from `state_dict` can
    go on with the same data. A batch is a mapping of keyword arguments for the model; `loss` takes (model, batch), default: the model's
    own `loss`. Each step asks gradients of its own parameters only: between α steps α costs no memory.
    Parameters as published: row_scale_lr 5e-3, row_scale_optimizer "adam", "adamw" or "sgd".
    """

    def __init__(
        self,
        model: nn.Module,
        n_steps: int,
        *,
        lr: float = 2e-4,
        every: int = 10,
        row_scale_lr: float = 5e-3,
        row_scale_optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        loss: Callable[[nn.Module, Batch], Tensor] | None = None,
    ) -> None:
        for name, count in (("n_steps", n_steps), ("every", every)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"{name} must be a positive whole number, got {count!r}.")
        for name, rate in (("lr", lr), ("row_scale_lr", row_scale_lr)):
            if not 0 < rate < float("inf"):
                raise ValueError(f"{name} must be a positive number, got {rate!r}.")
        if row_scale_optimizer not in OPTIMIZERS:
            raise ValueError(
                f"row_scale_optimizer must be one of {', '.join(map(repr, OPTIMIZERS))}, got {row_scale_optimizer!r}."
            )
        scales = {id(p) for p in row_scales(model).values()}
        trainable = [p for p in model.parameters() if p.requires_grad]
        self.model, self.every, self.n_steps, self.step_count = model, every, n_steps, 0
        self.row_scales = [p for p in trainable if id(p) in scales]
        self.others = [p for p in trainable if id(p) not in scales]
        if not self.row_scales:
            raise ValueError(
                "The model has no trainable α. Make it with get_peft_model(model, AlphaLoraConfig(…)), or load it with is_trainable=True."
            )
        self.loss = loss or (lambda model, batch: model(**batch).loss)
        self.optimizer = torch.optim.AdamW(self.others, lr=lr, weight_decay=weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda i: max(0.0, 1 - i / n_steps))
        self.row_scale_optimizer = OPTIMIZERS[row_scale_optimizer](self.row_scales, lr=row_scale_lr)

    def step(self, batch: Batch, held_out: Callable[[int], Batch]) -> float:
        """One step on `batch`, then, if it is α's turn, one on a held-out batch. Returns the loss on `batch`, before the step."""
        loss = self._descend(self.optimizer, self.row_scales, batch)
        self.schedule.step()
        self.step_count += 1
        if self.step_count % self.every == 0:
            fresh = held_out(self.step_count // self.every - 1)
            self._descend(self.row_scale_optimizer, self.others, fresh)
        return loss

    def _descend(self, optimizer: torch.optim.Optimizer, still: list[Any], batch: Batch) -> float:
        for p in still:
            p.requires_grad_(False)
        try:
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.model, batch)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        finally:
            for p in still:
                p.requires_grad_(True)
        return loss.item()

    def state_dict(self) -> dict[str, Any]:
        """Optimisers, schedule and step; the model's weights are saved with the model."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "row_scale_optimizer": self.row_scale_optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step_count": self.step_count,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.row_scale_optimizer.load_state_dict(state["row_scale_optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step_count = state["step_count"]


class OneOptimizer:
    """AdamW on all that is trainable, its rate falling linearly to 0; α, if it is trainable, at a constant rate of its own.

    Same calls as `TwoOptimizers`. `every`: after so many steps one more, on a held-out batch, of the same optimiser; None: never.
    """

    def __init__(
        self,
        model: nn.Module,
        n_steps: int,
        *,
        lr: float,
        every: int | None = None,
        row_scale_lr: float = 5e-3,
        weight_decay: float = 0.0,
        loss: Callable[[nn.Module, Batch], Tensor],
    ) -> None:
        scales = [p for p in row_scales(model).values() if p.requires_grad]
        known = {id(p) for p in scales}
        others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
        groups: list[dict[str, Any]] = [{"params": others}]
        if scales:
            groups.append({"params": scales, "lr": row_scale_lr, "weight_decay": 0.0})
        self.model, self.every, self.loss, self.step_count = model, every, loss, 0
        self.optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay)
        rates = [lambda i: max(0.0, 1 - i / n_steps), lambda i: 1.0]
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rates[: len(groups)])

    def step(self, batch: Batch, held_out: Callable[[int], Batch]) -> float:
        """One step on `batch`, then, if it is time, one on a held-out batch. Returns the loss on `batch`, before the step."""
        loss = self._descend(batch)
        self.schedule.step()
        self.step_count += 1
        if self.every is not None and self.step_count % self.every == 0:
            self._descend(held_out(self.step_count // self.every - 1))
        return loss

    def _descend(self, batch: Batch) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model, batch)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def state_dict(self) -> dict[str, Any]:
        """Optimiser, schedule and step; the model's weights are saved with the model."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step_count": self.step_count,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step_count = state["step_count"]


def split_held_out(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the n training texts: those for A, B and the head, and those held out for α, both in random order."""
    if not 0 < fraction < 1 or not 0 < (held := round(n * fraction)) < n:
        raise ValueError(
            f"fraction must leave at least one of n texts on either side, got fraction={fraction!r}, n={n!r}."
        )
    order = np.random.default_rng(seed).permutation(n)
    return order[held:], order[:held]
