"""WFDB signals of 16 bits in one file, as nearly every set of 12-lead ECGs has them.

wfdb takes three times as long, mostly for the header; it reads all else.
"""

import re
from typing import NamedTuple

import numpy as np

# File, offset, gain, baseline, unit, resolution, zero, first sample, sum, block, name.
_LINE = re.compile(
    r"([-\w]+\.?\w*)[ \t]+16(?:\+(\d+))?[ \t]+(\d+\.?\d*)(?:\((-?\d+)\))?/(\w+)"
    r"[ \t]+\d+[ \t]+(-?\d+)[ \t]+-?\d+[ \t]+-?\d+[ \t]+\d+[ \t]+(\S.*)"
)
_MISSING = -32768


class Signals(NamedTuple):
    """Signals (n_signals, n_times) in their units, and the name of each."""

    values: np.ndarray
    units: list
    names: list


def read_16bit(folder, lines, n_times):
    """Signals that the lines of a header describe, or None if wfdb must read them."""
    found = [_LINE.fullmatch(line) for line in lines]
    if None in found:
        return None
    files, offsets, gains, baselines, units, zeros, names = zip(
        *(match.groups() for match in found)
    )
    gains = np.array(gains, np.float32)
    if len(set(files)) > 1 or len(set(offsets)) > 1 or not (gains > 0).all():
        return None
    baselines = [int(b or z) for b, z in zip(baselines, zeros)]
    counts = np.fromfile(
        folder / files[0],
        dtype="<i2",
        count=n_times * len(lines),
        offset=int(offsets[0] or 0),
    ).reshape(n_times, len(lines))
    values = counts.T.astype(np.float32, order="C")
    missing = values == _MISSING
    values -= np.array(baselines, np.float32)[:, None]
    values /= gains[:, None]
    values[missing] = np.nan
    return Signals(values, list(units), list(names))
