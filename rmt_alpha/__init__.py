"""Random-matrix theory of transfer learning: w = α·w̃ + a in closed form, beside its exact simulation."""

from .geometry import Covariance as Covariance
from .geometry import Geometry as Geometry
from .moments import Moments as Moments
from .moments import Optimum as Optimum
from .moments import ScoreForm as ScoreForm
from .moments import optimum as optimum
from .problem import TransferProblem as TransferProblem
from .regression import RegressionProblem as RegressionProblem
from .ridge import ridge_path as ridge_path
from .simulation.argmax import simulate_optimal_alpha as simulate_optimal_alpha
from .simulation.regression import simulate_regression as simulate_regression
from .simulation.simulate import SimulatedMoments as SimulatedMoments
from .simulation.simulate import ZScores as ZScores
from .simulation.simulate import compare as compare
from .simulation.simulate import draw as draw
from .simulation.simulate import simulate as simulate
from .sweeps import sweep as sweep
from .theory.regression import optimal_alpha_regression as optimal_alpha_regression
from .theory.regression import predict_regression as predict_regression
from .theory.transfer import optimal_alpha as optimal_alpha
from .theory.transfer import predict as predict
from .theory.transfer import transfer_form as transfer_form
