"""The ways to fine-tune that are compared: what each makes trainable, and what it does with the batches put aside for α."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from peft import IA3Config, LoraConfig, get_peft_model
from torch import nn

from ..recipe import Recipe
from .config import AlphaLoraConfig
from .layer import row_deltas
from .training import OneOptimizer, TwoOptimizers


@dataclass(frozen=True)
class Method:
    """`adapt` makes the model trainable, `lr` is the default rate, `held_out` what the rows put aside for α train: nothing, α or all."""

    summary: str
    lr: float
    adapt: Callable[[Any, Recipe], Any]
    held_out: Literal["nothing", "row scale", "everything"] = "nothing"


def head_only(model: Any, recipe: Recipe) -> Any:
    """Everything frozen but what the classification head adds to the pretrained body."""
    for name, p in model.named_parameters():
        p.requires_grad_(not name.startswith(model.base_model_prefix + "."))
    return model


def everything(model: Any, recipe: Recipe) -> Any:
    return model.requires_grad_(True)


def lora(**variant: Any) -> Callable[[Any, Recipe], Any]:
    def adapt(model: Any, recipe: Recipe) -> Any:
        return _first_a(_peft(model, LoraConfig(**_shape(recipe), **variant)), recipe)

    return adapt


def ia3(model: Any, recipe: Recipe) -> Any:
    return _peft(model, IA3Config(task_type="SEQ_CLS"))


def alpha_lora(model: Any, recipe: Recipe) -> Any:
    config = AlphaLoraConfig(
        **_shape(recipe),
        row_scale=recipe.row_scale,
        init_row_scale=recipe.init_row_scale,
        scale_bias=bool(recipe.scale_bias),
    )
    return _first_a(_peft(model, config), recipe)


def fixed_alpha_lora(model: Any, recipe: Recipe) -> Any:
    model = alpha_lora(model, recipe)
    for delta in row_deltas(model).values():
        delta.requires_grad_(False)
    return model


METHODS = {
    "head": Method("the classification head alone", 3e-3, head_only),
    "full": Method("full fine-tuning", 1e-4, everything),
    "lora": Method("LoRA: α = 1", 1e-3, lora()),
    "rslora": Method("LoRA scaled by 1/√rank", 1e-3, lora(use_rslora=True)),
    "dora": Method("DoRA: direction and magnitude of each row", 1e-3, lora(use_dora=True)),
    "ia3": Method("IA³: learned factors on keys, values and feed-forward layers", 3e-3, ia3),
    "alpha-lora": Method("α-LoRA as published: α on rows held out, every T steps", 1e-3, alpha_lora, "row scale"),
    "alpha-fixed": Method("α-LoRA with α constant (init_row_scale)", 1e-3, fixed_alpha_lora),
    "alpha-joint": Method("α-LoRA with α learned on the same batches as the rest", 1e-3, alpha_lora),
    "lora-extra": Method("LoRA with α's batches as further training steps", 1e-3, lora(), "everything"),
}


def trainer(model: Any, method: str, recipe: Recipe, loss: Callable[..., Any]) -> TwoOptimizers | OneOptimizer:
    """The optimisers of the method, for a model that its `adapt` has prepared; both take a recipe with a protocol's numbers in it."""
    shared: dict[str, Any] = dict(lr=recipe.lr or METHODS[method].lr, loss=loss)
    shared |= dict(weight_decay=recipe.weight_decay, beta2=recipe.beta2, first=recipe.first)
    if METHODS[method].held_out == "row scale":
        return TwoOptimizers(
            model, recipe.steps, every=recipe.every, row_scale_lr=recipe.row_scale_lr,
            row_scale_optimizer=recipe.row_scale_optimizer, **shared,
        )  # fmt: skip
    every = recipe.every if METHODS[method].held_out == "everything" else None
    return OneOptimizer(model, recipe.steps, every=every, row_scale_lr=recipe.row_scale_lr, **shared)


def _first_a(model: Any, recipe: Recipe) -> Any:
    """A's first entries where peft's own are not wanted."""
    if recipe.a_std is not None:
        for name, p in model.named_parameters():
            if ".lora_A." in name:
                nn.init.normal_(p, std=recipe.a_std)
    return model


def _shape(recipe: Recipe) -> dict[str, Any]:
    modules = None if recipe.target_modules is None else list(recipe.target_modules)
    return dict(r=recipe.rank, lora_alpha=recipe.lora_alpha, target_modules=modules, task_type="SEQ_CLS")


def _peft(model: Any, config: Any) -> Any:
    layers = [name for name, _ in model.named_modules()]
    linear = sorted(
        {name.rpartition(".")[2] for name, layer in model.named_modules() if type(layer).__name__ == "Linear"}
    )
    there = f"Linear layers of this {type(model).__name__}: {', '.join(linear)}."
    asked = sorted(config.target_modules or ())
    missing = [one for one in asked if not any(f".{name}".endswith(f".{one}") for name in layers)]
    if missing:  # peft is content if one of them is there
        raise ValueError(
            f"target_modules must name layers of the model, got {', '.join(asked)}; there is no {', '.join(missing)}. {there}"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft's, of transformers
            return get_peft_model(model, config)
    except ValueError as error:  # no default for this kind of model, or not with these layers
        raise ValueError(f"{error} {there}") from error
