"""One code for numbers, NumPy arrays and JAX arrays.

Plain numbers and NumPy arrays are computed by NumPy in double precision, whatever the user's JAX settings. As soon as one
argument is a JAX array or tracer the same functions run in `jax.numpy`, in the user's precision, so they jit, vmap and
differentiate. JAX is imported here, once, so that every problem is a pytree in whatever order things are imported; where it
cannot load, all else works.

To a type checker arrays are Any, for they may be NumPy's, JAX's or plain numbers. To a reader, and to the tests, which check it,
`Annotated[Any, "K q *batch"]` is an array with axes of these names, or None: every name has one length throughout an object, and
`*batch` stands for any number of axes.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import special

try:
    import jax as jax
except Exception:  # a broken installation must not take NumPy's half down with it
    jax = None  # type: ignore[assignment]


STATIC = {"static": True}  # metadata of a dataclass's field


def pytree(cls: type) -> type:
    """Register a dataclass as a JAX pytree; fields with the metadata `STATIC` are auxiliary data."""
    if jax is None:
        return cls
    static = [f.name for f in dataclasses.fields(cls) if f.metadata.get("static")]
    dynamic = [f.name for f in dataclasses.fields(cls) if not f.metadata.get("static")]

    def flatten(obj: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(obj, name) for name in dynamic), tuple(getattr(obj, name) for name in static)

    def unflatten(aux: tuple[Any, ...], children: tuple[Any, ...]) -> Any:
        # Not through __init__: inside a transformation the leaves may be placeholders, which no validation could read.
        obj: Any = object.__new__(cls)
        for name, value in (*zip(dynamic, children, strict=True), *zip(static, aux, strict=True)):
            object.__setattr__(obj, name, value)
        return obj

    jax.tree_util.register_pytree_node(cls, flatten, unflatten)
    return cls


def compiled(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function of JAX arrays once for all calls that agree in shapes and in the `static` arguments."""
    return (lambda f: f) if jax is None else partial(jax.jit, static_argnames=static)


def is_jax(*values: Any) -> bool:
    """Is one of the values a JAX array or tracer?"""
    return jax is not None and any(isinstance(v, jax.Array) for v in values)


def is_tracer(value: Any) -> bool:
    """Is the value one that nobody can read yet, inside of jit, grad or vmap?"""
    return jax is not None and isinstance(value, jax.core.Tracer)


def has_tracers(value: Any) -> bool:
    """Is there one in a number, an array or a problem?"""
    return jax is not None and any(map(is_tracer, jax.tree_util.tree_leaves(value)))


def namespace(*values: Any) -> Any:
    """`jax.numpy` if one of the values is a JAX array or tracer, else `numpy`."""
    return jax.numpy if is_jax(*values) else np


def asarray(xp: Any, value: Any) -> Any:
    """The value as a floating-point array: double in NumPy, the user's default precision in JAX."""
    return np.asarray(value, dtype=np.float64) if xp is np else xp.asarray(value, dtype=float)


def in_numpy(value: Any) -> Any:
    """The same with every JAX array in it as NumPy's, in double precision: for simulation, and for searches, which nobody differentiates
    and which would compile at each step. Tracers stay."""
    if jax is None or not any(is_jax(x) and not is_tracer(x) for x in jax.tree_util.tree_leaves(value)):
        return value
    double = lambda v: v if not is_jax(v) or is_tracer(v) else np.asarray(v, dtype=np.float64)[()]  # noqa: E731
    return jax.tree_util.tree_map(double, value)


def normal_cdf(x: Any) -> Any:
    """Φ(x), the standard normal distribution function."""
    return jax.scipy.special.ndtr(x) if is_jax(x) else special.ndtr(x)


def plain(x: Any) -> Any:
    """Arrays as they are, NumPy scalars as Python's own numbers."""
    return x if x is None or is_jax(x) or np.ndim(x) else np.asarray(x).item()


def root(xp: Any, step: Callable[..., Any], start: Any, *parameters: Any, settled: float, steps: int) -> Any:
    """The fixed point of `x → step(x, *parameters)`, a Newton iteration; ArithmeticError (NumPy only) if it does not settle.

    Under JAX the iteration runs on constants, and two further steps at the root carry the exact first and second derivatives
    with respect to the parameters (implicit function theorem: Newton's step does not depend on where it starts from). It is
    compiled once for all calls if `step` is a function of its module.
    """
    if xp is np:
        x = start
        for _ in range(steps):
            previous, x = x, step(x, *parameters)
            if np.all(np.abs(x - previous) <= settled * np.abs(previous)):
                return x
        raise ArithmeticError(
            f"last relative change {np.max(np.abs(x - previous) / np.maximum(np.abs(previous), 1e-300)):.3g}"
        )
    return _traced_root(step, start, *parameters, settled=settled, steps=steps)


@compiled("step", "settled", "steps")
def _traced_root(step: Callable[..., Any], start: Any, *parameters: Any, settled: float, steps: int) -> Any:
    xp = jax.numpy
    constants = [jax.lax.stop_gradient(p) for p in parameters]
    tolerance = max(settled, 8 * float(xp.finfo(xp.result_type(float)).eps))

    def unsettled(state: Any) -> Any:
        x, previous, count = state
        return (count < steps) & xp.any(xp.abs(x - previous) > tolerance * xp.abs(previous))

    first = jax.lax.stop_gradient(start)
    begin = (step(first, *constants), first, 0)
    x, _, _ = jax.lax.while_loop(unsettled, lambda s: (step(s[0], *constants), s[0], s[2] + 1), begin)
    for _ in range(2):
        x = step(jax.lax.stop_gradient(x) if _ == 0 else x, *parameters)
    return x
