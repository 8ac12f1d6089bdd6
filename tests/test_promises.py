"""What SECURITY.md and the FAQ promise: the tests that they name exist, and here are those that have no other place."""

import ast
import importlib.util
import io
import os
import pickle
import re
import socket
from pathlib import Path

import numpy as np
import pytest

from rmt_alpha.cli import main
from rmt_alpha.data import DataUnavailableError, files, load_glue
from rmt_alpha.data import embed as embed_module
from rmt_alpha.estimate.tables import read_rows
from rmt_alpha.files import DamagedFileError, seal

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def lines(page, first, last):
    """Promises of a page: the lines from `first` on, up to the line that begins with `last`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text[text.index(first) :].split(last, 1)[0].splitlines()


PROMISES = {
    "SECURITY.md": lines("SECURITY.md", "- Nothing in a file", "- Not promised"),
    "docs/faq.md": lines("docs/faq.md", "| the number of workers", "\n\n"),
}


@pytest.mark.parametrize("page", PROMISES)
def test_every_promise_names_tests_that_exist(page):
    for line in PROMISES[page]:
        named = NAMED.findall(line)
        assert named, line
        for file, name in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
                f"{file}::{name}"
            )


def test_the_security_page_stays_ten_lines():
    assert len((ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines()) == 10


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    sprung = tmp_path / "sprung"
    pickled = np.empty(1, dtype=object)
    pickled[0] = Trap(sprung)
    np.save(tmp_path / "X.npy", pickled)
    np.save(tmp_path / "y.npy", [1])
    np.savez(tmp_path / "rows.npz", X=pickled, y=[1])
    for path in ("rows.npz", "X.npy,y.npy"):
        with pytest.raises(ValueError, match="allow_pickle=False|pickled"):
            read_rows(",".join(str(tmp_path / name) for name in path.split(",")))
    model, cache = tmp_path / "model", tmp_path / "cache"
    model.mkdir()
    cache.mkdir()
    # Whoever can write the file can write its hash.
    held = cache / f"{embed_module._key(embed_module.locate('encoder', model), ['a'])}.npy"
    held.write_bytes(seal((tmp_path / "X.npy").read_bytes()))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        embed_module.embed(["a"], model, cache)
    torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[lm]'")
    pytest.importorskip("peft", reason="needs the extra: pip install -e '.[lm]'")
    from rmt_alpha.adapters.files import read_tensors

    for content in (pickle.dumps(Trap(sprung), protocol=2), torch_file(torch, Trap(sprung))):
        (tmp_path / "checkpoint.pt").write_bytes(seal(content))
        with pytest.raises(DamagedFileError, match=r"checkpoint\.pt cannot be read"):
            read_tensors(tmp_path / "checkpoint.pt")
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))  # the trap is one
    assert sprung.exists()


def torch_file(torch, content):
    buffer = io.BytesIO()
    torch.save({"state": content}, buffer)
    return buffer.getvalue()


DOORS = r"pickle\.loads?\b|Unpickler\(|allow_pickle=True|weights_only=False|trust_remote_code=True|\beval\(|\bexec\(|os\.system|shell=True"


def test_no_door_to_code_in_files():
    for path in (ROOT / "rmt_alpha").rglob("*.py"):
        found = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if re.search(DOORS, line.replace(".eval(", "("))  # of a model: no dropout
        ]
        assert not found, f"{path}: {found}"


@pytest.fixture
def calls(monkeypatch):
    """Every address that this process looks up or connects to; none is reached."""
    tried = []

    def refused(*arguments, **options):
        tried.append(arguments[:2])
        raise OSError("no network in this test")

    for owner, name in (
        (socket, "getaddrinfo"),
        (socket, "create_connection"),
        (socket.socket, "connect"),
        (socket.socket, "connect_ex"),
        (socket.socket, "sendto"),
    ):
        monkeypatch.setattr(owner, name, refused)
    return tried


@pytest.mark.filterwarnings("default")
def test_nothing_calls_out_unless_asked(calls, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(files.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = ROOT / "tests/sweep/sweep.toml"
    for words in (
        ["predict"],
        ["simulate", "--n-trials", "4"],
        ["map", "beta", "mu", "--cells", "3", "--out", str(tmp_path / "map")],
        ["sweep", str(spec), "--store", str(tmp_path / "store"), "--workers", "1"],
        ["data", "list"],
        ["data", "verify"],
    ):
        assert main(words) == 0, capsys.readouterr().err
    try:
        from rmt_alpha.adapters import finetune
    except ModuleNotFoundError:
        pass  # without the extra there is nothing of it that could call
    else:
        from .adapters import finetune_world as world

        model = world.save_model(tmp_path / "model")
        recipe = dict(n_train=40, steps=2, batch_size=8, evaluations=1, rank=2, every=2, progress=False)
        finetune(model, world.task(), folder=tmp_path / "run", **recipe)
    assert calls == []
    assert main(["data", "fetch"]) == 1 and calls  # asked for, it does
    if importlib.util.find_spec("huggingface_hub"):
        with pytest.raises(DataUnavailableError, match="the model hub does not give it"):
            before = len(calls)
            embed_module.embed(["a"], "nobody/nothing", tmp_path / "embeddings")
        assert len(calls) > before
    with pytest.raises(DataUnavailableError, match="fetching it from its public home failed"):
        before = len(calls)
        load_glue("rte", "dev")
    assert len(calls) > before


def test_the_explorer_listens_to_this_machine_alone():
    from rmt_alpha.explorer.serve import _listen

    with _listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
