"""Real data: found, verified, refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from rmt_alpha.data import DOMAINS, DataUnavailableError, amazon, files, load_amazon, load_mnist, load_snli


@pytest.fixture
def offline(monkeypatch):
    """No network: every fetch fails as it would without one."""
    import pooch

    def refuse(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", refuse)


def test_unavailable_data_says_what_to_do(offline, monkeypatch):
    monkeypatch.delenv(files.VARIABLE, raising=False)
    with pytest.raises(
        DataUnavailableError,
        match=r"amazon_review/dvd.mat cannot be had: \$RMT_ALPHA_DATA is not set.*set RMT_ALPHA_DATA",
    ):
        load_amazon("dvd")


def test_a_file_elsewhere_is_not_found(offline, monkeypatch, tmp_path):
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(DataUnavailableError, match="not in"):
        load_amazon("dvd")


def test_an_altered_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / "amazon_review").mkdir()
    (tmp_path / "amazon_review" / "dvd.mat").write_bytes(b"not what it was")
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match="has SHA-256 .* expected 13a71d.*truncated or altered"):
        load_amazon("dvd")


def test_unknown_domain():
    with pytest.raises(ValueError, match="domain must be one of 'books', 'dvd', 'elec', 'kitchen', got 'toys'"):
        load_amazon("toys")


@pytest.fixture
def local_copy():
    root = Path(__import__("os").environ.get(files.VARIABLE, ""))
    if not (root / "amazon_review").is_dir():
        pytest.skip(f"the Amazon Review files are not in ${files.VARIABLE}")
    return root


def test_the_real_files(local_copy):
    for domain in DOMAINS:
        X, y = load_amazon(domain)
        assert X.shape == (len(y), 400) and 1990 < len(y) <= 2000
        assert set(np.unique(y)) == {-1.0, 1.0} and abs(y.mean()) < 0.01
        np.testing.assert_allclose(X.sum(axis=1), 1)


def test_a_truncated_copy_is_refused(local_copy, monkeypatch, tmp_path):
    (tmp_path / "amazon_review").mkdir()
    copy = shutil.copy(local_copy / "amazon_review" / "books.mat", tmp_path / "amazon_review")
    content = Path(copy).read_bytes()
    Path(copy).write_bytes(content[:-1])
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match="truncated or altered"):
        load_amazon("books")
    assert set(amazon.SHA256) == set(DOMAINS)


def test_digits():
    if not (Path(__import__("os").environ.get(files.VARIABLE, "")) / "mnist").is_dir():
        pytest.skip(f"MNIST is not in ${files.VARIABLE}")
    for split, count in (("train", 60000), ("test", 10000)):
        images, digits = load_mnist(split)
        assert images.shape == (count, 28, 28) and (images.min(), images.max()) == (0.0, 1.0)
        assert digits.shape == (count,) and set(digits) == set(range(10))
        empty, stroke = (images[digits == k][:, 12:16, 12:16].mean() for k in (0, 1))
        assert empty < 0.2 < stroke  # a nought is hollow


def test_inference():
    if not (Path(__import__("os").environ.get(files.VARIABLE, "")) / "glue").is_dir():
        pytest.skip(f"SNLI is not in ${files.VARIABLE}")
    for split, count in (("train", 9999), ("dev", 9842)):
        pairs, labels = load_snli(split)
        assert len(pairs) == len(labels) == count and {len(pair) for pair in pairs} == {2}
        assert np.all(np.abs(np.bincount(labels) / count - 1 / 3) < 0.02)
    assert pairs[1] == ("Two women are embracing while holding to go packages.", "Two woman are holding packages.")
    assert labels[:2].tolist() == [1, 0]  # neutral, entailment


@pytest.mark.parametrize(
    ("load", "file"), [(load_mnist, "mnist/mnist.npz"), (load_snli, "glue/snli/train_part.tsv.gz")]
)
def test_what_has_no_public_home(load, file, offline, monkeypatch, tmp_path):
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(
        DataUnavailableError, match=f"{file} cannot be had: not in .*this project's own packing of .*set RMT_ALPHA_DATA"
    ):
        load("train")
    with pytest.raises(ValueError, match="split must be one of 'train', '(test|dev)', got 'all'"):
        load("all")
