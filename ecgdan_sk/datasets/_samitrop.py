"""SaMi-Trop: ECGs of patients with Chagas cardiomyopathy, followed for two years."""

from pathlib import Path

import pandas as pd

from .._outcomes._flow import CohortFlow
from ._code15 import bunch_of, leave_out_without_follow_up
from ._cohorts._hdf5_tracings import is_recorded, n_samples, opened
from ._cohorts._published_tables import check_distinct, read_table

_SOURCE = "https://zenodo.org/records/4905618"
_TYPES = {
    "exam_id": "int64",
    "age": "float64",
    "is_male": "boolean",
    "normal_ecg": "boolean",
    "death": "boolean",
    "timey": "float64",
    "nn_predicted_age": "float64",
}


def load_samitrop(path, *, duration=7.0):
    """Read SaMi-Trop: 1,631 ECGs of patients with Chagas cardiomyopathy, time to death.

    The folder is that of https://zenodo.org/records/4905618: `exams.csv` and
    `exams.hdf5`, unpacked. The tracings are in the order of the table, and have the
    format of CODE-15 %, see `load_code15`.

    Parameters
    ----------
    path : str or path-like
        Folder of SaMi-Trop.
    duration : float, default=7.0
        Length of the recordings in s, up to 10.24: the central part of each.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, 12, n_times), float32
            ECGs in mV at 400 Hz, lazily, with `covariates` (age in years; sex, 0 male
            and 1 female) and exams as `ids`.
        y : structured ndarray of shape (n_samples,)
            Whether the patient died, and days to death or to the last contact.
        table : DataFrame of shape (n_samples, 6)
            The other columns of `exams.csv` by `exam_id`.
        flow : DataFrame
            Number of exams left out, and the reasons.
        DESCR : str
            Description of the data, in one line.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is not as published, or has another number of exams than the table.

    References
    ----------
    Ribeiro et al. (2021), Sami-Trop: 12-lead ECG traces with age and mortality
    annotations. Cardoso et al. (2016), Longitudinal study of patients with chronic
    Chagas cardiomyopathy in Brazil (SaMi-Trop), BMJ Open 6:e011181.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_samitrop
    >>> samitrop = load_samitrop("samitrop")  # doctest: +SKIP
    >>> samitrop.X.shape[1:]  # doctest: +SKIP
    (12, 2800)
    """
    path, n_times = Path(path), n_samples(duration)
    table = read_table(path / "exams.csv", _TYPES, _SOURCE)
    check_distinct(table["exam_id"], f"exam_id of {path / 'exams.csv'}")
    file = path / "exams.hdf5"
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no exams.hdf5 in {path}. Download and unpack it from {_SOURCE}."
        )
    with opened(file) as content:
        recorded = is_recorded(content, n_times)
    if len(recorded) != len(table):
        raise ValueError(
            f"{file} holds {len(recorded)} tracings, but exams.csv has {len(table)} "
            "rows; they must stand in the same order. Are both of the same release?"
        )
    places = {"file": str(file), "row": range(len(table)), "recorded": recorded}
    table = table.set_index("exam_id")
    table = table.join(pd.DataFrame(places, index=table.index))
    flow = CohortFlow(table, "exams in the table")
    flow.leave_out(~flow.table["recorded"], f"not recorded for {duration:g} s")
    leave_out_without_follow_up(flow, "follow-up unknown")
    flow.require_rows()
    return bunch_of(
        flow,
        n_times,
        None,
        follow_up=True,
        descr=f"SaMi-Trop, central {duration:g} s at 400 Hz; {_SOURCE}.",
    )
