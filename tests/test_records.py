"""ECGRecords: an array to scikit-learn, whose rows keep what belongs to them."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from ecgdan_sk.records import LEADS, ECGRecords, as_records


@pytest.fixture
def records():
    rng = np.random.default_rng(0)
    return ECGRecords(
        rng.standard_normal((6, 12, 50)).astype(np.float32),
        sampling_rate=100,
        covariates=pd.DataFrame({"age": np.arange(6)}, index=list("abcdef")),
        ids=np.arange(6) * 10,
        patient_ids=[0, 0, 1, 1, 2, 2],
    )


@pytest.mark.parametrize(
    "index", [slice(1, 4), [5, 0, 0], np.array([True, False] * 3), (np.array([2]), ...)]
)
def test_indexing_keeps_rows_together(records, index):
    rows = index[0] if isinstance(index, tuple) else index
    part = records[index]
    np.testing.assert_array_equal(np.asarray(part), records.signals[rows])
    np.testing.assert_array_equal(part.ids, records.ids[rows])
    np.testing.assert_array_equal(part.patient_ids, records.patient_ids[rows])
    np.testing.assert_array_equal(part.covariates["age"], np.arange(6)[rows])
    assert (part.sampling_rate, part.leads) == (100, LEADS)


def test_one_recording_by_number_says_what_to_write(records):
    with pytest.raises(IndexError, match=r"records\[\[i\]\]"):
        records[3]


def test_train_test_split(records):
    train, test = train_test_split(records, test_size=2, random_state=0)
    assert isinstance(train, ECGRecords)
    assert sorted([*train.ids, *test.ids]) == list(records.ids)


def test_slices_share_memory(records):
    assert np.shares_memory(records[2:].signals, records.signals)


def test_pickle_and_joblib(records, tmp_path):
    again = pickle.loads(pickle.dumps(records))
    np.testing.assert_array_equal(again.signals, records.signals)
    assert joblib.hash(again) == joblib.hash(records)


def test_leads_are_selected_by_name(records):
    chosen = records.select_leads(["V6", "I"])
    np.testing.assert_array_equal(chosen.signals, records.signals[:, [11, 0]])
    assert records.select_leads(LEADS) is records
    with_absent = chosen.select_leads(["I", "II"])
    assert np.isnan(with_absent.signals[:, 1]).all()
    np.testing.assert_array_equal(with_absent.signals[:, 0], records.signals[:, 0])
    with pytest.raises(ValueError, match="None of the leads X, Y, Z is recorded"):
        records.select_leads(["X", "Y", "Z"])


def test_arrays_are_named_by_the_twelve_leads(records):
    assert as_records(records) is records
    assert as_records(records.signals).leads == LEADS
    assert as_records(records.signals.tolist()).shape == (6, 12, 50)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signals": np.zeros((12, 50))}, r"signals\[None\]"),
        ({"signals": np.zeros((2, 8, 50))}, "8 leads without names"),
        ({"leads": LEADS[:11]}, "Expected 12 distinct lead names"),
        ({"leads": ["I"] * 12}, "Expected 12 distinct lead names"),
        ({"sampling_rate": 0}, "positive sampling rate"),
        ({"sampling_rate": np.nan}, "positive sampling rate"),
        ({"covariates": pd.DataFrame({"age": [1]})}, "covariates has 1 rows"),
        ({"ids": [1, 2, 3]}, "ids has 3 rows"),
        ({"ids": ["a", "a"]}, "1 of them are repeated: a"),
        ({"scale": 0}, "positive number or one for each of the 2 recordings"),
        ({"scale": [1.0, 2.0, 3.0]}, "one for each of the 2 recordings"),
        ({"patient_ids": [1, 2, 3]}, "patient_ids has 3 rows"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        ECGRecords(**{"signals": np.zeros((2, 12, 50)), **arguments})


def test_tables_are_matched_by_id(records):
    table = pd.DataFrame({"event": np.arange(6)}, index=records.ids[::-1])
    assert records.match(table)["event"].tolist() == [5, 4, 3, 2, 1, 0]
    assert records[[2, 2]].match(table[table.index == 20])["event"].tolist() == [3, 3]


def test_a_table_that_does_not_match_says_how_many_and_which(records):
    table = pd.DataFrame({"event": range(20)}, index=[*range(100, 118), 0, 0])
    with pytest.raises(ValueError, match="5 recordings have no row") as error:
        records.match(table)
    for text in (
        "10, 20, 30, 40, 50;",
        "18 rows of the table have no recording: 100, 101, 102, 103, 104, 105, 106, "
        "107, 108, 109, ...;",
        "1 ids are repeated in the table: 0.",
    ):
        assert text in str(error.value)
    with pytest.raises(ValueError, match="have no ids"):
        ECGRecords(records.signals).match(table)


def test_other_signals_keep_the_rest(records):
    twice = records[[1, 1]]
    changed = twice.with_signals(np.zeros((2, 12, 7)), 50)
    assert changed.shape == (2, 12, 7)
    assert (changed.sampling_rate, changed.ids.tolist()) == (50, [10, 10])
    with pytest.raises(ValueError, match="2 recordings and 12 leads"):
        twice.with_signals(np.zeros((3, 12, 7)))
