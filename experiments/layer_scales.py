"""From the theory to a layer: does full fine-tuning rescale the rows of its weights, and does a free α lower the rank of what is left?

In the linear model a target that is a rescaled source plus something of low rank is out of reach of a low-rank correction at α = 1, and
within it at the right α. Here W₀ and W are a layer's weights before and after full fine-tuning of a language model, and α the regression
of W on W₀: one for the layer, or one per row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rmt_alpha import plotting
from rmt_alpha.adapters import finetune, load_model

from .crossed import crossed
from .finetuning import MODEL, PRECISION
from .lab import Lab

TASKS = ("sst2", "mrpc", "qnli", "mnli")
RECIPE: dict[str, Any] = dict(
    n_train=500, steps=60, evaluations=3, max_length=48, n_dev=400, every=2, pooling="mean", precision=PRECISION
)


@dataclass(frozen=True)
class Base:
    """A language model: its layers, where a layer's matrices are, which of them LoRA changes, and each method's rate."""

    model: str
    layers: int
    modules: dict[str, str]
    adapted: tuple[str, str]
    rates: dict[str, float]


FEED_FORWARD = {"feed-forward in": "intermediate.dense", "feed-forward out": "output.dense"}
BASES = {
    "MiniLM": Base(
        MODEL,
        6,
        {"query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
         "attention output": "attention.output.dense"} | FEED_FORWARD,
        ("query", "value"),
        {"full": 1e-4, "alpha-lora": 3e-3},
    ),
    "mpnet": Base(
        "all-mpnet-base-v2",
        12,
        {"query": "attention.attn.q", "key": "attention.attn.k", "value": "attention.attn.v",
         "attention output": "attention.attn.o"} | FEED_FORWARD,
        ("q", "v"),
        {"full": 3e-5, "alpha-lora": 1e-3},
    ),
}  # fmt: skip
SHARE = 0.9  # of the squared change, that the rank is counted for
ALPHAS = ("one", "scalar", "rows")


def run(lab: Lab) -> None:
    seeds = range(lab.seed, lab.seed + lab.trials(2))
    table = pd.concat(
        [compared(base, task, seed) for base in BASES for task in TASKS for seed in seeds], ignore_index=True
    )
    draw(lab, lab.table(table))
    for base in BASES:
        remark(lab, base, table[table.base == base])


def compared(base: str, task: str, seed: int) -> pd.DataFrame:
    """One row per layer and module of one fine-tuning."""
    kind = BASES[base]
    before = dict(load_model(kind.model, ("no", "yes"), pooling="mean")[0].named_parameters())
    full, alpha = (
        finetune(kind.model, task, m, seed=seed, lr=lr, target_modules=kind.adapted, progress=False, **RECIPE)
        for m, lr in kind.rates.items()
    )
    after = dict(full.model.named_parameters())
    learned = {
        name.split("layer.")[1].rpartition(".")[0]: np.array(a) for name, a in alpha.record["row_scales"].items()
    }
    rows = []
    for layer in range(kind.layers):
        for module, place in kind.modules.items():
            name = f"body.encoder.layer.{layer}.{place}.weight"
            W0, W = (weights[name].detach().double().numpy() for weights in (before, after))
            mine = learned.get(f"{layer}.{place}")
            rows.append({"base": base, "task": task, "n_train": RECIPE["n_train"], "steps": RECIPE["steps"],
                         "lr_full": kind.rates["full"], "lr_alpha_lora": kind.rates["alpha-lora"],
                         "seed": seed, "layer": layer, "module": module,
                         "accuracy": full.record["dev_accuracy"], "majority": full.record["majority_accuracy"],
                         **rescaled(W0, W),
                         "with_learned": np.nan if mine is None else stats.spearmanr(row_scale(W0, W), mine).statistic})  # fmt: skip
    return pd.DataFrame(rows)


def row_scale(W0: np.ndarray, W: np.ndarray) -> np.ndarray:
    """α_i = ⟨W_i, W₀_i⟩ / ‖W₀_i‖² of each row."""
    return np.sum(W * W0, axis=1) / np.sum(W0**2, axis=1)


def rescaled(W0: np.ndarray, W: np.ndarray) -> dict[str, float]:
    """What of the change W − W₀ (outputs × inputs) is a rescaling, and the rank of the rest.

    `explained_…`: 1 − ‖W − α ⊙ W₀‖² / ‖W − W₀‖²; a change in a random direction has 1/inputs of it by rows (`chance`). `rank_…`: the
    least rank of a correction after which SHARE of ‖W − W₀‖² is accounted for.
    """
    change, alpha = W - W0, row_scale(W0, W)
    left = {"one": change, "scalar": W - np.sum(W * W0) / np.sum(W0**2) * W0, "rows": W - alpha[:, None] * W0}
    total = np.sum(change**2)
    found = {"change": np.sqrt(total / np.sum(W0**2)), "alpha": np.sum(W * W0) / np.sum(W0**2), "alpha_sd": alpha.std(),
             "chance": 1 / W0.shape[1]}  # fmt: skip
    for name, rest in left.items():
        squares = np.linalg.eigvalsh(rest @ rest.T if len(rest) <= rest.shape[1] else rest.T @ rest)[::-1]
        after = np.sum(rest**2) - np.cumsum(squares)
        found[f"explained_{name}"] = 1 - np.sum(rest**2) / total
        found[f"rank_{name}"] = 1 + int(np.argmax(after <= (1 - SHARE) * total))
    return found


def draw(lab: Lab, table: pd.DataFrame) -> None:
    fig, axes = plotting.figure(rows=len(BASES), columns=3, height=2.4)
    for row, (name, base) in zip(axes, BASES.items(), strict=True):
        for i, module in enumerate(base.modules):
            here = table[(table.base == name) & (table.module == module)]
            style: dict[str, Any] = dict(
                color=plotting.COLORS[i], marker=plotting.MARKERS[i], markersize=4, label=module
            )
            shown = 1000 * (here.alpha - 1), here.explained_rows / here.chance, here.rank_rows - here.rank_one
            for ax, values in zip(row, shown, strict=True):
                runs = values.groupby(here.layer).agg(["mean", "sem"])
                ax.errorbar(runs.index + 0.06 * (i - 2.5), runs["mean"], runs["sem"], elinewidth=0.8, **style)
        labels = (
            rf"{name}: $1000\,(\alpha-1)$",
            "explained / chance",
            r"rank, $\alpha$ per row $-$ $\alpha=1$",
        )
        for ax, at, label in zip(row, (0, 1, 0), labels, strict=True):
            ax.set_ylabel(label)
            ax.axhline(at, color="black", linewidth=0.8, linestyle=":")
            ax.set_xlabel("layer")
    for ax, title in zip(axes[0], (r"one $\alpha$ per layer", r"one $\alpha$ per row", "rank needed"), strict=True):
        ax.set_title(title)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    runs = table.groupby(["task", "seed"]).ngroups
    fig.suptitle(
        rf"full fine-tuning, $n={RECIPE['n_train']}$, {RECIPE['steps']} steps: mean $\pm$ s.e. over {runs} runs of {len(TASKS)} tasks"
    )
    lab.picture(fig)


def remark(lab: Lab, base: str, table: pd.DataFrame) -> None:
    runs = table.groupby(["task", "seed"])
    lab.remark(
        f"{base}, {RECIPE['n_train']} rows, {RECIPE['steps']} steps, {table.seed.nunique()} seeds; accuracy of full fine-tuning, majority: "
        + ", ".join(
            f"{task} {100 * g.accuracy.mean():.1f}, {100 * g.majority.mean():.1f} %"
            for task, g in table.groupby("task", sort=False)
        )
        + "."
    )
    cells = table.pivot_table(index=["task", "seed"], columns=["module", "layer"], values="alpha") - 1
    low, high = (1000 * v for v in crossed(cells).interval())
    lab.remark(
        f"{base}: full fine-tuning changes a weight by {100 * table.change.mean():.2f} % of its norm. Its α, one per layer, is 1 "
        f"{1000 * (table.alpha - 1).mean():+.3f} thousandths [{low:+.3f}, {high:+.3f}] on average, and "
        f"{1000 * np.abs(table.alpha - 1).max():.2f} thousandths from 1 at most; over rows its s.d. is "
        f"{1000 * table.alpha_sd.mean():.2f} thousandths."
    )
    ratio = (table.explained_rows / table.chance).groupby([table.task, table.seed]).mean()
    lab.remark(
        f"{base}: of the squared change one α per layer accounts for {100 * table.explained_scalar.mean():.3f} %, one per row for "
        f"{100 * table.explained_rows.mean():.2f} %: {ratio.mean():.1f} times what a random direction has "
        f"({ratio.min():.1f} to {ratio.max():.1f} over {len(runs)} runs)."
    )
    rank, width = table[[f"rank_{a}" for a in ALPHAS]].mean(), round(1 / table.chance.max())
    lab.remark(
        f"{base}: rank that accounts for {100 * SHARE:.0f} % of the change: {rank.rank_one:.1f} at α = 1, {rank.rank_scalar:.1f} with the "
        f"best α, {rank.rank_rows:.1f} with the best α per row, of {width}."
    )
    held = table.with_learned.dropna().groupby([table.task, table.seed]).mean()
    lab.remark(
        f"{base}: rank correlation of full fine-tuning's α per row with what α-LoRA learned on the same rows (query and value): "
        f"{held.mean():+.3f} ± {held.std() / np.sqrt(len(held)):.3f} (mean ± s.e. over {len(held)} runs)."
    )
