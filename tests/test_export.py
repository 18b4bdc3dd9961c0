"""Networks for other programs: the same numbers, and what the file says of itself."""

import json
import warnings

import numpy as np
import pytest
import torch

from ecgdan_sk import DualAttentionSurvival, encoders
from ecgdan_sk._architectures import _export
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import LEADS, ECGRecords

pytestmark = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="torch.export of PyTorch 2.6 fixes the number of ECGs; 2.13 does not",
)


@pytest.fixture(scope="module")
def cohort():
    return make_ecg_cohort(
        60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )


@pytest.fixture(scope="module")
def model(cohort):
    X = ECGRecords(cohort.X, 100)
    model = DualAttentionSurvival(n_members=2, max_epochs=1, random_state=0)
    return model.fit(X, cohort.y)


@pytest.fixture(scope="module")
def strange(cohort):
    """More ECGs than the file was made with, with absent leads."""
    X = cohort.X[:7].copy()
    X[2, 5], X[3, 1:] = np.nan, np.nan
    return X


def onnx_session(path):
    return pytest.importorskip("onnxruntime").InferenceSession(path)


def test_onnx_gives_the_log_risks(model, strange, tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.export(tmp_path / "model.onnx") is model
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    session = onnx_session(tmp_path / "model.onnx")
    (found,) = session.run(["log_risk"], {"ecg": strange})
    np.testing.assert_allclose(found, model.predict(strange), atol=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    assert about["leads"].split(",") == list(LEADS)
    assert (about["sampling_rate"], about["n_times"]) == ("100", "250")
    assert about["unit"].startswith("mV")


def test_a_program_of_torch_gives_the_log_risks(model, strange, tmp_path):
    path = tmp_path / "model.pt2"
    model.export(path, format="torch")
    files = {"about.json": ""}
    program = torch.export.load(path, extra_files=files)
    found = program.module()(torch.from_numpy(strange)).numpy()
    np.testing.assert_allclose(found, model.predict(strange), atol=1e-5)
    assert json.loads(files["about.json"])["output"] == "log_risk"


def test_the_published_network_is_exported_for_any_number_of_ecgs(tmp_path):
    cohort = make_ecg_cohort(
        24, sampling_rate=100, duration=1.28, event_rate=0.5, random_state=0
    )
    model = DualAttentionSurvival(
        architecture="paper", n_members=1, max_epochs=1, random_state=0
    ).fit(cohort.X, cohort.y)
    model.export(tmp_path / "paper.onnx")
    session = onnx_session(tmp_path / "paper.onnx")
    (found,) = session.run(None, {"ecg": cohort.X[:19]})
    np.testing.assert_allclose(found, model.predict(cohort.X[:19]), atol=1e-5)


def test_a_ready_encoder_gives_its_features(tmp_path):
    X = ECGRecords(make_ecg_cohort(5, sampling_rate=250, random_state=1).X, 250)
    encoder = encoders.Encoder("simulated-100hz")
    encoder.export(tmp_path / "encoder.onnx")
    session = onnx_session(tmp_path / "encoder.onnx")
    ready = encoders.Prepare("simulated-100hz").fit_transform(X)
    (found,) = session.run(["features"], {"ecg": np.asarray(ready.signals)})
    np.testing.assert_allclose(found, encoder.fit_transform(X), atol=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    assert (about["band"], about["sampling_rate"]) == ("0.5-40 Hz", "100")


def test_what_has_no_log_risk_of_the_ecg_alone_is_refused(cohort, tmp_path):
    settings = {"n_members": 1, "max_epochs": 1, "random_state": 0}
    X = ECGRecords(cohort.X, 100, covariates=cohort.covariates)
    with_age = DualAttentionSurvival(covariates=["age"], **settings).fit(X, cohort.y)
    with pytest.raises(ValueError, match="this model has covariates"):
        with_age.export(tmp_path / "model.onnx")
    discrete = DualAttentionSurvival(loss="deephit", **settings).fit(X, cohort.y)
    with pytest.raises(ValueError, match="this model has discrete times"):
        discrete.export(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("format", "message"), [("torchscript", "torch deprecates it"), ("h5", "Expected")]
)
def test_other_formats_are_refused(model, tmp_path, format, message):
    with pytest.raises(ValueError, match=message):
        model.export(tmp_path / "model", format=format)
    assert not list(tmp_path.iterdir())


def test_a_file_that_deviates_is_not_left(model, tmp_path, monkeypatch):
    write, run = _export._WAYS["torch"]
    off = {"torch": (write, lambda path, X: run(path, X) + 1e-3)}
    monkeypatch.setattr(_export, "_WAYS", off)
    with pytest.raises(RuntimeError, match=r"was not written: .* differ by 0.001"):
        model.export(tmp_path / "model.pt2", format="torch")
    assert not list(tmp_path.iterdir())


def test_without_onnx_it_says_what_to_install(model, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"ecgdan_sk\[onnx\]"):
        model.export(tmp_path / "model.onnx")
