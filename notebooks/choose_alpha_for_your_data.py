import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Choose α for your data")

with app.setup:
    import io
    import sys
    import tempfile
    from pathlib import Path

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from checks import agrees, table
    from scipy import special
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, StratifiedShuffleSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from rmt_alpha import plotting
    from rmt_alpha.alpha_rules import leave_one_out
    from rmt_alpha.estimators import AlphaRidgeClassifier

    plt.rcParams.update(plotting.STYLE)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Choose α for your data

    You have many labelled rows of one task, the *source*, and few of another, the *target*, with the same features. A ridge classifier
    $\tilde w$ is trained on the source, frozen, scaled by $\alpha$ and corrected on the target:

    $$w_\alpha = \alpha\tilde w + a,\qquad a = \arg\min_a\frac1{2n}\sum_i\bigl(y_i-x_i^\top(\alpha\tilde w+a)\bigr)^2+\frac\gamma2\|a\|^2.$$

    $\alpha=0$ ignores the source, $\alpha=1$ is ordinary fine-tuning, and the best $\alpha$ depends on both tasks and both sample sizes. Here it is
    chosen from the $n$ target rows alone, without a validation set, and then put to the test.

    **Your file** is a CSV with one row a sample: a column `task` (`source` or `target`), a column `label` (two values), and numeric features.
    Give its path or drop it below; from a shell, `python notebooks/choose_alpha_for_your_data.py -- --csv FILE`. Nothing leaves this machine.
    """)
    return


@app.cell
def _():
    path = mo.ui.text(
        value=str(mo.cli_args().get("csv") or ""),
        placeholder="path of a CSV; empty: the example",
        label="path",
        full_width=True,
    )
    upload = mo.ui.file(filetypes=[".csv"], kind="button", label="or upload a CSV")
    mo.hstack([path, upload], widths=[3, 1], align="center")
    return path, upload


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1. The rows

    Without a file, an example is written to a temporary folder: 60 correlated features in arbitrary units, 400 source and 100 target rows, classes that
    point in related but different directions.
    """)
    return


@app.class_definition
class Example:
    """Two related tasks whose truth is known: x = offset + scale·(±μ + C^{1/2}ζ)."""

    def __init__(self, seed=0, p=60, n_source=400, n_target=100):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.standard_normal((p, p)))[0]
        self.root = np.sqrt(np.linspace(0.2, 2, p))[:, None] * basis
        self.offset, self.scale = 10 * rng.standard_normal(p), np.exp(rng.standard_normal(p))
        source, other = rng.standard_normal((2, p)) / np.sqrt(p)
        self.means = {"source": 1.2 * source, "target": 0.6 * source + 0.4 * other}
        frames = []
        for task, n in (("source", n_source), ("target", n_target)):
            x, y = self.sample(rng, task, n)
            frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(p)])
            frame.insert(0, "label", np.where(y, "yes", "no"))
            frame.insert(0, "task", task)
            frames.append(frame)
        self.frame = pd.concat(frames)

    def sample(self, rng, task, n):
        """n rows, half of each class, and whether each is a "yes"."""
        y = rng.permutation(np.arange(n) % 2)
        x = (2 * y[:, None] - 1) * self.means[task] + rng.standard_normal((n, len(self.root))) @ self.root
        return self.offset + self.scale * x, y == 1

    def accuracy(self, weights, threshold):
        """The exact accuracy on fresh target rows of: "yes" where xᵀ weights > threshold."""
        w = self.scale * weights
        centre, mean = self.offset @ weights - threshold, self.means["target"] @ w
        deviation = np.linalg.norm(self.root @ w)
        return (special.ndtr((mean + centre) / deviation) + special.ndtr((mean - centre) / deviation)) / 2


@app.function
def read_tasks(file):
    """X and labels of both tasks from a CSV; ValueError says what is wrong with it, and the remedy."""
    try:
        frame = pd.read_csv(file)
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {file}. Check the path, or leave it empty for the example.") from error
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(
            f"The file cannot be read as CSV: {error}. Save it as comma-separated UTF-8 text with a header line."
        ) from error
    for column in ("task", "label"):
        if column not in frame:
            raise ValueError(
                f"The CSV has no column `{column}`; its columns are {', '.join(map(str, frame.columns[:8]))}. Add it: one value a row."
            )
    unknown = sorted(set(frame["task"].astype(str)) - {"source", "target"})
    if unknown:
        raise ValueError(
            f"The column `task` holds {unknown[0]!r}; it may only hold 'source' and 'target'. Rename or drop those rows."
        )
    features = frame.drop(columns=["task", "label"])
    if features.shape[1] == 0:
        raise ValueError(
            "The CSV has no features: columns other than `task` and `label`. Add at least one numeric column."
        )
    for column in features:
        numbers = pd.to_numeric(features[column], errors="coerce")
        bad = ~np.isfinite(numbers)
        if bad.any():
            line = int(np.argmax(bad)) + 2
            raise ValueError(
                f"The feature `{column}` is not a finite number in line {line} ({str(features[column].iloc[np.argmax(bad)])!r}). "
                "Fill or drop missing values, and encode words as numbers."
            )
        features[column] = numbers
    classes = sorted(frame["label"].dropna().unique().tolist())
    if frame["label"].isna().any() or len(classes) != 2:
        raise ValueError(
            f"The column `label` must hold exactly two values and no gaps, got {len(classes)}: {classes[:5]}. Drop the other rows."
        )
    tasks = {}
    for task, least in (("source", 5), ("target", 10)):
        rows = (frame["task"] == task).to_numpy()
        counts = [int(np.sum(frame["label"][rows] == c)) for c in classes]
        if min(counts) < least:
            raise ValueError(
                f"The {task} has {counts[0]} rows of {classes[0]!r} and {counts[1]} of {classes[1]!r}; at least {least} of each are needed."
            )
        tasks[task] = features[rows].to_numpy(float), frame["label"][rows].to_numpy()
    return tasks


@app.cell
def _(path, upload):
    # The folder lives as long as the notebook.
    folder = tempfile.TemporaryDirectory(prefix="rmt_alpha_")
    given = upload.contents() is not None or path.value.strip()
    example = None if given else Example()
    if example:
        _file = Path(folder.name) / "example.csv"
        example.frame.to_csv(_file, index=False)
    elif upload.contents() is not None:
        _file = io.BytesIO(upload.contents())
    else:
        _file = Path(path.value.strip()).expanduser()
    tasks, complaint = None, ""
    try:
        tasks = read_tasks(_file)
    except ValueError as error:
        complaint = str(error)
        if mo.app_meta().mode == "script":
            print(complaint, file=sys.stderr)
            raise SystemExit(2) from None
    mo.callout(mo.md(complaint), kind="danger") if complaint else mo.md(f"Read `{upload.name() or _file}`.")
    return example, tasks


@app.cell
def _(tasks):
    mo.stop(tasks is None, mo.md("*Everything below waits for a file that can be read.*"))
    (source_X, source_y), (X, y) = tasks["source"], tasks["target"]
    _rows = [(task, *rows[0].shape, *np.unique(rows[1], return_counts=True)[1]) for task, rows in tasks.items()]
    _columns = ["task", "rows", "features", *(f"labelled {c}" for c in np.unique(y))]
    table(pd.DataFrame(_rows, columns=_columns))
    return X, source_X, source_y, y


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2. The source classifier

    The model has no intercept, and a ridge penalty means nothing without units. So each task is centred and scaled by its own rows; labels are not
    looked at. $\tilde w$ is plain ridge on the source. Its penalty $\tilde\gamma$ is chosen by five-fold cross-validation of the whole pipeline, scaling included, by the area
    under the ROC curve, which is smoother than the accuracy.
    """)
    return


@app.function
def pipeline(**options):
    """Centre, scale, and a ridge classifier."""
    return make_pipeline(StandardScaler(), AlphaRidgeClassifier(**options))


@app.function
def cross_validated(X, y, **options):
    """The pipeline with the penalty of the best cross-validated ROC area, fitted on all rows."""
    grid = {"alpharidgeclassifier__gamma": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]}
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return GridSearchCV(pipeline(**options), grid, scoring="roc_auc", cv=folds).fit(X, y).best_estimator_


@app.cell
def _(X, source_X, source_y, y):
    _source = cross_validated(source_X, source_y)[-1]
    w_source = _source.coef_[0]
    # No label of the target has trained it, so no test set is needed.
    _scores = StandardScaler().fit_transform(X) @ w_source
    _right = np.mean(_source.classes_[(_scores > 0).astype(int)] == y)
    mo.md(
        f"γ̃ = {_source.gamma_:g}. As it is, without any training on the target, w̃ classifies {_right:.1%} of the {len(y)} target rows correctly."
    )
    return (w_source,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3. α from the target rows

    `alpha="auto"` combines exact leave-one-out scores with the random-matrix theory of what $n$ rows cannot tell (`docs/alpha_from_data.md`). `alpha_se_` is its standard error;
    `reliable_` is false where the target's own signal does not stand three standard errors above zero, and then the standard error should not be believed.
    The target's penalty $\gamma$:
    """)
    return


@app.cell
def _():
    penalty = mo.ui.dropdown(
        ["by cross-validation", "0.1", "1", "10", "100"], value="by cross-validation", label="penalty γ"
    )
    penalty
    return (penalty,)


@app.cell
def _(X, penalty, w_source, y):
    if penalty.value == "by cross-validation":
        fitted = cross_validated(X, y, alpha="auto", w_source=w_source)
    else:
        fitted = pipeline(alpha="auto", gamma=float(penalty.value), w_source=w_source).fit(X, y)
    scaler, model = fitted
    print(
        f"alpha_ = {model.alpha_:.3f}, alpha_se_ = {model.alpha_se_:.3f}, reliable_ = {model.reliable_}, gamma = {model.gamma_:g}"
    )
    mo.hstack(
        [
            mo.stat(f"{model.alpha_:.2f}", label="alpha_"),
            mo.stat(f"± {model.alpha_se_:.2f}", label="alpha_se_"),
            mo.stat("yes" if model.reliable_ else "no", label="reliable_"),
            mo.stat(f"{model.gamma_:g}", label="gamma"),
        ],
        justify="start",
        gap=3,
    )
    return model, scaler


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Why not leave-one-out for the penalty, too?** The classifier offers `gamma="loo"`. It is right for features that were centred by *other* rows, for instance unlabelled ones. Rows centred by their
    own mean add up to zero: each is minus the sum of the others. Where $n\le p$ and $\gamma\to0$, a classifier that fits the others exactly gives the row left out minus the sum of
    *their* labels, which is its own label if the classes are balanced. Leave-one-out on pure noise, 80 rows of 100 features:
    """)
    return


@app.cell
def _():
    _X, _y = np.random.default_rng(0).standard_normal((80, 100)), np.repeat([-1.0, 1.0], 40)

    def _accuracy(rows, gamma):
        return np.mean(next(leave_one_out(rows, _y, np.ones((1, 100)), [gamma])).margins[0] > 0)

    _gammas = (0.001, 0.1, 1.0, 10.0)
    leak = pd.DataFrame(
        {
            "γ": _gammas,
            "as drawn": [_accuracy(_X, g) for g in _gammas],
            "centred by its own mean": [_accuracy(_X - _X.mean(axis=0), g) for g in _gammas],
        }
    )
    table(leak, 3)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4. What the rows say of every α

    $w_\alpha$ is affine in $\alpha$, so leave-one-out gives each row two numbers, and with them its margin $g_{0i}+\alpha g_{1i}$ at *every* $\alpha$, by a classifier that has not
    seen that row. With their mean $c$ and covariance $M$, and $a=(1,\alpha)$,

    $$\text{accuracy}(\alpha)\approx\Phi\Bigl(\frac{c^\top a}{\sqrt{a^\top Ma}}\Bigr).$$

    Band: 90 % of 500 resamplings of the rows' margins. It tells how much the curve depends on which rows you happen to have. The curve moves up and down as a whole, so the *difference* between two
    values of $\alpha$ is better known than the band is wide. `auto` need not sit on the peak: the peak of the curve is the plain leave-one-out rule, which is noisier.
    """)
    return


@app.function
def accuracy_curve(margins, alpha):
    """Φ(cᵀa/√(aᵀMa)) from margins (2, n) of rows at α⁰ and α¹."""
    c, M = margins.mean(axis=1), np.cov(margins)
    return special.ndtr((c[0] + alpha * c[1]) / np.sqrt(M[0, 0] + 2 * alpha * M[0, 1] + alpha**2 * M[1, 1]))


@app.cell
def _(X, model, scaler, w_source, y):
    _signs = np.where(y == model.classes_[1], 1.0, -1.0)
    margins = next(leave_one_out(scaler.transform(X), _signs, w_source[None], [model.gamma_])).margins
    _reach = 2.5 * max(2.0, abs(model.alpha_))
    grid = np.linspace(-0.4 * _reach, _reach, 281) if model.alpha_ >= 0 else np.linspace(-_reach, 0.4 * _reach, 281)
    _rng = np.random.default_rng(0)
    _resampled = [accuracy_curve(margins[:, _rng.integers(len(y), size=len(y))], grid) for _ in range(500)]
    band = np.quantile(_resampled, (0.05, 0.95), axis=0)
    return band, grid, margins


@app.cell
def _(band, grid, margins, model):
    _fig, _axes = plotting.figure(width=7.2, height=3.0)
    _ax = _axes[0, 0]
    _ax.fill_between(grid, *band, color="0.87", label="90 % of resamplings")
    plotting.theory_line(_ax, grid, accuracy_curve(margins, grid), 0, label="from leave-one-out margins")
    for _i, (_name, _alpha) in enumerate((("auto", model.alpha_), ("α = 1", 1.0), ("α = 0", 0.0))):
        _place = float(accuracy_curve(margins, _alpha))
        _ax.plot(
            _alpha,
            _place,
            plotting.MARKERS[_i],
            color=plotting.COLORS[1 + _i],
            ms=7,
            zorder=5,
            label=f"{_name}: {_place:.3f}",
        )
    _ax.axvspan(
        model.alpha_ - model.alpha_se_, model.alpha_ + model.alpha_se_, color=plotting.COLORS[1], alpha=0.12, lw=0
    )
    _ax.set(xlabel="α (shaded: alpha_ ± alpha_se_)", ylabel="predicted accuracy", xlim=grid[[0, -1]])
    _fig.legend(loc="outside right upper")
    _fig
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 5. Put to the test

    Split the target rows in halves, again and again: train on one (scaling by that half alone and choosing $\alpha$ anew; $\gamma$ is kept), test on the other. Resampling with
    replacement would not do here: a row that stands in the sample twice is never left out.

    Halves overlap, so the scatter over splits is no standard error. The table's is Nadeau and Bengio's, $\mathrm{sd}\,\sqrt{1/J+n_{\text{test}}/n_{\text{train}}}$ for $J$ splits: cautious, as it should be. Note that
    half the rows train, so your classifier from all of them should do better, and its best $\alpha$ need not be the same.
    """)
    return


@app.cell
def _():
    splits = mo.ui.slider(20, 400, step=20, value=100, show_value=True, label="splits")
    splits
    return (splits,)


@app.cell
def _(X, model, splits, w_source, y):
    _halves = StratifiedShuffleSplit(splits.value, test_size=0.5, random_state=0).split(X, y)
    halves = []
    for _train, _test in _halves:
        _fits = {
            rule: pipeline(alpha=alpha, gamma=model.gamma_, w_source=w_source).fit(X[_train], y[_train])
            for rule, alpha in (("auto", "auto"), ("α = 1", 1.0), ("α = 0", 0.0))
        }
        _scores = {rule: fit.score(X[_test], y[_test]) for rule, fit in _fits.items()}
        halves.append({"alpha": _fits["auto"][-1].alpha_} | _scores)
    halves = pd.DataFrame(halves)
    return (halves,)


@app.cell
def _(halves):
    _rules = ["auto", "α = 1", "α = 0"]
    _factor = np.sqrt(1 / len(halves) + 1)  # as many rows test as train
    _gain = halves[["auto"]].to_numpy() - halves[_rules].to_numpy()
    summary = pd.DataFrame(
        {
            "rule": _rules,
            "accuracy": halves[_rules].mean().to_numpy(),
            "± s.e.": halves[_rules].std().to_numpy() * _factor,
            "auto is better by": _gain.mean(axis=0),
            "± s.e. of that": _gain.std(axis=0, ddof=1) * _factor,
        }
    )
    print(summary.round(4).to_string(index=False))
    table(summary, 3)
    return (summary,)


@app.cell
def _(halves, model):
    _fig, _axes = plotting.figure(columns=2, width=3.6, height=2.7)
    _low, _high = np.quantile(halves.alpha, (0.01, 0.99))
    _axes[0, 0].hist(halves.alpha.clip(_low, _high), 24, color=plotting.COLORS[0], alpha=0.5)
    _axes[0, 0].axvline(model.alpha_, color="black", lw=1, label="from all rows")
    _axes[0, 0].axvspan(
        model.alpha_ - model.alpha_se_, model.alpha_ + model.alpha_se_, color="0.8", alpha=0.5, label="± alpha_se_"
    )
    _axes[0, 0].set(xlabel="α̂ from half of the rows", ylabel="splits")
    _axes[0, 0].legend()
    _rules = ("auto", "α = 1", "α = 0")
    _axes[0, 1].boxplot([halves[r] for r in _rules], tick_labels=_rules, widths=0.5, medianprops={"color": "black"})
    _axes[0, 1].set_ylabel("accuracy on the other half")
    _fig
    return


@app.cell
def _(X, example, model, scaler, w_source, y):
    # Only the example knows the truth.
    mo.stop(example is None)

    def _truth(fit):
        weights = fit.coef_[0] / scaler.scale_
        return example.accuracy(weights, weights @ scaler.mean_)

    _fixed = [pipeline(alpha=a, gamma=model.gamma_, w_source=w_source).fit(X, y)[-1] for a in (1.0, 0.0)]
    truth = [_truth(fit) for fit in (model, *_fixed)]
    _fresh, _labels = example.sample(np.random.default_rng(1), "target", 20_000)
    _measured = np.mean((scaler.transform(_fresh) @ model.coef_[0] > 0) == _labels)
    _line = f"True accuracy on fresh rows: auto {truth[0]:.4f}, α = 1 {truth[1]:.4f}, α = 0 {truth[2]:.4f}."
    print(_line)
    mo.vstack(
        [
            mo.callout(f"This is the example, so the truth is known. {_line}", kind="info"),
            agrees(
                f"auto on 20 000 fresh rows {_measured:.4f}",
                (_measured - truth[0]) / np.sqrt(truth[0] * (1 - truth[0]) / 20_000),
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 6. In your own code
    """)
    return


@app.cell
def _(model, summary):
    _better = summary.set_index("rule")["auto is better by"]
    _verdict = (
        f"α = {model.alpha_:.2f} ± {model.alpha_se_:.2f}"
        + ("" if model.reliable_ else " (do not believe this standard error: look at the scatter over halves)")
        + f". Trained on half of the rows and tested on the other: {100 * _better['α = 1']:+.1f} points against α = 1, {100 * _better['α = 0']:+.1f} against α = 0."
    )
    print(_verdict)
    mo.md(f"""
    {_verdict}

    ```python
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from rmt_alpha.estimators import AlphaRidgeClassifier

    source = make_pipeline(StandardScaler(), AlphaRidgeClassifier(gamma=1.0)).fit(source_X, source_y)
    ridge = AlphaRidgeClassifier(alpha="auto", gamma={model.gamma_:g}, w_source=source[-1].coef_[0])
    make_pipeline(StandardScaler(), ridge).fit(X, y).predict(X_new)
    ```
    """)
    return


if __name__ == "__main__":
    app.run()
