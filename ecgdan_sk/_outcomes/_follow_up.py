"""Follow-up from dates: of the ECG, the event, a competing one, the last contact."""

import pandas as pd

from .._warnings import warn
from ._dates import is_placeholder, read_dates
from ._first import first_of

_PLACES = ("ecg_date", "event_date", "competing", "last_contact")


def add_follow_up(flow, table, columns, end, day_first):
    """Add days and causes to the flow's table; leave out rows without follow-up."""
    dates = _comparable(table, columns, day_first)
    undated = _take_placeholders_out(flow, dates)
    found = flow.table
    for place in _PLACES:
        found[place] = dates.get(place, pd.Series(pd.NaT, found.index))
    if "event" in found:
        undated |= _merge_event(found, table.index, "event_date" in columns)
    _end_follow_up(found, end)
    _leave_out(flow, undated)
    found = flow.table.copy()
    late = int((found["event_date"] > found["last_contact"]).sum())
    flow.note(late, "events after the end of follow-up, not counted")
    causes, days = first_of(*(found[place] for place in _PLACES))
    found["cause"], found["days"] = causes, days
    if "event" in found:
        # Of several causes, the column says which it was.
        found["cause"] = found["event"].where(
            (found["cause"] == 1) & (found["event"] > 1), found["cause"]
        )
    flow.table = found


def _comparable(table, columns, day_first):
    """Dates by role, with a common time zone and precision."""
    read = {}
    for role in _PLACES:
        if role in columns:
            name = columns[role]
            both = read_dates(table[name], name, day_first)
            read[role] = [one if one is None else _by_position(one) for one in both]
    days = {role: wall.dt.normalize() for role, (wall, _) in read.items()}
    if any(
        (wall.dropna() == days[role].dropna()).all() for role, (wall, _) in read.items()
    ):
        return days
    aware = all(in_utc is not None for _, in_utc in read.values())
    return {role: both[aware] for role, both in read.items()}


def _by_position(dates):
    """Dates by the position of their row."""
    return dates.reset_index(drop=True)


def _take_placeholders_out(flow, dates):
    """Make placeholder dates missing, and find events without a date."""
    undated, n_values = pd.Series(False, flow.table.index), 0
    for role, of_role in dates.items():
        unknown = is_placeholder(of_role)
        n_values += int(unknown.sum())
        dates[role] = of_role.mask(unknown)
        if role == "event_date":
            undated = unknown
    flow.note(n_values, "dates taken as missing: placeholders, or still to come")
    return undated


def _merge_event(found, labels, dated):
    """Dates of events by the event indicator, and mask of events without a date."""
    happened = found["event"] > 0
    if not dated:
        found["event_date"] = found["last_contact"].where(happened)
    denied = (found["event"] == 0) & found["event_date"].notna()
    if denied.any():
        raise ValueError(
            f"{denied.sum()} rows say that there was no event but give its date; the "
            f"first is row {labels[denied.to_numpy().argmax()]!r}. Correct them, or "
            "leave `event` out: then whoever has a date had the event."
        )
    return (happened | found["event"].isna()) & found["event_date"].isna()


def _end_follow_up(found, end):
    """Follow everyone until the last contact, at most until the end of the data."""
    # Whoever had an event was seen on that day.
    seen = found[["event_date", "competing"]].max(axis=1)
    contact = found["last_contact"]
    if end is not None:
        end = read_dates(pd.Series([end]), "end")[0][0]
        # Without a column of last contacts all are followed until the end.
        contact = contact.fillna(end) if contact.isna().all() else contact
        seen, contact = seen.clip(upper=end), contact.clip(upper=end)
    else:
        late = (found["event_date"] > contact).sum()
        if late:
            warn(
                f"{late} of {len(found)} events are dated after the last contact of "
                "their patient, when nobody was watching; they do not count. Whoever "
                "was seen with an event was seen: is last_contact right?",
            )
    found["last_contact"] = contact.fillna(seen)


def _leave_out(flow, undated):
    """Leave out rows without a date, with an earlier event, or without follow-up."""
    flow.leave_out(flow.table["ecg_date"].isna(), "date of the ECG not known")
    flow.leave_out(undated[flow.table.index], "event without a date, or not known")
    ecg, event = flow.table["ecg_date"], flow.table["event_date"]
    same_day = (event <= ecg) & (event.dt.normalize() == ecg.dt.normalize())
    flow.leave_out((event <= ecg) & ~same_day, "event before the ECG")
    flow.leave_out(same_day[flow.table.index], "event on the day of the ECG")
    flow.leave_out(flow.table["last_contact"].isna(), "last contact not known")
    ended = flow.table[["last_contact", "competing"]].min(axis=1)
    flow.leave_out(ended <= flow.table["ecg_date"], "no follow-up after the ECG")
