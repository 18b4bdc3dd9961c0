"""ECGRecords: an array to scikit-learn, whose rows keep what belongs to them."""

import pickle
from xml.etree import ElementTree

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk._architectures._weights import encoder_weights, starting_weights
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import check_leads, make_ecg_cohort
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import LEADS, ECGRecords, LazySignals
from ecgdan_sk.records._leads_and_ids import aligned_to, patient_groups
from ecgdan_sk.records._records import as_records


@pytest.fixture
def records():
    rng = np.random.default_rng(0)
    return ECGRecords(
        rng.standard_normal((6, 12, 50)).astype(np.float32),
        sampling_rate=100,
        covariates=pd.DataFrame({"age": np.arange(6)}, index=np.arange(6) * 10),
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


def test_iteration_gives_the_signals_of_each_recording(records):
    np.testing.assert_array_equal(np.stack(list(records)), np.asarray(records))


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


UPPER = [lead.upper() for lead in LEADS]


@pytest.mark.parametrize(
    "names",
    [
        UPPER,
        [lead.lower() for lead in LEADS],
        [f" Lead {lead}" for lead in LEADS],
        [f"MDC_ECG_LEAD_{lead}" for lead in UPPER],
        np.array(UPPER),
    ],
    ids=["upper", "lower", "lead", "mdc", "array"],
)
def test_names_of_leads_are_normalised_wherever_they_enter(records, tmp_path, names):
    named = ECGRecords(records.signals, 100, leads=names)
    assert named.leads == LEADS
    assert named.select_leads(names) is named
    assert records.select_leads(names[:3]).leads == LEADS[:3]
    named.save(tmp_path / "x")
    assert ECGRecords.open(tmp_path / "x").leads == LEADS


def test_names_of_further_leads_are_kept():
    further = ("v3r", "V7", "x", "CM5", "es")
    assert ECGRecords(np.zeros((1, 5, 9)), leads=further).leads == (
        *("V3R", "V7", "X", "CM5", "es"),
    )
    with pytest.raises(ValueError, match="2 distinct lead names.*aVR, aVR"):
        ECGRecords(np.zeros((1, 2, 9)), leads=["AVR", "aVR"])
    with pytest.raises(ValueError, match=r"Write \['II'\] for one lead"):
        ECGRecords(np.zeros((1, 2, 9))[:, :1], leads="II")


@pytest.fixture(scope="module")
def fitted():
    cohort = make_ecg_cohort(
        40, sampling_rate=100, duration=2.5, event_rate=0.5, random_state=0
    )
    model = DualAttentionSurvival(
        architecture=Compact(n_channels=4), n_members=1, max_epochs=1, random_state=0
    )
    return model.fit(cohort.X, cohort.y), cohort


def test_predictions_are_those_of_the_names_whatever_their_case(fitted):
    model, cohort = fitted
    np.testing.assert_array_equal(
        model.predict(ECGRecords(cohort.X[:], 100, leads=UPPER)),
        model.predict(ECGRecords(cohort.X[:], 100)),
    )


def test_swaps_are_found_whatever_the_case_of_the_names(fitted):
    X = fitted[1].X[:]
    X[:, [4, 5]] = X[:, [5, 4]]
    table = check_leads(ECGRecords(X, 100, leads=UPPER), on_error="ignore").table
    assert set(table["limb_leads"]) == {"aVL and aVF swapped"}


def test_encoder_weights_find_their_leads_whatever_their_case(fitted):
    model, cohort = fitted
    weights = encoder_weights(model.network_, model)
    upper = {**weights, "leads": tuple(UPPER)}
    for name, value in starting_weights(upper, model).items():
        np.testing.assert_array_equal(value, starting_weights(weights, model)[name])


def test_a_lead_of_fit_that_no_recording_has_is_warned_of(fitted):
    model, cohort = fitted
    strange = [*LEADS[:3], "R", *LEADS[4:]]
    records = ECGRecords(cohort.X[:], 100, leads=strange)
    with pytest.warns(UserWarning, match="X has no lead aVR, which the model"):
        expected = model.predict(records)
    np.testing.assert_array_equal(model.predict(records.select_leads(LEADS)), expected)


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


def labelled(n=6, seed=0):
    """Signals, ids, and a table of which each row tells its id, in another order."""
    ids = [f"p{i:02d}" for i in range(n)]
    table = pd.DataFrame({"age": np.arange(n, dtype=float)}, index=ids)
    return np.zeros((n, 12, 50)), ids, table.sample(frac=1, random_state=seed)


def test_tables_with_labels_are_put_in_the_order_of_the_ids():
    X, ids, table = labelled()
    patients = pd.Series(table["age"] // 2, name="patient")
    records = ECGRecords(X, 100, ids=ids, covariates=table, patient_ids=patients)
    assert records.covariates.index.tolist() == ids
    assert records.covariates["age"].tolist() == [0, 1, 2, 3, 4, 5]
    assert records.patient_ids.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_table_without_labels_is_taken_in_its_order():
    X, ids, table = labelled()
    plain = table.reset_index(drop=True)
    assert ECGRecords(X, ids=ids, covariates=plain).covariates is plain
    assert ECGRecords(X, covariates=table).covariates is table
    assert ECGRecords(X, ids=range(6), covariates=plain).covariates is plain


@pytest.mark.parametrize("name", ["covariates", "patient_ids"])
@pytest.mark.parametrize(
    "index",
    [list("abcdef"), [9, 4, 2, 0, 1, 3], [f"p{i:02d}" for i in [0, 0, 1, 2, 3, 4]]],
    ids=["others", "numbers", "repeated"],
)
def test_labels_that_are_not_the_ids_are_refused(name, index):
    X, ids, table = labelled()
    column = table["age"] if name == "patient_ids" else table
    plain = "to_numpy" if name == "patient_ids" else "reset_index"
    with pytest.raises(ValueError, match=rf"{name} is labelled .*{name}\.{plain}"):
        ECGRecords(X, ids=ids, **{name: column.set_axis(index)})


def test_a_plain_range_beside_shuffled_numbers_may_mean_either():
    X, _, table = labelled()
    with pytest.raises(ValueError, match="the order of its rows is unclear"):
        ECGRecords(X, ids=[3, 1, 2, 0, 5, 4], covariates=table.reset_index(drop=True))


def test_what_is_given_beside_records_is_aligned(fitted):
    model, cohort = fitted
    ids = [f"p{i:02d}" for i in range(40)]
    records = ECGRecords(cohort.X[:], 100, ids=ids)
    weight = pd.Series(np.linspace(1, 2, 40), index=ids)
    shuffled = weight.sample(frac=1, random_state=0)
    expected = model.score(records, cohort.y, sample_weight=weight.to_numpy())
    assert model.score(records, cohort.y, sample_weight=shuffled) == expected
    with pytest.raises(ValueError, match="sample_weight is labelled"):
        model.score(records, cohort.y, sample_weight=weight.set_axis(range(1, 41)))
    again = clone(model).fit(records, cohort.y, sample_weight=shuffled)
    np.testing.assert_array_equal(
        again.predict(records),
        clone(model).fit(records, cohort.y, sample_weight=weight).predict(records),
    )
    y = pd.DataFrame({"event": cohort.y["event"], "time": cohort.y["time"]}, index=ids)
    (found,) = aligned_to(records, y=y.iloc[::-1])
    pd.testing.assert_frame_equal(found, y)


def test_folds_by_labelled_groups_keep_patients_together(fitted):
    y = fitted[1].y
    ids = [f"p{i:02d}" for i in range(40)]
    records = ECGRecords(fitted[1].X[:], 100, ids=ids)
    patients = pd.Series(np.arange(40) // 2, index=ids)
    expected = list(EventKFold(2, random_state=0).split(records, y, patients.values))
    found = EventKFold(2, random_state=0).split(records, y, patients.iloc[::-1])
    for (_, one), (_, other) in zip(expected, found):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("missing", [None, np.nan, "", "  ", pd.NA, pd.NaT])
def test_missing_patients_are_groups_of_their_own(missing):
    with pytest.warns(UserWarning, match="2 of 6 recordings have no patient identif"):
        found = patient_groups(["b", missing, "a", "b", missing, "nan"])
    assert found.tolist() == [1, 3, 0, 1, 4, 2]


def test_patient_groups_of_numbers():
    assert patient_groups([30, 10, 30]).tolist() == [1, 0, 1]
    with pytest.warns(UserWarning, match="the first is 1"):
        assert patient_groups([30, np.nan, 30, None]).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("missing", [None, np.nan, ""])
def test_one_recording_without_patient_keeps_the_others_together(fitted, missing):
    cohort = fitted[1]
    patients = [f"p{i // 2}" for i in range(39)] + [missing]
    records = ECGRecords(cohort.X[:], 100, patient_ids=patients)
    with pytest.warns(UserWarning, match="1 of 40 recordings have no patient"):
        train, test = next(EventKFold(2, random_state=0).split(records, cohort.y))
    assert not set(train[train < 38] // 2) & set(test[test < 38] // 2)


def test_missing_patients_come_back_from_a_folder(records, tmp_path):
    pytest.importorskip("pyarrow")
    some = ECGRecords(records.signals, patient_ids=["a", None, "a", np.nan, "", "b"])
    some.save(tmp_path / "x")
    with pytest.warns(UserWarning, match="3 of 6"):
        found = patient_groups(ECGRecords.open(tmp_path / "x").patient_ids)
    assert found.tolist() == [0, 2, 0, 3, 4, 1]


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


def test_a_notebook_shows_three_ecgs_and_the_covariates():
    rng = np.random.default_rng(0)
    X = rng.normal(0, 0.2, (20, 12, 1000)).astype(np.float32)
    X[0, 3], X[1, 2, 100:150] = np.nan, np.nan
    covariates = pd.DataFrame(
        {"age": np.r_[np.nan, np.arange(40.0, 59)], "site": ["a<b>"] * 19 + [None]}
    )
    ids = ["<script>alert(1)</script>", *(f"p{i}" for i in range(19))]
    records = ECGRecords(X, 200, covariates=covariates, ids=ids, patient_ids=ids)
    page = records._repr_html_()
    tree = ElementTree.fromstring(page)
    assert [len(svg.findall("path")) for svg in tree.iter("svg")] == [11, 13, 12]
    assert "<script>" not in page
    cells = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")][1:]
    assert cells == [
        ["age", "median 49 (40 to 58)", "1"],
        ["site", "a<b>: 19", "1"],
    ]
    text = "".join(tree.itertext())
    assert "5 s each; 20 patients; in memory." in text
    assert "ECGRecords(20 ECGs, 12 leads, 1000 samples, 200 Hz)" in text
    first = tree.find(".//svg/path").get("d")
    y = -np.array([float(p.split()[1]) for p in first[1:].split("L")])
    drawn = X[0, 0, :500].reshape(-1, 500)[0]
    outline = [f(p) for p in np.array_split(drawn, 200) for f in (np.min, np.max)]
    np.testing.assert_allclose(
        y - y.mean(), 26 / 3 * (outline - np.mean(outline)), atol=0.1
    )


def test_a_notebook_shows_what_can_be_read():
    def gone(key):
        raise ValueError("<the file is gone>")

    page = ECGRecords(LazySignals(gone, ["a"], (12, 50)))._repr_html_()
    assert "cannot be read: &lt;the file is gone&gt;" in page
    assert "50 samples each" in page
    assert "read from where" in ECGRecords(LazySignals(gone, [], (12, 9)))._repr_html_()


def test_covariates_are_named_columns():
    X = np.zeros((3, 12, 10))
    records = ECGRecords(X, covariates={"age": [50, 60, 70]})
    assert records[1:].covariates["age"].tolist() == [60, 70]
    with pytest.raises(TypeError, match="DataFrame with one named column for each"):
        ECGRecords(X, covariates=np.zeros((3, 2)))
