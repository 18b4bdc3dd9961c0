"""load_ukb_ecg on CardioSoft XML written in the layout of field 20205."""

import pickle

import numpy as np
import pytest
from ecg_writers import cardiosoft_xml, ecg_counts

from ecgdan_sk.datasets import load_ukb_ecg

EIDS = [1000001, 1000002, 1000003]


@pytest.fixture
def folder(tmp_path):
    """Three participants at visit 2 in folders of their own, one at visit 3."""
    for seed, eid in enumerate(EIDS):
        counts, median = ecg_counts(5000, seed=seed), ecg_counts(600, seed=90 + seed)
        (tmp_path / str(seed)).mkdir()
        path = tmp_path / str(seed) / f"{eid}_20205_2_0.xml"
        path.write_bytes(cardiosoft_xml(counts, median=median))
    again = cardiosoft_xml(ecg_counts(5000, seed=7))
    (tmp_path / "1000002_20205_3_0.xml").write_bytes(again)
    (tmp_path / "notes_20205_old.xml").write_text("not of a participant")
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "n", "seed"), [("rhythm", 5000, 0), ("median", 600, 90)]
)
def test_signals_come_back_to_the_last_digit(folder, kind, n, seed):
    ukb = load_ukb_ecg(folder, kind=kind)
    assert ukb.X.shape == (3, 12, n)
    assert ukb.X.sampling_rate == 500
    # Counts of 5 uV.
    expected = np.array([ecg_counts(n, seed=seed + i) * 5 / 1000 for i in range(3)])
    np.testing.assert_array_equal(np.asarray(ukb.X), expected.astype(np.float32))


def test_participants_and_what_the_device_wrote_come_along(folder):
    ukb = load_ukb_ecg(folder)
    assert ukb.X.patient_ids.tolist() == EIDS
    assert ukb.X.ids.tolist() == [f"{eid}_20205_2_0.xml" for eid in EIDS]
    assert ukb.table["recorded_at"].dt.year.tolist() == [2016] * 3
    assert ukb.X.covariates.to_numpy().tolist() == [[63, 1]] * 3
    assert ukb.statements == [("Sinus rhythm", "Normal ECG")] * 3
    assert ukb.measurements["pr_interval_ms"].tolist() == [152] * 3
    assert ukb.measurements["qrs_axis_deg"].tolist() == [-12] * 3
    assert ukb.errors.empty


def test_swapped_leads_are_told(folder):
    for seed, path in enumerate(sorted(folder.glob("*/*_20205_2_0.xml"))):
        counts = ecg_counts(5000, seed=seed)
        counts[[0, 2]] = counts[[2, 0]]
        path.write_bytes(cardiosoft_xml(counts))
    with pytest.warns(UserWarning, match="3 of 3 recordings: I and III swapped"):
        load_ukb_ecg(folder)


def test_visits_are_told_apart(folder):
    ukb = load_ukb_ecg(folder, instance=3)
    assert ukb.X.patient_ids.tolist() == [1000002]
    with pytest.raises(ValueError, match=r"None of the 1 files .* 0 cannot be read"):
        load_ukb_ecg(folder, instance=3, kind="median")
    with pytest.raises(
        FileNotFoundError, match="1234567_20205_0_0.xml .* 4 are of oth"
    ):
        load_ukb_ecg(folder, instance=0)


def test_two_processes_read_the_same_and_signals_travel(folder):
    one, two = (load_ukb_ecg(folder, n_jobs=n_jobs) for n_jobs in (None, 2))
    again = pickle.loads(pickle.dumps(two.X))
    np.testing.assert_array_equal(np.asarray(one.X), np.asarray(again))
    assert one.measurements.equals(two.measurements)


def test_one_bad_file_does_not_stop_the_others(folder):
    bad = cardiosoft_xml(ecg_counts(500))[:-900]
    (folder / "1000004_20205_2_0.xml").write_bytes(bad)
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa">]><CardiologyXML>&a;'
    (folder / "1000005_20205_2_0.xml").write_bytes(bomb)
    (folder / "1000006_20205_2_0.xml").write_bytes(cardiosoft_xml(ecg_counts(2500)))
    ukb = load_ukb_ecg(folder)
    assert ukb.X.patient_ids.tolist() == EIDS
    assert ukb.errors.index.tolist() == [f"100000{i}_20205_2_0.xml" for i in (4, 5)]
    assert ukb.errors["error"].str.contains("20205_2_0.xml").all()
    assert ukb.flow["left_out"].tolist() == [0, 2, 0, 1]


def test_a_folder_of_bad_files_is_an_error(tmp_path):
    (tmp_path / "1000004_20205_2_0.xml").write_bytes(b"")
    with pytest.raises(ValueError, match="None of the 1 files .* 1 cannot be read"):
        load_ukb_ecg(tmp_path)
    with pytest.raises(ValueError, match="kind must be 'rhythm' or 'median'"):
        load_ukb_ecg(tmp_path, kind="beats")
