"""Random-matrix theory of transfer learning: w = α·w̃ + a in closed form, beside its exact simulation."""

from .problem import Covariance as Covariance
from .problem import Fit as Fit
from .problem import Group as Group
from .problem import Loss as Loss
from .problem import Population as Population
from .problem import TransferProblem as TransferProblem
from .results import Moments as Moments
from .results import Optimum as Optimum
from .results import ScoreForm as ScoreForm
from .results import ZScores as ZScores
from .results import compare as compare
from .theory.low_rank import rank_path as rank_path
from .theory.optimum import optimal_alpha as optimal_alpha
from .theory.penalty import optimal_penalty as optimal_penalty
from .theory.predict import predict as predict


def __getattr__(name: str) -> str:
    """`__version__`, looked up when asked for: a checkout that is not installed has none."""
    if name == "__version__":
        from importlib.metadata import version

        return version("rmt_alpha")
    raise AttributeError(f"module 'rmt_alpha' has no attribute {name!r}")
