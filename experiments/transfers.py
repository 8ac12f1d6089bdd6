"""Transfers between real data sets, split once into those on which constants were chosen and those that judge.

A transfer is (source rows, labels ±1, target rows, labels ±1). The two lists were written down before the rule was measured on the second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmt_alpha.data import load_amazon, load_mnist, load_texts

Transfer = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
ROWS = 1500  # per pair of digits
TEXTS = 2000  # per domain; embedded: 800
WORDS = 600


def amazon(source: str, target: str) -> Transfer:
    return (*load_amazon(source), *load_amazon(target))


def digits(a: int, b: int, c: int, d: int) -> Transfer:
    """scikit-learn's 8 × 8 digits: a against b, then c against d."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (*pair(data.data, data.target, a, b), *pair(data.data, data.target, c, d))


def mnist(a: int, b: int, c: int, d: int) -> Transfer:
    images, y = load_mnist("train")
    X = images.reshape(len(y), -1)
    return (*pair(X, y, a, b), *pair(X, y, c, d))


def pair(X: np.ndarray, labels: np.ndarray, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a (−1) and b (+1)."""
    rows = np.random.default_rng([0, a, b]).permutation(np.flatnonzero((labels == a) | (labels == b)))[:ROWS]
    return X[rows], np.where(labels[rows] == b, 1.0, -1.0)


def some_texts(collection: str, domain: str, count: int = TEXTS) -> tuple[list[str], np.ndarray]:
    texts, y = load_texts(collection, domain)
    rows = np.random.default_rng(1).permutation(len(texts))[:count]
    return [texts[i] for i in rows], np.asarray(y, dtype=float)[rows]


def words(collection: str, source: str, target: str) -> Transfer:
    """TF-IDF of the 600 most frequent words of both domains; no label is looked at."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    (a, y_a), (b, y_b) = some_texts(collection, source), some_texts(collection, target)
    counts = TfidfVectorizer(max_features=WORDS, sublinear_tf=True).fit(a + b)
    return counts.transform(a).toarray(), y_a, counts.transform(b).toarray(), y_b


def sentences(source: str, target: str) -> Transfer:
    """Reviews embedded by a small language model."""
    from rmt_alpha.data.embed import embed

    (a, y_a), (b, y_b) = some_texts("blitzer_text", source, 800), some_texts("blitzer_text", target, 800)
    return embed(a), y_a, embed(b), y_b


def breast_cancer() -> Transfer:
    """Source: tumours of little texture; target: of much. Unequal classes, in both in other shares."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    X, y = np.log1p(data.data), 2.0 * data.target - 1
    smooth = X[:, 1] < np.median(X[:, 1])
    return X[smooth], y[smooth], X[~smooth], y[~smooth]


def wine() -> Transfer:
    from sklearn.datasets import load_wine

    data = load_wine()
    return (*pair(data.data, data.target, 0, 1), *pair(data.data, data.target, 0, 2))


def gaussian(k: int) -> Transfer:
    """A random Gaussian problem: dimension, eigenvalues, alignment, source size."""
    rng = np.random.default_rng([77, k])
    p = int(rng.integers(50, 400))
    n = int(p * np.exp(rng.uniform(0, 2)))
    eigenvalues = np.exp(rng.normal(0, rng.uniform(0, 1.2), p))
    eigenvalues /= eigenvalues.mean()
    mu = rng.standard_normal(p) / np.sqrt(p) * rng.uniform(0.8, 2)
    beta = rng.uniform(-0.5, 1)
    nu = beta * mu + np.sqrt(1 - min(beta**2, 1)) * rng.standard_normal(p) / np.sqrt(p) * rng.uniform(0.8, 2)

    def rows(count: int, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = rng.permutation(np.where(np.arange(count) % 2, 1.0, -1.0))
        return y[:, None] * mean + rng.standard_normal((count, p)) * np.sqrt(eigenvalues), y

    return (*rows(n, mu), *rows(3000, nu))


TUNING: dict[str, Callable[[], Transfer]] = {
    "Amazon books → dvd": lambda: amazon("books", "dvd"),
    "Amazon elec → books": lambda: amazon("elec", "books"),
    "Amazon kitchen → dvd": lambda: amazon("kitchen", "dvd"),
    "MNIST 3v8 → 5v8": lambda: mnist(3, 8, 5, 8),
    "MNIST 1v7 → 4v9": lambda: mnist(1, 7, 4, 9),
    "MNIST 2v6 → 2v8": lambda: mnist(2, 6, 2, 8),
    "digits 1v7 → 4v9": lambda: digits(1, 7, 4, 9),
    "UCI amazon → yelp": lambda: words("uci_sentences", "amazon", "yelp"),
    "VADER tweets → movies": lambda: words("vader_domains", "tweets", "movieReviewSnippets"),
    "MiniLM books → kitchen": lambda: sentences("books", "kitchen"),
}
JUDGING: dict[str, Callable[[], Transfer]] = {
    "Amazon dvd → elec": lambda: amazon("dvd", "elec"),
    "Amazon elec → kitchen": lambda: amazon("elec", "kitchen"),
    "Amazon kitchen → books": lambda: amazon("kitchen", "books"),
    "Amazon books → elec": lambda: amazon("books", "elec"),
    "MNIST 4v9 → 7v9": lambda: mnist(4, 9, 7, 9),
    "MNIST 3v5 → 8v5": lambda: mnist(3, 5, 8, 5),
    "MNIST 0v6 → 1v2": lambda: mnist(0, 6, 1, 2),
    "digits 3v8 → 3v9": lambda: digits(3, 8, 3, 9),
    "digits 1v8 → 2v8": lambda: digits(1, 8, 2, 8),
    "UCI imdb → amazon": lambda: words("uci_sentences", "imdb", "amazon"),
    "UCI yelp → imdb": lambda: words("uci_sentences", "yelp", "imdb"),
    "VADER amazon → NYT": lambda: words("vader_domains", "amazonReviewSnippets", "nytEditorialSnippets"),
    "VADER movies → amazon": lambda: words("vader_domains", "movieReviewSnippets", "amazonReviewSnippets"),
    "MiniLM dvd → electronics": lambda: sentences("dvd", "electronics"),
    "breast cancer": breast_cancer,
    "wine 0v1 → 0v2": wine,
}
TUNING_GAUSSIAN, JUDGING_GAUSSIAN = range(8), range(100, 120)
