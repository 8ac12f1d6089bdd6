"""Frozen weights in bfloat16: what autocast makes of them anew in every pass, since it remembers those of trainable weights only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def frozen_in_half(model: nn.Module) -> Iterator[None]:
    """In this block, which autocast to bfloat16 is to fill, the frozen weights of linear layers lie in bfloat16; afterwards as they were.

    What the layers compute is the same to the last bit. Biases stay: α-LoRA subtracts them in float32.
    """
    shared = {p for m in model.modules() if not isinstance(m, nn.Linear) for p in m.parameters(recurse=False)}
    weights = {layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)} - shared
    held = {weight: weight.data for weight in weights if not weight.requires_grad}
    try:
        for weight in held:
            weight.data = weight.data.to(torch.bfloat16)
        yield
    finally:
        for weight, exact in held.items():
            weight.data = exact
