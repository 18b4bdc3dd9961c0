"""ECGs and a table put together: whose outcome is whose, and who is left out."""

import re
from collections import Counter
from copy import copy

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ..outcomes import from_table
from ._checks import copies_of

_MALE = ("m", "male", "man", "männlich", "maennlich", "mann", "herr")
_FEMALE = ("f", "female", "woman", "w", "weiblich", "frau")
_SEXES = dict.fromkeys(_MALE, 0.0) | dict.fromkeys(_FEMALE, 1.0)
_ENDING = re.compile(r"\.\w{1,8}$")
_WHOLE = re.compile(r"(-?\d+)\.0")


def assemble(
    records,
    table,
    *,
    id=None,
    patient=None,
    age=None,
    sex=None,
    event=None,
    time=None,
    ecg_date=None,
    event_date=None,
    last_contact=None,
    end=None,
    unit=None,
    coding=None,
    day_first=None,
    keep="all",
):
    """Match ECGs with a table of outcomes, and count the ECGs left out.

    Rows are matched with the `ids` of ECGs (with or without folder and ending) or with
    `patient_ids`, for all ECGs of the patient; the better match is used. Left out are
    ECGs without a row, rows without an ECG, exact copies of an ECG, and ECGs without an
    outcome, see `outcomes.from_table`. A column with the name of an argument, such as
    "event", is found by itself. All other columns become covariates.

    Parameters
    ----------
    records : ECGRecords of shape (n_samples, n_leads, n_times)
        ECGs with `ids`.
    table : DataFrame of shape (n_rows, n_columns)
        One row for each ECG, or for each patient.
    id : str or None, default=None
        Column of the identifiers of ECGs or patients.
    patient : str or None, default=None
        Column of the patient identifiers, if it is another. None takes `patient_ids`.
    age : str or None, default=None
        Column of the age at the ECG, in years.
    sex : str or None, default=None
        Column of the sex: 0 or "m" male, 1 or "f" or "w" female.
    event, time, ecg_date, event_date, last_contact : str or None, default=None
        Columns of the outcome, see `outcomes.from_table`. If no column holds the date
        of the ECG, the date in the file is used.
    end : str, datetime or None, default=None
        End of the data for all patients.
    unit : {"days", "weeks", "months", "years"} or None, default=None
        Unit of `time`. None means days.
    coding : mapping or None, default=None
        Meaning of the values of `event`.
    day_first : bool or None, default=None
        Whether 01/02/2020 is the first of February. None infers it from the column.
    keep : {"all", "first", "last"}, default="all"
        ECGs to keep of each patient.

    Returns
    -------
    Bunch
        X : ECGRecords of shape (n_kept, n_leads, n_times)
            ECGs with an outcome, and with covariates from the files and the table.
        y : structured ndarray of shape (n_kept,)
            Fields (event, time), time in days.
        flow : DataFrame
            Number of ECGs left out, and the reasons, in this order.

    Raises
    ------
    ValueError
        If a column is missing, if no row matches an ECG, or if the outcome cannot be
        read.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.records import ECGRecords
    >>> from ecgdan_sk.study import assemble
    >>> signals = make_ecg_cohort(3, event_rate=0.5, random_state=0).X
    >>> records = ECGRecords(signals, 100, ids=["a", "b", "c"])
    >>> table = pd.DataFrame(
    ...     {"id": ["b.xml", "a.xml"], "event": ["yes", "no"], "time": [90.0, 700.0]}
    ... )
    >>> cohort = assemble(records, table)
    >>> cohort.X.ids.tolist(), cohort.y.tolist()
    (['a', 'b'], [(False, 700.0), (True, 90.0)])
    """
    roles = {
        name: _column(table, name, given)
        for name, given in {
            "id": id,
            "patient": patient,
            "age": age,
            "sex": sex,
            "event": event,
            "time": time,
            "ecg_date": ecg_date,
            "event_date": event_date,
            "last_contact": last_contact,
        }.items()
    }
    if roles["id"] is None:
        raise ValueError(
            "Which column names the ECG or the patient? Give id, one of "
            f"{_listed(table)}; the ECGs are named like {_first(records.ids)!r}."
        )
    steps = [("ECGs", 0, len(records))]
    records = _without_copies(records, steps)
    records, rows = rows_of(records, table[roles["id"]], roles["id"], steps)
    joined = _joined(records, table.iloc[rows], roles)
    records = _with_patients(records, joined, roles["patient"])
    outcome = _outcome(
        joined, roles, end, unit, coding, day_first, keep, records.patient_ids
    )
    flow = outcome.flow.iloc[1:]
    X = records[outcome.rows]
    X.covariates = _covariates(joined, roles).iloc[outcome.rows]
    return Bunch(
        X=X,
        y=outcome.y,
        flow=pd.concat(
            [pd.DataFrame(steps, columns=flow.columns), flow], ignore_index=True
        ),
    )


def _column(table, role, given):
    """The column of a role: as given, or else the one that bears its name."""
    if given is not None:
        if given not in table:
            raise ValueError(
                f"There is no column {given!r} for {role} in the table, which has "
                f"{_listed(table)}."
            )
        return given
    same = [name for name in table if str(name).strip().casefold() == role]
    return same[0] if same else None


def _without_copies(records, steps):
    """The ECGs without exact copies of earlier ones."""
    seen = copies_of(records)
    kept = np.flatnonzero(seen < 0)
    if len(kept) < len(records):
        steps.append(
            ("copy of another ECG, to the sample", len(records) - len(kept), len(kept))
        )
        records = records[kept]
    return records


def rows_of(records, keys, name, steps):
    """ECGs that have a row, and the position of the row of each."""
    keys = [_plain(key) for key in keys]
    names = {"ids": records.ids, "patient_ids": records.patient_ids}
    fits = {
        (kind, change): _positions(map(change, keys), values)
        for kind, values in names.items()
        if values is not None
        for change in (_plain, _stem)
    }
    if not fits:
        raise ValueError("The ECGs have neither ids nor patient_ids to be found by.")
    best = max(fits, key=lambda fit: (fits[fit] >= 0).sum())
    rows = fits[best]
    kept = np.flatnonzero(rows >= 0)
    if not len(kept):
        raise ValueError(
            f"No row of the table belongs to an ECG: {name!r} holds {_first(keys)!r}, "
            f"the ECGs are named like {_first(records.ids)!r}"
            + ("" if records.patient_ids is None else _of_patients(records))
            + ". Name the column that holds the names of the files or of the patients."
        )
    _check_one_row_each([best[1](key) for key in keys], rows[kept], name)
    left = len(records) - len(kept)
    steps.append(("no row in the table", left, len(kept)))
    n_idle = len(keys) - len(np.unique(rows[kept]))
    if n_idle:
        steps.append((f"{n_idle} rows of the table have no ECG", 0, len(kept)))
    return records[kept], rows[kept]


def _of_patients(records):
    known = [one for one in records.patient_ids if one is not None]
    return f" and their patients like {known[0]!r}" if known else ""


def _positions(keys, values):
    """Position of the first row with the name of each recording, or -1."""
    positions = {}
    for position, key in enumerate(keys):
        if key is not None:
            positions.setdefault(key, position)
    return np.array([positions.get(_plain(value), -1) for value in values], int)


def _check_one_row_each(keys, rows, name):
    """Raise if one ECG or patient has several rows."""
    used = {keys[row] for row in rows}
    repeated = [key for key, n in Counter(keys).items() if n > 1 and key in used]
    if repeated:
        raise ValueError(
            f"{len(repeated)} names in {name!r} have several rows, the first is "
            f"{repeated[0]!r}. Expected one row for each ECG or each patient."
        )


def _plain(value):
    """Name as text, so that 7.0 of a spreadsheet is 7; None if it is missing."""
    if value is None or value != value:
        return None
    text = str(value).strip()
    return _WHOLE.sub(r"\1", text) if isinstance(value, float) else text


def _stem(key):
    """A name of a file without its folder and ending."""
    if key is None:
        return None
    return _ENDING.sub("", key.replace("\\", "/").rpartition("/")[2])


def _joined(records, rows, roles):
    """One row per ECG; facts from its file fill gaps of the table."""
    rows = rows.reset_index(drop=True)
    taken = {role: rows[name] for role, name in roles.items() if name is not None}
    told = records.covariates
    told = pd.DataFrame() if told is None else told.reset_index(drop=True)
    for name in told:
        if name not in rows:
            rows[name] = told[name]
    for role in ("age", "sex"):
        if role in taken:
            read = _sex if role == "sex" else _age
            rows[role] = read(taken[role], roles[role])
    return rows


def _age(column, name):
    """Ages in years."""
    ages = pd.to_numeric(column, errors="coerce")
    strange = ages.isna() & column.notna()
    if strange.any():
        raise ValueError(
            f"The age {column[strange].iloc[0]!r} in {name!r} is no number of years."
        )
    return ages.astype(float)


def _sex(column, name):
    """0 for men and 1 for women."""
    if column.dtype.kind in "biuf":
        return column.astype(float)
    words = column.map(lambda word: str(word).strip().lower(), na_action="ignore")
    strange = words.notna() & ~words.isin([*_SEXES, "0", "1"])
    if strange.any():
        raise ValueError(
            f"The sex {column[strange].iloc[0]!r} in {name!r} is not known. Write m or "
            "f, or 0 for men and 1 for women."
        )
    return words.map(_SEXES | {"0": 0.0, "1": 1.0}).astype(float)


def _with_patients(records, joined, column):
    """Recordings with the patients of the table."""
    if column is None:
        return records
    records = copy(records)
    records.patient_ids = np.array([_plain(v) for v in joined[column]], object)
    return records


def _outcome(joined, roles, end, unit, coding, day_first, keep, patients):
    """Output of `from_table` for the columns."""
    names = ("event", "time", "ecg_date", "event_date", "last_contact")
    columns = {name: roles[name] for name in names if roles[name] is not None}
    if "time" not in columns and "ecg_date" not in columns and "recorded_at" in joined:
        columns["ecg_date"] = "recorded_at"
    if "time" in columns:
        for name in ("event_date", "last_contact"):
            columns.pop(name, None)
    if not columns.keys() & {"time", "event_date", "event"}:
        raise ValueError(
            "Which columns tell the outcome? Give event and time, or event_date and "
            f"one of last_contact and end; the table has {_listed(joined)}."
        )
    if keep != "all":
        joined = joined.assign(_patient=_known_patients(patients, joined))
        columns["id"] = "_patient"
    return from_table(
        joined,
        **columns,
        end=end,
        unit=unit,
        coding=coding,
        day_first=day_first,
        keep=keep,
    )


def _known_patients(patients, joined):
    """Patients of the rows, one each where nothing is known."""
    own = np.array([f"row {i}" for i in range(len(joined))], object)
    if patients is None:
        return own
    known = pd.Series(patients, dtype=object)
    return known.where(known.notna(), pd.Series(own)).astype(str).to_numpy()


def _covariates(joined, roles):
    """Columns other than those of outcome and names."""
    used = {name for role, name in roles.items() if name is not None}
    return joined[[n for n in joined if n not in used - {"age", "sex"}]]


def _first(values):
    return None if values is None or not len(values) else str(values[0])


def _listed(table):
    names = [repr(str(name)) for name in table]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
