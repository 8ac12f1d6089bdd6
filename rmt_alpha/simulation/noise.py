"""Laws of the noise z: independent coordinates of mean 0 and variance 1."""

from __future__ import annotations

import functools
import sys
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

    With several workers it must tell this noise from every other: a lambda, a function inside another, a method and an object are
    refused, and so is what is bound to a function and is neither a word nor numbers. Else an object has the name of its class.
    """
    if isinstance(noise, str):
        return (noise,)
    if isinstance(noise, functools.partial):
        bound = [*noise.args, *(x for item in sorted(noise.keywords.items()) for x in item)]
        if workers > 1:
            _known(noise, all(isinstance(x, str) or np.asarray(x).dtype.kind in "biuf" for x in bound))
        return (
            *name(noise.func, workers),
            *(x if isinstance(x, str | int | float | bool) else repr(np.asarray(x).tolist()) for x in bound),
        )
    named = noise if hasattr(noise, "__qualname__") else type(noise)
    if workers > 1:
        _known(noise, _at(named.__module__, named.__qualname__) is noise)
    return (named.__module__, named.__qualname__)


def _at(module: str, qualname: str) -> Any:
    """What stands under this name; None where nothing does."""
    return functools.reduce(
        lambda found, part: getattr(found, part, None), qualname.split("."), sys.modules.get(module)
    )


def _known(noise: Any, known: bool) -> None:
    if not known:
        raise TypeError(
            f"noise must be a word, a function of a module, or a functools.partial of one with words and numbers, where others compute or "
            f"keep it, got {noise!r:.60}: no name tells it from another. Define it at the top of a file and bind its settings with "
            f"functools.partial; simulate with workers=1 takes any."
        )
