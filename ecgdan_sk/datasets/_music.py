"""MUSIC: patients with chronic heart failure and their causes of death."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._outcomes._first import as_outcome
from .._outcomes._flow import CohortFlow
from ..records import ECGRecords, LazySignals
from ._ages import ages_of
from ._check_leads import checked
from ._cohorts._published_tables import check_distinct
from ._cohorts._wfdb_records import check_present, read_ecg, read_header, signal_names
from ._formats._recording import lead_name

_SOURCE = "https://physionet.org/content/music-sudden-cardiac-death/"
_DAYS = "Follow-up period from enrollment (days)"
_EXIT, _CAUSE = "Exit of the study", "Cause of death"
_NEEDED = ("Patient ID", _DAYS, _EXIT, _CAUSE, "Age", "Gender (male=1)")
_TRANSPLANTED = 2
# Codes of the table -> causes of `y`.
_CAUSES = {0: 0, 1: 3, 3: 2, 6: 1, 7: 1}
# 999 means not measurable, such as the PR interval in fibrillation.
_WITHOUT = 999
_MAY_BE_WITHOUT = (
    "PR interval (ms)",
    "Number of supraventricular premature beats in 24h",
)
# Folder, ending of the names, and the column that says who has such a recording.
_RECORDINGS = {
    "high-resolution": ("High-resolution_ECG", "_H", "Hig-resolution ECG available"),
    "holter": ("Holter_ECG", "", "Holter available"),
}


def load_music(
    path, *, recordings="high-resolution", duration=10.0, transplant="censored"
):
    """Read MUSIC: 992 patients with chronic heart failure, with causes of death.

    The folder is that of https://physionet.org/content/music-sudden-cardiac-death/:
    `subject-info.csv` with `High-resolution_ECG/` or `Holter_ECG/`. The recordings have
    two or three leads, not twelve, which keep the names in their files. They last 20
    minutes or a day; the first `duration` is read when a batch is needed.

    Parameters
    ----------
    path : str or path-like
        Folder of MUSIC.
    recordings : {"high-resolution", "holter"} or None, default="high-resolution"
        The recordings to read; patients without one are left out. None reads only the
        table, for all patients, and `X` is None.
    duration : float, default=10.0
        Length of the recordings in s, from their beginning.
    transplant : {"censored", "pump failure"}, default="censored"
        Meaning of a cardiac transplantation: end of follow-up, as in the table, or
        cause 1, as in many trials of heart failure.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_samples, n_leads, n_times), float32, or None
            Recordings in mV, lazily, with `covariates` (age in years; sex, 0 male and 1
            female) and patients as `ids`. A lead that a recording lacks is NaN.
        y : structured ndarray of shape (n_samples,)
            Cause and days from enrolment: 0 censored, 1 death of pump failure, 2 sudden
            cardiac death, 3 non-cardiac death.
        table : DataFrame of shape (n_samples, n_columns)
            `subject-info.csv` by patient: clinic, laboratory, echocardiography, drugs,
            and the intervals of the 12-lead ECG. Age 90 stands for all ages over 89;
            999 (not measurable) is read as NaN.
        flow : DataFrame
            Number of patients left out, and the reasons.
        DESCR : str
            Description of the data, in one line.

    Raises
    ------
    FileNotFoundError
        If the table or recordings are missing; the message names their number and the
        first ten.
    ValueError
        If the table or a recording is not as published.

    References
    ----------
    Martin-Yebra, Martinez, Laguna (2024), MUSIC (Sudden Cardiac Death in Chronic Heart
    Failure), PhysioNet. Vazquez et al. (2009), The MUSIC Risk score, European Heart
    Journal 30:1088-1096.

    Examples
    --------
    >>> from ecgdan_sk.datasets import load_music
    >>> music = load_music("music", recordings=None)  # doctest: +SKIP
    >>> (music.y["event"] == 1).sum()  # doctest: +SKIP
    111
    """
    _check_choices(recordings, transplant)
    path = Path(path)
    flow = CohortFlow(_read_table(path / "subject-info.csv"), "patients in the table")
    if recordings is not None:
        there = flow.table[_RECORDINGS[recordings][2]] == 1
        flow.leave_out(~there, f"no {recordings} recording")
    flow.leave_out(~(flow.table[_DAYS] > 0), "no time under observation")
    flow.require_rows()
    table = flow.table
    return Bunch(
        X=None if recordings is None else _ecgs(path, table, recordings, duration),
        y=as_outcome(_causes(table, transplant), table[_DAYS], competing=True),
        table=table,
        flow=flow.to_frame(),
        DESCR=f"MUSIC, chronic heart failure with causes of death; {_SOURCE}.",
    )


def _check_choices(recordings, transplant):
    """Raise unless both arguments are valid."""
    for name, got, offered in [
        ("recordings", recordings, (*_RECORDINGS, None)),
        ("transplant", transplant, ("censored", "pump failure")),
    ]:
        if got not in offered:
            raise ValueError(
                f"{name} must be one of {', '.join(map(repr, offered))}, got {got!r}."
            )


def _read_table(path):
    """The patients by identifier, with numbers as numbers."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path.name} in {path.parent}; expected a local copy as it is "
            f"published at {_SOURCE}."
        )
    types = {"Patient ID": "string", "Age": "string"}
    table = pd.read_csv(path, sep=";", decimal=",", encoding="latin-1", dtype=types)
    table = table.loc[:, ~table.columns.str.startswith("Unnamed")]
    table.columns = _names(table.columns)
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        raise ValueError(
            f"{path} lacks the columns {', '.join(missing)}; expected the table as it "
            f"is published at {_SOURCE}, separated by semicolons."
        )
    check_distinct(table["Patient ID"], f"values of Patient ID in {path}")
    table["Age"] = ages_of(table["Age"], f"Age of {path}")
    for name in _MAY_BE_WITHOUT:
        table[name] = table[name].mask(table[name] == _WITHOUT)
    return table.set_index("Patient ID")


def _names(columns):
    """Names without surrounding blanks; of repeated ones the first is of the ECG."""
    names = [name.strip() for name in columns]
    return [
        f"{name}, Holter" if name in names[:i] else name for i, name in enumerate(names)
    ]


def _causes(table, transplant):
    """0 censored, 1 pump failure, 2 sudden, 3 non-cardiac."""
    causes = table[_CAUSE].map(_CAUSES)
    if causes.isna().any():
        raise ValueError(
            f"'{_CAUSE}' must be one of {', '.join(map(str, _CAUSES))}, got "
            f"{table.loc[causes.isna(), _CAUSE].unique().tolist()[:5]}."
        )
    if transplant == "pump failure":
        causes = causes.mask(table[_EXIT] == _TRANSPLANTED, 1)
    return causes.astype(np.int64)


def _ecgs(root, table, recordings, duration):
    """Lazy recordings, with leads and rate from their headers."""
    folder, ending, _ = _RECORDINGS[recordings]
    names = [f"{patient}{ending}" for patient in table.index]
    records = [root / folder / name for name in names]
    remedy = (
        f"Download {folder} from {_SOURCE}, or read the table alone with "
        "recordings=None."
    )
    check_present(root / folder, names, records, remedy)
    headers = [read_header(record) for record in records]
    rates = sorted({header.sampling_rate for header in headers})
    if len(rates) != 1:
        raise ValueError(
            f"The recordings in {root / folder} are sampled at {rates} Hz; expected "
            "one rate for all of them."
        )
    named = [name for header in headers for name in signal_names(header)]
    leads = tuple(dict.fromkeys(map(lead_name, named)))
    n_times = round(duration * rates[0])
    read = partial(read_ecg, sampling_rate=rates[0], n_times=n_times, leads=leads)
    sex = 1.0 - table["Gender (male=1)"].astype("float")
    return checked(
        ECGRecords(
            LazySignals(read, records, (len(leads), n_times)),
            rates[0],
            leads,
            covariates=pd.DataFrame({"age": table["Age"], "sex": sex}),
            ids=table.index.to_numpy(dtype=str),
        )
    )
