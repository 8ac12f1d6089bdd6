"""One code for numbers, NumPy arrays and JAX tracers.

Plain numbers and NumPy arrays are computed by NumPy in double precision, whatever the user's JAX
settings. As soon as one argument is a JAX array or tracer the same functions run in `jax.numpy`, in the
user's precision, so they jit, vmap and differentiate.
"""

import dataclasses
from typing import Any

import jax
import numpy as np
from jax import tree_util
from scipy import special


def pytree(cls: type) -> type:
    """Register a dataclass as a JAX pytree; fields with `metadata={"static": True}` travel as auxiliary data."""
    static = [f.name for f in dataclasses.fields(cls) if f.metadata.get("static")]
    dynamic = [f.name for f in dataclasses.fields(cls) if not f.metadata.get("static")]

    def flatten(obj: Any) -> tuple[tuple, tuple]:
        return tuple(getattr(obj, name) for name in dynamic), tuple(getattr(obj, name) for name in static)

    def unflatten(aux: tuple, children: tuple) -> Any:
        # Not through __init__: inside a transformation the leaves may be placeholders, which no validation could read.
        obj: Any = object.__new__(cls)
        for name, value in (*zip(dynamic, children, strict=True), *zip(static, aux, strict=True)):
            object.__setattr__(obj, name, value)
        return obj

    tree_util.register_pytree_node(cls, flatten, unflatten)
    return cls


def is_jax(*values: Any) -> bool:
    """Is one of the values a JAX array or tracer?"""
    return any(isinstance(v, jax.Array) for v in values)


def namespace(*values: Any) -> Any:
    """`jax.numpy` if one of the values is a JAX array or tracer, else `numpy`."""
    return jax.numpy if is_jax(*values) else np


def asarray(xp: Any, value: Any) -> Any:
    """The value as a floating-point array: double in NumPy, the user's default precision in JAX."""
    return np.asarray(value, dtype=np.float64) if xp is np else xp.asarray(value, dtype=float)


def normal_cdf(x: Any) -> Any:
    """Φ(x), the standard normal distribution function."""
    return jax.scipy.special.ndtr(x) if is_jax(x) else special.ndtr(x)


def plain(x: Any) -> Any:
    """Arrays as they are, NumPy scalars as Python's own numbers."""
    return x if is_jax(x) or np.ndim(x) else np.asarray(x).item()
