"""Covariates beside the network: the Cox model it goes on from."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._hazards import ProportionalHazards
from ecgdan_sk._hazards._covariates import CovariateCox, _coefficients
from ecgdan_sk._outcomes import Outcome
from ecgdan_sk.losses._target import SurvivalLoss
from ecgdan_sk.records import ECGRecords

QUICK = {"max_epochs": 6, "batch_size": 100, "n_members": 2, "random_state": 0}


def _cohort(n_samples=400, seed=0):
    """ECGs of noise alone; age and sex decide the risk, a third column does not."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.normal(60, 10, n_samples),
            "sex": rng.integers(0, 2, n_samples),
            "bmi": rng.normal(27, 4, n_samples),
        },
        index=rng.permutation(n_samples),
    )
    log_risk = 0.1 * (table["age"] - 60) + 0.7 * table["sex"]
    own = rng.exponential(np.exp(-log_risk.to_numpy()))
    censored = rng.exponential(1.0, n_samples)
    y = Surv.from_arrays(own <= censored, np.round(100 * np.minimum(own, censored)) + 1)
    X = 0.2 * rng.standard_normal((n_samples, 12, 60)).astype(np.float32)
    return ECGRecords(X, covariates=table), y


def test_without_signal_the_network_falls_back_to_the_cox_model():
    (X, y), (X_new, y_new) = _cohort(), _cohort(seed=1)
    columns = ["age", "sex", "bmi"]
    model = DualAttentionSurvival(covariates=columns, **QUICK).fit(X, y)
    table = X.covariates[columns]
    standardised = ((table - table.mean()) / table.std(ddof=0)).to_numpy()
    firth = _firth(standardised, y["event"].astype(int), y["time"], ties="efron")
    # No epoch is better than the start, in single precision.
    np.testing.assert_allclose(model.covariates_.coef_, firth, rtol=1e-5)
    cox = CoxPHSurvivalAnalysis(ties="efron").fit(table, y)
    theirs = cox.predict(X_new.covariates[columns])
    assert np.corrcoef(model.predict(X_new), theirs)[0, 1] > 0.98
    assert abs(model.score(X_new, y_new) - cox.score(X_new.covariates, y_new)) < 0.01


def test_the_network_adds_what_covariates_do_not_tell():
    X, y = _cohort(600)
    rng = np.random.default_rng(2)
    strength = rng.standard_normal(600)
    wave = np.sin(np.arange(1, 13)[:, None] * np.arange(60) / 10)
    signals = 0.5 * np.exp(0.4 * strength)[:, None, None] * wave
    log_risk = 1.2 * strength + 0.1 * (X.covariates["age"].to_numpy() - 60)
    time = rng.exponential(np.exp(-log_risk)) + 1e-3
    y = Surv.from_arrays(np.ones(600, dtype=bool), time)
    X = ECGRecords(signals.astype(np.float32), covariates=X.covariates)
    settings = {**QUICK, "max_epochs": 15, "lr": 0.01, "crop": 1.0}
    both = DualAttentionSurvival(covariates=["age"], **settings).fit(X[:400], y[:400])
    alone = DualAttentionSurvival(**settings).fit(X[:400], y[:400])
    assert both.score(X[400:], y[400:]) > alone.score(X[400:], y[400:]) + 0.01
    assert np.corrcoef(both.predict(X[400:]), log_risk[400:])[0, 1] > 0.9


def _strength_and_age(n_samples, seed):
    """Age protects, and comes with a stronger ECG, which is what does harm."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=n_samples)
    strength = 0.6 * age + 0.8 * rng.normal(size=n_samples)
    wave = np.sin(np.arange(1, 13)[:, None] * np.arange(60) / 10)
    signals = 0.5 * np.exp(0.4 * strength)[:, None, None] * wave
    log_risk = 0.8 * strength - 0.4 * age
    own, censored = rng.exponential(np.exp(-log_risk)), rng.exponential(1, n_samples)
    y = Surv.from_arrays(own <= censored, np.minimum(own, censored))
    table = pd.DataFrame({"age": 60 + 10 * age, "strength": strength})
    return ECGRecords(signals.astype(np.float32), covariates=table), y


def test_what_the_ecg_tells_of_age_is_not_counted_for_age():
    (X, y), (X_new, y_new) = _strength_and_age(600, 0), _strength_and_age(2000, 1)
    model = DualAttentionSurvival(
        covariates=["age"], n_members=1, max_epochs=20, crop=1.0, random_state=0
    ).fit(X, y)
    both = CoxPHSurvivalAnalysis().fit(X.covariates, y)
    alone = CoxPHSurvivalAnalysis().fit(X.covariates[["age"]], y)
    assert alone.coef_[0] > 0 > model.covariates_.coef_[0, 0]
    gap = both.score(X_new.covariates, y_new) - model.score(X_new, y_new)
    assert gap < 0.015


def test_a_warm_start_goes_on_from_the_trained_coefficients():
    X, y = _strength_and_age(300, 0)
    model = DualAttentionSurvival(
        covariates=["age"], n_members=1, max_epochs=8, crop=1.0, random_state=0
    ).fit(X, y)
    before = model.covariates_
    narrow = X.covariates["age"].between(50, 70).to_numpy()
    # One small step away from where it was; the Cox model has the other sign.
    model.set_params(warm_start=True, max_epochs=1, lr=1e-12)
    model.fit(X[narrow], y[narrow])
    after = model.covariates_
    assert after.scales_[0] < 0.7 * before.scales_[0]
    slopes = [m.coef_[0, 0] / m.scales_[0] for m in (before, after)]
    assert slopes[1] == pytest.approx(slopes[0], rel=0.2)


def test_missing_values_are_imputed_and_flagged():
    X, y = _cohort()
    X.covariates.loc[X.covariates.index[::3], "bmi"] = np.nan
    model = DualAttentionSurvival(covariates=["age", "bmi"], **QUICK).fit(X, y)
    assert model.covariates_.flagged_.tolist() == [1]
    assert model.covariates_.coef_.shape == (3, 1)
    assert np.isfinite(model.predict(X)).all()
    X.covariates.loc[X.covariates.index[:5], "age"] = np.nan
    assert np.isfinite(model.predict(X)).all()


def test_competing_causes_have_coefficients_of_their_own():
    X, y = _cohort()
    target = np.empty(len(y), dtype=[("cause", int), ("time", float)])
    target["time"], old = y["time"], X.covariates["age"].to_numpy() > 60
    target["cause"] = np.where(y["event"], np.where(old, 1, 2), 0)
    model = DualAttentionSurvival(
        loss="cause-specific", covariates=["age"], **QUICK
    ).fit(X, target)
    first, second = model.covariates_.coef_[0]
    assert first > 0 > second
    assert model.predict_cumulative_incidence(X[:3]).shape[1] == 2


def test_strata_and_weights_reach_the_covariates():
    X, y = _cohort()
    keep = np.arange(len(y)) % 2 == 0
    weight = np.where(keep, 1.0, 1e-9)
    models = [
        DualAttentionSurvival(covariates=["age"], **QUICK).fit(*arguments, **named)
        for arguments, named in (
            ((X, y), {"sample_weight": weight}),
            ((X[keep], y[keep]), {}),
        )
    ]
    slopes = [m.covariates_.coef_[0, 0] / m.covariates_.scales_[0] for m in models]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-2)


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        (lambda t: t, {"covariates": "age"}, "array-like"),
        (lambda t: t, {"covariates": ["weight"]}, "X has age, sex, bmi"),
        (lambda t: t.assign(sex="F"), {}, "does not hold numbers"),
        (lambda t: t.assign(age=np.inf), {}, "infinite"),
        (lambda t: t.assign(age=np.nan), {}, "missing in all 400"),
        (lambda t: t, {"loss": "deephit"}, "cox, cause-specific"),
    ],
)
def test_bad_covariates_are_explained(change, params, message):
    X, y = _cohort()
    X = ECGRecords(X.signals, covariates=change(X.covariates))
    model = DualAttentionSurvival(covariates=["age", "sex"], **QUICK)
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, y)


def test_arrays_have_no_covariates():
    X, y = _cohort()
    model = DualAttentionSurvival(covariates=["age"], **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="X has none"):
        model.predict(X.signals)


def _firth(x, causes, time, ties="breslow", **columns):
    """Coefficients (n_columns, n_causes) of the columns of `x`."""
    outcome = Outcome(np.asarray(causes), np.asarray(time, float), **columns)
    likelihood = ProportionalHazards(outcome, ties)
    loss = SurvivalLoss(**likelihood.loss)
    return _coefficients(np.asarray(x, float), likelihood.target(outcome), loss)


@pytest.mark.parametrize(("n_exposed", "n_cases"), [(0, 4), (3, 4), (4, 4), (1, 1)])
def test_firth_adds_half_a_case_to_each_side_of_a_single_risk_set(n_exposed, n_cases):
    # Breslow's likelihood of tied events is binomial, and Jeffreys adds a half.
    exposed, others = 10, 30
    x = np.repeat([1.0, 0.0], [exposed, others])[:, None]
    place = np.r_[np.arange(exposed), np.arange(others)]
    events = np.where(x[:, 0] == 1, place < n_exposed, place < n_cases - n_exposed)
    coef = _firth(x, events.astype(int), np.where(events, 1.0, 2.0))[0, 0]
    share = (n_exposed + 0.5) / (n_cases + 1)
    expected = np.log(share / (1 - share) * others / exposed)
    assert coef == pytest.approx(expected, abs=1e-3)


def test_firth_is_where_its_own_definition_is_highest():
    rng = np.random.default_rng(0)
    x = np.c_[rng.normal(size=25), np.arange(25) > 20]
    time, event = np.arange(1.0, 26), (np.arange(25) % 3 == 0) & (x[:, 1] == 0)

    def penalised(coef):
        weight = np.exp(x @ coef)
        total, information = 0.0, np.zeros((2, 2))
        for i in np.flatnonzero(event):
            w = weight[i:] / weight[i:].sum()
            mean = w @ x[i:]
            total += np.log(w[0])
            information += (x[i:] - mean).T @ (w[:, None] * (x[i:] - mean))
        return -total - np.linalg.slogdet(information)[1] / 2

    ours = _firth(x, event.astype(int), time, ties="efron")[:, 0]
    np.testing.assert_allclose(approx_fprime(ours, penalised, 1e-5), 0, atol=2e-3)
    assert penalised(ours) < min(penalised(ours + 0.2), penalised(ours - 0.2))
    assert -3 < ours[1] < -0.5


def test_columns_that_separate_stay_moderate():
    X, y = _cohort(400)
    rare = np.zeros(400)
    rare[np.flatnonzero(~y["event"])[:6]] = 1.0
    X.covariates["rare"] = rare
    X.covariates.loc[X.covariates.index[rare > 0], "bmi"] = np.nan
    outcome = Outcome(y["event"].astype(int), y["time"])
    likelihood = ProportionalHazards(outcome, "efron")
    model = CovariateCox(["age", "rare", "bmi"])
    model.fit(X, likelihood.target(outcome), likelihood.loss)
    assert model.coef_.shape == (4, 1)
    assert np.abs(model.coef_).max() < 4
    per_trait = _firth(np.c_[rare], outcome.causes, outcome.time)
    assert -4 < per_trait[0, 0] < -1
