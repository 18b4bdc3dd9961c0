"""Baselines: pipelines over the network's X, and the Cox model inside them."""

import importlib.util
import pickle

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import scale
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

from ecgdan_sk.baselines import (
    Covariates,
    PenalisedCox,
    RandomConvolutions,
    cox_covariates,
    cox_measurements,
    cox_paper15,
    cox_random_convolutions,
    gradient_boosting,
    survival_forest,
)
from ecgdan_sk.baselines._penalised_cox import _log_likelihood, _steepest
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.losses import cox_loss
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import ECGRecords


@pytest.fixture(scope="module")
def cohort():
    bunch = make_ecg_cohort(
        160,
        sampling_rate=100,
        duration=5,
        event_rate=0.4,
        risk="parameters",
        random_state=0,
    )
    bunch.records = ECGRecords(bunch.X, 100, covariates=bunch.covariates)
    return bunch


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    X[:, 5] = X[:, 4] + 0.1 * rng.normal(size=300)
    time = rng.exponential(np.exp(-X[:, 0] + 0.5 * X[:, 4]))
    # Rounded up: many ties.
    return X, Surv.from_arrays(time < 1.5, np.ceil(np.minimum(time, 1.5) * 10))


@pytest.mark.parametrize(
    ("pipeline", "above"),
    [(cox_paper15(), 0.6), (cox_measurements(), 0.58), (gradient_boosting(), 0.57)],
    ids=["cox_paper15", "cox_measurements", "gradient_boosting"],
)
def test_baselines_find_the_risk_in_the_parameters(cohort, pipeline, above):
    scores = cross_val_score(
        pipeline, cohort.records, cohort.y, cv=EventKFold(2, random_state=0)
    )
    assert np.isfinite(scores).all()
    assert scores.mean() > above


@pytest.mark.parametrize(
    "pipeline",
    [
        cox_paper15(100),
        cox_measurements(100, l1_ratio=0.5),
        cox_covariates(),
        gradient_boosting(100).set_params(
            gradientboostingsurvivalanalysis__n_estimators=5
        ),
        survival_forest(100).set_params(randomsurvivalforest__n_estimators=5),
    ],
    ids=["paper15", "elastic_net", "covariates", "boosting", "forest"],
)
def test_baselines_predict_as_scikit_survival_does(cohort, pipeline):
    fitted = clone(pipeline).fit(cohort.records[:120], cohort.y[:120])
    test = cohort.records[120:]
    risk = fitted.predict(test)
    assert risk.shape == (40,)
    assert fitted.score(test, cohort.y[120:]) == pytest.approx(
        concordance_index_censored(
            *(cohort.y[120:][n] for n in ("event", "time")), risk
        )[0]
    )
    survival = fitted.predict_survival_function(test, return_array=True)
    assert ((survival >= 0) & (survival <= 1)).all()
    assert (np.diff(survival, axis=1) <= 1e-12).all()
    again = pickle.loads(pickle.dumps(fitted)).predict(test)
    np.testing.assert_array_equal(again, risk)


def test_absent_leads_and_dead_recordings_get_a_risk(cohort):
    X = cohort.X.copy()
    X[::3, 8] = np.nan
    X[5] = 0
    risk = cox_measurements(100).fit(X, cohort.y).predict(X)
    assert np.isfinite(risk).all()


def test_covariates_say_what_is_missing(cohort):
    np.testing.assert_array_equal(
        Covariates(["age"]).fit_transform(cohort.records)[:, 0],
        cohort.covariates["age"],
    )
    with pytest.raises(ValueError, match="weight is not there; X has age, sex"):
        Covariates(["age", "weight"]).fit(cohort.records)
    with pytest.raises(ValueError, match=r"ECGRecords\(X, covariates"):
        cox_covariates().fit(cohort.X, cohort.y)


def test_covariates_that_are_no_numbers_are_named_with_a_remedy(cohort):
    letters = np.where(cohort.covariates["sex"] == 1, "M", "F")
    X = ECGRecords(cohort.X, 100, covariates=cohort.covariates.assign(sex=letters))
    with pytest.raises(ValueError, match="sex does not hold numbers.*as 0 and 1"):
        cox_covariates().fit(X, cohort.y)


def test_ridge_agrees_with_scikit_survival(table):
    X, y = table
    model = PenalisedCox().fit(X, y)
    # There the penalty stands beside the sum of the likelihood, here beside its mean.
    reference = CoxPHSurvivalAnalysis(alpha=model.alpha_ * len(X)).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=2e-3)
    rank = np.corrcoef(model.predict(X), reference.predict(X))[0, 1]
    assert rank > 0.9999


def test_unpenalised_columns_are_not_shrunk(table):
    X, y = table
    strong = {"n_alphas": 1, "alpha_min_ratio": 0.9, "cv": 2}
    free = PenalisedCox(**strong, n_unpenalised=2).fit(X, y)
    # The strongest ridge leaves hardly more than the first two columns.
    alone = CoxPHSurvivalAnalysis(ties="breslow").fit(X[:, :2], y)
    np.testing.assert_allclose(free.coef_[:2], alone.coef_, atol=0.1)
    shrunk = PenalisedCox(**strong).fit(X, y)
    assert np.abs(shrunk.coef_[:2]).max() < 0.3 * np.abs(free.coef_[:2]).max()
    with pytest.raises(ValueError, match="leaves none of 6 columns"):
        PenalisedCox(n_unpenalised=6).fit(X, y)


def diverge(monkeypatch, when):
    """Let the solver fail where `when` says so of the model."""
    fit = CoxnetSurvivalAnalysis.fit

    def fails_at_times(model, X, y):
        if when(model):
            raise ArithmeticError("weights are too large")
        return fit(model, X, y)

    monkeypatch.setattr(CoxnetSurvivalAnalysis, "fit", fails_at_times)


def test_a_penalty_that_diverges_alone_is_reached_from_stronger_ones(
    table, monkeypatch
):
    X, y = table
    expected = PenalisedCox().fit(X, y)
    diverge(monkeypatch, lambda model: len(model.alphas) == 1)
    model = PenalisedCox().fit(X, y)
    assert model.alpha_ == expected.alpha_
    assert np.corrcoef(model.predict(X), expected.predict(X))[0, 1] > 0.999


def test_an_optimum_that_the_solver_circles_is_reached_from_a_stronger_penalty():
    # Flags of one early death, as of measurements that are all missing, lie far out.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 83))
    time = rng.exponential(np.exp(-X[:, 0]))
    event = time < 0.3
    X[:, 3:] = scale(1.0 * (np.arange(100) == time.argmin()))[:, None]
    y = Surv.from_arrays(event, np.minimum(time, 0.3))
    model = PenalisedCox(n_alphas=1, alpha_min_ratio=0.9).fit(X, y)
    alone = {"alphas": [model.alpha_], "l1_ratio": 1e-6, "max_iter": 3000}
    with pytest.warns(ConvergenceWarning, match="terminated early"):
        CoxnetSurvivalAnalysis(**alone).fit(X, y)
    # There the slope of the likelihood and that of the penalty are opposite.
    log_risk = torch.from_numpy(X @ model.coef_).requires_grad_()
    observed = [torch.from_numpy(y[name].copy()) for name in ("event", "time")]
    loss = event.sum() * cox_loss(log_risk, *observed, ties="breslow") / len(X)
    (slope,) = torch.autograd.grad(loss, log_risk)
    np.testing.assert_allclose(
        slope.numpy() @ X, -model.alpha_ * model.coef_, atol=1e-3
    )


def test_free_columns_that_diverge_bear_a_little_penalty(table, monkeypatch):
    X, y = table
    free = PenalisedCox(n_unpenalised=1).fit(X, y)
    diverge(monkeypatch, lambda model: model.penalty_factor.min() == 0)
    model = PenalisedCox(n_unpenalised=1).fit(X, y)
    assert 0.5 < model.coef_[0] / free.coef_[0] < 1
    diverge(monkeypatch, lambda model: True)
    with pytest.raises(ArithmeticError, match=r"diverges at every penalty.* events"):
        PenalisedCox(n_unpenalised=1).fit(X, y)


def test_penalty_is_the_best_of_those_tried(table):
    X, y = table
    model = PenalisedCox(n_alphas=12).fit(X, y)
    assert len(model.alphas_) == len(model.scores_) == 12
    assert model.alpha_ == model.alphas_[model.scores_.argmax()]
    # Noise asks for a stronger penalty than signal does.
    noise = np.random.default_rng(1).normal(size=X.shape)
    assert PenalisedCox(n_alphas=12).fit(noise, y).alpha_ > 3 * model.alpha_


def test_ridge_keeps_all_and_lasso_few_coefficients(table):
    X, y = table
    assert (PenalisedCox().fit(X, y).coef_ != 0).all()
    strong = PenalisedCox(l1_ratio=1, n_alphas=4, alpha_min_ratio=0.3).fit(X, y)
    assert 0 < (strong.coef_ != 0).sum() < 6


def test_log_likelihood_is_that_of_the_definition(table):
    X, y = table
    log_risk = X @ np.random.default_rng(2).normal(size=(6, 3))
    expected = np.zeros(3)
    for i in np.flatnonzero(y["event"]):
        at_risk = y["time"] >= y["time"][i]
        expected += log_risk[i] - np.log(np.exp(log_risk[at_risk]).sum(axis=0))
    found = _log_likelihood(log_risk, y["event"], y["time"])
    np.testing.assert_allclose(found, expected)
    step = 1e-5 * np.eye(6)
    slopes = [
        np.diff(_log_likelihood(X @ np.array([-s, s]).T, y["event"], y["time"]))
        for s in step
    ]
    steepest = np.abs(slopes).max() / 2e-5 / len(X)
    assert _steepest(X, y["event"], y["time"]) == pytest.approx(steepest, rel=1e-4)


def test_more_features_than_samples():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 200))
    y = Surv.from_arrays(rng.random(40) < 0.5, rng.exponential(size=40))
    assert np.isfinite(PenalisedCox(cv=3).fit(X, y).predict(X)).all()


def test_too_few_events_are_said(table):
    X, y = table
    y = y.copy()
    y["event"] = np.arange(len(y)) == 3
    with pytest.raises(ValueError, match="At least two events.*got 1"):
        PenalisedCox().fit(X, y)


@pytest.mark.parametrize(
    ("options", "name"), [({"l1_ratio": 2}, "l1_ratio"), ({"cv": 1}, "cv")]
)
def test_wrong_parameters_are_named(table, options, name):
    with pytest.raises(ValueError, match=name):
        PenalisedCox(**options).fit(*table)


def test_random_convolutions(cohort):
    pipeline = cox_random_convolutions(500)
    if importlib.util.find_spec("aeon") is None:
        with pytest.raises(ImportError, match="pip install aeon"):
            pipeline.fit(cohort.X, cohort.y)
        return
    X = cohort.X.copy()
    X[0, 3] = np.nan
    risk = pipeline.fit(X, cohort.y).predict(X)
    assert np.isfinite(risk).all()
    features = RandomConvolutions(500, random_state=0).fit_transform(X)
    again = RandomConvolutions(500, random_state=0).fit_transform(X)
    np.testing.assert_array_equal(features, again)


# Patients


def several_each(seed=0, n_patients=120):
    """Three rows a patient that are nearly the same, and an outcome of the patient."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), 3)
    X = rng.normal(size=(n_patients, 40))[patients] + 0.05 * rng.normal(size=(360, 40))
    time = rng.exponential(size=n_patients)[patients]
    return X, Surv.from_arrays(time < 1, np.minimum(time, 1)), patients


def test_folds_by_patient_do_not_take_recognition_for_risk():
    X, y, patients = several_each()
    known, unknown = PenalisedCox().fit(X, y, groups=patients), PenalisedCox().fit(X, y)
    # On noise, folds that part the ECGs of a patient choose hardly any penalty.
    assert known.predict(X).std() < 0.3 < unknown.predict(X).std()


def test_pipelines_keep_the_patients_of_records_together(cohort):
    patients = np.arange(160) // 4
    records = ECGRecords(cohort.X, 100, patient_ids=patients)
    plain = cox_paper15().fit(ECGRecords(cohort.X, 100), cohort.y)
    unasked, asked = (
        cox_paper15().fit(records, cohort.y),
        cox_paper15(100).fit(cohort.X, cohort.y, groups=patients),
    )
    assert np.array_equal(unasked[-1].scores_, asked[-1].scores_)
    assert not np.array_equal(unasked[-1].scores_, plain[-1].scores_)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cox_paper15(100).fit(cohort.X, cohort.y, groups=patients)
    assert np.array_equal(routed[-1].scores_, asked[-1].scores_)


def test_events_of_one_patient_choose_no_penalty():
    X, y, patients = several_each()
    y["event"] = patients == 5
    with pytest.raises(ValueError, match="of two patients, .* got 3 of 1"):
        PenalisedCox().fit(X, y, groups=patients)
