"""α from data: classifiers around a rescaled source, the curve of accuracy over α, and a decision in words."""

from .choose import Decision as Decision
from .choose import choose_alpha as choose_alpha
from .classifier import AlphaRidgeClassifier as AlphaRidgeClassifier
from .curve import AccuracyCurve as AccuracyCurve
from .curve import accuracy_curve as accuracy_curve
from .more_rows import learning_curve as learning_curve
from .regressor import AlphaRidge as AlphaRidge
from .saved import SavedClassifier as SavedClassifier
from .saved import load_classifier as load_classifier
from .scaling import scaling_rows as scaling_rows
from .strata import norm_strata as norm_strata
from .strata import remove_mean_noise as remove_mean_noise
