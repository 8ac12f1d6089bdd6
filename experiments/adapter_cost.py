"""Step time and memory of each method, as ratios to peft's LoRA measured in turns with it in the same run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch

from rmt_alpha import plotting
from rmt_alpha.adapters import METHODS, Recipe, load_model
from rmt_alpha.adapters.measure import PeakMemory
from rmt_alpha.adapters.methods import trainer
from rmt_alpha.simulation.pool import executor

from .finetuning import MODEL
from .lab import Lab

BATCH, LENGTH, EVERY = 16, 32, 10  # texts, tokens, T as published


def run(lab: Lab) -> None:
    torch.set_num_threads(1)
    rounds = lab.trials(8)
    rows = []
    for method in METHODS:
        # LoRA twice in one process, next to the method: the machine's mood is the same for both.
        seconds = timed(method, rounds)
        ratio = np.divide(*seconds.mean(axis=1).T)  # of each round, own steps on α included
        rows.append({"method": method, "batch_size": BATCH, "tokens": LENGTH, "every": EVERY,
                     "step_seconds": np.median(seconds[:, :, 0]), "time_ratio": np.median(ratio),
                     "low": np.quantile(ratio, 0.1), "high": np.quantile(ratio, 0.9),
                     "step_ratio": np.divide(*np.median(seconds, axis=(0, 1)))})  # fmt: skip
    table = pd.DataFrame(rows)
    used = peaks(METHODS)
    table["peak_memory_mb"] = table.method.map(lambda m: used[m][0])
    table["trainable_parameters"] = table.method.map(lambda m: used[m][1])
    table["memory_ratio"] = table.peak_memory_mb / used["lora"][0]
    table = lab.table(table)
    draw(lab, table)
    told = [f"{r.method} {r.time_ratio:.2f}, {r.memory_ratio:.2f}" for r in table.itertuples() if r.method != "lora"]
    lab.remark(
        f"MiniLM, float32, {BATCH} × {LENGTH} tokens, one core, T = {EVERY}; α's own steps are counted in. "
        f"Time and memory (beyond the libraries') over LoRA's: {'; '.join(told)}."
    )
    step = table.set_index("method").step_ratio
    lab.remark(
        f"The median step, which none of α's own falls into: alpha-lora {step['alpha-lora']:.2f}, alpha-joint {step['alpha-joint']:.2f}."
    )


def prepared(method: str) -> Any:
    torch.manual_seed(0)
    recipe = Recipe(every=EVERY, steps=10_000, batch_size=BATCH).under("honest")
    model, _ = load_model(MODEL, ("no", "yes"))
    model = METHODS[method].adapt(model, recipe).train()
    ids = torch.randint(1000, 2000, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
    batch = dict(input_ids=ids, attention_mask=torch.ones_like(ids), labels=torch.arange(BATCH) % 2)
    return model, trainer(model, method, recipe, lambda model, batch: model(**batch).loss), batch


def timed(method: str, rounds: int) -> np.ndarray:
    """Seconds of each step of the method and of LoRA, taken in turns: (rounds, T, 2)."""
    both = [prepared(method), prepared("lora")]
    for _, steps, batch in both:
        steps.step(batch, lambda k, batch=batch: batch)  # warm
    for _, steps, _ in both:
        steps.step_count = 0
    seconds = np.empty((rounds, EVERY, 2))
    for r in range(rounds):
        for i in range(EVERY):
            for k in (0, 1) if i % 2 else (1, 0):
                _, steps, batch = both[k]
                start = time.perf_counter()
                steps.step(batch, lambda j, batch=batch: batch)
                seconds[r, i, k] = time.perf_counter() - start
    return seconds


def peaks(methods: Iterable[str]) -> dict[str, tuple[float, int]]:
    """`memory` of each, in a process of its own: memory once freed is not given back."""
    found = {}
    for method in methods:
        with executor(1) as fresh:
            found[method] = fresh.submit(memory, method).result()
    return found


def memory(method: str) -> tuple[float, int]:
    """Peak of the process during T steps over what Python and the libraries take, in MB, and how many parameters are trained."""
    torch.set_num_threads(1)
    load_model(MODEL, ("no", "yes"))  # imports the rest of the libraries
    before = PeakMemory().megabytes()
    model, steps, batch = prepared(method)
    peak = PeakMemory()
    for _ in range(EVERY):
        steps.step(batch, lambda k: batch)
    return peak.megabytes() - before, sum(p.numel() for p in model.parameters() if p.requires_grad)


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=2, height=2.8, sharey=True)
    place = range(len(table))
    axes[0, 0].errorbar(table.time_ratio, place, xerr=[table.time_ratio - table.low, table.high - table.time_ratio],
                        color=plotting.COLORS[0], marker="o", linestyle="none", elinewidth=0.9)  # fmt: skip
    axes[0, 1].plot(table.memory_ratio, place, color=plotting.COLORS[1], marker="s", linestyle="none")
    for ax, label in zip(axes[0], ("step time / LoRA's", "memory without libraries / LoRA's"), strict=True):
        ax.axvline(1, color="grey", linewidth=0.7, linestyle=":")
        ax.set(xlabel=label, yticks=place, yticklabels=table.method)
    axes[0, 0].invert_yaxis()
    fig.suptitle(
        rf"MiniLM, float32, ${BATCH}\times{LENGTH}$ tokens, one core, $T={EVERY}$; (a) median, and 10 to 90 %, of rounds"
    )
    lab.picture(fig)
