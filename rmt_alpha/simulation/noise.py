"""Laws of the noise z: independent coordinates of mean 0 and variance 1."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks as check

STUDENT_FREEDOM = 5
SAMPLE = (256, 256)  # of a function's noise, whose mean and variance are looked at
ROUNDING = 1e-9
FAR = 8.0  # standard errors that they may be off

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


def require_standard(noise: str | Noise) -> None:
    """TypeError or ValueError where a function does not return what noise has to be."""
    if isinstance(noise, str):
        return
    wanted = (
        f"noise must be a function of (rng, shape) that returns an array of mean 0 and variance 1, got {noise!r:.60}"
    )
    try:
        values = np.asarray(noise(np.random.default_rng(0), SAMPLE))
    except Exception as error:
        raise TypeError(f"{wanted}, which raised {type(error).__name__}: {error}.") from error
    if values.dtype.kind not in "biuf" or values.shape != SAMPLE:
        found = f"{values.dtype} of shape {values.shape}"
        raise TypeError(f"{wanted}, which for the shape {SAMPLE} returned {found}.")
    values = values.astype(np.float64)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{wanted}, which returned numbers that are not finite.")
    squares = (values - values.mean()) ** 2
    errors = np.sqrt(squares.mean() / values.size), squares.std() / np.sqrt(values.size)
    off = abs(values.mean()), abs(squares.mean() - 1)
    if any(by > FAR * error + ROUNDING for by, error in zip(off, errors, strict=True)):
        raise ValueError(
            f"{wanted}, whose mean is {values.mean():.3g} and variance {squares.mean():.3g}. Subtract the one and divide by the root of "
            f"the other; means and covariances belong to the population."
        )


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
