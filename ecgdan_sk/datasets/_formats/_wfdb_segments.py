"""WFDB records of several segments: one header that names others in its folder."""

import re
from typing import NamedTuple

import numpy as np

from ._recording import ECGFileError, text_in, waveform

_LARGEST_HEADER = 100_000  # bytes
_LARGEST = 125_000_000  # samples of all leads
_FIRST = re.compile(
    r"[-\w]+/(?P<count>\d+)[ \t]+(?P<signals>\d+)[ \t]+(?P<rate>\d+\.?\d*)(?:/\S*)?"
    r"(?:[ \t]+\d+)?(?P<when>[ \t].*)?"
)
_SEGMENT = re.compile(r"(?P<name>[-\w]+|~)[ \t]+(?P<n_times>\d+)")
_GAP = "~"


class Segments(NamedTuple):
    """Contents of a header of segments, with name and length of each segment."""

    sampling_rate: float
    n_signals: int
    when: str
    comments: list
    segments: list


def segments_of(path):
    """Segments in the header at this path, or None."""
    with open(path, "rb") as file:
        data = file.read(_LARGEST_HEADER)
    lines = [line.strip() for line in text_in(data).splitlines() if line.strip()]
    comments = [line.strip(" \t#") for line in lines if line.startswith("#")]
    lines = [line for line in lines if not line.startswith("#")]
    first = _FIRST.fullmatch(lines[0]) if lines else None
    if first is None:
        return None
    found = [_SEGMENT.fullmatch(line) for line in lines[1:]]
    if None in found or len(found) != int(first["count"]):
        raise ECGFileError(
            f"its header names {len(found)} segments and claims {first['count']}; "
            "expected a line with name and number of samples for each."
        )
    segments = [(segment["name"], int(segment["n_times"])) for segment in found]
    told = float(first["rate"]), int(first["signals"]), first["when"] or ""
    return Segments(*told, comments, segments)


def joined(path, found, read):
    """Waveform of the segments one after the other; `read` has that of a header.

    Where a lead is not in a segment, and between segments, it is NaN.
    """
    total = sum(n_times for _, n_times in found.segments)
    # Before any is read: a short header can name one segment many times.
    if total * max(found.n_signals, 12) > _LARGEST:
        raise ECGFileError(
            f"its segments have {total} samples of {found.n_signals} signals; expected "
            f"at most {_LARGEST} in all."
        )
    parts, first = [], 0
    for name, n_times in found.segments:
        # The first of some records describes the signals, and has no samples.
        if n_times and name != _GAP:
            ecg = read(path.with_name(f"{name}.hea"))
            _check(name, ecg, n_times, found)
            parts.append((slice(first, first + n_times), ecg))
        first += n_times
    leads = list(dict.fromkeys(lead for _, ecg in parts for lead in ecg.leads))
    signals = np.full((len(leads), total), np.nan, np.float32)
    for times, ecg in parts:
        signals[[leads.index(lead) for lead in ecg.leads], times] = ecg.signals
    units = {unit for _, ecg in parts for unit in ecg.unit.split(", ")}
    return waveform(signals, found.sampling_rate, leads, units)


def _check(name, ecg, n_times, found):
    """Raise unless a segment matches the header."""
    n_leads, held = ecg.signals.shape
    if (held, ecg.sampling_rate) != (n_times, found.sampling_rate):
        raise ECGFileError(
            f"its segment {name} has {held} samples at {ecg.sampling_rate:g} Hz, and "
            f"its header claims {n_times} at {found.sampling_rate:g} Hz."
        )
    if n_leads > max(found.n_signals, 12):
        raise ECGFileError(
            f"its segment {name} has {n_leads} leads, and its header claims "
            f"{found.n_signals} signals."
        )
