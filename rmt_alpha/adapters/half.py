"""Frozen weights in bfloat16: what autocast makes of them anew in every pass, since it remembers those of trainable weights only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def frozen_in_half(model: nn.Module) -> Iterator[None]:
    """In this block, which autocast to bfloat16 is to fill, the frozen weights of linear layers lie in bfloat16; afterwards as they were.

    What the layers compute is the same to the last bit. So biases stay, which α-LoRA subtracts in float32, and the weights of DoRA, which
    takes their norms.
    """
    modules = list(model.modules())
    kept = {p for m in modules if not isinstance(m, nn.Linear) for p in m.parameters(recurse=False)}
    kept |= {p for m in modules if any(getattr(m, "use_dora", {}).values()) for p in m.parameters()}
    weights = {m.weight for m in modules if isinstance(m, nn.Linear)} - kept
    held = {weight: weight.data for weight in weights if not weight.requires_grad}
    try:
        for weight in held:
            weight.data = weight.data.to(torch.bfloat16)
        yield
    finally:
        for weight, exact in held.items():
            weight.data = exact
