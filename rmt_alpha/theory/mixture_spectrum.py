r"""The bulk of a sample covariance whose components differ in covariance: a small system just above the real axis.

The fixed point of `equivalents.mixture` at γ = −z. With g_k = 1/(1+δ_k) continued to the upper half plane,

.. math:: \frac1{g_k} = 1 + \frac1n \mathrm{tr}\, C_k Q, \qquad Q = \Big(\sum_k π_k g_k C_k - z\Big)^{-1}, \qquad
          f(x) = \frac{1}{πp} \operatorname{Im} \mathrm{tr}\, Q(x + i0).

The solution is the only one with Im g < 0; Newton's steps follow it from far above, where g = 1, or from beside. Where
it ends up real the density is 0, and there means make an outlier at each null vector v of

.. math:: H(x) = \sum_k π_k g_k (C_k + μ_kμ_k^T) - x, \qquad ⟨\hat u, v⟩^2 = \frac1{1 - \sum_k π_k g_k' v^T(C_k + μ_kμ_k^T)v}, \\
    J g' = -\Big(g_k \frac1n \mathrm{tr}\, C_k Q^2\Big)_k, \qquad J_{kl} = \frac{1_{kl}}{g_k} - g_k \frac{π_l}n \mathrm{tr}\, C_kQC_lQ.

(Benaych-Georges & Couillet 2016.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HEIGHT = 1e-9  # of x above the real axis: where g is asked for
LEVELS = (15, 80)  # on the way down there from far above; the second if the first went astray
CORRECTIONS = 3  # Newton's steps at each level …
STEPS = 30  # … and at the last
SETTLED = 1e-8  # relative, of the last of quadratically convergent steps
REAL = 3 * HEIGHT**0.5  # of |g|: below, no density; at an edge itself Im g is of the order of √height
SCAN = 80  # points at which bands are looked for, twice: a narrower gap is not seen
PER_BAND = 100  # points of the integral over a band, which tells whether one was missed …
MISSED = 1e-3  # … if the density's mass falls short by more
BISECTIONS = 30
INSET = 1e-6  # relative, from an edge


@dataclass(frozen=True, eq=False)
class MixtureBulk:
    """The bulk of components C (K, p), all diagonal, or (K, p, p), with priors π (K,), of n samples."""

    C: np.ndarray
    priors: np.ndarray
    n: float

    @property
    def dim(self) -> int:
        return self.C.shape[-1]

    @property
    def is_diagonal(self) -> bool:
        return self.C.ndim == 2

    @property
    def top(self) -> float:
        """No eigenvalue of the bulk lies above."""
        largest = self.C.max() if self.is_diagonal else max(np.linalg.norm(C, 2) for C in self.C)
        return float(largest) * (1 + np.sqrt(self.dim / self.n)) ** 2

    def density(self, x: np.ndarray) -> np.ndarray:
        """f (…,) at x (…,)."""
        f, g = np.zeros(np.size(x)), None
        for i, point in enumerate(np.ravel(x)):
            g = self.solve(point, g)
            if is_inside(g):
                Q = self._resolvent(g, point)
                f[i] = (Q.sum() if self.is_diagonal else np.trace(Q)).imag / (np.pi * self.dim)
        return f.reshape(np.shape(x))

    def edges(self, near: np.ndarray, mass: float) -> np.ndarray:
        """The bands (B, 2), of a density of this mass; `near` (B′, 2) are those of the average covariance.

        Where n is large both are narrow, and near each other. Raises ArithmeticError if one was missed.
        """
        shares = (1 - np.cos((np.arange(PER_BAND) + 0.5) * np.pi / PER_BAND)) / 2
        inner = near[:, :1] + (near[:, 1:] - near[:, :1]) * shares[:: PER_BAND // 5]
        for scan in (SCAN, 10 * SCAN):
            wide = self.top * np.r_[np.arange(1, scan + 1) / scan, np.geomspace(1e-7, 0.99, scan)]
            bands = self._bands(np.r_[inner[inner > 0], wide])
            found = 0.0
            for low, high in bands:
                f = self.density(low + (high - low) * shares)
                found += np.pi * (high - low) * np.mean(f * np.sqrt(shares * (1 - shares)))
            if abs(found - mass) < MISSED:
                return bands
        raise ArithmeticError(
            f"the spectrum's bands hold {found:.4f} of {mass:.4f}: one is too narrow to be found. Take a smaller n, at which it is wider."
        )

    def _bands(self, x: np.ndarray) -> np.ndarray:
        """The bands that show at these points."""
        x = np.sort(x)
        solved = [self.solve(x[0])]
        for at in x[1:]:
            solved.append(self.solve(at, solved[-1]))
        inside = [is_inside(g) for g in solved]
        ends = [0.0] if inside[0] else []
        for i in np.flatnonzero(np.diff(inside)):
            within, out = (i, i + 1) if inside[i] else (i + 1, i)
            ends.append(self._edge(x[out], x[within], solved[within]))
        return np.reshape(ends, (-1, 2))

    def _edge(self, out: float, within: float, g: np.ndarray) -> float:
        for _ in range(BISECTIONS):
            middle = (out + within) / 2
            found = self.solve(middle, g)
            if is_inside(found):
                within, g = middle, found
            else:
                out = middle
        return float((out + within) / 2)

    def solve(self, x: float, near: np.ndarray | None = None) -> np.ndarray:
        """g (K,) just above x > 0; `near` is a guess."""
        return self.at(x * (1 + 1j * HEIGHT), near)

    def at(self, z: complex, near: np.ndarray | None = None) -> np.ndarray:
        """g (K,) in the upper half plane."""
        if near is not None:
            g, settled = self._settle(near, z)
            if settled:
                return g
        for levels in LEVELS:
            g = np.ones(len(self.C), dtype=complex)
            for level in range(levels):
                for _ in range(CORRECTIONS):
                    g = g + self._step(g, z.real + 1j * self.top * (z.imag / self.top) ** (level / levels))
            g, settled = self._settle(g, z)
            if settled:
                return g
        raise ArithmeticError(f"the spectrum's fixed point did not settle at {z:g}. Ask for a point beside it.")

    def _settle(self, g: np.ndarray, z: complex) -> tuple[np.ndarray, bool]:
        for _ in range(STEPS):
            step = self._step(g, z)
            g = g + step
            if np.abs(step).max() < SETTLED * np.abs(g).max():
                return g, bool(np.all(g.imag < 0))
        return g, False

    def outliers(
        self, means: np.ndarray, edges: np.ndarray, centred: bool
    ) -> list[tuple[float, float, float, np.ndarray]]:
        """Of each outlier the eigenvalue of Σ χ_k (C_k + μ_kμ_kᵀ), its place, overlap and direction; means (K, p)."""
        largest = self.top + float(np.sum(means**2)) * (1 + np.sqrt(self.dim / self.n)) ** 2
        ends = np.r_[1e-6 * edges[0, 0], edges.ravel(), largest].reshape(-1, 2)
        found = []
        for low, high in ends[ends[:, 1] > ends[:, 0] * (1 + 4 * INSET)]:
            low, high = low * (1 + INSET), high * (1 - INSET)
            at_low, at_high = (self._pencil(means, x, centred)[0] for x in (low, high))
            for j in np.flatnonzero((at_low < -1) & (at_high >= -1)):  # each rises with x
                left, right = low, high
                for _ in range(2 * BISECTIONS):
                    middle = (left + right) / 2
                    below = self._pencil(means, middle, centred)[0][j] < -1
                    left, right = (middle, right) if below else (left, middle)
                found.append(self._outlier(means, (left + right) / 2, int(j), centred))
        return found

    def _pencil(self, means: np.ndarray, x: float, centred: bool) -> tuple[np.ndarray, ...]:
        """The eigenvalues, rising, and eigenvectors of MᵀQM diag(πg), and what QM diag(πg) and M are. H is singular
        where one is −1.
        """
        g = self.solve(x).real
        weights = self.priors * g
        M = means - weights @ means / weights.sum() if centred else means
        Q = self._resolvent(g, x)
        QM = M * Q if self.is_diagonal else M @ Q
        values, vectors = np.linalg.eig((M @ QM.T) * weights)
        order = np.argsort(values.real)
        return values.real[order], vectors.real[:, order], QM * weights[:, None], M, g

    def _outlier(self, means: np.ndarray, x: float, j: int, centred: bool) -> tuple[float, float, float, np.ndarray]:
        _, vectors, QM, M, g = self._pencil(means, x, centred)
        v = vectors[:, j] @ QM
        v = v / np.linalg.norm(v)
        inner = self.C @ (v * v) if self.is_diagonal else (self.C @ v) @ v
        overlap = 1 / (1 - np.sum(self.priors * self.slope(g, x) * (inner + (M @ v) ** 2)))
        return float(x / np.sum(self.priors * g)), float(x), float(overlap), v

    def slope(self, g: np.ndarray, x: float) -> np.ndarray:
        """g′ (K,)."""
        Q = self._resolvent(g, x)
        square = self.C @ (Q * Q) if self.is_diagonal else np.einsum("kij,ji->k", self.C, Q @ Q)
        return np.linalg.solve(self._jacobian(g, Q), -g * square / self.n)

    def _step(self, g: np.ndarray, z: complex) -> np.ndarray:
        Q = self._resolvent(g, z)
        return np.linalg.solve(self._jacobian(g, Q), 1 - g * (1 + self._trace(Q)))

    def _resolvent(self, g: np.ndarray, z: complex) -> np.ndarray:
        """Q, (p,) or (p, p)."""
        inner = np.tensordot(self.priors * g, self.C, axes=1)
        return 1 / (inner - z) if self.is_diagonal else np.linalg.inv(inner - z * np.eye(self.dim))

    def _trace(self, Q: np.ndarray) -> np.ndarray:
        """tr C_k Q / n."""
        return (self.C @ Q if self.is_diagonal else np.tensordot(self.C, Q.T, axes=2)) / self.n

    def _jacobian(self, g: np.ndarray, Q: np.ndarray) -> np.ndarray:
        """J of the equations g(1 + tr C_k Q/n) = 1."""
        CQ = self.C * Q if self.is_diagonal else self.C @ Q
        K = len(CQ)
        pairs = CQ.reshape(K, -1) @ (CQ if self.is_diagonal else CQ.swapaxes(1, 2)).reshape(K, -1).T
        return np.diag(1 + self._trace(Q)) - g[:, None] * self.priors * pairs / self.n


def is_inside(g: np.ndarray) -> bool:
    """Is the point of this solution inside a band?"""
    return bool(np.abs(g.imag).max() > REAL * np.abs(g).max())
