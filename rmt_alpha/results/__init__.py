"""What is answered: one type for the law of the score, one for every α at once, one for the best α, one comparison."""

from .compare import ZScores as ZScores
from .compare import compare as compare
from .form import LARGEST_ALPHA as LARGEST_ALPHA
from .form import ScoreForm as ScoreForm
from .form import checked_alpha as checked_alpha
from .moments import QUANTITIES as QUANTITIES
from .moments import Moments as Moments
from .moments import describe as describe
from .moments import moments as moments
from .optimum import Optimum as Optimum
from .optimum import PenaltyOptimum as PenaltyOptimum
from .storage import load as load
from .storage import save as save
