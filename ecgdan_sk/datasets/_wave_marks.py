"""Waves marked by human readers in each lead of a WFDB record, as in LUDB."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..records import LEADS
from ._cohorts._wfdb_records import read_header
from ._formats._recording import reading

_WAVES = {"p": "P", "N": "QRS", "t": "T"}
_COLUMNS = ["beat", "lead", "wave", "onset_ms", "peak_ms", "offset_ms"]
_APART = 150.0  # ms between the QRS marks of two beats
_LONGEST_PQ, _LONGEST_QT = 440.0, 0.7  # ms before the QRS; part of the RR interval


def read_wave_marks(path):
    """Marks of P, QRS and T in each lead, from WFDB annotations such as `1.i`, `1.v6`.

    Each lead has a file of its own beside the header, named for it, in which "(", the
    peak and ")" follow each other: "p", "N" and "t" in the Lobachevsky University
    Database (Kalyakulina et al. 2020). The table has the columns of
    `ecgdan_sk.measurements.delineate`, so the two can be compared.

    Parameters
    ----------
    path : str or path-like
        Header of the record, such as `ludb/data/1.hea`; the ending may be left out.

    Returns
    -------
    DataFrame
        One row for each marked wave: ``beat`` counts the QRS complexes from 0, ``lead``
        is a name of `LEADS`, ``wave`` is "P", "QRS" or "T"; ``onset_ms``, ``peak_ms``
        and ``offset_ms`` are from the start of the recording. A P or T wave without a
        QRS nearby has the beat -1.

    Raises
    ------
    FileNotFoundError
        If there is no header, or no annotation of any lead beside it.
    ECGFileError
        If an annotation cannot be read.

    Examples
    --------
    >>> from ecgdan_sk.datasets import read_wave_marks
    >>> marks = read_wave_marks("ludb/data/1.hea")  # doctest: +SKIP
    >>> marks["wave"].value_counts().to_dict()  # doctest: +SKIP
    {'QRS': 72, 'T': 60, 'P': 60}
    """
    record = Path(path)
    record = record.with_suffix("") if record.suffix == ".hea" else record
    header = Path(f"{record}.hea")
    if not header.is_file():
        raise FileNotFoundError(f"There is no {header}; expected a WFDB header.")
    files = {lead: Path(f"{record}.{lead.lower()}") for lead in LEADS}
    files = {lead: file for lead, file in files.items() if file.is_file()}
    if not files:
        raise FileNotFoundError(
            f"No lead of {record} is annotated; expected files such as "
            f"{record.name}.i or {record.name}.v6 beside the header."
        )
    to_ms = 1000 / read_header(record).sampling_rate
    rows = [
        (lead, wave, *(mark * to_ms for mark in marks))
        for lead, file in files.items()
        for wave, *marks in _waves_in(record, file)
    ]
    table = pd.DataFrame(rows, columns=_COLUMNS[1:])
    table.insert(0, "beat", _beats(table))
    return table.sort_values(["beat", "wave"], kind="stable", ignore_index=True)


def _waves_in(record, file):
    """Wave, onset, peak and offset in samples; NaN where a limit is not marked."""
    # Imported here: wfdb brings matplotlib and a network client along.
    import wfdb

    with reading(file, "WFDB annotation"):
        marks = wfdb.rdann(str(record), file.suffix[1:])
    onset, peak = np.nan, None
    for sample, symbol in zip(marks.sample.tolist(), marks.symbol):
        if symbol in _WAVES:
            peak = (_WAVES[symbol], sample)
        elif symbol == "(":
            onset, peak = sample, None
        elif symbol == ")" and peak is not None:
            yield peak[0], onset, peak[1], sample
            onset, peak = np.nan, None


def _beats(table):
    """Number of the beat each wave belongs to."""
    at, wave = table["peak_ms"].to_numpy(), table["wave"].to_numpy()
    peaks = np.sort(at[wave == "QRS"])
    groups = np.split(peaks, np.flatnonzero(np.diff(peaks) > _APART) + 1)
    qrs = np.array([np.median(group) for group in groups if len(group)])
    if len(qrs) == 0:
        return np.full(len(at), -1)
    nearest = np.abs(at[:, None] - qrs).argmin(axis=1)
    after = np.searchsorted(qrs, at)
    before = np.concatenate([qrs, [np.inf]])[after] - at
    since = at - np.concatenate([[-np.inf], qrs])[after]
    rr = before + since
    p = np.where((before < _LONGEST_PQ) & (before < rr / 2), after, -1)
    last = ~np.isfinite(rr) & (since < 800)
    t = np.where((since < _LONGEST_QT * rr) & np.isfinite(rr) | last, after - 1, -1)
    return np.select([wave == "QRS", wave == "P"], [nearest, p], t)
