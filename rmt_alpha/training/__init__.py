"""The estimators themselves, on data: what theory predicts and simulation draws."""

from .convex import convex_path as convex_path
from .low_rank import leading as leading
from .low_rank import truncate as truncate
from .ridge import ridge_from_gram as ridge_from_gram
from .ridge import ridge_path as ridge_path
