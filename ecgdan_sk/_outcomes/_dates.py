"""Dates in tables: ISO or day-first, with times of day and time zones."""

import re

import numpy as np
import pandas as pd

# What registries write where they know no date; UK Biobank's, and the end of calendars.
PLACEHOLDERS = pd.to_datetime(
    ["1900-01-01", "1901-01-01", "1902-02-02", "1903-03-03", "1909-09-09", "2037-07-07"]
)
_NO_DATE = {"", ".", "-", "na", "n/a", "nan", "nat", "none", "null"}
_ISO = re.compile(r"\d{4}([-/]?)\d{2}\1\d{2}([T ].*)?")
_PARTS = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})((?:[T ]+).*)?")
_ZONE = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")
# The month is a word, so the order is unambiguous.
_NAMED = ("%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y")


def read_dates(column, name, day_first=None):
    """Dates of a column as two Series: in local time, and in UTC or None."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _naive(column), _naive(column.dt.tz_convert("UTC"))
    if column.dtype.kind == "M":
        return _naive(pd.to_datetime(column)), None
    if column.dtype.kind in "bfm" and column.notna().any():
        _refuse(column.notna(), column, name)
    text = column.map(_as_text, na_action="ignore").astype(object)
    # Labels may occur twice, positions do not.
    text = text.mask(text.isna() | text.str.lower().isin(_NO_DATE)).reset_index(
        drop=True
    )
    dates, in_utc = _of_text(text, name, day_first, column.index)
    _refuse(text.notna().to_numpy() & dates.isna().to_numpy(), column, name)
    dates.index = column.index
    return dates, None if in_utc is None else in_utc.set_axis(column.index)


def is_placeholder(dates):
    """Which dates stand for one that is not known, or are still to come."""
    days = dates.dt.normalize()
    return days.isin(PLACEHOLDERS) | (dates > pd.Timestamp.now() + pd.Timedelta(days=1))


def _of_text(text, name, day_first, labels):
    """Dates of text, by the format that the column is in."""
    given = text.dropna().astype(str)
    zone = given.str.contains(_ZONE) & given.str.contains(":")
    wall = given.where(~zone, given.str.replace(_ZONE, "", regex=True)).str.strip()
    iso = wall.str.fullmatch(_ISO)
    parts = wall[~iso].str.extract(f"^{_PARTS.pattern}$")
    dates = pd.Series(pd.NaT, text.index, dtype="datetime64[ns]")
    dates[wall.index[iso]] = _parsed(wall[iso], "ISO8601")
    numbered = parts.index[parts[0].notna()]
    if day_first is None:
        day_first = _is_day_first(parts.loc[numbered], name, labels)
    dates[numbered] = _numbered(parts.loc[numbered], day_first)
    for form in _NAMED:
        left = wall.index[dates[wall.index].isna()]
        dates[left] = _parsed(wall[left], form)
    if zone.empty or not zone.all():
        return dates, None
    in_utc = pd.to_datetime(given, format="ISO8601", utc=True, errors="coerce")
    return dates, in_utc.dt.tz_localize(None).reindex(text.index)


def _numbered(parts, day_first):
    """Dates like 31.12.2019, or with a slash in either order."""
    first = (parts[1] == ".") | day_first
    day, month = parts[0].where(first, parts[2]), parts[2].where(first, parts[0])
    days = parts[3] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
    return _parsed(days + parts[4].fillna(""), "ISO8601")


def _is_day_first(parts, name, labels):
    """Whether the first number is the day, if the column shows it."""
    parts = parts[parts[1] != "."]
    if parts.empty:
        return True
    day_first, month_first = ((parts[n].astype(int) > 12).any() for n in (0, 2))
    if day_first == month_first:
        row = parts.index[0]
        why = (
            "some can only be the one and some only the other"
            if day_first
            else "no number tells, as none is above 12"
        )
        raise ValueError(
            f"Dates in {name!r} may be day-first or month-first, such as "
            f"{''.join(parts.loc[row, [0, 1, 2, 1, 3]])!r} in row {labels[row]!r}: "
            f"{why}. Say day_first=True or day_first=False, or write 2019-12-31."
        )
    return day_first


def _refuse(wrong, column, name):
    """Raise if a date cannot be read, with its row."""
    if np.any(wrong):
        first = int(np.argmax(wrong))
        raise ValueError(
            f"{np.sum(wrong)} of {len(column)} values of {name!r} are no dates; the "
            f"first is {str(column.iloc[first])!r} in row {column.index[first]!r}. "
            "Expected dates like 2019-12-31, 31.12.2019 or 31/12/2019, with years of "
            "four digits from 1678 to 2262; leave a cell empty where there is no date."
        )


def _parsed(text, form):
    """Dates in one format, NaT where the text is of another."""
    dates = pd.to_datetime(text, format=form, errors="coerce")
    return dates.astype("datetime64[ns]")


def _as_text(value):
    """A cell as text; whole numbers such as 20191231 too."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value).strip()


def _naive(dates):
    """Dates by the clock on the wall, in nanoseconds."""
    if dates.dt.tz is not None:
        dates = dates.dt.tz_localize(None)
    return dates.astype("datetime64[ns]")
