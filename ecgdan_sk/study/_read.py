"""ECGs of a path: a folder of files, one file, or a saved cohort."""

from pathlib import Path

import pandas as pd
from sklearn.utils import Bunch

from ..datasets import read_ecg, read_ecg_folder
from ..records import ECGRecords
from ..records._parts import is_saved


def open_ecgs(
    path, *, sampling_rate=None, duration=None, lazy=False, n_jobs=None, verbose=0
):
    """Read the ECGs of a folder or of one file, or open a cohort that was saved.

    Parameters
    ----------
    path : str or path-like
        Folder with files of any mixture of formats, subfolders included; one file; or
        a folder that `ECGRecords.save` wrote.
    sampling_rate : float or None, default=None
        New samples per second, in Hz, for files. None takes the most frequent rate.
    duration : float or None, default=None
        New length, in s, for files. None takes the most frequent length.
    lazy : bool, default=False
        Whether ECGs of files are read each time they are needed, to save memory.
    n_jobs : int or None, default=None
        Processes that read files; None means 1, -1 all processors.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        report : ReadingReport or None
            Report on each file, see `datasets.read_ecg_folder`.

    Raises
    ------
    FileNotFoundError
        If the path does not exist, or holds no file.
    ECGFileError
        If no file can be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.records import ECGRecords
    >>> from ecgdan_sk.study import open_ecgs
    >>> folder = Path(tempfile.mkdtemp(), "cohort")
    >>> X = make_ecg_cohort(2, event_rate=0.5, random_state=0).X
    >>> _ = ECGRecords(X, 100).save(folder)
    >>> open_ecgs(folder).X
    ECGRecords(2 ECGs, 12 leads, 1000 samples, 100 Hz)
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no folder or file {path}. Give the folder of the ECGs."
        )
    if is_saved(path):
        return Bunch(X=ECGRecords.open(path), report=None)
    if path.is_file():
        return Bunch(X=read_ecg(path, sampling_rate=sampling_rate), report=None)
    return read_ecg_folder(
        path,
        sampling_rate=sampling_rate,
        duration=duration,
        lazy=lazy,
        n_jobs=n_jobs,
        verbose=verbose,
    )


def lines_of(report):
    """The reading report in two columns, or None."""
    if report is None:
        return None
    counts = report.summary
    rows = [(name, int(n)) for name, n in counts.items() if n]
    return pd.DataFrame(rows, columns=["files", "n"])
