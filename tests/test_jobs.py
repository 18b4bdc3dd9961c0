"""Jobs in processes and on clusters: the same results, little sent, losses mended."""

import pickle
import sys
from functools import partial

import numpy as np
import pytest
import torch
from dying import die_once
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._jobs import lasting_jobs
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.explain import attention_maps, lead_occlusion
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import ECGRecords

FOLDS = EventKFold(2, random_state=0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """ECGs in a folder, and their outcomes."""
    made = make_ecg_cohort(
        60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )
    folder = tmp_path_factory.mktemp("jobs") / "cohort"
    X = ECGRecords.open(ECGRecords(made.X, 100, ids=range(60)).save(folder))
    return X, made.y


@pytest.fixture(scope="module")
def model():
    return DualAttentionSurvival(
        n_members=2, max_epochs=1, batch_size=32, random_state=0, device="cpu"
    )


@pytest.fixture
def _one_thread():
    """One thread here, and none of the processes that joblib kept."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    get_reusable_executor().shutdown(wait=True)
    yield
    get_reusable_executor().shutdown(wait=True)
    torch.set_num_threads(n_threads)


@pytest.mark.usefixtures("_one_thread")
def test_predictions_are_the_same_in_as_many_jobs_as_are_wished(cohort, model):
    X, y = cohort
    fitted = clone(model).fit(X, y).set_params(batch_size=4)
    for net in fitted.nets_:
        net.set_params(batch_size=4)
    ways = (
        fitted.predict,
        fitted.transform,
        partial(fitted.predict_risk, time=100.0),
        lambda X: lead_occlusion(fitted, X).change,
        lambda X: attention_maps(fitted, X).temporal,
    )
    alone = [way(X) for way in ways]
    with parallel_config(n_jobs=2):
        together = [way(X) for way in ways]
    for ours, expected in zip(together, alone):
        np.testing.assert_array_equal(ours, expected)


def test_records_tell_their_size_and_travel_as_their_path(cohort):
    X, _ = cohort
    in_memory = ECGRecords(np.asarray(X), 100, ids=X.ids)
    assert sys.getsizeof(in_memory) > np.asarray(X).nbytes
    assert sys.getsizeof(X) < 20_000
    sent = pickle.dumps(X[::2])
    assert len(sent) < 5_000
    np.testing.assert_array_equal(np.asarray(pickle.loads(sent)), np.asarray(X)[::2])


def test_a_path_with_other_recordings_is_refused(cohort, tmp_path):
    X, _ = cohort
    ECGRecords(np.asarray(X), 100).save(tmp_path / "a")
    sent = pickle.dumps(ECGRecords.open(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(ValueError, match="no folder"):
        pickle.loads(sent)
    ECGRecords(np.asarray(X)[:9], 100).save(tmp_path / "a")
    with pytest.raises(ValueError, match="other recordings"):
        pickle.loads(sent)


@pytest.mark.usefixtures("_one_thread")
def test_a_killed_process_costs_its_task_alone(tmp_path):
    arguments = [(tmp_path / "died", number) for number in range(6)]
    assert lasting_jobs(die_once, arguments, 2) == [0, 1, 4, 9, 16, 25]
    assert (tmp_path / "died").exists()


def _fails(number):
    if number == 3:
        raise KeyError("wrong")
    return number


def test_wrong_work_is_not_done_again():
    with pytest.raises(KeyError, match="wrong"):
        lasting_jobs(_fails, [(i,) for i in range(5)])
    assert lasting_jobs(_fails, [(4,), (2,), (7,)]) == [4, 2, 7]


@pytest.mark.usefixtures("_one_thread")
def test_a_dask_cluster_gives_the_bits_of_a_sequence(cohort, model, tmp_path):
    distributed = pytest.importorskip("distributed")
    X, y = cohort
    expected = cross_val_predict(model, X, y, cv=FOLDS)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, env={"OMP_NUM_THREADS": "1"}) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        found = cross_val_predict(model, X, y, cv=FOLDS, n_jobs=2)
        arguments = [(tmp_path / "died", number) for number in range(4)]
        assert lasting_jobs(die_once, arguments, 2) == [0, 1, 4, 9]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("_one_thread")
def test_ray_gives_the_bits_of_a_sequence(cohort, model, monkeypatch):
    # Ray sets it for good, for every process that a later test starts.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    X, y = cohort
    expected = cross_val_predict(model, X, y, cv=FOLDS)
    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        with parallel_config("ray"):
            found = cross_val_predict(model, X, y, cv=FOLDS, n_jobs=2)
    finally:
        ray.shutdown()
    np.testing.assert_array_equal(found, expected)
