"""From one review domain to another: the α* of the linear theory on frozen features against the α that a language model learns.

The source model is fine-tuned on one domain; LoRA and α-LoRA adapt it to another from n rows. The linear theory sees the embeddings of the
frozen encoder, a ridge classifier of the source domain, and the target's moments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.preprocessing import StandardScaler

from rmt_alpha import TransferProblem, optimal_alpha, plotting
from rmt_alpha.adapters import export, finetune
from rmt_alpha.training import ridge_path

from .amazon import split_rows
from .domain_features import GAMMA, GAMMA_SOURCE, features
from .finetuning import SMALL, against, interval, job, paired_p, rates, runs, store, tidy
from .lab import Lab

TRANSFERS = (("books", "kitchen"), ("dvd", "electronics"), ("electronics", "books"), ("kitchen", "dvd"))
SIZES = (50, 200, 1000)
PAIR = ("lora", "alpha-lora")
SOURCE: dict[str, Any] = {**SMALL, "n_train": 1400, "steps": 150}
# Thirty steps on α at the published rate can move it by .15 at most. One α per layer at ten times the rate could go anywhere.
FREE: dict[str, Any] = dict(row_scale="layer", row_scale_lr=5e-2)
FREE_SIZES, FREE_SEEDS = (50, 1000), 2
SETTINGS = {"row": "one α per row, rate .005", "layer": "one α per layer, rate .05"}


def run(lab: Lab) -> None:
    rate = rates()
    seeds = range(lab.seed, lab.seed + lab.trials(5))
    folders = {source: source_model(source, rate["lora"]) for source, _ in TRANSFERS}

    def at(source: str, target: str, method: str, seed: int, n: int, **changes: Any) -> dict[str, Any]:
        recipe = {**SMALL, "n_train": n, **changes}
        return job(f"blitzer_text:{target}", method, seed, recipe, lr=rate[method], model=folders[source])

    jobs = [at(*transfer, m, s, n) for s in seeds for n in SIZES for transfer in TRANSFERS for m in PAIR]
    jobs += [
        at(*transfer, "alpha-lora", s, n, **FREE)
        for s in seeds[:FREE_SEEDS]
        for n in FREE_SIZES
        for transfer in TRANSFERS
    ]
    records = runs(jobs)
    places = {folder: source for source, folder in folders.items()}
    records["source"] = records.model.map(places)
    records["learned_alpha"] = [np.mean(np.concatenate(list(v.values()))) if v else 1.0 for v in records.row_scales]
    records["model"] = "MiniLM fine-tuned on the source"
    table = lab.table(tidy(records, ["source", "row_scale", "learned_alpha"]), "runs")
    table["target"] = table.task.str.removeprefix("blitzer_text:")
    theory = lab.table(
        pd.DataFrame([predicted(source, target, lab.seed) for source, target in TRANSFERS]).explode(
            ["n_target", "best_alpha"]
        ),
        "theory",
    )
    means = (
        table[table.method == "alpha-lora"]
        .groupby(["row_scale", "source", "target", "n_train"])
        .learned_alpha.agg(["mean", "std"])
        .reset_index()
    )
    both = means.merge(theory, left_on=["source", "target", "n_train"], right_on=["source", "target", "n_target"])
    pairs = table[table.row_scale == "row"]
    draw(lab, pairs, both)
    lab.remark(f"α* of the linear theory {both.best_alpha.min():.2f} to {both.best_alpha.max():.2f}.")
    for setting, label in SETTINGS.items():
        here = both[both.row_scale == setting]
        rank = stats.spearmanr(here.best_alpha, here["mean"])
        lab.remark(
            f"{label}: mean learned α {here['mean'].min():.4f} to {here['mean'].max():.4f}; rank correlation with α* over "
            f"{len(here)} transfers and sizes {rank.statistic:+.2f} (p = {rank.pvalue:.2g})."
        )
    for n, group in pairs.groupby("n_train"):
        mean = 100 * group.groupby("method").dev_accuracy.mean()
        total = against(group, "alpha-lora", "lora").iloc[-1]
        lab.remark(
            f"n = {n}: LoRA {mean['lora']:.1f} %, α-LoRA {mean['alpha-lora']:.1f} %, difference {100 * total.difference:+.2f} "
            f"[{100 * total.low:+.2f}, {100 * total.high:+.2f}], p = {total.p:.2g} over {total.pairs} pairs."
        )
    free = table[table.row_scale == "layer"]
    lora = pairs[(pairs.method == "lora") & pairs.n_train.isin(FREE_SIZES) & pairs.seed.isin(free.seed)]
    keys = ["task", "n_train", "seed"]
    gap = (free.set_index(keys).dev_accuracy - lora.set_index(keys).dev_accuracy).to_numpy()
    low, high = interval(gap)
    lab.remark(
        f"{SETTINGS['layer']}: accuracy {100 * free.dev_accuracy.mean():.1f} %, "
        f"LoRA on the same rows {100 * lora.dev_accuracy.mean():.1f} %, "
        f"difference {100 * gap.mean():+.2f} [{100 * low:+.2f}, {100 * high:+.2f}], p = {paired_p(gap):.2g} over {len(gap)} pairs."
    )


def source_model(domain: str, rate: float) -> str:
    """The folder of MiniLM fine-tuned on one domain by LoRA and merged, made once."""
    folder = store() / f"source-{domain}"
    if not (folder / "model" / "config.json").is_file():
        done = finetune(**job(f"blitzer_text:{domain}", "lora", 0, SOURCE, lr=rate), folder=folder)
        done.tokenizer.save_pretrained(folder / "model")
        export(done.model, folder / "model")
    return str(folder / "model")


def predicted(source: str, target: str, seed: int) -> dict[str, Any]:
    """α* at each size, from the frozen encoder's features: ridge on the source domain, moments of the target's rows."""
    X, y = features(source)
    w = ridge_path(StandardScaler().fit_transform(X), y, GAMMA_SOURCE)[:, 0]
    part = split_rows(*features(target), np.random.default_rng([seed, 0]))
    fit = TransferProblem.from_source(w, part.mean, n_target=np.array(SIZES), gamma_target=GAMMA, cov_target=part.cov)
    return {
        "source": source,
        "target": target,
        "n_target": list(SIZES),
        "best_alpha": list(optimal_alpha(fit).alpha),
    }


def draw(lab: Lab, pairs: pd.DataFrame, both: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=3, height=2.5)
    for ax, (setting, label) in zip(axes[0], SETTINGS.items(), strict=False):
        for i, n in enumerate(SIZES):
            group = both[(both.row_scale == setting) & (both.n_train == n)]
            if len(group):
                ax.errorbar(group.best_alpha, group["mean"], yerr=group["std"], color=plotting.COLORS[i], marker=plotting.MARKERS[i],
                            linestyle="none", elinewidth=0.9, label=f"$n={n}$")  # fmt: skip
        ax.axhline(1, color="grey", linewidth=0.7, linestyle=":")
        ax.set(title=label.replace("α", r"$\alpha$").replace(", ", ",\n"), xlabel=r"$\alpha^*$ (linear theory)")
    axes[0, 0].set_ylabel(r"learned $\alpha$ $\pm$ s.d.")
    ax = axes[0, 2]
    for i, method in enumerate(PAIR):
        here = pairs[pairs.method == method].groupby(["n_train", "seed"]).dev_accuracy.mean()
        group = here.groupby("n_train").agg(["mean", "sem"])
        ax.errorbar(group.index * (1.04 if i else 0.96), group["mean"], yerr=group["sem"], color=plotting.COLORS[i + 3],
                    marker=plotting.MARKERS[i + 3], linestyle=plotting.DASHES[i], label=method)  # fmt: skip
    ax.set(xscale="log", xticks=SIZES, xticklabels=SIZES, xlabel="target rows $n$", title="mean over transfers")
    ax.set_ylabel(r"accuracy $\pm$ s.e.")
    ax.minorticks_off()
    (sizes, names), (methods, others) = axes[0, 0].get_legend_handles_labels(), ax.get_legend_handles_labels()
    fig.legend(sizes + methods, names + others, loc="outside lower center", ncols=len(SIZES) + len(PAIR))
    fig.suptitle(
        f"MiniLM fine-tuned on one review domain, {pairs.steps.iloc[0]} steps on another; {pairs.seed.nunique()} seeds"
    )
    lab.picture(fig)
