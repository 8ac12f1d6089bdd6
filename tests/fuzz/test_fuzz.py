"""Every public function answers bad and extreme input honestly. Many more cases by `RMT_ALPHA_FUZZ=10000 pytest tests/fuzz`."""

import itertools
import os

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from . import cases
from .estimators import ESTIMATORS

TOTAL = int(os.environ.get("RMT_ALPHA_FUZZ", "0"))
FORGET = (
    100  # cases after which what JAX has compiled is forgotten: of ten thousand cases it does not fit the memory maps
)
CALLS = cases.CALLS | ESTIMATORS
EACH = -(-TOTAL // len(CALLS)) if TOTAL else 12


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_answered(name):
    count = itertools.count(1)

    @seed(TOTAL)
    @settings(
        max_examples=EACH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(CALLS[name])
    def answered(case):
        if next(count) % FORGET == 0:
            jax.clear_caches()
        function, arguments = case
        fault = cases.faults(function, arguments)
        assert fault is None, f"{name}({arguments!r}): {fault}"

    answered()


@pytest.mark.parametrize(
    ("function", "arguments", "fault"),
    [
        (lambda x: float("nan"), {"x": 1}, "NaN in result"),
        (lambda x: [1.0, float("nan")], {"x": 1}, "NaN in result"),
        (lambda x: x.shape, {"x": 1}, "AttributeError"),
        (lambda x: len(x), {"x": 1}, "in other words"),
        (lambda x: 1.0, {"x": np.ma.array([1.0, 2.0], mask=[0, 1])}, "masked x taken"),
    ],
)
def test_the_judge_sees_faults(function, arguments, fault):
    assert fault in cases.faults(function, arguments)
