"""The real encoder, where it is installed: what its vectors have to be."""

import importlib.util

import numpy as np
import pytest

REASON = "needs the extra: pip install 'rmt_alpha[lm]'"
pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)

from rmt_alpha.data import DataUnavailableError  # noqa: E402
from rmt_alpha.data.embed import BUNDLED, embed  # noqa: E402

# transformers and its dependencies warn of their own future
pytestmark = pytest.mark.filterwarnings("default")

TEXTS = ["This film was wonderful.", "I loved this movie!", "The blender broke after two days, " * 60, ""]


@pytest.fixture(scope="module", autouse=True)
def bundled():
    if importlib.util.find_spec(BUNDLED) is None:
        pytest.skip(REASON)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    return embed(TEXTS, cache=tmp_path_factory.mktemp("cache"))


def test_unit_vectors_that_know_what_is_meant(vectors):
    assert vectors.shape == (4, 384) and vectors.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > 2 * abs(cosine[0, 2])  # two praises of films, against a broken blender


def test_neighbours_in_a_batch_do_not_matter(vectors, tmp_path):
    alone = np.vstack([embed([text], cache=tmp_path) for text in TEXTS])
    np.testing.assert_allclose(alone, vectors, atol=1e-6)


def test_long_texts_are_cut_where_the_authors_cut_them(vectors, tmp_path):
    longer = embed([TEXTS[2] * 2], cache=tmp_path)
    np.testing.assert_allclose(longer[0], vectors[2], atol=1e-6)


def test_agrees_with_the_authors_library(vectors):
    library = pytest.importorskip("sentence_transformers", reason="the second opinion is not installed")
    from rmt_alpha.data.embed import _folder

    model = library.SentenceTransformer(str(_folder(None)), device="cpu")
    np.testing.assert_allclose(model.encode(TEXTS), vectors, atol=1e-6)


def test_a_saved_model_of_another_kind(tmp_path):
    from transformers import AutoTokenizer, BertConfig, BertModel

    from rmt_alpha.data.embed import _folder

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(max_position_embeddings=32, **sizes)).save_pretrained(tmp_path / "tiny")
    AutoTokenizer.from_pretrained(_folder(None)).save_pretrained(tmp_path / "tiny")
    vectors = embed(TEXTS, tmp_path / "tiny", tmp_path / "cache")
    assert vectors.shape == (4, 16) and np.isfinite(vectors).all()


def test_no_such_encoder(tmp_path, monkeypatch):
    import huggingface_hub

    def refuse(*args, **options):
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(DataUnavailableError, match="encoder 'no/such' cannot be had: .*no network.*save_pretrained"):
        embed(TEXTS, "no/such", tmp_path)
    with pytest.raises(DataUnavailableError, match="holds no encoder that transformers can read"):
        embed(TEXTS, tmp_path, tmp_path / "cache")
