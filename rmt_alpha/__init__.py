"""Random-matrix theory of transfer learning: w = α·w̃ + a in closed form, beside its exact simulation."""

from .problem import Covariance, Fit, Group, Loss, Population, TransferProblem
from .results import Moments, Optimum, ScoreForm, ZScores, compare, load, save
from .simulation import draw, simulate, simulate_optimal_alpha
from .sweep import sweep
from .theory.low_rank import rank_path
from .theory.optimum import optimal_alpha
from .theory.penalty import optimal_penalty
from .theory.predict import predict
from .theory.rank_saving import rank_saving
from .theory.spectrum import spectrum

__all__ = [
    "Covariance",
    "Fit",
    "Group",
    "Loss",
    "Moments",
    "Optimum",
    "Population",
    "ScoreForm",
    "TransferProblem",
    "ZScores",
    "compare",
    "draw",
    "load",
    "optimal_alpha",
    "optimal_penalty",
    "predict",
    "rank_path",
    "rank_saving",
    "save",
    "simulate",
    "simulate_optimal_alpha",
    "spectrum",
    "sweep",
]


def __getattr__(name: str) -> str:
    """`__version__`, looked up when asked for: a checkout that is not installed has none."""
    if name == "__version__":
        from importlib.metadata import version

        return version("rmt_alpha")
    raise AttributeError(f"module 'rmt_alpha' has no attribute {name!r}")
