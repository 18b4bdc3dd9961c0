"""Ready encoders: files, cards, features, and what they say to bad input."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer, encoders
from ecgdan_sk._hazards._ridge import _folds, ridge_weights
from ecgdan_sk._outcomes import check_outcome
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.encoders import _folders
from ecgdan_sk.preprocessing import Resample
from ecgdan_sk.records import LEADS, ECGRecords

SHIPPED = ("ptbxl-100hz", "simulated-100hz")
CARD = {
    "summary": "For a test.",
    "data": [],
    "licence": "CC0",
    "attribution": "nobody",
    "limits": [],
    "band": [0.5, 40.0],
}


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(300, sampling_rate=100, event_rate=0.3, random_state=7)


@pytest.fixture(scope="module")
def records(cohort):
    return ECGRecords(cohort.X, sampling_rate=100)


@pytest.fixture
def folder(tmp_path):
    """A copy of a shipped encoder."""
    return shutil.copytree(_folders._SHIPPED / "simulated-100hz", tmp_path / "own")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_encoder_is_small_and_tells_what_it_is(name):
    assert name in encoders.names()
    size = sum(path.stat().st_size for path in (_folders._SHIPPED / name).iterdir())
    assert size < 1_000_000
    card = encoders.card(name)
    assert card["sampling_rate"] == 100
    assert tuple(card["leads"]) == LEADS
    assert card["results"]["test fold, all labels"] > 0.8
    assert {"licence", "n_ecgs", "url"} <= card["data"][0].keys()
    assert all(part["n_ecgs"] > 0 for part in card["data"])


def test_only_the_encoder_of_real_ecgs_asks_for_attribution():
    assert "Wagner" in encoders.card("ptbxl-100hz")["attribution"]
    names = [part["name"] for part in encoders.card("simulated-100hz")["data"]]
    assert names == ["ecgdan_sk.datasets.make_ecg_cohort"]


@pytest.mark.parametrize("name", SHIPPED)
def test_features_tell_conditions_that_they_were_trained_to_tell(name, cohort, records):
    features = encoders.Encoder(name).fit_transform(records)
    half = np.arange(len(features)) % 2 == 0
    for condition in ("lbbb", "atrial_fibrillation", "lvh"):
        y = cohort.conditions[condition].to_numpy()
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.03))
        told = model.fit(features[half], y[half]).decision_function(features[~half])
        assert roc_auc_score(y[~half], told) > 0.85, condition


def test_features_do_not_depend_on_company_or_container(cohort, records):
    encoder = encoders.Encoder("simulated-100hz", sampling_rate=100).fit(records)
    whole = encoder.transform(records)
    np.testing.assert_allclose(encoder.transform(cohort.X[:3]), whole[:3], atol=1e-4)
    assert encoder.get_feature_names_out().shape == (whole.shape[1],)
    assert clone(encoder).fit_transform(records[:2]).shape == (2, whole.shape[1])


def test_another_rate_gives_nearly_the_same_features(records):
    fast = Resample(250).fit_transform(records[:40])
    encoder = encoders.Encoder("simulated-100hz")
    ours, theirs = encoder.fit_transform(records[:40]), encoder.fit_transform(fast)
    scale = ours.std(axis=0)
    assert np.abs((ours - theirs) / scale).mean() < 0.1


def test_missing_leads_count_as_absent(records):
    eight = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    few = records[:20].select_leads(eight)
    encoder = encoders.Encoder("simulated-100hz")
    features = encoder.fit_transform(few)
    np.testing.assert_allclose(
        features, encoder.fit_transform(few.select_leads(LEADS)), atol=1e-5
    )
    assert np.isfinite(features).all()
    whole = encoder.fit_transform(records[:20])
    assert np.corrcoef(features.ravel(), whole.ravel())[0, 1] > 0.8


def test_normalised_ecgs_are_taken_for_ecgs_of_unknown_voltage(records):
    X = np.asarray(encoders.Prepare("simulated-100hz").fit_transform(records[:50]))
    z = (X - X.mean(2, keepdims=True)) / X.std(2, keepdims=True)
    encoder = encoders.Encoder("simulated-100hz", sampling_rate=100)
    known, unknown = encoder.fit_transform(X), encoder.fit_transform(z)
    # Twice the voltage changes what is seen of ECGs in mV, and nothing of others.
    assert np.abs(encoder.fit_transform(2 * X) - known).max() > 0.05
    np.testing.assert_allclose(encoder.fit_transform(2 * z), unknown, atol=1e-3)


@pytest.mark.parametrize("call", [encoders.card, encoders.load])
def test_an_unknown_name_lists_the_known(call):
    with pytest.raises(ValueError, match="'ptbxl-100hz', 'simulated-100hz'"):
        call("ptb-xl")
    with pytest.raises(ValueError, match="no encoder 'ptb-xl'"):
        DualAttentionSurvival(pretrained="ptb-xl").fit(*_few())


def test_altered_weights_are_refused(folder):
    path = folder / _folders.WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256"):
        encoders.load(folder)


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"summary": "alone"}'])
def test_a_card_that_says_too_little_is_refused(folder, text):
    (folder / _folders.CARD).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"card|does not tell"):
        encoders.load(folder)


def test_an_unknown_rate_is_refused(cohort):
    with pytest.raises(ValueError, match="sampling rate is unknown"):
        encoders.Encoder("simulated-100hz").fit(cohort.X)


def test_none_of_the_leads_is_refused(records):
    others = ECGRecords(np.asarray(records.signals[:2, :3]), 100, leads=["X", "Y", "Z"])
    with pytest.raises(ValueError, match="None of the leads"):
        encoders.Encoder("simulated-100hz").fit_transform(others)
    y = _few()[1][:40]
    frank = ECGRecords(np.asarray(records.signals[:40, :3]), 100, leads=["X", "Y", "Z"])
    with pytest.raises(ValueError, match="pretrained on the leads .* but X has"):
        DualAttentionSurvival(pretrained="simulated-100hz").fit(frank, y)


def _few(sampling_rate=100):
    """A cohort of a few short ECGs."""
    few = make_ecg_cohort(
        60, sampling_rate=sampling_rate, duration=5, event_rate=0.4, random_state=0
    )
    return ECGRecords(few.X, sampling_rate), few.y


def test_a_name_is_all_that_the_estimators_need(tmp_path):
    X, y = _few()
    name = "simulated-100hz"
    model = DualAttentionSurvival(
        pretrained=name, n_members=1, max_epochs=1, random_state=0
    ).fit(X, y)
    assert model.architecture_.get_params() == encoders.load(name)["settings"]
    model.save(tmp_path / "model")
    back = DualAttentionSurvival.load(tmp_path / "model")
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    pretrainer = ECGReportPretrainer(
        pretrained=name, measurement_weight=1.0, max_epochs=1, random_state=0
    ).fit(X)
    assert pretrainer.encoder_weights_["settings"] == encoders.load(name)["settings"]


def test_another_rate_is_refused_with_the_line_that_mends_it():
    X, y = _few(250)
    line = "make_pipeline(encoders.Prepare('simulated-100hz'), DualAttentionSurvival("
    model = DualAttentionSurvival(
        pretrained="simulated-100hz", n_members=1, max_epochs=1, random_state=0
    )
    with pytest.raises(ValueError, match="250 Hz") as error:
        model.fit(X, y)
    assert line in str(error.value)
    mended = make_pipeline(encoders.Prepare("simulated-100hz"), model)
    assert mended.fit(X, y).predict(X).shape == (60,)


def test_the_head_starts_at_the_ridge_cox_model_of_the_features():
    """So that without a step of training the risks are those of the ridge model."""
    X, y = _few()
    X = encoders.Prepare("simulated-100hz").fit_transform(X)
    model = DualAttentionSurvival(
        pretrained="simulated-100hz",
        n_members=1,
        max_epochs=1,
        lr=1e-12,
        random_state=0,
    ).fit(X, y)
    features = StandardScaler().fit_transform(model.transform(X))
    ridge = PenalisedCox().fit(features, y).predict(features)
    assert np.corrcoef(model.predict(X), ridge)[0, 1] > 0.95


def test_a_start_that_stays_the_best_learns_from_the_validation_part_too(cohort):
    """So that a ready encoder does what it would do frozen under a ridge Cox model."""
    X, y = cohort.X[:150, :, :500], cohort.y[:150]
    X = encoders.Prepare("simulated-100hz", sampling_rate=100).fit_transform(X)
    model = DualAttentionSurvival(
        pretrained="simulated-100hz", n_members=2, max_epochs=1, lr=1e-12
    ).fit(X, y)
    features = model.transform(X)[:, :64]
    scaled = StandardScaler().fit_transform(features)
    target = model.likelihood_.target(check_outcome(y))
    told_by_all = scaled @ ridge_weights(scaled, target, model.likelihood_.loss)
    np.testing.assert_allclose(
        np.corrcoef(model.predict(X), told_by_all.ravel())[0, 1], 1.0, atol=1e-5
    )
    # Whichever part a network was validated on.
    first, second = (net.module_.head.weight.detach() for net in model.nets_)
    np.testing.assert_array_equal(first, second)


def test_covariates_are_in_the_model_that_the_head_starts_at(cohort):
    """Unshrunk but for a trace, beside features that are as without them."""
    X = ECGRecords(cohort.X[:150, :, :500], 100, covariates=cohort.covariates[:150])
    X, y = encoders.Prepare("simulated-100hz").fit_transform(X), cohort.y[:150]
    settings = {"pretrained": "simulated-100hz", "freeze_encoder": True}
    settings |= {"n_members": 1, "max_epochs": 1, "lr": 1e-12}
    alone = DualAttentionSurvival(**settings).fit(X, y)
    model = DualAttentionSurvival(**settings, covariates=["age", "sex"]).fit(X, y)
    features = alone.transform(X)
    scaled = StandardScaler().fit_transform(features)
    design = StandardScaler().fit_transform(X.covariates[["age", "sex"]])
    target = alone.likelihood_.target(check_outcome(y))
    both = np.hstack([scaled, design])
    weights = ridge_weights(both, target, alone.likelihood_.loss, n_free=2)
    told = (both @ weights).ravel()
    assert np.corrcoef(model.predict(X), told)[0, 1] > 0.99
    assert np.corrcoef(model.predict(X), alone.predict(X))[0, 1] < 0.99


def test_few_events_leave_a_ready_encoder_as_it_is():
    X, y = _few()
    name = "simulated-100hz"
    model = DualAttentionSurvival(pretrained=name, n_members=1, random_state=0)
    state = model.fit(X, y).network_.encoder.state_dict()
    for key, value in encoders.load(name)["weights"].items():
        np.testing.assert_array_equal(state[key], value)


def test_an_encoder_of_ones_own_is_saved_and_used(tmp_path):
    X, y = _few()
    pretrainer = ECGReportPretrainer(
        measurement_weight=1.0, max_epochs=1, random_state=0
    )
    weights = pretrainer.fit(X).encoder_weights_
    encoders.save(tmp_path / "own", weights, CARD)
    features = encoders.Encoder(tmp_path / "own").fit_transform(X)
    prepared = encoders.Prepare(tmp_path / "own").fit_transform(X)
    np.testing.assert_allclose(features, pretrainer.transform(prepared), atol=1e-5)
    silent = {key: value for key, value in CARD.items() if key != "licence"}
    with pytest.raises(ValueError, match="does not tell licence"):
        encoders.save(tmp_path / "own", weights, silent)
    with pytest.raises(ValueError, match="no sampling rate"):
        encoders.save(tmp_path / "own", weights | {"sampling_rate": None}, CARD)


# --- the hub ------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The cache of Hugging Face in a folder, and no network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def _as_cached(files, hub, owner="me", name="mine", revision="0" * 40):
    """Files in the layout of the hub's cache."""
    repository = hub / f"models--{owner}--{name}"
    shutil.copytree(files, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)


def test_an_encoder_of_the_hub_is_used_by_its_name(hub, folder, records):
    _as_cached(folder, hub)
    assert encoders.card("hf:me/mine")["licence"] == "BSD-3-Clause"
    np.testing.assert_array_equal(
        encoders.Encoder("hf:me/mine").fit_transform(records[:3]),
        encoders.Encoder("simulated-100hz").fit_transform(records[:3]),
    )


@pytest.mark.parametrize("name", ["hf:mine", "hf:../../etc/passwd", "hf:a/b/c"])
def test_a_name_that_the_hub_cannot_have_is_refused(hub, name):
    with pytest.raises(ValueError, match="hf:owner/name"):
        encoders.load(name)


def test_an_encoder_out_of_reach_says_what_to_do(hub):
    with pytest.raises(OSError, match="copy its files to a folder"):
        encoders.load("hf:me/nowhere")


class FakeHub:
    """Keeps what is uploaded in the layout of the cache."""

    made = None

    def create_repo(self, repository, *, private, exist_ok):
        FakeHub.made = repository, private

    def upload_folder(self, *, repo_id, folder_path):
        owner, name = repo_id.split("/")
        assert sorted(p.name for p in Path(folder_path).iterdir()) == [
            _folders.CARD,
            _folders.WEIGHTS,
        ]
        _as_cached(folder_path, FakeHub.cache, owner, name)


def test_what_is_pushed_is_what_is_loaded(hub, monkeypatch):
    import huggingface_hub

    FakeHub.cache = hub
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeHub)
    weights = encoders.load("simulated-100hz")
    name = encoders.push_to_hub(weights, "me/pushed", card=CARD)
    assert FakeHub.made == ("me/pushed", True)
    back = encoders.load(name)
    for key, value in weights["weights"].items():
        np.testing.assert_array_equal(back["weights"][key], value)
    assert encoders.card(name)["summary"] == CARD["summary"]
    with pytest.raises(ValueError, match="owner/name"):
        encoders.push_to_hub(weights, "pushed", card=CARD)


def test_folds_of_the_head_keep_patients_together_and_deal_out_events():
    event = np.arange(60) % 6 == 0
    patients = np.arange(60) // 3
    fold = _folds(event, patients, 4)
    assert all(len(set(fold[patients == p])) == 1 for p in range(20))
    with_event = fold[event]
    assert np.ptp(np.bincount(with_event, minlength=4)) <= 1
    alone = _folds(event, None, 4)
    assert np.ptp(np.bincount(alone[event], minlength=4)) <= 1
