"""PTB-XL+: measurements and median beats of two programs for the ECGs of PTB-XL."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ..records import LEADS, ECGRecords, LazySignals
from ._cohorts._published_tables import check_distinct
from ._cohorts._wfdb_records import read_header, signal_names
from ._formats._recording import lead_name

# Digits in the names of the recordings of median beats.
_PROGRAMS = {"12sl": 5, "unig": 6}
_SAMPLING_RATE, _N_TIMES = 500, 600
_SIGNAL_LINE = re.compile(r"\S+\s+(\d+)\S*\s+([\d.eE+-]+)(?:\((-?\d+)\))?/mV\s")
_SAMPLES = {"16": "<i2", "32": "<i4"}

# No beat reaches 50 mV, and none stays below 50 uV in all of its twelve leads.
_LARGEST = 50.0


def read_ptbxl_plus(root, ecg_ids):
    """Contents of a folder of PTB-XL+, as members of the Bunch of PTB-XL."""
    found = {}
    for program, n_digits in _PROGRAMS.items():
        table = root / "features" / f"{program}_features.csv"
        if table.is_file():
            found[f"features_{program}"] = _features(table, ecg_ids)
        folder = root / "median_beats" / program
        if folder.is_dir():
            found[f"median_beats_{program}"] = _beats(folder, n_digits, ecg_ids)
    return found


def _features(path, ecg_ids):
    """Measurements of the requested ECGs, NaN where missing."""
    # The column of the 12SL table that names the ECG is not its first, and its rows are
    # in no order.
    table = pd.read_csv(path, low_memory=False)
    if "ecg_id" not in table:
        raise ValueError(
            f"{path} lacks the column ecg_id; expected the table as PhysioNet ships it "
            "(PTB-XL+ 1.0.1), https://physionet.org/content/ptb-xl-plus/."
        )
    check_distinct(table["ecg_id"], f"values of ecg_id in {path}")
    return table.set_index("ecg_id").reindex(ecg_ids)


def _beats(folder, n_digits, ecg_ids):
    """Median beats of the ECGs that have one of 1.2 s."""
    places = {
        ecg_id: folder / f"{ecg_id // 1000 * 1000:05d}/{ecg_id:0{n_digits}d}_medians"
        for ecg_id in map(int, ecg_ids)
    }
    kept = {ecg_id: place for ecg_id, place in places.items() if _is_beat(place)}
    signals = LazySignals(read_median_beat, kept.values(), (len(LEADS), _N_TIMES))
    return ECGRecords(signals, _SAMPLING_RATE, ids=list(kept))


def _is_beat(record):
    """Whether both files are there and hold 1.2 s."""
    if not all(Path(f"{record}{suffix}").is_file() for suffix in (".hea", ".dat")):
        return False
    header = read_header(record)
    return (header.sampling_rate, header.n_times) == (_SAMPLING_RATE, _N_TIMES)


def read_median_beat(record):
    """A median beat of shape (12, 600) in mV, leads in the order of LEADS."""
    # wfdb refuses the headers of 12SL, which name a folder that was not shipped; the
    # samples are those of the file beside the header.
    header = read_header(record)
    lines = [_SIGNAL_LINE.match(line) for line in header.signals]
    names = [lead_name(name) for name in signal_names(header)]
    formats = {line.group(1) for line in lines if line}
    if None in lines or sorted(names) != sorted(LEADS) or not formats <= {*_SAMPLES}:
        raise ValueError(
            f"{record}.hea must describe the twelve leads in WFDB format 16 or 32 with "
            f"a gain per mV, got the leads {', '.join(names)}; expected PTB-XL+ 1.0.1."
        )
    counts = np.fromfile(f"{record}.dat", _SAMPLES[formats.pop()])
    if counts.size != len(LEADS) * header.n_times:
        raise ValueError(
            f"{record}.dat holds {counts.size} samples, but its header says "
            f"{len(LEADS)} leads of {header.n_times}. Copy it again."
        )
    gain, baseline = np.array(
        [[float(g or 0) for g in m.groups()[1:]] for m in lines]
    ).T
    beat = (counts.reshape(-1, len(LEADS)) - baseline) / gain
    # In PTB-XL+ 1.0.1 the numbers are uV although the headers say mV.
    if np.abs(beat).max() > _LARGEST:
        beat /= 1000
    return beat.T[[names.index(lead) for lead in LEADS]].astype(np.float32)
