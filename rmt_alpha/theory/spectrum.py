r"""The spectrum of a fit's sample covariance: bulk, edges, mass at 0, and the outliers that class means make.

The equation that gives κ at a ridge γ gives the density where γ is −x on the spectrum itself. With a = −κ, in the
upper half plane,

.. math:: x = ψ(a) = a\Big(1 + \frac1n \sum_i \frac{λ_i}{a-λ_i}\Big), \qquad f(x) = \frac{n}{p}\,\frac{\operatorname{Im} a}{π|a|^2}, \qquad
          \operatorname{Im} ψ(a) = 0 \iff \frac1n \sum_i \frac{λ_i^2}{|a-λ_i|^2} = 1,

so that each Re a inside the bulk has one Im a, by bisection, and both edges of each interval are real roots of ψ′.
Means add the low-rank Σ π_k μ_kμ_kᵀ to the covariance; an eigenvalue a of the sum leaves the bulk if ψ′(a) > 0, and
then

.. math:: \hat λ = ψ(a), \qquad ⟨\hat u, v⟩^2 = a\,ψ'(a)/ψ(a)

with v its eigenvector. (Silverstein & Choi 1995; Bai & Yao 2012; Baik, Ben Arous & Péché 2005; Couillet & Liao,
section 2.5.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem import Fit, TransferProblem

BISECTIONS = 100
SPLIT = 1e-12  # relative: closer eigenvalues are one


@dataclass(frozen=True, eq=False)
class Spike:
    """What the means add to the population's covariance, as the sample shows it.

    | field | meaning |
    |---|---|
    | `population` | a: the eigenvalue of C + Σ π_k μ_kμ_kᵀ |
    | `eigenvalue` | where the sample covariance has an isolated eigenvalue; None: it stays in the bulk |
    | `overlap` | squared cosine of the sample's eigenvector with `direction`; 0 in the bulk |
    | `direction` | (d,): the population's unit eigenvector, in the means' coordinates |
    """

    population: float
    eigenvalue: float | None
    overlap: float
    direction: np.ndarray


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The limiting spectrum of XXᵀ/n (p, p).

    | field | meaning |
    |---|---|
    | `edges` | (B, 2): the intervals of the bulk, from below |
    | `zero` | the mass at 0 |
    | `spikes` | a `Spike` for each eigenvalue that the means add, largest first |
    | `n`, `dim` | n and p |
    """

    edges: np.ndarray
    zero: float
    spikes: tuple[Spike, ...]
    n: float
    dim: int
    _lam: np.ndarray  # distinct positive eigenvalues of C …
    _share: np.ndarray  # … and how many of each there are, divided by n
    _range: np.ndarray  # the edges as values of a

    def density(self, x: Any) -> np.ndarray:
        """f(x), of the shape of x, without the mass at 0; 0 off the bulk."""
        x = np.asarray(x, dtype=float)
        f = np.zeros(x.shape)
        for (low, high), (left, right) in zip(self.edges, self._range, strict=True):
            inside = (x > low) & (x < high)
            lower, upper = np.full(np.count_nonzero(inside), left), np.full(np.count_nonzero(inside), right)
            for _ in range(BISECTIONS // 2):  # Re a rises with x
                middle = (lower + upper) / 2
                below = self._psi(self._lift(middle)).real < x[inside]
                lower, upper = np.where(below, middle, lower), np.where(below, upper, middle)
            f[inside] = self._height(self._lift((lower + upper) / 2))
        return f

    def curve(self, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
        """x and f(x), `points` per interval of the bulk, dense at its edges; faster than `density`."""
        angle = (np.arange(points) + 0.5) * np.pi / points  # not the edges: where n is the rank, f is infinite at 0
        a = np.concatenate([self._lift(left + (right - left) * (1 - np.cos(angle)) / 2) for left, right in self._range])
        return self._psi(a).real, self._height(a)

    def _psi(self, a: Any) -> Any:
        return a * (1 + np.sum(self._share * self._lam / (np.asarray(a)[..., None] - self._lam), -1))

    def _slope(self, a: Any) -> Any:
        """ψ′."""
        return 1 - np.sum(self._share * self._lam**2 / (np.asarray(a)[..., None] - self._lam) ** 2, -1)

    def _height(self, a: np.ndarray) -> np.ndarray:
        size = np.abs(a) ** 2
        return self.n / self.dim * np.divide(a.imag, np.pi * size, out=np.zeros(a.shape), where=size > 0)

    def _lift(self, u: np.ndarray) -> np.ndarray:
        """a = u + iv with Im ψ = 0."""
        square = (u[:, None] - self._lam) ** 2
        weight = self._share * self._lam**2
        low, high = np.zeros(len(u)), np.full(len(u), np.sqrt(weight.sum()))  # at v² = Σλ²/n no term is large enough
        for _ in range(BISECTIONS // 2):
            v = (low + high) / 2
            below = np.sum(weight / (square + v[:, None] ** 2), -1) > 1
            low, high = np.where(below, v, low), np.where(below, high, v)
        return u + 1j * (low + high) / 2


def spectrum(fit: Fit | TransferProblem) -> Spectrum:
    """The limiting spectrum of a fit's sample covariance, XXᵀ/n or, with an intercept, the centred one.

    | parameter | meaning |
    |---|---|
    | `fit` | a scalar `Fit` or `TransferProblem` whose components share one covariance; it is the target's samples that are asked about |

    Returns a `Spectrum`. Raises ValueError or TypeError, naming the parameter.
    (Silverstein & Choi 1995 for the bulk, Bai & Yao 2012 for outliers.)

    >>> mu = np.full(200, 0.15)
    >>> found = spectrum(Fit(Population.two_classes(mu, -mu), n=400, gamma=1.0))
    >>> found.edges.round(3), round(found.spikes[0].eigenvalue, 3), round(found.spikes[0].overlap, 3)
    (array([[0.086, 2.914]]), 6.111, 0.878)
    """
    fit = fit.fit if isinstance(fit, TransferProblem) else fit
    if not isinstance(fit, Fit):
        raise TypeError(f"fit must be a Fit or a TransferProblem, got {type(fit).__name__}.")
    if np.ndim(fit.n):
        raise ValueError(f"fit must have one number n, got shape {np.shape(fit.n)}. Iterate over cells().")
    population = fit.population
    if not population.has_one_covariance:
        raise ValueError(
            f"fit must have one covariance for all components, got {len(population.covariances)}. Give covariance= instead of covariances=."
        )
    covariance, n = population.covariances[0], float(fit.n - fit.intercept)
    eigenvalues = np.asarray(covariance.eigenvalues, dtype=float)
    lam, count = _distinct(eigenvalues[eigenvalues > 0])
    share = count * covariance.multiplicity / n
    a = _edges(lam, share)
    rank = share.sum() * n
    bare = Spectrum(np.empty((0, 2)), max(0.0, 1 - min(rank, n) / covariance.dim), (), n, covariance.dim, lam, share, a)
    edges = np.where(a == 0, 0.0, bare._psi(np.where(a == 0, -1.0, a)))
    spikes = () if population.is_regression else _spikes(fit, bare)
    return Spectrum(edges, bare.zero, spikes, n, covariance.dim, lam, share, a)


def _distinct(eigenvalues: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues without repetition, and how often each occurs."""
    ordered = np.sort(eigenvalues)
    first = np.concatenate([[True], np.diff(ordered) > SPLIT * ordered[-1]])
    return ordered[first], np.diff(np.append(np.flatnonzero(first), len(ordered))).astype(float)


def _edges(lam: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The intervals (B, 2) of a on which ψ′ < 0: real roots of ψ′, a convex function −ψ′ between neighbouring
    eigenvalues.
    """
    weight = share * lam**2
    steep = lambda a: np.sum(weight / (a - lam) ** 2)  # noqa: E731 (1 − ψ′)
    reach = np.sqrt(weight.sum())
    left = _bisect(lambda a: steep(a) > 1, lam[0] - 1.01 * reach, lam[0])
    right = _bisect(lambda a: steep(a) < 1, lam[-1], lam[-1] + 1.01 * reach)
    if abs(left) < 1e-13 * lam[-1]:  # n is the rank: the bulk begins at 0
        left = 0.0
    ends = [left]
    # The two neighbours alone already fill a narrow gap.
    wide = np.flatnonzero((weight[:-1] + weight[1:]) / np.diff(lam) ** 2 < 1)
    for low, high in zip(lam[wide], lam[wide + 1], strict=True):
        bottom = _bisect(lambda a: np.sum(weight / (lam - a) ** 3) > 0, low, high)
        if low < bottom < high and steep(bottom) < 1:
            ends += [_bisect(lambda a: steep(a) < 1, low, bottom), _bisect(lambda a: steep(a) > 1, bottom, high)]
    return np.array([*ends, right]).reshape(-1, 2)


def _bisect(beyond: Any, low: float, high: float) -> float:
    """Where `beyond` turns from false to true."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return (low + high) / 2


def _spikes(fit: Fit, bulk: Spectrum) -> tuple[Spike, ...]:
    """The eigenvalues a of C + MMᵀ, M = (√π_k μ_k), off the spectrum of C: those at which Mᵀ(a − C)⁻¹M has an
    eigenvalue 1.
    """
    population = fit.population.centred(fit.population.priors) if fit.intercept else fit.population
    covariance = population.covariances[0]
    M = covariance.to_eigenbasis(np.sqrt(population.priors)[:, None] * population.means)
    lam = np.broadcast_to(covariance.eigenvalues, M.shape[1:])
    gram = lambda a: (M / (a - lam)) @ M.T  # noqa: E731
    top, size = float(lam.max()), float(np.sum(M * M))
    inner = [
        (low, high) for low, high in zip([0.0, *bulk._range[:-1, 1]], bulk._range[:, 0], strict=True) if high > low
    ]
    last = float(bulk._range[-1, 1])
    # Above the spectrum, within the bulk's shadow or beyond it; in its gaps only what shows.
    places = [(last, top + 2 * size), (top * (1 + 1e-12), last), *inner]
    found = []
    for low, high in places:
        inset = 1e-13 * (high - low)
        at_low, at_high = (np.linalg.eigvalsh(gram(a)) for a in (low + inset, high - inset))
        for j in np.flatnonzero((at_low > 1) & (at_high <= 1)):  # each falls with a
            a = _bisect(lambda x, j=j: np.linalg.eigvalsh(gram(x))[j] <= 1, low, high)
            weights = np.linalg.eigh(gram(a))[1][:, j]
            v = weights @ M / (a - lam)
            direction = covariance.from_eigenbasis(v / np.linalg.norm(v))
            shows = bulk._slope(a) > 0
            at = float(bulk._psi(a))
            found.append(Spike(a, at if shows else None, float(a * bulk._slope(a) / at) if shows else 0.0, direction))
    return tuple(sorted(found, key=lambda s: -s.population))
