"""Files as bad disks, broken transfers and curious hands leave them."""

from collections.abc import Iterator

import numpy as np


def damaged(content: bytes, n: int, seed: int = 0) -> Iterator[bytes]:
    """The same content n times with a bit the other way, cut short, or longer: two of three are bits."""
    rng = np.random.default_rng(seed)
    ends = [0, 1, 31, 32, len(content) // 2, len(content) - 1]  # a hash is 32 bytes
    for i in range(n):
        place, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
        if i % 3 < 2:
            yield content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
        elif i == 2:
            yield content + b"\n"
        else:
            yield content[: ends.pop() if ends else place]
