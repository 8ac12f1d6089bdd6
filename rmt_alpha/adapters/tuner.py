"""What peft's LoraModel has to do differently where an adapter has α: layers, what shares a δ, what a mixture of adapters holds.

Importing this puts it in LoraModel's place in peft's registry. Two things have no other way: α on a layer that has plain LoRA already, and
`add_weighted_adapter`, which knows A and B only and would drop α in silence. Nor has the check before a hot swap, which would put one kind
of α in another's place, nor the model's card, which is to say how α is loaded. For configs without α nothing changes.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from peft import LoraModel, PeftModel, PeftType
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.lora.layer import Linear, LoraLayer
from peft.utils import hotswap, merge_utils
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from .config import AlphaLoraConfig, FirstVersionConfig
from .layer import AlphaLoraLinear


class AlphaLoraModel(LoraModel):
    """peft's LoRA model, with α where a config asks for it."""

    def __init__(self, model: nn.Module, peft_config: Any, *args: Any, **kwargs: Any) -> None:
        # peft's loader hands over its configs by adapter; a config by itself comes from inject_adapter_in_model, transformers' way.
        if isinstance(peft_config, FirstVersionConfig):
            raise ValueError(
                "This adapter was saved by the first version of rmt_alpha, and only peft's loader reads it: "
                "PeftModel.from_pretrained(model, folder). Saved from there, it loads everywhere."
            )
        super().__init__(model, peft_config, *args, **kwargs)

    def _create_and_replace(  # type: ignore[override]
        self,
        lora_config: Any,
        adapter_name: str,
        target: Any,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        **kwargs: Any,
    ) -> None:
        with_alpha = isinstance(lora_config, AlphaLoraConfig)
        if with_alpha and isinstance(target, LoraLayer):
            _take_alpha(target, current_key)
        super()._create_and_replace(lora_config, adapter_name, target, target_name, parent, current_key, **kwargs)
        if with_alpha and lora_config.row_scale == "shared":
            _share(parent, getattr(parent, target_name), adapter_name, current_key)

    @staticmethod
    def _create_new_module(lora_config: Any, adapter_name: str, target: Any, **kwargs: Any) -> nn.Module:
        if not isinstance(lora_config, AlphaLoraConfig):
            return LoraModel._create_new_module(lora_config, adapter_name, target, **kwargs)
        if not isinstance(target, nn.Linear | Conv1D):
            _refuse(target, kwargs["target_name"], lora_config.ensure_weight_tying)
        kwargs.pop("device_map", None)
        return AlphaLoraLinear(target, adapter_name, config=lora_config, **kwargs)

    @classmethod
    def _remap_adapter_state_dict_for_load(
        cls, model: Any, config: Any, adapter_name: str, state_dict: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The first version saved α itself, as a vector."""
        old = [name for name in state_dict if name.endswith(".lora_row_scale")]
        new = {f"{name.removesuffix('row_scale')}row_delta.weight": state_dict[name].view(-1, 1) - 1 for name in old}
        state_dict = {name: v for name, v in state_dict.items() if name not in old} | new
        return super()._remap_adapter_state_dict_for_load(model, config, adapter_name, state_dict)

    def add_weighted_adapter(  # type: ignore[override]
        self, adapters: list[str], weights: list[float], adapter_name: str, *args: Any, **kwargs: Any
    ) -> None:
        """As peft's, and δ: Σ weight·δ; for "ties", "dare_…" and "magnitude_prune" what peft makes of A and B by that name."""
        mix: Any = super().add_weighted_adapter
        known = [name for name in adapters if name in self.peft_config]
        alphas = [name for name in known if isinstance(self.peft_config[name], AlphaLoraConfig)]
        if not alphas or adapter_name in self.peft_config:
            return mix(adapters, weights, adapter_name, *args, **kwargs)
        sharings = {self.peft_config[name].row_scale for name in alphas}  # type: ignore[attr-defined]
        if len(sharings) > 1:
            raise ValueError(
                f"add_weighted_adapter mixes α-LoRA adapters of one kind of row_scale, got {', '.join(sorted(sharings))}."
            )
        if sharings == {"shared"}:
            self._check_same_layers(known)
        # The mixture gets the first one's config, so that has to be one with α.
        order = sorted(range(len(adapters)), key=lambda i: adapters[i] not in alphas)
        adapters, weights = [adapters[i] for i in order], [weights[i] for i in order]
        mix(adapters, weights, adapter_name, *args, **kwargs)
        asked = inspect.signature(mix).bind(adapters, weights, adapter_name, *args, **kwargs)
        asked.apply_defaults()
        kind, density, majority = (
            asked.arguments[name] for name in ("combination_type", "density", "majority_sign_method")
        )
        if len(adapters) == 1:  # which peft copies, whatever the kind
            kind = "linear"
        for layer in self.model.modules():
            if isinstance(layer, AlphaLoraLinear) and adapter_name in layer.lora_row_delta:
                mixed: Any = layer.lora_row_delta[adapter_name].weight
                held = [(d.weight.data, w) for a, w in zip(adapters, weights, strict=True) if (d := layer.row_delta(a))]
                deltas = [delta.to(mixed.device) for delta, _ in held]
                amounts = torch.tensor([w for _, w in held], device=mixed.device)
                if held:
                    mixed.data = _mixture(deltas, amounts, kind, density, majority).to(mixed.dtype)
                else:  # plain LoRA alone
                    mixed.data.zero_()

    def _check_same_layers(self, adapters: list[str]) -> None:
        """A δ that several layers share would be laid over layers that its adapter does not adapt."""
        layers = [(name, layer) for name, layer in self.model.named_modules() if isinstance(layer, LoraLayer)]
        adapted = {adapter: {name for name, layer in layers if adapter in layer.lora_A} for adapter in adapters}
        one, *others = adapters
        for other in others:
            if apart := sorted(adapted[one] ^ adapted[other]):
                raise ValueError(
                    f"add_weighted_adapter mixes adapters with row_scale='shared' only where all adapt the same layers, got {one!r} and "
                    f"{other!r}, of which one alone adapts {apart[0]}. Have both active instead: model.base_model.set_adapter([…])."
                )


def _mixture(deltas: list[Tensor], weights: Tensor, kind: str, density: float | None, majority: Any) -> Tensor:
    kind = kind.removesuffix("_svd")
    if kind in ("svd", "linear", "cat"):
        return merge_utils.task_arithmetic(deltas, weights)
    assert density is not None  # peft has asked for it
    if kind in ("ties", "dare_ties"):
        return getattr(merge_utils, kind)(deltas, weights, density, majority)
    return getattr(merge_utils, kind)(deltas, weights, density)


def _take_alpha(layer: Any, name: str) -> None:
    """A layer with plain LoRA becomes one that can have α too: the same adapters, another class."""
    if isinstance(layer, AlphaLoraLinear):
        return
    if type(layer) is not Linear or not isinstance(layer.get_base_layer(), nn.Linear | Conv1D):
        _refuse(layer.get_base_layer(), name)
    if layer.lora_variant or any(layer.lora_bias.values()):
        raise ValueError(
            f"{name} has a LoRA variant ({', '.join(layer.lora_variant) or 'lora_bias'}), which cannot share a layer with α-LoRA."
        )
    layer.__class__ = AlphaLoraLinear  # what is missing, update_layer adds


def _share(parent: nn.Module, layer: Any, adapter: str, name: str) -> None:
    """The first adapted layer of a parent holds the δ of all."""
    for owner in parent.children():
        if owner is not layer and isinstance(owner, AlphaLoraLinear) and adapter in owner.lora_row_delta:
            if owner.out_features != layer.out_features:
                raise ValueError(
                    f"row_scale='shared' needs adapted weights with equally many rows, got {owner.out_features} and "
                    f"{layer.out_features} at {name}. Use 'row', or target modules of one size."
                )
            layer.share(adapter, owner)
            return


def _refuse(target: nn.Module, name: str, tying: bool = False) -> None:
    raise ValueError(
        f"target_modules must name linear layers for α-LoRA, got {name} ({type(target).__name__}). Leave it out"
        f"{', or ensure_weight_tying=True, which adds the layers tied to those named' if tying else ''}."
    )


def _same_kind(check: Any) -> Any:
    """peft's check of two configs before a hot swap, which compares what it knows of."""

    @functools.wraps(check)
    def checked(old: Any, new: Any) -> None:
        check(old, new)
        if isinstance(old, AlphaLoraConfig) and isinstance(new, AlphaLoraConfig):
            for name in ("row_scale", "scale_bias"):
                one, other = getattr(old, name), getattr(new, name)
                if one != other:
                    raise ValueError(f"Configs are incompatible: for {name}, {one!r} != {other!r}")

    return checked


def _with_alphas_words(write: Any) -> Any:
    """peft's writer of the card, which Trainer calls, too."""

    @functools.wraps(write)
    def written(model: Any, output_dir: Any) -> None:
        write(model, output_dir)
        for config in model.peft_config.values():
            if isinstance(config, AlphaLoraConfig):
                config.write_card(output_dir)

    return written


PEFT_TYPE_TO_TUNER_MAPPING[PeftType.LORA] = AlphaLoraModel
hotswap.check_hotswap_configs_compatible = _same_kind(hotswap.check_hotswap_configs_compatible)
_model: Any = PeftModel
_model.create_or_update_model_card = _with_alphas_words(PeftModel.create_or_update_model_card)
