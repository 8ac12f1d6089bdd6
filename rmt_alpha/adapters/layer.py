"""The linear layer with α, built on peft's LoRA layer and its mechanism for variants.

.. math::
    W_{new} = (1 + \\delta) \\odot W^* + s\\, B A, \\qquad \\delta = \\alpha - 1, \\quad s = \\texttt{lora\\_alpha} / r

W* (out × in) is frozen, α holds one entry per row. What is stored is δ, which starts at 0. Of several adapters active in one layer the
δ and the s·B A add up, so their order does not matter. α is called `row_scale` throughout: peft's `lora_alpha` is s·r.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear, LoraVariant
from peft.tuners.tuners_utils import check_adapters_to_merge
from peft.utils.other import transpose
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from .config import AlphaLoraConfig, _variants

SMALL = (
    0.5  # rows with |α| below it are kept when merged: dividing by α to unmerge would lose digits, and everything at 0
)


class RowDelta(nn.Module):
    """δ = α − 1 of one adapter in one layer: `weight`, (rows, 1) or (1, 1), in float32. Zero is the identity.

    A column, because LoRA+ gives parameters of one dimension a larger rate.
    """

    def __init__(self, rows: int, start: float, device: torch.device) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((rows, 1), start - 1, dtype=torch.float32, device=device))

    def forward(self, update: Tensor, result: Tensor) -> Tensor:
        """update + δ ⊙ result."""
        return torch.addcmul(update, result, self.weight.view(-1))

    def extra_repr(self) -> str:
        return f"rows={len(self.weight)}"


class AlphaLoraLinear(Linear):
    """peft's LoRA layer with α: δ lies in `lora_row_delta[adapter].weight`. Plain LoRA adapters may sit in the same layer."""

    adapter_layer_names: tuple[str, ...] = (*Linear.adapter_layer_names, "lora_row_delta")
    other_param_names: tuple[str, ...] = (*Linear.other_param_names, "scale_bias", "row_delta_owner")
    merged_adapters: list[str]  # peft's; said again for a type checker that has no peft

    @property
    def lora_variants(self) -> dict[tuple[str, ...], Any]:
        return {**super().lora_variants, ("row_scale",): AlphaLoraVariant}

    def resolve_lora_variant(self, *, config: LoraConfig, **kwargs: Any) -> LoraVariant | None:
        if isinstance(config, AlphaLoraConfig):
            return super().resolve_lora_variant(config=config, **kwargs)
        if asked := _variants(config):
            raise ValueError(
                f"An α-LoRA layer takes further α-LoRA and plain LoRA adapters, no other LoRA variant, got {', '.join(asked)}."
            )
        return None

    def update_layer(self, adapter_name: str, r: int, lora_alpha: int, config: LoraConfig, **kwargs: Any) -> None:
        if not hasattr(self, "lora_row_delta"):  # not in the constructor: peft's calls this method before it returns
            self.lora_row_delta = nn.ModuleDict()
            self.scale_bias: dict[str, bool] = {}
            # A plain dict: a shared δ is a parameter of one layer only.
            self.row_delta_owner: dict[str, AlphaLoraLinear] = {}
            # Whatever the config says: it decides how a delta is laid over the weight, and with it what merging gives.
            self.fan_in_fan_out = isinstance(self.get_base_layer(), Conv1D)
        super().update_layer(adapter_name, r, lora_alpha, config, **kwargs)

    def row_delta(self, adapter: str) -> RowDelta | None:
        """The adapter's δ; None for plain LoRA."""
        holder: Any = self.row_delta_owner.get(adapter, self).lora_row_delta
        return holder[adapter] if adapter in holder else None

    def row_scale(self, adapter: str) -> Tensor:
        """α of the adapter, (rows,) or (1,): no parameter, but with δ's gradient."""
        delta = self.row_delta(adapter)
        assert delta is not None
        return 1 + delta.weight.view(-1)

    def share(self, adapter: str, owner: AlphaLoraLinear) -> None:
        """From now on the adapter's δ is the owner's."""
        del self.lora_row_delta[adapter]
        self.row_delta_owner[adapter] = owner

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """W* x + b + Σ δ ⊙ W* x + Σ s·B A x over the active adapters; of one adapter per text, none and merged ones as peft does it."""
        active = [name for name in self.active_adapters if name in self.lora_A]
        if self.disable_adapters or self.merged or kwargs.get("adapter_names") is not None or not active:
            return super().forward(x, *args, **kwargs)
        kwargs = {k: v for k, v in kwargs.items() if k not in ("adapter_names", "alora_offsets")}
        result = self.base_layer(x, *args, **kwargs)
        return self._adapted(active, x, result).to(result.dtype)

    def _adapted(self, adapters: list[str], x: Tensor, result: Tensor) -> Tensor:
        """`result`, W* x + b, is there already. s goes to the narrow side, where it costs nothing."""
        update = result
        for name in adapters:
            A: Any = self.lora_A[name]
            narrow = A(self.lora_dropout[name](self._cast_input_dtype(x, A.weight.dtype)))
            update = update + self.lora_B[name](narrow * self.scaling[name])
        product = result  # what δ multiplies: W* x, with the bias where it is scaled too
        bias = getattr(self.get_base_layer(), "bias", None)
        every = [self.row_delta(name) for name in adapters]
        deltas = [delta for delta in every if delta is not None]
        if deltas and bias is not None and not self._scales_bias():
            if bias.is_meta:  # offloaded by accelerate: it is there only while the base layer is called
                bias = self.base_layer(x.new_zeros(1, x.shape[-1]))
            product = result - bias
        for delta in deltas:
            update = delta(update, product)
        return update

    def _scales_bias(self) -> bool:
        return any(self.scale_bias.values())

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """W* becomes (1 + Σ δ) ⊙ W* + Σ s·B A. No second copy of the weight is kept, but for rows that α nearly deletes."""
        adapters = [name for name in check_adapters_to_merge(self, adapter_names) or [] if name in self.lora_A]
        if not adapters:
            return
        base: Any = self.get_base_layer()
        _refuse_quantised(base.weight)
        together = [*self.merged_adapters, *adapters]
        weight, bias = self._unmerged() if self.merged_adapters else (base.weight.data, _bias(base))
        new_weight, new_bias = self._merged(together, weight, bias)
        if safe_merge and not (
            torch.isfinite(new_weight).all() and (new_bias is None or torch.isfinite(new_bias).all())
        ):
            raise ValueError(
                f"NaNs detected in the merged weights. The adapter {', '.join(adapters)} seems to be broken"
            )
        small = (self._total_delta(together, weight) + 1).abs().view(-1) < SMALL
        small = small.expand(weight.shape[1 if self.fan_in_fan_out else 0])
        held = transpose(weight, self.fan_in_fan_out)[small].clone(), None if bias is None else bias[small].clone()
        self._caches["deleted rows"] = (small, *held) if small.any() else None
        base.weight.data.copy_(new_weight)  # in place, as peft does: the weight stays the tensor that it was
        if new_bias is not None:
            base.bias.data.copy_(new_bias)
        self.merged_adapters = together

    def unmerge(self) -> None:
        """Back to W*, to rounding, as with plain LoRA."""
        if not self.merged:
            return super().unmerge()  # peft's warning
        base: Any = self.get_base_layer()
        weight, bias = self._unmerged()
        base.weight.data.copy_(weight)
        if bias is not None:
            base.bias.data.copy_(bias)
        self._caches.pop("deleted rows", None)
        self.merged_adapters = []

    def _merged(self, adapters: list[str], weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """In float32 at least, so that half types are rounded once."""
        delta = self._total_delta(adapters, weight)
        exact = weight.to(delta.dtype)
        new = exact + transpose(delta, self.fan_in_fan_out) * exact + self._low_rank(adapters, delta)
        if bias is None or not self._scales_bias():
            return new.to(weight.dtype), bias
        return new.to(weight.dtype), (bias + delta.view(-1) * bias).to(bias.dtype)

    def _unmerged(self) -> tuple[Tensor, Tensor | None]:
        """W* and bias from the merged ones."""
        base: Any = self.get_base_layer()
        adapters = self.merged_adapters
        delta = self._total_delta(adapters, base.weight.data)
        scale, kept = 1 + delta, self._caches.get("deleted rows")
        exact = base.weight.data.to(delta.dtype) - self._low_rank(adapters, delta)
        weight = (exact / transpose(scale, self.fan_in_fan_out)).to(base.weight.dtype)
        bias = _bias(base)
        if bias is not None and self._scales_bias():
            bias = (bias / scale.view(-1)).to(bias.dtype)
        if kept is not None:  # in place of what a division by 0 gave, too
            small, rows, biases = kept
            transpose(weight, self.fan_in_fan_out)[small] = rows.to(weight.device, weight.dtype)
            if bias is not None and self._scales_bias():
                bias[small] = biases.to(bias.device, bias.dtype)
        return weight, bias

    def _total_delta(self, adapters: list[str], weight: Tensor) -> Tensor:
        """Σ δ, a column in float32 at least."""
        dtype = torch.promote_types(weight.dtype, torch.float32)
        total = torch.zeros((1, 1), dtype=dtype, device=weight.device)
        for name in adapters:
            if (delta := self.row_delta(name)) is not None:
                total = total + delta.weight.detach().to(weight.device, dtype)
        return total

    def _low_rank(self, adapters: list[str], like: Tensor) -> Any:
        """Σ s·B A, laid out as the weight is, in the type of `like`: peft's get_delta_weight rounds to A's and B's."""
        total: Any = 0
        for name in adapters:
            A: Any = self.lora_A[name]
            B: Any = self.lora_B[name]
            A, B = (part.weight.detach().to(like.device, like.dtype) for part in (A, B))
            total = total + transpose(self.scaling[name] * (B @ A), self.fan_in_fan_out)
        return total

    def _move_adapter_to_device_of_base_layer(self, adapter_name: str, device: torch.device | None = None) -> None:
        """peft also casts to the base layer's type; δ stays in its own."""
        delta: Any = self.lora_row_delta[adapter_name] if adapter_name in self.lora_row_delta else None
        held = None if delta is None else delta.weight.data
        super()._move_adapter_to_device_of_base_layer(adapter_name, device)
        if delta is not None and held is not None and delta.weight.dtype != held.dtype:
            delta.weight.data = held.to(delta.weight.device)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """peft loads with strict=False: a file whose α is missing or has no place here would pass with a warning or none."""
        errors: list[str] = args[-1]
        for adapter in self.lora_row_delta:
            given = f"{prefix}lora_A.{adapter}.weight" in state_dict
            if given and f"{prefix}lora_row_delta.{adapter}.weight" not in state_dict:
                errors.append(
                    f"{prefix}lora_row_delta ({adapter}), the α of this layer, is missing. Is this plain LoRA?"
                )
        places = {f"{prefix}lora_row_delta.{adapter}.weight" for adapter in self.lora_row_delta}
        astray = [k for k in state_dict if k.startswith(f"{prefix}lora_row_delta.") and k not in places]
        if astray:
            errors.append(f"{', '.join(astray)}: this layer has no such α. Does row_scale in the config fit the file?")
        super()._load_from_state_dict(state_dict, prefix, *args)


class AlphaLoraVariant(LoraVariant):
    """What peft calls on an AlphaLoraLinear: when an adapter is put in, and for batches that mix adapters."""

    def supports_lora_conversion(self) -> bool:
        return False  # peft would convert B A and drop α

    @staticmethod
    def init(module: Any, adapter_name: str, **kwargs: Any) -> None:
        config: AlphaLoraConfig = kwargs["config"]
        others = {name: scaled for name, scaled in module.scale_bias.items() if name != adapter_name}
        if set(others.values()) - {config.scale_bias}:
            raise ValueError(
                "All α-LoRA adapters of one layer need the same scale_bias: active together, they share the layer's bias."
            )
        module.scale_bias[adapter_name] = config.scale_bias
        rows = 1 if config.row_scale == "layer" else module.out_features
        device = module.lora_B[adapter_name].weight.device
        module.lora_row_delta[adapter_name] = RowDelta(rows, float(config.init_row_scale), device)

    @staticmethod
    def forward(module: Any, active_adapter: str, x: Tensor, result: Tensor, **kwargs: Any) -> Tensor:
        """`result` is W* x + b of the texts with this adapter."""
        return module._adapted([active_adapter], x, result)


def row_deltas(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters δ = α − 1 of the model, by layer and adapter: {"….query.default": (768, 1), …}; a shared one is listed once."""
    return {
        f"{name}.{adapter}": delta.weight
        for name, module in model.named_modules()
        if isinstance(module, AlphaLoraLinear)
        for adapter, delta in module.lora_row_delta.items()
        if isinstance(delta, RowDelta)
    }


def row_scales(model: nn.Module) -> dict[str, Tensor]:
    """Every α of the model, by layer and adapter: {"….query.default": (768,), …}. To look at; what is trained are `row_deltas`."""
    return {name: 1 + delta.detach().view(-1) for name, delta in row_deltas(model).items()}


def _bias(base: Any) -> Tensor | None:
    return None if getattr(base, "bias", None) is None else base.bias.data


def _refuse_quantised(weight: Any) -> None:
    """Integers, and classes of tensors that hold integers behind a float's name (torchao's)."""
    kind = type(weight.data)
    if weight.is_floating_point() and kind in (Tensor, nn.Parameter):
        return
    what = str(weight.dtype) if kind in (Tensor, nn.Parameter) else f"{kind.__module__}.{kind.__name__}"
    raise NotImplementedError(
        f"α-LoRA cannot be merged into a quantised weight ({what}). Load the base model in a float type to merge."
    )
