"""load_ptbxl on a small copy of PTB-XL's layout, and on real recordings."""

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgdan_sk.datasets import load_ptbxl
from ecgdan_sk.records import LEADS

N = 6
STATEMENTS = pd.DataFrame(
    {
        "diagnostic": [1.0, 1.0, 1.0, 1.0, 1.0, np.nan],
        "diagnostic_class": ["NORM", "MI", "STTC", "CD", "HYP", np.nan],
    },
    index=["NORM", "IMI", "NDT", "LAFB", "LVH", "SR"],
)
CODES = [
    {"NORM": 100.0, "SR": 0.0},
    {"IMI": 35.0, "SR": 0.0},
    {"NDT": 0.0, "LAFB": 100.0},
    {"LVH": 50.0},
    {"SR": 0.0},
    {"IMI": 100.0, "NDT": 100.0},
]


@pytest.fixture
def signals():
    """ECGs of shape (N, 12, 5000) in mV whose samples are whole microvolts."""
    counts = np.random.default_rng(0).integers(-250, 250, size=(N, 12, 5000)) * 2
    i, ii = counts[:, 0], counts[:, 1]
    counts[:, 2:6] = np.stack([ii - i, -(i + ii) // 2, i - ii // 2, ii - i // 2], 1)
    return counts / 1000.0


def write_record(root, name, signal, *, fs, units="mV", leads=LEADS):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    wfdb.wrsamp(
        path.name,
        fs=fs,
        units=[units] * len(leads),
        sig_name=list(leads),
        p_signal=signal.T,
        fmt=["16"] * len(leads),
        adc_gain=[1000.0] * len(leads),
        baseline=[0] * len(leads),
        write_dir=str(path.parent),
    )


@pytest.fixture
def table():
    ids = np.arange(1, N + 1)
    return pd.DataFrame(
        {
            "patient_id": [11.0, 11.0, 12.0, 13.0, 14.0, 15.0],
            "age": [56.0, 57.0, 300.0, 89.0, np.nan, 17.0],
            "sex": [0.0, 0.0, 1.0, 1.0, 0.0, np.nan],
            "report": ["sinusrhythmus normales ekg"] * (N - 1) + [np.nan],
            "scp_codes": [str(codes) for codes in CODES],
            "strat_fold": [1.0, 1.0, 9.0, 9.0, 10.0, 10.0],
            "filename_lr": [f"records100/00000/{i:05d}_lr" for i in ids],
            "filename_hr": [f"records500/00000/{i:05d}_hr" for i in ids],
        },
        index=pd.Index(ids, name="ecg_id"),
    )


@pytest.fixture
def folder(tmp_path, table, signals):
    """A PTB-XL folder whose path holds a dot, as the released versions do."""
    root = tmp_path / "ptb-xl-1.0.3"
    for (_, row), signal in zip(table.iterrows(), signals):
        write_record(root, row["filename_lr"], signal[:, :1000], fs=100)
        write_record(root, row["filename_hr"], signal, fs=500)
    STATEMENTS.to_csv(root / "scp_statements.csv")
    table.to_csv(root / "ptbxl_database.csv")
    return root


@pytest.mark.parametrize(("sampling_rate", "n_times"), [(100, 1000), (500, 5000)])
def test_signals_come_back_in_mv(folder, signals, sampling_rate, n_times):
    X = load_ptbxl(folder, sampling_rate=sampling_rate).X
    assert X.shape == (N, 12, n_times)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(X, signals[:, :, :n_times].astype(np.float32))


def test_two_processes_read_the_same(folder):
    one, two = (load_ptbxl(str(folder), n_jobs=n_jobs) for n_jobs in (None, 2))
    np.testing.assert_array_equal(one.X, two.X)


def test_lazy_recordings_are_the_same(folder):
    lazy, ready = (load_ptbxl(folder, lazy=lazy).X for lazy in (True, False))
    assert isinstance(ready.signals, np.ndarray)
    assert not isinstance(lazy.signals, np.ndarray)
    np.testing.assert_array_equal(np.asarray(lazy), ready.signals)


def test_rate_and_identifiers_travel_with_the_recordings(folder):
    ptbxl = load_ptbxl(folder, sampling_rate=500)
    assert ptbxl.X.sampling_rate == 500
    assert ptbxl.X.ids.tolist() == ptbxl.ecg_id.tolist()
    assert ptbxl.X.patient_ids.tolist() == ptbxl.patient_id.tolist()
    assert ptbxl.X[3:].covariates.equals(ptbxl.covariates[3:])


def test_leads_are_ordered_by_their_names(folder, signals):
    order = np.random.default_rng(1).permutation(12)
    shuffled = [LEADS[i].upper() for i in order]
    ecg = signals[0, order, :1000]
    write_record(folder, "records100/00000/00001_lr", ecg, fs=100, leads=shuffled)
    X = load_ptbxl(folder).X
    np.testing.assert_array_equal(X.signals[0], signals[0, :, :1000].astype(np.float32))


def test_swapped_leads_are_told(folder, table, signals):
    signals[:, [4, 5]] = signals[:, [5, 4]]
    for name, signal in zip(table["filename_lr"], signals):
        write_record(folder, name, signal[:, :1000], fs=100)
    with pytest.warns(UserWarning, match="6 of 6 recordings: aVL and aVF swapped"):
        load_ptbxl(folder)


def test_table_comes_along_row_by_row(folder):
    ptbxl = load_ptbxl(folder)
    assert ptbxl.ecg_id.tolist() == [1, 2, 3, 4, 5, 6]
    assert ptbxl.patient_id.tolist() == [11, 11, 12, 13, 14, 15]
    assert ptbxl.fold.tolist() == [1, 1, 9, 9, 10, 10]
    assert ptbxl.scp_codes == CODES
    assert ptbxl.reports[-1] == ""
    np.testing.assert_array_equal(ptbxl.covariates["age"], [56, 57, 90, 89, np.nan, 17])
    np.testing.assert_array_equal(ptbxl.covariates["sex"], [0, 0, 1, 1, 0, np.nan])
    assert ptbxl.covariates.index.tolist() == ptbxl.superclasses.index.tolist()


def test_superclasses_are_those_of_the_diagnostic_statements(folder):
    superclasses = load_ptbxl(folder).superclasses
    assert superclasses.columns.tolist() == ["NORM", "MI", "STTC", "CD", "HYP"]
    assert superclasses.to_numpy().tolist() == [
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0],
        [0, 1, 1, 0, 0],
    ]


@pytest.mark.parametrize(("folds", "ids"), [(9, [3, 4]), ([1, 10], [1, 2, 5, 6])])
def test_folds_choose_rows(folder, signals, folds, ids):
    ptbxl = load_ptbxl(folder, folds=folds)
    assert ptbxl.ecg_id.tolist() == ids
    rows = np.array(ids) - 1
    np.testing.assert_array_equal(ptbxl.X, signals[rows, :, :1000].astype(np.float32))
    assert (
        len(ptbxl.reports) == len(ptbxl.scp_codes) == len(ptbxl.covariates) == len(ids)
    )


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("amplitudenkriterien f#r lvh", "amplitudenkriterien für lvh"),
        ("r-s #bergang in v", "r-s übergang in v"),
        (
            "f\x81r, h\x94g, st\x84lld, p\x86, schwei\xe1",
            "für, hög, ställd, på, schweiß",
        ),
        ("unbestÄtigter bericht Überdreht pÅ", "unbestätigter bericht überdreht på"),
        ("Edit: NORM 100, Übergang V4", "Edit: NORM 100, übergang V4"),
    ],
)
def test_damaged_letters_are_mended(folder, table, written, mended):
    table.assign(report=written).to_csv(folder / "ptbxl_database.csv")
    assert load_ptbxl(folder).reports == [mended] * N


@pytest.mark.parametrize(
    "report",
    [
        "sinus rhythm. normal ecg. Edit: NORM 100, schlechte Qualität V2,V3,V5",
        "ÄNDERUNG Änderung",
        "lead #2, bpm > 100, x#y",
        "ueberdrehter linkstyp 4.46   unbestätigter bericht",
    ],
)
def test_what_could_be_meant_is_left_alone(folder, table, report):
    table.assign(report=report).to_csv(folder / "ptbxl_database.csv")
    expected = report.replace("Änderung", "änderung")
    assert load_ptbxl(folder).reports == [expected] * N


def test_missing_recordings_are_named_in_one_error(folder):
    (folder / "records100/00000/00002_lr.hea").unlink()
    (folder / "records100/00000/00005_lr.dat").unlink()
    message = (
        "2 of 6 recordings lack .*: records100/00000/00002_lr, .*00005_lr[.] Comple"
    )
    with pytest.raises(FileNotFoundError, match=message):
        load_ptbxl(folder)
    assert len(load_ptbxl(folder, folds=9).X) == 2


def test_at_most_ten_missing_recordings_are_named(folder, table):
    more = pd.concat([table] * 3).assign(
        filename_lr=[f"r/{i}_lr" for i in range(3 * N)]
    )
    more.to_csv(folder / "ptbxl_database.csv")
    with pytest.raises(
        FileNotFoundError, match=r"18 of 18 .*r/9_lr, \.\.\.\. Complete"
    ):
        load_ptbxl(folder)


@pytest.mark.parametrize(
    "name",
    ["../00001_lr", "records100/../../secret", "/etc/passwd", "C:/secret", "..\\x"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(folder, table, name):
    table.assign(filename_lr=name).to_csv(folder / "ptbxl_database.csv")
    with pytest.raises(ValueError, match="lies outside of"):
        load_ptbxl(folder)


@pytest.mark.parametrize(
    "codes",
    [
        "__import__('os').getcwd()",
        "['NORM']",
        "{'NORM': 'high'}",
        "{'NORM': 101.0}",
        "{1: 100.0}",
        "{'NORM': ",
    ],
)
def test_codes_are_parsed_and_never_run(folder, table, codes):
    table.assign(scp_codes=codes).to_csv(folder / "ptbxl_database.csv")
    with pytest.raises(ValueError, match="scp_codes of ECG 1 must map"):
        load_ptbxl(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fs": 200}, "1000 samples at 200 Hz in mV"),
        ({"units": "uV"}, "1000 samples at 100 Hz in uV"),
        ({"leads": (*LEADS[:11], "V7")}, "lacks the lead V6"),
    ],
)
def test_a_recording_that_is_not_of_ptbxl_is_refused(folder, signals, change, message):
    options = {"fs": 100, **change}
    write_record(folder, "records100/00000/00001_lr", signals[0, :, :1000], **options)
    with pytest.raises(ValueError, match=message):
        load_ptbxl(folder)


def test_wrong_arguments_say_what_to_do(folder, tmp_path):
    with pytest.raises(ValueError, match="must be 100 or 500 Hz, got 250"):
        load_ptbxl(folder, sampling_rate=250)
    for folds in (2, [1, 11], []):
        with pytest.raises(ValueError, match=r"it has \[1, 9, 10\]"):
            load_ptbxl(folder, folds=folds)
    with pytest.raises(FileNotFoundError, match=r"no ptbxl_database\.csv .*physionet"):
        load_ptbxl(tmp_path)


def test_a_table_without_its_columns_is_refused(folder, table):
    table.drop(columns=["report", "age"]).to_csv(folder / "ptbxl_database.csv")
    with pytest.raises(ValueError, match="lacks the columns age, report"):
        load_ptbxl(folder)


@pytest.mark.realdata
@pytest.mark.parametrize("sampling_rate", [100, 500])
def test_real_recordings_equal_wfdb(ecgdan_data, sampling_rate):
    root = ecgdan_data / "ptbxl"
    ptbxl = load_ptbxl(root, sampling_rate=sampling_rate)
    assert ptbxl.X.shape == (343, 12, 10 * sampling_rate)
    suffix = {100: "lr", 500: "hr"}[sampling_rate]
    for i in range(0, 343, 49):
        name = f"{ptbxl.ecg_id[i]:05d}_{suffix}"
        signal, _ = wfdb.rdsamp(root / f"records{sampling_rate}/00000" / name)
        np.testing.assert_allclose(ptbxl.X.signals[i].T, signal, atol=1e-6)


@pytest.mark.realdata
def test_real_limb_leads_obey_einthoven(ecgdan_data):
    X = load_ptbxl(ecgdan_data / "ptbxl", sampling_rate=500).X.signals
    lead = {name: X[:, i] for i, name in enumerate(LEADS)}
    for given, derived in [
        (lead["III"], lead["II"] - lead["I"]),
        (lead["aVR"], -(lead["I"] + lead["II"]) / 2),
        (lead["aVL"], lead["I"] - lead["II"] / 2),
        (lead["aVF"], lead["II"] - lead["I"] / 2),
    ]:
        # Leads were rounded one by one, and a pacemaker's spike stands in one alone.
        assert np.mean(np.abs(given - derived) > 0.01) < 1e-4


@pytest.mark.realdata
def test_real_table(ecgdan_data):
    ptbxl = load_ptbxl(ecgdan_data / "ptbxl", folds=range(1, 10))
    raw = pd.read_csv(ecgdan_data / "ptbxl" / "ptbxl_database.csv", index_col="ecg_id")
    raw = raw[raw["strat_fold"] < 10]
    assert ptbxl.ecg_id.tolist() == raw.index.tolist()
    over_89 = raw["age"] == 300
    assert over_89.any()
    assert (ptbxl.covariates["age"] == 90).tolist() == over_89.tolist()
    normal = ["'NORM'" in codes for codes in raw["scp_codes"]]
    assert ptbxl.superclasses["NORM"].astype(bool).tolist() == normal


@pytest.mark.realdata
def test_no_damaged_letter_is_left_in_real_reports(ecgdan_data):
    reports = " ".join(load_ptbxl(ecgdan_data / "ptbxl").reports)
    assert "übergang" in reports
    assert not set("#ÄÖÜÅá") & set(reports)
