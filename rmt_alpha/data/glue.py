"""Six tasks of GLUE (Wang et al., arXiv 1804.07461): texts or pairs of texts, and what they say of each other.

Read from this project's packing in $RMT_ALPHA_DATA/glue (gzip, tab separated, one header line, no quoting), else from GLUE's public home.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .. import _checks as check
from .files import find, read_verified

HOME = "https://dl.fbaipublicfiles.com"
PACKED_FROM = (
    "GLUE's own files and public copies of parts of them (qnli, qqp, mnli: some 20 000 to 33 000 training rows)"
)
QQP_DEV = (
    2000  # the packing holds no development rows of qqp: as many training rows, and all that share a question with them
)


@dataclass(frozen=True)
class _Form:
    """One task at its public home: an archive, the files in it, and which columns are texts and label."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    packed: dict[str, str]  # split → file in the packing
    archive: str
    folder: str
    label: str = "label"
    dev: str = "dev.tsv"


ENTAILMENT = ("entailment", "not_entailment")
_FORMS = {
    "sst2": _Form(("0", "1"), ("sentence",), {"train": "train", "dev": "dev"}, "glue/data/SST-2.zip", "SST-2"),
    "rte": _Form(
        ENTAILMENT, ("sentence1", "sentence2"), {"train": "train", "dev": "dev"}, "glue/data/RTE.zip", "RTE"
    ),
    "mrpc": _Form(
        ("0", "1"), ("#1 String", "#2 String"), {"train": "train", "dev": "dev"},
        "senteval/senteval_data/msr_paraphrase_train.txt", "", "Quality",
    ),
    "qnli": _Form(
        ENTAILMENT, ("question", "sentence"), {"train": "train_part", "dev": "dev"}, "glue/data/QNLIv2.zip", "QNLI"
    ),
    "mnli": _Form(
        ("entailment", "neutral", "contradiction"), ("sentence1", "sentence2"),
        {"train": "train_part", "dev": "dev_matched"}, "glue/data/MNLI.zip", "MNLI", "gold_label", "dev_matched.tsv",
    ),
    "qqp": _Form(
        ("0", "1"), ("question1", "question2"), {"train": "train_part"}, "glue/data/QQP-clean.zip", "QQP", "is_duplicate"
    ),
}  # fmt: skip
GLUE_TASKS = tuple(_FORMS)
GLUE_LABELS = {task: form.labels for task, form in _FORMS.items()}

MRPC_DEV_IDS = "glue/data/mrpc_dev_ids.tsv"
HOME_SHA256 = {
    "glue/data/SST-2.zip": "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
    "glue/data/RTE.zip": "6bf86de103ecd335f3441bd43574d23fef87ecc695977a63b82d5efb206556ee",
    "glue/data/QNLIv2.zip": "e634e78627a29adaecd4f955359b22bf5e70f2cbd93b493f2d624138a0c0e5f5",
    "glue/data/MNLI.zip": "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633",
    "glue/data/QQP-clean.zip": "40e7c862c04eb26ee04b67fd900e76c45c6ba8e6d8fab4f8f1f8072a1a3fbae0",
    "senteval/senteval_data/msr_paraphrase_train.txt": "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
    MRPC_DEV_IDS: "971d7767d81b997fd9060ade0ec23c4fc31cbb226a55d1bd4a1bac474eb81dc7",
}
PACKED_SHA256 = {
    "glue/mnli/dev_matched.tsv.gz": "5844a5d0622e1253138b48d0ffb0f1f258109aaab594cac41baf7351e364fffd",
    "glue/mnli/train_part.tsv.gz": "9a5a68dd12f4a06172378ce0278f5742af918e0472d4f0e217a55d2dc4b551e1",
    "glue/mrpc/dev.tsv.gz": "9b16a5745e05061bba5c5005c3028f72ea4344175dc2f037cbecb834e45f6772",
    "glue/mrpc/train.tsv.gz": "58bae157733914d24266302f8234ce1a13cf6b3f2dc5c563c7a5f2de3bb7b2cf",
    "glue/qnli/dev.tsv.gz": "11535d2051a09bde5cceebc862c97d384f83802f7c35d2f2cf21027c1473ef0f",
    "glue/qnli/train_part.tsv.gz": "805e7c9824b14e3dcc845a38700d28bb0806d4cdf79204782af2d815e4140ca7",
    "glue/qqp/train_part.tsv.gz": "680dec9c5eb98fc7156e008dca86792ed8f404ec0a7f0b6c14f517d1f25e4033",
    "glue/rte/dev.tsv.gz": "21b8bd5baed22f1359ff4fc39b4dda873ca24a7d08a229ef2f38a107e3ae3fbb",
    "glue/rte/train.tsv.gz": "f9429e9f7342a98c4ae26f9fac452987be14151939b5e3e5dc765eb27c74cbbb",
    "glue/sst2/dev.tsv.gz": "a412035d06520bcd77d3e91eae8e1658a315b511d3bbbab28b8073e6b52be477",
    "glue/sst2/train.tsv.gz": "b216b0b7adb4c677778ba97897c6398d24501714f044aa7ac72b3791809dca90",
}


def load_glue(task: str, split: str) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Texts (n tuples of one or two strings) and labels (n,), indices into GLUE_LABELS[task].

    `split`: "train" or "dev"; of mnli "dev" is the matched one, and "dev_mismatched" (texts of other genres) comes from GLUE's home only.
    Where qqp has no development file, `dev` is some 2000 training rows, fixed once, none of whose questions stands in `train`. Raises
    DataUnavailableError or ValueError as `read_verified` does.
    """
    check.choice("task", task, GLUE_TASKS)
    check.choice("split", split, ("train", "dev", *(("dev_mismatched",) if task == "mnli" else ())))
    form = _FORMS[task]
    files = {s: f"glue/{task}/{name}.tsv.gz" for s, name in form.packed.items()}
    if split != "dev_mismatched" and any(find(file) for file in files.values()):
        sentences = ("sentence",) if len(form.texts) == 1 else ("sentence1", "sentence2")
        if split not in files:
            return _hold_out(*_columns(_packed(files["train"]), sentences, "label", form.labels))[split]
        rows = _columns(_packed(files[split]), sentences, "label", form.labels)
        return rows if len(files) == 2 else _hold_out(*rows)[split]
    if task == "mrpc":
        return _mrpc_from_home(form, split)
    with zipfile.ZipFile(io.BytesIO(_from_home(form.archive))) as archive:
        name = {"train": "train.tsv", "dev": form.dev, "dev_mismatched": "dev_mismatched.tsv"}[split]
        content = archive.read(f"{form.folder}/{name}")
    return _columns(content, form.texts, form.label, form.labels)


def _packed(file: str) -> bytes:
    return gzip.decompress(read_verified(file, None, PACKED_SHA256[file], packed_from=PACKED_FROM))


def _from_home(path: str) -> bytes:
    return read_verified(f"glue/{path.rpartition('/')[2]}", f"{HOME}/{path}", HOME_SHA256[path])


def _columns(
    content: bytes, texts: tuple[str, ...], label: str, labels: tuple[str, ...]
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Split at line feeds and tabs only: the texts may hold other separators, and quotation marks mean nothing."""
    header, *lines = content.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")
    names = header.split("\t")
    places = [names.index(text) for text in texts]
    code = {name: k for k, name in enumerate(labels)}
    rows = [
        fields for line in lines if len(fields := line.split("\t")) == len(names)
    ]  # QQP's own file has broken lines
    at = names.index(label)
    return [tuple(row[i] for i in places) for row in rows], np.array([code[row[at]] for row in rows])


def _mrpc_from_home(form: _Form, split: str) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """GLUE's development rows are those of the training file whose two numbers a list names."""
    content = _from_home(form.archive)
    dev = {tuple(line.split("\t")) for line in _from_home(MRPC_DEV_IDS).decode().splitlines()}
    ids, _ = _columns(content, ("#1 ID", "#2 ID"), form.label, form.labels)
    texts, labels = _columns(content, form.texts, form.label, form.labels)
    keep = np.array([(pair in dev) == (split == "dev") for pair in ids])
    return [text for text, kept in zip(texts, keep, strict=True) if kept], labels[keep]


def _hold_out(texts: list[tuple[str, ...]], labels: np.ndarray) -> dict[str, tuple[list[tuple[str, ...]], np.ndarray]]:
    """Training and development rows without a text in common: whole connected components of the graph of pairs, in random order."""
    number: dict[str, int] = {}
    ends = np.array([[number.setdefault(text, len(number)) for text in pair] for pair in texts])
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(len(number), len(number)))
    component = connected_components(graph, directed=False)[1][ends[:, 0]]
    sizes = np.bincount(component)
    order = np.random.default_rng(0).permutation(len(sizes))
    order = order[sizes[order] <= 100]  # one large component would be most of the development set
    chosen = order[: np.searchsorted(np.cumsum(sizes[order]), QQP_DEV) + 1]
    held = np.isin(component, chosen)
    return {
        split: ([texts[i] for i in np.flatnonzero(rows)], labels[rows])
        for split, rows in (("train", ~held), ("dev", held))
    }
