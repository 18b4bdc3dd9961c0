"""A fitted model at a new site: the ladder takes the step that is needed, no more."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.base import BaseEstimator, clone
from sksurv.functions import StepFunction
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.calibration import RecalibratedSurvival, recalibrate
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.validation import validate

RATE, GRID = 0.05, np.linspace(0.05, 12, 240)


class Known(BaseEstimator):
    """Hazards of RATE * exp(X), as a fitted model of another site."""

    def predict(self, X):
        return np.asarray(X)[:, 0]

    def predict_survival_function(self, X):
        hazard = RATE * np.exp(self.predict(X))
        return [StepFunction(GRID, np.exp(-h * GRID)) for h in hazard]


def site(n, seed, *, factor=1.0, slope=1.0, shape=1.0):
    """A cohort whose hazards are those of the model, changed."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 1))
    rate = RATE * factor * np.exp(slope * X[:, 0])
    event_time = (rng.exponential(1, n) / rate) ** (1 / shape)
    end = rng.uniform(2, 10, n)
    return X, Surv.from_arrays(event_time <= end, np.minimum(event_time, end))


CHANGES = {
    "none": {},
    "in-the-large": {"factor": 2.0},
    "slope": {"slope": 0.5, "factor": 1.5},
    "baseline": {"shape": 2.0, "factor": 0.3},
}


@pytest.mark.parametrize("step", CHANGES)
def test_the_step_that_is_needed_is_taken(step):
    X, y = site(2500, 0, **CHANGES[step])
    model = recalibrate(Known(), X, y)
    assert model.method_ == step
    X, y = site(2500, 1, **CHANGES[step])
    table = validate(model, X, y, times=5, n_bootstrap=40, random_state=0).table
    for measure in ("observed / expected", "calibration slope"):
        row = table.loc[(5.0, measure)]
        assert row["low"] < 1 < row["high"], measure
        assert row["value"] == pytest.approx(1, abs=0.15), measure


@pytest.mark.parametrize("step", ["in-the-large", "slope", "baseline"])
def test_without_the_step_the_risks_are_wrong(step):
    X, y = site(2500, 1, **CHANGES[step])
    model = recalibrate(Known(), X, y, method="none")
    row = validate(model, X, y, times=5, n_bootstrap=40, random_state=0).table
    wrong = [
        not row.loc[(5.0, m), "low"] < 1 < row.loc[(5.0, m), "high"]
        for m in ("observed / expected", "calibration slope")
    ]
    assert any(wrong)


def test_a_right_model_is_changed_as_seldom_as_the_level_says():
    changed = [
        recalibrate(Known(), *site(300, seed)).method_ != "none" for seed in range(200)
    ]
    assert binom.ppf(0.001, 200, 0.05) <= sum(changed) <= binom.ppf(0.999, 200, 0.05)


def test_the_numbers_are_those_of_the_poisson_model():
    X, y = site(2000, 0, factor=2.0)
    model = recalibrate(Known(), X, y, method="in-the-large")
    expected = (RATE * np.exp(X[:, 0]) * y["time"]).sum()
    # The curve is a step function on a grid of 0.05.
    assert model.factor_ == pytest.approx(y["event"].sum() / expected, rel=0.02)
    assert model.slope_ == 1
    slope = recalibrate(Known(), *site(4000, 0, slope=0.5), method="slope").slope_
    assert slope == pytest.approx(0.5, abs=0.08)


def test_none_changes_nothing():
    X, y = site(300, 0)
    model = recalibrate(Known(), X, y, method="none")
    np.testing.assert_allclose(
        model.predict_survival_at(X, 5.0),
        [curve(5.0) for curve in Known().predict_survival_function(X)],
    )
    assert np.corrcoef(model.predict(X), Known().predict(X))[0, 1] == pytest.approx(1)


class Encoded(Known):
    """The features of an encoder, of which the old head takes the wrong one."""

    def transform(self, X):
        return np.asarray(X)


def test_a_refitted_head_reads_what_the_old_one_left():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1600, 12))
    event_time = rng.exponential(1, 1600) / (RATE * np.exp(X[:, 3] - 0.5 * X[:, 7]))
    y = Surv.from_arrays(event_time <= 6, np.minimum(event_time, 6))
    here, there = slice(0, 600), slice(600, None)
    model = recalibrate(Encoded(), X[here], y[here], method="refit-head")
    assert model.score(X[there], y[there]) > 0.7
    table = validate(
        model, X[there], y[there], times=5, n_bootstrap=40, random_state=0
    ).table
    for measure in ("observed / expected", "calibration slope"):
        assert table.loc[(5.0, measure), "value"] == pytest.approx(1, abs=0.2), measure


def test_without_signal_a_refitted_head_says_little():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 12))
    y = Surv.from_arrays(rng.random(300) < 0.2, rng.uniform(1, 9, 300))
    model = recalibrate(Encoded(), X, y, method="refit-head")
    assert np.ptp(model.predict(X)) < 1.0


def test_a_refitted_head_wants_ten_events():
    X, y = site(50, 0)
    y["event"] = np.arange(50) < 9
    with pytest.raises(ValueError, match="at least 10 events, but y holds 9"):
        recalibrate(Encoded(), X, y, method="refit-head")


def test_a_clone_keeps_the_fitted_model():
    model = RecalibratedSurvival(Known(), method="slope")
    assert clone(model).estimator is model.estimator
    assert clone(model).get_params()["method"] == "slope"


def test_too_few_events_are_refused():
    X, y = site(50, 0)
    y["event"] = False
    y["event"][0] = True
    with pytest.raises(ValueError, match="needs events, but y holds 1"):
        recalibrate(Known(), X, y)


def test_a_recalibrated_network_is_saved_and_loaded(tmp_path):
    cohort = make_ecg_cohort(
        60, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )
    network = DualAttentionSurvival(max_epochs=1, n_members=1, random_state=0)
    network.fit(cohort.X, cohort.y)
    for method in ("slope", "baseline", "refit-head"):
        model = recalibrate(network, cohort.X, cohort.y, method=method)
        path = tmp_path / f"{method}.safetensors"
        model.save(path)
        loaded = RecalibratedSurvival.load(path)
        times = model.unique_times_[:3]
        np.testing.assert_array_equal(
            loaded.predict_survival_at(cohort.X, times),
            model.predict_survival_at(cohort.X, times),
        )
    with pytest.raises(TypeError, match="Cannot save a calibrated Known"):
        recalibrate(Known(), *site(300, 0)).save(tmp_path / "b.safetensors")


def late_site(n, seed, **changes):
    """The same, of whom everyone is seen from a time of their own on."""
    X, y = site(20 * n, seed, **changes)
    entry = np.random.default_rng(seed + 100).uniform(0, 6, len(X))
    seen = np.flatnonzero(y["time"] > entry)[:n]
    return X[seen], y[seen], entry[seen]


@pytest.mark.parametrize("step", CHANGES)
def test_nothing_is_expected_before_the_entry(step):
    X, y, entry = late_site(2500, 0, **CHANGES[step])
    model = recalibrate(Known(), X, y, entry=entry)
    assert model.method_ == step
    changes = {"factor": 1.0, "slope": 1.0, "shape": 1.0} | CHANGES[step]
    rate = RATE * changes["factor"] * np.exp(changes["slope"] * X[:, 0])
    early = entry < 3
    truth = 1 - np.exp(
        -rate * (4 ** changes["shape"] - np.minimum(entry, 4) ** changes["shape"])
    )

    def error(model):
        risk = 1 - model.predict_survival_at(X[early], 4, entry=entry[early])
        return risk.mean() / truth[early].mean() - 1

    assert error(model) == pytest.approx(0, abs=0.07)
    # As if all had been watched from 0 on, events seem rarer than they are.
    naive = recalibrate(Known(), X, y, method=step if step != "none" else "auto")
    assert error(naive) < -0.2
    assert model.censoring_.since_entry_


def test_a_refitted_head_knows_who_was_at_risk():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 2))
    # Whoever enters late has a high first feature, and no higher risk for it.
    entry = np.clip(2 + X[:, 0], 0, 5)
    time = rng.exponential(1, 700) / (RATE * np.exp(X[:, 1]))
    end = entry + 4
    seen = time > entry
    y = Surv.from_arrays(time <= end, np.minimum(time, end))
    X, y, entry = X[seen], y[seen], entry[seen]
    right, naive = (
        recalibrate(Encoded(), X, y, method="refit-head", entry=e)
        for e in (entry, None)
    )
    assert abs(right.head_.weights_[0]) < 0.15
    assert naive.head_.weights_[0] < -0.3
    assert right.score(X, y, entry=entry) > naive.score(X, y, entry=entry)
