"""Baseline hazards and the curves on them, against other people's programs."""

import numpy as np
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter, NelsonAalenFitter
from sklearn.base import BaseEstimator
from sksurv.linear_model.coxph import BreslowEstimator

from ecgdan_sk._hazards._baseline import BaselineHazards, BreslowBaseline
from ecgdan_sk._hazards._curves import SurvivalCurves, _incidence, step_functions
from ecgdan_sk._outcomes import Outcome


@pytest.fixture
def outcome():
    rng = np.random.default_rng(0)
    time, event = rng.integers(1, 15, 60).astype(float), rng.random(60) < 0.5
    return rng.standard_normal(60), event, time


@pytest.fixture
def columns(outcome):
    """Whole weights, some 0, and times of entry."""
    rng = np.random.default_rng(1)
    entry = outcome[2] * rng.random(60)
    return {"sample_weight": rng.integers(0, 4, 60).astype(float), "entry": entry}


def test_equals_scikit_survival(outcome):
    ours = BreslowBaseline().fit(*outcome)
    reference = BreslowEstimator().fit(*outcome)
    at = np.isin(reference.unique_times_, ours.times_)
    np.testing.assert_allclose(
        ours.cumulative_hazard_, reference.cum_baseline_hazard_.y[at]
    )


def test_equals_its_definition_with_weights_and_entry(outcome, columns):
    log_risk, event, time = outcome
    ours = BreslowBaseline().fit(*outcome, **columns)
    weight, entry = columns.values()
    steps = [
        weight[event & (time == t)].sum()
        / (weight * np.exp(log_risk))[(entry < t) & (time >= t)].sum()
        for t in ours.times_
    ]
    np.testing.assert_allclose(ours.cumulative_hazard_, np.cumsum(steps))
    assert set(ours.times_) == set(time[event & (weight > 0)])


def test_equals_nelson_and_aalen_of_lifelines_where_all_have_one_risk(outcome, columns):
    _, event, time = outcome
    ours = BreslowBaseline().fit(np.zeros(60), event, time, entry=columns["entry"])
    fitter = NelsonAalenFitter(nelson_aalen_smoothing=False)
    fitter.fit(time, event, entry=columns["entry"])
    expected = fitter.cumulative_hazard_.loc[ours.times_].to_numpy()[:, 0]
    np.testing.assert_allclose(ours.cumulative_hazard_, expected)


@pytest.mark.parametrize("with_entry", [False, True])
def test_extreme_log_risks_stay_finite(outcome, columns, with_entry):
    log_risk, event, time = outcome
    entry = columns["entry"] if with_entry else None
    baseline = BreslowBaseline().fit(400 * log_risk, event, time, entry=entry)
    assert np.isfinite(baseline.cumulative_hazard_).all()


def test_each_stratum_has_the_baseline_of_its_own_samples(outcome):
    log_risk, event, time = outcome
    strata = np.arange(60) % 2
    given = Outcome(event.astype(int), time, strata=strata)
    ours = BaselineHazards().fit(log_risk[:, None], given)
    hazards = ours.cumulative_hazards(log_risk[:, None], [5.0, 10.0], strata)
    for stratum in (0, 1):
        own = (x[strata == stratum] for x in outcome)
        alone = BreslowBaseline().fit(*own)
        np.testing.assert_allclose(
            hazards[strata == stratum, 0],
            alone.cumulative_hazard(log_risk[strata == stratum], [5.0, 10.0]),
        )
    pooled = BreslowBaseline().fit(*outcome)
    np.testing.assert_allclose(
        ours.cumulative_hazards(log_risk[:, None], ours.times_)[:, 0],
        pooled.cumulative_hazard(log_risk),
    )


@pytest.mark.parametrize("strata", [[0, 1, 7], [0, 1]])
def test_unknown_strata_are_named(outcome, strata):
    log_risk, event, time = outcome
    given = Outcome(event.astype(int), time, strata=np.arange(60) % 2)
    baseline = BaselineHazards().fit(log_risk[:, None], given)
    with pytest.raises(ValueError, match=r"one of the strata seen in fit, \[.*0.*1"):
        baseline.cumulative_hazards(np.zeros((3, 1)), [5.0], strata)


def test_incidences_equal_aalen_and_johansen_where_all_have_one_risk():
    rng = np.random.default_rng(0)
    causes, time = rng.choice(3, 4000, p=[0.3, 0.5, 0.2]), rng.exponential(size=4000)
    given = Outcome(causes, time)
    baseline = BaselineHazards().fit(np.zeros((4000, 2)), given)
    at = np.quantile(time, [0.1, 0.5, 0.9])
    grid = np.union1d(baseline.times_, at)
    incidence = _incidence(baseline.cumulative_hazards(np.zeros((1, 2)), grid))
    incidence = incidence[0][:, np.searchsorted(grid, at)]
    for cause in (1, 2):
        fitter = AalenJohansenFitter(calculate_variance=False)
        curve = fitter.fit(time, causes, event_of_interest=cause).cumulative_density_
        expected = [curve[curve.index <= t].iloc[-1, 0] for t in at]
        np.testing.assert_allclose(incidence[cause - 1], expected, atol=2e-4)
    survival = KaplanMeierFitter().fit(time, causes > 0).predict(at)
    np.testing.assert_allclose(1 - incidence.sum(0), survival, atol=2e-4)


def test_incidences_and_survival_are_one_however_steep_the_hazard():
    hazards = np.array([[[0.1, 30.0, 30.0], [0.0, 5.0, 700.0]]])
    incidence = _incidence(hazards)
    np.testing.assert_allclose(
        incidence.sum(1) + np.exp(-hazards.sum(1)), np.ones((1, 3))
    )
    assert (np.diff(incidence) >= 0).all()


def test_step_functions_hold_their_last_value():
    curve = step_functions(np.array([2.0, 5.0]), np.array([[0.8, 0.3]]), start=1)[0]
    assert curve([0, 1.9, 2, 4.9, 5, 1e9]).tolist() == [1, 1, 0.8, 0.8, 0.3, 0.3]
    assert curve(7.0) == 0.3
    with pytest.raises(ValueError, match="x must be within"):
        curve(-1.0)


class ConstantHazards(SurvivalCurves, BaseEstimator):
    """Hazards of X per unit of time, one column for each cause."""

    def fit(self):
        self.unique_times_, self.follow_up_ = np.arange(1.0, 101.0), 100.0
        return self

    def _cumulative_hazards(self, X, times, strata):
        return X[:, :, None] * np.asarray(times)


def test_curves_of_those_who_entered_late_are_given_that_they_had_no_event():
    X, entry = np.array([[0.02], [0.05]]), np.array([80.0, 40.0])
    model = ConstantHazards().fit()
    survival = model.predict_survival_at(X, [30, 60, 85], entry=entry)
    expected = np.exp(-X * np.maximum([30, 60, 85] - entry[:, None], 0))
    np.testing.assert_allclose(survival, expected)
    np.testing.assert_allclose(
        model.predict_survival_at(X, 85.0), np.exp(-85 * X[:, 0])
    )
    curves = model.predict_survival_function(X, entry=entry)
    np.testing.assert_allclose(curves[0](85), expected[0, 2])
    np.testing.assert_allclose(
        model.predict_risk(X, [85], entry=entry)[:, 0], 1 - expected[:, 2]
    )
    causes = np.array([[0.02, 0.01], [0.03, 0.03]])
    incidence = model.predict_cumulative_incidence(causes, [60, 90], entry=entry)
    free = model.predict_survival_at(causes, [60, 90], entry=entry)
    np.testing.assert_allclose(incidence.sum(1) + free, 1)
    with pytest.raises(ValueError, match="Expected entry of shape .2,., one for each"):
        model.predict_survival_at(X, 85.0, entry=[80.0])
