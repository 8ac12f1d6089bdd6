"""Disks that are full or read-only, real small ones: the path is named, what was there stays, and the same call goes on afterwards."""

import os
import re
import subprocess

import numpy as np
import pytest

from rmt_alpha import sweep
from rmt_alpha.cli import main
from rmt_alpha.data import embed as embed_module
from rmt_alpha.files import write_sealed, write_whole

from .sweep.sweep_executors import ALPHA, Inline, problems, stored
from .sweep.sweep_executors import files as content_of


def mount(*arguments):
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True).returncode == 0


class Disk:
    """A small file system in memory at `path`."""

    def __init__(self, path):
        self.path = path

    def becomes(self, options):
        assert mount("-o", f"remount,{options}", self.path)


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    if not mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", path):
        pytest.skip("this system does not let the test mount a small disk")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", path], check=True)


def test_what_was_there_stays(disk):
    file = disk.path / "file"
    write_whole(file, b"before")
    with pytest.raises(OSError, match=rf"No space left on device: '{file}'"):
        write_whole(file, bytes(100_000))
    assert file.read_bytes() == b"before" and os.listdir(disk.path) == ["file"]
    write_whole(file, b"after")
    disk.becomes("ro")
    with pytest.raises(OSError, match=rf"Read-only file system: '{file}'"):
        write_whole(file, b"more")
    assert file.read_bytes() == b"after"


def test_a_writer_that_has_its_own_words_for_it_does_not_hide_it(disk):
    def write(file):  # as torch.save does
        try:
            file.write(bytes(100_000))
        except OSError:
            raise RuntimeError("unexpected pos") from None

    file = disk.path / "file"
    with pytest.raises(OSError, match=rf"No space left on device: '{file}'"):
        write_sealed(file, write)
    assert os.listdir(disk.path) == []


def test_a_sweep_goes_on_where_the_disk_was_full(disk, tmp_path):
    sweep(problems(20), ALPHA, n_trials=20, store=tmp_path / "whole", executor=Inline())
    store = disk.path / "store"
    with pytest.raises(OSError, match=r"No space left on device\. Make room") as raised:
        sweep(problems(20), ALPHA, n_trials=20, store=store, executor=Inline())
    there = stored(store)
    assert 5 < there < 20 and f"{there} of 20 chunks are stored in '{store}'" in str(raised.value)
    disk.becomes("ro")
    with pytest.raises(OSError, match=rf"store must be a directory that can be written, got '{store}': Read-only"):
        sweep(problems(20), ALPHA, n_trials=20, store=store, executor=Inline())
    disk.becomes("rw,size=1m")
    rest = Inline()
    sweep(problems(20), ALPHA, n_trials=20, store=store, executor=rest)
    assert rest.count == 20 - there and content_of(store) == content_of(tmp_path / "whole")


@pytest.mark.filterwarnings("default")
def test_a_fine_tuning_goes_on_where_the_disk_was_full(disk, tmp_path):
    for module in ("torch", "transformers", "peft"):
        pytest.importorskip(module, reason="needs the extra: pip install -e '.[lm]'")
    from rmt_alpha.adapters import finetune

    from .adapters import finetune_world as world

    model, folder = world.save_model(tmp_path / "model"), disk.path / "run"

    def run(folder):
        recipe = dict(n_train=40, steps=4, batch_size=8, evaluations=2, rank=2, every=2, lr=1e-2, progress=False)
        return finetune(model, world.task(), folder=folder, **recipe).record

    whole = run(None)
    write_whole(disk.path / "other", bytes(56_000))
    with pytest.raises(OSError, match=rf"No space left on device: '{folder / 'checkpoint.pt'}'"):
        run(folder)
    assert os.listdir(folder) == [".lock"]
    disk.becomes("ro")
    with pytest.raises(OSError, match=rf"Read-only file system: '{folder}'"):
        run(folder)
    disk.becomes("rw,size=4m")
    assert run(folder)["curve"] == whole["curve"]


def test_a_command_names_its_file_and_the_machine_is_at_fault(disk, capsys):
    write_whole(disk.path / "other", bytes(56_000))
    words = ["map", "beta", "n-target", "--cells", "3", "--out", str(disk.path / "picture")]
    assert main(words) == 4
    said = capsys.readouterr().err
    assert (
        re.search(rf"--out must be .*No space left on device: '{disk.path}/picture\.p", said) and "\n" not in said[:-1]
    )
    disk.becomes("size=4m")
    assert main(words) == 0 and (disk.path / "picture.pdf").stat().st_size > 1000


def test_embeddings_are_given_though_they_cannot_be_kept(disk, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(embed_module, "_compute", lambda texts, model: np.eye(len(texts), dtype=np.float32))
    model = tmp_path / "model"
    model.mkdir()
    disk.becomes("ro")
    assert embed_module.embed(["a", "b"], model, disk.path / "cache").tolist() == np.eye(2).tolist()
    assert re.search(rf"embeddings are not kept.*Read-only file system: '{disk.path}/cache/", caplog.text)
    disk.becomes("rw")
    embed_module.embed(["a", "b"], model, disk.path / "cache")
    assert len(os.listdir(disk.path / "cache")) == 1
