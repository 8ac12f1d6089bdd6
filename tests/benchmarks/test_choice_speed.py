"""Choosing α and γ from rows, beside scikit-learn's RidgeClassifierCV, which chooses among as many γ and knows no source."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from experiments.peers import alpha_ridge, target_alone

from .conftest import seconds

SIZES = ((40, 400), (50, 400), (60, 5000), (100, 2000), (400, 1000), (400, 400), (1000, 200), (2000, 200))


@pytest.mark.parametrize(("n", "p"), SIZES)
def test_a_choice_takes_about_the_time_of_ridge(row, n, p):
    rng = np.random.default_rng(0)
    w, y = rng.standard_normal(p) / np.sqrt(p), np.where(np.arange(n) % 2, 1.0, -1.0)
    X, test = rng.standard_normal((n, p)) + y[:, None] * w, rng.standard_normal((1, p))
    with threadpool_limits(1):
        ours, theirs = seconds(
            lambda: alpha_ridge("auto", X, y, w, test), lambda: target_alone(X, y, w, test), repeat=15
        )
    row(f"α and γ from {n} rows of {p} features, over RidgeClassifierCV", f"{1000 * ours:.1f} ms", ours / theirs)
    assert ours < 2 * theirs
