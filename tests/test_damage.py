"""Every kind of file that is written, damaged: none is taken for what it was. 200 damages a kind by `RMT_ALPHA_DAMAGES=200 pytest tests/test_damage.py`."""

import hashlib
import json
import os

import numpy as np
import pytest

from rmt_alpha import TransferProblem, draw, load, optimal_alpha, predict, save, simulate, sweep
from rmt_alpha.data import embed as embed_module
from rmt_alpha.data import files as data_files
from rmt_alpha.estimate.saved import SavedClassifier, load_classifier
from rmt_alpha.estimate.tables import read_rows
from rmt_alpha.files import DamagedFileError, read_record, seal, unseal, write_record

from .damage import damaged
from .sweep.sweep_executors import ALPHA, Inline, files, problems

N = int(os.environ.get("RMT_ALPHA_DAMAGES", "12"))
PROBLEM = TransferProblem(50, 20, 30, 1.0, 1.0, 0.5, 1.0, 1.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A finished sweep: its folder, its files, its result."""
    path = tmp_path_factory.mktemp("store")
    data = sweep(problems(3), ALPHA, n_trials=20, store=path, executor=Inline())
    return path, files(path), data


@pytest.mark.parametrize("kind", ["chunks/*", "grid-*", "store.json", "sweep-*.nc"])
def test_a_sweep_goes_on_as_if_nothing_were_or_says_which_file_is_wrong(store, kind, caplog):
    path, before, data = store
    victim = sorted(path.glob(kind))[-1]
    for content in damaged(victim.read_bytes(), N):
        victim.write_bytes(content)
        caplog.clear()
        try:
            again = sweep(problems(3), ALPHA, n_trials=20, store=path, executor=Inline())
        except ValueError as error:
            assert kind == "store.json" and "store must" in str(error) and str(path) in str(error)
            victim.write_bytes(before[victim.name])
            continue
        assert again.identical(data)
        if kind == "store.json":  # what it says is the same, in other white space
            assert json.loads(content) == json.loads(before[victim.name])
            victim.write_bytes(before[victim.name])
        elif kind != "sweep-*.nc":  # which is written anew each time, from the chunks
            assert victim.name in caplog.text
        assert files(path) == before


MADE = {
    "problem": lambda path: save(path, PROBLEM),
    "moments": lambda path: save(path, predict(PROBLEM, [0.0, 1.0])),
    "simulation": lambda path: save(path, simulate(PROBLEM, 1.0, n_trials=8)),
    "optimum": lambda path: save(path, optimal_alpha(PROBLEM)),
    "score form": lambda path: save(path, draw(PROBLEM, n_trials=4)),
    "classifier": lambda path: SavedClassifier(
        np.array([[1.5, -0.25]]),
        np.array([0.5]),
        np.array(["a", "b"]),
        1.0,
        np.zeros(2),
        ["x", "y"],
        np.ones(2),
        {"alpha": 2.0},
    ).save(path),
    "record": lambda path: write_record(path, {"α": [1.0, -0.5], "name": 'a ", "sha256": "quoted', "none": None}),
}
READ = {"classifier": load_classifier, "record": lambda path: read_record(path, "Do this.")}


@pytest.mark.parametrize("kind", MADE)
def test_what_was_saved_is_read_whole_or_not_at_all(kind, tmp_path):
    path, read = tmp_path / "saved.json", READ.get(kind, load)
    MADE[kind](path)
    read(path)
    for content in damaged(path.read_bytes(), N):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match=rf"{path} is truncated, altered, or of another version\. \w+"):
            read(path)


def test_embeddings_are_computed_again(tmp_path, monkeypatch, caplog):
    computed = []

    def compute(texts, model):
        computed.append(texts)
        return np.eye(len(texts), 5, dtype=np.float32)

    monkeypatch.setattr(embed_module, "_compute", compute)
    model, cache = tmp_path / "model", tmp_path / "cache"
    model.mkdir()
    whole = embed_module.embed(["a", "b"], model, cache)
    assert embed_module.embed(["a", "b"], model, cache).tolist() == whole.tolist() and len(computed) == 1
    (file,) = cache.iterdir()
    content = file.read_bytes()
    for i, bad in enumerate(damaged(content, N)):
        file.write_bytes(bad)
        assert embed_module.embed(["a", "b"], model, cache).tolist() == whole.tolist()
        assert len(computed) == i + 2 and file.name in caplog.text and file.read_bytes() == content
        caplog.clear()


ROWS = np.column_stack([np.arange(40.0) ** 1.5, np.arange(40) % 2])
TABLES = {
    "t.npz": lambda path: np.savez(path, X=ROWS[:, :1], y=ROWS[:, 1]),
    "X.npy": lambda path: np.save(path, ROWS[:, :1]),
    "t.csv": lambda path: path.write_text("a,label\n" + "".join(f"{a},{b:.0f}\n" for a, b in ROWS)),
    "t.tsv": lambda path: path.write_text("a\tlabel\n" + "".join(f"{a}\t{b:.0f}\n" for a, b in ROWS)),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.filterwarnings("ignore")
def test_rows_of_the_users_own_are_read_or_the_file_is_named(name, tmp_path):
    """They carry no hash: a bit within a number may pass."""
    TABLES[name](tmp_path / name)
    np.save(tmp_path / "y.npy", ROWS[:, 1])
    path = f"{tmp_path / name},{tmp_path / 'y.npy'}" if name == "X.npy" else str(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    damages = [b"", whole[:40], whole[: len(whole) // 2], bytes(len(whole)), whole.decode("latin1").encode("utf-16")]
    for bad in [*damages, *damaged(whole, N)]:
        (tmp_path / name).write_bytes(bad)
        try:
            X, y, _ = read_rows(path)
        except ValueError as error:
            assert name in str(error)
        else:
            assert np.isfinite(X).all(axis=None) and len(X) == len(y) and bad


def test_data_of_another_hash_are_never_read(tmp_path, monkeypatch):
    monkeypatch.setenv(data_files.VARIABLE, str(tmp_path))
    content = np.random.default_rng(0).bytes(500)
    sha256 = hashlib.sha256(content).hexdigest()
    for bad in damaged(content, N):
        (tmp_path / "rows.csv").write_bytes(bad)
        with pytest.raises(ValueError, match=r"rows\.csv has SHA-256 \w+, expected .*truncated or altered"):
            data_files.read_verified("rows.csv", None, sha256)
    (tmp_path / "rows.csv").write_bytes(content)
    assert data_files.read_verified("rows.csv", None, sha256) == content


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["checkpoint.pt", "result.json"])
def test_a_fine_tuning_resumes_from_nothing_damaged(name, tmp_path, caplog):
    for module in ("torch", "transformers", "peft"):
        pytest.importorskip(module, reason="needs the extra: pip install -e '.[lm]'")
    from rmt_alpha.adapters import finetune
    from rmt_alpha.adapters.finetune import run_of

    from .adapters import finetune_world as world

    model = world.save_model(tmp_path / "model")
    recipe = dict(n_train=40, steps=2, batch_size=8, evaluations=1, rank=2, every=2)
    finetune(model, world.task(), folder=tmp_path / "run", progress=False, **recipe)
    file = tmp_path / "run" / name
    run = run_of(model, world.task(), **recipe)
    held = (lambda: run._checkpoint(file)) if name == "checkpoint.pt" else (lambda: run.finished(file.parent))
    assert held() is not None
    for bad in damaged(file.read_bytes(), N):
        file.write_bytes(bad)
        assert held() is None
        assert f"{name} is truncated, altered" in caplog.text and "computed again" in caplog.text
        caplog.clear()


def test_no_damage_to_a_sealed_file_passes():
    content = seal(b"some numbers")
    assert unseal(content) == b"some numbers" and unseal(seal(b"")) == b""
    assert {unseal(bad) for bad in damaged(content, 200)} == {None}
