"""read_ecg_folder: one layout for files that differ, and the report that says so."""

import importlib.util
import warnings

import numpy as np
import pytest
from ecg_mutations import csv_text
from ecg_writers import cardiosoft_xml, ecg_counts, muse_xml, scp_bytes, write_wfdb

from ecgdan_sk.datasets import read_ecg, read_ecg_folder
from ecgdan_sk.records import LEADS

if importlib.util.find_spec("defusedxml") is None:
    pytest.skip("defusedxml is not installed", allow_module_level=True)

# Sines are no limb leads.
pytestmark = pytest.mark.filterwarnings("ignore:Limb leads of:UserWarning")
CONVERTED = pytest.mark.filterwarnings("ignore:Of .* were brought to:UserWarning")


def slow_wave(rate, seconds, hertz=3.0):
    """Twelve leads (12, n_times) in mV, the same sine at any rate."""
    time = np.arange(round(rate * seconds)) / rate
    heights = np.linspace(0.2, 1.0, 12)[:, None]
    return heights * np.sin(2 * np.pi * hertz * time)


def save(folder, name, signals, rate, leads=LEADS):
    np.savez(
        folder / f"{name}.npz", signals=signals, sampling_rate=rate, leads=list(leads)
    )


@pytest.fixture
def mixed(tmp_path):
    """Three of 500 Hz and 4 s; 250 Hz, 6 s, 3 s and three leads stand beside them."""
    for i in range(3):
        save(tmp_path, f"most{i}", slow_wave(500, 4) * (1 + i / 10), 500)
    save(tmp_path, "rate", slow_wave(250, 4), 250)
    save(tmp_path, "long", slow_wave(500, 6), 500)
    save(tmp_path, "short", slow_wave(500, 3) + 0.5, 500)
    save(tmp_path, "limb", slow_wave(500, 4)[:3] * 2, 500, LEADS[:3])
    return tmp_path


@pytest.mark.parametrize("lazy", [False, True])
def test_files_of_other_layouts_are_brought_to_that_of_most(mixed, lazy):
    said = (
        "Of 7 recordings some were brought to the layout of most, 12 leads, 2000 "
        "samples, 500 Hz: 1 without some leads, 1 cropped, 1 resampled, 1 padded"
    )
    with pytest.warns(UserWarning, match=said):
        ecgs = read_ecg_folder(mixed, lazy=lazy)
    by_id = dict(zip(ecgs.X.ids, np.asarray(ecgs.X.signals)))
    assert ecgs.X.shape == (7, 12, 2000)
    expected = slow_wave(500, 6).astype(np.float32)
    # Away from the ends, where the filter of resampling has no neighbours.
    inside = slice(100, -100)
    np.testing.assert_allclose(
        by_id["rate"][:, inside], slow_wave(500, 4)[:, inside], atol=0.005
    )
    np.testing.assert_array_equal(by_id["long"], expected[:, 500:2500])
    shorter = by_id["short"]
    np.testing.assert_allclose(shorter[:, 250:1750], slow_wave(500, 3) + 0.5, atol=1e-6)
    level = np.median(shorter[:, 250:1750], axis=1, keepdims=True)
    np.testing.assert_array_equal(shorter[:, :250], np.repeat(level, 250, 1))
    assert np.isnan(by_id["limb"][3:]).all()
    np.testing.assert_allclose(by_id["limb"][:3], slow_wave(500, 4)[:3] * 2, atol=1e-6)
    changed = ecgs.report.files["changed"]
    assert changed["rate.npz"] == "resampled from 250 to 500 Hz"
    assert changed["long.npz"] == "cropped from 6 to 4 s"
    assert changed["short.npz"] == "padded from 3 to 4 s"
    assert changed["limb.npz"].endswith("V5, V6 absent (NaN)")
    assert (changed[["most0.npz", "most1.npz"]] == "").all()


def test_a_layout_that_is_asked_for_needs_no_warning(mixed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ecgs = read_ecg_folder(mixed, sampling_rate=250, duration=2, leads=["II", "I"])
    assert (ecgs.X.shape, ecgs.X.leads) == ((7, 2, 500), ("II", "I"))
    assert ecgs.report.changes == {
        "resampled": 6,
        "cropped": 7,
        "with leads left out": 7,
    }
    signals = dict(zip(ecgs.X.ids, ecgs.X.signals))["rate"]
    np.testing.assert_allclose(signals, slow_wave(250, 4)[[1, 0], 250:750], atol=1e-6)


@pytest.mark.filterwarnings("ignore:Left out are")
def test_what_would_be_made_up_is_left_out(mixed):
    save(mixed, "strip", slow_wave(500, 1), 500)
    save(mixed, "slow", slow_wave(20, 4, hertz=0.5), 20)
    save(mixed, "frank", slow_wave(500, 4)[:3], 500, "XYZ")
    with pytest.warns(UserWarning, match="were brought to"):
        ecgs = read_ecg_folder(mixed)
    why = ecgs.report.files["left_out"]
    assert "1 s, less than half of the 4 s" in why["strip.npz"]
    assert "20 Hz, less than a tenth of the 500 Hz" in why["slow.npz"]
    assert "none of the leads I, II" in why["frank.npz"]
    assert set(ecgs.errors["path"]) == {"strip.npz", "slow.npz", "frank.npz"}


@CONVERTED
def test_gaps_stay_gaps_at_another_rate(tmp_path):
    for i in range(2):
        save(tmp_path, f"most{i}", slow_wave(500, 4) * (1 + i), 500)
    signals = slow_wave(250, 4)
    signals[2, 300:320] = np.nan
    signals[5] = np.nan
    save(tmp_path, "rate", signals, 250)
    found = read_ecg_folder(tmp_path).X.signals[2]
    assert np.isnan(found[5]).all()
    missing = np.flatnonzero(np.isnan(found[2]))
    assert 38 <= len(missing) <= 41
    assert (missing.min() - 600) in (-1, 0, 1)
    assert not np.isnan(np.delete(found, [2, 5], axis=0)).any()


def test_a_rate_that_no_file_tells_is_not_guessed(tmp_path):
    counts = ecg_counts(1000)
    (tmp_path / "told.xml").write_bytes(cardiosoft_xml(counts, rate=500))
    (tmp_path / "untold.csv").write_text(csv_text(counts[:, ::2] + 1))
    with pytest.warns(UserWarning, match="Left out are 1 of 2"):
        ecgs = read_ecg_folder(tmp_path, sampling_rate=250)
    assert "Give unstated_rate=" in ecgs.errors["error"].item()
    ecgs = read_ecg_folder(tmp_path, sampling_rate=250, unstated_rate=250)
    assert ecgs.X.shape == (2, 12, 500)
    assert ecgs.report.files["rate_told"].tolist() == [True, False]
    np.testing.assert_allclose(
        ecgs.X.signals[1], (counts[:, ::2] + 1) * 0.005, atol=1e-4
    )


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("path", ["a.xml", "sub/b.hea"]),
        ("stem", ["a", "b"]),
        ("patient", ["1234567", "b"]),
    ],
)
def test_ids_are_names_paths_or_patients(tmp_path, ids, expected):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.xml").write_bytes(cardiosoft_xml(ecg_counts(500)))
    write_wfdb(tmp_path / "sub", "b", ecg_counts(500, seed=1))
    records = read_ecg_folder(tmp_path, ids=ids).X
    assert records.ids.tolist() == expected
    assert records.covariates.index.tolist() == expected


def test_an_id_is_of_one_recording(tmp_path):
    for seed in range(2):
        data = cardiosoft_xml(ecg_counts(500, seed=seed))
        (tmp_path / f"{seed}.xml").write_bytes(data)
    with pytest.raises(ValueError, match="1 of 1 .*'1234567', to 0.xml, 1.xml"):
        read_ecg_folder(tmp_path, ids="patient")
    with pytest.raises(ValueError, match="ids must be one of"):
        read_ecg_folder(tmp_path, ids="name")
    with pytest.raises(ValueError, match="duration must be a number above 0"):
        read_ecg_folder(tmp_path, duration=0)


@CONVERTED
@pytest.mark.filterwarnings("ignore:Left out are")
def test_the_report_tells_of_every_file(tmp_path):
    counts = ecg_counts(500)
    (tmp_path / "a.xml").write_bytes(cardiosoft_xml(counts))
    (tmp_path / "b.scp").write_bytes(scp_bytes(counts, fields={}))
    write_wfdb(tmp_path, "c", ecg_counts(500, seed=1) * 0, leads=LEADS)
    v3r = ecg_counts(500, seed=2)[:4]
    write_wfdb(tmp_path, "d", v3r, leads=("I", "II", "V1", "lead <b>"))
    (tmp_path / "e.xml").write_text("<script>alert(1)</script>")
    with pytest.warns(UserWarning, match="1 of 4 recordings hold .* b.scp, those of a"):
        report = read_ecg_folder(tmp_path).report
    files = report.files
    assert files.index.tolist() == ["a.xml", "b.scp", "c.hea", "d.hea", "e.xml"]
    assert files["format"].tolist()[:3] == ["GE CardioSoft XML", "SCP-ECG", "WFDB"]
    assert files["unit"].tolist()[:3] == ["uV", "nV", "mV"]
    assert files["duplicate_of"].tolist() == ["", "a.xml", "", "", ""]
    assert files["patient_missing"].tolist()[:4] == [False, True, True, True]
    assert files["age_missing"].tolist()[:4] == [False, True, True, True]
    assert files["unknown_leads"]["d.hea"] == "<b>"
    assert files["quality"]["c.hea"] < 0.5 < files["quality"]["a.xml"]
    counted = report.summary
    assert counted["recordings"] == 4
    assert counted["without a patient's identifier"] == 3
    assert counted["of poor quality (below 0.5)"] == 1
    assert counted["with leads of unknown names"] == 1
    page = report._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "left out, 1: its XML is a <script>" in str(report)


def test_copies_are_known_whatever_format_and_limb_leads(tmp_path):
    independent = ecg_counts(500, ("I", "II", *LEADS[6:]))
    (tmp_path / "a.xml").write_bytes(muse_xml(independent, step=5))
    (tmp_path / "b.scp").write_bytes(scp_bytes(ecg_counts(500)))
    first, second = (read_ecg(tmp_path / name).signals for name in ("a.xml", "b.scp"))
    assert not np.array_equal(first, second)  # derived limb leads are rounded
    with pytest.warns(UserWarning, match="hold the same samples"):
        report = read_ecg_folder(tmp_path).report
    assert report.files["duplicate_of"].tolist() == ["", "a.xml"]
