"""Exact finite-size simulation: the witness of every formula."""

from .optimum import simulate_optimal_alpha as simulate_optimal_alpha
from .simulate import draw as draw
from .simulate import simulate as simulate
