"""Grids of problems: theory and simulation side by side, resumable, on any number of machines; and maps by theory alone."""

from .phase_map import phase_map as phase_map
from .run import sweep as sweep
from .spec import read_spec as read_spec
