"""read_ecg on real files of vendors and of PhysioNet."""

import importlib.util
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
import wfdb

from ecgdan_sk.datasets import ECGFileError, read_ecg, read_ecg_folder
from ecgdan_sk.records import LEADS

for package in ("defusedxml", "pydicom", "sierraecg"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

pytestmark = pytest.mark.realdata

PHILIPS = {
    "129DYPRG": (41, 151, 135, 476),
    "2020-5-18_15-48-11": (64, 164, 102, 399),
    "3191723_ZZDEMOPTONLY_1-04_orig": (84, 144, 84, 352),
    "3191723_ZZDEMOPTONLY_1-04_orig_utf8": (84, 144, 84, 352),
    "ad4d3d80-d165_1-04_orig": (41, 144, 102, 564),
    "repbeats_example": (41, 151, 135, 476),
}
INTERVALS = ["pr_interval_ms", "qrs_duration_ms", "qt_interval_ms"]


def device(records, names):
    return [records.covariates[f"device_{name}"].item() for name in names]


def obeys_einthoven(records, tolerance):
    signal = dict(zip(records.leads, records.signals[0]))
    error = signal["III"] - (signal["II"] - signal["I"])
    return np.abs(error).max() <= tolerance


@pytest.mark.parametrize("name", PHILIPS)
def test_philips_files_read(ecgdan_data, name):
    records = read_ecg(ecgdan_data / "vendor" / "philips_sierra_xml" / f"{name}.xml")
    assert (records.shape, records.sampling_rate) == ((1, 12, 5000), 500)
    assert records.leads == LEADS
    assert device(records, ["heart_rate_bpm", *INTERVALS]) == list(PHILIPS[name])
    assert obeys_einthoven(records, 0.011)  # two steps
    # No pulse of 1 mV, the same in every lead, is left.
    assert (np.ptp(records.signals[0, :, -500:], axis=0) > 0).all()


def test_the_calibration_pulse_is_what_was_cut_off(ecgdan_data):
    import sierraecg

    folder = ecgdan_data / "vendor" / "philips_sierra_xml"
    path = folder / "2020-5-18_15-48-11.xml"
    leads = sierraecg.read_file(str(path)).leads
    whole = np.array([lead.samples for lead in leads])
    np.testing.assert_array_equal(
        read_ecg(path).signals[0], (whole[:, :5000] * 0.005).astype(np.float32)
    )
    assert (whole[:, 5350:5450] == 200).all()


def test_philips_median_beats_are_those_of_the_rhythm(ecgdan_data):
    folder = ecgdan_data / "vendor" / "philips_sierra_xml"
    for name, n_times, rate in [
        ("3191723_ZZDEMOPTONLY_1-04_orig", 600, 500),  # filled up to 1200
        ("2020-5-18_15-48-11", 1200, 1000),
    ]:
        median = read_ecg(folder / f"{name}.xml", kind="median")
        rhythm = read_ecg(folder / f"{name}.xml").signals[0]
        assert (median.shape, median.sampling_rate) == ((1, 12, n_times), rate)
        seconds = rhythm.reshape(12, 10, 500)
        height = np.median(np.ptp(seconds, axis=2), axis=1)
        np.testing.assert_allclose(np.ptp(median.signals[0], axis=1), height, rtol=0.1)


@pytest.mark.parametrize("name", ["doc-type", "doc-version"])
def test_invalid_philips_files_are_named(ecgdan_data, name):
    path = ecgdan_data / "vendor" / "philips_sierra_xml" / f"invalid-{name}.xml"
    with pytest.raises(ECGFileError, match="unsupported; expected Philips Sierra"):
        read_ecg(path)


@pytest.mark.parametrize("name", ["Example_aECG", "subject1_0"])
def test_aecg_equals_a_direct_read_of_its_xml(ecgdan_data, name):
    path = ecgdan_data / "vendor" / "hl7_aecg" / f"{name}.xml"
    records = read_ecg(path)
    assert (records.leads, records.sampling_rate) == (LEADS, 500)
    assert device(records, INTERVALS) == [148, 120, 420]
    space = "{urn:hl7-org:v3}"
    rhythm = next(ElementTree.parse(path).getroot().iter(f"{space}series"))
    by_lead = {}
    for part in rhythm.findall(f"{space}component//{space}sequence"):
        digits = part.find(f"{space}value/{space}digits")
        if digits is not None:
            code = part.find(f"{space}code").get("code").rpartition("_")[2]
            by_lead.setdefault(code, 0.0025 * np.array(digits.text.split(), float))
    direct = np.array([by_lead[lead.upper()] for lead in LEADS])
    np.testing.assert_allclose(records.signals[0], direct, rtol=1e-6, atol=1e-9)
    row = records.covariates.iloc[0]
    assert (row["age"], row["sex"]) == (46, 0)
    assert read_ecg(path, kind="median").shape[1] == 12


def test_minimal_aecgs_hold_one_lead(ecgdan_data):
    paths = sorted((ecgdan_data / "vendor" / "hl7_aecg").glob("minimum*.xml"))
    assert len(paths) == 5
    for path in paths:
        with pytest.warns(UserWarning, match="those of some 0.005 per mV"):
            records = read_ecg(path)
        assert (records.shape, records.leads) == ((1, 1, 13), ("II",))
        np.testing.assert_allclose(records.signals[0, 0, :4], -0.005, rtol=1e-6)


def test_the_empty_aecg_is_named(ecgdan_data):
    with pytest.raises(ECGFileError, match="no series of code RHYTHM; expected"):
        read_ecg(ecgdan_data / "vendor" / "hl7_aecg" / "empty.xml")


@pytest.mark.parametrize("name", ["anonymous_ecg", "pydicom_waveform_ecg"])
def test_dicom_equals_pydicom(ecgdan_data, name):
    import pydicom

    path = ecgdan_data / "vendor" / "dicom_ecg" / f"{name}.dcm"
    direct = pydicom.dcmread(path).waveform_array(0).T / 1000
    records = read_ecg(path)
    assert (records.leads, records.sampling_rate) == (LEADS, 1000)
    np.testing.assert_array_equal(records.signals[0], direct.astype(np.float32))
    assert device(records, INTERVALS) == [161, 75, 368]
    assert obeys_einthoven(records, 0.003)
    median = read_ecg(path, kind="median")
    assert median.shape == (1, 12, 1200)


def test_the_folder_of_vendors_reads_but_for_what_is_named(ecgdan_data):
    with (
        pytest.warns(UserWarning, match="Left out are 8 of 16 files"),
        pytest.warns(UserWarning, match="3 of 8 recordings hold the same samples"),
    ):
        ecgs = read_ecg_folder(ecgdan_data / "vendor", "*/*.xml")
    assert len(ecgs.X) == len(PHILIPS) + 2
    refused = ecgs.errors[~ecgs.errors["error"].str.contains("It lasts 0.026 s")]
    names = refused["path"].str.split("/").str[-1].tolist()
    assert names == ["empty.xml", "invalid-doc-type.xml", "invalid-doc-version.xml"]
    copies = ecgs.report.files["duplicate_of"][
        "philips_sierra_xml/repbeats_example.xml"
    ]
    assert copies == "philips_sierra_xml/129DYPRG.xml"


@pytest.mark.parametrize(
    ("name", "age", "sex"),
    [
        ("ptbxl/records500/00000/00001_hr", np.nan, np.nan),
        ("cinc2021/chapman_or_ningbo/JS00001", 85, 0),
        ("ludb/3", 53, 0),
        ("ptbdb/s0010_re", 81, 1),
    ],
)
def test_wfdb_records_equal_wfdb(ecgdan_data, name, age, sex):
    with warnings.catch_warnings():
        # The limb leads of LUDB's record 3 disagree.
        warnings.simplefilter("ignore" if "ludb" in name else "error")
        records = read_ecg(ecgdan_data / name)
    signal, fields = wfdb.rdsamp(ecgdan_data / name)
    names = [lead.upper() for lead in fields["sig_name"]]
    direct = signal.T[[names.index(lead.upper()) for lead in LEADS]]
    np.testing.assert_allclose(records.signals[0], direct, atol=1e-6)
    np.testing.assert_array_equal(records.covariates[["age", "sex"]], [[age, sex]])


def test_a_folder_of_ptbxl_is_read_whole(ecgdan_data):
    folder = ecgdan_data / "ptbxl" / "records500"
    ecgs = read_ecg_folder(folder, "**/*")
    assert ecgs.X.shape == (343, 12, 5000)
    assert ecgs.errors.empty
