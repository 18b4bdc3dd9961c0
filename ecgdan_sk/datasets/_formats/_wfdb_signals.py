"""Signals of WFDB: their lines in the header, and their samples.

Signals of 16 bits in one file, which most sets of 12-lead ECGs have, are read here.
wfdb would take three times as long, mostly for the header. It unpacks all others.
"""

import re
from typing import NamedTuple

import numpy as np

from ._recording import ECGFileError

# File, format, samples per frame, skew and offset; then gain, baseline and unit,
# resolution, zero, first sample, sum, block and name, of which the last may be absent.
_LINE = re.compile(
    r"(?P<file>[-\w]+\.?\w*)[ \t]+(?P<fmt>\d+)(?:x(?P<per_frame>\d+))?"
    r"(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:[ \t]+(?P<gain>-?\d+\.?\d*(?:[eE][-+]?\d+)?)?(?:\((?P<baseline>-?\d+)\))?"
    r"(?:/(?P<unit>\S*))?"
    r"(?:[ \t]+-?\d+(?:[ \t]+(?P<zero>-?\d+)(?:[ \t]+-?\d+(?:[ \t]+-?\d+"
    r"(?:[ \t]+-?\d+(?:[ \t]+(?P<name>\S.*))?)?)?)?)?)?)?",
    re.ASCII,
)
# Counts per mV where a header does not say, by the definition of the format.
_DEFAULT_GAIN = 200.0
# The count that stands for a missing sample.
_MISSING = {"80": -(1 << 7), "212": -(1 << 11), "310": -(1 << 9), "311": -(1 << 9)}
_MISSING |= {"16": -(1 << 15), "61": -(1 << 15), "160": -(1 << 15)}
_MISSING |= {"24": -(1 << 23), "32": -(1 << 31)}
_MISSING |= {"508": -(1 << 7), "516": -(1 << 15), "524": -(1 << 23)}
_FLAC = ("508", "516", "524")
_LARGEST_FLAC = 125_000_000  # samples, since its own header may lie


class Signal(NamedTuple):
    """One signal as its line describes it, and its place among the others."""

    place: int
    file: str
    fmt: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    name: str


def described(line, place):
    """The signal that a line of a header describes."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise ECGFileError(
            f"its header describes a signal by {line[:80]!r}; expected the plain name "
            "of a file in the same folder, its format, such as 16, gain and unit as in "
            "200/mV, and at the end the name of its lead."
        )
    told = found.groupdict()
    return Signal(
        place,
        told["file"],
        told["fmt"],
        int(told["per_frame"] or 1),
        int(told["skew"] or 0),
        int(told["offset"] or 0),
        float(told["gain"] or 0) or _DEFAULT_GAIN,
        int(told["baseline"] or told["zero"] or 0),
        told["unit"] or "mV",
        told["name"] or "",
    )


def check_flac(folder, signals, n_times):
    """Raise if a FLAC file does not hold what the header claims.

    The size of the file does not show it.
    """
    for name in dict.fromkeys(s.file for s in signals if s.fmt in _FLAC):
        # Imported here: only these files need it.
        import soundfile

        own = [signal for signal in signals if signal.file == name]
        claimed = len(own), n_times * own[0].per_frame
        found = soundfile.info(str(folder / name))
        same = (len(own), found.frames) == (found.channels, claimed[1])
        if not same or found.format != "FLAC" or np.prod(claimed) > _LARGEST_FLAC:
            raise ECGFileError(
                f"its header claims {claimed[1]} samples of {claimed[0]} signals in "
                f"{name}, which holds {found.frames} of {found.channels} as "
                f"{found.format}; it is cut short, or the header is another's."
            )


def read_signals(path, signals, n_times, chosen):
    """Samples of the chosen signals in their units, and their number per frame.

    `path` is the path of the header, and `signals` are all signals in it.
    """
    per_frame = {signal.per_frame for signal in chosen}
    if len(per_frame) > 1:
        raise ECGFileError(
            f"its leads have {sorted(per_frame)} samples in each frame; expected one "
            "sampling rate."
        )
    if _are_plain(signals):
        counts = _counts_of_16_bits(path.parent, signals, n_times)
    else:
        # Imported here: wfdb brings matplotlib and a network client along.
        import wfdb

        # Unless it is told not to, wfdb averages the samples of a frame.
        record = str(path.with_suffix(""))
        counts = wfdb.rdrecord(
            record, physical=False, smooth_frames=False, return_res=32
        ).e_d_signal
    return [_in_units(counts[s.place], s) for s in chosen], per_frame.pop()


def _are_plain(signals):
    """Whether all are of 16 bits, sample by sample in one file."""
    shared = {(s.file, s.fmt, s.per_frame, s.skew, s.offset) for s in signals}
    return len(shared) == 1 and signals[0][2:5] == ("16", 1, 0)


def _counts_of_16_bits(folder, signals, n_times):
    """Counts (n_signals, n_times) of a file of 16-bit samples."""
    counts = np.fromfile(
        folder / signals[0].file,
        dtype="<i2",
        count=n_times * len(signals),
        offset=signals[0].offset,
    )
    return counts.reshape(n_times, len(signals)).T


def _in_units(counts, signal):
    """Samples in the unit of the signal, missing ones as NaN."""
    values = counts.astype(np.float32, order="C")
    missing = counts == _MISSING.get(signal.fmt)
    values -= np.float32(signal.baseline)
    values /= np.float32(signal.gain)
    values[missing] = np.nan
    return values
