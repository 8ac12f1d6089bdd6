"""`predict`, `optimal-alpha` and `simulate`: one problem, and what α does to it."""

from __future__ import annotations

import math
import sys
from typing import Any, Literal

import numpy as np

from .. import _checks as check
from ..problem import TransferProblem, is_squared
from ..problem import numbers as problems
from ..results import QUANTITIES, Moments, Optimum, compare
from ..simulation.simulate import simulate as simulate_problem
from ..theory.optimum import optimal_alpha as find_optimum
from ..theory.predict import predict as predict_problem
from .options import EXAMPLE, Alphas, Count, Problem, alphas, as_json, progress, table
from .textplot import curve


def predict(problem: Problem = EXAMPLE, alpha: Alphas = ("0", "1"), json: bool = False) -> str:
    """Theory: mean, variance, accuracy and risk of the fine-tuned classifier at some α.

    The accuracy is signed: below ½ the classifier is inverted.

    Args:
        alpha: Scales of the frozen classifier (not peft's lora_alpha): numbers and ranges such as -2:3:51, separated by spaces.
        json: One line of JSON, at full precision.
    """
    made, at = problem.problem(), alphas(alpha)
    theory = predict_problem(made, at)
    if json:
        return as_json(**_asked(made), alpha=at, **_values(theory))
    rows = np.column_stack([at, *_values(theory).values()]).tolist()
    return f"{_headline(made)}\n{table(['α', *QUANTITIES], rows)}"


def optimal_alpha(problem: Problem = EXAMPLE, plot: bool = False, json: bool = False) -> str:
    """Theory: the best α (α*), the α of accuracy ½ (ᾱ), the α of least risk, and what α* gains over 1 and 0.

    Args:
        plot: Draw accuracy against α in the text even where the output is no terminal.
        json: One line of JSON, at full precision; an infinite α is null; `direction` is the sign of an infinite α*.
    """
    made = problem.problem()
    best = find_optimum(made)
    zero, one = predict_problem(made, np.array([0.0, 1.0])).accuracy.tolist()
    gains = {"gain_over_1": best.accuracy - one, "gain_over_0": best.accuracy - zero}
    if json:
        names = ("alpha", "accuracy", "zero", "at_infinity", "least_risk", "risk", "direction")
        found = {name: getattr(best, name) for name in names}
        return as_json(**_asked(made), **found, accuracy_at_1=one, accuracy_at_0=zero, **gains)
    rows = [
        ["α*", _signed(best.alpha), best.accuracy, "largest accuracy"],
        ["", "1", one, f"α* gains {100 * gains['gain_over_1']:.3f} points"],
        ["", "0", zero, f"α* gains {100 * gains['gain_over_0']:.3f} points"],
        [
            "ᾱ",
            _signed(best.zero),
            *([0.5, "no better than chance"] if math.isfinite(best.zero) else ["", "no α gives accuracy ½"]),
        ],
        ["", *_least_risk(made, best), f"least risk, {best.risk:.6g}"],
    ]
    text = f"{_headline(made)}\n{table(['', 'α', 'accuracy', ''], rows)}"
    if best.at_infinity:
        text += "\nNo finite α is best: the accuracy above is approached as |α| grows."
    if plot or sys.stdout.isatty():
        marks = {"0": 0.0, "1": 1.0, "½": float(best.zero), "*": float(best.alpha)}
        finite = [value for value in marks.values() if abs(value) < 100]
        margin = max(0.3 * (max(finite) - min(finite)), 1.0)
        at = np.linspace(min(finite) - margin, max(finite) + margin, 129)
        text += "\n\n" + curve(at, predict_problem(made, at).accuracy, marks)
        text += "\naccuracy against α; * α*, ½ ᾱ"
    return text


def simulate(
    problem: Problem = EXAMPLE,
    alpha: Alphas = ("0", "1"),
    n_trials: Count = 1000,
    seed: Count = 0,
    method: Literal["auto", "chain", "dense"] = "auto",
    noise: Literal["gaussian", "rademacher", "student"] = "gaussian",
    labels: Literal["auto", "balanced", "random"] = "auto",
    workers: Count = 1,
    json: bool = False,
) -> str:
    """Simulation: averages over independent trainings with their standard errors, beside theory, and z-scores.

    Theory is the limit of large sizes: at small ones many trials resolve its distance, of the order of 1/p, and z grows.

    Args:
        alpha: Scales of the frozen classifier: numbers and ranges such as -2:3:51, separated by spaces. All share the same draws.
        n_trials: Independent trainings; a count, at least 2.
        seed: Seed of the random streams; the same seed gives the same numbers.
        method: chain (any dimension, Gaussian noise, positive penalties, squared loss), dense (draws data), auto (chain where it applies).
        noise: Law of the features' noise, of unit variance.
        labels: Exactly half of each class, or a coin for every example; auto: balanced.
        workers: Processes; a count. No digit of the answer depends on them.
        json: One line of JSON, at full precision.
    """
    made, at = problem.problem(), alphas(alpha)
    theory = predict_problem(made, at)
    counts: dict[str, Any] = {
        "n_trials": check.size("n_trials", n_trials, low=2),
        "seed": check.size("seed", seed, low=0),
        "workers": check.workers(workers),
    }
    with progress("simulate") as told:
        drawn = simulate_problem(made, at, method=method, noise=noise, labels=labels, progress=told, **counts)
    z = compare(theory, drawn)
    errors = {f"{q}_se": getattr(drawn, f"{q}_se") for q in QUANTITIES}
    if json:
        settings = {
            "n_trials": drawn.n_trials,
            "seed": counts["seed"],
            "method": drawn.method,
            "noise": noise,
            "labels": labels,
        }
        return as_json(
            **_asked(made), alpha=at, **settings, **_values(drawn), **errors, theory=_values(theory), z=_values(z)
        )
    rows = [
        [a, q, getattr(drawn, q)[i], errors[f"{q}_se"][i], getattr(theory, q)[i], f"{getattr(z, q)[i]:.2f}"]
        for i, a in enumerate(at.tolist())
        for q in QUANTITIES
    ]
    body = table(["α", "", "simulated", "s.e.", "theory", "z"], rows)
    return f"{_headline(made)}\n{drawn.n_trials} trials, {drawn.method} engine, seed {counts['seed']}\n{body}"


def _headline(problem: TransferProblem) -> str:
    losses = [
        f"{n.replace('_', ' ')}: {getattr(problem, n).name}"
        for n in ("loss", "source_loss")
        if not is_squared(getattr(problem, n))
    ]
    return "; ".join([problems.headline(problem), *losses])


def _asked(problem: TransferProblem) -> dict[str, Any]:
    return {"problem": problems.numbers(problem), "loss": problem.loss.name, "source_loss": problem.source_loss.name}


def _values(result: Any) -> dict[str, Any]:
    return {q: getattr(result, q) for q in QUANTITIES}


def _signed(alpha: float) -> str:
    return f"{alpha:.6g}" if math.isfinite(alpha) else ("+∞" if alpha > 0 else "−∞")


def _least_risk(problem: TransferProblem, best: Optimum) -> list[Any]:
    alpha = float(best.least_risk)
    found: Moments | None = predict_problem(problem, alpha) if math.isfinite(alpha) else None
    return [_signed(alpha), "" if found is None else found.accuracy]
