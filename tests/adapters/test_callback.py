"""α inside transformers.Trainer: step for step what TwoOptimizers does, and what it refuses."""

import itertools
import shutil

import numpy as np
import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)
peft = pytest.importorskip("peft", reason=REASON)

from adapters_models import TARGETS, tiny  # noqa: E402

from rmt_alpha.adapters import AlphaCallback, AlphaLoraConfig, TwoOptimizers, param_groups, row_deltas  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
STEPS, EVERY, WARM, RATE, ROWS = 12, 3, 4, 1e-2, 24


def model(**options):
    torch.manual_seed(0)
    given = dict(r=4, lora_alpha=8, target_modules=TARGETS["roberta"], task_type="SEQ_CLS") | options
    made = peft.get_peft_model(tiny("roberta"), AlphaLoraConfig(**given))
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return made


def rows(n, seed):
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 60, (n, 10), generator=draw)
    labels = torch.randint(0, 3, (n,), generator=draw)
    return [{"input_ids": i, "labels": k, "idx": 7} for i, k in zip(ids, labels, strict=True)]


def arguments(folder, **options):
    usual = dict(
        max_steps=STEPS, learning_rate=RATE, warmup_steps=WARM, per_device_train_batch_size=4, save_steps=6, seed=3,
        gradient_accumulation_steps=2, max_grad_norm=0.5, logging_steps=1, report_to=[], use_cpu=True, optim="adamw_torch",
        weight_decay=0.0, disable_tqdm=True, lr_scheduler_type="linear", save_strategy="steps",
    )  # fmt: skip
    return transformers.TrainingArguments(str(folder), **usual | options)


class InOrder(transformers.Trainer):
    """Trainer, with its rows in the order given."""

    def _get_train_sampler(self, *arguments):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def trainer(folder, made=None, callback=None, **options):
    made = made or model()
    callback = callback or AlphaCallback(rows(10, seed=2), every=EVERY, row_scale_lr=0.02)
    return InOrder(made, arguments(folder, **options), train_dataset=rows(ROWS, seed=1), callbacks=[callback])


def values(made):
    return {n: p.detach().clone() for n, p in made.named_parameters() if "lora_" in n or "modules_to_save" in n}


def by_two_optimizers(n=STEPS):
    """The same by hand: eight rows per step, gradients cut, the rate warmed up, α's rows in the callback's order."""
    made, data, held = model().train(), rows(ROWS, seed=1), rows(10, seed=2)

    def loss(made, batch):  # of a classifier's accumulated batches Trainer takes the sum, not the mean
        return made(**batch).loss * len(batch["labels"]) / 4

    given = TwoOptimizers(made, STEPS, lr=RATE, every=EVERY, row_scale_lr=0.02, loss=loss)
    given.schedule = transformers.get_linear_schedule_with_warmup(given.optimizer, WARM, STEPS)
    given.optimizer.register_step_pre_hook(lambda *_: torch.nn.utils.clip_grad_norm_(given.others, 0.5) and None)

    def batch(chosen):
        return {name: torch.stack([row[name] for row in chosen]) for name in ("input_ids", "labels")}

    def held_out(k):
        places = np.arange(4 * k, 4 * k + 4)
        orders = [np.random.default_rng([3, p]).permutation(10) for p in places // 10]
        return batch([held[order[i % 10]] for order, i in zip(orders, places, strict=True)])

    losses = []
    for i in range(n):
        losses.append(given.step(batch([data[j % ROWS] for j in range(8 * i, 8 * i + 8)]), held_out))
    return made, losses


def close(one, other):
    for name, value in values(one).items():
        torch.testing.assert_close(value, values(other)[name], atol=1e-6, rtol=0, msg=name)


def test_trainer_with_the_callback_is_two_optimizers(tmp_path):
    run = trainer(tmp_path)
    run.train()
    made, losses = by_two_optimizers()
    close(run.model, made)
    logged = [entry["loss"] for entry in run.state.log_history if "loss" in entry]
    assert logged == pytest.approx(losses, abs=1e-4)  # Trainer rounds
    assert max(d.abs().max() for d in row_deltas(run.model).values()) > 0.02  # α has gone somewhere


def test_resumed_it_goes_on_as_it_would_have(tmp_path):
    run = trainer(tmp_path / "a")
    run.train()
    again = trainer(tmp_path / "a")
    again.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-6"))
    close(again.model, run.model)
    shutil.copytree(tmp_path / "a" / "checkpoint-6", tmp_path / "b")
    named = trainer(tmp_path / "c", resume_from_checkpoint=str(tmp_path / "b"))
    named.train(resume_from_checkpoint=str(tmp_path / "b"))
    close(named.model, run.model)
    with pytest.raises(FileNotFoundError, match=r"row_scale_optimizer.pt, the optimiser of α at step 6, is missing"):
        trainer(tmp_path / "d").train(resume_from_checkpoint=str(tmp_path / "b"))


def test_only_alphas_own_steps_move_alpha_and_only_alpha(tmp_path):
    made, seen = model(), []

    class Watch(transformers.TrainerCallback):
        def on_optimizer_step(self, args, state, control, **kwargs):
            seen.append([d.detach().clone() for d in row_deltas(made).values()])
            assert not any(d.requires_grad or d.grad is not None for d in row_deltas(made).values())

    run = InOrder(
        made,
        arguments(tmp_path),
        train_dataset=rows(ROWS, seed=1),
        callbacks=[Watch(), AlphaCallback(rows(10, 2), every=5)],
    )
    run.train()
    moved = [any(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in itertools.pairwise(seen)]
    assert [i + 1 for i, m in enumerate(moved) if m] == [5, 10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(held_out=[]), "held_out must be a dataset with a length of at least 1"),
        (dict(held_out=iter([])), "held_out must be a dataset with a length"),
        (dict(every=0), "every must be a positive whole number, got 0"),
        (dict(row_scale_lr=-1.0), "row_scale_lr must be a positive number, got -1.0"),
        (dict(row_scale_optimizer="lion"), "row_scale_optimizer must be one of"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        AlphaCallback(**{"held_out": rows(4, 0)} | change)


def test_what_would_train_alpha_twice_is_refused(tmp_path):
    late = InOrder(model(), arguments(tmp_path), train_dataset=rows(ROWS, seed=1))
    late.add_callback(AlphaCallback(rows(4, 0)))
    with pytest.raises(ValueError, match="must be given to Trainer as it is made"):
        late.train()
    made = model()
    optimizer = torch.optim.AdamW(param_groups(made, lr=1e-3))
    callback = AlphaCallback(rows(4, 0))
    joint = InOrder(
        made, arguments(tmp_path), train_dataset=rows(ROWS, 1), callbacks=[callback], optimizers=(optimizer, None)
    )
    with pytest.raises(ValueError, match="without an optimiser of α"):
        joint.train()
    with pytest.raises(ValueError, match="no trainable α"):
        trainer(tmp_path, tiny("roberta"))


def test_alpha_made_trainable_again_before_the_training_is_refused(tmp_path):
    run = trainer(tmp_path)
    with run.model.disable_adapter():
        pass
    with pytest.raises(ValueError, match=r"disable_adapter\(\) and set_adapter\(\) make α trainable again"):
        run.train()


def test_a_loss_that_looks_at_the_base_model(tmp_path):
    """disable_adapter() makes α trainable again, in the middle of a step: it moves by its own steps only, and is frozen after each."""

    def loss(made, batch):
        with torch.no_grad(), made.disable_adapter():
            made(**batch)
        return made(**batch).loss

    class Looking(InOrder):
        def compute_loss(self, made, inputs, *given, **named):
            with torch.no_grad(), made.disable_adapter():
                made(**inputs)
            return super().compute_loss(made, inputs, *given, **named)

    found = []
    for kind, own in ((InOrder, None), (Looking, loss)):
        callback = AlphaCallback(rows(10, seed=2), every=EVERY, row_scale_lr=0.02, loss=own)
        options = arguments(tmp_path / kind.__name__, max_grad_norm=0.0)
        run = kind(model(), options, train_dataset=rows(ROWS, seed=1), callbacks=[callback])
        run.train()
        found.append(run.model)
    close(*found)


def test_a_checkpoint_of_the_model_alone(tmp_path):
    trainer(tmp_path, save_only_model=True).train()
    names = {file.name for file in (tmp_path / "checkpoint-6").iterdir()}
    assert "adapter_model.safetensors" in names and not {"optimizer.pt", "row_scale_optimizer.pt"} & names


def test_a_model_made_by_trainer_is_refused(tmp_path):
    """It makes another one when training begins, whose α it would train itself."""
    run = InOrder(
        None,
        arguments(tmp_path),
        model_init=lambda: model(),
        train_dataset=rows(ROWS, 1),
        callbacks=[AlphaCallback(rows(4, 0))],
    )
    with pytest.raises(ValueError, match="with a model and not model_init"):
        run.train()


def test_training_that_ends_before_alpha_moves_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"every must be at most the number of steps, {STEPS}, got {STEPS + 1}"):
        trainer(tmp_path, callback=AlphaCallback(rows(10, 2), every=STEPS + 1)).train()
    last = trainer(tmp_path, callback=AlphaCallback(rows(10, 2), every=STEPS))
    last.train()
    assert max(d.abs().max() for d in row_deltas(last.model).values()) > 0


def test_another_training_of_the_same_model(tmp_path):
    run = trainer(tmp_path, save_strategy="no")
    run.train()
    assert all(d.requires_grad for d in row_deltas(run.model).values())
    first = values(run.model)
    run.train()  # the same trainer
    second = values(run.model)
    trainer(tmp_path, run.model, save_strategy="no").train()  # and another one
    for one, other in ((first, second), (second, values(run.model))):
        assert all(not torch.equal(one[name], other[name]) for name in one if "row_delta" in name)


def test_seed_batch_size_and_columns_of_alphas_rows(tmp_path):
    """Each row once in a pass; the columns are those that Trainer has left in its own rows."""
    seen = []

    def loss(made, batch):
        seen.append(batch)
        return made(**batch).loss

    class Narrow(InOrder):
        def get_train_dataloader(self):
            left = [{k: v for k, v in row.items() if k != "idx"} for row in rows(ROWS, seed=1)]
            return torch.utils.data.DataLoader(left, 4, collate_fn=transformers.default_data_collator)

    held = rows(6, seed=2)

    def ids(seed, size, kind=InOrder):
        del seen[:]
        callback = AlphaCallback(held, every=1, seed=seed, batch_size=size, loss=loss)
        options = dict(save_strategy="no", gradient_accumulation_steps=1, max_steps=6 // size)
        kind(model(), arguments(tmp_path, **options), train_dataset=rows(ROWS, 1), callbacks=[callback]).train()
        assert all(set(batch) == {"input_ids", "labels"} and len(batch["labels"]) == size for batch in seen)
        return torch.cat([batch["input_ids"] for batch in seen])

    one = ids(5, 2)
    assert sorted(map(tuple, one.tolist())) == sorted(tuple(row["input_ids"].tolist()) for row in held)
    assert torch.equal(one, ids(5, 3, Narrow)) and not torch.equal(one, ids(6, 2))


def test_rows_that_come_one_after_the_other(tmp_path):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter([{k: v for k, v in row.items() if k != "idx"} for row in rows(ROWS, seed=1)])

    held = [{k: v for k, v in row.items() if k != "idx"} for row in rows(10, seed=2)]
    options = dict(save_strategy="no", gradient_accumulation_steps=1)
    run = transformers.Trainer(
        model(), arguments(tmp_path, **options), train_dataset=Stream(), callbacks=[AlphaCallback(held, every=2)]
    )
    run.train()
    assert max(d.abs().max() for d in row_deltas(run.model).values()) > 0


def test_param_groups_for_joint_training(tmp_path):
    made = model()
    groups = param_groups(made, lr=1e-3, row_scale_lr=0.05, weight_decay=0.1)
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(1e-3, 0.1), (0.05, 0.0)]
    assert {id(p) for p in groups[1]["params"]} == {id(p) for p in row_deltas(made).values()}
    assert sum(len(g["params"]) for g in groups) == sum(p.requires_grad for p in made.parameters())
    run = InOrder(made, arguments(tmp_path), train_dataset=rows(ROWS, 1), optimizers=(torch.optim.AdamW(groups), None))
    run.train()
    assert max(d.abs().max() for d in row_deltas(run.model).values()) > 0.02
    for p in row_deltas(made).values():
        p.requires_grad_(False)
    assert len(param_groups(made, lr=1e-3)) == 1
