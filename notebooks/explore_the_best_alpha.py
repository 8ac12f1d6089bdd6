import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The best α as a formula")

with app.setup:
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    import sympy as sp
    from checks import equals, table

    from rmt_alpha import TransferProblem, optimal_alpha, plotting, predict
    from rmt_alpha.theory import symbolic

    plt.rcdefaults()
    plt.rcParams.update(plotting.STYLE)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # The best α as a formula

    `rmt_alpha.theory.symbolic` has the isotropic problem as sympy expressions: η = p/n and η̃ = p/N; κ and κ̃ are the renormalised ridges of
    the target's and the source's training, b² = ‖μ_β‖², s = ⟨E w̃, μ_β⟩ and q = E‖w̃‖². Here they are taken apart: what is α* made of, where does it go at the
    ends of the scale, when should the source be turned against itself? Each formula is held against `predict` where it is shown.
    """)
    return


@app.cell
def _():
    def shown(expression):
        names = {
            symbolic.kappa_source: r"\tilde\kappa",
            symbolic.eta_source: r"\tilde\eta",
            symbolic.gamma_source: r"\tilde\gamma",
            symbolic.mu_orth: r"\mu_\perp",
            symbolic.b2: "B",
        }
        return sp.latex(expression, symbol_names=names)

    best = sp.factor(sp.cancel(sp.together(symbolic.optimal_alpha())))
    mean, _ = symbolic.score()
    mo.md(rf"""
    ## 1. The formula

    $$m(\alpha) = {shown(sp.factor(mean))}, \qquad \bar\alpha = {shown(sp.factor(symbolic.zero_alpha()))}$$

    $$\alpha^* = {shown(best)}, \qquad B = b^2$$

    α* has one zero in s: a source that knows nothing of the target ($s = 0$) is best left away.
    """)
    return best, shown


@app.cell(hide_code=True)
def _():
    beta = mo.ui.slider(-1, 1, step=0.05, value=0.8, label="β, the tasks' cosine", show_value=True)
    n = mo.ui.slider(
        steps=[10, 20, 50, 100, 200, 500, 1000, 5000], value=100, label="n, target samples", show_value=True
    )
    penalty = mo.ui.slider(steps=[0.01, 0.03, 0.1, 0.3, 1, 3, 10, 100], value=0.3, label="γ", show_value=True)
    mo.vstack([mo.md("## 2. Turn it"), mo.hstack([beta, n, penalty], justify="start")])
    return beta, n, penalty


@app.cell
def _(beta, best, n, penalty):
    problem = TransferProblem(
        2000, n.value, 400, mu=1.0, mu_orth=1.0, beta=beta.value, gamma_source=1.0, gamma_target=penalty.value
    )
    _found = optimal_alpha(problem)
    _formula = float(symbolic.evaluate(best, problem))
    _alphas = np.linspace(-3, 8, 45)
    _mean, _variance = symbolic.score()
    _at = [symbolic.evaluate(e, problem, _alphas) for e in (_mean, _variance)]
    _theory = predict(problem, _alphas)
    _fig, _axes = plotting.figure(width=4.2, height=2.5)
    plotting.theory_line(_axes[0, 0], _alphas, _theory.accuracy, label="accuracy")
    if np.isfinite(_found.alpha) and -3 <= _found.alpha <= 8:
        _axes[0, 0].plot(_found.alpha, _found.accuracy, "*", color="black", markersize=7, label=r"$\alpha^*$")
    _axes[0, 0].axvline(1, color="grey", linestyle=":", linewidth=0.7)
    _axes[0, 0].set(xlabel=r"$\alpha$", ylabel="accuracy")
    _axes[0, 0].legend()
    _checks = [
        equals("m(α) against predict", _at[0], _theory.mean, 1e-10),
        equals("V(α) against predict", _at[1], _theory.variance, 1e-10),
    ]
    # Where the supremum lies at infinity the formula's denominator is negative.
    if not _found.at_infinity:
        _checks.append(equals("α* against optimal_alpha", _formula, _found.alpha, 1e-9))
    mo.vstack([mo.md(rf"$\alpha^* = {_found.alpha:.3g}$, accuracy {_found.accuracy:.4f}"), _fig, *_checks])
    return (problem,)


@app.cell
def _(shown):
    _rows = [
        f"| {name} | $\\displaystyle {shown(symbolic.limit(symbolic.optimal_alpha(), name))}$ |"
        for name in ("n → ∞", "γ → ∞", "γ → 0, n < p", "β → 0")
    ]
    mo.md("\n".join(["## 3. The ends of the scale", "", "| limit | α* |", "|---|---|", *_rows]))
    return


@app.cell
def _(problem):
    _end = {
        "n → ∞": {"n_target": 10**9},
        "γ → ∞": {"gamma_target": 1e9},
        "γ → 0, n < p": {"gamma_target": 1e-9, "n_target": 100},
        "β → 0": {"beta": 0.0},
    }
    from dataclasses import replace

    _lines, _rows = [], []
    for _name, _numbers in _end.items():
        _there = replace(problem, **({"beta": 0.8, "gamma_target": 0.3, "n_target": 100} | _numbers))
        _limit = float(symbolic.evaluate(symbolic.limit(symbolic.optimal_alpha(), _name), _there))
        _found = optimal_alpha(_there).alpha
        _rows.append({"limit": _name, "formula": _limit, "optimal_alpha": _found})
        _lines.append(equals(f"α*, {_name}", 1 + _limit, 1 + _found, 1e-5))
    mo.vstack([table(pd.DataFrame(_rows)), *_lines])
    return


@app.cell
def _(best):
    # What one more unit of similarity is worth, by differentiating the formula.
    _slope = sp.diff(symbolic.explicit(best), symbolic.beta)
    _problem = TransferProblem(2000, 100, 400, mu=1.0, mu_orth=1.0, beta=0.5, gamma_source=1.0, gamma_target=0.3)
    _exact = float(symbolic.evaluate(_slope, _problem))
    _up, _down = (
        optimal_alpha(
            TransferProblem(2000, 100, 400, mu=1.0, mu_orth=1.0, beta=0.5 + _step, gamma_source=1.0, gamma_target=0.3)
        ).alpha
        for _step in (1e-5, -1e-5)
    )
    mo.vstack(
        [
            mo.md(
                rf"## 4. Calculus$\quad$ $\partial\alpha^*/\partial\beta = {_exact:.4f}$ at β = ½, n = 100, p = 400, γ = 0.3"
            ),
            equals("∂α*/∂β against differences", _exact, (_up - _down) / 2e-5, 1e-6),
        ]
    )
    return


@app.cell
def _():
    # Low rank: which singular values of W_t − αW_s are worth a rank?
    _kept, _left = symbolic.rank_steps()
    _threshold = sp.solve(sp.Eq(_kept, _left), symbolic.singular**2)
    _worth = sp.factor(sp.simplify(_threshold[0]))
    mo.md(rf"""
    ## 5. A rank is worth it where

    the risk that a corrected direction of singular value $d$ adds, ${sp.latex(_kept)}$, is below ${sp.latex(_left)}$:

    $$d^2 > {sp.latex(_worth)}$$

    η, the noise, and a weak penalty raise the bar; below it a lower rank is the better classifier.
    """)
    return


if __name__ == "__main__":
    app.run()
