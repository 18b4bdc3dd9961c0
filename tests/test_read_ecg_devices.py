"""Formats of further devices: what they hold, in mV and under the right names.

No public file of these is at hand. The tests write them: ISHNE, MFER and SCP-ECG by
their standards, Mortara, Schiller and the CSV of watches as open readers take them.
"""

import importlib.util
import struct

import numpy as np
import pytest
from ecg_mutations import with_checksum
from ecg_writers import (
    ecg_counts,
    ishne_bytes,
    mfer_bytes,
    mortara_xml,
    schiller_xml,
    subtracted_scp,
    watch_csv,
    write_segments,
    write_wfdb,
)

from ecgdan_sk.datasets import ECGFileError, read_ecg, read_ecg_folder
from ecgdan_sk.records import LEADS

for package in ("defusedxml", "ecgdatakit"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore:Lead .* NaN in part:UserWarning")
COUNTS = ecg_counts(500)
PLACES = [(0, 131, 150, 180), (1, 200, 210, 220), (0, 401, 420, 460)]


def read(tmp_path, content, name="ecg.bin", **options):
    (tmp_path / name).write_bytes(content)
    return read_ecg(tmp_path / name, **options)


def told(records):
    """Patient, age, sex, date, device and findings of one recording."""
    row = records.covariates.iloc[0]
    age = round(row["age"], 1)
    date = row["recorded_at"].isoformat()
    patient = None if records.patient_ids is None else records.patient_ids[0]
    return (patient, age, row["sex"], date, row["device"], row["statements"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", mortara_xml(COUNTS, per_mv=400)),
        ("a.ecg", ishne_bytes(COUNTS, nanovolts=2500)),
        ("a.scp", subtracted_scp(COUNTS, COUNTS[:, 100:200], PLACES)),
    ],
)
def test_another_program_reads_the_same(tmp_path, name, content):
    parser = pytest.importorskip("ecgdatakit.parsing.parser")
    records = read(tmp_path, content, name)
    theirs = parser.FileParser().parse(tmp_path / name).leads
    in_mv = [lead.samples for lead in theirs]
    assert [lead.label for lead in theirs] == list(records.leads)
    assert {lead.units for lead in theirs} == {"mV"}
    np.testing.assert_allclose(records.signals[0], in_mv, atol=1e-6)


def test_mortara_xml(tmp_path):
    records = read(tmp_path, mortara_xml(COUNTS, per_mv=400, median=COUNTS[:, :300]))
    assert (records.leads, records.sampling_rate) == (LEADS, 500)
    np.testing.assert_array_equal(records.signals[0], np.float32(COUNTS / 400))
    expected = ("M-12", 58, 1, "2015-04-03T09:15:00", "Mortara Instrument ELI 250")
    assert told(records) == (*expected, "Sinus rhythm")
    measures = records.covariates.iloc[0]
    assert measures["device_qtc_interval_ms"] == 431
    assert measures["device_qrs_axis_deg"] == -20
    assert measures["device_heart_rate_bpm"] == 72
    median = read_ecg(tmp_path / "ecg.bin", kind="median")
    np.testing.assert_array_equal(median.signals, records.signals[:, :, :300])


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ((b'OFFSET="0"', b'OFFSET="7"'), "OFFSET of 7"),
        ((b'BITS="16"', b'BITS="12"'), "expected 16, SIGNED"),
        ((b'DURATION="500"', b'DURATION="501"'), "holds 500 samples, but claims 501"),
        ((b'UNITS_PER_MV="200"', b'UNITS_PER_MV="0"'), "a number above 0"),
        ((b"<CHANNEL ", b"<OTHER "), "holds no CHANNEL"),
    ],
)
def test_mortara_xml_that_is_not_understood_is_refused(tmp_path, changed, match):
    with pytest.raises(ECGFileError, match=match):
        read(tmp_path, mortara_xml(COUNTS).replace(*changed))


@pytest.mark.parametrize(("step", "unit"), [(5, "uV"), (0.005, "mV")])
def test_schiller_xml(tmp_path, step, unit):
    records = read(tmp_path, schiller_xml(COUNTS, step=step, unit=unit))
    assert (records.leads, records.sampling_rate) == (LEADS, 500)
    np.testing.assert_allclose(records.signals[0], COUNTS / 200, rtol=1e-6)
    assert told(records)[:5] == ("S-3", 68, 0, "2018-06-04T13:45:00", "SCHILLER")
    other = schiller_xml(COUNTS).replace(b"ECG_RHYTHMS", b"ECG_OTHER")
    with pytest.raises(ECGFileError, match="ECG_AVERAGES, ECG_OTHER; expected one"):
        read(tmp_path, other)
    power = schiller_xml(COUNTS).replace(b"<exponent>1<", b"<exponent>2<")
    with pytest.raises(ECGFileError, match="exponent 2"):
        read(tmp_path, power)


def test_ishne_holter(tmp_path):
    counts = ecg_counts(2000)[[0, 1, 6]]
    counts[1, 50] = -32768
    leads = ("I", "II", "V1")
    records = read(tmp_path, ishne_bytes(counts, leads, nanovolts=2500))
    expected = np.where(counts == -32768, np.nan, counts * 0.0025)
    np.testing.assert_allclose(records.signals[0], expected, rtol=1e-6)
    assert (records.leads, records.sampling_rate) == (leads, 200)
    assert told(records)[:5] == ("H-8", 70, 1, "2010-02-05T08:30:15", "Recorder")


def test_ishne_that_is_damaged_is_refused(tmp_path):
    whole = ishne_bytes(COUNTS)
    with pytest.raises(ECGFileError, match="claims 500 samples; it is cut short"):
        read(tmp_path, whole[: -24 * 100])
    with pytest.raises(ECGFileError, match="checksum"):
        read(tmp_path, whole[:300] + b"x" + whole[301:])
    with pytest.raises(ECGFileError, match="numbers above 0"):
        read(tmp_path, ishne_bytes(COUNTS, nanovolts=0))


def test_mfer(tmp_path):
    records = read(tmp_path, mfer_bytes(COUNTS, rate=250, step_uv=3))
    assert (records.leads, records.sampling_rate) == (LEADS, 250)
    np.testing.assert_allclose(records.signals[0], COUNTS * 0.003, rtol=1e-6)
    assert told(records)[:5] == ("J-1", 64, 0, "2019-05-06T07:08:09", "Maker Cart")
    whole = mfer_bytes(COUNTS)
    with pytest.raises(ECGFileError, match="only .* remain"):
        read(tmp_path, whole[:-100])
    without_scale = whole.replace(bytes([0x0C, 4, 0, 250]), bytes([0x16, 4, 0, 250]))
    with pytest.raises(ECGFileError, match="expected its MWF_SEN in V"):
        read(tmp_path, without_scale)
    without_rate = whole.replace(bytes([0x0B, 4]), bytes([0x16, 4]), 1)
    with pytest.raises(ECGFileError, match="sampling interval"):
        read(tmp_path, without_rate)


def test_the_ecg_of_a_watch(tmp_path):
    values = COUNTS[0] * 5 + 0.25
    records = read(tmp_path, watch_csv(values))
    assert (records.leads, records.sampling_rate) == (("I",), 512)
    np.testing.assert_allclose(records.signals[0, 0], values / 1000, atol=1e-7)
    expected = (None, 64, "2024-01-15T18:15:35", "Watch6,7", "Sinus Rhythm")
    found = told(records)
    assert (*found[:2], *found[3:]) == expected
    german = watch_csv(values, comma=True, more=("Ableitung,Ableitung I",))
    german = german.replace(b"Sample Rate,512 hertz", b"Abtastrate,512 Hertz")
    np.testing.assert_array_equal(read(tmp_path, german).signals, records.signals)
    second = watch_csv(values / 1000, unit="mV", more=("Lead,Lead II",))
    second = read(tmp_path, second)
    assert second.leads == ("II",)
    np.testing.assert_allclose(second.signals[0, 0], values / 1000, atol=6e-4)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ((b"Unit,", b"Other,"), "unit of its samples"),
        (("µV".encode(), b"mmHg"), "unit of its samples"),
        ((b'Device,"Watch6,7"', b"Device,Band"), "does not say its lead"),
        ((b"\n0.000\n", b"\nx\n"), "one of its samples is 'x'"),
    ],
)
def test_a_watch_that_does_not_say_what_is_needed(tmp_path, changed, match):
    content = watch_csv([1, 0, 2], more=())
    assert changed[0] in content
    if changed[0] == b"Unit,":
        changed = ("Unit,µV".encode(), b"Other,x")
    with pytest.raises(ECGFileError, match=match):
        read(tmp_path, content.replace(*changed))


def test_a_subtracted_reference_beat_is_added_back(tmp_path):
    beat = COUNTS[:, 100:200]
    records = read(tmp_path, subtracted_scp(COUNTS, beat, PLACES))
    np.testing.assert_allclose(records.signals[0], COUNTS / 200, atol=1e-6)
    # A zone that reaches beyond the beat ends with it.
    longer = [(0, 131, 150, 500)]
    data = subtracted_scp(COUNTS, beat, [(0, 131, 150, 230)])
    at = data.index(struct.pack("<HIII", 0, 131, 150, 230))
    widened = data[:at] + struct.pack("<HIII", *longer[0]) + data[at + 14 :]
    found = read(tmp_path, with_checksum(widened))
    np.testing.assert_allclose(found.signals[0], COUNTS / 200, atol=1e-6)


def test_segments_of_wfdb_follow_each_other(tmp_path):
    header = write_segments(tmp_path, "joined", COUNTS, (200, 300), gap=100)
    records = read_ecg(header)
    assert records.shape == (1, 12, 600)
    np.testing.assert_allclose(records.signals[0, :, :200], COUNTS[:, :200] / 200)
    assert np.isnan(records.signals[0, :, 200:300]).all()
    np.testing.assert_allclose(records.signals[0, :, 300:], COUNTS[:, 200:] / 200)
    assert told(records)[1:4] == (62, 1, "2021-02-03T10:30:00")
    read_folder = read_ecg_folder(tmp_path)
    assert read_folder.X.ids.tolist() == ["joined"]


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        (
            ("_0001 300", "_0001 301"),
            "has 300 samples at 500 Hz, and its header claims",
        ),
        (("joined_0001", "../other"), "a line with name and number"),
        (("joined_0001", "absent"), "segment absent.hea is not beside it"),
        (("~ 100", "~ 99999999999"), "at most 125000000 in all"),
        (("joined/3", "joined/4"), "names 3 segments and claims 4"),
        (("12 500", "12 250"), "claims 200 at 250 Hz"),
        (("joined_0001", "joined"), "its header begins with"),
    ],
)
def test_segments_that_do_not_fit_are_refused(tmp_path, changed, match):
    header = write_segments(tmp_path, "joined", COUNTS, (200, 300), gap=100)
    header.write_text(header.read_text().replace(*changed))
    with pytest.raises(ECGFileError, match=match):
        read_ecg(header)


@pytest.mark.parametrize("fmt", ["508", "516", "524"])
def test_wfdb_in_flac(tmp_path, fmt):
    counts = np.clip(COUNTS, -100, 100)
    header = write_wfdb(tmp_path, "packed", counts, fmt=fmt)
    records = read_ecg(header)
    np.testing.assert_allclose(records.signals[0], counts / 200)
    assert read_ecg_folder(tmp_path).report.files.index.tolist() == ["packed.hea"]
    header.write_text(header.read_text().replace("12 500 500", "12 500 5000000000"))
    with pytest.raises(ECGFileError, match="claims 5000000000 samples of 8 signals"):
        read_ecg(header)
