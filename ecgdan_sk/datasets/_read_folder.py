"""read_ecg_folder: every ECG of a folder, with a table of what could not be read."""

import warnings
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from tqdm import tqdm

from ..records import ECGRecords, LazySignals
from ._check_leads import checked
from ._formats._recording import ECGFileError, Recording
from ._formats._wfdb import header_of
from ._read_ecg import (
    check_kind,
    chosen_waveform,
    covariates_of,
    read_recording,
    stem,
    warn_of_ages,
)

# Share of the files that may be left out without a warning.
_LEAST_WORTH_A_WARNING = 0.05


def read_ecg_folder(
    folder,
    pattern="*",
    *,
    sampling_rate=None,
    kind="rhythm",
    lazy=False,
    n_jobs=None,
    verbose=0,
):
    """Read every ECG of a folder as `read_ecg` does, with a table of those that fail.

    The recordings must agree in leads, sampling rate and length to be one array: those
    of the most frequent layout are returned, the others are listed in `errors` with
    theirs. Files of one WFDB recording count once.

    Parameters
    ----------
    folder : str or path-like
        Folder of the recordings.
    pattern : str, default="*"
        Which files, as `pathlib.Path.glob` has it: ``"*.xml"`` those with an ending,
        ``"**/*"`` those of all subfolders too.
    sampling_rate : float or None, default=None
        Samples per second, in Hz, of CSV and NumPy files, which do not say.
    kind : {"rhythm", "median"}, default="rhythm"
        Which waveform to read: the recording itself, or the median beats beside it.
    lazy : bool, default=False
        Read every file once for what it says, and again for its ECG when a batch of
        them is asked for. For folders that do not fit into memory.
    n_jobs : int or None, default=None
        Number of processes that read files. None means 1, -1 all processors.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV in the order of their paths, with covariates as `read_ecg` has
            them. `ids` are the names of the files without ending, or where these are
            not unique the paths below the folder. `patient_ids` are those of the
            files, None where one does not tell its patient.
        errors : DataFrame with the columns path and error
            One row for each file that could not be read or has another layout.

    Raises
    ------
    FileNotFoundError
        If the folder holds no such file.
    ECGFileError
        If none of its files can be read.

    Warns
    -----
    UserWarning
        If what `check_leads` finds is shared by most of the recordings; if more than
        5 % of the files are left out; if files tell ages that cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from ecgdan_sk.datasets import make_ecg_cohort, read_ecg_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, ecg in zip("ab", make_ecg_cohort(2, sampling_rate=100).X):
    ...     np.save(folder / name, ecg)
    >>> ecgs = read_ecg_folder(folder, "*.npy", sampling_rate=100)
    >>> ecgs.X
    ECGRecords(2 ECGs, 12 leads, 1000 samples, 100 Hz)
    >>> len(ecgs.errors)
    0
    """
    check_kind(kind)
    folder = Path(folder)
    paths = _recordings(folder, pattern)
    read = partial(_attempt, kind=kind, sampling_rate=sampling_rate, lazy=lazy)
    jobs = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    found = jobs(joblib.delayed(read)(path) for path in paths)
    found = list(tqdm(found, total=len(paths), disable=not verbose, unit="ECG"))
    kept, errors = _of_one_layout(paths, found)
    if not kept:
        raise ECGFileError(
            f"None of the {len(paths)} files {pattern!r} in {folder} could be read; "
            f"the first: {errors[0][1]}{_hint_of_subfolders(folder, pattern)}"
        )
    _warn_of_left_out(found, len(kept))
    return Bunch(
        X=checked(_records(folder, kept, sampling_rate, kind, lazy)),
        errors=pd.DataFrame(
            [(str(path.relative_to(folder)), error) for path, error in errors],
            columns=["path", "error"],
        ),
    )


class _Layout(NamedTuple):
    """What recordings must share to be one array."""

    leads: tuple
    sampling_rate: float
    n_times: int

    def __str__(self):
        return (
            f"{len(self.leads)} leads, {self.n_times} samples, "
            f"{self.sampling_rate:g} Hz"
        )


class _Read(NamedTuple):
    """One recording read, its ECG left out where it is read again later."""

    layout: _Layout
    recording: Recording
    signals: np.ndarray | None


def _recordings(folder, pattern):
    """Files to read: signal files of WFDB stand behind their headers."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    headers = {path for path in files if path.suffix == ".hea"}
    paths = [
        path
        for path in files
        if path in headers
        or path.with_suffix(".hea") not in headers
        or header_of(path) is None
    ]
    if not paths:
        raise FileNotFoundError(
            f"There is no file {pattern!r} in {folder}; '**/*' looks into all of its "
            "subfolders."
        )
    return paths


def _hint_of_subfolders(folder, pattern):
    """What to do where the ECGs lie in folders within the folder."""
    if "**" in pattern or not any(path.is_dir() for path in folder.iterdir()):
        return ""
    return (
        " The folder has subfolders, which are not looked into: if the ECGs are "
        "there, pass pattern='**/*', or such as '**/*.xml'."
    )


def _warn_of_left_out(found, n_kept):
    """Warn where more than a few files are left out, with their numbers."""
    unread = sum(isinstance(one, str) for one in found)
    other = len(found) - unread - n_kept
    if unread + other > _LEAST_WORTH_A_WARNING * len(found):
        warnings.warn(
            f"Left out are {unread + other} of {len(found)} files, {unread} that could "
            f"not be read and {other} of other leads, rate or length than most. "
            "`errors` says why of each; a `pattern` such as '*.xml' leaves out what is "
            "no ECG.",
            UserWarning,
            stacklevel=3,
        )


def _attempt(path, kind, sampling_rate, lazy):
    """One file read, or the text of its error."""
    try:
        recording = read_recording(path, sampling_rate)
        ecg = chosen_waveform(recording, kind, path)
    except (ECGFileError, ImportError, OSError) as error:
        return str(error)
    layout = _Layout(ecg.leads, ecg.sampling_rate, ecg.signals.shape[1])
    # What is not asked for need not travel between processes.
    told = replace(recording, rhythm=None, median=None)
    return _Read(layout, told, None if lazy else ecg.signals)


def _of_one_layout(paths, found):
    """Those of the most frequent layout, and path and error of the others."""
    layouts = Counter(one.layout for one in found if isinstance(one, _Read))
    most = max(layouts, key=layouts.get, default=None)
    kept, errors = [], []
    for path, one in zip(paths, found):
        if isinstance(one, str):
            errors.append((path, one))
        elif one.layout != most:
            errors.append((path, _differs(one.layout, most, layouts[most])))
        else:
            kept.append((path, one))
    return kept, errors


def _differs(layout, most, count):
    """What to do with a recording that fits no array of the others."""
    leads = ""
    if layout.leads != most.leads:
        leads = f" (leads {', '.join(layout.leads)})"
    return (
        f"It has {layout}{leads}, but {count} files have {most}. Read it with a "
        "`pattern` of its own, then resample or crop it."
    )


def _records(folder, kept, sampling_rate, kind, lazy):
    """ECGRecords of the files that were kept."""
    paths, read = zip(*kept)
    layout, told = read[0].layout, [one.recording for one in read]
    if lazy:
        again = partial(_signals, kind=kind, sampling_rate=sampling_rate)
        shape = (len(layout.leads), layout.n_times)
        signals = LazySignals(again, paths, shape)
    else:
        signals = np.stack([one.signals for one in read])
    ids = [stem(path) for path in paths]
    if len(set(ids)) < len(ids):
        ids = [path.relative_to(folder).as_posix() for path in paths]
    warn_of_ages(told, ids)
    patients = [recording.patient_id for recording in told]
    return ECGRecords(
        signals,
        layout.sampling_rate,
        layout.leads,
        covariates=covariates_of(told, ids),
        ids=ids,
        patient_ids=patients if any(patients) else None,
    )


def _signals(path, kind, sampling_rate):
    """The ECG of a file, read again."""
    recording = read_recording(path, sampling_rate)
    return chosen_waveform(recording, kind, path).signals
