"""An adapted model as an ordinary one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from peft.tuners.lora.layer import LoraLayer


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
    adapted = isinstance(head, LoraLayer) and any(name in head.lora_A for name in head.active_adapters)
    if adapted and head.get_base_layer().weight is base.get_input_embeddings().weight:
        raise ValueError(
            "The output layer is adapted and shares its weight with the input embedding: merged, the adapter would change both. "
            "Load the base model with tie_word_embeddings=False, or leave the output layer out of target_modules."
        )
    copy.deepcopy(model).merge_and_unload(safe_merge=True).save_pretrained(Path(folder).expanduser(), **kwargs)
