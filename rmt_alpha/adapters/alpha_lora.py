"""The adapter, built on peft's LoRA-variant mechanism: a config, a linear layer, and the variant that computes.

.. math::
    W_{new} = \\alpha \\odot W^* + s\\, B A, \\qquad s = \\texttt{lora\\_alpha} / r

W* (out × in) is frozen, α holds one entry a row and starts at 1. α is called `row_scale` throughout: peft's `lora_alpha` is s·r.
"""

from __future__ import annotations

import copy
import dataclasses
import weakref
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from peft import LoraConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.lora.layer import Linear, LoraVariant
from peft.utils.other import transpose
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from ..recipe import SHARINGS

SAVED_AS = "RMT_ALPHA_LORA"  # peft_type in adapter_config.json; in memory it is LORA, so that peft treats it as LoRA
INITS = (True, False, "gaussian", "orthogonal")  # the others change the base weight, which is what α multiplies


@dataclasses.dataclass
class AlphaLoraConfig(LoraConfig):
    """LoraConfig with α: `get_peft_model(model, AlphaLoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"]))`.

    `row_scale`: "row", one α a row of each adapted weight; "layer", one number each; "shared", one vector for all the adapted
    weights with the same parent module (query and value of one attention layer), which then need equally many rows.
    `init_row_scale`: where α starts. `scale_bias`: multiply the layer's bias by α too, as the published code does.
    The rest is LoraConfig's, without its other variants (DoRA, …), `lora_bias` and the initialisations that change the base weight.
    For a constant α: `for p in row_scales(model).values(): p.requires_grad_(False)`.
    peft's `add_weighted_adapter` mixes A and B only; its result has α at `init_row_scale`.
    """

    row_scale: Literal["row", "layer", "shared"] = dataclasses.field(default="row", metadata={"is_lora_variant": True})
    init_row_scale: float = 1.0
    scale_bias: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.row_scale not in SHARINGS:
            raise ValueError(f"row_scale must be one of {', '.join(map(repr, SHARINGS))}, got {self.row_scale!r}.")
        number = isinstance(self.init_row_scale, int | float) and not isinstance(self.init_row_scale, bool)
        if not number or not abs(self.init_row_scale) < float("inf"):
            raise ValueError(
                f"init_row_scale must be a finite number, got {self.init_row_scale!r}. The paper starts at 1."
            )
        if self.init_lora_weights not in INITS:
            raise ValueError(
                f"init_lora_weights must be one of {', '.join(map(repr, INITS))} for α-LoRA, got {self.init_lora_weights!r}: "
                f"the other initialisations change the base weight, which is what α multiplies, or need a pass over data."
            )
        if self.lora_bias:
            raise ValueError(
                "lora_bias=True cannot be combined with α-LoRA. Leave it out; train biases with bias='lora_only'."
            )
        others = [
            f.name for f in dataclasses.fields(self) if f.metadata.get("is_lora_variant") and f.name != "row_scale"
        ]
        asked = [name for name in others if getattr(self, name)]
        if asked:
            raise ValueError(
                f"α-LoRA cannot be combined with another LoRA variant, got {', '.join(asked)}. Leave it out."
            )
        if self.target_parameters:
            raise ValueError(
                f"target_parameters cannot be combined with α-LoRA, got {self.target_parameters!r}: peft adapts them without α. "
                f"Name linear layers in target_modules."
            )
        made_by: dict[type, Any] = {nn.Linear: AlphaLoraLinear, Conv1D: AlphaLoraLinear, nn.Module: _refuse}
        self._register_custom_module(made_by)
        self._owners = _Owners()

    def to_dict(self) -> dict[str, Any]:
        """What is saved: under a peft_type of its own, so that nothing can take the adapter for plain LoRA and drop α."""
        return {**super().to_dict(), "peft_type": SAVED_AS}


# Without this package imported, peft stops at a saved adapter with KeyError: 'RMT_ALPHA_LORA'; with it, its loaders work.
_config_types: dict[Any, Any] = PEFT_TYPE_TO_CONFIG_MAPPING  # its keys are of a closed enum, but compare as strings
_config_types[SAVED_AS] = AlphaLoraConfig


class AlphaLoraLinear(Linear):
    """peft's LoRA layer with α: `lora_row_scale[adapter]`, in float32. Plain LoRA adapters may sit in the same layer."""

    adapter_layer_names: tuple[str, ...] = (*Linear.adapter_layer_names, "lora_row_scale")
    other_param_names: tuple[str, ...] = (*Linear.other_param_names, "scale_bias", "row_scale_owner")

    @property
    def lora_variants(self) -> dict[tuple[str, ...], Any]:
        return {**super().lora_variants, ("row_scale",): AlphaLoraVariant}

    def resolve_lora_variant(self, *, config: LoraConfig, **kwargs: Any) -> LoraVariant | None:
        if isinstance(config, AlphaLoraConfig):
            return super().resolve_lora_variant(config=config, **kwargs)
        if any(f.metadata.get("is_lora_variant") and getattr(config, f.name) for f in dataclasses.fields(config)):
            raise ValueError("An α-LoRA layer takes further α-LoRA and plain LoRA adapters, no other LoRA variant.")
        return None

    def update_layer(self, adapter_name: str, r: int, lora_alpha: int, config: LoraConfig, **kwargs: Any) -> None:
        if not hasattr(self, "lora_row_scale"):  # not in the constructor: peft's calls this method before it returns
            self.lora_row_scale = nn.ParameterDict()
            self.scale_bias: dict[str, bool] = {}
            self.row_scale_owner: dict[
                str, AlphaLoraLinear
            ] = {}  # a plain dict: a shared α is a parameter of one layer only
            if isinstance(self.get_base_layer(), Conv1D):
                self.fan_in_fan_out = True
        super().update_layer(adapter_name, r, lora_alpha, config, **kwargs)

    def row_scale(self, adapter: str) -> Tensor:
        """α of the adapter: (rows,) or (1,)."""
        return self.row_scale_owner.get(adapter, self).lora_row_scale[adapter]

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        weight: Any = self.get_base_layer().weight
        if not weight.is_floating_point():
            raise NotImplementedError(
                f"α-LoRA cannot be merged into a quantised weight ({weight.dtype}). Load the base model in a float type to merge."
            )
        super().merge(safe_merge=safe_merge, adapter_names=adapter_names)

    def _move_adapter_to_device_of_base_layer(self, adapter_name: str, device: torch.device | None = None) -> None:
        """peft also casts to the base layer's type; in bfloat16 an α near 1 would keep two decimals."""
        held = self.lora_row_scale[adapter_name] if adapter_name in self.lora_row_scale else None
        super()._move_adapter_to_device_of_base_layer(adapter_name, device)
        if held is not None and self.lora_row_scale[adapter_name].dtype != held.dtype:
            moved = held.detach().to(self.lora_row_scale[adapter_name].device)
            self.lora_row_scale[adapter_name] = nn.Parameter(moved, requires_grad=held.requires_grad)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """peft loads with strict=False: a file whose α is missing or has no place here would pass with a warning or none."""
        errors: list[str] = args[-1]
        for adapter in self.lora_row_scale:
            given = f"{prefix}lora_A.{adapter}.weight" in state_dict
            if given and f"{prefix}lora_row_scale.{adapter}" not in state_dict:
                errors.append(
                    f"{prefix}lora_row_scale ({adapter}), the α of this layer, is missing. Is this plain LoRA?"
                )
        places = {f"{prefix}lora_row_scale.{adapter}" for adapter in self.lora_row_scale}
        astray = [k for k in state_dict if k.startswith(f"{prefix}lora_row_scale") and k not in places]
        if astray:
            errors.append(f"{', '.join(astray)}: this layer has no such α. Does row_scale in the config fit the file?")
        super()._load_from_state_dict(state_dict, prefix, *args)


def _refuse(target: nn.Module, adapter_name: str, target_name: str = "", **kwargs: Any) -> None:
    """What peft calls to adapt any other layer."""
    raise ValueError(
        f"target_modules must name linear layers for α-LoRA, got {target_name} ({type(target).__name__}). Leave it out."
    )


class AlphaLoraVariant(LoraVariant):
    """What peft calls on a layer with α: `module` is an AlphaLoraLinear."""

    def supports_lora_conversion(self) -> bool:
        return False  # peft would convert B A and drop α

    @staticmethod
    def init(module: Any, adapter_name: str, **kwargs: Any) -> None:
        config: AlphaLoraConfig = kwargs["config"]
        module.scale_bias[adapter_name] = config.scale_bias
        if len(set(module.scale_bias.values())) > 1:
            raise ValueError(
                "All α-LoRA adapters of one layer need the same scale_bias: stacked, they share the layer's bias."
            )
        rows = 1 if config.row_scale == "layer" else module.out_features
        if config.row_scale == "shared":
            owner = config._owners.find(adapter_name, kwargs.get("target_name", ""), module)
            if owner is not module:
                if owner.out_features != rows:
                    raise ValueError(
                        f"row_scale='shared' needs adapted weights with equally many rows, got {owner.out_features} and {rows} "
                        f"at {kwargs['target_name']}. Use 'row', or target modules of one size."
                    )
                module.row_scale_owner[adapter_name] = owner
                return
        scale = torch.full((rows,), float(config.init_row_scale), device=module.lora_B[adapter_name].weight.device)
        module.lora_row_scale[adapter_name] = nn.Parameter(scale.float())

    @staticmethod
    def forward(module: Any, active_adapter: str, x: Tensor, result: Tensor, **kwargs: Any) -> Tensor:
        """α ⊙ (result − b) + b + s·B A x, in one product a row and output: `result`, W* x + b, is there already.

        (1 − α) ⊙ b goes into the product with B, and s to its narrow side: no more passes over the output than plain LoRA.
        Where α is trained, autograd keeps `result` for its gradient: one more activation a layer than plain LoRA.
        """
        scale = module.row_scale(active_adapter).to(result.device)
        lora_B = module.lora_B[active_adapter].weight
        narrow = module.lora_A[active_adapter](module.lora_dropout[active_adapter](x)) * module.scaling[active_adapter]
        bias = getattr(module.get_base_layer(), "bias", None)
        shift = None
        if bias is not None and not module.scale_bias[active_adapter]:
            shift = ((1 - scale) * bias).to(lora_B.dtype)
        return torch.addcmul(F.linear(narrow, lora_B, shift), result, scale)

    @staticmethod
    def merge_safe(module: Any, active_adapter: str, orig_weight: Tensor) -> Tensor:
        weight, bias = AlphaLoraVariant._merged(module, active_adapter, orig_weight)
        if torch.isfinite(weight).all() and (bias is None or torch.isfinite(bias).all()):
            AlphaLoraVariant._keep(module, active_adapter)
            if bias is not None:
                module.get_base_layer().bias.data = bias
            return weight
        return torch.full_like(orig_weight, float("nan"))  # peft then raises, with nothing changed

    @staticmethod
    def merge_unsafe(module: Any, active_adapter: str, orig_weight: Tensor) -> None:
        weight, bias = AlphaLoraVariant._merged(module, active_adapter, orig_weight.data)
        AlphaLoraVariant._keep(module, active_adapter)
        orig_weight.data = weight
        if bias is not None:
            module.get_base_layer().bias.data = bias

    @staticmethod
    def unmerge(module: Any, active_adapter: str, orig_weight: Tensor) -> Tensor:
        weight, bias = module._cache_pop(_kept(active_adapter))
        if bias is not None:
            module.get_base_layer().bias.data = bias.to(orig_weight.device, orig_weight.dtype)
        return weight.to(orig_weight.device, orig_weight.dtype)

    @staticmethod
    def _merged(module: Any, adapter: str, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """α ⊙ W + s·B A, and the bias where it changes. α in float32 promotes the rest, so half types are rounded once."""
        scale = module.row_scale(adapter).detach().to(weight.device)
        delta = module.get_delta_weight(adapter).detach().to(weight.device)
        new = (transpose(scale.view(-1, 1), module.fan_in_fan_out) * weight + delta).to(weight.dtype)
        bias = getattr(module.get_base_layer(), "bias", None)
        if bias is None or not module.scale_bias[adapter]:
            return new, None
        return new, (scale * bias.detach()).to(bias.dtype)

    @staticmethod
    def _keep(module: Any, adapter: str) -> None:
        """The weight before merging, for `unmerge`: dividing by α would lose digits, and everything where α is 0."""
        base = module.get_base_layer()
        module._cache_store(
            _kept(adapter),
            (base.weight.data, base.bias.data if module.scale_bias[adapter] and base.bias is not None else None),
        )


def row_scales(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every α of the model, by layer and adapter: {"….query.default": (768,), …}; a shared one is listed once."""
    return {
        f"{name}.{adapter}": scale
        for name, module in model.named_modules()
        if isinstance(module, AlphaLoraLinear)
        for adapter, scale in module.lora_row_scale.items()
    }


def export(model: Any, folder: str | Path, **kwargs: Any) -> None:
    """Write the merged model as an ordinary transformers directory, which needs neither peft nor this package; the model stays as it is.

    `kwargs` go to transformers' `save_pretrained`. Takes the memory of one more model; `merge_and_unload` does without. Raises
    TypeError for a model without an adapter, ValueError where the adapted output layer is tied to the input embedding.
    """
    if not hasattr(model, "merge_and_unload"):
        raise TypeError(
            f"model must come from get_peft_model or PeftModel.from_pretrained, got {type(model).__name__}."
        )
    base = model.get_base_model()
    head = base.get_output_embeddings()
    if isinstance(head, AlphaLoraLinear) and head.get_base_layer().weight is base.get_input_embeddings().weight:
        raise ValueError(
            "The output layer is adapted and shares its weight with the input embedding: merged, the adapter would change both. "
            "Load the base model with tie_word_embeddings=False, or leave the output layer out of target_modules."
        )
    copy.deepcopy(model).merge_and_unload(safe_merge=True).save_pretrained(folder, **kwargs)


class _Owners:
    """Which layer holds the α that the adapted weights under one parent share. Used while an adapter is put in, never saved."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], tuple[weakref.ref[AlphaLoraLinear], set[str]]] = {}

    def find(self, adapter: str, name: str, module: AlphaLoraLinear) -> AlphaLoraLinear:
        parent = name.rpartition(".")[0]
        held, members = self._groups.get((adapter, parent), (None, set()))
        owner = held() if held is not None else None
        if owner is None or name in members:  # the same name again: another model with the same config
            owner, members = module, set()
            self._groups[adapter, parent] = weakref.ref(module), members
        members.add(name)
        return owner

    def __reduce__(self) -> Any:  # copies and pickles start empty
        return _Owners, ()


def _kept(adapter: str) -> str:
    return f"{adapter}-before-row-scale"
