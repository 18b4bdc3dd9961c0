"""Columns of an outcome, whatever their dtype: times in days, events as causes."""

from datetime import date, timedelta
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from .._warnings import warn

DATES_REMEDY = (
    "outcomes.from_table(df, ecg_date=..., event_date=..., last_contact=...) makes y "
    "of dates: that of the ECG, of the event and of the last contact"
)
_TEXT_REMEDY = (
    "Use True and False, or outcomes.from_table(df, event=..., time=...), which reads "
    "words and takes coding={'dead': True, 'alive': False}"
)
# No study lasts this many years, and fewer times do not reveal their unit.
_LONGEST_YEARS, _ENOUGH = 60, 20
# Times that were days are whole multiples of a day, others were rounded.
_GRIDS = (365.25, 365.0, 365.2425, 365.25 / 12, 30.44, 30.4, 30.0, 1000.0)


def as_days(values, what="Times"):
    """Times in float64, timedeltas in days, missing ones as NaN."""
    values = as_series(values)
    kind = values.dtype.kind
    if isinstance(values.dtype, pd.PeriodDtype):
        kind = "M"
    if kind == "O":
        kind, values = _kind_of_objects(values, what)
    if kind == "M":
        raise ValueError(
            f"{what} are dates, the first {values.dropna().iloc[:1].tolist()}; "
            f"expected days. {DATES_REMEDY}."
        )
    if kind == "m":
        values, kind = values / pd.Timedelta(days=1), "f"
    if kind not in "iuf":
        raise ValueError(
            f"{what} are of type {values.dtype}, the first "
            f"{values.iloc[:1].tolist()}; expected numbers of days. Is it the event?"
        )
    # A field of a structured array is a view that torch does not take.
    return np.array(values.to_numpy(np.float64, na_value=np.nan))


def as_causes(values, what="The first field of y"):
    """Causes as float64: 0 censored, 1, 2, ...; raise if one is missing or invalid."""
    values = as_series(values)
    missing = values.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"{what} is missing for {missing.sum()} of {len(values)} samples, the "
            f"first is sample {np.argmax(missing)}. It must say True or False of each; "
            "leave out samples of whom it is not known."
        )
    told = set(map(type, values)) if values.dtype.kind == "O" else set()
    if any(issubclass(one, str) for one in told):
        text = next(value for value in values if isinstance(value, str))
        raise ValueError(f"{what} holds text such as {text!r}. {_TEXT_REMEDY}.")
    numbers = all(issubclass(one, (Real, Decimal, np.bool_)) for one in told)
    if values.dtype.kind not in "biufO" or not numbers:
        raise ValueError(
            f"{what} is of type {values.dtype}; expected True and False. Is it the "
            "time? Fields are in the order (event, time)."
        )
    return values.to_numpy(np.float64)


def warn_of_years(time):
    """Warn if times look like years or months that were computed from days.

    Such times are short and fractional, but whole numbers of days after multiplication.
    Simulated times, whose unit is arbitrary, are not.
    """
    if len(time) < _ENOUGH or not 0 < time.max() < _LONGEST_YEARS:
        return
    broken = np.mean(time != np.round(time)) > 0.5
    whole = max(np.mean(abs(grid * time % 1 - 0.5) > 0.49) for grid in _GRIDS)
    if broken and whole > 0.95:
        warn(
            f"The longest of the {len(time)} times is {time.max():.3g}, and most are "
            "no whole numbers, as years or months are; they are taken as days. "
            "Multiply years by 365.25 and months by 30.44, or pass unit='years' to "
            "outcomes.from_table.",
        )


def as_series(values):
    """A column as a Series that pandas knows the type of, masked values as missing."""
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        return as_series(pd.Series(values.data).astype(object).mask(hidden))
    if isinstance(values, np.ndarray) and values.dtype.kind == "m":
        values = _in_days(values)
    values = pd.Series(values)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    # Objects may all have one type; text stays text.
    return values.infer_objects() if values.dtype == object else values


def _in_days(values):
    """Timedeltas in a unit that pandas knows."""
    unit = np.datetime_data(values.dtype)[0]
    if unit in ("generic", "Y", "M"):
        raise ValueError(
            f"Times are of type {values.dtype}, which has no fixed number of days, as "
            "months and years differ in length. Give timedelta64[D] or numbers of days."
        )
    return values / np.timedelta64(1, "D") * np.timedelta64(86_400_000_000, "us")


def _kind_of_objects(values, what):
    """Type of the values in a column of Python objects, and the column as that type."""
    given = values.dropna()
    told = set(map(type, given))
    if all(issubclass(one, (Real, Decimal)) and one is not bool for one in told):
        return "f", values.map(float, na_action="ignore").astype(np.float64)
    if all(issubclass(one, (timedelta, np.timedelta64)) for one in told):
        return "m", pd.to_timedelta(values)
    if any(issubclass(one, (date, np.datetime64, pd.Period)) for one in told):
        return "M", values
    raise ValueError(
        f"{what} hold {given.iloc[0]!r} among {len(values)} values; expected numbers "
        "of days. pandas.to_numeric makes numbers of text that are some. If these are "
        f"dates: {DATES_REMEDY}."
    )
