"""The study of each real cohort, from a small copy of its published layout to tables.

The ECGs and the outcomes are simulated.
"""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from cohort_writers import write_record
from ecg_writers import cardiosoft_xml

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from study.cohorts import StoredCohort  # noqa: E402
from study.scales import SCALES  # noqa: E402

from ecgdan_sk.datasets import make_ecg_cohort  # noqa: E402

N = 32
TINY = replace(
    SCALES["small"],
    network={"n_members": 1, "max_epochs": 1, "batch_size": 16},
    pretraining={"max_epochs": 1},
    shares=(),
)
METHODS = ("age-sex", "measurements", "compact")
YEAR = 365.25


@pytest.fixture(scope="module")
def patients():
    """Simulated patients with 16 events, in whole days."""
    cohort = make_ecg_cohort(N, sampling_rate=500, event_rate=0.5, random_state=0)
    days = 1 + np.round(cohort.y["time"]).astype(int)
    return cohort.X, cohort.covariates, cohort.y["event"], days


def write_tracings(path, X, **more):
    """Tracings (n, 4096, 12) of 400 Hz, each with zeros before and behind."""
    tracings = np.zeros((len(X), 4096, 12), np.float32)
    tracings[:, 48:4048] = X[:, :, np.arange(4000) * 5 // 4].transpose(0, 2, 1)
    with h5py.File(path, "w") as file:
        file["tracings"] = tracings
        for name, values in more.items():
            file[name] = values


def exams_of(covariates, event, days):
    """The columns that the tables of SaMi-Trop and CODE-15 have in common."""
    return pd.DataFrame(
        {
            "exam_id": 100 + np.arange(N),
            "age": covariates["age"].round().astype(int),
            "is_male": covariates["sex"] == 0,
            "normal_ecg": False,
            "death": event,
            "timey": days / YEAR,
            "nn_predicted_age": 60.0,
        }
    )


def samitrop(folder, X, *patients):
    exams_of(*patients).to_csv(folder / "exams.csv", index=False)
    write_tracings(folder / "exams.hdf5", X)
    return METHODS


def code15(folder, X, *patients):
    table = exams_of(*patients)
    table[["1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"]] = False
    table["patient_id"] = np.arange(N)
    table["trace_file"] = np.where(
        np.arange(N) < 20, "exams_part0.hdf5", "exams_part1.hdf5"
    )
    table.to_csv(folder / "exams.csv", index=False)
    for name, part in table.groupby("trace_file"):
        exams = part["exam_id"].to_numpy(np.int64)
        write_tracings(folder / name, X[part.index], exam_id=exams)
    return METHODS


def mimic(folder, X, covariates, event, days):
    """ECGs on one day; one stay each, with heart failure or without."""
    recorded = pd.Timestamp("2150-01-01 12:00")
    rows, stays, codes = [], [], []
    for i, ecg in enumerate(X):
        name, subject = 40_000_000 + i, 10_000 + i
        path = f"files/p{subject // 100}/p{subject}/s{name}/{name}"
        (folder / path).parent.mkdir(parents=True)
        counts = np.round(200 * ecg).astype(int)
        write_record((folder / path).parent, str(name), counts)
        rows.append((subject, name, name, str(recorded), path))
        # Without an event, the last contact is a year after the last discharge.
        begin = recorded + pd.Timedelta(days=int(days[i] - (0 if event[i] else 365)))
        end = begin if not event[i] else begin + pd.Timedelta(days=1)
        stays.append((subject, i, str(begin), str(end), None, "EW EMER."))
        codes.append((subject, i, 1, "I5021" if event[i] else "Z000", 10))
    columns = ["subject_id", "study_id", "file_name", "ecg_time", "path"]
    records = pd.DataFrame(rows, columns=columns)
    records.to_csv(folder / "record_list.csv", index=False)
    machine = records[["subject_id", "study_id", "ecg_time"]].assign(cart_id=6848296)
    machine[[f"report_{line}" for line in range(18)]] = None
    machine["report_0"] = np.where(event, "Atrial fibrillation", "Sinus rhythm")
    times = ["rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end"]
    machine[times] = [800, 40, 150, 200, 290, 600]
    machine[["p_axis", "qrs_axis", "t_axis"]] = [60, -30, 45]
    machine.to_csv(folder / "machine_measurements.csv", index=False)
    people = pd.DataFrame(
        {
            "subject_id": records["subject_id"],
            "gender": np.where(covariates["sex"] == 1, "F", "M"),
            "anchor_age": covariates["age"].round().astype(int),
            "anchor_year": 2150,
            "anchor_year_group": "2011 - 2013",
            "dod": None,
        }
    )
    hosp = folder / "hosp"
    hosp.mkdir()
    people.to_csv(hosp / "patients.csv.gz", index=False)
    for table, rows, columns in (
        (
            "admissions",
            stays,
            "subject_id hadm_id admittime dischtime deathtime admission_type",
        ),
        ("diagnoses_icd", codes, "subject_id hadm_id seq_num icd_code icd_version"),
    ):
        frame = pd.DataFrame(rows, columns=columns.split())
        frame.to_csv(hosp / f"{table}.csv.gz", index=False)
    return (*METHODS[:2], "compact-alignment", "--outcomes", hosp)


def ukb(folder, X, covariates, event, days):
    """All have had an infarction when they come; one had heart failure already."""
    visit = pd.Timestamp("2014-05-07")
    dates = [str((visit + pd.Timedelta(days=int(d))).date()) for d in days]
    eids = 1_000_001 + np.arange(N + 1)
    for eid, ecg, age in zip(eids, [*X, X[0]], [*covariates["age"], 60]):
        xml = cardiosoft_xml(np.round(200 * ecg).astype(int))
        xml = xml.replace(b">63</Age>", b">%d</Age>" % round(age))
        (folder / f"{eid}_20205_2_0.xml").write_bytes(xml)
    table = pd.DataFrame({"eid": eids, "53-0.0": "2008-01-01", "53-2.0": "2014-05-07"})
    lost = [None if had else date for had, date in zip(event, dates)]
    table["191-0.0"] = [*lost, None]
    # The death of the one who is left out ends the data.
    table["40000-0.0"] = [*[None] * N, max(dates)]
    table[["40001-0.0", "40002-0.0"]] = None
    table["41270-0.0"], table["41280-0.0"] = "I252", "2010-01-01"
    table["41270-0.1"] = [*np.where(event, "I500", None), "I500"]
    table["41280-0.1"] = [*np.where(event, dates, None), "2010-01-01"]
    table[["41271-0.0", "41281-0.0"]] = None
    path = folder / "table.csv"
    table.to_csv(path, index=False)
    return (*METHODS, "--outcomes", path, "--cohort", "myocardial-infarction")


@pytest.mark.parametrize("write", [samitrop, code15, mimic, ukb])
def test_one_command_from_the_files_of_a_cohort_to_tables(
    write, patients, tmp_path, monkeypatch
):
    folder, out = tmp_path / "data", tmp_path / "out"
    folder.mkdir()
    more = write(folder, *patients)
    monkeypatch.setitem(SCALES, "small", TINY)
    main = runpy.run_module("study.__main__", run_name="command")["main"]
    arguments = ["--data", folder, "--out", out, "--methods", *more]
    assert main([str(argument) for argument in arguments]) == 0
    accuracy = pd.read_csv(out / "tables" / "2-fold" / "accuracy.csv")
    methods = set(accuracy["method"])
    assert methods == {*more[:3]}
    assert accuracy["C-index"].between(0, 1).all()
    assert "real ECGs with real follow-up" in (out / "report.md").read_text("utf-8")
    draw = StoredCohort("", out / "cohort").draw(0)
    X, covariates, event, days = patients
    assert draw.y["event"].tolist() == event.tolist()
    np.testing.assert_allclose(draw.y["time"], days, atol=1)
    np.testing.assert_allclose(draw.X.covariates["age"], covariates["age"], atol=1)
    assert draw.X.sampling_rate == 100
    # The same ECGs, resampled from other rates.
    n = draw.X.shape[2]
    middle = X[:, :, (X.shape[2] - 5 * n) // 2 :][:, :, ::5][:, :, :n]
    for one, other in zip(np.asarray(draw.X), middle):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9
