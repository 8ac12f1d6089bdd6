"""The models that peft's tests want from the hub: tiny, with random weights, laid out as the hub's own cache (for HF_HUB_CACHE)."""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

REVISION = "0" * 40
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37, vocab_size=1024)
GPT2 = dict(n_embd=32, n_layer=5, n_head=4, vocab_size=1024, bos_token_id=1022, eos_token_id=1023)
OPT = dict(
    hidden_size=16, num_hidden_layers=5, num_attention_heads=4, ffn_dim=4, vocab_size=50265, word_embed_proj_dim=16
)
LLAMA = {**SIZES, "num_key_value_heads": 4, "vocab_size": 32000, "pad_token_id": 0}
# name: the class of the model, and its config's numbers
MODELS = {
    "gpt2": ("GPT2LMHeadModel", GPT2),
    "hf-internal-testing/tiny-random-gpt2": ("GPT2LMHeadModel", GPT2),
    "peft-internal-testing/tiny-random-gpt2": ("GPT2LMHeadModel", GPT2),
    "peft-internal-testing/tiny-random-GPT2LMHeadModel": ("GPT2LMHeadModel", GPT2),
    "peft-internal-testing/tiny-random-OPTForCausalLM": ("OPTForCausalLM", OPT),
    "peft-internal-testing/opt-125m": ("OPTForCausalLM", {**OPT, "hidden_size": 64, "word_embed_proj_dim": 64, "ffn_dim": 128}),
    "peft-internal-testing/tiny-random-GPTJForCausalLM": ("GPTJForCausalLM", {**GPT2, "rotary_dim": 4}),
    "peft-internal-testing/tiny-random-GPTNeoXForCausalLM": ("GPTNeoXForCausalLM", SIZES),
    "peft-internal-testing/tiny-random-BloomForCausalLM": ("BloomForCausalLM", SIZES),
    "peft-internal-testing/tiny-random-LlamaForCausalLM": ("LlamaForCausalLM", LLAMA),
    "trl-internal-testing/tiny-random-LlamaForCausalLM": ("LlamaForCausalLM", LLAMA),
    "hf-internal-testing/tiny-random-MistralForCausalLM": ("MistralForCausalLM", {**LLAMA, "num_key_value_heads": 2}),
    "peft-internal-testing/tiny-dummy-qwen2": ("Qwen2ForCausalLM", {**LLAMA, "num_key_value_heads": 2}),
    "trl-internal-testing/tiny-Qwen3ForCausalLM": ("Qwen3ForCausalLM", {**LLAMA, "num_key_value_heads": 2, "head_dim": 8}),
    "hf-internal-testing/tiny-random-Gemma3ForCausalLM": (
        "Gemma3ForCausalLM", {**LLAMA, "num_key_value_heads": 2, "head_dim": 8}),
    "trl-internal-testing/tiny-LlamaForSequenceClassification-3.2": ("LlamaForSequenceClassification", LLAMA),
    "peft-internal-testing/tiny-random-BertModel": ("BertModel", SIZES),
    "peft-internal-testing/tiny-random-BertForSequenceClassification": ("BertForSequenceClassification", SIZES),
    "peft-internal-testing/tiny-random-RobertaModel": ("RobertaModel", SIZES),
    "peft-internal-testing/tiny-random-RobertaForSequenceClassification": ("RobertaForSequenceClassification", SIZES),
    "peft-internal-testing/tiny-random-DebertaModel": ("DebertaModel", SIZES),
    "peft-internal-testing/tiny-random-DebertaV2Model": ("DebertaV2Model", SIZES),
    "peft-internal-testing/tiny-random-t5": (
        "T5ForConditionalGeneration", dict(d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, vocab_size=1024, decoder_start_token_id=0)),
    "peft-internal-testing/tiny-random-BartForConditionalGeneration": (
        "BartForConditionalGeneration", dict(d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                                             decoder_attention_heads=4, encoder_ffn_dim=4, decoder_ffn_dim=4, vocab_size=1024)),
}  # fmt: skip
MODELS["peft-internal-testing/tiny-random-T5ForConditionalGeneration"] = MODELS["peft-internal-testing/tiny-random-t5"]


def fill(cache: Path) -> None:
    """Write them all as the hub's own cache has them."""
    torch.manual_seed(0)
    for name, (kind, sizes) in MODELS.items():
        place = cache / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text(REVISION)
        model = getattr(transformers, kind)
        made = model(model.config_class(**sizes))
        made.save_pretrained(place / "snapshots" / REVISION)
        tokenizer(made.config.vocab_size).save_pretrained(place / "snapshots" / REVISION)


def tokenizer(n: int) -> transformers.PreTrainedTokenizerFast:
    words = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3} | {f"w{i}": i for i in range(4, min(n, 1000))}
    plain = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = dict(pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=plain, **marks)
