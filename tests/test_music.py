"""load_music on the real table of patients, and on recordings written for it."""

import numpy as np
import pandas as pd
import pytest
from cohort_writers import write_record
from ecg_writers import ecg_counts

from ecgdan_sk.datasets import load_music

HEADER = (
    "Patient ID;Follow-up period from enrollment (days);Exit of the study;"
    "Cause of death;Age;Gender (male=1);LVEF (%);PR interval (ms);Average RR (ms) ;"
    "Number of supraventricular premature beats in 24h;Creatinine (\xb5mol/L);"
    "Hig-resolution ECG available;Holter available ;Average RR (ms);;"
)
ROWS = [
    "P0001;2065;;0;58;1;35;999;1111;999;106;1;1;984;;",
    "P0002;2045;1;0;>89;0;37,5;206;1176;12;121,5;1;0;;;",
    "P0003;33;3;7;69;1;33;202;588;0;87;0;1;667;;",
    "P0004;100;3;6;69;1;33;202;588;0;87;1;1;667;;",
    "P0005;500;3;3;40;0;20;180;700;0;87;1;1;667;;",
    "P0006;600;3;1;41;0;20;180;700;0;87;1;1;667;;",
    "P0007;700;2;0;42;0;20;180;700;0;87;1;1;667;;",
]


@pytest.fixture
def folder(tmp_path):
    text = "\n".join([HEADER, *ROWS]) + "\n"
    (tmp_path / "subject-info.csv").write_bytes(text.encode("latin-1"))
    (tmp_path / "High-resolution_ECG").mkdir()
    return tmp_path


def record(folder, patient, *, leads=("X", "Y", "Z"), rate=1000, seed=0):
    counts = ecg_counts(12 * rate, ("I", "II", "V2"), seed)[: len(leads)]
    home = folder / "High-resolution_ECG"
    write_record(home, f"{patient}_H", counts, rate=rate, leads=leads)
    return counts


def test_the_table_is_read_as_numbers(folder):
    table = load_music(folder, recordings=None).table
    assert table["Age"].tolist() == [58, 90, 69, 69, 40, 41, 42]
    assert table["LVEF (%)"].tolist()[:2] == [35, 37.5]
    assert table["PR interval (ms)"].isna().tolist() == [True] + [False] * 6
    premature = table["Number of supraventricular premature beats in 24h"]
    assert premature.isna().tolist() == [True] + [False] * 6
    assert table["Average RR (ms)"].tolist()[0] == 1111
    assert table["Average RR (ms), Holter"].tolist()[0] == 984
    assert "Creatinine (\xb5mol/L)" in table
    assert not any("Unnamed" in name for name in table)


def test_causes_are_numbered_from_pump_failure(folder):
    y = load_music(folder, recordings=None).y
    assert y["event"].tolist() == [0, 0, 1, 1, 2, 3, 0]
    assert y["time"].tolist() == [2065, 2045, 33, 100, 500, 600, 700]
    y = load_music(folder, recordings=None, transplant="pump failure").y
    assert y["event"].tolist() == [0, 0, 1, 1, 2, 3, 1]


def test_recordings_come_back_under_their_own_names(folder):
    patients = ["P0001", "P0002", "P0004", "P0005", "P0006", "P0007"]
    counts = [record(folder, patient, seed=i) for i, patient in enumerate(patients)]
    record(folder, "P0007", leads=("X", "Z"))
    music = load_music(folder)
    assert music.X.ids.tolist() == patients
    assert music.X.leads == ("X", "Y", "Z")
    assert music.X.sampling_rate == 1000
    assert music.X.shape == (6, 3, 10_000)
    expected = np.array(counts)[:, :, :10_000] / 200
    found = np.asarray(music.X[:5])
    np.testing.assert_array_equal(found, expected[:5].astype(np.float32))
    # The last one has two leads; the absent one is NaN throughout.
    assert np.isnan(music.X.signals[5]).all(axis=1).tolist() == [False, True, False]
    assert music.X.covariates["sex"].tolist() == [0, 1, 0, 1, 1, 1]
    assert music.y["event"].tolist() == [0, 0, 1, 2, 3, 0]
    assert music.flow["left_out"].tolist() == [0, 1, 0]


def test_missing_recordings_are_named_with_a_way_out(folder):
    with pytest.raises(FileNotFoundError, match="6 of 6 .*P0001_H, .*recordings=None"):
        load_music(folder)
    with pytest.raises(FileNotFoundError, match="Holter_ECG: P0001, P0003"):
        load_music(folder, recordings="holter")


def test_recordings_of_several_rates_are_refused(folder):
    for i, patient in enumerate(["P0001", "P0002", "P0004", "P0005", "P0006", "P0007"]):
        record(folder, patient, rate=1000 if i else 500)
    with pytest.raises(ValueError, match=r"sampled at \[500.0, 1000.0\] Hz"):
        load_music(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("Cause of death", "Cause"),
            "lacks the columns Cause",
        ),
        (lambda text: text.replace(";", ","), "separated by semicolons"),
        (
            lambda text: text.replace("3;7;69", "3;9;69"),
            r"'Cause of death' must .*\[9\]",
        ),
        (lambda text: text.replace("P0002", "P0001"), "1 values of Patient ID .*P0001"),
        (lambda text: text.replace(">89", "old"), "Age of .*1 values .*'old'"),
    ],
)
def test_a_wrong_table_is_named(folder, change, message):
    path = folder / "subject-info.csv"
    path.write_bytes(change(path.read_text("latin-1")).encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        load_music(folder, recordings=None)


def test_wrong_arguments_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match="recordings must be one of 'high-resolution'"):
        load_music(folder, recordings="12-lead")
    with pytest.raises(ValueError, match="transplant must be one of 'censored'"):
        load_music(folder, transplant=True)
    with pytest.raises(FileNotFoundError, match=r"no subject-info\.csv .*physionet"):
        load_music(tmp_path / "nowhere")


@pytest.mark.realdata
def test_real_patients_died_of_what_was_published(ecgdan_data):
    music = load_music(ecgdan_data / "music", recordings=None)
    assert music.X is None
    assert len(music.y) == 992
    assert np.bincount(music.y["event"]).tolist() == [726, 111, 94, 61]
    assert (music.table["Exit of the study"] == 2).sum() == 20
    assert (music.y["time"] > 0).all()
    with_transplants = load_music(
        ecgdan_data / "music", recordings=None, transplant="pump failure"
    )
    assert (with_transplants.y["event"] == 1).sum() == 131
    numbers = music.table.drop(columns="Holter onset (hh:mm:ss)")
    assert all(pd.api.types.is_numeric_dtype(kind) for kind in numbers.dtypes)
    assert music.table["PR interval (ms)"].isna().sum() == 283
    assert music.table["PR interval (ms)"].max() < 600
    assert music.table["Age"].max() == 90
