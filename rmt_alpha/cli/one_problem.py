"""`predict`, `optimal-alpha` and `simulate`: one problem, and what α does to it."""

from __future__ import annotations

import math
import sys
from typing import Any, Literal

import numpy as np

from .. import _checks as check
from ..moments import Optimum
from ..simulation.simulate import QUANTITIES, compare
from ..simulation.simulate import simulate as simulate_problem
from ..theory.transfer import optimal_alpha as find_optimum
from ..theory.transfer import predict as predict_problem
from .options import EXAMPLE, Alphas, Count, LossName, Problem, as_json, headline, numbers, table
from .textplot import curve


def predict(
    problem: Problem = EXAMPLE,
    alpha: Alphas = (0.0, 1.0),
    loss: LossName = "squared",
    source_loss: LossName = "squared",
    json: bool = False,
) -> str:
    """Theory: mean, variance, accuracy and risk of the fine-tuned classifier at some α.

    The accuracy is signed: below ½ the classifier is inverted.

    Args:
        alpha: Scales of the frozen classifier (not peft's lora_alpha); several, apart by spaces.
        loss: What the target stage minimises.
        source_loss: What the source stage minimises.
        json: One line of JSON, at full precision.
    """
    made, at = problem.problem(), _alphas(alpha)
    theory = predict_problem(made, at, loss=loss, source_loss=source_loss)
    if json:
        return as_json(problem=numbers(made), alpha=at, loss=loss, source_loss=source_loss, **_values(theory))
    rows = np.column_stack([at, *_values(theory).values()]).tolist()
    return f"{headline(made)}\n{table(['α', *QUANTITIES], rows)}"


def optimal_alpha(
    problem: Problem = EXAMPLE,
    loss: LossName = "squared",
    source_loss: LossName = "squared",
    plot: bool = False,
    json: bool = False,
) -> str:
    """Theory: the best α (α*), the α of accuracy ½ (ᾱ), the α of least risk, and what α* gains over 1 and 0.

    Args:
        loss: What the target stage minimises.
        source_loss: What the source stage minimises.
        plot: Draw accuracy against α in the text even where the output is no terminal.
        json: One line of JSON, at full precision; an infinite α is null; `direction` is the sign of an infinite α*.
    """
    made, losses = problem.problem(), {"loss": loss, "source_loss": source_loss}
    best = find_optimum(made, **losses)
    zero, one = predict_problem(made, np.array([0.0, 1.0]), **losses).accuracy.tolist()
    gains = {"gain_over_1": best.accuracy - one, "gain_over_0": best.accuracy - zero}
    if json:
        found = {name: getattr(best, name) for name in Optimum.__dataclass_fields__}
        return as_json(problem=numbers(made), **losses, **found, accuracy_at_1=one, accuracy_at_0=zero, **gains)
    rows = [
        ["α*", _signed(best.best), best.accuracy, "largest accuracy"],
        ["", "1", one, f"α* gains {100 * gains['gain_over_1']:.3f} points"],
        ["", "0", zero, f"α* gains {100 * gains['gain_over_0']:.3f} points"],
        ["ᾱ", _signed(best.worst), 0.5, "no better than chance"],
        ["", *_least_risk(made, best, losses), f"least risk, {best.risk:.6g}"],
    ]
    text = f"{headline(made)}\n{table(['', 'α', 'accuracy', ''], rows)}"
    if best.at_infinity:
        text += "\nNo finite α is best: the accuracy above is approached as |α| grows."
    if plot or sys.stdout.isatty():
        marks = {"0": 0.0, "1": 1.0, "½": float(best.worst), "*": float(best.best)}
        finite = [value for value in marks.values() if abs(value) < 100]
        margin = max(0.3 * (max(finite) - min(finite)), 1.0)
        at = np.linspace(min(finite) - margin, max(finite) + margin, 129)
        text += "\n\n" + curve(at, predict_problem(made, at, **losses).accuracy, marks)
        text += "\naccuracy against α; * α*, ½ ᾱ"
    return text


def simulate(
    problem: Problem = EXAMPLE,
    alpha: Alphas = (0.0, 1.0),
    n_trials: Count = 1000,
    seed: Count = 0,
    method: Literal["auto", "chain", "dense"] = "auto",
    noise: Literal["gaussian", "rademacher", "student"] = "gaussian",
    labels: Literal["balanced", "random"] = "balanced",
    loss: LossName = "squared",
    source_loss: LossName = "squared",
    workers: Count = 1,
    json: bool = False,
) -> str:
    """Simulation: averages over independent trainings with their standard errors, beside theory, and z-scores.

    Theory is the limit of large sizes: at small ones many trials resolve its distance, of the order of 1/p, and z grows.

    Args:
        alpha: Scales of the frozen classifier; several, apart by spaces. All share the same draws.
        n_trials: Independent trainings; a count, at least 2.
        seed: Of the random streams; the same seed gives the same numbers.
        method: chain (any dimension, Gaussian noise, positive penalties), dense (draws data), auto (chain where it applies).
        noise: Law of the features' noise, of unit variance.
        labels: Exactly half of each class, or a coin for every example.
        loss: What the target stage minimises; others than squared are fitted one by one.
        source_loss: What the source stage minimises.
        workers: Processes; a count.
        json: One line of JSON, at full precision.
    """
    made, at = problem.problem(), _alphas(alpha)
    losses: dict[str, Any] = {"loss": loss, "source_loss": source_loss}
    theory = predict_problem(made, at, **losses)
    counts = {
        "n_trials": check.size("n_trials", n_trials, low=2),
        "seed": check.size("seed", seed, low=0),
        "workers": check.size("workers", workers),
    }
    drawn = simulate_problem(made, at, method=method, noise=noise, labels=labels, **counts, **losses)
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
        compared = {"theory": _values(theory), "z": _values(z)}
        return as_json(problem=numbers(made), alpha=at, **settings, **losses, **_values(drawn), **errors, **compared)
    rows = [
        [a, q, getattr(drawn, q)[i], errors[f"{q}_se"][i], getattr(theory, q)[i], f"{getattr(z, q)[i]:.2f}"]
        for i, a in enumerate(at.tolist())
        for q in QUANTITIES
    ]
    body = table(["α", "", "simulated", "s.e.", "theory", "z"], rows)
    return f"{headline(made)}\n{drawn.n_trials} trials, {drawn.method} engine, seed {counts['seed']}\n{body}"


def _alphas(alpha: tuple[float, ...]) -> np.ndarray:
    if not alpha:
        raise ValueError("alpha must be one number or more, got none. Write --alpha 0 1.")
    return np.array(alpha)


def _values(result: Any) -> dict[str, Any]:
    return {q: getattr(result, q) for q in QUANTITIES}


def _signed(alpha: float) -> str:
    return f"{alpha:.6g}" if math.isfinite(alpha) else ("+∞" if alpha > 0 else "−∞")


def _least_risk(problem: Any, best: Optimum, losses: dict[str, Any]) -> list[Any]:
    alpha = float(best.min_risk)
    accuracy: Any = predict_problem(problem, alpha, **losses).accuracy if math.isfinite(alpha) else ""
    return [_signed(alpha), accuracy]
