"""read_ecg on files written in the published layout of each format."""

import importlib.util
from datetime import date, time

import numpy as np
import pandas as pd
import pytest
import wfdb
from ecg_mutations import csv_text
from ecg_writers import (
    INDEPENDENT,
    aecg_xml,
    cardiosoft_xml,
    ecg_counts,
    muse_xml,
    scp_bytes,
    sierra_xml,
    write_dicom,
    write_edf,
    write_wfdb,
)

from ecgdan_sk.datasets import ECGFileError, read_ecg
from ecgdan_sk.records import LEADS

for package in ("defusedxml", "pydicom", "pyedflib", "sierraecg"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

SHUFFLED = tuple(np.random.default_rng(3).permutation(LEADS))


@pytest.fixture
def counts():
    return ecg_counts(500)


def in_mv(counts, step=5):
    """Counts of so many microvolts, as float32."""
    return (counts * step / 1000).astype(np.float32)


def write(path, content):
    path.write_bytes(content)
    return path


def told(records):
    """The row of covariates without what is missing."""
    row = records.covariates.iloc[0]
    return row[row.notna()].to_dict()


def test_wfdb_comes_back_to_the_last_digit(tmp_path, counts):
    leads = tuple(lead.lower() for lead in SHUFFLED)
    shuffled = counts[[LEADS.index(lead) for lead in SHUFFLED]]
    comments = ["<age>: 53", "<sex>: M", "Dx: 164889003,59118001"]
    header = write_wfdb(tmp_path, "r1", shuffled, leads=leads, comments=comments)
    for path in (header, tmp_path / "r1", str(tmp_path / "r1.dat")):
        records = read_ecg(path)
        assert (records.leads, records.sampling_rate) == (LEADS, 500)
        np.testing.assert_array_equal(records.signals[0], in_mv(counts))
        assert records.ids.tolist() == ["r1"]
        assert records.signals.dtype == np.float32
    row = told(records)
    assert (row["age"], row["sex"]) == (53, 0)
    assert row["statements"] == "164889003; 59118001"


def test_wfdb_drops_other_leads_only_where_the_twelve_are_there(tmp_path, counts):
    leads = (*LEADS, "vx", "resp")
    more = np.vstack([counts, counts[:2]])
    assert read_ecg(write_wfdb(tmp_path, "a", more, leads=leads)).leads == LEADS
    few = write_wfdb(tmp_path, "b", counts[:3], leads=("CM5", "V5", "MLII"))
    assert read_ecg(few).leads == ("II", "V5", "CM5")


@pytest.mark.parametrize("fmt", ["16", "24", "32", "212", "80"])
def test_wfdb_records_equal_wfdb_in_every_format(tmp_path, counts, fmt):
    largest = {"80": 127, "212": 2047}.get(fmt, 32767)
    options = {
        "units": ["mV"] * 12,
        "sig_name": list(LEADS),
        "fmt": [fmt] * 12,
        "adc_gain": [100.0 + i for i in range(12)],
        "baseline": list(range(-6, 6)),
        "write_dir": str(tmp_path),
        "base_time": time(10, 20, 30),
        "base_date": date(2001, 2, 3),
    }
    signal = np.clip(counts.T, -largest, largest).astype(np.int64)
    wfdb.wrsamp("r", 250, d_signal=np.ascontiguousarray(signal), **options)
    records = read_ecg(tmp_path / "r")
    direct = wfdb.rdrecord(tmp_path / "r", return_res=32)
    np.testing.assert_array_equal(records.signals[0], direct.p_signal.T)
    assert records.sampling_rate == 250
    assert told(records)["recorded_at"] == pd.Timestamp("2001-02-03 10:20:30")


def test_a_missing_sample_of_wfdb_is_nan(tmp_path, counts):
    counts[1, 4] = -32768
    header = write_wfdb(tmp_path, "r", counts)
    with pytest.warns(UserWarning, match="Lead II is NaN in part"):
        missing = np.isnan(read_ecg(header).signals[0])
    assert np.argwhere(missing).tolist() == [[1, 4]]


def test_units_become_mv(tmp_path, counts):
    header = write_wfdb(tmp_path, "uv", counts, units="uV", gain=0.2)
    signals = read_ecg(header).signals[0]
    np.testing.assert_allclose(signals, in_mv(counts), rtol=1e-6, atol=1e-9)


def test_cardiosoft_comes_back_to_the_last_digit(tmp_path, counts):
    path = write(tmp_path / "e.xml", cardiosoft_xml(counts, median=counts[:, :300]))
    records = read_ecg(path)
    np.testing.assert_array_equal(records.signals[0], in_mv(counts))
    median = read_ecg(path, kind="median")
    np.testing.assert_array_equal(median.signals[0], in_mv(counts[:, :300]))
    assert records.patient_ids.tolist() == ["1234567"]
    assert told(records) == {
        "age": 63,
        "sex": 1,
        "recorded_at": pd.Timestamp("2016-03-07 09:41:05"),
        "device": "CardioSoft V6.73",
        "statements": "Sinus rhythm; Normal ECG",
        "device_heart_rate_bpm": 61,
        "device_rr_interval_ms": 980,
        "device_p_duration_ms": 104,
        "device_pr_interval_ms": 152,
        "device_qrs_duration_ms": 88,
        "device_qt_interval_ms": 404,
        "device_qtc_interval_ms": 406,
        "device_p_axis_deg": 51,
        "device_qrs_axis_deg": -12,
        "device_t_axis_deg": 0,
    }


def test_muse_comes_back_to_the_last_digit_with_derived_leads(tmp_path):
    counts = ecg_counts(500, INDEPENDENT)
    path = write(tmp_path / "m.xml", muse_xml(counts, median=counts[:, :300]))
    records = read_ecg(path)
    signal = dict(zip(LEADS, records.signals[0]))
    exact = dict(zip(INDEPENDENT, counts * 4.88 / 1000))
    for lead in INDEPENDENT:
        np.testing.assert_array_equal(signal[lead], exact[lead].astype(np.float32))
    i, ii = exact["I"], exact["II"]
    for lead, value in {
        "III": ii - i,
        "aVR": -(i + ii) / 2,
        "aVL": i - ii / 2,
        "aVF": ii - i / 2,
    }.items():
        np.testing.assert_allclose(signal[lead], value, rtol=1e-6, atol=1e-6)
    assert read_ecg(path, kind="median").shape == (1, 12, 300)
    row = told(records)
    assert (row["age"], row["sex"], row["device"]) == (71, 0, "MAC55")
    assert row["recorded_at"] == pd.Timestamp("2012-08-20 10:04:56")
    assert row["statements"] == "Sinus bradycardia; Left axis deviation, new"
    measured = {k[7:]: v for k, v in row.items() if k.startswith("device_")}
    assert measured == {
        "heart_rate_bpm": 58,
        "pr_interval_ms": 160,
        "qrs_duration_ms": 92,
        "qt_interval_ms": 420,
        "qtc_interval_ms": 412,
        "p_axis_deg": 45,
        "qrs_axis_deg": -30,
        "t_axis_deg": 60,
    }


def test_muse_age_is_in_years_whatever_its_unit(tmp_path):
    content = muse_xml(ecg_counts(500, INDEPENDENT))
    months = write(tmp_path / "a.xml", content.replace(b"YEARS", b"MONTHS"))
    assert told(read_ecg(months))["age"] == 71 / 12
    born = content.replace(b"<PatientAge>71</PatientAge>", b"")
    assert told(read_ecg(write(tmp_path / "b.xml", born)))["age"] == 71


def test_aecg_is_origin_plus_scale_times_digits(tmp_path, counts):
    content = aecg_xml(counts, scale=2.5, origin=100)
    records = read_ecg(write(tmp_path / "a.xml", content))
    exact = (0.1 + 0.0025 * counts).astype(np.float32)
    np.testing.assert_allclose(records.signals[0], exact, rtol=1e-6)
    assert records.sampling_rate == 500
    row = told(records)
    assert (row["sex"], row["age"], row["statements"]) == (1, 49, "Sinus rhythm")
    assert row["device_qt_interval_ms"] == 420


def test_aecg_rate_follows_the_unit_of_its_increment(tmp_path, counts):
    path = write(tmp_path / "a.xml", aecg_xml(counts, increment="4", unit="ms"))
    assert read_ecg(path).sampling_rate == pytest.approx(250)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_scp_undoes_differences_and_huffman_codes(tmp_path, counts, order, packed):
    counts = counts * 10  # beyond what 8 bits hold
    content = scp_bytes(counts, order=order, packed=packed)
    records = read_ecg(write(tmp_path / "a.scp", content))
    np.testing.assert_array_equal(records.signals[0], in_mv(counts))
    assert records.sampling_rate == 500
    assert records.patient_ids.tolist() == ["P-77"]
    assert told(records) == {
        "age": 55,
        "sex": 1,
        "recorded_at": pd.Timestamp("2019-05-17 08:30:00"),
        "device": "AT-10",
        "statements": "Sinus rhythm",
        "device_heart_rate_bpm": 60,
        "device_rr_interval_ms": 1000,
        "device_p_duration_ms": 104,
        "device_pr_interval_ms": 160,
        "device_qrs_duration_ms": 90,
        "device_qt_interval_ms": 400,
        "device_p_axis_deg": 40,
        "device_qrs_axis_deg": -15,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flags": 1}, "lacks a reference beat, and section 4"),
        ({"bimodal": 1}, "bimodal compression"),
    ],
)
def test_scp_that_needs_more_is_refused(tmp_path, counts, change, message):
    path = write(tmp_path / "a.scp", scp_bytes(counts, **change))
    with pytest.raises(ECGFileError, match=message):
        read_ecg(path)


def test_sierra_comes_back_without_its_calibration_pulse(tmp_path):
    ecg = ecg_counts(1100)
    pulse = np.zeros((12, 400), int)
    pulse[:, 100:200] = 200
    content = sierra_xml(np.hstack([ecg, pulse]))
    records = read_ecg(write(tmp_path / "a.xml", content))
    np.testing.assert_array_equal(records.signals[0], in_mv(ecg[:, :1000]))
    row = told(records)
    assert (row["age"], row["sex"], row["device"]) == (60, 0, "PageWriter")
    assert row["statements"] == "Sinus rhythm; NORMAL ECG"
    assert row["device_pr_interval_ms"] == 144
    assert "device_qtc_interval_ms" not in row


def test_sierra_without_a_pulse_is_whole(tmp_path):
    records = read_ecg(write(tmp_path / "a.xml", sierra_xml(ecg_counts(1100))))
    assert records.shape == (1, 12, 1100)


@pytest.mark.parametrize("groups", [1, 3])
def test_dicom_joins_its_groups_and_adds_its_baseline(tmp_path, counts, groups):
    path = write_dicom(tmp_path / "a.dcm", counts, baseline=20, groups=groups)
    records = read_ecg(path)
    exact = ((counts * 5 + 20) / 1000).astype(np.float32)
    np.testing.assert_allclose(records.signals[0], exact, rtol=1e-6, atol=1e-9)
    row = told(records)
    assert (row["age"], row["sex"], row["device"]) == (42, 1, "Maker")
    assert row["recorded_at"] == pd.Timestamp("2013-01-25 10:59:19")
    assert row["device_qt_interval_ms"] == 368


def test_dicom_padding_is_missing(tmp_path, counts):
    counts[2, 7] = -9000
    path = write_dicom(
        tmp_path / "a.dcm", counts, WaveformPaddingValue=np.int16(-9000).tobytes()
    )
    with pytest.warns(UserWarning, match="Lead III is NaN in part"):
        missing = np.isnan(read_ecg(path).signals[0])
    assert missing.sum() == 1
    assert missing[2, 7]


def test_edf_keeps_the_channels_that_are_leads(tmp_path, counts):
    path = write_edf(tmp_path / "a.edf", counts, extra=("Resp", "SpO2"))
    records = read_ecg(path)
    np.testing.assert_allclose(records.signals[0], in_mv(counts), rtol=1e-5, atol=1e-7)
    assert records.leads == LEADS
    row = told(records)
    assert (row["sex"], row["age"], row["device"]) == (0, 69, "Holter")


@pytest.mark.parametrize("kind", ["EDF", "EDFPLUS", "BDF", "BDFPLUS"])
def test_edf_equals_pyedflib(tmp_path, counts, kind):
    import pyedflib

    path = write_edf(tmp_path / "a.edf", counts * 3, rate=250, kind=kind)
    records = read_ecg(path)
    with pyedflib.EdfReader(str(path)) as file:
        direct = np.array([file.readSignal(i) / 1000 for i in range(12)])
        assert told(records)["recorded_at"] == file.getStartdatetime()
    assert records.sampling_rate == 250
    np.testing.assert_allclose(records.signals[0], direct, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_columns_are_leads(tmp_path, counts, delimiter):
    text = csv_text(counts, delimiter=delimiter)
    if delimiter == ";":
        text = text.replace(".", ",")
    path = write(tmp_path / "a.txt", b"\xef\xbb\xbf" + text.encode())
    records = read_ecg(path, sampling_rate=500)
    np.testing.assert_array_equal(records.signals[0], in_mv(counts))


def test_csv_ignores_columns_that_are_no_leads(tmp_path, counts):
    table = pd.DataFrame(counts.T * 0.005, columns=[x.upper() for x in LEADS])
    table.insert(0, "time", "00:00")
    table.to_csv(tmp_path / "a.csv")
    assert read_ecg(tmp_path / "a.csv", sampling_rate=500).leads == LEADS


@pytest.mark.parametrize("shape", [(12, 500), (500, 12), (1, 12, 500)])
def test_numpy_arrays_may_lie_either_way(tmp_path, counts, shape):
    signals = counts * 0.005
    np.save(tmp_path / "a.npy", signals.T if shape[1] == 12 else signals.reshape(shape))
    if shape == (1, 12, 500):
        np.save(tmp_path / "a.npy", signals[None])
    records = read_ecg(tmp_path / "a.npy", sampling_rate=500)
    np.testing.assert_array_equal(records.signals[0], in_mv(counts))


def test_numpy_archives_name_their_leads_and_rate(tmp_path, counts):
    np.savez_compressed(
        tmp_path / "a.npz",
        signals=counts[:3] * 0.005,
        leads=LEADS[2::-1],
        sampling_rate=250,
    )
    records = read_ecg(tmp_path / "a.npz")
    assert (records.leads, records.sampling_rate) == (LEADS[:3], 250)
    np.testing.assert_array_equal(records.signals[0], in_mv(counts[2::-1]))


def test_formats_are_recognised_whatever_the_name(tmp_path, counts):
    contents = [cardiosoft_xml(counts), aecg_xml(counts), scp_bytes(counts)]
    contents.append(write_dicom(tmp_path / "d", counts).read_bytes())
    contents.append(write_edf(tmp_path / "e.edf", counts).read_bytes())
    contents.append(
        cardiosoft_xml(counts)
        .decode("latin-1")
        .replace("ISO-8859-1", "UTF-16")
        .encode("utf-16")
    )
    for content in contents:
        records = read_ecg(write(tmp_path / "export.bin", content))
        np.testing.assert_allclose(
            records.signals[0], in_mv(counts), rtol=1e-5, atol=1e-7
        )


def test_all_formats_have_the_same_covariates(tmp_path, counts):
    write(tmp_path / "a.xml", cardiosoft_xml(counts))
    np.save(tmp_path / "b.npy", counts * 0.005)
    columns = [
        read_ecg(tmp_path / name, sampling_rate=500).covariates.columns.tolist()
        for name in ("a.xml", "b.npy")
    ]
    assert columns[0] == columns[1]
    assert columns[0][:5] == ["age", "sex", "recorded_at", "device", "statements"]


def test_wrong_arguments_say_what_to_do(tmp_path, counts):
    path = write(tmp_path / "a.xml", cardiosoft_xml(counts))
    np.save(tmp_path / "b.npy", counts * 0.005)
    np.save(tmp_path / "c.npy", counts * 5.0)
    with pytest.raises(ValueError, match="kind must be 'rhythm' or 'median'"):
        read_ecg(path, kind="beat")
    with pytest.raises(ECGFileError, match="holds no median beats; read its rhythm"):
        read_ecg(path, kind="median")
    with pytest.raises(ECGFileError, match="at 500 Hz, not at sampling_rate=250"):
        read_ecg(path, sampling_rate=250)
    with pytest.raises(ECGFileError, match=r"read_ecg\(path, sampling_rate=500\)"):
        read_ecg(tmp_path / "b.npy")
    with pytest.raises(ECGFileError, match="looks like microvolts"):
        read_ecg(tmp_path / "c.npy", sampling_rate=500)
    with pytest.raises(ECGFileError, match="Read a folder with read_ecg_folder"):
        read_ecg(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_ecg(tmp_path / "absent.xml")
