"""Real data: found, verified, refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from rmt_alpha.data import DOMAINS, DataUnavailableError, amazon, files, load_amazon


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
