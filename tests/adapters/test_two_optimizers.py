"""The published training algorithm on a problem whose answer is known, and step by step."""

import copy

import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
torch = pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)
peft = pytest.importorskip("peft", reason=REASON)

from adapters_models import TARGETS, batch, tiny  # noqa: E402

from rmt_alpha.adapters import AlphaLoraConfig, TwoOptimizers, row_scales, split_held_out  # noqa: E402
from rmt_alpha.adapters.training import due  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


def roberta(**options):
    torch.manual_seed(0)
    given = dict(r=4, lora_alpha=8, target_modules=TARGETS["roberta"], task_type="SEQ_CLS") | options
    return peft.get_peft_model(tiny("roberta"), AlphaLoraConfig(**given)).train()


def values(model):
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def changed(before, model):
    return {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}


class Toy(torch.nn.Module):
    """One linear layer."""

    def __init__(self, weight):
        super().__init__()
        self.linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.linear.weight.data = weight.clone()

    def forward(self, x):
        return self.linear(x)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_it_finds_the_alpha_that_made_the_data(optimizer):
    """Target: α ⊙ W* plus a matrix of rank one. Neither A, B nor α alone reach it."""
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 8, generator=draw)
    alpha = torch.tensor([0.2, 0.5, 0.8, 1.1, 1.4, 1.7])
    wanted = alpha[:, None] * weight + 0.3 * torch.randn(6, 1, generator=draw) @ torch.randn(1, 8, generator=draw)

    def data(i, part):
        x = torch.randn(32, 8, generator=torch.Generator().manual_seed(2 * i + part))
        return {"x": x, "y": x @ wanted.T}

    def loss(model, given):
        return (model(given["x"]) - given["y"]).square().mean()

    torch.manual_seed(0)
    model = peft.get_peft_model(Toy(weight), AlphaLoraConfig(r=1, lora_alpha=1, target_modules=["linear"]))
    rate = 0.5 if optimizer == "sgd" else 0.02
    trainer = TwoOptimizers(
        model, 1500, lr=0.02, every=2, row_scale_lr=rate, row_scale_optimizer=optimizer, weight_decay=0.0, loss=loss
    )
    losses = [trainer.step(data(i, 0), lambda k: data(k, 1)) for i in range(1500)]
    assert losses[0] > 1 and losses[-1] < 1e-2
    torch.testing.assert_close(next(iter(row_scales(model).values())).detach(), alpha, atol=0.1, rtol=0)


def test_who_moves_when_and_on_which_data():
    model = roberta()
    before = values(model)
    asked = []

    def held_out(k):
        asked.append(k)
        return batch(100 + k)

    trainer = TwoOptimizers(model, n_steps=9, lr=1e-2, every=3)
    rates = []
    for i in range(9):
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        start = values(model)
        assert trainer.step(batch(i), held_out) > 0
        moved = changed(start, model)
        assert any("lora_row_delta" in n for n in moved) == ((i + 1) % 3 == 0)
        assert any("lora_B" in n for n in moved) and any("classifier" in n for n in moved)
        assert all(p.requires_grad and p.grad is None for p in trainer.deltas + trainer.others)
    assert asked == [0, 1, 2]
    assert rates == pytest.approx([1e-2 * (1 - i / 9) for i in range(9)])
    assert trainer.optimizer.param_groups[0]["lr"] == 0
    assert trainer.row_scale_optimizer.param_groups[0]["lr"] == 5e-3
    moved = changed(before, model)
    assert len([n for n in moved if "lora_row_delta" in n]) == 4
    assert not any("base_layer" in n or "original_module" in n or "embeddings" in n for n in moved)


@pytest.mark.parametrize(("first", "every"), [(None, 10), (1, 10), (4, 2), (3, 7), (5, 1)])
def test_when_a_further_step_is_due(first, every):
    steps = [step for step in range(1, 60) if due(step, first, every) is not None]
    assert steps == list(range(first or every, 60, every))
    assert [due(step, first, every) for step in steps] == list(range(len(steps)))


def test_a_resumed_run_goes_on_as_it_would_have():
    def run(model, trainer, steps):
        model.eval()  # no dropout
        return [trainer.step(batch(i), lambda k: batch(100 + k)) for i in steps]

    model = roberta()
    trainer = TwoOptimizers(model, 12, lr=1e-2, every=2)
    run(model, trainer, range(5))
    weights, state = values(model), copy.deepcopy(trainer.state_dict())
    rest = run(model, trainer, range(5, 12))
    other = roberta()
    other.load_state_dict(weights)
    again = TwoOptimizers(other, 12, lr=1e-2, every=2)
    again.load_state_dict(state)
    assert run(other, again, range(5, 12)) == pytest.approx(rest, abs=1e-6)


def test_a_failing_step_leaves_everything_trainable():
    model = roberta()
    trainer = TwoOptimizers(model, 5, every=1)
    with pytest.raises(KeyError):
        trainer.step(batch(0), lambda k: {}["no more data"])
    with pytest.raises(ValueError):
        trainer.step({}, batch)
    assert all(p.requires_grad for p in trainer.deltas + trainer.others)


def test_shared_alpha_and_gradient_checkpointing():
    model = roberta(row_scale="shared")
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    trainer = TwoOptimizers(model, 4, every=2)
    assert len(trainer.deltas) == 2
    before = values(model)
    for i in range(4):
        trainer.step(batch(i), lambda k: batch(100 + k))
    assert {n for n in changed(before, model) if "lora_row_delta" in n} == set(
        n for n in before if "lora_row_delta" in n
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_steps": 0}, "n_steps must be a positive whole number, got 0"),
        ({"every": 1.5}, "every must be a positive whole number, got 1.5"),
        ({"lr": 0.0}, "lr must be a positive number, got 0.0"),
        ({"row_scale_lr": float("nan")}, "row_scale_lr must be a positive number, got nan"),
        ({"row_scale_optimizer": "lion"}, "row_scale_optimizer must be one of 'adam', 'adamw', 'sgd', got 'lion'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        TwoOptimizers(roberta(), **({"n_steps": 5} | options))


def test_a_model_without_alpha_is_refused():
    with pytest.raises(ValueError, match="no trainable α"):
        TwoOptimizers(tiny("roberta"), 5)


def test_the_split_is_a_partition_that_the_seed_decides():
    train, held_out = split_held_out(50, 0.2, seed=3)
    assert (len(train), len(held_out)) == (40, 10)
    assert sorted([*train, *held_out]) == list(range(50))
    assert (split_held_out(50, 0.2, seed=3)[1] == held_out).all() and (
        split_held_out(50, 0.2, seed=4)[1] != held_out
    ).any()
    for n, fraction in ((50, 0.0), (50, 1.0), (50, 0.001), (1, 0.5)):
        with pytest.raises(ValueError, match="fraction must leave at least one"):
            split_held_out(n, fraction, seed=0)
