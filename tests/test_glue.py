"""GLUE: the packing's counts, qqp's own development rows, and the forms of the public files."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rmt_alpha.data import DataUnavailableError, files, glue
from rmt_alpha.data.glue import GLUE_LABELS, GLUE_TASKS, load_glue


@pytest.fixture
def local_copy():
    if not (Path(os.environ.get(files.VARIABLE, "")) / "glue").is_dir():
        pytest.skip(f"GLUE is not in ${files.VARIABLE}")


@pytest.mark.parametrize(
    ("task", "train", "dev", "texts"),
    [
        ("sst2", 67349, 872, 1),
        ("rte", 2490, 277, 2),
        ("mrpc", 3668, 408, 2),
        ("qnli", 19475, 5463, 2),
        ("mnli", 19652, 9815, 2),
    ],
)
def test_counts_of_the_packing(local_copy, task, train, dev, texts):
    for split, n in (("train", train), ("dev", dev)):
        rows, labels = load_glue(task, split)
        assert len(rows) == len(labels) == n
        assert {len(row) for row in rows} == {texts}
        assert set(labels) == set(range(len(GLUE_LABELS[task])))


def test_qqp_keeps_its_development_questions_to_itself(local_copy):
    (train, y_train), (dev, y_dev) = load_glue("qqp", "train"), load_glue("qqp", "dev")
    assert len(train) + len(dev) == 32866 and 1990 < len(dev) < 2110
    assert not {q for pair in train for q in pair} & {q for pair in dev for q in pair}
    assert abs(y_train.mean() - y_dev.mean()) < 0.05


def zipped(folder, **members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, lines in members.items():
            archive.writestr(f"{folder}/{name}.tsv", "\n".join("\t".join(line) for line in lines) + "\n")
    return held.getvalue()


PAIR = "index sentence1 sentence2 label".split()
MNLI = "index promptID pairID genre sentence1_binary_parse sentence1 sentence2 label1 gold_label".split()
QNLI = "index question sentence label".split()
QQP = "id qid1 qid2 question1 question2 is_duplicate".split()
HOME = {
    "SST-2.zip": zipped(
        "SST-2", train=[["sentence", "label"], ['so "fine" ', "1"]], dev=[["sentence", "label"], ["dull", "0"]]
    ),
    "RTE.zip": zipped("RTE", train=[PAIR, "0 a b not_entailment".split()], dev=[PAIR, "0 c d entailment".split()]),
    "QNLIv2.zip": zipped("QNLI", train=[QNLI, "0 q s entailment".split()], dev=[QNLI, "0 r t not_entailment".split()]),
    "MNLI.zip": zipped(
        "MNLI",
        train=[MNLI, "0 1 2 fiction () a b neutral contradiction".split()],
        dev_matched=[MNLI, "0 1 2 fiction () c d entailment neutral".split()],
    ),
    "QQP-clean.zip": zipped(
        "QQP", train=[QQP, "1 2 3 a? b? 1".split(), ["a broken line"]], dev=[QQP, "1 2 3 c? d? 0".split()]
    ),
    "msr_paraphrase_train.txt": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\ta\tb\r\n0\t9\t10\tc\td\r\n"
    ).encode(),
    "mrpc_dev_ids.tsv": b"9\t10\n",
}  # fmt: skip


@pytest.mark.parametrize(
    ("task", "train", "dev"),
    [
        ("sst2", ('so "fine" ', 1), ("dull", 0)),
        ("rte", ("a", "b", 1), ("c", "d", 0)),
        ("qnli", ("q", "s", 0), ("r", "t", 1)),
        ("mnli", ("a", "b", 2), ("c", "d", 1)),
        ("qqp", ("a?", "b?", 1), ("c?", "d?", 0)),
        ("mrpc", ("a", "b", 1), ("c", "d", 0)),
    ],
)
def test_the_public_files_are_read(monkeypatch, tmp_path, task, train, dev):
    asked = []

    def served(relative, url, sha256, packed_from=""):
        asked.append(url)
        return HOME[relative.removeprefix("glue/")]

    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    monkeypatch.setattr(glue, "find", lambda file: None)
    monkeypatch.setattr(glue, "read_verified", served)
    for split, (*texts, label) in (("train", train), ("dev", dev)):
        rows, labels = load_glue(task, split)
        assert rows == [tuple(texts)] and labels.tolist() == [label]
    assert all(url.startswith("https://dl.fbaipublicfiles.com/") for url in asked)


def test_every_public_file_has_a_hash():
    assert all(
        len(sha) == 64 and set(sha) <= set("0123456789abcdef")
        for sha in (*glue.HOME_SHA256.values(), *glue.PACKED_SHA256.values())
    )


def test_neither_here_nor_to_be_had(monkeypatch, tmp_path):
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    monkeypatch.setattr(glue, "find", lambda file: None)

    def unreachable(relative, *arguments):
        raise DataUnavailableError(f"{relative} cannot be had")

    monkeypatch.setattr(files, "_fetch", unreachable)
    with pytest.raises(DataUnavailableError, match=r"glue/SST-2\.zip cannot be had"):
        load_glue("sst2", "train")


def test_bad_names():
    with pytest.raises(ValueError, match="task must be one of .*got 'cola'"):
        load_glue("cola", "train")
    with pytest.raises(ValueError, match="split must be .*got 'test'"):
        load_glue("sst2", "test")
    assert len(GLUE_TASKS) == 6 and np.unique([len(v) for v in GLUE_LABELS.values()]).tolist() == [2, 3]
