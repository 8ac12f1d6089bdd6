"""Grids of problems: theory and simulation side by side, resumable, on any number of machines; and maps by theory alone."""

from .phase_map import phase_map as phase_map
from .spec import read_spec as read_spec
from .run import sweep as sweep
