"""The published training algorithm: one optimiser for A, B and the head, a second one for α on data that the first does not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .layer import row_deltas

Batch = Mapping[str, Any]
OPTIMIZERS: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class TwoOptimizers:
    """AdamW on A, B and the head every step, its rate falling linearly to 0; every `every` steps, one step of the second on α.

    >>> import torch
    >>> from peft import get_peft_model
    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    >>> tiny = BertForSequenceClassification(BertConfig(vocab_size=50, **sizes))
    >>> model = get_peft_model(tiny, AlphaLoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_CLS"))
    >>> tokens, labels = torch.randint(50, (100, 8)), torch.randint(2, (100,))
    >>> def batch_of(rows, i):
    ...     chosen = rows[(8 * i) % len(rows) :][:8]
    ...     return {"input_ids": tokens[chosen], "labels": labels[chosen]}
    >>> data, held_out = split_held_out(100, 0.2, seed=0)
    >>> trainer = TwoOptimizers(model.train(), n_steps=20, lr=2e-4)
    >>> for i in range(20):
    ...     loss = trainer.step(batch_of(data, i), lambda k: batch_of(held_out, k))
    >>> float(loss) > 0
    True

    A loaded model is in eval mode, its dropout off: hence `model.train()`.
    `step` gives `held_out` the number of the α step, 0, 1, …, and wants a fresh batch back, so that a run resumed from `state_dict` can
    go on with the same data. A batch is a mapping of keyword arguments for the model; `loss` takes (model, batch), default: the model's
    own `loss`. Each step asks gradients of its own parameters only: between α steps α costs no memory. (In DistributedDataParallel, which
    takes the model as it is, with its default flags, every step asks all.)
    α moves after the steps first, first + every, …; `first` None: `every`; it must be one of the n_steps. `row_scale_optimizer`: "adam",
    "adamw" (which pulls α to 1: torch's decay, .01; `weight_decay` is A's and B's) or "sgd"; `beta2` is that of both optimisers. (The
    authors' code: first 1, beta2 .99, weight_decay .01.)
    """

    def __init__(
        self,
        model: nn.Module,
        n_steps: int,
        *,
        lr: float = 2e-4,
        every: int = 10,
        first: int | None = None,
        row_scale_lr: float = 5e-3,
        row_scale_optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        weight_decay: float = 0.0,
        beta2: float = 0.999,
        loss: Callable[[nn.Module, Batch], Tensor] | None = None,
    ) -> None:
        check_rates(
            {"n_steps": n_steps, "every": every, "first": every if first is None else first},
            {"lr": lr, "row_scale_lr": row_scale_lr},
            row_scale_optimizer,
        )
        self.model, self.every, self.first, self.n_steps, self.step_count = model, every, first, n_steps, 0
        self.others, self.deltas = _trainable(model)
        if not self.deltas:
            raise ValueError(
                "The model has no trainable α. Make it with get_peft_model(model, AlphaLoraConfig(…)), or load it with is_trainable=True."
            )
        check_reached(n_steps, every, first)
        self.loss = loss or (lambda model, batch: model(**batch).loss)
        betas = (0.9, beta2)
        self.optimizer = torch.optim.AdamW(self.others, lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda i: max(0.0, 1 - i / n_steps))
        own: dict[str, Any] = {} if row_scale_optimizer == "sgd" else {"betas": betas}
        self.row_scale_optimizer = OPTIMIZERS[row_scale_optimizer](self.deltas, lr=row_scale_lr, **own)

    def step(self, batch: Batch, held_out: Callable[[int], Batch]) -> float:
        """One step on `batch`, then, if it is α's turn, one on a held-out batch. Returns the loss on `batch`, before the step."""
        loss = self._descend(self.optimizer, self.deltas, batch)
        self.schedule.step()
        self.step_count += 1
        if (k := due(self.step_count, self.first, self.every)) is not None:
            self._descend(self.row_scale_optimizer, self.others, held_out(k))
        return loss

    def _descend(self, optimizer: torch.optim.Optimizer, still: list[Any], batch: Batch) -> float:
        # DistributedDataParallel waits for the gradient of every parameter that was trainable when it was made.
        ungraded = [] if isinstance(self.model, DistributedDataParallel) else still
        for p in ungraded:
            p.requires_grad_(False)
        try:
            self._forget()
            loss = self.loss(self.model, batch)
            loss.backward()
            optimizer.step()
            self._forget()
        finally:
            for p in ungraded:
                p.requires_grad_(True)
        return loss.item()

    def _forget(self) -> None:
        for p in (*self.others, *self.deltas):
            p.grad = None

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
        first: int | None = None,
        row_scale_lr: float = 5e-3,
        weight_decay: float = 0.0,
        beta2: float = 0.999,
        loss: Callable[[nn.Module, Batch], Tensor],
    ) -> None:
        groups = param_groups(model, lr=lr, row_scale_lr=row_scale_lr, weight_decay=weight_decay)
        self.model, self.every, self.first, self.loss, self.step_count = model, every, first, loss, 0
        # Fused, as transformers' Trainer has it: torch's plain loop over all parameters takes a fifth of full fine-tuning's time.
        self.optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2), fused=True)
        rates = [lambda i: max(0.0, 1 - i / n_steps), lambda i: 1.0]
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rates[: len(groups)])

    def step(self, batch: Batch, held_out: Callable[[int], Batch]) -> float:
        """One step on `batch`, then, if it is time, one on a held-out batch. Returns the loss on `batch`, before the step."""
        loss = self._descend(batch)
        self.schedule.step()
        self.step_count += 1
        if self.every is not None and (k := due(self.step_count, self.first, self.every)) is not None:
            self._descend(held_out(k))
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


def due(step: int, first: int | None, every: int) -> int | None:
    """The number, 0, 1, …, of the step on held-out rows that comes after so many steps: after first, first + every, …; None: none does."""
    k, left = divmod(step - (first or every), every)
    return k if k >= 0 and not left else None


def check_reached(n_steps: int, every: int, first: int | None) -> None:
    """ValueError where training ends before the first step on held-out rows."""
    name, at = ("every", every) if first in (None, every) else ("first", first)
    if at > n_steps:
        raise ValueError(
            f"{name} must be at most the number of steps, {n_steps}, got {at}: the rows held out would train nothing."
        )


def check_rates(counts: dict[str, Any], rates: dict[str, Any], optimizer: str) -> None:
    """ValueError for the first that is no count, no rate, or no optimiser of α."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise ValueError(f"{name} must be a positive whole number, got {count!r}.")
    for name, rate in rates.items():
        if not 0 < rate < float("inf"):
            raise ValueError(f"{name} must be a positive number, got {rate!r}.")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"row_scale_optimizer must be one of {', '.join(map(repr, OPTIMIZERS))}, got {optimizer!r}.")


def param_groups(
    model: nn.Module, *, lr: float, row_scale_lr: float = 5e-3, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """For one optimiser of all that is trainable, with α at a rate of its own: `AdamW(param_groups(model, lr=2e-4))`.

    The first group is A, B and the head at `lr`; the second α (its δ = α − 1) at `row_scale_lr`, without decay, where it is trainable.
    """
    others, deltas = _trainable(model)
    groups: list[dict[str, Any]] = [{"params": others, "lr": lr, "weight_decay": weight_decay}]
    if deltas:
        groups.append({"params": deltas, "lr": row_scale_lr, "weight_decay": 0.0})
    return groups


def _trainable(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(A, B and the head; δ)."""
    known = {id(p) for p in row_deltas(model).values()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    return [p for p in trainable if id(p) not in known], [p for p in trainable if id(p) in known]


def split_held_out(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the n training texts: those for A, B and the head, and those held out for α, both in random order."""
    if not 0 < fraction < 1 or not 0 < (held := round(n * fraction)) < n:
        raise ValueError(
            f"fraction must leave at least one of n texts on either side, got fraction={fraction!r}, n={n!r}."
        )
    order = np.random.default_rng(seed).permutation(n)
    return order[held:], order[:held]
