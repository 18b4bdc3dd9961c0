"""Splitters and out-of-fold risks."""

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.model_selection import (
    EventKFold,
    RepeatedEventKFold,
    out_of_fold,
    split_by_event,
)
from ecgdan_sk.records import ECGRecords


def follow_up(n_samples=200, n_events=20, seed=0):
    rng = np.random.default_rng(seed)
    event = rng.permutation(n_samples) < n_events
    return Surv.from_arrays(event, rng.exponential(1000, n_samples) + 1)


def covariates(y, seed=1):
    noise = np.random.default_rng(seed).normal(size=(len(y), 2))
    return noise - np.log(y["time"])[:, None]


class EchoRisk(BaseEstimator):
    """Predicts the first column, on a scale that depends on the training set."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, X, y):
        self.origin_ = 100 * float(np.asarray(X).ravel()[0])
        return self

    def predict(self, X):
        X = np.asarray(X)
        return self.origin_ + self.scale * X.reshape(len(X), -1)[:, 0]


@pytest.mark.parametrize("n_events", [4, 5, 13, 196, 199, 200])
def test_folds_part_the_samples_and_share_the_events(n_events):
    y = follow_up(n_events=n_events)
    tests = [test for _, test in EventKFold(4, random_state=0).split(y, y)]
    assert sorted(np.concatenate(tests)) == list(range(200))
    shares = [y["event"][test].sum() for test in tests]
    assert max(shares) - min(shares) <= 1
    assert min(shares) >= 1


def test_train_and_test_are_complementary():
    y = follow_up()
    for train, test in RepeatedEventKFold(3, n_repeats=2, random_state=0).split(y, y):
        assert sorted([*train, *test]) == list(range(200))


@pytest.mark.parametrize("seed", range(5))
def test_a_patient_is_in_one_fold(seed):
    y, patients = follow_up(), np.repeat(np.arange(100), 2)
    for train, test in EventKFold(4, random_state=seed).split(y, y, patients):
        assert not set(patients[train]) & set(patients[test])
        assert y["event"][test].any()


def test_patients_of_records_stay_together_unasked():
    y, patients = follow_up(), np.repeat(np.arange(100), 2)
    X = ECGRecords(np.zeros((200, 12, 5)), patient_ids=patients)
    for train, test in EventKFold(4, random_state=0).split(X, y):
        assert not set(patients[train]) & set(patients[test])


def test_repeats_differ_and_calls_with_a_seed_do_not():
    y, cv = follow_up(), RepeatedEventKFold(2, n_repeats=5, random_state=0)
    first, second = ([test for _, test in cv.split(y, y)] for _ in range(2))
    assert cv.get_n_splits() == len(first) == 10
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    assert len({tuple(test) for test in first}) == 10
    other = RepeatedEventKFold(2, n_repeats=5, random_state=1).split(y, y)
    assert not any(np.array_equal(a, b) for a, (_, b) in zip(first, other))


def test_without_shuffle_the_folds_keep_the_order():
    y = Surv.from_arrays(np.arange(20) % 2 == 0, np.arange(1.0, 21.0))
    tests = [test for _, test in EventKFold(2, shuffle=False).split(y, y)]
    assert tests[0].tolist() == list(range(10))


def test_global_random_state_is_left_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    list(EventKFold(2, random_state=0).split(follow_up(), follow_up()))
    assert np.array_equal(before, np.random.get_state()[1])


def test_scikit_learn_takes_the_splitters():
    y = follow_up()
    X, cv = covariates(y), RepeatedEventKFold(2, n_repeats=5, random_state=0)
    scores = cross_val_score(CoxPHSurvivalAnalysis(), X, y, cv=cv)
    assert scores.shape == (10,)
    assert np.isfinite(scores).all()
    search = GridSearchCV(CoxPHSurvivalAnalysis(), {"alpha": [0.1, 1]}, cv=cv)
    assert search.fit(X, y, groups=np.arange(200) // 2).n_splits_ == 10


def test_groups_arrive_through_metadata_routing():
    y, patients = follow_up(), np.repeat(np.arange(100), 2)
    X, cv = covariates(y), EventKFold(4, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(
            CoxPHSurvivalAnalysis(), X, y, cv=cv, params={"groups": patients}
        )
    direct = cross_val_score(CoxPHSurvivalAnalysis(), X, y, cv=cv, groups=patients)
    single = cross_val_score(CoxPHSurvivalAnalysis(), X, y, cv=cv)
    assert routed.tolist() == direct.tolist() != single.tolist()


def test_representation_names_the_parameters():
    text = repr(RepeatedEventKFold(2, n_repeats=5))
    assert text == "RepeatedEventKFold(n_repeats=5, n_splits=2, random_state=None)"


@pytest.mark.parametrize("cv", [EventKFold(5), RepeatedEventKFold(5)])
def test_fewer_events_than_folds_say_how_many_folds_there_can_be(cv):
    y = follow_up(n_events=3)
    with pytest.raises(ValueError, match="has 3. Lower n_splits to at most 3"):
        list(cv.split(y, y))


def test_fewer_patients_with_events_than_folds_are_an_error():
    y = follow_up(n_events=20)
    patients = np.where(y["event"], 0, np.arange(200))
    with pytest.raises(ValueError, match="at least 2 patients with an event"):
        list(EventKFold(2).split(y, y, patients))


def test_unstructured_target_is_an_error():
    with pytest.raises(ValueError, match="structured array"):
        list(EventKFold(2).split(np.zeros(10), np.arange(10) < 5))


def test_target_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        list(EventKFold(2).split(np.zeros(10), follow_up()))


def test_out_of_fold_ranks_undo_the_scale_of_each_fold():
    y = follow_up(n_events=100)
    X = covariates(y)
    ranks = out_of_fold(EchoRisk(), X, y, EventKFold(5, random_state=0))
    assert ((ranks > 0) & (ranks < 1)).all()
    # Raw risks of these models would be dominated by their origins.
    assert abs(concordance_index(y, ranks) - concordance_index(y, X[:, 0])) < 0.02


def test_out_of_fold_ranks_are_by_a_model_that_has_not_seen_the_sample():
    y = follow_up(n_events=100)
    X, cv = covariates(y), EventKFold(4, random_state=0)
    ranks = out_of_fold(CoxPHSurvivalAnalysis(), X, y, cv)
    for train, test in cv.split(X, y):
        risk = CoxPHSurvivalAnalysis().fit(X[train], y[train]).predict(X[test])
        assert np.array_equal(np.argsort(risk), np.argsort(ranks[test]))


def test_out_of_fold_averages_repeats():
    y = follow_up()
    X, cv = covariates(y), RepeatedEventKFold(2, n_repeats=3, random_state=0)
    splits = list(cv.split(X, y))
    pairs = [splits[i : i + 2] for i in (0, 2, 4)]

    class Given(EventKFold):
        def __init__(self, splits):
            self.splits = splits

        def split(self, X, y, groups=None):
            return self.splits

    single = [out_of_fold(EchoRisk(), X, y, Given(pair)) for pair in pairs]
    averaged = out_of_fold(EchoRisk(), X, y, cv)
    assert averaged == pytest.approx(np.mean(single, axis=0))
    with pytest.raises(ValueError, match="100 of 200 samples are in no test set"):
        out_of_fold(EchoRisk(), X, y, Given(pairs[0][:1]))


def test_out_of_fold_takes_records_and_processes():
    y = follow_up()
    signals = np.random.default_rng(0).normal(size=(200, 12, 5)).astype(np.float32)
    alone = out_of_fold(EchoRisk(), signals, y, 3)
    shared = out_of_fold(EchoRisk(), ECGRecords(signals), y, 3, n_jobs=2)
    assert np.array_equal(alone, shared)


def test_rare_causes_are_shared_out_too():
    causes = np.repeat([0, 1, 2], [60, 20, 4])
    y = np.zeros(84, dtype=[("cause", int), ("time", float)])
    y["cause"], y["time"] = causes, np.arange(1.0, 85.0)
    for _, test in EventKFold(4, random_state=0).split(np.zeros((84, 1)), y):
        assert np.bincount(causes[test]).tolist() == [15, 5, 1]


# Two parts


@pytest.mark.parametrize("seed", range(10))
def test_both_parts_hold_each_cause_that_two_patients_have(seed):
    causes = np.repeat([0, 1, 2], [400, 4, 60])
    first, second = split_by_event(causes, 0.2, random_state=seed)
    assert np.bincount(causes[second]).tolist() == [80, 1, 12]
    assert sorted([*first, *second]) == list(range(464))


@pytest.mark.parametrize("seed", range(10))
def test_no_patient_is_in_both_parts(seed):
    rng = np.random.default_rng(seed)
    patients = np.repeat(rng.permutation(300), rng.integers(1, 6, 300))
    causes = (rng.random(300) < 0.1).astype(int)[patients]
    first, second = split_by_event(causes, 0.25, groups=patients, random_state=seed)
    assert not set(patients[first]) & set(patients[second])
    assert len(second) / len(causes) == pytest.approx(0.25, abs=0.01)
    assert causes[second].mean() == pytest.approx(causes.mean(), abs=0.02)


def test_a_patient_counts_by_the_rarest_of_its_causes():
    # Each patient has an ECG before any event, and one before the event.
    patients, causes = np.repeat(np.arange(60), 2), np.zeros(120, int)
    causes[1:80:2], causes[81:85:2] = 2, 1
    for seed in range(10):
        _, second = split_by_event(causes, 0.3, groups=patients, random_state=seed)
        assert np.bincount(causes[second]).tolist() == [24 - 1, 1, 12]


def test_the_cause_of_one_patient_stays_in_the_first_part():
    causes = np.r_[1, np.full(10, 2), np.zeros(30, int)]
    for seed in range(5):
        first, second = split_by_event(causes, 0.2, random_state=seed)
        assert 1 in causes[first]
        assert 1 not in causes[second]
        assert 2 in causes[second]


def test_parts_are_seeded():
    event = follow_up()["event"]
    once, again, other = (
        split_by_event(event, 0.2, random_state=seed)[1].tolist() for seed in (0, 0, 1)
    )
    assert once == again != other


def test_one_patient_with_events_cannot_be_shared():
    event, patients = np.repeat([True, False], [3, 30]), np.repeat([0, 1, 2], 11)
    with pytest.raises(ValueError, match="3 events of 1 patients"):
        split_by_event(event, 0.2, groups=patients)
    with pytest.raises(ValueError, match=r"fraction inside \(0, 1\), got 1"):
        split_by_event(event, 1)


class KeepsGroups(EchoRisk):
    """Keeps the patients that `fit` was told."""

    seen = []  # noqa: RUF012

    def fit(self, X, y, *, groups=None):
        self.seen.append(groups)
        return super().fit(X, y)


def test_out_of_fold_tells_estimators_their_patients():
    y, patients = follow_up(n_events=100), np.repeat(np.arange(100), 2)
    KeepsGroups.seen.clear()
    out_of_fold(KeepsGroups(), covariates(y), y, 4, groups=patients)
    folds = EventKFold(4, random_state=0).split(y, y, patients)
    for groups, (train, _) in zip(KeepsGroups.seen, folds, strict=True):
        assert np.array_equal(groups, patients[train])
