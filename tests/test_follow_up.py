import numpy as np
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from ecgdan_sk.datasets import simulate_follow_up
from ecgdan_sk.metrics import concordance_index


@pytest.fixture(scope="module")
def log_risk():
    return np.random.default_rng(0).normal(0, 1, 4000)


def test_outcome_is_what_surv_makes(log_risk):
    y = simulate_follow_up(log_risk, random_state=0)
    assert y.dtype == Surv.from_arrays([True], [1.0], "event", "time").dtype
    assert np.isfinite(y["time"]).all()
    assert (y["time"] > 0).all()


@pytest.mark.parametrize("event_rate", [0.0005, 0.014, 0.1, 0.5, 0.999, 1])
def test_event_rate_is_met_exactly(log_risk, event_rate):
    y = simulate_follow_up(log_risk, event_rate=event_rate, random_state=1)
    assert y["event"].sum() == max(1, round(event_rate * len(log_risk)))


def test_one_event_at_least():
    assert simulate_follow_up(np.zeros(10), event_rate=0.01)["event"].sum() == 1
    assert simulate_follow_up([0.3], event_rate=0.5)["event"].all()


def test_cox_model_recovers_the_hazard_ratio(log_risk):
    y = simulate_follow_up(log_risk, event_rate=0.4, random_state=2)
    cox = CoxPHSurvivalAnalysis().fit(log_risk[:, None], y)
    # The standard error is about 1 / sqrt(1600) = 0.025.
    assert cox.coef_[0] == pytest.approx(1.0, abs=0.1)


def test_risk_may_have_any_offset_and_size(log_risk):
    y = simulate_follow_up(log_risk, random_state=3)
    shifted = simulate_follow_up(log_risk + 50, random_state=3)
    assert (y["event"] == shifted["event"]).all()
    assert y["time"] == pytest.approx(shifted["time"])
    extreme = simulate_follow_up(200 * log_risk, event_rate=0.3, random_state=3)
    assert (extreme["time"] > 0).all()
    assert np.isfinite(extreme["time"]).all()
    assert concordance_index(extreme, log_risk) > 0.99


def test_censoring_is_random_and_administrative(log_risk):
    y = simulate_follow_up(
        log_risk, longest_follow_up=1000, dropout_rate=0, random_state=4
    )
    censored = y["time"][~y["event"]]
    assert censored.min() >= 500
    assert censored.max() <= 1000
    # Evenly between the half and the whole of the study.
    assert np.median(censored) == pytest.approx(750, abs=25)
    lost = simulate_follow_up(
        log_risk, longest_follow_up=730.5, dropout_rate=0.3, random_state=4
    )
    early = (lost["time"] < 365.25) & ~lost["event"]
    # The first year is before the end of the study; 10 per cent have an event.
    assert early.mean() == pytest.approx(0.3, abs=0.05)


def test_weibull_shape_is_that_of_the_times():
    y = simulate_follow_up(
        np.zeros(20_000), event_rate=1.0, weibull_shape=2.0, dropout_rate=0
    )
    # Without censoring the log of a Weibull time has the SD pi / sqrt(6) / shape.
    spread = np.log(y["time"]).std()
    assert spread == pytest.approx(np.pi / np.sqrt(6) / 2, rel=0.03)


def test_random_state_decides_everything(log_risk):
    np.random.seed(5)
    expected = np.random.default_rng(0).normal()
    state = np.random.get_state()[1].copy()
    first, again, other = (
        simulate_follow_up(log_risk, random_state=seed) for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert not (first == other).all()
    assert (np.random.get_state()[1] == state).all()
    assert np.random.default_rng(0).normal() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"event_rate": 0}, "event_rate must be above 0 and at most 1, got 0"),
        ({"event_rate": 1.2}, "event_rate must be above 0"),
        ({"event_rate": np.nan}, "event_rate must be above 0"),
        ({"weibull_shape": 0}, "weibull_shape must be positive"),
        ({"longest_follow_up": -1}, "longest_follow_up must be a positive number"),
        ({"dropout_rate": 1}, "dropout_rate must be at least 0 and below 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate_follow_up(np.zeros(5), **arguments)


@pytest.mark.parametrize(
    ("log_risk", "message"),
    [
        ([0.0, np.nan, np.inf], "2 of 3 values are NaN or infinite.*sample 1"),
        ([], "log_risk is empty"),
        (np.zeros((3, 2)), "1d array"),
    ],
)
def test_bad_risks_are_named(log_risk, message):
    with pytest.raises(ValueError, match=message):
        simulate_follow_up(log_risk)
