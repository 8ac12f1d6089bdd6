"""Linear layers on the tokens alone: the same numbers, dropout included, and fewer rows in every product."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import finetune_world
import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)
peft = pytest.importorskip("peft", reason=REASON)

from adapters_models import TARGETS, batch, tiny  # noqa: E402

from rmt_alpha.adapters import AlphaLoraConfig, finetune  # noqa: E402
from rmt_alpha.adapters.models import MeanPooled  # noqa: E402
from rmt_alpha.adapters.padding import without_padding  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
SIZES = dict(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
             max_position_embeddings=40, pad_token_id=1, num_labels=3, initializer_range=0.1)  # fmt: skip


def model_of(kind):
    torch.manual_seed(0)
    if kind in ("roberta", "llama", "gpt2"):
        model, targets = tiny(kind), TARGETS[kind]
    elif kind == "bert":
        model, targets = (
            transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES)),
            ["query", "value"],
        )
    else:
        model, targets = MeanPooled(transformers.MPNetConfig(**SIZES)), ["q", "v"]
    torch.manual_seed(1)
    config = AlphaLoraConfig(r=4, target_modules=targets, task_type="SEQ_CLS", init_lora_weights=False)
    config.init_row_scale = 0.8
    return peft.get_peft_model(model, config).train()


def losses(model):
    """Loss, logits and gradients of one batch with padding, dropout on."""
    torch.manual_seed(2)
    out = model(**batch())
    model.zero_grad()
    out.loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return out.logits.detach(), grads


def rows_seen(model, name):
    """How many rows the layer of this name multiplies."""
    seen = []
    layer = next(m for n, m in model.named_modules() if n.endswith(name))
    handle = layer.register_forward_hook(lambda layer, inputs, out: seen.append(out.numel() // out.shape[-1]))
    model(**batch())
    handle.remove()
    return seen


@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet", "llama"])
def test_the_same_to_rounding_with_dropout(kind):
    model = model_of(kind)
    logits, grads = losses(model)
    with without_padding(model):
        found, found_grads = losses(model)
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-5)
    assert found_grads.keys() == grads.keys() and len(grads) > 8
    for name in grads:
        torch.testing.assert_close(found_grads[name], grads[name], rtol=1e-4, atol=1e-6, msg=name)


def test_padding_is_not_multiplied():
    model, inputs = model_of("mpnet"), batch()
    tokens, all_places = int(inputs["attention_mask"].sum()), inputs["input_ids"].numel()
    assert rows_seen(model, "layer.0.attention.attn.q.base_layer") == [all_places]
    with without_padding(model):
        assert rows_seen(model, "layer.0.attention.attn.q.base_layer") == [tokens]
        assert rows_seen(model, "layer.0.attention.attn.q.lora_A.default") == [tokens]
    assert rows_seen(model, "layer.0.attention.attn.q.base_layer") == [all_places]


def test_a_text_of_one_token_each_and_no_padding():
    model = model_of("mpnet").eval()
    inputs = {name: value[:, :1] if value.dim() == 2 else value for name, value in batch(padded=False).items()}
    plain = model(**inputs).logits
    with without_padding(model):
        torch.testing.assert_close(model(**inputs).logits, plain, rtol=0, atol=1e-6)


def test_a_run_leaves_padding_out_and_has_the_same_curve(tmp_path, monkeypatch):
    folder, words = finetune_world.save_model(tmp_path / "bert"), finetune_world.task()
    for examples in (words.train, words.dev):  # of two to five words
        examples.texts[:] = [(" ".join(text.split()[: 2 + i % 4]),) for i, (text,) in enumerate(examples.texts)]
    sizes = dict(n_train=60, steps=6, evaluations=2, target_modules=("query", "value"), every=2, lr=1e-2)
    used = []

    @contextmanager
    def never(model):
        used.append(model)
        yield

    lean = finetune(folder, words, progress=False, **sizes).record
    monkeypatch.setattr(sys.modules["rmt_alpha.adapters.finetune"], "without_padding", never)
    padded = finetune(folder, words, progress=False, **sizes).record
    assert len(used) == 1 and lean["dev_predictions"] == padded["dev_predictions"]
    for one, other in zip(lean["curve"], padded["curve"], strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_an_unknown_kind_of_model_is_left_alone():
    model = model_of("gpt2")
    with without_padding(model):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_layer_that_sees_tokens_texts_and_something_else():
    class Toy(torch.nn.Module):
        config = SimpleNamespace(model_type="bert")

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(5, 5)

        def forward(self, x, attention_mask):
            of_texts = (self.layer(x) * attention_mask.unsqueeze(-1)).sum(1)
            return self.layer(of_texts) + self.layer(x[:, :2]).sum(1)

    model, x = Toy(), torch.randn(3, 4, 5)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]])
    plain = model(x=x, attention_mask=mask)
    with without_padding(model):
        torch.testing.assert_close(model(x=x, attention_mask=mask), plain)
