"""One code for numbers, NumPy arrays and JAX tracers.

Plain numbers and NumPy arrays are computed by NumPy in double precision, whatever the user's JAX
settings. As soon as one argument is a JAX array or tracer the same functions run in `jax.numpy`, so
they jit, vmap and differentiate. JAX itself is imported only if the user has imported it: nobody can
hand us a JAX array before that.
"""

import dataclasses
import sys
from typing import Any

import numpy as np
from scipy import special

_pending: list[type] = []


def pytree(cls: type) -> type:
    """Register a dataclass as a JAX pytree, now or as soon as JAX is imported.

    Fields declared with `metadata={"static": True}` travel as auxiliary data.
    """
    _pending.append(cls)
    register_pytrees()
    return cls


def register_pytrees() -> None:
    """Register the waiting classes if the user has imported JAX in the meantime."""
    if not _pending or "jax" not in sys.modules:
        return
    from jax import tree_util

    while _pending:
        cls = _pending.pop()
        fields = dataclasses.fields(cls)
        static = [f.name for f in fields if f.metadata.get("static")]
        dynamic = [f.name for f in fields if not f.metadata.get("static")]

        def flatten(obj: Any, dynamic=dynamic, static=static):
            children = tuple(getattr(obj, name) for name in dynamic)
            return children, tuple(getattr(obj, name) for name in static)

        def unflatten(aux, children, cls=cls, dynamic=dynamic, static=static):
            # Not through __init__: inside a transformation the leaves may be tracers or placeholders,
            # which no validation could read.
            obj = object.__new__(cls)
            for name, value in (*zip(dynamic, children, strict=True), *zip(static, aux, strict=True)):
                object.__setattr__(obj, name, value)
            return obj

        tree_util.register_pytree_node(cls, flatten, unflatten)


def is_jax(*values: Any) -> bool:
    """Is one of the values a JAX array or tracer?"""
    register_pytrees()
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(v, jax.Array) for v in values)


def namespace(*values: Any) -> Any:
    """`jax.numpy` if one of the values is a JAX array or tracer, else `numpy`."""
    if is_jax(*values):
        import jax.numpy as jnp

        return jnp
    return np


def asarray(xp: Any, value: Any) -> Any:
    """The value as a floating-point array: double in NumPy, the user's default precision in JAX."""
    return np.asarray(value, dtype=np.float64) if xp is np else xp.asarray(value, dtype=float)


def normal_cdf(x: Any) -> Any:
    """Φ(x), the standard normal distribution function."""
    if is_jax(x):
        from jax.scipy.special import ndtr

        return ndtr(x)
    return special.ndtr(x)
