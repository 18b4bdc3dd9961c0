"""What a file need not tell: emptied, absent or in another encoding, the ECG is read.

Each field of each format that an ECG can do without is changed in each way. Signals,
leads and rate must stay as they are, and so must all else that the file tells, but for
what is missing then.
"""

import importlib.util
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from ecg_mutations import csv_text
from ecg_writers import (
    INDEPENDENT,
    SCP_FIELDS,
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

from ecgdan_sk.datasets import read_ecg
from ecgdan_sk.records import LEADS

for package in ("defusedxml", "pydicom", "pyedflib", "sierraecg"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore:The age of:UserWarning")

TEXT = "Ä ö"
COUNTS = ecg_counts(500)
GONE = ("emptied", "absent")
WAYS = (*GONE, "latin-1", "utf-8")


def fields_of(path, **options):
    """Signals, leads and rate, and the covariates as a row of texts."""
    records = read_ecg(path, **options)
    row = records.covariates.iloc[0]
    told = {name: None if pd.isna(x) or x == "" else x for name, x in row.items()}
    patient = records.patient_ids
    told["patient"] = None if patient is None else patient[0]
    return np.asarray(records.signals), records.leads, records.sampling_rate, told


def assert_only_what_was_changed_is_missing(path, whole, **options):
    """The file gives the ECG of the whole one, and nothing else than it does."""
    signals, leads, rate, told = fields_of(path, **options)
    np.testing.assert_array_equal(signals, whole[0])
    assert (leads, rate) == whole[1:3]
    for name, value in told.items():
        before = whole[3][name]
        if value is None or value == before:
            continue
        if name == "age":  # by the birth
            assert abs(value - before) <= 1
        elif name == "recorded_at":  # without its time
            assert value.date() == before.date()
        else:  # a part of the text, or the one that was put there
            text = value.replace(";", "")
            assert text in str(before).replace(";", "") or set(text) & set("Äö")


# XML: every element of the file, but for those without which there is no ECG.

XML = {
    "muse": muse_xml(COUNTS[[LEADS.index(x) for x in INDEPENDENT]]),
    "cardiosoft": cardiosoft_xml(COUNTS, median=COUNTS[:, :100]),
    "aecg": aecg_xml(COUNTS),
    "sierra": sierra_xml(COUNTS),
}
NEEDED = {
    "muse": "WaveformType SampleBase LeadAmplitudeUnitsPerBit LeadID WaveFormData",
    "cardiosoft": "StripData SampleRate Resolution WaveformData",
    "aecg": "series/code sequence/code increment scale origin digits sequenceSet value",
    "sierra": "documenttype documentversion samplingrate resolution parsedwaveforms",
}
# What else than a number or a known word in them refuses is no optional text.
CHECKED = "LeadSampleSize LeadAmplitudeUnits SampleExponent LeadSampleCountTotal"


def paths_of(root, above=""):
    """Path, without namespaces, -> elements there and their parents."""
    found = {}
    for child in root:
        path = f"{above}/{child.tag.rpartition('}')[2]}"
        found.setdefault(path, []).append((root, child))
        for deeper, pairs in paths_of(child, path).items():
            found.setdefault(deeper, []).extend(pairs)
    return found


def is_needed(path, paths, needed):
    """Whether a path, or one below it, is needed."""
    ends = tuple(f"/{name}" for name in needed.split())
    return any(p.startswith(path) and p.endswith(ends) for p in paths) or any(
        f"{end}/" in path for end in ends if end != "/value"
    )


def xml_cases(kind):
    """Path and way of each change."""
    paths = paths_of(ElementTree.fromstring(XML[kind]))
    for path in paths:
        if not is_needed(path, paths, NEEDED[kind]):
            checked = path.rpartition("/")[2] in CHECKED.split()
            for way in GONE if checked else WAYS:
                yield path, way


def changed_xml(kind, path, way):
    """The file with every element at the path changed."""
    root = ElementTree.fromstring(XML[kind])
    for parent, element in paths_of(root)[path]:
        if way == "absent":
            parent.remove(element)
            continue
        for child in list(element):
            element.remove(child)
        text = "" if way == "emptied" else TEXT
        element.text = text
        element.attrib = dict.fromkeys(element.attrib, text)
    content = ElementTree.tostring(root, encoding="unicode")
    # In Latin-1 it is another encoding than it declares.
    encoding = "latin-1" if way == "latin-1" else "utf-8"
    declared = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return (declared + content).encode(encoding)


XML_CASES = [(kind, *case) for kind in XML for case in xml_cases(kind)]


@pytest.mark.parametrize(("kind", "path", "way"), XML_CASES)
def test_xml(tmp_path, kind, path, way):
    (tmp_path / "a.xml").write_bytes(XML[kind])
    whole = fields_of(tmp_path / "a.xml")
    (tmp_path / "a.xml").write_bytes(changed_xml(kind, path, way))
    assert_only_what_was_changed_is_missing(tmp_path / "a.xml", whole)


LETTERS = {"gbk": "王", "big5": "王", "shift_jis": "王", "euc-kr": "김"}


@pytest.mark.parametrize("encoding", LETTERS)
@pytest.mark.parametrize("kind", XML)
def test_xml_in_letters_of_several_bytes(tmp_path, kind, encoding):
    path, root = tmp_path / "a.xml", ElementTree.fromstring(XML[kind])
    path.write_bytes(XML[kind])
    whole = fields_of(path)
    ElementTree.SubElement(root, "PatientName").text = LETTERS[encoding]
    content = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    content += ElementTree.tostring(root, encoding="unicode")
    path.write_bytes(content.encode(encoding))
    assert_only_what_was_changed_is_missing(path, whole)


_TOP = {"PatientID": "D-1", "PatientName": "A^B", "PatientSex": "F"}
_TOP |= {"PatientAge": "042Y", "PatientBirthDate": "19700102", "Modality": "ECG"}
_TOP |= {"AcquisitionDateTime": "20130125105919", "ContentDate": "20130125"}
_TOP |= {"ContentTime": "105919", "StudyDate": "20130125", "StudyTime": "105919"}
_TOP |= {"Manufacturer": "Maker", "ManufacturerModelName": "M1"}
_GROUP = {"MultiplexGroupTimeOffset": "0", "MultiplexGroupLabel": "RHYTHM"}
_GROUP |= {"WaveformOriginality": "ORIGINAL"}
_CHANNEL = {"ChannelSensitivityCorrectionFactor": "1", "ChannelBaseline": "0"}
_CHANNEL |= {"ChannelTimeSkew": "0", "ChannelSampleSkew": "0", "ChannelOffset": "0"}
_CHANNEL |= {"ChannelLabel": "x", "WaveformBitsStored": 16}
_NOTE = {"NumericValue": "368", "UnformattedTextValue": "Sinus", "CodeMeaning": "QT"}
DICOM = {"top": _TOP, "group": _GROUP, "channel": _CHANNEL, "note": _NOTE}
DICOM |= {"source": {"CodeMeaning": "Lead"}}
_TEXTS = ("PatientID", "PatientName", "Manufacturer", "ManufacturerModelName")
_TEXTS += ("MultiplexGroupLabel", "ChannelLabel", "CodeMeaning", "UnformattedTextValue")
DICOM_CASES = [
    (level, name, way)
    for level, names in DICOM.items()
    for name in names
    for way in (WAYS if name in _TEXTS else GONE)
]


def dicom_items(dataset, level):
    """The items of a level of the file."""
    groups = dataset.WaveformSequence
    channels = [c for group in groups for c in group.ChannelDefinitionSequence]
    notes = dataset.WaveformAnnotationSequence
    return {
        "top": [dataset],
        "group": groups,
        "channel": channels,
        "source": [channel.ChannelSourceSequence[0] for channel in channels],
        "note": [*notes, notes[0].ConceptNameCodeSequence[0]],
    }[level]


@pytest.mark.parametrize(("level", "name", "way"), DICOM_CASES)
def test_dicom(tmp_path, level, name, way):
    import pydicom

    path = write_dicom(tmp_path / "a.dcm", COUNTS)
    dataset = pydicom.dcmread(path)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for place in ("top", "group", "channel"):
        for item in dicom_items(dataset, place):
            for key, value in DICOM[place].items():
                setattr(item, key, value)
    dataset.WaveformAnnotationSequence[0].UnformattedTextValue = "Sinus"
    dataset.save_as(path)
    whole = fields_of(path)
    for item in dicom_items(dataset, level):
        if name in item and way == "absent":
            delattr(item, name)
        elif name in item:
            # No text is an empty number.
            empty = None if name == "WaveformBitsStored" else ""
            setattr(item, name, empty if way == "emptied" else TEXT)
    dataset.save_as(path)
    if way == "latin-1":
        # Text in UTF-8 that claims to be Latin-1.
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 192", b"ISO_IR 100"))
        with_text = fields_of(path)[3]
        changed = {k: v for k, v in with_text.items() if v != whole[3][k]}
        assert all(v is None or "Ã" in v for v in changed.values())
        whole = (*whole[:3], whole[3] | changed)
    assert_only_what_was_changed_is_missing(path, whole)


_SLICES = {"patient": slice(8, 88), "recording": slice(88, 168)}
_SLICES |= {"date": slice(168, 176), "time": slice(176, 184)}
_SLICES |= {"reserved": slice(192, 236)}
_EDF_PLUS = {"code": (8, 0), "sex": (8, 1), "birth": (8, 2), "name": (8, 3)}
_EDF_PLUS |= {"start": (88, 1), "admin": (88, 2), "staff": (88, 3), "device": (88, 4)}
_OF_CHANNELS = {"transducer": (16, 80), "prefilter": (136, 80), "spare": (224, 32)}
EDF_CASES = [
    (kind, name, way)
    for kind in ("EDF", "EDFPLUS", "BDFPLUS")
    for name in (*_SLICES, *_OF_CHANNELS, *(_EDF_PLUS if "PLUS" in kind else ()))
    for way in WAYS
]


def edf_field(way, size):
    """Bytes of a field; absent are those that were never written."""
    if way in GONE:
        return {"emptied": b" ", "absent": b"\0"}[way] * size
    return TEXT.encode(way)[:size].ljust(size)


@pytest.mark.parametrize(("kind", "name", "way"), EDF_CASES)
def test_edf(tmp_path, kind, name, way):
    path = write_edf(tmp_path / "a.edf", COUNTS, kind=kind)
    whole, data = fields_of(path), bytearray(path.read_bytes())
    n_channels = int(data[252:256])
    if name in _SLICES:
        place = _SLICES[name]
        data[place] = edf_field(way, place.stop - place.start)
    elif name in _OF_CHANNELS:
        start, size = _OF_CHANNELS[name]
        start = 256 + start * n_channels
        data[start : start + size * n_channels] = edf_field(way, size) * n_channels
    else:
        start, i = _EDF_PLUS[name]
        fields = bytes(data[start : start + 80]).split()
        value = {"emptied": [b"X"], "absent": []}.get(way)
        fields[i : i + 1] = [TEXT[0].encode(way)] if value is None else value
        data[start : start + 80] = b" ".join(fields)[:80].ljust(80)
    path.write_bytes(data)
    signals, leads, rate, told = fields_of(path)
    np.testing.assert_array_equal(signals, whole[0])
    assert (leads, rate) == whole[1:3]
    if name not in ("patient", "recording", "reserved", *_EDF_PLUS, "date", "time"):
        assert told == whole[3]
    elif way == "emptied" and name in _EDF_PLUS:
        assert_only_what_was_changed_is_missing(path, whole)


SCP_CASES = [(tag, way) for tag in SCP_FIELDS for way in GONE]
SCP_CASES += [(tag, way) for tag in (2, 14) for way in ("latin-1", "utf-8")]
SCP_CASES += [(section, "without") for section in (1, 7, 8)]


@pytest.mark.parametrize(("tag", "way"), SCP_CASES)
def test_scp(tmp_path, tag, way):
    path = tmp_path / "a.scp"
    path.write_bytes(scp_bytes(COUNTS))
    whole, fields, without = fields_of(path), dict(SCP_FIELDS), ()
    if way == "without":
        without = (tag,)
    elif way == "absent":
        del fields[tag]
    elif way == "emptied":
        fields[tag] = b""
    else:
        fields[tag] = fields[tag][: 8 * (tag == 14)] + TEXT.encode(way) + b"\0"
    path.write_bytes(scp_bytes(COUNTS, fields=fields, without=without))
    assert_only_what_was_changed_is_missing(path, whole)


_COMMENTS = {"age": "<age>: 53", "sex": "<sex>: M", "dx": "Dx: 164889003"}
_PARTS = {"baseline": ("(0)", ""), "unit": ("/mV", ""), "date": (" 02/03/2001", "")}
_PARTS |= {"moment": (" 10:20:30 02/03/2001", "")}
WFDB_CASES = [(name, way) for name in (*_COMMENTS, "note") for way in WAYS]
WFDB_CASES += [(name, "absent") for name in _PARTS] + [("line ends", "absent")]


@pytest.mark.parametrize(("name", "way"), WFDB_CASES)
def test_wfdb(tmp_path, name, way):
    header = write_wfdb(tmp_path, "r", COUNTS, comments=[*_COMMENTS.values(), "by X"])
    text = header.read_text().replace("500 500", "500 500 10:20:30 02/03/2001", 1)
    header.write_text(text)
    whole = fields_of(header)
    if name in _PARTS:
        text = text.replace(*_PARTS[name])
    elif name == "line ends":
        text = text.replace("\n", "\r\n\r\n")
    else:
        comment = _COMMENTS.get(name, "by X")
        title = comment.split(" ")[0]
        if way == "absent":
            text = text.replace(f"# {comment}\n", "")
        new = title if way == "emptied" else f"{title} {TEXT}"
        text = text.replace(comment, new)
    encoding = "latin-1" if way == "latin-1" else "utf-8"
    header.write_bytes(text.encode(encoding))
    assert_only_what_was_changed_is_missing(header, whole)


# CSV and NumPy.

CSV_CASES = [("unit", "emptied"), ("unit", "absent"), ("other", "emptied")]
CSV_CASES += [("other", "absent"), ("end", "absent"), ("title", "quoted")]
CSV_CASES += [
    (n, w) for n in ("other", "cells") for w in ("latin-1", "utf-8", "utf-16")
]


@pytest.mark.parametrize(("name", "way"), CSV_CASES)
def test_csv(tmp_path, name, way):
    path = tmp_path / "a.csv"
    path.write_text(csv_text(COUNTS))
    whole = fields_of(path, sampling_rate=500)
    titles, *rows = csv_text(COUNTS).strip().split("\n")
    if name == "unit":
        titles = titles.replace("aVR", "aVR ()" if way == "emptied" else "aVR")
    elif name == "title":
        titles = ",".join(f'"{title}"' for title in titles.split(","))
    elif name in ("other", "cells"):
        title = {"emptied": "", "absent": "n"}.get(way, TEXT)
        titles, cell = f"{title},{titles}", TEXT if name == "cells" else ""
        rows = [f"{cell},{row}" for row in rows]
    text = "\n".join([titles, *rows]) + ("" if name == "end" else "\n")
    path.write_bytes(text.encode("utf-8" if way in (*GONE, "quoted") else way))
    assert_only_what_was_changed_is_missing(path, whole, sampling_rate=500)


NUMPY_CASES = [(name, way) for name in ("leads", "sampling_rate") for way in GONE]
NUMPY_CASES += [("leads", way) for way in ("latin-1", "utf-8", "scalar")]
NUMPY_CASES += [("sampling_rate", "scalar"), ("signals", "fortran")]


@pytest.mark.parametrize(("name", "way"), NUMPY_CASES)
def test_numpy(tmp_path, name, way):
    held = {"signals": COUNTS * 0.005, "leads": np.array(LEADS)}
    held["sampling_rate"] = np.array([500.0])
    np.savez(tmp_path / "a.npz", **held)
    whole = fields_of(tmp_path / "a.npz")
    options = {"sampling_rate": 500} if name == "sampling_rate" else {}
    if way == "absent":
        del held[name]
    elif way == "emptied":
        held[name] = np.array([])
    elif way == "scalar" and name == "sampling_rate":
        held[name] = 500
    elif way == "fortran":
        held[name] = np.asfortranarray(held[name])
    elif name == "leads":
        held[name] = np.array([x.encode() for x in LEADS])
    np.savez(tmp_path / "a.npz", **held)
    assert_only_what_was_changed_is_missing(tmp_path / "a.npz", whole, **options)


COUNTED = {"muse": 106, "cardiosoft": 132, "aecg": 52, "sierra": 64, "dicom": 72}
COUNTED |= {"edf": 160, "scp": 19, "wfdb": 21, "csv": 12, "numpy": 9}


def test_every_field_of_the_ten_formats_is_among_them():
    counted = Counter(case[0] for case in XML_CASES)
    counted |= {"dicom": len(DICOM_CASES), "edf": len(EDF_CASES)}
    counted |= {"scp": len(SCP_CASES), "wfdb": len(WFDB_CASES)}
    counted |= {"csv": len(CSV_CASES), "numpy": len(NUMPY_CASES)}
    assert counted == COUNTED
