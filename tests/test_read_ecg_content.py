"""What a file holds decides: codes before names, sets before counts, every sample."""

import importlib.util

import numpy as np
import pytest
from ecg_writers import (
    INDEPENDENT,
    aecg_xml,
    ecg_counts,
    muse_xml,
    scp_bytes,
    write_dicom,
    write_wfdb,
)

from ecgdan_sk.datasets import ECGFileError, read_ecg
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
