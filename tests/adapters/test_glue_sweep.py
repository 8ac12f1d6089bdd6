"""The comparison's sweep, with a tiny model: a whole cell from nothing, stopped and gone on with, and its status."""

import os
from pathlib import Path

import finetune_world
import pandas as pd
import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
for module in ("torch", "transformers", "peft"):
    pytest.importorskip(module, reason=REASON)

from experiments import glue_comparison, glue_design, glue_records, glue_sweep  # noqa: E402
from experiments.glue_design import METHODS, Cell  # noqa: E402
from rmt_alpha.adapters import finetune  # noqa: E402
from rmt_alpha.data.files import VARIABLE  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
CELL = Cell("sst2", 60)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The design at a size of seconds: one rate, one search seed, two seeds; runs in this process, which are counted."""
    if not (Path(os.environ.get(VARIABLE, "")) / "glue").is_dir():
        pytest.skip(f"GLUE is not in ${VARIABLE}")
    model = str(finetune_world.save_model(tmp_path / "bert"))
    one_rate = {methods: range(-4, -3) for methods in glue_design.GROUPS}
    recipe = glue_design.RECIPE | {"model": model, "target_modules": ("query", "value"), "evaluations": 2}
    changes = dict(LENGTHS={"sst2": 12}, STEPS={60: 4}, CELLS=(CELL,), ORDER=((CELL, 2),), SEEDS=2, MOST=1, GROUPS=one_rate,
                   SEARCH_SEEDS=(1000,), SEARCH_ROWS=20, ALPHA_FACTORS=range(1), RECIPE=recipe)  # fmt: skip
    for name, value in changes.items():
        for module in (glue_design, glue_comparison):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(glue_sweep, "PRECISION", "float32")
    asked = []

    def in_turn(jobs, store, workers):
        assert workers == 2 and len(jobs) <= 6  # a block: the clock is looked at between
        records = []
        for job in jobs:
            if len(asked) == small_.stop_after:
                raise KeyboardInterrupt
            asked.append((job["method"], job["seed"]))
            records.append(finetune(**job, progress=False).record)
        return records

    monkeypatch.setattr(glue_sweep, "finetune_sweep", in_turn)
    small_ = type("Small", (), {"asked": asked, "folder": tmp_path / "kept", "stop_after": None})
    return small_


def test_a_cell_from_nothing(small, capsys):
    small.stop_after = 9
    with pytest.raises(KeyboardInterrupt):
        glue_sweep.main(["--workers", "2", "--folder", str(small.folder)])
    held = glue_records.read(small.folder)
    # the longest first
    assert small.asked[:4] == [("alpha-lora", 1000), ("full", 1000), ("lora", 1000), ("head", 1000)]
    assert 4 <= len(held) <= 9  # those of the batch that was stopped are run again
    small.stop_after = None
    del small.asked[:]
    glue_sweep.main(["--workers", "2", "--folder", str(small.folder)])
    assert len(small.asked) == 4 + 2 * len(METHODS) - len(held)
    held = glue_records.read(small.folder)
    assert len(held) == 4 + 2 * len(METHODS) and held.processor.nunique() == 1
    tested = held[held.dev_accuracy.notna()]
    assert sorted(zip(tested.seed, tested.method, strict=True)) == sorted((s, m) for s in (0, 1) for m in METHODS)
    assert (tested.dev_rows == 872).all()
    for record in tested.itertuples():
        assert glue_records.right(record).mean() == pytest.approx(record.dev_accuracy)
        assert len(record.row_scales) == (4 if record.method.startswith("alpha") else 0)
    told = capsys.readouterr().out
    assert "sst2-60: rates lora 0.01" in told and "2 of 2 seeds complete" in told
    assert "alpha-lora − lora, sst2, n = 60:" in told and "for all: 0 runs" in told
    del small.asked[:]
    glue_sweep.main(["--status", "--folder", str(small.folder)])
    assert not small.asked and "2 of 2 seeds complete" in capsys.readouterr().out


def test_no_core_waits_for_a_round_of_few_runs(small, monkeypatch):
    other = Cell("sst2", 40)
    for module in (glue_design, glue_comparison):
        monkeypatch.setattr(module, "STEPS", {60: 4, 40: 3})
        monkeypatch.setattr(module, "CELLS", (CELL, other))
        monkeypatch.setattr(module, "ORDER", ((CELL, 2), (other, 1), (CELL, 2)))
    small.stop_after = 6
    with pytest.raises(KeyboardInterrupt):
        glue_sweep.sweep(small.folder, 1.0, 2)
    assert len(small.asked) == 6  # four of the first cell's search, and two of the next one's
    held = glue_records.read(small.folder)
    assert held.cell.value_counts().to_dict() == {"sst2-60": 4, "sst2-40": 2}


def test_no_time_no_runs(small):
    assert glue_sweep.sweep(small.folder, 0.0, 2) == 0 and not small.asked
    assert isinstance(glue_records.read(small.folder), pd.DataFrame)
