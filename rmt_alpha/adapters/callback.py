"""The published training inside transformers.Trainer: Trainer trains A, B and the head, this callback α, every T steps on its own rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from transformers import TrainerCallback

from .files import read_tensors, write_tensors
from .layer import row_deltas
from .training import OPTIMIZERS, Batch, check_rates, check_reached, due

KEPT = "row_scale_optimizer.pt"  # beside the rest of a checkpoint


class AlphaCallback(TrainerCallback):
    """`Trainer(model, arguments, train_dataset=data, callbacks=[AlphaCallback(held_out)])`: α as `TwoOptimizers` trains it.

    Every `every` steps of Trainer's optimiser (accumulated batches are one step), one step on α on the next batch of `held_out`: rows as
    those of train_dataset, which Trainer must not see. Trainer keeps all of its own: schedule, clipping (of what it trains), mixed
    precision in bfloat16, logging, checkpoints; those hold α's optimiser too, so that a resumed run goes on as it would have. (A loss
    that calls the model's `disable_adapter()` makes α trainable again until α's next step, and its gradient counts in the clipped norm.)

    Parameters: `held_out`, a dataset with a length; `batch_size`, rows per device, None: Trainer's; `seed`, of the order of the rows, None:
    Trainer's; `loss`, from (model, batch), None: the model's own; `row_scale_optimizer` "adamw" pulls α to 1 (torch's decay, .01). Raises
    ValueError where Trainer trains α itself, because it was given the callback after it was made, the optimiser or `model_init`; where
    training ends before α's first step; and for DeepSpeed, FSDP and float16.
    """

    def __init__(
        self,
        held_out: Any,
        *,
        every: int = 10,
        row_scale_lr: float = 5e-3,
        row_scale_optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        batch_size: int | None = None,
        seed: int | None = None,
        loss: Callable[[nn.Module, Batch], Tensor] | None = None,
    ) -> None:
        check_rates({"every": every}, {"row_scale_lr": row_scale_lr}, row_scale_optimizer)
        if not hasattr(held_out, "__len__") or len(held_out) < 1:
            raise ValueError(
                "held_out must be a dataset with a length of at least 1, whose rows Trainer does not train on."
            )
        self.held_out, self.every, self.batch_size, self.seed = held_out, every, batch_size, seed
        self.row_scale_lr, self.row_scale_optimizer = row_scale_lr, row_scale_optimizer
        self.loss = loss or (lambda model, batch: model(**batch).loss)
        self.deltas: list[nn.Parameter] = []
        self.optimizer: torch.optim.Optimizer | None = None

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take α out of Trainer's hands: it trains what asks for gradients when its optimiser is made."""
        if args.fp16 or args.deepspeed or args.fsdp:
            raise ValueError(
                "AlphaCallback works in float32 and bfloat16, on one device or several, not with fp16, DeepSpeed or FSDP."
            )
        self.deltas = [p for p in row_deltas(kwargs["model"]).values() if p.requires_grad]
        if not self.deltas:
            raise ValueError(
                "The model has no trainable α. Make it with get_peft_model(model, AlphaLoraConfig(…)); after a training that was broken "
                "off: for p in row_deltas(model).values(): p.requires_grad_(True)."
            )
        for p in self.deltas:
            p.requires_grad_(False)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        known = {id(p) for group in kwargs["optimizer"].param_groups for p in group["params"]}
        here = {id(p) for p in row_deltas(kwargs["model"]).values()}
        if not self.deltas or known & here:
            raise ValueError(
                "AlphaCallback must be given to Trainer as it is made, callbacks=[AlphaCallback(…)], with a model and not model_init, and "
                "without an optimiser of α. model.disable_adapter() and set_adapter() make α trainable again: call them before Trainer is "
                "made."
            )
        check_reached(state.max_steps, self.every, None)
        self.optimizer = OPTIMIZERS[self.row_scale_optimizer](self.deltas, lr=self.row_scale_lr)
        if state.global_step:
            given = args.resume_from_checkpoint
            named = isinstance(given, str) and os.path.isdir(given)
            folder = Path(given) if named else _checkpoint(args, state)
            if not (folder / KEPT).is_file():
                raise FileNotFoundError(
                    f"{folder / KEPT}, the optimiser of α at step {state.global_step}, is missing. Resume in the output_dir of the run, or "
                    f"name the checkpoint in TrainingArguments(resume_from_checkpoint=…)."
                )
            self.optimizer.load_state_dict(read_tensors(folder / KEPT))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if (k := due(state.global_step, None, self.every)) is not None:
            self._descend(kwargs["model"], self._batch(k, args, kwargs["train_dataloader"]))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Trainable again, for whoever trains next."""
        for p in self.deltas:
            p.requires_grad_(True)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero and self.optimizer is not None and not args.save_only_model:
            write_tensors(_checkpoint(args, state) / KEPT, self.optimizer.state_dict())

    def _batch(self, k: int, args: Any, train_dataloader: Any) -> Any:
        """The k-th, on whichever machine and however often resumed: this process's share of it."""
        size, ranks = self.batch_size or args.per_device_train_batch_size, max(1, args.world_size)
        seed, n = args.seed if self.seed is None else self.seed, len(self.held_out)
        places = k * size * ranks + np.arange(size) * ranks + args.process_index
        orders = {int(p): np.random.default_rng([seed, int(p)]).permutation(n) for p in np.unique(places // n)}
        rows = [self.held_out[int(orders[int(i // n)][i % n])] for i in places]
        seen = train_dataloader.dataset  # Trainer has dropped the columns that the model does not take
        indexed = hasattr(seen, "__getitem__") and not isinstance(seen, IterableDataset)
        if isinstance(rows[0], dict) and indexed and isinstance(seen[0], dict):
            rows = [{name: row[name] for name in seen[0] if name in row} for row in rows]
        batch = train_dataloader.collate_fn(rows)
        return {name: value.to(args.device) if hasattr(value, "to") else value for name, value in batch.items()}

    def _descend(self, model: nn.Module, batch: Any) -> None:
        """A step on α, past DistributedDataParallel, which does not know of it: `model` is what it wraps."""
        assert self.optimizer is not None
        own = {id(p) for p in self.deltas}
        still = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
        for p in still:
            p.requires_grad_(False)
        for p in self.deltas:
            p.requires_grad_(True)
        try:
            model.train()
            self.loss(model, batch).backward()
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                for p in self.deltas:
                    assert p.grad is not None
                    torch.distributed.all_reduce(p.grad)
                    p.grad /= torch.distributed.get_world_size()
            self.optimizer.step()
        finally:
            for p in self.deltas:
                p.grad = None
                p.requires_grad_(False)
            for p in still:
                p.grad = None  # Trainer has used its own; a loss that calls disable_adapter() lets others in
                p.requires_grad_(True)


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
