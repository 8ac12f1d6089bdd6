// The isotropic problem's theory in the browser: a Vega-Lite picture whose curve its own sliders compute, formula for formula as
// rmt_alpha.theory.isotropic has it (tests/explorer/test_static.py compares). What follows the equals sign is JSON.
const EXPLORER = {
  "width": "container", "height": 320, "autosize": {"type": "fit-x", "contains": "padding"}, "background": null,
  "params": [
    {"name": "log_N", "value": 3.7, "bind": {"input": "range", "min": 0.3, "max": 6, "step": 0.05, "name": "log₁₀ N, source sample size "}},
    {"name": "log_n", "value": 1.6, "bind": {"input": "range", "min": 0.3, "max": 6, "step": 0.05, "name": "log₁₀ n, target sample size "}},
    {"name": "log_p", "value": 3, "bind": {"input": "range", "min": 0.3, "max": 6, "step": 0.05, "name": "log₁₀ p, number of features "}},
    {"name": "mu", "value": 0.8, "bind": {"input": "range", "min": 0.05, "max": 4, "step": 0.05, "name": "‖μ‖, norm of the source mean "}},
    {"name": "mu_orth", "value": 0.8, "bind": {"input": "range", "min": 0, "max": 4, "step": 0.05, "name": "‖μ⊥‖, norm of the target's orthogonal part "}},
    {"name": "beta", "value": 0.9, "bind": {"input": "range", "min": -1, "max": 1, "step": 0.01, "name": "β, alignment of the tasks "}},
    {"name": "log_gs", "value": 0.7, "bind": {"input": "range", "min": -3, "max": 3, "step": 0.05, "name": "log₁₀ γ̃, ridge penalty of the source "}},
    {"name": "log_gt", "value": -1, "bind": {"input": "range", "min": -3, "max": 3, "step": 0.05, "name": "log₁₀ γ, ridge penalty of the target "}},
    {"name": "alpha", "value": 3, "bind": {"input": "range", "min": -10, "max": 15, "step": 0.1, "name": "α, your scale "}},

    {"name": "N", "expr": "round(pow(10, log_N))"}, {"name": "n", "expr": "round(pow(10, log_n))"}, {"name": "p", "expr": "round(pow(10, log_p))"},
    {"name": "gs", "expr": "pow(10, log_gs)"}, {"name": "gt", "expr": "pow(10, log_gt)"},
    {"name": "ts", "expr": "1 - p / N - gs"}, {"name": "tt", "expr": "1 - p / n - gt"},
    {"name": "ks", "expr": "ts > 0 ? 2 * gs / (ts + sqrt(ts * ts + 4 * gs)) : (sqrt(ts * ts + 4 * gs) - ts) / 2"},
    {"name": "kt", "expr": "tt > 0 ? 2 * gt / (tt + sqrt(tt * tt + 4 * gt)) : (sqrt(tt * tt + 4 * gt) - tt) / 2"},
    {"name": "us", "expr": "p / N / pow(1 + ks, 2)"}, {"name": "ut", "expr": "p / n / pow(1 + kt, 2)"},
    {"name": "uu", "expr": "mu * mu"}, {"name": "b2", "expr": "beta * beta * uu + (1 - beta * beta) * mu_orth * mu_orth"},
    {"name": "s", "expr": "beta * uu / (uu + 1 + ks)"},
    {"name": "q", "expr": "(uu + us * pow(1 + ks, 2)) / pow(uu + 1 + ks, 2) / (1 - us)"},
    {"name": "D", "expr": "b2 + 1 + kt"}, {"name": "c0", "expr": "b2 / D"}, {"name": "c1", "expr": "kt * s / D"}, {"name": "c", "expr": "(1 + kt) / D"},
    {"name": "M00", "expr": "(b2 / (D * D) + ut * c * c) / (1 - ut)"}, {"name": "M01", "expr": "(c1 / D - ut * c * c1) / (1 - ut)"},
    {"name": "M11", "expr": "(pow(kt / (1 + kt), 2) * (q - s * s * (2 * (1 + kt) + b2) / (D * D)) + ut * c1 * c1) / (1 - ut)"},
    {"name": "best", "expr": "(c1 * M00 - c0 * M01) / (c0 * M11 - c1 * M01)"},
    {"name": "is_finite", "expr": "c0 + c1 * best > 0 && abs(best) < 1e12"}
  ],
  "data": {"sequence": {"start": -10, "stop": 15.05, "step": 0.05, "as": "a"}},
  "transform": [
    {"calculate": "(c0 + c1 * datum.a) / sqrt(M00 + 2 * M01 * datum.a + M11 * datum.a * datum.a)", "as": "snr"},
    {"calculate": "cumulativeNormal(datum.snr)", "as": "accuracy"}
  ],
  "title": {
    "anchor": "start", "fontWeight": "normal", "color": "currentColor",
    "text": {"expr": "'N = ' + format(N, ',') + ', n = ' + format(n, ',') + ', p = ' + format(p, ',') + ', γ̃ = ' + format(gs, '.3~g') + ', γ = ' + format(gt, '.3~g') + (is_finite ? ': α* = ' + format(best, '.3~f') : ': α* is infinite')"}
  },
  "encoding": {
    "x": {"field": "a", "type": "quantitative", "title": "α", "scale": {"nice": false}},
    "y": {"field": "accuracy", "type": "quantitative", "title": "accuracy", "axis": {"format": ".0%"}, "scale": {"zero": false}}
  },
  "layer": [
    {"mark": {"type": "line", "strokeWidth": 2.5, "color": "#2b83c6"}},
    {"transform": [{"filter": "is_finite && abs(datum.a - best) <= 0.0251"}], "mark": {"type": "point", "shape": "diamond", "filled": true, "size": 110, "opacity": 1, "color": "currentColor"}},
    {"transform": [{"filter": "abs(datum.a - 1) < 0.01"}], "mark": {"type": "point", "shape": "square", "filled": true, "size": 90, "opacity": 1, "color": "currentColor"}},
    {"transform": [{"filter": "abs(datum.a - alpha) < 0.01"}], "mark": {"type": "point", "filled": true, "size": 90, "opacity": 1, "color": "#e0701a"}},
    {
      "transform": [{"filter": "abs(datum.a - alpha) < 0.01"}, {"calculate": "'your α = ' + format(alpha, '.1~f') + ': ' + format(datum.accuracy, '.2%')", "as": "said"}],
      "mark": {"type": "text", "align": "right", "dx": -8, "color": "currentColor", "fontSize": 13},
      "encoding": {"text": {"field": "said"}, "x": {"value": "width"}, "y": {"value": 300}}
    }
  ],
  "config": {
    "view": {"stroke": null},
    "axis": {"labelColor": "currentColor", "titleColor": "currentColor", "domainColor": "currentColor", "tickColor": "currentColor", "gridColor": "currentColor", "gridOpacity": 0.13}
  }
};
vegaEmbed("#explorer", EXPLORER, { actions: false, renderer: "svg" });
