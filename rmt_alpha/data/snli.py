"""SNLI: pairs of sentences, and whether the second follows from the first (Bowman et al., arXiv 1508.05326)."""

import gzip

import numpy as np

from .. import _checks as check
from .files import read_verified
from .glue import GLUE_LABELS, _columns

SHA256 = {
    "glue/snli/train_part.tsv.gz": "27cb6acbc7696221429fb976d559890c5aea0a1c8ed3cf054c59b3f84e18a72e",
    "glue/snli/dev.tsv.gz": "a73044a36af57a3232b8c0962ccdd01f4c8ae6bf069b84a7225680609ae54780",
}
PACKED_FROM = "public copies of SNLI (9999 of its 550 152 training rows, and its development rows)"


def load_snli(split: str) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Pairs of texts and labels (n,), indices into GLUE_LABELS["mnli"]: the classes are MNLI's; `split`: "train" or "dev".

    Raises DataUnavailableError or ValueError as `read_verified` does.
    """
    check.choice("split", split, ("train", "dev"))
    file = f"glue/snli/{'train_part' if split == 'train' else 'dev'}.tsv.gz"
    content = gzip.decompress(read_verified(file, None, SHA256[file], packed_from=PACKED_FROM))
    return _columns(content, ("sentence1", "sentence2"), "label", GLUE_LABELS["mnli"])
