"""`choose`: from two files to α, its interval, what the source is worth, a picture and a fitted classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from ..files import write_whole
from .options import as_json, table, writing

LOAD = "from rmt_alpha.estimate import load_classifier; load_classifier({model!r})"
FOR_ROWS = f"For new rows, in Python: {LOAD}.predict(X), X a DataFrame with these columns."
FOR_TEXTS = f"For new texts, in Python: from rmt_alpha.data.embed import embed; {LOAD}.predict(embed(texts))."
GAINS = (
    "Points and accuracies have {level:.0f} % intervals, α a 95 % one. Gains weigh each left-out row by how clearly it is right or wrong: "
    "they are not the differences of the accuracies."
)
NAMES = {"chosen": "α chosen", "1": "α = 1", "0": "α = 0"}


def choose(
    source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SOURCE")],
    target: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TARGET")],
    /,
    unlabelled: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    label: Annotated[str, tyro.conf.arg(metavar="COLUMN")] = "label",
    text: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None,
    out: Annotated[Path, tyro.conf.arg(metavar="PREFIX")] = Path("alpha"),
    json: bool = False,
) -> str:
    """Choose α for a target from its few labelled rows: does the source help, with which α, and how sure is that?

    Files: CSV or TSV with a header, Parquet, NPZ with X and y, or X.npy,y.npy. One column holds the labels, numbers or words; all
    others are features and must be numeric, but columns that only number the rows are left out. Writes PREFIX.png, the curve of
    accuracy against α, and PREFIX.json, the classifier.

    Args:
        source: Labelled rows of the source task; or a classifier that this command saved (.json).
        target: Labelled rows of the target task, with the same columns in any order. Rows without a label count as unlabelled.
        unlabelled: More rows of the target task, used to scale the features; a label column is ignored.
        label: The column of labels, the same name in every file.
        text: A column of texts, embedded by a language model (extra lm); it replaces all other columns.
        out: Where to write: PREFIX.png and PREFIX.json.
        json: One line of JSON.
    """
    import pandas as pd  # here, as below: scikit-learn takes a second to import

    from ..estimate import choose_alpha, load_classifier
    from ..estimate.tables import read_rows, split_labelled

    out = out.expanduser()
    if not out.name or out.is_dir():
        raise ValueError(
            f"out must be the beginning of two files' names, got the folder '{out}'. Write {out / 'alpha'}, say."
        )
    picture, model = (out.with_name(out.name + suffix) for suffix in (".png", ".json"))
    if model.resolve() == Path(source).expanduser().resolve():
        raise ValueError(
            f"out must not be where SOURCE lies, got '{out}': {model} would be overwritten. Choose another."
        )
    if source.endswith(".json"):
        given: Any = load_classifier(source)
        X, y, left_out = read_rows(target, label, text, keep=given.features or ())
    else:
        X, y, left_out = read_rows(target, label, text)
        source_X, source_y, also = read_rows(source, label, text)
        if pd.isna(source_y).any():
            row = int(pd.isna(source_y).argmax()) + 1
            raise ValueError(f"{source} has no label in row {row} of column {label!r}. Drop such rows.")
        left_out = sorted({*left_out, *also})  # a number of the rows in one file is one in the other
        X, source_X = (rows.drop(columns=[c for c in left_out if c in rows]) for rows in (X, source_X))
        given = source_X, source_y
    X, y, more = split_labelled(X, y)
    if unlabelled is not None:
        others, _, _ = read_rows(unlabelled, None, text, ignore=label)
        others = others.drop(columns=[c for c in left_out if c in others])
        more = others if more is None else pd.concat([others, more], join="inner")
    decision = choose_alpha(given, (X, y), more)
    with writing(out):
        draw(decision, picture)
        decision.saved().save(model)
    if json:
        return as_json(
            alpha=decision.alpha,
            interval=list(decision.interval),
            take=decision.take,
            gamma=decision.gamma,
            accuracy={k: vars(v) for k, v in decision.accuracy.items()},
            gain={k: vars(v) for k, v in decision.gain.items()},
            verdict=decision.verdict,
            rows=decision.n,
            unlabelled=0 if more is None else len(more),
            left_out=left_out,
            picture=str(picture),
            model=str(model),
        )
    use = (FOR_ROWS if text is None else FOR_TEXTS).format(model=str(model))
    return f"{report(decision, 0 if more is None else len(more), left_out, picture, model)}\n{use}"


def report(decision: Any, unlabelled: int, left_out: list[str], picture: Path, model: Path) -> str:
    """What is printed: the verdict, then the numbers."""
    from ..estimate.tables import some

    share = f"{100 * decision.level:.0f} % interval"
    rows = [[NAMES[k], e.percent(), "" if k == "chosen" else decision.gain[k].percent(signed=True)]
            for k, e in decision.accuracy.items()]  # fmt: skip
    numbers = table(["", f"accuracy, {share}", "gain of the chosen, points"], rows, left=True)
    lines = [decision.verdict, "", numbers, "", GAINS.format(level=100 * decision.level)]
    if decision.features is not None:
        lines.append(f"{len(decision.features)} features: {some(decision.features)}.")
    if decision.curve.distance is not None:
        lines.append(f"Theory's curve lies {100 * decision.curve.distance:.1f} points (RMS) from the measured one.")
    if decision.scaling is not None:
        lines.append(f"Features scaled by {decision.scaling.origin}.")
    lines.append(f"{decision.n} different labelled rows of the target, {unlabelled} without a label.")
    if left_out:
        lines.append(f"Left out, since it only numbers the rows: {', '.join(left_out)}.")
    lines.append(f"γ = {decision.gamma:.3g}. Wrote {picture}, and {model}, the classifier at α = {decision.take:.3g}.")
    return "\n".join(lines)


def draw(decision: Any, path: Path) -> None:
    """The curve of accuracy over α."""
    from .. import plotting

    with plotting.style():
        figure, axes = plotting.figure(width=5.2, height=3.2)
        draw_curve(axes[0, 0], decision)
        write_whole(path, plotting.to_bytes(figure, path.suffix[1:]))


def draw_curve(ax: Any, decision: Any) -> None:
    """Accuracy over α with its band, theory's curve, the interval of α, and α = 0, 1 and the chosen one."""
    from .. import plotting

    curve = decision.curve
    ax.plot(
        curve.alpha, 100 * curve.accuracy, color="0.35", lw=1.0, label=rf"left-out rows, $\gamma={curve.gamma:.3g}$"
    )
    ax.fill_between(curve.alpha, 100 * curve.accuracy_low, 100 * curve.accuracy_high, color="0.88", lw=0,
                    label=f"their {100 * curve.level:.0f} % band")  # fmt: skip
    if curve.theory is not None:
        plotting.theory_line(ax, curve.alpha, 100 * curve.theory, 0, label="theory: Gaussian scores")
    low, high = (max(min(v, curve.alpha[-1]), curve.alpha[0]) for v in decision.interval)
    ax.axvspan(low, high, color=plotting.COLORS[1], alpha=0.12, lw=0, label=r"95 % interval of $\alpha$")
    own = r"own $\gamma$"
    marks = {
        "chosen": (decision.alpha, r"$\alpha$ chosen"),
        "1": (1.0, rf"$\alpha=1$, {own}"),
        "0": (0.0, rf"$\alpha=0$, {own}"),
    }
    for i, (key, (alpha, name)) in enumerate(marks.items()):
        value = 100 * decision.accuracy[key].value
        look = {"color": plotting.COLORS[i + 1], "ms": 6, "zorder": 5}
        ax.plot(alpha, value, plotting.MARKERS[i], label=f"{name}: {value:.1f} %", **look)
    ax.set(xlabel=r"$\alpha$", ylabel="accuracy (%)", xlim=(curve.alpha[0], curve.alpha[-1]))
    ax.legend(fontsize=7)
