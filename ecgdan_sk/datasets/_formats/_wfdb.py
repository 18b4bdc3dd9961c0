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
    age_told,
    is_whole,
    lead_name,
    mv_per,
    sex_code,
    text_in,
    waveform,
)
from ._wfdb_segments import joined, segments_of
from ._wfdb_signals import check_flac, described, read_signals

_LARGEST_HEADER = 100_000  # bytes
_BYTES = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2}
_BYTES |= {"212": 1.5, "310": 4 / 3, "311": 4 / 3}
_BYTES |= dict.fromkeys(("508", "516", "524"), 0)  # FLAC, of any size
_TOLD = re.compile(r"<?\b(age|sex|gender|dx)>?\s*:\s*", re.IGNORECASE)
_NAME = re.compile(r"[-\w]+(\.\w+)?")
_FIRST_LINE = re.compile(rb"[-\w]+(/\d+)?[ \t]+\d+[ \t]+\d.*")
_RECORD = re.compile(
    r"[-\w]+[ \t]+(\d+)[ \t]+(\d+\.?\d*)(?:/\S*)?[ \t]+(\d+)([ \t].*)?"
)


def header_of(path):
    """Header of a path to a header, a record or a signal file, or None."""
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


def files_of(header):
    """Files that a header names as its signals or segments."""
    with open(header, "rb") as file:
        lines = text_in(file.read(_LARGEST_HEADER)).splitlines()
    named = {line.split()[0] for line in lines[1:] if line.strip()}
    named = {name for name in named if _NAME.fullmatch(name)}
    return {header.with_name(name) for name in named} | {
        header.with_name(f"{name}.hea") for name in named
    }


def is_header(data):
    """Whether bytes begin as a WFDB header does: record, number of signals, rate."""
    for line in data[:4096].splitlines():
        if line.strip() and not line.startswith(b"#"):
            return _FIRST_LINE.fullmatch(line) is not None
    return False


def wfdb_record(path):
    """Recording of the record with this header, of one segment or several."""
    header = segments_of(path)
    if header is None:
        header = _checked_header(path)
        rhythm = _waveform(path, header)
    else:
        rhythm = joined(path, header, _segment)
    told = dict(_told(header.comments))
    recorded_at = _moment(header.when)
    return Recording(
        rhythm=rhythm,
        sex=sex_code(told.get("sex", told.get("gender"))),
        recorded_at=recorded_at,
        statements=tuple(filter(None, re.split(r"[,\s]+", told.get("dx", "")))),
        **age_told(told.get("age"), None, recorded_at),
    )


def _segment(path):
    """Waveform of one segment of a record."""
    if not path.is_file():
        raise ECGFileError(
            f"its segment {path.name} is not beside it; keep all in one folder."
        )
    return _waveform(path, _checked_header(path))


def _waveform(path, header):
    """The leads that a header describes, in mV."""
    chosen = _voltages(header.signals)
    values, per_frame = read_signals(path, header.signals, header.n_times, chosen)
    return waveform(
        [v * np.float32(mv_per(s.unit)) for v, s in zip(values, chosen)],
        header.sampling_rate * per_frame,
        [signal.name for signal in chosen],
        [signal.unit for signal in chosen],
    )


class _Header(NamedTuple):
    """Contents of a header: frame rate, number of frames, date, signals, comments."""

    sampling_rate: float
    n_times: int
    when: str
    signals: list
    comments: list


def _checked_header(path):
    """Read a header; raise if it leads elsewhere or claims more than its files hold.

    A header that passes has the same meaning to wfdb, which accepts more.
    """
    # To what opens files for wfdb, a double colon is the start of another address.
    if path.stat().st_size > _LARGEST_HEADER or "::" in str(path):
        raise ECGFileError(
            f"its header has {path.stat().st_size} bytes; expected a few hundred, "
            "and no '::' in its path."
        )
    lines = text_in(path.read_bytes()).splitlines()
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
    signals = [described(line, i) for i, line in enumerate(lines[1:])]
    n_times = int(first[3])
    _check_files(path.parent, _needed(signals, n_times))
    check_flac(path.parent, signals, n_times)
    return _Header(float(first[2]), n_times, first[4] or "", signals, comments)


def _needed(signals, n_times):
    """Signal file -> bytes that its header claims to be in it."""
    needed, layouts = {}, {}
    for signal in signals:
        if signal.fmt not in _BYTES:
            raise ECGFileError(
                f"its header describes a signal of format {signal.fmt}; expected one "
                f"of the formats {', '.join(_BYTES)}. Convert it with wfdb.wrsamp."
            )
        if signal.skew > n_times:
            raise ECGFileError("its header shifts a signal beyond its length.")
        layout = signal.fmt, signal.offset
        if layouts.setdefault(signal.file, layout) != layout:
            raise ECGFileError(
                f"its header describes signals of {signal.file} in several formats or "
                "places; expected one for all signals of a file."
            )
        needed.setdefault(signal.file, signal.offset)
        needed[signal.file] += n_times * signal.per_frame * _BYTES[signal.fmt]
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
    """The twelve leads if all are present, else all signals that are voltages."""
    names = [lead_name(signal.name) for signal in signals]
    if is_whole(names):
        return [s for s, name in zip(signals, names) if name in LEADS]
    chosen = [signal for signal in signals if _is_voltage(signal.unit)]
    if not chosen:
        units = ", ".join(signal.unit for signal in signals[:20])
        raise ECGFileError(
            f"its signals are {', '.join(names[:20])} in {units}; expected leads of an "
            "ECG in mV."
        )
    return chosen


def _is_voltage(unit):
    """Whether a unit is one of an ECG."""
    try:
        return mv_per(unit) > 0
    except ECGFileError:
        return False


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
    """Age, sex and diagnoses among the comments of a header, several on a line too."""
    for comment in comments:
        found = list(_TOLD.finditer(comment))
        if found and found[0].start() == 0:
            ends = [match.start() for match in found[1:]] + [len(comment)]
            for match, end in zip(found, ends):
                yield match[1].lower(), comment[match.end() : end].strip(" ,;")
