"""What else one could do with a source classifier and a few rows: the methods that α chosen from data is measured against."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold

from rmt_alpha.estimate import AlphaRidgeClassifier
from rmt_alpha.estimate.ridge import RidgePath

GRID = np.array([-1, 0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5])  # of α, for cross-validation


def penalties(X: np.ndarray) -> np.ndarray:
    """The values of γ that `AlphaRidgeClassifier` looks at."""
    n, p = X.shape
    return np.mean((X - X.mean(axis=0)) ** 2) * np.geomspace(1e-3, 30 * max(1, p / n), 25)


def alpha_ridge(alpha, X, y, w, test):
    return AlphaRidgeClassifier(w, alpha=alpha).fit(X, y).predict(test)


def cross_validated(X, y, w, test):
    """α and γ together by five folds, as angleTL does (arXiv 2210.12759); ties go to the α closest to 1."""
    gammas = penalties(X)[::2]
    folds = min(5, int(min(np.sum(y > 0), np.sum(y < 0))))
    hits = np.zeros((len(gammas), len(GRID)))
    for train, held in StratifiedKFold(max(folds, 2), shuffle=True, random_state=0).split(X, y):
        path = RidgePath(X[train], y[train, None], w[None, None], least_gamma=gammas[0])
        for i, gamma in enumerate(gammas):
            zero, one = _scores(path, gamma, 0.0, X[held]), _scores(path, gamma, 1.0, X[held])
            hits[i] += ((zero + GRID[:, None] * (one - zero)) * y[held] > 0).sum(axis=1)
    best = np.argwhere(hits == hits.max())
    i, j = best[np.abs(GRID[best[:, 1]] - 1).argmin()]
    path = RidgePath(X, y[:, None], w[None, None], least_gamma=gammas[0])
    return np.where(_scores(path, gammas[i], GRID[j], test) > 0, 1.0, -1.0)


def stacked(X, y, w, test):
    """The source's score as one more feature, scaled so that the penalty weighs it lightly, in scikit-learn's RidgeClassifierCV."""
    score = X @ w
    size = 0.3 * np.sqrt(X.shape[1]) / score.std()

    def wider(rows):
        return np.column_stack([rows, (rows @ w - score.mean()) * size])

    return RidgeClassifierCV(alphas=penalties(X) * len(y)).fit(wider(X), y).predict(wider(test))


def target_alone(X, y, w, test):
    """scikit-learn's RidgeClassifierCV, no source."""
    return RidgeClassifierCV(alphas=penalties(X) * len(y)).fit(X, y).predict(test)


def _scores(path, gamma, alpha, rows):
    coef, intercept = path.fit(gamma, np.array([[alpha]]))
    return rows @ coef[0] + intercept[0]


METHODS = {
    "auto": lambda *task: alpha_ridge("auto", *task),
    "leave-one-out": lambda *task: alpha_ridge("loo", *task),
    "α = 1": lambda *task: alpha_ridge(1.0, *task),
    "α = 0": lambda *task: alpha_ridge(0.0, *task),
    "cross-validation": cross_validated,
    "stacking": stacked,
    "RidgeClassifierCV": target_alone,
}
