"""Pictures: what they show is what theory and simulation say, whatever the user's own settings of matplotlib."""

import io
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from rmt_alpha import Fit, Population, TransferProblem, optimal_alpha, plotting, predict, rank_path, simulate, spectrum
from rmt_alpha.plotting import look, plot_accuracy, plot_phase_map, plot_rank, plot_scores, plot_spectrum
from rmt_alpha.simulation.eigenvalues import draw_eigenvalues

ROOT = Path(__file__).parent.parent
PROBLEM = TransferProblem(500, 40, 100, mu=0.8, mu_orth=0.8, beta=0.9, gamma_source=5.0, gamma_target=0.1)


@pytest.fixture
def ax():
    return plotting.figure()[1][0, 0]


def regression(rng=0):
    W, new = np.random.default_rng(rng).standard_normal((2, 40, 3)) / np.sqrt(40)
    return Fit(Population.linear(0.5 * W + new, 0.5), n=60, gamma=0.1, starts=[W])


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def error_bars(ax):
    """x, y and half the height of each error bar."""
    (bars,) = ax.containers
    points, _, (lines,) = bars
    x, y = points.get_data()
    return x, y, [np.ptp(segment[:, 1]) / 2 for segment in lines.get_segments()]


def test_accuracy_is_theory_over_simulation(ax):
    assert plot_accuracy(PROBLEM, (-2, 3), simulate=50, seed=3, ax=ax) is ax
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, predict(PROBLEM, x).accuracy)
    at, mean, error = error_bars(ax)
    found = simulate(PROBLEM, np.linspace(-2, 3, 11), n_trials=50, seed=3)
    np.testing.assert_allclose(at, found.alpha)
    np.testing.assert_allclose(mean, found.accuracy)
    np.testing.assert_allclose(error, found.accuracy_se)
    assert labels(ax) == ["theory", r"$\alpha=1$", "simulation"]  # α* ≈ 6 lies outside


def test_accuracy_finds_its_own_range(ax):
    plot_accuracy(PROBLEM, simulate=0, ax=ax)
    x, best = ax.lines[0].get_xdata(), optimal_alpha(PROBLEM)
    assert x.min() < 0 and x.max() > best.alpha
    (star,) = (line for line in ax.lines if line.get_marker() == "*")
    assert star.get_xdata()[0] == pytest.approx(best.alpha) and star.get_ydata()[0] == pytest.approx(best.accuracy)
    assert labels(ax) == ["theory", r"$\alpha=1$", r"$\alpha^*$"]
    assert ax.get_title() == ""  # it is part of somebody's figure


def test_a_figure_of_its_own_says_which_problem_it_is():
    ax = plot_accuracy(PROBLEM, simulate=0)
    assert ax.get_title() == (
        "$N$ = 500, $n$ = 40, $p$ = 100, $\\|\\mu\\|$ = 0.8,\n$\\|\\mu_\\perp\\|$ = 0.8, $\\beta$ = 0.9, $\\tilde\\gamma$ = 5, $\\gamma$ = 0.1"
    )
    assert plot_accuracy(PROBLEM.fit, simulate=0).get_title() == ""
    ax = plot_phase_map(grid(), "gain")
    assert "$p$ = 100" in ax.get_title() and r"\beta" not in ax.get_title()
    (bar,) = (other for other in ax.figure.axes if other is not ax)
    assert bar.get_ylabel() == "points of accuracy, theory"
    mpl.pyplot.close("all")


def test_two_curves_have_one_key_each(ax):
    for i, n in enumerate((40, 80)):
        plot_accuracy(replace(PROBLEM, n_target=n), simulate=0, ax=ax, index=i, label=f"$n={n}$")
    assert labels(ax) == ["$n=40$", r"$\alpha=1$", r"$\alpha^*$", "$n=80$", "theory"]


def test_accuracy_takes_a_simulation_that_is_there(ax):
    found = simulate(PROBLEM, [0.0, 1.0], n_trials=20)
    plot_accuracy(PROBLEM, simulate=found, ax=ax, label="mine")
    np.testing.assert_array_equal(error_bars(ax)[1], found.accuracy)
    assert labels(ax) == ["mine", r"$\alpha=1$", r"$\alpha^*$", "theory", "simulation"]


def test_regression_shows_risk(ax):
    fit = regression()
    plot_accuracy(fit, (-1, 2), simulate=0, ax=ax)
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, predict(fit, x).risk)
    assert ax.get_ylabel() == "risk"


@pytest.mark.parametrize("problem", [PROBLEM, PROBLEM.fit])
def test_scores_are_mirror_images(problem, ax):
    plot_scores(problem, 2.0, simulate=0, ax=ax)
    plus, minus = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(plus, minus[::-1])
    x = ax.lines[0].get_xdata()
    assert np.trapezoid(plus, x) == pytest.approx(1, abs=1e-3)
    assert np.trapezoid(plus * x, x) == pytest.approx(predict(PROBLEM, 2.0).mean, abs=1e-3)


def test_simulated_scores_lie_on_theory(ax):
    big = replace(PROBLEM, n_source=50_000, n_target=4000, dim=10_000)
    plot_scores(big, 2.0, simulate=200, ax=ax)
    points, _, (bars,) = ax.containers[0]
    x, y = points.get_data()
    law = predict(big, 2.0)
    off = y - plotting.normal_density(x, law.mean, law.variance)
    np.testing.assert_allclose(off, 0, atol=3e-3)
    errors = np.array([np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()])
    assert np.abs(off / errors).max() < 4.5 and np.mean((off / errors) ** 2) > 0.05


def test_scores_of_unlike_classes(ax):
    population = Population.two_classes(np.full(50, 0.2), np.zeros(50), prior=0.7, covariances=[None, np.full(50, 2.0)])
    fit = Fit(population, n=100, gamma=0.5, starts=[np.full(50, 0.1)])
    plot_scores(fit, 1.0, simulate=0, ax=ax)
    law, x = predict(fit, 1.0), ax.lines[0].get_xdata()
    for k, line in enumerate(ax.lines):
        assert np.trapezoid(line.get_ydata() * x, x) == pytest.approx(law.mean[k, 0], abs=1e-3)
        second = np.trapezoid(line.get_ydata() * x**2, x)
        assert second - law.mean[k, 0] ** 2 == pytest.approx(law.variance[k, 0, 0], rel=0.01)


def test_rank(ax):
    fit = regression()
    plot_rank(fit, 0.7, simulate=10, seed=1, ax=ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), rank_path(fit, 0.7).risk)
    x, y, _ = error_bars(ax)
    np.testing.assert_array_equal(x, [1, 2, 3])
    assert y[1] == simulate(replace(fit, rank=2), 0.7, n_trials=10, seed=1).risk
    assert ax.get_title() == r"$\alpha=0.7$"


def test_every_start_counts_as_it_is_unless_told_otherwise(ax):
    one = regression()
    two = replace(one, starts=[0.6 * one.starts[0], 0.4 * one.starts[0]])
    for fit, title in ((one, r"$\alpha=1$"), (two, r"$\alpha=(1, 1)$")):
        np.testing.assert_allclose(plot_rank(fit, simulate=0, ax=ax).lines[-1].get_ydata(), rank_path(one, 1.0).risk)
        assert ax.get_title() == title
    none = replace(one, starts=[])
    np.testing.assert_allclose(plot_rank(none, simulate=0, ax=ax).lines[-1].get_ydata(), rank_path(none).risk)
    assert ax.get_title() == "no start"
    assert plot_scores(PROBLEM, simulate=0, ax=ax).get_title() == r"$\alpha=1$"


@pytest.mark.parametrize("intercept", [False, True])
def test_spectrum(ax, intercept):
    """Two bands and two outliers, of which one lies between them."""
    means = np.zeros((2, 120))
    means[0, 0], means[1, 1] = 2.6, 7
    lam = np.repeat([1.0, 12.0], 60)
    fit = Fit(Population.classes(means, covariance=lam), n=1500, gamma=1.0, intercept=intercept)
    plot_spectrum(fit, simulate=3, seed=2, bins=30, ax=ax)
    found, drawn = spectrum(fit), draw_eigenvalues(fit, n_trials=3, seed=2)
    places = [s.eigenvalue for s in found.spikes if s.eigenvalue is not None]
    assert len(found.edges) == 2 and len(places) == (1 if intercept else 2)
    (points, caps, (bars,)) = ax.containers[-1]
    lines = [line for line in ax.lines if line not in (points, *caps)]
    bands, rules = lines[:2], lines[2:]
    for line, (low, high) in zip(bands, found.edges, strict=True):
        assert low < line.get_xdata().min() and line.get_xdata().max() < high
        np.testing.assert_allclose(line.get_ydata()[::20], found.density(line.get_xdata()[::20]), rtol=1e-6)
    assert [line.get_xdata()[0] for line in rules] == places
    np.testing.assert_allclose(points.get_xdata(), places, rtol=0.1)
    assert points.get_xdata()[0] == pytest.approx(drawn[:, -1].mean() if not intercept else places[0], rel=0.05)
    if not intercept:
        assert np.ptp(bars.get_segments()[0][:, 0]) == pytest.approx(2 * drawn[:, -1].std(ddof=1) / np.sqrt(3))
    assert labels(ax) == ["theory", "theory, outliers", "simulation", "simulation, outliers"]
    area = sum(bar.get_height() * bar.get_width() for bar in ax.patches)
    assert area == pytest.approx(1 - len(places) / 120)


def test_drawn_eigenvalues_are_those_of_the_population():
    p, n = 6, 200_000
    means = np.diag([0.0, 2.0, 0, 0, 0, 0])[:2]
    for intercept in (False, True):
        fit = Fit(Population.classes(means, covariance=np.arange(1.0, p + 1)), n=n, gamma=1.0, intercept=intercept)
        truth = np.sort(
            np.linalg.eigvalsh(np.diag(np.arange(1.0, p + 1)) + (0.25 if intercept else 0.5) * means.T @ means)
        )
        np.testing.assert_allclose(draw_eigenvalues(fit, n_trials=2).mean(0), truth, rtol=0.02)
    same = draw_eigenvalues(fit, n_trials=2, seed=1)
    np.testing.assert_array_equal(same, draw_eigenvalues(fit, n_trials=3, seed=1)[:2])
    assert not np.array_equal(same[0], same[1])


def grid(**changes):
    beta, n = np.linspace(-1, 1, 9), np.array([10, 100, 1000, 10_000])[:, None]
    return replace(PROBLEM, **({"beta": beta, "n_target": n} | changes))


def test_phase_map(ax):
    plot_phase_map(grid(), "plain", ax=ax)
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear"
    assert (ax.get_xlabel(), ax.get_ylabel()) == (r"$\beta$", "$n$")
    gain = predict(grid(), 1.0).accuracy - predict(grid(), 0.0).accuracy
    assert gain[0, -1] > 0.05 and gain[0, 0] < -0.05
    ax.figure.canvas.draw()
    pixels = np.asarray(ax.figure.canvas.buffer_rgba())

    def color(beta, n):
        x, y = ax.transData.transform((beta, n)).astype(int)
        return pixels[-y, x, :3].astype(int)

    helps, hurts = color(0.97, 11), color(-0.97, 11)
    assert helps[0] > helps[2] + 50 and hurts[2] > hurts[0] + 50  # red and blue


def test_colours_diverge_from_zero():
    colors = look._colors((-2, -1, 0, 1, 5))
    assert colors[1][2] > colors[1][0] and colors[3][0] > colors[3][2]  # blue below, red above
    np.testing.assert_allclose(colors[2][:3].mean(), colors[3][:3].mean(), atol=0.05)  # equally pale next to 0
    luminance = look._colors((0, 1, 2, 3))[:, :3] @ (0.3, 0.6, 0.1)
    assert np.all(np.diff(luminance) > 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_accuracy(grid()), "problem must be scalar"),
        (lambda: plot_accuracy("x"), "problem must be a Fit or a TransferProblem"),
        (lambda: plot_phase_map(PROBLEM), "problem must have one number of shape"),
        (lambda: plot_phase_map(grid(gamma_target=np.ones(9))), r"got n_target \(4, 1\), beta \(9,\), gamma_target"),
        (lambda: plot_phase_map(PROBLEM.fit), "problem must be a TransferProblem, got Fit"),
        (lambda: plot_phase_map(grid(), "loss"), "show must be"),
        (lambda: plot_rank(PROBLEM), "fit must be a Fit, got TransferProblem"),
        (lambda: plot_spectrum("x"), "fit must be a Fit or a TransferProblem, got str"),
        (lambda: draw_eigenvalues("x"), "fit must be a Fit or a TransferProblem, got str"),
        (lambda: plot_scores(Fit(Population.classes(np.eye(3, 9)), 20, 1.0)), "two classes"),
        (lambda: plot_scores(grid(), 1.0), "problem must be scalar"),
        (lambda: plot_scores(PROBLEM, [0, 1]), r"alpha must be one number, got shape \(2,\). Draw"),
        (
            lambda: plot_scores(PROBLEM, 1.0, simulate=1),
            r"simulate must lie in \[2, .*\], got 1. Give .* or 0 for none",
        ),
        (lambda: plot_accuracy(PROBLEM, simulate=1), r"simulate must lie in \[2, .*\], got 1. Give .* or 0 for none"),
        (lambda: plot_accuracy(PROBLEM, simulate="many"), "simulate must be a real number .*, got 'many'"),
        (lambda: plot_accuracy(PROBLEM, seed=-1), "seed must lie in .*, got -1"),
        (lambda: plot_accuracy(PROBLEM, alpha=1.0), r"alpha must be \(low, high\) or a list of values, got shape \(\)"),
        (lambda: plot_accuracy(PROBLEM, index="a"), "index must be a real number .*, got 'a'"),
        (
            lambda: plot_accuracy(PROBLEM, simulate=0, ax=3),
            "ax must be one of matplotlib's Axes or None, got 3. Leave it",
        ),
        (lambda: plot_rank(regression(), [0, 1]), r"alpha must be one number, got shape \(2,\)"),
        (lambda: plot_rank(replace(regression(), starts=[]), 1.0), "alpha must be None for a fit without starts"),
        (lambda: plot_rank(regression(), simulate=1), r"simulate must lie in \[2, .*\], got 1"),
        (lambda: plot_rank(regression(), simulate=[1, 2]), "simulate must be .*, or 3 results .*, got 2 of int"),
        (lambda: plot_spectrum(regression(), bins=0), r"bins must lie in \[1, .*\], got 0"),
        (lambda: plot_spectrum(regression(), simulate=-1), r"simulate must lie in \[1, .*\], got -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_no_text_is_small():
    with plotting.style():
        fig, axes = plotting.figure(columns=3, rows=2)
        for ax in axes.flat:
            plot_phase_map(grid(), ax=ax, bar=False)
        plotting.legend(None, fig)
        fig.canvas.draw()  # ticks are made when they are drawn
        sizes = {text.get_fontsize() for text in fig.findobj(mpl.text.Text) if text.get_text()}
    assert min(sizes) >= 7 and fig.get_figwidth() == 5.5


def test_the_users_settings_change_nothing():
    def drawn():
        ax = plot_accuracy(PROBLEM, simulate=5)
        buffer = io.BytesIO()
        with plotting.style():
            ax.figure.savefig(buffer, format="png", dpi=60)
        mpl.pyplot.close(ax.figure)
        return buffer.getvalue()

    plain = drawn()
    with mpl.rc_context({"text.usetex": True, "lines.marker": "o", "font.size": 30, "axes.facecolor": "red"}):
        assert drawn() == plain
    assert mpl.rcParams["font.size"] == mpl.rcParamsDefault["font.size"]


def test_no_contour_is_labelled_where_the_axes_end():
    x = np.linspace(0, 1, 41)
    _, axes = plotting.figure()
    ax = axes[0, 0]
    plotting.contour_map(ax, x, x, 2 * x[:, None] + 0.02 * np.sin(9 * x), (0.02, 1.0, 1.98))
    places = [ax.transAxes.inverted().transform(ax.transData.transform(t.get_position())) for t in ax.texts]
    assert places and all(np.all((0.05 < place) & (place < 0.95)) for place in places)
