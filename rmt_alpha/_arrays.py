"""One code for numbers, NumPy arrays and JAX tracers.

Plain numbers and NumPy arrays are computed by NumPy in double precision, whatever the user's JAX
settings. As soon as one argument is a JAX array or tracer the same functions run in `jax.numpy`, in the
user's precision, so they jit, vmap and differentiate. JAX takes half a second to import, so it is left
to the user: before they import it, nobody can hand us a JAX array.
"""

import dataclasses
import importlib.abc
import importlib.util
import sys
from typing import Any

import numpy as np
from scipy import special

_waiting: list[type] = []


def pytree(cls: type) -> type:
    """Register a dataclass as a JAX pytree, as soon as JAX is there; fields with `metadata={"static": True}` are auxiliary data."""
    _waiting.append(cls)
    if "jax" in sys.modules:
        _register_waiting()
    return cls


def _register_waiting() -> None:
    while _waiting:
        _register(_waiting.pop())


def _register(cls: type) -> None:
    from jax import tree_util

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


class _AfterJax(importlib.abc.MetaPathFinder):
    """Registers the waiting classes right after `import jax`: problems made before it are pytrees too."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "jax":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("jax")
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: Any) -> None:
                execute(module)
                _register_waiting()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


if "jax" not in sys.modules:
    sys.meta_path.insert(0, _AfterJax())


def is_jax(*values: Any) -> bool:
    """Is one of the values a JAX array or tracer?"""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(v, jax.Array) for v in values)


def namespace(*values: Any) -> Any:
    """`jax.numpy` if one of the values is a JAX array or tracer, else `numpy`."""
    return sys.modules["jax"].numpy if is_jax(*values) else np


def asarray(xp: Any, value: Any) -> Any:
    """The value as a floating-point array: double in NumPy, the user's default precision in JAX."""
    return np.asarray(value, dtype=np.float64) if xp is np else xp.asarray(value, dtype=float)


def normal_cdf(x: Any) -> Any:
    """Φ(x), the standard normal distribution function."""
    return sys.modules["jax"].scipy.special.ndtr(x) if is_jax(x) else special.ndtr(x)


def plain(x: Any) -> Any:
    """Arrays as they are, NumPy scalars as Python's own numbers."""
    return x if is_jax(x) or np.ndim(x) else np.asarray(x).item()
