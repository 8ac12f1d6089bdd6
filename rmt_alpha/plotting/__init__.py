"""Pictures: those that one line asks for, and the look that they and all figures of the project share.

Theory is a line, simulation a point with an error bar.
"""

from .look import (
    COLORS,
    DASHES,
    MARKERS,
    STYLE,
    color_bar,
    contour_map,
    figure,
    legend,
    normal_density,
    simulation_points,
    style,
    theory_line,
    to_bytes,
)
from .maps import (
    SCALES,
    numbers_title,
    phase_panel,
    plot_phase_map,
    varying,
)
from .pictures import (
    plot_accuracy,
    plot_rank,
    plot_scores,
    plot_spectrum,
)

__all__ = [
    "COLORS",
    "DASHES",
    "MARKERS",
    "SCALES",
    "STYLE",
    "color_bar",
    "contour_map",
    "figure",
    "legend",
    "normal_density",
    "numbers_title",
    "phase_panel",
    "plot_accuracy",
    "plot_phase_map",
    "plot_rank",
    "plot_scores",
    "plot_spectrum",
    "simulation_points",
    "style",
    "theory_line",
    "to_bytes",
    "varying",
]
