"""The design of the comparison on a base that learns, fixed before its runs; docs/comparison_design.md says why each number is what it is.

Base: all-mpnet-base-v2, a linear head on the mean over tokens, LoRA on query and value. Tasks: SST-2, QNLI, MNLI, MRPC, from n = 500 and
2000 training rows, tested once on all development rows. Six methods. Rates by a search on validation rows, with three seeds, at the
comparison's own n and steps, over a grid that grows until the best lies inside; LoRA and α-LoRA share one grid and one rate, which their
two controls take over; α's own rate is searched for afterwards, from the published one upwards. Then fifteen seeds, the same for each
method; interim numbers decide nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

MODEL = "all-mpnet-base-v2"
# Tokens that texts are cut at: of the training rows 100, 98, 97 and 99.8 % are whole.
LENGTHS = {"sst2": 64, "qnli": 96, "mnli": 80, "mrpc": 96}
STEPS = {500: 60, 2000: 150}  # of 16 rows: 2.4 and 1.5 passes
METHODS = ("lora", "alpha-lora", "lora-extra", "alpha-joint", "full", "head")
SEEDS, FIRST_SEEDS = 15, 5
RECIPE: dict[str, Any] = dict(model=MODEL, target_modules=("q", "v"), pooling="mean", every=2, evaluations=5)
PUBLISHED_ALPHA_RATE = 5e-3

# The search: as many rows train as in the comparison, and so many more judge the last step.
SEARCH_SEEDS, SEARCH_ROWS = (1000, 1001, 1002), 1000
GROUPS = {("lora", "alpha-lora"): range(-7, -4), ("full",): range(-10, -7), ("head",): range(-6, -3)}
CONTROLS = {"lora-extra": "lora", "alpha-joint": "alpha-lora"}  # the rate of
MOST = 7  # rates of one grid
ALPHA_FACTORS = range(3)  # of 3, over the published rate

# What is asked, and within how much two methods count as equal.
MARGIN, MARGIN_FULL = 0.005, 0.01
CONTRASTS = {
    ("alpha-lora", "lora"): MARGIN, ("alpha-lora", "lora-extra"): MARGIN, ("alpha-joint", "lora"): MARGIN,
    ("alpha-lora", "full"): MARGIN_FULL, ("lora", "full"): MARGIN_FULL,
}  # fmt: skip

Job = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One task from one number of rows."""

    task: str
    n: int

    @property
    def name(self) -> str:
        return f"{self.task}-{self.n}"


CELLS = tuple(Cell(task, n) for task in LENGTHS for n in STEPS)
# SST-2 complete, then the others with the first seeds, then with all.
ORDER = (
    *((cell, SEEDS) for cell in CELLS if cell.task == "sst2"),
    *((cell, seeds) for seeds in (FIRST_SEEDS, SEEDS) for n in STEPS for task in ("mrpc", "qnli", "mnli")
      for cell in CELLS if cell == Cell(task, n)),
)  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """What a search found: a rate for each method, and one for α."""

    lr: dict[str, float]
    alpha: float


def rate(k: int) -> float:
    """The grid: 10^(k/2), to three digits."""
    return float(f"{10 ** (k / 2):.3g}")


def job(cell: Cell, method: str, seed: int, lr: float, alpha_rate: float = PUBLISHED_ALPHA_RATE) -> Job:
    """The arguments of one run of the comparison; precision is the machine's matter."""
    learned = {"row_scale_lr": alpha_rate} if method in ("alpha-lora", "alpha-joint") else {}
    sizes = dict(n_train=cell.n, steps=STEPS[cell.n], max_length=LENGTHS[cell.task])
    return {**RECIPE, "task": cell.task, "method": method, "seed": seed, **sizes, "lr": lr, **learned}


def search_job(cell: Cell, method: str, seed: int, lr: float, alpha_rate: float = PUBLISHED_ALPHA_RATE) -> Job:
    """The same, judged on SEARCH_ROWS more training rows; the development rows stay unread but for one."""
    trained = round(0.8 * cell.n)  # what the comparison's own validation rows leave
    total = trained + SEARCH_ROWS
    sizes = dict(n_train=total, validation=SEARCH_ROWS / total, evaluations=1, n_dev=1)
    return {**job(cell, method, seed, lr, alpha_rate), **sizes}


def digest(asked: Job) -> str:
    """Which run it is."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def searched(records: pd.DataFrame, cell: Cell) -> tuple[list[Job], Rates | None]:
    """(the runs that the search needs next, the rates once it needs none); `records`: by digest, of whichever processor was first."""
    missing: list[Job] = []
    found: dict[str, float] = {}
    for methods, start in GROUPS.items():
        wanted, k = _grown(records, cell, methods, list(start))
        missing += wanted
        if k is not None:
            found |= dict.fromkeys(methods, rate(k))
    if missing:
        return missing, None
    found |= {control: found[method] for control, method in CONTROLS.items()}
    factors = list(ALPHA_FACTORS)
    while True:
        rates = [PUBLISHED_ALPHA_RATE * 3**j for j in factors]
        jobs = [[search_job(cell, "alpha-lora", s, found["alpha-lora"], a) for s in SEARCH_SEEDS] for a in rates]
        if missing := [one for row in jobs for one in row if digest(one) not in records.index]:
            return missing, None
        best = max(range(len(rates)), key=lambda j: _accuracy(records, jobs[j]))
        # Below the published rate α stays at 1, which is LoRA: the lower edge needs no neighbour.
        if best < len(rates) - 1 or len(rates) == MOST:
            return [], Rates(found, rates[best])
        factors.append(factors[-1] + 1)


def _grown(
    records: pd.DataFrame, cell: Cell, methods: tuple[str, ...], grid: list[int]
) -> tuple[list[Job], int | None]:
    """The grid, longer at an edge as long as the best rate of one of the methods, or of all together, lies there."""
    while True:
        jobs = {(m, k): [search_job(cell, m, s, rate(k)) for s in SEARCH_SEEDS] for m in methods for k in grid}
        if missing := [one for three in jobs.values() for one in three if digest(one) not in records.index]:
            return missing, None
        each = {m: {k: _accuracy(records, jobs[m, k]) for k in grid} for m in methods}
        together = {k: sum(each[m][k] for m in methods) for k in grid}
        best = {max(accuracy, key=accuracy.__getitem__) for accuracy in (together, *each.values())}
        wider = [k for edge, k in ((grid[0], grid[0] - 1), (grid[-1], grid[-1] + 1)) if edge in best]
        if not wider or len(grid) + len(wider) > MOST:
            return [], max(together, key=together.__getitem__)
        grid = sorted([*grid, *wider])


def _accuracy(records: pd.DataFrame, jobs: list[Job]) -> float:
    """On validation rows; a run that diverged has none right, so that its rate is bad."""
    return float(records.validation_accuracy[[digest(one) for one in jobs]].fillna(0).mean())


def block(cell: Cell, seed: int, rates: Rates) -> list[Job]:
    """Every method from the same rows, head and order of the data: what is compared, and so runs on one processor."""
    return [job(cell, m, seed, rates.lr[m], rates.alpha) for m in METHODS]


def rates_of(held: pd.DataFrame, cell: Cell) -> Rates | None:
    """What the search found; None while it lacks runs."""
    return searched(first_of_each(held), cell)[1]


def first_of_each(held: pd.DataFrame) -> pd.DataFrame:
    """A search compares means, not pairs: its runs may come from several processors, and each is needed once."""
    return held[~held.index.duplicated()]


def complete(held: pd.DataFrame, cell: Cell) -> Iterator[tuple[int, pd.DataFrame]]:
    """(seed, its records in the order of METHODS) of each block that one processor has done all of."""
    if (rates := rates_of(held, cell)) is None:
        return
    for seed in range(SEEDS):
        wanted = [digest(one) for one in block(cell, seed, rates)]
        for _, records in held.groupby("processor"):
            if set(wanted) <= set(records.index):
                yield seed, records.loc[wanted]
                break


def pending(held: pd.DataFrame, processor: str) -> Iterator[tuple[Cell, list[Job]]]:
    """What is to be run next on this processor, cell by cell: a round of a search, or what a block lacks. Nothing: all is done."""
    mine = held[held.processor == processor]
    named: set[Cell] = set()
    for cell, seeds in ORDER:
        if cell not in named and (jobs := _lacking(held, mine, cell, seeds)):
            named.add(cell)
            yield cell, jobs


def _lacking(held: pd.DataFrame, mine: pd.DataFrame, cell: Cell, seeds: int) -> list[Job]:
    """What the cell wants next until it has so many seeds; `mine` of `held` are this processor's."""
    rates = rates_of(held, cell)
    if rates is None:
        return searched(first_of_each(held), cell)[0]
    done = {seed for seed, _ in complete(held, cell)}
    seed = next((seed for seed in range(seeds) if seed not in done), None)
    return [] if seed is None else [one for one in block(cell, seed, rates) if digest(one) not in mine.index]
