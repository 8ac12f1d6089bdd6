"""One figure or table a file: sweep → data file → picture. `python -m experiments [NAME …]`."""

NAMES = (
    "accuracy_vs_alpha",
    "optimal_alpha_vs_beta",
    "optimal_alpha_given_source",
    "optimal_alpha_map",
    "score_distribution",
    "moments_vs_gamma",
    "regression_risk",
    "finite_size",
    "amazon_accuracy_vs_alpha",
    "amazon_table",
    "amazon_scores",
)

# Run only by name, because they need the extra `lm` (a pretrained encoder); what they wrote lies in figures/.
WITH_LM = ("domain_features",)
