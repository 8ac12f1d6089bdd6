"""Many outputs: against drawn data, its own limits, and the published page's fixed point."""

import numpy as np
import pytest

from rmt_alpha.simulation.proportional import draw_many_outputs
from rmt_alpha.theory.proportional import ManyOutputs

TRIALS = 12
SHAPES = [
    (500, 700, 400, 0.1, 0.5, [2.0, 1.2]),
    (400, 800, 800, 0.05, 0.7, [3.0, 1.5]),
    (600, 400, 600, 0.3, 1.0, [6.0, 3.0]),
]


def z(drawn, expected):
    return (drawn.mean(0) - expected) / (drawn.std(0, ddof=1) / np.sqrt(len(drawn)))


@pytest.mark.parametrize(("p", "n", "q", "gamma", "sigma", "spikes"), SHAPES)
def test_against_drawn_data(p, n, q, gamma, sigma, spikes):
    task = ManyOutputs(p, n, q, gamma, sigma)
    draws = draw_many_outputs(task, spikes, 3, n_trials=TRIALS, seed=1)
    found = np.array([task.spike(s) for s in spikes])
    assert np.abs(z(draws.gram[:, :2], found[:, 0])).max() < 4
    assert np.abs(z(draws.overlap, found[:, 1])).max() < 4
    assert np.abs(z(draws.risk[:, 1:3], task.risk_path(spikes)[1:3])).max() < 4
    # A rank past the spikes: at the edge the distance is O(p^(-2/3)).
    assert np.diff(draws.risk.mean(0))[2] == pytest.approx(task.wasted, rel=0.05)
    assert draws.gram[:, 2].mean() == pytest.approx(task.edge, rel=0.03)
    full = draw_many_outputs(task, spikes, q, n_trials=4).risk[:, -1]
    assert full.mean() == pytest.approx(task.full_risk(spikes), rel=0.01)


@pytest.mark.parametrize(
    ("shape", "s", "published"),
    [  # of an implementation that iterates a fixed point over drawn eigenvalues
        ((400, 600, 300, 0.1, 0.5), 1.0, (1.18572, 0.872997, 0.410767)),
        ((400, 800, 800, 0.05, 0.7), 1.5, (2.88697, 0.803056, 0.98645)),
        ((600, 400, 600, 0.3, 1.0), 3.0, (9.82554, 0.842794, 5.08837)),
    ],
)
def test_the_fixed_point_iterated(shape, s, published):
    outlier, overlap, step = ManyOutputs(*shape).spike(s)
    np.testing.assert_allclose([outlier, overlap, step + s * s], published, rtol=2e-3)


def test_below_the_threshold_no_rank_sees_it():
    task = ManyOutputs(600, 800, 600, 0.1, 0.6)
    s = 0.6 * task.threshold
    assert task.spike(s) is None and task.spike(1.001 * task.threshold)[1] < 0.01
    draws = draw_many_outputs(task, [s], 1, n_trials=4)
    assert draws.overlap.max() < 0.05
    path = task.risk_path([s])
    np.testing.assert_allclose(np.diff(path), task.wasted)
    assert task.spike(1.2 * task.threshold)[1] > 0.2
    # Overlap and outlier join the bulk continuously.
    assert task.spike(task.threshold * (1 + 1e-6))[0] == pytest.approx(task.edge, rel=1e-6)


def test_without_noise_in_x_it_is_a_spiked_rectangle():
    """p/n → 0: G is (Δ + noise)ᵀ(Δ + noise)/(1+γ), with noise of shape p × q and variance σ²/n, whose threshold is σ(pq)^¼/√n."""
    task = ManyOutputs(dim=1000, n=10**8, outputs=4000, gamma=0.5, sigma=30.0)
    eta, c = task.eta * 900, task.c * 900
    assert task.threshold == pytest.approx((eta * c) ** 0.25, rel=1e-2)
    s = 3 * task.threshold
    z_, overlap, _ = task.spike(s)
    assert z_ * 1.5 == pytest.approx((s * s + eta) * (s * s + c) / s**2, rel=1e-2)
    assert overlap == pytest.approx((s**4 - eta * c) / (s**4 + s**2 * c), rel=1e-2)


def test_alpha_makes_low_rank_do():
    """W_t = 1.7 W_s + one spike: at 1.7 one rank is enough."""
    task = ManyOutputs(400, 600, 300, 0.1, 0.5)
    Ws = np.diag([1.5, 1.2, 1.0, 0.0])
    Wt = 1.7 * Ws + np.diag([0.0, 0.0, 0.0, 3.0])
    alpha, risk = task.optimal_alpha(Ws, Wt, 3)
    assert alpha[1] == pytest.approx(1.7, abs=1e-6) and np.all(np.diff(risk[:2]) < 0)
    at = lambda a: task.risk_path(np.linalg.svd(Wt - a * Ws, compute_uv=False), 3)  # noqa: E731
    assert np.all(risk <= np.min([at(a) for a in np.linspace(-1, 4, 101)], axis=0) + 1e-9)
    assert at(1.0)[1] > risk[1] + 1
    draws = draw_many_outputs(task, np.pad(Wt - 1.7 * Ws, ((0, 396), (0, 296))), 1, n_trials=TRIALS)
    assert abs(z(draws.risk[:, 1], risk[1])) < 4


def test_bad_input():
    with pytest.raises(ValueError, match="gamma must lie in .* got 0"):
        ManyOutputs(10, 10, 10, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"outputs must lie in \[2"):
        ManyOutputs(10, 10, 1, 0.1, 1.0)
    task = ManyOutputs(10, 10, 10, 0.1, 1.0)
    with pytest.raises(ValueError, match=r"W_source must have the shape \(2, 2\)"):
        task.optimal_alpha(np.eye(3), np.eye(2), 1)
    with pytest.raises(ValueError, match=r"delta must be a matrix of shape \(10, 10\)"):
        draw_many_outputs(task, np.eye(3), 1)


@pytest.mark.parametrize(
    ("p", "n", "q", "gamma", "sigma", "bulk", "spikes"),
    [(400, 600, 270, 0.2, 0.5, 0.6, [3.0, 1.8]), (300, 200, 300, 0.5, 1.0, 1.0, [6.0, 4.0])],
)
def test_a_difference_with_a_bulk_of_its_own(p, n, q, gamma, sigma, bulk, spikes):
    """W_t − αW_s = spikes + a Gaussian matrix, drawn anew for each pair of trials."""
    rng, task = np.random.default_rng(3), ManyOutputs(p, n, q, gamma, sigma, bulk)
    gram, steps, rest, full = [], [], [], []
    for seed in range(10):
        left, right = (np.linalg.qr(rng.standard_normal((size, 2)))[0] for size in (p, q))
        delta = left * spikes @ right.T + bulk * rng.standard_normal((p, q)) / np.sqrt(p)
        draws = draw_many_outputs(task, delta, q if seed == 0 else 3, n_trials=2, seed=seed)
        gram.append(draws.gram[:, :3].mean(0))
        change = np.diff(draws.risk, axis=1).mean(0)
        steps.append(change[:2])
        rest.append(change[2])
        if seed == 0:
            full = draws.risk[:, -1]
    gram, found = np.array(gram), np.array([task.spike(s) for s in spikes])
    assert np.abs(z(gram[:, :2], found[:, 0])).max() < 4
    assert np.abs(z(np.array(steps), found[:, 2])).max() < 4
    bare = np.array([ManyOutputs(p, n, q, gamma, sigma).spike(s) for s in spikes])
    assert np.abs(z(np.array(steps), bare[:, 2])).max() > 6  # the bulk is seen
    assert gram[:, 2].mean() == pytest.approx(task.edge, rel=0.05)
    assert np.mean(rest) == pytest.approx(task.wasted, rel=0.1)
    assert full.mean() == pytest.approx(task.full_risk(spikes), rel=0.02)
    assert task.risk_path(spikes)[0] == pytest.approx(q * (sigma**2 + bulk**2) + np.sum(np.square(spikes)))


def test_units_of_a_bulk():
    """σ, Δ and its bulk times three: risk times nine, the same overlap; and no bulk is the limit of a small one."""
    one, three = ManyOutputs(300, 400, 200, 0.3, 0.5, 0.4), ManyOutputs(300, 400, 200, 0.3, 1.5, 1.2)
    np.testing.assert_allclose(three.risk_path([6.0, 0.3]), 9 * one.risk_path([2.0, 0.1]), rtol=1e-9)
    assert three.spike(6.0)[1] == pytest.approx(one.spike(2.0)[1], rel=1e-9)
    assert three.threshold == pytest.approx(3 * one.threshold, rel=1e-9)
    none, little = (ManyOutputs(300, 400, 200, 0.3, 0.5, b) for b in (0.0, 1e-6))
    np.testing.assert_allclose(little.risk_path([2.0]), none.risk_path([2.0]), rtol=1e-9)
    with pytest.raises(ValueError, match="bulk must"):
        ManyOutputs(300, 400, 200, 0.3, 0.5, -1.0)


def test_units_of_noise_and_penalty_however_small():
    """Solved for in units of its own: σ and s times 1e-12 or 1e9 give the same overlap; γ → ∞ has a limit."""
    one = ManyOutputs(400, 600, 300, 0.1, 0.5)
    overlap = one.spike(3 * one.threshold)[1]
    for unit in (2e-12, 1e9):
        other = ManyOutputs(400, 600, 300, 0.1, 0.5 * unit)
        assert other.spike(3 * unit * one.threshold)[1] == pytest.approx(overlap, rel=1e-9)
    far, farther = (ManyOutputs(400, 600, 300, gamma, 0.5) for gamma in (1e6, 1e25))
    assert farther.spike(1.0)[1] == pytest.approx(far.spike(1.0)[1], rel=1e-5)
    assert one.spike(-2.0) == one.spike(2.0)


def test_what_is_no_rank_or_spike():
    task = ManyOutputs(20, 30, 10, 0.1, 0.5)
    with pytest.raises(ValueError, match=r"ranks must lie in \[0, 10\], got 11"):
        task.risk_path([2.0], 11)
    with pytest.raises(ValueError, match=r"ranks must lie in \[0, 10\], got 11"):
        task.optimal_alpha(np.eye(2), np.eye(2), 11)
    with pytest.raises(ValueError, match=r"ranks must lie in \[0, 10\], got 11"):
        draw_many_outputs(task, [2.0], 11)
    with pytest.raises(ValueError, match="ranks must lie in"):
        draw_many_outputs(task, [2.0], -1)
    with pytest.raises(ValueError, match="delta must have at most 10 singular values, got 11"):
        draw_many_outputs(task, np.ones(11), 1)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="s must lie in"):
            task.spike(bad)
        with pytest.raises(ValueError, match="spikes must lie in"):
            task.full_risk([bad])
    with pytest.raises(ValueError, match="outputs must be at most 10000 × dim"):
        ManyOutputs(20, 30, 10**9, 0.1, 0.5)


def test_eigenvalues_near_zero_are_averaged_over_exactly():
    """n = p: the smallest eigenvalues lie below γ. ⟨1/(λ+γ)⟩ is known in closed form."""
    from rmt_alpha.theory.equivalents import isotropic

    for gamma in (1e-1, 1e-6, 1e-12):
        task = ManyOutputs(dim=200, n=200, outputs=150, gamma=gamma, sigma=0.6)
        kappa = float(isotropic(1.0, gamma)[0])
        lam = task._eigenvalues[0]
        assert task._mean(1 / (lam + gamma)) == pytest.approx(kappa / gamma / (1 + kappa), rel=1e-9)
