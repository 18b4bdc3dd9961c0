"""EDF, EDF+ and BDF, read as their publications describe them.

See Kemp et al. (1992, 2003). The header is read as bytes of fixed width. Optional
fields do not prevent reading, even if they are empty, wrongly encoded or invalid.
"""

import re
from datetime import datetime
from typing import NamedTuple

import numpy as np

from ...records import LEADS
from ._recording import (
    ECGFileError,
    Recording,
    age_told,
    lead_name,
    mv_per,
    number,
    sex_code,
    text_in,
    waveform,
)

_LARGEST = 2_000_000_000  # bytes
_FIXED, _PER_CHANNEL = 256, 256  # bytes of the header
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN")
_MONTHS += ("JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class _Header(NamedTuple):
    """Contents of a header, on the file and on its channels."""

    patient: str
    recording: str
    started: str
    reserved: str
    n_bytes: int
    n_records: int
    seconds: float
    channels: list


class _Channel(NamedTuple):
    """Contents of a header on one channel, with its samples per data record."""

    label: str
    unit: str
    physical: tuple
    digital: tuple
    n_samples: int
    start: int


def edf(path, size):
    """Recording of an EDF file of `size` bytes."""
    with open(path, "rb") as file:
        start = file.read(_FIXED)
        n_channels = _integer(start[252:256])
        width = 3 if start[:1] == b"\xff" else 2
        rest = file.read(_PER_CHANNEL * min(max(n_channels, 0), 10_000))
    header = _header(start, rest, n_channels)
    _check_size(header, size, width)
    chosen = _ecg_channels(header.channels)
    rates = {channel.n_samples / header.seconds for channel in chosen}
    if len(rates) != 1:
        raise ECGFileError(
            f"its ECG channels are sampled at {sorted(rates)} Hz; expected one "
            "sampling rate."
        )
    counts = _counts(path, header, width)
    signals = [_in_mv(channel, counts) for channel in chosen]
    return Recording(
        rhythm=waveform(
            signals,
            rates.pop(),
            [channel.label for channel in chosen],
            [channel.unit for channel in chosen],
        ),
        **_told(header),
    )


def _header(start, rest, n_channels):
    """Header from its fixed part and the part of each channel."""
    if len(start) < _FIXED or n_channels < 1 or len(rest) < n_channels * _PER_CHANNEL:
        raise ECGFileError(
            f"its EDF header has {len(start) + len(rest)} bytes for {n_channels} "
            "channels; it is cut short or damaged."
        )
    fields, at = [], 0
    for width in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        part = rest[at : at + width * n_channels]
        fields.append([part[i : i + width] for i in range(0, len(part), width)])
        at += width * n_channels
    labels, _, units, low, high, low_count, high_count, _, sizes, _ = fields
    sizes = [_integer(size) for size in sizes]
    starts = np.cumsum([0, *sizes]).tolist()
    channels = [
        _Channel(
            text_in(labels[i]).strip(" \0"),
            text_in(units[i]).strip(" \0"),
            (_float(low[i]), _float(high[i])),
            (_float(low_count[i]), _float(high_count[i])),
            sizes[i],
            starts[i],
        )
        for i in range(n_channels)
    ]
    return _Header(
        text_in(start[8:88]).strip(" \0"),
        text_in(start[88:168]).strip(" \0"),
        text_in(start[168:184]),
        text_in(start[192:236]).strip(" \0"),
        _integer(start[184:192]),
        _integer(start[236:244]),
        _float(start[244:252]),
        channels,
    )


def _integer(field):
    """A whole number in a field of the header."""
    value = _float(field)
    if value != int(value):
        raise ECGFileError(f"its EDF header is damaged ({value}); expected integers.")
    return int(value)


def _float(field):
    """A number in a field of the header."""
    value = number(field.decode("latin-1").strip(" \0").replace(",", "."))
    if np.isnan(value):
        raise ECGFileError(
            f"its EDF header is damaged ({bytes(field)!r}); expected numbers."
        )
    return value


def _check_size(header, size, width):
    """Refuse a header that claims other than the file holds, before it is believed."""
    sizes = [channel.n_samples for channel in header.channels]
    claimed = header.n_bytes + header.n_records * sum(sizes) * width
    expected = _FIXED + _PER_CHANNEL * len(sizes)
    if (
        min(sizes) < 0
        or header.n_records < 1
        or header.n_bytes != expected
        or not expected < claimed <= size <= _LARGEST
    ):
        raise ECGFileError(
            f"its EDF header claims {claimed} bytes and the file holds {size}, of at "
            f"most {_LARGEST}; it is cut short or damaged."
        )
    if not header.seconds > 0:
        raise ECGFileError(
            f"its data records last {header.seconds} seconds; expected more than 0."
        )
    if re.match(r"(EDF|BDF)\+D", header.reserved):
        raise ECGFileError(
            "it is interrupted (EDF+D): its data records do not follow each other in "
            "time. Export the parts as files of their own."
        )


def _ecg_channels(channels):
    """Channels that are standard leads, or else those named ECG."""
    chosen = [channel for channel in channels if lead_name(channel.label) in LEADS]
    if not chosen:
        ecg = ("ecg", "ekg")
        chosen = [c for c in channels if c.label.lower().startswith(ecg)]
    if not chosen:
        labels = [c.label for c in channels if not c.label.endswith(" Annotations")]
        raise ECGFileError(
            f"its channels are {', '.join(labels[:20])}; expected leads of an ECG, "
            "such as 'ECG II' or 'V1'."
        )
    return chosen


def _counts(path, header, width):
    """Bytes of the samples (n_records, samples of all channels, width), on disk."""
    per_record = sum(channel.n_samples for channel in header.channels)
    return np.memmap(
        path,
        dtype=np.uint8,
        mode="r",
        offset=header.n_bytes,
        shape=(header.n_records, per_record, width),
    )


def _in_mv(channel, counts):
    """Samples of a channel in mV."""
    (low, high), (low_count, high_count) = channel.physical, channel.digital
    if low_count == high_count or low == high:
        raise ECGFileError(
            f"channel {channel.label} ranges from {low} to {high} {channel.unit} in "
            f"counts from {low_count} to {high_count}; expected two numbers of each."
        )
    data = counts[:, channel.start : channel.start + channel.n_samples]
    # Little-endian two's complement of two or three bytes, filled up from above.
    filled = np.zeros((*data.shape[:2], 4), np.uint8)
    filled[..., 4 - data.shape[2] :] = data
    shift = 8 * (4 - data.shape[2])
    values = filled.view("<i4")[..., 0].ravel() >> shift
    step = (high - low) / (high_count - low_count)
    return (low + (values - low_count) * step) * mv_per(channel.unit)


def _told(header):
    """Patient and recording in EDF+; plain EDF has free text."""
    recorded_at = _started(header)
    if not header.reserved.startswith(("EDF+", "BDF+")):
        return {"recorded_at": recorded_at}
    # Fields are separated by spaces; X means unknown.
    code, sex, birth, *_ = [*_subfields(header.patient), None, None, None]
    device = [*_subfields(header.recording), *[None] * 5][4]
    return {
        "patient_id": code,
        "sex": sex_code(sex),
        "recorded_at": recorded_at,
        "device": device,
        **age_told(None, _date(birth) or birth, recorded_at),
    }


def _subfields(text):
    """Fields of EDF+, in which an underscore stands for a space."""
    return [
        None if field.upper() == "X" else field.replace("_", " ").strip() or None
        for field in text.split()
    ]


def _date(text):
    """A date such as 02-MAY-1951, or None."""
    found = re.fullmatch(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", text or "")
    try:
        month = _MONTHS.index(found[2].upper()) + 1
        return datetime(int(found[3]), month, int(found[1]))
    except (TypeError, ValueError):
        return None


def _started(header):
    """When the recording began, by the date of EDF+ or that of two digits a year."""
    numbers = re.findall(r"\d\d", header.started)
    if len(numbers) != 6:
        return None
    day, month, year, *clock = map(int, numbers)
    # The century as EDF has it: 1985 to 2084.
    year += 1900 if year >= 85 else 2000
    fields = header.recording.split()
    full = _date(fields[1]) if len(fields) > 1 and fields[0] == "Startdate" else None
    try:
        date = full or datetime(year, month, day)
        return date.replace(hour=clock[0], minute=clock[1], second=clock[2])
    except ValueError:
        return None
