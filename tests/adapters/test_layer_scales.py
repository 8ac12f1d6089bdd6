"""What is a rescaling in a change of weights, and the rank of the rest, on matrices that are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
for module in ("torch", "transformers", "peft"):
    pytest.importorskip(module, reason=REASON)

import torch  # noqa: E402

from experiments import layer_scales  # noqa: E402
from experiments.lab import Lab  # noqa: E402
from experiments.layer_scales import rescaled, row_scale  # noqa: E402
from rmt_alpha import plotting  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
RNG = np.random.default_rng(0)
W0 = RNG.normal(size=(30, 40))
TWO = RNG.normal(size=(30, 2)) @ RNG.normal(size=(2, 40))


def test_a_rescaled_source_and_something_of_low_rank():
    """The theory's case: at α = 1 the change has full rank, at the right α rank two."""
    found = rescaled(W0, 1.7 * W0 + 0.1 * TWO)
    assert found["alpha"] == pytest.approx(1.7, abs=0.02)
    assert found["rank_one"] > 15 and found["rank_scalar"] == found["rank_rows"] == 1  # 90 % is the rescaling alone
    assert found["explained_scalar"] > 0.9 and found["explained_one"] == 0


def test_one_scale_per_row():
    scales = RNG.uniform(0.5, 1.5, 30)
    np.testing.assert_allclose(row_scale(W0, scales[:, None] * W0), scales)
    found = rescaled(W0, scales[:, None] * W0)
    assert found["explained_rows"] == pytest.approx(1) and found["explained_scalar"] < 0.2
    assert found["alpha_sd"] == pytest.approx(scales.std()) and found["rank_scalar"] > 10


def test_a_change_in_a_random_direction_is_chance():
    held = [rescaled(W0, W0 + 0.01 * RNG.normal(size=W0.shape)) for _ in range(200)]
    assert np.mean([h["explained_rows"] for h in held]) == pytest.approx(1 / 40, rel=0.1) == held[0]["chance"]
    assert held[0]["rank_one"] == pytest.approx(held[0]["rank_rows"], abs=1)
    assert held[0]["change"] == pytest.approx(0.01, rel=0.1)


def test_rank_by_brute_force():
    W = W0 + TWO + 0.1 * RNG.normal(size=W0.shape)
    U, s, V = np.linalg.svd(W - W0)
    total = np.sum((W - W0) ** 2)
    least = next(r for r in range(31) if np.sum((W - W0 - (U[:, :r] * s[:r]) @ V[:r]) ** 2) <= 0.1 * total)
    assert rescaled(W0, W)["rank_one"] == least


def test_the_change_and_alpha_are_of_the_same_layer_and_module(monkeypatch):
    """Full fine-tuning that multiplies row i of every weight by 1 + scale_i, and an α-LoRA that has learned the same."""
    base = layer_scales.Base(
        "m", 2, {"query": "attention.q", "feed-forward": "output.dense"}, ("q",), {"full": 1.0, "alpha-lora": 2.0}
    )
    draw = np.random.default_rng(1)
    before = {
        f"body.encoder.layer.{k}.{place}.weight": torch.tensor(draw.normal(size=(12, 9)))
        for k in (0, 1)
        for place in base.modules.values()
    }
    scales = {name: draw.normal(size=12) * 1e-2 for name in before}
    after = {name: (1 + torch.tensor(scales[name])[:, None]) * weight for name, weight in before.items()}
    learned = {
        f"x.layer.{k}.attention.q.default": 1 + 3 * scales[f"body.encoder.layer.{k}.attention.q.weight"] for k in (0, 1)
    }

    class Model(SimpleNamespace):
        def named_parameters(self):
            return self.weights.items()

    def finetune(model, task, method, seed, lr, target_modules, **recipe):
        assert (model, task, seed, target_modules) == ("m", "sst2", 4, ("q",)) and lr == base.rates[method]
        record = {
            "row_scales": learned if method == "alpha-lora" else {},
            "dev_accuracy": 0.9,
            "majority_accuracy": 0.5,
        }
        return SimpleNamespace(model=Model(weights=after if method == "full" else before), record=record)

    monkeypatch.setattr(layer_scales, "BASES", {"one": base})
    monkeypatch.setattr(layer_scales, "finetune", finetune)
    monkeypatch.setattr(layer_scales, "load_model", lambda *args, **options: (Model(weights=before), None))
    table = layer_scales.compared("one", "sst2", 4).set_index(["layer", "module"])
    assert list(table.index) == [(0, "query"), (0, "feed-forward"), (1, "query"), (1, "feed-forward")]
    assert table.with_learned.xs("query", level=1).to_numpy() == pytest.approx(1.0)
    assert table.with_learned.xs("feed-forward", level=1).isna().all()
    assert table.explained_rows.to_numpy() == pytest.approx(1) and (table.explained_scalar < 0.5).all()
    for (k, module), found in table.iterrows():
        assert found.alpha_sd == pytest.approx(scales[f"body.encoder.layer.{k}.{base.modules[module]}.weight"].std())


def test_the_table_is_told(monkeypatch, tmp_path):
    def planted(base, task, seed):
        kind = layer_scales.BASES[base]
        rows = [
            {"base": base, "task": task, "seed": seed, "layer": k, "module": m, "accuracy": 0.8, "majority": 0.5, **rescaled(W0, 1.001 * W0 + 0.01 * TWO),
             "rank_one": 7, "rank_scalar": 5, "rank_rows": 3,
             "with_learned": 0.25 if m in ("query", "value") else np.nan}
            for k in range(kind.layers) for m in kind.modules
        ]  # fmt: skip
        return pd.DataFrame(rows)

    monkeypatch.setattr(layer_scales, "compared", planted)
    lab = Lab("layer_scales", tmp_path, 2, 0)
    with plotting.style():
        layer_scales.run(lab)
    told = " ".join(lab.remarks)
    assert "MiniLM, 500 rows" in told and "mpnet, 500 rows" in told and told.count("sst2 80.0, 50.0 %") == 2
    assert "7.0 at α = 1, 5.0 with the best α, 3.0 with the best α per row" in told
    assert "+0.250 ± 0.000 (mean ± s.e. over 8 runs)" in told
    assert set(lab.files) == {f"layer_scales.{kind}" for kind in ("csv", "pdf", "png")}
