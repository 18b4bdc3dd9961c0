"""Units and ages however they are written; what tells none is refused or warned of."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
from ecg_mutations import csv_text
from ecg_writers import (
    aecg_xml,
    cardiosoft_xml,
    ecg_counts,
    muse_xml,
    sierra_xml,
    write_edf,
    write_wfdb,
)

from ecgdan_sk.datasets import ECGFileError, read_ecg
from ecgdan_sk.datasets._cohorts import _wfdb_records
from ecgdan_sk.datasets._formats._recording import mv_per
from ecgdan_sk.records import LEADS

for package in ("defusedxml", "pydicom", "pyedflib", "sierraecg"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)


@pytest.fixture
def counts():
    return ecg_counts(500)


def in_mv(counts, step=5):
    return (counts * step / 1000).astype(np.float32)


def write(path, content):
    path.write_bytes(content)
    return path


# Units.


@pytest.mark.parametrize(
    ("spellings", "factor"),
    [
        (("mV", "mv", " MV ", "millivolt", "Millivolts", "MDC_DIM_MILLI_VOLT"), 1),
        (("uV", "UV", "\u00b5V", "\u03bcV", "microvolt", "MICROVOLTS", "mcV"), 1e-3),
        (("micro volt", "MDC_DIM_MICRO_VOLT"), 1e-3),
        (("nV", "nanovolts"), 1e-6),
        (("V", "v", "Volt", "volts"), 1e3),
    ],
)
def test_units_are_read_however_they_are_spelt(spellings, factor):
    assert {mv_per(unit) for unit in spellings} == {factor}


@pytest.mark.parametrize("unit", ["", "mmHg", "kV", "mVs", "VV", "adu", "\u00e6V"])
def test_what_is_no_voltage_is_refused(unit):
    with pytest.raises(ECGFileError, match="expected mV, uV, nV or V"):
        mv_per(unit)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("fmt", ["16", "24"])
def test_a_micro_sign_in_a_wfdb_header_is_kept(tmp_path, counts, encoding, fmt):
    header = write_wfdb(tmp_path, "r", counts, gain=0.2, fmt=fmt)
    text = header.read_text().replace("/mV", "/\u00b5V")
    header.write_bytes(text.encode(encoding))
    signals = read_ecg(header).signals[0]
    np.testing.assert_allclose(signals, in_mv(counts), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_micro_sign_is_kept_in_cohorts_of_wfdb(tmp_path, counts, encoding):
    header = write_wfdb(tmp_path, "r", counts, gain=0.2)
    text = header.read_text().replace("/mV", "/\u00b5V")
    header.write_bytes(text.encode(encoding))
    signals = _wfdb_records.read_ecg(tmp_path / "r", 500, 500)
    np.testing.assert_allclose(signals, in_mv(counts), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("unit", ["\u00b5V", "uV"])
def test_edf_in_microvolts_in_either_encoding(tmp_path, counts, encoding, unit):
    path = write_edf(tmp_path / "a.edf", counts)
    field = unit.encode(encoding).ljust(8)
    path.write_bytes(path.read_bytes().replace(b"uV      ", field))
    signals = read_ecg(path).signals[0]
    np.testing.assert_allclose(signals, in_mv(counts), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("unit", ["nVperLsb", "uVperLsb", "mV/LSB", None])
def test_cardiosoft_resolution_has_a_unit(tmp_path, counts, unit):
    step = {"nVperLsb": 5000, "mV/LSB": 0.005}.get(unit, 5)
    content = cardiosoft_xml(counts, resolution=step)
    told = b"" if unit is None else f' units="{unit}"'.encode()
    content = content.replace(b' units="uVperLsb"', told)
    signals = read_ecg(write(tmp_path / "a.xml", content)).signals[0]
    np.testing.assert_allclose(signals, in_mv(counts), rtol=1e-6)


@pytest.mark.parametrize(
    ("title", "per_mv"),
    [("{} (mV)", 1), ("{} (uV)", 1000), ("{} [\u00b5V]", 1000), ("{}_uV", 1000)]
    + [("ECG {} (V)", 1e-3), ("{} in mV", 1), ("{}/nV", 1e6), ("Lead {}", 1)],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_csv_titles_tell_the_unit(tmp_path, counts, title, per_mv, encoding):
    table = pd.DataFrame(counts.T * 0.005 * per_mv)
    table.columns = [title.format(lead) for lead in LEADS]
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False, encoding=encoding)
    signals = read_ecg(path, sampling_rate=500).signals[0]
    np.testing.assert_allclose(signals, in_mv(counts), rtol=1e-6, atol=1e-9)


def test_csv_in_a_unit_that_is_none_is_refused(tmp_path, counts):
    text = csv_text(counts).replace("V6", "V6 (counts)", 1)
    with pytest.raises(ECGFileError, match="amplitudes are in 'counts'"):
        read_ecg(write(tmp_path / "a.csv", text.encode()), sampling_rate=500)


def test_csv_mlii_is_ii(tmp_path, counts):
    text = csv_text(counts).replace("II,III", "MLII,III", 1)
    path = write(tmp_path / "a.csv", text.encode())
    records = read_ecg(path, sampling_rate=500)
    assert records.leads == LEADS
    np.testing.assert_array_equal(records.signals[0], in_mv(counts))


# Ages.


AGES = [("89+", 89), (">89", 90), ("> 89", 90), ("74 years", 74), ("74", 74)]


@pytest.mark.parametrize(("told", "age"), AGES)
@pytest.mark.parametrize("kind", ["wfdb", "muse", "cardiosoft", "sierra", "aecg"])
def test_ages_are_read_however_they_are_told(tmp_path, counts, kind, told, age):
    assert read_ecg(telling(tmp_path, counts, kind, told)).covariates.age.item() == age


@pytest.mark.parametrize(
    ("kind", "year"), [("muse", 2012), ("cardiosoft", 2016), ("sierra", 2010)]
)
def test_a_year_of_birth_alone_tells_the_age(tmp_path, counts, kind, year):
    path = telling(tmp_path, counts, kind, "1940")
    assert read_ecg(path).covariates.age.item() == year - 1940


def test_a_year_of_birth_in_wfdb_needs_the_date(tmp_path, counts):
    header = telling(tmp_path, counts, "wfdb", "1940")
    with pytest.warns(UserWarning, match="age of 1 of 1 .*'r' is '1940'"):
        assert np.isnan(read_ecg(header).covariates.age.item())
    dated = header.read_text().replace("500 500", "500 500 10:20:30 02/03/2001", 1)
    header.write_text(dated)
    assert read_ecg(header).covariates.age.item() == 61


@pytest.mark.parametrize("kind", ["wfdb", "muse", "cardiosoft", "sierra", "aecg"])
def test_an_age_that_tells_none_is_warned_of(tmp_path, counts, kind):
    path = telling(tmp_path, counts, kind, "old")
    with pytest.warns(UserWarning, match="age of 1 of 1 .*is 'old'"):
        assert np.isnan(read_ecg(path).covariates.age.item())
    for untold in ("", "unknown", "NaN", "?"):
        path = telling(tmp_path, counts, kind, untold)
        assert np.isnan(read_ecg(path).covariates.age.item())


def telling(folder, counts, kind, age):
    """A file that tells this age, and no date of birth."""
    if kind == "wfdb":
        return write_wfdb(folder, "r", counts, comments=[f"Age: {age} Sex: M"])
    content, at = {
        "muse": (muse_xml(counts[[0, 1, *range(6, 12)]]), b"<PatientAge>71<"),
        "cardiosoft": (cardiosoft_xml(counts), b'<Age units="Years">63<'),
        "sierra": (sierra_xml(counts), b"<years>60<"),
        "aecg": (aecg_xml(counts), b'<birthTime value="19530508"/>'),
    }[kind]
    assert at in content
    age = age.replace(">", "&gt;")
    content = content.replace(b"<DateofBirth>01-22-1941</DateofBirth>", b"")
    if kind == "aecg":
        told = f'<relatedObservation><code code="21612-7"/><value value="{age}"'
        told += ' unit="a"/></relatedObservation>'
        content = content.replace(at, b"").replace(
            b"</series>", told.encode() + b"</series>"
        )
    else:
        told = at[: at.index(b">") + 1] + age.encode() + b"<"
        content = content.replace(at, told)
    return write(folder / "a.xml", content)
