"""Linear layers on the tokens alone. A batch is padded to its longest text, and where texts differ in length much of it is padding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

# Kinds of model in which no token reads the padding; where one does (a convolution), leaving it out would change the result.
KNOWN = ("bert", "roberta", "mpnet", "llama")


@contextmanager
def without_padding(model: nn.Module) -> Iterator[None]:
    """In this block the model's linear layers, adapters and all, are not computed where a text is padded: they give 0 there.

    Everything else, dropout's random numbers included, is as without, so the logits are the same to rounding. A model of another kind than
    KNOWN is left as it is.
    """
    config: Any = getattr(model, "config", None)
    if getattr(config, "model_type", None) not in KNOWN:
        yield
        return
    tokens = _Tokens()
    handles: list[Any] = [model.register_forward_pre_hook(tokens.of_batch, with_kwargs=True)]
    for layer in _linear(model):
        handles += [layer.register_forward_pre_hook(tokens.gather), layer.register_forward_hook(tokens.scatter)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Tokens:
    """Where a batch has tokens; the hooks of the layers."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.inside: set[nn.Module] = set()  # layers that were given the tokens alone

    def of_batch(self, model: nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        mask = named["attention_mask"]
        self.shape, self.places = tuple(mask.shape), mask.flatten().nonzero().squeeze(1)

    def gather(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if inputs[0].shape[:-1] != self.shape:
            return None
        self.inside.add(layer)
        return inputs[0].flatten(0, 1).index_select(0, self.places), *inputs[1:]

    def scatter(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        if layer not in self.inside:
            return None
        self.inside.remove(layer)
        padded = output.new_zeros(self.shape[0] * self.shape[1], output.shape[-1])
        return padded.index_copy(0, self.places, output).view(*self.shape, -1)


def _linear(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost: an adapted layer, not the layers inside it."""
    for child in module.children():
        if isinstance(child, nn.Linear | BaseTunerLayer):
            yield child
        else:
            yield from _linear(child)
