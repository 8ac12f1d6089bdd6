"""Layers on the tokens alone: the same numbers, and fewer rows in everything but attention."""

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


def model_of(kind, dropout=0.0):
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
    model = peft.get_peft_model(model, config).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model


def losses(model):
    """Logits and gradients of one batch with padding."""
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
    handle = layer.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].flatten(0, -2).shape[0]))
    model(**batch())
    handle.remove()
    return seen


@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet", "llama"])
def test_the_same_to_rounding(kind):
    model = model_of(kind)
    logits, grads = losses(model)
    with without_padding(model):
        found, found_grads = losses(model)
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-5)
    assert found_grads.keys() == grads.keys() and len(grads) > 8
    for name in grads:
        torch.testing.assert_close(found_grads[name], grads[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    "name",
    ["attention.attn.q.base_layer", "attention.attn.q.lora_A.default", "attention.attn.o", "attention.LayerNorm",
     "intermediate", "output.dropout"],
)  # fmt: skip
def test_padding_is_not_computed(name):
    model, inputs = model_of("mpnet"), batch()
    tokens, all_places = int(inputs["attention_mask"].sum()), inputs["input_ids"].numel()
    for layer in (0, 1):
        assert rows_seen(model, f"layer.{layer}.{name}") == [all_places]
        with without_padding(model):
            assert rows_seen(model, f"layer.{layer}.{name}") == [tokens]
        assert rows_seen(model, f"layer.{layer}.{name}") == [all_places]


@pytest.mark.parametrize("dropped, idle", [(0, True), (4, True), (5, False)])
def test_a_batch_with_little_padding_stays_as_it_is(dropped, idle):
    """Of 40 places up to a tenth may be padding."""
    model = model_of("mpnet").eval()
    torch.manual_seed(3)
    inputs = {"input_ids": torch.randint(5, 60, (4, 10)), "attention_mask": torch.ones(4, 10, dtype=torch.long)}
    inputs["attention_mask"][1, 10 - dropped :] = 0
    inputs["input_ids"][inputs["attention_mask"] == 0] = 1
    plain = model(**inputs).logits
    shapes = []
    layer = next(m for n, m in model.named_modules() if n.endswith("layer.1.intermediate"))
    layer.register_forward_pre_hook(lambda layer, given: shapes.append(tuple(given[0].shape[:-1])))
    with without_padding(model):
        torch.testing.assert_close(model(**inputs).logits, plain, rtol=0, atol=1e-6)
    assert shapes == [(4, 10) if idle else (1, 40 - dropped)]


def test_dropout_drops_as_much_as_with_padding():
    model = model_of("bert", dropout=0.3)

    def spread():
        torch.manual_seed(0)
        return torch.stack([model(**batch()).logits.detach() for _ in range(400)]).std(0).mean().item()

    padded = spread()
    with without_padding(model):
        assert spread() == pytest.approx(padded, rel=0.1)


def test_a_text_of_one_token_each_and_no_padding():
    model = model_of("mpnet").eval()
    inputs = {name: value[:, :1] if value.dim() == 2 else value for name, value in batch(padded=False).items()}
    plain = model(**inputs).logits
    with without_padding(model):
        torch.testing.assert_close(model(**inputs).logits, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["bert", "roberta", "llama"])
def test_without_a_mask_all_are_tokens(kind):
    model = model_of(kind).eval()
    inputs = {"input_ids": batch()["input_ids"]}
    plain = model(**inputs).logits
    with without_padding(model):
        torch.testing.assert_close(model(**inputs).logits, plain, rtol=0, atol=1e-6)


def test_a_run_leaves_padding_out_and_has_the_same_curve(tmp_path, monkeypatch):
    folder, words = finetune_world.save_model(tmp_path / "bert"), finetune_world.task()
    for examples in (words.train, words.dev):  # of two to five words
        examples.texts[:] = [(" ".join(text.split()[: 2 + i % 4]),) for i, (text,) in enumerate(examples.texts)]
    sizes = dict(n_train=60, steps=6, evaluations=2, target_modules=("query", "value"), every=2, lr=1e-2)
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
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


def test_a_known_kind_without_the_modules_that_are_known_is_left_alone():
    class Toy(torch.nn.Module):
        config = SimpleNamespace(model_type="bert")

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(5, 5)

        def forward(self, x, attention_mask):
            return (self.layer(x) * attention_mask.unsqueeze(-1)).sum(1)

    model = Toy()
    with without_padding(model):
        assert not model._forward_pre_hooks and not model.layer._forward_hooks
    bert = model_of("bert")
    bert.base_model.model.bert.encoder.layer[1].attention.self = torch.nn.Identity()  # an attention of its own
    with without_padding(bert):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in bert.modules())
