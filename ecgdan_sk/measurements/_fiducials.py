"""Onset, peak and offset of the waves of every beat, in each lead and globally."""

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from .._beats._delineation import delineate as delineate_beat
from .._beats._delineation import without_p
from .._beats._detection import BEFORE, all_windows
from .._beats._leads import agreed, lead_fiducials
from ..records import LEADS
from ..records._records import as_records
from ..records._signal_checks import known_rate
from ._delineated import delineated

_COLUMNS = ["ecg", "beat", "dominant", "lead", "wave"]
_MARKS = ["onset_ms", "peak_ms", "offset_ms"]


def delineate(X, sampling_rate=None, *, n_jobs=None):
    """Onset, peak and offset of P, QRS and T of every beat, in each lead and globally.

    The median beat is delineated on all leads together, as in `ECGMeasurements`. From
    its limits, each lead of each beat is followed outwards until the signal is at rest.
    The global onset of a beat is the median of the onsets of the leads that show the
    wave, and the global offset that of their offsets; fewer than a third of the leads
    give none. The CSE Working Party (1985) takes the earliest onset and the latest
    offset of any lead, which the noise of a single lead decides.

    Parameters
    ----------
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs in mV, leads in the order of `LEADS`. Absent leads are NaN.
    sampling_rate : float or None, default=None
        Samples per second, in Hz; 100 to 1000 is sensible. None takes that of
        `ECGRecords`.
    n_jobs : int or None, default=None
        Number of parallel processes, as in joblib.

    Returns
    -------
    DataFrame
        One row for each wave: ``ecg`` and ``beat`` count from 0, ``dominant`` says
        whether the beat has the morphology of the median beat, ``lead`` is a name of
        `LEADS` or "global", ``wave`` is "P", "QRS" or "T"; ``onset_ms``, ``peak_ms``
        and ``offset_ms`` are from the start of the recording. A wave that is not
        visible in a lead has no row, nor has a lead that is flat, clipped, noisy or
        without an electrode; an ECG of which fewer than half of the recorded leads are
        good has none at all. T has no onset, a global wave has no peak, and beats of
        another morphology have no P.

    See Also
    --------
    ECGMeasurements : Intervals of the median beat, one value for an ECG.

    References
    ----------
    CSE Working Party (1985), Recommendations for measurement standards in quantitative
    electrocardiography, European Heart Journal 6:815-825.

    Examples
    --------
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.measurements import delineate
    >>> cohort = make_ecg_cohort(1, sampling_rate=500, random_state=0)
    >>> marks = delineate(cohort.X, 500)
    >>> sorted(marks["wave"].unique())
    ['P', 'QRS', 'T']
    """
    records = as_records(X)
    rate = known_rate(sampling_rate, records.sampling_rate, "delineate")
    twelve = records.select_leads(LEADS).signals
    one = delayed(_waves_of)
    tables = Parallel(n_jobs=n_jobs)(
        one(np.asarray(ecg, np.float32), rate, i) for i, ecg in enumerate(twelve)
    )
    rows = [row for table in tables for row in table]
    return pd.DataFrame(rows, columns=[*_COLUMNS, *_MARKS])


def _waves_of(ecg, rate, number):
    """Rows of the table for one ECG (12, T)."""
    found = delineated(ecg, rate, [])
    if found is None:
        return []
    quiet = np.isfinite(found.beat[:, 0])
    present = np.isfinite(found.noise)
    beats = found.beats
    windows = all_windows(beats)[:, quiet[present]]
    leads, noise = np.array(LEADS, dtype=object)[quiet], found.noise[quiet]
    length = ecg.shape[1] / rate * 1000
    start = (beats.positions - BEFORE) * (1000 / beats.rate)
    rows = []
    for group, at, earliest in _groups(found, windows):
        marks = lead_fiducials(windows[group], at, noise, earliest)
        for wave, parts in marks.items():
            stacked = np.stack([*_with_global(parts)])  # (3, B, L + 1)
            stacked = stacked * (1000 / beats.rate) + start[group][:, None]
            beyond = (stacked < 0) | (stacked > length)
            stacked[:, beyond.any(axis=0)] = np.nan
            for b, beat in enumerate(group):
                for j, lead in enumerate([*leads, "global"]):
                    values = stacked[:, b, j]
                    if np.isfinite(values[2]):
                        told = (number, beat, bool(beats.dominant[beat]), lead, wave)
                        rows.append((*told, *values))
    order = {"P": 0, "QRS": 1, "T": 2}
    return sorted(rows, key=lambda row: (row[1], order[row[4]]))


def _groups(found, windows):
    """Beats that share limits to search around, those, and where a QRS may begin."""
    beats = found.beats
    yield np.flatnonzero(beats.dominant), found.at, found.spike_end
    rr = np.diff(beats.positions, prepend=np.nan, append=np.nan)
    rr = np.where(np.isfinite(rr), rr, np.nanmedian(rr) if len(rr) > 2 else beats.rate)
    for beat in np.flatnonzero(~beats.dominant):
        own = delineate_beat(windows[beat], BEFORE, rr[beat], rr[beat + 1])
        yield np.array([beat]), without_p(own), -np.inf


def _with_global(parts):
    """Onset, peak and offset (B, L + 1), the last column that of half of the leads."""
    onset, peak, offset = parts
    marks = [agreed(onset), np.full(len(peak), np.nan), agreed(offset)]
    for part, mark in zip(parts, marks):
        yield np.concatenate([part, mark[:, None]], axis=1)
