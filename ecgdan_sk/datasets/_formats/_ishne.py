"""ISHNE Holter files, by the Standard Output File Format (Badilini 1998)."""

import binascii
from datetime import datetime

import numpy as np

from ...records import LEADS
from ._recording import ECGFileError, Recording, age_told, text_in, waveform

MAGIC = b"ISHNE1.0"
_HEADER = 522  # bytes, before the block of variable length
_LARGEST = 1_000_000_000  # bytes
_LEADS = dict(enumerate(("X", "Y", "Z", *LEADS, "ES", "AS", "AI"), 2))
_MISSING = -32768  # what the standard proposes where a lead failed


def ishne(path, size):
    """Recording of a file of that many bytes, which is not held in memory."""
    with open(path, "rb") as file:
        header = file.read(_HEADER)
        if len(header) < _HEADER or size > _LARGEST:
            raise ECGFileError(
                f"it has {size} bytes; expected a header of {_HEADER} and at most "
                f"{_LARGEST}."
            )
        start = _HEADER + max(_integer(header, 10, 4), 0)
        _check_sum(header, file.read(min(start, size) - _HEADER))
    n_leads, rate = _integer(header, 156), _integer(header, 272)
    steps = [_integer(header, 206 + 2 * i) for i in range(max(n_leads, 0))]
    if not 1 <= n_leads <= 12 or rate <= 0 or min(steps) <= 0:
        raise ECGFileError(
            f"its header tells {n_leads} leads of {steps} nV per count at {rate} Hz; "
            "expected 1 to 12 leads, and numbers above 0."
        )
    counts = _counts(path, start, size, n_leads, _integer(header, 14, 4))
    return Recording(
        rhythm=waveform(
            [_in_mv(counts[:, i], step) for i, step in enumerate(steps)],
            rate,
            [_lead(header, i) for i in range(n_leads)],
            ("nV",),
        ),
        **_patient(header),
    )


def _check_sum(header, variable):
    """Raise if the header is not as it was written."""
    stored = int.from_bytes(header[8:10], "little")
    found = binascii.crc_hqx(header[10:] + variable, 0xFFFF)
    # Some write its bytes in the other order, and 0 where they made none.
    if stored not in (0, found, int.from_bytes(found.to_bytes(2, "little"), "big")):
        raise ECGFileError(
            f"its header has the checksum {found}, but claims {stored}; it is damaged."
        )


def _counts(path, start, size, n_leads, claimed):
    """Counts (n_times, n_leads), on disk."""
    n_times, rest = divmod(size - start, 2 * n_leads)
    # Samples of each lead; in some files of all of them.
    if n_times < 1 or rest or claimed not in (n_times, n_times * n_leads):
        raise ECGFileError(
            f"it holds {size - start} bytes of {n_leads} leads, and its header claims "
            f"{claimed} samples; it is cut short or damaged."
        )
    shape = (n_times, n_leads)
    return np.memmap(path, dtype="<i2", mode="r", offset=start, shape=shape)


def _in_mv(counts, nanovolts):
    """Samples of a lead in mV, NaN where it failed."""
    values = counts.astype(np.float32)
    values[counts == _MISSING] = np.nan
    return values * np.float32(nanovolts / 1e6)


def _lead(header, i):
    """Name of a lead by its code."""
    code = _integer(header, 158 + 2 * i)
    return _LEADS.get(code, f"channel {i + 1}")


def _patient(header):
    """Patient, time of recording and device."""
    birth = _moment(header, 132)
    recorded_at = _moment(header, 138, 150)
    return {
        "patient_id": _text(header[108:128]),
        "sex": {1: 0.0, 2: 1.0}.get(_integer(header, 128), np.nan),
        "recorded_at": recorded_at,
        "device": _text(header[232:272]),
        **age_told(None, birth, recorded_at),
    }


def _moment(header, at, clock=None):
    """Day, month and year, and where they stand hour, minute and second."""
    day, month, year = (_integer(header, at + 2 * i) for i in range(3))
    time = [] if clock is None else [_integer(header, clock + 2 * i) for i in range(3)]
    try:
        return datetime(year, month, day, *time)
    except ValueError:
        return None


def _text(data):
    """Text up to its end mark, or None."""
    return text_in(data.split(b"\0")[0]).strip() or None


def _integer(data, at, size=2):
    """A little-endian integer with a sign."""
    return int.from_bytes(data[at : at + size], "little", signed=True)
