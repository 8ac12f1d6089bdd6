"""Every public function answers bad and extreme input honestly. Many more cases by `RMT_ALPHA_FUZZ=10000 pytest tests/fuzz`."""

import os

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from . import cases
from .estimators import ESTIMATORS

TOTAL = int(os.environ.get("RMT_ALPHA_FUZZ", "0"))
MAPS = (
    20_000  # memory maps at which what JAX has compiled is forgotten: Linux grants 65 530, and JAX crashes without more
)
CALLS = cases.CALLS | ESTIMATORS
EACH = -(-TOTAL // len(CALLS)) if TOTAL else 8


def crowded():
    try:
        with open("/proc/self/maps") as maps:
            return sum(1 for _ in maps) > MAPS
    except OSError:  # another system than Linux
        return False


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_answered(name):
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
        if crowded():
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
