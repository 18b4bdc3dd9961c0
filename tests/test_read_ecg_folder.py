"""read_ecg_folder: what is read, what is reported, in which order."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
from ecg_writers import cardiosoft_xml, ecg_counts, muse_xml, write_wfdb

from ecgdan_sk.datasets import ECGFileError, read_ecg, read_ecg_folder
from ecgdan_sk.records import LEADS

if importlib.util.find_spec("defusedxml") is None:
    pytest.skip("defusedxml is not installed", allow_module_level=True)


@pytest.fixture
def folder(tmp_path):
    """Three ECGs of one layout, one too short, a damaged one and a text."""
    counts = ecg_counts(500)
    (tmp_path / "c.xml").write_bytes(cardiosoft_xml(counts))
    write_wfdb(tmp_path, "a", counts + 1)
    write_wfdb(tmp_path, "b", counts + 2)
    (tmp_path / "d.xml").write_bytes(cardiosoft_xml(counts[:, :100], rate=250))
    (tmp_path / "e.xml").write_bytes(cardiosoft_xml(counts)[:-2000])
    (tmp_path / "notes.txt").write_text("of the study nurse")
    (tmp_path / ".DS_Store").write_bytes(b"Bud1")
    return tmp_path


LEFT_OUT = pytest.mark.filterwarnings("ignore:Left out are:UserWarning")


@pytest.mark.parametrize("options", [{}, {"n_jobs": 2}, {"lazy": True}, {"verbose": 1}])
def test_what_can_be_read_is_read_and_the_rest_reported(folder, options, capfd):
    said = "Left out are 3 of 6 files, 2 that could not be read and 1 that do not fit"
    with pytest.warns(UserWarning, match=said):
        ecgs = read_ecg_folder(folder, **options)
    assert ecgs.X.ids.tolist() == ["a", "b", "c"]
    assert (ecgs.X.leads, ecgs.X.sampling_rate) == (LEADS, 500)
    for name, signals in zip(("a", "b", "c.xml"), np.asarray(ecgs.X.signals)):
        np.testing.assert_array_equal(signals, read_ecg(folder / name).signals[0])
    assert ecgs.errors["path"].tolist() == ["d.xml", "e.xml", "notes.txt"]
    short, damaged, text = ecgs.errors["error"]
    assert "0.4 s, less than half of the 1 s" in short
    assert "duration=" in short
    assert "damaged or cut short" in damaged
    assert "expected" in text
    assert ("6/6" in capfd.readouterr().err) == ("verbose" in options)


@LEFT_OUT
def test_covariates_are_row_aligned(folder):
    records = read_ecg_folder(folder).X
    assert records.covariates.index.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(records.covariates["age"], [np.nan, np.nan, 63])
    assert records.covariates["device_qt_interval_ms"].tolist()[2] == 404
    assert records.patient_ids.tolist() == [None, None, "1234567"]
    assert read_ecg_folder(folder, "c.xml").X.patient_ids.tolist() == ["1234567"]


@LEFT_OUT
def test_lazy_signals_are_read_when_asked_for(folder):
    records = read_ecg_folder(folder, lazy=True).X
    (folder / "c.xml").write_bytes(cardiosoft_xml(ecg_counts(500, seed=1)))
    changed = np.asarray(records[2:].signals)
    np.testing.assert_array_equal(changed, read_ecg(folder / "c.xml").signals)


@LEFT_OUT
@pytest.mark.filterwarnings("ignore:1 of 4 recordings hold the same:UserWarning")
def test_subfolders_are_read_with_ids_that_differ(folder):
    (folder / "more").mkdir()
    (folder / "more" / "c.xml").write_bytes(cardiosoft_xml(ecg_counts(500)))
    assert len(read_ecg_folder(folder, "*").X) == 3
    ids = read_ecg_folder(folder).X.ids.tolist()
    assert ids == ["a.hea", "b.hea", "c.xml", "more/c.xml"]


@LEFT_OUT
def test_median_beats_may_be_asked_for(tmp_path):
    independent = ecg_counts(500, ("I", "II", *LEADS[6:]))
    content = muse_xml(independent, median=independent[:, :300])
    (tmp_path / "a.xml").write_bytes(content)
    (tmp_path / "b.xml").write_bytes(muse_xml(independent))
    ecgs = read_ecg_folder(tmp_path, kind="median")
    assert ecgs.X.shape == (1, 12, 300)
    assert "holds no median beats" in ecgs.errors["error"].item()


def test_a_folder_without_ecgs_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        read_ecg_folder(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"no file '\*\*/\*' in"):
        read_ecg_folder(tmp_path)
    (tmp_path / "a.xml").write_bytes(b"<svg/>")
    with pytest.raises(ECGFileError, match="None of the 1 files .* is a <svg>"):
        read_ecg_folder(tmp_path)
    with pytest.raises(ValueError, match="kind must be"):
        read_ecg_folder(tmp_path, kind="mean")


def test_a_twentieth_of_the_files_may_be_left_out_without_a_word(tmp_path):
    counts = ecg_counts(500)
    for i in range(38):
        np.save(tmp_path / f"{i:02d}.npy", (counts + i) * 0.005)
    for i in range(2):
        (tmp_path / f"note{i}.txt").write_text("of the study nurse")
    assert len(read_ecg_folder(tmp_path, sampling_rate=500).errors) == 2
    np.save(tmp_path / "short.npy", counts[:, :100] * 0.005)
    said = "3 of 41 files, 2 that could not be read and 1 that do not fit"
    with pytest.warns(UserWarning, match=said):
        ecgs = read_ecg_folder(tmp_path, sampling_rate=500)
    assert (len(ecgs.X), len(ecgs.errors)) == (38, 3)


def test_ages_of_a_folder_that_tell_none_are_counted(tmp_path):
    counts = ecg_counts(500)
    write_wfdb(tmp_path, "a", counts, comments=["Age: old"])
    write_wfdb(tmp_path, "b", counts + 1, comments=["Age: 74"])
    with pytest.warns(UserWarning, match="age of 1 of 2 .*'a' is 'old'"):
        records = read_ecg_folder(tmp_path).X
    np.testing.assert_array_equal(records.covariates.age, [np.nan, 74])


def test_a_file_without_a_patient_keeps_those_of_the_others(tmp_path):
    counts = ecg_counts(500)
    (tmp_path / "a.xml").write_bytes(cardiosoft_xml(counts))
    unnamed = cardiosoft_xml(counts + 1).replace(b"<PID>1234567</PID>", b"<PID/>")
    (tmp_path / "b.xml").write_bytes(unnamed)
    assert read_ecg_folder(tmp_path).X.patient_ids.tolist() == ["1234567", None]


def test_names_of_files_as_an_index_are_told_from_ids(tmp_path):
    counts = ecg_counts(500)
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", (counts + ord(name)) * 0.005)
    records = read_ecg_folder(tmp_path, sampling_rate=500).X
    for index in (["a.npy", "b.npy"], ["x/a.npy", "x/b.npy"]):
        table = pd.DataFrame({"age": [1, 2]}, index=index)
        with pytest.raises(ValueError, match=r"names of files.*Path\(name\)\.stem"):
            records.match(table)
