"""Recalibration: scikit-learn's contract, and risks that come true."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_is_fitted, validate_data
from sksurv.ensemble import GradientBoostingSurvivalAnalysis
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._tensor_files import read_tensors, write_tensors
from ecgdan_sk.calibration import CalibratedSurvival
from ecgdan_sk.metrics import calibration, concordance_index, survival_scorers
from ecgdan_sk.model_selection import EventKFold, RepeatedEventKFold


class TabularCalibrated(CalibratedSurvival):
    """The meta-estimator with a target as scikit-learn's checks have it."""

    def fit(self, X, y):
        X, y = validate_data(self, X, y, y_numeric=True)
        return super().fit(X, self._target(y))

    def predict(self, X):
        check_is_fitted(self)
        return super().predict(validate_data(self, X, reset=False))

    def score(self, X, y):
        X, y = validate_data(self, X, y, reset=False)
        return super().score(X, self._target(y))

    def _target(self, y):
        y = np.asarray(y, dtype=float).ravel()
        return Surv.from_arrays(np.ones(len(y), bool), y - y.min() + 1)


CHECKED = TabularCalibrated(CoxPHSurvivalAnalysis(alpha=1.0), cv=2)


def test_the_checks_do_run():
    assert len(list(estimator_checks_generator(CHECKED))) >= 30


@pytest.mark.filterwarnings("ignore:Held-out risks rank the patients no better")
@parametrize_with_checks([CHECKED])
def test_sklearn_contract(estimator, check):
    check(estimator)


def _cohort(n_samples, seed, n_features=30):
    """Many features, of which two count: a Cox model without penalty overfits."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    log_risk = 0.8 * X[:, 0] - 0.5 * X[:, 1]
    own, censoring = rng.exponential(np.exp(-log_risk)), rng.exponential(1.5, n_samples)
    y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring) + 1e-3)
    return X, y, log_risk


@pytest.fixture(scope="module")
def fitted():
    X, y, _ = _cohort(250, 0)
    cox = CoxPHSurvivalAnalysis().fit(X, y)
    return cox, CalibratedSurvival(CoxPHSurvivalAnalysis()).fit(X, y)


def test_slope_of_an_overfitted_model_comes_right(fitted):
    cox, model = fitted
    X, y, log_risk = _cohort(5000, 1)
    plain = 1 - np.stack([f(0.5) for f in cox.predict_survival_function(X)])
    ours = 1 - model.predict_survival_at(X, 0.5)
    assert calibration(y, plain, time=0.5).slope < 0.8
    assert 0.9 < calibration(y, ours, time=0.5).slope < 1.1
    truth = 1 - np.exp(-0.5 * np.exp(log_risk))
    assert np.abs(ours - truth).mean() < 0.85 * np.abs(plain - truth).mean()
    assert calibration(y, ours, time=0.5).ici < calibration(y, plain, time=0.5).ici


def test_ranking_is_that_of_the_estimator(fitted):
    cox, model = fitted
    X, y, _ = _cohort(300, 2)
    assert model.score(X, y) == concordance_index(y, cox.predict(X))
    shift = model.predict(X) - model.slope_ * cox.predict(X)
    np.testing.assert_allclose(shift, shift[0])
    assert 0.4 < model.slope_ < 0.85


def test_a_model_that_is_right_stays_as_it_is():
    X, y, _ = _cohort(3000, 0, n_features=2)
    model = CalibratedSurvival(CoxPHSurvivalAnalysis()).fit(X, y)
    assert model.slope_ == pytest.approx(1, abs=0.03)
    cox = CoxPHSurvivalAnalysis().fit(X, y)
    expected = np.stack([f(0.5) for f in cox.predict_survival_function(X)])
    np.testing.assert_allclose(model.predict_survival_at(X, 0.5), expected, atol=0.01)


def test_origin_and_scale_of_the_estimator_do_not_matter():
    X, y, _ = _cohort(250, 0)

    class Shifted(CoxPHSurvivalAnalysis):
        def predict(self, X):
            return 100 + 7 * super().predict(X)

    plain = CalibratedSurvival(CoxPHSurvivalAnalysis()).fit(X, y)
    shifted = CalibratedSurvival(Shifted()).fit(X, y)
    np.testing.assert_allclose(shifted.predict(X), plain.predict(X), atol=1e-5)
    assert shifted.slope_ == pytest.approx(plain.slope_ / 7, rel=1e-5)


def test_risks_that_hold_nothing_warn_and_become_equal():
    X, y, _ = _cohort(100, 0)
    with pytest.warns(UserWarning, match="no better than chance .*slope of -"):
        model = CalibratedSurvival(_Contrary()).fit(X, y)
    assert model.slope_ == 0
    assert np.ptp(model.predict(X)) == 0
    assert np.isfinite(model.predict_survival_function(X, return_array=True)).all()


class _Contrary(CoxPHSurvivalAnalysis):
    """Predicts the opposite of what it has learned."""

    def predict(self, X):
        return -super().predict(X)


def test_repeated_folds_count_alike():
    X, y, _ = _cohort(150, 0, n_features=5)
    cv = RepeatedEventKFold(3, n_repeats=4, random_state=0)
    model = CalibratedSurvival(CoxPHSurvivalAnalysis(alpha=0.1), cv=cv).fit(X, y)
    assert 0.5 < model.slope_ < 1.3
    assert model.follow_up_ == y["time"].max()


def test_it_takes_pipelines_groups_searches_and_scorers():
    X, y, _ = _cohort(150, 0, n_features=5)
    pipeline = make_pipeline(StandardScaler(), CoxPHSurvivalAnalysis())
    model = CalibratedSurvival(pipeline, cv=3)
    model.fit(X, y, groups=np.arange(150) // 2)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert clone(model).get_params()["cv"] == 3
    scores = cross_validate(
        model,
        X,
        y,
        cv=EventKFold(3, random_state=0),
        scoring=survival_scorers(times=[0.5]),
    )
    assert np.isfinite(scores["test_neg_brier_0.5"]).all()
    grid = {"estimator__coxphsurvivalanalysis__alpha": [0.1, 10.0]}
    search = GridSearchCV(model, grid, cv=EventKFold(2, random_state=0)).fit(X, y)
    assert search.best_estimator_.predict(X).shape == (150,)


def test_other_estimators_with_a_log_risk():
    X, y, _ = _cohort(150, 0, n_features=5)
    boosted = GradientBoostingSurvivalAnalysis(n_estimators=60, random_state=0)
    model = CalibratedSurvival(boosted, cv=3).fit(X, y)
    assert 0 < model.slope_ < 1
    assert model.predict_cumulative_incidence(X).shape[1] == 1
    assert model.__sklearn_tags__().input_tags.two_d_array


@pytest.mark.filterwarnings("ignore:Held-out risks rank the patients no better")
def test_it_takes_the_network_and_its_ecgs():
    rng = np.random.default_rng(0)
    X = 0.3 * rng.standard_normal((60, 12, 48)).astype(np.float32)
    y = Surv.from_arrays(rng.random(60) < 0.5, rng.exponential(size=60) + 0.1)
    network = DualAttentionSurvival(
        max_epochs=2, batch_size=32, n_members=1, random_state=0
    )
    model = CalibratedSurvival(network, cv=2).fit(X, y)
    assert model.__sklearn_tags__().input_tags.three_d_array
    survival = model.predict_survival_function(X, return_array=True)
    assert survival.shape == (60, len(model.unique_times_))
    with pytest.raises(ValueError, match="Cannot predict at time 1e"):
        model.predict_survival_at(X, 1e6)


@pytest.mark.filterwarnings("ignore:Held-out risks rank the patients no better")
def test_it_predicts_the_same_from_its_file(tmp_path):
    rng = np.random.default_rng(1)
    X = 0.3 * rng.standard_normal((60, 12, 48)).astype(np.float32)
    y = Surv.from_arrays(rng.random(60) < 0.5, np.exp(X.std((1, 2)) * 20) + 0.1)
    network = DualAttentionSurvival(
        max_epochs=1, batch_size=32, n_members=2, random_state=0
    )
    folds = EventKFold(2, random_state=0)
    model = CalibratedSurvival(network, cv=folds).fit(X, y)
    model.slope_ = 0.7
    path = tmp_path / "calibrated.safetensors"
    assert model.save(path) is model
    loaded = CalibratedSurvival.load(path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    for curves in ("predict_survival_function", "predict_cumulative_hazard_function"):
        same = [getattr(m, curves)(X, return_array=True) for m in (loaded, model)]
        np.testing.assert_array_equal(*same)
    np.testing.assert_array_equal(
        loaded.predict_cumulative_incidence(X), model.predict_cumulative_incidence(X)
    )
    assert loaded.slope_ == 0.7
    assert loaded.follow_up_ == model.follow_up_
    assert vars(loaded.censoring_).keys() == vars(model.censoring_).keys()
    check_is_fitted(clone(loaded).fit(X, y))
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="'CalibratedSurvival'.*is expected here"):
        DualAttentionSurvival.load(path)
    tensors, content = read_tensors(path, "CalibratedSurvival")
    for part in ("estimator", "fitted", "params", "n_arrays"):
        parts = ({n: v for n, v in p.items() if n != part} for p in (tensors, content))
        write_tensors(path, "CalibratedSurvival", *parts)
        with pytest.raises(ValueError, match=f"not hold a whole model.*{part}"):
            CalibratedSurvival.load(path)


def test_what_has_no_file_of_its_own_is_refused(fitted, tmp_path):
    model = fitted[1]
    with pytest.raises(TypeError, match="Cannot save a calibrated .* without code"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_competing_causes_are_refused():
    X, y, _ = _cohort(60, 0)
    target = np.array(list(zip(np.arange(60) % 3, y["time"])), dtype="i8,f8")
    with pytest.raises(ValueError, match="True or False"):
        CalibratedSurvival(CoxPHSurvivalAnalysis()).fit(X, target)


class Extreme(BaseEstimator):
    """Knows the risks, but tells them four times too extreme."""

    def fit(self, X, y, *, entry=None):
        self.entry_ = entry
        return self

    def predict(self, X):
        return 2 * X[:, 0]


def _aged(n_samples, seed):
    """Ages at entry and at the end; the hazard rises with age and with the risk."""
    rng = np.random.default_rng(seed)
    entry, X = rng.uniform(40, 70, n_samples), rng.normal(size=(n_samples, 1))
    grown = np.exp(0.1 * entry) + 300 * rng.exponential(np.exp(-0.5 * X[:, 0]))
    own, end = 10 * np.log(grown), entry + rng.uniform(5, 15, n_samples)
    return X, Surv.from_arrays(own <= end, np.minimum(own, end)), entry


def _risk_by(age, X, entry):
    """The true risk by an age of whoever is without event at the entry."""
    hazard = (np.exp(0.1 * age) - np.exp(0.1 * entry)) / 300
    return -np.expm1(-hazard * np.exp(0.5 * X[:, 0]))


def test_risks_of_those_who_entered_late_are_given_that_they_had_no_event():
    X, y, entry = _aged(3000, 0)
    corrected, naive = (
        CalibratedSurvival(Extreme(), cv=3).fit(X, y, entry=e) for e in (entry, None)
    )
    assert corrected.slope_ == pytest.approx(0.25, abs=0.03)
    new, _, at = _aged(3000, 1)
    for age in (55, 65):
        young = at < age - 5
        truth = _risk_by(age, new[young], at[young]).mean()

        def ratio(model, rows=young, age=age, truth=truth):
            alive = model.predict_survival_at(new[rows], age, entry=at[rows])
            return (1 - alive).mean() / truth

        assert ratio(corrected) == pytest.approx(1, abs=0.1)
        # Those who had not yet entered seem to have been at risk.
        assert ratio(naive) < 0.8


def test_times_of_entry_reach_every_fit_and_every_score():
    X, y, entry = _aged(200, 0)
    model = CalibratedSurvival(Extreme(), cv=2).fit(X, y, entry=entry)
    np.testing.assert_array_equal(model.estimator_.entry_, entry)
    assert model.score(X, y, entry=entry) == concordance_index(y, X[:, 0], entry=entry)
    scores = survival_scorers(times=[60])(model, X, y, entry=entry)
    assert np.isfinite(list(scores.values())).all()
    with pytest.raises(ValueError, match="1 of 200 samples enter at or after"):
        model.fit(X, y, entry=np.where(np.arange(200) == 3, 200.0, entry))
    with pytest.raises(TypeError, match="unexpected keyword argument 'entry'"):
        CalibratedSurvival(CoxPHSurvivalAnalysis(), cv=2).fit(X, y, entry=entry)


def test_times_of_entry_arrive_by_metadata_routing():
    X, y, entry = _aged(200, 0)
    with config_context(enable_metadata_routing=True):
        model = CalibratedSurvival(Extreme(), cv=2).set_fit_request(entry=True)
        scores = cross_validate(
            model,
            X,
            y,
            cv=EventKFold(2, random_state=0),
            scoring=survival_scorers(times=[60]),
            params={"entry": entry},
            return_estimator=True,
        )
    assert np.isfinite(scores["test_neg_brier_60"]).all()
    assert all(m.censoring_.since_entry_ for m in scores["estimator"])


@pytest.mark.filterwarnings("ignore:Held-out risks rank the patients no better")
def test_a_network_of_those_who_entered_late_is_calibrated_and_scored():
    rng = np.random.default_rng(0)
    X = 0.3 * rng.standard_normal((60, 12, 48)).astype(np.float32)
    _, y, entry = _aged(60, 0)
    network = DualAttentionSurvival(
        max_epochs=1, batch_size=32, n_members=1, random_state=0
    )
    model = CalibratedSurvival(network, cv=2).fit(X, y, entry=entry)
    for one in (model, model.estimator_):
        scores = survival_scorers(times=[60])(one, X, y, entry=entry)
        assert np.isfinite(list(scores.values())).all()
