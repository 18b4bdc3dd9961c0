"""Outcomes as people have them: dtypes of y, and tables with dates and words."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival, outcomes
from ecgdan_sk._outcomes import (
    as_target,
    check_causes,
    check_outcome,
    check_survival,
    time_told,
)
from ecgdan_sk.baselines import survival_forest
from ecgdan_sk.calibration import CalibratedSurvival
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import bootstrap_ci, concordance_index
from ecgdan_sk.model_selection import EventKFold, out_of_fold
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.records._leads_and_ids import aligned_to

EVENT = [True, False, True, False]
DAYS = [10.5, 20.0, 30.0, 40.0]
DELTAS = pd.to_timedelta(DAYS, unit="D")


def structured(event, time):
    """A structured target that keeps the dtypes of its columns."""
    return pd.DataFrame({"event": event, "time": time}).to_records(index=False)


def of_fields(event, time):
    event, time = np.asarray(event), np.asarray(time)
    y = np.empty(len(time), dtype=[("event", event.dtype), ("time", time.dtype)])
    y["event"], y["time"] = event, time
    return y


@pytest.mark.parametrize("make", [pd.DataFrame, structured, of_fields])
@pytest.mark.parametrize(
    "time",
    [
        *(DELTAS.to_numpy().astype(f"m8[{unit}]") for unit in ("ns", "us", "s", "h")),
        np.array(DAYS, "float32"),
        np.array(DAYS, ">f8"),
        np.array([Decimal(str(day)) for day in DAYS]),
        np.array([dt.timedelta(days=day) for day in DAYS]),
        np.array(list(DELTAS), object),
        np.array(DAYS, object),
    ],
    ids=lambda time: str(time.dtype),
)
def test_times_of_any_dtype_are_days(make, time):
    if make is pd.DataFrame:
        y = pd.DataFrame({"event": EVENT, "time": time})
    else:
        y = make(EVENT, time)
    for check in (check_survival, check_causes):
        event, days = check(y)
        assert event.tolist() == EVENT
        assert days.dtype == np.float64
        assert days.flags.c_contiguous
        np.testing.assert_array_equal(days, DAYS)


@pytest.mark.parametrize(
    "dtype", ["Float64", "Float32", "category", "float64[pyarrow]"]
)
def test_times_of_pandas_own_dtypes_are_days(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    time = pd.Series(DAYS).astype(dtype)
    _, days = check_survival(pd.DataFrame({"event": EVENT, "time": time}))
    np.testing.assert_array_equal(days, DAYS)


def test_whole_days_stay_whole():
    time = np.array([10, 20, 30, 40], "m8[D]")
    assert check_survival(of_fields(EVENT, time))[1].tolist() == [10, 20, 30, 40]


@pytest.mark.parametrize(
    "event",
    [
        np.array(EVENT, int),
        np.array(EVENT, float),
        np.array(EVENT, object),
        np.array([Decimal(1), Decimal(0), Decimal(1), Decimal(0)]),
        pd.array(EVENT, "boolean"),
        pd.array([1, 0, 1, 0], "Int8"),
        pd.Categorical(EVENT),
    ],
    ids=lambda event: str(event.dtype),
)
def test_events_of_any_dtype_are_events(event):
    y = pd.DataFrame({"event": event, "days": DAYS})
    assert check_survival(y)[0].tolist() == EVENT


DATES = pd.to_datetime(["2020-01-01"] * 4)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (DATES, r"are dates, .*outcomes.from_table\(df, ecg_date="),
        (DATES.tz_localize("UTC"), "are dates"),
        (DATES.to_period("D"), "are dates"),
        ([dt.date(2020, 1, 1)] * 4, "are dates"),
        (["10", "20", "30", "40"], "hold '10' among 4 .*pandas.to_numeric"),
        (["2020-01-01"] * 4, "dates of|of dates"),
        ([True, True, True, False], "Is it the event"),
        ([1j] * 4, "complex128"),
        (
            pd.array([1, None, 3, 4], "Int64"),
            "1 of 4 are missing; .* sample 1.*contact",
        ),
        ([1.0, None, None, 4.0], "2 of 4 are missing; the first is sample 1"),
        ([Decimal(1), None, Decimal(2), Decimal(3)], "1 of 4 are missing"),
        (DELTAS.where([True, False, True, True]), "1 of 4 are missing"),
        ([1, 2, np.inf, 4], "1 of 4 are not finite"),
        ([1, 0, 3, 4], "1 of 4 are zero; the first is sample 1. Leave out .*had ended"),
        (
            DELTAS.asi8 if hasattr(DELTAS, "asi8") else None,
            "timedeltas cast to numbers",
        ),
    ],
)
def test_times_that_are_none_say_what_to_do(time, message):
    y = pd.DataFrame({"event": EVENT, "time": time})
    with pytest.raises(ValueError, match=message):
        check_survival(y)


def test_months_and_years_of_numpy_are_no_days():
    for unit in ("Y", "M"):
        y = of_fields(EVENT, np.array([1, 2, 3, 4], f"m8[{unit}]"))
        with pytest.raises(ValueError, match="months and years differ in length"):
            check_survival(y)


def test_surv_casts_timedeltas_which_is_seen():
    with pytest.raises(ValueError, match="timedeltas cast to numbers"):
        check_survival(Surv.from_arrays(EVENT, DELTAS.to_numpy()))


def test_masked_times_are_missing():
    y = np.ma.array(of_fields(EVENT, DAYS))
    y["time"][2] = np.ma.masked
    with pytest.raises(ValueError, match="1 of 4 are missing; the first is sample 2"):
        check_survival(y)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (["dead", "alive"] * 2, r"text such as 'dead'.*coding={'dead': True"),
        (pd.Categorical(["dead", "alive"] * 2), "text such as 'dead'"),
        (
            pd.array([True, None, True, False], "boolean"),
            "missing for 1 of 4 .*sample 1",
        ),
        ([1.0, np.nan, 0.0, 1.0], "missing for 1 of 4"),
        (DATES, "datetime64.*Is it the time"),
        ([0.5, 1.0, 0.0, 1.0], "event indicator"),
        ([2, 1, 0, 1], "Of competing causes"),
        ([-1, 1, 0, 1], "event indicator"),
    ],
)
def test_events_that_are_none_say_what_to_do(event, message):
    with pytest.raises(ValueError, match=message):
        check_survival(pd.DataFrame({"event": event, "time": DAYS}))


def test_a_table_of_two_columns_is_a_target_in_either_order():
    table = pd.DataFrame({"days": DAYS, "died": EVENT})
    expected = Surv.from_arrays(EVENT, DAYS).tolist()
    assert as_target(table).tolist() == expected
    assert as_target(table[["died", "days"]]).tolist() == expected
    table["died"] = table["died"].astype(int)
    assert as_target(table).tolist() == expected
    causes = pd.DataFrame({"event": [2, 0, 1, 0], "days": DAYS})
    assert as_target(causes)["event"].tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize(
    "table",
    [
        {"a": [1, 0], "b": [0, 1]},
        {"a": [True, False], "b": [False, True]},
        {"a": [3, 5], "b": [10, 20]},
        {"event": EVENT, "days": DAYS, "age": DAYS},
        {"event": EVENT},
    ],
)
def test_a_table_that_is_ambiguous_is_refused(table):
    with pytest.raises(ValueError, match="expected two, one of which is the event"):
        check_survival(pd.DataFrame(table))


@pytest.fixture(scope="module")
def study():
    """Features, days of 60 patients, and the same as timedeltas and as a table."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    days = np.ceil(1000 * rng.exponential(np.exp(-X[:, 0]))) + 1
    y = Surv.from_arrays(rng.random(60) < 0.6, days)
    deltas = of_fields(y["event"], pd.to_timedelta(days, unit="D").to_numpy())
    table = pd.DataFrame({"event": y["event"], "days": deltas["time"]})
    return X, y, [deltas, table]


def test_every_entrance_takes_timedeltas_and_tables(study):
    X, y, others = study
    forest = survival_forest()[-1].set_params(n_estimators=5)
    for other in others:
        assert concordance_index(other, X[:, 0]) == concordance_index(y, X[:, 0])
        np.testing.assert_array_equal(
            out_of_fold(forest, X, other, cv=2), out_of_fold(forest, X, y, cv=2)
        )
        one, two = (
            bootstrap_ci(concordance_index, z, X[:, 0], n_resamples=20, random_state=0)
            for z in (other, y)
        )
        assert one == two
        one, two = (CalibratedSurvival(forest, cv=2).fit(X, z) for z in (other, y))
        np.testing.assert_array_equal(one.predict(X), two.predict(X))
        np.testing.assert_array_equal(
            forest.fit(X, other).predict(X), forest.fit(X, y).predict(X)
        )


@pytest.mark.parametrize("per_year", [365.25, 12.0])
def test_years_and_months_are_mentioned(per_year):
    rng = np.random.default_rng(0)
    days = rng.integers(30, 4000 if per_year > 12 else 1500, 200)
    time = days / 365.25 * (1 if per_year > 12 else 12)
    y = Surv.from_arrays(rng.random(200) < 0.3, time)
    with pytest.warns(UserWarning, match="Multiply years by 365.25"):
        check_outcome(y)
    with pytest.warns(UserWarning, match="unit='years'"):
        check_outcome(Surv.from_arrays(y["event"], time.round(2)))
    check_outcome(Surv.from_arrays(y["event"], days))
    check_outcome(y, entry=time / 2)


def test_times_without_a_unit_are_left_alone():
    rng = np.random.default_rng(0)
    for time in (rng.exponential(size=500), rng.integers(1, 30, 500), [1.5, 2.5]):
        check_outcome(Surv.from_arrays(np.arange(len(time)) % 2 == 0, time))


@pytest.fixture
def visits():
    """Seven ECGs with dates, one for each thing that may happen."""
    return pd.DataFrame(
        {
            "ecg": "2015-01-01",
            "failure": [
                "2016-01-01",
                None,
                "2014-12-31",
                "2015-01-01",
                "2019-01-01",
                None,
                "2037-07-07",
            ],
            "seen": [
                "2018-01-01",
                "2017-01-01",
                "2018-01-01",
                "2018-01-01",
                "2020-01-01",
                "2015-01-01",
                "2018-01-01",
            ],
        },
        index=list("abcdefg"),
    )


DATED = {"ecg_date": "ecg", "event_date": "failure", "last_contact": "seen"}


def test_dates_become_days_and_everyone_is_counted(visits):
    outcome = outcomes.from_table(visits, **DATED, end="2018-12-31")
    assert outcome.y.tolist() == [(True, 365), (False, 731), (False, 1460)]
    assert outcome.y.dtype == Surv.from_arrays([True, False], [1.0, 2.0]).dtype
    assert outcome.rows.tolist() == [0, 1, 4]
    assert outcome.groups is None
    assert outcome.flow.to_numpy().tolist() == [
        ["rows in the table", 0, 7],
        ["1 dates taken as missing: placeholders, or still to come", 0, 7],
        ["date of the ECG not known", 0, 7],
        ["event without a date, or not known", 1, 6],
        ["event before the ECG", 1, 5],
        ["event on the day of the ECG", 1, 4],
        ["last contact not known", 0, 4],
        ["no follow-up after the ECG", 1, 3],
        ["1 events after the end of follow-up, not counted", 0, 3],
    ]


WRITTEN = {
    "dotted": lambda date: date.dt.strftime("%d.%m.%Y"),
    "slashes": lambda date: date.dt.strftime("%d/%m/%Y"),
    "American": lambda date: date.dt.strftime("%m/%d/%Y"),
    "digits": lambda date: date.dt.strftime("%Y%m%d"),
    "named": lambda date: date.dt.strftime("%d %b %Y"),
    "datetimes": lambda date: date,
    "dates": lambda date: date.dt.date,
    "aware": lambda date: date.dt.tz_localize("Europe/Berlin"),
    "offsets": lambda date: date.dt.strftime("%Y-%m-%dT%H:%M:%S+01:00"),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_dates_however_they_are_written_give_the_same(visits, write):
    expected = outcomes.from_table(visits, **DATED, end="2018-12-31")
    # With the thirty-first, each column tells the order of its numbers.
    other = {"z": ["2015-01-31", "2016-01-31", "2017-01-31"]}
    visits = pd.concat(
        [visits, pd.DataFrame(other, ["ecg", "failure", "seen"]).T], axis=0
    )
    told = visits.apply(lambda column: write(pd.to_datetime(column)))
    outcome = outcomes.from_table(told, **DATED, end="2018-12-31")
    assert outcome.y[:-1].tolist() == expected.y.tolist()
    assert outcome.y[-1].tolist() == (True, 365)


def test_instants_are_compared_where_all_have_a_zone_and_a_time_of_day():
    table = pd.DataFrame(
        {
            "ecg": ["2020-03-01T23:00:00+00:00"] * 2,
            "failure": ["2020-03-03T01:00:00+02:00", None],
            "seen": ["2020-04-01T12:00:00Z", "2020-04-01T11:00:00+00:00"],
        }
    )
    outcome = outcomes.from_table(table, **DATED)
    assert outcome.y.tolist() == [(True, 1.0), (False, 30.5)]
    # Beside a date without a time of day, whole days by the clock on the wall count.
    table["failure"] = ["2020-03-03", None]
    assert outcomes.from_table(table, **DATED).y.tolist() == [(True, 2.0), (False, 31)]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("failure", ["01/02/2016"] * 7, r"'failure' may be day-first .*in row 'a': no"),
        (
            "failure",
            ["31/01/2016", "01/31/2016"] + [None] * 5,
            "some can only be",
        ),
        (
            "failure",
            [None, "soon"] + [None] * 5,
            "1 of 7 .*'failure'.*'soon' .* 'b'",
        ),
        ("seen", ["2018-02-30"] * 7, "7 of 7 values of 'seen'.*row 'a'"),
        ("seen", ["01.02.18"] * 7, "years of four digits"),
        ("ecg", [42005.0] * 7, "7 of 7 values of 'ecg' are no dates"),
        ("failure", ["2014-01-01"] * 7, "Nobody remains.*\n.*"),
        ("failure", [None] * 7, "Nobody of 6 has the event after the ECG"),
    ],
)
def test_dates_that_cannot_be_used_say_why(visits, column, values, message):
    visits[column] = values
    with pytest.raises(ValueError, match=message):
        outcomes.from_table(visits, **DATED)


def test_what_is_ambiguous_is_read_as_told(visits):
    visits["failure"] = [None, "01/02/2016"] + [None] * 5
    for day_first, days in [(True, 396), (False, 366)]:
        outcome = outcomes.from_table(visits, **DATED, day_first=day_first)
        assert outcome.y[outcome.y["event"]]["time"].tolist() == [days]


def test_events_after_the_last_contact_are_warned_of(visits):
    visits.loc["a", "failure"] = "2019-01-01"
    visits.loc["b", "failure"] = "2016-01-01"
    with pytest.warns(UserWarning, match="1 of 7 events are dated after"):
        outcome = outcomes.from_table(visits, **DATED)
    assert outcome.y.tolist()[:2] == [(False, 1096), (True, 365)]


def test_death_competes_where_it_is_asked_for(visits):
    visits["death"] = [None, "2016-01-01", None, None, None, "2014-01-01", None]
    outcome = outcomes.from_table(visits, **DATED, end="2018-12-31", competing="death")
    assert outcome.y.tolist() == [(1, 365), (2, 365), (0, 1460)]


def test_the_last_contact_may_be_the_date_of_the_event(visits):
    visits["died"] = ["yes", "no", "no", "YES", None, "no", "no"]
    outcome = outcomes.from_table(
        visits, event="died", ecg_date="ecg", last_contact="seen"
    )
    assert outcome.rows.tolist() == [0, 1, 2, 3, 6]
    assert outcome.y.tolist()[:2] == [(True, 1096), (False, 731)]
    assert outcome.coding == {"yes": 1, "no": 0, "YES": 1}


def test_an_event_that_is_denied_but_dated_is_refused(visits):
    visits["died"] = ["yes", "no", "no", "yes", "yes", "no", "yes"]
    with pytest.raises(ValueError, match="1 rows say that there was no event.*row 'c'"):
        outcomes.from_table(visits, event="died", **DATED)


TIMES = {"event": "status", "time": "years"}


@pytest.mark.parametrize(
    ("status", "coding"),
    [
        (["dead", "alive", "Dead ", "alive", None], None),
        (["yes", "no", "yes", "no", "unknown"], None),
        ([1.0, 0.0, 1.0, 0.0, np.nan], None),
        (["1", "0", "1", "0", ""], None),
        ([2, 1, 2, 1, 9], {1: False, 2: True}),
        (["MACE", "none", "MACE", "none", None], {"MACE": True, "none": False}),
    ],
)
def test_words_and_numbers_say_what_happened(status, coding):
    table = pd.DataFrame({"status": status, "years": [2.0, 4.0, -1.0, 0.0, 8.0]})
    if coding and 9 in status:
        with pytest.raises(ValueError, match="'status' holds '9' in row 4"):
            outcomes.from_table(table, **TIMES, coding=coding, unit="years")
        table = table.iloc[:4]
    outcome = outcomes.from_table(table, **TIMES, coding=coding, unit="years")
    assert outcome.y.tolist() == [(True, 730.5), (False, 1461)]
    told = outcome.flow.set_index("step")["left_out"]
    assert told["event before the ECG or with it"] == 1
    assert told["no follow-up after the ECG"] == 1
    assert told["event or none: not known"] == len(table) - 4


@pytest.mark.parametrize(
    ("unit", "days"), [("days", 2), ("weeks", 14), ("months", 60.875), ("years", 730.5)]
)
def test_units_become_days(unit, days):
    table = pd.DataFrame({"status": [1, 0], "years": [2.0, 2.0]})
    assert (
        outcomes.from_table(table, **TIMES, unit=unit).y["time"].tolist() == [days] * 2
    )
    table["years"] = pd.to_timedelta([2, 2], unit="D")
    assert outcomes.from_table(table, **TIMES, unit=unit).y["time"].tolist() == [2, 2]


def test_causes_and_competing_events_come_through():
    table = pd.DataFrame({"status": [1, 0, 2], "years": [1, 2, 3], "died": [0, 1, 1]})
    assert outcomes.from_table(table, **TIMES).y["event"].tolist() == [1, 0, 2]
    table["status"] = [1, 0, 0]
    y = outcomes.from_table(table, **TIMES, competing="died").y
    assert y["event"].tolist() == [1, 2, 2]


def test_years_in_a_table_are_mentioned():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"status": [1, 0] * 50, "years": rng.uniform(0.1, 12, 100)})
    table["years"] = table["years"].round(1)
    with pytest.warns(UserWarning, match="unit='years'"):
        outcomes.from_table(table, **TIMES)
    outcomes.from_table(table, **TIMES, unit="years")


@pytest.mark.parametrize(
    ("keep", "rows"), [("first", [1, 4]), ("last", [2, 4]), ("all", [0, 1, 2, 4])]
)
def test_one_or_all_ecgs_of_a_patient(keep, rows):
    table = pd.DataFrame(
        {
            "patient": ["p", "p", "p", "q", "q"],
            "ecg": [
                "2015-03-01",
                "2015-01-01",
                "2015-05-01",
                "2016-01-01",
                "2014-01-01",
            ],
            "failure": ["2017-01-01"] * 3 + ["2015-01-01"] * 2,
            "seen": "2018-01-01",
        }
    )
    outcome = outcomes.from_table(table, **DATED, id="patient", keep=keep)
    assert outcome.rows.tolist() == rows
    assert outcome.groups.tolist() == table["patient"][rows].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event": "dead", "time": "seen"}, "event='dead' must name one column"),
        ({"time": "seen"}, "Got time; expected event and time; or"),
        ({"ecg_date": "ecg", "event_date": "failure"}, "one of last_contact and end"),
        ({**DATED, "keep": "first"}, "keep='first' needs id"),
        ({**DATED, "keep": "best"}, "keep must be one of all, first, last"),
        ({**DATED, "unit": "years"}, "goes with time"),
        ({**DATED, "end": "never"}, "1 of 1 values of 'end' are no dates"),
    ],
)
def test_wrong_arguments_say_what_to_do(visits, options, message):
    with pytest.raises(ValueError, match=message):
        outcomes.from_table(visits, **options)


def test_a_table_is_needed():
    with pytest.raises(TypeError, match="pandas DataFrame, got ndarray"):
        outcomes.from_table(np.zeros((2, 2)), event=0, time=1)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (["dead", "lost"], "'status' holds 'lost' in row 1.*coding="),
        ([1, 2], "as R codes them"),
        ([0.5, 1.0], "Is it the time"),
        ([0, 0], "Nobody of 2 has the event"),
    ],
)
def test_events_that_cannot_be_read_say_what_to_do(status, message):
    table = pd.DataFrame({"status": status, "years": [1.0, 2.0]})
    with pytest.raises(ValueError, match=message):
        outcomes.from_table(table, **TIMES)


def test_labels_that_occur_twice_do_no_harm(visits):
    expected = outcomes.from_table(visits, **DATED, end="2018-12-31")
    visits.index = ["a"] * 7
    outcome = outcomes.from_table(visits, **DATED, end="2018-12-31")
    assert outcome.y.tolist() == expected.y.tolist()


def test_the_network_takes_timedeltas_and_tables_as_days():
    cohort = make_ecg_cohort(40, duration=2.5, event_rate=0.5, random_state=0)
    X, y = cohort.X, cohort.y
    time = pd.to_timedelta(y["time"], unit="D").to_numpy()
    table = pd.DataFrame({"event": y["event"], "days": y["time"]})
    model = DualAttentionSurvival(n_members=1, max_epochs=1, random_state=0)
    expected = model.fit(X, y).predict_survival_at(X[:3], 365)
    assert (expected < 1).all()
    for other in (of_fields(y["event"], time), table):
        fitted = clone(model).fit(X, other)
        np.testing.assert_array_equal(fitted.predict_survival_at(X[:3], 365), expected)
        assert fitted.score(X, other) == model.score(X, y)
    cv = EventKFold(2, random_state=0)
    np.testing.assert_array_equal(
        cross_val_score(model, X, table, cv=cv), cross_val_score(model, X, y, cv=cv)
    )


def test_a_table_goes_with_the_ids_of_the_ecgs():
    X = ECGRecords(np.zeros((4, 12, 250)), 100, ids=list("abcd"))
    table = pd.DataFrame({"event": EVENT, "days": DAYS}, index=list("abcd"))
    (y,) = aligned_to(X, y=table.iloc[::-1])
    assert as_target(y).tolist() == Surv.from_arrays(EVENT, DAYS).tolist()


@pytest.mark.parametrize(
    ("time", "unit", "words"),
    [
        (365, "days", "1 year"),
        (1825, "days", "5 years"),
        (1826.25, "days", "5 years"),
        (3652.5, "days", "10 years"),
        (1, "days", "1 day"),
        (400, "days", "400 days"),
        (1828, "days", "1828 days"),
        (5, "years", "5 years"),
        (1, "months", "1 month"),
    ],
)
def test_whole_years_are_told_in_years(time, unit, words):
    assert time_told(time, unit) == words
