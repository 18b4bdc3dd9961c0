"""What a file holds decides: codes before names, sets before counts, every sample."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
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

from ecgdan_sk.datasets import ECGFileError, read_ecg, read_ecg_folder
from ecgdan_sk.datasets._formats._recording import mv_per
from ecgdan_sk.records import LEADS

for package in ("defusedxml", "pydicom", "pyedflib", "sierraecg"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

MDC = {"I": 1, "II": 2, **{f"V{i}": 2 + i for i in range(1, 7)}}
MDC |= {"III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
# As DICOM's own table (CID 3001) shows them.
SHOWN = {lead: f"Lead {lead}" for lead in LEADS} | {
    "aVR": "aVR, augmented voltage, right",
    "aVL": "aVL, augmented voltage, left",
    "aVF": "aVF, augmented voltage, foot",
}
GERMAN = {lead: f"Brustwandableitung {i}" for i, lead in enumerate(LEADS)}


@pytest.fixture
def counts():
    return ecg_counts(500)


def in_mv(counts, step=5):
    return (counts * step / 1000).astype(np.float32)


def write(path, content):
    path.write_bytes(content)
    return path


# Sets before counts.


@pytest.mark.parametrize("n_others", range(8))
def test_eight_leads_are_completed_whatever_stands_beside_them(tmp_path, n_others):
    others = ("V3R", "V4R", "V5R", "V7", "V8", "V9", "X")[:n_others]
    rows = ecg_counts(500, INDEPENDENT)
    rows = np.vstack([rows, rows[[2] * n_others]])
    path = write(tmp_path / "m.xml", muse_xml(rows, leads=(*INDEPENDENT, *others)))
    records = read_ecg(path)
    assert records.leads == LEADS
    alone = read_ecg(write(tmp_path / "8.xml", muse_xml(rows[:8])))
    np.testing.assert_array_equal(records.signals, alone.signals)


@pytest.mark.parametrize("pair", [("I", "III"), ("II", "aVF"), ("aVR", "aVL")])
def test_any_two_limb_leads_complete_the_twelve(tmp_path, counts, pair):
    kept = [LEADS.index(lead) for lead in (*pair, *LEADS[6:])]
    path = write_wfdb(tmp_path, "r", counts[kept], leads=(*pair, *LEADS[6:]))
    records = read_ecg(path)
    assert records.leads == LEADS
    # The integer limb leads are rounded to a step or two of 5 uV.
    np.testing.assert_allclose(records.signals[0], in_mv(counts), atol=0.021)


def test_what_is_left_out_may_repeat_itself(tmp_path, counts):
    more = np.vstack([counts, counts[:3]])
    path = write_wfdb(tmp_path, "r", more, leads=(*LEADS, "resp", "other", "SpO2"))
    path.write_text(path.read_text().replace("other", "resp"))
    np.testing.assert_array_equal(read_ecg(path).signals[0], in_mv(counts))


# Codes before names.


@pytest.mark.parametrize(
    ("scheme", "code", "meanings"),
    [
        ("MDC", lambda lead: f"2:{MDC[lead]}", SHOWN),
        ("MDC", lambda lead: f"2:{MDC[lead]}", GERMAN),
        ("MDC", lambda lead: f"2:{MDC[lead]}", dict.fromkeys(LEADS, "")),
        ("MDC", lambda lead: str(131072 + MDC[lead]), GERMAN),
        ("MDC", lambda lead: f"MDC_ECG_LEAD_{lead.upper()}", GERMAN),
        ("SCPECG", lambda lead: f"5.6.3-9-{MDC[lead]}", GERMAN),
        ("99ACME", lambda lead: "2:1", SHOWN),
        ("", lambda lead: "", SHOWN),
        ("", lambda lead: "", {lead: f"Ableitung {lead}" for lead in LEADS}),
    ],
)
def test_dicom_leads_go_by_their_codes(tmp_path, counts, scheme, code, meanings):
    order = np.random.default_rng(0).permutation(12)
    leads = tuple(LEADS[i] for i in order)
    sources = {lead: (code(lead), scheme, meanings[lead]) for lead in LEADS}
    path = write_dicom(tmp_path / "a.dcm", counts[order], leads, sources=sources)
    records = read_ecg(path)
    assert records.leads == LEADS
    np.testing.assert_allclose(records.signals[0], in_mv(counts), rtol=1e-6, atol=1e-9)


def test_the_inverted_avr_is_not_avr(tmp_path, counts):
    # DICOM shows both 2:62 and 2:65, its negative, as aVR.
    sources = {lead: (f"2:{MDC[lead]}", "MDC", SHOWN[lead]) for lead in LEADS}
    sources["aVR"] = ("2:65", "MDC", "aVR")
    counts[3] = -counts[3]
    path = write_dicom(tmp_path / "a.dcm", counts, sources=sources)
    records = read_ecg(path)
    i, ii = in_mv(counts)[:2]
    np.testing.assert_allclose(records.signals[0, 3], -(i + ii) / 2, atol=1e-6)


def test_a_code_and_a_name_of_two_leads_are_refused(tmp_path, counts):
    sources = {lead: (f"2:{MDC[lead]}", "MDC", SHOWN[lead]) for lead in LEADS}
    sources["V1"] = ("2:4", "MDC", "Lead V1")
    path = write_dicom(tmp_path / "a.dcm", counts, sources=sources)
    with pytest.raises(ECGFileError, match="code '2:4', which is V2, 'Lead V1'"):
        read_ecg(path)


@pytest.mark.parametrize(("number", "lead"), [(9, "V7"), (12, "V4R"), (16, "X")])
def test_scp_leads_go_by_the_table_of_the_standard(tmp_path, counts, number, lead):
    content = scp_bytes(counts[:3], leads=(*LEADS[:2], number))
    assert read_ecg(write(tmp_path / "a.scp", content)).leads == ("I", "II", lead)


def test_dicom_measurements_go_by_their_codes(tmp_path, counts):
    path = write_dicom(tmp_path / "a.dcm", counts, measure="QT-Dauer")
    assert read_ecg(path).covariates["device_qt_interval_ms"].item() == 368


# Every sample.


@pytest.mark.parametrize("fmt", ["16", "212", "24"])
def test_wfdb_frames_of_several_samples_are_read_whole(tmp_path, counts, fmt):
    import wfdb

    wfdb.wrsamp(
        "r",
        fs=125,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        e_d_signal=[row.astype(np.int64) for row in counts],
        samps_per_frame=[4] * 12,
        fmt=[fmt] * 12,
        adc_gain=[200.0] * 12,
        baseline=[0] * 12,
        write_dir=str(tmp_path),
    )
    records = read_ecg(tmp_path / "r")
    assert records.sampling_rate == 500
    np.testing.assert_array_equal(records.signals[0], in_mv(counts))


def test_wfdb_leads_of_two_rates_are_refused(tmp_path, counts):
    header = write_wfdb(tmp_path, "r", counts[:, :400])
    lines = header.read_text().replace("r 12 500 400", "r 12 500 200").splitlines()
    lines[1:7] = [line.replace(" 16 ", " 16x2 ", 1) for line in lines[1:7]]
    header.write_text("\n".join(lines))
    with pytest.raises(ECGFileError, match=r"have \[1, 2\] samples in each frame"):
        read_ecg(header)


def test_wfdb_signals_beside_the_leads_may_have_another_rate(tmp_path, counts):
    import wfdb

    signals = [*counts.astype(np.int64), counts[0, ::5].astype(np.int64)]
    wfdb.wrsamp(
        "r",
        fs=100,
        units=["mV"] * 13,
        sig_name=[*LEADS, "resp"],
        e_d_signal=signals,
        samps_per_frame=[5] * 12 + [1],
        fmt=["16"] * 13,
        adc_gain=[200.0] * 13,
        baseline=[0] * 13,
        write_dir=str(tmp_path),
    )
    records = read_ecg(tmp_path / "r")
    np.testing.assert_array_equal(records.signals[0], in_mv(counts))


def test_wfdb_without_names_says_what_to_do(tmp_path, counts):
    header = write_wfdb(tmp_path, "r", counts)
    lines = [line.rsplit(" ", 1)[0] for line in header.read_text().splitlines()[1:]]
    header.write_text("\n".join(["r 12 500 500", *lines]))
    with pytest.raises(ECGFileError, match="12 of its 12 leads have no name"):
        read_ecg(header)


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


# One of several waveforms.


def with_strip(content, strip, before):
    """MUSE XML with another Rhythm waveform before or after its own."""
    own, other = (text[text.index(b"<Waveform>") :] for text in (content, strip))
    other = other[: other.rindex(b"</Waveform>") + len(b"</Waveform>")]
    own = other + own if before else own.replace(b"</RestingECG>", b"") + other
    end = b"" if before else b"</RestingECG>"
    return content[: content.index(b"<Waveform>")] + own + end


@pytest.mark.parametrize("before", [True, False])
def test_muse_with_a_strip_beside_the_twelve_leads_gives_these(tmp_path, before):
    counts = ecg_counts(500, INDEPENDENT)
    content = muse_xml(counts)
    strip = muse_xml(counts[:2], leads=("I", "II"))
    path = write(tmp_path / "m.xml", with_strip(content, strip, before))
    alone = read_ecg(write(tmp_path / "alone.xml", content))
    records = read_ecg(path)
    np.testing.assert_array_equal(records.signals, alone.signals)
    two = with_strip(strip, muse_xml(counts[:1], leads=("V1",)), before)
    with pytest.raises(ECGFileError, match="2 waveforms, none of twelve leads"):
        read_ecg(write(tmp_path / "two.xml", two))


def test_the_longest_of_several_waveforms_of_twelve_leads_is_read(tmp_path):
    counts = ecg_counts(500, INDEPENDENT)
    content = with_strip(muse_xml(counts[:, :300]), muse_xml(counts), False)
    assert read_ecg(write(tmp_path / "m.xml", content)).shape == (1, 12, 500)


def test_an_electrode_that_was_off_is_an_absent_lead(tmp_path):
    content = muse_xml(ecg_counts(500, INDEPENDENT))
    off = b"<LeadOff>%s</LeadOff><LeadID>"
    for told in (b"TRUE", b"FALSE"):
        parts = content.split(b"<LeadID>")
        marked = parts[0] + b"".join(
            (off % (told if part.startswith(b"V3") else b"FALSE")) + part
            for part in parts[1:]
        )
        path = write(tmp_path / "m.xml", marked)
        if told == b"FALSE":
            assert np.isfinite(read_ecg(path).signals).all()
            continue
        with pytest.warns(UserWarning, match="Lead V3 is absent"):
            missing = np.isnan(read_ecg(path).signals[0]).all(axis=1)
        assert [lead for lead, no in zip(LEADS, missing) if no] == ["V3"]


@pytest.mark.parametrize("tag", ["LeadTimeOffset", "LeadOffsetFirstSample"])
def test_muse_leads_one_after_the_other_are_refused(tmp_path, tag):
    content = muse_xml(ecg_counts(500, INDEPENDENT))
    told = content.replace(b"<LeadID>V4", f"<{tag}>2500</{tag}><LeadID>V4".encode())
    with pytest.raises(ECGFileError, match=rf"begin at {tag} \[0.0, 2500.0\]"):
        read_ecg(write(tmp_path / "m.xml", told))


def test_aecg_with_a_strip_before_the_twelve_leads_gives_these(tmp_path, counts):
    content = aecg_xml(counts)
    strip = aecg_xml(counts[:1, :100], leads=LEADS[:1])
    strip = strip[strip.index(b"<component><series>") :]
    strip = strip[
        : strip.index(b"</series></component>") + len("</series></component>")
    ]
    whole = content.replace(b"<component><series>", strip + b"<component><series>", 1)
    records = read_ecg(write(tmp_path / "a.xml", whole))
    np.testing.assert_allclose(records.signals[0], in_mv(counts), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "strip",
    [{}, {"NumberOfWaveformSamples": 100}, {"MultiplexGroupTimeOffset": "50"}],
)
def test_dicom_with_a_strip_beside_3_x_4_groups_gives_the_twelve(
    tmp_path, counts, strip
):
    import pydicom

    path = write_dicom(tmp_path / "a.dcm", counts, groups=4)
    one = write_dicom(tmp_path / "b.dcm", counts[1:2], leads=("II",), **strip)
    dataset = pydicom.dcmread(path)
    dataset.WaveformSequence.insert(0, pydicom.dcmread(one).WaveformSequence[0])
    dataset.save_as(path)
    records = read_ecg(path)
    np.testing.assert_allclose(records.signals[0], in_mv(counts), rtol=1e-6, atol=1e-9)


def test_dicom_channels_that_lag_or_have_no_scale_are_refused(tmp_path, counts):
    import pydicom

    path = write_dicom(tmp_path / "a.dcm", counts)
    dataset = pydicom.dcmread(path)
    channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[3]
    channel.ChannelTimeSkew = "0.01"
    dataset.save_as(path)
    with pytest.raises(ECGFileError, match="is 5 samples behind the others"):
        read_ecg(path)
    channel.ChannelTimeSkew = "0.0001"
    dataset.save_as(path)
    assert read_ecg(path).leads == LEADS
    del channel.ChannelSensitivity
    dataset.save_as(path)
    with pytest.raises(ECGFileError, match="ChannelSensitivity is None"):
        read_ecg(path)


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


# Folders.


def test_a_twentieth_of_the_files_may_be_left_out_without_a_word(tmp_path):
    counts = ecg_counts(500)
    for i in range(38):
        np.save(tmp_path / f"{i:02d}.npy", counts * 0.005)
    for i in range(2):
        (tmp_path / f"note{i}.txt").write_text("of the study nurse")
    assert len(read_ecg_folder(tmp_path, sampling_rate=500).errors) == 2
    np.save(tmp_path / "short.npy", counts[:, :100] * 0.005)
    said = "3 of 41 files, 2 that could not be read and 1 of other leads"
    with pytest.warns(UserWarning, match=said):
        ecgs = read_ecg_folder(tmp_path, sampling_rate=500)
    assert (len(ecgs.X), len(ecgs.errors)) == (38, 3)


def test_a_folder_of_folders_says_how_to_look_into_them(tmp_path):
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "1.npy", ecg_counts(500) * 0.005)
    (tmp_path / "index.csv").write_text("id,age\n1,70\n")
    with pytest.raises(ECGFileError, match=r"subfolders.*pattern='\*\*/\*'"):
        read_ecg_folder(tmp_path, sampling_rate=500)


def test_ages_of_a_folder_that_tell_none_are_counted(tmp_path):
    counts = ecg_counts(500)
    write_wfdb(tmp_path, "a", counts, comments=["Age: old"])
    write_wfdb(tmp_path, "b", counts, comments=["Age: 74"])
    with pytest.warns(UserWarning, match="age of 1 of 2 .*'a' is 'old'"):
        records = read_ecg_folder(tmp_path).X
    np.testing.assert_array_equal(records.covariates.age, [np.nan, 74])


def test_a_file_without_a_patient_keeps_those_of_the_others(tmp_path):
    counts = ecg_counts(500)
    write(tmp_path / "a.xml", cardiosoft_xml(counts))
    unnamed = cardiosoft_xml(counts).replace(b"<PID>1234567</PID>", b"<PID/>")
    write(tmp_path / "b.xml", unnamed)
    assert read_ecg_folder(tmp_path).X.patient_ids.tolist() == ["1234567", None]


def test_names_of_files_as_an_index_are_told_from_ids(tmp_path):
    counts = ecg_counts(500)
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", counts * 0.005)
    records = read_ecg_folder(tmp_path, sampling_rate=500).X
    for index in (["a.npy", "b.npy"], ["x/a.npy", "x/b.npy"]):
        table = pd.DataFrame({"age": [1, 2]}, index=index)
        with pytest.raises(ValueError, match=r"names of files.*Path\(name\)\.stem"):
            records.match(table)
