"""Models as files, and trainings that were killed."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors.numpy
import torch
from sklearn.base import clone

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._tensor_files import read_tensors, write_tensors
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import ECGRecords

QUICK = {"max_epochs": 2, "batch_size": 64, "n_members": 2, "random_state": 0}


@pytest.fixture(scope="module")
def cohort():
    cohort = make_ecg_cohort(
        120, sampling_rate=100, duration=2.5, event_rate=0.4, random_state=0
    )
    cohort.X = ECGRecords(cohort.X, 100, covariates=cohort.covariates)
    return cohort


@pytest.fixture(scope="module")
def saved(cohort, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    DualAttentionSurvival(**QUICK).fit(cohort.X, cohort.y).save(path)
    return path


MODELS = {
    "compact": {},
    "paper": {"architecture": "paper"},
    "covariates": {"covariates": ["age", "sex"]},
    "discrete": {"loss": "logistic-hazard", "n_intervals": 4},
    "decoder": {"reconstruction_weight": 1.0},
}


@pytest.mark.parametrize("params", MODELS.values(), ids=MODELS)
def test_a_model_predicts_the_same_from_its_file(cohort, tmp_path, params):
    model = DualAttentionSurvival(**QUICK, **params).fit(cohort.X, cohort.y)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = DualAttentionSurvival.load(path)
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict(cohort.X), model.predict(cohort.X))
    np.testing.assert_array_equal(
        loaded.predict_survival_function(cohort.X, return_array=True),
        model.predict_survival_function(cohort.X, return_array=True),
    )
    np.testing.assert_array_equal(loaded.transform(cohort.X), model.transform(cohort.X))
    assert loaded.history_[:, "valid_loss"] == model.history_[:, "valid_loss"]
    assert loaded.leads_in_ == model.leads_in_
    with pytest.raises(ValueError, match="sampled at 500 Hz"):
        loaded.predict(ECGRecords(cohort.X.signals, 500))


def test_strata_survive_the_file(cohort, tmp_path):
    strata = np.where(np.arange(120) % 2, "north", "south")
    model = DualAttentionSurvival(**QUICK).fit(cohort.X, cohort.y, strata=strata)
    model.save(tmp_path / "model.safetensors")
    loaded = DualAttentionSurvival.load(tmp_path / "model.safetensors")
    ours, theirs = (
        m.predict_survival_at(cohort.X, [500.0], strata=strata) for m in (model, loaded)
    )
    np.testing.assert_array_equal(ours, theirs)


def test_a_model_can_be_saved_again(saved, tmp_path):
    DualAttentionSurvival.load(saved).save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_what_is_fitted_on_a_generator_can_be_saved(cohort, tmp_path):
    model = DualAttentionSurvival(**QUICK)
    model.set_params(random_state=np.random.RandomState(0), callbacks=[])
    model.fit(cohort.X, cohort.y).save(tmp_path / "model.safetensors")
    loaded = DualAttentionSurvival.load(tmp_path / "model.safetensors")
    assert loaded.random_state is None


def test_no_ecg_is_in_the_file(cohort, saved):
    tensors = safetensors.numpy.load(saved.read_bytes())
    assert max(t.size for t in tensors.values()) < cohort.X.signals.size / 10
    assert saved.stat().st_size < cohort.X.signals.nbytes


def test_the_file_is_plain_json_and_tensors(saved):
    data = saved.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["ecgdan_sk"])
    assert header["kind"] == "DualAttentionSurvival"
    assert b"__reduce__" not in data


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code from a file was run",))


def _altered(data):
    """The last weight, changed by one bit."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:-100], "truncated"),
        (lambda data: data[:50], "truncated"),
        (lambda data: b"", "truncated"),
        (_altered, "was altered"),
        (
            lambda data: data.replace(b"sampling_rate_in_", b"sampling_rate_ix_"),
            "alter",
        ),
        (lambda data: pickle.dumps(Bomb()), "no file of ecgdan_sk"),
        (
            lambda data: safetensors.numpy.save({"a": np.ones(3)}),
            "no file of ecgdan_sk",
        ),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(saved, tmp_path, spoil, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(spoil(saved.read_bytes()))
    with pytest.raises(ValueError, match=message):
        DualAttentionSurvival.load(path)


def test_a_file_of_another_kind_is_named(saved, cohort):
    model = DualAttentionSurvival(pretrained=saved, **QUICK)
    with pytest.raises(ValueError, match="'encoder weights' is expected"):
        model.fit(cohort.X, cohort.y)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        DualAttentionSurvival.load(tmp_path / "none.safetensors")


def test_a_newer_version_is_warned_of(saved, tmp_path):
    tensors, content = read_tensors(saved, "DualAttentionSurvival")
    content["version"] = "99.0"
    write_tensors(tmp_path / "m", "DualAttentionSurvival", tensors, content)
    with pytest.warns(UserWarning, match=r"written by ecgdan_sk 99\.0"):
        DualAttentionSurvival.load(tmp_path / "m")


def test_writing_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_tensors(path, "kind", {"a": np.arange(3)}, {})
    with pytest.raises(TypeError):
        write_tensors(path, "kind", {"a": np.arange(4)}, {"no": object()})
    assert read_tensors(path, "kind")[0]["a"].tolist() == [0, 1, 2]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: None, r"head.weight of shape \(1, 64\), got None"),
        (lambda value: value[:, :8], r"head.weight of shape \(1, 64\), got \(1, 8\)"),
        (lambda value: value * np.nan, "head.weight holds values that are not finite"),
    ],
    ids=["missing", "of another shape", "not finite"],
)
def test_weights_that_are_not_whole_are_refused(saved, tmp_path, change, message):
    tensors, content = read_tensors(saved, "DualAttentionSurvival")
    changed = change(tensors.pop("network/1/head.weight"))
    if changed is not None:
        tensors["network/1/head.weight"] = changed
    path = tmp_path / "model.safetensors"
    write_tensors(path, "DualAttentionSurvival", tensors, content)
    with pytest.raises(ValueError, match=f"not hold a whole model.*{message}"):
        DualAttentionSurvival.load(path)


def _rewritten(saved, path, change):
    """A file with a right digest, whose tensors or content are changed."""
    tensors, content = read_tensors(saved, "DualAttentionSurvival")
    change(tensors, content)
    write_tensors(path, "DualAttentionSurvival", tensors, content)
    return path


def _fitted(content):
    return dict(content["fitted"]["dict"])


def _spoil_means(tensors, content):
    state = dict(_fitted(content)["likelihood_"]["state"])
    name = f"array/{state['means_']['array']}"
    tensors[name] = np.full_like(tensors[name], np.nan)


def _drop(name):
    def change(tensors, content):
        pairs = content["fitted"]["dict"]
        content["fitted"]["dict"] = [pair for pair in pairs if pair[0] != name]

    return change


def _set(part, name, value):
    def change(tensors, content):
        pairs = content[part]["dict"]
        content[part]["dict"] = [[k, value if k == name else v] for k, v in pairs]

    return change


UNSOUND = {
    "no parameters": (lambda t, c: c.pop("params"), "params"),
    "nothing fitted": (lambda t, c: c.pop("fitted"), "fitted"),
    "no history": (lambda t, c: c.pop("histories"), "histories"),
    "no version": (lambda t, c: c.pop("version"), "version"),
    "no network": (lambda t, c: c.update(histories=[]), "no network"),
    "one network of two": (lambda t, c: c["histories"].append([]), "got None"),
    "means of NaN": (_spoil_means, r"likelihood_\.means_ holds values .* not finite"),
    "infinite time": (_set("fitted", "follow_up_", np.inf), "follow_up_ holds values"),
    "no likelihood": (_drop("likelihood_"), "no likelihood_ in it"),
    "no censoring": (_drop("censoring_"), "no censoring_ in it"),
    "another likelihood": (_set("fitted", "likelihood_", 3), "n_outputs"),
    "batches of text": (_set("params", "batch_size", "all"), "batch_size"),
    "unknown parameter": (lambda t, c: c["params"]["dict"].append(["x", 1]), "'x'"),
    "array that is not there": (
        _set("fitted", "leads_in_", {"array": 99}),
        "IndexError",
    ),
    "of no class of ours": (
        _set("fitted", "censoring_", {"class": "Popen", "state": []}),
        "Popen",
    ),
    "content that is a list": (
        lambda t, c: c.update(fitted=[1, 2]),
        "no architecture_",
    ),
}


@pytest.mark.parametrize(("change", "message"), UNSOUND.values(), ids=UNSOUND)
def test_a_model_that_is_not_sound_is_refused(saved, tmp_path, change, message):
    path = _rewritten(saved, tmp_path / "model.safetensors", change)
    with pytest.raises(ValueError, match=f"not hold a whole model.*{message}"):
        DualAttentionSurvival.load(path)


def test_a_network_of_absurd_size_is_refused_before_it_takes_memory(saved, tmp_path):
    state = [[k, v] for k, v in vars(Compact(latent_dim=10**9)).items()]
    huge = {"class": "Compact", "state": state}
    change = _set("fitted", "architecture_", huge)
    path = _rewritten(saved, tmp_path / "model.safetensors", change)
    with pytest.raises(ValueError, match=r"to_latent.* of shape \(1000000000, 64\)"):
        DualAttentionSurvival.load(path)


def test_loading_leaves_the_callers_generator_alone(saved):
    before = torch.random.get_rng_state()
    DualAttentionSurvival.load(saved)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_unfitted_model_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="not fitted"):
        DualAttentionSurvival().save(tmp_path / "model.safetensors")


TRAINING = """
import sys
from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.datasets import make_ecg_cohort
cohort = make_ecg_cohort(
    120, sampling_rate=100, duration=2.5, event_rate=0.4, random_state=0
)
DualAttentionSurvival(
    max_epochs=30, patience=8, batch_size=64, n_members=3, lr=0.01, dropout=0.5,
    random_state=0, checkpoint_dir=sys.argv[1]
).fit(cohort.X, cohort.y)
"""


@pytest.fixture
def _one_thread():
    """One thread here, as in the processes: sums over more are added otherwise."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.usefixtures("_one_thread")
def test_a_killed_training_ends_where_an_unbroken_one_ends(cohort, tmp_path):
    unbroken = DualAttentionSurvival(
        max_epochs=30,
        patience=8,
        batch_size=64,
        n_members=3,
        lr=0.01,
        dropout=0.5,
        random_state=0,
    )
    X = np.asarray(cohort.X)
    unbroken.fit(X, cohort.y)
    resumed = clone(unbroken).set_params(checkpoint_dir=tmp_path)
    run = [sys.executable, "-W", "ignore", "-c", TRAINING, str(tmp_path)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    for n_files in (1, 2):
        process = subprocess.Popen(run, env=env)
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("*/network-*.safetensors"))) < n_files:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
    resumed.fit(X, cohort.y)
    np.testing.assert_array_equal(resumed.predict(X), unbroken.predict(X))
    for ours, theirs in zip(resumed.nets_, unbroken.nets_):
        assert ours.history[:, "train_loss"] == theirs.history[:, "train_loss"]
    # Once more, of what is already there.
    begin = time.monotonic()
    again = clone(resumed).fit(X, cohort.y)
    assert time.monotonic() - begin < 2
    np.testing.assert_array_equal(again.predict(X), unbroken.predict(X))


def test_checkpoints_of_other_data_or_settings_are_not_taken(cohort, tmp_path):
    X = np.asarray(cohort.X)
    model = DualAttentionSurvival(checkpoint_dir=tmp_path, **QUICK).fit(X, cohort.y)
    for params, signals in (({"lr": 0.001}, X), ({}, X * 1.01), ({"n_members": 1}, X)):
        clone(model).set_params(**params).fit(signals, cohort.y)
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(ValueError, match="random_state as an int"):
        clone(model).set_params(random_state=None).fit(X, cohort.y)


def test_a_damaged_checkpoint_is_named(cohort, tmp_path):
    model = DualAttentionSurvival(checkpoint_dir=tmp_path, **QUICK)
    model.fit(cohort.X, cohort.y)
    file = next(tmp_path.glob("*/network-0.safetensors"))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="truncated"):
        clone(model).fit(cohort.X, cohort.y)
