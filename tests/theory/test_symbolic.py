"""Expressions against the numerical code, and limits that sympy derives against predictions near them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

sp = pytest.importorskip("sympy")

from rmt_alpha import Fit, Population, TransferProblem, optimal_alpha, predict, rank_path  # noqa: E402
from rmt_alpha.theory import equivalents, symbolic  # noqa: E402

BASE = TransferProblem(700, 300, 200, mu=1.3, mu_orth=1.1, beta=0.7, gamma_source=0.5, gamma_target=0.2)
PROBLEMS = [
    BASE,
    dataclasses.replace(BASE, n_target=50, beta=-0.4),
    dataclasses.replace(BASE, n_source=90, gamma_target=3.0, mu=0.4),
]
ALPHA = 0.8
FAR = 10**13
NEAR = {  # what `predict` is asked at each limit
    "n → ∞": {"n_target": FAR},
    "N → ∞": {"n_source": FAR},
    "γ → 0, n > p": {"gamma_target": 0.0},
    "γ → 0, n < p": {"gamma_target": 0.0, "n_target": 50},
    "γ → ∞": {"gamma_target": 1e9},
    "β → 0": {"beta": 0.0},
    "β → 1": {"beta": 1.0},
}


def numerical(name, problem):
    best = optimal_alpha(problem)
    theory = predict(problem, ALPHA)
    kappa = equivalents.isotropic(problem.aspect_target, problem.gamma_target)[0]
    return {
        r"m(\alpha)": theory.mean, r"V(\alpha)": theory.variance, r"\alpha^*": best.alpha, r"\bar\alpha": best.zero,
        r"\kappa\,\alpha^*": kappa * best.alpha,
    }[name]  # fmt: skip


@pytest.mark.parametrize("problem", PROBLEMS, ids=range(len(PROBLEMS)))
@pytest.mark.parametrize("name", symbolic.QUANTITIES)
def test_expressions_are_the_numerical_code(name, problem):
    value = symbolic.evaluate(symbolic.QUANTITIES[name](), problem, ALPHA)
    assert value == pytest.approx(numerical(name, problem), rel=1e-12)


def test_ridge_and_what_is_kept():
    for problem in PROBLEMS:
        kappa, h, _ = equivalents.isotropic(problem.aspect_target, problem.gamma_target)
        assert symbolic.evaluate(symbolic.kappa, problem) == pytest.approx(kappa, rel=1e-12)
        assert symbolic.evaluate(symbolic.kept(), problem) == pytest.approx(h, rel=1e-12)


def test_the_risk_of_each_rank():
    W = np.zeros((60, 3))
    W[:3] = np.diag([3.0, 2.0, 1.0])
    fit = Fit(Population.linear(W, 0.5), n=90, gamma=0.1)
    kappa = equivalents.isotropic(60 / 90, 0.1)[0]
    within, without = (
        sp.lambdify(symbolic.singular, e.subs({symbolic.kappa: kappa, symbolic.eta: 60 / 90, symbolic.sigma: 0.5}))
        for e in symbolic.rank_steps()
    )
    d = np.array([3.0, 2.0, 1.0])
    expected = [sum(within(d[:r])) + sum(without(d[r:])) for r in range(4)]
    np.testing.assert_allclose(rank_path(fit).risk, expected, rtol=1e-12)


@pytest.mark.parametrize(("symbol", "name"), [(q, n) for q, chosen in symbolic.PAGE.items() for n in chosen])
def test_limits_are_where_predictions_go(symbol, name):
    found = symbolic.limit(symbolic.QUANTITIES[symbol](), name)
    problem = dataclasses.replace(BASE, **NEAR[name])
    if symbol.startswith(r"\kappa"):  # κ → 0 itself
        problem = dataclasses.replace(problem, gamma_target=1e-10)
    value = symbolic.evaluate(found, problem, ALPHA)
    # The distance from the limit is of the order of 1/n, 1/γ or γ itself.
    assert value == pytest.approx(numerical(symbol, problem), rel=1e-7, abs=1e-7)


def test_an_unknown_limit():
    with pytest.raises(ValueError, match="name must be one of n → ∞, .*got 'p → 0'"):
        symbolic.limit(symbolic.alpha, "p → 0")


def test_the_page_is_what_the_library_prints():
    page = Path(__file__).parents[2] / "docs" / "limits.md"
    assert page.read_text(encoding="utf-8") == symbolic.page()
