"""What is asked: populations, fits, losses, and the paper's eight numbers as a front to them."""

from .covariance import Covariance as Covariance
from .fit import Fit as Fit
from .fit import Group as Group
from .losses import Loss as Loss
from .losses import as_loss as as_loss
from .losses import is_squared as is_squared
from .losses import slopes_at_kinks as slopes_at_kinks
from .population import Population as Population
from .transfer import NUMBERS as NUMBERS
from .transfer import TransferProblem as TransferProblem
from .transfer import as_fit as as_fit
from .transfer import checked_problem as checked_problem
