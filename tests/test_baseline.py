"""The baseline hazard, against scikit-survival's."""

import numpy as np
import pytest
from sksurv.linear_model.coxph import BreslowEstimator

from ecgdan_sk._baseline import BreslowBaseline, step_functions


@pytest.fixture
def outcome():
    rng = np.random.default_rng(0)
    time, event = rng.integers(1, 15, 60).astype(float), rng.random(60) < 0.5
    return rng.standard_normal(60), event, time


def test_equals_scikit_survival(outcome):
    ours = BreslowBaseline().fit(*outcome)
    reference = BreslowEstimator().fit(*outcome)
    at = np.isin(reference.unique_times_, ours.times_)
    np.testing.assert_allclose(
        ours.cumulative_hazard_, reference.cum_baseline_hazard_.y[at]
    )


def test_extreme_log_risks_stay_finite(outcome):
    log_risk, event, time = outcome
    baseline = BreslowBaseline().fit(400 * log_risk, event, time)
    assert np.isfinite(baseline.cumulative_hazard_).all()


def test_step_functions_hold_their_last_value():
    curve = step_functions(np.array([2.0, 5.0]), np.array([[0.8, 0.3]]), start=1)[0]
    assert curve([0, 1.9, 2, 4.9, 5, 1e9]).tolist() == [1, 1, 0.8, 0.8, 0.3, 0.3]
    assert curve(7.0) == 0.3
    with pytest.raises(ValueError, match="x must be within"):
        curve(-1.0)
