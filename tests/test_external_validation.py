"""External validation, subgroups, age and incremental value, against known truths."""

import lifelines
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator
from sksurv.util import Surv

from ecgdan_sk.metrics import brier_score, calibration, concordance_index
from ecgdan_sk.plotting import ForestDisplay
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.validation import (
    Robustness,
    age_dependence,
    incremental_value,
    subgroups,
    validate,
)
from ecgdan_sk.validation._cox import fit_cox, null_log_likelihood
from ecgdan_sk.validation._predictions import risks_by
from ecgdan_sk.validation._subgroups import _cochran

RATE = 0.05


class Exponential(BaseEstimator):
    """A model that knows hazards: a log risk of X @ weights, times a factor."""

    def __init__(self, weights, factor=1.0, slope=1.0):
        self.weights = weights
        self.factor = factor
        self.slope = slope

    def predict(self, X):
        return self.slope * (np.asarray(X) @ self.weights)

    def predict_risk(self, X, time):
        return -np.expm1(-time * RATE * self.factor * np.exp(self.predict(X)))


def simulated(n, weights, seed=0, n_copies=1):
    """Columns, outcomes of exponential hazards, and patients."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, len(weights)))
    event_time = rng.exponential(1 / (RATE * np.exp(X @ weights)))
    end = rng.uniform(2, 8, n)
    y = Surv.from_arrays(event_time <= end, np.minimum(event_time, end))
    rows = np.repeat(np.arange(n), n_copies)
    return X[rows], y[rows], rows


WEIGHTS = np.array([1.0, 0.5])


@pytest.fixture(scope="module")
def cohort():
    return simulated(1500, WEIGHTS)


def test_a_right_model_is_found_right(cohort):
    X, y, _ = cohort
    report = validate(
        Exponential(WEIGHTS), X, y, times=[3, 5], n_bootstrap=60, random_state=0
    )
    table = report.table
    for time in (3.0, 5.0):
        for name, ideal in (
            ("observed / expected", 1),
            ("calibration slope", 1),
            ("calibration intercept", 0),
        ):
            row = table.loc[(time, name)]
            assert row["low"] < ideal < row["high"], name
    assert (table["low"] <= table["value"] + 0.02).all()
    assert report.cohort.loc[0, "events"] == y["event"].sum()


@pytest.mark.parametrize(
    ("model", "measure", "expected"),
    [
        (Exponential(WEIGHTS, factor=2.0), "observed / expected", 0.57),
        (Exponential(WEIGHTS, slope=2.0), "calibration slope", 0.5),
    ],
)
def test_a_wrong_model_is_found_wrong(cohort, model, measure, expected):
    X, y, _ = cohort
    report = validate(model, X, y, times=4, n_bootstrap=40, random_state=0)
    row = report.table.loc[(4.0, measure)]
    assert row["value"] == pytest.approx(expected, rel=0.15)
    assert row["high"] < 1


def test_values_are_those_of_the_metrics(cohort):
    X, y, _ = cohort
    model = Exponential(WEIGHTS)
    table = validate(model, X, y, times=4, n_bootstrap=0).table["value"]
    risk = model.predict_risk(X, 4)
    assert table.xs("Harrell's C", level=1).item() == concordance_index(
        y, model.predict(X)
    )
    assert table[4.0, "ICI"] == calibration(y, risk, time=4, n_bins=1).ici
    brier = brier_score(y, 1 - risk[:, None], times=[4])[0]
    assert table[4.0, "Brier"] == pytest.approx(brier)
    assert 0 < table[4.0, "IPA"] < 1


def test_copies_of_recordings_do_not_narrow_the_intervals():
    X, y, patients = simulated(200, WEIGHTS, n_copies=4)
    wide, narrow = (
        validate(
            Exponential(WEIGHTS),
            X,
            y,
            times=4,
            groups=g,
            n_bootstrap=80,
            random_state=0,
        ).table.loc[(4.0, "observed / expected")]
        for g in (patients, None)
    )
    ratio = (wide["high"] - wide["low"]) / (narrow["high"] - narrow["low"])
    assert ratio == pytest.approx(2, rel=0.3)


def test_a_reference_is_compared_on_the_same_cohorts(cohort):
    X, y, _ = cohort
    weak = Exponential(np.array([0.0, 0.5]))
    report = validate(
        Exponential(WEIGHTS),
        X,
        y,
        times=4,
        reference=weak,
        n_bootstrap=40,
        random_state=0,
    )
    row = report.table.loc[(4.0, "AUC")]
    assert row["difference"] == pytest.approx(row["value"] - row["reference"])
    assert 0 < row["difference_low"] < row["difference"] < row["difference_high"]
    assert "reference" in report.decision_curve
    text = report.to_markdown()
    assert "| 4 days | AUC | 0." in text
    assert "difference (95 % interval)" in text


def test_results_do_not_depend_on_the_number_of_jobs(cohort):
    X, y, _ = cohort
    with parallel_config("threading"):
        one, two = (
            validate(
                Exponential(WEIGHTS),
                X[:300],
                y[:300],
                times=4,
                n_bootstrap=20,
                n_jobs=n,
                random_state=3,
            ).to_frame()
            for n in (1, 2)
        )
    pd.testing.assert_frame_equal(one, two)


def test_competing_causes_are_validated_by_cumulative_incidence():
    rng = np.random.default_rng(0)
    n = 3000
    first, other = rng.exponential(1 / 0.1, n), rng.exponential(1 / 0.1, n)
    end = rng.uniform(4, 8, n)
    time = np.minimum(np.minimum(first, other), end)
    y = np.empty(n, dtype=[("event", int), ("time", float)])
    y["event"] = np.where(time == end, 0, np.where(first < other, 1, 2))
    y["time"] = time

    class Incidence(BaseEstimator):
        def predict(self, X):
            return X[:, 0]

        def predict_risk(self, X, time):
            return np.full(len(X), (1 - np.exp(-0.2 * time)) / 2)

    X = rng.normal(size=(n, 1))
    report = validate(Incidence(), X, y, times=3, n_bootstrap=40, random_state=0)
    row = report.table.loc[(3.0, "observed / expected")]
    assert row["low"] < 1 < row["high"]
    assert (3.0, "Brier") not in report.table.index
    assert any("cumulative incidences" in note for note in report.notes)


def test_few_events_and_outcomes_are_told():
    X, y, _ = simulated(200, WEIGHTS)
    report = validate(Exponential(WEIGHTS), X, y, times=4, n_bootstrap=0)
    assert any("fewer than 100" in note for note in report.notes)
    counts = report.distribution["n"]
    assert counts.sum() == 200
    median = report.distribution["median"]
    assert median[4.0, "event"] > median[4.0, "no event"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": 9}, "Cannot validate at time 9: follow-up runs to"),
        ({"times": 1e-6}, "Nobody of 200 had the event by time 1e-06"),
        ({"groups": [1, 2]}, "Expected groups of shape .200,."),
        ({"fitted_to": [1]}, "patients of X are not known"),
    ],
)
def test_impossible_validations_are_refused(change, message):
    X, y, _ = simulated(200, WEIGHTS)
    with pytest.raises(ValueError, match=message):
        validate(Exponential(WEIGHTS), X, y, **({"times": 4} | change))


def test_patients_seen_before_are_warned_of():
    X, y, patients = simulated(200, WEIGHTS)
    with pytest.warns(UserWarning, match="3 of these 200 recordings are of patients"):
        validate(
            Exponential(WEIGHTS),
            X,
            y,
            times=4,
            groups=patients,
            fitted_to=[0, 1, 2, 999],
            n_bootstrap=0,
        )


def test_the_small_cox_model_is_that_of_lifelines(cohort):
    X, y, _ = cohort
    fit = fit_cox(X, y["event"], y["time"])
    table = pd.DataFrame(X, columns=["a", "b"]).assign(event=y["event"], time=y["time"])
    theirs = lifelines.CoxPHFitter().fit(table, "time", "event")
    np.testing.assert_allclose(fit.coef, theirs.params_, rtol=2e-5)
    np.testing.assert_allclose(fit.error, theirs.standard_errors_, rtol=1e-4)
    assert fit.log_likelihood == pytest.approx(theirs.log_likelihood_, abs=1e-6)
    gain = 2 * (fit.log_likelihood - null_log_likelihood(y["event"], y["time"]))
    statistic = theirs.log_likelihood_ratio_test().test_statistic
    assert gain == pytest.approx(statistic, abs=1e-5)


def test_a_planted_increment_is_found_and_noise_is_not(cohort):
    X, y, _ = cohort
    weak = Exponential(np.array([0.0, 0.5]))
    found = incremental_value(
        Exponential(WEIGHTS), weak, X, y, times=4, n_bootstrap=40, random_state=0
    )
    assert found.p_value < 1e-6
    assert found.differences.loc[(4.0, "IPA"), "low"] > 0
    assert found.reclassification.loc[4.0, "idi"] > 0.02
    assert "useless" in found.warning
    p_values = []
    for seed in range(25):
        X_null, y_null, _ = simulated(300, np.array([0.0, 0.5, 0.0]), seed=seed)
        model = Exponential(np.array([0.0, 0.5, 0.3]))
        reference = Exponential(np.array([0.0, 0.5, 0.0]))
        p_values.append(
            incremental_value(
                model, reference, X_null, y_null, times=4, n_bootstrap=0
            ).p_value
        )
    assert 0.0 <= np.mean(np.array(p_values) < 0.05) <= 0.2
    assert 0.2 < np.mean(np.array(p_values) < 0.5) < 0.8


def test_the_likelihood_ratio_is_that_of_lifelines(cohort):
    X, y, _ = cohort
    model, weak = Exponential(WEIGHTS), Exponential(np.array([0.0, 0.5]))
    found = incremental_value(model, weak, X, y, times=4, n_bootstrap=0)
    table = pd.DataFrame({"old": weak.predict(X), "new": model.predict(X)}).assign(
        event=y["event"], time=y["time"]
    )
    fitter = lifelines.CoxPHFitter
    both = fitter().fit(table, "time", "event").log_likelihood_
    alone = fitter().fit(table.drop(columns="new"), "time", "event").log_likelihood_
    assert found.likelihood_ratio == pytest.approx(2 * (both - alone), abs=1e-5)


def test_a_planted_disparity_is_found(cohort):
    X, _, _ = cohort
    rng = np.random.default_rng(5)
    women = rng.random(len(X)) < 0.5
    hazard = RATE * np.exp(X @ WEIGHTS) * np.where(women, 2.0, 1.0)
    event_time, end = rng.exponential(1 / hazard), rng.uniform(2, 8, len(X))
    y = Surv.from_arrays(event_time <= end, np.minimum(event_time, end))
    found = subgroups(
        Exponential(WEIGHTS),
        X,
        y,
        by=np.where(women, "women", "men"),
        times=4,
        n_bootstrap=60,
        random_state=0,
    )
    assert found.tests.loc[(4.0, "observed / expected"), "p_value"] < 0.001
    assert found.tests["p_value"].xs("Harrell's C", level=1).item() > 0.001
    value = found.table["value"]
    assert value["women", 4.0, "observed / expected"] > 1.4
    assert value["men", 4.0, "observed / expected"] == pytest.approx(1, abs=0.25)
    assert found.table["n_samples"].groupby("group").first().sum() == len(X)


def test_the_test_of_heterogeneity_has_its_level():
    rng = np.random.default_rng(0)
    errors = np.array([0.1, 0.2, 0.4])
    p_values = [_cochran(rng.normal(1, errors), errors)[2] for _ in range(2000)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.015)
    assert _cochran(1 + 5 * errors * [-1, 0, 1], errors)[2] < 1e-4


def test_small_and_missing_groups_are_flagged_rather_than_hidden(cohort):
    X, y, _ = cohort
    by = np.full(len(X), "a", dtype=object)
    by[:700], by[-30:], by[-32:-30] = "b", "rare", None
    covariates = pd.DataFrame({"site": by})
    records = ECGRecords(np.zeros((len(X), 12, 2)), covariates=covariates)

    class Held(Exponential):
        def predict(self, _):
            return super().predict(X)

    found = subgroups(
        Held(WEIGHTS), records, y, by="site", times=4, n_bootstrap=20, random_state=0
    )
    first = found.table.groupby("group").first()
    assert first["is_small"].to_dict() == {
        "a": False,
        "b": False,
        "missing": True,
        "rare": True,
    }
    assert found.tests["df"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="X has no covariate 'device' .it has site."):
        subgroups(Held(WEIGHTS), records, y, by="device", times=4, n_bootstrap=20)
    with pytest.raises(ValueError, match="one group, '1'"):
        subgroups(
            Exponential(WEIGHTS), X, y, by=np.ones(len(X)), times=4, n_bootstrap=20
        )


def test_a_risk_that_is_age_has_nothing_left_beside_age():
    rng = np.random.default_rng(0)
    n = 1500
    age, shape = rng.uniform(40, 80, n), rng.normal(size=n)
    hazard = RATE * np.exp((age - 60) / 12 + 0.7 * shape)
    event_time, end = rng.exponential(1 / hazard), rng.uniform(2, 8, n)
    y = Surv.from_arrays(event_time <= end, np.minimum(event_time, end))
    by_age, by_shape = (
        age_dependence(
            Exponential(np.array(w)), np.c_[(age - 60) / 12, shape], y, age=age
        )
        for w in ([1.0, 0.0], [0.0, 0.7])
    )
    assert by_age.correlation == pytest.approx(1)
    assert by_age.c_index == pytest.approx(by_age.c_index_of_age)
    assert by_age.c_index_adjusted < 0.6 < by_age.c_index
    assert abs(by_shape.correlation) < 0.1
    ratios = by_shape.hazard_ratios
    assert ratios.loc["risk, beside age", "hazard_ratio"] == pytest.approx(
        np.exp(0.7), rel=0.1
    )
    assert by_shape.by_band["n_samples"].sum() == n


def test_ages_that_are_not_known_are_refused(cohort):
    X, y, _ = cohort
    with pytest.raises(ValueError, match="age of the patients is not known"):
        age_dependence(Exponential(WEIGHTS), X, y)
    with pytest.raises(ValueError, match="age of 1 of 1500 patients is missing"):
        age_dependence(
            Exponential(WEIGHTS), X, y, age=np.r_[np.nan, np.full(1499, 50.0)]
        )


def test_the_page_tells_all_and_lets_nothing_in(tmp_path):
    X, y, _ = simulated(300, WEIGHTS)
    covariates = pd.DataFrame(
        {"age": np.arange(300.0) % 50 + 30, "<script>x</script>": np.arange(300) % 2}
    )
    covariates["name"] = "Jane Doe"
    covariates.loc[:4, "age"] = np.nan

    class Held(Exponential):
        def predict(self, _):
            return super().predict(X)

    records = ECGRecords(np.zeros((300, 12, 2)), covariates=covariates)
    report = validate(
        Held(WEIGHTS), records, y, times=[3, 4], n_bootstrap=10, random_state=0
    )
    path = report.save_html(tmp_path / "page.html", title="Site <b>")
    text = path.read_text(encoding="utf-8")
    for said in ("Site &lt;b&gt;", "Calibration at 3 days", "Decision curve at 4 days"):
        assert said in text
    assert "<script" not in text
    assert "Jane" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<tr>") > 27
    assert text.count("to be written by you") == 27 - 7
    assert report.table_one.loc["age missing", "All"] == "5"


def test_the_page_is_seen_wide_and_on_a_phone(seen, tmp_path):
    X, y, _ = simulated(300, WEIGHTS)
    table = pd.DataFrame({"age": np.arange(300) % 50 + 30})
    records = ECGRecords(np.zeros((300, 12, 2)), covariates=table)

    class Held(Exponential):
        def predict(self, _):
            return super().predict(X)

    report = validate(Held(WEIGHTS), records, y, times=[3, 4], n_bootstrap=0)
    assert seen(report.save_html(tmp_path / "page.html")) == []


def test_groups_and_changes_are_drawn(cohort):
    X, y, _ = cohort
    by = np.where(np.arange(len(X)) < len(X) - 20, "many", "few")
    found = subgroups(
        Exponential(WEIGHTS), X, y, by=by, times=4, n_bootstrap=20, random_state=0
    )
    drawn = ForestDisplay.from_subgroups(
        found, "calibration slope", time=4, reference=1.0
    )
    names = [tick.get_text() for tick in drawn.ax_.get_yticklabels()]
    assert [name.split(" (")[0] for name in names] == ["few", "many"]
    assert drawn.is_small.tolist() == [1, 0]
    value = found.table["value"]["many", 4.0, "calibration slope"]
    assert drawn.values[1] == value
    assert drawn.ax_.get_xlabel() == "calibration slope, 4 days"
    with pytest.raises(ValueError, match="no measure 'AUC' at time None"):
        ForestDisplay.from_subgroups(found, "AUC")
    table = pd.DataFrame({"changed_third": [0.1, 0.2]}, index=["a", "b"])
    drawn = ForestDisplay.from_robustness(Robustness(table, None))
    assert drawn.ax_.get_xlabel() == "changed third"
    plt.close("all")


def test_a_risk_that_rounding_carries_past_one_is_one():
    class Certain:
        def predict_risk(self, X, time):
            return X + 1e-12

    risks = risks_by(Certain(), np.array([0.2, 1.0]), np.array([5.0]))
    assert risks.max() == 1.0
    assert risks[0, 0] == pytest.approx(0.2)
