"""CODE-15 %: ECGs of Brazilian primary care with follow-up for death."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._outcomes._first import as_outcome
from .._outcomes._flow import CohortFlow
from ..records import LEADS, ECGRecords, LazySignals
from ..records._leads_and_ids import first_ten
from ..records._signal_checks import check_amplitude
from ._check_leads import checked
from ._cohorts._hdf5_tracings import (
    SAMPLING_RATE,
    check_plain,
    is_recorded,
    n_samples,
    opened,
    read_tracing,
)
from ._cohorts._published_tables import check_distinct, check_matched, read_table

DAYS_PER_YEAR = 365.25
# The exams are of 2010 and later.
_LONGEST_YEARS = 30
_SOURCE = "https://zenodo.org/records/4916206"
_FINDINGS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_TYPES = {
    "exam_id": "int64",
    "patient_id": "int64",
    "age": "float64",
    "is_male": "boolean",
    "nn_predicted_age": "float64",
    **dict.fromkeys(_FINDINGS, "boolean"),
    "normal_ecg": "boolean",
    "death": "boolean",
    "timey": "float64",
    "trace_file": "string",
}
# Exams whose amplitude is looked at.
_N_LOOKED_AT = 16


def load_code15(path, *, duration=7.0, follow_up=True, parts=None):
    """Read CODE-15 %: 345,779 ECGs of 233,770 patients, with time to death.

    The folder is that of https://zenodo.org/records/4916206 with its archives unpacked:
    `exams.csv` and `exams_part0.hdf5` to `exams_part17.hdf5`. Recordings are read only
    when a batch of them is needed; `X.save` makes a faster copy.

    All tracings have 4096 samples, 10.24 s at 400 Hz. Tracings of 7 s have zeros on
    both sides. The central `duration` of every exam is read; shorter exams and exams
    without signal are left out.

    The description of CODE-15 % gives the unit of its tracings as 1e-4 V and, in the
    same sentence, a factor that contradicts it. R waves are 0.5 to 3 in the files, so
    the numbers are in mV. They are read as mV, and amplitudes that cannot be mV raise
    an error.

    Parameters
    ----------
    path : str or path-like
        Folder of CODE-15 %.
    duration : float, default=7.0
        Length of the recordings in s, up to 10.24. All exams have 7 s, some have 10 s.
    follow_up : bool, default=True
        Read only exams with follow-up, the first one of each patient. False reads all
        exams, without outcomes.
    parts : int, sequence of int or None, default=None
        Numbers of the files to read, 0 to 17. None reads all.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, 12, n_times), float32
            ECGs in mV at 400 Hz, lazily, with `covariates` (age in years; sex, 0 male
            and 1 female), exams as `ids` and `patient_ids`.
        y : structured ndarray of shape (n_samples,) or None
            Whether the patient died, and days to death or to the last contact (365.25
            for each year of `timey`). None with ``follow_up=False``.
        table : DataFrame of shape (n_samples, 13)
            The other columns of `exams.csv` by `exam_id`: six findings and `normal_ecg`
            (True or False), `nn_predicted_age` and the rest.
        flow : DataFrame
            Number of exams left out, and the reasons.
        DESCR : str
            Description of the data, in one line.

    Raises
    ------
    FileNotFoundError
        If the table or files of recordings are missing; the message names them and
        their source.
    ValueError
        If a file is not as published, or if its exams differ from those of the table;
        the message names their number and the first ten.

    References
    ----------
    Ribeiro et al. (2021), CODE-15 %: a large scale annotated dataset of 12-lead ECGs.
    Lima et al. (2021), Deep neural network-estimated electrocardiographic age as a
    mortality predictor, Nature Communications 12:5117.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_code15
    >>> code15 = load_code15("code15", parts=[0, 1])  # doctest: +SKIP
    >>> code15.X.shape[1:]  # doctest: +SKIP
    (12, 2800)
    """
    path, n_times = Path(path), n_samples(duration)
    table = read_table(path / "exams.csv", _TYPES, _SOURCE)
    check_distinct(table["exam_id"], f"exam_id of {path / 'exams.csv'}")
    table = _of_parts(table.set_index("exam_id"), parts)
    rows = pd.concat(
        [_rows(path / name, of_part, n_times) for name, of_part in _files(path, table)]
    )
    flow = CohortFlow(table.join(rows), "exams in the table")
    flow.leave_out(~flow.table["recorded"], f"not recorded for {duration:g} s")
    if follow_up:
        leave_out_without_follow_up(flow, "not the first exam, so without follow-up")
    flow.require_rows()
    return bunch_of(
        flow,
        n_times,
        flow.table["patient_id"].to_numpy(),
        follow_up=follow_up,
        descr=f"CODE-15 %, central {duration:g} s at 400 Hz; {_SOURCE}.",
    )


def _of_parts(table, parts):
    """The exams in the files asked for."""
    if parts is None:
        return table
    names = [f"exams_part{part}.hdf5" for part in np.atleast_1d(parts)]
    there = table["trace_file"].unique()
    if not names or not set(names) <= set(there):
        raise ValueError(
            f"parts={np.atleast_1d(parts).tolist()} must name files of the table; it "
            f"has {first_ten(sorted(there))}."
        )
    return table[table["trace_file"].isin(names)]


def _files(root, table):
    """Each file that the table names, with its exams."""
    names = sorted(table["trace_file"].dropna().unique())
    strange = [name for name in names if Path(name).name != name]
    if strange or table["trace_file"].isna().any():
        raise ValueError(
            f"trace_file must name a file of {root} for each exam, like "
            f"'exams_part0.hdf5', got {strange[0] if strange else 'none'!r}."
        )
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(names)} files are not in {root}: "
            f"{first_ten(missing)}. Download and unpack them from {_SOURCE}, or choose "
            "`parts` that are there."
        )
    return [(name, table[table["trace_file"] == name]) for name in names]


def _rows(path, table, n_times):
    """File and row of each exam, and whether it was recorded for long enough."""
    with opened(path) as file:
        check_plain(file, "exam_id", "iu", path)
        ids, recorded = file["exam_id"][:], is_recorded(file, n_times)
    if len(ids) != len(recorded):
        raise ValueError(
            f"{path} holds {len(ids)} values of exam_id but {len(recorded)} tracings; "
            "download it again."
        )
    # Files end with an exam 0, which is none.
    real = ids != 0
    check_distinct(ids[real], f"exam_id of {path}")
    check_matched(
        table.index,
        f"exams of {path.name} in exams.csv",
        ids[real],
        "recordings in the file",
        "Are both of the same release?",
    )
    row = np.flatnonzero(real)
    found = {"file": str(path), "row": row, "recorded": recorded[row]}
    return pd.DataFrame(found, index=pd.Index(ids[real].astype(np.int64)))


def leave_out_without_follow_up(flow, reason):
    """Leave out exams whose outcome is unknown, or came at the time of the ECG."""
    longest = flow.table["timey"].max()
    if longest > _LONGEST_YEARS:
        raise ValueError(
            f"timey of the table reaches {longest:g}; expected years of follow-up, at "
            f"most {_LONGEST_YEARS}. Are these days? Take the table as it is published."
        )
    known = flow.table["death"].notna() & flow.table["timey"].notna()
    flow.leave_out(~known, reason)
    flow.leave_out(~(flow.table["timey"] > 0), "no time under observation")


def bunch_of(flow, n_times, patient_ids, *, follow_up, descr):
    """Bunch that the loaders of CODE-15 % and SaMi-Trop return."""
    table = flow.table
    keys = zip(table["file"], table["row"])
    read = partial(read_tracing, n_times=n_times)
    signals = LazySignals(read, keys, (len(LEADS), n_times))
    check_amplitude(signals[: min(len(signals), _N_LOOKED_AT)].__array__())
    sex = 1.0 - table["is_male"].astype("float64")
    y = None
    if follow_up:
        days = table["timey"] * DAYS_PER_YEAR
        y = as_outcome(table["death"].astype(bool), days, competing=False)
    return Bunch(
        X=checked(
            ECGRecords(
                signals,
                SAMPLING_RATE,
                covariates=pd.DataFrame({"age": table["age"], "sex": sex}),
                ids=table.index.to_numpy(),
                patient_ids=patient_ids,
            )
        ),
        y=y,
        table=table.drop(columns=["file", "row", "recorded"]),
        flow=flow.to_frame(),
        DESCR=descr,
    )
