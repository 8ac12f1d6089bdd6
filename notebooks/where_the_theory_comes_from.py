import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Where the theory comes from")

with app.setup:
    import dataclasses

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from checks import agrees, equals, table
    from scipy import optimize, special

    from rmt_alpha import (
        Fit,
        Population,
        TransferProblem,
        compare,
        optimal_alpha,
        plotting,
        predict,
        simulate,
        simulate_optimal_alpha,
    )
    from rmt_alpha.estimate import AlphaRidgeClassifier
    from rmt_alpha.estimate.ridge import RidgePath
    from rmt_alpha.problem.losses import Logistic, Squared
    from rmt_alpha.theory import equivalents
    from rmt_alpha.theory.published import optimal_alpha_published, predict_published
    from rmt_alpha.training import ridge_path

    plt.rcdefaults()
    plt.rcParams.update(plotting.STYLE)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Where the theory comes from

    Each formula of `docs/theory.md`, derived in a few lines and checked at once: against simulation as a z-score, or against an
    independent computation as a relative error. A cell whose check fails raises, so this notebook is also a test. The derivations are a
    physicist's: leave-one-out arguments whose error terms are of order $1/n$ and are not bounded here. Sections carry the numbers of
    `docs/theory.md`.

    Only one idea is used throughout. **Leave sample $i$ out: what is left does not depend on it.**
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1. Setting

    $x_i = y_i\mu + C^{1/2}\zeta_i$ with labels $y_i=\pm1$. A label only flips its sample, so write $z_i = y_ix_i = \mu + C^{1/2}\zeta_i$: every target is then
    $1$. The classifier anchored at $\alpha\tilde w$ minimises

    $$\frac1{2n}\sum_i (1 - z_i^\top w)^2 + \frac\gamma2\|w-\alpha\tilde w\|^2
    \quad\Longrightarrow\quad
    \boxed{\;\gamma\,(w - \alpha\tilde w) = \frac1n\sum_i (1 - z_i^\top w)\,z_i\;}\qquad(1)$$

    or, solved, $w_\alpha = Q\,(Xy/n + \alpha\gamma\tilde w)$ with $Q = (XX^\top/n+\gamma)^{-1}$: **affine in $\alpha$**.
    """)
    return


@app.cell
def _():
    p, n, gamma, alpha = 600, 400, 0.1, 1.7
    _rng = np.random.default_rng(0)
    spectrum = np.linspace(
        0.3, 2, p
    )  # C is diagonal, which loses nothing: only C's position relative to μ and w̃ matters
    mean = _rng.standard_normal(p) * 1.5 / np.sqrt(p)
    anchor = 0.3 * mean + _rng.standard_normal(p) * 0.6 / np.sqrt(p)
    return alpha, anchor, gamma, mean, n, p, spectrum


@app.function
def signed_samples(rng, n, mean, spectrum=1.0):
    """n rows z_i = y_i x_i = μ + C^{1/2}ζ_i."""
    return mean + np.sqrt(spectrum) * rng.standard_normal((n, len(mean)))


@app.cell
def _(alpha, anchor, gamma, mean, n, p, spectrum):
    _rng = np.random.default_rng(1)
    _y = _rng.choice([-1.0, 1.0], n)
    _X = (signed_samples(_rng, n, mean, spectrum) * _y[:, None]).T  # p × n, as on paper
    _Q = np.linalg.inv(_X @ _X.T / n + gamma * np.eye(p))
    w = _Q @ (_X @ _y / n + alpha * gamma * anchor)
    equals("w_α against the library's solver", ridge_path(_X.T, _y, gamma, anchor[:, None]) @ (1, alpha), w, 1e-11)
    return (w,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Accuracy needs no test set.** Given $w$, the score of a fresh sample is $z^\top w \sim \mathcal N(m, V)$, with $m = \mu^\top w$ and $V = w^\top Cw$: exactly, if the noise
    is Gaussian. So the accuracy is $\Phi(m/\sqrt V)$ and the risk $\mathbb E(1-z^\top w)^2 = V + (1-m)^2$. Against 200 000 fresh samples:
    """)
    return


@app.cell
def _(mean, spectrum, w):
    _rng = np.random.default_rng(2)
    _accuracy = special.ndtr(mean @ w / np.sqrt(w @ (spectrum * w)))
    _right = sum(np.sum(signed_samples(_rng, 20_000, mean, spectrum) @ w > 0) for _ in range(10)) / 200_000
    agrees(
        f"accuracy {_accuracy:.4f}, measured {_right:.4f}",
        (_right - _accuracy) / np.sqrt(_accuracy * (1 - _accuracy) / 2e5),
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2. One ridge stage

    ### κ: the penalty that the data add

    Let $Q$ be the resolvent of the noise alone, $\mu = 0$. Take one sample out of it, $Q_{-i}$; by Sherman–Morrison
    $Qz_i = Q_{-i}z_i/(1+\tfrac1n z_i^\top Q_{-i}z_i)$, and since $z_i$ is independent of $Q_{-i}$,
    $\tfrac1n z_i^\top Q_{-i}z_i \approx \tfrac1n\operatorname{tr}CQ =: \delta$. Hence

    $$I = Q\Bigl(\frac1n\sum_i z_iz_i^\top + \gamma\Bigr) = \gamma Q + \frac1n\sum_i\frac{Q_{-i}z_iz_i^\top}{1+\delta}
    \;\approx\; Q\Bigl(\gamma + \frac{C}{1+\delta}\Bigr)
    \quad\Longrightarrow\quad Q \approx \frac\kappa\gamma\,(C+\kappa)^{-1},\qquad \kappa := \gamma(1+\delta).$$

    Put this back into $\delta = \frac1n\operatorname{tr}CQ = \frac\kappa\gamma\,\mathrm{df}_1/n$ and use $\kappa = \gamma + \gamma\delta$:

    $$\boxed{\;\kappa\Bigl(1-\frac{\mathrm{df}_1(\kappa)}n\Bigr) = \gamma,\qquad \mathrm{df}_1 = \operatorname{tr}C(C+\kappa)^{-1}\;}$$

    Ridge regression on $n$ noisy samples acts like ridge on infinitely many with the larger penalty $\kappa$.
    """)
    return


@app.cell
def _(gamma, n, spectrum):
    kappa, h, one_minus_h = (float(x) for x in equivalents.general(spectrum, n, gamma))
    R = 1 / (spectrum + kappa)  # (C+κ)⁻¹, diagonal like C
    equals("κ solves its equation", kappa * (1 - np.sum(spectrum * R) / n), gamma, 1e-12)
    return R, h, kappa, one_minus_h


@app.cell
def _(R, gamma, kappa, n, p, spectrum):
    _rng = np.random.default_rng(3)
    # Two numbers of Q, over 40 draws of the noise: δ, and a quadratic form.
    _unit = _rng.standard_normal(p) / np.sqrt(p)
    _delta, _form = [], []
    for _ in range(40):
        _Z = signed_samples(_rng, n, np.zeros(p), spectrum)
        # The p × p resolvent through the smaller n × n one.
        _small = np.linalg.inv(_Z @ _Z.T / n + gamma * np.eye(n))
        _forms = [
            (spectrum.sum() - np.sum((_small @ _Z) * (_Z * spectrum)) / n) / gamma,
            (_unit @ _unit - _unit @ _Z.T @ _small @ _Z @ _unit / n) / gamma,
        ]
        _delta.append(_forms[0] / n)
        _form.append(_forms[1])
    _error = np.std(_form, ddof=1) / np.sqrt(40)
    mo.vstack(
        [
            equals("κ = γ(1+δ), with δ = tr CQ/n averaged over draws", gamma * (1 + np.mean(_delta)), kappa, 5e-3),
            agrees("uᵀQu against (κ/γ)uᵀ(C+κ)⁻¹u", (np.mean(_form) - kappa / gamma * _unit @ (R * _unit)) / _error),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Identity covariance.** With $\eta = p/n$, $\mathrm{df}_1 = p/(1+\kappa)$ and the equation is quadratic: $\kappa^2 + (1-\eta-\gamma)\kappa - \gamma = 0$. Where
    $\eta+\gamma<1$ the textbook root $\bigl(-t+\sqrt{t^2+4\gamma}\bigr)/2$, $t = 1-\eta-\gamma$, subtracts two nearly equal numbers; its conjugate
    $2\gamma/\bigl(t+\sqrt{t^2+4\gamma}\bigr)$ does not. At $\gamma = 10^{-14}$, $\eta = ½$, where $\kappa = 2\gamma$ to twelve digits:
    """)
    return


@app.cell
def _():
    _eta, _gamma = 0.5, 1e-14
    _t = 1 - _eta - _gamma
    _textbook = (-_t + np.sqrt(_t * _t + 4 * _gamma)) / 2
    mo.vstack(
        [
            mo.md(f"The textbook root is off by {abs(_textbook / (2 * _gamma) - 1):.1%}."),
            equals("κ by the conjugate root", equivalents.isotropic(_eta, _gamma)[0], 2 * _gamma, 1e-12),
        ]
    )
    return


@app.cell
def _():
    _eta, _gamma = np.geomspace(0.05, 20, 40)[:, None], np.geomspace(1e-6, 100, 40)
    _kappa = equivalents.isotropic(_eta, _gamma)[0]
    _ratio = (_kappa**2 + _kappa) / (_eta * _kappa + _gamma * (1 + _kappa))
    equals("κ² + κ = ηκ + γ(1+κ) at 1600 shapes and penalties", _ratio, np.ones((40, 40)), 1e-12)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### The mean

    Now with $\mu$ and an anchor. Putting sample $i$ in moves $w$ along $Qz_i$ only, and shrinks that sample's own residual:

    $$1 - z_i^\top w = \frac{1 - z_i^\top w_{-i}}{1+\delta} .$$

    Put that into (1) and multiply by $1+\delta$; on the left stands $\gamma(1+\delta) = \kappa$:

    $$\kappa\,(w-\alpha\tilde w) = \frac1n\sum_i r_i z_i,\qquad r_i = 1 - z_i^\top w_{-i}\ \text{ with } w_{-i} \text{ independent of } z_i. \qquad(2)$$

    The expectation is now elementary, $\mathbb E[(1-z^\top w)z] = \mu - (C+\mu\mu^\top)w$, and gives

    $$\boxed{\;\bar w = (C+\mu\mu^\top+\kappa)^{-1}(\mu+\kappa\alpha\tilde w)\;}\qquad m = \mu^\top\bar w = \frac{\mu^\top R(\mu + \kappa\alpha\tilde w)}{1+\mu^\top R\mu},\quad R = (C+\kappa)^{-1}.$$

    ### The noise, and the variance

    Expand (2) further: $z_i = \mu + C^{1/2}\zeta_i$, and by Stein's lemma $\mathbb E[r\,\zeta] = -C^{1/2}w$. What remains of $\frac1n\sum r_i\zeta_i$ is a sum of
    centred terms, a Gaussian vector $\frac{\sigma}{\sqrt n}\xi$ with $\sigma^2 = \mathbb E r^2 = V+(1-m)^2$, the risk:

    $$\kappa(w-\alpha\tilde w) = (1-m)\mu - Cw + \tfrac{\sigma}{\sqrt n}C^{1/2}\xi
    \;\Longrightarrow\;
    w = R\Bigl(\kappa\alpha\tilde w + (1-m)\mu + \tfrac\sigma{\sqrt n}C^{1/2}\xi\Bigr).$$

    If the anchor is itself random with covariance $\tilde\Omega$, its noise passes through $\kappa\alpha R$. So the weights have noise
    $\Omega = \kappa^2\alpha^2 R\tilde\Omega R + \tfrac{\sigma^2}{n}RCR$, and, with $\mathrm{df}_2 = \operatorname{tr}C^2R^2$ and $h = 1-\mathrm{df}_2/n$,

    $$V = \bar w^\top C\bar w + \kappa^2\alpha^2\operatorname{tr}(RCR\tilde\Omega) + (1-h)\bigl[V+(1-m)^2\bigr]
    \;\Longrightarrow\;
    \boxed{\;V = \frac{\bar w^\top C\bar w+\kappa^2\alpha^2\operatorname{tr}(RCR\tilde\Omega)+(1-h)(1-m)^2}{h}\;}$$

    $V$ stands on both sides because a classifier's own test error is the noise that its training sees. **The division by $h$ comes from here**; keep it in mind for
    section 3.
    """)
    return


@app.cell
def _(R, alpha, anchor, h, kappa, mean, n, one_minus_h, spectrum):
    # The boxed formulas, for a fixed anchor (Ω̃ = 0).
    m = mean @ (R * (mean + kappa * alpha * anchor)) / (1 + mean @ (R * mean))
    w_bar = R * (kappa * alpha * anchor + (1 - m) * mean)
    V = (w_bar @ (spectrum * w_bar) + one_minus_h * (1 - m) ** 2) / h
    norm2 = w_bar @ w_bar + (V + (1 - m) ** 2) / n * np.sum(spectrum * R**2)
    return V, m, norm2


@app.cell
def _(V, alpha, anchor, gamma, m, mean, n, spectrum):
    _problem = TransferProblem.from_source(anchor, mean, n_target=n, gamma_target=gamma, cov_target=spectrum)
    _law = predict(_problem, alpha)
    equals("m and V against the library", [_law.mean, _law.variance], [m, V], 1e-12)
    return


@app.cell
def _(V, alpha, anchor, gamma, m, mean, n, norm2, spectrum):
    _rng = np.random.default_rng(4)
    _draws = []
    for _ in range(100):
        _Z = signed_samples(_rng, n, mean, spectrum)
        _w = ridge_path(_Z, np.ones(n), gamma, anchor[:, None]) @ (1, alpha)
        _draws.append((mean @ _w, _w @ (spectrum * _w), _w @ _w))
    _found, _error = np.mean(_draws, axis=0), np.std(_draws, axis=0, ddof=1) / np.sqrt(100)
    agrees("m, V and ‖w‖² over 100 trainings", (_found - (m, V, norm2)) / _error)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **What $h$ is.** Differentiate the equation for $\kappa$: $\frac{d}{d\kappa}\kappa\,\mathrm{df}_1 = \mathrm{df}_2$, so $h = d\gamma/d\kappa$, the sensitivity of the effective
    penalty. It vanishes at $\gamma\to0$, $n=p$: the interpolation threshold, where $V$ diverges.
    """)
    return


@app.cell
def _(gamma, h, n, spectrum):
    _step = 1e-5 * gamma
    _above, _below = (float(equivalents.general(spectrum, n, gamma + s)[0]) for s in (_step, -_step))
    equals("h = dγ/dκ, by a difference quotient", 2 * _step / (_above - _below), h, 1e-7)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3. Transfer, isotropic

    Stages compose. The source is a stage without anchor, and all that the target sees of it is $s=\langle\mathbb E\tilde w,\mu_\beta\rangle$ and $q=\mathbb E\|\tilde w\|^2$. With
    $C=I$, $R = 1/(1+\kappa)$: the source's mean is $\tilde m\,\mu/\mu^2$, and section 2 reads

    $$\tilde m = \frac{\mu^2}{\mu^2+1+\tilde\kappa},\qquad s=\beta\tilde m,\qquad
    q = \tilde V = \frac{\tilde m^2/\mu^2+(1-\tilde h)(1-\tilde m)^2}{\tilde h}.$$

    In the target, split $\bar w$ along $\mu_\beta$, where it has length $m/b$ with $b=\|\mu_\beta\|$, and across it, where only the source
    contributes: $\frac{\kappa\alpha}{1+\kappa}$ times the rest of $\tilde w$, mean and noise together of squared length $q - s^2/b^2$:

    $$\boxed{\;m(\alpha) = \frac{b^2+\alpha\kappa s}{b^2+1+\kappa},\qquad
    V(\alpha) = \frac1h\Bigl[\frac{m^2}{b^2}+\alpha^2\Bigl(\frac{\kappa}{1+\kappa}\Bigr)^2\Bigl(q-\frac{s^2}{b^2}\Bigr)+(1-h)(1-m)^2\Bigr]\;}$$
    """)
    return


@app.function
def closed_form(problem, alpha):
    """Section 3, line by line: m(α), V(α)."""
    kappa_s, h_s, _ = equivalents.isotropic(problem.aspect_source, problem.gamma_source)
    kappa, h, _ = equivalents.isotropic(problem.aspect_target, problem.gamma_target)
    b2 = problem.beta**2 * problem.mu**2 + (1 - problem.beta**2) * problem.mu_orth**2
    m_s = problem.mu**2 / (problem.mu**2 + 1 + kappa_s)
    s = problem.beta * m_s
    q = (m_s**2 / problem.mu**2 + (1 - h_s) * (1 - m_s) ** 2) / h_s
    m = (b2 + alpha * kappa * s) / (b2 + 1 + kappa)
    V = (m**2 / b2 + alpha**2 * (kappa / (1 + kappa)) ** 2 * (q - s**2 / b2) + (1 - h) * (1 - m) ** 2) / h
    return m, V


@app.cell
def _():
    # Ratios of order one, and a size at which 1/p no longer shows.
    transfer = TransferProblem(
        100_000, 40_000, 120_000, mu=1.2, mu_orth=0.8, beta=0.6, gamma_source=0.5, gamma_target=0.2
    )
    alphas = np.linspace(-4, 6, 11)
    _law = predict(transfer, alphas)
    equals("the closed form against the library", closed_form(transfer, alphas), [_law.mean, _law.variance], 1e-12)
    return alphas, transfer


@app.cell
def _(alphas, transfer):
    _z = compare(predict(transfer, alphas), simulate(transfer, alphas, n_trials=512))
    agrees("mean, variance, accuracy and risk over 512 exact trainings", [_z.mean, _z.variance, _z.accuracy, _z.risk])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### The published slip

    The published code has another second moment of the source:

    $$q_{\text{published}} = \tilde m^2/\mu^2 + (1-\tilde h)(1-2\tilde m).$$

    Write ours before it was solved for $q$. Since $\sigma^2 = \mathbb E(1-z^\top\tilde w)^2 = 1 - 2\tilde m + \mathbb E(z^\top\tilde w)^2$,

    $$q = \tilde m^2/\mu^2 + (1-\tilde h)\bigl(1-2\tilde m + \underbrace{q+\tilde m^2}_{\mathbb E(z^\top\tilde w)^2}\bigr).$$

    The published form equals ours without the last term, the mean square of the score. It carries the factor $1-\tilde h = \tilde\eta/(1+\tilde\kappa)^2$, so the slip is small where
    $N\gg p$ and large where $p/N$ is of order one. $\|\tilde w\|^2$ itself, drawn 200 times at $p=N=300$:
    """)
    return


@app.cell
def _():
    _rng = np.random.default_rng(5)
    _p = _N = 300
    _mu, _gamma = 1.0, 1.0
    _kappa, _h, _ = equivalents.isotropic(_p / _N, _gamma)
    _m = _mu**2 / (_mu**2 + 1 + _kappa)
    q_right = (_m**2 / _mu**2 + (1 - _h) * (1 - _m) ** 2) / _h
    q_published = _m**2 / _mu**2 + (1 - _h) * (1 - 2 * _m)
    _mean = np.eye(1, _p)[0] * _mu
    _norms = [np.sum(ridge_path(signed_samples(_rng, _N, _mean), np.ones(_N), _gamma) ** 2) for _ in range(200)]
    _error = np.std(_norms, ddof=1) / np.sqrt(200)
    mo.vstack(
        [
            table(
                pd.DataFrame(
                    {"E‖w̃‖²": ["published", "corrected", "simulated"], "": [q_published, q_right, np.mean(_norms)]}
                )
            ),
            agrees("E‖w̃‖² as corrected", (np.mean(_norms) - q_right) / _error),
            mo.md(f"As published it is off by {(np.mean(_norms) - q_published) / _error:.0f} standard errors."),
        ]
    )
    return


@app.function
def times(problem, factor):
    """The same ratios at `factor` times the size."""
    sizes = {name: factor * getattr(problem, name) for name in ("n_source", "n_target", "dim")}
    return dataclasses.replace(problem, **sizes)


@app.cell
def _():
    _first = TransferProblem(2000, 200, 2000, mu=1, mu_orth=1, beta=0.8, gamma_source=1, gamma_target=1)
    _second = TransferProblem(500, 1000, 300, mu=2, mu_orth=0.5, beta=0.9, gamma_source=0.1, gamma_target=0.1)
    _best = simulate_optimal_alpha(times(_first, 100), n_trials=512)
    _sim = simulate(times(_second, 100), -5.0, n_trials=512)
    _rows = {
        "": ["α* at N = p = 2000, n = 200, β = 0.8", "accuracy at α = −5, N = 500, n = 1000, p = 300"],
        "published": [optimal_alpha_published(_first), predict_published(_second, -5.0).accuracy],
        "corrected": [optimal_alpha(_first).alpha, predict(_second, -5.0).accuracy],
        "simulated, 100 × the size": [_best.alpha, _sim.accuracy],
        "± standard error": [_best.alpha_se, _sim.accuracy_se],
    }
    _z = [
        (_best.alpha - optimal_alpha(_first).alpha) / _best.alpha_se,
        (_sim.accuracy - predict(_second, -5.0).accuracy) / _sim.accuracy_se,
    ]
    mo.vstack([table(pd.DataFrame(_rows)), agrees("both, as corrected", _z)])
    return


@app.cell
def _():
    beta = mo.ui.slider(0.1, 0.95, step=0.05, value=0.8, show_value=True, label="alignment β")
    gamma_source = mo.ui.slider(steps=[0.01, 0.1, 1.0, 10.0], value=1.0, show_value=True, label="source penalty γ̃")
    mo.hstack([beta, gamma_source], justify="start", gap=3)
    return beta, gamma_source


@app.cell
def _(beta, gamma_source):
    def _problem(ratio, dim=2000):
        sizes = np.round(dim / np.asarray(ratio)).astype(int), dim // 10, dim
        return TransferProblem(*sizes, 1, 1, beta.value, gamma_source=gamma_source.value, gamma_target=1)

    _ratio, _places = np.geomspace(0.02, 5, 121), np.geomspace(0.02, 5, 9)
    _sim = simulate_optimal_alpha(_problem(_places, 200_000), n_trials=128)
    _fig, _axes = plotting.figure(width=4.2, height=2.8)
    plotting.theory_line(_axes[0, 0], _ratio, optimal_alpha(_problem(_ratio)).alpha, 0, label="theory, corrected")
    plotting.theory_line(_axes[0, 0], _ratio, optimal_alpha_published(_problem(_ratio)), 1, label="theory, published")
    plotting.simulation_points(_axes[0, 0], _places, _sim.alpha, _sim.alpha_se, 5, label="simulation")
    _axes[0, 0].set(xscale="log", xlabel="$p/N$", ylabel=r"$\alpha^*$", title=r"$p/n=10,\ \mu=\mu_\perp=\gamma=1$")
    _axes[0, 0].legend()
    _fig
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4. The best and the worst α

    $w_\alpha$ is affine in $\alpha$, so with $a=(1,\alpha)$: $m = c^\top a$, $V = a^\top Ma$. By Cauchy–Schwarz

    $$\frac{(c^\top a)^2}{a^\top Ma}\le c^\top M^{-1}c,\quad\text{with equality for } a\propto M^{-1}c
    \qquad\Longrightarrow\qquad
    \boxed{\;\alpha^* = \frac{(M^{-1}c)_1}{(M^{-1}c)_0},\qquad \bar\alpha = -\frac{c_0}{c_1}\;}$$

    where $m(\bar\alpha)=0$: accuracy ½. The risk $a^\top Ma + (1-c^\top a)^2$ is a parabola with its minimum elsewhere,
    $\alpha_{\text{risk}} = \bigl(c_1(1-c_0)-M_{01}\bigr)/(M_{11}+c_1^2)$.
    """)
    return


@app.cell
def _(transfer):
    _best = optimal_alpha(transfer)
    _search = optimize.minimize_scalar(lambda a: -predict(transfer, a).accuracy, bounds=(0, 20), method="bounded")
    _risk = optimize.minimize_scalar(lambda a: predict(transfer, a).risk, bounds=(-20, 20), method="bounded")
    mo.vstack(
        [
            mo.md(f"α\\* = {_best.alpha:.4f}, ᾱ = {_best.zero:.4f}, α of least risk = {_best.least_risk:.4f}"),
            equals("α* against a numerical search", _search.x, _best.alpha, 1e-4),
            equals("α of least risk against a numerical search", _risk.x, _best.least_risk, 1e-6),
            equals("accuracy at ᾱ", predict(transfer, _best.zero).accuracy, 0.5, 1e-12),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **As an angle.** Only the direction of $a$ matters: $a = (\cos\theta,\sin\theta)$, $\alpha = \tan\theta$, $|\theta|<90°$. If
    $(M^{-1}c)_0\le0$ the peak lies outside and the supremum is at the edge, $\alpha\to\pm\infty$: then `at_infinity` says so. It takes an odd problem. Even a perfect source
    has a finite best scale: for $\tilde w=\mu_\beta$, $C=I$, section 3 with $q=s=b^2$ leaves $V = [m^2/b^2+(1-h)(1-m)^2]/h$, so $m/\sqrt V$ is largest where the residual has mean
    zero, $m=1$:

    $$\alpha^* = \frac{1+\kappa}{\kappa\,b^2}.$$

    Below, sources of unit length at three angles to $\mu_\beta$, $b=1$, with little target data.
    """)
    return


@app.cell
def _():
    _angle = np.radians(np.linspace(-89.9, 89.9, 721))
    _fig, _axes = plotting.figure(width=4.4, height=2.7)
    for _i, _cosine in enumerate((1.0, 0.9, 0.5)):
        _w = np.zeros(400)
        _w[:2] = _cosine, np.sqrt(1 - _cosine**2)
        _problem = TransferProblem.from_source(_w, np.eye(1, 400)[0], n_target=20, gamma_target=1.0)
        _best = optimal_alpha(_problem)
        _curve = predict(_problem, np.tan(_angle)).accuracy
        _label = rf"theory, cosine {_cosine:g}: $\alpha^*={_best.alpha:.2f}$"
        plotting.theory_line(_axes[0, 0], np.degrees(_angle), _curve, _i, label=_label)
        _axes[0, 0].plot(np.degrees(np.arctan(_best.alpha)), _best.accuracy, "*k", ms=7, zorder=5)
    _axes[0, 0].set(xlabel=r"angle $\theta=\arctan\,\alpha$, in degrees", ylabel="accuracy", xticks=range(-90, 91, 30))
    _axes[0, 0].legend()
    _fig
    return


@app.cell
def _():
    _kappa = equivalents.isotropic(20.0, 1.0)[0]
    _problem = TransferProblem.from_source(np.eye(400)[0], np.eye(400)[0], n_target=20, gamma_target=1.0)
    equals("α* of a perfect source", optimal_alpha(_problem).alpha, (1 + _kappa) / _kappa, 1e-12)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Several sources** change nothing but the size of $M$: $a = (1,\alpha_1,\dots,\alpha_K)$ and $\alpha^* = (M^{-1}c)_{1:}/(M^{-1}c)_0$. Two sources here, one of them fine-tuned
    from another; the accuracy must be stationary at their $\alpha^*$, and simulation must see the accuracy that is predicted there.
    """)
    return


@app.cell
def _():
    _rng = np.random.default_rng(6)
    _mean, _other, _third = _rng.standard_normal((3, 4000)) / np.sqrt(4000)

    def _task(mean):
        return Population.two_classes(mean, -mean)

    _general = Fit(_task(_other), n=3000, gamma=1.0)
    _related = Fit(_task(_mean + 0.7 * _third), n=1000, gamma=1.0, starts=[_general], alpha=2.0)
    _side = Fit(_task(_mean - 0.5 * _other), n=2000, gamma=0.5)
    two = Fit(_task(_mean), n=2000, gamma=0.3, starts=[_related, _side])
    best_two = optimal_alpha(two)
    _steps = 1e-4 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    _near = predict(two, best_two.alpha + _steps).accuracy
    _z = compare(predict(two, best_two.alpha), simulate(two, best_two.alpha, n_trials=256))
    mo.vstack(
        [
            mo.md(f"α\\* = ({best_two.alpha[0]:.3f}, {best_two.alpha[1]:.3f}), accuracy {best_two.accuracy:.4f}"),
            equals("the same accuracy 10⁻⁴ away in each α", _near, np.full(4, best_two.accuracy), 1e-8),
            agrees("simulated accuracy there", _z.accuracy),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 5. Any convex loss

    Replace $\frac12(1-t)^2$ by $\ell(t)$. Leaving out sample $i$ again, with $\omega_i = z_i^\top w_{-i}\sim\mathcal N(m,V)$ and the leverage $v$: sample $i$ moves its
    own score to $t = \omega + v\,g$, $g = -\ell'(t)$, that is $t = \operatorname{prox}_{v\ell}(\omega)$. Then (1) becomes $\gamma(w-\alpha\tilde w) = \frac1n\sum_i g_iz_i$, and Stein's
    lemma works as before:

    $$\hat m = \mathbb E g,\quad \hat q = \mathbb E g^2/n,\quad \chi = -\mathbb E\frac{dg}{d\omega} = \mathbb E\frac{\ell''(t)}{1+v\ell''(t)}:\qquad
    \boxed{\;w = (\chi C+\gamma)^{-1}\bigl(\hat m\mu+\gamma\alpha\tilde w+\sqrt{\hat q}\,C^{1/2}\xi\bigr)\;}$$

    The three numbers close on themselves: $m = \mu^\top\mathbb Ew$, $V = \mathbb E\,w^\top Cw$, $v = \operatorname{tr}C(\chi C+\gamma)^{-1}/n$. Iterated below with damping; expectations by
    Gauss–Hermite quadrature. The source is a ridge classifier with $C=I$, so $\mathbb E\tilde w$ is along $\mu$, and its noise is spread evenly.
    """)
    return


@app.cell
def _():
    # The example of docs/theory.md, section 5.
    lossy = TransferProblem.from_means(
        1.2 * np.eye(400)[0],
        0.7 * 1.2 * np.eye(400)[0] + np.sqrt(0.51) * np.eye(400)[1],
        n_source=800,
        n_target=600,
        gamma_source=0.5,
        gamma_target=0.05,
        cov_target=np.linspace(0.3, 2, 400),
    )
    under_logistic = dataclasses.replace(lossy, loss="logistic")  # the target's training; the source's stays as it is
    return lossy, under_logistic


@app.function
def prox(loss, omega, v, steps=30):
    """t with t + v·ℓ'(t) = ω, by Newton's method."""
    t = omega
    for _ in range(steps):
        t = t - (t + v * loss.slope(t) - omega) / (1 + v * loss.curvature(t))
    return t


@app.function
def fixed_point(loss, C, n, gamma, alpha, mu2, mu_w, w2, steps=400):
    """m and V of a target stage; C (p,) spectrum, and μ², μ·E w̃, E w̃² coordinate by coordinate."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    m, V, v = 0.0, 1.0, 1.0
    for _ in range(steps):
        t = prox(loss, m + np.sqrt(V) * nodes, v)
        g, curvature = -loss.slope(t), loss.curvature(t)
        m_hat, q_hat = weights @ g, weights @ g**2 / n
        S = 1 / (weights @ (curvature / (1 + v * curvature)) * C + gamma)
        pull = gamma * alpha
        new = np.array(
            [
                S @ (m_hat * mu2 + pull * mu_w),
                (C * S**2) @ (m_hat**2 * mu2 + 2 * m_hat * pull * mu_w + pull**2 * w2 + q_hat * C),
                np.sum(C * S) / n,
            ]
        )
        m, V, v = 0.5 * np.array([m, V, v]) + 0.5 * new
    return m, V


@app.cell
def _(lossy, under_logistic):
    # The source's law, section 3.
    _kappa, _h, _ = equivalents.isotropic(0.5, 0.5)
    _m = 1.44 / (1.44 + 1 + _kappa)
    _q = (_m**2 / 1.44 + (1 - _h) * (1 - _m) ** 2) / _h
    _w_mean, _mu = np.zeros((2, 400))
    _w_mean[0], _mu[:2] = _m / 1.2, (0.84, np.sqrt(0.51))
    _noise = (_q - _m**2 / 1.44) / 400
    stage = (np.linspace(0.3, 2, 400), 600, 0.05), (_mu**2, _mu * _w_mean, _w_mean**2 + _noise)
    _alphas = (-2.0, 0.0, 1.0, 3.0)
    _logistic = np.array([fixed_point(Logistic(), *stage[0], a, *stage[1]) for a in _alphas])
    _squared = np.array([fixed_point(Squared(), *stage[0], a, *stage[1]) for a in _alphas])
    _law = predict(lossy, _alphas)
    _accuracy = special.ndtr(_logistic[:, 0] / np.sqrt(_logistic[:, 1]))
    mo.vstack(
        [
            mo.md(f"Logistic loss, accuracy at α = −2, 0, 1, 3: {', '.join(f'{x:.4f}' for x in _accuracy)}"),
            equals("the same from the library", predict(under_logistic, _alphas).accuracy, _accuracy, 1e-6),
            equals("the squared loss gives back section 2", _squared.T, [_law.mean, _law.variance], 1e-8),
        ]
    )
    return


@app.cell
def _(under_logistic):
    _alphas = np.array([-2.0, 0.0, 1.0, 3.0])
    _z = compare(predict(under_logistic, _alphas), simulate(under_logistic, _alphas, n_trials=32))
    agrees("mean, variance and accuracy over 32 logistic trainings", [_z.mean, _z.variance, _z.accuracy])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 6. Regression with several outputs

    $Y = W_tX+\sigma\varepsilon$, inputs with $C=I$. Output by output it is (2) again, with the residual $r = w_t^\top x+\sigma\varepsilon-w^\top x$ and $\mathbb E[r\,x] = w_t-w$:

    $$\kappa(w-\alpha w_s) = w_t-w+\tfrac{\tau}{\sqrt n}\xi
    \;\Longrightarrow\; w-w_t = \frac{\kappa(\alpha w_s-w_t)+\tau\xi/\sqrt n}{1+\kappa},\qquad \tau^2=\sigma^2+\|w-w_t\|^2 .$$

    $\tau^2$ is the risk, and stands on both sides as $V$ did: $\tau^2h = \sigma^2+\bigl(\frac{\kappa}{1+\kappa}\bigr)^2\|\alpha w_s-w_t\|^2$. Summed over $d$ outputs, with
    $(1+\kappa)^2h = (1+\kappa)^2-\eta$,

    $$\boxed{\;\text{risk} = \frac{\kappa^2\|W_t-\alpha W_s\|_F^2+\sigma^2d\,(1+\kappa)^2}{(1+\kappa)^2-\eta},\qquad \alpha^*=\frac{\langle W_t,W_s\rangle}{\|W_s\|^2_F}\;}$$

    $\alpha$ enters through the distance alone, so the best one depends on no sample size, penalty or noise.
    """)
    return


@app.cell
def _():
    _rng = np.random.default_rng(7)
    _p, _n, _d, _gamma, _sigma = 300, 200, 3, 0.2, 0.5
    _Ws = _rng.standard_normal((_d, _p)) / np.sqrt(_p)
    _Wt = 0.8 * _Ws + 0.5 * _rng.standard_normal((_d, _p)) / np.sqrt(_p)
    _alphas = np.array([-1.0, 0.0, 1.0, 2.0])
    _kappa = equivalents.isotropic(_p / _n, _gamma)[0]
    _distance = np.array([np.sum((_Wt - a * _Ws) ** 2) for a in _alphas])
    _risk = (_kappa**2 * _distance + _sigma**2 * _d * (1 + _kappa) ** 2) / ((1 + _kappa) ** 2 - _p / _n)

    _measured = []
    for _ in range(100):
        _X = _rng.standard_normal((_n, _p))
        _W = ridge_path(_X, _X @ _Wt.T + _sigma * _rng.standard_normal((_n, _d)), _gamma, _Ws.T)
        _off = [_W[:, :_d] + a * _W[:, _d:] - _Wt.T for a in _alphas]
        _measured.append([np.sum(x**2) + _sigma**2 * _d for x in _off])
    _fit = Fit(Population.linear(_Wt.T, _sigma), _n, _gamma, starts=[_Ws.T])
    _error = np.std(_measured, axis=0, ddof=1) / 10
    mo.vstack(
        [
            equals("risk against the library", predict(_fit, _alphas).risk, _risk, 1e-12),
            equals("α* against the library", optimal_alpha(_fit).alpha, np.sum(_Wt * _Ws) / np.sum(_Ws**2), 1e-12),
            agrees("risk over 100 trainings", (np.mean(_measured, axis=0) - _risk) / _error),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 7. Exact simulation without data

    The checks above used a hundred thousand dimensions. No matrix of that size was drawn. For $C=I$ and Gaussian noise only inner products with $\mu_\beta$, $\tilde w$ and the
    vector of ones matter, and the law of the noise matrix is invariant under rotations of either side. So rotate, on paper, one direction after another (block Golub–Kahan
    bidiagonalisation): the matrix becomes block bidiagonal with **independent** entries, $\chi$ variables on the diagonal and normal ones beside it. The quantities wanted sit in the first block of
    $(XX^\top/n+\gamma)^{-1}$, which a recursion from the deepest block upwards gives, and $\|w\|^2$ is a derivative in $\gamma$. Blocks far down are forgotten geometrically.

    This is exact at *every* size, not only in the limit. So take a tiny one, where the limit is visibly wrong, and compare with data drawn in full:
    """)
    return


@app.cell
def _():
    _tiny = TransferProblem(12, 5, 8, mu=1.2, mu_orth=0.8, beta=0.6, gamma_source=0.3, gamma_target=0.2)
    _alphas = np.array([-1.0, 0.0, 1.0, 3.0])
    _chain = simulate(_tiny, _alphas, n_trials=20_000, method="chain")
    _dense = simulate(_tiny, _alphas, n_trials=4_000, method="dense", seed=1)
    _z = [
        (getattr(_chain, q) - getattr(_dense, q)) / np.hypot(getattr(_chain, f"{q}_se"), getattr(_dense, f"{q}_se"))
        for q in ("mean", "variance", "accuracy", "risk")
    ]
    _limit = predict(_tiny, _alphas).accuracy
    _off = np.abs((_limit - _chain.accuracy) / _chain.accuracy_se).max()
    mo.vstack(
        [
            agrees("chain against data, p = 8, n = 5, N = 12", _z),
            mo.md(
                f"The limit's accuracy is off by up to {np.abs(_limit - _chain.accuracy).max():.3f} there, {_off:.0f} standard errors."
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 8. Choosing α from the target sample

    $\mu$ is not known in practice. Two ways to $c$ and $M$ without validation data.

    **Leave-one-out.** The identity behind (2) is exact for finite $n$: with $S_i = x_i^\top Qx_i/n$,

    $$\boxed{\;f_i(\alpha) = y_i - \frac{y_i-x_i^\top w_\alpha}{1-S_i}\;}$$

    is the score of sample $i$ by the classifier trained without it (at the same $1/n$). It is affine in $\alpha$; regressing $y$ on its two coefficients is section 4 with sample moments.
    """)
    return


@app.cell
def _(gamma):
    _rng = np.random.default_rng(8)
    # A small sample, each row left out by hand.
    _n, _p, _alpha = 30, 50, 1.3
    _X, _y = _rng.standard_normal((_n, _p)), _rng.choice([-1.0, 1.0], 30)
    _X[:, 0] += _y
    _anchor = _rng.standard_normal(_p)
    _Q = np.linalg.inv(_X.T @ _X / _n + gamma * np.eye(_p))
    _w = _Q @ (_X.T @ _y / _n + _alpha * gamma * _anchor)
    _S = np.sum((_X @ _Q) * _X, axis=1) / _n
    _formula = _y - (_y - _X @ _w) / (1 - _S)

    def _without(i):
        X, y = np.delete(_X, i, 0), np.delete(_y, i)
        return _X[i] @ np.linalg.solve(X.T @ X / _n + gamma * np.eye(_p), X.T @ y / _n + _alpha * gamma * _anchor)

    _refitted = [_without(i) for i in range(_n)]
    _path = RidgePath(_X, _y[:, None], _anchor[None, None], intercept=False)
    _scores = _path.leave_one_out(gamma).scores[:, 0]
    _weights = _path.fit(gamma, np.array([[_alpha]]))[0][0]
    mo.vstack(
        [
            equals("leave-one-out scores against 30 refits", _formula, _refitted, 1e-10),
            equals("and the library's", _scores[0] + _alpha * _scores[1], _refitted, 1e-10),
            equals("and w_α from its weights", _weights, _w, 1e-10),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Plug-in.** Section 3 needs $s=\langle\tilde w,\mu_\beta\rangle$, $q=\|\tilde w\|^2$ and $b^2=\|\mu_\beta\|^2$. $q$ is known; $s$ is estimated by the mean of $y\,\tilde w^\top x$, and $b^2$ without bias by the
    U-statistic, the mean of $y_iy_jx_i^\top x_j$ over $i\ne j$, whose standard error is about $\sqrt{2p}/n$. That is large where $n\ll p$; but $b^2\ge s^2/q$ by Cauchy–Schwarz, and the precise $s$
    then bounds the imprecise $b^2$.
    """)
    return


@app.cell
def _():
    _rng = np.random.default_rng(9)
    _p, _n, _b = 1000, 40, 0.8
    _mean = np.eye(1, _p)[0] * _b

    def _u_statistic():
        Z = signed_samples(_rng, _n, _mean)
        total = Z.sum(axis=0)
        return (total @ total - np.sum(Z**2)) / (_n * (_n - 1))

    _values = [_u_statistic() for _ in range(800)]
    _spread = np.std(_values, ddof=1)
    mo.vstack(
        [
            agrees("the U-statistic is unbiased for b²", (np.mean(_values) - _b**2) / (_spread / np.sqrt(800))),
            mo.md(
                f"Its standard deviation is {_spread:.2f}; √(2p)/n = {np.sqrt(2 * _p) / _n:.2f}, and b² = {_b**2:.2f}: useless alone at this size."
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **What the estimates are worth.** 200 samples of $n = 40$ in $p = 1000$, source alignment $\beta = 0.9$. Above all: how much accuracy is lost against the oracle's $\alpha^*$, which knows $\mu$? `auto` is the rule of
    `AlphaRidgeClassifier(alpha="auto")`: leave-one-out moments where they are precise, random-matrix structure where they are not (`docs/alpha_from_data.md`).
    """)
    return


@app.cell
def _():
    _problem = TransferProblem(5000, 40, 1000, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)
    _mu, _mu_beta = np.zeros((2, 1000))
    _mu[0], _mu_beta[:2] = 0.8, (0.8 * 0.9, 0.8 * np.sqrt(1 - 0.81))
    _rng, _rules = np.random.default_rng(8), {"leave-one-out": "loo", "auto": "auto"}
    oracle = optimal_alpha(_problem).alpha
    found = {name: [] for name in _rules}
    losses = {name: [] for name in (*_rules, "α = 1", "α = 0")}
    # One source serves 20 target samples: the loss is compared within each sample.
    for _trial in range(200):
        if _trial % 20 == 0:
            _source = ridge_path(signed_samples(_rng, 5000, _mu), np.ones(5000), 5.0)[:, 0]
        _y = np.repeat([-1.0, 1.0], 20)
        _X = _y[:, None] * signed_samples(_rng, 40, _mu_beta)

        _W = ridge_path(_X, _y, 0.1, _source[:, None]).T

        def _accuracy(a, W=_W):
            return special.ndtr((W[0] + a * W[1]) @ _mu_beta / np.linalg.norm(W[0] + a * W[1]))

        _oracle = _accuracy(oracle)
        for _name, _rule in _rules.items():
            _model = AlphaRidgeClassifier(_source, alpha=_rule, gamma=0.1, fit_intercept=False).fit(_X, _y)
            found[_name].append(_model.alpha_)
            losses[_name].append(_oracle - _accuracy(found[_name][-1]))
        losses["α = 1"].append(_oracle - _accuracy(1.0))
        losses["α = 0"].append(_oracle - _accuracy(0.0))
    return found, losses, oracle


@app.cell
def _(found, losses, oracle):
    _fig, _axes = plotting.figure(width=4.4, height=2.5)
    _edges = np.linspace(0, 30, 46)
    for _i, (_name, _values) in enumerate(found.items()):
        _counts = np.histogram(np.clip(_values, *_edges[[0, -1]]), _edges)[0]
        _axes[0, 0].stairs(_counts, _edges, color=plotting.COLORS[_i], ls=plotting.DASHES[_i], lw=1.4, label=_name)
    _axes[0, 0].axvline(oracle, color="black", lw=0.9, label="theory, oracle")
    _axes[0, 0].set(xlabel=r"$\hat\alpha$ (values outside in the end bins)", ylabel="samples of 200")
    _axes[0, 0].legend()
    _rows = {"rule": list(losses), "accuracy lost, mean": [np.mean(x) for x in losses.values()]}
    _rows["± standard error"] = [np.std(x, ddof=1) / np.sqrt(len(x)) for x in losses.values()]
    mo.vstack([_fig, table(pd.DataFrame(_rows))])
    return


@app.cell
def _(losses):
    _gain = np.subtract(losses["α = 1"], losses["auto"])
    _z = _gain.mean() / (_gain.std(ddof=1) / np.sqrt(len(_gain)))
    print(f"auto is above α = 1 by {_gain.mean():.4f} on average, {_z:.0f} standard errors")
    if not _z > 5:
        raise AssertionError(f"auto should be above α = 1 on this problem, got a gain of {_gain.mean():.4f}.")
    mo.md(
        f"`auto` is above $\\alpha=1$ by {100 * _gain.mean():.1f} points of accuracy on average ({_z:.0f} standard errors)."
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## References

    - El Firdoussi, Chayti, Seddik, Jaggi, *α-LoRA: Effective Fine-Tuning via Base Model Rescaling*, [arXiv 2510.21345](https://arxiv.org/abs/2510.21345).
    - Atanasov, Zavatone-Veth, Pehlevan, [arXiv 2405.00592](https://arxiv.org/abs/2405.00592): $\kappa$ and degrees of freedom.
    - Couillet, Liao, *Random Matrix Methods for Machine Learning*: deterministic equivalents.
    - Loureiro et al., [arXiv 2106.03791](https://arxiv.org/abs/2106.03791); Dhifallah, Lu, [arXiv 2101.01918](https://arxiv.org/abs/2101.01918): any convex loss, and transfer.
    - angleTL, [arXiv 2210.12759](https://arxiv.org/abs/2210.12759): the same linear estimator.
    """)
    return


if __name__ == "__main__":
    app.run()
