"""The adapter against its formula, computed from the weights, and through all that peft does with one."""

import copy
import itertools
import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)
peft = pytest.importorskip("peft", reason=REASON)

from adapters_models import TARGETS, batch, minilm_folder, tiny  # noqa: E402

from rmt_alpha.adapters import AlphaLoraConfig, AlphaLoraLinear, export, row_deltas, row_scales  # noqa: E402

# transformers and its dependencies warn of their own future; peft's warnings of lost weights must stay errors
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("error:Found missing adapter keys"),
    pytest.mark.filterwarnings("error:Unexpected keyword arguments"),
]
FAMILIES = list(TARGETS)


def alpha_config(family="roberta", **options):
    return AlphaLoraConfig(**(dict(r=4, lora_alpha=8, target_modules=TARGETS[family], task_type="SEQ_CLS") | options))


def randomised(model, seed=1):
    """Every adapter weight away from where it starts."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_row_delta" in name:
                p.copy_(0.5 * torch.randn(p.shape, generator=draw))
            elif "lora_" in name:
                p.copy_(0.2 * torch.randn(p.shape, generator=draw))
    return model


def adapted(family="roberta", dtype="float32", **options):
    return randomised(peft.get_peft_model(tiny(family, dtype), alpha_config(family, **options))).eval()


def logits(model, **options):
    given = batch(**options)
    given.pop("labels")
    with torch.no_grad():
        return model(**given).logits.float()


def by_formula(model):
    """A plain transformers model with W_new written into it by hand."""
    plain = tiny_like(model)
    weights = dict(plain.named_modules())
    for name, layer in model.base_model.model.named_modules():
        if isinstance(layer, AlphaLoraLinear):
            scale, target = layer.row_scale("default").detach(), weights[name]
            update = 2.0 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight  # s = lora_alpha / r
            with torch.no_grad():
                if layer.fan_in_fan_out:
                    target.weight.copy_(scale * target.weight + update.T)
                else:
                    target.weight.copy_(scale[:, None] * target.weight + update)
                if layer.scale_bias["default"] and target.bias is not None:
                    target.bias.mul_(scale)
    return plain


def tiny_like(model):
    family = model.base_model.model.config.model_type
    plain = tiny(family)
    head = {k.replace("modules_to_save.default.", ""): v for k, v in model.base_model.model.state_dict().items()}
    plain.load_state_dict(
        {k: head[k] for k in plain.state_dict() if k in head and ("classifier" in k or "score" in k)}, strict=False
    )
    return plain


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("options", [{}, {"scale_bias": True}, {"row_scale": "layer"}], ids=["row", "bias", "layer"])
def test_the_output_is_that_of_the_formula(family, options):
    model = adapted(family, **options)
    torch.testing.assert_close(logits(model), logits(by_formula(model)), atol=1e-5, rtol=1e-5)
    assert (logits(model) - logits(tiny_like(model))).abs().max() > 1e-3


def test_a_fresh_adapter_changes_nothing_and_adds_one_parameter_a_row():
    torch.manual_seed(0)
    ours = peft.get_peft_model(tiny("roberta"), alpha_config())
    torch.manual_seed(0)
    lora = peft.get_peft_model(
        tiny("roberta"), peft.LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"], task_type="SEQ_CLS")
    )
    torch.testing.assert_close(logits(ours.eval()), logits(lora.eval()), atol=1e-6, rtol=1e-6)
    assert ours.get_nb_trainable_parameters()[0] - lora.get_nb_trainable_parameters()[0] == 2 * 2 * 32
    assert {p.shape for p in row_scales(ours).values()} == {(32,)}
    assert all((p == 1).all() for p in row_scales(ours).values())
    assert all((p == 0).all() and p.requires_grad for p in row_deltas(ours).values())
    assert all(not p.requires_grad for n, p in ours.named_parameters() if "base_layer" in n)


@pytest.mark.parametrize("sharing, count", [("layer", 4), ("shared", 2 * 32)])
def test_sharing(sharing, count):
    config = alpha_config(row_scale=sharing)
    models = [
        peft.get_peft_model(tiny("roberta"), config) for _ in range(2)
    ]  # one config, two models: nothing in common
    for model in models:
        assert sum(p.numel() for p in row_deltas(model).values()) == count
        assert all(p.requires_grad for p in row_deltas(model).values())
    one, other = ({p.data_ptr() for p in row_deltas(model).values()} for model in models)
    assert not one & other
    copied = copy.deepcopy(randomised(models[0]))
    torch.testing.assert_close(logits(copied.eval()), logits(models[0].eval()))


def test_a_shared_vector_gets_the_gradient_of_both_and_survives_bfloat16():
    model = adapted(dtype="bfloat16", row_scale="shared")
    layers = [m for m in model.modules() if isinstance(m, AlphaLoraLinear)]
    assert layers[0].row_delta("default") is layers[1].row_delta("default")
    assert layers[2].row_delta("default") is layers[3].row_delta("default")
    assert layers[0].row_delta("default") is not layers[2].row_delta("default")
    assert layers[0].row_scale("default").dtype == torch.float32


def test_shared_needs_equally_many_rows():
    with pytest.raises(ValueError, match="equally many rows, got 32 and 16 at model.layers.0.self_attn.v_proj"):
        peft.get_peft_model(tiny("llama"), alpha_config("llama", row_scale="shared"))


@pytest.mark.parametrize("sharing", ["row", "layer", "shared"])
@pytest.mark.parametrize("scale_bias", [False, True])
def test_gradients_are_those_of_the_formula(sharing, scale_bias):
    """Autograd through W_new itself, in one layer."""
    torch.manual_seed(0)
    base = torch.nn.ModuleDict({"query": torch.nn.Linear(5, 4), "value": torch.nn.Linear(5, 4)}).double()
    config = AlphaLoraConfig(r=2, lora_alpha=4, target_modules=["query"], row_scale=sharing, scale_bias=scale_bias)
    model = randomised(peft.get_peft_model(torch.nn.Sequential(base), config)).double()
    layer = model.base_model.model[0]["query"]
    x, target = torch.randn(7, 5).double(), torch.randn(7, 4).double()
    parts = [layer.row_delta("default").weight, layer.lora_A["default"].weight, layer.lora_B["default"].weight]
    ours = torch.autograd.grad((layer(x) * target).sum(), parts)
    delta, A, B = parts
    scale = 1 + delta.view(-1)
    bias = layer.base_layer.bias * scale if scale_bias else layer.base_layer.bias
    out = x @ (scale.view(-1, 1) * layer.base_layer.weight + 2 * B @ A).T + bias
    for got, wanted in zip(ours, torch.autograd.grad((out * target).sum(), parts), strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("scale_bias", [False, True])
def test_merge_and_unmerge(family, safe, scale_bias):
    model = adapted(family, scale_bias=scale_bias)
    before, weights = logits(model), {n: p.clone() for n, p in model.named_parameters()}
    model.merge_adapter(safe_merge=safe)
    torch.testing.assert_close(logits(model), before, atol=1e-6, rtol=1e-6)
    assert any((p != weights[n]).any() for n, p in model.named_parameters())
    model.unmerge_adapter()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p, weights[name], atol=1e-6, rtol=1e-6)
    with model.disable_adapter():
        torch.testing.assert_close(logits(model), logits(tiny_like(model)), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(logits(model), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_merging_is_exact(family):
    """In float64: what float32 leaves above is rounding."""
    model = adapted(family).double()
    given = {k: v for k, v in batch().items() if k != "labels"}
    with torch.no_grad():
        before = model(**given).logits
        after = model.merge_and_unload()(**given).logits
    torch.testing.assert_close(after, before, atol=1e-14, rtol=1e-13)


PLAIN = dict(r=2, lora_alpha=4, target_modules=["query", "value"])


def three_adapters(scale_bias=False, first="default", **options):
    """Two α-LoRA ("default", "second") and a plain one ("plain"), the plain one put in first or last."""
    torch.manual_seed(0)
    alpha, plain = alpha_config(scale_bias=scale_bias, task_type=None, **options), peft.LoraConfig(**PLAIN)
    model = peft.get_peft_model(tiny("roberta"), {"default": alpha, "plain": plain}[first], first)
    for name, config in (("default", alpha), ("second", copy.deepcopy(alpha)), ("plain", plain)):
        if name != first:
            model.add_adapter(name, config)
    model.base_model.set_adapter(["default", "second", "plain"])
    return randomised(model, seed=3).eval()


@pytest.mark.parametrize("scale_bias", [False, True])
@pytest.mark.parametrize("first", ["default", "plain"])
def test_adapters_add_up_in_any_order(scale_bias, first):
    """α before, beside and after plain LoRA in one layer, two α at once, merged together or one after the other: one formula."""
    model = three_adapters(scale_bias, first)
    layer = model.base_model.model.roberta.encoder.layer[0].attention.self.query
    weights = {n: p.clone() for n, p in model.named_parameters()}
    x = torch.randn(5, 32)
    for active in (
        ["second"],
        ["default", "second"],
        ["second", "default"],
        ["plain", "second"],
        ["plain", "second", "default"],
    ):
        model.base_model.set_adapter(active)
        W, b = layer.base_layer.weight, layer.base_layer.bias
        delta = sum(layer.lora_row_delta[a].weight for a in active if a != "plain")
        update = sum(2 * layer.lora_B[a].weight @ layer.lora_A[a].weight for a in active)
        wanted = x @ (W + delta * W + update).T + b * (1 + delta.view(-1) if scale_bias else 1)
        torch.testing.assert_close(layer(x), wanted, atol=1e-5, rtol=1e-5)
        before = logits(model)
        for steps in ([active], [[name] for name in reversed(active)]):
            for names in steps:
                model.merge_adapter(names)
            torch.testing.assert_close(logits(model), before, atol=5e-6, rtol=1e-5)
            model.unmerge_adapter()
            for name, p in model.named_parameters():
                torch.testing.assert_close(p, weights[name], atol=2e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="same scale_bias"):
        model.add_adapter("other", alpha_config(scale_bias=not scale_bias, task_type=None))


def test_plain_lora_in_a_layer_that_got_alpha_is_what_it_was():
    torch.manual_seed(0)
    model = randomised(peft.get_peft_model(tiny("roberta"), peft.LoraConfig(**PLAIN), "plain")).eval()
    before = logits(model)
    model.add_adapter("default", alpha_config(task_type=None))
    torch.testing.assert_close(logits(model), before)
    layer = model.base_model.model.roberta.encoder.layer[0].attention.self.query
    assert isinstance(layer, AlphaLoraLinear) and layer.row_delta("plain") is None
    model.set_adapter("default")
    assert {n.rpartition(".")[2] for n, p in model.named_parameters() if p.requires_grad and "row_delta" in n} == {
        "weight"
    }
    model.delete_adapter("default")
    model.set_adapter("plain")
    torch.testing.assert_close(logits(model), before)


def test_merging_keeps_no_second_weight():
    model = adapted()
    layer = next(m for m in model.modules() if isinstance(m, AlphaLoraLinear))
    with torch.no_grad():
        layer.row_delta("default").weight[:3] = torch.tensor([[-1.0], [-0.9], [-1.2]])  # α = 0, .1, −.2
        layer.row_delta("default").weight[3:].clamp_(-0.4, 1)
    weight = layer.base_layer.weight.clone()
    layer.merge()
    small, rows, _ = layer._caches["deleted rows"]
    assert small.tolist() == [True] * 3 + [False] * 29 and rows.shape == (3, 32)
    layer.unmerge()
    assert torch.equal(layer.base_layer.weight[:3], weight[:3]) and not layer._caches
    torch.testing.assert_close(layer.base_layer.weight, weight, atol=1e-6, rtol=1e-6)


def test_merged_without_gradients_the_model_trains_on():
    model = adapted()
    plain, weight = logits(model), next(m for m in model.modules() if isinstance(m, AlphaLoraLinear)).base_layer.weight
    place = weight.data_ptr()
    with torch.inference_mode():
        model.merge_adapter()
        model.unmerge_adapter()
    assert weight.data_ptr() == place and not weight.is_inference()
    torch.testing.assert_close(logits(model), plain, atol=1e-5, rtol=1e-5)
    model(**batch()).loss.backward()
    assert all(p.grad.abs().max() > 0 for p in row_deltas(model).values())


@pytest.mark.parametrize("kind", ["linear", "conv1d"])
def test_the_layer_and_not_the_config_knows_how_a_weight_lies(kind):
    torch.manual_seed(0)
    base = transformers.pytorch_utils.Conv1D(8, 8) if kind == "conv1d" else torch.nn.Linear(8, 8)
    torch.nn.init.normal_(base.weight)
    for said in (False, True):
        config = AlphaLoraConfig(r=2, target_modules=["0"], fan_in_fan_out=said)
        model = randomised(peft.get_peft_model(torch.nn.Sequential(copy.deepcopy(base)), config)).eval()
        x = torch.randn(3, 8)
        before = model(x)
        torch.testing.assert_close(model.merge_and_unload()(x), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["svd", "linear", "cat", "ties", "dare_linear", "magnitude_prune"])
def test_weighted_adapters_keep_alpha(kind):
    model = three_adapters(r=2)
    more = dict(density=1.0) if kind in ("ties", "dare_linear", "magnitude_prune") else {}
    rank = dict(svd_rank=6) if kind == "svd" else {}  # of three adapters of rank 2: exact
    model.add_weighted_adapter(["plain", "default", "second"], [0.7, 0.5, -2.0], "mixed", kind, **more, **rank)
    layer = model.base_model.model.roberta.encoder.layer[0].attention.self.query
    first, second = (layer.lora_row_delta[a].weight for a in ("default", "second"))
    mixed = layer.lora_row_delta["mixed"].weight
    if kind == "ties":  # the majority's sign decides each entry
        kept = torch.where(first.abs() > second.abs(), 0.5 * first, -2 * second)
        alike = first * second > 0
        torch.testing.assert_close(mixed[~alike], kept[~alike])
        torch.testing.assert_close(mixed[alike], (0.5 * first - 2 * second)[alike] / 2)
        return
    torch.testing.assert_close(mixed, 0.5 * first - 2 * second)
    if kind in ("svd", "cat"):  # the exact ones
        model.set_adapter("mixed")
        exact = logits(model)
        W, x = layer.base_layer.weight, torch.randn(3, 32)
        low = sum(w * layer.get_delta_weight(a) for a, w in (("plain", 0.7), ("default", 0.5), ("second", -2.0)))
        torch.testing.assert_close(layer(x), x @ (W + mixed * W + low).T + layer.base_layer.bias, atol=1e-4, rtol=1e-4)
        model.merge_adapter()
        torch.testing.assert_close(logits(model), exact, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "svd", "ties"])
def test_adapters_with_alpha_here_and_plain_lora_there_are_mixed(kind):
    model = peft.get_peft_model(
        tiny("roberta"), alpha_config(task_type=None, target_modules=["query"], init_row_scale=0.8)
    )
    model.add_adapter("plain", peft.LoraConfig(r=4, lora_alpha=8, target_modules=["value"]))
    model = randomised(model).eval()
    options = dict(density=0.5) if kind == "ties" else {}
    model.add_weighted_adapter(["plain", "default"], [0.5, 2.0], "mixed", kind, **options)
    for layer in (m for m in model.modules() if isinstance(m, AlphaLoraLinear)):
        if "default" in layer.lora_row_delta and "mixed" in layer.lora_row_delta:
            expected = 2 * layer.lora_row_delta["default"].weight
            mixed = layer.lora_row_delta["mixed"].weight
            assert (mixed != 0).any() and (kind == "ties" or torch.equal(mixed, expected))
        elif "mixed" in layer.lora_row_delta:  # plain LoRA's: α = 1
            assert not layer.lora_row_delta["mixed"].weight.any()
    model.set_adapter("mixed")
    assert torch.isfinite(logits(model)).all()


@pytest.mark.parametrize("kind", ["svd", "linear", "ties", "magnitude_prune"])
def test_a_mixture_of_one_adapter_is_that_adapter(kind):
    model = adapted()
    before = logits(model)
    model.add_weighted_adapter(["default"], [1.0], "mixed", kind, density=0.2)
    model.set_adapter("mixed")
    torch.testing.assert_close(logits(model), before, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("config", [peft.LoraConfig(**PLAIN | dict(r=4)), alpha_config(task_type=None)])
def test_arguments_of_a_mixture_by_place_are_pefts(config):
    model = peft.get_peft_model(tiny("roberta"), config)
    model.add_adapter("second", copy.deepcopy(config))
    model.add_weighted_adapter(["default", "second"], [0.5, 0.5], "mixed", "svd", 2)
    assert model.peft_config["mixed"].r == 2


def test_a_shared_alpha_is_mixed_where_all_adapt_the_same_layers():
    shared = lambda *names: alpha_config(task_type=None, row_scale="shared", target_modules=[*names])  # noqa: E731
    model = peft.get_peft_model(tiny("roberta"), shared("query", "value"))
    for name, config in {
        "same": shared("query", "value"), "fewer": shared("value"),
        "plain": peft.LoraConfig(r=4, target_modules=["value"]), "plain too": peft.LoraConfig(r=4, target_modules=["query", "value"]),
    }.items():  # fmt: skip
        model.add_adapter(name, config)
    model = randomised(model).eval()
    for i, other in enumerate(("same", "plain too")):
        model.base_model.set_adapter(["default", other])
        both = logits(model)
        model.add_weighted_adapter(["default", other], [1.0, 1.0], f"mixed{i}", "cat")
        model.set_adapter(f"mixed{i}")
        torch.testing.assert_close(logits(model), both, atol=1e-5, rtol=1e-5)
    for other in ("fewer", "plain"):
        with pytest.raises(
            ValueError, match=f"all adapt the same layers, got 'default' and '{other}'.*encoder.layer.0.*query"
        ):
            model.add_weighted_adapter(["default", other], [1.0, 1.0], "mixed", "cat")
        assert "mixed" not in model.peft_config


def test_a_refused_adapter_leaves_no_trace():
    model = adapted(task_type=None)
    before = logits(model)
    with pytest.raises(ValueError, match="need the same scale_bias"):
        model.add_adapter("second", alpha_config(task_type=None, scale_bias=True))
    assert torch.equal(logits(model), before)


def test_what_cannot_be_mixed_is_refused():
    model = three_adapters()
    model.add_adapter("layer", alpha_config(task_type=None, row_scale="layer"))
    with pytest.raises(ValueError, match="of one kind of row_scale, got layer, row"):
        model.add_weighted_adapter(["default", "layer"], [1.0, 1.0], "mixed", "linear")
    plain = peft.get_peft_model(tiny("roberta"), peft.LoraConfig(**PLAIN))
    plain.add_weighted_adapter(["default"], [0.5], "mixed", "linear")  # without α nothing is changed
    assert not any(isinstance(m, AlphaLoraLinear) for m in plain.modules())


def test_plain_lora_swapped_into_the_slot_leaves_the_frozen_weight_alone(tmp_path):
    from peft.utils.hotswap import hotswap_adapter

    plain = randomised(peft.get_peft_model(tiny("roberta"), peft.LoraConfig(**PLAIN | dict(r=4, lora_alpha=8)))).eval()
    plain.save_pretrained(tmp_path / "plain")
    other = randomised(peft.get_peft_model(tiny("roberta"), alpha_config(task_type=None)), seed=5).eval()
    other.save_pretrained(tmp_path / "alpha")
    model = adapted(task_type=None)
    hotswap_adapter(model, str(tmp_path / "plain"), "default")
    assert all((scale == 1).all() for scale in row_scales(model).values())
    torch.testing.assert_close(logits(model), logits(plain), atol=1e-6, rtol=1e-6)
    hotswap_adapter(model, str(tmp_path / "alpha"), "default")
    torch.testing.assert_close(logits(model), logits(other), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (dict(row_scale="shared"), "row_scale"),
        (dict(row_scale="layer"), "row_scale"),
        (dict(scale_bias=True), "scale_bias"),
    ],
)
def test_one_kind_of_alpha_is_not_swapped_into_the_slot_of_another(tmp_path, options, name):
    from peft.utils.hotswap import hotswap_adapter

    adapted(task_type=None, **options).save_pretrained(tmp_path)
    model = adapted(task_type=None)
    before = logits(model)
    with pytest.raises(ValueError, match=f"Configs are incompatible: for {name}, "):
        hotswap_adapter(model, str(tmp_path), "default")
    assert torch.equal(logits(model), before)


def test_weight_decay_pulls_to_plain_lora():
    model = adapted(task_type=None)
    optimizer = torch.optim.AdamW(row_deltas(model).values(), lr=0.1, weight_decay=0.5)
    for _ in range(200):
        for p in row_deltas(model).values():
            p.grad = torch.zeros_like(p)
        optimizer.step()
    assert all(torch.allclose(scale, torch.ones(32), atol=1e-3) for scale in row_scales(model).values())


def test_lora_plus_gives_alpha_no_larger_rate():
    from peft.optimizers import create_loraplus_optimizer

    model = adapted()
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=1e-4, loraplus_lr_ratio=16)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in row_deltas(model).values()} == {1e-4}


def test_hooks_on_every_part_run():
    model = adapted()
    layer = next(m for m in model.modules() if isinstance(m, AlphaLoraLinear))
    called = []
    for name in ("base_layer", "lora_A.default", "lora_B.default", "lora_dropout.default", "lora_row_delta.default"):
        layer.get_submodule(name).register_forward_hook(lambda *_, name=name: called.append(name))
    layer(torch.randn(2, 32))
    assert sorted(called) == [
        "base_layer",
        "lora_A.default",
        "lora_B.default",
        "lora_dropout.default",
        "lora_row_delta.default",
    ]


class Int8Behind(torch.Tensor):
    """As torchao's: integers behind a float's name."""

    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(cls, values.shape, dtype=torch.float32)

    def __init__(self, values):
        self.values = values

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.detach.default:
            return cls(args[0].values)
        raise NotImplementedError(function)


def test_a_quantised_weight_is_not_merged():
    layer = next(m for m in adapted().modules() if isinstance(m, AlphaLoraLinear))
    held = layer.base_layer.weight.data
    for weight, name in ((held.to(torch.int8), "torch.int8"), (Int8Behind(held.to(torch.int8)), "Int8Behind")):
        layer.base_layer.weight = torch.nn.Parameter(weight, requires_grad=False)
        with pytest.raises(NotImplementedError, match=rf"cannot be merged into a quantised weight \(.*{name}\)"):
            layer.merge()
        assert not layer.merged


def test_torchaos_weight_is_trained_on_and_not_merged():
    quantization = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    base = tiny("roberta")
    quantization.quantize_(base, quantization.Int8WeightOnlyConfig())
    config = AlphaLoraConfig(r=4, target_modules=TARGETS["roberta"], task_type="SEQ_CLS", init_row_scale=0.8)
    model = peft.get_peft_model(base, config)
    model(**batch()).loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in row_deltas(model).values())
    for merge in (model.merge_adapter, model.merge_and_unload):
        with pytest.raises(
            NotImplementedError, match=r"cannot be merged into a quantised weight \(torchao\..*Tensor\)"
        ):
            merge()


def test_a_broken_adapter_is_not_merged(tmp_path):
    model = adapted()
    with torch.no_grad():
        next(iter(row_deltas(model).values()))[0] = float("nan")
    layer = next(m for m in model.modules() if isinstance(m, AlphaLoraLinear))
    weight = layer.base_layer.weight.clone()
    with pytest.raises(ValueError, match="NaNs detected"):
        layer.merge(safe_merge=True)
    assert torch.equal(layer.base_layer.weight, weight)
    with pytest.raises(ValueError, match="NaNs detected"):
        export(model, tmp_path)


@pytest.mark.parametrize("family, sharing", [*((family, "row") for family in FAMILIES), ("roberta", "shared")])
def test_exported_as_an_ordinary_model(family, sharing, tmp_path):
    model = adapted(family, row_scale=sharing)
    before = logits(model)
    export(model, tmp_path)
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert not any(isinstance(m, AlphaLoraLinear) for m in plain.modules())
    torch.testing.assert_close(logits(plain), before, atol=1e-6, rtol=1e-6)
    assert torch.equal(logits(model), before)
    torch.testing.assert_close(logits(model.merge_and_unload()), before, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sharing", ["row", "layer", "shared"])
def test_saved_and_loaded_by_peft_alone(family, sharing, tmp_path):
    if (family, sharing) == ("llama", "shared"):
        pytest.skip("its value has fewer rows than its query")
    model = adapted(family, row_scale=sharing, scale_bias=True)
    model.save_pretrained(tmp_path)
    for options in ({}, {"low_cpu_mem_usage": True}, {"is_trainable": True}):
        loaded = peft.PeftModel.from_pretrained(tiny(family), tmp_path, **options).eval()
        assert loaded.peft_config["default"].row_scale == sharing
        torch.testing.assert_close(logits(loaded), logits(model))
        deltas = row_deltas(loaded)
        assert {n: p.shape for n, p in deltas.items()} == {n: p.shape for n, p in row_deltas(model).items()}
        assert all(p.requires_grad == ("is_trainable" in options) for p in deltas.values())
    other = adapted(family, scale_bias=True)
    other.load_adapter(tmp_path, "second")
    other.set_adapter("second")
    torch.testing.assert_close(logits(other), logits(model))


def test_a_bfloat16_model_loads_alpha_in_full(tmp_path):
    model = adapted(dtype="bfloat16")
    model.save_pretrained(tmp_path)
    for options in ({}, {"low_cpu_mem_usage": True}):
        loaded = peft.PeftModel.from_pretrained(tiny("roberta", "bfloat16"), tmp_path, **options)
        for name, scale in row_scales(loaded).items():
            assert torch.equal(scale, row_scales(model)[name])


def test_transformers_own_loader(tmp_path):
    adapted().save_pretrained(tmp_path)
    model = tiny("roberta")
    model.load_adapter(str(tmp_path))
    saved = adapted()
    for name, scale in row_scales(model).items():
        assert torch.equal(scale, row_scales(saved)[f"base_model.model.{name}"])


def test_without_this_package_peft_says_what_to_install_and_import(tmp_path, monkeypatch):
    adapted().save_pretrained(tmp_path)
    kind = json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"]
    monkeypatch.delitem(peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING, kind)
    with pytest.raises(KeyError, match=r"pip install -e '\.\[lm\]', and import rmt_alpha.adapters"):
        peft.PeftModel.from_pretrained(tiny("roberta"), tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert card.count("pip install -e '.[lm]'") == 1 and "AutoPeftModelForSequenceClassification" in card
    assert "library_name: peft" in card


def test_every_card_says_how_to_load(tmp_path):
    """That of the top folder, too, with adapters below it, and after peft has written it anew, as Trainer has it do."""
    model = adapted(task_type=None)
    model.add_adapter("second", alpha_config(task_type=None))
    model.save_pretrained(tmp_path, selected_adapters=["second"])
    (tmp_path / "card").mkdir()
    for _ in range(2):
        model.create_or_update_model_card(str(tmp_path / "card"))
    for folder in (tmp_path, tmp_path / "second", tmp_path / "card"):
        assert (folder / "README.md").read_text().count("import rmt_alpha.adapters") == 1
    plain = peft.get_peft_model(tiny("roberta"), peft.LoraConfig(**PLAIN))
    plain.save_pretrained(tmp_path / "plain")
    assert "rmt_alpha" not in (tmp_path / "plain" / "README.md").read_text()


def first_version(folder):
    """The adapter in `folder` as the first version would have saved it: α itself, as a vector."""
    from safetensors.torch import load_file, save_file

    file, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    old = lambda k, v: (k.replace("row_delta.weight", "row_scale"), 1 + v.view(-1)) if "row_delta" in k else (k, v)  # noqa: E731
    save_file(dict(old(k, v) for k, v in load_file(file).items()), file)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"peft_type": "RMT_ALPHA_LORA"}))


@pytest.mark.parametrize("options", [{}, {"low_cpu_mem_usage": True}])
@pytest.mark.parametrize("sharing", ["row", "layer", "shared"])
def test_an_adapter_of_the_first_version_loads(tmp_path, sharing, options):
    model = adapted(row_scale=sharing)
    model.save_pretrained(tmp_path)
    first_version(tmp_path)
    loaded = peft.PeftModel.from_pretrained(tiny("roberta"), tmp_path, **options).eval()
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-6, rtol=1e-6)


def test_an_adapter_of_the_first_version_is_refused_by_name_where_alpha_would_be_lost(tmp_path):
    model = adapted(task_type=None)
    model.save_pretrained(tmp_path)
    first_version(tmp_path)
    with pytest.raises(
        ValueError, match=r"first version of rmt_alpha, and only peft's loader reads it: PeftModel.from"
    ):
        tiny("roberta").load_adapter(str(tmp_path))
    again = tmp_path / "again"
    peft.PeftModel.from_pretrained(tiny("roberta"), tmp_path).save_pretrained(again)
    loaded = tiny("roberta")
    loaded.load_adapter(str(again))
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-6, rtol=1e-6)


def test_a_file_without_alpha_or_with_too_many_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    adapted().save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    whole = load_file(file)
    save_file({k: v for k, v in whole.items() if "lora_row_delta" not in k}, file)
    with pytest.raises(RuntimeError, match=r"lora_row_delta \(default\), the α of this layer, is missing"):
        peft.PeftModel.from_pretrained(tiny("roberta"), tmp_path)
    save_file(whole, file)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"row_scale": "shared"}))
    with pytest.raises(RuntimeError, match="this layer has no such α"):
        peft.PeftModel.from_pretrained(tiny("roberta"), tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(family):
    model = adapted(family)
    short = {k: v[::2, :5] for k, v in batch().items() if k != "labels"}
    with torch.no_grad():
        alone = model(**short).logits
    torch.testing.assert_close(logits(model)[::2], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_gives_the_same_gradients(family):
    model = adapted(family)
    plain = gradients(model)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert model.base_model.model.is_gradient_checkpointing
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, plain[name], atol=1e-6, rtol=1e-4)


def gradients(model):
    model.zero_grad()
    model(**batch()).loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("autocast_adapter_dtype", [True, False])
def test_bfloat16(family, autocast_adapter_dtype):
    config = alpha_config(family)
    model = peft.get_peft_model(tiny(family, "bfloat16"), config, autocast_adapter_dtype=autocast_adapter_dtype)
    randomised(model).eval()
    exact = logits(adapted(family))
    assert (logits(model) - exact).abs().max() < 0.1 * exact.abs().max()
    assert all(torch.isfinite(g).all() for g in gradients(model).values())
    before = logits(model)
    model.merge_adapter()
    assert (logits(model) - before).abs().max() < 0.1 * exact.abs().max()
    model.unmerge_adapter()
    assert (logits(model) - before).abs().max() < 0.1 * exact.abs().max()


def test_merging_rounds_a_half_type_once():
    model = peft.get_peft_model(tiny("roberta", "bfloat16"), alpha_config(), autocast_adapter_dtype=False)
    model = randomised(model)
    layer = next(m for m in model.modules() if isinstance(m, AlphaLoraLinear))
    W, A, B = (
        p.detach().double() for p in (layer.weight, layer.lora_A["default"].weight, layer.lora_B["default"].weight)
    )
    wanted = layer.row_scale("default").detach().double()[:, None] * W + 2 * B @ A
    layer.merge()
    assert (layer.weight == wanted.to(torch.bfloat16)).float().mean() > 0.999


def test_compiled_in_one_graph():
    model = adapted(task_type=None)
    before = logits(model)
    torch._dynamo.reset()
    layer = model.base_model.model.roberta.encoder.layer[0].attention.self.query
    layer.forward = torch.compile(layer.forward, fullgraph=True, backend="eager")
    torch.testing.assert_close(logits(model), before, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("scale_bias", [False, True])
@pytest.mark.parametrize("family", ["roberta", "gpt2"])
def test_an_offloaded_base_model(family, scale_bias):
    accelerate = pytest.importorskip("accelerate")
    model = adapted(family, scale_bias=scale_bias)
    before = logits(model)
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    torch.testing.assert_close(logits(model), before, atol=1e-6, rtol=1e-6)


def test_autocast():
    model = adapted()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lower = logits(model)
        found = gradients(model)
    assert (lower - logits(model)).abs().max() < 0.1
    assert all(torch.isfinite(g).all() for g in found.values())


def test_dropout_touches_the_low_rank_part_only():
    model = adapted(lora_dropout=0.5)
    layer = next(m for m in model.modules() if isinstance(m, AlphaLoraLinear))
    x = torch.randn(4, 10, 32)
    with torch.no_grad():
        assert torch.equal(layer(x), layer(x))
        layer.train()
        assert not torch.equal(layer(x), layer(x))
        layer.lora_B["default"].weight.zero_()
        assert torch.equal(layer(x), layer(x))
        layer.lora_dropout["default"].train()
        layer.lora_B["default"].weight.normal_()
        mean = torch.stack([layer(x) for _ in range(4000)]).mean(0)
        torch.testing.assert_close(mean, layer.eval()(x), atol=0.6, rtol=0)


def test_mixed_batches():
    model = adapted(task_type=None)
    given = batch()
    given.pop("labels")
    with torch.no_grad():
        mixed = model(**given, adapter_names=["default", "__base__"] * 3).logits
        with model.disable_adapter():
            base = model(**given).logits
    torch.testing.assert_close(mixed[::2], logits(model)[::2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixed[1::2], base[1::2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sharing", ["row", "shared"])
def test_deleting_an_adapter_takes_its_alpha_along(sharing):
    config = alpha_config(row_scale=sharing)
    model = randomised(peft.get_peft_model(tiny("roberta"), config))
    count = len(row_scales(model))
    model.add_adapter("second", config)
    model.delete_adapter("default")
    assert len(row_scales(model)) == count and all(name.endswith(".second") for name in row_scales(model))
    model.add_adapter("default", config)
    assert len(row_scales(model)) == 2 * count


@pytest.mark.parametrize("sharing", ["row", "shared"])
def test_pickled(sharing):
    model = adapted(row_scale=sharing)
    torch.testing.assert_close(logits(pickle.loads(pickle.dumps(model))), logits(model))


def test_an_alpha_of_zero_forgets_the_base_weight_and_comes_back():
    model = adapted(init_row_scale=0.0, scale_bias=True)
    layer = next(m for m in model.modules() if isinstance(m, AlphaLoraLinear))
    x, weight = torch.randn(3, 32), layer.base_layer.weight.clone()
    with torch.no_grad():
        layer.row_delta("default").weight.fill_(-1)
        torch.testing.assert_close(layer(x), 2 * layer.lora_B["default"](layer.lora_A["default"](x)))
    layer.merge()
    layer.unmerge()
    assert torch.equal(layer.base_layer.weight, weight)


def test_real_weights(tmp_path):
    minilm = minilm_folder()

    def fresh():
        torch.manual_seed(0)  # the head is not in the file
        return transformers.AutoModelForSequenceClassification.from_pretrained(minilm, num_labels=2).eval()

    tokens = transformers.AutoTokenizer.from_pretrained(minilm)(
        ["A wonderful film.", "It broke after two days, and nobody answered my letters."],
        padding=True,
        return_tensors="pt",
    )
    base = fresh()(**tokens).logits
    config = AlphaLoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS")
    model = peft.get_peft_model(fresh(), config).eval()
    torch.testing.assert_close(model(**tokens).logits, base, atol=1e-6, rtol=1e-6)
    assert sum(p.numel() for p in row_scales(model).values()) == 6 * 2 * 384
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_row_delta" in name:
                p.add_(0.2 * torch.randn(p.shape, generator=draw))
            elif "lora_B" in name:
                p.copy_(0.02 * torch.randn(p.shape, generator=draw))
    wanted = model(**tokens).logits
    assert (wanted - base).abs().max() > 1e-3
    model.save_pretrained(tmp_path / "adapter")
    loaded = peft.PeftModel.from_pretrained(fresh(), tmp_path / "adapter").eval()
    torch.testing.assert_close(loaded(**tokens).logits, wanted, atol=1e-6, rtol=1e-6)
    alone = peft.AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapter").eval()
    torch.testing.assert_close(alone(**tokens).logits, wanted, atol=1e-6, rtol=1e-6)
    export(model, tmp_path / "merged")
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(plain(**tokens).logits, wanted, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"row_scale": "column"}, "row_scale must be one of 'row', 'layer', 'shared', got 'column'"),
        ({"row_scale": None}, "row_scale must be one of"),
        ({"init_row_scale": float("nan")}, "init_row_scale must be a finite number, got nan"),
        ({"use_dora": True}, "cannot be combined with another LoRA variant, got use_dora"),
        ({"target_parameters": ["mlp.up_proj.weight"]}, "target_parameters cannot be combined"),
        ({"layer_replication": [[0, 2]]}, "layer_replication cannot be combined with α-LoRA"),
        ({"init_row_scale": True}, "init_row_scale must be a finite number, got True"),
        ({"lora_bias": True}, "lora_bias=True cannot be combined"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights must be one of .* got 'pissa'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        alpha_config(**options)


def test_a_number_of_numpys_is_a_number():
    assert alpha_config(init_row_scale=np.float32(1.5)).to_dict()["init_row_scale"] == 1.5


def test_modules_that_have_no_rows_are_refused():
    with pytest.raises(ValueError, match=r"linear layers .* got roberta.embeddings.word_embeddings \(Embedding\)"):
        peft.get_peft_model(tiny("roberta"), alpha_config(target_modules=["word_embeddings"]))


def test_a_tied_embedding_is_refused_by_what_added_it():
    sizes = dict(vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48)
    base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, tie_word_embeddings=True))
    with pytest.raises(ValueError, match=r"\(Embedding\). Leave it out, or ensure_weight_tying=True, which adds"):
        peft.get_peft_model(base, alpha_config(task_type=None, target_modules=["lm_head"], ensure_weight_tying=True))
    kept = alpha_config("llama", task_type=None, modules_to_save=["lm_head"], ensure_weight_tying=True)
    assert row_scales(peft.get_peft_model(base, kept))


def test_an_adapted_output_layer_that_is_the_input_embedding_too_is_not_exported(tmp_path):
    sizes = dict(vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48)
    sizes |= dict(num_key_value_heads=2)
    ids = torch.arange(2, 12).view(2, 5)
    options = dict(r=4, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM")
    for tied, config in itertools.product((False, True), (AlphaLoraConfig(**options), peft.LoraConfig(**options))):
        base = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**sizes, tie_word_embeddings=tied))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft warns of the same
            model = randomised(peft.get_peft_model(base, config)).eval()
            model.add_adapter("inner", AlphaLoraConfig(**options | dict(target_modules=["q_proj"])))
        if tied:
            with pytest.raises(ValueError, match="tie_word_embeddings=False"):
                export(model, tmp_path / "tied")
            model.set_adapter("inner")  # which leaves the output layer alone
        export(model, tmp_path / "free")
        loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "free").eval()
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=1e-6, rtol=1e-6)


def test_no_other_variant_in_the_same_layer():
    model = adapted()
    with pytest.raises(ValueError, match="no other LoRA variant"):
        model.add_adapter("dora", peft.LoraConfig(r=2, use_dora=True, target_modules=["query"], task_type="SEQ_CLS"))


def test_no_alpha_on_a_layer_with_another_variant():
    model = peft.get_peft_model(tiny("roberta"), peft.LoraConfig(r=2, use_dora=True, target_modules=["query"]))
    with pytest.raises(
        ValueError, match=r"query has a LoRA variant \(default\), which cannot share a layer with α-LoRA"
    ):
        model.add_adapter("alpha", alpha_config(task_type=None))


def test_peft_does_not_convert_it_to_lora():
    assert not adapted().supports_lora_conversion()


@pytest.mark.parametrize("module", ["torch", "peft"])
def test_without_the_extra(monkeypatch, module):
    for name in [n for n in sys.modules if n.startswith("rmt_alpha.adapters")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf"needs {module}, .*pip install -e '\.\[lm\]'"):
        import rmt_alpha.adapters  # noqa: F401


def test_the_core_does_not_import_it():
    code = "import sys, rmt_alpha; assert not {'torch', 'peft', 'rmt_alpha.adapters'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
