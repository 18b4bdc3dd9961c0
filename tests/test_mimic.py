"""load_mimic_iv_ecg on small folders in the layout of MIMIC-IV-ECG and MIMIC-IV."""

import pickle

import numpy as np
import pandas as pd
import pytest
from cohort_writers import write_record
from ecg_writers import ecg_counts

from ecgdan_sk.datasets import load_mimic_iv_ecg
from ecgdan_sk.records import LEADS

# As in the files: aVF before aVL.
FILE_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", *LEADS[6:])
YEAR = 365.0

# subject -> (ECGs, stays as (admitted, discharged, died, codes), date of death)
PATIENTS = {
    10: (
        ["2150-01-01 12:00"],
        [("2151-01-01 12:00", "2151-01-05 12:00", None, [("I5021", 10)])],
        None,
    ),
    11: (
        ["2150-01-01 12:00"],
        [("2149-01-01", "2149-01-05", None, [("4280", 9)])],
        None,
    ),
    12: (
        ["2150-01-02 12:00"],
        [("2150-01-01", "2150-01-09", None, [("I110", 10)])],
        None,
    ),
    13: (
        ["2150-01-01 12:00"],
        [("2150-01-02 06:00", "2150-01-09", None, [("I130", 10)])],
        None,
    ),
    14: (
        ["2150-01-01 12:00"],
        [("2150-01-02 18:00", "2150-01-09", None, [("40291", 9)])],
        None,
    ),
    15: (
        ["2150-01-01 12:00"],
        [
            ("2150-01-01", "2150-01-03", None, [("I10", 10), ("4280", 10)]),
            ("2150-03-01", "2150-03-11 12:00", "2150-03-11 12:00", [("I509", 9)]),
        ],
        "2150-03-11",
    ),
    16: (
        ["2150-01-01 12:00"],
        [("2149-12-31", "2150-01-11 12:00", None, [("I255", 10)])],
        None,
    ),
    17: (["2150-01-01 12:00"], [("2149-12-31", "2150-01-11", None, [])], "2150-02-01"),
    18: (["2150-01-01 12:00"], [], None),
    19: (["2150-01-01 12:00"], [("2149-12-31", "2150-01-01", None, [])], "2149-12-31"),
    20: (
        ["2151-01-01", "2150-01-01", "2152-01-01"],
        [("2152-06-01", "2152-06-02", None, [("39891", 9)])],
        "2152-07-01",
    ),
    21: (["2150-01-01"], [("2149-01-01", "2149-06-01", None, [])], "2151-05-01"),
}
# subject -> (cause, days), worked out by hand from the table above.
EXPECTED = {
    10: (1, 365.0),
    14: (1, 1.25),
    15: (2, 69.0),
    16: (0, 10 + YEAR),
    17: (2, 31.5),
    20: (1, 882.0),
    21: (0, 151 + YEAR - 365),
}


def study(subject, number):
    return 40_000_000 + 100 * subject + number


@pytest.fixture(scope="module")
def signals():
    """Counts (n, 12, 5000) of each study, in the order of the leads of the files."""
    ids = [study(s, i) for s, (ecgs, *_) in PATIENTS.items() for i in range(len(ecgs))]
    return {i: ecg_counts(5000, FILE_LEADS, seed=i) for i in ids}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, signals):
    root = tmp_path_factory.mktemp("mimic-iv-ecg-1.0")
    rows = []
    for subject, (ecgs, *_) in PATIENTS.items():
        for number, when in enumerate(ecgs):
            name = study(subject, number)
            path = f"files/p{subject}00/p{subject}/s{name}/{name}"
            (root / path).parent.mkdir(parents=True)
            write_record(
                (root / path).parent, str(name), signals[name], leads=FILE_LEADS
            )
            rows.append((subject, name, name, f"{pd.Timestamp(when)}", path))
    columns = ["subject_id", "study_id", "file_name", "ecg_time", "path"]
    records = pd.DataFrame(rows, columns=columns)
    records.to_csv(root / "record_list.csv", index=False)
    machine = records[["subject_id", "study_id", "ecg_time"]].assign(cart_id=6848296)
    for line in range(18):
        machine[f"report_{line}"] = None
    machine["report_0"], machine["report_1"] = "Sinus rhythm", "Normal ECG."
    times = ["rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end"]
    machine[times] = [800, 40, 150, 200, 290, 600]
    machine[["p_axis", "qrs_axis", "t_axis"]] = [60, -30, 45]
    machine.loc[0, ["p_onset", "p_end", "p_axis"]] = 29999
    machine.loc[1, "rr_interval"] = 65535
    machine[::-1].to_csv(root / "machine_measurements.csv", index=False)
    return root


def hospital(root, suffix):
    root.mkdir()
    patients, stays, codes = [], [], []
    for subject, (_, admissions, died) in PATIENTS.items():
        sex = "F" if subject % 2 else "M"
        patients.append((subject, sex, 60 + subject, 2149, "2011 - 2013", died))
        for number, (begin, end, death, found) in enumerate(admissions):
            hadm = 1000 * subject + number
            times = [
                None if t is None else str(pd.Timestamp(t)) for t in (begin, end, death)
            ]
            stays.append((subject, hadm, *times, "EW EMER."))
            codes += [(subject, hadm, i, *code) for i, code in enumerate(found)]
    for name, rows, columns in [
        (
            "patients",
            patients,
            "subject_id gender anchor_age anchor_year anchor_year_group dod",
        ),
        (
            "admissions",
            stays,
            "subject_id hadm_id admittime dischtime deathtime admission_type",
        ),
        ("diagnoses_icd", codes, "subject_id hadm_id seq_num icd_code icd_version"),
    ]:
        table = pd.DataFrame(rows, columns=columns.split())
        table.to_csv(root / f"{name}.csv{suffix}", index=False)
    return root


@pytest.fixture(scope="module")
def hosp(tmp_path_factory):
    return hospital(tmp_path_factory.mktemp("mimiciv") / "hosp", ".gz")


def test_leads_come_back_by_name_to_the_last_digit(folder, signals):
    mimic = load_mimic_iv_ecg(folder)
    assert mimic.X.shape == (12, 12, 5000)
    assert mimic.X.sampling_rate == 500
    order = [FILE_LEADS.index(lead) for lead in LEADS]
    for i, name in enumerate(mimic.X.ids):
        # 200 counts are 1 mV.
        expected = (signals[name][order] / 200).astype(np.float32)
        np.testing.assert_array_equal(mimic.X.signals[i], expected)
    assert mimic.y is None
    assert mimic.X.covariates is None


def test_recordings_are_read_lazily_and_travel(folder):
    X = load_mimic_iv_ecg(folder).X
    assert not isinstance(X.signals, np.ndarray)
    again = pickle.loads(pickle.dumps(X))[[3, 1]]
    np.testing.assert_array_equal(np.asarray(again), np.asarray(X)[[3, 1]])


def test_the_first_ecg_of_each_patient_is_read(folder):
    one, every = (load_mimic_iv_ecg(folder, one_per_patient=flag) for flag in (1, 0))
    assert sorted(one.X.patient_ids) == list(PATIENTS)
    assert study(20, 1) in one.X.ids
    assert len(every.X) == len(one.X) + 2
    assert one.flow["left_out"].tolist() == [0, 2]


def test_reports_and_measurements_come_along(folder):
    mimic = load_mimic_iv_ecg(folder)
    assert set(mimic.reports) == {"Sinus rhythm. Normal ECG"}
    assert mimic.measurements.index.tolist() == mimic.X.ids.tolist()
    first = mimic.measurements.loc[study(10, 0)]
    assert first.isna().tolist() == [
        False,
        True,
        True,
        *[False] * 3,
        True,
        False,
        False,
    ]
    assert mimic.measurements["rr_interval"].isna().sum() == 1
    assert (mimic.measurements["qrs_axis"] == -30).all()


def test_outcomes_are_those_worked_out_by_hand(folder, hosp):
    mimic = load_mimic_iv_ecg(folder, hosp, competing_death=True)
    found = dict(zip(mimic.X.patient_ids.tolist(), mimic.y.tolist()))
    assert found == EXPECTED
    left_out = [0, 2, 0, 3, 2]
    assert mimic.flow["left_out"].tolist() == left_out
    assert mimic.flow["remaining"].iloc[-1] == len(EXPECTED)


def test_the_dead_are_censored_unless_they_compete(folder, hosp):
    y = load_mimic_iv_ecg(folder, hosp).y
    causes = load_mimic_iv_ecg(folder, hosp, competing_death=True).y
    assert y["event"].tolist() == (causes["event"] == 1).tolist()
    assert y["time"].tolist() == causes["time"].tolist()


def test_age_is_that_at_the_ecg(folder, hosp):
    mimic = load_mimic_iv_ecg(folder, hosp)
    covariates = mimic.X.covariates.set_index(mimic.X.patient_ids)
    assert covariates.loc[20].tolist() == [81, 0]
    assert covariates.loc[15].tolist() == [76, 1]


def test_ages_over_89_are_90(folder, tmp_path):
    path = hospital(tmp_path / "hosp", "") / "patients.csv"
    patients = pd.read_csv(path)
    patients.loc[patients["subject_id"] == 20, "anchor_age"] = 91
    patients.to_csv(path, index=False)
    X = load_mimic_iv_ecg(folder, path.parent).X
    assert X.covariates["age"][X.patient_ids == 20].tolist() == [90]


def test_uncompressed_tables_give_the_same(folder, hosp, tmp_path):
    one, two = (
        load_mimic_iv_ecg(folder, root)
        for root in (hosp, hospital(tmp_path / "hosp", ""))
    )
    assert one.y.tolist() == two.y.tolist()


@pytest.fixture
def tables(folder, tmp_path):
    """A copy of the folder's tables, to be changed; its recordings are not there."""
    root = tmp_path / "copy"
    root.mkdir()
    for name in ("record_list", "machine_measurements"):
        (root / f"{name}.csv").write_bytes((folder / f"{name}.csv").read_bytes())
    return root


def test_missing_recordings_and_tables_are_named(tables, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"12 of 12 .*\.\.\. Complete .*physio"):
        load_mimic_iv_ecg(tables)
    with pytest.raises(FileNotFoundError, match=r"no patients\.csv\.gz .*mimiciv"):
        load_mimic_iv_ecg(folder, tmp_path)
    (tables / "machine_measurements.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no machine_measurements\.csv"):
        load_mimic_iv_ecg(tables)


def changed(root, change):
    path = root / "record_list.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t[:-2],
            r"nor have 2 of 14 studies of machine.*\(40002002, 40002100\)",
        ),
        (lambda t: pd.concat([t, t[:1]]), "1 values of study_id .*: 40001000"),
        (lambda t: t.assign(path="../../secret"), "lies outside of"),
        (lambda t: t.assign(ecg_time="noon"), "must hold dates .* 14 .*'noon'"),
        (lambda t: t.assign(subject_id="x"), "cannot be read as the table"),
        (lambda t: t.drop(columns="path"), "lacks the columns path"),
    ],
)
def test_a_wrong_record_list_is_named(tables, change, message):
    changed(tables, change)
    with pytest.raises(ValueError, match=message):
        load_mimic_iv_ecg(tables)


def test_a_truncated_table_is_named(folder, hosp, tmp_path):
    for name in ("patients", "admissions", "diagnoses_icd"):
        content = (hosp / f"{name}.csv.gz").read_bytes()
        (tmp_path / f"{name}.csv.gz").write_bytes(content[:-20])
    with pytest.raises(ValueError, match=r"patients\.csv\.gz cannot be read"):
        load_mimic_iv_ecg(folder, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 250}, "5000 samples at 250 Hz; expected 5000 or more at 500 Hz"),
        ({"leads": ("ch1",)}, "holds the leads ch1"),
        ({"units": "bpm"}, "amplitudes are in 'bpm'"),
    ],
)
def test_a_recording_of_another_kind_is_named(tables, signals, options, message):
    changed(tables, lambda t: t.assign(path="files/1"))
    (tables / "files").mkdir()
    leads = options.get("leads", FILE_LEADS)
    counts = signals[study(10, 0)][: len(leads)]
    write_record(tables / "files", "1", counts, **{"leads": leads, **options})
    with pytest.raises(ValueError, match=message):
        load_mimic_iv_ecg(tables)


@pytest.mark.parametrize("other", ["../1.dat", "/etc/passwd", "2.dat", "~"])
def test_a_header_that_leads_elsewhere_is_refused(tables, signals, other):
    changed(tables, lambda t: t.assign(path="files/1"))
    (tables / "files").mkdir()
    header = write_record(
        tables / "files", "1", signals[study(10, 0)], leads=FILE_LEADS
    )
    header.write_text(header.read_text().replace("1.dat", other))
    with pytest.raises(ValueError, match="expected one beside it"):
        load_mimic_iv_ecg(tables)


@pytest.mark.parametrize("text", ["", "1 12\n", "\0" * 100, "1 12 500 many\n"])
def test_what_is_no_header_is_named(tables, text):
    changed(tables, lambda t: t.assign(path="files/1"))
    (tables / "files").mkdir()
    (tables / "files/1.hea").write_text(text)
    (tables / "files/1.dat").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1\.hea is no header"):
        load_mimic_iv_ecg(tables)


def test_a_header_that_claims_too_much_is_refused(tables, signals):
    changed(tables, lambda t: t.assign(path="files/1"))
    (tables / "files").mkdir()
    header = write_record(
        tables / "files", "1", signals[study(10, 0)], leads=FILE_LEADS
    )
    header.write_text(header.read_text().replace(" 5000", " 1000000000", 1))
    (tables / "files/1.dat").write_bytes(b"\0" * 1000)
    with pytest.raises(ValueError, match="files/1 cannot be read as WFDB"):
        load_mimic_iv_ecg(tables)
