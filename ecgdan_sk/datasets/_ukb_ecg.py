"""Resting ECGs of UK Biobank, field 20205: CardioSoft XML, one file per visit."""

import re
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._outcomes._flow import CohortFlow
from ..records import LEADS, ECGRecords, LazySignals
from ._check_leads import checked
from ._formats._cardiosoft import read_cardiosoft
from ._formats._recording import MEASUREMENTS, ECGFileError

_NAME = re.compile(r"(\d+)_20205_(\d+)_(\d+)\.xml")


def load_ukb_ecg(path, *, instance=2, kind="rhythm", n_jobs=None):
    """Read the 12-lead resting ECGs of UK Biobank (field 20205).

    All files named like `1234567_20205_2_0.xml` in the folder and below are read, for
    participant 1234567 at visit 2, as GE CardioSoft writes them. Signals are read again
    when a batch of them is needed; `X.save` makes a faster copy. A file that cannot be
    read does not stop the reading of the others.

    Parameters
    ----------
    path : str or path-like
        Folder of the files, which may be in subfolders.
    instance : int, default=2
        Visit: 2 is the first imaging visit, 3 the repeat visit.
    kind : {"rhythm", "median"}, default="rhythm"
        Strips of 10 s, or the median beats of the device.
    n_jobs : int or None, default=None
        Number of processes that read files. None means 1, -1 all processors.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, 12, n_times), float32
            ECGs in mV, leads in the order of `ecgdan_sk.records.LEADS`, lazily, with
            `covariates` (age in years; sex, 0 male and 1 female), names of the files as
            `ids` and `eid` as `patient_ids`. Files with another length or sampling rate
            than most are left out.
        statements : list of tuple of str
            Statements of the device on each ECG.
        measurements : DataFrame of shape (n_samples, 10)
            Measurements of the device: heart rate in bpm, intervals in ms, axes in
            degrees; NaN if missing.
        table : DataFrame
            `eid`, `instance`, `recorded_at` and `device` by name of the file.
        errors : DataFrame
            Files that could not be read, and the reasons.
        flow : DataFrame
            Number of files left out, and the reasons.
        DESCR : str
            Description of the data, in one line.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If none of the files can be read.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_ukb_ecg, ukb_cohort
    >>> ecgs = load_ukb_ecg("20205", n_jobs=-1)  # doctest: +SKIP
    >>> ukb = ukb_cohort("ukb.csv", "hypertension", ecgs=ecgs.X)  # doctest: +SKIP
    """
    if kind not in ("rhythm", "median"):
        raise ValueError(f"kind must be 'rhythm' or 'median', got {kind!r}.")
    files = _files(Path(path), instance)
    run = joblib.Parallel(n_jobs=n_jobs)
    rows = run(joblib.delayed(_row)(file, kind) for file in files)
    flow = CohortFlow(pd.DataFrame(rows).set_index("file"), "files in the folder")
    errors = flow.table["error"].dropna().to_frame()
    flow.leave_out(flow.table["error"].notna(), "cannot be read")
    _require_rows(flow, errors)
    flow.leave_out(flow.table["n_times"] == 0, f"without {kind} signals")
    _require_rows(flow, errors)
    shapes = flow.table[["sampling_rate", "n_times"]]
    sampling_rate, n_times = shapes.value_counts().index[0]
    other = (shapes != [sampling_rate, n_times]).any(axis=1)
    flow.leave_out(other, f"not {n_times:g} samples at {sampling_rate:g} Hz")
    table, n_times = flow.table, int(n_times)
    read = partial(read_strip, kind=kind, n_times=n_times)
    return Bunch(
        X=checked(
            ECGRecords(
                LazySignals(read, table["path"], (len(LEADS), n_times)),
                sampling_rate,
                covariates=table[["age", "sex"]],
                ids=table.index.to_numpy(dtype=str),
                patient_ids=table["eid"].to_numpy(dtype=np.int64),
            )
        ),
        statements=table["statements"].tolist(),
        measurements=table[list(MEASUREMENTS)],
        table=table[["eid", "instance", "recorded_at", "device"]],
        errors=errors,
        flow=flow.to_frame(),
        DESCR=f"UK Biobank, resting ECG (field 20205), visit {instance}, {kind}.",
    )


def _files(root, instance):
    """Files of the visit, by name."""
    files = [file for file in root.rglob("*_20205_*.xml") if _NAME.fullmatch(file.name)]
    chosen = [file for file in files if int(_NAME.fullmatch(file.name)[2]) == instance]
    if not chosen:
        raise FileNotFoundError(
            f"There is no file like 1234567_20205_{instance}_0.xml in {root} or below; "
            f"{len(files)} are of other visits. Fetch bulk field 20205 of UK Biobank."
        )
    return sorted(chosen, key=lambda file: file.name)


def _row(file, kind):
    """Facts in a file beside its signals, or the error of reading it."""
    eid, instance, _ = map(int, _NAME.fullmatch(file.name).groups())
    row = {"file": file.name, "path": file, "eid": eid, "instance": instance}
    try:
        recording = read_cardiosoft(file)
    except ECGFileError as error:
        return row | {"error": str(error)}
    wave = getattr(recording, kind)
    return {
        **row,
        "error": None,
        "sampling_rate": np.nan if wave is None else wave.sampling_rate,
        "n_times": 0 if wave is None else wave.signals.shape[1],
        "age": recording.age,
        "sex": recording.sex,
        "recorded_at": recording.recorded_at,
        "device": recording.device,
        "statements": recording.statements,
        **{name: recording.measurements.get(name, np.nan) for name in MEASUREMENTS},
    }


def _require_rows(flow, errors):
    """Raise if no file remains, with the first error."""
    if flow.table.empty:
        raise ValueError(
            f"None of the {flow.to_frame()['remaining'][0]} files can be used: "
            f"{len(errors)} cannot be read, the others hold no such signals. "
            f"{''.join(errors['error'][:1])}"
        )


def read_strip(file, kind, n_times):
    """Signals of one file, of shape (12, n_times) in mV, absent leads as NaN."""
    wave = getattr(read_cardiosoft(file), kind)
    ecg = np.full((len(LEADS), n_times), np.nan, np.float32)
    for lead, samples in zip(LEADS, ecg):
        if lead in wave.leads:
            samples[:] = wave.signals[wave.leads.index(lead)]
    return ecg
