"""Bad and extreme input for every public function: what a hypothesis strategy draws becomes one call, which must be answered.

A case is a pair (name of the call, arguments). An answer is a result without NaN, or an error of an honest
kind whose message says which parameter is meant. Tracebacks of other kinds, NaN and warnings are faults.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning

import rmt_alpha as rmt
from rmt_alpha import Covariance, Fit, Group, Population, TransferProblem
from rmt_alpha.problem.losses import HuberHinge, Logistic
from rmt_alpha.training import convex_path, ridge_path

HONEST = (ValueError, TypeError, ArithmeticError, MemoryError, np.linalg.LinAlgError)
P = 6

NUMBERS = st.sampled_from(
    [
        0,
        1,
        -1,
        2,
        3,
        5,
        6,
        7,
        0.5,
        -0.0,
        0.9,
        1e-300,
        5e-324,
        1e-100,
        1e-12,
        1e-5,
        1e5,
        1e6,
        -1e6,
        1e12,
        1e29,
        1e100,
        -1e100,
        1e300,
    ]
)
TAME = st.sampled_from([0, 1, -1, 2, 0.5, 3.0, 1e-3, 40, np.int64(3), np.float32(0.5), True])
ODD = st.sampled_from(
    [
        None,
        "",
        "zero",
        "best",
        "both",
        "x",
        b"x",
        object(),
        [],
        (),
        {},
        [1, "a"],
        [[1], [1, 2]],
        np.array(["zero", "best"]),
        np.array("x"),
        float("nan"),
        float("inf"),
        -float("inf"),
        1j,
        np.array([1j, 2]),
        np.array([]),
        np.zeros((0, 6)),
        np.array([True, False]),
        np.ma.array([1.0, 2.0], mask=[0, 1]),
        np.ma.array([1.0, 2.0]),
        np.array([np.nan, 1.0]),
        np.array([1.0, np.inf]),
        np.zeros(P),
        np.ones(P),
        np.ones((P, P)),
        np.eye(P),
        -np.eye(P),
        np.ones((2, 3, 4)),
        np.array([1.0, 2.0]),
        np.array([1, 2, 3], dtype=np.int8),
        np.array([None, 1]),
        pd.DataFrame(np.eye(P)),
        pd.Series(np.ones(P)),
        pd.DataFrame({"a": ["x"]}),
        10**400,
        range(3),
        lambda: 1,
        np.datetime64("2020-01-01"),
        np.float16(2),
        np.longdouble(2),
        {1, 2},
        np.array([[0.5], [2.0]]),
        dict,
        2**62,
        "0",
        "1.5",
        jnp.ones(P),
        jnp.array([0.5, 2.0]),
        jnp.array([jnp.nan, 1.0]),
        jnp.array(1.0),
        jnp.array(2),
        jnp.array(-jnp.inf),
        jnp.zeros((0, 6)),
    ]
)
ANY = st.one_of(NUMBERS, TAME, ODD)
FEW = st.sampled_from([1, 2, 3, 5, 6, 7, 12, 40, np.int64(9), 9.0, np.array([5, 9])])
MANY = st.one_of(FEW, st.sampled_from([10**6, 2**53, 1e12]))
RARE = st.integers(0, 15)


def mostly(usual: st.SearchStrategy[Any], unusual: st.SearchStrategy[Any] = ANY) -> st.SearchStrategy[Any]:
    """The usual but for one of sixteen times: a call with one bad argument tests more than one with many."""
    return RARE.flatmap(lambda i: unusual if i == 15 else usual)


VECTORS = mostly(
    st.sampled_from(
        [
            np.zeros(P),
            np.ones(P),
            np.eye(P)[0],
            -np.eye(P)[0],
            np.eye(P)[1] * 1e-200,
            np.ones(P) * 1e29,
            np.arange(P),
            list(range(P)),
            pd.Series(np.ones(P)),
            np.full(P, 1e-9),
            jnp.ones(P),
        ]
    )
)
SPECTRA = mostly(
    st.sampled_from(
        [
            None,
            None,
            np.ones(P),
            np.arange(P),
            np.geomspace(1e-12, 1, P),
            np.full(P, 1e-300),
            np.eye(P),
            np.diag(np.arange(P)),
            np.full((P, P), 0.5) + np.eye(P),
            1e29 * np.eye(P),
            Covariance(np.arange(1, P + 1), P),
            jnp.arange(1.0, P + 1),
            2 * jnp.eye(P),
        ]
    )
)
MATRICES = mostly(
    st.sampled_from(
        [
            np.eye(3, P),
            np.ones((3, P)),
            np.zeros((2, P)),
            np.eye(4, P) * 1e10,
            np.arange(2 * P).reshape(2, P),
            pd.DataFrame(np.eye(3, P)),
        ]
    )
)
PENALTIES = mostly(
    st.sampled_from(
        [0, 1.0, 0.1, 1e-300, 1e-12, 1e12, 1e300, np.array([0.1, 1.0]), jnp.array(0.5), jnp.array([0.1, 1.0])]
    )
)
LOSSES = mostly(
    st.sampled_from(
        ["squared", "squared", "squared", "logistic", "squared_hinge", "huber", Logistic(), HuberHinge(0.5)]
    )
)
THRESHOLDS = mostly(st.sampled_from(["zero", "best"]))
RATES = mostly(st.sampled_from([0, 0.5, 1, 0.1, 1e-300, (0.1, 0.2)]))
ALPHAS = mostly(
    st.sampled_from(
        [
            None,
            0,
            1,
            -1.0,
            1e6,
            -1e6,
            1e100,
            1e-300,
            np.array([0.0, 1.0]),
            [0.5, 1.0, 2.0],
            np.ones((2, 2)),
            np.ones((3, 1)),
            np.ones((2, 3)),
            jnp.array(0.5),
            jnp.array([0.0, 1.0, 1e6]),
        ]
    )
)


def settings(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the options."""
    return st.fixed_dictionaries({}, optional=options)


POPULATIONS: dict[str, st.SearchStrategy[tuple[Callable[..., Any], dict[str, Any]]]] = {}


def call(
    function: Callable[..., Any], required: dict[str, Any], **options: Any
) -> st.SearchStrategy[tuple[Callable[..., Any], dict[str, Any]]]:
    return st.tuples(st.just(function), st.fixed_dictionaries(required, optional=options))


SHARED = {"covariance": SPECTRA, "dim": mostly(st.sampled_from([None, P, P + 3]))}
POPULATIONS = {
    "two_classes": call(
        Population.two_classes,
        {"mean_plus": VECTORS, "mean_minus": VECTORS},
        prior=RATES,
        flips=RATES,
        covariances=mostly(st.just([None, np.arange(P)])),
        **SHARED,
    ),
    "classes": call(
        Population.classes,
        {"means": MATRICES},
        priors=mostly(st.sampled_from([None, [0.2, 0.3, 0.5], [1e-300, 0.5, 0.5]])),
        confusion=mostly(st.sampled_from([None, np.eye(3), np.full((3, 3), 1 / 3)])),
        codes=mostly(st.sampled_from(["one-hot", "centred", "simplex"])),
        covariances=mostly(st.just([None, np.arange(P), np.eye(P)])),
        **SHARED,
    ),
    "mixture": call(
        Population.mixture,
        {
            "means": MATRICES,
            "classes": mostly(st.sampled_from([[0, 1, 0], [0, 1, 2], [0, 1]])),
            "targets": mostly(st.sampled_from([[[1.0], [-1.0]], np.eye(3)])),
        },
        priors=mostly(st.sampled_from([None, [0.2, 0.3, 0.5]])),
        confusion=mostly(st.sampled_from([None, np.eye(2)])),
        **SHARED,
    ),
    "linear": call(
        Population.linear,
        {"W": mostly(st.sampled_from([np.ones(P), np.ones((P, 2)), np.zeros((P, 1)), np.ones((P, 3)) * 1e20]))},
        sigma=mostly(st.sampled_from([0, 1, [0.1, 0.2], 1e20])),
        **SHARED,
    ),
    "pooled": call(
        Population.pooled,
        {
            "parts": mostly(
                st.sampled_from(
                    [
                        [(Population.two_classes(np.ones(P), -np.ones(P)), 5)] * 2,
                        [(Population.linear(np.ones(P)), 5)],
                        [(Population.two_classes(np.ones(P), -np.ones(P)), "a")],
                    ]
                )
            )
        },
    ),
}

MU, NU = np.linspace(-1, 1, P), np.ones(P) / 2
KNOWN = {
    "opposite": Population.two_classes(MU, -MU),
    "opposite, spectrum": Population.two_classes(MU, -MU, covariance=np.arange(P)),
    "nothing to tell": Population.two_classes(0 * MU, 0 * MU, prior=1e-12),
    "unlike": Population.two_classes(
        MU, NU, prior=0.2, flips=0.1, covariances=[np.eye(P), np.full((P, P), 0.5) + np.eye(P)]
    ),
    "three classes": Population.classes(np.eye(3, P)),
    "regression": Population.linear(np.eye(P, 2), 0.3),
}


def fits(
    population: Population, sizes: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[Callable[..., Any], dict[str, Any]]]:
    q = population.outputs
    weights = np.ones((P, q))
    source = Fit(population, 8, 0.5)
    starts = [
        (),
        [source],
        [weights],
        [0 * weights],
        [1e20 * weights],
        [source, weights],
        Group.split(source, np.arange(P) % 2),
        [Fit(population, 9, 0.5, starts=[source], alpha=2.0)],
        [Fit(population, np.array([8, 9]), 0.5)],
        source,
        "x",
        [None],
        [object()],
        [np.ones(3)],
    ]
    return call(
        Fit,
        {"population": mostly(st.just(population)), "n": mostly(sizes, ODD), "gamma": PENALTIES},
        starts=mostly(st.sampled_from(starts)),
        alpha=mostly(st.sampled_from([None, 1.0])),
        loss=LOSSES,
        rank=mostly(st.sampled_from([None, 1, 2])),
        intercept=mostly(st.booleans()),
        per=mostly(st.sampled_from(["start", "output"])),
    )


def eight(
    sizes: st.SearchStrategy[Any], dims: list[int]
) -> st.SearchStrategy[tuple[Callable[..., Any], dict[str, Any]]]:
    return call(
        TransferProblem,
        {
            "n_source": mostly(sizes, ODD),
            "n_target": mostly(sizes, ODD),
            "dim": mostly(st.sampled_from(dims), ODD),
            "mu": mostly(st.sampled_from([0, 1, 1e-200, 1e29, 2.0])),
            "mu_orth": mostly(st.sampled_from([0, 1, 0.5, 1e29])),
            "beta": mostly(st.sampled_from([0, 1, -1, 0.5, [0.0, 1.0]])),
            "gamma_source": PENALTIES,
            "gamma_target": PENALTIES,
        },
        loss=LOSSES,
        source_loss=LOSSES,
    )


def from_means(sizes: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Callable[..., Any], dict[str, Any]]]:
    return call(
        TransferProblem.from_means,
        {
            "mean_source": VECTORS,
            "mean_target": VECTORS,
            "n_source": mostly(sizes, ODD),
            "n_target": mostly(sizes, ODD),
            "gamma_source": PENALTIES,
            "gamma_target": PENALTIES,
        },
        cov_source=SPECTRA,
        cov_target=SPECTRA,
        loss=LOSSES,
        source_loss=LOSSES,
    )


FITS = st.sampled_from(list(KNOWN.values())).flatmap(lambda population: fits(population, MANY))
FROM_SOURCE = call(
    TransferProblem.from_source,
    {"w_source": VECTORS, "mean_target": VECTORS, "n_target": mostly(FEW, ODD), "gamma_target": PENALTIES},
    cov_target=SPECTRA,
    loss=LOSSES,
)


class Made:
    """A problem that is made when the case is run, since making it may fail."""

    def __init__(self, recipe: tuple[Callable[..., Any], dict[str, Any]]):
        self.function, self.arguments = recipe

    def __repr__(self) -> str:
        return f"{self.function.__qualname__}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"

    def __call__(self) -> Any:
        return self.function(**self.arguments)


PROBLEMS = mostly(st.one_of(FITS, FITS, eight(MANY, [2, 3, 6, 100, 10**6]), from_means(MANY), FROM_SOURCE).map(Made))
# What can be drawn in a moment: sizes that theory takes in its stride are days of simulation.
DRAWABLE = mostly(
    st.one_of(
        st.sampled_from(list(KNOWN.values())).flatmap(lambda population: fits(population, FEW)),
        eight(FEW, [2, 3, 6, 20]),
        from_means(FEW),
        FROM_SOURCE,
    ).map(Made)
)
TRIALS = mostly(
    st.sampled_from([2, 3]), st.sampled_from([0, 1, -1, 1.5, "x", None, float("nan"), np.array([2, 3]), 1e300, True])
)
WORDS = ODD
NAMED = st.fixed_dictionaries(
    {
        "n_source": mostly(FEW, ODD),
        "n_target": mostly(FEW, ODD),
        "dim": mostly(st.sampled_from([2, 6, [6, 7]]), ODD),
        "mu": mostly(st.sampled_from([1, 0, [0.5, 1.0]])),
        "mu_orth": mostly(st.just(1.0)),
        "beta": mostly(st.sampled_from([0.5, [0.0, 1.0], [0.5]])),
        "gamma_source": PENALTIES,
        "gamma_target": PENALTIES,
    },
    optional={"loss": LOSSES, "source_loss": LOSSES, "gamma": mostly(st.just(1.0))},
)
DRAWING = {
    "n_trials": TRIALS,
    "seed": mostly(st.just(0)),
    "method": mostly(st.sampled_from(["auto", "chain", "dense"]), WORDS),
    "noise": mostly(st.sampled_from(["gaussian", "rademacher", "student"]), WORDS),
    "labels": mostly(st.sampled_from(["auto", "balanced", "random"]), WORDS),
    "backend": mostly(st.just("numpy"), st.sampled_from(["x", None, np.array(["numpy"]), 1])),
    "workers": mostly(st.just(1), st.sampled_from([0, -1, "x", None, float("nan"), 1.5])),
}


def store(thing: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thing"
        rmt.save(path, thing)
        found = rmt.load(path)
    assert found == thing or not isinstance(thing, Fit | TransferProblem)
    return found


def swept(problems: Any, **options: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        found = rmt.sweep(problems, store=Path(folder) / "store", workers=1, **options)
        found = found.where(found.trials >= 2, 0.0)  # a shard's other trials are not there yet, and NaN
        return [v.values for v in found.data_vars.values()]


def compared(problem: Any, alpha: Any, other: Any) -> Any:
    return rmt.compare(
        rmt.predict(problem, alpha), other if other is not None else rmt.simulate(problem, alpha, n_trials=2)
    )


CALLS: dict[str, st.SearchStrategy[tuple[Callable[..., Any], dict[str, Any]]]] = {
    **{f"Population.{k}": v for k, v in POPULATIONS.items()},
    "Covariance": call(Covariance, {"value": SPECTRA, "dim": mostly(st.just(P))}),
    "Fit": FITS,
    "Group": call(
        Group,
        {
            "start": mostly(st.sampled_from([np.ones(P)])),
            "mask": mostly(st.sampled_from([np.ones(P, bool), [True] * P, np.zeros(P, bool)])),
        },
    ),
    "Group.split": call(
        Group.split,
        {
            "start": mostly(st.sampled_from([np.ones(P)])),
            "labels": mostly(st.sampled_from([np.arange(P) % 2, [0, 1, 0, 1, 0, 1]])),
        },
    ),
    "TransferProblem": eight(MANY, [2, 3, 6, 100, 10**6]),
    "from_means": from_means(MANY),
    "from_source": FROM_SOURCE,
    "predict": call(
        rmt.predict,
        {"problem": PROBLEMS},
        alpha=ALPHAS,
        threshold=THRESHOLDS,
        noise=mostly(st.sampled_from(["gaussian", "student"]), WORDS),
        spread=mostly(st.booleans()),
    ),
    "optimal_alpha": call(rmt.optimal_alpha, {"problem": PROBLEMS}, threshold=THRESHOLDS),
    "optimal_penalty": call(
        rmt.optimal_penalty,
        {"problem": PROBLEMS, "alpha": mostly(st.sampled_from([1.0, 0.0]), ODD)},
        over=mostly(st.sampled_from(["target", "source"]), WORDS),
        bounds=mostly(st.sampled_from([(1e-2, 1e2)]), ODD),
    ),
    "rank_path": call(rmt.rank_path, {"problem": PROBLEMS}, alpha=ALPHAS, threshold=THRESHOLDS),
    "rank_saving": call(rmt.rank_saving, {"problem": PROBLEMS}),
    "simulate": call(
        rmt.simulate,
        {"problem": DRAWABLE, "n_trials": TRIALS},
        alpha=ALPHAS,
        threshold=THRESHOLDS,
        test_points=mostly(st.sampled_from(["gaussian", "drawn"]), WORDS),
        **{k: v for k, v in DRAWING.items() if k != "n_trials"},
    ),
    "draw": call(
        rmt.draw, {"problem": DRAWABLE, "n_trials": TRIALS}, **{k: v for k, v in DRAWING.items() if k != "n_trials"}
    ),
    "simulate_optimal_alpha": call(
        rmt.simulate_optimal_alpha,
        {"problem": DRAWABLE, "n_trials": TRIALS},
        threshold=THRESHOLDS,
        **{k: v for k, v in DRAWING.items() if k != "n_trials"},
    ),
    "sweep": call(
        swept,
        {"problems": mostly(st.one_of(DRAWABLE, NAMED)), "n_trials": TRIALS},
        alpha=ALPHAS,
        shard=mostly(st.just((0, 1)), st.sampled_from([(0, 2), (2, 2), (0, 0), 1, None, "x", (0.5, 1)])),
        **{k: v for k, v in DRAWING.items() if k not in ("n_trials", "backend", "workers")},
    ),
    "compare": call(compared, {"problem": DRAWABLE, "alpha": ALPHAS, "other": mostly(st.none(), ODD)}),
    "save, load": call(store, {"thing": PROBLEMS}),
    "ridge_path": call(
        ridge_path,
        {
            "X": mostly(
                st.sampled_from(
                    [np.eye(4, P), np.ones((4, P)), np.arange(24).reshape(4, P), pd.DataFrame(np.eye(8, P))]
                )
            ),
            "y": mostly(st.sampled_from([[1, -1, 1, -1], np.ones((4, 2)), np.ones(8)])),
            "gamma": PENALTIES,
        },
        anchors=mostly(st.sampled_from([None, np.ones((P, 1))])),
        intercept=mostly(st.booleans()),
    ),
    "convex_path": call(
        convex_path,
        {
            "X": mostly(st.sampled_from([np.eye(4, P), np.arange(24).reshape(4, P), pd.DataFrame(np.eye(4, P))])),
            "y": mostly(st.sampled_from([[1, -1, 1, -1], np.ones(4), [0, 1, 0, 1]])),
            "gamma": PENALTIES,
            "loss": LOSSES,
            "anchors": mostly(st.sampled_from([None, np.ones((P, 1)), np.ones(P)])),
            "alphas": mostly(st.sampled_from([np.array([0.0, 1.0]), np.zeros((2, 0)), [1.0], [1e6]])),
        },
        intercept=mostly(st.booleans()),
    ),
}


def faults(function: Callable[..., Any], arguments: dict[str, Any]) -> str | None:
    """What is wrong with the answer of one call; None if nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for meant in (rmt.theory.low_rank.TieWarning, DataConversionWarning):
            warnings.simplefilter("ignore", meant)
        warnings.filterwarnings("ignore", "X has feature names, but|The number of unique classes is greater")
        try:
            made = {}
            for key, value in arguments.items():
                made[key] = value() if isinstance(value, Made) else value
            if function in (rmt.rank_path, rmt.rank_saving):
                made["fit"] = made.pop("problem")
            result = function(**made)
        except HONEST as error:
            return misleading(str(error), arguments)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    taken = [key for key, value in made.items() if np.ma.is_masked(value)]
    return f"masked {taken[0]} taken" if taken else not_a_number(result)


# How errors of Python, NumPy and SciPy begin that no check of ours has seen coming.
FOREIGN = (
    "could not broadcast",
    "operands could not",
    "unsupported operand",
    "cannot reshape",
    "The truth value",
    "only ",
    "object of type",
    "can't convert",
    "cannot convert",
    "invalid value",
    "array must not",
    "shapes ",
    "setting an array",
    "Cannot ",
    "'",
    "argument ",
    "int()",
    "float()",
    "bad operand",
    "loop of ufunc",
    "ufunc",
    "cannot unpack",
    "not enough values",
    "too many values",
    "unhashable",
    "must be real",
    "Singular",
    "shape mismatch",
    "all the input",
    "axis ",
    "zero-size",
    "math domain",
    "cannot do",
    "isnan",
    "matmul",
    "index ",
    "'<'",
    "'>'",
    "Found ",
    "incompatible",
    "Length",
    "a must",
    "p <",
    "pvals",
    "expected ",
    "divide by zero",
    "overflow",
    "underflow",
    "Eigenvalues",
    "Maximum allowed",
    "Unable to allocate",
    "Division",
    "division",
    "zero division",
    "(34",
    "Input",
    "cannot ",
)


def misleading(message: str, arguments: dict[str, Any]) -> str | None:
    """The message, if it names no parameter."""
    named = any(re.search(rf"\b{name}\b", message) for name in (*arguments, "X", "y"))
    foreign = message.startswith(FOREIGN) and not message.startswith(THEIRS)
    ours = named or "parameter" in message or " must " in message or any(w in message for w in OURS)
    return None if message.strip() and ours and not foreign else f"error in other words: {message!r}"


THEIRS = ("Input X contains", "Input y contains", "Input sample_weight contains")  # scikit-learn's, which name it
OURS = (
    "method 'chain' needs",
    "double precision",
    "settle",
    "stopped after",
    "quadrature",
    "fixed point",
    "unexpected keyword",
)


def not_a_number(result: Any, path: str = "result") -> str | None:
    """Where a NaN is."""
    if (
        isinstance(result, Fit | Population | TransferProblem | Covariance | Group)
        or result is None
        or isinstance(result, str)
    ):
        return None
    if dataclasses.is_dataclass(result):
        parts = [(f"{path}.{f.name}", getattr(result, f.name)) for f in dataclasses.fields(result)]
        return next((bad for name, part in parts if (bad := not_a_number(part, name))), None)
    if isinstance(result, tuple | list):
        return next((bad for i, part in enumerate(result) if (bad := not_a_number(part, f"{path}[{i}]"))), None)
    array = np.asarray(result)
    return f"NaN in {path}" if array.dtype.kind == "f" and np.isnan(array).any() else None
