"""The documentation's page without a server: its formulas, as the browser evaluates them, are the library's."""

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vl_convert", reason="the explorer needs the extra 'explore'")

import vl_convert

from rmt_alpha import TransferProblem, optimal_alpha, predict

SCRIPT = Path(__file__).parents[2] / "docs" / "_static" / "explorer.js"
NAMES = ("log_N", "log_n", "log_p", "mu", "mu_orth", "beta", "log_gs", "log_gt")
ENDS = [(1, 5), (1, 4), (1, 4), (0.1, 3), (0, 3), (-1, 1), (-2, 2), (-2, 2)]
POINTS = np.random.default_rng(0).uniform(*np.transpose(ENDS), (12, 8))


@pytest.fixture(scope="module")
def spec():
    return json.loads(re.search(r"const EXPLORER = (\{.*?^\});", SCRIPT.read_text("utf-8"), re.S | re.M)[1])


def evaluated(spec, values, expression, alphas):
    """What Vega makes of an expression of the picture's own parameters and of each α."""
    spec = copy.deepcopy(spec)
    for param in spec["params"]:
        if param["name"] in values:
            param["value"] = values[param["name"]]
        param.pop("bind", None)
    spec["data"] = {"values": [{"a": float(a)} for a in alphas]}
    spec["transform"].append({"calculate": f"'<' + format({expression}, '.12e') + '>'", "as": "said"})
    spec["layer"] = [{"mark": "text", "encoding": {"text": {"field": "said"}}}]
    spec["width"], spec["config"]["text"] = 400, {"limit": 0}
    svg = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    return np.array([float(x.replace("−", "-")) for x in re.findall(r">&lt;([^&]*)&gt;<", svg)])


def problem(point):
    N, n, p, mu, mu_orth, beta, gs, gt = point
    return TransferProblem(
        round(10**N),
        round(10**n),
        round(10**p),
        mu=mu,
        mu_orth=mu_orth,
        beta=beta,
        gamma_source=10**gs,
        gamma_target=10**gt,
    )


@pytest.mark.parametrize("point", POINTS)
def test_the_curve_is_predict_s(spec, point):
    alphas = np.linspace(-10, 15, 11)
    found = evaluated(spec, dict(zip(NAMES, point, strict=True)), "datum.accuracy", alphas)
    np.testing.assert_allclose(found, predict(problem(point), alphas).accuracy, rtol=0, atol=1e-11)


@pytest.mark.parametrize("point", POINTS)
def test_the_best_alpha_is_the_library_s(spec, point):
    values, best = dict(zip(NAMES, point, strict=True)), optimal_alpha(problem(point))
    (finite,) = evaluated(spec, values, "is_finite ? 1 : 0", [0])
    assert finite == (not best.at_infinity)
    if finite:
        assert evaluated(spec, values, "best", [0])[0] == pytest.approx(best.alpha, rel=1e-9)


def test_it_starts_with_the_example(spec):
    values = {param["name"]: param["value"] for param in spec["params"] if "value" in param}
    start = problem([values[name] for name in NAMES])
    assert (start.mu, start.mu_orth, start.beta, start.n_target, start.dim) == (0.8, 0.8, 0.9, 40, 1000)
    assert start.n_source == pytest.approx(5000, rel=0.01) and start.gamma_source == pytest.approx(5, rel=0.01)


def test_the_picture_is_drawn(spec):
    svg = vl_convert.vegalite_to_svg({**spec, "width": 600}, vl_version="6.4")
    assert "your α = 3: 72.3" in svg and "n = 40, p = 1,000" in svg and "NaN" not in svg
