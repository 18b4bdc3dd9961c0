"""From a table with one row per ECG to its outcomes."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ._columns import as_days, warn_of_years
from ._dates import read_dates
from ._first import as_outcome
from ._flow import CohortFlow
from ._follow_up import add_follow_up
from ._words import read_events

_DAYS_PER = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
_KEEP = ("all", "first", "last")


def from_table(
    table,
    *,
    event=None,
    time=None,
    ecg_date=None,
    event_date=None,
    last_contact=None,
    end=None,
    competing=None,
    id=None,
    keep="all",
    unit=None,
    coding=None,
    day_first=None,
):
    """Make outcomes from a table with one row per ECG, and count the rows left out.

    The table holds either the time to the event (`time`, with `event`), or dates
    (`ecg_date` with `event_date` or `event`, and with `last_contact` or `end`), from
    which days are counted. Rows without observation after the ECG are left out: event
    before the ECG or on its day, follow-up already ended, or missing values. The flow
    counts the rows for each reason.

    Dates may be dates of pandas or of Python, ISO text (2019-12-31), day-first text
    (31.12.2019; for 31/12/2019 the column must show the order, else give `day_first`)
    or text with the name of the month. Times of day count if all columns have them;
    else whole days count. If all columns have a time zone, they are converted to UTC;
    else local times are compared. Dates in the future, and dates that registries write
    for unknown ones (1900-01-01, 2037-07-07 and others of UK Biobank), count as
    missing.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        One row for each ECG.
    event : str or None, default=None
        Column of the event: True or False, 1 or 0, or words such as "yes" and "no",
        "dead" and "alive"; with several causes, the numbers 0, 1, 2, ... Needed with
        `time`; with dates, needed if `last_contact` is also the date of the event.
    time : str or None, default=None
        Column of the times from the ECG to the event or the last contact, as numbers or
        timedeltas.
    ecg_date : str or None, default=None
        Column of the dates of the ECGs.
    event_date : str or None, default=None
        Column of the dates of the event, empty if it did not happen.
    last_contact : str or None, default=None
        Column of the dates of the last contact, which end the follow-up of each
        patient.
    end : str, datetime or None, default=None
        End of the data for all patients. Later events do not count.
    competing : str or None, default=None
        With dates, the column of the dates of a competing event, such as death; with
        `time`, the column that marks it as the end of follow-up. It becomes cause 2.
    id : str or None, default=None
        Column of the patient identifiers; a patient may have several ECGs.
    keep : {"all", "first", "last"}, default="all"
        ECGs to keep of each patient, among those with an outcome. "first" and "last"
        need `ecg_date` and `id`.
    unit : {"days", "weeks", "months", "years"} or None, default=None
        Unit of `time`. None means days, with a warning if the times look like years.
    coding : mapping or None, default=None
        Meaning of the values of `event`, such as ``{"dead": True, "alive": False}``.
    day_first : bool or None, default=None
        Whether 01/02/2020 is the first of February. None infers it from the column.

    Returns
    -------
    Bunch
        y : structured ndarray of shape (n_samples,)
            Fields (event, time), time in days; with `competing` or causes in `event`, 0
            censored, 1, 2, ... the causes.
        rows : ndarray of int of shape (n_samples,)
            Positions in the table of the rows that were kept, in its order, for
            ``X[outcome.rows]``.
        groups : ndarray of shape (n_samples,) or None
            Patient of each sample, if `id` is given. Pass it to splitters.
        flow : DataFrame
            Number of rows left out, and the reasons, in this order.
        coding : dict
            Reading of `event`: each value with its cause, None for missing.

    Raises
    ------
    TypeError
        If `table` is no DataFrame.
    ValueError
        If a column is missing or does not fit the others, if a value cannot be read
        (the message names its row), if the order of day and month is unclear, if no row
        remains, or if there is no event.

    Warns
    -----
    UserWarning
        If times look like years, or if events come after the last contact of their
        patient.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecgdan_sk import outcomes
    >>> table = pd.DataFrame(
    ...     {
    ...         "ecg": ["03.01.2015", "10.02.2015", "11.03.2015", "20.04.2015"],
    ...         "failure": ["03.01.2016", None, "01.01.2012", None],
    ...         "seen": ["01.06.2016", "10.02.2017", "01.01.2018", "20.04.2015"],
    ...     }
    ... )
    >>> outcome = outcomes.from_table(
    ...     table, ecg_date="ecg", event_date="failure", last_contact="seen"
    ... )
    >>> outcome.y.tolist()
    [(True, 365.0), (False, 731.0)]
    >>> outcome.rows.tolist()
    [0, 1]
    >>> outcome.flow[outcome.flow["left_out"] > 0]["step"].tolist()
    ['event before the ECG', 'no follow-up after the ECG']
    """
    columns = {
        "event": event,
        "time": time,
        "ecg_date": ecg_date,
        "event_date": event_date,
        "last_contact": last_contact,
        "competing": competing,
        "id": id,
    }
    columns = {role: name for role, name in columns.items() if name is not None}
    _check_columns(table, columns, end)
    _check_choices(columns, keep, unit)
    found = pd.DataFrame(index=pd.RangeIndex(len(table)))
    coding_seen = {}
    if event is not None:
        found["event"], coding_seen = read_events(table[event], event, coding)
    flow = CohortFlow(found, "rows in the table")
    if time is not None:
        _add_times(flow, table, columns, unit, day_first)
    else:
        add_follow_up(flow, table, columns, end, day_first)
    if id is not None:
        _keep_of_each_patient(flow, table[id].reset_index(drop=True), keep)
    flow.require_rows()
    rows = flow.table.index.to_numpy()
    return Bunch(
        y=_target(flow, competing is not None),
        rows=rows,
        groups=None if id is None else table[id].to_numpy()[rows],
        flow=flow.to_frame(),
        coding=coding_seen,
    )


def _check_columns(table, columns, end):
    """Raise unless the columns are there and go with each other."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(
            f"table must be a pandas DataFrame, got {type(table).__name__}. Read a "
            "file with pandas.read_csv or pandas.read_excel."
        )
    for role, name in columns.items():
        if list(table.columns).count(name) != 1:
            raise ValueError(
                f"{role}={name!r} must name one column of the table; it has "
                f"{', '.join(map(repr, table.columns[:10]))}."
            )
    dates = {"ecg_date", "event_date", "last_contact"} & columns.keys()
    if "time" in columns:
        fits = "event" in columns and not dates - {"ecg_date"} and end is None
    else:
        fits = "ecg_date" in dates and ("last_contact" in dates or end is not None)
        fits &= "event_date" in dates or {"event", "last_contact"} <= columns.keys()
    if not fits:
        raise ValueError(
            f"Got {', '.join(columns) or 'no column'}{', end' if end else ''}; "
            "expected event and time; or ecg_date, event_date and one of last_contact "
            "and end; or ecg_date, event and last_contact, where the last contact of "
            "those with the event is its date."
        )


def _check_choices(columns, keep, unit):
    """Raise unless the options are valid."""
    if keep not in _KEEP:
        raise ValueError(f"keep must be one of {', '.join(_KEEP)}, got {keep!r}.")
    if keep != "all" and not {"id", "ecg_date"} <= columns.keys():
        raise ValueError(
            f"keep={keep!r} needs id, the column of the patients, and ecg_date, the "
            "column that tells which of their ECGs came first."
        )
    if unit is not None and (unit not in _DAYS_PER or "time" not in columns):
        raise ValueError(
            f"unit={unit!r} must be one of {', '.join(_DAYS_PER)} and goes with time."
        )


def _add_times(flow, table, columns, unit, day_first):
    """Days and causes from a column of times."""
    time = table[columns["time"]].reset_index(drop=True)
    days = as_days(time, f"The times in {columns['time']!r}")
    if unit is None:
        warn_of_years(days[np.isfinite(days)])
    # Timedeltas are days, whatever the unit of numbers is.
    known = time.dtype.kind == "m" or unit is None
    found = flow.table
    found["days"] = days * (1.0 if known else _DAYS_PER[unit])
    found["cause"] = found["event"]
    if "competing" in columns:
        name = columns["competing"]
        competes = read_events(table[name], name)[0]
        found["cause"] = found["cause"].mask((found["event"] == 0) & (competes == 1), 2)
    if "ecg_date" in columns:
        name = columns["ecg_date"]
        found["ecg_date"] = read_dates(table[name], name, day_first)[0].to_numpy()
    flow.leave_out(flow.table["event"].isna(), "event or none: not known")
    flow.leave_out(~np.isfinite(flow.table["days"]), "time not known")
    past = flow.table["days"] <= 0
    flow.leave_out(past & (flow.table["cause"] == 1), "event before the ECG or with it")
    flow.leave_out(flow.table["days"] <= 0, "no follow-up after the ECG")


def _keep_of_each_patient(flow, patients, keep):
    """Keep all ECGs of a patient, or the first or the last of them."""
    patients = patients.loc[flow.table.index]
    flow.leave_out(patients.isna(), "patient not known")
    if keep == "all":
        return
    flow.leave_out(flow.table["ecg_date"].isna(), "date of the ECG not known")
    order = flow.table.sort_values("ecg_date", kind="stable").index
    repeated = patients[order].duplicated(keep=keep)
    flow.leave_out(repeated.loc[flow.table.index], f"not the {keep} ECG of the patient")


def _target(flow, competing):
    """Outcome of the remaining rows; raise if nobody had the event."""
    causes = flow.table["cause"].to_numpy().astype(np.int64)
    if not (causes == 1).any():
        raise ValueError(
            f"Nobody of {len(causes)} has the event after the ECG:\n"
            f"{flow.to_frame().to_string(index=False)}\n"
            "Look at the steps that leave out the most, and at `coding`."
        )
    competing = competing or causes.max() > 1
    return as_outcome(causes, flow.table["days"], competing=competing)
