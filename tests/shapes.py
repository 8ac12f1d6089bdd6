"""Checks at run time what annotations say of the shapes of arrays: `Annotated[Any, "K q *batch"]` and the like."""

import dataclasses
from typing import Annotated, get_args, get_origin, get_type_hints

import numpy as np


def check(thing, **known):
    """AssertionError where a field of a dataclass has another shape than its annotation says; names may be `known` before."""
    hints = get_type_hints(type(thing), include_extras=True)
    stated = {
        f.name: get_args(hints[f.name])[1].split()
        for f in dataclasses.fields(thing)
        if get_origin(hints[f.name]) is Annotated
    }
    assert stated
    lengths = dict(known)
    # Those with the fewest names of unknown length first: they say what the others are.
    for name in sorted(stated, key=lambda n: sum(axis.startswith("*") for axis in stated[n])):
        value = getattr(thing, name)
        if value is not None:
            fits(f"{type(thing).__name__}.{name}", np.shape(value), stated[name], lengths)
    return lengths


def fits(name, shape, axes, lengths):
    """Binds the names of the axes, of which one may stand for any number still."""
    open_ = [a for a in axes if a.startswith("*") and a not in lengths]
    taken = sum(len(lengths[a]) if a.startswith("*") and a in lengths else 1 for a in axes if a not in open_)
    assert len(open_) <= 1, f"{name}: {axes} say too little of {shape}"
    rest = len(shape) - taken
    assert rest >= 0 if open_ else rest == 0, f"{name}: {shape} is not {axes} with {lengths}"
    left = list(shape)
    for axis in axes:
        if axis.startswith("*"):
            size = rest if axis in open_ else len(lengths[axis])
            found, left = tuple(left[:size]), left[size:]
        else:
            found, *left = left
        assert lengths.setdefault(axis, found) == found, f"{name}: {shape} is not {axes} with {lengths}"
