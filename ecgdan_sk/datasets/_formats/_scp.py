"""SCP-ECG (EN 1064, ISO 11073-91064): sections 0 to 8 of a file.

It reads 16-bit samples and samples packed by the default Huffman table, as values or as
first or second differences. A subtracted reference beat is added back. Files with fewer
samples between beats or with other Huffman tables are refused.
"""

import binascii
import re
from datetime import datetime

import numpy as np

from ._lead_codes import lead_of_number
from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    measured,
    text_in,
    waveform,
)

_HEADER = 16  # bytes, of each section
_DEFAULT_TABLE = 19_999
_PER_YEAR = {1: 1, 2: 12, 3: 52, 4: 365, 5: 8766}
_UNKNOWN = 19_999  # and above: not computed, of poor quality, rejected

# The default table: 0 is a zero, k ones and a zero and a sign are -8 to 8, and longer
# runs announce 8 or 16 bits as they are.
_CODE = re.compile(r"0|1{1,8}0[01]|1{9}0[01]{8}|1{10}[01]{16}")


def is_scp(data):
    """Whether bytes begin as an SCP-ECG file does: size, then section 0."""
    return (
        len(data) > 6 + _HEADER
        and data[8:10] == b"\0\0"
        and (data[16:22] == b"SCPECG" or _integer(data, 2, 4) == len(data))
    )


def scp(data):
    """Recording of an SCP-ECG file given as bytes."""
    sections = _sections(data)
    for number, content in ((3, "leads"), (6, "rhythm")):
        if number not in sections:
            raise ECGFileError(
                f"it lacks section {number}, its {content}; expected a recording with "
                "its waveforms."
            )
    packed = _is_packed(sections.get(2))
    patient = _patient(sections.get(1, b""))
    return Recording(
        rhythm=_waveform(sections, packed),
        statements=_statements(sections.get(8)),
        measurements=_measurements(sections.get(7)),
        **patient,
    )


def _sections(data):
    """Content of each section by its number, after checks of sizes and checksums."""
    claimed, checksum = _integer(data, 2, 4), _integer(data, 0, 2)
    if claimed != len(data) or checksum != binascii.crc_hqx(data[2:], 0xFFFF):
        raise ECGFileError(
            f"its header claims {claimed} bytes of checksum {checksum}, and the file "
            f"holds {len(data)} of {binascii.crc_hqx(data[2:], 0xFFFF)}; it is cut "
            "short or damaged."
        )
    sections = {}
    pointers = data[6 + _HEADER : 6 + _integer(data, 10, 4)]
    for at in range(0, len(pointers) - 9, 10):
        number, length = _integer(pointers, at, 2), _integer(pointers, at + 2, 4)
        start = _integer(pointers, at + 6, 4) - 1  # written from 1
        if not length or not number:
            continue
        if length < _HEADER or not 0 <= start <= len(data) - length:
            raise ECGFileError(
                f"section {number} claims {length} bytes from {start}, of {len(data)} "
                "in the file; it is damaged."
            )
        if _integer(data, start + 2, 2) != number:
            raise ECGFileError(
                f"at byte {start} there is section {_integer(data, start + 2, 2)}; "
                f"expected section {number}."
            )
        sections[number] = data[start + _HEADER : start + length]
    return sections


def _integer(data, at, size, signed=False):
    """A little-endian integer; short of bytes is an error."""
    if at + size > len(data):
        raise ECGFileError(f"it ends within a number at byte {at}; it is cut short.")
    return int.from_bytes(data[at : at + size], "little", signed=signed)


def _is_packed(section):
    """Whether samples are packed by the default Huffman table."""
    if section is None:
        return False
    tables = _integer(section, 0, 2)
    if tables != _DEFAULT_TABLE:
        raise ECGFileError(
            f"its samples are packed by {tables} Huffman tables of its own; expected "
            "the default table. Export it without compression, or as XML or DICOM."
        )
    return True


def _leads(section):
    """Name, first and last sample of each lead, and whether beats were subtracted."""
    n_leads, flags = _integer(section, 0, 1), _integer(section, 1, 1)
    spans = []
    for at in range(2, 2 + 9 * n_leads, 9):
        first, last = _integer(section, at, 4), _integer(section, at + 4, 4)
        code = _integer(section, at + 8, 1)
        spans.append((lead_of_number(code), first, last))
    if len({span[1:] for span in spans}) > 1:
        raise ECGFileError(
            "its leads begin or end at different samples; expected all leads recorded "
            "together."
        )
    return spans, bool(flags & 1)


def _waveform(sections, packed):
    """The rhythm in mV."""
    spans, subtracted = _leads(sections[3])
    leads = [name for name, _, _ in spans]
    if sections[6][5:6] not in (b"", b"\0"):
        raise ECGFileError(
            "its rhythm is thinned out between beats (bimodal compression), which is "
            "not read. Export it without compression, or as XML or DICOM."
        )
    lengths = [last - first + 1 for _, first, last in spans]
    signals, microseconds = _decoded(sections[6], leads, lengths, packed)
    if subtracted:
        beats = _reference_beats(sections, leads, microseconds, packed)
        for signal, beat in zip(signals, beats):
            _add_beats(signal, beat, spans[0][1], sections[4])
    in_mv = [signal / 1e6 for signal in signals]
    return waveform(in_mv, 1e6 / microseconds, leads, ("nV",))


def _decoded(section, leads, lengths, packed):
    """Signals of section 5 or 6 in nV, and the microseconds between samples."""
    nanovolts, microseconds = _integer(section, 0, 2), _integer(section, 2, 2)
    order = _integer(section, 4, 1)
    if order > 2 or not nanovolts or not microseconds:
        raise ECGFileError(
            f"its samples have {nanovolts} nV per count, {microseconds} us between "
            f"them and differences of order {order}; expected numbers above 0 and "
            "order 0 to 2. Export it without compression, or as XML or DICOM."
        )
    at = 6 + 2 * len(leads)
    signals = []
    for i, (name, n_times) in enumerate(zip(leads, lengths)):
        size = _integer(section, 6 + 2 * i, 2)
        counts = (_unpacked if packed else _plain)(section[at : at + size])[:n_times]
        if n_times < 1 or len(counts) < n_times:
            raise ECGFileError(
                f"lead {name} holds {len(counts)} samples, but claims {n_times}; it is "
                "cut short or damaged."
            )
        signals.append(_summed(counts, order) * nanovolts)
        at += size
    return signals, microseconds


def _reference_beats(sections, leads, microseconds, packed):
    """The beat of each lead that was subtracted from its rhythm, in nV."""
    for number in (4, 5):
        if number not in sections:
            raise ECGFileError(
                f"its rhythm lacks a reference beat, and section {number}, which tells "
                "it, is missing. Export it without compression, or as XML or DICOM."
            )
    n_times = round(_integer(sections[4], 0, 2) * 1000 / microseconds)
    lengths = [n_times] * len(leads)
    beats, between = _decoded(sections[5], leads, lengths, packed)
    if between != microseconds:
        raise ECGFileError(
            f"its reference beat is sampled every {between} us and its rhythm every "
            f"{microseconds} us; expected the same."
        )
    return beats


def _add_beats(signal, beat, first, section):
    """Add the reference beat in place, wherever section 4 says it was subtracted.

    Samples of the rhythm and of the beat count from 1.
    """
    trigger, n_beats = _integer(section, 2, 2), _integer(section, 4, 2)
    for at in range(6, 6 + 14 * n_beats, 14):
        if _integer(section, at, 2):
            continue  # a beat of another type, left as it is
        start, fiducial, end = (_integer(section, at + i, 4) for i in (2, 6, 10))
        shift = fiducial - trigger  # of the beat's first sample, counted from 0
        start = max(start, first, shift + 1)
        end = min(end, first + len(signal) - 1, shift + len(beat))
        if start <= end:
            signal[start - first : end - first + 1] += beat[
                start - shift - 1 : end - shift
            ]


def _plain(data):
    """Samples written as they are, in 16 bits."""
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float64)


def _unpacked(data):
    """Samples packed by the default Huffman table."""
    bits = "".join(np.unpackbits(np.frombuffer(data, np.uint8)).astype(str))
    return np.array([_value(code) for code in _CODE.findall(bits)], np.float64)


def _value(code):
    """The sample that a code stands for."""
    if len(code) <= 10:
        return -code.count("1", 0, -1) if code[-1] == "1" else code.count("1")
    bits = code[10:]
    value = int(bits, 2)
    return value - (1 << len(bits)) if bits[0] == "1" else value


def _summed(values, order):
    """Samples of their differences; the first ones are written as they are."""
    if order == 0 or len(values) <= order:
        return values
    if order == 1:
        return values.cumsum()
    steps = np.concatenate([values[1:2] - values[:1], values[2:]]).cumsum()
    return values[0] + np.concatenate([[0.0], steps.cumsum()])


def _fields(section):
    """Tag -> bytes of section 1."""
    fields, at = {}, 0
    while at + 3 <= len(section) and section[at] != 255:
        size = _integer(section, at + 1, 2)
        fields.setdefault(section[at], section[at + 3 : at + 3 + size])
        at += 3 + size
    return fields


def _patient(section):
    """Patient, time of recording and device."""
    fields = _fields(section)
    recorded_at = _moment(fields.get(25, b""), fields.get(26, b""))
    age, told = fields.get(4, b""), None
    if len(age) == 3 and age[2] in _PER_YEAR:
        told = _integer(age, 0, 2) / _PER_YEAR[age[2]]
    return {
        "patient_id": _text(fields.get(2, b"")),
        "sex": {b"\1": 0.0, b"\2": 1.0}.get(fields.get(8, b"")[:1], np.nan),
        "recorded_at": recorded_at,
        "device": _text(fields.get(14, b"")[8:14]),
        **age_told(told, _moment(fields.get(5, b"")), recorded_at),
    }


def _moment(date, time=b""):
    """Date as year, month and day, with the time of day if it is stated."""
    if len(date) < 4:
        return None
    try:
        return datetime(_integer(date, 0, 2), date[2], date[3], *time[:3])
    except ValueError:
        return None


def _text(data):
    """Text up to its end mark, or None."""
    return text_in(data.split(b"\0")[0]).strip() or None


def _measurements(section):
    """Global measurements of section 7: onsets and offsets become intervals."""
    if section is None or len(section) < 22 or not section[0]:
        return {}
    rr = _integer(section, 2, 2)
    marks = [_integer(section, at, 2) for at in range(6, 16, 2)]
    p_on, p_off, qrs_on, qrs_off, t_off = (
        mark if mark < _UNKNOWN else np.nan for mark in marks
    )
    p_axis, qrs_axis, t_axis = (_integer(section, at, 2, True) for at in (16, 18, 20))
    return measured(
        {
            "heart_rate_bpm": 60_000 / rr if 0 < rr < _UNKNOWN else None,
            "rr_interval_ms": rr,
            "p_duration_ms": p_off - p_on,
            "pr_interval_ms": qrs_on - p_on,
            "qrs_duration_ms": qrs_off - qrs_on,
            "qt_interval_ms": t_off - qrs_on,
            "p_axis_deg": p_axis,
            "qrs_axis_deg": qrs_axis,
            "t_axis_deg": t_axis,
        }
    )


def _statements(section):
    """Findings in words, of section 8."""
    if section is None or len(section) < 9:
        return ()
    texts, at = [], 9
    for _ in range(section[8]):
        if at + 3 > len(section):
            break
        size = _integer(section, at + 1, 2)
        texts.append(_text(section[at + 3 : at + 3 + size]))
        at += 3 + size
    return tuple(text for text in texts if text)
