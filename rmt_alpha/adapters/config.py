"""What is asked of an α-LoRA adapter, and how it is saved."""

from __future__ import annotations

import dataclasses
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from peft import LoraConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from ..recipe import SHARINGS

# peft_type in adapter_config.json; in memory it is LORA. A saved adapter is under a type of its own, so that nothing takes it for plain
# LoRA and drops α; the type is a sentence, because without this package peft says no more than KeyError: and the type.
SAVED_AS = (
    "an α-LoRA adapter: in a clone of rmt_alpha, pip install -e '.[lm]', and import rmt_alpha.adapters to load it"
)
FIRST_SAVED_AS = "RMT_ALPHA_LORA"  # what the first version wrote
INITS = (True, False, "gaussian", "orthogonal")  # the others change the base weight, which is what α multiplies
CARD = """
## How to load this adapter

It is α-LoRA: W = α ⊙ W* + s·B A, one α per row of each adapted weight (arXiv 2510.21345). Beside peft it needs the package
`rmt_alpha`: in a clone of it `pip install -e '.[lm]'`, then

```python
import rmt_alpha.adapters  # teaches peft this kind of adapter
from peft import AutoPeftModel{kind}

model = AutoPeftModel{kind}.from_pretrained("this folder or repository")
```
"""
KINDS = {
    "SEQ_CLS": "ForSequenceClassification", "CAUSAL_LM": "ForCausalLM", "SEQ_2_SEQ_LM": "ForSeq2SeqLM",
    "TOKEN_CLS": "ForTokenClassification", "QUESTION_ANS": "ForQuestionAnswering", "FEATURE_EXTRACTION": "ForFeatureExtraction",
}  # fmt: skip


@dataclasses.dataclass
class AlphaLoraConfig(LoraConfig):
    """LoraConfig with α: `AlphaLoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS")`.

    `row_scale`: "row", one α per row of each adapted weight; "layer", one number each; "shared", one vector for all the adapted
    weights with the same parent module (query and value of one attention layer), which then need equally many rows.
    `init_row_scale`: where α starts. `scale_bias`: multiply the layer's bias by α too, as the published code does.
    `task_type`: without one, peft neither trains nor saves the new head of a classifier.
    The rest is LoraConfig's, without its other variants (DoRA, …), `lora_bias` and the initialisations that change the base weight.
    What is trained and saved is δ = α − 1 (`row_deltas`): weight decay pulls it to plain LoRA, and the adapters active together add up.
    For a constant α: `for p in row_deltas(model).values(): p.requires_grad_(False)`; again after `disable_adapter`, `set_adapter` and
    `from_pretrained(is_trainable=True)`, which make all of an adapter trainable.
    """

    row_scale: Literal["row", "layer", "shared"] = dataclasses.field(default="row", metadata={"is_lora_variant": True})
    init_row_scale: float = 1.0
    scale_bias: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.row_scale not in SHARINGS:
            raise ValueError(f"row_scale must be one of {', '.join(map(repr, SHARINGS))}, got {self.row_scale!r}.")
        number = isinstance(self.init_row_scale, Real) and not isinstance(self.init_row_scale, bool)
        if not number or not abs(self.init_row_scale) < float("inf"):
            raise ValueError(
                f"init_row_scale must be a finite number, got {self.init_row_scale!r}. The paper starts at 1."
            )
        self.init_row_scale = float(self.init_row_scale)
        if self.init_lora_weights not in INITS:
            raise ValueError(
                f"init_lora_weights must be one of {', '.join(map(repr, INITS))} for α-LoRA, got {self.init_lora_weights!r}: "
                f"the other initialisations change the base weight, which is what α multiplies, or need a pass over data."
            )
        if self.lora_bias:
            raise ValueError(
                "lora_bias=True cannot be combined with α-LoRA. Leave it out; train biases with bias='lora_only'."
            )
        asked = [name for name in _variants(self) if name != "row_scale"]
        if asked:
            raise ValueError(
                f"α-LoRA cannot be combined with another LoRA variant, got {', '.join(asked)}. Leave it out."
            )
        if self.layer_replication:
            raise ValueError(
                f"layer_replication cannot be combined with α-LoRA, got {self.layer_replication!r}: the replicas share one weight, and "
                f"merging would multiply it by the α of each."
            )
        if self.target_parameters:
            raise ValueError(
                f"target_parameters cannot be combined with α-LoRA, got {self.target_parameters!r}: peft adapts them without α. "
                f"Name linear layers in target_modules."
            )

    def to_dict(self) -> dict[str, Any]:
        """What is saved."""
        return {**super().to_dict(), "peft_type": SAVED_AS}

    def save_pretrained(self, save_directory: str, **kwargs: Any) -> None:
        """adapter_config.json, and in the card beside it what to install and import."""
        super().save_pretrained(save_directory, **kwargs)
        self.write_card(save_directory)

    def write_card(self, folder: str | Path) -> None:
        """Add to the card in the folder, or in a new one, what to install and import."""
        card = Path(folder) / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        if "rmt_alpha.adapters" not in text:
            kind = KINDS.get(str(getattr(self.task_type, "value", self.task_type)), "")
            card.write_text(text + CARD.format(kind=kind), encoding="utf-8")


@dataclasses.dataclass
class FirstVersionConfig(AlphaLoraConfig):
    """What the first version's files are read with; peft's loader turns its vectors α into δ, transformers' own would drop them."""


def _variants(config: LoraConfig) -> list[str]:
    """The LoRA variants that a config asks for."""
    fields = dataclasses.fields(config)
    return [f.name for f in fields if f.metadata.get("is_lora_variant") and getattr(config, f.name)]


# With this package imported peft's loaders work.
_config_types: dict[Any, Any] = PEFT_TYPE_TO_CONFIG_MAPPING  # its keys are of a closed enum, but compare as strings
_config_types[SAVED_AS], _config_types[FIRST_SAVED_AS] = AlphaLoraConfig, FirstVersionConfig
