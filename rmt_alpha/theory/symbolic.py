r"""The isotropic problem as expressions: κ, h, m(α), V(α), α*, ᾱ and the low-rank risk, for sympy to take apart.

The same formulas as `isotropic` and `optimum`, with symbols for numbers: η = p/n and η̃ = p/N; κ and κ̃, the renormalised ridges of the
target's and the source's training; b² = ‖μ_β‖², s = ⟨E w̃, μ_β⟩ and q = E‖w̃‖². `explicit` writes these out in the problem's own numbers.
`python -m rmt_alpha.theory.symbolic` prints docs/limits.md: the limits that sympy derives. Needs the extra `symbolic`.

>>> m, V = score()
>>> limit(m, "γ → ∞")
alpha*s
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from ..problem import TransferProblem

alpha, s, beta = sp.symbols("alpha s beta", real=True)
b2, q, kappa, kappa_source, eta, eta_source = sp.symbols("b^2 q kappa kappã eta etã", positive=True)
gamma, gamma_source, mu, mu_orth = sp.symbols("gamma gammã mu mu_⊥", positive=True)
singular, sigma = sp.symbols("d sigma", positive=True)


def renormalised_ridge(eta: Any = eta, gamma: Any = gamma) -> Any:
    """κ: the positive root of κ² + (1−η−γ)κ − γ = 0."""
    t = 1 - eta - gamma
    return (sp.sqrt(t**2 + 4 * gamma) - t) / 2


def kept(eta: Any = eta, kappa: Any = kappa) -> Any:
    """h = 1 − η/(1+κ)²."""
    return 1 - eta / (1 + kappa) ** 2


def source() -> dict[Any, Any]:
    """b², s and q in β, the norms of the means, η̃ and κ̃."""
    h, D = kept(eta_source, kappa_source), mu**2 + 1 + kappa_source
    return {
        b2: beta**2 * mu**2 + (1 - beta**2) * mu_orth**2,
        s: beta * mu**2 / D,
        q: (mu**2 / D**2 + (1 - h) * ((1 + kappa_source) / D) ** 2) / h,
    }


def form() -> tuple[Any, Any]:
    """c (2,) and M (2, 2): m(α) = cᵀ(1, α) and V(α) = (1, α)M(1, α)ᵀ."""
    h, R = kept(), 1 + kappa
    D = b2 + R
    c0, c1 = b2 / D, kappa * s / D
    M00 = (b2 / D**2 + (1 - h) * (R / D) ** 2) / h
    M01 = (c1 / D - (1 - h) * R / D * c1) / h
    M11 = ((kappa / R) ** 2 * (q - s**2 * (2 * R + b2) / D**2) + (1 - h) * c1**2) / h
    return sp.Matrix([c0, c1]), sp.Matrix([[M00, M01], [M01, M11]])


def score() -> tuple[Any, Any]:
    """m(α) and V(α)."""
    c, M = form()
    a = sp.Matrix([1, alpha])
    return (c.T * a)[0], (a.T * M * a)[0]


def optimal_alpha() -> Any:
    """α* = (M⁻¹c)₁/(M⁻¹c)₀; where the denominator is negative the supremum lies at infinity."""
    c, M = form()
    return (M[0, 0] * c[1] - M[0, 1] * c[0]) / (M[1, 1] * c[0] - M[0, 1] * c[1])


def zero_alpha() -> Any:
    """ᾱ = −c₀/c₁: the α of chance."""
    c, _ = form()
    return -c[0] / c[1]


def rank_steps() -> tuple[Any, Any]:
    """What a singular value d of W_t − αW_s adds to the risk of regression: where rank r corrects it, and where it does not.

    risk(r, α) sums the first over the r largest d and the second over the others.
    """
    return (kappa**2 * singular**2 + sigma**2 * (1 + kappa) ** 2) / ((1 + kappa) ** 2 - eta), singular**2 + sigma**2


def explicit(expression: Any) -> Any:
    """The expression in α and the problem's numbers alone."""
    ridges = {kappa: renormalised_ridge(), kappa_source: renormalised_ridge(eta_source, gamma_source)}
    return sp.sympify(expression).subs(source()).subs(ridges)


def evaluate(expression: Any, problem: TransferProblem, at: Any = 0.0) -> Any:
    """The expression's value at a problem and an α."""
    values = {
        eta_source: problem.aspect_source, eta: problem.aspect_target, mu: problem.mu, mu_orth: problem.mu_orth, beta: problem.beta,
        gamma_source: problem.gamma_source, gamma: problem.gamma_target, alpha: at,
    }  # fmt: skip
    return sp.lambdify(list(values), explicit(expression), "numpy")(*values.values())


def _towards(symbol: Any, value: Any, side: str = "+") -> Callable[[Any], Any]:
    return lambda e: sp.limit(sp.cancel(sp.together(e)), symbol, value, side)


LIMITS: dict[str, Callable[[Any], Any]] = {
    "n → ∞": lambda e: e.subs(eta, 0).subs(kappa, gamma),
    "N → ∞": lambda e: e.subs({x: source()[x] for x in (s, q)}).subs(eta_source, 0).subs(kappa_source, gamma_source),
    "γ → 0, n > p": _towards(kappa, 0),
    "γ → 0, n < p": lambda e: e.subs(kappa, eta - 1),
    "γ → ∞": _towards(kappa, sp.oo),
    "β → 0": lambda e: _towards(s, 0)(e).subs(b2, mu_orth**2),
    "β → 1": lambda e: e.subs({b2: mu**2, s: source()[s].subs(beta, 1)}),
}


def limit(expression: Any, name: str) -> Any:
    """A limit of the list `LIMITS`, simplified; symbols that have no part in it stay."""
    if name not in LIMITS:
        raise ValueError(f"name must be one of {', '.join(LIMITS)}, got {name!r}.")
    found = LIMITS[name](expression)
    return found if found.has(sp.oo) else sp.factor(sp.cancel(sp.together(found)))


QUANTITIES: dict[str, Callable[[], Any]] = {
    r"m(\alpha)": lambda: score()[0],
    r"V(\alpha)": lambda: score()[1],
    r"\alpha^*": optimal_alpha,
    r"\kappa\,\alpha^*": lambda: kappa * optimal_alpha(),
    r"\bar\alpha": zero_alpha,
}
PAGE = {  # the others are infinite, or too long to read
    r"m(\alpha)": tuple(LIMITS),
    r"V(\alpha)": ("γ → 0, n > p", "γ → ∞", "β → 0"),
    r"\alpha^*": ("n → ∞", "N → ∞", "γ → 0, n < p", "γ → ∞", "β → 0", "β → 1"),
    r"\kappa\,\alpha^*": ("γ → 0, n > p",),
    r"\bar\alpha": ("n → ∞", "N → ∞", "γ → 0, n < p", "γ → ∞", "β → 1"),
}


def page() -> str:
    """docs/limits.md."""
    names = {
        kappa_source: r"\tilde\kappa",
        eta_source: r"\tilde\eta",
        gamma_source: r"\tilde\gamma",
        mu_orth: r"\mu_\perp",
        b2: "b^{2}",
    }
    latex = lambda e: sp.latex(e, symbol_names=names).replace("b^{2}^{2}", "b^{4}").replace("b^{2}^{3}", "b^{6}")  # noqa: E731
    lines = [
        "# Limits of the isotropic problem",
        "",
        "Printed by `python -m rmt_alpha.theory.symbolic`: sympy derives these from the library's own formulas, and tests hold each",
        "against `predict`. η = p/n and η̃ = p/N; κ and κ̃ are the renormalised ridges of the target's and the source's training,",
        "b² = ‖μ_β‖², s = ⟨E w̃, μ_β⟩, q = E‖w̃‖².",
        "",
        f"$$\\kappa = {latex(renormalised_ridge())}, \\qquad h = {latex(kept())}$$",
    ]
    for symbol, chosen in PAGE.items():
        lines += ["", f"## ${symbol}$"]
        for name in chosen:
            lines += ["", f"{name}:", "", f"$${symbol} \\to {latex(limit(QUANTITIES[symbol](), name))}$$"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
