"""Amazon Review sentiment (Blitzer et al. 2007) as the 400 features that the paper family uses."""

import io

import numpy as np
from scipy.io import loadmat

from .. import _checks as check
from .files import read_verified

HOME = "https://raw.githubusercontent.com/elfirdoussilab1/High-Dimensional-Learning-Noisy-Labels/main/datasets/Amazon_review"
SHA256 = {
    "books": "7a53b54f0c0e81e7ee4774d762a927399cede9a802a2409732ba00cc1c23a17a",
    "dvd": "13a71d399f9c7ae57064952979c830455057ffd0a8da73f2c9075338d64d98ce",
    "elec": "f1dd6e01c1eed956d3abe6493a6bb5efc95e6585b8b9b2d856c0c07e12893a35",
    "kitchen": "b1f4e5ddfbd7b37ad2638fccbf83bd8558abf63b3e8d69a9d5bca77b1a49fed5",
}
DOMAINS = tuple(SHA256)


def load_amazon(domain: str) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 400) and labels ±1 (n,) of one domain, about 2000 reviews, in the file's order: sorted by label, so shuffle.

    Raises DataUnavailableError or ValueError as `read_verified` does.
    """
    check.choice("domain", domain, DOMAINS)
    content = read_verified(f"amazon_review/{domain}.mat", f"{HOME}/{domain}.mat", SHA256[domain])
    table = loadmat(io.BytesIO(content))
    return np.asarray(table["fts"], dtype=np.float64), 2.0 * table["labels"].ravel() - 1.0
