"""read_ecg_folder: every ECG of a folder in one layout, and a report on them."""

from collections import Counter
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from tqdm import tqdm

from ..records import ECGRecords, LazySignals
from ..records._leads_and_ids import lead_names
from ._check_leads import checked
from ._formats._recording import ECGFileError
from ._formats._wfdb import files_of
from ._layouts import brought_to, changes, misfit, wanted_layout
from ._read_ecg import (
    check_kind,
    covariates_of,
    stem,
    warn_of_ages,
)
from ._read_file import COLUMNS, ReadFile, attempt, row_of, signals_of, tells_rate
from ._reading_report import ReadingReport, warn_of

_IDS = (None, "stem", "path", "patient")
# What the caller asks for -> the changes that then need no warning.
_ASKED = {
    "sampling_rate": {"resampled"},
    "duration": {"cropped", "padded"},
    "leads": {"without some leads", "with leads left out"},
}


def read_ecg_folder(
    folder,
    pattern=None,
    *,
    sampling_rate=None,
    duration=None,
    leads=None,
    unstated_rate=None,
    kind="rhythm",
    ids=None,
    lazy=False,
    n_jobs=None,
    verbose=0,
):
    """Read every ECG of a folder as `read_ecg` does, and bring them to one layout.

    The layout is the one you ask for, or else the most frequent one. Other recordings
    are resampled by `Resample`, cropped to their middle, or padded at both ends with
    the median of each lead. A missing lead is NaN, that is, absent. The report lists
    the changes of each recording. These are left out: files that cannot be read;
    recordings with less than half of the length, with no lead of the layout, or with
    less than a tenth of its sampling rate. The files of one WFDB recording count once.
    Names that begin with a dot are ignored.

    Parameters
    ----------
    folder : str or path-like
        Folder of the recordings.
    pattern : str or None, default=None
        Pattern of the files, as in `pathlib.Path.glob`: ``"**/*.xml"`` takes files with
        this ending, ``"*"`` leaves out subfolders. None takes all files, also those in
        subfolders.
    sampling_rate : float or None, default=None
        Wanted samples per second, in Hz. None takes that of the most frequent layout.
    duration : float or None, default=None
        Wanted length in seconds. None takes that of the most frequent layout.
    leads : sequence of str or None, default=None
        Wanted leads. None takes those of the most frequent layout.
    unstated_rate : float or None, default=None
        Samples per second, in Hz, of CSV and NumPy files, which do not contain it. None
        takes `sampling_rate`; if other files have another rate, CSV and NumPy files are
        left out.
    kind : {"rhythm", "median"}, default="rhythm"
        The waveform to read: the recording itself, or its median beats.
    ids : {"stem", "path", "patient"} or None, default=None
        Identifier of a recording: the name of its file without ending; its path below
        the folder; or the patient identifier, or the file name if it is missing. None
        takes names, or paths if names are not unique.
    lazy : bool, default=False
        Whether to leave the ECGs in their files and read them again when a batch is
        needed. Use it for folders that do not fit into memory.
    n_jobs : int or None, default=None
        Number of processes that read files. None means 1, -1 all processors.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV in the order of their paths, with covariates as in `read_ecg`.
            `patient_ids` come from the files; they are None if a file has no patient
            identifier.
        report : ReadingReport
            A table of all files, with their content, changes, and reasons for leaving
            out.
        errors : DataFrame with the columns path and error
            One row for each file that was left out.

    Raises
    ------
    FileNotFoundError
        If the folder holds no such file.
    ECGFileError
        If none of its files can be read.
    ValueError
        If `ids="patient"` and patients have several recordings.

    Warns
    -----
    UserWarning
        If more than 5 % of the files are left out; if recordings were changed to the
        most frequent layout without your request; if files are copies of each other; if
        most recordings have the same problem in `check_leads`; if ages in files cannot
        be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from ecgdan_sk.datasets import make_ecg_cohort, read_ecg_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, ecg in zip("ab", make_ecg_cohort(2, sampling_rate=100).X):
    ...     np.save(folder / name, ecg)
    >>> ecgs = read_ecg_folder(folder, sampling_rate=100)
    >>> ecgs.X
    ECGRecords(2 ECGs, 12 leads, 1000 samples, 100 Hz)
    >>> ecgs.report.summary["left out"].item()
    0
    """
    check_kind(kind)
    asked = _checked_layout(sampling_rate, duration, leads)
    if ids not in _IDS:
        raise ValueError(f"ids must be one of {_IDS}, got {ids!r}.")
    folder = Path(folder)
    pattern = "**/*" if pattern is None else pattern
    paths = _recordings(folder, pattern)
    rate = sampling_rate if unstated_rate is None else unstated_rate
    read = partial(attempt, kind=kind, unstated_rate=rate, lazy=lazy)
    jobs = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    found = jobs(joblib.delayed(read)(path) for path in paths)
    found = list(tqdm(found, total=len(paths), disable=not verbose, unit="ECG"))
    if unstated_rate is None:
        found = _without_doubtful_rates(found, sampling_rate)
    layout, reasons = _common_layout(folder, pattern, found, asked)
    kept = [i for i, reason in enumerate(reasons) if not reason]
    names = _names(folder, [paths[i] for i in kept], [found[i] for i in kept], ids)
    files = _files(folder, paths, found, layout, reasons, dict(zip(kept, names)))
    report = ReadingReport(files, str(layout), _counted(found, kept, layout))
    warn_of(report, set().union(*(_ASKED[name] for name in asked)))
    again = partial(signals_of, kind=kind, unstated_rate=rate, layout=layout)
    X = _records([paths[i] for i in kept], found, kept, layout, names, lazy and again)
    errors = files.loc[files["left_out"] != "", "left_out"]
    return Bunch(
        X=checked(X),
        report=report,
        errors=pd.DataFrame({"path": errors.index, "error": errors.to_numpy()}),
    )


def _checked_layout(sampling_rate, duration, leads):
    """Requested properties of the layout."""
    asked = {"sampling_rate": sampling_rate, "duration": duration}
    for name, value in asked.items():
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"{name} must be a number above 0, got {value!r}.")
    asked["leads"] = None if leads is None else lead_names(leads)
    return {name: value for name, value in asked.items() if value is not None}


def _recordings(folder, pattern):
    """Files to read, without signal files, which WFDB headers name."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    files = sorted(
        path
        for path in folder.glob(pattern)
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    headers = [path for path in files if path.suffix == ".hea"]
    named = set().union(*map(files_of, headers))
    paths = [path for path in files if path not in named]
    if not paths:
        raise FileNotFoundError(f"There is no file {pattern!r} in {folder}.")
    return paths


def _without_doubtful_rates(found, sampling_rate):
    """Leave out files without a rate if other files state another rate."""
    told = {one.layout.sampling_rate for one in found if tells_rate(one)}
    if sampling_rate is None or told <= {sampling_rate}:
        return found
    doubtful = (
        f"It does not say its sampling rate, and other files have others than "
        f"{sampling_rate:g} Hz. Give unstated_rate= in Hz."
    )
    return [
        doubtful if isinstance(one, ReadFile) and not one.recording.rate_told else one
        for one in found
    ]


def _common_layout(folder, pattern, found, asked):
    """The layout of the recordings, and why each file is left out, if it is."""
    layouts = [one.layout for one in found if isinstance(one, ReadFile)]
    layout = wanted_layout(layouts, **asked) if layouts else None
    reasons = [
        one if isinstance(one, str) else misfit(one.layout, layout) for one in found
    ]
    if all(reasons):
        raise ECGFileError(
            f"None of the {len(found)} files {pattern!r} in {folder} could be read; "
            f"the first: {reasons[0]}"
        )
    return layout, reasons


def _names(folder, paths, read, ids):
    """Identifiers of the recordings."""
    names = [stem(path) for path in paths]
    by_path = [path.relative_to(folder).as_posix() for path in paths]
    if ids == "path" or (ids is None and len(set(names)) < len(names)):
        return by_path
    if ids == "patient":
        patients = [one.recording.patient_id for one in read]
        names = [patient or name for patient, name in zip(patients, names)]
    _check_single(names, by_path, ids)
    return names


def _check_single(names, by_path, ids):
    """Raise if an identifier belongs to several recordings."""
    several = [name for name, n in Counter(names).items() if n > 1]
    if not several:
        return
    places = [path for path, name in zip(by_path, names) if name == several[0]]
    raise ValueError(
        f"{len(several)} of {len(set(names))} identifiers by ids={ids!r} belong to "
        f"several recordings; the first, {several[0]!r}, to {', '.join(places[:5])}. "
        "Read with ids='path'; `patient_ids` then say whose recordings they are."
    )


def _files(folder, paths, found, layout, reasons, names):
    """The table of the report, a row for each file."""
    index = pd.Index([path.relative_to(folder).as_posix() for path in paths])
    index.name, first = "path", {}
    rows = []
    for i, (path, one, reason) in enumerate(zip(index, found, reasons)):
        row = {"id": names.get(i), "duplicate_of": "", "changed": ""}
        if isinstance(one, ReadFile):
            row |= row_of(one)
            original = first.setdefault(one.digest, path)
            if original != path:
                row["duplicate_of"] = original
            if not reason:
                row["changed"] = "; ".join(changes(one.layout, layout).values())
        rows.append(row | {"left_out": reason})
    columns = ["id", *COLUMNS, "duplicate_of", "changed", "left_out"]
    return pd.DataFrame(rows, index=index, columns=columns)


def _counted(found, kept, layout):
    """Kind of change -> number of recordings."""
    return dict(
        Counter(
            name for i in kept for name in changes(found[i].layout, layout)
        ).most_common()
    )


def _records(paths, found, kept, layout, names, again):
    """ECGRecords of the kept files; lazy if `again` can read them later."""
    told = [found[i].recording for i in kept]
    shape = (len(layout.leads), layout.n_times)
    if again:
        signals = LazySignals(again, paths, shape)
    else:
        signals = np.empty((len(kept), *shape), np.float32)
        for row, i in zip(signals, kept):
            row[:] = brought_to(found[i].signals, found[i].layout, layout)
            found[i] = None  # its memory is needed
    warn_of_ages(told, names)
    patients = [recording.patient_id for recording in told]
    return ECGRecords(
        signals,
        layout.sampling_rate,
        layout.leads,
        covariates=covariates_of(told, names),
        ids=names,
        patient_ids=patients if any(patients) else None,
    )
