"""Pretrainers as files, and back."""

import numpy as np
import pytest
import torch

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk._tensor_files import read_tensors, write_tensors
from ecgdan_sk.architectures import Architecture, Compact
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.reports import SentenceEncoder, TfidfEncoder

KIND = "ECGReportPretrainer"
QUICK = {"max_epochs": 2, "random_state": 0}
TEXTS = ("sinus rhythm, normal ECG", "atrial fibrillation", "left bundle branch block")


@pytest.fixture(scope="module")
def cohort():
    cohort = make_ecg_cohort(60, sampling_rate=100, duration=2.5, random_state=0)
    cohort.X = ECGRecords(cohort.X, 100, covariates=cohort.covariates)
    return cohort


def _reports(cohort, kind):
    if kind == "codes":
        return cohort.scp_codes
    if kind == "matrix":
        return np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    return [TEXTS[i % 3] + f", {i} bpm" for i in range(60)]


@pytest.fixture(scope="module")
def saved(cohort, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "pretrainer.safetensors"
    ECGReportPretrainer(**QUICK).fit(cohort.X, _reports(cohort, "text")).save(path)
    return path


MODELS = {
    "text": ("text", {"reports_as": "text"}),
    "statements": ("text", {"reports_as": "statements"}),
    "both": ("text", {"reports_as": "both", "text_encoder": TfidfEncoder(5)}),
    "codes": ("codes", {"classification_weight": 1.0, "measurement_weight": 1.0}),
    "matrix": ("matrix", {"alignment": "cosine", "reconstruction_weight": 1.0}),
    "published": ("codes", {"architecture": "paper", "batch_size": 20}),
    "smaller": ("codes", {"architecture": Compact(n_channels=8, latent_dim=5)}),
}


@pytest.mark.parametrize(("kind", "params"), MODELS.values(), ids=MODELS)
def test_a_pretrainer_predicts_the_same_from_its_file(cohort, tmp_path, kind, params):
    X, reports = cohort.X, _reports(cohort, kind)
    model = ECGReportPretrainer(**QUICK, **params).fit(X, reports)
    prompts = reports[:3] if kind == "matrix" else ["NORM", "atrial fibrillation"]
    assert model.save(tmp_path / "file") is model
    loaded = ECGReportPretrainer.load(tmp_path / "file")
    for ask in (
        lambda m: m.predict(X),
        lambda m: m.transform(X),
        lambda m: m.zero_shot(X, prompts),
        lambda m: m.score(X, reports),
        lambda m: m.history_[:, "valid_loss"],
    ):
        np.testing.assert_array_equal(ask(loaded), ask(model))
    assert repr(loaded) == repr(model)
    ours, theirs = loaded.encoder_weights_, model.encoder_weights_
    for name, value in theirs.pop("weights").items():
        np.testing.assert_array_equal(ours["weights"][name], value)
    del ours["weights"]
    assert repr(ours) == repr(theirs)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "file").read_bytes()


def test_a_pretrainer_without_reports_has_a_file_too(cohort, tmp_path):
    model = ECGReportPretrainer(reconstruction_weight=1.0, **QUICK).fit(cohort.X)
    model.save(tmp_path / "file")
    loaded = ECGReportPretrainer.load(tmp_path / "file")
    np.testing.assert_array_equal(loaded.transform(cohort.X), model.transform(cohort.X))


def test_a_language_model_is_written_by_its_name(cohort, tmp_path, monkeypatch):
    def encode(self, texts):
        return np.array([[len(t), t.count("a"), t.count("s")] for t in texts])

    monkeypatch.setattr(SentenceEncoder, "encode", encode)
    encoder = SentenceEncoder("some/model", cache=tmp_path / "cache", batch_size=7)
    model = ECGReportPretrainer(text_encoder=encoder, reports_as="text", **QUICK)
    model.fit(cohort.X, _reports(cohort, "text")).save(tmp_path / "file")
    assert str(tmp_path).encode() not in (tmp_path / "file").read_bytes()
    loaded = ECGReportPretrainer.load(tmp_path / "file")
    for found in (loaded.text_encoder, loaded.embedder_.encoder_):
        assert found.get_params() == {**encoder.get_params(), "cache": None}
    prompts = [*TEXTS]
    ours, theirs = (m.zero_shot(cohort.X, prompts) for m in (loaded, model))
    np.testing.assert_array_equal(ours, theirs)


def _lengths(texts):
    return np.array([[len(text), text.count("a"), 1.0] for text in texts])


class Renamed(TfidfEncoder):
    """A subclass may do anything."""


@pytest.mark.parametrize("encoder", [_lengths, Renamed(4)])
def test_a_text_encoder_of_ones_own_is_refused(cohort, tmp_path, encoder):
    model = ECGReportPretrainer(text_encoder=encoder, reports_as="text", **QUICK)
    model.fit(cohort.X, _reports(cohort, "text"))
    with pytest.raises(TypeError, match="holds no code.*save_encoder"):
        model.save(tmp_path / "file")
    assert not [*tmp_path.iterdir()]


def test_an_architecture_of_ones_own_is_refused(cohort, tmp_path):
    class Own(Architecture):
        latent_dim = 64

        def encoder(self, n_leads, n_times, **options):
            return Compact().encoder(n_leads, n_times, scale=options["scale"])

    model = ECGReportPretrainer(architecture=Own(), **QUICK)
    model.fit(cohort.X, cohort.scp_codes)
    with pytest.raises(TypeError, match="holds no code"):
        model.save(tmp_path / "file")


def test_a_file_of_another_estimator_is_named(saved):
    with pytest.raises(ValueError, match="'DualAttentionSurvival' is expected"):
        DualAttentionSurvival.load(saved)


def test_an_unfitted_pretrainer_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="not fitted"):
        ECGReportPretrainer().save(tmp_path / "file")


def test_loading_leaves_the_callers_generator_alone(saved):
    before = torch.random.get_rng_state()
    ECGReportPretrainer.load(saved)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_damaged_and_missing_files_are_refused(saved, tmp_path):
    path = tmp_path / "file"
    for spoil in (lambda d: d[:-50], lambda d: d[:-1] + bytes([d[-1] ^ 1])):
        path.write_bytes(spoil(saved.read_bytes()))
        with pytest.raises(ValueError, match="truncated|altered"):
            ECGReportPretrainer.load(path)
    with pytest.raises(FileNotFoundError):
        ECGReportPretrainer.load(tmp_path / "none")


def _pairs(content, part):
    return dict(content[part]["dict"])


def _replace(part, name, value):
    def change(tensors, content):
        pairs = content[part]["dict"]
        content[part]["dict"] = [[k, value if k == name else v] for k, v in pairs]

    return change


def _drop(part, name):
    def change(tensors, content):
        pairs = content[part]["dict"]
        content[part]["dict"] = [pair for pair in pairs if pair[0] != name]

    return change


def _spoil(part, name, value):
    def change(tensors, content):
        number = f"array/{_pairs(content, part)[name]['array']}"
        tensors[number] = np.full_like(tensors[number], value)

    return change


UNSOUND = {
    "loss without a weight": (
        lambda t, c: t.pop("loss/0/from_text.weight"),
        "got None",
    ),
    "network of NaN": (
        lambda t, c: t["network/0/head.to_shared.bias"].fill(np.nan),
        "head.to_shared.bias holds values",
    ),
    "loss of NaN": (
        lambda t, c: t["loss/0/from_text.weight"].fill(np.nan),
        "from_text.weight holds values",
    ),
    "embeddings of NaN": (
        _spoil("fitted", "report_embeddings_", np.nan),
        "report_embeddings_ holds values",
    ),
    "reports that are no text": (_spoil("fitted", "reports_", 7), "JSONDecodeError"),
    "no reports": (_drop("fitted", "reports_"), "no reports_ in it"),
    "no embedder": (_drop("fitted", "embedder"), "embedder"),
    "no size of batches": (_drop("fitted", "batch_size"), "batch_size"),
    "a strange text encoder": (
        _replace(
            "params",
            "text_encoder",
            {"dict": [["kind", "Popen"], ["params", {"dict": []}]]},
        ),
        "'Popen' is no text encoder",
    ),
    "no such alignment": (_replace("params", "alignment", "magic"), "alignment"),
    "two networks": (lambda t, c: c["histories"].append([]), "too many values"),
}


@pytest.mark.parametrize(("change", "message"), UNSOUND.values(), ids=UNSOUND)
def test_a_pretrainer_that_is_not_sound_is_refused(saved, tmp_path, change, message):
    tensors, content = read_tensors(saved, KIND)
    tensors = {name: value.copy() for name, value in tensors.items()}
    change(tensors, content)
    write_tensors(tmp_path / "file", KIND, tensors, content)
    with pytest.raises(ValueError, match=f"not hold a whole model.*{message}"):
        ECGReportPretrainer.load(tmp_path / "file")
