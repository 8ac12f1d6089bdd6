"""Random-matrix theory of transfer learning: w = α·w̃ + a in closed form, beside its exact simulation."""

from .class_moments import ClassForm as ClassForm
from .class_moments import ClassOptimum as ClassOptimum
from .classes import ClassProblem as ClassProblem
from .classes import Mixture as Mixture
from .convex import convex_path as convex_path
from .geometry import Covariance as Covariance
from .geometry import Geometry as Geometry
from .losses import HuberHinge as HuberHinge
from .losses import Logistic as Logistic
from .losses import Loss as Loss
from .losses import Squared as Squared
from .losses import SquaredHinge as SquaredHinge
from .moments import Moments as Moments
from .moments import Optimum as Optimum
from .moments import ScoreForm as ScoreForm
from .moments import optimum as optimum
from .problem import TransferProblem as TransferProblem
from .regression import RegressionProblem as RegressionProblem
from .ridge import ridge_path as ridge_path
from .simulation.argmax import simulate_optimal_alpha as simulate_optimal_alpha
from .simulation.classes import draw_classes as draw_classes
from .simulation.classes import simulate_classes as simulate_classes
from .simulation.classes import simulate_optimal_alpha_classes as simulate_optimal_alpha_classes
from .simulation.regression import simulate_regression as simulate_regression
from .simulation.simulate import SimulatedMoments as SimulatedMoments
from .simulation.simulate import ZScores as ZScores
from .simulation.simulate import compare as compare
from .simulation.simulate import draw as draw
from .simulation.simulate import simulate as simulate
from .simulation.spread import simulate_spread as simulate_spread
from .sources import Pool as Pool
from .sources import Source as Source
from .spread import SimulatedSpread as SimulatedSpread
from .spread import Spread as Spread
from .strata import norm_strata as norm_strata
from .strata import remove_mean_noise as remove_mean_noise
from .sweeps import sweep as sweep
from .theory.classes import class_form as class_form
from .theory.classes import optimal_alpha_classes as optimal_alpha_classes
from .theory.classes import predict_classes as predict_classes
from .theory.penalty import PenaltyOptimum as PenaltyOptimum
from .theory.penalty import optimal_penalty as optimal_penalty
from .theory.regression import optimal_alpha_regression as optimal_alpha_regression
from .theory.regression import predict_regression as predict_regression
from .theory.spread import SpreadForm as SpreadForm
from .theory.spread import predict_spread as predict_spread
from .theory.spread import spread_form as spread_form
from .theory.transfer import optimal_alpha as optimal_alpha
from .theory.transfer import predict as predict
from .theory.transfer import transfer_form as transfer_form


def __getattr__(name: str) -> str:
    """`__version__`, looked up when asked for: a checkout that is not installed has none."""
    if name == "__version__":
        from importlib.metadata import version

        return version("rmt_alpha")
    raise AttributeError(f"module 'rmt_alpha' has no attribute {name!r}")
