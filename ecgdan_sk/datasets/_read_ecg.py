"""read_ecg: one recording of any vendor, recognised by the content of the file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from .._warnings import warn
from ..records import ECGRecords
from ._check_leads import checked
from ._formats._aecg import aecg
from ._formats._cardiosoft import cardiosoft
from ._formats._csv_and_numpy import csv, npy, npz
from ._formats._dicom import dicom
from ._formats._edf import edf
from ._formats._ishne import MAGIC, ishne
from ._formats._mfer import is_mfer, mfer
from ._formats._mortara import mortara
from ._formats._muse import muse
from ._formats._one_lead import is_one_lead, one_lead
from ._formats._recording import MEASUREMENTS, ECGFileError, reading
from ._formats._schiller import is_schiller, schiller
from ._formats._scp import is_scp, scp
from ._formats._sierra import sierra
from ._formats._wfdb import header_of, is_header, wfdb_record
from ._formats._xml import parse_xml

_XML = {
    "RestingECG": ("GE MUSE XML", muse),
    "CardiologyXML": ("GE CardioSoft XML", cardiosoft),
    "restingecgdata": ("Philips Sierra XML", sierra),
    "AnnotatedECG": ("HL7 aECG", aecg),
    "ECG": ("Mortara ELI XML", mortara),
}
_KNOWN = (
    "WFDB, GE MUSE XML, GE CardioSoft XML, Philips Sierra XML, HL7 aECG, Mortara ELI "
    "XML, Schiller XML, DICOM, SCP-ECG, EDF, ISHNE, MFER, CSV, NumPy"
)
_LARGEST = 500_000_000  # bytes held in memory; EDF, ISHNE and WFDB are not


def read_ecg(path, *, sampling_rate=None, kind="rhythm"):
    """Read one ECG of any vendor: WFDB, XML, DICOM, SCP-ECG, EDF, MFER, CSV or NumPy.

    The format is recognised by the content of the file, not by its name: WFDB (by its
    header, its record's name or one of its signal files; of several segments, and in
    FLAC too), GE MUSE XML, GE CardioSoft XML (UK Biobank field 20205), Philips Sierra
    XML, HL7 aECG, Mortara ELI XML, Schiller XML, DICOM waveforms, SCP-ECG, EDF and BDF,
    ISHNE Holter, MFER, the CSV of one lead that watches export, CSV with a line of lead
    names, such as ``I`` or ``I (uV)``, and NumPy arrays in mV.

    Amplitudes are converted to mV with the units and gains in the file. Leads have the
    names and the order of `ecgdan_sk.records.LEADS`; in DICOM, codes identify them. If
    all twelve leads are present, others, such as Frank leads, are left out. Limb leads
    that the device did not store are derived from two others. If a file has several
    waveforms, the longest with twelve leads is read. A lead with a detached electrode
    is NaN. The last second of Philips files, with the calibration pulse, is cut off.
    XML is parsed without entities, nothing is unpickled, and no file outside the folder
    of the recording is opened.

    Parameters
    ----------
    path : str or path-like
        File of the recording; for WFDB also the name of the record without an ending.
    sampling_rate : float or None, default=None
        Samples per second, in Hz, of CSV and NumPy files, which do not contain it.
    kind : {"rhythm", "median"}, default="rhythm"
        The waveform to read: the recording itself, or the median beats, which GE MUSE,
        GE CardioSoft, Philips, aECG and DICOM files may hold too.

    Returns
    -------
    ECGRecords
        One recording, float32 of shape (1, n_leads, n_times) in mV. `ids` holds the
        name of the file without its ending, `patient_ids` the patient's identifier
        where the file tells it. `covariates` has one row with the columns `age` in
        years, `sex` (0 male, 1 female), `recorded_at`, `device` and `statements` (texts
        joined by "; "), and what the device measured: `device_heart_rate_bpm`,
        `device_rr_interval_ms`, `device_p_duration_ms`, `device_pr_interval_ms`,
        `device_qrs_duration_ms`, `device_qt_interval_ms`, `device_qtc_interval_ms` (by
        the device's formula), `device_p_axis_deg`, `device_qrs_axis_deg` and
        `device_t_axis_deg`. Values that are not in the file are missing.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ECGFileError
        If the file is damaged, of no known format, incomplete, or contains suspicious
        content. It is a ValueError.
    ImportError
        If the package for the format is not installed: `pip install ecgdan_sk[vendor]`.

    Warns
    -----
    UserWarning
        If `check_leads` finds leads that seem swapped, flat or not in mV, or if the age
        in the file cannot be read.

    References
    ----------
    EN 1064:2020 (SCP-ECG); DICOM PS3.3, Waveform; HL7 v3 Annotated ECG, R1 (2005);
    Badilini (1998), the ISHNE Holter Standard Output File Format; ISO 22077-1 (MFER).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from ecgdan_sk.datasets import make_ecg_cohort, read_ecg
    >>> X = make_ecg_cohort(2, sampling_rate=100, random_state=0).X
    >>> path = Path(tempfile.mkdtemp()) / "patient7.npy"
    >>> np.save(path, X[0])
    >>> records = read_ecg(path, sampling_rate=100)
    >>> records
    ECGRecords(1 ECGs, 12 leads, 1000 samples, 100 Hz)
    >>> records.ids.tolist()
    ['patient7']
    """
    check_kind(kind)
    path = Path(path)
    recording = read_recording(path, sampling_rate)
    _check_rate(path, recording.rhythm.sampling_rate, sampling_rate)
    chosen = chosen_waveform(recording, kind, path)
    warn_of_ages([recording], [stem(path)])
    patient_id = recording.patient_id
    return checked(
        ECGRecords(
            chosen.signals[None],
            chosen.sampling_rate,
            chosen.leads,
            covariates=covariates_of([recording], [stem(path)]),
            ids=[stem(path)],
            patient_ids=None if patient_id is None else [patient_id],
        )
    )


def check_kind(kind):
    """Raise unless it is a kind of waveform."""
    if kind not in ("rhythm", "median"):
        raise ValueError(f"kind must be 'rhythm' or 'median', got {kind!r}.")


def _check_rate(path, told, sampling_rate):
    """Raise if a file has another sampling rate than the caller expects."""
    if sampling_rate is not None and sampling_rate != told:
        raise ECGFileError(
            f"{path}: it is sampled at {told:g} Hz, not at "
            f"sampling_rate={sampling_rate:g}. Leave sampling_rate out; it is for "
            "files without a rate."
        )


def chosen_waveform(recording, kind, path):
    """The waveform of that kind, which the file must hold."""
    chosen = getattr(recording, kind)
    if chosen is None:
        raise ECGFileError(
            f"{path} holds no median beats; read its rhythm with kind='rhythm'."
        )
    return chosen


def stem(path):
    """Name of a file without its ending; of a WFDB record without file, its name."""
    return path.stem if path.is_file() else path.name


def covariates_of(recordings, ids):
    """Table of facts in the files beside the ECGs, one row per recording."""
    columns = {
        "age": [recording.age for recording in recordings],
        "sex": [recording.sex for recording in recordings],
        # In seconds, so that no date is out of bounds.
        "recorded_at": np.array([r.recorded_at for r in recordings], "datetime64[s]"),
        "device": [recording.device for recording in recordings],
        "statements": ["; ".join(recording.statements) for recording in recordings],
    }
    for name in MEASUREMENTS:
        values = [recording.measurements.get(name, np.nan) for recording in recordings]
        columns[f"device_{name}"] = values
    return pd.DataFrame(columns, index=ids)


def warn_of_ages(recordings, ids):
    """Warn of ages in files that cannot be read."""
    unread = [
        (one.unread_age, name) for one, name in zip(recordings, ids) if one.unread_age
    ]
    if unread:
        told, name = unread[0]
        warn(
            f"The age of {len(unread)} of {len(ids)} recordings is unknown (NaN), "
            f"though their files tell one: that of {name!r} is {told!r}. Expected "
            "years, such as 74 or '>89', or a birth and a time of recording. Correct "
            "it in `covariates`.",
        )


def read_recording(path, unstated_rate=None):
    """Recording of a file of any known format.

    `unstated_rate`, in Hz, is used for files without a rate.
    """
    header = header_of(path)
    if header is None and not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.is_dir():
        raise ECGFileError(
            f"{path} is a folder; expected a file. Read a folder with read_ecg_folder."
        )
    if header is None and not path.is_file():
        raise ECGFileError(f"{path} is no regular file; expected one of {_KNOWN}.")
    if header is not None:
        return _read(path, "WFDB", wfdb_record, header)
    with reading(path, "an ECG"), open(path, "rb") as file:
        size, start = path.stat().st_size, file.read(4096)
        if size == 0:
            raise ECGFileError(f"it is empty; expected one of {_KNOWN}.")
    if start[:8] in (b"0       ", b"\xffBIOSEMI"):
        return _read(path, "EDF", edf, path, size)
    if start[:8] == MAGIC:
        return _read(path, "ISHNE", ishne, path, size)
    if is_mfer(path, start):
        return _read(path, "MFER", mfer, path, size)
    if start[:6] == b"\x93NUMPY":
        return _read(path, "NumPy", npy, path, unstated_rate)
    with reading(path, "an ECG"):
        if size > _LARGEST:
            raise ECGFileError(
                f"it has {size} bytes; expected one ECG of at most {_LARGEST}."
            )
        data = path.read_bytes()
    return _of_bytes(path, data, unstated_rate)


def _read(path, name, reader, *arguments):
    """Recording that a reader returns, with the name of its format."""
    with reading(path, name):
        return replace(reader(*arguments), format=name)


def _of_bytes(path, data, unstated_rate):
    """Recording of a file that is read as a whole."""
    if data[128:132] == b"DICM":
        return _read(path, "DICOM", dicom, data)
    if is_scp(data):
        return _read(path, "SCP-ECG", scp, data)
    if data[:4] == b"PK\x03\x04":
        return _read(path, "NumPy archive", npz, data, unstated_rate)
    if _is_xml(data):
        with reading(path, "an ECG in XML"):
            root, (name, reader) = _xml_reader(data)
        return _read(path, name, reader, root)
    if is_header(data):
        with reading(path, "WFDB"):
            raise ECGFileError(
                "it is a WFDB header, whose name must end in .hea; rename it."
            )
    if is_one_lead(data):
        return _read(path, "CSV of one lead", one_lead, data)
    return _read(path, "CSV", _of_text, data, unstated_rate)


def _xml_reader(data):
    """Root of the XML, with the name and the reader of its kind."""
    root = parse_xml(data)
    if is_schiller(root):
        return root, ("Schiller XML", schiller)
    if root.tag not in _XML:
        raise ECGFileError(
            f"its XML is a <{root.tag}>; expected "
            + ", ".join(f"<{tag}> ({name})" for tag, (name, _) in _XML.items())
            + " or the eventdata of Schiller."
        )
    return root, _XML[root.tag]


def _of_text(data, unstated_rate):
    """Recording from a text table; raise if the format is unknown."""
    is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    if (b"\0" in data[:4096] and not is_utf16) or b"\n" not in data[:100_000]:
        raise ECGFileError(
            f"its content is of no known format (it begins with {data[:16]!r}); "
            f"expected one of {_KNOWN}."
        )
    return csv(data, unstated_rate)


def _is_xml(data):
    """Whether bytes begin as XML does, in UTF-8 or UTF-16."""
    start = data[:256].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    return start.startswith(b"<")
