import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Choose α for your data")

with app.setup:
    import sys
    import tempfile
    from pathlib import Path

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from checks import agrees, table
    from scipy import special

    from rmt_alpha import plotting
    from rmt_alpha.cli.choose import draw_curve
    from rmt_alpha.estimate import choose_alpha, scaling_rows
    from rmt_alpha.estimate.tables import read_rows

    plt.rcParams.update(plotting.STYLE)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Choose α for your data

    You have many labelled rows of one task, the *source*, and few of another, the *target*, with the same features. A ridge classifier
    $\tilde w$ is trained on the source, frozen, scaled by $\alpha$ and corrected on the target:

    $$f_\alpha(x)=b+\alpha\,x^\top\tilde w+x^\top a,\qquad (a,b)=\arg\min\frac1{2n}\sum_i\bigl(y_i-f_\alpha(x_i)\bigr)^2+\frac\gamma2\|a\|^2.$$

    $\alpha=0$ ignores the source, $\alpha=1$ is ordinary fine-tuning, and the best $\alpha$ depends on both tasks and both sample sizes. Here it is
    chosen from the $n$ target rows alone, without a validation set. This page is a tour of one function, `choose_alpha`; from a shell the same is
    `rmt-alpha choose SOURCE TARGET`.

    **Your files**: CSV, Parquet or NPZ, one row per sample, a column `label`, numeric features. Give their paths below; from a shell,
    `python notebooks/choose_alpha_for_your_data.py -- --source FILE --target FILE`. Nothing leaves this machine.
    """)
    return


@app.cell
def _():
    source_path = mo.ui.text(
        value=str(mo.cli_args().get("source") or ""), placeholder="empty: the example", label="source"
    )
    target_path = mo.ui.text(
        value=str(mo.cli_args().get("target") or ""), placeholder="empty: the example", label="target"
    )
    mo.hstack([source_path, target_path], justify="start")
    return source_path, target_path


@app.class_definition
class Example:
    """Two related tasks whose truth is known: x = offset + scale·(±μ + C^{1/2}ζ); 30 % of the rows are "yes"."""

    def __init__(self, seed=0, p=60, n_source=400, n_target=60):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.standard_normal((p, p)))[0]
        self.root = np.sqrt(np.linspace(0.2, 2, p))[:, None] * basis
        self.offset, self.scale = 10 * rng.standard_normal(p), np.exp(rng.standard_normal(p))
        source, other = rng.standard_normal((2, p)) / np.sqrt(p)
        self.means = {"source": 1.4 * source, "target": 0.9 * source + 0.5 * other}
        self.frames = {}
        for task, n in (("source", n_source), ("target", n_target)):
            yes = rng.permutation(np.arange(n) < 0.3 * n)
            x = (2 * yes[:, None] - 1) * self.means[task] + rng.standard_normal((n, p)) @ self.root.T
            frame = pd.DataFrame(self.offset + self.scale * x, columns=[f"x{j}" for j in range(p)])
            self.frames[task] = frame.assign(label=np.where(yes, "yes", "no"))

    def accuracy(self, classifier):
        """The exact accuracy of a `SavedClassifier` on fresh target rows, of which 30 % are "yes"."""
        w, b = classifier.coef[0] * self.scale, classifier.intercept[0] + classifier.coef[0] @ self.offset
        mean, deviation = self.means["target"] @ w, np.linalg.norm(self.root.T @ w)
        return 0.3 * special.ndtr((mean + b) / deviation) + 0.7 * special.ndtr((mean - b) / deviation)


@app.cell
def _(source_path, target_path):
    # The folder lives as long as the notebook.
    folder = tempfile.TemporaryDirectory(prefix="rmt_alpha_")
    paths = [source_path.value.strip(), target_path.value.strip()]
    example = None if any(paths) else Example()
    if example:
        paths = [str(Path(folder.name) / f"{task}.csv") for task in ("source", "target")]
        for _path, _task in zip(paths, ("source", "target"), strict=True):
            example.frames[_task].to_csv(_path)  # with its index, as happens
    tasks, complaint = None, ""
    try:
        tasks = [read_rows(path) for path in paths]
        decision = choose_alpha(*((X, y) for X, y, _ in tasks))
    except (ValueError, OSError) as error:
        complaint, decision = str(error), None
        if mo.app_meta().mode == "script":
            print(complaint, file=sys.stderr)
            raise SystemExit(2) from None
    _left_out = sorted({name for _, _, names in tasks or [] for name in names})
    _note = f" Left out, since it only numbers the rows: {', '.join(_left_out)}." if _left_out else ""
    mo.callout(mo.md(complaint), kind="danger") if complaint else mo.md(f"Read {paths[0]} and {paths[1]}.{_note}")
    return decision, example, tasks


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1. The decision

    Each α is judged by rows that its fit has not seen: leaving one row out is exact and costs nothing here (`docs/alpha_from_data.md`). Where a few rows do not tell, random-matrix
    theory and the expectation that a source helps rather than hurts fill in; the interval says how much they leave open.
    """)
    return


@app.cell
def _(decision):
    mo.stop(decision is None, mo.md("*Everything below waits for files that can be read.*"))
    print(decision.verdict)
    _rows = [(k if k == "chosen" else f"α = {k}", e.percent(), decision.gain[k].percent(signed=True) if k in decision.gain else "")
             for k, e in decision.accuracy.items()]  # fmt: skip
    mo.vstack([mo.md(f"**{decision.verdict}**"),
               table(pd.DataFrame(_rows, columns=["", "accuracy, 90 % interval", "gain of the chosen, points"]))])  # fmt: skip
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2. The curve

    The share of left-out rows on the right side, at every α. The curve moves up and down as a whole with the luck of the sample, so a *difference* between two α is better known than
    the band is wide. The line of theory is where the curve lies if scores are Gaussian, with the mean and variance that the left-out rows show.
    """)
    return


@app.cell
def _(decision):
    _fig, _axes = plotting.figure(width=5.5, height=3.2)
    draw_curve(_axes[0, 0], decision)
    _fig
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3. Whose mean and deviation?

    A ridge penalty means nothing without units, so features are scaled. A few rows say little of a deviation: next to unlabelled target rows, or the source's together with their
    own, scaling by themselves costs points of accuracy. `scaling_rows` decides; with an intercept the mean does not matter.
    """)
    return


@app.cell
def _(tasks):
    (_source, _, _), (_target, _, _) = tasks
    _rows = [(s.origin, float(np.median(s.deviation)), float((s.deviation / scaling_rows(_source).deviation).std()))
             for s in (scaling_rows(_target), scaling_rows(_target, _source))]  # fmt: skip
    table(pd.DataFrame(_rows, columns=["scaled by", "median deviation", "spread of its ratio to the source's"]), 3)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4. The classifier, to keep

    Linear, on the features as they come; saved as JSON, which any language reads and which holds no code.
    """)
    return


@app.cell
def _(decision, example):
    saved = decision.saved()
    if example:
        true = {"taken": example.accuracy(saved)}
        for _name, _value in (("1", 1.0), ("0", 0.0)):
            _other = choose_alpha(
                *((f.drop(columns="label"), f["label"].to_numpy()) for f in example.frames.values()), alpha=_value
            )
            true[_name] = example.accuracy(_other.saved())
        print("True accuracy on fresh rows: " + ", ".join(f"{k} {v:.3f}" for k, v in true.items()))
        _fresh = np.random.default_rng(1)
        _yes = _fresh.random(40_000) < 0.3
        _x = (2 * _yes[:, None] - 1) * example.means["target"] + _fresh.standard_normal((40_000, 60)) @ example.root.T
        _hits = np.mean((saved.predict(example.offset + example.scale * _x) == "yes") == _yes)
        agrees(
            "the exact accuracy against 40 000 drawn rows",
            (true["taken"] - _hits) / np.sqrt(_hits * (1 - _hits) / 40_000),
        )
    mo.json({"alpha": saved.about["alpha"], "classes": list(map(str, saved.classes)), "weights": len(saved.coef[0])})
    return


if __name__ == "__main__":
    app.run()
