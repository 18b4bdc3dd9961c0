"""WFDB recordings of a cohort: paths, headers and ECGs."""

import re
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np

from ...records import LEADS
from ...records._leads_and_ids import first_ten
from .._formats._recording import (
    ECGFileError,
    lead_name,
    mv_per,
    reading,
    text_in,
)
from .._formats._wfdb_signals import described

# Headers have a few hundred bytes; longer files are not headers.
_LONGEST_HEADER = 65_536
_RECORD_LINE = re.compile(r"\S+\s+(\d+)\s+(\d+(?:\.\d+)?)(?:/\S*)?\s+(\d+)(?:\s|$)")


class Header(NamedTuple):
    """Contents of a WFDB header: rate in Hz, length, signal lines, comments."""

    sampling_rate: float
    n_times: int
    signals: list
    comments: list


def inside(root, name):
    """Where a recording lies; a name that leads out of the folder is refused."""
    # A Windows path splits at both kinds of slash and knows drives, on any machine.
    relative = PureWindowsPath(str(name))
    if relative.anchor or ".." in relative.parts:
        raise ValueError(
            f"The table names the recording {name!r}, which lies outside of {root}; "
            "expected a name like 'records100/00000/00001_lr'."
        )
    return root / str(name)


def check_present(root, names, records, remedy, suffixes=(".hea", ".dat")):
    """Raise one error for all recordings that are not there."""
    missing = [
        name
        for name, record in zip(names, records)
        if not all(Path(f"{record}{suffix}").is_file() for suffix in suffixes)
    ]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(records)} recordings lack their "
            f"{' or '.join(suffixes)} file in {root}: {first_ten(missing)}. {remedy}"
        )


def read_header(record):
    """The header of a recording, without its signals."""
    with open(f"{record}.hea", "rb") as file:
        text = text_in(file.read(_LONGEST_HEADER))
    lines = [line.strip() for line in text.splitlines()]
    comments = [line[1:].strip() for line in lines if line.startswith("#")]
    lines = [line for line in lines if line and not line.startswith("#")]
    match = _RECORD_LINE.match(lines[0]) if lines else None
    if match is None:
        raise ValueError(
            f"{record}.hea is no header of a WFDB recording: its first line must name "
            "the recording, its number of signals, its rate and its length, got "
            f"{lines[0][:80] if lines else ''!r}."
        )
    n_signals, rate, n_times = match.groups()
    return Header(float(rate), int(n_times), lines[1 : 1 + int(n_signals)], comments)


def read_ecg(record, sampling_rate, n_times, leads=LEADS):
    """The first `n_times` samples in mV, of shape (n_leads, n_times), leads by name.

    A lead that the recording lacks is NaN.
    """
    # Imported here: wfdb brings matplotlib and a network client along.
    import wfdb

    header = read_header(record)
    _check_files(record, header)
    if header.sampling_rate != sampling_rate or header.n_times < n_times:
        raise ValueError(
            f"The recording {record} has {header.n_times} samples at "
            f"{header.sampling_rate:g} Hz; expected {n_times} or more at "
            f"{sampling_rate:g} Hz. Is the table that of another data set?"
        )
    with reading(record, "WFDB"):
        ecg = wfdb.rdrecord(str(record), sampto=n_times, return_res=32)
        # wfdb drops non-ASCII characters, and with them the micro of a microvolt.
        units = [described(line, i).unit for i, line in enumerate(header.signals)]
        return _by_name(ecg.p_signal.T, ecg.sig_name, units, leads)


def signal_names(header):
    """Names of the signals, the last of the nine fields of their lines."""
    return [line.split(None, 8)[-1] for line in header.signals]


def _check_files(record, header):
    """Raise unless the samples lie beside the header, in a file of its name."""
    own = re.escape(Path(record).name) + r"\.\w+"
    for line in header.signals:
        if not re.fullmatch(own, line.split()[0]):
            raise ValueError(
                f"{record}.hea names the file {line.split()[0]!r} for its samples; "
                f"expected one beside it, such as {Path(record).name}.dat."
            )


def _by_name(signals, names, units, leads):
    """Signals in mV in the order of `leads`, absent ones as NaN."""
    rows = {lead_name(name): row for row, name in enumerate(names)}
    if not any(lead in rows for lead in leads):
        raise ECGFileError(
            f"it holds the leads {', '.join(names)}; expected {', '.join(leads)}."
        )
    ecg = np.full((len(leads), signals.shape[1]), np.nan, np.float32)
    for lead, samples in zip(leads, ecg):
        if lead in rows:
            row = rows[lead]
            np.multiply(signals[row], mv_per(units[row]), out=samples)
    return ecg
