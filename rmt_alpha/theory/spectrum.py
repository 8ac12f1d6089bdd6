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
section 2.5.) Components of unlike covariances have a system of their own: `mixture_spectrum`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks as check
from ..problem import Fit, TransferProblem, as_fit, is_squared
from ..results import checked_alpha
from . import low_rank
from .mixture_spectrum import MixtureBulk

BISECTIONS = 100
SPLIT = 1e-12  # relative: closer eigenvalues are one


@dataclass(frozen=True, eq=False)
class Spike:
    """What the means add to the population's covariance, as the sample shows it.

    | field | meaning |
    |---|---|
    | `population` | a: the eigenvalue of Σ χ_k (C_k + μ_kμ_kᵀ), with χ = π where the components share a covariance |
    | `eigenvalue` | where the sample covariance has an isolated eigenvalue; None: it stays in the bulk |
    | `overlap` | squared cosine of the sample's eigenvector with `direction`; 0 in the bulk |
    | `direction` | (d,): its unit eigenvector, in the means' coordinates |
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
    | `spikes` | a `Spike` for each eigenvalue that the means add, largest first (unlike covariances: for each that shows) |
    | `correction` | (…, q): the eigenvalues of G = ÂᵀSÂ, largest first: rank r keeps the first r; None without the α it needs |
    | `n`, `dim` | n and p |
    """

    edges: np.ndarray
    zero: float
    spikes: tuple[Spike, ...]
    correction: np.ndarray | None
    n: float
    dim: int
    bulk: Bulk | MixtureBulk

    def density(self, x: Any) -> np.ndarray:
        """f(x), of the shape of x, without the mass at 0; 0 off the bulk."""
        return self.bulk.density(np.asarray(check.real("x", x)))

    def curve(self, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
        """x and f(x), `points` per interval of the bulk, dense at its edges."""
        points = check.whole("points", points)
        angle = (np.arange(points) + 0.5) * np.pi / points  # not the edges: where n is the rank, f is infinite at 0
        share = (1 - np.cos(angle)) / 2
        if isinstance(self.bulk, Bulk):
            return self.bulk.curve(share)
        x = np.concatenate([low + (high - low) * share for low, high in self.edges])
        return x, self.bulk.density(x)


@dataclass(frozen=True, eq=False)
class Bulk:
    """The bulk of one covariance."""

    lam: np.ndarray  # distinct positive eigenvalues of C …
    share: np.ndarray  # … and how many of each there are, divided by n
    range: np.ndarray  # (B, 2): the edges as values of a
    n: float
    dim: int

    def edges(self) -> np.ndarray:
        return np.where(self.range == 0, 0.0, self.psi(np.where(self.range == 0, -1.0, self.range)))

    def density(self, x: np.ndarray) -> np.ndarray:
        f = np.zeros(x.shape)
        for (low, high), (left, right) in zip(self.edges(), self.range, strict=True):
            inside = (x > low) & (x < high)
            lower, upper = np.full(np.count_nonzero(inside), left), np.full(np.count_nonzero(inside), right)
            for _ in range(BISECTIONS // 2):  # Re a rises with x
                middle = (lower + upper) / 2
                below = self.psi(self.lift(middle)).real < x[inside]
                lower, upper = np.where(below, middle, lower), np.where(below, upper, middle)
            f[inside] = self.height(self.lift((lower + upper) / 2))
        return f

    def curve(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and f(x) at these parts of each interval of a; faster than `density`."""
        a = np.concatenate([self.lift(left + (right - left) * share) for left, right in self.range])
        return self.psi(a).real, self.height(a)

    def psi(self, a: Any) -> Any:
        return a * (1 + np.sum(self.share * self.lam / (np.asarray(a)[..., None] - self.lam), -1))

    def slope(self, a: Any) -> Any:
        """ψ′."""
        return 1 - np.sum(self.share * self.lam**2 / (np.asarray(a)[..., None] - self.lam) ** 2, -1)

    def height(self, a: np.ndarray) -> np.ndarray:
        size = np.abs(a) ** 2
        return self.n / self.dim * np.divide(a.imag, np.pi * size, out=np.zeros(a.shape), where=size > 0)

    def lift(self, u: np.ndarray) -> np.ndarray:
        """a = u + iv with Im ψ = 0."""
        square = (u[:, None] - self.lam) ** 2
        weight = self.share * self.lam**2
        low, high = np.zeros(len(u)), np.full(len(u), np.sqrt(weight.sum()))  # at v² = Σλ²/n no term is large enough
        for _ in range(BISECTIONS // 2):
            v = (low + high) / 2
            below = np.sum(weight / (square + v[:, None] ** 2), -1) > 1
            low, high = np.where(below, v, low), np.where(below, high, v)
        return u + 1j * (low + high) / 2


def spectrum(fit: Fit | TransferProblem, alpha: Any = None) -> Spectrum:
    """The limiting spectrum of a fit's sample covariance, XXᵀ/n or, with an intercept, the centred one.

    | parameter | meaning |
    |---|---|
    | `fit` | a scalar `Fit` or `TransferProblem`; it is the target's samples that are asked about |
    | `alpha` | as for `predict`; only `correction` depends on it |

    Components may differ in covariance: their bulk is solved point by point, in O(p) where all covariances are given
    by their spectra, else in O(p³) (some hundreds of points for the edges); a gap narrower than 1/80 of the whole range may
    be missed. Returns a `Spectrum`. Raises ValueError or TypeError, naming the parameter, and ArithmeticError where bands that hold
    a thousandth of the eigenvalues or more are too narrow to be found.
    (Silverstein & Choi 1995 for the bulk, Bai & Yao 2012 for outliers, Benaych-Georges & Couillet 2016 for mixtures.)

    >>> mu = np.full(200, 0.15)
    >>> found = spectrum(Fit(Population.two_classes(mu, -mu), n=400, gamma=1.0))
    >>> found.edges.round(3), round(found.spikes[0].eigenvalue, 3), round(found.spikes[0].overlap, 3)
    (array([[0.086, 2.914]]), 6.111, 0.878)
    """
    fit = as_fit(fit)
    if np.ndim(fit.n):
        raise ValueError(f"fit must have one number n, got shape {np.shape(fit.n)}. Iterate over cells().")
    n = float(fit.n - fit.intercept)
    bulk, rank = _bulk(fit, n)
    zero = max(0.0, 1 - min(rank, n) / fit.dim)
    if isinstance(bulk, Bulk):
        edges = bulk.edges()
    else:
        average = np.tensordot(bulk.priors, bulk.C, axes=1)
        eigenvalues = average if bulk.is_diagonal else np.linalg.eigvalsh(average)
        edges = bulk.edges(_one_bulk(eigenvalues, 1, n, fit.dim).edges(), 1 - zero)
    spikes: tuple[Spike, ...] = ()
    if not fit.population.is_regression:
        spikes = _spikes(fit, bulk) if isinstance(bulk, Bulk) else _mixture_spikes(fit, bulk, edges)
    return Spectrum(edges, zero, spikes, _correction(fit, alpha), n, fit.dim, bulk)


def _bulk(fit: Fit, n: float) -> tuple[Bulk | MixtureBulk, float]:
    """The bulk, and the rank of the population's covariance."""
    covariances = fit.population.covariances
    if fit.population.has_one_covariance:
        covariance = covariances[0]
        one = _one_bulk(np.asarray(covariance.eigenvalues, dtype=float), covariance.multiplicity, n, covariance.dim)
        return one, one.share.sum() * n
    if all(c.has_eigenbasis and c.basis is None for c in covariances):
        C = np.stack([np.broadcast_to(np.asarray(c.eigenvalues, dtype=float), fit.dim) for c in covariances])
        rank = np.count_nonzero(C.sum(0))
    else:
        C = np.stack([np.asarray(c.matrix, dtype=float) for c in covariances])
        rank = np.linalg.matrix_rank(C.sum(0), hermitian=True)
    return MixtureBulk(C, np.asarray(fit.population.priors, dtype=float), n), float(rank)


def _one_bulk(eigenvalues: np.ndarray, multiplicity: int, n: float, dim: int) -> Bulk:
    """That of a covariance with these eigenvalues, each so many times."""
    lam, count = _distinct(eigenvalues[eigenvalues > 0])
    share = count * multiplicity / n
    return Bulk(lam, share, _edges(lam, share), n, dim)


def _mixture_spikes(fit: Fit, bulk: MixtureBulk, edges: np.ndarray) -> tuple[Spike, ...]:
    means = np.asarray(fit.population.means, dtype=float)
    means = np.pad(means, ((0, 0), (0, fit.dim - means.shape[1])))
    found = [Spike(*values) for values in bulk.outliers(means, edges, centred=fit.intercept)]
    return tuple(sorted(found, key=lambda s: -s.population))


def _correction(fit: Fit, alpha: Any) -> np.ndarray | None:
    """The eigenvalues of G."""
    if (alpha is None and fit.n_alpha > 0) or not is_squared(fit.loss) or fit.shape:
        if alpha is not None:
            raise ValueError("alpha must be None unless fit is scalar with squared loss: G is known there only.")
        return None
    return low_rank.solved(fit).correction_spectrum(checked_alpha(fit, alpha))


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


def _spikes(fit: Fit, bulk: Bulk) -> tuple[Spike, ...]:
    """The eigenvalues a of C + MMᵀ, M = (√π_k μ_k), off the spectrum of C: those at which Mᵀ(a − C)⁻¹M has an
    eigenvalue 1.
    """
    population = fit.population.centred(fit.population.priors) if fit.intercept else fit.population
    covariance = population.covariances[0]
    M = covariance.to_eigenbasis(np.sqrt(population.priors)[:, None] * population.means)
    lam = np.broadcast_to(covariance.eigenvalues, M.shape[1:])
    gram = lambda a: (M / (a - lam)) @ M.T  # noqa: E731
    top, size = float(lam.max()), float(np.sum(M * M))
    inner = [(low, high) for low, high in zip([0.0, *bulk.range[:-1, 1]], bulk.range[:, 0], strict=True) if high > low]
    last = float(bulk.range[-1, 1])
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
            shows = bulk.slope(a) > 0
            at = float(bulk.psi(a))
            found.append(Spike(a, at if shows else None, float(a * bulk.slope(a) / at) if shows else 0.0, direction))
    return tuple(sorted(found, key=lambda s: -s.population))
