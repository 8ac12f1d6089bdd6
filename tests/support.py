"""Which question can be asked of which kind of problem: every cell is run, and has either an answer or a reason.

`python -m tests.support` prints the table as the documentation's page has it.
"""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rmt_alpha as rmt
from rmt_alpha import Fit, Group, Population, TransferProblem
from rmt_alpha.problem import losses

P = 60
RNG = np.random.default_rng(12)


def direction(norm: float, p: int = P) -> np.ndarray:
    v = RNG.standard_normal(p)
    return norm * v / np.linalg.norm(v)


def opposite(mean: np.ndarray, **options: Any) -> Population:
    return Population.two_classes(mean, -mean, **options)


def matrix(low: float, high: float) -> np.ndarray:
    Q = np.linalg.qr(RNG.standard_normal((P, P)))[0]
    return (Q * np.linspace(low, high, P)) @ Q.T


def many_classes(p: int) -> Fit:
    """Four classes with flipped labels, from a source of shifted means."""
    means = np.stack([direction(norm, p) for norm in (1.0, 1.7, 2.4, 3.1)])
    source = Fit(
        Population.classes(means + 0.6 * np.stack([direction(1.0, p) for _ in range(4)])), n=3 * p // 2, gamma=0.4
    )
    target = Population.classes(means, covariance=np.linspace(0.4, 1.8, p), confusion=0.05 + 0.8 * np.eye(4))
    return Fit(target, n=7 * p // 6, gamma=0.3, starts=[source])


def problems() -> dict[str, Any]:
    """One problem of each kind, p/n and p/N of order one."""
    mu, nu, other = direction(1.3), direction(1.0), direction(0.9)
    target = 0.7 * mu + 0.7 * nu
    A, B = matrix(0.4, 2.0), matrix(0.3, 1.5)
    source = Fit(opposite(mu), n=90, gamma=0.5)
    pairs = 0.5 * np.kron(
        np.eye(P // 2), [[1, 0.9], [0.9, 1]]
    )  # of which each group has one: parts of one training correlate
    W, W0 = RNG.standard_normal((2, P, 3)) / np.sqrt(P)
    fit = lambda **o: Fit(opposite(target, covariance=B), n=50, gamma=0.3, **o)  # noqa: E731
    unlike = Population.two_classes(target, -0.6 * target, prior=0.65, flips=[0.1, 0.2], covariances=[A, B])
    return {
        "isotropic numbers": TransferProblem(90, 50, P, mu=1.3, mu_orth=0.9, beta=0.6, gamma_source=0.5, gamma_target=0.3),
        "covariances": TransferProblem.from_means(
            mu, target, n_source=90, n_target=50, gamma_source=0.5, gamma_target=0.3, cov_source=A, cov_target=B
        ),
        "given w̃": Fit(opposite(target, covariance=B, prior=0.3), n=50, gamma=0.3, starts=[mu]),
        "several sources": fit(starts=[source, other]),
        "chain": fit(starts=[Fit(opposite(nu, covariance=A), n=70, gamma=0.4, starts=[source], alpha=1.4)]),
        "groups": Fit(
            opposite(target / 3, covariance=pairs), n=50, gamma=1.0,
            starts=Group.split(Fit(opposite(mu / 3, covariance=pairs), n=55, gamma=0.02), np.arange(P) % 2),
        ),
        "pooled data": fit(starts=[Fit(Population.pooled([(opposite(mu), 60), (opposite(nu), 30)]), n=90, gamma=0.4)]),
        "two unlike classes": Fit(unlike, n=70, gamma=0.3, starts=[Fit(opposite(mu, flips=0.1, prior=0.6), n=90, gamma=0.5)]),
        "K classes": many_classes(P),
        "regression": Fit(
            Population.linear(W + W0, 0.6, covariance=np.linspace(0.4, 1.8, P)),
            n=70, gamma=0.3, starts=[Fit(Population.linear(W0, 0.5), n=90, gamma=0.4)],
        ),
    }  # fmt: skip


def alpha(problem: Any) -> Any:
    """Two values of α: (2,), or (2, n_alpha)."""
    n_alpha = problem.n_alpha if isinstance(problem, Fit) else 1
    return np.array([0.4, 1.2]) if n_alpha == 1 else np.array([0.4, 1.2])[:, None] * np.linspace(1, 0.6, n_alpha)


def changed(problem: Any, **changes: Any) -> Any:
    return dataclasses.replace(problem if isinstance(problem, Fit) else problem.fit, **changes)


def agree(problem: Any, trials: int = 60, **options: Any) -> float:
    """Theory against simulation: the largest |z| of accuracy and risk, at three times the size where the kind scales."""
    a = None if isinstance(problem, Fit) and not problem.n_alpha else alpha(problem)
    theory = rmt.predict(problem, a, **{k: v for k, v in options.items() if k == "threshold"})
    z = rmt.compare(theory, rmt.simulate(problem, a, n_trials=trials, seed=5, **options))
    return max(float(np.abs(v).max()) for v in (z.accuracy, z.risk) if v is not None)


def with_loss(loss: str) -> Callable[[Any], Any]:
    def ask(problem: Any) -> Any:
        made = changed(problem, loss=loss)
        found = rmt.predict(made, alpha(made))
        assert np.all(np.isfinite(found.accuracy)) and np.shape(found.risk) == (2,)
        return agree(made, trials=24)

    return ask


def arrays(problem: Any) -> Any:
    if isinstance(problem, TransferProblem):
        made = dataclasses.replace(problem, n_target=np.array([40, 50]), gamma_target=np.array([[0.2], [0.4], [0.6]]))
    else:
        made = dataclasses.replace(problem, n=np.array([40, 50]), gamma=np.array([[0.2], [0.4], [0.6]]))
    a = alpha(problem)[0]
    assert np.shape(rmt.predict(made, a).risk) == (3, 2) == np.shape(rmt.simulate(made, a, n_trials=3).risk)
    assert np.shape(rmt.optimal_alpha(made).risk) == (3, 2)


def jax(problem: Any) -> Any:
    import jax as j

    # Under jit means may not be compared, and eigenvectors not taken: it is the general solvers that run.
    with j.enable_x64(True):
        a = alpha(problem)[0]
        f = lambda problem, a: rmt.predict(problem, a).risk  # noqa: E731
        value, slope = j.jit(j.value_and_grad(f, 1))(problem, np.asarray(a, dtype=float))
        np.testing.assert_allclose(value, rmt.predict(problem, a).risk, rtol=1e-9)
        step = 1e-6 * np.ones_like(np.asarray(a, dtype=float))
        expected = (rmt.predict(problem, a + step).risk - rmt.predict(problem, a - step).risk) / 2e-6
        np.testing.assert_allclose(np.sum(slope), expected, rtol=1e-4, atol=1e-8)
        mapped = j.vmap(lambda a: rmt.predict(problem, a).risk)(alpha(problem))
        np.testing.assert_allclose(mapped, rmt.predict(problem, alpha(problem)).risk, rtol=1e-9)


def sweep(problem: Any) -> Any:
    from rmt_alpha.sweep import sweep

    with tempfile.TemporaryDirectory() as folder:
        data = sweep(problem, alpha(problem), n_trials=4, store=folder, workers=1)
        assert np.all(np.isfinite(data.sim_risk))


def plot(problem: Any) -> Any:
    from rmt_alpha.plotting import plot_accuracy

    axes = plot_accuracy(problem, simulate=8)
    assert axes.lines


def saved(problem: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        rmt.save(Path(folder) / "p", problem)
        assert rmt.load(Path(folder) / "p") == problem


def simulated_best(problem: Any) -> Any:
    theory, found = rmt.optimal_alpha(problem), rmt.simulate_optimal_alpha(problem, n_trials=60, seed=2)
    assert np.all(np.isfinite(found.alpha_se))
    return float(np.abs((np.asarray(found.alpha) - theory.alpha) / found.alpha_se).max())


def best_is_best(problem: Any) -> Any:
    best = rmt.optimal_alpha(problem)
    at = rmt.predict(problem, best.alpha)
    worth = at.risk if at.accuracy is None else -at.accuracy
    near = rmt.predict(problem, best.alpha * (1 + 0.1 * np.array([-1.0, 1.0])[(...,) + (None,) * np.ndim(best.alpha)]))
    assert np.all(worth <= (near.risk if near.accuracy is None else -near.accuracy) + 1e-12)


def least_risk(problem: Any) -> Any:
    best = rmt.optimal_alpha(problem)
    assert rmt.predict(problem, best.least_risk).risk <= rmt.predict(problem, best.alpha).risk + 1e-12
    np.testing.assert_allclose(rmt.predict(problem, best.least_risk).risk, best.risk, rtol=1e-9)


def penalty(problem: Any) -> Any:
    found = rmt.optimal_penalty(problem, "target", alpha=alpha(problem)[0])
    before = rmt.predict(problem, alpha(problem)[0])
    assert found.risk <= before.risk + 1e-12 if before.accuracy is None else found.accuracy >= before.accuracy - 1e-12


def ranked(problem: Any) -> Any:
    if isinstance(problem, Fit) and problem.population.outputs > 1 and not problem.population.is_regression:
        problem = many_classes(10 * P)  # the eigenvalues of G fluctuate by 1/√n: there they stay apart
    made = changed(problem, rank=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return agree(made, trials=16)


def finite(values: Any) -> None:
    assert np.all(np.isfinite(values))


SPREAD = "no formula is known beyond identity covariances, one start, opposite classes and squared losses; the simulated one always is"
LOSS = "the loss is a function of the margin y·xᵀw: it asks for two classes"
NO_ACCURACY = "regression has no accuracy, so no threshold"
MANY = "more than two classes are told apart by the nearest code, so there is no threshold"
GAUSSIAN_ONLY = "the accuracy on other noise is known for two opposite classes of one covariance (simulation takes any)"

LOSSES = {name: f"loss: {name.replace('_', ' ')}" for name in losses.LOSSES if name != "squared"}  # each has its row
ROWS: dict[str, Callable[[Any], Any]] = {
    "predict": lambda p: finite(rmt.predict(p, alpha(p)).risk),
    "best α": best_is_best,
    "α of least risk": least_risk,
    "best penalty": penalty,
    "simulate": lambda p: finite(rmt.simulate(p, alpha(p), n_trials=4).risk),
    "compare": lambda p: agree(p),
    "simulated best α": simulated_best,
    "spread, theory": lambda p: finite(rmt.predict(p, alpha(p), spread=True).risk_sd),
    "finite size, theory": lambda p: finite(rmt.predict(p, alpha(p), finite=True).risk),
    "spread, simulated": lambda p: finite(rmt.simulate(p, alpha(p), n_trials=8).risk_sd),
    "draw": lambda p: finite(rmt.draw(p, n_trials=3).M),
    "sweep": sweep,
    "plot": plot,
    "arrays in the problem": arrays,
    **{row: with_loss(loss) for loss, row in LOSSES.items()},
    "noise law, simulated": lambda p: finite(rmt.simulate(p, alpha(p), n_trials=4, noise="student").risk),
    "noise law, theory": lambda p: finite(rmt.predict(p, alpha(p), noise="student").accuracy),
    "labels at random": lambda p: agree(p, labels="random"),
    "workers": lambda p: finite(rmt.simulate(p, alpha(p), n_trials=4, workers=2).risk),
    "JAX: jit, grad, vmap": jax,
    "JAX solves dense draws": lambda p: finite(
        rmt.simulate(p, alpha(p), n_trials=2, method="dense", backend="jax").risk
    ),
    "best threshold": lambda p: agree(changed(p), threshold="best", trials=30),
    "intercept": lambda p: agree(changed(p, intercept=True)),
    "low rank": ranked,
    "one α per output": lambda p: agree(changed(p, per="output"), trials=30) if p_outputs(p) == 1 else _per_output(p),
    "save and load": saved,
}


def p_outputs(problem: Any) -> int:
    return problem.population.outputs if isinstance(problem, Fit) else 1


def _per_output(problem: Fit) -> Any:
    made = dataclasses.replace(problem, per="output")
    a = np.linspace(0.3, 1.4, made.n_alpha)
    z = rmt.compare(rmt.predict(made, a), rmt.simulate(made, a, n_trials=60, seed=5))
    return max(abs(v) for v in (z.accuracy, z.risk) if v is not None)


TWO = (
    "isotropic numbers",
    "covariances",
    "given w̃",
    "several sources",
    "chain",
    "groups",
    "pooled data",
    "two unlike classes",
)

# The cells without an answer, each with its reason: (row, column) → (sentence, what the error says).
REASONS: dict[tuple[str, str], tuple[str, str]] = {
    **{
        (row, c): (SPREAD, "no formula is known")
        for row in ("spread, theory", "finite size, theory")
        for c in ("covariances", "given w̃", *TWO[3:], "K classes", "regression")
    },
    **{
        (row, c): (LOSS, "loss must be 'squared' unless there are two classes")
        for row in LOSSES.values()
        for c in ("K classes", "regression")
    },
    ("best threshold", "K classes"): (MANY, "threshold must be 'zero'"),
    ("best threshold", "regression"): (NO_ACCURACY, "threshold must be 'zero'"),
    **{
        ("noise law, theory", c): (GAUSSIAN_ONLY, "noise must be 'gaussian' unless")
        for c in ("groups", "two unlike classes", "K classes", "regression")
    },
}


def page() -> str:
    """The table, in Markdown; `test_support` runs every cell of it."""
    columns = list(problems())
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    notes: list[str] = []
    for row in ROWS:
        cells = []
        for column in columns:
            reason = REASONS.get((row, column))
            if reason and reason[0] not in notes:
                notes.append(reason[0])
            cells.append(f"∅ {notes.index(reason[0]) + 1}" if reason else "✔")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    footnotes = [f"{i}. ∅: {note[0].upper()}{note[1:]}." for i, note in enumerate(notes, 1)]
    head = "# What can be asked of which problem\n\nEvery ✔ is run by the test suite, theory against simulation where both sides have the question; every ∅ is a clear error.\n\n"
    return head + "\n".join(lines) + "\n\n" + "\n".join(footnotes) + "\n"


if __name__ == "__main__":
    print(page(), end="")
