"""α from data: classifiers around a rescaled source, the curve of accuracy over α, and a decision in words."""

from .classifier import AlphaRidge as AlphaRidge
from .classifier import AlphaRidgeClassifier as AlphaRidgeClassifier
from .strata import norm_strata as norm_strata
from .strata import remove_mean_noise as remove_mean_noise
