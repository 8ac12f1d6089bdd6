"""Rows and labels from files: CSV, Parquet, NPZ, a pair of .npy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SUFFIXES = ".csv, .tsv, .parquet, .npz, or two .npy files with a comma between them: X.npy,y.npy"
TEXT_DIGITS = 6  # an embedding has single precision and length 1
FEWEST_NUMBERED = 10  # rows from which a running number is taken for one
GAPS = ("", "nan", "NaN")  # what is no label; "None", "NA" or "null" may well be the name of a class
GAPS_ELSEWHERE = (*GAPS, "-nan", "-NaN", "NA", "<NA>", "N/A", "n/a", "#N/A", "NULL", "null", "None")


def read_rows(
    path: str, label: str | None = "label", text: str | None = None, ignore: str | None = None, keep: Any = ()
) -> tuple[pd.DataFrame, np.ndarray | None, list[str]]:
    """Features, labels (None where `label` is None), and the columns left out because they only number the rows.

    A CSV saved with its index has a column that looks like a feature and, where rows are sorted by class, predicts the label: columns of
    distinct consecutive whole numbers, and any without a name, are left out. `text` names a column of texts to embed, in place of all
    others; `ignore` a column to leave out, `keep` those that are features, whatever they hold.
    """
    frame = _frame(path, label)
    frame = frame.drop(columns=[ignore] if ignore in frame else [])
    labels = None
    if label is not None:
        if label not in frame:
            raise ValueError(f"{path} has no column {label!r}. {_what_there_is(frame)}")
        labels = _labels(path, frame.pop(label))
    if text is not None:
        if text not in frame:
            raise ValueError(f"{path} has no column {text!r} of texts; its columns are {some(frame.columns)}.")
        if frame[text].isna().any():
            row = int(np.argmax(frame[text].isna())) + 1
            raise ValueError(f"{path} has no text in row {row} of column {text!r}. Drop the row.")
        from ..data.embed import embed  # here: it needs the extra lm

        # some dimensions of an encoder are dead, and hold rounding that a scaling by deviations would blow up
        vectors = np.round(embed([str(v) for v in frame[text]]), TEXT_DIGITS)
        return pd.DataFrame(vectors, columns=[f"e{i}" for i in range(vectors.shape[1])]), labels, []
    numbering = [str(c) for c in frame.columns if c not in keep and _numbers_rows(c, frame[c])]
    frame = frame.drop(columns=numbering)
    if frame.shape[1] == 0:
        raise ValueError(f"{path} has no features: columns other than the label. Add at least one numeric column.")
    return _as_numbers(path, frame), labels, numbering


def split_labelled(X: pd.DataFrame, y: Any) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame | None]:
    """Rows with a label, their labels, and the other rows (None where there are none)."""
    known = pd.notna(y)
    return X[known], np.asarray(y[known].tolist()), None if known.all() else X[~known]


def _labels(path: str, column: pd.Series) -> np.ndarray:
    """Classes; None where a row has none."""
    labels, gaps = column.to_numpy(), column.isna().to_numpy()
    if labels.dtype.kind == "f":
        if (fractional := ~gaps & (labels % 1 != 0)).any():
            raise ValueError(
                f"{path}: column {column.name!r} must hold classes, got real numbers such as {labels[fractional][0]:g}. "
                "Name another with --label."
            )
        if gaps.any():  # whole numbers became real ones to make room for gaps
            labels = labels.astype(object)
            labels[~gaps] = labels[~gaps].astype(int)
    if gaps.any():
        labels = labels.astype(object)
        labels[gaps] = None
    return labels


def _as_numbers(path: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as finite floats; ValueError that names every column that has words or gaps."""
    numbers = frame.apply(pd.to_numeric, errors="coerce").astype(float)
    bad = ~np.isfinite(numbers)
    words = [c for c in frame if (bad[c] & frame[c].notna()).any()]
    gaps = [c for c in frame if bad[c].any() and c not in words]
    if words:
        row = int(np.argmax(bad[words[0]] & frame[words[0]].notna()))
        raise ValueError(
            f"{path}: not a finite number in row {row + 1} of column {words[0]!r}: {str(frame[words[0]].iloc[row])[:40]!r}. "
            f"Encode as numbers, or drop: {some(words)}. A column of texts to embed is named with --text."
        )
    if gaps:
        row, rows = int(np.argmax(bad[gaps[0]])), int(bad.any(axis=1).sum())
        raise ValueError(
            f"{path}: no value in row {row + 1} of column {gaps[0]!r}; {rows} of {len(frame)} rows have gaps. "
            f"Fill them, in source and target alike, or drop those rows, or the columns {some(gaps)}."
        )
    return numbers


def _frame(path: str, label: str | None) -> pd.DataFrame:
    if "," in path and not Path(path).exists():
        return _pair(path, label)
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    suffix = file.suffix.lower()
    if suffix in (".csv", ".tsv"):
        sep = "\t" if suffix == ".tsv" else ","
        with _reading(path):
            names = pd.read_csv(file, sep=sep, nrows=0).columns
            gaps = {name: list(GAPS if name == label else GAPS_ELSEWHERE) for name in names}
            return pd.read_csv(file, sep=sep, keep_default_na=False, na_values=gaps)
    if suffix == ".parquet":
        with _reading(path):
            return pd.read_parquet(file)
    if suffix == ".npz":
        return _arrays(path, _loaded(file), label)
    if suffix == ".npy" and label is None:
        return _named(path, _one(file))
    raise ValueError(f"{path} must end in {SUFFIXES}.")


def _pair(path: str, label: str | None) -> pd.DataFrame:
    files = [Path(part.strip()).expanduser() for part in path.split(",")]
    missing = [str(f) for f in files if not f.is_file()]
    if missing or len(files) != 2 or label is None:
        what = f"there is no file {missing[0]}" if missing else "two files, rows and labels, are needed"
        raise ValueError(f"{path}: {what}. Files may be {SUFFIXES}.")
    return _arrays(path, {"X": _one(files[0]), "y": _one(files[1])}, label)


def _loaded(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name, the one of an .npy as X."""
    with _reading(file):
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"X": found}
        with found:
            return dict(found)


def _one(file: Path) -> np.ndarray:
    arrays = list(_loaded(file).values())
    if len(arrays) != 1:
        raise ValueError(f"{file} must hold one array, got {len(arrays)}. Save it with np.save.")
    return arrays[0]


@contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    """Each format has errors of its own for a damaged file; all of them come with the file's name."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError(f"{path} cannot be read: {error}") from error
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {str(error) or type(error).__name__}") from error


def _arrays(path: str, arrays: dict[str, np.ndarray], label: str | None) -> pd.DataFrame:
    """A frame from the one matrix and the one vector among the arrays."""
    matrices = [a for a in arrays.values() if a.ndim == 2]
    vectors = [a for k, a in arrays.items() if a.ndim == 1 and (k in ("y", label) or len(arrays) == 2)]
    if len(matrices) != 1 or (label is not None and len(vectors) != 1):
        shapes = {k: a.shape for k, a in arrays.items()}
        raise ValueError(f"{path} must hold one array X (rows, features) and one array y (rows,), got {shapes}.")
    frame = _named(path, matrices[0])
    if label is not None:
        if len(vectors[0]) != len(frame):
            raise ValueError(f"{path} has {len(frame)} rows and {len(vectors[0])} labels. They must be equally many.")
        frame[label] = vectors[0]
    return frame


def _named(path: str, X: np.ndarray) -> pd.DataFrame:
    if X.ndim != 2:
        raise ValueError(f"{path} must hold rows (rows, features), got shape {X.shape}.")
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def _numbers_rows(name: Any, column: pd.Series) -> bool:
    if str(name).startswith("Unnamed:"):
        return True
    if column.dtype.kind not in "iu" or len(column) < FEWEST_NUMBERED:
        return False
    return bool(column.is_unique and column.max() - column.min() == len(column) - 1)


def _what_there_is(frame: pd.DataFrame) -> str:
    """What a file without the wanted label has, and what to do."""
    names = [str(name) for name in frame.columns]
    if len(names) == 1 and ";" in names[0]:
        return "It is separated by semicolons: save it with commas, or with tabs as .tsv."
    if pd.to_numeric(pd.Series(names), errors="coerce").notna().mean() > 0.5:  # pandas makes 1.5 of a second 1.5.1
        return f"Its first line holds no names but numbers ({some(names)}): add a line of column names."
    return f"Its columns are {some(names)}. Name the labels' column, the same in every file, with --label."


def some(names: Any) -> str:
    """The first and the last few: labels tend to stand at an end."""
    names = [str(name) for name in names]
    return ", ".join(names if len(names) <= 8 else [*names[:5], "…", *names[-2:]])
