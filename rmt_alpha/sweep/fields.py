"""The numbers of any problem by name, and the problem with other numbers: what axes, coordinates and maps are made of.

A `TransferProblem` has its eight. A `Fit` has `n` and `gamma`; those of its source are `source_n` and `source_gamma` (with several
sources `source_0_n`, `source_1_n`, …), of the source's source `source_source_n`, and the scales of a source that has starts itself
are `source_alpha`. All are plain letters: netCDF files can hold them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import _checks as check
from ..problem import NUMBERS, Fit, Group, TransferProblem

Problem = TransferProblem | Fit
ENDINGS = ("n", "gamma", "alpha")


def numbers_of(problem: Problem) -> dict[str, Any]:
    """Every number by name.

    >>> e = np.eye(2, 50)
    >>> source = Fit(Population.two_classes(e[0], -e[0]), n=500, gamma=1.0)
    >>> list(numbers_of(Fit(Population.two_classes(e[1], -e[1]), n=40, gamma=0.1, starts=[source])))
    ['n', 'gamma', 'source_n', 'source_gamma']
    """
    if isinstance(problem, TransferProblem):
        return {name: getattr(problem, name) for name in NUMBERS}
    stages = list(_stages(problem, ""))
    found = {prefix + field: getattr(fit, field) for prefix, fit in stages for field in ("n", "gamma")}
    return found | {f"{prefix}alpha": fit.alpha for prefix, fit in stages if prefix and fit.alpha is not None}


def shapes_of(problem: Problem) -> dict[str, tuple[int, ...]]:
    """The shape of each number, an inner α counting as one."""
    if isinstance(problem, TransferProblem):
        return {name: np.shape(value) for name, value in numbers_of(problem).items()}
    fits = dict(_stages(problem, ""))
    return {
        name: fits[name[: -len("alpha")]].leading_axes(value) if name.endswith("alpha") else np.shape(value)
        for name, value in numbers_of(problem).items()
    }


def with_numbers(problem: Problem, values: Mapping[str, Any]) -> Problem:
    """The problem with some numbers replaced. ValueError for a name that it does not have."""
    check_names("numbers", values, tuple(numbers_of(problem)), ())
    if isinstance(problem, TransferProblem):
        return dataclasses.replace(problem, **values)
    made: dict[tuple[str, int], Fit] = {}

    def rebuilt(fit: Fit, prefix: str) -> Fit:
        if (prefix, id(fit)) not in made:  # groups of one object stay parts of one training
            own = {field: values[prefix + field] for field in ENDINGS if prefix + field in values}
            prefixes = _prefixes(fit, prefix)
            made[prefix, id(fit)] = dataclasses.replace(
                fit, starts=tuple(inside(s, prefixes) for s in fit.starts), **own
            )
        return made[prefix, id(fit)]

    def inside(start: Any, prefixes: dict[int, str]) -> Any:
        if isinstance(start, Group):
            return Group(inside(start.start, prefixes), start.mask)
        return rebuilt(start, prefixes[id(start)]) if isinstance(start, Fit) else start

    return rebuilt(problem, "")


def structure(problem: Problem) -> bytes:
    """What is left of a problem without its numbers: equal for two that differ in them alone."""
    if isinstance(problem, TransferProblem):
        return TransferProblem(2, 2, 2, 1, 1, 0, 1, 1, problem.loss, problem.source_loss).digest
    ones = {name: 1.0 if name.endswith("gamma") else 2 for name in numbers_of(problem) if not name.endswith("alpha")}
    return with_numbers(
        problem, ones | {n: np.ones(np.shape(v)[-1:]) for n, v in numbers_of(problem).items() if n not in ones}
    ).digest


def check_names(where: str, given: Mapping[str, Any], permitted: tuple[str, ...], required: tuple[str, ...]) -> None:
    """Unknown and missing keys, each with what was probably meant."""
    for name in given:
        if name not in permitted:
            hint = check.meant(name, permitted) or " Remove it."
            raise ValueError(f"{where} must have keys among {', '.join(permitted)}, got {name!r}.{hint}")
    missing = [name for name in required if name not in given]
    if missing:
        raise ValueError(
            f"{where} must have all of {', '.join(required)}, got no {', '.join(missing)}. Add what is missing."
        )


def _stages(fit: Fit, prefix: str) -> Iterator[tuple[str, Fit]]:
    """The fit and all that it comes from, each once, with the beginning of its numbers' names."""
    yield prefix, fit
    for start in {id(s): s for s in _sources(fit)}.values():
        yield from _stages(start, _prefixes(fit, prefix)[id(start)])


def _prefixes(fit: Fit, prefix: str) -> dict[int, str]:
    distinct = list(dict.fromkeys(map(id, _sources(fit))))
    return {key: f"{prefix}source_" if len(distinct) == 1 else f"{prefix}source_{k}_" for k, key in enumerate(distinct)}


def _sources(fit: Fit) -> list[Fit]:
    inner = (s.start if isinstance(s, Group) else s for s in fit.starts)
    return [s for s in inner if isinstance(s, Fit)]
