"""scikit-learn's contract, its own checks included.

scikit-learn skips nearly all of its checks for an estimator of 3-D arrays, so they
reach ours through an adapter that lifts a table to ECGs.
"""

import pickle
from copy import deepcopy

import numpy as np
import optuna
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch.callbacks import EarlyStopping
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import LEADS, ECGRecords

QUICK = {"max_epochs": 2, "n_members": 1, "batch_size": 32, "random_state": 0}


def _as_ecg(X):
    """Lift (n_samples, n_features) to (n_samples, 12, 64)."""
    n_times = 64
    wave = np.sin(np.arange(1, 13)[:, None] * np.arange(n_times) / 10)
    repeated = np.tile(np.tanh(X), (1, -(-n_times // X.shape[1])))[:, :n_times]
    return (wave * (1 + repeated[:, None])).astype(np.float32)


def _as_target(y):
    """Everybody has the event, the sooner the smaller `y`."""
    y = np.asarray(y, dtype=float).ravel()
    return Surv.from_arrays(np.ones(len(y), bool), y - y.min() + 1)


class TabularSurvival(DualAttentionSurvival):
    """The estimator for tables, as scikit-learn's checks want it."""

    def fit(self, X, y):
        X, y = validate_data(self, X, y, y_numeric=True)
        return super().fit(_as_ecg(X), _as_target(y))

    def predict(self, X):
        check_is_fitted(self)
        return super().predict(_as_ecg(validate_data(self, X, reset=False)))

    def transform(self, X):
        check_is_fitted(self)
        return super().transform(_as_ecg(validate_data(self, X, reset=False)))

    def score(self, X, y):
        X, y = validate_data(self, X, y, reset=False)
        return super().score(X, _as_target(y))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        tags.input_tags.allow_nan = False
        return tags


class TabularPretrainer(ECGReportPretrainer):
    """The pretrainer for tables; numbers become reports in words."""

    def fit(self, X, y):
        X, y = validate_data(self, X, y, y_numeric=True)
        return super().fit(_as_ecg(X), _as_reports(y))

    def predict(self, X):
        check_is_fitted(self)
        said = super().predict(_as_ecg(validate_data(self, X, reset=False)))
        # The checks subtract predictions.
        return np.array([float(self.reports_.index(report)) for report in said])

    def transform(self, X):
        check_is_fitted(self)
        return super().transform(_as_ecg(validate_data(self, X, reset=False)))

    def score(self, X, y):
        X, y = validate_data(self, X, y, reset=False)
        return super().score(_as_ecg(X), _as_reports(y))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        tags.input_tags.allow_nan = False
        return tags


def _as_reports(y):
    """A report for each sample, two of which at least differ."""
    order = np.argsort(np.argsort(np.asarray(y, dtype=float).ravel(), kind="stable"))
    return [f"finding {rank % 7} of {rank % 3}" for rank in order]


@pytest.mark.parametrize("tabular", [TabularSurvival, TabularPretrainer])
def test_the_checks_do_run(tabular):
    assert len(list(estimator_checks_generator(tabular()))) >= 45


PRETRAINING = {
    "max_epochs": 2,
    "batch_size": 32,
    "random_state": 0,
    "reports_as": "text",
}


@parametrize_with_checks([TabularSurvival(**QUICK), TabularPretrainer(**PRETRAINING)])
def test_sklearn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = Surv.from_arrays(rng.random(60) < 0.4, rng.exponential(size=60) + 0.1)
    return 0.3 * rng.standard_normal((60, 12, 96)).astype(np.float32), y


@pytest.fixture(scope="module")
def fitted(data):
    return DualAttentionSurvival(**QUICK).fit(*data)


def test_tags():
    tags = DualAttentionSurvival().__sklearn_tags__()
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert tags.target_tags.required
    assert tags.input_tags.allow_nan
    assert tags.transformer_tags is not None


def test_refit_on_another_shape_leaves_the_parameters(data):
    X, y = data
    model = DualAttentionSurvival(**QUICK).fit(X, y)
    before = model.get_params()
    model.fit(ECGRecords(X[:, :8, :64], leads=LEADS[:8]), y)
    assert model.get_params() == before
    assert (model.n_leads_in_, model.n_times_in_) == (8, 64)
    assert model.leads_in_ == LEADS[:8]


def test_pickle_predicts_the_same(data, fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(data[0]), fitted.predict(data[0]))


def test_the_same_seed_gives_the_same_bits(data, fitted):
    again = clone(fitted).fit(*data)
    np.testing.assert_array_equal(again.predict(data[0]), fitted.predict(data[0]))
    other = clone(fitted).set_params(random_state=1).fit(*data)
    assert not np.array_equal(other.predict(data[0]), fitted.predict(data[0]))


def _fit_and_predict(model, X, y, n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        return clone(model).fit(X, y).predict(X)
    finally:  # joblib keeps its processes for later tests
        torch.set_num_threads(before)


def test_another_process_gives_the_same_bits(data, fitted):
    (there,) = Parallel(n_jobs=2)(
        [delayed(_fit_and_predict)(fitted, *data, torch.get_num_threads())]
    )
    np.testing.assert_array_equal(there, fitted.predict(data[0]))


def test_predictions_do_not_depend_on_the_other_rows(data, fitted):
    whole = fitted.predict(data[0])
    np.testing.assert_allclose(fitted.predict(data[0][:7]), whole[:7], atol=1e-6)
    np.testing.assert_allclose(fitted.predict(data[0][::-1]), whole[::-1], atol=1e-6)


def test_the_callers_generators_stay_where_they_were(data):
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    DualAttentionSurvival(**QUICK).fit(*data).predict(data[0])
    assert (torch.rand(1), np.random.rand()) == expected


def test_fit_leaves_callbacks_and_input_alone(data):
    stop = EarlyStopping(monitor="train_loss")
    before, X_before = deepcopy(vars(stop)), data[0].copy()
    DualAttentionSurvival(**QUICK, callbacks=[stop]).fit(*data)
    assert vars(stop) == before
    np.testing.assert_array_equal(data[0], X_before)


def test_cross_validation_with_two_processes(data):
    cv = EventKFold(2, random_state=0)
    scores = cross_val_score(DualAttentionSurvival(**QUICK), *data, cv=cv, n_jobs=2)
    assert scores.shape == (2,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_cross_validation_of_records(data):
    X, y = data
    cv = EventKFold(2, random_state=0)
    model = DualAttentionSurvival(**QUICK)
    np.testing.assert_array_equal(
        cross_val_score(model, ECGRecords(X, sampling_rate=100), y, cv=cv),
        cross_val_score(model, X, y, cv=cv),
    )


def test_pipeline_and_grid_search(data):
    pipeline = make_pipeline(
        FunctionTransformer(np.clip, kw_args={"min": -1, "max": 1}),
        DualAttentionSurvival(**QUICK),
    )
    search = GridSearchCV(
        pipeline,
        {"dualattentionsurvival__lr": [1e-4, 1e-2]},
        cv=EventKFold(2, random_state=0),
    )
    search.fit(*data)
    assert search.predict(data[0]).shape == (60,)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_optuna_study(data):
    def objective(trial):
        lr = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        model = DualAttentionSurvival(**QUICK).set_params(lr=lr)
        return cross_val_score(model, *data, cv=EventKFold(2, random_state=0)).mean()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(objective, n_trials=2)
    assert 0 <= study.best_value <= 1


def test_transform_gives_latent_features(data, fitted):
    assert fitted.transform(data[0]).shape == (60, 64)
    assert len(fitted.get_feature_names_out()) == 64
