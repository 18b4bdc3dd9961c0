"""MIMIC-IV-ECG: hospital ECGs with machine reports, and outcomes from MIMIC-IV."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._outcomes._first import as_outcome, first_of
from .._outcomes._flow import CohortFlow
from ..records import LEADS, ECGRecords, LazySignals
from ._check_leads import checked
from ._cohorts._mimic_outcomes import hospital_history
from ._cohorts._published_tables import (
    as_dates,
    check_distinct,
    check_matched,
    read_table,
)
from ._cohorts._wfdb_records import check_present, inside, read_ecg

_SOURCE = "https://physionet.org/content/mimic-iv-ecg/"
_SAMPLING_RATE, _N_TIMES = 500, 5000
_RECORDS = {
    "subject_id": "int64",
    "study_id": "int64",
    "ecg_time": "string",
    "path": "string",
}
_REPORTS = [f"report_{line}" for line in range(18)]
_TIMES = ("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end")
_AXES = ("p_axis", "qrs_axis", "t_axis")
_MACHINE = {
    "study_id": "int64",
    **dict.fromkeys(_REPORTS, "string"),
    **dict.fromkeys((*_TIMES, *_AXES), "float64"),
}
# The machines write numbers such as 29999 for missing measurements.
_LONGEST, _LARGEST_AXIS = 5000, 360
# Heart failure of an admission that soon follows the ECG was there when it was taken.
_BLANK = pd.Timedelta(days=1)


def load_mimic_iv_ecg(path, hosp=None, *, one_per_patient=True, competing_death=False):
    """Read MIMIC-IV-ECG: 10-second ECGs, and time to heart failure with MIMIC-IV.

    The folder is that of https://physionet.org/content/mimic-iv-ecg/ with its
    `record_list.csv`, `machine_measurements.csv` and `files/`. Recordings are read only
    when a batch of them is needed; `X.save` makes a faster copy. MIMIC stores aVF
    before aVL; here the leads are in the standard order. Some recordings have gaps
    (NaN) in a lead.

    With `hosp`, the outcome is the first hospital stay with a heart-failure code
    (ICD-10-CM or ICD-9-CM) that begins after the ECG. A code belongs to a stay, not to
    a day. A patient with such a stay that began before the ECG, or within 24 hours
    after it, is taken to have heart failure at the ECG and is left out. Follow-up ends
    with death, or one year after the last discharge, because MIMIC-IV records deaths
    until then.

    Parameters
    ----------
    path : str or path-like
        Folder of MIMIC-IV-ECG.
    hosp : str, path-like or None, default=None
        Folder `hosp` of MIMIC-IV (https://physionet.org/content/mimiciv/) with
        `patients`, `admissions` and `diagnoses_icd`, as .csv.gz or .csv. None reads the
        ECGs without outcomes.
    one_per_patient : bool, default=True
        Whether to read only the first ECG of each patient.
    competing_death : bool, default=False
        Whether death without heart failure is cause 2 instead of censored.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, 12, 5000), float32
            ECGs in mV at 500 Hz, lazily, with studies as `ids`, subjects as
            `patient_ids` and, with `hosp`, `covariates` (age in years, 90 for all
            that were over 89 in the anchor year; sex, 0 male and 1 female).
        y : structured ndarray of shape (n_samples,) or None
            Event and days from the ECG: True or False, or with `competing_death` 0
            censored, 1 heart failure, 2 death. None without `hosp`.
        reports : list of str
            Lines of the machine's report, separated by full stops.
        measurements : DataFrame of shape (n_samples, 9)
            Measurements of the machine: times in ms from the start of the averaged
            beat, axes in degrees; NaN if missing.
        table : DataFrame
            `subject_id` and `ecg_time` by `study_id`; with `hosp` also `heart_failure`,
            `death` and `known_until` as dates.
        flow : DataFrame
            Number of ECGs left out, and the reasons.
        DESCR : str
            Description of the data, in one line.

    Raises
    ------
    FileNotFoundError
        If a table or recordings are missing; the message names their number and the
        first ten.
    ValueError
        If a table is not as published, if the two tables are not of the same studies,
        or if no patient remains.

    References
    ----------
    Gow et al. (2023), MIMIC-IV-ECG: diagnostic electrocardiogram matched subset.
    Johnson et al. (2023), MIMIC-IV, a freely accessible electronic health record
    dataset, Scientific Data 10:1. Quan et al. (2005), Coding algorithms for defining
    comorbidities, Medical Care 43:1130-1139.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_mimic_iv_ecg
    >>> mimic = load_mimic_iv_ecg("mimic-iv-ecg", "mimiciv/hosp")  # doctest: +SKIP
    >>> mimic.flow  # doctest: +SKIP
    """
    path = Path(path)
    table, machine = _read_tables(path)
    flow = CohortFlow(table, "ECGs in the record list")
    if one_per_patient:
        repeated = flow.table.duplicated("subject_id")
        flow.leave_out(repeated, "not the first ECG of the patient")
    y = None if hosp is None else _follow_up(flow, hosp, competing_death)
    flow.require_rows()
    table, machine = flow.table, machine.loc[flow.table.index]
    return Bunch(
        X=_ecgs(path, table, None if hosp is None else _covariates(table)),
        y=y,
        reports=_joined(machine[_REPORTS]),
        measurements=_measured(machine),
        table=table.drop(
            columns=["path", "gender", "anchor_age", "anchor_year"], errors="ignore"
        ),
        flow=flow.to_frame(),
        DESCR=f"MIMIC-IV-ECG, 10 s at 500 Hz; {_SOURCE}.",
    )


def _read_tables(root):
    """Record list in the order of time, and machine measurements, by study."""
    table = read_table(root / "record_list.csv", _RECORDS, _SOURCE)
    machine = read_table(root / "machine_measurements.csv", _MACHINE, _SOURCE)
    for name, one in [("record_list", table), ("machine_measurements", machine)]:
        check_distinct(one["study_id"], f"values of study_id in {name}.csv")
    check_matched(
        table["study_id"],
        "studies of record_list.csv",
        machine["study_id"],
        "studies of machine_measurements.csv",
        "Are both of the same release?",
    )
    table["ecg_time"] = as_dates(table["ecg_time"], "ecg_time of record_list.csv")
    table = table.sort_values(["ecg_time", "study_id"]).set_index("study_id")
    return table, machine.set_index("study_id")


def _follow_up(flow, hosp, competing):
    """Leave out who had heart failure or no follow-up; the outcome of the others."""
    history = hospital_history(hosp)
    known = flow.table["subject_id"].isin(history.index)
    flow.leave_out(~known, "not in the table of patients")
    flow.table = flow.table.join(history, on="subject_id")
    start = flow.table["ecg_time"]
    flow.leave_out(
        flow.table["heart_failure"] <= start + _BLANK,
        "heart failure before the ECG or within a day of it",
    )
    table = flow.table
    ended = ~(table["known_until"] > table["ecg_time"])
    ended |= table["death"] <= table["ecg_time"]
    flow.leave_out(ended, "no time under observation after the ECG")
    table = flow.table
    columns = ("ecg_time", "heart_failure", "death", "known_until")
    causes, days = first_of(*(table[column] for column in columns))
    return as_outcome(causes, days, competing=competing)


def _ecgs(root, table, covariates):
    """The recordings, lazily."""
    records = [inside(root, name) for name in table["path"]]
    remedy = f"Complete the copy from {_SOURCE}."
    check_present(root, table["path"], records, remedy)
    read = partial(read_ecg, sampling_rate=_SAMPLING_RATE, n_times=_N_TIMES)
    return checked(
        ECGRecords(
            LazySignals(read, records, (len(LEADS), _N_TIMES)),
            _SAMPLING_RATE,
            covariates=covariates,
            ids=table.index.to_numpy(),
            patient_ids=table["subject_id"].to_numpy(),
        )
    )


def _covariates(table):
    """Age in years at the ECG, and sex."""
    age = table["anchor_age"] + table["ecg_time"].dt.year - table["anchor_year"]
    # MIMIC-IV hides all ages over 89 behind 91.
    age = age.mask(table["anchor_age"] > 89, 90.0)
    sex = table["gender"].map({"M": 0.0, "F": 1.0}).astype("float64")
    return pd.DataFrame({"age": age, "sex": sex})


def _joined(reports):
    """The lines of each report as one text."""
    rows = reports.fillna("").to_numpy(dtype=object)
    return [". ".join(line.strip(" .") for line in row if line) for row in rows]


def _measured(machine):
    """Measurements of the machine, NaN where they cannot be any."""
    found = machine[[*_TIMES, *_AXES]]
    limits = np.array([_LONGEST] * len(_TIMES) + [_LARGEST_AXIS] * len(_AXES))
    lowest = np.array([0] * len(_TIMES) + [-_LARGEST_AXIS] * len(_AXES))
    return found.where((found >= lowest) & (found <= limits))
