"""The real encoder, where it is installed: what its vectors have to be."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)

from rmt_alpha.cli import main  # noqa: E402
from rmt_alpha.data import DataUnavailableError  # noqa: E402
from rmt_alpha.data.embed import embed  # noqa: E402
from rmt_alpha.data.pretrained import BUNDLED, PACKAGES, locate  # noqa: E402
from rmt_alpha.estimate import load_classifier  # noqa: E402

# transformers and its dependencies warn of their own future
pytestmark = pytest.mark.filterwarnings("default")

TEXTS = ["This film was wonderful.", "I loved this movie!", "The blender broke after two days, " * 60, ""]


@pytest.fixture(scope="module", autouse=True)
def bundled():
    if importlib.util.find_spec(PACKAGES[BUNDLED]) is None:
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
    model = library.SentenceTransformer(str(locate("encoder", BUNDLED).path), device="cpu")
    np.testing.assert_allclose(model.encode(TEXTS), vectors, atol=1e-6)


def test_a_saved_model_of_another_kind(tmp_path):
    from transformers import AutoTokenizer, BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(max_position_embeddings=32, **sizes)).save_pretrained(tmp_path / "tiny")
    AutoTokenizer.from_pretrained(locate("encoder", BUNDLED).path).save_pretrained(tmp_path / "tiny")
    vectors = embed(TEXTS, tmp_path / "tiny", tmp_path / "cache")
    assert vectors.shape == (4, 16) and np.isfinite(vectors).all()


def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(locate("encoder", BUNDLED).path)


def test_a_long_text_and_an_encoder_that_does_not_say_how_long(tmp_path):
    """RoBERTa's positions begin after the padding's number, and its tokenizer may know no limit."""
    from transformers import RobertaConfig, RobertaModel

    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    for padding in (0, 1, 7):
        folder = tmp_path / f"padding{padding}"
        config = RobertaConfig(vocab_size=30522, max_position_embeddings=40, pad_token_id=padding, **sizes)
        RobertaModel(config).save_pretrained(folder)
        words = tokenizer()
        words.model_max_length = int(1e30)
        words.save_pretrained(folder)
        long = embed([TEXTS[2], TEXTS[2][:600]], folder, tmp_path / "cache")
        np.testing.assert_allclose(long[0], long[1], atol=1e-6)  # both are cut at the same length


def test_a_decoder_without_a_padding_token(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"?": 0, "a": 1, "good": 2, "film": 3, "<end>": 4}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>").save_pretrained(tmp_path / "gpt")
    GPT2Model(GPT2Config(vocab_size=5, n_embd=16, n_layer=1, n_head=2, n_positions=64)).save_pretrained(
        tmp_path / "gpt"
    )
    texts = ["a good film", "a film"]
    together = embed(texts, tmp_path / "gpt", tmp_path / "cache")
    alone = np.vstack([embed([text], tmp_path / "gpt", tmp_path / "cache") for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    with pytest.raises(ValueError, match=r"texts must hold a token each for this encoder, got '' at index 1"):
        embed(["a film", ""], tmp_path / "gpt", tmp_path / "cache")


def test_an_encoder_with_a_decoder_is_refused(tmp_path):
    from transformers import T5Config, T5Model

    T5Model(T5Config(vocab_size=30522, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)).save_pretrained(
        tmp_path / "t5"
    )
    tokenizer().save_pretrained(tmp_path / "t5")
    with pytest.raises(ValueError, match=r"encoder must be an encoder or a decoder, got .*t5 with both \(T5Model\)"):
        embed(TEXTS, tmp_path / "t5", tmp_path / "cache")


def test_no_such_encoder(tmp_path, monkeypatch):
    import huggingface_hub

    def refuse(*args, **options):
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(DataUnavailableError, match="encoder 'no/such' cannot be had: .*no network.*save_pretrained"):
        embed(TEXTS, "no/such", tmp_path)
    with pytest.raises(DataUnavailableError, match="holds no encoder that transformers can read"):
        embed(TEXTS, tmp_path, tmp_path / "cache")


def reviews(things, seed):
    """Short reviews of some things, good and bad."""
    good, bad = ("wonderful", "superb", "a joy", "excellent"), ("awful", "a waste of money", "boring", "broken")
    rows = [
        (f"{start} {thing} was {word}{end}", label)
        for thing in things
        for words, label in ((good, "good"), (bad, "bad"))
        for word in words
        for start, end in (("The", "."), ("I must say the", "!"))
    ]
    order = np.random.default_rng(seed).permutation(len(rows))
    return pd.DataFrame([rows[i] for i in order], columns=["review", "label"])


def test_choose_from_files_of_texts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reviews(("film", "novel", "play", "song"), 0).to_csv("s.csv", index=False)
    reviews(("blender", "cable", "phone", "lamp"), 1)[:40].to_csv("t.csv", index=False)
    assert main(["choose", "s.csv", "t.csv", "--text", "review"]) == 0
    said = capsys.readouterr()
    assert "For new texts" in said.out and "Loading weights" not in said.err and "embedding" in said.err
    model = load_classifier("alpha.json")
    assert np.linalg.norm(model.coef) < 1e3  # a dead dimension of the encoder, scaled to 1, would have 1e5
    new = ["The toaster was superb.", "I love this chair!", "The kettle was awful.", "Useless, it broke at once."]
    assert list(model.predict(embed(new, cache=tmp_path))) == ["good", "good", "bad", "bad"]
    assert (
        main(["choose", "alpha.json", "t.csv", "--text", "review", "--out", "again", "--json"]) == 0
    )  # as a source, on the same scale
    assert json.loads(capsys.readouterr().out)["accuracy"]["chosen"]["value"] > 0.8
    (tmp_path / "hole.csv").write_text("review,label\nfine,good\n,bad\nbad,bad\n", encoding="utf-8")
    assert main(["choose", "s.csv", "hole.csv", "--text", "review"]) == 2
    assert "hole.csv has no text in row 2 of column 'review'" in capsys.readouterr().err
