"""Every number of one fine-tuning of a language model but the seed, with the paper's values as defaults where it gives them.

Where the two protocols differ the default is None, and `Recipe.under` fills in the protocol's own. Needs nothing of the extra `lm`, so
that the command line can show it without.
"""

from __future__ import annotations

import dataclasses
import math
from numbers import Integral
from typing import Any, Literal

from . import _checks as check

SHARINGS = ("row", "layer", "shared")
OPTIMIZERS = ("adam", "adamw", "sgd")
PRECISIONS = ("float32", "bfloat16")
POOLINGS = ("own", "mean")
# As the authors' code trains. Its s = alpha_r / rank is 1, and A ~ N(0, 1/rank): those follow from the rank.
PUBLISHED: dict[str, Any] = dict(batch_size=64, max_length=512, weight_decay=0.01, beta2=0.99, scale_bias=True, first=1)
HONEST: dict[str, Any] = dict(
    batch_size=16, max_length=128, weight_decay=0.0, beta2=0.999, scale_bias=False, lora_alpha=16.0
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is fine-tuned. Batches are counted in texts, rates per step, shares as fractions of the training rows."""

    n_train: int = 1000
    """Training rows, drawn at random from the task's; what is held out for validation and for α is part of them."""
    n_dev: int | None = None
    """Development rows for the last test, the same for every seed. None: all."""
    steps: int = 300
    """Optimisation steps on A, B and the head."""
    batch_size: int | None = None
    """Texts per step. None: 16; published: 64."""
    max_length: int | None = None
    """Tokens at which a text is cut off. None: 128; published: 512."""
    lr: float | None = None
    """Learning rate at the first step; it falls linearly to 0. None: the method's own, as `rmt_alpha.adapters.METHODS` has it."""
    weight_decay: float | None = None
    """Weight decay of AdamW. None: 0; published: 0.01."""
    beta2: float | None = None
    """AdamW's and Adam's second constant; the first is 0.9. None: 0.999; published: 0.99."""
    validation: float = 0.2
    """Share of the training rows that choose the checkpoint (honest protocol)."""
    evaluations: int = 10
    """How many times in a run the checkpoint is looked at, at equal distances, the last step included."""
    patience: int | None = None
    """Stop after so many evaluations without a better one. None: never."""
    pooling: Literal["own", "mean"] = "own"
    """What the head reads: "own", as the model's class has it, mostly the first token; "mean", a linear head on the mean over the
    tokens, for bodies that were trained with it, as sentence-transformers' are."""
    rank: int = 8
    """Rank of B A."""
    lora_alpha: float | None = None
    """peft's name for s·rank, the scale of B A; not α. None: 16; published: the rank, so that s = 1."""
    a_std: float | None = None
    """Standard deviation of A's first entries, normal. None: peft's uniform ones; published: 1/√rank."""
    target_modules: tuple[str, ...] | None = None
    """Names of the layers to adapt. None: those that peft adapts in this kind of model."""
    row_scale: Literal["row", "layer", "shared"] = "row"
    """α: one per row, one per layer, or one vector for all adapted weights of one attention."""
    init_row_scale: float = 1.0
    """α at the start; with the method "alpha-fixed", throughout."""
    scale_bias: bool | None = None
    """Multiply the bias by α too. None: no; yes in the published protocol."""
    every: int = 10
    """T: steps between two steps on α; at most `steps`."""
    first: int | None = None
    """The step after which α moves for the first time. None: T; published: 1."""
    row_scale_lr: float = 5e-3
    """Learning rate of α."""
    row_scale_optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimiser of α. "adamw" has a decay of .01 towards α = 1, torch's; the others have none."""
    held_out: float = 0.2
    """Share of the remaining training rows that α is trained on, and nothing else."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of matrix products; weights are kept in float32. bfloat16 is faster on processors that have it in hardware."""

    def __post_init__(self) -> None:
        if isinstance(self.target_modules, str):
            object.__setattr__(self, "target_modules", (self.target_modules,))
        for name in ("n_train", "steps", "evaluations", "rank", "every"):
            _whole(self, name)
        for name in ("n_dev", "patience", "batch_size", "max_length", "first"):
            if getattr(self, name) is not None:
                _whole(self, name)
        for name in ("lr", "row_scale_lr", "lora_alpha", "a_std"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be a positive number, got {value!r}.")
        for name in ("validation", "held_out"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must lie between 0 and 1, got {getattr(self, name)!r}. The usual share is 0.2."
                )
        if self.beta2 is not None and not 0 < self.beta2 < 1:
            raise ValueError(f"beta2 must lie between 0 and 1, got {self.beta2!r}. Torch's own is 0.999.")
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be 0 or a positive number, got {self.weight_decay!r}.")
        if not math.isfinite(self.init_row_scale):
            raise ValueError(
                f"init_row_scale must be a finite number, got {self.init_row_scale!r}. The paper starts at 1."
            )
        if self.evaluations > self.steps:
            raise ValueError(
                f"evaluations must be at most steps = {self.steps}, got {self.evaluations}. Say evaluations={self.steps} or fewer."
            )
        for name, known in (
            ("row_scale", SHARINGS),
            ("row_scale_optimizer", OPTIMIZERS),
            ("precision", PRECISIONS),
            ("pooling", POOLINGS),
        ):
            check.choice(name, getattr(self, name), known)
        # A rate read from a table is NumPy's number, and a checkpoint with one in it cannot be read again.
        for name in (
            "lr",
            "row_scale_lr",
            "lora_alpha",
            "a_std",
            "validation",
            "held_out",
            "weight_decay",
            "beta2",
            "init_row_scale",
        ):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))

    def under(self, protocol: str) -> Recipe:
        """The same with the protocol's own numbers where none are given."""
        own = {**HONEST, "first": self.every}
        if protocol == "published":
            own = {**PUBLISHED, "lora_alpha": float(self.rank), "a_std": self.rank**-0.5}
        return dataclasses.replace(self, **{name: v for name, v in own.items() if getattr(self, name) is None})


def _whole(recipe: Recipe, name: str) -> None:
    value = getattr(recipe, name)
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")
    object.__setattr__(recipe, name, int(value))  # NumPy's too; see below
