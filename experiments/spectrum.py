"""What does the sample covariance show of the classes? Bulk and outliers of theory over drawn eigenvalues, for three sample sizes."""

import numpy as np
import pandas as pd

from rmt_alpha import Fit, Population, plotting, spectrum

from .lab import Lab

DIM, SIZES, GAMMA = 600, (200, 900, 5400), 1.0
NORMS = (6.0, 4.0, 2.2)
LAM = np.repeat([1.0, 6.0], DIM // 2)
BINS = 60


def run(lab: Lab) -> None:
    curves, bars, spikes = [], [], []
    trials = lab.trials(24)
    for n in SIZES:
        fit = make(n, lab.seed)
        found = spectrum(fit)
        x, density = found.curve(200)
        curves.append(pd.DataFrame({"n": n, "dim": DIM, "eigenvalue": x, "density": density}))
        eigenvalues, places, overlaps = drawn(fit, trials, lab.seed)
        seen = [k for k, s in zip(places, found.spikes, strict=True) if s.eigenvalue is not None]
        bulk = np.delete(eigenvalues, seen, axis=1).ravel()
        count, edges = np.histogram(bulk[bulk > 1e-9], BINS)
        width = np.diff(edges)
        bars.append(
            pd.DataFrame({"n": n, "left": edges[:-1], "width": width, "density": count / (trials * DIM * width)})
        )
        for k, spike in enumerate(found.spikes):
            values = {"eigenvalue": eigenvalues[:, places[k]], "overlap": overlaps[k]}
            row = {"n": n, "population": spike.population, "eigenvalue": spike.eigenvalue, "overlap": spike.overlap}
            for name, v in values.items():
                row |= {f"{name}_drawn": v.mean(), f"{name}_se": v.std(ddof=1) / np.sqrt(trials)}
            spikes.append(row)
    curve, bar = lab.table(pd.concat(curves)), lab.table(pd.concat(bars), "histogram")
    spike = lab.table(pd.DataFrame(spikes), "spikes")
    shown = spike.dropna(subset="eigenvalue")
    for name in ("eigenvalue", "overlap"):
        lab.check((shown[f"{name}_drawn"] - shown[name]) / shown[f"{name}_se"])
    draw(lab, curve, bar, spike)
    counts = ", ".join(f"{(shown.n == n).sum()} at n = {n}" for n in SIZES)
    lab.remark(
        f"{len(NORMS)} class means make outliers above the bulk and, where it has a gap, inside the gap: {counts}. "
        f"z of their places and overlaps."
    )


def make(n: int, seed: int) -> Fit:
    """Three classes, their means in random directions."""
    means = (
        np.random.default_rng([seed, 3]).standard_normal((len(NORMS), DIM)) / np.sqrt(DIM) * np.array(NORMS)[:, None]
    )
    return Fit(Population.classes(means, covariance=LAM), n=n, gamma=GAMMA)


def drawn(fit: Fit, trials: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues (trials, p) of drawn sample covariances; of each spike, which of them it is and its overlap with theory."""
    spikes, means = spectrum(fit).spikes, fit.population.means
    population = np.linalg.eigvalsh(np.diag(LAM) + means.T @ means / len(means))
    # As many sample eigenvalues as population ones lie below a gap.
    places = [int(np.searchsorted(population, s.population * (1 - 1e-9))) for s in spikes]
    eigenvalues, overlaps = [], []
    for trial in range(trials):
        rng = np.random.default_rng([seed, fit.n, trial])
        X = rng.standard_normal((fit.n, DIM)) * np.sqrt(LAM) + means[np.arange(fit.n) % len(NORMS)]
        values, vectors = np.linalg.eigh(X.T @ X / fit.n)
        eigenvalues.append(values)
        overlaps.append([(vectors[:, k] @ s.direction) ** 2 for k, s in zip(places, spikes, strict=True)])
    return np.array(eigenvalues), np.array(places), np.array(overlaps).T


def draw(lab: Lab, curve: pd.DataFrame, bar: pd.DataFrame, spike: pd.DataFrame) -> None:
    fig, axes = plotting.figure(columns=len(SIZES), height=2.2)
    for ax, n in zip(axes[0], SIZES, strict=True):
        b, c, s = (t[t.n == n] for t in (bar, curve, spike))
        ax.bar(b.left, b.density, b.width, align="edge", color="0.8", label="simulation")
        plotting.theory_line(ax, c.eigenvalue, c.density, 0, label="theory")
        seen = s.dropna(subset="eigenvalue")
        for e in seen.eigenvalue:
            ax.axvline(
                e, color=plotting.COLORS[1], linestyle=plotting.DASHES[1], linewidth=0.8, label="theory, outliers"
            )
        ax.errorbar(
            seen.eigenvalue_drawn,
            np.zeros(len(seen)),
            xerr=seen.eigenvalue_se,
            fmt="o",
            color=plotting.COLORS[1],
            clip_on=False,
            label="simulation, outliers",
        )
        ax.set(xlabel="eigenvalue of $XX^\\top/n$", title=f"$n={n}$", ylim=(0, 1.3 * c.density.max()))
    axes[0, 0].set_ylabel("density")
    plotting.legend(axes[0, -1], fig)
    fig.suptitle(
        rf"$p={DIM}$, half of the variances 1, half 6; class means of norm {', '.join(f'{x:g}' for x in NORMS)}"
    )
    lab.picture(fig)
