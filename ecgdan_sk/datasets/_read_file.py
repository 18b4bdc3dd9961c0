"""One file of a folder: its content, its quality, and a digest to find copies."""

import hashlib
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..preprocessing import SignalQuality
from ..records import LEADS, ECGRecords
from ..records._leads_and_ids import is_known
from ._formats._recording import ECGFileError, Recording
from ._layouts import Layout, brought_to, layout_of
from ._read_ecg import chosen_waveform, read_recording

COLUMNS = ("format", "sampling_rate", "rate_told", "duration", "leads")
COLUMNS += ("unknown_leads", "unit", "patient_missing", "age_missing", "quality")
_JUDGED = 60  # seconds of which the quality is judged
_SLOWEST = 70  # Hz, below which it is not


class ReadFile(NamedTuple):
    """One recording read, its ECG left out where it is read again later."""

    layout: Layout
    recording: Recording
    unit: str
    quality: float
    digest: str
    signals: np.ndarray | None


def attempt(path, kind, unstated_rate, lazy):
    """One file read, or the text of its error."""
    try:
        recording = read_recording(path, unstated_rate)
        ecg = chosen_waveform(recording, kind, path)
    except (ECGFileError, ImportError, OSError) as error:
        # The report names the file beside it.
        return re.sub(f"^{re.escape(str(path))}:? ", "", str(error))
    # What is not asked for need not travel between processes.
    told = replace(recording, rhythm=None, median=None)
    quality, digest = _quality(ecg), _digest(ecg)
    signals = None if lazy else ecg.signals
    return ReadFile(layout_of(ecg), told, ecg.unit, quality, digest, signals)


def _quality(ecg):
    """Mean score of the leads that are there; NaN where no beat could be seen."""
    start = np.asarray(ecg.signals[:, : int(_JUDGED * ecg.sampling_rate) + 1])
    there = ~np.isnan(start).all(axis=1)
    if ecg.sampling_rate < _SLOWEST or start.shape[1] < ecg.sampling_rate:
        return np.nan
    if not there.any():
        return 0.0
    filled = np.nan_to_num(start[there])[None]
    quality = SignalQuality(sampling_rate=ecg.sampling_rate)
    records = ECGRecords(filled, ecg.sampling_rate, np.array(ecg.leads)[there])
    with np.errstate(all="ignore"):
        return float(quality.score_records(records)[0])


def _digest(ecg):
    """Digest that recognises equal samples, in whole microvolts."""
    # Only leads that devices store; devices derive others with different rounding.
    kept = [i for i, lead in enumerate(ecg.leads) if lead not in LEADS[2:6]]
    signals = ecg.signals[kept or slice(None)] * 1e3
    # Not halves, which come of steps of 2.5 uV and would be rounded either way.
    whole = np.floor(np.nan_to_num(signals, nan=-(2.0**30)) + 0.51)
    told = f"{ecg.sampling_rate:g} {ecg.leads}".encode()
    content = np.ascontiguousarray(whole.clip(-(2**31), 2**31 - 1), "<i4").tobytes()
    return hashlib.blake2b(told + content, digest_size=16).hexdigest()


def signals_of(path, kind, unstated_rate, layout):
    """The ECG of a file in that layout, read again."""
    ecg = chosen_waveform(read_recording(path, unstated_rate), kind, path)
    return brought_to(ecg.signals, layout_of(ecg), layout)


def tells_rate(one):
    """Whether a file was read that states its sampling rate."""
    return isinstance(one, ReadFile) and one.recording.rate_told


def row_of(one):
    """Row of the report for a readable file."""
    layout, recording = one.layout, one.recording
    unknown = [lead for lead in layout.leads if not is_known(lead)]
    values = (
        recording.format,
        layout.sampling_rate,
        recording.rate_told,
        round(layout.seconds, 3),
        ", ".join(layout.leads),
        ", ".join(unknown),
        one.unit,
        not recording.patient_id,
        bool(np.isnan(recording.age)),
        round(one.quality, 3),
    )
    return dict(zip(COLUMNS, values))
