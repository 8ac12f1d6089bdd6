"""Files that last: whole or not at all, known by their hash, one process per folder."""

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import time

import pytest

from rmt_alpha import files
from rmt_alpha.files import (
    folder_hash,
    locked,
    read_record,
    read_sealed,
    seal,
    tidy,
    write_record,
    write_sealed,
    write_whole,
)


def test_what_is_written_is_there_with_the_rights_of_any_new_file(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "new" / "file", b"content")
    finally:
        os.umask(before)
    path = tmp_path / "new" / "file"
    assert path.read_bytes() == b"content" and stat.S_IMODE(path.stat().st_mode) == 0o644
    write_whole(path, b"other")
    assert path.read_bytes() == b"other" and os.listdir(path.parent) == ["file"]


def test_it_is_on_disk_before_it_has_its_name_and_the_name_after(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (done.append(name), real(*a))[1])
    write_whole(tmp_path / "file", b"content")
    assert done == ["fsync", "replace", "fsync"]


def test_what_is_sealed_part_by_part_is_sealed_as_a_whole(tmp_path):
    path = tmp_path / "file"
    write_sealed(path, lambda file: [file.write(part) for part in (b"some", memoryview(b" numbers"))])
    assert path.read_bytes() == seal(b"some numbers") and read_sealed(path, "") == b"some numbers"

    def broken(file):
        file.write(b"other")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_sealed(path, broken)
    assert read_sealed(path, "") == b"some numbers" and os.listdir(tmp_path) == ["file"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=rf"'{tmp_path / 'file' / 'inside'}'"):
        write_whole(tmp_path / "file" / "inside", b"content")
    with pytest.raises(OSError, match=rf"'{tmp_path / 'file' / 'folder'}'"), locked(tmp_path / "file" / "folder"):
        pass


def test_only_what_lost_its_writer_is_tidied(tmp_path):
    old, new, other = (tmp_path / name for name in (".tmp-1-a", ".tmp-2-b", "old"))
    for path in (old, new, other):
        path.write_bytes(b"")
    for path in (old, other):
        os.utime(path, (time.time() - 2 * files.ABANDONED,) * 2)
    tidy(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".tmp-2-b", "old"]


def test_a_record_is_plain_json_with_its_hash(tmp_path):
    file, record = tmp_path / "result.json", {"accuracy": 0.875, "α": [1.0, -0.5], "none": None}
    write_record(file, record)
    assert read_record(file, "") == record and json.loads(file.read_bytes()).keys() == {*record, "sha256"}


def test_a_number_that_is_none_is_not_recorded(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(tmp_path / "result.json", {"loss": float("nan")})
    with pytest.raises(ValueError, match="must hold something"):
        write_record(tmp_path / "result.json", {})


def enter(folder, queue):
    with locked(folder):
        queue.put(time.monotonic())


def test_one_process_at_a_time_works_in_a_folder(tmp_path, caplog):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with locked(tmp_path):
        other = context.Process(target=enter, args=(tmp_path, queue))
        other.start()
        time.sleep(2)
        assert queue.empty()
        left = time.monotonic()
    assert queue.get(timeout=60) >= left
    other.join()
    code = f"import sys; from rmt_alpha.files import locked\nwith locked({str(tmp_path)!r}): print('in', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "in\n"
    waiter = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert f"is being worked in by process {holder.pid} on " in waiter.stderr.readline()
    holder.kill()  # the system frees what a dead process held
    holder.communicate()
    assert waiter.communicate("")[1] == "" and waiter.returncode == 0


def test_every_file_that_can_be_loaded_is_in_the_hash(tmp_path):
    names = [
        "config.json",
        "pytorch_model.bin",
        "model.safetensors",
        "vocab.txt",
        "spiece.model",
        "merges.bpe",
        "1_Pooling/config.json",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"first")
    whole = folder_hash(tmp_path)
    for name in names:
        stamp = (tmp_path / name).stat()
        (tmp_path / name).write_bytes(b"other")
        os.utime(tmp_path / name, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as copying tools do
        assert folder_hash(tmp_path) != whole, name
        (tmp_path / name).write_bytes(b"first")
        assert folder_hash(tmp_path) == whole
    (tmp_path / "vocab.txt").rename(tmp_path / "words.txt")
    assert folder_hash(tmp_path) != whole
    (tmp_path / "words.txt").rename(tmp_path / "vocab.txt")
    for name in ("README.md", ".gitattributes", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"of no effect")
    assert folder_hash(tmp_path) == whole
