"""The chain's recursion against the matrix it never forms, and its depth against more of it."""

import numpy as np
import pytest

from rmt_alpha.simulation import chain
from rmt_alpha.simulation.streams import generator

TRIAL = 7


def assembled(p, n, gamma, b, k, depth, seed, key):
    """The quasi-definite matrix on levels 0 … depth of one trial, entry by entry, and which of its variables are features."""
    size = k + 1
    matrix, features = np.zeros((size * (depth + 1),) * 2), np.zeros(size * (depth + 1))

    def tie(i, j, value):
        matrix[i, j] += value
        matrix[j, i] += value

    for level in range(depth + 1):
        for slot in range(size):
            i = size * level + slot
            is_feature = (slot < k) == (level % 2 == 0)
            held = level == depth and is_feature == (p < n)
            matrix[i, i] = chain.HELD if held else gamma if is_feature else -1.0
            features[i] = is_feature and not held
    tie(0, k, -b)
    for block in range(-(-depth // chain.LEVELS)):
        levels = np.arange(block * chain.LEVELS, min((block + 1) * chain.LEVELS, depth))
        squares, normals = chain._entries(p, n, k, levels, generator(seed, key, block))
        for i, level in enumerate(levels):
            at, below = size * level, size * (level + 1)
            numbers = iter(normals[i, :, TRIAL])
            for s in range(size):
                tie(at + s, below + s, -np.sqrt(squares[i, s, TRIAL]))
            for s in range(k):
                tie(at + s, at + k, next(numbers))
                for j in range(s):
                    tie(at + s, below + j, next(numbers))
    return matrix, features


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(("p", "n", "depth"), [(9, 6, 9), (6, 9, 9), (60, 90, 20), (90, 60, 21), (40, 40, 11)])
def test_recursion_is_the_schur_complement_of_the_assembled_matrix(p, n, depth, k):
    gamma, b, key = 0.3, 1.5, (1, 2, 3)
    T, dT = chain.schur_complement(p, n, gamma, b, k, depth, 0, key)
    matrix, features = assembled(p, n, gamma, b, k, depth, 0, key)
    inverse = np.linalg.inv(matrix)
    corner = inverse[: k + 1, : k + 1]
    expected = np.linalg.inv(corner)
    # d(A⁻¹) = −A⁻¹ dA A⁻¹.
    slope = expected @ (inverse[: k + 1] * features @ inverse[:, : k + 1]) @ expected
    np.testing.assert_allclose(T[..., TRIAL], expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dT[..., TRIAL], slope, rtol=1e-10, atol=1e-12)
