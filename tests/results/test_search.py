"""The search over α, on functions whose maxima and zeros are known."""

import numpy as np
import pytest

from rmt_alpha.results.search import best

ENDS = np.array([9.0])


def found(goal, root=None, **options):
    """Where `best` finds the largest value of a goal, and the last y it returns, of a root where there is one."""
    y, last, _ = best(lambda y: y[:, 0], [goal], ENDS, 1.0, root, **options)
    np.testing.assert_array_equal(last[: len(y)], y[:, 0])
    return y[0, 0], y[-1, 0]


@pytest.mark.parametrize("place", [-8.7, -2.5, 0.0, 0.31, 4.0, 8.99])
def test_smooth_maxima(place):
    assert found(lambda y: 1 / np.cosh(y - place))[0] == pytest.approx(place, abs=1e-7)


@pytest.mark.parametrize("width", [1.0, 0.1, 1e-3])
def test_maxima_that_no_polynomial_follows(width):
    """A kink, and a peak narrower than the grid beside a slope that leads to it."""
    assert found(lambda y: -np.abs(y - 0.4321))[0] == pytest.approx(0.4321, abs=1e-6)
    peak = lambda y: -np.sqrt((y - 2.345) ** 2 + width**2)  # noqa: E731
    assert found(peak)[0] == pytest.approx(2.345, abs=1e-6)


@pytest.mark.parametrize("steepness", [0.3, 1.0, 5.0, 300.0])
def test_zeros_are_verified(steepness):
    """However steep: a zero that its polynomial misses is bracketed."""
    root = lambda y: np.tanh(steepness * (y - 1.337))  # noqa: E731
    assert found(lambda y: 1 / np.cosh(y), root)[1] == pytest.approx(1.337, abs=1e-9)


def test_of_two_zeros_the_nearer_to_0():
    root = lambda y: (y - 0.6) * (y + 1.8) / (1 + y * y)  # noqa: E731
    assert found(lambda y: 1 / np.cosh(y), root)[1] == pytest.approx(0.6, abs=1e-9)
    close = lambda y: (y - 0.2) * (y - 0.4) * (y - 0.9)  # noqa: E731
    assert np.min(np.abs(found(lambda y: 1 / np.cosh(y), close)[1] - [0.2, 0.4, 0.9])) < 1e-9


def test_what_no_y_changes_is_best_at_0():
    assert found(lambda y: 3.0 + 1e-13 * np.sin(y))[0] == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_maxima_at_infinity(sign):
    rising = lambda y: np.tanh(sign * y / 3)  # noqa: E731
    assert found(rising)[0] == sign * 9
    assert found(rising, infinite=True)[0] == sign * np.inf
    humps = lambda y: np.where(np.isinf(y), 1.1 * (y * sign > 0), 1 / np.cosh(y - 2))  # noqa: E731
    assert found(humps, infinite=True)[0] == sign * np.inf


def test_all_goals_at_once():
    goals = [lambda y, c=c: 1 / np.cosh(y - c) for c in (-3.2, 0.4, 5.1)]
    y, _, table = best(lambda y: y[:, 0], goals, ENDS, 1.0)
    np.testing.assert_allclose(y[:, 0], [-3.2, 0.4, 5.1], atol=1e-7)
    np.testing.assert_array_equal(table, np.linspace(-9, 9, 19))


def test_several_alphas_together():
    bump = lambda y: 1 / np.cosh(y[:, 0] - 1.2) / np.cosh(y[:, 1] + 0.7 - 0.3 * y[:, 0])  # noqa: E731
    y, _, _ = best(lambda y: y, [bump], np.array([9.0, 9.0]))
    np.testing.assert_allclose(y[0], [1.2, -0.34], atol=1e-5)


def spike(y):
    """A plateau, lower far out, with a narrow peak at sinh y = (0.4, 0.4), on no axis."""
    a = np.sinh(y)
    return np.exp(-1e3 * np.sum((a - 0.4) ** 2, 1)) - (np.abs(y).max(1) > 0.3 + 0.4 * (y > 0).all(1))


def test_a_peak_on_the_line_through_a_known_place():
    """What `beside` says, or the first goal's best."""
    top = np.arcsinh([0.4, 0.4])
    ends = np.array([9.0, 9.0])
    for factor in (0.5, 1.0, 8.0, -2.0):
        place = np.arcsinh(factor * np.sinh(top))
        y, _, _ = best(lambda y: y, [spike], ends, beside=place)
        np.testing.assert_allclose(y[0], top, atol=1e-5)
        first = lambda y, place=place: -np.sum((y - place) ** 2, 1)  # noqa: E731
        y, _, _ = best(lambda y: y, [first, spike], ends)
        np.testing.assert_allclose(y, [place, top], atol=1e-5)


def test_what_decides_nothing_stays_out_of_the_line():
    goal = lambda y: 1 / np.cosh(y[:, 0] - 1.2)  # noqa: E731
    y, _, _ = best(lambda y: y, [goal], np.array([9.0, 9.0]), beside=np.array([1.0, 2.0]))
    np.testing.assert_allclose(y[0], [1.2, 0.0], atol=1e-5)
