"""One fine-tuning of a language model, from texts to a record: the same data, budget and protocol for every method."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import os
import sys
import time
import warnings
from contextlib import nullcontext
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .. import _checks as check
from ..data.files import VARIABLE
from ..data.pretrained import locate
from ..files import DamagedFileError, locked, read_record, tidy, write_record
from ..recipe import Recipe
from .batches import Batches, InOrder, Tokens, scores
from .files import read_tensors, write_tensors
from .half import frozen_in_half
from .layer import row_scales
from .measure import PeakMemory, environment, fast_bfloat16
from .methods import METHODS, trainer
from .models import DEFAULT_MODEL, load_model
from .padding import without_padding
from .state import State, restore, trainable
from .tasks import Examples, Task, load_task
from .training import check_reached

PROTOCOLS = ("honest", "published")
Protocol = Literal["honest", "published"]
ANEW = "What it held is computed again."

log = logging.getLogger("rmt_alpha")


@dataclasses.dataclass
class FineTuned:
    """What `finetune` returns: `record`, plain numbers and names for a table; the model at the chosen checkpoint, and its tokenizer."""

    record: dict[str, Any]
    model: Any
    tokenizer: Any


def finetune(
    model: str | Path = DEFAULT_MODEL,
    task: str | Task = "sst2",
    method: str = "alpha-lora",
    *,
    seed: int = 0,
    protocol: Protocol = "honest",
    folder: str | Path | None = None,
    progress: bool = True,
    **recipe: Any,
) -> FineTuned:
    """Fine-tune `model` on n_train rows of `task` by one of METHODS, and test it on the task's development rows.

    The seed decides the rows, the head's first weights, the order of the data and dropout: runs of two methods with one seed are pairs.
    `recipe`: the fields of `Recipe`.

    Protocols. "honest": a slice of the training rows chooses the checkpoint; the development rows are read once, at the end.
    "published": as the authors' code trains. The checkpoint is the best one *on the development rows* (`dev_accuracy`;
    `dev_accuracy_last` is that of the last step; mnli: the mismatched ones). A, B and the head train on all rows, and α on a fifth of the
    same rows, in the order of the data, without shuffling, the first time after the first step. α multiplies biases. `Recipe` has the
    numbers that differ: batch size, length, decay, betas, s, A's first entries.

    `folder`: keeps the run's checkpoint at every evaluation, and result.json at the end. Killed, the same call goes on from there with the
    same numbers (to 1e-6); finished, it gives the record back. What the base model's files hold is part of what a run is. A damaged file
    is named, and computed again; a second process waits. Raises ValueError for bad arguments, a folder with another run's files and a model
    whose head is for other labels, DataUnavailableError where model or data cannot be had, all before any training; ArithmeticError where
    the loss is not finite: the last good checkpoint stays.
    """
    run = run_of(model, task, method, seed=seed, protocol=protocol, **recipe)
    if folder is None:
        return run.train(None, progress)
    place = Path(folder).expanduser()
    with locked(place):
        tidy(place)
        if (done := run.finished(place)) is not None:
            if done["diverged"]:
                raise ArithmeticError(done["diverged"])
            return FineTuned(done, *run.rebuilt(place))
        return run.train(place, progress)


def run_of(
    model: str | Path = DEFAULT_MODEL,
    task: str | Task = "sst2",
    method: str = "alpha-lora",
    *,
    seed: int = 0,
    protocol: str = "honest",
    **recipe: Any,
) -> _Run:
    """What `finetune` does with these arguments, checked, before it does it."""
    return _Run(model, task, method, seed, protocol, Recipe(**_known(recipe)))


@functools.lru_cache(maxsize=4)
def _loaded(task: str, mismatched: bool, data: str | None) -> Task:
    """Read once for many runs; `data` is where from."""
    return load_task(task, mismatched)


class _Run:
    """A fine-tuning with everything checked and the data read; `train` does it."""

    model_name: str
    method: str
    seed: int
    protocol: str
    recipe: Recipe
    task: Task
    train_rows: Examples
    validation_rows: Examples
    held_out_rows: Examples
    dev: Examples

    def __init__(self, model: Any, task: Any, method: str, seed: int, protocol: str, recipe: Recipe) -> None:
        for name, value, known in (("method", method, tuple(METHODS)), ("protocol", protocol, PROTOCOLS)):
            check.choice(name, value, known)
        if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
            raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}.")
        self.model_name, self.method, self.seed, self.protocol = str(model), method, int(seed), protocol
        self.recipe = recipe.under(protocol)
        if recipe.precision == "bfloat16" and not fast_bfloat16():
            warnings.warn(
                "precision='bfloat16' is emulated on this processor and more than ten times slower than 'float32'.",
                stacklevel=3,
            )
        if METHODS[method].held_out != "nothing":
            check_reached(self.recipe.steps, self.recipe.every, self.recipe.first)
        mismatched = protocol == "published" and task == "mnli"
        self.task = task if isinstance(task, Task) else _loaded(task, mismatched, os.environ.get(VARIABLE))
        self.train_rows, self.validation_rows, self.held_out_rows = self._split()
        dev = np.random.default_rng(0).permutation(len(self.task.dev))[: recipe.n_dev]
        self.dev = self.task.dev[np.sort(dev)]

    def _split(self) -> tuple[Examples, Examples, Examples]:
        """Rows that train, that choose the checkpoint, and that α is trained on: honest: disjoint, n_train together; published: the
        first are all, α's some of them, and none choose."""
        n, available, published = self.recipe.n_train, len(self.task.train), self.protocol == "published"
        if n > available:
            raise ValueError(
                f"n_train must be at most {available}, the training rows of {self.task.name!r}, got {n}. Take fewer."
            )
        rows = np.random.default_rng([self.seed, 0]).permutation(available)[:n]
        n_validation = 0 if published else round(self.recipe.validation * n)
        validation, rows = rows[:n_validation], rows[n_validation:]
        sets_apart = METHODS[self.method].held_out != "nothing"
        n_held = round(self.recipe.held_out * len(rows)) if sets_apart else 0
        if len(rows) - n_held < 1 or (sets_apart and n_held < 1) or (not published and n_validation < 1):
            held_out = f", held_out={self.recipe.held_out}" if sets_apart else ""
            raise ValueError(
                f"n_train must leave a row at least for training{', for α' if sets_apart else ''} and for validation, got n_train={n} with "
                f"validation={self.recipe.validation}{held_out}. Take more rows."
            )
        trained = rows if published else rows[n_held:]
        return self.task.train[trained], self.task.train[validation], self.task.train[rows[:n_held]]

    @functools.cached_property
    def base(self) -> str:
        """The hash of what the base model's files hold."""
        return locate("model", self.model_name).sha256()

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """All that decides the numbers; the model by what its files hold, wherever they lie."""
        digest = hashlib.sha256(repr(self.task.labels).encode("utf-8", "surrogatepass"))
        for part in (self.train_rows, self.validation_rows, self.held_out_rows, self.dev):
            digest.update(repr((part.texts, part.labels.tolist())).encode("utf-8", "surrogatepass"))
        return {
            "base": self.base,
            "task": self.task.name,
            "method": self.method,
            "seed": self.seed,
            "protocol": self.protocol,
            **json.loads(json.dumps(dataclasses.asdict(self.recipe))),
            "lr": self.rate(),
            "data": digest.hexdigest()[:16],
        }

    def finished(self, folder: Path) -> dict[str, Any] | None:
        """The record in the folder, if the run is done."""
        file = folder / "result.json"
        if not file.is_file():
            return None
        try:
            record = read_record(file, ANEW)
        except DamagedFileError as error:
            log.warning("%s", error)
            return None
        self._same(file, record)
        return {"diverged": None, **record}

    def diverged(self, folder: Path, why: str, cpu_seconds: float) -> dict[str, Any]:
        """The record of a run that ended in a loss that is not finite, kept in the folder: with these arguments it always will."""
        nothing = dict.fromkeys(("dev_accuracy", "dev_accuracy_last", "dev_loss", "validation_accuracy", "chosen_step"))
        record = {
            "model": self.model_name,
            **self.identity,
            **nothing,
            "diverged": why,
            "cpu_seconds": cpu_seconds,
            **environment(),
        }
        self._keep(folder / "result.json", record)
        return record

    def _same(self, file: Path, held: dict[str, Any]) -> None:
        mine = self.identity
        for key, value in mine.items():
            if held.get(key) != value:
                raise ValueError(
                    f"folder holds another run: {file} has {key}={held.get(key)!r}, this one {key}={value!r}. Name another folder, or "
                    f"delete that file to begin anew."
                )

    def built(self) -> tuple[Any, Any]:
        """Model and tokenizer before the first step. The same seed gives every method the same head, and A the same start."""
        half = self.recipe.precision == "bfloat16" and not torch.cuda.is_available()
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model, tokenizer = load_model(self.model_name, self.task.labels, half, self.recipe.pooling)
            torch.manual_seed(self.seed)
            model = METHODS[self.method].adapt(model, self.recipe)
        return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer

    def rebuilt(self, folder: Path) -> tuple[Any, Any]:
        """The model of a finished run, from its last checkpoint; (None, None) if that was deleted or damaged."""
        held = self._checkpoint(folder / "checkpoint.pt")
        if held is None:
            return None, None
        model, tokenizer = self.built()
        restore(trainable(model), held["state"]["best"]["weights"])
        return model.eval(), tokenizer

    def _checkpoint(self, file: Path | None) -> dict[str, Any] | None:
        """What the file holds; None where there is none, or a damaged one, which is named."""
        if file is None or not file.is_file():
            return None
        try:
            held = read_tensors(file, ANEW)
        except DamagedFileError as error:
            log.warning("%s", error)
            return None
        self._same(file, held["identity"])
        return held

    def train(self, folder: Path | None, progress: bool) -> FineTuned:
        start, cpu, memory = time.perf_counter(), time.process_time(), PeakMemory()
        checkpoint = None if folder is None else folder / "checkpoint.pt"
        held = self._checkpoint(checkpoint)
        model, tokenizer = self.built()
        assert self.recipe.max_length is not None  # the protocol's, where none was given
        tokens = Tokens(tokenizer, self.recipe.max_length, model.get_input_embeddings().num_embeddings)
        steps = trainer(model, self.method, self.recipe, self._loss)
        state = State(trainable=trainable(model))
        if held is not None:
            state.load(held["state"])
            steps.load_state_dict(held["trainer"])
            del held  # weights and optimiser once more
        half = frozen_in_half(model) if self.recipe.precision == "bfloat16" else nullcontext()
        with without_padding(model), half:
            self._loop(model, tokens, steps, state, checkpoint, progress)
            best = state.chosen()
            model.eval()
            loss, accuracy, predicted = best.loss, best.accuracy, None
            if self.protocol == "honest":  # the one look at the development rows
                loss, accuracy, predicted = scores(model, tokens(self.dev), self._autocast)
                self._finite("loss on the development rows", loss, best.step, checkpoint)
        record = {
            "model": self.model_name,
            **self.identity,
            "diverged": None,
            "dev_accuracy": accuracy,
            "dev_accuracy_last": None if self.protocol == "honest" else state.curve[-1]["judged_accuracy"],
            "dev_loss": loss,
            "majority_accuracy": float(np.bincount(self.dev.labels).max() / len(self.dev)),
            "dev_rows": len(self.dev),
            "dev_predictions": None if predicted is None else predicted.tolist(),
            "validation_accuracy": best.accuracy if self.protocol == "honest" else None,
            "chosen_step": best.step,
            "steps_done": steps.step_count,
            "trainable_parameters": sum(p.numel() for p in state.trainable.values()),
            "train_seconds": state.seconds,
            "seconds": time.perf_counter() - start,
            "cpu_seconds": time.process_time() - cpu,
            "peak_memory_mb": memory.megabytes(),
            "curve": state.curve,
            "row_scales": {name: scale.detach().float().cpu().tolist() for name, scale in row_scales(model).items()},
            **environment(),
        }
        if folder is not None:
            self._keep(folder / "result.json", record)
        return FineTuned(record, model, tokenizer)

    def _loop(
        self, model: Any, tokens: Tokens, steps: Any, state: State, checkpoint: Path | None, progress: bool
    ) -> None:
        recipe = self.recipe
        assert recipe.batch_size is not None
        batch = Batches(tokens(self.train_rows), recipe.batch_size, [self.seed, 1])
        apart = tokens(self.held_out_rows)
        held_out: Any = Batches(apart, recipe.batch_size, [self.seed, 2])
        if self.protocol == "published":
            held_out = InOrder(apart, recipe.batch_size)
        # The published code looks at the test set to choose; the honest protocol at a slice of the training set.
        judge = tokens(self.validation_rows if self.protocol == "honest" else self.dev)
        looks = {round(recipe.steps * k / recipe.evaluations) for k in range(1, recipe.evaluations + 1)}
        bar = tqdm(
            total=recipe.steps,
            initial=steps.step_count,
            desc=self._title(),
            unit="step",
            file=sys.stderr,
            disable=not progress,
        )
        losses: list[float] = []
        with bar, torch.random.fork_rng():
            while steps.step_count < recipe.steps and not (recipe.patience and state.since >= recipe.patience):
                i, began = steps.step_count, time.perf_counter()
                # Dropout follows from seed and step, not from what ran before.
                torch.manual_seed(int(np.random.SeedSequence([self.seed, 3, i]).generate_state(1)[0]))
                model.train()
                losses.append(steps.step(batch(i), held_out))
                state.seconds += time.perf_counter() - began
                self._finite("loss", losses[-1], i + 1, checkpoint)
                bar.set_postfix(loss=f"{losses[-1]:.3f}", accuracy=state.shown(), refresh=False)
                bar.update()
                if i + 1 in looks:
                    loss, accuracy, _ = scores(model, judge, self._autocast)
                    self._finite("loss on the rows that choose the checkpoint", loss, i + 1, checkpoint)
                    state.look(i + 1, float(np.mean(losses)), loss, accuracy)
                    losses = []
                    if checkpoint is not None:
                        held = {"identity": self.identity, "state": state.saved(), "trainer": steps.state_dict()}
                        write_tensors(checkpoint, held)

    def _finite(self, what: str, loss: float, step: int, checkpoint: Path | None) -> None:
        if not np.isfinite(loss):
            kept = checkpoint is not None and checkpoint.is_file()
            raise ArithmeticError(
                f"The {what} is {loss} at step {step} of {self._title()}. Take a smaller lr than {self.rate()}"
                f"{f', or a smaller row_scale_lr than {self.recipe.row_scale_lr}' if METHODS[self.method].held_out == 'row scale' else ''}."
                f"{f' The last good checkpoint is kept in {checkpoint}.' if kept else ''}"
            )

    def _keep(self, file: Path, record: dict[str, Any]) -> None:
        try:
            write_record(file, record)
        except OSError as error:  # what was computed is told, at least
            error.add_note(
                f"The run is done: dev_accuracy = {record['dev_accuracy']}; its record could not be written."
            )
            raise

    def rate(self) -> float:
        return self.recipe.lr or METHODS[self.method].lr

    def _autocast(self) -> Any:
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast("cuda" if torch.cuda.is_available() else "cpu", torch.bfloat16)

    def _loss(self, model: Any, batch: Any) -> Tensor:
        with self._autocast():
            return model(**batch.to(model.device)).loss

    def _title(self) -> str:
        return f"{self.task.name} {self.method} seed {self.seed}"


def _known(recipe: dict[str, Any]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(Recipe)]
    if unknown := sorted(set(recipe) - set(names)):
        raise TypeError(f"finetune takes no argument {unknown[0]!r}. The recipe's are {', '.join(names)}.")
    return recipe
