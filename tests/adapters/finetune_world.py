"""A world for fine-tuning in seconds: twenty words, a tiny random BERT, RoBERTa or Llama with a tokenizer of them, and a task."""

import numpy as np

GOOD = ["good", "fine", "great", "warm", "kind"]
BAD = ["bad", "poor", "cold", "dull", "mean"]
NEUTRAL = ["the", "a", "film", "book", "was", "it", "and", "very", "so", "quite"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *NEUTRAL]


def save_model(folder, family="bert"):
    """Write a random model without a head, and its tokenizer, as a transformers directory."""
    import torch
    import transformers

    torch.manual_seed(0)
    common = dict(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )
    common |= dict(max_position_embeddings=40, pad_token_id=0, initializer_range=0.2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    if family == "bert":
        model = transformers.BertModel(transformers.BertConfig(**common))
    elif family == "roberta":
        model = transformers.RobertaModel(transformers.RobertaConfig(**common))
    else:
        model = transformers.LlamaModel(transformers.LlamaConfig(**common, num_key_value_heads=2))
    model.save_pretrained(folder)
    return folder


def examples(n, seed):
    """Sentences of five words; the label says which kind of the two coloured words is in it."""
    from rmt_alpha.adapters import Examples

    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    texts = []
    for label in labels:
        words = list(rng.choice(NEUTRAL, 3)) + list(rng.choice([BAD, GOOD][label], 2))
        texts.append((" ".join(rng.permutation(words)),))
    return Examples(texts, labels)


def task(labels=("bad", "good")):
    from rmt_alpha.adapters import Task

    return Task("words", labels, examples(200, 1), examples(100, 2))
