"""Laws of the noise z: independent coordinates of mean 0 and variance 1."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks as check

STUDENT_FREEDOM = 5

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def rademacher(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2, shape) * 2.0 - 1.0


def student(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(STUDENT_FREEDOM, shape) * np.sqrt(1 - 2 / STUDENT_FREEDOM)


NOISE: dict[str, Noise] = {"gaussian": gaussian, "rademacher": rademacher, "student": student}


def law(noise: str | Noise) -> Noise:
    """The function that a word stands for."""
    return NOISE[check.choice("noise", noise, tuple(NOISE))] if not callable(noise) else noise


def name(noise: str | Noise, workers: int = 1) -> tuple[Any, ...]:
    """What names the noise in a random stream: a word, or where a function was defined, and what is bound to it.

    An object without such a name has that of its class, but is refused with several workers.
    """
    if isinstance(noise, str):
        return (noise,)
    if isinstance(noise, functools.partial):
        bound = [*noise.args, *(x for item in sorted(noise.keywords.items()) for x in item)]
        return (
            *name(noise.func, workers),
            *(x if isinstance(x, str | int | float | bool) else repr(np.asarray(x).tolist()) for x in bound),
        )
    named = noise if hasattr(noise, "__qualname__") else type(noise)
    if named is not noise and workers > 1:
        raise TypeError(
            f"noise must be a word, a function or a functools.partial of one with workers={workers}, got {noise!r:.60}: an object has "
            f"no name that another process could know it by. Use workers=1, or bind its settings with functools.partial."
        )
    return (named.__module__, named.__qualname__)
