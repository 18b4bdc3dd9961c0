"""WFDB records, the format of PhysioNet, read by wfdb after their header is vetted."""

import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...records import LEADS
from ._recording import (
    ECGFileError,
    Recording,
    lead_name,
    mv_per,
    number,
    sex_code,
    waveform,
)
from ._wfdb_16bit import Signals, read_16bit

_LARGEST_HEADER = 100_000  # bytes
_BYTES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2}
_BYTES |= {"212": 1.5, "310": 4 / 3, "311": 4 / 3}
_TOLD = re.compile(r"<?(age|sex|gender|dx)>?\s*:\s*(.+)", re.IGNORECASE)
_FIRST_LINE = re.compile(rb"[-\w]+(/\d+)?[ \t]+\d+[ \t]+\d.*")
_RECORD = re.compile(
    r"[-\w]+[ \t]+(\d+)[ \t]+(\d+\.?\d*)(?:/\S*)?[ \t]+(\d+)([ \t].*)?"
)
_SIGNAL = re.compile(
    r"([-\w]+\.?\w*)[ \t]+(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?(?:[ \t].*)?"
)


def header_of(path):
    """The header that a path belongs to, or None: itself, a record's, a signal's."""
    if path.suffix == ".hea":
        return path if path.is_file() else None
    record = path.with_name(f"{path.name}.hea")
    if record.is_file() and not path.is_file():
        return record
    beside = path.with_suffix(".hea")
    if beside.is_file() and path.is_file():
        named = beside.read_bytes()[:_LARGEST_HEADER]
        return beside if path.name.encode() in named else None
    return None


def is_header(data):
    """Whether bytes begin as a WFDB header does: record, number of signals, rate."""
    for line in data[:4096].splitlines():
        if line.strip() and not line.startswith(b"#"):
            return _FIRST_LINE.fullmatch(line) is not None
    return False


def wfdb_record(path):
    """Recording of the record with this header."""
    header = _checked_header(path)
    signals = read_16bit(path.parent, header.lines, header.n_times)
    if signals is None:
        # Imported here: wfdb brings matplotlib and a network client along.
        import wfdb

        ecg = wfdb.rdrecord(str(path.with_suffix("")), return_res=32)
        signals = Signals(ecg.p_signal.T, ecg.units, ecg.sig_name)
    chosen = _voltages(signals)
    told = dict(_told(header.comments))
    return Recording(
        rhythm=waveform(
            [signals.values[i] * np.float32(mv_per(signals.units[i])) for i in chosen],
            header.sampling_rate,
            [signals.names[i] for i in chosen],
        ),
        age=number(told.get("age")),
        sex=sex_code(told.get("sex", told.get("gender"))),
        recorded_at=_moment(header.when),
        statements=tuple(filter(None, re.split(r"[,\s]+", told.get("dx", "")))),
    )


class _Header(NamedTuple):
    """What a header says: rate in Hz, length, date, lines of the signals, comments."""

    sampling_rate: float
    n_times: int
    when: str
    lines: list
    comments: list


def _checked_header(path):
    """The header, unless it leads elsewhere or claims more than its files hold.

    What passes here means the same to wfdb, which reads more than this.
    """
    # To what opens files for wfdb, a double colon is the start of another address.
    if path.stat().st_size > _LARGEST_HEADER or "::" in str(path):
        raise ECGFileError(
            f"its header has {path.stat().st_size} bytes; expected a few hundred, "
            "and no '::' in its path."
        )
    lines = path.read_text("ascii", errors="ignore").splitlines()
    lines = [stripped for line in lines if (stripped := line.strip())]
    comments = [line.strip(" \t#") for line in lines if line.startswith("#")]
    lines = [line for line in lines if not line.startswith("#")]
    first = _RECORD.fullmatch(lines[0]) if lines else None
    if first is None or int(first[1]) != len(lines) - 1 or not int(first[3]):
        raise ECGFileError(
            f"its header begins with {lines[0][:80] if lines else ''!r} and describes "
            f"{max(len(lines) - 1, 0)} signals; expected one segment: record, number "
            "of signals, rate and number of samples, then a line for each signal."
        )
    header = _Header(
        float(first[2]), int(first[3]), first[4] or "", lines[1:], comments
    )
    _check_files(path.parent, _needed(header.lines, header.n_times))
    return header


def _needed(lines, n_times):
    """Signal file -> bytes that its header claims to be in it."""
    needed = {}
    for line in lines:
        found = _SIGNAL.fullmatch(line)
        if found is None or found[2] not in _BYTES:
            raise ECGFileError(
                f"its header describes a signal by {line[:80]!r}; expected the plain "
                "name of a file in the same folder and one of the formats "
                f"{', '.join(_BYTES)}. Convert others with wfdb.wrsamp."
            )
        name, kind, per_frame, skew, offset = found.groups()
        if int(skew or 0) > n_times:
            raise ECGFileError("its header shifts a signal beyond its length.")
        needed.setdefault(name, int(offset or 0))
        needed[name] += n_times * int(per_frame or 1) * _BYTES[kind]
    return needed


def _check_files(folder, needed):
    """Refuse signal files that are absent or too short."""
    for name, n_bytes in needed.items():
        path = Path(folder, name)
        if not path.is_file():
            raise ECGFileError(
                f"its signal file {name} is not beside it; keep both in one folder."
            )
        held = path.stat().st_size
        if held < int(n_bytes):
            raise ECGFileError(
                f"its header claims {int(n_bytes)} bytes in {name}, which holds "
                f"{held}; it is cut short, or the header is another's."
            )


def _voltages(signals):
    """The twelve leads if all are there, or else every signal that is a voltage."""
    names, units = [lead_name(name) for name in signals.names], signals.units
    if set(LEADS) <= set(names):
        return [i for i, name in enumerate(names) if name in LEADS]
    chosen = [
        i for i, unit in enumerate(units) if re.fullmatch("[mun]?v", unit.lower())
    ]
    if not chosen:
        raise ECGFileError(
            f"its signals are {', '.join(names[:20])} in {', '.join(units[:20])}; "
            "expected leads of an ECG in mV."
        )
    return chosen


def _moment(when):
    """Time and date as a header has them, or None."""
    found = re.fullmatch(r"(\d+:\d+:\d+)(?:\.\d*)?\s+(\d+/\d+/\d{4})", when.strip())
    try:
        return found and datetime.strptime(
            f"{found[1]} {found[2]}", "%H:%M:%S %d/%m/%Y"
        )
    except ValueError:
        return None


def _told(comments):
    """Age, sex and diagnoses among the comments of a header."""
    for comment in comments:
        found = _TOLD.fullmatch(comment.strip())
        if found:
            yield found[1].lower(), found[2].strip()
