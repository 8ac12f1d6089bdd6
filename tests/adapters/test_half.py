"""Frozen weights that lie in bfloat16: the same numbers to the last bit."""

import sys
from contextlib import contextmanager

import finetune_world
import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
torch = pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)
peft = pytest.importorskip("peft", reason=REASON)

from adapters_models import TARGETS, batch, tiny  # noqa: E402

from rmt_alpha.adapters import AlphaLoraConfig, finetune  # noqa: E402
from rmt_alpha.adapters.half import frozen_in_half  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


def model_of(kind, **options):
    torch.manual_seed(0)
    config = AlphaLoraConfig(r=4, target_modules=TARGETS[kind], task_type="SEQ_CLS", init_lora_weights=False, **options)
    return peft.get_peft_model(tiny(kind), config).train()


def numbers(model):
    torch.manual_seed(2)
    with torch.autocast("cpu", torch.bfloat16):
        out = model(**batch())
    model.zero_grad()
    out.loss.backward()
    return out.logits.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("scale_bias", [False, True])
@pytest.mark.parametrize("kind", ["roberta", "llama"])
def test_equal_to_the_last_bit(kind, scale_bias):
    model = model_of(kind, init_row_scale=0.8, scale_bias=scale_bias)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    logits, grads = numbers(model)
    with frozen_in_half(model):
        in_half = {name for name, p in model.named_parameters() if p.dtype == torch.bfloat16}
        found, found_grads = numbers(model)
    assert in_half and all(name.endswith("base_layer.weight") or "lora" not in name for name in in_half)
    assert torch.equal(found, logits) and grads.keys() == found_grads.keys()
    assert all(torch.equal(found_grads[name], grads[name]) for name in grads)
    for name, p in model.named_parameters():
        assert p.dtype == before[name].dtype and torch.equal(p, before[name]), name


def test_dora_keeps_its_weights_for_their_norms():
    torch.manual_seed(0)
    config = peft.LoraConfig(
        use_dora=True, target_modules=TARGETS["roberta"], task_type="SEQ_CLS", init_lora_weights=False
    )
    model = peft.get_peft_model(tiny("roberta"), config).train()
    logits, grads = numbers(model)
    with frozen_in_half(model):
        assert any(p.dtype == torch.bfloat16 for p in model.parameters())
        found, found_grads = numbers(model)
    assert torch.equal(found, logits) and all(torch.equal(found_grads[name], grads[name]) for name in grads)


def test_what_is_trained_or_shared_stays_in_float32():
    class Toy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.out = torch.nn.Embedding(7, 5), torch.nn.Linear(5, 7)
            self.frozen, self.trained = torch.nn.Linear(5, 5), torch.nn.Linear(5, 5)
            self.out.weight = self.words.weight
            for layer in (self.words, self.out, self.frozen):
                layer.requires_grad_(False)

    model = Toy()
    with pytest.raises(KeyError), frozen_in_half(model):
        held = {name for name, p in model.named_parameters() if p.dtype == torch.bfloat16}
        assert held == {"frozen.weight"}
        raise KeyError
    assert model.frozen.weight.dtype == torch.float32


def test_a_run_in_half_has_the_same_curve(tmp_path, monkeypatch):
    folder, words = finetune_world.save_model(tmp_path / "bert"), finetune_world.task()
    sizes = dict(n_train=60, steps=4, evaluations=2, target_modules=("query", "value"), every=2, precision="bfloat16")
    used = []

    @contextmanager
    def never(model):
        used.append(model)
        yield

    one = finetune(folder, words, progress=False, **sizes)
    assert all(p.dtype == torch.float32 for p in one.model.parameters())
    monkeypatch.setattr(sys.modules["rmt_alpha.adapters.finetune"], "frozen_in_half", never)
    other = finetune(folder, words, progress=False, **sizes)
    assert len(used) == 1 and one.record["curve"] == other.record["curve"]
    assert one.record["row_scales"] == other.record["row_scales"]
