"""Small ECG files in the published layout of each format, for tests and fuzzing."""

import base64
import binascii
import struct
from datetime import datetime

import numpy as np
import wfdb

from ecgdan_sk.records import LEADS

INDEPENDENT = ("I", "II", *LEADS[6:])
_SCP_CODES = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
_SCP_CODES |= {f"V{i}": 2 + i for i in range(1, 7)}
SCP_FIELDS = {
    2: b"P-77\0",
    4: struct.pack("<HB", 55, 1),
    8: b"\2",
    14: bytes(8) + b"AT-10\0",
    25: struct.pack("<HBB", 2019, 5, 17),
    26: bytes([8, 30, 0]),
}


def ecg_counts(n_times=500, leads=LEADS, seed=0):
    """Integer samples of shape (n_leads, n_times) like those of an ECG of 5 uV steps.

    The limb leads follow from I and II, rounded down as devices do.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(n_times)
    beats = 200 * np.exp(-(((t % 400) - 150) ** 2) / 50.0)
    by_lead = {
        lead: (beats * rng.uniform(-1, 1.5) + rng.normal(0, 4, n_times)).astype(int)
        for lead in INDEPENDENT
    }
    i, ii = by_lead["I"], by_lead["II"]
    by_lead |= {"III": ii - i, "aVR": -((i + ii) // 2)}
    by_lead |= {"aVL": i - ii // 2, "aVF": ii - i // 2}
    return np.array([by_lead[lead] for lead in leads])


def write_wfdb(
    folder, name, counts, leads=LEADS, units="mV", gain=200, comments=(), fmt="16"
):
    """A WFDB record, gain in counts per unit; returns its header."""
    wfdb.wrsamp(
        name,
        fs=500,
        units=[units] * len(leads),
        sig_name=list(leads),
        d_signal=np.ascontiguousarray(counts.T.astype(np.int64)),
        fmt=[fmt] * len(leads),
        adc_gain=[float(gain)] * len(leads),
        baseline=[0] * len(leads),
        comments=list(comments),
        write_dir=str(folder),
    )
    return folder / f"{name}.hea"


def cardiosoft_xml(counts, leads=LEADS, rate=500, resolution=5, median=None):
    """CardioSoft XML as UK Biobank's field 20205 holds it."""

    def samples(counts, tag):
        waves = "".join(
            f'<WaveformData lead="{lead}">\n{",".join(map(str, row))}\n</WaveformData>'
            for lead, row in zip(leads, counts)
        )
        return (
            f"<{tag}><NumberOfLeads>{len(leads)}</NumberOfLeads>"
            f'<SampleRate units="Hz">{rate}</SampleRate>'
            f"<ChannelSampleCountTotal>{counts.shape[1]}</ChannelSampleCountTotal>"
            f'<Resolution units="uVperLsb">{resolution}</Resolution>{waves}</{tag}>'
        )

    beats = "" if median is None else samples(median, "MedianSamples")
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<CardiologyXML>
<ObservationType>RestECG</ObservationType>
<ObservationDateTime><Hour>9</Hour><Minute>41</Minute><Second>5</Second><Day>7</Day>
<Month>3</Month><Year>2016</Year></ObservationDateTime>
<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.73</SoftwareVer>
</DeviceInfo></ClinicalInfo>
<PatientInfo><PID>1234567</PID><Age units="Years">63</Age><Gender>FEMALE</Gender>
</PatientInfo>
<Interpretation><Diagnosis><DiagnosisText>Sinus rhythm</DiagnosisText>
<DiagnosisText>Normal ECG</DiagnosisText></Diagnosis><Conclusion>
<ConclusionText>Sinus rhythm</ConclusionText></Conclusion></Interpretation>
<RestingECGMeasurements><VentricularRate units="BPM">61</VentricularRate>
<PQInterval units="ms">152</PQInterval><PDuration units="ms">104</PDuration>
<QRSDuration units="ms">88</QRSDuration><QTInterval units="ms">404</QTInterval>
<QTCInterval units="ms">406</QTCInterval><RRInterval units="ms">980</RRInterval>
<PAxis units="deg">51</PAxis><RAxis units="deg">-12</RAxis><TAxis units="deg">0</TAxis>
{beats}</RestingECGMeasurements>
{samples(counts, "StripData")}
</CardiologyXML>""".encode("latin-1")


def muse_xml(counts, leads=INDEPENDENT, rate=500, step=4.88, median=None):
    """MUSE XML: leads I, II and V1 to V6 as 16-bit counts in base64, with its DTD."""

    def samples(counts, kind):
        lead_data = "".join(
            f"<LeadData><LeadByteCountTotal>{2 * len(row)}</LeadByteCountTotal>"
            f"<LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{step}</LeadAmplitudeUnitsPerBit>"
            "<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>"
            f"<LeadID>{lead}</LeadID><LeadSampleSize>2</LeadSampleSize><WaveFormData>\n"
            f"{base64.encodebytes(row.astype('<i2').tobytes()).decode()}"
            "</WaveFormData></LeadData>"
            for lead, row in zip(leads, counts)
        )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType>"
            f"<NumberofLeads>{len(leads)}</NumberofLeads><SampleBase>{rate}</SampleBase>"
            f"<SampleExponent>0</SampleExponent>{lead_data}</Waveform>"
        )

    beats = "" if median is None else samples(median, "Median")
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE RestingECG SYSTEM "restecg.dtd">
<RestingECG>
<PatientDemographics><PatientID>MRN-7</PatientID><PatientAge>71</PatientAge>
<AgeUnits>YEARS</AgeUnits><DateofBirth>01-22-1941</DateofBirth><Gender>MALE</Gender>
</PatientDemographics>
<TestDemographics><AcquisitionDevice>MAC55</AcquisitionDevice>
<AcquisitionTime>10:04:56</AcquisitionTime><AcquisitionDate>08-20-2012</AcquisitionDate>
</TestDemographics>
<RestingECGMeasurements><VentricularRate>58</VentricularRate><PRInterval>160</PRInterval>
<QRSDuration>92</QRSDuration><QTInterval>420</QTInterval><QTCorrected>412</QTCorrected>
<PAxis>45</PAxis><RAxis>-30</RAxis><TAxis>60</TAxis></RestingECGMeasurements>
<Diagnosis><DiagnosisStatement><StmtText>Sinus bradycardia</StmtText>
<StmtFlag>ENDSLINE</StmtFlag></DiagnosisStatement><DiagnosisStatement>
<StmtText>Left axis deviation,</StmtText></DiagnosisStatement><DiagnosisStatement>
<StmtFlag>ENDSLINE</StmtFlag><StmtText>new</StmtText></DiagnosisStatement></Diagnosis>
{beats}{samples(counts, "Rhythm")}
</RestingECG>""".encode("latin-1")


def aecg_xml(counts, leads=LEADS, increment="0.002", unit="s", scale=5, origin=0):
    """HL7 aECG with one rhythm series and measurements."""
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/>'
        f'<value xsi:type="SLIST_PQ"><origin value="{origin}" unit="uV"/>'
        f'<scale value="{scale}" unit="uV"/><digits>{" ".join(map(str, row))}</digits>'
        "</value></sequence></component>"
        for lead, row in zip(leads, counts)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
<id root="1.2" extension="SBJ-1"/><subjectDemographicPerson>
<administrativeGenderCode code="F"/><birthTime value="19530508"/>
</subjectDemographicPerson></trialSubject></subject></subjectAssignment></componentOf>
</timepointEvent></componentOf>
<component><series><code code="RHYTHM"/><effectiveTime><low value="20021122091000"/>
</effectiveTime><component><sequenceSet><component><sequence>
<code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20021122091000"/>
<increment value="{increment}" unit="{unit}"/></value></sequence></component>
{sequences}</sequenceSet></component><subjectOf><annotationSet><component><annotation>
<code code="MDC_ECG_TIME_PD_QT"/><value xsi:type="PQ" value="0.420" unit="s"/>
</annotation></component><component><annotation><code code="MDC_ECG_RHY"/>
<value code="X" displayName="Sinus rhythm"/></annotation></component></annotationSet>
</subjectOf></series></component></AnnotatedECG>""".encode()


def sierra_xml(counts, rate=500, resolution=5):
    """Philips Sierra XML 1.04: second differences, packed in codes of single bytes."""
    stored = dict(zip(LEADS, counts.astype(np.int64)))
    i, ii, iii = (stored[lead] for lead in ("I", "II", "III"))
    stored |= {
        "III": ii - i - iii,
        "aVR": -stored["aVR"] - (i + ii) // 2,
        "aVL": (i - iii) // 2 - stored["aVL"],
        "aVF": (ii + iii) // 2 - stored["aVF"],
    }
    packed = b"".join(_xli(row) for row in stored.values())
    n_ms = counts.shape[1] * 1000 // rate
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>
<documenttype>SierraECG</documenttype><documentversion>1.04</documentversion>
</documentinfo><dataacquisition date="2010-01-19" time="15:19:22">
<machine>PageWriter</machine><signalcharacteristics><samplingrate>{rate}</samplingrate>
<resolution>{resolution}</resolution></signalcharacteristics></dataacquisition>
<patient><generalpatientdata><patientid>9999</patientid><age><years>60</years></age>
<sex>Male</sex></generalpatientdata></patient>
<interpretations><interpretation><globalmeasurements><heartrate>84</heartrate>
<print>144</print><qtcb>Failed</qtcb></globalmeasurements>
<severity>- NORMAL ECG -</severity><statement><leftstatement>Sinus rhythm
</leftstatement></statement></interpretation></interpretations>
<waveforms><parsedwaveforms dataencoding="Base64" compression="XLI" numberofleads="12"
 leadlabels="{" ".join(LEADS)}" durationperchannel="{n_ms}">
{base64.encodebytes(packed).decode()}</parsedwaveforms></waveforms>
</restingecgdata>""".encode()


def _xli(row):
    """One lead as the decoder of sierraecg undoes it."""
    changes = 2 * row[1:-1] - row[:-2] - row[2:]
    words = np.concatenate([row[:2], changes[1:] + 64, [64]]).astype("<i2").view("<u2")
    data = np.concatenate([words >> 8, words & 255])
    bits = (data[:, None] >> np.arange(9, -1, -1)) & 1
    packed = np.packbits(bits.astype(np.uint8)).tobytes()
    return struct.pack("<ihh", len(packed), 0, changes[0]) + packed


def scp_bytes(
    counts,
    leads=LEADS,
    order=2,
    packed=True,
    rate=500,
    flags=0,
    bimodal=0,
    fields=None,
    without=(),
):
    """SCP-ECG with sections 0, 1, 2, 3, 6, 7 and 8, 5000 nV per count.

    `fields` holds tag and bytes of section 1; `without` sections that are left out.
    """
    fields = SCP_FIELDS if fields is None else fields
    rows = [np.diff(row, n=order) if order else row for row in counts]
    rows = [np.concatenate([row[:order], d]) for row, d in zip(counts, rows)]
    encode = _huffman if packed else lambda row: row.astype("<i2").tobytes()
    data = [encode(row) for row in rows]
    n_times = counts.shape[1]
    spans = b"".join(
        struct.pack("<IIB", 1, n_times, _SCP_CODES.get(x, x)) for x in leads
    )
    sections = {
        1: b"".join(
            struct.pack("<BH", tag, len(value)) + value for tag, value in fields.items()
        )
        + b"\xff\0\0",
        3: bytes([len(leads), flags]) + spans,
        6: struct.pack("<HHBB", 5000, round(1e6 / rate), order, bimodal)
        + b"".join(struct.pack("<H", len(row)) for row in data)
        + b"".join(data),
        7: bytes([1, 0])
        + struct.pack("<HH", 1000, 29999)
        + struct.pack("<HHHHHhhh", 100, 204, 260, 350, 660, 40, -15, 999),
        8: bytes(8) + bytes([1]) + struct.pack("<BH", 1, 13) + b"Sinus rhythm\0",
    }
    if packed:
        sections[2] = struct.pack("<H", 19999)
    kept = {n: data for n, data in sections.items() if n not in without}
    return _scp_file(dict(sorted(kept.items())))


def _scp_file(sections):
    """Sections behind their pointers and checksums."""
    at = 6 + 16 + 10 * (len(sections) + 1)
    lengths = {0: at - 6} | {n: 16 + len(data) for n, data in sections.items()}
    pointers, body = struct.pack("<HII", 0, lengths[0], 7), b""
    for number, data in sections.items():
        pointers += struct.pack("<HII", number, lengths[number], at + len(body) + 1)
        body += _scp_section(number, data)
    body = _scp_section(0, pointers, b"SCPECG") + body
    content = struct.pack("<I", 6 + len(body)) + body
    return struct.pack("<H", binascii.crc_hqx(content, 0xFFFF)) + content


def _scp_section(number, data, reserved=bytes(6)):
    """One section with its header."""
    rest = struct.pack("<HIBB", number, 16 + len(data), 20, 20) + reserved + data
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest


def _huffman(row):
    """Samples in the default table of SCP-ECG."""
    codes = []
    for value in map(int, row):
        if abs(value) <= 8:
            sign = "" if value == 0 else str(int(value < 0))
            codes.append("1" * abs(value) + "0" + sign)
        elif -128 <= value < 128:
            codes.append("1" * 9 + "0" + f"{value & 0xFF:08b}")
        else:
            codes.append("1" * 10 + f"{value & 0xFFFF:016b}")
    bits = np.frombuffer("".join(codes).encode(), np.uint8) - ord("0")
    return np.packbits(bits).tobytes()


def write_dicom(
    path,
    counts,
    leads=LEADS,
    rate=500,
    baseline=0,
    groups=1,
    sources=None,
    measure="QT Interval",
    **changes,
):
    """A DICOM 12-lead ECG, 5 uV per count, its leads in so many multiplex groups.

    `sources` holds code, scheme and meaning of each lead.
    """
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    def code(value, meaning, scheme="SCPECG"):
        item = Dataset()
        item.CodeValue, item.CodeMeaning = value, meaning
        item.CodingSchemeDesignator = scheme
        return [item]

    def channel(lead):
        item = Dataset()
        number, meaning = _SCP_CODES[lead], f"Lead {lead} (Einthoven)"
        told = (f"5.6.3-9-{number}", "SCPECG", meaning)
        value, scheme, meaning = (sources or {}).get(lead, told)
        item.ChannelSourceSequence = code(value, meaning, scheme)
        item.ChannelSensitivity, item.ChannelBaseline = "5", str(baseline)
        item.ChannelSensitivityCorrectionFactor = "1"
        item.ChannelSensitivityUnitsSequence = code("uV", "microvolt", "UCUM")
        item.WaveformBitsStored = 16
        return item

    def group(leads, counts):
        item = Dataset()
        item.WaveformOriginality, item.SamplingFrequency = "ORIGINAL", str(rate)
        item.NumberOfWaveformChannels = len(leads)
        item.NumberOfWaveformSamples = counts.shape[1]
        item.ChannelDefinitionSequence = [channel(lead) for lead in leads]
        item.WaveformBitsAllocated, item.WaveformSampleInterpretation = 16, "SS"
        item.WaveformData = counts.T.astype("<i2").tobytes()
        for name, value in changes.items():
            setattr(item, name, value)
        return item

    annotation = Dataset()
    annotation.ConceptNameCodeSequence = code("5.13.5-11", measure)
    annotation.NumericValue = "368"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality, dataset.PatientID, dataset.PatientSex = "ECG", "D-1", "F"
    dataset.PatientAge, dataset.AcquisitionDateTime = "042Y", "20130125105919"
    dataset.Manufacturer = "Maker"
    parts = np.array_split(np.arange(len(leads)), groups)
    dataset.WaveformSequence = [
        group([leads[i] for i in part], counts[part]) for part in parts
    ]
    dataset.WaveformAnnotationSequence = [annotation]
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_edf(
    path, counts, leads=LEADS, rate=500, prefix="ECG ", extra=(), kind="EDFPLUS"
):
    """EDF+ at 5 uV per count, with other channels before the leads."""
    import pyedflib

    names = [*extra, *(f"{prefix}{lead}" for lead in leads)]
    rows = [np.zeros(counts.shape[1], np.int32)] * len(extra) + list(counts)
    filetype = getattr(pyedflib, f"FILETYPE_{kind}")
    with pyedflib.EdfWriter(str(path), len(names), filetype) as file:
        file.setSignalHeaders(
            [
                {
                    "label": name,
                    "dimension": "uV",
                    "sample_frequency": rate,
                    "physical_max": 5 * 32767,
                    "physical_min": -5 * 32768,
                    "digital_max": 32767,
                    "digital_min": -32768,
                    "transducer": "",
                    "prefilter": "",
                }
                for name in names
            ]
        )
        file.setPatientCode("E-5")
        file.setSex(1)
        file.setBirthdate(datetime(1950, 2, 3).date())
        file.setStartdatetime(datetime(2020, 2, 2, 10, 0, 0))
        file.setEquipment("Holter")
        file.writeSamples([row.astype(np.int32) for row in rows], digital=True)
    return path


def subtracted_scp(counts, beat, places, leads=LEADS, trigger=20):
    """SCP-ECG whose rhythm lacks a reference beat (n_leads, n) where `places` say.

    A place is the type of a beat, and the first, trigger and last sample, from 1.
    """
    residual = counts.copy()
    for kind, first, fiducial, last in places:
        if kind == 0:
            at = first - (fiducial - trigger) - 1
            residual[:, first - 1 : last] -= beat[:, at : at + last - first + 1]
    n_times = beat.shape[1]
    whole = scp_bytes(residual, leads, order=1, flags=1)
    sections = _scp_sections(whole)
    data = [_huffman(np.concatenate([row[:2], np.diff(row, n=2)])) for row in beat]
    sections[4] = struct.pack("<HHH", 2 * n_times, trigger, len(places)) + b"".join(
        struct.pack("<HIII", *place) for place in places
    )
    sections[5] = (
        struct.pack("<HHBB", 5000, 2000, 2, 0)
        + b"".join(struct.pack("<H", len(row)) for row in data)
        + b"".join(data)
    )
    return _scp_file(dict(sorted(sections.items())))


def _scp_sections(data):
    """Number of a section -> its content."""
    found, at = {}, 6
    while at < len(data):
        number, length = struct.unpack("<HI", data[at + 2 : at + 8])
        found[number] = data[at + 16 : at + length]
        at += length
    found.pop(0)
    return found


def mortara_xml(counts, leads=LEADS, rate=500, per_mv=200, median=None, offset=0):
    """Mortara ELI XML, as open readers take it; no specification is public."""

    def channels(tag, counts, more=""):
        return "".join(
            f'<{tag} {more} NAME="{lead}" '
            f'DATA="{base64.b64encode(row.astype("<i2").tobytes()).decode()}"/>'
            for lead, row in zip(leads, counts)
        )

    layout = f'BITS="16" FORMAT="SIGNED" UNITS_PER_MV="{per_mv}" SAMPLE_FREQ="{rate}" '
    layout += 'ENCODING="BASE64"'
    each = f'OFFSET="{offset}" DURATION="{counts.shape[1]}" {layout}'
    beats = channels("TYPICAL_CYCLE_CHANNEL", [] if median is None else median)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ECG ACQUISITION_TIME="20150403091500" AGE="58" AGE_UNITS="YEARS" VENT_RATE="72"
 AVERAGE_RR="833"><SUBJECT ID="M-12" GENDER="Female" DOB="19570102"/>
<SOURCE MANUFACTURER="Mortara Instrument" MODEL="ELI 250"/>
<AUTOMATIC_INTERPRETATION><STATEMENT TEXT="Sinus rhythm" REASON="P waves"/>
</AUTOMATIC_INTERPRETATION><TYPICAL_CYCLE PR_DURATION="150" QRS_DURATION="94" QT="396"
 QTC="431" P_AXIS="41" QRS_AXIS="-20" T_AXIS="33" {layout}>{beats}</TYPICAL_CYCLE>
{channels("CHANNEL", counts, each)}
</ECG>""".encode()


def schiller_xml(counts, leads=LEADS, rate=500, step=5, unit="uV"):
    """Schiller XML, as open readers take it; no specification is public."""
    channels = "".join(
        f"<channel><name>{lead}</name><datastype>COMMASEPARATE</datastype>"
        f"<data>{','.join(map(str, row))}</data></channel>"
        for lead, row in zip(leads, counts)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<examdescript><vendor>SCHILLER</vendor><startdatetime><date>20180604</date>
<time>134500</time></startdatetime><patdata><id>S-3</id><gender>male</gender>
<birthdate>19500604</birthdate></patdata>
<eventdata><event><wavedata><type>ECG_AVERAGES</type></wavedata>
<wavedata><type>ECG_RHYTHMS</type><resolution><samplerate><value>{rate}</value>
<exponent>1</exponent></samplerate><yres><unitperbit>{step}</unitperbit>
<units>{unit}</units></yres></resolution>{channels}</wavedata></event></eventdata>
</examdescript>""".encode()


def ishne_bytes(counts, leads=LEADS, rate=200, nanovolts=5000, comment=b"Holter"):
    """An ISHNE Holter file by its standard."""
    codes = ("X", "Y", "Z", *LEADS, "ES", "AS", "AI")
    padded = [codes.index(lead) + 2 if lead in codes else 0 for lead in leads]
    padded += [-9] * (12 - len(leads))
    n_leads, n_times = counts.shape
    header = (
        struct.pack("<iiiih", len(comment), n_times, 522, 522 + len(comment), 1)
        + b"First".ljust(40, b"\0")
        + b"Last".ljust(40, b"\0")
        + b"H-8".ljust(20, b"\0")
        + struct.pack("<hh", 2, 0)
        + struct.pack("<12h", 1, 2, 1940, 5, 2, 2010, 6, 2, 2010, 8, 30, 15)
        + struct.pack("<h12h12h", n_leads, *padded, *[1] * 12)
        + struct.pack("<12h", *[nanovolts] * n_leads, *[-9] * (12 - n_leads))
        + struct.pack("<h", 0)
        + b"Recorder".ljust(40, b"\0")
        + struct.pack("<h", rate)
        + bytes(248)
    )
    checksum = struct.pack("<H", binascii.crc_hqx(header + comment, 0xFFFF))
    samples = counts.T.astype("<i2").tobytes()
    return b"ISHNE1.0" + checksum + header + comment + samples


def watch_csv(values, unit="µV", more=("Lead,Lead I",), comma=False):
    """The ECG of an Apple Watch, as its telephone exports it."""
    lines = ["Name,A B", 'Date of Birth,"Jan 15, 1960"']
    lines += ["Recorded Date,2024-01-15 18:15:35 +0100", "Classification,Sinus Rhythm"]
    lines += ["Symptoms,", 'Device,"Watch6,7"', "Sample Rate,512 hertz", "", *more]
    lines += [f"Unit,{unit}", "", *(f"{value:.3f}" for value in values)]
    if comma:
        lines[-len(values) :] = [
            line.replace(".", ",") for line in lines[-len(values) :]
        ]
    return "\n".join(lines).encode() + b"\n"


def mfer_bytes(counts, leads=LEADS, rate=500, step_uv=5):
    """MFER by ISO 22077-1: a frame of 16-bit samples in one block for each lead."""
    codes = _SCP_CODES
    n_leads, n_times = counts.shape

    def tag(code, value):
        size = len(value)
        length = bytes([size]) if size < 128 else b"\x84" + struct.pack(">I", size)
        return bytes([code]) + length + value

    attributes = b"".join(
        bytes([0x3F, i, 4, 0x09, 2]) + struct.pack("<H", codes[lead])
        for i, lead in enumerate(leads)
    )
    return (
        tag(0x40, b"MFR Standard 12 leads ECG".ljust(32))
        + tag(0x01, b"\1")
        + tag(0x08, b"\1\0")
        + tag(0x0B, bytes([0, 0]) + struct.pack("<h", rate))
        + tag(0x0C, bytes([0, 256 - 6]) + struct.pack("<h", step_uv))
        + tag(0x0A, b"\0")
        + tag(0x17, b"Maker^Cart^1^2")
        + tag(0x82, b"J-1")
        + tag(0x83, bytes([64]) + struct.pack("<HHBB", 0, 1955, 3, 4))
        + tag(0x84, b"\1")
        + tag(0x85, struct.pack("<H", 2019) + bytes([5, 6, 7, 8, 9]))
        + tag(0x05, struct.pack("<I", n_leads))
        + tag(0x04, struct.pack("<I", n_times))
        + tag(0x06, struct.pack("<I", 1))
        + attributes
        + tag(0x1E, counts.astype("<i2").tobytes())
        + b"\x80\0"
    )


def write_segments(folder, name, counts, sizes, gap=0):
    """A WFDB record of segments of these sizes, with a gap of NaN before the last."""
    lines, first = [], 0
    for i, size in enumerate(sizes):
        segment = f"{name}_{i:04d}"
        write_wfdb(folder, segment, counts[:, first : first + size])
        if gap and i == len(sizes) - 1:
            lines.append(f"~ {gap}")
        lines.append(f"{segment} {size}")
        first += size
    total = first + gap
    head = f"{name}/{len(lines)} {len(counts)} 500 {total} 10:30:00 03/02/2021"
    header = folder / f"{name}.hea"
    header.write_text("\n".join([head, *lines, "# Age: 62", "# Sex: F"]) + "\n")
    return header
