"""Layers on the tokens alone. A batch is padded to its longest text, and where texts differ in length much of it is padding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

# Kinds of model in which no token reads the padding and tokens meet in one kind of module only: the layers, and that module.
KNOWN = {
    "bert": ("BertLayer", "BertSelfAttention"),
    "roberta": ("RobertaLayer", "RobertaSelfAttention"),
    "mpnet": ("MPNetLayer", "MPNetSelfAttention"),
    "llama": ("LlamaDecoderLayer", "LlamaAttention"),
}
LITTLE = 0.1  # a batch with no greater part of padding stays as it is: to go to and fro would take longer


@contextmanager
def without_padding(model: nn.Module) -> Iterator[None]:
    """In this block the model's layers work on one row of all the batch's tokens; only attention sees texts, padded, and its own linear
    layers, adapters and all, again the tokens alone.

    Without dropout the logits are the same to rounding; dropout draws for tokens only. A model of another kind than KNOWN is left as it is,
    and so is a batch of almost nothing but tokens.
    """
    config: Any = getattr(model, "config", None)
    layers, attentions = (
        [module for module in model.modules() if name in (base.__name__ for base in type(module).__mro__)]
        for name in KNOWN.get(str(getattr(config, "model_type", "")), ("", ""))
    )
    tokens = _Tokens()
    handles: list[Any] = []
    if layers and len(layers) == len(attentions):
        handles = [
            model.register_forward_pre_hook(tokens.of_batch, with_kwargs=True),
            layers[0].register_forward_pre_hook(tokens.pack, with_kwargs=True),
            layers[-1].register_forward_hook(tokens.unpacked),
        ]
        for attention in attentions:
            handles.append(attention.register_forward_pre_hook(tokens.unpack, with_kwargs=True))
            handles.append(attention.register_forward_hook(tokens.packed))
            for linear in _linear(attention):
                handles.append(linear.register_forward_pre_hook(tokens.pack, with_kwargs=True))
                handles.append(linear.register_forward_hook(tokens.unpacked))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Tokens:
    """Where a batch has tokens; the hooks, which take the first argument, or the first of what is returned, from one form to the other."""

    def of_batch(self, model: nn.Module, args: Any, named: dict[str, Any]) -> None:
        mask = named.get("attention_mask")
        if mask is None:  # all are tokens
            mask = torch.ones_like(args[0] if args else named["input_ids"])
        self.shape, self.places = tuple(mask.shape), mask.flatten().nonzero().squeeze(1)
        self.idle = len(self.places) >= (1 - LITTLE) * mask.numel()

    def pack(self, module: nn.Module, args: Any, named: dict[str, Any]) -> Any:
        return _first(args, named, self._tokens)

    def unpack(self, module: nn.Module, args: Any, named: dict[str, Any]) -> Any:
        return _first(args, named, self._texts)

    def packed(self, module: nn.Module, args: Any, output: Any) -> Any:
        return _first_of(output, self._tokens)

    def unpacked(self, module: nn.Module, args: Any, output: Any) -> Any:
        return _first_of(output, self._texts)

    def _tokens(self, x: Tensor) -> Tensor:
        """(texts, length, d) → (1, tokens, d)."""
        return x if self.idle else x.flatten(0, 1).index_select(0, self.places).unsqueeze(0)

    def _texts(self, x: Tensor) -> Tensor:
        """(1, tokens, d) → (texts, length, d), padded with 0."""
        if self.idle:
            return x
        padded = x.new_zeros(self.shape[0] * self.shape[1], x.shape[-1])
        return padded.index_copy(0, self.places, x[0]).view(*self.shape, -1)


def _first(args: Any, named: dict[str, Any], form: Any) -> Any:
    if args:
        return (form(args[0]), *args[1:]), named
    return args, named | {"hidden_states": form(named["hidden_states"])}


def _first_of(output: Any, form: Any) -> Any:
    return (form(output[0]), *output[1:]) if isinstance(output, tuple) else form(output)


def _linear(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost: an adapted layer, not the layers inside it."""
    for child in module.children():
        if isinstance(child, nn.Linear | BaseTunerLayer):
            yield child
        else:
            yield from _linear(child)
